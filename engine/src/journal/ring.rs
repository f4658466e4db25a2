//! The ring file: records are safe against the death of this process once they stand in it.
//!
//! One producer (the trading thread) and two readers (writer and projector) share a file that is
//! mapped into memory, in memory-backed storage by default. Appending makes no system call, takes
//! no lock and allocates nothing. The producer never overwrites what a reader hasn't passed, and
//! `copied` in the header never passes what isn't synced to disk: so after a `kill -9` everything
//! between `copied` and `written` is found here. This file never waits and knows no segment.

#![expect(unsafe_code, reason = "a shared mapping is raw memory; this file alone touches it")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam::utils::CachePadded;
use enigma_trading::journal::{Journal, JournalFull};
use enigma_trading::record::Record;
use enigma_types::Now;
use fs4::FileExt;
use memmap2::{MmapOptions, MmapRaw};

use super::error::JournalError;
use super::frame::{self, Frame, FrameFault, HEADER, MAX_FRAME, Parsed, SKIP, Stamp};

/// The mapped file. Positions count bytes since the ring was made and never wrap themselves.
#[derive(Debug)]
pub struct Ring {
    map: MmapRaw,
    capacity: u64,
    file: File,
    path: PathBuf,
    /// How far each reader has let go of what it read.
    passed: [CachePadded<AtomicU64>; Reader::COUNT],
}

/// Whom a ring belongs to: an installation, in one boot of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) installation: [u8; 8],
    pub(crate) boot: [u8; 16],
}

/// The two that read while the engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    Writer = 0,
    Projector = 1,
}

/// The only one that writes records. `enigma_trading`'s `Journal`.
#[derive(Debug)]
pub struct RingProducer {
    ring: Arc<Ring>,
    healthy: Arc<AtomicBool>,
    written: u64,
    /// As last read: the producer looks again only when this leaves no room.
    copied: u64,
    sequence: u64,
}

/// A reader's place in the ring.
#[derive(Debug)]
pub struct RingCursor {
    ring: Arc<Ring>,
    reader: Reader,
    at: u64,
    /// The producer's position as last read.
    end: u64,
}

impl Ring {
    pub(crate) const MIN_BYTES: usize = 1 << 16;
    pub(crate) const MAX_BYTES: usize = 1 << 32;

    /// Makes an empty ring in place of whatever stands at `path`. The file appears whole or not
    /// at all, and its memory is reserved, so that a full file system fails here and not later.
    pub(crate) fn create(path: &Path, bytes: usize, owner: Owner) -> Result<Self, JournalError> {
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&bytes) {
            let (low, high) = (Self::MIN_BYTES, Self::MAX_BYTES);
            return Err(JournalError::RingSize { bytes, low, high });
        }
        let capacity = bytes.next_power_of_two() as u64;
        let new = path.with_extension("new");
        remove_if_there(&new)?;
        let file = options().create_new(true).open(&new).map_err(JournalError::io(&new))?;
        file.allocate(DATA as u64 + capacity).map_err(JournalError::io(&new))?;
        let ring = Self::map(file, capacity, path)?;
        ring.write_header(owner);
        std::fs::rename(&new, path).map_err(JournalError::io(path))?;
        Ok(ring)
    }

    /// Opens the ring that an earlier process left; `None` when there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<(Self, Owner)>, JournalError> {
        let file = match options().open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::io(path)(error)),
        };
        let damaged = |offset, what| JournalError::Damaged { path: path.into(), offset, what };
        let size = file.metadata().map_err(JournalError::io(path))?.len();
        let capacity = size.saturating_sub(DATA as u64);
        if !capacity.is_power_of_two() || capacity < Self::MIN_BYTES as u64 {
            return Err(damaged(0, "the ring's size"));
        }
        let ring = Self::map(file, capacity, path)?;
        if ring.word(MAGIC_AT).load(Ordering::Relaxed) != MAGIC {
            return Err(damaged(MAGIC_AT as u64, "no journal ring"));
        }
        let version = ring.word(VERSION_AT).load(Ordering::Relaxed);
        if version != VERSION {
            let version = u32::try_from(version).unwrap_or(u32::MAX);
            return Err(JournalError::Version { path: path.into(), version });
        }
        let (copied, written) = (ring.copied(), ring.written());
        if copied > written || written - copied > capacity || (copied | written) % 8 != 0 {
            return Err(damaged(WRITTEN_AT as u64, "the ring's positions"));
        }
        let owner = ring.owner();
        Ok(Some((ring, owner)))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// How many bytes the producer can't have back yet.
    pub fn used(&self) -> u64 {
        self.written().saturating_sub(self.copied())
    }

    pub fn written(&self) -> u64 {
        self.word(WRITTEN_AT).load(Ordering::Acquire)
    }

    /// The writer has synced everything before this position, unless the projector lies further
    /// behind.
    pub fn copied(&self) -> u64 {
        self.word(COPIED_AT).load(Ordering::Acquire)
    }

    /// How many written bytes wait for their sync.
    pub fn unsynced(&self) -> u64 {
        let synced = self.passed[Reader::Writer as usize].load(Ordering::Acquire);
        self.written().saturating_sub(synced)
    }

    /// Whether the file still has its name: without it, a killed process would leave nothing.
    pub(crate) fn is_linked(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
    }

    /// Takes the ring into physical memory for good. Best effort: a low limit on locked memory
    /// only costs page faults.
    pub(crate) fn pin(&self) -> io::Result<()> {
        let mut page = 0;
        while page < self.map.len() {
            let word = self.word(page);
            // An exchange of nothing for nothing touches the page for writing and changes no bit.
            let _ = word.compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
            page += PAGE;
        }
        self.map.lock()
    }

    fn map(file: File, capacity: u64, path: &Path) -> Result<Self, JournalError> {
        let bytes = DATA + usize::try_from(capacity).unwrap_or(usize::MAX);
        let map = MmapOptions::new().len(bytes).map_raw(&file).map_err(JournalError::io(path))?;
        let passed = std::array::from_fn(|_| CachePadded::new(AtomicU64::new(u64::MAX)));
        Ok(Self { map, capacity, file, path: path.into(), passed })
    }

    fn write_header(&self, owner: Owner) {
        let (low, high) = halves(owner.boot);
        for (at, value) in [
            (VERSION_AT, VERSION),
            (INSTALLATION_AT, u64::from_le_bytes(owner.installation)),
            (BOOT_AT, low),
            (BOOT_AT + 8, high),
            (WRITTEN_AT, 0),
            (COPIED_AT, 0),
            (MAGIC_AT, MAGIC),
        ] {
            self.word(at).store(value, Ordering::Release);
        }
    }

    fn owner(&self) -> Owner {
        let word = |at| self.word(at).load(Ordering::Relaxed).to_le_bytes();
        let mut boot = [0; 16];
        boot[..8].copy_from_slice(&word(BOOT_AT));
        boot[8..].copy_from_slice(&word(BOOT_AT + 8));
        Owner { installation: word(INSTALLATION_AT), boot }
    }

    /// An aligned word of the mapping.
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.map.len(), "a word lies inside the mapping");
        // SAFETY: the word lies inside the mapping, which lives as long as `self` and is aligned
        // to a page; header words and page starts are only ever touched through atomics, page
        // starts of the data by `pin` alone, before a producer or a reader exists.
        unsafe { AtomicU64::from_ptr(self.map.as_mut_ptr().add(at).cast()) }
    }

    /// The published bytes between two positions, as far as one frame goes.
    fn readable(&self, at: u64, end: u64) -> &[u8] {
        let (start, length) = self.place(at);
        let length = length.min(usize::try_from(end - at).unwrap_or(length));
        // SAFETY: the range lies inside the data and ends at or before `written`. Only cursors
        // call this, at positions from their own `passed` on: the producer published these bytes
        // before and writes there again only after `passed` has moved, for which a cursor must
        // have given up its borrow.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr().add(start), length) }
    }

    fn place(&self, at: u64) -> (usize, usize) {
        let offset = usize::try_from(at & (self.capacity - 1)).unwrap_or_default();
        let rest = self.map.len() - DATA - offset;
        (DATA + offset, rest.min(MAX_FRAME))
    }

    /// Writes down that a reader is done with everything before a position.
    fn let_go(&self, reader: Reader, position: u64) {
        self.passed[reader as usize].store(position, Ordering::Release);
        let all = self.passed.iter().map(|passed| passed.load(Ordering::Acquire)).min();
        // Two readers may come here at once: the larger of their answers is the newer one.
        self.word(COPIED_AT).fetch_max(all.unwrap_or(0), Ordering::AcqRel);
    }
}

impl Reader {
    const COUNT: usize = 2;
}

impl RingProducer {
    /// Goes on after the record with this sequence. There is one producer for a ring.
    pub(crate) fn new(ring: Arc<Ring>, healthy: Arc<AtomicBool>, last_sequence: u64) -> Self {
        let (written, copied) = (ring.written(), ring.copied());
        Self { ring, healthy, written, copied, sequence: last_sequence }
    }

    /// The sequence of the newest record.
    pub const fn last_sequence(&self) -> u64 {
        self.sequence
    }

    /// Lets `fill` write a payload in place and publishes it. A payload that doesn't fit into a
    /// frame is refused like one for which there is no room.
    pub(crate) fn push(
        &mut self,
        now: Now,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Result<(), JournalFull> {
        let (_, contiguous) = self.ring.place(self.written);
        let skip = if contiguous < MAX_FRAME { contiguous as u64 } else { 0 };
        if !self.has_room(skip + MAX_FRAME as u64) {
            return Err(JournalFull);
        }
        let at = self.written + skip;
        let stamp = Stamp { sequence: self.sequence + 1, wall: now.wall, mono: now.mono };
        let length = {
            let frame = self.writable(at);
            let payload = fill(frame.get_mut(HEADER..).ok_or(JournalFull)?).ok_or(JournalFull)?;
            frame::finish(frame, stamp, payload).ok_or(JournalFull)?
        };
        if skip > 0 {
            let mark = self.writable(self.written);
            mark.get_mut(..4).ok_or(JournalFull)?.copy_from_slice(&SKIP.to_le_bytes());
        }
        self.sequence += 1;
        self.written = at + length as u64;
        self.ring.word(WRITTEN_AT).store(self.written, Ordering::Release);
        Ok(())
    }

    #[inline]
    fn has_room(&mut self, bytes: u64) -> bool {
        let free = |producer: &Self| producer.ring.capacity - (producer.written - producer.copied);
        if free(self) < bytes {
            self.copied = self.ring.copied();
        }
        free(self) >= bytes
    }

    fn writable(&mut self, at: u64) -> &mut [u8] {
        let (start, length) = self.ring.place(at);
        // SAFETY: the range lies inside the data. `has_room` has shown that every reader has let
        // go of it, no reader looks beyond `written`, and there is one producer, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.ring.map.as_mut_ptr().add(start), length) }
    }
}

impl Journal for RingProducer {
    #[inline]
    fn append(&mut self, now: Now, record: &Record<'_>) -> Result<(), JournalFull> {
        self.push(now, |payload| record.encode(payload).ok())
    }

    #[inline]
    fn accepts_orders(&self) -> bool {
        let used = self.written - self.ring.copied();
        used <= self.ring.capacity / 4 * 3 && self.healthy.load(Ordering::Relaxed)
    }
}

impl RingCursor {
    /// A reader that starts at what isn't copied yet. There is one cursor for each reader.
    pub(crate) fn new(ring: Arc<Ring>, reader: Reader) -> Self {
        let at = ring.copied();
        ring.passed[reader as usize].store(at, Ordering::Release);
        Self { ring, reader, at, end: at }
    }

    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The next record, if one is published. A fault means that memory was damaged.
    pub(crate) fn next(&mut self) -> Result<Option<Frame<'_>>, FrameFault> {
        if self.at == self.end {
            self.end = self.ring.written();
        }
        if self.at == self.end {
            return Ok(None);
        }
        let mut at = self.at;
        if self.ring.readable(at, self.end).starts_with(&SKIP.to_le_bytes()) {
            at = (at | (self.ring.capacity - 1)) + 1;
        }
        if at >= self.end {
            return Err(FrameFault::Short);
        }
        match frame::parse(self.ring.readable(at, self.end))? {
            Parsed::Record(frame) => {
                self.at = at + frame.bytes.len() as u64;
                Ok(Some(frame))
            }
            Parsed::Seal { .. } | Parsed::Blank => Err(FrameFault::Length),
        }
    }

    /// Where in the file the next record stands.
    pub(crate) fn file_offset(&self) -> u64 {
        DATA as u64 + (self.at & (self.ring.capacity - 1))
    }

    pub(crate) fn has_more(&self) -> bool {
        self.at != self.end || self.ring.written() != self.at
    }

    /// How many published bytes were not read yet.
    pub(crate) fn unread(&self) -> u64 {
        self.ring.written() - self.at
    }

    /// Gives back to the producer everything that was read.
    pub(crate) fn let_go(&mut self) {
        self.ring.let_go(self.reader, self.at);
    }

    /// Reads again what wasn't given back.
    pub(crate) fn rewind(&mut self) {
        self.at = self.ring.passed[self.reader as usize].load(Ordering::Acquire);
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options
}

fn remove_if_there(path: &Path) -> Result<(), JournalError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalError::io(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn halves(bytes: [u8; 16]) -> (u64, u64) {
    let all = u128::from_le_bytes(bytes);
    (all as u64, (all >> 64) as u64)
}

const PAGE: usize = 4_096;
/// Where the records begin. The header takes the page before, each position its own cache lines.
const DATA: usize = PAGE;
const MAGIC: u64 = u64::from_le_bytes(*b"ENIGRING");
const VERSION: u64 = 1;
const MAGIC_AT: usize = 0;
const VERSION_AT: usize = 8;
const INSTALLATION_AT: usize = 16;
const BOOT_AT: usize = 24;
const WRITTEN_AT: usize = 128;
const COPIED_AT: usize = 256;
