//! The control plane: HTTP API, CLI, metrics. It runs on its own tokio runtime, never on the
//! pinned thread, and knows venues and trading only by what the engine shows.

mod access;
mod app;
mod auth;
pub mod cli;
mod daemon;
mod engine;
mod events;
mod idempotency;
mod manual_orders;
mod metrics;
mod naming;
mod openapi;
mod order_counts;
mod problem;
mod request;
mod risk_checks;
mod routes;
mod store;
mod tally;
mod timestamp;
