//! Balances, fees, trades and keys (`venues/binance.md` sections 6 and 7).

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Venue;
use super::errors::Reject;
use super::form::{read_limit, read_times};
use super::order_json::{amount, money, price};
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::cash::DISCOUNT_ASSET;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::padded;
use crate::exchange::order::{Fill, Side};

impl Venue {
    pub fn account(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let omit_zero = sent.boolean("omitZeroBalances")?;
        let held = self.exchange.account(account);
        let fees = self.exchange.fees();
        let shown =
            held.balances.iter().filter(|(_, held)| !omit_zero || !held.total().0.is_zero());
        let balances: Vec<Value> = shown
            .map(|(asset, held)| {
                json!({"asset": asset, "free": money(held.free), "locked": money(held.locked)})
            })
            .collect();
        let basis_points = |rate: Decimal| (rate * Decimal::from(10_000)).trunc().to_string();
        let points = |rate| basis_points(rate).parse::<u64>().unwrap_or_default();
        Ok(json!({
            "makerCommission": points(fees.maker),
            "takerCommission": points(fees.taker),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": padded(fees.maker, 8),
                "taker": padded(fees.taker, 8),
                "buyer": "0.00000000",
                "seller": "0.00000000",
            },
            "canTrade": true,
            "canWithdraw": true,
            "canDeposit": true,
            "brokered": false,
            "requireSelfTradePrevention": false,
            "preventSor": false,
            "updateTime": held.fills.back().map_or(self.started.0, |fill| fill.at.0),
            "accountType": "SPOT",
            "balances": balances,
            "permissions": ["SPOT"],
            "uid": 350_000_000 + account.0,
        }))
    }

    pub fn my_trades(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let order = sent.integer("orderId")?;
        let from = sent.integer("fromId")?;
        let (start, end) = read_times(sent)?;
        let limit = read_limit(sent, 500, 1000)?;
        let wanted = |fill: &&Fill| {
            fill.instrument == id
                && order.is_none_or(|order| order == fill.order.0)
                && from.is_none_or(|from| fill.trade.0 >= from)
                && (start..=end).contains(&fill.at.0)
        };
        let found: Vec<&Fill> =
            self.exchange.account(account).fills.iter().filter(wanted).collect();
        let from_start = from.is_some() || sent.get("startTime").is_some();
        let skip = if from_start { 0 } else { found.len().saturating_sub(limit) };
        let page = found.into_iter().skip(skip).take(limit);
        Ok(page.map(|fill| self.trade_json(account, fill)).collect())
    }

    fn trade_json(&self, account: AccountId, fill: &Fill) -> Value {
        let order = self.exchange.account(account).orders.get(&fill.order);
        json!({
            "symbol": self.exchange.market(fill.instrument).instrument.symbol,
            "id": fill.trade.0,
            "orderId": fill.order.0,
            "orderListId": order.map_or(-1, super::order_json::list_number),
            "price": price(fill.price),
            "qty": amount(fill.quantity),
            "quoteQty": money(fill.price.value(fill.quantity)),
            "commission": money(fill.fee),
            "commissionAsset": fill.fee_asset,
            "time": fill.at.0,
            "isBuyer": fill.side == Side::Buy,
            "isMaker": fill.maker,
            "isBestMatch": true,
        })
    }

    pub fn commissions(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let mut told = self.commission(account, id, "");
        if let Value::Object(members) = &mut told {
            let symbol = &self.exchange.market(id).instrument.symbol;
            members.insert("symbol".into(), json!(symbol));
        }
        Ok(told)
    }

    /// The rates, under the names that a request for an order has a suffix to.
    pub fn commission(&self, account: AccountId, _id: InstrumentId, suffix: &str) -> Value {
        let fees = self.exchange.fees();
        let discounted = self.exchange.account(account).discounted_fees;
        let rates = json!({"maker": padded(fees.maker, 8), "taker": padded(fees.taker, 8),
            "buyer": "0.00000000", "seller": "0.00000000"});
        let none = json!({"maker": "0.00000000", "taker": "0.00000000",
            "buyer": "0.00000000", "seller": "0.00000000"});
        json!({
            format!("standardCommission{suffix}"): rates,
            format!("specialCommission{suffix}"): none,
            format!("taxCommission{suffix}"): none,
            "discount": {"enabledForAccount": discounted, "enabledForSymbol": true,
                "discountAsset": DISCOUNT_ASSET, "discount": "0.75000000"},
        })
    }

    pub fn fee_setting(&self, account: AccountId) -> Value {
        let discounted = self.exchange.account(account).discounted_fees;
        json!({"spotBNBBurn": discounted, "interestBNBBurn": false})
    }

    pub fn set_fee_setting(
        &mut self,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        sent.mandatory("spotBNBBurn")?;
        let discounted = sent.boolean("spotBNBBurn")?;
        self.exchange.account_mut(account).discounted_fees = discounted;
        Ok(self.fee_setting(account))
    }
}
