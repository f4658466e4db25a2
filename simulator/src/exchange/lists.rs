//! Orders that depend on each other: one cancels the other, one triggers the other.
//!
//! A pair locks the larger need of its two orders once. The pair is over as soon as one of them
//! begins to work.

use serde::Serialize;

use super::account::AccountId;
use super::instrument::InstrumentId;
use super::number::Money;
use super::order::{
    ExpiryReason, NewOrder, Order, OrderId, OrderStatus, Refusal, TriggerKind, UnixMillis,
};
use super::{Change, Event, Exchange};

/// Open lists an account may have on an instrument.
pub const LISTS_MAX: usize = 20;
/// Lists the exchange remembers.
const HISTORY_MAX: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ListId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contingency {
    /// One cancels the other.
    Oco,
    /// One triggers the other, or a pair of others.
    Oto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListChange {
    Started,
    /// An order of it has another client id.
    Updated,
    Done,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct ListPlan {
    pub client_id: String,
    /// The order that the others wait for.
    pub first: Option<NewOrder>,
    /// One order, or a pair of which the one that waits for a stop comes first.
    pub rest: Vec<NewOrder>,
}

#[derive(Clone, Debug)]
pub struct OrderList {
    pub id: ListId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub client_id: String,
    pub contingency: Contingency,
    pub first: Option<OrderId>,
    pub rest: Vec<OrderId>,
    pub open: bool,
    /// The client id of the request that cancelled it.
    pub canceled_by: Option<String>,
    pub created: UnixMillis,
    pub updated: UnixMillis,
}

impl OrderList {
    pub fn orders(&self) -> impl Iterator<Item = OrderId> + '_ {
        self.first.iter().chain(&self.rest).copied()
    }

    fn sibling(&self, id: OrderId) -> Option<OrderId> {
        let paired = self.rest.len() == 2 && self.rest.contains(&id);
        self.rest.iter().copied().find(|other| paired && *other != id)
    }
}

impl Exchange {
    pub fn list(&self, id: ListId) -> Option<&OrderList> {
        self.lists.get(&id)
    }

    pub fn lists_of(&self, account: AccountId) -> impl Iterator<Item = &OrderList> {
        self.lists.values().filter(move |list| list.account == account)
    }

    /// Takes the whole list or refuses it whole.
    pub fn place_list(&mut self, now: UnixMillis, plan: ListPlan) -> Result<OrderList, Refusal> {
        let Some(lead) = plan.first.as_ref().or(plan.rest.first()).cloned() else {
            return Err(Refusal::UnknownOrder);
        };
        self.check_list(&lead, &plan)?;
        let id = ListId(self.next_list);
        self.next_list = self.next_list.saturating_add(1);
        let contingency = if plan.first.is_some() { Contingency::Oto } else { Contingency::Oco };
        let base = self.next_order_id().0;
        let wanted = plan.first.iter().map(|_| true).chain(plan.rest.iter().map(|_| false));
        let numbers: Vec<(OrderId, bool)> =
            wanted.enumerate().map(|(at, first)| (OrderId(base + at as u64), first)).collect();
        let list = OrderList {
            id,
            account: lead.account,
            instrument: lead.instrument,
            client_id: plan.client_id,
            contingency,
            first: numbers.iter().find(|(_, first)| *first).map(|(id, _)| *id),
            rest: numbers.iter().filter(|(_, first)| !first).map(|(id, _)| *id).collect(),
            open: true,
            canceled_by: None,
            created: now,
            updated: now,
        };
        self.lists.insert(id, list.clone());
        while self.lists.len() > HISTORY_MAX {
            self.lists.pop_first();
        }
        let orders = plan.first.into_iter().chain(plan.rest);
        let orders: Vec<_> = list.orders().zip(orders).collect();
        self.take_list(now, &list, orders);
        self.come_to_rest(now);
        self.lists.get(&id).cloned().ok_or(Refusal::UnknownOrder)
    }

    fn take_list(&mut self, now: UnixMillis, list: &OrderList, orders: Vec<(OrderId, NewOrder)>) {
        let account = list.account;
        let waits = list.contingency == Contingency::Oto;
        let mut ids = Vec::new();
        for (order, asked) in orders {
            let mut order = Order::new(now, order, asked);
            order.list = Some(list.id);
            if waits && list.first != Some(order.id) {
                order.status = OrderStatus::PendingNew;
                order.working = None;
            }
            ids.push(order.id);
            self.next_order = self.next_order.max(order.id.0.saturating_add(1));
            self.account_mut(account).insert(order);
        }
        self.tell_list(now, list.id, ListChange::Started);
        if waits {
            if let Some(first) = list.first {
                self.lock_funds(account, first);
            }
        } else {
            self.hold_pair(account, &list.rest);
        }
        for id in ids {
            self.tell_order(now, account, id, Change::Accepted);
        }
        match list.first {
            Some(first) => self.start(now, account, first),
            None => self.start_open(now, account, &list.rest),
        }
    }

    /// Starts each order that is still open by then: the pair's first may have ended its second.
    fn start_open(&mut self, now: UnixMillis, account: AccountId, ids: &[OrderId]) {
        for id in ids {
            let order = self.account(account).orders.get(id);
            if order.is_some_and(|order| order.status.is_open()) {
                self.start(now, account, *id);
            }
        }
    }

    /// The pair's larger need, held by its first order.
    fn hold_pair(&mut self, account: AccountId, pair: &[OrderId]) {
        let need = self.pair_need(account, pair);
        if let Some(first) = pair.first() {
            self.hold(account, *first, need);
        }
    }

    fn pair_need(&self, account: AccountId, ids: &[OrderId]) -> Money {
        let held = self.account(account);
        let orders = ids.iter().filter_map(|id| held.orders.get(id));
        orders.map(|order| self.need(&order.asked)).max().unwrap_or_default()
    }

    fn check_list(&self, lead: &NewOrder, plan: &ListPlan) -> Result<(), Refusal> {
        let orders: Vec<&NewOrder> = plan.first.iter().chain(&plan.rest).collect();
        for (at, order) in orders.iter().enumerate() {
            self.check_count(order, orders.len())?;
            let earlier = orders.iter().take(at);
            if earlier.into_iter().any(|other| other.client_id == order.client_id) {
                return Err(Refusal::DuplicateClientId);
            }
        }
        let open = self.lists_of(lead.account).filter(|list| list.open);
        let same: Vec<&OrderList> =
            open.filter(|list| list.instrument == lead.instrument).collect();
        if same.iter().any(|list| list.client_id == plan.client_id) {
            return Err(Refusal::DuplicateClientId);
        }
        if same.len() >= LISTS_MAX {
            return Err(Refusal::TooManyLists);
        }
        if let Some(first) = &plan.first {
            return self.check_place(first);
        }
        for order in &plan.rest {
            let takes = order.trigger.is_none() && self.would_take(order);
            if takes || self.check_trigger(order).is_err() {
                return Err(Refusal::PairPrices);
            }
        }
        let larger = plan.rest.iter().max_by_key(|order| self.need(order));
        larger.map_or(Ok(()), |order| self.check_funds(order))
    }

    /// Cancels every open order of the list.
    pub fn cancel_list(
        &mut self,
        now: UnixMillis,
        id: ListId,
        request: Option<String>,
    ) -> Result<OrderList, Refusal> {
        let list = self.lists.get(&id).filter(|list| list.open).ok_or(Refusal::UnknownOrder)?;
        let account = list.account;
        let open: Vec<OrderId> = list.orders().filter(|id| self.is_open(account, *id)).collect();
        for order in open {
            // Its end may have ended the others.
            if self.is_open(account, order) {
                self.cancel_as(now, account, order, request.clone())?;
            }
        }
        if let Some(list) = self.lists.get_mut(&id) {
            list.canceled_by = request;
        }
        self.lists.get(&id).cloned().ok_or(Refusal::UnknownOrder)
    }

    pub(super) fn is_open(&self, account: AccountId, id: OrderId) -> bool {
        self.account(account).orders.get(&id).is_some_and(|order| order.status.is_open())
    }

    /// Before an order of a pair works it holds what the pair held.
    pub(super) fn take_over_funds(&mut self, order: &Order) {
        if let Some(other) = self.sibling(order) {
            self.hand_over(order.asked.account, other, order.id);
        }
    }

    fn sibling(&self, order: &Order) -> Option<OrderId> {
        self.lists.get(&order.list?)?.sibling(order.id)
    }

    pub(super) fn on_first_fill(&mut self, now: UnixMillis, order: &Order) {
        self.end_sibling(now, order);
    }

    pub(super) fn on_trigger(&mut self, now: UnixMillis, order: &Order) {
        self.end_sibling(now, order);
    }

    /// The pair is over: its other order expires, and the list has nothing more to decide.
    fn end_sibling(&mut self, now: UnixMillis, order: &Order) {
        let account = order.asked.account;
        let Some(other) = self.sibling(order).filter(|id| self.is_open(account, *id)) else {
            return;
        };
        self.unrest_id(account, other);
        self.finish(now, account, other, OrderStatus::Expired, ExpiryReason::OtherWorks);
        if let Some(list) = order.list {
            self.close_list(now, list);
        }
    }

    /// What the end of an order means for the list that it belongs to.
    pub(super) fn on_end(&mut self, now: UnixMillis, account: AccountId, id: OrderId) {
        let Some(order) = self.account(account).orders.get(&id).cloned() else { return };
        let Some(list) = order.list.and_then(|list| self.lists.get(&list)).cloned() else { return };
        if order.status == OrderStatus::Filled && list.first == Some(id) {
            self.defer(list.id);
            return;
        }
        let (status, reason) = match (order.status, order.expiry) {
            (OrderStatus::Canceled, _) => (OrderStatus::Canceled, ExpiryReason::None),
            (_, ExpiryReason::OtherWorks) => return,
            (_, ExpiryReason::Refused) => (OrderStatus::Expired, ExpiryReason::OtherWorks),
            _ if list.first == Some(id) => (OrderStatus::Expired, ExpiryReason::FirstEnded),
            _ => {
                self.close_if_idle(now, &list);
                return;
            }
        };
        for other in list.orders() {
            if self.is_open(account, other) {
                self.mark_canceled(account, other, order.canceled_by.clone());
                self.unrest_id(account, other);
                self.finish(now, account, other, status, reason);
            }
        }
        self.close_list(now, list.id);
    }

    fn mark_canceled(&mut self, account: AccountId, id: OrderId, request: Option<String>) {
        if let Some(order) = self.account_mut(account).orders.get_mut(&id) {
            order.canceled_by = request;
        }
    }

    fn close_if_idle(&mut self, now: UnixMillis, list: &OrderList) {
        if !list.orders().any(|id| self.is_open(list.account, id)) {
            self.close_list(now, list.id);
        }
    }

    fn close_list(&mut self, now: UnixMillis, id: ListId) {
        let Some(list) = self.lists.get_mut(&id).filter(|list| list.open) else { return };
        list.open = false;
        list.updated = now;
        self.tell_list(now, id, ListChange::Done);
    }

    /// The first order is filled: the orders that waited for it are placed.
    pub(super) fn activate(&mut self, now: UnixMillis, id: ListId) {
        let Some(list) = self.lists.get(&id).cloned() else { return };
        let account = list.account;
        let rest: Vec<OrderId> =
            list.rest.iter().copied().filter(|id| self.is_open(account, *id)).collect();
        if !self.may_activate(account, &rest) {
            for id in rest {
                if self.is_open(account, id) {
                    let reason = ExpiryReason::Refused;
                    self.finish(now, account, id, OrderStatus::Expired, reason);
                }
            }
            return;
        }
        for id in &rest {
            if let Some(order) = self.account_mut(account).orders.get_mut(id) {
                order.status = OrderStatus::New;
                order.updated = now;
                order.working = order.asked.trigger.is_none().then_some(now);
            }
        }
        self.hold_pair(account, &rest);
        for id in &rest {
            self.tell_order(now, account, *id, Change::Accepted);
        }
        self.start_open(now, account, &rest);
    }

    fn may_activate(&self, account: AccountId, ids: &[OrderId]) -> bool {
        let held = self.account(account);
        let orders: Vec<&Order> = ids.iter().filter_map(|id| held.orders.get(id)).collect();
        let post_only = |order: &Order| {
            order.asked.time_in_force == super::order::TimeInForce::Gtx
                && order.asked.trigger.is_none()
        };
        let sound = orders.iter().all(|order| {
            let takes = post_only(order) && self.would_take(&order.asked);
            !takes && self.check_trigger(&order.asked).is_ok()
        });
        let larger = orders.iter().max_by_key(|order| self.need(&order.asked));
        sound && larger.is_none_or(|order| self.check_funds(&order.asked).is_ok())
    }

    pub(super) fn tell_list(&mut self, now: UnixMillis, id: ListId, change: ListChange) {
        let Some(list) = self.lists.get(&id).cloned() else { return };
        let held = self.account(list.account);
        let named =
            |id: OrderId| held.orders.get(&id).map(|order| (id, order.asked.client_id.clone()));
        let names = list.orders().filter_map(named).collect();
        self.events.push(Event::List { list: Box::new(list), change, names, at: now });
    }
}

/// Whether an order of this trigger stands on the stop's side of a pair.
pub fn is_stop(order: &NewOrder) -> bool {
    order.trigger.is_some_and(|trigger| trigger.kind == TriggerKind::StopLoss)
}
