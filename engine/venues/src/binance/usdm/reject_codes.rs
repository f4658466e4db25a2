//! What the venue's error codes mean. Only a listed code is a definite refusal: everything else
//! leaves the request's fate open, and the order must be asked about.
//!
//! Implements `binance.md` section 10, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{RejectClass, RequestKind};

use crate::binance::budget::{TOO_MANY_ORDERS, TOO_MUCH_WEIGHT};
use crate::binance::verdict::THROTTLED;

pub use crate::binance::verdict::Verdict;

/// "Unknown order sent."
pub const CANCEL_REJECTED: i32 = -2011;
/// "Order does not exist."
pub const NO_SUCH_ORDER: i32 = -2013;
/// "This listenKey does not exist."
pub const LISTEN_KEY_GONE: i32 = -1125;

/// Judges an error answer to a submit, cancel or replace.
pub fn judge(request: RequestKind, status: u16, code: i32) -> Verdict {
    Verdict::of(status, code, class_of(request, code))
}

/// The key or its rights are at fault: trading on the account stops.
pub const fn is_authentication(code: i32) -> bool {
    matches!(code, -1002 | -1022 | -2014 | -2015 | -2017)
}

/// A request's time was outside the venue's window.
pub const fn is_clock_skew(code: i32) -> bool {
    matches!(code, -1021 | -5028)
}

fn class_of(request: RequestKind, code: i32) -> Option<RejectClass> {
    let class = match code {
        _ if is_authentication(code) => RejectClass::Authentication,
        TOO_MUCH_WEIGHT | TOO_MANY_ORDERS => RejectClass::RateLimit,
        THROTTLED => RejectClass::VenueUnavailable,
        _ if is_clock_skew(code) => RejectClass::ClockSkew,
        -1013 | -1111 | -2025 | -4164 | -4131 => RejectClass::Filter,
        -4005..=-4001 | -4013 | -4014 | -4016 | -4023 | -4024 => RejectClass::Filter,
        -2018 | -2019 | -2027 | -2028 => RejectClass::InsufficientMargin,
        -2022 | -2024 | -4107..=-4105 | -4118 | -4400 | -4401 => RejectClass::ReduceOnly,
        -4061 => RejectClass::AccountMode,
        -2020 | -5021 => RejectClass::NotFillable,
        -5022 => RejectClass::WouldCross,
        CANCEL_REJECTED | NO_SUCH_ORDER => match request {
            RequestKind::Cancel | RequestKind::Replace => RejectClass::NoSuchOrder,
            // Said of a new order it makes no sense.
            RequestKind::Submit => return None,
        },
        -4116 => RejectClass::DuplicateId,
        // Malformed or unsupported: refused before the engine.
        -1106..=-1100 | -1108 | -1112 | -1121..=-1114 | -1128 | -1130 => RejectClass::Other,
        -2010 | -2021 | -2023 | -4015 | -4120 => RejectClass::Other,
        // A modification over the limit, or that changes nothing: the order stands as it was.
        -5026 | -5027 | -5043 => match request {
            RequestKind::Replace => RejectClass::Other,
            RequestKind::Submit | RequestKind::Cancel => return None,
        },
        _ => return None,
    };
    Some(class)
}

#[cfg(test)]
mod tests {
    use enigma_types::UnknownCause;

    use super::*;

    #[track_caller]
    fn check(request: RequestKind, status: u16, code: i32, expected: Option<RejectClass>) {
        let expected =
            expected.map_or(Verdict::Unsure(UnknownCause::VenueUnsure), Verdict::Refused);
        assert_eq!(judge(request, status, code), expected, "{request:?} {status} {code}");
    }

    #[test]
    fn only_listed_codes_refuse_a_submit() {
        use RequestKind::Submit;
        check(Submit, 400, -5022, Some(RejectClass::WouldCross));
        check(Submit, 400, -5021, Some(RejectClass::NotFillable));
        check(Submit, 400, -2019, Some(RejectClass::InsufficientMargin));
        check(Submit, 400, -4014, Some(RejectClass::Filter));
        check(Submit, 400, -4164, Some(RejectClass::Filter));
        check(Submit, 400, -1111, Some(RejectClass::Filter));
        check(Submit, 400, -1021, Some(RejectClass::ClockSkew));
        check(Submit, 401, -2015, Some(RejectClass::Authentication));
        check(Submit, 429, -1015, Some(RejectClass::RateLimit));
        check(Submit, 418, -1003, Some(RejectClass::RateLimit));
        check(Submit, 400, -4116, Some(RejectClass::DuplicateId));
        check(Submit, 400, -2022, Some(RejectClass::ReduceOnly));
        check(Submit, 400, -4061, Some(RejectClass::AccountMode));
        check(Submit, 503, -1008, Some(RejectClass::VenueUnavailable));
    }

    #[test]
    fn unsure_codes_and_server_errors_leave_a_submit_unknown() {
        use RequestKind::Submit;
        for code in [-1000, -1001, -1006, -1007, -1016, -2011, -2013, -9999, 0, 7] {
            check(Submit, 400, code, None);
        }
        for status in [408, 500, 502, 503, 504] {
            check(Submit, status, -2019, None);
        }
    }

    #[test]
    fn a_cancel_of_what_is_not_open_is_no_such_order() {
        check(RequestKind::Cancel, 400, -2011, Some(RejectClass::NoSuchOrder));
        check(RequestKind::Replace, 400, -2013, Some(RejectClass::NoSuchOrder));
        check(RequestKind::Replace, 400, -5027, Some(RejectClass::Other));
        check(RequestKind::Cancel, 400, -5027, None);
    }
}
