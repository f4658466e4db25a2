//! The data directory as the daemon uses it: one daemon at a time, and the tokens for the CLI and
//! the scraper, for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use fs4::{FileExt, TryLockError};

use super::DaemonError;
use crate::access::Token;
use crate::idempotency::Idempotency;
use crate::timestamp::wall_now;

/// Where the CLI finds its token, and the daemon's address beside it.
pub(crate) const CLI_TOKEN: &str = "cli.token";
pub(crate) const CLI_URL: &str = "cli.url";
const METRICS_TOKEN: &str = "metrics.token";
const LOCK: &str = "daemon.lock";
const KEYS: &str = "idempotency.log";
const EMBEDDED: &str = "embedded";
/// Journals of embedded simulators that are kept, this run's included.
const KEPT_RUNS: usize = 3;

/// The daemon that holds a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) process: String,
    /// Where its API listens; absent while it starts.
    pub(crate) url: Option<String>,
}

/// Held for the life of the daemon.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    pub(super) fn open(path: &Path) -> Result<Self, DaemonError> {
        let unusable =
            |source| DaemonError::DataDirectory { path: path.display().to_string(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match patient_lock(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&path, &mut lock)),
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        lock.set_len(0).and_then(|()| lock.rewind()).map_err(unusable)?;
        write!(lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A fresh directory for the journal of an embedded simulator. That exchange is born and dies
    /// with the daemon, its order and trade ids begin anew: an older journal would take the new
    /// exchange's fills for known ones.
    pub(super) fn embedded_run(&self) -> Result<PathBuf, DaemonError> {
        let unusable =
            |source| DaemonError::DataDirectory { path: self.path.display().to_string(), source };
        let runs = self.path.join(EMBEDDED);
        DirBuilder::new().recursive(true).mode(0o700).create(&runs).map_err(unusable)?;
        keep_newest(&runs, KEPT_RUNS - 1).map_err(unusable)?;
        let run = runs.join(format!("{:020}-{}", wall_now().0, std::process::id()));
        DirBuilder::new().mode(0o700).create(&run).map_err(unusable)?;
        Ok(run)
    }

    /// The Idempotency-Keys of this and of earlier daemons here.
    pub(super) fn open_keys(&self, last_order: u64) -> Result<Idempotency, DaemonError> {
        let path = self.path.join(KEYS);
        Idempotency::open(&path, last_order).map_err(|source| DaemonError::DataDirectory {
            path: path.display().to_string(),
            source,
        })
    }

    pub(super) fn write_tokens(
        &self,
        cli: &Token,
        metrics: &Token,
        url: &str,
    ) -> Result<(), DaemonError> {
        let files = [(CLI_URL, url), (METRICS_TOKEN, metrics.reveal()), (CLI_TOKEN, cli.reveal())];
        for (name, text) in files {
            write_private(&self.path, name, text).map_err(|source| DaemonError::DataDirectory {
                path: self.path.join(name).display().to_string(),
                source,
            })?;
        }
        Ok(())
    }

    /// After an orderly end: of the embedded simulators' journals the newest stays, to look at.
    pub(super) fn remove_old_runs(&self) {
        let runs = self.path.join(EMBEDDED);
        if !runs.exists() {
            return;
        }
        if let Err(error) = keep_newest(&runs, 1) {
            tracing::warn!(%error, "old journals of embedded simulators stay behind");
        }
    }

    /// The tokens open nothing once the daemon is gone.
    pub(super) fn remove_tokens(&self) {
        for name in [CLI_URL, CLI_TOKEN, METRICS_TOKEN] {
            // Where it is gone already there is nothing to remove.
            let _ = fs::remove_file(self.path.join(name));
        }
    }
}

/// Names begin with the time.
fn keep_newest(runs: &Path, count: usize) -> io::Result<()> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(runs)? {
        names.push(entry?.path());
    }
    names.sort();
    let too_many = names.len().saturating_sub(count);
    for old in names.iter().take(too_many) {
        fs::remove_dir_all(old)?;
    }
    Ok(())
}

/// Never readable by others, not for a moment, and never half written where a reader looks.
fn write_private(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let draft = folder.join(format!(".{name}.new"));
    match fs::remove_file(&draft) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    fs::rename(draft, folder.join(name))
}

/// A process that was just killed may hold the lock for a moment longer, and `enigma check` looks
/// at it for another: only a lock that stays is somebody's.
fn patient_lock(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match FileExt::try_lock(lock) {
            Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    FileExt::try_lock(lock)
}

/// Who runs on a data directory, if anybody does. Changes nothing there.
pub(crate) fn holder(path: &Path) -> io::Result<Option<Holder>> {
    let mut lock = match File::open(path.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match FileExt::try_lock_shared(&lock) {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            let url = fs::read_to_string(path.join(CLI_URL)).ok();
            let url = url.map(|url| url.trim().to_owned());
            Ok(Some(Holder { process: process_of(&mut lock), url }))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn in_use(path: &Path, lock: &mut File) -> DaemonError {
    let process = process_of(lock);
    DaemonError::DataDirectoryInUse { path: path.display().to_string(), process }
}

/// The number is a courtesy: without it a message still says what is the matter.
fn process_of(lock: &mut File) -> String {
    let mut process = String::new();
    let _ = lock.take(20).read_to_string(&mut process);
    match process.trim() {
        "" => "unknown".into(),
        number => number.into(),
    }
}

const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_daemon_is_told_who_holds_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataDirectory::open(folder.path()).unwrap();
        let refused = DataDirectory::open(folder.path()).unwrap_err().to_string();
        let process = std::process::id().to_string();
        assert!(refused.ends_with(&format!("is in use by process {process}")), "{refused}");
        assert_eq!(holder(folder.path()).unwrap(), Some(Holder { process, url: None }));
        drop(held);
        assert_eq!(holder(folder.path()).unwrap(), None);
        assert_eq!(holder(&folder.path().join("nowhere")).unwrap(), None);
        DataDirectory::open(folder.path()).unwrap();
    }

    #[test]
    fn tokens_are_for_their_owner_alone_and_go_with_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let (cli, metrics) = (Token::random().unwrap(), Token::random().unwrap());
        for _ in 0..2 {
            directory.write_tokens(&cli, &metrics, "http://127.0.0.1:1").unwrap();
        }
        let token = folder.path().join(CLI_TOKEN);
        assert_eq!(fs::read_to_string(&token).unwrap(), cli.reveal());
        assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
        directory.remove_tokens();
        assert!(!token.exists());
    }

    #[test]
    fn journals_of_embedded_simulators_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let mut newest = PathBuf::new();
        for _ in 0..KEPT_RUNS + 3 {
            newest = directory.embedded_run().unwrap();
            assert!(newest.is_dir());
        }
        let kept = fs::read_dir(folder.path().join(EMBEDDED)).unwrap().count();
        assert_eq!(kept, KEPT_RUNS);
        directory.remove_old_runs();
        assert_eq!(fs::read_dir(folder.path().join(EMBEDDED)).unwrap().count(), 1);
        assert!(newest.exists());
    }
}
