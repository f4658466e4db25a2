//! What a bench found: one table on the terminal, one JSON file a row and, when asked, the
//! committed file that the README's figures are made from.

pub(crate) mod figures;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use enigma_engine::latency::Quantiles;
use serde_json::json;

/// One measured span.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) span: String,
    pub(crate) quantiles: Quantiles,
}

impl Row {
    pub(crate) fn new(label: &str, span: &str, quantiles: Quantiles) -> Self {
        Self { label: label.into(), span: span.into(), quantiles }
    }

    fn file_name(&self) -> String {
        let name = format!("{} {}", self.label, self.span).to_lowercase();
        let words: Vec<&str> =
            name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
        format!("{}.json", words.join("-"))
    }
}

/// Prints the rows, in nanoseconds.
pub(crate) fn print(rows: &[Row]) {
    println!("{}", table(rows));
}

/// Writes `target/bench/*.json`.
pub(crate) fn write_files(rows: &[Row]) {
    let folder = root().join("target/bench");
    fs::create_dir_all(&folder).unwrap();
    for row in rows {
        let text = serde_json::to_string_pretty(&as_json(row)).unwrap();
        fs::write(folder.join(row.file_name()), text + "\n").unwrap();
    }
}

/// Writes `benches/result/<bench>.json` and the README's figures from it.
pub(crate) fn write_readme(bench: &str, command: &str, rows: &[Row]) {
    let result = json!({
        "commit": commit(), "host": host(), "command": command,
        "rows": rows.iter().map(as_json).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&result).unwrap() + "\n";
    fs::write(root().join(format!("benches/result/{bench}.json")), text).unwrap();
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let readme = figures::inserted(&readme, bench, &result).expect("the README has the marks");
    fs::write(path, readme).unwrap();
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| order | span, in ns | n | p50 | p99 | p99.9 | max |\n| --- | --- | --: | --: | --: | --: | --: |\n",
    );
    for row in rows {
        let Quantiles { count, p50_ns, p99_ns, p99_9_ns, max_ns } = row.quantiles;
        let _ = writeln!(
            text,
            "| {} | {} | {count} | {p50_ns} | {p99_ns} | {p99_9_ns} | {max_ns} |",
            row.label, row.span
        );
    }
    text
}

fn as_json(row: &Row) -> serde_json::Value {
    let Quantiles { count, p50_ns, p99_ns, p99_9_ns, max_ns } = row.quantiles;
    json!({
        "name": format!("{}: {}", row.label, row.span), "label": row.label, "span": row.span,
        "value": p50_ns, "unit": "ns", "n": count,
        "p50": p50_ns, "p99": p99_ns, "p99.9": p99_9_ns, "max": max_ns,
        "layout": "fused, spin", "commit": commit(), "host": host(),
        "command": "make bench",
    })
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn host() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = model.map_or("an unnamed processor", |(_, name)| name);
    format!("{cores} shared virtual cores of {model}")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
