//! The parts of a gateway: its places and what lives in them, its pace of dialling, its counters,
//! its sockets. What drives them is `gateway_thread`.

pub mod counters;
pub mod events;
pub mod order_sockets;
pub mod pace;
pub mod plan;

pub(crate) mod core;
pub(crate) mod live;
pub(crate) mod slot;
