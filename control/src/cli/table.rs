//! Tables for people: plain columns, no frames, so that they can be cut and grepped too.

use std::fmt;

use comfy_table::presets::NOTHING;
use serde_json::Value;

pub(super) struct Table(comfy_table::Table);

impl Table {
    pub(super) fn new(columns: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        let titles = columns.iter().map(|column| column.replace(['_', '.'], " ").to_uppercase());
        table.set_header(titles.collect::<Vec<_>>());
        Self(table)
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.0.add_row(cells);
    }

    /// One row for each object of a list, one column for each path such as `result.marked`.
    pub(super) fn of(items: &[Value], columns: &[&str]) -> Self {
        let mut table = Self::new(columns);
        for item in items {
            table.row(columns.iter().map(|path| cell(item, path)).collect());
        }
        table
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.trim_fmt())
    }
}

/// A field as a person reads it; a dash for what is absent.
pub(super) fn cell(item: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(item, |value, part| value.get(part));
    match found {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) if text.is_empty() => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let texts = items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            texts.collect::<Vec<_>>().join(" ")
        }
        Some(Value::Bool(true)) => "yes".into(),
        Some(Value::Bool(false)) => "no".into(),
        Some(value @ (Value::Number(_) | Value::Object(_))) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_shows_nested_fields_and_dashes_for_what_is_absent() {
        let items = [json!({"id": "a", "result": {"marked": "1.5"}, "ok": true, "none": null})];
        let text = Table::of(&items, &["id", "result.marked", "ok", "none", "absent"]).to_string();
        let cells: Vec<&str> = text.lines().nth(1).unwrap_or_default().split_whitespace().collect();
        assert_eq!(cells, ["a", "1.5", "yes", "-", "-"]);
    }
}
