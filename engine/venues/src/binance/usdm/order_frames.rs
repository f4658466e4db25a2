//! Encodes the requests of the order-entry connection, parameters in the order they are signed in.
//! It must not decide whether a request may be sent, and must not allocate.
//!
//! Implements `binance.md` section 4.4, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{CancelRequest, OrderRequest, ReplaceRequest, TimeInForce};

use crate::binance::auth::{ComposeError, Param};
use crate::binance::frames::{FrameHead, side_text};
use crate::wire::websocket::Payload;

/// Post-only is the venue's GTX. The type is always LIMIT: a market order reaches a session as
/// an immediate-or-cancel limit.
#[inline]
pub(super) fn write_place(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    order: &OrderRequest,
) -> Result<(), ComposeError> {
    let client_id = head.client_id(order.client_order_id);
    let price = order.price.text(head.listing.price_scale);
    let quantity = order.quantity.text(head.listing.quantity_scale);
    let first = [
        Param::text("newClientOrderId", &client_id),
        Param::text("price", price.as_bytes()),
        Param::text("quantity", quantity.as_bytes()),
        head.recv_window(),
    ];
    let last = [
        Param::text("side", side_text(order.side)),
        head.symbol(),
        Param::text("timeInForce", time_in_force_text(order.time_in_force)),
        head.timestamp(),
        Param::text("type", b"LIMIT"),
    ];
    let [a, b, c, d] = first;
    let [f, g, h, i, j] = last;
    match order.reduce_only {
        false => head.write(payload, "order.place", &[a, b, c, d, f, g, h, i, j]),
        true => {
            let e = Param::text("reduceOnly", b"true");
            head.write(payload, "order.place", &[a, b, c, d, e, f, g, h, i, j])
        }
    }
}

#[inline]
pub(super) fn write_cancel(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    cancel: &CancelRequest,
) -> Result<(), ComposeError> {
    head.write_about(payload, "order.cancel", cancel.client_order_id)
}

/// The quantity is the new total, as the venue wants it.
#[inline]
pub(super) fn write_modify(
    payload: &mut Payload<'_>,
    head: &FrameHead<'_>,
    replace: &ReplaceRequest,
) -> Result<(), ComposeError> {
    let client_id = head.client_id(replace.client_order_id);
    let price = replace.price.text(head.listing.price_scale);
    let quantity = replace.quantity.text(head.listing.quantity_scale);
    let params = [
        Param::text("origClientOrderId", &client_id),
        Param::text("price", price.as_bytes()),
        Param::text("quantity", quantity.as_bytes()),
        head.recv_window(),
        Param::text("side", side_text(replace.side)),
        head.symbol(),
        head.timestamp(),
    ];
    head.write(payload, "order.modify", &params)
}

const fn time_in_force_text(time_in_force: TimeInForce) -> &'static [u8] {
    match time_in_force {
        TimeInForce::Gtc => b"GTC",
        TimeInForce::Ioc => b"IOC",
        TimeInForce::Fok => b"FOK",
        TimeInForce::PostOnly => b"GTX",
    }
}
