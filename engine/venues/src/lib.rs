//! Venue sessions as sans-IO state machines.
//!
//! Bytes, time, randomness and signers are arguments. Nothing here touches a socket, a file, a
//! thread, a clock or the environment, and this crate never imports the trading core.

pub mod binance;
pub mod limits;
pub mod registry;
pub mod session;
pub mod signer;
pub mod wire;
