//! WebSocket, client side, over the caller's buffers.
//!
//! Implements <https://www.rfc-editor.org/rfc/rfc6455> without extensions (read 2026-11-24). It
//! must not allocate after construction and must not know what a message means.

mod handshake;
mod reader;
mod transmit;

pub use handshake::{HandshakeError, client_handshake_request, verify_handshake_response};
pub use reader::{FrameReader, Message, READ_AHEAD_BYTES, READ_PADDING_BYTES, WebSocketError};
pub use transmit::{FrameClass, PAYLOAD_BYTES_MAX, Payload, Transmit, TransmitFull};

/// What a frame is (RFC 6455 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The first bit of a frame: no more fragments follow.
const FINAL: u8 = 0x80;
/// The first bit of the length byte: the payload is masked.
const MASKED: u8 = 0x80;
/// The longest payload of a control frame (RFC 6455 section 5.5).
const CONTROL_BYTES_MAX: usize = 125;
