//! Every metric that `/metrics` promises is there, and moves when what it tells of happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::json;

use crate::create_quoter;
use crate::place::Place;
use crate::processes::{DaemonProcess, SimulatorProcess};

/// A metric, and labels of which a series must have moved.
type Wanted = (&'static str, &'static [&'static str]);

const MOVING: [Wanted; 26] = [
    ("enigma_tick_to_order_seconds_count", &["binance_usdm", "fused"]),
    (
        "enigma_stage_seconds_count",
        &["receive", "decode", "book", "strategy", "risk", "journal", "encode", "send"],
    ),
    ("enigma_order_ack_seconds_count", &["binance_usdm"]),
    ("enigma_orders_total", &["quoter", "manual", "canceled"]),
    ("enigma_fills_total", &[]),
    ("enigma_risk_rejections_total", &["price_collar"]),
    ("enigma_orders_unknown", &["binance_usdm"]),
    ("enigma_session_up", &["market", "order", "account"]),
    ("enigma_session_reconnects_total", &["connection"]),
    ("enigma_last_message_timestamp_seconds", &["binance_usdm"]),
    ("enigma_rate_limit_remaining", &["orders_10s", "orders_1m", "connections_5m"]),
    ("enigma_queue_depth", &["journal_ring"]),
    ("enigma_alerts_total", &["sequence_gap"]),
    ("enigma_position", &["binance_usdm:BTCUSDT"]),
    ("enigma_exposure", &["simulator"]),
    ("enigma_pnl", &["cash", "fees", "marked"]),
    ("enigma_balance", &["USDT"]),
    ("enigma_strategy_state", &["loaded", "running", "paused"]),
    ("enigma_risk_limit_used_ratio", &["max_open_orders", "max_messages_per_minute"]),
    ("enigma_journal_bytes_total", &[]),
    ("enigma_journal_unsynced_bytes", &[]),
    ("enigma_clock_offset_seconds", &["binance_usdm"]),
    ("enigma_kill_switch", &[]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_open_fds", &[]),
];

/// Those that are there and don't move here, and why.
const STILL: [(&str, &str); 2] = [
    ("enigma_build_info", "is one for ever"),
    ("enigma_queue_overflow_total", "moves when a queue is full: tests of the queues' owners"),
];

/// Those of `shared/interface.md` that come with later issues.
const LATER: [&str; 2] = ["enigma_key_expires_timestamp_seconds", "enigma_presigned_nonces"];

#[test]
fn rules_ask_for_no_metric_that_is_not_there() {
    let known: BTreeSet<&str> =
        MOVING.iter().map(|(name, _)| *name).chain(STILL.iter().map(|(name, _)| *name)).collect();
    let rules = include_str!("../../config/alerts/enigma.yml");
    let expressions = rules.lines().filter_map(|line| line.split_once("expr:"));
    let mut asked = 0;
    for (_, expression) in expressions {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        for name in words.filter(|word| word.starts_with("enigma_")) {
            let shown = name.replace("_bucket", "_count");
            assert!(known.contains(shown.as_str()), "a rule asks for {name}");
            asked += 1;
        }
    }
    assert!(asked >= 14, "{asked} metrics in the rules");
}

#[test]
fn every_promised_metric_is_there_and_moves() {
    let simulator = SimulatorProcess::start(&["--seed", "21", "--limits-multiplier", "100"]);
    let place = Place::new();
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    let seen = Mutex::new(BTreeMap::<String, BTreeSet<String>>::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                scrape(&daemon, &seen);
                sleep(Duration::from_millis(5));
            }
        });
        // However the rest ends, the scraper does too.
        let _end = End(&done);
        live_through_a_day(&daemon, &simulator);
    });
    scrape(&daemon, &seen);
    let seen = seen.into_inner().unwrap();
    let mut missing = Vec::new();
    for (name, labels) in MOVING {
        let moves = |label: &str| {
            seen.iter().any(|(series, values)| {
                name_of(series) == name && series.contains(label) && values.len() > 1
            })
        };
        let labels = if labels.is_empty() { &[""][..] } else { labels };
        missing.extend(labels.iter().filter(|label| !moves(label)).map(|label| (name, *label)));
    }
    let there: BTreeSet<&str> = seen.keys().map(|series| name_of(series)).collect();
    missing.extend(STILL.into_iter().filter(|(name, _)| !there.contains(name)));
    assert!(missing.is_empty(), "missing, or never moved: {missing:#?}\n{seen:#?}");
    for name in LATER {
        assert!(!there.contains(name), "{name} is there now: it has to move in this test");
    }
    assert!(daemon.terminate().success());
}

/// Everything that the metrics tell of, once.
fn live_through_a_day(daemon: &DaemonProcess, simulator: &SimulatorProcess) {
    daemon.wait_until_ready();
    create_quoter(daemon);
    daemon.post("/v1/strategies/quoter/start", &json!({"mode": "simulated"}));
    daemon.until("a fill", |daemon| !daemon.items("/v1/fills").is_empty());
    // One tick in 64 is measured, and not every tick makes an order.
    daemon.until("an order of a measured tick", |daemon| {
        let text = daemon.ask("GET", "/metrics", None).1;
        let text = text.as_str().unwrap_or_default();
        let none = |stage| format!("enigma_stage_seconds_count{{stage=\"{stage}\"}} 0");
        ["journal", "encode", "send"].iter().all(|stage| !text.contains(&none(stage)))
    });
    let order = |price: &str| {
        json!({"instrument": "binance_usdm:BTCUSDT", "side": "buy", "price": price,
               "quantity": "0.010"})
    };
    let book = daemon.items("/v1/instruments")[0]["book"]["bid"].clone();
    let bid: Decimal = book.as_str().unwrap().parse().unwrap();
    let far = (bid / Decimal::TWO).round().to_string();
    let (status, refused) = daemon.ask("POST", "/v1/orders", Some(&order(&far)));
    assert_eq!((status, &refused["check"]), (422, &json!("price_collar")), "{refused}");
    let resting = (bid - Decimal::from(200)).round().to_string();
    let placed = daemon.post("/v1/orders", &order(&resting));
    let path = format!("/v1/orders/{}", placed["client_order_id"].as_str().unwrap());
    assert!(matches!(daemon.ask("DELETE", &path, None).0, 200 | 202));
    for fault in [
        json!({"kind": "gap"}),
        json!({"kind": "reset", "socket": "public", "mid_frame": true}),
        json!({"kind": "reset", "socket": "orders", "mid_frame": true}),
    ] {
        let before = daemon.items("/v1/orders").len();
        daemon.until("it quotes", |daemon| daemon.items("/v1/orders").len() > before + 4);
        simulator.inject(&fault);
    }
    let before = daemon.items("/v1/orders").len();
    daemon.until("it quotes again", |daemon| daemon.items("/v1/orders").len() > before + 4);
    daemon.post("/v1/strategies/quoter/pause", &json!({}));
    let unknown = |daemon: &DaemonProcess| daemon.get("/v1/status")["orders"]["unknown"].clone();
    simulator.inject(&json!({"kind": "no_reply", "applied": false}));
    daemon.post("/v1/orders", &order(&resting));
    daemon.until("an order of which nobody knows", |daemon| unknown(daemon) != 0);
    daemon.until("the proof that it isn't there", |daemon| unknown(daemon) == 0);
    assert_eq!(daemon.ask("PUT", "/v1/kill-switch", Some(&json!({"engaged": true}))).0, 200);
    let rejections = daemon.get("/v1/risk");
    let collar = rejections["checks"].as_array().unwrap().iter();
    let collar = collar.filter(|check| check["name"] == "price_collar");
    assert!(collar.clone().all(|check| check["rejections"] == 1), "{rejections}");
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn scrape(daemon: &DaemonProcess, seen: &Mutex<BTreeMap<String, BTreeSet<String>>>) {
    let (status, body) = daemon.ask("GET", "/metrics", None);
    assert_eq!(status, 200, "{body}");
    let text = body.as_str().unwrap();
    let mut seen = seen.lock().unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket"));
    for (series, value) in samples.filter_map(|line| line.rsplit_once(' ')) {
        seen.entry(series.to_owned()).or_default().insert(value.to_owned());
    }
}

fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}
