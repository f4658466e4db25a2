//! C3 and C4: where a price may lie, and what it is measured by.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use super::case::*;

#[test]
fn prices_stop_one_tick_outside_the_collar_on_both_sides() {
    for side in SIDES {
        let mut case = Case::new();
        for inside in [9_900, 9_901, 10_099, 10_100] {
            case.check(limit(side, inside, 10), None);
        }
        case.check(limit(side, 9_899, 10), Some((RiskCheck::PriceCollar, 9_900, 9_899)));
        case.check(limit(side, 10_101, 10), Some((RiskCheck::PriceCollar, 10_100, 10_101)));
        let refused = Some((RiskCheck::PriceCollar, 10_100, 10_101));
        case.check_replace(replace(side, 10_101, 10, 10), refused);
    }
}

#[test]
fn the_venues_own_band_narrows_the_collar() {
    let mut case = Case::new();
    case.instrument.band_up_e8 = Some(100_500_000);
    case.instrument.band_down_e8 = Some(99_600_000);
    for side in SIDES {
        case.check(limit(side, 10_050, 10), None);
        case.check(limit(side, 10_051, 10), Some((RiskCheck::PriceCollar, 10_050, 10_051)));
        case.check(limit(side, 9_960, 10), None);
        case.check(limit(side, 9_959, 10), Some((RiskCheck::PriceCollar, 9_960, 9_959)));
    }
    case.instrument.band_up_e8 = Some(200_000_000);
    case.check(limit(Side::Buy, 10_101, 10), Some((RiskCheck::PriceCollar, 10_100, 10_101)));
}

#[test]
fn a_market_order_becomes_an_immediate_limit_just_inside_the_collar() {
    let mut case = Case::new();
    for (tick, side, price) in [
        (1, Side::Buy, 10_100),
        (1, Side::Sell, 9_900),
        (7, Side::Buy, 10_094),
        (7, Side::Sell, 9_905),
    ] {
        case.instrument.tick = Price(tick);
        let order = case.ask(market(side, 10)).unwrap();
        assert_eq!(order.price, Price(price));
        assert_eq!(order.order_type, OrderType::Limit);
        assert_eq!(order.time_in_force, TimeInForce::Ioc);
    }
    case.instrument.tick = Price(1);
    case.instrument.max_price = Price(10_050);
    assert_eq!(case.ask(market(Side::Buy, 10)).unwrap().price, Price(10_050));
}

#[test]
fn a_book_older_than_its_limit_is_no_reference() {
    let limit_ns = 5_000 * 1_000_000;
    for side in SIDES {
        for (age, refused) in [
            (limit_ns - 1, None),
            (limit_ns, None),
            (limit_ns + 1, Some((RiskCheck::ReferenceValidity, 5_000_000_000, 5_000_000_001))),
        ] {
            let mut case = Case::new().hold(-20 * sign(side));
            case.book.received_at = Nanos(case.now.mono.0 - age);
            case.check(limit(side, 10_000, 10), refused);
            case.check_replace(replace(side, 10_000, 10, 5), refused);
            case.check(reducing(limit(side, 10_000, 10)), None);
        }
    }
}

#[test]
fn an_unsound_book_stops_all_but_what_surely_reduces_at_a_price_of_its_own() {
    let crossed = scene::touch(10_002, 5, 10_001, 5);
    let locked = scene::touch(10_000, 5, 10_000, 5);
    let empty_bid = scene::touch(9_999, 0, 10_001, 5);
    let empty_ask = scene::touch(9_999, 5, 10_001, 0);
    let zero = scene::touch(0, 5, 10_001, 5);
    let mut one_sided = scene::touch(9_999, 5, 10_001, 5);
    one_sided.set_asks([]);
    let none = BookTop::empty(INSTRUMENT);
    for side in SIDES {
        for mut book in [crossed, locked, empty_bid, empty_ask, zero, one_sided, none] {
            let mut case = Case::new().hold(-20 * sign(side));
            book.received_at = case.now.mono;
            case.book = book;
            let refused = Some((RiskCheck::ReferenceValidity, 5_000_000_000, i64::MAX));
            case.check(limit(side, 10_000, 10), refused);
            case.check(market(side, 10), refused);
            case.check(reducing(market(side, 10)), refused);
            case.check(reducing(limit(side, 10_000, 10)), None);
            let wrong = reducing(limit(side.opposite(), 10_000, 10));
            case.check(wrong, Some((RiskCheck::ReduceOnly, 0, 10)));
        }
    }
}

#[test]
fn only_an_aggressive_price_is_bound_to_the_touch() {
    for (ticks, own) in [(5, None), (5, Some(9)), (9, Some(5))] {
        let own = StrategyLimits { max_ticks_through_touch: own, ..Default::default() };
        let case = || Case::new().limits(|all| all.max_ticks_through_touch = ticks);
        let mut case = case().own(own);
        let refused = |limit, value| Some((RiskCheck::PriceCollar, limit, value));
        case.check(limit(Side::Buy, 10_006, 10), None);
        case.check(limit(Side::Buy, 10_007, 10), refused(10_006, 10_007));
        case.check(limit(Side::Sell, 9_994, 10), None);
        case.check(limit(Side::Sell, 9_993, 10), refused(9_994, 9_993));
        case.check_replace(replace(Side::Buy, 10_006, 10, 10), None);
        case.check_replace(replace(Side::Buy, 10_007, 10, 10), refused(10_006, 10_007));
        // Far on the passive side only the basis points count.
        case.check(limit(Side::Buy, 9_900, 10), None);
        case.check(limit(Side::Buy, 9_899, 10), refused(9_900, 9_899));
        case.check(limit(Side::Sell, 10_100, 10), None);
        case.check(limit(Side::Sell, 10_101, 10), refused(10_100, 10_101));
    }
}

#[test]
fn ticks_through_the_touch_are_the_instruments_and_start_at_the_best_price() {
    let mut case = Case::new().limits(|all| all.max_ticks_through_touch = 3);
    case.instrument.tick = Price(5);
    case.book = scene::touch(9_970, 5, 10_015, 5);
    case.book.received_at = case.now.mono;
    case.check(limit(Side::Buy, 10_030, 10), None);
    case.check(limit(Side::Buy, 10_035, 10), Some((RiskCheck::PriceCollar, 10_030, 10_035)));
    case.check(limit(Side::Sell, 9_955, 10), None);
    case.check(limit(Side::Sell, 9_950, 10), Some((RiskCheck::PriceCollar, 9_955, 9_950)));
}

#[test]
fn a_market_order_goes_no_further_than_collar_and_touch_both_allow() {
    let own = StrategyLimits { max_ticks_through_touch: Some(5), ..Default::default() };
    let mut case = Case::new().own(own);
    let mut price = |side, strategy| {
        let intent = OrderIntent { strategy, ..market(side, 10) };
        case.ask(intent).unwrap().price
    };
    assert_eq!(price(Side::Buy, STRATEGY), Price(10_006));
    assert_eq!(price(Side::Sell, STRATEGY), Price(9_994));
    assert_eq!(price(Side::Buy, OTHER), Price(10_100));
    assert_eq!(price(Side::Sell, OTHER), Price(9_900));
    assert_eq!(price(Side::Buy, StrategyId::MANUAL), Price(10_100));
}
