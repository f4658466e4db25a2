//! The trading core as a sans-IO state machine: orders, positions, risk, strategies.
//!
//! Commands, reports, books, session states and timers come in; requests to venues and journal
//! records go out. Nothing here touches a socket, a file, a thread, a clock or the environment,
//! and this crate never imports a venue.

pub mod command;
pub mod desk;
pub mod digest;
pub mod ids;
pub mod journal;
pub mod orders;
pub mod positions;
pub mod record;
pub mod risk;
pub mod strategy;
