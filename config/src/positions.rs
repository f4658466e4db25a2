//! Where each key of a TOML text stands, so that an error can name line, column and key.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The spans of keys and values of one text, by path such as `venues[0].symbols`.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    entries: BTreeMap<String, Entry>,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
}

#[derive(Debug)]
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
}

impl Positions {
    /// Indexes a text that may be broken: what could be read is indexed.
    pub(crate) fn new(text: &str) -> Self {
        let (table, _) = DeTable::parse_recoverable(text);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let mut positions = Self { entries: BTreeMap::new(), lines };
        positions.add_table("", table.get_ref());
        positions
    }

    /// Line and column of a byte offset, both from 1; columns count bytes.
    pub(crate) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        (line, offset - start + 1)
    }

    /// Where a path's key is written.
    pub(crate) fn of_key(&self, path: &str) -> Option<(usize, usize)> {
        self.entries.get(path).map(|entry| self.line_and_column(entry.key.start))
    }

    /// Where a path is written, or the nearest thing around it that is.
    pub(crate) fn near(&self, path: &str) -> Option<(usize, usize)> {
        let mut path = path;
        loop {
            if let Some(place) = self.of_key(path) {
                return Some(place);
            }
            let end = path.rfind(['.', '['])?;
            path = path.get(..end)?;
        }
    }

    /// The innermost path whose key or value covers the offset.
    pub(crate) fn path_at(&self, offset: usize) -> String {
        let covers = |span: &Range<usize>| span.start <= offset && offset < span.end.max(1);
        let covering =
            self.entries.iter().filter(|(_, entry)| covers(&entry.key) || covers(&entry.value));
        covering
            .max_by_key(|(path, _)| path.len())
            .map(|(path, _)| path.clone())
            .unwrap_or_default()
    }

    fn add_table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            self.add(path, key.span(), value);
        }
    }

    fn add(&mut self, path: String, key: Range<usize>, value: &Spanned<DeValue<'_>>) {
        if let Some(table) = value.get_ref().as_table() {
            self.add_table(&path, table);
        }
        if let Some(array) = value.get_ref().as_array() {
            for (place, element) in array.iter().enumerate() {
                self.add(format!("{path}[{place}]"), element.span(), element);
            }
        }
        self.entries.insert(path, Entry { key, value: value.span() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_line_and_offsets_by_key() {
        let text =
            "[engine]\nwaiting = \"spin\"\n\n[[venues]]\nname = \"x\"\n  symbols = [\"A\"]\n";
        let positions = Positions::new(text);
        assert_eq!(positions.of_key("engine.waiting"), Some((2, 1)));
        assert_eq!(positions.of_key("venues[0].symbols"), Some((6, 3)));
        assert_eq!(positions.near("venues[0].absent"), positions.of_key("venues[0]"));
        let offset = text.find("\"spin\"").unwrap_or(0);
        assert_eq!(positions.path_at(offset), "engine.waiting");
    }
}
