//! The data plane: threads, sockets, files and the clock around the pure venue sessions and desk.
//!
//! The only crate that knows the world. It never imports the control plane, and nothing slow runs
//! on its pinned thread.

pub mod book_slot;
pub mod clock;
pub mod connection;
pub mod connector;
pub mod counters;
pub mod gateway;
pub mod gateway_thread;
pub mod handle;
pub mod history;
pub mod journal;
pub mod latency;
pub mod pin;
pub mod projector;
pub mod queue;
pub mod settings;
pub mod snapshot;
pub mod supervisor;
pub mod tls;
mod trading_thread;

pub use enigma_trading::command;
pub use enigma_trading::risk::Limit;
pub use enigma_venues::session::{AlertKind, HostRole};
pub use enigma_venues::signer;
pub use handle::{Barrier, CommandError, EngineHandle, EngineStatus, KillReceipt, Phase};
pub use supervisor::{Engine, EngineError};

use enigma_trading::risk::RiskCheck;

/// The risk checks in their order: number, `C` name, name, and what each refuses.
pub fn risk_checks() -> impl Iterator<Item = (u8, String, &'static str, &'static str)> {
    RiskCheck::ALL.into_iter().map(|check| {
        (check.code(), format!("C{}", check.code()), check.name(), check.description())
    })
}

#[cfg(test)]
mod loopback;
