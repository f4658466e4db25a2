//! The parts of a gateway thread: its slots, its back-off and budget, its counters, its sockets.

pub mod counters;
