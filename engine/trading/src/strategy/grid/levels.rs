//! Where the levels of a grid lie: exact integers from both ends, rounded down to ticks.

use enigma_types::{Instrument, Parameters, Price, Spacing, SpecError, StrategyKind};

use super::super::sizing::on_ticks;

/// The prices of all levels, lowest first, both ends included.
pub(super) fn prices(
    given: &Parameters,
    instrument: &Instrument,
) -> Result<Box<[Price]>, SpecError> {
    let missing = |parameter| SpecError::Missing { kind: StrategyKind::Grid, parameter };
    let lower = given.lower_price.ok_or_else(|| missing("lower_price"))?;
    let upper = given.upper_price.ok_or_else(|| missing("upper_price"))?;
    let lower = on_ticks("lower_price", lower, instrument)?;
    let upper = on_ticks("upper_price", upper, instrument)?;
    let steps = given.levels.ok_or_else(|| missing("levels"))?.saturating_sub(1).max(1);
    let between: Vec<i64> = match given.spacing {
        Some(Spacing::Geometric) => {
            let most = Price(lower.0.saturating_mul(MOST_RATIO as i64));
            if upper > most {
                let most = most.to_decimal(instrument.price_scale);
                return Err(SpecError::TooLarge { parameter: "upper_price", most });
            }
            geometric(lower.0, upper.0, steps)
        }
        Some(Spacing::Arithmetic) | None => arithmetic(lower.0, upper.0, steps),
    };
    let mut prices: Vec<Price> =
        between.into_iter().map(|price| Price(price).floor_to(instrument.tick)).collect();
    prices.push(upper);
    if prices.iter().zip(prices.iter().skip(1)).any(|(low, high)| low >= high) {
        return Err(SpecError::TooFine { parameter: "levels" });
    }
    Ok(prices.into())
}

/// All levels but the last, the same distance apart.
fn arithmetic(lower: i64, upper: i64, steps: u32) -> Vec<i64> {
    let span = i128::from(upper) - i128::from(lower);
    (0..steps)
        .map(|step| {
            let above = span * i128::from(step) / i128::from(steps);
            lower.saturating_add(i64::try_from(above).unwrap_or(i64::MAX))
        })
        .collect()
}

/// All levels but the last, the same ratio apart.
fn geometric(lower: i64, upper: i64, steps: u32) -> Vec<i64> {
    let base = u128::from(lower.unsigned_abs());
    let whole = u128::from(upper.unsigned_abs()) * ONE / base.max(1);
    let (mut low, mut high) = (ONE, whole);
    while low < high {
        let middle = low.midpoint(high + 1);
        if power(middle, steps, whole) <= whole { low = middle } else { high = middle - 1 }
    }
    (0..steps)
        .map(|step| {
            // The root is rounded down; a level that is a tick's multiple stays on it.
            let exact = base * power(low, step, whole) + ROUNDING * base;
            i64::try_from(exact / ONE).unwrap_or(i64::MAX)
        })
        .collect()
}

/// A ratio multiplied by itself so often, or something above `most` once it exceeds that.
fn power(ratio: u128, times: u32, most: u128) -> u128 {
    let mut product = ONE;
    for _ in 0..times {
        product = product * ratio / ONE;
        if product > most {
            return most + 1;
        }
    }
    product
}

/// The unit of ratios. Two of the largest multiplied fit 128 bits: (10³ · 10¹⁶)² < 2¹²⁸.
const ONE: u128 = 10_u128.pow(16);
const MOST_RATIO: u128 = 1_000;
/// More than 199 steps of rounding can lose, far less than a tick.
const ROUNDING: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop here")]

    use rust_decimal::Decimal;

    use super::super::super::scene;
    use super::*;

    #[track_caller]
    fn check(spacing: Spacing, lower: i64, upper: i64, levels: u32, expected: &[i64]) {
        let given = given(spacing, lower, upper, levels);
        let prices = prices(&given, &scene::instrument()).unwrap();
        let prices: Vec<i64> = prices.iter().map(|price| price.0).collect();
        assert_eq!(prices, expected);
    }

    fn given(spacing: Spacing, lower: i64, upper: i64, levels: u32) -> Parameters {
        Parameters {
            lower_price: Some(Decimal::new(lower, 1)),
            upper_price: Some(Decimal::new(upper, 1)),
            levels: Some(levels),
            spacing: Some(spacing),
            ..Parameters::default()
        }
    }

    #[test]
    fn levels_lie_evenly_or_in_ratio_between_both_ends() {
        check(Spacing::Arithmetic, 1_000, 2_000, 5, &[1_000, 1_250, 1_500, 1_750, 2_000]);
        check(Spacing::Arithmetic, 10, 20, 4, &[10, 13, 16, 20]);
        check(Spacing::Arithmetic, 10, 20, 2, &[10, 20]);
        check(Spacing::Geometric, 1_000, 8_000, 4, &[1_000, 2_000, 4_000, 8_000]);
        check(Spacing::Geometric, 1_000, 2_000, 3, &[1_000, 1_414, 2_000]);
        check(Spacing::Geometric, 100, 100_000, 4, &[100, 1_000, 10_000, 100_000]);
    }

    #[test]
    fn ratios_stay_exact_over_the_most_levels() {
        let given = given(Spacing::Geometric, 100_000, 800_000, 199);
        let prices = prices(&given, &scene::instrument()).unwrap();
        assert_eq!(prices.len(), 199);
        // 198 steps make a factor of eight: 66 of them double.
        let at = |level: usize| prices.get(level).unwrap().0;
        assert_eq!((at(66), at(132)), (200_000, 400_000));
    }

    #[test]
    fn levels_that_the_tick_cant_tell_apart_are_refused() {
        let refused = |given: Parameters| prices(&given, &scene::instrument()).unwrap_err();
        let fine = SpecError::TooFine { parameter: "levels" };
        assert_eq!(refused(given(Spacing::Arithmetic, 10, 12, 4)), fine);
        assert_eq!(refused(given(Spacing::Geometric, 10, 20, 50)), fine);
        let most = Decimal::new(1_000, 0);
        let large = SpecError::TooLarge { parameter: "upper_price", most };
        assert_eq!(refused(given(Spacing::Geometric, 10, 10_001, 5)), large);
    }
}
