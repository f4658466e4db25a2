//! JSON read by hand: a scanner for messages whose keys come in a known order, and a walk over an
//! object's fields for those whose order isn't known.
//!
//! Implements <https://www.rfc-editor.org/rfc/rfc8259> (read 2026-11-24), and in doubt refuses:
//! what it accepts must mean what every other reader would see, and a refusal makes the caller turn
//! to the general parser. It must not allocate, and no byte sequence may make it panic.

mod number;
mod scanner;
mod value;

pub use scanner::Scanner;
pub use value::{ArrayItems, RawValue, for_each_field};

/// What can't be read, and where: `at` counts bytes from the start of what was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {at}")]
pub struct DecodeError {
    pub kind: DecodeErrorKind,
    pub at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum DecodeErrorKind {
    #[error("the message ends too early")]
    UnexpectedEnd,
    #[error("a byte that can't stand here")]
    UnexpectedByte,
    /// The keys come in another order, or another key came.
    #[error("another text than the expected one")]
    LiteralMismatch,
    #[error("not a plain number")]
    BadNumber,
    #[error("more fractional digits than the scale holds")]
    TooPrecise,
    #[error("a number too large")]
    Overflow,
    /// An escape where a borrowed text was asked for.
    #[error("an escape in a text that must be plain")]
    EscapedText,
    #[error("a broken escape or control character in a text")]
    BadText,
    #[error("a text longer than its buffer")]
    TextTooLong,
    #[error("a value of another type than the expected one")]
    WrongType,
    #[error("more than {DEPTH_MAX} levels deep")]
    TooDeep,
    #[error("something follows the end of the message")]
    TrailingBytes,
}

impl DecodeErrorKind {
    const fn at(self, at: usize) -> DecodeError {
        DecodeError { kind: self, at }
    }
}

/// How deep arrays and objects may stand in each other: one bit each of a word.
pub const DEPTH_MAX: u32 = 64;

#[cfg(test)]
mod oracle_tests;
