//! What an operator did just before a `kill -9` holds after the restart, once.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::place::Place;
use crate::processes::{DaemonProcess, SimulatorProcess};
use crate::{assert_books_agree, decimal};

#[test]
fn a_kill_before_the_instruments_are_loaded_holds_over_a_restart() {
    let place = Place::new();
    let gone = SimulatorProcess::start(&[]);
    let line = gone.line.clone();
    drop(gone);
    let daemon = DaemonProcess::start_at("127.0.0.1:0", &line, &place.data, &place.config);
    assert_eq!(daemon.get("/v1/status")["phase"], "loading_instruments");
    let wish = json!({"engaged": true, "reason": "venue is away"});
    let (status, engaged) = daemon.ask("PUT", "/v1/kill-switch", Some(&wish));
    assert_eq!(status, 200, "{engaged}");
    assert_eq!(
        (&engaged["latched"], &engaged["barrier"]),
        (&json!(true), &json!("sockets_closed"))
    );
    daemon.kill();

    let simulator = SimulatorProcess::start(&["--seed", "11"]);
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    let shown = daemon.get("/v1/kill-switch");
    assert_eq!((&shown["engaged"], &shown["reason"]), (&json!(true), &json!("venue is away")));
    daemon.until("it runs", |daemon| daemon.get("/v1/status")["phase"] == "running");
    let order = json!({"instrument": "binance_usdm:BTCUSDT", "side": "buy", "price": "50000",
                       "quantity": "0.01"});
    let (status, refused) = daemon.ask("POST", "/v1/orders", Some(&order));
    assert_eq!((status, &refused["code"]), (409, &json!("killed")), "{refused}");
    // The desk has recorded it by now, with the reason: the file isn't needed any more.
    daemon.kill();
    fs::remove_file(place.data.join("kill")).unwrap();
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    assert_eq!(daemon.get("/v1/kill-switch")["reason"], "venue is away");
    daemon.until("it runs", |daemon| daemon.get("/v1/status")["phase"] == "running");
    let (status, lifted) = daemon.ask("PUT", "/v1/kill-switch", Some(&json!({"engaged": false})));
    assert_eq!((status, &lifted["engaged"]), (200, &json!(false)), "{lifted}");
    daemon.kill();

    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    assert_eq!(daemon.get("/v1/kill-switch")["engaged"], false, "a re-arm holds too");
    daemon.wait_until_ready();
    assert!(daemon.terminate().success());
}

#[test]
fn one_key_places_one_order_whenever_the_daemon_is_killed() {
    let rounds = std::env::var("ENIGMA_KILL_ROUNDS").map_or(6, |text| text.parse().unwrap());
    let simulator = SimulatorProcess::start(&["--seed", "13", "--limits-multiplier", "100"]);
    let place = Place::new();
    let mut daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    let mut answers = Vec::new();
    for round in 0..rounds {
        daemon.wait_until_ready();
        let (key, order) = (format!("round-{round}"), passive(&daemon));
        std::thread::scope(|scope| {
            let asked =
                scope.spawn(|| daemon.try_ask("POST", "/v1/orders", Some(&order), Some(&key)));
            sleep(Duration::from_micros(1_500 * round % 12_000));
            kill(daemon.process());
            // The answer may have come, or the connection have ended before.
            let _ = asked.join().unwrap();
        });
        drop(daemon);
        daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
        let answer = retry(&daemon, &order, &key);
        assert_eq!(retry(&daemon, &order, &key)["client_order_id"], answer["client_order_id"]);
        answers.push(answer["client_order_text"].as_str().unwrap().to_owned());
        assert_eq!(orders_at(&simulator), answers, "round {round}");
    }
    daemon.wait_until_ready();
    assert_eq!(daemon.ask("DELETE", "/v1/orders", None).0, 200);
    assert_books_agree(&daemon, &simulator);
    assert!(daemon.terminate().success());
}

#[test]
fn a_key_whose_answer_was_lost_is_answered_from_the_journal() {
    let simulator = SimulatorProcess::start(&["--seed", "17"]);
    let place = Place::new();
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    let order = passive(&daemon);
    let first = retry(&daemon, &order, "k");
    let id = first["client_order_id"].as_str().unwrap().to_owned();
    daemon.kill();
    forget_answers(&place.data.join("idempotency.log"));

    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    // It was amended and others were placed since: it is still the one.
    let mut amended = order.clone();
    amended["price"] = (decimal(&order["price"]) - Decimal::TEN).to_string().into();
    let wish = json!({"price": amended["price"], "quantity": order["quantity"]});
    let path = format!("/v1/orders/{id}");
    assert_eq!(daemon.ask("PATCH", &path, Some(&wish)).0, 202);
    let other = daemon.post("/v1/orders", &order);
    assert_ne!(other["client_order_id"], id);
    let found = retry(&daemon, &order, "k");
    assert_eq!(found["client_order_id"], id.as_str(), "{found}");
    assert_eq!(orders_at(&simulator).len(), 2);
    let (status, refused) =
        daemon.try_ask("POST", "/v1/orders", Some(&amended), Some("k")).unwrap();
    assert_eq!((status, &refused["code"]), (422, &json!("idempotency_key_reused")), "{refused}");
    assert!(daemon.terminate().success());
}

/// An order that rests below the market.
fn passive(daemon: &DaemonProcess) -> Value {
    let mut bid = Decimal::ZERO;
    daemon.until("a book", |daemon| {
        let items = daemon.items("/v1/instruments");
        let book = items.iter().find(|row| row["symbol"] == "BTCUSDT").map(|row| &row["book"]);
        bid = book.and_then(|book| book["bid"].as_str()).map_or(bid, |text| text.parse().unwrap());
        bid > Decimal::ZERO
    });
    let price = (bid - Decimal::from(200)).round();
    json!({"instrument": "binance_usdm:BTCUSDT", "side": "buy", "time_in_force": "post_only",
           "price": price.to_string(), "quantity": "0.01"})
}

/// Sends it again until the daemon knows what became of it.
fn retry(daemon: &DaemonProcess, order: &Value, key: &str) -> Value {
    let mut answer = Value::Null;
    daemon.until("the key's answer", |daemon| {
        let (status, body) = daemon.try_ask("POST", "/v1/orders", Some(order), Some(key)).unwrap();
        assert!(matches!(status, 201 | 503 | 422), "{status} {body}");
        answer = body;
        status == 201
    });
    answer
}

/// The client ids of our orders at the exchange, in the order of their coming.
fn orders_at(simulator: &SimulatorProcess) -> Vec<String> {
    let account = simulator.account();
    let mut orders: Vec<&Value> = account["orders"].as_array().unwrap().iter().collect();
    orders.sort_by_key(|order| order["client_order_id"].as_str().unwrap());
    orders.iter().map(|order| order["client_order_id"].as_str().unwrap().to_owned()).collect()
}

/// As if the daemon had been killed after the order was journalled and before it was answered.
fn forget_answers(log: &Path) {
    let text = fs::read_to_string(log).unwrap();
    let kept: String = text.lines().filter(|line| !line.contains(r#""line":"end""#)).fold(
        String::new(),
        |mut kept, line| {
            kept.push_str(line);
            kept.push('\n');
            kept
        },
    );
    assert!(kept.len() < text.len() && !kept.is_empty(), "{text}");
    fs::write(log, kept).unwrap();
}

/// `kill -9` from another thread.
fn kill(process: u32) {
    let told = std::process::Command::new("kill").args(["-9", &process.to_string()]).status();
    assert!(told.unwrap().success());
}
