//! What a futures account can be set to and is paid: hedge mode, margin type, leverage, funding,
//! conditional orders, batches.

use crate::client::{Socket, Venue, now_ms, receive};
use enigma_simulator::{MarketSettings, SimulatorConfig, TestAccount};
use rust_decimal::Decimal;
use serde_json::{Value, json};

fn still() -> SimulatorConfig {
    SimulatorConfig {
        seed: Some(21),
        market: MarketSettings::Synthetic { actions_per_second: 0 },
        ..SimulatorConfig::default()
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn number(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// A venue at rest, an account of it and the account's events.
struct Desk {
    venue: Venue,
    account: TestAccount,
    events: Socket,
    bid: Decimal,
    ask: Decimal,
}

impl Desk {
    async fn open() -> Self {
        let venue = Venue::start(still()).await;
        let account = venue.hmac();
        let key = venue.http("POST", "/fapi/v1/listenKey", "", Some(&account.api_key)).await.json();
        let key = key["listenKey"].as_str().unwrap().to_owned();
        let events = venue.private(&format!("/ws/{key}")).await;
        let target = "/fapi/v1/depth?symbol=BTCUSDT&limit=5";
        let (bid, ask) = loop {
            let depth = venue.http("GET", target, "", None).await.json();
            if let (Some(bid), Some(ask)) =
                (depth["bids"][0][0].as_str(), depth["asks"][0][0].as_str())
            {
                break (decimal(bid).normalize(), decimal(ask).normalize());
            }
        };
        Self { venue, account, events, bid, ask }
    }

    async fn call(&self, method: &str, path: &str, parameters: &str) -> Value {
        let answer = self.venue.signed(&self.account, method, path, parameters).await;
        assert_eq!(answer.status, 200, "{method} {path}?{parameters}: {}", answer.text);
        answer.json()
    }

    async fn code(&self, method: &str, path: &str, parameters: &str) -> i64 {
        let answer = self.venue.signed(&self.account, method, path, parameters).await;
        assert_eq!(answer.status, 400, "{method} {path}?{parameters}: {}", answer.text);
        answer.code()
    }

    async fn market(&self, side: &str, quantity: &str, more: &str) -> Value {
        let order = format!("symbol=BTCUSDT&side={side}&type=MARKET&quantity={quantity}{more}");
        self.call("POST", "/fapi/v1/order", &order).await
    }

    /// The next event of a kind; what comes before is passed over.
    async fn event(&mut self, kind: &str) -> Value {
        loop {
            let event = receive(&mut self.events).await;
            if event["e"] == kind {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn in_hedge_mode_long_and_short_stand_beside_each_other() {
    let mut desk = Desk::open().await;
    let mode = "/fapi/v1/positionSide/dual";
    assert_eq!(desk.code("POST", mode, "dualSidePosition=false").await, -4059);
    desk.call("POST", mode, "dualSidePosition=true").await;
    assert_eq!(desk.call("GET", mode, "").await["dualSidePosition"], true);
    let plain = "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01";
    assert_eq!(desk.code("POST", "/fapi/v1/order", plain).await, -4061);
    let reduces = format!("{plain}&positionSide=LONG&reduceOnly=true");
    assert_eq!(desk.code("POST", "/fapi/v1/order", &reduces).await, -1106);
    desk.market("BUY", "0.010", "&positionSide=LONG").await;
    desk.market("SELL", "0.004", "&positionSide=SHORT").await;
    let update = desk.event("ACCOUNT_UPDATE").await;
    assert_eq!(update["a"]["P"][0]["ps"], "LONG");
    let held = desk.call("GET", "/fapi/v3/positionRisk", "symbol=BTCUSDT").await;
    let amounts: Vec<(&str, Decimal)> = held
        .as_array()
        .unwrap()
        .iter()
        .map(|leg| (leg["positionSide"].as_str().unwrap(), number(&leg["positionAmt"])))
        .collect();
    assert_eq!(amounts, [("LONG", decimal("0.010")), ("SHORT", decimal("-0.004"))]);
    let beyond = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.02&positionSide=LONG";
    assert_eq!(desk.code("POST", "/fapi/v1/order", beyond).await, -2022, "no leg turns over");
    desk.market("SELL", "0.010", "&positionSide=LONG").await;
    assert_eq!(desk.code("POST", mode, "dualSidePosition=false").await, -4068);
    desk.market("BUY", "0.004", "&positionSide=SHORT").await;
    desk.call("POST", mode, "dualSidePosition=false").await;
}

#[tokio::test]
async fn margin_type_and_leverage_are_set_read_and_refused_where_they_matter() {
    let mut desk = Desk::open().await;
    let (margin, leverage) = ("/fapi/v1/marginType", "/fapi/v1/leverage");
    let crossed = "symbol=BTCUSDT&marginType=CROSSED";
    assert_eq!(desk.code("POST", margin, crossed).await, -4046);
    desk.call("POST", margin, "symbol=BTCUSDT&marginType=ISOLATED").await;
    assert_eq!(desk.code("POST", leverage, "symbol=BTCUSDT&leverage=126").await, -4028);
    desk.call("POST", leverage, "symbol=BTCUSDT&leverage=10").await;
    let told = desk.event("ACCOUNT_CONFIG_UPDATE").await;
    assert_eq!(told["ac"], json!({"s": "BTCUSDT", "l": 10}));
    let config = desk.call("GET", "/fapi/v1/symbolConfig", "symbol=BTCUSDT").await;
    assert_eq!(
        (&config[0]["marginType"], &config[0]["leverage"]),
        (&json!("ISOLATED"), &json!(10))
    );
    desk.market("BUY", "0.010", "").await;
    let held = desk.call("GET", "/fapi/v2/positionRisk", "symbol=BTCUSDT").await;
    assert_eq!(held[0]["marginType"], "isolated");
    let entry = number(&held[0]["entryPrice"]);
    let expected = (entry * decimal("0.01") / Decimal::TEN).round_dp(8);
    assert_eq!(number(&held[0]["isolatedMargin"]), expected);
    assert_eq!(desk.code("POST", margin, crossed).await, -4048);
}

#[tokio::test]
async fn funding_is_paid_told_and_shown_in_the_income_to_the_last_digit() {
    let mut desk = Desk::open().await;
    desk.market("BUY", "0.500", "").await;
    let before = desk.venue.handle.account_view(&desk.account.api_key).unwrap();
    desk.event("ACCOUNT_UPDATE").await;
    let rate = decimal("0.0003");
    let premium = desk.call("GET", "/fapi/v1/premiumIndex", "symbol=BTCUSDT").await;
    assert!(premium["nextFundingTime"].as_u64().unwrap() > now_ms());
    desk.venue.handle.pay_funding(rate);
    let update = loop {
        let update = desk.event("ACCOUNT_UPDATE").await;
        if update["a"]["m"] == "FUNDING_FEE" {
            break update;
        }
    };
    assert_eq!(update["a"]["P"], json!([]), "on cross margin the wallet alone");
    let rates = desk.call("GET", "/fapi/v1/fundingRate", "symbol=BTCUSDT").await;
    assert_eq!(number(&rates[0]["fundingRate"]), rate);
    let due = (number(&rates[0]["markPrice"]) * decimal("0.5") * rate).round_dp(8);
    let after = desk.venue.handle.account_view(&desk.account.api_key).unwrap();
    assert_eq!(before.balances["USDT"] - after.balances["USDT"], due, "a long pays");
    assert_eq!(number(&update["a"]["B"][0]["wb"]), after.balances["USDT"]);
    assert_eq!(number(&update["a"]["B"][0]["bc"]), -due);
    assert_eq!(after.positions[0].funding, -due);
    let income = desk.call("GET", "/fapi/v1/income", "incomeType=FUNDING_FEE").await;
    assert_eq!(number(&income[0]["income"]), -due);
    let all = desk.call("GET", "/fapi/v1/income", "limit=1000").await;
    let sum: Decimal = all.as_array().unwrap().iter().map(|entry| number(&entry["income"])).sum();
    assert_eq!(sum, after.balances["USDT"], "income explains the wallet");
}

#[tokio::test]
async fn a_conditional_order_waits_outside_the_book_and_becomes_an_order() {
    let mut desk = Desk::open().await;
    let path = "/fapi/v1/algoOrder";
    desk.market("BUY", "0.010", "").await;
    let stop = |price: Decimal, id: &str| {
        format!(
            "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=STOP_MARKET&closePosition=true\
             &triggerPrice={price}&clientAlgoId={id}"
        )
    };
    let above = stop(desk.ask + Decimal::ONE, "above");
    assert_eq!(desk.code("POST", path, &above).await, -2021);
    let trigger = desk.bid - decimal("0.3");
    let placed = desk.call("POST", path, &stop(trigger, "stop")).await;
    assert_eq!(
        (&placed["algoStatus"], &placed["orderType"]),
        (&json!("NEW"), &json!("STOP_MARKET"))
    );
    assert_eq!(desk.event("ALGO_UPDATE").await["o"]["X"], "NEW");
    let open = desk.call("GET", "/fapi/v1/openOrders", "symbol=BTCUSDT").await;
    assert_eq!(open, json!([]), "it is no order yet");
    let waiting = desk.call("GET", "/fapi/v1/openAlgoOrders", "").await;
    assert_eq!(waiting[0]["clientAlgoId"], "stop");
    let second = desk.call("POST", path, &stop(trigger - Decimal::TEN, "second")).await;
    let canceled = desk.call("DELETE", path, &format!("algoId={}", second["algoId"])).await;
    assert_eq!((&canceled["code"], &canceled["msg"]), (&json!("200"), &json!("success")));
    assert_eq!(desk.code("DELETE", path, "clientAlgoId=second").await, -2011);

    // Another account sells the price down to the trigger.
    let other = desk.venue.ed25519();
    let sell = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1";
    assert_eq!(desk.venue.signed(&other, "POST", "/fapi/v1/order", sell).await.status, 200);
    let mut states = Vec::new();
    let became = loop {
        let event = desk.event("ALGO_UPDATE").await;
        let state = event["o"]["X"].as_str().unwrap().to_owned();
        if event["o"]["caid"] == "stop" {
            states.push(state.clone());
        }
        if state == "FINISHED" {
            break event["o"]["ai"].as_str().unwrap().to_owned();
        }
    };
    assert_eq!(states[states.len() - 3..], ["TRIGGERING", "TRIGGERED", "FINISHED"]);
    let order = format!("symbol=BTCUSDT&orderId={became}");
    let order = desk.call("GET", "/fapi/v1/order", &order).await;
    assert_eq!((&order["status"], &order["executedQty"]), (&json!("FILLED"), &json!("0.010")));
    let view = desk.venue.handle.account_view(&desk.account.api_key).unwrap();
    assert!(view.positions[0].amount.is_zero(), "closePosition closes all of it");
}

#[tokio::test]
async fn a_trailing_stop_follows_the_price_and_fires_when_it_turns() {
    let desk = Desk::open().await;
    desk.market("BUY", "0.100", "").await;
    let trail = "algoType=CONDITIONAL&symbol=BTCUSDT&side=SELL&type=TRAILING_STOP_MARKET\
                 &quantity=0.1&reduceOnly=true&callbackRate=0.1&workingType=MARK_PRICE";
    let wide = trail.replace("callbackRate=0.1", "callbackRate=11");
    assert_eq!(desk.code("POST", "/fapi/v1/algoOrder", &wide).await, -2007);
    desk.call("POST", "/fapi/v1/algoOrder", trail).await;
    // Somebody takes away every bid near the market: the mark falls by far more than 0.1 %.
    let other = desk.venue.ed25519();
    let target = "/fapi/v1/depth?symbol=BTCUSDT&limit=1000";
    let depth = desk.venue.http("GET", target, "", None).await.json();
    let shown: Decimal =
        depth["bids"].as_array().unwrap().iter().map(|level| number(&level[1])).sum();
    let low = (desk.bid * decimal("0.96")).round_dp(1);
    let rests =
        format!("symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=3&price={low}");
    desk.call("POST", "/fapi/v1/order", &rests).await;
    let sell = format!("symbol=BTCUSDT&side=SELL&type=MARKET&quantity={}", shown + Decimal::ONE);
    desk.venue.signed(&other, "POST", "/fapi/v1/order", &sell).await;
    let all = desk.call("GET", "/fapi/v1/allAlgoOrders", "symbol=BTCUSDT").await;
    let status = all[0]["algoStatus"].as_str().unwrap();
    assert!(["TRIGGERED", "FINISHED"].contains(&status), "{all}");
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order_with_each_ones_own_outcome() {
    let desk = Desk::open().await;
    let one = |id: &str, price: Decimal, more: &str| {
        format!(
            r#"{{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTX","quantity":"0.01","price":"{price}","newClientOrderId":"{id}"{more}}}"#
        )
    };
    let batch = [
        one("first", desk.bid, ""),
        one("second", desk.ask, ""),
        one("third", desk.bid, r#","reduceOnly":"true""#),
    ];
    let encoded: String =
        format!("[{}]", batch.join(",")).bytes().map(|byte| format!("%{byte:02X}")).collect();
    let reply = desk.call("POST", "/fapi/v1/batchOrders", &format!("batchOrders={encoded}")).await;
    assert_eq!(reply[0]["clientOrderId"], "first");
    assert_eq!((&reply[1]["code"], &reply[2]["code"]), (&json!(-5022), &json!(-2022)));
    let open = desk.call("GET", "/fapi/v1/openOrders", "symbol=BTCUSDT").await;
    assert_eq!(open.as_array().unwrap().len(), 1);
}
