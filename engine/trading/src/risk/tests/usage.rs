//! How much of each limit is said to be used.

use super::case::*;

/// The used part and the limit, in their own units.
#[track_caller]
fn check(rows: &[LimitUse], limit: Limit, used: i128, most: i128) {
    let row = rows.iter().find(|row| row.limit == limit).copied();
    assert_eq!(row, Some(LimitUse { limit, used, most }));
}

const UNIT: i128 = Amount::from_units(1).0;

#[test]
fn the_engines_limits_show_what_is_used_of_them() {
    let mut case = Case::new().opened(OTHER, 1, 3).limits(|all| {
        all.max_position_notional = 500.into();
        all.max_open_notional = 900.into();
        all.max_open_orders = 7;
        all.max_messages_per_second = 20;
        all.max_messages_per_10_seconds = 30;
        all.max_messages_per_minute = 40;
    });
    case.risk.reserve(OTHER, AccountId(1), INSTRUMENT, Side::Sell, Quantity(300));
    case.risk.revalue(OTHER, INSTRUMENT, 0, 10_002 * 300);
    case.risk.set_position(AccountId(1), INSTRUMENT, SignedQuantity(100));
    case.check(limit(Side::Buy, 10_000, 10), None);
    case.now.mono.0 += 2 * SECOND;
    case.check(limit(Side::Buy, 10_000, 10), None);
    let rows = case.risk.engine_use(case.now.mono, &[case.book]);
    check(&rows, Limit::PositionNotional, 200 * UNIT, 500 * UNIT);
    check(&rows, Limit::OpenOrders, 3, 7);
    check(&rows, Limit::OpenNotional, 30_006 * UNIT / 100, 900 * UNIT);
    check(&rows, Limit::MessagesPerSecond, 1, 20);
    check(&rows, Limit::MessagesPer10Seconds, 2, 30);
    check(&rows, Limit::MessagesPerMinute, 2, 40);
    // The larger side of the position counts, valued at the middle.
    case.risk.set_position(AccountId(0), INSTRUMENT, SignedQuantity(201));
    let rows = case.risk.engine_use(case.now.mono, &[case.book]);
    check(&rows, Limit::PositionNotional, 201 * UNIT, 500 * UNIT);
    assert_eq!(rows[0].parts_per_million(), 402_000);
    let rows = case.risk.engine_use(case.now.mono, &[BookTop::empty(INSTRUMENT)]);
    check(&rows, Limit::PositionNotional, 0, 500 * UNIT);
}

#[test]
fn a_strategy_shows_only_the_limits_that_it_has() {
    let own = StrategyLimits {
        max_position: Some(Decimal::new(80, 3)),
        max_open_orders: Some(4),
        max_open_notional: Some(60.into()),
        max_messages_per_second: Some(9),
        ..Default::default()
    };
    let mut case = Case::new().own(own).hold(-50).reserved(Side::Sell, 20).opened(STRATEGY, 0, 2);
    case.risk.revalue(STRATEGY, INSTRUMENT, 0, 10_000 * 20);
    case.check(limit(Side::Buy, 10_000, 10), None);
    let rows = case.risk.strategy_use(STRATEGY, case.now.mono);
    assert_eq!(rows.len(), 4);
    check(&rows, Limit::Position, 70, 80);
    check(&rows, Limit::OpenOrders, 2, 4);
    check(&rows, Limit::OpenNotional, 20 * UNIT, 60 * UNIT);
    check(&rows, Limit::MessagesPerSecond, 1, 9);
    assert!(case.risk.strategy_use(OTHER, case.now.mono).is_empty());
    assert!(case.risk.strategy_use(StrategyId(9), case.now.mono).is_empty());
}

#[test]
fn a_use_beyond_what_a_number_holds_is_shown_as_the_largest() {
    let limit = Limit::OpenNotional;
    let part = |used, most| LimitUse { limit, used, most }.parts_per_million();
    assert_eq!(part(1, 3), 333_333);
    assert_eq!(part(3, 2), 1_500_000);
    assert_eq!(part(i128::MAX, 1), i64::MAX);
    assert_eq!(part(0, 0), 0);
}
