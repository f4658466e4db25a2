//! Scenes of one twap, and seeded runs against a venue that answers late.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{CatchUp, StrategySpec};
use rust_decimal::Decimal;

use super::super::rehearsal::Rehearsal;
use super::super::{StrategyMachine, build, scene};
use super::*;

/// Buys 0.100 up to 1000.5 in ten slices of ten seconds.
fn parameters() -> Parameters {
    Parameters {
        side: Some(Side::Buy),
        quantity: Some(Decimal::new(100, 3)),
        limit_price: Some(Decimal::new(10_005, 1)),
        duration_seconds: Some(100),
        slices: Some(10),
        ..Parameters::default()
    }
}

fn twap(change: impl FnOnce(&mut Parameters)) -> Rehearsal {
    let mut given = parameters();
    change(&mut given);
    Rehearsal::new(scene::spec(StrategyKind::Twap, given), 1, |_| ())
}

#[track_caller]
fn check(twap: &mut Rehearsal, expected: &[&str]) {
    twap.book_event();
    assert_eq!(twap.asked(), expected);
}

fn result(twap: &Rehearsal) -> StrategyResult {
    twap.machine.result().unwrap()
}

#[test]
fn each_slice_is_taken_through_the_touch_and_no_further_than_the_limit() {
    let mut twap = twap(|_| ());
    check(&mut twap, &["buy 10003 x 10 Ioc"]);
    check(&mut twap, &[]);
    twap.answer(10);
    twap.pass_ms(1_000);
    check(&mut twap, &[]);
    twap.pass_ms(9_000);
    twap.show(10_002, 10_004);
    assert_eq!(twap.asked(), ["buy 10005 x 10 Ioc"]);
    twap.answer(4);
    twap.pass_ms(1_000);
    check(&mut twap, &["buy 10005 x 6 Ioc"]);
}

#[test]
fn a_seller_reaches_down_to_its_limit() {
    let mut twap = twap(|given| {
        given.side = Some(Side::Sell);
        given.limit_price = Some(Decimal::new(9_998, 1));
    });
    check(&mut twap, &["sell 9998 x 10 Ioc"]);
    twap.answer(10);
    twap.pass_ms(10_000);
    twap.show(9_997, 9_999);
    assert!(twap.asked().is_empty(), "the bid lies below the limit");
    assert_eq!(result(&twap).executed, Quantity(10));
}

#[test]
fn what_was_missed_is_spread_over_what_remains_or_added_up_to_the_cap() {
    let beyond = |given: &mut Parameters| {
        given.limit_price = Some(Decimal::new(10_005, 1));
    };
    let after_five_slices = |mut twap: Rehearsal| {
        twap.show(10_010, 10_012);
        twap.pass_ms(50_000);
        twap.show(9_999, 10_001);
        twap.asked()
    };
    assert_eq!(after_five_slices(twap(beyond)), ["buy 10003 x 20 Ioc"]);
    let add = |percent| {
        twap(move |given| {
            given.catch_up = Some(CatchUp::Add);
            given.catch_up_percent = percent;
        })
    };
    assert_eq!(after_five_slices(add(None)), ["buy 10003 x 20 Ioc"]);
    assert_eq!(after_five_slices(add(Some(150))), ["buy 10003 x 15 Ioc"]);
    assert_eq!(after_five_slices(add(Some(1_000))), ["buy 10003 x 60 Ioc"]);
}

#[test]
fn no_more_than_its_share_of_the_slices_volume_is_taken() {
    let mut twap = twap(|given| given.participation_percent = Some(10));
    check(&mut twap, &[]);
    twap.trade_of(50);
    assert_eq!(twap.asked(), ["buy 10003 x 5 Ioc"]);
    twap.answer(5);
    twap.pass_ms(1_000);
    check(&mut twap, &[]);
    twap.trade_of(29);
    assert_eq!(twap.asked(), ["buy 10003 x 2 Ioc"]);
    twap.answer(2);
    twap.pass_ms(9_000);
    check(&mut twap, &[]);
    twap.trade_of(500);
    assert_eq!(twap.asked(), ["buy 10003 x 11 Ioc"], "93 over nine slices, in whole steps");
}

#[test]
fn a_passive_child_waits_at_the_touch_and_crosses_at_the_end_of_its_slice() {
    let mut twap = twap(|given| given.style = Some(SliceStyle::Passive));
    check(&mut twap, &["buy 9999 x 10 PostOnly"]);
    twap.reach_venue();
    twap.fill(0, Price(9_999), 3);
    twap.tell_fill();
    twap.pass_ms(7_999);
    twap.show(10_001, 10_003);
    assert_eq!(twap.orders.len(), 1, "it stays where it is");
    twap.pass_ms(1);
    twap.book_event();
    assert!(twap.asked().is_empty(), "it is cancelled first");
    twap.reach_venue();
    assert_eq!(twap.asked(), ["buy 10005 x 7 Ioc"]);
}

#[test]
fn a_passive_child_never_rests_beyond_the_limit() {
    let mut twap = twap(|given| given.style = Some(SliceStyle::Passive));
    twap.show(10_020, 10_022);
    assert_eq!(twap.asked(), ["buy 10005 x 10 PostOnly"]);
}

#[test]
fn it_finishes_when_all_is_done_and_says_at_what_price() {
    let mut twap = twap(|given| given.slices = Some(1));
    check(&mut twap, &["buy 10003 x 100 Ioc"]);
    twap.fill(0, Price(10_001), 60);
    twap.fill(0, Price(10_003), 40);
    twap.tell_fill();
    assert_eq!(twap.finished, None);
    twap.tell_fill();
    assert_eq!(twap.finished, Some(FinishReason::Completed));
    let average_price = Amount::parse(b"1000.18").unwrap();
    let expected =
        StrategyResult { executed: Quantity(100), remaining: Quantity::ZERO, average_price };
    assert_eq!(result(&twap), expected);
}

#[test]
fn it_finishes_when_its_time_is_up_and_says_what_couldnt_be_done() {
    let mut twap = twap(|_| ());
    check(&mut twap, &["buy 10003 x 10 Ioc"]);
    twap.answer(7);
    twap.show(10_010, 10_012);
    twap.pass_ms(99_999);
    twap.book_event();
    assert_eq!(twap.finished, None);
    twap.pass_ms(1);
    twap.book_event();
    assert_eq!(twap.finished, Some(FinishReason::TimeUp));
    assert_eq!((result(&twap).executed, result(&twap).remaining), (Quantity(7), Quantity(93)));
}

#[test]
fn it_finishes_when_the_venue_takes_no_order_as_small_as_what_is_left() {
    let mut twap = twap(|given| given.slices = Some(1));
    twap.instrument.min_quantity = Quantity(5);
    twap.book_event();
    twap.answer(97);
    assert_eq!(twap.finished, Some(FinishReason::BelowMinimum));
    assert_eq!(result(&twap).remaining, Quantity(3));
}

#[test]
fn a_slice_too_small_for_the_venue_leaves_its_part_to_later_ones() {
    let mut twap = twap(|given| given.slices = Some(50));
    twap.instrument.min_quantity = Quantity(5);
    check(&mut twap, &[]);
    twap.pass_ms(60_000);
    check(&mut twap, &["buy 10003 x 5 Ioc"]);
}

#[test]
fn a_restart_in_the_middle_of_a_slice_doesnt_do_the_slice_again() {
    let mut twap = twap(|_| ());
    check(&mut twap, &["buy 10003 x 10 Ioc"]);
    twap.answer(6);
    twap.pass_ms(5_000);
    twap.restart();
    twap.pass_ms(1_000);
    check(&mut twap, &["buy 10003 x 4 Ioc"]);
    twap.answer(4);
    twap.restart();
    twap.pass_ms(1_000);
    check(&mut twap, &[]);
}

#[test]
fn a_pause_leaves_the_clock_running_and_the_rest_is_caught_up() {
    let mut twap = twap(|_| ());
    check(&mut twap, &["buy 10003 x 10 Ioc"]);
    twap.answer(10);
    twap.pause_or_resume();
    twap.pass_ms(79_999);
    check(&mut twap, &[]);
    twap.pause_or_resume();
    check(&mut twap, &["buy 10003 x 30 Ioc"]);
}

#[test]
fn it_asks_to_be_woken_at_the_end_of_a_slice_and_where_crossing_begins() {
    let deadline = |twap: &Rehearsal| {
        let due = twap.machine.next_deadline(twap.now).unwrap();
        due.since(twap.now.mono).as_millis()
    };
    let mut aggressive = twap(|_| ());
    assert_eq!(deadline(&aggressive), 10_000);
    aggressive.pass_ms(12_000);
    assert_eq!(deadline(&aggressive), 8_000);
    let mut passive = twap(|given| given.style = Some(SliceStyle::Passive));
    assert_eq!(deadline(&passive), 8_000);
    passive.pass_ms(8_500);
    assert_eq!(deadline(&passive), 1_500);
    let mut uneven = twap(|given| {
        given.slices = None;
        given.interval_seconds = Some(30);
    });
    uneven.pass_ms(95_000);
    assert_eq!(deadline(&uneven), 5_000, "the last slice is the shorter one");
}

#[test]
fn another_description_keeps_what_was_done_on_the_same_side() {
    let mut twap = twap(|_| ());
    twap.book_event();
    twap.answer(10);
    let inheriting = |given: Parameters| {
        let spec = scene::spec(StrategyKind::Twap, given);
        let (id, account) = (StrategyId(1), enigma_types::AccountId(0));
        let mut machine = build(&spec, id, account, &scene::instrument()).unwrap();
        machine.inherit(&twap.machine);
        machine.result().unwrap().executed
    };
    let larger = Parameters { quantity: Some(Decimal::new(200, 3)), ..parameters() };
    assert_eq!(inheriting(larger), Quantity(10));
    let other_way = Parameters { side: Some(Side::Sell), ..parameters() };
    assert_eq!(inheriting(other_way), Quantity::ZERO);
}

#[test]
fn a_description_off_the_grid_or_below_the_minimum_is_refused() {
    let refused = |given: Parameters, min_quantity: i64| {
        let mut instrument = scene::instrument();
        instrument.min_quantity = Quantity(min_quantity);
        let spec = scene::spec(StrategyKind::Twap, given);
        let (id, account) = (StrategyId(1), enigma_types::AccountId(0));
        build(&spec, id, account, &instrument).map(|_| ()).unwrap_err()
    };
    let instrument = scene::instrument().name();
    let off_grid = SpecError::OffGrid {
        parameter: "limit_price",
        unit: Decimal::new(1, 1),
        instrument: instrument.clone(),
    };
    let given = Parameters { limit_price: Some(Decimal::new(100_005, 2)), ..parameters() };
    assert_eq!(refused(given, 1), off_grid);
    let small = SpecError::TooSmall { parameter: "quantity", instrument };
    assert_eq!(refused(parameters(), 101), small);
}

/// What must hold at every instant, by the truth that the venue knows.
fn never_too_much(run: &Rehearsal) {
    let StrategyMachine::Twap(twap) = &run.machine else { return };
    let most = run.traded(twap.side) + run.leaves(twap.side);
    assert!(most <= twap.parent.0, "{most} of {} may be filled", twap.parent.0);
    assert_eq!(run.traded(twap.side.opposite()), 0);
    assert!(run.orders.len() <= 1, "one child at a time");
    for (intent, _) in &run.placed {
        let within = match twap.side {
            Side::Buy => intent.price <= twap.limit,
            Side::Sell => intent.price >= twap.limit,
        };
        assert!(within && intent.side == twap.side, "beyond the limit: {intent:?}");
    }
}

fn drawn(seed: u64) -> StrategySpec {
    let one_of = |bit: u32| seed >> bit & 1 == 1;
    let side = if one_of(0) { Side::Buy } else { Side::Sell };
    let given = Parameters {
        side: Some(side),
        style: one_of(1).then_some(SliceStyle::Passive),
        catch_up: one_of(2).then_some(CatchUp::Add),
        participation_percent: one_of(3).then_some(30),
        slices: Some(1 + (seed % 23) as u32),
        limit_price: Some(Decimal::new(10_000, 1)),
        ..parameters()
    };
    scene::spec(StrategyKind::Twap, given)
}

#[test]
fn whatever_the_venue_does_it_stays_within_quantity_and_limit_and_finishes() {
    let (mut fills, mut completed) = (0, 0);
    for seed in 0..400 {
        let mut run = Rehearsal::new(drawn(seed), seed, never_too_much);
        run.refused_of_ten = 1;
        for _ in 0..600 {
            run.step();
        }
        run.refused_of_ten = 0;
        run.pass_ms(100_000);
        run.quiesce();
        assert!(run.finished.is_some(), "it finishes by itself");
        assert!(run.orders.is_empty(), "nothing is left open");
        let result = result(&run);
        let StrategyMachine::Twap(twap) = &run.machine else { continue };
        assert_eq!(result.executed.0, run.traded(twap.side));
        assert_eq!(result.remaining.0, 100 - run.traded(twap.side));
        fills += run.fills.len();
        completed += usize::from(run.finished == Some(FinishReason::Completed));
    }
    // Runs in which nothing happens prove nothing.
    assert!(fills > 400 && completed > 0, "{fills} fills, {completed} completed");
}
