//! What spot's error codes and words mean. Only a listed code is a definite refusal: everything
//! else leaves the request's fate open, and the order must be asked about.
//!
//! Implements `binance.md` section 10 and
//! <https://developers.binance.com/docs/binance-spot-api-docs/errors> (read 2026-11-24).

use enigma_types::{RejectClass, RequestKind};

use crate::binance::budget::{TOO_MANY_ORDERS, TOO_MUCH_WEIGHT};
use crate::binance::verdict::THROTTLED;

pub use crate::binance::verdict::Verdict;

/// The matching engine refused a cancel; the words say why.
pub const CANCEL_REJECTED: i32 = -2011;
/// "Order does not exist."
pub const NO_SUCH_ORDER: i32 = -2013;
/// The order ended long ago without a fill, and was put away.
pub const ORDER_ARCHIVED: i32 = -2026;
/// One half of a cancel-replace was executed, the other not.
pub const REPLACE_HALF_DONE: i32 = -2021;
/// Neither half of a cancel-replace was executed.
pub const REPLACE_FAILED: i32 = -2022;
/// "Timestamp for this request is outside of the recvWindow."
pub const CLOCK_SKEW: i32 = -1021;
/// "User Data Stream subscription already active."
pub const SUBSCRIPTION_ACTIVE: i32 = -2035;

/// Judges an error answer to a submit, cancel or amendment, or to one half of a cancel-replace.
pub fn judge(request: RequestKind, status: u16, code: i32, message: &[u8]) -> Verdict {
    Verdict::of(status, code, class_of(request, code, message))
}

/// The key or its rights are at fault: trading on the account stops.
pub const fn is_authentication(code: i32) -> bool {
    matches!(code, -1002 | -1022 | -2014 | -2015)
}

/// The one answer that proves that a query's order isn't there.
pub const fn proves_absence(status: u16, code: i32) -> bool {
    status < 500 && matches!(code, NO_SUCH_ORDER | ORDER_ARCHIVED)
}

/// A request's time was outside the venue's window.
pub const fn is_clock_skew(code: i32) -> bool {
    code == CLOCK_SKEW
}

fn class_of(request: RequestKind, code: i32, message: &[u8]) -> Option<RejectClass> {
    let class = match code {
        _ if is_authentication(code) => RejectClass::Authentication,
        TOO_MUCH_WEIGHT | TOO_MANY_ORDERS => RejectClass::RateLimit,
        THROTTLED => RejectClass::VenueUnavailable,
        CLOCK_SKEW => RejectClass::ClockSkew,
        -1013 | -1111 => RejectClass::Filter,
        ORDER_REJECTED => match request {
            RequestKind::Submit | RequestKind::Replace => class_of_words(message),
            // Said of a cancel it makes no sense.
            RequestKind::Cancel => return None,
        },
        CANCEL_REJECTED | NO_SUCH_ORDER => match request {
            RequestKind::Cancel | RequestKind::Replace if message == RESTRICTED => {
                RejectClass::Other
            }
            RequestKind::Cancel | RequestKind::Replace => RejectClass::NoSuchOrder,
            RequestKind::Submit => return None,
        },
        AMEND_REJECTED => match request {
            RequestKind::Replace if message == UNKNOWN_ORDER => RejectClass::NoSuchOrder,
            // The order stands as it was.
            RequestKind::Replace => RejectClass::Other,
            RequestKind::Submit | RequestKind::Cancel => return None,
        },
        // Malformed or unsupported: refused before the engine.
        -1014 | -1020 | -1106..=-1100 | -1108 | -1112 | -1121..=-1114 => RejectClass::Other,
        -1128 | -1130 | -1134 | -1135 | -1145 | -2039 => RejectClass::Other,
        _ => return None,
    };
    Some(class)
}

/// The engine's refusal of an order is told by its words alone.
fn class_of_words(message: &[u8]) -> RejectClass {
    match message {
        b"Order would immediately match and take." => RejectClass::WouldCross,
        b"Account has insufficient balance for requested action." => {
            RejectClass::InsufficientMargin
        }
        b"Duplicate order sent." => RejectClass::DuplicateId,
        b"Market is closed." => RejectClass::VenueUnavailable,
        b"This action is disabled on this account."
        | b"This account may not place or cancel orders." => RejectClass::Authentication,
        _ if message.starts_with(b"Filter failure") => RejectClass::Filter,
        _ => RejectClass::Other,
    }
}

const ORDER_REJECTED: i32 = -2010;
const AMEND_REJECTED: i32 = -2038;
const UNKNOWN_ORDER: &[u8] = b"Unknown order sent.";
const RESTRICTED: &[u8] = b"Order was not canceled due to cancel restrictions.";

#[cfg(test)]
mod tests {
    use enigma_types::UnknownCause;

    use super::*;

    #[track_caller]
    fn check(
        request: RequestKind,
        status: u16,
        code: i32,
        words: &str,
        expected: Option<RejectClass>,
    ) {
        let expected =
            expected.map_or(Verdict::Unsure(UnknownCause::VenueUnsure), Verdict::Refused);
        let verdict = judge(request, status, code, words.as_bytes());
        assert_eq!(verdict, expected, "{request:?} {status} {code} {words}");
    }

    #[test]
    fn the_engines_words_tell_why_an_order_was_refused() {
        use RequestKind::Submit;
        let take = "Order would immediately match and take.";
        check(Submit, 400, -2010, take, Some(RejectClass::WouldCross));
        let poor = "Account has insufficient balance for requested action.";
        check(Submit, 400, -2010, poor, Some(RejectClass::InsufficientMargin));
        check(Submit, 400, -2010, "Duplicate order sent.", Some(RejectClass::DuplicateId));
        check(Submit, 400, -2010, "Market is closed.", Some(RejectClass::VenueUnavailable));
        let disabled = "This account may not place or cancel orders.";
        check(Submit, 400, -2010, disabled, Some(RejectClass::Authentication));
        check(Submit, 400, -2010, "words of tomorrow", Some(RejectClass::Other));
    }

    #[test]
    fn only_listed_codes_refuse_a_submit() {
        use RequestKind::Submit;
        check(Submit, 400, -1013, "Filter failure: PRICE_FILTER", Some(RejectClass::Filter));
        check(Submit, 400, -1111, "", Some(RejectClass::Filter));
        check(Submit, 400, -1021, "", Some(RejectClass::ClockSkew));
        check(Submit, 401, -2015, "", Some(RejectClass::Authentication));
        check(Submit, 429, -1015, "", Some(RejectClass::RateLimit));
        check(Submit, 418, -1003, "", Some(RejectClass::RateLimit));
        check(Submit, 503, -1008, "", Some(RejectClass::VenueUnavailable));
        // The codes that futures refuse with mean nothing here.
        for code in [-2019, -2021, -2022, -4014, -4116, -4164, -5021, -5022, -5028, -2017] {
            check(Submit, 400, code, "", None);
        }
    }

    #[test]
    fn unsure_codes_and_server_errors_leave_a_submit_unknown() {
        use RequestKind::Submit;
        for code in [-1000, -1001, -1006, -1007, -1010, -1016, -2011, -2013, -2038, -9999, 0, 7] {
            check(Submit, 400, code, "", None);
        }
        for status in [408, 500, 502, 503, 504] {
            check(Submit, status, -2010, "Market is closed.", None);
        }
    }

    #[test]
    fn a_cancel_of_what_is_not_open_is_no_such_order_unless_it_was_restricted() {
        use RequestKind::{Cancel, Replace};
        check(Cancel, 400, -2011, "Unknown order sent.", Some(RejectClass::NoSuchOrder));
        check(Replace, 400, -2011, "Unknown order sent.", Some(RejectClass::NoSuchOrder));
        let restricted = "Order was not canceled due to cancel restrictions.";
        check(Replace, 400, -2011, restricted, Some(RejectClass::Other));
        check(Replace, 400, -2038, "Order amend is not supported.", Some(RejectClass::Other));
        check(Replace, 400, -2038, "Unknown order sent.", Some(RejectClass::NoSuchOrder));
        check(Cancel, 400, -2038, "", None);
        check(Cancel, 400, -2010, "Market is closed.", None);
    }
}
