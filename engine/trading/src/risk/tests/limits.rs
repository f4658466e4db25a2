//! Limits themselves: what is refused, what is inherited, how a refusal reads.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use super::case::*;

#[test]
fn limits_of_zero_are_refused_and_leave_the_old_ones_in_force() {
    let mut case = Case::new().limits(|all| all.max_open_orders = 1).opened(STRATEGY, 0, 1);
    let zero = RiskLimits { max_clock_skew_ms: 0, ..RiskLimits::default() };
    let answer = case.risk.set_limits(&zero, &case.instruments);
    assert_eq!(answer, Err(LimitError::NotPositive("max_clock_skew_ms")));
    let own = StrategyLimits { max_position: Some(Decimal::ZERO), ..Default::default() };
    let answer = case.risk.set_strategy_limits(STRATEGY, &own, &case.instrument);
    assert_eq!(answer, Err(LimitError::NotPositive("max_position")));
    let answer = case.risk.set_strategy_limits(StrategyId(3), &own, &case.instrument);
    assert_eq!(answer, Err(LimitError::TooManyStrategies { id: StrategyId(3), room: 2 }));
    case.check(limit(Side::Buy, 10_000, 10), Some((RiskCheck::OpenOrders, 1, 2)));
}

#[test]
fn a_strategy_made_anew_under_an_old_id_inherits_nothing() {
    let own = StrategyLimits::default();
    let mut case = Case::new().hold(50).reserved(Side::Buy, 10).opened(STRATEGY, 0, 1);
    case.risk.on_turned_away(STRATEGY, case.now.mono, case.now.mono);
    case.risk.set_strategy_limits(STRATEGY, &own, &case.instrument).unwrap();
    assert_eq!(case.risk.strategy_exposure(STRATEGY, INSTRUMENT).position, SignedQuantity(50));
    case.risk.remove_strategy(STRATEGY);
    case.risk.set_strategy_limits(STRATEGY, &own, &case.instrument).unwrap();
    assert_eq!(case.risk.strategy_exposure(STRATEGY, INSTRUMENT), Exposure::default());
    assert_eq!(case.risk.exposure(ACCOUNT, INSTRUMENT).position, SignedQuantity(50));
    case.check(limit(Side::Buy, 10_000, 10), None);
}

#[test]
fn a_refusal_says_in_words_what_it_counted() {
    let own =
        StrategyLimits { max_order_quantity: Some(Decimal::new(20, 3)), ..Default::default() };
    let mut case = Case::new().own(own);
    let words = |case: &mut Case, intent| case.ask(intent).unwrap_err().describe(&case.instrument);
    assert_eq!(
        words(&mut case, limit(Side::Buy, 10_000, 21)),
        "the order is larger than the strategy may send (quantity 0.021, limit quantity 0.02)"
    );
    assert_eq!(
        words(&mut case, limit(Side::Buy, 20_000, 20)),
        "the price lies outside the collar around the reference (price 2000.0, limit price 1010.0)"
    );
    case.gate = Gate::Unreconciled;
    assert_eq!(
        words(&mut case, limit(Side::Buy, 10_000, 20)),
        "trading is closed: session, reconciliation, journal or limits (unreconciled)"
    );
}
