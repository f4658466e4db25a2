//! Why a key was refused. It must never carry a byte of the key: what is wrong is said by its
//! shape and lengths only.

/// A key that can't be used, by what is wrong with its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the secret is empty")]
    Empty,
    #[error("expected {expected} bytes of key, got {actual}")]
    WrongLength { expected: usize, actual: usize },
    #[error("not a PEM text: no BEGIN and END line of the same kind")]
    NotPem,
    #[error("the PEM text holds another kind of key than {expected}")]
    WrongPemLabel { expected: &'static str },
    #[error("the private key is encrypted with a passphrase; export it without one")]
    EncryptedPem,
    #[error("the body of the PEM text is not base64")]
    NotBase64,
    #[error("the PEM text does not hold an Ed25519 key in its {expected_bytes}-byte form")]
    NotEd25519 { expected_bytes: usize },
    #[error("the public key is not a point of the curve, or a weak one")]
    NotOnCurve,
}
