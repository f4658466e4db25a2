//! Position mode, margin type and leverage (`venues/binance.md` sections 4.5 and 6).

use serde_json::{Value, json};

use super::Venue;
use super::errors::Reject;
use super::user_data;
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::order::UnixMillis;

const LEVERAGE_MAX: u64 = 125;
const NOTIONAL_MAX: &str = "40000000";

impl Venue {
    pub fn account_config(&self, account: AccountId) -> Value {
        json!({"feeTier": 0, "canTrade": true, "canDeposit": true, "canWithdraw": true,
            "dualSidePosition": self.exchange.account(account).hedged, "updateTime": 0,
            "multiAssetsMargin": false, "tradeGroupId": -1})
    }

    pub fn symbol_config(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let held = self.exchange.account(account);
        let wanted = self.exchange.markets().filter(|(id, _)| only.is_none_or(|only| only == *id));
        Ok(wanted
            .map(|(id, market)| {
                json!({
                    "symbol": market.instrument.symbol,
                    "marginType": self.margin_type(account, id),
                    "isAutoAddMargin": false,
                    "leverage": held.leverage(id),
                    "maxNotionalValue": NOTIONAL_MAX,
                })
            })
            .collect())
    }

    /// One bracket for each instrument: the simulator's maintenance rate is flat.
    pub fn leverage_brackets(&self, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let wanted = self.exchange.markets().filter(|(id, _)| only.is_none_or(|only| only == *id));
        Ok(wanted
            .map(|(_, market)| {
                json!({
                    "symbol": market.instrument.symbol,
                    "notionalCoef": 1.0,
                    "brackets": [{"bracket": 1, "initialLeverage": LEVERAGE_MAX,
                        "notionalCap": 40_000_000, "notionalFloor": 0,
                        "maintMarginRatio": 0.004, "cum": 0.0}],
                })
            })
            .collect())
    }

    fn margin_type(&self, account: AccountId, id: InstrumentId) -> &'static str {
        let isolated = self.exchange.account(account).isolated.contains(&id);
        if isolated { "ISOLATED" } else { "CROSSED" }
    }

    pub fn position_mode(&self, account: AccountId) -> Value {
        json!({"dualSidePosition": self.exchange.account(account).hedged})
    }

    pub fn set_position_mode(
        &mut self,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        sent.mandatory("dualSidePosition")?;
        let hedged = sent.boolean("dualSidePosition")?;
        let held = self.exchange.account_mut(account);
        if held.hedged == hedged {
            return Err(Reject::bad(-4059, "No need to change position side."));
        }
        if !held.open.is_empty() {
            let text = "Position side cannot be changed if there exists open orders.";
            return Err(Reject::bad(-4067, text));
        }
        if held.positions.values().any(|position| !position.amount.is_zero()) {
            let text = "Position side cannot be changed if there exists position.";
            return Err(Reject::bad(-4068, text));
        }
        held.hedged = hedged;
        Ok(success())
    }

    pub fn set_margin_type(
        &mut self,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let isolated = match sent.mandatory("marginType")? {
            "ISOLATED" => true,
            "CROSSED" => false,
            _ => return Err(Reject::not_valid("marginType")),
        };
        let held = self.exchange.account_mut(account);
        if held.isolated.contains(&id) == isolated {
            return Err(Reject::bad(-4046, "No need to change margin type."));
        }
        if held.open_orders().any(|order| order.asked.instrument == id) {
            let text = "Margin type cannot be changed if there exists open orders.";
            return Err(Reject::bad(-4047, text));
        }
        if held.positions.iter().any(|((one, _), p)| *one == id && !p.amount.is_zero()) {
            let text = "Margin type cannot be changed if there exists position.";
            return Err(Reject::bad(-4048, text));
        }
        if isolated {
            held.isolated.insert(id);
        } else {
            held.isolated.remove(&id);
        }
        Ok(success())
    }

    pub fn set_leverage(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let leverage = sent.mandatory_integer("leverage")?;
        if leverage == 0 || leverage > LEVERAGE_MAX {
            return Err(Reject::bad(-4028, format!("Leverage {leverage} is not valid")));
        }
        let value = u32::try_from(leverage).unwrap_or(1);
        self.exchange.account_mut(account).leverage.insert(instrument, value);
        let symbol = self.exchange.market(instrument).instrument.symbol.clone();
        let text = user_data::leverage_update(now, &symbol, leverage);
        self.publish_user(account, "ACCOUNT_CONFIG_UPDATE", text);
        Ok(json!({"leverage": leverage, "maxNotionalValue": NOTIONAL_MAX, "symbol": symbol}))
    }
}

fn success() -> Value {
    json!({"code": 200, "msg": "success"})
}
