//! How far the store has taken a journal over: the row that makes filling exactly once.
//!
//! The place moves in the transaction that brings the rows, from where it stood and from nowhere
//! else. A journal that no longer holds the place was lost or restored from a copy: what the store
//! has of it is set aside as an earlier journal's and stays readable.

use enigma_engine::history::Mark;
use enigma_types::InstallationPrefix;
use sqlx::{Any, AnyPool, Transaction};

use super::StoreError;
use super::statement::{Cell, Columns, Statement};

/// The store's row of the journal that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The store's number for the journal.
    pub(super) journal: u64,
    pub(super) prefix: String,
    pub(super) filled_to: u64,
    /// When that record was written: another record of this sequence has another time.
    pub(super) wall_ns: u64,
    /// Earlier journals of this installation are there.
    pub(super) has_aside: bool,
}

impl Place {
    /// Finds the journal's row, or makes one.
    pub(super) async fn find(
        pool: &AnyPool,
        prefix: InstallationPrefix,
    ) -> Result<Self, StoreError> {
        let prefix = prefix.as_str().to_owned();
        if let Some(place) = Self::look(pool, &prefix).await? {
            return Ok(place);
        }
        let mut added = Statement::new(
            "INSERT INTO journals (id, prefix, filled_to, filled_to_wall_ns, segment) \
             SELECT COALESCE(MAX(id), 0) + 1, ",
        );
        added.bind(Cell::text(prefix.as_str()));
        added.push(", 0, 0, 0 FROM journals");
        added.query().execute(pool).await?;
        Self::look(pool, &prefix).await?.ok_or(StoreError::Contended)
    }

    async fn look(pool: &AnyPool, prefix: &str) -> Result<Option<Self>, StoreError> {
        let mut own = Statement::new(
            "SELECT id, filled_to, filled_to_wall_ns, \
             (SELECT COUNT(*) FROM journals WHERE prefix LIKE ",
        );
        own.bind(Cell::text(format!("{prefix}~%")));
        own.push(") FROM journals WHERE prefix = ").bind(Cell::text(prefix));
        let Some(row) = own.query().fetch_optional(pool).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        Ok(Some(Self {
            journal: columns.number()?,
            filled_to: columns.number()?,
            wall_ns: columns.number()?,
            has_aside: columns.number()? > 0,
            prefix: prefix.to_owned(),
        }))
    }

    /// Moves the place, as the first statement of the transaction that brings the rows.
    pub(super) async fn advance(
        &self,
        transaction: &mut Transaction<'static, Any>,
        to: Mark,
    ) -> Result<bool, StoreError> {
        let mut moved = Statement::new("UPDATE journals SET filled_to = ");
        moved.bind(Cell::number(to.sequence));
        moved.push(", filled_to_wall_ns = ").bind(Cell::number(to.wall.0));
        moved.push(", segment = ").bind(Cell::number(to.segment));
        moved.push(" WHERE id = ").bind(Cell::number(self.journal));
        moved.push(" AND filled_to = ").bind(Cell::number(self.filled_to));
        let done = moved.query().execute(&mut **transaction).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Sets what is there aside under another name. The next `find` begins a new journal.
    pub(super) async fn set_aside(&self, pool: &AnyPool) -> Result<(), StoreError> {
        let mut renamed = Statement::new("UPDATE journals SET prefix = ");
        renamed.bind(Cell::text(format!("{}~{}", self.prefix, self.journal)));
        renamed.push(" WHERE id = ").bind(Cell::number(self.journal));
        renamed.query().execute(pool).await?;
        Ok(())
    }

    /// What the journal tells again is taken out of what was set aside.
    pub(super) async fn settle_aside(
        &self,
        transaction: &mut Transaction<'static, Any>,
    ) -> Result<(), StoreError> {
        if !self.has_aside {
            return Ok(());
        }
        for (table, same) in AGAIN {
            let mut again = Statement::new(&format!(
                "DELETE FROM {table} AS aside WHERE aside.journal IN \
                 (SELECT id FROM journals WHERE prefix LIKE "
            ));
            again.bind(Cell::text(format!("{}~%", self.prefix)));
            again.push(&format!(
                ") AND EXISTS (SELECT 1 FROM {table} AS told WHERE told.journal = "
            ));
            again.bind(Cell::number(self.journal));
            for column in same {
                again.push(&format!(" AND told.{column} = aside.{column}"));
            }
            again.push(")");
            again.query().execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

/// What tells the rows of a table apart within a journal.
const AGAIN: [(&str, &[&str]); 3] = [
    ("orders", &["client_order_id"]),
    ("fills", &["account", "instrument", "trade_id", "side"]),
    ("ledger", &["kind", "account", "instrument", "trade_id", "side"]),
];
