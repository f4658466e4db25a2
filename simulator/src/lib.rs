//! The venues as servers on loopback.
//!
//! `exchange` is the pure state machine, `market` feeds it, `dialects` speak for a venue.
//! Nothing here is shared with the client side of the wire, so that a misreading of a venue's
//! document cannot hide in both.

pub mod dialects;
pub mod exchange;
pub mod faults;
pub mod market;
pub mod random;
