//! Latency histograms that the pinned thread fills and anybody reads.
//!
//! Log-linear: each octave is cut into 32 equal buckets, so that a value is known to within 3 per
//! cent from 16 ns to a second, and its neighbours' cache lines are few. One thread records, with
//! plain loads and stores; readers take copies and subtract them. No clock is read here.

use std::sync::atomic::{AtomicU64, Ordering};

/// A histogram with one writer.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

/// A copy of a histogram. It is not taken at one instant: a value recorded meanwhile may be in it
/// or not, but a value is never half counted.
#[derive(Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    buckets: Box<[u64; BUCKETS]>,
    count: u64,
    sum_ns: u64,
    max_ns: u64,
}

/// What a table shows of a histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    pub count: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p99_9_ns: u64,
    pub max_ns: u64,
}

/// The stages from a tick's bytes to the order's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStage {
    Receive,
    Decode,
    Book,
    Strategy,
    Risk,
    Journal,
    Sign,
    Encode,
    Send,
}

/// Every histogram of one engine.
#[derive(Debug, Default)]
pub struct StageHistograms {
    stages: [Histogram; PathStage::ALL.len()],
    /// From the tick's bytes in our buffer to just before the order's write.
    pub tick_to_order: Histogram,
    /// From the order's write to the venue's first answer.
    pub order_ack: Histogram,
}

impl Histogram {
    /// Counts a duration. For the one writer only: two at once would lose counts.
    #[inline]
    pub fn record(&self, nanos: u64) {
        if let Some(bucket) = self.buckets.get(bucket_of(nanos)) {
            add(bucket, 1);
        }
        add(&self.sum_ns, nanos);
        if nanos > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.store(nanos, Ordering::Relaxed);
        }
    }

    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut copy = HistogramSnapshot::default();
        for (into, bucket) in copy.buckets.iter_mut().zip(self.buckets.iter()) {
            *into = bucket.load(Ordering::Relaxed);
        }
        copy.count = copy.buckets.iter().sum();
        copy.sum_ns = self.sum_ns.load(Ordering::Relaxed);
        copy.max_ns = self.max_ns.load(Ordering::Relaxed);
        copy
    }
}

impl HistogramSnapshot {
    /// Prometheus' buckets: powers of two from 16 ns to about a second.
    pub const BOUNDS: usize = 27;

    pub const fn count(&self) -> u64 {
        self.count
    }

    pub const fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// Exact for a whole histogram; of a difference, the upper end of the highest bucket.
    pub const fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The value that a share of all values doesn't exceed, in parts of `of`: 999 of 1,000 for
    /// p99.9. Within 3 per cent of the true one; zero when nothing was recorded.
    pub fn quantile(&self, part: u64, of: u64) -> u64 {
        let wanted = u128::from(self.count) * u128::from(part);
        let rank = u64::try_from(wanted.div_ceil(u128::from(of.max(1)))).unwrap_or(self.count);
        let rank = rank.clamp(1, self.count.max(1));
        let mut seen = 0;
        for (place, &count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle_of(place).min(self.max_ns);
            }
        }
        0
    }

    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            count: self.count,
            p50_ns: self.quantile(50, 100),
            p99_ns: self.quantile(99, 100),
            p99_9_ns: self.quantile(999, 1_000),
            max_ns: self.max_ns,
        }
    }

    /// For each power of two from 16 ns on: the bound in nanoseconds, and how many values are at
    /// most that. Exact, since buckets end at powers of two.
    pub fn cumulative(&self) -> [(u64, u64); Self::BOUNDS] {
        let mut rows = [(0, 0); Self::BOUNDS];
        let mut seen = 0;
        let mut places = self.buckets.iter().enumerate().peekable();
        for (power, row) in rows.iter_mut().enumerate() {
            let bound = 16_u64 << power;
            while let Some((_, count)) = places.next_if(|&(place, _)| upper_of(place) <= bound) {
                seen += count;
            }
            *row = (bound, seen);
        }
        rows
    }

    /// What was recorded since an earlier copy of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = Self::default();
        let mut highest = None;
        for (place, into) in difference.buckets.iter_mut().enumerate() {
            *into = self.buckets[place].saturating_sub(earlier.buckets[place]);
            if *into > 0 {
                highest = Some(place);
            }
        }
        difference.count = difference.buckets.iter().sum();
        difference.sum_ns = self.sum_ns.saturating_sub(earlier.sum_ns);
        difference.max_ns = highest.map_or(0, |place| upper_of(place).min(self.max_ns));
        difference
    }
}

impl PathStage {
    pub const ALL: [Self; 9] = [
        Self::Receive,
        Self::Decode,
        Self::Book,
        Self::Strategy,
        Self::Risk,
        Self::Journal,
        Self::Sign,
        Self::Encode,
        Self::Send,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Decode => "decode",
            Self::Book => "book",
            Self::Strategy => "strategy",
            Self::Risk => "risk",
            Self::Journal => "journal",
            Self::Sign => "sign",
            Self::Encode => "encode",
            Self::Send => "send",
        }
    }
}

impl StageHistograms {
    #[inline]
    pub const fn stage(&self, stage: PathStage) -> &Histogram {
        &self.stages[stage as usize]
    }
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = Box::new(std::array::from_fn(|_| AtomicU64::new(0)));
        Self { buckets, sum_ns: AtomicU64::new(0), max_ns: AtomicU64::new(0) }
    }
}

impl Default for HistogramSnapshot {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0, sum_ns: 0, max_ns: 0 }
    }
}

impl std::fmt::Debug for HistogramSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.quantiles().fmt(f)
    }
}

/// The bucket of a value. Buckets exclude their lower end and include their upper one, as
/// Prometheus' do: so one nanosecond is taken off before the value is split up.
#[inline]
const fn bucket_of(nanos: u64) -> usize {
    let value = nanos.saturating_sub(1);
    if value < SUB_BUCKETS {
        return value as usize;
    }
    let octave = value.ilog2();
    if octave > HIGHEST_OCTAVE {
        return BUCKETS - 1;
    }
    let shift = octave - SUB_BITS;
    (shift as usize) * SUB_BUCKETS as usize + (value >> shift) as usize
}

/// The largest value that a bucket holds.
const fn upper_of(place: usize) -> u64 {
    if place == BUCKETS - 1 {
        return u64::MAX;
    }
    lower_of(place + 1)
}

/// The value just below a bucket.
const fn lower_of(place: usize) -> u64 {
    if place < SUB_BUCKETS as usize {
        return place as u64;
    }
    let shift = place as u64 / SUB_BUCKETS - 1;
    (place as u64 % SUB_BUCKETS + SUB_BUCKETS) << shift
}

const fn middle_of(place: usize) -> u64 {
    if place == BUCKETS - 1 {
        // Nothing is known of these but that they are long: the caller caps it at the maximum.
        return u64::MAX;
    }
    (lower_of(place) + upper_of(place)).div_ceil(2)
}

/// One writer adds: no other thread can come between load and store.
#[inline]
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

const SUB_BITS: u32 = 5;
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
/// Values beyond 2³⁰ ns share the last bucket.
const HIGHEST_OCTAVE: u32 = 29;
const BUCKETS: usize = (HIGHEST_OCTAVE - SUB_BITS + 2) as usize * SUB_BUCKETS as usize + 1;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_a_hole() {
        for place in 0..BUCKETS - 1 {
            let (lower, upper) = (lower_of(place), upper_of(place));
            assert!(lower < upper);
            assert_eq!(bucket_of(lower + 1), place, "the value above {lower}");
            assert_eq!(bucket_of(upper), place, "{upper}");
            assert_eq!(bucket_of(upper + 1), place + 1, "the value above {upper}");
        }
        assert_eq!(upper_of(BUCKETS - 2), 1 << 30);
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_empty_histogram_has_no_quantiles() {
        assert_eq!(Histogram::default().snapshot().quantiles(), Quantiles::default());
    }

    #[test]
    fn a_value_beyond_the_last_bucket_is_its_own_maximum() {
        let histogram = Histogram::default();
        histogram.record(5_000_000_000);
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.quantiles().p50_ns, 5_000_000_000);
        assert_eq!(snapshot.cumulative().last(), Some(&(1 << 30, 0)));
    }

    #[test]
    fn bounds_count_what_is_at_most_that_long() {
        let histogram = Histogram::default();
        for nanos in [0, 16, 17, 32, 33, 1_024, 1_025, 1 << 30, (1 << 30) + 1] {
            histogram.record(nanos);
        }
        let rows = histogram.snapshot().cumulative();
        let at = |bound: u64| rows.iter().find(|row| row.0 == bound).unwrap().1;
        assert_eq!(rows[0], (16, 2));
        assert_eq!((at(32), at(64), at(1_024), at(2_048), at(1 << 30)), (4, 5, 6, 7, 8));
    }

    #[test]
    fn a_difference_holds_only_what_came_since() {
        let histogram = Histogram::default();
        histogram.record(1_000_000);
        let earlier = histogram.snapshot();
        for nanos in 100..200 {
            histogram.record(nanos);
        }
        let since = histogram.snapshot().since(&earlier);
        assert_eq!((since.count(), since.sum_ns()), (100, 14_950));
        assert!((199..=206).contains(&since.max_ns()), "{since:?}");
        assert_eq!(earlier.quantiles().max_ns, 1_000_000);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_three_per_cent(
            mut values in proptest::collection::vec(16_u64..1 << 30, 1..400),
            part in 1_u64..=1_000,
        ) {
            let histogram = Histogram::default();
            for &value in &values {
                histogram.record(value);
            }
            values.sort_unstable();
            let rank = (values.len() as u64 * part).div_ceil(1_000).max(1) as usize;
            let exact = values[rank - 1];
            let found = histogram.snapshot().quantile(part, 1_000);
            prop_assert!(found.abs_diff(exact) * 100 <= exact * 3, "{found} for {exact}");
            prop_assert_eq!(histogram.snapshot().max_ns(), *values.last().unwrap());
            prop_assert_eq!(histogram.snapshot().sum_ns(), values.iter().sum::<u64>());
        }
    }
}
