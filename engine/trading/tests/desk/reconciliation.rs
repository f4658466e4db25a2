//! Orders, fills and positions that the venue knows and the desk doesn't, and the other way round.

use enigma_trading::command::DeskCommand;
use enigma_trading::orders::OrderStatus;
use enigma_types::{
    ClientOrderId, OrderReference, Outcome, Price, Quantity, Query, Report, ReportSource,
    RequestKind, SessionKind, SessionState, Side, StrategyId, TradeId, VenueOrderId, VenueRequest,
    WorkingStatus,
};

use crate::bench::{ACCOUNT, BTC, Bench, external, fill, position, venue_id};

/// Fills as a query tells them: named by the venue's order id only.
fn queried_fill(bench: &Bench, of: ClientOrderId, trade: u64, side: Side, quantity: i64) -> Report {
    let mut report = bench.said(external(""), fill(trade, side, quantity));
    if let Report::Execution(execution) = &mut report {
        execution.venue_order_id = venue_id(of);
    }
    report
}

fn reconcile_again(bench: &mut Bench) {
    bench.session(SessionKind::Account, SessionState::Down);
    bench.session(SessionKind::Account, SessionState::Ready);
}

#[test]
fn what_an_account_held_before_becomes_its_opening_position() {
    let mut bench = Bench::cold();
    bench.connect();
    let now = bench.now;
    bench.answer_with(|query| match query {
        Query::Account { .. } => vec![position(25, now)],
        Query::Order { .. } | Query::OpenOrders { .. } | Query::Fills { .. } => Vec::new(),
    });
    assert!(bench.desk.is_reconciled(ACCOUNT));
    assert_eq!(bench.held(), 25);
    assert_eq!(bench.desk.positions().account(ACCOUNT, BTC).unwrap().opening.0, 25);
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).position.0, 25);
    bench.restart();
    assert_eq!(bench.held(), 25);
}

#[test]
fn a_fill_that_the_opening_contains_is_not_counted_twice() {
    let mut bench = Bench::cold();
    bench.connect();
    let now = bench.now;
    bench.answer_with(|query| match query {
        Query::Account { .. } => vec![position(25, now)],
        Query::Order { .. } | Query::OpenOrders { .. } | Query::Fills { .. } => Vec::new(),
    });
    // The stream tells of it late; the venue's statement was made after it.
    let mut late = bench.said(external("by-hand"), fill(1, Side::Buy, 5));
    if let Report::Execution(execution) = &mut late {
        execution.venue_time = now.wall;
    }
    bench.report(late);
    assert_eq!(bench.held(), 25);
    bench.pass_ms(10);
    let next = bench.said(external("by-hand"), fill(2, Side::Buy, 5));
    bench.report(next);
    assert_eq!(bench.held(), 30);
}

#[test]
fn orders_left_out_of_the_open_orders_are_asked_about_one_by_one() {
    let mut bench = Bench::ready();
    let (shown, left_out) = (bench.open_order(), bench.open_order());
    reconcile_again(&mut bench);
    let opening = bench.queries();
    assert_eq!(opening, [Query::OpenOrders { account: ACCOUNT }]);
    bench.now.mono.0 += 1;
    let asked_at = bench.now.mono;
    let open = bench.working(shown, WorkingStatus::Open, 0, ReportSource::Query { asked_at });
    bench.tell(shown, open);
    bench.close_query(opening[0], true);
    let asked = bench.queries();
    assert!(
        matches!(asked[..], [Query::Order { client_order_id, .. }] if client_order_id == left_out),
        "{asked:?}"
    );
    assert_eq!(bench.status(left_out), Some(OrderStatus::Open), "being left out proves nothing");
    assert!(!bench.desk.is_reconciled(ACCOUNT));
    let filled =
        bench.working(left_out, WorkingStatus::Filled, 10, ReportSource::Query { asked_at });
    bench.tell(left_out, filled);
    bench.close_query(asked[0], true);
    let next = bench.queries();
    assert!(matches!(next[..], [Query::Fills { instrument: BTC, .. }]), "{next:?}");
    let told = queried_fill(&bench, left_out, 9, Side::Buy, 10);
    bench.report(told);
    bench.close_query(next[0], true);
    assert_eq!((bench.held(), bench.status(left_out)), (10, None));
    let page = bench.queries();
    assert!(
        matches!(page[..], [Query::Fills { from_trade: Some(TradeId(9)), .. }]),
        "news means that there may be another page: {page:?}"
    );
    bench.close_query(page[0], true);
    let now = bench.now;
    bench.answer_with(|query| match query {
        Query::Account { .. } => vec![position(10, now)],
        Query::Order { .. } | Query::OpenOrders { .. } | Query::Fills { .. } => Vec::new(),
    });
    assert!(bench.desk.is_reconciled(ACCOUNT));
}

#[test]
fn a_failed_question_begins_anew_after_a_while() {
    let mut bench = Bench::cold();
    bench.connect();
    for wait in [1_000, 2_000, 4_000] {
        let queries = bench.queries();
        assert_eq!(queries, [Query::OpenOrders { account: ACCOUNT }]);
        bench.close_query(queries[0], false);
        bench.pass_ms(wait - 1);
        assert_eq!(bench.queries(), []);
        bench.pass_ms(1);
    }
    assert!(!bench.desk.is_reconciled(ACCOUNT));
    bench.answer_all();
    assert!(bench.desk.is_reconciled(ACCOUNT));
}

#[test]
fn an_unanswered_question_is_asked_again() {
    let mut bench = Bench::cold();
    bench.connect();
    assert_eq!(bench.queries().len(), 1);
    bench.pass_ms(20_000);
    bench.pass_ms(1_000);
    assert_eq!(bench.queries(), [Query::OpenOrders { account: ACCOUNT }]);
}

#[test]
fn accounts_are_audited_every_minute_without_closing_the_gate() {
    let mut bench = Bench::ready();
    bench.pass_ms(60_000);
    assert_eq!(bench.queries(), [Query::OpenOrders { account: ACCOUNT }]);
    assert!(bench.desk.is_reconciled(ACCOUNT));
    bench.book(BTC, 999, 1_001);
    bench.place(Side::Buy, 10).unwrap();
}

#[test]
fn an_order_with_our_prefix_and_no_record_is_adopted_for_the_operator() {
    let mut bench = Bench::ready();
    let stranger = ClientOrderId::new(12_345).unwrap();
    bench.tell_open(stranger);
    let order = bench.order(stranger).unwrap();
    assert_eq!(order.strategy, StrategyId::MANUAL);
    assert_eq!(bench.desk.risk().open_orders(), 1);
    assert_eq!(bench.count_records("Difference"), 1);
    bench.restart();
    assert!(bench.order(stranger).is_some());
}

#[test]
fn other_peoples_orders_are_counted_and_left_alone() {
    let mut bench = Bench::ready();
    let working =
        bench.working(ClientOrderId::new(1).unwrap(), WorkingStatus::Open, 0, ReportSource::Stream);
    let report = bench.said(external("somebody"), working);
    bench.report(report);
    let kill = enigma_trading::command::DeskCommand::Kill { reason: "a test".into() };
    bench.command(kill).unwrap();
    assert_eq!(bench.cancels(), []);
    assert_eq!(bench.desk.counters().external_reports, 1);
}

#[test]
fn a_fill_of_somebody_elses_order_moves_the_account_and_no_strategy() {
    let mut bench = Bench::ready();
    let report = bench.said(external("liquidation"), fill(3, Side::Sell, 8));
    bench.report(report);
    assert_eq!(bench.held(), -8);
    assert_eq!(bench.desk.positions().traded(StrategyId::MANUAL, BTC).0, 0);
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).position.0, -8);
}

#[test]
fn a_fill_known_by_the_venues_id_only_finds_its_order_later() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    let early = queried_fill(&bench, id, 4, Side::Buy, 6);
    bench.report(early);
    assert_eq!(bench.held(), 6, "the account has it at once");
    assert_eq!(bench.order(id).unwrap().filled.0, 0);
    bench.tell_open(id);
    assert_eq!(bench.order(id).unwrap().filled.0, 6);
    assert_eq!(bench.desk.positions().traded(StrategyId::MANUAL, BTC).0, 6);
    assert_eq!(bench.held(), 6);
    let exposure = bench.desk.risk().exposure(ACCOUNT, BTC);
    assert_eq!((exposure.position.0, exposure.buys.0), (6, 4));
    bench.tell(id, fill(4, Side::Buy, 6));
    assert_eq!(bench.order(id).unwrap().filled.0, 6, "the stream tells the same fill");
}

#[test]
fn a_fill_on_the_stream_may_be_what_names_the_order_for_the_fills_before_it() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    let early = queried_fill(&bench, id, 4, Side::Buy, 6);
    bench.report(early);
    bench.tell(id, fill(5, Side::Buy, 3));
    assert_eq!(bench.order(id).unwrap().filled.0, 9);
    assert_eq!((bench.held(), bench.desk.positions().traded(StrategyId::MANUAL, BTC).0), (9, 9));
}

#[test]
fn a_position_that_differs_twice_lets_only_reducing_orders_pass_until_it_agrees() {
    let mut bench = Bench::ready();
    let answer = |bench: &mut Bench, quantity| {
        let now = bench.now;
        bench.answer_with(|query| match query {
            Query::Account { .. } => vec![position(quantity, now)],
            Query::Order { .. } | Query::OpenOrders { .. } | Query::Fills { .. } => Vec::new(),
        });
    };
    bench.pass_ms(60_000);
    bench.book(BTC, 999, 1_001);
    answer(&mut bench, 7);
    assert_eq!(bench.count_records("Difference"), 0, "once may be the venue's past");
    bench.pass_ms(1_000);
    answer(&mut bench, 7);
    assert_eq!(bench.count_records("Difference"), 1);
    assert_eq!(bench.held(), 0, "no fill is made up");
    assert!(matches!(
        bench.place(Side::Buy, 10),
        Err(enigma_trading::command::Refusal::Risk { check: "reduce_only", .. })
    ));
    bench.pass_ms(2_000);
    let told = bench.said(external("by-hand"), fill(1, Side::Buy, 7));
    bench.report(told);
    bench.actions.clear();
    bench.pass_ms(30_000);
    answer(&mut bench, 7);
    bench.pass_ms(30_000);
    answer(&mut bench, 7);
    assert_eq!(bench.held(), 7);
    bench.book(BTC, 999, 1_001);
    bench.place(Side::Buy, 10).unwrap();
}

#[test]
fn an_order_that_was_proved_dead_and_is_shown_open_is_taken_back_and_cancelled() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.pass_ms(15_000);
    let asked_at = enigma_types::Nanos(bench.now.mono.0 + 2_000_000_000);
    bench.tell(id, Outcome::NotFound { asked_at });
    assert_eq!(bench.status(id), None);
    bench.actions.clear();
    bench.tell_open(id);
    assert_eq!(bench.desk.counters().orders_resurrected, 1);
    assert_eq!(bench.status(id), Some(OrderStatus::PendingCancel));
    assert!(matches!(bench.taken()[0], VenueRequest::Cancel(_)));
    assert_eq!(bench.desk.risk().open_orders(), 1);
    bench.restart();
    assert!(bench.order(id).is_some());
}

/// The venue shows the order under an id so much later than its first.
fn tell_later(bench: &mut Bench, id: ClientOrderId, later: u64, outcome: Outcome) {
    let mut report = bench.said(OrderReference::Ours(id), outcome);
    if let Report::Execution(execution) = &mut report {
        execution.venue_order_id.0 += later;
    }
    bench.report(report);
}

#[test]
fn the_second_half_of_a_replace_is_not_forgotten_when_the_first_was_told_as_the_end() {
    // Settled at its end, and with fills still missing.
    for filled in [0, 3] {
        let mut bench = Bench::ready();
        let id = bench.open_order();
        let replace =
            DeskCommand::Replace { client_order_id: id, price: Price(998), quantity: Quantity(12) };
        bench.command(replace).unwrap();
        let canceled = bench.working(id, WorkingStatus::Canceled, filled, ReportSource::Stream);
        bench.tell(id, canceled);
        bench.actions.clear();
        assert_eq!(bench.desk.risk().open_orders(), 0);
        // A late word of the first half says nothing.
        bench.tell_open(id);
        assert_eq!(bench.desk.risk().open_orders(), 0);

        let source = ReportSource::Response(RequestKind::Replace);
        let open = bench.working(id, WorkingStatus::Open, 0, source);
        tell_later(&mut bench, id, 1, open);
        assert_eq!(bench.desk.counters().orders_resurrected, 1, "{filled} filled");
        assert_eq!(bench.status(id), Some(OrderStatus::PendingCancel));
        assert_eq!(bench.cancels(), [id]);
        let risk = bench.desk.risk();
        assert_eq!((risk.open_orders(), risk.exposure(ACCOUNT, BTC).buys), (1, Quantity(10)));
        bench.restart();
        assert!(bench.order(id).is_some());
        let canceled = bench.working(id, WorkingStatus::Canceled, 0, ReportSource::Stream);
        tell_later(&mut bench, id, 1, canceled);
        assert_eq!(bench.desk.risk().open_orders(), 0);
        assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(filled));
    }
}

#[test]
fn an_order_taken_back_gets_the_fills_that_waited_for_it() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.pass_ms(15_000);
    let asked_at = enigma_types::Nanos(bench.now.mono.0 + 2_000_000_000);
    let mut absent = bench.said(OrderReference::Ours(id), Outcome::NotFound { asked_at });
    if let Report::Execution(execution) = &mut absent {
        execution.venue_order_id = VenueOrderId::default();
    }
    bench.report(absent);
    assert_eq!(bench.status(id), None);
    let early = queried_fill(&bench, id, 4, Side::Buy, 6);
    bench.report(early);
    assert_eq!(bench.desk.positions().traded(StrategyId::MANUAL, BTC).0, 0, "nobody's yet");
    bench.tell_open(id);
    assert_eq!(bench.order(id).unwrap().filled.0, 6);
    assert_eq!(bench.desk.positions().traded(StrategyId::MANUAL, BTC).0, 6);
    let exposure = bench.desk.risk().exposure(ACCOUNT, BTC);
    assert_eq!((exposure.position.0, exposure.buys.0), (6, 4));
    assert_eq!(bench.desk.counters().fills_external, 0);
    bench.restart();
    assert_eq!(bench.order(id).unwrap().filled.0, 6);
}

#[test]
fn a_fill_on_the_wrong_side_moves_the_position_as_the_venue_says_and_frees_its_own_order() {
    let mut bench = Bench::ready();
    let (id, other) = (bench.open_order(), bench.open_order());
    bench.tell(id, fill(1, Side::Sell, 4));
    assert_eq!(bench.held(), -4, "the venue's side");
    assert_eq!(bench.desk.positions().traded(StrategyId::MANUAL, BTC).0, -4);
    let exposure = bench.desk.risk().exposure(ACCOUNT, BTC);
    assert_eq!((exposure.position.0, exposure.buys.0, exposure.sells.0), (-4, 16, 0));
    assert_eq!(bench.desk.counters().fills_on_wrong_side, 1);
    assert_eq!(bench.count_records("Difference"), 1, "and somebody is told");
    bench.tell(id, fill(2, Side::Sell, 6));
    assert_eq!(bench.status(id), None);
    bench.tell(other, fill(3, Side::Buy, 10));
    let exposure = bench.desk.risk().exposure(ACCOUNT, BTC);
    assert_eq!((exposure.position.0, exposure.buys.0, exposure.sells.0), (0, 0, 0));
    assert_eq!(bench.desk.risk().open_orders(), 0);
    // One that comes after the end is counted and told as well.
    bench.tell(id, fill(4, Side::Sell, 1));
    assert_eq!(bench.desk.counters().fills_on_wrong_side, 3);
    bench.restart();
    assert_eq!(bench.held(), -1);
}
