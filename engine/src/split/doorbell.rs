//! Wakes the thread at the other end of a ring, and only when it sleeps.
//!
//! The protocol that loses no wake-up. The one who hands over: publish, then `ring`, and wake if
//! it says so. The one who sleeps: `lie_down`, then look at everything once more, and sleep only
//! if there is nothing; then `get_up`. Both put a full fence between their write and their look,
//! so that at least one of them sees the other.
//!
//! Part of the layout `split`, which the engine doesn't run: this file is no module of the engine.
//! `engine/loom` alone compiles and checks it, so it may name nothing of this crate.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Whether one thread sleeps, or is about to.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Doorbell {
    asleep: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new() -> Self {
        Self { asleep: AtomicBool::new(false) }
    }

    /// Something was handed over. Says whether the sleeper has to be woken: once for each sleep.
    #[inline]
    #[must_use]
    pub(crate) fn ring(&self) -> bool {
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed)
    }

    /// From here on a hand-over wakes. Whatever came before must be looked at once more.
    #[inline]
    pub(crate) fn lie_down(&self) {
        self.asleep.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn get_up(&self) {
        self.asleep.swap(false, Ordering::Relaxed);
    }
}

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}
