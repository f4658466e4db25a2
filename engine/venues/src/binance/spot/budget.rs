//! What the venue grants on spot. It must not count.
//!
//! Implements `binance.md` section 8, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits>. A weight of 6000
//! in a minute for the address, 50 orders in 10 s and 160000 in a day for the account. The venue
//! takes orders that fill off its count again; ours keeps them, which is on the safe side.

use crate::binance::budget::{Limits, LongWindow};

/// A new order, or the new half of a cancel-replace, counts as an order and weighs 1.
pub const LIMITS: Limits = Limits {
    orders_10s: 50,
    orders_long: LongWindow {
        length_ms: 86_400_000,
        limit: 160_000,
        unit: b"DAY",
        bucket: "orders_1d",
    },
    weight_1m: 6_000,
    snapshots_1m: 2_500,
    order_weight: 1,
    takes_told_limits: true,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binance::budget::{RequestBudget, VenueWindow};
    use crate::limits::Wait;

    fn left(budget: &RequestBudget, bucket: &str) -> u32 {
        let found = budget.remaining(20_000).into_iter().find(|(name, _)| *name == bucket);
        found.map_or(u32::MAX, |(_, left)| left)
    }

    #[test]
    fn orders_run_out_before_cancels_do() {
        let budget = RequestBudget::new(&LIMITS, 100);
        let sent = (0..1_000).filter(|_| budget.take_order(20_000).is_ok()).count();
        assert_eq!(sent, 50);
        assert_eq!((left(&budget, "orders_10s"), left(&budget, "request_weight_1m")), (0, 5_950));
        assert_eq!(budget.take_cancel(20_000), Ok(()));
        assert_eq!(budget.take_order(30_000), Ok(()));
    }

    #[test]
    fn queries_and_orders_leave_cancels_their_reserve() {
        let budget = RequestBudget::new(&LIMITS, 100);
        let asked = (0..100).filter(|_| budget.take_query(0, 80).is_ok()).count();
        assert_eq!(asked, 65);
        let sent = (0..1_000).filter(|_| budget.take_order(0).is_ok()).count();
        assert_eq!(sent, 50);
        let canceled = (0..10_000).filter(|_| budget.take_cancel(0).is_ok()).count();
        assert_eq!(canceled, 750);
    }

    #[test]
    fn a_refused_order_costs_nothing_in_any_window() {
        let budget = RequestBudget::new(&LIMITS, 100);
        budget.update(20_000, VenueWindow::OrdersLong, 160_000, None);
        assert!(budget.take_order(20_000).is_err());
        assert_eq!((left(&budget, "orders_10s"), left(&budget, "request_weight_1m")), (50, 6_000));
        // The venue may grant more at any time, and says so with each answer.
        budget.update(20_000, VenueWindow::OrdersLong, 0, Some(200_000));
        assert_eq!(left(&budget, "orders_1d"), 40_000);
        assert_eq!(budget.take_order(20_000), Ok(()));
    }

    /// Until when orders and cancels are held after a refusal at 80 s.
    #[track_caller]
    fn check_refusal(status: u16, code: i32, retry_at_ms: Option<u64>, expected: [Option<u64>; 2]) {
        let budget = RequestBudget::new(&LIMITS, 100);
        budget.obey(80_000, status, code, retry_at_ms);
        let until = |wait: Result<(), Wait>| wait.err().and_then(|wait| wait.retry_at_ms());
        let found = [until(budget.take_order(80_000)), until(budget.take_cancel(80_000))];
        assert_eq!(found, expected, "{status} {code} {retry_at_ms:?}");
    }

    #[test]
    fn no_refusal_is_obeyed_for_longer_than_the_venue_refuses() {
        let days = 80_000 + 3 * 86_400_000;
        check_refusal(418, -1003, Some(200_000), [Some(200_000); 2]);
        check_refusal(418, 0, None, [Some(140_000); 2]);
        check_refusal(418, 0, Some(u64::MAX), [Some(days); 2]);
        check_refusal(418, -1003, Some(80_000), [Some(140_000); 2]);
        check_refusal(429, -1003, Some(90_000), [Some(90_000); 2]);
        check_refusal(429, -1003, Some(1_659_146_400_000), [Some(120_000); 2]);
        check_refusal(400, -1003, None, [Some(120_000); 2]);
        check_refusal(429, -1015, Some(200_000), [Some(90_000), None]);
        check_refusal(429, 0, Some(200_000), [Some(120_000), Some(120_000)]);
        check_refusal(429, 0, Some(90_000), [Some(90_000), Some(90_000)]);
        check_refusal(503, -1008, Some(90_000), [None; 2]);
    }

    #[test]
    fn the_venues_bans_are_obeyed() {
        let budget = RequestBudget::new(&LIMITS, 100);
        budget.ban_until(80_000, 90_000);
        assert_eq!(budget.take_cancel(80_000), Err(Wait::Banned { wall_ms: 90_000 }));
        assert_eq!(budget.take_cancel(90_000), Ok(()));
    }

    #[test]
    fn accounts_share_their_address_and_snapshots_a_part_of_its_weight() {
        let first = RequestBudget::new(&LIMITS, 100);
        let second = first.of_another_account(100);
        assert_eq!(first.take_order(20_000), Ok(()));
        assert_eq!((left(&second, "orders_10s"), left(&second, "request_weight_1m")), (50, 5_999));
        let asked = (0..100).filter(|_| second.take_snapshot(20_000, 50).is_ok()).count();
        assert_eq!(asked, 50);
        assert_eq!(left(&first, "request_weight_1m"), 3_499);
    }
}
