//! The pinned thread's own turn, with a desk and without a single socket.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::OnceLock;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;

use crossbeam::channel::{self, Receiver};
use crossbeam::queue::ArrayQueue;
use enigma_trading::command::{CancelScope, ManualOrder};
use enigma_trading::desk::DeskSettings;
use enigma_types::{
    AccountId, Amount, Instrument, Mode, OrderType, Price, Quantity, RiskLimits, Scale,
    SessionKind, Side, StrategyName, StrategySpec, TimeInForce, UnixNanos, VenueId,
};
use enigma_venues::registry::SessionPlan;

use super::*;
use crate::connector::Connector;
use crate::gateway_thread::{GatewaySettings, GatewayShared, Liveness};
use crate::handle::{EngineHandle, Facts, KillLatch};
use crate::journal::testing::Folder;
use crate::journal::{DataDirectory, OpenJournal, WriterThread};
use crate::snapshot::ReadModel;

const SPOT: AccountId = AccountId(0);
const SPEC: &str = r#"{"id":"quoter-1","kind":"quoter","instruments":["binance_spot:BTCUSDT"],
    "parameters":{"quantity":"0.01","max_position":"1","half_spread_ticks":3}}"#;

/// A thread that turns only when it is told to.
struct Rig {
    thread: FusedThread,
    handle: EngineHandle,
    writer: Option<WriterThread>,
    _connector: Connector,
    _folder: Folder,
}

impl Rig {
    fn new() -> Self {
        let folder = Folder::new();
        let directory = DataDirectory::open(&folder.path).unwrap();
        let journal = OpenJournal::open(&directory, &folder.settings(), |_| {}).unwrap();
        let mut clock = Clock::new();
        let shared = Arc::new(shared(&folder));
        let mut table = InstrumentTable::default();
        table.add(instrument(VenueId::BinanceSpot)).unwrap();
        table.add(instrument(VenueId::BinanceUsdm)).unwrap();
        let (table, prefix) = (Arc::new(table), directory.prefix());
        let accounts = vec![(SPOT, VenueId::BinanceSpot), (AccountId(1), VenueId::BinanceUsdm)];
        let settings = DeskSettings::new(prefix, accounts, RiskLimits::default());
        let probe = StageProbe::new(clock.clone(), Arc::clone(&shared.metrics));
        let mut desk = Desk::new(settings, Arc::clone(&table), journal.producer, probe).unwrap();
        desk.open(clock.now(0), 1);
        let connector = Connector::start().unwrap();
        let settings = GatewaySettings {
            venues: Vec::new(),
            accounts: Vec::new(),
            dial_timeout: Duration::from_secs(1),
            liveness: Liveness::default(),
            seed: 1,
        };
        let template = SessionPlan::new(SessionKind::Market, SPOT, table, prefix, 1);
        let sessions = VenueSessions { template };
        let gateway =
            Gateway::new(settings, sessions, &connector, shared.gateway.clone(), clock.clone());
        let handle = EngineHandle { shared: Arc::clone(&shared) };
        Self {
            thread: FusedThread::new(desk, gateway.unwrap(), clock, shared),
            handle,
            writer: Some(journal.writer),
            _connector: connector,
            _folder: folder,
        }
    }

    fn queue(&self, command: DeskCommand) -> Receiver<Result<Receipt, Refusal>> {
        let (reply, answer) = channel::bounded(1);
        self.handle.shared.commands.push(Envelope { command, reply }).unwrap();
        answer
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
    }
}

fn shared(folder: &Folder) -> Shared {
    Shared {
        commands: ArrayQueue::new(32),
        waker: OnceLock::new(),
        gateway: GatewayShared::default(),
        latch: KillLatch::new(&folder.path),
        model: Arc::new(RwLock::new(ReadModel::default())),
        metrics: Arc::new(EngineMetrics::default()),
        instruments: OnceLock::new(),
        phase: Mutex::new(Phase::Running),
        draining: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
        threads: Mutex::new(Vec::new()),
        facts: Facts {
            started_at: UnixNanos(0),
            waiting: Waiting::Block,
            core: None,
            clock_source: "",
            ring_path: folder.path.clone(),
            accounts: Vec::new(),
            recovered_records: 0,
        },
        books: DisplayedBooks::new(),
    }
}

fn instrument(venue: VenueId) -> Instrument {
    Instrument {
        id: InstrumentId(0),
        venue,
        symbol: "BTCUSDT".parse().unwrap(),
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
        min_notional: Amount::ZERO,
        band_up_e8: None,
        band_down_e8: None,
        max_open_orders: None,
        trading: true,
    }
}

fn create() -> DeskCommand {
    let spec: StrategySpec = serde_json::from_str(SPEC).unwrap();
    DeskCommand::Create { spec: Box::new(spec), json: SPEC.into() }
}

fn place() -> DeskCommand {
    DeskCommand::Place(ManualOrder {
        account: SPOT,
        instrument: InstrumentId(0),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        price: Price(6_000_000),
        quantity: Quantity(10),
        reduce_only: false,
    })
}

#[test]
fn what_could_trade_is_refused_from_the_first_moment_of_a_drain() {
    let mut rig = Rig::new();
    let strategy = StrategyName::from("quoter-1").unwrap();
    let id = ClientOrderId::new(1).unwrap();
    let created = rig.queue(create());
    let placed = rig.queue(place());
    rig.thread.obey();
    created.recv().unwrap().unwrap();
    assert!(matches!(placed.recv().unwrap(), Err(Refusal::Risk { .. })), "no session is up");

    let start = || DeskCommand::Start { strategy, mode: Mode::Simulated };
    let replace =
        || DeskCommand::Replace { client_order_id: id, price: Price(10), quantity: Quantity(1) };
    // Some wait in the queue already when the engine is told to stop, others come meanwhile.
    let before = [rig.queue(place()), rig.queue(start())];
    assert!(!rig.handle.shutdown(true, Duration::ZERO), "nobody turns the thread");
    let after = [create(), start(), DeskCommand::Resume { strategy }, place(), replace()]
        .map(|command| rig.queue(command));
    let rearm = rig.queue(DeskCommand::Rearm);
    let cancel = rig.queue(DeskCommand::CancelAll { scope: CancelScope::All });
    let kill = rig.queue(DeskCommand::Kill { reason: "a test".into() });
    while rig.thread.obey() {}
    for answer in before.iter().chain(&after).chain([&rearm]) {
        assert_eq!(answer.recv().unwrap(), Err(Refusal::Draining));
    }
    cancel.recv().unwrap().unwrap();
    kill.recv().unwrap().unwrap();
    assert!(rig.thread.side.desk.kill().engaged);
}

#[test]
fn a_turn_without_events_shows_nothing_before_the_interval_has_passed() {
    let mut rig = Rig::new();
    // The first turns have the timers of a start.
    for _ in 0..3 {
        rig.thread.turn();
    }
    let shown = || rig.handle.shared.metrics.trading.kill_switch.get();
    let wrong = || rig.handle.shared.metrics.trading.kill_switch.set(7);
    wrong();
    rig.thread.published_at = Nanos::MAX;
    rig.thread.turn();
    assert_eq!(shown(), 7, "nothing happened");
    rig.thread.published_at = Nanos::ZERO;
    rig.thread.turn();
    assert_eq!(shown(), 0, "it was long ago");
    wrong();
    rig.thread.published_at = Nanos::MAX;
    let kill = rig.queue(DeskCommand::Kill { reason: "a test".into() });
    rig.thread.turn();
    kill.recv().unwrap().unwrap();
    assert_eq!(shown(), 1, "a command is shown in its own turn");
}
