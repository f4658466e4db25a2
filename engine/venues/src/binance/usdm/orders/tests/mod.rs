//! The order session without a socket.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{
    CancelRequest, ClientOrderId, ExecutionReport, InstrumentId, NotSentCause, OrderReference,
    OrderRequest, Price, Quantity, RejectClass, ReplaceRequest, ReportSource, RequestKind,
    SessionKind, Side, TimeInForce, VenueOrderId, WorkingStatus,
};

use super::*;
use crate::binance::usdm::tests::{Harness, ed25519, hmac, http, plan, prefix};
use crate::session::{AlertKind, Answer, Method};
use crate::wire::websocket::FrameClass;

mod limit_tests;
mod query_tests;

type OrderHarness = Harness<OrderSession>;

const TIME: &str = "/fapi/v1/time";
const MODE: &str = "/fapi/v1/positionSide/dual";
const BTC: InstrumentId = InstrumentId(0);
const ACCOUNT: AccountId = AccountId(0);

fn started(signer: Signer) -> OrderHarness {
    let mut harness = Harness::new(OrderSession::new(&plan(SessionKind::Order)), signer);
    harness.ok(Input::Start);
    harness
}

fn check_account(harness: &mut OrderHarness) {
    harness.answer(Method::Get, TIME, "{\"serverTime\":1700000000000}");
    harness.wait(0);
    harness.answer(Method::Get, MODE, "{\"dualSidePosition\":false}");
}

fn ready() -> OrderHarness {
    let mut harness = started(hmac());
    harness.ok(Input::Connected);
    check_account(&mut harness);
    assert_eq!(harness.state, SessionState::Ready);
    harness.alerts();
    harness
}

fn client(id: u64) -> ClientOrderId {
    ClientOrderId::new(id).unwrap()
}

fn text_of(id: u64) -> String {
    String::from_utf8(client(id).text(prefix()).to_vec()).unwrap()
}

fn order(id: u64) -> OrderRequest {
    OrderRequest {
        client_order_id: client(id),
        account: ACCOUNT,
        instrument: BTC,
        side: Side::Sell,
        time_in_force: TimeInForce::PostOnly,
        price: Price(618_002),
        quantity: Quantity(10),
        reduce_only: false,
    }
}

fn cancel(id: u64) -> CancelRequest {
    let venue_order_id = VenueOrderId(5);
    CancelRequest { client_order_id: client(id), account: ACCOUNT, instrument: BTC, venue_order_id }
}

fn replace(id: u64) -> ReplaceRequest {
    ReplaceRequest {
        client_order_id: client(id),
        account: ACCOUNT,
        instrument: BTC,
        venue_order_id: VenueOrderId(5),
        side: Side::Sell,
        price: Price(618_003),
        quantity: Quantity(20),
    }
}

/// Submits and gives the request's id.
fn submit(harness: &mut OrderHarness, id: u64) -> u64 {
    harness.ok(Input::Submit(&order(id)));
    id_of(&harness.sent_one())
}

fn id_of(text: &str) -> u64 {
    let digits = text.strip_prefix("{\"id\":").unwrap();
    digits.split_once(',').unwrap().0.parse().unwrap()
}

fn result(id: u64, order: u64, status: &str, filled: &str) -> String {
    let client = text_of(order);
    format!(
        "{{\"id\":{id},\"status\":200,\"result\":{{\"orderId\":77,\"symbol\":\"BTCUSDT\",\
         \"status\":\"{status}\",\"clientOrderId\":\"{client}\",\"price\":\"61800.20\",\
         \"origQty\":\"0.010\",\"executedQty\":\"{filled}\",\"timeInForce\":\"GTX\",\
         \"reduceOnly\":false,\"side\":\"SELL\",\"updateTime\":5}},\"rateLimits\":[]}}"
    )
}

fn error(id: &str, status: u16, code: i32) -> String {
    format!("{{\"id\":{id},\"status\":{status},\"error\":{{\"code\":{code},\"msg\":\"no\"}}}}")
}

fn outcomes(harness: &mut OrderHarness) -> Vec<Outcome> {
    let executions = harness.reports().into_iter().filter_map(|report| match report {
        Report::Execution(report) => Some(report.outcome),
        Report::Balance(_) | Report::Position(_) | Report::Query(_) => None,
    });
    executions.collect()
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
    assert_eq!((dial.host, dial.path.as_str()), (HostRole::OrderEntry, "/ws-fapi/v1"));
    assert_eq!(harness.state, SessionState::Connecting);
    check_account(&mut harness);
    harness.ok(Input::Connected);
    assert_eq!(harness.state, SessionState::Syncing);
    let logon = harness.sent_one();
    assert!(logon.contains("\"method\":\"session.logon\",\"params\":{\"apiKey\":\"key\""));
    assert!(logon.contains("\"signature\":\""));
    harness.ok(Input::Submit(&order(1)));
    assert_eq!(
        outcomes(&mut harness),
        [Outcome::NotSent(RequestKind::Submit, NotSentCause::SessionDown)]
    );
    let answer = format!(
        "{{\"id\":{},\"status\":200,\"result\":{{\"apiKey\":\"key\",\"authorizedSince\":1}}}}",
        id_of(&logon)
    );
    harness.frame(&answer).unwrap();
    assert_eq!(harness.state, SessionState::Ready);
    harness.ok(Input::Submit(&order(1)));
    let time = harness.now.wall.as_millis();
    let client = text_of(1);
    let text = harness.sent_one();
    assert_eq!(
        text,
        format!(
            "{{\"id\":{},\"method\":\"order.place\",\"params\":{{\"newClientOrderId\":\"{client}\",\
             \"price\":\"61800.2\",\"quantity\":\"0.010\",\"recvWindow\":5000,\"side\":\"SELL\",\
             \"symbol\":\"BTCUSDT\",\"timeInForce\":\"GTX\",\"timestamp\":{time},\
             \"type\":\"LIMIT\"}}}}",
            id_of(&text)
        )
    );
}

#[test]
fn a_refused_or_unanswered_log_on_replaces_the_connection() {
    let mut harness = started(ed25519());
    harness.ok(Input::Connected);
    let id = id_of(&harness.sent_one());
    harness.frame(&error(&id.to_string(), 401, -2015)).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
    assert_eq!(harness.state, SessionState::Down);
    assert_eq!(harness.alerts(), [AlertKind::Authentication]);

    let mut harness = started(ed25519());
    harness.ok(Input::Connected);
    harness.sent_one();
    harness.wait(10_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
}

#[test]
fn an_hmac_session_signs_each_request() {
    let mut harness = ready();
    harness.ok(Input::Submit(&OrderRequest { reduce_only: true, ..order(1) }));
    let text = harness.sent_one();
    assert!(text.contains("\"params\":{\"apiKey\":\"key\",\"newClientOrderId\""), "{text}");
    assert!(text.contains("\"recvWindow\":5000,\"reduceOnly\":\"true\",\"side\""), "{text}");
    let signature = text.split_once("\"signature\":\"").unwrap().1.strip_suffix("\"}}").unwrap();
    assert_eq!(signature.len(), 64);
    harness.ok(Input::Cancel(&cancel(1)));
    let frames = harness.sent();
    assert_eq!(frames[0].0, FrameClass::Cancel { client_order_id: client(1) });
    assert!(frames[0].1.contains("order.cancel"));
    harness.ok(Input::Replace(&replace(1)));
    let frames = harness.sent();
    assert_eq!(frames[0].0, FrameClass::Order { client_order_id: client(1) });
    let expected = format!("\"origClientOrderId\":\"{}\",\"price\":\"61800.3\"", text_of(1));
    assert!(frames[0].1.contains(&expected), "{}", frames[0].1);
}

#[test]
fn nothing_trades_before_account_and_clock_are_checked() {
    let mut harness = started(hmac());
    harness.ok(Input::Connected);
    assert_eq!(harness.state, SessionState::Syncing);
    harness.answer(Method::Get, TIME, "{\"serverTime\":1700000000250}");
    let offset = AlertKind::ClockOffset { offset_ns: 250_500_000, uncertainty_ns: 500_000 };
    assert_eq!(harness.alerts(), [offset]);
    harness.wait(0);
    harness.answer(Method::Get, MODE, "{\"dualSidePosition\":true}");
    assert_eq!(harness.alerts(), [AlertKind::VenueError]);
    assert_eq!(harness.state, SessionState::Syncing);
    harness.ok(Input::Submit(&order(1)));
    harness.ok(Input::Replace(&replace(1)));
    assert!(harness.sent().is_empty());
    // A cancel takes risk away and goes.
    harness.ok(Input::Cancel(&cancel(1)));
    assert_eq!(harness.sent().len(), 1);
    // The operator changes the mode; it is looked at again.
    harness.session.pulse_at = Nanos::MAX;
    harness.wait(60_000);
    harness.answer(Method::Get, MODE, "{\"dualSidePosition\":false}");
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn an_order_refused_for_the_position_mode_has_the_mode_asked_about() {
    let mut harness = ready();
    harness.wait(5_000);
    harness.outbox.calls.clear();
    let id = submit(&mut harness, 3);
    harness.frame(&error(&id.to_string(), 400, -4061)).unwrap();
    harness.wait(0);
    // While the answer is on its way another refusal asks nothing.
    let id = submit(&mut harness, 4);
    harness.frame(&error(&id.to_string(), 400, -4061)).unwrap();
    harness.wait(0);
    harness.answer(Method::Get, MODE, "{\"dualSidePosition\":true}");
    assert_eq!((harness.state, harness.outbox.calls.len()), (SessionState::Syncing, 0));
    harness.ok(Input::Submit(&order(5)));
    assert!(harness.sent().is_empty());
    // Refused although the mode is said to be right: not more often than once in five seconds.
    let mut harness = ready();
    for order in 1..=3 {
        let id = submit(&mut harness, order);
        harness.frame(&error(&id.to_string(), 400, -4061)).unwrap();
    }
    harness.outbox.calls.clear();
    harness.wait(4_999);
    assert!(harness.outbox.calls.iter().all(|call| !call.target.starts_with(MODE)));
    harness.wait(1);
    harness.answer(Method::Get, MODE, "{\"dualSidePosition\":false}");
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn an_event_that_is_pushed_doubts_nothing() {
    let mut harness = ready();
    let id = submit(&mut harness, 3);
    harness.frame(r#"{"event":{"e":"serverShutdown","E":1770123456789}}"#).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
    harness.frame(r#"{"event":{"e":"news","E":1770123456789}}"#).unwrap();
    assert_eq!((harness.reconnect(), harness.alerts()), (None, vec![AlertKind::UnknownMessage]));
    assert_eq!((outcomes(&mut harness), harness.state), (vec![], SessionState::Ready));
    harness.frame(&result(id, 3, "NEW", "0")).unwrap();
    assert_eq!(outcomes(&mut harness).len(), 2);
}

#[test]
fn a_late_refusal_of_one_replace_says_nothing_of_the_next() {
    let mut harness = ready();
    harness.ok(Input::Replace(&replace(3)));
    let first = id_of(&harness.sent_one());
    harness.wait(10_000);
    let overdue = unknown(RequestKind::Replace, UnknownCause::Timeout);
    assert_eq!(outcomes(&mut harness), [overdue]);
    harness.ok(Input::Replace(&replace(3)));
    let second = id_of(&harness.sent_one());
    harness.frame(&error(&first.to_string(), 400, -5027)).unwrap();
    assert_eq!(outcomes(&mut harness), []);
    harness.frame(&error(&second.to_string(), 400, -5027)).unwrap();
    let found = outcomes(&mut harness);
    assert!(matches!(found.as_slice(), [Outcome::Rejected(RequestKind::Replace, _)]), "{found:?}");
}

#[test]
fn the_clock_is_asked_again_and_again() {
    let mut harness = ready();
    for _ in 0..4 {
        harness.wait(30_000);
        harness.answer(Method::Get, TIME, "{\"serverTime\":1700000000000}");
    }
    harness.wait(30_000);
    let call = harness.take_call(Method::Get, TIME);
    harness.ok(Input::Response { call: call.call, answer: Answer::Lost });
    harness.wait(2_000);
    let call = harness.take_call(Method::Get, TIME);
    let answer = http(200, "<html>");
    assert!(harness.handle(Input::Response { call: call.call, answer }).is_err());
    harness.wait(2_000);
    harness.take_call(Method::Get, TIME);
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
    let id = submit(&mut harness, 3);
    harness.frame(&error(&id.to_string(), 400, -1021)).unwrap();
    assert!(harness.session.next_deadline().is_some_and(|at| at <= harness.now.mono));
    harness.ok(Input::Timer);
    harness.answer(Method::Get, TIME, &format!("{{\"serverTime\":{}}}", venue_ms + 1_000));
    let alerts: Vec<AlertKind> = harness.alerts();
    let offset = AlertKind::ClockOffset { offset_ns: 7_200_000_500_000, uncertainty_ns: 500_000 };
    assert!(alerts.contains(&offset), "{alerts:?}");
    // Refused all the same, it isn't asked again with each refusal.
    let id = submit(&mut harness, 4);
    harness.frame(&error(&id.to_string(), 400, -1021)).unwrap();
    assert!(harness.session.next_deadline().is_some_and(|at| at > harness.now.mono));
}

#[test]
fn a_time_that_makes_no_sense_measures_nothing() {
    let mut harness = started(hmac());
    harness.ok(Input::Connected);
    harness.answer(Method::Get, TIME, "{\"serverTime\":18446744073709551615}");
    harness.wait(0);
    harness.answer(Method::Get, MODE, "{\"dualSidePosition\":false}");
    assert_eq!((harness.state, harness.alerts()), (SessionState::Syncing, vec![]));
    harness.wait(2_000);
    harness.answer(Method::Get, TIME, "{\"serverTime\":1700000000000}");
    assert_eq!(harness.state, SessionState::Ready);
}

#[test]
fn a_placed_order_is_acknowledged_and_its_state_told() {
    let mut harness = ready();
    let id = submit(&mut harness, 9);
    assert_eq!(harness.session.in_flight(), 1);
    harness.frame(&result(id, 9, "PARTIALLY_FILLED", "0.004")).unwrap();
    let reports = executions(&harness.reports());
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0].outcome, Outcome::Acknowledged(RequestKind::Submit));
    assert_eq!(reports[0].venue_order_id, VenueOrderId(77));
    assert_eq!(reports[1].order, OrderReference::Ours(client(9)));
    let Outcome::Working(working, source) = reports[1].outcome else { panic!("{reports:?}") };
    assert_eq!(source, ReportSource::Response(RequestKind::Submit));
    assert_eq!((working.status, working.filled), (WorkingStatus::Open, Quantity(4)));
    assert_eq!(harness.session.in_flight(), 0);
}

#[track_caller]
fn check_refusal(status: u16, code: i32, expected: Result<RejectClass, UnknownCause>) {
    let mut harness = ready();
    let id = submit(&mut harness, 3);
    harness.frame(&error(&id.to_string(), status, code)).unwrap();
    let found = outcomes(&mut harness);
    match (expected, found.as_slice()) {
        (Ok(class), [Outcome::Rejected(RequestKind::Submit, reason)]) => {
            assert_eq!((reason.class, reason.code, reason.message.as_str()), (class, code, "no"));
        }
        (Err(cause), [outcome]) => assert_eq!(*outcome, unknown(RequestKind::Submit, cause)),
        _ => panic!("{found:?}"),
    }
}

#[test]
fn only_definite_refusals_end_an_order() {
    check_refusal(400, -5022, Ok(RejectClass::WouldCross));
    check_refusal(400, -2019, Ok(RejectClass::InsufficientMargin));
    check_refusal(400, -4116, Ok(RejectClass::DuplicateId));
    check_refusal(400, -1021, Ok(RejectClass::ClockSkew));
    check_refusal(503, -1008, Ok(RejectClass::VenueUnavailable));
    for (status, code) in [(400, -1006), (400, -1007), (500, -2019), (400, -1000), (400, -31_337)] {
        check_refusal(status, code, Err(UnknownCause::VenueUnsure));
    }
}

#[test]
fn a_cancel_of_what_is_not_open_is_no_such_order() {
    let mut harness = ready();
    harness.ok(Input::Cancel(&cancel(3)));
    let id = id_of(&harness.sent_one());
    harness.frame(&error(&id.to_string(), 400, -2011)).unwrap();
    let found = outcomes(&mut harness);
    let [Outcome::Rejected(RequestKind::Cancel, reason)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(reason.class, RejectClass::NoSuchOrder);
    assert_eq!(harness.alerts(), []);
}

#[test]
fn an_unanswered_request_is_unknown_and_a_late_answer_still_counts() {
    let mut harness = ready();
    let id = submit(&mut harness, 3);
    harness.wait(9_999);
    assert_eq!(outcomes(&mut harness), []);
    harness.wait(1);
    let expected = unknown(RequestKind::Submit, UnknownCause::Timeout);
    assert_eq!(outcomes(&mut harness), [expected]);
    assert_eq!(harness.session.in_flight(), 0);
    harness.frame(&result(id, 3, "NEW", "0")).unwrap();
    assert_eq!(outcomes(&mut harness).len(), 2);
    // Twice is once too often.
    harness.frame(&result(id, 3, "NEW", "0")).unwrap();
    assert_eq!(outcomes(&mut harness), []);
    assert_eq!(harness.session.counters().unmatched, 1);
}

#[test]
fn a_disconnect_leaves_everything_in_flight_unknown() {
    let mut harness = ready();
    submit(&mut harness, 3);
    harness.ok(Input::Cancel(&cancel(4)));
    let query = Query::Order { account: ACCOUNT, instrument: BTC, client_order_id: client(5) };
    harness.ok(Input::Query(&query));
    harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    harness.reports();
    harness.ok(Input::Disconnected);
    assert_eq!(harness.state, SessionState::Down);
    let reports = harness.reports();
    let lost = executions(&reports).into_iter().map(|report| report.outcome);
    let cause = UnknownCause::Disconnected;
    let expected = [unknown(RequestKind::Submit, cause), unknown(RequestKind::Cancel, cause)];
    assert_eq!(lost.collect::<Vec<_>>(), expected);
    let incomplete = |report: &&Report| matches!(report, Report::Query(end) if !end.complete);
    assert_eq!(reports.iter().filter(incomplete).count(), 2);
    assert_eq!(harness.session.next_deadline(), None);
    harness.ok(Input::Submit(&order(8)));
    let not_sent = Outcome::NotSent(RequestKind::Submit, NotSentCause::SessionDown);
    assert_eq!(outcomes(&mut harness), [not_sent]);
}

#[track_caller]
fn check_taken_back(cause: NotSentCause) {
    let mut harness = ready();
    harness.ok(Input::Submit(&order(3)));
    harness.ok(Input::Cancel(&cancel(3)));
    let mut purged = Vec::new();
    harness.outbox.transmit.purge_orders(|id| purged.push(id));
    for client_order_id in purged {
        harness.ok(Input::Purged { client_order_id, cause });
    }
    let expected = Outcome::NotSent(RequestKind::Submit, cause);
    assert_eq!(outcomes(&mut harness), [expected]);
    assert_eq!(harness.session.in_flight(), 1);
    harness.ok(Input::Purged { client_order_id: client(3), cause });
    assert_eq!(outcomes(&mut harness), []);
}

#[test]
fn what_is_taken_back_is_reported_as_not_sent_with_its_cause() {
    check_taken_back(NotSentCause::Barrier);
    check_taken_back(NotSentCause::ConnectionEnded);
}

#[test]
fn a_401_without_an_id_ends_the_session() {
    let mut harness = ready();
    submit(&mut harness, 3);
    harness.frame(&error("null", 401, -2015)).unwrap();
    let expected = unknown(RequestKind::Submit, UnknownCause::VenueUnsure);
    assert_eq!(outcomes(&mut harness), [expected]);
    assert_eq!(harness.state, SessionState::Down);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
    assert_eq!(harness.alerts(), [AlertKind::Authentication]);
}

#[track_caller]
fn check_unreadable(frame: &str) {
    let mut harness = ready();
    submit(&mut harness, 3);
    assert!(harness.frame(frame).is_err(), "{frame}");
    let expected = unknown(RequestKind::Submit, UnknownCause::Unreadable);
    assert_eq!(outcomes(&mut harness), [expected], "{frame}");
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Protocol));
    assert_eq!(harness.session.counters().unreadable, 1);
}

#[test]
fn an_answer_that_can_not_be_read_leaves_all_unknown_and_the_connection_replaced() {
    check_unreadable("<html><head><title>502 Bad Gateway</title></head></html>");
    check_unreadable("{\"id\":1,\"status\":200,\"resu");
    check_unreadable("{\"id\":1,\"status\":\"fine\",\"result\":{}}");
    check_unreadable("{\"id\":1,\"result\":{}}");
    check_unreadable("{\"id\":1,\"status\":200}");
    check_unreadable("");
    check_unreadable("[]");
}

#[track_caller]
fn check_bad_result(from: &str, to: &str) {
    let mut harness = ready();
    let id = submit(&mut harness, 3);
    submit(&mut harness, 4);
    let text = result(id, 3, "NEW", "0");
    let changed = text.replace(from, to);
    assert_ne!(changed, text);
    assert!(harness.frame(&changed).is_err(), "{to}");
    // Only the request that it names is in doubt.
    let expected = unknown(RequestKind::Submit, UnknownCause::Unreadable);
    assert_eq!(outcomes(&mut harness), [expected], "{to}");
    assert_eq!(harness.session.in_flight(), 1);
    assert_eq!(harness.reconnect(), None);
}

#[test]
fn a_result_that_makes_no_sense_leaves_its_own_request_unknown() {
    check_bad_result("\"61800.20\"", "\"6.18e4\"");
    check_bad_result("\"61800.20\"", "null");
    check_bad_result("BTCUSDT", "ETHUSDT");
    check_bad_result(&text_of(3), &text_of(4));
    check_bad_result(&text_of(3), "somebody");
    check_bad_result("\"SELL\"", "\"GIVE\"");
}

#[test]
fn an_unknown_status_is_told_as_such() {
    let mut harness = ready();
    let id = submit(&mut harness, 3);
    harness.frame(&result(id, 3, "PONDERING", "0")).unwrap();
    let found = outcomes(&mut harness);
    let Some(Outcome::Working(working, _)) = found.last() else { panic!("{found:?}") };
    assert_eq!(working.status, WorkingStatus::Unrecognised);
}

#[test]
fn silence_is_broken_by_a_pulse_and_ended_by_its_time_out() {
    let mut harness = ready();
    harness.wait(30_000);
    let pulse = harness.sent_one();
    assert!(pulse.contains("session.status"), "{pulse}");
    // Even a refusal is a sign of life.
    harness.frame(&error(&id_of(&pulse).to_string(), 400, -1)).unwrap();
    harness.wait(29_999);
    assert!(harness.sent().is_empty());
    harness.wait(1);
    harness.sent_one();
    harness.wait(10_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Stale));
    assert_eq!(harness.state, SessionState::Stale);
}

#[test]
fn a_pulse_that_finds_the_log_on_gone_ends_the_session() {
    let mut harness = started(ed25519());
    harness.ok(Input::Connected);
    let id = id_of(&harness.sent_one());
    harness.frame(&format!("{{\"id\":{id},\"status\":200,\"result\":{{}}}}")).unwrap();
    harness.wait(30_000);
    let id = id_of(&harness.sent_one());
    let gone = "{\"apiKey\":null,\"authorizedSince\":null}";
    harness.frame(&format!("{{\"id\":{id},\"status\":200,\"result\":{gone}}}")).unwrap();
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Refused));
    assert_eq!(harness.alerts().last(), Some(&AlertKind::Authentication));
}

#[test]
fn the_connection_is_replaced_before_the_venue_ends_it() {
    let mut harness = ready();
    harness.session.pulse_at = Nanos::MAX;
    harness.session.clock.stop();
    harness.wait(22 * 3_600_000);
    assert_eq!(harness.reconnect(), None);
    harness.wait(2 * 3_600_000 - 600_000);
    assert_eq!(harness.reconnect(), Some(ReconnectReason::Rotation));
}

#[test]
fn a_session_without_a_key_is_misuse() {
    let mut harness = Harness::new(OrderSession::new(&plan(SessionKind::Order)), Signer::None);
    assert!(matches!(harness.handle(Input::Start), Err(VenueError::Misuse(_))));
}
