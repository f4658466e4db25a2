//! What kinds of strategies there are, and what each takes.

use axum::Json;
use enigma_types::StrategyKind;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Kind {
    kind: &'static str,
    description: &'static str,
    /// The JSON Schema of its `parameters`, with `x-unit` and bounds; decimals are strings.
    #[schema(value_type = Object)]
    parameters: serde_json::Value,
}

/// Every kind of strategy with the schema of its parameters.
#[utoipa::path(get, path = "/v1/strategy-kinds", tag = "strategies",
    responses((status = 200, body = Page<Kind>)))]
pub(crate) async fn list() -> Json<Page<Kind>> {
    let kinds = StrategyKind::ALL.into_iter().map(|kind| Kind {
        kind: kind.name(),
        description: kind.description(),
        // A schema is made of texts and numbers alone, which JSON always takes.
        parameters: serde_json::to_value(kind.schema()).unwrap_or_default(),
    });
    Json(Page::whole(kinds.collect()))
}
