//! What an API key may do, as the venue states it: proof that a key can trade and nothing else. It
//! must not guess: rights that aren't told aren't there, except that a key whose answer doesn't
//! deny withdrawals is no answer at all.
//!
//! Implements `binance.md` section 7,
//! <https://developers.binance.com/docs/wallet/account/api-key-permission> (read 2026-11-24). The
//! call goes to spot's REST host, for keys of futures too.

use arrayvec::{ArrayString, ArrayVec};
use enigma_types::{Now, UnixNanos};

use crate::binance::auth::{composed, signed_target};
use crate::binance::fields::{ReadError, fields, need};
use crate::session::{CallId, CallRequest, Method};
use crate::signer::BinanceSigner;
use crate::wire::json::RawValue;

/// The rights of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRights {
    pub read: bool,
    /// Spot and margin trading.
    pub trade_spot: bool,
    pub trade_futures: bool,
    pub withdraw: bool,
    /// Moves funds to another account of the venue.
    pub internal_transfer: bool,
    /// Moves funds between the wallets of this account and its sub-accounts.
    pub universal_transfer: bool,
    /// Only listed addresses may use the key. Which ones isn't told.
    pub ip_restricted: bool,
    pub created: Option<UnixNanos>,
    /// When the right to trade lapses.
    pub trading_expires: Option<UnixNanos>,
    /// What else is switched on, under the venue's own name.
    pub other: ArrayVec<RightName, { Self::OTHERS }>,
}

/// The venue's own name of a right.
pub type RightName = ArrayString<40>;

impl KeyRights {
    pub const OTHERS: usize = 24;

    /// It moves funds out of the account, or may: such a key is refused.
    pub const fn moves_funds(&self) -> bool {
        self.withdraw || self.internal_transfer || self.universal_transfer
    }
}

/// The call that asks for a key's rights, signed by that key.
pub fn key_rights_call(
    call: CallId,
    now: Now,
    recv_window_ms: u32,
    signer: &BinanceSigner,
) -> CallRequest {
    let timestamp = now.venue_time().as_millis();
    let query = composed(format_args!("recvWindow={recv_window_ms}&timestamp={timestamp}"));
    CallRequest {
        call,
        method: Method::Get,
        target: signed_target("/sapi/v1/account/apiRestrictions", &query, signer),
        header: Some(("X-MBX-APIKEY", signer.key_name())),
        timeout: enigma_types::Nanos::from_secs(10),
    }
}

/// Reads `GET /sapi/v1/account/apiRestrictions`.
pub fn decode_key_rights(body: &[u8]) -> Result<KeyRights, ReadError> {
    let whole = RawValue::of_message(body)?;
    let known = fields(&whole, KNOWN)?;
    let [read, spot, futures, withdraw, internal, universal, restricted] = known;
    let [created, expires] = fields(&whole, TIMES)?;
    let right = |field: Option<RawValue<'_>>| field.map_or(Ok(false), |field| field.as_bool());
    let time = |field: Option<RawValue<'_>>| -> Result<Option<UnixNanos>, ReadError> {
        Ok(field.map(|field| field.as_u64()).transpose()?.map(UnixNanos::from_millis))
    };
    let mut rights = KeyRights {
        read: right(read)?,
        trade_spot: right(spot)?,
        trade_futures: right(futures)?,
        withdraw: need(withdraw, "enableWithdrawals")?.as_bool()?,
        internal_transfer: right(internal)?,
        universal_transfer: right(universal)?,
        ip_restricted: right(restricted)?,
        created: time(created)?,
        trading_expires: time(expires)?,
        other: ArrayVec::new(),
    };
    whole.for_each_field(|name, value| {
        let is_known = KNOWN.iter().chain(&TIMES).any(|known| known.as_bytes() == name);
        if !is_known && value.bytes() == b"true" {
            let text = core::str::from_utf8(name).map_err(|_| ReadError::Absurd("right"))?;
            let name = RightName::from(text).map_err(|_| ReadError::TooMany("letters"))?;
            rights.other.try_push(name).map_err(|_| ReadError::TooMany("rights"))?;
        }
        // Told twice, a right may be on in one place and off in the other: on is what counts.
        if value.bytes() == b"true" {
            match name {
                b"enableWithdrawals" => rights.withdraw = true,
                b"enableInternalTransfer" => rights.internal_transfer = true,
                b"permitsUniversalTransfer" => rights.universal_transfer = true,
                _ => {}
            }
        }
        Ok::<(), ReadError>(())
    })?;
    Ok(rights)
}

const KNOWN: [&str; 7] = [
    "enableReading",
    "enableSpotAndMarginTrading",
    "enableFutures",
    "enableWithdrawals",
    "enableInternalTransfer",
    "permitsUniversalTransfer",
    "ipRestrict",
];
const TIMES: [&str; 2] = ["createTime", "tradingAuthorityExpirationTime"];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_signing::HmacSha256Key;

    use super::*;
    use crate::signer::BinanceSecret;

    const RIGHTS: &str = r#"{"ipRestrict":true,"createTime":1698645219000,"enableReading":true,
        "enableWithdrawals":false,"enableInternalTransfer":false,"enableMargin":false,
        "enableFutures":true,"permitsUniversalTransfer":false,"enableVanillaOptions":false,
        "enableFixApiTrade":false,"enableFixReadOnly":true,"enableSpotAndMarginTrading":true,
        "enablePortfolioMarginTrading":true,"tradingAuthorityExpirationTime":1628985600000}"#;

    fn decode(text: &str) -> Result<KeyRights, ReadError> {
        decode_key_rights(text.as_bytes())
    }

    #[test]
    fn a_keys_rights_are_read_and_the_rest_kept_by_name() {
        let rights = decode(RIGHTS).unwrap();
        assert!(rights.read && rights.trade_spot && rights.trade_futures && rights.ip_restricted);
        assert!(!rights.moves_funds());
        assert_eq!(rights.created, Some(UnixNanos::from_millis(1_698_645_219_000)));
        assert_eq!(rights.trading_expires, Some(UnixNanos::from_millis(1_628_985_600_000)));
        let others: Vec<&str> = rights.other.iter().map(|name| name.as_str()).collect();
        assert_eq!(others, ["enableFixReadOnly", "enablePortfolioMarginTrading"]);
    }

    #[track_caller]
    fn check_moves_funds(right: &str) {
        let text = RIGHTS.replace(&format!("\"{right}\":false"), &format!("\"{right}\":true"));
        assert_ne!(text, RIGHTS);
        assert!(decode(&text).unwrap().moves_funds(), "{right}");
        // Hidden behind a second telling it is still seen.
        let text = RIGHTS.replacen('{', &format!("{{\"{right}\":true,"), 1);
        assert!(decode(&text).unwrap().moves_funds(), "{right}");
    }

    #[test]
    fn whatever_moves_funds_is_seen() {
        check_moves_funds("enableWithdrawals");
        check_moves_funds("enableInternalTransfer");
        check_moves_funds("permitsUniversalTransfer");
    }

    #[test]
    fn what_does_not_deny_withdrawals_is_no_answer() {
        for (from, to) in [
            ("\"enableWithdrawals\":false,", ""),
            ("\"enableWithdrawals\":false", "\"enableWithdrawals\":null"),
            ("\"enableWithdrawals\":false", "\"enableWithdrawals\":\"false\""),
            ("\"enableWithdrawals\":false", "\"enableWithdrawals\":0"),
            ("\"ipRestrict\":true", "\"ipRestrict\":\"yes\""),
            ("1698645219000", "\"long ago\""),
            ("{", "[{"),
        ] {
            let text = RIGHTS.replacen(from, to, 1);
            assert_ne!(text, RIGHTS, "{from}");
            assert!(decode(&text).is_err(), "{to}");
        }
        assert!(decode("{\"code\":-2015,\"msg\":\"Invalid API-key\"}").is_err());
        assert!(decode("<html>").is_err());
    }

    #[test]
    fn the_call_is_signed_by_the_key_that_it_asks_about() {
        let secret = BinanceSecret::Hmac(HmacSha256Key::new(b"secret").unwrap());
        let signer = BinanceSigner { api_key: "key".into(), secret };
        let now = Now { wall: UnixNanos::from_millis(5), ..Now::default() };
        let call = key_rights_call(CallId(3), now, 5_000, &signer);
        let expected = "/sapi/v1/account/apiRestrictions?recvWindow=5000&timestamp=5&signature=";
        assert!(call.target.starts_with(expected), "{}", call.target);
        assert_eq!(call.header.unwrap().1.as_str(), "key");
    }
}
