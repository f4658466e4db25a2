//! How an incoming order trades: the one loop for accounts and for synthetic participants.

use super::account::AccountId;
use super::book::{Owner, Resting};
use super::instrument::InstrumentId;
use super::number::{Money, Price, Quantity};
use super::order::{
    ExpiryReason, Fill, NewOrder, Order, OrderId, OrderKind, OrderStatus, Refusal,
    SelfTradePrevention, Side, TimeInForce, TradeId, UnixMillis,
};
use super::{Change, Event, Exchange, FillEvent, Print};

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
    pub fn place(&mut self, now: UnixMillis, asked: NewOrder) -> Result<Order, Refusal> {
        self.check_place(&asked)?;
        let id = self.take_order_id();
        let order = Order {
            id,
            quantity: asked.quantity,
            price: asked.price,
            asked: asked.clone(),
            filled: Quantity::ZERO,
            filled_value: Money::ZERO,
            status: OrderStatus::New,
            expiry: ExpiryReason::None,
            modifications: 0,
            modify_id: None,
            created: now,
            updated: now,
        };
        self.account_mut(asked.account).insert(order.clone());
        self.events.push(Event::Order { order, change: Change::Accepted, at: now });
        self.enter(now, asked.account, id);
        self.account(asked.account).orders.get(&id).cloned().ok_or(Refusal::UnknownOrder)
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
        };
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
        };
        self.trade(now, &mut taker);
        self.rest(&taker);
        (limit.is_some() && !taker.leaves.is_zero()).then_some(taker.id)
    }

    /// Whether `quantity` would fill at once, own orders not counted.
    pub(super) fn fillable(&self, asked: &NewOrder) -> bool {
        let market = self.market(asked.instrument);
        let other = asked.side.opposite();
        let reached = |price: Price| asked.side.reaches(asked.price, price);
        let shown = market.displayed.as_ref().map_or(Quantity::ZERO, |book| {
            let within = book.levels(other).take_while(|(price, _)| reached(*price));
            within.fold(Quantity::ZERO, |sum, (_, quantity)| sum.plus(quantity))
        });
        let mine = Owner::Account(asked.account);
        let resting = market.book.resting(other);
        let within = resting.iter().take_while(|(price, _)| reached(*price));
        let others = within.filter(|(_, order)| order.owner != mine);
        let total = others.fold(shown, |sum, (_, order)| sum.plus(order.leaves));
        total >= asked.quantity
    }

    pub(super) fn trade(&mut self, now: UnixMillis, taker: &mut Taker) -> Stop {
        while !taker.leaves.is_zero() {
            let Some(opposite) = self.opposite(taker) else { break };
            let mut quantity = taker.leaves;
            if taker.reduce_only
                && let Owner::Account(account) = taker.owner
            {
                let held = self.account(account).position(taker.instrument);
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
                        Prevented::Nothing => {}
                        Prevented::Maker => continue,
                        Prevented::Taker => return Stop::SelfTrade,
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
                offered.min(held.position(instrument).closable(order.asked.side))
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
    ) -> Prevented {
        let Owner::Account(account) = taker.owner else { return Prevented::Nothing };
        if resting.owner != taker.owner {
            return Prevented::Nothing;
        }
        let (maker_ends, outcome) = match taker.self_trade {
            SelfTradePrevention::None => return Prevented::Nothing,
            SelfTradePrevention::ExpireMaker => (true, Prevented::Maker),
            SelfTradePrevention::ExpireTaker => (false, Prevented::Taker),
            SelfTradePrevention::ExpireBoth => (true, Prevented::Taker),
        };
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

    /// Books one account's side of a trade: order, position, fee, wallet, event.
    pub(super) fn settle(&mut self, now: UnixMillis, execution: Execution) {
        let Execution { account, order: id, trade, price, quantity, maker } = execution;
        let fees = self.fees;
        let rate = if maker { fees.maker } else { fees.taker };
        let held = &mut self.accounts[account.0];
        let Some(order) = held.orders.get_mut(&id) else { return };
        order.filled = order.filled.plus(quantity);
        order.filled_value = order.filled_value.plus(price.value(quantity));
        let done = order.leaves().is_zero();
        order.status = if done { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        order.updated = now;
        let order = order.clone();
        let (instrument, side) = (order.asked.instrument, order.asked.side);
        let fee = price.value(quantity).rate(rate).booked();
        let position = held.positions.entry(instrument).or_default();
        let realized = position.apply(side, price, quantity);
        position.fees = position.fees.plus(fee);
        let position = *position;
        let wallet_change = realized.minus(fee);
        held.wallet = held.wallet.plus(wallet_change);
        let wallet = held.wallet;
        let client_id = order.asked.client_id.clone();
        let fill = Fill {
            trade,
            order: id,
            client_id,
            instrument,
            side,
            price,
            quantity,
            fee,
            realized,
            maker,
            at: now,
        };
        held.record(fill.clone());
        if done {
            held.close(id);
        }
        let event = FillEvent { order, fill, wallet, wallet_change, position };
        self.events.push(Event::Filled(Box::new(event)));
    }

    fn rest(&mut self, taker: &Taker) {
        let Some(price) = taker.limit.filter(|_| !taker.leaves.is_zero()) else { return };
        let market = self.market_mut(taker.instrument);
        let shown = market.displayed.as_ref().map(|book| book.shown_at(taker.side, price));
        let ahead = shown.unwrap_or_default();
        let order = Resting { id: taker.id, owner: taker.owner, leaves: taker.leaves, ahead };
        market.book.insert(taker.side, price, order);
    }

    /// Ends resting reduce-only orders that have nothing left to reduce.
    pub(super) fn sweep_reduce_only(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        instrument: InstrumentId,
    ) {
        let held = self.account(account);
        let position = held.position(instrument);
        let idle = |order: &&Order| {
            order.asked.reduce_only
                && order.asked.instrument == instrument
                && position.closable(order.asked.side).is_zero()
        };
        let ended: Vec<Order> = held.open_orders().filter(idle).cloned().collect();
        for order in ended {
            self.unrest(&order);
            let reason = ExpiryReason::ReduceOnly;
            self.finish(now, account, order.id, OrderStatus::Expired, reason);
        }
    }

    fn check_place(&self, asked: &NewOrder) -> Result<(), Refusal> {
        let account = self.account(asked.account);
        let same_id = account.by_client_id(&asked.client_id);
        if same_id.is_some_and(|order| order.status.is_open()) {
            return Err(Refusal::DuplicateClientId);
        }
        let market = self.market(asked.instrument);
        let on_it = account.open_orders().filter(|o| o.asked.instrument == asked.instrument);
        if on_it.count() >= market.instrument.open_orders_max {
            return Err(Refusal::TooManyOpenOrders);
        }
        let position = account.position(asked.instrument);
        if asked.reduce_only && position.closable(asked.side).is_zero() {
            return Err(Refusal::ReduceOnly);
        }
        if asked.time_in_force == TimeInForce::Gtx && self.would_take(asked) {
            return Err(Refusal::WouldTake);
        }
        if asked.time_in_force == TimeInForce::Fok && !self.fillable(asked) {
            return Err(Refusal::CannotFill);
        }
        let best = market.best(asked.side.opposite()).map(|(price, _)| price);
        let price = asked.price.or(best).unwrap_or_else(|| market.mark());
        let extra = (asked.instrument, asked.side, price.value(asked.quantity));
        // What closes a position needs no margin; only a larger need is checked.
        let needed = self.margin(asked.account, Some(extra));
        let before = self.margin(asked.account, None);
        if !asked.reduce_only && needed > before && needed > self.equity(asked.account) {
            return Err(Refusal::Margin);
        }
        Ok(())
    }

    pub(super) fn would_take(&self, asked: &NewOrder) -> bool {
        let best = self.market(asked.instrument).best(asked.side.opposite());
        best.is_some_and(|(price, _)| asked.side.reaches(asked.price, price))
    }

    fn take_order_id(&mut self) -> OrderId {
        let id = OrderId(self.next_order);
        self.next_order = self.next_order.saturating_add(1);
        id
    }

    pub(super) fn take_trade_id(&mut self) -> TradeId {
        let id = TradeId(self.next_trade);
        self.next_trade = self.next_trade.saturating_add(1);
        id
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prevented {
    Nothing,
    Maker,
    Taker,
}
