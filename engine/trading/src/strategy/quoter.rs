//! `quoter`: one post-only bid and one post-only ask around the microprice, leaning against the
//! position it holds.
//!
//! The microprice weighs each touch by the quantity that stands against it: (bid × ask quantity +
//! ask × bid quantity) / (both quantities). It is never rounded before the quotes are; those are
//! rounded away from it. The quoter never crosses the touch, never quotes beyond its maximum
//! position, and leaves orders with an unanswered request alone.

use enigma_types::{Parameters, Price, Quantity, Side, TimeInForce};

use super::sizing::{Sizing, in_bounds};
use super::{Decision, Decisions, OwnOrder, Strategy, View};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoter {
    sizing: Sizing,
    half_spread_ticks: i64,
    skew_ticks: i64,
    requote_ticks: i64,
}

/// Where the two quotes belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Targets {
    bid: Price,
    ask: Price,
}

impl Quoter {
    pub(super) fn new(sizing: Sizing, parameters: &Parameters) -> Self {
        Self {
            sizing,
            half_spread_ticks: i64::from(parameters.half_spread_ticks.unwrap_or_default()),
            skew_ticks: i64::from(parameters.skew_ticks.unwrap_or_default()),
            requote_ticks: i64::from(parameters.requote_ticks.unwrap_or_default()),
        }
    }

    /// `None` when the book gives no price to quote around.
    fn targets(&self, view: &View<'_>) -> Option<Targets> {
        let (bid, ask) = (view.book.best_bid()?, view.book.best_ask()?);
        if bid.price.0 <= 0 || bid.price >= ask.price {
            return None;
        }
        let tick = view.instrument.tick;
        let (against_bid, against_ask) = (i128::from(ask.quantity.0), i128::from(bid.quantity.0));
        let weight = (against_bid + against_ask).checked_mul(i128::from(tick.0))?;
        let weighed = (i128::from(bid.price.0) * against_bid)
            .checked_add(i128::from(ask.price.0) * against_ask)?;
        let below = i64::try_from(weighed.checked_div_euclid(weight)?).ok()?;
        let between = weighed.rem_euclid(weight) != 0;
        // No spread at all around a microprice on the grid: the two quotes would meet.
        let apart = i64::from(!between && self.half_spread_ticks == 0);
        let middle = below.saturating_add(self.shift_ticks(view));
        let bid_ticks = middle.saturating_sub(self.half_spread_ticks + apart);
        let ask_ticks = middle.saturating_add(i64::from(between) + self.half_spread_ticks + apart);
        let highest_bid = Price(ask.price.0.saturating_sub(tick.0)).floor_to(tick);
        let lowest_ask = Price(bid.price.0.saturating_add(tick.0)).ceil_to(tick);
        Some(Targets {
            bid: Price(bid_ticks.saturating_mul(tick.0)).min(highest_bid),
            ask: Price(ask_ticks.saturating_mul(tick.0)).max(lowest_ask),
        })
    }

    /// How far both quotes move against the position, to the nearest tick.
    fn shift_ticks(&self, view: &View<'_>) -> i64 {
        let full = i128::from(self.sizing.max_position.0);
        let held = i128::from(view.position.0).clamp(-full, full);
        let doubled = 2 * i128::from(self.skew_ticks) * held;
        let rounded = (doubled + full).div_euclid(2 * full);
        i64::try_from(-rounded).unwrap_or(0)
    }

    fn tend(&self, view: &View<'_>, side: Side, target: Price, decisions: &mut Decisions) {
        let mut ours = view.orders.iter().filter(|order| order.side == side);
        let Some(quote) = ours.next() else {
            let quantity = self.quotable(view, side, target);
            if !quantity.is_zero() {
                let order = self.sizing.order(side, target, quantity, TimeInForce::PostOnly);
                push(decisions, Decision::Place(order));
            }
            return;
        };
        let mut others = Quantity::ZERO;
        for extra in ours {
            others = others.plus(extra.leaves_quantity);
            cancel(extra, decisions);
        }
        if quote.busy {
            return;
        }
        let room = self.sizing.room(view, side, others, target);
        let wanted = if in_bounds(view.instrument, target) { room } else { Quantity::ZERO };
        if wanted.is_zero() {
            cancel(quote, decisions);
        } else if quote.leaves_quantity > wanted || self.is_off(view, quote, target) {
            push(
                decisions,
                Decision::Replace {
                    client_order_id: quote.client_order_id,
                    price: target,
                    quantity: wanted,
                },
            );
        }
    }

    /// What a new quote on an empty side may hold.
    fn quotable(&self, view: &View<'_>, side: Side, target: Price) -> Quantity {
        if in_bounds(view.instrument, target) {
            self.sizing.room(view, side, Quantity::ZERO, target)
        } else {
            Quantity::ZERO
        }
    }

    fn is_off(&self, view: &View<'_>, quote: &OwnOrder, target: Price) -> bool {
        let distance = quote.price.0.abs_diff(target.0);
        let threshold = self.requote_ticks.saturating_mul(view.instrument.tick.0);
        distance >= threshold.unsigned_abs()
    }
}

impl Strategy for Quoter {
    /// A book without two sides in order takes the quotes away: nobody knows where they belong.
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        match self.targets(view) {
            Some(targets) => {
                self.tend(view, Side::Buy, targets.bid, decisions);
                self.tend(view, Side::Sell, targets.ask, decisions);
            }
            None => {
                for order in view.orders {
                    cancel(order, decisions);
                }
            }
        }
    }
}

fn cancel(order: &OwnOrder, decisions: &mut Decisions) {
    if !order.busy {
        push(decisions, Decision::Cancel(order.client_order_id));
    }
}

/// What doesn't fit is decided again at the next change of the book.
fn push(decisions: &mut Decisions, decision: Decision) {
    let _ = decisions.try_push(decision);
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::StrategyKind;
    use proptest::prelude::*;

    use super::super::scene::{Scene, parameters};
    use super::*;

    /// Quotes of 0.010 two ticks from the microprice, at the most 0.050 held, skewed by 4 ticks.
    fn scene() -> Scene {
        let mut given = parameters();
        given.half_spread_ticks = Some(2);
        given.skew_ticks = Some(4);
        Scene::new(StrategyKind::Quoter, given)
    }

    /// What is decided, as `bid 9999 x 10` for a place, `replace 1 9999 x 10`, `cancel 1`.
    #[track_caller]
    fn check(scene: &mut Scene, expected: &[&str]) {
        assert_eq!(scene.decide(), expected);
    }

    #[test]
    fn an_empty_side_gets_a_quote_rounded_away_from_the_microprice() {
        // Equal quantities: the microprice is the middle.
        check(
            scene().touch(9_990, 5, 10_010, 5),
            &["buy 9998 x 10 PostOnly", "sell 10002 x 10 PostOnly"],
        );
        // 3 against 1: three quarters of the way to the ask, at 10005.
        check(
            scene().touch(9_990, 3, 10_010, 1),
            &["buy 10003 x 10 PostOnly", "sell 10007 x 10 PostOnly"],
        );
        // A third of the way, 9996.67: the bid goes down to 9996 - 2, the ask up to 9997 + 2.
        check(
            scene().touch(9_990, 1, 10_010, 2),
            &["buy 9994 x 10 PostOnly", "sell 9999 x 10 PostOnly"],
        );
    }

    #[test]
    fn quotes_never_reach_the_other_side_of_the_touch() {
        let mut given = parameters();
        given.half_spread_ticks = Some(0);
        let mut close = Scene::new(StrategyKind::Quoter, given);
        check(
            close.touch(9_999, 1, 10_000, 1),
            &["buy 9999 x 10 PostOnly", "sell 10000 x 10 PostOnly"],
        );
        // A full long position skews by four ticks down; the ask stops one above the bid.
        check(scene().touch(9_999, 1, 10_000, 1).hold(50), &["sell 10000 x 10 PostOnly"]);
        check(scene().touch(9_999, 1, 10_000, 1).hold(-50), &["buy 9999 x 10 PostOnly"]);
    }

    #[test]
    fn quotes_without_a_spread_never_meet_each_other() {
        let mut given = parameters();
        given.half_spread_ticks = Some(0);
        let mut flat = Scene::new(StrategyKind::Quoter, given);
        check(
            flat.touch(9_990, 1, 10_010, 1),
            &["buy 9999 x 10 PostOnly", "sell 10001 x 10 PostOnly"],
        );
    }

    #[test]
    fn both_quotes_lean_against_the_position_to_the_nearest_tick() {
        for (position, shift) in [(50, -4), (25, -2), (19, -2), (18, -1), (6, 0), (-25, 2)] {
            let mut scene = scene();
            scene.touch(9_900, 5, 10_100, 5).hold(position);
            let decided = scene.decide();
            let ask = format!("sell {} x 10 PostOnly", 10_002 + shift);
            assert!(decided.contains(&ask), "{position}: {decided:?}");
        }
    }

    #[test]
    fn a_quote_is_replaced_from_the_threshold_on_and_not_before() {
        let mut given = parameters();
        given.half_spread_ticks = Some(2);
        given.requote_ticks = Some(3);
        let mut calm = Scene::new(StrategyKind::Quoter, given);
        calm.touch(9_990, 5, 10_010, 5);
        check(calm.order(1, Side::Buy, 9_996, 10).order(2, Side::Sell, 10_000, 10), &[]);
        calm.clear_orders();
        check(
            calm.order(1, Side::Buy, 9_995, 10).order(2, Side::Sell, 10_005, 10),
            &["replace 1 9998 x 10", "replace 2 10002 x 10"],
        );
    }

    #[test]
    fn a_partly_filled_quote_keeps_its_place_and_is_filled_up_when_it_moves() {
        let mut scene = scene();
        scene.touch(9_990, 5, 10_010, 5).order(2, Side::Sell, 10_002, 10);
        check(scene.order(1, Side::Buy, 9_998, 4), &[]);
        scene.clear_orders();
        scene.order(2, Side::Sell, 10_002, 10);
        check(scene.order(1, Side::Buy, 9_990, 4), &["replace 1 9998 x 10"]);
    }

    #[test]
    fn busy_orders_are_left_alone_and_nothing_is_placed_beside_them() {
        let mut scene = scene();
        scene.touch(9_990, 5, 10_010, 5);
        check(scene.busy(1, Side::Buy, 9_000, 10).busy(2, Side::Sell, 11_000, 10), &[]);
    }

    #[test]
    fn one_order_a_side_the_oldest_stays() {
        let mut scene = scene();
        scene.touch(9_990, 5, 10_010, 5).order(9, Side::Sell, 10_002, 10);
        scene.order(1, Side::Buy, 9_998, 10).order(2, Side::Buy, 9_997, 10);
        check(scene.busy(3, Side::Buy, 9_997, 10), &["cancel 2"]);
    }

    #[test]
    fn at_the_maximum_position_only_the_reducing_side_is_quoted() {
        let mut full = scene();
        full.touch(9_900, 5, 10_100, 5).hold(50);
        check(full.order(1, Side::Buy, 9_994, 10), &["cancel 1", "sell 9998 x 10 PostOnly"]);
        let mut short = scene();
        check(short.touch(9_900, 5, 10_100, 5).hold(-50), &["buy 10002 x 10 PostOnly"]);
    }

    #[test]
    fn a_quote_is_no_larger_than_the_room_left() {
        let mut near = scene();
        near.touch(9_900, 5, 10_100, 5).hold(43);
        check(&mut near, &["buy 9995 x 7 PostOnly", "sell 9999 x 10 PostOnly"]);
        near.order(1, Side::Buy, 9_995, 10).order(2, Side::Sell, 9_999, 10);
        check(&mut near, &["replace 1 9995 x 7"]);
    }

    #[test]
    fn an_unsound_book_takes_the_quotes_away() {
        for (bid, ask) in [(10_000, 10_000), (10_001, 10_000), (0, 10_000)] {
            let mut scene = scene();
            scene.order(1, Side::Buy, 9_998, 10).busy(2, Side::Sell, 10_002, 10);
            check(scene.touch(bid, 5, ask, 5), &["cancel 1"]);
        }
        let mut scene = scene();
        scene.order(1, Side::Buy, 9_998, 10).book.clear();
        check(&mut scene, &["cancel 1"]);
    }

    #[test]
    fn what_the_venue_would_refuse_as_too_small_is_not_quoted() {
        let mut scene = scene();
        scene.instrument.min_quantity = Quantity(8);
        scene.touch(9_900, 5, 10_100, 5).hold(43);
        check(&mut scene, &["sell 9999 x 10 PostOnly"]);
    }

    proptest! {
        #[test]
        fn no_decision_crosses_the_touch_exceeds_the_position_or_leaves_the_grid(
            tick in 1_i64..9,
            bid_ticks in 1_i64..5_000,
            spread_ticks in 1_i64..40,
            (bid_quantity, ask_quantity) in (1_i64..10_000, 1_i64..10_000),
            (half_spread, skew, requote) in (0_u32..30, 0_u32..30, 1_u32..5),
            position in -60_i64..60,
            orders in prop::collection::vec(
                (any::<bool>(), 1_i64..5_000, 1_i64..20, any::<bool>()), 0..5),
        ) {
            let mut given = parameters();
            given.half_spread_ticks = Some(half_spread);
            given.skew_ticks = Some(skew);
            given.requote_ticks = Some(requote);
            let mut scene = Scene::new(StrategyKind::Quoter, given);
            scene.instrument.tick = Price(tick);
            let (bid, ask) = (bid_ticks * tick, (bid_ticks + spread_ticks) * tick);
            scene.touch(bid, bid_quantity, ask, ask_quantity).hold(position);
            for (at, (buy, price, quantity, busy)) in orders.into_iter().enumerate() {
                let side = if buy { Side::Buy } else { Side::Sell };
                let id = u64::try_from(at).expect("small") + 1;
                if busy {
                    scene.busy(id, side, price * tick, quantity);
                } else {
                    scene.order(id, side, price * tick, quantity);
                }
            }
            for quote in scene.decided_quotes() {
                prop_assert_eq!(quote.price.0 % tick, 0);
                prop_assert!(quote.price.0 > 0);
                prop_assert!(quote.quantity.0 > 0);
                match quote.side {
                    Side::Buy => {
                        prop_assert!(quote.price.0 <= ask - tick);
                        prop_assert!(quote.extreme.0 <= 50);
                    }
                    Side::Sell => {
                        prop_assert!(quote.price.0 >= bid + tick);
                        prop_assert!(quote.extreme.0 >= -50);
                    }
                }
            }
        }
    }
}
