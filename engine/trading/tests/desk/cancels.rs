//! Whose room in the throttle a cancel uses, and how it waits for it.

use enigma_trading::command::DeskCommand;
use enigma_types::{
    ClientOrderId, Mode, NotSentCause, Outcome, RequestKind, RiskLimits, Side, StrategyKind,
    StrategyLimits, StrategyName, VenueRequest,
};

use crate::bench::{BTC, Bench, spec};

/// A running quoter with both quotes open.
fn quoter(bench: &mut Bench, name: &str, limits: StrategyLimits) -> StrategyName {
    let spec = enigma_types::StrategySpec { limits, ..spec(name, StrategyKind::Quoter) };
    let json = serde_json::to_string(&spec).unwrap().into();
    let strategy = spec.id;
    bench.command(DeskCommand::Create { spec: Box::new(spec), json }).unwrap();
    bench.command(DeskCommand::Start { strategy, mode: Mode::Simulated }).unwrap();
    for _ in 0..2 {
        bench.book(BTC, 999, 1_001);
        for request in bench.taken() {
            if let VenueRequest::Submit(order) = request {
                bench.tell_open(order.client_order_id);
            }
        }
        bench.pass_ms(1_100);
    }
    assert_eq!(bench.desk.strategy(&strategy).unwrap().open_orders().len(), 2);
    bench.actions.clear();
    strategy
}

fn limit(bench: &mut Bench, set: impl FnOnce(&mut RiskLimits)) {
    let mut limits = bench.desk.limits().clone();
    set(&mut limits);
    let json = serde_json::to_string(&limits).unwrap().into();
    bench.command(DeskCommand::SetLimits { limits: Box::new(limits), json }).unwrap();
}

/// Strategies that see a crossed book take their quotes away.
fn cross(bench: &mut Bench) -> Vec<ClientOrderId> {
    bench.book(BTC, 1_001, 999);
    bench.cancels()
}

/// Cancels that leave within a time, in steps of the shortest wait.
fn cancels_within(bench: &mut Bench, millis: u64) -> Vec<ClientOrderId> {
    let mut left = Vec::new();
    for _ in 0..millis / 50 {
        bench.pass_ms(50);
        left.extend(bench.cancels());
    }
    left
}

#[test]
fn a_cancel_that_a_strategy_asked_for_waits_for_the_strategys_own_room() {
    let mut bench = Bench::ready();
    let own = StrategyLimits { max_messages_per_second: Some(1), ..Default::default() };
    quoter(&mut bench, "quoter-1", own);
    assert_eq!(cross(&mut bench).len(), 1);
    assert_eq!(cancels_within(&mut bench, 950), []);
    assert_eq!(cancels_within(&mut bench, 200).len(), 1);
}

#[test]
fn a_cancel_that_a_person_asked_for_is_repeated_whatever_room_its_strategy_has() {
    let mut bench = Bench::ready();
    let own = StrategyLimits { max_messages_per_second: Some(1), ..Default::default() };
    let strategy = quoter(&mut bench, "quoter-1", own);
    let first = cross(&mut bench);
    bench.command(DeskCommand::Pause { strategy }).unwrap();
    let second = bench.cancels();
    assert_eq!((first.len(), second.len()), (1, 1));
    // The strategy asked for the first, and the pause for both.
    for id in [first[0], second[0]] {
        bench.tell(id, Outcome::NotSent(RequestKind::Cancel, NotSentCause::Full));
    }
    assert_eq!(cancels_within(&mut bench, 250).len(), 2);
}

#[test]
fn strategies_that_repeat_their_cancels_leave_room_for_a_persons() {
    let mut bench = Bench::ready();
    for name in ["quoter-1", "quoter-2", "quoter-3"] {
        quoter(&mut bench, name, StrategyLimits::default());
    }
    let by_hand = bench.open_order();
    limit(&mut bench, |limits| limits.max_messages_per_second = 5);
    assert_eq!(cross(&mut bench).len(), 4);
    assert_eq!(cancels_within(&mut bench, 500), []);
    bench.command(DeskCommand::Cancel { client_order_id: by_hand }).unwrap();
    assert_eq!(bench.cancels(), [by_hand]);
    assert_eq!(cancels_within(&mut bench, 700).len(), 2);
}

#[test]
fn the_cancels_of_a_kill_wait_for_seconds_and_not_for_minutes() {
    let mut bench = Bench::ready();
    for _ in 0..30 {
        bench.open_order();
    }
    limit(&mut bench, |limits| {
        limits.max_messages_per_second = 10;
        limits.max_messages_per_10_seconds = 11;
        limits.max_messages_per_minute = 12;
    });
    bench.command(DeskCommand::Kill { reason: "a test".into() }).unwrap();
    assert_eq!(bench.cancels().len(), 10);
    assert_eq!(cancels_within(&mut bench, 1_200).len(), 10);
    assert_eq!(cancels_within(&mut bench, 1_200).len(), 10);
    // Each wish, and those that had to wait once more as they went.
    assert_eq!(bench.count_records("Cancel"), 50, "waiting writes nothing");
    assert!(bench.desk.orders().iter().all(|order| order.cancel_wanted && order.is_busy()));
    assert_eq!(bench.place(Side::Buy, 1), Err(enigma_trading::command::Refusal::Killed));
}
