//! A recorded market played through the sockets, and the recorded payloads' keys.
#![expect(clippy::print_stdout, reason = "the counts of what was used are shown")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::client::{Socket, Venue, ask, receive, send};
use enigma_simulator::{MarketSettings, ReplaySpeed, SimulatorConfig};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// Where recorded material is; None where it is absent and nobody requires it.
pub(crate) fn recorded(variable: &str, default: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = std::env::var_os(variable).map_or_else(|| root.join(default), PathBuf::from);
    if path.is_dir() {
        return Some(path);
    }
    let required = std::env::var("ENIGMA_REQUIRE_DATA").is_ok_and(|value| value == "1");
    assert!(!required, "{} is required and not there", path.display());
    println!("skipped: no recorded data");
    None
}

/// The recordings of one market.
pub(crate) fn recordings(product: &str) -> Vec<PathBuf> {
    let Some(folder) = recorded("ENIGMA_DATA", "../shared/data") else { return Vec::new() };
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_of_it = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(product) && name.ends_with(".gz")
    };
    all.filter(is_of_it).collect()
}

pub(crate) fn replay(path: PathBuf, speed: ReplaySpeed) -> SimulatorConfig {
    SimulatorConfig {
        seed: Some(1),
        market: MarketSettings::Replay { path, speed, hold_until_subscribed: true },
        ..SimulatorConfig::default()
    }
}

#[tokio::test]
async fn a_recording_arrives_whole_and_in_order_at_full_speed() {
    for path in recordings("binance-usdm-") {
        println!("recording {}", path.display());
        let venue = Venue::start(replay(path, ReplaySpeed::Max)).await;
        // The earliest consistent state is there before the first line.
        let target = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";
        let snapshot = loop {
            let answer = venue.http("GET", target, "", None).await;
            if answer.status == 200 {
                break answer.json();
            }
            assert_eq!(answer.json()["msg"], "Service Unavailable.");
        };
        let start = snapshot["lastUpdateId"].as_u64().unwrap();
        let names = "btcusdt@depth/btcusdt@bookTicker/btcusdt@trade";
        let mut socket = venue.public(&format!("/stream?streams={names}")).await;
        let (mut depth, mut touches, mut trades, mut gaps) = (0, 0, 0, 0);
        let (mut last, mut connected) = (0, false);
        while depth + touches + trades < 93_953 {
            let message = receive(&mut socket).await;
            let data = &message["data"];
            match message["stream"].as_str().unwrap() {
                "btcusdt@depth" => {
                    let id = |name: &str| data[name].as_u64().unwrap();
                    gaps += i32::from(last != 0 && id("pu") != last);
                    connected |= id("U") <= start && start <= id("u");
                    last = id("u");
                    depth += 1;
                }
                "btcusdt@bookTicker" => touches += 1,
                "btcusdt@trade" => trades += 1,
                other => panic!("stream {other}"),
            }
        }
        assert_eq!((touches, depth, trades, gaps), (66_089, 6_551, 21_313, 0));
        assert!(connected, "the early snapshot never met its event");
        while !venue.handle.replay_finished() {
            tokio::task::yield_now().await;
        }
        let end = venue.http("GET", target, "", None).await.json();
        assert_eq!(end["lastUpdateId"], last, "the market stands still at its last event");
        println!("{touches} bookTicker, {depth} depth, {trades} trade, {gaps} gaps");
    }
}

#[tokio::test]
async fn passive_and_aggressive_orders_trade_against_a_recording() {
    for path in recordings("binance-usdm-") {
        let venue = Venue::start(replay(path, ReplaySpeed::Percent(2_000))).await;
        let account = venue.hmac();
        let mut socket = venue.public("/ws/btcusdt@bookTicker").await;
        let touch = receive(&mut socket).await;
        let bid: Decimal = touch["b"].as_str().unwrap().parse().unwrap();
        let take = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.050&newOrderRespType=RESULT";
        let answer = venue.signed(&account, "POST", "/fapi/v1/order", take).await.json();
        assert_eq!(answer["status"], "FILLED", "{answer}");
        let rest = format!(
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&price={bid}\
            &quantity=0.010&newClientOrderId=passive"
        );
        let answer = venue.signed(&account, "POST", "/fapi/v1/order", &rest).await;
        // The market may have fallen to our price meanwhile.
        assert!(answer.status == 200 || answer.code() == -5022, "{}", answer.text);
        for _ in 0..5_000 {
            receive(&mut socket).await;
        }
        let view = venue.handle.account_view(&account.api_key).unwrap();
        for fill in view.fills.iter().filter(|fill| fill.maker) {
            assert_eq!((fill.client_order_id.as_str(), fill.price), ("passive", bid));
        }
    }
}

/// Members that only other products' or conditional orders' payloads carry.
const FOREIGN: &[&str] = &[
    "activatePrice",
    "priceRate",
    "pair",
    "cumBase",
    "baseQty",
    "marginAsset",
    "AP",
    "cr",
    "st",
    "ps",
];

fn keys(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{prefix}.{name}");
                keys(member, &path, found);
                found.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, prefix, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Every member of the recorded payload is in ours, but for the `foreign` ones.
#[track_caller]
pub(crate) fn check_keys(name: &str, ours: &Value, recorded: &Value, foreign: &[&str]) {
    let (mut have, mut want) = (BTreeSet::new(), BTreeSet::new());
    keys(ours, "", &mut have);
    keys(recorded, "", &mut want);
    let is_foreign = |path: &&String| path.split('.').any(|key| foreign.contains(&key));
    let missing: Vec<_> = want.difference(&have).filter(|path| !is_foreign(path)).collect();
    assert!(missing.is_empty(), "{name} lacks {missing:?}: {ours}");
}

/// Our payloads, by the recorded file that shows the venue's.
type Payloads = Vec<(&'static str, Value)>;

fn call(method: &str, mut params: Value) -> Value {
    params["timestamp"] = json!(crate::client::now_ms());
    json!({"id": "c", "method": method, "params": params})
}

async fn logged_on(venue: &Venue) -> Socket {
    let mut orders = venue.orders().await;
    let logon = crate::client::signed_params(&venue.ed25519(), json!({}));
    ask(&mut orders, &json!({"id": 1, "method": "session.logon", "params": logon})).await;
    orders
}

/// One order from its placing to its cancel, as replies, queries and events.
async fn order_payloads(venue: &Venue, orders: &mut Socket, events: &mut Socket) -> Payloads {
    let account = venue.ed25519();
    let target = "/fapi/v1/depth?symbol=BTCUSDT&limit=5";
    let mut bid = json!(null);
    while bid.is_null() {
        bid = venue.http("GET", target, "", None).await.json()["bids"][0][0].clone();
    }
    let limit = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.010", "price": bid, "newClientOrderId": "keys"});
    let placed = ask(orders, &call("order.place", limit)).await;
    let opened = receive(events).await;
    let named = json!({"symbol": "BTCUSDT", "origClientOrderId": "keys"});
    let status = ask(orders, &call("order.status", named.clone())).await;
    let open = venue.signed(&account, "GET", "/fapi/v1/openOrders", "symbol=BTCUSDT").await.json();
    let mut change = named.clone();
    change["side"] = json!("BUY");
    change["quantity"] = json!("0.020");
    change["price"] = bid.clone();
    let modified = ask(orders, &call("order.modify", change)).await;
    receive(events).await;
    let query = "symbol=BTCUSDT&origClientOrderId=keys";
    let query = venue.signed(&account, "GET", "/fapi/v1/order", query).await.json();
    let canceled = ask(orders, &call("order.cancel", named)).await;
    receive(events).await;
    vec![
        ("sdk.pyconn_wsfapi_new_order", placed.clone()),
        ("sdk.pyconn_fapi_new_order", placed["result"].clone()),
        ("sdk.rest_futures_place_order", placed["result"].clone()),
        ("sdk.wsapi_futures_get_order", status),
        ("sdk.rest_futures_get_open_orders", open),
        ("sdk.wsapi_futures_edit_order", modified.clone()),
        ("sdk.wsapi_futures_order_modify", modified.clone()),
        ("sdk.rest_futures_edit_order", modified["result"].clone()),
        ("sdk.pyconn_fapi_query_order", query.clone()),
        ("futures.http_json.order_response", query),
        ("sdk.pyconn_wsfapi_cancel_order", canceled.clone()),
        ("sdk.pyconn_fapi_cancel_order", canceled["result"].clone()),
        ("futures.user_data_json.order_update_new", opened["data"].clone()),
        ("sdk.ws_futures_order_update", opened),
    ]
}

/// A fill as the account and as the public see it.
async fn fill_payloads(venue: &Venue, orders: &mut Socket, events: &mut Socket) -> Payloads {
    let public = "/stream?streams=btcusdt@bookTicker/btcusdt@depth@0ms";
    let mut public = venue.public(public).await;
    let ws_market = venue.handle.endpoints().binance_usdm.ws_market.clone();
    let mut aggregates = venue.websocket(&ws_market, "/stream?streams=btcusdt@aggTrade").await;
    let mut marks = venue.websocket(&ws_market, "/stream?streams=btcusdt@markPrice@1s").await;
    let market = json!({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.002"});
    send(orders, &call("order.place", market)).await;
    receive(orders).await;
    receive(events).await;
    let (lite, wallet, filled) =
        (receive(events).await, receive(events).await, receive(events).await);
    let (one, other) = (receive(&mut public).await, receive(&mut public).await);
    let is_depth = one["data"]["e"] == "depthUpdate";
    let (depth, ticker) = if is_depth { (one, other) } else { (other, one) };
    let mark = receive(&mut marks).await;
    vec![
        ("futures.user_data_json.order_update_trade_partial", filled["data"].clone()),
        ("futures.user_data_json.trade_lite", lite["data"].clone()),
        ("sdk.ws_futures_trade_update", lite),
        ("futures.user_data_json.account_update", wallet["data"].clone()),
        ("sdk.ws_futures_account_update", wallet),
        ("futures.market_data_json.mark_price_stream", mark["data"].clone()),
        ("sdk.ws_futures_book_ticker", ticker.clone()),
        ("futures.market_data_json.book_ticker_stream", ticker["data"].clone()),
        ("sdk.ws_futures_book", depth.clone()),
        ("rec.futures_combined_depth", depth.clone()),
        ("futures.market_data_json.depth_update_stream", depth["data"].clone()),
        ("rec.futures_combined_aggtrade", receive(&mut aggregates).await),
    ]
}

const ASKED_BY_WEBSOCKET: &[(&str, &str)] = &[
    ("sdk.wsapi_futures_get_book_price", "ticker.book"),
    ("sdk.wsapi_futures_get_order_book", "depth"),
    ("sdk.wsapi_futures_depth", "depth"),
    ("sdk.wsapi_futures_get_balances", "v2/account.balance"),
    ("sdk.pyconn_wsfapi_futures_account_balance", "account.balance"),
    ("sdk.pyconn_wsfapi_account_information", "account.status"),
    ("sdk.pyconn_wsfapi_position_information", "account.position"),
    ("sdk.pyconn_wsfapi_position_information_v2", "v2/account.position"),
    ("sdk.pyconn_wsfapi_start_user_data_stream", "userDataStream.start"),
    ("sdk.pyconn_wsfapi_keepalive_user_data_stream", "userDataStream.ping"),
    ("sdk.pyconn_wsfapi_symbol_order_book_ticker", "ticker.book"),
];

const ASKED_BY_REST: &[(&str, &str)] = &[
    ("sdk.pyconn_fapi_account_trade_list", "/fapi/v1/userTrades"),
    ("sdk.rest_futures_get_user_trades", "/fapi/v1/userTrades"),
    ("sdk.pyconn_fapi_position_information_v3", "/fapi/v3/positionRisk"),
    ("sdk.rest_futures_get_positions", "/fapi/v2/positionRisk"),
    ("futures.http_json.position_risk", "/fapi/v2/positionRisk"),
    ("futures.http_json.balance", "/fapi/v3/balance"),
    ("futures.http_json.account_info_v2", "/fapi/v2/account"),
    ("sdk.rest_futures_get_account_info_v3", "/fapi/v3/account"),
    ("sdk.rest_futures_get_order_rate_limit", "/fapi/v1/rateLimit/order"),
    ("sdk.pyconn_fapi_get_current_position_mode", "/fapi/v1/positionSide/dual"),
    ("sdk.pyconn_fapi_user_commission_rate", "/fapi/v1/commissionRate"),
    ("sdk.rest_futures_get_exchange_info", "/fapi/v1/exchangeInfo"),
    ("sdk.rest_futures_get_order_book", "/fapi/v1/depth"),
];

async fn our_payloads(venue: &Venue) -> Payloads {
    let account = venue.ed25519();
    let key = venue.http("POST", "/fapi/v1/listenKey", "", Some(&account.api_key)).await.json();
    let mut events =
        venue.private(&format!("/stream?listenKey={}", key["listenKey"].as_str().unwrap())).await;
    let mut orders = logged_on(venue).await;
    let mut all = order_payloads(venue, &mut orders, &mut events).await;
    all.extend(fill_payloads(venue, &mut orders, &mut events).await);
    all.push(("sdk.pyconn_fapi_keepalive_user_data_stream", key));
    for (name, method) in ASKED_BY_WEBSOCKET {
        let reply = ask(&mut orders, &call(method, json!({"symbol": "BTCUSDT"}))).await;
        all.push((name, reply));
    }
    for (name, path) in ASKED_BY_REST {
        let reply = venue.signed(&account, "GET", path, "symbol=BTCUSDT").await.json();
        all.push((name, reply));
    }
    all
}

#[tokio::test]
async fn our_payloads_have_every_member_of_the_recorded_ones() {
    let Some(folder) = recorded("ENIGMA_FIXTURES", "../shared/fixtures") else { return };
    let still = MarketSettings::Synthetic { actions_per_second: 0 };
    let config = SimulatorConfig { seed: Some(2), market: still, ..SimulatorConfig::default() };
    let venue = Venue::start(config).await;
    let payloads = our_payloads(&venue).await;
    let mut used = 0;
    for (name, ours) in payloads {
        let path = folder.join("binance").join(format!("{name}.json"));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        check_keys(name, &ours, &serde_json::from_str(&text).unwrap(), FOREIGN);
        used += 1;
    }
    println!("{used} recorded payloads compared");
}
