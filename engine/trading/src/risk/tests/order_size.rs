//! C1 and C2: how large an order may be and what it may be worth.

use super::case::*;

#[test]
fn order_quantity_stops_one_step_beyond_the_strategys_limit() {
    let own =
        StrategyLimits { max_order_quantity: Some(Decimal::new(20, 3)), ..Default::default() };
    for side in SIDES {
        let mut case = Case::new().own(own.clone());
        case.check(limit(side, 10_000, 19), None);
        case.check(limit(side, 10_000, 20), None);
        case.check(limit(side, 10_000, 21), Some((RiskCheck::MaxOrderQuantity, 20, 21)));
        case.check_replace(replace(side, 10_000, 20, 10), None);
        let refused = Some((RiskCheck::MaxOrderQuantity, 20, 21));
        case.check_replace(replace(side, 10_000, 21, 10), refused);
    }
    // A limit between two quantities stops at the lower one.
    let own =
        StrategyLimits { max_order_quantity: Some(Decimal::new(209, 4)), ..Default::default() };
    let mut case = Case::new().own(own);
    case.check(limit(Side::Buy, 10_000, 20), None);
    case.check(limit(Side::Buy, 10_000, 21), Some((RiskCheck::MaxOrderQuantity, 20, 21)));
}

#[test]
fn order_notional_is_valued_at_the_worse_of_limit_price_and_middle() {
    let micro = 1_000_000;
    // Price, quantity, and the value in millionths when it exceeds 1000.
    let rows = [
        (10_000, 999, None),
        (10_000, 1_000, None),
        (10_000, 1_001, Some(1_001 * micro)),
        (9_950, 1_000, None),
        (9_950, 1_001, Some(1_001 * micro)),
        (10_010, 999, None),
        (10_010, 1_000, Some(1_001 * micro)),
    ];
    let own =
        StrategyLimits { max_order_notional: Some(Decimal::ONE_THOUSAND), ..Default::default() };
    for side in SIDES {
        for (price, quantity, value) in rows {
            let refused = value.map(|value| (RiskCheck::MaxOrderNotional, 1_000 * micro, value));
            let mut engine = Case::new().limits(|all| all.max_order_notional = 1_000.into());
            engine.check(limit(side, price, quantity), refused);
            engine.check_replace(replace(side, price, quantity, 1), refused);
            Case::new().own(own.clone()).check(limit(side, price, quantity), refused);
        }
    }
}

#[test]
fn order_notional_keeps_the_half_of_a_middle_between_two_prices() {
    let mut case = Case::new().limits(|all| all.max_order_notional = Decimal::new(99_995, 2));
    case.book.set_asks([Level { price: Price(10_000), quantity: Quantity(1) }]);
    case.check(limit(Side::Buy, 9_999, 1_000), None);
    let mut case = case.limits(|all| all.max_order_notional = Decimal::new(999_949, 3));
    let refused = Some((RiskCheck::MaxOrderNotional, 999_949_000, 999_950_000));
    case.check(limit(Side::Buy, 9_999, 1_000), refused);
}

#[test]
fn order_notional_of_a_market_order_is_that_of_its_collar_price() {
    let mut case = Case::new().limits(|all| all.max_order_notional = 1_010.into());
    case.check(market(Side::Buy, 1_000), None);
    let refused = Some((RiskCheck::MaxOrderNotional, 1_010_000_000, 1_011_010_000));
    case.check(market(Side::Buy, 1_001), refused);
    case.check(market(Side::Sell, 1_010), None);
}

#[test]
fn what_surely_reduces_may_be_worth_more_than_one_order_may() {
    let mut case = Case::new().hold(5_000).limits(|all| all.max_order_notional = 1_000.into());
    case.check(
        limit(Side::Sell, 10_000, 5_000),
        Some((RiskCheck::MaxOrderNotional, 1_000_000_000, 5_000_000_000)),
    );
    case.check(reducing(limit(Side::Sell, 10_000, 5_000)), None);
}
