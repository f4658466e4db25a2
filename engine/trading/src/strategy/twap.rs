//! `twap`: one parent order, worked in slices of equal length from its start on, within a limit
//! price; then it stops and says what was done.
//!
//! It never has more than one child order, and never asks for more than the parent order lacks
//! with all that may still fill counted as filled. What it has done is a sum of its fills, by the
//! times at which the journal holds them, so that pauses and restarts lose nothing; the volume
//! that others traded is seen live only, so that a restart may make it trade less, never more.

use enigma_types::{
    Amount, CatchUp, ExecutionReport, Fill, Instrument, Nanos, Now, Outcome, Parameters, Price,
    Quantity, RequestKind, Side, SliceStyle, SpecError, StrategyId, StrategyKind, StrategyResult,
    TimeInForce, Trade, UnixNanos,
};

use super::sizing::{Owner, in_bounds, in_steps, is_enough, on_ticks};
use super::{Decision, Decisions, FinishReason, Strategy, View};
use crate::digest::{Digest, halves};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twap {
    owner: Owner,
    side: Side,
    parent: Quantity,
    limit: Price,
    schedule: Schedule,
    passive: bool,
    through_ticks: i64,
    /// The most of a slice's traded volume that may be ours.
    participation_percent: Option<i64>,
    /// How large a slice may grow by what was missed; without it, that is spread evenly.
    growth_percent: Option<i64>,
    /// 10⁻¹² of the quote asset for one unit of a price.
    price_unit: i128,
    done: Done,
    /// Traded by anyone since this slice began, as far as it was seen.
    volume: (u64, Quantity),
    /// When a resting child is to be cancelled, in nanoseconds from the start.
    resting_until: u64,
    /// No child is sent before this.
    not_before: Nanos,
}

/// When each slice begins and ends, in nanoseconds from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Schedule {
    slices: u64,
    interval: u64,
    duration: u64,
}

/// What the journal's fills sum up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    started_at: UnixNanos,
    executed: Quantity,
    /// Of the slice named, which is the last one that had a fill.
    in_slice: (u64, Quantity),
    /// Price times quantity of the fills, in their own units.
    value: i128,
}

impl Twap {
    pub(super) fn new(
        owner: Owner,
        given: &Parameters,
        instrument: &Instrument,
    ) -> Result<Self, SpecError> {
        let missing = |parameter| SpecError::Missing { kind: StrategyKind::Twap, parameter };
        let quantity = given.quantity.ok_or_else(|| missing("quantity"))?;
        let limit_price = given.limit_price.ok_or_else(|| missing("limit_price"))?;
        let parent = in_steps("quantity", quantity, instrument)?;
        if parent < instrument.min_quantity {
            let instrument = instrument.name();
            return Err(SpecError::TooSmall { parameter: "quantity", instrument });
        }
        let grows = given.catch_up == Some(CatchUp::Add);
        let digits = Amount::DIGITS.saturating_sub(instrument.price_scale.digits());
        Ok(Self {
            owner,
            side: given.side.ok_or_else(|| missing("side"))?,
            parent,
            limit: on_ticks("limit_price", limit_price, instrument)?,
            schedule: Schedule::new(given),
            passive: given.style == Some(SliceStyle::Passive),
            through_ticks: i64::from(given.through_ticks.unwrap_or_default()),
            participation_percent: given.participation_percent.map(i64::from),
            growth_percent: given.catch_up_percent.filter(|_| grows).map(i64::from),
            price_unit: 10_i128.pow(u32::from(digits)),
            done: Done::default(),
            volume: (0, Quantity::ZERO),
            resting_until: 0,
            not_before: Nanos::ZERO,
        })
    }

    /// What was done under the description before stays done, unless that traded the other way.
    pub(super) fn inherit(&mut self, before: &Self) {
        self.done = if self.side == before.side {
            before.done
        } else {
            Done { started_at: before.done.started_at, ..Done::default() }
        };
    }

    pub(super) fn fingerprint(&self, id: StrategyId, digest: &mut Digest) {
        let Done { started_at, executed, in_slice: (slice, in_slice), value } = self.done;
        let [low, high] = halves(value);
        let (executed, in_slice) = (executed.0 as u64, in_slice.0 as u64);
        digest.add(10, &[u64::from(id.0), started_at.0, executed, slice, in_slice, low, high]);
    }

    fn tend(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        let left = self.parent.less(self.done.executed);
        if left.is_zero() {
            return push(decisions, Decision::Finish(FinishReason::Completed));
        }
        let elapsed = self.elapsed(view.now);
        if elapsed >= self.schedule.duration {
            return push(decisions, Decision::Finish(FinishReason::TimeUp));
        }
        let slice = self.schedule.slice_at(elapsed);
        self.open_slice(slice);
        if !view.pending.on(self.side).is_zero() || !view.orders.is_empty() {
            return self.end_resting(view, elapsed, decisions);
        }
        let crossing = !self.passive || elapsed >= self.schedule.crossing_from(slice);
        let Some(price) = self.price(view, crossing) else { return };
        if !is_enough(view.instrument, price, left) {
            return push(decisions, Decision::Finish(FinishReason::BelowMinimum));
        }
        let quantity = self.child(view.instrument, slice, left);
        if view.now.mono < self.not_before || !is_enough(view.instrument, price, quantity) {
            return;
        }
        let (time_in_force, until) = if crossing {
            (TimeInForce::Ioc, self.schedule.end_of(slice))
        } else {
            (TimeInForce::PostOnly, self.schedule.crossing_from(slice))
        };
        self.resting_until = until;
        self.not_before = view.now.mono.plus(BETWEEN_CHILDREN);
        let order = self.owner.order(self.side, price, quantity, time_in_force);
        push(decisions, Decision::Place(order));
    }

    fn elapsed(&self, now: Now) -> u64 {
        now.wall.0.saturating_sub(self.done.started_at.0)
    }

    fn open_slice(&mut self, slice: u64) {
        if self.volume.0 != slice {
            self.volume = (slice, Quantity::ZERO);
        }
    }

    fn end_resting(&self, view: &View<'_>, elapsed: u64, decisions: &mut Decisions) {
        if elapsed < self.resting_until {
            return;
        }
        for order in view.orders.iter().filter(|order| !order.busy) {
            push(decisions, Decision::Cancel(order.client_order_id));
        }
    }

    /// Where a child belongs now; `None` while the market lies beyond the limit price.
    fn price(&self, view: &View<'_>, crossing: bool) -> Option<Price> {
        if !view.book.is_sound() {
            return None;
        }
        let (bid, ask) = (view.book.best_bid()?.price, view.book.best_ask()?.price);
        let reach = self.through_ticks.saturating_mul(view.instrument.tick.0);
        let price = match (self.side, crossing) {
            (Side::Buy, true) if ask > self.limit => return None,
            (Side::Sell, true) if bid < self.limit => return None,
            (Side::Buy, true) => self.limit.min(Price(ask.0.saturating_add(reach))),
            (Side::Sell, true) => self.limit.max(Price(bid.0.saturating_sub(reach))),
            (Side::Buy, false) => self.limit.min(bid),
            (Side::Sell, false) => self.limit.max(ask),
        };
        in_bounds(view.instrument, price).then_some(price)
    }

    /// How much a child may hold in this slice: whole steps.
    fn child(&self, instrument: &Instrument, slice: u64, left: Quantity) -> Quantity {
        let in_slice = match self.done.in_slice {
            (last, executed) if last == slice => executed,
            _ => Quantity::ZERO,
        };
        let before = self.done.executed.less(in_slice);
        let mut wanted = self.goal(instrument.step, slice, before).less(in_slice).min(left);
        if let Some(percent) = self.participation_percent {
            let share = share(self.volume.1, percent, 100);
            wanted = wanted.min(share.less(in_slice));
        }
        if !instrument.max_quantity.is_zero() {
            wanted = wanted.min(instrument.max_quantity);
        }
        Quantity(wanted.0 - wanted.0 % instrument.step.0)
    }

    /// What this slice should execute, when `before` had been executed before it began.
    fn goal(&self, step: Quantity, slice: u64, before: Quantity) -> Quantity {
        let slices = i64::try_from(self.schedule.slices).unwrap_or(i64::MAX);
        let slice = i64::try_from(slice).unwrap_or(i64::MAX);
        let steps = |quantity: Quantity| quantity.0 / step.0;
        let even = |quantity, parts: i64| steps(quantity).saturating_add(parts - 1) / parts.max(1);
        let rest = self.parent.less(before);
        match self.growth_percent {
            None => Quantity(even(rest, slices - slice).saturating_mul(step.0)).min(rest),
            Some(percent) => {
                let most = share(Quantity(even(self.parent, slices)), percent, 100);
                let due = share(Quantity(steps(self.parent)), slice + 1, slices);
                let due = Quantity(due.0.saturating_mul(step.0));
                due.less(before).min(Quantity(most.0.saturating_mul(step.0)))
            }
        }
    }
}

impl Strategy for Twap {
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        self.tend(view, decisions);
    }

    fn on_trade(&mut self, view: &View<'_>, trade: &Trade, decisions: &mut Decisions) {
        if self.participation_percent.is_some() {
            self.open_slice(self.schedule.slice_at(self.elapsed(view.now)));
            self.volume.1 = self.volume.1.plus(trade.quantity);
            self.tend(view, decisions);
        }
    }

    fn on_report(&mut self, view: &View<'_>, report: &ExecutionReport, decisions: &mut Decisions) {
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

    fn next_deadline(&self, now: Now) -> Option<Nanos> {
        let elapsed = self.elapsed(now);
        let slice = self.schedule.slice_at(elapsed);
        let crossing = self.schedule.crossing_from(slice);
        let next =
            if self.passive && elapsed < crossing { crossing } else { self.schedule.end_of(slice) };
        next.checked_sub(elapsed).map(|span| now.mono.plus(Nanos(span)))
    }

    fn on_start(&mut self, at: UnixNanos) {
        self.done = Done { started_at: at, ..Done::default() };
    }

    fn on_fill(&mut self, at: UnixNanos, fill: &Fill) {
        let slice = self.schedule.slice_at(at.0.saturating_sub(self.done.started_at.0));
        let done = &mut self.done;
        done.executed = done.executed.plus(fill.quantity);
        done.value += i128::from(fill.price.0) * i128::from(fill.quantity.0);
        if done.in_slice.0 != slice {
            done.in_slice = (slice, Quantity::ZERO);
        }
        done.in_slice.1 = done.in_slice.1.plus(fill.quantity);
    }

    fn result(&self) -> Option<StrategyResult> {
        let Done { executed, value, .. } = self.done;
        let average = value.saturating_mul(self.price_unit).checked_div(i128::from(executed.0));
        Some(StrategyResult {
            executed,
            remaining: self.parent.less(executed),
            average_price: Amount(average.unwrap_or(0)),
        })
    }
}

impl Schedule {
    fn new(given: &Parameters) -> Self {
        let seconds = u64::from(given.duration_seconds.unwrap_or(1)).max(1);
        let duration = Nanos::from_secs(seconds).0;
        match given.interval_seconds {
            Some(interval) => {
                let interval = u64::from(interval).clamp(1, seconds);
                let slices = seconds.div_ceil(interval);
                Self { slices, interval: Nanos::from_secs(interval).0, duration }
            }
            None => {
                let slices = u64::from(given.slices.unwrap_or(1)).max(1);
                Self { slices, interval: duration / slices, duration }
            }
        }
    }

    /// The slice that an instant belongs to; what comes after the end belongs to the last one.
    fn slice_at(&self, elapsed: u64) -> u64 {
        (elapsed / self.interval).min(self.slices - 1)
    }

    fn end_of(&self, slice: u64) -> u64 {
        if slice + 1 >= self.slices { self.duration } else { (slice + 1) * self.interval }
    }

    /// From here on a passive slice takes what is left of it: the last fifth.
    fn crossing_from(&self, slice: u64) -> u64 {
        let begin = slice * self.interval;
        begin + (self.end_of(slice) - begin) / 5 * 4
    }
}

/// `part` of `whole` parts of a quantity, rounded down.
fn share(quantity: Quantity, part: i64, whole: i64) -> Quantity {
    let share = i128::from(quantity.0) * i128::from(part) / i128::from(whole.max(1));
    Quantity(i64::try_from(share).unwrap_or(i64::MAX))
}

/// What doesn't fit is decided again at the next call.
fn push(decisions: &mut Decisions, decision: Decision) {
    let _ = decisions.try_push(decision);
}

/// Keeps a child that finds nothing, or that a check refuses, from being sent at every tick.
const BETWEEN_CHILDREN: Nanos = Nanos::from_millis(200);
const AFTER_REFUSAL: Nanos = Nanos::from_secs(1);

#[cfg(test)]
mod tests;
