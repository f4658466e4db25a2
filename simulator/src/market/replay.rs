//! A recorded market: one line is "<local ns> <json>", combined stream messages and one REST
//! snapshot, gzip-compressed.
//!
//! Reads and decodes lines; pacing is the caller's. Sequence ids stay as recorded, times move
//! to the moment of sending.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::dialects::binance::Product;
use crate::exchange::displayed::{DepthChange, Touch};
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{TradeId, UnixMillis};

/// A snapshot later than this many lines is not looked for.
const SNAPSHOT_SEARCH_LINES: usize = 20_000;
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("cannot read the recording {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("line {line} of the recording: {reason}")]
    Line { line: usize, reason: String },
}

#[derive(Clone, Debug)]
pub enum Recorded {
    Depth(DepthChange),
    Touch(Touch),
    Trade { trade: TradeId, price: Price, quantity: Quantity, buyer_is_maker: bool },
}

#[derive(Clone, Debug)]
pub struct RecordedLine {
    /// Nanoseconds of the recorder's clock.
    pub at_ns: u64,
    pub symbol: String,
    pub event: Recorded,
    /// The message inside the combined wrapper, as recorded.
    pub text: String,
}

#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub last_update_id: u64,
    pub bids: Vec<(Price, Quantity)>,
    pub asks: Vec<(Price, Quantity)>,
}

/// An open recording, read line by line.
pub struct Recording {
    path: PathBuf,
    lines: BufReader<MultiGzDecoder<File>>,
    line: usize,
    /// The book to begin with, and the symbol it belongs to.
    pub snapshot: Option<Snapshot>,
    pub symbol: Option<String>,
    /// Futures name the previous update in their depth events, spot doesn't.
    pub product: Product,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("path", &self.path).field("line", &self.line).finish()
    }
}

impl Recording {
    /// Finds the recorded snapshot first: until the stream reaches it, it is the earliest state
    /// that connects to the stream.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let mut ahead = Self::at_start(path)?;
        let (mut snapshot, mut symbol, mut product) = (None, None, None);
        for _ in 0..SNAPSHOT_SEARCH_LINES {
            match ahead.read_line()? {
                None => break,
                Some(Line::Snapshot(found)) => snapshot = Some(found),
                Some(Line::Event(event)) => {
                    if matches!(event.event, Recorded::Depth(_)) {
                        let futures = event.text.contains(r#""pu":"#);
                        product = Some(if futures { Product::Usdm } else { Product::Spot });
                    }
                    symbol = Some(event.symbol);
                }
                Some(Line::Unknown) => {}
            }
            if snapshot.is_some() && symbol.is_some() && product.is_some() {
                break;
            }
        }
        let product = product.unwrap_or(Product::Usdm);
        Ok(Self { snapshot, symbol, product, ..Self::at_start(path)? })
    }

    fn at_start(path: &Path) -> Result<Self, RecordingError> {
        let unreadable = |source| RecordingError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let lines = BufReader::new(MultiGzDecoder::new(file));
        let (snapshot, symbol, product) = (None, None, Product::Usdm);
        Ok(Self { path: path.to_owned(), lines, line: 0, snapshot, symbol, product })
    }

    /// The next market event; None at the end of the recording.
    pub fn next_event(&mut self) -> Result<Option<RecordedLine>, RecordingError> {
        loop {
            match self.read_line()? {
                None => return Ok(None),
                Some(Line::Event(event)) => return Ok(Some(*event)),
                Some(Line::Snapshot(_) | Line::Unknown) => {}
            }
        }
    }

    fn read_line(&mut self) -> Result<Option<Line>, RecordingError> {
        let mut text = String::new();
        loop {
            text.clear();
            let read = self
                .lines
                .read_line(&mut text)
                .map_err(|source| RecordingError::Unreadable { path: self.path.clone(), source })?;
            self.line = self.line.saturating_add(1);
            if read == 0 {
                return Ok(None);
            }
            if text.len() > LINE_BYTES_MAX {
                return Err(self.fault("the line is too long"));
            }
            if !text.trim().is_empty() {
                break;
            }
        }
        decode(text.trim()).map(Some).map_err(|reason| self.fault(reason))
    }

    fn fault(&self, reason: impl Into<String>) -> RecordingError {
        RecordingError::Line { line: self.line, reason: reason.into() }
    }
}

enum Line {
    Event(Box<RecordedLine>),
    Snapshot(Snapshot),
    /// A stream that this simulator doesn't play.
    Unknown,
}

type TextLevel<'a> = (&'a str, &'a str);

#[derive(Deserialize)]
struct DepthMessage<'a> {
    s: &'a str,
    #[serde(rename = "U")]
    first_id: u64,
    #[serde(rename = "u")]
    last_id: u64,
    #[serde(rename = "pu")]
    previous_id: Option<u64>,
    #[serde(borrow)]
    b: Vec<TextLevel<'a>>,
    #[serde(borrow)]
    a: Vec<TextLevel<'a>>,
}

#[derive(Deserialize)]
struct TouchMessage<'a> {
    s: &'a str,
    u: u64,
    b: &'a str,
    #[serde(rename = "B")]
    bid_quantity: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_quantity: &'a str,
}

#[derive(Deserialize)]
struct TradeMessage<'a> {
    s: &'a str,
    t: u64,
    p: &'a str,
    q: &'a str,
    m: bool,
}

#[derive(Deserialize)]
struct SnapshotMessage<'a> {
    #[serde(rename = "lastUpdateId")]
    last_update_id: u64,
    #[serde(borrow)]
    bids: Vec<TextLevel<'a>>,
    #[serde(borrow)]
    asks: Vec<TextLevel<'a>>,
}

fn decode(line: &str) -> Result<Line, String> {
    let (at, json) = line.split_once(' ').ok_or("no space after the time")?;
    let at_ns: u64 = at.parse().map_err(|_| "the time is not a number of nanoseconds")?;
    if json.starts_with(r#"{"lastUpdateId""#) {
        let message: SnapshotMessage<'_> = parse(json)?;
        return Ok(Line::Snapshot(Snapshot {
            last_update_id: message.last_update_id,
            bids: levels(&message.bids)?,
            asks: levels(&message.asks)?,
        }));
    }
    let Some((stream, data)) = unwrap(json) else { return Ok(Line::Unknown) };
    let (symbol, event) = if stream.contains("@depth") {
        let message: DepthMessage<'_> = parse(data)?;
        let change = DepthChange {
            first_id: message.first_id,
            last_id: message.last_id,
            // Spot's updates are numbered without gaps.
            previous_id: message.previous_id.unwrap_or(message.first_id.saturating_sub(1)),
            bids: levels(&message.b)?,
            asks: levels(&message.a)?,
        };
        (message.s, Recorded::Depth(change))
    } else if stream.ends_with("@bookTicker") {
        let message: TouchMessage<'_> = parse(data)?;
        let touch = Touch {
            update_id: message.u,
            bid: level(&(message.b, message.bid_quantity))?,
            ask: level(&(message.a, message.ask_quantity))?,
        };
        (message.s, Recorded::Touch(touch))
    } else if stream.ends_with("@trade") {
        let message: TradeMessage<'_> = parse(data)?;
        let (price, quantity) = level(&(message.p, message.q))?;
        let trade = TradeId(message.t);
        (message.s, Recorded::Trade { trade, price, quantity, buyer_is_maker: message.m })
    } else {
        return Ok(Line::Unknown);
    };
    let symbol = symbol.to_owned();
    Ok(Line::Event(Box::new(RecordedLine { at_ns, symbol, event, text: data.to_owned() })))
}

/// The stream's name and the message of `{"stream":"..","data":{..}}`, without a copy.
fn unwrap(json: &str) -> Option<(&str, &str)> {
    let (stream, rest) = json.strip_prefix(r#"{"stream":""#)?.split_once('"')?;
    let data = rest.strip_prefix(r#","data":"#)?.strip_suffix('}')?;
    Some((stream, data))
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn level((price, quantity): &TextLevel<'_>) -> Result<(Price, Quantity), String> {
    let decimal = |text: &str| {
        text.parse::<Decimal>().map_err(|error| format!("{text:?} is not a number: {error}"))
    };
    Ok((Price(decimal(price)?), Quantity(decimal(quantity)?)))
}

fn levels(texts: &[TextLevel<'_>]) -> Result<Vec<(Price, Quantity)>, String> {
    texts.iter().map(level).collect()
}

/// The message with its event time moved to `now`, and its transaction time as much earlier as
/// it was recorded, divided by the speed.
pub fn shift_times(text: &str, now: UnixMillis, speed_percent: u64) -> String {
    let (event, transaction) = (time_of(text, r#""E":"#), time_of(text, r#""T":"#));
    let gap = match (&event, &transaction) {
        (Some((event, _)), Some((transaction, _))) => event.saturating_sub(*transaction),
        (_, None) | (None, _) => 0,
    };
    let earlier = gap.saturating_mul(100) / speed_percent.max(1);
    let mut replacements = [
        event.map(|(_, span)| (span, now.0)),
        transaction.map(|(_, span)| (span, now.0.saturating_sub(earlier))),
    ];
    // From the back, so that the earlier span stays valid.
    replacements.sort_by_key(|replacement| {
        std::cmp::Reverse(replacement.as_ref().map_or(0, |(span, _)| span.start))
    });
    let mut shifted = text.to_owned();
    for (span, value) in replacements.into_iter().flatten() {
        shifted.replace_range(span, &value.to_string());
    }
    shifted
}

fn time_of(text: &str, name: &str) -> Option<(u64, std::ops::Range<usize>)> {
    let start = text.find(name)?.checked_add(name.len())?;
    let digits = text.get(start..)?.bytes().take_while(u8::is_ascii_digit).count();
    let span = start..start.checked_add(digits)?;
    text.get(span.clone())?.parse().ok().map(|time| (time, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_move_to_now_and_keep_their_distance() {
        let text = r#"{"e":"trade","E":1723161256322,"T":1723161256302,"s":"BTCUSDT","t":1}"#;
        let at_one = shift_times(text, UnixMillis(2_000_000_000_000), 100);
        assert_eq!(
            at_one,
            r#"{"e":"trade","E":2000000000000,"T":1999999999980,"s":"BTCUSDT","t":1}"#
        );
        let at_ten = shift_times(text, UnixMillis(2_000_000_000_000), 1000);
        assert!(at_ten.contains(r#""T":1999999999998"#), "{at_ten}");
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        assert!(decode("nonsense").is_err());
        assert!(decode("12 {\"stream\":\"btcusdt@trade\",\"data\":{\"s\":1}}").is_err());
        assert!(matches!(decode("12 {\"stream\":\"x@kline_1m\",\"data\":{}}"), Ok(Line::Unknown)));
    }
}
