//! The door of the API: every request passes here before any handler. Host names are checked
//! against DNS rebinding, browsers' unsafe requests against other sites' pages.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::access::Caller;
use crate::app::App;
use crate::problem::Problem;
use crate::request::header as text_of;

pub(crate) const COOKIE: &str = "enigma_session";

/// Checks host, origin and credentials, bounds time and number, and sets the headers of every
/// answer.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let began = Instant::now();
    let admitted = admit(&app, &request, began);
    let response = match admitted {
        Err(problem) => problem.into_response(),
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            bounded(&app, &path, next.run(request)).await
        }
    };
    tracing::debug!(
        request = id.to_str().unwrap_or_default(),
        %method,
        path,
        status = response.status().as_u16(),
        elapsed_us = began.elapsed().as_micros(),
        "request"
    );
    finish(response, id)
}

const KILL_SWITCH: &str = "/v1/kill-switch";

/// How long any handler may take until its answer begins.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(20);

fn admit(app: &App, request: &Request, now: Instant) -> Result<Option<Caller>, Problem> {
    let headers = request.headers();
    check_host(headers)?;
    let unsafe_method = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let path = request.uri().path();
    if is_open(path, request.method()) {
        if unsafe_method {
            check_origin(headers, true)?;
        }
        return Ok(None);
    }
    let caller = identify(app, headers, now).ok_or_else(Problem::unauthenticated)?;
    if unsafe_method && *app.draining.borrow() && path != KILL_SWITCH {
        return Err(Problem::unavailable("draining", "the daemon drains and takes no new work"));
    }
    match caller {
        Caller::Scraper => {
            Err(Problem::forbidden("scrape_only", "this token opens /metrics and nothing else"))
        }
        Caller::Session if unsafe_method => {
            check_origin(headers, false)?;
            Ok(Some(caller))
        }
        Caller::Session | Caller::Bearer => Ok(Some(caller)),
    }
}

/// `/metrics` is open because only loopback is listened on; another address will need its token.
fn is_open(path: &str, method: &Method) -> bool {
    matches!(path, "/" | "/livez" | "/readyz" | "/metrics")
        || (path == "/v1/session" && *method == Method::POST)
}

/// A browser that another site's name was pointed at us sends that name: it is refused.
fn check_host(headers: &HeaderMap) -> Result<(), Problem> {
    let host = text_of(headers, "host").unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if loopback || name == "localhost" {
        return Ok(());
    }
    Err(Problem::forbidden("wrong_host", "this daemon answers to loopback names only"))
}

/// `Sec-Fetch-Site` where the browser sends it, `Origin` against `Host` where it doesn't. A
/// request with neither comes from no browser: whether that may be, the caller says.
fn check_origin(headers: &HeaderMap, absent_is_fine: bool) -> Result<(), Problem> {
    let same = match (text_of(headers, "sec-fetch-site"), text_of(headers, "origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text_of(headers, "host").unwrap_or_default();
            origin.strip_prefix("http://") == Some(host)
        }
        (None, None) => absent_is_fine,
    };
    if same {
        return Ok(());
    }
    Err(Problem::forbidden("cross_site", "a session may be used from this daemon's own pages only"))
}

fn identify(app: &App, headers: &HeaderMap, now: Instant) -> Option<Caller> {
    if let Some(authorization) = text_of(headers, "authorization") {
        let token = authorization.strip_prefix("Bearer ")?;
        return app.access.bearer(token.trim());
    }
    app.access.session(session_cookie(headers)?, now)
}

pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = text_of(headers, "cookie")?;
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

/// What stops trading is never kept waiting behind other requests.
async fn bounded(app: &App, path: &str, work: impl Future<Output = Response>) -> Response {
    let emergency = path == KILL_SWITCH || path.ends_with("/pause") || path.ends_with("/stop");
    let place = app.requests.try_acquire();
    if place.is_err() && !emergency {
        return Problem::unavailable("busy", "too many requests at once").into_response();
    }
    match tokio::time::timeout(HANDLER_TIMEOUT, work).await {
        Ok(response) => response,
        Err(_) => {
            let status = axum::http::StatusCode::GATEWAY_TIMEOUT;
            Problem::new(status, "timed_out", "the request took too long").into_response()
        }
    }
}

/// The sender's own id where it is short and plain, else a fresh one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let given = headers.get("x-request-id").filter(|value| {
        let bytes = value.as_bytes();
        !bytes.is_empty() && bytes.len() <= 64 && bytes.iter().all(|byte| legal(*byte))
    });
    if let Some(given) = given {
        return given.clone();
    }
    let number = getrandom::u64().unwrap_or_default();
    HeaderValue::from_str(&format!("{number:016x}"))
        .unwrap_or_else(|_| HeaderValue::from_static("none"))
}

fn finish(mut response: Response, id: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert("x-request-id", id);
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
