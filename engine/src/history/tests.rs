//! A journal in, what changed out: whole, and the same in whatever stretches it is read.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_trading::journal::Journal as _;
use enigma_types::{
    Amount, Asset, ExecutionReport, Fill, Liquidity, Mode, Nanos, Now, OrderReference,
    OrderRequest, Outcome, Price, Quantity, Report, ReportSource, RequestKind, Scale, Side,
    StrategyState, TimeInForce, VenueId, WorkingOrder, WorkingStatus,
};

use super::*;
use crate::journal::testing::Folder;
use crate::journal::{DataDirectory, OpenJournal};
use crate::snapshot::OrderState;

const ACCOUNT: AccountId = AccountId(0);
const BTC: InstrumentId = InstrumentId(0);
const QUOTER: StrategyId = StrategyId(1);

/// A journal of these records on disk, and what follows it.
struct Bench {
    _folder: Folder,
    source: HistorySource,
    records: u64,
}

impl Bench {
    fn new(records: &[Record<'_>]) -> Self {
        let folder = Folder::new();
        let directory = DataDirectory::open(&folder.path).unwrap();
        let mut journal = OpenJournal::open(&directory, &folder.settings(), |_| {}).unwrap();
        let prefix = directory.prefix();
        for (at, record) in (1..).zip(records) {
            let now = Now { mono: Nanos(at), wall: UnixNanos(at * 10), venue_offset_ns: 0 };
            journal.producer.append(now, record).unwrap();
        }
        journal.writer.finish();
        let fold = FoldSettings {
            fence: Nanos::from_secs(15),
            venues: vec![VenueId::BinanceUsdm],
            trades: 1_024,
            max_strategies: 8,
        };
        let source = HistorySource { data_dir: folder.path.clone(), fold };
        assert_eq!(source.installation().unwrap(), prefix);
        Self { _folder: folder, source, records: records.len() as u64 }
    }

    /// Everything that changed, read in stretches of this length.
    fn read(&self, stretch: usize) -> (History, Vec<Changes>) {
        let mut history = self.source.open();
        let mut all = Vec::new();
        loop {
            let changes = history.read(self.records, stretch).unwrap();
            if changes.records == 0 {
                return (history, all);
            }
            all.push(changes);
        }
    }
}

fn opening() -> Vec<Record<'static>> {
    vec![
        Record::Opened { run: 1, prefix: InstallationPrefix::from_number(5) },
        Record::Instrument {
            id: BTC,
            price_scale: Scale::new(2).unwrap(),
            quantity_scale: Scale::new(3).unwrap(),
            name: "binance_usdm:BTCUSDT",
        },
        strategy("quoter-btc"),
        Record::StrategyState {
            id: QUOTER,
            state: StrategyState::Stopped,
            mode: Mode::Simulated,
            reason: "",
        },
    ]
}

fn strategy(name: &str) -> Record<'static> {
    let json = match name {
        "quoter-btc" => {
            r#"{"id":"quoter-btc","kind":"quoter","instruments":["binance_usdm:BTCUSDT"],
            "parameters":{"quantity":"0.01","max_position":"1","half_spread_ticks":3}}"#
        }
        _ => {
            r#"{"id":"second","kind":"quoter","instruments":["binance_usdm:BTCUSDT"],
            "parameters":{"quantity":"0.01","max_position":"1","half_spread_ticks":3}}"#
        }
    };
    Record::Strategy { id: QUOTER, json }
}

fn id(number: u64) -> ClientOrderId {
    ClientOrderId::new(number).unwrap()
}

fn submit(number: u64) -> Record<'static> {
    let order = OrderRequest {
        client_order_id: id(number),
        account: ACCOUNT,
        instrument: BTC,
        side: Side::Buy,
        time_in_force: TimeInForce::Gtc,
        price: Price(6_000_000),
        quantity: Quantity(10),
        reduce_only: false,
    };
    Record::Submit { strategy: QUOTER, order }
}

fn report(order: OrderReference, venue_id: u64, outcome: Outcome) -> Record<'static> {
    Record::Report(Report::Execution(ExecutionReport {
        account: ACCOUNT,
        instrument: BTC,
        order,
        venue_order_id: VenueOrderId(venue_id),
        outcome,
        venue_time: UnixNanos(3),
        received_at: Nanos(3),
    }))
}

fn ours(number: u64, outcome: Outcome) -> Record<'static> {
    report(OrderReference::Ours(id(number)), number + 100, outcome)
}

fn by_venue_id(number: u64, outcome: Outcome) -> Record<'static> {
    report(OrderReference::External(Default::default()), number + 100, outcome)
}

fn fill(trade: u64, quantity: i64) -> Outcome {
    Outcome::Fill(Fill {
        trade_id: TradeId(trade),
        side: Side::Buy,
        price: Price(6_000_000),
        quantity: Quantity(quantity),
        liquidity: Liquidity::Maker,
        fee: Some(Amount::parse(b"0.012").unwrap()),
        fee_asset: Asset::from("USDT").unwrap(),
    })
}

fn open() -> Outcome {
    let working = WorkingOrder {
        status: WorkingStatus::Open,
        side: Side::Buy,
        price: Price(6_000_000),
        quantity: Quantity(10),
        filled: Quantity(0),
        time_in_force: TimeInForce::Gtc,
        reduce_only: false,
    };
    Outcome::Working(working, ReportSource::Response(RequestKind::Submit))
}

/// Trade id, order and strategy's name of each execution that was told.
fn told(all: &[Changes]) -> Vec<(u64, Option<u64>, Option<String>)> {
    let executions = all.iter().flat_map(|changes| &changes.executions);
    executions
        .map(|execution| {
            let order = execution.fill.client_order_id.map(ClientOrderId::get);
            (execution.fill.fill.trade_id.0, order, execution.strategy.clone())
        })
        .collect()
}

#[test]
fn a_fill_is_told_once_and_again_when_its_order_becomes_known() {
    let mut records = opening();
    records.extend([
        submit(1),
        by_venue_id(1, fill(50, 4)),
        by_venue_id(9, fill(51, 1)),
        by_venue_id(1, fill(50, 4)),
        ours(1, open()),
        ours(1, fill(52, 6)),
    ]);
    let bench = Bench::new(&records);
    let name = || Some("quoter-btc".to_owned());
    for stretch in [1, 2, 3, 100] {
        let (history, all) = bench.read(stretch);
        let expected =
            [(50, None, None), (51, None, None), (50, Some(1), name()), (52, Some(1), name())];
        assert_eq!(told(&all), expected, "in stretches of {stretch}");
        let again: Vec<u64> = all
            .iter()
            .flat_map(|changes| &changes.executions)
            .filter(|execution| execution.fill.fill.trade_id == TradeId(50))
            .map(|execution| execution.sequence)
            .collect();
        assert_eq!(again, [6, 6], "a claimed fill stays where it was told first");
        let moves = all.iter().flat_map(|changes| &changes.moves);
        let moves: Vec<u64> = moves
            .filter_map(|step| match step {
                Move::Filled(execution) => Some(execution.fill.fill.trade_id.0),
                Move::Bequeathed { .. } => None,
            })
            .collect();
        assert_eq!(moves, [50, 52], "a stranger's fill moves no strategy's books");
        let view = history.order(id(1)).unwrap();
        assert_eq!((view.state, view.filled.0), (OrderState::Filled, 10));
        assert_eq!(all.iter().map(|changes| changes.records).sum::<usize>(), records.len());
        assert_eq!(all.last().unwrap().last.unwrap().sequence, records.len() as u64);
    }
}

#[test]
fn orders_keep_the_name_of_a_strategy_whose_number_another_one_got() {
    let mut records = opening();
    records.extend([
        submit(1),
        ours(1, fill(50, 10)),
        Record::StrategyRemoved { id: QUOTER },
        strategy("second"),
        submit(2),
        ours(2, fill(51, 10)),
    ]);
    let bench = Bench::new(&records);
    for stretch in [1, 4, 100] {
        let (history, all) = bench.read(stretch);
        let names = all.iter().fold(BTreeMap::new(), |mut names, changes| {
            for (id, name) in &changes.orders {
                names.entry(id.get()).or_insert_with(|| name.clone());
            }
            names
        });
        assert_eq!(names[&1], "quoter-btc", "in stretches of {stretch}");
        assert_eq!(names[&2], "second");
        let fills: Vec<_> = told(&all).into_iter().map(|(_, _, name)| name.unwrap()).collect();
        assert_eq!(fills, ["quoter-btc", "second"]);
        let removed: Vec<_> = all.iter().flat_map(|changes| &changes.removed).collect();
        assert_eq!(removed.len(), 1);
        assert_eq!((removed[0].0.spec.id.as_str(), removed[0].1), ("quoter-btc", UnixNanos(70)));
        assert_eq!(history.strategy(QUOTER).unwrap().spec.id.as_str(), "second");
    }
}

#[test]
fn what_operators_set_is_told_with_its_instant() {
    let mut records = opening();
    records.extend([
        Record::KillSwitch { engaged: true, reason: "fire" },
        Record::Limits { json: r#"{"max_open_orders":7}"# },
    ]);
    let (history, all) = Bench::new(&records).read(100);
    assert_eq!((all[0].kill_switch, all[0].limits), (Some(UnixNanos(50)), Some(UnixNanos(60))));
    assert_eq!(history.model().kill.reason, "fire");
}
