//! What an operator's commands do to strategies and their orders.

use enigma_trading::command::{CancelScope, DeskCommand, Refusal};
use enigma_trading::orders::OrderStatus;
use enigma_types::{
    ClientOrderId, Mode, Outcome, ReportSource, RequestKind, Side, StrategyKind, StrategyState,
    UnknownCause, WorkingStatus,
};

use crate::bench::{ACCOUNT, BTC, Bench, fill, spec};

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
