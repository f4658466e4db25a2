//! Accounts: wallet, net positions, order history. Never decides whether an order trades.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rust_decimal::Decimal;

use super::instrument::InstrumentId;
use super::number::{Money, Price, Quantity};
use super::order::{Fill, Order, OrderId, PositionSide, Side, UnixMillis};

/// Closed orders and fills an account keeps; the oldest go first.
const HISTORY_MAX: usize = 500_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRates {
    pub maker: Decimal,
    pub taker: Decimal,
}

/// A net position. `cost` is signed like `amount`: what the open contracts were bought for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub amount: Quantity,
    pub cost: Money,
    pub realized: Money,
    pub fees: Money,
    pub funding: Money,
}

impl Position {
    pub fn entry_price(&self) -> Price {
        self.cost.per(self.amount)
    }

    pub fn unrealized(&self, mark: Price) -> Money {
        mark.value(self.amount).minus(self.cost)
    }

    /// Books a trade and returns the profit it realised. What leaves the cost basis is booked
    /// to eight decimals, so basis and profit always add up to the money that moved.
    pub fn apply(&mut self, side: Side, price: Price, quantity: Quantity) -> Money {
        let signed = side.signed(quantity);
        let opposing = self.amount.0.is_sign_positive() != signed.0.is_sign_positive();
        if self.amount.is_zero() || !opposing {
            self.amount = self.amount.plus(signed);
            self.cost = self.cost.plus(price.value(signed));
            return Money::ZERO;
        }
        let closed = quantity.0.min(self.amount.0.abs());
        let released = if closed == self.amount.0.abs() {
            self.cost
        } else {
            Money(self.cost.0 * closed / self.amount.0.abs()).booked()
        };
        let closed_signed = side.signed(Quantity(closed));
        // Closing a long sells: the value is negative and the basis positive.
        let profit = Money::ZERO.minus(price.value(closed_signed)).minus(released);
        self.amount = self.amount.plus(closed_signed);
        self.cost = self.cost.minus(released);
        let opened = Quantity(signed.0 - closed_signed.0);
        if !opened.is_zero() {
            self.amount = opened;
            self.cost = price.value(opened);
        }
        self.realized = self.realized.plus(profit.booked());
        profit.booked()
    }

    /// How much an order of this side could reduce.
    pub fn closable(&self, side: Side) -> Quantity {
        match (side, self.amount.0 > Decimal::ZERO) {
            (Side::Sell, true) => self.amount,
            (Side::Buy, false) => self.amount.abs(),
            (Side::Buy, true) | (Side::Sell, false) => Quantity::ZERO,
        }
    }
}

/// One asset of an account that pays its orders in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub free: Money,
    pub locked: Money,
}

impl Balance {
    pub fn total(&self) -> Money {
        self.free.plus(self.locked)
    }
}

/// One payment between the sides of a perpetual contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundingPayment {
    /// Unique in the exchange.
    pub id: u64,
    pub instrument: InstrumentId,
    pub position_side: PositionSide,
    /// Negative where the account pays.
    pub amount: Money,
    pub at: UnixMillis,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    pub deposit: Money,
    pub wallet: Money,
    pub positions: BTreeMap<(InstrumentId, PositionSide), Position>,
    pub leverage: BTreeMap<InstrumentId, u32>,
    /// Instruments whose margin stands apart from the rest of the wallet.
    pub isolated: BTreeSet<InstrumentId>,
    /// Long and short legs in place of a net position.
    pub hedged: bool,
    pub balances: BTreeMap<String, Balance>,
    /// Pays fees in the discounted asset while it has any.
    pub discounted_fees: bool,
    pub funding: VecDeque<FundingPayment>,
    pub orders: BTreeMap<OrderId, Order>,
    pub open: BTreeSet<OrderId>,
    pub fills: VecDeque<Fill>,
    closed: VecDeque<OrderId>,
    latest_by_client: HashMap<String, OrderId>,
}

impl Account {
    pub fn new(id: AccountId, wallet: Money) -> Self {
        Self {
            id,
            deposit: wallet,
            wallet,
            positions: BTreeMap::new(),
            leverage: BTreeMap::new(),
            isolated: BTreeSet::new(),
            hedged: false,
            balances: BTreeMap::new(),
            discounted_fees: false,
            funding: VecDeque::new(),
            orders: BTreeMap::new(),
            open: BTreeSet::new(),
            fills: VecDeque::new(),
            closed: VecDeque::new(),
            latest_by_client: HashMap::new(),
        }
    }

    /// The net position.
    pub fn position(&self, instrument: InstrumentId) -> Position {
        self.leg(instrument, PositionSide::Both)
    }

    pub fn leg(&self, instrument: InstrumentId, side: PositionSide) -> Position {
        self.positions.get(&(instrument, side)).copied().unwrap_or_default()
    }

    /// The legs that the account's mode shows.
    pub fn sides(&self) -> &'static [PositionSide] {
        match self.hedged {
            false => &[PositionSide::Both],
            true => &[PositionSide::Long, PositionSide::Short],
        }
    }

    pub fn balance(&self, asset: &str) -> Balance {
        self.balances.get(asset).copied().unwrap_or_default()
    }

    pub fn balance_mut(&mut self, asset: &str) -> &mut Balance {
        self.balances.entry(asset.to_owned()).or_default()
    }

    pub fn leverage(&self, instrument: InstrumentId) -> u32 {
        self.leverage.get(&instrument).copied().unwrap_or(20)
    }

    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().filter_map(|id| self.orders.get(id))
    }

    /// The newest order that carries this client id.
    pub fn by_client_id(&self, client_id: &str) -> Option<&Order> {
        self.latest_by_client.get(client_id).and_then(|id| self.orders.get(id))
    }

    pub fn insert(&mut self, order: Order) {
        self.latest_by_client.insert(order.asked.client_id.clone(), order.id);
        self.open.insert(order.id);
        self.orders.insert(order.id, order);
    }

    /// Moves an order that ended to the history and forgets the oldest beyond its bound.
    pub fn close(&mut self, id: OrderId) {
        if !self.open.remove(&id) {
            return;
        }
        self.closed.push_back(id);
        if self.closed.len() <= HISTORY_MAX {
            return;
        }
        if let Some(order) = self.closed.pop_front().and_then(|old| self.orders.remove(&old))
            && self.latest_by_client.get(&order.asked.client_id) == Some(&order.id)
        {
            self.latest_by_client.remove(&order.asked.client_id);
        }
    }

    /// Gives an order another client id; the former one no longer finds it.
    pub fn rename(&mut self, id: OrderId, client_id: &str) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let former = std::mem::replace(&mut order.asked.client_id, client_id.to_owned());
        if self.latest_by_client.get(&former) == Some(&id) {
            self.latest_by_client.remove(&former);
        }
        self.latest_by_client.insert(client_id.to_owned(), id);
    }

    pub fn pay_funding(&mut self, payment: FundingPayment) {
        self.wallet = self.wallet.plus(payment.amount);
        let key = (payment.instrument, payment.position_side);
        let position = self.positions.entry(key).or_default();
        position.funding = position.funding.plus(payment.amount);
        self.funding.push_back(payment);
        if self.funding.len() > HISTORY_MAX {
            self.funding.pop_front();
        }
    }

    pub fn record(&mut self, fill: Fill) {
        self.fills.push_back(fill);
        if self.fills.len() > HISTORY_MAX {
            self.fills.pop_front();
        }
    }

    /// Margin for all positions and open orders, the worse side of each instrument, with
    /// `extra` counted as one more open order.
    pub fn initial_margin(
        &self,
        mark: impl Fn(InstrumentId) -> Price,
        extra: Option<(InstrumentId, Side, Money)>,
    ) -> Money {
        let mut sides: BTreeMap<InstrumentId, (Decimal, Decimal)> = BTreeMap::new();
        let mut add = |instrument, side: Side, value: Decimal| {
            let entry = sides.entry(instrument).or_default();
            match side {
                Side::Buy => entry.0 += value,
                Side::Sell => entry.1 += value,
            }
        };
        for ((instrument, side), position) in &self.positions {
            let value = mark(*instrument).value(position.amount).0;
            match side {
                PositionSide::Both => {
                    add(*instrument, Side::Buy, value);
                    add(*instrument, Side::Sell, -value);
                }
                PositionSide::Long => add(*instrument, Side::Buy, value.abs()),
                PositionSide::Short => add(*instrument, Side::Sell, value.abs()),
            }
        }
        for order in self.open_orders().filter(|order| !order.asked.reduce_only) {
            let price = order.price.unwrap_or_else(|| mark(order.asked.instrument));
            add(order.asked.instrument, order.asked.side, price.value(order.leaves()).0);
        }
        if let Some((instrument, side, value)) = extra {
            add(instrument, side, value.0);
        }
        let total = sides.into_iter().map(|(instrument, (long, short))| {
            long.max(short).max(Decimal::ZERO) / Decimal::from(self.leverage(instrument))
        });
        Money(total.sum())
    }

    pub fn position_margin(
        &self,
        instrument: InstrumentId,
        side: PositionSide,
        mark: Price,
    ) -> Money {
        let value = mark.value(self.leg(instrument, side).amount.abs());
        Money(value.0 / Decimal::from(self.leverage(instrument)))
    }

    pub fn unrealized(&self, mark: impl Fn(InstrumentId) -> Price) -> Money {
        let each = self.positions.iter().map(|((id, _), held)| held.unrealized(mark(*id)).0);
        Money(each.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap_or_default()
    }

    /// Each trade is (side, price, quantity); expected is (amount, cost, realised).
    #[track_caller]
    fn check(trades: &[(Side, &str, &str)], expected: (&str, &str, &str)) {
        let mut position = Position::default();
        for (side, price, quantity) in trades {
            position.apply(*side, Price(decimal(price)), Quantity(decimal(quantity)));
        }
        let (amount, cost, realized) = expected;
        assert_eq!(position.amount.0, decimal(amount), "amount");
        assert_eq!(position.cost.0, decimal(cost), "cost");
        assert_eq!(position.realized.0, decimal(realized), "realised");
    }

    #[test]
    fn a_position_nets_and_realises_against_its_average_cost() {
        use Side::{Buy, Sell};
        check(&[(Buy, "100", "2"), (Buy, "110", "2")], ("4", "420", "0"));
        check(&[(Buy, "100", "2"), (Sell, "103", "1")], ("1", "100", "3"));
        check(&[(Buy, "100", "2"), (Sell, "103", "2")], ("0", "0", "6"));
        check(&[(Buy, "100", "1"), (Sell, "90", "3")], ("-2", "-180", "-10"));
        check(&[(Sell, "100", "2"), (Buy, "90", "1")], ("-1", "-100", "10"));
        check(&[(Sell, "100", "1"), (Buy, "90", "2")], ("1", "90", "10"));
    }

    #[test]
    fn profit_and_remaining_cost_add_up_when_the_average_does_not_divide() {
        let mut position = Position::default();
        position.apply(Side::Buy, Price(decimal("100.1")), Quantity(decimal("0.001")));
        position.apply(Side::Buy, Price(decimal("100.2")), Quantity(decimal("0.002")));
        let total = position.cost;
        let first = position.apply(Side::Sell, Price(decimal("101")), Quantity(decimal("0.001")));
        let second = position.apply(Side::Sell, Price(decimal("101")), Quantity(decimal("0.002")));
        assert_eq!(first.0 + second.0, decimal("0.303") - total.0);
        assert_eq!(position.cost, Money::ZERO);
    }
}
