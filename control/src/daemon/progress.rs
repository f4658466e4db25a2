//! One line of progress on standard error: redrawn each second on a terminal, written every five
//! seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use enigma_engine::Phase;
use enigma_engine::snapshot::ReadModel;
use enigma_types::StrategyState;

use crate::app::App;
use crate::timestamp::wall_now;

/// Until the daemon drains.
pub(super) async fn show(app: App) {
    let terminal = io::stderr().is_terminal();
    let every = if terminal { Duration::from_secs(1) } else { Duration::from_secs(5) };
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut draining = app.draining.clone();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = draining.changed() => {
                write(terminal, &line(&app), true);
                if changed.is_err() || *draining.borrow() {
                    return;
                }
            }
        }
        write(terminal, &line(&app), false);
    }
}

fn line(app: &App) -> String {
    let status = app.engine.status();
    let phase = match status.phase {
        Phase::LoadingInstruments { .. } => "loading instruments",
        Phase::Running => "running",
        Phase::Draining => "draining",
        Phase::Stopped => "stopped",
        Phase::Failed(_) => "FAILED",
    };
    let seconds = wall_now().0.saturating_sub(status.started_at.0) / 1_000_000_000;
    let latency = app.engine.metrics().latency.tick_to_order.snapshot();
    let model = app.engine.model();
    let open = model.orders.values().filter(|order| order.state.is_live()).count();
    let fills = model.fills.len();
    let mut line = format!("{seconds:>5} s  {phase}");
    if model.kill.engaged {
        line.push_str("  KILLED");
    }
    line.push_str(&format!("  open {open}  fills {fills}"));
    strategies(app, &model, &mut line);
    if latency.count() > 0 {
        let (p50, p99) = (latency.quantile(50, 100), latency.quantile(99, 100));
        line.push_str(&format!("  tick→order p50 {p50} ns p99 {p99} ns"));
    }
    line
}

/// The strategies that are more than loaded, four at the most: the line has one line.
fn strategies(app: &App, model: &ReadModel, line: &mut String) {
    let table = app.engine.instruments();
    let awake = model.strategies.values().filter(|view| view.state != StrategyState::Loaded);
    for view in awake.take(4) {
        let name = view.spec.instruments.first().map(String::as_str).unwrap_or_default();
        let scale = table
            .as_ref()
            .and_then(|table| table.by_name(name))
            .map(|instrument| instrument.quantity_scale);
        let position =
            scale.map_or_else(|| "?".into(), |scale| view.position.to_decimal(scale).to_string());
        line.push_str(&format!(
            "  | {} {} sent {} position {position}",
            view.spec.id,
            view.state.name(),
            view.orders_sent
        ));
    }
}

fn write(terminal: bool, line: &str, last: bool) {
    let mut output = io::stderr().lock();
    // Without a standard error there is nobody to tell.
    let _ = match (terminal, last) {
        (true, false) => write!(output, "\r\x1b[2K{line}").and_then(|()| output.flush()),
        (true, true) => writeln!(output, "\r\x1b[2K{line}"),
        (false, _) => writeln!(output, "{line}"),
    };
}
