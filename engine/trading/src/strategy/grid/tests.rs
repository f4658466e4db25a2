//! Scenes of one grid, and seeded runs against a venue that answers late.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{AccountId, Spacing, StrategySpec};
use rust_decimal::Decimal;

use super::super::rehearsal::Rehearsal;
use super::super::{StrategyMachine, build, scene};
use super::*;

/// Levels at 980, 990, 1000, 1010 and 1020, each of 0.010.
fn parameters() -> Parameters {
    Parameters {
        quantity: Some(Decimal::new(10, 3)),
        lower_price: Some(Decimal::new(9_800, 1)),
        upper_price: Some(Decimal::new(10_200, 1)),
        levels: Some(5),
        ..Parameters::default()
    }
}

fn grid(change: impl FnOnce(&mut Parameters)) -> Rehearsal {
    let mut given = parameters();
    change(&mut given);
    Rehearsal::new(scene::spec(StrategyKind::Grid, given), 1, |_| ())
}

fn cells(run: &Rehearsal) -> &[i64] {
    let StrategyMachine::Grid(grid) = &run.machine else { return &[] };
    &grid.held
}

#[track_caller]
fn check(run: &mut Rehearsal, expected: &[&str]) {
    run.pass_ms(200);
    run.book_event();
    assert_eq!(run.asked(), expected);
}

/// The venue opens what was sent to it.
fn open_all(run: &mut Rehearsal) {
    for _ in 0..10 {
        run.reach_venue();
    }
}

/// Price and leaves of what is open, lowest first.
fn open(run: &Rehearsal) -> Vec<(i64, i64)> {
    let own = run.orders.iter().map(|order| (order.intent.price.0, order.leaves.0));
    let mut open: Vec<(i64, i64)> = own.collect();
    open.sort_unstable();
    open
}

/// The order at this price is filled, and the fill told.
fn fill_at(run: &mut Rehearsal, price: i64, quantity: i64) {
    let place = run.orders.iter().position(|order| order.intent.price.0 == price).unwrap();
    run.fill(place, Price(price), quantity);
    run.tell_fill();
}

#[test]
fn it_buys_below_the_market_and_sells_nothing_that_it_doesnt_hold() {
    let below = ["buy 10000 x 10 PostOnly", "buy 9900 x 10 PostOnly", "buy 9800 x 10 PostOnly"];
    check(&mut grid(|_| ()), &below);
    let mut above = grid(|_| ());
    above.show(10_250, 10_252);
    let all = ["buy 10100 x 10 PostOnly", "buy 10000 x 10 PostOnly"];
    assert_eq!(above.asked()[..2], all, "the topmost level only sells");
    let mut beneath = grid(|_| ());
    beneath.show(9_750, 9_752);
    assert!(beneath.asked().is_empty(), "it doesn't buy for cells above the market");
}

#[test]
fn each_fill_is_answered_one_level_away() {
    let mut run = grid(|_| ());
    check(
        &mut run,
        &["buy 10000 x 10 PostOnly", "buy 9900 x 10 PostOnly", "buy 9800 x 10 PostOnly"],
    );
    open_all(&mut run);
    fill_at(&mut run, 10_000, 10);
    assert_eq!(run.asked(), ["sell 10100 x 10 PostOnly"]);
    assert_eq!(cells(&run), [0, 0, 10, 0]);
    open_all(&mut run);
    check(&mut run, &[]);
    run.show(10_099, 10_101);
    assert!(run.asked().is_empty(), "10000 has sold nothing yet");
    fill_at(&mut run, 10_100, 10);
    assert_eq!(run.asked(), ["buy 10100 x 10 PostOnly", "buy 10000 x 10 PostOnly"]);
    assert_eq!(cells(&run), [0, 0, 0, 0]);
}

#[test]
fn part_of_a_fill_is_answered_by_as_much() {
    let mut run = grid(|given| given.levels = Some(2));
    run.show(10_000, 10_002);
    assert_eq!(run.asked(), ["buy 9800 x 10 PostOnly"]);
    open_all(&mut run);
    fill_at(&mut run, 9_800, 4);
    assert_eq!(run.asked(), ["sell 10200 x 4 PostOnly"]);
    open_all(&mut run);
    fill_at(&mut run, 9_800, 6);
    check(&mut run, &[]);
    fill_at(&mut run, 10_200, 4);
    let both = ["sell 10200 x 6 PostOnly", "buy 9800 x 4 PostOnly"];
    assert_eq!(run.asked(), both, "one order on a level: the rest follows it");
}

#[test]
fn what_the_operator_bought_before_is_sold_from_the_topmost_levels() {
    let mut run = grid(|given| given.initial_position = Some(Decimal::new(20, 3)));
    let sides = [
        "sell 10100 x 10 PostOnly",
        "buy 9900 x 10 PostOnly",
        "sell 10200 x 10 PostOnly",
        "buy 9800 x 10 PostOnly",
    ];
    check(&mut run, &sides);
}

#[test]
fn what_should_have_been_sold_below_the_market_is_sold_at_the_first_level_above_it() {
    let mut run = grid(|_| ());
    check(
        &mut run,
        &["buy 10000 x 10 PostOnly", "buy 9900 x 10 PostOnly", "buy 9800 x 10 PostOnly"],
    );
    open_all(&mut run);
    run.show(9_880, 9_882);
    fill_at(&mut run, 10_000, 10);
    fill_at(&mut run, 9_900, 10);
    run.asked();
    run.pause_or_resume();
    open_all(&mut run);
    run.show(10_050, 10_052);
    run.pause_or_resume();
    check(&mut run, &["sell 10100 x 10 PostOnly", "buy 9800 x 10 PostOnly"]);
    open_all(&mut run);
    fill_at(&mut run, 10_100, 10);
    assert_eq!(cells(&run), [0, 10, 0, 0], "the nearest cell is emptied first");
    let next = run.asked();
    assert_eq!(next[0], "sell 10100 x 10 PostOnly", "one order's quantity at a time");
}

#[test]
fn only_the_levels_nearest_to_the_market_have_orders() {
    let mut run = grid(|given| {
        given.levels = Some(41);
        given.working_orders = Some(4);
        given.initial_position = Some(Decimal::new(200, 3));
    });
    let near = [
        "sell 10010 x 10 PostOnly",
        "buy 9990 x 10 PostOnly",
        "sell 10020 x 10 PostOnly",
        "buy 9980 x 10 PostOnly",
    ];
    check(&mut run, &near);
    open_all(&mut run);
    fill_at(&mut run, 10_010, 10);
    run.quiesce();
    assert_eq!(open(&run), [(9_990, 10), (10_000, 10), (10_020, 10), (10_030, 10)]);
}

#[test]
fn a_fill_that_was_counted_and_not_told_keeps_its_level_from_being_placed_again() {
    let mut run = grid(|_| ());
    run.book_event();
    run.asked();
    open_all(&mut run);
    let place = run.orders.iter().position(|order| order.intent.price.0 == 9_900).unwrap();
    run.fill(place, Price(9_900), 10);
    check(&mut run, &[]);
    run.tell_fill();
    assert_eq!(run.asked(), Vec::<String>::new(), "10000 still buys: its level may not sell");
    assert_eq!(cells(&run), [0, 10, 0, 0]);
}

#[test]
fn what_a_check_refuses_isnt_tried_again_at_every_tick() {
    let mut run = grid(|_| ());
    run.refused_of_ten = 10;
    for _ in 0..20 {
        run.book_event();
    }
    assert_eq!(run.asked().len(), 3);
    run.pass_ms(200);
    run.book_event();
    assert_eq!(run.asked().len(), 3);
}

#[test]
fn orders_are_placed_a_few_at_a_time_and_no_more_than_the_venue_takes() {
    let mut run = grid(|given| given.levels = Some(41));
    run.instrument.max_open_orders = Some(6);
    run.book_event();
    assert_eq!(run.asked().len(), 4);
    run.pass_ms(1_000);
    run.book_event();
    assert!(run.asked().is_empty(), "four are on their way");
    run.quiesce();
    assert_eq!(run.orders.len(), 6);
}

#[test]
fn outside_its_range_it_waits_or_stops() {
    let mut waits = grid(|_| ());
    waits.show(10_300, 10_302);
    assert_eq!(waits.finished, None);
    for (bid, ask) in [(10_201, 10_203), (9_797, 9_799)] {
        let mut stops = grid(|given| given.outside_range = Some(OutsideRange::Stop));
        stops.show(9_800, 9_802);
        stops.show(10_198, 10_200);
        assert_eq!(stops.finished, None);
        stops.show(bid, ask);
        assert_eq!(stops.finished, Some(FinishReason::OutsideRange));
    }
}

#[test]
fn a_restart_finds_every_cell_as_it_was() {
    let mut run = grid(|_| ());
    run.book_event();
    open_all(&mut run);
    fill_at(&mut run, 10_000, 10);
    fill_at(&mut run, 9_900, 3);
    run.restart();
    assert_eq!(cells(&run), [0, 3, 10, 0]);
    run.quiesce();
    assert_eq!(open(&run), [(9_800, 10), (9_900, 7), (10_000, 3), (10_100, 10)]);
}

#[test]
fn another_description_keeps_what_is_held() {
    let mut run = grid(|_| ());
    run.book_event();
    open_all(&mut run);
    fill_at(&mut run, 10_000, 10);
    let inheriting = |given: Parameters| {
        let spec = scene::spec(StrategyKind::Grid, given);
        let (id, account) = (StrategyId(1), AccountId(0));
        let mut machine = build(&spec, id, account, &scene::instrument()).unwrap();
        machine.inherit(&run.machine);
        let StrategyMachine::Grid(grid) = machine else { return Vec::new() };
        grid.held.to_vec()
    };
    assert_eq!(inheriting(parameters()), [0, 0, 10, 0]);
    let other_levels = Parameters { levels: Some(3), ..parameters() };
    assert_eq!(inheriting(other_levels), [0, 10]);
    let given = Parameters { initial_position: Some(Decimal::new(5, 3)), ..parameters() };
    assert_eq!(inheriting(given), [0, 0, 5, 10]);
}

#[test]
fn a_description_that_cant_work_is_refused() {
    let refused = |given: Parameters, min_notional: i64| {
        let mut instrument = scene::instrument();
        instrument.min_notional = enigma_types::Amount::from_units(min_notional);
        let spec = scene::spec(StrategyKind::Grid, given);
        build(&spec, StrategyId(1), AccountId(0), &instrument).map(|_| ()).unwrap_err()
    };
    let instrument = scene::instrument().name();
    let small = SpecError::TooSmall { parameter: "quantity", instrument };
    assert_eq!(refused(parameters(), 10), small, "980 times 0.010 is 9.8");
    let most = Decimal::new(40, 3).normalize();
    let given = Parameters { initial_position: Some(Decimal::new(41, 3)), ..parameters() };
    let large = SpecError::TooLarge { parameter: "initial_position", most };
    assert_eq!(refused(given, 0), large);
}

/// What must hold at every instant, by the truth that the venue knows.
fn never_doubled_and_bounded(run: &Rehearsal) {
    let StrategyMachine::Grid(grid) = &run.machine else { return };
    let held = grid.initial.0 + run.traded(Side::Buy) - run.traded(Side::Sell);
    let most = grid.quantity.0 * grid.held.len() as i64;
    assert!(held - run.leaves(Side::Sell) >= 0, "more is for sale than is held");
    assert!(held + run.leaves(Side::Buy) <= most, "more is bought than there are cells for");
    let mut prices: Vec<Price> = run.orders.iter().map(|order| order.intent.price).collect();
    prices.sort_unstable();
    assert!(prices.windows(2).all(|pair| pair[0] != pair[1]), "a level is doubled: {prices:?}");
    assert!(run.orders.len() <= grid.working_orders);
    let on = |side| {
        let own = run.orders.iter().filter(move |order| order.intent.side == side);
        own.map(|order| order.intent.price)
    };
    if let (Some(buy), Some(sell)) = (on(Side::Buy).max(), on(Side::Sell).min()) {
        assert!(buy < sell, "it would trade with itself");
    }
    for (intent, busy) in &run.placed {
        assert!(*busy < IN_FLIGHT);
        assert!(intent.time_in_force == TimeInForce::PostOnly);
        assert!(grid.prices.contains(&intent.price));
        assert!(intent.quantity <= grid.quantity);
    }
    let told = run.told.iter().map(|(_, fill)| fill.quantity.signed(fill.side).0);
    assert_eq!(grid.total(), grid.initial.0 + told.sum::<i64>(), "the cells are the fills");
}

/// In a quiet market every level that is planned has its order.
#[track_caller]
fn check_complete(run: &Rehearsal) {
    let StrategyMachine::Grid(grid) = &run.machine else { return };
    let market = Market {
        above_bid: grid
            .prices
            .partition_point(|price| *price <= run.book.best_bid().unwrap().price),
        below_ask: grid.prices.partition_point(|price| *price < run.book.best_ask().unwrap().price),
    };
    let plan = grid.plan(market);
    for side in [Side::Buy, Side::Sell] {
        for (level, price) in grid.prices.iter().enumerate() {
            let wanted = grid.planned(&plan, level, side);
            let has = run
                .orders
                .iter()
                .any(|order| order.intent.price == *price && order.intent.side == side);
            assert_eq!(has, !wanted.is_zero(), "{side:?} at {} wants {wanted:?}", price.0);
        }
    }
}

fn drawn(seed: u64) -> StrategySpec {
    let one_of = |bit: u32| seed >> bit & 1 == 1;
    let levels = 3 + (seed % 29) as u32;
    let given = Parameters {
        levels: Some(levels),
        lower_price: Some(Decimal::new(9_700, 1)),
        upper_price: Some(Decimal::new(10_300, 1)),
        spacing: one_of(0).then_some(Spacing::Geometric),
        initial_position: one_of(1).then_some(Decimal::new(i64::from(levels) * 4, 3)),
        working_orders: Some(if one_of(2) { 100 } else { 6 }),
        ..parameters()
    };
    scene::spec(StrategyKind::Grid, given)
}

#[test]
fn whatever_the_venue_does_no_level_is_doubled_and_the_inventory_is_bounded() {
    let (mut bought, mut sold) = (0, 0);
    for seed in 0..300 {
        let mut run = Rehearsal::new(drawn(seed), seed, never_doubled_and_bounded);
        run.refused_of_ten = 1;
        for _ in 0..1_000 {
            run.step();
        }
        run.refused_of_ten = 0;
        run.quiesce();
        check_complete(&run);
        bought += run.traded(Side::Buy);
        sold += run.traded(Side::Sell);
    }
    // Runs in which nothing happens prove nothing.
    assert!(bought > 3_000 && sold > 3_000, "bought {bought}, sold {sold}");
}
