//! Spot's filters for a new order (`venues/binance.md` section 5;
//! <https://github.com/binance/binance-spot-api-docs/blob/master/filters.md>, read 2026-11-24).

use rust_decimal::Decimal;

use super::errors::Reject;
use crate::exchange::Market;
use crate::exchange::instrument::Instrument;
use crate::exchange::number::{Money, Price, Quantity};
use crate::exchange::order::{NewOrder, OrderKind, Side};

/// The largest notional of an order.
pub const NOTIONAL_MAX: Decimal = Decimal::from_parts(9_000_000, 0, 0, false, 0);

/// How far beyond the market a bid and an ask may stand.
const BID_UP: Decimal = Decimal::from_parts(12, 0, 0, false, 1);
const ASK_DOWN: Decimal = Decimal::from_parts(8, 0, 0, false, 1);

pub fn check(market: &Market, order: &NewOrder) -> Result<(), Reject> {
    let instrument = &market.instrument;
    let trigger = order.trigger.map(|trigger| trigger.price);
    for (name, price) in [("price", order.price), ("stopPrice", trigger)] {
        if let Some(price) = price {
            check_precision(name, price.0, instrument.price_decimals)?;
        }
    }
    check_precision("quantity", order.quantity.0, instrument.quantity_decimals)?;
    let priced = [order.price, trigger].into_iter().flatten();
    if priced.clone().any(|price| !fits_price(instrument, price)) {
        return Err(Reject::filter("PRICE_FILTER"));
    }
    if let Some(price) = order.price
        && !fits_percent(market, order.side, price)
    {
        return Err(Reject::filter("PERCENT_PRICE_BY_SIDE"));
    }
    if let Some(budget) = order.budget {
        return check_notional(instrument, budget);
    }
    if !fits_lot(instrument, order.quantity, instrument.quantity_max) {
        return Err(Reject::filter("LOT_SIZE"));
    }
    if order.kind == OrderKind::Market && order.quantity > instrument.market_quantity_max {
        return Err(Reject::filter("MARKET_LOT_SIZE"));
    }
    let price = order.price.or(trigger).unwrap_or_else(|| reference(market));
    check_notional(instrument, price.value(order.quantity))
}

/// A changed quantity of a resting order.
pub fn check_amended(market: &Market, price: Price, quantity: Quantity) -> Result<(), Reject> {
    let instrument = &market.instrument;
    check_precision("newQty", quantity.0, instrument.quantity_decimals)?;
    if !fits_lot(instrument, quantity, instrument.quantity_max) {
        return Err(Reject::filter("LOT_SIZE"));
    }
    check_notional(instrument, price.value(quantity))
}

fn check_precision(name: &str, value: Decimal, decimals: u32) -> Result<(), Reject> {
    if value.normalize().scale() > decimals { Err(Reject::too_precise(name)) } else { Ok(()) }
}

fn check_notional(instrument: &Instrument, value: Money) -> Result<(), Reject> {
    let within = value >= instrument.notional_min && value.0 <= NOTIONAL_MAX;
    if within { Ok(()) } else { Err(Reject::filter("NOTIONAL")) }
}

fn fits_price(instrument: &Instrument, price: Price) -> bool {
    let on_tick = price.0.checked_rem(instrument.tick.0).is_some_and(|rest| rest.is_zero());
    on_tick && price >= instrument.price_min && price <= instrument.price_max
}

fn fits_lot(instrument: &Instrument, quantity: Quantity, max: Quantity) -> bool {
    let on_step = quantity.0.checked_rem(instrument.step.0).is_some_and(|rest| rest.is_zero());
    on_step && quantity >= instrument.quantity_min && quantity <= max
}

/// Bids may stand far below the market and asks far above it, each only so far beyond it.
fn fits_percent(market: &Market, side: Side, price: Price) -> bool {
    let ((bid_up, bid_down), (ask_up, ask_down)) = multipliers(&market.instrument);
    let (up, down) = match side {
        Side::Buy => (bid_up, bid_down),
        Side::Sell => (ask_up, ask_down),
    };
    let mark = reference(market).0;
    price.0 <= mark * up && price.0 >= mark * down
}

/// How far up and down bids may stand, and asks, as exchangeInfo shows it.
pub fn multipliers(instrument: &Instrument) -> ((Decimal, Decimal), (Decimal, Decimal)) {
    let (far_up, far_down) = (instrument.multiplier_up, instrument.multiplier_down);
    ((BID_UP, far_down), (far_up, ASK_DOWN))
}

/// The reference price of the percent and notional filters.
fn reference(market: &Market) -> Price {
    market.mark()
}
