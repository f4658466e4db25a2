//! C7: how many orders may be open, and what they may be worth.

use super::case::*;

#[test]
fn open_orders_are_counted_by_strategy_engine_and_the_venues_instrument() {
    let own = StrategyLimits { max_open_orders: Some(3), ..Default::default() };
    let buy = limit(Side::Buy, 10_000, 10);
    let refused = |limit, value| Some((RiskCheck::OpenOrders, limit, value));
    for (open, expected) in [(1, None), (2, None), (3, refused(3, 4))] {
        let case = Case::new().own(own.clone());
        case.opened(STRATEGY, 0, open).opened(OTHER, 0, 9).check(buy, expected);
        let mut case = Case::new().limits(|all| all.max_open_orders = 3);
        case = case.opened(OTHER, 1, open);
        case.check(buy, expected);
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), None);
        let mut case = Case::new().opened(OTHER, 0, open).opened(OTHER, 1, 9);
        case.instrument.max_open_orders = Some(3);
        case.check(buy, expected);
    }
    let mut case = Case::new().own(own).opened(STRATEGY, 0, 3);
    case.risk.order_closed(STRATEGY, ACCOUNT, INSTRUMENT);
    case.check(buy, None);
}

#[test]
fn the_value_of_open_orders_is_that_of_their_limit_prices_by_strategy_and_engine() {
    let own =
        StrategyLimits { max_open_notional: Some(Decimal::ONE_THOUSAND), ..Default::default() };
    let by_strategy = || Case::new().own(own.clone());
    let by_engine = || Case::new().limits(|all| all.max_open_notional = 1_000.into());
    let refused = Some((RiskCheck::OpenOrders, 1_000_000_000, 1_001_000_000));
    for side in SIDES {
        for (mut case, whose) in [(by_strategy(), STRATEGY), (by_engine(), OTHER)] {
            case.risk.revalue(whose, INSTRUMENT, 0, 10_000 * 900);
            case.check(limit(side, 10_000, 99), None);
            case.check(limit(side, 10_000, 100), None);
            case.check(limit(side, 10_000, 101), refused);
            // Each price for itself, not the middle's.
            case.check(limit(side, 9_900, 101), None);
            case.check_replace(replace(side, 10_000, 200, 100), None);
            case.check_replace(replace(side, 10_000, 201, 100), refused);
            case.risk.revalue(whose, INSTRUMENT, 10_000 * 900, 10_000 * 899);
            case.check(limit(side, 10_000, 101), None);
        }
    }
    // What the others have open is none of this strategy's.
    let mut case = by_strategy();
    case.risk.revalue(OTHER, INSTRUMENT, 0, 10_000 * 900);
    case.check(limit(Side::Buy, 10_000, 1_000), None);
    let by_hand = OrderIntent { strategy: StrategyId::MANUAL, ..limit(Side::Buy, 10_000, 1_001) };
    case.check(by_hand, None);
}

#[test]
fn what_reduces_a_position_or_an_orders_value_passes_beyond_the_open_value() {
    let mut case = Case::new().hold(50).limits(|all| all.max_open_notional = 1_000.into());
    case.risk.revalue(OTHER, INSTRUMENT, 0, 10_000 * 1_200);
    let refused = Some((RiskCheck::OpenOrders, 1_000_000_000, 1_250_000_000));
    case.check(limit(Side::Sell, 10_000, 50), refused);
    case.check(reducing(limit(Side::Sell, 10_000, 50)), None);
    case.check_replace(replace(Side::Sell, 10_000, 50, 50), None);
    case.check_replace(replace(Side::Sell, 10_000, 40, 50), None);
}
