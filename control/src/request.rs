//! Bodies, queries and path ids of requests, with refusals as problems. Unknown fields are refused
//! by the types themselves.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use enigma_types::{ClientOrderId, StrategyName};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The query string.
#[derive(Debug)]
pub(crate) struct QueryString<T>(pub(crate) T);

impl<S, T> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(refusal(&rejection)),
        }
    }
}

impl<S, T> FromRequestParts<S> for QueryString<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::bad_request("bad_query", rejection.body_text())),
        }
    }
}

/// An order's id from a path or a cursor.
pub(crate) fn client_order_id(text: &str) -> Option<ClientOrderId> {
    text.parse().ok().and_then(ClientOrderId::new)
}

pub(crate) fn order_in_path(text: &str) -> Result<ClientOrderId, Problem> {
    let refused = || Problem::not_found("no_such_order", format!("there is no order {text:?}"));
    client_order_id(text).ok_or_else(refused)
}

pub(crate) fn strategy_in_path(text: &str) -> Result<StrategyName, Problem> {
    StrategyName::from(text).map_err(|_| {
        Problem::not_found("no_such_strategy", format!("there is no strategy {text:?}"))
    })
}

/// The value of a header, if it is there and is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Without the names of types that a caller can't know.
fn in_our_words(text: &str) -> String {
    let told = text.strip_prefix("Failed to deserialize the JSON body into the target type: ");
    let told = told.unwrap_or(text);
    told.replace("a Decimal type representing a fixed-point number", "a decimal in quotes")
}

fn refusal(rejection: &JsonRejection) -> Problem {
    let code = match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid_body",
        _ => "bad_json",
    };
    Problem::new(rejection.status(), code, in_our_words(&rejection.body_text()))
}
