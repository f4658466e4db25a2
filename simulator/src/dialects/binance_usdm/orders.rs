//! Order requests: reading them, doing them, and the order objects of the replies.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::Venue;
use super::errors::{Reject, refused};
use super::filters::{self, Candidate};
use super::order_form::{client_id, collect_batch, read_batch, read_limit, read_side, read_times};
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::{Instrument, InstrumentId};
use crate::exchange::modify::Modification;
use crate::exchange::number::{Price, Quantity, padded};
use crate::exchange::order::{
    Order, OrderKind, OrderStatus, PositionSide, SelfTradePrevention, Side, TimeInForce, UnixMillis,
};

const CANCEL_BATCH_MAX: usize = 10;

/// Which of the venue's order objects a reply carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Placed,
    Canceled,
    Queried,
}

impl Venue {
    pub fn place(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let (asked, full_result) = self.read_order(now, account, sent)?;
        let market = self.exchange.market(asked.instrument);
        let candidate = Candidate {
            side: asked.side,
            kind: asked.kind,
            price: asked.price,
            quantity: asked.quantity,
            reduce_only: asked.reduce_only,
        };
        filters::check(market, &candidate)?;
        let immediate = asked.kind == OrderKind::Market
            || matches!(asked.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        let placed = self.exchange.place(now, asked);
        self.drain(now);
        let order = placed.map_err(refused)?;
        // An acknowledgement is written before the order has met the book.
        let shown = if full_result && immediate { order } else { acknowledged(order) };
        Ok(self.order_json(&shown, Shape::Placed))
    }

    pub fn test_place(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let (asked, _) = self.read_order(now, account, sent)?;
        let candidate = Candidate {
            side: asked.side,
            kind: asked.kind,
            price: asked.price,
            quantity: asked.quantity,
            reduce_only: asked.reduce_only,
        };
        filters::check(self.exchange.market(asked.instrument), &candidate)?;
        Ok(json!({}))
    }

    pub fn modify(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let side = read_side(sent)?;
        let quantity = Quantity(sent.mandatory_decimal("quantity")?);
        let price = Price(sent.mandatory_decimal("price")?);
        let order =
            self.open_order(account, instrument, sent)?.ok_or_else(Reject::no_such_order)?;
        let candidate = Candidate {
            side,
            kind: OrderKind::Limit,
            price: Some(price),
            quantity,
            reduce_only: order.asked.reduce_only,
        };
        filters::check(self.exchange.market(instrument), &candidate)?;
        let modify_id = sent.get("modifyId").map(str::to_owned);
        let change = Modification { side, price, quantity, modify_id };
        let modified = self.exchange.modify(now, account, order.id, change);
        self.drain(now);
        let mut value = self.order_json(&modified.map_err(refused)?, Shape::Placed);
        if let (Some(id), Value::Object(members)) = (sent.get("modifyId"), &mut value) {
            members.insert("modifyId".to_owned(), json!(id));
        }
        Ok(value)
    }

    pub fn cancel(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let order =
            self.open_order(account, instrument, sent)?.ok_or_else(Reject::unknown_order)?;
        let canceled = self.exchange.cancel(now, account, order.id);
        self.drain(now);
        let canceled = canceled.map_err(|_| Reject::unknown_order())?;
        Ok(self.order_json(&canceled, Shape::Canceled))
    }

    pub fn cancel_all(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        self.exchange.cancel_all(now, account, instrument);
        self.drain(now);
        Ok(json!({"code": 200, "msg": "The operation of cancel all open order is done."}))
    }

    pub fn place_batch(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let each = read_batch(sent)?;
        let one = |item: &Map<String, Value>| {
            let sent = Parameters::from_json(item)?;
            self.place(now, account, &sent)
        };
        Ok(collect_batch(each.iter().map(one)))
    }

    pub fn modify_batch(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let each = read_batch(sent)?;
        let one = |item: &Map<String, Value>| {
            let sent = Parameters::from_json(item)?;
            self.modify(now, account, &sent)
        };
        Ok(collect_batch(each.iter().map(one)))
    }

    pub fn cancel_batch(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        self.read_symbol(sent)?;
        let (list, member) = match (sent.get("orderIdList"), sent.get("origClientOrderIdList")) {
            (Some(list), _) => (list, "orderId"),
            (None, Some(list)) => (list, "origClientOrderId"),
            (None, None) => return Err(Reject::missing("orderIdList")),
        };
        let bad = || Reject::not_valid("orderIdList");
        let ids: Vec<Value> = serde_json::from_str(list).map_err(|_| bad())?;
        if ids.is_empty() || ids.len() > CANCEL_BATCH_MAX {
            return Err(bad());
        }
        let symbol = sent.mandatory("symbol")?;
        let one = |id: Value| {
            let item =
                Map::from_iter([("symbol".to_owned(), json!(symbol)), (member.to_owned(), id)]);
            let sent = Parameters::from_json(&item)?;
            self.cancel(now, account, &sent)
        };
        Ok(collect_batch(ids.into_iter().map(one)))
    }

    pub fn query(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let order = self.named_order(account, instrument, sent)?;
        let order = order.ok_or_else(Reject::no_such_order)?;
        Ok(self.order_json(order, Shape::Queried))
    }

    pub fn query_open(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let order = self.open_order(account, instrument, sent)?;
        let order = order.ok_or_else(Reject::no_such_order)?;
        Ok(self.order_json(&order, Shape::Queried))
    }

    pub fn open_orders(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let held = self.exchange.account(account).open_orders();
        let wanted = held.filter(|order| only.is_none_or(|id| id == order.asked.instrument));
        Ok(wanted.map(|order| self.order_json(order, Shape::Queried)).collect())
    }

    pub fn all_orders(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let from = sent.integer("orderId")?.unwrap_or_default();
        let (start, end) = read_times(sent)?;
        let limit = read_limit(sent, 500, 1000)?;
        let within = |order: &&Order| {
            only.is_none_or(|id| id == order.asked.instrument)
                && order.id.0 >= from
                && (start..=end).contains(&order.created.0)
        };
        let orders = self.exchange.account(account).orders.values();
        let found: Vec<&Order> = orders.filter(within).collect();
        // Without a starting point the newest are wanted, oldest of them first.
        let skip = if from == 0 && sent.get("startTime").is_none() {
            found.len().saturating_sub(limit)
        } else {
            0
        };
        let page = found.into_iter().skip(skip).take(limit);
        Ok(page.map(|order| self.order_json(order, Shape::Queried)).collect())
    }

    pub fn read_symbol(&self, sent: &Parameters) -> Result<InstrumentId, Reject> {
        let symbol = sent.mandatory("symbol")?;
        self.exchange.find(symbol).ok_or_else(Reject::symbol)
    }

    /// The order that `orderId` or `origClientOrderId` names; the order id wins.
    fn named_order(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        sent: &Parameters,
    ) -> Result<Option<&Order>, Reject> {
        let held = self.exchange.account(account);
        let found = match (sent.integer("orderId")?, client_id(sent, "origClientOrderId")?) {
            (Some(id), _) => held.orders.get(&crate::exchange::order::OrderId(id)),
            (None, Some(id)) => held.by_client_id(id),
            (None, None) => return Err(Reject::missing("orderId")),
        };
        Ok(found.filter(|order| order.asked.instrument == instrument))
    }

    fn open_order(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        sent: &Parameters,
    ) -> Result<Option<Order>, Reject> {
        let named = self.named_order(account, instrument, sent)?;
        Ok(named.filter(|order| order.status.is_open()).cloned())
    }

    pub fn order_json(&self, order: &Order, shape: Shape) -> Value {
        let instrument = &self.exchange.market(order.asked.instrument).instrument;
        order_object(instrument, order, shape)
    }
}

fn order_object(instrument: &Instrument, order: &Order, shape: Shape) -> Value {
    let asked = &order.asked;
    let price = |value: Price| padded(value.0, instrument.price_decimals);
    let quantity = |value: Quantity| padded(value.0, instrument.quantity_decimals);
    let mut object = json!({
        "orderId": order.id.0,
        "symbol": instrument.symbol,
        "status": status_text(order.status),
        "clientOrderId": asked.client_id,
        "price": price(order.price.unwrap_or_default()),
        "avgPrice": padded(order.average_price().0, 5),
        "origQty": quantity(order.quantity),
        "executedQty": quantity(order.filled),
        "cumQty": quantity(order.filled),
        "cumQuote": padded(order.filled_value.0, 5),
        "timeInForce": time_in_force_text(asked.time_in_force),
        "type": kind_text(asked.kind),
        "reduceOnly": asked.reduce_only,
        "closePosition": false,
        "side": side_text(asked.side),
        "positionSide": leg_text(asked.position_side),
        "stopPrice": price(Price::ZERO),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": false,
        "origType": kind_text(asked.kind),
        "priceMatch": asked.price_match,
        "selfTradePreventionMode": prevention_text(asked.self_trade),
        "goodTillDate": asked.good_till.map_or(0, |till| till.0),
        "updateTime": order.updated.0,
    });
    if let Value::Object(members) = &mut object {
        match shape {
            Shape::Placed => {}
            Shape::Canceled => {
                members.insert("activatePrice".to_owned(), json!("0"));
                members.insert("priceRate".to_owned(), json!("0"));
            }
            Shape::Queried => {
                members.shift_remove("cumQty");
                members.insert("time".to_owned(), json!(order.created.0));
            }
        }
    }
    object
}

/// The order as it was when it was accepted.
fn acknowledged(mut order: Order) -> Order {
    order.status = OrderStatus::New;
    order.filled = Quantity::ZERO;
    order.filled_value = crate::exchange::number::Money(Decimal::ZERO);
    order.updated = order.created;
    order
}

pub fn side_text(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

pub fn leg_text(side: PositionSide) -> &'static str {
    match side {
        PositionSide::Both => "BOTH",
        PositionSide::Long => "LONG",
        PositionSide::Short => "SHORT",
    }
}

pub fn kind_text(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Limit => "LIMIT",
        OrderKind::Market => "MARKET",
    }
}

pub fn time_in_force_text(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        TimeInForce::Gtx => "GTX",
        TimeInForce::Gtd => "GTD",
    }
}

pub fn status_text(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::PendingNew | OrderStatus::New => "NEW",
        OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
        OrderStatus::Filled => "FILLED",
        OrderStatus::Canceled => "CANCELED",
        OrderStatus::Expired => "EXPIRED",
        OrderStatus::ExpiredInMatch => "EXPIRED_IN_MATCH",
    }
}

pub fn prevention_text(prevention: SelfTradePrevention) -> &'static str {
    match prevention {
        SelfTradePrevention::None => "NONE",
        SelfTradePrevention::ExpireTaker => "EXPIRE_TAKER",
        SelfTradePrevention::ExpireMaker => "EXPIRE_MAKER",
        SelfTradePrevention::ExpireBoth => "EXPIRE_BOTH",
    }
}
