//! The data directory as the daemon uses it: one daemon at a time, and the tokens for the CLI and
//! the scraper, for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

use super::DaemonError;
use crate::access::Token;
use crate::timestamp::wall_now;

/// Where the CLI finds its token, and the daemon's address beside it.
pub(crate) const CLI_TOKEN: &str = "cli.token";
pub(crate) const CLI_URL: &str = "cli.url";
const METRICS_TOKEN: &str = "metrics.token";
const LOCK: &str = "daemon.lock";
const EMBEDDED: &str = "embedded";
/// Journals of embedded simulators that are kept, this run's included.
const KEPT_RUNS: usize = 3;

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
        match FileExt::try_lock(&lock) {
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
        remove_old_runs(&runs).map_err(unusable)?;
        let run = runs.join(format!("{:020}-{}", wall_now().0, std::process::id()));
        DirBuilder::new().mode(0o700).create(&run).map_err(unusable)?;
        Ok(run)
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

    /// The tokens open nothing once the daemon is gone.
    pub(super) fn remove_tokens(&self) {
        for name in [CLI_URL, CLI_TOKEN, METRICS_TOKEN] {
            // Where it is gone already there is nothing to remove.
            let _ = fs::remove_file(self.path.join(name));
        }
    }
}

/// Keeps the newest runs beside the one that begins. Names begin with the time.
fn remove_old_runs(runs: &Path) -> io::Result<()> {
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(runs)? {
        names.push(entry?.path());
    }
    names.sort();
    let too_many = names.len().saturating_sub(KEPT_RUNS - 1);
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

fn in_use(path: &Path, lock: &mut File) -> DaemonError {
    let mut process = String::new();
    // The number is a courtesy: without it the message still says what is the matter.
    let _ = lock.take(20).read_to_string(&mut process);
    if process.is_empty() {
        process.push_str("unknown");
    }
    DaemonError::DataDirectoryInUse { path: path.display().to_string(), process }
}

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
        drop(held);
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
        assert!(newest.exists());
    }
}
