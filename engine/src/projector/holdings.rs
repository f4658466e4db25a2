//! Positions as the model shows them: the sum of unique fills beside what the venue last said.

use enigma_types::{
    AccountId, InstrumentId, Nanos, PositionReport, Query, QueryReport, SignedQuantity, StrategyId,
    UnixNanos,
};

use super::{Projector, Stamp};
use crate::snapshot::{EventKind, Fees, ReadModel};

/// One account's dealings in one instrument beside the position, as far as adopting needs it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair {
    pub(super) last_fill: Nanos,
    /// The venue's position in the answer that is coming in.
    stated: Option<(SignedQuantity, UnixNanos)>,
}

impl Projector {
    pub(super) fn venue_position(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        report: &PositionReport,
    ) {
        if report.asked_at.is_some() {
            let pair = self.pairs.entry((report.account, report.instrument)).or_default();
            pair.stated = Some((report.quantity, report.venue_time));
        }
        model.apply_venue_position(at.wall, report);
    }

    /// The end of an answer. The first whole one about an account's positions is what its sums
    /// start from, where nothing of ours was moving.
    pub(super) fn query_ended(&mut self, model: &mut ReadModel, at: Stamp, report: &QueryReport) {
        let Query::Account { account } = report.query else { return };
        let Some(&venue) = self.venues.get(usize::from(account.0)) else { return };
        let traded: Vec<InstrumentId> =
            self.instruments.values().filter(|row| row.venue == venue).map(|row| row.id).collect();
        for instrument in traded {
            let quiet = self.is_quiet(account, instrument, report.asked_at);
            let pair = self.pairs.entry((account, instrument)).or_default();
            let (quantity, time) =
                pair.stated.take().unwrap_or((SignedQuantity::ZERO, UnixNanos(0)));
            let first = !self.positions.is_adopted(account, instrument);
            if report.complete && quiet && first {
                self.positions.adopt(account, instrument, quantity, time);
                let shown = model.positions.contains_key(&(account, instrument));
                if shown || quantity != SignedQuantity::ZERO {
                    self.show_position(model, at, account, instrument);
                }
            }
        }
    }

    pub(super) fn show_strategy_position(
        &self,
        model: &mut ReadModel,
        at: Stamp,
        strategy: StrategyId,
        instrument: InstrumentId,
    ) {
        let Some(row) = self.positions.strategy(strategy, instrument) else { return };
        let Some(view) = model.strategies.get_mut(&strategy) else { return };
        view.position = row.quantity;
        view.fills = row.fills;
        view.cash = row.cash;
        view.fees = Fees(row.fees.to_vec());
        model.events.push(at.wall, EventKind::Strategy(strategy));
    }

    pub(super) fn show_position(
        &self,
        model: &mut ReadModel,
        at: Stamp,
        account: AccountId,
        instrument: InstrumentId,
    ) {
        let Some(row) = self.positions.account(account, instrument) else { return };
        let view = model.positions.entry((account, instrument)).or_default();
        view.quantity = row.quantity;
        view.fills = row.fills;
        view.bought = row.bought;
        view.sold = row.sold;
        view.fees = Fees(row.fees.to_vec());
        model.events.push(at.wall, EventKind::Position(account, instrument));
    }

    /// Nothing of ours has moved on the pair since before `asked_at`, or may be moving now.
    fn is_quiet(&self, account: AccountId, instrument: InstrumentId, asked_at: Nanos) -> bool {
        let last =
            self.pairs.get(&(account, instrument)).map_or(Nanos::ZERO, |pair| pair.last_fill);
        last < asked_at
            && self
                .live
                .iter()
                .filter_map(|id| self.orders.get(id))
                .filter(|order| order.account == account && order.instrument == instrument)
                .all(|order| !order.is_busy() && !order.fills_outstanding())
    }
}
