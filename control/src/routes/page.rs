//! The plain page at `/` of a daemon without a console.

use axum::http::header;
use axum::response::IntoResponse;

/// Says what this is and how its API is reached. Shows no state: it is open to anybody here.
pub(crate) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], TEXT)
}

const TEXT: &str = "\
Enigma: a daemon that executes orders.

This build has no web console. The API is under /v1, its description at /openapi.json.

  enigma status                       what runs, from a terminal
  enigma strategies start quoter-btc  starts the sample strategy on the simulator
  enigma orders list                  the newest orders
  enigma kill                         stops all trading now

With curl, the token that the CLI uses lies in the data directory:

  curl -H \"Authorization: Bearer $(cat DATA_DIR/cli.token)\" http://HOST/v1/status

In a browser, POST {\"token\": \"..\"} with the single-use token that the daemon printed to
/v1/session opens a session. /livez, /readyz and /metrics are open.
";
