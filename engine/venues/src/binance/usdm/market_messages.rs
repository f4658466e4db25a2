//! Decodes what the public streams send: first by hand in the order of keys that the venue writes,
//! then, for whatever comes in another order, field by field. It must not judge sequences.
//!
//! Implements `binance.md` section 3, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>. The order of keys is
//! the recorded one.

use enigma_types::{BookTicker, Price, Quantity, Sequence, Side, Trade, UnixNanos};

use crate::binance::fields::{ReadError, fields, need, unsigned_decimal};
use crate::binance::market_messages::{
    Decoded, DepthScratch, DepthUpdate, Envelope, FieldRules, MarketMessage, SnapshotHead,
    depth_by_fields, levels_by_hand, open_envelope, snapshot_by_fields, ticker_by_fields,
    trade_by_fields,
};
use crate::binance::symbols::{Listing, SymbolTable};
use crate::wire::json::Scanner;

/// Reads one message of a public stream.
#[inline]
pub fn decode_market(
    symbols: &SymbolTable,
    message: &[u8],
    scratch: &mut DepthScratch,
) -> Result<Decoded, ReadError> {
    match decode_by_hand(symbols, message, scratch) {
        Ok(message) => Ok(Decoded { message, fallback: false }),
        Err(_) => decode_by_fields(symbols, message, scratch),
    }
}

/// Reads the answer to a snapshot request, or a recorded one.
pub fn decode_snapshot(
    listing: &Listing,
    body: &[u8],
    scratch: &mut DepthScratch,
) -> Result<SnapshotHead, ReadError> {
    snapshot_by_fields(&RULES, listing, body, scratch)
}

#[inline]
fn decode_by_hand(
    symbols: &SymbolTable,
    message: &[u8],
    scratch: &mut DepthScratch,
) -> Result<MarketMessage, ReadError> {
    let mut scanner = Scanner::new(message);
    scanner.expect_literal(b"{\"stream\":")?;
    scanner.string()?;
    scanner.expect_literal(b",\"data\":{\"e\":\"")?;
    if scanner.try_literal(b"bookTicker\",\"u\":") {
        return ticker_by_hand(symbols, &mut scanner);
    }
    if scanner.try_literal(b"trade\",\"E\":") {
        return trade_by_hand(symbols, &mut scanner);
    }
    scanner.expect_literal(b"depthUpdate\",\"E\":")?;
    depth_by_hand(symbols, &mut scanner, scratch)
}

/// Both orders are taken: the one of 2024's recordings, and the one of the documents, which puts
/// the times before the symbol.
#[inline]
fn ticker_by_hand(
    symbols: &SymbolTable,
    scanner: &mut Scanner<'_>,
) -> Result<MarketMessage, ReadError> {
    let sequence = Sequence(scanner.unsigned()?);
    let times_first = scanner.try_literal(b",\"E\":");
    let mut time = 0;
    if times_first {
        scanner.unsigned()?;
        scanner.expect_literal(b",\"T\":")?;
        time = scanner.unsigned()?;
    }
    scanner.expect_literal(b",\"s\":")?;
    let Some(listing) = symbols.find(scanner.string()?) else { return Ok(MarketMessage::Foreign) };
    scanner.expect_literal(b",\"b\":")?;
    let bid = scanner.decimal(listing.price_scale)?;
    scanner.expect_literal(b",\"B\":")?;
    let bid_quantity = scanner.decimal(listing.quantity_scale)?;
    scanner.expect_literal(b",\"a\":")?;
    let ask = scanner.decimal(listing.price_scale)?;
    scanner.expect_literal(b",\"A\":")?;
    let ask_quantity = scanner.decimal(listing.quantity_scale)?;
    if !times_first {
        scanner.expect_literal(b",\"T\":")?;
        time = scanner.unsigned()?;
        scanner.expect_literal(b",\"E\":")?;
        scanner.unsigned()?;
    }
    scanner.expect_literal(b"}}")?;
    scanner.finish()?;
    if bid < 0 || bid_quantity < 0 || ask < 0 || ask_quantity < 0 {
        return Err(ReadError::Absurd("bookTicker"));
    }
    Ok(MarketMessage::BookTicker(BookTicker {
        instrument: listing.id,
        sequence,
        bid: Price(bid),
        bid_quantity: Quantity(bid_quantity),
        ask: Price(ask),
        ask_quantity: Quantity(ask_quantity),
        venue_time: UnixNanos::from_millis(time),
    }))
}

#[inline]
fn trade_by_hand(
    symbols: &SymbolTable,
    scanner: &mut Scanner<'_>,
) -> Result<MarketMessage, ReadError> {
    scanner.unsigned()?;
    scanner.expect_literal(b",\"T\":")?;
    let time = scanner.unsigned()?;
    scanner.expect_literal(b",\"s\":")?;
    let Some(listing) = symbols.find(scanner.string()?) else { return Ok(MarketMessage::Foreign) };
    scanner.expect_literal(b",\"t\":")?;
    let trade_id = scanner.unsigned()?;
    scanner.expect_literal(b",\"p\":")?;
    let price = scanner.decimal(listing.price_scale)?;
    scanner.expect_literal(b",\"q\":")?;
    let quantity = scanner.decimal(listing.quantity_scale)?;
    // How the trade came about; absent from older and documented shapes.
    if scanner.try_literal(b",\"X\":") {
        scanner.string()?;
    }
    scanner.expect_literal(b",\"m\":")?;
    let buyer_is_maker = scanner.boolean()?;
    scanner.expect_literal(b"}}")?;
    scanner.finish()?;
    if price < 0 || quantity < 0 {
        return Err(ReadError::Absurd("trade"));
    }
    Ok(MarketMessage::Trade(Trade {
        instrument: listing.id,
        trade_id,
        price: Price(price),
        quantity: Quantity(quantity),
        aggressor: if buyer_is_maker { Side::Sell } else { Side::Buy },
        venue_time: UnixNanos::from_millis(time),
    }))
}

#[inline]
fn depth_by_hand(
    symbols: &SymbolTable,
    scanner: &mut Scanner<'_>,
    scratch: &mut DepthScratch,
) -> Result<MarketMessage, ReadError> {
    scanner.unsigned()?;
    scanner.expect_literal(b",\"T\":")?;
    let time = scanner.unsigned()?;
    scanner.expect_literal(b",\"s\":")?;
    let Some(&listing) = symbols.find(scanner.string()?) else {
        return Ok(MarketMessage::Foreign);
    };
    scanner.expect_literal(b",\"U\":")?;
    let first = scanner.unsigned()?;
    scanner.expect_literal(b",\"u\":")?;
    let last = scanner.unsigned()?;
    scanner.expect_literal(b",\"pu\":")?;
    let previous = scanner.unsigned()?;
    scratch.clear();
    scanner.expect_literal(b",\"b\":[")?;
    levels_by_hand(scanner, &listing, &mut scratch.bids)?;
    scanner.expect_literal(b",\"a\":[")?;
    levels_by_hand(scanner, &listing, &mut scratch.asks)?;
    scanner.expect_literal(b"}}")?;
    scanner.finish()?;
    let venue_time = UnixNanos::from_millis(time);
    Ok(MarketMessage::Depth(DepthUpdate { listing, first, last, previous, venue_time }))
}

fn decode_by_fields(
    symbols: &SymbolTable,
    message: &[u8],
    scratch: &mut DepthScratch,
) -> Result<Decoded, ReadError> {
    let control = |message| Ok(Decoded { message, fallback: false });
    let (payload, event) = match open_envelope(message)? {
        Envelope::Control(message) => return control(message),
        Envelope::Payload(_, None) => return control(MarketMessage::Unknown),
        Envelope::Payload(payload, Some(event)) => (payload, event),
    };
    let message = match event.as_plain()? {
        b"bookTicker" => ticker_by_fields(&RULES, symbols, &payload)?,
        b"trade" => trade_by_fields(symbols, &payload)?,
        b"depthUpdate" => depth_by_fields(&RULES, symbols, &payload, scratch)?,
        b"serverShutdown" => return control(MarketMessage::ServerShutdown),
        _ => return control(MarketMessage::Unknown),
    };
    Ok(Decoded { message, fallback: true })
}

const RULES: FieldRules = FieldRules {
    quantity: |field, name, scale| unsigned_decimal(Some(field), name, scale),
    ticker_time: Some("T"),
    depth_time: "T",
    snapshot_time: Some("T"),
    previous: |payload, _, _| Ok(need(fields(payload, ["pu"])?[0], "pu")?.as_u64()?),
};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;
    use crate::binance::usdm::tests::symbols;

    #[track_caller]
    fn check_bids(bids: &str, expected: Option<&[(i64, i64)]>) {
        let text = format!("{{\"lastUpdateId\":7,\"bids\":{bids},\"asks\":[]}}");
        let table = symbols();
        let listing = table.iter().next().unwrap();
        let mut scratch = DepthScratch::new();
        let read = decode_snapshot(listing, text.as_bytes(), &mut scratch);
        let levels: Vec<_> =
            scratch.bids.iter().map(|level| (level.price.0, level.quantity.0)).collect();
        assert_eq!(read.is_ok().then_some(levels.as_slice()), expected, "{bids}");
    }

    #[test]
    fn a_level_is_read_whole_or_refused() {
        check_bids("[[\"4.10\",\"2.5\"],[3,\"1\",[]]]", Some(&[(41, 2_500), (30, 1_000)]));
        check_bids("[]", Some(&[]));
        for broken in ["1_000", "\"1\"2", "1 2", "1]]", "\"1\",,", "1e3", "-1", "null", "[1]"] {
            check_bids(&format!("[[\"4.1\",{broken}]]"), None);
        }
        check_bids("[[\"4.1\"]]", None);
    }
}
