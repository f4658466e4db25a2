//! What holds new orders back: sessions, journal, room, limits, old signals, rate limits.

use enigma_trading::command::{CancelScope, DeskCommand, ManualOrder, Refusal};
use enigma_trading::record::Record;
use enigma_trading::risk::Limit;
use enigma_types::{
    Amount, ClientOrderId, Mode, Nanos, NotSentCause, Outcome, Price, Quantity, Query, RejectClass,
    RequestKind, RiskLimits, SessionKind, SessionState, Side, StrategyKind, StrategyName,
    VenueRequest,
};

use crate::bench::{ACCOUNT, BTC, Bench, fill, rejected};

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
fn a_market_order_leaves_as_an_immediate_limit_at_the_collar() {
    let mut bench = Bench::ready();
    let order = ManualOrder {
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

/// A taker that wants to trade on every tick.
fn taking(bench: &mut Bench) -> StrategyName {
    let name = bench.create("taker-1", StrategyKind::Taker);
    bench.command(DeskCommand::Start { strategy: name, mode: Mode::Simulated }).unwrap();
    name
}

/// What one tick makes the taker send.
fn tick(bench: &mut Bench) -> Option<ClientOrderId> {
    bench.book(BTC, 999, 1_001);
    bench.taken().into_iter().find_map(|request| match request {
        VenueRequest::Submit(order) => Some(order.client_order_id),
        VenueRequest::Cancel(_) | VenueRequest::Replace(_) | VenueRequest::Query(_) => None,
    })
}

const THROTTLE: usize = 8;
const TIMELINESS: usize = 17;

#[test]
fn a_strategy_whose_orders_find_no_room_waits_longer_each_time_until_one_is_accepted() {
    let mut bench = Bench::ready();
    taking(&mut bench);
    let no_room = Outcome::NotSent(RequestKind::Submit, NotSentCause::RateLimit);
    let throttled = rejected(RequestKind::Submit, RejectClass::RateLimit);
    for (wait, outcome) in [(250, no_room), (500, throttled), (1_000, no_room)] {
        let id = tick(&mut bench).unwrap();
        let refused = bench.desk.counters().rejections[THROTTLE];
        bench.tell(id, outcome);
        bench.pass_ms(wait - 1);
        assert_eq!(tick(&mut bench), None, "within {wait} ms");
        assert!(bench.desk.counters().rejections[THROTTLE] > refused);
        bench.place(Side::Buy, 1).unwrap();
        bench.actions.clear();
        bench.pass_ms(2);
    }
    let id = tick(&mut bench).unwrap();
    bench.tell(id, Outcome::Acknowledged(RequestKind::Submit));
    bench.tell(id, no_room);
    bench.pass_ms(251);
    assert!(tick(&mut bench).is_some(), "it begins at the shortest again");
    bench.restart();
    bench.connect();
    bench.answer_all();
    bench.book(BTC, 999, 1_001);
    bench.command(DeskCommand::Resume { strategy: taker() }).unwrap();
    assert!(tick(&mut bench).is_some(), "a back-off is nothing that a journal keeps");
}

fn taker() -> StrategyName {
    StrategyName::from("taker-1").unwrap()
}

#[test]
fn a_tick_that_was_received_too_long_ago_leads_to_no_order() {
    let mut bench = Bench::ready();
    taking(&mut bench);
    let late = |bench: &mut Bench, nanos: u64| {
        let received_at = bench.now.mono;
        bench.now.mono = received_at.plus(Nanos(nanos));
        let mut book = enigma_types::BookTop::empty(BTC);
        book.received_at = received_at;
        let level = |price| enigma_types::Level { price: Price(price), quantity: Quantity(9) };
        book.set_bids([level(999)]);
        book.set_asks([level(1_001)]);
        bench.desk.on_book(bench.now, &book, &mut bench.actions);
        bench.risky()
    };
    assert_eq!(late(&mut bench, 1_000_000_000), 1);
    assert_eq!(bench.desk.counters().rejections[TIMELINESS], 0);
    assert_eq!(late(&mut bench, 1_000_000_001), 0);
    assert_eq!(bench.desk.counters().rejections[TIMELINESS], 1);
    // The same book is good enough for a person, who has seen how old it is.
    bench.place(Side::Buy, 1).unwrap();
}

#[test]
fn what_waited_too_long_for_its_hand_over_is_taken_back() {
    let mut bench = Bench::ready();
    let resting = bench.open_order();
    let id = bench.place(Side::Buy, 10).unwrap();
    let replace = DeskCommand::Replace {
        client_order_id: resting,
        price: Price(998),
        quantity: Quantity(30),
    };
    bench.command(replace).unwrap();
    bench.command(DeskCommand::Cancel { client_order_id: resting }).unwrap();
    let waiting = bench.taken();
    let handed_over = |bench: &mut Bench| {
        bench.actions.requests.extend(waiting.iter().copied());
        let now = bench.now;
        std::iter::from_fn(|| bench.desk.next_request(now, &mut bench.actions)).collect::<Vec<_>>()
    };
    bench.now.mono = bench.now.mono.plus(Nanos::from_millis(1_000));
    assert_eq!(handed_over(&mut bench), waiting);
    bench.now.mono = bench.now.mono.plus(Nanos(1));
    let left = handed_over(&mut bench);
    assert_eq!(left, waiting[2..], "a cancel is never too late");
    assert!(matches!(left[..], [VenueRequest::Cancel(_)]), "{left:?}");
    assert_eq!(bench.status(id), None);
    assert_eq!(bench.desk.risk().exposure(ACCOUNT, BTC).buys, Quantity(10));
    assert_eq!(bench.count_records("Report(Execution"), 3, "told open, and two taken back");
}

#[test]
fn a_person_is_told_that_an_order_or_its_change_was_not_sent() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    bench.tell(id, Outcome::NotSent(RequestKind::Submit, NotSentCause::RateLimit));
    assert_eq!(bench.desk.take_not_sent(), Some(NotSentCause::RateLimit));
    assert_eq!(bench.desk.take_not_sent(), None, "once");

    let id = bench.open_order();
    assert_eq!(bench.desk.take_not_sent(), None);
    let replace =
        DeskCommand::Replace { client_order_id: id, price: Price(998), quantity: Quantity(30) };
    bench.command(replace).unwrap();
    bench.tell(id, Outcome::NotSent(RequestKind::Replace, NotSentCause::SessionDown));
    assert_eq!(bench.desk.take_not_sent(), Some(NotSentCause::SessionDown));

    // Another order's fate is not this command's.
    bench.place(Side::Buy, 10).unwrap();
    bench.tell(id, Outcome::NotSent(RequestKind::Replace, NotSentCause::SessionDown));
    assert_eq!(bench.desk.take_not_sent(), None);
    let placed = bench.place(Side::Buy, 10).unwrap();
    bench.command(DeskCommand::Reconcile).unwrap();
    bench.tell(placed, Outcome::NotSent(RequestKind::Submit, NotSentCause::Full));
    assert_eq!(bench.desk.take_not_sent(), None, "the command at hand is another");
}

/// What open orders may still trade for, in tenths of the price by thousandths of the quantity.
fn open_value(bench: &mut Bench) -> i128 {
    let used = bench.desk.engine_use(bench.now.mono);
    let row = used.into_iter().find(|row| row.limit == Limit::OpenNotional).unwrap();
    row.used / (Amount::from_units(1).0 / 10_000)
}

#[test]
fn the_value_of_open_orders_follows_them_through_fills_replaces_and_restarts() {
    let mut bench = Bench::ready();
    let id = bench.place(Side::Buy, 10).unwrap();
    assert_eq!(open_value(&mut bench), 9_990);
    bench.tell(id, fill(1, Side::Buy, 4));
    assert_eq!(open_value(&mut bench), 6 * 999);
    let replace =
        DeskCommand::Replace { client_order_id: id, price: Price(1_001), quantity: Quantity(9) };
    bench.command(replace).unwrap();
    assert_eq!(open_value(&mut bench), 6 * 1_001, "the worst of both legs");
    bench.restart();
    assert_eq!(open_value(&mut bench), 6 * 1_001);
    bench.tell(id, rejected(RequestKind::Replace, RejectClass::Filter));
    assert_eq!(open_value(&mut bench), 6 * 999);
    bench.tell(id, fill(2, Side::Buy, 6));
    assert_eq!(open_value(&mut bench), 0);
}

#[test]
fn the_value_of_open_orders_bounds_new_ones_and_changes() {
    let mut bench = Bench::ready();
    let limits = RiskLimits { max_open_notional: 2.into(), ..bench.desk.limits().clone() };
    let json = serde_json::to_string(&limits).unwrap().into();
    bench.command(DeskCommand::SetLimits { limits: Box::new(limits), json }).unwrap();
    let id = bench.open_order();
    let refused = |answer: Result<_, Refusal>| {
        assert!(matches!(answer, Err(Refusal::Risk { check: "open_orders", .. })), "{answer:?}");
    };
    refused(bench.place(Side::Buy, 11).map(|_| ()));
    let replace = |quantity| DeskCommand::Replace {
        client_order_id: id,
        price: Price(999),
        quantity: Quantity(quantity),
    };
    refused(bench.command(replace(21)).map(|_| ()));
    bench.command(replace(20)).unwrap();
    refused(bench.place(Side::Buy, 1).map(|_| ()));
}
