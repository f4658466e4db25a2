//! Slot and bitmap: no mixture is ever taken for a state, and the newest state is always found.

use loom::sync::Arc;
use loom::thread;

use crate::cell::{SequenceCell, Version};
use crate::check;
use crate::dirty::DirtyBits;

type Cell = SequenceCell<2>;

fn pair(cell: &Cell) -> Option<(Version, [u64; 2])> {
    cell.read(|words| [words.get(0), words.get(1)])
}

#[test]
fn no_read_is_torn_and_none_goes_back() {
    check(Some(3), || {
        let cell = Arc::new(Cell::new());
        let shared = Arc::clone(&cell);
        let writer = thread::spawn(move || {
            shared.publish([1, 1]);
            shared.publish([2, 2]);
        });
        let mut newest = 0;
        for _ in 0..2 {
            if let Some((version, [first, second])) = pair(&cell) {
                assert_eq!(first, second, "two states were mixed");
                assert_eq!(version, Version(first), "the version names the state");
                assert!(first >= newest, "{first} after {newest}");
                newest = first;
            }
        }
        writer.join().unwrap();
        assert_eq!(pair(&cell), Some((Version(2), [2, 2])), "nobody writes: the newest");
    });
}

#[test]
fn two_readers_do_not_disturb_each_other() {
    check(Some(3), || {
        let cell = Arc::new(Cell::new());
        let (here, there) = (Arc::clone(&cell), Arc::clone(&cell));
        let writer = thread::spawn(move || here.publish([1, 1]));
        let reader = thread::spawn(move || pair(&there).map(|(_, words)| words));
        for words in [pair(&cell).map(|(_, words)| words), reader.join().unwrap()] {
            assert!(matches!(words, None | Some([0, 0] | [1, 1])), "{words:?}");
        }
        writer.join().unwrap();
    });
}

#[test]
fn a_bit_that_was_taken_shows_its_state_or_a_newer_one() {
    check(Some(3), || {
        let shared = Arc::new((Cell::new(), DirtyBits::<1>::new()));
        let writing = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            for number in 1..=2 {
                writing.0.publish([number, number]);
                writing.1.set(5);
            }
        });
        let (cell, dirty) = &*shared;
        let mut newest = 0;
        let mut pending = 0;
        for _ in 0..2 {
            let taken = dirty.take(0);
            pending |= taken;
            if pending == 1 << 5
                && let Some((_, [first, second])) = pair(cell)
            {
                assert_eq!(first, second);
                assert!(first >= 1, "the bit came before its state");
                pending = 0;
                newest = first;
            }
        }
        writer.join().unwrap();
        pending |= dirty.take(0);
        if pending != 0 {
            newest = pair(cell).unwrap().1[0];
        }
        assert_eq!(newest, 2, "the last state was never seen");
    });
}
