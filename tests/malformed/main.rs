//! Broken messages through the three sessions: more than 200,000 mutations of recorded payloads.
//! Nothing panics; what is reported is what the broken text says to an independent reader; what
//! can't be read is a typed error; a book in step is never crossed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test prints, may stop, and looks for one case"
)]

mod account;
mod book_model;
mod broken_json;
mod market;
mod mutation;
mod orders;
mod queries;
#[path = "../usdm_oracle/mod.rs"]
mod usdm_oracle;
mod verdict;

use std::fs;
use std::sync::Arc;

use enigma_types::{AccountId, InstrumentTable, SessionKind};
use enigma_venues::registry::SessionPlan;
use serde_json::Value;

use usdm_oracle::{Reader, Symbols, Teller, folder, prefix, required, table_of};

/// Who reads independently, and whom the engine knows.
#[derive(Debug)]
struct Bench {
    reader: Reader,
    teller: Teller,
    table: Arc<InstrumentTable>,
}

impl Bench {
    fn new() -> Self {
        let mut symbols = Symbols::one("BTCUSDT", 2, 3);
        symbols.0.insert("ADAUSDT".to_owned(), (4, 0));
        let table = table_of(&symbols);
        let teller = Teller(table.clone());
        Self { reader: Reader { symbols, prefix: "deadbeef" }, teller, table }
    }

    /// Time never makes these sessions stale and no local limit holds a request back: only the
    /// messages decide.
    fn plan(&self, kind: SessionKind) -> SessionPlan {
        let mut plan = SessionPlan::new(kind, AccountId(0), self.table.clone(), prefix(), 1);
        plan.rate_limit_percent = 100_000_000;
        plan
    }
}

/// The futures payloads whose value fits, compact; `None` without the folder.
fn templates(fits: impl Fn(&Value) -> bool) -> Option<Vec<Value>> {
    let folder = folder("ENIGMA_FIXTURES", "fixtures").join("binance");
    let Ok(entries) = fs::read_dir(&folder) else {
        assert!(!required(), "no payloads in {}", folder.display());
        println!("skipped: no recorded data");
        return None;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let ours = |name: &str| name.contains("futures") || name.contains("fapi");
    let names = paths.iter().filter(|path| ours(&path.file_name().unwrap().to_string_lossy()));
    let values = names.filter_map(|path| serde_json::from_slice(&fs::read(path).unwrap()).ok());
    let kept: Vec<Value> = values.filter(|value| fits(value)).collect();
    assert!(!kept.is_empty() || !required(), "no payloads that fit in {}", folder.display());
    if kept.is_empty() {
        println!("skipped: no recorded data");
        return None;
    }
    Some(kept)
}
