//! Decimals as whole numbers of 10⁻¹², digit by digit: slow, and nothing can be wrong with it.

/// A decimal in units of 10⁻¹².
pub(crate) type Exact = i128;

const DIGITS: usize = 12;

/// Reads `-?digits[.digits]`; anything else, or digits beyond the twelfth, is none.
pub(crate) fn exact(text: &str) -> Option<Exact> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let (whole, fraction) = match body.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (body, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let kept = fraction.get(..DIGITS.min(fraction.len()))?;
    if fraction.get(kept.len()..)?.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let mut value: Exact = 0;
    let padding = std::iter::repeat_n(b'0', DIGITS - kept.len());
    for digit in whole.bytes().chain(kept.bytes()).chain(padding) {
        value = value.checked_mul(10)?.checked_add(Exact::from(digit - b'0'))?;
    }
    Some(if negative { -value } else { value })
}

/// The same, with what stands behind `digits` of the fraction cut off, as long as it is digits.
pub(crate) fn truncated(text: &str, digits: usize) -> Option<Exact> {
    let Some((whole, fraction)) = text.split_once('.') else { return exact(text) };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) || fraction.is_empty() {
        return None;
    }
    match fraction.get(..digits.min(fraction.len()))? {
        "" => exact(whole),
        kept => exact(&format!("{whole}.{kept}")),
    }
}

/// One unit of the last of `digits` fractional digits.
pub(crate) fn one_at(digits: u8) -> Exact {
    10_i128.pow(DIGITS as u32 - u32::from(digits))
}

#[test]
fn texts_that_are_no_plain_decimals_are_none() {
    for text in ["", "-", ".", "1.", ".5", "1e3", "+1", "NaN", " 1", "1 ", "0x1", "1.2.3", "١"] {
        assert_eq!(exact(text), None, "{text}");
    }
    assert_eq!(exact("1.0000000000001"), None);
    assert_eq!(exact("-0012.500"), Some(-12_500_000_000_000));
    assert_eq!(exact("1.0000000000000"), Some(1_000_000_000_000));
    assert_eq!(truncated("-6563.69", 1), exact("-6563.6"));
    assert_eq!(truncated("6563.69", 0), exact("6563"));
    assert_eq!(truncated("6563.6x", 1), None);
    assert_eq!(one_at(3) * 1_000, one_at(0));
}
