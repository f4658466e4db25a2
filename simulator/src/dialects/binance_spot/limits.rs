//! Limits of spot: weight by address, unfilled orders by account (`venues/binance.md` section 8;
//! <https://github.com/binance/binance-spot-api-docs/blob/master/faqs/order_count_decrement.md>,
//! read 2026-11-24).

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::errors::Reject;
use crate::dialects::binance::weight::{Weights, Window, too_many_orders};
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

const WEIGHT_PER_MINUTE: u64 = 6_000;
const ORDERS_PER_TEN_SECONDS: u64 = 50;
const ORDERS_PER_DAY: u64 = 160_000;
const TEN_SECONDS_MS: u64 = 10_000;
const DAY_MS: u64 = 86_400_000;
/// What the first fill of an order gives back.
const BACK_AS_TAKER: u64 = 1;
const BACK_AS_MAKER: u64 = 5;

#[derive(Clone, Copy, Debug, Default)]
struct Unfilled {
    ten_seconds: Window,
    day: Window,
}

#[derive(Debug)]
pub struct Limits {
    multiplier: u64,
    pub weights: Weights,
    accounts: HashMap<AccountId, Unfilled>,
}

impl Limits {
    pub fn new(multiplier: u32) -> Self {
        let multiplier = u64::from(multiplier.max(1));
        Self {
            multiplier,
            weights: Weights::new(WEIGHT_PER_MINUTE.saturating_mul(multiplier), too_heavy),
            accounts: HashMap::new(),
        }
    }

    pub fn ten_second_limit(&self) -> u64 {
        ORDERS_PER_TEN_SECONDS.saturating_mul(self.multiplier)
    }

    pub fn day_limit(&self) -> u64 {
        ORDERS_PER_DAY.saturating_mul(self.multiplier)
    }

    /// Unfilled orders of the 10 s and the day's window.
    pub fn unfilled(&self, now: UnixMillis, account: AccountId) -> (u64, u64) {
        self.accounts.get(&account).map_or((0, 0), |one| {
            (one.ten_seconds.used(now, TEN_SECONDS_MS), one.day.used(now, DAY_MS))
        })
    }

    /// Whether `count` more orders may be placed.
    pub fn check_orders(
        &self,
        now: UnixMillis,
        account: AccountId,
        count: u64,
    ) -> Result<(), Reject> {
        let (ten_seconds, day) = self.unfilled(now, account);
        let (ten_limit, day_limit) = (self.ten_second_limit(), self.day_limit());
        if ten_seconds.saturating_add(count) > ten_limit {
            return Err(too_many_orders(ten_limit, "10 SECOND", now, TEN_SECONDS_MS));
        }
        if day.saturating_add(count) > day_limit {
            return Err(too_many_orders(day_limit, "1 DAY", now, DAY_MS));
        }
        Ok(())
    }

    pub fn add_orders(&mut self, now: UnixMillis, account: AccountId, count: u64) {
        let one = self.accounts.entry(account).or_default();
        one.ten_seconds.add(now, TEN_SECONDS_MS, count);
        one.day.add(now, DAY_MS, count);
    }

    /// Orders that were refused after all.
    pub fn take_back(&mut self, now: UnixMillis, account: AccountId, count: u64) {
        if let Some(one) = self.accounts.get_mut(&account) {
            one.ten_seconds.give_back(now, TEN_SECONDS_MS, count);
            one.day.give_back(now, DAY_MS, count);
        }
    }

    /// The first fill of an order: orders that trade do not count.
    pub fn on_first_fill(&mut self, now: UnixMillis, account: AccountId, maker: bool) {
        let back = if maker { BACK_AS_MAKER } else { BACK_AS_TAKER };
        if let Some(one) = self.accounts.get_mut(&account) {
            one.ten_seconds.give_back(now, TEN_SECONDS_MS, back);
            one.day.give_back(now, DAY_MS, back);
        }
    }

    /// `rateLimits` of a WebSocket reply.
    pub fn report(&self, now: UnixMillis, address: IpAddr, account: Option<AccountId>) -> Value {
        let mut all = Vec::new();
        if let Some(account) = account {
            let Value::Array(orders) = self.order_report(now, account) else { return Value::Null };
            all.extend(orders);
        }
        all.push(json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE",
            "intervalNum": 1, "limit": self.weights.limit,
            "count": self.weights.used(now, address)}));
        Value::Array(all)
    }

    pub fn order_report(&self, now: UnixMillis, account: AccountId) -> Value {
        let (ten_seconds, day) = self.unfilled(now, account);
        json!([
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10,
             "limit": self.ten_second_limit(), "count": ten_seconds},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1,
             "limit": self.day_limit(), "count": day},
        ])
    }
}

fn too_heavy(_: IpAddr, limit: u64) -> String {
    format!(
        "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. \
         Please use WebSocket Streams for live updates to avoid polling the API."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(0);

    #[test]
    fn orders_that_trade_are_given_back_and_never_below_zero() {
        let mut limits = Limits::new(1);
        let now = UnixMillis(120_000);
        limits.add_orders(now, ACCOUNT, 50);
        let refused = limits.check_orders(now, ACCOUNT, 1);
        assert_eq!(refused.map_err(|reject| (reject.status, reject.code)), Err((429, -1015)));
        limits.on_first_fill(now, ACCOUNT, false);
        assert!(limits.check_orders(now, ACCOUNT, 1).is_ok());
        for _ in 0..20 {
            limits.on_first_fill(now, ACCOUNT, true);
        }
        assert_eq!(limits.unfilled(now, ACCOUNT), (0, 0));
    }

    #[test]
    fn windows_are_aligned_to_the_clock() {
        let mut limits = Limits::new(1);
        let late = UnixMillis(129_999);
        limits.add_orders(late, ACCOUNT, 50);
        assert!(limits.check_orders(late, ACCOUNT, 1).is_err());
        assert_eq!(limits.unfilled(late.plus(1), ACCOUNT), (0, 50));
    }
}
