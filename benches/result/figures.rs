//! The README's figures, made from a result file and from nothing else. The bench writes them, and
//! a test holds the README to the file.

use std::fmt::Write as _;

use serde_json::Value;

/// Where a result file's figures stand in the README.
pub(crate) fn marks(bench: &str) -> (String, String) {
    (format!("<!-- figures of {bench} -->"), format!("<!-- end of {bench} -->"))
}

/// The text between the marks: whole spans first, then stages side by side.
pub(crate) fn figures(result: &Value) -> String {
    let rows: Vec<&Value> = result["rows"].as_array().into_iter().flatten().collect();
    let mut text = String::from(
        "\n| order | span, in ns | n | p50 | p99 | p99.9 | max |\n| --- | --- | --: | --: | --: | --: | --: |\n",
    );
    for row in rows.iter().filter(|row| row["span"].as_str().is_some_and(is_whole)) {
        let cells = ["n", "p50", "p99", "p99.9", "max"].map(|name| row[name].to_string());
        let (label, span) = (words(row, "label"), words(row, "span"));
        let _ = writeln!(text, "| {label} | {span} | {} |", cells.join(" | "));
    }
    let mut labels: Vec<&str> = rows.iter().map(|row| words(row, "label")).collect();
    labels.dedup();
    let _ = write!(text, "\n| stage, in ns: p50 / p99 |");
    for label in &labels {
        let _ = write!(text, " {label} |");
    }
    let _ = write!(text, "\n| --- |{}\n", " --: |".repeat(labels.len()));
    let mut stages: Vec<&str> = Vec::new();
    for stage in rows.iter().map(|row| words(row, "span")).filter(|span| !is_whole(span)) {
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    for stage in stages {
        let _ = write!(text, "| {stage} |");
        for label in &labels {
            let row = rows
                .iter()
                .find(|row| words(row, "label") == *label && words(row, "span") == stage);
            let cell =
                row.map_or("–".to_owned(), |row| format!("{} / {}", row["p50"], row["p99"]));
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    let (commit, host, command) =
        (words(result, "commit"), words(result, "host"), words(result, "command"));
    let _ = write!(text, "\nMeasured by `{command}` at commit `{commit}` on {host}.\n\n");
    text
}

/// The README with the figures of this result in their place; `None` where the marks are missing.
pub(crate) fn inserted(readme: &str, bench: &str, result: &Value) -> Option<String> {
    let (begin, end) = marks(bench);
    let (before, rest) = readme.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}{end}{after}", figures(result)))
}

fn is_whole(span: &str) -> bool {
    span.contains('→')
}

fn words<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("?")
}
