//! The journal's binary form: every record comes back as it was written, and bytes that are no
//! record are refused.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use arrayvec::ArrayString;
use enigma_trading::record::{Record, RecordError, RecordTooLarge};
use enigma_types::{
    AccountId, Amount, BalanceReport, CancelRequest, ClientOrderId, ExecutionReport, Fill,
    InstallationPrefix, InstrumentId, Liquidity, Mode, Nanos, NotSentCause, OrderIntent,
    OrderReference, OrderRequest, OrderType, Outcome, PositionReport, Price, Quantity, Query,
    QueryReport, RejectClass, RejectReason, ReplaceRequest, Report, ReportSource, RequestKind,
    Scale, SessionChange, SessionKind, SessionState, Side, SignedQuantity, StrategyId,
    StrategyResult, StrategyState, TimeInForce, TradeId, UnixNanos, UnknownCause, VenueId,
    VenueOrderId, WorkingOrder, WorkingStatus,
};
use proptest::prelude::*;
use proptest::sample::select;

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];
const KINDS: [RequestKind; 3] = [RequestKind::Submit, RequestKind::Cancel, RequestKind::Replace];
const TIMES: [TimeInForce; 4] =
    [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::PostOnly];
const STATUSES: [WorkingStatus; 6] = [
    WorkingStatus::Open,
    WorkingStatus::Filled,
    WorkingStatus::Canceled,
    WorkingStatus::Expired,
    WorkingStatus::Rejected,
    WorkingStatus::Unrecognised,
];
const CLASSES: [RejectClass; 13] = [
    RejectClass::WouldCross,
    RejectClass::NotFillable,
    RejectClass::InsufficientMargin,
    RejectClass::Filter,
    RejectClass::RateLimit,
    RejectClass::Authentication,
    RejectClass::ClockSkew,
    RejectClass::DuplicateId,
    RejectClass::NoSuchOrder,
    RejectClass::ReduceOnly,
    RejectClass::AccountMode,
    RejectClass::VenueUnavailable,
    RejectClass::Other,
];
const NOT_SENT: [NotSentCause; 7] = [
    NotSentCause::Barrier,
    NotSentCause::SessionDown,
    NotSentCause::Full,
    NotSentCause::RateLimit,
    NotSentCause::Encoding,
    NotSentCause::ConnectionEnded,
    NotSentCause::Overdue,
];
const UNKNOWN: [UnknownCause; 4] = [
    UnknownCause::Timeout,
    UnknownCause::Disconnected,
    UnknownCause::VenueUnsure,
    UnknownCause::Unreadable,
];
const SESSIONS: [SessionState; 5] = [
    SessionState::Down,
    SessionState::Connecting,
    SessionState::Syncing,
    SessionState::Ready,
    SessionState::Stale,
];

fn id() -> impl Strategy<Value = ClientOrderId> {
    (1_u64..ClientOrderId::LIMIT).prop_map(|id| ClientOrderId::new(id).unwrap())
}

fn order() -> impl Strategy<Value = OrderRequest> {
    let parts = (any::<u16>(), any::<u16>(), any::<i64>(), any::<i64>(), any::<bool>());
    (id(), select(&SIDES[..]), select(&TIMES[..]), parts).prop_map(
        |(client_order_id, side, time_in_force, parts)| OrderRequest {
            client_order_id,
            account: AccountId(parts.0),
            instrument: InstrumentId(parts.1),
            side,
            time_in_force,
            price: Price(parts.2),
            quantity: Quantity(parts.3),
            reduce_only: parts.4,
        },
    )
}

fn working() -> impl Strategy<Value = WorkingOrder> {
    (order(), select(&STATUSES[..]), any::<i64>()).prop_map(|(order, status, filled)| {
        WorkingOrder {
            status,
            side: order.side,
            price: order.price,
            quantity: order.quantity,
            filled: Quantity(filled),
            time_in_force: order.time_in_force,
            reduce_only: order.reduce_only,
        }
    })
}

fn fill() -> impl Strategy<Value = Fill> {
    let fee = proptest::option::of(any::<i128>().prop_map(Amount));
    (any::<u64>(), order(), any::<bool>(), fee).prop_map(|(trade_id, order, maker, fee)| Fill {
        trade_id: TradeId(trade_id),
        side: order.side,
        price: order.price,
        quantity: order.quantity,
        liquidity: if maker { Liquidity::Maker } else { Liquidity::Taker },
        fee,
        fee_asset: ArrayString::from("USDT").unwrap(),
    })
}

fn source() -> impl Strategy<Value = ReportSource> {
    prop_oneof![
        Just(ReportSource::Stream),
        select(&KINDS[..]).prop_map(ReportSource::Response),
        any::<u64>().prop_map(|at| ReportSource::Query { asked_at: Nanos(at) }),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let reason = (select(&CLASSES[..]), any::<i32>(), "[ -~]{0,96}")
        .prop_map(|(class, code, text)| RejectReason::new(class, code, text.as_bytes()));
    prop_oneof![
        select(&KINDS[..]).prop_map(Outcome::Acknowledged),
        (working(), source()).prop_map(|(order, source)| Outcome::Working(order, source)),
        fill().prop_map(Outcome::Fill),
        (select(&KINDS[..]), reason).prop_map(|(kind, reason)| Outcome::Rejected(kind, reason)),
        (select(&KINDS[..]), select(&NOT_SENT[..]))
            .prop_map(|(kind, cause)| Outcome::NotSent(kind, cause)),
        (select(&KINDS[..]), select(&UNKNOWN[..]))
            .prop_map(|(kind, cause)| Outcome::Unknown(kind, cause)),
        any::<u64>().prop_map(|at| Outcome::NotFound { asked_at: Nanos(at) }),
    ]
}

fn execution() -> impl Strategy<Value = ExecutionReport> {
    let reference = prop_oneof![
        id().prop_map(OrderReference::Ours),
        "[ -~]{0,40}".prop_map(|text| OrderReference::External(ArrayString::from(&text).unwrap())),
    ];
    (reference, outcome(), any::<[u64; 3]>(), any::<[u16; 2]>()).prop_map(
        |(order, outcome, times, places)| ExecutionReport {
            account: AccountId(places[0]),
            instrument: InstrumentId(places[1]),
            order,
            venue_order_id: VenueOrderId(times[0]),
            outcome,
            venue_time: UnixNanos(times[1]),
            received_at: Nanos(times[2]),
        },
    )
}

fn query() -> impl Strategy<Value = Query> {
    (0..4, any::<[u16; 2]>(), id(), proptest::option::of(any::<u64>()), any::<u64>()).prop_map(
        |(kind, places, client_order_id, from, since)| {
            let (account, instrument) = (AccountId(places[0]), InstrumentId(places[1]));
            match kind {
                0 => Query::Order { account, instrument, client_order_id },
                1 => Query::OpenOrders { account },
                2 => Query::Fills {
                    account,
                    instrument,
                    from_trade: from.map(TradeId),
                    since: UnixNanos(since),
                },
                _ => Query::Account { account },
            }
        },
    )
}

fn report() -> impl Strategy<Value = Report> {
    let numbers = (any::<u16>(), any::<u16>(), any::<i64>(), any::<u64>());
    let optional = (proptest::option::of(any::<i64>()), proptest::option::of(any::<u64>()));
    prop_oneof![
        execution().prop_map(Report::Execution),
        (numbers, proptest::option::of(any::<i128>())).prop_map(|(n, available)| {
            Report::Balance(BalanceReport {
                account: AccountId(n.0),
                asset: ArrayString::from("BNB").unwrap(),
                wallet: Amount(i128::from(n.2)),
                available: available.map(Amount),
                venue_time: UnixNanos(n.3),
            })
        }),
        (numbers, optional).prop_map(|(n, (entry, asked))| {
            Report::Position(PositionReport {
                account: AccountId(n.0),
                instrument: InstrumentId(n.1),
                quantity: SignedQuantity(n.2),
                entry_price: entry.map(Price),
                venue_time: UnixNanos(n.3),
                asked_at: asked.map(Nanos),
            })
        }),
        (query(), any::<u64>(), any::<bool>()).prop_map(|(query, at, complete)| {
            Report::Query(QueryReport { query, asked_at: Nanos(at), complete })
        }),
    ]
}

#[track_caller]
fn check_round_trip(record: &Record<'_>) {
    let mut buffer = [0; Record::MAX_BYTES];
    let length = record.encode(&mut buffer).unwrap();
    let bytes = &buffer[..length];
    assert_eq!(Record::decode(bytes).as_ref(), Ok(record));
    let short = Record::decode(&bytes[..length - 1]);
    assert!(matches!(short, Err(RecordError::Truncated(_) | RecordError::Invalid(_))), "{short:?}");
    assert_eq!(record.encode(&mut buffer[..length - 1]), Err(RecordTooLarge));
}

proptest! {
    #[test]
    fn every_record_is_read_back_as_it_was_written(
        text in "\\PC{0,200}",
        numbers in any::<(u32, u16, u8, i64, i64, bool)>(),
        strategy_state in select(&StrategyState::ALL[..]),
        session in (select(&SessionKind::ALL[..]), select(&SESSIONS[..])),
        order in order(),
        report in report(),
    ) {
        let (run, number, check, limit, value, engaged) = numbers;
        let (id, account) = (StrategyId(number), AccountId(number));
        let (kind, state) = session;
        let change = SessionChange {
            venue: VenueId::BinanceUsdm,
            account,
            kind,
            state,
            at: Nanos(u64::from(run)),
        };
        let scale = Scale::new(check % 13).unwrap();
        let intent = OrderIntent {
            strategy: id,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            order_type: if engaged { OrderType::Limit } else { OrderType::Market },
            time_in_force: order.time_in_force,
            price: order.price,
            quantity: order.quantity,
            reduce_only: order.reduce_only,
        };
        let cancel = CancelRequest {
            client_order_id: order.client_order_id,
            account,
            instrument: order.instrument,
            venue_order_id: VenueOrderId(u64::from(run)),
        };
        let replace = ReplaceRequest {
            client_order_id: order.client_order_id,
            account,
            instrument: order.instrument,
            venue_order_id: VenueOrderId(u64::from(run)),
            side: order.side,
            price: order.price,
            quantity: order.quantity,
        };
        let mode = if engaged { Mode::Simulated } else { Mode::Live };
        let (text, instrument) = (text.as_str(), order.instrument);
        let result = StrategyResult {
            executed: order.quantity,
            remaining: Quantity(limit),
            average_price: Amount(i128::from(value) << 40),
        };
        for record in [
            Record::Opened { run, prefix: InstallationPrefix::from_number(run) },
            Record::Instrument {
                id: instrument,
                price_scale: scale,
                quantity_scale: scale,
                name: text,
            },
            Record::BaseAsset { instrument, asset: "BTC".parse().unwrap() },
            Record::Lease { block: run },
            Record::Strategy { id, json: text },
            Record::StrategyState { id, state: strategy_state, mode, reason: text },
            Record::StrategyRemoved { id },
            Record::Submit { strategy: id, order },
            Record::Cancel(cancel),
            Record::Replace(replace),
            Record::Report(report),
            Record::RiskRejection { intent, check, limit, value },
            Record::Limits { json: text },
            Record::KillSwitch { engaged, reason: text },
            Record::Session(change),
            Record::Reconciled { account, differences: run },
            Record::Difference { account, text },
            Record::StrategyResult { id, result },
        ] {
            check_round_trip(&record);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::decode(&bytes);
    }
}

#[test]
fn an_unknown_kind_is_an_error_and_never_skipped() {
    for kind in (0..=u8::MAX).filter(|kind| !(1..=18).contains(kind)) {
        assert_eq!(Record::decode(&[kind, 0, 0, 0]), Err(RecordError::UnknownKind(kind)));
    }
    assert_eq!(Record::decode(&[]), Err(RecordError::Truncated("u8")));
}

#[test]
fn what_follows_a_record_is_an_error() {
    let mut buffer = [0; 64];
    let length = Record::Lease { block: 7 }.encode(&mut buffer).unwrap();
    assert_eq!(Record::decode(&buffer[..length + 2]), Err(RecordError::Trailing(2)));
}

#[test]
fn the_longest_text_fits_and_a_longer_record_is_refused() {
    let mut buffer = vec![0; 2 * Record::MAX_BYTES];
    let text = "x".repeat(Record::MAX_TEXT);
    assert!(Record::Limits { json: &text }.encode(&mut buffer).is_ok());
    let text = "x".repeat(Record::MAX_BYTES);
    assert_eq!(Record::Limits { json: &text }.encode(&mut buffer), Err(RecordTooLarge));
}
