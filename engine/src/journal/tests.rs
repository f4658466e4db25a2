//! The journal as a whole: what comes back after an orderly end, a kill, a torn or damaged file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]

mod killed;
mod sick_disk;

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use enigma_trading::journal::Journal as _;
use enigma_trading::record::Record;
use enigma_types::{Nanos, Now, StrategyId, UnixNanos};

use super::testing::Folder;
use super::*;

/// A record that carries a number, long enough that a few hundred fill a small segment.
fn with_record<T>(number: u32, then: impl FnOnce(&Record<'_>) -> T) -> T {
    let width = 8 + number as usize % 90;
    let json = format!("{number:0>width$}");
    then(&Record::Strategy { id: StrategyId(number as u16), json: &json })
}

fn number_of(entry: &Entry<'_>) -> u32 {
    let Record::Strategy { json, .. } = entry.record else { panic!("{:?}", entry.record) };
    json.parse().unwrap()
}

fn now(number: u32) -> Now {
    let stamp = u64::from(number);
    Now { mono: Nanos(stamp * 2), wall: UnixNanos(stamp * 3), venue_offset_ns: 0 }
}

fn append(producer: &mut RingProducer, number: u32) {
    let start = Instant::now();
    while with_record(number, |record| producer.append(now(number), record)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "the writer never made room");
        thread::yield_now();
    }
}

/// Opens the journal and checks that it holds exactly the numbers from 1 on.
#[track_caller]
fn open(folder: &Folder) -> (DataDirectory, OpenJournal) {
    let directory = DataDirectory::open(&folder.path).unwrap();
    let mut next = 1;
    let journal = OpenJournal::open(&directory, &folder.settings(), |entry| {
        assert_eq!(number_of(&entry), next);
        assert_eq!(entry.sequence, u64::from(next));
        assert_eq!((entry.mono, entry.wall), (now(next).mono, now(next).wall));
        next += 1;
    })
    .unwrap();
    assert_eq!(journal.recovery.records, u64::from(next - 1));
    assert_eq!(journal.recovery.last_sequence, u64::from(next - 1));
    (directory, journal)
}

fn failure(folder: &Folder) -> JournalError {
    let directory = DataDirectory::open(&folder.path).unwrap();
    OpenJournal::open(&directory, &folder.settings(), |_| {}).unwrap_err()
}

/// Writes numbers on from where the journal ends, and closes it in order.
fn write(folder: &Folder, count: u32) {
    let (_directory, mut journal) = open(folder);
    let first = journal.producer.last_sequence() as u32 + 1;
    let mut projection = journal.projection;
    for number in first..first + count {
        append(&mut journal.producer, number);
        while projection.next().unwrap().is_some() {}
        projection.let_go();
    }
    journal.writer.finish();
}

#[test]
fn an_orderly_end_takes_the_ring_away_and_the_next_start_goes_on() {
    let folder = Folder::new();
    for round in 1..=3_u32 {
        let (_directory, mut journal) = open(&folder);
        append(&mut journal.producer, round);
        let path = journal.ring.path().to_owned();
        assert!(path.exists());
        journal.writer.finish();
        retire(&journal.ring);
        assert!(!path.exists() && !path.parent().unwrap().exists());
        retire(&journal.ring);
    }
    assert_eq!(verify(&folder.path).unwrap().records, 3);
}

/// The journal's segments, as a process leaves them that is killed: with reserved zeros.
fn segments(folder: &Folder) -> Vec<PathBuf> {
    let directory = data_directory::segments_of(&folder.path);
    directory.list().unwrap().into_iter().map(|(_, path)| path).collect()
}

#[test]
fn what_was_written_comes_back_in_order() {
    let folder = Folder::new();
    for count in [0, 1, 700, 3, 0, 10_000] {
        write(&folder, count);
    }
    let (_directory, journal) = open(&folder);
    assert_eq!(journal.recovery.last_sequence, 10_704);
    assert_eq!((journal.recovery.truncated_bytes, journal.recovery.from_ring), (0, 0));
    journal.writer.finish();
    let report = verify(&folder.path).unwrap();
    assert_eq!((report.records, report.torn_bytes), (10_704, 0));
    assert!(report.segments > 10, "{report:?}");
}

#[test]
fn readers_may_look_while_the_journal_grows() {
    let folder = Folder::new();
    let (_directory, mut journal) = open(&folder);
    let mut projection = journal.projection;
    let mut seen = 0;
    for number in 1..=3_000 {
        append(&mut journal.producer, number);
        while let Some(frame) = projection.next().unwrap() {
            seen += 1;
            assert_eq!(frame.sequence, seen);
        }
        projection.let_go();
        if number % 500 == 0 {
            let report = verify(&folder.path).unwrap();
            assert!(report.records <= u64::from(number));
        }
    }
    journal.health.request_sync();
    while journal.health.synced_sequence() < 3_000 {
        thread::yield_now();
    }
    assert_eq!(journal.ring.unsynced(), 0);
    assert_eq!(verify(&folder.path).unwrap().records, 3_000);
    assert!(journal.health.syncs() > 0 && journal.health.is_healthy());
    journal.writer.finish();
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_off_and_counted() {
    let folder = Folder::new();
    write(&folder, 20);
    let path = segments(&folder).pop().unwrap();
    let whole = fs::read(&path).unwrap();
    // Behind the last synced record, as a kill leaves it: one more record without a seal.
    let mut last = vec![0; frame::MAX_FRAME];
    let payload = with_record(21, |record| record.encode(&mut last[frame::HEADER..])).unwrap();
    let stamp = frame::Stamp { sequence: 21, wall: now(21).wall, mono: now(21).mono };
    let length = frame::finish(&mut last, stamp, payload).unwrap();
    for kept in 0..=length {
        for reserved in [0, 4_096] {
            let mut bytes = whole.clone();
            bytes.extend_from_slice(&last[..kept]);
            bytes.resize(bytes.len() + reserved, 0);
            fs::write(&path, &bytes).unwrap();
            let (directory, journal) = open(&folder);
            let recovery = &journal.recovery;
            let torn = last[..kept].iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
            if kept == length {
                assert_eq!((recovery.records, recovery.truncated_bytes), (21, 0));
            } else if recovery.records == 21 {
                // What was cut off were zeros, and there are reserved zeros in their place.
                assert!(reserved > 0 && last[kept..length].iter().all(|&byte| byte == 0));
            } else {
                assert_eq!(recovery.records, 20);
                assert_eq!(recovery.truncated_bytes, torn as u64, "{kept} bytes kept");
            }
            journal.writer.finish();
            drop(directory);
            // The cut tail is gone for good: the journal goes on after it.
            assert_eq!(verify(&folder.path).unwrap().torn_bytes, 0);
        }
    }
}

#[test]
fn damage_before_the_tail_refuses_with_file_and_offset() {
    let folder = Folder::new();
    write(&folder, 60);
    let files = segments(&folder);
    let path = files.first().unwrap();
    let whole = fs::read(path).unwrap();
    let random = &mut 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..400 {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        // The two seals at the end prove what stands before them, not themselves.
        let bit = *random as usize % ((whole.len() - 2 * frame::SEAL_FRAME) * 8);
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, &bytes).unwrap();
        let error = failure(&folder);
        if let JournalError::Damaged { path: named, offset, .. } = &error {
            assert_eq!(named, path);
            assert!(*offset <= bit as u64 / 8, "bit {bit} reported at {offset}");
            assert!(bit as u64 / 8 < offset + frame::MAX_FRAME as u64);
        } else {
            // The header's version field.
            let version = matches!(error, JournalError::Version { .. });
            assert!(version && (64..96).contains(&bit), "bit {bit}: {error}");
        }
        assert_eq!(fs::read(path).unwrap(), bytes, "a refused journal is left as it is");
    }
    fs::write(path, &whole).unwrap();
    assert_eq!(verify(&folder.path).unwrap().records, 60);
}

#[test]
fn a_whole_record_in_anothers_place_breaks_the_chain() {
    let folder = Folder::new();
    write(&folder, 30);
    let path = segments(&folder).pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // Forge the tenth record: other text, right checksum.
    let mut at = segment::SegmentHeader::LENGTH;
    loop {
        match frame::parse(&bytes[at..]).unwrap() {
            frame::Parsed::Record(found) if found.sequence == 10 => break,
            frame::Parsed::Record(found) => at += found.bytes.len(),
            frame::Parsed::Seal { .. } => at += frame::SEAL_FRAME,
            frame::Parsed::Blank => panic!("no tenth record"),
        }
    }
    let payload = u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
    bytes[at + frame::HEADER + payload - 1] ^= 1;
    let stamp = frame::Stamp { sequence: 10, wall: now(10).wall, mono: now(10).mono };
    frame::finish(&mut bytes[at..], stamp, payload).unwrap();
    fs::write(&path, &bytes).unwrap();
    let error = verify(&folder.path).unwrap_err();
    let JournalError::Damaged { what, .. } = error else { panic!("{error}") };
    assert_eq!(what, "the hash chain");
}

#[test]
fn a_missing_or_exchanged_segment_is_noticed() {
    let folder = Folder::new();
    write(&folder, 3_000);
    let files = segments(&folder);
    assert!(files.len() > 5);
    let aside = folder.path.join("aside");
    for missing in files.iter().rev().skip(1) {
        fs::rename(missing, &aside).unwrap();
        let error = failure(&folder);
        assert!(matches!(error, JournalError::Gap { .. }), "{error}");
        fs::rename(&aside, missing).unwrap();
    }
    fs::copy(&files[1], &aside).unwrap();
    fs::copy(&files[2], &files[1]).unwrap();
    assert!(matches!(failure(&folder), JournalError::Damaged { offset: 0, .. }));
    fs::copy(&aside, &files[1]).unwrap();
    assert_eq!(verify(&folder.path).unwrap().records, 3_000);
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    let folder = Folder::new();
    write(&folder, 3);
    let path = segments(&folder).pop().unwrap();
    let file = segment::reopen(&path).unwrap();
    file.write_all_at(&9_u32.to_le_bytes(), 8).unwrap();
    assert!(matches!(failure(&folder), JournalError::Version { version: 9, .. }));
}

#[test]
fn a_second_opener_is_refused_while_the_first_lives() {
    let folder = Folder::new();
    let (directory, journal) = open(&folder);
    assert!(matches!(DataDirectory::open(&folder.path), Err(JournalError::InUse { .. })));
    journal.writer.finish();
    drop(directory);
    write(&folder, 1);
}

#[test]
fn orders_are_refused_before_the_ring_is_full_and_nothing_is_overwritten() {
    let folder = Folder::new();
    let owner = Owner { installation: *b"00000000", boot: [0; 16] };
    let path = folder.path.join("journal.ring");
    let ring = Arc::new(Ring::create(&path, 1 << 16, owner).unwrap());
    let mut cursor = RingCursor::new(Arc::clone(&ring), Reader::Writer);
    let healthy = Arc::new(AtomicBool::new(true));
    let mut producer = RingProducer::new(Arc::clone(&ring), Arc::clone(&healthy), 0);
    let mut written = 0;
    let mut accepted = 0;
    while with_record(written + 1, |record| producer.append(now(1), record)).is_ok() {
        written += 1;
        accepted += u32::from(producer.accepts_orders());
    }
    assert!(accepted > 0 && written > accepted + accepted / 5, "{accepted} of {written}");
    for sequence in 1..=u64::from(written) {
        assert_eq!(cursor.next().unwrap().unwrap().sequence, sequence);
    }
    assert_eq!(cursor.next().unwrap(), None);
    assert!(!producer.accepts_orders(), "nothing was let go of yet");
    cursor.let_go();
    assert!(producer.accepts_orders());
    healthy.store(false, Ordering::Relaxed);
    assert!(!producer.accepts_orders(), "the disk is sick");
    append(&mut producer, 1);
}

#[test]
fn two_threads_pass_records_of_any_length_through_a_small_ring() {
    let folder = Folder::new();
    let owner = Owner { installation: *b"00000000", boot: [0; 16] };
    let path = folder.path.join("journal.ring");
    let ring = Arc::new(Ring::create(&path, 1 << 16, owner).unwrap());
    let mut cursors = [Reader::Writer, Reader::Projector]
        .map(|reader| RingCursor::new(Arc::clone(&ring), reader));
    let healthy = Arc::new(AtomicBool::new(true));
    let mut producer = RingProducer::new(ring, healthy, 0);
    let length = |sequence: u64| 1 + (sequence.wrapping_mul(2_654_435_761) >> 7) as usize % 4_096;
    let count = 20_000_u64;
    thread::scope(|scope| {
        for cursor in &mut cursors {
            scope.spawn(move || {
                let mut expected = 1;
                while expected <= count {
                    let Some(frame) = cursor.next().unwrap() else {
                        cursor.let_go();
                        thread::yield_now();
                        continue;
                    };
                    assert_eq!(frame.sequence, expected);
                    assert_eq!(frame.payload.len(), length(expected));
                    assert!(frame.payload.iter().all(|&byte| byte == expected as u8));
                    expected += 1;
                }
            });
        }
        for sequence in 1..=count {
            let fill = |room: &mut [u8]| {
                let payload = room.get_mut(..length(sequence))?;
                payload.fill(sequence as u8);
                Some(payload.len())
            };
            while producer.push(Now::default(), fill).is_err() {
                thread::yield_now();
            }
        }
    });
}
