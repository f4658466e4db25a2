//! The venues: sessions, clocks and budgets.

use axum::Json;
use axum::extract::State;
use enigma_engine::snapshot::{ReadModel, SessionView};
use enigma_types::{AccountId, SessionKind, VenueId};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use crate::app::App;
use crate::order_counts::OrderCounts;
use crate::timestamp::{rfc3339, wall_now};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Venue {
    venue: &'static str,
    environment: &'static str,
    symbols: Vec<String>,
    sessions: Vec<Session>,
    /// The venue's clock minus ours, in nanoseconds; with how sure that is.
    clock_offset_ns: i64,
    clock_uncertainty_ns: i64,
    last_message: Option<String>,
    last_message_ns: Option<u64>,
    rate_limits: Vec<Budget>,
    orders_open: u64,
    /// Orders of which nobody knows whether they were executed.
    orders_unknown: u64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Session {
    venue: &'static str,
    /// `market`, `order` or `account`.
    session: &'static str,
    account: String,
    /// `down`, `connecting`, `syncing`, `ready` or `stale`.
    state: &'static str,
    since: String,
    since_ns: u64,
    reconnects: u64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Budget {
    bucket: &'static str,
    remaining: u64,
}

impl Session {
    pub(crate) fn new(
        key: (VenueId, AccountId, SessionKind),
        view: &SessionView,
        account: String,
    ) -> Self {
        Self {
            venue: key.0.name(),
            session: key.2.name(),
            account,
            state: view.state.name(),
            since: rfc3339(view.since),
            since_ns: view.since.0,
            reconnects: view.reconnects,
        }
    }

    /// All sessions of a venue, by account and kind.
    pub(crate) fn of_venue(app: &App, model: &ReadModel, venue: VenueId) -> Vec<Self> {
        let accounts = app.engine.status().accounts;
        let name = |id: AccountId| {
            let row = accounts.iter().find(|(account, ..)| *account == id);
            row.map_or_else(|| format!("account {}", id.0), |(_, name, ..)| name.clone())
        };
        let rows = model.sessions.iter().filter(|((at, ..), _)| *at == venue);
        rows.map(|(key, view)| Self::new(*key, view, name(key.1))).collect()
    }
}

/// The venues of this run.
#[utoipa::path(get, path = "/v1/venues", tag = "venues",
    responses((status = 200, body = Page<Venue>)))]
pub(crate) async fn list(State(app): State<App>) -> Json<Page<Venue>> {
    let naming = app.naming().ok();
    let model = app.engine.model();
    let metrics = app.engine.metrics();
    let venue = |facts: &crate::app::VenueFacts| {
        let numbers = metrics.trading.venue(facts.venue);
        let last = app.engine.gateway().last_message(facts.venue);
        let counts = naming.as_ref().map(|naming| OrderCounts::of(&model, naming, facts.venue));
        let counts = counts.unwrap_or_default();
        Venue {
            venue: facts.venue.name(),
            environment: facts.environment,
            symbols: facts.symbols.clone(),
            sessions: Session::of_venue(&app, &model, facts.venue),
            clock_offset_ns: numbers.clock_offset_ns.get(),
            clock_uncertainty_ns: numbers.clock_uncertainty_ns.get(),
            last_message: last.map(rfc3339),
            last_message_ns: last.map(|at| at.0),
            rate_limits: budgets(&app, facts.venue),
            orders_open: counts.open,
            orders_unknown: counts.unknown,
        }
    };
    Json(Page::whole(app.facts.venues.iter().map(venue).collect()))
}

fn budgets(app: &App, venue: VenueId) -> Vec<Budget> {
    let left = app.engine.gateway().rate_limits(venue, wall_now());
    left.into_iter().map(|left| Budget { bucket: left.bucket, remaining: left.remaining }).collect()
}
