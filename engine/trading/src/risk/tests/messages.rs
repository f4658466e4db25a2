//! C8: messages in each window, the person's reserve, and the pause after a venue had no room.

use super::case::*;

#[test]
fn messages_of_one_second_stop_one_beyond_the_limit_and_refusals_count_nothing() {
    let buy = limit(Side::Buy, 10_000, 10);
    let own = StrategyLimits { max_messages_per_second: Some(3), ..Default::default() };
    // Of four, strategies have three.
    let by_engine = || Case::new().limits(|all| all.max_messages_per_second = 4);
    let by_strategy = || Case::new().own(own.clone());
    let refused = Some((RiskCheck::MessageThrottle, 3, 4));
    for mut case in [by_engine(), by_strategy()] {
        case.check(buy, None);
        case.check(limit(Side::Buy, 10_101, 10), Some((RiskCheck::PriceCollar, 10_100, 10_101)));
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), None);
        case.check(buy, None);
        case.check(buy, refused);
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), refused);
        case.now.mono.0 += SECOND - 1;
        case.check(buy, refused);
        case.now.mono.0 += 3_000_000;
        case.check(buy, None);
    }
    let other = OrderIntent { strategy: OTHER, ..buy };
    let mut shared = by_engine();
    let mut apart = by_strategy();
    for _ in 0..3 {
        shared.check(buy, None);
        apart.check(buy, None);
    }
    shared.check(other, refused);
    apart.check(other, None);
}

#[test]
fn cancels_have_a_reserve_that_neither_orders_nor_one_strategy_can_use_up() {
    let own = StrategyLimits { max_messages_per_second: Some(2), ..Default::default() };
    let mut case = Case::new().limits(|all| all.max_messages_per_second = 4).own(own);
    case.check(limit(Side::Buy, 10_000, 10), None);
    case.check(limit(Side::Buy, 10_000, 10), None);
    case.risk.engage_kill();
    let cancel = |case: &mut Case, strategy| {
        case.risk.check_cancel_throttle(case.now, strategy).err().map(|no| (no.limit, no.value))
    };
    assert_eq!(cancel(&mut case, STRATEGY), None);
    assert_eq!(cancel(&mut case, STRATEGY), None);
    assert_eq!(cancel(&mut case, STRATEGY), Some((2, 3)));
    assert_eq!(cancel(&mut case, StrategyId::MANUAL), None);
    assert_eq!(cancel(&mut case, StrategyId::MANUAL), None);
    assert_eq!(cancel(&mut case, StrategyId::MANUAL), Some((4, 5)));
    case.now.mono.0 += 2 * SECOND;
    assert_eq!(cancel(&mut case, STRATEGY), None);
}

/// One limit of the engine's windows set to ten, with its length in seconds.
fn windows_of_ten() -> [(Case, u64); 3] {
    [
        (Case::new().limits(|all| all.max_messages_per_second = 10), 1),
        (Case::new().limits(|all| all.max_messages_per_10_seconds = 10), 10),
        (Case::new().limits(|all| all.max_messages_per_minute = 10), 60),
    ]
}

#[test]
fn every_window_holds_on_its_own_for_its_whole_length() {
    let buy = OrderIntent { strategy: StrategyId::MANUAL, ..limit(Side::Buy, 10_000, 10) };
    let refused = Some((RiskCheck::MessageThrottle, 10, 11));
    for (mut case, seconds) in windows_of_ten() {
        for _ in 0..10 {
            case.check(buy, None);
        }
        case.check(buy, refused);
        case.now.mono.0 += seconds * SECOND - 1;
        case.book.received_at = case.now.mono;
        case.check(buy, refused);
        case.now.mono.0 += seconds * SECOND / 100;
        case.check(buy, None);
    }
}

#[test]
fn strategies_leave_a_fifth_of_every_window_to_the_person() {
    let by_strategy = limit(Side::Buy, 10_000, 10);
    let by_hand = OrderIntent { strategy: StrategyId::MANUAL, ..by_strategy };
    for (mut case, seconds) in windows_of_ten() {
        for _ in 0..8 {
            case.check(by_strategy, None);
        }
        let refused = Some((RiskCheck::MessageThrottle, 8, 9));
        case.check(by_strategy, refused);
        case.check(OrderIntent { strategy: OTHER, ..by_strategy }, refused);
        case.check(by_hand, None);
        case.check(by_hand, None);
        case.check(by_hand, Some((RiskCheck::MessageThrottle, 10, 11)));
        let cancels = (0..20)
            .take_while(|_| case.risk.check_cancel_throttle(case.now, STRATEGY).is_ok())
            .count();
        // The longer windows bound orders alone.
        assert_eq!(cancels, if seconds == 1 { 8 } else { 20 }, "{seconds} s");
        assert_eq!(case.risk.check_cancel_throttle(case.now, StrategyId::MANUAL), Ok(()));
    }
}

#[test]
fn a_strategy_that_was_turned_away_waits_and_nobody_else_does() {
    let buy = limit(Side::Buy, 10_000, 10);
    let mut case = Case::new();
    let refused = |left| Some((RiskCheck::MessageThrottle, 0, left));
    let (start, wait) = (case.now.mono, 250_000_000);
    case.risk.on_turned_away(STRATEGY, start, start);
    case.check(buy, refused(wait));
    case.check_replace(replace(Side::Buy, 10_000, 10, 10), refused(wait));
    case.check(OrderIntent { strategy: OTHER, ..buy }, None);
    case.risk.on_turned_away(StrategyId::MANUAL, start, start);
    case.check(OrderIntent { strategy: StrategyId::MANUAL, ..buy }, None);
    assert_eq!(case.risk.check_cancel_throttle(case.now, STRATEGY), Ok(()));
    case.now.mono.0 += wait as u64 - 1;
    case.check(buy, refused(1));
    case.now.mono.0 += 1;
    case.check(buy, None);
    // Again: twice as long. Once a later one has been accepted it is over.
    let again = case.now.mono;
    case.risk.on_turned_away(STRATEGY, again, again);
    case.check(buy, refused(2 * wait));
    case.risk.on_accepted(STRATEGY, again);
    case.check(buy, refused(2 * wait));
    case.risk.on_accepted(STRATEGY, Nanos(again.0 + 1));
    case.check(buy, None);
    case.risk.on_turned_away(STRATEGY, again, again);
    case.check(buy, refused(wait));
}
