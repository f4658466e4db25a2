//! What a gateway counts: written by its own thread alone, read by whoever scrapes.
//!
//! It must not be used to decide anything: a counter may lag behind.

use std::sync::atomic::{AtomicU64, Ordering};

use enigma_types::VenueId;
use enigma_venues::session::{AlertKind, ReconnectReason};

use crate::connection::ErrorKind;

/// Counts up. One thread writes, so that adding needs no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// Everything a gateway counts. Its own cache lines: readers must not slow the writer's data.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct GatewayCounters {
    pub messages: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    /// TLS records with application data. rustls allocates once for each.
    pub records_opened: Counter,
    pub records_sealed: Counter,
    /// Orders and replaces whose first byte was written: the egress audit compares them with
    /// what was approved.
    pub orders_written: Counter,
    pub cancels_written: Counter,
    /// Requests taken back by a kill or a pause.
    pub orders_purged: Counter,
    /// Requests that found no session ready.
    pub requests_refused: Counter,
    pub control_frames: Counter,
    pub dials: Counter,
    pub dials_failed: Counter,
    /// Dials put off because the venue's connection budget was used up.
    pub dials_deferred: Counter,
    pub calls: Counter,
    pub calls_failed: Counter,
    /// Connections and answers of a generation that is gone.
    pub stale_generations: Counter,
    /// Messages that a session couldn't read.
    pub session_errors: Counter,
    /// Wall-clock nanoseconds of the newest read, by venue.
    pub last_message_unix_ns: [AtomicU64; VenueId::ALL.len()],
    reconnects: [Counter; ReconnectCause::ALL.len()],
    errors: [Counter; ErrorKind::ALL.len()],
    alerts: [Counter; ALERTS],
}

/// Why a connection was replaced: the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconnectCause {
    /// The session asked for it.
    Session(ReconnectReason),
    /// The connection failed or was closed.
    Connection,
    /// The dial failed.
    Dial,
    /// A kill or pause found an order half written.
    Barrier,
}

impl Counter {
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl GatewayCounters {
    pub fn count_reconnect(&self, cause: ReconnectCause) {
        if let Some(counter) = self.reconnects.get(cause.place()) {
            counter.add(1);
        }
    }

    /// Connections replaced, whatever the cause.
    #[must_use]
    pub fn reconnects_total(&self) -> u64 {
        self.reconnects.iter().map(Counter::get).sum()
    }

    #[must_use]
    pub fn reconnects(&self, cause: ReconnectCause) -> u64 {
        self.reconnects.get(cause.place()).map_or(0, Counter::get)
    }

    pub fn count_error(&self, kind: ErrorKind) {
        if let Some(counter) = self.errors.get(kind as usize) {
            counter.add(1);
        }
    }

    #[must_use]
    pub fn errors(&self, kind: ErrorKind) -> u64 {
        self.errors.get(kind as usize).map_or(0, Counter::get)
    }

    pub fn count_alert(&self, kind: AlertKind) {
        if let Some(counter) = self.alerts.get(alert_place(kind)) {
            counter.add(1);
        }
    }

    #[must_use]
    pub fn alerts(&self, kind: AlertKind) -> u64 {
        self.alerts.get(alert_place(kind)).map_or(0, Counter::get)
    }

    #[inline]
    pub(crate) fn note_message(&self, venue: VenueId, wall_ns: u64) {
        if let Some(last) = self.last_message_unix_ns.get(venue as usize) {
            last.store(wall_ns, Ordering::Relaxed);
        }
    }
}

impl ReconnectCause {
    pub const ALL: [Self; 10] = [
        Self::Session(ReconnectReason::Stale),
        Self::Session(ReconnectReason::Rotation),
        Self::Session(ReconnectReason::Gap),
        Self::Session(ReconnectReason::Protocol),
        Self::Session(ReconnectReason::Refused),
        Self::Session(ReconnectReason::StreamExpired),
        Self::Session(ReconnectReason::Overflow),
        Self::Connection,
        Self::Dial,
        Self::Barrier,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Session(reason) => reason.name(),
            Self::Connection => "connection",
            Self::Dial => "dial",
            Self::Barrier => "barrier",
        }
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|&cause| cause == self).unwrap_or_default()
    }
}

/// A clock offset is news of every half minute and no alert to count by its value.
const fn alert_place(kind: AlertKind) -> usize {
    match kind {
        AlertKind::UnknownMessage => 0,
        AlertKind::UnreadableMessage => 1,
        AlertKind::SequenceGap => 2,
        AlertKind::CrossedBook => 3,
        AlertKind::DecodeFallback => 4,
        AlertKind::Authentication => 5,
        AlertKind::RateLimited => 6,
        AlertKind::VenueError => 7,
        AlertKind::BookTruncated => 8,
        AlertKind::ClockOffset { .. } => 9,
    }
}

const ALERTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_and_kind_has_a_counter_of_its_own() {
        let counters = GatewayCounters::default();
        for (times, cause) in ReconnectCause::ALL.into_iter().enumerate() {
            for _ in 0..=times {
                counters.count_reconnect(cause);
            }
        }
        for kind in ErrorKind::ALL {
            counters.count_error(kind);
        }
        for (times, cause) in ReconnectCause::ALL.into_iter().enumerate() {
            assert_eq!(counters.reconnects(cause), times as u64 + 1, "{}", cause.name());
        }
        for kind in ErrorKind::ALL {
            assert_eq!(counters.errors(kind), 1, "{}", kind.name());
        }
    }
}
