//! Liveness and readiness. `/livez` says that this process answers and asks nothing else, so that
//! a venue's outage never restarts the daemon.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use enigma_engine::handle::Phase;
use enigma_types::{SessionKind, SessionState};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ReadinessCheck)]
pub(crate) struct Check {
    name: &'static str,
    ok: bool,
    /// Why not; empty where it is.
    detail: String,
}

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, body = String)))]
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Whether strategies could trade now.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, Json<Readiness>) {
    let checks =
        vec![engine(&app), draining(&app), sessions(&app), reconciled(&app), journal(&app)];
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, checks }))
}

impl Check {
    fn new(name: &'static str, trouble: Option<String>) -> Self {
        Self { name, ok: trouble.is_none(), detail: trouble.unwrap_or_default() }
    }
}

fn engine(app: &App) -> Check {
    let trouble = match app.engine.status().phase {
        Phase::Running => None,
        Phase::LoadingInstruments { last_error } => {
            Some(last_error.unwrap_or_else(|| "instruments are being loaded".into()))
        }
        Phase::Draining => Some("the engine drains".into()),
        Phase::Stopped => Some("the engine is stopped".into()),
        Phase::Failed(reason) => Some(reason),
    };
    Check::new("engine", trouble)
}

fn draining(app: &App) -> Check {
    Check::new("daemon", app.draining.borrow().then(|| "the daemon drains".into()))
}

/// Each venue's market session, and the order and account session of each account.
fn sessions(app: &App) -> Check {
    let model = app.engine.model();
    let mut missing = Vec::new();
    for venue in &app.facts.venues {
        for kind in SessionKind::ALL {
            let mut states =
                model.sessions.iter().filter(|((at, _, of), _)| *at == venue.venue && *of == kind);
            let has_account = app.engine.status().accounts.iter().any(|row| row.2 == venue.venue);
            let needed = kind == SessionKind::Market || has_account;
            let all_ready = states.clone().all(|(_, view)| view.state == SessionState::Ready);
            if needed && !(all_ready && states.next().is_some()) {
                missing.push(format!("{} {}", venue.venue, kind.name()));
            }
        }
    }
    let trouble = (!missing.is_empty()).then(|| format!("not ready: {}", missing.join(", ")));
    Check::new("sessions", trouble)
}

fn reconciled(app: &App) -> Check {
    let accounts = app.engine.status().accounts;
    let model = app.engine.model();
    let open: Vec<&str> = accounts
        .iter()
        .filter(|(id, ..)| !model.reconciled.get(id).copied().unwrap_or(false))
        .map(|(_, name, ..)| name.as_str())
        .collect();
    let trouble = (!open.is_empty()).then(|| format!("not reconciled: {}", open.join(", ")));
    Check::new("reconciliation", trouble)
}

fn journal(app: &App) -> Check {
    let trouble = match app.engine.metrics().journal() {
        None => Some("not open yet".into()),
        Some(health) if health.is_healthy() => None,
        Some(health) => Some(health.last_fault()),
    };
    Check::new("journal", trouble)
}
