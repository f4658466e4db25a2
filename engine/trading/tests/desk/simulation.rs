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
    BookTop, ClientOrderId, Level, Mode, Nanos, Now, OrderType, Outcome, Price, Quantity, Report,
    RiskLimits, SessionChange, SessionKind, SessionState, Side, StrategyKind, StrategyName,
    TimeInForce, UnixNanos, VenueRequest,
};
use rust_decimal::Decimal;

use crate::bench::{ACCOUNT, BTC, MemoryJournal, START, TestDesk, VENUE, settings, spec, table};
use crate::faults::{Faults, Random};
use crate::network::{MILLI, Parcel, SECOND, kind_of, lost};
use crate::toy_venue::ToyVenue;

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
        max_messages_per_10_seconds: 1_000,
        max_messages_per_minute: 6_000,
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
        let kind = StrategyKind::ALL[(seed % StrategyKind::ALL.len() as u64) as usize];
        let spec = spec("strategy-1", kind);
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

    pub(crate) fn now(&self) -> Now {
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

    pub(crate) fn session(&mut self, kind: SessionKind, state: SessionState) {
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

    pub(crate) fn deliver(&mut self, mut report: Report) {
        let now = self.now();
        if let Report::Execution(execution) = &mut report {
            execution.received_at = now.mono;
        }
        self.desk.handle_report(now, &report, &mut self.actions);
        self.after_event();
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
