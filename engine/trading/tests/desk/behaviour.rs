//! What the desk does with orders, strategies and the operator's commands.

use enigma_trading::command::{CancelScope, DeskCommand, Refusal};
use enigma_trading::orders::OrderStatus;
use enigma_trading::record::Record;
use enigma_types::{
    ClientOrderId, Mode, NotSentCause, Outcome, Price, Quantity, Query, RejectClass, ReportSource,
    RequestKind, RiskLimits, SessionKind, SessionState, Side, StrategyKind, StrategyState,
    UnknownCause, VenueRequest, WorkingStatus,
};
use proptest::prelude::*;

use crate::bench::{ACCOUNT, BTC, Bench, fill, rejected, spec};

#[track_caller]
fn check_refused_by_gate(bench: &mut Bench, gate: &str) {
    let refusal = bench.place(Side::Buy, 10).unwrap_err();
    let told = refusal.to_string();
    assert!(told.contains(gate), "{told} instead of {gate}");
    assert_eq!(bench.risky(), 0);
}

#[test]
fn nothing_is_sent_before_sessions_books_and_reconciliation_are_there() {
    let mut bench = Bench::cold();
    bench.book(BTC, 999, 1_001);
    check_refused_by_gate(&mut bench, "order_session_down");
    bench.session(SessionKind::Order, SessionState::Ready);
    check_refused_by_gate(&mut bench, "account_session_down");
    bench.session(SessionKind::Account, SessionState::Ready);
    let question = bench.queries();
    assert_eq!(question, [Query::OpenOrders { account: ACCOUNT }]);
    check_refused_by_gate(&mut bench, "unreconciled");
    bench.close_query(question[0], true);
    bench.answer_all();
    check_refused_by_gate(&mut bench, "market_not_ready");
    bench.session(SessionKind::Market, SessionState::Ready);
    bench.place(Side::Buy, 10).unwrap();
    assert_eq!(bench.risky(), 1);
    bench.session(SessionKind::Account, SessionState::Stale);
    check_refused_by_gate(&mut bench, "account_session_down");
    bench.session(SessionKind::Account, SessionState::Ready);
    check_refused_by_gate(&mut bench, "unreconciled");
}

#[test]
fn an_order_stands_in_the_journal_before_it_is_handed_over() {
    let mut bench = Bench::ready();
    bench.log.0.borrow_mut().nearly_full = true;
    assert_eq!(bench.place(Side::Buy, 10), Err(Refusal::JournalFull));
    bench.log.0.borrow_mut().broken = true;
    assert_eq!(bench.place(Side::Buy, 10), Err(Refusal::JournalFull));
    assert_eq!(bench.risky(), 0);
    *bench.log.0.borrow_mut() = Default::default();
    bench.command(DeskCommand::Reconcile).unwrap();
    bench.pass_ms(0);
    bench.answer_all();
    let id = bench.place(Side::Buy, 10).unwrap();
    assert_eq!(bench.count_records("Submit"), 1);
    assert!(matches!(bench.taken()[0], VenueRequest::Submit(order) if order.client_order_id == id));
}

#[test]
fn cancels_go_while_the_journal_is_full() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.log.0.borrow_mut().broken = true;
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    assert_eq!(bench.cancels(), [id]);
    assert!(bench.desk.counters().journal_failures > 0);
}

#[test]
fn a_fill_before_the_acknowledgement_moves_order_and_position() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.tell(id, fill(1, Side::Buy, 4));
    assert_eq!(bench.status(id), Some(OrderStatus::PartiallyFilled));
    assert_eq!(bench.held(), 4);
    bench.tell(id, Outcome::Acknowledged(RequestKind::Submit));
    bench.tell(id, fill(2, Side::Buy, 6));
    assert_eq!((bench.status(id), bench.held()), (None, 10));
    // NEW comes last: the order stays gone (F10, F11).
    bench.tell_open(id);
    assert_eq!((bench.status(id), bench.held()), (None, 10));
    assert_eq!(bench.desk.risk().open_orders(), 0);
}

#[test]
fn a_fill_after_the_cancel_moves_the_position_and_alarms() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    let canceled = bench.working(id, WorkingStatus::Canceled, 0, ReportSource::Stream);
    bench.tell(id, canceled);
    assert_eq!(bench.status(id), None);
    bench.tell(id, fill(1, Side::Buy, 3));
    assert_eq!(bench.held(), 3);
    assert_eq!(bench.desk.counters().fills_late, 1);
    assert_eq!(bench.count_records("Difference"), 1);
}

#[test]
fn a_venue_that_tells_of_fills_we_lack_is_asked_for_them() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    let canceled = bench.working(id, WorkingStatus::Canceled, 7, ReportSource::Stream);
    bench.tell(id, canceled);
    assert_eq!(bench.held(), 0, "only fills move a position");
    assert_eq!(bench.status(id), Some(OrderStatus::Canceled), "kept until its fills are here");
    bench.pass_ms(300);
    let queries = bench.queries();
    assert!(matches!(queries[..], [Query::Fills { instrument: BTC, .. }]), "{queries:?}");
    bench.tell(id, fill(5, Side::Buy, 7));
    bench.close_query(queries[0], true);
    assert_eq!((bench.held(), bench.status(id)), (7, None));
    bench.pass_ms(40_000);
    assert_eq!(bench.queries(), [], "nothing is missing any more");
}

#[test]
fn unknown_ends_only_by_not_found_past_the_fence() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.actions.clear();
    bench.pass_ms(1_000);
    bench.tell(id, Outcome::Unknown(RequestKind::Submit, UnknownCause::VenueUnsure));
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    let mut asked = 0;
    for _ in 0..14 {
        for query in bench.queries() {
            assert!(matches!(query, Query::Order { client_order_id, .. } if client_order_id == id));
            asked += 1;
            let asked_at = bench.now.mono;
            bench.tell(id, Outcome::NotFound { asked_at });
            bench.close_query(query, true);
        }
        assert_eq!(bench.status(id), Some(OrderStatus::Unknown), "before the fence");
        assert_eq!(bench.desk.risk().open_orders(), 1, "it stays in risk");
        bench.pass_ms(1_000);
    }
    assert!((2..=8).contains(&asked), "asked at a bounded rate: {asked}");
    bench.pass_ms(1_000);
    let query = bench.queries()[0];
    let asked_at = bench.now.mono;
    bench.tell(id, Outcome::NotFound { asked_at });
    bench.close_query(query, true);
    assert_eq!(bench.status(id), None);
    assert_eq!(bench.desk.risk().open_orders(), 0);
    assert_eq!(bench.count_records("Submit"), 1, "it was never sent again");
}

#[test]
fn an_answer_that_was_asked_for_before_the_fence_proves_nothing_after_it() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    let asked_at = bench.now.mono;
    bench.tell(id, Outcome::Unknown(RequestKind::Submit, UnknownCause::Disconnected));
    bench.pass_ms(60_000);
    bench.tell(id, Outcome::NotFound { asked_at });
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
}

#[test]
fn a_silent_request_becomes_unknown_and_is_asked_about() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.tell(id, Outcome::Acknowledged(RequestKind::Submit));
    bench.actions.clear();
    bench.pass_ms(15_000);
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    assert!(matches!(bench.queries()[..], [Query::Order { .. }]));
    bench.tell_open(id);
    assert_eq!(bench.status(id), Some(OrderStatus::Open));
}

#[test]
fn a_duplicate_id_means_that_the_order_exists() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.actions.clear();
    bench.tell(id, rejected(RequestKind::Submit, RejectClass::DuplicateId));
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    assert!(matches!(bench.queries()[..], [Query::Order { .. }]));
}

#[test]
fn a_definite_refusal_and_a_request_that_never_left_free_their_risk() {
    let mut bench = Bench::ready();
    for outcome in [
        rejected(RequestKind::Submit, RejectClass::InsufficientMargin),
        rejected(RequestKind::Submit, RejectClass::ClockSkew),
        Outcome::NotSent(RequestKind::Submit, NotSentCause::Barrier),
    ] {
        let id = bench.place(Side::Buy, 10).unwrap();
        assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(10));
        bench.tell(id, outcome);
        assert_eq!(bench.status(id), None, "{outcome:?}");
        assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(0));
    }
}

#[test]
fn a_cancel_of_no_such_order_asks_and_cancels_again_once_it_is_shown_open() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    assert_eq!(bench.cancels(), [id]);
    bench.tell(id, rejected(RequestKind::Cancel, RejectClass::NoSuchOrder));
    assert_eq!(bench.status(id), Some(OrderStatus::Unknown));
    bench.pass_ms(200);
    let query = bench.queries()[0];
    assert_eq!(bench.cancels(), [], "not cancelled again while nobody knows");
    let asked_at = bench.now.mono;
    let open = bench.working(id, WorkingStatus::Open, 0, ReportSource::Query { asked_at });
    bench.tell(id, open);
    bench.close_query(query, true);
    assert_eq!(bench.status(id), Some(OrderStatus::PendingCancel));
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id]);
}

#[test]
fn a_cancel_waits_for_its_session_and_is_never_lost() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.session(SessionKind::Order, SessionState::Down);
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    assert_eq!(bench.cancels(), []);
    assert_eq!(bench.status(id), Some(OrderStatus::PendingCancel));
    bench.pass_ms(5_000);
    assert_eq!(bench.cancels(), []);
    bench.session(SessionKind::Order, SessionState::Ready);
    bench.pass_ms(200);
    assert_eq!(bench.cancels(), [id]);
    bench.tell(id, Outcome::NotSent(RequestKind::Cancel, NotSentCause::Full));
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id]);
    bench.tell(id, rejected(RequestKind::Cancel, RejectClass::RateLimit));
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id]);
}

#[test]
fn a_replace_needs_an_order_at_rest_and_counts_both_legs() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    let replace = |quantity| DeskCommand::Replace {
        client_order_id: id,
        price: Price(998),
        quantity: Quantity(quantity),
    };
    assert_eq!(bench.command(replace(30)), Err(Refusal::RequestInFlight(id)));
    bench.tell_open(id);
    bench.command(replace(30)).unwrap();
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(30));
    assert_eq!(bench.command(replace(40)), Err(Refusal::RequestInFlight(id)));
    bench.tell(id, rejected(RequestKind::Replace, RejectClass::Filter));
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(10));
    bench.tell(id, fill(1, Side::Buy, 4));
    let below = bench.command(replace(4));
    assert!(matches!(below, Err(Refusal::Risk { check: "spec_conformity", .. })), "{below:?}");
}

#[test]
fn after_a_kill_nothing_new_leaves_and_everything_is_cancelled() {
    let mut bench = Bench::ready();
    let name = bench.quoting();
    let unknown = bench.place(Side::Buy, 10).unwrap();
    bench.tell(unknown, Outcome::Unknown(RequestKind::Submit, UnknownCause::Timeout));
    bench.actions.clear();
    let receipt = bench.command(DeskCommand::Kill { reason: "a test".into() }).unwrap();
    assert_eq!(receipt.cancels.len(), 3);
    assert_eq!(receipt.last_order_sent, Some(unknown));
    assert_eq!(bench.cancels().len(), 3);
    assert_eq!(bench.desk.strategy(&name).unwrap().state, StrategyState::Paused);
    assert_eq!(bench.place(Side::Sell, 10), Err(Refusal::Killed));
    let start = DeskCommand::Resume { strategy: name };
    assert_eq!(bench.command(start), Err(Refusal::Killed));
    for step in 0..30 {
        bench.book(BTC, 999 + step % 3, 1_002 + step % 3);
        bench.pass_ms(500);
        assert_eq!(bench.risky(), 0);
    }
    bench.command(DeskCommand::Rearm).unwrap();
    bench.book(BTC, 999, 1_001);
    assert_eq!(bench.risky(), 0, "nothing trades by itself after a rearm");
    bench.place(Side::Buy, 10).unwrap();
}

#[test]
fn a_kill_holds_although_the_journal_is_full_and_is_written_down_later() {
    let mut bench = Bench::ready();
    bench.log.0.borrow_mut().broken = true;
    bench.command(DeskCommand::Kill { reason: "a test".into() }).unwrap();
    assert_eq!(bench.place(Side::Buy, 10), Err(Refusal::Killed));
    bench.log.0.borrow_mut().broken = false;
    bench.pass_ms(60_000);
    assert_eq!(bench.count_records("KillSwitch { engaged: true, reason: \"a test\" }"), 1);
    assert_eq!(bench.place(Side::Buy, 10), Err(Refusal::Killed));
}

#[test]
fn a_pause_takes_effect_in_its_own_step_and_says_what_it_cancelled() {
    let mut bench = Bench::ready();
    let name = bench.quoting();
    let open: Vec<ClientOrderId> = {
        let slot = bench.desk.strategy(&name).unwrap();
        slot.open_orders().iter().map(|order| order.client_order_id).collect()
    };
    let receipt = bench.command(DeskCommand::Pause { strategy: name }).unwrap();
    assert_eq!(receipt.state, Some(StrategyState::Paused));
    assert_eq!(receipt.last_order_sent, open.last().copied());
    assert_eq!(receipt.cancels.as_slice(), open);
    assert_eq!(bench.cancels(), open);
    bench.book(BTC, 990, 992);
    assert_eq!(bench.risky(), 0);
    bench.command(DeskCommand::Resume { strategy: name }).unwrap();
    assert_eq!(bench.desk.strategy(&name).unwrap().state, StrategyState::Running);
}

#[test]
fn stopping_ends_when_the_venue_has_confirmed_every_cancel() {
    let mut bench = Bench::ready();
    let name = bench.quoting();
    let state = |bench: &Bench| bench.desk.strategy(&name).unwrap().state;
    bench.command(DeskCommand::Stop { strategy: name }).unwrap();
    let cancels = bench.cancels();
    let delete = || DeskCommand::Delete { strategy: name };
    for id in cancels {
        assert_eq!(state(&bench), StrategyState::Stopping);
        assert!(matches!(bench.command(delete()), Err(Refusal::WrongState { .. })));
        let canceled = bench.working(id, WorkingStatus::Canceled, 0, ReportSource::Stream);
        bench.tell(id, canceled);
    }
    assert_eq!(state(&bench), StrategyState::Stopped);
    bench.command(delete()).unwrap();
    assert!(bench.desk.strategy(&name).is_none());
    bench.create("quoter-1", StrategyKind::Quoter);
}

#[test]
fn pausing_and_stopping_all_reaches_every_strategy_and_leaves_the_operators_orders() {
    let mut bench = Bench::ready();
    let name = bench.quoting();
    let manual = bench.open_order();
    let receipt = bench.command(DeskCommand::PauseAll).unwrap();
    assert_eq!(receipt.cancels.len(), 2);
    assert!(!receipt.cancels.contains(&manual));
    assert_eq!(bench.desk.strategy(&name).unwrap().state, StrategyState::Paused);
    bench.command(DeskCommand::StopAll).unwrap();
    assert_eq!(bench.desk.strategy(&name).unwrap().state, StrategyState::Stopping);
    assert_eq!(bench.status(manual), Some(OrderStatus::Open));
    bench.actions.clear();
    let other = CancelScope::Instrument(crate::bench::ETH);
    bench.command(DeskCommand::CancelAll { scope: other }).unwrap();
    assert_eq!(bench.cancels(), []);
    let ours = CancelScope::Instrument(BTC);
    let receipt = bench.command(DeskCommand::CancelAll { scope: ours }).unwrap();
    assert_eq!(receipt.cancels.len(), 3, "those that are cancelled already are named too");
    assert_eq!(bench.cancels(), [manual]);
}

#[test]
fn a_market_order_leaves_as_an_immediate_limit_at_the_collar() {
    let mut bench = Bench::ready();
    let order = enigma_trading::command::ManualOrder {
        account: ACCOUNT,
        instrument: BTC,
        side: Side::Buy,
        order_type: enigma_types::OrderType::Market,
        time_in_force: enigma_types::TimeInForce::Gtc,
        price: Price(0),
        quantity: Quantity(3),
        reduce_only: false,
    };
    bench.command(DeskCommand::Place(order)).unwrap();
    let sent = bench.taken();
    let VenueRequest::Submit(sent) = sent[0] else { unreachable!("an order was placed") };
    assert_eq!(sent.time_in_force, enigma_types::TimeInForce::Ioc);
    assert_eq!(sent.price, Price(1_020), "2 % above the middle of 100.0");
}

#[test]
fn what_a_removed_strategy_leaves_is_the_operators() {
    let mut bench = Bench::ready();
    let name = bench.quoting();
    let slot = bench.desk.strategy(&name).unwrap();
    let (id, orders) = (slot.id, slot.open_orders().to_vec());
    let buy = orders.iter().find(|order| order.side == Side::Buy).unwrap().client_order_id;
    bench.tell(buy, fill(1, Side::Buy, 10));
    bench.command(DeskCommand::Stop { strategy: name }).unwrap();
    for order in orders {
        let id = order.client_order_id;
        let canceled = bench.working(id, WorkingStatus::Canceled, 0, ReportSource::Stream);
        bench.tell(id, canceled);
    }
    bench.command(DeskCommand::Delete { strategy: name }).unwrap();
    let manual = enigma_types::StrategyId::MANUAL;
    assert_eq!(bench.desk.positions().traded(id, BTC).0, 0);
    assert_eq!(bench.desk.positions().traded(manual, BTC).0, 10);
    assert_eq!(bench.desk.risk().strategy_exposure(manual, BTC).position.0, 10);
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).position.0, 10);
    bench.restart();
    assert_eq!(bench.desk.positions().traded(manual, BTC).0, 10);
}

#[test]
fn a_strategy_obeys_its_states() {
    let mut bench = Bench::ready();
    let name = bench.create("quoter-1", StrategyKind::Quoter);
    let wrong = |result: Result<_, Refusal>| {
        assert!(matches!(result, Err(Refusal::WrongState { .. })), "{result:?}");
    };
    let start = |mode| DeskCommand::Start { strategy: name, mode };
    let update = |kind| {
        let spec = spec("quoter-1", kind);
        let json = serde_json::to_string(&spec).unwrap().into();
        DeskCommand::Update { spec: Box::new(spec), json }
    };
    wrong(bench.command(DeskCommand::Pause { strategy: name }));
    wrong(bench.command(DeskCommand::Resume { strategy: name }));
    wrong(bench.command(DeskCommand::Stop { strategy: name }));
    assert_eq!(bench.command(start(Mode::Live)), Err(Refusal::NoVault));
    bench.command(update(StrategyKind::Quoter)).unwrap();
    wrong(bench.command(update(StrategyKind::Taker)));
    bench.command(start(Mode::Simulated)).unwrap();
    wrong(bench.command(start(Mode::Simulated)));
    wrong(bench.command(update(StrategyKind::Quoter)));
    wrong(bench.command(DeskCommand::Delete { strategy: name }));
    let other = spec("quoter-1", StrategyKind::Quoter);
    let json = serde_json::to_string(&other).unwrap().into();
    let again = bench.command(DeskCommand::Create { spec: Box::new(other), json });
    assert_eq!(again, Err(Refusal::StrategyExists(name)));
    let nobody = enigma_types::StrategyName::from("nobody").unwrap();
    let missing = bench.command(DeskCommand::Pause { strategy: nobody });
    assert_eq!(missing, Err(Refusal::NoSuchStrategy(nobody)));
}

#[test]
fn a_started_strategy_warms_up_until_there_is_something_to_trade_on() {
    let mut bench = Bench::cold();
    let name = bench.create("quoter-1", StrategyKind::Quoter);
    let state = |bench: &Bench| bench.desk.strategy(&name).unwrap().state;
    bench.command(DeskCommand::Start { strategy: name, mode: Mode::Simulated }).unwrap();
    bench.book(BTC, 999, 1_001);
    assert_eq!(state(&bench), StrategyState::Warming);
    bench.connect();
    bench.book(BTC, 999, 1_001);
    assert_eq!(state(&bench), StrategyState::Warming, "not reconciled yet");
    bench.answer_all();
    bench.book(BTC, 1_001, 999);
    assert_eq!(state(&bench), StrategyState::Warming, "a crossed book is no book");
    assert_eq!(bench.risky(), 0);
    bench.book(BTC, 999, 1_001);
    assert_eq!(state(&bench), StrategyState::Running);
    assert_eq!(bench.risky(), 2);
}

#[test]
fn repeated_refusals_are_all_counted_and_journalled_ten_a_second() {
    let mut bench = Bench::ready();
    let name = bench.create("taker-1", StrategyKind::Taker);
    bench.command(DeskCommand::Start { strategy: name, mode: Mode::Simulated }).unwrap();
    bench.session(SessionKind::Account, SessionState::Down);
    for second in 1..=3_u64 {
        for _ in 0..50 {
            bench.book(BTC, 999, 1_001);
        }
        assert_eq!(bench.desk.counters().rejections[18], 50 * second);
        assert_eq!(bench.count_records("RiskRejection"), 10 * second as usize);
        bench.pass_ms(1_000);
    }
    assert_eq!(bench.risky(), 0);
}

#[test]
fn with_no_room_for_requests_orders_are_refused_and_cancels_wait() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    let query = VenueRequest::Query(Query::OpenOrders { account: ACCOUNT });
    while bench.actions.requests.try_push(query).is_ok() {}
    assert!(matches!(bench.place(Side::Buy, 10), Err(Refusal::Risk { .. })));
    bench.command(DeskCommand::CancelAll { scope: CancelScope::All }).unwrap();
    bench.actions.clear();
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id]);
}

#[test]
fn live_orders_are_bounded() {
    let mut bench = Bench::ready();
    let capacity = bench.desk.orders().capacity();
    for n in 0..capacity {
        assert!(bench.place(Side::Buy, 1).is_ok(), "order {n}");
        bench.actions.clear();
        bench.pass_ms(20);
    }
    assert!(matches!(bench.place(Side::Buy, 1), Err(Refusal::Risk { check: "open_orders", .. })));
}

#[test]
fn limits_take_effect_and_bad_ones_change_nothing() {
    let mut bench = Bench::ready();
    let set = |limits: RiskLimits| {
        let json = serde_json::to_string(&limits).unwrap().into();
        DeskCommand::SetLimits { limits: Box::new(limits), json }
    };
    let digest = bench.desk.digest();
    let zero = RiskLimits { max_open_orders: 0, ..bench.desk.limits().clone() };
    assert_eq!(bench.command(set(zero)), Err(Refusal::BadLimit("max_open_orders")));
    assert_eq!(bench.desk.digest(), digest);
    let one = RiskLimits { max_open_orders: 1, ..bench.desk.limits().clone() };
    bench.command(set(one.clone())).unwrap();
    bench.place(Side::Buy, 1).unwrap();
    assert!(matches!(bench.place(Side::Buy, 1), Err(Refusal::Risk { check: "open_orders", .. })));
    bench.restart();
    assert_eq!(bench.desk.limits(), &one);
}

#[test]
fn the_next_block_is_leased_before_its_first_id_is_used() {
    let mut bench = Bench::ready();
    let block = bench.place(Side::Buy, 1).unwrap().block();
    let last = (1 << ClientOrderId::SEQUENCE_BITS) - 1;
    let order = enigma_types::OrderRequest {
        client_order_id: ClientOrderId::from_parts(block, last).unwrap(),
        account: ACCOUNT,
        instrument: BTC,
        side: Side::Buy,
        time_in_force: enigma_types::TimeInForce::Gtc,
        price: Price(999),
        quantity: Quantity(1),
        reduce_only: false,
    };
    let record = Record::Submit { strategy: enigma_types::StrategyId::MANUAL, order };
    bench.desk.replay(bench.now, &record).unwrap();
    let leases = bench.count_records("Lease");
    let id = bench.place(Side::Buy, 1).unwrap();
    assert!(id.block() > block);
    assert_eq!(bench.count_records("Lease"), leases + 1);
    let records = bench.records();
    let lease = records.iter().rposition(|record| record.starts_with("Ok(Lease")).unwrap();
    let submit = records.iter().rposition(|record| record.starts_with("Ok(Submit")).unwrap();
    assert!(lease < submit);
}

proptest! {
    #[test]
    fn fills_count_once_in_whatever_order_and_however_often_they_come(
        order in proptest::collection::vec(0_usize..8, 0..40),
        seed in any::<u64>(),
    ) {
        let quantities = [3_i64, 1, 4, 1, 5, 9, 2, 6];
        let mut heard: Vec<usize> = order;
        // Each of them at least once, from somewhere in the middle.
        let turn = (seed % 8) as usize;
        heard.extend((0..8).map(|n| (n + turn) % 8));
        let mut bench = Bench::ready();
        let id = bench.place(Side::Buy, 31).unwrap();
        for &n in &heard {
            bench.tell(id, fill(100 + n as u64, Side::Buy, quantities[n]));
        }
        prop_assert_eq!(bench.held(), 31);
        prop_assert_eq!(bench.status(id), None, "filled");
        let row = bench.desk.positions().account(ACCOUNT, BTC).unwrap();
        prop_assert_eq!((row.fills, row.bought), (8, Quantity(31)));
        let usdt = enigma_types::Asset::from("USDT").unwrap();
        prop_assert_eq!(row.fee(&usdt), enigma_types::Amount::from_units(8));
        let exposure = bench.desk.risk().exposure(ACCOUNT, BTC);
        prop_assert_eq!((exposure.position.0, exposure.buys), (31, Quantity(0)));
    }
}
