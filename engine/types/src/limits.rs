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
    /// C5: net position with the worst case of all orders in flight, in the base asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_position: Option<Decimal>,
    /// C7: open orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_open_orders: Option<u32>,
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
    /// C4: how old the book may be, in milliseconds.
    pub max_book_age_ms: u32,
    /// C5: value of the net position of one instrument at worst case, in the quote asset.
    pub max_position_notional: Decimal,
    /// C7: open orders.
    pub max_open_orders: u32,
    /// C8: messages in any second; the default keeps below Binance's 1,200 orders a minute. Cancels
    /// have a reserve of their own beside it.
    pub max_messages_per_second: u32,
    /// C17: how far our clock may stand from the venue's, in milliseconds.
    pub max_clock_skew_ms: u32,
}

impl Default for RiskLimits {
    fn default() -> Self {
        Self {
            max_order_notional: Decimal::new(100_000, 0),
            price_collar_bps: 200,
            max_book_age_ms: 5_000,
            max_position_notional: Decimal::new(1_000_000, 0),
            max_open_orders: 200,
            max_messages_per_second: 20,
            max_clock_skew_ms: 500,
        }
    }
}
