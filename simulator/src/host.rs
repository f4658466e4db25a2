//! What the simulator's tasks share: the venue behind its lock, the clock, the connections.
//!
//! The lock is held for one operation at a time and never across an await.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::dialects::binance_usdm::Venue;
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
    venue: Mutex<Venue>,
    pub rules: ConnectionRules,
    pub connections: Connections,
    pub stopping: AtomicBool,
    pub replay_finished: AtomicBool,
    skew_ms: AtomicI64,
    measurements: Option<Mutex<Measurements>>,
    /// Where what ends a fault is spawned, so that any thread may play one.
    runtime: Handle,
}

impl Host {
    /// Called within the runtime that the simulator lives on.
    pub fn new(venue: Venue, rules: ConnectionRules, measure: bool) -> Self {
        Self {
            venue: Mutex::new(venue),
            rules,
            connections: Connections::default(),
            stopping: AtomicBool::new(false),
            replay_finished: AtomicBool::new(false),
            skew_ms: AtomicI64::new(0),
            measurements: measure.then(Mutex::default),
            runtime: Handle::current(),
        }
    }

    pub fn venue(&self) -> MutexGuard<'_, Venue> {
        self.venue.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Plays a fault now, from any thread.
    pub fn play(self: &Arc<Self>, fault: &FaultKind) {
        tracing::debug!(?fault, "fault");
        match fault {
            FaultKind::Delay { ms, for_ms, socket } => {
                let (ms, socket) = (*ms, *socket);
                self.connections.each(socket, |one| one.set_delay_ms(ms));
                self.after(*for_ms, move |host| {
                    host.connections.each(socket, |one| one.set_delay_ms(0));
                });
            }
            FaultKind::Drop { socket } => self.connections.each(*socket, |one| one.kill(false)),
            FaultKind::Reset { socket, mid_frame: false } => {
                self.connections.each(*socket, |one| one.kill(true));
            }
            FaultKind::Reset { socket, mid_frame: true } => {
                self.connections.each(*socket, |one| one.set_mode(Mode::CutNextWrite));
            }
            FaultKind::HalfOpen { socket } => {
                self.connections.each(*socket, |one| one.set_mode(Mode::HalfOpen));
            }
            FaultKind::Stall { for_ms, socket } => {
                let socket = *socket;
                self.connections.each(socket, |one| one.set_mode(Mode::Stalled));
                self.after(*for_ms, move |host| {
                    host.connections.each(socket, |one| one.set_mode(Mode::Open));
                });
            }
            FaultKind::ClockSkew { ms } => self.skew_ms.store(*ms, Ordering::Relaxed),
            FaultKind::Maintenance { .. } => {
                self.venue().apply_fault(self.now(), fault);
                for socket in [Socket::Public, Socket::Private, Socket::Orders] {
                    self.connections.each(socket, |one| one.kill(false));
                }
            }
            FaultKind::Error { .. }
            | FaultKind::NoReply { .. }
            | FaultKind::Duplicate { .. }
            | FaultKind::Reorder {}
            | FaultKind::Html502 { .. }
            | FaultKind::Gap { .. }
            | FaultKind::RevokeKey { .. }
            | FaultKind::ListenKeyExpired {} => self.venue().apply_fault(self.now(), fault),
        }
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
