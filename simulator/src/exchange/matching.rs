//! How an incoming order trades: the one loop for accounts and for synthetic participants.

use super::account::AccountId;
use super::book::{Owner, Resting};
use super::instrument::InstrumentId;
use super::number::{Price, Quantity};
use super::order::{
    ExpiryReason, NewOrder, Order, OrderId, OrderKind, OrderStatus, PositionSide, Prevented,
    Refusal, SelfTradePrevention, Side, TimeInForce, TradeId, UnixMillis,
};
use super::{Change, Event, Exchange, Print};

/// An order on its way into the book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    pub(super) owner: Owner,
    pub(super) id: OrderId,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) limit: Option<Price>,
    pub(super) leaves: Quantity,
    pub(super) self_trade: SelfTradePrevention,
    pub(super) reduce_only: bool,
    pub(super) position_side: PositionSide,
}

/// Why an incoming order stopped trading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Filled, or nothing left within its limit.
    Exhausted,
    SelfTrade,
    ReduceOnly,
}

/// What stands at the front of the other side.
#[derive(Clone, Copy, Debug)]
enum Opposite {
    Displayed(Price, Quantity),
    Resting(Price, Resting),
}

/// One side of a trade that belongs to an account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Execution {
    pub(super) account: AccountId,
    pub(super) order: OrderId,
    pub(super) trade: TradeId,
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    pub(super) maker: bool,
}

impl Exchange {
    pub fn place(&mut self, now: UnixMillis, mut asked: NewOrder) -> Result<Order, Refusal> {
        if let Some(budget) = asked.budget {
            asked.quantity = self.affordable(&asked, budget);
            if asked.quantity.is_zero() {
                return Err(Refusal::NoLiquidity);
            }
        }
        self.check_place(&asked)?;
        let account = asked.account;
        let id = self.accept(now, Order::new(now, self.next_order_id(), asked));
        self.start(now, account, id);
        self.come_to_rest(now);
        self.stored(account, id)
    }

    /// Books a new order and what it locks, and tells of it.
    pub(super) fn accept(&mut self, now: UnixMillis, order: Order) -> OrderId {
        let (account, id) = (order.asked.account, order.id);
        self.next_order = self.next_order.max(id.0.saturating_add(1));
        self.account_mut(account).insert(order);
        self.lock_funds(account, id);
        self.tell_order(now, account, id, Change::Accepted);
        id
    }

    /// Sends an accepted order into the book, or lets it wait for its trigger.
    pub(super) fn start(&mut self, now: UnixMillis, account: AccountId, id: OrderId) {
        let Some(order) = self.account(account).orders.get(&id) else { return };
        let instrument = order.asked.instrument;
        if order.asked.trigger.is_some() && order.working.is_none() {
            self.market_mut(instrument).stops.push((account, id));
        } else {
            self.enter(now, account, id);
        }
    }

    /// Trades an open order against the book and rests or ends what is left.
    pub(super) fn enter(&mut self, now: UnixMillis, account: AccountId, id: OrderId) {
        let Some(order) = self.account(account).orders.get(&id).cloned() else { return };
        let mut taker = Taker {
            owner: Owner::Account(account),
            id,
            instrument: order.asked.instrument,
            side: order.asked.side,
            limit: order.price,
            leaves: order.leaves(),
            self_trade: order.asked.self_trade,
            reduce_only: order.asked.reduce_only,
            position_side: order.asked.position_side,
        };
        let kills = order.asked.time_in_force == TimeInForce::Fok;
        let asked =
            NewOrder { quantity: order.leaves(), price: order.price, ..order.asked.clone() };
        if kills && !self.fillable(&asked) {
            let reason = ExpiryReason::KillRemainder;
            self.finish(now, account, id, OrderStatus::Expired, reason);
            return;
        }
        let stop = self.trade(now, &mut taker);
        let (status, reason) = match (stop, order.asked.kind, order.asked.time_in_force) {
            (Stop::SelfTrade, _, _) => (OrderStatus::ExpiredInMatch, ExpiryReason::SelfTrade),
            (Stop::ReduceOnly, _, _) => (OrderStatus::Expired, ExpiryReason::ReduceOnly),
            (Stop::Exhausted, OrderKind::Market, _) => {
                (OrderStatus::Expired, ExpiryReason::MarketRemainder)
            }
            (Stop::Exhausted, OrderKind::Limit, TimeInForce::Ioc | TimeInForce::Fok) => {
                (OrderStatus::Expired, ExpiryReason::ImmediateRemainder)
            }
            (
                Stop::Exhausted,
                OrderKind::Limit,
                TimeInForce::Gtc | TimeInForce::Gtx | TimeInForce::Gtd,
            ) => {
                self.rest(&taker);
                self.sweep_reduce_only(now, account, taker.instrument);
                return;
            }
        };
        if !taker.leaves.is_zero() {
            self.finish(now, account, id, status, reason);
        }
        self.sweep_reduce_only(now, account, taker.instrument);
    }

    /// A synthetic participant's order; returns its id when something of it rests.
    pub fn participate(
        &mut self,
        now: UnixMillis,
        instrument: InstrumentId,
        side: Side,
        limit: Option<Price>,
        quantity: Quantity,
    ) -> Option<OrderId> {
        let mut taker = Taker {
            owner: Owner::Participant,
            id: self.take_order_id(),
            instrument,
            side,
            limit,
            leaves: quantity,
            self_trade: SelfTradePrevention::None,
            reduce_only: false,
            position_side: PositionSide::Both,
        };
        self.trade(now, &mut taker);
        self.rest(&taker);
        self.come_to_rest(now);
        (limit.is_some() && !taker.leaves.is_zero()).then_some(taker.id)
    }

    /// What an order would meet within its limit, best first, own orders left out.
    pub(super) fn offered(&self, asked: &NewOrder) -> Vec<(Price, Quantity)> {
        let market = self.market(asked.instrument);
        let other = asked.side.opposite();
        let reached = |price: Price| asked.side.reaches(asked.price, price);
        let mut found: Vec<(Price, Quantity)> = Vec::new();
        if let Some(book) = &market.displayed {
            found.extend(book.levels(other).take_while(|(price, _)| reached(*price)));
        }
        let mine = Owner::Account(asked.account);
        let resting = market.book.resting(other).into_iter();
        let within = resting.take_while(|(price, _)| reached(*price));
        let others = within.filter(|(_, order)| order.owner != mine);
        found.extend(others.map(|(price, order)| (price, order.leaves)));
        match asked.side {
            Side::Buy => found.sort_by_key(|(price, _)| *price),
            Side::Sell => found.sort_by_key(|(price, _)| std::cmp::Reverse(*price)),
        }
        found
    }

    pub(super) fn trade(&mut self, now: UnixMillis, taker: &mut Taker) -> Stop {
        while !taker.leaves.is_zero() {
            let Some(opposite) = self.opposite(taker) else { break };
            let mut quantity = taker.leaves;
            if taker.reduce_only
                && let Owner::Account(account) = taker.owner
            {
                let held = self.account(account).leg(taker.instrument, taker.position_side);
                quantity = quantity.min(held.closable(taker.side));
                if quantity.is_zero() {
                    return Stop::ReduceOnly;
                }
            }
            match opposite {
                Opposite::Displayed(price, shown) => {
                    let quantity = quantity.min(shown);
                    if let Some(book) = &mut self.market_mut(taker.instrument).displayed {
                        book.take(taker.side.opposite(), price, quantity);
                    }
                    self.execute(now, taker, None, price, quantity);
                }
                Opposite::Resting(price, resting) => {
                    match self.prevent_self_trade(now, taker, price, resting) {
                        Prevention::Nothing => {}
                        Prevention::Maker => continue,
                        Prevention::Taker => return Stop::SelfTrade,
                    }
                    let quantity = self.makers_part(taker.instrument, resting, quantity);
                    if quantity.is_zero() {
                        self.expire_resting(now, taker, price, resting);
                        continue;
                    }
                    self.execute(now, taker, Some(resting), price, quantity);
                }
            }
        }
        Stop::Exhausted
    }

    fn opposite(&self, taker: &Taker) -> Option<Opposite> {
        let market = self.market(taker.instrument);
        let other = taker.side.opposite();
        let shown = market.displayed.as_ref().and_then(|book| book.levels(other).next());
        let shown = shown.filter(|(price, _)| taker.side.reaches(taker.limit, *price));
        let resting = market.book.front(other);
        let resting = resting.filter(|(price, _)| taker.side.reaches(taker.limit, *price));
        match (shown, resting) {
            (Some((shown_price, quantity)), Some((price, order))) => {
                let better = match taker.side {
                    Side::Buy => price < shown_price,
                    Side::Sell => price > shown_price,
                };
                // At one price the recorded market stood there first.
                Some(if better {
                    Opposite::Resting(price, order)
                } else {
                    Opposite::Displayed(shown_price, quantity)
                })
            }
            (Some((price, quantity)), None) => Some(Opposite::Displayed(price, quantity)),
            (None, Some((price, order))) => Some(Opposite::Resting(price, order)),
            (None, None) => None,
        }
    }

    /// How much of `wanted` a resting order gives; a reduce-only order gives what it may.
    fn makers_part(
        &self,
        instrument: InstrumentId,
        resting: Resting,
        wanted: Quantity,
    ) -> Quantity {
        let offered = wanted.min(resting.leaves);
        let Owner::Account(account) = resting.owner else { return offered };
        let held = self.account(account);
        match held.orders.get(&resting.id) {
            Some(order) if order.asked.reduce_only => {
                let leg = held.leg(instrument, order.asked.position_side);
                offered.min(leg.closable(order.asked.side))
            }
            Some(_) | None => offered,
        }
    }

    fn expire_resting(&mut self, now: UnixMillis, taker: &Taker, price: Price, resting: Resting) {
        let side = taker.side.opposite();
        self.market_mut(taker.instrument).book.remove(side, price, resting.id);
        if let Owner::Account(account) = resting.owner {
            let reason = ExpiryReason::ReduceOnly;
            self.finish(now, account, resting.id, OrderStatus::Expired, reason);
        }
    }

    fn prevent_self_trade(
        &mut self,
        now: UnixMillis,
        taker: &Taker,
        price: Price,
        resting: Resting,
    ) -> Prevention {
        let Owner::Account(account) = taker.owner else { return Prevention::Nothing };
        if resting.owner != taker.owner {
            return Prevention::Nothing;
        }
        let (maker_ends, outcome) = match taker.self_trade {
            SelfTradePrevention::None => return Prevention::Nothing,
            SelfTradePrevention::ExpireMaker => (true, Prevention::Maker),
            SelfTradePrevention::ExpireTaker => (false, Prevention::Taker),
            SelfTradePrevention::ExpireBoth => (true, Prevention::Taker),
        };
        let id = self.take_execution();
        let quantity = resting.leaves.min(taker.leaves);
        let prevented = |counter| Prevented { id, counter, price, quantity };
        let held = self.account_mut(account);
        if maker_ends && let Some(order) = held.orders.get_mut(&resting.id) {
            order.prevented = Some(prevented(taker.id));
        }
        if outcome == Prevention::Taker
            && let Some(order) = held.orders.get_mut(&taker.id)
        {
            order.prevented = Some(prevented(resting.id));
        }
        if maker_ends {
            let side = taker.side.opposite();
            self.market_mut(taker.instrument).book.remove(side, price, resting.id);
            let (status, reason) = (OrderStatus::ExpiredInMatch, ExpiryReason::SelfTrade);
            self.finish(now, account, resting.id, status, reason);
        }
        outcome
    }

    fn execute(
        &mut self,
        now: UnixMillis,
        taker: &mut Taker,
        resting: Option<Resting>,
        price: Price,
        quantity: Quantity,
    ) {
        let trade = self.take_trade_id();
        taker.leaves = taker.leaves.minus(quantity);
        let maker_side = taker.side.opposite();
        let market = self.market_mut(taker.instrument);
        market.last_price = Some(price);
        if let Some(resting) = resting {
            market.book.reduce(maker_side, price, resting.id, quantity);
        }
        if market.displayed.is_none() {
            let buyer_is_maker = maker_side == Side::Buy;
            let instrument = taker.instrument;
            let print = Print { instrument, trade, price, quantity, buyer_is_maker, at: now };
            self.events.push(Event::Printed(print));
        }
        let maker = resting.map(|resting| (resting.owner, resting.id, true));
        for (owner, order, maker) in
            [Some((taker.owner, taker.id, false)), maker].into_iter().flatten()
        {
            if let Owner::Account(account) = owner {
                self.settle(now, Execution { account, order, trade, price, quantity, maker });
            }
        }
    }

    fn rest(&mut self, taker: &Taker) {
        let Some(price) = taker.limit.filter(|_| !taker.leaves.is_zero()) else { return };
        let market = self.market_mut(taker.instrument);
        let shown = market.displayed.as_ref().map(|book| book.shown_at(taker.side, price));
        let ahead = shown.unwrap_or_default();
        let order = Resting { id: taker.id, owner: taker.owner, leaves: taker.leaves, ahead };
        market.book.insert(taker.side, price, order);
    }

    pub(super) fn next_order_id(&self) -> OrderId {
        OrderId(self.next_order)
    }

    fn take_order_id(&mut self) -> OrderId {
        let id = self.next_order_id();
        self.next_order = self.next_order.saturating_add(1);
        id
    }

    /// The next number of an execution, of which each report carries one.
    pub fn take_execution(&mut self) -> u64 {
        let id = self.next_execution;
        self.next_execution = id.saturating_add(1);
        id
    }

    pub(super) fn take_trade_id(&mut self) -> TradeId {
        let id = TradeId(self.next_trade);
        self.next_trade = self.next_trade.saturating_add(1);
        id
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prevention {
    Nothing,
    Maker,
    Taker,
}
