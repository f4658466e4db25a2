//! Decodes what spot's order-entry connection answers, and the order objects that REST shares with
//! it. It must not judge an error's meaning (`reject_codes.rs` does).
//!
//! Implements `binance.md` section 4.1 and 4.2, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests>.

use enigma_types::{
    InstallationPrefix, OrderReference, Price, Quantity, TimeInForce, UnixNanos, VenueOrderId,
    WorkingOrder, WorkingStatus,
};

use super::client_ids::told_id;
pub use crate::binance::answers::{
    AnswerBody, ErrorBody, OrderAnswer, OrderRow, decode_error, decode_response,
};
use crate::binance::fields::{ReadError, fields, millis, need, side_of, unsigned_decimal};
use crate::binance::symbols::SymbolTable;
use crate::wire::json::RawValue;

/// Reads an order object, whichever request it answers; `None` for an instrument that isn't ours.
pub fn decode_order(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    object: RawValue<'_>,
) -> Result<Option<OrderRow>, ReadError> {
    let [symbol, id, client, original, updated, transacted] = fields(
        &object,
        ["symbol", "orderId", "clientOrderId", "origClientOrderId", "updateTime", "transactTime"],
    )?;
    let Some(listing) = symbols.find(need(symbol, "symbol")?.as_plain()?) else {
        return Ok(None);
    };
    let [status, price, quantity, new_quantity, filled] =
        fields(&object, ["status", "price", "origQty", "qty", "executedQty"])?;
    let [side, kind, time_in_force] = fields(&object, ["side", "type", "timeInForce"])?;
    let working = match status {
        None => None,
        Some(status) => {
            let quantity = quantity.or(new_quantity);
            Some(WorkingOrder {
                status: status_of(status.as_plain()?),
                side: side_of(need(side, "side")?.as_plain()?)?,
                price: Price(unsigned_decimal(price, "price", listing.price_scale)?),
                quantity: Quantity(unsigned_decimal(quantity, "origQty", listing.quantity_scale)?),
                filled: Quantity(unsigned_decimal(filled, "executedQty", listing.quantity_scale)?),
                time_in_force: time_in_force_of(kind, time_in_force)?,
                reduce_only: false,
            })
        }
    };
    let told = told_id(need(client, "clientOrderId")?, prefix)?;
    // A canceled order goes by its cancel's id; its own stands beside it.
    let order = match original {
        Some(original) if matches!(told.order, OrderReference::External(_)) => {
            told_id(original, prefix)?.order
        }
        Some(_) | None => told.order,
    };
    Ok(Some(OrderRow {
        instrument: listing.id,
        order,
        cancel: told.cancel,
        venue_order_id: VenueOrderId(need(id, "orderId")?.as_u64()?),
        working,
        venue_time: updated.or(transacted).map_or(Ok(UnixNanos(0)), millis)?,
    }))
}

/// Reads the answer to an amendment: the order as it stands now.
pub fn decode_amended(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    result: RawValue<'_>,
) -> Result<Option<OrderRow>, ReadError> {
    let [amended, time] = fields(&result, ["amendedOrder", "transactTime"])?;
    let venue_time = millis(need(time, "transactTime")?)?;
    let row = decode_order(symbols, prefix, need(amended, "amendedOrder")?)?;
    Ok(row.map(|row| OrderRow { venue_time, ..row }))
}

/// The venue's words for an order's state. An order of a list that waits for its working order is
/// open, though not on the book yet.
pub(super) fn status_of(text: &[u8]) -> WorkingStatus {
    match text {
        b"NEW" | b"PENDING_NEW" | b"PARTIALLY_FILLED" => WorkingStatus::Open,
        b"FILLED" => WorkingStatus::Filled,
        b"CANCELED" => WorkingStatus::Canceled,
        b"EXPIRED" | b"EXPIRED_IN_MATCH" => WorkingStatus::Expired,
        b"REJECTED" => WorkingStatus::Rejected,
        _ => WorkingStatus::Unrecognised,
    }
}

/// Post-only is a type on spot. What others use is only shown.
pub(super) fn time_in_force_of(
    kind: Option<RawValue<'_>>,
    time_in_force: Option<RawValue<'_>>,
) -> Result<TimeInForce, ReadError> {
    if kind.is_some_and(|kind| kind.bytes() == b"\"LIMIT_MAKER\"") {
        return Ok(TimeInForce::PostOnly);
    }
    Ok(match time_in_force.map(|text| text.as_plain()).transpose()? {
        Some(b"IOC") => TimeInForce::Ioc,
        Some(b"FOK") => TimeInForce::Fok,
        Some(_) | None => TimeInForce::Gtc,
    })
}

#[cfg(test)]
mod tests;
