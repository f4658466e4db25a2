//! Writes a client's frames into one buffer and keeps them until they are handed over. It must
//! not allocate after construction and must not send: what waits here can still be taken back.

use std::collections::VecDeque;
use std::fmt;

use enigma_types::{ClientOrderId, Scale};

use super::{CONTROL_BYTES_MAX, FINAL, MASKED, Opcode};

/// The longest payload of a frame: what the short form of the length holds.
pub const PAYLOAD_BYTES_MAX: usize = 0xFFFF;

/// What a frame carries, which decides whether a kill or a pause takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameClass {
    /// Places or changes an order: new risk.
    Order { client_order_id: ClientOrderId },
    /// Takes an order back.
    Cancel { client_order_id: ClientOrderId },
    /// Log-on, subscriptions, queries, pings and pongs.
    Session,
}

/// There was no room for a frame, and no part of it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room to send: {frames} frames of {bytes} bytes wait already")]
pub struct TransmitFull {
    pub frames: usize,
    pub bytes: usize,
}

/// Frames that wait to be handed to TLS or the socket, masked, in order and without gaps.
pub struct Transmit {
    buffer: Box<[u8]>,
    /// The waiting bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    frames: VecDeque<Waiting>,
    frames_max: usize,
    /// The first waiting frame has been handed over in part.
    front_begun: bool,
    mask: MaskSource,
}

/// A payload being written. When it outgrows its room it keeps nothing more, and the frame is
/// refused once the writer has returned.
#[derive(Debug)]
pub struct Payload<'a> {
    room: &'a mut [u8],
    length: usize,
    overflowed: bool,
}

#[derive(Clone, Copy)]
struct Waiting {
    class: FrameClass,
    /// Bytes of the frame that still wait, its header counted.
    bytes: usize,
}

impl Transmit {
    /// Reserves room for `bytes` in at most `frames_max` frames. The seed makes the masks
    /// differ between connections; they are no secret (RFC 6455 section 10.3 wants them
    /// unpredictable to a page's scripts, and here nobody else chooses the payload).
    #[must_use]
    pub fn with_capacity(bytes: usize, frames_max: usize, mask_seed: u64) -> Self {
        assert!(bytes > HEADER_BYTES && frames_max > 0, "at least one frame must fit");
        Self {
            buffer: vec![0; bytes].into_boxed_slice(),
            start: 0,
            end: 0,
            frames: VecDeque::with_capacity(frames_max),
            frames_max,
            front_begun: false,
            mask: MaskSource { state: mask_seed },
        }
    }

    /// Adds a text frame whose payload is what `write` writes. On an error of `write`, or
    /// without room, the buffer stays as it was.
    #[inline]
    pub fn text<E: From<TransmitFull>>(
        &mut self,
        class: FrameClass,
        write: impl FnOnce(&mut Payload<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.frame(Opcode::Text, class, write)
    }

    /// Asks the server for a pong. A control frame carries 125 bytes; more are left out.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), TransmitFull> {
        self.control(Opcode::Ping, payload)
    }

    /// Answers a ping with the ping's own payload.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), TransmitFull> {
        self.control(Opcode::Pong, payload)
    }

    /// Says good-bye. A reason above 123 bytes is cut between characters.
    pub fn close(&mut self, code: u16, reason: &str) -> Result<(), TransmitFull> {
        let most = reason.floor_char_boundary(CONTROL_BYTES_MAX - 2);
        self.frame(Opcode::Close, FrameClass::Session, |payload| {
            payload.push_bytes(&code.to_be_bytes());
            payload.push_str(reason.get(..most).unwrap_or_default());
            Ok(())
        })
    }

    /// Everything that waits, as the server shall get it.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many frames wait.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// What waits, frame by frame, with the bytes of each.
    pub fn waiting(&self) -> impl Iterator<Item = (FrameClass, usize)> + '_ {
        self.frames.iter().map(|frame| (frame.class, frame.bytes))
    }

    /// The first waiting frame, or what is left of it.
    #[must_use]
    pub fn front(&self) -> Option<(FrameClass, &[u8])> {
        let frame = self.frames.front()?;
        Some((frame.class, self.buffer.get(self.start..self.start + frame.bytes)?))
    }

    /// Takes the first waiting frame away: it was handed over whole.
    pub fn consume_front(&mut self) -> Option<FrameClass> {
        let frame = self.frames.pop_front()?;
        self.start += frame.bytes;
        self.front_begun = false;
        if self.frames.is_empty() {
            self.start = 0;
            self.end = 0;
        }
        Some(frame.class)
    }

    /// Takes `bytes` of `pending` away after a write that may end inside a frame, and calls
    /// `whole` for each frame whose last byte is gone.
    pub fn advance(&mut self, bytes: usize, mut whole: impl FnMut(FrameClass)) {
        debug_assert!(bytes <= self.end - self.start, "no more was written than waited");
        let mut rest = bytes;
        while let Some(frame) = self.frames.front_mut() {
            if rest < frame.bytes {
                frame.bytes -= rest;
                self.start += rest;
                self.front_begun |= rest > 0;
                return;
            }
            rest -= frame.bytes;
            if let Some(class) = self.consume_front() {
                whole(class);
            }
        }
    }

    /// The frame that has been handed over in part. It can't be taken back: at a kill its
    /// connection is closed and its order is Unknown.
    #[must_use]
    pub fn front_begun(&self) -> Option<FrameClass> {
        if self.front_begun { self.frames.front().map(|frame| frame.class) } else { None }
    }

    /// The kill and pause barrier: takes back every waiting frame of the class `Order` that
    /// isn't begun, tells whose they were, and keeps the others in their order.
    pub fn purge_orders(&mut self, mut purged: impl FnMut(ClientOrderId)) -> usize {
        let begun = self.front_begun;
        let (mut from, mut to, mut index, mut count) = (self.start, self.start, 0, 0);
        let buffer = &mut self.buffer;
        self.frames.retain(|frame| {
            let bytes = from..from + frame.bytes;
            from = bytes.end;
            let first = index == 0;
            index += 1;
            match frame.class {
                FrameClass::Order { client_order_id } if !(first && begun) => {
                    // Wiped, so that no later mistake can send it.
                    buffer.get_mut(bytes).unwrap_or_default().fill(0);
                    purged(client_order_id);
                    count += 1;
                    false
                }
                FrameClass::Order { .. } | FrameClass::Cancel { .. } | FrameClass::Session => {
                    let length = bytes.len();
                    buffer.copy_within(bytes, to);
                    to += length;
                    true
                }
            }
        });
        self.end = to;
        if self.frames.is_empty() {
            self.start = 0;
            self.end = 0;
        }
        count
    }

    /// Forgets all that waits, for a new connection.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.start = 0;
        self.end = 0;
        self.front_begun = false;
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), TransmitFull> {
        let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
        self.frame(opcode, FrameClass::Session, |room| {
            room.push_bytes(payload);
            Ok(())
        })
    }

    #[inline]
    fn frame<E: From<TransmitFull>>(
        &mut self,
        opcode: Opcode,
        class: FrameClass,
        write: impl FnOnce(&mut Payload<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let full = TransmitFull { frames: self.frames.len(), bytes: self.end - self.start };
        if self.frames.len() == self.frames_max {
            return Err(full.into());
        }
        // Only a backlog comes here: when everything has left, both marks stand at zero. Without
        // it a frame could be refused while there is room for it.
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let Some((header, room)) = free.split_first_chunk_mut::<HEADER_BYTES>() else {
            return Err(full.into());
        };
        let most = room.len().min(PAYLOAD_BYTES_MAX);
        let (room, _) = room.split_at_mut(most);
        let mut payload = Payload { room, length: 0, overflowed: false };
        write(&mut payload)?;
        if payload.overflowed {
            return Err(full.into());
        }
        let length = payload.length;
        let mask = self.mask.next();
        apply_mask(payload.room.get_mut(..length).unwrap_or_default(), mask);
        let [m0, m1, m2, m3] = mask;
        let first = FINAL | opcode.bits();
        let [high, low] = (length as u16).to_be_bytes();
        let mut bytes = HEADER_BYTES + length;
        if length < 126 {
            // The short header is two bytes shorter than what was reserved for it.
            *header = [first, MASKED | low, m0, m1, m2, m3, 0, 0];
            free.copy_within(HEADER_BYTES..bytes, SHORT_HEADER_BYTES);
            bytes -= HEADER_BYTES - SHORT_HEADER_BYTES;
        } else {
            *header = [first, MASKED | 126, high, low, m0, m1, m2, m3];
        }
        self.frames.push_back(Waiting { class, bytes });
        self.end += bytes;
        Ok(())
    }
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The payloads hold signatures, so only their number is shown.
        f.debug_struct("Transmit")
            .field("frames", &self.frames.len())
            .field("bytes", &(self.end - self.start))
            .finish_non_exhaustive()
    }
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

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
struct MaskSource {
    state: u64,
}

impl MaskSource {
    #[inline]
    fn next(&mut self) -> [u8; 4] {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        ((mixed >> 32) as u32).to_ne_bytes()
    }
}

/// Masks eight bytes at a time; the mask's period of four divides the step.
#[inline]
fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [m0, m1, m2, m3] = mask;
    let wide = u64::from_ne_bytes([m0, m1, m2, m3, m0, m1, m2, m3]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Two bytes, the 16-bit length and the mask.
const HEADER_BYTES: usize = 8;
/// The same without the 16-bit length.
const SHORT_HEADER_BYTES: usize = 6;
const ZEROS: &[u8; Scale::MAX as usize] = b"000000000000";
const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn order(id: u64) -> FrameClass {
        FrameClass::Order { client_order_id: ClientOrderId::new(id).unwrap() }
    }

    fn cancel(id: u64) -> FrameClass {
        FrameClass::Cancel { client_order_id: ClientOrderId::new(id).unwrap() }
    }

    fn add(transmit: &mut Transmit, class: FrameClass, text: &str) -> Result<(), TransmitFull> {
        transmit.text(class, |payload| {
            payload.push_str(text);
            Ok(())
        })
    }

    /// Undoes the mask of one short frame.
    fn payload_of(frame: &[u8]) -> Vec<u8> {
        let mask: [u8; 4] = frame[2..6].try_into().unwrap();
        assert_eq!(usize::from(frame[1] & 0x7F), frame.len() - 6);
        let mut payload = frame[6..].to_vec();
        apply_mask(&mut payload, mask);
        payload
    }

    fn waiting_texts(transmit: &mut Transmit) -> Vec<(FrameClass, String)> {
        let mut seen = Vec::new();
        while let Some((class, frame)) = transmit.front() {
            seen.push((class, String::from_utf8(payload_of(frame)).unwrap()));
            transmit.consume_front();
        }
        seen
    }

    #[track_caller]
    fn check_decimal(mantissa: i64, scale: u8, expected: &str) {
        let mut room = [0; 32];
        let mut payload = Payload { room: &mut room, length: 0, overflowed: false };
        payload.push_decimal(mantissa, Scale::new(scale).unwrap());
        assert_eq!(std::str::from_utf8(payload.as_slice()).unwrap(), expected);
    }

    #[test]
    fn decimals_keep_every_digit_of_their_scale() {
        check_decimal(0, 0, "0");
        check_decimal(0, 3, "0.000");
        check_decimal(150, 2, "1.50");
        check_decimal(15, 2, "0.15");
        check_decimal(5, 2, "0.05");
        check_decimal(-5, 2, "-0.05");
        check_decimal(-12_345, 4, "-1.2345");
        check_decimal(12_345, 0, "12345");
        check_decimal(1, 12, "0.000000000001");
        check_decimal(i64::MAX, 12, "9223372.036854775807");
        check_decimal(i64::MIN, 0, "-9223372036854775808");
    }

    #[test]
    fn payload_writes_numbers_and_escaped_strings() {
        let mut room = [0; 128];
        let mut payload = Payload { room: &mut room, length: 0, overflowed: false };
        payload.push_u64(u64::MAX);
        payload.push_byte(b' ');
        payload.push_i64(-7);
        payload.push_json_string("a\"b\\c\n\u{1f}ä");
        let expected = "18446744073709551615 -7\"a\\\"b\\\\c\\u000a\\u001fä\"";
        assert_eq!(std::str::from_utf8(payload.as_slice()).unwrap(), expected);
    }

    #[test]
    fn frames_wait_in_order_without_gaps() {
        let mut transmit = Transmit::with_capacity(512, 8, 1);
        add(&mut transmit, order(1), "place one").unwrap();
        add(&mut transmit, cancel(2), "cancel two").unwrap();
        transmit.pong(b"are you there").unwrap();
        let total: usize = transmit.waiting().map(|(_, bytes)| bytes).sum();
        assert_eq!(transmit.pending().len(), total);
        assert_eq!(
            waiting_texts(&mut transmit),
            [
                (order(1), "place one".to_owned()),
                (cancel(2), "cancel two".to_owned()),
                (FrameClass::Session, "are you there".to_owned()),
            ]
        );
        assert!(transmit.is_empty() && transmit.pending().is_empty());
        assert_eq!(transmit.consume_front(), None);
    }

    #[test]
    fn a_full_buffer_keeps_nothing_of_the_new_frame() {
        let mut transmit = Transmit::with_capacity(64, 8, 1);
        add(&mut transmit, order(1), &"a".repeat(40)).unwrap();
        let before = transmit.pending().to_vec();
        let refused = add(&mut transmit, order(2), &"b".repeat(40));
        assert_eq!(refused, Err(TransmitFull { frames: 1, bytes: 46 }));
        assert_eq!(transmit.pending(), before);
        let mut few = Transmit::with_capacity(640, 1, 1);
        add(&mut few, order(1), "a").unwrap();
        assert_eq!(add(&mut few, order(2), "b"), Err(TransmitFull { frames: 1, bytes: 7 }));
        assert_eq!(few.frames(), 1);
    }

    #[test]
    fn a_payload_that_overflowed_stays_refused() {
        let mut transmit = Transmit::with_capacity(32, 8, 1);
        let refused: Result<(), TransmitFull> = transmit.text(FrameClass::Session, |payload| {
            payload.push_str(&"x".repeat(40));
            payload.push_str("short");
            assert_eq!(payload.as_slice(), b"");
            Ok(())
        });
        assert!(refused.is_err());
        assert!(transmit.is_empty());
    }

    #[test]
    fn an_error_of_the_writer_leaves_nothing_behind() {
        #[derive(Debug, PartialEq)]
        enum EncodeError {
            Full(TransmitFull),
            Unknown,
        }
        impl From<TransmitFull> for EncodeError {
            fn from(full: TransmitFull) -> Self {
                Self::Full(full)
            }
        }
        let mut transmit = Transmit::with_capacity(64, 8, 1);
        let refused = transmit.text(FrameClass::Session, |payload| {
            payload.push_str("half");
            Err(EncodeError::Unknown)
        });
        assert_eq!(refused, Err(EncodeError::Unknown));
        assert!(transmit.pending().is_empty());
    }

    #[test]
    fn space_of_sent_frames_is_used_again() {
        let mut transmit = Transmit::with_capacity(100, 4, 1);
        for round in 0..200_u64 {
            add(&mut transmit, order(round + 1), "0123456789012345678901234").unwrap();
            if round > 0 {
                let (class, frame) = transmit.front().unwrap();
                assert_eq!(class, order(round));
                assert_eq!(payload_of(frame), b"0123456789012345678901234");
                transmit.consume_front();
            }
        }
    }

    #[test]
    fn purge_takes_back_orders_and_keeps_the_rest() {
        let mut transmit = Transmit::with_capacity(512, 8, 1);
        add(&mut transmit, order(1), "one").unwrap();
        add(&mut transmit, cancel(2), "two").unwrap();
        add(&mut transmit, order(3), "three").unwrap();
        add(&mut transmit, FrameClass::Session, "four").unwrap();
        let mut purged = Vec::new();
        assert_eq!(transmit.purge_orders(|id| purged.push(id.get())), 2);
        assert_eq!(purged, [1, 3]);
        assert_eq!(
            waiting_texts(&mut transmit),
            [(cancel(2), "two".to_owned()), (FrameClass::Session, "four".to_owned())]
        );
        assert_eq!(transmit.purge_orders(|_| ()), 0);
    }

    #[test]
    fn an_order_already_begun_is_not_purged() {
        let mut transmit = Transmit::with_capacity(512, 8, 1);
        add(&mut transmit, FrameClass::Session, "zero").unwrap();
        add(&mut transmit, order(1), "one").unwrap();
        add(&mut transmit, order(2), "two").unwrap();
        let mut gone = Vec::new();
        transmit.advance(10 + 4, |class| gone.push(class));
        assert_eq!(gone, [FrameClass::Session]);
        assert_eq!(transmit.front_begun(), Some(order(1)));
        let rest = transmit.front().unwrap().1.to_vec();
        assert_eq!(transmit.purge_orders(|id| assert_eq!(id.get(), 2)), 1);
        assert_eq!(transmit.pending(), rest);
        transmit.advance(rest.len(), |class| gone.push(class));
        assert_eq!(gone, [FrameClass::Session, order(1)]);
        assert_eq!((transmit.front_begun(), transmit.is_empty()), (None, true));
    }

    #[test]
    fn control_frames_are_cut_to_what_they_may_carry() {
        let mut transmit = Transmit::with_capacity(512, 8, 1);
        transmit.ping(&[b'p'; 200]).unwrap();
        transmit.close(1001, &"ä".repeat(100)).unwrap();
        let texts: Vec<Vec<u8>> = std::iter::from_fn(|| {
            let payload = transmit.front().map(|(_, frame)| payload_of(frame));
            transmit.consume_front();
            payload
        })
        .collect();
        assert_eq!(texts[0], [b'p'; 125]);
        assert_eq!(texts[1], [&1001_u16.to_be_bytes(), "ä".repeat(61).as_bytes()].concat());
    }
}
