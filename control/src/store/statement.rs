//! Statements that read the same to SQLite and PostgreSQL: numbered places for values, no text of
//! anybody else's between them.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Row};

/// One value of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(Option<String>),
    Number(Option<i64>),
}

/// A statement's text with its values, in the order of their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    text: String,
    cells: Vec<Cell>,
}

/// A table as the filler writes it: a row that is there already gets the `changing` columns anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) key: &'static [&'static str],
    pub(super) changing: &'static [&'static str],
}

/// Takes the columns of a row one after the other.
pub(super) struct Columns<'a> {
    row: &'a AnyRow,
    at: usize,
}

impl Cell {
    /// PostgreSQL knows no NUL in a text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into().replace('\0', "\u{FFFD}")))
    }

    pub(super) fn maybe(text: Option<String>) -> Self {
        text.map_or(Self::Text(None), Self::text)
    }

    /// Ids and instants are far below 2⁶³.
    pub(super) fn number(number: u64) -> Self {
        Self::Number(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    pub(super) fn flag(flag: bool) -> Self {
        Self::Number(Some(i64::from(flag)))
    }
}

impl Statement {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.into(), cells: Vec::new() }
    }

    /// Text of this program's own, never a value.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn bind(&mut self, cell: Cell) -> &mut Self {
        self.cells.push(cell);
        self.text.push_str(&format!("${}", self.cells.len()));
        self
    }

    pub(super) fn query(&self) -> Query<'static, Any, AnyArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text.clone()));
        self.cells.iter().fold(query, |query, cell| match cell {
            Cell::Text(text) => query.bind(text.clone()),
            Cell::Number(number) => query.bind(*number),
        })
    }
}

impl Table {
    /// Rows in one statement: far below the number of places that either database allows.
    const ROWS: usize = 100;

    pub(super) fn upserts(&self, rows: &[Vec<Cell>]) -> Vec<Statement> {
        rows.chunks(Self::ROWS).map(|rows| self.upsert(rows)).collect()
    }

    fn upsert(&self, rows: &[Vec<Cell>]) -> Statement {
        let columns = self.columns.join(", ");
        let mut statement =
            Statement::new(&format!("INSERT INTO {} ({columns}) VALUES ", self.name));
        for (place, row) in rows.iter().enumerate() {
            statement.push(if place == 0 { "(" } else { ", (" });
            for (place, cell) in row.iter().enumerate() {
                statement.push(if place == 0 { "" } else { ", " }).bind(cell.clone());
            }
            statement.push(")");
        }
        let set: Vec<String> =
            self.changing.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        let key = self.key.join(", ");
        statement.push(&format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", ")));
        statement
    }
}

impl<'a> Columns<'a> {
    pub(super) fn of(row: &'a AnyRow) -> Self {
        Self { row, at: 0 }
    }

    pub(super) fn text(&mut self) -> sqlx::Result<String> {
        self.at += 1;
        self.row.try_get(self.at - 1)
    }

    pub(super) fn maybe_text(&mut self) -> sqlx::Result<Option<String>> {
        self.at += 1;
        self.row.try_get(self.at - 1)
    }

    pub(super) fn number(&mut self) -> sqlx::Result<u64> {
        self.at += 1;
        let number: i64 = self.row.try_get(self.at - 1)?;
        Ok(u64::try_from(number).unwrap_or_default())
    }

    pub(super) fn maybe_number(&mut self) -> sqlx::Result<Option<u64>> {
        self.at += 1;
        let number: Option<i64> = self.row.try_get(self.at - 1)?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_one_statement_with_numbered_places() {
        let table = Table { name: "t", columns: &["a", "b"], key: &["a"], changing: &["b"] };
        let row = |text: &str| vec![Cell::text(text), Cell::number(1)];
        let statements = table.upserts(&[row("x"), row("y\0")]);
        assert_eq!(statements.len(), 1);
        assert_eq!(
            statements[0].text,
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) \
             ON CONFLICT (a) DO UPDATE SET b = excluded.b"
        );
        assert_eq!(statements[0].cells[2], Cell::Text(Some("y\u{FFFD}".into())));
        assert_eq!(table.upserts(&vec![row("z"); 101]).len(), 2);
    }
}
