//! `enigma check`: settings, data directory, port, core and files, without starting anything.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use enigma_config::{MarketSource, Settings};
use enigma_engine::pin;
use serde_json::{Value, json};

use super::CliError;
use super::arguments::Global;
use super::output::Output;
use super::settings;
use super::table::Table;
use crate::daemon::listen::is_answered;
use crate::daemon::{self, Holder};

/// One thing looked at; `trouble` is absent where it is fine.
struct Finding {
    name: &'static str,
    seen: String,
    trouble: Option<String>,
}

pub(super) fn run(global: &Global, output: Output) -> Result<(), CliError> {
    let loaded = settings::load(global, None)?;
    let file = loaded.file.as_ref().map_or("built in".into(), |path| path.display().to_string());
    let mut findings = vec![Finding { name: "settings", seen: file, trouble: None }];
    findings.extend([
        data_directory(&loaded.settings.daemon.data_dir),
        port(&loaded.settings),
        core(&loaded.settings),
    ]);
    findings.extend(files(&loaded.settings));
    show(&findings, output)?;
    let bad: Vec<String> = findings
        .iter()
        .filter_map(|finding| Some(format!("{}: {}", finding.name, finding.trouble.as_ref()?)))
        .collect();
    if bad.is_empty() {
        return Ok(());
    }
    let (failed, all) = (bad.len(), findings.len());
    Err(CliError::Failed(format!("{failed} of {all} checks failed; {}", bad.join("; "))))
}

/// Asks the nearest directory that is there whether one may write in it.
fn data_directory(path: &Path) -> Finding {
    let there = path.ancestors().find(|ancestor| ancestor.exists());
    let trouble = match there.map(fs::metadata) {
        None => Some("no part of the path exists".to_owned()),
        Some(Err(error)) => Some(error.to_string()),
        Some(Ok(metadata)) if !metadata.is_dir() => Some("is no directory".to_owned()),
        Some(Ok(_)) => in_use(path).or_else(|| try_to_write(there?).err()),
    };
    Finding { name: "data directory", seen: path.display().to_string(), trouble }
}

/// Another daemon runs on it: a second one would be refused.
fn in_use(path: &Path) -> Option<String> {
    match daemon::holder(path) {
        Ok(None) => None,
        Ok(Some(Holder { process, url })) => {
            let at = url.map(|url| format!(" at {url}")).unwrap_or_default();
            Some(format!("in use by process {process}{at}"))
        }
        Err(error) => Some(error.to_string()),
    }
}

fn try_to_write(folder: &Path) -> Result<(), String> {
    let probe = folder.join(format!(".enigma-check-{}", std::process::id()));
    fs::write(&probe, b"").map_err(|error| error.to_string())?;
    fs::remove_file(&probe).map_err(|error| error.to_string())
}

fn port(settings: &Settings) -> Finding {
    let address = settings.daemon.listen;
    let trouble = TcpListener::bind(address).err().map(|error| {
        if is_answered(address) {
            "in use: another process listens there".into()
        } else {
            error.to_string()
        }
    });
    Finding { name: "listen", seen: address.to_string(), trouble }
}

fn core(settings: &Settings) -> Finding {
    let allowed = pin::allowed_cores();
    let seen = settings.engine.core.map_or("any".into(), |core| core.to_string());
    let missing = settings.engine.core.filter(|core| !allowed.contains(core));
    let trouble = missing.map(|_| format!("this process may use {allowed:?}"));
    Finding { name: "core", seen, trouble }
}

/// Files that the settings name.
fn files(settings: &Settings) -> Vec<Finding> {
    let mut named = Vec::new();
    if let (true, MarketSource::Replay { path, .. }) =
        (settings.embedded, &settings.simulator.market)
    {
        named.push(("replay file", path));
    }
    let authorities = settings.venues.iter().filter_map(|venue| venue.ca.as_ref());
    named.extend(authorities.map(|path| ("certificate authority", path)));
    let finding = |(name, path): (&'static str, &std::path::PathBuf)| Finding {
        name,
        seen: path.display().to_string(),
        trouble: fs::File::open(path).err().map(|error| error.to_string()),
    };
    named.into_iter().map(finding).collect()
}

fn show(findings: &[Finding], output: Output) -> Result<(), CliError> {
    if output.json {
        let rows: Vec<Value> = findings
            .iter()
            .map(|finding| {
                let ok = finding.trouble.is_none();
                json!({ "check": finding.name, "ok": ok, "value": finding.seen,
                        "detail": finding.trouble })
            })
            .collect();
        return output.data(&Value::Array(rows));
    }
    let mut table = Table::new(&["check", "result", "value", "detail"]);
    for finding in findings {
        let result = if finding.trouble.is_none() { "ok" } else { "FAILED" };
        let detail = finding.trouble.clone().unwrap_or_default();
        table.row(vec![finding.name.into(), result.into(), finding.seen.clone(), detail]);
    }
    output.text(&table.to_string())
}
