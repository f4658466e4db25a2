//! One instrument's order book: sorted levels in bounded memory, and the top as others read it. It
//! must not know how it came into step with the venue, and must not allocate once it is built.

use enigma_types::{BookTicker, BookTop, InstrumentId, Level, Nanos, Price, Sequence, UnixNanos};

/// A book of absolute quantities by price, with the newest best prices laid over it.
#[derive(Debug)]
pub(super) struct Book {
    bids: BookSide,
    asks: BookSide,
    /// The newest best prices, as long as they are newer than the levels.
    ticker: Option<BookTicker>,
    /// How many changes of the levels they have outlived.
    outlived: u8,
    last_update: u64,
    venue_time: UnixNanos,
    top: BookTop,
}

/// What `apply` came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// Levels that fell out because a side was full.
    pub(super) truncated: u32,
    /// The best bid isn't below the best ask: these levels can't all be true.
    pub(super) crossed: bool,
}

/// The levels of one side, the best one last, so that changes near it move little memory.
#[derive(Debug)]
struct BookSide {
    levels: Vec<Level>,
    /// 1 for bids, -1 for asks: a level is better when its price times this is higher.
    sign: i64,
}

impl Book {
    /// Levels of a side. The level farthest from the touch falls out when there are more.
    pub(super) const LEVELS: usize = 8_192;
    /// Changes of the levels that best prices without a time may outlive: one would do if the two
    /// streams never overtook each other.
    const OUTLIVED: u8 = 5;

    pub(super) fn new(instrument: InstrumentId) -> Self {
        Self {
            bids: BookSide::new(1),
            asks: BookSide::new(-1),
            ticker: None,
            outlived: 0,
            last_update: 0,
            venue_time: UnixNanos(0),
            top: BookTop::empty(instrument),
        }
    }

    /// The update id that the levels stand for.
    pub(super) fn last_update(&self) -> u64 {
        self.last_update
    }

    pub(super) fn top(&self) -> &BookTop {
        &self.top
    }

    /// How many levels each side holds: bids, asks.
    #[cfg(test)]
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.bids.levels.len(), self.asks.levels.len())
    }

    pub(super) fn clear(&mut self) {
        self.bids.levels.clear();
        self.asks.levels.clear();
        self.ticker = None;
        self.last_update = 0;
        self.top.clear();
    }

    /// Lays absolute quantities over the levels: zero deletes. The caller has checked that they
    /// follow on what is there.
    pub(super) fn apply(
        &mut self,
        last: u64,
        time: UnixNanos,
        bids: &[Level],
        asks: &[Level],
    ) -> Applied {
        let truncated = self.bids.apply_all(bids) + self.asks.apply_all(asks);
        self.last_update = last;
        self.venue_time = time;
        // Newer levels, by their id or by the venue's time of trading: best prices whose broken id
        // lies far ahead must not stand over the book for ever. Spot's have no time, but the next
        // levels that are sent after them have caught up.
        let undated = self.outlived >= Self::OUTLIVED;
        let late = |ticker: BookTicker| match ticker.venue_time {
            UnixNanos(0) => undated,
            told => told < time,
        };
        if self.ticker.is_some_and(|ticker| ticker.sequence.0 <= last || late(ticker)) {
            self.ticker = None;
        }
        self.outlived = self.outlived.saturating_add(1);
        let crossed = match (self.bids.best(), self.asks.best()) {
            (Some(bid), Some(ask)) => bid.price >= ask.price,
            _ => false,
        };
        Applied { truncated, crossed }
    }

    /// Takes newer best prices; `false` when they are older than what is there, or impossible.
    pub(super) fn overlay(&mut self, ticker: &BookTicker) -> bool {
        let newest = self.ticker.map_or(self.last_update, |ticker| ticker.sequence.0);
        let (no_bid, no_ask) = (ticker.bid_quantity.is_zero(), ticker.ask_quantity.is_zero());
        // A side without quantity is empty, and one with quantity has a price.
        let priced = (no_bid || ticker.bid > Price::ZERO) && (no_ask || ticker.ask > Price::ZERO);
        let apart = no_bid || no_ask || ticker.bid < ticker.ask;
        let taken = ticker.sequence.0 > newest && priced && apart;
        if taken {
            self.ticker = Some(*ticker);
            self.outlived = 0;
        }
        taken
    }

    /// Writes the top anew from the levels and the newest best prices.
    pub(super) fn compose_top(&mut self, received_at: Nanos) {
        let (mut sequence, mut time) = (self.last_update, self.venue_time);
        match self.ticker {
            None => {
                self.top.set_bids(self.bids.best_first());
                self.top.set_asks(self.asks.best_first());
            }
            Some(ticker) => {
                // Spot tells no time with best prices: then the levels' is the latest known.
                (sequence, time) = (ticker.sequence.0, ticker.venue_time.max(time));
                let bid = Level { price: ticker.bid, quantity: ticker.bid_quantity };
                let ask = Level { price: ticker.ask, quantity: ticker.ask_quantity };
                self.top.set_bids(self.bids.below(bid));
                self.top.set_asks(self.asks.below(ask));
            }
        }
        self.top.sequence = Sequence(sequence);
        self.top.venue_time = time;
        self.top.received_at = received_at;
    }
}

impl BookSide {
    fn new(sign: i64) -> Self {
        Self { levels: Vec::with_capacity(Book::LEVELS), sign }
    }

    fn best(&self) -> Option<&Level> {
        self.levels.last()
    }

    fn best_first(&self) -> impl Iterator<Item = Level> + '_ {
        self.levels.iter().rev().copied()
    }

    /// The given best level and the levels that are worse. No quantity means an empty side.
    fn below(&self, best: Level) -> impl Iterator<Item = Level> + '_ {
        let sign = self.sign;
        let is_there = !best.quantity.is_zero();
        let worse = move |level: &Level| level.price.0 * sign < best.price.0 * sign;
        let rest = self.levels.iter().rev().copied().skip_while(move |level| !worse(level));
        let rest = rest.take(if is_there { usize::MAX } else { 0 });
        is_there.then_some(best).into_iter().chain(rest)
    }

    fn apply_all(&mut self, changes: &[Level]) -> u32 {
        let mut truncated = 0;
        for change in changes {
            truncated += u32::from(self.apply(*change));
        }
        truncated
    }

    /// Returns whether a level fell out.
    fn apply(&mut self, change: Level) -> bool {
        let key = change.price.0 * self.sign;
        let at = self.levels.partition_point(|level| level.price.0 * self.sign < key);
        let is_full = self.levels.len() >= Book::LEVELS;
        match self.levels.get_mut(at).filter(|level| level.price == change.price) {
            Some(_) if change.quantity.is_zero() => {
                self.levels.remove(at);
                false
            }
            Some(level) => {
                level.quantity = change.quantity;
                false
            }
            // Deleting a level that isn't there is normal: it lay beyond the snapshot.
            None if change.quantity.is_zero() => false,
            None if !is_full => {
                self.levels.insert(at, change);
                false
            }
            None => {
                // The farthest level is the first one; the new one may be farther still.
                if at > 0 {
                    self.levels.copy_within(1..at, 0);
                    if let Some(level) = self.levels.get_mut(at - 1) {
                        *level = change;
                    }
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use enigma_types::Quantity;
    use proptest::prelude::*;

    use super::*;

    fn level(price: i64, quantity: i64) -> Level {
        Level { price: Price(price), quantity: Quantity(quantity) }
    }

    fn ticker(sequence: u64, bid: (i64, i64), ask: (i64, i64)) -> BookTicker {
        BookTicker {
            instrument: InstrumentId(0),
            sequence: Sequence(sequence),
            bid: Price(bid.0),
            bid_quantity: Quantity(bid.1),
            ask: Price(ask.0),
            ask_quantity: Quantity(ask.1),
            venue_time: UnixNanos(sequence),
        }
    }

    fn book() -> Book {
        let mut book = Book::new(InstrumentId(0));
        let bids = [level(100, 1), level(99, 2), level(98, 3)];
        let asks = [level(101, 4), level(102, 5), level(103, 6)];
        assert_eq!(book.apply(10, UnixNanos(1), &bids, &asks), Applied::default());
        book.compose_top(Nanos(1));
        book
    }

    #[track_caller]
    fn check_top(book: &mut Book, bids: &[Level], asks: &[Level]) {
        book.compose_top(Nanos(2));
        assert_eq!(book.top().bids(), bids);
        assert_eq!(book.top().asks(), asks);
    }

    #[test]
    fn quantities_are_absolute_and_zero_deletes() {
        let mut book = book();
        let bids = [level(100, 0), level(99, 7), level(97, 8), level(5, 0)];
        book.apply(11, UnixNanos(2), &bids, &[level(102, 0)]);
        let asks = [level(101, 4), level(103, 6)];
        check_top(&mut book, &[level(99, 7), level(98, 3), level(97, 8)], &asks);
        assert_eq!(book.top().sequence, Sequence(11));
        assert_eq!(book.depth(), (3, 2));
    }

    #[test]
    fn a_newer_ticker_covers_the_levels_that_it_contradicts() {
        let mut book = book();
        assert!(book.overlay(&ticker(12, (99, 9), (102, 1))));
        let asks = [level(102, 1), level(103, 6)];
        check_top(&mut book, &[level(99, 9), level(98, 3)], &asks);
        assert_eq!(book.top().sequence, Sequence(12));
        // A price between the levels stands before them.
        assert!(book.overlay(&ticker(13, (100, 1), (101, 2))));
        let asks = [level(101, 2), level(102, 5), level(103, 6)];
        check_top(&mut book, &[level(100, 1), level(99, 2), level(98, 3)], &asks);
    }

    #[test]
    fn an_older_ticker_is_ignored_and_newer_levels_end_it() {
        let mut book = book();
        assert!(!book.overlay(&ticker(10, (90, 1), (110, 1))));
        assert!(book.overlay(&ticker(15, (99, 9), (101, 4))));
        assert!(!book.overlay(&ticker(14, (98, 9), (101, 4))));
        book.apply(14, UnixNanos(2), &[level(100, 0)], &[]);
        let asks = [level(101, 4), level(102, 5), level(103, 6)];
        check_top(&mut book, &[level(99, 9), level(98, 3)], &asks);
        book.apply(15, UnixNanos(3), &[level(99, 1)], &[]);
        check_top(&mut book, &[level(99, 1), level(98, 3)], &asks);
    }

    #[test]
    fn a_ticker_without_a_time_ends_when_the_levels_should_have_caught_up() {
        let mut book = book();
        let undated = BookTicker { venue_time: UnixNanos(0), ..ticker(900, (100, 9), (101, 9)) };
        assert!(book.overlay(&undated));
        for last in 11..=15 {
            book.apply(last, UnixNanos(last), &[], &[]);
            book.compose_top(Nanos(2));
            assert_eq!(
                (book.top().sequence, book.top().venue_time),
                (Sequence(900), UnixNanos(last))
            );
        }
        book.apply(16, UnixNanos(16), &[], &[]);
        book.compose_top(Nanos(2));
        assert_eq!(book.top().sequence, Sequence(16));
    }

    #[test]
    fn an_impossible_ticker_is_ignored_and_an_empty_side_is_shown_empty() {
        let mut book = book();
        assert!(!book.overlay(&ticker(12, (101, 1), (101, 1))));
        assert!(!book.overlay(&ticker(12, (100, 1), (0, 1))));
        assert!(!book.overlay(&ticker(12, (0, 1), (101, 1))));
        assert!(book.overlay(&ticker(12, (0, 0), (101, 1))));
        check_top(&mut book, &[], &[level(101, 1), level(102, 5), level(103, 6)]);
    }

    #[test]
    fn crossed_levels_are_told() {
        let mut book = book();
        let crossed = book.apply(11, UnixNanos(2), &[level(101, 1)], &[]);
        assert_eq!(crossed, Applied { truncated: 0, crossed: true });
    }

    #[test]
    fn a_full_side_loses_the_level_farthest_from_the_touch() {
        let mut book = Book::new(InstrumentId(0));
        let bids: Vec<Level> = (0..Book::LEVELS as i64).map(|at| level(1_000 + at, 1)).collect();
        book.apply(1, UnixNanos(1), &bids, &[]);
        // Farther than all: it is the one that falls out.
        assert_eq!(book.apply(2, UnixNanos(1), &[level(999, 1)], &[]).truncated, 1);
        assert_eq!(book.bids.levels.first(), Some(&level(1_000, 1)));
        assert_eq!(book.apply(3, UnixNanos(1), &[level(20_000, 1)], &[]).truncated, 1);
        assert_eq!(book.bids.levels.first(), Some(&level(1_001, 1)));
        assert_eq!(book.bids.best(), Some(&level(20_000, 1)));
        assert_eq!(book.depth().0, Book::LEVELS);
        assert!(book.bids.levels.is_sorted_by_key(|level| level.price));
    }

    proptest! {
        #[test]
        fn a_book_is_what_a_sorted_map_would_be(
            changes in prop::collection::vec((0_i64..60, 0_i64..3), 0..400),
        ) {
            let mut book = Book::new(InstrumentId(0));
            let mut map = BTreeMap::new();
            for (price, quantity) in changes {
                book.apply(1, UnixNanos(1), &[level(price, quantity)], &[level(price, quantity)]);
                if quantity == 0 {
                    map.remove(&price);
                } else {
                    map.insert(price, quantity);
                }
            }
            let ascending: Vec<Level> = map.iter().map(|(&p, &q)| level(p, q)).collect();
            prop_assert_eq!(book.asks.best_first().collect::<Vec<_>>(), ascending.clone());
            let descending: Vec<Level> = ascending.into_iter().rev().collect();
            prop_assert_eq!(book.bids.best_first().collect::<Vec<_>>(), descending);
        }
    }
}
