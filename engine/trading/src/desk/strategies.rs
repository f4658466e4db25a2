//! Strategies on the desk: when they are asked, what becomes of their wishes, how they start and
//! come to their end.
//!
//! It must not decide for a strategy, nor send anything but through the checks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use enigma_types::{
    BookTop, ExecutionReport, InstrumentId, Nanos, Now, OrderReference, StrategyId, StrategyState,
};

use super::registry::Event;
use super::send::Cause;
use super::{Actions, Desk, StrategySlot};
use crate::command::Receipt;
use crate::journal::{Journal, Probe, Stage};
use crate::orders::store::Found;
use crate::record::Record;
use crate::risk::Gate;
use crate::strategy::{Decision, Decisions, FinishReason, Pending, View};

impl<J: Journal, P: Probe> Desk<J, P> {
    #[inline]
    pub(super) fn tell_strategies(
        &mut self,
        now: Now,
        instrument: InstrumentId,
        event: Event<'_>,
        actions: &mut Actions,
    ) {
        let mut n = 0;
        while let Some(id) = self.state.strategies.on_instrument(instrument, n) {
            n += 1;
            let state = self.state.strategies.get(id).map(|slot| slot.state);
            if state == Some(StrategyState::Warming) {
                self.try_to_run(now, id);
            }
            if matches!(state, Some(StrategyState::Running | StrategyState::Warming)) {
                self.consult(now, id, event, actions);
            }
        }
    }

    /// Asks a running strategy what it wants done, and does it.
    pub(super) fn consult(
        &mut self,
        now: Now,
        id: StrategyId,
        event: Event<'_>,
        actions: &mut Actions,
    ) {
        let Some(slot) = self.state.strategies.get_mut(id) else { return };
        if slot.state != StrategyState::Running {
            return;
        }
        let Some(instrument) = self.state.instruments.get(slot.instrument) else { return };
        let Some(book) = self.books.get(usize::from(slot.instrument.0)) else { return };
        let position = self.state.positions.traded(id, slot.instrument);
        let cause = Cause { strategy: id, signal_at: event.received_at(book) };
        let exposure = self.state.risk.strategy_exposure(id, slot.instrument);
        let pending = Pending { buys: exposure.buys, sells: exposure.sells };
        let view = View { now, instrument, book, position, pending, orders: &slot.own };
        let mut decisions = Decisions::new();
        let (machine, broken) = (&mut slot.machine, slot.broken);
        // A strategy that panics must fall alone; whatever it leaves broken is its own.
        let told = catch_unwind(AssertUnwindSafe(|| {
            machine.tell(event, &view, &mut decisions);
            machine.next_deadline(now)
        }));
        self.probe.mark(Stage::Strategy);
        let Some(deadline) = told.ok().filter(|_| !broken) else {
            self.fault(now, id, actions);
            return;
        };
        slot.timer = deadline.unwrap_or(Nanos::MAX);
        self.wake = self.wake.min(slot.timer);
        for decision in &decisions {
            match decision {
                Decision::Place(intent) => {
                    // What refused it is journalled and counted.
                    let _ = self.place(now, cause, intent, actions);
                }
                Decision::Cancel(order) => self.cancel_own(now, id, *order, actions),
                Decision::Replace { client_order_id, price, quantity } => {
                    self.replace_own(now, cause, *client_order_id, *price, *quantity, actions);
                }
                Decision::Finish(reason) => return self.finish(now, id, *reason, actions),
            }
        }
    }

    /// A strategy broke: it alone stops, and its orders are cancelled.
    fn fault(&mut self, now: Now, id: StrategyId, actions: &mut Actions) {
        self.state.counters.strategy_faults += 1;
        self.set_strategy_state(now, id, StrategyState::Faulted, "it panicked");
        self.cancel_all_of(now, id, actions, &mut Default::default());
    }

    pub(super) fn owner_of(&self, report: &ExecutionReport) -> Option<StrategyId> {
        let OrderReference::Ours(id) = report.order else { return None };
        match self.state.orders.find(id)? {
            Found::Live(slot) => self.state.orders.get(slot).map(|order| order.strategy),
            Found::Closed(place) => self.state.orders.closed(place).map(|order| order.strategy),
        }
    }

    /// A warming strategy runs once there is something to trade on.
    pub(super) fn try_to_run(&mut self, now: Now, id: StrategyId) {
        let Some(slot) = self.state.strategies.get(id) else { return };
        let (account, instrument) = (slot.account, slot.instrument);
        let sound = self.books.get(usize::from(instrument.0)).is_some_and(BookTop::is_sound);
        let venue = self.state.instruments.get(instrument).map(|row| row.venue);
        let open = venue.is_some_and(|venue| self.gate(account, venue) == Gate::Open);
        if sound && open && slot.state == StrategyState::Warming && !self.state.kill.engaged {
            self.set_strategy_state(now, id, StrategyState::Running, "");
        }
    }

    pub(super) fn set_strategy_state(
        &mut self,
        now: Now,
        id: StrategyId,
        state: StrategyState,
        reason: &str,
    ) {
        let Some(mode) = self.state.strategies.get(id).map(|slot| slot.mode) else { return };
        self.record(now, &Record::StrategyState { id, state, mode, reason });
        let applied = self.state.apply_strategy_state(now.wall, id, state, mode);
        debug_assert!(applied.is_ok(), "its description was built before");
        self.tell_result(now, id);
    }

    /// Asks the running strategies whose time has come.
    pub(super) fn keep_strategies(&mut self, now: Now, actions: &mut Actions) {
        for place in 1..=self.state.strategies.capacity() {
            let id = StrategyId(place as u16);
            let due = |slot: &StrategySlot| {
                if slot.state == StrategyState::Running { slot.timer } else { Nanos::MAX }
            };
            if self.state.strategies.get(id).is_some_and(|slot| due(slot) <= now.mono) {
                self.consult(now, id, Event::Timer, actions);
            }
            if let Some(slot) = self.state.strategies.get(id) {
                self.wake = self.wake.min(due(slot));
            }
        }
    }

    /// A strategy with a task that ends says what it made of it, whenever that has changed.
    pub(super) fn tell_result(&mut self, now: Now, id: StrategyId) {
        let Some(slot) = self.state.strategies.get_mut(id) else { return };
        let result = slot.machine.result();
        if slot.told == result {
            return;
        }
        slot.told = result;
        if let Some(result) = result {
            self.record(now, &Record::StrategyResult { id, result });
        }
    }

    /// A strategy's task has come to its end: it stops as if an operator had stopped it.
    fn finish(&mut self, now: Now, id: StrategyId, reason: FinishReason, actions: &mut Actions) {
        let slot = self.state.strategies.get_mut(id);
        let Some(slot) = slot.filter(|slot| slot.state == StrategyState::Running) else { return };
        slot.finished = Some(reason);
        let text = reason.text();
        self.halt(now, id, StrategyState::Stopping, text, actions, &mut Receipt::default());
    }
}
