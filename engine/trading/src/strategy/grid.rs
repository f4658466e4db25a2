//! `grid`: post-only orders on fixed levels between two prices; what one level buys, the level
//! above it sells, and the other way round.
//!
//! Between two neighbouring levels lies a cell, which holds up to one order's quantity: its lower
//! level buys what it lacks and its upper level sells what it holds. What the cells hold is a sum
//! of the grid's own fills, so that a restart finds each of them as it was. The grid never sells
//! more than its cells hold or buys more than they lack, with all that may still fill counted,
//! never has two orders on a level, and never sells what it neither bought nor was given as
//! `initial_position`. It doesn't buy for cells that lie above the market.

use enigma_types::{
    ExecutionReport, Fill, Instrument, Nanos, Outcome, OutsideRange, Parameters, Price, Quantity,
    RequestKind, Side, SpecError, StrategyId, StrategyKind, TimeInForce, UnixNanos,
};

use super::sizing::{Owner, in_steps, is_enough, leaves};
use super::{Decision, Decisions, FinishReason, OwnOrder, Strategy, View};
use crate::digest::Digest;

mod levels;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    owner: Owner,
    /// Of each cell.
    quantity: Quantity,
    /// The levels' prices, lowest first.
    prices: Box<[Price]>,
    /// By cell; cell n lies above level n. Late fills may push one beyond its bounds.
    held: Box<[i64]>,
    initial: Quantity,
    working_orders: usize,
    stops_outside: bool,
    /// Nothing is left to do while the market stays between these levels and so many orders open.
    settled: Option<(Market, usize)>,
    /// No order is placed before this.
    not_before: Nanos,
}

/// Where the market stands among the levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Market {
    /// The first level above the bid: the lowest that may sell.
    above_bid: usize,
    /// How many levels lie below the ask: only they may buy.
    below_ask: usize,
}

/// The levels that should have an order, as far as they have something to trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    market: Market,
    /// Buys stand from here up to below `buy_end`.
    buy_from: usize,
    buy_end: usize,
    /// Sells stand below this.
    sell_end: usize,
}

impl Grid {
    pub(super) fn new(
        owner: Owner,
        given: &Parameters,
        instrument: &Instrument,
    ) -> Result<Self, SpecError> {
        let missing = |parameter| SpecError::Missing { kind: StrategyKind::Grid, parameter };
        let quantity = given.quantity.ok_or_else(|| missing("quantity"))?;
        let quantity = in_steps("quantity", quantity, instrument)?;
        let prices = levels::prices(given, instrument)?;
        let cells = prices.len() - 1;
        if prices.first().is_none_or(|lowest| !is_enough(instrument, *lowest, quantity)) {
            let instrument = instrument.name();
            return Err(SpecError::TooSmall { parameter: "quantity", instrument });
        }
        let initial =
            in_steps("initial_position", given.initial_position.unwrap_or_default(), instrument)?;
        let most = Quantity(quantity.0.saturating_mul(cells as i64));
        if initial > most {
            let most = most.to_decimal(instrument.quantity_scale);
            return Err(SpecError::TooLarge { parameter: "initial_position", most });
        }
        let mut grid = Self {
            owner,
            quantity,
            prices,
            held: vec![0; cells].into(),
            initial,
            working_orders: given.working_orders.unwrap_or(1) as usize,
            stops_outside: given.outside_range == Some(OutsideRange::Stop),
            settled: None,
            not_before: Nanos::ZERO,
        };
        grid.hold(initial.0);
        Ok(grid)
    }

    /// The cells stay as they were where the levels do; otherwise what they hold stands in the
    /// topmost ones.
    pub(super) fn inherit(&mut self, before: &Self) {
        if self.prices == before.prices && self.initial == before.initial {
            self.held.copy_from_slice(&before.held);
        } else {
            self.hold(before.total() - before.initial.0 + self.initial.0);
        }
    }

    pub(super) fn fingerprint(&self, id: StrategyId, digest: &mut Digest) {
        for (cell, held) in self.held.iter().enumerate() {
            digest.add(11, &[u64::from(id.0), cell as u64, *held as u64]);
        }
    }

    fn total(&self) -> i64 {
        self.held.iter().sum()
    }

    /// Spreads what is held over the cells, the topmost first.
    fn hold(&mut self, mut total: i64) {
        for held in self.held.iter_mut().rev() {
            *held = total.clamp(0, self.quantity.0);
            total -= *held;
        }
        // More than there is room for, or a debt, is the lowest cell's.
        if let Some(lowest) = self.held.first_mut() {
            *lowest += total;
        }
    }

    fn tend(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        if !view.book.is_sound() {
            return;
        }
        let (Some(bid), Some(ask)) = (view.book.best_bid(), view.book.best_ask()) else { return };
        if self.stops_outside && self.is_outside(bid.price, ask.price) {
            let _ = decisions.try_push(Decision::Finish(FinishReason::OutsideRange));
            return;
        }
        let market = Market {
            above_bid: self.prices.partition_point(|price| *price <= bid.price),
            below_ask: self.prices.partition_point(|price| *price < ask.price),
        };
        let seen = (market, view.orders.len());
        if self.settled == Some(seen) || awaits_fills(view) {
            return;
        }
        let plan = self.plan(market);
        self.cancel_unplanned(view, &plan, decisions);
        let tidy = decisions.is_empty();
        let waits = view.now.mono < self.not_before;
        if !waits {
            self.place_missing(view, &plan, decisions);
        }
        let busy = view.orders.iter().any(|order| order.busy);
        self.settled = (tidy && decisions.is_empty() && !busy && !waits).then_some(seen);
    }

    fn is_outside(&self, bid: Price, ask: Price) -> bool {
        let (lowest, highest) = (self.prices.first(), self.prices.last());
        lowest.is_some_and(|lowest| ask < *lowest) || highest.is_some_and(|highest| bid > *highest)
    }

    /// What the level should sell. What levels at or below the bid hold is sold at the first
    /// level above it.
    fn sells_at(&self, level: usize, market: Market) -> Quantity {
        let first = market.above_bid.max(1);
        let held = if level < first {
            0
        } else if level == first {
            self.held.iter().take(level).sum()
        } else {
            self.held.get(level - 1).copied().unwrap_or(0)
        };
        Quantity(held.clamp(0, self.quantity.0))
    }

    /// What the level should buy, were no order to sell in the way.
    fn buys_at(&self, level: usize) -> Quantity {
        let lacks = self.held.get(level).map_or(0, |held| self.quantity.0.saturating_sub(*held));
        Quantity(lacks.clamp(0, self.quantity.0))
    }

    /// Chooses the levels nearest to the market, as many as orders may work: half of them to
    /// either side, and more where the other side has fewer.
    fn plan(&self, market: Market) -> Plan {
        let sells = |level: &usize| !self.sells_at(*level, market).is_zero();
        let buys = |level: &usize| !self.buys_at(*level).is_zero();
        let lowest_sell = (0..self.prices.len()).find(sells).unwrap_or(self.prices.len());
        // Above its own lowest order to sell, the grid would buy from itself.
        let buy_end = market.below_ask.min(lowest_sell).min(self.held.len());
        let (may_sell, may_buy) = (
            (lowest_sell..self.prices.len()).filter(sells).count(),
            (0..buy_end).filter(buys).count(),
        );
        let spare = self.working_orders.saturating_sub(may_buy);
        let to_sell = may_sell.min(spare.max(self.working_orders.div_ceil(2)));
        let to_buy = may_buy.min(self.working_orders - to_sell);
        let last_sell = to_sell
            .checked_sub(1)
            .and_then(|last| (lowest_sell..self.prices.len()).filter(sells).nth(last));
        let last_buy =
            to_buy.checked_sub(1).and_then(|last| (0..buy_end).rev().filter(buys).nth(last));
        Plan {
            market,
            buy_from: last_buy.unwrap_or(buy_end),
            buy_end,
            sell_end: last_sell.map_or(lowest_sell, |last| last + 1),
        }
    }

    /// What the plan wants of a level on this side.
    fn planned(&self, plan: &Plan, level: usize, side: Side) -> Quantity {
        match side {
            Side::Buy if (plan.buy_from..plan.buy_end).contains(&level) => self.buys_at(level),
            Side::Sell if level < plan.sell_end => self.sells_at(level, plan.market),
            Side::Buy | Side::Sell => Quantity::ZERO,
        }
    }

    fn cancel_unplanned(&self, view: &View<'_>, plan: &Plan, decisions: &mut Decisions) {
        for (place, order) in view.orders.iter().enumerate() {
            let wanted = match self.prices.binary_search(&order.price) {
                // The market has come past it: it is being filled.
                Ok(level) if plan.market.is_past(level, order.side) => continue,
                Ok(level) => self.planned(plan, level, order.side),
                Err(_) => Quantity::ZERO,
            };
            let doubled =
                view.orders.iter().take(place).any(|earlier| earlier.price == order.price);
            if (doubled || order.leaves_quantity > wanted) && !order.busy {
                let _ = decisions.try_push(Decision::Cancel(order.client_order_id));
            }
        }
    }

    /// Places what the plan lacks, the levels nearest to the market first, and only a few at a
    /// time.
    fn place_missing(&mut self, view: &View<'_>, plan: &Plan, decisions: &mut Decisions) {
        let mut batch = Batch::new(self, view, decisions.len());
        let mut sells = plan.market.above_bid..plan.sell_end;
        let mut buys = (plan.buy_from..plan.buy_end).rev();
        let mut placed = false;
        while batch.room > 0 && !(sells.is_empty() && buys.len() == 0) {
            for (side, level) in [(Side::Sell, sells.next()), (Side::Buy, buys.next())] {
                let Some(level) = level else { continue };
                let wanted = self.planned(plan, level, side);
                if let Some(price) = self.prices.get(level)
                    && let Some(quantity) = batch.take(view, side, *price, wanted)
                {
                    let order = self.owner.order(side, *price, quantity, TimeInForce::PostOnly);
                    placed |= decisions.try_push(Decision::Place(order)).is_ok();
                }
            }
        }
        if placed {
            self.not_before = view.now.mono.plus(BETWEEN_BATCHES);
        }
    }
}

impl Strategy for Grid {
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        self.tend(view, decisions);
    }

    fn on_report(&mut self, view: &View<'_>, report: &ExecutionReport, decisions: &mut Decisions) {
        self.settled = None;
        if let Outcome::Rejected(RequestKind::Submit, _)
        | Outcome::NotSent(RequestKind::Submit, _) = report.outcome
        {
            self.not_before = view.now.mono.plus(AFTER_REFUSAL);
        }
        self.tend(view, decisions);
    }

    fn on_timer(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        self.tend(view, decisions);
    }

    fn on_start(&mut self, _at: UnixNanos) {
        self.hold(self.initial.0);
        self.settled = None;
    }

    /// A buy fills its own cell; a sell empties the cell below its level, then those further
    /// down, whose part the level has taken over.
    fn on_fill(&mut self, _at: UnixNanos, fill: &Fill) {
        self.settled = None;
        self.not_before = Nanos::ZERO;
        match fill.side {
            Side::Buy => {
                let level = self.prices.partition_point(|price| *price < fill.price);
                let cell = level.min(self.held.len() - 1);
                if let Some(held) = self.held.get_mut(cell) {
                    *held = held.saturating_add(fill.quantity.0);
                }
            }
            Side::Sell => {
                let levels = self.prices.partition_point(|price| *price <= fill.price);
                let cells = levels.saturating_sub(1).clamp(1, self.held.len());
                let mut sold = fill.quantity.0;
                for held in self.held.iter_mut().take(cells).rev() {
                    let taken = sold.min((*held).max(0));
                    *held -= taken;
                    sold -= taken;
                }
                // More was sold than these cells held: a debt of the one at the level.
                if let Some(held) = self.held.get_mut(cells - 1) {
                    *held = held.saturating_sub(sold);
                }
            }
        }
    }
}

impl Market {
    /// Whether an order there would trade at once.
    fn is_past(&self, level: usize, side: Side) -> bool {
        match side {
            Side::Buy => level >= self.below_ask,
            Side::Sell => level < self.above_bid,
        }
    }
}

/// What may still be placed in one call.
struct Batch {
    room: usize,
    sells: Quantity,
    buys: Quantity,
}

impl Batch {
    fn new(grid: &Grid, view: &View<'_>, cancels: usize) -> Self {
        let open = view.orders.len();
        let busy = view.orders.iter().filter(|order| order.busy).count();
        let venue = view.instrument.max_open_orders.map_or(usize::MAX, |most| most as usize);
        let room = IN_FLIGHT
            .saturating_sub(busy + cancels)
            .min(grid.working_orders.saturating_sub(open))
            .min(venue.saturating_sub(open));
        let held = grid.total();
        let most = grid.quantity.0.saturating_mul(grid.held.len() as i64);
        Self {
            room,
            sells: Quantity(held.max(0)).less(view.pending.sells),
            buys: Quantity(most.saturating_sub(held).max(0)).less(view.pending.buys),
        }
    }

    /// How much of what a level wants is to be placed there now; `None` for nothing.
    fn take(
        &mut self,
        view: &View<'_>,
        side: Side,
        price: Price,
        wanted: Quantity,
    ) -> Option<Quantity> {
        let available = match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        };
        let quantity = wanted.min(*available);
        let quantity = Quantity(quantity.0 - quantity.0 % view.instrument.step.0);
        let in_the_way = |order: &OwnOrder| order.price == price || crosses(order, side, price);
        if self.room == 0
            || !is_enough(view.instrument, price, quantity)
            || view.orders.iter().any(in_the_way)
        {
            return None;
        }
        self.room -= 1;
        *available = available.less(quantity);
        Some(quantity)
    }
}

/// Whether one of our own orders would trade with a new one.
fn crosses(own: &OwnOrder, side: Side, price: Price) -> bool {
    match (own.side, side) {
        (Side::Buy, Side::Sell) => own.price >= price,
        (Side::Sell, Side::Buy) => own.price <= price,
        (Side::Buy, Side::Buy) | (Side::Sell, Side::Sell) => false,
    }
}

/// A venue has counted fills that it hasn't told yet: the cells aren't what they seem.
fn awaits_fills(view: &View<'_>) -> bool {
    [Side::Buy, Side::Sell].iter().any(|side| view.pending.on(*side) > leaves(view.orders, *side))
}

/// Unanswered requests at one time.
const IN_FLIGHT: usize = 4;
/// Keeps orders that a check refuses from being tried again at every tick.
const BETWEEN_BATCHES: Nanos = Nanos::from_millis(200);
const AFTER_REFUSAL: Nanos = Nanos::from_secs(1);

#[cfg(test)]
mod tests;
