//! Balances, positions, trades and modes (`venues/binance.md` sections 6 and 7).

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Venue;
use super::auth::ApiKey;
use super::errors::Reject;
use super::order_form::{read_limit, read_times};
use super::orders::side_text;
use super::parameters::Parameters;
use super::user_data::{break_even_text, entry_text};
use crate::exchange::account::AccountId;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{MONEY_DECIMALS, Money, padded};
use crate::exchange::order::{Fill, Side, UnixMillis};

const LEVERAGE_MAX: u64 = 125;
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
        let positions: Vec<Value> =
            self.exchange.markets().map(|(id, _)| self.account_position(account, id)).collect();
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
        let in_positions = self
            .sum_positions(account, |id| held.position_margin(id, self.exchange.market(id).mark()));
        let in_orders = Money((margin.0 - in_positions.0).max(Decimal::ZERO));
        let maintenance = money(self.sum_positions(account, |id| self.maintenance(account, id)));
        let available = money(self.exchange.available(account));
        let positions: Vec<Value> =
            self.interesting(account).map(|id| self.account_position(account, id)).collect();
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
        let ids: Vec<InstrumentId> = match shape {
            PositionShape::V2 => self.exchange.markets().map(|(id, _)| id).collect(),
            PositionShape::V3 => self.interesting(account).collect(),
        };
        let wanted = ids.into_iter().filter(|id| only.is_none_or(|only| only == *id));
        Ok(wanted.map(|id| self.position(account, id, shape)).collect())
    }

    fn position(&self, account: AccountId, id: InstrumentId, shape: PositionShape) -> Value {
        let held = self.exchange.account(account);
        let market = self.exchange.market(id);
        let (position, mark) = (held.position(id), market.mark());
        let notional = mark.value(position.amount);
        let margin = held.position_margin(id, mark);
        let mut value = json!({
            "symbol": market.instrument.symbol,
            "positionSide": "BOTH",
            "positionAmt": padded(position.amount.0, market.instrument.quantity_decimals),
            "entryPrice": entry_text(&position),
            "breakEvenPrice": break_even_text(&position, self.exchange.fees().taker),
            "markPrice": money(Money(mark.0)),
            "unRealizedProfit": money(position.unrealized(mark)),
            "liquidationPrice": "0",
            "isolatedMargin": "0",
            "notional": money(notional),
            "marginAsset": market.instrument.quote,
            "isolatedWallet": "0",
            "initialMargin": money(margin),
            "maintMargin": money(self.maintenance(account, id)),
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
            members.insert("marginType".into(), json!("cross"));
            members.insert("isAutoAddMargin".into(), json!("false"));
        }
        value
    }

    /// The position object inside the account replies.
    fn account_position(&self, account: AccountId, id: InstrumentId) -> Value {
        let mut value = self.position(account, id, PositionShape::V2);
        if let Value::Object(members) = &mut value {
            let profit = members.shift_remove("unRealizedProfit").unwrap_or(Value::Null);
            members.insert("unrealizedProfit".into(), profit);
            members.insert("isolated".into(), json!(false));
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
            "commissionAsset": i.quote,
            "time": fill.at.0,
            "positionSide": "BOTH",
            "buyer": fill.side == Side::Buy,
            "maker": fill.maker,
        })
    }

    pub fn account_config(&self) -> Value {
        json!({"feeTier": 0, "canTrade": true, "canDeposit": true, "canWithdraw": true,
            "dualSidePosition": false, "updateTime": 0, "multiAssetsMargin": false,
            "tradeGroupId": -1})
    }

    pub fn set_leverage(&mut self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let leverage = sent.mandatory_integer("leverage")?;
        if leverage == 0 || leverage > LEVERAGE_MAX {
            return Err(Reject::bad(-4028, format!("Leverage {leverage} is not valid")));
        }
        let value = u32::try_from(leverage).unwrap_or(1);
        self.exchange.account_mut(account).leverage.insert(instrument, value);
        let symbol = &self.exchange.market(instrument).instrument.symbol;
        Ok(json!({"leverage": leverage, "maxNotionalValue": "40000000", "symbol": symbol}))
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

    /// Instruments with a position or an open order.
    fn interesting(&self, account: AccountId) -> impl Iterator<Item = InstrumentId> + '_ {
        let held = self.exchange.account(account);
        self.exchange.markets().map(|(id, _)| id).filter(move |id| {
            !held.position(*id).amount.is_zero()
                || held.open_orders().any(|order| order.asked.instrument == *id)
        })
    }

    fn maintenance(&self, account: AccountId, id: InstrumentId) -> Money {
        let amount = self.exchange.account(account).position(id).amount.abs();
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

    fn sum_positions(&self, account: AccountId, each: impl Fn(InstrumentId) -> Money) -> Money {
        let held = self.exchange.account(account).positions.keys();
        held.fold(Money::ZERO, |sum, id| sum.plus(each(*id)))
    }
}

/// `apiRestrictions`: what the venue says of a key's rights.
pub fn key_rights(key: &ApiKey, created: UnixMillis) -> Value {
    json!({
        "ipRestrict": key.rights.ip_restricted,
        "createTime": created.0,
        "enableReading": true,
        "enableWithdrawals": key.rights.withdraw,
        "enableInternalTransfer": false,
        "enableMargin": false,
        "enableFutures": key.rights.trade,
        "permitsUniversalTransfer": false,
        "enableVanillaOptions": false,
        "enableFixApiTrade": false,
        "enableFixReadOnly": true,
        "enableSpotAndMarginTrading": key.rights.trade,
        "enablePortfolioMarginTrading": false,
    })
}

fn money(value: Money) -> String {
    padded(value.0, MONEY_DECIMALS)
}

fn last_change(venue: &Venue, account: AccountId) -> u64 {
    venue.exchange.account(account).fills.back().map_or(0, |fill| fill.at.0)
}

fn last_fill(venue: &Venue, account: AccountId, id: InstrumentId) -> u64 {
    let fills = &venue.exchange.account(account).fills;
    fills.iter().rev().find(|fill| fill.instrument == id).map_or(0, |fill| fill.at.0)
}
