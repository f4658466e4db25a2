//! Replays, restarts and lost journals.

use enigma_trading::command::{DeskCommand, Refusal};
use enigma_trading::desk::{Desk, ReplayError};
use enigma_trading::journal::NoProbe;
use enigma_trading::orders::OrderStatus;
use enigma_trading::record::Record;
use enigma_types::{
    InstallationPrefix, Outcome, Query, ReportSource, RequestKind, Scale, SessionKind,
    SessionState, Side, StrategyState, UnknownCause, WorkingStatus,
};

use crate::bench::{BTC, Bench, MemoryJournal, fill, replayed, settings, table};

#[test]
fn a_restart_knows_that_it_knows_nothing_of_what_was_in_flight() {
    let mut bench = Bench::ready();
    let open = bench.open_order();
    let sent = bench.place(Side::Buy, 10).unwrap();
    let cancelled = bench.open_order();
    bench.command(DeskCommand::Cancel { client_order_id: cancelled }).unwrap();
    bench.restart();
    assert_eq!(bench.status(open), Some(OrderStatus::Open));
    assert_eq!(bench.status(sent), Some(OrderStatus::Unknown));
    assert_eq!(bench.status(cancelled), Some(OrderStatus::Unknown));
    bench.connect();
    let mut asked: Vec<_> = bench
        .queries()
        .into_iter()
        .filter_map(|query| match query {
            Query::Order { client_order_id, .. } => Some(client_order_id),
            Query::OpenOrders { .. } | Query::Fills { .. } | Query::Account { .. } => None,
        })
        .collect();
    asked.sort();
    assert_eq!(asked, [sent, cancelled]);
    // The old process's clock means nothing: the fence begins anew.
    let early = bench.now.mono;
    bench.tell(sent, Outcome::NotFound { asked_at: early });
    assert_eq!(bench.status(sent), Some(OrderStatus::Unknown));
    bench.pass_ms(16_000);
    let past = bench.now.mono;
    bench.tell(sent, Outcome::NotFound { asked_at: past });
    assert_eq!(bench.status(sent), None);
}

#[test]
fn strategies_stand_paused_after_a_restart_and_their_orders_are_cancelled() {
    let mut bench = Bench::ready();
    let name = bench.quoting();
    let manual = bench.open_order();
    bench.restart();
    assert_eq!(bench.desk.strategy(&name).unwrap().state, StrategyState::Paused);
    assert_eq!(bench.cancels(), [], "no session yet");
    bench.connect();
    bench.pass_ms(200);
    let cancels = bench.cancels();
    assert_eq!(cancels.len(), 2);
    assert!(!cancels.contains(&manual), "the operator's orders are the operator's");
    bench.book(BTC, 999, 1_001);
    assert_eq!(bench.risky(), 0);
}

#[test]
fn a_kill_survives_the_process() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.command(DeskCommand::Kill { reason: "a test".into() }).unwrap();
    bench.restart();
    assert!(bench.desk.kill().engaged);
    assert_eq!(bench.desk.kill().reason, "a test");
    bench.connect();
    bench.answer_with(|query| match query {
        Query::Order { .. } | Query::OpenOrders { .. } => Vec::new(),
        Query::Fills { .. } | Query::Account { .. } => Vec::new(),
    });
    bench.book(BTC, 999, 1_001);
    assert_eq!(bench.place(Side::Buy, 10), Err(Refusal::Killed));
    let asked_at = bench.now.mono;
    let open = bench.working(id, WorkingStatus::Open, 0, ReportSource::Query { asked_at });
    bench.tell(id, open);
    bench.pass_ms(1_000);
    assert_eq!(bench.cancels(), [id], "the cancel is still wanted");
}

#[test]
fn a_cancel_that_was_only_asked_for_survives_the_process() {
    let mut bench = Bench::ready();
    let id = bench.open_order();
    bench.session(SessionKind::Order, SessionState::Down);
    bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
    bench.restart();
    bench.connect();
    bench.pass_ms(200);
    assert_eq!(bench.cancels(), [id]);
}

#[test]
fn ids_never_repeat_across_restarts_or_a_lost_journal() {
    let mut used = std::collections::BTreeSet::new();
    let mut bench = Bench::ready();
    for _ in 0..4 {
        for _ in 0..5 {
            bench.book(BTC, 999, 1_001);
            assert!(used.insert(bench.place(Side::Buy, 1).unwrap()));
        }
        bench.restart();
        bench.connect();
        bench.answer_all();
    }
    let wall = bench.now.wall;
    let mut lost = Bench::cold();
    lost.now.wall = enigma_types::UnixNanos(wall.0 + 5_000_000_000);
    // The data directory is gone and the clock has gone on.
    let log = MemoryJournal::default();
    lost.desk = Desk::new(settings(), table(), log, NoProbe).unwrap();
    lost.desk.on_clock_offset(crate::bench::VENUE, 0, 0);
    lost.desk.open(lost.now, 1);
    lost.connect();
    lost.answer_all();
    lost.book(BTC, 999, 1_001);
    for _ in 0..5 {
        assert!(used.insert(lost.place(Side::Buy, 1).unwrap()));
    }
}

#[test]
fn every_prefix_of_a_run_replays_to_the_state_it_had_then() {
    let mut bench = Bench::ready();
    let mut digests = vec![(bench.log.0.borrow().records.len(), bench.desk.digest())];
    let note = |bench: &Bench, digests: &mut Vec<(usize, u128)>| {
        digests.push((bench.log.0.borrow().records.len(), bench.desk.digest()));
    };
    bench.quoting();
    note(&bench, &mut digests);
    for step in 0..20 {
        let id = bench.place(if step % 2 == 0 { Side::Buy } else { Side::Sell }, 10).unwrap();
        note(&bench, &mut digests);
        match step % 5 {
            0 => bench.tell(id, Outcome::Unknown(RequestKind::Submit, UnknownCause::Timeout)),
            1 => bench.tell_open(id),
            2 => bench.tell(id, fill(step, Side::Buy, 10)),
            3 => {
                bench.command(DeskCommand::Cancel { client_order_id: id }).unwrap();
            }
            _ => bench.tell(id, fill(step, Side::Sell, 3)),
        }
        note(&bench, &mut digests);
        bench.book(BTC, 999 - (step % 4) as i64, 1_001);
        note(&bench, &mut digests);
        bench.pass_ms(1_500);
        note(&bench, &mut digests);
        bench.actions.clear();
    }
    let log = bench.log.0.borrow();
    let mut desk = Desk::new(settings(), table(), MemoryJournal::default(), NoProbe).unwrap();
    let mut expected = digests.into_iter().peekable();
    for (place, (at, bytes)) in log.records.iter().enumerate() {
        desk.replay(*at, &Record::decode(bytes).unwrap()).unwrap();
        while let Some((_, digest)) = expected.next_if(|(records, _)| *records == place + 1) {
            assert_eq!(desk.digest(), digest, "after record {place}");
        }
    }
    assert_eq!(expected.next(), None);
}

#[test]
fn a_journal_of_another_installation_or_another_table_is_refused() {
    let bench = Bench::ready();
    let mut desk = replayed(&bench.log, settings());
    let prefix = InstallationPrefix::from_number(1);
    let foreign = desk.replay(bench.now, &Record::Opened { run: 9, prefix });
    assert!(matches!(foreign, Err(ReplayError::ForeignPrefix { .. })), "{foreign:?}");
    let moved = Record::Instrument {
        id: BTC,
        price_scale: Scale::new(1).unwrap(),
        quantity_scale: Scale::new(3).unwrap(),
        name: "binance_usdm:ETHUSDT",
    };
    let moved = desk.replay(bench.now, &moved);
    assert!(matches!(moved, Err(ReplayError::InstrumentMoved { .. })), "{moved:?}");
    let broken = desk.replay(bench.now, &Record::Limits { json: "{" });
    assert!(matches!(broken, Err(ReplayError::Json { what: "limits", .. })), "{broken:?}");
}
