//! Binance spot: the market, order and account sessions. Futures are another venue with other
//! codes, other user data and other rules of replacing: what is used of theirs is what both share,
//! signing, field reading, clocks and books.
//!
//! Implements <https://developers.binance.com/docs/binance-spot-api-docs> as `binance.md` has it
//! (compiled 2026-11-24).

mod account_answers;
pub mod budget;
mod cancel_replace;
mod client_ids;
pub mod instruments;
pub mod market;
mod market_messages;
mod order_answers;
mod order_frames;
pub mod order_lists;
pub mod orders;
mod queries;
pub mod reject_codes;
mod terms;
mod user_events;
pub mod user_stream;

use enigma_types::VenueId;

pub use account_answers::{decode_account, decode_open_orders, decode_trades};
pub use cancel_replace::{CancelReplaceOutcome, Half, decode_cancel_replace};
pub use client_ids::CancelKind;
pub use instruments::decode_exchange_info;
pub use market_messages::{decode_market, decode_snapshot};
pub use order_answers::{
    AnswerBody, ErrorBody, OrderAnswer, OrderRow, decode_amended, decode_error, decode_order,
    decode_response,
};
pub use user_events::{BalanceChange, OrderUpdate, UserEvent, decode_user_event};

const VENUE: VenueId = VenueId::BinanceSpot;

/// Order entry and the account's events share it.
const ORDER_ENTRY_PATH: &str = "/ws-api/v3";

#[cfg(test)]
mod tests;
