//! A spot book kept by the documented rule, to check the simulator's stream against its snapshot.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

#[derive(Debug, Default)]
pub(crate) struct SpotBook {
    last: u64,
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    pub(crate) joined: bool,
}

impl SpotBook {
    pub(crate) fn load(snapshot: &Value) -> Self {
        let mut book = Self { last: snapshot["lastUpdateId"].as_u64().unwrap(), ..Self::default() };
        book.change(&snapshot["bids"], &snapshot["asks"]);
        book
    }

    /// False for a gap.
    pub(crate) fn apply(&mut self, event: &Value) -> bool {
        let (first, last) = (event["U"].as_u64().unwrap(), event["u"].as_u64().unwrap());
        if last <= self.last {
            return true;
        }
        if first > self.last + 1 {
            return false;
        }
        self.joined = true;
        self.last = last;
        self.change(&event["b"], &event["a"]);
        true
    }

    pub(crate) fn is_sound(&self) -> bool {
        let bid = self.bids.last_key_value().map(|(price, _)| *price);
        let ask = self.asks.first_key_value().map(|(price, _)| *price);
        bid.is_some() && ask.is_some() && bid < ask
    }

    fn change(&mut self, bids: &Value, asks: &Value) {
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in levels.as_array().unwrap() {
                let number = |index: usize| level[index].as_str().unwrap().parse().unwrap();
                let (price, quantity): (Decimal, Decimal) = (number(0), number(1));
                if quantity.is_zero() {
                    side.remove(&price);
                } else {
                    side.insert(price, quantity);
                }
            }
        }
    }
}
