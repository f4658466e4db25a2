//! The checks themselves: small pure functions over facts, in the order they are asked.
//!
//! Integers only. A check looks at nothing but `Facts` and changes nothing; `RiskBook` gathers
//! the facts and acts on the answer. Sources: RTS 6 (EU) 2017/589 article 15 and SEC rule
//! 15c3-5 (c)(1), in the numbering C1 to C23 of this project.

use enigma_types::{
    AccountId, Amount, BookTop, Instrument, InstrumentId, Nanos, Price, Quantity, Side, StrategyId,
};

use super::exposure::Exposure;
use super::limits::{EngineLimits, InstrumentLimits, StrategyRow, amount_unit};
use super::rejection::{Gate, MICRO, RiskCheck, RiskRejection, Unit};
use super::throttle::{Window, share};

/// A new order or a change of one, as the checks see it. The price is always a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) strategy: StrategyId,
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    /// How much more may fill than before.
    pub(super) growth: Quantity,
    /// How much more open orders may be worth than before, in price times quantity.
    pub(super) value_growth: i128,
    pub(super) reduce_only: bool,
    /// The price was made from the reference.
    pub(super) market: bool,
    /// One more order may be open afterwards.
    pub(super) opens: bool,
}

/// All that a decision rests on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) wish: &'a Wish,
    pub(super) instrument: &'a Instrument,
    pub(super) reference: Option<Reference>,
    pub(super) book_age: Nanos,
    /// How long ago what the wish answers to was received; `None` for a person's wish.
    pub(super) signal_age: Option<Nanos>,
    pub(super) gate: Gate,
    pub(super) killed: bool,
    /// Offset and uncertainty together; `None` while the clocks were never compared.
    pub(super) clock_skew_ns: Option<u64>,
    pub(super) engine: EngineLimits,
    pub(super) limits: InstrumentLimits,
    pub(super) own: StrategyRow,
    pub(super) account: Exposure,
    pub(super) strategy: Exposure,
    pub(super) restricted: bool,
    pub(super) open_orders: u32,
    pub(super) strategy_open_orders: u32,
    pub(super) open_value: Amount,
    pub(super) strategy_open_value: Amount,
    pub(super) messages: [u64; Window::ALL.len()],
    pub(super) strategy_messages: u64,
    pub(super) back_off: Nanos,
}

/// The best prices of a sound book, and their middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    bid: Price,
    ask: Price,
    /// Twice the middle, so that half a price unit is exact.
    doubled: i128,
}

/// The prices that the collar, the touch and the venue's band leave to one side, both ends
/// included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collar {
    low: i64,
    high: i64,
    /// The outermost price inside that lies on the grid and within the instrument's bounds.
    pub(super) marketable: Price,
}

/// Asks every check, cheap ones first; the first refusal counts.
pub(super) fn run(facts: &Facts<'_>) -> Result<(), RiskRejection> {
    for check in ORDERED {
        if let Some(rejection) = check(facts) {
            return Err(rejection);
        }
    }
    Ok(())
}

/// C8 for the engine's windows: whether one message more of this sender is too many.
fn throttle_engine(
    engine: &EngineLimits,
    messages: [u64; Window::ALL.len()],
    strategy: StrategyId,
) -> Option<RiskRejection> {
    let mut windows = messages.into_iter().zip(engine.max_messages);
    windows.find_map(|(messages, limit)| throttle(messages, share(limit, strategy)))
}

/// C8 for one window: whether one message more is too many.
pub(super) fn throttle(messages: u64, limit: u32) -> Option<RiskRejection> {
    (messages >= u64::from(limit)).then(|| RiskRejection {
        check: RiskCheck::MessageThrottle,
        limit: i64::from(limit),
        value: clamped(i128::from(messages) + 1),
        unit: Unit::Count,
    })
}

const ORDERED: [fn(&Facts<'_>) -> Option<RiskRejection>; 14] = [
    check_kill_switch,
    check_gate,
    check_clock_skew,
    check_signal_age,
    check_order_quantity,
    check_open_orders,
    check_reference,
    check_spec,
    check_reduce_only,
    check_collar,
    check_order_notional,
    check_open_notional,
    check_worst_case_position,
    check_throttle,
];

/// C20.
fn check_kill_switch(facts: &Facts<'_>) -> Option<RiskRejection> {
    facts.killed.then_some(state(RiskCheck::KillSwitch, 0, 1))
}

/// C18. The desk knows why; here only whether.
fn check_gate(facts: &Facts<'_>) -> Option<RiskRejection> {
    match facts.gate {
        Gate::Open => None,
        Gate::OrderSessionDown
        | Gate::AccountSessionDown
        | Gate::MarketNotReady
        | Gate::Unreconciled
        | Gate::JournalFull
        | Gate::UnknownScope => Some(state(RiskCheck::Gate, Gate::Open.code(), facts.gate.code())),
    }
}

/// C17. Clocks that were never compared count as too far apart.
fn check_clock_skew(facts: &Facts<'_>) -> Option<RiskRejection> {
    let limit = facts.engine.max_clock_skew.0;
    let skew = facts.clock_skew_ns.unwrap_or(u64::MAX);
    (skew > limit).then(|| RiskRejection {
        check: RiskCheck::Timeliness,
        limit: clamped(i128::from(limit)),
        value: clamped(i128::from(skew)),
        unit: Unit::Nanoseconds,
    })
}

/// C17. The market has gone on since: whoever wants this still, will want it again.
fn check_signal_age(facts: &Facts<'_>) -> Option<RiskRejection> {
    let (age, limit) = (facts.signal_age?, facts.engine.max_signal_age);
    (age > limit).then(|| RiskRejection {
        check: RiskCheck::Timeliness,
        limit: clamped(i128::from(limit.0)),
        value: clamped(i128::from(age.0)),
        unit: Unit::Nanoseconds,
    })
}

/// C1.
fn check_order_quantity(facts: &Facts<'_>) -> Option<RiskRejection> {
    let limit = facts.own.max_order_quantity?;
    let quantity = facts.wish.quantity;
    (quantity > limit).then_some(RiskRejection {
        check: RiskCheck::MaxOrderQuantity,
        limit: limit.0,
        value: quantity.0,
        unit: Unit::Quantity,
    })
}

/// C7: of the strategy, of the engine, and of the account on the instrument as the venue allows.
fn check_open_orders(facts: &Facts<'_>) -> Option<RiskRejection> {
    if !facts.wish.opens {
        return None;
    }
    let scopes = [
        (facts.strategy_open_orders, facts.own.max_open_orders),
        (facts.open_orders, Some(facts.engine.max_open_orders)),
        (facts.account.open_orders, facts.instrument.max_open_orders),
    ];
    scopes.into_iter().find_map(|(open, limit)| {
        let limit = limit?;
        (open >= limit).then(|| RiskRejection {
            check: RiskCheck::OpenOrders,
            limit: i64::from(limit),
            value: i64::from(open) + 1,
            unit: Unit::Count,
        })
    })
}

/// C4. What surely reduces needs no reference, unless its price has to be made from one.
fn check_reference(facts: &Facts<'_>) -> Option<RiskRejection> {
    let limit = facts.engine.max_book_age;
    let age = match facts.reference {
        Some(_) => facts.book_age,
        None => Nanos::MAX,
    };
    let needs_price = facts.wish.market && facts.reference.is_none();
    let exempt = facts.wish.reduce_only && !needs_price;
    (age > limit && !exempt).then(|| RiskRejection {
        check: RiskCheck::ReferenceValidity,
        limit: clamped(i128::from(limit.0)),
        value: clamped(i128::from(age.0)),
        unit: Unit::Nanoseconds,
    })
}

/// C16: the rules that the venue would refuse the order for.
fn check_spec(facts: &Facts<'_>) -> Option<RiskRejection> {
    let (instrument, wish) = (facts.instrument, facts.wish);
    let broken = |limit, value, unit| {
        Some(RiskRejection { check: RiskCheck::SpecConformity, limit, value, unit })
    };
    if !instrument.trading {
        return broken(1, 0, Unit::State);
    }
    let (price, quantity) = (wish.price.0, wish.quantity.0);
    if price < instrument.min_price.0.max(1) {
        return broken(instrument.min_price.0.max(1), price, Unit::Price);
    }
    if instrument.max_price.0 > 0 && price > instrument.max_price.0 {
        return broken(instrument.max_price.0, price, Unit::Price);
    }
    if price.checked_rem(instrument.tick.0) != Some(0) {
        return broken(instrument.tick.0, price, Unit::Price);
    }
    if quantity < instrument.min_quantity.0.max(1) {
        return broken(instrument.min_quantity.0.max(1), quantity, Unit::Quantity);
    }
    if instrument.max_quantity.0 > 0 && quantity > instrument.max_quantity.0 {
        return broken(instrument.max_quantity.0, quantity, Unit::Quantity);
    }
    if quantity.checked_rem(instrument.step.0) != Some(0) {
        return broken(instrument.step.0, quantity, Unit::Quantity);
    }
    let unit = amount_unit(instrument);
    let notional = product(price, quantity).saturating_mul(unit);
    if notional < instrument.min_notional.0 && !wish.reduce_only {
        let limit = clamped(ceiling(instrument.min_notional.0, MICRO));
        return broken(limit, clamped(notional.div_euclid(MICRO)), Unit::MicroQuote);
    }
    None
}

/// C15: the flag is believed only when the account's worst case proves it, and demanded where the
/// account is restricted to reducing.
fn check_reduce_only(facts: &Facts<'_>) -> Option<RiskRejection> {
    let (wish, account) = (facts.wish, &facts.account);
    if !wish.reduce_only {
        return facts.restricted.then_some(state(RiskCheck::ReduceOnly, 1, 0));
    }
    if account.surely_reduces(wish.side, wish.growth) {
        return None;
    }
    let (leaves, held) = match wish.side {
        Side::Buy => (account.buys, account.position.0.saturating_neg()),
        Side::Sell => (account.sells, account.position.0),
    };
    Some(RiskRejection {
        check: RiskCheck::ReduceOnly,
        limit: held.max(0),
        value: leaves.plus(wish.growth).0,
        unit: Unit::Quantity,
    })
}

/// C3. Without a reference only what surely reduces comes this far.
fn check_collar(facts: &Facts<'_>) -> Option<RiskRejection> {
    let (instrument, side) = (facts.instrument, facts.wish.side);
    let collar = facts.reference?.collar(&facts.engine, &facts.own, instrument, side);
    let price = facts.wish.price.0;
    let limit = match price {
        _ if price > collar.high => collar.high,
        _ if price < collar.low => collar.low,
        _ => return None,
    };
    Some(RiskRejection { check: RiskCheck::PriceCollar, limit, value: price, unit: Unit::Price })
}

/// C2, of the strategy and of the engine, valued at the worse of limit price and reference.
fn check_order_notional(facts: &Facts<'_>) -> Option<RiskRejection> {
    if facts.wish.reduce_only {
        return None;
    }
    let doubled_price = (2 * i128::from(facts.wish.price.0)).max(facts.reference?.doubled);
    let doubled = i128::from(facts.wish.quantity.0).saturating_mul(doubled_price);
    let limits = [facts.own.max_order_notional, Some(facts.limits.max_order_notional)];
    exceeded(facts, RiskCheck::MaxOrderNotional, doubled, limits)
}

/// C7: the value of what may still trade, of the strategy and of the engine. What surely reduces
/// passes, so that a way out is never shut.
fn check_open_notional(facts: &Facts<'_>) -> Option<RiskRejection> {
    let growth = facts.wish.value_growth.saturating_mul(amount_unit(facts.instrument));
    if growth <= 0 || facts.wish.reduce_only {
        return None;
    }
    let scopes = [
        (facts.strategy_open_value, facts.own.max_open_notional),
        (facts.open_value, Some(facts.engine.max_open_notional)),
    ];
    scopes.into_iter().find_map(|(open, limit)| {
        let (value, limit) = (open.0.saturating_add(growth), limit?.0);
        (value > limit).then(|| RiskRejection {
            check: RiskCheck::OpenOrders,
            limit: clamped(limit.div_euclid(MICRO)),
            value: clamped(ceiling(value, MICRO)),
            unit: Unit::MicroQuote,
        })
    })
}

/// C5: the strategy's quantity, and the account's value at the reference. Only the extreme that
/// the wish moves is looked at, so what leads back from beyond a limit passes.
fn check_worst_case_position(facts: &Facts<'_>) -> Option<RiskRejection> {
    let (side, growth) = (facts.wish.side, facts.wish.growth);
    if growth.is_zero() {
        return None;
    }
    let worst = facts.strategy.worst(side, growth);
    if let Some(limit) = facts.own.max_position.filter(|limit| worst > limit.0) {
        return Some(RiskRejection {
            check: RiskCheck::WorstCasePosition,
            limit: limit.0,
            value: worst,
            unit: Unit::Quantity,
        });
    }
    let worst = i128::from(facts.account.worst(side, growth));
    let doubled = worst.saturating_mul(facts.reference?.doubled);
    let limits = [None, Some(facts.limits.max_position_notional)];
    exceeded(facts, RiskCheck::WorstCasePosition, doubled, limits)
}

/// C8: the pause after a venue had no room, then the windows of the strategy and of the engine.
fn check_throttle(facts: &Facts<'_>) -> Option<RiskRejection> {
    if facts.back_off > Nanos::ZERO {
        return Some(RiskRejection {
            check: RiskCheck::MessageThrottle,
            limit: 0,
            value: clamped(i128::from(facts.back_off.0)),
            unit: Unit::Nanoseconds,
        });
    }
    facts
        .own
        .max_messages_per_second
        .and_then(|limit| throttle(facts.strategy_messages, limit))
        .or_else(|| throttle_engine(&facts.engine, facts.messages, facts.wish.strategy))
}

impl Reference {
    /// `None` when the book is one-sided, crossed, or shows a price or quantity of zero.
    pub(super) fn of(book: &BookTop) -> Option<Self> {
        let (bid, ask) = (book.best_bid()?, book.best_ask()?);
        let real = bid.price.0 > 0 && bid.quantity.0 > 0 && ask.quantity.0 > 0;
        (real && bid.price < ask.price).then(|| Self {
            bid: bid.price,
            ask: ask.price,
            doubled: i128::from(bid.price.0) + i128::from(ask.price.0),
        })
    }

    /// A quantity's value at the middle, in price times quantity, rounded up.
    pub(super) fn value(self, quantity: i64) -> i128 {
        ceiling(i128::from(quantity).saturating_mul(self.doubled), 2)
    }

    /// What the basis points around the middle, the ticks through the touch and the venue's own
    /// band leave. The band's numbers are multipliers of the mark price; the book's middle stands
    /// in for it. A passive price has no touch to go through.
    pub(super) fn collar(
        self,
        engine: &EngineLimits,
        own: &StrategyRow,
        instrument: &Instrument,
        side: Side,
    ) -> Collar {
        let bps = i128::from(engine.price_collar_bps);
        let mut low = ceiling(self.doubled * (10_000 - bps), 20_000);
        let mut high = (self.doubled * (10_000 + bps)).div_euclid(20_000);
        if let Some(down) = instrument.band_down_e8 {
            low = low.max(ceiling(self.doubled * i128::from(down), 200_000_000));
        }
        if let Some(up) = instrument.band_up_e8 {
            high = high.min((self.doubled * i128::from(up)).div_euclid(200_000_000));
        }
        let ticks = engine.max_ticks_through_touch;
        let ticks = own.max_ticks_through_touch.map_or(ticks, |own| own.min(ticks));
        let through = i128::from(ticks) * i128::from(instrument.tick.0);
        match side {
            Side::Buy => high = high.min(i128::from(self.ask.0) + through),
            Side::Sell => low = low.max(i128::from(self.bid.0) - through),
        }
        let (low, high) = (clamped(low), clamped(high));
        let (floor, top) = (instrument.min_price.0.max(1), instrument.max_price.0);
        let marketable = match side {
            Side::Buy if top > 0 => Price(high.min(top)).floor_to(instrument.tick),
            Side::Buy => Price(high).floor_to(instrument.tick),
            Side::Sell => Price(low.max(floor)).ceil_to(instrument.tick),
        };
        Collar { low, high, marketable }
    }
}

/// Whether twice a value, in units of price times quantity, exceeds twice any of the limits.
fn exceeded(
    facts: &Facts<'_>,
    check: RiskCheck,
    doubled: i128,
    limits: [Option<i128>; 2],
) -> Option<RiskRejection> {
    limits.into_iter().flatten().find(|limit| doubled > limit.saturating_mul(2)).map(|limit| {
        let unit = amount_unit(facts.instrument);
        RiskRejection {
            check,
            limit: clamped(limit.saturating_mul(unit).div_euclid(MICRO)),
            value: clamped(ceiling(doubled.saturating_mul(unit), 2 * MICRO)),
            unit: Unit::MicroQuote,
        }
    })
}

const fn state(check: RiskCheck, limit: i64, value: i64) -> RiskRejection {
    RiskRejection { check, limit, value, unit: Unit::State }
}

fn product(price: i64, quantity: i64) -> i128 {
    i128::from(price) * i128::from(quantity)
}

const fn ceiling(value: i128, divisor: i128) -> i128 {
    let floor = value.div_euclid(divisor);
    if floor * divisor == value { floor } else { floor + 1 }
}

fn clamped(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
