//! The venues as servers on loopback.
//!
//! `exchange` is the pure state machine, `market` feeds it, `dialects` speak for a venue,
//! `server` and `connection` own the sockets. Nothing here is shared with the client side of the
//! wire, so that a misreading of a venue's document cannot hide in both.

pub mod connection;
pub mod credentials;
pub mod dialects;
pub mod exchange;
pub mod faults;
pub mod host;
pub mod market;
pub mod pacing;
pub mod random;
pub mod server;
pub mod settings;
mod simulator;
pub mod socket;
pub mod tls;
pub mod view;

pub use credentials::TestAccount;
pub use dialects::binance::Product;
pub use dialects::binance::roles::Role;
pub use faults::{Fault, FaultFileError, FaultKind, Socket};
pub use host::Measurements;
pub use settings::{
    ConnectionRules, MarketSettings, ReplaySpeed, SimulatorConfig, Transport, VenueName,
};
pub use simulator::{
    Endpoints, FaultControl, Simulator, SimulatorError, SimulatorHandle, SpotEndpoints,
    UsdmEndpoints,
};
pub use view::{AccountView, FillView, OrderView, PositionView};
