//! What the tests with broken bytes share: payloads as seeds, changes of their bytes, and a session
//! that gets whatever comes. It must not know a venue's payloads or requests.

use std::path::PathBuf;
use std::sync::Arc;

use enigma_signing::HmacSha256Key;
use enigma_types::{
    AccountId, ClientOrderId, InstallationPrefix, InstrumentId, InstrumentTable, Nanos, Now,
    OrderRequest, Price, Quantity, Query, SessionKind, Side, TimeInForce, UnixNanos, VenueId,
};
use enigma_venues::binance::ReadError;
use enigma_venues::binance::symbols::SymbolTable;
use enigma_venues::binance::usdm::{Decoded, DepthScratch, MarketMessage};
use enigma_venues::registry::{SessionPlan, VenueSession, open_session};
use enigma_venues::session::{Answer, Input, Outbox, Session};
use enigma_venues::signer::{BinanceSecret, BinanceSigner, Signer};
use enigma_venues::wire::websocket::Transmit;
use proptest::prelude::*;

use crate::btcusdt;

/// A venue under broken bytes.
pub(crate) struct Subject {
    pub(crate) venue: VenueId,
    /// Digits of price and of quantity.
    pub(crate) digits: [u8; 2],
    /// A price and a quantity of orders.
    pub(crate) order: (i64, i64),
    /// The good answer to the account's first call, after which an order session is ready.
    pub(crate) account_answer: &'static [u8],
    /// What is asked of an order session besides an order and the account's queries.
    pub(crate) more: fn(&mut Driver, &OrderRequest),
}

impl Subject {
    pub(crate) fn table(&self) -> Arc<InstrumentTable> {
        btcusdt::table(self.venue, self.digits)
    }

    pub(crate) fn symbols(&self) -> SymbolTable {
        SymbolTable::new(self.venue, self.table())
    }
}

/// Payloads: some written in a test, and the recorded ones where there are any.
pub(crate) struct Seeds(Vec<Vec<u8>>);

impl Seeds {
    pub(crate) fn new(written: &[&str]) -> Self {
        let mut seeds: Vec<Vec<u8>> =
            written.iter().map(|text| text.replace('\n', "").into_bytes()).collect();
        let names = std::fs::read_dir(fixtures()).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = names.map(|entry| entry.path()).collect();
        paths.sort();
        seeds.extend(paths.iter().map(|path| std::fs::read(path).unwrap()));
        let recorded = seeds.len() - written.len();
        println!("{} written and {recorded} recorded payloads", written.len());
        Self(seeds)
    }

    pub(crate) fn mutated(&self, seed: usize, changes: &[Change]) -> Vec<u8> {
        let mut bytes = self.0[seed % self.0.len()].clone();
        for change in changes {
            change.apply(&mut bytes);
        }
        bytes
    }
}

/// One change of some bytes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
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

pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
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
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// What a session gets: a payload and its changes, and how long after the last.
pub(crate) type Step = (usize, Vec<Change>, u64);

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((any::<usize>(), changes(), 0_u64..8_000), 1..12)
}

/// Reads a market message by hand and field by field, and compares.
pub(crate) fn check_agreement(
    bytes: &[u8],
    decode: impl Fn(&[u8], &mut DepthScratch) -> Result<Decoded, ReadError>,
) -> Result<(), TestCaseError> {
    // White space in front sends the message past the hand decoder.
    let spaced = [b" ", bytes].concat();
    let (mut first, mut second) = (DepthScratch::new(), DepthScratch::new());
    let by_hand = decode(bytes, &mut first);
    let by_fields = decode(&spaced, &mut second);
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
    Ok(())
}

/// Drives a session through the steps: nothing panics, and nothing is left in flight.
pub(crate) fn check_session(
    subject: &'static Subject,
    seeds: &Seeds,
    kind: SessionKind,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let mut driver = Driver::new(subject, kind);
    for (seed, changes, wait_ms) in steps {
        let bytes = seeds.mutated(seed, &changes);
        driver.now.mono = driver.now.mono.plus(Nanos::from_millis(wait_ms));
        driver.now.wall.0 += wait_ms * 1_000_000;
        driver.requests();
        driver.answer_calls(&bytes);
        driver.input(Input::Frame(&mut bytes.clone()));
        driver.input(Input::Timer);
    }
    driver.input(Input::Disconnected);
    prop_assert_eq!(driver.session.in_flight(), 0);
    Ok(())
}

/// A session that gets whatever comes.
pub(crate) struct Driver {
    subject: &'static Subject,
    kind: SessionKind,
    session: VenueSession,
    signer: Signer,
    outbox: Outbox,
    now: Now,
    orders: u64,
}

impl Driver {
    fn new(subject: &'static Subject, kind: SessionKind) -> Self {
        let plan = SessionPlan::new(kind, AccountId(0), subject.table(), prefix(), 1);
        let secret = BinanceSecret::Hmac(HmacSha256Key::new(b"secret").unwrap());
        let mut driver = Self {
            subject,
            kind,
            session: open_session(subject.venue, &plan),
            signer: Signer::Binance(BinanceSigner { api_key: "key".into(), secret }),
            outbox: Outbox::new(Transmit::with_capacity(1 << 14, 64, 1)),
            now: Now { mono: Nanos(1), wall: UnixNanos(1 << 60), venue_offset_ns: 0 },
            orders: 0,
        };
        driver.input(Input::Start);
        driver.input(Input::Connected);
        driver.answer_calls(b"{\"serverTime\":1152921504606}");
        driver.input(Input::Timer);
        driver.answer_calls(subject.account_answer);
        driver
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
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
        let (price, quantity) = self.subject.order;
        let account = AccountId(0);
        let order = OrderRequest {
            client_order_id: ClientOrderId::new(self.orders).unwrap(),
            account,
            instrument: InstrumentId(0),
            side: Side::Sell,
            time_in_force: TimeInForce::PostOnly,
            price: Price(price),
            quantity: Quantity(quantity),
            reduce_only: false,
        };
        self.input(Input::Submit(&order));
        (self.subject.more)(self, &order);
        for query in [Query::Account { account }, Query::OpenOrders { account }] {
            self.input(Input::Query(&query));
        }
    }
}

pub(crate) fn prefix() -> InstallationPrefix {
    InstallationPrefix::from_number(0xdead_beef)
}

#[expect(clippy::disallowed_methods, reason = "the data's place is given from outside")]
fn fixtures() -> PathBuf {
    let folder = std::env::var_os("ENIGMA_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    folder.join("binance")
}
