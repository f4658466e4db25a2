//! The account session under broken events, and a reader that is wrong on purpose.

use enigma_types::SessionKind;
use enigma_venues::binance::usdm::user_stream::AccountSession;
use enigma_venues::session::{AlertKind, Input, ReconnectReason};
use serde_json::Value;

use crate::mutation::{Dice, mutate, oversized};
use crate::usdm_oracle::{
    Driven, FillFacts, OrderFacts, Statement, UserReading, Whose, client_text, one_at,
};
use crate::verdict::{Tally, compare, survive, value_of};
use crate::{Bench, templates};

const MESSAGES: usize = 60_000;

#[test]
fn broken_account_events_report_only_what_they_say() {
    let Some(events) = events() else { return };
    let bench = Bench::new();
    let mut dice = Dice::new("account events");
    let mut tally = Tally::default();
    let mut driven = open(&bench);
    while tally.messages < MESSAGES {
        let text = broken(&events, &mut dice);
        tally.messages += 1;
        let effects = survive(&text, || driven.frame(&text));
        let (root, is_json) = value_of(&text, effects.result.is_ok());
        let said = root.and_then(|root| bench.reader.user(&root).ok());
        let said = said.as_ref().map(statements);
        let told = effects.result.as_ref().ok().map(|()| bench.teller.statements(&effects.reports));
        compare(&text, is_json, said.as_deref(), told.as_deref(), &mut tally)
            .unwrap_or_else(|disagreement| panic!("the text says {disagreement}"));
        // There is no replay: what can't be read costs the connection, and nothing is reported.
        if effects.result.is_err() {
            assert!(effects.reports.is_empty());
            assert_eq!(effects.reconnect, Some(ReconnectReason::Protocol));
            assert_eq!(effects.alerts[0].kind, AlertKind::UnreadableMessage);
        }
        if effects.reconnect.is_some() {
            driven = open(&bench);
        }
    }
    tally.finish("account events", MESSAGES);
}

/// The comparison that the engine passes must catch a reader that takes the first of two equal
/// keys, counts in binary fractions, and reads whatever its library takes for a number.
#[test]
fn a_careless_reader_is_caught() {
    let Some(events) = events() else { return };
    let bench = Bench::new();
    let mut dice = Dice::new("a careless reader");
    let (mut caught, mut read) = (0, 0);
    for _ in 0..10_000 {
        let text = broken(&events, &mut dice);
        let Some(told) = carelessly(&String::from_utf8_lossy(&text)) else { continue };
        read += 1;
        let (root, is_json) = value_of(&text, true);
        let said = root.and_then(|root| bench.reader.user(&root).ok());
        let said = said.as_ref().map(statements);
        let told = Some(told.as_slice());
        let judged = compare(&text, is_json, said.as_deref(), told, &mut Tally::default());
        caught += usize::from(judged.is_err());
    }
    println!("a careless reader read {read} order events, {caught} of them wrong");
    assert!(read > 1_000, "{read}");
    assert!(caught > read / 50, "{caught} of {read}");
    assert!(caught < read / 2, "a reader that is always wrong shows nothing: {caught} of {read}");
}

/// Order updates of ours and of others, and every other event that is recorded.
fn events() -> Option<Vec<String>> {
    let is_event = |value: &Value| {
        value.get("data").unwrap_or(value).get("a").is_some()
            || value.get("data").unwrap_or(value).get("o").is_some()
    };
    let recorded = templates(is_event)?;
    let mut events = Vec::new();
    for (number, event) in recorded.iter().enumerate() {
        events.push(event.to_string());
        let mut ours = event.clone();
        let inside = if ours.get("data").is_some() { &mut ours["data"] } else { &mut ours };
        if inside["e"] == "ORDER_TRADE_UPDATE" {
            inside["o"]["c"] = client_text(number as u64 + 1).into();
            // More of these than of the others: they are what money hangs on.
            events.extend([ours.to_string(), ours.to_string(), ours.to_string()]);
        }
    }
    Some(events)
}

fn broken(events: &[String], dice: &mut Dice) -> Vec<u8> {
    let event = dice.pick(events);
    if dice.one_in(3_000) { oversized(event, dice) } else { mutate(event, dice) }
}

fn open(bench: &Bench) -> Driven<AccountSession> {
    let mut driven = Driven::new(AccountSession::new(&bench.plan(SessionKind::Account)));
    let started = driven.handle(Input::Start);
    let key = driven.answer(&started.calls[0], 200, b"{\"listenKey\":\"k\"}");
    assert!(key.dial.is_some());
    driven.handle(Input::Connected);
    driven
}

/// What a session reports of a reading: the legs of hedge mode are no positions of ours.
fn statements(reading: &UserReading) -> Vec<Statement> {
    match reading {
        UserReading::Order(statements) | UserReading::Account(statements) => {
            let ours = |said: &&Statement| match said {
                Statement::Position(position) => position.leg == "both",
                Statement::Order(_) | Statement::Fill(_) | Statement::Balance(_) => true,
            };
            statements.iter().filter(ours).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// Order events by searching for keys: `None` where it finds none.
fn carelessly(text: &str) -> Option<Vec<Statement>> {
    if value(text, "e")? != "ORDER_TRADE_UPDATE" || value(text, "s")? != "BTCUSDT" {
        return None;
    }
    let number = |key: &str| -> Option<i128> {
        let value: f64 = value(text, key)?.parse().ok()?;
        Some(binary(value))
    };
    let side = if value(text, "S")? == "BUY" { "buy" } else { "sell" };
    let id = value(text, "c")?;
    let whose = match id.strip_prefix("deadbeef") {
        Some(digits) => Whose::Ours(u64::from_str_radix(digits, 16).ok()?),
        None => Whose::Others(id.to_owned()),
    };
    let time_ns = value(text, "T")?.parse::<u64>().ok()?.saturating_mul(1_000_000);
    let venue_order_id = value(text, "i")?.parse().ok()?;
    let symbol = "BTCUSDT".to_owned();
    let mut told = Vec::new();
    let trades = matches!(value(text, "x")?, "TRADE" | "CALCULATED");
    if trades && number("l")? != 0 {
        told.push(Statement::Fill(FillFacts {
            symbol: symbol.clone(),
            whose: whose.clone(),
            venue_order_id,
            trade_id: value(text, "t")?.parse().ok()?,
            side,
            price: number("L")?,
            quantity: number("l")?,
            maker: value(text, "m")? == "true",
            fee: number("n")?,
            fee_asset: value(text, "N")?.to_owned(),
            time_ns,
        }));
    }
    told.push(Statement::Order(OrderFacts {
        symbol,
        whose,
        venue_order_id,
        status: match value(text, "X")? {
            "NEW" | "PARTIALLY_FILLED" => "open",
            "FILLED" | "NEW_ADL" => "filled",
            "CANCELED" => "canceled",
            _ => "unrecognised",
        },
        side,
        price: number("p")?,
        quantity: number("q")?,
        filled: number("z")?,
        time_in_force: if value(text, "f")? == "IOC" { "ioc" } else { "gtc" },
        reduce_only: value(text, "R")? == "true",
        time_ns,
    }));
    Some(told)
}

/// What stands behind the first such key, up to its end, without quotes.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{key}\":"))?;
    let end = rest.find([',', '}'])?;
    Some(rest[..end].trim_matches('"'))
}

#[expect(clippy::float_arithmetic, reason = "the mistake that is to be caught")]
fn binary(value: f64) -> i128 {
    ((value * 1_000.0).round() as i128).saturating_mul(one_at(3))
}
