//! What a person says about a strategy: its kind, instrument, parameters and limits, as decimals.
//!
//! Settings files, the API and the journal all hold a strategy in this one shape.

use core::fmt;

use arrayvec::ArrayString;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::limits::StrategyLimits;

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
    /// Names such as `binance_usdm:BTCUSDT`; `quoter` and `taker` take exactly one.
    pub instruments: Vec<String>,
    #[serde(default)]
    pub parameters: Parameters,
    #[serde(default)]
    pub limits: StrategyLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyKind {
    Quoter,
    Taker,
}

/// The parameters of every kind in one flat shape; `StrategySpec::check` says which belong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Quantity of each order, in the base asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Decimal>,
    /// The net position, long or short, that the strategy stays within.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_position: Option<Decimal>,
    /// `quoter`: distance of each quote from the microprice, in ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_spread_ticks: Option<u32>,
    /// `quoter`: how far both quotes move against a full position, in ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ticks: Option<u32>,
    /// `quoter`: a quote this many ticks off its target is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requote_ticks: Option<u32>,
    /// `taker`: share of the touch's quantity, in per cent, that must stand on one side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imbalance_percent: Option<u32>,
    /// `taker`: sends on every book change, alternating sides; what the benchmark runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_tick: Option<bool>,
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
        self.check_presence()?;
        self.check_bounds()
    }

    fn check_presence(&self) -> Result<(), SpecError> {
        let given = &self.parameters;
        let (quoter, taker) = (StrategyKind::Quoter, StrategyKind::Taker);
        let rows = [
            ("quantity", given.quantity.is_some(), None, true),
            ("max_position", given.max_position.is_some(), None, true),
            ("half_spread_ticks", given.half_spread_ticks.is_some(), Some(quoter), true),
            ("skew_ticks", given.skew_ticks.is_some(), Some(quoter), false),
            ("requote_ticks", given.requote_ticks.is_some(), Some(quoter), false),
            ("imbalance_percent", given.imbalance_percent.is_some(), Some(taker), false),
            ("every_tick", given.every_tick.is_some(), Some(taker), false),
        ];
        for (parameter, present, owner, needed) in rows {
            let ours = owner.is_none_or(|owner| owner == self.kind);
            if present && !ours {
                return Err(SpecError::Foreign { kind: self.kind, parameter });
            }
            if needed && ours && !present {
                return Err(SpecError::Missing { kind: self.kind, parameter });
            }
        }
        Ok(())
    }

    fn check_bounds(&self) -> Result<(), SpecError> {
        let given = &self.parameters;
        for (parameter, value) in
            [("quantity", given.quantity), ("max_position", given.max_position)]
        {
            if value.is_some_and(|value| value <= Decimal::ZERO) {
                return Err(SpecError::NotPositive { parameter });
            }
        }
        let rows = [
            ("half_spread_ticks", given.half_spread_ticks, 0, 100_000),
            ("skew_ticks", given.skew_ticks, 0, 100_000),
            ("requote_ticks", given.requote_ticks, 1, 100_000),
            ("imbalance_percent", given.imbalance_percent, 51, 100),
        ];
        for (parameter, value, low, high) in rows {
            if value.is_some_and(|value| !(low..=high).contains(&i64::from(value))) {
                return Err(SpecError::OutOfBounds { parameter, low, high });
            }
        }
        Ok(())
    }
}

impl StrategyId {
    /// Orders placed by hand belong to this pseudo strategy.
    pub const MANUAL: Self = Self(0);
}

impl StrategyKind {
    pub const ALL: [Self; 2] = [Self::Quoter, Self::Taker];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Quoter => "quoter",
            Self::Taker => "taker",
        }
    }
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

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn check_name(name: &str) -> Result<(), SpecError> {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if name.is_empty() || !name.bytes().all(legal) || name == "manual" {
        return Err(SpecError::Name(name.into()));
    }
    Ok(())
}
