//! Random runs of a desk against a venue behind a bad network: requests and answers are dropped,
//! delayed, reordered; sessions and the process die; and what must never happen never does.
//!
//! `ENIGMA_SEED=n` runs one seed, `ENIGMA_SEEDS=n` that many.

use std::collections::{BTreeMap, BTreeSet};

use enigma_trading::command::{DeskCommand, ManualOrder};
use enigma_trading::desk::{Actions, Desk, DeskSettings};
use enigma_trading::journal::NoProbe;
use enigma_trading::orders::CloseReason;
use enigma_trading::record::Record;
use enigma_types::{
    BookTop, ClientOrderId, Level, Mode, Nanos, NotSentCause, Now, OrderType, Outcome, Price,
    Quantity, Query, QueryReport, RejectClass, Report, RequestKind, RiskLimits, SessionChange,
    SessionKind, SessionState, Side, StrategyKind, StrategyName, TimeInForce, UnixNanos,
    UnknownCause, VenueRequest,
};
use rust_decimal::Decimal;

use crate::bench::{ACCOUNT, BTC, MemoryJournal, START, TestDesk, VENUE, settings, spec, table};
use crate::faults::{Faults, Random};
use crate::toy_venue::{Told, ToyVenue};

/// How long a request may be on its way, and how long matching may take after that.
pub(crate) const WINDOW: u64 = 5 * SECOND;
const GRACE: u64 = 10 * SECOND;
pub(crate) const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;

/// A request on its way, and the session whose answer it would be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) request: VenueRequest,
    pub(crate) at: u64,
    asked_at: Nanos,
    generation: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Parcel {
    ToVenue(Sent),
    Match(Sent),
    /// By the order session of this generation, in answer to a request.
    Response {
        generation: u32,
        reports: Vec<Report>,
        request: VenueRequest,
    },
    Stream {
        generation: u32,
        report: Report,
    },
    Reconnect(SessionKind),
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) random: Random,
    pub(crate) faults: Faults,
    pub(crate) venue: ToyVenue,
    pub(crate) desk: TestDesk,
    pub(crate) log: MemoryJournal,
    pub(crate) actions: Actions,
    /// Nanoseconds since the world began; the desk's clock is this plus its process's origin.
    pub(crate) time: u64,
    pub(crate) origin: u64,
    pub(crate) run: u32,
    pub(crate) parcels: BTreeMap<(u64, u64), Parcel>,
    pub(crate) posted: u64,
    pub(crate) last_stream: u64,
    /// What the venue pushes while no stream is up is lost.
    pub(crate) stream_up: bool,
    pub(crate) order_generation: u32,
    pub(crate) stream_generation: u32,
    /// Handed to the order session and not answered yet.
    pub(crate) in_flight: Vec<VenueRequest>,
    pub(crate) submitted: BTreeSet<ClientOrderId>,
    /// Rank and filled quantity of each order as last seen.
    pub(crate) seen: BTreeMap<ClientOrderId, (u8, Quantity)>,
    pub(crate) killed: bool,
    pub(crate) strategy: StrategyName,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The only way for a failed run to say how it can be seen again.
            let seed = self.seed;
            let mut told = std::io::stderr();
            let _ = std::io::Write::write_fmt(&mut told, format_args!("ENIGMA_SEED={seed}\n"));
        }
    }
}

fn desk_settings() -> DeskSettings {
    let limits = RiskLimits {
        max_position_notional: Decimal::new(6, 0),
        max_book_age_ms: 600_000,
        max_messages_per_second: 100,
        ..RiskLimits::default()
    };
    let query_timeout = Nanos::from_secs(4);
    DeskSettings { limits, query_timeout, closed_orders: 2_048, ..settings() }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let faults = Faults::draw(&mut random);
        let log = MemoryJournal::default();
        let desk = Desk::new(desk_settings(), table(), log.clone(), NoProbe).unwrap();
        let spec = spec("quoter-1", StrategyKind::Quoter);
        let strategy = spec.id;
        let mut world = Self {
            seed,
            random,
            faults,
            venue: ToyVenue::default(),
            desk,
            log,
            actions: Actions::new(),
            time: 0,
            origin: 5 * SECOND,
            run: 1,
            parcels: BTreeMap::new(),
            posted: 0,
            last_stream: 0,
            stream_up: false,
            order_generation: 0,
            stream_generation: 0,
            in_flight: Vec::new(),
            submitted: BTreeSet::new(),
            seen: BTreeMap::new(),
            killed: false,
            strategy,
        };
        world.take_over();
        let json = serde_json::to_string(&spec).unwrap().into();
        world.command(DeskCommand::Create { spec: Box::new(spec), json });
        world.command(DeskCommand::Start { strategy, mode: Mode::Simulated });
        world
    }

    fn now(&self) -> Now {
        let wall = UnixNanos(START * SECOND + self.time);
        Now { mono: Nanos(self.origin + self.time), wall, venue_offset_ns: 0 }
    }

    /// A process opens the journal and dials its sessions.
    fn take_over(&mut self) {
        self.desk.on_clock_offset(VENUE, 0, 1_000_000);
        let now = self.now();
        self.desk.open(now, self.run);
        self.session(SessionKind::Market, SessionState::Ready);
        self.show_book();
        for kind in [SessionKind::Order, SessionKind::Account] {
            let at = self.time + self.random.below(2_000) * MILLI;
            self.post(at, Parcel::Reconnect(kind));
        }
    }

    pub(crate) fn crash(&mut self) {
        let before = self.desk.digest();
        let mut desk = Desk::new(desk_settings(), table(), self.log.clone(), NoProbe).unwrap();
        for (at, bytes) in &self.log.0.borrow().records {
            desk.replay(*at, &Record::decode(bytes).unwrap()).unwrap();
        }
        assert_eq!(desk.digest(), before, "I21: a replay gives the same state");
        self.desk = desk;
        self.actions.clear();
        self.in_flight.clear();
        self.order_generation += 1;
        self.stream_generation += 1;
        self.stream_up = false;
        self.run += 1;
        self.origin = self.random.below(1_000) * SECOND;
        self.time += self.random.below(3_000) * MILLI + SECOND;
        self.parcels.retain(|_, parcel| !matches!(parcel, Parcel::Reconnect(_)));
        self.take_over();
    }

    fn session(&mut self, kind: SessionKind, state: SessionState) {
        let now = self.now();
        let change = SessionChange { venue: VENUE, account: ACCOUNT, kind, state, at: now.mono };
        self.desk.on_session(now, change, &mut self.actions);
        self.after_event();
    }

    pub(crate) fn disconnect(&mut self, kind: SessionKind) {
        match kind {
            SessionKind::Order => self.order_generation += 1,
            SessionKind::Account | SessionKind::Market => {
                self.stream_generation += 1;
                self.stream_up = false;
            }
        }
        self.parcels
            .retain(|_, parcel| !matches!(parcel, Parcel::Reconnect(waiting) if *waiting == kind));
        if kind == SessionKind::Order {
            for request in core::mem::take(&mut self.in_flight) {
                self.give_back(&request, Outcome::Unknown(kind_of(&request), lost()));
            }
        }
        self.session(kind, SessionState::Down);
        let at = self.time + self.random.below(5_000) * MILLI;
        self.post(at, Parcel::Reconnect(kind));
    }

    /// The session itself reports on a request that will get no answer.
    fn give_back(&mut self, request: &VenueRequest, outcome: Outcome) {
        let report = match request {
            VenueRequest::Query(query) => {
                let asked_at = self.now().mono;
                Report::Query(QueryReport { query: *query, asked_at, complete: false })
            }
            VenueRequest::Submit(_) | VenueRequest::Cancel(_) | VenueRequest::Replace(_) => {
                self.venue.said(id_of(request), outcome)
            }
        };
        self.deliver(report);
    }

    fn deliver(&mut self, mut report: Report) {
        let now = self.now();
        if let Report::Execution(execution) = &mut report {
            execution.received_at = now.mono;
        }
        self.desk.handle_report(now, &report, &mut self.actions);
        self.after_event();
    }

    fn post(&mut self, at: u64, parcel: Parcel) {
        self.posted += 1;
        self.parcels.insert((at, self.posted), parcel);
    }

    fn latency(&mut self) -> u64 {
        if self.random.in_thousand(self.faults.slow) {
            self.random.below(8_000) * MILLI
        } else {
            self.random.below(50) * MILLI
        }
    }

    /// Hands over what the desk wants sent, unless the process dies in the middle of it.
    fn after_event(&mut self) {
        while !self.actions.requests.is_empty() {
            let requests = core::mem::take(&mut self.actions.requests);
            for request in &requests {
                if self.random.in_thousand(self.faults.crash_while_sending) {
                    self.crash();
                    return;
                }
                self.hand_over(request);
            }
        }
        self.check();
    }

    fn hand_over(&mut self, request: &VenueRequest) {
        match request {
            VenueRequest::Submit(order) => {
                assert!(!self.killed, "I17: an order leaves after the kill");
                assert!(self.submitted.insert(order.client_order_id), "I1: sent twice");
            }
            VenueRequest::Replace(_) => assert!(!self.killed, "I17: a replace after the kill"),
            VenueRequest::Cancel(_) | VenueRequest::Query(_) => {}
        }
        if self.random.in_thousand(self.faults.not_sent) {
            let outcome = Outcome::NotSent(kind_of(request), NotSentCause::Full);
            let report = match request {
                VenueRequest::Query(query) => {
                    let asked_at = self.now().mono;
                    Report::Query(QueryReport { query: *query, asked_at, complete: false })
                }
                VenueRequest::Submit(_) | VenueRequest::Cancel(_) | VenueRequest::Replace(_) => {
                    self.venue.said(id_of(request), outcome)
                }
            };
            let (generation, request) = (self.order_generation, *request);
            let reports = vec![report];
            self.post(self.time, Parcel::Response { generation, reports, request });
            return;
        }
        self.in_flight.push(*request);
        if !self.random.in_thousand(self.faults.drop_request) {
            let sent = Sent {
                request: *request,
                at: self.time,
                asked_at: self.now().mono,
                generation: self.order_generation,
            };
            let at = self.time + self.latency();
            self.post(at, Parcel::ToVenue(sent));
        }
    }

    fn arrive(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToVenue(sent) => self.reach(sent),
            Parcel::Match(sent) => self.enter_matching(sent),
            Parcel::Response { generation, reports, request } => {
                for report in reports {
                    if generation == self.order_generation {
                        self.deliver(report);
                    }
                }
                if generation == self.order_generation {
                    self.in_flight.retain(|waiting| *waiting != request);
                }
            }
            Parcel::Stream { generation, report } => {
                if generation == self.stream_generation {
                    self.deliver(report);
                }
            }
            Parcel::Reconnect(kind) => {
                self.stream_up |= kind == SessionKind::Account;
                self.session(kind, SessionState::Ready);
            }
        }
    }

    /// A request reaches the venue: in its window it goes on to matching, now or a little later.
    fn reach(&mut self, sent: Sent) {
        self.venue.tick(self.now().wall);
        let request = &sent.request;
        if let VenueRequest::Query(query) = request {
            let reports = self.venue.answer(query, sent.asked_at);
            self.respond(&sent, reports);
        } else if self.time > sent.at + WINDOW {
            let class = RejectClass::ClockSkew;
            let told = self.venue.refuse(id_of(request), kind_of(request), class);
            self.tell(&sent, told);
        } else if self.random.in_thousand(self.faults.slow) {
            let at = self.time + self.random.below(GRACE);
            self.post(at, Parcel::Match(sent));
        } else {
            self.enter_matching(sent);
        }
    }

    fn enter_matching(&mut self, sent: Sent) {
        self.venue.tick(self.now().wall);
        let request = &sent.request;
        let told = if self.random.in_thousand(self.faults.refuse) {
            let class = RejectClass::InsufficientMargin;
            self.venue.refuse(id_of(request), kind_of(request), class)
        } else {
            match request {
                VenueRequest::Submit(order) => {
                    let available = self.random.below(2 * order.quantity.0 as u64) as i64;
                    self.venue.submit(order, available)
                }
                VenueRequest::Cancel(cancel) => self.venue.cancel(cancel.client_order_id),
                VenueRequest::Replace(replace) => self.venue.replace(replace),
                VenueRequest::Query(_) => Told::default(),
            }
        };
        self.tell(&sent, told);
        self.check();
    }

    fn tell(&mut self, sent: &Sent, told: Told) {
        self.stream(told.stream);
        let reports = if self.random.in_thousand(self.faults.unsure_answer) {
            let outcome = Outcome::Unknown(kind_of(&sent.request), UnknownCause::VenueUnsure);
            vec![self.venue.said(id_of(&sent.request), outcome)]
        } else {
            told.response
        };
        self.respond(sent, reports);
    }

    /// An answer goes to the session that asked, or nowhere.
    fn respond(&mut self, sent: &Sent, reports: Vec<Report>) {
        if self.random.in_thousand(self.faults.drop_answer) {
            return;
        }
        let (generation, request) = (sent.generation, sent.request);
        let at = self.time + self.latency();
        self.post(at, Parcel::Response { generation, reports, request });
    }

    /// The stream keeps its order, but may lose a message or repeat one.
    fn stream(&mut self, reports: Vec<Report>) {
        if !self.stream_up {
            return;
        }
        for report in reports {
            let times = match () {
                () if self.random.in_thousand(self.faults.drop_stream) => 0,
                () if self.random.in_thousand(self.faults.twice_stream) => 2,
                () => 1,
            };
            for _ in 0..times {
                self.last_stream = self.last_stream.max(self.time + self.latency());
                let (generation, at) = (self.stream_generation, self.last_stream);
                self.post(at, Parcel::Stream { generation, report });
            }
        }
    }

    pub(crate) fn pass(&mut self, duration: u64) {
        let end = self.time + duration;
        loop {
            let parcel = self.parcels.first_key_value().map(|((at, _), _)| *at);
            let due = self.desk.next_deadline().map(|due| due.0.saturating_sub(self.origin));
            let next = parcel.into_iter().chain(due).min().map(|next| next.max(self.time));
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.time = next;
            if due.is_some_and(|due| due <= next) {
                let now = self.now();
                self.desk.handle_timer(now, &mut self.actions);
                self.after_event();
            } else if let Some((_, parcel)) = self.parcels.pop_first() {
                self.arrive(parcel);
            }
        }
        self.time = self.time.max(end);
    }

    fn show_book(&mut self) {
        let mut level = |price| {
            let quantity = Quantity(1 + self.random.below(2_000) as i64);
            [Level { price: Price(price), quantity }]
        };
        let (bids, asks) = (level(999), level(1_001));
        let mut book = BookTop::empty(BTC);
        book.received_at = self.now().mono;
        book.set_bids(bids);
        book.set_asks(asks);
        let now = self.now();
        self.desk.on_book(now, &book, &mut self.actions);
        self.after_event();
    }

    pub(crate) fn command(&mut self, command: DeskCommand) {
        let now = self.now();
        // A refusal is as good an outcome here as any.
        let _ = self.desk.handle_command(now, command, &mut self.actions);
        self.after_event();
    }

    fn some_order(&mut self) -> Option<ClientOrderId> {
        let ids: Vec<_> = self.desk.orders().iter().map(|order| order.client_order_id).collect();
        let count = ids.len() as u64;
        (count > 0).then(|| ids[self.random.below(count) as usize])
    }

    fn place(&mut self) {
        let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let immediate = self.random.below(3) == 0;
        let offset = self.random.below(5) as i64;
        let price = match (side, immediate) {
            (Side::Buy, false) => 999 - offset,
            (Side::Buy, true) => 1_001,
            (Side::Sell, false) => 1_001 + offset,
            (Side::Sell, true) => 999,
        };
        let quantity = Quantity(1 + self.random.below(20) as i64);
        self.command(DeskCommand::Place(ManualOrder {
            account: ACCOUNT,
            instrument: BTC,
            side,
            order_type: OrderType::Limit,
            time_in_force: if immediate { TimeInForce::Ioc } else { TimeInForce::Gtc },
            price: Price(price),
            quantity,
            reduce_only: false,
        }));
    }

    fn fill_some(&mut self) {
        let live: Vec<_> = self.venue.live().map(|order| order.terms.client_order_id).collect();
        if live.is_empty() {
            return;
        }
        let id = live[self.random.below(live.len() as u64) as usize];
        let quantity = 1 + self.random.below(12) as i64;
        self.venue.tick(self.now().wall);
        let reports = self.venue.fill(id, quantity);
        self.stream(reports);
        self.check();
    }

    fn act(&mut self) {
        let strategy = self.strategy;
        match self.random.below(1_000) {
            0..260 => self.fill_some(),
            260..500 => self.show_book(),
            500..700 => self.place(),
            700..780 => {
                if let Some(client_order_id) = self.some_order() {
                    self.command(DeskCommand::Cancel { client_order_id });
                }
            }
            780..880 => {
                if let Some(client_order_id) = self.some_order() {
                    let price = Price(990 + self.random.below(20) as i64);
                    let quantity = Quantity(1 + self.random.below(30) as i64);
                    self.command(DeskCommand::Replace { client_order_id, price, quantity });
                }
            }
            880..890 => self.disconnect(SessionKind::Order),
            890..900 => self.disconnect(SessionKind::Account),
            900..905 => self.crash(),
            905..910 => {
                self.killed = true;
                self.command(DeskCommand::Kill { reason: "simulated".into() });
            }
            910..950 => {
                self.killed = false;
                self.command(DeskCommand::Rearm);
            }
            950..955 => self.command(DeskCommand::Pause { strategy }),
            955..960 => self.command(DeskCommand::Stop { strategy }),
            960..980 => self.command(DeskCommand::Resume { strategy }),
            980..995 => self.command(DeskCommand::Start { strategy, mode: Mode::Simulated }),
            _ => self.command(DeskCommand::Reconcile),
        }
        let duration = match self.random.below(20) {
            0 => self.random.below(10 * SECOND),
            1..5 => self.random.below(2 * SECOND),
            _ => self.random.below(200 * MILLI),
        };
        self.pass(duration);
    }
}

fn kind_of(request: &VenueRequest) -> RequestKind {
    match request {
        VenueRequest::Submit(_) | VenueRequest::Query(_) => RequestKind::Submit,
        VenueRequest::Cancel(_) => RequestKind::Cancel,
        VenueRequest::Replace(_) => RequestKind::Replace,
    }
}

fn id_of(request: &VenueRequest) -> ClientOrderId {
    match request {
        VenueRequest::Submit(request) => request.client_order_id,
        VenueRequest::Cancel(request) => request.client_order_id,
        VenueRequest::Replace(request) => request.client_order_id,
        VenueRequest::Query(Query::Order { client_order_id, .. }) => *client_order_id,
        VenueRequest::Query(_) => ClientOrderId::new(1).unwrap(),
    }
}

const fn lost() -> UnknownCause {
    UnknownCause::Disconnected
}

#[expect(clippy::disallowed_methods, reason = "the seed of a run comes from who runs it")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_order_is_lost_doubled_or_forgotten_behind_a_bad_network() {
    let seeds = match number("ENIGMA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ENIGMA_SEEDS").unwrap_or(2_000),
    };
    let mut closed = [0; CloseReason::ALL.len()];
    let (mut unknown, mut sent, mut fills, mut runs) = (0, 0, 0, 0);
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..200 {
            world.act();
        }
        world.settle();
        let counters = world.desk.counters();
        for (sum, count) in closed.iter_mut().zip(counters.orders_closed) {
            *sum += count;
        }
        unknown += counters.orders_unknown_total;
        sent += counters.orders_sent;
        fills += counters.fills;
        runs += u64::from(world.run);
    }
    // A simulation in which nothing happens proves nothing.
    assert!(sent > 0 && fills > 0 && unknown > 0 && runs > 0, "{sent} {fills} {unknown} {runs}");
    let said = CloseReason::ALL.iter().map(|reason| reason.name()).zip(closed);
    let said: Vec<String> = said.map(|(name, count)| format!("{name} {count}")).collect();
    let mut told = std::io::stdout();
    let _ = std::io::Write::write_fmt(
        &mut told,
        format_args!(
            "{sent} orders, {fills} fills, {unknown} times Unknown, {runs} processes; {}\n",
            said.join(", ")
        ),
    );
}
