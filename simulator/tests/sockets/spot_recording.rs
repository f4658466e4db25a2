//! The recorded spot market played through the sockets, and the recorded spot payloads' keys.
#![expect(clippy::print_stdout, reason = "the counts of what was used are shown")]

use crate::client::{Venue, ask, receive, signed_params};
use crate::recording::{check_keys, recorded, recordings, replay};
use enigma_simulator::{MarketSettings, ReplaySpeed, SimulatorConfig};
use rust_decimal::Decimal;
use serde_json::{Value, json};

#[tokio::test]
async fn a_spot_recording_arrives_whole_and_joins_its_snapshot() {
    for path in recordings("binance-spot-") {
        println!("recording {}", path.display());
        let venue = Venue::start(replay(path, ReplaySpeed::Max)).await;
        let target = "/api/v3/depth?symbol=BTCUSDT&limit=5000";
        let snapshot = loop {
            let answer = venue.http("GET", target, "", None).await;
            if answer.status == 200 {
                break answer.json();
            }
        };
        let mut book = crate::spot_book::SpotBook::load(&snapshot);
        let names = "btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade";
        let mut socket = venue.spot_stream(&format!("/stream?streams={names}")).await;
        let (mut depth, mut touches, mut trades, mut gaps) = (0, 0, 0, 0);
        while depth + touches + trades < 28_040 + 3_451 + 9_757 {
            let message = receive(&mut socket).await;
            match message["stream"].as_str().unwrap() {
                "btcusdt@depth@100ms" => {
                    depth += 1;
                    gaps += i32::from(!book.apply(&message["data"]));
                }
                "btcusdt@bookTicker" => touches += 1,
                "btcusdt@trade" => trades += 1,
                other => panic!("stream {other}"),
            }
        }
        assert_eq!((touches, depth, trades, gaps), (28_040, 3_451, 9_757, 0));
        assert!(book.joined && book.is_sound());
        println!("{touches} bookTicker, {depth} depth, {trades} trade, {gaps} gaps");
    }
}

#[tokio::test]
async fn orders_trade_against_a_spot_recording() {
    for path in recordings("binance-spot-") {
        let venue = Venue::start(replay(path, ReplaySpeed::Percent(2_000))).await;
        let account = venue.spot("trade", "hmac");
        let mut socket = venue.spot_stream("/ws/btcusdt@bookTicker").await;
        receive(&mut socket).await;
        let take = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.05";
        let answer = venue.signed(&account, "POST", "/api/v3/order", take).await.json();
        assert_eq!(answer["status"], "FILLED", "{answer}");
        let fills = answer["fills"].as_array().unwrap();
        let number = |value: &Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
        let paid: Decimal =
            fills.iter().map(|fill| number(&fill["price"]) * number(&fill["qty"])).sum();
        let view = venue.handle.spot_view(&account.api_key).unwrap();
        assert_eq!(view.balances["USDT"], Decimal::from(1_000_000) - paid);
    }
}

/// Members of orders with parameters that these orders don't have, and of features that the
/// simulator doesn't offer.
const FOREIGN: &[&str] = &[
    "stopPrice",
    "trailingDelta",
    "trailingTime",
    "icebergQty",
    "strategyId",
    "strategyType",
    "preventedMatchId",
    "preventedQuantity",
    "v",
    "sors",
    "sor",
    "listStatus",
    "minPrice",
    "maxPrice",
];

type Payloads = Vec<(&'static str, Value)>;

struct Caller {
    socket: crate::client::Socket,
    events: Vec<Value>,
}

impl Caller {
    async fn call(&mut self, method: &str, mut params: Value) -> Value {
        params["timestamp"] = json!(crate::client::now_ms());
        let request = json!({"id": "c", "method": method, "params": params});
        crate::client::send(&mut self.socket, &request).await;
        loop {
            let message = receive(&mut self.socket).await;
            if message.get("event").is_none() {
                return message;
            }
            self.events.push(message);
        }
    }
}

async fn order_payloads(caller: &mut Caller, bid: Decimal) -> Payloads {
    let limit = |id: &str, response: &str| {
        json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.010", "price": (bid - Decimal::ONE).to_string(), "newClientOrderId": id,
        "newOrderRespType": response})
    };
    let named = |id: &str| json!({"symbol": "BTCUSDT", "origClientOrderId": id});
    let ack = caller.call("order.place", limit("a", "ACK")).await;
    let result = caller.call("order.place", limit("b", "RESULT")).await;
    let full = caller.call("order.place", limit("c", "FULL")).await;
    let mut change = named("c");
    change["newQty"] = json!("0.005");
    let amended = caller.call("order.amend.keepPriority", change).await;
    let mut history = json!({"symbol": "BTCUSDT"});
    history["orderId"] = amended["result"]["amendedOrder"]["orderId"].clone();
    let amendments = caller.call("order.amendments", history).await;
    let query = caller.call("order.status", named("a")).await;
    let canceled = caller.call("order.cancel", named("a")).await;
    let mut replace = limit("d", "FULL");
    replace["cancelReplaceMode"] = json!("ALLOW_FAILURE");
    replace["cancelOrigClientOrderId"] = json!("gone");
    let replaced = caller.call("order.cancelReplace", replace).await;
    let market = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"});
    let filled = caller.call("order.place", market).await;
    vec![
        ("doc.wsapi_place_new_order_ack", ack),
        ("doc.wsapi_place_new_order_result", result),
        ("sdk.wsapi_spot_order_place_full_numeric_id", full),
        ("doc.wsapi_order_amend_keep_priority", amended.clone()),
        ("doc.rest_order_amend_keep_priority", amended["result"].clone()),
        ("doc.wsapi_query_order_amendments", amendments.clone()),
        ("doc.rest_query_order_amendments", amendments["result"].clone()),
        ("doc.wsapi_query_order", query.clone()),
        ("spot.http_json.order_response", query["result"].clone()),
        ("doc.wsapi_cancel_order", canceled.clone()),
        ("sdk.rest_spot_cancel_order", canceled["result"].clone()),
        ("doc.wsapi_cancel_and_replace_order_409_2", replaced),
        ("sdk.wsapi_spot_place_order", filled.clone()),
        ("sdk.rest_spot_place_order", filled["result"].clone()),
        ("doc.rest_new_order_2", filled["result"].clone()),
    ]
}

async fn list_payloads(caller: &mut Caller, bid: Decimal) -> Payloads {
    let at = |offset: i64| (bid + Decimal::from(offset)).to_string();
    let oco = json!({"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01",
        "aboveType": "LIMIT_MAKER", "abovePrice": at(50), "belowType": "STOP_LOSS_LIMIT",
        "belowPrice": at(-60), "belowStopPrice": at(-50), "belowTimeInForce": "GTC",
        "listClientOrderId": "pair"});
    let placed = caller.call("orderList.place.oco", oco).await;
    let oto = json!({"symbol": "BTCUSDT", "workingType": "LIMIT", "workingSide": "BUY",
        "workingTimeInForce": "GTC", "workingPrice": at(-100), "workingQuantity": "0.01",
        "pendingType": "MARKET", "pendingSide": "SELL", "pendingQuantity": "0.01"});
    let triggers = caller.call("orderList.place.oto", oto).await;
    let named = json!({"origClientOrderId": "pair"});
    let query = caller.call("orderList.status", named).await;
    let open = caller.call("openOrderLists.status", json!({})).await;
    let mut named = json!({"symbol": "BTCUSDT"});
    named["orderListId"] = placed["result"]["orderListId"].clone();
    let canceled = caller.call("orderList.cancel", named).await;
    let all = caller.call("openOrders.cancelAll", json!({"symbol": "BTCUSDT"})).await;
    vec![
        ("doc.wsapi_place_new_order_list_oco", placed),
        ("doc.wsapi_place_new_order_list_oto", triggers),
        ("sdk.wsapi_spot_get_oco_order", query),
        ("sdk.wsapi_spot_get_open_oco_orders", open),
        ("doc.wsapi_cancel_order_list", canceled.clone()),
        ("sdk.wsapi_spot_cancel_oco_order", canceled),
        ("doc.wsapi_cancel_open_orders", all.clone()),
        ("spot.http_json.cancel_open_orders_response", all["result"].clone()),
    ]
}

const ASKED_BY_WEBSOCKET: &[(&str, &str)] = &[
    ("doc.wsapi_check_server_time", "time"),
    ("doc.wsapi_test_connectivity", "ping"),
    ("doc.wsapi_symbol_order_book_ticker", "ticker.book"),
    ("doc.wsapi_exchange_information", "exchangeInfo"),
    ("doc.wsapi_account_trade_history", "myTrades"),
    ("sdk.wsapi_spot_get_user_trades", "myTrades"),
    ("sdk.wsapi_spot_get_account_info", "account.status"),
    ("sdk.wsapi_spot_account_status", "account.status"),
    ("sdk.wsapi_spot_get_order_rate_limits", "account.rateLimits.orders"),
    ("doc.wsapi_query_session_status", "session.status"),
    ("doc.wsapi_log_in_with_api_key", "session.status"),
    ("doc.wsapi_listing_all_subscriptions", "session.subscriptions"),
];

const ASKED_BY_REST: &[(&str, &str)] = &[
    ("doc.rest_exchange_information", "/api/v3/exchangeInfo"),
    ("spot.http_json.exchange_info_response", "/api/v3/exchangeInfo"),
    ("spot.http_json.account_trades_response", "/api/v3/myTrades"),
    ("spot.http_json.all_orders_response", "/api/v3/allOrders"),
    ("spot.http_json.book_ticker_response", "/api/v3/ticker/bookTicker"),
    ("spot.http_json.depth_response", "/api/v3/depth"),
    ("rec.spot_depth_snapshot_nknusdt", "/api/v3/depth"),
    ("spot.http_json.server_time_response", "/api/v3/time"),
    ("sdk.pyconn_sapi_get_api_key_permission", "/sapi/v1/account/apiRestrictions"),
];

/// The first event of a kind, whole.
fn event<'a>(events: &'a [Value], kind: &str, execution: Option<&str>) -> &'a Value {
    let is_it = |message: &&Value| {
        message["event"]["e"] == kind
            && execution.is_none_or(|execution| message["event"]["x"] == execution)
    };
    events.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {execution:?}"))
}

fn event_payloads(events: &[Value]) -> Payloads {
    let new = event(events, "executionReport", Some("NEW"));
    let trade = event(events, "executionReport", Some("TRADE"));
    let position = event(events, "outboundAccountPosition", None);
    vec![
        ("doc.ws_user_executionreport", new.clone()),
        ("spot.user_data_json.execution_report_wrapped", new.clone()),
        ("spot.user_data_json.execution_report_new", new["event"].clone()),
        ("spot.user_data_json.execution_report_trade", trade["event"].clone()),
        ("spot.user_data_json.account_position", position["event"].clone()),
        ("doc.wsapi_event_format", position.clone()),
    ]
}

async fn our_payloads(venue: &Venue) -> Payloads {
    let account = venue.spot("trade", "ed25519");
    let mut socket = venue.spot_orders().await;
    let params = signed_params(&account, json!({}));
    let logon = json!({"id": "l", "method": "session.logon", "params": params});
    ask(&mut socket, &logon).await;
    let mut caller = Caller { socket, events: Vec::new() };
    let subscribed = caller.call("userDataStream.subscribe", json!({})).await;
    let target = "/api/v3/depth?symbol=BTCUSDT&limit=5";
    let bid = loop {
        let depth = venue.http("GET", target, "", None).await.json();
        if let Some(bid) = depth["bids"][0][0].as_str() {
            break bid.parse::<Decimal>().unwrap();
        }
    };
    let mut all = order_payloads(&mut caller, bid.normalize()).await;
    all.extend(list_payloads(&mut caller, bid.normalize()).await);
    all.push((
        "doc.wsapi_subscribe_to_user_data_stream_through_signature_subscription",
        subscribed,
    ));
    for (name, method) in ASKED_BY_WEBSOCKET {
        let reply = caller.call(method, json!({"symbol": "BTCUSDT"})).await;
        all.push((name, reply));
    }
    all.extend(event_payloads(&caller.events));
    for (name, path) in ASKED_BY_REST {
        let reply = venue.signed(&account, "GET", path, "symbol=BTCUSDT").await.json();
        all.push((name, reply));
    }
    all
}

#[tokio::test]
async fn our_spot_payloads_have_every_member_of_the_recorded_ones() {
    let Some(folder) = recorded("ENIGMA_FIXTURES", "../shared/fixtures") else { return };
    let still = MarketSettings::Synthetic { actions_per_second: 0 };
    let config = SimulatorConfig { seed: Some(3), market: still, ..SimulatorConfig::default() };
    let venue = Venue::start(config).await;
    let payloads = our_payloads(&venue).await;
    let mut used = 0;
    for (name, ours) in payloads {
        let path = folder.join("binance").join(format!("{name}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        check_keys(name, &ours, &serde_json::from_str(&text).unwrap(), FOREIGN);
        used += 1;
    }
    println!("{used} recorded spot payloads compared");
}
