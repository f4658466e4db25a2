//! A hand-made market for the tests of strategies and risk checks. Nothing outside tests uses it.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{
    AccountId, Amount, Asset, BookTop, ClientOrderId, Instrument, InstrumentId, Level, Now,
    Parameters, Price, Quantity, Scale, Side, SignedQuantity, StrategyId, StrategyKind,
    StrategyLimits, StrategyName, StrategySpec, Symbol, VenueId,
};
use rust_decimal::Decimal;

use super::sizing::leaves;
use super::{Decision, Decisions, OwnOrder, Pending, Strategy, StrategyMachine, View, build};

/// A strategy before a book, with a position and orders of the test's choice.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) machine: StrategyMachine,
    pub(crate) instrument: Instrument,
    pub(crate) book: BookTop,
    position: SignedQuantity,
    orders: Vec<OwnOrder>,
}

/// A quote that a decision would lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecidedQuote {
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    /// The position if it filled, and everything else that stands on its side.
    pub(crate) extreme: SignedQuantity,
}

/// Prices with one digit and a tick of 0.1, quantities with three and a step of 0.001.
pub(crate) fn instrument() -> Instrument {
    let asset = |name: &str| Asset::from(name).unwrap();
    Instrument {
        id: InstrumentId(0),
        venue: VenueId::BinanceUsdm,
        symbol: Symbol::from("BTCUSDT").unwrap(),
        base: asset("BTC"),
        quote: asset("USDT"),
        settle: asset("USDT"),
        price_scale: Scale::new(1).unwrap(),
        quantity_scale: Scale::new(3).unwrap(),
        tick: Price(1),
        min_price: Price(1),
        max_price: Price(1_000_000),
        step: Quantity(1),
        min_quantity: Quantity(1),
        max_quantity: Quantity(1_000_000),
        min_notional: Amount::ZERO,
        band_up_e8: None,
        band_down_e8: None,
        max_open_orders: None,
        trading: true,
    }
}

/// A quantity of 0.010 and a position of at most 0.050.
pub(crate) fn parameters() -> Parameters {
    Parameters {
        quantity: Some(Decimal::new(10, 3)),
        max_position: Some(Decimal::new(50, 3)),
        ..Parameters::default()
    }
}

pub(crate) fn spec(kind: StrategyKind, parameters: Parameters) -> StrategySpec {
    StrategySpec {
        id: StrategyName::from("test").unwrap(),
        kind,
        instruments: vec![instrument().name()],
        parameters,
        limits: StrategyLimits::default(),
    }
}

/// A book of one level on each side.
pub(crate) fn touch(bid: i64, bid_quantity: i64, ask: i64, ask_quantity: i64) -> BookTop {
    let level = |price, quantity| Level { price: Price(price), quantity: Quantity(quantity) };
    let mut book = BookTop::empty(InstrumentId(0));
    book.set_bids([level(bid, bid_quantity)]);
    book.set_asks([level(ask, ask_quantity)]);
    book
}

impl Scene {
    pub(crate) fn new(kind: StrategyKind, parameters: Parameters) -> Self {
        let instrument = instrument();
        let spec = spec(kind, parameters);
        Self {
            machine: build(&spec, StrategyId(1), AccountId(0), &instrument).unwrap(),
            instrument,
            book: BookTop::empty(InstrumentId(0)),
            position: SignedQuantity::ZERO,
            orders: Vec::new(),
        }
    }

    pub(crate) fn touch(
        &mut self,
        bid: i64,
        bid_quantity: i64,
        ask: i64,
        ask_quantity: i64,
    ) -> &mut Self {
        self.book = touch(bid, bid_quantity, ask, ask_quantity);
        self
    }

    pub(crate) fn hold(&mut self, position: i64) -> &mut Self {
        self.position = SignedQuantity(position);
        self
    }

    pub(crate) fn order(&mut self, id: u64, side: Side, price: i64, leaves: i64) -> &mut Self {
        self.add(id, side, price, leaves, false)
    }

    pub(crate) fn busy(&mut self, id: u64, side: Side, price: i64, leaves: i64) -> &mut Self {
        self.add(id, side, price, leaves, true)
    }

    pub(crate) fn clear_orders(&mut self) -> &mut Self {
        self.orders.clear();
        self
    }

    /// What the strategy decides now, in words.
    pub(crate) fn decide(&mut self) -> Vec<String> {
        let decisions = self.decisions();
        decisions.iter().map(|decision| words(*decision)).collect()
    }

    /// What each decision that may trade would have at the venue.
    pub(crate) fn decided_quotes(&mut self) -> Vec<DecidedQuote> {
        let decisions = self.decisions();
        decisions
            .into_iter()
            .filter_map(|decision| match decision {
                Decision::Place(order) => {
                    Some(self.decided(order.side, order.price, order.quantity, None))
                }
                Decision::Replace { client_order_id, price, quantity } => {
                    let own = |order: &&OwnOrder| order.client_order_id == client_order_id;
                    let order = self.orders.iter().find(own).unwrap();
                    assert!(!order.busy, "a busy order is left alone");
                    Some(self.decided(order.side, price, quantity, Some(client_order_id)))
                }
                Decision::Cancel(_) | Decision::Finish(_) => None,
            })
            .collect()
    }

    fn decided(
        &self,
        side: Side,
        price: Price,
        quantity: Quantity,
        replaced: Option<ClientOrderId>,
    ) -> DecidedQuote {
        let beside: i64 = self
            .orders
            .iter()
            .filter(|order| order.side == side && Some(order.client_order_id) != replaced)
            .map(|order| order.leaves_quantity.0)
            .sum();
        let all = Quantity(quantity.0 + beside);
        DecidedQuote { side, price, quantity, extreme: self.position.plus(all.signed(side)) }
    }

    fn decisions(&mut self) -> Decisions {
        let mut decisions = Decisions::new();
        let view = View {
            now: Now::default(),
            instrument: &self.instrument,
            book: &self.book,
            position: self.position,
            pending: Pending {
                buys: leaves(&self.orders, Side::Buy),
                sells: leaves(&self.orders, Side::Sell),
            },
            orders: &self.orders,
        };
        self.machine.on_book(&view, &mut decisions);
        decisions
    }

    fn add(&mut self, id: u64, side: Side, price: i64, leaves: i64, busy: bool) -> &mut Self {
        self.orders.push(OwnOrder {
            client_order_id: ClientOrderId::new(id).unwrap(),
            side,
            price: Price(price),
            leaves_quantity: Quantity(leaves),
            busy,
        });
        self
    }
}

pub(crate) fn words(decision: Decision) -> String {
    match decision {
        Decision::Place(order) => format!(
            "{} {} x {} {:?}",
            order.side.name(),
            order.price.0,
            order.quantity.0,
            order.time_in_force
        ),
        Decision::Cancel(id) => format!("cancel {id}"),
        Decision::Replace { client_order_id, price, quantity } => {
            format!("replace {client_order_id} {} x {}", price.0, quantity.0)
        }
        Decision::Finish(reason) => format!("finish: {}", reason.text()),
    }
}
