//! The desk from outside: commands, reports, books and time in, requests and records out.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

mod base_fees;
mod bench;
mod cancels;
mod faults;
mod invariants;
mod limits;
mod network;
mod operator;
mod orders;
mod reconciliation;
mod recovery;
mod simulation;
mod strategies;
mod toy_venue;
