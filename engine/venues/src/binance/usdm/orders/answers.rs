//! What the order connection's answers mean for the requests in flight.

use enigma_types::{
    ExecutionReport, Now, OrderReference, Outcome, RejectClass, RejectReason, Report, ReportSource,
    RequestKind, UnknownCause,
};

use super::{Link, OrderSession, query_end};
use crate::binance::answers::{
    AnswerBody, ErrorBody, OrderAnswer, OrderRow, Refusal, decode_response,
};
use crate::binance::fields::fields;
use crate::binance::in_flight::{Asked, InFlight};
use crate::binance::usdm::budget::LIMITS;
use crate::binance::usdm::order_answers::decode_order;
use crate::binance::usdm::reject_codes::{
    CANCEL_REJECTED, NO_SUCH_ORDER, Verdict, is_authentication, is_clock_skew, judge,
};
use crate::session::{AlertKind, OrderKey, Outbox, ReconnectReason, VenueError};
use crate::signer::{BinanceSecret, Signer};
use crate::wire::json::RawValue;

impl OrderSession {
    pub(super) fn on_frame(
        &mut self,
        now: Now,
        frame: &[u8],
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        self.pulse_at = now.mono.plus(Self::SILENCE);
        let answer = match decode_response(frame) {
            Ok(answer) => answer,
            Err(error) => {
                // Nobody can say whose answer it was, so nothing in flight can be trusted to get
                // one: all is asked about on a new connection.
                self.counters.unreadable += 1;
                let kind = AlertKind::UnreadableMessage;
                self.alerts.raise(now.mono, outbox, kind, "an answer of order entry");
                outbox.reconnect = Some(ReconnectReason::Protocol);
                self.take_down(now, UnknownCause::Unreadable, outbox);
                return Err(error.into());
            }
        };
        if let AnswerBody::Event(event) = answer.body {
            return self.on_event(now, event, outbox);
        }
        self.counters.answers += 1;
        let venue_ms = now.venue_time().as_millis();
        answer.for_each_window(&LIMITS, |window, used, limit| {
            self.budget.update(venue_ms, window, used, limit);
        });
        if let AnswerBody::Error(error) = answer.body {
            let retry_at_ms = error.retry_after_ms();
            self.heed(now, answer.status, error.code, retry_at_ms, outbox);
        }
        match answer.id.and_then(|id| self.in_flight.take(id)) {
            Some(entry) => self.on_answer(now, &entry, &answer, signer, outbox),
            None => {
                self.on_unmatched(now, &answer, outbox);
                Ok(())
            }
        }
    }

    /// The connection tells its own end. What else it may push is nothing that was asked for.
    fn on_event(
        &mut self,
        now: Now,
        event: RawValue<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let [kind] = fields(&event, ["e"])?;
        match kind.map(|kind| kind.bytes()) {
            Some(b"\"serverShutdown\"") => outbox.reconnect = Some(ReconnectReason::Rotation),
            Some(_) | None => {
                self.counters.unmatched += 1;
                let kind = AlertKind::UnknownMessage;
                self.alerts.raise(now.mono, outbox, kind, "on order entry");
            }
        }
        Ok(())
    }

    /// An answer to nothing that we know. A 401 without an id says that the session's key is gone.
    fn on_unmatched(&mut self, now: Now, answer: &OrderAnswer<'_>, outbox: &mut Outbox) {
        self.counters.unmatched += 1;
        let AnswerBody::Error(error) = answer.body else { return };
        if answer.id.is_none() && (answer.status == 401 || is_authentication(error.code)) {
            self.lose_authentication(now, outbox);
        } else {
            let refusal = Refusal { status: answer.status, error };
            self.venue_error(now, "refused", refusal, outbox);
        }
    }

    fn lose_authentication(&mut self, now: Now, outbox: &mut Outbox) {
        let kind = AlertKind::Authentication;
        self.alerts.raise(now.mono, outbox, kind, "the venue ended the session's log-on");
        outbox.reconnect = Some(ReconnectReason::Refused);
        self.take_down(now, UnknownCause::VenueUnsure, outbox);
    }

    fn on_answer(
        &mut self,
        now: Now,
        entry: &InFlight,
        answer: &OrderAnswer<'_>,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match (entry.asked, answer.body) {
            (Asked::Request { kind, key }, AnswerBody::Result(result)) => {
                self.on_executed(now, kind, &key, result, outbox)
            }
            (Asked::Status { key, .. }, AnswerBody::Result(result)) => {
                self.on_status(now, entry, &key, result, outbox)
            }
            (Asked::Logon, AnswerBody::Result(_)) => {
                self.link = Link::Open;
                self.update_state(outbox);
                Ok(())
            }
            (Asked::Pulse, AnswerBody::Result(result)) => {
                let logs_on = matches!(signer, Signer::Binance(signer)
                    if matches!(signer.secret, BinanceSecret::Ed25519(_)));
                if logs_on && says_logged_off(result) {
                    self.lose_authentication(now, outbox);
                }
                Ok(())
            }
            (asked, AnswerBody::Error(error)) => {
                let refusal = Refusal { status: answer.status, error };
                self.on_refusal(now, entry, asked, refusal, outbox);
                Ok(())
            }
            // An event is no answer; it was dealt with before.
            (_, AnswerBody::Event(_)) => Ok(()),
        }
    }

    /// The venue has the request: it says so, and tells the order's whole state.
    fn on_executed(
        &mut self,
        now: Now,
        kind: RequestKind,
        key: &OrderKey,
        result: RawValue<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let row = self.row_of(key, result).inspect_err(|_| {
            let outcome = Outcome::Unknown(kind, UnknownCause::Unreadable);
            outbox.report(key.report(outcome, now));
            self.unreadable(now, outbox);
        })?;
        outbox.report(self.row_report(now, &row, Outcome::Acknowledged(kind)));
        if let Some(working) = row.working {
            let outcome = Outcome::Working(working, ReportSource::Response(kind));
            outbox.report(self.row_report(now, &row, outcome));
        }
        Ok(())
    }

    fn on_status(
        &mut self,
        now: Now,
        entry: &InFlight,
        key: &OrderKey,
        result: RawValue<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let row = self.row_of(key, result);
        let told = row.as_ref().ok().and_then(|row| Some((*row, row.working?)));
        if let Some((row, working)) = told {
            let source = ReportSource::Query { asked_at: entry.sent_at };
            outbox.report(self.row_report(now, &row, Outcome::Working(working, source)));
        } else {
            self.unreadable(now, outbox);
        }
        self.end_query(entry, told.is_some(), outbox);
        row.map(|_| ())
    }

    fn on_refusal(
        &mut self,
        now: Now,
        entry: &InFlight,
        asked: Asked,
        refusal: Refusal<'_>,
        outbox: &mut Outbox,
    ) {
        match asked {
            Asked::Request { kind, key } => {
                self.on_refused_request(now, entry, kind, &key, refusal, outbox);
            }
            Asked::Status { key, .. } => {
                // Only this answer proves that there is no such order.
                let absent = refusal.error.code == NO_SUCH_ORDER && refusal.status < 500;
                if absent {
                    let outcome = Outcome::NotFound { asked_at: entry.sent_at };
                    outbox.report(key.report(outcome, now));
                } else {
                    self.venue_error(now, "order.status", refusal, outbox);
                }
                self.end_query(entry, absent, outbox);
            }
            Asked::Logon => {
                self.venue_error(now, "session.logon", refusal, outbox);
                outbox.reconnect = Some(ReconnectReason::Refused);
                self.take_down(now, UnknownCause::Disconnected, outbox);
            }
            // Refused, but answered: somebody is there.
            Asked::Pulse => {}
        }
    }

    fn on_refused_request(
        &mut self,
        now: Now,
        entry: &InFlight,
        kind: RequestKind,
        key: &OrderKey,
        refusal: Refusal<'_>,
        outbox: &mut Outbox,
    ) {
        let Refusal { status, error: ErrorBody { code, message, .. } } = refusal;
        match judge(kind, status, code) {
            // The newer one is in flight for itself, and this one's fate was asked about.
            Verdict::Refused(_) if entry.overdue && self.is_overtaken(entry, kind, key) => {}
            Verdict::Refused(class) => {
                if class == RejectClass::AccountMode {
                    self.doubt_mode(now);
                }
                if !matches!(code, CANCEL_REJECTED | NO_SUCH_ORDER) {
                    self.alert_refusal(now, class, refusal, outbox);
                }
                let reason = RejectReason::new(class, code, message);
                outbox.report(key.report(Outcome::Rejected(kind, reason), now));
            }
            // An overdue request was reported Unknown already.
            Verdict::Unsure(_) if entry.overdue => {}
            Verdict::Unsure(cause) => {
                self.venue_error(now, "an unclear answer", refusal, outbox);
                outbox.report(key.report(Outcome::Unknown(kind, cause), now));
            }
        }
    }

    /// Whether another replace of the order went out since: what is said of the first one must not
    /// end the second.
    fn is_overtaken(&self, entry: &InFlight, kind: RequestKind, key: &OrderKey) -> bool {
        let replace = RequestKind::Replace;
        kind == replace && self.in_flight.has_newer(entry.id, replace, key.client_order_id)
    }

    /// A person hears of what concerns more than the one order.
    fn alert_refusal(
        &mut self,
        now: Now,
        class: RejectClass,
        refusal: Refusal<'_>,
        outbox: &mut Outbox,
    ) {
        match class {
            RejectClass::Authentication => self.venue_error(now, "the key", refusal, outbox),
            RejectClass::RateLimit => {
                self.alerts.raise(now.mono, outbox, AlertKind::RateLimited, "refused by the venue");
            }
            RejectClass::AccountMode | RejectClass::ClockSkew | RejectClass::VenueUnavailable => {
                self.venue_error(now, "refused", refusal, outbox);
            }
            RejectClass::WouldCross
            | RejectClass::NotFillable
            | RejectClass::InsufficientMargin
            | RejectClass::Filter
            | RejectClass::DuplicateId
            | RejectClass::NoSuchOrder
            | RejectClass::ReduceOnly
            | RejectClass::Other => {}
        }
    }

    /// Heeds what an error says beyond its request: of a ban or a used-up window, during which even
    /// cancels wait, or of the time that we think it is at the venue.
    pub(super) fn heed(
        &mut self,
        now: Now,
        status: u16,
        code: i32,
        retry_at_ms: Option<u64>,
        outbox: &mut Outbox,
    ) {
        let venue_ms = now.venue_time().as_millis();
        if is_clock_skew(code) {
            self.clock.doubted(now.mono);
        }
        if self.budget.obey(venue_ms, status, code, retry_at_ms) {
            self.alerts.raise(now.mono, outbox, AlertKind::RateLimited, "banned for its weight");
        }
    }

    fn row_of(&self, key: &OrderKey, result: RawValue<'_>) -> Result<OrderRow, VenueError> {
        let row = decode_order(&self.symbols, self.prefix(), result)?;
        let ours = OrderReference::Ours(key.client_order_id);
        row.filter(|row| row.order == ours && row.instrument == key.instrument)
            .ok_or(VenueError::Nonsense("an answer about another order"))
    }

    fn row_report(&self, now: Now, row: &OrderRow, outcome: Outcome) -> Report {
        Report::Execution(ExecutionReport {
            account: self.account,
            instrument: row.instrument,
            order: row.order,
            venue_order_id: row.venue_order_id,
            outcome,
            venue_time: row.venue_time,
            received_at: now.mono,
        })
    }

    /// Closes a query that went over this connection, unless its time-out closed it.
    fn end_query(&self, entry: &InFlight, complete: bool, outbox: &mut Outbox) {
        if let Asked::Status { query, .. } = entry.asked
            && !entry.overdue
        {
            outbox.report(query_end(query, entry.sent_at, complete));
        }
    }

    fn unreadable(&mut self, now: Now, outbox: &mut Outbox) {
        self.counters.unreadable += 1;
        let kind = AlertKind::UnreadableMessage;
        self.alerts.raise(now.mono, outbox, kind, "an order of order entry");
    }

    fn venue_error(&mut self, now: Now, what: &str, refusal: Refusal<'_>, outbox: &mut Outbox) {
        let kind = match refusal.status == 401 || is_authentication(refusal.error.code) {
            true => AlertKind::Authentication,
            false => AlertKind::VenueError,
        };
        let Refusal { status, error: ErrorBody { code, message, .. } } = refusal;
        let words = RejectReason::new(RejectClass::Other, code, message).message;
        let mut detail = arrayvec::ArrayString::<192>::new();
        // What doesn't fit is cut off; the alert keeps less than this anyway.
        let _ = core::fmt::Write::write_fmt(
            &mut detail,
            format_args!("{what}: status {status}, code {code}, {words}"),
        );
        self.alerts.raise(now.mono, outbox, kind, &detail);
    }
}

/// The answer to a pulse: the session has lost its log-on.
fn says_logged_off(result: RawValue<'_>) -> bool {
    let mut logged_off = false;
    let read = result.for_each_field(|key, value| {
        logged_off |= key == b"authorizedSince" && value.is_null();
        Ok::<(), crate::wire::json::DecodeError>(())
    });
    read.is_ok() && logged_off
}
