//! What the desk does about what venues and sessions report, its own reports included: a request
//! that can't go is reported the same way as one that a session gave back.
//!
//! It must not change what the journal can give back: `reports.rs` does, before this is asked.

use enigma_types::{
    ExecutionReport, NotSentCause, Now, OrderReference, Outcome, RejectClass, Report, ReportSource,
    RequestKind, StrategyId, StrategyState, UnknownCause, VenueOrderId, VenueRequest,
};

use super::reports::News;
use super::{Actions, Desk};
use crate::journal::{Journal, Probe};
use crate::orders::Order;
use crate::orders::store::Slot;
use crate::record::Record;
use crate::strategy::FinishReason;

impl<J: Journal, P: Probe> Desk<J, P> {
    /// The next request to hand to its session, oldest first. An order, or a change of one, that
    /// has waited too long is taken back: the market isn't the one it was checked against.
    #[inline]
    pub fn next_request(&mut self, now: Now, actions: &mut Actions) -> Option<VenueRequest> {
        loop {
            let request = actions.requests.pop_at(0)?;
            if !self.take_back_overdue(now, &request, actions) {
                return Some(request);
            }
        }
    }

    fn take_back_overdue(
        &mut self,
        now: Now,
        request: &VenueRequest,
        actions: &mut Actions,
    ) -> bool {
        let (kind, id) = match request {
            VenueRequest::Submit(request) => (RequestKind::Submit, request.client_order_id),
            VenueRequest::Replace(request) => (RequestKind::Replace, request.client_order_id),
            VenueRequest::Cancel(_) | VenueRequest::Query(_) => return false,
        };
        let Some((_, order)) = self.state.orders.find_live(id) else { return false };
        if !self.state.risk.is_overdue(now.mono, order.sent_at) {
            return false;
        }
        let order = *order;
        let outcome = Outcome::NotSent(kind, NotSentCause::Overdue);
        self.report_ourselves(now, &order, outcome, actions);
        true
    }

    /// Why the order that a person just asked for, or a change of one, wasn't sent. Ask when the
    /// command's requests have been handed over.
    pub fn take_not_sent(&mut self) -> Option<NotSentCause> {
        self.by_hand.take().and_then(|by_hand| by_hand.not_sent)
    }

    /// Journals a report, applies it, and sees to what follows from it.
    pub(super) fn take_report(&mut self, now: Now, report: &Report, actions: &mut Actions) {
        self.record(now, &Record::Report(*report));
        let news = self.state.apply_report(now.wall, report);
        match report {
            Report::Execution(execution) => self.react(now, execution, news, actions),
            Report::Query(answer) => self.on_answer(now, answer),
            Report::Balance(_) | Report::Position(_) => {}
        }
    }

    /// What the desk itself knows of a request: that it couldn't go, or has been silent too long.
    pub(super) fn report_ourselves(
        &mut self,
        now: Now,
        order: &Order,
        outcome: Outcome,
        actions: &mut Actions,
    ) {
        let report = Report::Execution(ExecutionReport {
            account: order.account,
            instrument: order.instrument,
            order: OrderReference::Ours(order.client_order_id),
            venue_order_id: VenueOrderId::default(),
            outcome,
            venue_time: now.venue_time(),
            received_at: now.mono,
        });
        self.take_report(now, &report, actions);
    }

    pub(super) fn report_timeout(
        &mut self,
        now: Now,
        order: &Order,
        kind: RequestKind,
        actions: &mut Actions,
    ) {
        let outcome = Outcome::Unknown(kind, UnknownCause::Timeout);
        self.report_ourselves(now, order, outcome, actions);
    }

    fn react(&mut self, now: Now, report: &ExecutionReport, news: News, actions: &mut Actions) {
        let account = report.account;
        match news {
            News::Nothing => {}
            News::Order(slot, order, change) => {
                let id = order.client_order_id;
                self.note_report(slot, &order, report);
                self.note_room(now, &order, &report.outcome);
                if change.late_fill {
                    self.alarm(now, account, format_args!("order {id} was filled after its end"));
                }
                if change.overfilled {
                    self.alarm(now, account, format_args!("order {id} was filled beyond its size"));
                }
                if change.wrong_side {
                    let side = order.side.name();
                    self.alarm(
                        now,
                        account,
                        format_args!("order {id}, a {side}, was filled as none"),
                    );
                }
                self.stop_if_done(now, order.strategy);
                if change.reopened {
                    self.alarm(now, account, format_args!("order {id} is open after its end"));
                    self.reset_upkeep(slot);
                    self.request_cancel(now, slot, StrategyId::MANUAL, actions);
                } else {
                    self.reschedule(now, slot);
                }
            }
            News::LateFill(id, _) => {
                self.alarm(now, account, format_args!("order {id} was filled after its end"));
            }
            News::StrangeFill(id) => {
                self.alarm(now, account, format_args!("a fill of order {id}, of no record here"));
            }
            News::FillsMissing => self.want_fills(now, account, report.instrument),
            News::Adopted(slot, id) => {
                self.reset_upkeep(slot);
                self.note_shown(slot, report);
                self.alarm(now, account, format_args!("order {id}, of no record here, adopted"));
                self.reschedule(now, slot);
            }
            News::Resurrected(slot, id) => {
                self.reset_upkeep(slot);
                self.note_shown(slot, report);
                self.alarm(now, account, format_args!("order {id} is open after its end"));
                self.request_cancel(now, slot, StrategyId::MANUAL, actions);
            }
            News::NoRoom(id) => {
                self.alarm(now, account, format_args!("no room for order {id} of the venue"));
            }
            News::Illegal(slot, id, illegal) => {
                self.alarm(now, account, format_args!("order {id}: {illegal}"));
                self.ask_about(now, slot);
            }
        }
    }

    /// Whether rate limits left the order room, and for a person's order whether it left at all.
    fn note_room(&mut self, now: Now, order: &Order, outcome: &Outcome) {
        let strategy = order.strategy;
        let turned_away = match outcome {
            Outcome::NotSent(RequestKind::Submit | RequestKind::Replace, cause) => {
                if let Some(by_hand) = &mut self.by_hand
                    && by_hand.client_order_id == order.client_order_id
                {
                    by_hand.not_sent = Some(*cause);
                }
                *cause == NotSentCause::RateLimit
            }
            Outcome::Rejected(RequestKind::Submit | RequestKind::Replace, reason) => {
                reason.class == RejectClass::RateLimit
            }
            Outcome::Acknowledged(RequestKind::Submit | RequestKind::Replace)
            | Outcome::Working(
                _,
                ReportSource::Response(RequestKind::Submit | RequestKind::Replace),
            ) => {
                self.state.risk.on_accepted(strategy, order.sent_at);
                false
            }
            Outcome::Acknowledged(RequestKind::Cancel)
            | Outcome::Working(..)
            | Outcome::Fill(_)
            | Outcome::Rejected(RequestKind::Cancel, _)
            | Outcome::NotSent(RequestKind::Cancel, _)
            | Outcome::Unknown(..)
            | Outcome::NotFound { .. } => false,
        };
        if turned_away {
            self.state.risk.on_turned_away(strategy, order.sent_at, now.mono);
        }
    }

    /// Stopping ends when the venue has confirmed the end of every order.
    pub(super) fn stop_if_done(&mut self, now: Now, id: StrategyId) {
        let slot = self.state.strategies.get(id);
        let done =
            slot.is_some_and(|slot| slot.state == StrategyState::Stopping && slot.own.is_empty());
        if done {
            let finished = slot.and_then(|slot| slot.finished);
            let reason = finished.map_or("", FinishReason::text);
            self.set_strategy_state(now, id, StrategyState::Stopped, reason);
        }
    }

    /// A cancel refused because there is no such order isn't tried again before the order is
    /// known to be open.
    fn note_report(&mut self, slot: Slot, order: &Order, report: &ExecutionReport) {
        self.note_shown(slot, report);
        if let Outcome::Rejected(RequestKind::Cancel, reason) = &report.outcome
            && reason.class == RejectClass::NoSuchOrder
            && !order.is_closed()
        {
            self.hold_cancel(slot);
        }
    }
}
