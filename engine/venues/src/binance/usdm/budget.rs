//! The venue's request limits, counted before it counts them. It must not wait: what doesn't fit is
//! refused, and cancels keep a part of the weight that queries can't take.
//!
//! Implements `binance.md` section 8, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>. 300 orders in 10 s,
//! 1200 in a minute, a weight of 2400 in a minute for the address; placing and changing costs an
//! order and no weight, a cancel a weight of 1 and no order.

use crate::limits::{TokenWindow, Wait, WindowKind};

/// What one order session may still ask for.
#[derive(Debug)]
pub(super) struct RequestBudget {
    orders_10s: TokenWindow,
    orders_1m: TokenWindow,
    weight_1m: TokenWindow,
}

/// A window of the venue's own count, as answers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VenueWindow {
    Orders10s,
    Orders1m,
    Weight1m,
}

impl RequestBudget {
    /// `percent` of the documented limits: a venue may grant an account more, and a simulator all.
    pub(super) fn new(percent: u32) -> Self {
        let window = |length_ms, limit| {
            TokenWindow::new(WindowKind::Fixed, length_ms, scaled(limit, percent))
        };
        Self {
            orders_10s: window(10_000, ORDERS_10S),
            orders_1m: window(60_000, ORDERS_1M),
            weight_1m: window(60_000, WEIGHT_1M),
        }
    }

    pub(super) fn take_order(&mut self, venue_ms: u64) -> Result<(), Wait> {
        self.orders_10s.try_take(venue_ms, 1, 0)?;
        self.orders_1m.try_take(venue_ms, 1, 0).inspect_err(|_| self.orders_10s.give_back(1))
    }

    pub(super) fn take_cancel(&mut self, venue_ms: u64) -> Result<(), Wait> {
        self.weight_1m.try_take(venue_ms, 1, 0)
    }

    pub(super) fn take_query(&mut self, venue_ms: u64, weight: u32) -> Result<(), Wait> {
        self.weight_1m.try_take(venue_ms, weight, self.weight_1m.limit() / 8)
    }

    /// The venue's count, which includes what others of the same address or account asked.
    pub(super) fn update(&mut self, venue_ms: u64, window: VenueWindow, used: u32) {
        match window {
            VenueWindow::Orders10s => self.orders_10s.update_from_venue(venue_ms, used),
            VenueWindow::Orders1m => self.orders_1m.update_from_venue(venue_ms, used),
            VenueWindow::Weight1m => self.weight_1m.update_from_venue(venue_ms, used),
        }
    }

    /// Nothing at all is sent before then: asking while banned makes the ban longer.
    pub(super) fn ban_until(&mut self, venue_ms: u64) {
        for window in [&mut self.orders_10s, &mut self.orders_1m, &mut self.weight_1m] {
            window.ban_until(venue_ms);
        }
    }

    /// What is left of the narrowest window of orders, and of the weight.
    pub(super) fn remaining(&self) -> (u32, u32) {
        let orders = self.orders_10s.remaining().min(self.orders_1m.remaining());
        (orders, self.weight_1m.remaining())
    }
}

/// A budget for snapshots beside the order session's, so that both fit the address's weight.
pub(super) fn snapshot_budget(percent: u32) -> TokenWindow {
    TokenWindow::new(WindowKind::Fixed, 60_000, scaled(SNAPSHOT_WEIGHT_1M, percent))
}

fn scaled(limit: u32, percent: u32) -> u32 {
    let scaled = u64::from(limit) * u64::from(percent) / 100;
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

const ORDERS_10S: u32 = 300;
const ORDERS_1M: u32 = 1_200;
const WEIGHT_1M: u32 = 2_400;
const SNAPSHOT_WEIGHT_1M: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_run_out_before_cancels_do() {
        let mut budget = RequestBudget::new(100);
        let sent = (0..1_000).filter(|_| budget.take_order(20_000).is_ok()).count();
        assert_eq!(sent, 300);
        assert_eq!(budget.take_cancel(20_000), Ok(()));
        assert_eq!(budget.take_order(30_000), Ok(()));
    }

    #[test]
    fn queries_leave_cancels_their_reserve() {
        let mut budget = RequestBudget::new(100);
        let asked = (0..100).filter(|_| budget.take_query(0, 40).is_ok()).count();
        assert_eq!(asked, 52);
        let canceled = (0..1_000).filter(|_| budget.take_cancel(0).is_ok()).count();
        assert_eq!(canceled, 320);
    }

    #[test]
    fn the_venues_count_and_its_bans_are_obeyed() {
        let mut budget = RequestBudget::new(100);
        budget.update(20_000, VenueWindow::Orders1m, 1_200);
        assert!(budget.take_order(20_000).is_err());
        assert_eq!(budget.remaining(), (0, 2_400));
        budget.ban_until(90_000);
        assert_eq!(budget.take_cancel(80_000), Err(Wait::Banned { wall_ms: 90_000 }));
        assert_eq!(budget.take_cancel(90_000), Ok(()));
    }

    #[test]
    fn a_simulator_may_grant_more() {
        let mut budget = RequestBudget::new(1_000);
        assert_eq!((0..9_000).filter(|_| budget.take_order(0).is_ok()).count(), 3_000);
    }
}
