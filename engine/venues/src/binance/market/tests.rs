//! The market session without a socket.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;

use enigma_types::{
    Instrument, InstrumentTable, Price, Quantity, Sequence, SessionKind, Side, Symbol, UnixNanos,
    VenueId,
};

use super::*;
use crate::binance::usdm::market::MarketSession;
use crate::binance::usdm::tests::{Harness, http, plan, table};
use crate::registry::VenueBudgets;
use crate::session::{Answer, Method};
use crate::wire::websocket::FrameClass;

mod silence;

type MarketHarness = Harness<MarketSession>;

const BTC: InstrumentId = InstrumentId(0);
const DEPTH: &str = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";

fn connected() -> MarketHarness {
    let session = MarketSession::new(&plan(SessionKind::Market));
    let mut harness = Harness::new(session, Signer::None);
    harness.ok(Input::Start);
    harness.ok(Input::Connected);
    harness
}

fn ready() -> MarketHarness {
    let mut harness = connected();
    harness.frame(&depth(101, 110, 100)).unwrap();
    harness.answer(Method::Get, DEPTH, &snapshot(105));
    assert_eq!(harness.state, SessionState::Ready);
    harness.outbox.books.pop();
    harness
}

/// Sets the bid at 61800.2 to a quantity of the event's last id.
fn depth(first: u64, last: u64, previous: u64) -> String {
    format!(
        "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":9,\"T\":8,\
         \"s\":\"BTCUSDT\",\"U\":{first},\"u\":{last},\"pu\":{previous},\
         \"b\":[[\"61800.20\",\"0.{last}\"]],\"a\":[]}}}}"
    )
}

fn snapshot(last: u64) -> String {
    format!(
        "{{\"lastUpdateId\":{last},\"E\":2,\"T\":1,\"bids\":[[\"61800.20\",\"2.909\"],\
         [\"61800.10\",\"0.696\"]],\"asks\":[[\"61800.30\",\"1.000\"]]}}"
    )
}

fn ticker(last: u64) -> String {
    format!(
        "{{\"stream\":\"btcusdt@bookTicker\",\"data\":{{\"e\":\"bookTicker\",\"u\":{last},\
         \"s\":\"BTCUSDT\",\"b\":\"61800.20\",\"B\":\"7.000\",\"a\":\"61800.30\",\
         \"A\":\"2.510\",\"T\":1723161256313,\"E\":1723161256314}}}}"
    )
}

fn bid(harness: &MarketHarness) -> Option<i64> {
    harness.session.book(BTC)?.best_bid().map(|level| level.quantity.0)
}

#[test]
fn all_streams_of_an_instrument_are_dialled() {
    let harness = connected();
    let dial = harness.outbox.dial.clone().unwrap();
    assert_eq!(dial.host, HostRole::PublicStream);
    assert_eq!(
        dial.path,
        "/public/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@trade"
    );
    assert_eq!(harness.state, SessionState::Syncing);
}

#[test]
fn the_book_is_shown_once_it_is_in_step() {
    let mut harness = connected();
    harness.frame(&ticker(500)).unwrap();
    assert!(harness.outbox.calls.is_empty());
    harness.frame(&depth(101, 110, 100)).unwrap();
    assert!(harness.outbox.books.is_empty());
    harness.answer(Method::Get, DEPTH, &snapshot(105));
    assert_eq!(harness.state, SessionState::Ready);
    assert_eq!(harness.outbox.books.pop(), Some(BTC));
    let book = *harness.session.book(BTC).unwrap();
    assert_eq!(book.sequence, Sequence(110));
    assert_eq!((book.venue_time, book.received_at), (UnixNanos::from_millis(8), harness.now.mono));
    assert_eq!(book.best_ask().unwrap().price, Price(618_003));
    assert_eq!(bid(&harness), Some(110));
    harness.frame(&ticker(112)).unwrap();
    assert_eq!(harness.outbox.books.pop(), Some(BTC));
    assert_eq!(bid(&harness), Some(7_000));
    // Older than what is shown.
    harness.frame(&ticker(111)).unwrap();
    assert!(harness.outbox.books.is_empty());
}

#[test]
fn a_gap_drops_the_book_and_a_new_snapshot_mends_it() {
    let mut harness = ready();
    harness.frame(&depth(201, 210, 200)).unwrap();
    assert_eq!(harness.session.book(BTC), None);
    assert_eq!(harness.state, SessionState::Syncing);
    assert_eq!(harness.alerts(), [AlertKind::SequenceGap]);
    assert_eq!(harness.reconnect(), None);
    harness.frame(&depth(211, 220, 210)).unwrap();
    harness.answer(Method::Get, DEPTH, &snapshot(215));
    assert_eq!(harness.state, SessionState::Ready);
    assert_eq!(bid(&harness), Some(220));
    assert_eq!(harness.session.counters().gaps, 1);
}

#[test]
fn snapshots_that_fail_are_asked_for_later_and_then_on_a_new_connection() {
    let mut harness = connected();
    let mut last = 110;
    harness.frame(&depth(101, 110, 100)).unwrap();
    for round in 0..9 {
        let call = harness.take_call(Method::Get, DEPTH);
        let answer = match round % 3 {
            0 => Answer::Lost,
            1 => http(502, "<html>"),
            _ => http(200, "{\"lastUpdateId\":"),
        };
        let _ = harness.handle(Input::Response { call: call.call, answer });
        for _ in 0..40 {
            harness.wait(1_000);
            harness.frame(&depth(last + 1, last + 10, last)).unwrap();
            last += 10;
        }
    }
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Gap));
    assert_eq!(harness.session.book(BTC), None);
}

#[test]
fn a_throttled_snapshot_waits_as_long_as_the_venue_says() {
    let mut harness = connected();
    harness.frame(&depth(101, 110, 100)).unwrap();
    let call = harness.take_call(Method::Get, DEPTH);
    let answer = Answer::Http { status: 429, retry_after_seconds: Some(3), body: b"{}" };
    assert!(harness.handle(Input::Response { call: call.call, answer }).is_err());
    assert_eq!(harness.alerts(), [AlertKind::RateLimited]);
    harness.wait(2_900);
    assert!(harness.outbox.calls.is_empty());
    harness.wait(400);
    harness.take_call(Method::Get, DEPTH);
}

#[test]
fn silence_of_every_book_is_stale_whatever_else_comes() {
    let mut harness = ready();
    for _ in 0..4 {
        harness.wait(1_000);
        harness.frame(&ticker(200)).unwrap();
    }
    assert_eq!(harness.state, SessionState::Ready);
    // Trades alone say nothing about the book.
    for _ in 0..7 {
        harness.wait(1_000);
        harness.frame(&trade()).unwrap();
    }
    assert_eq!(harness.state, SessionState::Stale);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Stale));
    assert_eq!(harness.session.book(BTC), None);
}

#[test]
fn best_prices_with_a_broken_id_give_way_to_later_depth() {
    let mut harness = ready();
    harness.frame(&ticker(9_000_000_000).replace("1723161256313", "7")).unwrap();
    assert_eq!(bid(&harness), Some(7_000));
    harness.frame(&depth(111, 120, 110)).unwrap();
    assert_eq!(bid(&harness), Some(120));
}

#[test]
fn a_new_session_asks_for_no_snapshot_while_the_venue_has_banned_the_address() {
    for (status, others) in [(418, false), (429, true)] {
        let budgets = VenueBudgets::new(VenueId::BinanceUsdm, 100);
        let plan = SessionPlan { budgets: Some(budgets), ..plan(SessionKind::Market) };
        let open = || {
            let mut harness = Harness::new(MarketSession::new(&plan), Signer::None);
            harness.ok(Input::Start);
            harness.ok(Input::Connected);
            harness.frame(&depth(101, 110, 100)).unwrap();
            harness
        };
        let mut old = open();
        let call = old.take_call(Method::Get, DEPTH).call;
        let answer = Answer::Http { status, retry_after_seconds: Some(30), body: b"{}" };
        assert!(old.handle(Input::Response { call, answer }).is_err());
        let mut new = open();
        assert!(new.outbox.calls.is_empty(), "{status}");
        let venue_ms = new.now.venue_time().as_millis();
        assert_eq!(new.session.budget.take_order(venue_ms).is_ok(), others, "{status}");
        new.session.scan_at = Nanos::MAX;
        new.advance(Nanos::from_secs(31));
        new.ok(Input::Timer);
        new.take_call(Method::Get, DEPTH);
    }
}

fn trade() -> String {
    "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":2,\"T\":1,\"s\":\"BTCUSDT\",\
     \"t\":5266583935,\"p\":\"61800.30\",\"q\":\"0.006\",\"X\":\"MARKET\",\"m\":false}}"
        .to_owned()
}

#[test]
fn trades_tell_who_took() {
    let mut harness = ready();
    harness.frame(&trade()).unwrap();
    harness.frame(&trade().replace("false", "true")).unwrap();
    let trades: Vec<_> = harness.outbox.trades.drain(..).collect();
    assert_eq!((trades[0].aggressor, trades[1].aggressor), (Side::Buy, Side::Sell));
    assert_eq!((trades[0].price, trades[0].quantity), (Price(618_003), Quantity(6)));
}

#[test]
fn another_order_of_keys_is_read_all_the_same_and_counted() {
    let mut harness = ready();
    // The documents' order is read by hand too.
    let documented = "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\"u\":300,\
        \"E\":2,\"T\":1,\"s\":\"BTCUSDT\",\"b\":\"61800.20\",\"B\":\"3.000\",\
        \"a\":\"61800.30\",\"A\":\"2.510\"}}";
    harness.frame(documented).unwrap();
    assert_eq!((bid(&harness), harness.session.counters().decode_fallbacks), (Some(3_000), 0));
    let shuffled = "{ \"data\":{\"A\":\"2.510\",\"a\":\"61800.30\",\"B\":4,\"b\":\"61800.2\",\
        \"st\":1,\"s\":\"BTCUSDT\",\"u\":\"301\",\"T\":1,\"e\":\"bookTicker\"},\"stream\":\"x\"}";
    harness.frame(shuffled).unwrap();
    assert_eq!((bid(&harness), harness.session.counters().decode_fallbacks), (Some(4_000), 1));
    assert_eq!(harness.alerts(), [AlertKind::DecodeFallback]);
    harness.frame(shuffled).unwrap();
    assert_eq!(harness.session.counters().decode_fallbacks, 2);
    assert_eq!(harness.alerts(), []);
}

#[track_caller]
fn check_unreadable(from: &str, to: &str) {
    let mut harness = ready();
    let text = ticker(400).replace(from, to);
    assert_ne!(text, ticker(400));
    assert!(harness.frame(&text).is_err(), "{text}");
    assert_eq!(harness.session.counters().unreadable, 1);
    assert_eq!(harness.alerts(), [AlertKind::UnreadableMessage]);
    assert_eq!((harness.reconnect(), bid(&harness)), (None, Some(110)));
}

#[test]
fn what_can_not_be_read_is_an_error_and_changes_nothing() {
    check_unreadable("\"7.000\"", "\"7e0\"");
    check_unreadable("\"7.000\"", "\"NaN\"");
    check_unreadable("\"7.000\"", "\"-7\"");
    check_unreadable("\"7.000\"", "\"7.0005\"");
    check_unreadable("\"7.000\"", "[7]");
    check_unreadable("\"61800.20\"", "\"61800.25\"");
    check_unreadable("\"61800.20\"", "\"99999999999999999999\"");
    check_unreadable("\"B\":\"7.000\",", "");
    check_unreadable("\"u\":400", "\"u\":-400");
    check_unreadable("}}", "}");
    check_unreadable("}}", "}}}");
    check_unreadable("{\"stream\"", "<html>");
}

#[test]
fn unknown_events_and_foreign_instruments_are_counted() {
    let mut harness = ready();
    harness.frame("{\"stream\":\"x\",\"data\":{\"e\":\"kline\",\"s\":\"BTCUSDT\"}}").unwrap();
    harness.frame(&ticker(400).replace("BTCUSDT", "ETHUSDT")).unwrap();
    harness.frame("{}").unwrap();
    assert_eq!(harness.session.counters().unknown, 3);
    assert_eq!(harness.alerts(), [AlertKind::UnknownMessage]);
}

#[test]
fn a_shutdown_in_either_form_and_old_age_rotate_the_connection() {
    let mut harness = ready();
    let bare = "{\"e\":\"serverShutdown\",\"E\":1}";
    let wrapped = format!("{{\"stream\":\"!serverShutdown\",\"data\":{bare}}}");
    for text in [bare, &wrapped] {
        harness.frame(text).unwrap();
        assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
    }
    harness.session.scan_at = Nanos::MAX;
    harness.wait(24 * 3_600_000 - 600_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn a_disconnect_hides_the_book() {
    let mut harness = ready();
    harness.ok(Input::Disconnected);
    assert_eq!((harness.state, harness.session.book(BTC)), (SessionState::Down, None));
    assert_eq!(harness.session.next_deadline(), None);
}

fn many(count: usize) -> MarketHarness {
    let mut instruments = InstrumentTable::default();
    for number in 0..count {
        let symbol = Symbol::from(&format!("COIN{number}USDT")).unwrap();
        let first = table().get(BTC).unwrap().clone();
        instruments.add(Instrument { symbol, ..first }).unwrap();
    }
    let instruments = Arc::new(instruments);
    let plan = SessionPlan { instruments, ..plan(SessionKind::Market) };
    Harness::new(MarketSession::new(&plan), Signer::None)
}

#[test]
fn streams_that_do_not_fit_the_path_are_subscribed_to_slowly() {
    let mut harness = many(200);
    harness.ok(Input::Start);
    let dial = harness.outbox.dial.take().unwrap();
    let mut asked = dial.path.split('/').skip(2).count() - 1 + 1;
    assert!(dial.path.len() < 3_100, "{}", dial.path.len());
    harness.ok(Input::Connected);
    let mut ids = 0;
    let mut sent = harness.sent();
    while asked < 600 {
        assert!(sent.len() <= 1, "{sent:?}");
        for (class, text) in sent {
            assert_eq!(class, FrameClass::Session);
            assert!(text.starts_with("{\"method\":\"SUBSCRIBE\",\"params\":[\"coin"), "{text}");
            asked += text.matches("usdt@").count();
            ids += 1;
            harness.frame(&format!("{{\"result\":null,\"id\":{ids}}}")).unwrap();
        }
        harness.wait(199);
        assert!(harness.sent().is_empty());
        harness.wait(1);
        sent = harness.sent();
    }
    assert_eq!(asked, 600);
    assert!(harness.session.subscriptions.is_confirmed());
    assert_eq!(harness.reconnect(), None);
}

#[test]
fn a_refused_or_unanswered_subscription_replaces_the_connection() {
    for refusal in [
        "{\"error\":{\"code\":2,\"msg\":\"Invalid request: invalid stream\"},\"id\":1}",
        "{\"code\":2,\"msg\":\"Invalid request\",\"id\":1}",
        "{\"code\":3,\"msg\":\"Invalid JSON\"}",
    ] {
        let mut harness = many(200);
        harness.ok(Input::Start);
        harness.ok(Input::Connected);
        harness.frame(refusal).unwrap();
        assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused), "{refusal}");
    }
    let mut harness = many(200);
    harness.ok(Input::Start);
    harness.ok(Input::Connected);
    harness.session.scan_at = Nanos::MAX;
    harness.wait(10_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
}

#[test]
fn more_instruments_than_a_connection_carries_are_misuse() {
    assert!(matches!(many(342).handle(Input::Start), Err(VenueError::Misuse(_))));
    assert!(many(341).handle(Input::Start).is_ok());
}
