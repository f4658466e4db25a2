//! The market's own thread: when the next event is due, and what it does to the venue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::dialects::binance_usdm::streams::QUEUE_MAX;
use crate::host::Host;
use crate::market::replay::{Recorded, RecordedLine, Recording, shift_times};
use crate::market::synthetic::SyntheticMarket;
use crate::random::Random;
use crate::settings::{MarketSettings, ReplaySpeed};

/// The longest sleep, so that a stop is noticed.
const NAP_MAX: Duration = Duration::from_millis(20);
const SYNTHETIC_TICK: Duration = Duration::from_millis(2);
/// At full speed the market waits this long for a reader before it leaves it behind.
const READER_PATIENCE: Duration = Duration::from_secs(2);

pub fn spawn(
    host: Arc<Host>,
    settings: MarketSettings,
    recording: Option<Recording>,
    random: Random,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("simulator-market".to_owned()).spawn(move || {
        match (settings, recording) {
            (MarketSettings::Replay { speed, hold_until_subscribed, .. }, Some(recording)) => {
                replay(&host, recording, speed, hold_until_subscribed);
            }
            (MarketSettings::Synthetic { actions_per_second }, _) => {
                synthetic(&host, actions_per_second, random);
            }
            (MarketSettings::Replay { .. }, None) => {}
        }
    })
}

fn synthetic(host: &Host, actions_per_second: u32, mut random: Random) {
    let mut markets = Vec::new();
    {
        let mut venue = host.venue();
        let now = host.now();
        let ids: Vec<_> = venue.exchange.markets().map(|(id, _)| id).collect();
        for id in ids {
            markets.push(SyntheticMarket::open(now, id, random.fork(), &mut venue.exchange));
        }
        venue.drain(now);
    }
    let started = Instant::now();
    let mut done: u64 = 0;
    while !host.is_stopping() {
        let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let due = elapsed_us.saturating_mul(u64::from(actions_per_second)) / 1_000_000;
        while done < due && !host.is_stopping() {
            let now = host.now();
            for market in &mut markets {
                let mut venue = host.venue();
                market.step(now, &mut venue.exchange);
                venue.drain(now);
            }
            done = done.saturating_add(1);
        }
        thread::sleep(SYNTHETIC_TICK);
    }
}

fn replay(host: &Host, mut recording: Recording, speed: ReplaySpeed, hold: bool) {
    load_snapshot(host, &mut recording);
    while hold && !host.is_stopping() && host.venue().hub.market_subscriptions == 0 {
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
            ReplaySpeed::Max => wait_for_readers(host),
        }
        if host.is_stopping() {
            return;
        }
        play(host, line, speed);
    }
    host.replay_finished.store(true, Ordering::Release);
}

fn load_snapshot(host: &Host, recording: &mut Recording) {
    let (Some(snapshot), Some(symbol)) = (recording.snapshot.take(), &recording.symbol) else {
        return;
    };
    let mut venue = host.venue();
    let Some(id) = venue.exchange.find(symbol) else { return };
    if let Some(book) = &mut venue.exchange.market_mut(id).displayed {
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
fn wait_for_readers(host: &Host) {
    let started = Instant::now();
    while host.venue().hub.longest_queue() > QUEUE_MAX / 4
        && started.elapsed() < READER_PATIENCE
        && !host.is_stopping()
    {
        thread::sleep(Duration::from_millis(1));
    }
}

fn play(host: &Host, line: RecordedLine, speed: ReplaySpeed) {
    let now = host.now();
    let percent = match speed {
        ReplaySpeed::Percent(percent) => percent,
        ReplaySpeed::Max => u64::MAX,
    };
    let message = Utf8Bytes::from(shift_times(&line.text, now, percent));
    let mut venue = host.venue();
    let Some(id) = venue.exchange.find(&line.symbol) else { return };
    match line.event {
        Recorded::Depth(change) => venue.replay_depth(now, id, &change, &message),
        Recorded::Touch(touch) => venue.replay_touch(id, touch, &message),
        Recorded::Trade { trade, price, quantity, buyer_is_maker } => {
            venue.replay_trade(now, id, (trade, price, quantity, buyer_is_maker), &message);
        }
    }
}
