//! A few words that one thread publishes and others read whole, in their newest state.
//!
//! A sequence lock: readers never hold up the writer, and a read that met a write is told apart
//! and tried again, a bounded number of times. Every word is an atomic, so that a read that meets
//! a write is no data race. Checked by the models in `engine/loom`; it may name nothing of this
//! crate.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The words, and how often they were published.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct SequenceCell<const WORDS: usize> {
    /// Twice the number of publications; odd while one is under way.
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// How often a cell was published. Zero is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u64);

/// What a reader takes the words out of.
#[derive(Debug)]
pub(crate) struct Words<'a, const WORDS: usize>(&'a [AtomicU64; WORDS]);

impl<const WORDS: usize> SequenceCell<WORDS> {
    /// A read that met so many writes in a row is given up: the caller comes back.
    pub(crate) const READ_TRIES: usize = if cfg!(loom) { 2 } else { 16 };

    pub(crate) fn new() -> Self {
        let words = std::array::from_fn(|_| AtomicU64::new(0));
        Self { version: AtomicU64::new(0), words }
    }

    /// Publishes the words that `words` gives, from the first one on. For one writer only: two
    /// at once would mix what they publish.
    #[inline]
    pub(crate) fn publish(&self, words: impl IntoIterator<Item = u64>) {
        let before = self.version.load(Ordering::Relaxed);
        self.version.store(before.wrapping_add(1), Ordering::Relaxed);
        // A reader that sees one of the words below sees the odd version too.
        fence(Ordering::Release);
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        self.version.store(before.wrapping_add(2), Ordering::Release);
    }

    /// Lets `take` read the words, and gives what it made of them if they belong together.
    /// `take` also sees mixtures, whose result is thrown away: it must bear any words.
    #[inline]
    pub(crate) fn read<R>(
        &self,
        mut take: impl FnMut(Words<'_, WORDS>) -> R,
    ) -> Option<(Version, R)> {
        for _ in 0..Self::READ_TRIES {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let taken = take(Words(&self.words));
                // The words are read before the version is read again.
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return Some((Version(before >> 1), taken));
                }
            }
            pause();
        }
        None
    }
}

impl<const WORDS: usize> Default for SequenceCell<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WORDS: usize> Words<'_, WORDS> {
    /// A word by its place; zero beyond the last one.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> u64 {
        self.0.get(place).map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

#[inline]
fn pause() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}
