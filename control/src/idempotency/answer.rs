//! An answer as it is kept: status, headers and body, no more than that.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    const LARGEST_BYTES: usize = 256 << 10;

    pub(super) async fn take(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, Self::LARGEST_BYTES).await;
        Self { status: parts.status, headers: parts.headers, body: body.unwrap_or_default() }
    }

    pub(super) fn of(problem: &Problem) -> Self {
        let body = serde_json::to_vec(problem).unwrap_or_default().into();
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(axum::http::header::CONTENT_TYPE, kind);
        Self { status: problem.status(), headers, body }
    }

    pub(super) fn took_effect(&self) -> bool {
        self.status.is_success()
    }

    /// Whether the request may have taken effect though the answer doesn't say so.
    pub(super) fn is_unclear(&self) -> bool {
        matches!(self.status, StatusCode::GATEWAY_TIMEOUT | StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Where what it made is found, if it says so.
    pub(super) fn location(&self) -> Option<&str> {
        self.headers.get(axum::http::header::LOCATION)?.to_str().ok()
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(super) fn replay(self) -> Response {
        let mut response = self.into_response();
        let told = HeaderValue::from_static("true");
        response.headers_mut().insert("idempotency-replayed", told);
        response
    }

    pub(super) fn kept(&self) -> Kept {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let headers = self.headers.iter();
        Kept {
            status: self.status.as_u16(),
            headers: headers
                .filter_map(|(name, value)| Some((name.to_string(), text(value)?)))
                .collect(),
            body: String::from_utf8_lossy(&self.body).into_owned(),
        }
    }
}

impl Kept {
    pub(super) fn answer(self) -> Option<Answer> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).ok()?;
            headers.insert(name, HeaderValue::try_from(value).ok()?);
        }
        let status = StatusCode::from_u16(self.status).ok()?;
        Some(Answer { status, headers, body: self.body.into() })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
