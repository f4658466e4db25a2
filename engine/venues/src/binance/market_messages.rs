//! What the public streams of every product tell, and the parts of reading it that don't depend on
//! the product. It must not judge sequences.
//!
//! Implements `binance.md` section 3, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>.

use enigma_types::{BookTicker, Level, Price, Quantity, Trade, UnixNanos};

use super::fields::{ReadError, fields, need};
use super::symbols::Listing;
use crate::wire::json::{RawValue, Scanner};

/// A message and how it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub message: MarketMessage,
    /// The hand decoder gave way to the order-independent one.
    pub fallback: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarketMessage {
    BookTicker(BookTicker),
    /// The levels are in the scratch.
    Depth(DepthUpdate),
    Trade(Trade),
    /// The venue took a request such as SUBSCRIBE.
    Acknowledged {
        id: Option<u64>,
    },
    Refused {
        id: Option<u64>,
        code: i64,
    },
    /// A new connection is to be opened now.
    ServerShutdown,
    /// Of an instrument that isn't ours.
    Foreign,
    /// An event or a shape that this program doesn't know.
    Unknown,
}

/// The head of a depth event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthUpdate {
    pub listing: Listing,
    pub first: u64,
    pub last: u64,
    /// The last id of the event before this one.
    pub previous: u64,
    pub venue_time: UnixNanos,
}

/// The head of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    pub last_update: u64,
    pub venue_time: UnixNanos,
}

/// The levels of the message that was decoded last, in the order they came.
#[derive(Debug)]
pub struct DepthScratch {
    pub bids: Vec<Level>,
    pub asks: Vec<Level>,
}

impl DepthScratch {
    /// Most levels of one side in one message.
    pub const LEVELS: usize = 8_192;

    pub fn new() -> Self {
        Self { bids: Vec::with_capacity(Self::LEVELS), asks: Vec::with_capacity(Self::LEVELS) }
    }

    pub(in crate::binance) fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }
}

impl Default for DepthScratch {
    fn default() -> Self {
        Self::new()
    }
}

/// What a message of a stream connection is before its event is looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::binance) enum Envelope<'a> {
    /// An answer to a request such as SUBSCRIBE, or the notice of the connection's end.
    Control(MarketMessage),
    /// What a stream carries, and the name of its event if it has one.
    Payload(RawValue<'a>, Option<RawValue<'a>>),
}

/// Takes off the stream's name where there is one, and tells requests' answers apart.
pub(in crate::binance) fn open_envelope(message: &[u8]) -> Result<Envelope<'_>, ReadError> {
    let whole = RawValue::of_message(message)?;
    let [data, event, error, code, id, stream] =
        fields(&whole, ["data", "e", "error", "code", "id", "stream"])?;
    let id = id.and_then(|id| id.as_u64().ok());
    if let Some(error) = error {
        let [code] = fields(&error, ["code"])?;
        let code = need(code, "code")?.as_i64()?;
        return Ok(Envelope::Control(MarketMessage::Refused { id, code }));
    }
    if let (Some(code), None) = (code, event) {
        let code = code.as_i64()?;
        return Ok(Envelope::Control(MarketMessage::Refused { id, code }));
    }
    if stream.is_some_and(|stream| stream.bytes() == b"\"!serverShutdown\"") {
        return Ok(Envelope::Control(MarketMessage::ServerShutdown));
    }
    Ok(match data {
        Some(data) => Envelope::Payload(data, fields(&data, ["e"])?[0]),
        None if event.is_none() && has_field(&whole, b"result")? => {
            Envelope::Control(MarketMessage::Acknowledged { id })
        }
        None => Envelope::Payload(whole, event),
    })
}

/// Whether a key is there at all, be its value null: an acknowledgement is `"result":null`.
fn has_field(object: &RawValue<'_>, name: &[u8]) -> Result<bool, ReadError> {
    let mut found = false;
    object.for_each_field(|key, _| {
        found |= key == name;
        Ok::<(), ReadError>(())
    })?;
    Ok(found)
}

#[inline]
pub(in crate::binance) fn levels_by_hand(
    scanner: &mut Scanner<'_>,
    listing: &Listing,
    levels: &mut Vec<Level>,
) -> Result<(), ReadError> {
    if scanner.try_literal(b"]") {
        return Ok(());
    }
    loop {
        scanner.expect_literal(b"[")?;
        let price = scanner.decimal(listing.price_scale)?;
        scanner.expect_literal(b",")?;
        let quantity = scanner.decimal(listing.quantity_scale)?;
        scanner.expect_literal(b"]")?;
        push_level(levels, price, quantity)?;
        if !scanner.try_literal(b",") {
            scanner.expect_literal(b"]")?;
            return Ok(());
        }
    }
}

#[inline]
pub(in crate::binance) fn push_level(
    levels: &mut Vec<Level>,
    price: i64,
    quantity: i64,
) -> Result<(), ReadError> {
    if price < 0 || quantity < 0 {
        return Err(ReadError::Absurd("level"));
    }
    if levels.len() == DepthScratch::LEVELS {
        return Err(ReadError::TooMany("levels"));
    }
    levels.push(Level { price: Price(price), quantity: Quantity(quantity) });
    Ok(())
}
