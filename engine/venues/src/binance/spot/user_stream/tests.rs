//! Spot's account session without a socket.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{
    Amount, ClientOrderId, OrderReference, Quantity, SessionKind, VenueId, WorkingStatus,
};

use super::*;
use crate::binance::spot::tests::{Harness, ed25519, execution_report, hmac, id_text, plan};
use crate::registry::VenueBudgets;

type AccountHarness = Harness<AccountSession>;

fn dialled(signer: Signer) -> AccountHarness {
    let mut harness = Harness::new(AccountSession::new(&plan(SessionKind::Account)), signer);
    harness.ok(Input::Start);
    let dial = harness.outbox.dial.take().unwrap();
    assert_eq!((dial.host, dial.path.as_str()), (HostRole::OrderEntry, "/ws-api/v3"));
    harness.ok(Input::Connected);
    harness
}

fn open() -> AccountHarness {
    let mut harness = dialled(hmac());
    harness.sent();
    harness.frame(r#"{"id":1,"status":200,"result":{"subscriptionId":0}}"#).unwrap();
    assert_eq!(harness.state, SessionState::Ready);
    harness
}

#[test]
fn a_key_that_can_log_on_does_and_then_subscribes() {
    let mut harness = dialled(ed25519());
    let logon = harness.sent_one();
    assert!(logon.starts_with("{\"id\":1,\"method\":\"session.logon\""), "{logon}");
    assert_eq!(harness.state, SessionState::Syncing);
    harness.frame(r#"{"id":1,"status":200,"result":{"apiKey":"key"}}"#).unwrap();
    assert_eq!(harness.sent_one(), "{\"id\":2,\"method\":\"userDataStream.subscribe\"}");
    assert_eq!(harness.state, SessionState::Syncing);
    harness.frame(r#"{"id":2,"status":200,"result":{"subscriptionId":0}}"#).unwrap();
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn another_key_signs_its_subscription() {
    let mut harness = dialled(hmac());
    let text = harness.sent_one();
    assert!(text.contains("\"userDataStream.subscribe.signature\""), "{text}");
    let time = harness.now.wall.as_millis();
    let params = format!("{{\"apiKey\":\"key\",\"recvWindow\":5000,\"timestamp\":{time},");
    assert!(text.contains(&params), "{text}");
}

#[test]
fn a_clock_that_is_not_known_yet_is_waited_for() {
    let mut harness = dialled(hmac());
    let skewed = |id: u64| {
        format!("{{\"id\":{id},\"status\":400,\"error\":{{\"code\":-1021,\"msg\":\"late\"}}}}")
    };
    for id in 1..=5 {
        harness.sent_one();
        harness.frame(&skewed(id)).unwrap();
        assert_eq!(harness.reconnect(), None);
        harness.wait(1_000);
    }
    harness.sent_one();
    harness.frame(&skewed(6)).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
}

#[track_caller]
fn check_refused(status: u16, code: i32, alert: AlertKind) {
    let mut harness = dialled(hmac());
    let text = format!("{{\"id\":1,\"status\":{status},\"error\":{{\"code\":{code}}}}}");
    harness.frame(&text).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
    assert_eq!((harness.state, harness.alerts()), (SessionState::Down, vec![alert]));
}

#[test]
fn a_refused_or_unanswered_subscription_replaces_the_connection() {
    check_refused(401, -2015, AlertKind::Authentication);
    check_refused(418, -1003, AlertKind::RateLimited);
    check_refused(400, -2042, AlertKind::VenueError);
    let mut harness = dialled(hmac());
    harness.wait(10_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
}

#[test]
fn a_ban_told_to_one_session_is_obeyed_by_the_others() {
    let budgets = VenueBudgets::new(VenueId::BinanceSpot, 100);
    let plan = SessionPlan { budgets: Some(budgets.clone()), ..plan(SessionKind::Account) };
    let mut harness = Harness::new(AccountSession::new(&plan), hmac());
    harness.ok(Input::Start);
    harness.ok(Input::Connected);
    harness.sent_one();
    let until = harness.now.wall.as_millis() + 120_000;
    let banned = format!(
        "{{\"id\":1,\"status\":418,\"error\":{{\"code\":-1003,\"msg\":\"banned\",\
         \"data\":{{\"serverTime\":1,\"retryAfter\":{until}}}}}}}"
    );
    harness.frame(&banned).unwrap();
    assert_eq!(budgets.banned_until_ms(), until);
}

fn execution(report: &Report) -> &ExecutionReport {
    let Report::Execution(execution) = report else { panic!("{report:?}") };
    execution
}

#[test]
fn a_fill_is_told_before_the_state_that_counts_it() {
    let mut harness = open();
    let text = execution_report(&id_text(7), "", "TRADE", "PARTIALLY_FILLED", "0.004", "0.004");
    harness.frame(&text).unwrap();
    let reports = harness.reports();
    assert_eq!(reports.len(), 2);
    let [fill, state] = [execution(&reports[0]), execution(&reports[1])];
    assert_eq!(fill.order, OrderReference::Ours(ClientOrderId::new(7).unwrap()));
    assert!(matches!(fill.outcome, Outcome::Fill(fill) if fill.fee_asset.as_str() == "BNB"));
    let Outcome::Working(working, ReportSource::Stream) = state.outcome else {
        panic!("{state:?}")
    };
    assert_eq!((working.status, working.filled), (WorkingStatus::Open, Quantity(400)));
}

#[test]
fn the_cancel_in_a_replace_ends_nothing_and_a_plain_one_does() {
    let mut harness = open();
    let id = id_text(7);
    let replaced = execution_report(&format!("{id}r"), &id, "CANCELED", "CANCELED", "0", "0");
    harness.frame(&replaced).unwrap();
    assert_eq!(harness.reports(), []);
    harness.frame(&execution_report(&id, "", "NEW", "NEW", "0", "0")).unwrap();
    let reports = harness.reports();
    assert!(matches!(execution(&reports[0]).outcome, Outcome::Working(working, _)
        if working.status == WorkingStatus::Open));
    for canceled_by in [format!("{id}c"), "web_5".to_owned()] {
        let text = execution_report(&canceled_by, &id, "CANCELED", "CANCELED", "0", "0");
        harness.frame(&text).unwrap();
        let reports = harness.reports();
        let ours = OrderReference::Ours(ClientOrderId::new(7).unwrap());
        assert_eq!(execution(&reports[0]).order, ours);
        assert!(matches!(execution(&reports[0]).outcome, Outcome::Working(working, _)
            if working.status == WorkingStatus::Canceled));
    }
    let counters = harness.session.counters();
    assert_eq!((counters.order_updates, counters.replaced), (4, 1));
}

#[test]
fn changed_balances_are_reported_and_transfers_counted() {
    let mut harness = open();
    let balances = r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":2,"u":1,
        "B":[{"a":"BTC","f":"1.5","l":"0.5"},{"a":"USDT","f":"7","l":"0"}]}}"#;
    harness.frame(balances).unwrap();
    let reports = harness.reports();
    let Report::Balance(btc) = reports[0] else { panic!("{reports:?}") };
    assert_eq!((btc.wallet, reports.len()), (Amount::from_units(2), 2));
    let transfer =
        r#"{"subscriptionId":0,"event":{"e":"balanceUpdate","E":2,"a":"BTC","d":"1","T":1}}"#;
    harness.frame(transfer).unwrap();
    assert_eq!(harness.reports(), []);
    let list = r#"{"subscriptionId":0,"event":{"e":"listStatus","E":2,"s":"BTCUSDT","g":2,"c":"OCO",
        "l":"EXEC_STARTED","L":"EXECUTING","r":"NONE","C":"x","T":1,"O":[]}}"#;
    harness.frame(list).unwrap();
    let counters = harness.session.counters();
    assert_eq!((counters.balance_updates, counters.transfers, counters.lists), (1, 1, 1));
}

#[test]
fn the_end_of_the_stream_and_what_can_not_be_read_replace_the_session() {
    let mut harness = open();
    harness.frame(r#"{"event":{"e":"serverShutdown","E":1}}"#).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
    assert_eq!(harness.state, SessionState::Ready);
    harness.frame(r#"{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}"#).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::StreamExpired));
    assert_eq!(harness.state, SessionState::Down);

    let mut harness = open();
    let broken = execution_report(&id_text(7), "", "TRADE", "FILLED", "4e-3", "0.01");
    assert!(harness.frame(&broken).is_err());
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Protocol));
    assert_eq!(harness.alerts(), [AlertKind::UnreadableMessage]);

    let mut harness = open();
    harness.frame(r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid"}}"#).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
    assert_eq!(harness.alerts(), [AlertKind::Authentication]);
}

#[test]
fn the_session_rotates_and_takes_no_orders() {
    let mut harness = open();
    harness.wait(23 * 3_600_000 + 1_800_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
    let query = enigma_types::Query::OpenOrders { account: AccountId(0) };
    assert!(harness.handle(Input::Query(&query)).is_err());
}
