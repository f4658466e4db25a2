//! The layout `split`: a gateway thread and a trading thread, each on its own core, with rings and
//! book slots between them.
//!
//! The engine doesn't run it: this folder is no module of the crate, and `lib.rs` doesn't name it.
//! Its two files are compiled by `engine/loom` alone, which checks them before anything rests on
//! them.

pub(crate) mod barrier;
pub(crate) mod doorbell;
