//! What an error answer says about a request. It must not know a product's codes.
//!
//! Implements `binance.md` section 10, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/errors>.

use enigma_types::{RejectClass, UnknownCause};

/// What an error answer says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not executed.
    Refused(RejectClass),
    /// Perhaps executed.
    Unsure(UnknownCause),
}

impl Verdict {
    /// Only a class that a product lists for a code is a definite refusal.
    pub(super) fn of(status: u16, code: i32, class: Option<RejectClass>) -> Self {
        // A server error means "unknown" whatever code it carries, but for the throttle's own.
        let server_error = (status >= 500 || status == 408) && code != THROTTLED;
        match class.filter(|_| !server_error) {
            Some(class) => Self::Refused(class),
            None => Self::Unsure(UnknownCause::VenueUnsure),
        }
    }
}

/// "Server is currently overloaded with other requests": refused, though with HTTP 503.
pub(super) const THROTTLED: i32 = -1008;
