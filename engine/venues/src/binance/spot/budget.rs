//! Spot's request limits, counted before the venue counts them. It must not wait: what doesn't fit
//! is refused, and cancels keep a part of the weight that queries can't take.
//!
//! Implements `binance.md` section 8, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits>. A weight of 6000
//! in a minute for the address, 50 orders in 10 s and 160000 in a day for the account. The venue
//! takes orders that fill off its count again; ours keeps them, which is on the safe side.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

use super::reject_codes::{TOO_MANY_ORDERS, TOO_MUCH_WEIGHT};
use crate::limits::{TokenWindow, Wait, WindowKind};
use crate::registry::{SessionPlan, VenueBudgets};

/// What the sessions of one account may still ask for. Clones count together, and outlive the
/// connections of those who hold them.
#[derive(Clone, Debug)]
pub struct RequestBudget {
    address: Arc<AddressBudget>,
    account: Arc<AccountBudget>,
    /// The limits that answers tell are taken over, unless more was granted than is documented.
    obeys_told_limits: bool,
}

/// The venue counts weight, and bans, by address: for all accounts of this program together.
#[derive(Debug)]
struct AddressBudget {
    weight_1m: TokenWindow,
    /// A part of the weight: many books that ask for snapshots at once must leave the rest to
    /// cancels and questions about orders.
    snapshots_1m: TokenWindow,
    /// A ban stops what weighs nothing too.
    banned_until_ms: AtomicU64,
}

#[derive(Debug)]
struct AccountBudget {
    orders_10s: TokenWindow,
    orders_1d: TokenWindow,
}

/// A window of the venue's own count, as answers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VenueWindow {
    Orders10s,
    Orders1d,
    Weight1m,
}

impl RequestBudget {
    /// How many buckets `remaining` tells.
    pub const BUCKETS: usize = 4;

    /// `percent` of the documented limits: a venue may grant an account more, and a simulator all.
    pub fn new(percent: u32) -> Self {
        let address = AddressBudget {
            weight_1m: window(60_000, WEIGHT_1M, percent),
            snapshots_1m: window(60_000, SNAPSHOT_WEIGHT_1M, percent),
            banned_until_ms: AtomicU64::new(0),
        };
        Self {
            address: Arc::new(address),
            account: Arc::new(AccountBudget::new(percent)),
            obeys_told_limits: percent == 100,
        }
    }

    /// Another account's, from the same address.
    #[must_use]
    pub fn of_another_account(&self, percent: u32) -> Self {
        let account = Arc::new(AccountBudget::new(percent));
        Self { address: Arc::clone(&self.address), account, obeys_told_limits: percent == 100 }
    }

    /// The budget that a plan carries, or one of the session's own.
    pub(super) fn of(plan: &SessionPlan) -> Self {
        match &plan.budgets {
            Some(VenueBudgets::BinanceSpot(budget)) => budget.clone(),
            Some(VenueBudgets::BinanceUsdm(_)) | None => Self::new(plan.rate_limit_percent),
        }
    }

    /// What each bucket has left at the venue's time, by its name.
    pub fn remaining(&self, venue_ms: u64) -> [(&'static str, u32); Self::BUCKETS] {
        [
            ("orders_10s", &self.account.orders_10s),
            ("orders_1d", &self.account.orders_1d),
            ("request_weight_1m", &self.address.weight_1m),
            ("snapshot_weight_1m", &self.address.snapshots_1m),
        ]
        .map(|(name, window)| (name, window.remaining_at(venue_ms)))
    }

    /// A new order, or the new half of a cancel-replace: it counts as an order and weighs 1.
    pub(super) fn take_order(&self, venue_ms: u64) -> Result<(), Wait> {
        self.take_query(venue_ms, 1)?;
        let AccountBudget { orders_10s, orders_1d } = &*self.account;
        let weight = &self.address.weight_1m;
        orders_10s.try_take(venue_ms, 1, 0).inspect_err(|_| weight.give_back(1))?;
        orders_1d.try_take(venue_ms, 1, 0).inspect_err(|_| {
            weight.give_back(1);
            orders_10s.give_back(1);
        })
    }

    pub(super) fn take_cancel(&self, venue_ms: u64) -> Result<(), Wait> {
        self.address.weight_1m.try_take(venue_ms, 1, 0)
    }

    /// An amendment takes risk away, but nobody waits for it as for a cancel.
    pub(super) fn take_amendment(&self, venue_ms: u64) -> Result<(), Wait> {
        self.take_query(venue_ms, 4)
    }

    pub(super) fn take_query(&self, venue_ms: u64, weight: u32) -> Result<(), Wait> {
        let window = &self.address.weight_1m;
        window.try_take(venue_ms, weight, window.limit() / 8)
    }

    pub(super) fn take_snapshot(&self, venue_ms: u64, weight: u32) -> Result<(), Wait> {
        let snapshots = &self.address.snapshots_1m;
        snapshots.try_take(venue_ms, weight, 0)?;
        self.take_query(venue_ms, weight).inspect_err(|_| snapshots.give_back(weight))
    }

    /// The venue's count, which includes what others of the same address or account asked, and its
    /// limit, which it may change at any time.
    pub(super) fn update(&self, venue_ms: u64, window: VenueWindow, used: u32, limit: Option<u32>) {
        let window = match window {
            VenueWindow::Orders10s => &self.account.orders_10s,
            VenueWindow::Orders1d => &self.account.orders_1d,
            VenueWindow::Weight1m => &self.address.weight_1m,
        };
        if let Some(limit) = limit.filter(|_| self.obeys_told_limits) {
            window.set_limit(limit);
        }
        window.update_from_venue(venue_ms, used);
    }

    /// Obeys a refusal for our limits, whichever session got it: a ban, a weight that is used up,
    /// or too many orders. Returns whether it bans all that we could send.
    pub fn obey(&self, venue_ms: u64, status: u16, code: i32, retry_at_ms: Option<u64>) -> bool {
        // A wait that is over already is none that anybody could mean.
        let told = retry_at_ms.filter(|&at| at > venue_ms);
        // The weight comes back at the next minute, whatever is said.
        let next_minute = (venue_ms / 60_000 + 1).saturating_mul(60_000);
        let soon = told.unwrap_or(next_minute).min(next_minute);
        match (status, code) {
            (418, _) => self.ban_until(venue_ms, told.unwrap_or(venue_ms + 60_000)),
            (_, TOO_MUCH_WEIGHT) => self.ban_until(venue_ms, soon),
            (_, TOO_MANY_ORDERS) => self.update(venue_ms, VenueWindow::Orders10s, u32::MAX, None),
            (429, _) => self.address.weight_1m.ban_until(soon),
            _ => {}
        }
        status == 418 || code == TOO_MUCH_WEIGHT
    }

    /// Nothing at all is sent from this address before then: asking while banned makes the ban
    /// longer. No ban is believed to be longer than the venue's longest.
    pub fn ban_until(&self, venue_ms: u64, until_ms: u64) {
        let until_ms = until_ms.min(venue_ms.saturating_add(LONGEST_BAN_MS));
        self.address.banned_until_ms.fetch_max(until_ms, Relaxed);
        self.address.weight_1m.ban_until(until_ms);
    }

    /// Until when the address may ask for nothing that weighs, banned or not; long past or zero
    /// when it may.
    pub fn banned_until_ms(&self) -> u64 {
        self.address.weight_1m.banned_until_ms()
    }
}

impl AccountBudget {
    fn new(percent: u32) -> Self {
        Self {
            orders_10s: window(10_000, ORDERS_10S, percent),
            orders_1d: window(86_400_000, ORDERS_1D, percent),
        }
    }
}

fn window(length_ms: u64, limit: u32, percent: u32) -> TokenWindow {
    TokenWindow::new(WindowKind::Fixed, length_ms, scaled(limit, percent))
}

fn scaled(limit: u32, percent: u32) -> u32 {
    let scaled = u64::from(limit) * u64::from(percent) / 100;
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

const ORDERS_10S: u32 = 50;
const ORDERS_1D: u32 = 160_000;
const WEIGHT_1M: u32 = 6_000;
/// Bans last from two minutes to three days.
const LONGEST_BAN_MS: u64 = 3 * 86_400_000;
const SNAPSHOT_WEIGHT_1M: u32 = 2_500;

#[cfg(test)]
mod tests {
    use super::*;

    fn left(budget: &RequestBudget, bucket: &str) -> u32 {
        let found = budget.remaining(20_000).into_iter().find(|(name, _)| *name == bucket);
        found.map_or(u32::MAX, |(_, left)| left)
    }

    #[test]
    fn orders_run_out_before_cancels_do() {
        let budget = RequestBudget::new(100);
        let sent = (0..1_000).filter(|_| budget.take_order(20_000).is_ok()).count();
        assert_eq!(sent, 50);
        assert_eq!((left(&budget, "orders_10s"), left(&budget, "request_weight_1m")), (0, 5_950));
        assert_eq!(budget.take_cancel(20_000), Ok(()));
        assert_eq!(budget.take_order(30_000), Ok(()));
    }

    #[test]
    fn queries_and_orders_leave_cancels_their_reserve() {
        let budget = RequestBudget::new(100);
        let asked = (0..100).filter(|_| budget.take_query(0, 80).is_ok()).count();
        assert_eq!(asked, 65);
        let sent = (0..1_000).filter(|_| budget.take_order(0).is_ok()).count();
        assert_eq!(sent, 50);
        let canceled = (0..10_000).filter(|_| budget.take_cancel(0).is_ok()).count();
        assert_eq!(canceled, 750);
    }

    #[test]
    fn a_refused_order_costs_nothing_in_any_window() {
        let budget = RequestBudget::new(100);
        budget.update(20_000, VenueWindow::Orders1d, 160_000, None);
        assert!(budget.take_order(20_000).is_err());
        assert_eq!((left(&budget, "orders_10s"), left(&budget, "request_weight_1m")), (50, 6_000));
        // The venue may grant more at any time, and says so with each answer.
        budget.update(20_000, VenueWindow::Orders1d, 0, Some(200_000));
        assert_eq!(left(&budget, "orders_1d"), 40_000);
        assert_eq!(budget.take_order(20_000), Ok(()));
    }

    /// Until when orders and cancels are held after a refusal at 80 s.
    #[track_caller]
    fn check_refusal(status: u16, code: i32, retry_at_ms: Option<u64>, expected: [Option<u64>; 2]) {
        let budget = RequestBudget::new(100);
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
        let budget = RequestBudget::new(100);
        budget.ban_until(80_000, 90_000);
        assert_eq!(budget.take_cancel(80_000), Err(Wait::Banned { wall_ms: 90_000 }));
        assert_eq!(budget.take_cancel(90_000), Ok(()));
    }

    #[test]
    fn accounts_share_their_address_and_snapshots_a_part_of_its_weight() {
        let first = RequestBudget::new(100);
        let second = first.of_another_account(100);
        assert_eq!(first.take_order(20_000), Ok(()));
        assert_eq!((left(&second, "orders_10s"), left(&second, "request_weight_1m")), (50, 5_999));
        let asked = (0..100).filter(|_| second.take_snapshot(20_000, 50).is_ok()).count();
        assert_eq!(asked, 50);
        assert_eq!(left(&first, "request_weight_1m"), 3_499);
    }
}
