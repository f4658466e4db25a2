//! The secrets of one account, prepared when loaded, in the form its venue signs with.
//!
//! A closed list: a session can ask for nothing that this type has no method for, and each venue's
//! `auth.rs` composes what is signed. No method returns a secret.

use crate::session::KeyName;

pub use enigma_signing::{Ed25519Key, HmacSha256Key, KeyError};

/// What an account signs with. Lives on the gateway thread and nowhere else.
#[derive(Debug)]
pub enum Signer {
    /// Public data only.
    None,
    Binance(BinanceSigner),
}

/// A Binance key: its public name and what signs for it.
#[derive(Debug)]
pub struct BinanceSigner {
    pub api_key: String,
    pub secret: BinanceSecret,
}

#[derive(Debug)]
pub enum BinanceSecret {
    /// Signs each request.
    Hmac(HmacSha256Key),
    /// Logs the session on once; later requests carry no signature.
    Ed25519(Ed25519Key),
}

impl BinanceSigner {
    /// The key's name, for a header. Cut where it is longer than any of the venue's keys, which
    /// the venue then refuses.
    pub fn key_name(&self) -> KeyName {
        let mut name = KeyName::new();
        for character in self.api_key.chars() {
            if name.try_push(character).is_err() {
                break;
            }
        }
        name
    }
}
