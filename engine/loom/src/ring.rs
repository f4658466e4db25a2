//! The ring: nothing lost, doubled or torn, and a slot is never both ends' at once.

use loom::thread;

use crate::check;
use crate::queue::{Full, ring};

#[test]
fn items_cross_whole_and_in_order_over_a_ring_that_gets_full() {
    check(None, || {
        let (mut producer, mut consumer) = ring(2, [0; 2]);
        let writer = thread::spawn(move || {
            let mut pushed = 0;
            for item in 1..=3_u64 {
                // A full ring gives the item back, and this writer gives up.
                match producer.push([item; 2]) {
                    Ok(()) => pushed = item,
                    Err(Full(back)) => {
                        assert_eq!(back, [item; 2]);
                        break;
                    }
                }
            }
            pushed
        });
        let mut popped = 0;
        for _ in 0..2 {
            for item in consumer.drain() {
                popped += 1;
                assert_eq!(item, [popped; 2]);
            }
        }
        let pushed = writer.join().unwrap();
        assert!(pushed >= 2, "a ring of two has room for two");
        while let Some(item) = consumer.pop() {
            popped += 1;
            assert_eq!(item, [popped; 2]);
        }
        assert_eq!(popped, pushed);
    });
}

#[test]
fn a_slot_is_written_again_only_after_it_was_read() {
    check(None, || {
        let (mut producer, mut consumer) = ring(1, 0_u64);
        producer.push(1).unwrap();
        let writer = thread::spawn(move || producer.push(2).is_ok());
        let first = consumer.pop();
        assert_eq!(first, Some(1));
        let pushed = writer.join().unwrap();
        assert_eq!(consumer.pop(), pushed.then_some(2));
    });
}

#[test]
fn room_and_waiting_never_promise_too_much() {
    check(None, || {
        let (mut producer, mut consumer) = ring(2, 0_u64);
        producer.push(1).unwrap();
        let reader = thread::spawn(move || {
            let waiting = consumer.waiting();
            (0..waiting).all(|_| consumer.pop().is_some())
        });
        let room = producer.room();
        assert!((1..=2).contains(&room));
        assert!((0..room).all(|_| producer.push(2).is_ok()));
        assert!(reader.join().unwrap());
    });
}
