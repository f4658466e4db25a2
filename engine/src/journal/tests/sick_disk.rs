//! Disks that are full, fail, or forget what they failed to sync.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::journal::segment::{SegmentFile, SegmentHeader, SegmentStore};

/// A disk in memory. A failed sync forgets what wasn't synced and says nothing of it later, as
/// Linux does.
#[derive(Clone, Debug, Default)]
struct SickDisk(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    files: Vec<(u64, Vec<u8>, Vec<u8>)>,
    /// What the next operations do: `true` fails.
    fail_writes: bool,
    fail_syncs: bool,
    full: bool,
}

#[derive(Debug)]
struct SickFile {
    disk: SickDisk,
    place: usize,
}

fn fault(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl SegmentStore for SickDisk {
    type File = SickFile;

    fn create(&self, header: SegmentHeader, _reserve: u64) -> io::Result<SickFile> {
        let mut inner = self.0.borrow_mut();
        if inner.full {
            return Err(fault(libc::ENOSPC));
        }
        let bytes = header.encode().to_vec();
        inner.files.push((header.first_sequence, bytes.clone(), bytes));
        Ok(SickFile { disk: self.clone(), place: inner.files.len() - 1 })
    }
}

impl SegmentFile for SickFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.disk.0.borrow_mut();
        let offset = offset as usize;
        let fails = inner.fail_writes;
        let cached = &mut inner.files[self.place].1;
        // A failing write gets half of its bytes out.
        let bytes = if fails { &bytes[..bytes.len() / 2] } else { bytes };
        cached.resize(cached.len().max(offset + bytes.len()), 0);
        cached[offset..offset + bytes.len()].copy_from_slice(bytes);
        if fails { Err(fault(libc::ENOSPC)) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.0.borrow_mut();
        let fails = inner.fail_syncs;
        let (_, cached, durable) = &mut inner.files[self.place];
        if fails {
            cached.clone_from(durable);
            return Err(fault(libc::EIO));
        }
        durable.clone_from(cached);
        Ok(())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.disk.0.borrow_mut().files[self.place].1.truncate(length as usize);
        Ok(())
    }

    fn reserve(&self, _length: u64) -> io::Result<()> {
        if self.disk.0.borrow().full { Err(fault(libc::ENOSPC)) } else { Ok(()) }
    }
}

struct Bench {
    _folder: Folder,
    disk: SickDisk,
    producer: RingProducer,
    writer: Writer<SickDisk>,
    health: Arc<JournalHealth>,
    ring: Arc<Ring>,
    written: u32,
}

impl Bench {
    fn new() -> Self {
        let folder = Folder::new();
        let owner = Owner { installation: *b"00000000", boot: [0; 16] };
        let path = folder.path.join("journal.ring");
        let ring = Arc::new(Ring::create(&path, 1 << 16, owner).unwrap());
        let health = Arc::new(JournalHealth::new(0));
        let disk = SickDisk::default();
        let segment = Segment::begin(&disk, 0, [0; HASH], 8 << 10).unwrap();
        let cursor = RingCursor::new(Arc::clone(&ring), Reader::Writer);
        let producer = RingProducer::new(Arc::clone(&ring), Arc::clone(&health.healthy), 0);
        let store = disk.clone();
        let writer = Writer::new(cursor, segment, store, Arc::clone(&health), Duration::ZERO);
        Self { _folder: folder, disk, producer, writer, health, ring, written: 0 }
    }

    fn append(&mut self, count: u32) {
        for _ in 0..count {
            self.written += 1;
            append(&mut self.producer, self.written);
        }
    }

    /// One turn of the writer as `run` makes it.
    fn turn(&mut self) {
        if let Err(fault) = self.writer.step() {
            self.health.fail(&fault);
        }
    }

    fn settle(&mut self) {
        for _ in 0..64 {
            self.turn();
        }
        assert!(self.health.is_healthy(), "{}", self.health.last_fault());
    }

    /// Reads what would be left after a power failure.
    fn check_durable(&self) {
        let folder = Folder::new();
        let directory = SegmentDirectory { path: folder.path.clone() };
        for (first, _, durable) in &self.disk.0.borrow().files {
            fs::write(directory.file_path(*first), durable).unwrap();
        }
        let mut next = 1;
        let tail = read_segments(&directory, |frame, place| {
            assert_eq!(number_of(&entry(frame, place)?), next);
            next += 1;
            Ok(())
        })
        .unwrap();
        let synced = self.health.synced_sequence();
        assert_eq!(tail.mark.sequence, synced);
        // Whatever isn't on disk is still in the ring.
        let mut cursor = RingCursor::new(Arc::clone(&self.ring), Reader::Projector);
        let first = cursor.next().unwrap().map(|frame| frame.sequence);
        assert!(first.is_none_or(|first| first <= synced + 1), "{first:?} after {synced}");
        if first.is_none() {
            assert_eq!(synced, u64::from(self.written));
        }
        self.ring_has_one_reader_again();
    }

    fn ring_has_one_reader_again(&self) {
        let mut cursor = RingCursor::new(Arc::clone(&self.ring), Reader::Projector);
        while cursor.next().unwrap().is_some() {}
        cursor.let_go();
    }
}

#[test]
fn a_full_disk_closes_the_gate_and_loses_nothing_once_there_is_room() {
    let mut bench = Bench::new();
    bench.append(50);
    bench.settle();
    bench.disk.0.borrow_mut().fail_writes = true;
    bench.append(50);
    bench.turn();
    assert!(!bench.health.is_healthy() && !bench.producer.accepts_orders());
    assert!(bench.health.last_fault().contains("space"), "{}", bench.health.last_fault());
    bench.append(10);
    bench.turn();
    assert!(!bench.health.is_healthy());
    bench.disk.0.borrow_mut().fail_writes = false;
    bench.settle();
    assert!(bench.producer.accepts_orders());
    bench.check_durable();
    assert_eq!(bench.health.synced_sequence(), 110);
}

#[test]
fn a_failed_sync_is_never_believed_later() {
    let mut bench = Bench::new();
    bench.append(40);
    bench.settle();
    bench.disk.0.borrow_mut().fail_syncs = true;
    bench.append(40);
    bench.turn();
    assert!(!bench.health.is_healthy());
    assert_eq!(bench.health.synced_sequence(), 40);
    // The disk says yes again, without what it forgot: all of it must be written once more.
    bench.disk.0.borrow_mut().fail_syncs = false;
    bench.settle();
    bench.check_durable();
    assert_eq!(bench.health.synced_sequence(), 80);
}

#[test]
fn a_ring_that_holds_more_than_the_disk_stays_for_the_next_start() {
    let mut bench = Bench::new();
    bench.append(10);
    bench.settle();
    bench.disk.0.borrow_mut().fail_syncs = true;
    bench.append(1);
    bench.turn();
    retire(&bench.ring);
    assert!(bench.ring.path().exists());
    bench.disk.0.borrow_mut().fail_syncs = false;
    bench.settle();
    retire(&bench.ring);
    assert!(!bench.ring.path().exists());
}

#[test]
fn any_run_of_faults_leaves_the_synced_records_whole() {
    for seed in 1..=40_u64 {
        println_seed(seed);
        let mut bench = Bench::new();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..120 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            {
                let mut inner = bench.disk.0.borrow_mut();
                inner.fail_writes = random & 0b111 == 1;
                inner.fail_syncs = random >> 3 & 0b111 == 1;
                inner.full = random >> 6 & 0b111 == 1;
            }
            let room = bench.ring.capacity() - bench.ring.used();
            if room > 24_000 {
                bench.append((random >> 9 & 63) as u32);
            }
            bench.turn();
            if random >> 16 & 0b1111 == 0 {
                bench.check_tail_of_cache();
            }
        }
        {
            let mut inner = bench.disk.0.borrow_mut();
            (inner.fail_writes, inner.fail_syncs, inner.full) = (false, false, false);
        }
        bench.settle();
        bench.check_durable();
        assert_eq!(bench.health.synced_sequence(), u64::from(bench.written));
    }
}

impl Bench {
    /// At any time, what is durable reads as a journal with at least what was called synced.
    fn check_tail_of_cache(&self) {
        let folder = Folder::new();
        let directory = SegmentDirectory { path: folder.path.clone() };
        for (first, _, durable) in &self.disk.0.borrow().files {
            fs::write(directory.file_path(*first), durable).unwrap();
        }
        let tail = read_segments(&directory, |_, _| Ok(())).unwrap();
        assert!(tail.mark.sequence >= self.health.synced_sequence());
    }
}

/// The seed is shown when the test fails.
#[expect(clippy::print_stdout, reason = "a random test shows its seed")]
fn println_seed(seed: u64) {
    println!("seed {seed}");
}
