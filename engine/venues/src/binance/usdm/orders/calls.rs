//! The order session's REST calls: the clock, the position mode, and the account's queries.

use enigma_types::{Nanos, Now};

use super::{OrderSession, PositionMode};
use crate::binance::account_answers::{decode_error_code, decode_server_time};
use crate::binance::auth::binance;
use crate::binance::auth::composed;
use crate::binance::fields::ReadError;
use crate::binance::queries::{Answered, Next, QueryStep};
use crate::binance::usdm::account_answers::decode_position_mode;
use crate::binance::usdm::market::Usdm;
use crate::binance::usdm::queries::position_mode_target;
use crate::binance::usdm::reject_codes::is_authentication;
use crate::session::{
    AlertKind, Answer, CallId, CallRequest, CallTarget, Method, Outbox, VenueError,
};
use crate::signer::{BinanceSigner, Signer};

/// A call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingCall {
    call: CallId,
    purpose: Purpose,
    composed: Now,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Time,
    PositionMode,
    Query(QueryStep),
}

impl PendingCall {
    pub(super) fn query(&self) -> Option<&QueryStep> {
        match &self.purpose {
            Purpose::Query(step) => Some(step),
            Purpose::Time | Purpose::PositionMode => None,
        }
    }
}

impl OrderSession {
    pub(super) fn ask_time(&mut self, now: Now, outbox: &mut Outbox) {
        let time = composed(format_args!("/fapi/v1/time"));
        let asked = self.ask(now, Purpose::Time, TIME_WEIGHT, time, None, outbox);
        if asked { self.clock.asked() } else { self.clock.retry(now.mono) }
    }

    pub(super) fn ask_position_mode(
        &mut self,
        now: Now,
        signer: &BinanceSigner,
        outbox: &mut Outbox,
    ) {
        let target = position_mode_target(now, self.frames.recv_window_ms, signer);
        let purpose = Purpose::PositionMode;
        let asked = self.ask(now, purpose, MODE_WEIGHT, target, Some(signer), outbox);
        self.mode_at = if asked { Nanos::MAX } else { now.mono.plus(RETRY) };
    }

    /// Begins or continues a query; ends it as incomplete when the call can't be made.
    pub(super) fn ask_query(
        &mut self,
        now: Now,
        step: QueryStep,
        signer: &BinanceSigner,
        outbox: &mut Outbox,
    ) {
        let target = step.target::<Usdm>(&self.symbols, now, self.frames.recv_window_ms, signer);
        let purpose = Purpose::Query(step);
        if !self.ask(now, purpose, step.weight::<Usdm>(), target, Some(signer), outbox) {
            outbox.report(step.report(false));
        }
    }

    fn ask(
        &mut self,
        now: Now,
        purpose: Purpose,
        weight: u32,
        target: CallTarget,
        signer: Option<&BinanceSigner>,
        outbox: &mut Outbox,
    ) -> bool {
        if self.calls.is_full() || outbox.calls.is_full() {
            return false;
        }
        if self.budget.take_query(now.venue_time().as_millis(), weight).is_err() {
            self.counters.held_back += 1;
            self.alerts.raise(now.mono, outbox, AlertKind::RateLimited, "a query held back");
            return false;
        }
        let call = self.new_call();
        let header = signer.map(|signer| (API_KEY_HEADER, signer.key_name()));
        let request =
            CallRequest { call, method: Method::Get, target, header, timeout: CALL_TIMEOUT };
        let asked = outbox.call(request);
        if asked {
            self.calls.push(PendingCall { call, purpose, composed: now });
        }
        asked
    }

    pub(super) fn on_response(
        &mut self,
        now: Now,
        call: CallId,
        answer: &Answer<'_>,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let Some(at) = self.calls.iter().position(|pending| pending.call == call) else {
            return Ok(());
        };
        let pending = self.calls.swap_remove(at);
        let body = self.body_of(now, answer, outbox);
        match pending.purpose {
            Purpose::Time => self.on_time(now, &pending.composed, body, outbox),
            Purpose::PositionMode => self.on_position_mode(now, body, outbox),
            Purpose::Query(step) => {
                self.on_query_answer(now, &step, &pending.composed, body, binance(signer)?, outbox)
            }
        }
    }

    /// The body of a good answer. What a bad one says beyond its query is taken in here.
    fn body_of<'a>(
        &mut self,
        now: Now,
        answer: &Answer<'a>,
        outbox: &mut Outbox,
    ) -> Option<&'a [u8]> {
        let Answer::Http { status, retry_after_seconds, body } = *answer else { return None };
        if status == 200 {
            return Some(body);
        }
        let code = decode_error_code(body).unwrap_or_default();
        let retry_at_ms = retry_after_seconds
            .map(|seconds| now.venue_time().as_millis() + u64::from(seconds) * 1_000);
        self.heed(now, status, code, retry_at_ms, outbox);
        let kind = match status == 401 || is_authentication(code) {
            true => AlertKind::Authentication,
            false => AlertKind::VenueError,
        };
        let mut detail = arrayvec::ArrayString::<96>::new();
        // Two short numbers fit.
        let _ = core::fmt::Write::write_fmt(
            &mut detail,
            format_args!("a query: status {status}, code {code}"),
        );
        self.alerts.raise(now.mono, outbox, kind, &detail);
        None
    }

    fn on_time(
        &mut self,
        now: Now,
        composed: &Now,
        body: Option<&[u8]>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let Some(body) = body else {
            self.clock.retry(now.mono);
            return Ok(());
        };
        let server_ms = decode_server_time(body).inspect_err(|_| self.clock.retry(now.mono))?;
        if let Some(estimate) = self.clock.answered(*composed, now, server_ms) {
            let (offset_ns, uncertainty_ns) = (estimate.offset_ns, estimate.uncertainty_ns);
            outbox.alert(AlertKind::ClockOffset { offset_ns, uncertainty_ns }, "");
        }
        if self.mode == PositionMode::Unknown && self.mode_at == Nanos::MAX && !self.asks_mode() {
            // With the clock known the first signed call is asked at the next timer.
            self.mode_at = now.mono;
        }
        self.update_state(outbox);
        Ok(())
    }

    fn asks_mode(&self) -> bool {
        self.calls.iter().any(|pending| matches!(pending.purpose, Purpose::PositionMode))
    }

    /// An order was refused for the mode: the operator may have changed it. It is asked about
    /// again, though not with every refusal.
    pub(super) fn doubt_mode(&mut self, now: Now) {
        if !self.asks_mode() {
            let soonest = self.mode_told_at.plus(RETRY);
            self.mode_at = self.mode_at.min(now.mono.max(soonest));
        }
    }

    fn on_position_mode(
        &mut self,
        now: Now,
        body: Option<&[u8]>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        self.mode_at = now.mono.plus(RETRY);
        let Some(body) = body else { return Ok(()) };
        let hedged = decode_position_mode(body)?;
        self.mode_told_at = now.mono;
        self.mode_at = match hedged {
            true => {
                self.mode = PositionMode::Hedge;
                let detail = "the account is in hedge mode; orders need one-way mode";
                self.alerts.raise(now.mono, outbox, AlertKind::VenueError, detail);
                // The operator may change it.
                now.mono.plus(HEDGE_RECHECK)
            }
            false => {
                self.mode = PositionMode::OneWay;
                Nanos::MAX
            }
        };
        self.update_state(outbox);
        Ok(())
    }

    fn on_query_answer(
        &mut self,
        now: Now,
        step: &QueryStep,
        composed: &Now,
        body: Option<&[u8]>,
        signer: &BinanceSigner,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let Some(body) = body else {
            outbox.report(step.report(false));
            return Ok(());
        };
        let answered = Answered {
            symbols: &self.symbols,
            account: self.account,
            prefix: self.prefix(),
            assets: &[],
            composed_at: composed.mono,
            now,
        };
        match step.absorb::<Usdm>(&answered, body, outbox) {
            Ok(Next::Ask(next)) => self.ask_query(now, next, signer, outbox),
            Ok(Next::Done) => outbox.report(step.report(true)),
            Ok(Next::Incomplete) => outbox.report(step.report(false)),
            Err(error) => return self.on_unreadable_answer(now, step, error, outbox),
        }
        Ok(())
    }

    fn on_unreadable_answer(
        &mut self,
        now: Now,
        step: &QueryStep,
        error: ReadError,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        self.counters.unreadable += 1;
        let kind = AlertKind::UnreadableMessage;
        self.alerts.raise(now.mono, outbox, kind, "the answer to a query");
        outbox.report(step.report(false));
        Err(error.into())
    }
}

const API_KEY_HEADER: &str = "X-MBX-APIKEY";
const CALL_TIMEOUT: Nanos = Nanos::from_secs(10);
const RETRY: Nanos = Nanos::from_secs(5);
const HEDGE_RECHECK: Nanos = Nanos::from_secs(60);
const TIME_WEIGHT: u32 = 1;
const MODE_WEIGHT: u32 = 30;
