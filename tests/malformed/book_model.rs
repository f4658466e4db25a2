//! A slow book by the venue's rule, from independent readings: what the session's must look like.

use std::collections::BTreeMap;

use crate::usdm_oracle::{DepthFacts, Exact, TickerFacts};

type Levels = BTreeMap<Exact, Exact>;

/// One instrument's levels, and whether they are in step with the venue.
#[derive(Clone, Debug, Default)]
pub(crate) struct BookModel {
    bids: Levels,
    asks: Levels,
    pub(crate) last: u64,
    /// What the newest event named as the one before it.
    previous: u64,
    stage: Stage,
    ticker: Option<TickerFacts>,
    kept: Vec<DepthFacts>,
}

/// The best levels of one side, best first.
pub(crate) type Side = Vec<(Exact, Exact)>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Lost,
    /// A snapshot is there, and the event that reaches over it isn't.
    Bridging,
    Following,
}

impl BookModel {
    /// An event: `pu` names the one before it, and the first must reach over the snapshot.
    pub(crate) fn depth(&mut self, event: &DepthFacts) {
        if self.stage == Stage::Lost {
            if self.kept.last().is_some_and(|kept| kept.last != event.previous) {
                self.kept.clear();
            }
            self.kept.push(event.clone());
            return;
        }
        self.follow(event);
    }

    /// A snapshot, and what has come since its first event.
    pub(crate) fn snapshot(&mut self, snapshot: &DepthFacts) {
        let kept = std::mem::take(&mut self.kept);
        self.forget();
        self.lay(snapshot);
        if self.is_crossed() {
            self.forget();
            return;
        }
        self.stage = Stage::Bridging;
        for event in &kept {
            self.follow(event);
            if self.stage == Stage::Lost {
                return;
            }
        }
    }

    pub(crate) fn ticker(&mut self, ticker: &TickerFacts) {
        let newest = self.ticker.as_ref().map_or(self.last, |ticker| ticker.sequence);
        // A side without quantity is empty, and what has quantity has a price.
        let (bid, ask) = (ticker.bid, ticker.ask);
        let priced = [bid, ask].iter().all(|(price, quantity)| *price > 0 || *quantity == 0);
        let apart = bid.0 < ask.0 || bid.1 == 0 || ask.1 == 0;
        if self.stage == Stage::Following && ticker.sequence > newest && priced && apart {
            self.ticker = Some(ticker.clone());
        }
    }

    /// Bids, asks and the update that they stand for, as long as they are in step.
    pub(crate) fn top(&self, levels: usize) -> Option<(Side, Side, u64)> {
        if self.stage != Stage::Following {
            return None;
        }
        let bids = self.bids.iter().rev().map(|(price, quantity)| (*price, *quantity));
        let asks = self.asks.iter().map(|(price, quantity)| (*price, *quantity));
        Some(match &self.ticker {
            None => (bids.take(levels).collect(), asks.take(levels).collect(), self.last),
            Some(ticker) => {
                let bids = bids.filter(|level| level.0 < ticker.bid.0);
                let asks = asks.filter(|level| level.0 > ticker.ask.0);
                (under(ticker.bid, bids, levels), under(ticker.ask, asks, levels), ticker.sequence)
            }
        })
    }

    /// All levels, as a snapshot tells them.
    pub(crate) fn levels(&self, most: usize) -> (Side, Side) {
        let bids = self.bids.iter().rev().map(|(price, quantity)| (*price, *quantity));
        let asks = self.asks.iter().map(|(price, quantity)| (*price, *quantity));
        (bids.take(most).collect(), asks.take(most).collect())
    }

    fn follow(&mut self, event: &DepthFacts) {
        let bridging = self.stage == Stage::Bridging;
        // Behind a snapshot lies old news; later on only the newest event itself is none.
        let (old, follows) = match bridging {
            true => (event.last < self.last, event.previous <= self.last),
            false => {
                let again = event.last == self.last && event.previous == self.previous;
                (again, event.previous == self.last && event.last > self.last)
            }
        };
        if old {
            return;
        }
        if !follows {
            self.forget();
            return;
        }
        self.lay(event);
        self.stage = Stage::Following;
        if self.is_crossed() {
            self.forget();
        }
    }

    fn lay(&mut self, event: &DepthFacts) {
        for (side, changes) in [(&mut self.bids, &event.bids), (&mut self.asks, &event.asks)] {
            for &(price, quantity) in changes {
                match quantity {
                    0 => drop(side.remove(&price)),
                    _ => drop(side.insert(price, quantity)),
                }
            }
        }
        self.last = event.last;
        self.previous = event.previous;
        let time = event.time_ns;
        self.ticker.take_if(|ticker| ticker.sequence <= event.last || ticker.time_ns < time);
    }

    fn is_crossed(&self) -> bool {
        let best = (self.bids.last_key_value(), self.asks.first_key_value());
        matches!(best, (Some((bid, _)), Some((ask, _))) if bid >= ask)
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The given best level, if there is any, and what is worse than it.
fn under(best: (Exact, Exact), rest: impl Iterator<Item = (Exact, Exact)>, levels: usize) -> Side {
    if best.1 == 0 {
        return Vec::new();
    }
    std::iter::once(best).chain(rest).take(levels).collect()
}
