//! Numbers as their digits: exact or refused, never through a float. It must not look at what
//! stands around them.

use enigma_types::Scale;

use super::{DecodeError, DecodeErrorKind};

/// Reads `-?digits[.digits]` from the start of `bytes` and gives the mantissa at `scale`, and how
/// many bytes the number took. Zeros beyond the scale are accepted, other digits are not.
///
/// Leading zeros are accepted, as `rust_decimal` and the venues' own patterns do.
#[inline]
pub(super) fn decimal_prefix(bytes: &[u8], scale: Scale) -> Result<(i64, usize), DecodeError> {
    let negative = bytes.first() == Some(&b'-');
    let begin = usize::from(negative);
    let mut at = begin;
    let mut mantissa: u64 = 0;
    while let Some(digit) = digit_at(bytes, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let whole_digits = at - begin;
    if whole_digits == 0 {
        return Err(no_digit(bytes, at));
    }
    let scale_digits = usize::from(scale.digits());
    let mut fraction_digits = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let fraction = at;
        while let Some(digit) = digit_at(bytes, at) {
            if fraction_digits < scale_digits {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
                fraction_digits += 1;
            } else if digit != 0 {
                return Err(DecodeErrorKind::TooPrecise.at(at));
            }
            at += 1;
        }
        if at == fraction {
            return Err(no_digit(bytes, at));
        }
    }
    for _ in fraction_digits..scale_digits {
        mantissa = mantissa.wrapping_mul(10);
    }
    // Eighteen digits can't overflow; only longer numbers are worth the checked way.
    if whole_digits + scale_digits > 18 {
        mantissa = checked_mantissa(bytes.get(begin..at).unwrap_or_default(), scale_digits)
            .ok_or(DecodeErrorKind::Overflow.at(begin))?;
    }
    let value =
        if negative { 0_i64.checked_sub_unsigned(mantissa) } else { mantissa.try_into().ok() };
    value.map(|value| (value, at)).ok_or(DecodeErrorKind::Overflow.at(begin))
}

/// Reads a JSON integer without a sign, as long as 64 bits hold it.
#[inline]
pub(super) fn unsigned_prefix(bytes: &[u8]) -> Result<(u64, usize), DecodeError> {
    let mut at = 0;
    let mut number: u64 = 0;
    while let Some(digit) = digit_at(bytes, at) {
        number = number
            .checked_mul(10)
            .and_then(|number| number.checked_add(digit))
            .ok_or(DecodeErrorKind::Overflow.at(at))?;
        at += 1;
    }
    match bytes.get(at) {
        _ if at == 0 => Err(no_digit(bytes, at)),
        // JSON knows no leading zeros; a fraction or an exponent is another number.
        _ if at > 1 && bytes.first() == Some(&b'0') => Err(DecodeErrorKind::BadNumber.at(0)),
        Some(b'.' | b'e' | b'E') => Err(DecodeErrorKind::BadNumber.at(at)),
        Some(_) | None => Ok((number, at)),
    }
}

/// The same with an optional minus.
#[inline]
pub(super) fn signed_prefix(bytes: &[u8]) -> Result<(i64, usize), DecodeError> {
    let negative = bytes.first() == Some(&b'-');
    let begin = usize::from(negative);
    let (number, length) = unsigned_prefix(bytes.get(begin..).unwrap_or_default())
        .map_err(|error| error.kind.at(begin + error.at))?;
    let value = if negative { 0_i64.checked_sub_unsigned(number) } else { number.try_into().ok() };
    value.map(|value| (value, begin + length)).ok_or(DecodeErrorKind::Overflow.at(begin))
}

#[inline]
fn digit_at(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    if digit < 10 { Some(u64::from(digit)) } else { None }
}

#[cold]
fn no_digit(bytes: &[u8], at: usize) -> DecodeError {
    let end = at >= bytes.len();
    if end { DecodeErrorKind::UnexpectedEnd.at(at) } else { DecodeErrorKind::BadNumber.at(at) }
}

#[cold]
fn checked_mantissa(digits: &[u8], scale_digits: usize) -> Option<u64> {
    let push = |mantissa: u64, digit: u8| {
        mantissa.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
    };
    let mut parts = digits.split(|&byte| byte == b'.');
    let mantissa = parts.next()?.iter().try_fold(0, |mantissa, &digit| push(mantissa, digit))?;
    let fraction = parts.next().unwrap_or_default().iter().copied().chain(std::iter::repeat(b'0'));
    fraction.take(scale_digits).try_fold(mantissa, push)
}
