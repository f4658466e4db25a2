//! exchangeInfo, depth snapshots and tickers (`venues/binance.md` sections 3 and 5).

use serde_json::{Value, json};

use super::Venue;
use super::errors::Reject;
use super::feeds::write_levels;
use super::filters::{NOTIONAL_MAX, multipliers};
use super::order_json::{amount, price};
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::Market;
use crate::exchange::amend::AMENDMENTS_MAX;
use crate::exchange::instrument::{Instrument, InstrumentId};
use crate::exchange::lists::LISTS_MAX;
use crate::exchange::number::padded;
use crate::exchange::order::{Side, UnixMillis};

const DEPTH_LIMIT: u64 = 100;
const DEPTH_LIMIT_MAX: u64 = 5_000;

impl Venue {
    pub fn exchange_info(&self, now: UnixMillis, sent: &Parameters) -> Result<Value, Reject> {
        let limit = |kind: &str, interval: &str, number: u64, limit: u64| {
            json!({"rateLimitType": kind, "interval": interval, "intervalNum": number,
                "limit": limit})
        };
        let wanted = self.read_symbols(sent)?;
        let shown = self
            .exchange
            .markets()
            .filter(|(id, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(id)));
        let symbols: Vec<Value> = shown.map(|(_, market)| symbol(&market.instrument)).collect();
        Ok(json!({
            "timezone": "UTC",
            "serverTime": now.0,
            "rateLimits": [
                limit("REQUEST_WEIGHT", "MINUTE", 1, self.limits.weights.limit),
                limit("ORDERS", "SECOND", 10, self.limits.ten_second_limit()),
                limit("ORDERS", "DAY", 1, self.limits.day_limit()),
                limit("RAW_REQUESTS", "MINUTE", 5, 300_000),
                limit("CONNECTIONS", "MINUTE", 5, 300),
            ],
            "exchangeFilters": [],
            "symbols": symbols,
        }))
    }

    /// The instruments that `symbol` or `symbols` names; None for all.
    fn read_symbols(&self, sent: &Parameters) -> Result<Option<Vec<InstrumentId>>, Reject> {
        if sent.get("symbol").is_some() {
            return Ok(Some(vec![self.read_symbol(sent)?]));
        }
        let Some(text) = sent.get("symbols") else { return Ok(None) };
        let names: Vec<String> =
            serde_json::from_str(text).map_err(|_| Reject::not_valid("symbols"))?;
        let each = names.iter().map(|name| self.exchange.find(name).ok_or_else(Reject::symbol));
        each.collect::<Result<_, _>>().map(Some)
    }

    /// A snapshot whose id is that of the last change it contains.
    pub fn depth(&self, sent: &Parameters) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let limit = sent.integer("limit")?.unwrap_or(DEPTH_LIMIT).clamp(1, DEPTH_LIMIT_MAX);
        let market = self.exchange.market(id);
        let update_id = match &market.displayed {
            Some(book) if !book.is_loaded() => return Err(Reject::unavailable()),
            Some(book) => book.last_update_id,
            None => self.update_id(id),
        };
        let count = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(json!({
            "lastUpdateId": update_id,
            "bids": levels(market, Side::Buy, count),
            "asks": levels(market, Side::Sell, count),
        }))
    }

    pub fn book_ticker(&self, sent: &Parameters) -> Result<Value, Reject> {
        self.each_symbol(sent, |market| {
            let best = |side| market.public_levels(side).next().unwrap_or_default();
            let (bid, ask) = (best(Side::Buy), best(Side::Sell));
            json!({
                "symbol": market.instrument.symbol,
                "bidPrice": price(bid.0),
                "bidQty": amount(bid.1),
                "askPrice": price(ask.0),
                "askQty": amount(ask.1),
            })
        })
    }

    pub fn price_ticker(&self, sent: &Parameters) -> Result<Value, Reject> {
        self.each_symbol(sent, |market| {
            let last = market.last_price.unwrap_or_else(|| market.mark());
            json!({"symbol": market.instrument.symbol, "price": price(last)})
        })
    }

    pub fn average_price(&self, now: UnixMillis, sent: &Parameters) -> Result<Value, Reject> {
        let market = self.exchange.market(self.read_symbol(sent)?);
        Ok(json!({"mins": 5, "price": price(market.mark()), "closeTime": now.0}))
    }

    fn each_symbol(
        &self,
        sent: &Parameters,
        one: impl Fn(&Market) -> Value,
    ) -> Result<Value, Reject> {
        if sent.get("symbol").is_some() {
            return Ok(one(self.exchange.market(self.read_symbol(sent)?)));
        }
        let wanted = self.read_symbols(sent)?;
        let shown = self
            .exchange
            .markets()
            .filter(|(id, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(id)));
        Ok(shown.map(|(_, market)| one(market)).collect())
    }
}

fn levels(market: &Market, side: Side, count: usize) -> Value {
    let top: Vec<_> = market.public_levels(side).take(count).collect();
    let mut text = String::new();
    write_levels(&mut text, &top);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn symbol(i: &Instrument) -> Value {
    let mut object = json!({
        "symbol": i.symbol,
        "status": "TRADING",
        "baseAsset": i.base,
        "baseAssetPrecision": 8,
        "quoteAsset": i.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT",
                       "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": true,
        "ocoAllowed": true,
        "otoAllowed": true,
        "opoAllowed": false,
        "quoteOrderQtyMarketAllowed": true,
        "allowTrailingStop": false,
        "cancelReplaceAllowed": true,
        "amendAllowed": true,
        "pegInstructionsAllowed": false,
        "isSpotTradingAllowed": true,
        "isMarginTradingAllowed": false,
    });
    let more = json!({
        "filters": filters(i),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes":
            ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    });
    if let (Value::Object(members), Value::Object(more)) = (&mut object, more) {
        members.extend(more);
    }
    object
}

fn filters(i: &Instrument) -> Value {
    let ((bid_up, bid_down), (ask_up, ask_down)) = multipliers(i);
    json!([
        {"filterType": "PRICE_FILTER", "minPrice": price(i.price_min),
         "maxPrice": price(i.price_max), "tickSize": price(i.tick)},
        {"filterType": "LOT_SIZE", "minQty": amount(i.quantity_min),
         "maxQty": amount(i.quantity_max), "stepSize": amount(i.step)},
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000",
         "maxQty": amount(i.market_quantity_max), "stepSize": "0.00000000"},
        {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": bid_up.to_string(),
         "bidMultiplierDown": bid_down.to_string(), "askMultiplierUp": ask_up.to_string(),
         "askMultiplierDown": ask_down.to_string(), "avgPriceMins": 5},
        {"filterType": "NOTIONAL", "minNotional": padded(i.notional_min.0, 8),
         "applyMinToMarket": true, "maxNotional": padded(NOTIONAL_MAX, 8),
         "applyMaxToMarket": true, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": i.open_orders_max},
        {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": LISTS_MAX},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": AMENDMENTS_MAX},
    ])
}
