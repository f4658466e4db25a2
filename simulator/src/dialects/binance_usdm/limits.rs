//! Request weight by address and order counts by account, in windows aligned to the clock
//! (`venues/binance.md` section 8).

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::errors::Reject;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

const WEIGHT_PER_MINUTE: u64 = 2_400;
const ORDERS_PER_TEN_SECONDS: u64 = 300;
const ORDERS_PER_MINUTE: u64 = 1_200;
const MINUTE_MS: u64 = 60_000;
const TEN_SECONDS_MS: u64 = 10_000;
/// Requests refused in one window before the address is banned.
const REFUSALS_BEFORE_BAN: u64 = 20;
const BAN_MS: u64 = 120_000;

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    index: u64,
    used: u64,
}

impl Window {
    fn used(&self, now: UnixMillis, length_ms: u64) -> u64 {
        if self.index == now.0 / length_ms { self.used } else { 0 }
    }

    fn add(&mut self, now: UnixMillis, length_ms: u64, amount: u64) {
        let used = self.used(now, length_ms).saturating_add(amount);
        *self = Self { index: now.0 / length_ms, used };
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Address {
    weight: Window,
    refusals: Window,
    banned_until: UnixMillis,
}

#[derive(Clone, Copy, Debug, Default)]
struct OrderCounts {
    ten_seconds: Window,
    minute: Window,
}

#[derive(Debug)]
pub struct Limits {
    multiplier: u64,
    addresses: HashMap<IpAddr, Address>,
    accounts: HashMap<AccountId, OrderCounts>,
}

impl Limits {
    pub fn new(multiplier: u32) -> Self {
        Self {
            multiplier: u64::from(multiplier.max(1)),
            addresses: HashMap::new(),
            accounts: HashMap::new(),
        }
    }

    pub fn weight_limit(&self) -> u64 {
        WEIGHT_PER_MINUTE.saturating_mul(self.multiplier)
    }

    pub fn ten_second_limit(&self) -> u64 {
        ORDERS_PER_TEN_SECONDS.saturating_mul(self.multiplier)
    }

    pub fn minute_limit(&self) -> u64 {
        ORDERS_PER_MINUTE.saturating_mul(self.multiplier)
    }

    pub fn used_weight(&self, now: UnixMillis, address: IpAddr) -> u64 {
        self.addresses.get(&address).map_or(0, |one| one.weight.used(now, MINUTE_MS))
    }

    /// Counts of the 10 s and the 1 min window.
    pub fn order_counts(&self, now: UnixMillis, account: AccountId) -> (u64, u64) {
        self.accounts.get(&account).map_or((0, 0), |one| {
            (one.ten_seconds.used(now, TEN_SECONDS_MS), one.minute.used(now, MINUTE_MS))
        })
    }

    pub fn charge_weight(
        &mut self,
        now: UnixMillis,
        address: IpAddr,
        weight: u64,
    ) -> Result<(), Reject> {
        let limit = self.weight_limit();
        let one = self.addresses.entry(address).or_default();
        if one.banned_until > now {
            return Err(banned(now, one.banned_until));
        }
        if one.weight.used(now, MINUTE_MS).saturating_add(weight) <= limit {
            one.weight.add(now, MINUTE_MS, weight);
            return Ok(());
        }
        one.refusals.add(now, MINUTE_MS, 1);
        if one.refusals.used(now, MINUTE_MS) > REFUSALS_BEFORE_BAN {
            one.banned_until = now.plus(BAN_MS);
            return Err(banned(now, one.banned_until));
        }
        let text = format!(
            "Too many requests; current limit of IP({address}) is {limit} requests per minute. \
             Please use the websocket for live updates to avoid polling the API."
        );
        let left_ms = MINUTE_MS - now.0 % MINUTE_MS;
        let mut reject = Reject::new(429, -1003, text);
        reject.retry_after = Some(left_ms.div_ceil(1000));
        let retry_at = now.0.saturating_add(left_ms);
        reject.data = Some(json!({"serverTime": now.0, "retryAfter": retry_at}));
        Err(reject)
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
            return Err(too_many(ten_limit, "10 SECOND", now, TEN_SECONDS_MS));
        }
        if over(one.minute.used(now, MINUTE_MS), minute, minute_limit) {
            return Err(too_many(minute_limit, "1 MINUTE", now, MINUTE_MS));
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
            "intervalNum": 1, "limit": self.weight_limit(),
            "count": self.used_weight(now, address)}));
        Value::Array(all)
    }
}

fn banned(now: UnixMillis, until: UnixMillis) -> Reject {
    let text = format!(
        "Way too much request weight used; IP banned until {}. Please use WebSocket Streams for \
         live updates to avoid bans.",
        until.0
    );
    let mut reject = Reject::new(418, -1003, text);
    reject.retry_after = Some(until.since(now).div_ceil(1000));
    reject.data = Some(json!({"serverTime": now.0, "retryAfter": until.0}));
    reject
}

fn too_many(limit: u64, interval: &str, now: UnixMillis, length_ms: u64) -> Reject {
    let text = format!("Too many new orders; current limit is {limit} orders per {interval}.");
    let mut reject = Reject::new(429, -1015, text);
    reject.retry_after = Some((length_ms - now.0 % length_ms).div_ceil(1000));
    reject
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn weight_is_refused_with_429_then_banned_with_418_and_free_in_the_next_window() {
        let mut limits = Limits::new(1);
        let now = UnixMillis(120_000);
        assert!(limits.charge_weight(now, HERE, 2_400).is_ok());
        for _ in 0..REFUSALS_BEFORE_BAN {
            let refused = limits.charge_weight(now, HERE, 1);
            assert_eq!(refused.map_err(|reject| reject.status), Err(429));
        }
        let banned = limits.charge_weight(now, HERE, 1);
        assert_eq!(banned.map_err(|reject| reject.status), Err(418));
        let still = limits.charge_weight(now.plus(119_999), HERE, 1);
        assert_eq!(still.map_err(|reject| reject.status), Err(418));
        assert!(limits.charge_weight(now.plus(BAN_MS), HERE, 1).is_ok());
    }

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
