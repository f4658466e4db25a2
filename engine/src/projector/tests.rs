//! Records in, views out.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

mod fills;
mod same_as_desk;

use std::sync::{Arc, RwLock};

use enigma_trading::journal::Journal as _;
use enigma_types::{
    Asset, BalanceReport, Fill, Liquidity, Now, OrderIntent, OrderReference, OrderType, Outcome,
    PositionReport, Query, QueryReport, RejectClass, RejectReason, ReportSource, RequestKind,
    SessionChange, SessionKind, Side, SignedQuantity, StrategyResult, TimeInForce, TradeId,
    UnknownCause, WorkingOrder, WorkingStatus,
};

use super::*;
use crate::journal::testing::Folder;
use crate::journal::{DataDirectory, OpenJournal};

const ACCOUNT: AccountId = AccountId(0);
const BTC: InstrumentId = InstrumentId(0);
const QUOTER: StrategyId = StrategyId(1);
const SPEC: &str = r#"{"id":"quoter-btc","kind":"quoter","instruments":["binance_usdm:BTCUSDT"],
    "parameters":{"quantity":"0.01","max_position":"1","half_spread_ticks":3}}"#;

fn settings() -> FoldSettings {
    FoldSettings {
        fence: Nanos::from_secs(15),
        venues: vec![VenueId::BinanceUsdm],
        trades: 1_024,
        max_strategies: 8,
    }
}

/// A projector with its model, and a clock that goes on with each record.
struct Bench {
    projector: Projector,
    model: ReadModel,
    clock: u64,
}

impl Bench {
    fn new() -> Self {
        let projector = Projector::new(&settings());
        let mut bench = Self { projector, model: ReadModel::default(), clock: 0 };
        for record in opening() {
            bench.apply(&record);
        }
        bench
    }

    fn apply(&mut self, record: &Record<'_>) {
        self.clock += 1_000_000;
        let (wall, mono) = (UnixNanos(self.clock + 7), Nanos(self.clock));
        let entry = Entry { sequence: self.clock, wall, mono, record: *record };
        self.projector.apply(&mut self.model, &entry);
    }

    fn report(&mut self, order: OrderReference, venue_id: u64, outcome: Outcome) {
        let report = ExecutionReport {
            account: ACCOUNT,
            instrument: BTC,
            order,
            venue_order_id: VenueOrderId(venue_id),
            outcome,
            venue_time: UnixNanos(self.clock),
            received_at: Nanos(self.clock),
        };
        self.apply(&Record::Report(Report::Execution(report)));
    }

    fn ours(&mut self, number: u64, outcome: Outcome) {
        self.report(OrderReference::Ours(id(number)), number, outcome);
    }

    #[track_caller]
    fn check(&self, number: u64, state: OrderState, filled: i64) {
        let view = &self.model.orders[&id(number)];
        assert_eq!((view.state, view.filled.0), (state, filled));
    }

    fn strategy(&self) -> &StrategyView {
        &self.model.strategies[&QUOTER]
    }
}

fn opening() -> [Record<'static>; 4] {
    [
        Record::Opened { run: 1, prefix: InstallationPrefix::from_number(5) },
        Record::Instrument {
            id: BTC,
            price_scale: Scale::new(2).unwrap(),
            quantity_scale: Scale::new(3).unwrap(),
            name: "binance_usdm:BTCUSDT",
        },
        Record::Strategy { id: QUOTER, json: SPEC },
        Record::StrategyState {
            id: QUOTER,
            state: StrategyState::Running,
            mode: Mode::Simulated,
            reason: "ready",
        },
    ]
}

fn id(number: u64) -> ClientOrderId {
    ClientOrderId::new(number).unwrap()
}

fn order(number: u64, side: Side, quantity: i64) -> Record<'static> {
    let order = OrderRequest {
        client_order_id: id(number),
        account: ACCOUNT,
        instrument: BTC,
        side,
        time_in_force: TimeInForce::PostOnly,
        price: Price(6_000_000),
        quantity: Quantity(quantity),
        reduce_only: false,
    };
    Record::Submit { strategy: QUOTER, order }
}

fn working(status: WorkingStatus, filled: i64) -> Outcome {
    let working = WorkingOrder {
        status,
        side: Side::Buy,
        price: Price(6_000_000),
        quantity: Quantity(10),
        filled: Quantity(filled),
        time_in_force: TimeInForce::PostOnly,
        reduce_only: false,
    };
    Outcome::Working(working, ReportSource::Stream)
}

fn fill(trade: u64, side: Side, quantity: i64) -> Outcome {
    Outcome::Fill(Fill {
        trade_id: TradeId(trade),
        side,
        price: Price(6_000_000),
        quantity: Quantity(quantity),
        liquidity: Liquidity::Maker,
        fee: Some(Amount::parse(b"0.012").unwrap()),
        fee_asset: Asset::from("USDT").unwrap(),
    })
}

#[test]
fn what_a_strategy_made_of_its_task_is_shown_as_it_was_last_told() {
    let mut bench = Bench::new();
    assert_eq!(bench.strategy().result, None);
    for (executed, remaining) in [(0, 20), (8, 12)] {
        let (executed, remaining) = (Quantity(executed), Quantity(remaining));
        let average_price = Amount::from_units(60_000);
        let result = StrategyResult { executed, remaining, average_price };
        bench.apply(&Record::StrategyResult { id: QUOTER, result });
        assert_eq!(bench.strategy().result, Some(result));
    }
}

#[test]
fn an_order_is_shown_through_its_life() {
    let mut bench = Bench::new();
    bench.apply(&order(1, Side::Buy, 10));
    bench.check(1, OrderState::PendingNew, 0);
    bench.ours(1, working(WorkingStatus::Open, 0));
    bench.check(1, OrderState::Open, 0);
    bench.ours(1, fill(100, Side::Buy, 4));
    bench.check(1, OrderState::PartiallyFilled, 4);
    let request = bench.projector.order(id(1)).unwrap().cancel_request();
    bench.apply(&Record::Cancel(request));
    bench.check(1, OrderState::PendingCancel, 4);
    bench.ours(1, working(WorkingStatus::Canceled, 4));
    bench.check(1, OrderState::Canceled, 4);
    assert_eq!(bench.model.closed_orders[&(QUOTER, ACCOUNT, OrderState::Canceled)], 1);
    let view = &bench.model.orders[&id(1)];
    assert_eq!((view.reason.as_str(), view.venue_order_id), ("canceled", VenueOrderId(1)));
    assert!(view.updated_at > view.created_at);
    assert_eq!((bench.strategy().orders_sent, bench.strategy().last_order), (1, Some(id(1))));
}

#[test]
fn a_refused_order_keeps_the_venues_words() {
    let mut bench = Bench::new();
    bench.apply(&order(1, Side::Buy, 10));
    let reason = RejectReason::new(RejectClass::InsufficientMargin, -2019, b"Margin is low.");
    bench.ours(1, Outcome::Rejected(RequestKind::Submit, reason));
    bench.check(1, OrderState::Rejected, 0);
    assert_eq!(bench.model.orders[&id(1)].reason, "Margin is low. (-2019)");
}

#[test]
fn a_restart_leaves_orders_in_flight_unknown_and_sessions_down() {
    let mut bench = Bench::new();
    let change = SessionChange {
        venue: VenueId::BinanceUsdm,
        account: ACCOUNT,
        kind: SessionKind::Order,
        state: SessionState::Ready,
        at: Nanos(1),
    };
    bench.apply(&Record::Session(change));
    bench.apply(&Record::Reconciled { account: ACCOUNT, differences: 0 });
    bench.apply(&order(1, Side::Buy, 10));
    bench.apply(&order(2, Side::Sell, 10));
    bench.ours(2, working(WorkingStatus::Open, 0));
    assert!(bench.model.reconciled[&ACCOUNT]);
    bench.apply(&Record::Opened { run: 2, prefix: InstallationPrefix::from_number(5) });
    bench.check(1, OrderState::Unknown, 0);
    bench.check(2, OrderState::Open, 0);
    let session = bench.model.sessions.values().next().unwrap();
    assert_eq!(session.state, SessionState::Down);
    assert!(!bench.model.reconciled[&ACCOUNT]);
    bench.ours(1, Outcome::NotFound { asked_at: Nanos::from_secs(3_600) });
    bench.check(1, OrderState::Rejected, 0);
    assert_eq!(bench.model.orders[&id(1)].reason, "never_reached");
}

#[test]
fn a_session_counts_its_reconnects() {
    let mut bench = Bench::new();
    let states = [
        SessionState::Connecting,
        SessionState::Syncing,
        SessionState::Ready,
        SessionState::Stale,
        SessionState::Down,
        SessionState::Connecting,
        SessionState::Syncing,
        SessionState::Down,
    ];
    for state in states {
        let (venue, kind) = (VenueId::BinanceUsdm, SessionKind::Market);
        let change = SessionChange { venue, account: ACCOUNT, kind, state, at: Nanos(1) };
        bench.apply(&Record::Session(change));
    }
    assert_eq!(bench.model.sessions.values().next().unwrap().reconnects, 2);
}

#[test]
fn the_venues_first_whole_answer_is_what_a_position_starts_from() {
    let mut bench = Bench::new();
    let asked_at = Nanos(bench.clock + 1);
    let told = PositionReport {
        account: ACCOUNT,
        instrument: BTC,
        quantity: SignedQuantity(-30),
        entry_price: None,
        venue_time: UnixNanos(5),
        asked_at: Some(asked_at),
    };
    let query = Query::Account { account: ACCOUNT };
    for complete in [false, true] {
        assert!(!bench.projector.positions.is_adopted(ACCOUNT, BTC));
        bench.apply(&Record::Report(Report::Position(told)));
        let ended = QueryReport { query, asked_at, complete };
        bench.apply(&Record::Report(Report::Query(ended)));
    }
    let view = &bench.model.positions[&(ACCOUNT, BTC)];
    assert_eq!((view.quantity, view.venue), (SignedQuantity(-30), Some(told)));
    let later = PositionReport { quantity: SignedQuantity(9), venue_time: UnixNanos(6), ..told };
    bench.apply(&Record::Report(Report::Position(later)));
    bench.apply(&Record::Report(Report::Query(QueryReport { query, asked_at, complete: true })));
    let view = &bench.model.positions[&(ACCOUNT, BTC)];
    assert_eq!((view.quantity, view.venue), (SignedQuantity(-30), Some(later)));
}

#[test]
fn an_order_that_no_record_speaks_of_is_the_operators() {
    let mut bench = Bench::new();
    bench.ours(9, working(WorkingStatus::Filled, 10));
    assert!(bench.model.orders.is_empty(), "a closed one is history");
    bench.ours(9, working(WorkingStatus::Open, 0));
    bench.check(9, OrderState::Open, 0);
    assert_eq!(bench.model.orders[&id(9)].strategy, StrategyId::MANUAL);
}

#[test]
fn other_peoples_orders_are_shown_and_bounded() {
    let mut bench = Bench::new();
    for number in 0..1_100 {
        let name = OrderReference::External("web_x".parse().unwrap());
        bench.report(name, number + 1, working(WorkingStatus::Open, 0));
    }
    let name = OrderReference::External("web_x".parse().unwrap());
    bench.report(name, 1_100, working(WorkingStatus::Canceled, 0));
    let shown = &bench.model.external_orders;
    assert_eq!(shown.len(), ReadModel::EXTERNAL_ORDERS);
    assert_eq!(shown.back().map(|order| order.open), Some(false));
    assert!(bench.model.orders.is_empty());
}

#[test]
fn strategies_limits_kill_and_refusals_are_shown() {
    let mut bench = Bench::new();
    assert_eq!(bench.strategy().state, StrategyState::Running);
    assert_eq!(bench.strategy().spec.id.as_str(), "quoter-btc");
    let changed = SPEC.replace("\"0.01\"", "\"0.02\"");
    bench.apply(&Record::Strategy { id: QUOTER, json: &changed });
    assert_eq!(bench.strategy().state, StrategyState::Running, "a change keeps the state");
    let limits = enigma_types::RiskLimits { max_open_orders: 7, ..Default::default() };
    let json = serde_json::to_string(&limits).unwrap();
    bench.apply(&Record::Limits { json: &json });
    assert_eq!((&bench.model.limits, bench.model.limits_version), (&limits, 1));
    bench.apply(&Record::KillSwitch { engaged: true, reason: "drill" });
    assert!(bench.model.kill.engaged && bench.model.kill.reason == "drill");
    let intent = OrderIntent {
        strategy: QUOTER,
        account: ACCOUNT,
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        price: Price(1),
        quantity: Quantity(1),
        reduce_only: false,
    };
    for _ in 0..3 {
        bench.apply(&Record::RiskRejection { intent, check: 5, limit: 1, value: 2 });
    }
    assert_eq!(bench.model.risk_rejections[&5], 3);
    bench.apply(&Record::StrategyRemoved { id: QUOTER });
    assert!(bench.model.strategies.is_empty());
    bench.apply(&Record::Strategy { id: QUOTER, json: "{" });
    assert!(bench.model.strategies.is_empty());
}

#[test]
fn a_balance_keeps_what_the_newest_message_does_not_say() {
    let mut bench = Bench::new();
    let asset = Asset::from("USDT").unwrap();
    let mut tell = |wallet, available: Option<i64>, time| {
        let report = BalanceReport {
            account: ACCOUNT,
            asset,
            wallet: Amount::from_units(wallet),
            available: available.map(Amount::from_units),
            venue_time: UnixNanos(time),
        };
        bench.apply(&Record::Report(Report::Balance(report)));
        let held = bench.model.balances[&(ACCOUNT, asset)];
        (held.wallet, held.available)
    };
    let units = Amount::from_units;
    assert_eq!(tell(10, Some(8), 5), (units(10), Some(units(8))));
    assert_eq!(tell(11, None, 6), (units(11), Some(units(8))));
    assert_eq!(tell(9, Some(1), 4), (units(11), Some(units(8))), "an older message");
}

#[test]
fn closed_orders_beyond_the_bound_are_dropped_oldest_first() {
    let mut bench = Bench::new();
    let count = ReadModel::CLOSED_ORDERS as u64 + 10;
    bench.apply(&order(1, Side::Buy, 10));
    assert_eq!(bench.model.newest_dropped, None);
    // A greater id that closes first is dropped first; the trace it leaves stays.
    for number in [count + 1].into_iter().chain(2..=count) {
        bench.apply(&order(number, Side::Buy, 10));
        bench.ours(number, working(WorkingStatus::Canceled, 0));
    }
    assert_eq!(bench.model.orders.len(), ReadModel::CLOSED_ORDERS + 1);
    bench.check(1, OrderState::PendingNew, 0);
    assert!(!bench.model.orders.contains_key(&id(10)));
    assert!(bench.model.orders.contains_key(&id(11)));
    assert_eq!(bench.model.newest_dropped, Some(id(count + 1)));
    assert_eq!(bench.projector.orders.len(), ReadModel::CLOSED_ORDERS + 1);
    assert_eq!(bench.projector.venue_ids.len(), ReadModel::CLOSED_ORDERS);
}

#[test]
fn events_are_bounded_and_numbered_alike_after_every_replay() {
    let run = || {
        let mut bench = Bench::new();
        for number in 1..=9_000 {
            bench.apply(&order(number, Side::Buy, 10));
        }
        bench.model.events
    };
    let (first, second) = (run(), run());
    assert_eq!(first.events, second.events);
    assert_eq!(first.events.len(), crate::snapshot::EventLog::CAPACITY);
    let (page, gap) = first.since(0, 10);
    assert!(gap && page.len() == 10);
    let newest = first.next - 1;
    assert_eq!(first.since(newest, 10), (Vec::new(), false));
    let (page, gap) = first.since(newest - 3, 10);
    assert_eq!((page.len(), gap), (3, false));
    assert_eq!(page[0].sequence, newest - 2);
}

#[test]
fn the_thread_shows_what_the_journal_holds_and_a_restart_shows_the_same() {
    let folder = Folder::new();
    let unknown = Outcome::Unknown(RequestKind::Submit, UnknownCause::Timeout);
    let model = Arc::new(RwLock::new(ReadModel::default()));
    {
        let directory = DataDirectory::open(&folder.path).unwrap();
        let journal = OpenJournal::open(&directory, &folder.settings(), |_| {}).unwrap();
        let projector = Projector::new(&settings());
        let thread = ProjectorThread::start(
            projector,
            journal.projection,
            Arc::clone(&model),
            Arc::default(),
        );
        let mut producer = journal.producer;
        let mut append = |record: &Record<'_>| {
            let now = Now { mono: Nanos(5), wall: UnixNanos(9), venue_offset_ns: 0 };
            while producer.append(now, record).is_err() {
                std::thread::yield_now();
            }
        };
        opening().iter().for_each(&mut append);
        for number in 1..=2_000 {
            append(&order(number, Side::Buy, 10));
            let report = ExecutionReport {
                account: ACCOUNT,
                instrument: BTC,
                order: OrderReference::Ours(id(number)),
                venue_order_id: VenueOrderId(number),
                outcome: if number % 2 == 0 { fill(number, Side::Buy, 10) } else { unknown },
                venue_time: UnixNanos(1),
                received_at: Nanos(6),
            };
            append(&Record::Report(Report::Execution(report)));
        }
        thread.unwrap().finish();
        journal.writer.finish();
    }
    let directory = DataDirectory::open(&folder.path).unwrap();
    let mut projector = Projector::new(&settings());
    let mut replayed = ReadModel::default();
    let journal = OpenJournal::open(&directory, &folder.settings(), |entry| {
        projector.apply(&mut replayed, &entry);
    });
    journal.unwrap().writer.finish();
    let live = model.read().unwrap();
    assert_eq!(live.orders.len(), 2_000);
    assert_eq!(live.orders, replayed.orders);
    assert_eq!(live.fills, replayed.fills);
    assert_eq!(live.positions, replayed.positions);
    assert_eq!(live.strategies, replayed.strategies);
    assert_eq!(live.events.events, replayed.events.events);
}
