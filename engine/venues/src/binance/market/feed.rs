//! One instrument's streams: its book, and whether each stream still speaks. It must not know of
//! other instruments, and must not ask for anything itself.

use enigma_types::{BookTicker, BookTop, InstrumentId, Level, Nanos};

use crate::binance::book_sync::{BookSync, DepthOutcome, SyncState};
use crate::binance::market_messages::{DepthScratch, DepthUpdate};

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) sync: BookSync,
    depth_at: Nanos,
    /// Since when the depth shows another touch than the stream of best prices told. That stream
    /// is rightly quiet for as long as the touch stays; the depth isn't, on a market worth trading.
    untold_touch: Option<Nanos>,
    silence: Option<Silence>,
}

/// A stream that doesn't speak, until it does again.
#[derive(Clone, Copy, Debug)]
struct Silence {
    resubscribe_at: Nanos,
    attempts: u32,
}

impl Feed {
    const FIRST_RESUBSCRIPTION: Nanos = Nanos::from_secs(5);
    const LONGEST_WAIT: Nanos = Nanos::from_secs(60);

    pub(super) fn new(instrument: InstrumentId) -> Self {
        Self {
            sync: BookSync::new(instrument),
            depth_at: Nanos::ZERO,
            untold_touch: None,
            silence: None,
        }
    }

    pub(super) fn connected(&mut self, now: Nanos) {
        self.depth_at = now;
    }

    pub(super) fn instrument(&self) -> InstrumentId {
        self.sync.book().top().instrument
    }

    /// Whether the book may be believed: in step, and every stream speaks.
    #[inline]
    pub(super) fn is_shown(&self) -> bool {
        self.silence.is_none() && self.sync.is_in_step()
    }

    #[inline]
    pub(super) fn top(&self) -> Option<&BookTop> {
        if self.silence.is_none() { self.sync.top() } else { None }
    }

    /// Whether the session needn't wait for this book: it may stay out of step for long.
    pub(super) fn is_given_up(&self) -> bool {
        self.silence.is_some() || self.has_failed()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.sync.attempts() > BookSync::ATTEMPTS
    }

    pub(super) fn is_without_depth(&self, now: Nanos, longest: Nanos) -> bool {
        now.since(self.depth_at) > longest
    }

    pub(super) fn asks_snapshot(&self) -> bool {
        self.sync.state() == SyncState::Asked
    }

    #[inline]
    pub(super) fn on_depth(
        &mut self,
        now: Nanos,
        update: &DepthUpdate,
        scratch: &DepthScratch,
    ) -> DepthOutcome {
        self.depth_at = now;
        let before = self.sync.is_in_step().then(|| touch(self.sync.book().top()));
        let outcome = self.sync.on_depth(now, update, scratch);
        if let DepthOutcome::Changed(_) = outcome
            && before.is_some_and(|before| before != touch(self.sync.book().top()))
        {
            self.untold_touch.get_or_insert(now);
        }
        outcome
    }

    /// Takes best prices; returns whether the top changed.
    #[inline]
    pub(super) fn on_ticker(&mut self, now: Nanos, ticker: &BookTicker) -> bool {
        self.untold_touch = None;
        self.sync.on_ticker(now, ticker)
    }

    /// Notes a silence of more than `longest`; returns whether it began now.
    pub(super) fn fall_silent(&mut self, now: Nanos, longest: Nanos) -> bool {
        let begins = self.silence.is_none() && self.is_overdue(now, longest);
        if begins {
            self.silence = Some(Silence { resubscribe_at: now, attempts: 0 });
        }
        begins
    }

    /// Ends a silence when every stream has spoken; returns whether one ended.
    #[inline]
    pub(super) fn speak_again(&mut self, now: Nanos, longest: Nanos) -> bool {
        if self.silence.is_none() || self.is_overdue(now, longest) {
            return false;
        }
        self.silence = None;
        true
    }

    /// Whether the silent streams are to be asked for again now; each time the next time is later.
    pub(super) fn take_resubscription(&mut self, now: Nanos) -> bool {
        let Some(silence) = self.silence.as_mut().filter(|it| now >= it.resubscribe_at) else {
            return false;
        };
        let wait = Nanos(Self::FIRST_RESUBSCRIPTION.0 << silence.attempts.min(8));
        silence.attempts = silence.attempts.saturating_add(1);
        silence.resubscribe_at = now.plus(wait.min(Self::LONGEST_WAIT));
        true
    }

    fn is_overdue(&self, now: Nanos, longest: Nanos) -> bool {
        let untold = self.untold_touch.is_some_and(|since| now.since(since) > longest);
        untold || self.is_without_depth(now, longest)
    }
}

fn touch(top: &BookTop) -> (Option<Level>, Option<Level>) {
    (top.best_bid(), top.best_ask())
}
