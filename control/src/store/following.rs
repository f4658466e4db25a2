//! A store that follows the journal of a running daemon, from the daemon's start to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use enigma_config::StoreSettings;
use enigma_engine::history::HistorySource;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::filler::Filler;
use super::{Store, StoreError};
use crate::engine::Engine;

/// The store and the task that fills it.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) store: Arc<Store>,
    ended: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Following {
    /// How long the daemon's end waits for the last rows. What is missing is filled at the next
    /// start.
    const LAST_ROWS: Duration = Duration::from_secs(5);

    /// Starts the task and waits for nothing. Fails only where the settings name no database.
    pub(crate) fn begin(
        settings: &StoreSettings,
        data_dir: &Path,
        source: HistorySource,
        engine: Arc<dyn Engine>,
    ) -> Result<Self, StoreError> {
        let store = Arc::new(Store::open(settings, data_dir)?);
        let (ended, told) = watch::channel(false);
        let filler = Filler::new(Arc::clone(&store), source, engine, told);
        Ok(Self { store, ended, task: tokio::spawn(filler.run()) })
    }

    /// Once nothing more is journalled: takes the rest over and lets go of the database.
    pub(crate) async fn end(self) {
        let _ = self.ended.send(true);
        let finished = async {
            // A task that failed has said so, and leaves nothing to wait for.
            let _ = self.task.await;
            self.store.close().await;
        };
        if tokio::time::timeout(Self::LAST_ROWS, finished).await.is_err() {
            tracing::warn!("the store hasn't the newest rows yet: the next start brings them");
        }
    }
}
