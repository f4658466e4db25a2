//! The answers of spot's order entry, as the documents print them and broken.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use arrayvec::ArrayString;
use enigma_types::{ClientOrderId, Side};

use super::*;
use crate::binance::answers::CancelKind;
use crate::binance::budget::VenueWindow;
use crate::binance::spot::budget::LIMITS;
use crate::binance::spot::tests::{prefix, symbols};

const PLACED: &str = r#"{"id":77,"status":200,"result":{"symbol":"BTCUSDT","orderId":12569099453,
    "orderListId":-1,"clientOrderId":"iCXL1BywlBaf2sesNUrVl3","transactTime":1660801715639,
    "price":"23416.10000000","origQty":"0.00847000","executedQty":"0.00001000",
    "origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"0.23416100","status":"PARTIALLY_FILLED",
    "timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL","workingTime":1660801715639,
    "selfTradePreventionMode":"NONE"},"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND",
    "intervalNum":10,"limit":50,"count":7},{"rateLimitType":"ORDERS","interval":"DAY",
    "intervalNum":1,"limit":160000,"count":9},{"rateLimitType":"REQUEST_WEIGHT",
    "interval":"MINUTE","intervalNum":1,"count":3},{"rateLimitType":"TOMORROW"}]}"#;

fn decode(text: &str) -> Result<Option<OrderRow>, ReadError> {
    match decode_response(text.as_bytes())?.body {
        AnswerBody::Result(result) => decode_order(&symbols(), prefix(), result),
        AnswerBody::Error(_) | AnswerBody::Event(_) => Ok(None),
    }
}

fn row_of(text: &str) -> OrderRow {
    decode(text).unwrap().unwrap()
}

fn ours(id: u64) -> String {
    String::from_utf8(ClientOrderId::new(id).unwrap().text(prefix()).to_vec()).unwrap()
}

#[test]
fn an_order_object_tells_the_whole_state() {
    let row = row_of(PLACED);
    assert_eq!(row.venue_order_id, VenueOrderId(12_569_099_453));
    let text = ArrayString::from("iCXL1BywlBaf2sesNUrVl3").unwrap();
    assert_eq!(row.order, OrderReference::External(text));
    let expected = WorkingOrder {
        status: WorkingStatus::Open,
        side: Side::Sell,
        price: Price(2_341_610),
        quantity: Quantity(847),
        filled: Quantity(1),
        time_in_force: TimeInForce::PostOnly,
        reduce_only: false,
    };
    assert_eq!(row.working, Some(expected));
    assert_eq!(row.venue_time, UnixNanos::from_millis(1_660_801_715_639));
}

#[test]
fn the_venues_counts_and_limits_are_read() {
    let answer = decode_response(PLACED.as_bytes()).unwrap();
    let mut seen = Vec::new();
    answer.for_each_window(&LIMITS, |window, used, limit| seen.push((window, used, limit)));
    let expected = [
        (VenueWindow::Orders10s, 7, Some(50)),
        (VenueWindow::OrdersLong, 9, Some(160_000)),
        (VenueWindow::Weight1m, 3, None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_canceled_order_is_known_by_the_id_that_stands_beside_its_cancels() {
    let canceled = PLACED
        .replace("PARTIALLY_FILLED", "CANCELED")
        .replace("\"orderListId\":-1", &format!("\"origClientOrderId\":\"{}\"", ours(5)));
    let row = row_of(&canceled);
    assert_eq!(row.order, OrderReference::Ours(ClientOrderId::new(5).unwrap()));
    assert_eq!(row.working.unwrap().status, WorkingStatus::Canceled);
    // Asked for later it goes by the cancel's id alone.
    let renamed = PLACED.replace("iCXL1BywlBaf2sesNUrVl3", &format!("{}r", ours(5)));
    let row = row_of(&renamed);
    assert_eq!(row.order, OrderReference::Ours(ClientOrderId::new(5).unwrap()));
    assert_eq!(row.cancel, Some(CancelKind::Replace));
}

#[test]
fn a_bare_acknowledgement_says_nothing_of_the_order() {
    let row = row_of(
        r#"{"id":1,"status":200,"result":{"symbol":"BTCUSDT","orderId":5,"orderListId":-1,
        "clientOrderId":"x","transactTime":7}}"#,
    );
    assert_eq!((row.working, row.venue_order_id), (None, VenueOrderId(5)));
}

#[test]
fn an_amended_order_spells_its_quantity_otherwise() {
    let text = format!(
        "{{\"transactTime\":1741923284382,\"executionId\":16,\"amendedOrder\":{{\
         \"symbol\":\"BTCUSDT\",\"orderId\":12,\"orderListId\":-1,\"origClientOrderId\":\"{id}\",\
         \"clientOrderId\":\"{id}\",\"price\":\"5.00000000\",\"qty\":\"4.00000000\",\
         \"executedQty\":\"1.00000000\",\"preventedQty\":\"0\",\"quoteOrderQty\":\"0\",\
         \"cumulativeQuoteQty\":\"5\",\"status\":\"PARTIALLY_FILLED\",\"timeInForce\":\"GTC\",\
         \"type\":\"LIMIT\",\"side\":\"BUY\",\"workingTime\":1741923284364}}}}",
        id = ours(9)
    );
    let result = RawValue::of_message(text.as_bytes()).unwrap();
    let row = decode_amended(&symbols(), prefix(), result).unwrap().unwrap();
    let working = row.working.unwrap();
    assert_eq!((working.quantity, working.filled), (Quantity(400_000), Quantity(100_000)));
    assert_eq!(row.order, OrderReference::Ours(ClientOrderId::new(9).unwrap()));
    assert_eq!(row.venue_time, UnixNanos::from_millis(1_741_923_284_382));
}

#[track_caller]
fn check_error(text: &str, id: Option<u64>, status: u16, code: i32, retry: Option<u64>) {
    let answer = decode_response(text.as_bytes()).unwrap();
    let AnswerBody::Error(error) = answer.body else { panic!("{answer:?}") };
    let told = (answer.id, answer.status, error.code, error.retry_after_ms());
    assert_eq!(told, (id, status, code, retry));
}

#[test]
fn errors_come_in_every_documented_form() {
    let revoked = r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key."}}"#;
    check_error(revoked, None, 401, -2015, None);
    let banned = r#"{"id":"5","status":418,"error":{"code":-1003,"msg":"x",
        "data":{"serverTime":1659142907531,"retryAfter":1659146400000}}}"#;
    check_error(banned, Some(5), 418, -1003, Some(1_659_146_400_000));
    check_error(r#"{"id":"a-b","status":400,"error":{"code":-1}}"#, None, 400, -1, None);
}

#[test]
fn a_notice_of_the_connections_end_is_no_answer() {
    let text = r#"{"event":{"e":"serverShutdown","E":1770123456789}}"#;
    let answer = decode_response(text.as_bytes()).unwrap();
    assert!(matches!(answer.body, AnswerBody::Event(_)));
    assert_eq!(answer.id, None);
}

#[track_caller]
fn check_refused(from: &str, to: &str) {
    let text = PLACED.replacen(from, to, 1);
    assert_ne!(text, PLACED, "{from}");
    assert!(decode(&text).is_err(), "{to}");
}

#[test]
fn wrong_types_and_missing_fields_are_errors() {
    check_refused("\"23416.10000000\"", "\"2.34161e4\"");
    check_refused("\"23416.10000000\"", "\"NaN\"");
    check_refused("\"23416.10000000\"", "-1");
    check_refused("\"23416.10000000\"", "23416.105");
    check_refused("\"23416.10000000\"", "[]");
    check_refused("\"price\"", "\"prize\"");
    check_refused("\"SELL\"", "\"HOLD\"");
    check_refused("12569099453", "-5");
    check_refused("\"result\":{", "\"result\":[{");
    check_refused("200", "70000");
    check_refused("}]}", "}]");
    check_refused("\"clientOrderId\"", "\"client\"");
    assert!(decode_response(b"<html>502</html>").is_err());
}

#[test]
fn an_unknown_status_is_told_as_such_and_another_instrument_is_none_of_ours() {
    let row = row_of(&PLACED.replace("PARTIALLY_FILLED", "SLEEPING"));
    assert_eq!(row.working.unwrap().status, WorkingStatus::Unrecognised);
    assert_eq!(decode(&PLACED.replace("BTCUSDT", "DOGEUSDT")), Ok(None));
}
