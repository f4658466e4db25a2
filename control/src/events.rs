//! Server-sent events: what changes, in the shapes of the matching GETs.
//!
//! Ids are `<run>-<sequence>`. A reader that comes back with `Last-Event-ID` gets what it missed,
//! or an event `gap` where that is no longer kept: then it reads the state again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use enigma_engine::snapshot::{Event, EventKind, ReadModel, VenueAlerts};
use futures_util::Stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::engine::Engine;
use crate::naming::{Naming, strategy_name};
use crate::problem::Problem;
use crate::request::header;
use crate::risk_checks::check_name;
use crate::routes::balances::Balance;
use crate::routes::fills::Fill;
use crate::routes::kill_switch::KillSwitch;
use crate::routes::orders::Order;
use crate::routes::positions::Position;
use crate::routes::risk::Risk;
use crate::routes::status::Latency;
use crate::routes::strategies::Strategy;
use crate::routes::venues::Session;
use crate::tally::OrderTally;
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream))
}

/// Looks for new events on behalf of all readers, until the daemon ends.
pub(crate) async fn watch_newest(
    engine: Arc<dyn Engine>,
    tally: Arc<OrderTally>,
    newest: watch::Sender<u64>,
) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        every.tick().await;
        let table = engine.instruments();
        let next = {
            let model = engine.model();
            if let Some(table) = table {
                tally.follow(&model, &table);
            }
            model.events.next
        };
        newest.send_if_modified(|known| {
            let changed = *known != next;
            *known = next;
            changed
        });
        if newest.is_closed() {
            return;
        }
    }
}

/// Events of every kind: strategy, order, fill, position, balance, session, risk, kill, alert,
/// latency (each five seconds, without an id) and gap.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, description = "text/event-stream"), (status = 503, body = Problem)))]
pub(crate) async fn stream(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>, Problem> {
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::unavailable("busy", format!("at most {} readers of events", App::MOST_STREAMS))
    })?;
    let start = Start::of(&app, header(&headers, "last-event-id"));
    let (sender, receiver) = mpsc::channel(READER_QUEUE);
    tokio::spawn(feed(app, start, sender, place));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()))
}

const LOOK_EVERY: Duration = Duration::from_millis(20);
const LATENCY_EVERY: Duration = Duration::from_secs(5);
/// Events in one look at the model, and those that wait for a slow reader.
const BATCH: usize = 256;
const READER_QUEUE: usize = 256;

/// Where a reader begins.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    after: u64,
    is_gap: bool,
}

impl Start {
    fn of(app: &App, last: Option<&str>) -> Self {
        let model = app.engine.model();
        let now = model.events.next.saturating_sub(1);
        let Some(last) = last else { return Self { after: now, is_gap: false } };
        let parts = last.split_once('-');
        let parsed = parts.and_then(|(run, at)| run.parse::<u32>().ok().zip(at.parse().ok()));
        match parsed {
            Some((run, after)) if run == model.run && after <= now => Self { after, is_gap: false },
            Some(_) | None => Self { after: now, is_gap: true },
        }
    }
}

/// Feeds one reader until it leaves or the daemon drains. A reader that doesn't keep up falls
/// behind in the log, not in memory, and then meets a gap.
async fn feed(
    app: App,
    start: Start,
    sender: mpsc::Sender<Result<SseEvent, Infallible>>,
    _place: OwnedSemaphorePermit,
) {
    let (mut newest, mut draining) = (app.newest_event.clone(), app.draining.clone());
    let mut after = start.after;
    let mut latency = tokio::time::interval(LATENCY_EVERY);
    if start.is_gap && sender.send(Ok(gap(after))).await.is_err() {
        return;
    }
    loop {
        let (events, last) = batch(&app, after);
        let more = last != after;
        after = last;
        for event in events {
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
        }
        if more {
            continue;
        }
        tokio::select! {
            changed = newest.changed() => if changed.is_err() { return },
            () = drained(&mut draining) => return,
            () = sender.closed() => return,
            _ = latency.tick() => {
                let event = named("latency", &Latency::new(&app));
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn drained(draining: &mut watch::Receiver<bool>) {
    while !*draining.borrow_and_update() {
        if draining.changed().await.is_err() {
            return;
        }
    }
}

/// The next events in their wire form, and the sequence they reach to.
fn batch(app: &App, after: u64) -> (Vec<SseEvent>, u64) {
    let Ok(naming) = app.naming() else { return (Vec::new(), after) };
    let model = app.engine.model();
    let (events, is_gap) = model.events.since(after, BATCH);
    let last = events.last().map_or(after, |event| event.sequence);
    let mut sent = Vec::with_capacity(events.len() + 1);
    if is_gap {
        let first = events.first().map_or(after, |event| event.sequence);
        sent.push(gap(first));
    }
    for event in &events {
        if let Some((name, mut body)) = body(app, &model, &naming, event) {
            if let Value::Object(body) = &mut body {
                body.insert("event_at".into(), rfc3339(event.at).into());
                body.insert("event_at_ns".into(), event.at.0.into());
            }
            let id = format!("{}-{}", model.run, event.sequence);
            sent.push(named(name, &body).id(id));
        }
    }
    (sent, last)
}

/// The name and the present state of what the event speaks of; `None` when that is gone.
fn body(
    app: &App,
    model: &ReadModel,
    naming: &Naming,
    event: &Event,
) -> Option<(&'static str, Value)> {
    Some(match &event.kind {
        EventKind::Strategy(id) => {
            let view = model.strategies.get(id)?;
            ("strategy", value(&Strategy::new(app, view)))
        }
        EventKind::Order(id) => {
            let order = Order::new(model.orders.get(id)?, model, naming)?;
            ("order", value(&order))
        }
        EventKind::Fill(fill) => ("fill", value(&Fill::new(fill, model, naming)?)),
        EventKind::Position(account, instrument) => {
            let key = (*account, *instrument);
            let view = model.positions.get(&key)?;
            ("position", value(&Position::new(key, view, naming)?))
        }
        EventKind::Balance(account, asset) => {
            let report = model.balances.get(&(*account, *asset))?;
            ("balance", value(&Balance::new(report, naming)))
        }
        EventKind::Session(venue, account, kind) => {
            let key = (*venue, *account, *kind);
            let view = model.sessions.get(&key)?;
            ("session", value(&Session::new(key, view, naming.account(*account))))
        }
        EventKind::Risk { strategy, check } => {
            let strategy = strategy_name(model, *strategy);
            let (code, name) = (format!("C{check}"), check_name(*check));
            ("risk", json!({ "strategy": strategy, "check": name, "code": code }))
        }
        EventKind::Limits => ("risk", value(&Risk::new(app, model))),
        EventKind::Kill => ("kill", value(&KillSwitch::new(model))),
        EventKind::Alert { text, raised: None } => ("alert", json!({ "text": text })),
        EventKind::Alert { text, raised: Some(VenueAlerts { venue, kind, count }) } => {
            let venue = venue.name();
            ("alert", json!({ "venue": venue, "kind": kind, "count": count, "text": text }))
        }
    })
}

fn gap(next: u64) -> SseEvent {
    let detail = "events before this one are no longer kept: read the state again";
    named("gap", &json!({ "next": next, "detail": detail }))
}

fn named<T: Serialize>(name: &'static str, body: &T) -> SseEvent {
    SseEvent::default().event(name).data(value(body).to_string())
}

/// Our shapes hold only what JSON can say.
fn value<T: Serialize>(body: &T) -> Value {
    serde_json::to_value(body).unwrap_or(Value::Null)
}
