//! Spot's public market session: that of futures with spot's paths, limits and messages. Depth
//! follows spot's own rule, which `market_messages.rs` puts in terms of the event before.
//!
//! Implements `binance.md` section 3 and 8, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>.

use enigma_types::{Nanos, VenueId};

use super::VENUE;
use super::budget::LIMITS;
use super::market_messages::{decode_market, decode_snapshot};
use crate::binance::auth::composed;
use crate::binance::budget::Limits;
use crate::binance::fields::ReadError;
use crate::binance::market::{MarketProduct, StreamSession};
use crate::binance::market_messages::{Decoded, DepthScratch, SnapshotHead};
use crate::binance::subscriptions::DepthStream;
use crate::binance::symbols::{Listing, SymbolTable};
use crate::session::CallTarget;

pub use crate::binance::market::MarketCounters;

pub type MarketSession = StreamSession<Spot>;

#[derive(Clone, Copy, Debug)]
pub struct Spot;

impl MarketProduct for Spot {
    const VENUE: VenueId = VENUE;
    const STREAM_PATH: &'static str = "/stream?streams=";
    /// The venue takes five messages in a second, pongs included.
    const MESSAGE_INTERVAL: Nanos = Nanos::from_millis(400);
    const SNAPSHOT_WEIGHT: u32 = 50;
    const LIMITS: &'static Limits = &LIMITS;

    /// Spot has nothing faster.
    fn depth_suffix(_wanted: DepthStream) -> &'static str {
        DepthStream::Every100Ms.suffix()
    }

    fn snapshot_target(symbol: &str) -> CallTarget {
        composed(format_args!("/api/v3/depth?symbol={symbol}&limit=1000"))
    }

    #[inline]
    fn decode(
        symbols: &SymbolTable,
        message: &[u8],
        scratch: &mut DepthScratch,
    ) -> Result<Decoded, ReadError> {
        decode_market(symbols, message, scratch)
    }

    fn decode_snapshot(
        listing: &Listing,
        body: &[u8],
        scratch: &mut DepthScratch,
    ) -> Result<SnapshotHead, ReadError> {
        decode_snapshot(listing, body, scratch)
    }
}

#[cfg(test)]
mod tests;
