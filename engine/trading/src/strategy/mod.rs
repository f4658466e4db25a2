//! Strategies as state machines: a view of one instrument in, decisions out.
//!
//! A strategy never sends, cancels or counts anything itself, and its decisions are only wishes:
//! the desk checks every one.

mod grid;
mod quoter;
mod sizing;
mod taker;
mod twap;

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, BookTop, ClientOrderId, ExecutionReport, Fill, Instrument, Nanos, Now, OrderIntent,
    Price, Quantity, Side, SignedQuantity, SpecError, StrategyId, StrategyKind, StrategyResult,
    StrategySpec, Trade, UnixNanos,
};

use crate::digest::Digest;

pub use grid::Grid;
pub use quoter::Quoter;
pub use taker::Taker;
pub use twap::Twap;

use sizing::{Owner, Sizing};

/// What a strategy may look at. Everything is of its own instrument and its own orders.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub now: Now,
    pub instrument: &'a Instrument,
    pub book: &'a BookTop,
    /// The strategy's own net position.
    pub position: SignedQuantity,
    /// What its orders may still trade.
    pub pending: Pending,
    /// Its orders that are not closed, oldest first.
    pub orders: &'a [OwnOrder],
}

/// What may still be bought and sold at worst: orders in flight and unknown ones in full, both
/// legs of a replace, and fills that a venue counted and hasn't told yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    pub buys: Quantity,
    pub sells: Quantity,
}

/// One of the strategy's orders that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOrder {
    pub client_order_id: ClientOrderId,
    pub side: Side,
    pub price: Price,
    pub leaves_quantity: Quantity,
    /// A submit, cancel or replace is unanswered, or the state is Unknown: leave it alone.
    pub busy: bool,
}

/// What a strategy wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Place(OrderIntent),
    Cancel(ClientOrderId),
    /// New price and new total of leaves.
    Replace {
        client_order_id: ClientOrderId,
        price: Price,
        quantity: Quantity,
    },
    /// Its task has come to its end: its orders are cancelled, and it stops.
    Finish(FinishReason),
}

/// Why a strategy stopped by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// Everything that was asked for is done.
    Completed,
    TimeUp,
    /// What is left is less than the venue takes as an order.
    BelowMinimum,
    /// The market left the range that the strategy works in.
    OutsideRange,
}

/// The decisions of one call: eight at the most, more are refused by `try_push`.
pub type Decisions = ArrayVec<Decision, 8>;

/// A trading rule. It is asked only while it runs, and never waits or allocates.
///
/// What it must know after a restart it sums up in `on_start` and `on_fill`, which are told again
/// when the journal is replayed; all else is gone then, and its orders are cancelled.
pub trait Strategy {
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions);

    fn on_trade(&mut self, _view: &View<'_>, _trade: &Trade, _decisions: &mut Decisions) {}

    /// One of its orders changed.
    fn on_report(
        &mut self,
        _view: &View<'_>,
        _report: &ExecutionReport,
        _decisions: &mut Decisions,
    ) {
    }

    /// The time has come that `next_deadline` named.
    fn on_timer(&mut self, _view: &View<'_>, _decisions: &mut Decisions) {}

    /// When it wants to be asked even if nothing happens.
    fn next_deadline(&self, _now: Now) -> Option<Nanos> {
        None
    }

    /// An operator started it; resuming is no start.
    fn on_start(&mut self, _at: UnixNanos) {}

    /// One of its orders was filled, and the journal says so at this time. Told once for each
    /// fill, also while it doesn't run.
    fn on_fill(&mut self, _at: UnixNanos, _fill: &Fill) {}

    /// What it made of its task, where it has one that ends.
    fn result(&self) -> Option<StrategyResult> {
        None
    }
}

/// Every strategy there is. A closed list, so that the desk calls it without indirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrategyMachine {
    Quoter(Quoter),
    Taker(Taker),
    Twap(Twap),
    Grid(Grid),
}

/// Makes the machine that a checked description asks for. Decimals become integers exactly, or
/// the description is refused.
pub fn build(
    spec: &StrategySpec,
    id: StrategyId,
    account: AccountId,
    instrument: &Instrument,
) -> Result<StrategyMachine, SpecError> {
    spec.check()?;
    let given = spec.parameters.or_defaults(spec.kind);
    let owner = Owner { strategy: id, account, instrument: instrument.id };
    let sizing = || Sizing::new(spec.kind, &given, owner, instrument);
    Ok(match spec.kind {
        StrategyKind::Quoter => StrategyMachine::Quoter(Quoter::new(sizing()?, &given)),
        StrategyKind::Taker => StrategyMachine::Taker(Taker::new(sizing()?, &given)),
        StrategyKind::Twap => StrategyMachine::Twap(Twap::new(owner, &given, instrument)?),
        StrategyKind::Grid => StrategyMachine::Grid(Grid::new(owner, &given, instrument)?),
    })
}

/// Does the same with whichever strategy it is.
macro_rules! whichever {
    ($machine:expr, $strategy:ident => $call:expr) => {
        match $machine {
            StrategyMachine::Quoter($strategy) => $call,
            StrategyMachine::Taker($strategy) => $call,
            StrategyMachine::Twap($strategy) => $call,
            StrategyMachine::Grid($strategy) => $call,
        }
    };
}

impl StrategyMachine {
    pub const fn kind(&self) -> StrategyKind {
        match self {
            Self::Quoter(_) => StrategyKind::Quoter,
            Self::Taker(_) => StrategyKind::Taker,
            Self::Twap(_) => StrategyKind::Twap,
            Self::Grid(_) => StrategyKind::Grid,
        }
    }

    /// Takes over what the machine of the description before had summed up.
    pub fn inherit(&mut self, before: &Self) {
        if let (Self::Twap(new), Self::Twap(old)) = (&mut *self, before) {
            new.inherit(old);
        } else if let (Self::Grid(new), Self::Grid(old)) = (self, before) {
            new.inherit(old);
        }
    }

    /// Adds what it summed up to the desk's fingerprint.
    pub(crate) fn fingerprint(&self, id: StrategyId, digest: &mut Digest) {
        match self {
            Self::Quoter(_) | Self::Taker(_) => {}
            Self::Twap(twap) => twap.fingerprint(id, digest),
            Self::Grid(grid) => grid.fingerprint(id, digest),
        }
    }
}

impl Strategy for StrategyMachine {
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        whichever!(self, strategy => strategy.on_book(view, decisions));
    }

    fn on_trade(&mut self, view: &View<'_>, trade: &Trade, decisions: &mut Decisions) {
        whichever!(self, strategy => strategy.on_trade(view, trade, decisions));
    }

    fn on_report(&mut self, view: &View<'_>, report: &ExecutionReport, decisions: &mut Decisions) {
        whichever!(self, strategy => strategy.on_report(view, report, decisions));
    }

    fn on_timer(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        whichever!(self, strategy => strategy.on_timer(view, decisions));
    }

    fn next_deadline(&self, now: Now) -> Option<Nanos> {
        whichever!(self, strategy => strategy.next_deadline(now))
    }

    fn on_start(&mut self, at: UnixNanos) {
        whichever!(self, strategy => strategy.on_start(at));
    }

    fn on_fill(&mut self, at: UnixNanos, fill: &Fill) {
        whichever!(self, strategy => strategy.on_fill(at, fill));
    }

    fn result(&self) -> Option<StrategyResult> {
        whichever!(self, strategy => strategy.result())
    }
}

impl Pending {
    pub const fn on(&self, side: Side) -> Quantity {
        match side {
            Side::Buy => self.buys,
            Side::Sell => self.sells,
        }
    }
}

impl FinishReason {
    pub const fn text(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimeUp => "the time is up",
            Self::BelowMinimum => "what is left is below the venue's minimum",
            Self::OutsideRange => "the market left the range",
        }
    }
}

#[cfg(test)]
mod rehearsal;
#[cfg(test)]
pub(crate) mod scene;

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::scene::{self, parameters};
    use super::*;

    #[track_caller]
    fn check(spec: &StrategySpec, expected: Result<StrategyKind, SpecError>) {
        let built = build(spec, StrategyId(1), AccountId(0), &scene::instrument());
        assert_eq!(built.map(|machine| machine.kind()), expected);
    }

    #[test]
    fn a_description_becomes_a_machine_of_its_kind() {
        let mut given = parameters();
        check(&scene::spec(StrategyKind::Taker, given.clone()), Ok(StrategyKind::Taker));
        given.half_spread_ticks = Some(1);
        check(&scene::spec(StrategyKind::Quoter, given), Ok(StrategyKind::Quoter));
    }

    #[test]
    fn quantities_off_the_grid_are_refused_with_the_grid() {
        let off_grid = |parameter| SpecError::OffGrid {
            parameter,
            unit: Decimal::new(1, 3),
            instrument: "binance_usdm:BTCUSDT".into(),
        };
        let mut given = parameters();
        given.quantity = Some(Decimal::new(105, 4));
        check(&scene::spec(StrategyKind::Taker, given), Err(off_grid("quantity")));
        let mut given = parameters();
        given.max_position = Some(Decimal::new(500_001, 7));
        check(&scene::spec(StrategyKind::Taker, given), Err(off_grid("max_position")));
        let mut given = parameters();
        given.max_position = Some(Decimal::new(5_000, 5));
        check(&scene::spec(StrategyKind::Taker, given), Ok(StrategyKind::Taker));
    }

    #[test]
    fn what_the_description_check_refuses_is_refused_here_too() {
        let spec = scene::spec(StrategyKind::Quoter, parameters());
        let missing =
            SpecError::Missing { kind: StrategyKind::Quoter, parameter: "half_spread_ticks" };
        check(&spec, Err(missing));
    }
}
