//! Strategies with a task, on a desk: what they keep through a restart and how they come to their
//! end.

use enigma_trading::command::DeskCommand;
use enigma_types::{
    ClientOrderId, Mode, OrderRequest, Quantity, Query, ReportSource, Side, StrategyKind,
    StrategyName, StrategyState, VenueRequest, WorkingStatus,
};

use crate::bench::{BTC, Bench, fill, position};

fn start(bench: &mut Bench, kind: StrategyKind) -> StrategyName {
    let name = bench.create("task-1", kind);
    bench.command(DeskCommand::Start { strategy: name, mode: Mode::Simulated }).unwrap();
    bench.book(BTC, 999, 1_001);
    name
}

fn submits(bench: &mut Bench) -> Vec<OrderRequest> {
    let taken = bench.taken().into_iter();
    taken
        .filter_map(|request| match request {
            VenueRequest::Submit(order) => Some(order),
            VenueRequest::Cancel(_) | VenueRequest::Replace(_) | VenueRequest::Query(_) => None,
        })
        .collect()
}

/// What was asked for: side, price, quantity.
fn terms(orders: &[OrderRequest]) -> Vec<(Side, i64, i64)> {
    orders.iter().map(|order| (order.side, order.price.0, order.quantity.0)).collect()
}

fn end(bench: &mut Bench, id: ClientOrderId, status: WorkingStatus, filled: i64) {
    let outcome = bench.working(id, status, filled, ReportSource::Stream);
    bench.tell(id, outcome);
}

/// Another process takes over; the venue confirms the end of everything that was open.
fn restart(bench: &mut Bench) {
    bench.restart();
    bench.connect();
    let open: Vec<_> = bench.desk.orders().iter().map(|order| order.client_order_id).collect();
    for id in open {
        end(bench, id, WorkingStatus::Canceled, 0);
    }
    let (held, now) = (bench.held(), bench.now);
    bench.answer_with(|query| match query {
        Query::Account { .. } => vec![position(held, now)],
        Query::Order { .. } | Query::OpenOrders { .. } | Query::Fills { .. } => Vec::new(),
    });
    bench.book(BTC, 999, 1_001);
    bench.actions.clear();
}

fn state(bench: &Bench, name: StrategyName) -> StrategyState {
    bench.desk.strategy(&name).unwrap().state
}

/// Executed and remaining.
fn result(bench: &Bench, name: StrategyName) -> (Quantity, Quantity) {
    let result = bench.desk.strategy(&name).unwrap().result().unwrap();
    (result.executed, result.remaining)
}

#[test]
fn a_twap_keeps_its_progress_through_a_restart_and_stops_by_itself() {
    let mut bench = Bench::ready();
    let name = start(&mut bench, StrategyKind::Twap);
    let first = submits(&mut bench);
    assert_eq!(terms(&first), [(Side::Buy, 1_003, 10)]);
    bench.tell(first[0].client_order_id, fill(1, Side::Buy, 10));
    assert_eq!(result(&bench, name), (Quantity(10), Quantity(10)));
    assert_eq!(bench.count_records("StrategyResult"), 2, "one at the start, one for the fill");

    restart(&mut bench);
    assert_eq!(state(&bench, name), StrategyState::Paused);
    assert_eq!(result(&bench, name), (Quantity(10), Quantity(10)));
    bench.command(DeskCommand::Resume { strategy: name }).unwrap();
    bench.pass_ms(1_000);
    bench.book(BTC, 999, 1_001);
    assert!(submits(&mut bench).is_empty(), "this slice is done");
    bench.pass_ms(29_000);
    bench.book(BTC, 999, 1_001);
    let second = submits(&mut bench);
    assert_eq!(terms(&second), [(Side::Buy, 1_003, 10)]);
    bench.tell(second[0].client_order_id, fill(2, Side::Buy, 10));
    assert_eq!(state(&bench, name), StrategyState::Stopped);
    assert_eq!(result(&bench, name), (Quantity(20), Quantity::ZERO));
    let records = bench.records();
    let last = records.iter().rfind(|record| record.starts_with("Ok(StrategyState")).unwrap();
    assert!(last.contains("Stopped") && last.contains("completed"), "{last}");
    restart(&mut bench);
    assert_eq!(state(&bench, name), StrategyState::Stopped);
    assert_eq!(result(&bench, name), (Quantity(20), Quantity::ZERO));
}

#[test]
fn a_twap_whose_time_is_up_is_stopped_by_the_timer_alone() {
    let mut bench = Bench::ready();
    let name = start(&mut bench, StrategyKind::Twap);
    let sent = submits(&mut bench);
    let id = sent[0].client_order_id;
    bench.tell_open(id);
    bench.pass_ms(30_000);
    bench.pass_ms(30_000);
    assert_eq!(state(&bench, name), StrategyState::Stopping);
    assert_eq!(bench.cancels(), [id]);
    bench.tell(id, fill(1, Side::Buy, 4));
    end(&mut bench, id, WorkingStatus::Canceled, 4);
    assert_eq!(state(&bench, name), StrategyState::Stopped);
    assert_eq!(result(&bench, name), (Quantity(4), Quantity(16)));
    let records = bench.records();
    assert!(records.iter().any(|record| record.contains("the time is up")));
    let told = records.iter().rfind(|record| record.starts_with("Ok(StrategyResult")).unwrap();
    assert!(told.contains("executed: Quantity(4), remaining: Quantity(16)"), "{told}");
}

#[test]
fn a_twap_counts_an_order_that_nobody_answers_for_as_filled() {
    let mut bench = Bench::ready();
    let name = start(&mut bench, StrategyKind::Twap);
    assert_eq!(submits(&mut bench).len(), 1);
    bench.pass_ms(29_000);
    bench.book(BTC, 999, 1_001);
    bench.pass_ms(2_000);
    bench.book(BTC, 999, 1_001);
    assert!(submits(&mut bench).is_empty(), "the first child is Unknown");
    assert_eq!(state(&bench, name), StrategyState::Running);
}

#[test]
fn starting_a_finished_twap_again_begins_a_new_parent_order() {
    let mut bench = Bench::ready();
    let name = start(&mut bench, StrategyKind::Twap);
    let id = submits(&mut bench)[0].client_order_id;
    bench.tell(id, fill(1, Side::Buy, 10));
    bench.command(DeskCommand::Stop { strategy: name }).unwrap();
    assert_eq!(state(&bench, name), StrategyState::Stopped);
    bench.pass_ms(1_000);
    bench.command(DeskCommand::Start { strategy: name, mode: Mode::Simulated }).unwrap();
    assert_eq!(result(&bench, name), (Quantity::ZERO, Quantity(20)));
    bench.book(BTC, 999, 1_001);
    assert_eq!(terms(&submits(&mut bench)), [(Side::Buy, 1_003, 10)]);
    bench.restart();
    assert_eq!(result(&bench, name), (Quantity::ZERO, Quantity(20)));
}

#[test]
fn a_paused_twap_may_be_given_another_quantity() {
    let mut bench = Bench::ready();
    let name = start(&mut bench, StrategyKind::Twap);
    let id = submits(&mut bench)[0].client_order_id;
    bench.tell(id, fill(1, Side::Buy, 10));
    bench.command(DeskCommand::Pause { strategy: name }).unwrap();
    let mut spec = (*bench.desk.strategy(&name).unwrap().spec).clone();
    spec.parameters.quantity = Some(rust_decimal::Decimal::new(50, 3));
    let json = serde_json::to_string(&spec).unwrap().into();
    bench.command(DeskCommand::Update { spec: Box::new(spec), json }).unwrap();
    assert_eq!(result(&bench, name), (Quantity(10), Quantity(40)));
    bench.restart();
    assert_eq!(result(&bench, name), (Quantity(10), Quantity(40)));
}

#[test]
fn a_grid_rebuilds_its_levels_after_a_restart_and_doubles_none() {
    let mut bench = Bench::ready();
    let name = start(&mut bench, StrategyKind::Grid);
    let first = submits(&mut bench);
    let levels = [(Side::Buy, 1_000, 10), (Side::Buy, 990, 10), (Side::Buy, 980, 10)];
    assert_eq!(terms(&first), levels);
    for order in &first {
        bench.tell_open(order.client_order_id);
    }
    bench.tell_fill_at(first[0].client_order_id, 1, 1_000, 10);
    assert_eq!(terms(&submits(&mut bench)), [(Side::Sell, 1_010, 10)]);

    restart(&mut bench);
    bench.command(DeskCommand::Resume { strategy: name }).unwrap();
    bench.book(BTC, 999, 1_001);
    let again = [(Side::Sell, 1_010, 10), (Side::Buy, 990, 10), (Side::Buy, 980, 10)];
    assert_eq!(terms(&submits(&mut bench)), again);
    bench.pass_ms(1_000);
    bench.book(BTC, 999, 1_001);
    assert!(submits(&mut bench).is_empty());
}
