//! Spot's order session without a socket.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{
    CancelRequest, ClientOrderId, ExecutionReport, InstrumentId, NotSentCause, OrderReference,
    OrderRequest, Price, Quantity, RejectClass, ReplaceRequest, ReportSource, RequestKind,
    SessionKind, Side, TimeInForce, VenueOrderId, WorkingStatus,
};

use super::*;
use crate::binance::spot::tests::{Harness, ed25519, hmac, http, id_text, plan};
use crate::session::{AlertKind, Answer, Method};
use crate::wire::websocket::FrameClass;

mod query_tests;
mod replace_tests;

type OrderHarness = Harness<OrderSession>;

const TIME: &str = "/api/v3/time";
const OPEN_ORDERS: &str = "/api/v3/openOrders";
const BTC: InstrumentId = InstrumentId(0);
const ACCOUNT: AccountId = AccountId(0);

fn started(signer: Signer) -> OrderHarness {
    let mut harness = Harness::new(OrderSession::new(&plan(SessionKind::Order)), signer);
    harness.ok(Input::Start);
    harness
}

fn measure_clock(harness: &mut OrderHarness) {
    harness.answer(Method::Get, TIME, "{\"serverTime\":1700000000000}");
    harness.wait(0);
    harness.answer(Method::Get, OPEN_ORDERS, "[]");
}

fn ready() -> OrderHarness {
    let mut harness = started(hmac());
    harness.ok(Input::Connected);
    measure_clock(&mut harness);
    assert_eq!(harness.state, SessionState::Ready);
    harness.alerts();
    harness
}

fn client(id: u64) -> ClientOrderId {
    ClientOrderId::new(id).unwrap()
}

fn order(id: u64) -> OrderRequest {
    OrderRequest {
        client_order_id: client(id),
        account: ACCOUNT,
        instrument: BTC,
        side: Side::Sell,
        time_in_force: TimeInForce::PostOnly,
        price: Price(6_180_020),
        quantity: Quantity(1_000),
        reduce_only: false,
    }
}

fn cancel(id: u64) -> CancelRequest {
    let venue_order_id = VenueOrderId(5);
    CancelRequest { client_order_id: client(id), account: ACCOUNT, instrument: BTC, venue_order_id }
}

/// Submits and gives the request's id.
fn submit(harness: &mut OrderHarness, order: &OrderRequest) -> u64 {
    harness.ok(Input::Submit(order));
    id_of(&harness.sent_one())
}

fn id_of(text: &str) -> u64 {
    let digits = text.strip_prefix("{\"id\":").unwrap();
    digits.split_once(',').unwrap().0.parse().unwrap()
}

/// An order object as answers tell it, under the client id `id`.
fn row(id: &str, venue_id: u64, status: &str, filled: &str) -> String {
    format!(
        "{{\"symbol\":\"BTCUSDT\",\"orderId\":{venue_id},\"orderListId\":-1,\
         \"clientOrderId\":\"{id}\",\"transactTime\":1660801715639,\"price\":\"61800.20000000\",\
         \"origQty\":\"0.01000000\",\"executedQty\":\"{filled}\",\
         \"cummulativeQuoteQty\":\"0.00000000\",\"status\":\"{status}\",\"timeInForce\":\"GTC\",\
         \"type\":\"LIMIT_MAKER\",\"side\":\"SELL\",\"selfTradePreventionMode\":\"NONE\"}}"
    )
}

fn result(id: u64, result: &str) -> String {
    format!("{{\"id\":{id},\"status\":200,\"result\":{result},\"rateLimits\":[]}}")
}

fn error(id: &str, status: u16, code: i32, words: &str) -> String {
    format!("{{\"id\":{id},\"status\":{status},\"error\":{{\"code\":{code},\"msg\":\"{words}\"}}}}")
}

fn outcomes(harness: &mut OrderHarness) -> Vec<Outcome> {
    executions(&harness.reports()).into_iter().map(|report| report.outcome).collect()
}

fn executions(reports: &[Report]) -> Vec<ExecutionReport> {
    let executions = reports.iter().filter_map(|report| match report {
        Report::Execution(report) => Some(*report),
        Report::Balance(_) | Report::Position(_) | Report::Query(_) => None,
    });
    executions.collect()
}

fn unknown(kind: RequestKind, cause: UnknownCause) -> Outcome {
    Outcome::Unknown(kind, cause)
}

#[test]
fn an_ed25519_session_logs_on_and_then_sends_unsigned() {
    let mut harness = started(ed25519());
    let dial = harness.outbox.dial.take().unwrap();
    assert_eq!((dial.host, dial.path.as_str()), (HostRole::OrderEntry, "/ws-api/v3"));
    measure_clock(&mut harness);
    harness.ok(Input::Connected);
    assert_eq!(harness.state, SessionState::Syncing);
    let logon = harness.sent_one();
    assert!(logon.contains("\"method\":\"session.logon\",\"params\":{\"apiKey\":\"key\""));
    harness.ok(Input::Submit(&order(1)));
    let not_sent = Outcome::NotSent(RequestKind::Submit, NotSentCause::SessionDown);
    assert_eq!(outcomes(&mut harness), [not_sent]);
    harness.frame(&result(id_of(&logon), "{\"apiKey\":\"key\",\"authorizedSince\":1}")).unwrap();
    assert_eq!(harness.state, SessionState::Ready);
    harness.ok(Input::Submit(&order(1)));
    let time = harness.now.wall.as_millis();
    let text = harness.sent_one();
    let expected = format!(
        "{{\"id\":{},\"method\":\"order.place\",\"params\":{{\"newClientOrderId\":\"{}\",\
         \"newOrderRespType\":\"RESULT\",\"price\":\"61800.20\",\"quantity\":\"0.01000\",\
         \"recvWindow\":5000,\"side\":\"SELL\",\"symbol\":\"BTCUSDT\",\"timestamp\":{time},\
         \"type\":\"LIMIT_MAKER\"}}}}",
        id_of(&text),
        id_text(1)
    );
    assert_eq!(text, expected);
}

#[track_caller]
fn check_time_in_force(time_in_force: TimeInForce, expected: &str) {
    let mut harness = ready();
    harness.ok(Input::Submit(&OrderRequest { time_in_force, ..order(1) }));
    let text = harness.sent_one();
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_post_only_order_has_a_type_and_others_a_time_in_force() {
    check_time_in_force(TimeInForce::Gtc, "\"symbol\":\"BTCUSDT\",\"timeInForce\":\"GTC\"");
    check_time_in_force(TimeInForce::Ioc, "\"timeInForce\":\"IOC\"");
    check_time_in_force(TimeInForce::Fok, "\"timeInForce\":\"FOK\"");
    check_time_in_force(TimeInForce::Ioc, "\"type\":\"LIMIT\"");
    check_time_in_force(TimeInForce::PostOnly, "\"symbol\":\"BTCUSDT\",\"timestamp\"");
}

#[test]
fn an_hmac_session_signs_each_request() {
    let mut harness = ready();
    harness.ok(Input::Submit(&order(1)));
    let text = harness.sent_one();
    assert!(text.contains("\"params\":{\"apiKey\":\"key\",\"newClientOrderId\""), "{text}");
    let signature = text.split_once("\"signature\":\"").unwrap().1.strip_suffix("\"}}").unwrap();
    assert_eq!(signature.len(), 64);
    harness.ok(Input::Cancel(&cancel(1)));
    let frames = harness.sent();
    assert_eq!(frames[0].0, FrameClass::Cancel { client_order_id: client(1) });
    let expected = format!(
        "\"newClientOrderId\":\"{id}c\",\"origClientOrderId\":\"{id}\",\"recvWindow\":5000",
        id = id_text(1)
    );
    assert!(frames[0].1.contains(&expected), "{}", frames[0].1);
}

#[test]
fn a_reduce_only_order_is_not_sent_as_another() {
    let mut harness = ready();
    let reduce_only = OrderRequest { reduce_only: true, ..order(1) };
    assert!(harness.handle(Input::Submit(&reduce_only)).is_err());
    assert!(harness.sent().is_empty());
    let not_sent = Outcome::NotSent(RequestKind::Submit, NotSentCause::Encoding);
    assert_eq!(outcomes(&mut harness), [not_sent]);
}

#[test]
fn nothing_trades_before_the_clock_is_known_but_a_cancel_goes() {
    let mut harness = started(hmac());
    harness.ok(Input::Connected);
    assert_eq!(harness.state, SessionState::Syncing);
    harness.ok(Input::Submit(&order(1)));
    assert!(harness.sent().is_empty());
    harness.ok(Input::Cancel(&cancel(1)));
    assert_eq!(harness.sent().len(), 1);
    harness.answer(Method::Get, TIME, "{\"serverTime\":1700000000250}");
    let offset = AlertKind::ClockOffset { offset_ns: 250_500_000, uncertainty_ns: 500_000 };
    assert_eq!(harness.alerts(), [offset]);
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn a_refused_time_has_the_clock_asked_at_once_and_the_step_believed() {
    let mut harness = ready();
    harness.session.pulse_at = Nanos::MAX;
    for _ in 0..4 {
        harness.wait(30_000);
        let text = format!("{{\"serverTime\":{}}}", harness.now.wall.as_millis());
        harness.answer(Method::Get, TIME, &text);
    }
    harness.alerts();
    // A person sets the machine's clock two hours back; monotonic time goes on.
    let venue_ms = harness.now.wall.as_millis();
    harness.now.wall.0 -= 7_200_000_000_000;
    harness.advance(Nanos::from_secs(1));
    let id = submit(&mut harness, &order(3));
    harness.frame(&error(&id.to_string(), 400, -1021, "late")).unwrap();
    assert!(harness.session.next_deadline().is_some_and(|at| at <= harness.now.mono));
    harness.ok(Input::Timer);
    harness.answer(Method::Get, TIME, &format!("{{\"serverTime\":{}}}", venue_ms + 1_000));
    let alerts: Vec<AlertKind> = harness.alerts();
    let offset = AlertKind::ClockOffset { offset_ns: 7_200_000_500_000, uncertainty_ns: 500_000 };
    assert!(alerts.contains(&offset), "{alerts:?}");
    // Refused all the same, it isn't asked again with each refusal.
    let id = submit(&mut harness, &order(4));
    harness.frame(&error(&id.to_string(), 400, -1021, "late")).unwrap();
    assert!(harness.session.next_deadline().is_some_and(|at| at > harness.now.mono));
}

#[test]
fn a_placed_order_is_acknowledged_and_its_state_told() {
    let mut harness = ready();
    let id = submit(&mut harness, &order(9));
    assert_eq!(harness.session.in_flight(), 1);
    let told = row(&id_text(9), 77, "PARTIALLY_FILLED", "0.00400000");
    harness.frame(&result(id, &told)).unwrap();
    let reports = executions(&harness.reports());
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].outcome, Outcome::Acknowledged(RequestKind::Submit));
    assert_eq!(reports[0].venue_order_id, VenueOrderId(77));
    assert_eq!(reports[1].order, OrderReference::Ours(client(9)));
    let Outcome::Working(working, source) = reports[1].outcome else { panic!("{reports:?}") };
    assert_eq!(source, ReportSource::Response(RequestKind::Submit));
    assert_eq!((working.status, working.filled), (WorkingStatus::Open, Quantity(400)));
    assert_eq!(working.time_in_force, TimeInForce::PostOnly);
    assert_eq!(harness.session.in_flight(), 0);
}

#[test]
fn a_bare_acknowledgement_is_no_state() {
    let mut harness = ready();
    let id = submit(&mut harness, &order(9));
    let bare = format!(
        "{{\"symbol\":\"BTCUSDT\",\"orderId\":77,\"orderListId\":-1,\"clientOrderId\":\"{}\",\
         \"transactTime\":1660801715639}}",
        id_text(9)
    );
    harness.frame(&result(id, &bare)).unwrap();
    assert_eq!(outcomes(&mut harness), [Outcome::Acknowledged(RequestKind::Submit)]);
}

#[track_caller]
fn check_refusal(status: u16, code: i32, words: &str, expected: Result<RejectClass, UnknownCause>) {
    let mut harness = ready();
    let id = submit(&mut harness, &order(3));
    harness.frame(&error(&id.to_string(), status, code, words)).unwrap();
    let found = outcomes(&mut harness);
    match (expected, found.as_slice()) {
        (Ok(class), [Outcome::Rejected(RequestKind::Submit, reason)]) => {
            assert_eq!((reason.class, reason.code), (class, code));
            assert_eq!(reason.message.as_str(), words);
        }
        (Err(cause), [outcome]) => assert_eq!(*outcome, unknown(RequestKind::Submit, cause)),
        _ => panic!("{found:?}"),
    }
}

#[test]
fn only_definite_refusals_end_an_order() {
    let crossing = "Order would immediately match and take.";
    check_refusal(400, -2010, crossing, Ok(RejectClass::WouldCross));
    let poor = "Account has insufficient balance for requested action.";
    check_refusal(400, -2010, poor, Ok(RejectClass::InsufficientMargin));
    check_refusal(400, -1013, "Filter failure: NOTIONAL", Ok(RejectClass::Filter));
    check_refusal(400, -1021, "late", Ok(RejectClass::ClockSkew));
    check_refusal(503, -1008, "busy", Ok(RejectClass::VenueUnavailable));
    for (status, code) in [(400, -1006), (400, -1007), (500, -2010), (400, -1000), (400, -31_337)] {
        check_refusal(status, code, "no", Err(UnknownCause::VenueUnsure));
    }
}

#[test]
fn a_canceled_order_is_told_under_its_own_id() {
    let mut harness = ready();
    harness.ok(Input::Cancel(&cancel(3)));
    let id = id_of(&harness.sent_one());
    let own = format!("\"origClientOrderId\":\"{}\",\"orderListId\"", id_text(3));
    let told = row("some-cancels-id", 77, "CANCELED", "0").replace("\"orderListId\"", &own);
    harness.frame(&result(id, &told)).unwrap();
    let reports = executions(&harness.reports());
    assert_eq!(reports[1].order, OrderReference::Ours(client(3)));
    assert!(matches!(reports[1].outcome, Outcome::Working(working, _)
        if working.status == WorkingStatus::Canceled));
}

#[test]
fn a_cancel_of_what_is_not_open_is_no_such_order() {
    let mut harness = ready();
    harness.ok(Input::Cancel(&cancel(3)));
    let id = id_of(&harness.sent_one());
    harness.frame(&error(&id.to_string(), 400, -2011, "Unknown order sent.")).unwrap();
    let found = outcomes(&mut harness);
    assert!(matches!(found[0], Outcome::Rejected(RequestKind::Cancel, reason)
        if reason.class == RejectClass::NoSuchOrder));
    assert_eq!(harness.alerts(), []);
}

#[test]
fn an_answer_about_another_order_leaves_the_request_unknown() {
    let mut harness = ready();
    let id = submit(&mut harness, &order(3));
    assert!(harness.frame(&result(id, &row(&id_text(4), 77, "NEW", "0"))).is_err());
    let expected = unknown(RequestKind::Submit, UnknownCause::Unreadable);
    assert_eq!(outcomes(&mut harness), [expected]);
}

#[test]
fn an_unreadable_answer_doubts_everything_in_flight() {
    let mut harness = ready();
    submit(&mut harness, &order(3));
    assert!(harness.frame("<html>502 Bad Gateway</html>").is_err());
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Protocol));
    let expected = unknown(RequestKind::Submit, UnknownCause::Unreadable);
    assert_eq!(outcomes(&mut harness), [expected]);
    assert_eq!(harness.state, SessionState::Down);
}

#[test]
fn unanswered_and_cut_off_requests_are_unknown_once() {
    let mut harness = ready();
    let id = submit(&mut harness, &order(3));
    harness.wait(10_000);
    let expected = unknown(RequestKind::Submit, UnknownCause::Timeout);
    assert_eq!(outcomes(&mut harness), [expected]);
    // Late is better than never: the state is news all the same.
    harness.frame(&result(id, &row(&id_text(3), 77, "NEW", "0"))).unwrap();
    assert_eq!(outcomes(&mut harness).len(), 2);
    submit(&mut harness, &order(4));
    harness.ok(Input::Disconnected);
    let expected = unknown(RequestKind::Submit, UnknownCause::Disconnected);
    assert_eq!(outcomes(&mut harness), [expected]);
}

#[test]
fn a_purged_order_never_left() {
    let mut harness = ready();
    submit(&mut harness, &order(3));
    let cause = NotSentCause::Barrier;
    harness.ok(Input::Purged { client_order_id: client(3), cause });
    assert_eq!(outcomes(&mut harness), [Outcome::NotSent(RequestKind::Submit, cause)]);
    assert_eq!(harness.session.in_flight(), 0);
}

#[test]
fn a_revoked_key_and_a_shutdown_replace_the_connection() {
    let mut harness = ready();
    harness.frame(r#"{"event":{"e":"serverShutdown","E":1770123456789}}"#).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
    assert_eq!(harness.state, SessionState::Ready);
    submit(&mut harness, &order(3));
    harness.frame(&error("null", 401, -2015, "Invalid API-key")).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
    let expected = unknown(RequestKind::Submit, UnknownCause::VenueUnsure);
    assert_eq!(outcomes(&mut harness), [expected]);
    assert_eq!(harness.alerts(), [AlertKind::Authentication]);
}

#[test]
fn the_venues_limits_are_obeyed_and_leave_room_for_cancels() {
    let mut harness = ready();
    for id in 1..=60 {
        harness.ok(Input::Submit(&order(id)));
    }
    assert_eq!(harness.sent().len(), 50);
    let limited = Outcome::NotSent(RequestKind::Submit, NotSentCause::RateLimit);
    assert_eq!(outcomes(&mut harness), vec![limited; 10]);
    assert_eq!(harness.alerts(), [AlertKind::RateLimited]);
    harness.ok(Input::Cancel(&cancel(1)));
    assert_eq!(harness.sent().len(), 1);
    // The venue grants more than its documents say.
    let told = "{\"id\":null,\"status\":200,\"result\":{},\"rateLimits\":[{\"rateLimitType\":\
        \"ORDERS\",\"interval\":\"SECOND\",\"intervalNum\":10,\"limit\":100,\"count\":50}]}";
    harness.frame(told).unwrap();
    harness.ok(Input::Submit(&order(61)));
    assert_eq!(harness.sent().len(), 1);
}

#[test]
fn while_banned_nothing_is_sent_at_all() {
    let mut harness = ready();
    let until = harness.now.wall.as_millis() + 120_000;
    let banned = format!(
        "{{\"id\":null,\"status\":418,\"error\":{{\"code\":-1003,\"msg\":\"banned\",\
         \"data\":{{\"serverTime\":1,\"retryAfter\":{until}}}}}}}"
    );
    harness.frame(&banned).unwrap();
    harness.ok(Input::Submit(&order(1)));
    harness.ok(Input::Cancel(&cancel(2)));
    assert!(harness.sent().is_empty());
    let causes = outcomes(&mut harness);
    let expected = [RequestKind::Submit, RequestKind::Cancel]
        .map(|kind| Outcome::NotSent(kind, NotSentCause::RateLimit));
    assert_eq!(causes, expected);
}
