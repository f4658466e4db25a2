//! What a gateway counts: written by its own thread alone, read by whoever scrapes.
//!
//! It must not be used to decide anything: a counter may lag behind.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use enigma_types::{AccountId, UnixNanos, VenueId};
use enigma_venues::registry::VenueBudgets;
use enigma_venues::session::{AlertKind, ReconnectReason};

use crate::connection::ErrorKind;
use crate::counters::{Counter, Gauge, QueueCounters};

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
    /// Requests taken back by a kill, a pause or the end of their connection.
    pub orders_purged: Counter,
    /// Requests that found no session ready.
    pub requests_refused: Counter,
    pub control_frames: Counter,
    /// Pings to peers that had been silent.
    pub pings: Counter,
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
    /// Jobs that the connector hasn't answered, and those it had no room for.
    pub connector_jobs: QueueCounters,
    /// Frames that wait for their sockets.
    pub frames_waiting: Gauge,
    /// Wall-clock nanoseconds of the newest read, by venue.
    pub last_message_unix_ns: [AtomicU64; VenueId::ALL.len()],
    errors: [Counter; ErrorKind::ALL.len()],
    venues: [VenueCounters; VenueId::ALL.len()],
    /// The budgets that the sessions take from, to look at: set once, by account.
    budgets: OnceLock<Vec<AccountBudgets>>,
}

/// What is counted for each venue.
#[derive(Debug, Default)]
struct VenueCounters {
    reconnects: [Counter; ReconnectCause::ALL.len()],
    alerts: [Counter; AlertKind::ALL.len()],
    /// As of the last look at the dials: the gateway looks about once a second.
    dials_left: Gauge,
}

/// An account with what its venue still grants it.
#[derive(Clone, Debug)]
pub struct AccountBudgets {
    pub venue: VenueId,
    pub account: AccountId,
    pub budgets: VenueBudgets,
}

/// What a bucket of a venue's limits has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketLeft {
    /// Such as `orders_10s` or `request_weight_1m`.
    pub bucket: &'static str,
    /// Of the account that has the least.
    pub remaining: u64,
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
    /// The peer neither spoke nor answered a ping: half open.
    Silent,
}

impl GatewayCounters {
    pub fn count_reconnect(&self, venue: VenueId, cause: ReconnectCause) {
        if let Some(counter) = self.venue(venue).reconnects.get(cause.place()) {
            counter.add(1);
        }
    }

    /// Connections replaced, whatever the cause and the venue.
    #[must_use]
    pub fn reconnects_total(&self) -> u64 {
        self.venues.iter().flat_map(|venue| &venue.reconnects).map(Counter::get).sum()
    }

    /// Connections replaced for a cause, at all venues.
    #[must_use]
    pub fn reconnects(&self, cause: ReconnectCause) -> u64 {
        VenueId::ALL.into_iter().map(|venue| self.reconnects_of(venue, cause)).sum()
    }

    #[must_use]
    pub fn reconnects_of(&self, venue: VenueId, cause: ReconnectCause) -> u64 {
        self.venue(venue).reconnects.get(cause.place()).map_or(0, Counter::get)
    }

    /// Wall-clock time of the venue's newest message; `None` before the first.
    #[must_use]
    pub fn last_message(&self, venue: VenueId) -> Option<UnixNanos> {
        let at = self.last_message_unix_ns.get(venue as usize)?.load(Ordering::Relaxed);
        (at > 0).then_some(UnixNanos(at))
    }

    /// What each bucket of a venue's limits has left at a time. Empty before the gateway stands.
    #[must_use]
    pub fn rate_limits(&self, venue: VenueId, at: UnixNanos) -> Vec<BucketLeft> {
        let mut left: Vec<BucketLeft> = Vec::new();
        let accounts = self.budgets.get().map(Vec::as_slice).unwrap_or_default();
        for account in accounts.iter().filter(|row| row.venue == venue) {
            for (bucket, remaining) in account.budgets.remaining(at.as_millis()) {
                let remaining = u64::from(remaining);
                match left.iter_mut().find(|row| row.bucket == bucket) {
                    Some(row) => row.remaining = row.remaining.min(remaining),
                    None => left.push(BucketLeft { bucket, remaining }),
                }
            }
        }
        if !left.is_empty() {
            let dials = u64::try_from(self.venue(venue).dials_left.get()).unwrap_or_default();
            left.push(BucketLeft { bucket: "connections_5m", remaining: dials });
        }
        left
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

    pub fn count_alert(&self, venue: VenueId, kind: AlertKind) {
        if let Some(counter) = self.venue(venue).alerts.get(kind.place()) {
            counter.add(1);
        }
    }

    /// Alerts of a kind that a venue's sessions raised. `AlertKind::ALL` lists the kinds.
    #[must_use]
    pub fn alerts(&self, venue: VenueId, kind: AlertKind) -> u64 {
        self.venue(venue).alerts.get(kind.place()).map_or(0, Counter::get)
    }

    /// Shows the budgets from now on. Only the first call counts.
    pub(crate) fn show_budgets(&self, budgets: Vec<AccountBudgets>) {
        let _ = self.budgets.set(budgets);
    }

    pub(crate) fn note_dials_left(&self, venue: VenueId, dials: usize) {
        self.venue(venue).dials_left.set(i64::try_from(dials).unwrap_or(i64::MAX));
    }

    #[inline]
    pub(crate) fn note_message(&self, venue: VenueId, wall_ns: u64) {
        if let Some(last) = self.last_message_unix_ns.get(venue as usize) {
            last.store(wall_ns, Ordering::Relaxed);
        }
    }

    fn venue(&self, venue: VenueId) -> &VenueCounters {
        &self.venues[venue as usize]
    }
}

impl ReconnectCause {
    pub const ALL: [Self; 11] = [
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
        Self::Silent,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Session(reason) => reason.name(),
            Self::Connection => "connection",
            Self::Dial => "dial",
            Self::Barrier => "barrier",
            Self::Silent => "silent",
        }
    }

    fn place(self) -> usize {
        Self::ALL.iter().position(|&cause| cause == self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_and_kind_has_a_counter_of_its_own() {
        let counters = GatewayCounters::default();
        let venue = VenueId::BinanceUsdm;
        for (times, cause) in ReconnectCause::ALL.into_iter().enumerate() {
            for _ in 0..=times {
                counters.count_reconnect(venue, cause);
            }
        }
        for (times, kind) in AlertKind::ALL.into_iter().enumerate() {
            for _ in 0..=times {
                counters.count_alert(venue, kind);
            }
        }
        for kind in ErrorKind::ALL {
            counters.count_error(kind);
        }
        for (times, cause) in ReconnectCause::ALL.into_iter().enumerate() {
            assert_eq!(counters.reconnects_of(venue, cause), times as u64 + 1, "{}", cause.name());
        }
        for (times, kind) in AlertKind::ALL.into_iter().enumerate() {
            assert_eq!(counters.alerts(venue, kind), times as u64 + 1, "{}", kind.name());
        }
        for kind in ErrorKind::ALL {
            assert_eq!(counters.errors(kind), 1, "{}", kind.name());
        }
    }

    #[test]
    fn what_is_left_is_that_of_the_account_that_has_the_least() {
        let counters = GatewayCounters::default();
        let venue = VenueId::BinanceUsdm;
        let now = UnixNanos::from_millis(1_000);
        assert_eq!(counters.rate_limits(venue, now), []);
        let all = VenueBudgets::new(venue, 100);
        let few = all.of_another_account(1);
        let row = |account, budgets| AccountBudgets { venue, account: AccountId(account), budgets };
        counters.show_budgets(vec![row(0, all), row(1, few)]);
        counters.note_dials_left(venue, 299);
        let left = counters.rate_limits(venue, now);
        let left: Vec<_> = left.iter().map(|row| (row.bucket, row.remaining)).collect();
        let expected = [
            ("orders_10s", 3),
            ("orders_1m", 12),
            ("request_weight_1m", 2_400),
            ("snapshot_weight_1m", 1_000),
            ("connections_5m", 299),
        ];
        assert_eq!(left, expected);
    }
}
