//! What a reader of the slots may rely on: whole books, the newest ones, each once.

use super::*;

/// A book all of whose numbers follow from one.
fn book(instrument: u16, number: i64, depth: usize) -> PostedBook {
    let mut book = BookTop::empty(InstrumentId(instrument));
    let level = |place: usize| Level {
        price: Price(number * 100 + place as i64),
        quantity: Quantity(number),
    };
    book.set_bids((0..depth).map(level));
    book.set_asks((10..10 + depth).map(level));
    book.sequence = Sequence(number.unsigned_abs());
    book.venue_time = UnixNanos(number.unsigned_abs() + 1);
    book.received_at = Nanos(number.unsigned_abs() + 2);
    let received = Nanos(number.unsigned_abs() + 3);
    let stages = StageStamps { opened: received.plus(Nanos(1)), decoded: received.plus(Nanos(2)) };
    let sampled = (number % 2 == 0).then_some(stages);
    PostedBook { book, stamps: Stamps { received, sampled }, venue_offset_ns: -number }
}

fn post(writer: &mut BookWriter, posted: &PostedBook) {
    writer.post(&posted.book, &posted.stamps, posted.venue_offset_ns);
}

#[test]
fn a_book_comes_out_as_it_was_posted() {
    let (mut writer, mut reader) = books(3);
    assert!(!reader.look() && !reader.has_news());
    for (number, depth) in [(1, 10), (2, 0), (3, 4), (4, 1)] {
        let posted = book(1, number, depth);
        post(&mut writer, &posted);
        assert!(reader.has_news() && reader.look());
        assert_eq!(reader.next_book(), Some(posted), "depth {depth}");
        assert_eq!(reader.next_book(), None);
        assert!(!reader.has_news());
    }
}

#[test]
fn of_several_states_only_the_newest_is_read_and_only_once() {
    let (mut writer, mut reader) = books(2);
    for number in 1..=5 {
        post(&mut writer, &book(0, number, 10));
    }
    assert!(reader.look());
    assert_eq!(reader.next_book(), Some(book(0, 5, 10)));
    assert_eq!(reader.next_book(), None);

    post(&mut writer, &book(0, 6, 10));
    assert!(reader.look());
    post(&mut writer, &book(0, 7, 10));
    assert_eq!(reader.next_book(), Some(book(0, 7, 10)), "newer than its bit");
    assert!(reader.look(), "the bit of the second state is still there");
    assert_eq!(reader.next_book(), None, "its state was read already");
}

#[test]
fn every_instrument_has_a_slot_and_a_bit() {
    let count = InstrumentTable::CAPACITY;
    let (mut writer, mut reader) = books(count);
    for place in 0..count {
        post(&mut writer, &book(place as u16, place as i64 + 1, 2));
    }
    assert!(reader.look());
    for place in 0..count {
        assert_eq!(reader.next_book(), Some(book(place as u16, place as i64 + 1, 2)));
    }
    assert_eq!(reader.next_book(), None);
}

#[test]
fn a_book_without_a_slot_is_not_shown() {
    let (mut writer, mut reader) = books(1);
    post(&mut writer, &book(1, 1, 1));
    assert!(!reader.look() && !reader.has_news());
}

#[test]
fn two_threads_see_whole_books_that_only_get_newer_and_the_last_of_each() {
    let states: i64 = if cfg!(miri) { 50 } else { 200_000 };
    const INSTRUMENTS: u16 = 3;
    let (mut writer, mut reader) = books(usize::from(INSTRUMENTS));
    let seen = std::thread::spawn(move || {
        let mut newest = [0; INSTRUMENTS as usize];
        while newest.iter().any(|&number| number < states) {
            if !reader.look() {
                std::thread::yield_now();
            }
            while let Some(posted) = reader.next_book() {
                let number = -posted.venue_offset_ns;
                let instrument = posted.book.instrument.0;
                let depth = (number % 10) as usize;
                assert_eq!(posted, book(instrument, number, depth));
                let before = &mut newest[usize::from(instrument)];
                assert!(number > *before, "{number} after {before}");
                *before = number;
            }
        }
    });
    for number in 1..=states {
        for instrument in 0..INSTRUMENTS {
            post(&mut writer, &book(instrument, number, (number % 10) as usize));
        }
    }
    seen.join().unwrap();
}
