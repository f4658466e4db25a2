//! A bounded ring from one thread to one other: what the threads of the layout `split` hand over.
//!
//! Pushing and popping take no lock, make no system call and allocate nothing; neither end ever
//! waits for the other. A full ring gives the item back: what that means is the caller's to say.
//! Items are plain values, so that nothing has to be dropped. Under `--cfg loom` this file is
//! checked by the models in `engine/loom`, so that it may name nothing of this crate.

#![expect(unsafe_code, reason = "two threads share the slots; the indices say whose each one is")]

use std::fmt;

use crossbeam::utils::CachePadded;

#[cfg(loom)]
use loom::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
#[cfg(not(loom))]
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The writing end.
pub struct Producer<T> {
    ring: Arc<Ring<T>>,
    /// How many items were ever pushed. The ring's own `tail` follows it.
    tail: usize,
    /// How many were popped, as last seen: looked at again only when this leaves no room.
    head: usize,
}

/// The reading end.
pub struct Consumer<T> {
    ring: Arc<Ring<T>>,
    /// How many items were ever popped. The ring's own `head` follows it.
    head: usize,
    /// How many were pushed, as last seen: looked at again only when this leaves nothing.
    tail: usize,
}

/// The items that stood in the ring when the drain began; later ones wait for the next.
#[derive(Debug)]
pub struct Drain<'a, T> {
    consumer: &'a mut Consumer<T>,
    left: usize,
}

/// The ring has no room; here is the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// Makes a ring for at least so many items. `blank` fills the slots, so that their memory is
/// there before the first item is.
pub fn ring<T: Copy + Send>(capacity: usize, blank: T) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity.next_power_of_two();
    let ring = Arc::new(Ring {
        slots: (0..capacity).map(|_| Slot::new(blank)).collect(),
        head: CachePadded::new(AtomicUsize::new(0)),
        tail: CachePadded::new(AtomicUsize::new(0)),
    });
    let producer = Producer { ring: Arc::clone(&ring), tail: 0, head: 0 };
    (producer, Consumer { ring, head: 0, tail: 0 })
}

struct Ring<T> {
    /// A power of two of them. Item `n` stands in slot `n` modulo their number.
    slots: Box<[Slot<T>]>,
    head: CachePadded<AtomicUsize>,
    tail: CachePadded<AtomicUsize>,
}

// SAFETY: the slots are the only part that isn't shared by itself. A slot from `head` up to but
// not including `tail` is touched by the consumer alone, every other one by the producer alone;
// each index is stored with Release after the slot was used and loaded with Acquire before it is
// used by the other end. There is one of each end, and both work through `&mut`.
unsafe impl<T: Copy + Send> Sync for Ring<T> {}

impl<T: Copy + Send> Producer<T> {
    /// Adds an item, or gives it back.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<(), Full<T>> {
        if self.room_seen() == 0 && self.room() == 0 {
            return Err(Full(item));
        }
        self.ring.slot(self.tail).write(item);
        self.tail = self.tail.wrapping_add(1);
        self.ring.tail.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// For how many items there is room: the consumer can only make it more.
    #[inline]
    pub fn room(&mut self) -> usize {
        self.head = self.ring.head.load(Ordering::Acquire);
        self.room_seen()
    }

    pub fn capacity(&self) -> usize {
        self.ring.slots.len()
    }

    #[inline]
    fn room_seen(&self) -> usize {
        self.ring.slots.len() - self.tail.wrapping_sub(self.head)
    }
}

impl<T: Copy + Send> Consumer<T> {
    /// Takes the oldest item.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.head == self.tail && self.waiting() == 0 {
            return None;
        }
        let item = self.ring.slot(self.head).read();
        self.head = self.head.wrapping_add(1);
        self.ring.head.store(self.head, Ordering::Release);
        Some(item)
    }

    /// Takes what is there now.
    #[inline]
    pub fn drain(&mut self) -> Drain<'_, T> {
        let left = self.waiting();
        Drain { consumer: self, left }
    }

    /// How many items there are: the producer can only make it more.
    #[inline]
    pub fn waiting(&mut self) -> usize {
        self.tail = self.ring.tail.load(Ordering::Acquire);
        self.tail.wrapping_sub(self.head)
    }

    pub fn capacity(&self) -> usize {
        self.ring.slots.len()
    }
}

impl<T: Copy + Send> Iterator for Drain<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        self.consumer.pop()
    }
}

impl<T> Ring<T> {
    #[inline]
    fn slot(&self, index: usize) -> &Slot<T> {
        // Their number is a power of two: the mask keeps the index inside.
        &self.slots[index & (self.slots.len() - 1)]
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("pushed", &self.tail).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("popped", &self.head).finish_non_exhaustive()
    }
}

#[cfg(not(loom))]
struct Slot<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T: Copy> Slot<T> {
    const fn new(blank: T) -> Self {
        Self(std::cell::UnsafeCell::new(blank))
    }

    #[inline]
    fn write(&self, item: T) {
        // SAFETY: only the producer writes, and only while the slot is its own, as said above.
        unsafe { *self.0.get() = item }
    }

    #[inline]
    fn read(&self) -> T {
        // SAFETY: only the consumer reads, and only while the slot is its own, as said above.
        // Every slot holds a valid item from the start.
        unsafe { *self.0.get() }
    }
}

#[cfg(loom)]
struct Slot<T>(loom::cell::UnsafeCell<T>);

#[cfg(loom)]
impl<T: Copy> Slot<T> {
    fn new(blank: T) -> Self {
        Self(loom::cell::UnsafeCell::new(blank))
    }

    fn write(&self, item: T) {
        // SAFETY: as above; the model checks that nobody else has the slot.
        self.0.with_mut(|slot| unsafe { *slot = item });
    }

    fn read(&self) -> T {
        // SAFETY: as above; the model checks that nobody writes the slot.
        self.0.with(|slot| unsafe { *slot })
    }
}

#[cfg(all(test, not(loom)))]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_their_order_and_a_full_ring_gives_the_item_back() {
        let (mut producer, mut consumer) = ring(3, 0);
        assert_eq!((producer.capacity(), consumer.capacity()), (4, 4));
        for round in 0..100_u32 {
            for item in 0..4 {
                assert_eq!(producer.room(), 4 - item as usize);
                producer.push(round * 10 + item).unwrap();
            }
            assert_eq!(producer.push(7), Err(Full(7)));
            assert_eq!(consumer.waiting(), 4);
            assert_eq!(consumer.pop(), Some(round * 10));
            assert!(consumer.drain().eq((1..4).map(|item| round * 10 + item)));
            assert_eq!(consumer.pop(), None);
        }
    }

    #[test]
    fn a_drain_takes_only_what_stood_there_when_it_began() {
        let (mut producer, mut consumer) = ring(8, 0);
        producer.push(1).unwrap();
        let mut drain = consumer.drain();
        producer.push(2).unwrap();
        assert_eq!((drain.next(), drain.next()), (Some(1), None));
        assert_eq!(consumer.pop(), Some(2));
    }

    #[test]
    fn a_ring_of_one_hands_over_one_by_one() {
        let (mut producer, mut consumer) = ring(1, 0);
        for item in 1..10 {
            producer.push(item).unwrap();
            assert_eq!(producer.push(0), Err(Full(0)));
            assert_eq!(consumer.pop(), Some(item));
        }
    }

    #[test]
    fn two_threads_lose_double_and_tear_nothing() {
        // Miri takes a thousand times as long for each.
        let items: u64 = if cfg!(miri) { 500 } else { 2_000_000 };
        let (mut producer, mut consumer) = ring(64, [0_u64; 8]);
        let reader = std::thread::spawn(move || {
            let mut expected = 0;
            while expected < items {
                let mut any = false;
                for item in consumer.drain() {
                    assert_eq!(item, [expected; 8]);
                    expected += 1;
                    any = true;
                }
                if !any {
                    std::thread::yield_now();
                }
            }
            assert_eq!(consumer.pop(), None);
        });
        for number in 0..items {
            let mut item = [number; 8];
            while let Err(Full(back)) = producer.push(item) {
                item = back;
                std::thread::yield_now();
            }
        }
        reader.join().unwrap();
    }
}
