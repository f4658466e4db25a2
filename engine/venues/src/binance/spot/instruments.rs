//! Spot instruments and their trading rules from the venue's exchange information. It must not take
//! the venue's "precisions" for tick and step where a filter tells them.
//!
//! Implements `binance.md` section 5 and
//! <https://developers.binance.com/docs/binance-spot-api-docs/filters> (read 2026-11-24).
//! Not carried by an instrument: MARKET_LOT_SIZE (a market order is sent as a limit order, for
//! which LOT_SIZE holds), the most that an order may be worth, and limits of positions and lists.

use enigma_types::{
    Amount, Asset, Instrument, InstrumentId, Price, Quantity, Scale, Symbol, parse_decimal,
};

use super::VENUE;
use crate::binance::auth::composed;
use crate::binance::fields::{ReadError, amount, asset_of, fields, need};
use crate::binance::instruments::{
    ExchangeInfoError, band, find_instruments, maximum, positive, text,
};
use crate::session::{CallId, CallRequest, Method};
use crate::wire::json::RawValue;

/// The call that fetches every instrument.
pub fn exchange_info_call(call: CallId) -> CallRequest {
    CallRequest {
        call,
        method: Method::Get,
        target: composed(format_args!("/api/v3/exchangeInfo")),
        header: None,
        timeout: enigma_types::Nanos::from_secs(20),
    }
}

/// Reads the wanted instruments, in the order they are wanted.
pub fn decode_exchange_info(
    body: &[u8],
    wanted: &[String],
) -> Result<Vec<Instrument>, ExchangeInfoError> {
    find_instruments(VENUE, body, wanted, decode_symbol)
}

/// The filters of a symbol. Each is told as `{"filterType":..,..}`; unknown ones are passed over.
#[derive(Clone, Copy, Default)]
struct Filters<'a> {
    price: [Option<RawValue<'a>>; 3],
    lot: [Option<RawValue<'a>>; 3],
    notional: Option<RawValue<'a>>,
    orders: Option<RawValue<'a>>,
    band_up: [Option<RawValue<'a>>; 2],
    band_down: [Option<RawValue<'a>>; 2],
}

impl<'a> Filters<'a> {
    fn read(list: RawValue<'a>) -> Result<Self, ReadError> {
        let mut filters = Self::default();
        for item in list.iter_array()? {
            let item = item?;
            let [kind] = fields(&item, ["filterType"])?;
            match need(kind, "filterType")?.as_plain()? {
                b"PRICE_FILTER" => {
                    filters.price = fields(&item, ["tickSize", "minPrice", "maxPrice"])?;
                }
                b"LOT_SIZE" => filters.lot = fields(&item, ["stepSize", "minQty", "maxQty"])?,
                // The newer of two that say the same.
                b"NOTIONAL" | b"MIN_NOTIONAL" => {
                    [filters.notional] = fields(&item, ["minNotional"])?;
                }
                b"MAX_NUM_ORDERS" => {
                    let [limit, older] = fields(&item, ["maxNumOrders", "limit"])?;
                    filters.orders = limit.or(older);
                }
                b"PERCENT_PRICE_BY_SIDE" => {
                    filters.band_up = fields(&item, ["bidMultiplierUp", "askMultiplierUp"])?;
                    filters.band_down = fields(&item, ["bidMultiplierDown", "askMultiplierDown"])?;
                }
                b"PERCENT_PRICE" => {
                    let [up, down] = fields(&item, ["multiplierUp", "multiplierDown"])?;
                    (filters.band_up, filters.band_down) = ([up, None], [down, None]);
                }
                _ => {}
            }
        }
        Ok(filters)
    }
}

/// The smallest difference between two values, the least and the greatest of them.
struct Grid {
    step: i64,
    least: i64,
    greatest: i64,
}

fn decode_symbol(name: &str, item: &RawValue<'_>) -> Result<Instrument, ExchangeInfoError> {
    let [base, quote, status, spot, filters] =
        fields(item, ["baseAsset", "quoteAsset", "status", "isSpotTradingAllowed", "filters"])?;
    let [price_digits, quantity_digits] = fields(item, ["quotePrecision", "baseAssetPrecision"])?;
    let symbol = Symbol::from(name).map_err(|_| ReadError::Absurd("symbol"))?;
    let rule = |field| ExchangeInfoError::Rule { symbol, field };
    let filters = Filters::read(need(filters, "filters")?)?;

    let price_needs = needed_scale(filters.price).ok_or(rule("tickSize"))?;
    let quantity_needs = needed_scale(filters.lot).ok_or(rule("stepSize"))?;
    let (price_scale, quantity_scale) = widened(
        [price_needs, quantity_needs],
        [price_digits, quantity_digits].map(|digits| digits.and_then(|it| it.as_u64().ok())),
    );
    let price_names = ["tickSize", "minPrice", "maxPrice"];
    let price = grid(filters.price, price_scale, price_names).map_err(rule)?;
    let lot_names = ["stepSize", "minQty", "maxQty"];
    let lot = grid(filters.lot, quantity_scale, lot_names).map_err(rule)?;
    let bands = |fields: [Option<RawValue<'_>>; 2], name| -> Result<[Option<i64>; 2], _> {
        let [bid, ask] = fields.map(band);
        Ok::<_, ExchangeInfoError>([bid.map_err(|()| rule(name))?, ask.map_err(|()| rule(name))?])
    };

    let asset = |field: Option<RawValue<'_>>, name| -> Result<Asset, ExchangeInfoError> {
        Ok(asset_of(need(field, name)?)?)
    };
    let quote = asset(quote, "quoteAsset")?;
    let is_open = need(status, "status")?.as_plain()? == b"TRADING";
    let is_spot = spot.map_or(Ok(true), |spot| spot.as_bool())?;
    Ok(Instrument {
        id: InstrumentId(0),
        venue: VENUE,
        symbol,
        base: asset(base, "baseAsset")?,
        quote,
        settle: quote,
        price_scale,
        quantity_scale,
        tick: Price(price.step),
        min_price: Price(price.least),
        max_price: Price(price.greatest),
        step: Quantity(lot.step),
        min_quantity: Quantity(lot.least),
        max_quantity: Quantity(lot.greatest),
        min_notional: filters.notional.map_or(Ok(Amount::ZERO), amount)?,
        // Each side has a band of its own; what lies within both is refused on neither.
        band_up_e8: bands(filters.band_up, "multiplierUp")?.into_iter().flatten().min(),
        band_down_e8: bands(filters.band_down, "multiplierDown")?.into_iter().flatten().max(),
        max_open_orders: match filters.orders {
            Some(limit) => u32::try_from(limit.as_u64()?).ok(),
            None => None,
        },
        trading: is_open && is_spot,
    })
}

/// The digits that step and minimum need. The maximum's can't matter.
fn needed_scale([step, least, _]: [Option<RawValue<'_>>; 3]) -> Option<Scale> {
    let step = Scale::of_text(text(step)?).ok()?;
    Some(step.max(Scale::of_text(text(least)?).ok()?))
}

/// Orders placed before a coarser rule came into force still rest between its steps: the recorded
/// book has quantities of a tenth of a step. So as many of the venue's own digits are kept as exact
/// values have room for, those of quantities first.
fn widened([price, quantity]: [Scale; 2], told: [Option<u64>; 2]) -> (Scale, Scale) {
    let room = Amount::DIGITS.saturating_sub(price.digits() + quantity.digits());
    let wish = |scale: Scale, told: Option<u64>| {
        let told = told.and_then(|told| u8::try_from(told).ok()).unwrap_or_default();
        told.min(Scale::MAX).saturating_sub(scale.digits())
    };
    let [price_told, quantity_told] = told;
    let for_quantity = wish(quantity, quantity_told).min(room);
    let for_price = wish(price, price_told).min(room - for_quantity);
    let plus = |scale: Scale, more: u8| Scale::new(scale.digits() + more).unwrap_or(scale);
    (plus(price, for_price), plus(quantity, for_quantity))
}

/// A step of zero switches the rule off: then every value of the scale is good.
fn grid(
    [step, least, greatest]: [Option<RawValue<'_>>; 3],
    scale: Scale,
    [step_name, least_name, greatest_name]: [&'static str; 3],
) -> Result<Grid, &'static str> {
    let step = text(step).ok_or(step_name)?;
    let is_off = parse_decimal(step, scale) == Ok(0);
    let least = text(least).and_then(|least| parse_decimal(least, scale).ok());
    Ok(Grid {
        step: if is_off { 1 } else { positive(step, scale).ok_or(step_name)? },
        least: least.filter(|&least| least >= 0).ok_or(least_name)?,
        greatest: text(greatest)
            .and_then(|greatest| maximum(greatest, scale))
            .ok_or(greatest_name)?,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    const INFO: &str = r#"{"timezone":"UTC","serverTime":1,"rateLimits":[],"symbols":[
        {"symbol":"ETHUSDT","status":"BREAK"},
        {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","baseAssetPrecision":8,
        "quoteAsset":"USDT","quotePrecision":8,"quoteAssetPrecision":8,"isSpotTradingAllowed":true,
        "orderTypes":["LIMIT","LIMIT_MAKER"],"filters":[
        {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000",
        "tickSize":"0.01000000"},{"filterType":"LOT_SIZE","minQty":"0.00001000",
        "maxQty":"9000.00000000","stepSize":"0.00001000"},{"filterType":"ICEBERG_PARTS","limit":100},
        {"filterType":"MARKET_LOT_SIZE","minQty":"0","maxQty":"120.5","stepSize":"0"},
        {"filterType":"PERCENT_PRICE_BY_SIDE","bidMultiplierUp":"1.2","bidMultiplierDown":"0.2",
        "askMultiplierUp":"5","askMultiplierDown":"0.8","avgPriceMins":5},
        {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,
        "maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5},
        {"filterType":"MAX_NUM_ORDERS","maxNumOrders":200},{"filterType":"TOMORROW","x":1}]}]}"#;

    fn decode(text: &str) -> Result<Instrument, ExchangeInfoError> {
        decode_exchange_info(text.as_bytes(), &["BTCUSDT".to_owned()]).map(|mut all| all.remove(0))
    }

    #[test]
    fn rules_come_from_the_filters_and_digits_from_the_room_there_is() {
        let btc = decode(INFO).unwrap();
        assert_eq!((btc.price_scale.digits(), btc.quantity_scale.digits()), (4, 8));
        assert_eq!((btc.tick, btc.min_price), (Price(100), Price(100)));
        assert_eq!(btc.max_price, Price(10_000_000_000));
        assert_eq!((btc.step, btc.min_quantity), (Quantity(1_000), Quantity(1_000)));
        assert_eq!(btc.max_quantity, Quantity(900_000_000_000));
        assert_eq!(btc.min_notional, Amount::from_units(5));
        assert_eq!((btc.band_up_e8, btc.band_down_e8), (Some(120_000_000), Some(80_000_000)));
        assert_eq!((btc.max_open_orders, btc.trading), (Some(200), true));
        assert_eq!((btc.base.as_str(), btc.settle.as_str()), ("BTC", "USDT"));
    }

    #[test]
    fn older_filters_say_the_same() {
        let older = INFO
            .replace("\"NOTIONAL\"", "\"MIN_NOTIONAL\"")
            .replace("PERCENT_PRICE_BY_SIDE", "PERCENT_PRICE")
            .replace("bidMultiplierUp", "multiplierUp")
            .replace("bidMultiplierDown", "multiplierDown");
        let btc = decode(&older).unwrap();
        assert_eq!(btc.min_notional, Amount::from_units(5));
        assert_eq!((btc.band_up_e8, btc.band_down_e8), (Some(120_000_000), Some(20_000_000)));
    }

    #[test]
    fn a_rule_of_zero_is_switched_off() {
        let free = INFO
            .replace("\"tickSize\":\"0.01000000\"", "\"tickSize\":\"0.00000000\"")
            .replace("1000000.00000000", "0.00000000");
        let btc = decode(&free).unwrap();
        assert_eq!((btc.tick, btc.max_price), (Price(1), Price(i64::MAX)));
    }

    #[test]
    fn a_market_that_is_no_spot_market_at_present_does_not_trade() {
        assert!(!decode(&INFO.replace("TRADING", "CANCEL_ONLY")).unwrap().trading);
        let margin =
            INFO.replace("\"isSpotTradingAllowed\":true", "\"isSpotTradingAllowed\":false");
        assert!(!decode(&margin).unwrap().trading);
    }

    #[track_caller]
    fn check_refused(from: &str, to: &str) {
        let text = INFO.replacen(from, to, 1);
        assert_ne!(text, INFO, "{from}");
        assert!(decode(&text).is_err(), "{to}");
    }

    #[test]
    fn a_missing_or_absurd_rule_is_an_error() {
        check_refused("\"tickSize\":\"0.01000000\"", "\"x\":1");
        check_refused("\"tickSize\":\"0.01000000\"", "\"tickSize\":\"1e-1\"");
        check_refused("\"stepSize\":\"0.00001000\"", "\"stepSize\":\"-1\"");
        check_refused("\"minPrice\":\"0.01000000\"", "\"minPrice\":\"-1\"");
        check_refused("PRICE_FILTER", "PRIZE_FILTER");
        check_refused("\"bidMultiplierUp\":\"1.2\"", "\"bidMultiplierUp\":\"NaN\"");
        check_refused("\"maxNumOrders\":200", "\"maxNumOrders\":\"many\"");
        check_refused("\"isSpotTradingAllowed\":true", "\"isSpotTradingAllowed\":1");
        check_refused("\"symbols\"", "\"symbol\"");
        check_refused("}]}]}", "");
    }

    #[test]
    fn a_symbol_that_the_venue_does_not_list_is_an_error() {
        let wanted = ["BTCUSDT".to_owned(), "BTCUSDX".to_owned()];
        let error = decode_exchange_info(INFO.as_bytes(), &wanted).unwrap_err();
        assert_eq!(error.to_string(), "binance_spot has no instrument BTCUSDX");
    }
}
