//! Reading the parameters of order requests, with spot's codes for what is wrong
//! (`venues/binance.md` section 4.2).

use super::Venue;
use super::errors::Reject;
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{Money, Price, Quantity};
use crate::exchange::order::{
    Labels, NewOrder, OrderKind, PositionSide, SelfTradePrevention, Side, TimeInForce, Trigger,
    TriggerKind,
};

const CLIENT_ID: &str = "^[a-zA-Z0-9-_]{1,36}$";
const STRATEGY_TYPE_MIN: u64 = 1_000_000;

/// How much a reply tells of a new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    Ack,
    Result,
    Full,
}

/// An order type's place in the venue's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Limit,
    LimitMaker,
    Market,
    StopLoss,
    StopLossLimit,
    TakeProfit,
    TakeProfitLimit,
}

impl Type {
    pub fn read(sent: &Parameters) -> Result<Self, Reject> {
        match sent.mandatory("type")? {
            "LIMIT" => Ok(Self::Limit),
            "LIMIT_MAKER" => Ok(Self::LimitMaker),
            "MARKET" => Ok(Self::Market),
            "STOP_LOSS" => Ok(Self::StopLoss),
            "STOP_LOSS_LIMIT" => Ok(Self::StopLossLimit),
            "TAKE_PROFIT" => Ok(Self::TakeProfit),
            "TAKE_PROFIT_LIMIT" => Ok(Self::TakeProfitLimit),
            _ => Err(Reject::bad(-1116, "Invalid orderType.")),
        }
    }

    pub fn of(order: &NewOrder) -> Self {
        match (order.trigger.map(|trigger| trigger.kind), order.kind, order.time_in_force) {
            (Some(TriggerKind::StopLoss), OrderKind::Limit, _) => Self::StopLossLimit,
            (Some(TriggerKind::StopLoss), OrderKind::Market, _) => Self::StopLoss,
            (Some(TriggerKind::TakeProfit), OrderKind::Limit, _) => Self::TakeProfitLimit,
            (Some(TriggerKind::TakeProfit), OrderKind::Market, _) => Self::TakeProfit,
            (None, OrderKind::Market, _) => Self::Market,
            (None, OrderKind::Limit, TimeInForce::Gtx) => Self::LimitMaker,
            (None, OrderKind::Limit, _) => Self::Limit,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Limit => "LIMIT",
            Self::LimitMaker => "LIMIT_MAKER",
            Self::Market => "MARKET",
            Self::StopLoss => "STOP_LOSS",
            Self::StopLossLimit => "STOP_LOSS_LIMIT",
            Self::TakeProfit => "TAKE_PROFIT",
            Self::TakeProfitLimit => "TAKE_PROFIT_LIMIT",
        }
    }

    fn trigger(self) -> Option<TriggerKind> {
        match self {
            Self::StopLoss | Self::StopLossLimit => Some(TriggerKind::StopLoss),
            Self::TakeProfit | Self::TakeProfitLimit => Some(TriggerKind::TakeProfit),
            Self::Limit | Self::LimitMaker | Self::Market => None,
        }
    }

    fn kind(self) -> OrderKind {
        match self {
            Self::Limit | Self::LimitMaker | Self::StopLossLimit | Self::TakeProfitLimit => {
                OrderKind::Limit
            }
            Self::Market | Self::StopLoss | Self::TakeProfit => OrderKind::Market,
        }
    }

    fn takes_time_in_force(self) -> bool {
        matches!(self, Self::Limit | Self::StopLossLimit | Self::TakeProfitLimit)
    }
}

impl Venue {
    /// `id_name` is the parameter that carries the client's own id.
    pub fn read_order(
        &mut self,
        account: AccountId,
        sent: &Parameters,
        id_name: &str,
    ) -> Result<NewOrder, Reject> {
        let instrument = self.read_symbol(sent)?;
        let side = read_side(sent)?;
        let order_type = Type::read(sent)?;
        let kind = order_type.kind();
        let time_in_force = read_time_in_force(sent, order_type)?;
        let price = match kind {
            OrderKind::Limit => Some(Price(sent.mandatory_decimal("price")?)),
            OrderKind::Market if sent.get("price").is_some() => {
                return Err(Reject::not_required("price"));
            }
            OrderKind::Market => None,
        };
        let (quantity, budget) = read_size(sent, order_type)?;
        let trigger = read_trigger(sent, order_type)?;
        let client_id = match client_id(sent, id_name)? {
            Some(id) => id.to_owned(),
            None => self.random.text(22),
        };
        Ok(NewOrder {
            account,
            instrument,
            client_id,
            side,
            kind,
            time_in_force,
            price,
            quantity,
            reduce_only: false,
            self_trade: read_prevention(sent)?,
            good_till: None,
            price_match: "NONE",
            position_side: PositionSide::Both,
            trigger,
            budget,
            labels: read_labels(sent, time_in_force)?,
        })
    }

    pub fn read_symbol(&self, sent: &Parameters) -> Result<InstrumentId, Reject> {
        let symbol = sent.mandatory("symbol")?;
        self.exchange.find(symbol).ok_or_else(Reject::symbol)
    }

    /// The client's id of a request, or one drawn for it.
    pub fn request_id(&mut self, sent: &Parameters, name: &str) -> Result<String, Reject> {
        Ok(match client_id(sent, name)? {
            Some(id) => id.to_owned(),
            None => self.random.text(22),
        })
    }
}

pub fn client_id<'a>(sent: &'a Parameters, name: &str) -> Result<Option<&'a str>, Reject> {
    let Some(text) = sent.get(name) else { return Ok(None) };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let fits = text.len() <= 36 && text.bytes().all(legal);
    if fits { Ok(Some(text)) } else { Err(Reject::illegal(name, CLIENT_ID)) }
}

pub fn read_side(sent: &Parameters) -> Result<Side, Reject> {
    match sent.mandatory("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(Reject::bad(-1117, "Invalid side.")),
    }
}

pub fn read_response(sent: &Parameters, order_type: Type) -> Result<Response, Reject> {
    match sent.get("newOrderRespType") {
        None => Ok(match order_type {
            Type::Limit | Type::Market => Response::Full,
            Type::LimitMaker
            | Type::StopLoss
            | Type::StopLossLimit
            | Type::TakeProfit
            | Type::TakeProfitLimit => Response::Ack,
        }),
        Some("ACK") => Ok(Response::Ack),
        Some("RESULT") => Ok(Response::Result),
        Some("FULL") => Ok(Response::Full),
        Some(_) => Err(Reject::not_valid("newOrderRespType")),
    }
}

fn read_time_in_force(sent: &Parameters, order_type: Type) -> Result<TimeInForce, Reject> {
    if !order_type.takes_time_in_force() {
        if sent.get("timeInForce").is_some() {
            return Err(Reject::not_required("timeInForce"));
        }
        let post_only = order_type == Type::LimitMaker;
        return Ok(if post_only { TimeInForce::Gtx } else { TimeInForce::Gtc });
    }
    match sent.mandatory("timeInForce")? {
        "GTC" => Ok(TimeInForce::Gtc),
        "IOC" => Ok(TimeInForce::Ioc),
        "FOK" => Ok(TimeInForce::Fok),
        _ => Err(Reject::bad(-1115, "Invalid timeInForce.")),
    }
}

fn read_size(sent: &Parameters, order_type: Type) -> Result<(Quantity, Option<Money>), Reject> {
    let quantity = sent.decimal("quantity")?;
    let budget = sent.decimal("quoteOrderQty")?;
    match (order_type, quantity, budget) {
        (Type::Market, None, Some(budget)) => Ok((Quantity::ZERO, Some(Money(budget)))),
        (Type::Market, Some(quantity), None) => Ok((Quantity(quantity), None)),
        (Type::Market, None, None) => Err(Reject::one_of("quantity", "quoteOrderQty")),
        (_, _, Some(_)) => Err(Reject::not_required("quoteOrderQty")),
        (_, Some(quantity), None) => Ok((Quantity(quantity), None)),
        (_, None, None) => Err(Reject::missing("quantity")),
    }
}

fn read_trigger(sent: &Parameters, order_type: Type) -> Result<Option<Trigger>, Reject> {
    if sent.get("trailingDelta").is_some() {
        let text = "Trailing stop orders are not supported for this symbol.";
        return Err(Reject::new_order(text));
    }
    let Some(kind) = order_type.trigger() else {
        return match sent.get("stopPrice") {
            None => Ok(None),
            Some(_) => Err(Reject::not_required("stopPrice")),
        };
    };
    let price = Price(sent.mandatory_decimal("stopPrice")?);
    Ok(Some(Trigger { kind, price }))
}

fn read_labels(sent: &Parameters, time_in_force: TimeInForce) -> Result<Labels, Reject> {
    let strategy_type = sent.integer("strategyType")?;
    if strategy_type.is_some_and(|value| value < STRATEGY_TYPE_MIN) {
        return Err(Reject::bad(-1134, "`strategyType` was less than 1000000."));
    }
    let iceberg = sent.decimal("icebergQty")?.map(Quantity);
    let rests = matches!(time_in_force, TimeInForce::Gtc | TimeInForce::Gtx);
    if iceberg.is_some() && !rests {
        return Err(Reject::new_order("Unsupported order combination"));
    }
    Ok(Labels { strategy_id: sent.integer("strategyId")?, strategy_type, iceberg })
}

fn read_prevention(sent: &Parameters) -> Result<SelfTradePrevention, Reject> {
    match sent.get("selfTradePreventionMode") {
        None | Some("EXPIRE_MAKER") => Ok(SelfTradePrevention::ExpireMaker),
        Some("NONE") => Ok(SelfTradePrevention::None),
        Some("EXPIRE_TAKER") => Ok(SelfTradePrevention::ExpireTaker),
        Some("EXPIRE_BOTH") => Ok(SelfTradePrevention::ExpireBoth),
        Some(_) => Err(Reject::not_valid("selfTradePreventionMode")),
    }
}

/// `startTime` and `endTime`, all of time where absent.
pub fn read_times(sent: &Parameters) -> Result<(u64, u64), Reject> {
    let start = sent.integer("startTime")?;
    let end = sent.integer("endTime")?;
    if let (Some(start), Some(end)) = (start, end)
        && end.saturating_sub(start) > DAY_MS
    {
        return Err(Reject::bad(-1127, "More than 24 hours between startTime and endTime."));
    }
    Ok((start.unwrap_or_default(), end.unwrap_or(u64::MAX)))
}

pub fn read_limit(sent: &Parameters, default: u64, max: u64) -> Result<usize, Reject> {
    let limit = sent.integer("limit")?.unwrap_or(default);
    if limit == 0 {
        return Err(Reject::not_valid("limit"));
    }
    Ok(usize::try_from(limit.min(max)).unwrap_or(usize::MAX))
}

const DAY_MS: u64 = 86_400_000;
