//! The API without an engine: a scripted one answers commands and changes the read model.

mod orders;
mod scripted;
mod strategies;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use enigma_engine::command::Receipt;
use enigma_types::StrategyState;
use serde_json::{Value, json};
use tower::ServiceExt;

use self::scripted::{Scripted, order, strategy};

/// One answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Scripted {
    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        read(response).await
    }

    /// With the CLI's token.
    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.ask_with(method, path, body, &[]).await
    }

    async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:7420")
            .header("authorization", format!("Bearer {}", self.cli.reveal()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }
}

async fn read(response: Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer { status: parts.status, headers: parts.headers, body }
}

#[track_caller]
fn check(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.body["code"].as_str()), (status, Some(code)));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

fn bare(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

const LOCAL: (&str, &str) = ("host", "127.0.0.1:7420");

#[tokio::test]
async fn what_is_not_open_needs_a_session_or_a_token() {
    let daemon = Scripted::new();
    for path in ["/", "/livez", "/metrics"] {
        let answer = daemon.send(bare("GET", path, &[LOCAL])).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    let closed = [
        ("GET", "/v1/status"),
        ("GET", "/v1/orders"),
        ("GET", "/v1/events"),
        ("GET", "/openapi.json"),
        ("PUT", "/v1/kill-switch"),
        ("POST", "/v1/strategies/a/start"),
        ("GET", "/nowhere"),
    ];
    for (method, path) in closed {
        let answer = daemon.send(bare(method, path, &[LOCAL])).await;
        check(&answer, 401, "unauthenticated");
        let wrong = ("authorization", "Bearer enigma_0000");
        check(&daemon.send(bare(method, path, &[LOCAL, wrong])).await, 401, "unauthenticated");
    }
    let scraper = format!("Bearer {}", daemon.metrics.reveal());
    let with = [LOCAL, ("authorization", scraper.as_str())];
    check(&daemon.send(bare("GET", "/v1/status", &with)).await, 403, "scrape_only");
    assert_eq!(daemon.send(bare("GET", "/metrics", &with)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn other_host_names_are_refused_against_dns_rebinding() {
    let daemon = Scripted::new();
    for host in ["evil.example", "evil.example:7420", "10.0.0.1", "", "127.0.0.1.evil.example"] {
        check(&daemon.send(bare("GET", "/livez", &[("host", host)])).await, 403, "wrong_host");
    }
    for host in ["127.0.0.1", "localhost:7420", "[::1]:7420", "127.0.0.1:1"] {
        let answer = daemon.send(bare("GET", "/livez", &[("host", host)])).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn a_session_is_opened_once_and_serves_only_our_own_pages() {
    let daemon = Scripted::new();
    let sign_in = |origin: Option<&'static str>| {
        let mut request = Request::post("/v1/session")
            .header("host", LOCAL.1)
            .header("content-type", "application/json");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let body = json!({ "token": daemon.sign_in.reveal() }).to_string();
        request.body(Body::from(body)).unwrap()
    };
    check(&daemon.send(sign_in(Some("http://evil.example"))).await, 403, "cross_site");
    let opened = daemon.send(sign_in(None)).await;
    assert_eq!(opened.status, StatusCode::NO_CONTENT);
    let cookie = opened.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    check(&daemon.send(sign_in(None)).await, 401, "sign_in_refused");

    let cookie = cookie.split(';').next().unwrap();
    let with = |more: &[(&'static str, &'static str)]| {
        let mut headers = vec![LOCAL, ("cookie", cookie)];
        headers.extend_from_slice(more);
        headers
    };
    let me = daemon.send(bare("GET", "/v1/me", &with(&[]))).await;
    assert_eq!((me.status, me.body["user"].as_str()), (StatusCode::OK, Some("owner")));
    let act = "/v1/strategies/a/pause";
    for headers in [
        with(&[]),
        with(&[("sec-fetch-site", "cross-site")]),
        with(&[("sec-fetch-site", "same-site")]),
        with(&[("origin", "http://evil.example")]),
    ] {
        check(&daemon.send(bare("POST", act, &headers)).await, 403, "cross_site");
    }
    for headers in
        [with(&[("sec-fetch-site", "same-origin")]), with(&[("origin", "http://127.0.0.1:7420")])]
    {
        check(&daemon.send(bare("POST", act, &headers)).await, 404, "no_such_strategy");
    }
    let own = with(&[("sec-fetch-site", "same-origin")]);
    let out = daemon.send(bare("DELETE", "/v1/session", &own)).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    check(&daemon.send(bare("GET", "/v1/me", &with(&[]))).await, 401, "unauthenticated");
}

#[tokio::test]
async fn every_answer_carries_its_id_and_the_protective_headers() {
    let daemon = Scripted::new();
    let answer = daemon.ask_with("GET", "/v1/me", None, &[("x-request-id", "abc-1")]).await;
    assert_eq!(answer.headers["x-request-id"], "abc-1");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let forged = daemon.ask_with("GET", "/v1/me", None, &[("x-request-id", "a b")]).await;
    assert_ne!(forged.headers["x-request-id"], "a b");
}

#[tokio::test]
async fn unknown_paths_methods_fields_and_bodies_are_refused_as_problems() {
    let daemon = Scripted::new();
    check(&daemon.ask("GET", "/v1/nothing", None).await, 404, "no_such_path");
    check(&daemon.ask("PUT", "/v1/status", None).await, 405, "method_not_allowed");
    check(&daemon.ask("GET", "/v1/orders?sort=up", None).await, 400, "bad_query");
    check(&daemon.ask("GET", "/v1/orders?limit=0", None).await, 400, "bad_query");
    check(&daemon.ask("GET", "/v1/orders?state=lost", None).await, 400, "bad_query");
    check(&daemon.ask("GET", "/v1/fills?cursor=x", None).await, 400, "bad_query");
    check(&daemon.ask("GET", "/v1/orders/abc", None).await, 404, "no_such_order");
    let unknown = json!({ "engaged": true, "secret": "x" });
    check(&daemon.ask("PUT", "/v1/kill-switch", Some(unknown)).await, 422, "invalid_body");
    let order = json!({ "instrument": "binance_usdm:BTCUSDT", "side": "buy", "quantity": 0.01 });
    check(&daemon.ask("POST", "/v1/orders", Some(order)).await, 422, "invalid_body");
    let large = json!({ "instrument": "x".repeat(70_000), "side": "buy", "quantity": "1" });
    check(&daemon.ask("POST", "/v1/orders", Some(large)).await, 413, "body_too_large");
    let plain = daemon.ask_with("POST", "/v1/orders", None, &[("content-type", "text/plain")]);
    check(&plain.await, 415, "unsupported_media_type");
}

#[tokio::test]
async fn before_the_instruments_are_loaded_nothing_pretends_to_be_ready() {
    let daemon = Scripted::without_instruments();
    let answer = daemon.ask("GET", "/v1/orders", None).await;
    check(&answer, 503, "not_ready");
    assert_eq!(answer.headers["retry-after"], "1");
    let ready = daemon.send(bare("GET", "/readyz", &[LOCAL])).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let engine = &ready.body["checks"][0];
    assert_eq!((engine["name"].as_str(), engine["ok"].as_bool()), (Some("engine"), Some(false)));
    assert_eq!(daemon.send(bare("GET", "/livez", &[LOCAL])).await.status, StatusCode::OK);
}

#[tokio::test]
async fn limits_change_only_from_what_was_read() {
    let daemon = Scripted::new();
    let read = daemon.ask("GET", "/v1/risk", None).await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let mut limits = read.body["limits"].clone();
    limits["max_open_orders"] = json!(7);
    check(&daemon.ask("PUT", "/v1/risk", Some(limits.clone())).await, 428, "if_match_required");
    let stale = [("if-match", "\"limits-99\"")];
    let refused = daemon.ask_with("PUT", "/v1/risk", Some(limits.clone()), &stale).await;
    check(&refused, 412, "limits_changed");
    daemon.on_command(|command, model| {
        if let enigma_engine::command::DeskCommand::SetLimits { limits, .. } = command {
            model.limits = *limits;
            model.limits_version += 1;
        }
        Ok(Receipt::default())
    });
    let with = [("if-match", tag.as_str())];
    let set = daemon.ask_with("PUT", "/v1/risk", Some(limits.clone()), &with).await;
    assert_eq!((set.status, &set.body["limits"]["max_open_orders"]), (StatusCode::OK, &json!(7)));
    let late = daemon.ask_with("PUT", "/v1/risk", Some(limits), &with).await;
    check(&late, 412, "limits_changed");
}

#[tokio::test]
async fn a_kill_is_answered_with_its_barrier_and_flatten_is_refused() {
    let daemon = Scripted::new();
    let flatten = json!({ "engaged": true, "flatten": true });
    check(&daemon.ask("PUT", "/v1/kill-switch", Some(flatten)).await, 409, "not_in_this_version");
    let wrong = json!({ "engaged": true, "confirm": "rearm" });
    check(&daemon.ask("PUT", "/v1/kill-switch", Some(wrong)).await, 422, "wrong_confirmation");
    let kill = json!({ "engaged": true, "reason": "drill" });
    let killed = daemon.ask("PUT", "/v1/kill-switch", Some(kill)).await;
    assert_eq!(killed.status, StatusCode::OK);
    assert_eq!((&killed.body["engaged"], &killed.body["reason"]), (&json!(true), &json!("drill")));
    assert_eq!(killed.body["barrier"], "acknowledged");
    let shown = daemon.ask("GET", "/v1/kill-switch", None).await;
    assert_eq!(shown.body["engaged"], true);
}

#[tokio::test]
async fn a_draining_daemon_takes_no_new_work_but_a_kill() {
    let daemon = Scripted::new();
    daemon.drain();
    check(&daemon.ask("POST", "/v1/strategies/a/start", None).await, 503, "draining");
    assert_eq!(daemon.ask("GET", "/v1/strategies", None).await.status, StatusCode::OK);
    let kill = json!({ "engaged": true });
    let killed = daemon.ask("PUT", "/v1/kill-switch", Some(kill)).await;
    assert_eq!(killed.status, StatusCode::OK);
}

#[tokio::test]
async fn events_follow_the_last_id_and_a_lost_past_is_a_gap() {
    let daemon = Scripted::new();
    daemon.change(|model| {
        strategy(model, 1, "a", StrategyState::Running);
        order(model, 10, 1, true);
        scripted::order_event(model, 10);
        scripted::order_event(model, 10);
    });
    let first = daemon.events(Some("0-0"), 2).await;
    assert!(first[0].contains("event: order") && first[0].contains("id: 0-1"), "{first:?}");
    assert!(first[1].contains("id: 0-2"), "{first:?}");
    let resumed = daemon.events(Some("0-1"), 1).await;
    assert!(resumed[0].contains("id: 0-2"), "{resumed:?}");
    for unknown in ["7-1", "0-99", "nonsense"] {
        let gap = daemon.events(Some(unknown), 1).await;
        assert!(gap[0].contains("event: gap"), "{unknown}: {gap:?}");
    }
}

#[tokio::test]
async fn every_known_label_is_there_before_anything_happened() {
    let daemon = Scripted::new();
    daemon.change(|model| strategy(model, 1, "a", StrategyState::Loaded));
    let answer = daemon.send(bare("GET", "/metrics", &[LOCAL])).await;
    let text = answer.body.as_str().unwrap();
    assert!(answer.headers["content-type"].to_str().unwrap().contains("version=0.0.4"));
    let expected = [
        "enigma_build_info{version=",
        "enigma_tick_to_order_seconds_count{layout=\"fused\",venue=\"binance_usdm\"} 0",
        "enigma_stage_seconds_bucket{stage=\"decode\",le=\"0.000000016\"} 0",
        "enigma_order_ack_seconds_count{venue=\"binance_usdm\"} 0",
        "enigma_orders_total{result=\"filled\",strategy=\"a\",venue=\"binance_usdm\"} 0",
        "enigma_fills_total 0",
        "enigma_risk_rejections_total{check=\"price_collar\"} 0",
        "enigma_session_up{session=\"market\",venue=\"binance_usdm\"} 0",
        "enigma_session_reconnects_total{reason=\"connection\",venue=\"binance_usdm\"} 0",
        "enigma_last_message_timestamp_seconds{venue=\"binance_usdm\"} 0",
        "enigma_alerts_total{kind=\"sequence_gap\",venue=\"binance_usdm\"} 0",
        "enigma_queue_depth{queue=\"commands\"} 0",
        "enigma_strategy_state{state=\"loaded\",strategy=\"a\"} 1",
        "enigma_strategy_state{state=\"running\",strategy=\"a\"} 0",
        "enigma_kill_switch 0",
        "process_resident_memory_bytes",
    ];
    for line in expected {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn the_document_names_every_route() {
    let daemon = Scripted::new();
    let answer = daemon.ask("GET", "/openapi.json", None).await;
    let paths = answer.body["paths"].as_object().unwrap();
    let expected = [
        "/v1/session",
        "/v1/me",
        "/v1/status",
        "/v1/venues",
        "/v1/instruments",
        "/v1/strategies",
        "/v1/strategies/{id}",
        "/v1/strategies/{id}/start",
        "/v1/strategies/{id}/pause",
        "/v1/strategies/{id}/resume",
        "/v1/strategies/{id}/stop",
        "/v1/strategy-kinds",
        "/v1/orders",
        "/v1/orders/{client_order_id}",
        "/v1/positions",
        "/v1/balances",
        "/v1/fills",
        "/v1/ledger",
        "/v1/export/{table}",
        "/v1/kill-switch",
        "/v1/risk",
        "/v1/events",
        "/metrics",
        "/livez",
        "/readyz",
    ];
    for path in expected {
        assert!(paths.contains_key(path), "{path}");
    }
    assert_eq!(paths.len(), expected.len());
    let text = answer.body.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(answer.body.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}
