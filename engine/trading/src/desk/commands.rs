//! What an operator asks of the desk. A command that is refused has changed nothing.

use enigma_types::{
    ClientOrderId, InstrumentId, Mode, Now, OrderIntent, RiskLimits, StrategyId, StrategyName,
    StrategySpec, StrategyState,
};

use super::send::{Cause, Terms};
use super::state::ReplayError;
use super::{Actions, ByHand, Desk, StrategySlot};
use crate::command::{CancelScope, DeskCommand, ManualOrder, Receipt, Refusal};
use crate::journal::{Journal, Probe};
use crate::orders::Order;
use crate::orders::store::Found;
use crate::record::Record;
use crate::risk::{Gate, LimitError, RiskCheck, RiskRejection};

impl<J: Journal, P: Probe> Desk<J, P> {
    pub fn handle_command(
        &mut self,
        now: Now,
        command: DeskCommand,
        actions: &mut Actions,
    ) -> Result<Receipt, Refusal> {
        self.by_hand = None;
        match command {
            DeskCommand::Create { spec, json } => self.create(now, spec, &json),
            DeskCommand::Update { spec, json } => self.update(now, spec, &json),
            DeskCommand::Delete { strategy } => self.delete(now, strategy),
            DeskCommand::Start { strategy, mode } => self.start(now, strategy, mode),
            DeskCommand::Pause { strategy } => self.pause(now, strategy, actions),
            DeskCommand::Resume { strategy } => self.resume(now, strategy),
            DeskCommand::Stop { strategy } => self.stop(now, strategy, actions),
            DeskCommand::PauseAll => {
                Ok(self.halt_all(now, StrategyState::Paused, "pause all", actions))
            }
            DeskCommand::StopAll => {
                Ok(self.halt_all(now, StrategyState::Stopping, "stop all", actions))
            }
            DeskCommand::Place(order) => self.place_by_hand(now, &order, actions),
            DeskCommand::Cancel { client_order_id } => {
                self.cancel_by_hand(now, client_order_id, actions)
            }
            DeskCommand::CancelAll { scope } => self.cancel_all(now, scope, actions),
            DeskCommand::Replace { client_order_id, price, quantity } => {
                let terms = Terms { price, quantity };
                self.replace_by_hand(now, client_order_id, terms, actions)
            }
            DeskCommand::Kill { reason } => Ok(self.engage_kill(now, &reason, actions)),
            DeskCommand::Rearm => self.rearm(now),
            DeskCommand::SetLimits { limits, json } => self.set_limits(now, *limits, &json),
            DeskCommand::Reconcile => {
                for account in &mut self.accounts {
                    account.reconciliation.hurry(now.mono);
                }
                self.wake_at(now.mono);
                Ok(self.receipt(None))
            }
        }
    }

    /// Strategies that were active when the process before ended stand paused, without orders.
    pub(super) fn pause_after_restart(&mut self, now: Now) {
        let mut actions = Actions::new();
        for id in self.strategy_ids(|slot| {
            slot.is_active()
                || matches!(slot.state, StrategyState::Paused | StrategyState::Stopping)
        }) {
            self.set_strategy_state(now, id, StrategyState::Paused, "restart");
            self.cancel_all_of(now, id, &mut actions, &mut Receipt::default());
        }
    }

    /// Writes down a kill switch that the journal had no room for when it was engaged.
    pub(super) fn record_kill(&mut self, now: Now) {
        let reason = core::mem::take(&mut self.state.kill.reason);
        let engaged = self.state.kill.engaged;
        let recorded = self.record(now, &Record::KillSwitch { engaged, reason: &reason });
        self.kill_unrecorded = !recorded;
        self.state.kill.reason = reason;
    }

    fn create(
        &mut self,
        now: Now,
        spec: Box<StrategySpec>,
        json: &str,
    ) -> Result<Receipt, Refusal> {
        if self.state.strategies.find(&spec.id).is_some() {
            return Err(Refusal::StrategyExists(spec.id));
        }
        let room = self.state.strategies.capacity();
        let id = self.state.strategies.free_id().ok_or(Refusal::TooManyStrategies(room))?;
        let name = spec.id;
        self.check_text(json)?;
        self.state.prepare(id, &spec).map_err(refused)?;
        self.state.apply_strategy(id, spec).map_err(refused)?;
        if !self.record(now, &Record::Strategy { id, json }) {
            self.state.apply_strategy_removed(id);
            return Err(Refusal::JournalFull);
        }
        Ok(self.receipt(self.state.strategies.find(&name)))
    }

    fn update(
        &mut self,
        now: Now,
        spec: Box<StrategySpec>,
        json: &str,
    ) -> Result<Receipt, Refusal> {
        let slot = self.named(spec.id)?;
        let (id, name) = (slot.id, slot.name);
        if slot.is_active() || slot.state == StrategyState::Stopping {
            return Err(wrong_state(slot, "change while it may trade"));
        }
        // Its position and orders are of its instrument, and its state of its kind.
        if slot.spec.kind != spec.kind || slot.spec.instruments != spec.instruments {
            return Err(wrong_state(slot, "change its kind or instrument"));
        }
        let before = slot.spec.clone();
        self.check_text(json)?;
        self.state.apply_strategy(id, spec).map_err(refused)?;
        if !self.record(now, &Record::Strategy { id, json }) {
            let restored = self.state.apply_strategy(id, before);
            debug_assert!(restored.is_ok(), "it was in force a moment ago");
            return Err(Refusal::JournalFull);
        }
        self.tell_result(now, id);
        Ok(self.receipt(self.state.strategies.find(&name)))
    }

    fn delete(&mut self, now: Now, name: StrategyName) -> Result<Receipt, Refusal> {
        let slot = self.named(name)?;
        let id = slot.id;
        let idle = matches!(
            slot.state,
            StrategyState::Loaded | StrategyState::Stopped | StrategyState::Faulted
        );
        if !idle {
            return Err(wrong_state(slot, "be deleted"));
        }
        if self.state.orders.iter().any(|order| order.strategy == id) {
            return Err(Refusal::OrdersOpen(name));
        }
        if !self.record(now, &Record::StrategyRemoved { id }) {
            return Err(Refusal::JournalFull);
        }
        self.state.apply_strategy_removed(id);
        Ok(self.receipt(None))
    }

    fn start(&mut self, now: Now, name: StrategyName, mode: Mode) -> Result<Receipt, Refusal> {
        let slot = self.named(name)?;
        let id = slot.id;
        match mode {
            Mode::Live => return Err(Refusal::NoVault),
            Mode::Simulated => {}
        }
        match slot.state {
            StrategyState::Loaded | StrategyState::Stopped | StrategyState::Faulted => {}
            StrategyState::Warming
            | StrategyState::Running
            | StrategyState::Paused
            | StrategyState::Stopping => return Err(wrong_state(slot, "start")),
        }
        self.check_may_start()?;
        self.state.prepare(id, &slot.spec).map_err(refused)?;
        if let Some(slot) = self.state.strategies.get_mut(id) {
            slot.mode = mode;
        }
        self.warm_up(now, id)
    }

    fn resume(&mut self, now: Now, name: StrategyName) -> Result<Receipt, Refusal> {
        let slot = self.named(name)?;
        let id = slot.id;
        if slot.state != StrategyState::Paused {
            return Err(wrong_state(slot, "resume"));
        }
        self.check_may_start()?;
        self.warm_up(now, id)
    }

    fn warm_up(&mut self, now: Now, id: StrategyId) -> Result<Receipt, Refusal> {
        self.set_strategy_state(now, id, StrategyState::Warming, "");
        self.try_to_run(now, id);
        Ok(self.receipt(self.state.strategies.get(id)))
    }

    fn pause(
        &mut self,
        now: Now,
        name: StrategyName,
        actions: &mut Actions,
    ) -> Result<Receipt, Refusal> {
        let slot = self.named(name)?;
        let id = slot.id;
        if !slot.is_active() && slot.state != StrategyState::Paused {
            return Err(wrong_state(slot, "pause"));
        }
        let mut receipt = self.receipt(Some(slot));
        if slot.is_active() {
            self.set_strategy_state(now, id, StrategyState::Paused, "operator");
        }
        self.cancel_all_of(now, id, actions, &mut receipt);
        receipt.state = self.state.strategies.get(id).map(|slot| slot.state);
        Ok(receipt)
    }

    fn stop(
        &mut self,
        now: Now,
        name: StrategyName,
        actions: &mut Actions,
    ) -> Result<Receipt, Refusal> {
        let slot = self.named(name)?;
        let id = slot.id;
        if matches!(slot.state, StrategyState::Loaded | StrategyState::Stopped) {
            return Err(wrong_state(slot, "stop"));
        }
        let mut receipt = self.receipt(Some(slot));
        self.halt(now, id, StrategyState::Stopping, "operator", actions, &mut receipt);
        receipt.state = self.state.strategies.get(id).map(|slot| slot.state);
        Ok(receipt)
    }

    /// Takes a strategy out of trading in this very step and asks for the end of its orders.
    pub(super) fn halt(
        &mut self,
        now: Now,
        id: StrategyId,
        state: StrategyState,
        reason: &str,
        actions: &mut Actions,
        receipt: &mut Receipt,
    ) {
        self.set_strategy_state(now, id, state, reason);
        self.cancel_all_of(now, id, actions, receipt);
        self.stop_if_done(now, id);
    }

    fn halt_all(
        &mut self,
        now: Now,
        state: StrategyState,
        reason: &str,
        actions: &mut Actions,
    ) -> Receipt {
        let mut receipt = self.receipt(None);
        let stopping = state == StrategyState::Stopping;
        for id in self.strategy_ids(|slot| {
            slot.is_active() || (stopping && slot.state == StrategyState::Paused)
        }) {
            self.halt(now, id, state, reason, actions, &mut receipt);
        }
        receipt
    }

    fn place_by_hand(
        &mut self,
        now: Now,
        order: &ManualOrder,
        actions: &mut Actions,
    ) -> Result<Receipt, Refusal> {
        let intent = OrderIntent {
            strategy: StrategyId::MANUAL,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            price: order.price,
            quantity: order.quantity,
            reduce_only: order.reduce_only,
        };
        let placed = self.place(now, Cause::BY_HAND, &intent, actions);
        let placed =
            placed.map_err(|rejection| self.refusal(&rejection, Some(order.instrument)))?;
        self.by_hand = Some(ByHand { client_order_id: placed, not_sent: None });
        Ok(Receipt { placed: Some(placed), ..self.receipt(None) })
    }

    fn replace_by_hand(
        &mut self,
        now: Now,
        client_order_id: ClientOrderId,
        terms: Terms,
        actions: &mut Actions,
    ) -> Result<Receipt, Refusal> {
        let slot = self.replaceable(client_order_id)?;
        let replaced = self.replace(now, slot, terms, None, actions);
        let instrument = self.state.orders.get(slot).map(|order| order.instrument);
        replaced.map_err(|rejection| self.refusal(&rejection, instrument))?;
        self.by_hand = Some(ByHand { client_order_id, not_sent: None });
        Ok(self.receipt(None))
    }

    fn cancel_by_hand(
        &mut self,
        now: Now,
        id: ClientOrderId,
        actions: &mut Actions,
    ) -> Result<Receipt, Refusal> {
        match self.state.orders.find(id) {
            None => return Err(Refusal::NoSuchOrder(id)),
            Some(Found::Closed(_)) => return Err(Refusal::OrderClosed(id)),
            Some(Found::Live(slot)) => {
                if self.state.orders.get(slot).is_none_or(Order::is_closed) {
                    return Err(Refusal::OrderClosed(id));
                }
            }
        }
        let mut receipt = self.receipt(None);
        self.cancel_where(now, actions, &mut receipt, |order| order.client_order_id == id);
        Ok(receipt)
    }

    fn cancel_all(
        &mut self,
        now: Now,
        scope: CancelScope,
        actions: &mut Actions,
    ) -> Result<Receipt, Refusal> {
        let mut receipt = self.receipt(None);
        match scope {
            CancelScope::All => self.cancel_where(now, actions, &mut receipt, |_| true),
            CancelScope::Strategy(name) => {
                let id = self.named(name)?.id;
                self.cancel_all_of(now, id, actions, &mut receipt);
            }
            CancelScope::Instrument(instrument) => {
                self.cancel_where(now, actions, &mut receipt, |order| {
                    order.instrument == instrument
                });
            }
        }
        Ok(receipt)
    }

    fn replaceable(&self, id: ClientOrderId) -> Result<crate::orders::store::Slot, Refusal> {
        if self.state.kill.engaged {
            return Err(Refusal::Killed);
        }
        let slot = match self.state.orders.find(id) {
            None => return Err(Refusal::NoSuchOrder(id)),
            Some(Found::Closed(_)) => return Err(Refusal::OrderClosed(id)),
            Some(Found::Live(slot)) => slot,
        };
        match self.state.orders.get(slot) {
            Some(order) if order.is_closed() => Err(Refusal::OrderClosed(id)),
            Some(order) if order.is_busy() => Err(Refusal::RequestInFlight(id)),
            Some(_) => Ok(slot),
            None => Err(Refusal::NoSuchOrder(id)),
        }
    }

    /// Latches the kill switch, whatever the journal says, pauses all strategies and asks for
    /// the end of every order of ours, known or not.
    fn engage_kill(&mut self, now: Now, reason: &str, actions: &mut Actions) -> Receipt {
        let mut receipt = self.receipt(None);
        let reason = clip(reason);
        self.kill_unrecorded = !self.record(now, &Record::KillSwitch { engaged: true, reason });
        self.state.apply_kill(true, reason);
        for id in self.strategy_ids(StrategySlot::is_active) {
            self.set_strategy_state(now, id, StrategyState::Paused, "kill switch");
        }
        self.cancel_where(now, actions, &mut receipt, |_| true);
        receipt
    }

    fn rearm(&mut self, now: Now) -> Result<Receipt, Refusal> {
        if !self.record(now, &Record::KillSwitch { engaged: false, reason: "" }) {
            return Err(Refusal::JournalFull);
        }
        self.state.apply_kill(false, "");
        self.kill_unrecorded = false;
        Ok(self.receipt(None))
    }

    fn set_limits(&mut self, now: Now, limits: RiskLimits, json: &str) -> Result<Receipt, Refusal> {
        self.check_text(json)?;
        let before = self.state.limits.clone();
        self.state.apply_limits(limits).map_err(bad_limit)?;
        if !self.record(now, &Record::Limits { json }) {
            let restored = self.state.apply_limits(before);
            debug_assert!(restored.is_ok(), "they were in force a moment ago");
            return Err(Refusal::JournalFull);
        }
        Ok(self.receipt(None))
    }

    fn check_may_start(&self) -> Result<(), Refusal> {
        if self.state.kill.engaged {
            Err(Refusal::Killed)
        } else if self.journal_broken || !self.journal.accepts_orders() {
            Err(Refusal::JournalFull)
        } else {
            Ok(())
        }
    }

    fn check_text(&self, json: &str) -> Result<(), Refusal> {
        if json.len() > Record::MAX_TEXT {
            return Err(Refusal::TooLong { bytes: json.len(), most: Record::MAX_TEXT });
        }
        Ok(())
    }

    fn named(&self, name: StrategyName) -> Result<&StrategySlot, Refusal> {
        self.state.strategies.find(&name).ok_or(Refusal::NoSuchStrategy(name))
    }

    fn strategy_ids(
        &self,
        wanted: impl Fn(&StrategySlot) -> bool,
    ) -> arrayvec::ArrayVec<StrategyId, 64> {
        self.strategies().filter(|slot| wanted(slot)).map(|slot| slot.id).take(64).collect()
    }

    /// A receipt of the strategy named, or of all.
    fn receipt(&self, slot: Option<&StrategySlot>) -> Receipt {
        let last_order_sent = match slot {
            Some(slot) => slot.last_order,
            None => self.state.last_order,
        };
        let state = slot.map(|slot| slot.state);
        Receipt { last_order_sent, state, ..Receipt::default() }
    }

    fn refusal(&self, rejection: &RiskRejection, instrument: Option<InstrumentId>) -> Refusal {
        match rejection.check {
            RiskCheck::KillSwitch => return Refusal::Killed,
            RiskCheck::Gate if rejection.value == Gate::JournalFull.code() => {
                return Refusal::JournalFull;
            }
            RiskCheck::MaxOrderQuantity
            | RiskCheck::MaxOrderNotional
            | RiskCheck::PriceCollar
            | RiskCheck::ReferenceValidity
            | RiskCheck::WorstCasePosition
            | RiskCheck::OpenOrders
            | RiskCheck::MessageThrottle
            | RiskCheck::ReduceOnly
            | RiskCheck::SpecConformity
            | RiskCheck::Timeliness
            | RiskCheck::Gate => {}
        }
        let row = instrument.and_then(|instrument| self.state.instruments.get(instrument));
        let detail = match row {
            Some(row) => rejection.describe(row),
            None => rejection.check.description().to_owned(),
        };
        Refusal::Risk { check: rejection.check.name(), detail }
    }
}

fn wrong_state(slot: &StrategySlot, command: &'static str) -> Refusal {
    Refusal::WrongState { strategy: slot.name, state: slot.state, command }
}

fn refused(error: ReplayError) -> Refusal {
    match error {
        ReplayError::Spec(error) => Refusal::Spec(error),
        ReplayError::Limits(error) => bad_limit(error),
        ReplayError::NoRoomForStrategy(room) => Refusal::TooManyStrategies(room),
        ReplayError::NoAccount(venue) => Refusal::NoAccount(venue),
        // A command names no journal, prefix or order: these can't come of one.
        ReplayError::ForeignPrefix { .. }
        | ReplayError::InstrumentMoved { .. }
        | ReplayError::Json { .. }
        | ReplayError::NoRoomForOrder(_)
        | ReplayError::NoSuchStrategy(_) => Refusal::JournalFull,
    }
}

fn bad_limit(error: LimitError) -> Refusal {
    match error {
        LimitError::NotPositive(name) => Refusal::BadLimit(name),
        LimitError::TooManyStrategies { room, .. } => Refusal::TooManyStrategies(room),
    }
}

/// As much of a reason as a record holds.
fn clip(reason: &str) -> &str {
    let mut most = reason.len().min(512);
    while !reason.is_char_boundary(most) {
        most -= 1;
    }
    reason.get(..most).unwrap_or_default()
}
