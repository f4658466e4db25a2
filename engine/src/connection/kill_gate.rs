//! The gate that every order passes last, and the barrier of kill and pause.
//!
//! Anybody may engage it, at any time, without waiting. It must not be trusted to hold until the
//! gateway has acknowledged an epoch not older than the one that engaging returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by the control plane, which engages it, and the gateway, which obeys it.
#[derive(Clone, Debug, Default)]
pub struct KillGate {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The epoch, doubled; odd while engaged.
    state: AtomicU64,
    acknowledged: AtomicU64,
}

/// Counts how often the gate was engaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

impl KillGate {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the gate. Once the gateway acknowledges the epoch, no order leaves any more.
    pub fn engage(&self) -> Epoch {
        let engaged = |state: u64| Some(((state >> 1) + 1) << 1 | 1);
        // The closure never says no, so that both arms are the same state.
        let before =
            match self.shared.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, engaged) {
                Ok(before) | Err(before) => before,
            };
        Epoch((before >> 1) + 1)
    }

    /// Opens the gate again, unless it was engaged anew since that epoch.
    pub fn release(&self, epoch: Epoch) -> bool {
        let state = epoch.0 << 1;
        let swapped = self.shared.state.compare_exchange(
            state | 1,
            state,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        swapped.is_ok()
    }

    #[inline]
    #[must_use]
    pub fn is_engaged(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) & 1 == 1
    }

    #[inline]
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.shared.state.load(Ordering::Acquire) >> 1)
    }

    /// The gateway has taken back what waited under this epoch.
    pub(crate) fn acknowledge(&self, epoch: Epoch) {
        self.shared.acknowledged.store(epoch.0, Ordering::Release);
    }

    #[inline]
    #[must_use]
    pub fn acknowledged(&self) -> Epoch {
        Epoch(self.shared.acknowledged.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_engagement_is_an_epoch_of_its_own() {
        let gate = KillGate::new();
        assert!(!gate.is_engaged());
        let first = gate.engage();
        let second = gate.clone().engage();
        assert!(gate.is_engaged() && second > first && gate.epoch() == second);
        assert!(!gate.release(first), "an older epoch doesn't open what a newer one closed");
        assert!(gate.is_engaged());
        assert!(gate.release(second));
        assert!(!gate.is_engaged() && !gate.release(second));
    }

    #[test]
    fn acknowledgement_is_of_an_epoch() {
        let gate = KillGate::new();
        let epoch = gate.engage();
        assert!(gate.acknowledged() < epoch);
        gate.acknowledge(gate.epoch());
        assert_eq!(gate.acknowledged(), epoch);
        assert!(gate.acknowledged() < gate.engage());
    }
}
