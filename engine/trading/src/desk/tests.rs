//! Tests that need a strategy which no operator can make: one that panics.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;

use enigma_types::{
    AccountId, BookTop, ExecutionReport, InstallationPrefix, InstrumentId, InstrumentTable, Level,
    Nanos, Now, OrderReference, Outcome, Price, Quantity, Query, QueryReport, Report, RequestKind,
    RiskLimits, SessionChange, SessionKind, SessionState, StrategyKind, StrategyState, UnixNanos,
    VenueId, VenueOrderId, VenueRequest,
};

use super::registry::{Event, Machine};
use super::{Actions, Desk, DeskSettings};
use crate::command::DeskCommand;
use crate::journal::{Journal, JournalFull, NoProbe};
use crate::record::Record;
use crate::strategy::scene;

/// A journal that forgets.
#[derive(Debug)]
struct NoJournal;

impl Journal for NoJournal {
    fn append(&mut self, _now: Now, _record: &Record<'_>) -> Result<(), JournalFull> {
        Ok(())
    }

    fn accepts_orders(&self) -> bool {
        true
    }
}

const NOW: Now =
    Now { mono: Nanos::from_secs(9), wall: UnixNanos::from_millis(9), venue_offset_ns: 0 };

fn ready_desk(actions: &mut Actions) -> Desk<NoJournal, NoProbe> {
    let mut table = InstrumentTable::default();
    table.add(scene::instrument()).unwrap();
    let venue = VenueId::BinanceUsdm;
    let accounts = vec![(AccountId(0), venue)];
    let prefix = InstallationPrefix::from_number(7);
    let settings = DeskSettings::new(prefix, accounts, RiskLimits::default());
    let mut desk = Desk::new(settings, Arc::new(table), NoJournal, NoProbe).unwrap();
    desk.on_clock_offset(venue, 0, 0);
    desk.open(NOW, 1);
    for kind in SessionKind::ALL {
        let state = SessionState::Ready;
        let change = SessionChange { venue, account: AccountId(0), kind, state, at: NOW.mono };
        desk.on_session(NOW, change, actions);
    }
    while let Some(request) = actions.requests.pop() {
        let VenueRequest::Query(query) = request else { continue };
        answer(&mut desk, query, actions);
    }
    desk
}

fn answer(desk: &mut Desk<NoJournal, NoProbe>, query: Query, actions: &mut Actions) {
    let report = Report::Query(QueryReport { query, asked_at: NOW.mono, complete: true });
    desk.handle_report(NOW, &report, actions);
}

fn show_book(desk: &mut Desk<NoJournal, NoProbe>, bid: i64, actions: &mut Actions) {
    let level = |price| [Level { price: Price(price), quantity: Quantity(100) }];
    let mut book = BookTop::empty(InstrumentId(0));
    book.received_at = NOW.mono;
    book.set_bids(level(bid));
    book.set_asks(level(bid + 2));
    desk.on_book(NOW, &book, actions);
}

#[test]
fn what_a_strategy_is_told_is_as_old_as_what_was_read_for_it() {
    let mut book = BookTop::empty(InstrumentId(0));
    book.received_at = Nanos::from_secs(7);
    assert_eq!(Event::Book.received_at(&book), Some(Nanos::from_secs(7)));
    let report = ExecutionReport {
        account: AccountId(0),
        instrument: InstrumentId(0),
        order: OrderReference::External(Default::default()),
        venue_order_id: VenueOrderId::default(),
        outcome: Outcome::Acknowledged(RequestKind::Submit),
        venue_time: UnixNanos(0),
        received_at: Nanos::from_secs(8),
    };
    assert_eq!(Event::Report(&report).received_at(&book), Some(Nanos::from_secs(8)));
}

#[test]
fn a_strategy_that_panics_falls_alone_and_its_orders_are_cancelled() {
    let mut actions = Actions::new();
    let mut desk = ready_desk(&mut actions);
    let quoter = |name: &str| {
        let parameters =
            enigma_types::Parameters { half_spread_ticks: Some(2), ..scene::parameters() };
        let spec = enigma_types::StrategySpec {
            id: name.try_into().unwrap(),
            ..scene::spec(StrategyKind::Quoter, parameters)
        };
        let json = serde_json::to_string(&spec).unwrap().into();
        (spec.id, DeskCommand::Create { spec: Box::new(spec), json })
    };
    let mode = enigma_types::Mode::Simulated;
    let (bad, create) = quoter("bad");
    desk.handle_command(NOW, create, &mut actions).unwrap();
    let (good, create) = quoter("good");
    desk.handle_command(NOW, create, &mut actions).unwrap();
    for strategy in [bad, good] {
        let start = DeskCommand::Start { strategy, mode };
        desk.handle_command(NOW, start, &mut actions).unwrap();
    }
    show_book(&mut desk, 999, &mut actions);
    let bad_orders = desk.strategy(&bad).unwrap().open_orders().len();
    assert!(bad_orders > 0);
    actions.clear();

    let id = desk.strategy(&bad).unwrap().id;
    desk.state.strategies.get_mut(id).unwrap().machine = Machine::Panicking;
    show_book(&mut desk, 990, &mut actions);
    assert_eq!(desk.strategy(&bad).unwrap().state, StrategyState::Faulted);
    assert_eq!(desk.strategy(&good).unwrap().state, StrategyState::Running);
    assert_eq!(desk.counters().strategy_faults, 1);
    let cancels = actions
        .requests
        .iter()
        .filter(|request| matches!(request, VenueRequest::Cancel(_)))
        .count();
    assert_eq!(cancels, bad_orders);
    actions.clear();

    show_book(&mut desk, 980, &mut actions);
    assert_eq!(desk.counters().strategy_faults, 1, "it is asked no more");
    let start = DeskCommand::Start { strategy: bad, mode };
    desk.handle_command(NOW, start, &mut actions).unwrap();
    show_book(&mut desk, 970, &mut actions);
    assert_eq!(desk.strategy(&bad).unwrap().state, StrategyState::Running, "it begins afresh");
}
