//! What the public streams of every product tell, and the parts of reading it that don't depend on
//! the product. It must not judge sequences.
//!
//! Implements `binance.md` section 3, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>.

use enigma_types::{BookTicker, Level, Price, Quantity, Scale, Sequence, Side, Trade, UnixNanos};

use super::fields::{ReadError, fields, millis, need, unsigned_decimal};
use super::symbols::{Listing, SymbolTable};
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

/// What reading a product's messages field by field differs in.
#[derive(Clone, Copy, Debug)]
pub(in crate::binance) struct FieldRules {
    /// Reads a quantity of the public book, by the name of its field.
    pub(in crate::binance) quantity: QuantityReader,
    /// The field that dates best prices, where one does.
    pub(in crate::binance) ticker_time: Option<&'static str>,
    pub(in crate::binance) depth_time: &'static str,
    /// The field that dates a snapshot, where one may.
    pub(in crate::binance) snapshot_time: Option<&'static str>,
    /// The last id of the event before a depth event, from the event and its own ids.
    pub(in crate::binance) previous: fn(&RawValue<'_>, u64, u64) -> Result<u64, ReadError>,
}

pub(in crate::binance) type QuantityReader =
    fn(RawValue<'_>, &'static str, Scale) -> Result<i64, ReadError>;

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

pub(in crate::binance) fn ticker_by_fields(
    rules: &FieldRules,
    symbols: &SymbolTable,
    payload: &RawValue<'_>,
) -> Result<MarketMessage, ReadError> {
    let [symbol, last, bid, bid_quantity, ask, ask_quantity] =
        fields(payload, ["s", "u", "b", "B", "a", "A"])?;
    let Some(listing) = symbols.find(need(symbol, "s")?.as_plain()?) else {
        return Ok(MarketMessage::Foreign);
    };
    let quantity = |field, name| (rules.quantity)(need(field, name)?, name, listing.quantity_scale);
    Ok(MarketMessage::BookTicker(BookTicker {
        instrument: listing.id,
        sequence: Sequence(need(last, "u")?.as_u64()?),
        bid: Price(unsigned_decimal(bid, "b", listing.price_scale)?),
        bid_quantity: Quantity(quantity(bid_quantity, "B")?),
        ask: Price(unsigned_decimal(ask, "a", listing.price_scale)?),
        ask_quantity: Quantity(quantity(ask_quantity, "A")?),
        venue_time: match rules.ticker_time {
            Some(name) => millis(need(fields(payload, [name])?[0], name)?)?,
            None => UnixNanos(0),
        },
    }))
}

pub(in crate::binance) fn trade_by_fields(
    symbols: &SymbolTable,
    payload: &RawValue<'_>,
) -> Result<MarketMessage, ReadError> {
    let [symbol, id, price, quantity, time, maker] =
        fields(payload, ["s", "t", "p", "q", "T", "m"])?;
    let Some(listing) = symbols.find(need(symbol, "s")?.as_plain()?) else {
        return Ok(MarketMessage::Foreign);
    };
    let buyer_is_maker = need(maker, "m")?.as_bool()?;
    Ok(MarketMessage::Trade(Trade {
        instrument: listing.id,
        trade_id: need(id, "t")?.as_u64()?,
        price: Price(unsigned_decimal(price, "p", listing.price_scale)?),
        quantity: Quantity(unsigned_decimal(quantity, "q", listing.quantity_scale)?),
        aggressor: if buyer_is_maker { Side::Sell } else { Side::Buy },
        venue_time: millis(need(time, "T")?)?,
    }))
}

pub(in crate::binance) fn depth_by_fields(
    rules: &FieldRules,
    symbols: &SymbolTable,
    payload: &RawValue<'_>,
    scratch: &mut DepthScratch,
) -> Result<MarketMessage, ReadError> {
    let [symbol, first, last, bids, asks, time] =
        fields(payload, ["s", "U", "u", "b", "a", rules.depth_time])?;
    let Some(&listing) = symbols.find(need(symbol, "s")?.as_plain()?) else {
        return Ok(MarketMessage::Foreign);
    };
    scratch.clear();
    read_levels(rules, need(bids, "b")?, &listing, &mut scratch.bids)?;
    read_levels(rules, need(asks, "a")?, &listing, &mut scratch.asks)?;
    let (first, last) = (need(first, "U")?.as_u64()?, need(last, "u")?.as_u64()?);
    Ok(MarketMessage::Depth(DepthUpdate {
        listing,
        first,
        last,
        previous: (rules.previous)(payload, first, last)?,
        venue_time: millis(need(time, rules.depth_time)?)?,
    }))
}

pub(in crate::binance) fn snapshot_by_fields(
    rules: &FieldRules,
    listing: &Listing,
    body: &[u8],
    scratch: &mut DepthScratch,
) -> Result<SnapshotHead, ReadError> {
    let body = RawValue::of_message(body)?;
    let [last, bids, asks] = fields(&body, ["lastUpdateId", "bids", "asks"])?;
    scratch.clear();
    read_levels(rules, need(bids, "bids")?, listing, &mut scratch.bids)?;
    read_levels(rules, need(asks, "asks")?, listing, &mut scratch.asks)?;
    let time = match rules.snapshot_time {
        Some(name) => fields(&body, [name])?[0],
        None => None,
    };
    let venue_time = time.map_or(Ok(UnixNanos(0)), millis)?;
    Ok(SnapshotHead { last_update: need(last, "lastUpdateId")?.as_u64()?, venue_time })
}

fn read_levels(
    rules: &FieldRules,
    array: RawValue<'_>,
    listing: &Listing,
    levels: &mut Vec<Level>,
) -> Result<(), ReadError> {
    for item in array.iter_array()? {
        let mut pair = item?.iter_array()?;
        let price = pair.next().transpose()?;
        let quantity = pair.next().transpose()?;
        // Without its end the pair proves nothing: `1_000` begins with a one.
        for rest in pair {
            rest?;
        }
        let price = need(price, "price")?.as_decimal(listing.price_scale)?;
        let quantity = need(quantity, "quantity")?;
        push_level(levels, price, (rules.quantity)(quantity, "quantity", listing.quantity_scale)?)?;
    }
    Ok(())
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
