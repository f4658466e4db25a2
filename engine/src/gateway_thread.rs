//! The gateway's half of a pinned thread: sockets to sessions to whoever trades, requests to
//! sessions to sockets.
//!
//! It owns every session, its books, its connection and the signers. It must not wait, except in
//! `poll`, and nothing slow happens here: dials and calls go through the connector.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use enigma_types::{
    BookTop, ClientOrderId, Nanos, NotSentCause, Now, Outcome, QueryReport, Report, RequestKind,
    VenueRequest,
};
use enigma_venues::session::{ConnectionId, Input, OrderKey, Session};
use mio::{Events, Poll, Token, Waker};

pub use crate::counters::Counter;
pub use crate::gateway::counters::{AccountBudgets, BucketLeft, GatewayCounters, ReconnectCause};
pub use crate::gateway::events::{GatewayEvents, Handed, StageStamps, Stamps};
pub use crate::gateway::order_sockets::OrderSockets;
pub use crate::gateway::plan::{
    AccountAccess, GatewaySettings, GatewayShared, Liveness, OpenSession, SlotPlan, VenueHosts,
    VenueSessions,
};

use crate::clock::Clock;
use crate::connection::Epoch;
use crate::connector::{Connector, Outcome as Made};
use crate::gateway::core::Core;
use crate::gateway::live::{Live, id_of};
use crate::gateway::slot::{Slot, takes_requests};

/// All sessions of one thread. `O` opens them.
#[derive(Debug)]
pub struct Gateway<O: OpenSession> {
    slots: Vec<Slot<O::Session>>,
    /// Which slot carries an account's requests, by account.
    order_slots: Vec<Option<usize>>,
    opener: O,
    core: Core,
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    acknowledged: Epoch,
    deadline: Nanos,
}

impl<O: OpenSession> Gateway<O> {
    /// Prepares the places; the first `turn` begins to fill them.
    pub fn new(
        settings: GatewaySettings,
        opener: O,
        connector: &Connector,
        shared: GatewayShared,
        clock: Clock,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let port = connector.port();
        port.wake(Arc::clone(&waker));
        let plans = settings.slots();
        let registry = poll.registry().try_clone()?;
        let mut core = Core::new(clock, port, shared, registry, settings.seed);
        core.dial_timeout = settings.dial_timeout;
        core.liveness = settings.liveness;
        core.furnish(settings.venues, settings.accounts);
        let order_slots = (0..core.signers.len())
            .map(|account| {
                plans.iter().position(|plan| {
                    takes_requests(plan.kind) && usize::from(plan.account.0) == account
                })
            })
            .collect();
        let slots = (0..).zip(plans).map(|(place, plan)| Slot::new(plan, place)).collect();
        Ok(Self {
            slots,
            order_slots,
            opener,
            core,
            poll,
            events: Events::with_capacity(EVENTS),
            waker,
            acknowledged: Epoch::default(),
            deadline: Nanos::ZERO,
        })
    }

    /// Wakes `poll` from another thread.
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    #[must_use]
    pub fn counters(&self) -> &GatewayCounters {
        &self.core.shared.counters
    }

    /// When `turn` has something to do, whatever the sockets say.
    #[must_use]
    pub fn next_deadline(&self) -> Nanos {
        self.deadline
    }

    /// Waits for a socket, the connector or the waker; with no timeout, for ever, and with a
    /// timeout of zero it only looks.
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let busy =
            self.slots.iter().flat_map(Slot::lives).any(|live| live.may_read() || live.is_due());
        let timeout = if busy { Some(Duration::ZERO) } else { timeout };
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            if event.token() == WAKER {
                continue;
            }
            let readable = event.is_readable() || event.is_read_closed() || event.is_error();
            let writable = event.is_writable() || event.is_error();
            if let Some(live) = find(&mut self.slots, id_of(event.token())) {
                live.set_readiness(readable, writable);
            }
        }
        Ok(())
    }

    /// One round over everything that may have happened: a kill, bytes, the connector, timers.
    /// Says whether there was anything.
    #[inline]
    pub fn turn(&mut self, now: Now, events: &mut impl GatewayEvents) -> bool {
        let mut worked = false;
        if self.core.shared.gate.epoch() != self.acknowledged {
            self.purge(events);
            worked = true;
        }
        for place in 0..self.slots.len() {
            worked |= self.read(place, events);
        }
        while let Some(made) = self.core.port.next_outcome() {
            self.take(made, events);
            worked = true;
        }
        let due = self.slots.iter().flat_map(Slot::lives).any(Live::is_due);
        if worked || due || now.mono >= self.deadline {
            self.run_requests(events);
            self.tend(now.mono, events);
            self.run_requests(events);
            worked = true;
        }
        worked
    }

    /// Hands a request to its account's order session and writes it. What can't be handed over is
    /// reported as not sent at once.
    #[inline]
    pub fn execute(&mut self, request: &VenueRequest, events: &mut impl GatewayEvents) {
        let place = self.order_slots.get(usize::from(request.account().0)).copied().flatten();
        let slot = place.and_then(|place| self.slots.get_mut(place));
        let venue = slot.as_ref().map(|slot| slot.plan.venue);
        let handed = match venue {
            Some(venue) => self.core.now(venue),
            None => self.core.clock.now(0),
        };
        let new_risk = match request {
            VenueRequest::Submit(_) | VenueRequest::Replace(_) => true,
            VenueRequest::Cancel(_) | VenueRequest::Query(_) => false,
        };
        let barred = new_risk && self.core.shared.gate.is_engaged();
        let refused = barred.then_some(NotSentCause::Barrier);
        // What takes risk away, or only asks, goes as soon as the session itself lets it: a clock
        // that can't be asked for must not keep a kill from canceling.
        let open = |live: &&mut Live<O::Session>| match new_risk {
            true => live.is_ready(),
            false => live.is_connected(),
        };
        let live = slot.and_then(|slot| slot.active.as_mut()).filter(open);
        let (Some(live), None) = (live, refused) else {
            self.core.shared.counters.requests_refused.add(1);
            let cause = refused.unwrap_or(NotSentCause::SessionDown);
            events.on_report(handed, &not_sent(request, cause, handed));
            return;
        };
        let core = &mut self.core;
        match request {
            VenueRequest::Submit(order) => live.handle(handed, Input::Submit(order), core, events),
            VenueRequest::Cancel(of) => live.handle(handed, Input::Cancel(of), core, events),
            VenueRequest::Replace(by) => live.handle(handed, Input::Replace(by), core, events),
            VenueRequest::Query(query) => live.handle(handed, Input::Query(query), core, events),
        }
        let encoded = core.sampled.then(|| core.clock.mono());
        core.handed = client_order_id(request).map(|id| (id, Handed { at: handed.mono, encoded }));
        live.flush(core, events);
        core.handed = None;
        // A kill may have taken it back, an error ended it, or a timer come nearer.
        self.deadline = Nanos::ZERO;
    }

    /// The barrier of kill and pause: takes back every order that hasn't left, closes what is
    /// half written, and only then acknowledges.
    pub fn purge(&mut self, events: &mut impl GatewayEvents) {
        let epoch = self.core.shared.gate.epoch();
        for slot in &mut self.slots {
            for live in slot.lives_mut() {
                live.purge(&mut self.core, events);
            }
        }
        let now = self.core.clock.mono();
        self.tend(now, events);
        self.core.shared.gate.acknowledge(epoch);
        self.acknowledged = epoch;
        self.run_requests(events);
    }

    /// Ends every connection: what never left is reported so, what is in flight is Unknown.
    pub fn shut_down(&mut self, events: &mut impl GatewayEvents) {
        for slot in &mut self.slots {
            for place in [&mut slot.retiring, &mut slot.next, &mut slot.active] {
                if let Some(live) = place.take() {
                    live.end(ReconnectCause::Connection, &mut self.core, events);
                }
            }
            slot.publish(&mut self.core, events);
        }
    }

    #[inline]
    fn read(&mut self, place: usize, events: &mut impl GatewayEvents) -> bool {
        let mut worked = false;
        // A flood on one socket must not starve the others: the rest stays for the next turn.
        for _ in 0..READS {
            let Some(slot) = self.slots.get_mut(place) else { return worked };
            let mut read = false;
            for live in slot.lives_mut() {
                if live.may_read() {
                    let this = live.read(&mut self.core, events);
                    if this && !live.outbox.transmit.is_empty() {
                        live.flush(&mut self.core, events);
                    }
                    read |= this;
                }
            }
            if !read {
                return worked;
            }
            worked = true;
            slot.publish(&mut self.core, events);
            self.deliver_books(place, events);
            self.run_requests(events);
            self.core.sampled = false;
        }
        worked
    }

    /// Shows the changed books of the session that serves, each in its newest state.
    #[inline]
    fn deliver_books(&mut self, place: usize, events: &mut impl GatewayEvents) {
        loop {
            let Some(slot) = self.slots.get_mut(place) else { return };
            let venue = slot.plan.venue;
            let Some(active) = &mut slot.active else { return };
            let Some(instrument) = active.outbox.books.pop() else { return };
            let now = self.core.now(venue);
            match active.session.book(instrument) {
                Some(book) => events.on_book(now, book, &active.stamps),
                // A book that can't be believed is shown empty: nothing is priced by it, and no
                // other instrument suffers.
                None => {
                    let mut nothing = BookTop::empty(instrument);
                    nothing.received_at = now.mono;
                    events.on_book(now, &nothing, &active.stamps);
                }
            }
            self.run_requests(events);
        }
    }

    #[inline]
    fn run_requests(&mut self, events: &mut impl GatewayEvents) {
        // A report may lead to a request and that to a report: what a round leaves, the next
        // turn finds.
        for _ in 0..REQUESTS {
            let Some(request) = events.next_request() else { return };
            self.execute(&request, events);
        }
    }

    fn take(&mut self, made: Made, events: &mut impl GatewayEvents) {
        let (Made::Dialed { id, .. } | Made::Answered { id, .. }) = &made;
        let Some(live) = find(&mut self.slots, *id).filter(|live| live.doomed.is_none()) else {
            self.core.shared.counters.stale_generations.add(1);
            return;
        };
        match made {
            Made::Dialed { result: Ok(connection), .. } => {
                live.connect(*connection, &mut self.core, events);
            }
            Made::Dialed { result: Err(error), .. } => {
                self.core.shared.counters.dials_failed.add(1);
                live.retry_after = error.retry_after_seconds().map(u64::from).map(Nanos::from_secs);
                let SlotPlan { venue, kind, .. } = live.plan;
                tracing::warn!(%venue, session = kind.name(), %error, "a dial failed");
                // A venue that throttles one connection throttles all from this address.
                if let Some((status, retry_after_seconds)) = error.refusal() {
                    let venue_ms = self.core.now(venue).venue_time().as_millis();
                    if let Some(budgets) = self.core.budgets(live.plan) {
                        budgets.obey(venue_ms, status, retry_after_seconds);
                    }
                }
                live.doom(ReconnectCause::Dial);
            }
            Made::Answered { call, answer, .. } => {
                let now = self.core.now(live.plan.venue);
                let answer = answer.borrow();
                live.handle(now, Input::Response { call, answer }, &mut self.core, events);
                live.flush(&mut self.core, events);
            }
        }
    }

    /// Timers and due flushes of every session, then lives that begin and end.
    fn tend(&mut self, now: Nanos, events: &mut impl GatewayEvents) {
        for slot in &mut self.slots {
            for live in slot.lives_mut() {
                live.run_due(&mut self.core, events);
            }
            slot.tend(now, &mut self.opener, &mut self.core, events);
        }
        for place in 0..self.slots.len() {
            // A successor that was just promoted shows its books now.
            self.deliver_books(place, events);
        }
        let lives = self.slots.iter().flat_map(Slot::lives);
        self.core.show_levels(now, || lives.map(|live| live.outbox.transmit.frames()).sum());
        let liveness = self.core.liveness;
        let deadlines = self.slots.iter().map(|slot| slot.next_deadline(liveness));
        self.deadline = deadlines.min().unwrap_or(Nanos::MAX);
    }
}

fn find<S: Session>(slots: &mut [Slot<S>], id: ConnectionId) -> Option<&mut Live<S>> {
    slots.get_mut(usize::from(id.slot))?.find(id)
}

/// The report of a request that found no session, or the closed gate.
fn not_sent(request: &VenueRequest, cause: NotSentCause, now: Now) -> Report {
    let (kind, account, instrument, client_order_id) = match request {
        VenueRequest::Submit(order) => {
            (RequestKind::Submit, order.account, order.instrument, order.client_order_id)
        }
        VenueRequest::Cancel(of) => {
            (RequestKind::Cancel, of.account, of.instrument, of.client_order_id)
        }
        VenueRequest::Replace(by) => {
            (RequestKind::Replace, by.account, by.instrument, by.client_order_id)
        }
        VenueRequest::Query(query) => {
            let report = QueryReport { query: *query, asked_at: now.mono, complete: false };
            return Report::Query(report);
        }
    };
    let key = OrderKey { account, instrument, client_order_id };
    key.report(Outcome::NotSent(kind, cause), now)
}

const fn client_order_id(request: &VenueRequest) -> Option<ClientOrderId> {
    match request {
        VenueRequest::Submit(order) => Some(order.client_order_id),
        VenueRequest::Cancel(of) => Some(of.client_order_id),
        VenueRequest::Replace(by) => Some(by.client_order_id),
        VenueRequest::Query(_) => None,
    }
}

/// No socket has it: a slot and generation fill 48 bits.
const WAKER: Token = Token(usize::MAX);
const EVENTS: usize = 64;
const READS: usize = 16;
const REQUESTS: usize = 1_024;

#[cfg(test)]
mod tests;
