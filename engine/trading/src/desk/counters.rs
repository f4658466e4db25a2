//! Plain counts of what the desk did, read by the engine's metrics. They decide nothing.

use crate::orders::CloseReason;

/// Counts since the desk was made. A replay counts too, except what only live calls do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeskCounters {
    pub orders_sent: u64,
    pub cancels_sent: u64,
    pub replaces_sent: u64,
    pub queries_sent: u64,
    /// By the place of the reason in `CloseReason::ALL`.
    pub orders_closed: [u64; CloseReason::ALL.len()],
    /// How often an order became Unknown.
    pub orders_unknown_total: u64,
    /// How many orders are Unknown now.
    pub orders_unknown: u64,
    pub fills: u64,
    pub fills_duplicate: u64,
    /// Fills older than every trade id that is remembered: not applied.
    pub fills_forgotten: u64,
    pub fills_late: u64,
    /// Fills of nobody we know, on an account of ours.
    pub fills_external: u64,
    /// Fills named by a venue's order id only that waited so long that they were given up.
    pub fills_unattributed: u64,
    pub overfills: u64,
    /// Fills that a venue told of an order on the other side.
    pub fills_on_wrong_side: u64,
    pub external_reports: u64,
    pub orders_adopted: u64,
    /// Orders that a venue showed open after their end.
    pub orders_resurrected: u64,
    pub illegal_transitions: u64,
    /// Orders of ours that a venue showed and for which there was no room.
    pub orders_without_room: u64,
    pub reports: u64,
    /// By the number of the check.
    pub rejections: [u64; 32],
    pub strategy_faults: u64,
    pub journal_failures: u64,
    pub differences: u64,
    pub reconciliations: u64,
    pub reconciliations_failed: u64,
}

impl DeskCounters {
    pub(super) fn closed(&mut self, reason: CloseReason) {
        let place = CloseReason::ALL.iter().position(|known| *known == reason);
        if let Some(count) = place.and_then(|place| self.orders_closed.get_mut(place)) {
            *count += 1;
        }
    }

    pub(super) fn rejected(&mut self, check: u8) {
        if let Some(count) = self.rejections.get_mut(usize::from(check)) {
            *count += 1;
        }
    }
}
