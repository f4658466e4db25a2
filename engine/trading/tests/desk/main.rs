//! The desk from outside: commands, reports, books and time in, requests and records out.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

mod behaviour;
mod bench;
mod faults;
mod invariants;
mod reconciliation;
mod recovery;
mod simulation;
mod toy_venue;
