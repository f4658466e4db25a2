//! Settings as the command line reads and shows them, and the log that they ask for.

use std::env;
use std::io::{self, IsTerminal};

use enigma_config::{CommandLine, ConfigError, Loaded, LogFormat, Row, Surroundings};
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use super::CliError;
use super::arguments::{Global, Run};
use super::output::Output;
use super::table::Table;

pub(super) fn load(global: &Global, run: Option<&Run>) -> Result<Loaded, ConfigError> {
    let flags = CommandLine {
        config: global.config.clone(),
        data_dir: global.data_dir.clone(),
        listen: run.and_then(|run| run.listen.clone()),
        external_simulator: run.is_some_and(Run::takes_simulator),
    };
    enigma_config::load(&surroundings(), &flags)
}

/// `enigma config show`.
pub(super) fn show(global: &Global, origin: bool, output: Output) -> Result<(), CliError> {
    let loaded = load(global, None)?;
    if output.json {
        let rows: Vec<Value> = loaded.rows.iter().map(|row| row_json(row, origin)).collect();
        return output.data(&Value::Array(rows));
    }
    let mut table =
        Table::new(if origin { &["key", "value", "origin"] } else { &["key", "value"] });
    for row in &loaded.rows {
        let value = row.value.clone().unwrap_or_else(|| "(not set)".into());
        let cells = [row.key.clone(), value, row.origin.to_string()];
        table.row(cells.into_iter().take(if origin { 3 } else { 2 }).collect());
    }
    output.text(&table.to_string())
}

/// Messages go to standard error; `ENIGMA_LOG`, or `RUST_LOG`, takes the usual filters (`debug`,
/// `enigma_control=trace`).
pub(super) fn start_log(format: LogFormat, usual: &str) {
    let filter = EnvFilter::try_from_env("ENIGMA_LOG")
        .or_else(|_| EnvFilter::try_from_env("RUST_LOG"))
        .unwrap_or_else(|_| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // A second log in one process would be a test's; the first one stays.
    let _ = match format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}

/// Variables that aren't text can't be ours.
fn surroundings() -> Surroundings {
    let variables = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Surroundings { variables, working_dir: env::current_dir().unwrap_or_default() }
}

fn row_json(row: &Row, origin: bool) -> Value {
    let mut value = json!({ "key": row.key, "value": row.value });
    if let (true, Value::Object(fields)) = (origin, &mut value) {
        fields.insert("origin".into(), row.origin.to_string().into());
    }
    value
}
