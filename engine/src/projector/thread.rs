//! The projector's thread: reads the ring and holds the model's lock for one batch at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use enigma_trading::record::Record;

use super::Projector;
use super::alerts::AlertWatch;
use crate::gateway_thread::GatewayCounters;
use crate::journal::{Entry, JournalError, RingCursor};
use crate::snapshot::ReadModel;

/// Runs until `finish`.
#[derive(Debug)]
pub struct ProjectorThread {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl ProjectorThread {
    pub fn start(
        projector: Projector,
        cursor: RingCursor,
        model: Arc<RwLock<ReadModel>>,
        gateway: Arc<GatewayCounters>,
    ) -> Result<Self, JournalError> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut run = Run { projector, cursor, model, alerts: AlertWatch::new(gateway) };
        let thread = thread::Builder::new()
            .name("enigma-projector".into())
            .spawn(move || run.until(&told))
            .map_err(JournalError::Thread)?;
        Ok(Self { stop, thread })
    }

    /// Waits until the model shows everything in the ring. Only after the producer has ended.
    pub fn finish(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the projector ended by a panic");
        }
    }
}

struct Run {
    projector: Projector,
    cursor: RingCursor,
    model: Arc<RwLock<ReadModel>>,
    alerts: AlertWatch,
}

impl Run {
    fn until(&mut self, stop: &AtomicBool) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let stopping = stop.load(Ordering::Acquire);
            self.alerts.look(Instant::now(), &self.model);
            if !self.cursor.has_more() {
                if stopping {
                    return;
                }
                thread::park_timeout(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            pause = SHORTEST_PAUSE;
            if let Err(fault) = self.batch() {
                // Whatever follows can't be trusted. Nothing is given back from here on, so the
                // ring fills and the trading gate closes.
                tracing::error!(%fault, "the journal ring is damaged: nothing more is shown");
                return;
            }
        }
    }

    fn batch(&mut self) -> Result<(), String> {
        let mut model = self.model.write().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..BATCH {
            let Some(frame) = self.cursor.next().map_err(|fault| fault.to_string())? else { break };
            let record = Record::decode(frame.payload).map_err(|fault| fault.to_string())?;
            let (sequence, wall, mono) = (frame.sequence, frame.wall, frame.mono);
            self.projector.apply(&mut model, &Entry { sequence, wall, mono, record });
        }
        drop(model);
        self.cursor.let_go();
        Ok(())
    }
}

/// How many records a reader of the model may have to wait for.
const BATCH: usize = 256;
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(4);
