//! The secrets of one account, prepared when loaded, in the form its venue signs with.
//!
//! A closed list: a session can ask for nothing that this type has no method for, and each venue's
//! `auth.rs` composes what is signed. No method returns a secret.

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
