//! HMAC-SHA256 (RFC 2104) with a key that is hashed once, when it is loaded. It must not know
//! what the message means, and no part of the key leaves this module.

use std::fmt;

use ::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::KeyError;

/// Bytes of an HMAC-SHA256 signature.
pub const SIGNATURE_BYTES: usize = 32;
/// Characters of the same signature in hexadecimal.
pub const SIGNATURE_HEX_CHARS: usize = 64;

/// A secret as its two prepared SHA-256 states; the secret itself isn't kept.
///
/// Boxed, so that moving the key copies a pointer and leaves no second copy of the states
/// behind. Wiped when dropped.
pub struct HmacSha256Key {
    keyed: Box<Hmac<Sha256>>,
}

impl HmacSha256Key {
    /// Prepares the key. The caller still owns `secret` and wipes it.
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.is_empty() {
            return Err(KeyError::Empty);
        }
        // HMAC takes keys of any length, so the crate's own error can't be another one.
        let keyed = Hmac::new_from_slice(secret)
            .map_err(|_| KeyError::WrongLength { expected: 64, actual: secret.len() })?;
        Ok(Self { keyed: Box::new(keyed) })
    }

    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = self.begin();
        signature.update(message);
        signature.finish()
    }

    /// Writes the signature in lower-case hexadecimal.
    pub fn sign_hex_into(&self, message: &[u8], out: &mut [u8; SIGNATURE_HEX_CHARS]) {
        let mut signature = self.begin();
        signature.update(message);
        signature.finish_hex_into(out);
    }

    /// Signs a message that comes in pieces, so that nobody has to join them first.
    pub fn begin(&self) -> HmacSha256Message {
        HmacSha256Message { state: Hmac::clone(&self.keyed) }
    }

    /// Whether `signature` is this message's, in hexadecimal of either case. The comparison
    /// takes the same time wherever the two differ.
    #[must_use]
    pub fn verify_hex(&self, message: &[u8], signature: &[u8]) -> bool {
        if signature.len() != SIGNATURE_HEX_CHARS {
            return false;
        }
        let Ok(given) = hex::decode_to_array::<_, SIGNATURE_BYTES>(signature) else {
            return false;
        };
        self.sign(message).ct_eq(&given).into()
    }
}

impl fmt::Debug for HmacSha256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacSha256Key(redacted)")
    }
}

/// A signature in the making. It holds a keyed state and is wiped when dropped or finished.
#[must_use = "a signature that isn't finished signs nothing"]
pub struct HmacSha256Message {
    state: Hmac<Sha256>,
}

impl HmacSha256Message {
    pub fn update(&mut self, piece: &[u8]) {
        self.state.update(piece);
    }

    #[must_use]
    pub fn finish(self) -> [u8; SIGNATURE_BYTES] {
        self.state.finalize().into_bytes().into()
    }

    /// Writes the signature in lower-case hexadecimal.
    pub fn finish_hex_into(self, out: &mut [u8; SIGNATURE_HEX_CHARS]) {
        let mut text = hex::Buffer::<SIGNATURE_BYTES>::new();
        out.copy_from_slice(text.format(&self.finish()).as_bytes());
    }
}

impl fmt::Debug for HmacSha256Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacSha256Message(redacted)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use proptest::prelude::*;
    use zeroize::ZeroizeOnDrop;

    use super::*;

    const SPOT_KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    const SPOT_SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    const FUTURES_SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";

    #[track_caller]
    fn check(secret: &[u8], message: &[u8], expected_hex: &str) {
        let key = HmacSha256Key::new(secret).unwrap();
        let mut text = [0; SIGNATURE_HEX_CHARS];
        key.sign_hex_into(message, &mut text);
        assert_eq!(std::str::from_utf8(&text).unwrap(), expected_hex);
        assert!(key.verify_hex(message, expected_hex.as_bytes()));
        assert!(key.verify_hex(message, expected_hex.to_uppercase().as_bytes()));
        let mut changed = message.to_vec();
        changed.push(b' ');
        assert!(!key.verify_hex(&changed, expected_hex.as_bytes()));
    }

    #[test]
    fn rfc_4231_vectors() {
        check(
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        );
        check(
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        check(
            &[0xaa; 20],
            &[0xdd; 50],
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        );
        check(
            &(1..=25).collect::<Vec<u8>>(),
            &[0xcd; 50],
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        );
        check(
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
        check(
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size \
              data. The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        );
    }

    #[test]
    fn binance_spot_rest_vectors() {
        check(
            SPOT_SECRET.as_bytes(),
            b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
              &recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        );
        check(
            SPOT_SECRET.as_bytes(),
            b"symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=0.1\
              &recvWindow=5000&timestamp=1499827319559",
            "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
        );
        check(
            SPOT_SECRET.as_bytes(),
            b"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT\
              &timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        );
    }

    #[test]
    fn binance_spot_websocket_vectors() {
        check(
            SPOT_SECRET.as_bytes(),
            format!(
                "apiKey={SPOT_KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL\
                 &symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
            )
            .as_bytes(),
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        );
        check(
            SPOT_SECRET.as_bytes(),
            format!(
                "apiKey={SPOT_KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY\
                 &symbol=１２３４５６&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
            )
            .as_bytes(),
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        );
    }

    #[test]
    fn binance_futures_rest_vectors() {
        check(
            FUTURES_SECRET.as_bytes(),
            b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC\
              &recvWindow=5000&timestamp=1591702613943",
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
        );
        check(
            FUTURES_SECRET.as_bytes(),
            b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000\
              &recvWindow=5000&timestamp=1591702613943",
            "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
        );
    }

    #[test]
    fn malformed_signatures_are_refused() {
        let key = HmacSha256Key::new(b"secret").unwrap();
        let mut good = [0; SIGNATURE_HEX_CHARS];
        key.sign_hex_into(b"m", &mut good);
        assert!(key.verify_hex(b"m", &good));
        assert!(!key.verify_hex(b"m", b""));
        assert!(!key.verify_hex(b"m", &good[..63]));
        assert!(!key.verify_hex(b"m", &[good.as_slice(), b"0"].concat()));
        assert!(!key.verify_hex(b"m", &[b"0x", good.as_slice()].concat()));
        assert!(!key.verify_hex(b"m", &[b"0x", &good[..62]].concat()));
        assert!(!key.verify_hex(b"m", &[b'g'; 64]));
        for index in 0..good.len() {
            let mut wrong = good;
            wrong[index] = if wrong[index] == b'0' { b'1' } else { b'0' };
            assert!(!key.verify_hex(b"m", &wrong), "digit {index}");
        }
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert_eq!(HmacSha256Key::new(b"").unwrap_err(), KeyError::Empty);
    }

    #[test]
    fn debug_shows_no_part_of_the_key() {
        let key = HmacSha256Key::new(SPOT_SECRET.as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), "HmacSha256Key(redacted)");
        assert_eq!(format!("{:?}", key.begin()), "HmacSha256Message(redacted)");
    }

    #[test]
    fn keyed_states_wipe_themselves() {
        // `Hmac` is two states of this hash and has nothing else to wipe.
        fn check<T: ZeroizeOnDrop>() {}
        check::<Sha256>();
    }

    proptest! {
        #[test]
        fn pieces_sign_like_the_whole(
            secret in prop::collection::vec(any::<u8>(), 1..150),
            message in prop::collection::vec(any::<u8>(), 0..400),
            cuts in prop::collection::vec(0_usize..400, 0..5),
        ) {
            let key = HmacSha256Key::new(&secret).unwrap();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(message.len())).collect();
            cuts.push(message.len());
            cuts.sort_unstable();
            let mut pieces = key.begin();
            let mut from = 0;
            for cut in cuts {
                pieces.update(&message[from..cut]);
                from = cut;
            }
            prop_assert_eq!(pieces.finish(), key.sign(&message));
        }
    }
}
