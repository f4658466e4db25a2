//! What is signed, and how the signature travels: WebSocket requests and REST queries. It composes
//! only what it is given; it knows no secret and keeps none.
//!
//! Implements `binance.md` section 2, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use core::fmt::{self, Write as _};

use arrayvec::ArrayVec;

use crate::session::{CallTarget, VenueError};
use crate::signer::{BinanceSecret, BinanceSigner, Signer};
use crate::wire::websocket::{Payload, TransmitFull};

/// One parameter of a WebSocket request.
#[derive(Clone, Copy, Debug)]
pub struct Param<'a> {
    pub name: &'static str,
    pub value: ParamValue<'a>,
}

/// A value in the textual form that is both sent and signed.
#[derive(Clone, Copy, Debug)]
pub enum ParamValue<'a> {
    /// Sent as a JSON string. Must need no escape.
    Text(&'a [u8]),
    /// Sent as a JSON number.
    Integer(u64),
}

/// Why a request could not be composed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error(transparent)]
    Full(#[from] TransmitFull),
    #[error("the text to sign is longer than {SIGNED_BYTES_MAX} bytes")]
    TooLong,
    #[error("a parameter's text needs an escape, so that what is signed would not be what is sent")]
    NeedsEscape,
}

impl<'a> Param<'a> {
    pub const fn text(name: &'static str, value: &'a [u8]) -> Self {
        Self { name, value: ParamValue::Text(value) }
    }

    pub const fn integer(name: &'static str, value: u64) -> Self {
        Self { name, value: ParamValue::Integer(value) }
    }
}

/// What an account of Binance signs with.
pub(in crate::binance) fn binance(signer: &Signer) -> Result<&BinanceSigner, VenueError> {
    match signer {
        Signer::Binance(signer) => Ok(signer),
        Signer::None => Err(VenueError::Misuse("an account's session without a key")),
    }
}

/// Writes a whole request. `params` come sorted by name, as the signature wants them; with a
/// signer `apiKey` is added in its place and `signature` at the end, without one the session's
/// log-on stands for both.
#[inline]
pub fn write_request(
    payload: &mut Payload<'_>,
    id: u64,
    method: &str,
    params: &[Param<'_>],
    signer: Option<&BinanceSigner>,
) -> Result<(), ComposeError> {
    debug_assert!(
        params.windows(2).all(|pair| pair[0].name < pair[1].name),
        "parameters are signed in the order of their names"
    );
    payload.push_bytes(b"{\"id\":");
    payload.push_u64(id);
    payload.push_bytes(b",\"method\":\"");
    payload.push_str(method);
    payload.push_bytes(b"\",\"params\":{");
    match signer {
        None => write_params(payload, params, None)?,
        Some(signer) => write_signed(payload, params, signer)?,
    }
    payload.push_bytes(b"}}");
    Ok(())
}

/// A REST target with its signature as the last parameter. `query` is signed as it stands, so its
/// values must be percent-encoded already.
pub fn signed_target(path: &str, query: &str, signer: &BinanceSigner) -> CallTarget {
    let mut target = composed(format_args!("{path}?{query}&signature="));
    for &byte in sign(query.as_bytes(), signer).as_slice() {
        match byte {
            b'+' => add(&mut target, format_args!("%2B")),
            b'/' => add(&mut target, format_args!("%2F")),
            b'=' => add(&mut target, format_args!("%3D")),
            _ => add(&mut target, format_args!("{}", char::from(byte))),
        }
    }
    target
}

/// A target or a part of one, written in place.
pub(in crate::binance) fn composed(text: fmt::Arguments<'_>) -> CallTarget {
    let mut target = CallTarget::new();
    add(&mut target, text);
    target
}

fn add(target: &mut CallTarget, text: fmt::Arguments<'_>) {
    // Cut short it would carry a wrong signature, and the venue would refuse it.
    let written = target.write_fmt(text);
    debug_assert!(written.is_ok(), "a target holds the longest query");
}

fn write_signed(
    payload: &mut Payload<'_>,
    params: &[Param<'_>],
    signer: &BinanceSigner,
) -> Result<(), ComposeError> {
    let mut signed = SignedText::new();
    let key = Param::text(API_KEY, signer.api_key.as_bytes());
    let (before, after) = params.split_at(params.partition_point(|param| param.name < API_KEY));
    let mut first = true;
    for params in [before, &[key], after] {
        if !params.is_empty() {
            if !core::mem::take(&mut first) {
                payload.push_byte(b',');
            }
            write_params(payload, params, Some(&mut signed))?;
        }
    }
    payload.push_bytes(b",\"signature\":\"");
    payload.push_bytes(sign(&signed, signer).as_slice());
    payload.push_byte(b'"');
    Ok(())
}

fn write_params(
    payload: &mut Payload<'_>,
    params: &[Param<'_>],
    mut signed: Option<&mut SignedText>,
) -> Result<(), ComposeError> {
    let mut number = itoa::Buffer::new();
    for (index, param) in params.iter().enumerate() {
        if index > 0 {
            payload.push_byte(b',');
        }
        payload.push_byte(b'"');
        payload.push_str(param.name);
        let text = match param.value {
            ParamValue::Text(text) => {
                if text.iter().any(|&byte| matches!(byte, 0..=0x1F | b'"' | b'\\')) {
                    return Err(ComposeError::NeedsEscape);
                }
                payload.push_bytes(b"\":\"");
                payload.push_bytes(text);
                payload.push_byte(b'"');
                text
            }
            ParamValue::Integer(value) => {
                let text = number.format(value).as_bytes();
                payload.push_bytes(b"\":");
                payload.push_bytes(text);
                text
            }
        };
        if let Some(signed) = signed.as_deref_mut() {
            let separator: &[u8] = if signed.is_empty() { b"" } else { b"&" };
            for piece in [separator, param.name.as_bytes(), b"=", text] {
                signed.try_extend_from_slice(piece).map_err(|_| ComposeError::TooLong)?;
            }
        }
    }
    Ok(())
}

/// The signature in the alphabet it is sent in: hexadecimal for HMAC, base64 for Ed25519.
fn sign(message: &[u8], signer: &BinanceSigner) -> ArrayVec<u8, SIGNATURE_CHARS_MAX> {
    let mut text = ArrayVec::new();
    match &signer.secret {
        BinanceSecret::Hmac(key) => {
            let mut hex = [0; 64];
            key.sign_hex_into(message, &mut hex);
            text.extend(hex);
        }
        BinanceSecret::Ed25519(key) => {
            let mut base64 = [0; SIGNATURE_CHARS_MAX];
            key.sign_base64_into(message, &mut base64);
            text.extend(base64);
        }
    }
    text
}

type SignedText = ArrayVec<u8, SIGNED_BYTES_MAX>;

const API_KEY: &str = "apiKey";
/// Room for a 64-character key and every parameter that we send, with some to spare.
const SIGNED_BYTES_MAX: usize = 768;
/// An Ed25519 signature in base64.
const SIGNATURE_CHARS_MAX: usize = 88;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_signing::{Ed25519Key, HmacSha256Key};

    use super::*;
    use crate::wire::websocket::{FrameClass, Transmit};

    const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
    const SECRET: &[u8] = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
    const FUTURES_SECRET: &[u8] =
        b"2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9";
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    fn hmac(secret: &[u8]) -> BinanceSigner {
        let secret = BinanceSecret::Hmac(HmacSha256Key::new(secret).unwrap());
        BinanceSigner { api_key: KEY.into(), secret }
    }

    fn ed25519() -> BinanceSigner {
        let secret = BinanceSecret::Ed25519(Ed25519Key::from_pkcs8_pem(PEM).unwrap());
        BinanceSigner { api_key: KEY.into(), secret }
    }

    fn compose(
        method: &str,
        params: &[Param<'_>],
        signer: Option<&BinanceSigner>,
    ) -> Result<String, ComposeError> {
        let mut text = String::new();
        let mut transmit = Transmit::with_capacity(4_096, 4, 1);
        transmit.text(FrameClass::Session, |payload| {
            write_request(payload, 7, method, params, signer)?;
            text = String::from_utf8(payload.as_slice().to_vec()).unwrap();
            Ok::<(), ComposeError>(())
        })?;
        Ok(text)
    }

    #[track_caller]
    fn check_place(symbol: &str, price: &str, quantity: &str, window: u64, side: &str, sign: &str) {
        let params = [
            Param::text("price", price.as_bytes()),
            Param::text("quantity", quantity.as_bytes()),
            Param::integer("recvWindow", window),
            Param::text("side", side.as_bytes()),
            Param::text("symbol", symbol.as_bytes()),
            Param::text("timeInForce", b"GTC"),
            Param::integer("timestamp", 1_645_423_376_532),
            Param::text("type", b"LIMIT"),
        ];
        assert_eq!(
            compose("order.place", &params, Some(&hmac(SECRET))).unwrap(),
            format!(
                "{{\"id\":7,\"method\":\"order.place\",\"params\":{{\"apiKey\":\"{KEY}\",\
                 \"price\":\"{price}\",\"quantity\":\"{quantity}\",\"recvWindow\":{window},\
                 \"side\":\"{side}\",\"symbol\":\"{symbol}\",\"timeInForce\":\"GTC\",\
                 \"timestamp\":1645423376532,\"type\":\"LIMIT\",\"signature\":\"{sign}\"}}}}"
            )
        );
    }

    #[track_caller]
    fn check_rest(secret: &[u8], query: &str, signature: &str) {
        assert_eq!(
            signed_target("/fapi/v1/order", query, &hmac(secret)).as_str(),
            format!("/fapi/v1/order?{query}&signature={signature}")
        );
    }

    #[test]
    fn websocket_requests_are_signed_as_the_venue_documents() {
        check_place(
            "BTCUSDT",
            "52000.00",
            "0.01000000",
            100,
            "SELL",
            "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
        );
        check_place(
            "１２３４５６",
            "0.10000000",
            "1.00000000",
            5_000,
            "BUY",
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        );
    }

    #[test]
    fn log_on_is_signed_with_ed25519() {
        let params = [Param::integer("timestamp", 1_649_729_878_532)];
        assert_eq!(
            compose("session.logon", &params, Some(&ed25519())).unwrap(),
            format!(
                "{{\"id\":7,\"method\":\"session.logon\",\"params\":{{\"apiKey\":\"{KEY}\",\
                 \"timestamp\":1649729878532,\"signature\":\"763GJeFgG09B/06V/dq24cLu6f0R57whgDMy\
                 OCubDex4CTTElmDgPSIQqLdOsvW5TBxyaaFotVCI8tUmQMChAA==\"}}}}"
            )
        );
    }

    #[test]
    fn rest_queries_carry_their_signature_last() {
        check_rest(
            SECRET,
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
             &recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        );
        check_rest(
            SECRET,
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT\
             &timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        );
        check_rest(
            FUTURES_SECRET,
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC\
             &recvWindow=5000&timestamp=1591702613943",
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
        );
    }

    #[test]
    fn a_base64_signature_is_percent_encoded_in_a_query() {
        let query = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
             &recvWindow=5000&timestamp=1499827319559";
        assert_eq!(
            signed_target("/x", query, &ed25519()).as_str(),
            format!(
                "/x?{query}&signature=3fhuDZ9nYMviDQ5OEtJBJS11jUZDTRzRQ%2BTQMarm%2BLErFiJvUiVPQjT\
                 zDoWZQe4miPX%2ByHk1v%2FZ7TWLYjIbmCA%3D%3D"
            )
        );
    }

    #[test]
    fn a_logged_on_session_sends_neither_key_nor_signature() {
        let params = [Param::integer("timestamp", 5)];
        assert_eq!(
            compose("order.status", &params, None).unwrap(),
            "{\"id\":7,\"method\":\"order.status\",\"params\":{\"timestamp\":5}}"
        );
    }

    #[test]
    fn what_would_be_escaped_or_is_too_long_is_refused() {
        let refuse = |value: &[u8]| {
            compose("order.place", &[Param::text("symbol", value)], Some(&hmac(SECRET)))
        };
        assert_eq!(refuse(b"BTC\"USDT"), Err(ComposeError::NeedsEscape));
        assert_eq!(refuse(b"BTC\nUSDT"), Err(ComposeError::NeedsEscape));
        assert_eq!(refuse(&[b'A'; 800]), Err(ComposeError::TooLong));
    }
}
