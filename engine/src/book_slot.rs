//! Books from the gateway thread to the trading thread: one slot for each instrument, which always
//! shows the newest state, and a bitmap of those that have news.
//!
//! Market data conflates by construction: a book that changed twice before it was read is read
//! once. Nothing here waits; a reader that keeps meeting the writer comes back on its next turn.

mod cell;
mod dirty;

use std::sync::Arc;

use enigma_types::{
    BookTop, InstrumentId, InstrumentTable, Level, Nanos, Price, Quantity, Sequence, UnixNanos,
};

use crate::gateway_thread::{StageStamps, Stamps};
use cell::{SequenceCell, Version, Words};
use dirty::DirtyBits;

/// A book as it is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostedBook {
    pub book: BookTop,
    pub stamps: Stamps,
    /// The venue's clock minus ours, as known when the book was posted.
    pub venue_offset_ns: i64,
}

/// The writing end.
#[derive(Debug)]
pub struct BookWriter {
    board: Arc<Board>,
}

/// The reading end.
#[derive(Debug)]
pub struct BookReader {
    board: Arc<Board>,
    /// Taken from the bitmap and not read yet.
    pending: [u64; DIRTY_WORDS],
    /// What was read last of each slot.
    seen: Box<[Version]>,
}

/// Makes slots for so many instruments, whose ids are their places.
pub fn books(instruments: usize) -> (BookWriter, BookReader) {
    assert!(instruments <= InstrumentTable::CAPACITY, "every instrument has a bit");
    let slots = (0..instruments).map(|_| SequenceCell::new()).collect();
    let board = Arc::new(Board { slots, dirty: DirtyBits::new() });
    let writer = BookWriter { board: Arc::clone(&board) };
    let seen = vec![Version::default(); instruments].into();
    (writer, BookReader { board, pending: [0; DIRTY_WORDS], seen })
}

#[derive(Debug)]
struct Board {
    slots: Box<[SequenceCell<WORDS>]>,
    dirty: DirtyBits<DIRTY_WORDS>,
}

impl BookWriter {
    /// Shows a book's newest state. A book that has no slot isn't shown.
    #[inline]
    pub fn post(&mut self, book: &BookTop, stamps: &Stamps, venue_offset_ns: i64) {
        let place = usize::from(book.instrument.0);
        if let Some(slot) = self.board.slots.get(place) {
            slot.publish(words_of(book, stamps, venue_offset_ns));
            self.board.dirty.set(place);
        }
    }
}

impl BookReader {
    /// Notes which books have news. `next_book` gives them one by one.
    #[inline]
    pub fn look(&mut self) -> bool {
        let mut any = 0;
        for (word, pending) in self.pending.iter_mut().enumerate() {
            *pending |= self.board.dirty.take(word);
            any |= *pending;
        }
        any != 0
    }

    /// The newest state of a book that has news. One that its writer keeps changing right now
    /// stays noted for the next `look`.
    #[inline]
    pub fn next_book(&mut self) -> Option<PostedBook> {
        for word in 0..DIRTY_WORDS {
            let mut bits = self.pending.get(word).copied()?;
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let place = word * 64 + bit as usize;
                let slot = self.board.slots.get(place)?;
                let instrument = InstrumentId(u16::try_from(place).unwrap_or(u16::MAX));
                let Some((version, book)) = slot.read(|words| book_of(instrument, &words)) else {
                    continue;
                };
                self.pending[word] &= !(1 << bit);
                let seen = self.seen.get_mut(place)?;
                // Posted again between bit and read: the newest was shown already.
                if *seen != version {
                    *seen = version;
                    return Some(book);
                }
            }
        }
        None
    }

    /// Whether a book has news that wasn't read. For a thread that is about to sleep.
    #[inline]
    pub fn has_news(&self) -> bool {
        self.board.dirty.any() || self.pending.iter().any(|&word| word != 0)
    }
}

#[inline]
fn words_of(book: &BookTop, stamps: &Stamps, venue_offset_ns: i64) -> impl Iterator<Item = u64> {
    let (bids, asks) = (book.bids(), book.asks());
    let sampled = stamps.sampled.unwrap_or_default();
    let head = [
        (bids.len() as u64) << 32 | asks.len() as u64,
        book.sequence.0,
        book.venue_time.0,
        book.received_at.0,
        stamps.received.0,
        u64::from(stamps.sampled.is_some()),
        sampled.opened.0,
        sampled.decoded.0,
        venue_offset_ns.cast_unsigned(),
    ];
    let levels = bids.iter().chain(asks);
    let levels =
        levels.flat_map(|level| [level.price.0.cast_unsigned(), level.quantity.0.cast_unsigned()]);
    head.into_iter().chain(levels)
}

/// Bears any words: of a mixture it makes a book that nobody sees.
#[inline]
fn book_of(instrument: InstrumentId, words: &Words<'_, WORDS>) -> PostedBook {
    let counts = words.get(0);
    let bids = ((counts >> 32) as usize).min(BookTop::DEPTH);
    let asks = ((counts & 0xFFFF_FFFF) as usize).min(BookTop::DEPTH);
    let level = |place: usize| Level {
        price: Price(words.get(HEAD_WORDS + 2 * place).cast_signed()),
        quantity: Quantity(words.get(HEAD_WORDS + 2 * place + 1).cast_signed()),
    };
    let mut book = BookTop::empty(instrument);
    book.sequence = Sequence(words.get(1));
    book.venue_time = UnixNanos(words.get(2));
    book.received_at = Nanos(words.get(3));
    book.set_bids((0..bids).map(level));
    book.set_asks((bids..bids + asks).map(level));
    let sampled = StageStamps { opened: Nanos(words.get(6)), decoded: Nanos(words.get(7)) };
    let sampled = (words.get(5) != 0).then_some(sampled);
    let stamps = Stamps { received: Nanos(words.get(4)), sampled };
    PostedBook { book, stamps, venue_offset_ns: words.get(8).cast_signed() }
}

const HEAD_WORDS: usize = 9;
const WORDS: usize = HEAD_WORDS + 4 * BookTop::DEPTH;
const DIRTY_WORDS: usize = InstrumentTable::CAPACITY / 64;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests;
