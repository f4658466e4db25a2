//! Spot over real sockets: what a client does in a day, the four ends of a cancel-replace, lists,
//! fees and every refusal.

use crate::client::{Socket, Venue, ask, now_ms, receive, signed_params};
use enigma_simulator::{FaultKind, MarketSettings, Role, SimulatorConfig, TestAccount, Transport};
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// A market that stands still, so that prices are known.
fn still() -> SimulatorConfig {
    SimulatorConfig {
        seed: Some(12),
        market: MarketSettings::Synthetic { actions_per_second: 0 },
        ..SimulatorConfig::default()
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn number(value: &Value) -> Decimal {
    decimal(value.as_str().unwrap())
}

/// The best bid and ask, without trailing zeros.
async fn touch(venue: &Venue) -> (Decimal, Decimal) {
    // The market's thread opens it a moment after the ports.
    loop {
        let depth =
            venue.http("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5", "", None).await.json();
        if let (Some(bid), Some(ask)) = (depth["bids"][0][0].as_str(), depth["asks"][0][0].as_str())
        {
            return (decimal(bid).normalize(), decimal(ask).normalize());
        }
    }
}

/// Calls of one logged-on connection; user events that come between are kept.
struct Desk {
    socket: Socket,
    events: Vec<Value>,
    next: u32,
}

impl Desk {
    async fn open(venue: &Venue, account: &TestAccount) -> Self {
        let mut socket = venue.spot_orders().await;
        let params = signed_params(account, json!({}));
        let logon = json!({"id": "logon", "method": "session.logon", "params": params});
        let reply = ask(&mut socket, &logon).await;
        assert_eq!(reply["status"], 200, "{reply}");
        assert_eq!(reply["result"]["userDataStream"], false);
        let mut desk = Self { socket, events: Vec::new(), next: 0 };
        let reply = desk.call("userDataStream.subscribe", json!({})).await;
        assert_eq!(reply["result"], json!({"subscriptionId": 0}));
        desk
    }

    async fn call(&mut self, method: &str, mut params: Value) -> Value {
        self.next += 1;
        let id = json!(self.next);
        params["timestamp"] = json!(now_ms());
        let request = json!({"id": id, "method": method, "params": params});
        crate::client::send(&mut self.socket, &request).await;
        loop {
            let message = receive(&mut self.socket).await;
            if message.get("event").is_some() {
                self.events.push(message["event"].clone());
            } else {
                return message;
            }
        }
    }

    async fn done(&mut self, method: &str, params: Value) -> Value {
        let reply = self.call(method, params).await;
        assert_eq!(reply["status"], 200, "{method}: {reply}");
        reply["result"].clone()
    }

    async fn code(&mut self, method: &str, params: Value) -> (i64, String) {
        let reply = self.call(method, params).await;
        let error = &reply["error"];
        (error["code"].as_i64().unwrap_or_default(), error["msg"].as_str().unwrap_or("").to_owned())
    }

    /// `x/X` of every report since the last call, by client id, and the kinds of other events.
    fn take_events(&mut self) -> Vec<String> {
        let told = std::mem::take(&mut self.events).into_iter().map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            match text("e").as_str() {
                "executionReport" => format!("{} {}/{}", text("c"), text("x"), text("X")),
                "listStatus" => format!("{} {}", text("C"), text("l")),
                kind => kind.to_owned(),
            }
        });
        told.filter(|kind| kind != "outboundAccountPosition").collect()
    }
}

fn limit(id: &str, side: &str, price: Decimal, quantity: &str) -> Value {
    json!({"symbol": "BTCUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC",
        "quantity": quantity, "price": price.to_string(), "newClientOrderId": id})
}

async fn one_day(transport: Transport) {
    let venue = Venue::start(SimulatorConfig { transport, ..still() }).await;
    let (bid, ask_price) = touch(&venue).await;
    let account = venue.spot("trade", "ed25519");
    let mut desk = Desk::open(&venue, &account).await;

    let rests = bid - Decimal::ONE;
    let placed = desk.done("order.place", limit("rests", "BUY", rests, "0.01000")).await;
    assert_eq!((&placed["status"], &placed["fills"]), (&json!("NEW"), &json!([])));
    let held = venue.handle.spot_view(&account.api_key).unwrap();
    assert_eq!(held.locked["USDT"], rests * decimal("0.01"));
    assert_eq!(held.balances["USDT"], Decimal::from(1_000_000), "locked is still owned");

    let amended = desk
        .done(
            "order.amend.keepPriority",
            json!({"symbol": "BTCUSDT", "origClientOrderId": "rests",
                "newClientOrderId": "rests", "newQty": "0.005"}),
        )
        .await;
    assert_eq!(amended["amendedOrder"]["qty"], "0.00500000", "{amended}");
    let held = venue.handle.spot_view(&account.api_key).unwrap();
    assert_eq!(held.locked["USDT"], rests * decimal("0.005"), "the rest is free again");

    let mut take = limit("takes", "BUY", ask_price + Decimal::TEN, "0.50000");
    take["timeInForce"] = json!("IOC");
    let taken = desk.done("order.place", take).await;
    assert_eq!(taken["status"], "FILLED", "{taken}");
    let fills = taken["fills"].as_array().unwrap();
    let sum = |name: &str| fills.iter().map(|fill| number(&fill[name])).sum::<Decimal>();
    assert_eq!(sum("qty"), decimal("0.5"));
    assert!(fills.iter().all(|fill| fill["commissionAsset"] == "BTC"), "a buy pays in the base");
    assert_eq!(sum("commission"), decimal("0.0005"));

    let sell = json!({"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.1",
        "newClientOrderId": "sells"});
    let sold = desk.done("order.place", sell).await;
    assert_eq!(sold["fills"][0]["commissionAsset"], "USDT", "a sale pays in the quote");

    let cancel = json!({"symbol": "BTCUSDT", "origClientOrderId": "rests",
        "newClientOrderId": "cancels"});
    let canceled = desk.done("order.cancel", cancel.clone()).await;
    assert_eq!(
        (&canceled["origClientOrderId"], &canceled["clientOrderId"], &canceled["status"]),
        (&json!("rests"), &json!("cancels"), &json!("CANCELED"))
    );
    assert_eq!(desk.code("order.cancel", cancel).await.0, -2011);
    let events = desk.take_events();
    assert_eq!(&events[..3], ["rests NEW/NEW", "rests REPLACED/NEW", "takes NEW/NEW"]);
    assert!(events.contains(&"takes TRADE/FILLED".to_owned()), "{events:?}");
    assert_eq!(events.last().unwrap(), "cancels CANCELED/CANCELED");

    assert_books_add_up(&venue, &account, &mut desk).await;
    venue.handle.shutdown().await;
}

/// Balances are the deposits and what the fills moved, to the last digit, in every view.
async fn assert_books_add_up(venue: &Venue, account: &TestAccount, desk: &mut Desk) {
    let view = venue.handle.spot_view(&account.api_key).unwrap();
    let mut expected = std::collections::BTreeMap::from([
        ("USDT".to_owned(), Decimal::from(1_000_000)),
        ("BTC".to_owned(), Decimal::from(100)),
        ("ETH".to_owned(), Decimal::from(1_000)),
        ("BNB".to_owned(), Decimal::from(100)),
    ]);
    for fill in &view.fills {
        let value = fill.price * fill.quantity;
        let buys = fill.side == enigma_simulator::exchange::order::Side::Buy;
        let sign = if buys { Decimal::ONE } else { -Decimal::ONE };
        *expected.get_mut("BTC").unwrap() += sign * fill.quantity;
        *expected.get_mut("USDT").unwrap() -= sign * value;
        *expected.get_mut(&fill.fee_asset).unwrap() -= fill.fee;
    }
    assert_eq!(view.balances, expected);
    let told = desk.done("account.status", json!({"omitZeroBalances": true})).await;
    for balance in told["balances"].as_array().unwrap() {
        let asset = balance["asset"].as_str().unwrap();
        assert_eq!(number(&balance["free"]) + number(&balance["locked"]), expected[asset]);
    }
    let trades = desk.done("myTrades", json!({"symbol": "BTCUSDT"})).await;
    let trades = trades.as_array().unwrap();
    assert_eq!(trades.len(), view.fills.len());
    for (trade, fill) in trades.iter().zip(&view.fills) {
        assert_eq!(trade["id"], json!(fill.trade_id));
        assert_eq!((number(&trade["price"]), number(&trade["qty"])), (fill.price, fill.quantity));
        assert_eq!(number(&trade["commission"]), fill.fee);
    }
}

#[tokio::test]
async fn a_day_of_a_spot_client_on_plain_sockets() {
    one_day(Transport::Plain).await;
}

#[tokio::test]
async fn a_day_of_a_spot_client_on_tls() {
    one_day(Transport::Tls).await;
}

#[tokio::test]
async fn a_cancel_replace_ends_in_one_of_four_ways() {
    let venue = Venue::start(still()).await;
    let (bid, ask_price) = touch(&venue).await;
    let mut desk = Desk::open(&venue, &venue.spot("trade", "ed25519")).await;
    let low = bid - Decimal::TEN;
    let replace = |mode: &str, of: &str, kind: &str, price: Decimal, id: &str| {
        let mut params = json!({"symbol": "BTCUSDT", "side": "BUY", "type": kind,
            "quantity": "0.01", "price": price.to_string(), "newClientOrderId": id,
            "cancelReplaceMode": mode, "cancelOrigClientOrderId": of});
        if kind == "LIMIT" {
            params["timeInForce"] = json!("GTC");
        }
        params
    };
    desk.done("order.place", limit("a", "BUY", low, "0.01")).await;
    let params = replace("STOP_ON_FAILURE", "a", "LIMIT", low - Decimal::ONE, "b");
    let both = desk.done("order.cancelReplace", params).await;
    assert_eq!(both["cancelResponse"]["origClientOrderId"], "a");
    assert_eq!(both["newOrderResponse"]["clientOrderId"], "b");

    let mut check = async |params: Value, status: u16, code: i64, words: (&str, &str)| {
        let reply = desk.call("order.cancelReplace", params).await;
        let data = &reply["error"]["data"];
        assert_eq!((&reply["status"], &reply["error"]["code"]), (&json!(status), &json!(code)));
        assert_eq!(
            (&data["cancelResult"], &data["newOrderResult"]),
            (&json!(words.0), &json!(words.1))
        );
        data.clone()
    };
    let gone = replace("STOP_ON_FAILURE", "a", "LIMIT", low, "c");
    check(gone, 400, -2022, ("FAILURE", "NOT_ATTEMPTED")).await;
    let crossing = replace("ALLOW_FAILURE", "a", "LIMIT_MAKER", ask_price, "d");
    let data = check(crossing, 400, -2022, ("FAILURE", "FAILURE")).await;
    assert_eq!(data["newOrderResponse"]["code"], -2010);
    let lives = replace("ALLOW_FAILURE", "a", "LIMIT", low, "e");
    let data = check(lives, 409, -2021, ("FAILURE", "SUCCESS")).await;
    assert_eq!(data["newOrderResponse"]["status"], "NEW", "a 409 may mean a live order");
    let half = replace("STOP_ON_FAILURE", "b", "LIMIT_MAKER", ask_price, "f");
    let data = check(half, 409, -2021, ("SUCCESS", "FAILURE")).await;
    assert_eq!(data["cancelResponse"]["status"], "CANCELED");
    // REST carries the same beside its code.
    let account = venue.spot("trade", "hmac");
    let query = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={low}\
         &cancelReplaceMode=STOP_ON_FAILURE&cancelOrderId=1"
    );
    let answer = venue.signed(&account, "POST", "/api/v3/order/cancelReplace", &query).await;
    assert_eq!((answer.status, answer.code()), (400, -2022), "{answer:?}");
    assert_eq!(answer.json()["data"]["newOrderResult"], "NOT_ATTEMPTED");
}

#[tokio::test]
async fn of_a_pair_one_cancels_the_other_and_the_larger_need_is_locked_once() {
    let venue = Venue::start(still()).await;
    let (bid, ask_price) = touch(&venue).await;
    let account = venue.spot("trade", "ed25519");
    let mut desk = Desk::open(&venue, &account).await;
    // A last price between the two stops.
    let mut first = limit("first", "BUY", ask_price, "0.00010");
    first["timeInForce"] = json!("IOC");
    desk.done("order.place", first).await;
    desk.take_events();
    let oco = json!({"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.5",
        "listClientOrderId": "pair",
        "aboveType": "LIMIT_MAKER", "abovePrice": (ask_price + Decimal::TEN).to_string(),
        "aboveClientOrderId": "above",
        "belowType": "STOP_LOSS_LIMIT", "belowPrice": (bid - Decimal::TEN).to_string(),
        "belowStopPrice": (bid - Decimal::ONE).to_string(), "belowTimeInForce": "GTC",
        "belowClientOrderId": "below"});
    let placed = desk.done("orderList.place.oco", oco.clone()).await;
    assert_eq!(placed["listStatusType"], "EXEC_STARTED", "{placed}");
    assert_eq!(placed["orders"].as_array().unwrap().len(), 2);
    assert_eq!(placed["orderReports"][0]["type"], "STOP_LOSS_LIMIT");
    assert_eq!(placed["orderReports"][0]["workingTime"], -1);
    let view = venue.handle.spot_view(&account.api_key).unwrap();
    assert_eq!(view.locked["BTC"], decimal("0.5"), "once for both");

    // Another account takes a part of the upper order: the stop is over.
    let other = venue.spot("trade", "hmac");
    let query = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=IOC&quantity=100&price={}",
        ask_price + Decimal::TEN
    );
    let answer = venue.signed(&other, "POST", "/api/v3/order", &query).await;
    assert_eq!(answer.status, 400, "not enough money for 100: {answer:?}");
    let query = query.replace("quantity=100", "quantity=15");
    let answer = venue.signed(&other, "POST", "/api/v3/order", &query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    desk.done("openOrders.status", json!({"symbol": "BTCUSDT"})).await;
    let events = desk.take_events();
    let ended = events.iter().position(|event| event == "below EXPIRED/EXPIRED");
    assert!(ended.is_some(), "{events:?}");
    assert!(events.contains(&"pair ALL_DONE".to_owned()), "{events:?}");

    // Cancelling one order of a pair cancels the list.
    let mut second = oco;
    for (name, id) in [
        ("listClientOrderId", "pair2"),
        ("aboveClientOrderId", "above2"),
        ("belowClientOrderId", "below2"),
    ] {
        second[name] = json!(id);
    }
    second["abovePrice"] = json!((ask_price + Decimal::ONE_HUNDRED).to_string());
    desk.done("orderList.place.oco", second).await;
    let cancel = json!({"symbol": "BTCUSDT", "origClientOrderId": "above2"});
    let canceled = desk.done("order.cancel", cancel).await;
    assert_eq!(canceled["listOrderStatus"], "ALL_DONE");
    assert_eq!(canceled["orderReports"].as_array().unwrap().len(), 2);
    let view = venue.handle.spot_view(&account.api_key).unwrap();
    assert_eq!(view.locked["BTC"], Decimal::ZERO);
}

#[tokio::test]
async fn what_waits_for_another_order_is_placed_when_that_is_filled() {
    let venue = Venue::start(still()).await;
    let (bid, ask_price) = touch(&venue).await;
    let mut desk = Desk::open(&venue, &venue.spot("trade", "ed25519")).await;
    let oto = json!({"symbol": "BTCUSDT", "listClientOrderId": "oto",
        "workingType": "LIMIT", "workingSide": "BUY", "workingTimeInForce": "GTC",
        "workingPrice": ask_price.to_string(), "workingQuantity": "0.0001",
        "workingClientOrderId": "works",
        "pendingType": "LIMIT", "pendingSide": "SELL", "pendingTimeInForce": "GTC",
        "pendingPrice": (ask_price + Decimal::TEN).to_string(), "pendingQuantity": "0.0001",
        "pendingClientOrderId": "waits"});
    let placed = desk.done("orderList.place.oto", oto).await;
    assert_eq!(placed["contingencyType"], "OTO");
    assert_eq!(placed["orderReports"][0]["status"], "FILLED", "{placed}");
    assert_eq!(placed["orderReports"][1]["status"], "PENDING_NEW");
    let query = json!({"symbol": "BTCUSDT", "origClientOrderId": "waits"});
    assert_eq!(desk.done("order.status", query).await["status"], "NEW");

    let otoco = json!({"symbol": "BTCUSDT", "listClientOrderId": "otoco",
        "workingType": "LIMIT", "workingSide": "BUY", "workingTimeInForce": "GTC",
        "workingPrice": (bid - Decimal::TEN).to_string(), "workingQuantity": "0.001",
        "workingClientOrderId": "works2", "pendingSide": "SELL", "pendingQuantity": "0.001",
        "pendingAboveType": "LIMIT_MAKER",
        "pendingAbovePrice": (ask_price + Decimal::TEN).to_string(),
        "pendingBelowType": "STOP_LOSS",
        "pendingBelowStopPrice": (bid - Decimal::ONE_HUNDRED).to_string()});
    let placed = desk.done("orderList.place.otoco", otoco).await;
    assert_eq!(placed["orderReports"].as_array().unwrap().len(), 3);
    let all = desk.done("openOrders.cancelAll", json!({"symbol": "BTCUSDT"})).await;
    assert_eq!(all.as_array().unwrap().len(), 2, "a list is one report: {all}");
    let nothing = desk.code("openOrders.cancelAll", json!({"symbol": "BTCUSDT"})).await;
    assert_eq!(nothing, (-2011, "Unknown order sent.".to_owned()));
}

#[tokio::test]
async fn a_stop_works_from_its_price_on() {
    let venue = Venue::start(still()).await;
    let (bid, _) = touch(&venue).await;
    let mut desk = Desk::open(&venue, &venue.spot("trade", "ed25519")).await;
    let sell = |id: &str, quantity: &str| {
        json!({"symbol": "BTCUSDT", "side": "SELL",
        "type": "MARKET", "quantity": quantity, "newClientOrderId": id})
    };
    let stop = |price: Decimal| {
        json!({"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_LOSS",
        "quantity": "0.01", "stopPrice": price.to_string(), "newClientOrderId": "stop"})
    };
    desk.done("order.place", sell("first", "0.0001")).await;
    let refused = desk.code("order.place", stop(bid + Decimal::ONE)).await;
    assert_eq!(refused, (-2010, "Order would trigger immediately.".to_owned()));
    desk.done("order.place", stop(bid - decimal("0.05"))).await;
    let query = json!({"symbol": "BTCUSDT", "origClientOrderId": "stop"});
    let waits = desk.done("order.status", query.clone()).await;
    assert_eq!((&waits["isWorking"], &waits["type"]), (&json!(false), &json!("STOP_LOSS")));
    desk.done("order.place", sell("second", "0.5")).await;
    let fired = desk.done("order.status", query).await;
    assert_eq!(
        (&fired["isWorking"], &fired["status"]),
        (&json!(true), &json!("FILLED")),
        "{fired}"
    );
}

#[tokio::test]
async fn bad_spot_orders_get_the_venues_codes() {
    let venue = Venue::start(still()).await;
    let account = venue.spot("trade", "hmac");
    let (bid, ask_price) = touch(&venue).await;
    let low = bid - Decimal::ONE;
    let base =
        format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={low}");
    let with = |from: &str, to: &str| base.replace(from, to);
    let cases: Vec<(String, i64, &str)> = vec![
        (with("symbol=BTCUSDT", "symbol=NOPE"), -1121, "Invalid symbol."),
        (with("side=BUY", "side=HOLD"), -1117, "Invalid side."),
        (with("type=LIMIT", "type=ODD"), -1116, "Invalid orderType."),
        (with("timeInForce=GTC", "timeInForce=DAY"), -1115, "Invalid timeInForce."),
        (with("&timeInForce=GTC", ""), -1102, "timeInForce"),
        (with("&quantity=0.01", ""), -1102, "quantity"),
        (with("quantity=0.01", "quantity=1e-2"), -1100, "quantity"),
        (with("quantity=0.01", "quantity=0.123456789"), -1111, "quantity"),
        (with("quantity=0.01", "quantity=0.000001"), -1013, "LOT_SIZE"),
        (with("quantity=0.01", "quantity=0.00001"), -1013, "NOTIONAL"),
        (with(&format!("{low}"), "61000.001"), -1013, "PRICE_FILTER"),
        (with(&format!("price={low}"), "price=1"), -1013, "PERCENT_PRICE_BY_SIDE"),
        (with("quantity=0.01", "quantity=100"), -2010, "insufficient balance"),
        (with("type=LIMIT&", "type=LIMIT_MAKER&"), -1106, "timeInForce"),
        (format!("{base}&newClientOrderId=a.b"), -1100, "newClientOrderId"),
        (format!("{base}&stopPrice=1"), -1106, "stopPrice"),
        (format!("{base}&strategyType=5"), -1134, "strategyType"),
        (
            format!("symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER&quantity=0.01&price={ask_price}"),
            -2010,
            "Order would immediately match and take.",
        ),
        ("symbol=BTCUSDT&side=BUY&type=MARKET".into(), -1102, "quoteOrderQty"),
    ];
    for (query, code, part) in cases {
        let answer = venue.signed(&account, "POST", "/api/v3/order", &query).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{query}: {answer:?}");
        assert!(answer.text.contains(part), "{query}: {answer:?}");
    }
    let named = format!("{base}&newClientOrderId=twice");
    for expected in [0, -2010] {
        let answer = venue.signed(&account, "POST", "/api/v3/order", &named).await;
        assert_eq!(answer.code(), expected, "{answer:?}");
    }
    let listen = venue.http("POST", "/api/v3/userDataStream", "", Some(&account.api_key)).await;
    assert_eq!(listen.status, 404, "spot has no listen keys any more");
}

#[tokio::test]
async fn a_market_order_may_name_what_it_spends() {
    let venue = Venue::start(still()).await;
    let (_, ask_price) = touch(&venue).await;
    let account = venue.spot("trade", "hmac");
    let query = "symbol=BTCUSDT&side=BUY&type=MARKET&quoteOrderQty=1000";
    let bought = venue.signed(&account, "POST", "/api/v3/order", query).await.json();
    let spent = number(&bought["cummulativeQuoteQty"]);
    let step = ask_price * decimal("0.00001");
    assert!(spent <= decimal("1000") && spent > decimal("1000") - step, "{bought}");
    assert_eq!(bought["origQuoteOrderQty"], "1000.00000000");
    assert_eq!(bought["status"], "FILLED");
}

#[tokio::test]
async fn fees_are_paid_in_the_discount_asset_where_the_account_wants_that() {
    let venue = Venue::start(still()).await;
    touch(&venue).await;
    let account = venue.spot("trade", "hmac");
    let set = venue.signed(&account, "POST", "/sapi/v1/bnbBurn", "spotBNBBurn=true").await;
    assert_eq!(set.json()["spotBNBBurn"], true, "{set:?}");
    let query = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.1";
    let bought = venue.signed(&account, "POST", "/api/v3/order", query).await.json();
    let fills = bought["fills"].as_array().unwrap();
    assert!(fills.iter().all(|fill| fill["commissionAsset"] == "BNB"), "{bought}");
    let view = venue.handle.spot_view(&account.api_key).unwrap();
    let fees: Decimal = view.fills.iter().map(|fill| fill.fee).sum();
    assert_eq!(view.balances["BNB"], Decimal::from(100) - fees);
    assert_eq!(view.balances["BTC"], decimal("100.1"), "the base is received whole");
}

#[tokio::test]
async fn keys_do_what_their_role_may_and_lose_it_in_flight() {
    let venue = Venue::start(still()).await;
    let (bid, _) = touch(&venue).await;
    let path = "/sapi/v1/account/apiRestrictions";
    for (role, field, expected) in [
        ("trade", "enableSpotAndMarginTrading", json!(true)),
        ("read_only", "enableSpotAndMarginTrading", json!(false)),
        ("read_only", "enableFutures", json!(false)),
        ("withdraw", "enableWithdrawals", json!(true)),
        ("withdraw", "permitsUniversalTransfer", json!(true)),
        ("no_ip_binding", "ipRestrict", json!(false)),
        ("trade", "tradingAuthorityExpirationTime", Value::Null),
    ] {
        let told = venue.signed(&venue.spot(role, "hmac"), "GET", path, "").await.json();
        assert_eq!(told[field], expected, "{role}: {told}");
    }
    let expiring = venue.signed(&venue.spot("expiring", "hmac"), "GET", path, "").await.json();
    assert!(expiring["tradingAuthorityExpirationTime"].as_u64().unwrap() > now_ms());
    let futures_key = venue.hmac();
    let told = venue.signed(&futures_key, "GET", path, "").await.json();
    assert_eq!(told["enableFutures"], true, "futures keys are asked about on spot's host");

    let order = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={}",
        bid - Decimal::ONE
    );
    let reads = venue.spot("read_only", "hmac");
    let refused = venue.signed(&reads, "POST", "/api/v3/order", &order).await;
    assert_eq!((refused.status, refused.code()), (401, -2015));
    let unknown =
        venue.signed(&venue.spot("unregistered", "hmac"), "GET", "/api/v3/account", "").await;
    assert_eq!((unknown.status, unknown.code()), (401, -2015));

    // The role changes under a session: the next request ends its logon.
    let account = venue.spot("trade", "ed25519");
    let mut desk = Desk::open(&venue, &account).await;
    let key = account.api_key.clone();
    let change = FaultKind::ChangeRole { api_key: key.clone(), role: Role::ReadOnly };
    venue.handle.faults().inject(&change);
    let reply = desk.call("order.place", limit("late", "BUY", bid - Decimal::ONE, "0.01")).await;
    assert_eq!((&reply["id"], &reply["status"]), (&Value::Null, &json!(401)), "{reply}");
    assert_eq!(reply["error"]["code"], -2015);
    let status = desk.call("session.status", json!({})).await;
    assert_eq!(status["result"]["apiKey"], Value::Null);
    let other = venue.spot("trade", "hmac");
    let expired = FaultKind::ChangeRole { api_key: other.api_key.clone(), role: Role::Expired };
    venue.handle.faults().inject(&expired);
    let refused = venue.signed(&other, "POST", "/api/v3/order", &order).await;
    assert_eq!(refused.code(), -2015);
    let reads = venue.signed(&other, "GET", "/api/v3/account", "").await;
    assert_eq!(reads.status, 200, "what has lapsed is trading alone");
}

#[tokio::test]
async fn subscriptions_are_one_for_each_account_and_end_with_their_session() {
    let venue = Venue::start(still()).await;
    touch(&venue).await;
    let account = venue.spot("trade", "ed25519");
    let mut desk = Desk::open(&venue, &account).await;
    assert_eq!(desk.code("userDataStream.subscribe", json!({})).await.0, -2035);
    let other = venue.spot("trade", "hmac");
    let mut params = signed_params(&other, json!({}));
    let request = json!({"id": "s", "method": "userDataStream.subscribe.signature",
        "params": params.take()});
    let reply = ask(&mut desk.socket, &request).await;
    assert_eq!(reply["result"]["subscriptionId"], 1, "{reply}");
    let listed = desk.done("session.subscriptions", json!({})).await;
    assert_eq!(listed, json!([{"subscriptionId": 0}, {"subscriptionId": 1}]));
    assert!(venue.handle.deposit(&other.api_key, "ETH", Decimal::ONE));
    let deposited = receive(&mut desk.socket).await;
    assert_eq!(
        (&deposited["subscriptionId"], &deposited["event"]["e"]),
        (&json!(1), &json!("balanceUpdate")),
        "{deposited}"
    );
    let position = receive(&mut desk.socket).await;
    assert_eq!(
        position["event"]["B"],
        json!([{"a": "ETH", "f": "1001.00000000",
        "l": "0.00000000"}])
    );
    desk.done("session.logout", json!({})).await;
    // The notice and a reply to what follows may come in either order.
    while desk.events.is_empty() {
        desk.done("session.status", json!({})).await;
    }
    assert_eq!(desk.take_events(), ["eventStreamTerminated"]);
    assert_eq!(desk.done("session.subscriptions", json!({})).await, json!([{"subscriptionId": 1}]));
    let code = desk.code("userDataStream.unsubscribe", json!({"subscriptionId": 7})).await.0;
    assert_eq!(code, -2036);
    desk.done("userDataStream.unsubscribe", json!({})).await;
    assert_eq!(desk.done("session.subscriptions", json!({})).await, json!([]));
}

#[tokio::test]
async fn unfilled_orders_are_counted_and_weight_is_free_for_what_succeeds() {
    let venue = Venue::start(still()).await;
    let (bid, _) = touch(&venue).await;
    let account = venue.spot("trade", "hmac");
    let order = format!(
        "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price={}",
        bid - Decimal::ONE
    );
    let header = |answer: &crate::client::Answer, name: &str| {
        answer.headers.get(name).map(|value| value.to_str().unwrap().parse::<u64>().unwrap())
    };
    let before = venue.http("GET", "/api/v3/ping", "", None).await;
    let before = header(&before, "X-MBX-USED-WEIGHT-1M").unwrap();
    let answer = venue.signed(&account, "POST", "/api/v3/order", &order).await;
    assert_eq!(header(&answer, "X-MBX-ORDER-COUNT-10S"), Some(1));
    assert_eq!(header(&answer, "X-MBX-ORDER-COUNT-1D"), Some(1));
    let used = header(&answer, "X-MBX-USED-WEIGHT-1M").unwrap();
    // A minute may have begun in between.
    assert!(used == before || used == 0, "a success weighs nothing: {before} then {used}");
    let mut refused = None;
    for _ in 0..120 {
        let answer = venue.signed(&account, "POST", "/api/v3/order", &order).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.code(), -1015);
    assert!(refused.headers.contains_key("Retry-After"));
}

#[tokio::test]
async fn depth_events_and_the_snapshot_join_by_spots_rule() {
    let config = SimulatorConfig {
        seed: Some(13),
        market: MarketSettings::Synthetic { actions_per_second: 300 },
        ..SimulatorConfig::default()
    };
    let venue = Venue::start(config).await;
    let mut stream = venue.spot_stream("/stream?streams=btcusdt@depth@100ms").await;
    let mut raw = venue.spot_stream("/ws/btcusdt@bookTicker").await;
    let first = receive(&mut stream).await;
    assert_eq!(first["stream"], "btcusdt@depth@100ms");
    let snapshot =
        venue.http("GET", "/api/v3/depth?symbol=BTCUSDT&limit=5000", "", None).await.json();
    let mut book = crate::spot_book::SpotBook::load(&snapshot);
    book.apply(&first["data"]);
    for _ in 0..15 {
        let event = receive(&mut stream).await;
        assert_eq!(event["data"]["e"], "depthUpdate");
        assert!(event["data"].get("pu").is_none(), "that is futures'");
        assert!(book.apply(&event["data"]), "a gap at {event}");
    }
    assert!(book.joined && book.is_sound());
    let ticker = receive(&mut raw).await;
    assert!(ticker.get("e").is_none() && ticker.get("E").is_none(), "{ticker}");
    assert_eq!(ticker["s"], "BTCUSDT");
    crate::client::send(
        &mut raw,
        &json!({"method": "SUBSCRIBE", "params": ["btcusdt@trade"],
        "id": "a"}),
    )
    .await;
    let mut seen = (false, false);
    while seen != (true, true) {
        let message = receive(&mut raw).await;
        seen.0 |= message == json!({"result": null, "id": "a"});
        seen.1 |= message["e"] == "trade" && message["M"] == true;
    }
}
