//! Risk limits as a person sets them, with the defaults that hold where nothing is said.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Limits of one strategy. What is absent is bounded by the account's and the engine's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategyLimits {
    /// C1: quantity of one order, in the base asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_order_quantity: Option<Decimal>,
    /// C2: value of one order, in the quote asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_order_notional: Option<Decimal>,
    /// C3: how many ticks beyond the opposite best price an order may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ticks_through_touch: Option<u32>,
    /// C5: net position with the worst case of all orders in flight, in the base asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_position: Option<Decimal>,
    /// C7: open orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<u32>,
    /// C7: value of all that open orders may still trade, in the quote asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_notional: Option<Decimal>,
    /// C8: messages in any second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_messages_per_second: Option<u32>,
}

/// Limits of the whole engine; each strategy's own come on top. All are always in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskLimits {
    /// C2: value of one order, in the quote asset.
    pub max_order_notional: Decimal,
    /// C3: how far a price may lie from the reference (the book's middle), in basis points.
    pub price_collar_bps: u32,
    /// C3: how many ticks a buy may lie above the best ask, a sell below the best bid.
    pub max_ticks_through_touch: u32,
    /// C4: how old the book may be, in milliseconds.
    pub max_book_age_ms: u32,
    /// C5: value of the net position of one instrument at worst case, in the quote asset.
    pub max_position_notional: Decimal,
    /// C7: open orders.
    pub max_open_orders: u32,
    /// C7: value of all that open orders may still trade, over all instruments, each in its quote
    /// asset.
    pub max_open_notional: Decimal,
    /// C8: messages in any second. Strategies use four fifths of each window, the rest is kept
    /// for orders by hand; cancels have a second of their own of the same size, and no longer one.
    pub max_messages_per_second: u32,
    /// C8: messages in any ten seconds; the default keeps below Binance's 300 orders.
    pub max_messages_per_10_seconds: u32,
    /// C8: messages in any minute; the default keeps below Binance's 1,200 orders.
    pub max_messages_per_minute: u32,
    /// C17: how far our clock may stand from the venue's, in milliseconds.
    pub max_clock_skew_ms: u32,
    /// C17: how long ago what an order answers to may have been received, in milliseconds.
    pub max_signal_age_ms: u32,
    /// C17: how long an approved order may wait to be handed to its session, in milliseconds.
    pub max_order_age_at_socket_ms: u32,
}

impl StrategyLimits {
    /// The name of a limit that isn't above zero, which could only be a mistake.
    pub fn not_positive(&self) -> Option<&'static str> {
        let amounts = [
            ("max_order_quantity", self.max_order_quantity),
            ("max_order_notional", self.max_order_notional),
            ("max_position", self.max_position),
            ("max_open_notional", self.max_open_notional),
        ];
        let counts = [
            ("max_ticks_through_touch", self.max_ticks_through_touch),
            ("max_open_orders", self.max_open_orders),
            ("max_messages_per_second", self.max_messages_per_second),
        ];
        let amounts = amounts.into_iter().filter(|(_, value)| value.is_some_and(not_above_zero));
        let counts = counts.into_iter().filter(|(_, value)| *value == Some(0));
        amounts.map(|(name, _)| name).chain(counts.map(|(name, _)| name)).next()
    }
}

impl RiskLimits {
    /// The name of a limit that isn't above zero, which could only be a mistake.
    pub fn not_positive(&self) -> Option<&'static str> {
        let amounts = [
            ("max_order_notional", self.max_order_notional),
            ("max_position_notional", self.max_position_notional),
            ("max_open_notional", self.max_open_notional),
        ];
        let counts = [
            ("price_collar_bps", self.price_collar_bps),
            ("max_ticks_through_touch", self.max_ticks_through_touch),
            ("max_book_age_ms", self.max_book_age_ms),
            ("max_open_orders", self.max_open_orders),
            ("max_messages_per_second", self.max_messages_per_second),
            ("max_messages_per_10_seconds", self.max_messages_per_10_seconds),
            ("max_messages_per_minute", self.max_messages_per_minute),
            ("max_clock_skew_ms", self.max_clock_skew_ms),
            ("max_signal_age_ms", self.max_signal_age_ms),
            ("max_order_age_at_socket_ms", self.max_order_age_at_socket_ms),
        ];
        let amounts = amounts.into_iter().filter(|(_, value)| not_above_zero(*value));
        let counts = counts.into_iter().filter(|(_, value)| *value == 0);
        amounts.map(|(name, _)| name).chain(counts.map(|(name, _)| name)).next()
    }
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            max_order_notional: Decimal::new(100_000, 0),
            price_collar_bps: 200,
            max_ticks_through_touch: 1_000,
            max_book_age_ms: 5_000,
            max_position_notional: Decimal::new(1_000_000, 0),
            max_open_orders: 200,
            max_open_notional: Decimal::new(1_000_000, 0),
            max_messages_per_second: 50,
            max_messages_per_10_seconds: 250,
            max_messages_per_minute: 1_000,
            max_clock_skew_ms: 500,
            max_signal_age_ms: 1_000,
            max_order_age_at_socket_ms: 1_000,
        }
    }
}

fn not_above_zero(value: Decimal) -> bool {
    value.is_zero() || value.is_sign_negative()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn each_limit_of_the_engine_is_refused_at_zero_and_by_its_own_name() {
        let defaults = serde_json::to_value(RiskLimits::default()).unwrap();
        assert_eq!(RiskLimits::default().not_positive(), None);
        for (name, value) in defaults.as_object().unwrap() {
            let zero = if value.is_string() { "0".into() } else { serde_json::Value::from(0) };
            let mut changed = defaults.clone();
            changed[name] = zero;
            let limits: RiskLimits = serde_json::from_value(changed).unwrap();
            assert_eq!(limits.not_positive(), Some(name.as_str()));
        }
    }

    #[test]
    fn each_limit_of_a_strategy_is_refused_at_zero_and_may_be_left_out() {
        assert_eq!(StrategyLimits::default().not_positive(), None);
        for (name, zero) in [
            ("max_order_quantity", "\"0\""),
            ("max_order_notional", "\"-1\""),
            ("max_position", "\"0.0\""),
            ("max_open_notional", "\"0\""),
            ("max_ticks_through_touch", "0"),
            ("max_open_orders", "0"),
            ("max_messages_per_second", "0"),
        ] {
            let text = format!("{{\"{name}\": {zero}}}");
            let limits: StrategyLimits = serde_json::from_str(&text).unwrap();
            assert_eq!(limits.not_positive(), Some(name));
        }
    }

    #[test]
    fn limits_of_an_older_journal_get_the_defaults_for_what_it_lacks() {
        let old = r#"{"max_order_notional":"5","max_open_orders":7}"#;
        let limits: RiskLimits = serde_json::from_str(old).unwrap();
        let expected = RiskLimits {
            max_order_notional: Decimal::new(5, 0),
            max_open_orders: 7,
            ..RiskLimits::default()
        };
        assert_eq!(limits, expected);
    }
}
