//! Whether a new order is taken: what is asked of it before it meets the book.

use super::number::Quantity;
use super::order::{NewOrder, Order, PositionSide, Refusal, TimeInForce};
use super::{Exchange, Settlement};

impl Exchange {
    pub(super) fn check_place(&self, asked: &NewOrder) -> Result<(), Refusal> {
        self.check_count(asked, 1)?;
        if asked.time_in_force == TimeInForce::Gtx
            && asked.trigger.is_none()
            && self.would_take(asked)
        {
            return Err(Refusal::WouldTake);
        }
        match self.settlement {
            Settlement::Margin => self.check_margin(asked),
            Settlement::Cash => {
                self.check_trigger(asked)?;
                self.check_funds(asked)
            }
        }
    }

    /// Client id and number of open orders, `count` orders at once.
    pub(super) fn check_count(&self, asked: &NewOrder, count: usize) -> Result<(), Refusal> {
        let account = self.account(asked.account);
        let same_id = account.by_client_id(&asked.client_id);
        if same_id.is_some_and(|order| order.status.is_open()) {
            return Err(Refusal::DuplicateClientId);
        }
        let bound = self.market(asked.instrument).instrument.open_orders_max;
        let on_it = account.open_orders().filter(|o| o.asked.instrument == asked.instrument);
        if on_it.count().saturating_add(count) > bound {
            return Err(Refusal::TooManyOpenOrders);
        }
        Ok(())
    }

    pub(super) fn check_trigger(&self, asked: &NewOrder) -> Result<(), Refusal> {
        let market = self.market(asked.instrument);
        let last = market.last_price.unwrap_or_else(|| market.mark());
        let fires = asked.trigger.is_some_and(|trigger| trigger.fires(asked.side, last));
        if fires { Err(Refusal::WouldTrigger) } else { Ok(()) }
    }

    fn check_margin(&self, asked: &NewOrder) -> Result<(), Refusal> {
        let position = self.account(asked.account).leg(asked.instrument, asked.position_side);
        let closable = position.closable(asked.side);
        // A leg of a hedged position never changes its sign.
        let beyond = asked.position_side != PositionSide::Both && asked.quantity > closable;
        if asked.reduce_only && (closable.is_zero() || beyond) {
            return Err(Refusal::ReduceOnly);
        }
        if asked.time_in_force == TimeInForce::Fok && !self.fillable(asked) {
            return Err(Refusal::CannotFill);
        }
        let market = self.market(asked.instrument);
        let best = market.best(asked.side.opposite()).map(|(price, _)| price);
        let price = asked.price.or(best).unwrap_or_else(|| market.mark());
        let extra = (asked.instrument, asked.side, price.value(asked.quantity));
        // What closes a position needs no margin; only a larger need is checked.
        let needed = self.margin(asked.account, Some(extra));
        let before = self.margin(asked.account, None);
        if !asked.reduce_only && needed > before && needed > self.equity(asked.account) {
            return Err(Refusal::Margin);
        }
        Ok(())
    }

    pub(super) fn would_take(&self, asked: &NewOrder) -> bool {
        let best = self.market(asked.instrument).best(asked.side.opposite());
        best.is_some_and(|(price, _)| asked.side.reaches(asked.price, price))
    }

    /// Whether `quantity` would fill at once, own orders not counted.
    pub(super) fn fillable(&self, asked: &NewOrder) -> bool {
        let within = self.offered(asked).into_iter();
        let total = within.fold(Quantity::ZERO, |sum, (_, quantity)| sum.plus(quantity));
        total >= asked.quantity
    }
}

/// Whether a reduce-only order has nothing left to reduce.
pub(super) fn is_idle(exchange: &Exchange, order: &Order) -> bool {
    let held = exchange.account(order.asked.account);
    let leg = held.leg(order.asked.instrument, order.asked.position_side);
    order.asked.reduce_only && leg.closable(order.asked.side).is_zero()
}
