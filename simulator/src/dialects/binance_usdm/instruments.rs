//! exchangeInfo, depth snapshots and tickers.

use serde_json::{Value, json};

use super::Venue;
use super::errors::Reject;
use super::feeds::write_levels;
use super::funding::RATE_DECIMALS;
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::Market;
use crate::exchange::instrument::{Instrument, InstrumentId};
use crate::exchange::number::padded;
use crate::exchange::order::{Side, UnixMillis};

const DEPTH_LIMITS: [u64; 7] = [5, 10, 20, 50, 100, 500, 1000];
const DEPTH_LIMIT: u64 = 500;

impl Venue {
    pub fn exchange_info(&self, now: UnixMillis) -> Value {
        let limit = |kind: &str, interval: &str, number: u64, limit: u64| {
            json!({"rateLimitType": kind, "interval": interval, "intervalNum": number,
                "limit": limit})
        };
        let symbols: Vec<Value> =
            self.exchange.markets().map(|(_, market)| symbol(&market.instrument)).collect();
        json!({
            "timezone": "UTC",
            "serverTime": now.0,
            "futuresType": "U_MARGINED",
            "rateLimits": [
                limit("REQUEST_WEIGHT", "MINUTE", 1, self.limits.weights.limit),
                limit("ORDERS", "MINUTE", 1, self.limits.minute_limit()),
                limit("ORDERS", "SECOND", 10, self.limits.ten_second_limit()),
            ],
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": true, "autoAssetExchange": "-10000"}],
            "symbols": symbols,
        })
    }

    /// A snapshot that connects to the diff stream by the futures rule: its id is that of the
    /// last change it contains.
    pub fn depth(&self, now: UnixMillis, sent: &Parameters) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let limit = sent.integer("limit")?.unwrap_or(DEPTH_LIMIT);
        if !DEPTH_LIMITS.contains(&limit) {
            return Err(Reject::bad(-4021, format!("{limit} is not valid depth limit.")));
        }
        let market = self.exchange.market(id);
        let update_id = match &market.displayed {
            Some(book) if !book.is_loaded() => return Err(Reject::unavailable()),
            Some(book) => book.last_update_id,
            None => self.update_id(id),
        };
        let count = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(json!({
            "lastUpdateId": update_id,
            "E": now.0,
            "T": now.0,
            "bids": levels(market, Side::Buy, count),
            "asks": levels(market, Side::Sell, count),
        }))
    }

    pub fn book_ticker(&self, now: UnixMillis, sent: &Parameters) -> Result<Value, Reject> {
        self.each_symbol(sent, |venue, id| venue.one_book_ticker(now, id))
    }

    pub fn price_ticker(&self, now: UnixMillis, sent: &Parameters) -> Result<Value, Reject> {
        self.each_symbol(sent, |venue, id| {
            let market = venue.exchange.market(id);
            let price = market.last_price.unwrap_or_else(|| market.mark());
            let price = padded(price.0, market.instrument.price_decimals);
            json!({"symbol": market.instrument.symbol, "price": price, "time": now.0})
        })
    }

    pub fn premium_index(&self, now: UnixMillis, sent: &Parameters) -> Result<Value, Reject> {
        self.each_symbol(sent, |venue, id| {
            let market = venue.exchange.market(id);
            let mark = padded(market.mark().0, 8);
            json!({"symbol": market.instrument.symbol, "markPrice": mark, "indexPrice": mark,
                "estimatedSettlePrice": mark, "lastFundingRate": padded(venue.funding.last_rate(id), RATE_DECIMALS),
                "interestRate": "0.00010000", "nextFundingTime": venue.funding.next_at.0,
                "time": now.0})
        })
    }

    fn each_symbol(
        &self,
        sent: &Parameters,
        one: impl Fn(&Self, InstrumentId) -> Value,
    ) -> Result<Value, Reject> {
        if sent.get("symbol").is_some() {
            return Ok(one(self, self.read_symbol(sent)?));
        }
        Ok(self.exchange.markets().map(|(id, _)| one(self, id)).collect())
    }

    fn one_book_ticker(&self, now: UnixMillis, id: InstrumentId) -> Value {
        let market = self.exchange.market(id);
        let best = |side| market.public_levels(side).next().unwrap_or_default();
        let (bid, ask) = (best(Side::Buy), best(Side::Sell));
        let i = &market.instrument;
        json!({
            "lastUpdateId": market.displayed.as_ref().map_or_else(
                || self.update_id(id), |book| book.last_update_id),
            "symbol": i.symbol,
            "bidPrice": padded(bid.0.0, i.price_decimals),
            "bidQty": padded(bid.1.0, i.quantity_decimals),
            "askPrice": padded(ask.0.0, i.price_decimals),
            "askQty": padded(ask.1.0, i.quantity_decimals),
            "time": now.0,
        })
    }
}

fn levels(market: &Market, side: Side, count: usize) -> Value {
    let top: Vec<_> = market.public_levels(side).take(count).collect();
    let mut text = String::new();
    write_levels(&mut text, market, &top);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn symbol(i: &Instrument) -> Value {
    let price = |value| padded(value, i.price_decimals);
    let quantity = |value| padded(value, i.quantity_decimals);
    json!({
        "symbol": i.symbol,
        "pair": i.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000_u64,
        "onboardDate": 1_569_398_400_000_u64,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": i.base,
        "quoteAsset": i.quote,
        "marginAsset": i.quote,
        "pricePrecision": i.price_decimals,
        "quantityPrecision": i.quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": price(i.price_min.0),
             "maxPrice": price(i.price_max.0), "tickSize": price(i.tick.0)},
            {"filterType": "LOT_SIZE", "minQty": quantity(i.quantity_min.0),
             "maxQty": quantity(i.quantity_max.0), "stepSize": quantity(i.step.0)},
            {"filterType": "MARKET_LOT_SIZE", "minQty": quantity(i.quantity_min.0),
             "maxQty": quantity(i.market_quantity_max.0), "stepSize": quantity(i.step.0)},
            {"filterType": "MAX_NUM_ORDERS", "limit": i.open_orders_max},
            {"filterType": "MIN_NOTIONAL", "notional": i.notional_min.to_string()},
            {"filterType": "PERCENT_PRICE", "multiplierUp": padded(i.multiplier_up, 4),
             "multiplierDown": padded(i.multiplier_down, 4), "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT",
                       "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    })
}
