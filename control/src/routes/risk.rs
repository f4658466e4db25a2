//! The engine's limits and the checks that use them.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use enigma_engine::command::DeskCommand;
use enigma_engine::snapshot::ReadModel;
use enigma_types::RiskLimits;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::problem::Problem;
use crate::request::{JsonBody, header as text_of};
use crate::risk_checks::{RiskCheckRow, checks};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, set))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Risk {
    #[schema(value_type = Object)]
    limits: RiskLimits,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = RiskCheck)]
pub(crate) struct Check {
    /// `C1` and so on.
    code: String,
    name: &'static str,
    description: &'static str,
    /// Every one: the journal keeps a sample of a flood.
    rejections: u64,
}

impl Risk {
    pub(crate) fn new(app: &App, model: &ReadModel) -> Self {
        // Not from the journal, which keeps a sample of a flood: every one is counted.
        let counters = &app.engine.metrics().trading;
        let check = |row: RiskCheckRow| Check {
            code: format!("C{}", row.code),
            name: row.name,
            description: row.description,
            rejections: counters.risk_rejections(row.code).map_or(0, |count| count.get()),
        };
        Self { limits: model.limits.clone(), checks: checks().map(check).collect() }
    }
}

/// The limits in force. The answer's `ETag` goes into `If-Match` to change them.
#[utoipa::path(get, path = "/v1/risk", tag = "risk", responses((status = 200, body = Risk)))]
pub(crate) async fn show(State(app): State<App>) -> Response {
    answer(&app)
}

/// Replaces the limits, all of them, if they are still those of `If-Match`.
#[utoipa::path(put, path = "/v1/risk", tag = "risk", request_body = Object,
    params(("If-Match" = String, Header, description = "the ETag that GET answered")),
    responses((status = 200, body = Risk), (status = 412, body = Problem),
              (status = 422, body = Problem), (status = 428, body = Problem)))]
pub(crate) async fn set(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(limits): JsonBody<RiskLimits>,
) -> Result<Response, Problem> {
    let expected = text_of(&headers, "if-match").ok_or_else(|| {
        let detail = "If-Match with the ETag of GET /v1/risk is needed";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "if_match_required", detail)
    })?;
    let _editing = app.limits_edit.lock().await;
    let version = app.engine.model().limits_version;
    if expected != entity_tag(version) {
        let detail = "the limits were changed meanwhile: read them again";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "limits_changed", detail));
    }
    let json = serde_json::to_string(&limits)
        .map_err(|_| Problem::internal("the limits can't be written"))?;
    let command = DeskCommand::SetLimits { limits: Box::new(limits), json: json.into() };
    app.execute(command).await?;
    app.wait_until(|| app.engine.model().limits_version != version).await;
    tracing::info!("limits changed");
    Ok(answer(&app))
}

fn answer(app: &App) -> Response {
    let model = app.engine.model();
    let tag = entity_tag(model.limits_version);
    ([(header::ETAG, tag)], Json(Risk::new(app, &model))).into_response()
}

fn entity_tag(version: u64) -> String {
    format!("\"limits-{version}\"")
}
