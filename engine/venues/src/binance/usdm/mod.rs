//! Binance USDⓈ-margined futures: the market, order and account sessions. Spot is another venue
//! with other codes, ids, limits and depth rules: it uses from here what both share (signing, field
//! reading, clocks, requests in flight, books, the public session), and nothing that knows a rule.
//!
//! Implements <https://developers.binance.com/docs/derivatives/usds-margined-futures> as
//! `binance.md` has it (compiled 2026-11-24).

pub(super) mod account_answers;
pub(super) mod alerts;
pub mod auth;
mod book;
mod book_sync;
pub mod budget;
pub(super) mod clock_offset;
pub(super) mod fields;
pub(super) mod in_flight;
pub mod instruments;
pub mod market;
pub(super) mod market_messages;
pub(super) mod order_answers;
pub(super) mod order_frames;
pub mod orders;
mod queries;
pub mod reject_codes;
mod subscriptions;
pub mod symbols;
mod user_events;
pub mod user_stream;
pub(super) mod venue_clock;

use enigma_types::Nanos;

pub use account_answers::{
    BalanceRow, Listed, PositionRow, PositionSide, TradeRow, decode_balances, decode_open_orders,
    decode_position_mode, decode_positions, decode_server_time, decode_trades,
};
pub use fields::ReadError;
pub use instruments::{ExchangeInfoError, decode_exchange_info};
pub use market_messages::{
    Decoded, DepthScratch, DepthUpdate, MarketMessage, SnapshotHead, decode_market, decode_snapshot,
};
pub use order_answers::{AnswerBody, OrderAnswer, OrderRow, decode_order, decode_order_response};
pub use user_events::{AccountRows, OrderUpdate, UserEvent, decode_user_event};

/// How often the venue sends depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DepthStream {
    /// With each change. Not documented for futures, and recorded in 2024.
    Fastest,
    #[default]
    Every100Ms,
}

impl DepthStream {
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Fastest => "@depth@0ms",
            Self::Every100Ms => "@depth@100ms",
        }
    }
}

/// When a connection made now is to be replaced: an hour before the venue ends it, give or take
/// half an hour by the seed, so that not all go at once.
pub(super) fn rotation_at(connected: Nanos, seed: u64) -> Nanos {
    const EARLIEST_S: u64 = 22 * 3_600 + 1_800;
    connected.plus(Nanos::from_secs(EARLIEST_S + spread(seed) % 3_600))
}

/// The venue closes at 24 hours: a rotation that wasn't done is asked for again.
pub(super) const ROTATION_REMINDER: Nanos = Nanos::from_secs(300);

/// SplitMix64's mixing of one number.
fn spread(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
pub(super) mod tests;
