//! What the desk makes of an order's life: fills, refusals, silence, cancels and replaces.

use enigma_trading::command::{DeskCommand, Refusal};
use enigma_trading::orders::OrderStatus;
use enigma_types::{
    NotSentCause, Outcome, Price, Quantity, Query, RejectClass, ReportSource, RequestKind,
    SessionKind, SessionState, Side, UnknownCause, WorkingStatus,
};
use proptest::prelude::*;

use crate::bench::{ACCOUNT, BTC, Bench, fill, rejected};

#[test]
fn a_fill_before_the_acknowledgement_moves_order_and_position() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.tell(id, fill(1, Side::Buy, 4));
    assert_eq!(bench.status(id), Some(OrderStatus::PartiallyFilled));
    assert_eq!(bench.held(), 4);
    bench.tell(id, Outcome::Acknowledged(RequestKind::Submit));
    bench.tell(id, fill(2, Side::Buy, 6));
    assert_eq!((bench.status(id), bench.held()), (None, 10));
    // NEW comes last: the order stays gone (F10, F11).
    bench.tell_open(id);
    assert_eq!((bench.status(id), bench.held()), (None, 10));
    assert_eq!(bench.desk.risk().open_orders(), 0);
}

#[test]
fn both_sides_of_a_trade_with_oneself_count_under_its_one_id() {
    let mut bench = Bench::ready();
    let (buy, sell) = (bench.place(Side::Buy, 10).unwrap(), bench.place(Side::Sell, 6).unwrap());
    for _ in 0..2 {
        bench.tell(buy, fill(1, Side::Buy, 6));
        bench.tell(sell, fill(1, Side::Sell, 6));
    }
    assert_eq!(bench.held(), 0);
    assert_eq!(bench.status(sell), None, "filled");
    assert_eq!(bench.status(buy), Some(OrderStatus::PartiallyFilled));
    let counters = bench.desk.counters();
    assert_eq!((counters.fills, counters.fills_duplicate), (2, 2));
    bench.restart();
    assert_eq!(bench.held(), 0);
}

#[test]
fn a_fill_after_the_cancel_moves_the_position_and_alarms() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    let canceled = bench.working(id, WorkingStatus::Canceled, 0, ReportSource::Stream);
    bench.tell(id, canceled);
    assert_eq!(bench.status(id), None);
    bench.tell(id, fill(1, Side::Buy, 3));
    assert_eq!(bench.held(), 3);
    assert_eq!(bench.desk.counters().fills_late, 1);
    assert_eq!(bench.count_records("Difference"), 1);
}

#[test]
fn a_venue_that_tells_of_fills_we_lack_is_asked_for_them() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    let canceled = bench.working(id, WorkingStatus::Canceled, 7, ReportSource::Stream);
    bench.tell(id, canceled);
    assert_eq!(bench.held(), 0, "only fills move a position");
    assert_eq!(bench.status(id), Some(OrderStatus::Canceled), "kept until its fills are here");
    bench.pass_ms(300);
    let queries = bench.queries();
    assert!(matches!(queries[..], [Query::Fills { instrument: BTC, .. }]), "{queries:?}");
    bench.tell(id, fill(5, Side::Buy, 7));
    bench.close_query(queries[0], true);
    assert_eq!((bench.held(), bench.status(id)), (7, None));
    bench.pass_ms(40_000);
    assert_eq!(bench.queries(), [], "nothing is missing any more");
}

#[test]
fn unknown_ends_only_by_not_found_past_the_fence() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.actions.clear();
    bench.pass_ms(1_000);
    bench.tell(id, Outcome::Unknown(RequestKind::Submit, UnknownCause::VenueUnsure));
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    let mut asked = 0;
    for _ in 0..14 {
        for query in bench.queries() {
            assert!(matches!(query, Query::Order { client_order_id, .. } if client_order_id == id));
            asked += 1;
            let asked_at = bench.now.mono;
            bench.tell(id, Outcome::NotFound { asked_at });
            bench.close_query(query, true);
        }
        assert_eq!(bench.status(id), Some(OrderStatus::Unknown), "before the fence");
        assert_eq!(bench.desk.risk().open_orders(), 1, "it stays in risk");
        bench.pass_ms(1_000);
    }
    assert!((2..=8).contains(&asked), "asked at a bounded rate: {asked}");
    bench.pass_ms(1_000);
    let query = bench.queries()[0];
    let asked_at = bench.now.mono;
    bench.tell(id, Outcome::NotFound { asked_at });
    bench.close_query(query, true);
    assert_eq!(bench.status(id), None);
    assert_eq!(bench.desk.risk().open_orders(), 0);
    assert_eq!(bench.count_records("Submit"), 1, "it was never sent again");
}

#[test]
fn an_answer_that_was_asked_for_before_the_fence_proves_nothing_after_it() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    let asked_at = bench.now.mono;
    bench.tell(id, Outcome::Unknown(RequestKind::Submit, UnknownCause::Disconnected));
    bench.pass_ms(60_000);
    bench.tell(id, Outcome::NotFound { asked_at });
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
}

#[test]
fn a_silent_request_becomes_unknown_and_is_asked_about() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.tell(id, Outcome::Acknowledged(RequestKind::Submit));
    bench.actions.clear();
    bench.pass_ms(15_000);
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    assert!(matches!(bench.queries()[..], [Query::Order { .. }]));
    bench.tell_open(id);
    assert_eq!(bench.status(id), Some(OrderStatus::Open));
}

#[test]
fn a_duplicate_id_means_that_the_order_exists() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.actions.clear();
    bench.tell(id, rejected(RequestKind::Submit, RejectClass::DuplicateId));
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    assert!(matches!(bench.queries()[..], [Query::Order { .. }]));
}

#[test]
fn a_definite_refusal_and_a_request_that_never_left_free_their_risk() {
    let mut bench = Bench::ready();
    for outcome in [
        rejected(RequestKind::Submit, RejectClass::InsufficientMargin),
        rejected(RequestKind::Submit, RejectClass::ClockSkew),
        Outcome::NotSent(RequestKind::Submit, NotSentCause::Barrier),
    ] {
        let id = bench.place(Side::Buy, 10).unwrap();
        assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(10));
        bench.tell(id, outcome);
        assert_eq!(bench.status(id), None, "{outcome:?}");
        assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(0));
    }
}

#[test]
fn a_cancel_of_no_such_order_asks_and_cancels_again_once_it_is_shown_open() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    assert_eq!(bench.cancels(), [id]);
    bench.tell(id, rejected(RequestKind::Cancel, RejectClass::NoSuchOrder));
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    bench.pass_ms(200);
    let query = bench.queries()[0];
    assert_eq!(bench.cancels(), [], "not cancelled again while nobody knows");
    let asked_at = bench.now.mono;
    let open = bench.working(id, WorkingStatus::Open, 0, ReportSource::Query { asked_at });
    bench.tell(id, open);
    bench.close_query(query, true);
    assert_eq!(bench.status(id), Some(OrderStatus::PendingCancel));
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id]);
}

#[test]
fn a_cancel_waits_for_its_session_and_is_never_lost() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.session(SessionKind::Order, SessionState::Down);
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    assert_eq!(bench.cancels(), []);
    assert_eq!(bench.status(id), Some(OrderStatus::PendingCancel));
    bench.pass_ms(5_000);
    assert_eq!(bench.cancels(), []);
    bench.session(SessionKind::Order, SessionState::Ready);
    bench.pass_ms(200);
    assert_eq!(bench.cancels(), [id]);
    bench.tell(id, Outcome::NotSent(RequestKind::Cancel, NotSentCause::Full));
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id]);
    bench.tell(id, rejected(RequestKind::Cancel, RejectClass::RateLimit));
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id]);
}

#[test]
fn cancels_and_questions_need_a_connection_and_not_all_that_orders_need() {
    let mut bench = Bench::ready();
    let open = bench.open_order();
    let lost = bench.place(Side::Buy, 10).unwrap();
    bench.tell(lost, Outcome::Unknown(RequestKind::Submit, UnknownCause::Disconnected));
    bench.actions.clear();
    for state in [SessionState::Down, SessionState::Connecting] {
        bench.session(SessionKind::Order, state);
        bench.pass_ms(5_000);
        assert_eq!(bench.taken(), [], "{state:?}");
    }
    bench.session(SessionKind::Order, SessionState::Syncing);
    let asked = bench.queries();
    assert!(matches!(asked[..], [Query::Order { client_order_id, .. }] if client_order_id == lost));
    // It wasn't logged on yet; at the next step it may be.
    bench.close_query(asked[0], false);
    bench.session(SessionKind::Order, SessionState::Stale);
    assert_eq!(bench.queries(), asked);
    bench.session(SessionKind::Order, SessionState::Syncing);
    bench.actions.clear();
    assert!(matches!(bench.place(Side::Buy, 10), Err(Refusal::Risk { check: "gate", .. })));
    bench.command(DeskCommand::Kill { reason: "a test".into() }).unwrap();
    assert_eq!(bench.cancels(), [open, lost]);
}

#[test]
fn a_replace_needs_an_order_at_rest_and_counts_both_legs() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    let replace = |quantity| DeskCommand::Replace {
        client_order_id: id,
        price: Price(998),
        quantity: Quantity(quantity),
    };
    assert_eq!(bench.command(replace(30)), Err(Refusal::RequestInFlight(id)));
    bench.tell_open(id);
    bench.command(replace(30)).unwrap();
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(30));
    assert_eq!(bench.command(replace(40)), Err(Refusal::RequestInFlight(id)));
    bench.tell(id, rejected(RequestKind::Replace, RejectClass::Filter));
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(10));
    bench.tell(id, fill(1, Side::Buy, 4));
    let below = bench.command(replace(4));
    assert!(matches!(below, Err(Refusal::Risk { check: "spec_conformity", .. })), "{below:?}");
}

proptest! {
    #[test]
    fn fills_count_once_in_whatever_order_and_however_often_they_come(
        order in proptest::collection::vec(0_usize..8, 0..40),
        seed in any::<u64>(),
    ) {
        let quantities = [3_i64, 1, 4, 1, 5, 9, 2, 6];
        let mut heard: Vec<usize> = order;
        // Each of them at least once, from somewhere in the middle.
        let turn = (seed % 8) as usize;
        heard.extend((0..8).map(|n| (n + turn) % 8));
        let mut bench = Bench::ready();
        let id = bench.place(Side::Buy, 31).unwrap();
        for &n in &heard {
            bench.tell(id, fill(100 + n as u64, Side::Buy, quantities[n]));
        }
        prop_assert_eq!(bench.held(), 31);
        prop_assert_eq!(bench.status(id), None, "filled");
        let row = bench.desk.positions().account(ACCOUNT, BTC).unwrap();
        prop_assert_eq!((row.fills, row.bought), (8, Quantity(31)));
        let usdt = enigma_types::Asset::from("USDT").unwrap();
        prop_assert_eq!(row.fee(&usdt), enigma_types::Amount::from_units(8));
        let exposure = bench.desk.risk().exposure(ACCOUNT, BTC);
        prop_assert_eq!((exposure.position.0, exposure.buys), (31, Quantity(0)));
    }
}
