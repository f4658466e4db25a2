//! Reads a server's frames. Whole messages are borrowed where they were received; only the
//! fragmented ones are copied. It must not allocate after construction, and after an error it
//! reads nothing more: bytes behind a broken frame have no meaning.

use super::{CONTROL_BYTES_MAX, FINAL, MASKED, Opcode};

/// Room that is always free behind what is unread, so that one whole TLS record (RFC 8446
/// section 5.1) fits at every read.
pub const READ_AHEAD_BYTES: usize = 16 * 1024;

/// Bytes of the buffer behind the last one that `spare` ever offers, so that a decoder which
/// loads whole vectors stays inside the allocation.
pub const READ_PADDING_BYTES: usize = 64;

/// Receives plaintext and gives it back as messages.
///
/// The caller repeats: `spare`, read into it, `filled`, then `next` until it says `None`.
pub struct FrameReader {
    buffer: Box<[u8]>,
    /// The unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The fragments received so far of a fragmented message.
    assembled: Box<[u8]>,
    assembled_bytes: usize,
    fragmented: Option<DataKind>,
    message_bytes_max: usize,
    state: ReadState,
}

/// A message, borrowed from the reader until the next call.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Valid UTF-8; the buffer may be changed while it is decoded.
    Text(&'a mut [u8]),
    Binary(&'a mut [u8]),
    /// Asks for a pong with the same payload.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The last message of the connection.
    Close {
        code: Option<u16>,
        reason: &'a [u8],
    },
}

/// How the server broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    #[error("the server sent a masked frame")]
    MaskedServerFrame,
    #[error("the server set a reserved bit, but no extension was agreed on")]
    ReservedBits,
    #[error("the server sent the reserved opcode {0}")]
    ReservedOpcode(u8),
    #[error("a fragmented control frame")]
    FragmentedControl,
    #[error("a control frame of {length} bytes, but 125 is the most")]
    ControlTooLong { length: u64 },
    #[error("a continuation frame, but no message was begun")]
    UnexpectedContinuation,
    #[error("a new message inside a fragmented one")]
    ExpectedContinuation,
    #[error("a frame length in more bytes than it needs, or above 2^63")]
    BadLength,
    #[error("a message of {length} bytes, but {most} is the most")]
    MessageTooLarge { length: u64, most: usize },
    #[error("a text or a close reason that isn't UTF-8")]
    BadUtf8,
    #[error("a close frame with half a code")]
    BadClosePayload,
    #[error("the close code {0}, which may not be sent")]
    BadCloseCode(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataKind {
    Text,
    Binary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadState {
    Open,
    Closed,
    Failed(WebSocketError),
}

/// A frame whose bytes have all come: its payload is `buffer[from..to]`.
struct Frame {
    last: bool,
    opcode: Opcode,
    from: usize,
    to: usize,
}

impl FrameReader {
    /// Reserves everything that the reader will ever use: about twice the largest message.
    #[must_use]
    pub fn with_capacity(message_bytes_max: usize) -> Self {
        let buffer = message_bytes_max + HEADER_BYTES_MAX + READ_AHEAD_BYTES + READ_PADDING_BYTES;
        Self {
            buffer: vec![0; buffer].into_boxed_slice(),
            start: 0,
            end: 0,
            assembled: vec![0; message_bytes_max + READ_PADDING_BYTES].into_boxed_slice(),
            assembled_bytes: 0,
            fragmented: None,
            message_bytes_max,
            state: ReadState::Open,
        }
    }

    /// Forgets everything that was received, for a new connection.
    pub fn reset(&mut self) {
        self.start = 0;
        self.end = 0;
        self.assembled_bytes = 0;
        self.fragmented = None;
        self.state = ReadState::Open;
    }

    /// Where to read into: at least `READ_AHEAD_BYTES` when `next` has said `None`.
    #[inline]
    pub fn spare(&mut self) -> &mut [u8] {
        let readable = self.buffer.len() - READ_PADDING_BYTES;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        } else if readable - self.end < READ_AHEAD_BYTES && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.buffer.get_mut(self.end..readable).unwrap_or_default()
    }

    /// Says how many bytes were read into `spare`.
    #[inline]
    pub fn filled(&mut self, bytes: usize) {
        let readable = self.buffer.len() - READ_PADDING_BYTES;
        debug_assert!(bytes <= readable - self.end, "no more bytes than spare offered");
        self.end = readable.min(self.end + bytes);
    }

    /// The next message, or `None` when more bytes are needed or the server has closed.
    #[expect(clippy::should_implement_trait, reason = "an iterator can't lend its items")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Message<'_>>, WebSocketError> {
        loop {
            match self.state {
                ReadState::Open => {}
                ReadState::Closed => {
                    self.start = self.end;
                    return Ok(None);
                }
                ReadState::Failed(error) => return Err(error),
            }
            let frame = match self.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.fail(error)),
            };
            self.start = frame.to;
            match frame.opcode {
                Opcode::Text if frame.last => return self.whole(&frame, DataKind::Text),
                Opcode::Binary if frame.last => return self.whole(&frame, DataKind::Binary),
                Opcode::Text => self.begin_fragments(&frame, DataKind::Text),
                Opcode::Binary => self.begin_fragments(&frame, DataKind::Binary),
                Opcode::Continuation => {
                    self.append(&frame);
                    if frame.last {
                        return self.assembled();
                    }
                }
                Opcode::Ping => return Ok(Some(Message::Ping(self.payload(&frame)))),
                Opcode::Pong => return Ok(Some(Message::Pong(self.payload(&frame)))),
                Opcode::Close => return self.close(&frame),
            }
        }
    }

    /// Reads a frame's header as soon as it stands and checks it before its payload has come.
    #[inline]
    fn next_frame(&self) -> Result<Option<Frame>, WebSocketError> {
        let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
        let &[first, second, ref rest @ ..] = unread else {
            return Ok(None);
        };
        if first & RESERVED_BITS != 0 {
            return Err(WebSocketError::ReservedBits);
        }
        let bits = first & OPCODE_BITS;
        let opcode = Opcode::from_bits(bits).ok_or(WebSocketError::ReservedOpcode(bits))?;
        if second & MASKED != 0 {
            return Err(WebSocketError::MaskedServerFrame);
        }
        let (header, length) = match second {
            126 => match rest.first_chunk::<2>() {
                Some(bytes) => (4, u64::from(u16::from_be_bytes(*bytes))),
                None => return self.check_control(opcode, first, second).map(|()| None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(bytes) => (10, u64::from_be_bytes(*bytes)),
                None => return self.check_control(opcode, first, second).map(|()| None),
            },
            short => (2, u64::from(short)),
        };
        self.check_control(opcode, first, second)?;
        let minimal = match second {
            126 => length > 125,
            127 => length > 0xFFFF && length >> 63 == 0,
            _ => true,
        };
        if !minimal {
            return Err(WebSocketError::BadLength);
        }
        let length = self.check_data(opcode, length)?;
        let from = self.start + header;
        if unread.len() - header < length {
            return Ok(None);
        }
        Ok(Some(Frame { last: first & FINAL != 0, opcode, from, to: from + length }))
    }

    #[inline]
    fn check_control(&self, opcode: Opcode, first: u8, second: u8) -> Result<(), WebSocketError> {
        if !opcode.is_control() {
            return Ok(());
        }
        if first & FINAL == 0 {
            return Err(WebSocketError::FragmentedControl);
        }
        if usize::from(second) > CONTROL_BYTES_MAX {
            return Err(WebSocketError::ControlTooLong { length: u64::from(second) });
        }
        Ok(())
    }

    /// Checks order and size of a data frame and gives back its length.
    #[inline]
    fn check_data(&self, opcode: Opcode, length: u64) -> Result<usize, WebSocketError> {
        let before = match (opcode, self.fragmented) {
            (Opcode::Continuation, None) => return Err(WebSocketError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(WebSocketError::ExpectedContinuation);
            }
            (Opcode::Continuation, Some(_)) => self.assembled_bytes,
            (Opcode::Text | Opcode::Binary, None)
            | (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => 0,
        };
        let most = self.message_bytes_max;
        let limit = if opcode.is_control() { CONTROL_BYTES_MAX } else { most - before };
        match usize::try_from(length) {
            Ok(length) if length <= limit => Ok(length),
            Ok(_) | Err(_) => {
                let length = length.saturating_add(before as u64);
                Err(WebSocketError::MessageTooLarge { length, most })
            }
        }
    }

    #[inline]
    fn payload(&self, frame: &Frame) -> &[u8] {
        self.buffer.get(frame.from..frame.to).unwrap_or_default()
    }

    #[inline]
    fn whole(
        &mut self,
        frame: &Frame,
        kind: DataKind,
    ) -> Result<Option<Message<'_>>, WebSocketError> {
        if kind == DataKind::Text && !is_utf8(self.payload(frame)) {
            return Err(self.fail(WebSocketError::BadUtf8));
        }
        let payload = self.buffer.get_mut(frame.from..frame.to).unwrap_or_default();
        Ok(Some(kind.message(payload)))
    }

    fn begin_fragments(&mut self, frame: &Frame, kind: DataKind) {
        self.fragmented = Some(kind);
        self.assembled_bytes = 0;
        self.append(frame);
    }

    fn append(&mut self, frame: &Frame) {
        let to = self.assembled_bytes + (frame.to - frame.from);
        let fragment = self.buffer.get(frame.from..frame.to);
        let room = self.assembled.get_mut(self.assembled_bytes..to);
        if let (Some(fragment), Some(room)) = (fragment, room) {
            room.copy_from_slice(fragment);
            self.assembled_bytes = to;
        }
    }

    fn assembled(&mut self) -> Result<Option<Message<'_>>, WebSocketError> {
        let kind = self.fragmented.take().unwrap_or(DataKind::Binary);
        let length = self.assembled_bytes;
        let text = self.assembled.get(..length).unwrap_or_default();
        if kind == DataKind::Text && !is_utf8(text) {
            return Err(self.fail(WebSocketError::BadUtf8));
        }
        Ok(Some(kind.message(self.assembled.get_mut(..length).unwrap_or_default())))
    }

    fn close(&mut self, frame: &Frame) -> Result<Option<Message<'_>>, WebSocketError> {
        if let Err(error) = check_close(self.payload(frame)) {
            return Err(self.fail(error));
        }
        self.state = ReadState::Closed;
        Ok(Some(match self.payload(frame) {
            [high, low, reason @ ..] => {
                Message::Close { code: Some(u16::from_be_bytes([*high, *low])), reason }
            }
            _ => Message::Close { code: None, reason: &[] },
        }))
    }

    fn fail(&mut self, error: WebSocketError) -> WebSocketError {
        self.state = ReadState::Failed(error);
        error
    }
}

impl std::fmt::Debug for FrameReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameReader")
            .field("unread_bytes", &(self.end - self.start))
            .field("fragmented", &self.fragmented)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl WebSocketError {
    /// The code to close the connection with (RFC 6455 section 7.4.1). Every one of these errors
    /// ends the connection.
    #[must_use]
    pub const fn close_code(&self) -> u16 {
        match self {
            Self::MaskedServerFrame
            | Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong { .. }
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::BadLength
            | Self::BadClosePayload
            | Self::BadCloseCode(_) => 1002,
            Self::BadUtf8 => 1007,
            Self::MessageTooLarge { .. } => 1009,
        }
    }
}

impl DataKind {
    fn message(self, payload: &mut [u8]) -> Message<'_> {
        match self {
            Self::Text => Message::Text(payload),
            Self::Binary => Message::Binary(payload),
        }
    }
}

fn check_close(payload: &[u8]) -> Result<(), WebSocketError> {
    match payload {
        [] => Ok(()),
        [_] => Err(WebSocketError::BadClosePayload),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_close_code(code) {
                return Err(WebSocketError::BadCloseCode(code));
            }
            if is_utf8(reason) { Ok(()) } else { Err(WebSocketError::BadUtf8) }
        }
    }
}

/// Codes that may stand on the wire: those of the RFC and its registry (1012 to 1014 were added
/// there later), of libraries (3000) and of applications (4000).
fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Venues send ASCII almost always, and that is told by one pass without branches, which is faster
/// than walking through UTF-8.
#[inline]
fn is_utf8(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word));
    let rest = rest.iter().fold(0, |all, byte| all | byte);
    let ascii = words & 0x8080_8080_8080_8080 == 0 && rest < 0x80;
    ascii || std::str::from_utf8(bytes).is_ok()
}

/// Two bytes and a 64-bit length; a server's frame has no mask.
const HEADER_BYTES_MAX: usize = 10;
const RESERVED_BITS: u8 = 0x70;
const OPCODE_BITS: u8 = 0x0F;

#[cfg(test)]
mod tests;
