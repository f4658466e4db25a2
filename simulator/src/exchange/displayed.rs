//! The book of a recorded market, kept from its snapshot, depth events and top-of-book events.
//!
//! Shows what stood in the market; our orders take from it but never change the record.

use std::collections::BTreeMap;

use super::number::{Price, Quantity};
use super::order::Side;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    pub update_id: u64,
    pub bid: (Price, Quantity),
    pub ask: (Price, Quantity),
}

#[derive(Clone, Debug, Default)]
pub struct DepthChange {
    pub first_id: u64,
    pub last_id: u64,
    pub previous_id: u64,
    pub bids: Vec<(Price, Quantity)>,
    pub asks: Vec<(Price, Quantity)>,
}

/// What a depth event did to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    Yes,
    /// Older than the book.
    Stale,
    /// Events are missing: the book can no longer be trusted.
    Gap,
}

#[derive(Clone, Debug, Default)]
pub struct DisplayedBook {
    bids: BTreeMap<Price, Quantity>,
    asks: BTreeMap<Price, Quantity>,
    pub last_update_id: u64,
    connected: bool,
    touch: Option<Touch>,
    /// What our own orders took from levels that the record has not restated since.
    taken: BTreeMap<(Side, Price), Quantity>,
}

impl DisplayedBook {
    pub fn load(&mut self, id: u64, bids: &[(Price, Quantity)], asks: &[(Price, Quantity)]) {
        self.bids = bids.iter().copied().collect();
        self.asks = asks.iter().copied().collect();
        self.last_update_id = id;
        self.connected = false;
        self.taken.clear();
    }

    pub fn is_loaded(&self) -> bool {
        self.last_update_id != 0
    }

    pub fn apply(&mut self, change: &DepthChange) -> Applied {
        if !self.is_loaded() || change.last_id < self.last_update_id {
            return Applied::Stale;
        }
        let follows = change.previous_id == self.last_update_id;
        let covers = !self.connected && change.first_id <= self.last_update_id;
        if !follows && !covers {
            return Applied::Gap;
        }
        for (side, levels) in [(Side::Buy, &change.bids), (Side::Sell, &change.asks)] {
            for (price, quantity) in levels {
                self.taken.remove(&(side, *price));
                let book = self.side_mut(side);
                if quantity.is_zero() {
                    book.remove(price);
                } else {
                    book.insert(*price, *quantity);
                }
            }
        }
        self.last_update_id = change.last_id;
        self.connected = true;
        Applied::Yes
    }

    pub fn set_touch(&mut self, touch: Touch) {
        self.taken.remove(&(Side::Buy, touch.bid.0));
        self.taken.remove(&(Side::Sell, touch.ask.0));
        self.touch = Some(touch);
    }

    /// The top of book when it is newer than the depth: depth events come in batches.
    fn newer_touch(&self, side: Side) -> Option<(Price, Quantity)> {
        let touch = self.touch.filter(|touch| touch.update_id > self.last_update_id)?;
        Some(match side {
            Side::Buy => touch.bid,
            Side::Sell => touch.ask,
        })
    }

    /// Best levels first, less what our orders have taken.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (Price, Quantity)> + '_ {
        let touch = self.newer_touch(side);
        let beyond = move |price: &Price| match (touch, side) {
            (None, _) => true,
            (Some((best, _)), Side::Buy) => *price < best,
            (Some((best, _)), Side::Sell) => *price > best,
        };
        let depth: Box<dyn Iterator<Item = (&Price, &Quantity)> + '_> = match side {
            Side::Buy => Box::new(self.bids.iter().rev()),
            Side::Sell => Box::new(self.asks.iter()),
        };
        let depth = depth.map(|(p, q)| (*p, *q)).filter(move |(p, _)| beyond(p));
        touch.into_iter().chain(depth).filter_map(move |(price, shown)| {
            let taken = self.taken.get(&(side, price)).copied().unwrap_or_default();
            let left = shown.minus(taken);
            (!left.is_zero()).then_some((price, left))
        })
    }

    /// Levels exactly as recorded, for a snapshot that connects to the recorded stream.
    pub fn recorded(&self, side: Side) -> Box<dyn Iterator<Item = (Price, Quantity)> + '_> {
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().map(|(p, q)| (*p, *q))),
            Side::Sell => Box::new(self.asks.iter().map(|(p, q)| (*p, *q))),
        }
    }

    /// Quantity displayed at `price`, zero where the level is not there.
    pub fn shown_at(&self, side: Side, price: Price) -> Quantity {
        if let Some((best, quantity)) = self.newer_touch(side) {
            if price == best {
                return quantity;
            }
            let better = match side {
                Side::Buy => price > best,
                Side::Sell => price < best,
            };
            if better {
                return Quantity::ZERO;
            }
        }
        let book = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        book.get(&price).copied().unwrap_or_default()
    }

    pub fn take(&mut self, side: Side, price: Price, quantity: Quantity) {
        let taken = self.taken.entry((side, price)).or_default();
        *taken = taken.plus(quantity);
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<Price, Quantity> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}
