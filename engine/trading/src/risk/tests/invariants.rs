//! Invariants of the exposure under random histories: it equals a recomputation from the orders,
//! and approved orders stay within their limits whatever fills and whatever doesn't.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::Amount;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::super::*;
use crate::strategy::scene;

const ACCOUNTS: u16 = 2;
const STRATEGIES: u16 = 3;
const INSTRUMENTS: u16 = 2;
/// Units of `Amount` in one of price times quantity.
const VALUE_UNIT: i128 = 10_i128.pow(Amount::DIGITS as u32 - 4);

/// An order as the naive model keeps it.
#[derive(Clone, Copy, Debug)]
struct Order {
    strategy: StrategyId,
    account: AccountId,
    instrument: InstrumentId,
    side: Side,
    /// The quantity it was opened with.
    asked: i64,
    total: i64,
    filled: i64,
    /// What a replace in flight may add.
    growth: i64,
    open: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Open {
        strategy: u16,
        account: u16,
        instrument: u16,
        buy: bool,
        quantity: i64,
    },
    Fill {
        order: usize,
        quantity: i64,
    },
    LateFill {
        order: usize,
        quantity: i64,
    },
    Grow {
        order: usize,
        quantity: i64,
    },
    /// The replace took effect, or didn't; what can't fill any more is released.
    Settle {
        order: usize,
        grown: bool,
    },
    Close {
        order: usize,
    },
}

impl Order {
    fn leaves(&self) -> i64 {
        if self.open { self.total + self.growth - self.filled } else { 0 }
    }

    fn scope(&self) -> (StrategyId, AccountId, InstrumentId) {
        (self.strategy, self.account, self.instrument)
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let open = (0..STRATEGIES, 0..ACCOUNTS, 0..INSTRUMENTS, any::<bool>(), 1_i64..40).prop_map(
        |(strategy, account, instrument, buy, quantity)| Step::Open {
            strategy,
            account,
            instrument,
            buy,
            quantity,
        },
    );
    let place = 0_usize..12;
    let placed = || (place.clone(), 1_i64..40);
    prop_oneof![
        4 => open,
        4 => placed().prop_map(|(order, quantity)| Step::Fill { order, quantity }),
        1 => placed().prop_map(|(order, quantity)| Step::LateFill { order, quantity }),
        2 => placed().prop_map(|(order, quantity)| Step::Grow { order, quantity }),
        2 => (place.clone(), any::<bool>())
            .prop_map(|(order, grown)| Step::Settle { order, grown }),
        2 => place.clone().prop_map(|order| Step::Close { order }),
    ]
}

fn table() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let symbol = enigma_types::Symbol::from(symbol).unwrap();
        table.add(Instrument { symbol, ..scene::instrument() }).unwrap();
    }
    table
}

/// Random histories of orders that may break every rule but the desk's duties.
struct History {
    risk: RiskBook,
    orders: Vec<Order>,
    late: Vec<(Order, i64)>,
    instruments: InstrumentTable,
}

impl History {
    fn new(limits: &RiskLimits, own: &StrategyLimits) -> Self {
        let instruments = table();
        let mut risk =
            RiskBook::new(limits, &instruments, usize::from(ACCOUNTS), usize::from(STRATEGIES))
                .unwrap();
        for strategy in 1..STRATEGIES {
            let instrument = instruments.get(InstrumentId(strategy % INSTRUMENTS)).unwrap();
            risk.set_strategy_limits(StrategyId(strategy), own, instrument).unwrap();
        }
        risk.set_clock(VenueId::BinanceUsdm, 0, 0);
        Self { risk, orders: Vec::new(), late: Vec::new(), instruments }
    }

    /// Orders enter the book without any check.
    fn step(&mut self, step: Step) {
        match step {
            Step::Open { strategy, account, instrument, buy, quantity } => {
                let side = if buy { Side::Buy } else { Side::Sell };
                let scope = (StrategyId(strategy), AccountId(account), InstrumentId(instrument));
                self.open(scope, side, quantity);
            }
            Step::Grow { order, quantity } => self.grow(order, quantity),
            Step::Fill { .. }
            | Step::LateFill { .. }
            | Step::Settle { .. }
            | Step::Close { .. } => {
                self.venue_step(step);
            }
        }
    }

    fn open(
        &mut self,
        (strategy, account, instrument): (StrategyId, AccountId, InstrumentId),
        side: Side,
        quantity: i64,
    ) {
        self.risk.order_opened(strategy, account, instrument);
        self.risk.reserve(strategy, account, instrument, side, Quantity(quantity));
        self.risk.revalue(strategy, instrument, 0, value(quantity));
        self.orders.push(Order {
            strategy,
            account,
            instrument,
            side,
            asked: quantity,
            total: quantity,
            filled: 0,
            growth: 0,
            open: true,
        });
    }

    fn grow(&mut self, order: usize, quantity: i64) {
        let Some(order) = self.orders.get_mut(order).filter(|order| order.open) else { return };
        let (strategy, account, instrument) = order.scope();
        let was = order.leaves();
        order.growth += quantity;
        self.risk.revalue(strategy, instrument, value(was), value(order.leaves()));
        self.risk.reserve(strategy, account, instrument, order.side, Quantity(quantity));
    }

    /// What a venue may do to an order at any time.
    fn venue_step(&mut self, step: Step) {
        let (Step::Fill { order: place, .. }
        | Step::LateFill { order: place, .. }
        | Step::Settle { order: place, .. }
        | Step::Close { order: place }
        | Step::Grow { order: place, .. }) = step
        else {
            return;
        };
        let Some(order) = self.orders.get_mut(place) else { return };
        let (strategy, account, instrument) = order.scope();
        let (side, leaves) = (order.side, order.leaves());
        match step {
            Step::Fill { quantity, .. } if order.open => {
                let quantity = quantity.min(leaves);
                order.filled += quantity;
                self.risk.on_fill(strategy, account, instrument, side, Quantity(quantity));
                self.risk.release(strategy, account, instrument, side, Quantity(quantity));
            }
            Step::LateFill { quantity, .. } if !order.open => {
                self.late.push((*order, quantity));
                self.risk.on_fill(strategy, account, instrument, side, Quantity(quantity));
            }
            Step::Settle { grown, .. } if order.open && order.growth > 0 => {
                if grown || order.filled > order.total {
                    order.total += order.growth;
                } else {
                    let never = Quantity(order.growth);
                    self.risk.release(strategy, account, instrument, side, never);
                }
                order.growth = 0;
            }
            Step::Close { .. } if order.open => {
                order.open = false;
                self.risk.release(strategy, account, instrument, side, Quantity(leaves));
                self.risk.order_closed(strategy, account, instrument);
            }
            Step::Open { .. }
            | Step::Fill { .. }
            | Step::LateFill { .. }
            | Step::Grow { .. }
            | Step::Settle { .. }
            | Step::Close { .. } => {}
        }
        let is = order.leaves();
        self.risk.revalue(strategy, instrument, value(leaves), value(is));
    }

    fn recomputed(&self, belongs: impl Fn(&Order) -> bool) -> Exposure {
        let mut sum = Exposure::default();
        for order in self.orders.iter().filter(|order| belongs(order)) {
            sum.position = sum.position.plus(Quantity(order.filled).signed(order.side));
            sum.open_orders += u32::from(order.open);
            match order.side {
                Side::Buy => sum.buys.0 += order.leaves(),
                Side::Sell => sum.sells.0 += order.leaves(),
            }
        }
        for (order, quantity) in self.late.iter().filter(|(order, _)| belongs(order)) {
            sum.position = sum.position.plus(Quantity(*quantity).signed(order.side));
        }
        sum
    }
}

/// What so much is worth: every order of these histories has the same price.
fn value(quantity: i64) -> i128 {
    10_000 * i128::from(quantity)
}

fn limits() -> (RiskLimits, StrategyLimits) {
    let engine = RiskLimits {
        max_position_notional: Decimal::new(90, 0),
        max_messages_per_second: 1_000_000,
        max_messages_per_10_seconds: 1_000_000,
        max_messages_per_minute: 1_000_000,
        max_open_orders: 1_000_000,
        max_open_notional: Decimal::new(150, 0),
        ..RiskLimits::default()
    };
    let own = StrategyLimits { max_position: Some(Decimal::new(60, 3)), ..Default::default() };
    (engine, own)
}

/// Asks for every wish first, and enters only what was approved.
fn ask_and_step(history: &mut History, step: Step) {
    let mut top = scene::touch(9_999, 5, 10_001, 5);
    let now = Now::default();
    match step {
        Step::Open { strategy, account, instrument, buy, quantity } => {
            let scope = (StrategyId(strategy), AccountId(account), InstrumentId(instrument));
            let side = if buy { Side::Buy } else { Side::Sell };
            top.instrument = scope.2;
            let intent = OrderIntent {
                strategy: scope.0,
                account: scope.1,
                instrument: scope.2,
                side,
                order_type: if quantity % 2 == 0 { OrderType::Limit } else { OrderType::Market },
                time_in_force: TimeInForce::Gtc,
                price: Price(10_000),
                quantity: Quantity(quantity),
                reduce_only: quantity % 5 == 0,
            };
            let instrument = history.instruments.get(scope.2).unwrap();
            let context =
                CheckContext { instrument, book: &top, gate: Gate::Open, signal_at: None };
            if let Ok(approved) = history.risk.check(now, &intent, &context) {
                let quantity = approved.into_inner().quantity;
                history.open(scope, side, quantity.0);
            }
        }
        Step::Grow { order: place, quantity } => {
            let Some(order) = history.orders.get(place).filter(|order| order.open) else { return };
            top.instrument = order.instrument;
            let previous = order.total + order.growth;
            let intent = ReplaceIntent {
                strategy: order.strategy,
                account: order.account,
                instrument: order.instrument,
                side: order.side,
                price: Price(10_000),
                quantity: Quantity(previous + quantity),
                previous_quantity: Quantity(previous),
                value_growth: value(quantity),
                reduce_only: false,
            };
            let instrument = history.instruments.get(order.instrument).unwrap();
            let context =
                CheckContext { instrument, book: &top, gate: Gate::Open, signal_at: None };
            if let Ok(approved) = history.risk.check_replace(now, &intent, &context) {
                let growth = approved.into_inner().growth();
                history.grow(place, growth.0);
            }
        }
        // A late fill is a fill whose order was wrongly thought closed: no limit survives that.
        Step::LateFill { .. } => {}
        Step::Fill { .. } | Step::Settle { .. } | Step::Close { .. } => history.venue_step(step),
    }
}

proptest! {
    #[test]
    fn exposure_is_what_the_orders_add_up_to(steps in prop::collection::vec(any_step(), 1..120)) {
        let (engine, own) = limits();
        let mut history = History::new(&engine, &own);
        for step in steps {
            history.step(step);
        }
        for instrument in (0..INSTRUMENTS).map(InstrumentId) {
            for account in (0..ACCOUNTS).map(AccountId) {
                let expected = history.recomputed(|order| {
                    order.account == account && order.instrument == instrument
                });
                prop_assert_eq!(history.risk.exposure(account, instrument), expected);
            }
            for strategy in (0..STRATEGIES).map(StrategyId) {
                let expected = history.recomputed(|order| {
                    order.strategy == strategy && order.instrument == instrument
                });
                prop_assert_eq!(history.risk.strategy_exposure(strategy, instrument), expected);
            }
        }
        let open = history.orders.iter().filter(|order| order.open).count();
        prop_assert_eq!(usize::try_from(history.risk.open_orders()).unwrap(), open);
        let leaves = |of: &dyn Fn(&&Order) -> bool| -> i128 {
            let orders = history.orders.iter().filter(of);
            orders.map(|order| value(order.leaves()) * VALUE_UNIT).sum()
        };
        prop_assert_eq!(history.risk.open_value.0, leaves(&|_| true));
        for strategy in 0..STRATEGIES {
            let own = leaves(&|order| order.strategy.0 == strategy);
            let kept = history.risk.open_value_by_strategy[usize::from(strategy)];
            prop_assert_eq!(kept.0, own, "strategy {}", strategy);
        }
    }

    #[test]
    fn approved_orders_never_exceed_a_limit_whatever_fills(
        steps in prop::collection::vec(any_step(), 1..200),
    ) {
        let (engine, own) = limits();
        let mut history = History::new(&engine, &own);
        let most = Amount::from_decimal(engine.max_position_notional).unwrap();
        let most_open = Amount::from_decimal(engine.max_open_notional).unwrap();
        for step in steps {
            ask_and_step(&mut history, step);
            // What surely reduced when it was asked for is let through.
            let bound = history.orders.iter().filter(|order| order.asked % 5 != 0);
            let open: i128 = bound.map(|order| value(order.leaves()) * VALUE_UNIT).sum();
            prop_assert!(open <= most_open.0, "{open} may be open");
            for instrument in (0..INSTRUMENTS).map(InstrumentId) {
                let rules = history.instruments.get(instrument).unwrap();
                for account in (0..ACCOUNTS).map(AccountId) {
                    // From the model, not from the book under test.
                    let all = history.recomputed(|order| {
                        order.account == account && order.instrument == instrument
                    });
                    for extreme in [all.position.0 + all.buys.0, all.position.0 - all.sells.0] {
                        let value = rules.value(Price(10_000), SignedQuantity(extreme)).abs();
                        prop_assert!(value <= most, "{account:?} {instrument:?}: {all:?}");
                    }
                }
                for strategy in (1..STRATEGIES).map(StrategyId) {
                    let all = history.recomputed(|order| {
                        order.strategy == strategy && order.instrument == instrument
                    });
                    prop_assert!(all.position.0 + all.buys.0 <= 60, "{strategy:?}: {all:?}");
                    prop_assert!(all.position.0 - all.sells.0 >= -60, "{strategy:?}: {all:?}");
                }
            }
        }
    }
}
