//! Order requests: reading them, doing them, and the order objects of the replies.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::Venue;
use super::errors::Reject;
use super::filters::{self, Candidate};
use super::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::{Instrument, InstrumentId};
use crate::exchange::modify::Modification;
use crate::exchange::number::{Price, Quantity, padded};
use crate::exchange::order::{
    NewOrder, Order, OrderKind, OrderStatus, SelfTradePrevention, Side, TimeInForce, UnixMillis,
};

/// `GTD` needs this much future.
const GOOD_TILL_MS_MIN: u64 = 600_000;
const PLACE_BATCH_MAX: usize = 5;
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
        let order = placed?;
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
        let mut value = self.order_json(&modified?, Shape::Placed);
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
        let found = match (sent.integer("orderId")?, sent.client_id("origClientOrderId")?) {
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

    fn read_order(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<(NewOrder, bool), Reject> {
        let instrument = self.read_symbol(sent)?;
        let side = read_side(sent)?;
        let kind = read_kind(sent)?;
        match sent.get("positionSide") {
            None | Some("BOTH") => {}
            Some("LONG" | "SHORT") => {
                let text = "Order's position side does not match user's setting.";
                return Err(Reject::bad(-4061, text));
            }
            Some(_) => return Err(Reject::not_valid("positionSide")),
        }
        let quantity = Quantity(sent.mandatory_decimal("quantity")?);
        let (time_in_force, price, price_match) = match kind {
            OrderKind::Market => {
                if sent.get("price").is_some() {
                    let text = "Parameter 'price' sent when not required.";
                    return Err(Reject::bad(-1106, text));
                }
                (TimeInForce::Gtc, None, "NONE")
            }
            OrderKind::Limit => {
                let time_in_force = read_time_in_force(sent)?;
                let (price, word) = self.read_price(instrument, side, sent)?;
                (time_in_force, Some(price), word)
            }
        };
        let good_till = read_good_till(now, time_in_force, sent)?;
        let full_result = match sent.get("newOrderRespType") {
            None | Some("ACK") => false,
            Some("RESULT") => true,
            Some(_) => return Err(Reject::not_valid("newOrderRespType")),
        };
        let client_id = match sent.client_id("newClientOrderId")? {
            Some(id) => id.to_owned(),
            None => self.random.text(22),
        };
        let reduce_only = sent.boolean("reduceOnly")?;
        let self_trade = read_prevention(sent)?;
        let asked = NewOrder {
            account,
            instrument,
            client_id,
            side,
            kind,
            time_in_force,
            price,
            quantity,
            reduce_only,
            self_trade,
            good_till,
            price_match,
        };
        Ok((asked, full_result))
    }

    /// The sent price, or the book's price that `priceMatch` names.
    fn read_price(
        &self,
        instrument: InstrumentId,
        side: Side,
        sent: &Parameters,
    ) -> Result<(Price, &'static str), Reject> {
        let (word, of, level) = match sent.get("priceMatch") {
            None | Some("NONE") => return Ok((Price(sent.mandatory_decimal("price")?), "NONE")),
            Some("OPPONENT") => ("OPPONENT", side.opposite(), 1),
            Some("OPPONENT_5") => ("OPPONENT_5", side.opposite(), 5),
            Some("QUEUE") => ("QUEUE", side, 1),
            Some("QUEUE_5") => ("QUEUE_5", side, 5),
            Some("QUEUE_10") => ("QUEUE_10", side, 10),
            Some("QUEUE_20") => ("QUEUE_20", side, 20),
            Some(_) => return Err(Reject::not_valid("priceMatch")),
        };
        if sent.get("price").is_some() {
            let text = "Price cannot be set if priceMatch is used.";
            return Err(Reject::bad(-4138, text));
        }
        let level = self.exchange.market(instrument).public_levels(of).nth(level - 1);
        let (price, _) = level.ok_or_else(|| Reject::not_valid("priceMatch"))?;
        Ok((price, word))
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
        "positionSide": "BOTH",
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

fn read_batch(sent: &Parameters) -> Result<Vec<Map<String, Value>>, Reject> {
    let text = sent.mandatory("batchOrders")?;
    let bad = || Reject::not_valid("batchOrders");
    let items: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|_| bad())?;
    if items.is_empty() || items.len() > PLACE_BATCH_MAX {
        return Err(Reject::bad(-4082, "Invalid number of batch place orders."));
    }
    Ok(items)
}

fn collect_batch(each: impl Iterator<Item = Result<Value, Reject>>) -> Value {
    each.map(|outcome| outcome.unwrap_or_else(|reject| reject.body())).collect()
}

fn read_side(sent: &Parameters) -> Result<Side, Reject> {
    match sent.mandatory("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(Reject::bad(-1117, "Invalid side.")),
    }
}

fn read_kind(sent: &Parameters) -> Result<OrderKind, Reject> {
    match sent.mandatory("type")? {
        "LIMIT" => Ok(OrderKind::Limit),
        "MARKET" => Ok(OrderKind::Market),
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            let text = "Order type not supported for this endpoint. Please use the Algo Order \
                        API endpoints instead.";
            Err(Reject::bad(-4120, text))
        }
        _ => Err(Reject::bad(-1116, "Invalid orderType.")),
    }
}

fn read_time_in_force(sent: &Parameters) -> Result<TimeInForce, Reject> {
    match sent.mandatory("timeInForce")? {
        "GTC" => Ok(TimeInForce::Gtc),
        "IOC" => Ok(TimeInForce::Ioc),
        "FOK" => Ok(TimeInForce::Fok),
        "GTX" => Ok(TimeInForce::Gtx),
        "GTD" => Ok(TimeInForce::Gtd),
        _ => Err(Reject::bad(-1115, "Invalid timeInForce.")),
    }
}

fn read_good_till(
    now: UnixMillis,
    time_in_force: TimeInForce,
    sent: &Parameters,
) -> Result<Option<UnixMillis>, Reject> {
    if time_in_force != TimeInForce::Gtd {
        return Ok(None);
    }
    let till = sent.mandatory_integer("goodTillDate")?;
    if till <= now.plus(GOOD_TILL_MS_MIN).0 {
        return Err(Reject::bad(-4139, "goodTillDate must be later than now + 600 seconds."));
    }
    // The venue keeps whole seconds.
    Ok(Some(UnixMillis(till / 1000 * 1000)))
}

fn read_prevention(sent: &Parameters) -> Result<SelfTradePrevention, Reject> {
    match sent.get("selfTradePreventionMode") {
        None | Some("EXPIRE_MAKER") => Ok(SelfTradePrevention::ExpireMaker),
        Some("EXPIRE_TAKER") => Ok(SelfTradePrevention::ExpireTaker),
        Some("EXPIRE_BOTH") => Ok(SelfTradePrevention::ExpireBoth),
        Some("NONE") => Ok(SelfTradePrevention::None),
        Some(_) => Err(Reject::not_valid("selfTradePreventionMode")),
    }
}

/// `startTime` and `endTime`, all of time where absent.
pub fn read_times(sent: &Parameters) -> Result<(u64, u64), Reject> {
    let start = sent.integer("startTime")?.unwrap_or_default();
    let end = sent.integer("endTime")?.unwrap_or(u64::MAX);
    if start > end {
        return Err(Reject::bad(-4047, "startTime must be before endTime."));
    }
    Ok((start, end))
}

pub fn read_limit(sent: &Parameters, default: u64, max: u64) -> Result<usize, Reject> {
    let limit = sent.integer("limit")?.unwrap_or(default);
    if limit == 0 || limit > max {
        return Err(Reject::not_valid("limit"));
    }
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

pub fn side_text(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
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
        OrderStatus::New => "NEW",
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
