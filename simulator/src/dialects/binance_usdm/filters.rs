//! The venue's filters for a new or changed order (`venues/binance.md` section 5).

use rust_decimal::Decimal;

use super::errors::Reject;
use crate::exchange::Market;
use crate::exchange::instrument::Instrument;
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{OrderKind, Side};

#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub side: Side,
    pub kind: OrderKind,
    pub price: Option<Price>,
    pub quantity: Quantity,
    pub reduce_only: bool,
}

/// The order of the checks is the venue's: form first, price, quantity, notional, percent.
pub fn check(market: &Market, order: &Candidate) -> Result<(), Reject> {
    let instrument = &market.instrument;
    if let Some(price) = order.price {
        check_price(instrument, price)?;
    }
    check_quantity(instrument, order)?;
    let mark = market.mark();
    let value = order.price.unwrap_or(mark).value(order.quantity);
    if !order.reduce_only && value < instrument.notional_min {
        return Err(Reject::notional(instrument.notional_min));
    }
    check_percent(market, order, mark)
}

fn check_price(instrument: &Instrument, price: Price) -> Result<(), Reject> {
    if price.0.normalize().scale() > instrument.price_decimals {
        return Err(Reject::too_precise("price"));
    }
    if price.0.is_zero() {
        return Err(Reject::bad(-4001, "Price less than 0."));
    }
    if price < instrument.price_min {
        return Err(Reject::bad(-4013, "Price less than min price."));
    }
    if price > instrument.price_max {
        return Err(Reject::bad(-4002, "Price greater than max price."));
    }
    if !(price.0 - instrument.price_min.0).checked_rem(instrument.tick.0).is_some_and(is_zero) {
        return Err(Reject::bad(-4014, "Price not increased by tick size."));
    }
    Ok(())
}

fn check_quantity(instrument: &Instrument, order: &Candidate) -> Result<(), Reject> {
    let quantity = order.quantity;
    if quantity.0.normalize().scale() > instrument.quantity_decimals {
        return Err(Reject::too_precise("quantity"));
    }
    if quantity.is_zero() {
        return Err(Reject::bad(-4003, "Quantity less than or equal to zero."));
    }
    if quantity < instrument.quantity_min {
        return Err(Reject::bad(-4004, "Quantity less than min quantity."));
    }
    let max = match order.kind {
        OrderKind::Limit => instrument.quantity_max,
        OrderKind::Market => instrument.market_quantity_max,
    };
    if quantity > max {
        return Err(Reject::bad(-4005, "Quantity greater than max quantity."));
    }
    let above = quantity.0 - instrument.quantity_min.0;
    if !above.checked_rem(instrument.step.0).is_some_and(is_zero) {
        return Err(Reject::bad(-4023, "Quantity not increased by step size."));
    }
    Ok(())
}

fn check_percent(market: &Market, order: &Candidate, mark: Price) -> Result<(), Reject> {
    let instrument = &market.instrument;
    let cap = Price(mark.0 * instrument.multiplier_up);
    let floor = Price(mark.0 * instrument.multiplier_down);
    let rounded = |limit: Price| Price(limit.0.round_dp(instrument.price_decimals));
    match (order.side, order.price) {
        (Side::Buy, Some(price)) if price > cap => Err(Reject::price_cap(rounded(cap))),
        (Side::Sell, Some(price)) if price < floor => Err(Reject::price_floor(rounded(floor))),
        (_, Some(_)) => Ok(()),
        (side, None) => {
            let best = market.best(side.opposite()).map(|(price, _)| price);
            let beyond = best.is_some_and(|price| price > cap || price < floor);
            let text = "The counterparty's best price does not meet the PERCENT_PRICE filter \
                        limit.";
            if beyond { Err(Reject::bad(-4131, text)) } else { Ok(()) }
        }
    }
}

fn is_zero(value: Decimal) -> bool {
    value.is_zero()
}
