//! What time asks of the desk: silent requests, cancels and questions to be repeated, missing
//! fills. It ends no order: only a venue's word does.

use enigma_types::{
    AccountId, ExecutionReport, InstrumentId, Nanos, Now, Outcome, Query, QueryReport,
    ReportSource, RequestKind, StrategyId, VenueRequest,
};

use super::{Actions, Desk};
use crate::journal::{Journal, Probe};
use crate::orders::reconcile::{Phase, back_off};
use crate::orders::store::Slot;
use crate::orders::{Certainty, InFlight, Lifecycle, Order};

/// What is due for the order in one place. Not journalled: after a restart all is asked anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upkeep {
    /// When to ask about it; `MAX` for never.
    ask_at: Nanos,
    asked: Option<Nanos>,
    asks: u8,
    /// When to ask for its wanted cancel again.
    cancel_at: Nanos,
    cancels: u8,
    cancel_held: bool,
    /// A person, a kill, a pause or a stop wants its cancel: no strategy's room bounds it.
    cancel_by_hand: bool,
    /// It must be asked about even though it is known.
    pub(super) doubted: bool,
    /// The round of reconciliation that last saw it at the venue.
    pub(super) seen: u32,
}

/// Missing fills of one account and instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct FillsWatch {
    due: Nanos,
    asked: Option<Nanos>,
    tries: u8,
    /// Comparisons in a row that found another position at the venue.
    pub(super) mismatches: u8,
}

impl Upkeep {
    pub(super) const NONE: Self = Self {
        ask_at: Nanos::MAX,
        asked: None,
        asks: 0,
        cancel_at: Nanos::MAX,
        cancels: 0,
        cancel_held: false,
        cancel_by_hand: false,
        doubted: false,
        seen: 0,
    };
}

impl Default for FillsWatch {
    fn default() -> Self {
        Self { due: Nanos::MAX, asked: None, tries: 0, mismatches: 0 }
    }
}

impl<J: Journal, P: Probe> Desk<J, P> {
    /// Does what is due and finds out when something is next.
    pub(super) fn keep_up(&mut self, now: Now, actions: &mut Actions) {
        self.wake = Nanos::MAX;
        if self.kill_unrecorded {
            self.record_kill(now);
        }
        let mut position = self.state.orders.len();
        while position > 0 {
            position -= 1;
            if let Some(slot) = self.state.orders.slot_at(position) {
                self.keep_order(now, slot, actions);
            }
        }
        self.keep_strategies(now, actions);
        for account in 0..self.accounts.len() {
            let account = AccountId(account as u16);
            self.keep_fills(now, account, actions);
            self.keep_account(now, account, actions);
        }
        if self.wake <= now.mono {
            // Something couldn't go; a turn later there is room again.
            self.wake = now.mono.plus(A_TURN);
        }
    }

    fn keep_order(&mut self, now: Now, slot: Slot, actions: &mut Actions) {
        let Some(order) = self.state.orders.get(slot).copied() else { return };
        if order.fills_outstanding() {
            self.want_fills(now, order.account, order.instrument);
        }
        if order.is_closed() {
            return;
        }
        if order.certainty == Certainty::Known
            && let Some((kind, since)) = waiting_for(&order)
        {
            let silent_until = since.plus(self.request_timeout);
            if silent_until <= now.mono {
                self.report_timeout(now, &order, kind, actions);
            } else {
                self.wake_at(silent_until);
            }
        }
        if self.carries_cancels(order.account) {
            self.keep_cancel(now, slot, actions);
            self.keep_asking(now, slot, actions);
        }
    }

    fn keep_cancel(&mut self, now: Now, slot: Slot, actions: &mut Actions) {
        let Some(order) = self.state.orders.get(slot) else { return };
        let Some(upkeep) = self.upkeep.get(slot.index()) else { return };
        if !order.cancel_wanted
            || order.in_flight == Some(InFlight::Cancel)
            || upkeep.cancel_held
            || upkeep.cancel_at == Nanos::MAX
        {
            return;
        }
        let due = upkeep.cancel_at;
        let asker = if upkeep.cancel_by_hand { StrategyId::MANUAL } else { order.strategy };
        if due > now.mono || actions.is_full() {
            self.wake_at(due);
        } else if self.state.risk.cancel_room(now, asker).is_err() {
            // The wish stands in the journal: that it still waits is nothing to write down.
            self.defer_cancel(slot, now.mono.plus(ROOM_PAUSE));
        } else {
            self.request_cancel(now, slot, asker, actions);
        }
    }

    fn defer_cancel(&mut self, slot: Slot, until: Nanos) {
        if let Some(upkeep) = self.upkeep.get_mut(slot.index()) {
            upkeep.cancel_at = until;
        }
        self.wake_at(until);
    }

    fn keep_asking(&mut self, now: Now, slot: Slot, actions: &mut Actions) {
        let Some(order) = self.state.orders.get(slot) else { return };
        let Some(upkeep) = self.upkeep.get_mut(slot.index()) else { return };
        if !order.is_unknown() && !upkeep.doubted {
            return;
        }
        if let Some(asked) = upkeep.asked {
            let silent_until = asked.plus(self.query_timeout);
            if silent_until > now.mono {
                self.wake_at(silent_until);
                return;
            }
            upkeep.asked = None;
        }
        let due = if upkeep.ask_at == Nanos::MAX { now.mono } else { upkeep.ask_at };
        let query = Query::Order {
            account: order.account,
            instrument: order.instrument,
            client_order_id: order.client_order_id,
        };
        if due <= now.mono && actions.push(VenueRequest::Query(query)) {
            upkeep.asked = Some(now.mono);
            self.state.counters.queries_sent += 1;
            self.wake_at(now.mono.plus(self.query_timeout));
        } else {
            self.wake_at(due);
        }
    }

    fn keep_fills(&mut self, now: Now, account: AccountId, actions: &mut Actions) {
        if !self.carries_cancels(account) {
            return;
        }
        for column in 0..self.state.instruments.len() {
            let instrument = InstrumentId(column as u16);
            let place = self.state.pair_place(account, instrument);
            let Some(watch) = self.fills.get_mut(place) else { continue };
            if let Some(asked) = watch.asked
                && asked.plus(self.query_timeout) <= now.mono
            {
                watch.asked = None;
                watch.due = now.mono;
            }
            let (due, asked) = (watch.due, watch.asked);
            if due == Nanos::MAX || asked.is_some() {
                if let Some(asked) = asked {
                    self.wake_at(asked.plus(self.query_timeout));
                }
            } else if due > now.mono || !self.ask_for_fills(account, instrument, actions) {
                self.wake_at(due);
            } else if let Some(watch) = self.fills.get_mut(place) {
                watch.asked = Some(now.mono);
                watch.due = Nanos::MAX;
                self.wake_at(now.mono.plus(self.query_timeout));
            }
        }
    }

    pub(super) fn ask_for_fills(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        actions: &mut Actions,
    ) -> bool {
        let from_trade = self.state.pair(account, instrument).and_then(|pair| pair.settled);
        let since = self.state.fills_since.get(usize::from(account.0)).copied();
        let since = since.unwrap_or_default();
        let query = Query::Fills { account, instrument, from_trade, since };
        let handed_over = actions.push(VenueRequest::Query(query));
        self.state.counters.queries_sent += u64::from(handed_over);
        handed_over
    }

    /// A question has been answered, well or not.
    pub(super) fn on_answer(&mut self, now: Now, answer: &QueryReport) {
        let account = answer.query.account();
        let Some(phase) =
            self.accounts.get(usize::from(account.0)).map(|desk| desk.reconciliation.phase())
        else {
            return;
        };
        self.wake_at(now.mono);
        match answer.query {
            Query::Order { client_order_id, .. } => {
                if let Some((slot, _)) = self.state.orders.find_live(client_order_id) {
                    self.on_order_answer(now, slot, answer.complete);
                }
            }
            Query::OpenOrders { .. } if phase == Phase::OpenOrders => {
                if answer.complete {
                    self.doubt_unseen(now, account, answer.asked_at);
                } else {
                    self.fail_reconciliation(now, account);
                }
            }
            Query::Fills { instrument, .. } => {
                let had_news = self.on_fills_answer(now, account, instrument);
                if phase == Phase::Fills(instrument) {
                    self.on_fills_phase(now, account, instrument, answer.complete, had_news);
                }
            }
            Query::Account { .. } if phase == Phase::Account => {
                if answer.complete {
                    self.compare_positions(now, account, answer.asked_at);
                } else {
                    self.fail_reconciliation(now, account);
                }
            }
            Query::OpenOrders { .. } | Query::Account { .. } => {}
        }
    }

    fn on_order_answer(&mut self, now: Now, slot: Slot, complete: bool) {
        let Some(order) = self.state.orders.get(slot) else { return };
        let Some(upkeep) = self.upkeep.get_mut(slot.index()) else { return };
        upkeep.asked = None;
        upkeep.doubted &= !complete;
        if !order.is_unknown() && !upkeep.doubted {
            upkeep.ask_at = Nanos::MAX;
            upkeep.asks = 0;
            return;
        }
        let mut next = now.mono.plus(back_off(upkeep.asks));
        // Before the fence an absence proves nothing; at the fence it will.
        if let Certainty::Unknown { fence, .. } = order.certainty
            && now.mono < fence
        {
            next = next.min(fence);
        }
        upkeep.asks = upkeep.asks.saturating_add(1);
        upkeep.ask_at = next;
        self.wake_at(next);
    }

    fn on_fills_answer(&mut self, now: Now, account: AccountId, instrument: InstrumentId) -> bool {
        let had_news = self
            .state
            .pair_mut(account, instrument)
            .is_some_and(|pair| core::mem::take(&mut pair.answer_had_news));
        let missing = self.state.orders.iter().any(|order| {
            order.account == account && order.instrument == instrument && order.fills_outstanding()
        });
        let place = self.state.pair_place(account, instrument);
        if let Some(watch) = self.fills.get_mut(place)
            && watch.asked.take().is_some()
        {
            watch.due = if missing { now.mono.plus(back_off(watch.tries)) } else { Nanos::MAX };
            watch.tries = if missing { watch.tries.saturating_add(1) } else { 0 };
        }
        had_news
    }

    /// Notes what an order's new state asks for, and when.
    pub(super) fn reschedule(&mut self, now: Now, slot: Slot) {
        let Some(order) = self.state.orders.get(slot).copied() else { return };
        let Some(upkeep) = self.upkeep.get_mut(slot.index()) else { return };
        if order.is_closed() {
            if order.fills_outstanding() {
                self.want_fills(now, order.account, order.instrument);
            }
            return;
        }
        let mut due = Nanos::MAX;
        if !order.is_unknown() {
            upkeep.cancel_held = false;
        } else if upkeep.ask_at == Nanos::MAX && upkeep.asked.is_none() {
            upkeep.ask_at = now.mono;
            upkeep.asks = 0;
            due = now.mono;
        }
        if order.cancel_wanted && order.in_flight != Some(InFlight::Cancel) && !upkeep.cancel_held {
            if upkeep.cancel_at == Nanos::MAX {
                upkeep.cancel_at = now.mono.plus(cancel_back_off(upkeep.cancels));
            }
            due = due.min(upkeep.cancel_at);
        }
        if let Some((_, since)) = waiting_for(&order) {
            due = due.min(since.plus(self.request_timeout));
        }
        if order.fills_outstanding() {
            self.want_fills(now, order.account, order.instrument);
        }
        self.wake_at(due);
    }

    /// Asks about an order although nothing says that it isn't as we think.
    pub(super) fn ask_about(&mut self, now: Now, slot: Slot) {
        if let Some(upkeep) = self.upkeep.get_mut(slot.index()) {
            upkeep.doubted = true;
            if upkeep.asked.is_none() {
                upkeep.ask_at = now.mono;
            }
            self.wake_at(now.mono);
        }
    }

    /// Fills are missing. The stream mostly brings them a moment later by itself.
    pub(super) fn want_fills(&mut self, now: Now, account: AccountId, instrument: InstrumentId) {
        let place = self.state.pair_place(account, instrument);
        if let Some(watch) = self.fills.get_mut(place)
            && watch.asked.is_none()
            && watch.due == Nanos::MAX
        {
            watch.due = now.mono.plus(FILLS_GRACE);
            let due = watch.due;
            self.wake_at(due);
        }
    }

    pub(super) fn reset_upkeep(&mut self, slot: Slot) {
        if let Some(upkeep) = self.upkeep.get_mut(slot.index()) {
            *upkeep = Upkeep::NONE;
        }
    }

    /// From here on the order's cancel goes before any strategy's.
    pub(super) fn mark_cancel_by_hand(&mut self, slot: Slot) {
        if let Some(upkeep) = self.upkeep.get_mut(slot.index()) {
            upkeep.cancel_by_hand = true;
        }
    }

    pub(super) fn mark_cancel_asked(&mut self, slot: Slot) {
        if let Some(upkeep) = self.upkeep.get_mut(slot.index()) {
            upkeep.cancel_at = Nanos::MAX;
            upkeep.cancels = upkeep.cancels.saturating_add(1);
        }
    }

    pub(super) fn hold_cancel(&mut self, slot: Slot) {
        if let Some(upkeep) = self.upkeep.get_mut(slot.index()) {
            upkeep.cancel_held = true;
            upkeep.cancel_at = Nanos::MAX;
        }
    }

    /// The venue has shown the order in answer to a question of this round.
    pub(super) fn note_shown(&mut self, slot: Slot, report: &ExecutionReport) {
        if let Outcome::Working(_, ReportSource::Query { .. }) = &report.outcome
            && let Some(desk) = self.accounts.get(usize::from(report.account.0))
            && let Some(upkeep) = self.upkeep.get_mut(slot.index())
        {
            upkeep.seen = desk.reconciliation.round();
        }
    }

    /// The session that questions went to is another one now: ask again.
    pub(super) fn forget_questions(&mut self, now: Now, account: AccountId) {
        for position in 0..self.state.orders.len() {
            let Some(slot) = self.state.orders.slot_at(position) else { continue };
            let ours = self.state.orders.get(slot).is_some_and(|order| order.account == account);
            if let Some(upkeep) = self.upkeep.get_mut(slot.index()).filter(|_| ours) {
                if upkeep.asked.take().is_some() || upkeep.ask_at < Nanos::MAX {
                    upkeep.ask_at = now.mono;
                }
                if upkeep.cancel_at < Nanos::MAX {
                    upkeep.cancel_at = now.mono;
                }
            }
        }
        for column in 0..self.state.instruments.len() {
            let place = self.state.pair_place(account, InstrumentId(column as u16));
            if let Some(watch) = self.fills.get_mut(place)
                && watch.asked.take().is_some()
            {
                watch.due = now.mono;
            }
        }
    }
}

/// The request that an order waits for an answer to, and since when.
fn waiting_for(order: &Order) -> Option<(RequestKind, Nanos)> {
    match order.in_flight {
        Some(InFlight::Cancel) => Some((RequestKind::Cancel, order.cancel_sent_at)),
        Some(InFlight::Replace { .. }) => Some((RequestKind::Replace, order.sent_at)),
        Some(InFlight::Submit) => Some((RequestKind::Submit, order.sent_at)),
        None if order.lifecycle == Lifecycle::Sent => Some((RequestKind::Submit, order.sent_at)),
        None => None,
    }
}

/// 100, 200, 400 … milliseconds, 5 seconds at the most.
fn cancel_back_off(tries: u8) -> Nanos {
    Nanos::from_millis((50_u64 << tries.min(7)).min(5_000))
}

const A_TURN: Nanos = Nanos::from_millis(10);
/// How long a cancel that the throttle holds back waits before it looks for room again.
const ROOM_PAUSE: Nanos = Nanos::from_millis(100);
const FILLS_GRACE: Nanos = Nanos::from_millis(250);
