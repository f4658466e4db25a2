//! Encodes the requests of the order-entry connection, parameters in the order they are signed in.
//! It must not decide whether a request may be sent, and must not allocate.
//!
//! Implements `binance.md` section 4.4, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{
    CancelRequest, ClientOrderId, InstallationPrefix, Now, OrderRequest, ReplaceRequest,
    TimeInForce,
};

use crate::binance::auth::{ComposeError, Param, write_request};
use crate::binance::frames::{side_text, timestamp};
use crate::binance::symbols::{Listing, SymbolTable};
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
    pub(super) id: u64,
    pub(super) now: Now,
    pub(super) symbols: &'a SymbolTable,
    pub(super) listing: &'a Listing,
    /// Signs the request; `None` on a session that has logged on.
    pub(super) signer: Option<&'a BinanceSigner>,
}

impl OrderFrames {
    /// Post-only is the venue's GTX. The type is always LIMIT: a market order reaches a session as
    /// an immediate-or-cancel limit.
    #[inline]
    pub(super) fn place(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        order: &OrderRequest,
    ) -> Result<(), ComposeError> {
        let client_id = order.client_order_id.text(self.prefix);
        let price = order.price.text(head.listing.price_scale);
        let quantity = order.quantity.text(head.listing.quantity_scale);
        let first = [
            Param::text("newClientOrderId", &client_id),
            Param::text("price", price.as_bytes()),
            Param::text("quantity", quantity.as_bytes()),
            self.recv_window(),
        ];
        let last = [
            Param::text("side", side_text(order.side)),
            self.symbol(head),
            Param::text("timeInForce", time_in_force_text(order.time_in_force)),
            timestamp(head.now),
            Param::text("type", b"LIMIT"),
        ];
        let [a, b, c, d] = first;
        let [f, g, h, i, j] = last;
        match order.reduce_only {
            false => self.write(payload, head, "order.place", &[a, b, c, d, f, g, h, i, j]),
            true => {
                let e = Param::text("reduceOnly", b"true");
                self.write(payload, head, "order.place", &[a, b, c, d, e, f, g, h, i, j])
            }
        }
    }

    #[inline]
    pub(super) fn cancel(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        cancel: &CancelRequest,
    ) -> Result<(), ComposeError> {
        self.about(payload, head, "order.cancel", cancel.client_order_id)
    }

    pub(super) fn status(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        order: ClientOrderId,
    ) -> Result<(), ComposeError> {
        self.about(payload, head, "order.status", order)
    }

    /// The quantity is the new total, as the venue wants it.
    #[inline]
    pub(super) fn modify(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        replace: &ReplaceRequest,
    ) -> Result<(), ComposeError> {
        let client_id = replace.client_order_id.text(self.prefix);
        let price = replace.price.text(head.listing.price_scale);
        let quantity = replace.quantity.text(head.listing.quantity_scale);
        let params = [
            Param::text("origClientOrderId", &client_id),
            Param::text("price", price.as_bytes()),
            Param::text("quantity", quantity.as_bytes()),
            self.recv_window(),
            Param::text("side", side_text(replace.side)),
            self.symbol(head),
            timestamp(head.now),
        ];
        self.write(payload, head, "order.modify", &params)
    }

    fn about(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        method: &str,
        order: ClientOrderId,
    ) -> Result<(), ComposeError> {
        let client_id = order.text(self.prefix);
        let params = [
            Param::text("origClientOrderId", &client_id),
            self.recv_window(),
            self.symbol(head),
            timestamp(head.now),
        ];
        self.write(payload, head, method, &params)
    }

    #[inline]
    fn write(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        method: &str,
        params: &[Param<'_>],
    ) -> Result<(), ComposeError> {
        write_request(payload, head.id, method, params, head.signer)
    }

    /// Sent always: it is the fence after which an order that was lost can't be executed any more.
    fn recv_window(&self) -> Param<'static> {
        Param::integer("recvWindow", u64::from(self.recv_window_ms))
    }

    fn symbol<'a>(&self, head: &FrameHead<'a>) -> Param<'a> {
        Param::text("symbol", head.symbols.symbol(head.listing).as_bytes())
    }
}

const fn time_in_force_text(time_in_force: TimeInForce) -> &'static [u8] {
    match time_in_force {
        TimeInForce::Gtc => b"GTC",
        TimeInForce::Ioc => b"IOC",
        TimeInForce::Fok => b"FOK",
        TimeInForce::PostOnly => b"GTX",
    }
}
