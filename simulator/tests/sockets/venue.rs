//! The venue over real sockets, plain and TLS: what a client does in a day, and every refusal.

use std::time::Duration;

use crate::client::{Venue, ask, receive, send, signed_params, try_receive};
use enigma_simulator::{
    ConnectionRules, FaultKind, MarketSettings, SimulatorConfig, Socket, Transport,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A market that stands still, so that prices are known.
fn still() -> SimulatorConfig {
    SimulatorConfig {
        seed: Some(11),
        market: MarketSettings::Synthetic { actions_per_second: 0 },
        ..SimulatorConfig::default()
    }
}

async fn touch(venue: &Venue) -> (Decimal, Decimal) {
    // The market's thread opens it a moment after the ports.
    loop {
        let depth =
            venue.http("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=5", "", None).await.json();
        if let (Some(bid), Some(ask)) = (depth["bids"][0][0].as_str(), depth["asks"][0][0].as_str())
        {
            return (bid.parse().unwrap(), ask.parse().unwrap());
        }
    }
}

async fn private_stream(
    venue: &Venue,
    account: &enigma_simulator::TestAccount,
) -> crate::client::Socket {
    let key = venue.http("POST", "/fapi/v1/listenKey", "", Some(&account.api_key)).await.json();
    let key = key["listenKey"].as_str().unwrap().to_owned();
    venue.private(&format!("/ws/{key}")).await
}

fn order(id: &str, side: &str, price: Decimal, quantity: &str, time_in_force: &str) -> Value {
    json!({"symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": time_in_force,
        "quantity": quantity, "price": price.to_string(), "newClientOrderId": id})
}

fn request(id: &str, method: &str, mut params: Value) -> Value {
    if params.get("timestamp").is_none() {
        params["timestamp"] = json!(crate::client::now_ms());
    }
    json!({"id": id, "method": method, "params": params})
}

async fn logged_on(venue: &Venue) -> crate::client::Socket {
    let account = venue.ed25519();
    let mut socket = venue.orders().await;
    let logon = request("logon", "session.logon", signed_params(&account, json!({})));
    let reply = ask(&mut socket, &logon).await;
    assert_eq!(reply["status"], 200, "{reply}");
    assert_eq!(reply["result"]["apiKey"], json!(account.api_key));
    assert!(reply["result"].get("userDataStream").is_none(), "futures results lack it");
    socket
}

async fn one_day(transport: Transport) {
    let venue = Venue::start(SimulatorConfig { transport, ..still() }).await;
    let (bid, ask_price) = touch(&venue).await;
    let account = venue.ed25519();
    let mut events = private_stream(&venue, &account).await;
    let mut orders = logged_on(&venue).await;

    let rest_at = bid - Decimal::ONE;
    let reply = ask(
        &mut orders,
        &request("1", "order.place", order("rests", "BUY", rest_at, "0.010", "GTX")),
    )
    .await;
    assert_eq!((&reply["id"], &reply["status"]), (&json!("1"), &json!(200)), "{reply}");
    assert_eq!(reply["result"]["status"], "NEW");
    assert_eq!(reply["rateLimits"][0]["rateLimitType"], "ORDERS");
    assert_eq!(reply["rateLimits"][0]["count"], 1);
    let event = receive(&mut events).await;
    assert_eq!((&event["o"]["x"], &event["o"]["c"]), (&json!("NEW"), &json!("rests")));

    let mut change = order("rests", "BUY", rest_at - Decimal::ONE, "0.020", "GTX");
    change["origClientOrderId"] = json!("rests");
    let reply = ask(&mut orders, &request("2", "order.modify", change)).await;
    assert_eq!(reply["result"]["origQty"], "0.020", "{reply}");
    assert_eq!(receive(&mut events).await["o"]["x"], "AMENDMENT");

    let take = order("takes", "BUY", ask_price + Decimal::TEN, "0.500", "IOC");
    let reply = ask(&mut orders, &request("3", "order.place", take)).await;
    assert_eq!(reply["result"]["status"], "NEW", "an acknowledgement is not a result");
    let kinds = user_events_until_closed(&mut events, "takes").await;
    assert_eq!(kinds[0], "ORDER_TRADE_UPDATE/NEW");
    assert_eq!(&kinds[1..4], ["TRADE_LITE", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE/TRADE"]);

    let cancel = json!({"symbol": "BTCUSDT", "origClientOrderId": "rests"});
    let reply = ask(&mut orders, &request("4", "order.cancel", cancel.clone())).await;
    assert_eq!(
        (&reply["result"]["status"], &reply["result"]["clientOrderId"]),
        (&json!("CANCELED"), &json!("rests"))
    );
    assert_eq!(receive(&mut events).await["o"]["X"], "CANCELED");
    let reply = ask(&mut orders, &request("5", "order.cancel", cancel.clone())).await;
    assert_eq!(reply["error"]["code"], -2011);
    let reply = ask(&mut orders, &request("6", "order.status", cancel)).await;
    assert_eq!(reply["result"]["status"], "CANCELED");

    let trades =
        venue.signed(&account, "GET", "/fapi/v1/userTrades", "symbol=BTCUSDT").await.json();
    let view = venue.handle.account_view(&account.api_key).unwrap();
    let trades = trades.as_array().unwrap();
    assert_eq!(trades.len(), view.fills.len());
    for (trade, fill) in trades.iter().zip(&view.fills) {
        assert_eq!(trade["id"], json!(fill.trade_id));
        let number = |name: &str| trade[name].as_str().unwrap().parse::<Decimal>().unwrap();
        assert_eq!((number("price"), number("qty")), (fill.price, fill.quantity));
        assert_eq!((number("commission"), number("realizedPnl")), (fill.fee, fill.realized));
    }
    let filled: Decimal = view.fills.iter().map(|fill| fill.quantity).sum();
    assert_eq!((filled, view.positions[0].amount), ("0.500".parse().unwrap(), filled));
    let fees: Decimal = view.fills.iter().map(|fill| fill.fee).sum();
    assert_eq!(view.balances["USDT"], Decimal::from(1_000_000) - fees);
    venue.handle.shutdown().await;
}

/// The kinds of the events of one order, up to its end.
async fn user_events_until_closed(
    events: &mut crate::client::Socket,
    client_id: &str,
) -> Vec<String> {
    let mut kinds = Vec::new();
    loop {
        let event = receive(events).await;
        let kind = event["e"].as_str().unwrap().to_owned();
        if kind != "ORDER_TRADE_UPDATE" {
            kinds.push(kind);
            continue;
        }
        assert_eq!(event["o"]["c"], client_id);
        kinds.push(format!("{kind}/{}", event["o"]["x"].as_str().unwrap()));
        if !["NEW", "PARTIALLY_FILLED"].contains(&event["o"]["X"].as_str().unwrap()) {
            return kinds;
        }
    }
}

#[tokio::test]
async fn a_day_of_a_client_on_plain_sockets() {
    one_day(Transport::Plain).await;
}

#[tokio::test]
async fn a_day_of_a_client_on_tls() {
    one_day(Transport::Tls).await;
}

#[tokio::test]
async fn bad_orders_get_the_venues_codes() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let (bid, ask) = touch(&venue).await;
    let limit = |price: &str, quantity: &str| {
        format!(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price={price}&quantity={quantity}"
        )
    };
    let (low, far) = ((bid - Decimal::ONE).to_string(), (ask * Decimal::TWO).to_string());
    let far = far.trim_end_matches('0').trim_end_matches('.').to_owned();
    let gtx =
        format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&price={ask}&quantity=0.01");
    let fok = format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=FOK&price={ask}&quantity=50");
    let base = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";
    let cases: Vec<(String, i64)> = vec![
        (format!("side=BUY&type=LIMIT&timeInForce=GTC&price={low}&quantity=0.01"), -1102),
        (format!("symbol=NOPE&side=BUY&type=LIMIT&timeInForce=GTC&price={low}&quantity=1"), -1121),
        (
            format!("symbol=BTCUSDT&side=HOLD&type=LIMIT&timeInForce=GTC&price={low}&quantity=1"),
            -1117,
        ),
        (format!("symbol=BTCUSDT&side=BUY&type=ODD&price={low}&quantity=1"), -1116),
        (format!("symbol=BTCUSDT&side=BUY&type=STOP_MARKET&stopPrice={low}&quantity=1"), -4120),
        (
            format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=DAY&price={low}&quantity=1"),
            -1115,
        ),
        (format!("{base}&price={low}"), -1102),
        (format!("{base}&quantity=0.01"), -1102),
        (limit("6e4", "0.01"), -1100),
        (limit("-1", "0.01"), -1100),
        (limit("NaN", "0.01"), -1100),
        (limit("60000.001", "0.01"), -1111),
        (limit(&low, "0.0015"), -1111),
        (limit("60000.05", "0.01"), -4014),
        (limit("1", "0.01"), -4013),
        (limit("999999999", "0.01"), -4002),
        (limit(&low, "0"), -4003),
        (limit(&low, "5000"), -4005),
        (limit(&low, "0.001"), -4164),
        (limit(&far, "0.01"), -4016),
        (limit(&low, "900"), -2019),
        (format!("{}&newClientOrderId={}", limit(&low, "0.01"), "x".repeat(37)), -4015),
        (format!("{}&newClientOrderId=a%20b", limit(&low, "0.01")), -1100),
        (format!("{}&positionSide=LONG", limit(&low, "0.01")), -4061),
        (format!("{}&reduceOnly=true", limit(&low, "0.01")), -2022),
        (format!("{}&recvWindow=70000", limit(&low, "0.01")), -1131),
        (gtx, -5022),
        (fok, -5021),
    ];
    for (parameters, code) in cases {
        let answer = venue.signed(&account, "POST", "/fapi/v1/order", &parameters).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{parameters}: {}", answer.text);
    }
    let view = venue.handle.account_view(&account.api_key).unwrap();
    assert!(view.orders.is_empty(), "a refused order is recorded nowhere");

    let twice = format!("{}&newClientOrderId=twice", limit(&low, "0.01"));
    assert_eq!(venue.signed(&account, "POST", "/fapi/v1/order", &twice).await.status, 200);
    assert_eq!(venue.signed(&account, "POST", "/fapi/v1/order", &twice).await.code(), -4116);
    let unknown = "symbol=BTCUSDT&origClientOrderId=never";
    assert_eq!(venue.signed(&account, "DELETE", "/fapi/v1/order", unknown).await.code(), -2011);
    assert_eq!(venue.signed(&account, "GET", "/fapi/v1/order", unknown).await.code(), -2013);
}

#[tokio::test]
async fn requests_that_prove_nothing_are_refused() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let path = "/fapi/v3/balance";
    let stamp = format!("timestamp={}", crate::client::now_ms());
    let signature = crate::client::sign(&account, &stamp);
    let good = format!("{path}?{stamp}&signature={signature}");
    let upper = format!("{path}?{stamp}&signature={}", signature.to_uppercase());
    let old = format!("timestamp={}", crate::client::now_ms() - 6_000);
    let early = format!("timestamp={}", crate::client::now_ms() + 60_000);
    let sign = |payload: &str| {
        format!("{path}?{payload}&signature={}", crate::client::sign(&account, payload))
    };
    let key = Some(account.api_key.as_str());
    let stranger = venue.handle.account("unregistered", "hmac").unwrap().api_key.clone();
    let cases = [
        (good.clone(), key, 200, 0),
        (upper, key, 200, 0),
        (good.clone(), None, 401, -2014),
        (good.clone(), Some("not a key!"), 401, -2014),
        (good.clone(), Some(stranger.as_str()), 401, -2015),
        (format!("{path}?{stamp}"), key, 400, -1102),
        (format!("{path}?signature={signature}"), key, 400, -1102),
        (format!("{path}?{stamp}1&signature={signature}"), key, 400, -1021),
        (format!("{path}?recvWindow=5000&{stamp}&signature={signature}"), key, 400, -1022),
        (sign(&old), key, 400, -1021),
        (sign(&early), key, 400, -1021),
        ("/fapi/v9/nothing".to_owned(), key, 404, -5000),
    ];
    for (target, key, status, code) in cases {
        let answer = venue.http("GET", &target, "", key).await;
        let found = if answer.status == 200 { 0 } else { answer.code() };
        assert_eq!((answer.status, found), (status, code), "{target}: {}", answer.text);
    }
    let reader = venue.handle.account("read_only", "hmac").unwrap().clone();
    assert_eq!(venue.signed(&reader, "GET", path, "").await.status, 200);
    let place = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01";
    let refused = venue.signed(&reader, "POST", "/fapi/v1/order", place).await;
    assert_eq!((refused.status, refused.code()), (401, -2015));
    let rights = "/sapi/v1/account/apiRestrictions";
    let withdraw = venue.handle.account("withdraw", "hmac").unwrap().clone();
    assert_eq!(venue.signed(&withdraw, "GET", rights, "").await.json()["enableWithdrawals"], true);
    assert_eq!(venue.signed(&account, "GET", rights, "").await.json()["enableWithdrawals"], false);
}

#[tokio::test]
async fn parameters_may_stand_in_the_body_or_be_split() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let (bid, _) = touch(&venue).await;
    let query = format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price={bid}");
    let body = format!("quantity=0.01&timestamp={}", crate::client::now_ms());
    for (query, body) in [(query.clone(), body.clone()), (String::new(), format!("{query}&{body}"))]
    {
        let signature = crate::client::sign(&account, &format!("{query}{body}"));
        let body = format!("{body}&signature={signature}");
        let target = format!("/fapi/v1/order?{query}");
        let answer = venue.http("POST", &target, &body, Some(&account.api_key)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.headers.contains_key("X-MBX-USED-WEIGHT-1M"));
        assert!(answer.headers.contains_key("X-MBX-ORDER-COUNT-10S"));
    }
}

#[tokio::test]
async fn websocket_requests_may_be_signed_one_by_one_and_ids_come_back_as_sent() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let (bid, _) = touch(&venue).await;
    let mut socket = venue.orders().await;
    let params = signed_params(&account, order("one", "BUY", bid, "0.010", "GTC"));
    for id in [json!(7), json!("seven"), Value::Null] {
        let message = json!({"id": id, "method": "order.place", "params": params});
        let reply = ask(&mut socket, &message).await;
        assert_eq!(reply["id"], id, "{reply}");
    }
    let refused = ask(
        &mut socket,
        &json!({"id": 8, "method": "session.logon",
        "params": signed_params(&account, json!({}))}),
    )
    .await;
    assert_eq!(refused["status"], 400, "logon is for Ed25519 alone: {refused}");
    let mut wrong = signed_params(&account, order("two", "BUY", bid, "0.010", "GTC"));
    wrong["price"] = json!("1");
    let reply = ask(&mut socket, &json!({"id": 9, "method": "order.place", "params": wrong})).await;
    assert_eq!(reply["error"]["code"], -1022);
    for (message, code) in [(json!([]), -1135), (json!({"id": {}, "method": "x"}), -1135)] {
        assert_eq!(ask(&mut socket, &message).await["error"]["code"], code);
    }
    let quiet = json!({"id": 10, "method": "ticker.book",
        "params": {"symbol": "BTCUSDT", "returnRateLimits": false}});
    assert!(ask(&mut socket, &quiet).await.get("rateLimits").is_none());
}

#[tokio::test]
async fn a_revoked_key_ends_the_session_with_a_null_id() {
    let venue = Venue::start(still()).await;
    let (bid, _) = touch(&venue).await;
    let mut socket = logged_on(&venue).await;
    let key = Some(venue.ed25519().api_key);
    venue.handle.faults().inject(&FaultKind::RevokeKey { api_key: key });
    let place = request("after", "order.place", order("x", "BUY", bid, "0.010", "GTC"));
    let reply = ask(&mut socket, &place).await;
    assert_eq!(
        (&reply["id"], &reply["status"], &reply["error"]["code"]),
        (&Value::Null, &json!(401), &json!(-2015))
    );
    let status = ask(&mut socket, &json!({"id": 1, "method": "session.status"})).await;
    assert_eq!(status["result"]["apiKey"], Value::Null);
}

#[tokio::test]
async fn batches_answer_each_order_and_cancel_all_cancels() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let (bid, _) = touch(&venue).await;
    let good = order("batch-1", "BUY", bid, "0.010", "GTC");
    let bad = order("batch-2", "BUY", bid, "0.0001", "GTC");
    let encode = |value: &Value| {
        value
            .to_string()
            .replace('"', "%22")
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace('[', "%5B")
            .replace(']', "%5D")
    };
    let batch = format!("batchOrders={}", encode(&json!([good, bad])));
    let answer = venue.signed(&account, "POST", "/fapi/v1/batchOrders", &batch).await.json();
    assert_eq!(answer[0]["clientOrderId"], "batch-1");
    assert_eq!(answer[1]["code"], -1111);
    let ids =
        format!("symbol=BTCUSDT&origClientOrderIdList={}", encode(&json!(["batch-1", "none"])));
    let answer = venue.signed(&account, "DELETE", "/fapi/v1/batchOrders", &ids).await.json();
    assert_eq!((&answer[0]["status"], &answer[1]["code"]), (&json!("CANCELED"), &json!(-2011)));
    for id in ["a", "b"] {
        let one = format!(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price={bid}\
            &quantity=0.01&newClientOrderId={id}"
        );
        assert_eq!(venue.signed(&account, "POST", "/fapi/v1/order", &one).await.status, 200);
    }
    let all = venue.signed(&account, "DELETE", "/fapi/v1/allOpenOrders", "symbol=BTCUSDT").await;
    assert_eq!(all.json()["code"], 200);
    let open = venue.signed(&account, "GET", "/fapi/v1/openOrders", "").await.json();
    assert_eq!(open, json!([]));
}

#[tokio::test]
async fn a_dead_mans_countdown_cancels_unless_it_is_renewed_or_stopped() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let (bid, _) = touch(&venue).await;
    let mut events = private_stream(&venue, &account).await;
    let place =
        format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price={bid}&quantity=0.01");
    venue.signed(&account, "POST", "/fapi/v1/order", &place).await;
    assert_eq!(receive(&mut events).await["o"]["x"], "NEW");
    let path = "/fapi/v1/countdownCancelAll";
    let arm = venue.signed(&account, "POST", path, "symbol=BTCUSDT&countdownTime=50").await;
    assert_eq!(arm.json(), json!({"symbol": "BTCUSDT", "countdownTime": "50"}));
    assert_eq!(receive(&mut events).await["o"]["x"], "CANCELED");
}

#[tokio::test]
async fn streams_are_acknowledged_wrapped_and_listed_as_documented() {
    let venue = Venue::start(SimulatorConfig { seed: Some(3), ..SimulatorConfig::default() }).await;
    let mut socket = venue.public("/ws").await;
    send(&mut socket, &json!({"method": "SUBSCRIBE", "params": ["btcusdt@nothing"], "id": 1}))
        .await;
    let refused = receive(&mut socket).await;
    assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(2), &json!(1)));
    send(&mut socket, &json!({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": "u"}))
        .await;
    assert_eq!(receive(&mut socket).await, json!({"result": null, "id": "u"}));
    let event = receive(&mut socket).await;
    assert_eq!(event["e"], "bookTicker");
    send(&mut socket, &json!({"method": "SET_PROPERTY", "params": ["combined", true], "id": 2}))
        .await;
    let mut wrapped = receive(&mut socket).await;
    while wrapped.get("stream").is_none() {
        wrapped = receive(&mut socket).await;
    }
    assert_eq!(wrapped["stream"], "btcusdt@bookTicker");
    assert_eq!(wrapped["data"]["s"], "BTCUSDT");
    let mut market = venue
        .websocket(&venue.handle.endpoints().binance_usdm.ws_market, "/ws/btcusdt@markPrice@1s")
        .await;
    assert_eq!(receive(&mut market).await["e"], "markPriceUpdate");
}

#[tokio::test]
async fn a_snapshot_taken_at_any_time_connects_to_the_diff_stream() {
    let config = SimulatorConfig {
        seed: Some(5),
        market: MarketSettings::Synthetic { actions_per_second: 2_000 },
        ..SimulatorConfig::default()
    };
    let venue = Venue::start(config).await;
    for speed in ["@0ms", "@100ms", ""] {
        let mut socket = venue.public(&format!("/stream?streams=btcusdt@depth{speed}")).await;
        let mut buffered = vec![receive(&mut socket).await["data"].clone()];
        let target = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";
        let snapshot = venue.http("GET", target, "", None).await.json();
        let id = snapshot["lastUpdateId"].as_u64().unwrap();
        for _ in 0..12 {
            buffered.push(receive(&mut socket).await["data"].clone());
        }
        let number = |event: &Value, name: &str| event[name].as_u64().unwrap();
        let kept: Vec<_> = buffered.iter().filter(|event| number(event, "u") >= id).collect();
        let first = kept[0];
        assert!(
            (number(first, "U") <= id && id <= number(first, "u")) || number(first, "pu") == id,
            "snapshot {id}, first event {first}"
        );
        for pair in kept.windows(2) {
            assert_eq!(number(pair[1], "pu"), number(pair[0], "u"), "a gap at speed {speed:?}");
        }
    }
}

#[tokio::test]
async fn a_gap_fault_breaks_the_chain_once() {
    let venue = Venue::start(SimulatorConfig { seed: Some(5), ..SimulatorConfig::default() }).await;
    let mut socket = venue.public("/ws/btcusdt@depth@0ms").await;
    let mut last = receive(&mut socket).await["u"].as_u64().unwrap();
    venue.handle.faults().inject(&FaultKind::Gap { count: 1 });
    let mut gaps = 0;
    for _ in 0..40 {
        let event = receive(&mut socket).await;
        if event["pu"] != last {
            gaps += 1;
        }
        last = event["u"].as_u64().unwrap();
    }
    assert_eq!(gaps, 1);
}

#[tokio::test]
async fn an_injected_error_may_hide_an_order_that_was_done() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let (bid, _) = touch(&venue).await;
    let fault =
        FaultKind::Error { count: 1, code: -1007, status: 503, message: None, applied: true };
    venue.handle.faults().inject(&fault);
    let place = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price={bid}\
        &quantity=0.01&newClientOrderId=ghost"
    );
    let answer = venue.signed(&account, "POST", "/fapi/v1/order", &place).await;
    assert_eq!((answer.status, answer.code()), (503, -1007));
    let query = "symbol=BTCUSDT&origClientOrderId=ghost";
    let found = venue.signed(&account, "GET", "/fapi/v1/order", query).await;
    assert_eq!(found.json()["status"], "NEW");

    venue.handle.faults().inject(&FaultKind::Html502 { count: 1 });
    let answer = venue.http("GET", "/fapi/v1/ping", "", None).await;
    assert_eq!(answer.status, 502);
    assert!(answer.text.starts_with("<html>"));
    venue.handle.faults().inject(&FaultKind::Maintenance { for_ms: 60_000 });
    let answer = venue.http("GET", "/fapi/v1/ping", "", None).await;
    assert_eq!((answer.status, answer.json()["msg"].as_str()), (503, Some("Service Unavailable.")));
}

#[tokio::test]
async fn user_events_can_be_doubled_and_swapped() {
    let venue = Venue::start(still()).await;
    let (bid, _) = touch(&venue).await;
    let mut events = private_stream(&venue, &venue.ed25519()).await;
    let mut orders = logged_on(&venue).await;
    venue.handle.faults().inject(&FaultKind::Duplicate { count: 1, socket: Socket::Private });
    send(&mut orders, &request("1", "order.place", order("a", "BUY", bid, "0.010", "GTC"))).await;
    assert_eq!(receive(&mut events).await, receive(&mut events).await);
    venue.handle.faults().inject(&FaultKind::Reorder {});
    for id in ["b", "c"] {
        send(&mut orders, &request(id, "order.place", order(id, "BUY", bid, "0.010", "GTC"))).await;
    }
    assert_eq!(receive(&mut events).await["o"]["c"], "c");
    assert_eq!(receive(&mut events).await["o"]["c"], "b");
    venue.handle.faults().inject(&FaultKind::ListenKeyExpired {});
    assert_eq!(receive(&mut events).await["e"], "listenKeyExpired");
}

#[tokio::test]
async fn sockets_can_be_reset_in_the_middle_of_a_frame_dropped_or_stalled() {
    for fault in [
        FaultKind::Reset { socket: Socket::Public, mid_frame: true },
        FaultKind::Reset { socket: Socket::Public, mid_frame: false },
        FaultKind::Drop { socket: Socket::Public },
    ] {
        let venue =
            Venue::start(SimulatorConfig { seed: Some(5), ..SimulatorConfig::default() }).await;
        let mut socket = venue.public("/ws/btcusdt@depth@0ms").await;
        receive(&mut socket).await;
        venue.handle.faults().inject(&fault);
        while try_receive(&mut socket).await.is_some() {}
        assert_eq!(venue.http("GET", "/fapi/v1/ping", "", None).await.status, 200, "{fault:?}");
    }
    let venue = Venue::start(still()).await;
    let mut orders = logged_on(&venue).await;
    let stall = FaultKind::Stall { for_ms: Some(100), socket: Socket::Orders };
    venue.handle.faults().inject(&stall);
    let status = ask(&mut orders, &json!({"id": 1, "method": "session.status"})).await;
    assert_eq!(status["status"], 200, "after the stall everything goes on");
    venue.handle.faults().inject(&FaultKind::HalfOpen { socket: Socket::Orders });
    send(&mut orders, &json!({"id": 2, "method": "session.status"})).await;
    let silence = tokio::time::timeout(Duration::from_millis(200), receive(&mut orders)).await;
    assert!(silence.is_err(), "a half-open socket says nothing");
}

#[tokio::test]
async fn too_many_orders_and_too_many_messages_are_refused() {
    let venue = Venue::start(still()).await;
    let (bid, _) = touch(&venue).await;
    let mut orders = logged_on(&venue).await;
    // Two windows may share the flood where it meets a boundary: so twice the limit and one.
    let mut refused = None;
    for number in 0..601 {
        // A post-only order that would take counts and leaves nothing behind.
        let mut one =
            order(&format!("n{number}"), "BUY", bid + Decimal::ONE_HUNDRED, "0.010", "GTX");
        one["returnRateLimits"] = json!(false);
        let reply = ask(&mut orders, &request("n", "order.place", one)).await;
        if reply["error"]["code"] == -1015 {
            refused = Some(reply);
            break;
        }
    }
    assert_eq!(refused.expect("the limit was never met")["status"], 429);
    let mut socket = venue.public("/ws").await;
    for id in 0..40 {
        let message = json!({"method": "LIST_SUBSCRIPTIONS", "id": id}).to_string();
        let message = tokio_tungstenite::tungstenite::Message::text(message);
        if futures_util::SinkExt::send(&mut socket, message).await.is_err() {
            break;
        }
    }
    while try_receive(&mut socket).await.is_some() {}
}

#[tokio::test]
async fn a_peer_that_never_answers_pings_is_closed() {
    let rules = ConnectionRules {
        ping_every: Duration::from_millis(20),
        pong_within: Duration::from_millis(60),
        ..ConnectionRules::default()
    };
    let venue = Venue::start(SimulatorConfig { rules, ..still() }).await;
    let mut socket = venue.orders().await;
    // Not reading means not answering.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ended = async { while try_receive(&mut socket).await.is_some() {} };
    assert!(tokio::time::timeout(Duration::from_secs(10), ended).await.is_ok());
}

#[tokio::test]
async fn the_omniscient_pages_show_the_account_and_take_faults() {
    let venue = Venue::start(still()).await;
    let account = venue.hmac();
    let (bid, _) = touch(&venue).await;
    let place =
        format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&price={bid}&quantity=0.01");
    venue.signed(&account, "POST", "/fapi/v1/order", &place).await;
    let target = format!("/simulator/account?api_key={}", account.api_key);
    let seen = venue.http("GET", &target, "", None).await.json();
    assert_eq!(seen["orders"][0]["status"], "NEW");
    assert_eq!(seen["balances"]["USDT"], "1000000");
    let status = venue.http("GET", "/simulator/status", "", None).await.json();
    assert_eq!(status["replay_finished"], false);
    let fault = r#"{"kind":"html_502","count":1}"#;
    assert_eq!(venue.http("POST", "/simulator/faults", fault, None).await.status, 200);
    assert_eq!(venue.http("GET", "/fapi/v1/ping", "", None).await.status, 502);
    let line = serde_json::to_value(venue.handle.endpoints()).unwrap();
    assert_eq!(line["ca"], Value::Null);
    assert!(line["binance_usdm"]["ws_api"].as_str().unwrap().ends_with("/ws-fapi/v1"));
    assert_eq!(line["accounts"][0]["venue"], "binance_usdm");
}

#[tokio::test]
async fn a_seed_gives_the_same_keys_and_the_same_opening_book() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let venue = Venue::start(still()).await;
        touch(&venue).await;
        let book =
            venue.http("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=50", "", None).await.json();
        seen.push((venue.hmac().secret, book["bids"].clone()));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn measuring_stamps_ticks_by_update_id_and_order_frames() {
    let venue = Venue::start(SimulatorConfig { measure: true, ..still() }).await;
    let (bid, _) = touch(&venue).await;
    let mut socket = venue.public("/ws/btcusdt@bookTicker").await;
    let mut orders = logged_on(&venue).await;
    let place = request("m", "order.place", order("m", "BUY", bid, "0.010", "GTC"));
    ask(&mut orders, &place).await;
    let tick = receive(&mut socket).await;
    let measured = venue.handle.take_measurements();
    assert!(measured.ticks_sent.iter().any(|(id, _)| tick["u"] == *id));
    assert_eq!(measured.orders_received.len(), 2, "the logon and the order");
    let (asked_at, _) = measured.orders_received[1];
    assert!(measured.ticks_sent.iter().all(|(_, sent_at)| *sent_at >= asked_at));
}
