//! Throw-away keys for the test accounts, made at start.
//!
//! They open nothing but this simulator, which is why they may be printed in its first line;
//! Debug still shows none.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use rust_decimal::Decimal;
use serde::Serialize;

use crate::dialects::binance_usdm::auth::{ApiKey, Keys, Rights, Verifier};
use crate::exchange::Exchange;
use crate::exchange::number::Money;
use crate::random::Random;

/// One account as the first line of `enigma simulator` shows it.
#[derive(Clone, Serialize)]
pub struct TestAccount {
    pub venue: &'static str,
    pub role: &'static str,
    pub key_type: &'static str,
    pub api_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// PKCS#8 PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
}

impl fmt::Debug for TestAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestAccount({} {} {}, redacted)", self.venue, self.role, self.key_type)
    }
}

const VENUE: &str = "binance_usdm";
const TRADER: Rights = Rights { trade: true, withdraw: false, ip_restricted: true };

/// The accounts of the venue: two that trade, and one for each way a key can be wrong.
pub fn open_accounts(
    random: &mut Random,
    exchange: &mut Exchange,
    keys: &mut Keys,
    deposit: Decimal,
) -> Vec<TestAccount> {
    let mut accounts = Vec::new();
    let roles = [
        ("trade", true, TRADER),
        ("trade", false, TRADER),
        ("read_only", false, Rights { trade: false, ..TRADER }),
        ("withdraw", false, Rights { withdraw: true, ..TRADER }),
        ("no_ip_binding", false, Rights { ip_restricted: false, ..TRADER }),
    ];
    for (role, is_ed25519, rights) in roles {
        let account = exchange.open_account(Money(deposit));
        let (shown, verifier) = if is_ed25519 { ed25519(random, role) } else { hmac(random, role) };
        let key = ApiKey { account, verifier, rights, revoked: false };
        keys.insert(shown.api_key.clone(), key);
        accounts.push(shown);
    }
    // A well-formed key that the venue has never seen.
    accounts.push(hmac(random, "unregistered").0);
    accounts
}

fn hmac(random: &mut Random, role: &'static str) -> (TestAccount, Verifier) {
    let (api_key, secret) = (random.text(64), random.text(64));
    let verifier = Verifier::Hmac(secret.as_bytes().to_vec());
    let shown = TestAccount {
        venue: VENUE,
        role,
        key_type: "hmac",
        api_key,
        secret: Some(secret),
        private_key: None,
    };
    (shown, verifier)
}

fn ed25519(random: &mut Random, role: &'static str) -> (TestAccount, Verifier) {
    let api_key = random.text(64);
    let seed = random.bytes32();
    let verifier = Verifier::Ed25519(Box::new(SigningKey::from_bytes(&seed).verifying_key()));
    let shown = TestAccount {
        venue: VENUE,
        role,
        key_type: "ed25519",
        api_key,
        secret: None,
        private_key: Some(pkcs8_pem(&seed)),
    };
    (shown, verifier)
}

/// The 48-byte DER of RFC 8410 around the seed.
fn pkcs8_pem(seed: &[u8; 32]) -> String {
    const HEADER: [u8; 16] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let der = [HEADER.as_slice(), seed.as_slice()].concat();
    let body = STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn the_pem_is_the_documented_one_for_the_documented_seed() {
        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let seed: [u8; 32] = seed.unwrap().try_into().unwrap();
        let body = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
        assert!(pkcs8_pem(&seed).contains(body));
    }

    #[test]
    fn secrets_do_not_show_in_debug() {
        let (shown, verifier) = hmac(&mut Random::new(1), "trade");
        let text = format!("{shown:?} {verifier:?}");
        assert!(!text.contains(&shown.secret.unwrap()), "{text}");
    }
}
