//! Sleep, wake-up and barrier: nobody sleeps over what was handed to him, and what was handed over
//! before a mark is done when the mark is passed.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use crate::barrier::Barrier;
use crate::check;
use crate::doorbell::Doorbell;
use crate::queue::ring;

/// What `mio::Waker` is to the engine: a wake-up that stays until it is slept for.
struct Waker(AtomicBool);

impl Waker {
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn wake(&self) {
        self.0.swap(true, Ordering::AcqRel);
    }

    /// Without a wake-up this never ends, and the model says that it is stuck.
    fn sleep(&self) {
        while !self.0.swap(false, Ordering::AcqRel) {
            thread::yield_now();
        }
    }
}

#[test]
fn whoever_lies_down_is_woken_by_what_comes_then() {
    check(None, || {
        let bell = Arc::new((Doorbell::new(), Waker::new()));
        let (mut producer, mut consumer) = ring(2, 0_u64);
        let ringing = Arc::clone(&bell);
        let writer = thread::spawn(move || {
            for item in 1..=2 {
                producer.push(item).unwrap();
                if ringing.0.ring() {
                    ringing.1.wake();
                }
            }
        });
        let mut seen = 0;
        while seen < 2 {
            if let Some(item) = consumer.pop() {
                seen = item;
                continue;
            }
            bell.0.lie_down();
            if consumer.waiting() == 0 {
                bell.1.sleep();
            }
            bell.0.get_up();
        }
        writer.join().unwrap();
    });
}

#[test]
fn what_was_handed_over_before_a_mark_is_done_when_it_is_passed() {
    check(None, || {
        let shared = Arc::new((Barrier::new(), AtomicU64::new(0)));
        let (mut producer, mut consumer) = ring(4, 0_u64);
        let (mut report, mut reports) = ring(4, 0_u64);
        let gateway = Arc::clone(&shared);
        let other = thread::spawn(move || {
            let (barrier, written) = &*gateway;
            for _ in 0..2 {
                let pending = barrier.pending();
                for item in consumer.drain() {
                    // Relaxed: only the barrier makes it visible.
                    written.store(item, Ordering::Relaxed);
                    report.push(item).unwrap();
                }
                if let Some(mark) = pending {
                    barrier.pass(mark);
                }
            }
        });
        let (barrier, written) = &*shared;
        producer.push(1).unwrap();
        let mark = barrier.raise();
        producer.push(2).unwrap();
        if barrier.passed() >= mark {
            assert!(written.load(Ordering::Relaxed) >= 1, "an order left after the receipt");
            assert_eq!(reports.pop(), Some(1), "its report isn't there yet");
        }
        other.join().unwrap();
    });
}
