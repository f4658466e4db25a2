//! `/metrics`: the engine's own numbers rendered for Prometheus at each scrape. Nothing is
//! observed on the pinned thread for it, and no label holds an id or a text of a venue.

mod families;
mod model;
mod store;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use enigma_engine::counters::QueueLevel;
use enigma_engine::gateway_thread::{GatewayCounters, ReconnectCause};
use enigma_engine::latency::PathStage;
use enigma_engine::{AlertKind, Limit};
use enigma_types::VenueId;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, Registry, TextEncoder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::families::{Families, count, gauge, labels, seconds};
use crate::app::App;
use crate::problem::Problem;
use crate::risk_checks::checks;
use crate::timestamp::wall_now;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(scrape))
}

/// Every metric in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "text/plain; version=0.0.4")))]
pub(crate) async fn scrape(State(app): State<App>) -> Result<Response, Problem> {
    let text = render(&app).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, TextEncoder::new().format_type().to_owned())], text)
        .into_response())
}

fn render(app: &App) -> prometheus::Result<String> {
    let registry = Registry::new();
    registry.register(Box::new(EngineCollector { app: app.clone(), descriptions: Vec::new() }))?;
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    TextEncoder::new().encode_to_string(&registry.gather())
}

/// The engine as Prometheus' library wants to see it. Its families are made anew each time, so it
/// describes none ahead.
struct EngineCollector {
    app: App,
    descriptions: Vec<Desc>,
}

impl Collector for EngineCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Families::default();
        families.gauges(
            "build_info",
            "What this is; always 1.",
            vec![(labels(&[("version", env!("CARGO_PKG_VERSION"))]), gauge(1))],
        );
        latency(&self.app, &mut families);
        trading(&self.app, &mut families);
        venues(&self.app, &mut families);
        queues_and_journal(&self.app, &mut families);
        model::collect(&self.app, &mut families);
        store::collect(&self.app, &mut families);
        families.finish()
    }
}

fn latency(app: &App, families: &mut Families) {
    let latency = &app.engine.metrics().latency;
    let layout = app.engine.status().layout;
    // One engine carries one venue so far; its histograms are that venue's.
    let venue = app.facts.venues.first().map_or("none", |facts| facts.venue.name());
    families.histograms(
        "tick_to_order_seconds",
        "From a tick's bytes in our buffer to just before its order's write.",
        vec![(labels(&[("venue", venue), ("layout", layout)]), latency.tick_to_order.snapshot())],
    );
    families.histograms(
        "order_ack_seconds",
        "From an order's write to the venue's first answer.",
        vec![(labels(&[("venue", venue)]), latency.order_ack.snapshot())],
    );
    let stage =
        |stage: PathStage| (labels(&[("stage", stage.name())]), latency.stage(stage).snapshot());
    families.histograms(
        "stage_seconds",
        "Stages of a tick, measured on one in 64.",
        PathStage::ALL.map(stage).into(),
    );
}

fn trading(app: &App, families: &mut Families) {
    let trading = &app.engine.metrics().trading;
    let plain = [
        ("ticks_total", "Book changes shown to strategies.", trading.ticks.get()),
        ("trades_total", "Public trades shown to strategies.", trading.trades.get()),
        ("reports_total", "Reports of venues taken in.", trading.reports.get()),
        ("commands_total", "Commands of operators.", trading.commands.get()),
        ("fills_total", "Fills of our orders.", trading.fills.get()),
        ("orders_approved_total", "Orders that passed the checks.", trading.orders_approved.get()),
        ("strategy_faults_total", "Strategies that faulted.", trading.strategy_faults.get()),
        (
            "illegal_transitions_total",
            "Reports that fit no state of their order.",
            trading.illegal_transitions.get(),
        ),
    ];
    for (name, help, value) in plain {
        families.counters(name, help, vec![(labels(&[]), count(value))]);
    }
    let rejections = checks().map(|row| {
        let value = trading.risk_rejections(row.code).map_or(0, |counter| counter.get());
        (labels(&[("check", row.name)]), count(value))
    });
    families.counters(
        "risk_rejections_total",
        "Orders that a risk check refused.",
        rejections.collect(),
    );
    let used = Limit::ALL.map(|limit| {
        let millionths = trading.limit_used_ppm(limit).get();
        (labels(&[("limit", limit.name())]), families::ratio(millionths))
    });
    families.gauges(
        "risk_limit_used_ratio",
        "How much of a limit is used, 0 to 1: the engine's, or the nearest strategy's own.",
        used.into(),
    );
    families.gauges(
        "kill_switch",
        "1 while the kill switch is engaged.",
        vec![(labels(&[]), gauge(trading.kill_switch.get()))],
    );
}

fn venues(app: &App, families: &mut Families) {
    let metrics = app.engine.metrics();
    let gateway = app.engine.gateway();
    let venues = || app.facts.venues.iter().map(|facts| facts.venue);
    let each = |value: &dyn Fn(VenueId) -> f64| {
        venues().map(|venue| (labels(&[("venue", venue.name())]), value(venue))).collect()
    };
    let numbers = |venue| metrics.trading.venue(venue);
    families.gauges(
        "clock_offset_seconds",
        "The venue's clock minus ours.",
        each(&|venue| seconds(numbers(venue).clock_offset_ns.get())),
    );
    families.gauges(
        "last_message_timestamp_seconds",
        "When the venue's newest message came; 0 before the first.",
        each(&|venue| seconds(last_message_ns(gateway, venue))),
    );
    let now = wall_now();
    let budgets = venues().flat_map(|venue| {
        gateway.rate_limits(venue, now).into_iter().map(move |left| {
            let labels = labels(&[("venue", venue.name()), ("bucket", left.bucket)]);
            (labels, count(left.remaining))
        })
    });
    families.gauges(
        "rate_limit_remaining",
        "What the venue's budgets have left, as counted here.",
        budgets.collect(),
    );
    let reconnects = venues().flat_map(|venue| {
        ReconnectCause::ALL.map(|cause| {
            let labels = labels(&[("venue", venue.name()), ("reason", cause.name())]);
            (labels, count(gateway.reconnects_of(venue, cause)))
        })
    });
    families.counters(
        "session_reconnects_total",
        "Connections that were replaced.",
        reconnects.collect(),
    );
    // A clock's offset is a number of its own and no alert.
    let kinds = || {
        let is_alert = |kind: &AlertKind| !matches!(kind, AlertKind::ClockOffset { .. });
        AlertKind::ALL.into_iter().filter(is_alert)
    };
    let alerts = venues().flat_map(|venue| {
        kinds().map(move |kind| {
            let labels = labels(&[("venue", venue.name()), ("kind", kind.name())]);
            (labels, count(gateway.alerts(venue, kind)))
        })
    });
    families.counters("alerts_total", "What sessions have complained of.", alerts.collect());
    let plain = [
        ("messages_total", "Messages from venues.", gateway.messages.get()),
        ("received_bytes_total", "Bytes from venues.", gateway.bytes_in.get()),
        ("sent_bytes_total", "Bytes to venues.", gateway.bytes_out.get()),
        (
            "orders_written_total",
            "Orders and replaces whose first byte was written.",
            gateway.orders_written.get(),
        ),
        ("session_errors_total", "Messages that couldn't be read.", gateway.session_errors.get()),
    ];
    for (name, help, value) in plain {
        families.counters(name, help, vec![(labels(&[]), count(value))]);
    }
}

/// Zero before the first message.
fn last_message_ns(gateway: &GatewayCounters, venue: VenueId) -> i64 {
    let last = gateway.last_message(venue);
    last.map_or(0, |at| i64::try_from(at.0).unwrap_or(i64::MAX))
}

fn queues_and_journal(app: &App, families: &mut Families) {
    let metrics = app.engine.metrics();
    let levels = app.engine.queues();
    let sample =
        |level: QueueLevel, value: u64| (labels(&[("queue", level.queue.name())]), count(value));
    families.gauges(
        "queue_depth",
        "What waits in a queue between threads; the journal's ring in bytes.",
        levels.map(|level| sample(level, level.depth)).into(),
    );
    families.counters(
        "queue_overflow_total",
        "What found its queue full.",
        levels.map(|level| sample(level, level.overflows)).into(),
    );
    if let (Some(health), Some(ring)) = (metrics.journal(), metrics.journal_ring()) {
        families.counters(
            "journal_bytes_total",
            "Bytes of records copied to disk.",
            vec![(labels(&[]), count(health.written_bytes()))],
        );
        families.gauges(
            "journal_unsynced_bytes",
            "Bytes that a power failure could lose.",
            vec![(labels(&[]), count(ring.unsynced()))],
        );
        families.gauges(
            "journal_healthy",
            "1 while records reach the disk.",
            vec![(labels(&[]), gauge(i64::from(health.is_healthy())))],
        );
    }
}
