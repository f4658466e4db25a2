//! What a person says about a strategy: its kind, instrument, parameters and limits, as decimals.
//!
//! Settings files, the API and the journal all hold a strategy in this one shape.

mod kinds;
mod parameters;
mod schema;
#[cfg(test)]
mod tests;

use arrayvec::ArrayString;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::decimal::Amount;
use crate::limits::StrategyLimits;
use crate::quantity::Quantity;

pub use kinds::{ParameterSpec, Presence, StrategyKind, Unit, Values};
pub use parameters::{CatchUp, OutsideRange, ParameterValue, Parameters, SliceStyle, Spacing};
pub use schema::ParameterSchema;

/// A strategy's place in this run; 0 is the person at the API, who places orders by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StrategyId(pub u16);

/// The name the operator gave it: 1 to 32 of `a-z 0-9 - _`.
pub type StrategyName = ArrayString<32>;

/// A strategy as an operator describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StrategySpec {
    pub id: StrategyName,
    pub kind: StrategyKind,
    /// Names such as `binance_usdm:BTCUSDT`; every kind so far takes exactly one.
    pub instruments: Vec<String>,
    #[serde(default)]
    pub parameters: Parameters,
    #[serde(default)]
    pub limits: StrategyLimits,
}

/// How a strategy's orders are executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Against the embedded simulator.
    #[default]
    Simulated,
    /// On the venue, with money. Refused until there is a vault.
    Live,
}

/// Where a strategy stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum StrategyState {
    #[default]
    Loaded,
    /// Started, and waiting for books, sessions and reconciliation.
    Warming,
    Running,
    Paused,
    /// Stopped by an operator and waiting for the venue to confirm its cancels.
    Stopping,
    Stopped,
    /// Stopped by a fault of its own.
    Faulted,
}

/// What a strategy that has an end made of its task, so far or finally.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyResult {
    pub executed: Quantity,
    /// What the task asks for beyond that.
    pub remaining: Quantity,
    /// Quote asset for one of the base asset, rounded down; zero while nothing is executed.
    pub average_price: Amount,
}

/// What is wrong with a strategy's description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("`{0}` is no strategy id: 1 to 32 of a-z, 0-9, - and _")]
    Name(String),
    #[error("{kind} takes exactly one instrument, not {given}")]
    InstrumentCount { kind: StrategyKind, given: usize },
    #[error("{kind} needs `{parameter}`")]
    Missing { kind: StrategyKind, parameter: &'static str },
    #[error("{kind} doesn't know `{parameter}`")]
    Foreign { kind: StrategyKind, parameter: &'static str },
    #[error("`{parameter}` must lie between {low} and {high}")]
    OutOfBounds { parameter: &'static str, low: i64, high: i64 },
    #[error("`{parameter}` must be above zero")]
    NotPositive { parameter: &'static str },
    #[error("`{parameter}` must not be below zero")]
    Negative { parameter: &'static str },
    #[error("`{first}` and `{second}` say the same thing: give one of them")]
    Together { first: &'static str, second: &'static str },
    #[error("`{low}` must lie below `{high}`")]
    NotBelow { low: &'static str, high: &'static str },
    #[error("`{parameter}` must be {most} at the most")]
    TooLarge { parameter: &'static str, most: Decimal },
    #[error("`{parameter}` is less than {instrument} lets one order be")]
    TooSmall { parameter: &'static str, instrument: String },
    #[error("`{parameter}`: neighbours would lie less than a tick apart")]
    TooFine { parameter: &'static str },
    #[error("`{parameter}` is not a multiple of {unit} of {instrument}")]
    OffGrid { parameter: &'static str, unit: Decimal, instrument: String },
    #[error("there is no instrument {0}")]
    UnknownInstrument(String),
}

impl StrategySpec {
    /// Checks all that can be checked without knowing the instrument.
    pub fn check(&self) -> Result<(), SpecError> {
        check_name(&self.id)?;
        if self.instruments.len() != 1 {
            let given = self.instruments.len();
            return Err(SpecError::InstrumentCount { kind: self.kind, given });
        }
        self.kind.check(&self.parameters)
    }
}

impl StrategyId {
    /// Orders placed by hand belong to this pseudo strategy.
    pub const MANUAL: Self = Self(0);
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Live => "live",
        }
    }
}

impl StrategyState {
    pub const ALL: [Self; 7] = [
        Self::Loaded,
        Self::Warming,
        Self::Running,
        Self::Paused,
        Self::Stopping,
        Self::Stopped,
        Self::Faulted,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Warming => "warming",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Faulted => "faulted",
        }
    }
}

fn check_name(name: &str) -> Result<(), SpecError> {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if name.is_empty() || !name.bytes().all(legal) || name == "manual" {
        return Err(SpecError::Name(name.into()));
    }
    Ok(())
}
