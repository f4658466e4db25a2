//! `enigma run`: the simulator if it is wanted, the engine, the API around it, and an orderly end.

mod announcement;
mod data_directory;
mod launch;
pub(crate) mod listen;
mod placement;
mod progress;
mod simulation;
mod strategies;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enigma_config::{Loaded, Settings};
use enigma_engine::history::HistorySource;
use enigma_engine::{Engine as Launcher, EngineError, EngineHandle, pin};
use enigma_simulator::SimulatorError;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Semaphore, watch};

pub(crate) use self::data_directory::{CLI_TOKEN, CLI_URL, Holder, holder};

use self::announcement::announce;
use self::data_directory::DataDirectory;
use self::simulation::{ExternalError, Simulation};
use crate::access::{Access, Token};
use crate::app::{App, Facts, VenueFacts};
use crate::engine::Engine;
use crate::manual_orders::{ManualOrders, last_of_earlier_processes};
use crate::store::{Following, StoreError};
use crate::tally::OrderTally;
use crate::timestamp::wall_now;
use crate::{events, routes};

/// Why a daemon can't start, or ended badly. Each says what the operator can do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("{0} is in use, maybe by another daemon: give another --listen address")]
    PortInUse(SocketAddr),
    #[error("can't listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("data directory {path} can't be used: {source}")]
    DataDirectory { path: String, source: io::Error },
    #[error("data directory {path} is in use by process {process}")]
    DataDirectoryInUse { path: String, process: String },
    #[error("the simulator can't start: {0}")]
    Simulator(#[from] SimulatorError),
    #[error(transparent)]
    External(#[from] ExternalError),
    #[error("a test account's key can't be used: {0}")]
    Key(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("store.url: {0}")]
    Store(#[from] StoreError),
    #[error("the runtime can't start: {0}")]
    Runtime(io::Error),
    #[error("the system gives no randomness for tokens")]
    Entropy,
    #[error("the API ended: {0}")]
    Serve(io::Error),
    #[error("ended by a second signal, before every order was seen closed")]
    Interrupted,
    #[error("not every order was seen closed within {} seconds", DRAIN.as_secs())]
    NotSettled,
}

/// Runs until a signal, or until something that can't be mended.
pub(crate) fn run(loaded: &Loaded, external_simulator: bool) -> Result<(), DaemonError> {
    let settings = &loaded.settings;
    placement::leave_spinning_core(&settings.engine);
    let listener = listen::bind(settings.daemon.listen)?;
    let directory = DataDirectory::open(&settings.daemon.data_dir)?;
    if let Err(error) = pin::lock_memory() {
        tracing::warn!("{error}");
    }
    let simulation = Simulation::begin(settings, external_simulator)?;
    let engine_settings = launch::engine_settings(settings, &directory, &simulation)?;
    let history = HistorySource::new(&engine_settings);
    let handle = Launcher::start(engine_settings)?;
    let runtime = placement::runtime("enigma-control", WORKERS).map_err(DaemonError::Runtime)?;
    let outcome =
        runtime.block_on(serve(loaded, listener, &directory, &simulation, history, &handle));
    directory.remove_tokens();
    directory.remove_old_runs();
    end_quickly(runtime);
    simulation.end();
    outcome
}

const WORKERS: usize = 2;
/// How long a drain waits for the venues to confirm every cancel.
const DRAIN: Duration = Duration::from_secs(10);
/// How long open requests may take to end afterwards.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

async fn serve(
    loaded: &Loaded,
    listener: TcpListener,
    directory: &DataDirectory,
    simulation: &Simulation,
    history: HistorySource,
    handle: &EngineHandle,
) -> Result<(), DaemonError> {
    let settings = &loaded.settings;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(DaemonError::Serve)?;
    let address = listener.local_addr().map_err(DaemonError::Serve)?;
    let mut signals = Signals::new().map_err(DaemonError::Runtime)?;
    let token = || Token::random().map_err(|_| DaemonError::Entropy);
    let (cli, metrics, sign_in) = (token()?, token()?, token()?);
    let url = format!("http://{address}");
    directory.write_tokens(&cli, &metrics, &url)?;
    let access = Access::new(&cli, &metrics, &sign_in, Instant::now());
    let engine: Arc<dyn Engine> = Arc::new(handle.clone());
    let (newest, newest_event) = watch::channel(engine.model().events.next);
    let (drain, draining) = watch::channel(false);
    let tally = Arc::new(OrderTally::starting_at(engine.model().events.next));
    let last_order = last_of_earlier_processes(&engine.model(), wall_now());
    let keys = directory.open_keys(last_order)?;
    let following =
        Following::begin(&settings.store, directory.path(), history, Arc::clone(&engine))?;
    let app = App {
        engine: Arc::clone(&engine),
        store: Some(Arc::clone(&following.store)),
        access: Arc::new(access),
        manual_orders: Arc::new(ManualOrders::answered_before(&keys.locations())),
        idempotency: Arc::new(keys),
        limits_edit: Arc::new(Mutex::new(())),
        facts: Arc::new(facts(settings, simulation)),
        tally: Arc::clone(&tally),
        newest_event,
        draining: draining.clone(),
        streams: Arc::new(Semaphore::new(App::MOST_STREAMS)),
        requests: Arc::new(Semaphore::new(App::MOST_REQUESTS)),
    };
    announce(loaded, &url, &sign_in, simulation);
    drop((cli, metrics, sign_in));
    tokio::spawn(events::watch_newest(Arc::clone(&engine), tally, newest));
    tokio::spawn(strategies::create(app.clone(), settings.strategies.clone()));
    tokio::spawn(progress::show(app.clone()));
    let stopped = {
        let mut draining = draining.clone();
        async move {
            // An error means that the daemon is gone, which is the end too.
            let _ = draining.wait_for(|draining| *draining).await;
        }
    };
    let server = axum::serve(listener, routes::router(app)).with_graceful_shutdown(stopped);
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        ended = &mut server => {
            let error = io::Error::other("its task failed");
            ended.unwrap_or(Err(error)).map_err(DaemonError::Serve)?;
        }
        () = signals.stop(&engine) => {}
    }
    let _ = drain.send(true);
    let outcome = drain_engine(handle, &mut signals, &engine).await;
    following.end().await;
    let _ = tokio::time::timeout(LAST_REQUESTS, server).await;
    outcome
}

/// Stops strategies, cancels, waits for the venues. A second signal ends the wait.
async fn drain_engine(
    handle: &EngineHandle,
    signals: &mut Signals,
    engine: &Arc<dyn Engine>,
) -> Result<(), DaemonError> {
    tracing::info!("draining: strategies stop, orders are cancelled; a second signal ends at once");
    let handle = handle.clone();
    let draining = tokio::task::spawn_blocking(move || handle.shutdown(true, DRAIN));
    tokio::select! {
        settled = draining => match settled {
            Ok(true) => {
                tracing::info!("drained: every order of ours is closed");
                Ok(())
            }
            Ok(false) | Err(_) => Err(DaemonError::NotSettled),
        },
        () = signals.stop(engine) => Err(DaemonError::Interrupted),
    }
}

fn facts(settings: &Settings, simulation: &Simulation) -> Facts {
    let venue = |venue: &enigma_config::VenueSettings| VenueFacts {
        venue: venue.venue,
        environment: venue.environment.name(),
        symbols: venue.symbols.clone(),
    };
    Facts { venues: settings.venues.iter().map(venue).collect(), simulator: simulation.name() }
}

/// Blocking commands that still wait for an engine that is gone don't hold the process.
fn end_quickly(runtime: Runtime) {
    runtime.shutdown_timeout(Duration::from_secs(1));
}

/// SIGTERM and SIGINT drain; SIGUSR2 kills trading and lets the daemon go on.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    kill: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            kill: signal(SignalKind::user_defined2())?,
        })
    }

    /// Returns when the daemon is to end.
    async fn stop(&mut self, engine: &Arc<dyn Engine>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.kill.recv() => {
                    tracing::warn!("SIGUSR2: kill switch engaged");
                    let engine = Arc::clone(engine);
                    // A kill blocks for a fifth of a second; the loop stays free for signals.
                    tokio::task::spawn_blocking(move || engine.kill("SIGUSR2"));
                }
            }
        }
    }
}
