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
        mantissa = push_digit(mantissa, digit);
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
        if scale_digits >= 8
            && let Some(digits) = eight_digits(bytes, at)
        {
            mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(digits);
            fraction_digits = 8;
            at += 8;
        }
        while let Some(digit) = digit_at(bytes, at) {
            if fraction_digits < scale_digits {
                mantissa = push_digit(mantissa, digit);
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
    let missing = POWERS_OF_TEN.get(scale_digits - fraction_digits).copied().unwrap_or_default();
    mantissa = mantissa.wrapping_mul(missing);
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
    if let Some(digits) = eight_digits(bytes, 0) {
        number = digits;
        at = 8;
    }
    while let Some(digit) = digit_at(bytes, at) {
        number = push_digit(number, digit);
        at += 1;
    }
    // Nineteen digits can't overflow 64 bits.
    if at > 19 {
        let digits = bytes.get(..at).unwrap_or_default();
        number = checked_mantissa(digits, 0).ok_or(DecodeErrorKind::Overflow.at(0))?;
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

#[inline]
fn push_digit(number: u64, digit: u64) -> u64 {
    number.wrapping_mul(10).wrapping_add(digit)
}

/// Eight digits at once: neighbours are joined to pairs, pairs to fours, fours to the whole
/// (Lemire, "Quickly parsing eight digits", 2018).
#[inline]
fn eight_digits(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk = u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?);
    let digits = chunk ^ 0x3030_3030_3030_3030;
    // A byte above nine carries into its high half, and a high half was set already.
    if (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_FFFF_0000_FFFF;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xFFFF_FFFF)
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

const POWERS_OF_TEN: [u64; Scale::MAX as usize + 1] = {
    let mut powers = [1; Scale::MAX as usize + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_told_from_every_other_byte() {
        assert_eq!(eight_digits(b"x12345678", 1), Some(12_345_678));
        assert_eq!(eight_digits(b"99999999", 0), Some(99_999_999));
        assert_eq!(eight_digits(b"1234567", 0), None);
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                let mut bytes = *b"90909090";
                bytes[place] = byte;
                let expected = str::from_utf8(&bytes)
                    .ok()
                    .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                    .and_then(|text| text.parse().ok());
                assert_eq!(eight_digits(&bytes, 0), expected, "{byte} at {place}");
            }
        }
    }
}
