//! How often a venue is dialled: back-off with jitter for each place, and the venue's own budget of
//! connections. It must not read a clock: instants and seeds are arguments.

use std::collections::VecDeque;

use enigma_types::Nanos;

/// The wait before the next dial of one place, doubled with each failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

/// A venue's limit on dials: so many in any span of so long.
#[derive(Clone, Debug)]
pub struct DialBudget {
    dials: VecDeque<Nanos>,
    most: usize,
    span: Nanos,
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Backoff {
    pub const SHORTEST: Nanos = Nanos::from_millis(250);
    pub const LONGEST: Nanos = Nanos::from_secs(30);
    /// A session that was ready for so long has earned a fresh start.
    pub const FORGIVEN_AFTER: Nanos = Nanos::from_secs(30);

    /// The next wait: half of it certain and half by chance, so that places that fell together
    /// don't rise together.
    pub fn next(&mut self, random: &mut Random) -> Nanos {
        let doubled = Self::SHORTEST.0 << self.failures.min(16);
        let full = doubled.min(Self::LONGEST.0);
        self.failures = self.failures.saturating_add(1);
        Nanos(full / 2 + random.below(full / 2 + 1))
    }

    pub fn forgive(&mut self) {
        self.failures = 0;
    }
}

impl DialBudget {
    #[must_use]
    pub fn new(most: usize, span: Nanos) -> Self {
        assert!(most > 0, "a budget of no dials lets nothing work");
        Self { dials: VecDeque::with_capacity(most), most, span }
    }

    /// How many dials may be made now.
    pub fn left(&mut self, now: Nanos) -> usize {
        while self.dials.front().is_some_and(|&dial| now.since(dial) >= self.span) {
            self.dials.pop_front();
        }
        self.most - self.dials.len()
    }

    /// Takes one dial, or says when the next one may be made.
    pub fn try_take(&mut self, now: Nanos) -> Result<(), Nanos> {
        self.left(now);
        match self.dials.front() {
            Some(&oldest) if self.dials.len() == self.most => Err(oldest.plus(self.span)),
            Some(_) | None => {
                self.dials.push_back(now);
                Ok(())
            }
        }
    }
}

impl Default for DialBudget {
    /// Binance: 300 connections in five minutes from one address (venues/binance.md).
    fn default() -> Self {
        Self::new(300, Nanos::from_secs(300))
    }
}

impl Random {
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        // The bias of the remainder is far below what a wait could show.
        self.draw() % limit.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_jitter_up_to_their_bound_and_start_again_when_forgiven() {
        let seed = 42;
        println_seed(seed);
        let mut random = Random::new(seed);
        let mut backoff = Backoff::default();
        for failure in 0..40_u32 {
            let full = (250_000_000_u64 << failure.min(16)).min(30_000_000_000);
            let wait = backoff.next(&mut random).0;
            assert!((full / 2..=full).contains(&wait), "failure {failure}: {wait}");
        }
        backoff.forgive();
        assert!(backoff.next(&mut random) <= Backoff::SHORTEST);
    }

    #[test]
    fn jitter_differs_by_seed() {
        let first = Backoff::default().next(&mut Random::new(1));
        let second = Backoff::default().next(&mut Random::new(2));
        assert_ne!(first, second);
    }

    #[test]
    fn no_more_dials_than_the_budget_in_any_span() {
        let second = Nanos::from_secs(1);
        let mut budget = DialBudget::new(3, Nanos::from_secs(10));
        for at in 1..=3 {
            assert_eq!(budget.try_take(Nanos::from_secs(at)), Ok(()));
        }
        assert_eq!(budget.try_take(Nanos::from_secs(4)), Err(Nanos::from_secs(11)));
        assert_eq!(budget.try_take(Nanos::from_secs(11)), Ok(()));
        assert_eq!(budget.try_take(Nanos::from_secs(11)), Err(Nanos::from_secs(12)));
        assert_eq!(budget.try_take(Nanos::from_secs(100).plus(second)), Ok(()));
    }

    #[expect(clippy::print_stdout, reason = "a random test prints its seed")]
    fn println_seed(seed: u64) {
        println!("seed {seed}");
    }
}
