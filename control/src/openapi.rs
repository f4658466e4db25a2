//! The API's description: the fixed part. Paths and schemas come from the handlers themselves.

use utoipa::OpenApi;

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Enigma",
        description = "A daemon that executes orders. Decimals are strings; times are RFC 3339 in \
                       UTC with integer nanoseconds beside them; errors are \
                       application/problem+json with a stable `code`.\n\nCredentials: the cookie \
                       of POST /v1/session, or `Authorization: Bearer` with the token in \
                       `<data-dir>/cli.token`. /livez, /readyz and /metrics are open on loopback.",
    ),
    tags(
        (name = "session"), (name = "status"), (name = "venues"), (name = "strategies"),
        (name = "orders"), (name = "account"), (name = "risk"), (name = "events"),
        (name = "health"),
    )
)]
struct Document;
