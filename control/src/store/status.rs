//! How the store fares, for the API, the metrics and the log. It decides nothing.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The filler alone changes it.
#[derive(Debug, Default)]
pub(crate) struct StoreStatus {
    /// The last record of the journal whose rows are in the store.
    filled_to: AtomicU64,
    /// The store's number for the journal that is being followed; 0 before it has one.
    journal: AtomicU64,
    failing: AtomicBool,
    failures: AtomicU64,
    batches: AtomicU64,
    last_fault: Mutex<String>,
}

impl StoreStatus {
    pub(crate) fn filled_to(&self) -> u64 {
        self.filled_to.load(Ordering::Acquire)
    }

    pub(crate) fn journal(&self) -> u64 {
        self.journal.load(Ordering::Acquire)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// What went wrong last; empty when nothing ever did.
    pub(crate) fn last_fault(&self) -> String {
        self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many records the store is behind what the journal has synced.
    pub(crate) fn lag(&self, durable: u64) -> u64 {
        durable.saturating_sub(self.filled_to())
    }

    pub(super) fn follow(&self, journal: u64, filled_to: u64) {
        self.journal.store(journal, Ordering::Release);
        self.filled_to.store(filled_to, Ordering::Release);
    }

    pub(super) fn fill(&self, filled_to: u64) {
        self.filled_to.store(filled_to, Ordering::Release);
    }

    pub(super) fn wrote(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fail(&self, fault: &str, recovery: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        fault.clone_into(&mut self.last_fault.lock().unwrap_or_else(PoisonError::into_inner));
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::error!(fault, recovery, "history isn't stored for now; trading goes on");
        }
    }

    pub(super) fn recover(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("history is stored again");
        }
    }
}
