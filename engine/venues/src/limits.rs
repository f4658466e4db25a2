//! Venue rate limits, counted on our side before the venue counts them. Pure: the wall clock is an
//! argument. It must not wait and must not send; it says when to try again.
//!
//! A window outlives the sessions that take from it, for the venue goes on counting when a
//! connection is replaced: it is shared between them, one thread takes, and any may look.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How a venue's window moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Starts anew at each multiple of its length on the venue's clock. Binance's do
    /// (<https://developers.binance.com/docs/binance-spot-api-docs/rest-api/limits>, read
    /// 2026-11-24).
    Fixed,
    /// Holds what was taken in the last `length_ms`, to a sixteenth of that, rounded to our cost.
    Sliding,
}

/// One limit: so much weight in a window of so many milliseconds. Only one thread may take from it.
#[derive(Debug)]
pub struct TokenWindow {
    kind: WindowKind,
    length_ms: u64,
    limit: AtomicU32,
    /// What was taken in each slice; a fixed window uses the first alone.
    taken: [AtomicU32; SLICES],
    /// The number of the newest slice since the epoch. It goes back only when the clock ran ahead
    /// by more than a window, and what was taken goes back with it: a clock that is set back can't
    /// empty the window, and one that ran ahead can't close it until its false time has come.
    newest: AtomicU64,
    banned_until_ms: AtomicU64,
}

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    #[error("the limit is used up until {wall_ms}")]
    Until { wall_ms: u64 },
    #[error("the venue has banned us until {wall_ms}")]
    Banned { wall_ms: u64 },
    #[error("a weight of {needed} never fits a limit of {limit}")]
    Never { needed: u64, limit: u32 },
}

impl TokenWindow {
    #[must_use]
    pub fn new(kind: WindowKind, length_ms: u64, limit: u32) -> Self {
        assert!(length_ms >= SLICES as u64, "a window is at least a millisecond for each slice");
        Self {
            kind,
            length_ms,
            limit: AtomicU32::new(limit),
            taken: [const { AtomicU32::new(0) }; SLICES],
            newest: AtomicU64::new(0),
            banned_until_ms: AtomicU64::new(0),
        }
    }

    /// Takes `weight`, if at least `reserve` stays free behind it. What places new risk leaves a
    /// reserve; a cancel leaves none, so that it never starves behind orders.
    pub fn try_take(&self, now_wall_ms: u64, weight: u32, reserve: u32) -> Result<(), Wait> {
        self.roll(now_wall_ms);
        self.check_ban(now_wall_ms)?;
        let needed = u64::from(weight) + u64::from(reserve);
        if needed > u64::from(self.limit()) {
            return Err(Wait::Never { needed, limit: self.limit() });
        }
        if needed > u64::from(self.remaining()) {
            return Err(Wait::Until { wall_ms: self.free_at_ms(needed) });
        }
        self.add(weight);
        Ok(())
    }

    /// Whether nothing at all may be sent now, however little was taken.
    pub fn check_ban(&self, now_wall_ms: u64) -> Result<(), Wait> {
        let wall_ms = self.banned_until_ms();
        if now_wall_ms < wall_ms { Err(Wait::Banned { wall_ms }) } else { Ok(()) }
    }

    /// Gives back what a request didn't cost after all, as the venue counts it.
    pub fn give_back(&self, weight: u32) {
        let mut rest = weight;
        for slice in self.slices_newest_first() {
            if let Some(taken) = self.taken.get(slice) {
                let there = taken.load(Relaxed);
                let part = rest.min(there);
                taken.store(there - part, Relaxed);
                rest -= part;
            }
        }
    }

    /// What has been taken from the window, as of the last call that told the time.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.taken.iter().fold(0, |sum, taken| sum.saturating_add(taken.load(Relaxed)))
    }

    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.limit().saturating_sub(self.used())
    }

    /// What is left at a time, for whoever only looks: a window of which nothing was taken lately
    /// has moved on, and during a ban nothing is left.
    #[must_use]
    pub fn remaining_at(&self, wall_ms: u64) -> u32 {
        if self.check_ban(wall_ms).is_err() {
            return 0;
        }
        let passed = (wall_ms / self.slice_ms()).saturating_sub(self.newest.load(Relaxed));
        let kept = match self.kind {
            WindowKind::Fixed => u64::from(passed == 0),
            WindowKind::Sliding => (SLICES as u64).saturating_sub(passed),
        };
        let kept = self.slices_newest_first().take(kept as usize);
        let used = kept
            .filter_map(|slice| self.taken.get(slice))
            .fold(0_u32, |sum, taken| sum.saturating_add(taken.load(Relaxed)));
        self.limit().saturating_sub(used)
    }

    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    /// The venue tells another limit, as its instrument list may at any time.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Relaxed);
    }

    /// The venue's own count. It may be higher than ours, because others share the address or the
    /// account; a lower one is ignored, because requests of ours may still be on their way.
    pub fn update_from_venue(&self, now_wall_ms: u64, used: u32) {
        self.roll(now_wall_ms);
        self.add(used.saturating_sub(self.used()));
    }

    /// Nothing is given before `wall_ms`; a shorter ban doesn't shorten a longer one.
    pub fn ban_until(&self, wall_ms: u64) {
        self.banned_until_ms.store(self.banned_until_ms().max(wall_ms), Relaxed);
    }

    #[must_use]
    pub fn banned_until_ms(&self) -> u64 {
        self.banned_until_ms.load(Relaxed)
    }

    /// Empties the slices that have left the window.
    fn roll(&self, now_wall_ms: u64) {
        let current = now_wall_ms / self.slice_ms();
        let newest = self.newest.load(Relaxed);
        if current <= newest {
            if newest - current > self.slices_of_length() {
                self.go_back(current);
            }
            return;
        }
        let passed = current - newest;
        self.newest.store(current, Relaxed);
        let left = match self.kind {
            WindowKind::Fixed => SLICES as u64,
            WindowKind::Sliding => passed.min(SLICES as u64),
        };
        for age in 0..left {
            if let Some(taken) = self.taken.get(slice_of(current + SLICES as u64 - age)) {
                taken.store(0, Relaxed);
            }
        }
    }

    /// Moves all that was taken into the slice of a time before the newest.
    fn go_back(&self, current: u64) {
        let used = self.used();
        for taken in &self.taken {
            taken.store(0, Relaxed);
        }
        self.newest.store(current, Relaxed);
        self.add(used);
    }

    fn add(&self, weight: u32) {
        let slice = self.slices_newest_first().next().unwrap_or_default();
        if let Some(taken) = self.taken.get(slice) {
            taken.store(taken.load(Relaxed).saturating_add(weight), Relaxed);
        }
    }

    /// When as many as `needed` will be free, if nothing more is taken.
    fn free_at_ms(&self, needed: u64) -> u64 {
        let newest = self.newest.load(Relaxed);
        match self.kind {
            WindowKind::Fixed => (newest + 1).saturating_mul(self.slice_ms()),
            WindowKind::Sliding => {
                let mut free = u64::from(self.remaining());
                // The oldest slice leaves first, when the one after the newest begins.
                for leaving in 1..=SLICES as u64 {
                    let taken = self.taken.get(slice_of(newest + leaving));
                    free += taken.map_or(0, |taken| u64::from(taken.load(Relaxed)));
                    if free >= needed {
                        return (newest + leaving).saturating_mul(self.slice_ms());
                    }
                }
                (newest + SLICES as u64).saturating_mul(self.slice_ms())
            }
        }
    }

    /// A sliding window holds one slice more than its length, because the newest is never whole.
    fn slice_ms(&self) -> u64 {
        match self.kind {
            WindowKind::Fixed => self.length_ms,
            WindowKind::Sliding => self.length_ms.div_ceil(SLICES as u64 - 1),
        }
    }

    fn slices_of_length(&self) -> u64 {
        match self.kind {
            WindowKind::Fixed => 1,
            WindowKind::Sliding => SLICES as u64 - 1,
        }
    }

    fn slices_newest_first(&self) -> impl Iterator<Item = usize> + use<> {
        let (newest, count) = match self.kind {
            WindowKind::Fixed => (0, 1),
            WindowKind::Sliding => (self.newest.load(Relaxed), SLICES as u64),
        };
        (0..count).map(move |age| slice_of(newest + SLICES as u64 - age))
    }
}

impl Wait {
    /// When to try again; `None` when that would never help.
    #[must_use]
    pub const fn retry_at_ms(&self) -> Option<u64> {
        match self {
            Self::Until { wall_ms } | Self::Banned { wall_ms } => Some(*wall_ms),
            Self::Never { .. } => None,
        }
    }
}

const fn slice_of(number: u64) -> usize {
    (number % SLICES as u64) as usize
}

/// Sixteen make up the window's length, and one is still filling.
const SLICES: usize = 17;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fixed_window_starts_anew_on_the_clock() {
        let window = TokenWindow::new(WindowKind::Fixed, 10_000, 3);
        for _ in 0..3 {
            window.try_take(1_009_999, 1, 0).unwrap();
        }
        let until = Wait::Until { wall_ms: 1_010_000 };
        assert_eq!(window.try_take(1_009_999, 1, 0), Err(until));
        assert_eq!((window.used(), window.remaining()), (3, 0));
        window.try_take(1_010_000, 2, 0).unwrap();
        assert_eq!((window.used(), window.remaining()), (2, 1));
    }

    #[test]
    fn orders_leave_the_reserve_to_cancels() {
        let window = TokenWindow::new(WindowKind::Fixed, 10_000, 5);
        for _ in 0..3 {
            window.try_take(50_000, 1, 2).unwrap();
        }
        let until = Wait::Until { wall_ms: 60_000 };
        assert_eq!(window.try_take(50_000, 1, 2), Err(until));
        window.try_take(50_000, 1, 0).unwrap();
        window.try_take(50_000, 1, 0).unwrap();
        assert_eq!(window.try_take(50_000, 1, 0), Err(until));
        let never = window.try_take(50_000, 4, 2).unwrap_err();
        assert_eq!(never, Wait::Never { needed: 6, limit: 5 });
        assert_eq!((until.retry_at_ms(), never.retry_at_ms()), (Some(60_000), None));
    }

    #[test]
    fn a_clock_set_back_empties_nothing() {
        for kind in [WindowKind::Fixed, WindowKind::Sliding] {
            let window = TokenWindow::new(kind, 1_600, 2);
            window.try_take(1_000_000, 2, 0).unwrap();
            assert!(window.try_take(900_000, 1, 0).is_err(), "{kind:?}");
            assert_eq!(window.used(), 2);
        }
    }

    #[test]
    fn a_clock_that_ran_ahead_closes_no_window_until_its_false_time() {
        for kind in [WindowKind::Fixed, WindowKind::Sliding] {
            let window = TokenWindow::new(kind, 1_600, 3);
            window.try_take(1_000_000, 1, 0).unwrap();
            window.try_take(8_200_000, 3, 0).unwrap();
            // The right time again: what was taken counts as taken now, and leaves like it.
            let Err(Wait::Until { wall_ms }) = window.try_take(1_000_100, 1, 0) else {
                panic!("{kind:?} was emptied by a clock that was set back");
            };
            assert!((1_000_101..1_002_000).contains(&wall_ms), "{kind:?} {wall_ms}");
            assert_eq!((window.used(), window.remaining_at(1_000_100)), (3, 0), "{kind:?}");
            window.try_take(wall_ms, 3, 0).unwrap();
            // By less than a window it is no error of any length: the newest slice stays.
            assert!(window.try_take(wall_ms - 1_000, 1, 0).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn the_venue_can_only_raise_the_count() {
        let window = TokenWindow::new(WindowKind::Fixed, 60_000, 2_400);
        window.try_take(60_000, 10, 0).unwrap();
        window.update_from_venue(60_001, 2_395);
        assert_eq!(window.remaining(), 5);
        window.update_from_venue(60_002, 3);
        assert_eq!(window.remaining(), 5);
        window.update_from_venue(60_003, 9_000);
        assert_eq!(window.remaining(), 0);
        window.give_back(8_000);
        assert_eq!(window.used(), 1_000);
        window.set_limit(1_200);
        assert_eq!((window.limit(), window.remaining()), (1_200, 200));
        window.update_from_venue(120_000, 7);
        assert_eq!(window.used(), 7);
    }

    #[test]
    fn a_ban_holds_until_its_end() {
        let window = TokenWindow::new(WindowKind::Fixed, 10_000, 5);
        window.ban_until(90_000);
        window.ban_until(80_000);
        let banned = Wait::Banned { wall_ms: 90_000 };
        assert_eq!(window.try_take(89_999, 1, 0), Err(banned));
        assert_eq!(banned.retry_at_ms(), Some(window.banned_until_ms()));
        window.try_take(90_000, 1, 0).unwrap();
    }

    #[test]
    fn a_sliding_window_frees_what_is_old() {
        let window = TokenWindow::new(WindowKind::Sliding, 1_600, 3);
        window.try_take(10_000, 2, 0).unwrap();
        window.try_take(10_800, 1, 0).unwrap();
        let Err(Wait::Until { wall_ms }) = window.try_take(10_900, 1, 0) else {
            panic!("the window is full");
        };
        assert_eq!(wall_ms, 11_700);
        assert!(window.try_take(wall_ms - 1, 1, 0).is_err());
        window.try_take(wall_ms, 2, 0).unwrap();
        assert_eq!(window.used(), 3);
    }

    #[test]
    fn a_window_that_nobody_took_from_lately_is_seen_as_free() {
        for (kind, later) in [(WindowKind::Fixed, 20_000), (WindowKind::Sliding, 21_800)] {
            let window = TokenWindow::new(kind, 10_000, 3);
            window.try_take(10_001, 2, 0).unwrap();
            assert_eq!((window.remaining_at(10_002), window.remaining_at(later)), (1, 3));
            assert_eq!(window.remaining(), 1, "looking changes nothing");
            window.ban_until(30_000);
            assert_eq!((window.remaining_at(29_999), window.remaining_at(30_000)), (0, 3));
        }
    }

    fn copy_of(window: &TokenWindow) -> TokenWindow {
        let copy = TokenWindow::new(window.kind, window.length_ms, window.limit());
        for (to, from) in copy.taken.iter().zip(&window.taken) {
            to.store(from.load(Relaxed), Relaxed);
        }
        copy.newest.store(window.newest.load(Relaxed), Relaxed);
        copy
    }

    proptest! {
        #[test]
        fn no_window_ever_exceeds_its_limit(
            fixed in any::<bool>(),
            length_ms in 17_u64..5_000,
            limit in 1_u32..20,
            steps in prop::collection::vec((0_u64..700, 1_u32..5), 1..200),
        ) {
            let kind = if fixed { WindowKind::Fixed } else { WindowKind::Sliding };
            let window = TokenWindow::new(kind, length_ms, limit);
            let mut now = 1_000_000;
            let mut taken: Vec<(u64, u32)> = Vec::new();
            for (step, weight) in steps {
                now += step;
                match window.try_take(now, weight, 0) {
                    Ok(()) => taken.push((now, weight)),
                    Err(Wait::Until { wall_ms }) => {
                        prop_assert!(wall_ms > now);
                        let later = copy_of(&window);
                        prop_assert!(later.try_take(wall_ms, weight, 0).is_ok());
                        let before = copy_of(&window);
                        prop_assert!(before.try_take(wall_ms - 1, weight, 0).is_err());
                    }
                    Err(Wait::Never { .. }) => prop_assert!(weight > limit),
                    Err(Wait::Banned { .. }) => prop_assert!(false, "nobody was banned"),
                }
                let inside = |at: u64| match kind {
                    WindowKind::Fixed => at / length_ms == now / length_ms,
                    WindowKind::Sliding => at + length_ms > now,
                };
                let sum: u32 =
                    taken.iter().filter(|(at, _)| inside(*at)).map(|(_, weight)| weight).sum();
                prop_assert!(sum <= limit, "{sum} of {limit}");
            }
        }
    }
}
