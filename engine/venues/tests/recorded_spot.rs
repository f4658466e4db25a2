//! The recorded BTCUSDT spot stream through the market session, whole: every message read by
//! the hand decoder, the book never lost and never crossed. `ENIGMA_DATA` says where it lies.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test prints and may stop")]

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use enigma_types::{
    AccountId, Amount, Asset, InstallationPrefix, Instrument, InstrumentId, InstrumentTable, Nanos,
    Now, Price, Quantity, Scale, SessionKind, SessionState, Symbol, UnixNanos, VenueId,
};
use enigma_venues::binance::spot::market::{MarketCounters, MarketSession};
use enigma_venues::registry::SessionPlan;
use enigma_venues::session::{Input, Outbox, Session};
use enigma_venues::signer::Signer;
use enigma_venues::wire::websocket::Transmit;

const FILE: &str = "binance-spot-btcusdt-20240808.gz";

#[test]
fn the_recorded_stream_is_decoded_whole_and_the_book_stays_in_step() {
    let Some(text) = recording() else { return };
    let mut replay = Replay::new();
    for line in text.lines() {
        let (received, message) = line.split_once(' ').unwrap();
        replay.message(received.parse().unwrap(), message);
    }
    let counters = *replay.session.counters();
    println!("{counters:?}, books published: {}", replay.published);
    let expected = MarketCounters {
        book_tickers: 28_040,
        depth_updates: 3_451,
        trades: 9_757,
        snapshots: 1,
        ..MarketCounters::default()
    };
    assert_eq!(counters, expected);
    assert_eq!(replay.trades, 9_757);
    assert_eq!(replay.state, SessionState::Ready);
    assert_eq!(replay.alerts, 0);
    assert!(replay.published > 25_000, "{}", replay.published);
    assert!(replay.session.book(InstrumentId(0)).unwrap().is_sound());
}

struct Replay {
    session: MarketSession,
    outbox: Outbox,
    state: SessionState,
    trades: u64,
    published: u64,
    alerts: usize,
    last: Option<(u64, Price, Price)>,
}

impl Replay {
    fn new() -> Self {
        let plan = SessionPlan::new(
            SessionKind::Market,
            AccountId(0),
            table(),
            InstallationPrefix::from_number(1),
            1,
        );
        let mut replay = Self {
            session: MarketSession::new(&plan),
            outbox: Outbox::new(Transmit::with_capacity(1 << 14, 16, 1)),
            state: SessionState::Down,
            trades: 0,
            published: 0,
            alerts: 0,
            last: None,
        };
        for input in [Input::Start, Input::Connected] {
            replay.handle(Now::default(), input);
        }
        replay
    }

    fn message(&mut self, received_ns: u64, message: &str) {
        // Time starts with the recording, so that nothing is stale or rotates.
        let now = Now {
            mono: Nanos(received_ns - 1_723_161_253_000_000_000),
            wall: UnixNanos(received_ns),
            venue_offset_ns: 0,
        };
        if message.starts_with("{\"lastUpdateId\"") {
            let (session, outbox) = (&mut self.session, &mut self.outbox);
            session.apply_snapshot(now, InstrumentId(0), message.as_bytes(), outbox).unwrap();
            self.collect();
        } else {
            let mut bytes = message.as_bytes().to_vec();
            self.handle(now, Input::Frame(&mut bytes));
        }
    }

    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.session.handle(now, input, &mut Signer::None, &mut self.outbox).unwrap();
        self.collect();
    }

    fn collect(&mut self) {
        self.state = self.outbox.state.take().unwrap_or(self.state);
        self.trades += self.outbox.trades.drain(..).count() as u64;
        self.alerts += self.outbox.alerts.drain(..).count();
        assert_eq!(self.outbox.reconnect, None);
        // The snapshot comes from the recording; the session's own call is left unanswered.
        self.outbox.calls.clear();
        self.outbox.dial = None;
        while let Some(instrument) = self.outbox.books.pop() {
            let book = self.session.book(instrument).unwrap();
            assert!(book.is_sound(), "{book:?}");
            let (bid, ask) = (book.best_bid().unwrap().price, book.best_ask().unwrap().price);
            if let Some((sequence, _, _)) = self.last {
                assert!(book.sequence.0 >= sequence, "{book:?} after {sequence}");
            }
            assert!(book.bids().is_sorted_by(|better, worse| better.price > worse.price));
            assert!(book.asks().is_sorted_by(|better, worse| better.price < worse.price));
            self.last = Some((book.sequence.0, bid, ask));
            self.published += 1;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the data's place is given from outside")]
fn recording() -> Option<String> {
    let folder = std::env::var_os("ENIGMA_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let Ok(packed) = std::fs::read(folder.join(FILE)) else {
        assert!(std::env::var_os("ENIGMA_REQUIRE_DATA").is_none(), "no {FILE}");
        println!("skipped: no recorded data");
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    Some(text)
}

fn table() -> Arc<InstrumentTable> {
    let mut table = InstrumentTable::default();
    table
        .add(Instrument {
            id: InstrumentId(0),
            venue: VenueId::BinanceSpot,
            symbol: Symbol::from("BTCUSDT").unwrap(),
            base: Asset::from("BTC").unwrap(),
            quote: Asset::from("USDT").unwrap(),
            settle: Asset::from("USDT").unwrap(),
            // What the exchange information of spot comes to.
            price_scale: Scale::new(4).unwrap(),
            quantity_scale: Scale::new(8).unwrap(),
            tick: Price(1),
            min_price: Price(1),
            max_price: Price(i64::MAX),
            step: Quantity(1),
            min_quantity: Quantity(1),
            max_quantity: Quantity(i64::MAX),
            min_notional: Amount::ZERO,
            band_up_e8: None,
            band_down_e8: None,
            max_open_orders: None,
            trading: true,
        })
        .unwrap();
    Arc::new(table)
}
