//! Binance USDⓈ-margined futures: the market, order and account sessions. Spot is another venue
//! with other codes, ids, limits and depth rules; what both share stands beside them.
//!
//! Implements <https://developers.binance.com/docs/derivatives/usds-margined-futures> as
//! `binance.md` has it (compiled 2026-11-24).

mod account_answers;
pub mod budget;
pub mod instruments;
pub mod market;
mod market_messages;
mod order_answers;
mod order_frames;
pub mod orders;
mod queries;
pub mod reject_codes;
mod user_events;
pub mod user_stream;

pub use super::account_answers::{BalanceRow, Listed, TradeRow, decode_server_time};
pub use super::fields::ReadError;
pub use super::instruments::ExchangeInfoError;
pub use super::market_messages::{Decoded, DepthScratch, DepthUpdate, MarketMessage, SnapshotHead};
pub use super::symbols;
pub use account_answers::{
    PositionRow, PositionSide, decode_balances, decode_open_orders, decode_position_mode,
    decode_positions, decode_trades,
};
pub use instruments::decode_exchange_info;
pub use market_messages::{decode_market, decode_snapshot};
pub use order_answers::{AnswerBody, OrderAnswer, OrderRow, decode_order, decode_order_response};
pub use user_events::{AccountRows, OrderUpdate, UserEvent, decode_user_event};

#[cfg(test)]
pub(super) mod tests;
