//! The one clock of the data plane: monotonic time from the processor's counter, wall time from
//! the system, read seldom.
//!
//! It must not be handed to a sans-IO type: those get a `Now`. Monotonic time never goes back,
//! whatever the system's clock or the counter of another core does.

use std::time::{SystemTime, UNIX_EPOCH};

use enigma_types::{Nanos, Now, UnixNanos};

/// A clock of one thread. Clones share the origin, so that their instants compare.
#[derive(Clone, Debug)]
pub struct Clock {
    counter: quanta::Clock,
    origin: u64,
    last: Nanos,
    wall: WallAnchor,
}

/// Where wall time stood at a monotonic instant.
#[derive(Clone, Copy, Debug)]
struct WallAnchor {
    mono: Nanos,
    wall: UnixNanos,
    jumps: u64,
}

impl Clock {
    /// Calibrates the counter, which takes some milliseconds: once in a process, then cloned.
    #[must_use]
    pub fn new() -> Self {
        let counter = quanta::Clock::new();
        let origin = counter.raw();
        let wall = WallAnchor { mono: ORIGIN, wall: read_wall(), jumps: 0 };
        Self { counter, origin, last: ORIGIN, wall }
    }

    /// The counter itself, for stamps that are converted later.
    #[inline]
    #[must_use]
    pub fn raw(&self) -> u64 {
        self.counter.raw()
    }

    /// The instant of a raw stamp.
    #[inline]
    #[must_use]
    pub fn instant(&self, raw: u64) -> Nanos {
        ORIGIN.plus(Nanos(self.counter.delta_as_nanos(self.origin, raw)))
    }

    /// Monotonic time.
    #[inline]
    pub fn mono(&mut self) -> Nanos {
        self.last = self.last.max(self.instant(self.raw()));
        self.last
    }

    /// The present. `venue_offset_ns` is the venue's clock minus our wall clock.
    #[inline]
    pub fn now(&mut self, venue_offset_ns: i64) -> Now {
        let mono = self.mono();
        if mono.since(self.wall.mono) >= WALL_INTERVAL {
            self.wall.renew(mono, read_wall());
        }
        Now { mono, wall: self.wall.at(mono), venue_offset_ns }
    }

    /// The present of an instant just passed, without reading a clock.
    #[inline]
    #[must_use]
    pub const fn at(&self, mono: Nanos, venue_offset_ns: i64) -> Now {
        Now { mono, wall: self.wall.at(mono), venue_offset_ns }
    }

    /// How often the wall clock was found more than 10 ms off where it should have been: set by
    /// a person, stepped by a time service, or the machine slept.
    #[must_use]
    pub fn wall_jumps(&self) -> u64 {
        self.wall.jumps
    }

    /// Where monotonic time comes from: the label of a metric.
    #[must_use]
    pub fn source(&self) -> &'static str {
        // Only the system's clock counts in nanoseconds; a counter's rate is scaled.
        let second = 1_000_000_000;
        if self.counter.delta_as_nanos(0, second) == second { "clock_gettime" } else { "tsc" }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl WallAnchor {
    #[inline]
    const fn at(&self, mono: Nanos) -> UnixNanos {
        UnixNanos(self.wall.0.saturating_add(mono.since(self.mono).0))
    }

    fn renew(&mut self, mono: Nanos, wall: UnixNanos) {
        if self.at(mono).0.abs_diff(wall.0) > JUMP.0 {
            self.jumps += 1;
        }
        self.mono = mono;
        self.wall = wall;
    }
}

/// The system's wall clock, read now: for what no `Clock` stamps.
pub(crate) fn read_wall() -> UnixNanos {
    // A system clock before 1970 is as good as none; venues then refuse us by their window.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The first instant: above zero, so that `Nanos::ZERO` always lies in the past.
const ORIGIN: Nanos = Nanos::from_secs(1);
const WALL_INTERVAL: Nanos = Nanos::from_millis(100);
const JUMP: Nanos = Nanos::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back_and_clones_share_the_origin() {
        let mut clock = Clock::new();
        let mut other = clock.clone();
        let mut last = Nanos::ZERO;
        for _ in 0..10_000 {
            let now = clock.mono();
            assert!(now >= last, "{now} after {last}");
            last = now;
        }
        assert!(other.mono() >= last, "a clone counts from the same origin");
        assert!(["tsc", "clock_gettime"].contains(&clock.source()));
    }

    #[test]
    fn raw_stamps_are_placed_on_the_same_axis() {
        let mut clock = Clock::new();
        let before = clock.mono();
        let raw = clock.raw();
        let after = clock.mono();
        assert!((before..=after).contains(&clock.instant(raw)));
    }

    #[test]
    fn wall_time_follows_the_system_and_a_jump_is_counted() {
        let second = Nanos::from_secs(1);
        let mut anchor = WallAnchor { mono: second, wall: UnixNanos::from_millis(5_000), jumps: 0 };
        assert_eq!(anchor.at(second.plus(Nanos(7))), UnixNanos(5_000_000_007));
        let later = second.plus(Nanos::from_millis(100));
        anchor.renew(later, UnixNanos::from_millis(5_101));
        assert_eq!((anchor.jumps, anchor.at(later)), (0, UnixNanos::from_millis(5_101)));
        anchor.renew(later, UnixNanos::from_millis(1_000));
        assert_eq!((anchor.jumps, anchor.at(later)), (1, UnixNanos::from_millis(1_000)));
    }

    #[test]
    fn wall_time_is_the_systems() {
        let mut clock = Clock::new();
        let before = read_wall();
        let now = clock.now(5);
        assert!(now.wall.0.abs_diff(before.0) < 60_000_000_000, "{now:?}");
        assert_eq!(now.venue_offset_ns, 5);
    }
}
