//! Whose orders a strategy's are, and how large they may be.
//!
//! Nothing here decides when to trade.

use enigma_types::{
    AccountId, Instrument, InstrumentId, OrderIntent, OrderType, Parameters, Price, Quantity, Side,
    SpecError, StrategyId, StrategyKind, TimeInForce,
};
use rust_decimal::Decimal;

use super::{OwnOrder, View};

/// Whose orders they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) strategy: StrategyId,
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
}

/// How large each order is, and how much may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizing {
    owner: Owner,
    pub(super) quantity: Quantity,
    pub(super) max_position: Quantity,
}

impl Owner {
    pub(super) const fn order(
        &self,
        side: Side,
        price: Price,
        quantity: Quantity,
        time_in_force: TimeInForce,
    ) -> OrderIntent {
        OrderIntent {
            strategy: self.strategy,
            account: self.account,
            instrument: self.instrument,
            side,
            order_type: OrderType::Limit,
            time_in_force,
            price,
            quantity,
            reduce_only: false,
        }
    }
}

impl Sizing {
    pub(super) fn new(
        kind: StrategyKind,
        given: &Parameters,
        owner: Owner,
        instrument: &Instrument,
    ) -> Result<Self, SpecError> {
        let needed = |parameter, value: Option<Decimal>| {
            let value = value.ok_or(SpecError::Missing { kind, parameter })?;
            in_steps(parameter, value, instrument)
        };
        Ok(Self {
            owner,
            quantity: needed("quantity", given.quantity)?,
            max_position: needed("max_position", given.max_position)?,
        })
    }

    /// How much an order on this side may hold when `leaves` may still fill there: whole steps,
    /// and nothing at all where the venue would refuse so little.
    pub(super) fn room(
        &self,
        view: &View<'_>,
        side: Side,
        leaves: Quantity,
        price: Price,
    ) -> Quantity {
        let held = match side {
            Side::Buy => view.position.0,
            Side::Sell => view.position.0.saturating_neg(),
        };
        let room = self.max_position.0.saturating_sub(held).saturating_sub(leaves.0);
        let wanted = room.clamp(0, self.quantity.0);
        let step = view.instrument.step.0;
        let quantity = Quantity(wanted - wanted % step);
        if is_enough(view.instrument, price, quantity) { quantity } else { Quantity::ZERO }
    }

    pub(super) const fn order(
        &self,
        side: Side,
        price: Price,
        quantity: Quantity,
        time_in_force: TimeInForce,
    ) -> OrderIntent {
        self.owner.order(side, price, quantity, time_in_force)
    }
}

/// What may still fill on a side.
pub(super) fn leaves(orders: &[OwnOrder], side: Side) -> Quantity {
    orders
        .iter()
        .filter(|order| order.side == side)
        .fold(Quantity::ZERO, |sum, order| sum.plus(order.leaves_quantity))
}

/// Whether the venue takes an order that small.
pub(super) fn is_enough(instrument: &Instrument, price: Price, quantity: Quantity) -> bool {
    quantity.0 > 0
        && quantity >= instrument.min_quantity
        && instrument.notional(price, quantity) >= instrument.min_notional
}

pub(super) fn in_bounds(instrument: &Instrument, price: Price) -> bool {
    let (lowest, highest) = (instrument.min_price.0.max(1), instrument.max_price.0);
    price.0 >= lowest && (highest == 0 || price.0 <= highest)
}

/// A quantity that is a multiple of the instrument's step.
pub(super) fn in_steps(
    parameter: &'static str,
    value: Decimal,
    instrument: &Instrument,
) -> Result<Quantity, SpecError> {
    Quantity::from_decimal(value, instrument.quantity_scale)
        .ok()
        .filter(|quantity| quantity.0 % instrument.step.0 == 0)
        .ok_or_else(|| SpecError::OffGrid {
            parameter,
            unit: instrument.step.to_decimal(instrument.quantity_scale),
            instrument: instrument.name(),
        })
}

/// A price that is a multiple of the instrument's tick.
pub(super) fn on_ticks(
    parameter: &'static str,
    value: Decimal,
    instrument: &Instrument,
) -> Result<Price, SpecError> {
    Price::from_decimal(value, instrument.price_scale)
        .ok()
        .filter(|price| price.0 % instrument.tick.0 == 0)
        .ok_or_else(|| SpecError::OffGrid {
            parameter,
            unit: instrument.tick.to_decimal(instrument.price_scale),
            instrument: instrument.name(),
        })
}
