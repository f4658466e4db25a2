//! Orders resting by price and time. Knows who rests and how much, never who may trade.

use std::collections::{BTreeMap, VecDeque};

use super::account::AccountId;
use super::number::{Price, Quantity};
use super::order::{OrderId, Side};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The synthetic participants: no wallet, no history.
    Participant,
    Account(AccountId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    pub id: OrderId,
    pub owner: Owner,
    pub leaves: Quantity,
    /// Displayed quantity of a recorded market that must trade before this order.
    pub ahead: Quantity,
}

#[derive(Clone, Debug, Default)]
struct Level {
    total: Quantity,
    queue: VecDeque<Resting>,
}

#[derive(Clone, Debug, Default)]
pub struct OrderBook {
    bids: BTreeMap<Price, Level>,
    asks: BTreeMap<Price, Level>,
    /// Levels that changed since they were last taken, newest last, at most one entry each.
    changed: BTreeMap<(Side, Price), Quantity>,
}

impl OrderBook {
    pub fn best(&self, side: Side) -> Option<(Price, Quantity)> {
        let level = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        level.map(|(price, level)| (*price, level.total))
    }

    /// The order that trades first on `side`.
    pub fn front(&self, side: Side) -> Option<(Price, Resting)> {
        let level = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        level.and_then(|(price, level)| level.queue.front().map(|front| (*price, *front)))
    }

    /// Best levels first.
    pub fn levels(&self, side: Side) -> Box<dyn Iterator<Item = (Price, Quantity)> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().map(|(p, l)| (*p, l.total))),
            Side::Sell => Box::new(self.asks.iter().map(|(p, l)| (*p, l.total))),
        }
    }

    /// Prices at which a synthetic participant stands, best first.
    pub fn made_up(&self, side: Side) -> impl Iterator<Item = Price> + '_ {
        let levels: Box<dyn Iterator<Item = (&Price, &Level)> + '_> = match side {
            Side::Buy => Box::new(self.bids.iter().rev()),
            Side::Sell => Box::new(self.asks.iter()),
        };
        let stands = |level: &Level| level.queue.iter().any(|o| o.owner == Owner::Participant);
        levels.filter(move |(_, level)| stands(level)).map(|(price, _)| *price)
    }

    /// Every resting order of `side` in the order in which they would trade.
    pub fn resting(&self, side: Side) -> Vec<(Price, Resting)> {
        let each = |(price, level): (&Price, &Level)| {
            let price = *price;
            level.queue.iter().map(move |order| (price, *order)).collect::<Vec<_>>()
        };
        match side {
            Side::Buy => self.bids.iter().rev().flat_map(each).collect(),
            Side::Sell => self.asks.iter().flat_map(each).collect(),
        }
    }

    pub fn insert(&mut self, side: Side, price: Price, order: Resting) {
        let level = self.side_mut(side).entry(price).or_default();
        level.total = level.total.plus(order.leaves);
        level.queue.push_back(order);
        let total = level.total;
        self.changed.insert((side, price), total);
    }

    pub fn remove(&mut self, side: Side, price: Price, id: OrderId) -> Option<Resting> {
        let level = self.side_mut(side).get_mut(&price)?;
        let index = level.queue.iter().position(|order| order.id == id)?;
        let order = level.queue.remove(index)?;
        level.total = level.total.minus(order.leaves);
        let total = level.total;
        if level.queue.is_empty() {
            self.side_mut(side).remove(&price);
        }
        self.changed.insert((side, price), total);
        Some(order)
    }

    /// Takes `quantity` out of an order; an order with nothing left leaves the book.
    pub fn reduce(&mut self, side: Side, price: Price, id: OrderId, quantity: Quantity) {
        let Some(level) = self.side_mut(side).get_mut(&price) else { return };
        let Some(order) = level.queue.iter_mut().find(|order| order.id == id) else { return };
        let taken = Quantity(quantity.0.min(order.leaves.0));
        order.leaves = order.leaves.minus(taken);
        level.total = level.total.minus(taken);
        level.queue.retain(|order| !order.leaves.is_zero());
        let total = level.total;
        if level.queue.is_empty() {
            self.side_mut(side).remove(&price);
        }
        self.changed.insert((side, price), total);
    }

    pub fn set_ahead(&mut self, side: Side, price: Price, id: OrderId, ahead: Quantity) {
        if let Some(level) = self.side_mut(side).get_mut(&price)
            && let Some(order) = level.queue.iter_mut().find(|order| order.id == id)
        {
            order.ahead = ahead;
        }
    }

    pub fn take_changed(&mut self) -> BTreeMap<(Side, Price), Quantity> {
        std::mem::take(&mut self.changed)
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Price, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}
