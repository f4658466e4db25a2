//! `taker`: one immediate-or-cancel order at the touch when the book leans far enough to one
//! side, or on every change of the book, as the benchmark wants it.
//!
//! It never holds more than its maximum position, counting all that may still fill, and never
//! rests an order.

use enigma_types::{BookTop, Level, Parameters, Side, TimeInForce};

use super::sizing::{Sizing, leaves};
use super::{Decision, Decisions, Strategy, View};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taker {
    sizing: Sizing,
    imbalance_percent: i64,
    every_tick: bool,
    /// The side that `every_tick` tries first.
    next: Side,
}

impl Taker {
    pub(super) fn new(sizing: Sizing, parameters: &Parameters) -> Self {
        Self {
            sizing,
            imbalance_percent: i64::from(parameters.imbalance_percent.unwrap_or_default()),
            every_tick: parameters.every_tick.unwrap_or_default(),
            next: Side::Buy,
        }
    }

    /// The side that the touch's quantities call for: the heavier one will push the price on.
    fn signal(&self, bid: Level, ask: Level) -> Option<Side> {
        let (bids, asks) = (i128::from(bid.quantity.0), i128::from(ask.quantity.0));
        let threshold = (bids + asks) * i128::from(self.imbalance_percent);
        if bids + asks <= 0 {
            None
        } else if bids * 100 >= threshold {
            Some(Side::Buy)
        } else if asks * 100 >= threshold {
            Some(Side::Sell)
        } else {
            None
        }
    }

    /// Takes the touch with what the position leaves room for; false when there is none.
    fn take(&self, view: &View<'_>, side: Side, decisions: &mut Decisions) -> bool {
        let Some((bid, ask)) = touch(view.book) else { return false };
        let price = match side {
            Side::Buy => ask.price,
            Side::Sell => bid.price,
        };
        let quantity = self.sizing.room(view, side, leaves(view.orders, side), price);
        if quantity.is_zero() {
            return false;
        }
        let order = self.sizing.order(side, price, quantity, TimeInForce::Ioc);
        decisions.try_push(Decision::Place(order)).is_ok()
    }
}

impl Strategy for Taker {
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        if self.every_tick {
            let first = self.next;
            if self.take(view, first, decisions) {
                self.next = first.opposite();
            } else {
                // At the limit the other side leads back, and stays next to be opposed.
                self.take(view, first.opposite(), decisions);
            }
            return;
        }
        if !view.orders.is_empty() {
            return;
        }
        let side = touch(view.book).and_then(|(bid, ask)| self.signal(bid, ask));
        if let Some(side) = side {
            self.take(view, side, decisions);
        }
    }
}

/// Both best levels of a sound book.
fn touch(book: &BookTop) -> Option<(Level, Level)> {
    let (bid, ask) = (book.best_bid()?, book.best_ask()?);
    (bid.price.0 > 0 && bid.price < ask.price).then_some((bid, ask))
}

#[cfg(test)]
mod tests {
    use enigma_types::StrategyKind;

    use super::super::scene::{Scene, parameters};
    use super::*;

    fn scene(every_tick: bool) -> Scene {
        let mut given = parameters();
        given.imbalance_percent = Some(75);
        given.every_tick = Some(every_tick);
        Scene::new(StrategyKind::Taker, given)
    }

    #[track_caller]
    fn check(scene: &mut Scene, expected: &[&str]) {
        assert_eq!(scene.decide(), expected);
    }

    #[test]
    fn takes_the_touch_that_the_book_leans_towards_from_the_threshold_on() {
        check(scene(false).touch(9_999, 75, 10_001, 25), &["buy 10001 x 10 Ioc"]);
        check(scene(false).touch(9_999, 74, 10_001, 26), &[]);
        check(scene(false).touch(9_999, 26, 10_001, 74), &[]);
        check(scene(false).touch(9_999, 25, 10_001, 75), &["sell 9999 x 10 Ioc"]);
        check(scene(false).touch(9_999, 0, 10_001, 0), &[]);
        check(scene(false).touch(10_001, 75, 10_001, 25), &[]);
    }

    #[test]
    fn one_order_at_a_time() {
        let mut waiting = scene(false);
        check(waiting.touch(9_999, 9, 10_001, 1).busy(1, Side::Sell, 9_999, 10), &[]);
    }

    #[test]
    fn never_takes_beyond_the_maximum_position() {
        check(scene(false).touch(9_999, 9, 10_001, 1).hold(44), &["buy 10001 x 6 Ioc"]);
        check(scene(false).touch(9_999, 9, 10_001, 1).hold(50), &[]);
        check(scene(false).touch(9_999, 1, 10_001, 9).hold(-50), &[]);
        check(scene(false).touch(9_999, 1, 10_001, 9).hold(50), &["sell 9999 x 10 Ioc"]);
    }

    #[test]
    fn every_tick_alternates_whatever_the_book_says_and_whatever_is_in_flight() {
        let mut eager = scene(true);
        eager.touch(9_999, 1, 10_001, 1);
        check(&mut eager, &["buy 10001 x 10 Ioc"]);
        check(eager.busy(1, Side::Buy, 10_001, 10), &["sell 9999 x 10 Ioc"]);
        check(eager.busy(2, Side::Sell, 9_999, 10), &["buy 10001 x 10 Ioc"]);
    }

    #[test]
    fn every_tick_turns_to_the_reducing_side_at_the_limit() {
        let mut eager = scene(true);
        eager.touch(9_999, 1, 10_001, 1).hold(50);
        check(&mut eager, &["sell 9999 x 10 Ioc"]);
        check(&mut eager, &["sell 9999 x 10 Ioc"]);
        check(eager.hold(40), &["buy 10001 x 10 Ioc"]);
    }

    #[test]
    fn every_tick_counts_what_may_still_fill() {
        let mut eager = scene(true);
        eager.touch(9_999, 1, 10_001, 1);
        for id in 1..=5 {
            eager.busy(id, Side::Buy, 10_001, 10).busy(id + 10, Side::Sell, 9_999, 10);
        }
        check(&mut eager, &[]);
    }
}
