//! What the simulator's tasks share: the markets behind their locks, the clock, the connections.
//!
//! A lock is held for one operation at a time and never across an await.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rust_decimal::Decimal;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::dialects::binance::Product;
use crate::dialects::{binance_spot, binance_usdm};
use crate::exchange::number::Money;
use crate::exchange::order::UnixMillis;
use crate::faults::{FaultKind, Socket};
use crate::settings::ConnectionRules;
use crate::socket::{Connections, Mode};

/// Stamps kept of each kind; later ones are not recorded.
const STAMPS_MAX: usize = 2_000_000;

/// Stamps of one process-wide monotonic clock.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    /// Just before the message with this update id was handed to its socket.
    pub ticks_sent: Vec<(u64, Instant)>,
    /// When an order frame had been read, and its text.
    pub orders_received: Vec<(Instant, Utf8Bytes)>,
}

#[derive(Debug)]
pub struct Host {
    spot: Mutex<binance_spot::Venue>,
    usdm: Mutex<binance_usdm::Venue>,
    spot_rules: ConnectionRules,
    usdm_rules: ConnectionRules,
    /// Whether anyone has spoken to spot, whose made-up market sleeps until then.
    pub spot_heard: AtomicBool,
    pub connections: Connections,
    pub stopping: AtomicBool,
    pub replay_finished: AtomicBool,
    skew_ms: AtomicI64,
    measurements: Option<Mutex<Measurements>>,
    /// Where what ends a fault is spawned, so that any thread may play one.
    runtime: Handle,
}

impl Host {
    /// Called within the runtime that the simulator lives on. The rules are spot's and futures'.
    pub fn new(
        spot: binance_spot::Venue,
        usdm: binance_usdm::Venue,
        (spot_rules, usdm_rules): (ConnectionRules, ConnectionRules),
        measure: bool,
    ) -> Self {
        Self {
            spot: Mutex::new(spot),
            usdm: Mutex::new(usdm),
            spot_rules,
            usdm_rules,
            spot_heard: AtomicBool::new(false),
            connections: Connections::default(),
            stopping: AtomicBool::new(false),
            replay_finished: AtomicBool::new(false),
            skew_ms: AtomicI64::new(0),
            measurements: measure.then(Mutex::default),
            runtime: Handle::current(),
        }
    }

    pub fn spot(&self) -> MutexGuard<'_, binance_spot::Venue> {
        self.spot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn usdm(&self) -> MutexGuard<'_, binance_usdm::Venue> {
        self.usdm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn rules(&self, product: Product) -> ConnectionRules {
        match product {
            Product::Spot => self.spot_rules,
            Product::Usdm => self.usdm_rules,
        }
    }

    /// The venue's clock.
    pub fn now(&self) -> UnixMillis {
        machine_time(self.skew_ms.load(Ordering::Relaxed))
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub fn stamp_tick(&self, message: &str) {
        let Some(measurements) = &self.measurements else { return };
        let at = Instant::now();
        let Some(id) = update_id(message) else { return };
        let mut held = measurements.lock().unwrap_or_else(PoisonError::into_inner);
        if held.ticks_sent.len() < STAMPS_MAX {
            held.ticks_sent.push((id, at));
        }
    }

    pub fn stamp_order(&self, frame: &Utf8Bytes) {
        let Some(measurements) = &self.measurements else { return };
        let at = Instant::now();
        let mut held = measurements.lock().unwrap_or_else(PoisonError::into_inner);
        if held.orders_received.len() < STAMPS_MAX {
            held.orders_received.push((at, frame.clone()));
        }
    }

    /// What was measured since the last call.
    pub fn take_measurements(&self) -> Measurements {
        let taken = |held: &Mutex<Measurements>| {
            std::mem::take(&mut *held.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.measurements.as_ref().map(taken).unwrap_or_default()
    }

    /// Plays a fault now, from any thread: on one market, or on both.
    pub fn play(self: &Arc<Self>, product: Option<Product>, fault: &FaultKind) {
        tracing::debug!(?fault, "fault");
        let on = |socket: Socket| (product, socket);
        match fault {
            FaultKind::Delay { ms, for_ms, socket } => {
                let (ms, place) = (*ms, on(*socket));
                self.connections.each(place, |one| one.set_delay_ms(ms));
                self.after(*for_ms, move |host| {
                    host.connections.each(place, |one| one.set_delay_ms(0));
                });
            }
            FaultKind::Drop { socket } => self.connections.each(on(*socket), |one| one.kill(false)),
            FaultKind::Reset { socket, mid_frame: false } => {
                self.connections.each(on(*socket), |one| one.kill(true));
            }
            FaultKind::Reset { socket, mid_frame: true } => {
                self.connections.each(on(*socket), |one| one.set_mode(Mode::CutNextWrite));
            }
            FaultKind::HalfOpen { socket } => {
                self.connections.each(on(*socket), |one| one.set_mode(Mode::HalfOpen));
            }
            FaultKind::Stall { for_ms, socket } => {
                let place = on(*socket);
                self.connections.each(place, |one| one.set_mode(Mode::Stalled));
                self.after(*for_ms, move |host| {
                    host.connections.each(place, |one| one.set_mode(Mode::Open));
                });
            }
            FaultKind::ClockSkew { ms } => self.skew_ms.store(*ms, Ordering::Relaxed),
            FaultKind::Maintenance { .. } => {
                self.tell_markets(product, fault);
                for socket in [Socket::Public, Socket::Private, Socket::Orders] {
                    self.connections.each(on(socket), |one| one.kill(false));
                }
            }
            FaultKind::Error { .. }
            | FaultKind::NoReply { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::Reorder {}
            | FaultKind::Html502 { .. }
            | FaultKind::Gap { .. }
            | FaultKind::RevokeKey { .. }
            | FaultKind::ChangeRole { .. }
            | FaultKind::ServerShutdown {}
            | FaultKind::ListenKeyExpired {} => self.tell_markets(product, fault),
        }
    }

    /// A key is one on both markets, whatever the fault names.
    fn tell_markets(&self, product: Option<Product>, fault: &FaultKind) {
        let of_keys = matches!(fault, FaultKind::RevokeKey { .. } | FaultKind::ChangeRole { .. });
        let product = product.filter(|_| !of_keys);
        let now = self.now();
        if product != Some(Product::Spot) {
            self.usdm().apply_fault(now, fault);
        }
        if product != Some(Product::Usdm) {
            self.spot().apply_fault(now, fault);
        }
    }

    /// Pays funding on every futures position now.
    pub fn pay_funding(&self, rate: Decimal) {
        self.usdm().pay_funding(self.now(), None, rate);
    }

    /// Puts an asset into the spot account of a key; false for an unknown key.
    pub fn deposit(&self, api_key: &str, asset: &str, amount: Decimal) -> bool {
        let mut spot = self.spot();
        let Some(account) = spot.keys.account(api_key) else { return false };
        let now = self.now();
        spot.exchange.deposit(now, account, asset, Money(amount));
        spot.drain(now);
        true
    }

    fn after(self: &Arc<Self>, millis: Option<u64>, end: impl Fn(&Self) + Send + 'static) {
        let Some(millis) = millis else { return };
        let host = Arc::clone(self);
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            end(&host);
        });
    }
}

pub fn machine_time(skew_ms: i64) -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(millis.saturating_add_signed(skew_ms))
}

fn update_id(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once(r#""u":"#)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}
