//! What the venue answers when it refuses, with its codes (`venues/binance.md` sections 4, 5
//! and 10, read 2026-11-24).

use serde_json::{Value, json};

use crate::exchange::number::{Money, Price};
use crate::exchange::order::Refusal;

/// A refusal on the wire: HTTP status, the venue's code and text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code} {message}")]
pub struct Reject {
    pub status: u16,
    pub code: i32,
    pub message: String,
    /// Seconds, sent as `Retry-After`.
    pub retry_after: Option<u64>,
    /// Extra members of a WebSocket error's `data`.
    pub data: Option<Value>,
}

impl Reject {
    pub fn new(status: u16, code: i32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, data: None }
    }

    pub fn bad(code: i32, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub fn body(&self) -> Value {
        json!({"code": self.code, "msg": self.message})
    }

    pub fn missing(name: &str) -> Self {
        let text = "was not sent, was empty/null, or malformed.";
        Self::bad(-1102, format!("Mandatory parameter '{name}' {text}"))
    }

    pub fn illegal(name: &str, legal: &str) -> Self {
        let text = format!("Illegal characters found in parameter '{name}'; legal range is");
        Self::bad(-1100, format!("{text} '{legal}'."))
    }

    pub fn too_precise(name: &str) -> Self {
        Self::bad(-1111, format!("Parameter '{name}' has too much precision."))
    }

    pub fn not_valid(name: &str) -> Self {
        Self::bad(-1130, format!("Data sent for parameter '{name}' is not valid."))
    }

    pub fn symbol() -> Self {
        Self::bad(-1121, "Invalid symbol.")
    }

    pub fn key_format() -> Self {
        Self::new(401, -2014, "API-key format invalid.")
    }

    pub fn key() -> Self {
        Self::new(401, -2015, "Invalid API-key, IP, or permissions for action.")
    }

    pub fn signature() -> Self {
        Self::bad(-1022, "Signature for this request is not valid.")
    }

    pub fn behind() -> Self {
        Self::bad(-1021, "Timestamp for this request is outside of the recvWindow.")
    }

    pub fn ahead() -> Self {
        let text = "Timestamp for this request was 1000ms ahead of the server's time.";
        Self::bad(-1021, text)
    }

    pub fn unknown_order() -> Self {
        Self::bad(-2011, "Unknown order sent.")
    }

    pub fn no_such_order() -> Self {
        Self::bad(-2013, "Order does not exist.")
    }

    pub fn listen_key() -> Self {
        Self::bad(-1125, "This listenKey does not exist.")
    }

    pub fn unavailable() -> Self {
        Self::new(503, -1001, "Service Unavailable.")
    }

    pub fn notional(min: Money) -> Self {
        let text = format!("Order's notional must be no smaller than {min}");
        Self::bad(-4164, format!("{text} (unless you choose reduce only)."))
    }

    pub fn price_cap(limit: Price) -> Self {
        Self::bad(-4016, format!("Limit price can't be higher than {limit}."))
    }

    pub fn price_floor(limit: Price) -> Self {
        Self::bad(-4024, format!("Limit price can't be lower than {limit}."))
    }
}

impl From<Refusal> for Reject {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::DuplicateClientId => Self::bad(-4116, "ClientOrderId is duplicated."),
            Refusal::TooManyOpenOrders => Self::bad(-2025, "Reach max open order limit."),
            Refusal::ReduceOnly => Self::bad(-2022, "ReduceOnly Order is rejected."),
            Refusal::WouldTake => Self::bad(
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be \
                 rejected. The order will not be recorded in the order history",
            ),
            Refusal::CannotFill => Self::bad(
                -5021,
                "Due to the order could not be filled immediately, the FOK order has been \
                 rejected. The order will not be recorded in the order history",
            ),
            Refusal::Margin => Self::bad(-2019, "Margin is insufficient."),
            Refusal::UnknownOrder => Self::no_such_order(),
            Refusal::NotLimit => Self::bad(-4028, "Only limit orders can be modified."),
            Refusal::NothingToModify => Self::bad(-5027, "No need to modify the order."),
            Refusal::TooManyModifications => Self::bad(-5026, "Exceed maximum modify order limit."),
            Refusal::SideDiffers => Self::not_valid("side"),
        }
    }
}
