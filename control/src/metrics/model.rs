//! Metrics that are read off the read model: sessions, strategies, orders, positions, balances.

use std::collections::BTreeMap;

use enigma_engine::snapshot::{OrderState, ReadModel};
use enigma_types::{AccountId, Amount, SessionKind, SessionState, StrategyState};

use super::families::{Families, Labels, count, decimal, gauge, labels};
use crate::app::App;
use crate::naming::{Naming, strategy_name};
use crate::order_counts::OrderCounts;

pub(super) fn collect(app: &App, families: &mut Families) {
    let model = app.engine.model();
    sessions(app, &model, families);
    strategies(&model, families);
    let Ok(naming) = app.naming() else { return };
    orders(app, &model, families);
    doubtful_orders(app, &model, &naming, families);
    positions(app, &model, &naming, families);
    profits(app, &model, &naming, families);
}

/// A session is up while every one of its kind at the venue is ready.
fn sessions(app: &App, model: &ReadModel, families: &mut Families) {
    let mut up = Vec::new();
    for facts in &app.facts.venues {
        for kind in SessionKind::ALL {
            let states = model
                .sessions
                .iter()
                .filter(|((venue, _, of), _)| *venue == facts.venue && *of == kind);
            let mut states = states.map(|(_, view)| view.state).peekable();
            let ready = states.peek().is_some() && states.all(|state| state == SessionState::Ready);
            let labels = labels(&[("venue", facts.venue.name()), ("session", kind.name())]);
            up.push((labels, gauge(i64::from(ready))));
        }
    }
    families.gauges("session_up", "1 while the session is ready.", up);
}

fn strategies(model: &ReadModel, families: &mut Families) {
    let states = model.strategies.values().flat_map(|view| {
        StrategyState::ALL.map(|state| {
            let labels = labels(&[("strategy", &view.spec.id), ("state", state.name())]);
            (labels, gauge(i64::from(view.state == state)))
        })
    });
    families.gauges("strategy_state", "1 for the state a strategy is in.", states.collect());
}

/// Sent orders of strategies, and how orders ended since this process began.
fn orders(app: &App, model: &ReadModel, families: &mut Families) {
    let mut samples: BTreeMap<(String, String, &'static str), u64> = BTreeMap::new();
    let ends = OrderState::ALL.into_iter().filter(|state| !state.is_live());
    for facts in &app.facts.venues {
        let venue = facts.venue.name().to_owned();
        let names = model.strategies.values().map(|view| view.spec.id.to_string());
        for strategy in names.chain(["manual".to_owned()]) {
            for state in ends.clone() {
                samples.insert((venue.clone(), strategy.clone(), state.name()), 0);
            }
        }
    }
    for ((venue, strategy, state), ended) in app.tally.ended() {
        samples.insert((venue.name().to_owned(), strategy, state.name()), ended);
    }
    let sample = |((venue, strategy, result), value): ((String, String, &'static str), u64)| {
        let labels: Labels =
            vec![("venue", venue), ("strategy", strategy), ("result", result.to_owned())];
        (labels, count(value))
    };
    families.counters(
        "orders_total",
        "How orders ended since the daemon's start.",
        samples.into_iter().map(sample).collect(),
    );
    let sent = model
        .strategies
        .values()
        .map(|view| (labels(&[("strategy", &view.spec.id)]), count(view.orders_sent)));
    families.counters("orders_sent_total", "Orders that a strategy has sent.", sent.collect());
}

fn doubtful_orders(app: &App, model: &ReadModel, naming: &Naming, families: &mut Families) {
    let mut open = Vec::new();
    let mut unknown = Vec::new();
    for facts in &app.facts.venues {
        let counts = OrderCounts::of(model, naming, facts.venue);
        let labels = || labels(&[("venue", facts.venue.name())]);
        open.push((labels(), count(counts.open)));
        unknown.push((labels(), count(counts.unknown)));
    }
    families.gauges("orders_open", "Orders that may still trade.", open);
    families.gauges(
        "orders_unknown",
        "Orders of which nobody knows whether they were executed.",
        unknown,
    );
}

fn positions(app: &App, model: &ReadModel, naming: &Naming, families: &mut Families) {
    let mut held = Vec::new();
    let mut exposure: BTreeMap<AccountId, Amount> =
        app.engine.status().accounts.iter().map(|(id, ..)| (*id, Amount::ZERO)).collect();
    for ((account, id), view) in &model.positions {
        let Some(instrument) = naming.instrument(*id) else { continue };
        let text = view.quantity.to_decimal(instrument.quantity_scale).to_string();
        let (name, of) = (naming.account(*account), instrument.name());
        held.push((labels(&[("account", &name), ("instrument", &of)]), decimal(&text)));
        if let Some(mid) = app.engine.book(*id).and_then(|book| book.mid()) {
            let value = instrument.value(mid, view.quantity).abs();
            *exposure.entry(*account).or_default() += value;
        }
    }
    families.gauges("position", "Net position in the base asset.", held);
    let exposure = exposure.into_iter().map(|(account, value)| {
        (labels(&[("account", &naming.account(account))]), decimal(&value.to_string()))
    });
    families.gauges(
        "exposure",
        "Value of all positions at the middle of their books, in the quote asset.",
        exposure.collect(),
    );
    let balances = model.balances.values().map(|report| {
        let account = naming.account(report.account);
        let labels = labels(&[("account", &account), ("asset", &report.asset)]);
        (labels, decimal(&report.wallet.to_string()))
    });
    families.gauges("balance", "What the venue says an account holds.", balances.collect());
}

/// Cash is sells minus buys; marked adds the position at the middle of the book and takes fees off.
fn profits(app: &App, model: &ReadModel, naming: &Naming, families: &mut Families) {
    let mut samples = Vec::new();
    for (id, view) in &model.strategies {
        let strategy = strategy_name(model, *id);
        let name = view.spec.instruments.first().map(String::as_str).unwrap_or_default();
        let Some(instrument) = naming.by_name(name) else { continue };
        let account = naming.account_at(instrument.venue, None).unwrap_or_default();
        let account = naming.account(account);
        let fees = view.fees.of(&instrument.settle);
        let marked = app
            .engine
            .book(instrument.id)
            .and_then(|book| book.mid())
            .map(|mid| view.cash + instrument.value(mid, view.position) - fees);
        let kinds = [("cash", Some(view.cash)), ("fees", Some(fees)), ("marked", marked)];
        for (kind, value) in kinds {
            let Some(value) = value else { continue };
            let labels = labels(&[("account", &account), ("strategy", &strategy), ("kind", kind)]);
            samples.push((labels, decimal(&value.to_string())));
        }
    }
    families.gauges("pnl", "Result of a strategy, in the settlement asset.", samples);
}
