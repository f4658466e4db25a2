//! Orders placed, amended and listed over the API.

use axum::http::StatusCode;
use enigma_engine::command::{Receipt, Refusal};
use enigma_engine::handle::CommandError;
use enigma_engine::snapshot::{FillView, ReadModel};
use enigma_types::{
    AccountId, Asset, ClientOrderId, Fill, InstrumentId, Liquidity, NotSentCause, Price, Quantity,
    Side, TradeId, VenueOrderId,
};
use serde_json::json;

use super::check;
use super::scripted::{Scripted, order};
use crate::timestamp::wall_now;

#[tokio::test]
async fn an_order_placed_twice_with_one_key_is_sent_once() {
    let daemon = Scripted::new();
    daemon.on_command(|_, model| {
        order(model, 20, 0, true);
        let placed = enigma_types::ClientOrderId::new(20);
        Ok(Receipt { placed, ..Receipt::default() })
    });
    let wish = |quantity: &str| {
        Some(json!({ "instrument": "binance_usdm:BTCUSDT", "side": "buy",
                     "price": "60000", "quantity": quantity }))
    };
    let key = [("idempotency-key", "k1")];
    let first = daemon.ask_with("POST", "/v1/orders", wish("0.010"), &key).await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.headers["location"], "/v1/orders/20");
    assert_eq!(
        (&first.body["strategy"], &first.body["price"]),
        (&json!("manual"), &json!("60000"))
    );
    let again = daemon.ask_with("POST", "/v1/orders", wish("0.010"), &key).await;
    assert_eq!((again.status, again.body), (first.status, first.body));
    assert_eq!(daemon.commands(), 1);
    let other = daemon.ask_with("POST", "/v1/orders", wish("0.020"), &key).await;
    check(&other, 422, "idempotency_key_reused");
}

#[tokio::test]
async fn an_order_that_was_placed_and_is_not_shown_is_never_placed_again() {
    let daemon = Scripted::new();
    daemon.on_command(|_, _| {
        let placed = enigma_types::ClientOrderId::new(20);
        Ok(Receipt { placed, ..Receipt::default() })
    });
    let wish = json!({ "instrument": "binance_usdm:BTCUSDT", "side": "buy",
                       "price": "60000", "quantity": "1" });
    for _ in 0..2 {
        let key = [("idempotency-key", "k1")];
        let answer = daemon.ask_with("POST", "/v1/orders", Some(wish.clone()), &key).await;
        check(&answer, 504, "timed_out");
        assert!(answer.body["detail"].as_str().unwrap().contains("order 20"), "{:?}", answer.body);
    }
    assert_eq!(daemon.commands(), 1);
}

#[tokio::test]
async fn an_order_of_unknown_end_is_placed_again_only_where_its_absence_is_proved() {
    type Change = fn(&mut ReadModel);
    let rows: [(&str, Change, u16, usize); 5] = [
        ("not reconciled", |model| _ = model.reconciled.insert(AccountId(0), false), 503, 1),
        ("reconciled, and nothing of it", |_| (), 504, 2),
        (
            "an older order was dropped",
            |model| model.newest_dropped = ClientOrderId::new(5),
            504,
            2,
        ),
        ("a newer one was", |model| model.newest_dropped = ClientOrderId::new(15), 409, 1),
        ("a fill that nobody owns", |model| unowned_buy(model), 409, 1),
    ];
    for (what, change, status, commands) in rows {
        let daemon = Scripted::new();
        daemon.change(|model| {
            order(model, 10, 0, false);
            model.reconciled.insert(AccountId(0), true);
        });
        daemon.on_command(|_, _| Err(CommandError::TimedOut));
        let wish = json!({ "instrument": "binance_usdm:BTCUSDT", "side": "buy",
                           "price": "60000", "quantity": "1" });
        let key = [("idempotency-key", "k")];
        let place = || daemon.ask_with("POST", "/v1/orders", Some(wish.clone()), &key);
        assert_eq!(place().await.status, StatusCode::GATEWAY_TIMEOUT);
        daemon.restart_keys();
        daemon.change(change);
        let again = place().await;
        let found = (again.status.as_u16(), daemon.commands());
        assert_eq!(found, (status, commands), "{what}: {:?}", again.body);
    }
}

/// A fill on the account that belongs to no order of ours.
fn unowned_buy(model: &mut ReadModel) {
    model.fills.push_back(FillView {
        account: AccountId(0),
        instrument: InstrumentId(0),
        client_order_id: None,
        venue_order_id: VenueOrderId(7),
        strategy: None,
        fill: Fill {
            trade_id: TradeId(1),
            side: Side::Buy,
            price: Price(600_000),
            quantity: Quantity(1_000),
            liquidity: Liquidity::Taker,
            fee: None,
            fee_asset: Asset::default(),
        },
        venue_time: wall_now(),
    });
}

#[tokio::test]
async fn orders_that_make_no_sense_never_reach_the_engine() {
    let daemon = Scripted::new();
    let rows = [
        (json!({ "instrument": "binance_usdm:NO", "price": "1" }), "no_such_instrument"),
        (json!({ "instrument": "binance_usdm:BTCUSDT" }), "invalid_order"),
        (json!({ "type": "market", "price": "1" }), "invalid_order"),
        (json!({ "type": "market", "time_in_force": "post_only" }), "invalid_order"),
        (json!({ "price": "1.00001" }), "invalid_order"),
        (json!({ "price": "1", "quantity": "-1" }), "invalid_order"),
        (json!({ "price": "1", "account": "other" }), "no_such_account"),
    ];
    for (mut wish, code) in rows {
        for (name, value) in
            [("instrument", "binance_usdm:BTCUSDT"), ("side", "buy"), ("quantity", "1")]
        {
            if wish.get(name).is_none() {
                wish[name] = json!(value);
            }
        }
        check(&daemon.ask("POST", "/v1/orders", Some(wish)).await, 422, code);
    }
    let bare = json!({ "instrument": "binance_usdm:BTCUSDT", "side": "buy", "quantity": 0.5 });
    let refused = daemon.ask("POST", "/v1/orders", Some(bare)).await;
    check(&refused, 422, "invalid_body");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("quantity: ") && detail.contains("a decimal in quotes"), "{detail}");
    assert_eq!(daemon.commands(), 0);
}

#[tokio::test]
async fn refusals_of_the_desk_become_problems() {
    let daemon = Scripted::new();
    let wish = || {
        Some(json!({ "instrument": "binance_usdm:BTCUSDT", "side": "buy",
                     "price": "60000", "quantity": "1" }))
    };
    daemon.on_command(|_, _| {
        let detail = "60000 is above 50000".to_owned();
        Err(CommandError::Refused(Refusal::Risk { check: "max_order_notional", detail }))
    });
    let refused = daemon.ask("POST", "/v1/orders", wish()).await;
    check(&refused, 422, "risk_rejected");
    assert_eq!(refused.body["check"], "max_order_notional");
    daemon.on_command(|_, _| Err(CommandError::Refused(Refusal::Killed)));
    check(&daemon.ask("POST", "/v1/orders", wish()).await, 409, "killed");
    daemon.on_command(|_, _| Err(CommandError::TimedOut));
    check(&daemon.ask("POST", "/v1/orders", wish()).await, 504, "timed_out");
    daemon.on_command(|_, _| Err(CommandError::QueueFull));
    let full = daemon.ask("POST", "/v1/orders", wish()).await;
    check(&full, 503, "queue_full");
    assert_eq!(full.headers["retry-after"], "1");
}

#[tokio::test]
async fn an_order_that_was_not_sent_is_no_success_and_frees_its_key() {
    let daemon = Scripted::new();
    let wish = || {
        Some(json!({ "instrument": "binance_usdm:BTCUSDT", "side": "buy",
                     "price": "60000", "quantity": "1" }))
    };
    let key = [("idempotency-key", "k")];
    for (cause, status, code) in [
        (NotSentCause::SessionDown, 503, "not_sent"),
        (NotSentCause::RateLimit, 429, "rate_limited"),
    ] {
        daemon.on_command(move |_, model| {
            order(model, 20, 0, false);
            let placed = enigma_types::ClientOrderId::new(20);
            Ok(Receipt { placed, not_sent: Some(cause), ..Receipt::default() })
        });
        let refused = daemon.ask_with("POST", "/v1/orders", wish(), &key).await;
        check(&refused, status, code);
        assert_eq!(refused.headers["retry-after"], "1");
        let amend = Some(json!({ "price": "60000", "quantity": "1" }));
        check(&daemon.ask("PATCH", "/v1/orders/20", amend).await, status, code);
    }
    daemon.on_command(|_, model| {
        order(model, 21, 0, true);
        let placed = enigma_types::ClientOrderId::new(21);
        Ok(Receipt { placed, ..Receipt::default() })
    });
    let placed = daemon.ask_with("POST", "/v1/orders", wish(), &key).await;
    assert_eq!(placed.status, StatusCode::CREATED);
    assert_eq!(placed.headers["location"], "/v1/orders/21");
}

#[tokio::test]
async fn pages_of_orders_meet_end_to_end() {
    let daemon = Scripted::new();
    daemon.change(|model| (1..=7).for_each(|id| order(model, id, 0, id % 2 == 0)));
    let mut seen = Vec::new();
    let mut path = "/v1/orders?limit=3".to_owned();
    loop {
        let page = daemon.ask("GET", &path, None).await;
        let items = page.body["items"].as_array().unwrap().clone();
        seen.extend(
            items.iter().map(|order| order["client_order_id"].as_str().unwrap().to_owned()),
        );
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/orders?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["7", "6", "5", "4", "3", "2", "1"]);
    let open = daemon.ask("GET", "/v1/orders?open=true", None).await;
    assert_eq!(open.body["items"].as_array().unwrap().len(), 3);
}
