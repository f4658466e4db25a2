//! Which slots have news: a bit for each, set after publishing and taken before reading.
//!
//! Whoever takes a bit and then reads the slot sees what was published before the bit was set, or
//! something newer. Checked by the models in `engine/loom`; it may name nothing of this crate.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// A bitmap of `64 * WORDS` places, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct DirtyBits<const WORDS: usize> {
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> DirtyBits<WORDS> {
    pub(crate) fn new() -> Self {
        Self { words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Says that a place has news, which must have been published before.
    #[inline]
    pub(crate) fn set(&self, place: usize) {
        if let Some(word) = self.words.get(place / 64) {
            word.fetch_or(1 << (place % 64), Ordering::Release);
        }
    }

    /// Takes the bits of one word.
    #[inline]
    pub(crate) fn take(&self, word: usize) -> u64 {
        match self.words.get(word) {
            // A look is cheaper than a swap, and a bit that it misses is found by the next look.
            Some(word) if word.load(Ordering::Relaxed) != 0 => word.swap(0, Ordering::Acquire),
            Some(_) | None => 0,
        }
    }

    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.words.iter().any(|word| word.load(Ordering::Relaxed) != 0)
    }
}

impl<const WORDS: usize> Default for DirtyBits<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}
