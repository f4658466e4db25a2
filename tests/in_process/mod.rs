//! A simulator and an engine in this process, joined by real sockets: for tests and benches that
//! must see inside the engine's thread.

#![expect(dead_code, reason = "each test and bench uses its own part of this")]

use std::time::{Duration, Instant};

use enigma_engine::command::{DeskCommand, Receipt};
use enigma_engine::settings::{
    AccountSettings, EngineSettings, Environment, HostAddress, JournalSettings, Trust,
    VenueSettings, Waiting,
};
use enigma_engine::signer::{BinanceSecret, BinanceSigner, Ed25519Key, HmacSha256Key, Signer};
use enigma_engine::{CommandError, Engine, EngineHandle, HostRole, Phase, pin};
use enigma_simulator::{Endpoints, Simulator, SimulatorConfig, SimulatorHandle};
use enigma_types::{Mode, StrategyName, StrategySpec, VenueId};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Both sides of one test.
pub(crate) struct InProcess {
    pub(crate) simulator: SimulatorHandle,
    pub(crate) engine: EngineHandle,
    pub(crate) api_key: String,
    /// Keeps the simulator's tasks going.
    pub(crate) runtime: Runtime,
    pub(crate) data_dir: TempDir,
}

/// How the engine is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) waiting: Waiting,
    pub(crate) core: Option<usize>,
    pub(crate) key_type: &'static str,
    pub(crate) on_pinned_thread: fn(),
}

impl InProcess {
    pub(crate) fn start(config: SimulatorConfig, wanted: Wanted) -> Self {
        Self::start_with(config, wanted, |_| {})
    }

    pub(crate) fn start_with(
        config: SimulatorConfig,
        wanted: Wanted,
        change: impl FnOnce(&mut EngineSettings),
    ) -> Self {
        if let (Waiting::Spin, Some(core)) = (wanted.waiting, wanted.core) {
            // As the daemon does: whatever is started from here on leaves that core alone.
            pin::keep_off_core(core).expect("a second core");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a tokio runtime");
        let simulator = runtime.block_on(Simulator::start(config)).expect("a simulator");
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let account = simulator.account("trade", wanted.key_type).expect("a trading account");
        let secret = match (&account.secret, &account.private_key) {
            (Some(secret), _) => {
                BinanceSecret::Hmac(HmacSha256Key::new(secret.as_bytes()).expect("a key"))
            }
            (None, Some(pem)) => {
                BinanceSecret::Ed25519(Ed25519Key::from_pkcs8_pem(pem).expect("a key"))
            }
            (None, None) => panic!("the account has no key"),
        };
        let api_key = account.api_key.clone();
        let signer = Signer::Binance(BinanceSigner { api_key: api_key.clone(), secret });
        let mut settings = EngineSettings {
            data_dir: data_dir.path().to_owned(),
            waiting: wanted.waiting,
            core: wanted.core,
            venues: vec![venue(simulator.endpoints())],
            accounts: vec![AccountSettings {
                name: "simulator".into(),
                venue: VenueId::BinanceUsdm,
                environment: Environment::Simulator,
                signer,
            }],
            limits: Default::default(),
            journal: JournalSettings::default(),
            on_pinned_thread: wanted.on_pinned_thread,
        };
        settings.limits.max_messages_per_second = 1_000_000;
        settings.limits.max_messages_per_10_seconds = 10_000_000;
        settings.limits.max_messages_per_minute = 60_000_000;
        change(&mut settings);
        let engine = Engine::start(settings).expect("an engine");
        Self { simulator, engine, api_key, runtime, data_dir }
    }

    /// Creates a strategy and starts it once the engine runs.
    pub(crate) fn run_strategy(&self, spec: &str) -> StrategyName {
        let spec: StrategySpec = serde_json::from_str(spec).expect("a strategy");
        let strategy = spec.id;
        let json = serde_json::to_string(&spec).expect("JSON").into();
        self.until("the engine runs", |one| one.phase() == Phase::Running);
        self.execute(DeskCommand::Create { spec: Box::new(spec), json }).expect("created");
        self.execute(DeskCommand::Start { strategy, mode: Mode::Simulated }).expect("started");
        strategy
    }

    pub(crate) fn execute(&self, command: DeskCommand) -> Result<Receipt, CommandError> {
        self.engine.execute(command, Duration::from_secs(10))
    }

    /// Waits, for three minutes at the most, until something holds.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&EngineHandle) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(180);
        while !holds(&self.engine) {
            let late = Instant::now() >= deadline;
            assert!(!late, "not within three minutes: {what}; {}", self.describe());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Where the engine stands, for a test that gives up.
    fn describe(&self) -> String {
        let model = self.engine.model();
        let strategies: Vec<_> =
            model.strategies.values().map(|row| (row.spec.id, row.state, &row.reason)).collect();
        let newest: Vec<_> = model.events.events.iter().rev().take(20).collect();
        format!(
            "sessions {:?}, reconciled {:?}, strategies {strategies:?}, fills {}, orders {:?}, \
             rejections {:?}, ticks {}, newest events {newest:#?}, counters {:?}",
            model.sessions,
            model.reconciled,
            model.fills.len(),
            model.orders.values().rev().take(3).collect::<Vec<_>>(),
            model.risk_rejections,
            self.engine.metrics().trading.ticks.get(),
            self.engine.gateway_counters(),
        )
    }

    pub(crate) fn stop(self) {
        assert!(self.engine.shutdown(true, Duration::from_secs(20)), "orders were left open");
        self.runtime.block_on(self.simulator.shutdown());
    }
}

fn venue(endpoints: &Endpoints) -> VenueSettings {
    let usdm = &endpoints.binance_usdm;
    let host = |role, url: &str| (role, HostAddress::parse(url).expect("an address"));
    VenueSettings {
        venue: VenueId::BinanceUsdm,
        hosts: vec![
            host(HostRole::Rest, &usdm.rest),
            host(HostRole::PublicStream, &usdm.ws_public),
            host(HostRole::MarketStream, &usdm.ws_market),
            host(HostRole::PrivateStream, &usdm.ws_private),
            host(HostRole::OrderEntry, &usdm.ws_api),
        ],
        trust: match &endpoints.ca {
            Some(path) => Trust::Pem(std::fs::read_to_string(path).expect("the simulator's CA")),
            None => Trust::System,
        },
        symbols: vec!["BTCUSDT".into()],
        rate_limit_percent: 100_000,
    }
}
