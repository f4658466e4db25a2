//! Taking from an order's quantity in its place: the order keeps its id and its priority.

use super::account::AccountId;
use super::lists::ListChange;
use super::number::{Money, Quantity};
use super::order::{Amendment, ExpiryReason, Order, OrderId, OrderStatus, Refusal, UnixMillis};
use super::{Change, Exchange};

/// Amendments one order may have.
pub const AMENDMENTS_MAX: usize = 10;

impl Exchange {
    /// The order expires where what is left is no more than what has traded. Both orders of a
    /// pair are amended together, as they have one quantity.
    pub fn amend(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        id: OrderId,
        quantity: Quantity,
        client_id: String,
    ) -> Result<Order, Refusal> {
        let open = self.account(account).orders.get(&id).filter(|order| order.status.is_open());
        let order = open.cloned().ok_or(Refusal::UnknownOrder)?;
        if quantity.is_zero() || quantity >= order.quantity {
            return Err(Refusal::NotReduced);
        }
        if order.amendments.len() >= AMENDMENTS_MAX {
            return Err(Refusal::TooManyAmendments);
        }
        let named = self.account(account).by_client_id(&client_id);
        if named.is_some_and(|other| other.id != id && other.status.is_open()) {
            return Err(Refusal::DuplicateClientId);
        }
        let renamed = client_id != order.asked.client_id;
        self.reduce(now, account, &order, quantity, client_id);
        if let Some(list) = order.list.and_then(|list| self.list(list)).cloned() {
            let paired = list.rest.len() == 2 && list.rest.contains(&id);
            let open = |other: &&OrderId| self.is_open(account, **other);
            let others: Vec<OrderId> = list
                .rest
                .iter()
                .filter(|other| paired && **other != id)
                .filter(open)
                .copied()
                .collect();
            for other in others {
                if let Some(other) = self.account(account).orders.get(&other).cloned() {
                    let name = other.asked.client_id.clone();
                    self.reduce(now, account, &other, quantity, name);
                }
            }
            if renamed {
                self.tell_list(now, list.id, ListChange::Updated);
            }
        }
        self.stored(account, id)
    }

    fn reduce(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        order: &Order,
        quantity: Quantity,
        client_id: String,
    ) {
        let execution = self.take_execution();
        let ends = quantity <= order.filled;
        let quantity = Quantity(quantity.0.max(order.filled.0));
        if let Some(price) = order.price.filter(|_| order.working.is_some() && !ends) {
            let less = order.quantity.minus(quantity);
            let book = &mut self.market_mut(order.asked.instrument).book;
            book.reduce(order.asked.side, price, order.id, less);
        }
        self.account_mut(account).rename(order.id, &client_id);
        if let Some(stored) = self.account_mut(account).orders.get_mut(&order.id) {
            stored.amendments.push(Amendment {
                execution,
                former_client_id: order.asked.client_id.clone(),
                client_id,
                former_quantity: order.quantity,
                quantity,
                at: now,
            });
            stored.quantity = quantity;
            stored.asked.quantity = quantity;
            stored.updated = now;
        }
        if !order.locked.0.is_zero() {
            let shrunk = order.leaves().0;
            let share = quantity.minus(order.filled).0.checked_div(shrunk).unwrap_or_default();
            self.hold(account, order.id, Money(order.locked.0 * share).booked());
        }
        self.tell_order(now, account, order.id, Change::Amended);
        if ends {
            self.unrest(order);
            self.finish(now, account, order.id, OrderStatus::Expired, ExpiryReason::None);
        }
    }
}
