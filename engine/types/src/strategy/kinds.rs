//! The kinds of strategy, and one table for each of the parameters it takes: names, units,
//! defaults, bounds. Validation, the values of what isn't given, and the published schema are all
//! read from these tables.

use core::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::SpecError;
use super::parameters::{CatchUp, OutsideRange, ParameterValue, Parameters, SliceStyle, Spacing};
use crate::order::Side;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrategyKind {
    Quoter,
    Taker,
    Twap,
    Grid,
}

/// One parameter of one kind, as a form or a schema shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// What the number counts; `None` where it is a choice.
    pub unit: Option<Unit>,
    pub values: Values,
    pub presence: Presence,
}

/// What a parameter's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The instrument's base asset.
    Base,
    /// The instrument's quote asset for one of the base asset.
    Price,
    Ticks,
    Percent,
    Seconds,
    Count,
}

/// The values that a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// A decimal written as text, above zero.
    AboveZero,
    /// A decimal written as text, zero or above.
    FromZero,
    Whole {
        minimum: u32,
        maximum: u32,
    },
    Flag,
    Choice(&'static [&'static str]),
}

/// What holds where a parameter isn't given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Required,
    /// Nothing; the description says what that means.
    Optional,
    Default(ParameterValue),
}

impl StrategyKind {
    pub const ALL: [Self; 4] = [Self::Quoter, Self::Taker, Self::Twap, Self::Grid];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Quoter => "quoter",
            Self::Taker => "taker",
            Self::Twap => "twap",
            Self::Grid => "grid",
        }
    }

    /// What it does, in a sentence or two.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Quoter => {
                "Keeps a post-only bid and ask around the microprice and leans against its position."
            }
            Self::Taker => {
                "Takes the touch when the book leans far enough to one side, or on every change."
            }
            Self::Twap => {
                "Works one parent order in slices over a time, within a limit price, then stops."
            }
            Self::Grid => {
                "Keeps post-only orders on levels between two prices and answers each fill one \
                 level away. It sells only what it bought and what `initial_position` gives it."
            }
        }
    }

    /// The parameters it takes; all others are foreign to it.
    pub const fn parameters(self) -> &'static [ParameterSpec] {
        match self {
            Self::Quoter => QUOTER,
            Self::Taker => TAKER,
            Self::Twap => TWAP,
            Self::Grid => GRID,
        }
    }

    /// Two parameters of which only one may be given.
    pub const fn exclusive(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Twap => Some(["slices", "interval_seconds"]),
            Self::Quoter | Self::Taker | Self::Grid => None,
        }
    }

    pub(super) fn check(self, given: &Parameters) -> Result<(), SpecError> {
        for name in Parameters::NAMES {
            if given.value(name).is_some() && self.parameter(name).is_none() {
                return Err(SpecError::Foreign { kind: self, parameter: name });
            }
        }
        for row in self.parameters() {
            match given.value(row.name) {
                Some(value) => row.check(value)?,
                None if row.presence == Presence::Required => {
                    return Err(SpecError::Missing { kind: self, parameter: row.name });
                }
                None => {}
            }
        }
        if let Some([first, second]) = self.exclusive()
            && given.value(first).is_some()
            && given.value(second).is_some()
        {
            return Err(SpecError::Together { first, second });
        }
        self.check_together(given)
    }

    /// What one parameter must be to another.
    fn check_together(self, given: &Parameters) -> Result<(), SpecError> {
        match self {
            Self::Quoter | Self::Taker => Ok(()),
            Self::Twap => {
                // A slice lasts a second at least, and there is at least one.
                let high = i64::from(given.duration_seconds.unwrap_or_default());
                for (parameter, value) in
                    [("slices", given.slices), ("interval_seconds", given.interval_seconds)]
                {
                    if value.is_some_and(|value| i64::from(value) > high) {
                        return Err(SpecError::OutOfBounds { parameter, low: 1, high });
                    }
                }
                Ok(())
            }
            Self::Grid if given.lower_price >= given.upper_price => {
                Err(SpecError::NotBelow { low: "lower_price", high: "upper_price" })
            }
            Self::Grid => Ok(()),
        }
    }

    pub fn parameter(self, name: &str) -> Option<&'static ParameterSpec> {
        self.parameters().iter().find(|row| row.name == name)
    }
}

impl Parameters {
    /// With the defaults of the kind where nothing is given.
    #[must_use]
    pub fn or_defaults(&self, kind: StrategyKind) -> Self {
        let mut whole = self.clone();
        for row in kind.parameters() {
            if let Presence::Default(value) = row.presence
                && self.value(row.name).is_none()
                && kind.exclusive().is_none_or(|pair| {
                    !pair.contains(&row.name) || pair.iter().all(|name| self.value(name).is_none())
                })
            {
                let fits = whole.set(row.name, value);
                debug_assert!(fits, "a default has its parameter's type");
            }
        }
        whole
    }
}

impl ParameterSpec {
    fn check(&self, value: ParameterValue) -> Result<(), SpecError> {
        let parameter = self.name;
        match (self.values, value) {
            (Values::AboveZero, ParameterValue::Decimal(value)) if value <= Decimal::ZERO => {
                Err(SpecError::NotPositive { parameter })
            }
            (Values::FromZero, ParameterValue::Decimal(value)) if value < Decimal::ZERO => {
                Err(SpecError::Negative { parameter })
            }
            (Values::Whole { minimum, maximum }, ParameterValue::Whole(value))
                if !(minimum..=maximum).contains(&value) =>
            {
                let (low, high) = (i64::from(minimum), i64::from(maximum));
                Err(SpecError::OutOfBounds { parameter, low, high })
            }
            // The type of a parameter leaves no other value.
            (
                Values::AboveZero
                | Values::FromZero
                | Values::Whole { .. }
                | Values::Flag
                | Values::Choice(_),
                _,
            ) => Ok(()),
        }
    }

    const fn new(
        name: &'static str,
        title: &'static str,
        unit: Option<Unit>,
        values: Values,
        description: &'static str,
    ) -> Self {
        Self { name, title, description, unit, values, presence: Presence::Required }
    }

    const fn or(self, value: ParameterValue) -> Self {
        Self { presence: Presence::Default(value), ..self }
    }

    const fn optional(self) -> Self {
        Self { presence: Presence::Optional, ..self }
    }
}

impl Unit {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Price => "price",
            Self::Ticks => "ticks",
            Self::Percent => "percent",
            Self::Seconds => "seconds",
            Self::Count => "count",
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const fn whole(minimum: u32, maximum: u32) -> Values {
    Values::Whole { minimum, maximum }
}

const ORDER_QUANTITY: ParameterSpec = ParameterSpec::new(
    "quantity",
    "Quantity",
    Some(Unit::Base),
    Values::AboveZero,
    "Quantity of each order.",
);

const MAX_POSITION: ParameterSpec = ParameterSpec::new(
    "max_position",
    "Maximum position",
    Some(Unit::Base),
    Values::AboveZero,
    "The net position, long or short, that the strategy stays within.",
);

const QUOTER: &[ParameterSpec] = &[
    ORDER_QUANTITY,
    MAX_POSITION,
    ParameterSpec::new(
        "half_spread_ticks",
        "Half spread",
        Some(Unit::Ticks),
        whole(0, 100_000),
        "Distance of each quote from the microprice.",
    ),
    ParameterSpec::new(
        "skew_ticks",
        "Skew",
        Some(Unit::Ticks),
        whole(0, 100_000),
        "How far both quotes move against a full position.",
    )
    .or(ParameterValue::Whole(0)),
    ParameterSpec::new(
        "requote_ticks",
        "Re-quote threshold",
        Some(Unit::Ticks),
        whole(1, 100_000),
        "A quote this far off its target is replaced.",
    )
    .or(ParameterValue::Whole(1)),
];

const TAKER: &[ParameterSpec] = &[
    ORDER_QUANTITY,
    MAX_POSITION,
    ParameterSpec::new(
        "imbalance_percent",
        "Imbalance",
        Some(Unit::Percent),
        whole(51, 100),
        "Share of the touch's quantity that must stand on one side.",
    )
    .or(ParameterValue::Whole(70)),
    ParameterSpec::new(
        "every_tick",
        "On every tick",
        None,
        Values::Flag,
        "Sends on every change of the book, alternating sides; what the benchmark runs.",
    )
    .or(ParameterValue::Flag(false)),
];

const TWAP: &[ParameterSpec] = &[
    ParameterSpec::new(
        "side",
        "Side",
        None,
        Values::Choice(Side::NAMES),
        "Which way the parent order trades.",
    ),
    ParameterSpec::new(
        "quantity",
        "Parent quantity",
        Some(Unit::Base),
        Values::AboveZero,
        "Quantity of the parent order; never exceeded.",
    ),
    ParameterSpec::new(
        "limit_price",
        "Limit price",
        Some(Unit::Price),
        Values::AboveZero,
        "The worst price that is accepted.",
    ),
    ParameterSpec::new(
        "duration_seconds",
        "Duration",
        Some(Unit::Seconds),
        whole(1, 604_800),
        "How long the parent order is worked, from its start on; pauses don't stop the clock.",
    ),
    ParameterSpec::new(
        "slices",
        "Slices",
        Some(Unit::Count),
        whole(1, 10_000),
        "Into how many slices of equal length the duration is cut; each lasts a second at least.",
    )
    .or(ParameterValue::Whole(10)),
    ParameterSpec::new(
        "interval_seconds",
        "Interval",
        Some(Unit::Seconds),
        whole(1, 86_400),
        "Length of a slice, in place of a number of slices.",
    )
    .optional(),
    ParameterSpec::new(
        "style",
        "Style",
        None,
        Values::Choice(SliceStyle::NAMES),
        "aggressive: immediate-or-cancel through the touch. passive: post-only at the touch; what \
         is left when four fifths of the slice are over is taken.",
    )
    .or(ParameterValue::Choice("aggressive")),
    ParameterSpec::new(
        "through_ticks",
        "Through the touch",
        Some(Unit::Ticks),
        whole(0, 1_000),
        "How far through the touch a taking order reaches, within the limit price.",
    )
    .or(ParameterValue::Whole(2)),
    ParameterSpec::new(
        "participation_percent",
        "Participation cap",
        Some(Unit::Percent),
        whole(1, 100),
        "The most of the volume traded since the slice began that may be ours. Absent: no cap.",
    )
    .optional(),
    ParameterSpec::new(
        "catch_up",
        "Catch-up",
        None,
        Values::Choice(CatchUp::NAMES),
        "spread: what was missed is spread over the remaining slices. add: it is added to the \
         next slice, up to catch_up_percent.",
    )
    .or(ParameterValue::Choice("spread")),
    ParameterSpec::new(
        "catch_up_percent",
        "Catch-up cap",
        Some(Unit::Percent),
        whole(100, 1_000),
        "With catch_up = add: how large a slice may grow, in per cent of an even slice.",
    )
    .or(ParameterValue::Whole(200)),
];

const GRID: &[ParameterSpec] = &[
    ParameterSpec::new(
        "quantity",
        "Quantity of a level",
        Some(Unit::Base),
        Values::AboveZero,
        "Quantity that each level buys and the next one sells.",
    ),
    ParameterSpec::new(
        "lower_price",
        "Lower price",
        Some(Unit::Price),
        Values::AboveZero,
        "Price of the lowest level.",
    ),
    ParameterSpec::new(
        "upper_price",
        "Upper price",
        Some(Unit::Price),
        Values::AboveZero,
        "Price of the highest level; at most a thousand times the lowest where spacing is \
         geometric.",
    ),
    ParameterSpec::new(
        "levels",
        "Levels",
        Some(Unit::Count),
        whole(2, 200),
        "How many levels there are, both ends included.",
    ),
    ParameterSpec::new(
        "spacing",
        "Spacing",
        None,
        Values::Choice(Spacing::NAMES),
        "arithmetic: the same distance between neighbours. geometric: the same ratio.",
    )
    .or(ParameterValue::Choice("arithmetic")),
    ParameterSpec::new(
        "initial_position",
        "Initial position",
        Some(Unit::Base),
        Values::FromZero,
        "What the operator has bought for the grid before its start; it is sold from the topmost \
         levels. With none, the grid buys first and sells only what it bought.",
    )
    .or(ParameterValue::Decimal(Decimal::ZERO)),
    ParameterSpec::new(
        "working_orders",
        "Working orders",
        Some(Unit::Count),
        whole(2, 100),
        "How many orders stand open at the most: those nearest to the market.",
    )
    .or(ParameterValue::Whole(20)),
    ParameterSpec::new(
        "outside_range",
        "Outside the range",
        None,
        Values::Choice(OutsideRange::NAMES),
        "wait: keeps what it holds and goes on when the market comes back. stop: cancels its \
         orders and stops; what it holds is the operator's to close.",
    )
    .or(ParameterValue::Choice("wait")),
];
