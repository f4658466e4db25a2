//! Decodes what the order-entry connection answers, and the order objects that REST shares with it.
//! It must not judge an error's meaning (`reject_codes.rs` does).
//!
//! Implements `binance.md` section 4.1 and 4.4, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{
    InstallationPrefix, Price, Quantity, TimeInForce, UnixNanos, VenueOrderId, WorkingOrder,
    WorkingStatus,
};

pub use crate::binance::answers::{
    AnswerBody, OrderAnswer, OrderRow, decode_response as decode_order_response,
};
use crate::binance::fields::{
    ReadError, fields, millis, need, reference_of, side_of, unsigned_decimal,
};
use crate::binance::symbols::SymbolTable;
use crate::wire::json::RawValue;

/// Reads an order object; `None` for an instrument that isn't ours.
pub fn decode_order(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    object: RawValue<'_>,
) -> Result<Option<OrderRow>, ReadError> {
    let [symbol, id, client, status, price, quantity, filled] = fields(
        &object,
        ["symbol", "orderId", "clientOrderId", "status", "price", "origQty", "executedQty"],
    )?;
    let [side, time_in_force, reduce_only, updated] =
        fields(&object, ["side", "timeInForce", "reduceOnly", "updateTime"])?;
    let Some(listing) = symbols.find(need(symbol, "symbol")?.as_plain()?) else {
        return Ok(None);
    };
    let quantity = unsigned_decimal(quantity, "origQty", listing.quantity_scale)?;
    let filled = unsigned_decimal(filled, "executedQty", listing.quantity_scale)?;
    let working = WorkingOrder {
        status: status_of(need(status, "status")?.as_plain()?, filled, quantity),
        side: side_of(need(side, "side")?.as_plain()?)?,
        price: Price(unsigned_decimal(price, "price", listing.price_scale)?),
        quantity: Quantity(quantity),
        filled: Quantity(filled),
        time_in_force: time_in_force.map_or(Ok(TimeInForce::Gtc), time_in_force_of)?,
        reduce_only: reduce_only.map_or(Ok(false), |value| value.as_bool())?,
    };
    Ok(Some(OrderRow {
        instrument: listing.id,
        order: reference_of(need(client, "clientOrderId")?, prefix)?,
        venue_order_id: VenueOrderId(need(id, "orderId")?.as_u64()?),
        cancel: None,
        working: Some(working),
        venue_time: updated.map_or(Ok(UnixNanos(0)), millis)?,
    }))
}

/// An order of ours has one of our four. What others use is only shown, and rests until it is
/// filled or ended: nearest to good-till-cancel, or to post-only for retail price improvement.
pub(super) fn time_in_force_of(field: RawValue<'_>) -> Result<TimeInForce, ReadError> {
    Ok(match field.as_plain()? {
        b"IOC" => TimeInForce::Ioc,
        b"FOK" => TimeInForce::Fok,
        b"GTX" | b"RPI" => TimeInForce::PostOnly,
        _ => TimeInForce::Gtc,
    })
}

/// The venue's status. A forced order (liquidation, auto-deleveraging) is new or done by what of it
/// is filled; a word that we don't know is told as such.
pub(super) fn status_of(text: &[u8], filled: i64, quantity: i64) -> WorkingStatus {
    match text {
        b"NEW" | b"PARTIALLY_FILLED" => WorkingStatus::Open,
        b"NEW_INSURANCE" | b"NEW_ADL" if filled >= quantity => WorkingStatus::Filled,
        b"NEW_INSURANCE" | b"NEW_ADL" => WorkingStatus::Open,
        b"FILLED" => WorkingStatus::Filled,
        b"CANCELED" => WorkingStatus::Canceled,
        b"EXPIRED" | b"EXPIRED_IN_MATCH" => WorkingStatus::Expired,
        b"REJECTED" => WorkingStatus::Rejected,
        _ => WorkingStatus::Unrecognised,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use arrayvec::ArrayString;
    use enigma_types::{ClientOrderId, OrderReference, Side};

    use super::*;
    use crate::binance::budget::VenueWindow;
    use crate::binance::usdm::budget::LIMITS;
    use crate::binance::usdm::tests::{prefix, symbols};

    const PLACED: &str = r#"{"id":77,"status":200,"result":{"orderId":325078477,"symbol":"BTCUSDT",
        "status":"NEW","clientOrderId":"iCXL1BywlBaf2sesNUrVl3","price":"43187.00",
        "avgPrice":"0.00","origQty":"0.100","executedQty":"0.020","timeInForce":"GTX",
        "type":"LIMIT",
        "reduceOnly":true,"side":"BUY","positionSide":"BOTH","updateTime":1702555534435},
        "rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,
        "count":7},{"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":9,"count":1},
        {"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"count":3}]}"#;

    fn row_of(text: &str) -> OrderRow {
        let answer = decode_order_response(text.as_bytes()).unwrap();
        match answer.body {
            AnswerBody::Result(result) => {
                decode_order(&symbols(), prefix(), result).unwrap().unwrap()
            }
            AnswerBody::Error(_) | AnswerBody::Event(_) => panic!("an error"),
        }
    }

    #[track_caller]
    fn check_error(text: &str, id: Option<u64>, status: u16, code: i32, retry: Option<u64>) {
        let answer = decode_order_response(text.as_bytes()).unwrap();
        assert_eq!((answer.id, answer.status), (id, status));
        match answer.body {
            AnswerBody::Error(error) => {
                assert_eq!((error.code, error.retry_after_ms()), (code, retry));
            }
            AnswerBody::Result(_) | AnswerBody::Event(_) => panic!("a result"),
        }
    }

    #[test]
    fn an_order_object_tells_the_whole_state() {
        let row = row_of(PLACED);
        assert_eq!(row.venue_order_id, VenueOrderId(325_078_477));
        assert_eq!(
            row.order,
            OrderReference::External(ArrayString::from("iCXL1BywlBaf2sesNUrVl3").unwrap())
        );
        let expected = WorkingOrder {
            status: WorkingStatus::Open,
            side: Side::Buy,
            price: Price(431_870),
            quantity: Quantity(100),
            filled: Quantity(20),
            time_in_force: TimeInForce::PostOnly,
            reduce_only: true,
        };
        assert_eq!(row.working, Some(expected));
        assert_eq!(row.venue_time, UnixNanos::from_millis(1_702_555_534_435));
    }

    #[test]
    fn the_venues_counts_are_read() {
        let answer = decode_order_response(PLACED.as_bytes()).unwrap();
        let mut seen = Vec::new();
        answer.for_each_window(&LIMITS, |window, used, _| seen.push((window, used)));
        assert_eq!(seen, [(VenueWindow::Orders10s, 7), (VenueWindow::Weight1m, 3)]);
    }

    #[test]
    fn our_own_ids_are_recognised() {
        let id = ClientOrderId::new(77).unwrap();
        let text = id.text(prefix());
        let ours = std::str::from_utf8(&text).unwrap();
        let row = row_of(&PLACED.replace("iCXL1BywlBaf2sesNUrVl3", ours));
        assert_eq!(row.order, OrderReference::Ours(id));
    }

    #[test]
    fn errors_come_in_every_documented_form() {
        check_error(
            r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key."}}"#,
            None,
            401,
            -2015,
            None,
        );
        check_error(
            r#"{"id":"5","status":418,"error":{"code":-1003,"msg":"x",
            "data":{"serverTime":1659142907531,"retryAfter":1659146400000}}}"#,
            Some(5),
            418,
            -1003,
            Some(1_659_146_400_000),
        );
        check_error(r#"{"id":"a-b","status":400,"error":{"code":-1}}"#, None, 400, -1, None);
    }

    #[test]
    fn an_unknown_status_is_told_as_such() {
        let row = row_of(&PLACED.replace("\"NEW\"", "\"SLEEPING\""));
        assert_eq!(row.working.unwrap().status, WorkingStatus::Unrecognised);
    }

    #[track_caller]
    fn check_refused(from: &str, to: &str) {
        let text = PLACED.replace(from, to);
        let answer = decode_order_response(text.as_bytes());
        let row = answer.and_then(|answer| match answer.body {
            AnswerBody::Result(result) => decode_order(&symbols(), prefix(), result),
            AnswerBody::Error(_) | AnswerBody::Event(_) => Ok(None),
        });
        assert!(row.is_err(), "{to}: {row:?}");
    }

    #[test]
    fn wrong_types_and_missing_fields_are_errors() {
        check_refused("\"43187.00\"", "\"4.3187e4\"");
        check_refused("\"43187.00\"", "\"NaN\"");
        check_refused("\"43187.00\"", "-1");
        check_refused("\"43187.00\"", "43187.05");
        check_refused("\"43187.00\"", "[]");
        check_refused("\"price\"", "\"prize\"");
        check_refused("\"BUY\"", "\"HOLD\"");
        check_refused("325078477", "-5");
        check_refused("\"result\":{", "\"result\":[{");
        check_refused("200", "70000");
        check_refused("}]}", "}]");
        // A number instead of a text is as good.
        assert_eq!(
            row_of(&PLACED.replace("\"43187.00\"", "43187")).working.unwrap().price,
            Price(431_870)
        );
        assert!(decode_order_response(b"<html>502</html>").is_err());
    }

    #[test]
    fn another_instrument_is_none_of_ours() {
        let text = PLACED.replace("BTCUSDT", "DOGEUSDT");
        match decode_order_response(text.as_bytes()).unwrap().body {
            AnswerBody::Result(result) => {
                assert_eq!(decode_order(&symbols(), prefix(), result), Ok(None));
            }
            AnswerBody::Error(_) | AnswerBody::Event(_) => panic!("an error"),
        }
    }
}
