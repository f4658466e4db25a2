//! The queue rule: when an order of ours that rests in a recorded market is filled.
//!
//! At placing, the displayed quantity at its price stands ahead of it. Prints at that price use
//! it up; a display that shrinks below it caps it; a print beyond the price fills the order.

use super::Exchange;
use super::book::{Owner, Resting};
use super::displayed::{Applied, DepthChange, Touch};
use super::instrument::InstrumentId;
use super::matching::Execution;
use super::number::{Price, Quantity};
use super::order::{Side, UnixMillis};

impl Exchange {
    pub fn apply_depth(&mut self, instrument: InstrumentId, change: &DepthChange) -> Applied {
        let Some(book) = &mut self.market_mut(instrument).displayed else {
            return Applied::Stale;
        };
        let applied = book.apply(change);
        if applied == Applied::Yes {
            self.cap_queues(instrument);
        }
        applied
    }

    pub fn apply_touch(&mut self, instrument: InstrumentId, touch: Touch) {
        if let Some(book) = &mut self.market_mut(instrument).displayed {
            book.set_touch(touch);
            self.cap_queues(instrument);
        }
    }

    /// A recorded trade. Fills our orders by the queue rule.
    pub fn apply_print(
        &mut self,
        now: UnixMillis,
        instrument: InstrumentId,
        price: Price,
        quantity: Quantity,
        buyer_is_maker: bool,
    ) {
        self.market_mut(instrument).last_price = Some(price);
        let hit = if buyer_is_maker { Side::Buy } else { Side::Sell };
        for side in [Side::Buy, Side::Sell] {
            let mut given = Quantity::ZERO;
            for (at, order) in self.market(instrument).book.resting(side) {
                let through = match side {
                    Side::Buy => price < at,
                    Side::Sell => price > at,
                };
                let filled = if through {
                    order.leaves
                } else if at == price && side == hit {
                    self.advance_queue(instrument, side, at, order, quantity.minus(given))
                } else {
                    break;
                };
                if at == price {
                    given = given.plus(filled);
                }
                self.fill_resting(now, instrument, side, at, order, filled);
            }
        }
        self.come_to_rest(now);
    }

    /// Uses the print up on what stands ahead; returns what it leaves for the order.
    fn advance_queue(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        price: Price,
        order: Resting,
        print: Quantity,
    ) -> Quantity {
        let ahead = order.ahead.minus(print);
        self.market_mut(instrument).book.set_ahead(side, price, order.id, ahead);
        print.minus(order.ahead).min(order.leaves)
    }

    fn fill_resting(
        &mut self,
        now: UnixMillis,
        instrument: InstrumentId,
        side: Side,
        price: Price,
        order: Resting,
        quantity: Quantity,
    ) {
        let Owner::Account(account) = order.owner else { return };
        let held = self.account(account);
        let stored = held.orders.get(&order.id);
        let reduce_only = stored.is_some_and(|order| order.asked.reduce_only);
        let leg = stored.map(|order| order.asked.position_side).unwrap_or_default();
        let closable = held.leg(instrument, leg).closable(side);
        let quantity = if reduce_only { quantity.min(closable) } else { quantity };
        if !quantity.is_zero() {
            self.market_mut(instrument).book.reduce(side, price, order.id, quantity);
            let trade = self.take_trade_id();
            let order = order.id;
            self.settle(now, Execution { account, order, trade, price, quantity, maker: true });
        }
        self.sweep_reduce_only(now, account, instrument);
    }

    fn cap_queues(&mut self, instrument: InstrumentId) {
        for side in [Side::Buy, Side::Sell] {
            let market = self.market(instrument);
            let Some(book) = &market.displayed else { return };
            let lowered: Vec<(Price, Resting, Quantity)> = market
                .book
                .resting(side)
                .into_iter()
                .map(|(price, order)| (price, order, book.shown_at(side, price)))
                .filter(|(_, order, shown)| *shown < order.ahead)
                .collect();
            for (price, order, shown) in lowered {
                self.market_mut(instrument).book.set_ahead(side, price, order.id, shown);
            }
        }
    }
}
