//! The order session's queries, over its connection and over REST.

use enigma_types::{
    Amount, Liquidity, Nanos, OrderReference, Outcome, Query, Report, ReportSource, SignedQuantity,
    TradeId, UnixNanos, VenueOrderId, WorkingStatus,
};

use super::{
    ACCOUNT, BTC, client, error, executions, hmac, http, id_of, ready, result, started, text_of,
};
use crate::session::{AlertKind, Answer, Input, Method};

/// Whether the last report closes the query, and as complete or not.
#[track_caller]
fn ended(reports: &[Report]) -> bool {
    let queries = reports.iter().filter(|report| matches!(report, Report::Query(_)));
    assert_eq!(queries.count(), 1, "{reports:?}");
    let Some(Report::Query(report)) = reports.last() else { panic!("{reports:?}") };
    report.complete
}

#[test]
fn only_no_such_order_to_a_status_query_proves_absence() {
    let query = Query::Order { account: ACCOUNT, instrument: BTC, client_order_id: client(5) };
    let check = |answer: &dyn Fn(u64) -> String, expected: Option<bool>| {
        let mut harness = ready();
        let asked_at = harness.now.mono;
        harness.ok(Input::Query(&query));
        let text = harness.sent_one();
        assert!(text.contains("order.status"), "{text}");
        harness.advance(Nanos::from_millis(30));
        // What can't be read is an error of the handler too.
        let _ = harness.frame(&answer(id_of(&text)));
        let reports = harness.reports();
        let absent = executions(&reports)
            .iter()
            .any(|report| report.outcome == Outcome::NotFound { asked_at });
        assert_eq!(ended(&reports), expected.is_some());
        assert_eq!(absent, expected == Some(true));
    };
    check(&|id| error(&id.to_string(), 400, -2013), Some(true));
    check(&|id| result(id, 5, "CANCELED", "0"), Some(false));
    check(&|id| error(&id.to_string(), 400, -2011), None);
    check(&|id| error(&id.to_string(), 503, -2013), None);
    check(&|id| error(&id.to_string(), 400, -1021), None);
    check(&|id| result(id, 6, "NEW", "0"), None);
}

#[test]
fn a_status_query_tells_the_order_with_the_instant_it_was_asked() {
    let mut harness = ready();
    let asked_at = harness.now.mono;
    let query = Query::Order { account: ACCOUNT, instrument: BTC, client_order_id: client(5) };
    harness.ok(Input::Query(&query));
    let id = id_of(&harness.sent_one());
    harness.advance(Nanos::from_millis(30));
    harness.frame(&result(id, 5, "EXPIRED", "0.004")).unwrap();
    let reports = executions(&harness.reports());
    let Outcome::Working(working, source) = reports[0].outcome else { panic!("{reports:?}") };
    assert_eq!(working.status, WorkingStatus::Expired);
    assert_eq!(source, ReportSource::Query { asked_at });
}

#[test]
fn a_status_query_without_a_connection_or_an_answer_is_incomplete() {
    let query = Query::Order { account: ACCOUNT, instrument: BTC, client_order_id: client(5) };
    let mut harness = started(hmac());
    harness.ok(Input::Query(&query));
    assert!(!ended(&harness.reports()));
    let mut harness = ready();
    harness.ok(Input::Query(&query));
    harness.wait(10_000);
    assert!(!ended(&harness.reports()));
}

#[test]
fn open_orders_are_told_one_by_one_and_closed_with_the_end() {
    let mut harness = ready();
    harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    let ours = result(1, 5, "NEW", "0");
    let ours =
        ours.split_once("\"result\":").unwrap().1.split_once("},").unwrap().0.to_owned() + "}";
    let foreign = ours.replace(&text_of(5), "by-hand");
    let other = ours.replace("BTCUSDT", "ETHUSDT");
    let call = harness.take_call(Method::Get, "/fapi/v1/openOrders?recvWindow=5000&timestamp=");
    assert!(call.target.contains("&signature="));
    assert_eq!(call.header, Some(("X-MBX-APIKEY", crate::session::KeyName::from("key").unwrap())));
    let body = format!("[{ours},{foreign},{other}]");
    harness.ok(Input::Response { call: call.call, answer: http(200, &body) });
    let reports = harness.reports();
    let orders: Vec<OrderReference> =
        executions(&reports).iter().map(|report| report.order).collect();
    assert_eq!(orders[0], OrderReference::Ours(client(5)));
    assert!(matches!(orders[1], OrderReference::External(id) if &id == "by-hand"));
    assert_eq!(orders.len(), 2);
    assert!(ended(&reports));
}

#[track_caller]
fn check_failed_query(answer: Answer<'_>, alert: Option<AlertKind>) {
    let mut harness = ready();
    harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    let call = harness.take_call(Method::Get, "/fapi/v1/openOrders");
    let _ = harness.handle(Input::Response { call: call.call, answer });
    assert!(!ended(&harness.reports()));
    assert_eq!(harness.alerts().first().copied(), alert);
}

#[test]
fn a_failed_query_is_incomplete_and_says_why() {
    check_failed_query(Answer::NotSent, None);
    check_failed_query(Answer::Lost, None);
    check_failed_query(http(502, "<html>"), Some(AlertKind::VenueError));
    check_failed_query(http(200, "<html>"), Some(AlertKind::UnreadableMessage));
    check_failed_query(http(200, "[{\"symbol\":\"BTC"), Some(AlertKind::UnreadableMessage));
    check_failed_query(http(401, "{\"code\":-2015}"), Some(AlertKind::Authentication));
    check_failed_query(http(429, "{\"code\":-1003}"), Some(AlertKind::RateLimited));
}

#[test]
fn the_account_query_tells_balances_and_every_position_even_flat_ones() {
    let mut harness = ready();
    harness.ok(Input::Query(&Query::Account { account: ACCOUNT }));
    let body = r#"[{"asset":"USDT","balance":"10000.5","availableBalance":"9000"}]"#;
    harness.answer(Method::Get, "/fapi/v3/balance", body);
    let asked_at = harness.now.mono;
    harness.answer(Method::Get, "/fapi/v3/positionRisk", "[]");
    let reports = harness.reports();
    let [Report::Balance(balance), Report::Position(position), _] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert_eq!(balance.wallet, Amount::parse(b"10000.5").unwrap());
    assert_eq!(position.quantity, SignedQuantity::ZERO);
    assert_eq!((position.instrument, position.asked_at), (BTC, Some(asked_at)));
    assert!(ended(&reports));

    harness.ok(Input::Query(&Query::Account { account: ACCOUNT }));
    harness.answer(Method::Get, "/fapi/v3/balance", "[]");
    let body = r#"[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-0.030",
        "entryPrice":"61800.1234567","updateTime":5}]"#;
    harness.answer(Method::Get, "/fapi/v3/positionRisk", body);
    let reports = harness.reports();
    let [Report::Position(position), _] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(position.quantity, SignedQuantity(-30));
}

#[test]
fn fills_are_told_page_by_page_by_the_venues_order_id() {
    let mut harness = ready();
    let trade = |id: u64| {
        format!(
            "{{\"symbol\":\"BTCUSDT\",\"id\":{id},\"orderId\":77,\"side\":\"SELL\",\
             \"price\":\"61800.2\",\"qty\":\"0.001\",\"commission\":\"0.01\",\
             \"commissionAsset\":\"USDT\",\"maker\":true,\"time\":9}}"
        )
    };
    let from_trade = Some(TradeId(100));
    let since = UnixNanos(0);
    let query = Query::Fills { account: ACCOUNT, instrument: BTC, from_trade, since };
    harness.ok(Input::Query(&query));
    let page: Vec<String> = (100..1_100).map(trade).collect();
    let first = "/fapi/v1/userTrades?symbol=BTCUSDT&fromId=100&limit=1000&recvWindow=5000";
    harness.answer(Method::Get, first, &format!("[{}]", page.join(",")));
    let reports = harness.reports();
    assert_eq!(reports.len(), 1_000);
    let fill = executions(&reports)[0];
    assert_eq!(fill.venue_order_id, VenueOrderId(77));
    let Outcome::Fill(fill) = fill.outcome else { panic!("{fill:?}") };
    assert_eq!((fill.trade_id, fill.liquidity), (TradeId(100), Liquidity::Maker));
    let second = "/fapi/v1/userTrades?symbol=BTCUSDT&fromId=1100&limit=1000";
    harness.answer(Method::Get, second, &format!("[{}]", trade(1_100)));
    let reports = harness.reports();
    assert_eq!(reports.len(), 2);
    assert!(ended(&reports));
}

#[test]
fn more_queries_than_there_is_room_for_are_incomplete_at_once() {
    let mut harness = ready();
    for _ in 0..8 {
        harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    }
    assert!(harness.reports().is_empty());
    harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    assert!(!ended(&harness.reports()));
}
