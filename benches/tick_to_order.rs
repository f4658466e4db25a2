//! From a tick to its order: the product's own engine and simulator in one process, joined by real
//! sockets, measured by one clock.
//!
//! Two spans. At the venue: from just before the tick's write to the moment the order's frame had
//! been read, so that both kernels' sockets and the simulator's runtime are in it. In the engine:
//! from the tick's bytes in its buffer to just before the order's write, whole and by stage, as
//! `/metrics` shows it. Order store, journal, every risk check, metrics and, where the row says
//! so, TLS are on; the strategy is `taker` on every tick. What a shared machine adds is in there.
//!
//! `cargo bench --bench tick_to_order -- [--ticks N] [--rate N] [--write-readme]`

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop here")]
#![expect(clippy::print_stdout, reason = "the table is the result")]

#[path = "../tests/in_process/mod.rs"]
mod in_process;
mod result;

use std::time::{Duration, Instant};

use enigma_engine::latency::{HistogramSnapshot, PathStage, Quantiles};
use enigma_engine::settings::Waiting;
use enigma_simulator::{MarketSettings, SimulatorConfig, Transport};

use in_process::{InProcess, Wanted};
use result::Row;

/// What one run is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    ticks: u64,
    rate: u32,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| {
        let place = arguments.iter().position(|argument| argument == name);
        let value = place.and_then(|place| arguments.get(place + 1));
        value.map_or(default, |value| value.parse().expect("a whole number"))
    };
    let asked = Asked {
        ticks: number("--ticks", 100_000),
        rate: u32::try_from(number("--rate", 2_000)).expect("a rate"),
    };
    println!("{asked:?}; nanoseconds");
    let mut rows = Vec::new();
    for (transport, key_type) in
        [(Transport::Tls, "ed25519"), (Transport::Tls, "hmac"), (Transport::Plain, "ed25519")]
    {
        rows.extend(run(asked, transport, key_type));
    }
    result::print(&rows);
    result::write_files(&rows);
    if arguments.iter().any(|argument| argument == "--write-readme") {
        result::write_readme("tick_to_order", "make bench", &rows);
    }
}

fn run(asked: Asked, transport: Transport, key_type: &'static str) -> Vec<Row> {
    let config = SimulatorConfig {
        transport,
        seed: Some(11),
        limits_multiplier: 100_000,
        market: MarketSettings::Synthetic { actions_per_second: asked.rate },
        measure: true,
        ..SimulatorConfig::default()
    };
    let wanted =
        Wanted { waiting: Waiting::Spin, core: Some(0), key_type, on_pinned_thread: || {} };
    let both = InProcess::start(config, wanted);
    both.run_strategy(
        r#"{"id":"taker","kind":"taker","instruments":["binance_usdm:BTCUSDT"],
            "parameters":{"quantity":"0.002","max_position":"1","every_tick":true}}"#,
    );
    let latency = &both.engine.metrics().latency;
    let orders = || latency.tick_to_order.snapshot().count();
    wait(|| orders() > 5_000);
    let before: Vec<HistogramSnapshot> = histograms(&both);
    drop(both.simulator.take_measurements());
    let enough = orders() + asked.ticks;
    wait(|| orders() >= enough);
    let stamps = both.simulator.take_measurements();
    let after = histograms(&both);
    both.stop();

    let signed = match key_type {
        "hmac" => "HMAC",
        _ => "logged on",
    };
    let sockets = match transport {
        Transport::Tls => "TLS",
        Transport::Plain => "plain",
    };
    let label = format!("{signed}, {sockets}");
    let orders: Vec<Instant> = stamps.orders_received.iter().map(|(at, _)| *at).collect();
    let ticks: Vec<Instant> = stamps.ticks_sent.iter().map(|(_, at)| *at).collect();
    let mut rows = vec![Row::new(&label, "tick → order at the venue", at_venue(&ticks, &orders))];
    let names = ["tick → order in the engine", "order → first answer"];
    let stages = PathStage::ALL.iter().map(|stage| stage.name());
    let spans = after.iter().zip(&before).map(|(after, before)| after.since(before).quantiles());
    for (name, quantiles) in names.into_iter().chain(stages).zip(spans) {
        if quantiles.count > 0 {
            rows.push(Row::new(&label, name, quantiles));
        }
    }
    rows
}

/// Pairs each order with the newest tick that was sent before it came.
fn at_venue(ticks: &[Instant], orders: &[Instant]) -> Quantiles {
    let mut ticks = ticks.to_vec();
    ticks.sort_unstable();
    let mut spans: Vec<u64> = orders
        .iter()
        .filter_map(|order| {
            let newer = ticks.partition_point(|tick| tick < order);
            let tick = ticks.get(newer.checked_sub(1)?)?;
            u64::try_from(order.duration_since(*tick).as_nanos()).ok()
        })
        .collect();
    spans.sort_unstable();
    let at = |part: usize, of: usize| {
        let place = spans.len().saturating_sub(1) * part / of;
        spans.get(place).copied().unwrap_or_default()
    };
    Quantiles {
        count: spans.len() as u64,
        p50_ns: at(50, 100),
        p99_ns: at(99, 100),
        p99_9_ns: at(999, 1_000),
        max_ns: at(1, 1),
    }
}

fn histograms(both: &InProcess) -> Vec<HistogramSnapshot> {
    let latency = &both.engine.metrics().latency;
    let whole = [latency.tick_to_order.snapshot(), latency.order_ack.snapshot()];
    let stages = PathStage::ALL.into_iter().map(|stage| latency.stage(stage).snapshot());
    whole.into_iter().chain(stages).collect()
}

fn wait(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !done() {
        assert!(Instant::now() < deadline, "the run doesn't come to its end");
        std::thread::sleep(Duration::from_millis(20));
    }
}
