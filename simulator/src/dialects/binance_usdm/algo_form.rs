//! Reading a conditional order's parameters, with the venue's codes for what is wrong.

use super::Venue;
use super::algo::{AlgoOrder, AlgoStatus, Condition};
use super::errors::Reject;
use super::filters::{self, Candidate};
use super::order_form::{
    client_id, read_good_till, read_prevention, read_side, read_time_in_force,
};
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{
    Labels, NewOrder, OrderKind, TimeInForce, Trigger, TriggerKind, UnixMillis,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgoKind {
    Stop,
    StopMarket,
    TakeProfit,
    TakeProfitMarket,
    TrailingStopMarket,
}

impl AlgoKind {
    pub fn text(self) -> &'static str {
        match self {
            Self::Stop => "STOP",
            Self::StopMarket => "STOP_MARKET",
            Self::TakeProfit => "TAKE_PROFIT",
            Self::TakeProfitMarket => "TAKE_PROFIT_MARKET",
            Self::TrailingStopMarket => "TRAILING_STOP_MARKET",
        }
    }

    /// The type of the order that it becomes.
    pub fn becomes(self) -> &'static str {
        match self.order_kind() {
            OrderKind::Limit => "LIMIT",
            OrderKind::Market => "MARKET",
        }
    }

    fn order_kind(self) -> OrderKind {
        match self {
            Self::Stop | Self::TakeProfit => OrderKind::Limit,
            Self::StopMarket | Self::TakeProfitMarket | Self::TrailingStopMarket => {
                OrderKind::Market
            }
        }
    }

    fn read(sent: &Parameters) -> Result<Self, Reject> {
        match sent.mandatory("type")? {
            "STOP" => Ok(Self::Stop),
            "STOP_MARKET" => Ok(Self::StopMarket),
            "TAKE_PROFIT" => Ok(Self::TakeProfit),
            "TAKE_PROFIT_MARKET" => Ok(Self::TakeProfitMarket),
            "TRAILING_STOP_MARKET" => Ok(Self::TrailingStopMarket),
            _ => Err(Reject::bad(-1116, "Invalid orderType.")),
        }
    }

    fn trigger_kind(self) -> TriggerKind {
        match self {
            Self::TakeProfit | Self::TakeProfitMarket => TriggerKind::TakeProfit,
            Self::Stop | Self::StopMarket | Self::TrailingStopMarket => TriggerKind::StopLoss,
        }
    }
}

impl Venue {
    /// The order without its id, checked as far as it can be before it triggers.
    pub fn read_algo(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<AlgoOrder, Reject> {
        if sent.mandatory("algoType")? != "CONDITIONAL" {
            return Err(Reject::not_valid("algoType"));
        }
        let instrument = self.read_symbol(sent)?;
        let side = read_side(sent)?;
        let kind = AlgoKind::read(sent)?;
        let position_side = self.read_leg(account, sent)?;
        let close_position = sent.boolean("closePosition")?;
        let quantity = read_quantity(sent, close_position)?;
        let condition = read_condition(sent, kind)?;
        let (time_in_force, price, price_match) = match kind.order_kind() {
            OrderKind::Market => (TimeInForce::Gtc, None, "NONE"),
            OrderKind::Limit => {
                let time_in_force = match sent.get("timeInForce") {
                    None => TimeInForce::Gtc,
                    Some(_) => read_time_in_force(sent)?,
                };
                let (price, word) = self.read_price(instrument, side, sent)?;
                (time_in_force, Some(price), word)
            }
        };
        let reduce_only = sent.boolean("reduceOnly")? || position_side.closed_by(side);
        if !close_position {
            let candidate =
                Candidate { side, kind: kind.order_kind(), price, quantity, reduce_only };
            filters::check(self.exchange.market(instrument), &candidate)?;
        }
        let client_id = match client_id(sent, "clientAlgoId")? {
            Some(id) => id.to_owned(),
            None => self.random.text(22),
        };
        let order = NewOrder {
            account,
            instrument,
            client_id,
            side,
            kind: kind.order_kind(),
            time_in_force,
            price,
            quantity,
            reduce_only,
            self_trade: read_prevention(sent)?,
            good_till: read_good_till(now, time_in_force, sent)?,
            price_match,
            position_side,
            trigger: None,
            budget: None,
            labels: Labels::default(),
        };
        Ok(AlgoOrder {
            id: 0,
            kind,
            condition,
            by_mark: read_working_type(sent)?,
            close_position,
            price_protect: sent.boolean("priceProtect")?,
            order,
            status: AlgoStatus::New,
            became: None,
            reason: String::new(),
            created: now,
            updated: now,
            triggered: UnixMillis::default(),
        })
    }
}

fn read_quantity(sent: &Parameters, close_position: bool) -> Result<Quantity, Reject> {
    if !close_position {
        return Ok(Quantity(sent.mandatory_decimal("quantity")?));
    }
    if sent.get("quantity").is_some() || sent.get("reduceOnly").is_some() {
        let text = "Parameter 'quantity' sent when not required.";
        return Err(Reject::bad(-1106, text));
    }
    Ok(Quantity::ZERO)
}

fn read_condition(sent: &Parameters, kind: AlgoKind) -> Result<Condition, Reject> {
    if kind != AlgoKind::TrailingStopMarket {
        let price = Price(sent.mandatory_decimal("triggerPrice")?);
        if price.0.is_zero() {
            return Err(Reject::bad(-4006, "Stop price less than zero."));
        }
        return Ok(Condition::Reaches(Trigger { kind: kind.trigger_kind(), price }));
    }
    let rate = sent.mandatory_decimal("callbackRate")?;
    let legal = rust_decimal::Decimal::new(1, 1)..=rust_decimal::Decimal::TEN;
    if !legal.contains(&rate) {
        return Err(Reject::bad(-2007, "Invalid callBack rate"));
    }
    let activate = sent.decimal("activatePrice")?.map(Price);
    Ok(Condition::Trails { activate, rate, extreme: None })
}

/// True for the mark price.
fn read_working_type(sent: &Parameters) -> Result<bool, Reject> {
    match sent.get("workingType") {
        None | Some("CONTRACT_PRICE") => Ok(false),
        Some("MARK_PRICE") => Ok(true),
        Some(_) => Err(Reject::not_valid("workingType")),
    }
}
