//! Replaces: amended in place, or canceled and placed anew with each of the outcomes there are.

use super::*;

fn resting(time_in_force: TimeInForce) -> OrderHarness {
    let mut harness = ready();
    let id = submit(&mut harness, &OrderRequest { time_in_force, ..order(3) });
    let kind = if time_in_force == TimeInForce::PostOnly { "LIMIT_MAKER" } else { "LIMIT" };
    let told = row(&id_text(3), 77, "NEW", "0.00000000").replace("LIMIT_MAKER", kind);
    harness.frame(&result(id, &told)).unwrap();
    harness.reports();
    harness
}

fn replace(price: i64, quantity: i64) -> ReplaceRequest {
    ReplaceRequest {
        client_order_id: client(3),
        account: ACCOUNT,
        instrument: BTC,
        venue_order_id: VenueOrderId(77),
        side: Side::Sell,
        price: Price(price),
        quantity: Quantity(quantity),
    }
}

const MOVED: (i64, i64) = (6_180_030, 2_000);

/// A resting order whose replace is in flight, and the id of that request.
fn replacing() -> (OrderHarness, u64) {
    let mut harness = resting(TimeInForce::PostOnly);
    harness.ok(Input::Replace(&replace(MOVED.0, MOVED.1)));
    let id = id_of(&harness.sent_one());
    (harness, id)
}

fn moved_row() -> String {
    row(&id_text(3), 78, "NEW", "0.00000000")
        .replace("61800.20000000", "61800.30000000")
        .replace("0.01000000", "0.02000000")
}

fn canceled_row() -> String {
    let own = format!("\"origClientOrderId\":\"{}\",\"orderListId\"", id_text(3));
    row(&format!("{}r", id_text(3)), 77, "CANCELED", "0").replace("\"orderListId\"", &own)
}

fn halves(id: u64, status: u16, results: [&str; 2], responses: [&str; 2]) -> String {
    let body = format!(
        "{{\"cancelResult\":\"{}\",\"newOrderResult\":\"{}\",\"cancelResponse\":{},\
         \"newOrderResponse\":{}}}",
        results[0], results[1], responses[0], responses[1]
    );
    let code = if status == 409 { -2021 } else { -2022 };
    match status {
        200 => result(id, &body),
        _ => format!(
            "{{\"id\":{id},\"status\":{status},\"error\":{{\"code\":{code},\
             \"msg\":\"Order cancel-replace failed.\",\"data\":{body}}},\"rateLimits\":[]}}"
        ),
    }
}

const GONE: &str = "{\"code\":-2011,\"msg\":\"Unknown order sent.\"}";
const RESTRICTED: &str =
    "{\"code\":-2011,\"msg\":\"Order was not canceled due to cancel restrictions.\"}";
const CROSSING: &str = "{\"code\":-2010,\"msg\":\"Order would immediately match and take.\"}";
const UNSURE: &str = "{\"code\":-1007,\"msg\":\"Timeout waiting for response.\"}";
const DUPLICATE: &str = "{\"code\":-2010,\"msg\":\"Duplicate order sent.\"}";
const LIMITED: &str = "{\"code\":-1015,\"msg\":\"Too many new orders.\"}";

#[test]
fn a_lower_quantity_alone_is_an_amendment_that_keeps_id_and_priority() {
    let mut harness = resting(TimeInForce::PostOnly);
    harness.ok(Input::Replace(&replace(6_180_020, 600)));
    let frames = harness.sent();
    assert_eq!(frames[0].0, FrameClass::Order { client_order_id: client(3) });
    let expected = format!(
        "\"order.amend.keepPriority\",\"params\":{{\"apiKey\":\"key\",\
         \"newClientOrderId\":\"{id}\",\"newQty\":\"0.00600\",\"origClientOrderId\":\"{id}\",",
        id = id_text(3)
    );
    assert!(frames[0].1.contains(&expected), "{}", frames[0].1);
    let amended = format!(
        "{{\"transactTime\":1741923284382,\"executionId\":16,\"amendedOrder\":{}}}",
        row(&id_text(3), 77, "NEW", "0.00100000")
            .replace("\"origQty\":\"0.01000000\"", "\"qty\":\"0.00600000\"")
    );
    harness.frame(&result(id_of(&frames[0].1), &amended)).unwrap();
    let reports = executions(&harness.reports());
    assert_eq!(reports[0].outcome, Outcome::Acknowledged(RequestKind::Replace));
    let Outcome::Working(working, _) = reports[1].outcome else { panic!("{reports:?}") };
    assert_eq!((working.quantity, working.filled), (Quantity(600), Quantity(100)));
    assert_eq!(reports[1].venue_order_id, VenueOrderId(77));
    // The next comparison is with what stands now.
    harness.ok(Input::Replace(&replace(6_180_020, 700)));
    assert!(harness.sent_one().contains("order.cancelReplace"));
}

#[test]
fn anything_else_cancels_an_unfilled_order_and_places_it_anew_under_its_id() {
    let (mut harness, _) = {
        let mut harness = resting(TimeInForce::PostOnly);
        harness.ok(Input::Replace(&replace(MOVED.0, MOVED.1)));
        let text = harness.sent_one();
        let expected = format!(
            "\"cancelNewClientOrderId\":\"{id}r\",\"cancelOrigClientOrderId\":\"{id}\",\
             \"cancelReplaceMode\":\"STOP_ON_FAILURE\",\"cancelRestrictions\":\"ONLY_NEW\",\
             \"newClientOrderId\":\"{id}\",\"newOrderRespType\":\"RESULT\",\
             \"price\":\"61800.30\",\"quantity\":\"0.02000\",\"recvWindow\":5000,\
             \"side\":\"SELL\",\"symbol\":\"BTCUSDT\",\"timestamp\":",
            id = id_text(3)
        );
        assert!(text.contains(&expected), "{text}");
        assert!(text.contains("\"type\":\"LIMIT_MAKER\""), "{text}");
        (harness, text)
    };
    harness.ok(Input::Disconnected);
    let mut harness = resting(TimeInForce::Gtc);
    harness.ok(Input::Replace(&replace(6_180_010, 500)));
    let text = harness.sent_one();
    assert!(text.contains("\"timeInForce\":\"GTC\",\"timestamp\""), "{text}");
}

/// What the four outcomes, and those that can't be, make of the order: what is reported, in order.
#[track_caller]
fn check(status: u16, results: [&str; 2], responses: [&str; 2], expected: &[&str]) {
    let (mut harness, id) = replacing();
    let answer = halves(id, status, results, responses);
    assert_eq!(harness.frame(&answer), Ok(()), "{answer}");
    let told: Vec<String> = executions(&harness.reports())
        .iter()
        .map(|report| match report.outcome {
            Outcome::Acknowledged(kind) => format!("acknowledged {kind:?}"),
            Outcome::Working(working, _) => {
                format!("{:?} {} {}", working.status, report.venue_order_id.0, working.quantity.0)
            }
            Outcome::Rejected(kind, reason) => format!("rejected {kind:?} {}", reason.class.name()),
            Outcome::Unknown(kind, cause) => format!("unknown {kind:?} {}", cause.name()),
            Outcome::Fill(_) | Outcome::NotSent(..) | Outcome::NotFound { .. } => "other".into(),
        })
        .collect();
    assert_eq!(told, expected, "{answer}");
}

#[test]
fn each_outcome_of_a_cancel_replace_is_told_for_what_it_is() {
    let (moved, canceled) = (moved_row(), canceled_row());
    let (moved, canceled) = (moved.as_str(), canceled.as_str());
    let done = ["acknowledged Replace", "Open 78 2000"];
    check(200, ["SUCCESS", "SUCCESS"], [canceled, moved], &done);
    let gone = ["rejected Replace no_such_order"];
    check(400, ["FAILURE", "NOT_ATTEMPTED"], [GONE, "null"], &gone);
    check(400, ["FAILURE", "FAILURE"], [GONE, CROSSING], &gone);
    // A fill came first: the order stands as it was.
    check(400, ["FAILURE", "NOT_ATTEMPTED"], [RESTRICTED, "null"], &["rejected Replace other"]);
    let ended = ["rejected Replace would_cross", "Canceled 77 1000"];
    check(409, ["SUCCESS", "FAILURE"], [canceled, CROSSING], &ended);
    let ended = ["rejected Replace rate_limit", "Canceled 77 1000"];
    check(409, ["SUCCESS", "FAILURE"], [canceled, LIMITED], &ended);
    // Nobody knows whether the second half was executed, or whether another order is open.
    let unsure = ["unknown Replace venue_unsure"];
    check(409, ["SUCCESS", "FAILURE"], [canceled, UNSURE], &unsure);
    let duplicate = ["rejected Replace duplicate_id"];
    check(409, ["SUCCESS", "FAILURE"], [canceled, DUPLICATE], &duplicate);
    check(400, ["FAILURE", "NOT_ATTEMPTED"], [UNSURE, "null"], &unsure);
    // The venue was asked to stop at a failed cancel.
    check(409, ["FAILURE", "SUCCESS"], [GONE, moved], &unsure);
}

#[test]
fn halves_that_can_not_be_read_leave_the_replace_unknown() {
    for (results, responses) in [
        (["SUCCESS", "SUCCESS"], ["{}", "{}"]),
        (["SUCCESS", "SUCCESS"], ["null", "null"]),
        (["SUCCESS", "PERHAPS"], ["{}", "{}"]),
        (["SUCCESS", "NOT_ATTEMPTED"], ["{}", "null"]),
        (["NOT_ATTEMPTED", "SUCCESS"], ["null", "{}"]),
        (["SUCCESS", "FAILURE"], ["{}", CROSSING]),
    ] {
        for status in [200, 409] {
            let (mut harness, id) = replacing();
            let answer = halves(id, status, results, responses);
            assert!(harness.frame(&answer).is_err(), "{answer}");
            let found = outcomes(&mut harness);
            assert!(matches!(found.as_slice(), [Outcome::Unknown(RequestKind::Replace, _)]));
        }
    }
}

#[test]
fn a_result_that_is_no_object_leaves_its_replace_unknown() {
    for told in ["[]", "5", "null", "\"done\""] {
        let (mut harness, id) = replacing();
        assert!(harness.frame(&result(id, told)).is_err(), "{told}");
        let expected = unknown(RequestKind::Replace, UnknownCause::Unreadable);
        assert_eq!(outcomes(&mut harness), [expected], "{told}");
        assert_eq!(harness.alerts(), [AlertKind::UnreadableMessage], "{told}");
    }
}

#[test]
fn a_replace_refused_as_a_whole_leaves_the_order_as_it_was() {
    let (mut harness, id) = replacing();
    harness.frame(&error(&id.to_string(), 429, -1015, "Too many new orders")).unwrap();
    let found = outcomes(&mut harness);
    assert!(matches!(found.as_slice(), [Outcome::Rejected(RequestKind::Replace, reason)]
        if reason.class == RejectClass::RateLimit));
    let (mut harness, id) = replacing();
    harness.frame(&error(&id.to_string(), 400, -2038, "Order amend is not supported")).unwrap();
    let found = outcomes(&mut harness);
    assert!(matches!(found.as_slice(), [Outcome::Rejected(RequestKind::Replace, reason)]
        if reason.class == RejectClass::Other));
}

#[test]
fn an_order_of_unknown_terms_is_not_replaced_until_they_are_told() {
    let mut harness = ready();
    harness.ok(Input::Replace(&replace(MOVED.0, MOVED.1)));
    let not_sent = Outcome::NotSent(RequestKind::Replace, NotSentCause::Encoding);
    assert_eq!(outcomes(&mut harness), [not_sent]);
    assert_eq!(harness.alerts(), [AlertKind::VenueError]);
    harness.wait(0);
    let open = format!("[{}]", row(&id_text(3), 77, "NEW", "0.00000000"));
    harness.answer(Method::Get, OPEN_ORDERS, &open);
    // Asked for their terms alone: nobody waits for a report.
    assert_eq!(harness.reports(), []);
    harness.ok(Input::Replace(&replace(MOVED.0, MOVED.1)));
    assert!(harness.sent_one().contains("\"type\":\"LIMIT_MAKER\""));
}

#[test]
fn a_late_answer_to_one_replace_says_nothing_of_the_next() {
    let (canceled, stopped) = (canceled_row(), ["FAILURE", "NOT_ATTEMPTED"]);
    for (status, results, responses) in [
        (400, stopped, [RESTRICTED, "null"]),
        (409, ["SUCCESS", "FAILURE"], [canceled.as_str(), CROSSING]),
    ] {
        let (mut harness, first) = replacing();
        harness.session.pulse_at = Nanos::MAX;
        harness.wait(10_000);
        let overdue = unknown(RequestKind::Replace, UnknownCause::Timeout);
        assert_eq!(outcomes(&mut harness), [overdue]);
        harness.ok(Input::Replace(&replace(6_180_040, 3_000)));
        let second = id_of(&harness.sent_one());
        harness.frame(&halves(first, status, results, responses)).unwrap();
        let refused = |outcome: &Outcome| matches!(outcome, Outcome::Rejected(..));
        assert!(!outcomes(&mut harness).iter().any(refused), "{status}");
        if status == 400 {
            // The second may still be half done.
            assert_eq!(ask_for_canceled(&mut harness), (0, false));
        }
        harness.frame(&halves(second, status, results, responses)).unwrap();
        assert!(outcomes(&mut harness).iter().any(refused), "{status}");
    }
}

/// Asks for the order, which stands as canceled in a replace: how many states are told, and
/// whether the answer is said to be complete.
fn ask_for_canceled(harness: &mut OrderHarness) -> (usize, bool) {
    let query = Query::Order { account: ACCOUNT, instrument: BTC, client_order_id: client(3) };
    harness.ok(Input::Query(&query));
    let id = id_of(&harness.sent_one());
    harness.frame(&result(id, &canceled_row())).unwrap();
    let reports = harness.reports();
    let Some(Report::Query(end)) = reports.last().copied() else { panic!("{reports:?}") };
    (executions(&reports).len(), end.complete)
}

#[test]
fn canceled_is_not_believed_while_a_replace_may_still_place_its_order() {
    let (mut harness, _) = replacing();
    assert_eq!(ask_for_canceled(&mut harness), (0, false));
    // No answer came, and no request of then can be executed any more.
    harness.wait(10_000);
    harness.reports();
    assert_eq!(ask_for_canceled(&mut harness), (1, true));
}

#[test]
fn canceled_in_a_replace_of_the_connection_before_is_not_believed_either() {
    // The open orders are of a past in which the first leg still rested; or know nothing of it.
    for open in [format!("[{}]", row(&id_text(3), 77, "NEW", "0.00000000")), "[]".to_owned()] {
        let mut harness = started(hmac());
        harness.ok(Input::Connected);
        harness.answer(Method::Get, TIME, "{\"serverTime\":1700000000000}");
        harness.wait(0);
        harness.answer(Method::Get, OPEN_ORDERS, &open);
        // While this connection waited for its turn, the one before it went on replacing.
        harness.wait(25_000);
        assert_eq!(ask_for_canceled(&mut harness), (0, false), "{open}");
        harness.session.pulse_at = Nanos::MAX;
        harness.wait(9_999);
        assert_eq!(ask_for_canceled(&mut harness), (0, false), "{open}");
        harness.wait(1);
        assert_eq!(ask_for_canceled(&mut harness), (1, true), "{open}");
    }
}
