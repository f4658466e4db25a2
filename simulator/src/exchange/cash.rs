//! Orders paid in full: what they lock, what a trade moves, what an end releases.
//!
//! Knows nothing of prices to come: a market order locks what it would cost at this instant.

use rust_decimal::Decimal;

use super::account::{AccountId, Balance};
use super::instrument::InstrumentId;
use super::matching::Execution;
use super::number::{Money, Quantity};
use super::order::{Fill, NewOrder, Order, OrderId, OrderStatus, Refusal, Side, UnixMillis};
use super::{Event, Exchange, FillEvent, Settlement};
use crate::exchange::account::Position;

/// The asset in which fees may be paid at a discount.
pub const DISCOUNT_ASSET: &str = "BNB";
/// What is left of a fee that is paid in it.
const DISCOUNTED: Decimal = Decimal::from_parts(75, 0, 0, false, 2);

impl Exchange {
    /// The asset that an order of this side pays with.
    pub fn paying_asset(&self, instrument: InstrumentId, side: Side) -> String {
        let instrument = &self.market(instrument).instrument;
        match side {
            Side::Buy => instrument.quote.clone(),
            Side::Sell => instrument.base.clone(),
        }
    }

    /// What the order must be able to pay for all of its quantity.
    pub(super) fn need(&self, asked: &NewOrder) -> Money {
        match (asked.side, asked.price, asked.trigger) {
            (Side::Sell, _, _) => Money(asked.quantity.0),
            (Side::Buy, Some(price), _) => price.value(asked.quantity),
            (Side::Buy, None, Some(trigger)) => trigger.price.value(asked.quantity),
            (Side::Buy, None, None) => self.cost(asked),
        }
    }

    /// What a market order would pay for its quantity in this book.
    pub(super) fn cost(&self, asked: &NewOrder) -> Money {
        let mut left = asked.quantity;
        let mut cost = Money::ZERO;
        for (price, quantity) in self.offered(asked) {
            let taken = quantity.min(left);
            cost = cost.plus(price.value(taken));
            left = left.minus(taken);
            if left.is_zero() {
                break;
            }
        }
        cost
    }

    /// The largest quantity in whole steps that a budget buys, or that sells for it.
    pub(super) fn affordable(&self, asked: &NewOrder, budget: Money) -> Quantity {
        let step = self.market(asked.instrument).instrument.step.0;
        let (mut left, mut total) = (budget.0, Decimal::ZERO);
        for (price, quantity) in self.offered(asked) {
            let value = price.value(quantity).0;
            if value >= left {
                total += left.checked_div(price.0).unwrap_or_default();
                break;
            }
            total += quantity.0;
            left -= value;
        }
        let steps = total.checked_div(step).unwrap_or_default().trunc();
        Quantity(steps * step)
    }

    pub(super) fn check_funds(&self, asked: &NewOrder) -> Result<(), Refusal> {
        let asset = self.paying_asset(asked.instrument, asked.side);
        let free = self.account(asked.account).balance(&asset).free;
        if self.need(asked) > free { Err(Refusal::Balance) } else { Ok(()) }
    }

    /// Locks what a new order needs; nothing where orders stand on margin.
    pub(super) fn lock_funds(&mut self, account: AccountId, id: OrderId) {
        if self.settlement == Settlement::Margin {
            return;
        }
        let Some(order) = self.account(account).orders.get(&id) else { return };
        let need = match order.status {
            OrderStatus::PendingNew => Money::ZERO,
            OrderStatus::New
            | OrderStatus::PartiallyFilled
            | OrderStatus::Filled
            | OrderStatus::Canceled
            | OrderStatus::Expired
            | OrderStatus::ExpiredInMatch => self.need(&order.asked),
        };
        self.hold(account, id, need);
    }

    /// Makes an order hold exactly `amount`, from or to what is free.
    pub(super) fn hold(&mut self, account: AccountId, id: OrderId, amount: Money) {
        let Some(order) = self.account(account).orders.get(&id) else { return };
        let asset = self.paying_asset(order.asked.instrument, order.asked.side);
        let held = self.account_mut(account);
        let Some(order) = held.orders.get_mut(&id) else { return };
        let more = amount.minus(order.locked);
        if more.0.is_zero() {
            return;
        }
        order.locked = amount;
        let balance = held.balance_mut(&asset);
        balance.free = balance.free.minus(more);
        balance.locked = balance.locked.plus(more);
    }

    /// Moves what an order holds to another of the same account, asset for asset.
    pub(super) fn hand_over(&mut self, account: AccountId, from: OrderId, to: OrderId) {
        let held = self.account_mut(account);
        let Some(giver) = held.orders.get_mut(&from) else { return };
        let amount = std::mem::take(&mut giver.locked);
        if let Some(taker) = held.orders.get_mut(&to) {
            taker.locked = taker.locked.plus(amount);
        }
    }

    /// Pays, receives and charges the fee of one side of a trade.
    pub(super) fn settle_cash(&mut self, now: UnixMillis, execution: Execution, order: Order) {
        let Execution { account, trade, price, quantity, maker, .. } = execution;
        let (instrument, side) = (order.asked.instrument, order.asked.side);
        let value = price.value(quantity);
        let pays = self.paying_asset(instrument, side);
        let gets = self.paying_asset(instrument, side.opposite());
        let (paid, got) = match side {
            Side::Buy => (value, Money(quantity.0)),
            Side::Sell => (Money(quantity.0), value),
        };
        let rate = if maker { self.fees.maker } else { self.fees.taker };
        let (fee_asset, fee) = self.cash_fee(account, instrument, rate, value, (&gets, got));
        let held = self.account_mut(account);
        let Some(stored) = held.orders.get_mut(&order.id) else { return };
        let kept = match (side, order.price) {
            (Side::Sell, _) => Money(order.leaves().0),
            (Side::Buy, Some(limit)) => limit.value(order.leaves()),
            (Side::Buy, None) => Money((stored.locked.0 - paid.0).max(Decimal::ZERO)),
        };
        let kept = if order.leaves().is_zero() { Money::ZERO } else { kept };
        let released = stored.locked.minus(kept);
        stored.locked = kept;
        let paying = held.balance_mut(&pays);
        paying.locked = paying.locked.minus(released);
        paying.free = paying.free.plus(released).minus(paid);
        let getting = held.balance_mut(&gets);
        getting.free = getting.free.plus(got);
        let charged = held.balance_mut(&fee_asset);
        charged.free = charged.free.minus(fee);
        let fill = Fill {
            trade,
            order: order.id,
            client_id: order.asked.client_id.clone(),
            instrument,
            side,
            price,
            quantity,
            fee,
            fee_asset: fee_asset.clone(),
            realized: Money::ZERO,
            position_side: order.asked.position_side,
            maker,
            at: now,
        };
        held.record(fill.clone());
        let order = held.orders.get(&order.id).cloned().unwrap_or(order);
        if order.status == OrderStatus::Filled {
            held.close(order.id);
        }
        let (wallet, wallet_change) = (Money::ZERO, Money::ZERO);
        let position = Position::default();
        let event = FillEvent { order, fill, wallet, wallet_change, position };
        self.events.push(Event::Filled(Box::new(event)));
        self.tell_balances(now, account, &[&pays, &gets, &fee_asset]);
    }

    /// The fee in the received asset, or in the discount asset where the account wants that and
    /// has enough of it.
    fn cash_fee(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        rate: Decimal,
        value: Money,
        (gets, got): (&str, Money),
    ) -> (String, Money) {
        let held = self.account(account);
        let quote = &self.market(instrument).instrument.quote;
        let pair = self.find(&format!("{DISCOUNT_ASSET}{quote}"));
        if let Some(pair) = pair.filter(|_| held.discounted_fees) {
            let price = self.market(pair).mark();
            let worth = value.rate(rate).rate(DISCOUNTED);
            let fee = Money(worth.0.checked_div(price.0).unwrap_or_default()).booked();
            if fee <= held.balance(DISCOUNT_ASSET).free {
                return (DISCOUNT_ASSET.to_owned(), fee);
            }
        }
        (gets.to_owned(), got.rate(rate).booked())
    }

    /// Puts money into an account from outside, or takes it out.
    pub fn deposit(&mut self, now: UnixMillis, account: AccountId, asset: &str, amount: Money) {
        let balance = self.account_mut(account).balance_mut(asset);
        balance.free = balance.free.plus(amount);
        let asset = asset.to_owned();
        self.events.push(Event::Deposited { account, asset: asset.clone(), amount, at: now });
        self.tell_balances(now, account, &[&asset]);
    }

    /// Tells the balances of these assets, each once.
    pub(super) fn tell_balances(&mut self, now: UnixMillis, account: AccountId, assets: &[&str]) {
        let held = self.account(account);
        let mut balances: Vec<(String, Balance)> = Vec::new();
        for asset in assets {
            if !balances.iter().any(|(told, _)| told == asset) {
                balances.push(((*asset).to_owned(), held.balance(asset)));
            }
        }
        self.events.push(Event::Balances { account, balances, at: now });
    }
}
