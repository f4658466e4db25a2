//! Strategies: listed, created, changed, removed.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use enigma_engine::command::DeskCommand;
use enigma_engine::snapshot::{ReadModel, StrategyView};
use enigma_types::{
    Amount, BookTop, Instrument, Parameters, StrategyLimits, StrategyName, StrategySpec,
    StrategyState,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use super::fees::{self, Fee};
use crate::app::App;
use crate::idempotency::{Keyed, Traced};
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
    /// By the asset they were paid in.
    fees: Vec<Fee>,
    /// Cash, less fees in the same asset, with the position at the middle of the book; absent
    /// without a book.
    marked: Option<String>,
    asset: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StrategyChange)]
pub(crate) struct Change {
    /// Parameters that change. Those that are missing keep their value; null takes one away.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Map<String, Value>,
    /// Limits of the strategy that change, in the same way.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    limits: Map<String, Value>,
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

    pub(crate) fn with_state(
        app: &App,
        name: StrategyName,
    ) -> Result<(Self, StrategyState), Problem> {
        let model = app.engine.model();
        let view = find(&model, name).ok_or_else(|| no_such(name))?;
        Ok((Self::new(app, view), view.state))
    }
}

impl StrategyResult {
    fn new(view: &StrategyView, instrument: Option<&Instrument>, book: Option<&BookTop>) -> Self {
        let marked = instrument.zip(book.and_then(BookTop::mid)).map(|(instrument, mid)| {
            let value: Amount = instrument.value(mid, view.position);
            (view.cash + value - view.fees.of(&instrument.settle)).to_string()
        });
        Self {
            cash: view.cash.to_string(),
            fees: fees::by_asset(&view.fees),
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
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Strategy), (status = 409, body = Problem),
              (status = 422, body = Problem)))]
pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(spec): JsonBody<StrategySpec>,
) -> Response {
    let request = Keyed::trades(&headers, "POST /v1/strategies", &spec);
    let keys = app.idempotency.clone();
    let trace = {
        let (app, spec) = (app.clone(), spec.clone());
        move |_| trace_creation(&app, &spec)
    };
    let spec = spec.clone();
    let work = async move { create_strategy(&app, spec).await };
    keys.once(request, trace, work).await
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

/// Changes parameters or limits of a strategy that isn't running: what is named changes, the rest
/// keeps its value.
#[utoipa::path(patch, path = "/v1/strategies/{id}", tag = "strategies",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Change,
    responses((status = 200, body = Strategy), (status = 409, body = Problem),
              (status = 422, body = Problem)))]
pub(crate) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(change): JsonBody<Change>,
) -> Result<Response, Problem> {
    let name = strategy_in_path(&id)?;
    let scope = format!("PATCH /v1/strategies/{name}");
    let request = Keyed::trades(&headers, &scope, &change);
    let keys = app.idempotency.clone();
    let change = change.clone();
    let work = async move { change_strategy(&app, name, &change).await };
    // A change names values: made twice, it is the same.
    Ok(keys.once(request, |_| Traced::Absent, work).await)
}

/// Removes a strategy that is loaded, stopped or faulted and has no open orders.
#[utoipa::path(delete, path = "/v1/strategies/{id}", tag = "strategies",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 204, description = "removed"), (status = 404, body = Problem),
              (status = 409, body = Problem)))]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = strategy_in_path(&id)?;
    let scope = format!("DELETE /v1/strategies/{name}");
    let keys = app.idempotency.clone();
    let trace = {
        let app = app.clone();
        move |_| match find(&app.engine.model(), name) {
            None => Traced::Known(StatusCode::NO_CONTENT.into_response()),
            Some(_) => Traced::Absent,
        }
    };
    let work = async move {
        app.execute(DeskCommand::Delete { strategy: name }).await?;
        app.wait_until(|| find(&app.engine.model(), name).is_none()).await;
        tracing::info!(strategy = %name, "strategy removed");
        Ok::<_, Problem>(StatusCode::NO_CONTENT)
    };
    Ok(keys.once(Keyed::calms(&headers, &scope, &()), trace, work).await)
}

async fn create_strategy(app: &App, spec: StrategySpec) -> Result<Response, Problem> {
    let name = spec.id;
    let command = DeskCommand::Create { json: spec_json(&spec)?, spec: Box::new(spec) };
    app.execute(command).await?;
    app.wait_until(|| find(&app.engine.model(), name).is_some()).await;
    tracing::info!(strategy = %name, "strategy created");
    Ok(created(Strategy::by_name(app, name)?))
}

fn created(strategy: Strategy) -> Response {
    let location = [(header::LOCATION, format!("/v1/strategies/{}", strategy.id))];
    (StatusCode::CREATED, location, Json(strategy)).into_response()
}

fn trace_creation(app: &App, spec: &StrategySpec) -> Traced {
    match find(&app.engine.model(), spec.id) {
        Some(view) if view.spec == *spec => Traced::Known(created(Strategy::new(app, view))),
        Some(_) | None => Traced::Absent,
    }
}

async fn change_strategy(
    app: &App,
    name: StrategyName,
    change: &Change,
) -> Result<Json<Strategy>, Problem> {
    let mut spec = {
        let model = app.engine.model();
        find(&model, name).ok_or_else(|| no_such(name))?.spec.clone()
    };
    spec.parameters = merged(&spec.parameters, &change.parameters)?;
    spec.limits = merged(&spec.limits, &change.limits)?;
    let wanted = spec.clone();
    let command = DeskCommand::Update { json: spec_json(&spec)?, spec: Box::new(spec) };
    app.execute(command).await?;
    app.wait_until(|| find(&app.engine.model(), name).is_some_and(|view| view.spec == wanted))
        .await;
    tracing::info!(strategy = %name, "strategy changed");
    Ok(Json(Strategy::by_name(app, name)?))
}

/// What is held with the changes over it; null takes a value away.
fn merged<T: Serialize + DeserializeOwned>(
    held: &T,
    changes: &Map<String, Value>,
) -> Result<T, Problem> {
    let mut value = serde_json::to_value(held)
        .map_err(|_| Problem::internal("the strategy can't be written"))?;
    if let Value::Object(fields) = &mut value {
        for (name, change) in changes {
            if change.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), change.clone());
            }
        }
    }
    serde_json::from_value(value)
        .map_err(|error| Problem::invalid("invalid_body", error.to_string()))
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
