//! Reading the journal back: every record in order, or the place where it can't be trusted.
//!
//! A tail that a crash tore off is left out and counted. Damage before the tail, a missing record
//! or a broken hash chain is an error with file and offset: nothing is ever skipped. Only reads;
//! what becomes of a torn tail is the opener's business.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use enigma_trading::record::Record;
use enigma_types::{Nanos, UnixNanos};

use super::error::JournalError;
use super::frame::{self, Frame, HASH, MAX_FRAME, Parsed, SEAL_FRAME};
use super::segment::{Chain, Mark, SegmentDirectory, SegmentHeader};

/// One record as it stands in the journal.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub sequence: u64,
    pub wall: UnixNanos,
    /// On the clock of the process that wrote it.
    pub mono: Nanos,
    pub record: Record<'a>,
}

/// What was found at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    pub records: u64,
    pub last_sequence: u64,
    /// Bytes of a torn tail that held no whole record.
    pub truncated_bytes: u64,
    /// Records that a killed process had left in the ring alone.
    pub from_ring: u64,
    /// Bytes in the ring that a power failure had separated from the journal.
    pub dropped_ring_bytes: u64,
    /// A ring that another installation had left here, and where it lies now.
    pub set_aside: Option<PathBuf>,
}

/// What `verify` found in a journal that is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub segments: u64,
    pub records: u64,
    pub last_sequence: u64,
    /// Bytes at the end that hold no whole record: what a crash tore off, or what a running
    /// daemon is writing just now.
    pub torn_bytes: u64,
}

/// Where the segments end.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The last segment, if there is one.
    pub(crate) file: Option<(u64, PathBuf)>,
    pub(crate) mark: Mark,
    pub(crate) records: u64,
    pub(crate) segments: u64,
    pub(crate) torn_bytes: u64,
}

/// Reads the records that stand on disk, for a second look at a journal that is open already.
pub fn replay(
    data_directory: &Path,
    mut visit: impl FnMut(Entry<'_>),
) -> Result<Report, JournalError> {
    let segments = super::data_directory::segments_of(data_directory);
    let tail = read_segments(&segments, |frame, place| {
        visit(entry(frame, place)?);
        Ok(())
    })?;
    Ok(Report {
        segments: tail.segments,
        records: tail.records,
        last_sequence: tail.mark.sequence,
        torn_bytes: tail.torn_bytes,
    })
}

/// Checks every checksum, every record and the hash chain.
pub fn verify(data_directory: &Path) -> Result<Report, JournalError> {
    replay(data_directory, |_| {})
}

/// Where a frame was found, for errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    pub(crate) offset: u64,
}

/// The record in a frame.
pub(crate) fn entry<'a>(frame: &Frame<'a>, place: Place<'_>) -> Result<Entry<'a>, JournalError> {
    let record = Record::decode(frame.payload).map_err(|fault| JournalError::Unreadable {
        path: place.path.into(),
        offset: place.offset,
        what: fault.to_string(),
    })?;
    Ok(Entry { sequence: frame.sequence, wall: frame.wall, mono: frame.mono, record })
}

/// Reads all segments in order.
pub(crate) fn read_segments(
    directory: &SegmentDirectory,
    mut visit: impl FnMut(&Frame<'_>, Place<'_>) -> Result<(), JournalError>,
) -> Result<Tail, JournalError> {
    let files = directory.list().map_err(JournalError::io(&directory.path))?;
    let mut tail = Tail {
        file: None,
        mark: Mark { offset: 0, sequence: 0, chain: Chain::from([0; HASH]) },
        records: 0,
        segments: files.len() as u64,
        torn_bytes: 0,
    };
    let count = files.len();
    for (place, (first, path)) in files.into_iter().enumerate() {
        let mut reader = SegmentReader::open(&path).map_err(JournalError::io(&path))?;
        read_header(&mut reader, first, place == 0, &mut tail.mark, &path)?;
        read_frames(&mut reader, &mut tail, &path, &mut visit)?;
        settle_end(&mut reader, &mut tail, place + 1 == count, &path)?;
        tail.file = Some((first, path));
    }
    Ok(tail)
}

fn read_header(
    reader: &mut SegmentReader,
    first: u64,
    is_first: bool,
    mark: &mut Mark,
    path: &Path,
) -> Result<(), JournalError> {
    let damaged = |what| JournalError::Damaged { path: path.into(), offset: 0, what };
    let window = reader.window().map_err(JournalError::io(path))?;
    let header = match SegmentHeader::decode(window) {
        None => return Err(damaged("the segment's header")),
        Some(Err(version)) => return Err(JournalError::Version { path: path.into(), version }),
        Some(Ok(header)) => header,
    };
    let expected = mark.sequence + 1;
    if header.first_sequence != first {
        return Err(damaged("the file's name"));
    }
    if first != expected {
        return Err(JournalError::Gap { path: path.into(), expected, found: first });
    }
    // Every segment starts from the hash of the one before; the first one from zeros.
    let hash = if is_first { [0; HASH] } else { mark.chain.seal() };
    if header.hash != hash {
        return Err(damaged("the hash chain"));
    }
    mark.chain = Chain::from(hash);
    reader.advance(SegmentHeader::LENGTH);
    mark.offset = reader.offset;
    Ok(())
}

/// Reads frames up to the first place that holds none.
fn read_frames(
    reader: &mut SegmentReader,
    tail: &mut Tail,
    path: &Path,
    visit: &mut impl FnMut(&Frame<'_>, Place<'_>) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    loop {
        let offset = reader.offset;
        let damaged = |what| JournalError::Damaged { path: path.into(), offset, what };
        let window = reader.window().map_err(JournalError::io(path))?;
        let mark = &mut tail.mark;
        let length = match frame::parse(window) {
            Ok(Parsed::Record(frame)) => {
                let expected = mark.sequence + 1;
                if frame.sequence != expected {
                    let found = frame.sequence;
                    return Err(JournalError::Gap { path: path.into(), expected, found });
                }
                visit(&frame, Place { path, offset })?;
                mark.chain.add(frame.bytes);
                mark.sequence = frame.sequence;
                tail.records += 1;
                frame.bytes.len()
            }
            Ok(Parsed::Seal { sequence, hash }) => {
                if sequence != mark.sequence || mark.chain.seal() != hash {
                    return Err(damaged("the hash chain"));
                }
                SEAL_FRAME
            }
            Ok(Parsed::Blank) | Err(_) => return Ok(()),
        };
        reader.advance(length);
        mark.offset = reader.offset;
    }
}

/// Tells reserved zeros and a torn tail from damage. What follows a sync is written only once the
/// sync has succeeded: so a seal with anything behind it was on disk, and all before it too.
fn settle_end(
    reader: &mut SegmentReader,
    tail: &mut Tail,
    is_last: bool,
    path: &Path,
) -> Result<(), JournalError> {
    let end = reader.offset;
    let mut last_byte = None;
    let mut first_seal = None;
    loop {
        let offset = reader.offset;
        let window = reader.window().map_err(JournalError::io(path))?;
        if window.is_empty() {
            break;
        }
        let word = &window[..window.len().min(frame::ALIGNMENT)];
        if let Some(at) = word.iter().rposition(|&byte| byte != 0) {
            last_byte = Some(offset + at as u64);
            if first_seal.is_none() && matches!(frame::parse(window), Ok(Parsed::Seal { .. })) {
                first_seal = Some(offset + SEAL_FRAME as u64);
            }
        }
        let length = word.len();
        reader.advance(length);
    }
    let Some(last_byte) = last_byte else { return Ok(()) };
    let was_on_disk = first_seal.is_some_and(|sealed| last_byte >= sealed);
    if !is_last || was_on_disk {
        return Err(JournalError::Damaged { path: path.into(), offset: end, what: "a record" });
    }
    tail.torn_bytes = last_byte + 1 - end;
    Ok(())
}

/// A file as a window that always shows a whole frame, unless the file ends in it.
struct SegmentReader {
    file: File,
    buffer: Vec<u8>,
    /// How much of the buffer was consumed.
    start: usize,
    /// Where in the file that is.
    offset: u64,
    ended: bool,
}

impl SegmentReader {
    const PIECE: usize = 256 << 10;

    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let buffer = Vec::with_capacity(Self::PIECE + MAX_FRAME);
        Ok(Self { file, buffer, start: 0, offset: 0, ended: false })
    }

    fn window(&mut self) -> io::Result<&[u8]> {
        if self.buffer.len() - self.start < MAX_FRAME && !self.ended {
            self.buffer.drain(..self.start);
            self.start = 0;
            let room = (Self::PIECE + MAX_FRAME - self.buffer.len()) as u64;
            let read = self.file.by_ref().take(room).read_to_end(&mut self.buffer)?;
            self.ended = (read as u64) < room;
        }
        Ok(self.buffer.get(self.start..).unwrap_or_default())
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }
}
