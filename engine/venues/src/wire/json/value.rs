//! Fields in any order: a walk over an object or an array that gives each value as its bytes, and
//! typed readings of such a value. It must not copy, except a text whose escapes are resolved into
//! the caller's buffer.

use enigma_types::Scale;

use super::{DecodeError, DecodeErrorKind, Scanner};

/// The bytes of one value, without white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawValue<'a> {
    bytes: &'a [u8],
    /// Where it stands in the message, for errors.
    at: usize,
}

/// The values of an array, in order. After an error it ends.
#[derive(Clone, Debug)]
pub struct ArrayItems<'a> {
    scanner: Scanner<'a>,
    base: usize,
    state: ItemsState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemsState {
    Begin,
    Inside,
    Done,
}

/// Visits the fields of the object that `message` is, in one pass: each key without its quotes and
/// its value. A repeated key is visited twice. A key with an escape is refused, because a plain
/// comparison would miss it.
pub fn for_each_field<'a, E: From<DecodeError>>(
    message: &'a [u8],
    visit: impl FnMut(&'a [u8], RawValue<'a>) -> Result<(), E>,
) -> Result<(), E> {
    visit_fields(message, 0, visit)
}

impl<'a> RawValue<'a> {
    /// Takes a whole message for one value.
    pub fn of_message(message: &'a [u8]) -> Result<Self, DecodeError> {
        let mut scanner = Scanner::new(message);
        scanner.skip_whitespace();
        let at = scanner.position();
        let bytes = scanner.skip_value()?;
        scanner.finish()?;
        Ok(Self { bytes, at })
    }

    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the value begins in the message.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        self.bytes == b"null"
    }

    /// A decimal, in quotes or bare, as its mantissa at `scale`.
    #[inline]
    pub fn as_decimal(&self, scale: Scale) -> Result<i64, DecodeError> {
        self.read(|scanner, quoted| match quoted {
            true => scanner.decimal(scale),
            false => scanner.number_decimal(scale),
        })
    }

    /// An integer, in quotes or bare.
    #[inline]
    pub fn as_u64(&self) -> Result<u64, DecodeError> {
        self.read(|scanner, quoted| within_quotes(scanner, quoted, Scanner::unsigned))
    }

    /// An integer, in quotes or bare.
    #[inline]
    pub fn as_i64(&self) -> Result<i64, DecodeError> {
        self.read(|scanner, quoted| within_quotes(scanner, quoted, Scanner::signed))
    }

    pub fn as_bool(&self) -> Result<bool, DecodeError> {
        match self.bytes {
            b"true" => Ok(true),
            b"false" => Ok(false),
            _ => Err(DecodeErrorKind::WrongType.at(self.at)),
        }
    }

    /// A text without escapes, as its bytes.
    #[inline]
    pub fn as_plain(&self) -> Result<&'a [u8], DecodeError> {
        self.read(|scanner, quoted| match quoted {
            true => scanner.string(),
            false => Err(scanner.error(DecodeErrorKind::WrongType)),
        })
    }

    /// A text, borrowed if it has no escapes and else resolved into `buffer`.
    pub fn as_str<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b str, DecodeError>
    where
        'a: 'b,
    {
        let text = match self.as_plain() {
            Err(DecodeError { kind: DecodeErrorKind::EscapedText, .. }) => {
                let inside = self.bytes.get(1..self.bytes.len() - 1).unwrap_or_default();
                let length = unescape(inside, buffer).map_err(|kind| kind.at(self.at))?;
                buffer.get(..length).unwrap_or_default()
            }
            plain => plain?,
        };
        std::str::from_utf8(text).map_err(|_| DecodeErrorKind::BadText.at(self.at))
    }

    /// The fields, if this is an object.
    pub fn for_each_field<E: From<DecodeError>>(
        &self,
        visit: impl FnMut(&'a [u8], RawValue<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.bytes.first() != Some(&b'{') {
            return Err(DecodeErrorKind::WrongType.at(self.at).into());
        }
        visit_fields(self.bytes, self.at, visit)
    }

    /// The items, if this is an array.
    pub fn iter_array(&self) -> Result<ArrayItems<'a>, DecodeError> {
        if self.bytes.first() != Some(&b'[') {
            return Err(DecodeErrorKind::WrongType.at(self.at));
        }
        let scanner = Scanner::new(self.bytes);
        Ok(ArrayItems { scanner, base: self.at, state: ItemsState::Begin })
    }

    /// Reads the value whole: nothing may be left over.
    #[inline]
    fn read<T>(
        &self,
        read: impl FnOnce(&mut Scanner<'a>, bool) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let mut scanner = Scanner::new(self.bytes);
        let shifted = |error: DecodeError| error.kind.at(self.at + error.at);
        let quoted = match self.bytes.first() {
            Some(b'"') => true,
            Some(b'-' | b'0'..=b'9') => false,
            Some(_) | None => return Err(DecodeErrorKind::WrongType.at(self.at)),
        };
        let value = read(&mut scanner, quoted).map_err(shifted)?;
        scanner.finish().map_err(|error| DecodeErrorKind::BadNumber.at(self.at + error.at))?;
        Ok(value)
    }
}

impl<'a> Iterator for ArrayItems<'a> {
    type Item = Result<RawValue<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.next_item();
        if !matches!(item, Ok(Some(_))) {
            self.state = ItemsState::Done;
        }
        item.transpose()
    }
}

impl<'a> ArrayItems<'a> {
    fn next_item(&mut self) -> Result<Option<RawValue<'a>>, DecodeError> {
        let base = self.base;
        let shifted = move |error: DecodeError| error.kind.at(base + error.at);
        match self.state {
            ItemsState::Done => return Ok(None),
            ItemsState::Begin => {
                self.scanner.byte(b'[').map_err(shifted)?;
                self.scanner.skip_whitespace();
                if self.scanner.try_literal(b"]") {
                    return self.scanner.finish().map(|()| None).map_err(shifted);
                }
                self.state = ItemsState::Inside;
            }
            ItemsState::Inside => {
                self.scanner.skip_whitespace();
                if self.scanner.try_literal(b"]") {
                    return self.scanner.finish().map(|()| None).map_err(shifted);
                }
                self.scanner.byte(b',').map_err(shifted)?;
                self.scanner.skip_whitespace();
            }
        }
        let at = base + self.scanner.position();
        let bytes = self.scanner.skip_value().map_err(shifted)?;
        Ok(Some(RawValue { bytes, at }))
    }
}

fn visit_fields<'a, E: From<DecodeError>>(
    object: &'a [u8],
    base: usize,
    mut visit: impl FnMut(&'a [u8], RawValue<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let shifted = |error: DecodeError| error.kind.at(base + error.at);
    let mut scanner = Scanner::new(object);
    scanner.skip_whitespace();
    scanner.byte(b'{').map_err(shifted)?;
    scanner.skip_whitespace();
    if !scanner.try_literal(b"}") {
        loop {
            let key = scanner.string().map_err(shifted)?;
            scanner.skip_whitespace();
            scanner.byte(b':').map_err(shifted)?;
            scanner.skip_whitespace();
            let at = base + scanner.position();
            let bytes = scanner.skip_value().map_err(shifted)?;
            visit(key, RawValue { bytes, at })?;
            scanner.skip_whitespace();
            if scanner.try_literal(b"}") {
                break;
            }
            scanner.byte(b',').map_err(shifted)?;
            scanner.skip_whitespace();
        }
    }
    scanner.finish().map_err(shifted)?;
    Ok(())
}

#[inline]
fn within_quotes<'a, T>(
    scanner: &mut Scanner<'a>,
    quoted: bool,
    read: impl FnOnce(&mut Scanner<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    if !quoted {
        return read(scanner);
    }
    scanner.byte(b'"')?;
    let value = read(scanner)?;
    scanner.byte(b'"').map_err(|error| DecodeErrorKind::BadNumber.at(error.at))?;
    Ok(value)
}

/// Resolves the escapes of a text (RFC 8259 section 7) and gives the length of the result.
fn unescape(text: &[u8], out: &mut [u8]) -> Result<usize, DecodeErrorKind> {
    let mut length = 0;
    let mut push = |bytes: &[u8]| {
        let room = out.get_mut(length..length + bytes.len()).ok_or(DecodeErrorKind::TextTooLong)?;
        room.copy_from_slice(bytes);
        length += bytes.len();
        Ok(())
    };
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => {
                let (&escape, after) = rest.split_first().ok_or(DecodeErrorKind::BadText)?;
                rest = after;
                match escape {
                    b'"' | b'\\' | b'/' => push(&[escape])?,
                    b'b' => push(b"\x08")?,
                    b'f' => push(b"\x0c")?,
                    b'n' => push(b"\n")?,
                    b'r' => push(b"\r")?,
                    b't' => push(b"\t")?,
                    b'u' => push(code_point(&mut rest)?.encode_utf8(&mut [0; 4]).as_bytes())?,
                    _ => return Err(DecodeErrorKind::BadText),
                }
            }
            0x00..=0x1F | b'"' => return Err(DecodeErrorKind::BadText),
            _ => push(&[byte])?,
        }
    }
    Ok(length)
}

/// The character behind `\u`, which above U+FFFF is a pair of surrogates.
fn code_point(rest: &mut &[u8]) -> Result<char, DecodeErrorKind> {
    let first = four_hex_digits(rest)?;
    let code = match first {
        0xD800..=0xDBFF => {
            *rest = rest.strip_prefix(b"\\u").ok_or(DecodeErrorKind::BadText)?;
            match four_hex_digits(rest)? {
                second @ 0xDC00..=0xDFFF => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                _ => return Err(DecodeErrorKind::BadText),
            }
        }
        code => code,
    };
    char::from_u32(code).ok_or(DecodeErrorKind::BadText)
}

fn four_hex_digits(rest: &mut &[u8]) -> Result<u32, DecodeErrorKind> {
    let (digits, after) = rest.split_first_chunk::<4>().ok_or(DecodeErrorKind::BadText)?;
    *rest = after;
    digits.iter().try_fold(0, |code, &byte| {
        let digit = char::from(byte).to_digit(16).ok_or(DecodeErrorKind::BadText)?;
        Ok(code << 4 | digit)
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn value(text: &str) -> RawValue<'_> {
        RawValue::of_message(text.as_bytes()).unwrap()
    }

    fn fields(text: &str) -> Result<Vec<(String, String)>, DecodeError> {
        let mut found = Vec::new();
        for_each_field(text.as_bytes(), |key, value| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            assert!(std::str::from_utf8(value.bytes()).is_ok());
            found.push((text(key), text(value.bytes())));
            Ok::<(), DecodeError>(())
        })?;
        Ok(found)
    }

    #[track_caller]
    fn check_fields(text: &str, expected: &[(&str, &str)]) {
        let found = fields(text).unwrap();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[track_caller]
    fn check_error(text: &str, kind: DecodeErrorKind, at: usize) {
        assert_eq!(fields(text), Err(kind.at(at)), "{text}");
    }

    #[test]
    fn fields_come_with_their_raw_values() {
        check_fields("{}", &[]);
        check_fields(" { } ", &[]);
        check_fields(
            " {\"a\" : 1 , \"b\":\"x,}\" ,\"c\":[{\"a\":2}], \"d\":{\"e\":null},\"a\":true}\n",
            &[
                ("a", "1"),
                ("b", "\"x,}\""),
                ("c", "[{\"a\":2}]"),
                ("d", "{\"e\":null}"),
                ("a", "true"),
            ],
        );
    }

    #[test]
    fn broken_objects_are_refused_where_they_break() {
        use DecodeErrorKind::{EscapedText, TrailingBytes, UnexpectedByte, UnexpectedEnd};
        check_error("", UnexpectedEnd, 0);
        check_error("[1]", UnexpectedByte, 0);
        check_error("{", UnexpectedEnd, 1);
        check_error("{\"a\"}", UnexpectedByte, 4);
        check_error("{\"a\":}", UnexpectedByte, 5);
        check_error("{\"a\":1,}", UnexpectedByte, 7);
        check_error("{\"a\":1 \"b\":2}", UnexpectedByte, 7);
        check_error("{\"a\":1", UnexpectedEnd, 6);
        check_error("{\"a\":1}}", TrailingBytes, 7);
        check_error("{a:1}", UnexpectedByte, 1);
        check_error("{\"\\u0061\":1}", EscapedText, 2);
    }

    #[test]
    fn an_error_of_the_visitor_stops_the_walk() {
        let mut visits = 0;
        let result = for_each_field(br#"{"a":1,"b":"x","c":3}"#, |_, value| {
            visits += 1;
            value.as_u64().map(|_| ())
        });
        assert_eq!(result, Err(DecodeErrorKind::BadNumber.at(12)));
        assert_eq!(visits, 2);
    }

    #[test]
    fn numbers_are_read_in_quotes_and_bare() {
        let scale = Scale::new(2).unwrap();
        assert_eq!(value("\"1.5\"").as_decimal(scale), Ok(150));
        assert_eq!(value("-1.5").as_decimal(scale), Ok(-150));
        assert_eq!(value("\"12\"").as_u64(), Ok(12));
        assert_eq!(value("12").as_u64(), Ok(12));
        assert_eq!(value("\"-12\"").as_i64(), Ok(-12));
        assert_eq!(value("-12").as_i64(), Ok(-12));
    }

    #[test]
    fn other_types_are_refused() {
        use DecodeErrorKind::{BadNumber, WrongType};
        let scale = Scale::new(2).unwrap();
        for text in ["null", "true", "[1]", "{}"] {
            assert_eq!(value(text).as_decimal(scale), Err(WrongType.at(0)), "{text}");
            assert_eq!(value(text).as_u64(), Err(WrongType.at(0)), "{text}");
            assert_eq!(value(text).as_plain(), Err(WrongType.at(0)), "{text}");
        }
        assert_eq!(value("1").as_plain(), Err(WrongType.at(0)));
        assert_eq!(value("1").as_bool(), Err(WrongType.at(0)));
        assert_eq!(value("1").iter_array().map(|_| ()), Err(WrongType.at(0)));
        assert_eq!(value("\"1x\"").as_u64(), Err(BadNumber.at(2)));
        assert_eq!(value("1x").as_u64(), Err(BadNumber.at(1)));
        assert_eq!(value("1.5x").as_decimal(scale), Err(BadNumber.at(3)));
        assert_eq!(value("\"1.5e3\"").as_decimal(scale), Err(BadNumber.at(4)));
        assert_eq!(value("true").as_bool(), Ok(true));
        assert!(value("null").is_null() && !value("\"null\"").is_null());
    }

    #[test]
    fn texts_are_borrowed_or_resolved_into_the_buffer() {
        #[track_caller]
        fn check(text: &str, expected: Result<&str, DecodeErrorKind>) {
            let mut buffer = [0; 8];
            let found = value(text).as_str(&mut buffer).map_err(|error| error.kind);
            assert_eq!(found, expected, "{text}");
        }
        check("\"a text longer than the buffer\"", Ok("a text longer than the buffer"));
        check("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", Ok("\"\\/\u{8}\u{c}\n\r\t"));
        check("\"\\u00e4\\uD83D\\uDE00\"", Ok("ä😀"));
        check("\"\\n12345678\"", Err(DecodeErrorKind::TextTooLong));
        for broken in ["\\x", "\\u12", "\\uD83D", "\\uD83D\\u0041", "\\uDE00", "\\n\u{1}"] {
            check(&format!("\"{broken}\""), Err(DecodeErrorKind::BadText));
        }
        check("1", Err(DecodeErrorKind::WrongType));
    }

    #[test]
    fn arrays_are_walked_to_their_end() {
        let items = |text: &str| {
            let found = RawValue::of_message(text.as_bytes())?.iter_array()?;
            found.map(|item| Ok(item?.bytes().len())).collect::<Result<Vec<usize>, DecodeError>>()
        };
        assert_eq!(items("[]"), Ok(vec![]));
        assert_eq!(items("[ 1 , [2,3],\"x]\" ]"), Ok(vec![1, 5, 4]));
        assert_eq!(items("[1,]"), Err(DecodeErrorKind::UnexpectedByte.at(3)));
        assert_eq!(items("[1 2]"), Err(DecodeErrorKind::UnexpectedByte.at(3)));
        assert_eq!(items("  [1 2]"), Err(DecodeErrorKind::UnexpectedByte.at(5)));
    }

    #[test]
    fn places_of_nested_errors_count_from_the_message() {
        let result = for_each_field(br#"{"a":{"b":[1,"x"]}}"#, |_, value| {
            value.for_each_field(|_, value| {
                for item in value.iter_array()? {
                    item?.as_u64()?;
                }
                Ok::<(), DecodeError>(())
            })
        });
        assert_eq!(result, Err(DecodeErrorKind::BadNumber.at(14)));
    }
}
