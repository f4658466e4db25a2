//! API keys, what each may do, and the proof that a request was signed with one.
//!
//! Secrets stay here: Debug shows none, and no reply carries one.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use rust_decimal::Decimal;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::Product;
use super::parameters::Parameters;
use super::reject::Reject;
use super::roles::Rights;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

/// What a request needs its key to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Read,
    Trade,
}

#[derive(Clone)]
pub enum Verifier {
    Hmac(Vec<u8>),
    Ed25519(Box<VerifyingKey>),
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Hmac(redacted)",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

impl Verifier {
    /// HMAC as hex in either case, Ed25519 as standard base64 of 64 bytes.
    pub fn accepts(&self, payload: &[u8], signature: &str) -> bool {
        match self {
            Self::Hmac(secret) => {
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
                mac.update(payload);
                let Ok(sent) = hex::decode(signature) else { return false };
                mac.finalize().into_bytes().as_slice().ct_eq(&sent).into()
            }
            Self::Ed25519(key) => {
                let Ok(bytes) = STANDARD.decode(signature) else { return false };
                let Ok(signature) = Signature::from_slice(&bytes) else { return false };
                key.verify(payload, &signature).is_ok()
            }
        }
    }
}

#[derive(Clone, Debug)]
pub struct ApiKey {
    pub account: AccountId,
    pub verifier: Verifier,
    pub rights: Rights,
    pub revoked: bool,
}

/// The keys as one market knows them: both know the same, each asks for its own permission.
#[derive(Clone, Debug)]
pub struct Keys {
    product: Product,
    keys: HashMap<String, ApiKey>,
}

impl Keys {
    pub fn new(product: Product) -> Self {
        Self { product, keys: HashMap::new() }
    }

    pub fn insert(&mut self, name: String, key: ApiKey) {
        self.keys.insert(name, key);
    }

    /// True where the key was there.
    pub fn revoke(&mut self, name: &str) -> bool {
        self.keys.get_mut(name).is_some_and(|key| {
            key.revoked = true;
            true
        })
    }

    pub fn revoke_all(&mut self) {
        self.keys.values_mut().for_each(|key| key.revoked = true);
    }

    /// Gives a key other rights, as its owner may at any time.
    pub fn change_rights(&mut self, name: &str, rights: Rights) {
        if let Some(key) = self.keys.get_mut(name) {
            key.rights = rights;
        }
    }

    /// The account of a key for the test view, revoked or not.
    pub fn account(&self, name: &str) -> Option<AccountId> {
        self.keys.get(name).map(|key| key.account)
    }

    pub fn active(&self, name: Option<&str>) -> Result<&ApiKey, Reject> {
        let name = name.filter(|name| !name.is_empty()).ok_or_else(Reject::key_format)?;
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Reject::key_format());
        }
        self.keys.get(name).filter(|key| !key.revoked).ok_or_else(Reject::key)
    }

    /// A REST request: the payload is the raw query followed by the raw body, less the
    /// signature.
    pub fn signed(
        &self,
        now: UnixMillis,
        name: Option<&str>,
        sent: &Parameters,
        payload: &[u8],
        need: Need,
    ) -> Result<AccountId, Reject> {
        let key = self.active(name)?;
        self.check_time(now, sent)?;
        let signature = sent.mandatory("signature")?;
        if !key.verifier.accepts(payload, signature) {
            return Err(Reject::signature());
        }
        self.allowed(now, key, need)
    }

    pub fn allowed(&self, now: UnixMillis, key: &ApiKey, need: Need) -> Result<AccountId, Reject> {
        match need {
            Need::Trade if !key.rights.may_trade(self.product, now) => Err(Reject::key()),
            Need::Trade | Need::Read => Ok(key.account),
        }
    }

    /// `timestamp < server + 1000 && server - timestamp <= recvWindow`, else -1021.
    pub fn check_time(&self, now: UnixMillis, sent: &Parameters) -> Result<(), Reject> {
        let stamp = sent.mandatory_integer("timestamp")?;
        let window = match self.product {
            Product::Usdm => sent.integer("recvWindow")?.map(Decimal::from),
            Product::Spot => sent.decimal("recvWindow")?,
        };
        let window = window.unwrap_or_else(|| Decimal::from(RECEIVE_WINDOW_MS));
        if window > Decimal::from(RECEIVE_WINDOW_MS_MAX) {
            return Err(Reject::bad(-1131, "recvWindow must be less than 60000"));
        }
        // Spot takes microseconds too, which are told by their size.
        let micros = self.product == Product::Spot && stamp >= MICROSECONDS_FROM;
        let timestamp = if micros { stamp / 1000 } else { stamp };
        if timestamp >= now.0.saturating_add(1000) {
            return Err(Reject::ahead());
        }
        if Decimal::from(now.0.saturating_sub(timestamp)) > window {
            return Err(Reject::behind());
        }
        Ok(())
    }
}

/// The bytes that a REST client signed.
pub fn rest_payload(query: &str, body: &str) -> Vec<u8> {
    let unsigned = |part: &str| {
        let kept: Vec<&str> =
            part.split('&').filter(|pair| !pair.starts_with("signature=")).collect();
        kept.join("&")
    };
    let mut payload = unsigned(query);
    payload.push_str(&unsigned(body));
    payload.into_bytes()
}

const RECEIVE_WINDOW_MS: u64 = 5_000;
const RECEIVE_WINDOW_MS_MAX: u64 = 60_000;
const MICROSECONDS_FROM: u64 = 100_000_000_000_000;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    const SPOT_SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    const FUTURES_SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
    const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";

    #[track_caller]
    fn check(secret: &str, payload: &str, signature: &str) {
        let verifier = Verifier::Hmac(secret.as_bytes().to_vec());
        assert!(verifier.accepts(payload.as_bytes(), signature), "lower case");
        assert!(verifier.accepts(payload.as_bytes(), &signature.to_uppercase()), "upper case");
        assert!(!verifier.accepts(format!("{payload} ").as_bytes(), signature), "other bytes");
    }

    fn split(query: &str, body: &str) -> String {
        String::from_utf8(rest_payload(query, body)).unwrap()
    }

    #[test]
    fn the_documented_rest_vectors_verify() {
        let all = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
                   &recvWindow=5000&timestamp=1499827319559";
        let v1 = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
        check(SPOT_SECRET, &split(&format!("{all}&signature={v1}"), ""), v1);
        check(SPOT_SECRET, &split("", &format!("{all}&signature={v1}")), v1);
        let query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC";
        let v2 = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77";
        let body = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
        check(SPOT_SECRET, &split(query, &format!("{body}&signature={v2}")), v2);
        let v3 = "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3";
        let wide = "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY\
                    &type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000\
                    &timestamp=1499827319559";
        check(SPOT_SECRET, &split(wide, ""), v3);
    }

    #[test]
    fn the_futures_rest_vectors_verify() {
        let v6 = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9";
        let all = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC\
                   &recvWindow=5000&timestamp=1591702613943";
        check(FUTURES_SECRET, &split(all, ""), v6);
        let v7 = "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4";
        let query = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC";
        let body = "quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943";
        check(FUTURES_SECRET, &split(query, body), v7);
    }

    #[test]
    fn the_websocket_vectors_verify_from_json_in_any_order() {
        let cases = [
            (
                r#"{"type":"LIMIT","symbol":"BTCUSDT","side":"SELL","timeInForce":"GTC",
                 "quantity":"0.01000000","price":"52000.00","recvWindow":100,
                 "timestamp":1645423376532,"apiKey":"KEY","signature":"x"}"#,
                "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
            ),
            (
                r#"{"symbol":"１２３４５６","side":"BUY","type":"LIMIT","timeInForce":"GTC",
                 "quantity":"1.00000000","price":"0.10000000","recvWindow":5000,
                 "timestamp":1645423376532,"apiKey":"KEY","signature":"x"}"#,
                "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
            ),
        ];
        for (json, signature) in cases {
            let sent = serde_json::from_str(&json.replace("KEY", KEY)).unwrap();
            let payload = Parameters::from_json(&sent).unwrap().sorted_payload();
            check(SPOT_SECRET, &payload, signature);
        }
    }

    #[test]
    fn the_ed25519_vectors_verify() {
        let public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let bytes: [u8; 32] = STANDARD.decode(public).unwrap().try_into().unwrap();
        let key = Verifier::Ed25519(Box::new(VerifyingKey::from_bytes(&bytes).unwrap()));
        let logon = format!("apiKey={KEY}&timestamp=1649729878532");
        let signature = "763GJeFgG09B/06V/dq24cLu6f0R57whgDMyOCubDex4CTTElmDgPSIQqLdOsvW5\
                         TBxyaaFotVCI8tUmQMChAA==";
        assert!(key.accepts(logon.as_bytes(), signature));
        assert!(!key.accepts(b"other", signature));
        let rest = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
                    &recvWindow=5000&timestamp=1499827319559";
        let signature = "3fhuDZ9nYMviDQ5OEtJBJS11jUZDTRzRQ+TQMarm+LErFiJvUiVPQjTzDoWZQe4m\
                         iPX+yHk1v/Z7TWLYjIbmCA==";
        assert!(key.accepts(rest.as_bytes(), signature));
    }

    #[track_caller]
    fn check_clock(query: &str, code: Option<i32>) {
        let sent = Parameters::from_query_and_body(query, "").unwrap();
        for product in [Product::Usdm, Product::Spot] {
            let outcome = Keys::new(product).check_time(UnixMillis(1_000_000), &sent);
            assert_eq!(outcome.err().map(|reject| reject.code), code, "{product:?} {query}");
        }
    }

    #[track_caller]
    fn check_spot_clock(query: &str, code: Option<i32>) {
        let sent = Parameters::from_query_and_body(query, "").unwrap();
        let now = UnixMillis(1_700_000_000_000);
        let outcome = Keys::new(Product::Spot).check_time(now, &sent);
        assert_eq!(outcome.err().map(|reject| reject.code), code, "{query}");
    }

    #[test]
    fn spot_takes_microseconds_and_windows_with_decimals() {
        check_spot_clock("timestamp=1700000000000000&recvWindow=0.5", None);
        check_spot_clock("timestamp=1699999999999000&recvWindow=0.5", Some(-1021));
        check_spot_clock("timestamp=1699999994000&recvWindow=6000.346", None);
        check_spot_clock("timestamp=1700000001000", Some(-1021));
    }

    #[test]
    fn a_request_is_too_old_beyond_its_window_and_too_new_from_one_second() {
        check_clock("timestamp=1000000", None);
        check_clock("timestamp=995000", None);
        check_clock("timestamp=994999", Some(-1021));
        check_clock("timestamp=1000999", None);
        check_clock("timestamp=1001000", Some(-1021));
        check_clock("timestamp=940000&recvWindow=60000", None);
        check_clock("timestamp=1000000&recvWindow=60001", Some(-1131));
        check_clock("", Some(-1102));
        check_clock("timestamp=1e6", Some(-1100));
    }
}
