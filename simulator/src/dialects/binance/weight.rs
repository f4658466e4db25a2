//! Request weight by address in windows aligned to the clock, and the ban of who does not heed it
//! (`venues/binance.md` section 8).

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::json;

use super::reject::Reject;
use crate::exchange::order::UnixMillis;

pub const MINUTE_MS: u64 = 60_000;
/// Requests refused in one window before the address is banned.
const REFUSALS_BEFORE_BAN: u64 = 20;
const BAN_MS: u64 = 120_000;
/// Addresses remembered; a simulator hears from few.
const ADDRESSES_MAX: usize = 4_096;

/// A count in the window that holds a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    index: u64,
    used: u64,
}

impl Window {
    pub fn used(&self, now: UnixMillis, length_ms: u64) -> u64 {
        if self.index == now.0 / length_ms { self.used } else { 0 }
    }

    pub fn add(&mut self, now: UnixMillis, length_ms: u64, amount: u64) {
        let used = self.used(now, length_ms).saturating_add(amount);
        *self = Self { index: now.0 / length_ms, used };
    }

    /// Gives back, never below zero.
    pub fn give_back(&mut self, now: UnixMillis, length_ms: u64, amount: u64) {
        let used = self.used(now, length_ms).saturating_sub(amount);
        *self = Self { index: now.0 / length_ms, used };
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Address {
    weight: Window,
    refusals: Window,
    banned_until: UnixMillis,
}

/// The market's words for a refusal, of the address and the limit.
pub type Words = fn(IpAddr, u64) -> String;

#[derive(Debug)]
pub struct Weights {
    pub limit: u64,
    words: Words,
    addresses: HashMap<IpAddr, Address>,
}

impl Weights {
    pub fn new(limit: u64, words: Words) -> Self {
        Self { limit, words, addresses: HashMap::new() }
    }

    pub fn used(&self, now: UnixMillis, address: IpAddr) -> u64 {
        self.addresses.get(&address).map_or(0, |one| one.weight.used(now, MINUTE_MS))
    }

    pub fn charge(&mut self, now: UnixMillis, address: IpAddr, weight: u64) -> Result<(), Reject> {
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&address) {
            self.addresses.clear();
        }
        let one = self.addresses.entry(address).or_default();
        if one.banned_until > now {
            return Err(banned(now, one.banned_until));
        }
        if one.weight.used(now, MINUTE_MS).saturating_add(weight) <= self.limit {
            one.weight.add(now, MINUTE_MS, weight);
            return Ok(());
        }
        one.refusals.add(now, MINUTE_MS, 1);
        if one.refusals.used(now, MINUTE_MS) > REFUSALS_BEFORE_BAN {
            one.banned_until = now.plus(BAN_MS);
            return Err(banned(now, one.banned_until));
        }
        let left_ms = MINUTE_MS - now.0 % MINUTE_MS;
        let mut reject = Reject::new(429, -1003, (self.words)(address, self.limit));
        reject.retry_after = Some(left_ms.div_ceil(1000));
        let retry_at = now.0.saturating_add(left_ms);
        reject.data = Some(json!({"serverTime": now.0, "retryAfter": retry_at}));
        Err(reject)
    }

    /// Takes weight back from a request that turned out to be free.
    pub fn give_back(&mut self, now: UnixMillis, address: IpAddr, weight: u64) {
        if let Some(one) = self.addresses.get_mut(&address) {
            one.weight.give_back(now, MINUTE_MS, weight);
        }
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

/// An order count that is used up.
pub fn too_many_orders(limit: u64, interval: &str, now: UnixMillis, length_ms: u64) -> Reject {
    let text = format!("Too many new orders; current limit is {limit} orders per {interval}.");
    let mut reject = Reject::new(429, -1015, text);
    let left_ms = length_ms - now.0 % length_ms;
    reject.retry_after = Some(left_ms.div_ceil(1000));
    reject
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn weight_is_refused_with_429_then_banned_with_418_and_free_in_the_next_window() {
        let mut weights = Weights::new(2_400, |_, limit| limit.to_string());
        let now = UnixMillis(120_000);
        assert!(weights.charge(now, HERE, 2_400).is_ok());
        for _ in 0..REFUSALS_BEFORE_BAN {
            let refused = weights.charge(now, HERE, 1);
            assert_eq!(refused.map_err(|reject| reject.status), Err(429));
        }
        let banned = weights.charge(now, HERE, 1);
        assert_eq!(banned.map_err(|reject| reject.status), Err(418));
        let still = weights.charge(now.plus(119_999), HERE, 1);
        assert_eq!(still.map_err(|reject| reject.status), Err(418));
        assert!(weights.charge(now.plus(BAN_MS), HERE, 1).is_ok());
    }
}
