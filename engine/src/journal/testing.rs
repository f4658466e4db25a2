//! What the journal's tests share: a folder that goes away, and settings small enough to rotate.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::settings::JournalSettings;

/// A fresh folder, removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
}

impl Folder {
    #[expect(clippy::unwrap_used, reason = "a test may stop here")]
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("enigma-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self { path: path.canonicalize().unwrap() }
    }

    /// A journal that keeps its ring in this folder too.
    pub(crate) fn settings(&self) -> JournalSettings {
        JournalSettings {
            ring_bytes: 1 << 16,
            ring_dir: Some(self.path.join("memory")),
            segment_bytes: 16 << 10,
            sync_interval: Duration::from_millis(5),
            kill_dir: None,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind is no reason to fail a test.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
