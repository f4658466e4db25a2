//! An exchange that is paid in full: random orders, pairs, stops, changes and cancels of two
//! accounts in a made-up market, with the books checked after each.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::collections::BTreeMap;

use enigma_simulator::exchange::account::{AccountId, FeeRates};
use enigma_simulator::exchange::instrument::{Instrument, InstrumentId};
use enigma_simulator::exchange::lists::ListPlan;
use enigma_simulator::exchange::number::{Money, Price, Quantity};
use enigma_simulator::exchange::order::{
    Labels, NewOrder, OrderId, OrderKind, OrderStatus, PositionSide, SelfTradePrevention, Side,
    TimeInForce, Trigger, TriggerKind, UnixMillis,
};
use enigma_simulator::exchange::{Event, Exchange, Settlement};
use enigma_simulator::market::synthetic::SyntheticMarket;
use enigma_simulator::random::Random;
use rust_decimal::Decimal;

const BTC: InstrumentId = InstrumentId(0);
const DEPOSITS: [(&str, i64); 3] = [("USDT", 200_000), ("BTC", 3), ("BNB", 1)];

struct Floor {
    exchange: Exchange,
    market: SyntheticMarket,
    random: Random,
    accounts: Vec<AccountId>,
    next: u64,
    now: UnixMillis,
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

impl Floor {
    fn open(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let fees = FeeRates { maker: decimal("0.001"), taker: decimal("0.001") };
        let instruments = vec![Instrument::spot_btcusdt(), Instrument::spot_bnbusdt()];
        let mut exchange = Exchange::settled(Settlement::Cash, instruments, fees, false);
        let now = UnixMillis(1_000);
        let accounts: Vec<AccountId> = (0..2)
            .map(|_| {
                let account = exchange.open_account(Money(Decimal::ZERO));
                for (asset, amount) in DEPOSITS {
                    exchange.deposit(now, account, asset, Money(Decimal::from(amount)));
                }
                account
            })
            .collect();
        exchange.account_mut(accounts[1]).discounted_fees = true;
        let market = SyntheticMarket::open(now, BTC, random.fork(), &mut exchange);
        Self { exchange, market, random, accounts, next: 0, now }
    }

    fn order(&mut self, account: AccountId, side: Side) -> NewOrder {
        self.next += 1;
        let mark = self.exchange.market(BTC).mark().0;
        let away = Decimal::from(self.random.below(4_000)) / Decimal::ONE_HUNDRED - Decimal::TEN;
        let price = match side {
            Side::Buy => mark - away,
            Side::Sell => mark + away,
        };
        NewOrder {
            account,
            instrument: BTC,
            client_id: format!("order-{}", self.next),
            side,
            kind: OrderKind::Limit,
            time_in_force: TimeInForce::Gtc,
            price: Some(Price(price.round_dp(2))),
            quantity: Quantity(Decimal::new(
                1 + i64::try_from(self.random.below(90_000)).unwrap(),
                5,
            )),
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

    fn any_order(&mut self, account: AccountId) -> NewOrder {
        let side = if self.random.chance(500) { Side::Buy } else { Side::Sell };
        let mut order = self.order(account, side);
        match self.random.below(8) {
            0 => (order.kind, order.price) = (OrderKind::Market, None),
            1 => order.time_in_force = TimeInForce::Ioc,
            2 => order.time_in_force = TimeInForce::Fok,
            3 => order.time_in_force = TimeInForce::Gtx,
            4 => order.trigger = Some(self.trigger(side, TriggerKind::StopLoss)),
            5 => {
                order.trigger = Some(self.trigger(side, TriggerKind::TakeProfit));
                (order.kind, order.price) = (OrderKind::Market, None);
            }
            6 => {
                (order.kind, order.price) = (OrderKind::Market, None);
                let amount = 10 + i64::try_from(self.random.below(20_000)).unwrap();
                order.budget = Some(Money(Decimal::from(amount)));
            }
            _ => {}
        }
        order
    }

    /// A price on the side of the market from which this kind waits.
    fn trigger(&mut self, side: Side, kind: TriggerKind) -> Trigger {
        let mark = self.exchange.market(BTC).mark().0;
        let away = Decimal::from(1 + self.random.below(3_000)) / Decimal::ONE_HUNDRED;
        let above = matches!(
            (kind, side),
            (TriggerKind::StopLoss, Side::Buy) | (TriggerKind::TakeProfit, Side::Sell)
        );
        let price = if above { mark + away } else { mark - away };
        Trigger { kind, price: Price(price.round_dp(2)) }
    }

    fn pair(&mut self, account: AccountId) -> Vec<NewOrder> {
        let side = if self.random.chance(500) { Side::Buy } else { Side::Sell };
        let mut stop = self.order(account, side);
        stop.trigger = Some(self.trigger(side, TriggerKind::StopLoss));
        if self.random.chance(300) {
            (stop.kind, stop.price) = (OrderKind::Market, None);
        }
        let mut other = self.order(account, side);
        other.quantity = stop.quantity;
        if self.random.chance(300) {
            other.trigger = Some(self.trigger(side, TriggerKind::TakeProfit));
        } else {
            other.time_in_force = TimeInForce::Gtx;
        }
        vec![stop, other]
    }

    /// One act of one account. A refusal is an outcome like any other.
    fn act(&mut self) {
        self.now = self.now.plus(1);
        let now = self.now;
        let account = self.accounts[usize::from(self.random.chance(500))];
        let list_id = format!("list-{}", self.next);
        match self.random.below(10) {
            0..=3 => {
                let order = self.any_order(account);
                let _ = self.exchange.place(now, order);
            }
            4 => {
                let rest = self.pair(account);
                let plan = ListPlan { client_id: list_id, first: None, rest };
                let _ = self.exchange.place_list(now, plan);
            }
            5 => {
                let side = if self.random.chance(500) { Side::Buy } else { Side::Sell };
                let first = Some(self.order(account, side));
                let rest = if self.random.chance(500) {
                    self.pair(account)
                } else {
                    vec![self.any_order(account)]
                };
                let rest = rest.into_iter().filter(|order| order.budget.is_none()).collect();
                let _ = self.exchange.place_list(now, ListPlan { client_id: list_id, first, rest });
            }
            6 => {
                if let Some((id, quantity)) = self.any_open(account) {
                    let share = Decimal::from(1 + self.random.below(99)) / Decimal::ONE_HUNDRED;
                    let less = Quantity((quantity.0 * share).round_dp(5));
                    let name = format!("amended-{}", now.0);
                    let _ = self.exchange.amend(now, account, id, less, name);
                }
            }
            7 | 8 => {
                if let Some((id, _)) = self.any_open(account) {
                    let _ = self.exchange.cancel_as(now, account, id, Some("cancels".into()));
                }
            }
            _ => {}
        }
        for _ in 0..3 {
            self.market.step(now, &mut self.exchange);
        }
    }

    fn any_open(&mut self, account: AccountId) -> Option<(OrderId, Quantity)> {
        let open: Vec<_> =
            self.exchange.account(account).open_orders().map(|o| (o.id, o.quantity)).collect();
        let index = self.random.below(u64::try_from(open.len()).unwrap());
        open.get(usize::try_from(index).unwrap()).copied()
    }

    fn check(&self, step: usize) {
        for account in &self.accounts {
            let held = self.exchange.account(*account);
            let mut locked: BTreeMap<String, Decimal> = BTreeMap::new();
            for order in held.orders.values() {
                assert!(order.status.is_open() || order.locked.0.is_zero(), "{step}: {order:?}");
                assert!(order.locked.0 >= Decimal::ZERO, "{step}: {order:?}");
                assert!(order.filled <= order.quantity, "{step}: {order:?}");
                let asset = self.exchange.paying_asset(order.asked.instrument, order.asked.side);
                *locked.entry(asset).or_default() += order.locked.0;
            }
            let mut expected: BTreeMap<String, Decimal> = DEPOSITS
                .iter()
                .map(|(asset, amount)| ((*asset).to_owned(), Decimal::from(*amount)))
                .collect();
            for fill in &held.fills {
                let value = fill.price.value(fill.quantity).0;
                let (base, quote) = match fill.side {
                    Side::Buy => (fill.quantity.0, -value),
                    Side::Sell => (-fill.quantity.0, value),
                };
                *expected.get_mut("BTC").unwrap() += base;
                *expected.get_mut("USDT").unwrap() += quote;
                *expected.get_mut(&fill.fee_asset).unwrap() -= fill.fee.0;
            }
            for (asset, balance) in &held.balances {
                assert_eq!(balance.total().0, expected[asset], "{step}: {asset}");
                let sum = locked.get(asset).copied().unwrap_or_default();
                assert_eq!(balance.locked.0, sum, "{step}: {asset} locked");
                assert!(balance.free.0 >= Decimal::ZERO, "{step}: {asset} {balance:?}");
            }
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a failing run must show its seed")]
fn books_add_up_whatever_two_accounts_do() {
    let mut kinds: BTreeMap<OrderStatus, usize> = BTreeMap::new();
    let (mut lists, mut fired) = (0, 0);
    for seed in [1, 20_261_124, 77] {
        println!("seed {seed}");
        let mut floor = Floor::open(seed);
        for step in 0..9_000 {
            floor.act();
            // The whole history is looked through, so not after every act.
            if step < 300 || step % 10 == 0 {
                floor.check(step);
            }
            for event in floor.exchange.take_events() {
                if let Event::List { .. } = event {
                    lists += 1;
                }
            }
        }
        for account in &floor.accounts {
            for order in floor.exchange.account(*account).orders.values() {
                *kinds.entry(order.status).or_default() += 1;
                fired += usize::from(order.asked.trigger.is_some() && order.working.is_some());
            }
        }
    }
    println!("{kinds:?}, {lists} list events, {fired} triggers");
    for status in [
        OrderStatus::Filled,
        OrderStatus::Canceled,
        OrderStatus::Expired,
        OrderStatus::ExpiredInMatch,
    ] {
        assert!(kinds.get(&status).is_some_and(|count| *count > 10), "{status:?}: {kinds:?}");
    }
    assert!(lists > 300 && fired > 300, "{lists} list events, {fired} triggers");
}
