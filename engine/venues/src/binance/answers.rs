//! The envelope of what order entry answers, and what an order object comes to, whichever product
//! answers. It must not judge an error's meaning, and must not know a product's fields.
//!
//! Implements `binance.md` section 4.1, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api>.

use enigma_types::{InstrumentId, OrderReference, UnixNanos, VenueOrderId, WorkingOrder};

use super::budget::{Limits, VenueWindow};
use super::fields::{ReadError, fields, need};
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

/// An error answer with the status that it came under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) error: ErrorBody<'a>,
}

/// What a cancel of ours was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelKind {
    /// The order's end.
    Plain,
    /// The first half of a replace: the order lives on under the same id.
    Replace,
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

impl OrderAnswer<'_> {
    /// The venue's own count and limit of what we have asked, window by window. What can't be read
    /// of it is left out: the limits are counted on our side too.
    pub(super) fn for_each_window(
        &self,
        limits: &Limits,
        mut visit: impl FnMut(VenueWindow, u32, Option<u32>),
    ) {
        let items = self.rate_limits.and_then(|limits| limits.iter_array().ok());
        for item in items.into_iter().flatten().flatten() {
            if let Ok(Some((window, used, limit))) = decode_window(item, limits) {
                visit(window, used, limit);
            }
        }
    }
}

impl ErrorBody<'_> {
    /// When to ask again, in milliseconds since 1970: a ban. Data that can't be read tells none,
    /// and the refusal stands all the same: to doubt it would be to doubt all that is in flight.
    pub fn retry_after_ms(&self) -> Option<u64> {
        let [retry_after] = fields(&self.data?, ["retryAfter"]).ok()?;
        retry_after?.as_u64().ok()
    }
}

fn decode_window(
    item: RawValue<'_>,
    limits: &Limits,
) -> Result<Option<(VenueWindow, u32, Option<u32>)>, ReadError> {
    let [kind, interval, number, count, limit] =
        fields(&item, ["rateLimitType", "interval", "intervalNum", "count", "limit"])?;
    let kind = need(kind, "rateLimitType")?.as_plain()?;
    let interval = need(interval, "interval")?.as_plain()?;
    let window = match (kind, interval, need(number, "intervalNum")?.as_u64()?) {
        (b"ORDERS", b"SECOND", 10) => VenueWindow::Orders10s,
        (b"ORDERS", unit, 1) if unit == limits.orders_long.unit => VenueWindow::OrdersLong,
        (b"REQUEST_WEIGHT", b"MINUTE", 1) => VenueWindow::Weight1m,
        _ => return Ok(None),
    };
    let used = u32::try_from(need(count, "count")?.as_u64()?).unwrap_or(u32::MAX);
    let limit = limit.and_then(|limit| u32::try_from(limit.as_u64().ok()?).ok());
    Ok(Some((window, used, limit)))
}
