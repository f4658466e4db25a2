//! Writes a client's frames into one buffer and keeps them until they are handed over. It must
//! not allocate after construction and must not send: what waits here can still be taken back.

use std::collections::VecDeque;
use std::fmt;

use enigma_types::ClientOrderId;

use super::{CONTROL_BYTES_MAX, FINAL, MASKED, Opcode};

mod payload;

pub use payload::Payload;

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

#[cfg(test)]
mod tests;
