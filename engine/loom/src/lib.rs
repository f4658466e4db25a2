//! The ring, the book slot and the wake-ups of the layout `split` under every interleaving that
//! the memory model allows. Empty unless built by `make loom`.
//!
//! The very files of the engine are compiled here, with loom's atomics in place of the standard
//! ones; the rest of the engine isn't, for it would take minutes.

#![cfg(all(loom, test))]

#[path = "../../src/split/barrier.rs"]
mod barrier;
#[path = "../../src/book_slot/cell.rs"]
mod cell;
#[path = "../../src/book_slot/dirty.rs"]
#[expect(dead_code, reason = "the engine uses the rest")]
mod dirty;
#[path = "../../src/split/doorbell.rs"]
mod doorbell;
#[path = "../../src/queue.rs"]
#[expect(dead_code, reason = "the engine uses the rest")]
mod queue;

mod books;
mod handover;
mod ring;

/// Runs a model over every interleaving that has at most so many switches which no thread asked
/// for. Without a bound the larger models take hours; with three the smaller ones miss nothing
/// that was ever found without.
fn check(switches: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = switches;
    builder.check(model);
}
