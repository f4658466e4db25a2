//! A frame's payload as it is written: bytes, numbers and JSON strings into bounded room. It must
//! not allocate, and never writes beyond its room.

use enigma_types::Scale;

/// A payload being written. When it outgrows its room it keeps nothing more, and the frame is
/// refused once the writer has returned.
#[derive(Debug)]
pub struct Payload<'a> {
    pub(super) room: &'a mut [u8],
    pub(super) length: usize,
    pub(super) overflowed: bool,
}

impl Payload<'_> {
    #[inline]
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        let to = self.length + bytes.len();
        match self.room.get_mut(self.length..to) {
            Some(room) if !self.overflowed => {
                room.copy_from_slice(bytes);
                self.length = to;
            }
            Some(_) | None => self.overflowed = true,
        }
    }

    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    #[inline]
    pub fn push_byte(&mut self, byte: u8) {
        self.push_bytes(&[byte]);
    }

    #[inline]
    pub fn push_u64(&mut self, number: u64) {
        self.push_str(itoa::Buffer::new().format(number));
    }

    #[inline]
    pub fn push_i64(&mut self, number: i64) {
        self.push_str(itoa::Buffer::new().format(number));
    }

    /// Writes `mantissa` x 10^-`scale` with all the digits of the scale: (150, 2) is `1.50`.
    #[inline]
    pub fn push_decimal(&mut self, mantissa: i64, scale: Scale) {
        let digits = usize::from(scale.digits());
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(mantissa.unsigned_abs()).as_bytes();
        if mantissa < 0 {
            self.push_byte(b'-');
        }
        match text.len().checked_sub(digits) {
            _ if digits == 0 => self.push_bytes(text),
            Some(whole @ 1..) => {
                let (whole, fraction) = text.split_at(whole);
                self.push_bytes(whole);
                self.push_byte(b'.');
                self.push_bytes(fraction);
            }
            Some(0) | None => {
                let missing = ZEROS.get(..digits.saturating_sub(text.len()));
                self.push_bytes(b"0.");
                self.push_bytes(missing.unwrap_or_default());
                self.push_bytes(text);
            }
        }
    }

    /// Writes a JSON string with its quotes, escaped where JSON wants it.
    pub fn push_json_string(&mut self, text: &str) {
        self.push_byte(b'"');
        for &byte in text.as_bytes() {
            match byte {
                b'"' | b'\\' => self.push_bytes(&[b'\\', byte]),
                0x00..=0x1F => {
                    self.push_bytes(b"\\u00");
                    self.push_byte(b'0' + (byte >> 4));
                    self.push_byte(HEX[usize::from(byte & 15)]);
                }
                _ => self.push_byte(byte),
            }
        }
        self.push_byte(b'"');
    }

    /// What has been written, unmasked: for signing it, or a part of it.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.room.get(..self.length).unwrap_or_default()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

const ZEROS: &[u8; Scale::MAX as usize] = b"000000000000";
const HEX: &[u8; 16] = b"0123456789abcdef";
