//! The store of history: orders, fills, the ledger, strategies and what operators set, in SQLite
//! or PostgreSQL, filled from the journal's segments.
//!
//! Trading never waits for it and doesn't know whether it is there. A store that is slow, locked
//! or gone falls behind the journal, says so, and catches up; what it lost it takes from the
//! journal again.

mod filler;
mod following;
mod place;
mod results;
mod rows;
mod selection;
mod statement;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use enigma_config::StoreSettings;
use enigma_engine::journal::JournalError;
use enigma_types::InstrumentId;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, ConnectOptions, Executor, SqlSafeStr};
use tokio::sync::Semaphore;

pub(crate) use self::following::Following;
pub(crate) use self::selection::{
    Filter, Kept, LedgerPlace, Order, SequencePlace, StoredFill, StoredLedgerEntry, StoredOrder,
};
#[cfg(test)]
pub(crate) use self::selection::{blank_fill, blank_ledger_entry, blank_order};
pub(crate) use self::status::StoreStatus;

/// Connections to one database. Opening it reads nothing: a database that isn't there yet is
/// tried again until it is.
pub(crate) struct Store {
    pool: AnyPool,
    /// SQLite's file; `None` for a database that a server keeps.
    file: Option<PathBuf>,
    /// Device and inode of the file that is open.
    identity: OnceLock<(u64, u64)>,
    pub(crate) status: StoreStatus,
    /// Places for exports: each takes a connection again and again.
    pub(crate) exports: Arc<Semaphore>,
}

/// Why the store can't be filled or read. The journal keeps what it misses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the database can't be used: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database's tables can't be made: {0}")]
    Migration(#[from] MigrateError),
    #[error("the database didn't answer within {} seconds", .0.as_secs())]
    TooSlow(Duration),
    #[error("{path} can't be made: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0} was removed or replaced under the running daemon")]
    FileGone(PathBuf),
    #[error("it isn't open yet")]
    NotOpen,
    #[error("somebody else fills the store from the same journal")]
    Contended,
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("instrument {} isn't in this run's table", .0.0)]
    UnknownInstrument(InstrumentId),
    #[error("the task that reads the journal ended badly")]
    ReaderGone,
}

impl Store {
    pub(crate) const FILE: &str = "enigma.sqlite";
    const CONNECTIONS: u32 = 4;
    const EXPORTS: usize = 2;
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    pub(crate) fn open(settings: &StoreSettings, data_dir: &Path) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (mut options, file): (AnyConnectOptions, _) = match settings {
            StoreSettings::Sqlite => {
                let path = data_dir.join(Self::FILE);
                (format!("sqlite:{}?mode=rw", url_path(&path)).parse()?, Some(path))
            }
            StoreSettings::Postgres { url, password } => {
                let mut options: AnyConnectOptions = url.parse()?;
                if let Some(password) = password {
                    let mut pairs = options.database_url.query_pairs_mut();
                    pairs.append_pair("password", password.reveal());
                }
                (options, None)
            }
        };
        // Statements are many and alike, and the values in them are nobody's business.
        options = options.disable_statement_logging();
        let setup = if file.is_some() { SQLITE_SETUP } else { POSTGRES_SETUP };
        let pool = AnyPoolOptions::new()
            .max_connections(Self::CONNECTIONS)
            .acquire_timeout(Self::CONNECT_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in setup {
                        connection.execute(*statement).await?;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            file,
            identity: OnceLock::new(),
            status: StoreStatus::default(),
            exports: Arc::new(Semaphore::new(Self::EXPORTS)),
        })
    }

    /// Makes the tables, or brings older ones up to date.
    async fn migrate(&self) -> Result<(), StoreError> {
        if let Some(path) = &self.file {
            make_private(path)?;
        }
        Ok(migrator(&MIGRATIONS).run(&self.pool).await?)
    }

    /// The store's number for the journal that is followed: rows of other numbers are history that
    /// no run of this journal will change.
    pub(crate) fn journal(&self) -> Result<u64, StoreError> {
        match self.status.journal() {
            0 => Err(StoreError::NotOpen),
            journal => Ok(journal),
        }
    }

    /// A file that was removed goes on taking rows which nobody will ever read.
    fn check_file(&self) -> Result<(), StoreError> {
        let Some(path) = &self.file else { return Ok(()) };
        let found = std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
        match (self.identity.get(), found) {
            (None, Some(found)) => {
                // Nobody else sets it.
                let _ = self.identity.set(found);
                Ok(())
            }
            (None, None) => Ok(()),
            (Some(known), Some(found)) if *known == found => Ok(()),
            (Some(_), _) => Err(StoreError::FileGone(path.clone())),
        }
    }

    /// `sqlite` or `postgres`.
    pub(crate) const fn kind(&self) -> &'static str {
        if self.file.is_some() { "sqlite" } else { "postgres" }
    }

    /// Gives connections back. What is asked of the store afterwards fails.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Shows no address: that could hold a password.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl StoreError {
    /// What an operator can do about it.
    pub(crate) fn recovery(&self) -> &'static str {
        match self {
            Self::Database(_) | Self::TooSlow(_) => {
                "look at the database and its disk; it is tried again until it works"
            }
            Self::Migration(_) => {
                "start the version of the program that made the tables, or give it a database of \
                 its own"
            }
            Self::NotOpen => "wait: it is opened once the venues have named their instruments",
            Self::File { .. } => "make room, or mend the rights of the data directory",
            Self::FileGone(_) => "restart: a new file is filled from the journal",
            Self::Contended => "stop the other daemon, or give it a database of its own",
            Self::Journal(error) => error.recovery(),
            Self::UnknownInstrument(_) => "put the instrument's venue back into the settings",
            Self::ReaderGone => "report this: it is a fault of the program",
        }
    }
}

/// Readers go on while the filler writes; a power failure may take whole batches back, which are
/// then filled again.
const SQLITE_SETUP: &[&str] = &["PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"];
/// A statement that a server keeps waiting ends by itself.
const POSTGRES_SETUP: &[&str] = &["SET statement_timeout = '20s'", "SET lock_timeout = '10s'"];

/// Every migration ever shipped. Their texts stay as they are: databases outlive programs.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "history", include_str!("../../migrations/0001_history.sql")),
    (2, "sides", include_str!("../../migrations/0002_sides.sql")),
];

fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = migrations.iter().map(|&(version, name, text)| {
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// The file is for its owner alone, and so are those that SQLite lays beside it.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(StoreError::File { path: path.into(), source }),
    }
}

/// A path as a URL holds it.
fn url_path(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    path.as_os_str().as_encoded_bytes().iter().fold(String::new(), |mut text, byte| {
        if plain(*byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}
