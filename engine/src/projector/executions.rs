//! What venues say of orders and fills, folded by the desk's own types and rules.
//!
//! Whatever moves an order or a position here moves it in the desk too; what only the desk needs,
//! such as exposure or the questions still open, is left out.

use enigma_trading::orders::trades::Sighting;
use enigma_trading::orders::{CloseReason, Lifecycle, Order};
use enigma_types::{
    ClientOrderId, ExecutionReport, Fill, OrderReference, Outcome, RejectReason, RequestKind,
    StrategyId, WorkingOrder, WorkingStatus,
};

use super::{Projector, Stamp};
use crate::snapshot::{EventKind, ExternalOrderView, FillView, ReadModel};

impl Projector {
    pub(super) fn execution(&mut self, model: &mut ReadModel, at: Stamp, report: &ExecutionReport) {
        if let Outcome::Fill(fill) = &report.outcome {
            return self.fill(model, at, report, fill);
        }
        match &report.order {
            OrderReference::Ours(id) if self.live.contains(id) => {
                self.tell_order(model, at, *id, report);
            }
            OrderReference::Ours(id) => self.tell_closed(model, at, *id, report),
            OrderReference::External(text) => {
                if let Outcome::Working(working, _) = &report.outcome {
                    model.apply_external_order(external_view(report, text, working));
                }
            }
        }
    }

    fn tell_order(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        id: ClientOrderId,
        report: &ExecutionReport,
    ) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let unnamed = order.venue_order_id != report.venue_order_id;
        let was_closed = order.is_closed();
        match order.apply(report) {
            Ok(change) => {
                let reason = words(&report.outcome, change.closed);
                if let (Outcome::NotSent(RequestKind::Submit, cause), Some(view)) =
                    (&report.outcome, model.orders.get_mut(&id))
                {
                    view.not_sent = Some(*cause);
                }
                self.settle(model, at, id, was_closed, reason);
                if unnamed {
                    self.claim_waiting(model, at, id, report);
                }
            }
            Err(illegal) => {
                let text = format!("order {id}: {illegal}");
                model.events.push(at.wall, EventKind::alert(text));
            }
        }
    }

    /// News of an order that is settled, or that no record speaks of. Only an open order matters:
    /// the venue knows something that we don't.
    fn tell_closed(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        id: ClientOrderId,
        report: &ExecutionReport,
    ) {
        let Outcome::Working(working, _) = &report.outcome else { return };
        if working.status != WorkingStatus::Open {
            return;
        }
        let mut order = Order::adopted(id, working, report, self.fence_after);
        if let Some(known) = self.orders.get(&id) {
            let Lifecycle::Closed(reason) = known.lifecycle else { return };
            if !reason.is_disproved(known.venue_order_id, report.venue_order_id) {
                return;
            }
            order.strategy = known.strategy;
            order.filled = known.filled;
            order.reported = order.reported.max(known.filled);
            self.closed.retain(|closed| *closed != id);
        }
        self.orders.insert(id, order);
        self.live.insert(id);
        self.name(id);
        self.show(model, at, id, Some("found at the venue".into()));
        self.claim_waiting(model, at, id, report);
    }

    /// Moves the account's position by an execution that wasn't counted yet, then its owner's.
    fn fill(&mut self, model: &mut ReadModel, at: Stamp, report: &ExecutionReport, fill: &Fill) {
        let (account, instrument) = (report.account, report.instrument);
        if self.trades.note(account, instrument, fill.trade_id, fill.side) != Sighting::New {
            return;
        }
        let pair = self.pairs.entry((account, instrument)).or_default();
        pair.last_fill = pair.last_fill.max(report.received_at);
        if let Some(known) = self.instruments.get(&instrument) {
            self.positions.apply_account_fill(account, known, fill, report.venue_time);
        }
        let venue_key = (account, instrument, report.venue_order_id);
        let (owner, by_query) = match &report.order {
            OrderReference::Ours(id) => (Some(*id), false),
            OrderReference::External(text) => {
                (self.venue_ids.get(&venue_key).copied(), text.is_empty())
            }
        };
        let strategy = owner.map(|id| self.owner_of(id));
        let view = FillView {
            account,
            instrument,
            client_order_id: owner,
            venue_order_id: report.venue_order_id,
            strategy,
            fill: *fill,
            venue_time: report.venue_time,
        };
        model.push_fill(at.wall, view);
        if let Some(id) = owner {
            self.owned_fill(model, at, id, report, fill);
            // The fill may have been the first to name the order as the venue does.
            self.claim_waiting(model, at, id, report);
        } else if by_query {
            if self.waiting.len() >= WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(*report);
        }
        self.show_position(model, at, account, instrument);
    }

    /// Books a fill on the order and the strategy it belongs to.
    fn owned_fill(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        id: ClientOrderId,
        report: &ExecutionReport,
        fill: &Fill,
    ) {
        let strategy = self.owner_of(id);
        if let Some(known) = self.instruments.get(&report.instrument) {
            self.positions.apply_strategy_fill(strategy, known, fill);
        }
        let is_live = self.live.contains(&id);
        let mut odd = None;
        if let Some(order) = self.orders.get_mut(&id) {
            let was_closed = order.is_closed();
            let mut reason = None;
            if is_live {
                // A fill is legal in every state.
                if let Ok(change) = order.apply(report) {
                    reason = words(&report.outcome, change.closed);
                    odd = odd_fill(change.overfilled, change.late_fill);
                }
            } else {
                order.filled = order.filled.plus(fill.quantity);
                odd = odd_fill(false, true);
            }
            self.settle(model, at, id, was_closed, reason);
        } else {
            odd = Some("without a record of it");
        }
        if let Some(odd) = odd {
            let text = format!("order {id} was filled {odd}");
            model.events.push(at.wall, EventKind::alert(text));
        }
        self.show_strategy_position(model, at, strategy, report.instrument);
    }

    /// Books the fills that waited for the id under which the venue knows this order.
    fn claim_waiting(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        id: ClientOrderId,
        named_by: &ExecutionReport,
    ) {
        let key = (named_by.account, named_by.instrument, named_by.venue_order_id);
        let same = |report: &ExecutionReport| {
            (report.account, report.instrument, report.venue_order_id) == key
        };
        while let Some(place) = self.waiting.iter().position(same) {
            let Some(report) = self.waiting.remove(place) else { return };
            let Outcome::Fill(fill) = &report.outcome else { continue };
            let strategy = self.owner_of(id);
            let shown = model.fills.iter_mut().rev().find(|view| {
                view.account == report.account
                    && view.instrument == report.instrument
                    && (view.fill.trade_id, view.fill.side) == (fill.trade_id, fill.side)
            });
            if let Some(view) = shown {
                view.client_order_id = Some(id);
                view.strategy = Some(strategy);
            }
            self.owned_fill(model, at, id, &report, fill);
        }
    }

    /// After any change of an order: its view, its name at the venue, and its end.
    pub(super) fn settle(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        id: ClientOrderId,
        was_closed: bool,
        reason: Option<String>,
    ) {
        self.name(id);
        self.show(model, at, id, reason);
        let Some(order) = self.orders.get(&id) else { return };
        if order.is_closed() {
            if !order.fills_outstanding() {
                self.live.remove(&id);
            }
            if !was_closed {
                self.retire(model, id);
            }
        } else if was_closed {
            self.closed.retain(|closed| *closed != id);
        }
    }

    fn owner_of(&self, id: ClientOrderId) -> StrategyId {
        self.orders.get(&id).map_or(StrategyId::MANUAL, |order| order.strategy)
    }
}

fn odd_fill(overfilled: bool, late: bool) -> Option<&'static str> {
    match (overfilled, late) {
        (true, _) => Some("by more than it asked for"),
        (false, true) => Some("after its end"),
        (false, false) => None,
    }
}

/// Why an order was refused or how it ended: the venue's words where it has any.
fn words(outcome: &Outcome, closed: Option<CloseReason>) -> Option<String> {
    match outcome {
        Outcome::Rejected(RequestKind::Submit, reason) => Some(refusal(reason)),
        Outcome::Rejected(RequestKind::Cancel, reason) => {
            Some(format!("cancel refused: {}", refusal(reason)))
        }
        Outcome::Rejected(RequestKind::Replace, reason) => {
            Some(format!("replace refused: {}", refusal(reason)))
        }
        Outcome::NotSent(RequestKind::Submit, cause) => Some(format!("not sent: {}", cause.name())),
        Outcome::Unknown(_, cause) => Some(format!("unknown: {}", cause.name())),
        Outcome::NotSent(RequestKind::Cancel | RequestKind::Replace, _)
        | Outcome::Acknowledged(_)
        | Outcome::Working(..)
        | Outcome::Fill(_)
        | Outcome::NotFound { .. } => closed.map(|reason| reason.name().into()),
    }
}

fn refusal(reason: &RejectReason) -> String {
    if reason.message.is_empty() {
        format!("{} ({})", reason.class.name(), reason.code)
    } else {
        format!("{} ({})", reason.message, reason.code)
    }
}

fn external_view(
    report: &ExecutionReport,
    text: &str,
    working: &WorkingOrder,
) -> ExternalOrderView {
    ExternalOrderView {
        account: report.account,
        instrument: report.instrument,
        venue_order_id: report.venue_order_id,
        text: text.into(),
        side: Some(working.side),
        price: working.price,
        quantity: working.quantity,
        filled: working.filled,
        open: working.status == WorkingStatus::Open,
    }
}

/// As many fills may wait for their order's id as in the desk.
const WAITING: usize = 1_024;
