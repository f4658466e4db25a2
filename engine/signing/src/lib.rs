//! Signature primitives: bytes in, signature out.
//!
//! A key is prepared once when it is loaded and never given back: there is no getter, no
//! `Clone`, no serialisation, and `Debug` shows the kind alone. What is signed, and in which
//! order, is composed by the venues; nothing here may know a venue, the clock, a file, a socket
//! or the operating system's randomness.

pub mod ed25519;
pub mod hmac;
mod key_error;

pub use ed25519::{Ed25519Key, Ed25519PublicKey};
pub use hmac::{HmacSha256Key, HmacSha256Message};
pub use key_error::KeyError;
