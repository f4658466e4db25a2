//! How many orders of a venue may still trade, and how many nobody knows the end of.

use enigma_engine::snapshot::{OrderState, ReadModel};
use enigma_types::VenueId;

use crate::naming::Naming;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderCounts {
    pub(crate) open: u64,
    pub(crate) unknown: u64,
}

impl OrderCounts {
    pub(crate) fn of(model: &ReadModel, naming: &Naming, venue: VenueId) -> Self {
        let mut counts = Self::default();
        for view in model.orders.values() {
            let here = naming.instrument(view.instrument).is_some_and(|row| row.venue == venue);
            counts.open += u64::from(here && view.state.is_live());
            counts.unknown += u64::from(here && view.state == OrderState::Unknown);
        }
        counts
    }
}
