//! Decodes what spot's order-entry connection answers, and the order objects that REST shares with
//! it. It must not judge an error's meaning (`reject_codes.rs` does).
//!
//! Implements `binance.md` section 4.1 and 4.2, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests>.

use enigma_types::{
    InstallationPrefix, InstrumentId, OrderReference, Price, Quantity, TimeInForce, UnixNanos,
    VenueOrderId, WorkingOrder, WorkingStatus,
};

use super::client_ids::{CancelKind, told_id};
use crate::binance::budget::VenueWindow;
use crate::binance::fields::{ReadError, fields, millis, need, side_of, unsigned_decimal};
use crate::binance::symbols::SymbolTable;
use crate::wire::json::RawValue;

/// One answer, its envelope read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderAnswer<'a> {
    /// Absent or null when the venue couldn't or wouldn't tell which request it answers.
    pub id: Option<u64>,
    pub status: u16,
    pub body: AnswerBody<'a>,
    rate_limits: Option<RawValue<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerBody<'a> {
    Result(RawValue<'a>),
    Error(ErrorBody<'a>),
    /// No answer: an event that this connection pushes, such as a notice of its end.
    Event(RawValue<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    pub code: i32,
    pub message: &'a [u8],
    /// A ban's end, or the two halves of a cancel-replace.
    pub data: Option<RawValue<'a>>,
}

/// The whole state of an order as an order object tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRow {
    pub instrument: InstrumentId,
    pub order: OrderReference,
    /// It stands under the id of a cancel of ours.
    pub cancel: Option<CancelKind>,
    pub venue_order_id: VenueOrderId,
    /// `None` in a bare acknowledgement.
    pub working: Option<WorkingOrder>,
    pub venue_time: UnixNanos,
}

/// Reads the envelope of an answer.
pub fn decode_response(frame: &[u8]) -> Result<OrderAnswer<'_>, ReadError> {
    let [id, status, result, error, rate_limits, event] = fields(
        &RawValue::of_message(frame)?,
        ["id", "status", "result", "error", "rateLimits", "event"],
    )?;
    if let (Some(event), None) = (event, status) {
        let body = AnswerBody::Event(event);
        return Ok(OrderAnswer { id: None, status: 200, body, rate_limits: None });
    }
    let status = u16::try_from(need(status, "status")?.as_u64()?);
    let status = status.map_err(|_| ReadError::Absurd("status"))?;
    let body = match (result, error) {
        (_, Some(error)) => AnswerBody::Error(decode_error(error)?),
        (Some(result), None) if status == 200 => AnswerBody::Result(result),
        (_, None) => return Err(ReadError::Missing("result or error")),
    };
    // An id that isn't a number isn't one of ours.
    let id = id.and_then(|id| id.as_u64().ok());
    Ok(OrderAnswer { id, status, body, rate_limits })
}

/// Reads an error object, as it stands in an answer and as REST sends it bare.
pub fn decode_error(error: RawValue<'_>) -> Result<ErrorBody<'_>, ReadError> {
    let [code, message, data] = fields(&error, ["code", "msg", "data"])?;
    let code = i32::try_from(need(code, "code")?.as_i64()?);
    Ok(ErrorBody {
        code: code.map_err(|_| ReadError::Absurd("code"))?,
        message: message.map_or(b"".as_slice(), |text| text.as_plain().unwrap_or(text.bytes())),
        data,
    })
}

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

impl OrderAnswer<'_> {
    /// The venue's own count and limit of what we have asked, window by window. What can't be read
    /// of it is left out: the limits are counted on our side too.
    pub(super) fn for_each_window(&self, mut visit: impl FnMut(VenueWindow, u32, Option<u32>)) {
        let items = self.rate_limits.and_then(|limits| limits.iter_array().ok());
        for item in items.into_iter().flatten().flatten() {
            if let Ok(Some((window, used, limit))) = decode_window(item) {
                visit(window, used, limit);
            }
        }
    }
}

impl ErrorBody<'_> {
    /// When to ask again, in milliseconds since 1970: a ban.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let [retry_after] = fields(&self.data?, ["retryAfter"]).ok()?;
        retry_after?.as_u64().ok()
    }
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

fn decode_window(item: RawValue<'_>) -> Result<Option<(VenueWindow, u32, Option<u32>)>, ReadError> {
    let [kind, interval, number, count, limit] =
        fields(&item, ["rateLimitType", "interval", "intervalNum", "count", "limit"])?;
    let kind = need(kind, "rateLimitType")?.as_plain()?;
    let interval = need(interval, "interval")?.as_plain()?;
    let window = match (kind, interval, need(number, "intervalNum")?.as_u64()?) {
        (b"ORDERS", b"SECOND", 10) => VenueWindow::Orders10s,
        (b"ORDERS", b"DAY", 1) => VenueWindow::OrdersLong,
        (b"REQUEST_WEIGHT", b"MINUTE", 1) => VenueWindow::Weight1m,
        _ => return Ok(None),
    };
    let used = u32::try_from(need(count, "count")?.as_u64()?).unwrap_or(u32::MAX);
    let limit = limit.and_then(|limit| u32::try_from(limit.as_u64().ok()?).ok());
    Ok(Some((window, used, limit)))
}

#[cfg(test)]
mod tests;
