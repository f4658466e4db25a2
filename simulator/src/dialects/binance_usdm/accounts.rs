//! Balances, positions, trades and modes (`venues/binance.md` sections 6 and 7).

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Venue;
use super::errors::Reject;
use super::order_form::{read_limit, read_times};
use super::orders::{leg_text, side_text};
use super::user_data::{break_even_text, entry_text};
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{MONEY_DECIMALS, Money, padded};
use crate::exchange::order::{Fill, Order, PositionSide, Side};

const MAINTENANCE_PER_MILLE: i64 = 4;

/// Which of the venue's two position objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionShape {
    V2,
    V3,
}

impl Venue {
    pub fn balances(&self, account: AccountId) -> Value {
        let held = self.exchange.account(account);
        let wallet = money(held.wallet);
        let profit = held.unrealized(|id| self.exchange.market(id).mark());
        let available = money(self.exchange.available(account));
        json!([{
            "accountAlias": "SimU",
            "asset": "USDT",
            "balance": wallet,
            "crossWalletBalance": wallet,
            "crossUnPnl": money(profit),
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": true,
            "updateTime": last_change(self, account),
        }])
    }

    pub fn account_v2(&self, account: AccountId) -> Value {
        let mut value = self.account_v3(account);
        let positions: Vec<Value> = self
            .every_leg(account)
            .into_iter()
            .map(|(id, side)| self.account_position(account, id, side))
            .collect();
        if let Value::Object(members) = &mut value {
            let more = json!({"feeTier": 0, "feeBurn": true, "canTrade": true,
                "canDeposit": true, "canWithdraw": true, "updateTime": 0,
                "multiAssetsMargin": false, "tradeGroupId": -1, "positions": positions});
            if let Value::Object(more) = more {
                members.extend(more);
            }
        }
        value
    }

    pub fn account_v3(&self, account: AccountId) -> Value {
        let held = self.exchange.account(account);
        let wallet = money(held.wallet);
        let profit = money(held.unrealized(|id| self.exchange.market(id).mark()));
        let equity = money(self.exchange.equity(account));
        let margin = self.exchange.margin(account, None);
        let in_positions = self.sum_positions(account, |id, side| {
            held.position_margin(id, side, self.exchange.market(id).mark())
        });
        let in_orders = Money((margin.0 - in_positions.0).max(Decimal::ZERO));
        let maintenance =
            money(self.sum_positions(account, |id, side| self.maintenance(account, id, side)));
        let available = money(self.exchange.available(account));
        let positions: Vec<Value> = self
            .interesting(account)
            .into_iter()
            .map(|(id, side)| self.account_position(account, id, side))
            .collect();
        json!({
            "totalInitialMargin": money(margin),
            "totalMaintMargin": maintenance,
            "totalWalletBalance": wallet,
            "totalUnrealizedProfit": profit,
            "totalMarginBalance": equity,
            "totalPositionInitialMargin": money(in_positions),
            "totalOpenOrderInitialMargin": money(in_orders),
            "totalCrossWalletBalance": wallet,
            "totalCrossUnPnl": profit,
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "assets": [{
                "asset": "USDT",
                "walletBalance": wallet,
                "unrealizedProfit": profit,
                "marginBalance": equity,
                "maintMargin": maintenance,
                "initialMargin": money(margin),
                "positionInitialMargin": money(in_positions),
                "openOrderInitialMargin": money(in_orders),
                "crossWalletBalance": wallet,
                "crossUnPnl": profit,
                "availableBalance": available,
                "maxWithdrawAmount": available,
                "marginAvailable": true,
                "updateTime": last_change(self, account),
            }],
            "positions": positions,
        })
    }

    pub fn position_risk(
        &self,
        account: AccountId,
        sent: &Parameters,
        shape: PositionShape,
    ) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let legs = match shape {
            PositionShape::V2 => self.every_leg(account),
            PositionShape::V3 => self.interesting(account),
        };
        let wanted = legs.into_iter().filter(|(id, _)| only.is_none_or(|only| only == *id));
        Ok(wanted.map(|(id, side)| self.position(account, id, side, shape)).collect())
    }

    fn position(
        &self,
        account: AccountId,
        id: InstrumentId,
        side: PositionSide,
        shape: PositionShape,
    ) -> Value {
        let held = self.exchange.account(account);
        let market = self.exchange.market(id);
        let (position, mark) = (held.leg(id, side), market.mark());
        let notional = mark.value(position.amount);
        let margin = held.position_margin(id, side, mark);
        let isolated = self.isolated_margin(account, id, side);
        let set_aside = isolated.map_or("0".to_owned(), money);
        let mut value = json!({
            "symbol": market.instrument.symbol,
            "positionSide": leg_text(side),
            "positionAmt": padded(position.amount.0, market.instrument.quantity_decimals),
            "entryPrice": entry_text(&position),
            "breakEvenPrice": break_even_text(&position, self.exchange.fees().taker),
            "markPrice": money(Money(mark.0)),
            "unRealizedProfit": money(position.unrealized(mark)),
            "liquidationPrice": "0",
            "isolatedMargin": set_aside,
            "notional": money(notional),
            "marginAsset": market.instrument.quote,
            "isolatedWallet": set_aside,
            "initialMargin": money(margin),
            "maintMargin": money(self.maintenance(account, id, side)),
            "positionInitialMargin": money(margin),
            "openOrderInitialMargin": money(self.order_margin(account, id)),
            "adl": 0,
            "bidNotional": money(self.order_value(account, id, Side::Buy)),
            "askNotional": money(self.order_value(account, id, Side::Sell)),
            "updateTime": last_fill(self, account, id),
        });
        if let (PositionShape::V2, Value::Object(members)) = (shape, &mut value) {
            members.insert("leverage".into(), json!(held.leverage(id).to_string()));
            members.insert("maxNotionalValue".into(), json!("40000000"));
            members.insert(
                "marginType".into(),
                json!(if isolated.is_some() { "isolated" } else { "cross" }),
            );
            members.insert("isAutoAddMargin".into(), json!("false"));
        }
        value
    }

    /// The position object inside the account replies.
    fn account_position(&self, account: AccountId, id: InstrumentId, side: PositionSide) -> Value {
        let isolated = self.exchange.account(account).isolated.contains(&id);
        let mut value = self.position(account, id, side, PositionShape::V2);
        if let Value::Object(members) = &mut value {
            let profit = members.shift_remove("unRealizedProfit").unwrap_or(Value::Null);
            members.insert("unrealizedProfit".into(), profit);
            members.insert("isolated".into(), json!(isolated));
            members.insert("maxNotional".into(), json!("40000000"));
            for name in [
                "markPrice",
                "liquidationPrice",
                "maxNotionalValue",
                "marginType",
                "isAutoAddMargin",
                "marginAsset",
                "adl",
            ] {
                members.shift_remove(name);
            }
        }
        value
    }

    pub fn user_trades(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let order = sent.integer("orderId")?;
        let from = sent.integer("fromId")?;
        let limit = read_limit(sent, 500, 1000)?;
        let (start, end) = read_times(sent)?;
        if from.is_some() && (sent.get("startTime").is_some() || sent.get("endTime").is_some()) {
            let text = "Parameter 'fromId' cannot be sent with startTime or endTime.";
            return Err(Reject::bad(-1128, text));
        }
        let wanted = |fill: &&Fill| {
            fill.instrument == instrument
                && order.is_none_or(|order| order == fill.order.0)
                && from.is_none_or(|from| fill.trade.0 >= from)
                && (start..=end).contains(&fill.at.0)
        };
        let found: Vec<&Fill> =
            self.exchange.account(account).fills.iter().filter(wanted).collect();
        let from_start = from.is_some() || sent.get("startTime").is_some();
        let skip = if from_start { 0 } else { found.len().saturating_sub(limit) };
        Ok(found.into_iter().skip(skip).take(limit).map(|fill| self.trade_json(fill)).collect())
    }

    fn trade_json(&self, fill: &Fill) -> Value {
        let i = &self.exchange.market(fill.instrument).instrument;
        json!({
            "symbol": i.symbol,
            "id": fill.trade.0,
            "orderId": fill.order.0,
            "side": side_text(fill.side),
            "price": padded(fill.price.0, i.price_decimals),
            "qty": padded(fill.quantity.0, i.quantity_decimals),
            "realizedPnl": money(fill.realized),
            "quoteQty": padded(fill.price.value(fill.quantity).0, 5),
            "commission": money(fill.fee),
            "commissionAsset": fill.fee_asset,
            "time": fill.at.0,
            "positionSide": leg_text(fill.position_side),
            "buyer": fill.side == Side::Buy,
            "maker": fill.maker,
        })
    }

    pub fn commission_rate(&self, sent: &Parameters) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let fees = self.exchange.fees();
        Ok(json!({"symbol": self.exchange.market(instrument).instrument.symbol,
            "makerCommissionRate": padded(fees.maker, 6),
            "takerCommissionRate": padded(fees.taker, 6),
            "rpiCommissionRate": "0.000050"}))
    }

    pub fn order_limits(&self) -> Value {
        json!([
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10,
             "limit": self.limits.ten_second_limit()},
            {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1,
             "limit": self.limits.minute_limit()},
        ])
    }

    /// Every leg that the account's mode shows.
    fn every_leg(&self, account: AccountId) -> Vec<(InstrumentId, PositionSide)> {
        let sides = self.exchange.account(account).sides();
        let each = |(id, _)| sides.iter().map(move |side| (id, *side));
        self.exchange.markets().flat_map(each).collect()
    }

    /// Legs with a position, and those of instruments with an open order.
    fn interesting(&self, account: AccountId) -> Vec<(InstrumentId, PositionSide)> {
        let held = self.exchange.account(account);
        let mut legs = self.every_leg(account);
        legs.retain(|(id, side)| {
            let ordered =
                |order: &Order| order.asked.instrument == *id && order.asked.position_side == *side;
            !held.leg(*id, *side).amount.is_zero() || held.open_orders().any(ordered)
        });
        legs
    }

    /// What is set aside for a leg; None on cross margin.
    pub fn isolated_margin(
        &self,
        account: AccountId,
        id: InstrumentId,
        side: PositionSide,
    ) -> Option<Money> {
        let held = self.exchange.account(account);
        let entry = held.leg(id, side).entry_price();
        held.isolated.contains(&id).then(|| held.position_margin(id, side, entry))
    }

    fn maintenance(&self, account: AccountId, id: InstrumentId, side: PositionSide) -> Money {
        let amount = self.exchange.account(account).leg(id, side).amount.abs();
        let value = self.exchange.market(id).mark().value(amount);
        value.rate(Decimal::new(MAINTENANCE_PER_MILLE, 3))
    }

    fn order_value(&self, account: AccountId, id: InstrumentId, side: Side) -> Money {
        let orders = self.exchange.account(account).open_orders();
        let on_side = orders.filter(|o| o.asked.instrument == id && o.asked.side == side);
        on_side.fold(Money::ZERO, |sum, order| {
            sum.plus(order.price.unwrap_or_default().value(order.leaves()))
        })
    }

    fn order_margin(&self, account: AccountId, id: InstrumentId) -> Money {
        let larger =
            self.order_value(account, id, Side::Buy).max(self.order_value(account, id, Side::Sell));
        Money(larger.0 / Decimal::from(self.exchange.account(account).leverage(id)))
    }

    fn sum_positions(
        &self,
        account: AccountId,
        each: impl Fn(InstrumentId, PositionSide) -> Money,
    ) -> Money {
        let held = self.exchange.account(account).positions.keys();
        held.fold(Money::ZERO, |sum, (id, side)| sum.plus(each(*id, *side)))
    }
}

pub fn money(value: Money) -> String {
    padded(value.0, MONEY_DECIMALS)
}

fn last_change(venue: &Venue, account: AccountId) -> u64 {
    venue.exchange.account(account).fills.back().map_or(0, |fill| fill.at.0)
}

fn last_fill(venue: &Venue, account: AccountId, id: InstrumentId) -> u64 {
    let fills = &venue.exchange.account(account).fills;
    fills.iter().rev().find(|fill| fill.instrument == id).map_or(0, |fill| fill.at.0)
}
