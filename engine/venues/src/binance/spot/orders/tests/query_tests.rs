//! The order session's questions: about one order, and the account's over REST.

use enigma_types::{Amount, QueryReport, TradeId, UnixNanos};

use super::*;

fn order_query(id: u64) -> Query {
    Query::Order { account: ACCOUNT, instrument: BTC, client_order_id: client(id) }
}

fn end_of(reports: &[Report]) -> QueryReport {
    match reports.last() {
        Some(Report::Query(end)) => *end,
        other => panic!("{other:?}"),
    }
}

fn ask(harness: &mut OrderHarness, query: &Query) -> u64 {
    harness.ok(Input::Query(query));
    id_of(&harness.sent_one())
}

#[test]
fn an_orders_state_is_told_as_of_the_question() {
    let mut harness = ready();
    let asked_at = harness.now.mono;
    let id = ask(&mut harness, &order_query(3));
    harness.advance(Nanos::from_millis(5));
    harness.frame(&result(id, &row(&id_text(3), 77, "FILLED", "0.01000000"))).unwrap();
    let reports = harness.reports();
    let told = executions(&reports)[0];
    assert!(matches!(told.outcome, Outcome::Working(working, ReportSource::Query { asked_at: at })
        if working.status == WorkingStatus::Filled && at == asked_at));
    assert!(end_of(&reports).complete);
}

#[test]
fn an_order_that_its_cancel_renamed_is_still_the_one_asked_about() {
    let mut harness = ready();
    for renamed in [format!("{}c", id_text(3)), "web_31337".to_owned()] {
        let id = ask(&mut harness, &order_query(3));
        harness.frame(&result(id, &row(&renamed, 77, "CANCELED", "0"))).unwrap();
        let reports = harness.reports();
        assert_eq!(executions(&reports)[0].order, OrderReference::Ours(client(3)));
        assert!(end_of(&reports).complete);
    }
    // What is open goes by its own id, or it is another's.
    let id = ask(&mut harness, &order_query(3));
    assert!(harness.frame(&result(id, &row("web_31337", 77, "NEW", "0"))).is_err());
    assert!(!end_of(&harness.reports()).complete);
}

#[test]
fn only_the_venues_word_proves_an_orders_absence() {
    let mut harness = ready();
    for (status, code, absent) in
        [(400, -2013, true), (400, -2026, true), (400, -1007, false), (500, -2013, false)]
    {
        let asked_at = harness.now.mono;
        let id = ask(&mut harness, &order_query(3));
        harness.frame(&error(&id.to_string(), status, code, "no")).unwrap();
        let reports = harness.reports();
        let found: Vec<Outcome> = executions(&reports).iter().map(|it| it.outcome).collect();
        let expected = if absent { vec![Outcome::NotFound { asked_at }] } else { Vec::new() };
        assert_eq!((found, end_of(&reports).complete), (expected, absent), "{status} {code}");
    }
}

#[test]
fn open_orders_are_told_with_the_others() {
    let mut harness = ready();
    harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    let body = format!(
        "[{},{},{}]",
        row(&id_text(3), 77, "NEW", "0"),
        row("web_1", 78, "NEW", "0"),
        row("web_2", 79, "NEW", "0").replace("BTCUSDT", "DOGEUSDT")
    );
    harness.answer(Method::Get, OPEN_ORDERS, &body);
    let reports = harness.reports();
    assert_eq!(executions(&reports).len(), 2);
    assert!(end_of(&reports).complete);
}

#[test]
fn fills_are_asked_for_page_by_page() {
    let mut harness = ready();
    let query = Query::Fills {
        account: ACCOUNT,
        instrument: BTC,
        from_trade: Some(TradeId(100)),
        since: UnixNanos(0),
    };
    harness.ok(Input::Query(&query));
    let trade = |id: u64| {
        format!(
            "{{\"symbol\":\"BTCUSDT\",\"id\":{id},\"orderId\":77,\"price\":\"61800.2\",\
             \"qty\":\"0.001\",\"commission\":\"0.0618\",\"commissionAsset\":\"USDT\",\
             \"time\":5,\"isBuyer\":false,\"isMaker\":true}}"
        )
    };
    let page: Vec<String> = (100..1_100).map(trade).collect();
    let first = "/api/v3/myTrades?symbol=BTCUSDT&fromId=100&limit=1000&recvWindow=5000";
    harness.answer(Method::Get, first, &format!("[{}]", page.join(",")));
    let next = "/api/v3/myTrades?symbol=BTCUSDT&fromId=1100&limit=1000";
    harness.answer(Method::Get, next, &format!("[{}]", trade(1_100)));
    let reports = harness.reports();
    assert_eq!(executions(&reports).len(), 1_001);
    assert!(end_of(&reports).complete);
}

#[test]
fn balances_include_what_we_trade_in_and_have_none_of() {
    let mut harness = ready();
    harness.ok(Input::Query(&Query::Account { account: ACCOUNT }));
    let body = "{\"updateTime\":5,\"balances\":[{\"asset\":\"USDT\",\"free\":\"9\",\
        \"locked\":\"1\"},{\"asset\":\"DOGE\",\"free\":\"0\",\"locked\":\"0\"},\
        {\"asset\":\"BNB\",\"free\":\"2\",\"locked\":\"0\"}]}";
    harness.answer(Method::Get, "/api/v3/account?omitZeroBalances=true&recvWindow=5000", body);
    let reports = harness.reports();
    let told: Vec<(String, Amount)> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Balance(row) => Some((row.asset.to_string(), row.wallet)),
            Report::Execution(_) | Report::Position(_) | Report::Query(_) => None,
        })
        .collect();
    let expected = [("USDT", 10), ("BNB", 2), ("BTC", 0)]
        .map(|(asset, units)| (asset.to_owned(), Amount::from_units(units)));
    assert_eq!(told, expected);
    assert!(end_of(&reports).complete);
}

#[track_caller]
fn check_failed(answer: Answer<'_>, alert: Option<AlertKind>) {
    let mut harness = ready();
    harness.ok(Input::Query(&Query::Account { account: ACCOUNT }));
    let call = harness.take_call(Method::Get, "/api/v3/account");
    assert_eq!(call.header.unwrap().0, "X-MBX-APIKEY");
    // An answer that can't be read is an error besides.
    let _ = harness.handle(Input::Response { call: call.call, answer });
    assert!(!end_of(&harness.reports()).complete);
    assert_eq!(harness.alerts().into_iter().next(), alert);
}

#[test]
fn a_question_without_a_readable_answer_is_incomplete() {
    check_failed(Answer::Lost, None);
    check_failed(Answer::NotSent, None);
    check_failed(http(200, "<html>"), Some(AlertKind::UnreadableMessage));
    check_failed(http(502, "<html>"), Some(AlertKind::VenueError));
    check_failed(http(401, "{\"code\":-2015}"), Some(AlertKind::Authentication));
    check_failed(http(429, "{\"code\":-1003}"), Some(AlertKind::RateLimited));
}

#[test]
fn a_dropped_connection_ends_its_questions() {
    let mut harness = ready();
    ask(&mut harness, &order_query(3));
    harness.ok(Input::Query(&Query::OpenOrders { account: ACCOUNT }));
    harness.ok(Input::Disconnected);
    let ends = harness.reports();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|end| matches!(end, Report::Query(end) if !end.complete)));
}
