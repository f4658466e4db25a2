//! C16: what the venue itself would refuse.

use super::case::*;

#[test]
fn the_venues_rules_are_checked_at_their_edges() {
    let spec = |limit, value| Some((RiskCheck::SpecConformity, limit, value));
    type Rule = fn(&mut Instrument);
    let rows: [(Rule, i64, i64, Refused); 18] = [
        (|rule| rule.tick = Price(5), 10_005, 10, None),
        (|rule| rule.tick = Price(5), 10_004, 10, spec(5, 10_004)),
        (|rule| rule.tick = Price(5), 10_006, 10, spec(5, 10_006)),
        (|rule| rule.step = Quantity(4), 10_000, 12, None),
        (|rule| rule.step = Quantity(4), 10_000, 11, spec(4, 11)),
        (|rule| rule.step = Quantity(4), 10_000, 13, spec(4, 13)),
        (|rule| rule.min_quantity = Quantity(10), 10_000, 10, None),
        (|rule| rule.min_quantity = Quantity(10), 10_000, 9, spec(10, 9)),
        (|rule| rule.max_quantity = Quantity(10), 10_000, 10, None),
        (|rule| rule.max_quantity = Quantity(10), 10_000, 11, spec(10, 11)),
        (|rule| rule.min_price = Price(9_990), 9_990, 10, None),
        (|rule| rule.min_price = Price(9_990), 9_989, 10, spec(9_990, 9_989)),
        (|rule| rule.max_price = Price(10_010), 10_010, 10, None),
        (|rule| rule.max_price = Price(10_010), 10_011, 10, spec(10_010, 10_011)),
        (|rule| rule.max_quantity = Quantity::ZERO, 10_000, 10, None),
        (|_| {}, 0, 10, spec(1, 0)),
        (|_| {}, 10_000, 0, spec(1, 0)),
        (|rule| rule.trading = false, 10_000, 10, spec(1, 0)),
    ];
    for side in SIDES {
        for (rule, price, quantity, expected) in rows {
            let mut case = Case::new();
            rule(&mut case.instrument);
            case.check(limit(side, price, quantity), expected);
            case.check_replace(replace(side, price, quantity, 1), expected);
        }
    }
}

#[test]
fn an_order_is_worth_the_venues_minimum_unless_it_reduces() {
    for side in SIDES {
        let mut case = Case::new().hold(-50 * sign(side));
        case.instrument.min_notional = Amount::from_units(5);
        case.check(limit(side, 10_000, 6), None);
        case.check(limit(side, 10_000, 5), None);
        let refused = Some((RiskCheck::SpecConformity, 5_000_000, 4_000_000));
        case.check(limit(side, 10_000, 4), refused);
        case.check(reducing(limit(side, 10_000, 4)), None);
    }
}
