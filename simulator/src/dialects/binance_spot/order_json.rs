//! Order objects of replies, in spot's shapes and with its spellings
//! (`venues/binance.md` section 4.2).

use serde_json::{Map, Value, json};

use super::form::{Response, Type};
use crate::exchange::instrument::Instrument;
use crate::exchange::number::{Money, Price, Quantity, padded};
use crate::exchange::order::{
    ExpiryReason, Fill, Order, OrderStatus, SelfTradePrevention, Side, TimeInForce, UnixMillis,
};

/// Decimals with which spot prints every amount.
pub const DECIMALS: u32 = 8;

pub fn amount(value: Quantity) -> String {
    padded(value.0, DECIMALS)
}

pub fn price(value: Price) -> String {
    padded(value.0, DECIMALS)
}

pub fn money(value: Money) -> String {
    padded(value.0, DECIMALS)
}

/// `orderListId`: -1 for an order of its own.
pub fn list_number(order: &Order) -> i64 {
    order.list.map_or(-1, |list| i64::try_from(list.0).unwrap_or(-1))
}

/// The reply to a new order. `fills` are those of its placing.
pub fn placed(i: &Instrument, order: &Order, response: Response, fills: &[Fill]) -> Value {
    let mut object = json!({
        "symbol": i.symbol,
        "orderId": order.id.0,
        "orderListId": list_number(order),
        "clientOrderId": order.asked.client_id,
        "transactTime": order.updated.0,
    });
    let Value::Object(members) = &mut object else { return object };
    if response == Response::Ack {
        return object;
    }
    add_state(members, order);
    add_conditional(members, order);
    members.insert("workingTime".into(), working_time(order));
    if response == Response::Full {
        members.insert("fills".into(), fills.iter().map(fill_json).collect());
    }
    members.insert("selfTradePreventionMode".into(), json!(prevention_text(order)));
    object
}

/// The reply to a cancel: `clientOrderId` is the cancel's own.
pub fn canceled(i: &Instrument, now: UnixMillis, order: &Order) -> Value {
    let mut object = json!({
        "symbol": i.symbol,
        "origClientOrderId": order.asked.client_id,
        "orderId": order.id.0,
        "orderListId": list_number(order),
        "clientOrderId": order.canceled_by,
        "transactTime": now.0,
    });
    if let Value::Object(members) = &mut object {
        add_state(members, order);
        add_conditional(members, order);
        members.insert("selfTradePreventionMode".into(), json!(prevention_text(order)));
    }
    object
}

pub fn queried(i: &Instrument, order: &Order) -> Value {
    let stop = order.asked.trigger.map_or(Price::ZERO, |trigger| trigger.price);
    let mut object = json!({
        "symbol": i.symbol,
        "orderId": order.id.0,
        "orderListId": list_number(order),
        "clientOrderId": order.asked.client_id,
    });
    let Value::Object(members) = &mut object else { return object };
    add_state(members, order);
    members.insert("stopPrice".into(), json!(price(stop)));
    let iceberg = order.asked.labels.iceberg.unwrap_or_default();
    members.insert("icebergQty".into(), json!(amount(iceberg)));
    members.insert("time".into(), json!(order.created.0));
    members.insert("updateTime".into(), json!(order.updated.0));
    members.insert("isWorking".into(), json!(order.working.is_some()));
    members.insert("workingTime".into(), working_time(order));
    add_conditional(members, order);
    members.insert("selfTradePreventionMode".into(), json!(prevention_text(order)));
    object
}

/// The order inside the reply to an amendment, which spells some names differently.
pub fn amended(i: &Instrument, order: &Order) -> Value {
    let former = order.amendments.last().map_or("", |last| last.former_client_id.as_str());
    let prevented = order.prevented.map_or(Quantity::ZERO, |prevented| prevented.quantity);
    json!({
        "symbol": i.symbol,
        "orderId": order.id.0,
        "orderListId": list_number(order),
        "origClientOrderId": former,
        "clientOrderId": order.asked.client_id,
        "price": price(order.price.unwrap_or_default()),
        "qty": amount(order.quantity),
        "executedQty": amount(order.filled),
        "preventedQty": amount(prevented),
        "quoteOrderQty": money(order.asked.budget.unwrap_or_default()),
        "cumulativeQuoteQty": money(order.filled_value),
        "status": status_text(order.status),
        "timeInForce": time_in_force_text(order.asked.time_in_force),
        "type": Type::of(&order.asked).text(),
        "side": side_text(order.asked.side),
        "workingTime": working_time(order),
        "selfTradePreventionMode": prevention_text(order),
    })
}

fn add_state(members: &mut Map<String, Value>, order: &Order) {
    let state = json!({
        "price": price(order.price.unwrap_or_default()),
        "origQty": amount(order.quantity),
        "executedQty": amount(order.filled),
        "origQuoteOrderQty": money(order.asked.budget.unwrap_or_default()),
        "cummulativeQuoteQty": money(order.filled_value),
        "status": status_text(order.status),
        "timeInForce": time_in_force_text(order.asked.time_in_force),
        "type": Type::of(&order.asked).text(),
        "side": side_text(order.asked.side),
    });
    if let Value::Object(state) = state {
        members.extend(state);
    }
}

/// Members that appear only where they say something.
fn add_conditional(members: &mut Map<String, Value>, order: &Order) {
    let labels = &order.asked.labels;
    if let Some(trigger) = order.asked.trigger {
        members.insert("stopPrice".into(), json!(price(trigger.price)));
    }
    if let Some(iceberg) = labels.iceberg {
        members.insert("icebergQty".into(), json!(amount(iceberg)));
    }
    if let Some(id) = labels.strategy_id {
        members.insert("strategyId".into(), json!(id));
    }
    if let Some(kind) = labels.strategy_type {
        members.insert("strategyType".into(), json!(kind));
    }
    if let Some(prevented) = order.prevented {
        members.insert("preventedMatchId".into(), json!(prevented.id));
        members.insert("preventedQuantity".into(), json!(amount(prevented.quantity)));
    }
    if let Some(reason) = expiry_text(order) {
        members.insert("expiryReason".into(), json!(reason));
    }
}

fn fill_json(fill: &Fill) -> Value {
    json!({
        "price": price(fill.price),
        "qty": amount(fill.quantity),
        "commission": money(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.trade.0,
    })
}

fn working_time(order: &Order) -> Value {
    order.working.map_or(json!(-1), |since| json!(since.0))
}

pub fn side_text(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// A post-only order is a type here, not a time in force.
pub fn time_in_force_text(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc | TimeInForce::Gtx | TimeInForce::Gtd => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
    }
}

pub fn status_text(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::PendingNew => "PENDING_NEW",
        OrderStatus::New => "NEW",
        OrderStatus::PartiallyFilled => "PARTIALLY_FILLED",
        OrderStatus::Filled => "FILLED",
        OrderStatus::Canceled => "CANCELED",
        OrderStatus::Expired => "EXPIRED",
        OrderStatus::ExpiredInMatch => "EXPIRED_IN_MATCH",
    }
}

pub fn prevention_text(order: &Order) -> &'static str {
    match order.asked.self_trade {
        SelfTradePrevention::None => "NONE",
        SelfTradePrevention::ExpireTaker => "EXPIRE_TAKER",
        SelfTradePrevention::ExpireMaker => "EXPIRE_MAKER",
        SelfTradePrevention::ExpireBoth => "EXPIRE_BOTH",
    }
}

/// `eR` and `expiryReason`; None for an order that did not expire.
pub fn expiry_text(order: &Order) -> Option<&'static str> {
    match order.expiry {
        ExpiryReason::None | ExpiryReason::SelfTrade => None,
        ExpiryReason::ImmediateRemainder => Some("UNFILLED_IOC_QUANTITY_EXPIRED"),
        ExpiryReason::KillRemainder => Some("UNFILLED_FOK_ORDER_EXPIRED"),
        ExpiryReason::MarketRemainder => Some("INSUFFICIENT_LIQUIDITY"),
        ExpiryReason::OtherWorks => Some("OCO_TRIGGER"),
        ExpiryReason::FirstEnded => Some("OTO_PHASE_ONE_EXPIRED"),
        ExpiryReason::Refused => Some("REJECTED"),
        ExpiryReason::ReduceOnly | ExpiryReason::GoodTillDate => Some("EXCHANGE_CANCELED"),
    }
}
