//! A cursor over a message whose shape is known. It must not skip what it wasn't told to skip: the
//! first byte that differs from the expected shape is an error, and the caller falls back.

use enigma_types::Scale;

use super::number::{decimal_prefix, signed_prefix, unsigned_prefix};
use super::{DEPTH_MAX, DecodeError, DecodeErrorKind};

/// A cursor over JSON text. The text is taken for valid UTF-8, as a WebSocket text is.
#[derive(Clone, Copy, Debug)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes lie behind the cursor.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// What lies ahead.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[must_use]
    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over exactly these bytes. A literal's length is known when it is compiled, so that
    /// the comparison is a few wide loads.
    #[inline]
    pub fn expect_literal<const N: usize>(&mut self, literal: &[u8; N]) -> Result<(), DecodeError> {
        if self.try_literal(literal) { Ok(()) } else { Err(self.mismatch(literal)) }
    }

    /// Steps over these bytes if they come next.
    #[inline]
    pub fn try_literal<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        let found = self.rest().first_chunk::<N>() == Some(literal);
        if found {
            self.at += N;
        }
        found
    }

    /// The message ends here, but for white space.
    #[inline]
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        self.skip_whitespace();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.error(DecodeErrorKind::TrailingBytes))
        }
    }

    #[inline]
    pub fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// A decimal in quotes, as its mantissa at `scale`.
    #[inline]
    pub fn decimal(&mut self, scale: Scale) -> Result<i64, DecodeError> {
        self.byte(b'"')?;
        let value = self.bare_decimal(scale)?;
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(value)
            }
            Some(_) => Err(self.error(DecodeErrorKind::BadNumber)),
            None => Err(self.error(DecodeErrorKind::UnexpectedEnd)),
        }
    }

    /// A decimal without quotes and without an exponent.
    #[inline]
    pub fn number_decimal(&mut self, scale: Scale) -> Result<i64, DecodeError> {
        let begin = self.at;
        let value = self.bare_decimal(scale)?;
        let digits = self.bytes.get(begin..self.at).unwrap_or_default();
        let digits = digits.strip_prefix(b"-").unwrap_or(digits);
        if matches!(digits, [b'0', b'0'..=b'9', ..]) || matches!(self.peek(), Some(b'e' | b'E')) {
            return Err(DecodeErrorKind::BadNumber.at(begin));
        }
        Ok(value)
    }

    /// An integer without quotes, zero or more.
    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        let (value, length) = unsigned_prefix(self.rest()).map_err(|error| self.shifted(error))?;
        self.at += length;
        Ok(value)
    }

    /// An integer without quotes.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let (value, length) = signed_prefix(self.rest()).map_err(|error| self.shifted(error))?;
        self.at += length;
        Ok(value)
    }

    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        if self.try_literal(b"true") {
            Ok(true)
        } else if self.try_literal(b"false") {
            Ok(false)
        } else {
            Err(self.error(DecodeErrorKind::WrongType))
        }
    }

    /// A text without escapes, borrowed from between its quotes.
    #[inline]
    pub fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        self.byte(b'"')?;
        let begin = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let text = self.bytes.get(begin..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => return Err(self.error(DecodeErrorKind::EscapedText)),
                Some(0x00..=0x1F) => return Err(self.error(DecodeErrorKind::BadText)),
                Some(_) => self.at += 1,
                None => return Err(self.error(DecodeErrorKind::UnexpectedEnd)),
            }
        }
    }

    /// Steps over one value of any kind and gives its bytes. Brackets are matched and quotes
    /// honoured; what a number or a word inside looks like isn't checked.
    pub fn skip_value(&mut self) -> Result<&'a [u8], DecodeError> {
        let begin = self.at;
        match self.peek() {
            Some(b'"') => self.skip_string()?,
            Some(b'{' | b'[') => self.skip_nested()?,
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => self.skip_word(),
            Some(_) => return Err(self.error(DecodeErrorKind::UnexpectedByte)),
            None => return Err(self.error(DecodeErrorKind::UnexpectedEnd)),
        }
        Ok(self.bytes.get(begin..self.at).unwrap_or_default())
    }

    #[inline]
    pub(super) fn byte(&mut self, byte: u8) -> Result<(), DecodeError> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.error(DecodeErrorKind::UnexpectedByte)),
            None => Err(self.error(DecodeErrorKind::UnexpectedEnd)),
        }
    }

    pub(super) fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        kind.at(self.at)
    }

    #[inline]
    fn bare_decimal(&mut self, scale: Scale) -> Result<i64, DecodeError> {
        let (value, length) =
            decimal_prefix(self.rest(), scale).map_err(|error| self.shifted(error))?;
        self.at += length;
        Ok(value)
    }

    /// An error of a part, told from the start of the whole.
    fn shifted(&self, error: DecodeError) -> DecodeError {
        error.kind.at(self.at + error.at)
    }

    #[cold]
    fn mismatch(&self, literal: &[u8]) -> DecodeError {
        let rest = self.rest();
        let same = rest.iter().zip(literal).take_while(|(found, wanted)| found == wanted).count();
        let ends = same == rest.len();
        let kind =
            if ends { DecodeErrorKind::UnexpectedEnd } else { DecodeErrorKind::LiteralMismatch };
        kind.at(self.at + same)
    }

    /// Byte by byte: the texts of venues are short, and a vector search begins slowly.
    fn skip_string(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                // A backslash takes the next byte with it, whatever that is.
                Some(b'\\') => self.at = self.bytes.len().min(self.at + 2),
                Some(_) => self.at += 1,
                None => return Err(self.error(DecodeErrorKind::UnexpectedEnd)),
            }
        }
    }

    fn skip_nested(&mut self) -> Result<(), DecodeError> {
        let mut depth = 0;
        // One bit for each level, the innermost lowest: set for an object.
        let mut objects: u64 = 0;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.skip_string()?;
                    continue;
                }
                Some(opening @ (b'{' | b'[')) => {
                    if depth == DEPTH_MAX {
                        return Err(self.error(DecodeErrorKind::TooDeep));
                    }
                    depth += 1;
                    objects = objects << 1 | u64::from(opening == b'{');
                }
                Some(closing @ (b'}' | b']')) => {
                    if (objects & 1 == 1) != (closing == b'}') {
                        return Err(self.error(DecodeErrorKind::UnexpectedByte));
                    }
                    depth -= 1;
                    objects >>= 1;
                }
                Some(_) => {}
                None => return Err(self.error(DecodeErrorKind::UnexpectedEnd)),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn skip_word(&mut self) {
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') = self.peek() {
            self.at += 1;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn scale(digits: u8) -> Scale {
        Scale::new(digits).unwrap()
    }

    #[track_caller]
    fn check_decimal(text: &str, digits: u8, expected: Result<i64, (DecodeErrorKind, usize)>) {
        let mut scanner = Scanner::new(text.as_bytes());
        let found = scanner.decimal(scale(digits));
        assert_eq!(found, expected.map_err(|(kind, at)| kind.at(at)), "{text} at scale {digits}");
        if found.is_ok() {
            assert_eq!(scanner.finish(), Ok(()));
        }
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        use DecodeErrorKind::{BadNumber, Overflow, TooPrecise, UnexpectedByte, UnexpectedEnd};
        check_decimal("\"25.35190000\"", 8, Ok(2_535_190_000));
        check_decimal("\"25.35190000\"", 4, Ok(253_519));
        check_decimal("\"25.35190000\"", 3, Err((TooPrecise, 7)));
        check_decimal("\"25\"", 2, Ok(2_500));
        check_decimal("\"25.1\"", 2, Ok(2_510));
        check_decimal("\"-0.5\"", 1, Ok(-5));
        check_decimal("\"-0\"", 1, Ok(0));
        check_decimal("\"007.10\"", 1, Ok(71));
        check_decimal("\"9223372036854775807\"", 0, Ok(i64::MAX));
        check_decimal("\"-9223372036854775808\"", 0, Ok(i64::MIN));
        check_decimal("\"9223372036854775808\"", 0, Err((Overflow, 1)));
        check_decimal("\"-9223372036854775809\"", 0, Err((Overflow, 2)));
        check_decimal("\"9223372.036854775807\"", 12, Ok(i64::MAX));
        check_decimal("\"9223372.036854775808\"", 12, Err((Overflow, 1)));
        check_decimal("\"18446744073709551617\"", 0, Err((Overflow, 1)));
        check_decimal("\"000000000000000000000001.5\"", 1, Ok(15));
        check_decimal("\"1.50000000000000000000000\"", 1, Ok(15));
        check_decimal("\"\"", 2, Err((BadNumber, 1)));
        check_decimal("\"-\"", 2, Err((BadNumber, 2)));
        check_decimal("\".5\"", 2, Err((BadNumber, 1)));
        check_decimal("\"5.\"", 2, Err((BadNumber, 3)));
        check_decimal("\"+5\"", 2, Err((BadNumber, 1)));
        check_decimal("\"1e3\"", 2, Err((BadNumber, 2)));
        check_decimal("\"1.2.3\"", 2, Err((BadNumber, 4)));
        check_decimal("\"NaN\"", 2, Err((BadNumber, 1)));
        check_decimal("\"Infinity\"", 2, Err((BadNumber, 1)));
        check_decimal("\" 1\"", 2, Err((BadNumber, 1)));
        check_decimal("\"1 \"", 2, Err((BadNumber, 2)));
        check_decimal("1.5", 2, Err((UnexpectedByte, 0)));
        check_decimal("\"1.5", 2, Err((UnexpectedEnd, 4)));
        check_decimal("\"", 2, Err((UnexpectedEnd, 1)));
        check_decimal("", 2, Err((UnexpectedEnd, 0)));
    }

    #[test]
    fn a_template_reads_a_ticker_in_one_pass() {
        let text = br#"{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","m":true,"T":-5} "#;
        let mut scanner = Scanner::new(text);
        scanner.expect_literal(b"{\"u\":").unwrap();
        assert_eq!(scanner.unsigned(), Ok(400_900_217));
        scanner.expect_literal(b",\"s\":").unwrap();
        assert_eq!(scanner.string(), Ok(b"BNBUSDT".as_slice()));
        assert!(!scanner.try_literal(b",\"a\":"));
        scanner.expect_literal(b",\"b\":").unwrap();
        assert_eq!(scanner.decimal(scale(2)), Ok(2_535));
        scanner.expect_literal(b",\"B\":").unwrap();
        assert_eq!(scanner.skip_value(), Ok(b"\"31.21\"".as_slice()));
        scanner.expect_literal(b",\"m\":").unwrap();
        assert_eq!(scanner.boolean(), Ok(true));
        scanner.expect_literal(b",\"T\":").unwrap();
        assert_eq!(scanner.signed(), Ok(-5));
        scanner.expect_literal(b"}").unwrap();
        assert_eq!(scanner.finish(), Ok(()));
    }

    #[test]
    fn a_mismatch_is_told_at_its_first_byte() {
        let mut scanner = Scanner::new(b"{\"e\":\"trade\"}");
        let error = scanner.expect_literal(b"{\"e\":\"depthUpdate\"").unwrap_err();
        assert_eq!(error, DecodeErrorKind::LiteralMismatch.at(6));
        assert_eq!(scanner.position(), 0);
        let mut cut = Scanner::new(b"{\"e");
        let error = cut.expect_literal(b"{\"e\":").unwrap_err();
        assert_eq!(error, DecodeErrorKind::UnexpectedEnd.at(3));
    }

    #[test]
    fn integers_refuse_what_is_no_integer() {
        use DecodeErrorKind::{BadNumber, Overflow, UnexpectedEnd};
        let unsigned = |text: &str| Scanner::new(text.as_bytes()).unsigned();
        assert_eq!(unsigned("0,"), Ok(0));
        assert_eq!(unsigned("18446744073709551615}"), Ok(u64::MAX));
        assert_eq!(unsigned("18446744073709551616"), Err(Overflow.at(0)));
        assert_eq!(unsigned("01"), Err(BadNumber.at(0)));
        assert_eq!(unsigned("1.0"), Err(BadNumber.at(1)));
        assert_eq!(unsigned("1e3"), Err(BadNumber.at(1)));
        assert_eq!(unsigned("-1"), Err(BadNumber.at(0)));
        assert_eq!(unsigned("\"1\""), Err(BadNumber.at(0)));
        assert_eq!(unsigned(""), Err(UnexpectedEnd.at(0)));
        let signed = |text: &str| Scanner::new(text.as_bytes()).signed();
        assert_eq!(signed("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(signed("-9223372036854775809"), Err(Overflow.at(1)));
        assert_eq!(signed("9223372036854775808"), Err(Overflow.at(0)));
        assert_eq!(signed("--1"), Err(BadNumber.at(1)));
        let bare = |text: &str| Scanner::new(text.as_bytes()).number_decimal(scale(2));
        assert_eq!(bare("-1.5,"), Ok(-150));
        assert_eq!(bare("0.5"), Ok(50));
        assert_eq!(bare("01.5"), Err(BadNumber.at(0)));
        assert_eq!(bare("1.5e3"), Err(BadNumber.at(0)));
    }

    #[test]
    fn plain_strings_are_borrowed_and_others_refused() {
        use DecodeErrorKind::{BadText, EscapedText, UnexpectedEnd};
        let string = |text: &'static str| Scanner::new(text.as_bytes()).string();
        assert_eq!(string("\"\""), Ok(b"".as_slice()));
        assert_eq!(string("\"ä\""), Ok("ä".as_bytes()));
        assert_eq!(string("\"a\\n\""), Err(EscapedText.at(2)));
        assert_eq!(string("\"a\n\""), Err(BadText.at(2)));
        assert_eq!(string("\"a"), Err(UnexpectedEnd.at(2)));
    }

    #[test]
    fn skipping_honours_quotes_brackets_and_depth() {
        use DecodeErrorKind::{TooDeep, UnexpectedByte, UnexpectedEnd};
        let skip = |text: &str| Scanner::new(text.as_bytes()).skip_value().map(<[u8]>::len);
        assert_eq!(skip(r#"{"a":["}",{"b":"\\\"]"}]},1"#), Ok(25));
        assert_eq!(skip(r#""a\"b","#), Ok(6));
        assert_eq!(skip("-1.5e+3,"), Ok(7));
        assert_eq!(skip("null]"), Ok(4));
        assert_eq!(skip("[}"), Err(UnexpectedByte.at(1)));
        assert_eq!(skip("[1"), Err(UnexpectedEnd.at(2)));
        assert_eq!(skip("\"\\"), Err(UnexpectedEnd.at(2)));
        assert_eq!(skip(","), Err(UnexpectedByte.at(0)));
        assert_eq!(skip(&("[".repeat(64) + &"]".repeat(64))), Ok(128));
        assert_eq!(skip(&"[".repeat(65)), Err(TooDeep.at(64)));
    }
}
