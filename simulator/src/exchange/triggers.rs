//! Orders that wait for a price, and what is put off until a match is over.

use super::account::AccountId;
use super::lists::ListId;
use super::number::Money;
use super::order::{ExpiryReason, NewOrder, OrderId, OrderStatus, Side, UnixMillis};
use super::{Change, Exchange};

/// Deferred steps of one operation. Each fires an order or starts a list, of which there are few.
const STEPS_MAX: usize = 10_000;

impl Exchange {
    /// Does what the last operation has brought about: lists whose first order is filled go on,
    /// orders whose trigger was reached begin to work.
    pub(super) fn come_to_rest(&mut self, now: UnixMillis) {
        for _ in 0..STEPS_MAX {
            if let Some(list) = self.deferred.pop_front() {
                self.activate(now, list);
            } else if !self.fire_one(now) {
                return;
            }
        }
    }

    pub(super) fn defer(&mut self, list: ListId) {
        self.deferred.push_back(list);
    }

    fn fire_one(&mut self, now: UnixMillis) -> bool {
        let Some((account, id)) = self.markets.iter().find_map(|market| {
            let last = market.last_price?;
            market.stops.iter().copied().find(|(account, id)| {
                let order = self.account(*account).orders.get(id);
                order.is_some_and(|order| {
                    order.asked.trigger.is_some_and(|trigger| trigger.fires(order.asked.side, last))
                })
            })
        }) else {
            return false;
        };
        self.fire(now, account, id);
        true
    }

    fn fire(&mut self, now: UnixMillis, account: AccountId, id: OrderId) {
        self.forget_stop(account, id);
        let Some(order) = self.account(account).orders.get(&id).cloned() else { return };
        self.take_over_funds(&order);
        self.on_trigger(now, &order);
        if order.price.is_none() && order.asked.side == Side::Buy {
            let asked = NewOrder { trigger: None, ..order.asked.clone() };
            let (cost, asset) = (self.need(&asked), self.paying_asset(asked.instrument, Side::Buy));
            let held = self.account(account);
            let locked = held.orders.get(&id).map_or(Money::ZERO, |order| order.locked);
            if cost > held.balance(&asset).free.plus(locked) {
                let reason = ExpiryReason::Refused;
                self.finish(now, account, id, OrderStatus::Expired, reason);
                return;
            }
            self.hold(account, id, cost);
        }
        if let Some(order) = self.account_mut(account).orders.get_mut(&id) {
            order.working = Some(now);
            order.updated = now;
        }
        self.tell_order(now, account, id, Change::Triggered);
        self.enter(now, account, id);
    }

    pub(super) fn forget_stop(&mut self, account: AccountId, id: OrderId) {
        let order = self.account(account).orders.get(&id);
        let Some(instrument) = order.map(|order| order.asked.instrument) else { return };
        self.market_mut(instrument).stops.retain(|stop| *stop != (account, id));
    }
}
