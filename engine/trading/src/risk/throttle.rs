//! Messages in any second, counted in fixed memory whatever the limit is.
//!
//! Time is cut into buckets of about a millisecond. What the window counts is never less than the
//! messages of the last second and never more than those of the last 1.002 s, so no second ever
//! carries more than the limit. Nothing here allocates after `new`.

use enigma_types::Nanos;

/// A sliding window over the messages of one scope.
#[derive(Clone, Debug)]
pub(super) struct MessageWindow {
    counts: Box<[u32; Self::RING]>,
    /// The newest bucket that was looked at.
    newest: u64,
    total: u64,
}

impl MessageWindow {
    const RING: usize = 1024;
    /// A bucket is 2²⁰ ns: a shift, not a division, on the fast path.
    const BUCKET_BITS: u32 = 20;
    /// Buckets whose messages may be less than a second old, the newest included.
    const SPAN: u64 = 1_000_000_000 / (1 << Self::BUCKET_BITS) + 2;

    pub(super) fn new() -> Self {
        const { assert!(Self::SPAN <= Self::RING as u64, "the ring holds more than a second") };
        Self { counts: Box::new([0; Self::RING]), newest: 0, total: 0 }
    }

    /// How many messages count against the limit at this instant.
    pub(super) fn count(&mut self, now: Nanos) -> u64 {
        let bucket = now.0 >> Self::BUCKET_BITS;
        let passed = bucket.saturating_sub(self.newest).min(Self::SPAN);
        for step in 1..=passed {
            if self.total == 0 {
                break;
            }
            // The bucket that leaves the window as the newest becomes `newest + step`.
            let leaving = (self.newest + step + Self::RING as u64).wrapping_sub(Self::SPAN);
            let slot = self.slot_mut(leaving);
            let count = core::mem::take(slot);
            self.total = self.total.saturating_sub(u64::from(count));
        }
        self.newest = self.newest.max(bucket);
        self.total
    }

    /// Counts one message at the instant last asked about, or later.
    pub(super) fn record(&mut self, now: Nanos) {
        self.count(now);
        let slot = self.slot_mut(self.newest);
        *slot = slot.saturating_add(1);
        self.total += 1;
    }

    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    fn slot_mut(&mut self, bucket: u64) -> &mut u32 {
        // The mask keeps the index inside the array, which the compiler sees.
        &mut self.counts[(bucket as usize) & (Self::RING - 1)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_counts_for_one_second_and_is_gone_two_buckets_later() {
        let mut window = MessageWindow::new();
        let start = Nanos(7_777_777_777);
        window.record(start);
        window.record(start);
        assert_eq!(window.count(Nanos(start.0 + 999_999_999)), 2);
        assert_eq!(window.count(Nanos(start.0 + 1_002_100_000)), 0);
    }

    #[test]
    fn a_long_silence_empties_the_window_in_one_step() {
        let mut window = MessageWindow::new();
        for step in 0..500 {
            window.record(Nanos(step * 1_500_000));
        }
        assert_eq!(window.count(Nanos::from_secs(86_400)), 0);
        window.record(Nanos::from_secs(86_400));
        assert_eq!(window.count(Nanos::from_secs(86_400)), 1);
    }

    #[test]
    fn time_that_stands_still_or_goes_back_loses_no_message() {
        let mut window = MessageWindow::new();
        window.record(Nanos::from_secs(10));
        window.record(Nanos::from_secs(9));
        assert_eq!(window.count(Nanos::from_secs(9)), 2);
    }

    proptest! {
        #[test]
        fn never_less_than_the_last_second_nor_more_than_two_buckets_beyond(
            gaps in prop::collection::vec(0_u64..400_000_000, 1..200),
        ) {
            let mut window = MessageWindow::new();
            let mut sent: Vec<u64> = Vec::new();
            let mut now = 3;
            for gap in gaps {
                now += gap;
                let within = |age: u64| {
                    sent.iter().filter(|&&at| now - at < age).count() as u64
                };
                let counted = window.count(Nanos(now));
                prop_assert!(counted >= within(1_000_000_000));
                prop_assert!(counted <= within(1_002_100_000));
                window.record(Nanos(now));
                sent.push(now);
            }
        }
    }
}
