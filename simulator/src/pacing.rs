//! Each market's own thread: when the next event is due, and what it does to the venue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::dialects::binance::Product;
use crate::dialects::binance::streams::{Hub, QUEUE_MAX};
use crate::dialects::{binance_spot, binance_usdm};
use crate::exchange::Exchange;
use crate::exchange::displayed::{DepthChange, Touch};
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{TradeId, UnixMillis};
use crate::host::Host;
use crate::market::replay::{Recorded, RecordedLine, Recording, shift_times};
use crate::market::synthetic::SyntheticMarket;
use crate::random::Random;
use crate::settings::ReplaySpeed;

/// A recorded trade: id, price, quantity, whether the buyer is the maker.
type RecordedTrade = (TradeId, Price, Quantity, bool);

/// A market as the thread that plays it needs it.
trait Stage: Sized {
    fn lock(host: &Host) -> impl std::ops::DerefMut<Target = Self>;
    fn exchange(&mut self) -> &mut Exchange;
    fn hub(&self) -> &Hub;
    fn drain(&mut self, now: UnixMillis);
    fn depth(&mut self, now: UnixMillis, id: InstrumentId, change: &DepthChange, text: &Utf8Bytes);
    fn touch(&mut self, now: UnixMillis, id: InstrumentId, touch: Touch, text: &Utf8Bytes);
    fn trade(&mut self, now: UnixMillis, id: InstrumentId, trade: RecordedTrade, text: &Utf8Bytes);
}

impl Stage for binance_usdm::Venue {
    fn lock(host: &Host) -> impl std::ops::DerefMut<Target = Self> {
        host.usdm()
    }

    fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    fn hub(&self) -> &Hub {
        &self.hub
    }

    fn drain(&mut self, now: UnixMillis) {
        Self::drain(self, now);
    }

    fn depth(&mut self, now: UnixMillis, id: InstrumentId, change: &DepthChange, text: &Utf8Bytes) {
        self.replay_depth(now, id, change, text);
    }

    fn touch(&mut self, _now: UnixMillis, id: InstrumentId, touch: Touch, text: &Utf8Bytes) {
        self.replay_touch(id, touch, text);
    }

    fn trade(&mut self, now: UnixMillis, id: InstrumentId, trade: RecordedTrade, text: &Utf8Bytes) {
        self.replay_trade(now, id, trade, text);
    }
}

impl Stage for binance_spot::Venue {
    fn lock(host: &Host) -> impl std::ops::DerefMut<Target = Self> {
        host.spot()
    }

    fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    fn hub(&self) -> &Hub {
        &self.hub
    }

    fn drain(&mut self, now: UnixMillis) {
        Self::drain(self, now);
    }

    fn depth(&mut self, now: UnixMillis, id: InstrumentId, change: &DepthChange, text: &Utf8Bytes) {
        self.replay_depth(now, id, change, text);
    }

    fn touch(&mut self, now: UnixMillis, id: InstrumentId, touch: Touch, text: &Utf8Bytes) {
        self.replay_touch(now, id, touch, text);
    }

    fn trade(&mut self, now: UnixMillis, id: InstrumentId, trade: RecordedTrade, text: &Utf8Bytes) {
        self.replay_trade(now, id, trade, text);
    }
}

/// What a market's thread plays.
#[derive(Debug)]
pub enum Play {
    Synthetic { actions_per_second: u32, random: Random },
    Recording { recording: Box<Recording>, speed: ReplaySpeed, hold_until_subscribed: bool },
}

/// The longest sleep, so that a stop is noticed.
const NAP_MAX: Duration = Duration::from_millis(20);
const SYNTHETIC_TICK: Duration = Duration::from_millis(2);
/// At full speed the market waits this long for a reader before it leaves it behind.
const READER_PATIENCE: Duration = Duration::from_secs(2);

pub fn spawn(host: Arc<Host>, product: Product, play: Play) -> io::Result<JoinHandle<()>> {
    let name = format!("{}-market", product.name());
    thread::Builder::new().name(name).spawn(move || match product {
        Product::Spot => run::<binance_spot::Venue>(&host, product, play),
        Product::Usdm => run::<binance_usdm::Venue>(&host, product, play),
    })
}

fn run<V: Stage>(host: &Host, product: Product, play: Play) {
    match play {
        Play::Recording { recording, speed, hold_until_subscribed } => {
            replay::<V>(host, *recording, speed, hold_until_subscribed);
        }
        Play::Synthetic { actions_per_second, random } => {
            synthetic::<V>(host, product, actions_per_second, random);
        }
    }
}

fn synthetic<V: Stage>(host: &Host, product: Product, actions_per_second: u32, mut random: Random) {
    let mut markets = Vec::new();
    {
        let mut venue = V::lock(host);
        let now = host.now();
        let ids: Vec<_> = venue.exchange().markets().map(|(id, _)| id).collect();
        for id in ids {
            markets.push(SyntheticMarket::open(now, id, random.fork(), venue.exchange()));
        }
        venue.drain(now);
    }
    // A market that nobody has asked for costs no processor time.
    while product == Product::Spot && !host.spot_heard.load(Ordering::Acquire) {
        if host.is_stopping() {
            return;
        }
        thread::sleep(SYNTHETIC_TICK);
    }
    let started = Instant::now();
    let mut done: u64 = 0;
    while !host.is_stopping() {
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let due = elapsed_us.saturating_mul(u64::from(actions_per_second)) / 1_000_000;
        while done < due && !host.is_stopping() {
            let now = host.now();
            for market in &mut markets {
                let mut venue = V::lock(host);
                market.step(now, venue.exchange());
                venue.drain(now);
            }
            done = done.saturating_add(1);
        }
        thread::sleep(SYNTHETIC_TICK);
    }
}

fn replay<V: Stage>(host: &Host, mut recording: Recording, speed: ReplaySpeed, hold: bool) {
    load_snapshot::<V>(host, &mut recording);
    while hold && !host.is_stopping() && V::lock(host).hub().market_subscriptions == 0 {
        thread::sleep(Duration::from_millis(2));
    }
    let started = Instant::now();
    let mut first_ns = None;
    loop {
        let line = match recording.next_event() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                tracing::error!(%error, "the recording ends early");
                break;
            }
        };
        let since_ns = line.at_ns.saturating_sub(*first_ns.get_or_insert(line.at_ns));
        match speed {
            ReplaySpeed::Percent(percent) => {
                let due = Duration::from_nanos(since_ns.saturating_mul(100) / percent.max(1));
                nap_until(host, started + due);
            }
            ReplaySpeed::Max => wait_for_readers::<V>(host),
        }
        if host.is_stopping() {
            return;
        }
        play::<V>(host, line, speed);
    }
    host.replay_finished.store(true, Ordering::Release);
}

fn load_snapshot<V: Stage>(host: &Host, recording: &mut Recording) {
    let (Some(snapshot), Some(symbol)) = (recording.snapshot.take(), &recording.symbol) else {
        return;
    };
    let mut venue = V::lock(host);
    let Some(id) = venue.exchange().find(symbol) else { return };
    if let Some(book) = &mut venue.exchange().market_mut(id).displayed {
        book.load(snapshot.last_update_id, &snapshot.bids, &snapshot.asks);
    }
}

fn nap_until(host: &Host, due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || host.is_stopping() {
            return;
        }
        thread::sleep(left.min(NAP_MAX));
    }
}

/// Full speed means as fast as the readers read, not as fast as they can be cut off.
fn wait_for_readers<V: Stage>(host: &Host) {
    let started = Instant::now();
    while V::lock(host).hub().longest_queue() > QUEUE_MAX / 4
        && started.elapsed() < READER_PATIENCE
        && !host.is_stopping()
    {
        thread::sleep(Duration::from_millis(1));
    }
}

fn play<V: Stage>(host: &Host, line: RecordedLine, speed: ReplaySpeed) {
    let now = host.now();
    let percent = match speed {
        ReplaySpeed::Percent(percent) => percent,
        ReplaySpeed::Max => u64::MAX,
    };
    let message = Utf8Bytes::from(shift_times(&line.text, now, percent));
    let mut venue = V::lock(host);
    let Some(id) = venue.exchange().find(&line.symbol) else { return };
    match line.event {
        Recorded::Depth(change) => venue.depth(now, id, &change, &message),
        Recorded::Touch(touch) => venue.touch(now, id, touch, &message),
        Recorded::Trade { trade, price, quantity, buyer_is_maker } => {
            venue.trade(now, id, (trade, price, quantity, buyer_is_maker), &message);
        }
    }
}
