//! The daemon process against the simulator process: the main job, a kill in the middle of it, and
//! the plain words that a wrong start is answered with.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]
#![expect(clippy::print_stdout, reason = "the counts are part of the result")]

mod metrics;
mod place;
#[path = "../processes/mod.rs"]
mod processes;
mod restart;
mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use place::Place;
use processes::{DaemonProcess, SimulatorProcess};

#[test]
fn quoter_on_the_recorded_market_ends_with_the_simulators_own_books() {
    let Some(recording) = recording() else { return };
    let recording = recording.to_str().unwrap();
    let simulator = SimulatorProcess::start(&["--replay", recording, "--speed", "10"]);
    let place = Place::new();
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    create_quoter(&daemon);

    let refused = daemon.ask(
        "POST",
        "/v1/strategies/quoter/start",
        Some(&json!({"mode": "live", "confirm": "quoter"})),
    );
    assert_eq!(refused.0, 409, "{}", refused.1);
    assert_eq!(refused.1["code"], "no_vault", "{}", refused.1);

    daemon.post("/v1/strategies/quoter/start", &json!({"mode": "simulated"}));
    daemon.until("orders and a fill", |daemon| {
        daemon.items("/v1/orders").len() > 20 && !daemon.items("/v1/fills").is_empty()
    });
    let paused = daemon.post("/v1/strategies/quoter/pause", &json!({}));
    assert_eq!(paused["outstanding"], 0, "{paused}");
    assert!(paused["last_order_sent"].is_string(), "{paused}");
    let last = daemon.items("/v1/orders").len();
    sleep(Duration::from_millis(500));
    assert_eq!(daemon.items("/v1/orders").len(), last, "an order left after the pause");
    assert_eq!(open_at(&simulator), 0, "a paused strategy's orders are canceled");

    daemon.post("/v1/strategies/quoter/resume", &json!({}));
    daemon.until("new orders after resuming", |daemon| daemon.items("/v1/orders").len() > last);
    daemon.until("the recording's end", |_| simulator.status()["replay_finished"] == true);
    let stopped = daemon.post("/v1/strategies/quoter/stop", &json!({}));
    assert_eq!(stopped["outstanding"], 0, "{stopped}");
    daemon.until("stopped", |daemon| daemon.get("/v1/strategies/quoter")["state"] == "stopped");

    let counts = assert_books_agree(&daemon, &simulator);
    println!("{counts:?}");
    assert!(counts.orders > 50 && counts.fills > 5, "too little happened: {counts:?}");
    assert!(daemon.terminate().success());
}

#[test]
fn nothing_is_lost_or_doubled_by_kill_nine_while_quoting() {
    let rounds = std::env::var("ENIGMA_KILL_ROUNDS").map_or(5, |text| text.parse().unwrap());
    let simulator = SimulatorProcess::start(&["--seed", "3", "--limits-multiplier", "100"]);
    let place = Place::new();
    for round in 1..=rounds {
        let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
        daemon.wait_until_ready();
        if round == 1 {
            create_quoter(&daemon);
            daemon.post("/v1/strategies/quoter/start", &json!({"mode": "simulated"}));
        } else {
            let strategy = daemon.get("/v1/strategies/quoter");
            assert_eq!(strategy["state"], "paused", "nothing trades by itself: {strategy}");
            daemon.post("/v1/strategies/quoter/resume", &json!({}));
        }
        let before = daemon.items("/v1/orders").len();
        daemon.until("it quotes", |daemon| daemon.items("/v1/orders").len() > before + 10);
        sleep(Duration::from_millis(37 * round % 400));
        daemon.kill();
    }
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    let scope = daemon.ask("DELETE", "/v1/orders", None);
    assert_eq!(scope.0, 200, "{}", scope.1);
    daemon.until("all closed", |daemon| {
        daemon.get("/v1/orders?open=true&limit=1000")["items"].as_array().unwrap().is_empty()
    });
    let counts = assert_books_agree(&daemon, &simulator);
    println!("{rounds} rounds: {counts:?}");
    assert!(counts.orders > 10 * usize::try_from(rounds).unwrap(), "{counts:?}");
    assert!(daemon.terminate().success());
}

#[test]
fn a_kill_stops_orders_cancels_what_is_open_and_stays_latched_over_a_restart() {
    let simulator = SimulatorProcess::start(&["--seed", "5", "--limits-multiplier", "100"]);
    let place = Place::new();
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    create_quoter(&daemon);
    daemon.post("/v1/strategies/quoter/start", &json!({"mode": "simulated"}));
    daemon.until("it quotes", |daemon| daemon.items("/v1/orders").len() > 10);
    let engaged = daemon.ask("PUT", "/v1/kill-switch", Some(&json!({"engaged": true})));
    assert_eq!(engaged.0, 200, "{}", engaged.1);
    let sent = daemon.items("/v1/orders").len();
    daemon.until("all closed", |_| open_at(&simulator) == 0);
    sleep(Duration::from_millis(300));
    assert_eq!(daemon.items("/v1/orders").len(), sent, "an order left after the kill");
    let order = json!({"instrument": "binance_usdm:BTCUSDT", "side": "buy", "type": "limit",
                       "price": "50000", "quantity": "0.01"});
    let refused = daemon.ask("POST", "/v1/orders", Some(&order));
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("killed")), "{}", refused.1);
    daemon.kill();

    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.until("it runs", |daemon| daemon.get("/v1/kill-switch")["engaged"] == true);
    daemon.until("its sessions are up", |daemon| daemon.get("/v1/status")["phase"] == "running");
    let refused = daemon.ask("POST", "/v1/orders", Some(&order));
    assert!(refused.0 >= 400, "{}", refused.1);
    let rearmed = daemon.ask("PUT", "/v1/kill-switch", Some(&json!({"engaged": false})));
    assert_eq!(rearmed.0, 200, "{}", rearmed.1);
    daemon.wait_until_ready();
    assert_eq!(daemon.get("/v1/strategies/quoter")["state"], "paused");
    assert_books_agree(&daemon, &simulator);
}

#[test]
fn faults_of_the_venue_lose_no_order() {
    let simulator = SimulatorProcess::start(&["--seed", "9", "--limits-multiplier", "100"]);
    let place = Place::new();
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    create_quoter(&daemon);
    daemon.post("/v1/strategies/quoter/start", &json!({"mode": "simulated"}));
    for fault in [
        json!({"kind": "reset", "socket": "orders", "mid_frame": true}),
        json!({"kind": "reset", "socket": "public", "mid_frame": true}),
        json!({"kind": "reset", "socket": "private", "mid_frame": false}),
        json!({"kind": "html_502", "count": 3}),
        json!({"kind": "gap"}),
        json!({"kind": "listen_key_expired"}),
    ] {
        let before = daemon.items("/v1/orders").len();
        daemon.until("it quotes", |daemon| daemon.items("/v1/orders").len() > before + 4);
        simulator.inject(&fault);
    }
    let before = daemon.items("/v1/orders").len();
    daemon.until("it quotes again", |daemon| daemon.items("/v1/orders").len() > before + 10);
    daemon.post("/v1/strategies/quoter/stop", &json!({}));
    daemon.until("stopped", |daemon| daemon.get("/v1/strategies/quoter")["state"] == "stopped");
    let counts = assert_books_agree(&daemon, &simulator);
    println!("{counts:?}");
    assert!(daemon.terminate().success());
}

#[derive(Debug)]
struct Counts {
    orders: usize,
    fills: usize,
}

fn create_quoter(daemon: &DaemonProcess) {
    daemon.post(
        "/v1/strategies",
        &json!({"id": "quoter", "kind": "quoter", "instruments": ["binance_usdm:BTCUSDT"],
                "parameters": {"quantity": "0.01", "max_position": "0.05",
                               "half_spread_ticks": 1, "skew_ticks": 10, "requote_ticks": 1}}),
    );
}

fn open_at(simulator: &SimulatorProcess) -> usize {
    let account = simulator.account();
    let orders = account["orders"].as_array().unwrap();
    orders.iter().filter(|order| is_open(order["status"].as_str().unwrap())).count()
}

/// Every order, fill, fee and the position, as the daemon and the exchange have them.
#[track_caller]
fn assert_books_agree(daemon: &DaemonProcess, simulator: &SimulatorProcess) -> Counts {
    // The exchange's last events may still be on their way.
    let settled = |daemon: &DaemonProcess| {
        let theirs = simulator.account();
        daemon.items("/v1/fills").len() == theirs["fills"].as_array().unwrap().len()
    };
    daemon.until("as many fills as the exchange has", settled);
    let theirs = simulator.account();
    let orders = daemon.items("/v1/orders");
    let by_text: BTreeMap<&str, &Value> =
        orders.iter().map(|row| (row["client_order_text"].as_str().unwrap(), row)).collect();
    assert_eq!(by_text.len(), orders.len(), "an order is listed twice");
    let mut placed = 0;
    for order in theirs["orders"].as_array().unwrap() {
        placed += 1;
        let text = order["client_order_id"].as_str().unwrap();
        let ours = by_text.get(text).unwrap_or_else(|| panic!("forgotten: {order}"));
        assert_eq!(decimal(&ours["filled"]), decimal(&order["filled"]), "{ours} {order}");
        let state = ours["state"].as_str().unwrap();
        let status = order["status"].as_str().unwrap();
        assert!(matches(state, status), "{ours} {order}");
    }
    let reached = orders.iter().filter(|row| row["venue_order_id"].is_string()).count();
    assert_eq!(reached, placed, "an order of ours stands twice, or nowhere, at the exchange");

    let fills = daemon.items("/v1/fills");
    let by_trade: BTreeMap<&str, &Value> =
        fills.iter().map(|row| (row["trade_id"].as_str().unwrap(), row)).collect();
    assert_eq!(by_trade.len(), fills.len(), "a fill is listed twice");
    let mut fees = Decimal::ZERO;
    for fill in theirs["fills"].as_array().unwrap() {
        let trade = fill["trade_id"].to_string();
        let ours = by_trade[trade.as_str()];
        for field in ["price", "quantity", "fee"] {
            assert_eq!(decimal(&ours[field]), decimal(&fill[field]), "{ours} {fill}");
        }
        assert_eq!(ours["liquidity"] == "maker", fill["maker"] == true, "{ours} {fill}");
        fees += decimal(&fill["fee"]);
    }
    let positions = daemon.items("/v1/positions");
    let ours = positions.iter().find(|row| row["instrument"] == "binance_usdm:BTCUSDT");
    let (ours, our_fees) = ours
        .map_or((Decimal::ZERO, Decimal::ZERO), |row| (decimal(&row["quantity"]), fees_of(row)));
    let rows = theirs["positions"].as_array().unwrap();
    let exchange = rows.iter().find(|row| row["symbol"] == "BTCUSDT");
    assert_eq!(ours, exchange.map_or(Decimal::ZERO, |row| decimal(&row["amount"])));
    assert_eq!(our_fees, fees);
    Counts { orders: orders.len(), fills: fills.len() }
}

/// The exchange takes its fees in one asset.
fn fees_of(row: &Value) -> Decimal {
    let fees = row["fees"].as_array().unwrap();
    assert!(fees.iter().all(|fee| fee["asset"] == "USDT"), "{row}");
    fees.iter().map(|fee| decimal(&fee["amount"])).sum()
}

fn matches(ours: &str, exchange: &str) -> bool {
    match exchange {
        "NEW" => matches!(ours, "open" | "pending_cancel" | "pending_replace"),
        "PARTIALLY_FILLED" => {
            matches!(ours, "partially_filled" | "pending_cancel" | "pending_replace")
        }
        "FILLED" => ours == "filled",
        "CANCELED" => ours == "canceled",
        "EXPIRED" | "EXPIRED_IN_MATCH" => ours == "expired",
        _ => false,
    }
}

fn is_open(status: &str) -> bool {
    matches!(status, "NEW" | "PARTIALLY_FILLED")
}

fn decimal(value: &Value) -> Decimal {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| panic!("no decimal: {value}"))
}

/// The recorded stream, or `None` where there is no recorded material and none is required.
fn recording() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("ENIGMA_DATA").map_or(root.join("../shared/data"), PathBuf::from);
    let file = folder.join("binance-usdm-btcusdt-20240808.gz");
    if file.exists() {
        return Some(file);
    }
    assert!(std::env::var_os("ENIGMA_REQUIRE_DATA").is_none(), "{} is missing", file.display());
    println!("skipped: no recorded data");
    None
}
