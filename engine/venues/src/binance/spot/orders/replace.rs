//! What became of a replace: an amendment in place, or a cancel and a new order, either of which
//! the venue may have done alone.

use enigma_types::{
    Now, Outcome, RejectClass, RejectReason, ReportSource, RequestKind, UnknownCause,
};

use super::OrderSession;
use crate::binance::answers::Refusal;
use crate::binance::fields::fields;
use crate::binance::in_flight::InFlight;
use crate::binance::spot::cancel_replace::{CancelReplaceOutcome, Half, decode_cancel_replace};
use crate::binance::spot::order_answers::{ErrorBody, decode_amended};
use crate::binance::spot::reject_codes::{REPLACE_FAILED, REPLACE_HALF_DONE, Verdict, judge};
use crate::session::{AlertKind, OrderKey, Outbox, VenueError};
use crate::wire::json::RawValue;

impl OrderSession {
    /// Both halves were done, or the amendment was.
    pub(super) fn on_replaced(
        &mut self,
        now: Now,
        entry: &InFlight,
        key: &OrderKey,
        result: RawValue<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let [amended] = fields(&result, ["amendedOrder"])
            .map_err(|error| self.unreadable_replace(now, key, error, outbox))?;
        if amended.is_some() {
            let row = self.checked(key, decode_amended(&self.symbols, self.prefix(), result));
            return self.on_executed(now, RequestKind::Replace, key, row, outbox);
        }
        let outcome = self.halves(now, key, result, outbox)?;
        self.on_halves(now, entry, key, 200, &outcome, outbox)
    }

    /// The error of an amendment or of a whole cancel-replace; or that of one half, in whose data
    /// stands what became of both.
    pub(super) fn on_refused_replace(
        &mut self,
        now: Now,
        entry: &InFlight,
        key: &OrderKey,
        refusal: Refusal<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let by_halves = matches!(refusal.error.code, REPLACE_HALF_DONE | REPLACE_FAILED);
        match refusal.error.data.filter(|_| by_halves) {
            Some(data) => {
                let outcome = self.halves(now, key, data, outbox)?;
                self.on_halves(now, entry, key, refusal.status, &outcome, outbox)
            }
            None => {
                let kind = RequestKind::Replace;
                self.on_refused_request(now, entry, kind, key, refusal, outbox);
                Ok(())
            }
        }
    }

    fn halves<'a>(
        &mut self,
        now: Now,
        key: &OrderKey,
        object: RawValue<'a>,
        outbox: &mut Outbox,
    ) -> Result<CancelReplaceOutcome<'a>, VenueError> {
        decode_cancel_replace(object)
            .map_err(|error| self.unreadable_replace(now, key, error, outbox))
    }

    /// The venue has answered, and nobody knows what.
    fn unreadable_replace(
        &mut self,
        now: Now,
        key: &OrderKey,
        error: impl Into<VenueError>,
        outbox: &mut Outbox,
    ) -> VenueError {
        self.doubt(now, key, UnknownCause::Unreadable, outbox);
        self.unreadable(now, outbox);
        error.into()
    }

    fn on_halves(
        &mut self,
        now: Now,
        entry: &InFlight,
        key: &OrderKey,
        status: u16,
        outcome: &CancelReplaceOutcome<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let kind = RequestKind::Replace;
        let answered = matches!(
            (outcome.cancel, outcome.new_order),
            (Half::Done(_), Half::Done(_))
                | (Half::Failed(_), Half::NotAttempted | Half::Failed(_))
        );
        if answered && !self.is_overtaken(entry, kind, key) {
            self.terms.settled(key.client_order_id);
        }
        match (outcome.cancel, outcome.new_order) {
            (Half::Done(_), Half::Done(placed)) => {
                let row = self.row_of(key, placed);
                self.on_executed(now, kind, key, row, outbox)
            }
            // Nothing happened: the order stands, or has ended before.
            (Half::Failed(error), Half::NotAttempted | Half::Failed(_)) => {
                // The status is the whole answer's; each half failed by its own code.
                let status = if status >= 500 { status } else { 400 };
                let refusal = Refusal { status, error };
                self.on_refused_request(now, entry, kind, key, refusal, outbox);
                Ok(())
            }
            (Half::Done(canceled), Half::Failed(error)) => {
                self.on_canceled_only(now, entry, key, canceled, error, outbox)
            }
            // We ask the venue to stop at a failed cancel. Two orders may be open under one id.
            (Half::Failed(_), Half::Done(_)) => {
                let detail = "a replace placed its order without canceling the old one";
                self.alerts.raise(now.mono, outbox, AlertKind::VenueError, detail);
                self.doubt(now, key, UnknownCause::VenueUnsure, outbox);
                Ok(())
            }
            (Half::Done(_), Half::NotAttempted) | (Half::NotAttempted, _) => {
                self.doubt(now, key, UnknownCause::VenueUnsure, outbox);
                Err(VenueError::Nonsense("a cancel-replace that stopped without a failure"))
            }
        }
    }

    /// The old order is gone and the new one was refused: the order has ended. Where the second
    /// half is unclear, or an order under this id is open after all, it must be asked about.
    fn on_canceled_only(
        &mut self,
        now: Now,
        entry: &InFlight,
        key: &OrderKey,
        canceled: RawValue<'_>,
        error: ErrorBody<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let kind = RequestKind::Replace;
        let class = match judge(RequestKind::Submit, 400, error.code, error.message) {
            Verdict::Refused(class) => class,
            Verdict::Unsure(cause) => {
                self.doubt(now, key, cause, outbox);
                return Ok(());
            }
        };
        let row = self.row_of(key, canceled).inspect_err(|_| {
            self.doubt(now, key, UnknownCause::Unreadable, outbox);
            self.unreadable(now, outbox);
        })?;
        self.alert_refusal(now, class, Refusal { status: 400, error }, outbox);
        if !(entry.overdue && self.is_overtaken(entry, kind, key)) {
            let reason = RejectReason::new(class, error.code, error.message);
            outbox.report(key.report(Outcome::Rejected(kind, reason), now));
        }
        if class != RejectClass::DuplicateId
            && let Some(working) = row.working
        {
            self.terms.forget(key.client_order_id);
            let outcome = Outcome::Working(working, ReportSource::Response(kind));
            outbox.report(self.row_report(now, key, &row, outcome));
        }
        Ok(())
    }

    fn doubt(&self, now: Now, key: &OrderKey, cause: UnknownCause, outbox: &mut Outbox) {
        outbox.report(key.report(Outcome::Unknown(RequestKind::Replace, cause), now));
    }
}
