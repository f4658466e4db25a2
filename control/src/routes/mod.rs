//! The API, one file for each noun: parse, one command or one snapshot read, answer. No business
//! rule lives here.

pub(crate) mod balances;
pub(crate) mod export;
pub(crate) mod fees;
pub(crate) mod fill_pages;
pub(crate) mod fills;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod instruments;
pub(crate) mod kill_switch;
pub(crate) mod ledger;
pub(crate) mod order_acts;
pub(crate) mod order_pages;
pub(crate) mod orders;
pub(crate) mod page;
pub(crate) mod positions;
pub(crate) mod receipt;
pub(crate) mod risk;
pub(crate) mod session;
pub(crate) mod status;
pub(crate) mod strategies;
pub(crate) mod strategy_acts;
pub(crate) mod strategy_kinds;
pub(crate) mod venues;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::auth::guard;
use crate::problem::Problem;
use crate::{events, metrics, openapi};

/// A list, or a page of one. Without `next_cursor` there is nothing more.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
    /// Why older rows are missing, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incomplete: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None, incomplete: None }
    }
}

/// How many items a page has where the request doesn't say, and at the most.
pub(crate) const USUAL_PAGE: usize = 100;
pub(crate) const LARGEST_PAGE: usize = 1_000;

/// Largest body that any route reads.
const LARGEST_BODY_BYTES: usize = 64 << 10;

/// The whole API with its document.
pub(crate) fn router(app: App) -> Router {
    let documented = OpenApiRouter::with_openapi(openapi::document())
        .merge(session::routes())
        .merge(status::routes())
        .merge(venues::routes())
        .merge(instruments::routes())
        .merge(strategies::routes())
        .merge(strategy_acts::routes())
        .merge(strategy_kinds::routes())
        .merge(orders::routes())
        .merge(positions::routes())
        .merge(balances::routes())
        .merge(fills::routes())
        .merge(ledger::routes())
        .merge(export::routes())
        .merge(kill_switch::routes())
        .merge(risk::routes())
        .merge(events::routes())
        .merge(metrics::routes())
        .merge(health::routes());
    let (router, document) = documented.split_for_parts();
    let document = Arc::new(document);
    router
        .route("/", get(page::page))
        .route("/openapi.json", get(move || async move { Json(document.as_ref().clone()) }))
        .fallback(no_such_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found("no_such_path", format!("there is nothing at {}", uri.path()))
}

async fn method_not_allowed(uri: Uri) -> Problem {
    let detail = format!("{} doesn't take this method", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests;
