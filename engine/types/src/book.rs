//! The top of an order book, as strategies and risk checks read it.

use crate::instrument::InstrumentId;
use crate::market::Sequence;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::time::{Nanos, UnixNanos};

/// One price level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    pub price: Price,
    pub quantity: Quantity,
}

/// The best levels of one instrument's book, best first, with the update they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookTop {
    pub instrument: InstrumentId,
    pub sequence: Sequence,
    pub venue_time: UnixNanos,
    /// When the bytes that made this state were read from the socket.
    pub received_at: Nanos,
    bids: [Level; Self::DEPTH],
    asks: [Level; Self::DEPTH],
    bid_levels: u8,
    ask_levels: u8,
}

impl BookTop {
    /// How many levels a side shows at the most.
    pub const DEPTH: usize = 10;

    pub const fn empty(instrument: InstrumentId) -> Self {
        let none = Level { price: Price::ZERO, quantity: Quantity::ZERO };
        Self {
            instrument,
            sequence: Sequence(0),
            venue_time: UnixNanos(0),
            received_at: Nanos::ZERO,
            bids: [none; Self::DEPTH],
            asks: [none; Self::DEPTH],
            bid_levels: 0,
            ask_levels: 0,
        }
    }

    pub fn bids(&self) -> &[Level] {
        self.bids.get(..usize::from(self.bid_levels)).unwrap_or_default()
    }

    pub fn asks(&self) -> &[Level] {
        self.asks.get(..usize::from(self.ask_levels)).unwrap_or_default()
    }

    pub fn best_bid(&self) -> Option<Level> {
        self.bids().first().copied()
    }

    pub fn best_ask(&self) -> Option<Level> {
        self.asks().first().copied()
    }

    /// Replaces the bids by the first levels of `levels`, which come best first.
    pub fn set_bids(&mut self, levels: impl IntoIterator<Item = Level>) {
        self.bid_levels = fill(&mut self.bids, levels);
    }

    /// Replaces the asks by the first levels of `levels`, which come best first.
    pub fn set_asks(&mut self, levels: impl IntoIterator<Item = Level>) {
        self.ask_levels = fill(&mut self.asks, levels);
    }

    pub fn clear(&mut self) {
        self.bid_levels = 0;
        self.ask_levels = 0;
    }

    /// Both sides are there and the bid lies below the ask.
    pub fn is_sound(&self) -> bool {
        match (self.best_bid(), self.best_ask()) {
            (Some(bid), Some(ask)) => bid.price < ask.price,
            _ => false,
        }
    }

    /// The middle of bid and ask, rounded down to the price scale.
    pub fn mid(&self) -> Option<Price> {
        let (bid, ask) = (self.best_bid()?, self.best_ask()?);
        Some(Price((bid.price.0 + ask.price.0).div_euclid(2)))
    }
}

fn fill(side: &mut [Level; BookTop::DEPTH], levels: impl IntoIterator<Item = Level>) -> u8 {
    let mut count = 0;
    for (slot, level) in side.iter_mut().zip(levels) {
        *slot = level;
        count += 1;
    }
    count
}
