//! The sessions' alerts as events: what the gateway has counted since the last look.
//!
//! The pinned thread only counts. A flood of alerts is one event for each venue and kind in a
//! second, with their number, so that it can't push everything else out of the event log.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use enigma_types::VenueId;
use enigma_venues::session::AlertKind;

use crate::clock::read_wall;
use crate::gateway_thread::GatewayCounters;
use crate::snapshot::{EventKind, ReadModel, VenueAlerts};

#[derive(Debug)]
pub(super) struct AlertWatch {
    counters: Arc<GatewayCounters>,
    seen: [[u64; AlertKind::ALL.len()]; VenueId::ALL.len()],
    looked: Option<Instant>,
}

impl AlertWatch {
    const PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn new(counters: Arc<GatewayCounters>) -> Self {
        let seen = [[0; AlertKind::ALL.len()]; VenueId::ALL.len()];
        Self { counters, seen, looked: None }
    }

    /// Looks when it is time to, and shows what is new.
    pub(super) fn look(&mut self, now: Instant, model: &RwLock<ReadModel>) {
        if self.looked.is_some_and(|looked| now.duration_since(looked) < Self::PAUSE) {
            return;
        }
        self.looked = Some(now);
        for (venue, seen) in VenueId::ALL.into_iter().zip(&mut self.seen) {
            for (kind, seen) in AlertKind::ALL.into_iter().zip(seen) {
                let counted = self.counters.alerts(venue, kind);
                let count = counted - *seen;
                *seen = counted;
                // A clock's offset is news of every half minute, and nothing to be alarmed at.
                if count == 0 || matches!(kind, AlertKind::ClockOffset { .. }) {
                    continue;
                }
                let text = kind.name().replace('_', " ");
                let raised = Some(VenueAlerts { venue, kind: kind.name(), count });
                let event = EventKind::Alert { text, raised };
                let mut model = model.write().unwrap_or_else(PoisonError::into_inner);
                model.events.push(read_wall(), event);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_alerts_is_one_event_a_second() {
        let counters = Arc::new(GatewayCounters::default());
        let model = RwLock::new(ReadModel::default());
        let mut watch = AlertWatch::new(Arc::clone(&counters));
        let events = || {
            let model = model.read().unwrap();
            model.events.events.iter().map(|event| event.kind.clone()).collect::<Vec<_>>()
        };
        let venue = VenueId::BinanceUsdm;
        let alert = |kind: AlertKind, count| EventKind::Alert {
            text: kind.name().replace('_', " "),
            raised: Some(VenueAlerts { venue, kind: kind.name(), count }),
        };
        let start = Instant::now();
        watch.look(start, &model);
        for _ in 0..1_000 {
            counters.count_alert(venue, AlertKind::SequenceGap);
        }
        counters.count_alert(venue, AlertKind::ClockOffset { offset_ns: 5, uncertainty_ns: 1 });
        watch.look(start + Duration::from_millis(500), &model);
        assert_eq!(events(), [], "not a second ago");
        watch.look(start + Duration::from_secs(1), &model);
        assert_eq!(events(), [alert(AlertKind::SequenceGap, 1_000)]);
        counters.count_alert(venue, AlertKind::Authentication);
        watch.look(start + Duration::from_secs(2), &model);
        watch.look(start + Duration::from_secs(3), &model);
        let all = [alert(AlertKind::SequenceGap, 1_000), alert(AlertKind::Authentication, 1)];
        assert_eq!(events(), all);
    }
}
