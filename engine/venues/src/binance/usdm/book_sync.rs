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
mod tests {
    use enigma_types::{Price, Quantity, Scale, Sequence, UnixNanos};

    use super::*;
    use crate::binance::usdm::symbols::Listing;

    const LISTING: Listing = Listing {
        id: InstrumentId(3),
        place: 0,
        price_scale: Scale::ZERO,
        quantity_scale: Scale::ZERO,
    };

    fn level(price: i64, quantity: i64) -> Level {
        Level { price: Price(price), quantity: Quantity(quantity) }
    }

    fn event(first: u64, last: u64, previous: u64) -> DepthUpdate {
        DepthUpdate { listing: LISTING, first, last, previous, venue_time: UnixNanos(last) }
    }

    /// Each event sets the bid at 100 to its last id, so that a test sees what was applied.
    fn feed(sync: &mut BookSync, first: u64, last: u64, previous: u64) -> DepthOutcome {
        let scratch = DepthScratch { bids: vec![level(100, last as i64)], asks: Vec::new() };
        sync.on_depth(Nanos(last), &event(first, last, previous), &scratch)
    }

    fn snapshot(sync: &mut BookSync, last_update: u64) -> DepthOutcome {
        sync.snapshot_asked();
        let head = SnapshotHead { last_update, venue_time: UnixNanos(1) };
        sync.apply_snapshot(Nanos(1), &head, &[level(100, 1), level(99, 1)], &[level(101, 1)])
    }

    fn bid_quantity(sync: &BookSync) -> Option<i64> {
        sync.top()?.best_bid().map(|level| level.quantity.0)
    }

    fn changed() -> DepthOutcome {
        DepthOutcome::Changed(Applied::default())
    }

    /// Kept events, then the snapshot, then what the outcome and the state are.
    #[track_caller]
    fn check(kept: &[(u64, u64, u64)], snapshot_id: u64, outcome: DepthOutcome, state: SyncState) {
        let mut sync = BookSync::new(InstrumentId(3));
        for &(first, last, previous) in kept {
            assert_eq!(feed(&mut sync, first, last, previous), DepthOutcome::Nothing);
        }
        assert!(sync.top().is_none());
        assert_eq!(snapshot(&mut sync, snapshot_id), outcome);
        assert_eq!(sync.state(), state);
        assert_eq!(sync.top().is_some(), state == SyncState::InStep);
    }

    #[test]
    fn the_first_event_must_reach_over_the_snapshot() {
        use SyncState::{Bridging, InStep, Waiting};
        let kept = [(101, 110, 100), (111, 120, 110), (125, 130, 120)];
        check(&kept, 115, changed(), InStep);
        check(&kept, 110, changed(), InStep);
        check(&kept, 120, changed(), InStep);
        // Between two events, where ids jump: nothing is missing either.
        check(&kept, 122, changed(), InStep);
        check(&kept, 130, changed(), InStep);
        // Younger than all that is kept: the next event decides.
        check(&kept, 131, DepthOutcome::Nothing, Bridging);
        // Older than all that is kept: useless.
        check(&kept, 99, DepthOutcome::Gap, Waiting);
        check(&kept, 100, changed(), InStep);
    }

    #[test]
    fn the_snapshot_is_wanted_only_after_the_first_event() {
        let mut sync = BookSync::new(InstrumentId(3));
        assert_eq!(sync.wants_snapshot_at(), None);
        feed(&mut sync, 101, 110, 100);
        assert_eq!(sync.wants_snapshot_at(), Some(Nanos(110)));
        sync.snapshot_asked();
        assert_eq!(sync.wants_snapshot_at(), None);
    }

    #[test]
    fn an_event_after_the_snapshot_brings_the_book_into_step() {
        let mut sync = BookSync::new(InstrumentId(3));
        feed(&mut sync, 101, 110, 100);
        assert_eq!(snapshot(&mut sync, 115), DepthOutcome::Nothing);
        assert_eq!(feed(&mut sync, 111, 114, 110), DepthOutcome::Nothing);
        assert_eq!(feed(&mut sync, 115, 118, 114), changed());
        assert_eq!(bid_quantity(&sync), Some(118));
        assert_eq!(sync.top().map(|top| top.sequence), Some(Sequence(118)));
    }

    #[test]
    fn previous_must_equal_the_last_id_however_the_ids_jump() {
        let mut sync = BookSync::new(InstrumentId(3));
        feed(&mut sync, 101, 110, 100);
        snapshot(&mut sync, 105);
        assert_eq!(feed(&mut sync, 500, 600, 110), changed());
        // U follows directly, but pu doesn't name the event before: lost.
        assert_eq!(feed(&mut sync, 601, 610, 605), DepthOutcome::Gap);
        assert_eq!(sync.top(), None);
        assert_eq!(sync.book().depth(), (0, 0));
        // Events are gathered anew and a snapshot wanted.
        assert_eq!(feed(&mut sync, 611, 620, 610), DepthOutcome::Nothing);
        assert_eq!(sync.state(), SyncState::WantsSnapshot);
        assert_eq!(snapshot(&mut sync, 615), changed());
        assert_eq!(bid_quantity(&sync), Some(620));
    }

    #[test]
    fn an_event_delivered_twice_changes_nothing() {
        let mut sync = BookSync::new(InstrumentId(3));
        feed(&mut sync, 101, 110, 100);
        snapshot(&mut sync, 105);
        assert_eq!(feed(&mut sync, 111, 120, 110), changed());
        assert_eq!(feed(&mut sync, 111, 120, 110), DepthOutcome::Nothing);
        assert_eq!(feed(&mut sync, 121, 130, 120), changed());
    }

    /// What doesn't name the event before is a gap, wherever its own id lies.
    #[track_caller]
    fn check_gap(first: u64, last: u64, previous: u64) {
        let mut sync = BookSync::new(InstrumentId(3));
        feed(&mut sync, 101, 110, 100);
        snapshot(&mut sync, 105);
        assert_eq!(feed(&mut sync, 111, 120, 110), changed());
        assert_eq!(feed(&mut sync, first, last, previous), DepthOutcome::Gap);
        assert_eq!(sync.top(), None);
        feed(&mut sync, 131, 140, 130);
        assert_eq!(snapshot(&mut sync, 135), changed());
    }

    #[test]
    fn an_event_that_does_not_name_the_one_before_is_a_gap_ahead_and_behind() {
        check_gap(131, 140, 130);
        check_gap(101, 110, 100);
        check_gap(1, 2, 0);
        check_gap(111, 120, 109);
        // Names it, and leads nowhere.
        check_gap(121, 120, 120);
        check_gap(50, 60, 120);
    }

    #[test]
    fn a_broken_id_far_ahead_does_not_freeze_the_book() {
        let mut sync = BookSync::new(InstrumentId(3));
        feed(&mut sync, 101, 110, 100);
        snapshot(&mut sync, 105);
        assert_eq!(feed(&mut sync, 111, 9_000_000_120, 110), changed());
        assert_eq!(feed(&mut sync, 121, 130, 120), DepthOutcome::Gap);
        feed(&mut sync, 131, 140, 130);
        assert_eq!(snapshot(&mut sync, 135), changed());
        assert_eq!(bid_quantity(&sync), Some(140));
    }

    #[test]
    fn a_hole_in_what_is_kept_starts_it_anew() {
        let mut sync = BookSync::new(InstrumentId(3));
        feed(&mut sync, 101, 110, 100);
        feed(&mut sync, 121, 130, 120);
        assert_eq!(snapshot(&mut sync, 105), DepthOutcome::Gap);
    }

    #[test]
    fn useless_snapshots_are_asked_for_again_ever_later() {
        let mut sync = BookSync::new(InstrumentId(3));
        let mut last = Nanos::ZERO;
        for _ in 0..4 {
            feed(&mut sync, 101, 110, 100);
            sync.snapshot_asked();
            sync.snapshot_failed(Nanos(1_000));
            let at = sync.wants_snapshot_at();
            assert!(at > Some(last), "{at:?}");
            last = at.unwrap_or_default();
        }
        assert_eq!(last, Nanos(1_000).plus(Nanos::from_millis(2_000)));
        assert_eq!(sync.attempts(), 4);
    }

    #[test]
    fn a_crossed_book_is_dropped() {
        let mut sync = BookSync::new(InstrumentId(3));
        feed(&mut sync, 101, 110, 100);
        snapshot(&mut sync, 105);
        let scratch = DepthScratch { bids: vec![level(101, 5)], asks: Vec::new() };
        let outcome = sync.on_depth(Nanos(5), &event(111, 120, 110), &scratch);
        assert_eq!(outcome, DepthOutcome::Crossed);
        assert_eq!(sync.top(), None);
    }

    #[test]
    fn too_many_kept_events_are_bounded() {
        let mut sync = BookSync::new(InstrumentId(3));
        for at in 0..5_000 {
            feed(&mut sync, at * 10 + 1, at * 10 + 10, at * 10);
        }
        assert!(sync.backlog.events.len() <= Backlog::EVENTS);
        assert_eq!(snapshot(&mut sync, 49_995), changed());
    }

    #[test]
    fn best_prices_show_only_in_step() {
        let mut sync = BookSync::new(InstrumentId(3));
        let ticker = |sequence, quantity| BookTicker {
            instrument: InstrumentId(3),
            sequence: Sequence(sequence),
            bid: Price(100),
            bid_quantity: Quantity(quantity),
            ask: Price(101),
            ask_quantity: Quantity(1),
            venue_time: UnixNanos(1),
        };
        assert!(!sync.on_ticker(Nanos(1), &ticker(500, 7)));
        feed(&mut sync, 101, 110, 100);
        snapshot(&mut sync, 105);
        assert!(sync.on_ticker(Nanos(1), &ticker(112, 7)));
        assert_eq!(bid_quantity(&sync), Some(7));
        assert!(!sync.on_ticker(Nanos(1), &ticker(111, 8)));
    }
}
