//! What strategies have realised: the average-cost books of their own fills.
//!
//! Cost is moved in whole units of 10⁻¹² and what division leaves over stays with the position, so
//! that a flat book has realised exactly what its fills paid and took in.

use std::collections::BTreeMap;

use enigma_engine::history::Move;
use enigma_types::{AccountId, Amount, Instrument, InstrumentId, SignedQuantity, StrategyId};

/// Books of every strategy, by account and instrument. As many as there are positions.
#[derive(Debug, Default)]
pub(super) struct Results {
    books: BTreeMap<(AccountId, InstrumentId, StrategyId), Book>,
}

/// What is held and what it cost; both below zero for a short position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Book {
    quantity: SignedQuantity,
    cost: Amount,
}

/// A result that was realised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Realised {
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    pub(super) amount: Amount,
}

impl Results {
    /// Books a move and gives what it realised; nothing where that is zero.
    pub(super) fn apply<'a>(
        &mut self,
        step: &Move,
        instrument: impl Fn(InstrumentId) -> Option<&'a Instrument>,
    ) -> Vec<Realised> {
        match step {
            Move::Filled(execution) => {
                let fill = &execution.fill;
                let Some(known) = instrument(fill.instrument) else { return Vec::new() };
                let strategy = fill.strategy.unwrap_or(StrategyId::MANUAL);
                let key = (fill.account, fill.instrument, strategy);
                let change = fill.fill.quantity.signed(fill.fill.side);
                let value = known.value(fill.fill.price, change);
                let amount = self.books.entry(key).or_default().apply(change, value);
                realised(key, amount)
            }
            Move::Bequeathed { strategy, .. } => self.bequeath(*strategy),
        }
    }

    /// The operator takes a strategy's positions over at what they cost.
    fn bequeath(&mut self, strategy: StrategyId) -> Vec<Realised> {
        let own = self.books.iter().filter(|((_, _, owner), _)| *owner == strategy);
        let own: Vec<_> = own.map(|(key, book)| (*key, *book)).collect();
        let mut results = Vec::new();
        for (key, book) in own {
            self.books.remove(&key);
            let heir = (key.0, key.1, StrategyId::MANUAL);
            let amount = self.books.entry(heir).or_default().apply(book.quantity, book.cost);
            results.extend(realised(heir, amount));
        }
        results
    }
}

impl Book {
    /// Takes a quantity of this value in. What closes a position gives its result.
    fn apply(&mut self, change: SignedQuantity, value: Amount) -> Amount {
        let (held, moved) = (i128::from(self.quantity.0), i128::from(change.0));
        if held.signum() * moved.signum() >= 0 {
            self.quantity = self.quantity.plus(change);
            self.cost += value;
            return Amount::ZERO;
        }
        let closed = held.unsigned_abs().min(moved.unsigned_abs());
        let proceeds = share(value, closed, moved.unsigned_abs());
        let cost = share(self.cost, closed, held.unsigned_abs());
        self.quantity = self.quantity.plus(change);
        self.cost = self.cost - cost + (value - proceeds);
        -(proceeds + cost)
    }
}

fn realised(
    (account, instrument, _): (AccountId, InstrumentId, StrategyId),
    amount: Amount,
) -> Vec<Realised> {
    if amount == Amount::ZERO {
        return Vec::new();
    }
    vec![Realised { account, instrument, amount }]
}

/// `part` of `whole` of an amount, cut off towards zero.
fn share(amount: Amount, part: u128, whole: u128) -> Amount {
    if part == whole {
        return amount;
    }
    let magnitude = amount.0.unsigned_abs();
    // Quotient and remainder apart: the product of the whole amount could be too large.
    let share = magnitude / whole * part + magnitude % whole * part / whole;
    let share = i128::try_from(share).unwrap_or(i128::MAX);
    Amount(if amount.is_negative() { -share } else { share })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(steps: &[(i64, i128)], realised: &[i128], left: (i64, i128)) {
        let mut book = Book::default();
        let results: Vec<i128> = steps
            .iter()
            .map(|(quantity, value)| book.apply(SignedQuantity(*quantity), Amount(*value)).0)
            .collect();
        assert_eq!(results, realised);
        assert_eq!((book.quantity.0, book.cost.0), left);
        let paid: i128 = steps.iter().map(|(_, value)| value).sum();
        assert_eq!(results.iter().sum::<i128>(), left.1 - paid, "what came in is what went out");
    }

    #[test]
    fn what_is_closed_gives_its_result_at_average_cost() {
        check(&[(10, 1_000), (-4, -440)], &[0, 40], (6, 600));
        check(&[(10, 1_000), (10, 1_200), (-20, -2_000)], &[0, 0, -200], (0, 0));
        check(&[(-10, -1_000), (4, 360)], &[0, 40], (-6, -600));
        check(&[(10, 1_000), (-15, -1_650)], &[0, 100], (-5, -550));
        check(&[(3, 100), (-1, -40), (-1, -40), (-1, -40)], &[0, 7, 7, 6], (0, 0));
    }

    #[test]
    fn random_trades_lose_no_unit() {
        let seed: u64 = 0x5EED_0B00;
        let mut state = seed;
        let mut next = move |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        for round in 0..2_000 {
            let mut book = Book::default();
            let (mut paid, mut result) = (0_i128, 0_i128);
            for _ in 0..30 {
                let side = if next(2) == 0 { 1 } else { -1 };
                let quantity = side * (1 + next(1_000_000) as i64);
                let value = i128::from(quantity) * i128::from(1 + next(90_000_000)) * 1_000;
                paid += value;
                result += book.apply(SignedQuantity(quantity), Amount(value)).0;
            }
            assert_eq!(result + paid, book.cost.0, "seed {seed:x}, round {round}");
            if book.quantity.0 == 0 {
                assert_eq!(book.cost.0, 0, "seed {seed:x}, round {round}");
            }
        }
    }

    #[test]
    fn a_removed_strategys_position_meets_the_operators_own() {
        let (account, instrument) = (AccountId(0), InstrumentId(0));
        let mut results = Results::default();
        let key = |strategy| (account, instrument, strategy);
        let book = |quantity, cost| Book { quantity: SignedQuantity(quantity), cost: Amount(cost) };
        results.books.insert(key(StrategyId(3)), book(5, 500));
        results.books.insert(key(StrategyId::MANUAL), book(-5, -520));
        let step = Move::Bequeathed {
            strategy: StrategyId(3),
            sequence: 9,
            at: enigma_types::UnixNanos(1),
        };
        let realised = results.apply(&step, |_| None);
        assert_eq!(realised.len(), 1);
        assert_eq!(realised[0].amount, Amount(20));
        assert_eq!(results.books, BTreeMap::from([(key(StrategyId::MANUAL), book(0, 0))]));
    }
}
