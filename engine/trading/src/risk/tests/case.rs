//! A market and a book of limits, to ask each check at its limit, one before and one beyond.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

pub(super) use enigma_types::{Amount, BookTop, Level};
pub(super) use rust_decimal::Decimal;

pub(super) use super::super::*;
pub(super) use crate::strategy::scene;

/// The check, limit and value of a refusal; `None` for an approval.
pub(super) type Refused = Option<(RiskCheck, i64, i64)>;

pub(super) const ACCOUNT: AccountId = AccountId(0);
pub(super) const INSTRUMENT: InstrumentId = InstrumentId(0);
pub(super) const STRATEGY: StrategyId = StrategyId(1);
pub(super) const OTHER: StrategyId = StrategyId(2);
pub(super) const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
pub(super) const SECOND: u64 = 1_000_000_000;

/// A market around 1000.0 in which an order of 0.010 passes everything.
pub(super) struct Case {
    pub(super) risk: RiskBook,
    pub(super) instruments: InstrumentTable,
    pub(super) limits: RiskLimits,
    pub(super) instrument: Instrument,
    pub(super) book: BookTop,
    pub(super) now: Now,
    pub(super) gate: Gate,
    pub(super) signal_at: Option<Nanos>,
}

impl Case {
    pub(super) fn new() -> Self {
        let limits = RiskLimits { price_collar_bps: 100, ..RiskLimits::default() };
        let mut instruments = InstrumentTable::default();
        instruments.add(scene::instrument()).unwrap();
        let mut risk = RiskBook::new(&limits, &instruments, 2, 2).unwrap();
        let own = StrategyLimits::default();
        risk.set_strategy_limits(STRATEGY, &own, &scene::instrument()).unwrap();
        risk.set_strategy_limits(OTHER, &own, &scene::instrument()).unwrap();
        risk.set_clock(VenueId::BinanceUsdm, 0, 0);
        let mono = Nanos::from_secs(100);
        let mut book = scene::touch(9_999, 5, 10_001, 5);
        book.received_at = mono;
        let now = Now { mono, ..Now::default() };
        let instrument = scene::instrument();
        let gate = Gate::Open;
        Self { risk, instruments, limits, instrument, book, now, gate, signal_at: None }
    }

    pub(super) fn limits(mut self, change: impl FnOnce(&mut RiskLimits)) -> Self {
        change(&mut self.limits);
        self.risk.set_limits(&self.limits, &self.instruments).unwrap();
        self
    }

    pub(super) fn own(mut self, own: StrategyLimits) -> Self {
        self.risk.set_strategy_limits(STRATEGY, &own, &self.instrument).unwrap();
        self
    }

    /// A position of both the account and the strategy.
    pub(super) fn hold(mut self, position: i64) -> Self {
        let side = if position < 0 { Side::Sell } else { Side::Buy };
        let quantity = Quantity(position.abs());
        self.risk.on_fill(STRATEGY, ACCOUNT, INSTRUMENT, side, quantity);
        self
    }

    pub(super) fn reserved(mut self, side: Side, quantity: i64) -> Self {
        self.risk.reserve(STRATEGY, ACCOUNT, INSTRUMENT, side, Quantity(quantity));
        self
    }

    pub(super) fn opened(mut self, strategy: StrategyId, account: u16, orders: u32) -> Self {
        for _ in 0..orders {
            self.risk.order_opened(strategy, AccountId(account), INSTRUMENT);
        }
        self
    }

    pub(super) fn ask(&mut self, intent: OrderIntent) -> Result<OrderIntent, RiskRejection> {
        let Self { instrument, book, gate, signal_at, .. } = self;
        let context = CheckContext { instrument, book, gate: *gate, signal_at: *signal_at };
        self.risk.check(self.now, &intent, &context).map(Approved::into_inner)
    }

    pub(super) fn ask_replace(&mut self, intent: ReplaceIntent) -> Result<(), RiskRejection> {
        let Self { instrument, book, gate, signal_at, .. } = self;
        let context = CheckContext { instrument, book, gate: *gate, signal_at: *signal_at };
        self.risk.check_replace(self.now, &intent, &context).map(|_| ())
    }

    #[track_caller]
    pub(super) fn check(&mut self, intent: OrderIntent, expected: Refused) {
        let answer = self.ask(intent);
        let refusal = answer.err().map(|no| (no.check, no.limit, no.value));
        assert_eq!(refusal, expected, "{intent:?}");
    }

    #[track_caller]
    pub(super) fn check_replace(&mut self, intent: ReplaceIntent, expected: Refused) {
        let refusal = self.ask_replace(intent).err().map(|no| (no.check, no.limit, no.value));
        assert_eq!(refusal, expected, "{intent:?}");
    }
}

pub(super) fn limit(side: Side, price: i64, quantity: i64) -> OrderIntent {
    OrderIntent {
        strategy: STRATEGY,
        account: ACCOUNT,
        instrument: INSTRUMENT,
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        price: Price(price),
        quantity: Quantity(quantity),
        reduce_only: false,
    }
}

pub(super) fn market(side: Side, quantity: i64) -> OrderIntent {
    OrderIntent { order_type: OrderType::Market, ..limit(side, 0, quantity) }
}

pub(super) fn reducing(intent: OrderIntent) -> OrderIntent {
    OrderIntent { reduce_only: true, ..intent }
}

pub(super) fn replace(side: Side, price: i64, quantity: i64, previous: i64) -> ReplaceIntent {
    ReplaceIntent {
        strategy: STRATEGY,
        account: ACCOUNT,
        instrument: INSTRUMENT,
        side,
        price: Price(price),
        quantity: Quantity(quantity),
        previous_quantity: Quantity(previous),
        value_growth: i128::from(price) * i128::from(quantity - previous),
        reduce_only: false,
    }
}

pub(super) fn sign(side: Side) -> i64 {
    Quantity(1).signed(side).0
}
