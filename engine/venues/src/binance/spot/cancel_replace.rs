//! The outcome of a cancel-replace, half by half. The two halves aren't one transaction: the venue
//! may have executed either alone, and says so in a body of its own. It must not judge the codes.
//!
//! Implements `binance.md` section 4.2, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/trading-requests>.

use super::order_answers::{ErrorBody, decode_error};
use crate::binance::fields::{ReadError, fields, need};
use crate::wire::json::RawValue;

/// What became of both halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelReplaceOutcome<'a> {
    pub cancel: Half<'a>,
    pub new_order: Half<'a>,
}

/// What became of one half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half<'a> {
    /// Executed: the canceled or the new order.
    Done(RawValue<'a>),
    Failed(ErrorBody<'a>),
    /// Not tried, because the cancel failed.
    NotAttempted,
}

/// Reads the result of a cancel-replace, or the data of its error.
pub fn decode_cancel_replace(object: RawValue<'_>) -> Result<CancelReplaceOutcome<'_>, ReadError> {
    let [cancel, new_order, canceled, placed] =
        fields(&object, ["cancelResult", "newOrderResult", "cancelResponse", "newOrderResponse"])?;
    Ok(CancelReplaceOutcome {
        cancel: half(need(cancel, "cancelResult")?, canceled, "cancelResponse")?,
        new_order: half(need(new_order, "newOrderResult")?, placed, "newOrderResponse")?,
    })
}

fn half<'a>(
    result: RawValue<'a>,
    response: Option<RawValue<'a>>,
    name: &'static str,
) -> Result<Half<'a>, ReadError> {
    match result.as_plain()? {
        b"SUCCESS" => Ok(Half::Done(need(response, name)?)),
        b"FAILURE" => Ok(Half::Failed(decode_error(need(response, name)?)?)),
        b"NOT_ATTEMPTED" => Ok(Half::NotAttempted),
        _ => Err(ReadError::Absurd("the result of a cancel-replace")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<CancelReplaceOutcome<'_>, ReadError> {
        decode_cancel_replace(RawValue::of_message(text.as_bytes()).unwrap())
    }

    fn name(half: &Half<'_>) -> (&'static str, i32) {
        match half {
            Half::Done(_) => ("done", 0),
            Half::Failed(error) => ("failed", error.code),
            Half::NotAttempted => ("not attempted", 0),
        }
    }

    #[track_caller]
    fn check(results: [&str; 2], responses: [&str; 2], expected: [(&str, i32); 2]) {
        let text = format!(
            "{{\"cancelResult\":\"{}\",\"newOrderResult\":\"{}\",\"cancelResponse\":{},\
             \"newOrderResponse\":{}}}",
            results[0], results[1], responses[0], responses[1]
        );
        let outcome = decode(&text).unwrap();
        assert_eq!([name(&outcome.cancel), name(&outcome.new_order)], expected, "{text}");
    }

    #[test]
    fn every_pair_of_halves_is_told_apart() {
        let gone = "{\"code\":-2011,\"msg\":\"Unknown order sent.\"}";
        let crossing = "{\"code\":-2010,\"msg\":\"Order would immediately match and take.\"}";
        let order = "{\"symbol\":\"BTCUSDT\"}";
        check(["SUCCESS", "SUCCESS"], [order, order], [("done", 0), ("done", 0)]);
        let stopped = [("failed", -2011), ("not attempted", 0)];
        check(["FAILURE", "NOT_ATTEMPTED"], [gone, "null"], stopped);
        let both = [("failed", -2011), ("failed", -2010)];
        check(["FAILURE", "FAILURE"], [gone, crossing], both);
        check(["SUCCESS", "FAILURE"], [order, crossing], [("done", 0), ("failed", -2010)]);
        check(["FAILURE", "SUCCESS"], [gone, order], [("failed", -2011), ("done", 0)]);
    }

    #[test]
    fn a_half_without_its_proof_is_unreadable() {
        for text in [
            "{\"cancelResult\":\"SUCCESS\",\"newOrderResult\":\"SUCCESS\"}",
            "{\"cancelResult\":\"SUCCESS\",\"newOrderResult\":\"PERHAPS\",\"cancelResponse\":{}}",
            "{\"newOrderResult\":\"NOT_ATTEMPTED\"}",
            "{\"cancelResult\":1,\"newOrderResult\":\"NOT_ATTEMPTED\"}",
            "[]",
        ] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
