//! How far the venue's clock stands from ours, from the round trips of its time request.
//!
//! The true offset lies within half a round trip of the middle, whatever the path's asymmetry. The
//! sample with the smallest bound speaks, aged by the drift that two clocks may have. Samples that
//! a new one contradicts are forgotten: one of the clocks was set.

use enigma_types::{Nanos, Now};

/// An offset and how far it may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::binance) struct ClockEstimate {
    /// Venue clock minus our wall clock.
    pub(in crate::binance) offset_ns: i64,
    pub(in crate::binance) uncertainty_ns: u64,
}

/// The last round trips.
#[derive(Clone, Debug, Default)]
pub(in crate::binance) struct ClockOffset {
    samples: [Option<Sample>; Self::KEPT],
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Nanos,
    estimate: ClockEstimate,
}

impl ClockOffset {
    const KEPT: usize = 8;
    /// 100 parts per million: twice what a bad crystal drifts.
    const DRIFT_PER_NANOS: u64 = 10_000;
    /// The venue tells whole milliseconds, cut off: half of one is added to the middle.
    const HALF_MILLISECOND_NS: i64 = 500_000;

    /// Takes a round trip in: when it was asked, when it was answered, and the venue's answer.
    /// Returns whether it makes sense.
    pub(in crate::binance) fn add(
        &mut self,
        asked: Now,
        answered: Now,
        server_time_ms: u64,
    ) -> bool {
        let round_trip = answered.mono.since(asked.mono).0;
        let middle = answered.wall.0.saturating_sub(round_trip / 2);
        let server = i128::from(server_time_ms) * 1_000_000 + i128::from(Self::HALF_MILLISECOND_NS);
        let offset = i64::try_from(server - i128::from(middle));
        let Ok(offset_ns) = offset else { return false };
        let half_millisecond = Self::HALF_MILLISECOND_NS.unsigned_abs();
        let estimate =
            ClockEstimate { offset_ns, uncertainty_ns: round_trip / 2 + half_millisecond };
        for slot in &mut self.samples {
            slot.take_if(|sample| !sample.aged(answered.mono).meets(&estimate));
        }
        if let Some(slot) = self.samples.get_mut(self.next) {
            *slot = Some(Sample { at: answered.mono, estimate });
        }
        self.next = (self.next + 1) % Self::KEPT;
        true
    }

    pub(in crate::binance) fn best(&self, now: Nanos) -> Option<ClockEstimate> {
        let aged = self.samples.iter().flatten().map(|sample| sample.aged(now));
        aged.min_by_key(|estimate| estimate.uncertainty_ns)
    }
}

impl Sample {
    fn aged(&self, now: Nanos) -> ClockEstimate {
        let drift = now.since(self.at).0 / ClockOffset::DRIFT_PER_NANOS;
        let uncertainty_ns = self.estimate.uncertainty_ns.saturating_add(drift);
        ClockEstimate { uncertainty_ns, ..self.estimate }
    }
}

impl ClockEstimate {
    /// Whether both can be true.
    fn meets(&self, other: &Self) -> bool {
        let between = self.offset_ns.abs_diff(other.offset_ns);
        between <= self.uncertainty_ns.saturating_add(other.uncertainty_ns)
    }
}

#[cfg(test)]
mod tests {
    use enigma_types::UnixNanos;

    use super::*;

    fn now(mono_ms: u64, wall_ms: u64) -> Now {
        Now {
            mono: Nanos::from_millis(mono_ms),
            wall: UnixNanos::from_millis(wall_ms),
            venue_offset_ns: 0,
        }
    }

    #[test]
    fn the_shortest_round_trip_speaks_until_it_has_aged() {
        let mut clock = ClockOffset::default();
        assert_eq!(clock.best(Nanos::ZERO), None);
        clock.add(now(0, 1_000_000), now(100, 1_000_100), 1_000_070);
        let expected = ClockEstimate { offset_ns: 20_500_000, uncertainty_ns: 50_500_000 };
        assert_eq!(clock.best(Nanos::from_millis(100)), Some(expected));
        clock.add(now(200, 1_000_200), now(210, 1_000_210), 1_000_215);
        let expected = ClockEstimate { offset_ns: 10_500_000, uncertainty_ns: 5_500_000 };
        assert_eq!(clock.best(Nanos::from_millis(210)), Some(expected));
        // Ten seconds later a mediocre sample is worse than the good one aged by a millisecond.
        clock.add(now(10_200, 1_010_200), now(10_220, 1_010_220), 1_010_220);
        assert_eq!(
            clock.best(Nanos::from_millis(10_220)).map(|best| best.offset_ns),
            Some(10_500_000)
        );
        let hours = Nanos::from_secs(7_200);
        clock.add(now(7_200_000, 8_200_000), now(7_200_020, 8_200_020), 8_200_010);
        assert_eq!(clock.best(hours).map(|best| best.offset_ns), Some(500_000));
    }

    #[test]
    fn a_sample_that_contradicts_the_old_ones_speaks_at_once() {
        let mut clock = ClockOffset::default();
        for second in 0..8 {
            let (mono, wall) = (second * 1_000, 1_000_000 + second * 1_000);
            clock.add(now(mono, wall), now(mono + 2, wall + 2), wall);
        }
        // Our wall clock is set two seconds back, and the path is slower than it was.
        clock.add(now(9_000, 1_007_000), now(9_100, 1_007_100), 1_009_050);
        let best = clock.best(Nanos::from_millis(9_100));
        let expected = ClockEstimate { offset_ns: 2_000_500_000, uncertainty_ns: 50_500_000 };
        assert_eq!(best, Some(expected));
    }

    #[test]
    fn a_nonsensical_answer_is_no_sample() {
        let mut clock = ClockOffset::default();
        assert!(!clock.add(now(0, 0), now(1, 1), u64::MAX));
        assert_eq!(clock.best(Nanos::ZERO), None);
    }
}
