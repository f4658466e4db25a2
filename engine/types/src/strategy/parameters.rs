//! The parameters of every kind of strategy in one flat shape, as a person writes them.
//!
//! Which of them a kind takes, and within what bounds, stands in the tables of `kinds`; nothing
//! here knows a kind.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::order::Side;

/// How `twap` sends the orders of its slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceStyle {
    /// Immediate-or-cancel through the touch, never beyond the limit price.
    Aggressive,
    /// Post-only at the touch; what is left when most of the slice is over is taken.
    Passive,
}

/// What `twap` does about quantity that earlier slices missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Spread evenly over the slices that remain.
    Spread,
    /// Added to the next slice, as far as `catch_up_percent` lets it grow.
    Add,
}

/// How the levels of `grid` lie between its lower and its upper price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    /// The same distance between neighbours.
    Arithmetic,
    /// The same ratio between neighbours.
    Geometric,
}

/// What `grid` does when the market leaves its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideRange {
    /// Keeps what it holds and goes on when the market comes back.
    Wait,
    /// Cancels its orders and stops; what it holds is the operator's to close.
    Stop,
}

/// The value of one parameter, whatever its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterValue {
    Decimal(Decimal),
    Whole(u32),
    Flag(bool),
    Choice(&'static str),
}

/// A type that a parameter can have.
trait Parameter: Copy {
    fn value(self) -> ParameterValue;
    fn from_value(value: ParameterValue) -> Option<Self>;
}

macro_rules! parameters {
    ($($(#[$about:meta])* $name:ident: $type:ty,)+) => {
        /// The parameters of every kind in one flat shape; `StrategySpec::check` says which
        /// belong.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Parameters {$(
            $(#[$about])*
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub $name: Option<$type>,
        )+}

        impl Parameters {
            /// Every parameter there is.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// What is given for a parameter; `None` where nothing is, or there is no such.
            pub fn value(&self, name: &str) -> Option<ParameterValue> {
                match name {
                    $(stringify!($name) => self.$name.map(Parameter::value),)+
                    _ => None,
                }
            }

            /// Gives a parameter a value of its type; `false` when there is none such, or its
            /// type is another.
            pub fn set(&mut self, name: &str, value: ParameterValue) -> bool {
                match name {
                    $(stringify!($name) => {
                        let fitting = Parameter::from_value(value);
                        if fitting.is_some() {
                            self.$name = fitting;
                        }
                        fitting.is_some()
                    })+
                    _ => false,
                }
            }
        }
    };
}

parameters! {
    /// Quantity of each order, or of the parent order of `twap`, in the base asset.
    quantity: Decimal,
    /// The net position, long or short, that the strategy stays within.
    max_position: Decimal,
    /// `quoter`: distance of each quote from the microprice, in ticks.
    half_spread_ticks: u32,
    /// `quoter`: how far both quotes move against a full position, in ticks.
    skew_ticks: u32,
    /// `quoter`: a quote this many ticks off its target is replaced.
    requote_ticks: u32,
    /// `taker`: share of the touch's quantity, in per cent, that must stand on one side.
    imbalance_percent: u32,
    /// `taker`: sends on every book change, alternating sides; what the benchmark runs.
    every_tick: bool,
    /// `twap`: which way the parent order trades.
    side: Side,
    /// `twap`: the worst price that is accepted.
    limit_price: Decimal,
    /// `twap`: how long the parent order is worked, in seconds.
    duration_seconds: u32,
    /// `twap`: into how many slices the duration is cut.
    slices: u32,
    /// `twap`: the length of a slice, in seconds, in place of `slices`.
    interval_seconds: u32,
    /// `twap`: how the orders of a slice are sent.
    style: SliceStyle,
    /// `twap`: how far through the touch a taking order reaches, in ticks.
    through_ticks: u32,
    /// `twap`: the most of the traded volume of a slice that may be ours, in per cent.
    participation_percent: u32,
    /// `twap`: what becomes of quantity that was missed.
    catch_up: CatchUp,
    /// `twap`: how large a slice may grow by `catch_up = "add"`, in per cent of an even slice.
    catch_up_percent: u32,
    /// `grid`: price of the lowest level.
    lower_price: Decimal,
    /// `grid`: price of the highest level.
    upper_price: Decimal,
    /// `grid`: how many levels there are, both ends included.
    levels: u32,
    /// `grid`: how the levels lie between both ends.
    spacing: Spacing,
    /// `grid`: what the operator has bought for it before; it stands in the topmost levels.
    initial_position: Decimal,
    /// `grid`: how many orders stand open at the most, those nearest to the market.
    working_orders: u32,
    /// `grid`: what happens when the market leaves the range.
    outside_range: OutsideRange,
}

macro_rules! plain_parameters {
    ($($type:ty as $case:ident),+) => {$(
        impl Parameter for $type {
            fn value(self) -> ParameterValue {
                ParameterValue::$case(self)
            }

            fn from_value(value: ParameterValue) -> Option<Self> {
                if let ParameterValue::$case(value) = value { Some(value) } else { None }
            }
        }
    )+};
}

/// Enums whose cases are written as these names: the same that serde reads.
macro_rules! chosen_parameters {
    ($($type:ident { $($case:ident = $text:literal),+ $(,)? })+) => {$(
        impl $type {
            /// The names of all cases.
            pub const NAMES: &'static [&'static str] = &[$($text),+];
        }

        impl Parameter for $type {
            fn value(self) -> ParameterValue {
                ParameterValue::Choice(match self { $(Self::$case => $text),+ })
            }

            fn from_value(value: ParameterValue) -> Option<Self> {
                match value {
                    $(ParameterValue::Choice($text) => Some(Self::$case),)+
                    ParameterValue::Decimal(_)
                    | ParameterValue::Whole(_)
                    | ParameterValue::Flag(_)
                    | ParameterValue::Choice(_) => None,
                }
            }
        }
    )+};
}

plain_parameters!(Decimal as Decimal, u32 as Whole, bool as Flag);

chosen_parameters! {
    Side { Buy = "buy", Sell = "sell" }
    SliceStyle { Aggressive = "aggressive", Passive = "passive" }
    CatchUp { Spread = "spread", Add = "add" }
    Spacing { Arithmetic = "arithmetic", Geometric = "geometric" }
    OutsideRange { Wait = "wait", Stop = "stop" }
}
