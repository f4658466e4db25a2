//! Which streams a market connection carries, and how they are asked for: as many as fit in the
//! dialled path, the rest by SUBSCRIBE, slower than the venue's limit of messages.

use core::fmt::Write as _;
use core::ops::Range;
use std::collections::VecDeque;

use arrayvec::ArrayVec;
use enigma_types::Nanos;

use super::market::MarketProduct;
use super::symbols::SymbolTable;
use crate::session::Outbox;
use crate::wire::websocket::{FrameClass, TransmitFull};

/// How often the venue sends depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DepthStream {
    /// With each change. Not documented for futures, and recorded in 2024.
    Fastest,
    #[default]
    Every100Ms,
}

impl DepthStream {
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Fastest => "@depth@0ms",
            Self::Every100Ms => "@depth@100ms",
        }
    }
}

/// Best prices, depth and trades.
pub(super) const STREAMS_PER_INSTRUMENT: usize = 3;

#[derive(Debug)]
pub(super) struct Subscriptions {
    path: &'static str,
    depth_suffix: &'static str,
    interval: Nanos,
    /// Streams of the whole session, and how many of them have been asked for.
    total: usize,
    asked: usize,
    next_id: u64,
    next_at: Nanos,
    unanswered: ArrayVec<(u64, Nanos), { Self::UNANSWERED }>,
    /// Instruments whose streams are to be asked for anew; each at most once.
    renewals: VecDeque<Renewal>,
    /// Requests of renewals: of no matter to the connection as a whole.
    renewing: ArrayVec<(u64, Nanos), { Self::UNANSWERED }>,
    stopped: bool,
    lost: bool,
}

/// The next request of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Renewal {
    place: usize,
    /// Whether the streams were given up, so that asking for them makes the venue begin anew.
    unsubscribed: bool,
}

impl Subscriptions {
    /// The venue's limit for one connection (`binance.md` section 8).
    pub(super) const STREAMS: usize = 1_024;
    const UNANSWERED: usize = 8;
    const ANSWER_TIMEOUT: Nanos = Nanos::from_secs(10);
    /// Longer request lines are refused by many servers between here and there.
    const PATH_BYTES: usize = 3_000;
    const MESSAGE_BYTES: usize = 2_000;
    /// The longest suffix, two quotes and a comma.
    const STREAM_SUFFIX_BYTES: usize = 15;

    pub(super) fn new<P: MarketProduct>(symbols: &SymbolTable, depth: DepthStream) -> Self {
        Self {
            path: P::STREAM_PATH,
            depth_suffix: P::depth_suffix(depth),
            interval: P::MESSAGE_INTERVAL,
            total: symbols.len() * STREAMS_PER_INSTRUMENT,
            asked: 0,
            next_id: 1,
            next_at: Nanos::ZERO,
            unanswered: ArrayVec::new(),
            renewals: VecDeque::new(),
            renewing: ArrayVec::new(),
            stopped: false,
            lost: false,
        }
    }

    /// The path to dial, which asks for the first streams.
    pub(super) fn dial_path(&mut self, symbols: &SymbolTable) -> String {
        let mut path = String::from(self.path);
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
        self.renewing.retain(|(asked, _)| Some(*asked) != id);
    }

    /// Asks for all streams of an instrument anew, in its turn.
    pub(super) fn renew(&mut self, place: usize) {
        if self.renewals.iter().all(|renewal| renewal.place != place) {
            self.renewals.push_back(Renewal { place, unsubscribed: false });
        }
    }

    /// Whether a refusal answers a renewal: the one that it names, or when it names none and
    /// nothing else waits, any.
    pub(super) fn take_refused_renewal(&mut self, id: Option<u64>) -> bool {
        let unnamed = id.is_none() && self.unanswered.is_empty();
        let found = self.renewing.iter().position(|(asked, _)| unnamed || Some(*asked) == id);
        found.map(|place| self.renewing.remove(place)).is_some()
    }

    /// Tells once that a request was never answered.
    pub(super) fn take_overdue(&mut self, now: Nanos) -> bool {
        self.renewing.retain(|(_, deadline)| *deadline > now);
        let waiting = self.unanswered.len();
        self.unanswered.retain(|(_, deadline)| *deadline > now);
        // What is lost stays unconfirmed: the connection is replaced.
        self.lost |= self.unanswered.len() < waiting;
        self.unanswered.len() < waiting
    }

    pub(super) fn next_at(&self) -> Nanos {
        let sends = if self.is_idle() { Nanos::MAX } else { self.next_at };
        self.unanswered
            .iter()
            .chain(&self.renewing)
            .fold(sends, |at, (_, deadline)| at.min(*deadline))
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.unanswered.clear();
        self.renewals.clear();
        self.renewing.clear();
    }

    /// Sends the next request, if one is left and its time has come. What finds no room in the
    /// buffer is tried again.
    pub(super) fn send_due(&mut self, now: Nanos, symbols: &SymbolTable, outbox: &mut Outbox) {
        if self.is_idle() || now < self.next_at {
            return;
        }
        let deadline = now.plus(Self::ANSWER_TIMEOUT);
        if self.asked < self.total {
            let mut end = self.asked;
            let mut bytes = 0;
            while end < self.total && bytes < Self::MESSAGE_BYTES {
                bytes += symbols
                    .iter()
                    .nth(end / STREAMS_PER_INSTRUMENT)
                    .map_or(0, |listing| symbols.symbol(listing).len() + Self::STREAM_SUFFIX_BYTES);
                end += 1;
            }
            if self.send(now, "SUBSCRIBE", self.asked..end, symbols, outbox) {
                self.unanswered.push((self.next_id, deadline));
                self.next_id += 1;
                self.asked = end;
            }
        } else if let Some(&renewal) = self.renewals.front() {
            let first = renewal.place * STREAMS_PER_INSTRUMENT;
            let streams = first..first + STREAMS_PER_INSTRUMENT;
            let method = if renewal.unsubscribed { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
            if self.send(now, method, streams, symbols, outbox) {
                self.renewing.push((self.next_id, deadline));
                self.next_id += 1;
                self.renewals.pop_front();
                if !renewal.unsubscribed {
                    self.renewals.push_front(Renewal { unsubscribed: true, ..renewal });
                }
            }
        }
    }

    fn send(
        &mut self,
        now: Nanos,
        method: &str,
        streams: Range<usize>,
        symbols: &SymbolTable,
        outbox: &mut Outbox,
    ) -> bool {
        // Writing to a String can't fail.
        let mut text = String::new();
        let _ = write!(text, "{{\"method\":\"{method}\",\"params\":[");
        let first = streams.start;
        for stream in streams {
            text.push_str(if stream > first { ",\"" } else { "\"" });
            self.write_stream(stream, symbols, &mut text);
            text.push('"');
        }
        let _ = write!(text, "],\"id\":{}}}", self.next_id);
        self.next_at = now.plus(self.interval);
        let sent = outbox.transmit.text(FrameClass::Session, |payload| {
            payload.push_str(&text);
            Ok::<(), TransmitFull>(())
        });
        sent.is_ok()
    }

    fn is_idle(&self) -> bool {
        let nothing = self.asked == self.total && self.renewals.is_empty();
        self.stopped || nothing || self.unanswered.is_full() || self.renewing.is_full()
    }

    fn write_stream(&self, index: usize, symbols: &SymbolTable, out: &mut String) {
        let listing = symbols.iter().nth(index / STREAMS_PER_INSTRUMENT);
        let symbol = listing.map_or("", |listing| symbols.symbol(listing));
        out.extend(symbol.chars().map(|letter| letter.to_ascii_lowercase()));
        out.push_str(match index % STREAMS_PER_INSTRUMENT {
            0 => "@bookTicker",
            1 => self.depth_suffix,
            _ => "@trade",
        });
    }
}
