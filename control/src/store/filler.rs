//! The task that fills the store: reads what the journal has synced, folds it, writes the rows and
//! the new place in one transaction, and begins again.
//!
//! Nothing waits for it. What can't be written now is kept, one batch at the most, and tried again
//! after a while that grows; the rest waits in the journal's segments.

use std::sync::Arc;
use std::time::Duration;

use enigma_engine::history::{Changes, History, HistorySource, Mark};
use enigma_types::InstallationPrefix;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::place::Place;
use super::results::Results;
use super::rows::{Rows, Scribe};
use super::{Store, StoreError};
use crate::engine::Engine;
use crate::naming::Naming;

/// Fills one store from one journal until it is told that the journal has ended.
pub(crate) struct Filler {
    store: Arc<Store>,
    source: HistorySource,
    engine: Arc<dyn Engine>,
    /// Turns true when nothing more will be journalled.
    ended: watch::Receiver<bool>,
    fold: Option<Fold>,
    waiting: Option<Batch>,
}

/// The journal so far, as it stands behind the rows.
struct Fold {
    place: Place,
    prefix: InstallationPrefix,
    naming: Naming,
    history: History,
    results: Results,
    /// The last record that needs nothing more to be written.
    handled: u64,
}

/// Rows that are to be written, and where the place then is.
struct Batch {
    rows: Rows,
    to: Mark,
}

/// What became of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Moved,
    /// There was nothing to do.
    Idle,
}

impl Filler {
    /// Records in one transaction.
    const BATCH: usize = 2_000;
    /// A stretch without rows moves the place only now and then: to fold it again is cheap.
    const SILENT: u64 = 20_000;
    const PAUSE: Duration = Duration::from_millis(100);
    const FIRST_RETRY: Duration = Duration::from_millis(500);
    const LONGEST_RETRY: Duration = Duration::from_secs(30);
    const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

    pub(crate) fn new(
        store: Arc<Store>,
        source: HistorySource,
        engine: Arc<dyn Engine>,
        ended: watch::Receiver<bool>,
    ) -> Self {
        Self { store, source, engine, ended, fold: None, waiting: None }
    }

    /// Until the journal has ended and the store has all of it, or can't take it.
    pub(crate) async fn run(mut self) {
        let mut retry = Self::FIRST_RETRY;
        loop {
            // Looked at before the turn: what was journalled until then is seen by it.
            let ended = *self.ended.borrow();
            let pause = match self.turn().await {
                Ok(Turn::Moved) => {
                    self.store.status.recover();
                    retry = Self::FIRST_RETRY;
                    continue;
                }
                Ok(Turn::Idle) => {
                    self.store.status.recover();
                    retry = Self::FIRST_RETRY;
                    Self::PAUSE
                }
                Err(error) => {
                    self.store.status.fail(&error.to_string(), error.recovery());
                    let pause = retry;
                    retry = (retry * 2).min(Self::LONGEST_RETRY);
                    pause
                }
            };
            if ended {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = self.ended.changed() => {}
            }
        }
    }

    async fn turn(&mut self) -> Result<Turn, StoreError> {
        let (Some(naming), Some(durable)) = (self.naming(), self.durable()) else {
            return Ok(Turn::Idle);
        };
        self.store.check_file()?;
        if self.fold.is_none() {
            self.fold = Some(self.begin(naming, durable).await?);
        }
        if self.waiting.is_none() && self.read(durable).await? == Turn::Idle {
            return Ok(Turn::Idle);
        }
        self.write().await?;
        Ok(Turn::Moved)
    }

    /// `None` before the venues have named their instruments: rows can't be written without.
    fn naming(&self) -> Option<Naming> {
        Some(Naming::new(self.engine.instruments()?, self.engine.status().accounts))
    }

    /// `None` before the journal is open.
    fn durable(&self) -> Option<u64> {
        Some(self.engine.metrics().journal()?.synced_sequence())
    }

    async fn begin(&self, naming: Naming, durable: u64) -> Result<Fold, StoreError> {
        self.store.migrate().await?;
        let prefix = self.source.installation()?;
        let mut place = Place::find(&self.store.pool, prefix).await?;
        if place.filled_to > durable {
            place = self.set_aside(&place, prefix).await?;
        }
        self.store.status.follow(place.journal, place.filled_to);
        Ok(Fold {
            place,
            prefix,
            naming,
            history: self.source.open(),
            results: Results::default(),
            handled: 0,
        })
    }

    /// The journal isn't the one that the store has followed, though it has the same name.
    async fn set_aside(
        &self,
        place: &Place,
        prefix: InstallationPrefix,
    ) -> Result<Place, StoreError> {
        tracing::warn!(
            record = place.filled_to,
            "the journal is older than the store: earlier history is kept beside what it tells"
        );
        place.set_aside(&self.store.pool).await?;
        Place::find(&self.store.pool, prefix).await
    }

    /// Folds a stretch of records. What the store has already only moves the fold on.
    async fn read(&mut self, durable: u64) -> Result<Turn, StoreError> {
        let Some(mut fold) = self.fold.take() else { return Ok(Turn::Idle) };
        let known = fold.handled < fold.place.filled_to;
        let bound = if known { fold.place.filled_to.min(durable) } else { durable };
        let read = spawn_blocking(move || {
            let changes = fold.history.read(bound, Self::BATCH)?;
            let rows = fold.rows(&changes)?;
            Ok::<_, StoreError>((fold, changes, rows))
        });
        // After an error the fold is gone, and the next turn begins it anew.
        let (mut fold, changes, rows) = read.await.map_err(|_| StoreError::ReaderGone)??;
        let Some(to) = changes.last.filter(|_| changes.records > 0) else {
            self.fold = Some(fold);
            return Ok(Turn::Idle);
        };
        fold.handled = to.sequence;
        if known {
            let another = to.sequence == fold.place.filled_to && to.wall.0 != fold.place.wall_ns;
            if another {
                self.set_aside(&fold.place, fold.prefix).await?;
                return Ok(Turn::Moved);
            }
        } else if rows.is_empty() && to.sequence - fold.place.filled_to < Self::SILENT {
            self.store.status.fill(to.sequence);
        } else {
            self.waiting = Some(Batch { rows, to });
        }
        self.fold = Some(fold);
        Ok(Turn::Moved)
    }

    /// Writes what waits, as often as it takes, and exactly once.
    async fn write(&mut self) -> Result<(), StoreError> {
        let (Some(fold), Some(batch)) = (&mut self.fold, &self.waiting) else { return Ok(()) };
        let written = tokio::time::timeout(
            Self::WRITE_TIMEOUT,
            self.store.write(&fold.place, &batch.rows, batch.to),
        );
        let moved = written.await.map_err(|_| StoreError::TooSlow(Self::WRITE_TIMEOUT))??;
        if !moved {
            // Either an earlier try has succeeded without our hearing of it, or somebody else
            // fills the store.
            let found = Place::find(&self.store.pool, fold.prefix).await?;
            if (found.journal, found.filled_to) != (fold.place.journal, batch.to.sequence) {
                (self.fold, self.waiting) = (None, None);
                return Err(StoreError::Contended);
            }
        }
        fold.place.filled_to = batch.to.sequence;
        fold.place.wall_ns = batch.to.wall.0;
        self.store.status.fill(batch.to.sequence);
        self.store.status.wrote();
        self.waiting = None;
        Ok(())
    }
}

impl Fold {
    fn rows(&mut self, changes: &Changes) -> Result<Rows, StoreError> {
        let scribe = Scribe {
            journal: self.place.journal,
            prefix: self.prefix,
            naming: &self.naming,
            history: &self.history,
        };
        scribe.write(changes, &mut self.results)
    }
}

impl Store {
    /// Brings rows and place in one transaction. False when the place wasn't where it should be:
    /// then nothing was written.
    pub(super) async fn write(
        &self,
        place: &Place,
        rows: &Rows,
        to: Mark,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await?;
        if !place.advance(&mut transaction, to).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        for statement in rows.statements() {
            statement.query().execute(&mut *transaction).await?;
        }
        place.settle_aside(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

impl std::fmt::Debug for Filler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filler").field("store", &self.store).finish_non_exhaustive()
    }
}
