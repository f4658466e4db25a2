//! The order session: one connection that places, cancels and changes orders and asks about them,
//! and beside it the account's REST queries and the watch over the venue's clock.
//!
//! Implements `binance.md` sections 2, 4.4, 6 and 10: <https://developers.binance.com/docs/
//! derivatives/usds-margined-futures/websocket-api-general-info> (read 2026-11-24). It must not
//! send anything twice, and must not call a request refused unless the venue surely refused it.

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, CancelRequest, ClientOrderId, InstallationPrefix, InstrumentId, Nanos, NotSentCause,
    Now, OrderRequest, Outcome, Query, ReplaceRequest, Report, RequestKind, SessionState,
    UnknownCause, VenueId,
};

use super::alerts::AlertGate;
use super::auth::ComposeError;
use super::budget::RequestBudget;
use super::in_flight::{Asked, InFlight, InFlightTable};
use super::order_frames::{FrameHead, OrderFrames, write_logon, write_pulse};
use super::queries::QueryStep;
use super::symbols::{Listing, SymbolTable};
use super::venue_clock::VenueClock;
use super::{ROTATION_REMINDER, rotation_at};
use crate::limits::Wait;
use crate::registry::SessionPlan;
use crate::session::{
    AlertKind, CallId, Dial, HostRole, Input, OrderKey, Outbox, ReconnectReason, Session,
    VenueError,
};
use crate::signer::{BinanceSecret, BinanceSigner, Signer};
use crate::wire::websocket::{FrameClass, Payload};

mod answers;
mod calls;

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
    mode: PositionMode,
    mode_at: Nanos,
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

/// The account's position mode. Orders assume one-way mode and are refused in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PositionMode {
    Unknown,
    OneWay,
    Hedge,
}

impl OrderSession {
    const CALLS: usize = 16;
    /// After so long without a word from the venue it is asked whether anybody is there.
    const SILENCE: Nanos = Nanos::from_secs(30);

    pub fn new(plan: &SessionPlan) -> Self {
        Self {
            symbols: SymbolTable::new(VenueId::BinanceUsdm, plan.instruments.clone()),
            account: plan.account,
            frames: OrderFrames { prefix: plan.prefix, recv_window_ms: plan.recv_window_ms },
            request_timeout: plan.request_timeout,
            seed: plan.seed,
            in_flight: InFlightTable::new(),
            expire_at: Nanos::MAX,
            calls: ArrayVec::new(),
            next_call: 0,
            budget: RequestBudget::new(plan.rate_limit_percent),
            clock: VenueClock::new(),
            link: Link::Down,
            mode: PositionMode::Unknown,
            mode_at: Nanos::MAX,
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

    /// What is left of the venue's limits: orders, and weight.
    pub fn remaining(&self) -> (u32, u32) {
        self.budget.remaining()
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
        outbox.dial = Some(Dial { host: HostRole::OrderEntry, path: "/ws-fapi/v1".into() });
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

    #[inline]
    fn on_submit(
        &mut self,
        now: Now,
        order: &OrderRequest,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let key = key_of(order.account, order.instrument, order.client_order_id);
        let class = FrameClass::Order { client_order_id: order.client_order_id };
        let kind = RequestKind::Submit;
        if self.state != SessionState::Ready {
            outbox.not_sent(kind, &key, NotSentCause::SessionDown, now);
            return Ok(());
        }
        let frames = self.frames;
        self.send_request(now, kind, key, class, signer, outbox, |payload, head| {
            frames.place(payload, head, order)
        })
    }

    /// A cancel takes risk away: it goes as soon as the connection carries requests at all.
    #[inline]
    fn on_cancel(
        &mut self,
        now: Now,
        cancel: &CancelRequest,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let key = key_of(cancel.account, cancel.instrument, cancel.client_order_id);
        let class = FrameClass::Cancel { client_order_id: cancel.client_order_id };
        let kind = RequestKind::Cancel;
        if self.link != Link::Open {
            outbox.not_sent(kind, &key, NotSentCause::SessionDown, now);
            return Ok(());
        }
        let frames = self.frames;
        self.send_request(now, kind, key, class, signer, outbox, |payload, head| {
            frames.cancel(payload, head, cancel)
        })
    }

    fn on_replace(
        &mut self,
        now: Now,
        replace: &ReplaceRequest,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let key = key_of(replace.account, replace.instrument, replace.client_order_id);
        let class = FrameClass::Order { client_order_id: replace.client_order_id };
        let kind = RequestKind::Replace;
        if self.state != SessionState::Ready {
            outbox.not_sent(kind, &key, NotSentCause::SessionDown, now);
            return Ok(());
        }
        let frames = self.frames;
        self.send_request(now, kind, key, class, signer, outbox, |payload, head| {
            frames.modify(payload, head, replace)
        })
    }

    /// Puts a request into the buffer and the table, or reports why it didn't leave.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "one caller for each kind of request")]
    fn send_request(
        &mut self,
        now: Now,
        kind: RequestKind,
        key: OrderKey,
        class: FrameClass,
        signer: &Signer,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Payload<'_>, &FrameHead<'_>) -> Result<(), ComposeError>,
    ) -> Result<(), VenueError> {
        let signer = request_signer(signer)?;
        let Some(&listing) = self.symbols.by_id(key.instrument) else {
            outbox.not_sent(kind, &key, NotSentCause::Encoding, now);
            return Err(VenueError::Misuse("an instrument that isn't ours"));
        };
        let Some(id) = self.in_flight.reserve() else {
            outbox.not_sent(kind, &key, NotSentCause::Full, now);
            return Ok(());
        };
        if self.take_budget(now, kind).is_err() {
            self.counters.held_back += 1;
            self.alerts.raise(now.mono, outbox, AlertKind::RateLimited, "held back by our count");
            outbox.not_sent(kind, &key, NotSentCause::RateLimit, now);
            return Ok(());
        }
        let head = FrameHead { id, now, symbols: &self.symbols, listing: &listing, signer };
        match outbox.transmit.text(class, |payload| write(payload, &head)) {
            Ok(()) => self.keep(id, Asked::Request { kind, key }, now),
            Err(ComposeError::Full(_)) => outbox.not_sent(kind, &key, NotSentCause::Full, now),
            Err(ComposeError::TooLong | ComposeError::NeedsEscape) => {
                outbox.not_sent(kind, &key, NotSentCause::Encoding, now);
            }
        }
        Ok(())
    }

    fn take_budget(&mut self, now: Now, kind: RequestKind) -> Result<(), Wait> {
        let venue_ms = now.venue_time().as_millis();
        match kind {
            RequestKind::Submit | RequestKind::Replace => self.budget.take_order(venue_ms),
            RequestKind::Cancel => self.budget.take_cancel(venue_ms),
        }
    }

    #[inline]
    fn keep(&mut self, id: u64, asked: Asked, now: Now) {
        self.counters.requests += 1;
        self.in_flight.insert(id, asked, now.mono);
        self.expire_at = self.expire_at.min(now.mono.plus(self.request_timeout));
    }

    /// Sends a request that trades nothing; `false` when there was no room for it.
    fn send_own(
        &mut self,
        now: Now,
        asked: Asked,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Payload<'_>, u64) -> Result<(), ComposeError>,
    ) -> bool {
        let Some(id) = self.in_flight.reserve() else { return false };
        let sent = outbox.transmit.text(FrameClass::Session, |payload| write(payload, id));
        if sent.is_ok() {
            self.keep(id, asked, now);
        }
        sent.is_ok()
    }

    fn on_query(
        &mut self,
        now: Now,
        query: &Query,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let signer = binance(signer)?;
        if let Some(step) = QueryStep::first(*query, now) {
            self.ask_query(now, step, signer, outbox);
            return Ok(());
        }
        let Query::Order { account, instrument, client_order_id } = *query else {
            return Err(VenueError::Misuse("a query that goes nowhere"));
        };
        let key = key_of(account, instrument, client_order_id);
        let listing: Option<Listing> = self.symbols.by_id(instrument).copied();
        let venue_ms = now.venue_time().as_millis();
        let sent = match listing {
            Some(listing) if self.link == Link::Open => {
                let allowed = self.budget.take_query(venue_ms, 1).is_ok();
                allowed && self.send_status(now, *query, key, &listing, signer, outbox)
            }
            Some(_) | None => false,
        };
        if !sent {
            outbox.report(query_end(*query, now.mono, false));
        }
        Ok(())
    }

    fn send_status(
        &mut self,
        now: Now,
        query: Query,
        key: OrderKey,
        listing: &Listing,
        signer: &BinanceSigner,
        outbox: &mut Outbox,
    ) -> bool {
        let signer = per_request(signer);
        let Some(id) = self.in_flight.reserve() else { return false };
        let head = FrameHead { id, now, symbols: &self.symbols, listing, signer };
        let frames = self.frames;
        let sent = outbox.transmit.text(FrameClass::Session, |payload| {
            frames.status(payload, &head, key.client_order_id)
        });
        if sent.is_ok() {
            self.keep(id, Asked::Status { query, key }, now);
        }
        sent.is_ok()
    }

    /// The barrier took a request back: no byte of it left.
    fn on_purged(&mut self, now: Now, order: ClientOrderId, outbox: &mut Outbox) {
        match self.in_flight.take_purged(order).map(|entry| entry.asked) {
            Some(Asked::Request { kind, key }) => {
                outbox.not_sent(kind, &key, NotSentCause::Barrier, now);
            }
            Some(Asked::Status { .. } | Asked::Logon | Asked::Pulse) | None => {}
        }
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
        if now.mono >= self.mode_at {
            self.ask_position_mode(now, binance(signer)?, outbox);
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
        self.mode_at = Nanos::MAX;
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

    /// Ready only when the log-on stands, the account is in one-way mode, and the venue's clock was
    /// measured: without it every signed request may be refused.
    fn update_state(&mut self, outbox: &mut Outbox) {
        if self.state == SessionState::Stale {
            return;
        }
        let checked = self.mode == PositionMode::OneWay && self.clock.is_measured();
        let state = match self.link {
            Link::Down => SessionState::Down,
            Link::Dialling => SessionState::Connecting,
            Link::Open if checked => SessionState::Ready,
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
            Input::Purged { client_order_id } => {
                self.on_purged(now, client_order_id, outbox);
                Ok(())
            }
            Input::Disconnected => {
                self.on_disconnected(now, outbox);
                Ok(())
            }
        }
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let deadlines = [self.expire_at, self.rotate_at, self.pulse_at, self.mode_at];
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

const fn key_of(
    account: AccountId,
    instrument: InstrumentId,
    client_order_id: ClientOrderId,
) -> OrderKey {
    OrderKey { account, instrument, client_order_id }
}

fn binance(signer: &Signer) -> Result<&BinanceSigner, VenueError> {
    match signer {
        Signer::Binance(signer) => Ok(signer),
        Signer::None => Err(VenueError::Misuse("an order session without a key")),
    }
}

/// Who signs a request: the key that signs each, or nobody on a session that has logged on.
#[inline]
fn request_signer(signer: &Signer) -> Result<Option<&BinanceSigner>, VenueError> {
    binance(signer).map(per_request)
}

#[inline]
fn per_request(signer: &BinanceSigner) -> Option<&BinanceSigner> {
    match signer.secret {
        BinanceSecret::Hmac(_) => Some(signer),
        BinanceSecret::Ed25519(_) => None,
    }
}
