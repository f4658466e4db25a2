//! The exchange as a state machine: matching, fees, changes, self-trades, the queue rule.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_simulator::exchange::account::{AccountId, FeeRates};
use enigma_simulator::exchange::displayed::{Applied, DepthChange, Touch};
use enigma_simulator::exchange::instrument::{Instrument, InstrumentId};
use enigma_simulator::exchange::modify::Modification;
use enigma_simulator::exchange::number::{Money, Price, Quantity};
use enigma_simulator::exchange::order::{
    ExpiryReason, Labels, NewOrder, Order, OrderId, OrderKind, OrderStatus, PositionSide, Refusal,
    SelfTradePrevention, Side, TimeInForce, UnixMillis,
};
use enigma_simulator::exchange::{Event, Exchange};
use enigma_simulator::random::Random;
use rust_decimal::Decimal;

const BTC: InstrumentId = InstrumentId(0);
const NOW: UnixMillis = UnixMillis(1_000);

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn price(text: &str) -> Price {
    Price(decimal(text))
}

fn quantity(text: &str) -> Quantity {
    Quantity(decimal(text))
}

struct Floor {
    exchange: Exchange,
    ours: AccountId,
    theirs: AccountId,
    next: u32,
}

impl Floor {
    fn open(recorded: bool) -> Self {
        let fees = FeeRates { maker: decimal("0.0002"), taker: decimal("0.0005") };
        let mut exchange = Exchange::new(vec![Instrument::btcusdt()], fees, recorded);
        let ours = exchange.open_account(Money(decimal("1000000")));
        let theirs = exchange.open_account(Money(decimal("1000000")));
        Self { exchange, ours, theirs, next: 0 }
    }

    fn order(&mut self, account: AccountId, side: Side, at: &str, size: &str) -> NewOrder {
        self.next += 1;
        NewOrder {
            account,
            instrument: BTC,
            client_id: format!("order-{}", self.next),
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            price: Some(price(at)),
            quantity: quantity(size),
            reduce_only: false,
            self_trade: SelfTradePrevention::ExpireMaker,
            good_till: None,
            price_match: "NONE",
            position_side: PositionSide::Both,
            trigger: None,
            budget: None,
            labels: Labels::default(),
        }
    }

    fn place(&mut self, account: AccountId, side: Side, at: &str, size: &str) -> Order {
        let asked = self.order(account, side, at, size);
        self.exchange.place(NOW, asked).unwrap()
    }

    fn stored(&self, account: AccountId, id: OrderId) -> Order {
        self.exchange.account(account).orders[&id].clone()
    }
}

#[test]
fn orders_trade_by_price_then_by_time_at_the_makers_price() {
    let mut floor = Floor::open(false);
    let first = floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    let better = floor.place(floor.theirs, Side::Sell, "59999.9", "0.010");
    let second = floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    let taker = floor.place(floor.ours, Side::Buy, "60000", "0.025");
    assert_eq!(taker.status, OrderStatus::Filled);
    assert_eq!(taker.filled_value.0, decimal("1499.9990"));
    let left = |id| floor.stored(floor.theirs, id).leaves().0;
    assert_eq!(left(better.id), Decimal::ZERO);
    assert_eq!(left(first.id), Decimal::ZERO);
    assert_eq!(left(second.id), decimal("0.005"));
}

#[test]
fn fees_profit_and_wallet_add_up() {
    let mut floor = Floor::open(false);
    floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    floor.place(floor.ours, Side::Buy, "60000", "0.010");
    floor.place(floor.theirs, Side::Buy, "60100", "0.010");
    floor.place(floor.ours, Side::Sell, "60100", "0.010");
    let ours = floor.exchange.account(floor.ours);
    // 600 * 0.05 % and 601 * 0.05 % paid, 1 gained.
    assert_eq!(
        ours.wallet.0,
        decimal("1000000") - decimal("0.3") - decimal("0.3005") + Decimal::ONE
    );
    let theirs = floor.exchange.account(floor.theirs);
    assert_eq!(theirs.wallet.0, decimal("1000000") - decimal("0.2402") - Decimal::ONE);
    assert!(ours.position(BTC).amount.is_zero());
    let fees: Decimal = ours.fills.iter().map(|fill| fill.fee.0).sum();
    assert_eq!(fees, decimal("0.6005"));
}

#[test]
fn what_an_immediate_order_cannot_fill_expires() {
    let mut floor = Floor::open(false);
    floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    let mut asked = floor.order(floor.ours, Side::Buy, "60000", "0.030");
    asked.time_in_force = TimeInForce::Ioc;
    let order = floor.exchange.place(NOW, asked).unwrap();
    assert_eq!(
        (order.status, order.expiry),
        (OrderStatus::Expired, ExpiryReason::ImmediateRemainder)
    );
    assert_eq!(order.filled, quantity("0.010"));
    let mut asked = floor.order(floor.ours, Side::Buy, "60000", "0.030");
    asked.kind = OrderKind::Market;
    asked.price = None;
    let order = floor.exchange.place(NOW, asked).unwrap();
    assert_eq!((order.status, order.expiry), (OrderStatus::Expired, ExpiryReason::MarketRemainder));
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut NewOrder), expected: Refusal) {
    let mut floor = Floor::open(false);
    floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    floor.place(floor.ours, Side::Buy, "59000", "0.010");
    let mut asked = floor.order(floor.ours, Side::Buy, "60000", "0.020");
    change(&mut asked);
    floor.exchange.take_events();
    let before = floor.exchange.account(floor.ours).orders.len();
    assert_eq!(floor.exchange.place(NOW, asked).unwrap_err(), expected);
    assert_eq!(floor.exchange.account(floor.ours).orders.len(), before, "nothing is recorded");
    assert!(floor.exchange.take_events().is_empty(), "nothing is told");
}

#[test]
fn a_refused_order_leaves_no_trace() {
    check_refused(|o| o.time_in_force = TimeInForce::Gtx, Refusal::WouldTake);
    check_refused(|o| o.time_in_force = TimeInForce::Fok, Refusal::CannotFill);
    check_refused(|o| o.client_id = "order-2".into(), Refusal::DuplicateClientId);
    check_refused(|o| o.reduce_only = true, Refusal::ReduceOnly);
    check_refused(|o| o.quantity = quantity("900"), Refusal::Margin);
}

#[test]
fn a_client_id_is_free_again_once_its_order_ended() {
    let mut floor = Floor::open(false);
    let order = floor.place(floor.ours, Side::Buy, "59000", "0.010");
    floor.exchange.cancel(NOW, floor.ours, order.id).unwrap();
    let mut again = floor.order(floor.ours, Side::Buy, "59000", "0.010");
    again.client_id = order.asked.client_id;
    assert!(floor.exchange.place(NOW, again).is_ok());
    let refused = floor.exchange.cancel(NOW, floor.ours, order.id);
    assert_eq!(refused.unwrap_err(), Refusal::UnknownOrder);
}

#[track_caller]
fn check_self_trade(mode: SelfTradePrevention, maker: OrderStatus, taker: OrderStatus) {
    let mut floor = Floor::open(false);
    let resting = floor.place(floor.ours, Side::Sell, "60000", "0.010");
    floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    let mut asked = floor.order(floor.ours, Side::Buy, "60000", "0.010");
    asked.self_trade = mode;
    let order = floor.exchange.place(NOW, asked).unwrap();
    assert_eq!(order.status, taker, "taker, {mode:?}");
    assert_eq!(floor.stored(floor.ours, resting.id).status, maker, "maker, {mode:?}");
    assert!(floor.exchange.account(floor.ours).fills.iter().all(|fill| !fill.maker));
}

#[test]
fn an_account_does_not_trade_with_itself() {
    use OrderStatus::{ExpiredInMatch, Filled, New};
    check_self_trade(SelfTradePrevention::ExpireMaker, ExpiredInMatch, Filled);
    check_self_trade(SelfTradePrevention::ExpireTaker, New, ExpiredInMatch);
    check_self_trade(SelfTradePrevention::ExpireBoth, ExpiredInMatch, ExpiredInMatch);
}

#[test]
fn an_account_that_asks_for_it_trades_with_itself_under_one_trade_id() {
    let mut floor = Floor::open(false);
    floor.place(floor.ours, Side::Sell, "60000", "0.010");
    let mut asked = floor.order(floor.ours, Side::Buy, "60000", "0.010");
    asked.self_trade = SelfTradePrevention::None;
    assert_eq!(floor.exchange.place(NOW, asked).unwrap().status, OrderStatus::Filled);
    let account = floor.exchange.account(floor.ours);
    let fills: Vec<_> = account.fills.iter().collect();
    assert_eq!(fills.len(), 2, "a buy and a sell");
    assert_eq!(fills[0].trade, fills[1].trade);
    assert_ne!(fills[0].side, fills[1].side);
    assert!(account.position(BTC).amount.is_zero());
}

fn change(side: Side, at: &str, size: &str) -> Modification {
    Modification { side, price: price(at), quantity: quantity(size), modify_id: None }
}

#[test]
fn a_modified_order_keeps_its_id_and_loses_its_place() {
    let mut floor = Floor::open(false);
    let first = floor.place(floor.ours, Side::Buy, "60000", "0.010");
    let second = floor.place(floor.theirs, Side::Buy, "60000", "0.010");
    let modified = floor
        .exchange
        .modify(NOW, floor.ours, first.id, change(Side::Buy, "60000", "0.020"))
        .unwrap();
    assert_eq!(modified.id, first.id);
    let third = floor.exchange.open_account(Money(decimal("1000000")));
    floor.place(third, Side::Sell, "60000", "0.010");
    assert_eq!(floor.stored(floor.theirs, second.id).status, OrderStatus::Filled);
    assert_eq!(floor.stored(floor.ours, first.id).status, OrderStatus::New);
}

#[test]
fn a_modification_that_leaves_nothing_or_would_take_post_only_cancels() {
    let mut floor = Floor::open(false);
    let partly = floor.place(floor.ours, Side::Buy, "60000", "0.020");
    floor.place(floor.theirs, Side::Sell, "60000", "0.015");
    let to_less = change(Side::Buy, "60000", "0.015");
    let ended = floor.exchange.modify(NOW, floor.ours, partly.id, to_less).unwrap();
    assert_eq!(ended.status, OrderStatus::Canceled);

    floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    let mut asked = floor.order(floor.ours, Side::Buy, "59000", "0.010");
    asked.time_in_force = TimeInForce::Gtx;
    let post_only = floor.exchange.place(NOW, asked).unwrap();
    let crossing = change(Side::Buy, "60000", "0.010");
    let ended = floor.exchange.modify(NOW, floor.ours, post_only.id, crossing).unwrap();
    assert_eq!(ended.status, OrderStatus::Canceled);
}

#[test]
fn a_refused_modification_leaves_the_order() {
    let mut floor = Floor::open(false);
    let order = floor.place(floor.ours, Side::Buy, "59000", "0.010");
    let cases = [
        (change(Side::Buy, "59000", "0.010"), Refusal::NothingToModify),
        (change(Side::Sell, "59000", "0.020"), Refusal::SideDiffers),
        (change(Side::Buy, "59000", "900"), Refusal::Margin),
    ];
    for (asked, expected) in cases {
        let refused = floor.exchange.modify(NOW, floor.ours, order.id, asked);
        assert_eq!(refused.unwrap_err(), expected);
        assert_eq!(floor.stored(floor.ours, order.id).quantity, quantity("0.010"));
    }
}

#[test]
fn a_reduce_only_order_never_opens_a_position() {
    let mut floor = Floor::open(false);
    floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    floor.place(floor.ours, Side::Buy, "60000", "0.010");
    floor.place(floor.theirs, Side::Buy, "60000", "0.050");
    let mut asked = floor.order(floor.ours, Side::Sell, "60000", "0.050");
    asked.reduce_only = true;
    let order = floor.exchange.place(NOW, asked).unwrap();
    assert_eq!(order.filled, quantity("0.010"));
    assert_eq!((order.status, order.expiry), (OrderStatus::Expired, ExpiryReason::ReduceOnly));
    assert!(floor.exchange.account(floor.ours).position(BTC).amount.is_zero());
}

fn level(at: &str, size: &str) -> (Price, Quantity) {
    (price(at), quantity(size))
}

fn recorded(bids: &[(&str, &str)], asks: &[(&str, &str)]) -> Floor {
    let mut floor = Floor::open(true);
    let levels = |all: &[(&str, &str)]| all.iter().map(|(p, q)| level(p, q)).collect::<Vec<_>>();
    let book = floor.exchange.market_mut(BTC).displayed.as_mut().unwrap();
    book.load(100, &levels(bids), &levels(asks));
    floor
}

fn depth(first: u64, last: u64, previous: u64, bids: &[(&str, &str)]) -> DepthChange {
    let bids = bids.iter().map(|(p, q)| level(p, q)).collect();
    DepthChange { first_id: first, last_id: last, previous_id: previous, bids, asks: vec![] }
}

#[test]
fn an_aggressive_order_takes_what_the_recorded_book_shows_and_only_once() {
    let mut floor = recorded(&[("59999", "1")], &[("60000", "0.5"), ("60001", "0.7")]);
    let mut asked = floor.order(floor.ours, Side::Buy, "60001", "1");
    asked.time_in_force = TimeInForce::Ioc;
    let order = floor.exchange.place(NOW, asked).unwrap();
    assert_eq!(order.filled_value.0, decimal("60000.5"));
    let mut again = floor.order(floor.ours, Side::Buy, "60001", "1");
    again.time_in_force = TimeInForce::Ioc;
    let order = floor.exchange.place(NOW, again).unwrap();
    assert_eq!(order.filled, quantity("0.2"), "what was taken is not there twice");
}

#[test]
fn a_newer_top_of_book_stands_before_the_older_depth() {
    let mut floor = recorded(&[("59999", "1")], &[("60000", "0.5"), ("60002", "0.7")]);
    let touch = Touch { update_id: 101, bid: level("60000", "0.3"), ask: level("60001", "0.4") };
    floor.exchange.apply_touch(BTC, touch);
    let mut asked = floor.order(floor.ours, Side::Buy, "60002", "1");
    asked.time_in_force = TimeInForce::Ioc;
    let order = floor.exchange.place(NOW, asked).unwrap();
    assert_eq!(order.filled_value.0, decimal("24000.4") + decimal("36001.2"));
}

#[test]
fn depth_connects_by_the_futures_rule() {
    let mut floor = recorded(&[("59999", "1")], &[]);
    let mut apply = |change| floor.exchange.apply_depth(BTC, &change);
    assert_eq!(apply(depth(90, 99, 89, &[])), Applied::Stale);
    assert_eq!(apply(depth(95, 110, 94, &[])), Applied::Yes);
    assert_eq!(apply(depth(115, 120, 110, &[])), Applied::Yes);
    assert_eq!(apply(depth(121, 130, 119, &[])), Applied::Gap);
}

#[test]
fn a_passive_order_is_not_filled_before_the_size_ahead_has_traded() {
    for round in 0..400 {
        let seed = 7_000 + round;
        let mut random = Random::new(seed);
        let steps = |random: &mut Random, most| {
            Quantity(Decimal::new(1 + i64::try_from(random.below(most)).unwrap(), 3))
        };
        let mut floor = recorded(&[("59999", "1")], &[("60000", "1")]);
        let shown = steps(&mut random, 500);
        let change = DepthChange {
            first_id: 100,
            last_id: 101,
            previous_id: 100,
            bids: vec![(price("59999"), shown)],
            asks: vec![],
        };
        floor.exchange.apply_depth(BTC, &change);
        let order = floor.place(floor.ours, Side::Buy, "59999", "0.050");
        let mut traded = Quantity::ZERO;
        while floor.stored(floor.ours, order.id).status.is_open() {
            let print = steps(&mut random, 60);
            // Prints that lift the offer, or trade above, use nothing up.
            floor.exchange.apply_print(NOW, BTC, price("60000"), print, false);
            floor.exchange.apply_print(NOW, BTC, price("59999"), print, true);
            traded = traded.plus(print);
            let expected = traded.minus(shown).min(quantity("0.050"));
            let filled = floor.stored(floor.ours, order.id).filled;
            assert_eq!(filled, expected, "seed {seed}, shown {shown}, traded {traded}");
        }
        let fills = &floor.exchange.account(floor.ours).fills;
        assert!(fills.iter().all(|fill| fill.maker && fill.price == price("59999")));
    }
}

#[test]
fn a_display_that_shrinks_below_the_queue_caps_it() {
    let mut floor = recorded(&[("59999", "1")], &[("60000", "1")]);
    let order = floor.place(floor.ours, Side::Buy, "59999", "0.050");
    floor.exchange.apply_depth(BTC, &depth(100, 101, 100, &[("59999", "0.020")]));
    // It growing again puts the newcomers behind us.
    floor.exchange.apply_depth(BTC, &depth(102, 103, 101, &[("59999", "5")]));
    floor.exchange.apply_print(NOW, BTC, price("59999"), quantity("0.020"), true);
    assert!(floor.stored(floor.ours, order.id).filled.is_zero());
    floor.exchange.apply_print(NOW, BTC, price("59999"), quantity("0.010"), true);
    assert_eq!(floor.stored(floor.ours, order.id).filled, quantity("0.010"));
}

#[test]
fn a_print_through_the_price_fills_the_order() {
    let mut floor = recorded(&[("59999", "1")], &[("60000", "1")]);
    let order = floor.place(floor.ours, Side::Buy, "59999", "0.050");
    floor.exchange.apply_print(NOW, BTC, price("59998.9"), quantity("0.001"), true);
    assert_eq!(floor.stored(floor.ours, order.id).status, OrderStatus::Filled);
    assert_eq!(floor.exchange.account(floor.ours).fills[0].price, price("59999"));
}

#[test]
fn orders_of_ours_share_one_print_in_their_own_order() {
    let mut floor = recorded(&[("59999", "0.010")], &[("60000", "1")]);
    let first = floor.place(floor.ours, Side::Buy, "59999", "0.010");
    let second = floor.place(floor.theirs, Side::Buy, "59999", "0.010");
    floor.exchange.apply_print(NOW, BTC, price("59999"), quantity("0.025"), true);
    assert_eq!(floor.stored(floor.ours, first.id).filled, quantity("0.010"));
    assert_eq!(floor.stored(floor.theirs, second.id).filled, quantity("0.005"));
}

#[test]
fn every_fill_is_told_to_its_account_once() {
    let mut floor = Floor::open(false);
    floor.place(floor.theirs, Side::Sell, "60000", "0.010");
    floor.place(floor.ours, Side::Buy, "60000", "0.010");
    let mut told = Vec::new();
    for event in floor.exchange.take_events() {
        match event {
            Event::Filled(fill) => told.push((fill.order.asked.account, fill.fill.trade)),
            Event::Order { .. }
            | Event::Printed(_)
            | Event::Balances { .. }
            | Event::Deposited { .. }
            | Event::List { .. }
            | Event::Funded { .. } => {}
        }
    }
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].1, told[1].1, "one trade id");
    assert_ne!(told[0].0, told[1].0, "two accounts");
}
