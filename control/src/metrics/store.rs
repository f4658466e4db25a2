//! The store of history, as the metrics show it.

use super::families::{Families, count, gauge, labels};
use crate::app::App;

pub(super) fn collect(app: &App, families: &mut Families) {
    let Some(store) = &app.store else { return };
    let durable = app.engine.metrics().journal().map_or(0, |health| health.synced_sequence());
    let status = &store.status;
    families.gauges(
        "store_lag_records",
        "Records that the journal has on disk and the store of history hasn't yet.",
        vec![(labels(&[]), count(status.lag(durable)))],
    );
    families.gauges(
        "store_up",
        "1 while history is written.",
        vec![(labels(&[]), gauge(i64::from(!status.is_failing())))],
    );
    families.counters(
        "store_failures_total",
        "Tries to write history that failed and were repeated.",
        vec![(labels(&[]), count(status.failures()))],
    );
    families.counters(
        "store_batches_total",
        "Transactions that brought history.",
        vec![(labels(&[]), count(status.batches()))],
    );
}
