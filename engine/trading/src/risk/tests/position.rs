//! C5 and C15: what a position could become, and what may only shrink it.

use super::case::*;

#[test]
fn a_strategys_position_counts_all_that_may_fill_on_the_orders_side() {
    let own = StrategyLimits { max_position: Some(Decimal::new(100, 3)), ..Default::default() };
    for side in SIDES {
        let case = || Case::new().own(own.clone()).hold(50 * sign(side)).reserved(side, 30);
        case().check(limit(side, 10_000, 19), None);
        case().check(limit(side, 10_000, 20), None);
        let refused = Some((RiskCheck::WorstCasePosition, 100, 101));
        case().check(limit(side, 10_000, 21), refused);
        // What may fill on the other side is no room: it may not fill.
        case().reserved(side.opposite(), 40).check(limit(side, 10_000, 21), refused);
        // The other side has its own extreme.
        case().check(limit(side.opposite(), 10_000, 150), None);
        let refused = Some((RiskCheck::WorstCasePosition, 100, 101));
        case().check(limit(side.opposite(), 10_000, 151), refused);
        // A replace counts only by what it adds.
        case().check_replace(replace(side, 10_000, 50, 30), None);
        let refused = Some((RiskCheck::WorstCasePosition, 100, 101));
        case().check_replace(replace(side, 10_000, 51, 30), refused);
    }
}

#[test]
fn an_accounts_position_is_valued_at_the_middle_whoever_trades_it() {
    for side in SIDES {
        let case = || {
            let mut case = Case::new().limits(|all| all.max_position_notional = 1_000.into());
            case.risk.set_position(ACCOUNT, INSTRUMENT, Quantity(400).signed(side));
            case.risk.reserve(OTHER, ACCOUNT, INSTRUMENT, side, Quantity(500));
            case
        };
        case().check(limit(side, 10_000, 99), None);
        case().check(limit(side, 10_000, 100), None);
        let refused = Some((RiskCheck::WorstCasePosition, 1_000_000_000, 1_001_000_000));
        case().check(limit(side, 10_000, 101), refused);
        case().check(OrderIntent { account: AccountId(1), ..limit(side, 10_000, 1_000) }, None);
    }
}

#[test]
fn what_leads_back_from_beyond_a_limit_passes() {
    let own = StrategyLimits { max_position: Some(Decimal::new(10, 3)), ..Default::default() };
    for side in SIDES {
        let mut case = Case::new().own(own.clone()).hold(-50 * sign(side));
        case.check(limit(side, 10_000, 60), None);
        case.check(limit(side, 10_000, 61), Some((RiskCheck::WorstCasePosition, 10, 11)));
        let mut over = Case::new().own(own.clone()).hold(50 * sign(side)).reserved(side, 10);
        over.check_replace(replace(side, 9_990, 10, 10), None);
    }
}

#[test]
fn a_reducing_order_passes_up_to_what_is_held_less_what_is_reducing_already() {
    for side in SIDES {
        let case = || Case::new().hold(-50 * sign(side)).reserved(side, 30);
        case().check(reducing(limit(side, 10_000, 19)), None);
        case().check(reducing(limit(side, 10_000, 20)), None);
        let refused = Some((RiskCheck::ReduceOnly, 50, 51));
        case().check(reducing(limit(side, 10_000, 21)), refused);
        let increasing = reducing(limit(side.opposite(), 10_000, 1));
        case().check(increasing, Some((RiskCheck::ReduceOnly, 0, 1)));
        // What may come from orders that haven't filled is nothing to reduce.
        let mut flat = Case::new().reserved(side.opposite(), 30);
        flat.check(reducing(limit(side, 10_000, 1)), Some((RiskCheck::ReduceOnly, 0, 1)));
    }
}

#[test]
fn a_restricted_instrument_takes_only_reducing_orders_of_that_account() {
    for side in SIDES {
        let mut case = Case::new().hold(-50 * sign(side));
        case.risk.set_reduce_only(ACCOUNT, INSTRUMENT, true);
        case.check(limit(side, 10_000, 10), Some((RiskCheck::ReduceOnly, 1, 0)));
        case.check(reducing(limit(side, 10_000, 10)), None);
        case.check(OrderIntent { account: AccountId(1), ..limit(side, 10_000, 10) }, None);
        case.risk.set_reduce_only(ACCOUNT, INSTRUMENT, false);
        case.check(limit(side, 10_000, 10), None);
    }
}
