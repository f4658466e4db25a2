//! Starting a simulator, and the handle by which a daemon or a test holds it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::credentials::{Bank, TestAccount};
use crate::dialects::binance::Product;
use crate::dialects::binance::auth::Keys;
use crate::dialects::{binance_spot, binance_usdm};
use crate::exchange::account::FeeRates;
use crate::exchange::instrument::Instrument;
use crate::exchange::{Exchange, Settlement};
use crate::faults::{Fault, FaultKind, Socket};
use crate::host::{Host, Measurements};
use crate::market::replay::{Recording, RecordingError};
use crate::pacing::{self, Play};
use crate::random::Random;
use crate::server;
use crate::settings::{MarketSettings, SimulatorConfig, Transport, VenueName};
use crate::tls::{TlsError, make_authority};
use crate::view::{self, AccountView};

const TIMER_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error("no venue to simulate was named")]
    NoVenue,
    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: std::io::Error },
    #[error("port base {0} leaves no room for six ports")]
    PortBase(u16),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot write the CA certificate to {path}: {source}")]
    WriteCa { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("cannot start the market's thread: {0}")]
    Thread(std::io::Error),
    #[error("the system gives no randomness for a seed: {0}")]
    Seed(getrandom::Error),
}

/// The addresses of Binance USDⓈ-M.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsdmEndpoints {
    pub rest: String,
    pub ws_public: String,
    pub ws_market: String,
    pub ws_private: String,
    pub ws_api: String,
}

/// The addresses of Binance spot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpotEndpoints {
    pub rest: String,
    pub ws_stream: String,
    pub ws_api: String,
}

/// The first line of `enigma simulator`, as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoints {
    pub binance_spot: SpotEndpoints,
    pub binance_usdm: UsdmEndpoints,
    pub ca: Option<PathBuf>,
    pub accounts: Vec<TestAccount>,
}

#[derive(Clone, Copy, Debug)]
pub struct Simulator;

impl Simulator {
    /// Listens and plays on the current tokio runtime. Dropping the handle stops it too.
    pub async fn start(config: SimulatorConfig) -> Result<SimulatorHandle, SimulatorError> {
        if !config.venues.contains(&VenueName::Binance) {
            return Err(SimulatorError::NoVenue);
        }
        let mut random = Random::new(seed(&config)?);
        let recording = match &config.market {
            MarketSettings::Replay { path, .. } => Some(Recording::open(path)?),
            MarketSettings::Synthetic { .. } => None,
        };
        let recorded = recording.as_ref().map(|recording| recording.product);
        let (spot, usdm, accounts) = open_markets(&config, recorded, &mut random);
        let rules = (config.spot_rules, config.rules);
        let host = Arc::new(Host::new(spot, usdm, rules, config.measure));

        let listeners = listen(&config).await?;
        let (tls, ca) = secure(&config)?;
        let (binance_spot, binance_usdm) = addresses(&listeners, config.transport)?;
        let endpoints = Endpoints { binance_spot, binance_usdm, ca: ca.clone(), accounts };
        let mut tasks = Vec::new();
        for (product, listener) in listeners {
            let serving = server::serve(Arc::clone(&host), product, listener, tls.clone());
            tasks.push(tokio::spawn(serving).abort_handle());
        }
        tasks.push(tokio::spawn(keep_time(Arc::clone(&host))).abort_handle());
        for fault in config.faults {
            tasks.push(tokio::spawn(strike(Arc::clone(&host), fault)).abort_handle());
        }
        let mut markets = Vec::new();
        for (product, play) in plays(&config.market, recording, &mut random) {
            let market = pacing::spawn(Arc::clone(&host), product, play);
            markets.push(market.map_err(SimulatorError::Thread)?);
        }
        Ok(SimulatorHandle { host, endpoints, tasks, markets, ca })
    }
}

#[derive(Debug)]
pub struct SimulatorHandle {
    host: Arc<Host>,
    endpoints: Endpoints,
    tasks: Vec<AbortHandle>,
    markets: Vec<JoinHandle<()>>,
    /// Written by this simulator, so removed by it.
    ca: Option<PathBuf>,
}

impl SimulatorHandle {
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The first account of this role and kind of key, futures before spot.
    pub fn account(&self, role: &str, key_type: &str) -> Option<&TestAccount> {
        let accounts = self.endpoints.accounts.iter();
        accounts.into_iter().find(|one| one.role == role && one.key_type == key_type)
    }

    /// The same of one market: each lists keys of its own, though all open accounts on both.
    pub fn account_of(&self, product: Product, role: &str, key_type: &str) -> Option<&TestAccount> {
        self.endpoints
            .accounts
            .iter()
            .find(|one| one.venue == product.name() && one.role == role && one.key_type == key_type)
    }

    /// Everything the futures market knows of the key's account; None for a key it has never
    /// seen.
    pub fn account_view(&self, api_key: &str) -> Option<AccountView> {
        view::account(&self.host.usdm(), api_key)
    }

    /// The same on spot.
    pub fn spot_view(&self, api_key: &str) -> Option<AccountView> {
        view::spot_account(&self.host.spot(), api_key)
    }

    /// Pays funding on every futures position now, at this rate.
    pub fn pay_funding(&self, rate: Decimal) {
        self.host.pay_funding(rate);
    }

    /// Puts an asset into the spot account of a key; false for an unknown key.
    pub fn deposit(&self, api_key: &str, asset: &str, amount: Decimal) -> bool {
        self.host.deposit(api_key, asset, amount)
    }

    pub fn faults(&self) -> FaultControl {
        FaultControl { host: Arc::clone(&self.host) }
    }

    /// True after the last recorded line. The market then stands still.
    pub fn replay_finished(&self) -> bool {
        self.host.replay_finished.load(Ordering::Acquire)
    }

    /// Messages sent to market subscribers so far.
    pub fn published(&self) -> u64 {
        let spot = self.host.spot().hub.published;
        self.host.usdm().hub.published.saturating_add(spot)
    }

    /// Stamps since the last call; empty unless the configuration says `measure`.
    pub fn take_measurements(&self) -> Measurements {
        self.host.take_measurements()
    }

    /// Closes every connection and waits for the market to stop.
    pub async fn shutdown(mut self) {
        self.stop();
        for market in std::mem::take(&mut self.markets) {
            // A market thread that panicked has nothing left to stop.
            let _ = tokio::task::spawn_blocking(move || market.join()).await;
        }
    }

    fn stop(&mut self) {
        self.host.stopping.store(true, Ordering::Release);
        self.tasks.iter().for_each(AbortHandle::abort);
        self.host.connections.each((None, Socket::All), |one| one.kill(false));
        if let Some(ca) = self.ca.take() {
            // Where it is gone already there is nothing to remove.
            let _ = std::fs::remove_file(ca);
        }
    }
}

impl Drop for SimulatorHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Injects faults into a running simulator.
#[derive(Clone, Debug)]
pub struct FaultControl {
    host: Arc<Host>,
}

impl FaultControl {
    /// Plays the fault now on both markets, from any thread.
    pub fn inject(&self, fault: &FaultKind) {
        self.host.play(None, fault);
    }

    /// Plays the fault now on one market.
    pub fn inject_at(&self, product: Product, fault: &FaultKind) {
        self.host.play(Some(product), fault);
    }
}

/// Both markets with their instruments, accounts and keys; a recorded one shows its record.
fn open_markets(
    config: &SimulatorConfig,
    recorded: Option<Product>,
    random: &mut Random,
) -> (binance_spot::Venue, binance_usdm::Venue, Vec<TestAccount>) {
    let now = crate::host::machine_time(0);
    let instruments = vec![Instrument::btcusdt(), Instrument::ethusdt()];
    let mut usdm = Exchange::new(instruments, FEES, recorded == Some(Product::Usdm));
    let spot_instruments =
        vec![Instrument::spot_btcusdt(), Instrument::spot_ethusdt(), Instrument::spot_bnbusdt()];
    let is_recorded = recorded == Some(Product::Spot);
    let mut spot = Exchange::settled(Settlement::Cash, spot_instruments, SPOT_FEES, is_recorded);
    let (mut spot_keys, mut usdm_keys) = (Keys::new(Product::Spot), Keys::new(Product::Usdm));
    let mut bank = Bank {
        spot: &mut spot,
        usdm: &mut usdm,
        spot_keys: &mut spot_keys,
        usdm_keys: &mut usdm_keys,
        deposit: config.deposit,
    };
    let accounts = bank.open_accounts(now, &mut random.fork());
    let funding_ms = u64::try_from(config.funding_every.as_millis()).unwrap_or(u64::MAX);
    let multiplier = config.limits_multiplier;
    let usdm =
        binance_usdm::Venue::new(now, usdm, usdm_keys, multiplier, funding_ms, random.fork());
    let spot = binance_spot::Venue::new(now, spot, spot_keys, multiplier, random.fork());
    (spot, usdm, accounts)
}

/// What each market plays: the recording on the market that it is of.
fn plays(
    settings: &MarketSettings,
    recording: Option<Recording>,
    random: &mut Random,
) -> Vec<(Product, Play)> {
    let mut made_up =
        |actions_per_second| Play::Synthetic { actions_per_second, random: random.fork() };
    match (settings, recording) {
        (MarketSettings::Replay { speed, hold_until_subscribed, .. }, Some(recording)) => {
            let (product, speed, hold_until_subscribed) =
                (recording.product, *speed, *hold_until_subscribed);
            let recording = Box::new(recording);
            let play = Play::Recording { recording, speed, hold_until_subscribed };
            let other = match product {
                Product::Spot => Product::Usdm,
                Product::Usdm => Product::Spot,
            };
            vec![(product, play), (other, made_up(ACTIONS_BESIDE_A_RECORD))]
        }
        (MarketSettings::Synthetic { actions_per_second }, _) => vec![
            (Product::Usdm, made_up(*actions_per_second)),
            (Product::Spot, made_up(*actions_per_second)),
        ],
        (MarketSettings::Replay { .. }, None) => Vec::new(),
    }
}

async fn strike(host: Arc<Host>, fault: Fault) {
    tokio::time::sleep(fault.at).await;
    host.play(fault.product, &fault.kind);
}

async fn keep_time(host: Arc<Host>) {
    let mut every = tokio::time::interval(TIMER_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        every.tick().await;
        let now = host.now();
        host.usdm().on_timer(now);
        host.spot().on_timer(now);
    }
}

async fn listen(config: &SimulatorConfig) -> Result<Vec<(Product, TcpListener)>, SimulatorError> {
    let mut listeners = Vec::new();
    for (offset, product) in PORTS.into_iter().enumerate() {
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        let port = match config.port_base {
            None => 0,
            Some(base) => base.checked_add(offset).ok_or(SimulatorError::PortBase(base))?,
        };
        let address = std::net::SocketAddr::new(config.listen, port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| SimulatorError::Listen { address: address.to_string(), source })?;
        listeners.push((product, listener));
    }
    Ok(listeners)
}

fn secure(
    config: &SimulatorConfig,
) -> Result<(Option<TlsAcceptor>, Option<PathBuf>), SimulatorError> {
    if config.transport == Transport::Plain {
        return Ok((None, None));
    }
    let authority = make_authority(config.listen)?;
    let path = config.ca_path.clone().unwrap_or_else(temporary_ca);
    std::fs::write(&path, &authority.ca_pem)
        .map_err(|source| SimulatorError::WriteCa { path: path.clone(), source })?;
    Ok((Some(TlsAcceptor::from(authority.server)), Some(path)))
}

/// Unique in the process and among processes.
fn temporary_ca() -> PathBuf {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let name = format!("enigma-simulator-{}-{number}-ca.pem", std::process::id());
    std::env::temp_dir().join(name)
}

fn addresses(
    listeners: &[(Product, TcpListener)],
    transport: Transport,
) -> Result<(SpotEndpoints, UsdmEndpoints), SimulatorError> {
    let mut bound = Vec::new();
    for (_, listener) in listeners {
        let address = listener.local_addr().map_err(|source| SimulatorError::Listen {
            address: "an unknown port".to_owned(),
            source,
        })?;
        bound.push(address.to_string());
    }
    let at = |index: usize| bound.get(index).map_or("", String::as_str);
    let s = match transport {
        Transport::Plain => "",
        Transport::Tls => "s",
    };
    let spot = SpotEndpoints {
        rest: format!("http{s}://{}", at(3)),
        ws_stream: format!("ws{s}://{}", at(4)),
        ws_api: format!("ws{s}://{}/ws-api/v3", at(5)),
    };
    let (rest, streams, orders) = (at(0), at(1), at(2));
    let usdm = UsdmEndpoints {
        rest: format!("http{s}://{rest}"),
        ws_public: format!("ws{s}://{streams}/public"),
        ws_market: format!("ws{s}://{streams}/market"),
        ws_private: format!("ws{s}://{streams}/private"),
        ws_api: format!("ws{s}://{orders}/ws-fapi/v1"),
    };
    Ok((spot, usdm))
}

fn seed(config: &SimulatorConfig) -> Result<u64, SimulatorError> {
    match config.seed {
        Some(seed) => Ok(seed),
        None => getrandom::u64().map_err(SimulatorError::Seed),
    }
}

/// 0.02 % maker, 0.05 % taker: the first fee tier.
const FEES: FeeRates = FeeRates {
    maker: Decimal::from_parts(2, 0, 0, false, 4),
    taker: Decimal::from_parts(5, 0, 0, false, 4),
};
/// 0.1 % either way: spot's first fee tier.
const SPOT_FEES: FeeRates = FeeRates {
    maker: Decimal::from_parts(1, 0, 0, false, 3),
    taker: Decimal::from_parts(1, 0, 0, false, 3),
};
/// REST, streams and order entry of each market, in the order of their ports.
const PORTS: [Product; 6] =
    [Product::Usdm, Product::Usdm, Product::Usdm, Product::Spot, Product::Spot, Product::Spot];
/// Actions in a second of the market that the recording is not of.
const ACTIONS_BESIDE_A_RECORD: u32 = 20;
