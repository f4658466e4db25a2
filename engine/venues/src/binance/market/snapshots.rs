//! The snapshots that bring books into step: when they are asked for, and what their answers mean.

use enigma_types::{InstrumentId, Nanos, Now};

use super::{Feed, MarketProduct, StreamSession, UNKNOWN_INSTRUMENT};
use crate::binance::account_answers::decode_error_code;
use crate::session::{AlertKind, Answer, CallId, CallRequest, Method, Outbox, VenueError};

#[derive(Clone, Copy, Debug)]
pub(super) struct PendingSnapshot {
    call: CallId,
    place: u16,
}

impl<P: MarketProduct> StreamSession<P> {
    /// Lays a snapshot under an instrument's book, as the answer to a call would: for replays, in
    /// whose recordings the snapshot stands among the messages.
    pub fn apply_snapshot(
        &mut self,
        now: Now,
        instrument: InstrumentId,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let listing = *self.symbols.by_id(instrument).ok_or(UNKNOWN_INSTRUMENT)?;
        let head = P::decode_snapshot(&listing, body, &mut self.scratch)?;
        self.counters.snapshots += 1;
        let Some(feed) = self.feeds.get_mut(usize::from(listing.place)) else {
            return Err(UNKNOWN_INSTRUMENT);
        };
        let (bids, asks) = (&self.scratch.bids, &self.scratch.asks);
        let outcome = feed.sync.apply_snapshot(now.mono, &head, bids, asks);
        self.on_outcome(now, instrument, outcome, outbox);
        Ok(())
    }

    pub(super) fn ask_snapshots(&mut self, now: Now, outbox: &mut Outbox) {
        if self.unsynced == 0 {
            return;
        }
        for (feed, listing) in self.feeds.iter_mut().zip(self.symbols.iter()) {
            let due = feed.sync.wants_snapshot_at().is_some_and(|at| at <= now.mono);
            if !due {
                continue;
            }
            if self.snapshots.is_full() || outbox.calls.is_full() {
                return;
            }
            let venue_ms = now.venue_time().as_millis();
            if let Err(wait) = self.budget.take_snapshot(venue_ms, P::SNAPSHOT_WEIGHT) {
                let at_ms = wait.retry_at_ms().unwrap_or(venue_ms + 60_000);
                let delay = Nanos::from_millis(at_ms.saturating_sub(venue_ms));
                feed.sync.postpone(now.mono.plus(delay));
                continue;
            }
            let call = CallId(self.next_call);
            self.next_call = self.next_call.wrapping_add(1);
            let symbol = self.symbols.symbol(listing);
            let request = CallRequest {
                call,
                method: Method::Get,
                target: P::snapshot_target(symbol),
                header: None,
                timeout: SNAPSHOT_TIMEOUT,
            };
            if outbox.call(request) {
                self.snapshots.push(PendingSnapshot { call, place: listing.place });
                let had_failed = feed.has_failed();
                feed.sync.snapshot_asked();
                if feed.has_failed() && !had_failed {
                    // The session may be ready without this book, and then it is told to be empty:
                    // the connection before may have shown it.
                    outbox.books.insert(listing.id);
                }
            }
        }
    }

    pub(super) fn on_response(
        &mut self,
        now: Now,
        call: CallId,
        answer: &Answer<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let Some(at) = self.snapshots.iter().position(|pending| pending.call == call) else {
            return Ok(());
        };
        let place = usize::from(self.snapshots.swap_remove(at).place);
        let feed = self.feeds.get(place).filter(|feed| feed.asks_snapshot());
        let Some(instrument) = feed.map(Feed::instrument) else { return Ok(()) };
        let result = match answer {
            Answer::Http { status: 200, body, .. } => {
                self.apply_snapshot(now, instrument, body, outbox)
            }
            Answer::Http { status: status @ (418 | 429), retry_after_seconds, body } => {
                let venue_ms = now.venue_time().as_millis();
                let code = decode_error_code(body).unwrap_or_default();
                let retry_at_ms = retry_after_seconds.map(|s| venue_ms + u64::from(s) * 1_000);
                self.budget.obey(venue_ms, *status, code, retry_at_ms);
                let kind = AlertKind::RateLimited;
                self.alerts.raise(now.mono, outbox, kind, "a book snapshot");
                Err(VenueError::Nonsense("a snapshot refused for its weight"))
            }
            Answer::Http { .. } => Err(VenueError::Nonsense("a snapshot's status")),
            Answer::NotSent | Answer::Lost => Ok(()),
        };
        if let Some(feed) = self.feeds.get_mut(place).filter(|feed| feed.asks_snapshot()) {
            feed.sync.snapshot_failed(now.mono);
        }
        self.ask_snapshots(now, outbox);
        result
    }
}

const SNAPSHOT_TIMEOUT: Nanos = Nanos::from_secs(10);
