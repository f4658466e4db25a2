//! One place of a gateway: the life that serves, its successor during a rotation, and its
//! predecessor until the last answer is in.
//!
//! It decides when lives begin and end; what happens inside one is `live`'s.

use enigma_types::{Nanos, SessionChange, SessionKind, SessionState};
use enigma_venues::session::{ConnectionId, Input, ReconnectReason, Session};

use super::core::Core;
use super::counters::ReconnectCause;
use super::events::GatewayEvents;
use super::live::Live;
use super::pace::Backoff;
use super::plan::{Liveness, OpenSession, SlotPlan};

#[derive(Debug)]
pub(crate) struct Slot<S> {
    pub(crate) plan: SlotPlan,
    pub(crate) active: Option<Live<S>>,
    /// Made before the active one is broken.
    pub(crate) next: Option<Live<S>>,
    /// Still owes answers to requests.
    pub(crate) retiring: Option<Live<S>>,
    place: u16,
    /// What was last told.
    state: SessionState,
    backoff: Backoff,
    generation: u32,
    /// When to begin a life, if none serves.
    dial_at: Nanos,
    /// When to begin a successor, if one is wanted.
    rotate_at: Option<Nanos>,
    retire_by: Nanos,
}

impl<S: Session> Slot<S> {
    pub(crate) fn new(plan: SlotPlan, place: u16) -> Self {
        Self {
            plan,
            active: None,
            next: None,
            retiring: None,
            place,
            state: SessionState::Down,
            backoff: Backoff::default(),
            generation: 0,
            dial_at: Nanos::ZERO,
            rotate_at: None,
            retire_by: Nanos::MAX,
        }
    }

    pub(crate) fn lives_mut(&mut self) -> impl Iterator<Item = &mut Live<S>> {
        [&mut self.active, &mut self.next, &mut self.retiring].into_iter().flatten()
    }

    pub(crate) fn lives(&self) -> impl Iterator<Item = &Live<S>> {
        [&self.active, &self.next, &self.retiring].into_iter().flatten()
    }

    pub(crate) fn find(&mut self, id: ConnectionId) -> Option<&mut Live<S>> {
        self.lives_mut().find(|live| live.id == id)
    }

    /// Ends and begins lives as is due, and tells the state if it changed.
    #[inline]
    pub(crate) fn tend(
        &mut self,
        now: Nanos,
        opener: &mut impl OpenSession<Session = S>,
        core: &mut Core,
        events: &mut impl GatewayEvents,
    ) {
        if self.lives().any(|live| live.doomed.is_some()) {
            self.reap(now, core, events);
        }
        if self.next.as_ref().is_some_and(Live::is_ready) {
            self.promote(now, core, events);
        }
        if let Some(old) = &self.retiring
            && (old.session.in_flight() == 0 || now >= self.retire_by)
        {
            self.end_retiring(core, events);
        }
        if let Some(active) = &mut self.active
            && std::mem::take(&mut active.rotate)
            && self.next.is_none()
        {
            self.rotate_at.get_or_insert(now);
        }
        if self.active.is_none() && now >= self.dial_at {
            self.active = self.begin(now, opener, core, events);
        } else if self.rotate_at.is_some_and(|at| now >= at) {
            self.next = self.begin(now, opener, core, events);
            self.rotate_at = None;
        }
        self.publish(core, events);
    }

    /// Tells the state of the place, which is that of the life that serves.
    #[inline]
    pub(crate) fn publish(&mut self, core: &mut Core, events: &mut impl GatewayEvents) {
        let state = match &self.active {
            Some(active) if active.doomed.is_none() => active.state,
            Some(_) | None => SessionState::Down,
        };
        if state == self.state {
            return;
        }
        self.state = state;
        let SlotPlan { venue, kind, account } = self.plan;
        let now = core.now(venue);
        events.on_session(now, SessionChange { venue, account, kind, state, at: now.mono });
    }

    pub(crate) fn next_deadline(&self, liveness: Liveness) -> Nanos {
        let deadlines = self.lives().map(|live| live.next_deadline(liveness));
        let lives = deadlines.min().unwrap_or(Nanos::MAX);
        let dial = if self.active.is_none() { self.dial_at } else { Nanos::MAX };
        let retire = if self.retiring.is_some() { self.retire_by } else { Nanos::MAX };
        lives.min(dial).min(retire).min(self.rotate_at.unwrap_or(Nanos::MAX))
    }

    fn begin(
        &mut self,
        now: Nanos,
        opener: &mut impl OpenSession<Session = S>,
        core: &mut Core,
        events: &mut impl GatewayEvents,
    ) -> Option<Live<S>> {
        let serving = self.active.is_none();
        if let Err(at) = core.take_dial(self.plan, now) {
            core.shared.counters.dials_deferred.add(1);
            if serving {
                self.dial_at = at;
            } else {
                self.rotate_at = Some(at);
            }
            return None;
        }
        self.generation = self.generation.wrapping_add(1);
        let id = ConnectionId { slot: self.place, generation: self.generation };
        let seed = core.random.draw();
        let session = opener.open(self.plan, seed, core.budgets(self.plan));
        let now = core.now(self.plan.venue);
        let mut live = Live::new(self.plan, id, session, core.random.draw(), now);
        live.serving = serving;
        live.handle(now, Input::Start, core, events);
        Some(live)
    }

    fn reap(&mut self, now: Nanos, core: &mut Core, events: &mut impl GatewayEvents) {
        if let Some(doomed) = take_doomed(&mut self.retiring) {
            doomed.end(core, events);
        }
        if let Some(doomed) = take_doomed(&mut self.next) {
            self.rotate_at = Some(now.plus(self.wait(&doomed.live, core)));
            doomed.end(core, events);
        }
        if let Some(doomed) = take_doomed(&mut self.active) {
            let ready_for = doomed.live.ready_since.map(|since| now.since(since));
            if ready_for.is_some_and(|long| long >= Backoff::FORGIVEN_AFTER) {
                self.backoff.forgive();
            }
            let wait = self.wait(&doomed.live, core);
            doomed.end(core, events);
            self.rotate_at = None;
            // A successor that is under way is nearer than a new dial.
            match self.next.take() {
                Some(next) => self.serve(next),
                None => self.dial_at = now.plus(wait),
            }
        }
    }

    /// How long to wait before the next dial: the back-off, or what the server asked for.
    fn wait(&mut self, failed: &Live<S>, core: &mut Core) -> Nanos {
        let asked = failed.retry_after.unwrap_or(Nanos::ZERO).min(RETRY_AFTER_MAX);
        self.backoff.next(&mut core.random).max(asked)
    }

    fn promote(&mut self, now: Nanos, core: &mut Core, events: &mut impl GatewayEvents) {
        let Some(next) = self.next.take() else { return };
        self.end_retiring(core, events);
        if let Some(mut old) = self.active.take() {
            old.serving = false;
            self.retiring = Some(old);
            self.retire_by = now.plus(RETIRE_PATIENCE);
        }
        self.serve(next);
    }

    fn serve(&mut self, mut live: Live<S>) {
        live.serving = true;
        // Its books weren't shown when they were read: no stage is to be measured on them.
        live.stamps.sampled = None;
        self.active = Some(live);
    }

    fn end_retiring(&mut self, core: &mut Core, events: &mut impl GatewayEvents) {
        if let Some(old) = self.retiring.take() {
            old.end(ReconnectCause::Session(ReconnectReason::Rotation), core, events);
        }
    }
}

struct Doomed<S> {
    live: Live<S>,
    cause: ReconnectCause,
}

impl<S: Session> Doomed<S> {
    fn end(self, core: &mut Core, events: &mut impl GatewayEvents) {
        self.live.end(self.cause, core, events);
    }
}

fn take_doomed<S>(place: &mut Option<Live<S>>) -> Option<Doomed<S>> {
    let cause = place.as_ref()?.doomed?;
    place.take().map(|live| Doomed { live, cause })
}

/// Whether a place carries requests.
pub(crate) const fn takes_requests(kind: SessionKind) -> bool {
    match kind {
        SessionKind::Order => true,
        SessionKind::Market | SessionKind::Account => false,
    }
}

/// A longer ban than this is looked at again, for a misread header must not end trading.
const RETRY_AFTER_MAX: Nanos = Nanos::from_secs(3_600);
/// Requests of a rotated session have answers within milliseconds, or never.
const RETIRE_PATIENCE: Nanos = Nanos::from_secs(10);
