//! The writer: copies records from the ring to the segments and syncs them.
//!
//! Nothing leaves the ring before it is on disk. When a write or a sync fails, the journal counts
//! as unhealthy, which closes the trading gate; the file is cut back to what was synced, because
//! a failed sync says nothing about the pages it left, and everything since is written again.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::ring::RingCursor;
use super::segment::{Segment, SegmentStore};
use crate::clock::read_wall;

/// How the journal fares, for the gate, the API and the metrics. The writer alone changes it.
#[derive(Debug)]
pub struct JournalHealth {
    pub(crate) healthy: Arc<AtomicBool>,
    written_bytes: AtomicU64,
    synced_sequence: AtomicU64,
    syncs: AtomicU64,
    longest_sync_ns: AtomicU64,
    faults: AtomicU64,
    sync_requested: AtomicBool,
    last_fault: Mutex<String>,
}

/// The one that writes segments. Runs on a thread of its own through `run`.
#[derive(Debug)]
pub(crate) struct Writer<S: SegmentStore> {
    cursor: RingCursor,
    segment: Segment<S::File>,
    store: S,
    health: Arc<JournalHealth>,
    sync_interval: Duration,
    last_sync: Instant,
    last_look: Instant,
    ring_linked: bool,
}

impl JournalHealth {
    pub(crate) fn new(synced_sequence: u64) -> Self {
        Self {
            healthy: Arc::new(AtomicBool::new(true)),
            written_bytes: AtomicU64::new(0),
            synced_sequence: AtomicU64::new(synced_sequence),
            syncs: AtomicU64::new(0),
            longest_sync_ns: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            sync_requested: AtomicBool::new(false),
            last_fault: Mutex::new(String::new()),
        }
    }

    /// False closes the trading gate for new orders.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Bytes of records copied to segments by this process.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// The newest record that a power failure can't take away.
    pub fn synced_sequence(&self) -> u64 {
        self.synced_sequence.load(Ordering::Acquire)
    }

    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    pub fn longest_sync(&self) -> Duration {
        Duration::from_nanos(self.longest_sync_ns.load(Ordering::Relaxed))
    }

    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// What went wrong last; empty when nothing ever did.
    pub fn last_fault(&self) -> String {
        self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a sync at the writer's next turn, some milliseconds ahead at the most.
    pub fn request_sync(&self) {
        self.sync_requested.store(true, Ordering::Release);
    }

    pub(crate) fn fail(&self, fault: &io::Error) {
        if self.healthy.swap(false, Ordering::Relaxed) {
            tracing::error!(%fault, "the journal can't be written: no new orders until it can");
        }
        add(&self.faults, 1);
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = fault.to_string();
    }

    fn recover(&self) {
        if !self.healthy.swap(true, Ordering::Relaxed) {
            tracing::info!("the journal can be written again");
        }
    }
}

impl<S: SegmentStore> Writer<S> {
    pub(crate) fn new(
        cursor: RingCursor,
        segment: Segment<S::File>,
        store: S,
        health: Arc<JournalHealth>,
        sync_interval: Duration,
    ) -> Self {
        let now = Instant::now();
        Self {
            cursor,
            segment,
            store,
            health,
            sync_interval,
            last_sync: now,
            last_look: now,
            ring_linked: true,
        }
    }

    /// Copies until told to stop, then copies and syncs the rest.
    pub(crate) fn run(mut self, stop: &AtomicBool) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let stopping = stop.load(Ordering::Acquire);
            match self.step() {
                // Something was copied: there may be more already.
                Ok(1..) => pause = SHORTEST_PAUSE,
                Ok(0) => pause = (pause * 2).min(LONGEST_PAUSE),
                Err(fault) => {
                    self.health.fail(&fault);
                    pause = RETRY_PAUSE;
                }
            }
            if stopping {
                return self.finish();
            }
            thread::park_timeout(pause);
        }
    }

    /// One turn: what the ring holds is copied, and synced when it is time to. Gives the number
    /// of records copied.
    pub(crate) fn step(&mut self) -> io::Result<u64> {
        if self.segment.is_suspect() {
            self.cursor.rewind();
            self.segment.rewind()?;
        }
        if self.segment.is_full() && !self.segment.is_dirty() {
            self.segment.rotate(&self.store)?;
        }
        let copied = self.copy()?;
        let ring = self.cursor.ring();
        let healthy = self.health.is_healthy();
        let due = self.last_sync.elapsed() >= self.sync_interval
            || !healthy
            || self.segment.is_full()
            || ring.unsynced() > ring.capacity() / 2
            || self.health.sync_requested.load(Ordering::Acquire);
        if due && self.segment.is_dirty() {
            self.sync()?;
        } else if due {
            self.health.sync_requested.store(false, Ordering::Release);
        }
        self.look_after_ring()?;
        if !healthy {
            self.health.recover();
        }
        Ok(copied)
    }

    /// Syncs whatever is left, trying a few times, and gives back unused room.
    fn finish(mut self) {
        for _ in 0..FINAL_TRIES {
            self.health.request_sync();
            match self.step() {
                Ok(0) if !self.segment.is_dirty() => break,
                Ok(_) => {}
                Err(fault) => {
                    self.health.fail(&fault);
                    thread::park_timeout(RETRY_PAUSE);
                }
            }
        }
        if let Err(fault) = self.segment.close() {
            // What isn't on disk is still in the ring, and the next start finds it there.
            self.health.fail(&fault);
        }
    }

    fn copy(&mut self) -> io::Result<u64> {
        let mut records = 0;
        let mut bytes = 0;
        while records < RECORDS_PER_STEP && !self.segment.is_full() {
            let Some(frame) = self.cursor.next().map_err(io::Error::other)? else { break };
            if frame.sequence != self.segment.last_sequence() + 1 {
                return Err(io::Error::other("a record is missing in the journal ring"));
            }
            self.segment.add(&frame)?;
            records += 1;
            bytes += frame.bytes.len() as u64;
        }
        self.segment.flush()?;
        add(&self.health.written_bytes, bytes);
        Ok(records)
    }

    fn sync(&mut self) -> io::Result<()> {
        // Taken back before the sync: a request that comes meanwhile may mean a later record.
        self.health.sync_requested.store(false, Ordering::Release);
        let start = Instant::now();
        self.segment.sync(read_wall())?;
        self.last_sync = Instant::now();
        self.cursor.let_go();
        self.health.synced_sequence.store(self.segment.synced_sequence(), Ordering::Release);
        add(&self.health.syncs, 1);
        let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.health.longest_sync_ns.fetch_max(took, Ordering::Relaxed);
        Ok(())
    }

    /// Something that cleans up shared memory may unlink the ring under a running engine. Then a
    /// kill would lose records, which nobody would notice until it happens.
    fn look_after_ring(&mut self) -> io::Result<()> {
        if self.ring_linked && self.last_look.elapsed() >= LOOK_INTERVAL {
            self.last_look = Instant::now();
            self.ring_linked = self.cursor.ring().is_linked();
        }
        if self.ring_linked {
            Ok(())
        } else {
            Err(io::Error::other("the journal ring's file was removed: restart to make a new one"))
        }
    }
}

/// One writer adds: no other thread can come between load and store.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}

/// The producer wakes nobody, for that would be a system call: the writer looks by itself.
const SHORTEST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(4);
const RETRY_PAUSE: Duration = Duration::from_millis(100);
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const RECORDS_PER_STEP: u64 = 16_384;
const FINAL_TRIES: u32 = 64;
