//! A recorded public stream through the market session that reads it. It must not know a venue.

use std::io::Read;
use std::path::PathBuf;

use enigma_types::{
    AccountId, InstallationPrefix, InstrumentId, Nanos, Now, Price, SessionKind, SessionState,
    UnixNanos,
};
use enigma_venues::binance::market::{MarketCounters, MarketProduct, StreamSession};
use enigma_venues::registry::SessionPlan;
use enigma_venues::session::{Input, Outbox, Session};
use enigma_venues::signer::Signer;
use enigma_venues::wire::websocket::Transmit;

use crate::btcusdt;

pub(crate) struct Recording {
    pub(crate) file: &'static str,
    /// Digits of price and of quantity.
    pub(crate) digits: [u8; 2],
    /// Time starts with the recording, so that nothing is stale or rotates.
    pub(crate) begins_s: u64,
    pub(crate) book_tickers: u64,
    pub(crate) depth_updates: u64,
    pub(crate) trades: u64,
    pub(crate) published_above: u64,
}

/// Every message is read by the hand decoder, and the book is never lost and never crossed.
#[track_caller]
pub(crate) fn check_whole<P: MarketProduct>(recording: &Recording) {
    let Some(text) = unpacked(recording.file) else { return };
    let mut replay = Replay::<P>::new(recording);
    for line in text.lines() {
        let (received, message) = line.split_once(' ').unwrap();
        replay.message(received.parse().unwrap(), message);
    }
    let counters = *replay.session.counters();
    println!("{counters:?}, books published: {}", replay.published);
    let expected = MarketCounters {
        book_tickers: recording.book_tickers,
        depth_updates: recording.depth_updates,
        trades: recording.trades,
        snapshots: 1,
        ..MarketCounters::default()
    };
    assert_eq!(counters, expected);
    assert_eq!(replay.trades, recording.trades);
    assert_eq!(replay.state, SessionState::Ready);
    assert_eq!(replay.alerts, 0);
    assert!(replay.published > recording.published_above, "{}", replay.published);
    assert!(replay.session.book(InstrumentId(0)).unwrap().is_sound());
}

struct Replay<P: MarketProduct> {
    session: StreamSession<P>,
    outbox: Outbox,
    begins: Nanos,
    state: SessionState,
    trades: u64,
    published: u64,
    alerts: usize,
    last: Option<(u64, Price, Price)>,
}

impl<P: MarketProduct> Replay<P> {
    fn new(recording: &Recording) -> Self {
        let plan = SessionPlan::new(
            SessionKind::Market,
            AccountId(0),
            btcusdt::table(P::VENUE, recording.digits),
            InstallationPrefix::from_number(1),
            1,
        );
        let mut replay = Self {
            session: StreamSession::new(&plan),
            outbox: Outbox::new(Transmit::with_capacity(1 << 14, 16, 1)),
            begins: Nanos::from_secs(recording.begins_s),
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
        let now = Now {
            mono: Nanos(received_ns - self.begins.0),
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
fn unpacked(file: &str) -> Option<String> {
    let folder = std::env::var_os("ENIGMA_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let Ok(packed) = std::fs::read(folder.join(file)) else {
        assert!(std::env::var_os("ENIGMA_REQUIRE_DATA").is_none(), "no {file}");
        println!("skipped: no recorded data");
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    Some(text)
}
