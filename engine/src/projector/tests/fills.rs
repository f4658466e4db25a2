//! What executions make of orders, positions, cash and fees.

use super::*;

#[test]
fn positions_cash_and_fees_follow_unique_fills() {
    let mut bench = Bench::new();
    bench.apply(&order(1, Side::Buy, 10));
    bench.apply(&order(2, Side::Sell, 10));
    for _ in 0..3 {
        bench.ours(1, fill(100, Side::Buy, 10));
        bench.ours(2, fill(101, Side::Sell, 4));
    }
    let strategy = bench.strategy();
    // 0.010 bought and 0.004 sold at 60,000.
    assert_eq!((strategy.position, strategy.fills), (SignedQuantity(6), 2));
    assert_eq!(strategy.cash, Amount::from_units(-360));
    let usdt = Asset::from("USDT").unwrap();
    let fees = Fees(vec![(usdt, Amount::parse(b"0.024").unwrap())]);
    assert_eq!((strategy.fees.of(&usdt), &strategy.fees), (fees.0[0].1, &fees));
    let position = &bench.model.positions[&(ACCOUNT, BTC)];
    assert_eq!(position.fees, fees);
    assert_eq!((position.quantity, position.fills), (SignedQuantity(6), 2));
    assert_eq!((position.bought, position.sold), (Quantity(10), Quantity(4)));
    assert_eq!(bench.model.fills.len(), 2);
    bench.check(1, OrderState::Filled, 10);
    bench.check(2, OrderState::PartiallyFilled, 4);
}

#[test]
fn a_fee_taken_in_what_was_bought_comes_off_the_position() {
    let mut bench = Bench::new();
    let btc = Asset::from("BTC").unwrap();
    bench.apply(&Record::BaseAsset { instrument: BTC, asset: btc });
    bench.apply(&order(1, Side::Buy, 1_000));
    let Outcome::Fill(told) = fill(100, Side::Buy, 1_000) else { unreachable!("it is a fill") };
    let fee = Some(Amount::parse(b"0.001").unwrap());
    bench.ours(1, Outcome::Fill(Fill { fee, fee_asset: btc, ..told }));
    let position = &bench.model.positions[&(ACCOUNT, BTC)];
    assert_eq!((position.quantity, position.bought), (SignedQuantity(999), Quantity(1_000)));
    assert_eq!(bench.strategy().position, SignedQuantity(999));
    bench.check(1, OrderState::Filled, 1_000);
}

#[test]
fn both_sides_of_a_trade_with_oneself_are_shown_and_each_finds_its_order() {
    let mut bench = Bench::new();
    bench.apply(&order(1, Side::Buy, 10));
    bench.apply(&order(2, Side::Sell, 10));
    let nameless = OrderReference::External(Default::default());
    for _ in 0..2 {
        bench.report(nameless, 77, fill(100, Side::Buy, 4));
        bench.report(nameless, 78, fill(100, Side::Sell, 4));
    }
    let position = &bench.model.positions[&(ACCOUNT, BTC)];
    assert_eq!((position.quantity, position.fills), (SignedQuantity(0), 2));
    bench.report(OrderReference::Ours(id(1)), 77, working(WorkingStatus::Open, 4));
    let owners = bench.model.fills.iter().map(|view| view.client_order_id).collect::<Vec<_>>();
    assert_eq!(owners, [Some(id(1)), None]);
    bench.check(1, OrderState::PartiallyFilled, 4);
    bench.check(2, OrderState::PendingNew, 0);
}

#[test]
fn a_fill_after_the_end_counts_and_raises_an_alert() {
    let mut bench = Bench::new();
    bench.apply(&order(1, Side::Buy, 10));
    bench.ours(1, working(WorkingStatus::Canceled, 0));
    bench.ours(1, fill(100, Side::Buy, 4));
    bench.check(1, OrderState::Canceled, 4);
    assert_eq!(bench.strategy().position, SignedQuantity(4));
    let alert = |event: &crate::snapshot::Event| matches!(event.kind, EventKind::Alert { .. });
    assert_eq!(bench.model.events.events.iter().filter(|event| alert(event)).count(), 1);
}

#[test]
fn a_fill_named_by_the_venues_id_finds_its_order_later() {
    let mut bench = Bench::new();
    bench.apply(&order(1, Side::Buy, 10));
    bench.report(OrderReference::External(Default::default()), 77, fill(100, Side::Buy, 4));
    assert_eq!(bench.strategy().fills, 0);
    assert_eq!(bench.model.fills[0].client_order_id, None);
    assert_eq!(bench.model.positions[&(ACCOUNT, BTC)].quantity, SignedQuantity(4));
    let outcome = working(WorkingStatus::Open, 4);
    bench.report(OrderReference::Ours(id(1)), 77, outcome);
    bench.check(1, OrderState::PartiallyFilled, 4);
    assert_eq!(bench.model.fills[0].client_order_id, Some(id(1)));
    assert_eq!(bench.model.positions[&(ACCOUNT, BTC)].quantity, SignedQuantity(4));
    assert_eq!(bench.strategy().position, SignedQuantity(4));
}
