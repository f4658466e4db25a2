//! Reading the segments of a journal while its writer goes on writing them.
//!
//! Only what the writer has synced is shown: everything behind that may still be cut off and
//! written anew. Nothing is ever skipped, and nothing is kept between two looks but the place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::frame::{self, MAX_FRAME, Parsed, SEAL_FRAME};
use super::recovery::{Entry, Place, entry};
use super::segment::{SegmentDirectory, SegmentHeader};

/// A place in a journal's segments that moves towards their end.
#[derive(Debug)]
pub struct SegmentFollower {
    directory: SegmentDirectory,
    open: Option<OpenSegment>,
    /// The record that comes next; `None` before the first look at the directory.
    next: Option<u64>,
}

#[derive(Debug)]
struct OpenSegment {
    path: PathBuf,
    file: File,
    first: u64,
    /// The end of the last record shown. Seals behind it are passed again at each look, because
    /// the writer may take back the one that follows a sync.
    offset: u64,
}

impl SegmentFollower {
    /// Begins with the oldest record that the data directory still has.
    pub fn new(data_directory: &Path) -> Self {
        let directory = super::data_directory::segments_of(data_directory);
        Self { directory, open: None, next: None }
    }

    /// The first sequence of the segment that is being read.
    pub fn segment(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.first)
    }

    /// Shows at most `most` records, none beyond `durable`: the writer's synced sequence, taken
    /// before this call. Gives the number shown.
    pub fn read(
        &mut self,
        durable: u64,
        most: usize,
        mut visit: impl FnMut(Entry<'_>),
    ) -> Result<usize, JournalError> {
        let mut shown = 0;
        while shown < most {
            let Some(next) = self.begin()? else { return Ok(shown) };
            if next > durable {
                return Ok(shown);
            }
            if self.open.is_none() {
                self.open = Some(OpenSegment::open(&self.directory, next)?);
            }
            let Some(open) = &mut self.open else { return Ok(shown) };
            let read = open.read(next, durable, most - shown, &mut visit)?;
            shown += read;
            self.next = Some(next + read as u64);
            if read == 0 {
                self.turn(next)?;
            }
        }
        Ok(shown)
    }

    /// The next record's sequence; at first that of the oldest segment, once there is one.
    fn begin(&mut self) -> Result<Option<u64>, JournalError> {
        if self.next.is_none() {
            let files = self.directory.list().map_err(JournalError::io(&self.directory.path))?;
            self.next = files.first().map(|(first, _)| *first);
        }
        Ok(self.next)
    }

    /// A synced record that isn't in this segment is the first of the next one, or lost.
    fn turn(&mut self, next: u64) -> Result<(), JournalError> {
        let Some(ended) = self.open.take() else { return Ok(()) };
        if self.directory.file_path(next).exists() && ended.first != next {
            return Ok(());
        }
        let OpenSegment { path, offset, .. } = ended;
        Err(JournalError::Damaged { path, offset, what: "a record that was synced" })
    }
}

impl OpenSegment {
    fn open(directory: &SegmentDirectory, first: u64) -> Result<Self, JournalError> {
        let path = directory.file_path(first);
        let file = File::open(&path).map_err(JournalError::io(&path))?;
        let mut bytes = [0; SegmentHeader::LENGTH];
        file.read_exact_at(&mut bytes, 0).map_err(JournalError::io(&path))?;
        let damaged = |what| JournalError::Damaged { path: path.clone(), offset: 0, what };
        match SegmentHeader::decode(&bytes) {
            None => return Err(damaged("the segment's header")),
            Some(Err(version)) => return Err(JournalError::Version { path, version }),
            Some(Ok(header)) if header.first_sequence != first => {
                return Err(damaged("the file's name"));
            }
            Some(Ok(_)) => {}
        }
        Ok(Self { path, file, first, offset: SegmentHeader::LENGTH as u64 })
    }

    /// Shows records from the place on. None where the segment holds no more.
    fn read(
        &mut self,
        first: u64,
        durable: u64,
        most: usize,
        visit: &mut impl FnMut(Entry<'_>),
    ) -> Result<usize, JournalError> {
        let mut piece = vec![0; PIECE];
        let mut start = self.offset;
        loop {
            piece.resize(PIECE, 0);
            let length = fill(&self.file, &mut piece, start);
            piece.truncate(length.map_err(JournalError::io(&self.path))?);
            let (mut at, mut shown) = (0, 0);
            while shown < most && first + shown as u64 <= durable {
                let expected = first + shown as u64;
                let offset = start + at as u64;
                match frame::parse(piece.get(at..).unwrap_or_default()) {
                    Ok(Parsed::Record(frame)) if frame.sequence == expected => {
                        visit(entry(&frame, Place { path: &self.path, offset })?);
                        at += frame.bytes.len();
                        self.offset = start + at as u64;
                        shown += 1;
                    }
                    Ok(Parsed::Record(frame)) => {
                        let (path, found) = (self.path.clone(), frame.sequence);
                        return Err(JournalError::Gap { path, expected, found });
                    }
                    Ok(Parsed::Seal { .. }) => at += SEAL_FRAME,
                    // The end of the piece or of the segment, or damage: the caller tells the
                    // last two apart by whether anything was shown.
                    Ok(Parsed::Blank) | Err(_) => break,
                }
            }
            // Starts and ends without a record may have left more seals than a piece holds.
            if shown > 0 || at == 0 || piece.len() < PIECE || at + MAX_FRAME < PIECE {
                return Ok(shown);
            }
            start += at as u64;
        }
    }
}

/// Room for many records.
const PIECE: usize = 256 << 10;
const _: () = assert!(PIECE > 16 * MAX_FRAME, "a piece holds many records");

/// Reads until the buffer is full or the file ends.
fn fill(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use enigma_trading::journal::Journal as _;
    use enigma_trading::record::Record;
    use enigma_types::{Nanos, Now, UnixNanos};

    use super::*;
    use crate::journal::testing::Folder;
    use crate::journal::{DataDirectory, OpenJournal, RingProducer};

    fn open(folder: &Folder) -> (DataDirectory, OpenJournal) {
        let directory = DataDirectory::open(&folder.path).unwrap();
        let journal = OpenJournal::open(&directory, &folder.settings(), |_| {}).unwrap();
        (directory, journal)
    }

    fn append(producer: &mut RingProducer, block: u32) {
        let at = Now { mono: Nanos(1), wall: UnixNanos(u64::from(block)), venue_offset_ns: 0 };
        let start = Instant::now();
        while producer.append(at, &Record::Lease { block }).is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "the writer never made room");
            std::thread::yield_now();
        }
    }

    fn read(follower: &mut SegmentFollower, durable: u64, most: usize) -> Vec<u32> {
        let mut blocks = Vec::new();
        let shown = follower.read(durable, most, |entry| {
            let Record::Lease { block } = entry.record else { panic!("{:?}", entry.record) };
            assert_eq!(entry.sequence, u64::from(block));
            blocks.push(block);
        });
        assert_eq!(shown.unwrap(), blocks.len());
        blocks
    }

    /// Writes records on, over many starts, each with more than a segment of them.
    fn write(folder: &Folder, starts: u32, each: u32) {
        for start in 0..starts {
            let (_directory, mut journal) = open(folder);
            let mut projection = journal.projection;
            for block in start * each + 1..=(start + 1) * each {
                append(&mut journal.producer, block);
                while projection.next().unwrap().is_some() {}
                projection.let_go();
            }
            journal.writer.finish();
        }
    }

    #[test]
    fn a_growing_journal_is_shown_once_and_whole_up_to_what_is_synced() {
        let folder = Folder::new();
        let mut follower = SegmentFollower::new(&folder.path);
        let (_directory, mut journal) = open(&folder);
        let mut projection = journal.projection;
        let mut seen: Vec<u32> = Vec::new();
        for block in 1..=4_000 {
            append(&mut journal.producer, block);
            while projection.next().unwrap().is_some() {}
            projection.let_go();
            if block % 7 == 0 {
                let durable = journal.health.synced_sequence();
                seen.extend(read(&mut follower, durable, 100));
                assert!(seen.len() as u64 <= durable);
            }
        }
        journal.writer.finish();
        let durable = journal.health.synced_sequence();
        assert_eq!(durable, 4_000);
        while seen.len() < 4_000 {
            seen.extend(read(&mut follower, durable, 100));
        }
        assert_eq!(seen, (1..=4_000).collect::<Vec<_>>());
        assert!(follower.segment().is_some_and(|first| first > 1), "it never turned");
        assert_eq!(read(&mut follower, durable, 100), Vec::<u32>::new());
    }

    #[test]
    fn many_starts_without_a_record_leave_nothing_behind_that_hides_the_next_one() {
        let folder = Folder::new();
        write(&folder, 1, 3);
        for _ in 0..40 {
            let (_directory, journal) = open(&folder);
            journal.writer.finish();
        }
        let mut follower = SegmentFollower::new(&folder.path);
        assert_eq!(read(&mut follower, 3, 2), [1, 2]);
        let (_directory, mut journal) = open(&folder);
        append(&mut journal.producer, 4);
        journal.writer.finish();
        assert_eq!(read(&mut follower, 4, 9), [3, 4]);
    }

    #[test]
    fn nothing_beyond_the_synced_record_is_shown() {
        let folder = Folder::new();
        write(&folder, 3, 1_000);
        let mut follower = SegmentFollower::new(&folder.path);
        assert_eq!(read(&mut follower, 0, 9), Vec::<u32>::new());
        assert_eq!(read(&mut follower, 5, 9), [1, 2, 3, 4, 5]);
        assert_eq!(read(&mut follower, 5, 9), Vec::<u32>::new());
        assert_eq!(read(&mut follower, 3_000, 9_999), (6..=3_000).collect::<Vec<_>>());
    }

    #[test]
    fn damage_and_a_lost_segment_are_told_and_never_skipped() {
        let folder = Folder::new();
        write(&folder, 3, 500);
        let files = super::super::data_directory::segments_of(&folder.path).list().unwrap();
        assert!(files.len() > 2, "{files:?}");
        let mut whole = SegmentFollower::new(&folder.path);
        assert_eq!(read(&mut whole, 1_500, 9_999).len(), 1_500);

        fs::rename(&files[1].1, files[1].1.with_extension("away")).unwrap();
        let mut follower = SegmentFollower::new(&folder.path);
        let error = follower.read(1_500, 9_999, |_| {}).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        fs::rename(files[1].1.with_extension("away"), &files[1].1).unwrap();

        let mut bytes = fs::read(&files[0].1).unwrap();
        bytes[200] ^= 1;
        fs::write(&files[0].1, bytes).unwrap();
        let mut follower = SegmentFollower::new(&folder.path);
        let error = follower.read(1_500, 9_999, |_| {}).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_journal_whose_oldest_segments_are_gone_is_shown_from_the_oldest_left() {
        let folder = Folder::new();
        write(&folder, 3, 500);
        let files = super::super::data_directory::segments_of(&folder.path).list().unwrap();
        fs::remove_file(&files[0].1).unwrap();
        let first = files[1].0 as u32;
        let mut follower = SegmentFollower::new(&folder.path);
        assert_eq!(read(&mut follower, 1_500, 9_999), (first..=1_500).collect::<Vec<_>>());
    }
}
