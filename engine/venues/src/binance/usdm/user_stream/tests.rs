//! The account session without a socket.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{OrderReference, SessionKind, WorkingStatus};

use super::*;
use crate::binance::usdm::tests::{Harness, hmac, http, order_update, plan};
use crate::registry::VenueBudgets;

type AccountHarness = Harness<AccountSession>;

const KEY: &str = "/fapi/v1/listenKey";

fn started() -> AccountHarness {
    let mut harness = Harness::new(AccountSession::new(&plan(SessionKind::Account)), hmac());
    harness.ok(Input::Start);
    harness
}

fn ready() -> AccountHarness {
    let mut harness = started();
    harness.answer(Method::Post, KEY, "{\"listenKey\":\"pqia91\"}");
    harness.ok(Input::Connected);
    harness
}

#[track_caller]
fn check_lost(mut harness: AccountHarness, reason: ReconnectReason) {
    assert_eq!(harness.reconnect(), Some(reason));
    assert_eq!(harness.state, SessionState::Down);
    assert_eq!(harness.session.next_deadline(), None);
}

#[test]
fn a_listen_key_is_made_before_the_dial() {
    let mut harness = started();
    assert_eq!((harness.state, &harness.outbox.dial), (SessionState::Connecting, &None));
    let call = harness.take_call(Method::Post, KEY);
    assert_eq!(call.header, Some(("X-MBX-APIKEY", crate::session::KeyName::from("key").unwrap())));
    let answer = http(200, "{\"listenKey\":\"pqia91\"}");
    harness.ok(Input::Response { call: call.call, answer });
    let dial = harness.outbox.dial.take().unwrap();
    assert_eq!((dial.host, dial.path.as_str()), (HostRole::PrivateStream, "/private/ws/pqia91"));
    harness.ok(Input::Connected);
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn a_listen_key_that_could_change_the_path_is_refused() {
    for body in [
        "{\"listenKey\":\"a/../b\"}",
        "{\"listenKey\":\"a b\"}",
        "{\"listenKey\":\"\"}",
        "{\"listenKey\":7}",
        "{}",
        "<html>",
    ] {
        let mut harness = started();
        let call = harness.take_call(Method::Post, KEY);
        let input = Input::Response { call: call.call, answer: http(200, body) };
        assert!(harness.handle(input).is_err(), "{body}");
        assert_eq!(harness.outbox.dial, None);
        harness.wait(1_000);
        harness.take_call(Method::Post, KEY);
    }
}

#[test]
fn a_refused_key_is_asked_for_again_ever_later() {
    let mut harness = started();
    for seconds in [1, 2, 4, 8, 16, 30, 30] {
        let call = harness.take_call(Method::Post, KEY);
        harness.ok(Input::Response { call: call.call, answer: Answer::Lost });
        harness.wait(seconds * 1_000 - 1);
        assert!(harness.outbox.calls.is_empty());
        harness.wait(1);
    }
    let call = harness.take_call(Method::Post, KEY);
    harness.ok(Input::Response { call: call.call, answer: http(401, "{\"code\":-2015}") });
    assert_eq!(harness.alerts(), [AlertKind::Authentication]);
}

#[test]
fn the_key_is_kept_alive_every_half_hour() {
    let mut harness = ready();
    for _ in 0..4 {
        harness.wait(30 * 60_000);
        harness.answer(Method::Put, KEY, "{\"listenKey\":\"pqia91\"}");
    }
    assert_eq!(harness.reconnect(), None);
    // One lost answer is no harm.
    harness.wait(30 * 60_000);
    let call = harness.take_call(Method::Put, KEY);
    harness.ok(Input::Response { call: call.call, answer: Answer::Lost });
    harness.wait(60_000);
    harness.answer(Method::Put, KEY, "{}");
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn a_key_that_is_gone_or_was_not_kept_alive_ends_the_stream() {
    let mut harness = ready();
    harness.wait(30 * 60_000);
    let call = harness.take_call(Method::Put, KEY);
    harness.ok(Input::Response { call: call.call, answer: http(400, "{\"code\":-1125}") });
    check_lost(harness, ReconnectReason::StreamExpired);

    let mut harness = ready();
    harness.wait(60 * 60_000);
    check_lost(harness, ReconnectReason::StreamExpired);

    let mut harness = ready();
    harness.frame("{\"e\":\"listenKeyExpired\",\"E\":1,\"listenKey\":\"pqia91\"}").unwrap();
    check_lost(harness, ReconnectReason::StreamExpired);
}

#[test]
fn a_trade_is_told_as_a_fill_and_then_the_state() {
    let mut harness = ready();
    harness.frame(&order_update(7, "TRADE", "FILLED", "0.004", "0.010")).unwrap();
    let reports = harness.reports();
    let [Report::Execution(fill), Report::Execution(state)] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert!(matches!(fill.outcome, Outcome::Fill(_)));
    assert!(matches!(fill.order, OrderReference::Ours(id) if id.get() == 7));
    assert_eq!(fill.venue_order_id, state.venue_order_id);
    let Outcome::Working(working, ReportSource::Stream) = state.outcome else {
        panic!("{state:?}");
    };
    assert_eq!(working.status, WorkingStatus::Filled);
    // The lighter copy of the same fill says less and is left out.
    harness.frame("{\"e\":\"TRADE_LITE\",\"s\":\"BTCUSDT\",\"t\":9}").unwrap();
    assert!(harness.reports().is_empty());
    assert_eq!(harness.session.counters().trade_lites, 1);
}

#[test]
fn account_events_are_told_without_an_instant_of_asking() {
    let mut harness = ready();
    let text = r#"{"e":"ACCOUNT_UPDATE","E":2,"T":3,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"5"}],
        "P":[{"s":"BTCUSDT","pa":"0.010","ep":"9910","ps":"BOTH"},
        {"s":"BTCUSDT","pa":"1","ep":"9910","ps":"LONG"}]}}"#;
    harness.frame(text).unwrap();
    let reports = harness.reports();
    let [Report::Balance(balance), Report::Position(position)] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert_eq!(balance.available, None);
    assert_eq!((position.quantity, position.asked_at), (SignedQuantity(10), None));
    assert_eq!(harness.alerts(), [AlertKind::VenueError]);
}

#[test]
fn an_event_that_can_not_be_read_replaces_the_session() {
    let good = order_update(7, "TRADE", "FILLED", "0.004", "0.010");
    for text in [
        good.replace("\"l\":\"0.004\"", "\"l\":\"4e-3\""),
        good.replace("\"i\":8886774,", ""),
        good[..good.len() - 9].to_owned(),
        "<html>502</html>".to_owned(),
        String::new(),
    ] {
        let mut harness = ready();
        assert!(harness.frame(&text).is_err(), "{text}");
        assert_eq!(harness.session.counters().unreadable, 1);
        check_lost(harness, ReconnectReason::Protocol);
    }
}

#[test]
fn events_that_say_nothing_to_us_are_counted() {
    let mut harness = ready();
    harness.frame("{\"e\":\"ACCOUNT_CONFIG_UPDATE\",\"ac\":{}}").unwrap();
    harness.frame("{\"e\":\"MARGIN_CALL\"}").unwrap();
    harness.frame("{\"e\":\"NEWS\"}").unwrap();
    let foreign = order_update(7, "NEW", "NEW", "0", "0").replace("BTCUSDT", "ETHUSDT");
    harness.frame(&foreign).unwrap();
    assert!(harness.reports().is_empty());
    let counters = *harness.session.counters();
    assert_eq!((counters.ignored, counters.unknown, counters.foreign), (2, 1, 1));
    assert_eq!(harness.alerts(), [AlertKind::VenueError, AlertKind::UnknownMessage]);
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn a_shutdown_and_old_age_rotate_the_session() {
    let mut harness = ready();
    harness.frame("{\"e\":\"serverShutdown\",\"E\":1}").unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
    assert_eq!(harness.state, SessionState::Ready);
    harness.session.call_at = Nanos::MAX;
    harness.session.key_expires_at = Nanos::MAX;
    harness.wait(24 * 3_600_000 - 600_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
}

#[test]
fn requests_do_not_belong_here() {
    let mut harness = ready();
    let query = enigma_types::Query::Account { account: AccountId(0) };
    assert!(matches!(harness.handle(Input::Query(&query)), Err(VenueError::Misuse(_))));
}

#[test]
fn a_dial_does_not_show_its_listen_key() {
    let mut harness = started();
    harness.answer(Method::Post, KEY, "{\"listenKey\":\"pqia91\"}");
    let shown = format!("{:?} {:?}", harness.outbox.dial, harness.outbox);
    assert!(shown.contains("PrivateStream") && !shown.contains("pqia91"), "{shown}");
}

#[test]
fn a_ban_told_to_one_session_is_obeyed_by_the_next() {
    let budgets = VenueBudgets::new(VenueId::BinanceUsdm, 100);
    let plan = SessionPlan { budgets: Some(budgets), ..plan(SessionKind::Account) };
    let open = || {
        let mut harness = Harness::new(AccountSession::new(&plan), hmac());
        harness.ok(Input::Start);
        harness
    };
    let mut old = open();
    let call = old.take_call(Method::Post, KEY).call;
    let answer = Answer::Http { status: 418, retry_after_seconds: Some(40), body: b"{}" };
    old.ok(Input::Response { call, answer });
    let mut new = open();
    assert!(new.outbox.calls.is_empty());
    new.wait(39_999);
    assert!(new.outbox.calls.is_empty());
    new.wait(1);
    new.take_call(Method::Post, KEY);
}
