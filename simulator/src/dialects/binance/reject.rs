//! A refusal as both markets write it, with the codes that they share
//! (`venues/binance.md` section 10, read 2026-11-24).

use serde_json::{Value, json};

/// A refusal on the wire: HTTP status, the venue's code and text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code} {message}")]
pub struct Reject {
    pub status: u16,
    pub code: i32,
    pub message: String,
    /// Seconds, sent as `Retry-After`.
    pub retry_after: Option<u64>,
    /// `data` of a WebSocket error.
    pub data: Option<Value>,
    /// Whether REST sends `data` too.
    pub data_in_rest: bool,
}

impl Reject {
    pub fn new(status: u16, code: i32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            data: None,
            data_in_rest: false,
        }
    }

    pub fn bad(code: i32, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub fn body(&self) -> Value {
        json!({"code": self.code, "msg": self.message})
    }

    pub fn rest_body(&self) -> Value {
        match &self.data {
            Some(data) if self.data_in_rest => {
                json!({"code": self.code, "msg": self.message, "data": data})
            }
            Some(_) | None => self.body(),
        }
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

    pub fn unavailable() -> Self {
        Self::new(503, -1001, "Service Unavailable.")
    }
}
