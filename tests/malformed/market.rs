//! The market session under broken messages among recorded ones, its book held to a slow model.

use std::io::Read;

use enigma_types::{BookTop, InstrumentId, Level, SessionKind};
use enigma_venues::binance::usdm::market::MarketSession;
use enigma_venues::session::{CallRequest, Input, Session, VenueError};

use crate::book_model::{BookModel, Side};
use crate::broken_json::loosely;
use crate::mutation::{Dice, mutate, oversized};
use crate::usdm_oracle::{Driven, MarketReading, Refusal, TradeFacts, folder, required};
use crate::verdict::{Tally, may_be_refused, shown, survive, value_of};
use crate::{Bench, templates};

const BTC: InstrumentId = InstrumentId(1);
const BTCUSDT: &str = "BTCUSDT";
const FILE: &str = "binance-usdm-btcusdt-20240808.gz";
const MESSAGES: usize = 110_000;
/// A new session is opened every so many recorded messages, so that all ages are met.
const LIFE: usize = 400;

#[test]
fn broken_market_messages_never_cross_a_book_that_is_shown() {
    let Some(lines) = recording() else { return };
    let others = templates(|value| value.get("e").is_some() || value.get("stream").is_some());
    let others: Vec<String> = others.unwrap_or_default().iter().map(ToString::to_string).collect();
    let mut run = Run::new();
    let mut in_step = 0;
    for (number, line) in lines.iter().cycle().enumerate() {
        if run.tally.messages >= MESSAGES {
            break;
        }
        if number % LIFE == 0 {
            run.open();
        }
        for _ in 0..4 {
            let other = run.dice.one_in(6) && !others.is_empty();
            let message = if other { run.dice.pick(&others) } else { line };
            let large = run.dice.one_in(5_000);
            let text = match large {
                true => oversized(message, &mut run.dice),
                false => mutate(message, &mut run.dice),
            };
            run.tally.messages += 1;
            let decoded = run.feed(&text);
            run.tally.decoded += usize::from(decoded);
        }
        // A recorded message is read, whatever came before it.
        assert!(run.feed(line.as_bytes()), "{line}");
        run.keep_truth(line);
        in_step += usize::from(run.model.top(1).is_some());
    }
    println!("in step after {in_step} recorded messages; {} snapshots", run.snapshots);
    assert!(in_step * 4 > run.tally.messages / 4, "the book was hardly ever in step: {in_step}");
    run.tally.finish("market messages", MESSAGES);
}

struct Run {
    bench: Bench,
    dice: Dice,
    tally: Tally,
    driven: Driven<MarketSession>,
    model: BookModel,
    /// What the venue has, by the recorded messages alone.
    truth: BookModel,
    snapshots: usize,
}

impl Run {
    fn new() -> Self {
        let bench = Bench::new();
        Self {
            dice: Dice::new("market messages"),
            tally: Tally::default(),
            driven: Driven::new(MarketSession::new(&bench.plan(SessionKind::Market))),
            model: BookModel::default(),
            truth: BookModel::default(),
            snapshots: 0,
            bench,
        }
    }

    fn open(&mut self) {
        self.driven = Driven::new(MarketSession::new(&self.bench.plan(SessionKind::Market)));
        self.driven.handle(Input::Start);
        self.driven.handle(Input::Connected);
        self.model = BookModel::default();
    }

    /// Feeds a text and compares what came of it; returns whether it was read as a known event.
    fn feed(&mut self, text: &[u8]) -> bool {
        // A minute between messages: no retry waits, and no window is ever used up.
        self.driven.now.mono.0 += 60_000_000_000;
        self.driven.now.wall.0 += 60_000_000_000;
        let before = *self.driven.session.counters();
        let shown_before = self.model.top(BookTop::DEPTH);
        let effects = survive(text, || self.driven.frame(text));
        let after = *self.driven.session.counters();
        let put_aside = after.unknown == before.unknown + 1;
        let reading = self.reading_of(text, &effects.result, put_aside);
        let expected: [u64; 3] = match &reading {
            Some(MarketReading::Ticker(_)) => [1, 0, 0],
            Some(MarketReading::Depth(_)) => [0, 1, 0],
            Some(MarketReading::Trade(_)) => [0, 0, 1],
            _ => [0, 0, 0],
        };
        let counted = [
            after.book_tickers - before.book_tickers,
            after.depth_updates - before.depth_updates,
            after.trades - before.trades,
        ];
        assert_eq!(counted, expected, "{}", shown(text));
        assert_eq!(after.unreadable - before.unreadable, u64::from(effects.result.is_err()));
        assert!(effects.reports.is_empty());
        let trades = effects.trades.iter().map(|trade| self.bench.teller.trade(trade));
        let trades: Vec<TradeFacts> = trades.collect();
        match &reading {
            Some(MarketReading::Ticker(ticker)) if ticker.symbol == BTCUSDT => {
                self.model.ticker(ticker);
            }
            Some(MarketReading::Depth(event)) if event.symbol == BTCUSDT => {
                self.model.depth(event);
            }
            _ => {}
        }
        match &reading {
            Some(MarketReading::Trade(trade)) => {
                assert_eq!(trades, std::slice::from_ref(trade), "{}", shown(text));
            }
            _ => assert!(trades.is_empty(), "{trades:?} of {}", shown(text)),
        }
        let changed = self.model.top(BookTop::DEPTH) != shown_before;
        assert!(effects.books || !changed, "a change that isn't told: {}", shown(text));
        self.answer_all(&effects.calls, text);
        self.compare_books(text);
        !matches!(reading, None | Some(MarketReading::Unknown))
    }

    /// What a text says that the session has read, and that it was right to refuse all others.
    fn reading_of(
        &mut self,
        text: &[u8],
        result: &Result<(), VenueError>,
        put_aside: bool,
    ) -> Option<MarketReading> {
        let (root, is_json) = value_of(text, result.is_ok());
        let reading = root.map_or(Err(Refusal("all")), |root| self.bench.reader.market(&root));
        let symbols = text.windows(4).filter(|window| window == b"\"s\":").count();
        match (reading, result) {
            // Which of two symbols counts nobody can say: to put the message aside is safe.
            (Ok(_), Ok(())) if put_aside && symbols > 1 => None,
            (Ok(reading), Ok(())) => {
                self.tally.decoded_no_json += usize::from(!is_json);
                Some(reading)
            }
            (Ok(_), Err(_)) if !is_json => None,
            (Ok(_), Err(_)) if may_be_refused(text) || text.len() > 60_000 => {
                self.tally.stricter += 1;
                None
            }
            (Ok(reading), Err(error)) => panic!("{error} for {reading:?} of {}", shown(text)),
            (Err(_), Err(_)) => None,
            // A message of another's instrument is put aside before the rest of it is read.
            (Err(_), Ok(())) if put_aside => None,
            (Err(refusal), Ok(())) => panic!("{refusal:?} is read of {}", shown(text)),
        }
    }

    /// Answers snapshot requests from the truth, a few of them broken.
    fn answer_all(&mut self, calls: &[CallRequest], cause: &[u8]) {
        for call in calls {
            if !call.target.contains(BTCUSDT) {
                self.driven.answer(call, 503, b"");
                continue;
            }
            let body = self.snapshot_body();
            let body = match self.dice.one_in(5) {
                true => mutate(&body, &mut self.dice),
                false => body.into_bytes(),
            };
            let effects = survive(&body, || self.driven.answer(call, 200, &body));
            let reading = self.bench.reader.snapshot(&loosely(&body), BTCUSDT);
            self.snapshots += 1;
            match (&reading, &effects.result) {
                (Ok(snapshot), Ok(())) => self.model.snapshot(snapshot),
                (Err(_), Err(_)) => {}
                (Ok(_), Err(_)) if may_be_refused(&body) => {}
                (Ok(_), Err(_)) if serde_json::from_slice::<serde_json::Value>(&body).is_err() => {}
                _ => panic!(
                    "{reading:?} but {:?} of {} after {}",
                    effects.result,
                    shown(&body),
                    shown(cause)
                ),
            }
        }
    }

    fn snapshot_body(&self) -> String {
        let (bids, asks) = self.truth.levels(20);
        let side = |levels: Side| -> Vec<[String; 2]> {
            let text = |value: i128| {
                format!("{}.{:03}", value / 10_i128.pow(12), value / 10_i128.pow(9) % 1_000)
            };
            levels.iter().map(|(price, quantity)| [text(*price), text(*quantity)]).collect()
        };
        serde_json::json!({
            "lastUpdateId": self.truth.last,
            "T": 1_723_161_256_493_u64,
            "bids": side(bids),
            "asks": side(asks),
        })
        .to_string()
    }

    fn keep_truth(&mut self, line: &str) {
        if !line.contains("depthUpdate") {
            return;
        }
        if let Ok(MarketReading::Depth(event)) = self.bench.reader.market(&loosely(line.as_bytes()))
        {
            // The truth is what was recorded, and starts with its first event.
            if self.truth.last == 0 {
                self.truth.snapshot(&event);
            }
            self.truth.depth(&event);
        }
    }

    fn compare_books(&self, text: &[u8]) {
        let told = self.driven.session.book(BTC);
        let said = self.model.top(BookTop::DEPTH);
        let (Some(told), Some((bids, asks, sequence))) = (told, &said) else {
            let in_step = (told.is_some(), said.is_some());
            assert_eq!(in_step.0, in_step.1, "told, said: {in_step:?} after {}", shown(text));
            return;
        };
        let side = |levels: &[Level]| -> Side {
            let teller = &self.bench.teller;
            let pair = |level: &Level| {
                (teller.price(BTC, level.price), teller.quantity(BTC, level.quantity))
            };
            levels.iter().map(pair).collect()
        };
        assert_eq!(&side(told.bids()), bids, "bids after {}", shown(text));
        assert_eq!(&side(told.asks()), asks, "asks after {}", shown(text));
        assert_eq!(told.sequence.0, *sequence, "{}", shown(text));
        if let (Some(bid), Some(ask)) = (told.best_bid(), told.best_ask()) {
            assert!(bid.price < ask.price, "crossed: {bid:?} {ask:?} after {}", shown(text));
        }
    }
}

/// The recorded messages that are short enough for a run of many; `None` without the file.
fn recording() -> Option<Vec<String>> {
    let path = folder("ENIGMA_DATA", "data").join(FILE);
    let Ok(packed) = std::fs::read(&path) else {
        assert!(!required(), "no {}", path.display());
        println!("skipped: no recorded data");
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let messages = text.lines().filter_map(|line| line.split_once(' ')).map(|(_, text)| text);
    Some(
        messages
            .filter(|text| text.contains("\"stream\""))
            .take(28_000)
            .map(str::to_owned)
            .collect(),
    )
}
