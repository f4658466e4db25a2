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

use crate::credentials::{TestAccount, open_accounts};
use crate::dialects::binance_usdm::Venue;
use crate::dialects::binance_usdm::auth::Keys;
use crate::exchange::Exchange;
use crate::exchange::account::FeeRates;
use crate::exchange::instrument::Instrument;
use crate::faults::{Fault, FaultKind, Socket};
use crate::host::{Host, Measurements};
use crate::market::replay::{Recording, RecordingError};
use crate::pacing;
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
    #[error("port base {0} leaves no room for three ports")]
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

/// The first line of `enigma simulator`, as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Endpoints {
    pub binance_usdm: UsdmEndpoints,
    pub ca: Option<PathBuf>,
    pub accounts: Vec<TestAccount>,
}

#[derive(Clone, Copy, Debug)]
pub struct Simulator;

impl Simulator {
    /// Listens and plays on the current tokio runtime. Dropping the handle stops it too.
    pub async fn start(config: SimulatorConfig) -> Result<SimulatorHandle, SimulatorError> {
        if !config.venues.contains(&VenueName::BinanceUsdm) {
            return Err(SimulatorError::NoVenue);
        }
        let mut random = Random::new(seed(&config)?);
        let recording = match &config.market {
            MarketSettings::Replay { path, .. } => Some(Recording::open(path)?),
            MarketSettings::Synthetic { .. } => None,
        };
        let instruments = vec![Instrument::btcusdt(), Instrument::ethusdt()];
        let mut exchange = Exchange::new(instruments, FEES, recording.is_some());
        let mut keys = Keys::default();
        let accounts = open_accounts(&mut random.fork(), &mut exchange, &mut keys, config.deposit);
        let market_random = random.fork();
        let now = crate::host::machine_time(0);
        let venue = Venue::new(now, exchange, keys, config.limits_multiplier, random.fork());
        let host = Arc::new(Host::new(venue, config.rules, config.measure));

        let listeners = listen(&config).await?;
        let (tls, ca) = secure(&config)?;
        let endpoints = Endpoints {
            binance_usdm: addresses(&listeners, config.transport)?,
            ca: ca.clone(),
            accounts,
        };
        let mut tasks = Vec::new();
        for listener in listeners {
            let serving = server::serve(Arc::clone(&host), listener, tls.clone());
            tasks.push(tokio::spawn(serving).abort_handle());
        }
        tasks.push(tokio::spawn(keep_time(Arc::clone(&host))).abort_handle());
        for fault in config.faults {
            tasks.push(tokio::spawn(strike(Arc::clone(&host), fault)).abort_handle());
        }
        let market = pacing::spawn(Arc::clone(&host), config.market, recording, market_random);
        let market = Some(market.map_err(SimulatorError::Thread)?);
        Ok(SimulatorHandle { host, endpoints, tasks, market, ca })
    }
}

#[derive(Debug)]
pub struct SimulatorHandle {
    host: Arc<Host>,
    endpoints: Endpoints,
    tasks: Vec<AbortHandle>,
    market: Option<JoinHandle<()>>,
    /// Written by this simulator, so removed by it.
    ca: Option<PathBuf>,
}

impl SimulatorHandle {
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The account of this role and kind of key.
    pub fn account(&self, role: &str, key_type: &str) -> Option<&TestAccount> {
        let accounts = self.endpoints.accounts.iter();
        accounts.into_iter().find(|one| one.role == role && one.key_type == key_type)
    }

    /// Everything the exchange knows of the key's account; None for a key it has never seen.
    pub fn account_view(&self, api_key: &str) -> Option<AccountView> {
        view::account(&self.host.venue(), api_key)
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
        self.host.venue().hub.published
    }

    /// Stamps since the last call; empty unless the configuration says `measure`.
    pub fn take_measurements(&self) -> Measurements {
        self.host.take_measurements()
    }

    /// Closes every connection and waits for the market to stop.
    pub async fn shutdown(mut self) {
        self.stop();
        if let Some(market) = self.market.take() {
            // A market thread that panicked has nothing left to stop.
            let _ = tokio::task::spawn_blocking(move || market.join()).await;
        }
    }

    fn stop(&mut self) {
        self.host.stopping.store(true, Ordering::Release);
        self.tasks.iter().for_each(AbortHandle::abort);
        self.host.connections.each(Socket::All, |one| one.kill(false));
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
    /// Plays the fault now, from any thread.
    pub fn inject(&self, fault: &FaultKind) {
        self.host.play(fault);
    }
}

async fn strike(host: Arc<Host>, fault: Fault) {
    tokio::time::sleep(fault.at).await;
    host.play(&fault.kind);
}

async fn keep_time(host: Arc<Host>) {
    let mut every = tokio::time::interval(TIMER_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        every.tick().await;
        let now = host.now();
        host.venue().on_timer(now);
    }
}

async fn listen(config: &SimulatorConfig) -> Result<Vec<TcpListener>, SimulatorError> {
    let mut listeners = Vec::new();
    for offset in 0..PORTS {
        let port = match config.port_base {
            None => 0,
            Some(base) => base.checked_add(offset).ok_or(SimulatorError::PortBase(base))?,
        };
        let address = std::net::SocketAddr::new(config.listen, port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| SimulatorError::Listen { address: address.to_string(), source })?;
        listeners.push(listener);
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
    listeners: &[TcpListener],
    transport: Transport,
) -> Result<UsdmEndpoints, SimulatorError> {
    let mut bound = Vec::new();
    for listener in listeners {
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
    let (rest, streams, orders) = (at(0), at(1), at(2));
    Ok(UsdmEndpoints {
        rest: format!("http{s}://{rest}"),
        ws_public: format!("ws{s}://{streams}/public"),
        ws_market: format!("ws{s}://{streams}/market"),
        ws_private: format!("ws{s}://{streams}/private"),
        ws_api: format!("ws{s}://{orders}/ws-fapi/v1"),
    })
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
const PORTS: u16 = 3;
