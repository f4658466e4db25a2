//! User events in spot's shapes (`venues/binance.md` section 4.3).

use serde_json::{Value, json};

use super::form::Type;
use super::lists::contingency_text;
use super::order_json::{
    amount, expiry_text, list_number, money, prevention_text, price, side_text, status_text,
    time_in_force_text,
};
use crate::exchange::account::Balance;
use crate::exchange::instrument::Instrument;
use crate::exchange::lists::{ListChange, OrderList};
use crate::exchange::number::{Money, Price, Quantity};
use crate::exchange::order::{Fill, Order, OrderId, OrderStatus, UnixMillis};
use crate::exchange::{Change, FillEvent};

/// `x`, the execution type.
fn execution(order: &Order, change: Change) -> &'static str {
    match change {
        Change::Accepted | Change::Triggered => "NEW",
        Change::Amended => "REPLACED",
        Change::Canceled => "CANCELED",
        Change::Expired if order.status == OrderStatus::ExpiredInMatch => "TRADE_PREVENTION",
        Change::Expired => "EXPIRED",
    }
}

pub fn order_changed(
    at: UnixMillis,
    instrument: &Instrument,
    order: &Order,
    change: Change,
    number: u64,
) -> String {
    // `c` is the id of the request that did it, and `C` the order's own.
    let (client_id, original) = match change {
        Change::Canceled => {
            let request = order.canceled_by.as_ref().unwrap_or(&order.asked.client_id);
            (request.as_str(), order.asked.client_id.as_str())
        }
        Change::Amended => {
            let former = order.amendments.last().map(|last| last.former_client_id.as_str());
            (order.asked.client_id.as_str(), former.unwrap_or_default())
        }
        Change::Accepted | Change::Triggered | Change::Expired => {
            (order.asked.client_id.as_str(), "")
        }
    };
    // An amendment's number is the one that its reply carries.
    let amended = order.amendments.last().filter(|_| change == Change::Amended);
    let number = amended.map_or(number, |last| last.execution);
    let names = Names { client_id, original, execution: execution(order, change), number };
    report(at, instrument, order, &names, None)
}

pub fn order_filled(instrument: &Instrument, event: &FillEvent, number: u64) -> String {
    let client_id = event.order.asked.client_id.as_str();
    let names = Names { client_id, original: "", execution: "TRADE", number };
    report(event.fill.at, instrument, &event.order, &names, Some(&event.fill))
}

struct Names<'a> {
    client_id: &'a str,
    original: &'a str,
    execution: &'a str,
    number: u64,
}

fn report(
    at: UnixMillis,
    instrument: &Instrument,
    order: &Order,
    names: &Names<'_>,
    fill: Option<&Fill>,
) -> String {
    let asked = &order.asked;
    let on_book = order.working.is_some()
        && matches!(order.status, OrderStatus::New | OrderStatus::PartiallyFilled);
    let last = fill.map(|fill| (fill.quantity, fill.price));
    let (last_quantity, last_price) = last.unwrap_or((Quantity::ZERO, Price::ZERO));
    let mut event = json!({
        "e": "executionReport",
        "E": at.0,
        "s": instrument.symbol,
        "c": names.client_id,
        "S": side_text(asked.side),
        "o": Type::of(asked).text(),
        "f": time_in_force_text(asked.time_in_force),
        "q": amount(order.quantity),
        "p": price(order.price.unwrap_or_default()),
        "P": price(asked.trigger.map_or(Price::ZERO, |trigger| trigger.price)),
        "F": amount(asked.labels.iceberg.unwrap_or_default()),
        "g": list_number(order),
        "C": names.original,
        "x": names.execution,
        "X": status_text(order.status),
        "r": "NONE",
        "i": order.id.0,
        "l": amount(last_quantity),
        "z": amount(order.filled),
        "L": price(last_price),
        "n": fill.map_or("0".to_owned(), |fill| money(fill.fee)),
        "N": fill.map(|fill| fill.fee_asset.as_str()),
        "T": at.0,
        "t": fill.map_or(json!(-1), |fill| json!(fill.trade.0)),
        "I": names.number,
        "w": on_book,
        "m": fill.is_some_and(|fill| fill.maker),
        "M": false,
        "O": order.created.0,
        "Z": money(order.filled_value),
        "Y": money(last_price.value(last_quantity)),
        "Q": money(asked.budget.unwrap_or(Money::ZERO)),
    });
    add_conditional(&mut event, order);
    event.to_string()
}

/// Fields that appear only where they say something.
fn add_conditional(event: &mut Value, order: &Order) {
    let Value::Object(members) = event else { return };
    if let Some(since) = order.working {
        members.insert("W".into(), json!(since.0));
    }
    members.insert("V".into(), json!(prevention_text(order)));
    if let Some(id) = order.asked.labels.strategy_id {
        members.insert("j".into(), json!(id));
    }
    if let Some(kind) = order.asked.labels.strategy_type {
        members.insert("J".into(), json!(kind));
    }
    if let Some(prevented) = order.prevented.filter(|_| !order.status.is_open()) {
        members.insert("v".into(), json!(prevented.id));
        members.insert("A".into(), json!(amount(prevented.quantity)));
        members.insert("B".into(), json!(amount(prevented.quantity)));
        members.insert("u".into(), json!(order.asked.account.0));
        members.insert("U".into(), json!(prevented.counter.0));
        members.insert("pl".into(), json!(amount(prevented.quantity)));
        members.insert("pL".into(), json!(price(prevented.price)));
        members.insert("pY".into(), json!(money(prevented.price.value(prevented.quantity))));
    }
    if let Some(reason) = expiry_text(order) {
        members.insert("eR".into(), json!(reason));
    }
}

pub fn balances(at: UnixMillis, balances: &[(String, Balance)]) -> String {
    let each: Vec<Value> = balances
        .iter()
        .map(|(asset, held)| json!({"a": asset, "f": money(held.free), "l": money(held.locked)}))
        .collect();
    json!({"e": "outboundAccountPosition", "E": at.0, "u": at.0, "B": each}).to_string()
}

pub fn deposited(at: UnixMillis, asset: &str, change: Money) -> String {
    json!({"e": "balanceUpdate", "E": at.0, "a": asset, "d": money(change), "T": at.0}).to_string()
}

pub fn list_changed(
    at: UnixMillis,
    instrument: &Instrument,
    list: &OrderList,
    change: ListChange,
    names: &[(OrderId, String)],
) -> String {
    let (kind, state) = match change {
        ListChange::Started => ("EXEC_STARTED", "EXECUTING"),
        ListChange::Updated => ("UPDATED", "EXECUTING"),
        ListChange::Done => ("ALL_DONE", "ALL_DONE"),
    };
    let orders: Vec<Value> = names
        .iter()
        .map(|(id, name)| json!({"s": instrument.symbol, "i": id.0, "c": name}))
        .collect();
    json!({
        "e": "listStatus",
        "E": at.0,
        "s": instrument.symbol,
        "g": list.id.0,
        "c": contingency_text(list),
        "l": kind,
        "L": state,
        "r": "NONE",
        "C": list.client_id,
        "T": at.0,
        "O": orders,
    })
    .to_string()
}
