//! What a barrier command answers: the last order that left before it, and which of the cancels
//! that it asked for the venue has confirmed.

use enigma_engine::command::Receipt;
use serde::Serialize;

use crate::app::{App, CancelOutcome};

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Cancel {
    client_order_id: String,
    /// The venue has closed the order. If not, it may still be open.
    confirmed: bool,
}

#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct BarrierReceipt {
    /// The last order handed to a venue session before this took effect; none left after it.
    last_order_sent: Option<String>,
    cancels: Vec<Cancel>,
    /// More cancels were asked for than the list shows.
    cancels_truncated: bool,
    /// Cancels of the list that the venue hasn't confirmed.
    outstanding: usize,
}

impl BarrierReceipt {
    /// Gives the venue two seconds to confirm.
    pub(crate) async fn settled(app: &App, receipt: &Receipt) -> Self {
        let outcomes = app.settle(&receipt.cancels).await;
        Self {
            last_order_sent: receipt.last_order_sent.map(|id| id.to_string()),
            outstanding: outcomes.iter().filter(|outcome| !outcome.confirmed).count(),
            cancels: outcomes.into_iter().map(Cancel::from).collect(),
            cancels_truncated: receipt.cancels_truncated,
        }
    }
}

impl From<CancelOutcome> for Cancel {
    fn from(outcome: CancelOutcome) -> Self {
        let client_order_id = outcome.client_order_id.to_string();
        Self { client_order_id, confirmed: outcome.confirmed }
    }
}
