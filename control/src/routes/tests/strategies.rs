//! Strategies started, paused and changed over the API.

use axum::http::StatusCode;
use enigma_engine::command::Receipt;
use enigma_types::StrategyState;
use serde_json::{Value, json};

use super::check;
use super::scripted::{Scripted, order, strategy};

#[tokio::test]
async fn live_is_refused_until_there_is_a_vault_and_never_reaches_the_engine() {
    let daemon = Scripted::new();
    let wish = |mode: &str| Some(json!({ "mode": mode, "confirm": "a" }));
    let path = "/v1/strategies/a/start";
    check(&daemon.ask("POST", path, wish("live")).await, 409, "no_vault");
    check(&daemon.ask("POST", path, wish("shadow")).await, 409, "not_in_this_version");
    check(&daemon.ask("POST", path, wish("wild")).await, 422, "invalid_body");
    assert_eq!(daemon.commands(), 0);
}

#[tokio::test]
async fn a_pause_tells_the_last_order_and_which_cancels_are_confirmed() {
    let daemon = Scripted::new();
    daemon.change(|model| {
        strategy(model, 1, "a", StrategyState::Running);
        order(model, 10, 1, true);
        order(model, 11, 1, true);
    });
    daemon.on_command(|_, model| {
        strategy(model, 1, "a", StrategyState::Paused);
        order(model, 10, 1, false);
        let mut receipt = Receipt { state: Some(StrategyState::Paused), ..Receipt::default() };
        receipt.last_order_sent = enigma_types::ClientOrderId::new(11);
        receipt.cancels.extend([10, 11].into_iter().filter_map(enigma_types::ClientOrderId::new));
        Ok(receipt)
    });
    let answer = daemon.ask("POST", "/v1/strategies/a/pause", None).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["strategy"]["state"], "paused");
    assert_eq!(answer.body["last_order_sent"], "11");
    let expected = json!([{ "client_order_id": "10", "confirmed": true },
                          { "client_order_id": "11", "confirmed": false }]);
    assert_eq!(answer.body["cancels"], expected);
    assert_eq!(answer.body["outstanding"], 1);
}

#[tokio::test]
async fn a_change_of_a_strategy_keeps_what_it_does_not_name() {
    let daemon = Scripted::new();
    daemon.change(|model| strategy(model, 1, "a", StrategyState::Paused));
    daemon.on_command(|command, model| {
        if let enigma_engine::command::DeskCommand::Update { spec, .. } = command
            && let Some(view) = model.strategies.values_mut().next()
        {
            view.spec = *spec;
        }
        Ok(Receipt::default())
    });
    let change = |body: Value| daemon.ask("PATCH", "/v1/strategies/a", Some(body));
    let both = json!({ "parameters": { "quantity": "0.01", "half_spread_ticks": 3 },
                       "limits": { "max_open_orders": 4 } });
    assert_eq!(change(both).await.status, StatusCode::OK);
    let answer = change(json!({ "parameters": { "half_spread_ticks": 5 } })).await;
    assert_eq!(answer.body["parameters"]["quantity"], "0.01");
    assert_eq!(answer.body["parameters"]["half_spread_ticks"], 5);
    assert_eq!(answer.body["limits"]["max_open_orders"], 4);
    let answer = change(json!({ "limits": { "max_open_orders": null } })).await;
    assert!(answer.body["limits"]["max_open_orders"].is_null(), "{}", answer.body);
    assert_eq!(answer.body["parameters"]["quantity"], "0.01");
    check(&change(json!({ "parameters": { "colour": "red" } })).await, 422, "invalid_body");
    check(&change(json!({ "parameters": { "quantity": 1 } })).await, 422, "invalid_body");
}

#[tokio::test]
async fn strategies_are_started_once_with_one_key() {
    let daemon = Scripted::new();
    daemon.change(|model| strategy(model, 1, "a", StrategyState::Loaded));
    daemon.on_command(|_, model| {
        strategy(model, 1, "a", StrategyState::Running);
        Ok(Receipt { state: Some(StrategyState::Running), ..Receipt::default() })
    });
    let key = [("idempotency-key", "k")];
    for _ in 0..2 {
        let path = "/v1/strategies/a/start";
        let started = daemon.ask_with("POST", path, None, &key).await;
        assert_eq!(started.body["strategy"]["state"], "running", "{}", started.body);
    }
    assert_eq!(daemon.commands(), 1);
    let other = daemon.ask_with("POST", "/v1/strategies/a/pause", None, &key).await;
    check(&other, 422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_start_of_unknown_end_starts_nothing_that_was_ended_since() {
    let rows = [
        (StrategyState::Loaded, 504, 2),
        (StrategyState::Running, 200, 1),
        (StrategyState::Paused, 200, 1),
        (StrategyState::Stopped, 409, 1),
        (StrategyState::Faulted, 409, 1),
    ];
    for (state, status, commands) in rows {
        let daemon = Scripted::new();
        daemon.change(|model| strategy(model, 1, "a", StrategyState::Loaded));
        daemon.on_command(|_, _| Err(enigma_engine::handle::CommandError::TimedOut));
        let key = [("idempotency-key", "k")];
        let start = || daemon.ask_with("POST", "/v1/strategies/a/start", None, &key);
        assert_eq!(start().await.status, StatusCode::GATEWAY_TIMEOUT);
        daemon.restart_keys();
        daemon.change(|model| strategy(model, 1, "a", state));
        let again = start().await;
        let found = (again.status.as_u16(), daemon.commands());
        assert_eq!(found, (status, commands), "{state:?}: {:?}", again.body);
    }
}

#[tokio::test]
async fn every_kind_of_strategy_is_described_with_its_parameters() {
    let kinds = Scripted::new().ask("GET", "/v1/strategy-kinds", None).await.body;
    let rows: Vec<_> = kinds["items"].as_array().unwrap().iter().collect();
    assert_eq!(rows.len(), enigma_types::StrategyKind::ALL.len());
    for row in rows {
        assert_eq!(row["kind"], row["parameters"]["title"]);
        assert!(row["parameters"]["properties"].as_object().is_some_and(|rows| !rows.is_empty()));
    }
}
