//! Which cores everything beside the engine may use: never the one that spins.

use std::io;

use enigma_config::{EngineSettings, Waiting};
use enigma_engine::pin;
use tokio::runtime::{Builder, Runtime};

/// Keeps the calling thread, and with it all that it starts, off a spinning engine's core.
pub(super) fn leave_spinning_core(engine: &EngineSettings) {
    if let (Waiting::Spin, Some(core)) = (engine.waiting, engine.core)
        && let Err(error) = pin::keep_off_core(core)
    {
        tracing::warn!(%error, "the control plane shares the spinning engine's core");
    }
}

/// A runtime of the control plane or of the embedded simulator.
pub(super) fn runtime(name: &'static str, workers: usize) -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(workers).thread_name(name).enable_all().build()
}
