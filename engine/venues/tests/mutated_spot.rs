//! Broken bytes through every decoder and session of Binance spot: nothing panics, and the two
//! ways of reading a market message never read it differently. Recorded payloads are the seeds
//! where `ENIGMA_FIXTURES` has them; a few written here are always used.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test prints and may stop")]

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use enigma_signing::HmacSha256Key;
use enigma_types::{
    AccountId, Amount, Asset, ClientOrderId, InstallationPrefix, Instrument, InstrumentId,
    InstrumentTable, Nanos, Now, OrderRequest, Price, Quantity, Query, ReplaceRequest, Scale,
    SessionKind, Side, Symbol, TimeInForce, UnixNanos, VenueId, VenueOrderId,
};
use enigma_venues::binance::key_rights::decode_key_rights;
use enigma_venues::binance::spot::order_lists::decode_list;
use enigma_venues::binance::spot::{
    decode_account, decode_amended, decode_cancel_replace, decode_exchange_info, decode_market,
    decode_open_orders, decode_response, decode_snapshot, decode_trades, decode_user_event,
};
use enigma_venues::binance::usdm::symbols::SymbolTable;
use enigma_venues::binance::usdm::{DepthScratch, MarketMessage};
use enigma_venues::registry::{SessionPlan, VenueSession, open_session};
use enigma_venues::session::{Answer, Input, Outbox, Session};
use enigma_venues::signer::{BinanceSecret, BinanceSigner, Signer};
use enigma_venues::wire::json::RawValue;
use enigma_venues::wire::websocket::Transmit;
use proptest::prelude::*;

/// Payloads of the shapes that matter most, so that the test says something without fixtures.
const WRITTEN: [&str; 9] = [
    r#"{"stream":"btcusdt@bookTicker","data":{"u":512,"s":"BTCUSDT","b":"61800.20000000",
"B":"2.50700000","a":"61800.30000000","A":"2.51000000"}}"#,
    r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,
"u":110,"b":[["61800.20","0.014"],["61496.50","0.010"]],"a":[["61800.30","0.000"]]}}"#,
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":5266583935,
"p":"61800.30","q":"0.006","T":2,"m":false,"M":true}}"#,
    r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":
"deadbeef000000000007","S":"SELL","o":"LIMIT","f":"GTC","q":"0.01","p":"61800.20","C":"","x":
"TRADE","X":"FILLED","r":"NONE","i":8886774,"l":"0.01","z":"0.01","L":"61800.20","n":"0.01","N":
"BNB","T":2,"t":9,"w":true,"m":false,"M":false,"O":2}}"#,
    r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":2,"u":1,"B":[{"a":"BTC",
"f":"1.5","l":"0.5"}]}}"#,
    r#"{"id":257,"status":200,"result":{"symbol":"BTCUSDT","orderId":7,"orderListId":-1,
"clientOrderId":"deadbeef000000000001","transactTime":5,"price":"61800.2","origQty":"0.01000",
"executedQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL"},
"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,
"count":1}]}"#,
    r#"{"id":514,"status":409,"error":{"code":-2021,"msg":"Order cancel-replace partially failed.",
"data":{"cancelResult":"SUCCESS","newOrderResult":"FAILURE","cancelResponse":{"symbol":"BTCUSDT",
"origClientOrderId":"deadbeef000000000001","orderId":7,"clientOrderId":"deadbeef000000000001r",
"transactTime":6,"price":"61800.2","origQty":"0.01000","executedQty":"0","status":"CANCELED",
"timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL"},"newOrderResponse":{"code":-2010,"msg":
"Order would immediately match and take."}}}}"#,
    r#"{"id":257,"status":418,"error":{"code":-1003,"msg":"no","data":
{"retryAfter":1659146400000}}}"#,
    r#"{"lastUpdateId":105,"bids":[["61800.20","2.909"]],"asks":[["61800.30","1"]]}"#,
];

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut seeds: Vec<Vec<u8>> =
        WRITTEN.iter().map(|text| text.replace('\n', "").into_bytes()).collect();
    let written = seeds.len();
    let names = std::fs::read_dir(fixtures()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = names.map(|entry| entry.path()).collect();
    paths.sort();
    seeds.extend(paths.iter().map(|path| std::fs::read(path).unwrap()));
    println!("{written} written and {} recorded payloads", seeds.len() - written);
    seeds
});

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match *self {
            Self::Set(at, byte) => bytes[at % length] = byte,
            Self::Insert(at, byte) => bytes.insert(at % length, byte),
            Self::Remove(at, count) => {
                let at = at % length;
                bytes.drain(at..length.min(at + count));
            }
            Self::Repeat(at, count) => {
                let at = at % length;
                bytes.extend_from_within(at..length.min(at + count));
            }
            Self::Cut(at) => bytes.truncate(at % length),
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(b"{}[]\",:\\0123456789.-+eE nulltruefalse".to_vec()),
    ];
    let change = prop_oneof![
        4 => (any::<usize>(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        2 => (any::<usize>(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        2 => (any::<usize>(), 1_usize..12).prop_map(|(at, length)| Change::Remove(at, length)),
        1 => (any::<usize>(), 1_usize..40).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => any::<usize>().prop_map(Change::Cut),
    ];
    prop::collection::vec(change, 0..6)
}

/// A failing case is printed; nothing is written beside the sources.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

fn mutated(seed: usize, changes: &[Change]) -> Vec<u8> {
    let mut bytes = SEEDS[seed % SEEDS.len()].clone();
    for change in changes {
        change.apply(&mut bytes);
    }
    bytes
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn no_bytes_make_a_decoder_panic(seed: usize, changes in changes()) {
        let bytes = mutated(seed, &changes);
        let (symbols, prefix) = (symbols(), prefix());
        let mut scratch = DepthScratch::new();
        let listing = symbols.iter().next().unwrap();
        let _ = decode_market(&symbols, &bytes, &mut scratch);
        let _ = decode_snapshot(listing, &bytes, &mut scratch);
        let _ = decode_user_event(&symbols, prefix, &bytes, &mut Vec::new());
        let _ = decode_response(&bytes);
        let _ = decode_exchange_info(&bytes, &["BTCUSDT".to_owned(), "BNBBTC".to_owned()]);
        let _ = decode_account(&bytes, |_| ());
        let _ = decode_trades(&symbols, &bytes, |_| ());
        let _ = decode_open_orders(&symbols, prefix, &bytes, |_| ());
        let _ = decode_key_rights(&bytes);
        if let Ok(object) = RawValue::of_message(&bytes) {
            let _ = decode_cancel_replace(object);
            let _ = decode_amended(&symbols, prefix, object);
            let _ = decode_list(&symbols, prefix, object);
        }
    }

    #[test]
    fn both_ways_of_reading_a_market_message_agree(seed in 0_usize..3, changes in changes()) {
        let bytes = mutated(seed, &changes);
        // White space in front sends the message past the hand decoder.
        let spaced = [b" ", bytes.as_slice()].concat();
        let symbols = symbols();
        let (mut first, mut second) = (DepthScratch::new(), DepthScratch::new());
        let by_hand = decode_market(&symbols, &bytes, &mut first);
        let by_fields = decode_market(&symbols, &spaced, &mut second);
        let Ok(by_hand) = by_hand else { return Ok(()) };
        // The rest of another instrument's message is nobody's business.
        if by_hand.message == MarketMessage::Foreign {
            return Ok(());
        }
        let by_fields = by_fields.unwrap().message;
        prop_assert_eq!(by_hand.message, by_fields);
        if matches!(by_fields, MarketMessage::Depth(_)) {
            prop_assert_eq!((first.bids, first.asks), (second.bids, second.asks));
        }
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_bytes_make_a_session_panic(
        kind in prop::sample::select(SessionKind::ALL.to_vec()),
        steps in prop::collection::vec((any::<usize>(), changes(), 0_u64..8_000), 1..12),
    ) {
        let mut driver = Driver::new(kind);
        for (seed, changes, wait_ms) in steps {
            let bytes = mutated(seed, &changes);
            driver.now.mono = driver.now.mono.plus(Nanos::from_millis(wait_ms));
            driver.now.wall.0 += wait_ms * 1_000_000;
            driver.requests();
            driver.answer_calls(&bytes);
            driver.input(Input::Frame(&mut bytes.clone()));
            driver.input(Input::Timer);
        }
        driver.input(Input::Disconnected);
        prop_assert_eq!(driver.session.in_flight(), 0);
    }
}

/// A session that gets whatever comes.
struct Driver {
    kind: SessionKind,
    session: VenueSession,
    signer: Signer,
    outbox: Outbox,
    now: Now,
    orders: u64,
}

impl Driver {
    fn new(kind: SessionKind) -> Self {
        let plan = SessionPlan::new(kind, AccountId(0), table(), prefix(), 1);
        let secret = BinanceSecret::Hmac(HmacSha256Key::new(b"secret").unwrap());
        let mut driver = Self {
            kind,
            session: open_session(VenueId::BinanceSpot, &plan),
            signer: Signer::Binance(BinanceSigner { api_key: "key".into(), secret }),
            outbox: Outbox::new(Transmit::with_capacity(1 << 14, 64, 1)),
            now: Now { mono: Nanos(1), wall: UnixNanos(1 << 60), venue_offset_ns: 0 },
            orders: 0,
        };
        driver.input(Input::Start);
        driver.input(Input::Connected);
        driver.answer_calls(b"{\"serverTime\":1152921504606}");
        driver.input(Input::Timer);
        driver.answer_calls(b"[]");
        driver
    }

    fn input(&mut self, input: Input<'_>) {
        // Errors are what broken bytes are for; only a panic would be wrong.
        let _ = self.session.handle(self.now, input, &mut self.signer, &mut self.outbox);
        let _ = self.session.book(InstrumentId(0));
        self.outbox.drain_reports().for_each(drop);
        self.outbox.transmit.clear();
        self.outbox.trades.clear();
        self.outbox.alerts.clear();
    }

    fn answer_calls(&mut self, body: &[u8]) {
        let calls: Vec<_> = self.outbox.calls.drain(..).map(|request| request.call).collect();
        for call in calls {
            let answer = Answer::Http { status: 200, retry_after_seconds: None, body };
            self.input(Input::Response { call, answer });
        }
    }

    fn requests(&mut self) {
        if self.kind != SessionKind::Order {
            return;
        }
        self.orders += 1;
        let account = AccountId(0);
        let order = OrderRequest {
            client_order_id: ClientOrderId::new(self.orders).unwrap(),
            account,
            instrument: InstrumentId(0),
            side: Side::Sell,
            time_in_force: TimeInForce::PostOnly,
            price: Price(6_180_020),
            quantity: Quantity(1_000),
            reduce_only: false,
        };
        self.input(Input::Submit(&order));
        let replace = ReplaceRequest {
            client_order_id: order.client_order_id,
            account,
            instrument: order.instrument,
            venue_order_id: VenueOrderId(7),
            side: order.side,
            price: order.price,
            quantity: Quantity(if self.orders.is_multiple_of(2) { 500 } else { 2_000 }),
        };
        self.input(Input::Replace(&replace));
        for query in [Query::Account { account }, Query::OpenOrders { account }] {
            self.input(Input::Query(&query));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the data's place is given from outside")]
fn fixtures() -> PathBuf {
    let folder = std::env::var_os("ENIGMA_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    folder.join("binance")
}

fn prefix() -> InstallationPrefix {
    InstallationPrefix::from_number(0xdead_beef)
}

fn symbols() -> SymbolTable {
    SymbolTable::new(VenueId::BinanceSpot, table())
}

fn table() -> Arc<InstrumentTable> {
    let mut table = InstrumentTable::default();
    table
        .add(Instrument {
            id: InstrumentId(0),
            venue: VenueId::BinanceSpot,
            symbol: Symbol::from("BTCUSDT").unwrap(),
            base: Asset::from("BTC").unwrap(),
            quote: Asset::from("USDT").unwrap(),
            settle: Asset::from("USDT").unwrap(),
            price_scale: Scale::new(2).unwrap(),
            quantity_scale: Scale::new(5).unwrap(),
            tick: Price(1),
            min_price: Price(1),
            max_price: Price(i64::MAX),
            step: Quantity(1),
            min_quantity: Quantity(1),
            max_quantity: Quantity(i64::MAX),
            min_notional: Amount::ZERO,
            band_up_e8: None,
            band_down_e8: None,
            max_open_orders: None,
            trading: true,
        })
        .unwrap();
    Arc::new(table)
}
