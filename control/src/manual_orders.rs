//! Orders by hand, one at a time: so that what an unanswered request made can be told from what
//! others made, by the order ids alone.
//!
//! A request notes the newest order id before it. Its order, if the journal has one, is the first
//! by hand after that, for no other request was handed over in between.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use enigma_engine::command::ManualOrder;
use enigma_engine::snapshot::{OrderView, ReadModel};
use enigma_types::{ClientOrderId, StrategyId, UnixNanos};
use tokio::sync::OwnedMutexGuard;

use crate::idempotency::Span;
use crate::problem::Problem;
use crate::request::client_order_id;

#[derive(Debug, Default)]
pub(crate) struct ManualOrders {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The newest orders that were answered to somebody, oldest first.
    answered: Mutex<VecDeque<ClientOrderId>>,
}

impl ManualOrders {
    const REMEMBERED: usize = 4_096;
    /// How long a request waits for those before it.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Knows the orders that an earlier process answered with: they are nobody else's.
    pub(crate) fn answered_before(locations: &[String]) -> Self {
        let ids = locations.iter().filter_map(|place| place.strip_prefix(ORDERS));
        let mut answered: Vec<ClientOrderId> = ids.filter_map(client_order_id).collect();
        answered.sort_unstable();
        Self { turn: Arc::default(), answered: Mutex::new(answered.into()) }
    }

    /// Waits until no other order by hand is being handed over.
    pub(crate) async fn turn(&self) -> Result<OwnedMutexGuard<()>, Problem> {
        let turn = Arc::clone(&self.turn).lock_owned();
        let waited = tokio::time::timeout(Self::PATIENCE, turn).await;
        waited.map_err(|_| Problem::unavailable("busy", "other orders by hand are still in work"))
    }

    /// The newest order id so far. Call it in one's turn.
    pub(crate) fn newest(&self, model: &ReadModel) -> u64 {
        let shown = model.orders.keys().next_back().map_or(0, |id| id.get());
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.back().map_or(0, |id| id.get()).max(shown)
    }

    pub(crate) fn note(&self, id: ClientOrderId) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() == Self::REMEMBERED {
            answered.pop_front();
        }
        answered.push_back(id);
    }

    /// The order that an unanswered request made. Price and quantity say nothing: both may have
    /// been amended since.
    pub(crate) fn made_by<'a>(
        &self,
        model: &'a ReadModel,
        wish: &ManualOrder,
        span: Span,
    ) -> Option<&'a OrderView> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let after = ClientOrderId::new(span.after + 1)?;
        let until = span.until.unwrap_or(u64::MAX);
        model.orders.range(after..).map(|(_, view)| view).find(|view| {
            view.client_order_id.get() <= until
                && view.strategy == StrategyId::MANUAL
                && (view.account, view.instrument) == (wish.account, wish.instrument)
                && (view.side, view.reduce_only) == (wish.side, wish.reduce_only)
                && !answered.contains(&view.client_order_id)
        })
    }
}

/// The newest id that an order of an earlier process can have: ids come from blocks that are
/// numbered by the seconds since 2026 or from the newest known, whatever is larger.
pub(crate) fn last_of_earlier_processes(model: &ReadModel, now: UnixNanos) -> u64 {
    let shown = model.orders.keys().next_back().map_or(0, |id| id.get());
    let seconds = now.as_secs().saturating_sub(EPOCH_SECONDS);
    let block = seconds.min((1 << ClientOrderId::BLOCK_BITS) - 1);
    shown.max((block << ClientOrderId::SEQUENCE_BITS).saturating_sub(1))
}

/// Where an order is found, before its id.
pub(crate) const ORDERS: &str = "/v1/orders/";
/// 2026-01-01 00:00:00 UTC.
const EPOCH_SECONDS: u64 = 1_767_225_600;
