//! Limits of USDⓈ-M futures: weight by address, orders by account (`venues/binance.md` section 8).

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::errors::Reject;
use crate::dialects::binance::weight::{MINUTE_MS, Weights, Window, too_many_orders};
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

const WEIGHT_PER_MINUTE: u64 = 2_400;
const ORDERS_PER_TEN_SECONDS: u64 = 300;
const ORDERS_PER_MINUTE: u64 = 1_200;
const TEN_SECONDS_MS: u64 = 10_000;

#[derive(Clone, Copy, Debug, Default)]
struct OrderCounts {
    ten_seconds: Window,
    minute: Window,
}

#[derive(Debug)]
pub struct Limits {
    multiplier: u64,
    pub weights: Weights,
    accounts: HashMap<AccountId, OrderCounts>,
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

    pub fn minute_limit(&self) -> u64 {
        ORDERS_PER_MINUTE.saturating_mul(self.multiplier)
    }

    /// Counts of the 10 s and the 1 min window.
    pub fn order_counts(&self, now: UnixMillis, account: AccountId) -> (u64, u64) {
        self.accounts.get(&account).map_or((0, 0), |one| {
            (one.ten_seconds.used(now, TEN_SECONDS_MS), one.minute.used(now, MINUTE_MS))
        })
    }

    /// `ten_seconds` and `minute` are what the request counts in each window.
    pub fn charge_orders(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        ten_seconds: u64,
        minute: u64,
    ) -> Result<(), Reject> {
        let (ten_limit, minute_limit) = (self.ten_second_limit(), self.minute_limit());
        let one = self.accounts.entry(account).or_default();
        let over = |used: u64, more: u64, limit: u64| used.saturating_add(more) > limit;
        if over(one.ten_seconds.used(now, TEN_SECONDS_MS), ten_seconds, ten_limit) {
            return Err(too_many_orders(ten_limit, "10 SECOND", now, TEN_SECONDS_MS));
        }
        if over(one.minute.used(now, MINUTE_MS), minute, minute_limit) {
            return Err(too_many_orders(minute_limit, "1 MINUTE", now, MINUTE_MS));
        }
        one.ten_seconds.add(now, TEN_SECONDS_MS, ten_seconds);
        one.minute.add(now, MINUTE_MS, minute);
        Ok(())
    }

    /// `rateLimits` of a WebSocket reply.
    pub fn report(&self, now: UnixMillis, address: IpAddr, account: Option<AccountId>) -> Value {
        let mut all = Vec::new();
        if let Some(account) = account {
            let (ten_seconds, minute) = self.order_counts(now, account);
            all.push(json!({"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10,
                "limit": self.ten_second_limit(), "count": ten_seconds}));
            all.push(json!({"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1,
                "limit": self.minute_limit(), "count": minute}));
        }
        all.push(json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE",
            "intervalNum": 1, "limit": self.weights.limit,
            "count": self.weights.used(now, address)}));
        Value::Array(all)
    }
}

fn too_heavy(address: IpAddr, limit: u64) -> String {
    format!(
        "Too many requests; current limit of IP({address}) is {limit} requests per minute. \
         Please use the websocket for live updates to avoid polling the API."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_counted_in_windows_aligned_to_the_clock() {
        let mut limits = Limits::new(1);
        let late = UnixMillis(129_999);
        let account = AccountId(0);
        assert!(limits.charge_orders(late, account, 300, 1).is_ok());
        let refused = limits.charge_orders(late, account, 1, 1);
        assert_eq!(refused.map_err(|reject| reject.code), Err(-1015));
        assert!(limits.charge_orders(late.plus(1), account, 1, 1).is_ok());
        assert_eq!(limits.order_counts(late.plus(1), account), (1, 2));
    }
}
