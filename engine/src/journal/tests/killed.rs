//! Processes that end without a farewell: what only the ring has kept, and to whom it belongs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use super::*;

const CHILD: &str = "ENIGMA_TEST_JOURNAL_CHILD";

/// Leaves numbers in the ring alone, as a process does that is killed before its writer's turn.
fn leave_in_ring(folder: &Folder, first: u32, last: u32, change: impl FnOnce(&mut Owner)) {
    let directory = DataDirectory::open(&folder.path).unwrap();
    let settings = folder.settings();
    let mut owner = Owner { installation: prefix_bytes(&directory), boot: boot() };
    change(&mut owner);
    let place = RingPlace::choose(&directory, &settings).unwrap();
    let ring = Arc::new(place.make(&directory, &settings, owner).unwrap());
    let healthy = Arc::new(AtomicBool::new(true));
    let mut producer = RingProducer::new(ring, healthy, u64::from(first) - 1);
    for number in first..=last {
        with_record(number, |record| producer.append(now(number), record)).unwrap();
    }
}

#[test]
fn records_that_only_the_ring_has_come_back_first() {
    let folder = Folder::new();
    write(&folder, 10);
    // The first five of these are on disk already.
    leave_in_ring(&folder, 6, 30, |_| {});
    let (_directory, journal) = open(&folder);
    assert_eq!((journal.recovery.records, journal.recovery.from_ring), (30, 20));
    journal.writer.finish();
    drop(_directory);
    assert_eq!(verify(&folder.path).unwrap().records, 30);
    write(&folder, 5);
}

#[test]
fn a_ring_that_does_not_continue_the_journal_is_refused() {
    let folder = Folder::new();
    write(&folder, 10);
    leave_in_ring(&folder, 12, 13, |_| {});
    let error = failure(&folder);
    assert!(matches!(error, JournalError::Gap { expected: 11, found: 12, .. }), "{error}");
}

#[test]
fn after_a_power_failure_the_ring_gives_what_still_fits() {
    let folder = Folder::new();
    write(&folder, 10);
    leave_in_ring(&folder, 12, 13, |owner| owner.boot = [7; 16]);
    let (directory, journal) = open(&folder);
    assert_eq!(journal.recovery.from_ring, 0);
    assert!(journal.recovery.dropped_ring_bytes > 0);
    journal.writer.finish();
    drop(directory);
    leave_in_ring(&folder, 11, 15, |owner| owner.boot = [7; 16]);
    let (_directory, journal) = open(&folder);
    assert_eq!((journal.recovery.from_ring, journal.recovery.dropped_ring_bytes), (5, 0));
    journal.writer.finish();
}

#[test]
fn a_ring_of_another_installation_is_set_aside() {
    let folder = Folder::new();
    leave_in_ring(&folder, 1, 3, |owner| owner.installation = *b"someelse");
    let (_directory, journal) = open(&folder);
    let aside = journal.recovery.set_aside.clone().unwrap();
    assert!(aside.exists());
    assert_eq!(journal.recovery.records, 0);
    journal.writer.finish();
}

#[test]
fn a_damaged_record_in_the_ring_is_refused() {
    let folder = Folder::new();
    leave_in_ring(&folder, 1, 20, |_| {});
    let path: PathBuf =
        fs::read_to_string(folder.path.join(LOCATION_FILE)).unwrap().trim_end().into();
    let file = segment::reopen(&path).unwrap();
    file.write_all_at(b"?", 4_096 + 500).unwrap();
    assert!(matches!(failure(&folder), JournalError::Damaged { .. }));
}

#[test]
fn a_ring_is_found_again_when_its_place_is_changed_in_the_settings() {
    let folder = Folder::new();
    leave_in_ring(&folder, 1, 20, |_| {});
    let directory = DataDirectory::open(&folder.path).unwrap();
    let other = folder.path.join("other");
    let settings = JournalSettings { ring_dir: Some(other.clone()), ..folder.settings() };
    let journal = OpenJournal::open(&directory, &settings, |_| {}).unwrap();
    assert_eq!(journal.recovery.from_ring, 20);
    assert!(journal.ring.path().starts_with(other));
    journal.writer.finish();
}

#[test]
fn a_directory_that_others_may_enter_is_no_place_for_a_ring() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    write(&folder, 1);
    let path: PathBuf =
        fs::read_to_string(folder.path.join(LOCATION_FILE)).unwrap().trim_end().into();
    let parent = path.parent().unwrap();
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(failure(&folder), JournalError::ForeignDirectory { .. }));
}

/// What the killed processes below run: opens the journal, and says each number on stdout once
/// it stands in the ring. Does nothing when the tests run it as one of theirs.
#[test]
fn child_process() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let folder = Folder { path: path.into() };
    let (_directory, mut journal) = open(&folder);
    let mut projection = journal.projection;
    let mut out = std::io::stdout().lock();
    let mut number = journal.producer.last_sequence() as u32;
    writeln!(out, "opened {number}").unwrap();
    loop {
        number += 1;
        append(&mut journal.producer, number);
        while projection.next().unwrap().is_some() {}
        projection.let_go();
        writeln!(out, "{number}").unwrap();
    }
}

fn child(folder: &Folder) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["journal::tests::killed::child_process", "--exact", "--nocapture", "--quiet"])
        .env(CHILD, &folder.path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn nothing_acknowledged_is_lost_by_twenty_kills() {
    let folder = Folder::new();
    let mut acknowledged = 0;
    for round in 0..20_u32 {
        let mut process = child(&folder);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let wanted = 1 + (round * 7_919) % 3_000;
        let mut heard = 0;
        while let Some(Ok(line)) = lines.next() {
            if let Some(found) = line.strip_prefix("opened ") {
                let found: u32 = found.parse().unwrap();
                assert!(found >= acknowledged, "round {round}: {acknowledged} became {found}");
            } else if let Ok(number) = line.parse() {
                acknowledged = number;
                heard += 1;
            }
            if heard == wanted {
                process.kill().unwrap();
            }
        }
        assert!(heard >= wanted, "round {round}: the child ended by itself");
        process.wait().unwrap();
    }
    let (_directory, journal) = open(&folder);
    let last = journal.recovery.last_sequence as u32;
    // A kill may fall between a record and its line, so there may be one more.
    assert!(last == acknowledged || last == acknowledged + 1, "{acknowledged} and {last}");
    journal.writer.finish();
}

#[test]
fn another_process_holds_the_lock_until_it_dies() {
    let folder = Folder::new();
    let mut process = child(&folder);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    while !lines.next().unwrap().unwrap().starts_with("opened") {}
    let error = DataDirectory::open(&folder.path).unwrap_err();
    let JournalError::InUse { process: named, .. } = error else { panic!("{error}") };
    assert_eq!(named, process.id().to_string());
    process.kill().unwrap();
    process.wait().unwrap();
    DataDirectory::open(&folder.path).unwrap();
    drop(lines);
}
