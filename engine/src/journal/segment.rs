//! Segments: the journal on disk, as files of frames under one hash chain.
//!
//! A file begins with a 64-byte header (magic, version, checksum, first sequence, the chain's hash
//! so far) and is named for its first sequence. Frames follow; before each sync a seal with the
//! chain's new hash. After a sync a second seal follows: whatever has bytes behind its seal was on
//! disk for certain, so that damage there can be told from a tail that a power failure tore. The
//! rest of the file is reserved zeros. Nothing here decides when to sync.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};

use enigma_types::UnixNanos;
use fs4::FileExt as _;
use sha2::{Digest, Sha256};

use super::frame::{self, Frame, HASH, Stamp};

/// What the writer does to a file; tests put a failing one in its place.
pub(crate) trait SegmentFile: Sized {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to a length.
    fn cut(&self, length: u64) -> io::Result<()>;
    /// Reserves zeros up to a length.
    fn reserve(&self, length: u64) -> io::Result<()>;
}

/// Makes segment files: the other half of what a test replaces.
pub(crate) trait SegmentStore {
    type File: SegmentFile;

    /// A new segment that appears in its directory with its header on disk, or not at all.
    fn create(&self, header: SegmentHeader, reserve: u64) -> io::Result<Self::File>;
}

/// The journal's directory on a real file system.
#[derive(Clone, Debug)]
pub(crate) struct SegmentDirectory {
    pub(crate) path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first_sequence: u64,
    /// The chain's hash before this segment.
    pub(crate) hash: [u8; HASH],
}

/// The hash chain: each seal hashes the seal before it and every frame since.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    hasher: Sha256,
}

/// The segment that grows. Keeps what it needs to go back to the last sync.
#[derive(Debug)]
pub(crate) struct Segment<F> {
    file: F,
    limit: u64,
    now: Mark,
    synced: Mark,
    /// Frames since the last write.
    buffer: Vec<u8>,
    /// A write or sync failed: the file may hold anything after `synced`.
    suspect: bool,
}

/// A place in the growing segment.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) offset: u64,
    pub(crate) sequence: u64,
    pub(crate) chain: Chain,
}

impl SegmentHeader {
    pub(crate) const LENGTH: usize = 64;
    pub(crate) const VERSION: u32 = 1;
    const MAGIC: [u8; 8] = *b"ENIGSEGM";

    pub(crate) fn encode(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&Self::MAGIC);
        bytes[8..12].copy_from_slice(&Self::VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[32..].copy_from_slice(&self.hash);
        let checksum = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header back; the version alone when it is another one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Result<Self, u32>> {
        let bytes: &[u8; Self::LENGTH] = bytes.first_chunk()?;
        let version = u32::from_le_bytes(*bytes[8..].first_chunk()?);
        if bytes[..8] != Self::MAGIC {
            return None;
        }
        let header = Self {
            first_sequence: u64::from_le_bytes(*bytes[16..].first_chunk()?),
            hash: *bytes[32..].first_chunk()?,
        };
        if version == Self::VERSION && header.encode() != *bytes {
            return None;
        }
        Some(if version == Self::VERSION { Ok(header) } else { Err(version) })
    }
}

impl SegmentDirectory {
    /// The segments in the order of their sequences, with the first one each. Leftovers of a
    /// creation that a crash cut short carry another ending and are no segments.
    pub(crate) fn list(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 20);
            if let Some(Ok(first)) = digits.map(str::parse) {
                found.push((first, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    pub(crate) fn file_path(&self, first_sequence: u64) -> PathBuf {
        self.path.join(format!("{first_sequence:020}.seg"))
    }

    /// Makes a new name in the directory durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl SegmentStore for SegmentDirectory {
    type File = File;

    fn create(&self, header: SegmentHeader, reserve: u64) -> io::Result<File> {
        let path = self.file_path(header.first_sequence);
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&new)?;
        SegmentFile::reserve(&file, reserve.max(SegmentHeader::LENGTH as u64))?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        self.sync()?;
        Ok(file)
    }
}

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        match self.allocate(length) {
            // Some file systems can't reserve. Room then shows itself only when it is written.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
            result => result,
        }
    }
}

impl Chain {
    pub(crate) fn from(hash: [u8; HASH]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(hash);
        Self { hasher }
    }

    pub(crate) fn add(&mut self, frame: &[u8]) {
        self.hasher.update(frame);
    }

    /// Closes the link: the chain goes on from the hash given back.
    pub(crate) fn seal(&mut self) -> [u8; HASH] {
        let hash = self.hasher.clone().finalize().into();
        *self = Self::from(hash);
        hash
    }
}

impl<F: SegmentFile> Segment<F> {
    /// Frames are written in pieces of this size.
    const PIECE: usize = 256 << 10;

    /// Goes on at a place of a file, whose content before it is on disk.
    pub(crate) fn new(file: F, at: Mark, limit: u64) -> Self {
        let buffer = Vec::with_capacity(Self::PIECE + frame::MAX_FRAME);
        let synced = at.clone();
        Self { file, limit, now: at, synced, buffer, suspect: false }
    }

    /// A new segment after the record with this sequence.
    pub(crate) fn begin<S: SegmentStore<File = F>>(
        store: &S,
        sequence: u64,
        hash: [u8; HASH],
        limit: u64,
    ) -> io::Result<Self> {
        let header = SegmentHeader { first_sequence: sequence + 1, hash };
        let file = store.create(header, limit)?;
        let offset = SegmentHeader::LENGTH as u64;
        Ok(Self::new(file, Mark { offset, sequence, chain: Chain::from(hash) }, limit))
    }

    pub(crate) const fn last_sequence(&self) -> u64 {
        self.now.sequence
    }

    pub(crate) const fn synced_sequence(&self) -> u64 {
        self.synced.sequence
    }

    /// Whether there is anything that a sync would save.
    pub(crate) const fn is_dirty(&self) -> bool {
        self.now.sequence != self.synced.sequence
    }

    /// A write or sync failed since the last good one: `rewind` comes first.
    pub(crate) const fn is_suspect(&self) -> bool {
        self.suspect
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.now.offset >= self.limit
    }

    /// Adds a frame; it reaches the file with the piece it is in.
    pub(crate) fn add(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.now.chain.add(frame.bytes);
        self.now.sequence = frame.sequence;
        self.buffer.extend_from_slice(frame.bytes);
        if self.buffer.len() < Self::PIECE { Ok(()) } else { self.flush() }
    }

    /// Writes what is buffered. After this a killed process loses none of it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.suspect = true;
        self.file.write_at(&self.buffer, self.now.offset)?;
        self.suspect = false;
        self.now.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Seals and syncs everything added so far, and writes down that the sync succeeded.
    pub(crate) fn sync(&mut self, wall: UnixNanos) -> io::Result<()> {
        self.seal(wall);
        self.flush()?;
        self.suspect = true;
        self.file.sync()?;
        self.suspect = false;
        self.synced = self.now.clone();
        self.seal(wall);
        self.flush()
    }

    /// After a failure: cuts the file back to what is on disk and forgets the rest, which the
    /// caller still has and adds again.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        self.suspect = true;
        self.buffer.clear();
        self.now = self.synced.clone();
        self.file.cut(self.synced.offset)?;
        self.file.reserve(self.limit)?;
        self.suspect = false;
        Ok(())
    }

    /// Gives back what was reserved and not used, and starts the next segment. Only after a sync.
    pub(crate) fn rotate<S: SegmentStore<File = F>>(&mut self, store: &S) -> io::Result<()> {
        debug_assert!(!self.is_dirty() && self.buffer.is_empty(), "rotation follows a sync");
        self.close()?;
        let mut chain = self.now.chain.clone();
        *self = Self::begin(store, self.now.sequence, chain.seal(), self.limit)?;
        Ok(())
    }

    /// Ends the file: what was reserved and not used is given back. Only after a sync.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.suspect = true;
        self.file.cut(self.now.offset)?;
        self.file.sync()?;
        self.suspect = false;
        // The next segment's header hashes this end, so no later failure may go back behind it.
        self.synced = self.now.clone();
        Ok(())
    }

    fn seal(&mut self, wall: UnixNanos) {
        let stamp = Stamp { sequence: self.now.sequence, wall, ..Stamp::default() };
        let seal = frame::seal(stamp, self.now.chain.seal());
        self.buffer.extend_from_slice(&seal);
    }
}

/// Opens an existing segment for going on.
pub(crate) fn reopen(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}
