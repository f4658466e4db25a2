//! The engine as the control plane holds it: commands in, receipts and read-only views out.
//!
//! Nothing here runs on the pinned thread, and nothing here makes it wait.

mod kill_latch;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{self, RecvTimeoutError, Sender};
use crossbeam::queue::ArrayQueue;
use enigma_trading::command::{DeskCommand, Receipt, Refusal};
use enigma_types::{AccountId, BookTop, InstrumentId, InstrumentTable, UnixNanos, VenueId};

use crate::clock::read_wall;
use crate::connection::ErrorKind;
use crate::counters::{EngineMetrics, Queue, QueueLevel};
use crate::gateway_thread::{GatewayCounters, GatewayShared};
use crate::journal::Ring;
use crate::settings::{Environment, Waiting};
use crate::snapshot::{EventKind, KillView, ReadModel};

pub(crate) use kill_latch::KillLatch;

/// A running engine. Clones share it; the last one dropped doesn't stop it: `shutdown` does.
#[derive(Clone, Debug)]
pub struct EngineHandle {
    pub(crate) shared: Arc<Shared>,
}

/// What the threads of an engine and its handles have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) commands: ArrayQueue<Envelope>,
    pub(crate) waker: OnceLock<Arc<mio::Waker>>,
    pub(crate) gateway: GatewayShared,
    pub(crate) latch: KillLatch,
    pub(crate) model: Arc<RwLock<ReadModel>>,
    pub(crate) metrics: Arc<EngineMetrics>,
    pub(crate) instruments: OnceLock<Arc<InstrumentTable>>,
    pub(crate) phase: Mutex<Phase>,
    /// Set once, before anything is stopped: what could trade is refused from here on, whatever
    /// had been queued before.
    pub(crate) draining: AtomicBool,
    /// Set once: the pinned thread, then the writer, leave their loops.
    pub(crate) stopping: AtomicBool,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) facts: Facts,
    /// Books as the pinned thread last published them for display.
    pub(crate) books: crate::trading_thread::DisplayedBooks,
}

/// What is known of an engine from its start on.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) started_at: UnixNanos,
    pub(crate) waiting: Waiting,
    pub(crate) core: Option<usize>,
    pub(crate) clock_source: &'static str,
    pub(crate) ring_path: std::path::PathBuf,
    pub(crate) accounts: Vec<(AccountId, String, VenueId, Environment)>,
    pub(crate) recovered_records: u64,
}

/// A command on its way to the pinned thread, with the way back.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) command: DeskCommand,
    pub(crate) reply: Sender<Result<Receipt, Refusal>>,
}

/// How far an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The venues' instruments are being fetched; the reason says why not yet.
    LoadingInstruments {
        last_error: Option<String>,
    },
    Running,
    Draining,
    Stopped,
    Failed(String),
}

/// Why a command didn't take effect, or isn't known to have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the command queue is full")]
    QueueFull,
    #[error("the engine isn't running yet")]
    NotReady,
    /// The command was queued and will take effect when the engine comes to it.
    #[error("the engine didn't answer in time; the command may still take effect")]
    TimedOut,
}

/// How a kill was made certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillReceipt {
    pub receipt: Receipt,
    pub barrier: Barrier,
    /// The kill stands on disk and will hold after a restart. If not, the disk refused or hangs,
    /// and it holds as long as this process.
    pub latched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// The pinned thread has passed the barrier: no order leaves after this receipt.
    Acknowledged,
    /// It didn't within 100 ms, so the order sockets were shut down from outside.
    SocketsClosed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    pub started_at: UnixNanos,
    pub phase: Phase,
    pub layout: &'static str,
    pub waiting: Waiting,
    pub core: Option<usize>,
    pub clock_source: &'static str,
    pub ring_path: std::path::PathBuf,
    pub recovered_records: u64,
    pub accounts: Vec<(AccountId, String, VenueId, Environment)>,
}

impl EngineHandle {
    /// How long a kill waits for the pinned thread before it shuts the order sockets itself.
    pub const KILL_BARRIER: Duration = Duration::from_millis(100);
    /// How long a kill's answer waits for the disk. The kill itself waits for nothing.
    pub const KILL_LATCH: Duration = Duration::from_secs(1);

    /// Hands a command to the pinned thread and waits for its receipt. Blocks the caller.
    pub fn execute(
        &self,
        command: DeskCommand,
        timeout: Duration,
    ) -> Result<Receipt, CommandError> {
        if self.phase() != Phase::Running {
            return Err(CommandError::NotReady);
        }
        let rearms = matches!(command, DeskCommand::Rearm);
        let (reply, answer) = channel::bounded(1);
        if self.shared.commands.push(Envelope { command, reply }).is_err() {
            self.shared.metrics.commands_refused.add(1);
            return Err(CommandError::QueueFull);
        }
        self.wake();
        match answer.recv_timeout(timeout) {
            Ok(result) => {
                let receipt = result?;
                if rearms {
                    self.unlatch();
                }
                Ok(receipt)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(CommandError::TimedOut)
            }
        }
    }

    /// Engages the kill switch. The gate before the sockets closes first, so that not even a full
    /// command queue or a stuck thread lets an order out; then the desk latches it and cancels;
    /// and before the answer it stands on disk.
    pub fn kill(&self, reason: &str) -> KillReceipt {
        self.shared.gateway.gate.engage();
        self.wake();
        let command = DeskCommand::Kill { reason: reason.into() };
        let (receipt, barrier) = match self.execute(command, Self::KILL_BARRIER) {
            Ok(receipt) => (receipt, Barrier::Acknowledged),
            Err(_) => {
                self.shared.gateway.order_sockets.shut_down();
                self.show_killed(reason);
                (Receipt::default(), Barrier::SocketsClosed)
            }
        };
        KillReceipt { receipt, barrier, latched: self.latch(reason) }
    }

    /// The views folded from the journal. Hold the guard briefly: it holds up the projector.
    pub fn model(&self) -> RwLockReadGuard<'_, ReadModel> {
        self.shared.model.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instruments, once the venues have told them.
    pub fn instruments(&self) -> Option<Arc<InstrumentTable>> {
        self.shared.instruments.get().cloned()
    }

    pub fn metrics(&self) -> &EngineMetrics {
        &self.shared.metrics
    }

    /// What the gateway counts: messages, orders written, reconnects, errors.
    pub fn gateway_counters(&self) -> &GatewayCounters {
        &self.shared.gateway.counters
    }

    /// How full each queue between threads is.
    pub fn queues(&self) -> [QueueLevel; Queue::ALL.len()] {
        let (metrics, gateway) = (&self.shared.metrics, &self.shared.gateway.counters);
        let depth = |level: i64| u64::try_from(level).unwrap_or_default();
        Queue::ALL.map(|queue| {
            let (depth, overflows) = match queue {
                Queue::Commands => {
                    (self.shared.commands.len() as u64, metrics.commands_refused.get())
                }
                Queue::ConnectorJobs => {
                    let jobs = &gateway.connector_jobs;
                    (depth(jobs.depth.get()), jobs.overflows.get())
                }
                Queue::Outgoing => {
                    (depth(gateway.frames_waiting.get()), gateway.errors(ErrorKind::Full))
                }
                Queue::JournalRing => {
                    let used = metrics.journal_ring().map_or(0, Ring::used);
                    (used, metrics.trading.journal_refusals.get())
                }
            };
            QueueLevel { queue, depth, overflows }
        })
    }

    /// A recent top of book, for display.
    pub fn book(&self, instrument: InstrumentId) -> Option<BookTop> {
        self.shared.books.read(instrument)
    }

    pub fn phase(&self) -> Phase {
        self.shared.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn status(&self) -> EngineStatus {
        let facts = self.shared.facts.clone();
        EngineStatus {
            started_at: facts.started_at,
            phase: self.phase(),
            layout: "fused",
            waiting: facts.waiting,
            core: facts.core,
            clock_source: facts.clock_source,
            ring_path: facts.ring_path,
            recovered_records: facts.recovered_records,
            accounts: facts.accounts,
        }
    }

    /// Stops strategies, cancels their orders if wanted, waits for the venue to confirm, and ends
    /// the threads. Returns whether every order of ours was seen closed (or was left on purpose).
    pub fn shutdown(&self, cancel_orders: bool, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut settled = true;
        self.shared.draining.store(true, Ordering::Release);
        if self.phase() == Phase::Running && cancel_orders {
            let stopped = self.execute(DeskCommand::StopAll, timeout);
            let scope = enigma_trading::command::CancelScope::All;
            let canceled = self.execute(DeskCommand::CancelAll { scope }, timeout);
            settled = stopped.is_ok() && canceled.is_ok() && self.wait_for_closed(deadline);
        }
        self.shared.set_phase(Phase::Draining);
        self.shared.stopping.store(true, Ordering::Release);
        self.wake();
        let threads = {
            let mut guard = self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *guard)
        };
        for thread in threads {
            settled &= thread.join().is_ok();
        }
        self.shared.set_phase(Phase::Stopped);
        settled
    }

    /// The gate is closed, though the desk hasn't latched it yet: readers are told so now, and the
    /// desk's own record follows as soon as it can.
    fn show_killed(&self, reason: &str) {
        let mut model = self.shared.model.write().unwrap_or_else(PoisonError::into_inner);
        if !model.kill.engaged {
            let since = read_wall();
            model.kill = KillView { engaged: true, reason: reason.into(), since };
            model.events.push(since, EventKind::Kill);
        }
    }

    /// Writes the kill to disk on a thread of its own, so that a disk that hangs delays the
    /// answer for a second and no longer.
    fn latch(&self, reason: &str) -> bool {
        let deadline = Instant::now() + Self::KILL_LATCH;
        while !self.shared.latch.begin() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let since = read_wall();
        let kill = KillView { engaged: true, reason: reason.replace('\n', " "), since };
        let shared = Arc::clone(&self.shared);
        let (done, written) = channel::bounded(1);
        let writer = std::thread::Builder::new().name("enigma-kill".into()).spawn(move || {
            let result = shared.latch.set(&kill, || shared.gateway.gate.is_engaged());
            shared.latch.done();
            if let Err(error) = &result {
                tracing::error!(%error, "the kill can't be written to disk: it holds until the end");
            }
            // Whoever asked may have stopped waiting.
            let _ = done.try_send(result.is_ok());
        });
        match writer {
            Ok(_) => {
                let left = deadline.saturating_duration_since(Instant::now());
                written.recv_timeout(left).unwrap_or(false)
            }
            Err(error) => {
                self.shared.latch.done();
                tracing::error!(%error, "the kill can't be written to disk: it holds until the end");
                false
            }
        }
    }

    fn unlatch(&self) {
        if let Err(error) = self.shared.latch.clear(|| !self.shared.gateway.gate.is_engaged()) {
            tracing::error!(%error, "the kill's file stays: the next start will be killed again");
        }
    }

    fn wait_for_closed(&self, deadline: Instant) -> bool {
        loop {
            if !self.model().orders.values().any(|order| order.state.is_live()) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.shared.waker.get() {
            // The thread also looks at its queue at least every 50 ms.
            let _ = waker.wake();
        }
    }
}

impl Shared {
    pub(crate) fn keep_thread(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }
}
