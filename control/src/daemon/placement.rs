//! Which cores the runtimes beside the engine may use: never the one that spins.

use std::io;

use enigma_config::{EngineSettings, Waiting};
use enigma_engine::pin;
use tokio::runtime::{Builder, Runtime};

/// A runtime whose threads keep away from a spinning engine's core.
pub(super) fn runtime(
    name: &'static str,
    workers: usize,
    engine: &EngineSettings,
) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).thread_name(name).enable_all();
    if let (Waiting::Spin, Some(spinning)) = (engine.waiting, engine.core) {
        builder.on_thread_start(move || keep_off(spinning));
    }
    builder.build()
}

fn keep_off(spinning: usize) {
    let other = pin::allowed_cores().into_iter().find(|core| *core != spinning);
    match other.map(pin::pin_to_core) {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::warn!(%error, "a control thread shares the spinning core"),
        None => tracing::warn!("one core only: control threads share it with the spinning engine"),
    }
}
