//! Exact decimals: a mantissa with a fixed number of fractional digits, read and written as text.

use core::fmt;
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use rust_decimal::Decimal;

/// How many digits stand after the decimal point: 0 to 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(u8);

/// An amount of an asset (fee, balance, notional, profit) in units of 10⁻¹² of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub i128);

/// Why a text is no decimal of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    #[error("empty number")]
    Empty,
    #[error("not a plain decimal number")]
    NotANumber,
    #[error("more fractional digits than the scale of {0} holds")]
    TooPrecise(u8),
    #[error("number too large")]
    Overflow,
    #[error("a scale of {0} is above 12")]
    ScaleTooLarge(u8),
}

/// The text of a decimal, held in place.
#[derive(Clone, Copy)]
pub struct DecimalText {
    bytes: [u8; Self::CAPACITY],
    start: u8,
}

/// Reads a plain decimal (`-12.340`) exactly: zeros beyond the scale are accepted, digits are not.
pub fn parse_decimal(text: &[u8], scale: Scale) -> Result<i64, DecimalError> {
    i64::try_from(parse_wide(text, scale.0)?).map_err(|_| DecimalError::Overflow)
}

impl Scale {
    pub const MAX: u8 = 12;
    pub const ZERO: Self = Self(0);

    pub const fn new(digits: u8) -> Result<Self, DecimalError> {
        if digits > Self::MAX {
            return Err(DecimalError::ScaleTooLarge(digits));
        }
        Ok(Self(digits))
    }

    /// The scale that a decimal text needs, not counting trailing zeros: `0.10` needs 1.
    pub fn of_text(text: &[u8]) -> Result<Self, DecimalError> {
        parse_wide(text, Self::MAX)?;
        let fraction = match text.iter().position(|&byte| byte == b'.') {
            Some(dot) => text.get(dot + 1..).unwrap_or_default(),
            None => &[],
        };
        let digits = fraction.iter().rposition(|&byte| byte != b'0').map_or(0, |last| last + 1);
        Self::new(u8::try_from(digits).unwrap_or(u8::MAX))
    }

    pub const fn digits(self) -> u8 {
        self.0
    }

    /// 10 to the power of the scale.
    pub const fn unit(self) -> i64 {
        10_i64.pow(self.0 as u32)
    }
}

impl Amount {
    pub const ZERO: Self = Self(0);
    /// Fractional digits of every amount.
    pub const DIGITS: u8 = 12;
    const UNIT: i128 = 10_i128.pow(Self::DIGITS as u32);

    /// Reads a plain decimal of at most twelve fractional digits.
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        parse_wide(text, Self::DIGITS).map(Self)
    }

    pub fn from_decimal(value: Decimal) -> Result<Self, DecimalError> {
        rescale(value, u32::from(Self::DIGITS)).map(Self)
    }

    /// The amount as an edge decimal. `rust_decimal` holds 28 digits; what exceeds it saturates.
    pub fn to_decimal(self) -> Decimal {
        Decimal::try_from_i128_with_scale(self.0, u32::from(Self::DIGITS))
            .unwrap_or(if self.0 < 0 { Decimal::MIN } else { Decimal::MAX })
            .normalize()
    }

    pub const fn from_units(units: i64) -> Self {
        Self(units as i128 * Self::UNIT)
    }

    /// As a mantissa at a scale, rounded up where the scale has fewer digits.
    pub fn mantissa_up(self, scale: Scale) -> i64 {
        let unit = 10_i128.pow(u32::from(Self::DIGITS - scale.digits()));
        let up = -((-self.0).div_euclid(unit));
        i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
    }

    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

impl DecimalText {
    const CAPACITY: usize = 32;

    /// Writes the mantissa with exactly as many fractional digits as the scale has.
    pub fn new(mantissa: i64, scale: Scale) -> Self {
        let mut bytes = [0; Self::CAPACITY];
        let mut at = Self::CAPACITY;
        let mut rest = mantissa.unsigned_abs();
        let mut written = 0;
        loop {
            if written == scale.0 && scale.0 > 0 {
                at -= 1;
                bytes[at] = b'.';
            }
            at -= 1;
            bytes[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
            if rest == 0 && written > scale.0 {
                break;
            }
        }
        if mantissa < 0 {
            at -= 1;
            bytes[at] = b'-';
        }
        Self { bytes, start: at as u8 }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or_default()
    }

    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let unit = Self::UNIT.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, mut fraction) = (magnitude / unit, magnitude % unit);
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let mut digits = usize::from(Self::DIGITS);
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, "{sign}{whole}.{fraction:0digits$}")
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

/// The mantissa of an edge decimal at the given scale, if it is exact there.
pub(crate) fn rescale(value: Decimal, digits: u32) -> Result<i128, DecimalError> {
    let value = value.normalize();
    let Some(missing) = digits.checked_sub(value.scale()) else {
        return Err(DecimalError::TooPrecise(u8::try_from(digits).unwrap_or(u8::MAX)));
    };
    10_i128
        .checked_pow(missing)
        .and_then(|factor| value.mantissa().checked_mul(factor))
        .ok_or(DecimalError::Overflow)
}

fn parse_wide(text: &[u8], digits: u8) -> Result<i128, DecimalError> {
    let (negative, body) = match text {
        [] => return Err(DecimalError::Empty),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut mantissa: i128 = 0;
    let mut seen = false;
    let mut fraction: Option<u8> = None;
    for &byte in body {
        match (byte, fraction) {
            (b'0'..=b'9', None) => mantissa = push_digit(mantissa, byte)?,
            (b'0'..=b'9', Some(count)) if count < digits => {
                mantissa = push_digit(mantissa, byte)?;
                fraction = Some(count + 1);
            }
            (b'0', Some(_)) => {}
            (b'1'..=b'9', Some(_)) => return Err(DecimalError::TooPrecise(digits)),
            (b'.', None) if seen => {
                fraction = Some(0);
                seen = false;
                continue;
            }
            _ => return Err(DecimalError::NotANumber),
        }
        seen = true;
    }
    if !seen {
        return Err(DecimalError::NotANumber);
    }
    for _ in fraction.unwrap_or(0)..digits {
        mantissa = mantissa.checked_mul(10).ok_or(DecimalError::Overflow)?;
    }
    Ok(if negative { -mantissa } else { mantissa })
}

fn push_digit(mantissa: i128, byte: u8) -> Result<i128, DecimalError> {
    mantissa
        .checked_mul(10)
        .and_then(|value| value.checked_add(i128::from(byte - b'0')))
        .ok_or(DecimalError::Overflow)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, digits: u8, expected: Result<i64, DecimalError>) {
        let scale = Scale::new(digits).expect("a scale of the table");
        assert_eq!(parse_decimal(text.as_bytes(), scale), expected, "{text} at {digits}");
    }

    #[test]
    fn plain_decimals_are_exact_and_everything_else_is_refused() {
        check("61800.20", 1, Ok(618_002));
        check("61800.20", 2, Ok(6_180_020));
        check("-0.5", 3, Ok(-500));
        check("7", 0, Ok(7));
        check("0.000", 2, Ok(0));
        check("61800.21", 1, Err(DecimalError::TooPrecise(1)));
        check("", 2, Err(DecimalError::Empty));
        for text in ["-", ".", ".5", "5.", "1e3", "+1", "NaN", "Infinity", "1.2.3", " 1", "0x1"] {
            check(text, 2, Err(DecimalError::NotANumber));
        }
        check("9223372036854775808", 0, Err(DecimalError::Overflow));
        check("99999999999999999999999999999999999999999", 0, Err(DecimalError::Overflow));
    }

    #[test]
    fn text_of_a_decimal_keeps_its_scale() {
        let text = |mantissa, digits| {
            DecimalText::new(mantissa, Scale::new(digits).expect("a scale")).as_str().to_owned()
        };
        assert_eq!(text(618_002, 1), "61800.2");
        assert_eq!(text(-5, 3), "-0.005");
        assert_eq!(text(0, 2), "0.00");
        assert_eq!(text(i64::MIN, 12), "-9223372.036854775808");
        assert_eq!(text(42, 0), "42");
    }

    #[test]
    fn scale_of_a_text_ignores_trailing_zeros() {
        for (text, digits) in [("0.10", 1), ("0.001", 3), ("1", 0), ("1.000", 0)] {
            assert_eq!(Scale::of_text(text.as_bytes()), Scale::new(digits), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(mantissa: i64, digits in 0_u8..=12) {
            let scale = Scale::new(digits).expect("a scale");
            let text = DecimalText::new(mantissa, scale);
            proptest::prop_assert_eq!(parse_decimal(text.as_bytes(), scale), Ok(mantissa));
        }

        #[test]
        fn amounts_print_what_they_parse(mantissa in -10_i128.pow(27)..10_i128.pow(27)) {
            let amount = Amount(mantissa);
            proptest::prop_assert_eq!(Amount::parse(amount.to_string().as_bytes()), Ok(amount));
            proptest::prop_assert_eq!(Amount::from_decimal(amount.to_decimal()), Ok(amount));
        }
    }
}
