//! C17, C18 and C20: clocks, old signals, closed gates, the kill switch, unknown scopes.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use super::case::*;

#[test]
fn clocks_too_far_apart_or_never_compared_stop_everything() {
    let bound = 500_000_000;
    let rows = [
        (bound, 0, None),
        (bound - 1, 1, None),
        (-bound, 0, None),
        (bound - 1, 2, Some((RiskCheck::Timeliness, bound, bound + 1))),
        (-bound - 1, 0, Some((RiskCheck::Timeliness, bound, bound + 1))),
        (i64::MIN, u64::MAX, Some((RiskCheck::Timeliness, bound, i64::MAX))),
    ];
    for side in SIDES {
        for (offset, uncertainty, expected) in rows {
            let mut case = Case::new();
            case.risk.set_clock(VenueId::BinanceUsdm, offset, uncertainty);
            case.check(limit(side, 10_000, 10), expected);
        }
    }
    let mut case = Case::new();
    case.risk = RiskBook::new(&case.limits, &case.instruments, 1, 0).unwrap();
    let by_hand = OrderIntent { strategy: StrategyId::MANUAL, ..limit(Side::Buy, 10_000, 10) };
    case.check(by_hand, Some((RiskCheck::Timeliness, bound, i64::MAX)));
}

#[test]
fn a_closed_gate_and_the_kill_switch_stop_reducing_orders_too() {
    for gate in [
        Gate::OrderSessionDown,
        Gate::AccountSessionDown,
        Gate::MarketNotReady,
        Gate::Unreconciled,
        Gate::JournalFull,
    ] {
        let mut case = Case::new().hold(50);
        case.gate = gate;
        let refused = Some((RiskCheck::Gate, 0, gate.code()));
        case.check(limit(Side::Buy, 10_000, 10), refused);
        case.check(reducing(limit(Side::Sell, 10_000, 10)), refused);
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), refused);
    }
    let mut case = Case::new().hold(50);
    case.risk.engage_kill();
    let refused = Some((RiskCheck::KillSwitch, 0, 1));
    case.check(limit(Side::Buy, 10_000, 10), refused);
    case.check(reducing(limit(Side::Sell, 10_000, 10)), refused);
    case.check_replace(replace(Side::Buy, 10_000, 10, 10), refused);
    case.risk.rearm();
    case.check(limit(Side::Buy, 10_000, 10), None);
}

#[test]
fn nothing_passes_for_which_no_limits_are_known() {
    let refused = Some((RiskCheck::Gate, 0, Gate::UnknownScope.code()));
    let buy = limit(Side::Buy, 10_000, 10);
    let mut case = Case::new();
    case.check(OrderIntent { strategy: StrategyId(3), ..buy }, refused);
    case.check(OrderIntent { account: AccountId(2), ..buy }, refused);
    case.check(OrderIntent { instrument: InstrumentId(1), ..buy }, refused);
    case.check(OrderIntent { strategy: StrategyId::MANUAL, ..buy }, None);
    case.risk.remove_strategy(STRATEGY);
    case.check(buy, refused);
    case.risk.remove_strategy(StrategyId::MANUAL);
    case.check(OrderIntent { strategy: StrategyId::MANUAL, ..buy }, None);
}

#[test]
fn what_answers_to_old_news_is_refused_and_a_person_answers_to_none() {
    let limit_ns = 1_000_000_000;
    let refused = Some((RiskCheck::Timeliness, limit_ns, limit_ns + 1));
    for (age, expected) in [(0, None), (limit_ns, None), (limit_ns + 1, refused)] {
        let mut case = Case::new().hold(-50);
        case.signal_at = Some(Nanos(case.now.mono.0 - age as u64));
        case.check(limit(Side::Buy, 10_000, 10), expected);
        case.check(reducing(limit(Side::Buy, 10_000, 10)), expected);
        case.check_replace(replace(Side::Buy, 10_000, 10, 5), expected);
        case.signal_at = None;
        case.check(limit(Side::Buy, 10_000, 10), None);
    }
    let mut case = Case::new().limits(|all| all.max_signal_age_ms = 20);
    case.signal_at = Some(Nanos(case.now.mono.0 - 20_000_001));
    case.check(limit(Side::Buy, 10_000, 10), Some((RiskCheck::Timeliness, 20_000_000, 20_000_001)));
}

#[test]
fn an_order_is_overdue_one_nanosecond_beyond_the_limit() {
    let case = Case::new().limits(|all| all.max_order_age_at_socket_ms = 20);
    let approved_at = Nanos(case.now.mono.0 - 20_000_000);
    assert!(!case.risk.is_overdue(case.now.mono, approved_at));
    assert!(case.risk.is_overdue(case.now.mono, Nanos(approved_at.0 - 1)));
}
