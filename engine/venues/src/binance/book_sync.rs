//! How one instrument's book comes into step with the venue and how it knows that it still is. It
//! must not ask for the snapshot itself: it says that it wants one. A book out of step is shown to
//! nobody.
//!
//! Implements `binance.md` section 3, the futures rule, compiled from the venue's documents on
//! 2026-11-24: <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{BookTicker, BookTop, InstrumentId, Level, Nanos};

use super::book::{Applied, Book};
use super::market_messages::{DepthScratch, DepthUpdate, SnapshotHead};

/// A book and its way into step.
#[derive(Debug)]
pub(super) struct BookSync {
    book: Book,
    /// The id before that of the newest event, as the event named it.
    previous: u64,
    state: SyncState,
    backlog: Backlog,
    /// When a snapshot may be asked for.
    retry_at: Nanos,
    /// Attempts since the book was last in step.
    attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncState {
    /// No event has come yet. The snapshot must be younger than the first event, so it isn't asked
    /// for before.
    Waiting,
    /// Events are kept; a snapshot is wanted.
    WantsSnapshot,
    /// Events are kept; the snapshot is on its way.
    Asked,
    /// The snapshot is in, and the event that proves it hasn't come.
    Bridging,
    InStep,
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DepthOutcome {
    /// Kept, or older than the book.
    Nothing,
    /// The book changed and is in step.
    Changed(Applied),
    /// Something between was lost; the book is dropped and a snapshot wanted.
    Gap,
    /// The levels contradict each other; the book is dropped and a snapshot wanted.
    Crossed,
}

/// Events that came before their snapshot.
#[derive(Debug, Default)]
struct Backlog {
    events: Vec<KeptEvent>,
    levels: Vec<Level>,
}

#[derive(Clone, Copy, Debug)]
struct KeptEvent {
    update: DepthUpdate,
    bids: usize,
    asks: usize,
}

impl BookSync {
    /// Attempts on one connection before it is replaced.
    pub(super) const ATTEMPTS: u32 = 8;

    pub(super) fn new(instrument: InstrumentId) -> Self {
        Self {
            book: Book::new(instrument),
            previous: 0,
            state: SyncState::Waiting,
            backlog: Backlog::default(),
            retry_at: Nanos::ZERO,
            attempts: 0,
        }
    }

    pub(super) fn state(&self) -> SyncState {
        self.state
    }

    pub(super) fn is_in_step(&self) -> bool {
        self.state == SyncState::InStep
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The top, as long as it may be believed.
    #[inline]
    pub(super) fn top(&self) -> Option<&BookTop> {
        self.is_in_step().then(|| self.book.top())
    }

    /// When a snapshot may be asked for; `None` when none is wanted.
    pub(super) fn wants_snapshot_at(&self) -> Option<Nanos> {
        (self.state == SyncState::WantsSnapshot).then_some(self.retry_at)
    }

    pub(super) fn snapshot_asked(&mut self) {
        self.state = SyncState::Asked;
        self.attempts += 1;
    }

    /// The snapshot didn't come, couldn't be read or didn't fit: another is wanted, later.
    pub(super) fn snapshot_failed(&mut self, now: Nanos) {
        self.state = SyncState::WantsSnapshot;
        self.delay(now);
    }

    /// Not before `at`, because the budget is used up or the venue said so.
    pub(super) fn postpone(&mut self, at: Nanos) {
        self.retry_at = self.retry_at.max(at);
    }

    /// Takes a snapshot and lays the kept events over it.
    pub(super) fn apply_snapshot(
        &mut self,
        now: Nanos,
        head: &SnapshotHead,
        bids: &[Level],
        asks: &[Level],
    ) -> DepthOutcome {
        self.book.clear();
        let mut applied = self.book.apply(head.last_update, head.venue_time, bids, asks);
        if applied.crossed {
            return self.lost(now, DepthOutcome::Crossed);
        }
        self.state = SyncState::Bridging;
        let backlog = core::mem::take(&mut self.backlog);
        let mut levels = backlog.levels.as_slice();
        let mut outcome = DepthOutcome::Nothing;
        for event in &backlog.events {
            let (bids, rest) = levels.split_at_checked(event.bids).unwrap_or_default();
            let (asks, rest) = rest.split_at_checked(event.asks).unwrap_or_default();
            levels = rest;
            match self.follow(now, &event.update, bids, asks) {
                DepthOutcome::Nothing => {}
                DepthOutcome::Changed(change) => {
                    applied.truncated += change.truncated;
                    outcome = DepthOutcome::Changed(applied);
                }
                lost @ (DepthOutcome::Gap | DepthOutcome::Crossed) => return lost,
            }
        }
        outcome
    }

    /// Takes an event.
    #[inline]
    pub(super) fn on_depth(
        &mut self,
        now: Nanos,
        update: &DepthUpdate,
        scratch: &DepthScratch,
    ) -> DepthOutcome {
        match self.state {
            SyncState::InStep | SyncState::Bridging => {
                self.follow(now, update, &scratch.bids, &scratch.asks)
            }
            SyncState::Waiting => {
                self.state = SyncState::WantsSnapshot;
                self.retry_at = self.retry_at.max(now);
                self.backlog.keep(update, scratch);
                DepthOutcome::Nothing
            }
            SyncState::WantsSnapshot | SyncState::Asked => {
                if !self.backlog.follows(update) {
                    self.backlog.clear();
                }
                self.backlog.keep(update, scratch);
                DepthOutcome::Nothing
            }
        }
    }

    /// Takes best prices; returns whether the top changed.
    #[inline]
    pub(super) fn on_ticker(&mut self, now: Nanos, ticker: &BookTicker) -> bool {
        if !self.is_in_step() || !self.book.overlay(ticker) {
            return false;
        }
        self.book.compose_top(now);
        true
    }

    /// The rule: the first event must reach from before the snapshot to beyond it, and each later
    /// one must name the one before. Behind the snapshot lies old news. Once in step nothing is
    /// taken for old but the newest event delivered again: if a broken id had led the book far
    /// ahead, all that is true would look old for ever.
    #[inline]
    fn follow(
        &mut self,
        now: Nanos,
        update: &DepthUpdate,
        bids: &[Level],
        asks: &[Level],
    ) -> DepthOutcome {
        let id = self.book.last_update();
        let bridging = self.state == SyncState::Bridging;
        let (old, follows) = if bridging {
            // The event that ends exactly at the snapshot proves it too, and changes nothing.
            (update.last < id, update.previous <= id)
        } else {
            let again = update.last == id && update.previous == self.previous;
            (again, update.previous == id && update.last > id)
        };
        if old {
            return DepthOutcome::Nothing;
        }
        if !follows {
            return self.lost(now, DepthOutcome::Gap);
        }
        let applied = self.book.apply(update.last, update.venue_time, bids, asks);
        if applied.crossed {
            return self.lost(now, DepthOutcome::Crossed);
        }
        self.previous = update.previous;
        self.state = SyncState::InStep;
        self.attempts = 0;
        self.book.compose_top(now);
        DepthOutcome::Changed(applied)
    }

    fn lost(&mut self, now: Nanos, why: DepthOutcome) -> DepthOutcome {
        self.book.clear();
        self.backlog.clear();
        // The event that showed the gap isn't kept: the new snapshot must be younger than the
        // first event that is, and one comes soon.
        self.state = SyncState::Waiting;
        if self.attempts > 0 {
            self.delay(now);
        } else {
            self.retry_at = now;
        }
        why
    }

    fn delay(&mut self, now: Nanos) {
        let doublings = self.attempts.saturating_sub(1).min(7);
        self.retry_at = now.plus(Nanos(Self::FIRST_DELAY.0 << doublings));
    }

    const FIRST_DELAY: Nanos = Nanos::from_millis(250);
}

impl Backlog {
    /// Events and levels kept. When either is full the oldest are worth nothing: all go, and the
    /// snapshot will be too old for those that come and be asked for again.
    const EVENTS: usize = 1_024;
    const LEVELS: usize = 1 << 17;

    fn follows(&self, update: &DepthUpdate) -> bool {
        self.events.last().is_none_or(|kept| kept.update.last == update.previous)
    }

    fn keep(&mut self, update: &DepthUpdate, scratch: &DepthScratch) {
        let (bids, asks) = (scratch.bids.len(), scratch.asks.len());
        if self.events.len() == Self::EVENTS || self.levels.len() + bids + asks > Self::LEVELS {
            self.clear();
        }
        self.events.push(KeptEvent { update: *update, bids, asks });
        self.levels.extend_from_slice(&scratch.bids);
        self.levels.extend_from_slice(&scratch.asks);
    }

    fn clear(&mut self) {
        self.events.clear();
        self.levels.clear();
    }
}

#[cfg(test)]
mod tests;
