//! The journal: what the desk's state is made of, kept through kills, power failures and bad
//! disks.
//!
//! Records go into a ring in memory-backed storage (`ring`), from there to segments on disk
//! (`writer`, `segment`), and at the next start back to the desk (`recovery`). This file opens the
//! parts in the order that loses nothing. It decides nothing about what a record means.

mod data_directory;
mod error;
mod follow;
mod frame;
mod recovery;
mod ring;
mod segment;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::clock::read_wall;
use crate::settings::JournalSettings;

pub use data_directory::DataDirectory;
pub use error::JournalError;
pub use follow::SegmentFollower;
pub use recovery::{Entry, Recovery, Report, replay, verify};
pub use ring::{Ring, RingCursor, RingProducer};
pub use writer::JournalHealth;

use frame::HASH;
use recovery::{Place, entry, read_segments};
use ring::{Owner, Reader};
use segment::{Segment, SegmentDirectory};
use writer::Writer;

/// A journal that is ready to be written.
#[derive(Debug)]
pub struct OpenJournal {
    /// For the trading thread, and nobody else.
    pub producer: RingProducer,
    /// For the projector: every record after those that recovery has shown.
    pub projection: RingCursor,
    pub ring: Arc<Ring>,
    pub health: Arc<JournalHealth>,
    pub recovery: Recovery,
    pub writer: WriterThread,
}

/// The thread that copies the ring to disk. Dropping it without `finish` leaves it running.
#[derive(Debug)]
pub struct WriterThread {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl OpenJournal {
    /// Shows every record of the journal to `visit`, those first that only the ring has kept
    /// moved to disk, and starts the writer. A journal that can't be trusted isn't opened.
    pub fn open(
        directory: &DataDirectory,
        settings: &JournalSettings,
        mut visit: impl FnMut(Entry<'_>),
    ) -> Result<Self, JournalError> {
        let owner = Owner { installation: prefix_bytes(directory), boot: boot() };
        let segments = directory.segments();
        let mut recovery = Recovery::default();
        let mut segment = recover_segments(&segments, settings, &mut recovery, &mut visit)?;
        let place = RingPlace::choose(directory, settings)?;
        for path in place.candidates(directory) {
            recover_ring(&path, owner, &mut segment, &mut recovery, &mut visit)?;
        }
        segment.sync(read_wall()).map_err(JournalError::io(&segments.path))?;
        let ring = Arc::new(place.make(directory, settings, owner)?);
        let health = Arc::new(JournalHealth::new(segment.synced_sequence()));
        let last = segment.last_sequence();
        let projection = RingCursor::new(Arc::clone(&ring), Reader::Projector);
        let copying = RingCursor::new(Arc::clone(&ring), Reader::Writer);
        let producer = RingProducer::new(Arc::clone(&ring), Arc::clone(&health.healthy), last);
        let interval = settings.sync_interval;
        let writer = Writer::new(copying, segment, segments, Arc::clone(&health), interval);
        let writer = WriterThread::start(writer)?;
        Ok(Self { producer, projection, ring, health, recovery, writer })
    }
}

impl WriterThread {
    fn start(writer: Writer<SegmentDirectory>) -> Result<Self, JournalError> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("enigma-journal".into())
            .spawn(move || writer.run(&told))
            .map_err(JournalError::Thread)?;
        Ok(Self { stop, thread })
    }

    /// Waits until everything in the ring is on disk. Only after the producer has ended.
    pub fn finish(self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the journal's writer ended by a panic; the ring keeps what it held");
        }
    }
}

/// Takes an ended engine's ring away, as long as the disk has everything that stood in it: what
/// lies in shared memory would otherwise lie there until the machine is started anew. A ring with
/// more than the disk has stays for the next start. Call it while the data directory is still
/// locked, once the writer has ended.
pub(crate) fn retire(ring: &Ring) {
    if ring.unsynced() > 0 || !ring.is_linked() {
        return;
    }
    if let Err(fault) = fs::remove_file(ring.path()) {
        tracing::warn!(%fault, path = %ring.path().display(), "the journal ring stays behind");
        return;
    }
    let own = ring.path().parent().filter(|parent| {
        parent.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(OWN.as_bytes()))
    });
    if let Some(own) = own {
        // Somebody else's file in it is no reason to complain.
        let _ = fs::remove_dir(own);
    }
}

/// Reads the segments, cuts a torn tail off, and goes on where they end.
fn recover_segments(
    segments: &SegmentDirectory,
    settings: &JournalSettings,
    recovery: &mut Recovery,
    visit: &mut impl FnMut(Entry<'_>),
) -> Result<Segment<File>, JournalError> {
    let tail = read_segments(segments, |frame, place| {
        visit(entry(frame, place)?);
        Ok(())
    })?;
    recovery.records = tail.records;
    recovery.last_sequence = tail.mark.sequence;
    recovery.truncated_bytes = tail.torn_bytes;
    let limit = settings.segment_bytes;
    let Some((_, path)) = tail.file else {
        return Segment::begin(segments, 0, [0; HASH], limit)
            .map_err(JournalError::io(&segments.path));
    };
    let reopened = segment::reopen(&path).map_err(JournalError::io(&path))?;
    let mut segment = Segment::new(reopened, tail.mark, limit);
    segment.rewind().map_err(JournalError::io(&path))?;
    Ok(segment)
}

/// Appends to the segments what a killed process had left in its ring alone.
fn recover_ring(
    path: &Path,
    owner: Owner,
    segment: &mut Segment<File>,
    recovery: &mut Recovery,
    visit: &mut impl FnMut(Entry<'_>),
) -> Result<(), JournalError> {
    let Some((ring, found)) = Ring::open(path)? else { return Ok(()) };
    if found.installation != owner.installation {
        let aside = path.with_extension("foreign");
        fs::rename(path, &aside).map_err(JournalError::io(path))?;
        tracing::warn!(path = %aside.display(), "set another installation's journal ring aside");
        recovery.set_aside = Some(aside);
        return Ok(());
    }
    // A ring file survives a power failure only on a disk, and then its pages are of mixed age:
    // what still continues the journal is taken, the rest is part of what a power failure costs.
    let trusted = found.boot == owner.boot;
    let mut cursor = RingCursor::new(Arc::new(ring), Reader::Writer);
    loop {
        let expected = segment.last_sequence() + 1;
        let offset = cursor.file_offset();
        let before = cursor.unread();
        let frame = match cursor.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(_) if trusted => {
                let what = "a record in the ring";
                return Err(JournalError::Damaged { path: path.into(), offset, what });
            }
            Err(_) => {
                recovery.dropped_ring_bytes = before;
                return Ok(());
            }
        };
        if frame.sequence < expected {
            continue;
        }
        if frame.sequence > expected {
            if trusted {
                let found = frame.sequence;
                return Err(JournalError::Gap { path: path.into(), expected, found });
            }
            recovery.dropped_ring_bytes = before;
            return Ok(());
        }
        visit(entry(&frame, Place { path, offset })?);
        segment.add(&frame).map_err(JournalError::io(path))?;
        recovery.records += 1;
        recovery.from_ring += 1;
        recovery.last_sequence = frame.sequence;
    }
}

/// Where this run's ring goes.
struct RingPlace {
    path: PathBuf,
    /// Used when the place above has no room: the data directory.
    fallback: PathBuf,
}

impl RingPlace {
    fn choose(directory: &DataDirectory, settings: &JournalSettings) -> Result<Self, JournalError> {
        let fallback = directory.path().join(RING_FILE);
        let memory = settings.ring_dir.clone().unwrap_or_else(|| SHARED_MEMORY.into());
        if settings.ring_dir.is_none() && !memory.is_dir() {
            tracing::warn!("no {SHARED_MEMORY}: the journal ring lies in the data directory");
            return Ok(Self { path: fallback.clone(), fallback });
        }
        let own = memory.join(format!("{OWN}{}", directory.fingerprint()));
        data_directory::make_private(&own).map_err(JournalError::io(&own))?;
        // Anybody may make a directory in shared memory, so its owner is looked at.
        if data_directory::is_private(&own).map_err(JournalError::io(&own))? {
            Ok(Self { path: own.join(RING_FILE), fallback })
        } else {
            Err(JournalError::ForeignDirectory { path: own })
        }
    }

    /// Every place where an earlier run may have left its ring.
    fn candidates(&self, directory: &DataDirectory) -> Vec<PathBuf> {
        let mut places = vec![self.path.clone(), self.fallback.clone()];
        if let Ok(text) = fs::read_to_string(directory.path().join(LOCATION_FILE)) {
            places.push(text.trim_end_matches('\n').into());
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Makes the ring, its place written down before. Older rings, which are all on disk by now,
    /// go after that.
    fn make(
        &self,
        directory: &DataDirectory,
        settings: &JournalSettings,
        owner: Owner,
    ) -> Result<Ring, JournalError> {
        let old = self.candidates(directory);
        let ring = match self.make_at(&self.path, directory, settings, owner) {
            Err(JournalError::Io { path, source }) if self.path != self.fallback => {
                tracing::warn!(path = %path.display(), fault = %source,
                    "the journal ring lies in the data directory");
                self.make_at(&self.fallback, directory, settings, owner)?
            }
            result => result?,
        };
        for path in old.iter().filter(|&path| path != ring.path()) {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(JournalError::io(path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        if let Err(fault) = ring.pin() {
            tracing::warn!(%fault, "the journal ring isn't locked in memory");
        }
        Ok(ring)
    }

    fn make_at(
        &self,
        path: &Path,
        directory: &DataDirectory,
        settings: &JournalSettings,
        owner: Owner,
    ) -> Result<Ring, JournalError> {
        directory.replace(LOCATION_FILE, &format!("{}\n", path.display()))?;
        Ring::create(path, settings.ring_bytes, owner)
    }
}

fn prefix_bytes(directory: &DataDirectory) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(directory.prefix().as_str().as_bytes());
    bytes
}

/// What tells one boot of this machine from another; zeros where the system doesn't say.
fn boot() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter_map(hex_digit).collect();
    let mut boot = [0; 16];
    for (byte, pair) in boot.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    boot
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

const SHARED_MEMORY: &str = "/dev/shm";
/// Begins the name of a data directory's own place in a directory that others share.
const OWN: &str = "enigma-";
const RING_FILE: &str = "journal.ring";
const LOCATION_FILE: &str = "ring.location";
