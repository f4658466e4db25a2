//! The engine as the control plane uses it. The trait exists so that routes can be tested on a
//! scripted engine; nothing here decides anything.

use std::sync::{Arc, RwLockReadGuard};
use std::time::Duration;

use enigma_engine::command::{DeskCommand, Receipt};
use enigma_engine::counters::{EngineMetrics, Queue, QueueLevel};
use enigma_engine::gateway_thread::GatewayCounters;
use enigma_engine::handle::{CommandError, EngineHandle, EngineStatus, KillReceipt};
use enigma_engine::snapshot::ReadModel;
use enigma_types::{BookTop, InstrumentId, InstrumentTable};

/// Commands in, receipts and views out. Every method may block for as long as it says.
pub(crate) trait Engine: Send + Sync + 'static {
    /// Blocks until the pinned thread has answered, for `timeout` at the most.
    fn execute(&self, command: DeskCommand, timeout: Duration) -> Result<Receipt, CommandError>;

    /// Blocks for some 200 ms at the most.
    fn kill(&self, reason: &str) -> KillReceipt;

    /// To be held briefly and never across an await.
    fn model(&self) -> RwLockReadGuard<'_, ReadModel>;

    /// `None` until the venues have told them.
    fn instruments(&self) -> Option<Arc<InstrumentTable>>;

    fn metrics(&self) -> &EngineMetrics;

    fn gateway(&self) -> &GatewayCounters;

    fn queues(&self) -> [QueueLevel; Queue::ALL.len()];

    fn book(&self, instrument: InstrumentId) -> Option<BookTop>;

    fn status(&self) -> EngineStatus;
}

impl Engine for EngineHandle {
    fn execute(&self, command: DeskCommand, timeout: Duration) -> Result<Receipt, CommandError> {
        Self::execute(self, command, timeout)
    }

    fn kill(&self, reason: &str) -> KillReceipt {
        Self::kill(self, reason)
    }

    fn model(&self) -> RwLockReadGuard<'_, ReadModel> {
        Self::model(self)
    }

    fn instruments(&self) -> Option<Arc<InstrumentTable>> {
        Self::instruments(self)
    }

    fn metrics(&self) -> &EngineMetrics {
        Self::metrics(self)
    }

    fn gateway(&self) -> &GatewayCounters {
        self.gateway_counters()
    }

    fn queues(&self) -> [QueueLevel; Queue::ALL.len()] {
        Self::queues(self)
    }

    fn book(&self, instrument: InstrumentId) -> Option<BookTop> {
        Self::book(self, instrument)
    }

    fn status(&self) -> EngineStatus {
        Self::status(self)
    }
}
