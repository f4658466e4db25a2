//! One look at everything: what `enigma status` prints.

use axum::Json;
use axum::extract::State;
use enigma_engine::handle::Phase;
use enigma_engine::latency::HistogramSnapshot;
use enigma_engine::settings::Waiting;
use enigma_engine::snapshot::{OrderState, ReadModel};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::kill_switch::KillSwitch;
use super::venues::Session;
use crate::app::App;
use crate::naming::environment_name;
use crate::timestamp::{rfc3339, wall_now};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Status {
    version: &'static str,
    /// `loading_instruments`, `running`, `draining`, `stopped` or `failed`.
    phase: &'static str,
    /// Why the phase isn't `running`, where there is a reason.
    detail: Option<String>,
    started_at: String,
    started_at_ns: u64,
    uptime_seconds: u64,
    layout: &'static str,
    waiting: &'static str,
    core: Option<usize>,
    clock_source: &'static str,
    /// `embedded`, `external` or absent.
    simulator: Option<&'static str>,
    run: u32,
    /// How this installation's orders are told from everybody else's.
    order_prefix: Option<String>,
    accounts: Vec<Account>,
    sessions: Vec<Session>,
    kill_switch: KillSwitch,
    strategies: Strategies,
    orders: Orders,
    /// Kept by the read model: the newest 100,000.
    fills: usize,
    journal: Option<Journal>,
    store: Option<History>,
    latency: Latency,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Account {
    account: String,
    venue: &'static str,
    environment: &'static str,
    reconciled: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Strategies {
    total: usize,
    running: usize,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Orders {
    /// May still trade.
    open: usize,
    /// Nobody knows whether they were executed.
    unknown: usize,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Journal {
    healthy: bool,
    detail: String,
    written_bytes: u64,
    unsynced_bytes: u64,
    ring_used_bytes: u64,
    ring_path: String,
    recovered_records: u64,
}

/// The store of history. Trading doesn't depend on it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct History {
    /// `sqlite` or `postgres`.
    kind: &'static str,
    healthy: bool,
    /// What went wrong last.
    detail: String,
    /// The journal's last record whose rows are in the store.
    filled_to: u64,
    /// Records that the journal has on disk and the store hasn't yet.
    lag_records: u64,
}

/// Durations in nanoseconds since the start.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Latency {
    tick_to_order: Quantiles,
    order_ack: Quantiles,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Quantiles {
    n: u64,
    p50_ns: u64,
    p99_ns: u64,
    p999_ns: u64,
    max_ns: u64,
}

impl Latency {
    pub(crate) fn new(app: &App) -> Self {
        let latency = &app.engine.metrics().latency;
        Self {
            tick_to_order: Quantiles::new(&latency.tick_to_order.snapshot()),
            order_ack: Quantiles::new(&latency.order_ack.snapshot()),
        }
    }
}

impl Quantiles {
    fn new(snapshot: &HistogramSnapshot) -> Self {
        Self {
            n: snapshot.count(),
            p50_ns: snapshot.quantile(50, 100),
            p99_ns: snapshot.quantile(99, 100),
            p999_ns: snapshot.quantile(999, 1_000),
            max_ns: snapshot.max_ns(),
        }
    }
}

/// What runs, and how it is.
#[utoipa::path(get, path = "/v1/status", tag = "status", responses((status = 200, body = Status)))]
pub(crate) async fn show(State(app): State<App>) -> Json<Status> {
    let engine = app.engine.status();
    let (phase, detail) = phase_name(&engine.phase);
    let journal = journal(&app, &engine);
    let store = history(&app);
    let model = app.engine.model();
    let sessions = app.facts.venues.iter();
    let sessions = sessions.flat_map(|facts| Session::of_venue(&app, &model, facts.venue));
    let uptime_ns = wall_now().0.saturating_sub(engine.started_at.0);
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        phase,
        detail,
        started_at: rfc3339(engine.started_at),
        started_at_ns: engine.started_at.0,
        uptime_seconds: uptime_ns / 1_000_000_000,
        layout: engine.layout,
        waiting: match engine.waiting {
            Waiting::Spin => "spin",
            Waiting::Block => "block",
        },
        core: engine.core,
        clock_source: engine.clock_source,
        simulator: app.facts.simulator,
        run: model.run,
        order_prefix: model.prefix.map(|prefix| prefix.as_str().to_owned()),
        accounts: engine
            .accounts
            .iter()
            .map(|(id, name, venue, environment)| Account {
                account: name.clone(),
                venue: venue.name(),
                environment: environment_name(*environment),
                reconciled: model.reconciled.get(id).copied().unwrap_or(false),
            })
            .collect(),
        sessions: sessions.collect(),
        kill_switch: KillSwitch::new(&model),
        strategies: strategies(&model),
        orders: orders(&model),
        fills: model.fills.len(),
        journal,
        store,
        latency: Latency::new(&app),
    })
}

fn strategies(model: &ReadModel) -> Strategies {
    let running = model
        .strategies
        .values()
        .filter(|view| view.state == enigma_types::StrategyState::Running)
        .count();
    Strategies { total: model.strategies.len(), running }
}

fn orders(model: &ReadModel) -> Orders {
    let (mut open, mut unknown) = (0, 0);
    for view in model.orders.values() {
        open += usize::from(view.state.is_live());
        unknown += usize::from(view.state == OrderState::Unknown);
    }
    Orders { open, unknown }
}

fn journal(app: &App, engine: &enigma_engine::handle::EngineStatus) -> Option<Journal> {
    let metrics = app.engine.metrics();
    let (health, ring) = (metrics.journal()?, metrics.journal_ring()?);
    Some(Journal {
        healthy: health.is_healthy(),
        detail: health.last_fault(),
        written_bytes: health.written_bytes(),
        unsynced_bytes: ring.unsynced(),
        ring_used_bytes: ring.used(),
        ring_path: engine.ring_path.display().to_string(),
        recovered_records: engine.recovered_records,
    })
}

fn history(app: &App) -> Option<History> {
    let store = app.store.as_ref()?;
    let durable = app.engine.metrics().journal().map_or(0, |health| health.synced_sequence());
    Some(History {
        kind: store.kind(),
        healthy: !store.status.is_failing(),
        detail: store.status.last_fault(),
        filled_to: store.status.filled_to(),
        lag_records: store.status.lag(durable),
    })
}

fn phase_name(phase: &Phase) -> (&'static str, Option<String>) {
    match phase {
        Phase::LoadingInstruments { last_error } => ("loading_instruments", last_error.clone()),
        Phase::Running => ("running", None),
        Phase::Draining => ("draining", None),
        Phase::Stopped => ("stopped", None),
        Phase::Failed(reason) => ("failed", Some(reason.clone())),
    }
}
