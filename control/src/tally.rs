//! How orders ended, by strategy: folded from the engine's events since this process began.
//!
//! The read model forgets closed orders after a while; counters may not go down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use enigma_engine::snapshot::{EventKind, OrderState, ReadModel};
use enigma_types::{ClientOrderId, InstrumentTable, VenueId};

use crate::naming::strategy_name;

/// Counts of ended orders, by venue, strategy and state.
#[derive(Debug, Default)]
pub(crate) struct OrderTally {
    inner: Mutex<Inner>,
}

pub(crate) type Ended = BTreeMap<(VenueId, String, OrderState), u64>;

#[derive(Debug, Default)]
struct Inner {
    after: u64,
    ended: Ended,
    /// Orders counted already, the newest by id: an order's end may be told more than once.
    counted: BTreeSet<ClientOrderId>,
}

impl OrderTally {
    /// How many ended orders are remembered against counting them twice.
    const REMEMBERED: usize = 32_768;
    const BATCH: usize = 1_024;

    /// Starts after everything that was recovered.
    pub(crate) fn starting_at(next_event: u64) -> Self {
        let after = next_event.saturating_sub(1);
        Self { inner: Mutex::new(Inner { after, ..Inner::default() }) }
    }

    /// Takes in the events since the last call.
    pub(crate) fn follow(&self, model: &ReadModel, table: &InstrumentTable) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (events, _) = model.events.since(inner.after, Self::BATCH);
            let Some(last) = events.last() else { return };
            inner.after = last.sequence;
            for event in &events {
                if let EventKind::Order(id) = event.kind {
                    inner.count(id, model, table);
                }
            }
        }
    }

    pub(crate) fn ended(&self) -> Ended {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).ended.clone()
    }
}

impl Inner {
    fn count(&mut self, id: ClientOrderId, model: &ReadModel, table: &InstrumentTable) {
        let Some(view) = model.orders.get(&id).filter(|view| !view.state.is_live()) else { return };
        let Some(instrument) = table.get(view.instrument) else { return };
        if !self.counted.insert(id) {
            return;
        }
        if self.counted.len() > OrderTally::REMEMBERED {
            self.counted.pop_first();
        }
        let key = (instrument.venue, strategy_name(model, view.strategy), view.state);
        *self.ended.entry(key).or_insert(0) += 1;
    }
}
