//! What the engine counts and measures besides its journal: read at scrape, never waited for.
//!
//! Every number has one thread that writes it, so that writing is a plain load and store; the
//! groups lie on cache lines of their own by the thread that writes them. Names and labels of the
//! exposition are the control plane's business. Nothing here may decide anything.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam::utils::CachePadded;
use enigma_trading::risk::Limit;
use enigma_types::VenueId;

use crate::journal::{JournalHealth, Ring};
use crate::latency::StageHistograms;

/// Counts up. For one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// Counts up. For many writers, none of them in a hurry.
#[derive(Debug, Default)]
pub struct SharedCounter(AtomicU64);

/// Shows a present value. For one writer.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// All numbers of one engine.
#[derive(Debug, Default)]
pub struct EngineMetrics {
    pub latency: StageHistograms,
    /// Written by the pinned thread.
    pub trading: CachePadded<TradingCounters>,
    /// Commands that found their queue full.
    pub commands_refused: SharedCounter,
    journal: OnceLock<(Arc<JournalHealth>, Arc<Ring>)>,
}

/// What the trading thread counts.
#[derive(Debug, Default)]
pub struct TradingCounters {
    /// Book changes shown to the desk.
    pub ticks: Counter,
    pub trades: Counter,
    pub reports: Counter,
    pub commands: Counter,
    pub timers: Counter,
    /// Orders and replaces that passed the checks; the egress audit compares them with those
    /// written to a socket.
    pub orders_approved: Counter,
    pub cancels_requested: Counter,
    pub queries_sent: Counter,
    pub fills: Counter,
    pub strategy_faults: Counter,
    /// Reports that fit no state of their order.
    pub illegal_transitions: Counter,
    /// Requests that the desk could not journal.
    pub journal_refusals: Counter,
    /// One while the kill switch is engaged.
    pub kill_switch: Gauge,
    risk_rejections: [Counter; TradingCounters::CHECKS],
    limits_used_ppm: [Gauge; Limit::ALL.len()],
    venues: [VenueNumbers; VenueId::ALL.len()],
}

/// What is known of one venue.
#[derive(Debug, Default)]
pub struct VenueNumbers {
    /// The venue's clock minus ours.
    pub clock_offset_ns: Gauge,
    pub clock_uncertainty_ns: Gauge,
}

#[derive(Debug, Default)]
pub struct QueueCounters {
    pub depth: Gauge,
    pub overflows: Counter,
}

/// The bounded queues between threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// From the control plane to the pinned thread.
    Commands,
    /// From the pinned thread to the connector and back.
    ConnectorJobs,
    /// Plain frames that wait for their sockets.
    Outgoing,
    /// From the pinned thread to the journal's writer and the projector, in bytes.
    JournalRing,
}

/// How full a queue is, and how often it had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLevel {
    pub queue: Queue,
    pub depth: u64,
    pub overflows: u64,
}

impl Counter {
    #[inline]
    pub fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// Takes over a count that the writer keeps elsewhere.
    #[inline]
    pub fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl SharedCounter {
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl EngineMetrics {
    /// Shows the journal's numbers from now on. Once.
    pub fn attach_journal(&self, health: Arc<JournalHealth>, ring: Arc<Ring>) {
        // A second journal in one engine would be a mistake that the first one's numbers show.
        let _ = self.journal.set((health, ring));
    }

    /// `None` before the journal is open.
    pub fn journal(&self) -> Option<&JournalHealth> {
        self.journal.get().map(|(health, _)| health.as_ref())
    }

    /// `None` before the journal is open.
    pub fn journal_ring(&self) -> Option<&Ring> {
        self.journal.get().map(|(_, ring)| ring.as_ref())
    }
}

impl TradingCounters {
    /// Check codes are below this.
    pub const CHECKS: usize = 32;

    pub fn venue(&self, venue: VenueId) -> &VenueNumbers {
        &self.venues[venue as usize]
    }

    /// Refusals by the check's code; `None` for a code that no check has.
    pub fn risk_rejections(&self, check: u8) -> Option<&Counter> {
        self.risk_rejections.get(usize::from(check))
    }

    /// How much of a limit is used, in millionths: the engine's, or the strategy's that comes
    /// nearest to its own.
    pub fn limit_used_ppm(&self, limit: Limit) -> &Gauge {
        &self.limits_used_ppm[limit as usize]
    }
}

impl Queue {
    pub const ALL: [Self; 4] =
        [Self::Commands, Self::ConnectorJobs, Self::Outgoing, Self::JournalRing];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::ConnectorJobs => "connector_jobs",
            Self::Outgoing => "outgoing",
            Self::JournalRing => "journal_ring",
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_numbers_of_its_own() {
        let metrics = EngineMetrics::default();
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            metrics.trading.limit_used_ppm(limit).set(place as i64);
        }
        for check in 0..32 {
            metrics.trading.risk_rejections(check).unwrap().add(u64::from(check));
        }
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            let shown = metrics.trading.limit_used_ppm(limit).get();
            assert_eq!(shown, place as i64, "{}", limit.name());
        }
        assert_eq!(metrics.trading.risk_rejections(20).unwrap().get(), 20);
        assert!(metrics.trading.risk_rejections(32).is_none());
        assert!(metrics.journal().is_none() && metrics.journal_ring().is_none());
    }
}
