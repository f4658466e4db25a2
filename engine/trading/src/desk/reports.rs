//! What each report makes of the state: orders, fills, positions, answers to questions.
//!
//! The same for a live report and for one read back from the journal. It decides nothing.

use enigma_types::{
    AccountId, ClientOrderId, ExecutionReport, Fill, Instrument, InstrumentId, OrderReference,
    Outcome, PositionReport, Query, QueryReport, Report, SignedQuantity, StrategyId, UnixNanos,
    WorkingOrder, WorkingStatus,
};

use super::state::State;
use crate::orders::store::{Found, Slot};
use crate::orders::trades::Sighting;
use crate::orders::{Change, IllegalTransition, Order};

/// What a report turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing that anybody waits for.
    Nothing,
    /// An order of ours was told something.
    Order(Slot, Order, Change),
    /// A fill of an order that is closed and settled, applied late.
    LateFill(ClientOrderId, StrategyId),
    /// A fill with our prefix of an order that we have no record of, booked as the operator's.
    StrangeFill(ClientOrderId),
    /// A venue told of more fills of a settled order than we know.
    FillsMissing,
    /// An order with our prefix that we had no record of.
    Adopted(Slot, ClientOrderId),
    /// A venue shows an order open that had ended, by proof or by the venue's word.
    Resurrected(Slot, ClientOrderId),
    /// There was no room to adopt an order.
    NoRoom(ClientOrderId),
    Illegal(Slot, ClientOrderId, IllegalTransition),
}

impl State {
    pub(super) fn apply_report(&mut self, at: UnixNanos, report: &Report) -> News {
        self.counters.reports += 1;
        self.reported_at = at;
        match report {
            Report::Execution(report) => self.apply_execution(report),
            Report::Position(report) => {
                self.apply_position(report);
                News::Nothing
            }
            Report::Query(report) => {
                self.apply_query(report);
                News::Nothing
            }
            Report::Balance(_) => News::Nothing,
        }
    }

    fn apply_execution(&mut self, report: &ExecutionReport) -> News {
        if let Outcome::Fill(fill) = &report.outcome {
            return self.apply_fill(report, fill);
        }
        let OrderReference::Ours(id) = report.order else {
            self.counters.external_reports += 1;
            return News::Nothing;
        };
        match self.orders.find(id) {
            Some(Found::Live(slot)) => self.tell_order(slot, report),
            Some(Found::Closed(place)) => self.tell_closed(place, report),
            None => match &report.outcome {
                Outcome::Working(working, _) if working.status == WorkingStatus::Open => {
                    self.adopt(id, working, report)
                }
                Outcome::Working(..)
                | Outcome::Acknowledged(_)
                | Outcome::Fill(_)
                | Outcome::Rejected(..)
                | Outcome::NotSent(..)
                | Outcome::Unknown(..)
                | Outcome::NotFound { .. } => News::Nothing,
            },
        }
    }

    fn tell_order(&mut self, slot: Slot, report: &ExecutionReport) -> News {
        let Some(before) = self.before(slot) else { return News::Nothing };
        let Some(order) = self.orders.get_mut(slot) else { return News::Nothing };
        let unnamed = order.venue_order_id != report.venue_order_id;
        match order.apply(report) {
            Ok(change) => {
                let order = self.settle(slot, before);
                if unnamed {
                    self.claim_waiting(id_of_report(report), report);
                }
                order.map_or(News::Nothing, |order| News::Order(slot, order, change))
            }
            Err(illegal) => {
                self.counters.illegal_transitions += 1;
                News::Illegal(slot, order.client_order_id, illegal)
            }
        }
    }

    fn tell_closed(&mut self, place: usize, report: &ExecutionReport) -> News {
        let Outcome::Working(working, _) = &report.outcome else { return News::Nothing };
        let Some(closed) = self.orders.closed_mut(place) else { return News::Nothing };
        if working.status == WorkingStatus::Open
            && closed.reason.is_disproved(closed.venue_order_id, report.venue_order_id)
        {
            return self.resurrect(place, working, report);
        }
        if working.filled > closed.filled {
            return News::FillsMissing;
        }
        News::Nothing
    }

    fn adopt(
        &mut self,
        id: ClientOrderId,
        working: &WorkingOrder,
        report: &ExecutionReport,
    ) -> News {
        let order = Order::adopted(id, working, report, self.fence);
        match self.take_in(order) {
            Ok(slot) => {
                self.counters.orders_adopted += 1;
                self.claim_waiting(Some(id), report);
                News::Adopted(slot, id)
            }
            Err(_) => {
                self.counters.orders_without_room += 1;
                News::NoRoom(id)
            }
        }
    }

    /// It hasn't ended after all. It counts again as its strategy's, and is to be
    /// cancelled: the strategy has long gone on without it.
    fn resurrect(
        &mut self,
        place: usize,
        working: &WorkingOrder,
        report: &ExecutionReport,
    ) -> News {
        let Some(closed) = self.orders.closed(place).copied() else { return News::Nothing };
        let id = closed.client_order_id;
        let mut order = Order::adopted(id, working, report, self.fence);
        order.strategy = closed.strategy;
        order.filled = closed.filled;
        order.reported = order.reported.max(closed.filled);
        match self.take_in(order) {
            Ok(slot) => {
                self.orders.forget_closed(place);
                self.counters.orders_resurrected += 1;
                self.claim_waiting(Some(id), report);
                News::Resurrected(slot, id)
            }
            Err(_) => {
                self.counters.orders_without_room += 1;
                News::NoRoom(id)
            }
        }
    }

    /// Moves the account's position by a fill that hasn't been seen before, then its owner's.
    fn apply_fill(&mut self, report: &ExecutionReport, fill: &Fill) -> News {
        let (account, instrument) = (report.account, report.instrument);
        let told_by_query =
            matches!(&report.order, OrderReference::External(text) if text.is_empty());
        let sighting = self.trades.note(account, instrument, fill.trade_id, fill.side);
        if let Some(pair) = self.pair_mut(account, instrument) {
            if told_by_query {
                pair.answered = pair.answered.max(fill.trade_id);
                pair.answer_had_news |= sighting == Sighting::New;
            }
            if sighting == Sighting::New {
                pair.last_fill = pair.last_fill.max(report.received_at);
            }
        }
        match sighting {
            Sighting::New => {}
            Sighting::Seen => {
                self.counters.fills_duplicate += 1;
                return News::Nothing;
            }
            Sighting::Forgotten => {
                self.counters.fills_forgotten += 1;
                return News::Nothing;
            }
        }
        self.counters.fills += 1;
        let instruments = self.instruments.clone();
        if let Some(row) = instruments.get(instrument) {
            self.positions.apply_account_fill(account, row, fill, report.venue_time);
        }
        let owner = match report.order {
            OrderReference::Ours(id) => Some(id),
            OrderReference::External(_) => {
                self.orders.client_id(account, instrument, report.venue_order_id)
            }
        };
        let news = match owner {
            Some(id) => {
                let news = self.apply_owned_fill(id, report, fill);
                // The fill may have been the first to name the order as the venue does.
                self.claim_waiting(Some(id), report);
                news
            }
            None => {
                self.counters.fills_external += 1;
                if told_by_query {
                    self.keep_waiting(report);
                }
                News::Nothing
            }
        };
        self.show_risk_position(account, instrument);
        news
    }

    /// Books a fill on the order and the strategy it belongs to.
    fn apply_owned_fill(
        &mut self,
        id: ClientOrderId,
        report: &ExecutionReport,
        fill: &Fill,
    ) -> News {
        let (account, instrument) = (report.account, report.instrument);
        let instruments = self.instruments.clone();
        let row = instruments.get(instrument);
        match self.orders.find(id) {
            Some(Found::Live(slot)) => self.fill_order(slot, report, fill),
            Some(Found::Closed(place)) => {
                let Some(closed) = self.orders.closed_mut(place) else { return News::Nothing };
                closed.filled = closed.filled.plus(fill.quantity);
                let strategy = closed.strategy;
                self.counters.fills_late += 1;
                self.counters.fills_on_wrong_side += u64::from(closed.side != fill.side);
                let quantity = fill.quantity;
                self.risk.on_fill(strategy, account, instrument, fill.side, quantity);
                if let Some(row) = row {
                    self.book_fill(strategy, row, fill);
                }
                News::LateFill(id, strategy)
            }
            None => {
                let strategy = StrategyId::MANUAL;
                let quantity = fill.quantity;
                self.risk.on_fill(strategy, account, instrument, fill.side, quantity);
                if let Some(row) = row {
                    self.book_fill(strategy, row, fill);
                }
                News::StrangeFill(id)
            }
        }
    }

    fn fill_order(&mut self, slot: Slot, report: &ExecutionReport, fill: &Fill) -> News {
        let Some(before) = self.before(slot) else { return News::Nothing };
        let Some(order) = self.orders.get_mut(slot) else { return News::Nothing };
        let strategy = order.strategy;
        let Ok(change) = order.apply(report) else { return News::Nothing };
        let (account, instrument) = (report.account, report.instrument);
        // The position moves to the side that the venue says; what was reserved is given back,
        // when the order is settled, on the side that it was reserved on.
        self.risk.on_fill(strategy, account, instrument, fill.side, fill.quantity);
        self.counters.fills_on_wrong_side += u64::from(change.wrong_side);
        if change.late_fill {
            self.counters.fills_late += 1;
        }
        if change.overfilled {
            self.counters.overfills += 1;
        }
        let instruments = self.instruments.clone();
        if let Some(row) = instruments.get(instrument) {
            self.book_fill(strategy, row, fill);
        }
        let order = self.settle(slot, before);
        order.map_or(News::Nothing, |order| News::Order(slot, order, change))
    }

    /// Moves a strategy's position, and lets it sum the fill up.
    fn book_fill(&mut self, strategy: StrategyId, row: &Instrument, fill: &Fill) {
        self.positions.apply_strategy_fill(strategy, row, fill);
        let traded = self.positions.traded(strategy, row.id);
        self.risk.set_strategy_position(strategy, row.id, traded);
        if let Some(slot) = self.strategies.get_mut(strategy) {
            slot.note_fill(self.reported_at, fill);
        }
    }

    fn keep_waiting(&mut self, report: &ExecutionReport) {
        if self.waiting.len() >= Self::WAITING {
            self.waiting.remove(0);
            self.counters.fills_unattributed += 1;
        }
        self.waiting.push(*report);
    }

    /// Books the fills that waited for the id under which the venue knows this order.
    fn claim_waiting(&mut self, id: Option<ClientOrderId>, named_by: &ExecutionReport) {
        let Some(id) = id.filter(|_| !self.waiting.is_empty()) else { return };
        while let Some(place) = self.waiting.iter().position(|report| {
            report.venue_order_id == named_by.venue_order_id
                && report.account == named_by.account
                && report.instrument == named_by.instrument
        }) {
            let report = self.waiting.remove(place);
            if let Outcome::Fill(fill) = &report.outcome {
                self.counters.fills_external = self.counters.fills_external.saturating_sub(1);
                self.apply_owned_fill(id, &report, fill);
                self.show_risk_position(report.account, report.instrument);
            }
        }
    }

    fn apply_position(&mut self, report: &PositionReport) {
        // A pushed position says nothing that the fills don't; only answers are compared.
        if report.asked_at.is_some()
            && let Some(pair) = self.pair_mut(report.account, report.instrument)
        {
            pair.stated = Some((report.quantity, report.venue_time));
        }
    }

    fn apply_query(&mut self, report: &QueryReport) {
        match report.query {
            Query::Order { .. } | Query::OpenOrders { .. } => {}
            Query::Fills { account, instrument, .. } => {
                if let Some(pair) = self.pair_mut(account, instrument) {
                    let last = pair.answered;
                    if report.complete && last.0 > 0 {
                        pair.settled = Some(pair.settled.map_or(last, |known| known.max(last)));
                    }
                    pair.answered = Default::default();
                }
            }
            Query::Account { account } => self.apply_positions_answer(account, report),
        }
    }

    /// The venue's positions are told whole. The first time, they are what we start from.
    fn apply_positions_answer(&mut self, account: AccountId, report: &QueryReport) {
        for column in 0..self.instruments.len() {
            let instrument = InstrumentId(column as u16);
            if !self.trades_on(account, instrument) {
                continue;
            }
            let quiet = self.is_quiet(account, instrument, report.asked_at);
            let Some(pair) = self.pair_mut(account, instrument) else { continue };
            let stated = pair.stated.take();
            if !report.complete {
                continue;
            }
            let (quantity, time) = stated.unwrap_or((SignedQuantity::ZERO, UnixNanos(0)));
            pair.venue_position = quantity;
            if quiet && !self.positions.is_adopted(account, instrument) {
                self.positions.adopt(account, instrument, quantity, time);
                self.show_risk_position(account, instrument);
            }
        }
    }

    pub(super) fn trades_on(&self, account: AccountId, instrument: InstrumentId) -> bool {
        let venue = self.venues.get(usize::from(account.0));
        self.instruments.get(instrument).is_some_and(|row| Some(&row.venue) == venue)
    }
}

const fn id_of_report(report: &ExecutionReport) -> Option<ClientOrderId> {
    match report.order {
        OrderReference::Ours(id) => Some(id),
        OrderReference::External(_) => None,
    }
}
