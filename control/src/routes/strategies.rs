//! Strategies: listed, created, changed, removed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use enigma_engine::command::DeskCommand;
use enigma_engine::snapshot::{ReadModel, StrategyView};
use enigma_types::{
    Amount, BookTop, Instrument, Parameters, StrategyLimits, StrategyName, StrategySpec,
};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use crate::app::App;
use crate::problem::Problem;
use crate::request::{JsonBody, strategy_in_path};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, change, remove))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Strategy {
    id: String,
    kind: &'static str,
    instruments: Vec<String>,
    #[schema(value_type = Object)]
    parameters: Parameters,
    #[schema(value_type = Object)]
    limits: StrategyLimits,
    /// `simulated` or `live`.
    mode: &'static str,
    /// `loaded`, `warming`, `running`, `paused`, `stopping`, `stopped` or `faulted`.
    state: &'static str,
    /// Why it is in this state; empty where nothing needs saying.
    reason: String,
    last_order: Option<String>,
    orders_sent: u64,
    fills: u64,
    /// Net, in the base asset; positive when long.
    position: String,
    result: StrategyResult,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct StrategyResult {
    /// Sells minus buys.
    cash: String,
    fees: String,
    /// Cash, less fees, with the position at the middle of the book; absent without a book.
    marked: Option<String>,
    asset: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StrategyChange)]
pub(crate) struct Change {
    /// Replaces all parameters.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Option<Parameters>,
    /// Replaces all limits of the strategy.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    limits: Option<StrategyLimits>,
}

impl Strategy {
    pub(crate) fn new(app: &App, view: &StrategyView) -> Self {
        let spec = &view.spec;
        let table = app.engine.instruments();
        let name = spec.instruments.first().map(String::as_str).unwrap_or_default();
        let instrument = table.as_ref().and_then(|table| table.by_name(name));
        let book = instrument.and_then(|instrument| app.engine.book(instrument.id));
        Self {
            id: spec.id.to_string(),
            kind: spec.kind.name(),
            instruments: spec.instruments.clone(),
            parameters: spec.parameters.clone(),
            limits: spec.limits.clone(),
            mode: view.mode.name(),
            state: view.state.name(),
            reason: view.reason.clone(),
            last_order: view.last_order.map(|id| id.to_string()),
            orders_sent: view.orders_sent,
            fills: view.fills,
            position: instrument.map_or_else(
                || "0".into(),
                |instrument| view.position.to_decimal(instrument.quantity_scale).to_string(),
            ),
            result: StrategyResult::new(view, instrument, book.as_ref()),
        }
    }

    /// The strategy of this name as the model has it now.
    pub(crate) fn by_name(app: &App, name: StrategyName) -> Result<Self, Problem> {
        let model = app.engine.model();
        let view = find(&model, name).ok_or_else(|| no_such(name))?;
        Ok(Self::new(app, view))
    }
}

impl StrategyResult {
    fn new(view: &StrategyView, instrument: Option<&Instrument>, book: Option<&BookTop>) -> Self {
        let marked = instrument.zip(book.and_then(BookTop::mid)).map(|(instrument, mid)| {
            let value: Amount = instrument.value(mid, view.position);
            (view.cash + value - view.fees).to_string()
        });
        Self {
            cash: view.cash.to_string(),
            fees: view.fees.to_string(),
            marked,
            asset: instrument.map(|instrument| instrument.settle.to_string()),
        }
    }
}

/// All strategies.
#[utoipa::path(get, path = "/v1/strategies", tag = "strategies",
    responses((status = 200, body = Page<Strategy>)))]
pub(crate) async fn list(State(app): State<App>) -> Json<Page<Strategy>> {
    let model = app.engine.model();
    let items = model.strategies.values().map(|view| Strategy::new(&app, view)).collect();
    Json(Page::whole(items))
}

/// Creates a strategy in state loaded. It doesn't trade before it is started.
#[utoipa::path(post, path = "/v1/strategies", tag = "strategies", request_body = Object,
    responses((status = 201, body = Strategy), (status = 409, body = Problem),
              (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    JsonBody(spec): JsonBody<StrategySpec>,
) -> Result<Response, Problem> {
    let name = spec.id;
    let command = DeskCommand::Create { json: spec_json(&spec)?, spec: Box::new(spec) };
    app.execute(command).await?;
    app.wait_until(|| find(&app.engine.model(), name).is_some()).await;
    tracing::info!(strategy = %name, "strategy created");
    let location = [(header::LOCATION, format!("/v1/strategies/{name}"))];
    Ok((StatusCode::CREATED, location, Json(Strategy::by_name(&app, name)?)).into_response())
}

/// One strategy.
#[utoipa::path(get, path = "/v1/strategies/{id}", tag = "strategies",
    params(("id" = String, Path)),
    responses((status = 200, body = Strategy), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Strategy>, Problem> {
    Ok(Json(Strategy::by_name(&app, strategy_in_path(&id)?)?))
}

/// Changes parameters or limits of a strategy that isn't running.
#[utoipa::path(patch, path = "/v1/strategies/{id}", tag = "strategies",
    params(("id" = String, Path)), request_body = Change,
    responses((status = 200, body = Strategy), (status = 409, body = Problem),
              (status = 422, body = Problem)))]
pub(crate) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<Change>,
) -> Result<Json<Strategy>, Problem> {
    let name = strategy_in_path(&id)?;
    let mut spec = {
        let model = app.engine.model();
        find(&model, name).ok_or_else(|| no_such(name))?.spec.clone()
    };
    spec.parameters = change.parameters.unwrap_or(spec.parameters);
    spec.limits = change.limits.unwrap_or(spec.limits);
    let wanted = spec.clone();
    let command = DeskCommand::Update { json: spec_json(&spec)?, spec: Box::new(spec) };
    app.execute(command).await?;
    app.wait_until(|| find(&app.engine.model(), name).is_some_and(|view| view.spec == wanted))
        .await;
    tracing::info!(strategy = %name, "strategy changed");
    Ok(Json(Strategy::by_name(&app, name)?))
}

/// Removes a strategy that is loaded, stopped or faulted and has no open orders.
#[utoipa::path(delete, path = "/v1/strategies/{id}", tag = "strategies",
    params(("id" = String, Path)),
    responses((status = 204, description = "removed"), (status = 404, body = Problem),
              (status = 409, body = Problem)))]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let name = strategy_in_path(&id)?;
    app.execute(DeskCommand::Delete { strategy: name }).await?;
    app.wait_until(|| find(&app.engine.model(), name).is_none()).await;
    tracing::info!(strategy = %name, "strategy removed");
    Ok(StatusCode::NO_CONTENT)
}

/// The spec as the journal keeps it.
pub(crate) fn spec_json(spec: &StrategySpec) -> Result<Box<str>, Problem> {
    let json = serde_json::to_string(spec);
    Ok(json.map_err(|_| Problem::internal("the strategy can't be written"))?.into())
}

fn find(model: &ReadModel, name: StrategyName) -> Option<&StrategyView> {
    model.strategies.values().find(|view| view.spec.id == name)
}

fn no_such(name: StrategyName) -> Problem {
    Problem::not_found("no_such_strategy", format!("there is no strategy {name}"))
}
