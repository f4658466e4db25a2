//! Where one test keeps its files: settings, data directory and the journal's ring.

use std::fs;
use std::path::PathBuf;

const CONFIG: &str = r#"
[simulator]
embedded = false

[[venues]]
name = "binance_usdm"
symbols = ["BTCUSDT"]
"#;

/// Where one test keeps its files.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let config = folder.path().join("enigma.toml");
        fs::write(&config, CONFIG).unwrap();
        Self { folder, data, config }
    }
}
