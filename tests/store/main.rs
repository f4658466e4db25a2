//! The store behind a daemon that trades: filled from its journal through kills, a database that
//! is locked or gone, and a rebuild; read back in pages and as files. On SQLite and PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop here")]
#![expect(clippy::print_stdout, reason = "the counts are part of the result")]

mod cluster;
mod database;
#[path = "../processes/mod.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod processes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use database::{Database, Place};
use processes::{DaemonProcess, SimulatorProcess, run_to_end};

/// Runs a test on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name(super::Database::sqlite()); })+
        }
        mod on_postgres {
            $(#[test] fn $name() {
                match super::Database::postgres() {
                    Some(database) => super::$name(database),
                    None => println!("skipped: no PostgreSQL"),
                }
            })+
        }
    };
}

on_both![
    history_outlives_kills_and_is_rebuilt_row_by_row,
    trading_goes_on_while_the_database_does_not,
    pages_lose_and_double_nothing_while_orders_come,
    exports_hold_every_row_to_the_last_digit,
];

fn simulator() -> SimulatorProcess {
    SimulatorProcess::start(&["--seed", "3", "--limits-multiplier", "100"])
}

fn start(place: &Place, simulator: &SimulatorProcess) -> DaemonProcess {
    let daemon = DaemonProcess::start(simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    daemon
}

/// A daemon whose quoter trades.
fn start_quoting(place: &Place, simulator: &SimulatorProcess) -> DaemonProcess {
    let daemon = start(place, simulator);
    daemon.post(
        "/v1/strategies",
        &json!({"id": "quoter", "kind": "quoter", "instruments": ["binance_usdm:BTCUSDT"],
                "parameters": {"quantity": "0.01", "max_position": "0.05",
                               "half_spread_ticks": 1, "skew_ticks": 10, "requote_ticks": 1}}),
    );
    daemon.post("/v1/strategies/quoter/start", &json!({"mode": "simulated"}));
    daemon
}

fn stop_quoting(daemon: &DaemonProcess) {
    daemon.post("/v1/strategies/quoter/stop", &json!({}));
    daemon.until("stopped", |daemon| daemon.get("/v1/strategies/quoter")["state"] == "stopped");
    daemon.until("all closed", |daemon| {
        daemon.get("/v1/orders?open=true")["items"].as_array().unwrap().is_empty()
    });
}

fn lag(daemon: &DaemonProcess) -> u64 {
    let (_, metrics) = daemon.ask("GET", "/metrics", None);
    let line = metrics
        .as_str()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("enigma_store_lag_records ").map(str::to_owned));
    line.expect("the metric").parse().unwrap()
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap_or("0").parse().unwrap()
}

fn ids(items: &[Value]) -> Vec<u64> {
    items.iter().map(|row| row["client_order_id"].as_str().unwrap().parse().unwrap()).collect()
}

fn history_outlives_kills_and_is_rebuilt_row_by_row(database: Database) {
    let simulator = simulator();
    let place = Place::new(&database);
    let mut daemon = start_quoting(&place, &simulator);
    for round in 0..4_u64 {
        let before = daemon.items("/v1/orders").len();
        daemon.until("orders and a fill", |daemon| {
            daemon.items("/v1/orders").len() > before + 10 && !daemon.items("/v1/fills").is_empty()
        });
        // In the middle of a batch, or between two.
        std::thread::sleep(Duration::from_millis(73 * round % 250));
        daemon.kill();
        daemon = start(&place, &simulator);
        daemon.post("/v1/strategies/quoter/resume", &json!({}));
    }
    stop_quoting(&daemon);
    let (orders, fills) = (daemon.items("/v1/orders"), daemon.items("/v1/fills"));
    assert!(daemon.terminate().success());
    let kept = database.rows(&place);
    assert_eq!(kept["orders"].len(), orders.len());
    assert_eq!(kept["fills"].len(), fills.len());
    assert!(kept["ledger"].iter().any(|row| row.contains("fee")), "no fee is in the ledger");
    let theirs = simulator.account();
    let traded: BTreeSet<String> =
        theirs["fills"].as_array().unwrap().iter().map(|row| row["trade_id"].to_string()).collect();
    let stored: BTreeSet<String> =
        fills.iter().map(|row| row["trade_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(stored, traded, "a fill is lost, or nobody's");

    database.lose(&place);
    let daemon = start(&place, &simulator);
    daemon.until("the journal is taken over again", |daemon| {
        let store = &daemon.get("/v1/status")["store"];
        store["lag_records"] == 0 && store["filled_to"].as_u64().unwrap() > 0
    });
    assert_eq!(daemon.items("/v1/fills"), fills);
    assert_eq!(ids(&daemon.items("/v1/orders")), ids(&orders));
    assert!(daemon.terminate().success());
    let rebuilt = database.rows(&place);
    for (table, rows) in &kept {
        assert_eq!(&rebuilt[table], rows, "{table}");
    }
    let counts: BTreeMap<_, _> = kept.iter().map(|(table, rows)| (table, rows.len())).collect();
    println!("rebuilt row by row: {counts:?}");
}

fn trading_goes_on_while_the_database_does_not(mut database: Database) {
    let simulator = simulator();
    let place = Place::new(&database);
    let daemon = start_quoting(&place, &simulator);
    daemon.until("rows", |daemon| {
        daemon.get("/v1/status")["store"]["filled_to"].as_u64().unwrap() > 50
    });
    let outage = database.obstruct(&place);
    let sent = |daemon: &DaemonProcess| {
        daemon.get("/v1/strategies/quoter")["orders_sent"].as_u64().unwrap()
    };
    let before = sent(&daemon);
    daemon.until("the lag is seen", |daemon| lag(daemon) > 20);
    daemon.until("orders go on", |daemon| sent(daemon) > before + 20);
    daemon.until("the failure is told", |daemon| {
        let store = &daemon.get("/v1/status")["store"];
        store["healthy"] == false && !store["detail"].as_str().unwrap().is_empty()
    });
    let (_, metrics) = daemon.ask("GET", "/metrics", None);
    assert!(metrics.as_str().unwrap().contains("enigma_store_up 0"), "{metrics}");
    let open = daemon.get("/v1/orders?open=true");
    assert!(open.get("incomplete").is_none(), "what is open is known without the store: {open}");
    assert_eq!(daemon.get("/readyz")["ready"], true);
    database.clear(outage);
    daemon.until("it has caught up", |daemon| {
        daemon.get("/v1/status")["store"]["healthy"] == true && lag(daemon) < 5
    });
    stop_quoting(&daemon);
    let (orders, fills) = (daemon.items("/v1/orders"), daemon.items("/v1/fills"));
    assert!(daemon.terminate().success());
    let kept = database.rows(&place);
    assert_eq!((kept["orders"].len(), kept["fills"].len()), (orders.len(), fills.len()));
    println!("{} orders, {} fills through the outage", orders.len(), fills.len());
}

fn pages_lose_and_double_nothing_while_orders_come(database: Database) {
    let simulator = simulator();
    let place = Place::new(&database);
    let daemon = start_quoting(&place, &simulator);
    daemon.until("enough to page over", |daemon| {
        daemon.items("/v1/orders").len() > 60 && daemon.items("/v1/fills").len() > 2
    });
    for _ in 0..5 {
        let orders = ids(&daemon.items("/v1/orders"));
        let by_pages = ids(&paged(&daemon, "/v1/orders?limit=7"));
        let unique: BTreeSet<u64> = by_pages.iter().copied().collect();
        assert_eq!(unique.len(), by_pages.len(), "an order was shown twice: {by_pages:?}");
        assert!(by_pages.is_sorted_by(|newer, older| newer > older), "{by_pages:?}");
        let lost: Vec<_> = orders.iter().filter(|id| !unique.contains(id)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");

        let trades = |items: Vec<Value>| -> Vec<String> {
            items.iter().map(|row| row["trade_id"].as_str().unwrap().to_owned()).collect()
        };
        let fills = trades(daemon.items("/v1/fills"));
        let paged_fills = trades(paged(&daemon, "/v1/fills?limit=1"));
        let unique: BTreeSet<&String> = paged_fills.iter().collect();
        assert_eq!(unique.len(), paged_fills.len(), "a fill was shown twice: {paged_fills:?}");
        assert!(fills.iter().all(|trade| unique.contains(trade)), "{fills:?} {paged_fills:?}");
    }
    stop_quoting(&daemon);
    let all = daemon.items("/v1/orders");
    let closed = paged(&daemon, "/v1/orders?limit=11&open=false&strategy=quoter");
    assert_eq!(ids(&closed), ids(&all));
    let middle = all[all.len() / 2]["created_at"].as_str().unwrap();
    let older = paged(&daemon, &format!("/v1/orders?limit=11&to={middle}")).len();
    let newer = paged(&daemon, &format!("/v1/orders?limit=11&from={middle}")).len();
    assert_eq!(older + newer, all.len());
    for path in ["/v1/orders?cursor=00", "/v1/fills?cursor=zz", "/v1/ledger?from=soon"] {
        assert_eq!(daemon.ask("GET", path, None).0, 400, "{path}");
    }
    assert!(daemon.terminate().success());
}

/// Every item, by the page size that the path names.
fn paged(daemon: &DaemonProcess, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = daemon.get(&format!("{path}{cursor}"));
        assert!(page.get("incomplete").is_none(), "{page}");
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn exports_hold_every_row_to_the_last_digit(database: Database) {
    let simulator = simulator();
    let place = Place::new(&database);
    let daemon = start_quoting(&place, &simulator);
    daemon.until("orders and fills", |daemon| {
        daemon.items("/v1/orders").len() > 30 && daemon.items("/v1/fills").len() > 3
    });
    stop_quoting(&daemon);
    daemon.until("stored", |daemon| {
        daemon.get("/v1/export/fills").as_array().unwrap().len() == daemon.items("/v1/fills").len()
            && lag(daemon) == 0
    });
    for table in ["orders", "fills", "ledger"] {
        let mut listed = paged(&daemon, &format!("/v1/{table}?limit=1000"));
        listed.reverse();
        let exported = daemon.get(&format!("/v1/export/{table}?format=json"));
        assert_eq!(exported.as_array().unwrap(), &listed, "{table}");
        let csv = daemon.get(&format!("/v1/export/{table}?format=csv"));
        assert_csv(csv.as_str().unwrap(), &listed);
    }
    assert_ledger(&daemon);

    let data = place.data.to_str().unwrap();
    for (command, path) in [("orders", "/v1/orders"), ("fills", "/v1/fills")] {
        let arguments = [command, "list", "--all", "--json", "--data-dir", data];
        let (code, output, errors) = run_to_end(&arguments);
        assert_eq!((code, errors.as_str()), (0, ""));
        let shown: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(shown["items"].as_array().unwrap(), &daemon.items(path), "{command}");
    }
    let (code, output, _) = run_to_end(&["ledger", "list", "--kind", "fee", "--data-dir", data]);
    assert!(code == 0 && output.contains("fee") && !output.contains("realised"), "{output}");
    assert_eq!(daemon.ask("GET", "/v1/export/keys", None).0, 404);
    assert!(daemon.terminate().success());
}

/// The fees of the ledger are those of the fills, and what quoting realised is what its fills took
/// in beyond what they paid, as far as the position is flat.
#[track_caller]
fn assert_ledger(daemon: &DaemonProcess) {
    let (fills, ledger) = (daemon.items("/v1/fills"), daemon.items("/v1/ledger"));
    let of = |kind: &str| -> Decimal {
        let rows = ledger.iter().filter(|row| row["kind"] == kind);
        rows.map(|row| decimal(&row["amount"])).sum()
    };
    let fees: Decimal = fills.iter().map(|row| decimal(&row["fee"])).sum();
    assert_eq!(of("fee"), -fees);
    assert!(ledger.iter().all(|row| row["strategy"] == "quoter"), "{ledger:?}");
    // Average cost by hand, in decimals: the newest fill comes first.
    let (mut quantity, mut cost, mut realised) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    for fill in fills.iter().rev() {
        let sign = if fill["side"] == "buy" { Decimal::ONE } else { -Decimal::ONE };
        let (change, price) = (sign * decimal(&fill["quantity"]), decimal(&fill["price"]));
        let closes = quantity * change < Decimal::ZERO;
        let closed = if closes { change.abs().min(quantity.abs()) } else { Decimal::ZERO };
        if closes {
            let share = cost * closed / quantity.abs();
            realised += -sign * closed * price - share;
            cost -= share;
        }
        cost += sign * (change.abs() - closed) * price;
        quantity += change;
    }
    let stored = of("realised");
    // Each division may leave a unit of the ledger's twelfth digit with the position.
    let bound = Decimal::new(fills.len() as i64, 12);
    assert!((stored - realised).abs() <= bound, "{stored} {realised}");
    println!("{} ledger entries, realised {stored}", ledger.len());
}

/// Reads RFC 4180 as its grammar says, and compares every field.
#[track_caller]
fn assert_csv(text: &str, rows: &[Value]) {
    let mut records: Vec<Vec<String>> = vec![vec![String::new()]];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let record = records.last_mut().unwrap();
        match (quoted, letter) {
            (true, '"') if letters.peek() == Some(&'"') => {
                letters.next();
                record.last_mut().unwrap().push('"');
            }
            (_, '"') => quoted = !quoted,
            (false, ',') => record.push(String::new()),
            (false, '\r') => {
                assert_eq!(letters.next(), Some('\n'), "a record ends in CR LF");
                records.push(vec![String::new()]);
            }
            (false, '\n') => panic!("a bare line feed"),
            (_, other) => record.last_mut().unwrap().push(other),
        }
    }
    assert!(!quoted, "a quote stays open");
    assert_eq!(records.pop().unwrap(), [""], "the last record ends in CR LF");
    let header = records.remove(0);
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(rows) {
        assert_eq!(record.len(), header.len());
        for (name, cell) in header.iter().zip(record) {
            let expected = match &row[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    row[name].to_string()
                }
            };
            assert_eq!(cell, &expected, "{name} of {row}");
        }
    }
}
