//! A mark behind everything that the trading thread has handed over so far.
//!
//! A pause and a kill are acknowledged once the gateway thread has passed it: once every request
//! before the mark was written, or given back as not sent, and what still waited for a socket was
//! taken back. It takes no room in the request ring, so that it is never refused.
//!
//! Part of the layout `split`, which the engine doesn't run: this file is no module of the engine.
//! `engine/loom` alone compiles and checks it, so it may name nothing of this crate.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// Raised by the trading thread alone, passed by the gateway thread alone.
#[derive(Debug)]
pub(crate) struct Barrier {
    raised: AtomicU64,
    passed: AtomicU64,
}

/// One raising of the barrier; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u64);

impl Barrier {
    pub(crate) fn new() -> Self {
        Self { raised: AtomicU64::new(0), passed: AtomicU64::new(0) }
    }

    /// Sets a mark behind every request that was pushed before.
    pub(crate) fn raise(&self) -> Mark {
        let mark = Mark(self.raised.load(Ordering::Relaxed) + 1);
        self.raised.store(mark.0, Ordering::Release);
        mark
    }

    /// A mark that isn't passed yet. Every request before it can be seen in the ring now: do
    /// them all, then `pass` it.
    #[inline]
    pub(crate) fn pending(&self) -> Option<Mark> {
        let raised = self.raised.load(Ordering::Acquire);
        (raised != self.passed.load(Ordering::Relaxed)).then_some(Mark(raised))
    }

    /// Every report of what was done before the mark must have been pushed.
    pub(crate) fn pass(&self, mark: Mark) {
        self.passed.store(mark.0, Ordering::Release);
    }

    /// The newest mark that was passed. Reports pushed before that can be seen in the ring now.
    #[inline]
    pub(crate) fn passed(&self) -> Mark {
        Mark(self.passed.load(Ordering::Acquire))
    }
}

impl Default for Barrier {
    fn default() -> Self {
        Self::new()
    }
}
