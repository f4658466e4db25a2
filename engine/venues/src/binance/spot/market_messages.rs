//! Decodes what spot's public streams send: first by hand in the order of keys that the venue
//! writes, then, for whatever comes in another order, field by field. It must not judge sequences.
//!
//! Implements `binance.md` section 3, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>. The order of
//! keys is the recorded one.

use enigma_types::{BookTicker, Price, Quantity, Scale, Sequence, Side, Trade, UnixNanos};

use crate::binance::fields::{ReadError, fields, truncated_decimal};
use crate::binance::market_messages::{
    Decoded, DepthScratch, DepthUpdate, Envelope, FieldRules, MarketMessage, SnapshotHead,
    depth_by_fields, levels_by_hand, open_envelope, snapshot_by_fields, ticker_by_fields,
    trade_by_fields,
};
use crate::binance::symbols::{Listing, SymbolTable};
use crate::wire::json::{RawValue, Scanner};

/// Reads one message of a public stream. Best prices come without a time on spot: theirs is zero,
/// for the session to fill in.
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

#[inline]
fn decode_by_hand(
    symbols: &SymbolTable,
    message: &[u8],
    scratch: &mut DepthScratch,
) -> Result<MarketMessage, ReadError> {
    let mut scanner = Scanner::new(message);
    scanner.expect_literal(b"{\"stream\":")?;
    scanner.string()?;
    scanner.expect_literal(b",\"data\":{\"")?;
    if scanner.try_literal(b"u\":") {
        return ticker_by_hand(symbols, &mut scanner);
    }
    if scanner.try_literal(b"e\":\"trade\",\"E\":") {
        return trade_by_hand(symbols, &mut scanner);
    }
    scanner.expect_literal(b"e\":\"depthUpdate\",\"E\":")?;
    depth_by_hand(symbols, &mut scanner, scratch)
}

#[inline]
fn ticker_by_hand(
    symbols: &SymbolTable,
    scanner: &mut Scanner<'_>,
) -> Result<MarketMessage, ReadError> {
    let sequence = Sequence(scanner.unsigned()?);
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
        venue_time: UnixNanos(0),
    }))
}

#[inline]
fn trade_by_hand(
    symbols: &SymbolTable,
    scanner: &mut Scanner<'_>,
) -> Result<MarketMessage, ReadError> {
    scanner.unsigned()?;
    scanner.expect_literal(b",\"s\":")?;
    let Some(listing) = symbols.find(scanner.string()?) else { return Ok(MarketMessage::Foreign) };
    scanner.expect_literal(b",\"t\":")?;
    let trade_id = scanner.unsigned()?;
    scanner.expect_literal(b",\"p\":")?;
    let price = scanner.decimal(listing.price_scale)?;
    scanner.expect_literal(b",\"q\":")?;
    let quantity = scanner.decimal(listing.quantity_scale)?;
    scanner.expect_literal(b",\"T\":")?;
    let time = scanner.unsigned()?;
    scanner.expect_literal(b",\"m\":")?;
    let buyer_is_maker = scanner.boolean()?;
    if scanner.try_literal(b",\"M\":") {
        scanner.boolean()?;
    }
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
    let time = scanner.unsigned()?;
    scanner.expect_literal(b",\"s\":")?;
    let Some(&listing) = symbols.find(scanner.string()?) else {
        return Ok(MarketMessage::Foreign);
    };
    scanner.expect_literal(b",\"U\":")?;
    let first = scanner.unsigned()?;
    scanner.expect_literal(b",\"u\":")?;
    let last = scanner.unsigned()?;
    scratch.clear();
    scanner.expect_literal(b",\"b\":[")?;
    levels_by_hand(scanner, &listing, &mut scratch.bids)?;
    scanner.expect_literal(b",\"a\":[")?;
    levels_by_hand(scanner, &listing, &mut scratch.asks)?;
    scanner.expect_literal(b"}}")?;
    scanner.finish()?;
    let previous = previous_of(first, last)?;
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
        Envelope::Payload(payload, event) => (payload, event),
    };
    let message = match event.map(|event| event.as_plain()).transpose()? {
        Some(b"trade") => trade_by_fields(symbols, &payload)?,
        Some(b"depthUpdate") => depth_by_fields(&RULES, symbols, &payload, scratch)?,
        Some(b"serverShutdown") => return control(MarketMessage::ServerShutdown),
        Some(_) => return control(MarketMessage::Unknown),
        // Best prices have no name: they are known by what they tell.
        None => match fields(&payload, ["u", "s"])? {
            [Some(_), Some(_)] => ticker_by_fields(&RULES, symbols, &payload)?,
            [_, _] => return control(MarketMessage::Unknown),
        },
    };
    Ok(Decoded { message, fallback: true })
}

/// Reads the answer to a snapshot request, or a recorded one. It tells no time.
pub fn decode_snapshot(
    listing: &Listing,
    body: &[u8],
    scratch: &mut DepthScratch,
) -> Result<SnapshotHead, ReadError> {
    snapshot_by_fields(&RULES, listing, body, scratch)
}

/// A quantity of the public book, which may be finer than what can be ordered: what is cut off is
/// less than the smallest order, and without it the whole book would be lost.
fn cut_quantity(field: RawValue<'_>, name: &'static str, scale: Scale) -> Result<i64, ReadError> {
    let quantity = truncated_decimal(field, name, scale)?;
    // Cut to zero a negative one would look as good as any.
    let is_negative = quantity < 0 || field.bytes().contains(&b'-');
    if is_negative { Err(ReadError::Absurd(name)) } else { Ok(quantity) }
}

/// Spot numbers every change, so that an event names the one before it by its own first: the rule
/// `U == previous u + 1`, and for the first event `U <= lastUpdateId + 1 <= u`.
fn previous_of(first: u64, last: u64) -> Result<u64, ReadError> {
    match first.checked_sub(1) {
        Some(previous) if first <= last => Ok(previous),
        Some(_) | None => Err(ReadError::Absurd("the numbers of a depth event")),
    }
}

const RULES: FieldRules = FieldRules {
    quantity: cut_quantity,
    ticker_time: None,
    depth_time: "E",
    snapshot_time: None,
    previous: |_, first, last| previous_of(first, last),
};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::{InstrumentId, Level};

    use super::*;
    use crate::binance::spot::tests::symbols;

    const TICKER: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#;
    const TRADE: &str = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#;
    const DEPTH: &str = r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":203,"u":207,"b":[["55653.87000000","0.00000000"]],"a":[["61838.04000000","0.32332000"],["61844.30000000","0.40163000"]]}}"#;

    fn decode(text: &str) -> Result<(Decoded, DepthScratch), ReadError> {
        let mut scratch = DepthScratch::new();
        decode_market(&symbols(), text.as_bytes(), &mut scratch).map(|decoded| (decoded, scratch))
    }

    /// The same in another order of keys, which only the slower decoder reads.
    #[track_caller]
    fn check_same_by_fields(text: &str) -> (MarketMessage, DepthScratch) {
        let (by_hand, levels) = decode(text).unwrap();
        let (stream, data) = text.split_once(",\"data\":").unwrap();
        let swapped = format!(
            "{{\"data\":{},{}}}",
            data.strip_suffix('}').unwrap(),
            stream.strip_prefix('{').unwrap()
        );
        let (by_fields, others) = decode(&swapped).unwrap();
        assert!(!by_hand.fallback && by_fields.fallback, "{swapped}");
        assert_eq!(by_hand.message, by_fields.message);
        assert_eq!((&levels.bids, &levels.asks), (&others.bids, &others.asks));
        (by_hand.message, levels)
    }

    #[test]
    fn best_prices_have_neither_name_nor_time() {
        let expected = BookTicker {
            instrument: InstrumentId(0),
            sequence: Sequence(50_093_239_212),
            bid: Price(6_183_763),
            bid_quantity: Quantity(378_826),
            ask: Price(6_183_764),
            ask_quantity: Quantity(154_698),
            venue_time: UnixNanos(0),
        };
        assert_eq!(check_same_by_fields(TICKER).0, MarketMessage::BookTicker(expected));
    }

    #[test]
    fn a_trade_names_the_side_that_took() {
        let (MarketMessage::Trade(trade), _) = check_same_by_fields(TRADE) else {
            panic!("a trade");
        };
        assert_eq!((trade.price, trade.quantity), (Price(6_183_763), Quantity(2_000)));
        assert_eq!((trade.trade_id, trade.aggressor), (3_735_683_259, Side::Sell));
        assert_eq!(trade.venue_time, UnixNanos::from_millis(1_723_161_255_342));
        let other = TRADE.replace("\"m\":true", "\"m\":false");
        let (MarketMessage::Trade(trade), _) = check_same_by_fields(&other) else {
            panic!("a trade");
        };
        assert_eq!(trade.aggressor, Side::Buy);
        // Until 2024 a trade named the orders of both sides too.
        let older = TRADE.replace(",\"T\"", ",\"b\":88,\"a\":50,\"T\"");
        assert!(decode(&older).unwrap().0.fallback);
    }

    #[test]
    fn a_depth_event_follows_on_the_number_before_its_first() {
        let (MarketMessage::Depth(update), levels) = check_same_by_fields(DEPTH) else {
            panic!("depth");
        };
        assert_eq!((update.previous, update.first, update.last), (202, 203, 207));
        assert_eq!(update.venue_time, UnixNanos::from_millis(1_723_161_255_308));
        let bid = Level { price: Price(5_565_387), quantity: Quantity(0) };
        assert_eq!((levels.bids.as_slice(), levels.asks.len()), ([bid].as_slice(), 2));
        assert!(decode(&DEPTH.replace("\"U\":203", "\"U\":0")).is_err());
        assert!(decode(&DEPTH.replace("\"U\":203", "\"U\":208")).is_err());
    }

    #[test]
    fn a_quantity_finer_than_an_order_is_cut_and_a_price_is_not() {
        let fine = DEPTH.replace("\"0.32332000\"", "\"0.32332199\"");
        let (decoded, levels) = decode(&fine).unwrap();
        assert!(decoded.fallback && matches!(decoded.message, MarketMessage::Depth(_)));
        assert_eq!(levels.asks[0].quantity, Quantity(32_332));
        let (decoded, _) = decode(&TICKER.replace("3.78826000", "3.78826199")).unwrap();
        assert!(matches!(decoded.message, MarketMessage::BookTicker(ticker)
            if ticker.bid_quantity == Quantity(378_826)));
        for broken in ["0.3233219x", "-0.00000001", "0.32.332199", "1e-8", ""] {
            let text = fine.replace("0.32332199", broken);
            assert!(decode(&text).is_err(), "{text}");
        }
        assert!(decode(&DEPTH.replace("61838.04000000", "61838.04100000")).is_err());
        let mut scratch = DepthScratch::new();
        let table = symbols();
        let body = br#"{"lastUpdateId":7,"bids":[["4.10","2.500001"]],"asks":[]}"#;
        let head = decode_snapshot(table.iter().next().unwrap(), body, &mut scratch).unwrap();
        assert_eq!((head.last_update, scratch.bids[0].quantity), (7, Quantity(250_000)));
    }

    #[track_caller]
    fn check_control(text: &str, expected: MarketMessage) {
        let decoded = decode(text).unwrap().0;
        assert_eq!(decoded, Decoded { message: expected, fallback: false }, "{text}");
    }

    #[test]
    fn what_is_no_market_data_is_told_apart() {
        let acknowledged = MarketMessage::Acknowledged { id: Some(7) };
        check_control(r#"{"result":null,"id":7}"#, acknowledged);
        let refused = MarketMessage::Refused { id: Some(7), code: 2 };
        check_control(r#"{"error":{"code":2,"msg":"Invalid request"},"id":7}"#, refused);
        check_control(r#"{"code":2,"msg":"Invalid request","id":7}"#, refused);
        check_control(r#"{"e":"serverShutdown","E":1}"#, MarketMessage::ServerShutdown);
        check_control(r#"{"stream":"!serverShutdown","data":{}}"#, MarketMessage::ServerShutdown);
        let partial =
            r#"{"stream":"btcusdt@depth5","data":{"lastUpdateId":1,"bids":[],"asks":[]}}"#;
        check_control(partial, MarketMessage::Unknown);
        check_control(r#"{"e":"kline"}"#, MarketMessage::Unknown);
        for text in [TICKER, TRADE, DEPTH] {
            let foreign = decode(&text.replace("BTCUSDT", "DOGEUSDT")).unwrap().0;
            assert_eq!(foreign.message, MarketMessage::Foreign);
        }
    }

    #[test]
    fn what_can_not_be_read_is_an_error() {
        for (text, from, to) in [
            (TICKER, "\"61837.63000000\"", "\"6.1e4\""),
            (TICKER, "\"61837.63000000\"", "\"-1\""),
            (TICKER, "\"61837.63000000\"", "\"61837.631\""),
            (TICKER, "\"B\":", "\"C\":"),
            (TICKER, "50093239212", "-5"),
            (TRADE, "\"m\":true", "\"m\":\"true\""),
            (TRADE, "\"q\":\"0.02000000\",", ""),
            (DEPTH, "[[\"55653", "[\"55653"),
            (DEPTH, "]]}}", "]}}"),
            (DEPTH, "}}", "}"),
        ] {
            let broken = text.replacen(from, to, 1);
            assert_ne!(broken, text, "{from}");
            assert!(decode(&broken).is_err(), "{broken}");
        }
    }
}
