//! Instruments and their trading rules from the venue's exchange information. It must not take the
//! venue's "precisions" for tick and step, and must not invent a rule that isn't told.
//!
//! Implements `binance.md` section 5, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{
    Amount, Asset, Instrument, InstrumentId, Price, Quantity, Scale, Symbol, VenueId, parse_decimal,
};

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
        target: composed(format_args!("/fapi/v1/exchangeInfo")),
        header: None,
        timeout: enigma_types::Nanos::from_secs(20),
    }
}

/// Reads the wanted instruments, in the order they are wanted.
pub fn decode_exchange_info(
    body: &[u8],
    wanted: &[String],
) -> Result<Vec<Instrument>, ExchangeInfoError> {
    find_instruments(VenueId::BinanceUsdm, body, wanted, decode_symbol)
}

/// The filters of a symbol. Each is told as `{"filterType":..,..}`; unknown ones are passed over.
#[derive(Clone, Copy, Default)]
struct Filters<'a> {
    tick: Option<RawValue<'a>>,
    min_price: Option<RawValue<'a>>,
    max_price: Option<RawValue<'a>>,
    step: Option<RawValue<'a>>,
    min_quantity: Option<RawValue<'a>>,
    max_quantity: Option<RawValue<'a>>,
    notional: Option<RawValue<'a>>,
    orders: Option<RawValue<'a>>,
    band_up: Option<RawValue<'a>>,
    band_down: Option<RawValue<'a>>,
}

impl<'a> Filters<'a> {
    fn read(list: RawValue<'a>) -> Result<Self, ReadError> {
        let mut filters = Self::default();
        for item in list.iter_array()? {
            let item = item?;
            let [kind] = fields(&item, ["filterType"])?;
            match need(kind, "filterType")?.as_plain()? {
                b"PRICE_FILTER" => {
                    [filters.tick, filters.min_price, filters.max_price] =
                        fields(&item, ["tickSize", "minPrice", "maxPrice"])?;
                }
                b"LOT_SIZE" => {
                    [filters.step, filters.min_quantity, filters.max_quantity] =
                        fields(&item, ["stepSize", "minQty", "maxQty"])?;
                }
                b"MIN_NOTIONAL" => [filters.notional] = fields(&item, ["notional"])?,
                b"MAX_NUM_ORDERS" => [filters.orders] = fields(&item, ["limit"])?,
                b"PERCENT_PRICE" => {
                    [filters.band_up, filters.band_down] =
                        fields(&item, ["multiplierUp", "multiplierDown"])?;
                }
                _ => {}
            }
        }
        Ok(filters)
    }
}

fn decode_symbol(name: &str, item: &RawValue<'_>) -> Result<Instrument, ExchangeInfoError> {
    let [base, quote, margin, status, filters] =
        fields(item, ["baseAsset", "quoteAsset", "marginAsset", "status", "filters"])?;
    let [price_digits, quantity_digits] = fields(item, ["pricePrecision", "quantityPrecision"])?;
    let symbol = Symbol::from(name).map_err(|_| ReadError::Absurd("symbol"))?;
    let rule = |field| ExchangeInfoError::Rule { symbol, field };
    let filters = Filters::read(need(filters, "filters")?)?;

    let tick = text(filters.tick).ok_or(rule("tickSize"))?;
    let min_price = text(filters.min_price).ok_or(rule("minPrice"))?;
    let max_price = text(filters.max_price).ok_or(rule("maxPrice"))?;
    let step = text(filters.step).ok_or(rule("stepSize"))?;
    let min_quantity = text(filters.min_quantity).ok_or(rule("minQty"))?;
    let max_quantity = text(filters.max_quantity).ok_or(rule("maxQty"))?;
    let needed = |texts: [&[u8]; 2], field| {
        let scales = texts.map(|text| Scale::of_text(text).map_err(|_| rule(field)));
        let [first, second] = scales;
        Ok::<Scale, ExchangeInfoError>(first?.max(second?))
    };
    let price_scale = needed([tick, min_price], "tickSize")?;
    let quantity_scale = needed([step, min_quantity], "stepSize")?;
    // Orders placed before a coarser tick came into force may still rest between its steps: the
    // venue's own digits hold them all, if exact notionals leave that much room.
    let (price_scale, quantity_scale) =
        match (widened(price_scale, price_digits), widened(quantity_scale, quantity_digits)) {
            (price, quantity) if price.digits() + quantity.digits() <= Amount::DIGITS => {
                (price, quantity)
            }
            _ => (price_scale, quantity_scale),
        };

    let asset = |field: Option<RawValue<'_>>, name| -> Result<Asset, ExchangeInfoError> {
        Ok(asset_of(need(field, name)?)?)
    };
    let quote = asset(quote, "quoteAsset")?;
    Ok(Instrument {
        id: InstrumentId(0),
        venue: VenueId::BinanceUsdm,
        symbol,
        base: asset(base, "baseAsset")?,
        quote,
        settle: margin.map_or(Ok(quote), asset_of)?,
        price_scale,
        quantity_scale,
        tick: Price(positive(tick, price_scale).ok_or(rule("tickSize"))?),
        min_price: Price(parse_decimal(min_price, price_scale).map_err(|_| rule("minPrice"))?),
        max_price: Price(maximum(max_price, price_scale).ok_or(rule("maxPrice"))?),
        step: Quantity(positive(step, quantity_scale).ok_or(rule("stepSize"))?),
        min_quantity: Quantity(
            parse_decimal(min_quantity, quantity_scale).map_err(|_| rule("minQty"))?,
        ),
        max_quantity: Quantity(maximum(max_quantity, quantity_scale).ok_or(rule("maxQty"))?),
        min_notional: filters.notional.map_or(Ok(Amount::ZERO), amount)?,
        band_up_e8: band(filters.band_up).map_err(|()| rule("multiplierUp"))?,
        band_down_e8: band(filters.band_down).map_err(|()| rule("multiplierDown"))?,
        max_open_orders: match filters.orders {
            Some(limit) => u32::try_from(limit.as_u64()?).ok(),
            None => None,
        },
        trading: need(status, "status")?.as_plain()? == b"TRADING",
    })
}

fn widened(scale: Scale, digits: Option<RawValue<'_>>) -> Scale {
    let told = digits.and_then(|digits| digits.as_u64().ok());
    let told = told.and_then(|digits| u8::try_from(digits).ok());
    told.and_then(|digits| Scale::new(digits).ok()).map_or(scale, |told| told.max(scale))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    const INFO: &str = r#"{"timezone":"UTC","serverTime":1,"rateLimits":[],"symbols":[
        {"symbol":"ETHUSDT","status":"BREAK"},
        {"symbol":"BTCUSDT","pair":"BTCUSDT","contractType":"PERPETUAL","status":"TRADING",
        "baseAsset":"BTC","quoteAsset":"USDT","marginAsset":"USDT","pricePrecision":2,
        "quantityPrecision":3,"filters":[
        {"filterType":"PRICE_FILTER","minPrice":"556.80","maxPrice":"4529764","tickSize":"0.10"},
        {"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"1000","stepSize":"0.001"},
        {"filterType":"MARKET_LOT_SIZE","minQty":"0.001","maxQty":"120","stepSize":"0.001"},
        {"filterType":"MAX_NUM_ORDERS","limit":200},{"filterType":"MIN_NOTIONAL","notional":"100"},
        {"filterType":"PERCENT_PRICE","multiplierUp":"1.0500","multiplierDown":"0.9500",
        "multiplierDecimal":"4"},{"filterType":"TOMORROW","x":1}]}]}"#;

    fn decode(text: &str) -> Result<Instrument, ExchangeInfoError> {
        decode_exchange_info(text.as_bytes(), &["BTCUSDT".to_owned()]).map(|mut all| all.remove(0))
    }

    #[test]
    fn rules_come_from_the_filters_and_digits_from_the_widest() {
        let btc = decode(INFO).unwrap();
        assert_eq!((btc.price_scale.digits(), btc.quantity_scale.digits()), (2, 3));
        assert_eq!((btc.tick, btc.min_price), (Price(10), Price(55_680)));
        assert_eq!(btc.max_price, Price(452_976_400));
        assert_eq!((btc.step, btc.min_quantity), (Quantity(1), Quantity(1)));
        assert_eq!(btc.max_quantity, Quantity(1_000_000));
        assert_eq!(btc.min_notional, Amount::from_units(100));
        assert_eq!((btc.band_up_e8, btc.band_down_e8), (Some(105_000_000), Some(95_000_000)));
        assert_eq!((btc.max_open_orders, btc.trading), (Some(200), true));
        assert_eq!((btc.base.as_str(), btc.settle.as_str()), ("BTC", "USDT"));
    }

    #[test]
    fn precisions_are_no_ticks() {
        let coarse = decode(&INFO.replace("\"pricePrecision\":2", "\"pricePrecision\":0")).unwrap();
        assert_eq!((coarse.price_scale.digits(), coarse.tick), (1, Price(1)));
        // Twelve digits together are the most; then only what the rules need is kept.
        let fine = decode(&INFO.replace("\"pricePrecision\":2", "\"pricePrecision\":10")).unwrap();
        assert_eq!((fine.price_scale.digits(), fine.tick), (1, Price(1)));
    }

    #[test]
    fn a_maximum_of_zero_is_none() {
        let open = decode(&INFO.replace("4529764", "0")).unwrap();
        assert_eq!(open.max_price, Price(i64::MAX));
        let huge = decode(&INFO.replace("4529764", "99999999999999999999")).unwrap();
        assert_eq!(huge.max_price, Price(i64::MAX));
        let fine = decode(&INFO.replace("4529764", "300.123456")).unwrap();
        assert_eq!(fine.max_price, Price(30_012));
    }

    #[track_caller]
    fn check_refused(from: &str, to: &str) {
        let text = INFO.replace(from, to);
        assert_ne!(text, INFO, "{from}");
        assert!(decode(&text).is_err(), "{to}");
    }

    #[test]
    fn a_missing_or_absurd_rule_is_an_error() {
        check_refused("\"tickSize\":\"0.10\"", "\"x\":1");
        check_refused("\"tickSize\":\"0.10\"", "\"tickSize\":\"0\"");
        check_refused("\"tickSize\":\"0.10\"", "\"tickSize\":\"1e-1\"");
        check_refused("\"stepSize\":\"0.001\"", "\"stepSize\":\"-1\"");
        check_refused("PRICE_FILTER", "PRIZE_FILTER");
        check_refused("\"multiplierUp\":\"1.0500\"", "\"multiplierUp\":\"NaN\"");
        check_refused("\"limit\":200", "\"limit\":\"many\"");
        check_refused("\"symbols\"", "\"symbol\"");
        check_refused("}]}]}", "");
    }

    #[test]
    fn a_symbol_that_the_venue_does_not_list_is_an_error() {
        let wanted = ["BTCUSDT".to_owned(), "BTCUSDX".to_owned()];
        let error = decode_exchange_info(INFO.as_bytes(), &wanted).unwrap_err();
        assert_eq!(error.to_string(), "binance_usdm has no instrument BTCUSDX");
    }

    #[test]
    fn what_was_not_asked_for_need_not_make_sense() {
        assert!(decode(&INFO.replace("\"status\":\"BREAK\"", "\"filters\":7")).is_ok());
    }
}
