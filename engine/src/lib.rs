//! The data plane: threads, sockets, files and the clock around the pure venue sessions and desk.
//!
//! The only crate that knows the world. It never imports the control plane, and nothing slow runs
//! on its pinned thread.

pub mod clock;
pub mod connection;
pub mod connector;
pub mod counters;
pub mod gateway;
pub mod gateway_thread;
pub mod journal;
pub mod latency;
pub mod pin;
pub mod projector;
pub mod settings;
pub mod snapshot;
pub mod tls;

#[cfg(test)]
mod loopback;
