//! Frames of order entry that the products have in common. It must not decide whether one may be
//! sent, and must not allocate.
//!
//! Implements `binance.md` section 2 and 4, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{ClientOrderId, InstallationPrefix, Now, Side};

use super::auth::{ComposeError, Param, write_request};
use super::symbols::{Listing, SymbolTable};
use crate::signer::BinanceSigner;
use crate::wire::websocket::Payload;

/// What all requests of a session share.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderFrames {
    pub(super) prefix: InstallationPrefix,
    pub(super) recv_window_ms: u32,
}

/// Who asks when, under which id, about which instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHead<'a> {
    pub(super) frames: OrderFrames,
    pub(super) id: u64,
    pub(super) now: Now,
    pub(super) symbols: &'a SymbolTable,
    pub(super) listing: &'a Listing,
    /// Signs the request; `None` on a session that has logged on.
    pub(super) signer: Option<&'a BinanceSigner>,
}

impl<'a> FrameHead<'a> {
    #[inline]
    pub(super) fn write(
        &self,
        payload: &mut Payload<'_>,
        method: &str,
        params: &[Param<'_>],
    ) -> Result<(), ComposeError> {
        write_request(payload, self.id, method, params, self.signer)
    }

    /// A request that needs nothing but an order's id.
    #[inline]
    pub(super) fn write_about(
        &self,
        payload: &mut Payload<'_>,
        method: &str,
        order: ClientOrderId,
    ) -> Result<(), ComposeError> {
        let client_id = self.client_id(order);
        let params = [
            Param::text("origClientOrderId", &client_id),
            self.recv_window(),
            self.symbol(),
            self.timestamp(),
        ];
        self.write(payload, method, &params)
    }

    pub(super) fn write_status(
        &self,
        payload: &mut Payload<'_>,
        order: ClientOrderId,
    ) -> Result<(), ComposeError> {
        self.write_about(payload, "order.status", order)
    }

    pub(super) fn client_id(&self, order: ClientOrderId) -> [u8; ClientOrderId::TEXT_LENGTH] {
        order.text(self.frames.prefix)
    }

    /// Sent always: it is the fence after which an order that was lost can't be executed any more.
    pub(super) fn recv_window(&self) -> Param<'static> {
        Param::integer("recvWindow", u64::from(self.frames.recv_window_ms))
    }

    pub(super) fn symbol(&self) -> Param<'a> {
        Param::text("symbol", self.symbols.symbol(self.listing).as_bytes())
    }

    pub(super) fn timestamp(&self) -> Param<'static> {
        timestamp(self.now)
    }
}

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
