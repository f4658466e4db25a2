//! From wishes to requests: the record of each stands in the journal before it is handed over.
//!
//! It must not send what no check has passed, nor make anything of what venues report.

use enigma_types::{
    ClientOrderId, Nanos, NotSentCause, Now, OrderIntent, OrderRequest, Outcome, Price, Quantity,
    RequestKind, StrategyId, VenueRequest,
};

use super::{Actions, Desk, StrategySlot};
use crate::command::Receipt;
use crate::journal::{Journal, Probe, Stage};
use crate::orders::Order;
use crate::orders::store::Slot;
use crate::record::Record;
use crate::risk::{CheckContext, Gate, ReplaceIntent, RiskCheck, RiskRejection, Unit};

/// Who wants something, and what it answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) strategy: StrategyId,
    /// When the news that led to it was received; `None` for a person's wish.
    pub(super) signal_at: Option<Nanos>,
}

/// What a replace asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) price: Price,
    /// The new total, what has been filled included.
    pub(super) quantity: Quantity,
}

impl Cause {
    pub(super) const BY_HAND: Self = Self { strategy: StrategyId::MANUAL, signal_at: None };
}

impl<J: Journal, P: Probe> Desk<J, P> {
    /// Checks, journals and hands over one new order.
    pub(super) fn place(
        &mut self,
        now: Now,
        cause: Cause,
        intent: &OrderIntent,
        actions: &mut Actions,
    ) -> Result<ClientOrderId, RiskRejection> {
        let Cause { strategy, signal_at } = cause;
        let intent = OrderIntent { strategy, ..*intent };
        let checked = match self.check_room(&intent, actions) {
            Some(rejection) => Err(rejection),
            None => self.check_intent(now, &intent, signal_at),
        };
        self.probe.mark(Stage::Risk);
        let approved = checked.inspect_err(|rejection| self.refuse(now, &intent, rejection))?;
        let request = self.next_id(now).map(|client_order_id| OrderRequest {
            client_order_id,
            account: approved.account,
            instrument: approved.instrument,
            side: approved.side,
            time_in_force: approved.time_in_force,
            price: approved.price,
            quantity: approved.quantity,
            reduce_only: approved.reduce_only,
        });
        let journalled =
            request.filter(|order| self.record(now, &Record::Submit { strategy, order: *order }));
        self.probe.mark(Stage::Journal);
        let Some(request) = journalled else {
            let rejection = closed(Gate::JournalFull);
            self.refuse(now, &intent, &rejection);
            return Err(rejection);
        };
        let id = request.client_order_id;
        let Ok(slot) = self.state.apply_submit(now.mono, strategy, &request) else {
            debug_assert!(false, "room was checked before");
            return Err(closed(Gate::JournalFull));
        };
        self.reset_upkeep(slot);
        self.wake_at(now.mono.plus(self.request_timeout));
        let handed_over = actions.push(VenueRequest::Submit(request));
        debug_assert!(handed_over, "room was checked before");
        Ok(id)
    }

    fn check_intent(
        &mut self,
        now: Now,
        intent: &OrderIntent,
        signal_at: Option<Nanos>,
    ) -> Result<OrderIntent, RiskRejection> {
        let place = usize::from(intent.instrument.0);
        let instrument = self.state.instruments.get(intent.instrument);
        let (Some(instrument), Some(book)) = (instrument, self.books.get(place)) else {
            return Err(closed(Gate::UnknownScope));
        };
        if !self.state.trades_on(intent.account, intent.instrument) {
            return Err(closed(Gate::UnknownScope));
        }
        let gate = self.gate(intent.account, instrument.venue);
        let context = CheckContext { instrument, book, gate, signal_at };
        self.state.risk.check(now, intent, &context).map(crate::risk::Approved::into_inner)
    }

    /// The desk's own bounds: live orders, a strategy's open orders, requests in one call.
    fn check_room(&self, intent: &OrderIntent, actions: &Actions) -> Option<RiskRejection> {
        let too_many = |check, limit: usize, value: usize| RiskRejection {
            check,
            limit: limit as i64,
            value: value as i64,
            unit: Unit::Count,
        };
        if actions.is_full() {
            let held = actions.requests.len();
            return Some(too_many(RiskCheck::MessageThrottle, Actions::CAPACITY, held + 1));
        }
        let orders = &self.state.orders;
        if !orders.has_room() {
            return Some(too_many(RiskCheck::OpenOrders, orders.capacity(), orders.len() + 1));
        }
        let own = self.state.strategies.get(intent.strategy).map_or(0, |slot| slot.own.len());
        if own >= StrategySlot::OPEN_ORDERS {
            return Some(too_many(RiskCheck::OpenOrders, StrategySlot::OPEN_ORDERS, own + 1));
        }
        None
    }

    fn refuse(&mut self, now: Now, intent: &OrderIntent, rejection: &RiskRejection) {
        let check = rejection.check.code();
        self.state.counters.rejected(check);
        let slot = self.state.strategies.get_mut(intent.strategy);
        if slot.is_none_or(|slot| slot.refusals.note(check, now.mono)) {
            let (limit, value) = (rejection.limit, rejection.value);
            self.record(now, &Record::RiskRejection { intent: *intent, check, limit, value });
        }
    }

    /// The next free client order id, leasing another block when this one is used up.
    fn next_id(&mut self, now: Now) -> Option<ClientOrderId> {
        if self.state.ids.peek().is_none() {
            self.lease(now);
        }
        self.state.ids.peek()
    }

    pub(super) fn lease(&mut self, now: Now) {
        let block = self.state.ids.next_block(now.wall);
        if self.record(now, &Record::Lease { block }) {
            self.state.ids.apply_lease(block);
        }
    }

    pub(super) fn cancel_own(
        &mut self,
        now: Now,
        strategy: StrategyId,
        id: ClientOrderId,
        actions: &mut Actions,
    ) {
        let found = self.state.orders.find_live(id);
        let Some((slot, order)) = found.filter(|(_, order)| order.strategy == strategy) else {
            return;
        };
        if !order.is_closed() && !order.cancel_wanted {
            self.request_cancel(now, slot, strategy, actions);
        }
    }

    /// Asks for an order's end. From here on the cancel is wanted until the order is proved
    /// closed; when it can't go now, the timer tries again.
    pub(super) fn request_cancel(
        &mut self,
        now: Now,
        slot: Slot,
        on_behalf_of: StrategyId,
        actions: &mut Actions,
    ) {
        let Some(order) = self.state.orders.get(slot).copied() else { return };
        if on_behalf_of == StrategyId::MANUAL {
            self.mark_cancel_by_hand(slot);
        }
        let in_flight = order.in_flight == Some(crate::orders::InFlight::Cancel);
        if order.is_closed() || (in_flight && order.cancel_wanted) {
            return;
        }
        let request = order.cancel_request();
        self.record(now, &Record::Cancel(request));
        self.state.apply_cancel(now.mono, &request);
        self.mark_cancel_asked(slot);
        let cause = if !self.carries_cancels(order.account) {
            Some(NotSentCause::SessionDown)
        } else if actions.is_full() {
            Some(NotSentCause::Full)
        } else if self.state.risk.check_cancel_throttle(now, on_behalf_of).is_err() {
            Some(NotSentCause::RateLimit)
        } else {
            let handed_over = actions.push(VenueRequest::Cancel(request));
            debug_assert!(handed_over, "room was checked before");
            self.state.counters.cancels_sent += 1;
            None
        };
        if let Some(cause) = cause {
            let outcome = Outcome::NotSent(RequestKind::Cancel, cause);
            self.report_ourselves(now, &order, outcome, actions);
        }
        self.wake_at(now.mono.plus(self.request_timeout));
    }

    /// Asks for the end of every open order of a strategy and lists them.
    pub(super) fn cancel_all_of(
        &mut self,
        now: Now,
        strategy: StrategyId,
        actions: &mut Actions,
        receipt: &mut Receipt,
    ) {
        self.cancel_where(now, actions, receipt, |order| order.strategy == strategy);
    }

    pub(super) fn cancel_where(
        &mut self,
        now: Now,
        actions: &mut Actions,
        receipt: &mut Receipt,
        wanted: impl Fn(&Order) -> bool,
    ) {
        for position in 0..self.state.orders.len() {
            let Some(slot) = self.state.orders.slot_at(position) else { continue };
            let Some(order) = self.state.orders.get(slot).copied() else { continue };
            if order.is_closed() || !wanted(&order) {
                continue;
            }
            // The operator's room in the throttle, so that no strategy can use it up.
            self.request_cancel(now, slot, StrategyId::MANUAL, actions);
            if receipt.cancels.try_push(order.client_order_id).is_err() {
                receipt.cancels_truncated = true;
            }
        }
    }

    pub(super) fn replace_own(
        &mut self,
        now: Now,
        cause: Cause,
        id: ClientOrderId,
        price: Price,
        leaves: Quantity,
        actions: &mut Actions,
    ) {
        let found = self.state.orders.find_live(id);
        let Some((slot, order)) = found.filter(|(_, order)| order.strategy == cause.strategy)
        else {
            return;
        };
        let terms = Terms { price, quantity: order.filled.plus(leaves) };
        if !order.is_closed() && !order.is_busy() {
            // What refused it is journalled and counted.
            let _ = self.replace(now, slot, terms, cause.signal_at, actions);
        }
    }

    /// Checks, journals and hands over a change of an order that has nothing in flight.
    pub(super) fn replace(
        &mut self,
        now: Now,
        slot: Slot,
        terms: Terms,
        signal_at: Option<Nanos>,
        actions: &mut Actions,
    ) -> Result<(), RiskRejection> {
        let Some(order) = self.state.orders.get(slot).copied() else {
            return Err(closed(Gate::UnknownScope));
        };
        let request = order.replace_request(terms.price, terms.quantity);
        let checked = self.check_replace(now, &order, terms, signal_at, actions).and_then(|()| {
            let journalled = self.record(now, &Record::Replace(request));
            if journalled { Ok(()) } else { Err(closed(Gate::JournalFull)) }
        });
        if let Err(rejection) = checked {
            self.refuse(now, &intent_of(&order, terms), &rejection);
            return Err(rejection);
        }
        self.state.apply_replace(now.mono, &request);
        self.wake_at(now.mono.plus(self.request_timeout));
        self.state.counters.replaces_sent += 1;
        let handed_over = actions.push(VenueRequest::Replace(request));
        debug_assert!(handed_over, "room was checked before");
        Ok(())
    }

    fn check_replace(
        &mut self,
        now: Now,
        order: &Order,
        terms: Terms,
        signal_at: Option<Nanos>,
        actions: &Actions,
    ) -> Result<(), RiskRejection> {
        let Terms { price, quantity } = terms;
        if quantity <= order.filled {
            let (limit, value) = (order.filled.0, quantity.0);
            let check = RiskCheck::SpecConformity;
            return Err(RiskRejection { check, limit, value, unit: Unit::Quantity });
        }
        if actions.is_full() {
            let check = RiskCheck::MessageThrottle;
            let (limit, value) = (Actions::CAPACITY as i64, Actions::CAPACITY as i64 + 1);
            return Err(RiskRejection { check, limit, value, unit: Unit::Count });
        }
        let instrument = self.state.instruments.get(order.instrument);
        let book = self.books.get(usize::from(order.instrument.0));
        let (Some(instrument), Some(book)) = (instrument, book) else {
            return Err(closed(Gate::UnknownScope));
        };
        let gate = self.gate(order.account, instrument.venue);
        let wish = ReplaceIntent {
            strategy: order.strategy,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            price,
            quantity,
            previous_quantity: order.filled.plus(order.exposure()),
            value_growth: order.open_value_with(price, quantity) - order.open_value(),
            reduce_only: order.reduce_only,
        };
        let context = CheckContext { instrument, book, gate, signal_at };
        self.state.risk.check_replace(now, &wish, &context).map(|_approved| ())
    }
}

/// The refusal of a gate that isn't open.
pub(super) const fn closed(gate: Gate) -> RiskRejection {
    RiskRejection {
        check: RiskCheck::Gate,
        limit: Gate::Open.code(),
        value: gate.code(),
        unit: Unit::State,
    }
}

fn intent_of(order: &Order, terms: Terms) -> OrderIntent {
    OrderIntent {
        strategy: order.strategy,
        account: order.account,
        instrument: order.instrument,
        side: order.side,
        order_type: enigma_types::OrderType::Limit,
        time_in_force: order.time_in_force,
        price: terms.price,
        quantity: terms.quantity,
        reduce_only: order.reduce_only,
    }
}
