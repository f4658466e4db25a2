//! The data directory: one daemon at a time, and the installation's prefix.
//!
//! The lock lasts as long as this value: the operating system drops it with the process, however
//! that ends. Nothing here knows records.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use enigma_types::InstallationPrefix;
use sha2::{Digest, Sha256};

use super::error::JournalError;
use super::segment::SegmentDirectory;

/// A data directory that this process alone writes.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    prefix: InstallationPrefix,
    /// Holds the lock; its text names this process.
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if it is missing, and locks it. At the first start it gets the prefix
    /// that marks this installation's orders from then on.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let refused = |source| JournalError::DataDirectory { path: path.into(), source };
        make_private(path).map_err(refused)?;
        let path = path.canonicalize().map_err(refused)?;
        let lock = lock(&path)?;
        let segments = SegmentDirectory { path: path.join(SEGMENTS) };
        make_private(&segments.path).map_err(|source| JournalError::DataDirectory {
            path: segments.path.clone(),
            source,
        })?;
        let prefix = installation(&path, &segments)?;
        Ok(Self { path, prefix, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub const fn prefix(&self) -> InstallationPrefix {
        self.prefix
    }

    pub(crate) fn segments(&self) -> SegmentDirectory {
        segments_of(&self.path)
    }

    /// The name of this directory's place in a directory that others share.
    pub(crate) fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.path.as_os_str().as_encoded_bytes());
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes a small file so that it holds the old text or the new one, whatever happens.
    pub(crate) fn replace(&self, name: &str, text: &str) -> Result<(), JournalError> {
        replace(&self.path, name, text)
    }
}

/// Where the segments of a data directory lie.
pub(crate) fn segments_of(data_directory: &Path) -> SegmentDirectory {
    SegmentDirectory { path: data_directory.join(SEGMENTS) }
}

/// Makes a directory for this user alone. One that is there already stays as it is.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// Whether a directory is a real one of this user's that nobody else can enter.
pub(crate) fn is_private(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    // Every process has a directory of its own in `/proc`, owned by the user it runs as.
    let user = fs::metadata("/proc/self").map_or(found.uid(), |own| own.uid());
    Ok(found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0)
}

fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join("lock");
    let refused = |source| JournalError::DataDirectory { path: directory.into(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(refused)?;
    match patient_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            // The number is a help to a person; a lock without one is a lock all the same.
            let _ = file.read_to_string(&mut process);
            let process = match process.trim() {
                "" => "unknown".into(),
                number => number.into(),
            };
            return Err(JournalError::InUse { path: directory.into(), process });
        }
        Err(TryLockError::Error(source)) => return Err(refused(source)),
    }
    file.set_len(0).map_err(refused)?;
    file.rewind().map_err(refused)?;
    writeln!(file, "{}", std::process::id()).map_err(refused)?;
    Ok(file)
}

/// A process that was just killed may hold the lock for a moment longer, and so may a child that
/// another thread is about to start: only a lock that stays is somebody's.
fn patient_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    file.try_lock()
}

fn installation(
    directory: &Path,
    segments: &SegmentDirectory,
) -> Result<InstallationPrefix, JournalError> {
    let path = directory.join(INSTALLATION);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let known = segments.list().map_err(JournalError::io(&segments.path))?;
            if !known.is_empty() {
                // A new prefix would make strangers of every order in this journal.
                return Err(JournalError::Installation { path });
            }
            let number = getrandom::u32().map_err(|e| JournalError::Randomness(e.to_string()))?;
            let prefix = InstallationPrefix::from_number(number);
            replace(directory, INSTALLATION, &format!("{}\n", prefix.as_str()))?;
            return Ok(prefix);
        }
        Err(error) => return Err(JournalError::io(path)(error)),
    };
    InstallationPrefix::parse(text.trim_ascii()).ok_or(JournalError::Installation { path })
}

fn replace(directory: &Path, name: &str, text: &str) -> Result<(), JournalError> {
    let path = directory.join(name);
    let new = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(JournalError::io(&path))
}

const SEGMENTS: &str = "journal";
const INSTALLATION: &str = "installation";

const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]
mod tests {
    use super::*;
    use crate::journal::testing::Folder;

    #[test]
    fn the_prefix_is_made_once() {
        let folder = Folder::new();
        let first = DataDirectory::open(&folder.path).unwrap().prefix();
        let second = DataDirectory::open(&folder.path).unwrap().prefix();
        assert_eq!(first, second);
        let other = Folder::new();
        assert_ne!(DataDirectory::open(&other.path).unwrap().prefix(), first);
    }

    #[test]
    fn a_second_opener_learns_which_process_holds_the_lock() {
        let folder = Folder::new();
        let held = DataDirectory::open(&folder.path).unwrap();
        let error = DataDirectory::open(&folder.path).unwrap_err();
        let JournalError::InUse { process, .. } = &error else { panic!("{error}") };
        assert_eq!(*process, std::process::id().to_string());
        assert!(error.to_string().contains("is in use by process"));
        drop(held);
        DataDirectory::open(&folder.path).unwrap();
    }

    #[test]
    fn a_path_that_is_no_directory_is_refused_plainly() {
        let folder = Folder::new();
        let file = folder.path.join("file");
        fs::write(&file, b"x").unwrap();
        let error = DataDirectory::open(&file.join("below")).unwrap_err();
        assert!(matches!(error, JournalError::DataDirectory { .. }), "{error}");
        assert!(error.to_string().contains("can't be used"));
    }

    #[test]
    fn a_lost_or_changed_prefix_beside_a_journal_is_an_error() {
        let folder = Folder::new();
        let data = DataDirectory::open(&folder.path).unwrap();
        let path = data.path().join(INSTALLATION);
        fs::write(data.segments().file_path(1), b"").unwrap();
        drop(data);
        for change in [None, Some("DEADBEEF"), Some("short"), Some("")] {
            match change {
                None => fs::remove_file(&path).unwrap(),
                Some(text) => fs::write(&path, text).unwrap(),
            }
            let error = DataDirectory::open(&folder.path).unwrap_err();
            assert!(matches!(error, JournalError::Installation { .. }), "{change:?}: {error}");
        }
    }
}
