//! What the venue grants on USDⓈ-margined futures. It must not count.
//!
//! Implements `binance.md` section 8, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>. 300 orders in 10 s,
//! 1200 in a minute for the account, a weight of 2400 in a minute for the address; placing and
//! changing costs an order and no weight, a cancel a weight of 1 and no order.

use crate::binance::budget::{Limits, LongWindow};

pub const LIMITS: Limits = Limits {
    orders_10s: 300,
    orders_long: LongWindow {
        length_ms: 60_000,
        limit: 1_200,
        unit: b"MINUTE",
        bucket: "orders_1m",
    },
    weight_1m: 2_400,
    snapshots_1m: 1_000,
    order_weight: 0,
    takes_told_limits: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binance::budget::{RequestBudget, VenueWindow};
    use crate::limits::Wait;

    fn left(budget: &RequestBudget, venue_ms: u64, bucket: &str) -> u32 {
        let found = budget.remaining(venue_ms).into_iter().find(|(name, _)| *name == bucket);
        found.map_or(u32::MAX, |(_, left)| left)
    }

    #[test]
    fn orders_run_out_before_cancels_do() {
        let budget = RequestBudget::new(&LIMITS, 100);
        let sent = (0..1_000).filter(|_| budget.take_order(20_000).is_ok()).count();
        assert_eq!(sent, 300);
        assert_eq!(budget.take_cancel(20_000), Ok(()));
        assert_eq!(budget.take_order(30_000), Ok(()));
    }

    #[test]
    fn queries_leave_cancels_their_reserve() {
        let budget = RequestBudget::new(&LIMITS, 100);
        let asked = (0..100).filter(|_| budget.take_query(0, 40).is_ok()).count();
        assert_eq!(asked, 52);
        let canceled = (0..1_000).filter(|_| budget.take_cancel(0).is_ok()).count();
        assert_eq!(canceled, 320);
    }

    #[test]
    fn snapshots_leave_the_rest_of_the_address_its_weight() {
        let budget = RequestBudget::new(&LIMITS, 100);
        let asked = (0..1_000).filter(|_| budget.take_snapshot(0, 20).is_ok()).count();
        assert_eq!(asked, 50);
        assert_eq!(left(&budget, 0, "request_weight_1m"), 1_400);
        budget.update(60_000, VenueWindow::Weight1m, 2_090, None);
        assert!(budget.take_snapshot(60_000, 20).is_err());
        assert_eq!(left(&budget, 60_000, "snapshot_weight_1m"), 1_000);
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
        check_refusal(429, 0, Some(200_000), [None, Some(120_000)]);
        check_refusal(429, 0, Some(90_000), [None, Some(90_000)]);
        check_refusal(503, -1008, Some(90_000), [None; 2]);
    }

    #[test]
    fn the_venues_count_and_its_bans_are_obeyed() {
        let budget = RequestBudget::new(&LIMITS, 100);
        budget.update(20_000, VenueWindow::OrdersLong, 1_200, None);
        assert!(budget.take_order(20_000).is_err());
        assert_eq!(left(&budget, 20_000, "orders_1m"), 0);
        assert_eq!(left(&budget, 20_000, "orders_10s"), 300);
        budget.ban_until(80_000, 90_000);
        let banned = Err(Wait::Banned { wall_ms: 90_000 });
        assert_eq!(budget.take_cancel(80_000), banned);
        assert_eq!(budget.take_order(80_000), banned);
        assert_eq!(budget.take_snapshot(80_000, 20), banned);
        assert_eq!(budget.take_cancel(90_000), Ok(()));
    }

    #[test]
    fn accounts_share_their_address_and_nothing_else() {
        let first = RequestBudget::new(&LIMITS, 100);
        let second = first.of_another_account(100);
        assert_eq!(first.take_order(0), Ok(()));
        assert_eq!(first.take_query(0, 40), Ok(()));
        let second_left = |bucket| left(&second, 0, bucket);
        assert_eq!((second_left("orders_10s"), second_left("request_weight_1m")), (300, 2_360));
        first.ban_until(4_000, 5_000);
        assert!(second.take_order(4_000).is_err());
    }

    #[test]
    fn a_simulator_may_grant_more() {
        let budget = RequestBudget::new(&LIMITS, 1_000);
        assert_eq!((0..9_000).filter(|_| budget.take_order(0).is_ok()).count(), 3_000);
    }
}
