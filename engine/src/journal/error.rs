//! What can keep a journal from being opened, read or written, in words an operator can act on.

use std::io;
use std::path::PathBuf;

/// Why the journal can't be used. None of these is mended silently: each one that stands before
/// the journal's end keeps the engine from starting.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("data directory {path} can't be used: {source}")]
    DataDirectory { path: PathBuf, source: io::Error },
    #[error("data directory {path} is in use by process {process}")]
    InUse { path: PathBuf, process: String },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} is damaged at byte {offset}: {what}")]
    Damaged { path: PathBuf, offset: u64, what: &'static str },
    #[error("{path} doesn't continue the journal: record {found} stands where {expected} should")]
    Gap { path: PathBuf, expected: u64, found: u64 },
    #[error("{path} was written by another version of this program ({version})")]
    Version { path: PathBuf, version: u32 },
    #[error("{path} belongs to another user or is open to others")]
    ForeignDirectory { path: PathBuf },
    #[error("{path} doesn't hold an installation prefix of eight hex digits")]
    Installation { path: PathBuf },
    #[error("{path} holds a record at byte {offset} that this program can't read: {what}")]
    Unreadable { path: PathBuf, offset: u64, what: String },
    #[error("a journal ring of {bytes} bytes lies outside {low} to {high}")]
    RingSize { bytes: usize, low: usize, high: usize },
    #[error("the operating system gives no randomness: {0}")]
    Randomness(String),
    #[error("no thread can be started for the journal: {0}")]
    Thread(io::Error),
}

impl JournalError {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// What an operator can do about it.
    pub const fn recovery(&self) -> &'static str {
        match self {
            Self::DataDirectory { .. } => "choose a data directory that this user may write",
            Self::InUse { .. } => "stop the other process, or choose another data directory",
            Self::Io { .. } => "mend the disk or the rights of the file, then start again",
            Self::Damaged { .. } | Self::Gap { .. } => {
                "restore the journal from a copy; nothing was changed"
            }
            Self::Version { .. } | Self::Unreadable { .. } => {
                "start the version of the program that wrote it"
            }
            Self::ForeignDirectory { .. } => "remove it, or set another directory for the ring",
            Self::Installation { .. } => "restore the file from a copy",
            Self::RingSize { .. } => "change the size of the ring in the settings",
            Self::Randomness(_) | Self::Thread(_) => "look at the machine's limits",
        }
    }
}
