//! Spot's order session: one connection that places, cancels, amends and replaces orders and asks
//! about them, and beside it the account's REST queries and the watch over the venue's clock. It
//! must not send anything twice, and must not call a request refused unless the venue surely
//! refused it.
//!
//! Implements `binance.md` section 2, 4.2, 6 and 10, compiled from the venue's documents on
//! 2026-11-24: <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api>.

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, Asset, InstallationPrefix, Nanos, Now, Outcome, Query, Report, SessionState,
    UnknownCause,
};

use super::budget::LIMITS;
use super::queries::assets_of;
use super::terms::TermsTable;
use super::{ORDER_ENTRY_PATH, VENUE};
use crate::binance::alerts::AlertGate;
use crate::binance::auth::binance;
use crate::binance::budget::RequestBudget;
use crate::binance::frames::{OrderFrames, write_logon, write_pulse};
use crate::binance::in_flight::{Asked, InFlight, InFlightTable};
use crate::binance::rotation::{ROTATION_REMINDER, rotation_at};
use crate::binance::symbols::SymbolTable;
use crate::binance::venue_clock::VenueClock;
use crate::registry::SessionPlan;
use crate::session::{CallId, Dial, HostRole, Input, Outbox, ReconnectReason, Session, VenueError};
use crate::signer::{BinanceSecret, Signer};

mod answers;
mod calls;
mod replace;
mod requests;

/// What an order session has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderCounters {
    pub requests: u64,
    pub answers: u64,
    /// Answers to requests that aren't in the table: forgotten after their time-out, or foreign.
    pub unmatched: u64,
    pub unreadable: u64,
    pub timeouts: u64,
    /// Requests that the local count of the venue's limits held back.
    pub held_back: u64,
}

#[derive(Debug)]
pub struct OrderSession {
    symbols: SymbolTable,
    assets: Vec<Asset>,
    account: AccountId,
    frames: OrderFrames,
    request_timeout: Nanos,
    seed: u64,
    in_flight: InFlightTable,
    /// Not later than the time-out of the oldest request.
    expire_at: Nanos,
    calls: ArrayVec<calls::PendingCall, { Self::CALLS }>,
    next_call: u32,
    budget: RequestBudget,
    clock: VenueClock,
    link: Link,
    terms: TermsTable,
    terms_at: Nanos,
    terms_loaded: bool,
    /// When the first request was handed over: until then the session before this one got them.
    begun_at: Nanos,
    state: SessionState,
    rotate_at: Nanos,
    pulse_at: Nanos,
    alerts: AlertGate,
    counters: OrderCounters,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    Dialling,
    LoggingOn,
    Open,
}

impl OrderSession {
    const CALLS: usize = 16;
    /// After so long without a word from the venue it is asked whether anybody is there.
    const SILENCE: Nanos = Nanos::from_secs(30);

    pub fn new(plan: &SessionPlan) -> Self {
        Self {
            symbols: SymbolTable::new(VENUE, plan.instruments.clone()),
            assets: assets_of(&plan.instruments),
            account: plan.account,
            frames: OrderFrames { prefix: plan.prefix, recv_window_ms: plan.recv_window_ms },
            request_timeout: plan.request_timeout,
            seed: plan.seed,
            in_flight: InFlightTable::new(),
            expire_at: Nanos::MAX,
            calls: ArrayVec::new(),
            next_call: 0,
            budget: RequestBudget::of(plan, &LIMITS),
            clock: VenueClock::new(),
            link: Link::Down,
            terms: TermsTable::new(),
            terms_at: Nanos::MAX,
            terms_loaded: false,
            begun_at: Nanos::MAX,
            state: SessionState::Down,
            rotate_at: Nanos::MAX,
            pulse_at: Nanos::MAX,
            alerts: AlertGate::default(),
            counters: OrderCounters::default(),
        }
    }

    pub fn counters(&self) -> &OrderCounters {
        &self.counters
    }

    fn prefix(&self) -> InstallationPrefix {
        self.frames.prefix
    }

    fn on_start(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        binance(signer)?;
        // The venue's own counts come with each answer; others may share the account's limits.
        outbox.dial = Some(Dial { host: HostRole::OrderEntry, path: ORDER_ENTRY_PATH.into() });
        self.link = Link::Dialling;
        self.clock.start(now.mono);
        self.ask_time(now, outbox);
        self.update_state(outbox);
        Ok(())
    }

    fn on_connected(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let signer = binance(signer)?;
        self.rotate_at = rotation_at(now.mono, self.seed);
        self.pulse_at = now.mono.plus(Self::SILENCE);
        match &signer.secret {
            BinanceSecret::Hmac(_) => self.link = Link::Open,
            BinanceSecret::Ed25519(_) => {
                self.link = Link::LoggingOn;
                let sent = self.send_own(now, Asked::Logon, outbox, |payload, id| {
                    write_logon(payload, id, now, signer)
                });
                if !sent {
                    outbox.reconnect = Some(ReconnectReason::Refused);
                }
            }
        }
        self.update_state(outbox);
        Ok(())
    }

    fn on_timer(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        if now.mono >= self.expire_at {
            self.expire(now, outbox);
        }
        if now.mono >= self.rotate_at {
            outbox.reconnect = Some(ReconnectReason::Rotation);
            self.rotate_at = now.mono.plus(ROTATION_REMINDER);
        }
        if now.mono >= self.pulse_at {
            self.pulse_at = now.mono.plus(Self::SILENCE);
            // Without room for it there is traffic enough, whose time-outs tell the same.
            let _ = self.send_own(now, Asked::Pulse, outbox, write_pulse);
        }
        if self.clock.is_due(now.mono) {
            self.ask_time(now, outbox);
        }
        if now.mono >= self.terms_at {
            self.ask_terms(now, binance(signer)?, outbox);
        }
        self.update_state(outbox);
        Ok(())
    }

    /// Reports what was never answered. An unanswered log-on or pulse means that the connection is
    /// worth nothing.
    fn expire(&mut self, now: Now, outbox: &mut Outbox) {
        let before = Nanos(now.mono.0.saturating_sub(self.request_timeout.0));
        let mut reconnect = None;
        let mut timeouts = 0;
        self.in_flight.expire(before, |entry| {
            timeouts += 1;
            match entry.asked {
                Asked::Logon => reconnect = Some(ReconnectReason::Refused),
                Asked::Pulse => reconnect = Some(ReconnectReason::Stale),
                Asked::Request { .. } | Asked::Status { .. } => {
                    report_lost(entry, UnknownCause::Timeout, now, outbox);
                }
            }
        });
        self.counters.timeouts += timeouts;
        self.expire_at = match self.in_flight.oldest() {
            Some(oldest) => oldest.plus(self.request_timeout),
            None => Nanos::MAX,
        };
        match reconnect {
            Some(ReconnectReason::Stale) => {
                outbox.reconnect = reconnect;
                self.set_state(SessionState::Stale, outbox);
            }
            Some(reason) => {
                outbox.reconnect = Some(reason);
                self.take_down(now, UnknownCause::Disconnected, outbox);
            }
            None => {}
        }
    }

    fn on_disconnected(&mut self, now: Now, outbox: &mut Outbox) {
        self.take_down(now, UnknownCause::Disconnected, outbox);
        for pending in self.calls.drain(..) {
            if let Some(step) = pending.query() {
                outbox.report(step.report(false));
            }
        }
        self.clock.stop();
        self.terms_at = Nanos::MAX;
    }

    /// Ends all use of the connection: what waits for an answer is Unknown.
    fn take_down(&mut self, now: Now, cause: UnknownCause, outbox: &mut Outbox) {
        self.in_flight.drain(|entry| report_lost(entry, cause, now, outbox));
        self.link = Link::Down;
        self.expire_at = Nanos::MAX;
        self.rotate_at = Nanos::MAX;
        self.pulse_at = Nanos::MAX;
        self.set_state(SessionState::Down, outbox);
    }

    /// Ready only when the log-on stands and the venue's clock was measured: without it every
    /// signed request may be refused.
    fn update_state(&mut self, outbox: &mut Outbox) {
        if self.state == SessionState::Stale {
            return;
        }
        let state = match self.link {
            Link::Down => SessionState::Down,
            Link::Dialling => SessionState::Connecting,
            Link::Open if self.clock.is_measured() => SessionState::Ready,
            Link::LoggingOn | Link::Open => SessionState::Syncing,
        };
        self.set_state(state, outbox);
    }

    fn set_state(&mut self, state: SessionState, outbox: &mut Outbox) {
        if self.state != state {
            self.state = state;
            outbox.state = Some(state);
        }
    }

    fn new_call(&mut self) -> CallId {
        let call = CallId(self.next_call);
        self.next_call = self.next_call.wrapping_add(1);
        call
    }
}

impl Session for OrderSession {
    #[inline]
    fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        signer: &mut Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        if let Input::Submit(_) | Input::Cancel(_) | Input::Replace(_) | Input::Query(_) = &input {
            self.begun_at = self.begun_at.min(now.mono);
        }
        match input {
            Input::Submit(order) => self.on_submit(now, order, signer, outbox),
            Input::Cancel(cancel) => self.on_cancel(now, cancel, signer, outbox),
            Input::Replace(replace) => self.on_replace(now, replace, signer, outbox),
            Input::Frame(frame) => self.on_frame(now, frame, signer, outbox),
            Input::Response { call, answer } => {
                self.on_response(now, call, &answer, signer, outbox)
            }
            Input::Query(query) => self.on_query(now, query, signer, outbox),
            Input::Timer => self.on_timer(now, signer, outbox),
            Input::Start => self.on_start(now, signer, outbox),
            Input::Connected => self.on_connected(now, signer, outbox),
            Input::Purged { client_order_id, cause } => {
                self.on_purged(now, client_order_id, cause, outbox);
                Ok(())
            }
            Input::Disconnected => {
                self.on_disconnected(now, outbox);
                Ok(())
            }
        }
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let deadlines = [self.expire_at, self.rotate_at, self.pulse_at, self.terms_at];
        let deadline = deadlines.into_iter().fold(self.clock.due_at(), Nanos::min);
        (deadline != Nanos::MAX).then_some(deadline)
    }

    fn in_flight(&self) -> usize {
        self.in_flight.waiting()
    }

    fn account(&self) -> AccountId {
        self.account
    }
}

/// Reports a request whose answer won't come.
fn report_lost(entry: &InFlight, cause: UnknownCause, now: Now, outbox: &mut Outbox) {
    match entry.asked {
        Asked::Request { kind, key } => {
            outbox.report(key.report(Outcome::Unknown(kind, cause), now));
        }
        Asked::Status { query, .. } => outbox.report(query_end(query, entry.sent_at, false)),
        Asked::Logon | Asked::Pulse => {}
    }
}

fn query_end(query: Query, asked_at: Nanos, complete: bool) -> Report {
    Report::Query(enigma_types::QueryReport { query, asked_at, complete })
}

#[cfg(test)]
mod tests;
