//! Strategies as state machines: a view of one instrument in, decisions out.
//!
//! A strategy never sends, cancels or counts anything itself, and its decisions are only wishes:
//! the desk checks every one.

mod quoter;
mod taker;

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, BookTop, ClientOrderId, ExecutionReport, Instrument, InstrumentId, Now, OrderIntent,
    OrderType, Price, Quantity, Side, SignedQuantity, SpecError, StrategyId, StrategyKind,
    StrategySpec, TimeInForce, Trade,
};

pub use quoter::Quoter;
pub use taker::Taker;

/// What a strategy may look at. Everything is of its own instrument and its own orders.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub now: Now,
    pub instrument: &'a Instrument,
    pub book: &'a BookTop,
    /// The strategy's own net position.
    pub position: SignedQuantity,
    /// Its orders that are not closed, oldest first.
    pub orders: &'a [OwnOrder],
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
}

/// The decisions of one call: eight at the most, more are refused by `try_push`.
pub type Decisions = ArrayVec<Decision, 8>;

/// A trading rule. It is asked only while it runs, and never waits or allocates.
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
}

/// Every strategy there is. A closed list, so that the desk calls it without indirection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrategyMachine {
    Quoter(Quoter),
    Taker(Taker),
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
    let sizing = Sizing::new(spec, id, account, instrument)?;
    Ok(match spec.kind {
        StrategyKind::Quoter => StrategyMachine::Quoter(Quoter::new(sizing, &spec.parameters)),
        StrategyKind::Taker => StrategyMachine::Taker(Taker::new(sizing, &spec.parameters)),
    })
}

impl StrategyMachine {
    pub const fn kind(&self) -> StrategyKind {
        match self {
            Self::Quoter(_) => StrategyKind::Quoter,
            Self::Taker(_) => StrategyKind::Taker,
        }
    }
}

impl Strategy for StrategyMachine {
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions) {
        match self {
            Self::Quoter(quoter) => quoter.on_book(view, decisions),
            Self::Taker(taker) => taker.on_book(view, decisions),
        }
    }

    fn on_trade(&mut self, view: &View<'_>, trade: &Trade, decisions: &mut Decisions) {
        match self {
            Self::Quoter(quoter) => quoter.on_trade(view, trade, decisions),
            Self::Taker(taker) => taker.on_trade(view, trade, decisions),
        }
    }

    fn on_report(&mut self, view: &View<'_>, report: &ExecutionReport, decisions: &mut Decisions) {
        match self {
            Self::Quoter(quoter) => quoter.on_report(view, report, decisions),
            Self::Taker(taker) => taker.on_report(view, report, decisions),
        }
    }
}

/// What every kind shares: whose orders they are, how large each is, how much may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizing {
    strategy: StrategyId,
    account: AccountId,
    instrument: InstrumentId,
    quantity: Quantity,
    max_position: Quantity,
}

impl Sizing {
    fn new(
        spec: &StrategySpec,
        strategy: StrategyId,
        account: AccountId,
        instrument: &Instrument,
    ) -> Result<Self, SpecError> {
        let given = &spec.parameters;
        let on_grid = |parameter, value: Option<rust_decimal::Decimal>| {
            let value = value.ok_or(SpecError::Missing { kind: spec.kind, parameter })?;
            Quantity::from_decimal(value, instrument.quantity_scale)
                .ok()
                .filter(|quantity| quantity.0 % instrument.step.0 == 0)
                .ok_or_else(|| SpecError::OffGrid {
                    parameter,
                    unit: instrument.step.to_decimal(instrument.quantity_scale),
                    instrument: instrument.name(),
                })
        };
        Ok(Self {
            strategy,
            account,
            instrument: instrument.id,
            quantity: on_grid("quantity", given.quantity)?,
            max_position: on_grid("max_position", given.max_position)?,
        })
    }

    /// How much an order on this side may hold when `leaves` may still fill there: whole steps,
    /// and nothing at all where the venue would refuse so little.
    fn room(&self, view: &View<'_>, side: Side, leaves: Quantity, price: Price) -> Quantity {
        let held = match side {
            Side::Buy => view.position.0,
            Side::Sell => view.position.0.saturating_neg(),
        };
        let room = self.max_position.0.saturating_sub(held).saturating_sub(leaves.0);
        let wanted = room.clamp(0, self.quantity.0);
        let step = view.instrument.step.0;
        let quantity = Quantity(wanted - wanted % step);
        let enough = quantity >= view.instrument.min_quantity
            && view.instrument.notional(price, quantity) >= view.instrument.min_notional;
        if enough { quantity } else { Quantity::ZERO }
    }

    const fn order(
        &self,
        side: Side,
        price: Price,
        quantity: Quantity,
        time_in_force: TimeInForce,
    ) -> OrderIntent {
        OrderIntent {
            strategy: self.strategy,
            account: self.account,
            instrument: self.instrument,
            side,
            order_type: OrderType::Limit,
            time_in_force,
            price,
            quantity,
            reduce_only: false,
        }
    }
}

/// What may still fill on a side.
fn leaves(orders: &[OwnOrder], side: Side) -> Quantity {
    orders
        .iter()
        .filter(|order| order.side == side)
        .fold(Quantity::ZERO, |sum, order| sum.plus(order.leaves_quantity))
}

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
