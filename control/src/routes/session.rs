//! Signing in and out, and who one is.

use std::time::Instant;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Access, Caller, SignInError};
use crate::app::App;
use crate::auth::{COOKIE, session_cookie};
use crate::problem::Problem;
use crate::request::JsonBody;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(sign_in, sign_out)).routes(routes!(me))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The single-use token that the daemon printed at its start.
    token: String,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Me {
    user: &'static str,
    roles: [&'static str; 6],
    /// `session` or `token`.
    signed_in_by: &'static str,
}

/// Trades the printed token for a session cookie.
#[utoipa::path(post, path = "/v1/session", tag = "session", request_body = SignIn,
    responses((status = 204, description = "signed in; the session is in the cookie"),
              (status = 401, body = Problem), (status = 429, body = Problem)))]
pub(crate) async fn sign_in(
    State(app): State<App>,
    JsonBody(body): JsonBody<SignIn>,
) -> Result<Response, Problem> {
    let session = app.access.sign_in(&body.token, Instant::now()).map_err(|error| match error {
        SignInError::Refused => {
            Problem::new(StatusCode::UNAUTHORIZED, "sign_in_refused", error.to_string())
        }
        SignInError::TooMany => Problem::too_many(error.to_string()),
        SignInError::Entropy => Problem::internal(error.to_string()),
    })?;
    tracing::info!("owner signed in");
    let age = Access::SESSION_LIFETIME.as_secs();
    let cookie =
        format!("{COOKIE}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}", session.reveal());
    with_cookie(&cookie)
}

/// Ends the session.
#[utoipa::path(delete, path = "/v1/session", tag = "session",
    responses((status = 204, description = "signed out")))]
pub(crate) async fn sign_out(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(session) = session_cookie(&headers) {
        app.access.sign_out(session);
    }
    with_cookie(&format!("{COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"))
}

/// Who this request comes from.
#[utoipa::path(get, path = "/v1/me", tag = "session", responses((status = 200, body = Me)))]
pub(crate) async fn me(Extension(caller): Extension<Caller>) -> Json<Me> {
    let signed_in_by = match caller {
        Caller::Session => "session",
        Caller::Bearer | Caller::Scraper => "token",
    };
    let roles = ["viewer", "operator", "trader", "risk", "admin", "auditor"];
    Json(Me { user: "owner", roles, signed_in_by })
}

fn with_cookie(cookie: &str) -> Result<Response, Problem> {
    let mut value = HeaderValue::from_str(cookie)
        .map_err(|_| Problem::internal("the session can't be written as a cookie"))?;
    value.set_sensitive(true);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, value)]).into_response())
}
