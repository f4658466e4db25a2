//! Changing a resting order: it keeps its id and loses its place.

use super::account::AccountId;
use super::number::{Price, Quantity};
use super::order::{
    ExpiryReason, NewOrder, Order, OrderId, OrderKind, OrderStatus, Refusal, Side, TimeInForce,
    UnixMillis,
};
use super::{Change, Event, Exchange};

/// The venue's bound on changes of one order.
const MODIFICATIONS_MAX: u32 = 10_000;

#[derive(Clone, Debug)]
pub struct Modification {
    pub side: Side,
    pub price: Price,
    /// The new total, what has traded included.
    pub quantity: Quantity,
    pub modify_id: Option<String>,
}

impl Exchange {
    /// A refusal leaves the order as it was. The order ends Canceled where the new total is no
    /// more than what has traded, or where a post-only order would take.
    pub fn modify(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        id: OrderId,
        change: Modification,
    ) -> Result<Order, Refusal> {
        let open = self.account(account).orders.get(&id).filter(|order| order.status.is_open());
        let order = open.cloned().ok_or(Refusal::UnknownOrder)?;
        self.check_modify(&order, &change)?;
        self.unrest(&order);
        let asked = NewOrder { price: Some(change.price), ..order.asked.clone() };
        let post_only_takes = asked.time_in_force == TimeInForce::Gtx && self.would_take(&asked);
        let partly_filled = !order.filled.is_zero();
        if post_only_takes || (partly_filled && change.quantity <= order.filled) {
            self.finish(now, account, id, OrderStatus::Canceled, ExpiryReason::None);
            return self.stored(account, id);
        }
        if let Some(order) = self.account_mut(account).orders.get_mut(&id) {
            order.price = Some(change.price);
            order.asked.price = Some(change.price);
            order.quantity = change.quantity;
            order.modifications = order.modifications.saturating_add(1);
            order.modify_id = change.modify_id;
            order.updated = now;
            let order = Box::new(order.clone());
            self.events.push(Event::Order { order, change: Change::Amended, at: now });
        }
        self.enter(now, account, id);
        self.come_to_rest(now);
        self.stored(account, id)
    }

    fn check_modify(&self, order: &Order, change: &Modification) -> Result<(), Refusal> {
        if order.asked.kind != OrderKind::Limit {
            return Err(Refusal::NotLimit);
        }
        if order.asked.side != change.side {
            return Err(Refusal::SideDiffers);
        }
        if order.price == Some(change.price) && order.quantity == change.quantity {
            return Err(Refusal::NothingToModify);
        }
        if order.modifications >= MODIFICATIONS_MAX {
            return Err(Refusal::TooManyModifications);
        }
        let old = order.price.unwrap_or_default().value(order.leaves());
        let new = change.price.value(change.quantity.minus(order.filled));
        let grown = new.minus(old);
        let account = order.asked.account;
        let extra = (order.asked.instrument, order.asked.side, grown);
        let needed = self.margin(account, Some(extra));
        let before = self.margin(account, None);
        if !order.asked.reduce_only && needed > before && needed > self.equity(account) {
            return Err(Refusal::Margin);
        }
        Ok(())
    }
}
