//! Errors as the API says them: `application/problem+json` (RFC 9457) with a stable `code`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use enigma_engine::command::Refusal;
use enigma_engine::handle::CommandError;
use enigma_types::{ClientOrderId, NotSentCause};
use serde::Serialize;

/// One problem. `code` is what a program branches on; `detail` is for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Problem {
    /// `about:blank`: the code says it all.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    /// The risk check that refused, by name; only with code `risk_rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
    #[serde(skip)]
    retry_after_seconds: Option<u8>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            check: None,
            retry_after_seconds: None,
        }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        Self { retry_after_seconds: Some(1), ..problem }
    }

    pub(crate) fn too_many(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        Self { retry_after_seconds: Some(60), ..problem }
    }

    /// What was approved and journalled didn't leave: the venue knows nothing of it.
    pub(crate) fn not_sent(what: &str, cause: NotSentCause) -> Self {
        let detail = format!("{what} was not sent: {}", cause.name().replace('_', " "));
        let (status, code) = if cause == NotSentCause::RateLimit {
            (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not_sent")
        };
        let problem = Self::new(status, code, detail);
        Self { retry_after_seconds: Some(1), ..problem }
    }

    pub(crate) fn not_ready() -> Self {
        Self::unavailable("not_ready", "the venues' instruments aren't loaded yet")
    }

    pub(crate) fn unauthenticated() -> Self {
        let detail = "a session or a bearer token is needed";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }

    /// A request that came before with the same key has ended without an answer.
    pub(crate) fn unclear() -> Self {
        let detail = "the first request with this Idempotency-Key may still take effect";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timed_out", detail)
    }

    /// An order left, or may have, and can't be shown: whoever asked must not ask anew.
    pub(crate) fn placed_unseen(id: ClientOrderId) -> Self {
        let detail = format!("order {id} was placed and isn't shown yet: look for it by its id");
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timed_out", detail)
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::Refused(refusal) => refusal.into(),
            CommandError::QueueFull => Self::unavailable("queue_full", detail),
            CommandError::NotReady => Self::not_ready(),
            CommandError::TimedOut => Self::new(StatusCode::GATEWAY_TIMEOUT, "timed_out", detail),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NoSuchStrategy(_) => Self::not_found("no_such_strategy", detail),
            Refusal::NoSuchOrder(_) => Self::not_found("no_such_order", detail),
            Refusal::StrategyExists(_) => Self::conflict("strategy_exists", detail),
            Refusal::TooManyStrategies(_) => Self::conflict("too_many_strategies", detail),
            Refusal::WrongState { .. } => Self::conflict("wrong_state", detail),
            Refusal::OrdersOpen(_) => Self::conflict("orders_open", detail),
            Refusal::NoVault => Self::conflict("no_vault", detail),
            Refusal::OrderClosed(_) => Self::conflict("order_closed", detail),
            Refusal::RequestInFlight(_) => Self::conflict("request_in_flight", detail),
            Refusal::Killed => Self::conflict("killed", detail),
            Refusal::Spec(_) => Self::invalid("invalid_strategy", detail),
            Refusal::BadLimit(_) => Self::invalid("invalid_limit", detail),
            Refusal::NoAccount(_) => Self::conflict("no_account", detail),
            Refusal::TooLong { .. } => Self::invalid("too_long", detail),
            Refusal::JournalFull => Self::unavailable("journal_full", detail),
            Refusal::Draining => Self::unavailable("draining", detail),
            Refusal::Risk { check, .. } => {
                Self { check: Some(check), ..Self::invalid("risk_rejected", detail) }
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after_seconds;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use enigma_types::StrategyName;

    #[track_caller]
    fn check(error: CommandError, status: u16, code: &str) {
        let problem = Problem::from(error);
        assert_eq!((problem.status, problem.code), (status, code));
    }

    #[test]
    fn every_refusal_has_its_status_and_code() {
        let name = StrategyName::new();
        check(CommandError::Refused(Refusal::NoSuchStrategy(name)), 404, "no_such_strategy");
        check(CommandError::Refused(Refusal::StrategyExists(name)), 409, "strategy_exists");
        check(CommandError::Refused(Refusal::OrdersOpen(name)), 409, "orders_open");
        check(CommandError::Refused(Refusal::NoVault), 409, "no_vault");
        check(CommandError::Refused(Refusal::Killed), 409, "killed");
        check(CommandError::Refused(Refusal::JournalFull), 503, "journal_full");
        check(CommandError::Refused(Refusal::Draining), 503, "draining");
        check(CommandError::QueueFull, 503, "queue_full");
        check(CommandError::NotReady, 503, "not_ready");
        check(CommandError::TimedOut, 504, "timed_out");
        let not_sent = |cause| Problem::not_sent("order 1", cause);
        let limited = not_sent(NotSentCause::RateLimit);
        assert_eq!((limited.status, limited.code), (429, "rate_limited"));
        for cause in [NotSentCause::Barrier, NotSentCause::SessionDown, NotSentCause::Full] {
            let problem = not_sent(cause);
            assert_eq!((problem.status, problem.code), (503, "not_sent"), "{}", problem.detail);
        }
        let risk = Refusal::Risk { check: "price_collar", detail: "too far".into() };
        let problem = Problem::from(risk);
        assert_eq!((problem.status, problem.check), (422, Some("price_collar")));
    }
}
