//! Limits as the checks compare them: integers at each instrument's own scales.
//!
//! A decimal limit is rounded down to what its scale can hold, which decides the same: an integer
//! exceeds a decimal exactly when it exceeds its floor. Nothing here looks at an order.

use enigma_types::{
    Amount, Instrument, InstrumentId, InstrumentTable, Nanos, Quantity, RiskLimits, StrategyId,
    StrategyLimits,
};

use super::throttle::Window;

/// Why limits can't be put in force. What was in force before stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("limit {0} must be above zero")]
    NotPositive(&'static str),
    #[error("strategy {id} is beyond the {room} that there is room for", id = .id.0)]
    TooManyStrategies { id: StrategyId, room: usize },
}

/// The engine's limits that are the same for every instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EngineLimits {
    pub(super) price_collar_bps: u32,
    pub(super) max_ticks_through_touch: u32,
    pub(super) max_book_age: Nanos,
    pub(super) max_open_orders: u32,
    pub(super) max_open_notional: Amount,
    pub(super) max_messages: [u32; Window::ALL.len()],
    pub(super) max_clock_skew: Nanos,
    pub(super) max_signal_age: Nanos,
    pub(super) max_order_age: Nanos,
}

/// The engine's limits in one instrument's units of price times quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct InstrumentLimits {
    /// How many units of `Amount` one unit here is.
    pub(super) unit: i128,
    pub(super) max_order_notional: i128,
    pub(super) max_position_notional: i128,
}

/// One strategy's limits, in the units of the one instrument it trades. `None` leaves it to the
/// engine's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StrategyRow {
    /// `None` for the person at the API, who may trade every instrument.
    pub(super) instrument: Option<InstrumentId>,
    pub(super) max_order_quantity: Option<Quantity>,
    pub(super) max_order_notional: Option<i128>,
    pub(super) max_ticks_through_touch: Option<u32>,
    pub(super) max_position: Option<Quantity>,
    pub(super) max_open_orders: Option<u32>,
    pub(super) max_open_notional: Option<Amount>,
    pub(super) max_messages_per_second: Option<u32>,
}

impl EngineLimits {
    pub(super) fn new(limits: &RiskLimits) -> Result<Self, LimitError> {
        if let Some(name) = limits.not_positive() {
            return Err(LimitError::NotPositive(name));
        }
        let millis = |value| Nanos::from_millis(u64::from(value));
        Ok(Self {
            price_collar_bps: limits.price_collar_bps,
            max_ticks_through_touch: limits.max_ticks_through_touch,
            max_book_age: millis(limits.max_book_age_ms),
            max_open_orders: limits.max_open_orders,
            max_open_notional: amount_below(limits.max_open_notional),
            max_messages: Window::ALL.map(|window| match window {
                Window::Second => limits.max_messages_per_second,
                Window::TenSeconds => limits.max_messages_per_10_seconds,
                Window::Minute => limits.max_messages_per_minute,
            }),
            max_clock_skew: millis(limits.max_clock_skew_ms),
            max_signal_age: millis(limits.max_signal_age_ms),
            max_order_age: millis(limits.max_order_age_at_socket_ms),
        })
    }
}

impl InstrumentLimits {
    pub(super) fn new(limits: &RiskLimits, instrument: &Instrument) -> Self {
        let unit = amount_unit(instrument);
        Self {
            unit,
            max_order_notional: units_below(amount_below(limits.max_order_notional), unit),
            max_position_notional: units_below(amount_below(limits.max_position_notional), unit),
        }
    }

    /// Overwrites the rows in place: the table has the length it had at creation.
    pub(super) fn fill(rows: &mut [Self], limits: &RiskLimits, instruments: &InstrumentTable) {
        for (row, instrument) in rows.iter_mut().zip(instruments.iter()) {
            *row = Self::new(limits, instrument);
        }
    }
}

impl StrategyRow {
    pub(super) fn new(
        limits: &StrategyLimits,
        instrument: &Instrument,
    ) -> Result<Self, LimitError> {
        if let Some(name) = limits.not_positive() {
            return Err(LimitError::NotPositive(name));
        }
        let quantity = |value| quantity_below(value, instrument);
        let unit = amount_unit(instrument);
        Ok(Self {
            instrument: Some(instrument.id),
            max_order_quantity: limits.max_order_quantity.map(quantity),
            max_order_notional: limits
                .max_order_notional
                .map(|value| units_below(amount_below(value), unit)),
            max_ticks_through_touch: limits.max_ticks_through_touch,
            max_position: limits.max_position.map(quantity),
            max_open_orders: limits.max_open_orders,
            max_open_notional: limits.max_open_notional.map(amount_below),
            max_messages_per_second: limits.max_messages_per_second,
        })
    }
}

/// How many units of `Amount` one unit of price mantissa times quantity mantissa is.
pub(super) const fn amount_unit(instrument: &Instrument) -> i128 {
    let digits = instrument.price_scale.digits() + instrument.quantity_scale.digits();
    10_i128.pow(Amount::DIGITS.saturating_sub(digits) as u32)
}

const fn units_below(amount: Amount, unit: i128) -> i128 {
    amount.0.div_euclid(unit)
}

/// A limit too large to hold is one that nothing reaches.
fn amount_below(value: rust_decimal::Decimal) -> Amount {
    let digits = u32::from(Amount::DIGITS);
    Amount::from_decimal(value.trunc_with_scale(digits)).unwrap_or(Amount(i128::MAX))
}

fn quantity_below(value: rust_decimal::Decimal, instrument: &Instrument) -> Quantity {
    let digits = u32::from(instrument.quantity_scale.digits());
    let floor = value.trunc_with_scale(digits);
    Quantity::from_decimal(floor, instrument.quantity_scale).unwrap_or(Quantity(i64::MAX))
}
