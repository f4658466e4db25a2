//! The projector and the desk fold the same records to the same orders and positions.

use enigma_trading::command::{DeskCommand, ManualOrder};
use enigma_trading::desk::{Actions, Desk, DeskSettings};
use enigma_trading::journal::{Journal, JournalFull, NoProbe};
use enigma_trading::orders::Lifecycle;
use enigma_types::{
    BookTop, Level, NotSentCause, Query, RiskLimits, Sequence, StrategyName, VenueRequest,
};

use super::*;

/// A journal that is kept in memory, record by record.
#[derive(Clone, Debug, Default)]
struct Pages(Vec<(Now, Vec<u8>)>);

impl Journal for Pages {
    fn append(&mut self, now: Now, record: &Record<'_>) -> Result<(), JournalFull> {
        let mut page = vec![0; Record::MAX_BYTES];
        let length = record.encode(&mut page).map_err(|_| JournalFull)?;
        page.truncate(length);
        self.0.push((now, page));
        Ok(())
    }

    fn accepts_orders(&self) -> bool {
        true
    }
}

type TestDesk = Desk<Pages, NoProbe>;

/// A desk in front of a venue that answers anything at all, in any order, or not.
struct Chaos {
    random: u64,
    desk: TestDesk,
    instruments: Arc<InstrumentTable>,
    mono: u64,
    /// Requests of the desk that may still be answered.
    asked: Vec<VenueRequest>,
    known: Vec<OrderRequest>,
    trade: u64,
    run: u32,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut instruments = InstrumentTable::default();
        for symbol in ["BTCUSDT", "ETHUSDT"] {
            instruments.add(instrument(symbol)).unwrap();
        }
        let instruments = Arc::new(instruments);
        let desk = new_desk(&instruments);
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let (asked, known) = (Vec::new(), Vec::new());
        let mut chaos =
            Self { random, desk, instruments, mono: 1 << 40, asked, known, trade: 0, run: 1 };
        let now = chaos.now();
        chaos.desk.open(now, 1);
        chaos
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % bound
    }

    fn now(&self) -> Now {
        let wall = UnixNanos(1_790_000_000_000_000_000 + self.mono);
        Now { mono: Nanos(self.mono), wall, venue_offset_ns: 0 }
    }

    fn with_desk(&mut self, act: impl FnOnce(&mut TestDesk, Now, &mut Actions)) {
        let mut actions = Actions::new();
        let now = self.now();
        act(&mut self.desk, now, &mut actions);
        for request in actions.requests {
            if let VenueRequest::Submit(order) = request {
                self.known.push(order);
            }
            self.asked.push(request);
        }
        let surplus = self.asked.len().saturating_sub(200);
        self.asked.drain(..surplus);
    }

    fn command(&mut self, command: DeskCommand) {
        self.with_desk(|desk, now, actions| {
            // A refusal is as good as a receipt here: it writes nothing.
            let _ = desk.handle_command(now, command, actions);
        });
    }

    fn step(&mut self) {
        let patience = [1_000_000, 30_000_000, 400_000_000, 9_000_000_000];
        self.mono += patience[self.below(100).saturating_sub(96) as usize];
        match self.below(40) {
            0..=7 => self.book(),
            8..=11 => self.place(),
            12 => self.cancel_or_replace(),
            13 => self.strategy(),
            14 if self.below(6) == 0 => self.kill_or_rearm(),
            15 => self.session(),
            16 if self.below(8) == 0 => self.restart(),
            17 => self.command(DeskCommand::Reconcile),
            18..=20 => self.with_desk(|desk, now, actions| desk.handle_timer(now, actions)),
            21..=25 => self.any_report(),
            _ => self.answer(),
        }
    }

    fn book(&mut self) {
        let instrument = InstrumentId(self.below(2) as u16);
        let middle = 6_000_000 + self.below(40) as i64 * 10;
        let now = self.now();
        let mut book = BookTop::empty(instrument);
        book.sequence = Sequence(self.mono);
        book.venue_time = now.wall;
        book.received_at = now.mono;
        book.set_bids([Level { price: Price(middle - 10), quantity: Quantity(5_000) }]);
        book.set_asks([Level { price: Price(middle + 10), quantity: Quantity(7_000) }]);
        self.with_desk(|desk, now, actions| desk.on_book(now, &book, actions));
    }

    fn place(&mut self) {
        let order = ManualOrder {
            account: ACCOUNT,
            instrument: InstrumentId(self.below(2) as u16),
            side: if self.below(2) == 0 { Side::Buy } else { Side::Sell },
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            price: Price(6_000_000 + self.below(100) as i64 * 10),
            quantity: Quantity(5 + self.below(20) as i64),
            reduce_only: false,
        };
        self.command(DeskCommand::Place(order));
    }

    fn any_known(&mut self) -> OrderRequest {
        let count = self.known.len() as u64;
        if count == 0 || self.below(30) == 0 {
            // Ours by its prefix, and in no record.
            let Record::Submit { order, .. } = order(77 + self.below(5), Side::Buy, 10) else {
                panic!("a submit")
            };
            return order;
        }
        // The newest are the likeliest to be open.
        let reach = if self.below(4) == 0 { count } else { count.min(12) };
        let place = count - 1 - self.below(reach);
        self.known[place as usize]
    }

    fn cancel_or_replace(&mut self) {
        let client_order_id = self.any_known().client_order_id;
        let command = if self.below(2) == 0 {
            DeskCommand::Cancel { client_order_id }
        } else {
            let price = Price(6_000_000 + self.below(100) as i64 * 10);
            let quantity = Quantity(5 + self.below(30) as i64);
            DeskCommand::Replace { client_order_id, price, quantity }
        };
        self.command(command);
    }

    fn strategy(&mut self) {
        let spec: StrategySpec = serde_json::from_str(SPEC).unwrap();
        let strategy: StrategyName = spec.id;
        let command = match self.below(8) {
            0..=2 => DeskCommand::Create { spec: Box::new(spec), json: SPEC.into() },
            3 | 4 => DeskCommand::Start { strategy, mode: Mode::Simulated },
            5 => DeskCommand::Resume { strategy },
            6 => DeskCommand::Stop { strategy },
            _ => DeskCommand::Delete { strategy },
        };
        self.command(command);
    }

    fn kill_or_rearm(&mut self) {
        let command = if self.desk.kill().engaged {
            DeskCommand::Rearm
        } else {
            DeskCommand::Kill { reason: "chaos".into() }
        };
        self.command(command);
    }

    fn session(&mut self) {
        let state = if self.below(8) == 0 { SessionState::Down } else { SessionState::Ready };
        let kind = SessionKind::ALL[self.below(3) as usize];
        let at = self.now().mono;
        let venue = VenueId::BinanceUsdm;
        let change = SessionChange { venue, account: ACCOUNT, kind, state, at };
        self.with_desk(|desk, now, actions| {
            desk.on_clock_offset(venue, 0, 0);
            desk.on_session(now, change, actions);
        });
    }

    /// The process dies and another one reads its journal.
    fn restart(&mut self) {
        let pages = std::mem::take(self.desk.journal_mut());
        let mut desk = new_desk(&self.instruments);
        for (at, page) in &pages.0 {
            desk.replay(*at, &Record::decode(page).unwrap()).unwrap();
        }
        *desk.journal_mut() = pages;
        self.run += 1;
        self.mono += 1 << 30;
        desk.open(self.now(), self.run);
        self.desk = desk;
        self.asked.clear();
    }

    /// A report about the order of a request; whose it is said to be is another matter.
    fn execution(
        &mut self,
        about: &OrderRequest,
        order: OrderReference,
        venue: u64,
        outcome: Outcome,
    ) {
        let now = self.now();
        let report = ExecutionReport {
            account: ACCOUNT,
            instrument: about.instrument,
            order,
            venue_order_id: VenueOrderId(venue),
            outcome,
            venue_time: UnixNanos(now.wall.0 - self.below(3_000_000_000)),
            received_at: now.mono,
        };
        self.report(Report::Execution(report));
    }

    fn report(&mut self, report: Report) {
        self.with_desk(|desk, now, actions| desk.handle_report(now, &report, actions));
    }

    fn venue_id(&mut self, order: &OrderRequest) -> u64 {
        match self.below(10) {
            0..=1 => 0,
            // The second half of a replace.
            2 => order.client_order_id.get() + (1 << 48),
            _ => order.client_order_id.get(),
        }
    }

    fn any_report(&mut self) {
        let order = self.any_known();
        let (ours, venue) = (OrderReference::Ours(order.client_order_id), self.venue_id(&order));
        match self.below(12) {
            0..=2 => {
                let fill = self.any_fill(&order);
                self.execution(&order, ours, venue, fill);
            }
            3..=5 => self.fill_by_venue_id(),
            6 => {
                let fill = self.any_fill(&order);
                let name = OrderReference::External("somebody".parse().unwrap());
                self.execution(&order, name, 5, fill);
            }
            7..=10 => {
                let working = self.any_working(&order, ReportSource::Stream);
                self.execution(&order, ours, venue, working);
            }
            _ => self.any_position(None),
        }
    }

    /// As the answer to a query of fills tells it.
    fn fill_by_venue_id(&mut self) {
        let order = self.any_known();
        let fill = self.any_fill(&order);
        let nameless = OrderReference::External(Default::default());
        self.execution(&order, nameless, order.client_order_id.get(), fill);
    }

    fn any_fill(&mut self, order: &OrderRequest) -> Outcome {
        // Often one that was told before.
        self.trade += u64::from(self.below(4) > 0);
        let trade = self.trade + 1 - self.below(2).min(self.trade);
        fill(trade * 10, order.side, 1 + self.below(6) as i64)
    }

    fn any_working(&mut self, order: &OrderRequest, source: ReportSource) -> Outcome {
        let statuses = [
            WorkingStatus::Open,
            WorkingStatus::Open,
            WorkingStatus::Open,
            WorkingStatus::Filled,
            WorkingStatus::Canceled,
            WorkingStatus::Expired,
            WorkingStatus::Rejected,
            WorkingStatus::Unrecognised,
        ];
        let status = statuses[self.below(8) as usize];
        let working = WorkingOrder {
            status,
            side: order.side,
            price: Price(6_000_000 + self.below(100) as i64 * 10),
            quantity: Quantity(5 + self.below(20) as i64),
            filled: Quantity(self.below(6) as i64),
            time_in_force: TimeInForce::Gtc,
            reduce_only: false,
        };
        Outcome::Working(working, source)
    }

    fn any_position(&mut self, asked_at: Option<Nanos>) {
        let told = PositionReport {
            account: ACCOUNT,
            instrument: InstrumentId(self.below(2) as u16),
            quantity: SignedQuantity(self.below(20) as i64 - 10),
            entry_price: None,
            venue_time: self.now().wall,
            asked_at,
        };
        self.report(Report::Position(told));
    }

    fn answer(&mut self) {
        if self.asked.is_empty() {
            return;
        }
        let place = self.below(self.asked.len() as u64) as usize;
        let (id, kind) = match self.asked.swap_remove(place) {
            VenueRequest::Submit(request) => (request.client_order_id, RequestKind::Submit),
            VenueRequest::Cancel(request) => (request.client_order_id, RequestKind::Cancel),
            VenueRequest::Replace(request) => (request.client_order_id, RequestKind::Replace),
            VenueRequest::Query(query) => return self.answer_query(query),
        };
        let order = self.known.iter().find(|order| order.client_order_id == id).copied();
        // Of an adopted order there was no submit.
        let Some(order) = order else { return };
        let classes = [RejectClass::DuplicateId, RejectClass::NoSuchOrder, RejectClass::Filter];
        let class = classes[self.below(3) as usize];
        let outcome = match self.below(12) {
            0 => Outcome::Acknowledged(kind),
            1 => Outcome::Rejected(kind, RejectReason::new(class, -1, b"no")),
            2 => Outcome::NotSent(kind, NotSentCause::SessionDown),
            3 => Outcome::Unknown(kind, UnknownCause::Timeout),
            _ => self.any_working(&order, ReportSource::Response(kind)),
        };
        let venue = self.venue_id(&order);
        self.execution(&order, OrderReference::Ours(id), venue, outcome);
    }

    fn answer_query(&mut self, query: Query) {
        let asked_at = self.now().mono;
        self.mono += 1_000_000;
        match query {
            Query::Order { client_order_id: id, .. } => {
                let order = self.known.iter().find(|order| order.client_order_id == id).copied();
                if let Some(order) = order {
                    let outcome = if self.below(2) == 0 {
                        Outcome::NotFound { asked_at }
                    } else {
                        self.any_working(&order, ReportSource::Query { asked_at })
                    };
                    self.execution(&order, OrderReference::Ours(id), id.get(), outcome);
                }
            }
            Query::Account { .. } => self.any_position(Some(asked_at)),
            Query::Fills { .. } => self.fill_by_venue_id(),
            Query::OpenOrders { .. } => {}
        }
        let complete = self.below(5) > 0;
        self.report(Report::Query(QueryReport { query, asked_at, complete }));
    }
}

#[test]
fn any_run_of_records_is_folded_as_the_desk_folds_it() {
    let mut records = 0;
    let (mut closed, mut resurrected) = (0, 0);
    for seed in 1..=120 {
        show_seed(seed);
        let mut chaos = Chaos::new(seed);
        let mut projector = Projector::new(&FoldSettings::from(&desk_settings()));
        let mut model = ReadModel::default();
        let mut folded = 0;
        for _ in 0..60 {
            for _ in 0..10 {
                chaos.step();
            }
            for (at, page) in &chaos.desk.journal_mut().0[folded..] {
                let record = Record::decode(page).unwrap();
                let entry = Entry { sequence: 0, wall: at.wall, mono: at.mono, record };
                projector.apply(&mut model, &entry);
            }
            folded = chaos.desk.journal_mut().0.len();
            compare(&chaos.desk, &projector, &model);
        }
        records += folded;
        closed += chaos.desk.orders().all_closed().count();
        resurrected += chaos.desk.counters().orders_resurrected;
    }
    // The run means something only if enough came about.
    assert!(records > 20_000 && closed > 300, "{records} records, {closed} closed orders");
    assert!(resurrected > 50, "{resurrected} orders were open after their end");
}

#[track_caller]
fn compare(desk: &TestDesk, projector: &Projector, model: &ReadModel) {
    let mut live = 0;
    for order in desk.orders().iter() {
        assert_eq!(projector.order(order.client_order_id), Some(order));
        let view = &model.orders[&order.client_order_id];
        assert_eq!(view.state, OrderState::from(order.status()));
        assert_eq!((view.filled, view.quantity), (order.filled, order.quantity));
        live += 1;
    }
    assert_eq!(projector.live.len(), live);
    for closed in desk.orders().all_closed() {
        let order = projector.order(closed.client_order_id).unwrap();
        assert_eq!(order.lifecycle, Lifecycle::Closed(closed.reason));
        assert_eq!((order.filled, order.strategy), (closed.filled, closed.strategy));
        assert_eq!(order.venue_order_id, closed.venue_order_id);
        assert!(!model.orders[&closed.client_order_id].state.is_live());
    }
    for instrument in [InstrumentId(0), InstrumentId(1)] {
        let held = desk.positions().account(ACCOUNT, instrument);
        assert_eq!(projector.positions.account(ACCOUNT, instrument), held);
        let held = held.cloned().unwrap_or_default();
        let view = model.positions.get(&(ACCOUNT, instrument)).cloned().unwrap_or_default();
        assert_eq!((view.quantity, view.fills), (held.quantity, held.fills));
        for strategy in (0..=8).map(StrategyId) {
            let held = desk.positions().strategy(strategy, instrument);
            assert_eq!(projector.positions.strategy(strategy, instrument), held);
        }
    }
    let shown: Vec<_> = model.strategies.values().map(|view| (view.id, view.state)).collect();
    let slots: Vec<_> = desk.strategies().map(|slot| (slot.id, slot.state)).collect();
    assert_eq!(shown, slots);
    for slot in desk.strategies() {
        assert_eq!(model.strategies[&slot.id].last_order, slot.last_order);
    }
    assert_eq!(model.kill.engaged, desk.kill().engaged);
    assert_eq!(&model.limits, desk.limits());
}

fn new_desk(instruments: &Arc<InstrumentTable>) -> TestDesk {
    Desk::new(desk_settings(), Arc::clone(instruments), Pages::default(), NoProbe).unwrap()
}

fn desk_settings() -> DeskSettings {
    let prefix = InstallationPrefix::from_number(5);
    let accounts = vec![(ACCOUNT, VenueId::BinanceUsdm)];
    let limits = RiskLimits { max_clock_skew_ms: 10_000, ..RiskLimits::default() };
    // Few trade ids, so that both sides have to forget some.
    DeskSettings {
        trades: 64,
        live_orders: 512,
        closed_orders: 2_048,
        ..DeskSettings::new(prefix, accounts, limits)
    }
}

fn instrument(symbol: &str) -> Instrument {
    Instrument {
        id: BTC,
        venue: VenueId::BinanceUsdm,
        symbol: symbol.parse().unwrap(),
        base: "BTC".parse().unwrap(),
        quote: "USDT".parse().unwrap(),
        settle: "USDT".parse().unwrap(),
        price_scale: Scale::new(2).unwrap(),
        quantity_scale: Scale::new(3).unwrap(),
        tick: Price(10),
        min_price: Price(10),
        max_price: Price(1 << 40),
        step: Quantity(1),
        min_quantity: Quantity(1),
        max_quantity: Quantity(1 << 30),
        min_notional: Amount::from_units(5),
        band_up_e8: None,
        band_down_e8: None,
        max_open_orders: None,
        trading: true,
    }
}

#[expect(clippy::print_stdout, reason = "a random test shows its seed when it fails")]
fn show_seed(seed: u64) {
    println!("seed {seed}");
}
