//! Which streams a market connection carries, and how they are asked for: as many as fit in the
//! dialled path, the rest by SUBSCRIBE, slower than the venue's limit of messages.

use core::fmt::Write as _;

use arrayvec::ArrayVec;
use enigma_types::Nanos;

use super::DepthStream;
use super::symbols::SymbolTable;
use crate::session::Outbox;
use crate::wire::websocket::{FrameClass, TransmitFull};

/// Best prices, depth and trades.
pub(super) const STREAMS_PER_INSTRUMENT: usize = 3;

#[derive(Debug)]
pub(super) struct Subscriptions {
    depth: DepthStream,
    /// Streams of the whole session, and how many of them have been asked for.
    total: usize,
    asked: usize,
    next_id: u64,
    next_at: Nanos,
    unanswered: ArrayVec<(u64, Nanos), { Self::UNANSWERED }>,
    stopped: bool,
    lost: bool,
}

impl Subscriptions {
    /// The venue's limit for one connection (`binance.md` section 8).
    pub(super) const STREAMS: usize = 1_024;
    const UNANSWERED: usize = 8;
    /// The venue takes ten messages in a second, pongs included.
    const INTERVAL: Nanos = Nanos::from_millis(200);
    const ANSWER_TIMEOUT: Nanos = Nanos::from_secs(10);
    /// Longer request lines are refused by many servers between here and there.
    const PATH_BYTES: usize = 3_000;
    const MESSAGE_BYTES: usize = 2_000;

    pub(super) fn new(symbols: &SymbolTable, depth: DepthStream) -> Self {
        Self {
            depth,
            total: symbols.len() * STREAMS_PER_INSTRUMENT,
            asked: 0,
            next_id: 1,
            next_at: Nanos::ZERO,
            unanswered: ArrayVec::new(),
            stopped: false,
            lost: false,
        }
    }

    /// The path to dial, which asks for the first streams.
    pub(super) fn dial_path(&mut self, symbols: &SymbolTable) -> String {
        let mut path = String::from("/public/stream?streams=");
        self.asked = 0;
        while self.asked < self.total && path.len() < Self::PATH_BYTES {
            if self.asked > 0 {
                path.push('/');
            }
            self.write_stream(self.asked, symbols, &mut path);
            self.asked += 1;
        }
        path
    }

    /// Every stream was asked for and every request answered.
    pub(super) fn is_confirmed(&self) -> bool {
        self.asked == self.total && self.unanswered.is_empty() && !self.lost
    }

    pub(super) fn acknowledge(&mut self, id: Option<u64>) {
        self.unanswered.retain(|(asked, _)| Some(*asked) != id);
    }

    /// Tells once that a request was never answered.
    pub(super) fn take_overdue(&mut self, now: Nanos) -> bool {
        let waiting = self.unanswered.len();
        self.unanswered.retain(|(_, deadline)| *deadline > now);
        // What is lost stays unconfirmed: the connection is replaced.
        self.lost |= self.unanswered.len() < waiting;
        self.unanswered.len() < waiting
    }

    pub(super) fn next_at(&self) -> Nanos {
        let sends = if self.is_idle() { Nanos::MAX } else { self.next_at };
        self.unanswered.iter().fold(sends, |at, (_, deadline)| at.min(*deadline))
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.unanswered.clear();
    }

    /// Sends the next SUBSCRIBE, if one is left and its time has come. What finds no room in the
    /// buffer is tried again.
    pub(super) fn send_due(&mut self, now: Nanos, symbols: &SymbolTable, outbox: &mut Outbox) {
        if self.is_idle() || now < self.next_at {
            return;
        }
        let mut text = String::from("{\"method\":\"SUBSCRIBE\",\"params\":[");
        let mut asked = self.asked;
        while asked < self.total && text.len() < Self::MESSAGE_BYTES {
            text.push_str(if asked > self.asked { ",\"" } else { "\"" });
            self.write_stream(asked, symbols, &mut text);
            text.push('"');
            asked += 1;
        }
        // Writing to a String can't fail.
        let _ = write!(text, "],\"id\":{}}}", self.next_id);
        let sent = outbox.transmit.text(FrameClass::Session, |payload| {
            payload.push_str(&text);
            Ok::<(), TransmitFull>(())
        });
        self.next_at = now.plus(Self::INTERVAL);
        if sent.is_ok() {
            self.asked = asked;
            self.unanswered.push((self.next_id, now.plus(Self::ANSWER_TIMEOUT)));
            self.next_id += 1;
        }
    }

    fn is_idle(&self) -> bool {
        self.stopped || self.asked == self.total || self.unanswered.is_full()
    }

    fn write_stream(&self, index: usize, symbols: &SymbolTable, out: &mut String) {
        let listing = symbols.iter().nth(index / STREAMS_PER_INSTRUMENT);
        let symbol = listing.map_or("", |listing| symbols.symbol(listing));
        out.extend(symbol.chars().map(|letter| letter.to_ascii_lowercase()));
        out.push_str(match index % STREAMS_PER_INSTRUMENT {
            0 => "@bookTicker",
            1 => self.depth.suffix(),
            _ => "@trade",
        });
    }
}
