//! The venues Enigma knows. A closed list, so that adding one makes the compiler name every place.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A market of an exchange with its own protocol. Spot and futures of one exchange are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VenueId {
    /// Binance spot.
    BinanceSpot,
    /// Binance USDⓈ-margined futures.
    BinanceUsdm,
}

/// A name that is no venue of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no venue is called `{0}`")]
pub struct UnknownVenue(pub String);

impl VenueId {
    pub const ALL: [Self; 2] = [Self::BinanceSpot, Self::BinanceUsdm];

    pub const fn name(self) -> &'static str {
        match self {
            Self::BinanceSpot => "binance_spot",
            Self::BinanceUsdm => "binance_usdm",
        }
    }

    /// Whether the venue knows positions. Where it doesn't, what is held is told as balances, and
    /// a position of ours is the sum of our fills.
    pub const fn tells_positions(self) -> bool {
        match self {
            Self::BinanceSpot => false,
            Self::BinanceUsdm => true,
        }
    }
}

impl fmt::Display for VenueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for VenueId {
    type Err = UnknownVenue;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|venue| venue.name() == name)
            .ok_or_else(|| UnknownVenue(name.into()))
    }
}
