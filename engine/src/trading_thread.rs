//! The pinned thread of the layout `fused`: the gateway's turn with the desk inside it.
//!
//! A book change goes from the decoder to the desk and back out as an order by direct calls. This
//! thread never waits for another: commands, records and answers pass through bounded queues, and
//! books for display are given up when a reader holds them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrayvec::ArrayVec;
use enigma_trading::command::{DeskCommand, Receipt, Refusal};
use enigma_trading::desk::{Actions, Desk};
use enigma_trading::journal::{Probe, Stage};
use enigma_trading::risk::{Limit, LimitUse};
use enigma_types::{
    BookTop, ClientOrderId, InstrumentId, InstrumentTable, Nanos, Now, OrderReference, Report,
    SessionChange, StrategyId, Trade, VenueRequest,
};
use enigma_venues::session::{Alert, AlertKind};

use crate::clock::Clock;
use crate::connection::{Epoch, Sent};
use crate::counters::EngineMetrics;
use crate::gateway_thread::{Gateway, GatewayEvents, Handed, SlotPlan, Stamps, VenueSessions};
use crate::handle::{Envelope, Phase, Shared};
use crate::journal::RingProducer;
use crate::latency::PathStage;
use crate::pin;
use crate::settings::Waiting;

/// Marks the desk's stages on the ticks that are sampled.
#[derive(Debug)]
pub(crate) struct StageProbe {
    clock: Clock,
    metrics: Arc<EngineMetrics>,
    /// When the last stage ended; `None` while this tick isn't sampled.
    last: Option<Nanos>,
}

/// Books for people: copies that the pinned thread leaves at most ten times a second.
#[derive(Debug)]
pub(crate) struct DisplayedBooks {
    slots: Box<[Mutex<Option<BookTop>>]>,
}

/// The thread's state.
pub(crate) struct FusedThread {
    gateway: Gateway<VenueSessions>,
    side: DeskSide,
    shared: Arc<Shared>,
    /// The newest engagement of the gate that the desk has latched: a re-arm lifts no later one.
    latched: Epoch,
    published_at: Nanos,
    limits_shown_at: Nanos,
}

/// The desk as the gateway sees it.
struct DeskSide {
    desk: Desk<RingProducer, StageProbe>,
    actions: Actions,
    clock: Clock,
    shared: Arc<Shared>,
    offset_ns: i64,
    /// When the bytes of the tick at hand were read; zero outside of one.
    tick_received: Nanos,
    sent: SentOrders,
    displayed_at: Box<[Nanos]>,
}

/// When the newest orders were written, to measure the venue's first answer by.
#[derive(Debug)]
struct SentOrders {
    rows: Box<[(u64, Nanos)]>,
}

impl FusedThread {
    pub(crate) fn new(
        desk: Desk<RingProducer, StageProbe>,
        gateway: Gateway<VenueSessions>,
        clock: Clock,
        shared: Arc<Shared>,
    ) -> Self {
        let side = DeskSide {
            desk,
            actions: Actions::new(),
            clock,
            shared: Arc::clone(&shared),
            offset_ns: 0,
            tick_received: Nanos::ZERO,
            sent: SentOrders::new(),
            displayed_at: vec![Nanos::ZERO; InstrumentTable::CAPACITY].into(),
        };
        let latched = shared.gateway.gate.epoch();
        let never = Nanos::ZERO;
        Self { gateway, side, shared, latched, published_at: never, limits_shown_at: never }
    }

    /// Turns until the engine is told to stop.
    pub(crate) fn run(mut self) {
        if let Some(core) = self.shared.facts.core
            && let Err(error) = pin::pin_to_core(core)
        {
            tracing::warn!(%error, core, "the trading thread isn't pinned");
        }
        pin::prefault_stack();
        // Only this thread sets it.
        let _ = self.shared.waker.set(self.gateway.waker());
        self.shared.set_phase(Phase::Running);
        while !self.shared.stopping.load(Ordering::Acquire) {
            let worked = self.turn();
            if let Err(error) = self.wait(worked) {
                tracing::error!(%error, "the sockets can't be waited for");
                self.shared.set_phase(Phase::Failed(error.to_string()));
                break;
            }
        }
        self.gateway.shut_down(&mut self.side);
    }

    /// Commands first, then what the sockets brought, then timers.
    fn turn(&mut self) -> bool {
        let commanded = self.obey();
        let now = self.now();
        let received = self.gateway.turn(now, &mut self.side);
        self.side.tick_received = Nanos::ZERO;
        let now = self.now();
        let timed = self.side.desk.next_deadline().is_some_and(|deadline| deadline <= now.mono);
        if timed {
            self.side.desk.handle_timer(now, &mut self.side.actions);
            self.shared.metrics.trading.timers.add(1);
        }
        self.send();
        // A turn in which nothing happened has nothing to show, and there are millions of them.
        let worked = commanded || received || timed;
        if worked || now.mono.since(self.published_at) >= PUBLISH_INTERVAL {
            self.publish(now.mono);
        }
        commanded || received
    }

    /// Takes the waiting commands, and latches a kill that came without its command.
    fn obey(&mut self) -> bool {
        let mut any = false;
        for _ in 0..COMMANDS_A_TURN {
            let Some(Envelope { command, reply }) = self.shared.commands.pop() else { break };
            any = true;
            self.shared.metrics.trading.commands.add(1);
            // Looked at after the command was taken: whatever comes behind the first stop of a
            // drain sees it.
            if command.may_trade() && self.shared.draining.load(Ordering::Acquire) {
                let _ = reply.try_send(Err(Refusal::Draining));
                continue;
            }
            let now = self.now();
            let rearm = matches!(command, DeskCommand::Rearm);
            if matches!(command, DeskCommand::Kill { .. }) {
                self.latched = self.shared.gateway.gate.epoch();
            }
            let stops = stops_orders(&command);
            let result = self.side.desk.handle_command(now, command, &mut self.side.actions);
            if rearm && result.is_ok() {
                self.shared.gateway.gate.release(self.latched);
            }
            if stops {
                self.gateway.purge(&mut self.side);
            }
            self.send();
            let not_sent = self.side.desk.take_not_sent();
            let result = result.map(|receipt| Receipt { not_sent, ..receipt });
            // A caller that has gone away doesn't need its answer.
            let _ = reply.try_send(result);
        }
        if self.shared.gateway.gate.is_engaged() && !self.side.desk.kill().engaged {
            let now = self.now();
            self.latched = self.shared.gateway.gate.epoch();
            let command = DeskCommand::Kill { reason: "the gate was closed".into() };
            // The desk has no reason to refuse a kill.
            let _ = self.side.desk.handle_command(now, command, &mut self.side.actions);
            self.gateway.purge(&mut self.side);
            self.send();
            any = true;
        }
        any
    }

    /// Hands what the desk wants sent to the sessions. A refusal may lead to another request:
    /// what a round leaves, the next turn finds.
    fn send(&mut self) {
        for _ in 0..REQUESTS_A_TURN {
            let Some(request) = self.side.next_request() else { return };
            self.gateway.execute(&request, &mut self.side);
        }
    }

    /// Looks at the sockets; where nothing happened and waiting is `block`, waits for them.
    fn wait(&mut self, worked: bool) -> std::io::Result<()> {
        let spins = self.shared.facts.waiting == Waiting::Spin;
        if worked || spins || !self.shared.commands.is_empty() {
            return self.gateway.poll(Some(Duration::ZERO));
        }
        let now = self.now().mono;
        let next = self.gateway.next_deadline();
        let next = self.side.desk.next_deadline().map_or(next, |desk| desk.min(next));
        let until = Duration::from_nanos(next.since(now).0);
        self.gateway.poll(Some(until.min(LONGEST_WAIT)))
    }

    fn publish(&mut self, now: Nanos) {
        self.published_at = now;
        let counters = self.side.desk.counters();
        let trading = &self.shared.metrics.trading;
        trading.orders_approved.set(counters.orders_sent + counters.replaces_sent);
        trading.cancels_requested.set(counters.cancels_sent);
        trading.queries_sent.set(counters.queries_sent);
        trading.fills.set(counters.fills);
        trading.strategy_faults.set(counters.strategy_faults);
        trading.illegal_transitions.set(counters.illegal_transitions);
        trading.journal_refusals.set(counters.journal_failures);
        trading.kill_switch.set(i64::from(self.side.desk.kill().engaged));
        for (check, count) in (0_u8..).zip(counters.rejections) {
            if let Some(shown) = trading.risk_rejections(check) {
                shown.set(count);
            }
        }
        self.publish_limits(now);
    }

    /// How much of each limit is used, a few times a second.
    fn publish_limits(&mut self, now: Nanos) {
        if now.since(self.limits_shown_at) < LIMITS_INTERVAL {
            return;
        }
        self.limits_shown_at = now;
        let desk = &mut self.side.desk;
        let mut used = [0; Limit::ALL.len()];
        let mut note = |row: LimitUse| {
            if let Some(most) = used.get_mut(row.limit as usize) {
                *most = row.parts_per_million().max(*most);
            }
        };
        desk.engine_use(now).into_iter().for_each(&mut note);
        let ids: ArrayVec<StrategyId, MAX_STRATEGIES> =
            desk.strategies().map(|slot| slot.id).take(MAX_STRATEGIES).collect();
        for id in ids {
            desk.strategy_use(id, now).into_iter().for_each(&mut note);
        }
        for limit in Limit::ALL {
            let parts = used.get(limit as usize).copied().unwrap_or_default();
            self.shared.metrics.trading.limit_used_ppm(limit).set(parts);
        }
    }

    fn now(&mut self) -> Now {
        self.side.now()
    }
}

impl DeskSide {
    fn now(&mut self) -> Now {
        self.clock.now(self.offset_ns)
    }
}

impl GatewayEvents for DeskSide {
    #[inline]
    fn on_book(&mut self, now: Now, book: &BookTop, stamps: &Stamps) {
        self.tick_received = stamps.received;
        self.desk.probe_mut().begin(now, stamps);
        self.desk.on_book(now, book, &mut self.actions);
        self.desk.probe_mut().last = None;
        self.shared.metrics.trading.ticks.add(1);
        if let Some(shown) = self.displayed_at.get_mut(usize::from(book.instrument.0))
            // That there is no book any more is shown at once: no later change may come.
            && (now.mono.since(*shown) >= DISPLAY_INTERVAL || !book.is_sound())
        {
            *shown = now.mono;
            self.shared.books.leave(book);
        }
    }

    fn on_trade(&mut self, now: Now, trade: &Trade) {
        self.shared.metrics.trading.trades.add(1);
        self.desk.on_trade(now, trade, &mut self.actions);
    }

    fn on_report(&mut self, now: Now, report: &Report) {
        self.shared.metrics.trading.reports.add(1);
        if let Report::Execution(news) = report
            && let OrderReference::Ours(id) = news.order
            && let Some(sent_at) = self.sent.take(id)
        {
            self.shared.metrics.latency.order_ack.record(news.received_at.since(sent_at).0);
        }
        self.desk.handle_report(now, report, &mut self.actions);
    }

    fn on_session(&mut self, now: Now, change: SessionChange) {
        self.desk.on_session(now, change, &mut self.actions);
    }

    fn on_alert(&mut self, _now: Now, source: SlotPlan, alert: &Alert) {
        let venue = source.venue;
        if let AlertKind::ClockOffset { offset_ns, uncertainty_ns } = alert.kind {
            self.offset_ns = offset_ns;
            self.desk.on_clock_offset(venue, offset_ns, uncertainty_ns);
            let numbers = self.shared.metrics.trading.venue(venue);
            numbers.clock_offset_ns.set(offset_ns);
            numbers.clock_uncertainty_ns.set(i64::try_from(uncertainty_ns).unwrap_or(i64::MAX));
        }
    }

    #[inline]
    fn on_sent(&mut self, sent: Sent, handed: Option<Handed>) {
        if !sent.new_risk {
            return;
        }
        self.sent.note(sent.client_order_id, sent.sent_at);
        let latency = &self.shared.metrics.latency;
        if let Some(handed) = handed {
            // Orders that a tick caused leave within its turn; others have no tick to measure.
            if self.tick_received != Nanos::ZERO {
                latency.tick_to_order.record(sent.sent_at.since(self.tick_received).0);
            }
            if let Some(encoded) = handed.encoded {
                latency.stage(PathStage::Encode).record(encoded.since(handed.at).0);
                latency.stage(PathStage::Send).record(sent.sent_at.since(encoded).0);
            }
        }
    }

    #[inline]
    fn next_request(&mut self) -> Option<VenueRequest> {
        if self.actions.requests.is_empty() {
            return None;
        }
        let now = self.now();
        self.desk.next_request(now, &mut self.actions)
    }
}

impl SentOrders {
    const ROWS: usize = 1_024;

    fn new() -> Self {
        Self { rows: vec![(0, Nanos::ZERO); Self::ROWS].into() }
    }

    fn note(&mut self, id: ClientOrderId, at: Nanos) {
        if let Some(row) = self.rows.get_mut(id.get() as usize % Self::ROWS) {
            *row = (id.get(), at);
        }
    }

    /// When the order was written, once: later answers measure nothing.
    fn take(&mut self, id: ClientOrderId) -> Option<Nanos> {
        let row = self.rows.get_mut(id.get() as usize % Self::ROWS)?;
        let (found, at) = *row;
        (found == id.get()).then(|| {
            *row = (0, Nanos::ZERO);
            at
        })
    }
}

impl StageProbe {
    pub(crate) fn new(clock: Clock, metrics: Arc<EngineMetrics>) -> Self {
        Self { clock, metrics, last: None }
    }

    fn begin(&mut self, now: Now, stamps: &Stamps) {
        self.last = None;
        if let Some(stages) = stamps.sampled {
            let latency = &self.metrics.latency;
            latency.stage(PathStage::Receive).record(stages.opened.since(stamps.received).0);
            latency.stage(PathStage::Decode).record(stages.decoded.since(stages.opened).0);
            latency.stage(PathStage::Book).record(now.mono.since(stages.decoded).0);
            self.last = Some(now.mono);
        }
    }
}

impl Probe for StageProbe {
    #[inline]
    fn mark(&mut self, stage: Stage) {
        if let Some(before) = self.last {
            let now = self.clock.mono();
            let stage = match stage {
                Stage::Strategy => PathStage::Strategy,
                Stage::Risk => PathStage::Risk,
                Stage::Journal => PathStage::Journal,
            };
            self.metrics.latency.stage(stage).record(now.since(before).0);
            self.last = Some(now);
        }
    }
}

impl DisplayedBooks {
    pub(crate) fn new() -> Self {
        Self { slots: (0..InstrumentTable::CAPACITY).map(|_| Mutex::new(None)).collect() }
    }

    pub(crate) fn read(&self, instrument: InstrumentId) -> Option<BookTop> {
        let slot = self.slots.get(usize::from(instrument.0))?;
        *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn leave(&self, book: &BookTop) {
        if let Some(slot) = self.slots.get(usize::from(book.instrument.0))
            && let Ok(mut shown) = slot.try_lock()
        {
            *shown = Some(*book);
        }
    }
}

/// Whether orders that still wait for their socket must be taken back.
fn stops_orders(command: &DeskCommand) -> bool {
    matches!(
        command,
        DeskCommand::Kill { .. }
            | DeskCommand::Pause { .. }
            | DeskCommand::Stop { .. }
            | DeskCommand::PauseAll
            | DeskCommand::StopAll
    )
}

const COMMANDS_A_TURN: usize = 16;
const REQUESTS_A_TURN: usize = 1_024;
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// The desk's room for strategies, at the most.
const MAX_STRATEGIES: usize = 64;
const PUBLISH_INTERVAL: Nanos = Nanos::from_millis(250);
const LIMITS_INTERVAL: Nanos = Nanos::from_millis(250);
const DISPLAY_INTERVAL: Nanos = Nanos::from_millis(100);

#[cfg(test)]
mod tests;
