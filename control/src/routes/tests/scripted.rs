//! An engine that does what a test says. It checks nothing.

use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use axum::Router;
use enigma_engine::command::{DeskCommand, Receipt};
use enigma_engine::counters::{EngineMetrics, Queue, QueueLevel};
use enigma_engine::gateway_thread::GatewayCounters;
use enigma_engine::handle::{Barrier, CommandError, EngineStatus, KillReceipt, Phase};
use enigma_engine::settings::{Environment, Waiting};
use enigma_engine::snapshot::{
    Event, EventKind, Fees, OrderState, OrderView, ReadModel, StrategyView,
};
use enigma_types::{
    AccountId, Amount, Asset, BookTop, ClientOrderId, Instrument, InstrumentId, InstrumentTable,
    Mode, Parameters, Price, Quantity, Scale, Side, SignedQuantity, StrategyId, StrategyKind,
    StrategyLimits, StrategyName, StrategySpec, StrategyState, Symbol, TimeInForce, UnixNanos,
    VenueId, VenueOrderId,
};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use crate::access::{Access, Token};
use crate::app::{App, Facts, VenueFacts};
use crate::engine::Engine;
use crate::tally::OrderTally;

type Script =
    Box<dyn Fn(DeskCommand, &mut ReadModel) -> Result<Receipt, CommandError> + Send + Sync>;

/// A daemon around a scripted engine, with its tokens.
pub(super) struct Scripted {
    pub(super) cli: Token,
    pub(super) metrics: Token,
    pub(super) sign_in: Token,
    engine: Arc<ScriptedEngine>,
    app: App,
    drain: watch::Sender<bool>,
    _newest: watch::Sender<u64>,
}

struct ScriptedEngine {
    model: RwLock<ReadModel>,
    table: Option<Arc<InstrumentTable>>,
    metrics: EngineMetrics,
    gateway: GatewayCounters,
    script: Mutex<Script>,
    commands: Mutex<usize>,
}

impl Scripted {
    pub(super) fn new() -> Self {
        Self::with(Some(Arc::new(table())))
    }

    pub(super) fn without_instruments() -> Self {
        Self::with(None)
    }

    fn with(table: Option<Arc<InstrumentTable>>) -> Self {
        let token = || Token::random().unwrap();
        let (cli, metrics, sign_in) = (token(), token(), token());
        let access = Access::new(&cli, &metrics, &sign_in, Instant::now());
        let engine = Arc::new(ScriptedEngine {
            model: RwLock::default(),
            table,
            metrics: EngineMetrics::default(),
            gateway: GatewayCounters::default(),
            script: Mutex::new(Box::new(|command, _| Err(unknown(&command)))),
            commands: Mutex::new(0),
        });
        let (newest, newest_event) = watch::channel(0);
        let (drain, draining) = watch::channel(false);
        let venue = VenueFacts {
            venue: VenueId::BinanceUsdm,
            environment: "simulator",
            symbols: vec!["BTCUSDT".into()],
        };
        let app = App {
            engine: Arc::clone(&engine) as Arc<dyn Engine>,
            store: None,
            access: Arc::new(access),
            idempotency: Arc::default(),
            manual_orders: Arc::default(),
            limits_edit: Arc::default(),
            facts: Arc::new(Facts { venues: vec![venue], simulator: None }),
            tally: Arc::new(OrderTally::starting_at(0)),
            newest_event,
            draining,
            streams: Arc::new(Semaphore::new(App::MOST_STREAMS)),
            requests: Arc::new(Semaphore::new(App::MOST_REQUESTS)),
        };
        Self { cli, metrics, sign_in, engine, app, drain, _newest: newest }
    }

    pub(super) fn router(&self) -> Router {
        crate::routes::router(self.app.clone())
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut ReadModel)) {
        change(&mut self.engine.model.write().unwrap());
    }

    pub(super) fn on_command(
        &self,
        script: impl Fn(DeskCommand, &mut ReadModel) -> Result<Receipt, CommandError>
        + Send
        + Sync
        + 'static,
    ) {
        *self.engine.script.lock().unwrap() = Box::new(script);
    }

    /// Another process goes on with this one's keys.
    pub(super) fn restart_keys(&self) {
        self.app.idempotency.end_of_process();
    }

    pub(super) fn commands(&self) -> usize {
        *self.engine.commands.lock().unwrap()
    }

    pub(super) fn drain(&self) {
        self.drain.send(true).unwrap();
    }

    /// The first events of a stream, comments and the timed `latency` left out.
    pub(super) async fn events(&self, last_id: Option<&str>, count: usize) -> Vec<String> {
        let mut request = axum::http::Request::get("/v1/events")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.cli.reveal()));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(axum::body::Body::empty()).unwrap();
        let response = self.router().oneshot(request).await.unwrap();
        let mut stream = response.into_body().into_data_stream();
        let mut events = Vec::new();
        while events.len() < count {
            let bytes = stream.next().await.unwrap().unwrap();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            if text.contains("event:") && !text.contains("event: latency") {
                events.push(text);
            }
        }
        events
    }
}

impl Engine for ScriptedEngine {
    fn execute(&self, command: DeskCommand, _timeout: Duration) -> Result<Receipt, CommandError> {
        *self.commands.lock().unwrap() += 1;
        let mut model = self.model.write().unwrap();
        self.script.lock().unwrap()(command, &mut model)
    }

    fn kill(&self, reason: &str) -> KillReceipt {
        let mut model = self.model.write().unwrap();
        model.kill.engaged = true;
        model.kill.reason = reason.into();
        let (receipt, barrier) = (Receipt::default(), Barrier::Acknowledged);
        KillReceipt { receipt, barrier, latched: true }
    }

    fn model(&self) -> RwLockReadGuard<'_, ReadModel> {
        self.model.read().unwrap()
    }

    fn instruments(&self) -> Option<Arc<InstrumentTable>> {
        self.table.clone()
    }

    fn metrics(&self) -> &EngineMetrics {
        &self.metrics
    }

    fn gateway(&self) -> &GatewayCounters {
        &self.gateway
    }

    fn queues(&self) -> [QueueLevel; Queue::ALL.len()] {
        Queue::ALL.map(|queue| QueueLevel { queue, depth: 0, overflows: 0 })
    }

    fn book(&self, _instrument: InstrumentId) -> Option<BookTop> {
        None
    }

    fn status(&self) -> EngineStatus {
        let loading = Phase::LoadingInstruments { last_error: None };
        let account = (AccountId(0), "main".into(), VenueId::BinanceUsdm, Environment::Simulator);
        EngineStatus {
            started_at: UnixNanos(1),
            phase: if self.table.is_some() { Phase::Running } else { loading },
            layout: "fused",
            waiting: Waiting::Block,
            core: None,
            clock_source: "test",
            ring_path: "/ring".into(),
            recovered_records: 0,
            accounts: vec![account],
        }
    }
}

/// What an unscripted command gets: as if no strategy of that name were there.
fn unknown(command: &DeskCommand) -> CommandError {
    let DeskCommand::Pause { strategy } = command else { return CommandError::QueueFull };
    CommandError::Refused(enigma_engine::command::Refusal::NoSuchStrategy(*strategy))
}

pub(super) fn strategy(model: &mut ReadModel, id: u16, name: &str, state: StrategyState) {
    let spec = StrategySpec {
        id: StrategyName::from(name).unwrap(),
        kind: StrategyKind::Quoter,
        instruments: vec!["binance_usdm:BTCUSDT".into()],
        parameters: Parameters::default(),
        limits: StrategyLimits::default(),
    };
    let view = StrategyView {
        id: StrategyId(id),
        spec,
        state,
        mode: Mode::Simulated,
        reason: String::new(),
        position: SignedQuantity(0),
        last_order: None,
        orders_sent: 0,
        fills: 0,
        fees: Fees::default(),
        cash: Amount::ZERO,
        result: None,
    };
    model.strategies.insert(StrategyId(id), view);
}

pub(super) fn order(model: &mut ReadModel, id: u64, strategy: u16, open: bool) {
    let id = ClientOrderId::new(id).unwrap();
    let view = OrderView {
        client_order_id: id,
        venue_order_id: VenueOrderId(id.get() + 100),
        strategy: StrategyId(strategy),
        account: AccountId(0),
        instrument: InstrumentId(0),
        side: Side::Buy,
        price: Price(600_000),
        quantity: Quantity(10),
        filled: Quantity(0),
        time_in_force: TimeInForce::Gtc,
        reduce_only: false,
        state: if open { OrderState::Open } else { OrderState::Canceled },
        reason: String::new(),
        not_sent: None,
        created_at: UnixNanos(1),
        updated_at: UnixNanos(2),
    };
    model.orders.insert(id, view);
}

pub(super) fn order_event(model: &mut ReadModel, id: u64) {
    let sequence = model.events.next.max(1);
    model.events.next = sequence + 1;
    let kind = EventKind::Order(ClientOrderId::new(id).unwrap());
    model.events.events.push_back(Event { sequence, at: UnixNanos(1), kind });
}

fn table() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    let asset = |name: &str| Asset::from(name).unwrap();
    let instrument = Instrument {
        id: InstrumentId(0),
        venue: VenueId::BinanceUsdm,
        symbol: Symbol::from("BTCUSDT").unwrap(),
        base: asset("BTC"),
        quote: asset("USDT"),
        settle: asset("USDT"),
        price_scale: Scale::new(1).unwrap(),
        quantity_scale: Scale::new(3).unwrap(),
        tick: Price(1),
        min_price: Price(1),
        max_price: Price(10_000_000),
        step: Quantity(1),
        min_quantity: Quantity(1),
        max_quantity: Quantity(1_000_000),
        min_notional: Amount::from_units(100),
        band_up_e8: None,
        band_down_e8: None,
        max_open_orders: None,
        trading: true,
    };
    table.add(instrument).unwrap();
    table
}
