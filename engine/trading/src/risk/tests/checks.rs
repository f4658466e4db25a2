//! What each check lets through and what it stops: at the limit, one before and one beyond.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{Amount, BookTop, Level};
use rust_decimal::Decimal;

use super::super::*;
use crate::strategy::scene;

/// The check, limit and value of a refusal; `None` for an approval.
type Refused = Option<(RiskCheck, i64, i64)>;

const ACCOUNT: AccountId = AccountId(0);
const INSTRUMENT: InstrumentId = InstrumentId(0);
const STRATEGY: StrategyId = StrategyId(1);
const OTHER: StrategyId = StrategyId(2);
const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
const SECOND: u64 = 1_000_000_000;

/// A market around 1000.0 in which an order of 0.010 passes everything.
struct Case {
    risk: RiskBook,
    instruments: InstrumentTable,
    limits: RiskLimits,
    instrument: Instrument,
    book: BookTop,
    now: Now,
    gate: Gate,
}

impl Case {
    fn new() -> Self {
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
        Self { risk, instruments, limits, instrument, book, now, gate: Gate::Open }
    }

    fn limits(mut self, change: impl FnOnce(&mut RiskLimits)) -> Self {
        change(&mut self.limits);
        self.risk.set_limits(&self.limits, &self.instruments).unwrap();
        self
    }

    fn own(mut self, own: StrategyLimits) -> Self {
        self.risk.set_strategy_limits(STRATEGY, &own, &self.instrument).unwrap();
        self
    }

    /// A position of both the account and the strategy.
    fn hold(mut self, position: i64) -> Self {
        let side = if position < 0 { Side::Sell } else { Side::Buy };
        let quantity = Quantity(position.abs());
        self.risk.on_late_fill(STRATEGY, ACCOUNT, INSTRUMENT, side, quantity);
        self
    }

    fn reserved(mut self, side: Side, quantity: i64) -> Self {
        self.risk.reserve(STRATEGY, ACCOUNT, INSTRUMENT, side, Quantity(quantity));
        self
    }

    fn opened(mut self, strategy: StrategyId, account: u16, orders: u32) -> Self {
        for _ in 0..orders {
            self.risk.order_opened(strategy, AccountId(account), INSTRUMENT);
        }
        self
    }

    fn ask(&mut self, intent: OrderIntent) -> Result<OrderIntent, RiskRejection> {
        let context =
            CheckContext { instrument: &self.instrument, book: &self.book, gate: self.gate };
        self.risk.check(self.now, &intent, &context).map(Approved::into_inner)
    }

    fn ask_replace(&mut self, intent: ReplaceIntent) -> Result<(), RiskRejection> {
        let context =
            CheckContext { instrument: &self.instrument, book: &self.book, gate: self.gate };
        self.risk.check_replace(self.now, &intent, &context).map(|_| ())
    }

    #[track_caller]
    fn check(&mut self, intent: OrderIntent, expected: Refused) {
        let answer = self.ask(intent);
        let refusal = answer.err().map(|no| (no.check, no.limit, no.value));
        assert_eq!(refusal, expected, "{intent:?}");
    }

    #[track_caller]
    fn check_replace(&mut self, intent: ReplaceIntent, expected: Refused) {
        let refusal = self.ask_replace(intent).err().map(|no| (no.check, no.limit, no.value));
        assert_eq!(refusal, expected, "{intent:?}");
    }
}

fn limit(side: Side, price: i64, quantity: i64) -> OrderIntent {
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

fn market(side: Side, quantity: i64) -> OrderIntent {
    OrderIntent { order_type: OrderType::Market, ..limit(side, 0, quantity) }
}

fn reducing(intent: OrderIntent) -> OrderIntent {
    OrderIntent { reduce_only: true, ..intent }
}

fn replace(side: Side, price: i64, quantity: i64, previous: i64) -> ReplaceIntent {
    ReplaceIntent {
        strategy: STRATEGY,
        account: ACCOUNT,
        instrument: INSTRUMENT,
        side,
        price: Price(price),
        quantity: Quantity(quantity),
        previous_quantity: Quantity(previous),
        reduce_only: false,
    }
}

fn sign(side: Side) -> i64 {
    Quantity(1).signed(side).0
}

#[test]
fn order_quantity_stops_one_step_beyond_the_strategys_limit() {
    let own =
        StrategyLimits { max_order_quantity: Some(Decimal::new(20, 3)), ..Default::default() };
    for side in SIDES {
        let mut case = Case::new().own(own.clone());
        case.check(limit(side, 10_000, 19), None);
        case.check(limit(side, 10_000, 20), None);
        case.check(limit(side, 10_000, 21), Some((RiskCheck::MaxOrderQuantity, 20, 21)));
        case.check_replace(replace(side, 10_000, 20, 10), None);
        let refused = Some((RiskCheck::MaxOrderQuantity, 20, 21));
        case.check_replace(replace(side, 10_000, 21, 10), refused);
    }
    // A limit between two quantities stops at the lower one.
    let own =
        StrategyLimits { max_order_quantity: Some(Decimal::new(209, 4)), ..Default::default() };
    let mut case = Case::new().own(own);
    case.check(limit(Side::Buy, 10_000, 20), None);
    case.check(limit(Side::Buy, 10_000, 21), Some((RiskCheck::MaxOrderQuantity, 20, 21)));
}

#[test]
fn order_notional_is_valued_at_the_worse_of_limit_price_and_middle() {
    let micro = 1_000_000;
    // Price, quantity, and the value in millionths when it exceeds 1000.
    let rows = [
        (10_000, 999, None),
        (10_000, 1_000, None),
        (10_000, 1_001, Some(1_001 * micro)),
        (9_950, 1_000, None),
        (9_950, 1_001, Some(1_001 * micro)),
        (10_010, 999, None),
        (10_010, 1_000, Some(1_001 * micro)),
    ];
    let own =
        StrategyLimits { max_order_notional: Some(Decimal::ONE_THOUSAND), ..Default::default() };
    for side in SIDES {
        for (price, quantity, value) in rows {
            let refused = value.map(|value| (RiskCheck::MaxOrderNotional, 1_000 * micro, value));
            let mut engine = Case::new().limits(|all| all.max_order_notional = 1_000.into());
            engine.check(limit(side, price, quantity), refused);
            engine.check_replace(replace(side, price, quantity, 1), refused);
            Case::new().own(own.clone()).check(limit(side, price, quantity), refused);
        }
    }
}

#[test]
fn order_notional_keeps_the_half_of_a_middle_between_two_prices() {
    let mut case = Case::new().limits(|all| all.max_order_notional = Decimal::new(99_995, 2));
    case.book.set_asks([Level { price: Price(10_000), quantity: Quantity(1) }]);
    case.check(limit(Side::Buy, 9_999, 1_000), None);
    let mut case = case.limits(|all| all.max_order_notional = Decimal::new(999_949, 3));
    let refused = Some((RiskCheck::MaxOrderNotional, 999_949_000, 999_950_000));
    case.check(limit(Side::Buy, 9_999, 1_000), refused);
}

#[test]
fn order_notional_of_a_market_order_is_that_of_its_collar_price() {
    let mut case = Case::new().limits(|all| all.max_order_notional = 1_010.into());
    case.check(market(Side::Buy, 1_000), None);
    let refused = Some((RiskCheck::MaxOrderNotional, 1_010_000_000, 1_011_010_000));
    case.check(market(Side::Buy, 1_001), refused);
    case.check(market(Side::Sell, 1_010), None);
}

#[test]
fn what_surely_reduces_may_be_worth_more_than_one_order_may() {
    let mut case = Case::new().hold(5_000).limits(|all| all.max_order_notional = 1_000.into());
    case.check(
        limit(Side::Sell, 10_000, 5_000),
        Some((RiskCheck::MaxOrderNotional, 1_000_000_000, 5_000_000_000)),
    );
    case.check(reducing(limit(Side::Sell, 10_000, 5_000)), None);
}

#[test]
fn prices_stop_one_tick_outside_the_collar_on_both_sides() {
    for side in SIDES {
        let mut case = Case::new();
        for inside in [9_900, 9_901, 10_099, 10_100] {
            case.check(limit(side, inside, 10), None);
        }
        case.check(limit(side, 9_899, 10), Some((RiskCheck::PriceCollar, 9_900, 9_899)));
        case.check(limit(side, 10_101, 10), Some((RiskCheck::PriceCollar, 10_100, 10_101)));
        let refused = Some((RiskCheck::PriceCollar, 10_100, 10_101));
        case.check_replace(replace(side, 10_101, 10, 10), refused);
    }
}

#[test]
fn the_venues_own_band_narrows_the_collar() {
    let mut case = Case::new();
    case.instrument.band_up_e8 = Some(100_500_000);
    case.instrument.band_down_e8 = Some(99_600_000);
    for side in SIDES {
        case.check(limit(side, 10_050, 10), None);
        case.check(limit(side, 10_051, 10), Some((RiskCheck::PriceCollar, 10_050, 10_051)));
        case.check(limit(side, 9_960, 10), None);
        case.check(limit(side, 9_959, 10), Some((RiskCheck::PriceCollar, 9_960, 9_959)));
    }
    case.instrument.band_up_e8 = Some(200_000_000);
    case.check(limit(Side::Buy, 10_101, 10), Some((RiskCheck::PriceCollar, 10_100, 10_101)));
}

#[test]
fn a_market_order_becomes_an_immediate_limit_just_inside_the_collar() {
    let mut case = Case::new();
    for (tick, side, price) in [
        (1, Side::Buy, 10_100),
        (1, Side::Sell, 9_900),
        (7, Side::Buy, 10_094),
        (7, Side::Sell, 9_905),
    ] {
        case.instrument.tick = Price(tick);
        let order = case.ask(market(side, 10)).unwrap();
        assert_eq!(order.price, Price(price));
        assert_eq!(order.order_type, OrderType::Limit);
        assert_eq!(order.time_in_force, TimeInForce::Ioc);
    }
    case.instrument.tick = Price(1);
    case.instrument.max_price = Price(10_050);
    assert_eq!(case.ask(market(Side::Buy, 10)).unwrap().price, Price(10_050));
}

#[test]
fn a_book_older_than_its_limit_is_no_reference() {
    let limit_ns = 5_000 * 1_000_000;
    for side in SIDES {
        for (age, refused) in [
            (limit_ns - 1, None),
            (limit_ns, None),
            (limit_ns + 1, Some((RiskCheck::ReferenceValidity, 5_000_000_000, 5_000_000_001))),
        ] {
            let mut case = Case::new().hold(-20 * sign(side));
            case.book.received_at = Nanos(case.now.mono.0 - age);
            case.check(limit(side, 10_000, 10), refused);
            case.check_replace(replace(side, 10_000, 10, 5), refused);
            case.check(reducing(limit(side, 10_000, 10)), None);
        }
    }
}

#[test]
fn an_unsound_book_stops_all_but_what_surely_reduces_at_a_price_of_its_own() {
    let crossed = scene::touch(10_002, 5, 10_001, 5);
    let locked = scene::touch(10_000, 5, 10_000, 5);
    let empty_bid = scene::touch(9_999, 0, 10_001, 5);
    let empty_ask = scene::touch(9_999, 5, 10_001, 0);
    let zero = scene::touch(0, 5, 10_001, 5);
    let mut one_sided = scene::touch(9_999, 5, 10_001, 5);
    one_sided.set_asks([]);
    let none = BookTop::empty(INSTRUMENT);
    for side in SIDES {
        for mut book in [crossed, locked, empty_bid, empty_ask, zero, one_sided, none] {
            let mut case = Case::new().hold(-20 * sign(side));
            book.received_at = case.now.mono;
            case.book = book;
            let refused = Some((RiskCheck::ReferenceValidity, 5_000_000_000, i64::MAX));
            case.check(limit(side, 10_000, 10), refused);
            case.check(market(side, 10), refused);
            case.check(reducing(market(side, 10)), refused);
            case.check(reducing(limit(side, 10_000, 10)), None);
            let wrong = reducing(limit(side.opposite(), 10_000, 10));
            case.check(wrong, Some((RiskCheck::ReduceOnly, 0, 10)));
        }
    }
}

#[test]
fn a_strategys_position_counts_all_that_may_fill_on_the_orders_side() {
    let own = StrategyLimits { max_position: Some(Decimal::new(100, 3)), ..Default::default() };
    for side in SIDES {
        let case = || Case::new().own(own.clone()).hold(50 * sign(side)).reserved(side, 30);
        case().check(limit(side, 10_000, 19), None);
        case().check(limit(side, 10_000, 20), None);
        let refused = Some((RiskCheck::WorstCasePosition, 100, 101));
        case().check(limit(side, 10_000, 21), refused);
        // What may fill on the other side is no room: it may not fill.
        case().reserved(side.opposite(), 40).check(limit(side, 10_000, 21), refused);
        // The other side has its own extreme.
        case().check(limit(side.opposite(), 10_000, 150), None);
        let refused = Some((RiskCheck::WorstCasePosition, 100, 101));
        case().check(limit(side.opposite(), 10_000, 151), refused);
        // A replace counts only by what it adds.
        case().check_replace(replace(side, 10_000, 50, 30), None);
        let refused = Some((RiskCheck::WorstCasePosition, 100, 101));
        case().check_replace(replace(side, 10_000, 51, 30), refused);
    }
}

#[test]
fn an_accounts_position_is_valued_at_the_middle_whoever_trades_it() {
    for side in SIDES {
        let case = || {
            let mut case = Case::new().limits(|all| all.max_position_notional = 1_000.into());
            case.risk.set_position(ACCOUNT, INSTRUMENT, Quantity(400).signed(side));
            case.risk.reserve(OTHER, ACCOUNT, INSTRUMENT, side, Quantity(500));
            case
        };
        case().check(limit(side, 10_000, 99), None);
        case().check(limit(side, 10_000, 100), None);
        let refused = Some((RiskCheck::WorstCasePosition, 1_000_000_000, 1_001_000_000));
        case().check(limit(side, 10_000, 101), refused);
        case().check(OrderIntent { account: AccountId(1), ..limit(side, 10_000, 1_000) }, None);
    }
}

#[test]
fn what_leads_back_from_beyond_a_limit_passes() {
    let own = StrategyLimits { max_position: Some(Decimal::new(10, 3)), ..Default::default() };
    for side in SIDES {
        let mut case = Case::new().own(own.clone()).hold(-50 * sign(side));
        case.check(limit(side, 10_000, 60), None);
        case.check(limit(side, 10_000, 61), Some((RiskCheck::WorstCasePosition, 10, 11)));
        let mut over = Case::new().own(own.clone()).hold(50 * sign(side)).reserved(side, 10);
        over.check_replace(replace(side, 9_990, 10, 10), None);
    }
}

#[test]
fn open_orders_are_counted_by_strategy_engine_and_the_venues_instrument() {
    let own = StrategyLimits { max_open_orders: Some(3), ..Default::default() };
    let buy = limit(Side::Buy, 10_000, 10);
    let refused = |limit, value| Some((RiskCheck::OpenOrders, limit, value));
    for (open, expected) in [(1, None), (2, None), (3, refused(3, 4))] {
        let case = Case::new().own(own.clone());
        case.opened(STRATEGY, 0, open).opened(OTHER, 0, 9).check(buy, expected);
        let mut case = Case::new().limits(|all| all.max_open_orders = 3);
        case = case.opened(OTHER, 1, open);
        case.check(buy, expected);
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), None);
        let mut case = Case::new().opened(OTHER, 0, open).opened(OTHER, 1, 9);
        case.instrument.max_open_orders = Some(3);
        case.check(buy, expected);
    }
    let mut case = Case::new().own(own).opened(STRATEGY, 0, 3);
    case.risk.order_closed(STRATEGY, ACCOUNT, INSTRUMENT);
    case.check(buy, None);
}

#[test]
fn messages_of_one_second_stop_one_beyond_the_limit_and_refusals_count_nothing() {
    let buy = limit(Side::Buy, 10_000, 10);
    let own = StrategyLimits { max_messages_per_second: Some(3), ..Default::default() };
    let by_engine = || Case::new().limits(|all| all.max_messages_per_second = 3);
    let by_strategy = || Case::new().own(own.clone());
    let refused = Some((RiskCheck::MessageThrottle, 3, 4));
    for mut case in [by_engine(), by_strategy()] {
        case.check(buy, None);
        case.check(limit(Side::Buy, 10_101, 10), Some((RiskCheck::PriceCollar, 10_100, 10_101)));
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), None);
        case.check(buy, None);
        case.check(buy, refused);
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), refused);
        case.now.mono.0 += SECOND - 1;
        case.check(buy, refused);
        case.now.mono.0 += 3_000_000;
        case.check(buy, None);
    }
    let other = OrderIntent { strategy: OTHER, ..buy };
    let mut shared = by_engine();
    let mut apart = by_strategy();
    for _ in 0..3 {
        shared.check(buy, None);
        apart.check(buy, None);
    }
    shared.check(other, refused);
    apart.check(other, None);
}

#[test]
fn cancels_have_a_reserve_that_neither_orders_nor_one_strategy_can_use_up() {
    let own = StrategyLimits { max_messages_per_second: Some(2), ..Default::default() };
    let mut case = Case::new().limits(|all| all.max_messages_per_second = 4).own(own);
    case.check(limit(Side::Buy, 10_000, 10), None);
    case.check(limit(Side::Buy, 10_000, 10), None);
    case.risk.engage_kill();
    let cancel = |case: &mut Case, strategy| {
        case.risk.check_cancel_throttle(case.now, strategy).err().map(|no| (no.limit, no.value))
    };
    assert_eq!(cancel(&mut case, STRATEGY), None);
    assert_eq!(cancel(&mut case, STRATEGY), None);
    assert_eq!(cancel(&mut case, STRATEGY), Some((2, 3)));
    assert_eq!(cancel(&mut case, StrategyId::MANUAL), None);
    assert_eq!(cancel(&mut case, StrategyId::MANUAL), None);
    assert_eq!(cancel(&mut case, StrategyId::MANUAL), Some((4, 5)));
    case.now.mono.0 += 2 * SECOND;
    assert_eq!(cancel(&mut case, STRATEGY), None);
}

#[test]
fn a_reducing_order_passes_up_to_what_is_held_less_what_is_reducing_already() {
    for side in SIDES {
        let case = || Case::new().hold(-50 * sign(side)).reserved(side, 30);
        case().check(reducing(limit(side, 10_000, 19)), None);
        case().check(reducing(limit(side, 10_000, 20)), None);
        let refused = Some((RiskCheck::ReduceOnly, 50, 51));
        case().check(reducing(limit(side, 10_000, 21)), refused);
        let increasing = reducing(limit(side.opposite(), 10_000, 1));
        case().check(increasing, Some((RiskCheck::ReduceOnly, 0, 1)));
        // What may come from orders that haven't filled is nothing to reduce.
        let mut flat = Case::new().reserved(side.opposite(), 30);
        flat.check(reducing(limit(side, 10_000, 1)), Some((RiskCheck::ReduceOnly, 0, 1)));
    }
}

#[test]
fn a_restricted_instrument_takes_only_reducing_orders_of_that_account() {
    for side in SIDES {
        let mut case = Case::new().hold(-50 * sign(side));
        case.risk.set_reduce_only(ACCOUNT, INSTRUMENT, true);
        case.check(limit(side, 10_000, 10), Some((RiskCheck::ReduceOnly, 1, 0)));
        case.check(reducing(limit(side, 10_000, 10)), None);
        case.check(OrderIntent { account: AccountId(1), ..limit(side, 10_000, 10) }, None);
        case.risk.set_reduce_only(ACCOUNT, INSTRUMENT, false);
        case.check(limit(side, 10_000, 10), None);
    }
}

#[test]
fn the_venues_rules_are_checked_at_their_edges() {
    let spec = |limit, value| Some((RiskCheck::SpecConformity, limit, value));
    type Rule = fn(&mut Instrument);
    let rows: [(Rule, i64, i64, Refused); 18] = [
        (|rule| rule.tick = Price(5), 10_005, 10, None),
        (|rule| rule.tick = Price(5), 10_004, 10, spec(5, 10_004)),
        (|rule| rule.tick = Price(5), 10_006, 10, spec(5, 10_006)),
        (|rule| rule.step = Quantity(4), 10_000, 12, None),
        (|rule| rule.step = Quantity(4), 10_000, 11, spec(4, 11)),
        (|rule| rule.step = Quantity(4), 10_000, 13, spec(4, 13)),
        (|rule| rule.min_quantity = Quantity(10), 10_000, 10, None),
        (|rule| rule.min_quantity = Quantity(10), 10_000, 9, spec(10, 9)),
        (|rule| rule.max_quantity = Quantity(10), 10_000, 10, None),
        (|rule| rule.max_quantity = Quantity(10), 10_000, 11, spec(10, 11)),
        (|rule| rule.min_price = Price(9_990), 9_990, 10, None),
        (|rule| rule.min_price = Price(9_990), 9_989, 10, spec(9_990, 9_989)),
        (|rule| rule.max_price = Price(10_010), 10_010, 10, None),
        (|rule| rule.max_price = Price(10_010), 10_011, 10, spec(10_010, 10_011)),
        (|rule| rule.max_quantity = Quantity::ZERO, 10_000, 10, None),
        (|_| {}, 0, 10, spec(1, 0)),
        (|_| {}, 10_000, 0, spec(1, 0)),
        (|rule| rule.trading = false, 10_000, 10, spec(1, 0)),
    ];
    for side in SIDES {
        for (rule, price, quantity, expected) in rows {
            let mut case = Case::new();
            rule(&mut case.instrument);
            case.check(limit(side, price, quantity), expected);
            case.check_replace(replace(side, price, quantity, 1), expected);
        }
    }
}

#[test]
fn an_order_is_worth_the_venues_minimum_unless_it_reduces() {
    for side in SIDES {
        let mut case = Case::new().hold(-50 * sign(side));
        case.instrument.min_notional = Amount::from_units(5);
        case.check(limit(side, 10_000, 6), None);
        case.check(limit(side, 10_000, 5), None);
        let refused = Some((RiskCheck::SpecConformity, 5_000_000, 4_000_000));
        case.check(limit(side, 10_000, 4), refused);
        case.check(reducing(limit(side, 10_000, 4)), None);
    }
}

#[test]
fn clocks_too_far_apart_or_never_compared_stop_everything() {
    let bound = 500_000_000;
    let rows = [
        (bound, 0, None),
        (bound - 1, 1, None),
        (-bound, 0, None),
        (bound - 1, 2, Some((RiskCheck::ClockSkew, bound, bound + 1))),
        (-bound - 1, 0, Some((RiskCheck::ClockSkew, bound, bound + 1))),
        (i64::MIN, u64::MAX, Some((RiskCheck::ClockSkew, bound, i64::MAX))),
    ];
    for side in SIDES {
        for (offset, uncertainty, expected) in rows {
            let mut case = Case::new();
            case.risk.set_clock(VenueId::BinanceUsdm, offset, uncertainty);
            case.check(limit(side, 10_000, 10), expected);
        }
    }
    let mut case = Case::new();
    case.risk = RiskBook::new(&case.limits, &case.instruments, 1, 0).unwrap();
    let by_hand = OrderIntent { strategy: StrategyId::MANUAL, ..limit(Side::Buy, 10_000, 10) };
    case.check(by_hand, Some((RiskCheck::ClockSkew, bound, i64::MAX)));
}

#[test]
fn a_closed_gate_and_the_kill_switch_stop_reducing_orders_too() {
    for gate in [
        Gate::OrderSessionDown,
        Gate::AccountSessionDown,
        Gate::MarketNotReady,
        Gate::Unreconciled,
        Gate::JournalFull,
    ] {
        let mut case = Case::new().hold(50);
        case.gate = gate;
        let refused = Some((RiskCheck::Gate, 0, gate.code()));
        case.check(limit(Side::Buy, 10_000, 10), refused);
        case.check(reducing(limit(Side::Sell, 10_000, 10)), refused);
        case.check_replace(replace(Side::Buy, 10_000, 10, 10), refused);
    }
    let mut case = Case::new().hold(50);
    case.risk.engage_kill();
    let refused = Some((RiskCheck::KillSwitch, 0, 1));
    case.check(limit(Side::Buy, 10_000, 10), refused);
    case.check(reducing(limit(Side::Sell, 10_000, 10)), refused);
    case.check_replace(replace(Side::Buy, 10_000, 10, 10), refused);
    case.risk.rearm();
    case.check(limit(Side::Buy, 10_000, 10), None);
}

#[test]
fn nothing_passes_for_which_no_limits_are_known() {
    let refused = Some((RiskCheck::Gate, 0, Gate::UnknownScope.code()));
    let buy = limit(Side::Buy, 10_000, 10);
    let mut case = Case::new();
    case.check(OrderIntent { strategy: StrategyId(3), ..buy }, refused);
    case.check(OrderIntent { account: AccountId(2), ..buy }, refused);
    case.check(OrderIntent { instrument: InstrumentId(1), ..buy }, refused);
    case.check(OrderIntent { strategy: StrategyId::MANUAL, ..buy }, None);
    case.risk.remove_strategy(STRATEGY);
    case.check(buy, refused);
    case.risk.remove_strategy(StrategyId::MANUAL);
    case.check(OrderIntent { strategy: StrategyId::MANUAL, ..buy }, None);
}

#[test]
fn limits_of_zero_are_refused_and_leave_the_old_ones_in_force() {
    let mut case = Case::new().limits(|all| all.max_open_orders = 1).opened(STRATEGY, 0, 1);
    let zero = RiskLimits { max_clock_skew_ms: 0, ..RiskLimits::default() };
    let answer = case.risk.set_limits(&zero, &case.instruments);
    assert_eq!(answer, Err(LimitError::NotPositive("max_clock_skew_ms")));
    let own = StrategyLimits { max_position: Some(Decimal::ZERO), ..Default::default() };
    let answer = case.risk.set_strategy_limits(STRATEGY, &own, &case.instrument);
    assert_eq!(answer, Err(LimitError::NotPositive("max_position")));
    let answer = case.risk.set_strategy_limits(StrategyId(3), &own, &case.instrument);
    assert_eq!(answer, Err(LimitError::TooManyStrategies { id: StrategyId(3), room: 2 }));
    case.check(limit(Side::Buy, 10_000, 10), Some((RiskCheck::OpenOrders, 1, 2)));
}

#[test]
fn a_strategy_made_anew_under_an_old_id_inherits_nothing() {
    let own = StrategyLimits::default();
    let mut case = Case::new().hold(50).reserved(Side::Buy, 10).opened(STRATEGY, 0, 1);
    case.risk.set_strategy_limits(STRATEGY, &own, &case.instrument).unwrap();
    assert_eq!(case.risk.strategy_exposure(STRATEGY, INSTRUMENT).position, SignedQuantity(50));
    case.risk.remove_strategy(STRATEGY);
    case.risk.set_strategy_limits(STRATEGY, &own, &case.instrument).unwrap();
    assert_eq!(case.risk.strategy_exposure(STRATEGY, INSTRUMENT), Exposure::default());
    assert_eq!(case.risk.exposure(ACCOUNT, INSTRUMENT).position, SignedQuantity(50));
}

#[test]
fn a_refusal_says_in_words_what_it_counted() {
    let own =
        StrategyLimits { max_order_quantity: Some(Decimal::new(20, 3)), ..Default::default() };
    let mut case = Case::new().own(own);
    let words = |case: &mut Case, intent| case.ask(intent).unwrap_err().describe(&case.instrument);
    assert_eq!(
        words(&mut case, limit(Side::Buy, 10_000, 21)),
        "the order is larger than the strategy may send (quantity 0.021, limit quantity 0.02)"
    );
    assert_eq!(
        words(&mut case, limit(Side::Buy, 20_000, 20)),
        "the price lies outside the collar around the reference (price 2000.0, limit price 1010.0)"
    );
    case.gate = Gate::Unreconciled;
    assert_eq!(
        words(&mut case, limit(Side::Buy, 10_000, 20)),
        "trading is closed: session, reconciliation, journal or limits (unreconciled)"
    );
}
