//! When the venue is asked for its time, and what it answered. It must not ask by itself.

use enigma_types::{Nanos, Now};

use super::clock_offset::{ClockEstimate, ClockOffset};

/// The watch over the venue's clock: a few round trips at once, then one in half a minute.
#[derive(Debug)]
pub(in crate::binance) struct VenueClock {
    offset: ClockOffset,
    due_at: Nanos,
    answered_at: Nanos,
    answers: u32,
}

impl VenueClock {
    const INTERVAL: Nanos = Nanos::from_secs(30);
    const FIRST_INTERVAL: Nanos = Nanos::from_millis(500);
    const RETRY: Nanos = Nanos::from_secs(2);
    /// The first round trip carries the handshake of its connection: a few more are better.
    const FIRST_ROUND_TRIPS: u32 = 3;

    pub(in crate::binance) fn new() -> Self {
        let offset = ClockOffset::default();
        Self { offset, due_at: Nanos::MAX, answered_at: Nanos::ZERO, answers: 0 }
    }

    pub(in crate::binance) fn start(&mut self, now: Nanos) {
        self.due_at = now;
    }

    pub(in crate::binance) fn stop(&mut self) {
        self.due_at = Nanos::MAX;
    }

    pub(in crate::binance) fn due_at(&self) -> Nanos {
        self.due_at
    }

    pub(in crate::binance) fn is_due(&self, now: Nanos) -> bool {
        now >= self.due_at
    }

    pub(in crate::binance) fn is_measured(&self) -> bool {
        self.answers > 0
    }

    /// Nothing is due until the answer is there.
    pub(in crate::binance) fn asked(&mut self) {
        self.due_at = Nanos::MAX;
    }

    pub(in crate::binance) fn retry(&mut self, now: Nanos) {
        self.due_at = now.plus(Self::RETRY);
    }

    /// The venue refused a request for its time: it is asked anew, though not with every refusal,
    /// and not while an answer is on its way.
    pub(in crate::binance) fn doubted(&mut self, now: Nanos) {
        if self.due_at != Nanos::MAX {
            let soonest = self.answered_at.plus(Self::FIRST_INTERVAL);
            self.due_at = self.due_at.min(now.max(soonest));
        }
    }

    /// What the answer makes of the offset; `None` if it makes no sense: then it is asked again.
    pub(in crate::binance) fn answered(
        &mut self,
        asked: Now,
        answered: Now,
        server_time_ms: u64,
    ) -> Option<ClockEstimate> {
        if !self.offset.add(asked, answered, server_time_ms) {
            self.retry(answered.mono);
            return None;
        }
        self.answered_at = answered.mono;
        self.answers += 1;
        let first = self.answers < Self::FIRST_ROUND_TRIPS;
        let interval = if first { Self::FIRST_INTERVAL } else { Self::INTERVAL };
        self.due_at = answered.mono.plus(interval);
        self.offset.best(answered.mono)
    }
}
