//! Every state of an order against everything a venue can say of it.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use arrayvec::ArrayString;
use enigma_trading::orders::{InFlight, Lifecycle, Order, OrderStatus};
use enigma_types::{
    AccountId, ClientOrderId, ExecutionReport, Fill, InstrumentId, Liquidity, Nanos, NotSentCause,
    OrderReference, OrderRequest, Outcome, Price, Quantity, RejectClass, RejectReason,
    ReportSource, RequestKind, Side, StrategyId, TimeInForce, TradeId, UnixNanos, UnknownCause,
    VenueOrderId, WorkingOrder, WorkingStatus,
};

/// A request may reach matching for so long after it was sent.
const FENCE: Nanos = Nanos(1_000);
/// When each order of these tests was sent.
const SENT: Nanos = Nanos(100);
const PAST_FENCE: Nanos = Nanos(5_000);

#[derive(Clone, Copy, Debug)]
enum From {
    Sent,
    SentUnknown,
    SentCancel,
    Open,
    OpenUnknown,
    OpenCancel,
    OpenReplace,
    Filled,
    Canceled,
    Rejected,
    NeverReached,
}

const FROM: [From; 11] = [
    From::Sent,
    From::SentUnknown,
    From::SentCancel,
    From::Open,
    From::OpenUnknown,
    From::OpenCancel,
    From::OpenReplace,
    From::Filled,
    From::Canceled,
    From::Rejected,
    From::NeverReached,
];

fn new_order() -> Order {
    let request = OrderRequest {
        client_order_id: ClientOrderId::new(7).unwrap(),
        account: AccountId(0),
        instrument: InstrumentId(0),
        side: Side::Buy,
        time_in_force: TimeInForce::Gtc,
        price: Price(100),
        quantity: Quantity(10),
        reduce_only: false,
    };
    Order::submitted(StrategyId(1), &request, SENT, FENCE)
}

fn at(outcome: Outcome, time: u64) -> ExecutionReport {
    ExecutionReport {
        account: AccountId(0),
        instrument: InstrumentId(0),
        order: OrderReference::Ours(ClientOrderId::new(7).unwrap()),
        venue_order_id: VenueOrderId(70),
        outcome,
        venue_time: UnixNanos(time),
        received_at: Nanos(time),
    }
}

fn working(status: WorkingStatus, filled: i64) -> WorkingOrder {
    WorkingOrder {
        status,
        side: Side::Buy,
        price: Price(100),
        quantity: Quantity(10),
        filled: Quantity(filled),
        time_in_force: TimeInForce::Gtc,
        reduce_only: false,
    }
}

fn pushed(status: WorkingStatus, filled: i64) -> Outcome {
    Outcome::Working(working(status, filled), ReportSource::Stream)
}

fn asked(status: WorkingStatus, asked_at: Nanos) -> Outcome {
    Outcome::Working(working(status, 0), ReportSource::Query { asked_at })
}

fn fill(trade: u64, quantity: i64) -> Outcome {
    Outcome::Fill(Fill {
        trade_id: TradeId(trade),
        side: Side::Buy,
        price: Price(100),
        quantity: Quantity(quantity),
        liquidity: Liquidity::Maker,
        fee: None,
        fee_asset: ArrayString::new(),
    })
}

fn rejected(kind: RequestKind, class: RejectClass) -> Outcome {
    Outcome::Rejected(kind, RejectReason::new(class, -1, b""))
}

fn unknown(kind: RequestKind) -> Outcome {
    Outcome::Unknown(kind, UnknownCause::Timeout)
}

fn order_in(from: From) -> Order {
    let mut order = new_order();
    let tell = |order: &mut Order, outcome| {
        order.apply(&at(outcome, 200)).unwrap();
    };
    match from {
        From::Sent => {}
        From::SentUnknown => tell(&mut order, unknown(RequestKind::Submit)),
        From::SentCancel => order.apply_cancel_request(Nanos(200)),
        From::Open => tell(&mut order, pushed(WorkingStatus::Open, 0)),
        From::OpenUnknown => {
            tell(&mut order, pushed(WorkingStatus::Open, 0));
            tell(&mut order, pushed(WorkingStatus::Unrecognised, 0));
        }
        From::OpenCancel => {
            tell(&mut order, pushed(WorkingStatus::Open, 0));
            order.apply_cancel_request(Nanos(200));
        }
        From::OpenReplace => {
            tell(&mut order, pushed(WorkingStatus::Open, 0));
            let request = order.replace_request(Price(101), Quantity(15));
            order.apply_replace_request(&request, Nanos(200));
        }
        From::Filled => tell(&mut order, fill(1, 10)),
        From::Canceled => tell(&mut order, pushed(WorkingStatus::Canceled, 0)),
        From::Rejected => tell(&mut order, rejected(RequestKind::Submit, RejectClass::Filter)),
        From::NeverReached => tell(&mut order, Outcome::NotFound { asked_at: PAST_FENCE }),
    }
    order
}

/// What became of an order: `sent`, `open`, or how it closed; `?` when Unknown, then what is in
/// flight, then `+` and the filled quantity. Tables say `=` where nothing changed.
fn describe(order: &Order) -> String {
    let mut text = match order.lifecycle {
        Lifecycle::Sent => "sent".to_owned(),
        Lifecycle::Open => "open".to_owned(),
        Lifecycle::Closed(reason) => reason.name().to_owned(),
    };
    if order.is_unknown() {
        text.push('?');
    }
    if let Some(in_flight) = order.in_flight {
        text.push_str(match in_flight {
            InFlight::Submit => " s",
            InFlight::Cancel => " c",
            InFlight::Replace { .. } => " r",
        });
    }
    if order.filled.0 > 0 {
        text.push_str(&format!(" +{}", order.filled.0));
    }
    text
}

#[track_caller]
fn check(outcome: Outcome, expected: &str) {
    let expected: Vec<&str> = expected.split('|').map(str::trim).collect();
    assert_eq!(expected.len(), FROM.len());
    for (from, expected) in FROM.into_iter().zip(expected) {
        let mut order = order_in(from);
        let before = order;
        let became = match order.apply(&at(outcome, 300)) {
            Ok(_) => describe(&order),
            Err(illegal) => {
                assert_eq!(order, before, "{illegal} changed the order");
                assert!(!illegal.state.is_empty() && !illegal.outcome.is_empty());
                "illegal".to_owned()
            }
        };
        let expected = if expected == "=" { describe(&before) } else { expected.to_owned() };
        assert_eq!(became, expected, "{from:?} told {outcome:?}");
        assert!(rank(&order) >= rank(&before), "{from:?} went back");
        assert!(order.filled >= before.filled && order.reported >= before.reported);
    }
}

fn rank(order: &Order) -> u8 {
    match order.lifecycle {
        Lifecycle::Sent => 0,
        Lifecycle::Open => 1,
        Lifecycle::Closed(_) => 2,
    }
}

#[test]
fn statements_move_an_order_forward_only() {
    // Sent, sent unknown, sent and cancel asked, open, open unknown, open and cancel asked, open
    // and replace asked, filled, canceled, rejected, never reached.
    check(Outcome::Acknowledged(RequestKind::Submit), "= | = | = | = | = | = | = | = | = | = | =");
    check(Outcome::Acknowledged(RequestKind::Cancel), "= | = | = | = | = | = | = | = | = | = | =");
    check(
        pushed(WorkingStatus::Open, 0),
        "open | open | open c | = | open | = | = | = | = | illegal | illegal",
    );
    check(
        pushed(WorkingStatus::Open, 4),
        "open | open | open c | = | open | = | = | = | = | illegal | illegal",
    );
    check(
        asked(WorkingStatus::Open, Nanos(250)),
        "open | open | open | = | open | open | = | = | = | illegal | illegal",
    );
    check(
        asked(WorkingStatus::Open, PAST_FENCE),
        "open | open | open | = | open | open | open | = | = | illegal | illegal",
    );
    check(
        pushed(WorkingStatus::Filled, 10),
        "filled | filled | filled | filled | filled | filled | filled | = | = | = | =",
    );
    check(
        pushed(WorkingStatus::Canceled, 0),
        "canceled | canceled | canceled | canceled | canceled | canceled | canceled | = | = | = | =",
    );
    check(
        pushed(WorkingStatus::Expired, 0),
        "expired | expired | expired | expired | expired | expired | expired | = | = | = | =",
    );
    check(
        pushed(WorkingStatus::Rejected, 0),
        "rejected | rejected | rejected | rejected | rejected | rejected | rejected | = | = | = | =",
    );
    check(
        pushed(WorkingStatus::Unrecognised, 0),
        "sent? s | = | sent? c | open? | = | open? c | open? r | = | = | = | =",
    );
    check(
        fill(9, 4),
        "open +4 | open +4 | open c +4 | open +4 | open? +4 | open c +4 | open r +4 | filled +14 | canceled +4 | rejected +4 | never_reached +4",
    );
    check(
        fill(9, 10),
        "filled +10 | filled +10 | filled +10 | filled +10 | filled +10 | filled +10 | open r +10 | filled +20 | canceled +10 | rejected +10 | never_reached +10",
    );
}

#[test]
fn refusals_close_what_never_stood_and_nothing_else() {
    // Sent, sent unknown, sent and cancel asked, open, open unknown, open and cancel asked, open
    // and replace asked, filled, canceled, rejected, never reached.
    check(
        rejected(RequestKind::Submit, RejectClass::Filter),
        "rejected | rejected | rejected | illegal | illegal | illegal | illegal | = | = | = | =",
    );
    check(
        rejected(RequestKind::Submit, RejectClass::ClockSkew),
        "rejected | rejected | rejected | illegal | illegal | illegal | illegal | = | = | = | =",
    );
    check(
        rejected(RequestKind::Submit, RejectClass::DuplicateId),
        "sent? s | = | sent? c | = | = | = | = | = | = | = | =",
    );
    check(
        rejected(RequestKind::Cancel, RejectClass::NoSuchOrder),
        "sent? s | = | sent? | open? | = | open? | open? r | = | = | = | =",
    );
    check(
        rejected(RequestKind::Cancel, RejectClass::RateLimit),
        "= | = | sent | = | = | open | = | = | = | = | =",
    );
    check(
        rejected(RequestKind::Replace, RejectClass::Filter),
        "= | = | = | = | = | = | open | = | = | = | =",
    );
    check(
        rejected(RequestKind::Replace, RejectClass::NoSuchOrder),
        "sent? s | = | sent? c | open? | = | open? c | open? | = | = | = | =",
    );
}

#[test]
fn doubt_ends_by_proof_only() {
    // Sent, sent unknown, sent and cancel asked, open, open unknown, open and cancel asked, open
    // and replace asked, filled, canceled, rejected, never reached.
    check(
        Outcome::NotSent(RequestKind::Submit, NotSentCause::Barrier),
        "not_sent | not_sent | not_sent | illegal | illegal | illegal | illegal | = | = | = | =",
    );
    check(
        Outcome::NotSent(RequestKind::Cancel, NotSentCause::Barrier),
        "= | = | sent | = | = | open | = | = | = | = | =",
    );
    check(
        Outcome::NotSent(RequestKind::Replace, NotSentCause::Barrier),
        "= | = | = | = | = | = | open | = | = | = | =",
    );
    check(unknown(RequestKind::Submit), "sent? s | = | sent? c | = | = | = | = | = | = | = | =");
    check(unknown(RequestKind::Cancel), "= | = | sent? c | = | = | open? c | = | = | = | = | =");
    check(unknown(RequestKind::Replace), "= | = | = | = | = | = | open? r | = | = | = | =");
    check(
        Outcome::NotFound { asked_at: Nanos(250) },
        "sent? s | = | sent? c | open? | = | open? c | open? r | = | = | = | =",
    );
    check(
        Outcome::NotFound { asked_at: PAST_FENCE },
        "never_reached | never_reached | never_reached | open? | vanished | open? c | open? r | = | = | = | =",
    );
}

#[test]
fn a_fill_may_come_before_the_acknowledgement_and_late_news_changes_nothing() {
    let mut order = new_order();
    order.apply(&at(fill(1, 10), 200)).unwrap();
    assert_eq!(order.status(), OrderStatus::Filled);
    let news = [
        Outcome::Acknowledged(RequestKind::Submit),
        pushed(WorkingStatus::Open, 0),
        pushed(WorkingStatus::Open, 4),
        pushed(WorkingStatus::Filled, 10),
    ];
    for late in news {
        let before = order;
        order.apply(&at(late, 300)).unwrap();
        assert_eq!((order.filled, order.status()), (before.filled, before.status()));
        assert_eq!(order.exposure(), Quantity(0));
    }
}

#[test]
fn a_fill_after_the_cancel_is_kept_and_marked_late() {
    let mut order = order_in(From::Canceled);
    let change = order.apply(&at(fill(3, 4), 300)).unwrap();
    assert!(change.late_fill);
    assert_eq!((order.filled, order.status()), (Quantity(4), OrderStatus::Canceled));
}

#[test]
fn a_cancel_that_tells_of_more_fills_waits_for_them_and_isnt_surprised() {
    let mut order = order_in(From::Open);
    order.apply(&at(pushed(WorkingStatus::Canceled, 4), 300)).unwrap();
    assert!(order.is_closed() && order.fills_outstanding());
    assert_eq!(order.exposure(), Quantity(4));
    let change = order.apply(&at(fill(3, 4), 300)).unwrap();
    assert!(!change.late_fill);
    assert_eq!(order.exposure(), Quantity(0));
}

#[test]
fn what_a_venue_said_was_filled_never_becomes_less() {
    let mut order = order_in(From::Open);
    order.apply(&at(pushed(WorkingStatus::Open, 4), 300)).unwrap();
    order.apply(&at(pushed(WorkingStatus::Open, 2), 310)).unwrap();
    assert_eq!(order.reported, Quantity(4));
    order.apply(&at(pushed(WorkingStatus::Canceled, 3), 320)).unwrap();
    assert_eq!(order.exposure(), Quantity(4));
}

#[test]
fn both_legs_of_a_replace_count_until_it_is_answered() {
    let replaced = WorkingOrder {
        price: Price(101),
        quantity: Quantity(15),
        ..working(WorkingStatus::Open, 0)
    };
    let answer = ReportSource::Response(RequestKind::Replace);

    let mut order = order_in(From::OpenReplace);
    assert_eq!(order.exposure(), Quantity(15));
    order.apply(&at(Outcome::Working(replaced, answer), 300)).unwrap();
    assert_eq!((order.exposure(), order.price), (Quantity(15), Price(101)));
    assert_eq!(order.status(), OrderStatus::Open);
    // What the stream tells late is older than the answer.
    order.apply(&at(pushed(WorkingStatus::Open, 0), 250)).unwrap();
    assert_eq!((order.quantity, order.price), (Quantity(15), Price(101)));

    let mut order = order_in(From::OpenReplace);
    order.apply(&at(rejected(RequestKind::Replace, RejectClass::Filter), 300)).unwrap();
    assert_eq!((order.exposure(), order.price), (Quantity(10), Price(100)));

    // What answers an earlier replace, late, is no answer to this one.
    let mut order = order_in(From::OpenReplace);
    let earlier = working(WorkingStatus::Open, 0);
    order.apply(&at(Outcome::Working(earlier, answer), 300)).unwrap();
    assert_eq!((order.exposure(), order.status()), (Quantity(15), OrderStatus::PendingReplace));

    // A cancel overtakes the replace: its leg still counts.
    let mut order = order_in(From::OpenReplace);
    order.apply_cancel_request(Nanos(250));
    assert_eq!(order.exposure(), Quantity(15));
    order.apply(&at(unknown(RequestKind::Replace), 300)).unwrap();
    assert!(order.is_unknown());
    order.apply(&at(asked(WorkingStatus::Open, Nanos(400)), 410)).unwrap();
    assert_eq!(order.exposure(), Quantity(15), "asked before the fence proves nothing");
    assert!(order.is_unknown());
    order.apply(&at(asked(WorkingStatus::Open, PAST_FENCE), 5_010)).unwrap();
    assert_eq!(order.exposure(), Quantity(10));
    assert_eq!(order.status(), OrderStatus::PendingCancel, "the cancel is still wanted");
}

#[test]
fn an_order_known_to_be_open_must_be_missed_for_a_whole_fence() {
    let mut order = order_in(From::Open);
    let missed = |asked_at| Outcome::NotFound { asked_at: Nanos(asked_at) };
    order.apply(&at(missed(9_000), 9_010)).unwrap();
    assert!(order.is_unknown() && !order.is_closed());
    order.apply(&at(missed(9_900), 9_910)).unwrap();
    assert!(!order.is_closed());
    order.apply(&at(missed(10_010), 10_020)).unwrap();
    assert!(order.is_closed());
}

#[test]
fn another_process_knows_nothing_of_what_was_in_flight() {
    for (from, unknown) in [
        (From::Sent, true),
        (From::OpenCancel, true),
        (From::OpenReplace, true),
        (From::Open, false),
        (From::Filled, false),
    ] {
        let mut order = order_in(from);
        order.apply_reopened(Nanos(50));
        assert_eq!(order.is_unknown(), unknown, "{from:?}");
        if let enigma_trading::orders::Certainty::Unknown { fence, .. } = order.certainty {
            assert_eq!(fence, Nanos(1_050));
        }
    }
}
