//! What every handler holds: the engine, who may ask, and the few things that outlive a request.

use std::sync::Arc;
use std::time::Duration;

use enigma_engine::command::{DeskCommand, Receipt};
use enigma_engine::handle::KillReceipt;
use enigma_types::{ClientOrderId, InstrumentTable, VenueId};
use tokio::sync::{Mutex, Semaphore, watch};

use crate::access::Access;
use crate::engine::Engine;
use crate::idempotency::Idempotency;
use crate::manual_orders::ManualOrders;
use crate::naming::Naming;
use crate::problem::Problem;
use crate::store::Store;
use crate::tally::OrderTally;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) engine: Arc<dyn Engine>,
    /// History beyond what the engine's read model keeps.
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) access: Arc<Access>,
    pub(crate) idempotency: Arc<Idempotency>,
    pub(crate) manual_orders: Arc<ManualOrders>,
    /// Held while limits are compared and changed, so that two editors can't both win.
    pub(crate) limits_edit: Arc<Mutex<()>>,
    pub(crate) facts: Arc<Facts>,
    /// How orders ended, for the metrics.
    pub(crate) tally: Arc<OrderTally>,
    /// One more than the newest event's sequence.
    pub(crate) newest_event: watch::Receiver<u64>,
    /// Turns true when the daemon drains.
    pub(crate) draining: watch::Receiver<bool>,
    /// Places for readers of the event stream.
    pub(crate) streams: Arc<Semaphore>,
    /// Places for requests, the emergency ones excepted.
    pub(crate) requests: Arc<Semaphore>,
}

/// What is known before the engine runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) venues: Vec<VenueFacts>,
    /// How the simulator is reached, for display: `embedded`, `external` or nothing.
    pub(crate) simulator: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct VenueFacts {
    pub(crate) venue: VenueId,
    pub(crate) environment: &'static str,
    pub(crate) symbols: Vec<String>,
}

/// Whether a cancel was confirmed by the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CancelOutcome {
    pub(crate) client_order_id: ClientOrderId,
    pub(crate) confirmed: bool,
}

impl App {
    /// How long a handler waits for the pinned thread.
    pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
    /// How long an answer waits for the venue to confirm what was asked of it.
    pub(crate) const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
    pub(crate) const MOST_STREAMS: usize = 32;
    pub(crate) const MOST_REQUESTS: usize = 128;
    const POLL: Duration = Duration::from_millis(5);

    pub(crate) async fn execute(&self, command: DeskCommand) -> Result<Receipt, Problem> {
        let engine = Arc::clone(&self.engine);
        let answer =
            tokio::task::spawn_blocking(move || engine.execute(command, Self::COMMAND_TIMEOUT));
        match answer.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Problem::internal("the command's task failed")),
        }
    }

    pub(crate) async fn kill(&self, reason: String) -> Result<KillReceipt, Problem> {
        let engine = Arc::clone(&self.engine);
        tokio::task::spawn_blocking(move || engine.kill(&reason))
            .await
            .map_err(|_| Problem::internal("the kill's task failed"))
    }

    pub(crate) fn table(&self) -> Result<Arc<InstrumentTable>, Problem> {
        self.engine.instruments().ok_or_else(Problem::not_ready)
    }

    pub(crate) fn naming(&self) -> Result<Naming, Problem> {
        Ok(Naming::new(self.table()?, self.engine.status().accounts))
    }

    /// Waits until the venue has closed these orders, or for two seconds.
    pub(crate) async fn settle(&self, ids: &[ClientOrderId]) -> Vec<CancelOutcome> {
        let closed = |id: ClientOrderId| {
            self.engine.model().orders.get(&id).is_some_and(|order| !order.state.is_live())
        };
        self.wait_until(|| ids.iter().all(|id| closed(*id))).await;
        ids.iter()
            .map(|id| CancelOutcome { client_order_id: *id, confirmed: closed(*id) })
            .collect()
    }

    /// Looks again every few milliseconds, for two seconds at the most. The read model follows the
    /// desk by the projector's turn, so a command's effect is seen a moment after its receipt.
    pub(crate) async fn wait_until(&self, seen: impl Fn() -> bool) -> bool {
        let deadline = tokio::time::Instant::now() + Self::SETTLE_TIMEOUT;
        loop {
            if seen() {
                return true;
            }
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Self::POLL).await;
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("facts", &self.facts).finish_non_exhaustive()
    }
}
