//! Frames of order entry that the products have in common. It must not decide whether one may be
//! sent, and must not allocate.
//!
//! Implements `binance.md` section 2 and 4, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{Now, Side};

use super::auth::{ComposeError, Param, write_request};
use crate::signer::BinanceSigner;
use crate::wire::websocket::Payload;

/// Logs the session on. Only an Ed25519 key may.
pub(in crate::binance) fn write_logon(
    payload: &mut Payload<'_>,
    id: u64,
    now: Now,
    signer: &BinanceSigner,
) -> Result<(), ComposeError> {
    write_request(payload, id, "session.logon", &[timestamp(now)], Some(signer))
}

/// Asks whether the session still stands. Needs neither key nor signature.
pub(in crate::binance) fn write_pulse(
    payload: &mut Payload<'_>,
    id: u64,
) -> Result<(), ComposeError> {
    payload.push_bytes(b"{\"id\":");
    payload.push_u64(id);
    payload.push_bytes(b",\"method\":\"session.status\"}");
    Ok(())
}

pub(in crate::binance) fn timestamp(now: Now) -> Param<'static> {
    Param::integer("timestamp", now.venue_time().as_millis())
}

pub(in crate::binance) const fn side_text(side: Side) -> &'static [u8] {
    match side {
        Side::Buy => b"BUY",
        Side::Sell => b"SELL",
    }
}
