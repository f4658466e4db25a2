//! Encodes the requests of spot's order-entry connection, parameters in the order they are signed
//! in. It must not decide whether a request may be sent, and must not allocate.
//!
//! Implements `binance.md` section 4.2 and
//! <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests>
//! (read 2026-11-24).

use arrayvec::ArrayVec;
use enigma_types::{
    CancelRequest, ClientOrderId, InstallationPrefix, Now, OrderRequest, Quantity, ReplaceRequest,
    Side, TimeInForce,
};

use super::client_ids::{CancelKind, cancel_text};
use crate::binance::auth::{ComposeError, Param, write_request};
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
    /// Post-only is the venue's LIMIT_MAKER, which has no time in force. A market order reaches a
    /// session as an immediate-or-cancel limit. The answer is asked for with the order's state.
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
        let mut params = Params::new();
        params.extend([
            Param::text("newClientOrderId", &client_id),
            Param::text("newOrderRespType", b"RESULT"),
            Param::text("price", price.as_bytes()),
            Param::text("quantity", quantity.as_bytes()),
            self.recv_window(),
            Param::text("side", side_text(order.side)),
            symbol(head),
        ]);
        add_type(&mut params, head.now, order.time_in_force);
        write(payload, head, "order.place", &params)
    }

    #[inline]
    pub(super) fn cancel(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        cancel: &CancelRequest,
    ) -> Result<(), ComposeError> {
        let client_id = cancel.client_order_id.text(self.prefix);
        let cancel_id = cancel_text(cancel.client_order_id, self.prefix, CancelKind::Plain);
        let params = [
            Param::text("newClientOrderId", &cancel_id),
            Param::text("origClientOrderId", &client_id),
            self.recv_window(),
            symbol(head),
            timestamp(head.now),
        ];
        write(payload, head, "order.cancel", &params)
    }

    pub(super) fn status(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        order: ClientOrderId,
    ) -> Result<(), ComposeError> {
        let client_id = order.text(self.prefix);
        let params = [
            Param::text("origClientOrderId", &client_id),
            self.recv_window(),
            symbol(head),
            timestamp(head.now),
        ];
        write(payload, head, "order.status", &params)
    }

    /// Cancels and places anew under the same id. Only an order without a fill may be replaced so:
    /// then the new order's quantity is the whole of it, whatever fills meanwhile.
    pub(super) fn cancel_replace(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        replace: &ReplaceRequest,
        time_in_force: TimeInForce,
    ) -> Result<(), ComposeError> {
        let client_id = replace.client_order_id.text(self.prefix);
        let cancel_id = cancel_text(replace.client_order_id, self.prefix, CancelKind::Replace);
        let price = replace.price.text(head.listing.price_scale);
        let quantity = replace.quantity.text(head.listing.quantity_scale);
        let mut params = Params::new();
        params.extend([
            Param::text("cancelNewClientOrderId", &cancel_id),
            Param::text("cancelOrigClientOrderId", &client_id),
            Param::text("cancelReplaceMode", b"STOP_ON_FAILURE"),
            Param::text("cancelRestrictions", b"ONLY_NEW"),
            Param::text("newClientOrderId", &client_id),
            Param::text("newOrderRespType", b"RESULT"),
            Param::text("price", price.as_bytes()),
            Param::text("quantity", quantity.as_bytes()),
            self.recv_window(),
            Param::text("side", side_text(replace.side)),
            symbol(head),
        ]);
        add_type(&mut params, head.now, time_in_force);
        write(payload, head, "order.cancelReplace", &params)
    }

    /// Lowers the total quantity, fills included, and keeps the order's place in the queue. The id
    /// is sent again, because the venue makes one up where none is sent.
    pub(super) fn amend(
        &self,
        payload: &mut Payload<'_>,
        head: &FrameHead<'_>,
        order: ClientOrderId,
        total: Quantity,
    ) -> Result<(), ComposeError> {
        let client_id = order.text(self.prefix);
        let quantity = total.text(head.listing.quantity_scale);
        let params = [
            Param::text("newClientOrderId", &client_id),
            Param::text("newQty", quantity.as_bytes()),
            Param::text("origClientOrderId", &client_id),
            self.recv_window(),
            symbol(head),
            timestamp(head.now),
        ];
        write(payload, head, "order.amend.keepPriority", &params)
    }

    /// Sent always: it is the fence after which an order that was lost can't be executed any more.
    pub(super) fn recv_window(&self) -> Param<'static> {
        Param::integer("recvWindow", u64::from(self.recv_window_ms))
    }
}

/// Asks for the account's events on this connection, in the name of the session's log-on.
pub(super) fn write_subscribe(payload: &mut Payload<'_>, id: u64) -> Result<(), ComposeError> {
    payload.push_bytes(b"{\"id\":");
    payload.push_u64(id);
    payload.push_bytes(b",\"method\":\"userDataStream.subscribe\"}");
    Ok(())
}

/// Asks for the account's events with a signature of its own, for keys that can't log on.
pub(super) fn write_signed_subscribe(
    payload: &mut Payload<'_>,
    id: u64,
    now: Now,
    recv_window_ms: u32,
    signer: &BinanceSigner,
) -> Result<(), ComposeError> {
    let window = Param::integer("recvWindow", u64::from(recv_window_ms));
    let params = [window, timestamp(now)];
    write_request(payload, id, "userDataStream.subscribe.signature", &params, Some(signer))
}

#[inline]
pub(super) fn write(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    method: &str,
    params: &[Param<'_>],
) -> Result<(), ComposeError> {
    write_request(payload, head.id, method, params, head.signer)
}

/// The last three parameters of a new order.
#[inline]
fn add_type(params: &mut Params<'_>, now: Now, time_in_force: TimeInForce) {
    let (kind, in_force): (&[u8], Option<&[u8]>) = match time_in_force {
        TimeInForce::Gtc => (b"LIMIT", Some(b"GTC")),
        TimeInForce::Ioc => (b"LIMIT", Some(b"IOC")),
        TimeInForce::Fok => (b"LIMIT", Some(b"FOK")),
        TimeInForce::PostOnly => (b"LIMIT_MAKER", None),
    };
    params.extend(in_force.map(|in_force| Param::text("timeInForce", in_force)));
    params.extend([timestamp(now), Param::text("type", kind)]);
}

pub(super) fn symbol<'a>(head: &FrameHead<'a>) -> Param<'a> {
    Param::text("symbol", head.symbols.symbol(head.listing).as_bytes())
}

pub(super) fn timestamp(now: Now) -> Param<'static> {
    Param::integer("timestamp", now.venue_time().as_millis())
}

pub(super) const fn side_text(side: Side) -> &'static [u8] {
    match side {
        Side::Buy => b"BUY",
        Side::Sell => b"SELL",
    }
}

/// A cancel-replace has fourteen.
type Params<'a> = ArrayVec<Param<'a>, 16>;
