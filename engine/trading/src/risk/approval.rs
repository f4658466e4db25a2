//! What is asked of the risk book and the proof that it agreed. Nothing here decides.

use enigma_types::{
    AccountId, BookTop, Instrument, InstrumentId, Nanos, Price, Quantity, Side, StrategyId,
};

use super::rejection::Gate;

/// Something that passed every check. Only the risk book can make one, so nothing unchecked
/// can be sent.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Approved<T>(T);

/// A wish to change an open order. Quantities are totals, what has been filled included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaceIntent {
    pub strategy: StrategyId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    /// The largest total that may stand at the venue now; all of it is reserved already.
    pub previous_quantity: Quantity,
    /// How much more its order may be worth if the change takes effect, in price times quantity.
    pub value_growth: i128,
    pub reduce_only: bool,
}

/// What the desk knows of the intent's surroundings at this instant.
#[derive(Clone, Copy, Debug)]
pub struct CheckContext<'a> {
    pub instrument: &'a Instrument,
    pub book: &'a BookTop,
    /// Anything but `Open` refuses; the desk looks at sessions, reconciliation and journal.
    pub gate: Gate,
    /// When what led to the intent was received; `None` for a person's wish.
    pub signal_at: Option<Nanos>,
}

impl<T> Approved<T> {
    /// Called by the risk book alone, after the last check.
    pub(super) const fn by_checks(value: T) -> Self {
        Self(value)
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}

impl ReplaceIntent {
    /// How much more may fill if the change takes effect: what the desk reserves for it.
    pub const fn growth(&self) -> Quantity {
        self.quantity.less(self.previous_quantity)
    }
}
