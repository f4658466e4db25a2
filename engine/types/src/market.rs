//! Public market data as events.

use crate::instrument::InstrumentId;
use crate::order::Side;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::time::UnixNanos;

/// A venue's update id, comparable only within one instrument's streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// The best bid and ask at one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookTicker {
    pub instrument: InstrumentId,
    pub sequence: Sequence,
    pub bid: Price,
    pub bid_quantity: Quantity,
    pub ask: Price,
    pub ask_quantity: Quantity,
    pub venue_time: UnixNanos,
}

/// One public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    pub instrument: InstrumentId,
    pub trade_id: u64,
    pub price: Price,
    pub quantity: Quantity,
    /// The side of the order that took liquidity.
    pub aggressor: Side,
    pub venue_time: UnixNanos,
}

/// The price that the venue marks positions with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkPrice {
    pub instrument: InstrumentId,
    pub price: Price,
    pub venue_time: UnixNanos,
}

/// The rate of the next funding, in units of 10⁻⁸ of the notional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundingRate {
    pub instrument: InstrumentId,
    pub rate_e8: i64,
    pub next_funding: UnixNanos,
}
