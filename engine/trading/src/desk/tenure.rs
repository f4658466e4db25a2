//! What the journal's records make of the strategies: their descriptions, states and ends.
//!
//! The same whether a record is written now or read back. Nothing here asks a strategy anything.

use enigma_types::{
    AccountId, InstrumentId, Mode, Nanos, StrategyId, StrategySpec, StrategyState, UnixNanos,
};

use super::registry::{Machine, RepeatedRefusals, StrategySlot};
use super::state::{ReplayError, State};
use crate::strategy::{self, Strategy as _};

impl State {
    /// Where a strategy's description leads: its instrument, the account it trades on, its code.
    pub(super) fn prepare(
        &self,
        id: StrategyId,
        spec: &StrategySpec,
    ) -> Result<(InstrumentId, AccountId, Machine), ReplayError> {
        spec.check()?;
        let name = spec.instruments.first().map_or("", String::as_str);
        let instrument = self
            .instruments
            .by_name(name)
            .ok_or_else(|| enigma_types::SpecError::UnknownInstrument(name.to_owned()))?;
        let place = self.venues.iter().position(|venue| *venue == instrument.venue);
        let account = place
            .and_then(|place| u16::try_from(place).ok())
            .map(AccountId)
            .ok_or(ReplayError::NoAccount(instrument.venue))?;
        let machine = strategy::build(spec, id, account, instrument)?;
        Ok((instrument.id, account, Machine::Built(machine)))
    }

    /// Creates a strategy, or gives one another description. Nothing changes on an error.
    pub(super) fn apply_strategy(
        &mut self,
        id: StrategyId,
        spec: Box<StrategySpec>,
    ) -> Result<(), ReplayError> {
        let (instrument, account, mut machine) = self.prepare(id, &spec)?;
        let row = self.instruments.get(instrument).ok_or(ReplayError::NoSuchStrategy(id))?;
        self.risk.set_strategy_limits(id, &spec.limits, row)?;
        if let Some(slot) = self.strategies.get_mut(id) {
            if let (Some(machine), Some(before)) = (machine.built_mut(), slot.machine.built()) {
                machine.inherit(before);
            }
            slot.machine = machine;
            slot.spec = spec;
            return Ok(());
        }
        let inserted = self.strategies.insert(StrategySlot {
            id,
            name: spec.id,
            spec,
            state: StrategyState::Loaded,
            mode: Mode::Simulated,
            account,
            instrument,
            last_order: None,
            machine,
            own: Vec::with_capacity(StrategySlot::OPEN_ORDERS),
            refusals: RepeatedRefusals::default(),
            timer: Nanos::MAX,
            broken: false,
            finished: None,
            told: None,
        });
        if inserted {
            Ok(())
        } else {
            self.risk.remove_strategy(id);
            Err(ReplayError::NoRoomForStrategy(self.strategies.capacity()))
        }
    }

    /// A strategy is elsewhere in its life. Whatever the last run left in its machine, a start
    /// begins afresh.
    pub(super) fn apply_strategy_state(
        &mut self,
        at: UnixNanos,
        id: StrategyId,
        state: StrategyState,
        mode: Mode,
    ) -> Result<(), ReplayError> {
        let slot = self.strategies.get(id).ok_or(ReplayError::NoSuchStrategy(id))?;
        let starts = state == StrategyState::Warming && slot.state != StrategyState::Paused;
        let mut fresh = if starts { Some(self.prepare(id, &slot.spec)?.2) } else { None };
        if let Some(machine) = fresh.as_mut().and_then(Machine::built_mut) {
            machine.on_start(at);
        }
        let slot = self.strategies.get_mut(id).ok_or(ReplayError::NoSuchStrategy(id))?;
        slot.state = state;
        slot.mode = mode;
        if let Some(machine) = fresh {
            slot.machine = machine;
            slot.broken = false;
            slot.finished = None;
            slot.timer = Nanos::MAX;
        }
        Ok(())
    }

    /// What a strategy leaves behind, its position and the right to late fills, is the operator's.
    pub(super) fn apply_strategy_removed(&mut self, id: StrategyId) {
        let Some(slot) = self.strategies.get(id) else { return };
        let (account, instrument) = (slot.account, slot.instrument);
        let left = self.positions.traded(id, instrument);
        self.strategies.remove(id);
        self.risk.remove_strategy(id);
        self.positions.bequeath(id, StrategyId::MANUAL);
        if let Some(reducing) = left.reducing_side() {
            let side = reducing.opposite();
            self.risk.on_fill(StrategyId::MANUAL, account, instrument, side, left.magnitude());
            self.show_risk_position(account, instrument);
        }
        for closed in self.orders.all_closed_mut().filter(|closed| closed.strategy == id) {
            closed.strategy = StrategyId::MANUAL;
        }
    }
}
