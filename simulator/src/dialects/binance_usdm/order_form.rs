//! Reading the parameters of order requests, with the venue's codes for what is wrong.

use serde_json::{Map, Value};

use super::Venue;
use super::errors::Reject;
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{
    Labels, NewOrder, OrderKind, PositionSide, SelfTradePrevention, Side, TimeInForce, UnixMillis,
};

/// `GTD` needs this much future.
const GOOD_TILL_MS_MIN: u64 = 600_000;
const CLIENT_ID: &str = r"^[\.A-Z\:/a-z0-9_-]{1,36}$";
const PLACE_BATCH_MAX: usize = 5;

impl Venue {
    pub fn read_order(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<(NewOrder, bool), Reject> {
        let instrument = self.read_symbol(sent)?;
        let side = read_side(sent)?;
        let kind = read_kind(sent)?;
        let position_side = self.read_leg(account, sent)?;
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
        let client_id = match client_id(sent, "newClientOrderId")? {
            Some(id) => id.to_owned(),
            None => self.random.text(22),
        };
        let reduce_only = sent.boolean("reduceOnly")? || position_side.closed_by(side);
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
            position_side,
            trigger: None,
            budget: None,
            labels: Labels::default(),
        };
        Ok((asked, full_result))
    }

    /// The leg that an order moves must be named in hedge mode, and in that mode alone.
    pub fn read_leg(&self, account: AccountId, sent: &Parameters) -> Result<PositionSide, Reject> {
        let hedged = self.exchange.account(account).hedged;
        let side = match sent.get("positionSide") {
            None | Some("BOTH") => PositionSide::Both,
            Some("LONG") => PositionSide::Long,
            Some("SHORT") => PositionSide::Short,
            Some(_) => return Err(Reject::not_valid("positionSide")),
        };
        if hedged == (side == PositionSide::Both) {
            let text = "Order's position side does not match user's setting.";
            return Err(Reject::bad(-4061, text));
        }
        if hedged && sent.get("reduceOnly").is_some() {
            let text = "Parameter 'reduceonly' sent when not required.";
            return Err(Reject::bad(-1106, text));
        }
        Ok(side)
    }

    /// The sent price, or the book's price that `priceMatch` names.
    pub fn read_price(
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
}

/// A client's own id of an order.
pub fn client_id<'a>(sent: &'a Parameters, name: &str) -> Result<Option<&'a str>, Reject> {
    let Some(text) = sent.get(name) else { return Ok(None) };
    if text.chars().count() > 36 {
        return Err(Reject::bad(-4015, "Client order id length should be less than 36 chars"));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
    if text.bytes().all(legal) { Ok(Some(text)) } else { Err(Reject::illegal(name, CLIENT_ID)) }
}

pub fn read_batch(sent: &Parameters) -> Result<Vec<Map<String, Value>>, Reject> {
    let text = sent.mandatory("batchOrders")?;
    let bad = || Reject::not_valid("batchOrders");
    let items: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|_| bad())?;
    if items.is_empty() || items.len() > PLACE_BATCH_MAX {
        return Err(Reject::bad(-4082, "Invalid number of batch place orders."));
    }
    Ok(items)
}

pub fn collect_batch(each: impl Iterator<Item = Result<Value, Reject>>) -> Value {
    each.map(|outcome| outcome.unwrap_or_else(|reject| reject.body())).collect()
}

pub fn read_side(sent: &Parameters) -> Result<Side, Reject> {
    match sent.mandatory("side")? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(Reject::bad(-1117, "Invalid side.")),
    }
}

pub fn read_kind(sent: &Parameters) -> Result<OrderKind, Reject> {
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

pub fn read_time_in_force(sent: &Parameters) -> Result<TimeInForce, Reject> {
    match sent.mandatory("timeInForce")? {
        "GTC" => Ok(TimeInForce::Gtc),
        "IOC" => Ok(TimeInForce::Ioc),
        "FOK" => Ok(TimeInForce::Fok),
        "GTX" => Ok(TimeInForce::Gtx),
        "GTD" => Ok(TimeInForce::Gtd),
        _ => Err(Reject::bad(-1115, "Invalid timeInForce.")),
    }
}

pub fn read_good_till(
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

pub fn read_prevention(sent: &Parameters) -> Result<SelfTradePrevention, Reject> {
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
