//! Ed25519 (RFC 8032, pure, no prehash). It must not know what the message means, and no part of
//! a private key leaves this module.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::KeyError;

/// Bytes of a private key's seed, as RFC 8032 calls it.
pub const SEED_BYTES: usize = 32;
/// Bytes of a public key.
pub const PUBLIC_KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Characters of a signature in padded base64.
pub const SIGNATURE_BASE64_CHARS: usize = 88;

/// A private key. Boxed, so that moving it leaves no second copy behind; wiped when dropped.
pub struct Ed25519Key {
    key: Box<SigningKey>,
}

impl Ed25519Key {
    /// Takes the 32-byte seed. The caller still owns `seed` and wipes it.
    pub fn from_seed(seed: &[u8]) -> Result<Self, KeyError> {
        let seed: &[u8; SEED_BYTES] = seed
            .try_into()
            .map_err(|_| KeyError::WrongLength { expected: SEED_BYTES, actual: seed.len() })?;
        Ok(Self { key: Box::new(SigningKey::from_bytes(seed)) })
    }

    /// Takes a PKCS#8 private key in PEM, as `openssl genpkey -algorithm ed25519` writes it
    /// (RFC 8410 section 7, without attributes and without the public key).
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        let body = pem_body(pem, PRIVATE_LABEL)?;
        let der = decode_body::<{ PKCS8_PREFIX.len() + SEED_BYTES }>(body)?;
        let not_ed25519 = KeyError::NotEd25519 { expected_bytes: der.len() };
        let seed = der.strip_prefix(&PKCS8_PREFIX).ok_or(not_ed25519)?;
        Self::from_seed(seed)
    }

    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(message).to_bytes()
    }

    /// Writes the signature in padded base64 of the standard alphabet.
    pub fn sign_base64_into(&self, message: &[u8], out: &mut [u8; SIGNATURE_BASE64_CHARS]) {
        let written = BASE64.encode_slice(self.sign(message), out);
        debug_assert!(
            matches!(written, Ok(SIGNATURE_BASE64_CHARS)),
            "64 bytes are 88 characters of base64"
        );
    }

    #[must_use]
    pub fn public_key(&self) -> Ed25519PublicKey {
        Ed25519PublicKey { key: self.key.verifying_key() }
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519Key(redacted)")
    }
}

/// A public key: what a venue is given, and what the simulator verifies with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ed25519PublicKey {
    key: VerifyingKey,
}

impl Ed25519PublicKey {
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; PUBLIC_KEY_BYTES] = bytes.try_into().map_err(|_| {
            KeyError::WrongLength { expected: PUBLIC_KEY_BYTES, actual: bytes.len() }
        })?;
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotOnCurve)?;
        if key.is_weak() {
            return Err(KeyError::NotOnCurve);
        }
        Ok(Self { key })
    }

    /// Takes a SubjectPublicKeyInfo in PEM (RFC 8410 section 4).
    pub fn from_spki_pem(pem: &str) -> Result<Self, KeyError> {
        let body = pem_body(pem, PUBLIC_LABEL)?;
        let der = decode_body::<{ SPKI_PREFIX.len() + PUBLIC_KEY_BYTES }>(body)?;
        let not_ed25519 = KeyError::NotEd25519 { expected_bytes: der.len() };
        Self::from_bytes(der.strip_prefix(&SPKI_PREFIX).ok_or(not_ed25519)?)
    }

    /// The SubjectPublicKeyInfo in PEM, which is the form a venue asks for.
    #[must_use]
    pub fn to_spki_pem(&self) -> String {
        let body = BASE64.encode([SPKI_PREFIX.as_slice(), self.key.as_bytes()].concat());
        format!("-----BEGIN {PUBLIC_LABEL}-----\n{body}\n-----END {PUBLIC_LABEL}-----\n")
    }

    #[must_use]
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.key.to_bytes()
    }

    /// Whether `signature` is this key's for the message; refuses the malleable forms that
    /// RFC 8032 leaves open.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    /// The same for a signature in padded base64 of the standard alphabet.
    #[must_use]
    pub fn verify_base64(&self, message: &[u8], signature: &[u8]) -> bool {
        if signature.len() != SIGNATURE_BASE64_CHARS {
            return false;
        }
        let mut decoded = [0; SIGNATURE_BYTES + 2];
        match BASE64.decode_slice(signature, &mut decoded) {
            Ok(SIGNATURE_BYTES) => decoded
                .first_chunk::<SIGNATURE_BYTES>()
                .is_some_and(|signature| self.verify(message, signature)),
            Ok(_) | Err(_) => false,
        }
    }
}

/// The text between the BEGIN and END lines.
fn pem_body<'a>(pem: &'a str, label: &'static str) -> Result<&'a str, KeyError> {
    let after_begin = pem.trim().strip_prefix("-----BEGIN ").ok_or(KeyError::NotPem)?;
    let (found, rest) = after_begin.split_once("-----").ok_or(KeyError::NotPem)?;
    if found != label {
        return Err(match found {
            "ENCRYPTED PRIVATE KEY" => KeyError::EncryptedPem,
            _ => KeyError::WrongPemLabel { expected: label },
        });
    }
    rest.strip_suffix("-----")
        .and_then(|rest| rest.strip_suffix(label))
        .and_then(|rest| rest.strip_suffix("-----END "))
        .ok_or(KeyError::NotPem)
}

/// Decodes a body that must be exactly `N` bytes, in memory that wipes itself.
fn decode_body<const N: usize>(body: &str) -> Result<Zeroizing<[u8; N]>, KeyError> {
    let mut text = Zeroizing::new([0_u8; BODY_CHARS_MAX]);
    let mut length = 0;
    for byte in body.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        *text.get_mut(length).ok_or(KeyError::NotEd25519 { expected_bytes: N })? = byte;
        length += 1;
    }
    let mut der = Zeroizing::new([0_u8; BODY_CHARS_MAX]);
    let decoded = BASE64
        .decode_slice(text.get(..length).unwrap_or_default(), der.as_mut_slice())
        .map_err(|_| KeyError::NotBase64)?;
    let exact = der
        .get(..decoded)
        .and_then(|der| <&[u8; N]>::try_from(der).ok())
        .ok_or(KeyError::NotEd25519 { expected_bytes: N })?;
    Ok(Zeroizing::new(*exact))
}

const PRIVATE_LABEL: &str = "PRIVATE KEY";
const PUBLIC_LABEL: &str = "PUBLIC KEY";

/// A 48-byte private key is 64 characters, a 44-byte public key 60.
const BODY_CHARS_MAX: usize = 64;

/// OneAsymmetricKey version 0, algorithm 1.3.101.112, an octet string inside an octet string
/// (RFC 8410 section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// SubjectPublicKeyInfo of algorithm 1.3.101.112 (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use proptest::prelude::*;
    use zeroize::ZeroizeOnDrop;

    use super::*;

    const SEED_1: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PEM_1: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC_PEM_1: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";

    #[track_caller]
    fn check(seed: &str, public: &str, message: &str, signature: &str) {
        let key = Ed25519Key::from_seed(&hex::decode(seed).unwrap()).unwrap();
        let message = hex::decode(message).unwrap();
        assert_eq!(hex::encode(key.public_key().to_bytes()), public);
        assert_eq!(hex::encode(key.sign(&message)), signature);
        assert!(key.public_key().verify(&message, &key.sign(&message)));
        let mut other = message.clone();
        other.push(0);
        assert!(!key.public_key().verify(&other, &key.sign(&message)));
    }

    #[track_caller]
    fn check_base64(message: &str, signature: &str) {
        let key = Ed25519Key::from_pkcs8_pem(PEM_1).unwrap();
        let mut text = [0; SIGNATURE_BASE64_CHARS];
        key.sign_base64_into(message.as_bytes(), &mut text);
        assert_eq!(std::str::from_utf8(&text).unwrap(), signature);
        let public = Ed25519PublicKey::from_spki_pem(PUBLIC_PEM_1).unwrap();
        assert!(public.verify_base64(message.as_bytes(), signature.as_bytes()));
        assert!(!public.verify_base64(b"another message", signature.as_bytes()));
    }

    #[track_caller]
    fn check_refused(pem: &str, expected: KeyError) {
        assert_eq!(Ed25519Key::from_pkcs8_pem(pem).unwrap_err(), expected);
    }

    #[test]
    fn rfc_8032_vectors() {
        check(
            SEED_1,
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac\
             c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        );
        check(
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e\
             458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        check(
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290\
             ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
    }

    #[test]
    fn binance_vectors() {
        check_base64(
            "apiKey=vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\
             &timestamp=1649729878532",
            "763GJeFgG09B/06V/dq24cLu6f0R57whgDMyOCubDex4CTTElmDgPSIQqLdOsvW5TBxyaaFotVCI8tUm\
             QMChAA==",
        );
        check_base64(
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
             &recvWindow=5000&timestamp=1499827319559",
            "3fhuDZ9nYMviDQ5OEtJBJS11jUZDTRzRQ+TQMarm+LErFiJvUiVPQjTzDoWZQe4miPX+yHk1v/Z7TWLY\
             jIbmCA==",
        );
    }

    #[test]
    fn pem_and_seed_are_the_same_key() {
        let from_pem = Ed25519Key::from_pkcs8_pem(PEM_1).unwrap();
        let from_seed = Ed25519Key::from_seed(&hex::decode(SEED_1).unwrap()).unwrap();
        assert_eq!(from_pem.public_key(), from_seed.public_key());
        assert_eq!(from_pem.public_key().to_spki_pem(), PUBLIC_PEM_1);
        let again = Ed25519PublicKey::from_spki_pem(PUBLIC_PEM_1).unwrap();
        assert_eq!(again, from_pem.public_key());
        let carriage_returns = PEM_1.replace('\n', "\r\n");
        assert!(Ed25519Key::from_pkcs8_pem(&carriage_returns).is_ok());
    }

    #[test]
    fn bad_pem_is_refused_by_its_fault() {
        check_refused("", KeyError::NotPem);
        check_refused("MC4CAQAwBQYDK2VwBCIEIJ1h", KeyError::NotPem);
        check_refused(PEM_1.trim_end().strip_suffix('-').unwrap(), KeyError::NotPem);
        check_refused(PUBLIC_PEM_1, KeyError::WrongPemLabel { expected: "PRIVATE KEY" });
        check_refused(&PEM_1.replace("PRIVATE", "ENCRYPTED PRIVATE"), KeyError::EncryptedPem);
        check_refused(&PEM_1.replace("MC4", "M!4"), KeyError::NotBase64);
        let not_ed25519 = KeyError::NotEd25519 { expected_bytes: 48 };
        check_refused(&PEM_1.replace("rn9g", ""), not_ed25519);
        check_refused(&PEM_1.replace("rn9g", "rn9gAAAA"), not_ed25519);
        // 1.3.101.113 is Ed448's identifier.
        check_refused(&PEM_1.replace("K2VwBC", "K2VxBC"), not_ed25519);
        assert_eq!(
            Ed25519Key::from_seed(&[0; 31]).unwrap_err(),
            KeyError::WrongLength { expected: 32, actual: 31 }
        );
    }

    #[test]
    fn weak_and_impossible_public_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(Ed25519PublicKey::from_bytes(&identity), Err(KeyError::NotOnCurve));
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(Ed25519PublicKey::from_bytes(&no_point), Err(KeyError::NotOnCurve));
        assert_eq!(
            Ed25519PublicKey::from_bytes(&[1; 33]),
            Err(KeyError::WrongLength { expected: 32, actual: 33 })
        );
    }

    #[test]
    fn malformed_signatures_are_refused() {
        let key = Ed25519Key::from_pkcs8_pem(PEM_1).unwrap();
        let mut text = [0; SIGNATURE_BASE64_CHARS];
        key.sign_base64_into(b"m", &mut text);
        let public = key.public_key();
        assert!(public.verify_base64(b"m", &text));
        assert!(!public.verify_base64(b"m", &text[..86]));
        assert!(!public.verify_base64(b"m", b""));
        assert!(!public.verify_base64(b"m", &[b'A'; 88]));
        assert!(!public.verify_base64(b"m", &[b'!'; 88]));
    }

    #[test]
    fn debug_and_errors_show_no_part_of_the_key() {
        let key = Ed25519Key::from_pkcs8_pem(PEM_1).unwrap();
        assert_eq!(format!("{key:?}"), "Ed25519Key(redacted)");
        let error = Ed25519Key::from_pkcs8_pem(&PEM_1.replace("MC4", "M!4")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("CAQAwBQYDK2Vw"));
    }

    #[test]
    fn private_keys_wipe_themselves() {
        fn check<T: ZeroizeOnDrop>() {}
        check::<SigningKey>();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_signature_verifies_and_no_flipped_one_does(
            seed in any::<[u8; 32]>(),
            message in prop::collection::vec(any::<u8>(), 0..200),
            flip in 0_usize..512,
        ) {
            let key = Ed25519Key::from_seed(&seed).unwrap();
            let mut signature = key.sign(&message);
            prop_assert!(key.public_key().verify(&message, &signature));
            signature[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!key.public_key().verify(&message, &signature));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,200}") {
            let _ = Ed25519Key::from_pkcs8_pem(&text);
            let framed = PEM_1.replace("MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v", &text);
            let _ = Ed25519Key::from_pkcs8_pem(&framed);
            let _ = Ed25519PublicKey::from_spki_pem(&text);
        }
    }
}
