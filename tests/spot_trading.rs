//! The engine on Binance spot against the simulator, over real sockets: sessions of both kinds of
//! key come up, orders are placed, amended, replaced and canceled, fills and balances are seen, and
//! the account stays reconciled.

#![expect(clippy::expect_used, reason = "a test may stop here")]

use std::time::{Duration, Instant};

use enigma_engine::command::{CancelScope, DeskCommand, ManualOrder};
use enigma_engine::settings::{
    AccountSettings, EngineSettings, Environment, HostAddress, JournalSettings, Trust,
    VenueSettings, Waiting,
};
use enigma_engine::signer::{BinanceSecret, BinanceSigner, Ed25519Key, HmacSha256Key, Signer};
use enigma_engine::{Engine, EngineHandle, HostRole, Phase};
use enigma_simulator::{
    Endpoints, MarketSettings, Simulator, SimulatorConfig, SimulatorHandle, Transport,
};
use enigma_types::{
    AccountId, Amount, BookTop, ClientOrderId, Instrument, InstrumentId, OrderType, Price,
    Quantity, Side, TimeInForce, VenueId,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const BTC: InstrumentId = InstrumentId(0);
const ACCOUNT: AccountId = AccountId(0);

/// The engine on spot, and the simulator beside it.
struct Spot {
    simulator: SimulatorHandle,
    engine: EngineHandle,
    instrument: Instrument,
    runtime: Runtime,
    _data_dir: TempDir,
}

impl Spot {
    fn start(key_type: &str, transport: Transport) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a tokio runtime");
        let config = SimulatorConfig {
            transport,
            seed: Some(11),
            limits_multiplier: 100,
            market: MarketSettings::Synthetic { actions_per_second: 500 },
            ..SimulatorConfig::default()
        };
        let simulator = runtime.block_on(Simulator::start(config)).expect("a simulator");
        let account = simulator.account("trade", key_type).expect("a trading account");
        let secret = match (&account.secret, &account.private_key) {
            (Some(secret), _) => {
                BinanceSecret::Hmac(HmacSha256Key::new(secret.as_bytes()).expect("a key"))
            }
            (None, Some(pem)) => {
                BinanceSecret::Ed25519(Ed25519Key::from_pkcs8_pem(pem).expect("a key"))
            }
            (None, None) => panic!("the account has no key"),
        };
        let signer = Signer::Binance(BinanceSigner { api_key: account.api_key.clone(), secret });
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let settings = EngineSettings {
            data_dir: data_dir.path().to_owned(),
            waiting: Waiting::Block,
            core: None,
            venues: vec![venue(simulator.endpoints())],
            accounts: vec![AccountSettings {
                name: "simulator".into(),
                venue: VenueId::BinanceSpot,
                environment: Environment::Simulator,
                signer,
            }],
            limits: Default::default(),
            journal: JournalSettings::default(),
            on_pinned_thread: || {},
        };
        let engine = Engine::start(settings).expect("an engine");
        until(&engine, "the engine runs", |engine| engine.phase() == Phase::Running);
        until(&engine, "a book", |engine| engine.book(BTC).is_some());
        let table = engine.instruments().expect("instruments");
        let instrument = table.get(BTC).expect("BTCUSDT").clone();
        Self { simulator, engine, instrument, runtime, _data_dir: data_dir }
    }

    fn touch(&self) -> (Price, Price) {
        let book: BookTop = self.engine.book(BTC).expect("a book");
        let level = |level: Option<enigma_types::Level>| level.expect("both sides").price;
        (level(book.best_bid()), level(book.best_ask()))
    }

    /// So many steps of the instrument's quantity grid.
    fn lots(&self, count: i64) -> Quantity {
        Quantity(self.instrument.step.0 * count)
    }

    fn place(
        &self,
        side: Side,
        time_in_force: TimeInForce,
        price: Price,
        lots: i64,
    ) -> ClientOrderId {
        let order = ManualOrder {
            account: ACCOUNT,
            instrument: BTC,
            side,
            order_type: OrderType::Limit,
            time_in_force,
            price: price.floor_to(self.instrument.tick),
            quantity: self.lots(lots),
            reduce_only: false,
        };
        let receipt = self.execute(DeskCommand::Place(order));
        assert_eq!(receipt.not_sent, None);
        receipt.placed.expect("an order")
    }

    fn execute(&self, command: DeskCommand) -> enigma_engine::command::Receipt {
        self.engine.execute(command, Duration::from_secs(10)).expect("a receipt")
    }

    fn state(&self, id: ClientOrderId) -> &'static str {
        let model = self.engine.model();
        model.orders.get(&id).map_or("absent", |order| order.state.name())
    }

    fn until_state(&self, id: ClientOrderId, wanted: &str) {
        until(&self.engine, wanted, |_| self.state(id) == wanted);
    }

    fn terms(&self, id: ClientOrderId) -> (Price, Quantity, u64) {
        let model = self.engine.model();
        let order = model.orders.get(&id).expect("an order");
        (order.price, order.quantity, order.venue_order_id.0)
    }

    fn stop(self) {
        assert!(self.engine.shutdown(true, Duration::from_secs(20)), "orders were left open");
        self.runtime.block_on(self.simulator.shutdown());
    }
}

#[test]
fn orders_are_placed_amended_replaced_filled_and_canceled_with_either_key() {
    for (key_type, transport) in [("hmac", Transport::Plain), ("ed25519", Transport::Tls)] {
        let spot = Spot::start(key_type, transport);
        check_resting_order(&spot);
        check_fill(&spot);
        check_refusals(&spot);
        check_reconciled(&spot);
        spot.stop();
    }
}

/// Lowered it keeps its id at the venue; moved it gets another, and stays the same order of ours.
fn check_resting_order(spot: &Spot) {
    until(&spot.engine, "the account compared with the venue's", |engine| {
        engine.model().reconciled.get(&ACCOUNT) == Some(&true)
    });
    let (bid, _) = spot.touch();
    let far = Price(bid.0 * 99 / 100).floor_to(spot.instrument.tick);
    let id = spot.place(Side::Buy, TimeInForce::PostOnly, far, 100);
    spot.until_state(id, "open");
    let (_, _, venue_id) = spot.terms(id);
    let lower = spot.lots(60);
    let amend = DeskCommand::Replace { client_order_id: id, price: far, quantity: lower };
    assert_eq!(spot.execute(amend).not_sent, None);
    until(&spot.engine, "amended", |_| spot.terms(id) == (far, lower, venue_id));
    spot.until_state(id, "open");

    let moved = Price(far.0 - spot.instrument.tick.0 * 10);
    let more = spot.lots(80);
    let replace = DeskCommand::Replace { client_order_id: id, price: moved, quantity: more };
    assert_eq!(spot.execute(replace).not_sent, None);
    until(&spot.engine, "replaced", |_| {
        let (price, quantity, new_id) = spot.terms(id);
        (price, quantity) == (moved, more) && new_id != venue_id
    });
    spot.until_state(id, "open");
    spot.execute(DeskCommand::Cancel { client_order_id: id });
    spot.until_state(id, "canceled");
}

/// An order that takes is filled, and its fee and the new balances are told.
fn check_fill(spot: &Spot) {
    let base = spot.instrument.base;
    let held = |spot: &Spot| {
        let model = spot.engine.model();
        model.balances.get(&(ACCOUNT, base)).map_or(Amount::ZERO, |row| row.wallet)
    };
    let before = held(spot);
    let (_, ask) = spot.touch();
    let limit = Price(ask.0 + spot.instrument.tick.0 * 5);
    let id = spot.place(Side::Buy, TimeInForce::Ioc, limit, 10);
    until(&spot.engine, "the end of an immediate order", |_| {
        matches!(spot.state(id), "filled" | "expired" | "canceled")
    });
    assert_eq!(spot.state(id), "filled");
    until(&spot.engine, "the fill and its fee", |engine| {
        let model = engine.model();
        let fills = model.fills.iter().filter(|fill| fill.client_order_id == Some(id));
        let told: i64 = fills.clone().map(|fill| fill.fill.quantity.0).sum();
        told == spot.lots(10).0
            && fills.clone().all(|fill| fill.fill.fee.is_some() && !fill.fill.fee_asset.is_empty())
    });
    until(&spot.engine, "more of the base asset", |_| held(spot).0 > before.0);
}

/// A post-only order that would take is refused and leaves nothing open; nor does a replace whose
/// new order is refused leave the old one.
fn check_refusals(spot: &Spot) {
    let (bid, ask) = spot.touch();
    let crossing = Price(ask.0 + spot.instrument.tick.0 * 2);
    let id = spot.place(Side::Buy, TimeInForce::PostOnly, crossing, 10);
    spot.until_state(id, "rejected");
    let far = Price(bid.0 * 99 / 100).floor_to(spot.instrument.tick);
    let id = spot.place(Side::Buy, TimeInForce::PostOnly, far, 10);
    spot.until_state(id, "open");
    let (_, ask) = spot.touch();
    let crossing = Price(ask.0 + spot.instrument.tick.0 * 2);
    let quantity = spot.lots(10);
    let replace = DeskCommand::Replace { client_order_id: id, price: crossing, quantity };
    spot.execute(replace);
    spot.until_state(id, "canceled");
}

/// Spot knows no positions: asked again and again, the account stays reconciled and may buy more.
fn check_reconciled(spot: &Spot) {
    for _ in 0..3 {
        let trading = &spot.engine.metrics().trading;
        let (asked, ticks) = (trading.queries_sent.get(), trading.ticks.get());
        spot.execute(DeskCommand::Reconcile);
        until(&spot.engine, "three questions and time for their answers", |_| {
            trading.queries_sent.get() >= asked + 3 && trading.ticks.get() > ticks + 300
        });
        until(&spot.engine, "a reconciled account", |engine| {
            engine.model().reconciled.get(&ACCOUNT) == Some(&true)
        });
    }
    let (bid, _) = spot.touch();
    let id = spot.place(Side::Buy, TimeInForce::Gtc, Price(bid.0 * 99 / 100), 10);
    spot.until_state(id, "open");
    spot.execute(DeskCommand::CancelAll { scope: CancelScope::All });
    spot.until_state(id, "canceled");
}

#[track_caller]
fn until(engine: &EngineHandle, what: &str, mut holds: impl FnMut(&EngineHandle) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds(engine) {
        let late = Instant::now() >= deadline;
        assert!(!late, "not within two minutes: {what}; {}", describe(engine));
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn describe(engine: &EngineHandle) -> String {
    let model = engine.model();
    let newest: Vec<_> = model.events.events.iter().rev().take(20).collect();
    let orders: Vec<_> = model.orders.values().rev().take(3).collect();
    format!(
        "phase {:?}, sessions {:?}, reconciled {:?}, orders {orders:?}, rejections {:?}, balances \
         {:?}, events {newest:#?}, counters {:?}",
        engine.phase(),
        model.sessions,
        model.reconciled,
        model.risk_rejections,
        model.balances,
        engine.gateway_counters(),
    )
}

fn venue(endpoints: &Endpoints) -> VenueSettings {
    let spot = &endpoints.binance_spot;
    let host = |role, url: &str| (role, HostAddress::parse(url).expect("an address"));
    VenueSettings {
        venue: VenueId::BinanceSpot,
        hosts: vec![
            host(HostRole::Rest, &spot.rest),
            host(HostRole::PublicStream, &spot.ws_stream),
            host(HostRole::OrderEntry, &spot.ws_api),
        ],
        trust: match &endpoints.ca {
            Some(path) => Trust::Pem(std::fs::read_to_string(path).expect("the simulator's CA")),
            None => Trust::System,
        },
        symbols: vec!["BTCUSDT".into()],
        rate_limit_percent: 10_000,
    }
}
