//! Messages in any second, ten seconds or minute, counted in fixed memory whatever the limit is,
//! and the pause after a venue had no room.
//!
//! Time is cut into buckets. What a window counts is never less than the messages of its length
//! and never more than those of its length and two buckets, so no span of that length ever carries
//! more than the limit. Nothing here allocates after `new`.

use enigma_types::{Nanos, StrategyId};

/// The spans in which messages are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Window {
    Second,
    TenSeconds,
    Minute,
}

/// A sliding window over the messages of one scope.
#[derive(Clone, Debug)]
pub(super) struct MessageWindow {
    counts: Box<[u32; Self::RING]>,
    bucket_bits: u32,
    /// Buckets whose messages may still count, the newest included.
    span: u64,
    /// The newest bucket that was looked at.
    newest: u64,
    total: u64,
}

/// Messages of the whole engine. Cancels have a window of their own, so that orders never starve
/// them, and only the shortest: the longer ones keep below what a venue allows of orders, and no
/// venue counts cancels among them.
#[derive(Clone, Debug)]
pub(super) struct EngineThrottle {
    pub(super) orders: Windows,
    pub(super) cancels: MessageWindow,
}

/// One window of each length over the same messages.
#[derive(Clone, Debug)]
pub(super) struct Windows([MessageWindow; Window::ALL.len()]);

/// Messages of one strategy, and whether it has to wait.
#[derive(Clone, Debug)]
pub(super) struct StrategyThrottle {
    pub(super) orders: MessageWindow,
    pub(super) cancels: MessageWindow,
    pub(super) back_off: BackOff,
}

/// How long new orders wait after one was turned away for want of room: each time twice as long,
/// until one is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BackOff {
    /// When the last order was turned away.
    since: Nanos,
    until: Nanos,
    times: u32,
}

impl Window {
    pub(super) const ALL: [Self; 3] = [Self::Second, Self::TenSeconds, Self::Minute];

    const fn length(self) -> Nanos {
        match self {
            Self::Second => Nanos::from_secs(1),
            Self::TenSeconds => Nanos::from_secs(10),
            Self::Minute => Nanos::from_secs(60),
        }
    }

    /// A bucket is a power of two of nanoseconds: a shift, not a division, on the fast path.
    const fn bucket_bits(self) -> u32 {
        match self {
            Self::Second => 20,
            Self::TenSeconds => 24,
            Self::Minute => 26,
        }
    }

    const fn span(self) -> u64 {
        self.length().0 / (1 << self.bucket_bits()) + 2
    }
}

impl MessageWindow {
    const RING: usize = 1024;

    pub(super) fn new(window: Window) -> Self {
        const {
            let ring = Self::RING as u64;
            let fits = Window::Second.span() <= ring
                && Window::TenSeconds.span() <= ring
                && Window::Minute.span() <= ring;
            assert!(fits, "the ring holds more than the window");
        }
        Self {
            counts: Box::new([0; Self::RING]),
            bucket_bits: window.bucket_bits(),
            span: window.span(),
            newest: 0,
            total: 0,
        }
    }

    /// How many messages count against the limit at this instant.
    pub(super) fn count(&mut self, now: Nanos) -> u64 {
        let bucket = now.0 >> self.bucket_bits;
        let passed = bucket.saturating_sub(self.newest).min(self.span);
        for step in 1..=passed {
            if self.total == 0 {
                break;
            }
            // The bucket that leaves the window as the newest becomes `newest + step`.
            let leaving = (self.newest + step + Self::RING as u64).wrapping_sub(self.span);
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

    fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    fn slot_mut(&mut self, bucket: u64) -> &mut u32 {
        // The mask keeps the index inside the array, which the compiler sees.
        &mut self.counts[(bucket as usize) & (Self::RING - 1)]
    }
}

impl EngineThrottle {
    pub(super) fn new() -> Self {
        Self { orders: Windows::new(), cancels: MessageWindow::new(Window::Second) }
    }
}

impl Windows {
    fn new() -> Self {
        Self(Window::ALL.map(MessageWindow::new))
    }

    pub(super) fn count(&mut self, now: Nanos) -> [u64; Window::ALL.len()] {
        let [second, ten_seconds, minute] = &mut self.0;
        [second.count(now), ten_seconds.count(now), minute.count(now)]
    }

    pub(super) fn record(&mut self, now: Nanos) {
        for window in &mut self.0 {
            window.record(now);
        }
    }
}

impl StrategyThrottle {
    pub(super) fn new() -> Self {
        let window = || MessageWindow::new(Window::Second);
        Self { orders: window(), cancels: window(), back_off: BackOff::default() }
    }

    pub(super) fn clear(&mut self) {
        self.orders.clear();
        self.cancels.clear();
        self.back_off = BackOff::default();
    }
}

impl BackOff {
    pub(super) const FIRST: Nanos = Nanos::from_millis(250);
    pub(super) const LONGEST: Nanos = Nanos::from_secs(30);

    /// An order that was handed over at `sent_at` was turned away.
    pub(super) fn turned_away(&mut self, sent_at: Nanos, now: Nanos) {
        // Those that left before the first came back say nothing new.
        if self.times > 0 && sent_at <= self.since {
            return;
        }
        let doubled = Self::FIRST.0.saturating_mul(1 << self.times.min(16));
        self.since = now;
        self.until = now.plus(Nanos(doubled).min(Self::LONGEST));
        self.times = self.times.saturating_add(1);
    }

    /// The venue took an order that was handed over at `sent_at`.
    pub(super) fn accepted(&mut self, sent_at: Nanos) {
        if sent_at > self.since {
            *self = Self::default();
        }
    }

    /// How much longer to wait.
    pub(super) fn left(&self, now: Nanos) -> Nanos {
        self.until.since(now)
    }
}

/// How much of an engine's window this sender may fill. Strategies leave a fifth to the person at
/// the API, who must get through whatever they do.
pub(super) fn share(limit: u32, strategy: StrategyId) -> u32 {
    if strategy == StrategyId::MANUAL { limit } else { (limit - limit.div_ceil(5)).max(1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_counts_for_the_windows_length_and_is_gone_two_buckets_later() {
        for window in Window::ALL {
            let mut counted = MessageWindow::new(window);
            let (start, length) = (7_777_777_777, window.length().0);
            counted.record(Nanos(start));
            counted.record(Nanos(start));
            assert_eq!(counted.count(Nanos(start + length - 1)), 2, "{window:?}");
            let gone = start + length + (2 << window.bucket_bits());
            assert_eq!(counted.count(Nanos(gone)), 0, "{window:?}");
        }
    }

    #[test]
    fn a_long_silence_empties_the_window_in_one_step() {
        let mut window = MessageWindow::new(Window::Second);
        for step in 0..500 {
            window.record(Nanos(step * 1_500_000));
        }
        assert_eq!(window.count(Nanos::from_secs(86_400)), 0);
        window.record(Nanos::from_secs(86_400));
        assert_eq!(window.count(Nanos::from_secs(86_400)), 1);
    }

    #[test]
    fn time_that_stands_still_or_goes_back_loses_no_message() {
        let mut window = MessageWindow::new(Window::Second);
        window.record(Nanos::from_secs(10));
        window.record(Nanos::from_secs(9));
        assert_eq!(window.count(Nanos::from_secs(9)), 2);
    }

    #[test]
    fn strategies_leave_a_fifth_to_the_person_and_always_have_one() {
        let shares = [1, 2, 3, 4, 5, 50, 250, 1_000, u32::MAX].map(|limit| {
            assert_eq!(share(limit, StrategyId::MANUAL), limit);
            share(limit, StrategyId(1))
        });
        assert_eq!(shares, [1, 1, 2, 3, 4, 40, 200, 800, 3_435_973_836]);
    }

    #[test]
    fn a_back_off_doubles_up_to_its_bound_and_ends_with_an_order_sent_since() {
        let mut back_off = BackOff::default();
        let mut now = Nanos::from_secs(100);
        let mut waits = Vec::new();
        for _ in 0..9 {
            back_off.turned_away(now, now);
            // The rest of the same burst.
            back_off.turned_away(Nanos(now.0 - 1), now.plus(Nanos(5)));
            waits.push(back_off.left(now).as_millis());
            now = now.plus(back_off.left(now));
            assert_eq!(back_off.left(now), Nanos::ZERO);
            now = now.plus(Nanos(1));
        }
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        // One that left before and was accepted says nothing of now.
        let turned_away = now;
        back_off.turned_away(turned_away, turned_away);
        back_off.accepted(turned_away);
        assert_eq!(back_off.left(turned_away), BackOff::LONGEST);
        back_off.accepted(Nanos(turned_away.0 + 1));
        assert_eq!(back_off.left(turned_away), Nanos::ZERO);
        back_off.turned_away(now, now);
        assert_eq!(back_off.left(now), BackOff::FIRST);
    }

    proptest! {
        #[test]
        fn never_less_than_the_windows_length_nor_more_than_two_buckets_beyond(
            which in 0_usize..3,
            gaps in prop::collection::vec(0_u64..400_000_000, 1..200),
        ) {
            let window = Window::ALL[which];
            let length = window.length().0;
            let mut counted = MessageWindow::new(window);
            let mut sent: Vec<u64> = Vec::new();
            let mut now = 3;
            for gap in gaps {
                // The same gaps in buckets, whatever the window's are.
                now += gap << (window.bucket_bits() - Window::Second.bucket_bits());
                let within = |age: u64| {
                    sent.iter().filter(|&&at| now - at < age).count() as u64
                };
                let count = counted.count(Nanos(now));
                prop_assert!(count >= within(length));
                prop_assert!(count <= within(length + (2 << window.bucket_bits())));
                counted.record(Nanos(now));
                sent.push(now);
            }
        }
    }
}
