//! What the public streams of Binance's products differ in: hosts' paths, limits, and how their
//! messages are read. It must not hold what a session does with them.

use core::fmt::Debug;

use enigma_types::{Nanos, VenueId};

use crate::binance::usdm::DepthStream;
use crate::binance::usdm::auth::composed;
use crate::binance::usdm::budget::RequestBudget;
use crate::binance::usdm::fields::ReadError;
use crate::binance::usdm::market_messages::{
    Decoded, DepthScratch, SnapshotHead, decode_market, decode_snapshot,
};
use crate::binance::usdm::symbols::{Listing, SymbolTable};
use crate::limits::Wait;
use crate::registry::SessionPlan;
use crate::session::CallTarget;

/// A product with public streams.
pub trait MarketProduct: Debug {
    const VENUE: VenueId;
    /// The path to dial, up to the streams' names.
    const STREAM_PATH: &'static str;
    /// Not more often may the venue be sent a message, pongs left out.
    const MESSAGE_INTERVAL: Nanos;
    /// The weight of a snapshot of a thousand levels.
    const SNAPSHOT_WEIGHT: u32;
    type Budget: SnapshotBudget;

    fn budget(plan: &SessionPlan) -> Self::Budget;
    fn depth_suffix(wanted: DepthStream) -> &'static str;
    fn snapshot_target(symbol: &str) -> CallTarget;

    fn decode(
        symbols: &SymbolTable,
        message: &[u8],
        scratch: &mut DepthScratch,
    ) -> Result<Decoded, ReadError>;

    fn decode_snapshot(
        listing: &Listing,
        body: &[u8],
        scratch: &mut DepthScratch,
    ) -> Result<SnapshotHead, ReadError>;
}

/// What the venue still grants for snapshots.
pub trait SnapshotBudget: Debug {
    fn take_snapshot(&self, venue_ms: u64, weight: u32) -> Result<(), Wait>;
    /// Obeys a refusal for our limits.
    fn obey(&self, venue_ms: u64, status: u16, code: i32, retry_at_ms: Option<u64>);
}

/// USDⓈ-margined futures. The path is that of the routed public streams.
#[derive(Clone, Copy, Debug)]
pub struct Usdm;

impl MarketProduct for Usdm {
    const VENUE: VenueId = VenueId::BinanceUsdm;
    const STREAM_PATH: &'static str = "/public/stream?streams=";
    /// The venue takes ten messages in a second, pongs included.
    const MESSAGE_INTERVAL: Nanos = Nanos::from_millis(200);
    const SNAPSHOT_WEIGHT: u32 = 20;
    type Budget = RequestBudget;

    fn budget(plan: &SessionPlan) -> RequestBudget {
        RequestBudget::of(plan)
    }

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

impl SnapshotBudget for RequestBudget {
    fn take_snapshot(&self, venue_ms: u64, weight: u32) -> Result<(), Wait> {
        Self::take_snapshot(self, venue_ms, weight)
    }

    fn obey(&self, venue_ms: u64, status: u16, code: i32, retry_at_ms: Option<u64>) {
        Self::obey(self, venue_ms, status, code, retry_at_ms);
    }
}
