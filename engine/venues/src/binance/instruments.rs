//! What the products' lists of instruments have in common: why one can't be used, and how its rules
//! are read. It must not know a product's filters.

use enigma_types::{Instrument, InstrumentError, Scale, Symbol, VenueId, parse_decimal};

use super::fields::{ReadError, fields, need};
use crate::wire::json::RawValue;

/// Why the exchange information can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeInfoError {
    #[error("the exchange information can't be read: {0}")]
    Unreadable(#[from] ReadError),
    #[error("{symbol}: the rule {field} can't be used")]
    Rule { symbol: Symbol, field: &'static str },
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
}

impl From<crate::wire::json::DecodeError> for ExchangeInfoError {
    fn from(error: crate::wire::json::DecodeError) -> Self {
        Self::Unreadable(error.into())
    }
}

/// Reads the wanted instruments, in the order they are wanted. An unknown symbol is an error: a
/// misspelt one must not go unnoticed.
pub(in crate::binance) fn find_instruments(
    venue: VenueId,
    body: &[u8],
    wanted: &[String],
    decode: impl Fn(&str, &RawValue<'_>) -> Result<Instrument, ExchangeInfoError>,
) -> Result<Vec<Instrument>, ExchangeInfoError> {
    let [symbols] = fields(&RawValue::of_message(body)?, ["symbols"])?;
    let mut found: Vec<Option<Instrument>> = vec![None; wanted.len()];
    for item in need(symbols, "symbols")?.iter_array()? {
        let item = item?;
        let [symbol] = fields(&item, ["symbol"])?;
        let mut buffer = [0; 128];
        let symbol = need(symbol, "symbol")?.as_str(&mut buffer)?;
        for (slot, name) in found.iter_mut().zip(wanted) {
            if name == symbol && slot.is_none() {
                *slot = Some(decode(name, &item)?);
            }
        }
    }
    let named = found.into_iter().zip(wanted);
    named
        .map(|(instrument, symbol)| {
            instrument
                .ok_or_else(|| InstrumentError::Unknown { venue, symbol: symbol.clone() }.into())
        })
        .collect()
}

pub(in crate::binance) fn text(field: Option<RawValue<'_>>) -> Option<&[u8]> {
    let field = field?;
    match field.bytes().first() {
        Some(b'"') => field.as_plain().ok(),
        Some(_) | None => Some(field.bytes()),
    }
}

pub(in crate::binance) fn positive(text: &[u8], scale: Scale) -> Option<i64> {
    parse_decimal(text, scale).ok().filter(|&value| value > 0)
}

/// Zero switches a maximum off, and one that doesn't fit is as good as none. Digits beyond the
/// scale can't matter: no price or quantity on the grid has them.
pub(in crate::binance) fn maximum(text: &[u8], scale: Scale) -> Option<i64> {
    use enigma_types::DecimalError;
    match parse_decimal(text, scale) {
        Ok(0) | Err(DecimalError::Overflow) => Some(i64::MAX),
        Ok(value) => Some(value).filter(|&value| value > 0),
        Err(DecimalError::TooPrecise(_)) => {
            let dot = text.iter().position(|&byte| byte == b'.')?;
            let end = dot + 1 + usize::from(scale.digits());
            let kept = text.get(..if scale == Scale::ZERO { dot } else { end })?;
            parse_decimal(kept, scale).ok().filter(|&value| value > 0)
        }
        Err(DecimalError::Empty | DecimalError::NotANumber | DecimalError::ScaleTooLarge(_)) => {
            None
        }
    }
}

pub(in crate::binance) fn band(field: Option<RawValue<'_>>) -> Result<Option<i64>, ()> {
    let Some(field) = field else { return Ok(None) };
    let scale = Scale::new(8).map_err(|_| ())?;
    let value = text(Some(field)).and_then(|text| parse_decimal(text, scale).ok());
    value.filter(|&value| value > 0).map(Some).ok_or(())
}
