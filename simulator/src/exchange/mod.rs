//! An exchange as a pure state machine: accounts, orders, matching by price and time, fees.
//!
//! Sans-IO: the time is an argument, what happened is read from `take_events`. It speaks no
//! venue's language.

pub mod account;
mod admission;
pub mod amend;
pub mod book;
pub mod cash;
pub mod displayed;
pub mod instrument;
pub mod lists;
mod matching;
pub mod modify;
pub mod number;
pub mod order;
mod queue;
mod settling;
mod triggers;

use std::collections::{BTreeMap, VecDeque};

use self::account::{Account, AccountId, Balance, FeeRates, FundingPayment, Position};
use self::book::OrderBook;
use self::displayed::DisplayedBook;
use self::instrument::{Instrument, InstrumentId};
use self::lists::{ListChange, ListId, OrderList};
use self::number::{Money, Price, Quantity};
use self::order::{
    ExpiryReason, Fill, Order, OrderId, OrderStatus, Refusal, Side, TradeId, UnixMillis,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Accepted,
    Amended,
    /// Its trigger was reached: it works from now on.
    Triggered,
    Canceled,
    Expired,
}

/// How orders are backed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// By margin on net or hedged positions.
    Margin,
    /// In full, by the asset that the order gives.
    Cash,
}

#[derive(Clone, Debug)]
pub struct FillEvent {
    pub order: Order,
    pub fill: Fill,
    pub wallet: Money,
    pub wallet_change: Money,
    pub position: Position,
}

/// A public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    pub instrument: InstrumentId,
    pub trade: TradeId,
    pub price: Price,
    pub quantity: Quantity,
    pub buyer_is_maker: bool,
    pub at: UnixMillis,
}

#[derive(Clone, Debug)]
pub enum Event {
    Order {
        order: Box<Order>,
        change: Change,
        at: UnixMillis,
    },
    Filled(Box<FillEvent>),
    Printed(Print),
    /// Assets that the events before may have changed.
    Balances {
        account: AccountId,
        balances: Vec<(String, Balance)>,
        at: UnixMillis,
    },
    Deposited {
        account: AccountId,
        asset: String,
        amount: Money,
        at: UnixMillis,
    },
    List {
        list: Box<OrderList>,
        change: ListChange,
        names: Vec<(OrderId, String)>,
        at: UnixMillis,
    },
    Funded {
        account: AccountId,
        payment: FundingPayment,
    },
}

#[derive(Clone, Debug)]
pub struct Market {
    pub instrument: Instrument,
    pub book: OrderBook,
    /// The recorded market that our orders meet; none where all participants are in `book`.
    pub displayed: Option<DisplayedBook>,
    pub last_price: Option<Price>,
    /// Orders that wait for their trigger.
    stops: Vec<(AccountId, OrderId)>,
}

impl Market {
    /// The best level of `side`, displayed and resting together.
    pub fn best(&self, side: Side) -> Option<(Price, Quantity)> {
        let resting = self.book.best(side);
        let shown = self.displayed.as_ref().and_then(|book| book.levels(side).next());
        match (resting, shown) {
            (Some(resting), Some(shown)) => {
                let resting_is_better = match side {
                    Side::Buy => resting.0 > shown.0,
                    Side::Sell => resting.0 < shown.0,
                };
                Some(if resting_is_better { resting } else { shown })
            }
            (one, other) => one.or(other),
        }
    }

    /// What the public sees, best first.
    pub fn public_levels(&self, side: Side) -> Box<dyn Iterator<Item = (Price, Quantity)> + '_> {
        match &self.displayed {
            Some(displayed) => displayed.recorded(side),
            None => self.book.levels(side),
        }
    }

    /// The middle of the touch, else the last price, else the reference.
    pub fn mark(&self) -> Price {
        match (self.public_levels(Side::Buy).next(), self.public_levels(Side::Sell).next()) {
            (Some((bid, _)), Some((ask, _))) => Price((bid.0 + ask.0) / Quantity::TWO.0),
            (Some((one, _)), None) | (None, Some((one, _))) => one,
            (None, None) => self.last_price.unwrap_or(self.instrument.reference),
        }
    }
}

impl Quantity {
    const TWO: Self = Self(rust_decimal::Decimal::TWO);
}

#[derive(Debug)]
pub struct Exchange {
    markets: Vec<Market>,
    accounts: Vec<Account>,
    settlement: Settlement,
    fees: FeeRates,
    lists: BTreeMap<ListId, OrderList>,
    /// Lists whose first order was filled within the operation that runs.
    deferred: VecDeque<ListId>,
    next_order: u64,
    next_trade: u64,
    next_list: u64,
    next_execution: u64,
    events: Vec<Event>,
}

impl Exchange {
    /// An exchange on margin.
    pub fn new(instruments: Vec<Instrument>, fees: FeeRates, recorded: bool) -> Self {
        Self::settled(Settlement::Margin, instruments, fees, recorded)
    }

    pub fn settled(
        settlement: Settlement,
        instruments: Vec<Instrument>,
        fees: FeeRates,
        recorded: bool,
    ) -> Self {
        let market = |instrument| Market {
            instrument,
            book: OrderBook::default(),
            displayed: recorded.then(DisplayedBook::default),
            last_price: None,
            stops: Vec::new(),
        };
        Self {
            markets: instruments.into_iter().map(market).collect(),
            accounts: Vec::new(),
            settlement,
            fees,
            lists: BTreeMap::new(),
            deferred: VecDeque::new(),
            next_list: FIRST_LIST,
            next_execution: FIRST_EXECUTION,
            next_order: FIRST_ORDER,
            // A recorded market brings its own trade ids; ours must not meet them.
            next_trade: if recorded { FIRST_TRADE_BESIDE_A_RECORD } else { FIRST_TRADE },
            events: Vec::new(),
        }
    }

    pub fn open_account(&mut self, deposit: Money) -> AccountId {
        let id = AccountId(self.accounts.len());
        self.accounts.push(Account::new(id, deposit));
        id
    }

    pub fn fees(&self) -> FeeRates {
        self.fees
    }

    pub fn markets(&self) -> impl Iterator<Item = (InstrumentId, &Market)> {
        self.markets.iter().enumerate().map(|(index, market)| (InstrumentId(index), market))
    }

    pub fn find(&self, symbol: &str) -> Option<InstrumentId> {
        self.markets.iter().position(|m| m.instrument.symbol == symbol).map(InstrumentId)
    }

    /// An `InstrumentId` is only made by this exchange, so the market is there.
    pub fn market(&self, id: InstrumentId) -> &Market {
        &self.markets[id.0]
    }

    pub fn market_mut(&mut self, id: InstrumentId) -> &mut Market {
        &mut self.markets[id.0]
    }

    /// An `AccountId` is only made by this exchange, so the account is there.
    pub fn account(&self, id: AccountId) -> &Account {
        &self.accounts[id.0]
    }

    pub fn account_mut(&mut self, id: AccountId) -> &mut Account {
        &mut self.accounts[id.0]
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub fn take_changed(&mut self, id: InstrumentId) -> BTreeMap<(Side, Price), Quantity> {
        self.markets[id.0].book.take_changed()
    }

    pub fn margin(&self, account: AccountId, extra: Option<(InstrumentId, Side, Money)>) -> Money {
        self.account(account).initial_margin(|id| self.market(id).mark(), extra)
    }

    /// What the account could still put up as margin.
    pub fn available(&self, account: AccountId) -> Money {
        self.equity(account).minus(self.margin(account, None))
    }

    pub fn equity(&self, account: AccountId) -> Money {
        let held = self.account(account);
        held.wallet.plus(held.unrealized(|id| self.market(id).mark()))
    }

    pub fn cancel(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        id: OrderId,
    ) -> Result<Order, Refusal> {
        self.cancel_as(now, account, id, None)
    }

    /// Cancels by a request that has a client id of its own. With it goes the list it is in.
    pub fn cancel_as(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        id: OrderId,
        request: Option<String>,
    ) -> Result<Order, Refusal> {
        let order = self.account(account).orders.get(&id).filter(|order| order.status.is_open());
        let Some(order) = order.cloned() else { return Err(Refusal::UnknownOrder) };
        self.unrest(&order);
        if let Some(stored) = self.account_mut(account).orders.get_mut(&id) {
            stored.canceled_by = request;
        }
        self.finish(now, account, id, OrderStatus::Canceled, ExpiryReason::None);
        self.stored(account, id)
    }

    fn stored(&self, account: AccountId, id: OrderId) -> Result<Order, Refusal> {
        self.account(account).orders.get(&id).cloned().ok_or(Refusal::UnknownOrder)
    }

    /// Cancels every open order of the account on the instrument; returns their ids.
    pub fn cancel_all(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        instrument: InstrumentId,
    ) -> Vec<OrderId> {
        let on_it = |order: &&Order| order.asked.instrument == instrument;
        let ids: Vec<OrderId> =
            self.account(account).open_orders().filter(on_it).map(|order| order.id).collect();
        ids.into_iter().filter(|id| self.cancel(now, account, *id).is_ok()).collect()
    }

    /// Ends orders whose good-till date has come.
    pub fn expire_dated(&mut self, now: UnixMillis) {
        let due: Vec<Order> = self
            .accounts
            .iter()
            .flat_map(|account| account.open_orders())
            .filter(|order| order.asked.good_till.is_some_and(|till| till <= now))
            .cloned()
            .collect();
        for order in due {
            self.unrest(&order);
            let reason = ExpiryReason::GoodTillDate;
            self.finish(now, order.asked.account, order.id, OrderStatus::Expired, reason);
        }
    }

    fn unrest(&mut self, order: &Order) {
        if let Some(price) = order.price {
            let book = &mut self.markets[order.asked.instrument.0].book;
            book.remove(order.asked.side, price, order.id);
        }
    }

    fn unrest_id(&mut self, account: AccountId, id: OrderId) {
        if let Some(order) = self.account(account).orders.get(&id).cloned() {
            self.unrest(&order);
        }
    }

    /// Ends an order that is out of the book, frees what it held, and tells its list.
    fn finish(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        id: OrderId,
        status: OrderStatus,
        expiry: ExpiryReason,
    ) {
        self.forget_stop(account, id);
        self.hold(account, id, Money::ZERO);
        let held = &mut self.accounts[account.0];
        let Some(order) = held.orders.get_mut(&id) else { return };
        order.status = status;
        order.expiry = expiry;
        order.updated = now;
        held.close(id);
        let change = match status {
            OrderStatus::Canceled => Change::Canceled,
            OrderStatus::PendingNew
            | OrderStatus::New
            | OrderStatus::PartiallyFilled
            | OrderStatus::Filled
            | OrderStatus::Expired
            | OrderStatus::ExpiredInMatch => Change::Expired,
        };
        self.tell_order(now, account, id, change);
        self.on_end(now, account, id);
    }

    /// Tells of an order as it is now, and of what its account holds where it pays in full.
    fn tell_order(&mut self, now: UnixMillis, account: AccountId, id: OrderId, change: Change) {
        let Some(order) = self.account(account).orders.get(&id).cloned() else { return };
        let (instrument, side) = (order.asked.instrument, order.asked.side);
        self.events.push(Event::Order { order: Box::new(order), change, at: now });
        if self.settlement == Settlement::Cash {
            let assets = [side, side.opposite()].map(|side| self.paying_asset(instrument, side));
            let [pays, gets] = &assets;
            self.tell_balances(now, account, &[gets, pays]);
        }
    }
}

const FIRST_LIST: u64 = 900_001;
const FIRST_EXECUTION: u64 = 60_000_000_001;
const FIRST_ORDER: u64 = 4_100_000_001;
const FIRST_TRADE: u64 = 700_000_001;
const FIRST_TRADE_BESIDE_A_RECORD: u64 = 90_000_000_001;
