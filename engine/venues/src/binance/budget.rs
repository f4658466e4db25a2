//! A product's request limits, counted before the venue counts them. It must not wait: what doesn't
//! fit is refused, and cancels keep a part of the weight that queries can't take.
//!
//! Implements `binance.md` section 8, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits>.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use crate::limits::{TokenWindow, Wait, WindowKind};
use crate::registry::{SessionPlan, VenueBudgets};

/// What a product's documents grant an account and an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(super) orders_10s: u32,
    pub(super) orders_long: LongWindow,
    pub(super) weight_1m: u32,
    /// Of that weight, what snapshots may take.
    pub(super) snapshots_1m: u32,
    /// What placing an order weighs; a cancel weighs 1.
    pub(super) order_weight: u32,
    /// The limits that answers tell are taken over.
    pub(super) takes_told_limits: bool,
}

/// The longer of an account's two windows of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LongWindow {
    pub(super) length_ms: u64,
    pub(super) limit: u32,
    /// As the venue's counts name it.
    pub(super) unit: &'static [u8],
    pub(super) bucket: &'static str,
}

/// What the sessions of one account may still ask for. Clones count together, and outlive the
/// connections of those who hold them.
#[derive(Clone, Debug)]
pub struct RequestBudget {
    address: Arc<AddressBudget>,
    account: Arc<AccountBudget>,
    limits: &'static Limits,
    /// Unless more was granted than is documented.
    takes_told_limits: bool,
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
    orders_long: TokenWindow,
}

/// A window of the venue's own count, as answers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VenueWindow {
    Orders10s,
    OrdersLong,
    Weight1m,
}

impl RequestBudget {
    /// How many buckets `remaining` tells.
    pub const BUCKETS: usize = 4;

    /// `percent` of the documented limits: a venue may grant an account more, and a simulator all.
    pub fn new(limits: &'static Limits, percent: u32) -> Self {
        let address = AddressBudget {
            weight_1m: window(60_000, limits.weight_1m, percent),
            snapshots_1m: window(60_000, limits.snapshots_1m, percent),
            banned_until_ms: AtomicU64::new(0),
        };
        Self::with(Arc::new(address), limits, percent)
    }

    /// Another account's, from the same address.
    #[must_use]
    pub fn of_another_account(&self, percent: u32) -> Self {
        Self::with(Arc::clone(&self.address), self.limits, percent)
    }

    fn with(address: Arc<AddressBudget>, limits: &'static Limits, percent: u32) -> Self {
        let long = limits.orders_long;
        let account = Arc::new(AccountBudget {
            orders_10s: window(10_000, limits.orders_10s, percent),
            orders_long: window(long.length_ms, long.limit, percent),
        });
        let takes_told_limits = limits.takes_told_limits && percent == 100;
        Self { address, account, limits, takes_told_limits }
    }

    /// The budget that a plan carries, if it is the product's, or one of the session's own.
    pub(super) fn of(plan: &SessionPlan, limits: &'static Limits) -> Self {
        match &plan.budgets {
            Some(VenueBudgets::Binance(budget)) if budget.limits == limits => budget.clone(),
            Some(VenueBudgets::Binance(_)) | None => Self::new(limits, plan.rate_limit_percent),
        }
    }

    /// What each bucket has left at the venue's time, by its name.
    pub fn remaining(&self, venue_ms: u64) -> [(&'static str, u32); Self::BUCKETS] {
        [
            ("orders_10s", &self.account.orders_10s),
            (self.limits.orders_long.bucket, &self.account.orders_long),
            ("request_weight_1m", &self.address.weight_1m),
            ("snapshot_weight_1m", &self.address.snapshots_1m),
        ]
        .map(|(name, window)| (name, window.remaining_at(venue_ms)))
    }

    /// Takes one order's share of the account's windows, and what it weighs.
    pub fn take_order(&self, venue_ms: u64) -> Result<(), Wait> {
        let (weight_1m, weight) = (&self.address.weight_1m, self.limits.order_weight);
        match weight {
            // What weighs nothing needs no part of the weight to be left.
            0 => self.address.check_ban(venue_ms)?,
            _ => self.take_query(venue_ms, weight)?,
        }
        let AccountBudget { orders_10s, orders_long } = &*self.account;
        orders_10s.try_take(venue_ms, 1, 0).inspect_err(|_| weight_1m.give_back(weight))?;
        orders_long.try_take(venue_ms, 1, 0).inspect_err(|_| {
            weight_1m.give_back(weight);
            orders_10s.give_back(1);
        })
    }

    pub(super) fn take_cancel(&self, venue_ms: u64) -> Result<(), Wait> {
        self.address.weight_1m.try_take(venue_ms, 1, 0)
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
            VenueWindow::OrdersLong => &self.account.orders_long,
            VenueWindow::Weight1m => &self.address.weight_1m,
        };
        if let Some(limit) = limit.filter(|_| self.takes_told_limits) {
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

impl AddressBudget {
    fn check_ban(&self, venue_ms: u64) -> Result<(), Wait> {
        let wall_ms = self.banned_until_ms.load(Relaxed);
        if venue_ms < wall_ms { Err(Wait::Banned { wall_ms }) } else { Ok(()) }
    }
}

fn window(length_ms: u64, limit: u32, percent: u32) -> TokenWindow {
    TokenWindow::new(WindowKind::Fixed, length_ms, scaled(limit, percent))
}

fn scaled(limit: u32, percent: u32) -> u32 {
    let scaled = u64::from(limit) * u64::from(percent) / 100;
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

/// "Too many requests", with HTTP 429 or 418.
pub const TOO_MUCH_WEIGHT: i32 = -1003;
/// "Too many new orders", with HTTP 429.
pub const TOO_MANY_ORDERS: i32 = -1015;
/// Bans last from two minutes to three days.
const LONGEST_BAN_MS: u64 = 3 * 86_400_000;
