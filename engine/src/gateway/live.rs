//! A session with its outbox and its connection, from its start to its end. One for each dial.
//!
//! It decides nothing about other lives of the same place: that is the slot's.

use arrayvec::ArrayVec;
use enigma_types::{ClientOrderId, Nanos, NotSentCause, Now, SessionState};
use enigma_venues::session::{
    AlertKind, Answer, CallId, ConnectionId, Dial, HostRole, Input, Outbox, ReconnectReason,
    Recovery, Session,
};
use enigma_venues::wire::websocket::Transmit;
use mio::{Interest, Token};

use super::core::Core;
use super::counters::ReconnectCause;
use super::events::{GatewayEvents, StageStamps, Stamps};
use super::plan::{Liveness, SlotPlan};
use super::slot::takes_requests;
use crate::connection::{Connection, ConnectionError, ErrorKind, Flushed, Progress, Received};

#[derive(Debug)]
pub(crate) struct Live<S> {
    pub(crate) plan: SlotPlan,
    pub(crate) id: ConnectionId,
    pub(crate) session: S,
    pub(crate) outbox: Outbox,
    pub(crate) connection: Option<Connection>,
    pub(crate) state: SessionState,
    pub(crate) begun_at: Nanos,
    pub(crate) ready_since: Option<Nanos>,
    /// Set once: nothing more is asked of this life, and the slot ends it.
    pub(crate) doomed: Option<ReconnectCause>,
    /// The wait that a refused upgrade asked for.
    pub(crate) retry_after: Option<Nanos>,
    /// A successor is wanted.
    pub(crate) rotate: bool,
    /// Its books and trades are the ones that count.
    pub(crate) serving: bool,
    pub(crate) stamps: Stamps,
    /// When bytes came last.
    heard_at: Nanos,
    /// When the peer was asked whether it is there, if nothing came since.
    pinged_at: Option<Nanos>,
    flush_due: bool,
    closing: bool,
    /// Calls that the connector had no room for.
    refused: ArrayVec<CallId, 32>,
}

impl<S: Session> Live<S> {
    pub(crate) fn new(plan: SlotPlan, id: ConnectionId, session: S, seed: u64, now: Now) -> Self {
        Self {
            plan,
            id,
            session,
            outbox: Outbox::new(Transmit::with_capacity(TRANSMIT_BYTES, FRAMES, seed)),
            connection: None,
            state: SessionState::Connecting,
            begun_at: now.mono,
            ready_since: None,
            doomed: None,
            retry_after: None,
            rotate: false,
            serving: false,
            stamps: Stamps::default(),
            heard_at: now.mono,
            pinged_at: None,
            flush_due: false,
            closing: false,
            refused: ArrayVec::new(),
        }
    }

    /// Whether an order may be handed over.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.state == SessionState::Ready && self.is_connected()
    }

    /// Whether a cancel or a query may be: its session knows what it needs beside a connection.
    #[inline]
    pub(crate) fn is_connected(&self) -> bool {
        self.doomed.is_none() && self.connection.is_some()
    }

    #[inline]
    pub(crate) fn may_read(&self) -> bool {
        self.doomed.is_none() && self.connection.as_ref().is_some_and(Connection::may_read)
    }

    pub(crate) fn doom(&mut self, cause: ReconnectCause) {
        self.doomed.get_or_insert(cause);
    }

    /// Gives the session an input and does what it asks for, except for books and writes.
    #[inline]
    pub(crate) fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        core: &mut Core,
        events: &mut impl GatewayEvents,
    ) {
        let signer = core.signer(self.plan);
        let result = self.session.handle(now, input, signer, &mut self.outbox);
        self.settle(now, result.err().map(|error| error.recovery()), core, events);
    }

    /// Takes a connection that the connector has made.
    pub(crate) fn connect(
        &mut self,
        mut connection: Connection,
        core: &mut Core,
        events: &mut impl GatewayEvents,
    ) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = core.registry.register(connection.stream_mut(), token(self.id), interest);
        let shutdown_handle = connection.shutdown_handle();
        self.connection = Some(connection);
        match (registered, shutdown_handle) {
            (Ok(()), Ok(socket)) => {
                if takes_requests(self.plan.kind) {
                    core.shared.order_sockets.insert(self.id, socket);
                }
                let now = core.now(self.plan.venue);
                self.heard_at = now.mono;
                self.handle(now, Input::Connected, core, events);
                self.flush(core, events);
            }
            (Err(error), _) | (_, Err(error)) => self.fail(&ConnectionError::Read(error), core),
        }
    }

    /// Reads what the socket has, message by message, up to a bound that keeps the turn short.
    /// Books are left in the outbox: with more messages at hand only the newest counts.
    #[inline]
    pub(crate) fn read(&mut self, core: &mut Core, events: &mut impl GatewayEvents) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        let sample = core.sample();
        match connection.receive(&mut core.clock, sample) {
            Ok(Progress::Bytes(bytes)) => {
                core.shared.counters.bytes_in.add(bytes as u64);
                if bytes > 0 {
                    self.heard_at = connection.received_at();
                    self.pinged_at = None;
                }
            }
            Ok(Progress::Idle) => return false,
            Err(error) => {
                self.fail(&error, core);
                return false;
            }
        }
        core.shared.counters.records_opened.add(connection.take_records_opened());
        let now = core.at(self.plan.venue, connection.received_at());
        core.shared.counters.note_message(self.plan.venue, now.wall.0);
        self.stamps.received = now.mono;
        while self.read_message(now, core, events) {}
        core.sampled = sample;
        self.stamps.sampled = sample.then(|| StageStamps {
            opened: self.connection.as_ref().map_or(now.mono, Connection::opened_at),
            decoded: core.clock.mono(),
        });
        true
    }

    #[inline]
    fn read_message(&mut self, now: Now, core: &mut Core, events: &mut impl GatewayEvents) -> bool {
        if self.doomed.is_some() {
            return false;
        }
        let Some(connection) = &mut self.connection else { return false };
        let result = match connection.next_message(&mut self.outbox.transmit) {
            Ok(Received::Text(text)) => {
                core.shared.counters.messages.add(1);
                let signer = core.signer(self.plan);
                self.session.handle(now, Input::Frame(text), signer, &mut self.outbox)
            }
            Ok(Received::Control) => {
                core.shared.counters.control_frames.add(1);
                return true;
            }
            Ok(Received::Nothing) => return false,
            Err(error) => {
                self.fail(&error, core);
                return false;
            }
        };
        self.settle(now, result.err().map(|error| error.recovery()), core, events);
        true
    }

    /// Writes what waits. At a closed gate orders are taken back first.
    #[inline]
    pub(crate) fn flush(&mut self, core: &mut Core, events: &mut impl GatewayEvents) {
        // Twice at the most: after a purge no order waits that the gate could hold back.
        for _ in 0..2 {
            let Some(connection) = &mut self.connection else { return };
            let Core { clock, shared, handed, .. } = core;
            let flushed = connection.flush(
                &mut self.outbox.transmit,
                &shared.gate,
                clock,
                &shared.counters,
                |sent| {
                    let of_this = handed.filter(|(id, _)| *id == sent.client_order_id);
                    events.on_sent(sent, of_this.map(|(_, handed)| handed));
                },
            );
            match flushed {
                Ok(Flushed::All | Flushed::Blocked) => return,
                Ok(Flushed::Gated) => self.purge(core, events),
                Err(error) => {
                    self.fail(&error, core);
                    return;
                }
            }
        }
    }

    pub(crate) fn set_readiness(&mut self, readable: bool, writable: bool) {
        if let Some(connection) = &mut self.connection {
            if readable {
                connection.set_readable();
            }
            if writable {
                connection.set_writable();
                self.flush_due = true;
            }
        }
    }

    /// What isn't driven by bytes: a timer, a socket that takes bytes again, refused calls.
    pub(crate) fn run_due(&mut self, core: &mut Core, events: &mut impl GatewayEvents) {
        if self.doomed.is_some() {
            return;
        }
        let venue = self.plan.venue;
        for call in std::mem::take(&mut self.refused) {
            let now = core.now(venue);
            self.handle(now, Input::Response { call, answer: Answer::NotSent }, core, events);
            self.flush_due = true;
        }
        let now = core.now(venue);
        if self.session.next_deadline().is_some_and(|deadline| deadline <= now.mono) {
            self.handle(now, Input::Timer, core, events);
            self.flush_due = true;
        }
        if self.connection.is_none() && now.mono >= self.connect_by() {
            self.doom(ReconnectCause::Dial);
        }
        if self.connection.is_some() && now.mono >= self.silence_ends(core.liveness) {
            self.break_silence(now.mono, core);
        }
        if std::mem::take(&mut self.flush_due) {
            self.flush(core, events);
        }
    }

    /// Whether `run_due` has something to do whatever the time is.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.flush_due || !self.refused.is_empty() || self.doomed.is_some()
    }

    pub(crate) fn next_deadline(&self, liveness: Liveness) -> Nanos {
        let session = self.session.next_deadline().unwrap_or(Nanos::MAX);
        session.min(match self.connection {
            Some(_) => self.silence_ends(liveness),
            None => self.connect_by(),
        })
    }

    /// When a peer that says nothing is asked whether it is there, or is given up.
    #[inline]
    fn silence_ends(&self, liveness: Liveness) -> Nanos {
        match self.pinged_at {
            None => self.heard_at.plus(liveness.ping_after),
            Some(pinged_at) => pinged_at.plus(liveness.pong_within),
        }
    }

    /// A peer that neither answers nor resets is noticed by nothing but its silence: the socket
    /// takes what is sent until its buffer is full.
    fn break_silence(&mut self, now: Nanos, core: &Core) {
        if self.pinged_at.is_some() {
            let SlotPlan { venue, kind, .. } = self.plan;
            tracing::warn!(%venue, session = kind.name(), "a connection is half open");
            self.doom(ReconnectCause::Silent);
            return;
        }
        // Without room for it the peer has read nothing for long, and time tells the same.
        let _ = self.outbox.transmit.ping(b"");
        core.shared.counters.pings.add(1);
        self.pinged_at = Some(now);
        self.flush_due = true;
    }

    /// A dial and what comes before it must have led to a connection by then.
    fn connect_by(&self) -> Nanos {
        self.begun_at.plus(CONNECT_PATIENCE)
    }

    /// The barrier: takes back the orders that wait as plain frames, and dooms the connection if
    /// one of them is begun.
    pub(crate) fn purge(&mut self, core: &mut Core, events: &mut impl GatewayEvents) {
        self.take_back(NotSentCause::Barrier, core, events);
        let begun = match &self.connection {
            Some(connection) => connection.has_begun_order(&self.outbox.transmit),
            None => false,
        };
        if begun {
            self.doom(ReconnectCause::Barrier);
        }
    }

    /// Takes back the orders of which no byte has left, and has them reported as not sent.
    fn take_back(&mut self, cause: NotSentCause, core: &mut Core, events: &mut impl GatewayEvents) {
        let mut purged: ArrayVec<ClientOrderId, FRAMES> = ArrayVec::new();
        self.outbox.transmit.purge_orders(|client_order_id| {
            // Room for as many as frames may wait.
            let _ = purged.try_push(client_order_id);
        });
        for client_order_id in purged {
            core.shared.counters.orders_purged.add(1);
            let now = core.now(self.plan.venue);
            self.handle(now, Input::Purged { client_order_id, cause }, core, events);
        }
    }

    /// The end: what never left is said to be not sent, what did is Unknown, the socket is closed.
    pub(crate) fn end(
        mut self,
        cause: ReconnectCause,
        core: &mut Core,
        events: &mut impl GatewayEvents,
    ) {
        core.shared.counters.count_reconnect(self.plan.venue, cause);
        self.closing = true;
        let not_sent = match cause {
            ReconnectCause::Barrier => NotSentCause::Barrier,
            ReconnectCause::Session(_)
            | ReconnectCause::Connection
            | ReconnectCause::Dial
            | ReconnectCause::Silent => NotSentCause::ConnectionEnded,
        };
        self.take_back(not_sent, core, events);
        if let Some(mut connection) = self.connection.take() {
            if matches!(cause, ReconnectCause::Session(_)) {
                // Good manners, for as far as the socket takes them at once.
                let _ = self.outbox.transmit.close(1000, "");
                let Core { clock, shared, .. } = &mut *core;
                let transmit = &mut self.outbox.transmit;
                let _ = connection.flush(transmit, &shared.gate, clock, &shared.counters, |_| ());
            }
            // A second handle keeps the socket in the poll, so that it is taken out by name.
            if let Err(error) = core.registry.deregister(connection.stream_mut()) {
                tracing::warn!(%error, "a socket can't be taken out of the poll");
            }
            core.shared.order_sockets.remove(self.id);
        }
        let now = core.now(self.plan.venue);
        self.handle(now, Input::Disconnected, core, events);
    }

    fn fail(&mut self, error: &ConnectionError, core: &mut Core) {
        core.shared.counters.count_error(error.kind());
        let SlotPlan { venue, kind, .. } = self.plan;
        tracing::warn!(%venue, session = kind.name(), %error, "a connection ended");
        if let Some(code) = error.close_code()
            && let Some(connection) = &mut self.connection
        {
            let _ = self.outbox.transmit.close(code, "");
            let Core { clock, shared, .. } = core;
            let transmit = &mut self.outbox.transmit;
            let _ = connection.flush(transmit, &shared.gate, clock, &shared.counters, |_| ());
        }
        self.doom(match error.kind() {
            ErrorKind::Barrier => ReconnectCause::Barrier,
            ErrorKind::Read
            | ErrorKind::Write
            | ErrorKind::Ended
            | ErrorKind::Closed
            | ErrorKind::Tls
            | ErrorKind::WebSocket
            | ErrorKind::Full => ReconnectCause::Connection,
        });
    }

    /// Empties the outbox but for books and frames.
    #[inline]
    fn settle(
        &mut self,
        now: Now,
        failed: Option<Recovery>,
        core: &mut Core,
        events: &mut impl GatewayEvents,
    ) {
        match failed {
            None => {}
            Some(Recovery::Continue) => core.shared.counters.session_errors.add(1),
            Some(Recovery::Reconnect) => {
                core.shared.counters.session_errors.add(1);
                self.doom(ReconnectCause::Session(ReconnectReason::Protocol));
            }
        }
        for alert in self.outbox.alerts.drain(..) {
            core.shared.counters.count_alert(self.plan.venue, alert.kind);
            if let AlertKind::ClockOffset { offset_ns, .. } = alert.kind {
                core.set_offset(self.plan.venue, offset_ns);
            }
            events.on_alert(now, self.plan, &alert);
        }
        for trade in self.outbox.trades.drain(..) {
            if self.serving {
                events.on_trade(now, &trade);
            }
        }
        for report in self.outbox.drain_reports() {
            events.on_report(now, &report);
        }
        if let Some(state) = self.outbox.state.take() {
            self.set_state(state, now.mono);
        }
        if let Some(dial) = self.outbox.dial.take() {
            self.dial(&dial, core);
        }
        if !self.outbox.calls.is_empty() {
            self.make_calls(core);
        }
        match self.outbox.reconnect.take() {
            None => {}
            Some(ReconnectReason::Rotation) => self.rotate = true,
            Some(reason) => self.doom(ReconnectCause::Session(reason)),
        }
    }

    fn set_state(&mut self, state: SessionState, at: Nanos) {
        self.ready_since = match state {
            SessionState::Ready => self.ready_since.or(Some(at)),
            SessionState::Down
            | SessionState::Connecting
            | SessionState::Syncing
            | SessionState::Stale => None,
        };
        self.state = state;
    }

    fn dial(&mut self, dial: &Dial, core: &mut Core) {
        if self.closing || self.connection.is_some() {
            return;
        }
        let SlotPlan { venue, kind, .. } = self.plan;
        let Some(host) = core.host(venue, dial.host) else {
            tracing::error!(%venue, session = kind.name(), role = ?dial.host, "no such host");
            self.doom(ReconnectCause::Dial);
            return;
        };
        core.shared.counters.dials.add(1);
        if core.port.dial(self.id, &host, dial.path.clone(), core.dial_timeout).is_err() {
            self.doom(ReconnectCause::Dial);
        }
    }

    fn make_calls(&mut self, core: &mut Core) {
        let host = core.host(self.plan.venue, HostRole::Rest);
        for request in std::mem::take(&mut self.outbox.calls) {
            if self.closing {
                continue;
            }
            let call = request.call;
            core.shared.counters.calls.add(1);
            let taken =
                host.as_ref().is_some_and(|host| core.port.call(self.id, host, request).is_ok());
            if !taken {
                core.shared.counters.calls_failed.add(1);
                if self.refused.try_push(call).is_err() {
                    self.doom(ReconnectCause::Session(ReconnectReason::Overflow));
                }
            }
        }
    }
}

/// The place and generation of a connection, as its events name it.
pub(crate) const fn token(id: ConnectionId) -> Token {
    Token((id.slot as usize) << 32 | id.generation as usize)
}

/// What an event's name says.
pub(crate) const fn id_of(token: Token) -> ConnectionId {
    ConnectionId { slot: (token.0 >> 32) as u16, generation: token.0 as u32 }
}

/// An order is about 500 bytes: room for more than may be in flight.
const TRANSMIT_BYTES: usize = 512 * 1024;
const FRAMES: usize = 512;
/// Longer than any dial or call before it may take.
const CONNECT_PATIENCE: Nanos = Nanos::from_secs(60);
