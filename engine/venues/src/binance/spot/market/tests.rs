//! Spot's market session without a socket: its dial, its snapshot rule, and its best prices.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{InstrumentId, SessionKind, SessionState, UnixNanos};

use super::*;
use crate::binance::spot::tests::{Harness, plan};
use crate::session::{AlertKind, HostRole, Input, Method, Session};
use crate::signer::Signer;

type MarketHarness = Harness<MarketSession>;

const BTC: InstrumentId = InstrumentId(0);
const DEPTH: &str = "/api/v3/depth?symbol=BTCUSDT&limit=1000";

fn connected() -> MarketHarness {
    let session = MarketSession::new(&plan(SessionKind::Market));
    let mut harness = Harness::new(session, Signer::None);
    harness.ok(Input::Start);
    harness.ok(Input::Connected);
    harness
}

/// Sets the bid at 61800.20 to a quantity of the event's last id.
fn depth(first: u64, last: u64) -> String {
    format!(
        "{{\"stream\":\"btcusdt@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{last},\
         \"s\":\"BTCUSDT\",\"U\":{first},\"u\":{last},\"b\":[[\"61800.20000000\",\"0.{last}00000\"]],\
         \"a\":[]}}}}"
    )
}

fn snapshot(last: u64) -> String {
    format!(
        "{{\"lastUpdateId\":{last},\"bids\":[[\"61800.20000000\",\"2.90900000\"]],\
         \"asks\":[[\"61800.30000000\",\"1.00000000\"]]}}"
    )
}

fn bid_quantity(harness: &MarketHarness) -> Option<i64> {
    harness.session.book(BTC)?.best_bid().map(|level| level.quantity.0)
}

#[test]
fn one_connection_asks_for_best_prices_depth_and_trades() {
    let mut harness = connected();
    let dial = harness.outbox.dial.take().unwrap();
    let path = "/stream?streams=btcusdt@bookTicker/btcusdt@depth@100ms/btcusdt@trade";
    assert_eq!((dial.host, dial.path.as_str()), (HostRole::PublicStream, path));
}

/// Events that came before the snapshot, and whether they bring the book into step with it.
#[track_caller]
fn check_first(events: &[(u64, u64)], snapshot_id: u64, in_step: Option<i64>) {
    let mut harness = connected();
    for &(first, last) in events {
        harness.frame(&depth(first, last)).unwrap();
    }
    harness.answer(Method::Get, DEPTH, &snapshot(snapshot_id));
    assert_eq!(bid_quantity(&harness), in_step, "{events:?} {snapshot_id}");
}

#[test]
fn the_first_event_reaches_over_the_snapshot_or_follows_right_behind_it() {
    check_first(&[(101, 110)], 105, Some(11_000));
    check_first(&[(101, 110)], 101, Some(11_000));
    // U is lastUpdateId + 1: nothing lies between.
    check_first(&[(101, 110)], 100, Some(11_000));
    check_first(&[(90, 100), (101, 110)], 100, Some(11_000));
    // One change is missing between the snapshot and the event.
    check_first(&[(101, 110)], 99, None);
    // Everything kept is older than the snapshot: the next event will tell.
    check_first(&[(101, 110)], 120, None);
    check_first(&[(101, 110), (111, 120)], 115, Some(12_000));
    check_first(&[(101, 110), (112, 120)], 105, None);
}

#[test]
fn each_event_begins_where_the_one_before_ended() {
    let mut harness = connected();
    harness.frame(&depth(101, 110)).unwrap();
    harness.answer(Method::Get, DEPTH, &snapshot(105));
    assert_eq!(harness.state, SessionState::Ready);
    harness.frame(&depth(111, 120)).unwrap();
    assert_eq!(bid_quantity(&harness), Some(12_000));
    harness.frame(&depth(122, 130)).unwrap();
    assert_eq!(bid_quantity(&harness), None);
    assert_eq!(harness.session.counters().gaps, 1);
    assert_eq!(harness.alerts(), [AlertKind::SequenceGap]);
    harness.frame(&depth(131, 140)).unwrap();
    harness.wait(1_000);
    harness.answer(Method::Get, DEPTH, &snapshot(135));
    assert_eq!(bid_quantity(&harness), Some(14_000));
}

#[test]
fn best_prices_are_dated_by_the_latest_depth() {
    let mut harness = connected();
    harness.frame(&depth(101, 110)).unwrap();
    harness.answer(Method::Get, DEPTH, &snapshot(105));
    let ticker = "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":112,\"s\":\"BTCUSDT\",\
        \"b\":\"61800.20000000\",\"B\":\"7.00000000\",\"a\":\"61800.30000000\",\
        \"A\":\"2.50000000\"}}";
    harness.frame(ticker).unwrap();
    let book = harness.session.book(BTC).unwrap();
    assert_eq!((book.sequence.0, book.venue_time), (112, UnixNanos::from_millis(110)));
    assert_eq!(bid_quantity(&harness), Some(700_000));
}

#[test]
fn a_throttled_snapshot_is_asked_for_later() {
    let mut harness = connected();
    harness.frame(&depth(101, 110)).unwrap();
    let call = harness.take_call(Method::Get, DEPTH);
    let answer = crate::session::Answer::Http {
        status: 429,
        retry_after_seconds: Some(30),
        body: b"{\"code\":-1003,\"msg\":\"Too much request weight used\"}",
    };
    assert!(harness.handle(Input::Response { call: call.call, answer }).is_err());
    assert_eq!(harness.alerts(), [AlertKind::RateLimited]);
    for last in 111..140 {
        harness.frame(&depth(last, last)).unwrap();
        harness.wait(1_000);
        assert_eq!(harness.outbox.calls.len(), 0, "{last}");
    }
    harness.frame(&depth(140, 140)).unwrap();
    harness.wait(3_000);
    harness.answer(Method::Get, DEPTH, &snapshot(139));
    assert_eq!(harness.session.counters().snapshots, 1);
}
