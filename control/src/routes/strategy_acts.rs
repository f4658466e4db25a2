//! Start, pause, resume and stop of a strategy.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use enigma_engine::command::{DeskCommand, Receipt};
use enigma_types::{Mode, StrategyName, StrategyState};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::receipt::BarrierReceipt;
use super::strategies::Strategy;
use crate::app::App;
use crate::idempotency::{Keyed, Span, Traced};
use crate::problem::Problem;
use crate::request::strategy_in_path;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(stop))
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// `simulated` where absent.
    #[serde(default)]
    mode: StartMode,
    /// The strategy's id, for live.
    #[serde(default)]
    confirm: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StartMode {
    /// Orders go to the simulator.
    #[default]
    Simulated,
    /// Not in this version.
    Paper,
    /// Not in this version.
    Shadow,
    /// Refused until there is a vault.
    Live,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Started {
    strategy: Strategy,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Halted {
    strategy: Strategy,
    #[serde(flatten)]
    receipt: BarrierReceipt,
}

/// Starts a strategy: it warms up until books, sessions and reconciliation are there, then runs.
#[utoipa::path(post, path = "/v1/strategies/{id}/start", tag = "strategies",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = Option<Start>),
    responses((status = 200, body = Started), (status = 404, body = Problem),
              (status = 409, body = Problem)))]
pub(crate) async fn start(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let name = strategy_in_path(&id)?;
    let wish = wish(&body)?;
    let scope = format!("start {name}");
    let request = Keyed::trades(&headers, &scope, &wish);
    let keys = app.idempotency.clone();
    let trace = tracing_back(&app, name, trace_start);
    let wish = wish.clone();
    let work = async move { begin(&app, name, &wish).await };
    Ok(keys.once(request, trace, work).await)
}

/// No new order leaves after this answer; open orders are cancelled.
#[utoipa::path(post, path = "/v1/strategies/{id}/pause", tag = "strategies",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Halted), (status = 404, body = Problem),
              (status = 409, body = Problem)))]
pub(crate) async fn pause(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let strategy = strategy_in_path(&id)?;
    let scope = format!("pause {strategy}");
    let keys = app.idempotency.clone();
    let work = async move {
        let receipt = app.execute(DeskCommand::Pause { strategy }).await?;
        tracing::info!(%strategy, "strategy paused");
        halted(&app, strategy, &receipt).await
    };
    // A pause of what is paused cancels what is open once more, and harms nothing.
    Ok(keys.once(Keyed::calms(&headers, &scope, &()), |_| Traced::Absent, work).await)
}

/// Lets a paused strategy go on.
#[utoipa::path(post, path = "/v1/strategies/{id}/resume", tag = "strategies",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Started), (status = 404, body = Problem),
              (status = 409, body = Problem)))]
pub(crate) async fn resume(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let strategy = strategy_in_path(&id)?;
    let scope = format!("resume {strategy}");
    let keys = app.idempotency.clone();
    let trace = tracing_back(&app, strategy, trace_resume);
    let work = async move {
        let receipt = app.execute(DeskCommand::Resume { strategy }).await?;
        tracing::info!(%strategy, "strategy resumed");
        shown(&app, strategy, receipt.state).await;
        Ok::<_, Problem>(Json(Started { strategy: Strategy::by_name(&app, strategy)? }))
    };
    Ok(keys.once(Keyed::trades(&headers, &scope, &()), trace, work).await)
}

/// Like pause, and stopped once the venue has confirmed every cancel.
#[utoipa::path(post, path = "/v1/strategies/{id}/stop", tag = "strategies",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Halted), (status = 404, body = Problem),
              (status = 409, body = Problem)))]
pub(crate) async fn stop(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let strategy = strategy_in_path(&id)?;
    let scope = format!("stop {strategy}");
    let keys = app.idempotency.clone();
    let trace = tracing_back(&app, strategy, trace_stop);
    let work = async move {
        let receipt = app.execute(DeskCommand::Stop { strategy }).await?;
        tracing::info!(%strategy, "strategy stopped");
        halted(&app, strategy, &receipt).await
    };
    Ok(keys.once(Keyed::calms(&headers, &scope, &()), trace, work).await)
}

/// Looks at the strategy as it is now, for a request that was never answered.
fn tracing_back(
    app: &App,
    name: StrategyName,
    judge: fn(Strategy, StrategyState) -> Traced,
) -> impl FnOnce(Span) -> Traced + Send + use<> {
    let app = app.clone();
    move |_| match Strategy::with_state(&app, name) {
        Ok((strategy, state)) => judge(strategy, state),
        Err(_) => Traced::Absent,
    }
}

/// After a restart a strategy that was started stands paused: that is what became of the start.
fn trace_start(strategy: Strategy, state: StrategyState) -> Traced {
    match state {
        StrategyState::Warming
        | StrategyState::Running
        | StrategyState::Paused
        | StrategyState::Stopping => Traced::Known(Json(Started { strategy }).into_response()),
        StrategyState::Loaded => Traced::Absent,
        // It may have run since and been ended, by its task or by somebody.
        StrategyState::Stopped | StrategyState::Faulted => Traced::InDoubt(unclear("start")),
    }
}

fn unclear(act: &str) -> Problem {
    let detail = format!(
        "the daemon ended before this was answered, and the strategy stands still: {act} it with \
         a new key"
    );
    Problem::conflict("idempotency_key_unclear", detail)
}

fn trace_resume(strategy: Strategy, state: StrategyState) -> Traced {
    match state {
        StrategyState::Warming | StrategyState::Running => {
            Traced::Known(Json(Started { strategy }).into_response())
        }
        StrategyState::Paused => Traced::InDoubt(unclear("resume")),
        StrategyState::Loaded
        | StrategyState::Stopping
        | StrategyState::Stopped
        | StrategyState::Faulted => Traced::Absent,
    }
}

fn trace_stop(strategy: Strategy, state: StrategyState) -> Traced {
    match state {
        StrategyState::Stopping | StrategyState::Stopped => {
            let receipt = BarrierReceipt::default();
            Traced::Known(Json(Halted { strategy, receipt }).into_response())
        }
        StrategyState::Loaded
        | StrategyState::Warming
        | StrategyState::Running
        | StrategyState::Paused
        | StrategyState::Faulted => Traced::Absent,
    }
}

/// An absent body means the defaults; any other must be JSON of the right shape.
fn wish(body: &Bytes) -> Result<Start, Problem> {
    if body.is_empty() {
        return Ok(Start::default());
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::invalid("invalid_body", error.to_string()))
}

async fn begin(app: &App, strategy: StrategyName, wish: &Start) -> Result<Response, Problem> {
    let mode = match wish.mode {
        StartMode::Simulated => Mode::Simulated,
        StartMode::Live => return Err(Problem::conflict("no_vault", "no vault yet")),
        StartMode::Paper | StartMode::Shadow => {
            let detail = "paper and shadow are not in this version: simulated is";
            return Err(Problem::conflict("not_in_this_version", detail));
        }
    };
    let receipt = app.execute(DeskCommand::Start { strategy, mode }).await?;
    tracing::info!(%strategy, mode = mode.name(), "strategy started");
    shown(app, strategy, receipt.state).await;
    Ok(Json(Started { strategy: Strategy::by_name(app, strategy)? }).into_response())
}

async fn halted(app: &App, name: StrategyName, receipt: &Receipt) -> Result<Json<Halted>, Problem> {
    shown(app, name, receipt.state).await;
    let receipt = BarrierReceipt::settled(app, receipt).await;
    Ok(Json(Halted { strategy: Strategy::by_name(app, name)?, receipt }))
}

/// Waits until the read model has left the state before the command. It may be further already:
/// warming turns to running, and stopping to stopped, by themselves.
async fn shown(app: &App, name: StrategyName, state: Option<StrategyState>) {
    let Some(state) = state else { return };
    let reached = |now: StrategyState| match state {
        StrategyState::Warming => matches!(now, StrategyState::Warming | StrategyState::Running),
        StrategyState::Stopping => matches!(now, StrategyState::Stopping | StrategyState::Stopped),
        StrategyState::Loaded
        | StrategyState::Running
        | StrategyState::Paused
        | StrategyState::Stopped
        | StrategyState::Faulted => now == state,
    };
    app.wait_until(|| {
        let model = app.engine.model();
        let mut views = model.strategies.values();
        views.any(|view| view.spec.id == name && reached(view.state))
    })
    .await;
}
