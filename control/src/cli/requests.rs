//! What each command asks of the daemon, and which columns of the answer a person sees.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Value, json};
use ureq::http::Method;

use super::CliError;
use super::arguments::{
    Ask, FillFilter, LedgerFilter, ListFills, ListLedger, OrderFilter, Orders, Place, Strategies,
    Stretch,
};
use super::client::Client;
use super::output::Output;
use super::table::{Table, cell};

pub(super) fn run(client: &Client, ask: Ask, output: Output) -> Result<(), CliError> {
    match ask {
        Ask::Status => status(&client.get("/v1/status")?, output),
        Ask::Venues => list(client, "/v1/venues", VENUES, output),
        Ask::Instruments => list(client, "/v1/instruments", INSTRUMENTS, output),
        Ask::Strategies { command } => {
            strategies(client, command.unwrap_or(Strategies::List), output)
        }
        Ask::Orders { command } => {
            let command = command.unwrap_or_else(|| Orders::List(OrderFilter::default()));
            orders(client, command, output)
        }
        Ask::Positions { .. } => list(client, "/v1/positions", POSITIONS, output),
        Ask::Balances { .. } => list(client, "/v1/balances", BALANCES, output),
        Ask::Fills { command } => {
            let filter = match command {
                Some(ListFills::List(filter)) => filter,
                None => FillFilter::default(),
            };
            let fields = fill_fields(&filter);
            pages(client, "/v1/fills", &fields, &filter.stretch, FILLS, output)
        }
        Ask::Ledger { command } => {
            let filter = match command {
                Some(ListLedger::List(filter)) => filter,
                None => LedgerFilter::default(),
            };
            let fields = ledger_fields(&filter);
            pages(client, "/v1/ledger", &fields, &filter.stretch, LEDGER, output)
        }
        Ask::Risk => risk(&client.get("/v1/risk")?, output),
        Ask::Kill { reason } => {
            let wish = json!({ "engaged": true, "reason": reason, "confirm": "kill" });
            halted(client, Method::PUT, "/v1/kill-switch", Some(&wish), output)
        }
        Ask::Rearm => {
            let wish = json!({ "engaged": false, "confirm": "rearm" });
            halted(client, Method::PUT, "/v1/kill-switch", Some(&wish), output)
        }
    }
}

const VENUES: &[&str] =
    &["venue", "environment", "symbols", "orders_open", "orders_unknown", "clock_offset_ns"];
const SESSIONS: &[&str] = &["venue", "session", "account", "state", "since", "reconnects"];
const INSTRUMENTS: &[&str] =
    &["instrument", "tick", "step", "min_notional", "trading", "book.bid", "book.ask"];
const STRATEGIES: &[&str] = &[
    "id",
    "kind",
    "instruments",
    "state",
    "mode",
    "position",
    "orders_sent",
    "fills",
    "result.marked",
    "reason",
];
const ORDERS: &[&str] = &[
    "client_order_id",
    "strategy",
    "instrument",
    "side",
    "price",
    "quantity",
    "filled",
    "state",
    "reason",
];
const POSITIONS: &[&str] =
    &["account", "instrument", "quantity", "venue.quantity", "agrees", "fills", "fees"];
const BALANCES: &[&str] = &["account", "asset", "wallet", "available", "venue_time"];
const FILLS: &[&str] = &[
    "venue_time",
    "strategy",
    "instrument",
    "side",
    "price",
    "quantity",
    "liquidity",
    "fee",
    "client_order_id",
];
const LEDGER: &[&str] =
    &["at", "kind", "amount", "asset", "strategy", "account", "instrument", "trade_id"];
const CHECKS: &[&str] = &["code", "name", "rejections", "description"];
const CANCELS: &[&str] = &["client_order_id", "confirmed"];

fn strategies(client: &Client, command: Strategies, output: Output) -> Result<(), CliError> {
    let act = |id: &str, verb: &str| format!("/v1/strategies/{}/{verb}", segment(id));
    match command {
        Strategies::List => list(client, "/v1/strategies", STRATEGIES, output),
        Strategies::Show { id } => {
            let path = format!("/v1/strategies/{}", segment(&id));
            one(&client.get(&path)?, STRATEGIES, output)
        }
        Strategies::Create { file } => {
            let spec = read_json(&file)?;
            let answer = client.ask(Method::POST, "/v1/strategies", Some(&spec))?;
            one(&answer, STRATEGIES, output)
        }
        Strategies::Start { id, mode, confirm } => {
            let wish = json!({ "mode": mode, "confirm": confirm });
            started(&client.ask(Method::POST, &act(&id, "start"), Some(&wish))?, output)
        }
        Strategies::Resume { id } => {
            started(&client.ask(Method::POST, &act(&id, "resume"), None)?, output)
        }
        Strategies::Pause { id } => halted(client, Method::POST, &act(&id, "pause"), None, output),
        Strategies::Stop { id } => halted(client, Method::POST, &act(&id, "stop"), None, output),
        Strategies::Delete { id } => {
            let path = format!("/v1/strategies/{}", segment(&id));
            client.ask(Method::DELETE, &path, None)?;
            Ok(())
        }
    }
}

fn orders(client: &Client, command: Orders, output: Output) -> Result<(), CliError> {
    let path = |id: &str| format!("/v1/orders/{}", segment(id));
    match command {
        Orders::List(filter) => {
            let fields = order_fields(&filter);
            pages(client, "/v1/orders", &fields, &filter.stretch, ORDERS, output)
        }
        Orders::Show { client_order_id } => {
            one(&client.get(&path(&client_order_id))?, ORDERS, output)
        }
        Orders::Place(place) => {
            let answer = client.ask(Method::POST, "/v1/orders", Some(&place_body(&place)))?;
            one(&answer, ORDERS, output)
        }
        Orders::Amend { client_order_id, price, quantity } => {
            let wish = json!({ "price": price, "quantity": quantity });
            let answer = client.ask(Method::PATCH, &path(&client_order_id), Some(&wish))?;
            one(&answer, ORDERS, output)
        }
        Orders::Cancel { client_order_id } => {
            one(&client.ask(Method::DELETE, &path(&client_order_id), None)?, ORDERS, output)
        }
        Orders::CancelAll { strategy, instrument } => {
            let path = query(
                "/v1/orders",
                &[("strategy", strategy.as_deref()), ("instrument", instrument.as_deref())],
            );
            halted(client, Method::DELETE, &path, None, output)
        }
    }
}

fn list(client: &Client, path: &str, columns: &[&str], output: Output) -> Result<(), CliError> {
    print(&client.get(path)?, columns, output)
}

/// A list that comes in pages: the first one, or all of them up to a bound.
fn pages(
    client: &Client,
    path: &str,
    fields: &[(&'static str, Option<&str>)],
    stretch: &Stretch,
    columns: &[&str],
    output: Output,
) -> Result<(), CliError> {
    let limit = stretch.limit.map(|limit| limit.to_string());
    let limit = if stretch.all { Some(PAGE) } else { limit.as_deref() };
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut fields = fields.to_vec();
        fields.extend([
            ("from", stretch.from.as_deref()),
            ("to", stretch.to.as_deref()),
            ("limit", limit),
            ("cursor", cursor.as_deref()),
        ]);
        let mut answer = client.get(&query(path, &fields))?;
        if let Some(why) = answer.get("incomplete").and_then(Value::as_str) {
            output.message(&format!("not everything is shown: {why}"));
        }
        let next = answer.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if !stretch.all {
            return print(&answer, columns, output);
        }
        if let Some(Value::Array(page)) = answer.get_mut("items") {
            items.append(page);
        }
        let full = items.len() >= MOST_ITEMS && next.is_some();
        if full {
            output.message("there is more: narrow it by --from and --to, or take /v1/export");
        }
        if next.is_none() || full {
            return print(&json!({ "items": items, "next_cursor": next }), columns, output);
        }
        cursor = next;
    }
}

/// What `--all` asks for at once, and how much it shows at the most.
const PAGE: &str = "1000";
const MOST_ITEMS: usize = 200_000;

fn print(answer: &Value, columns: &[&str], output: Output) -> Result<(), CliError> {
    if output.json {
        return output.data(answer);
    }
    let items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    output.text(&Table::of(&items, columns).to_string())
}

fn one(answer: &Value, columns: &[&str], output: Output) -> Result<(), CliError> {
    if output.json {
        return output.data(answer);
    }
    output.text(&Table::of(std::slice::from_ref(answer), columns).to_string())
}

fn started(answer: &Value, output: Output) -> Result<(), CliError> {
    if output.json {
        return output.data(answer);
    }
    one(answer.get("strategy").unwrap_or(&Value::Null), STRATEGIES, output)
}

/// A barrier's answer. Cancels that aren't confirmed are no failure, and are said.
fn halted(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
    output: Output,
) -> Result<(), CliError> {
    let answer = client.ask(method, path, body)?;
    if output.json {
        return output.data(&answer);
    }
    if let Some(strategy) = answer.get("strategy") {
        one(strategy, STRATEGIES, output)?;
    }
    if let Some(engaged) = answer.get("engaged").and_then(Value::as_bool) {
        output.text(if engaged { "kill switch engaged" } else { "kill switch lifted" })?;
    }
    let text = |name: &str| answer.get(name).map(Value::to_string).unwrap_or_default();
    let cancels = answer.get("cancels").and_then(Value::as_array).cloned().unwrap_or_default();
    output.text(&format!(
        "last order sent: {}; cancels asked for: {}; not confirmed: {}",
        text("last_order_sent").trim_matches('"').replace("null", "none"),
        cancels.len(),
        text("outstanding")
    ))?;
    if cancels.is_empty() {
        return Ok(());
    }
    output.text(&Table::of(&cancels, CANCELS).to_string())
}

fn status(answer: &Value, output: Output) -> Result<(), CliError> {
    if output.json {
        return output.data(answer);
    }
    let columns = [
        "version",
        "phase",
        "detail",
        "uptime_seconds",
        "simulator",
        "layout",
        "waiting",
        "kill_switch.engaged",
        "strategies.running",
        "orders.open",
        "orders.unknown",
        "fills",
        "latency.tick_to_order.p50_ns",
    ];
    let mut table = Table::new(&["what", "value"]);
    for name in columns {
        table.row(vec![name.replace(['.', '_'], " "), cell(answer, name)]);
    }
    output.text(&table.to_string())?;
    let sessions = answer.get("sessions").and_then(Value::as_array).cloned().unwrap_or_default();
    output.text(&Table::of(&sessions, SESSIONS).to_string())
}

fn risk(answer: &Value, output: Output) -> Result<(), CliError> {
    if output.json {
        return output.data(answer);
    }
    let mut table = Table::new(&["limit", "value"]);
    for (name, value) in answer.get("limits").and_then(Value::as_object).into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        table.row(vec![name.clone(), text]);
    }
    output.text(&table.to_string())?;
    let checks = answer.get("checks").and_then(Value::as_array).cloned().unwrap_or_default();
    output.text(&Table::of(&checks, CHECKS).to_string())
}

fn place_body(place: &Place) -> Value {
    let kind = if place.price.is_some() { "limit" } else { "market" };
    json!({
        "instrument": place.instrument,
        "side": place.side,
        "type": kind,
        "time_in_force": place.time_in_force,
        "price": place.price,
        "quantity": place.quantity,
        "reduce_only": place.reduce_only,
    })
}

type Fields<'a> = Vec<(&'static str, Option<&'a str>)>;

fn order_fields(filter: &OrderFilter) -> Fields<'_> {
    vec![
        ("strategy", filter.strategy.as_deref()),
        ("instrument", filter.instrument.as_deref()),
        ("state", filter.state.as_deref()),
        ("open", filter.open.then_some("true")),
    ]
}

fn fill_fields(filter: &FillFilter) -> Fields<'_> {
    vec![("strategy", filter.strategy.as_deref()), ("instrument", filter.instrument.as_deref())]
}

fn ledger_fields(filter: &LedgerFilter) -> Fields<'_> {
    vec![
        ("strategy", filter.strategy.as_deref()),
        ("instrument", filter.instrument.as_deref()),
        ("kind", filter.kind.as_deref()),
    ]
}

fn query(path: &str, fields: &[(&str, Option<&str>)]) -> String {
    let given = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs: Vec<String> =
        given.map(|(name, value)| format!("{name}={}", segment(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// Percent-encoding of everything that isn't plain in a path or a query.
fn segment(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

fn read_json(file: &Path) -> Result<Value, CliError> {
    let unreadable = |error: String| CliError::Failed(format!("{}: {error}", file.display()));
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin()
            .take(LARGEST_SPEC_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(error.to_string()))?;
        text
    } else {
        fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?
    };
    serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))
}

const LARGEST_SPEC_BYTES: u64 = 64 << 10;
