//! The strategies of this desk: their descriptions, machines, states and open orders.
//!
//! It must not decide when a strategy runs; it only keeps what each one is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, BookTop, ClientOrderId, ExecutionReport, Fill, InstrumentId, Mode, Nanos, Now,
    StrategyId, StrategyName, StrategyResult, StrategySpec, StrategyState, Trade, UnixNanos,
};

use crate::orders::Order;
use crate::strategy::{Decisions, FinishReason, OwnOrder, Strategy as _, StrategyMachine, View};

/// A strategy with all that the desk keeps of it.
#[derive(Debug)]
pub struct StrategySlot {
    pub id: StrategyId,
    pub name: StrategyName,
    pub spec: Box<StrategySpec>,
    pub state: StrategyState,
    pub mode: Mode,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub last_order: Option<ClientOrderId>,
    pub(super) machine: Machine,
    /// Its orders that aren't closed, oldest first. Never grows past its first capacity.
    pub(super) own: Vec<OwnOrder>,
    pub(super) refusals: RepeatedRefusals,
    /// When it wants to be asked next, whatever happens.
    pub(super) timer: Nanos,
    /// It panicked where it couldn't be stopped: it is, before it is asked again.
    pub(super) broken: bool,
    /// Why it is stopping by itself.
    pub(super) finished: Option<FinishReason>,
    /// The result that the journal holds.
    pub(super) told: Option<StrategyResult>,
}

/// What a strategy is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    Book,
    Trade(&'a Trade),
    Report(&'a ExecutionReport),
    Timer,
}

/// A strategy's code.
#[derive(Debug)]
pub(super) enum Machine {
    Built(StrategyMachine),
    #[cfg(test)]
    Panicking,
}

/// Keeps a strategy that is refused over and over from filling the journal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RepeatedRefusals {
    check: u8,
    since: Nanos,
    count: u32,
}

/// All strategies, by id. Id 0, the person at the API, has no place here.
#[derive(Debug)]
pub(super) struct Registry {
    slots: Box<[Option<StrategySlot>]>,
    by_instrument: Box<[ArrayVec<StrategyId, 64>]>,
}

impl StrategySlot {
    /// How many orders of one strategy may be open at once.
    pub const OPEN_ORDERS: usize = 256;

    pub fn open_orders(&self) -> &[OwnOrder] {
        &self.own
    }

    /// What it made of its task, so far or finally, where it has one that ends.
    pub fn result(&self) -> Option<StrategyResult> {
        self.machine.result()
    }

    /// Lets the strategy sum up a fill of its own. What breaks on that is the strategy alone.
    pub(super) fn note_fill(&mut self, at: UnixNanos, fill: &Fill) {
        let machine = &mut self.machine;
        let noted = catch_unwind(AssertUnwindSafe(|| {
            if let Some(machine) = machine.built_mut() {
                machine.on_fill(at, fill);
            }
        }));
        self.broken |= noted.is_err();
    }

    pub(super) fn is_active(&self) -> bool {
        matches!(self.state, StrategyState::Running | StrategyState::Warming)
    }

    /// Brings the strategy's picture of one of its orders up to date.
    pub(super) fn refresh(&mut self, order: &Order) {
        let place = self.own.iter().position(|own| own.client_order_id == order.client_order_id);
        if order.is_closed() {
            if let Some(place) = place {
                self.own.remove(place);
            }
            return;
        }
        let own = OwnOrder {
            client_order_id: order.client_order_id,
            side: order.side,
            price: order.price,
            leaves_quantity: order.leaves(),
            busy: order.is_busy(),
        };
        match place.and_then(|place| self.own.get_mut(place)) {
            Some(known) => *known = own,
            None => self.own.push(own),
        }
    }
}

impl Event<'_> {
    /// When it was received. A trade carries no such stamp: it is told in the turn that reads it.
    /// What a timer decides on is as old as the book, which has a check of its own.
    pub(super) fn received_at(&self, book: &BookTop) -> Option<Nanos> {
        match self {
            Self::Book => Some(book.received_at),
            Self::Trade(_) | Self::Timer => None,
            Self::Report(report) => Some(report.received_at),
        }
    }
}

impl Machine {
    pub(super) fn tell(&mut self, event: Event<'_>, view: &View<'_>, decisions: &mut Decisions) {
        match self {
            Self::Built(machine) => match event {
                Event::Book => machine.on_book(view, decisions),
                Event::Trade(trade) => machine.on_trade(view, trade, decisions),
                Event::Report(report) => machine.on_report(view, report, decisions),
                Event::Timer => machine.on_timer(view, decisions),
            },
            #[cfg(test)]
            Self::Panicking => panic!("a strategy of the tests"),
        }
    }

    pub(super) fn next_deadline(&self, now: Now) -> Option<Nanos> {
        self.built().and_then(|machine| machine.next_deadline(now))
    }

    pub(super) fn result(&self) -> Option<StrategyResult> {
        self.built().and_then(StrategyMachine::result)
    }

    pub(super) fn built(&self) -> Option<&StrategyMachine> {
        match self {
            Self::Built(machine) => Some(machine),
            #[cfg(test)]
            Self::Panicking => None,
        }
    }

    pub(super) fn built_mut(&mut self) -> Option<&mut StrategyMachine> {
        match self {
            Self::Built(machine) => Some(machine),
            #[cfg(test)]
            Self::Panicking => None,
        }
    }
}

impl RepeatedRefusals {
    const A_SECOND: u32 = 10;

    /// Whether one more refusal by this check is to be journalled.
    pub(super) fn note(&mut self, check: u8, now: Nanos) -> bool {
        if self.check != check || now.since(self.since) >= Nanos::from_secs(1) {
            *self = Self { check, since: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= Self::A_SECOND
    }
}

impl Registry {
    pub(super) fn new(strategies: usize, instruments: usize) -> Self {
        let mut slots = Vec::new();
        slots.resize_with(strategies + 1, || None);
        Self { slots: slots.into(), by_instrument: vec![ArrayVec::new(); instruments].into() }
    }

    /// How many strategies there may be at once.
    pub(super) const fn capacity(&self) -> usize {
        self.slots.len() - 1
    }

    /// The lowest id that no strategy has.
    pub(super) fn free_id(&self) -> Option<StrategyId> {
        let place = self.slots.iter().skip(1).position(Option::is_none)?;
        u16::try_from(place + 1).ok().map(StrategyId)
    }

    /// Puts a strategy in its place. `false` when there is no such place, or no room on its
    /// instrument.
    pub(super) fn insert(&mut self, slot: StrategySlot) -> bool {
        let id = slot.id;
        let place = usize::from(id.0);
        let Some(on_instrument) = self.by_instrument.get_mut(usize::from(slot.instrument.0)) else {
            return false;
        };
        if place == 0 || place >= self.slots.len() || on_instrument.try_push(id).is_err() {
            return false;
        }
        if let Some(vacant) = self.slots.get_mut(place) {
            *vacant = Some(slot);
        }
        true
    }

    pub(super) fn remove(&mut self, id: StrategyId) {
        let Some(slot) = self.slots.get_mut(usize::from(id.0)).and_then(Option::take) else {
            return;
        };
        if let Some(ids) = self.by_instrument.get_mut(usize::from(slot.instrument.0)) {
            ids.retain(|known| *known != id);
        }
    }

    #[inline]
    pub(super) fn get(&self, id: StrategyId) -> Option<&StrategySlot> {
        self.slots.get(usize::from(id.0)).and_then(Option::as_ref)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: StrategyId) -> Option<&mut StrategySlot> {
        self.slots.get_mut(usize::from(id.0)).and_then(Option::as_mut)
    }

    pub(super) fn find(&self, name: &StrategyName) -> Option<&StrategySlot> {
        self.iter().find(|slot| slot.name == *name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StrategySlot> {
        self.slots.iter().filter_map(Option::as_ref)
    }

    /// The n-th strategy of an instrument.
    #[inline]
    pub(super) fn on_instrument(&self, instrument: InstrumentId, n: usize) -> Option<StrategyId> {
        self.by_instrument.get(usize::from(instrument.0))?.get(n).copied()
    }

    pub(super) fn refresh(&mut self, order: &Order) {
        if let Some(slot) = self.get_mut(order.strategy) {
            slot.refresh(order);
        }
    }
}
