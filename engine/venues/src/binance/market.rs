//! The public market session: one connection with the best prices, depth and trades of every
//! instrument, and a book for each that is shown only while it is in step. It must not sign
//! anything, and it must not take a ping for a sign of life: only data counts.
//!
//! Implements `binance.md` section 3 and 8, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use core::fmt::Write as _;
use core::marker::PhantomData;

use arrayvec::ArrayVec;
use enigma_types::{BookTicker, BookTop, InstrumentId, Nanos, Now, SessionState, Trade};

use super::alerts::AlertGate;
use super::book_sync::DepthOutcome;
use super::budget::RequestBudget;
use super::market_messages::{DepthScratch, DepthUpdate, MarketMessage};
use super::rotation::{ROTATION_REMINDER, rotation_at};
use super::subscriptions::{STREAMS_PER_INSTRUMENT, Subscriptions};
use super::symbols::SymbolTable;
use crate::registry::SessionPlan;
use crate::session::{
    AlertKind, Dial, HostRole, Input, Outbox, ReconnectReason, Session, VenueError,
};
use crate::signer::Signer;

mod feed;
mod product;
mod snapshots;

pub use product::MarketProduct;

use feed::Feed;
use snapshots::PendingSnapshot;

/// What a market session has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketCounters {
    pub book_tickers: u64,
    pub depth_updates: u64,
    pub trades: u64,
    pub snapshots: u64,
    pub gaps: u64,
    pub crossed: u64,
    pub truncated_levels: u64,
    pub decode_fallbacks: u64,
    pub unreadable: u64,
    /// Events and shapes that this program doesn't know, and instruments that aren't ours.
    pub unknown: u64,
}

#[derive(Debug)]
pub struct StreamSession<P: MarketProduct> {
    product: PhantomData<P>,
    symbols: SymbolTable,
    /// By the instruments' places in the symbol table.
    feeds: Vec<Feed>,
    scratch: DepthScratch,
    subscriptions: Subscriptions,
    snapshots: ArrayVec<PendingSnapshot, SNAPSHOTS_AT_ONCE>,
    budget: RequestBudget,
    next_call: u32,
    seed: u64,
    stale_after: Nanos,
    state: SessionState,
    /// Feeds whose books may be believed.
    shown: usize,
    /// Feeds that aren't in step.
    unsynced: usize,
    rotate_at: Nanos,
    scan_at: Nanos,
    alerts: AlertGate,
    counters: MarketCounters,
}

impl<P: MarketProduct> StreamSession<P> {
    const SCAN_READY: Nanos = Nanos::from_secs(1);
    const SCAN_SYNCING: Nanos = Nanos::from_millis(100);

    pub fn new(plan: &SessionPlan) -> Self {
        let symbols = SymbolTable::new(P::VENUE, plan.instruments.clone());
        let feeds: Vec<Feed> = symbols.iter().map(|listing| Feed::new(listing.id)).collect();
        Self {
            product: PhantomData,
            shown: 0,
            unsynced: feeds.len(),
            feeds,
            scratch: DepthScratch::new(),
            subscriptions: Subscriptions::new::<P>(&symbols, plan.depth_stream),
            symbols,
            snapshots: ArrayVec::new(),
            budget: RequestBudget::of(plan, P::LIMITS),
            next_call: 0,
            seed: plan.seed,
            stale_after: plan.stale_after,
            state: SessionState::Down,
            rotate_at: Nanos::MAX,
            scan_at: Nanos::MAX,
            alerts: AlertGate::default(),
            counters: MarketCounters::default(),
        }
    }

    pub fn counters(&self) -> &MarketCounters {
        &self.counters
    }

    fn on_start(&mut self, outbox: &mut Outbox) -> Result<(), VenueError> {
        if self.feeds.is_empty() {
            return Err(VenueError::Misuse("a market session without instruments"));
        }
        if self.feeds.len() * STREAMS_PER_INSTRUMENT > Subscriptions::STREAMS {
            return Err(VenueError::Misuse("more instruments than one connection carries"));
        }
        let path = self.subscriptions.dial_path(&self.symbols);
        outbox.dial = Some(Dial { host: HostRole::PublicStream, path });
        self.set_state(SessionState::Connecting, outbox);
        Ok(())
    }

    fn on_connected(&mut self, now: Now, outbox: &mut Outbox) {
        self.rotate_at = rotation_at(now.mono, self.seed);
        self.scan_at = now.mono.plus(Self::SCAN_SYNCING);
        for feed in &mut self.feeds {
            feed.connected(now.mono);
        }
        self.subscriptions.send_due(now.mono, &self.symbols, outbox);
        self.update_state(outbox);
    }

    #[inline]
    fn on_frame(&mut self, now: Now, frame: &[u8], outbox: &mut Outbox) -> Result<(), VenueError> {
        let decoded = match P::decode(&self.symbols, frame, &mut self.scratch) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.counters.unreadable += 1;
                let kind = AlertKind::UnreadableMessage;
                self.alerts.raise(now.mono, outbox, kind, "a market message");
                return Err(error.into());
            }
        };
        if decoded.fallback {
            self.counters.decode_fallbacks += 1;
            let kind = AlertKind::DecodeFallback;
            self.alerts.raise(now.mono, outbox, kind, "keys in an unusual order");
        }
        match decoded.message {
            MarketMessage::BookTicker(ticker) => self.on_ticker(now, &ticker, outbox),
            MarketMessage::Depth(update) => self.on_depth(now, &update, outbox),
            MarketMessage::Trade(trade) => self.on_trade(trade, outbox),
            MarketMessage::Acknowledged { id } => {
                self.subscriptions.acknowledge(id);
                self.update_state(outbox);
            }
            MarketMessage::Refused { id, code } => self.on_refused(now, id, code, outbox),
            MarketMessage::ServerShutdown => outbox.reconnect = Some(ReconnectReason::Rotation),
            MarketMessage::Foreign | MarketMessage::Unknown => {
                self.counters.unknown += 1;
                let kind = AlertKind::UnknownMessage;
                self.alerts.raise(now.mono, outbox, kind, "on the market streams");
            }
        }
        Ok(())
    }

    #[inline]
    fn on_ticker(&mut self, now: Now, ticker: &BookTicker, outbox: &mut Outbox) {
        self.counters.book_tickers += 1;
        let Some(listing) = self.symbols.by_id(ticker.instrument) else { return };
        let Some(feed) = self.feeds.get_mut(usize::from(listing.place)) else { return };
        if feed.on_ticker(now.mono, ticker) {
            outbox.books.insert(ticker.instrument);
        }
        if feed.speak_again(now.mono, self.stale_after) {
            self.on_spoken(now, ticker.instrument, outbox);
        }
    }

    #[inline]
    fn on_depth(&mut self, now: Now, update: &DepthUpdate, outbox: &mut Outbox) {
        self.counters.depth_updates += 1;
        let Some(feed) = self.feeds.get_mut(usize::from(update.listing.place)) else { return };
        let was_shown = feed.is_shown();
        let outcome = feed.on_depth(now.mono, update, &self.scratch);
        if feed.speak_again(now.mono, self.stale_after) {
            self.on_spoken(now, update.listing.id, outbox);
        }
        match outcome {
            DepthOutcome::Changed(applied) if was_shown && applied.truncated == 0 => {
                outbox.books.insert(update.listing.id);
            }
            outcome @ (DepthOutcome::Changed(_)
            | DepthOutcome::Nothing
            | DepthOutcome::Gap
            | DepthOutcome::Crossed) => {
                self.on_outcome(now, update.listing.id, outcome, outbox);
            }
        }
    }

    fn on_trade(&mut self, trade: Trade, outbox: &mut Outbox) {
        self.counters.trades += 1;
        // One message carries one trade and the outbox is emptied after each.
        let _ = outbox.trades.try_push(trade);
    }

    /// All that an event or a snapshot can come to, but for the everyday case.
    fn on_outcome(
        &mut self,
        now: Now,
        instrument: InstrumentId,
        outcome: DepthOutcome,
        outbox: &mut Outbox,
    ) {
        match outcome {
            DepthOutcome::Nothing => {}
            DepthOutcome::Changed(applied) => {
                outbox.books.insert(instrument);
                if applied.truncated > 0 {
                    // Levels far from the touch gather without end on a long connection: that is
                    // worth telling once.
                    if self.counters.truncated_levels == 0 {
                        self.alert_of(now, instrument, AlertKind::BookTruncated, outbox);
                    }
                    self.counters.truncated_levels += u64::from(applied.truncated);
                }
            }
            DepthOutcome::Gap => {
                self.counters.gaps += 1;
                outbox.books.insert(instrument);
                self.alert_of(now, instrument, AlertKind::SequenceGap, outbox);
            }
            DepthOutcome::Crossed => {
                self.counters.crossed += 1;
                outbox.books.insert(instrument);
                self.alert_of(now, instrument, AlertKind::CrossedBook, outbox);
            }
        }
        self.count_feeds();
        if self.unsynced > 0 {
            self.scan_at = self.scan_at.min(now.mono.plus(Self::SCAN_SYNCING));
        }
        self.ask_snapshots(now, outbox);
        self.update_state(outbox);
    }

    /// A silent instrument speaks again, and its book is shown if it is still in step.
    fn on_spoken(&mut self, now: Now, instrument: InstrumentId, outbox: &mut Outbox) {
        outbox.books.insert(instrument);
        self.on_outcome(now, instrument, DepthOutcome::Nothing, outbox);
    }

    fn count_feeds(&mut self) {
        self.shown = self.feeds.iter().filter(|feed| feed.is_shown()).count();
        self.unsynced = self.feeds.iter().filter(|feed| !feed.sync.is_in_step()).count();
    }

    fn on_refused(&mut self, now: Now, id: Option<u64>, code: i64, outbox: &mut Outbox) {
        let mut detail = arrayvec::ArrayString::<96>::new();
        // The text is far shorter than its room.
        let _ = write!(detail, "a subscription was refused with code {code}");
        self.alerts.raise(now.mono, outbox, AlertKind::VenueError, &detail);
        // A silent instrument's renewal that is refused is tried again later: the others trade on.
        if !self.subscriptions.take_refused_renewal(id) {
            outbox.reconnect = Some(ReconnectReason::Refused);
        }
    }

    fn on_timer(&mut self, now: Now, outbox: &mut Outbox) {
        if self.subscriptions.take_overdue(now.mono) {
            self.alerts.raise(now.mono, outbox, AlertKind::VenueError, "no answer to SUBSCRIBE");
            outbox.reconnect = Some(ReconnectReason::Refused);
        }
        self.subscriptions.send_due(now.mono, &self.symbols, outbox);
        if now.mono >= self.rotate_at {
            outbox.reconnect = Some(ReconnectReason::Rotation);
            self.rotate_at = now.mono.plus(ROTATION_REMINDER);
        }
        if now.mono >= self.scan_at {
            let period = if self.unsynced == 0 { Self::SCAN_READY } else { Self::SCAN_SYNCING };
            self.scan_at = now.mono.plus(period);
            self.scan(now, outbox);
        }
        self.ask_snapshots(now, outbox);
        self.update_state(outbox);
    }

    /// Looks for silence. One instrument's hides its book alone, and its streams are asked for
    /// again; that of all means that the connection is worth nothing.
    fn scan(&mut self, now: Now, outbox: &mut Outbox) {
        let (mut silent, mut first) = (0_usize, None);
        for feed in &mut self.feeds {
            if feed.fall_silent(now.mono, self.stale_after) {
                outbox.books.insert(feed.instrument());
                first = first.or(Some(feed.instrument()));
                silent += 1;
            }
        }
        let stale_after = self.stale_after;
        if self.feeds.iter().all(|feed| feed.is_without_depth(now.mono, stale_after)) {
            outbox.reconnect = Some(ReconnectReason::Stale);
            self.set_state(SessionState::Stale, outbox);
            return;
        }
        if let Some(instrument) = first {
            self.alert_silence(now, instrument, silent, outbox);
        }
        for (place, feed) in self.feeds.iter_mut().enumerate() {
            if feed.take_resubscription(now.mono) {
                self.subscriptions.renew(place);
            }
        }
        self.subscriptions.send_due(now.mono, &self.symbols, outbox);
        self.count_feeds();
        let given_up = self.feeds.iter().all(Feed::is_given_up);
        if given_up && self.feeds.iter().any(Feed::has_failed) {
            outbox.reconnect = Some(ReconnectReason::Gap);
        }
    }

    fn alert_silence(&mut self, now: Now, first: InstrumentId, count: usize, outbox: &mut Outbox) {
        let listing = self.symbols.by_id(first);
        let symbol = listing.map_or("", |listing| self.symbols.symbol(listing));
        let mut detail = arrayvec::ArrayString::<96>::new();
        // A symbol and a count fit.
        let _ = match count {
            1 => detail.write_str(symbol),
            _ => write!(detail, "{symbol} and {} more", count - 1),
        };
        self.alerts.raise(now.mono, outbox, AlertKind::StreamSilent, &detail);
    }

    fn alert_of(
        &mut self,
        now: Now,
        instrument: InstrumentId,
        kind: AlertKind,
        outbox: &mut Outbox,
    ) {
        let listing = self.symbols.by_id(instrument);
        let symbol = listing.map_or("", |listing| self.symbols.symbol(listing));
        self.alerts.raise(now.mono, outbox, kind, symbol);
    }

    fn update_state(&mut self, outbox: &mut Outbox) {
        // At first every book is waited for, unless its instrument doesn't speak; later on one that
        // drops out closes its own gate alone, because it isn't shown.
        let ready = match self.state {
            SessionState::Down | SessionState::Stale => return,
            SessionState::Ready => self.shown > 0,
            SessionState::Connecting | SessionState::Syncing => {
                let settled = |feed: &Feed| feed.is_shown() || feed.is_given_up();
                self.shown > 0 && self.feeds.iter().all(settled)
            }
        };
        let ready = ready && self.subscriptions.is_confirmed();
        self.set_state(if ready { SessionState::Ready } else { SessionState::Syncing }, outbox);
    }

    fn set_state(&mut self, state: SessionState, outbox: &mut Outbox) {
        if self.state != state {
            self.state = state;
            outbox.state = Some(state);
        }
    }
}

impl<P: MarketProduct> Session for StreamSession<P> {
    #[inline]
    fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        _signer: &mut Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match input {
            Input::Frame(frame) => self.on_frame(now, frame, outbox),
            Input::Start => self.on_start(outbox),
            Input::Connected => {
                self.on_connected(now, outbox);
                Ok(())
            }
            Input::Response { call, answer } => self.on_response(now, call, &answer, outbox),
            Input::Timer => {
                self.on_timer(now, outbox);
                Ok(())
            }
            Input::Disconnected => {
                self.scan_at = Nanos::MAX;
                self.rotate_at = Nanos::MAX;
                self.subscriptions.stop();
                self.set_state(SessionState::Down, outbox);
                Ok(())
            }
            Input::Submit(_)
            | Input::Cancel(_)
            | Input::Replace(_)
            | Input::Query(_)
            | Input::Purged { .. } => Err(VenueError::Misuse("a request to a market session")),
        }
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let deadline = self.scan_at.min(self.rotate_at).min(self.subscriptions.next_at());
        (deadline != Nanos::MAX).then_some(deadline)
    }

    #[inline]
    fn book(&self, instrument: InstrumentId) -> Option<&BookTop> {
        // A book on a connection that is down or silent may be old.
        match self.state {
            SessionState::Down | SessionState::Connecting | SessionState::Stale => return None,
            SessionState::Syncing | SessionState::Ready => {}
        }
        let listing = self.symbols.by_id(instrument)?;
        self.feeds.get(usize::from(listing.place))?.top()
    }
}

const SNAPSHOTS_AT_ONCE: usize = 4;
const UNKNOWN_INSTRUMENT: VenueError = VenueError::Misuse("an instrument that isn't ours");

#[cfg(test)]
mod tests;
