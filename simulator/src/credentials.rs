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

use crate::dialects::binance::Product;
use crate::dialects::binance::auth::{ApiKey, Keys, Verifier};
use crate::dialects::binance::roles::Role;
use crate::exchange::Exchange;
use crate::exchange::account::AccountId;
use crate::exchange::number::Money;
use crate::exchange::order::UnixMillis;
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

/// What a spot account holds at the start beside its USDT.
const SPOT_ASSETS: [(&str, i64); 3] = [("BTC", 100), ("ETH", 1_000), ("BNB", 100)];

/// Both markets as far as accounts concern them. An account has one number on both.
#[derive(Debug)]
pub struct Bank<'a> {
    pub spot: &'a mut Exchange,
    pub usdm: &'a mut Exchange,
    pub spot_keys: &'a mut Keys,
    pub usdm_keys: &'a mut Keys,
    pub deposit: Decimal,
}

impl Bank<'_> {
    /// For each market two keys that trade, and one for each way a key can be wrong. Every key
    /// opens its own account, on both markets.
    pub fn open_accounts(&mut self, now: UnixMillis, random: &mut Random) -> Vec<TestAccount> {
        let mut accounts = Vec::new();
        for product in [Product::Usdm, Product::Spot] {
            for role in Role::AT_START {
                let kinds: &[bool] = if role == Role::Trade { &[true, false] } else { &[false] };
                for is_ed25519 in kinds {
                    let make = if *is_ed25519 { ed25519 } else { hmac };
                    let (shown, verifier) = make(random, product, role.name());
                    let account = self.open_account(now);
                    let rights = role.rights(now);
                    let key = ApiKey { account, verifier, rights, revoked: false };
                    self.spot_keys.insert(shown.api_key.clone(), key.clone());
                    self.usdm_keys.insert(shown.api_key.clone(), key);
                    accounts.push(shown);
                }
            }
            // A well-formed key that the venue has never seen.
            accounts.push(hmac(random, product, "unregistered").0);
        }
        // Nobody listens yet to what the deposits would tell.
        self.spot.take_events();
        accounts
    }

    fn open_account(&mut self, now: UnixMillis) -> AccountId {
        let account = self.usdm.open_account(Money(self.deposit));
        let spot = self.spot.open_account(Money(self.deposit));
        self.spot.deposit(now, spot, "USDT", Money(self.deposit));
        for (asset, amount) in SPOT_ASSETS {
            self.spot.deposit(now, spot, asset, Money(Decimal::from(amount)));
        }
        account
    }
}

fn hmac(random: &mut Random, product: Product, role: &'static str) -> (TestAccount, Verifier) {
    let (api_key, secret) = (random.text(64), random.text(64));
    let verifier = Verifier::Hmac(secret.as_bytes().to_vec());
    let shown = TestAccount {
        venue: product.name(),
        role,
        key_type: "hmac",
        api_key,
        secret: Some(secret),
        private_key: None,
    };
    (shown, verifier)
}

fn ed25519(random: &mut Random, product: Product, role: &'static str) -> (TestAccount, Verifier) {
    let api_key = random.text(64);
    let seed = random.bytes32();
    let verifier = Verifier::Ed25519(Box::new(SigningKey::from_bytes(&seed).verifying_key()));
    let shown = TestAccount {
        venue: product.name(),
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
        let (shown, verifier) = hmac(&mut Random::new(1), Product::Spot, "trade");
        let text = format!("{shown:?} {verifier:?}");
        assert!(!text.contains(&shown.secret.unwrap()), "{text}");
    }
}
