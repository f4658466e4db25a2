//! A desk on a bench: one account, two instruments, a journal in memory, a clock set by hand.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use arrayvec::ArrayString;
use enigma_trading::command::{DeskCommand, ManualOrder, Receipt, Refusal};
use enigma_trading::desk::{Actions, Desk, DeskSettings};
use enigma_trading::journal::{Journal, JournalFull, NoProbe};
use enigma_trading::orders::{Order, OrderStatus};
use enigma_trading::record::Record;
use enigma_types::{
    AccountId, Amount, Asset, BookTop, ClientOrderId, ExecutionReport, Fill, InstallationPrefix,
    Instrument, InstrumentId, InstrumentTable, Level, Liquidity, Mode, Nanos, Now, OrderReference,
    OrderType, Outcome, Parameters, PositionReport, Price, Quantity, Query, QueryReport,
    RejectClass, RejectReason, Report, ReportSource, RequestKind, RiskLimits, Scale, SessionChange,
    SessionKind, SessionState, Side, SignedQuantity, StrategyKind, StrategyLimits, StrategyName,
    StrategySpec, Symbol, TimeInForce, TradeId, UnixNanos, VenueId, VenueOrderId, VenueRequest,
    WorkingOrder, WorkingStatus,
};
use rust_decimal::Decimal;

pub(crate) const ACCOUNT: AccountId = AccountId(0);
pub(crate) const BTC: InstrumentId = InstrumentId(0);
pub(crate) const ETH: InstrumentId = InstrumentId(1);
pub(crate) const VENUE: VenueId = VenueId::BinanceUsdm;
/// 2026-11-24 00:00:00 UTC.
pub(crate) const START: u64 = 1_795_478_400;

pub(crate) type TestDesk = Desk<MemoryJournal, NoProbe>;

/// What was journalled, kept when the desk is gone.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) records: Vec<(Now, Vec<u8>)>,
    /// Appending fails.
    pub(crate) broken: bool,
    /// There is room for cancels and reports only.
    pub(crate) nearly_full: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryJournal(pub(crate) Rc<RefCell<Log>>);

impl Journal for MemoryJournal {
    fn append(&mut self, now: Now, record: &Record<'_>) -> Result<(), JournalFull> {
        let mut log = self.0.borrow_mut();
        if log.broken {
            return Err(JournalFull);
        }
        let mut buffer = [0; Record::MAX_BYTES];
        let length = record.encode(&mut buffer).unwrap();
        log.records.push((now, buffer[..length].to_vec()));
        Ok(())
    }

    fn accepts_orders(&self) -> bool {
        let log = self.0.borrow();
        !log.broken && !log.nearly_full
    }
}

#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) desk: TestDesk,
    pub(crate) log: MemoryJournal,
    pub(crate) now: Now,
    pub(crate) actions: Actions,
    pub(crate) run: u32,
}

pub(crate) fn instrument(symbol: &str) -> Instrument {
    let asset = |name: &str| Asset::from(name).unwrap();
    Instrument {
        id: InstrumentId(0),
        venue: VENUE,
        symbol: Symbol::from(symbol).unwrap(),
        base: asset("BASE"),
        quote: asset("USDT"),
        settle: asset("USDT"),
        price_scale: Scale::new(1).unwrap(),
        quantity_scale: Scale::new(3).unwrap(),
        tick: Price(1),
        min_price: Price(1),
        max_price: Price(1_000_000),
        step: Quantity(1),
        min_quantity: Quantity(1),
        max_quantity: Quantity(1_000_000),
        min_notional: Amount::ZERO,
        band_up_e8: None,
        band_down_e8: None,
        max_open_orders: None,
        trading: true,
    }
}

pub(crate) fn table() -> Arc<InstrumentTable> {
    let mut table = InstrumentTable::default();
    table.add(instrument("BTCUSDT")).unwrap();
    table.add(instrument("ETHUSDT")).unwrap();
    Arc::new(table)
}

pub(crate) fn prefix() -> InstallationPrefix {
    InstallationPrefix::from_number(0xfeed)
}

pub(crate) fn settings() -> DeskSettings {
    let limits = RiskLimits {
        max_book_age_ms: 60_000,
        max_messages_per_second: 100,
        max_messages_per_10_seconds: 1_000,
        max_messages_per_minute: 6_000,
        ..RiskLimits::default()
    };
    let accounts = vec![(ACCOUNT, VENUE)];
    DeskSettings {
        max_strategies: 4,
        live_orders: 64,
        closed_orders: 256,
        trades: 1_024,
        ..DeskSettings::new(prefix(), accounts, limits)
    }
}

/// A desk into which the journal was replayed, not yet opened.
pub(crate) fn replayed(log: &MemoryJournal, settings: DeskSettings) -> TestDesk {
    let mut desk = Desk::new(settings, table(), MemoryJournal::default(), NoProbe).unwrap();
    for (at, bytes) in &log.0.borrow().records {
        desk.replay(*at, &Record::decode(bytes).unwrap()).unwrap();
    }
    desk
}

impl Bench {
    /// Opened for the first time; no session is up.
    pub(crate) fn cold() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: DeskSettings) -> Self {
        let log = MemoryJournal::default();
        let mut desk = Desk::new(settings, table(), log.clone(), NoProbe).unwrap();
        let mono = Nanos::from_secs(1_000);
        let now = Now { mono, wall: UnixNanos::from_millis(START * 1_000), venue_offset_ns: 0 };
        desk.on_clock_offset(VENUE, 0, 1_000_000);
        desk.open(now, 1);
        Self { desk, log, now, actions: Actions::new(), run: 1 }
    }

    /// Sessions are up, the venue holds nothing, books are sound.
    pub(crate) fn ready() -> Self {
        let mut bench = Self::cold();
        bench.connect();
        bench.answer_all();
        bench.book(BTC, 999, 1_001);
        bench.book(ETH, 999, 1_001);
        assert!(bench.desk.is_reconciled(ACCOUNT));
        bench
    }

    pub(crate) fn connect(&mut self) {
        for kind in SessionKind::ALL {
            self.session(kind, SessionState::Ready);
        }
    }

    pub(crate) fn session(&mut self, kind: SessionKind, state: SessionState) {
        let at = self.now.mono;
        let change = SessionChange { venue: VENUE, account: ACCOUNT, kind, state, at };
        self.desk.on_session(self.now, change, &mut self.actions);
    }

    pub(crate) fn pass_ms(&mut self, millis: u64) {
        self.now.mono = self.now.mono.plus(Nanos::from_millis(millis));
        self.now.wall = UnixNanos(self.now.wall.0 + millis * 1_000_000);
        if self.desk.next_deadline().is_some_and(|due| due <= self.now.mono) {
            self.desk.handle_timer(self.now, &mut self.actions);
        }
    }

    /// The process dies and another takes over. The clock's origin is another, too.
    pub(crate) fn restart(&mut self) {
        let mut desk = Desk::new(settings(), table(), self.log.clone(), NoProbe).unwrap();
        for (at, bytes) in &self.log.0.borrow().records {
            desk.replay(*at, &Record::decode(bytes).unwrap()).unwrap();
        }
        assert_eq!(desk.digest(), self.desk.digest(), "a replay gives the same state");
        self.actions.clear();
        self.run += 1;
        self.now.mono = Nanos::from_secs(u64::from(self.run));
        self.now.wall = UnixNanos(self.now.wall.0 + 1_000_000_000);
        desk.on_clock_offset(VENUE, 0, 1_000_000);
        desk.open(self.now, self.run);
        self.desk = desk;
    }

    pub(crate) fn book(&mut self, instrument: InstrumentId, bid: i64, ask: i64) {
        let level = |price| [Level { price: Price(price), quantity: Quantity(1_000) }];
        let mut book = BookTop::empty(instrument);
        book.received_at = self.now.mono;
        book.set_bids(level(bid));
        book.set_asks(level(ask));
        self.desk.on_book(self.now, &book, &mut self.actions);
    }

    pub(crate) fn command(&mut self, command: DeskCommand) -> Result<Receipt, Refusal> {
        self.desk.handle_command(self.now, command, &mut self.actions)
    }

    /// Everything handed over since the last call.
    pub(crate) fn taken(&mut self) -> Vec<VenueRequest> {
        self.actions.requests.drain(..).collect()
    }

    pub(crate) fn queries(&mut self) -> Vec<Query> {
        let taken = self.taken().into_iter();
        taken
            .filter_map(|request| match request {
                VenueRequest::Query(query) => Some(query),
                VenueRequest::Submit(_) | VenueRequest::Cancel(_) | VenueRequest::Replace(_) => {
                    None
                }
            })
            .collect()
    }

    pub(crate) fn cancels(&mut self) -> Vec<ClientOrderId> {
        let taken = self.taken().into_iter();
        taken
            .filter_map(|request| match request {
                VenueRequest::Cancel(request) => Some(request.client_order_id),
                VenueRequest::Submit(_) | VenueRequest::Query(_) | VenueRequest::Replace(_) => None,
            })
            .collect()
    }

    /// New risk among what was handed over.
    pub(crate) fn risky(&mut self) -> usize {
        let taken = self.taken();
        let risky = |request: &&VenueRequest| {
            matches!(request, VenueRequest::Submit(_) | VenueRequest::Replace(_))
        };
        taken.iter().filter(risky).count()
    }

    /// Answers every question with "nothing", until none is asked any more.
    pub(crate) fn answer_all(&mut self) {
        self.answer_with(|_| Vec::new());
    }

    /// Answers every question with the reports that `tell` gives for it.
    pub(crate) fn answer_with(&mut self, tell: impl Fn(&Query) -> Vec<Report>) {
        loop {
            let queries = self.queries();
            if queries.is_empty() {
                return;
            }
            for query in queries {
                let reports = tell(&query);
                self.now.mono.0 += 1;
                for report in reports {
                    self.report(report);
                }
                self.close_query(query, true);
            }
        }
    }

    pub(crate) fn close_query(&mut self, query: Query, complete: bool) {
        let asked_at = self.now.mono;
        self.report(Report::Query(QueryReport { query, asked_at, complete }));
    }

    pub(crate) fn report(&mut self, report: Report) {
        self.desk.handle_report(self.now, &report, &mut self.actions);
    }

    pub(crate) fn tell(&mut self, id: ClientOrderId, outcome: Outcome) {
        let report = self.said(OrderReference::Ours(id), outcome);
        self.report(report);
    }

    pub(crate) fn said(&self, order: OrderReference, outcome: Outcome) -> Report {
        let number = match order {
            OrderReference::Ours(id) => venue_id(id).0,
            OrderReference::External(_) => 77,
        };
        Report::Execution(ExecutionReport {
            account: ACCOUNT,
            instrument: BTC,
            order,
            venue_order_id: VenueOrderId(number),
            outcome,
            venue_time: self.now.wall,
            received_at: self.now.mono,
        })
    }

    /// The whole order is filled at its own price.
    pub(crate) fn tell_fill_at(
        &mut self,
        id: ClientOrderId,
        trade: u64,
        price: i64,
        quantity: i64,
    ) {
        let side = self.order(id).map_or(Side::Buy, |order| order.side);
        if let Outcome::Fill(told) = fill(trade, side, quantity) {
            self.tell(id, Outcome::Fill(Fill { price: Price(price), ..told }));
        }
    }

    pub(crate) fn tell_open(&mut self, id: ClientOrderId) {
        let outcome = self.working(id, WorkingStatus::Open, 0, ReportSource::Stream);
        self.tell(id, outcome);
    }

    /// A statement of the order with its own terms.
    pub(crate) fn working(
        &self,
        id: ClientOrderId,
        status: WorkingStatus,
        filled: i64,
        source: ReportSource,
    ) -> Outcome {
        let order = self.order(id);
        let order = order.map(|order| (order.side, order.price, order.quantity));
        let (side, price, quantity) = order.unwrap_or((Side::Buy, Price(999), Quantity(10)));
        let filled = Quantity(filled);
        let time_in_force = TimeInForce::Gtc;
        let working = WorkingOrder {
            status,
            side,
            price,
            quantity,
            filled,
            time_in_force,
            reduce_only: false,
        };
        Outcome::Working(working, source)
    }

    pub(crate) fn order(&self, id: ClientOrderId) -> Option<Order> {
        self.desk.orders().find_live(id).map(|(_, order)| *order)
    }

    /// The order's status; closed and settled orders have left.
    pub(crate) fn status(&self, id: ClientOrderId) -> Option<OrderStatus> {
        self.order(id).map(|order| order.status())
    }

    pub(crate) fn held(&self) -> i64 {
        self.desk.positions().held(ACCOUNT, BTC).0
    }

    /// A limit order by hand that rests at 999.
    pub(crate) fn place(&mut self, side: Side, quantity: i64) -> Result<ClientOrderId, Refusal> {
        let price = match side {
            Side::Buy => 999,
            Side::Sell => 1_001,
        };
        let order = ManualOrder {
            account: ACCOUNT,
            instrument: BTC,
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            price: Price(price),
            quantity: Quantity(quantity),
            reduce_only: false,
        };
        self.command(DeskCommand::Place(order)).map(|receipt| receipt.placed.unwrap())
    }

    /// An order that the venue has shown open.
    pub(crate) fn open_order(&mut self) -> ClientOrderId {
        let id = self.place(Side::Buy, 10).unwrap();
        self.tell_open(id);
        self.actions.clear();
        id
    }

    pub(crate) fn create(&mut self, name: &str, kind: StrategyKind) -> StrategyName {
        let spec = spec(name, kind);
        let json = serde_json::to_string(&spec).unwrap().into();
        let id = spec.id;
        self.command(DeskCommand::Create { spec: Box::new(spec), json }).unwrap();
        id
    }

    /// A quoter that runs and has both quotes open.
    pub(crate) fn quoting(&mut self) -> StrategyName {
        let name = self.create("quoter-1", StrategyKind::Quoter);
        self.command(DeskCommand::Start { strategy: name, mode: Mode::Simulated }).unwrap();
        self.book(BTC, 999, 1_001);
        for request in self.taken() {
            if let VenueRequest::Submit(request) = request {
                self.tell_open(request.client_order_id);
            }
        }
        assert_eq!(self.desk.strategy(&name).unwrap().open_orders().len(), 2);
        name
    }

    pub(crate) fn records(&self) -> Vec<String> {
        let log = self.log.0.borrow();
        log.records.iter().map(|(_, bytes)| format!("{:?}", Record::decode(bytes))).collect()
    }

    pub(crate) fn count_records(&self, start: &str) -> usize {
        let start = format!("Ok({start}");
        self.records().iter().filter(|record| record.starts_with(&start)).count()
    }
}

pub(crate) fn spec(name: &str, kind: StrategyKind) -> StrategySpec {
    let quantity = Some(Decimal::new(10, 3));
    let max_position = Some(Decimal::new(50, 3));
    let none = Parameters::default;
    let parameters = match kind {
        StrategyKind::Quoter => {
            Parameters { quantity, max_position, half_spread_ticks: Some(2), ..none() }
        }
        StrategyKind::Taker => {
            Parameters { quantity, max_position, every_tick: Some(true), ..none() }
        }
        // Two slices of 0.010, half a minute each.
        StrategyKind::Twap => Parameters {
            side: Some(Side::Buy),
            quantity: Some(Decimal::new(20, 3)),
            limit_price: Some(Decimal::new(1_010, 1)),
            duration_seconds: Some(60),
            slices: Some(2),
            ..none()
        },
        // Levels at 98, 99, 100, 101 and 102.
        StrategyKind::Grid => Parameters {
            quantity,
            lower_price: Some(Decimal::new(980, 1)),
            upper_price: Some(Decimal::new(1_020, 1)),
            levels: Some(5),
            ..none()
        },
    };
    StrategySpec {
        id: StrategyName::from(name).unwrap(),
        kind,
        instruments: vec!["binance_usdm:BTCUSDT".to_owned()],
        parameters,
        limits: StrategyLimits::default(),
    }
}

pub(crate) fn fill(trade: u64, side: Side, quantity: i64) -> Outcome {
    Outcome::Fill(Fill {
        trade_id: TradeId(trade),
        side,
        price: Price(999),
        quantity: Quantity(quantity),
        liquidity: Liquidity::Maker,
        fee: Some(Amount::from_units(1)),
        fee_asset: Asset::from("USDT").unwrap(),
    })
}

pub(crate) fn rejected(kind: RequestKind, class: RejectClass) -> Outcome {
    Outcome::Rejected(kind, RejectReason::new(class, -1, b"said the venue"))
}

pub(crate) fn position(quantity: i64, now: Now) -> Report {
    Report::Position(PositionReport {
        account: ACCOUNT,
        instrument: BTC,
        quantity: SignedQuantity(quantity),
        entry_price: None,
        venue_time: now.wall,
        asked_at: Some(now.mono),
    })
}

pub(crate) fn external(text: &str) -> OrderReference {
    OrderReference::External(ArrayString::from(text).unwrap())
}

/// The toy venues of these tests number orders like we do.
pub(crate) fn venue_id(id: ClientOrderId) -> VenueOrderId {
    VenueOrderId(id.get() + 1)
}
