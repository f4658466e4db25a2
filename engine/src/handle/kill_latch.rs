//! The kill switch on disk: a small file that stands from the kill to the re-arm, whatever the
//! journal has or hasn't recorded. A kill may come before there is a desk to record it.
//!
//! It decides nothing while the engine runs: the gate does. It is read at start alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use enigma_types::UnixNanos;

use crate::snapshot::KillView;

/// The file and the order of those who write it.
#[derive(Debug)]
pub(crate) struct KillLatch {
    path: PathBuf,
    turn: Mutex<()>,
    /// Somebody is writing: on a disk that hangs, maybe for long.
    busy: AtomicBool,
}

impl KillLatch {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { path: directory.join(FILE), turn: Mutex::new(()), busy: AtomicBool::new(false) }
    }

    /// The kill that stands on disk. A file that can't be read is a kill of unknown reason.
    pub(crate) fn read(&self) -> Option<KillView> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => format!("0 {} can't be read: {error}", self.path.display()).into_bytes(),
        };
        let text = String::from_utf8_lossy(&text);
        let (since, reason) = text.trim_end_matches('\n').split_once(' ').unwrap_or_default();
        let since = UnixNanos(since.parse().unwrap_or_default());
        Some(KillView { engaged: true, reason: reason.into(), since })
    }

    /// Writes the kill down, synced to disk, as long as it still holds: a re-arm that has come in
    /// between must not be undone.
    pub(crate) fn set(
        &self,
        kill: &KillView,
        still_engaged: impl FnOnce() -> bool,
    ) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !still_engaged() {
            return Ok(());
        }
        let new = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        write!(file, "{} {}", kill.since.0, kill.reason)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.sync_directory()
    }

    /// Takes the file away after a re-arm, unless a newer kill has closed the gate again.
    pub(crate) fn clear(&self, is_released: impl FnOnce() -> bool) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_released() {
            return Ok(());
        }
        match fs::remove_file(&self.path) {
            Ok(()) => self.sync_directory(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// True for one caller until it calls `done`: a disk that hangs holds one thread, not many.
    pub(crate) fn begin(&self) -> bool {
        !self.busy.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn done(&self) {
        self.busy.store(false, Ordering::Release);
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

const FILE: &str = "kill";

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;
    use crate::journal::testing::Folder;

    fn kill(reason: &str) -> KillView {
        KillView { engaged: true, reason: reason.into(), since: UnixNanos(17) }
    }

    #[test]
    fn a_kill_stands_on_disk_until_it_is_cleared() {
        let folder = Folder::new();
        let latch = KillLatch::new(&folder.path);
        assert_eq!(latch.read(), None);
        latch.set(&kill("two words"), || true).unwrap();
        assert_eq!(KillLatch::new(&folder.path).read(), Some(kill("two words")));
        latch.set(&kill(""), || true).unwrap();
        assert_eq!(latch.read(), Some(kill("")));
        latch.clear(|| true).unwrap();
        assert_eq!(latch.read(), None);
        latch.clear(|| true).unwrap();
    }

    #[test]
    fn neither_undoes_what_came_in_between() {
        let folder = Folder::new();
        let latch = KillLatch::new(&folder.path);
        latch.set(&kill("late"), || false).unwrap();
        assert_eq!(latch.read(), None, "a re-arm came first");
        latch.set(&kill("newer"), || true).unwrap();
        latch.clear(|| false).unwrap();
        assert_eq!(latch.read(), Some(kill("newer")));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_still_a_kill() {
        let folder = Folder::new();
        let latch = KillLatch::new(&folder.path);
        for bytes in [&b""[..], b"\xff\xfe", b"nonsense", b"12"] {
            fs::write(folder.path.join(FILE), bytes).unwrap();
            assert!(latch.read().is_some_and(|kill| kill.engaged), "{bytes:?}");
        }
    }
}
