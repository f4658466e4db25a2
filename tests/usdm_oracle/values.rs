//! Single values of a message: each of its type and in its range, or refused by its key.

use serde_json::{Map, Value};

use super::{Exact, exact, one_at, truncated};

/// Why a message says nothing that could be used: the key at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) &'static str);

pub(super) type Read<T> = Result<T, Refusal>;

pub(super) fn object<'a>(value: &'a Value, key: &'static str) -> Read<&'a Map<String, Value>> {
    value.as_object().ok_or(Refusal(key))
}

/// Null is as good as absent.
pub(super) fn present<'a>(row: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    row.get(key).filter(|value| !value.is_null())
}

pub(super) fn need<'a>(row: &'a Map<String, Value>, key: &'static str) -> Read<&'a Value> {
    present(row, key).ok_or(Refusal(key))
}

pub(super) fn text<'a>(value: &'a Value, key: &'static str) -> Read<&'a str> {
    value.as_str().ok_or(Refusal(key))
}

pub(super) fn boolean(value: &Value, key: &'static str) -> Read<bool> {
    value.as_bool().ok_or(Refusal(key))
}

pub(super) fn optional_boolean(row: &Map<String, Value>, key: &'static str) -> Read<bool> {
    present(row, key).map_or(Ok(false), |value| boolean(value, key))
}

pub(super) fn optional_list<'a>(
    row: &'a Map<String, Value>,
    key: &'static str,
) -> Read<&'a [Value]> {
    let list = present(row, key).map(|value| value.as_array().ok_or(Refusal(key)));
    Ok(list.transpose()?.map_or(&[], Vec::as_slice))
}

/// The digits of a number, in quotes or bare.
fn decimal_text(value: &Value, key: &'static str) -> Read<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(Refusal(key)),
    }
}

pub(super) fn amount(value: &Value, key: &'static str) -> Read<Exact> {
    exact(&decimal_text(value, key)?).ok_or(Refusal(key))
}

pub(super) fn positive(value: &Value, digits: u8, key: &'static str) -> Read<Exact> {
    let value = on_grid(value, digits, key)?;
    if value < 0 { Err(Refusal(key)) } else { Ok(value) }
}

pub(super) fn on_grid(value: &Value, digits: u8, key: &'static str) -> Read<Exact> {
    let value = amount(value, key)?;
    if value % one_at(digits) == 0 { fitting(value, digits, key) } else { Err(Refusal(key)) }
}

/// The engine counts in 64 bits.
fn fitting(value: Exact, digits: u8, key: &'static str) -> Read<Exact> {
    i64::try_from(value / one_at(digits)).map(|_| value).map_err(|_| Refusal(key))
}

/// An average price, its digits beyond the scale cut off.
pub(super) fn cut(value: &Value, digits: u8, key: &'static str) -> Read<Exact> {
    let cut = truncated(&decimal_text(value, key)?, usize::from(digits));
    fitting(cut.ok_or(Refusal(key))?, digits, key)
}

/// An integer without a sign, in quotes or bare, and without leading zeros.
pub(super) fn integer(value: &Value) -> Read<u64> {
    let digits = decimal_text(value, "integer")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let leading = digits.len() > 1 && digits.starts_with('0');
    digits.parse().ok().filter(|_| plain && !leading).ok_or(Refusal("integer"))
}

pub(super) fn number(row: &Map<String, Value>, key: &'static str) -> Read<u64> {
    integer(need(row, key)?).map_err(|_| Refusal(key))
}

pub(super) fn signed(value: &Value, key: &'static str) -> Read<i64> {
    let digits = decimal_text(value, key)?;
    let magnitude = digits.strip_prefix('-').unwrap_or(&digits);
    integer(&Value::String(magnitude.to_owned())).map_err(|_| Refusal(key))?;
    digits.parse().map_err(|_| Refusal(key))
}

/// Milliseconds since 1970 as nanoseconds; a time past the year 2554 is the end of time.
pub(super) fn time(row: &Map<String, Value>, key: &'static str) -> Read<u64> {
    Ok(number(row, key)?.saturating_mul(1_000_000))
}

pub(super) fn optional_time(row: &Map<String, Value>, key: &'static str) -> Read<u64> {
    if present(row, key).is_none() { Ok(0) } else { time(row, key) }
}

pub(super) fn asset(value: &Value) -> Read<String> {
    let name = text(value, "asset")?;
    if name.len() > 16 { Err(Refusal("asset")) } else { Ok(name.to_owned()) }
}
