//! What Binance's spot and futures markets share on the wire: keys and signatures, the form of
//! parameters, request weight, the SUBSCRIBE dialogue, the WebSocket envelope, faults.
//!
//! Error codes, ids, filters, depth rules and user events differ and stay with each market.

pub mod auth;
pub mod envelope;
pub mod parameters;
pub mod reject;
pub mod rest;
pub mod roles;
pub mod streams;
pub mod trouble;
pub mod weight;

use serde::{Deserialize, Serialize};

/// The two markets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Product {
    #[serde(rename = "binance_spot")]
    Spot,
    #[serde(rename = "binance_usdm")]
    Usdm,
}

impl Product {
    pub fn name(self) -> &'static str {
        match self {
            Self::Spot => "binance_spot",
            Self::Usdm => "binance_usdm",
        }
    }
}
