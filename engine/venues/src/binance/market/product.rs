//! What the public streams of Binance's products differ in: hosts' paths, limits, and how their
//! messages are read. It must not hold what a session does with them.

use core::fmt::Debug;

use enigma_types::{Nanos, VenueId};

use crate::binance::budget::Limits;
use crate::binance::fields::ReadError;
use crate::binance::market_messages::{Decoded, DepthScratch, SnapshotHead};
use crate::binance::subscriptions::DepthStream;
use crate::binance::symbols::{Listing, SymbolTable};
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
    const LIMITS: &'static Limits;

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
