//! A venue that tells no positions takes its fee out of what is bought.

use std::sync::Arc;

use enigma_trading::desk::{Actions, Desk, DeskSettings};
use enigma_trading::journal::NoProbe;
use enigma_trading::record::Record;
use enigma_types::{
    Amount, ClientOrderId, ExecutionReport, Fill, Instrument, InstrumentTable, Liquidity, Nanos,
    Now, OrderReference, Outcome, Price, Quantity, Report, Side, StrategyId, TradeId, UnixNanos,
    VenueId, VenueOrderId,
};

use crate::bench::{ACCOUNT, BTC, MemoryJournal, TestDesk, instrument, settings};

fn spot_desk(log: MemoryJournal) -> TestDesk {
    let venue = VenueId::BinanceSpot;
    let mut table = InstrumentTable::default();
    table.add(Instrument { venue, ..instrument("BTCUSDT") }).unwrap();
    let settings = DeskSettings { accounts: vec![(ACCOUNT, venue)], ..settings() };
    Desk::new(settings, Arc::new(table), log, NoProbe).unwrap()
}

fn bought_one(fee_asset: &str) -> Report {
    let fill = Fill {
        trade_id: TradeId(1),
        side: Side::Buy,
        price: Price(999),
        quantity: Quantity(1_000),
        liquidity: Liquidity::Taker,
        fee: Some(Amount::parse(b"0.001").unwrap()),
        fee_asset: fee_asset.parse().unwrap(),
    };
    Report::Execution(ExecutionReport {
        account: ACCOUNT,
        instrument: BTC,
        order: OrderReference::Ours(ClientOrderId::new(7).unwrap()),
        venue_order_id: VenueOrderId(7),
        outcome: Outcome::Fill(fill),
        venue_time: UnixNanos(9),
        received_at: Nanos(9),
    })
}

#[track_caller]
fn check(fee_asset: &str, held: i64) {
    let now = Now { mono: Nanos(9), wall: UnixNanos(9), venue_offset_ns: 0 };
    let log = MemoryJournal::default();
    let mut desk = spot_desk(log.clone());
    desk.open(now, 1);
    desk.handle_report(now, &bought_one(fee_asset), &mut Actions::new());
    let mut again = spot_desk(MemoryJournal::default());
    for (at, bytes) in &log.0.borrow().records {
        again.replay(*at, &Record::decode(bytes).unwrap()).unwrap();
    }
    assert_eq!(again.digest(), desk.digest(), "a replay gives the same state");
    for desk in [desk, again] {
        let (positions, risk) = (desk.positions(), desk.risk());
        assert_eq!(positions.held(ACCOUNT, BTC).0, held);
        assert_eq!(positions.traded(StrategyId::MANUAL, BTC).0, held);
        assert_eq!(risk.exposure(ACCOUNT, BTC).position.0, held, "no more can be sold");
        assert_eq!(risk.strategy_exposure(StrategyId::MANUAL, BTC).position.0, held);
    }
}

#[test]
fn what_is_held_is_what_was_bought_less_the_fee_taken_of_it() {
    check("BASE", 999);
    check("USDT", 1_000);
    check("BNB", 1_000);
}
