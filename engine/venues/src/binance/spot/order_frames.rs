//! Encodes the requests of spot's order-entry connection, parameters in the order they are signed
//! in. It must not decide whether a request may be sent, and must not allocate.
//!
//! Implements `binance.md` section 4.2 and
//! <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests>
//! (read 2026-11-24).

use arrayvec::ArrayVec;
use enigma_types::{
    CancelRequest, ClientOrderId, Now, OrderRequest, Quantity, ReplaceRequest, TimeInForce,
};

use super::client_ids::{CancelKind, cancel_text};
use crate::binance::auth::{ComposeError, Param, write_request};
use crate::binance::frames::{FrameHead, side_text, timestamp};
use crate::signer::BinanceSigner;
use crate::wire::websocket::Payload;

/// Post-only is the venue's LIMIT_MAKER, which has no time in force. A market order reaches a
/// session as an immediate-or-cancel limit. The answer is asked for with the order's state.
#[inline]
pub(super) fn write_place(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    order: &OrderRequest,
) -> Result<(), ComposeError> {
    let client_id = head.client_id(order.client_order_id);
    let price = order.price.text(head.listing.price_scale);
    let quantity = order.quantity.text(head.listing.quantity_scale);
    let mut params = Params::new();
    params.extend([
        Param::text("newClientOrderId", &client_id),
        Param::text("newOrderRespType", b"RESULT"),
        Param::text("price", price.as_bytes()),
        Param::text("quantity", quantity.as_bytes()),
        head.recv_window(),
        Param::text("side", side_text(order.side)),
        head.symbol(),
    ]);
    add_type(&mut params, head.now, order.time_in_force);
    head.write(payload, "order.place", &params)
}

#[inline]
pub(super) fn write_cancel(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    cancel: &CancelRequest,
) -> Result<(), ComposeError> {
    let client_id = head.client_id(cancel.client_order_id);
    let cancel_id = cancel_text(cancel.client_order_id, head.frames.prefix, CancelKind::Plain);
    let params = [
        Param::text("newClientOrderId", &cancel_id),
        Param::text("origClientOrderId", &client_id),
        head.recv_window(),
        head.symbol(),
        head.timestamp(),
    ];
    head.write(payload, "order.cancel", &params)
}

/// Cancels and places anew under the same id. Only an order without a fill may be replaced so:
/// then the new order's quantity is the whole of it, whatever fills meanwhile.
pub(super) fn write_cancel_replace(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    replace: &ReplaceRequest,
    time_in_force: TimeInForce,
) -> Result<(), ComposeError> {
    let client_id = head.client_id(replace.client_order_id);
    let cancel_id = cancel_text(replace.client_order_id, head.frames.prefix, CancelKind::Replace);
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
        head.recv_window(),
        Param::text("side", side_text(replace.side)),
        head.symbol(),
    ]);
    add_type(&mut params, head.now, time_in_force);
    head.write(payload, "order.cancelReplace", &params)
}

/// Lowers the total quantity, fills included, and keeps the order's place in the queue. The id
/// is sent again, because the venue makes one up where none is sent.
pub(super) fn write_amend(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    order: ClientOrderId,
    total: Quantity,
) -> Result<(), ComposeError> {
    let client_id = head.client_id(order);
    let quantity = total.text(head.listing.quantity_scale);
    let params = [
        Param::text("newClientOrderId", &client_id),
        Param::text("newQty", quantity.as_bytes()),
        Param::text("origClientOrderId", &client_id),
        head.recv_window(),
        head.symbol(),
        head.timestamp(),
    ];
    head.write(payload, "order.amend.keepPriority", &params)
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

/// A cancel-replace has fourteen.
type Params<'a> = ArrayVec<Param<'a>, 16>;
