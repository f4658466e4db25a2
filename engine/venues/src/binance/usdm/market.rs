//! The public market session of USDⓈ-margined futures: its paths, limits and messages.
//!
//! Implements `binance.md` section 3 (futures parts) and 8, compiled from the venue's documents on
//! 2026-11-24: <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{Nanos, VenueId};

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

pub type MarketSession = StreamSession<Usdm>;

/// The path is that of the routed public streams.
#[derive(Clone, Copy, Debug)]
pub struct Usdm;

impl MarketProduct for Usdm {
    const VENUE: VenueId = VenueId::BinanceUsdm;
    const STREAM_PATH: &'static str = "/public/stream?streams=";
    /// The venue takes ten messages in a second, pongs included.
    const MESSAGE_INTERVAL: Nanos = Nanos::from_millis(200);
    const SNAPSHOT_WEIGHT: u32 = 20;
    const LIMITS: &'static Limits = &LIMITS;

    fn depth_suffix(wanted: DepthStream) -> &'static str {
        wanted.suffix()
    }

    fn snapshot_target(symbol: &str) -> CallTarget {
        composed(format_args!("/fapi/v1/depth?symbol={symbol}&limit=1000"))
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
