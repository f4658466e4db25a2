//! A made-up market: seeded participants who place, cancel and take in the exchange's own book.
//!
//! Sans-IO: one `step` is one participant's action; the caller paces.

use std::collections::VecDeque;

use rust_decimal::Decimal;

use crate::exchange::Exchange;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{OrderId, Side, UnixMillis};
use crate::random::Random;

/// Levels that always stand on each side.
const LEVELS_MIN: usize = 25;
/// Levels that the market opens with.
const LEVELS_AT_OPEN: u64 = 60;
/// Orders the participants keep on one side.
const ORDERS_MAX: usize = 400;
/// Steps between two changes of regime, at least and at most.
const REGIME_STEPS: (u64, u64) = (200, 1_500);
/// How far the price may stray from the reference before the flow leans back, in percent.
const STRAY_PERCENT: u64 = 2;

/// How restless the market is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regime {
    Calm,
    Lively,
    /// One-sided flow with large orders.
    Volatile,
}

impl Regime {
    /// Of a thousand actions: how many take, and how many cancel; the rest place.
    fn mix(self) -> (u64, u64) {
        match self {
            Self::Calm => (60, 440),
            Self::Lively => (140, 400),
            Self::Volatile => (260, 380),
        }
    }

    /// How wide the touch may stand: in ticks at least, or in hundredths of a basis point of the
    /// price where that is more.
    fn widest_spread(self) -> (u64, u64) {
        match self {
            Self::Calm => (10, 0),
            Self::Lively => (10, 100),
            Self::Volatile => (10, 300),
        }
    }

    /// The largest taking order, in typical sizes.
    fn largest(self) -> u64 {
        match self {
            Self::Calm => 1,
            Self::Lively => 2,
            Self::Volatile => 6,
        }
    }
}

#[derive(Debug)]
pub struct SyntheticMarket {
    instrument: InstrumentId,
    random: Random,
    regime: Regime,
    regime_steps: u64,
    /// Which side the flow of a volatile regime takes.
    leaning: Side,
    bids: VecDeque<(Price, OrderId)>,
    asks: VecDeque<(Price, OrderId)>,
}

impl SyntheticMarket {
    pub fn open(
        now: UnixMillis,
        instrument: InstrumentId,
        random: Random,
        exchange: &mut Exchange,
    ) -> Self {
        let mut market = Self {
            instrument,
            random,
            regime: Regime::Calm,
            regime_steps: 0,
            leaning: Side::Buy,
            bids: VecDeque::new(),
            asks: VecDeque::new(),
        };
        let reference = exchange.market(instrument).instrument.reference;
        for distance in 1..=LEVELS_AT_OPEN {
            for side in [Side::Buy, Side::Sell] {
                let price = market.away(exchange, side, reference, distance);
                market.place(now, exchange, side, price);
            }
        }
        market
    }

    pub fn regime(&self) -> Regime {
        self.regime
    }

    /// One action of one participant.
    pub fn step(&mut self, now: UnixMillis, exchange: &mut Exchange) {
        self.change_regime();
        let (take, cancel) = self.regime.mix();
        let draw = self.random.below(1000);
        if draw < take {
            self.take(now, exchange);
        } else if draw < take + cancel {
            self.cancel(exchange);
        } else {
            let side = self.any_side();
            let price = self.near_touch(exchange, side);
            self.place(now, exchange, side, price);
        }
        self.refill(now, exchange);
        self.narrow(now, exchange);
    }

    /// The widest touch of the present regime.
    pub fn widest_spread(&self, exchange: &Exchange) -> Price {
        let market = exchange.market(self.instrument);
        let (ticks, share) = self.regime.widest_spread();
        let of_price = market.mark().0 * Decimal::from(share) / Decimal::from(1_000_000);
        Price((market.instrument.tick.0 * Decimal::from(ticks)).max(of_price))
    }

    /// Makers come back inside a touch that was swept wide, on both sides of its middle: what
    /// moved the price has moved it, and what emptied the book is filled up.
    fn narrow(&mut self, now: UnixMillis, exchange: &mut Exchange) {
        let market = exchange.market(self.instrument);
        let (Some((bid, _)), Some((ask, _))) =
            (market.book.best(Side::Buy), market.book.best(Side::Sell))
        else {
            return;
        };
        if ask.0 - bid.0 <= self.widest_spread(exchange).0 {
            return;
        }
        let tick = market.instrument.tick.0;
        let ticks_to_middle = ((ask.0 - bid.0) / (tick * Decimal::TWO)).trunc();
        let middle = Price(bid.0 + tick * ticks_to_middle);
        for side in [Side::Buy, Side::Sell] {
            let distance = 1 + self.random.below(3);
            let price = self.away(exchange, side, middle, distance);
            self.place(now, exchange, side, price);
        }
    }

    fn change_regime(&mut self) {
        if self.regime_steps > 0 {
            self.regime_steps -= 1;
            return;
        }
        let (least, most) = REGIME_STEPS;
        self.regime_steps = least + self.random.below(most - least);
        self.regime = match self.random.below(10) {
            0..=2 => Regime::Calm,
            3..=6 => Regime::Lively,
            _ => Regime::Volatile,
        };
        self.leaning = self.any_side();
    }

    /// Both sides always have depth, however hard they were hit. What accounts have resting is
    /// not counted: a far order of theirs would be taken for the book's end.
    fn refill(&mut self, now: UnixMillis, exchange: &mut Exchange) {
        for side in [Side::Buy, Side::Sell] {
            let standing = exchange.market(self.instrument).book.made_up(side).count();
            for _ in standing..LEVELS_MIN {
                let market = exchange.market(self.instrument);
                let last = market.book.made_up(side).last();
                let other = market.book.best(side.opposite()).map(|(price, _)| price);
                let from = last.or(other).unwrap_or_else(|| market.mark());
                let distance = 1 + self.random.below(3);
                let price = self.away(exchange, side, from, distance);
                self.place(now, exchange, side, price);
            }
        }
    }

    fn take(&mut self, now: UnixMillis, exchange: &mut Exchange) {
        let market = exchange.market(self.instrument);
        let (mark, reference) = (market.mark().0, market.instrument.reference.0);
        let stray = reference * Decimal::from(STRAY_PERCENT) / Decimal::ONE_HUNDRED;
        let side = if mark > reference + stray {
            Side::Sell
        } else if mark < reference - stray {
            Side::Buy
        } else if self.regime == Regime::Volatile && self.random.chance(750) {
            self.leaning
        } else {
            self.any_side()
        };
        let largest = market.instrument.typical_steps.saturating_mul(self.regime.largest());
        let quantity = self.quantity(exchange, largest);
        exchange.participate(now, self.instrument, side, None, quantity);
    }

    fn cancel(&mut self, exchange: &mut Exchange) {
        let side = self.any_side();
        let length = self.orders(side).len();
        let index = self.random.below(u64::try_from(length).unwrap_or_default());
        let index = usize::try_from(index).unwrap_or_default();
        // Where the order has traded meanwhile there is nothing to cancel.
        if let Some((price, id)) = self.orders(side).swap_remove_back(index) {
            exchange.market_mut(self.instrument).book.remove(side, price, id);
        }
    }

    fn place(&mut self, now: UnixMillis, exchange: &mut Exchange, side: Side, price: Price) {
        let typical = exchange.market(self.instrument).instrument.typical_steps;
        let quantity = self.quantity(exchange, typical);
        let id = exchange.participate(now, self.instrument, side, Some(price), quantity);
        if let Some(id) = id {
            self.orders(side).push_back((price, id));
        }
        if self.orders(side).len() > ORDERS_MAX
            && let Some((price, id)) = self.orders(side).pop_front()
        {
            exchange.market_mut(self.instrument).book.remove(side, price, id);
        }
    }

    /// A price at, inside or behind the touch, mostly close to it, never crossing.
    fn near_touch(&mut self, exchange: &Exchange, side: Side) -> Price {
        let market = exchange.market(self.instrument);
        let best = market.book.best(side).map(|(price, _)| price);
        let other = market.book.best(side.opposite()).map(|(price, _)| price);
        let Some(best) = best.or(other) else { return market.mark() };
        let mut distance = 0;
        while distance < 40 && self.random.chance(700) {
            distance += 1;
        }
        if distance == 0 && self.random.chance(500) {
            let better = self.away(exchange, side.opposite(), best, 1);
            if !other.is_some_and(|other| side.reaches(Some(better), other)) {
                return better;
            }
        }
        self.away(exchange, side, best, distance)
    }

    /// `distance` ticks away from `from`, towards worse prices of `side`.
    fn away(&self, exchange: &Exchange, side: Side, from: Price, distance: u64) -> Price {
        let instrument = &exchange.market(self.instrument).instrument;
        let offset = instrument.tick.0 * Decimal::from(distance);
        match side {
            Side::Buy => Price((from.0 - offset).max(instrument.price_min.0)),
            Side::Sell => Price((from.0 + offset).min(instrument.price_max.0)),
        }
    }

    fn quantity(&mut self, exchange: &Exchange, largest_steps: u64) -> Quantity {
        let step = exchange.market(self.instrument).instrument.step.0;
        // The product of two draws: many small orders, few large ones.
        let share = self.random.below(1000) * self.random.below(1000) / 1000;
        let steps = 1 + largest_steps.saturating_mul(share) / 1000;
        Quantity(step * Decimal::from(steps))
    }

    fn any_side(&mut self) -> Side {
        if self.random.chance(500) { Side::Buy } else { Side::Sell }
    }

    fn orders(&mut self, side: Side) -> &mut VecDeque<(Price, OrderId)> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Event;
    use crate::exchange::account::FeeRates;
    use crate::exchange::instrument::Instrument;

    #[test]
    fn a_seed_makes_a_market_with_depth_trades_and_every_regime() {
        let seed = 20_261_124;
        println_seed(seed);
        let fees = FeeRates { maker: Decimal::ZERO, taker: Decimal::ZERO };
        let mut exchange = Exchange::new(vec![Instrument::btcusdt()], fees, false);
        let id = InstrumentId(0);
        let mut market = SyntheticMarket::open(UnixMillis(1), id, Random::new(seed), &mut exchange);
        let (mut prints, mut regimes) = (0, Vec::new());
        for step in 0..100_000 {
            market.step(UnixMillis(step), &mut exchange);
            if !regimes.contains(&market.regime()) {
                regimes.push(market.regime());
            }
            prints += exchange
                .take_events()
                .iter()
                .filter(|event| matches!(event, Event::Printed(_)))
                .count();
            let book = &exchange.market(id).book;
            let (bid, ask) = (book.best(Side::Buy), book.best(Side::Sell));
            assert!(bid.map(|b| b.0) < ask.map(|a| a.0), "crossed at step {step}: {bid:?} {ask:?}");
            let spread =
                ask.map_or(Decimal::ZERO, |a| a.0.0) - bid.map_or(Decimal::ZERO, |b| b.0.0);
            let widest = market.widest_spread(&exchange).0;
            assert!(spread <= widest, "{spread} wide at step {step}, {:?}", market.regime());
        }
        for side in [Side::Buy, Side::Sell] {
            assert!(exchange.market(id).book.levels(side).count() >= 20);
        }
        assert!(prints > 1_000, "{prints} prints");
        assert_eq!(regimes.len(), 3, "{regimes:?}");
    }

    #[test]
    fn an_accounts_far_order_does_not_draw_the_market_to_it() {
        let seed = 4;
        println_seed(seed);
        let fees = FeeRates { maker: Decimal::ZERO, taker: Decimal::ZERO };
        let mut exchange = Exchange::new(vec![Instrument::btcusdt()], fees, false);
        let account =
            exchange.open_account(crate::exchange::number::Money(Decimal::from(1_000_000)));
        let id = InstrumentId(0);
        let mut market = SyntheticMarket::open(UnixMillis(1), id, Random::new(seed), &mut exchange);
        let reference = exchange.market(id).instrument.reference.0;
        let far = Price(reference - Decimal::from(100));
        let order = crate::exchange::book::Resting {
            id: OrderId(1),
            owner: crate::exchange::book::Owner::Account(account),
            leaves: Quantity(Decimal::ONE),
            ahead: Quantity::ZERO,
        };
        exchange.market_mut(id).book.insert(Side::Buy, far, order);
        for step in 0..400 {
            market.step(UnixMillis(step), &mut exchange);
            let mark = exchange.market(id).mark().0;
            let moved = (mark - reference).abs();
            assert!(moved < Decimal::from(50), "the market is at {mark} after step {step}");
        }
    }

    #[expect(clippy::print_stdout, reason = "a failing run must show its seed")]
    fn println_seed(seed: u64) {
        println!("seed {seed}");
    }
}
