//! The fields of a message by name, in whatever order they come. It must not guess: what is
//! missing or absurd is an error that names it.

use arrayvec::ArrayString;
use enigma_types::{
    Amount, Asset, ClientOrderId, DecimalError, InstallationPrefix, OrderReference, Scale, Side,
    UnixNanos,
};

use crate::session::VenueError;
use crate::wire::json::{DecodeError, DecodeErrorKind, RawValue};

/// Why a message can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Json(#[from] DecodeError),
    #[error("the field {0} is missing")]
    Missing(&'static str),
    #[error("the field {0} has a value that can't be")]
    Absurd(&'static str),
    #[error("more {0} than one message may carry")]
    TooMany(&'static str),
}

impl From<ReadError> for VenueError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Json(error) => Self::Unreadable(error),
            ReadError::Missing(field) | ReadError::Absurd(field) | ReadError::TooMany(field) => {
                Self::Nonsense(field)
            }
        }
    }
}

/// The named fields of an object; `None` for what is absent or null.
#[inline]
pub(in crate::binance) fn fields<'a, const N: usize>(
    object: &RawValue<'a>,
    names: [&str; N],
) -> Result<[Option<RawValue<'a>>; N], DecodeError> {
    let mut found = [None; N];
    object.for_each_field(|key, value| {
        for (slot, name) in found.iter_mut().zip(names) {
            if key == name.as_bytes() {
                *slot = (!value.is_null()).then_some(value);
            }
        }
        Ok::<(), DecodeError>(())
    })?;
    Ok(found)
}

#[inline]
pub(in crate::binance) fn need<'a>(
    field: Option<RawValue<'a>>,
    name: &'static str,
) -> Result<RawValue<'a>, ReadError> {
    field.ok_or(ReadError::Missing(name))
}

/// A decimal that is zero or more: a price or a quantity.
#[inline]
pub(in crate::binance) fn unsigned_decimal(
    field: Option<RawValue<'_>>,
    name: &'static str,
    scale: Scale,
) -> Result<i64, ReadError> {
    let value = need(field, name)?.as_decimal(scale)?;
    if value < 0 { Err(ReadError::Absurd(name)) } else { Ok(value) }
}

/// A decimal cut to the scale toward zero, for what a venue computes itself: an average price.
pub(in crate::binance) fn truncated_decimal(
    field: RawValue<'_>,
    name: &'static str,
    scale: Scale,
) -> Result<i64, ReadError> {
    let text = number_text(field)?;
    let digits = usize::from(scale.digits());
    let end = match text.iter().position(|&byte| byte == b'.') {
        None => text.len(),
        Some(dot) if digits == 0 => dot,
        Some(dot) => text.len().min(dot + 1 + digits),
    };
    // What is cut off must be digits too, or the text is no number at all.
    let (kept, cut) = text.split_at(end);
    // Only without digits to keep does the point fall to what is cut off; a second one never does.
    let cut = if digits == 0 { cut.strip_prefix(b".").unwrap_or(cut) } else { cut };
    if !cut.iter().all(u8::is_ascii_digit) {
        return Err(ReadError::Absurd(name));
    }
    enigma_types::parse_decimal(kept, scale).map_err(|error| decimal_error(error, field))
}

/// An amount of an asset, as a text or a number.
pub(in crate::binance) fn amount(field: RawValue<'_>) -> Result<Amount, ReadError> {
    Amount::parse(number_text(field)?).map_err(|error| decimal_error(error, field))
}

pub(in crate::binance) fn millis(field: RawValue<'_>) -> Result<UnixNanos, ReadError> {
    Ok(UnixNanos::from_millis(field.as_u64()?))
}

pub(in crate::binance) fn asset_of(field: RawValue<'_>) -> Result<Asset, ReadError> {
    let mut buffer = [0; 32];
    Asset::from(field.as_str(&mut buffer)?).map_err(|_| ReadError::Absurd("asset"))
}

/// Whose order it is: ours if the id carries our prefix.
pub(in crate::binance) fn reference_of(
    client_id: RawValue<'_>,
    prefix: InstallationPrefix,
) -> Result<OrderReference, ReadError> {
    let mut buffer = [0; 64];
    let text = client_id.as_str(&mut buffer)?;
    Ok(match ClientOrderId::parse_text(text.as_bytes(), prefix) {
        Some(id) => OrderReference::Ours(id),
        None => {
            let mut kept = ArrayString::new();
            for letter in text.chars() {
                // The venue allows 36 characters; more than fit would be cut off.
                let _ = kept.try_push(letter);
            }
            OrderReference::External(kept)
        }
    })
}

pub(in crate::binance) fn side_of(text: &[u8]) -> Result<Side, ReadError> {
    match text {
        b"BUY" => Ok(Side::Buy),
        b"SELL" => Ok(Side::Sell),
        _ => Err(ReadError::Absurd("side")),
    }
}

/// The bytes of a number, with or without quotes around it.
fn number_text(field: RawValue<'_>) -> Result<&[u8], ReadError> {
    match field.bytes().first() {
        Some(b'"') => Ok(field.as_plain()?),
        Some(b'-' | b'0'..=b'9') => Ok(field.bytes()),
        Some(_) | None => {
            Err(DecodeError { kind: DecodeErrorKind::WrongType, at: field.position() }.into())
        }
    }
}

fn decimal_error(error: DecimalError, field: RawValue<'_>) -> ReadError {
    let kind = match error {
        DecimalError::Empty | DecimalError::NotANumber => DecodeErrorKind::BadNumber,
        DecimalError::TooPrecise(_) => DecodeErrorKind::TooPrecise,
        DecimalError::Overflow | DecimalError::ScaleTooLarge(_) => DecodeErrorKind::Overflow,
    };
    DecodeError { kind, at: field.position() }.into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[track_caller]
    fn check_truncated(text: &str, digits: u8, expected: Option<i64>) {
        let json = format!("\"{text}\"");
        let value = RawValue::of_message(json.as_bytes()).unwrap();
        let read = truncated_decimal(value, "ep", Scale::new(digits).unwrap());
        assert_eq!(read.ok(), expected, "{text}");
    }

    #[test]
    fn average_prices_are_cut_to_the_scale_toward_zero() {
        check_truncated("6563.66500", 1, Some(65_636));
        check_truncated("-6563.69", 1, Some(-65_636));
        check_truncated("6563.66500", 0, Some(6_563));
        check_truncated("6563", 2, Some(656_300));
        check_truncated("0.000001", 2, Some(0));
        check_truncated("1.2x", 1, None);
        check_truncated("1.", 1, None);
        check_truncated("65.63.8", 2, None);
        check_truncated("65.6.8", 0, None);
        check_truncated("1e5", 1, None);
        check_truncated("", 1, None);
    }

    #[test]
    fn absent_and_null_fields_are_the_same() {
        let value = RawValue::of_message(b"{\"a\":1,\"b\":null}").unwrap();
        let [a, b, c] = fields(&value, ["a", "b", "c"]).unwrap();
        assert_eq!(need(a, "a").unwrap().as_u64(), Ok(1));
        assert_eq!(need(b, "b"), Err(ReadError::Missing("b")));
        assert_eq!(need(c, "c"), Err(ReadError::Missing("c")));
    }
}
