//! What is read back: pages of orders, fills and ledger entries, newest or oldest first, each from
//! a place that no later row can move.

use enigma_engine::snapshot::OrderState;
use sqlx::any::AnyRow;

use super::statement::{Cell, Columns, Statement};
use super::{Store, StoreError};

/// Which rows are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) journal: Option<u64>,
    pub(crate) strategy: Option<String>,
    pub(crate) instrument: Option<String>,
    /// Orders alone have one.
    pub(crate) state: Option<String>,
    /// Only orders that may still trade, or only closed ones.
    pub(crate) live: Option<bool>,
    /// Ledger entries alone have one.
    pub(crate) kind: Option<String>,
    pub(crate) from_ns: Option<u64>,
    /// The first instant that isn't wanted any more.
    pub(crate) to_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    NewestFirst,
    OldestFirst,
}

/// A row of a table with its place in the table's order.
pub(crate) trait Kept: Sized {
    type Place: Clone + Send + Sync;

    fn place(&self) -> Self::Place;

    #[doc(hidden)]
    fn source() -> Source<Self>;
}

/// How a kind of row is read.
pub(crate) struct Source<T: Kept> {
    table: &'static str,
    columns: &'static str,
    /// What the rows are ordered by, which is unique.
    order: &'static [&'static str],
    time: &'static str,
    read: fn(&mut Columns<'_>) -> sqlx::Result<T>,
    cells: fn(&T::Place) -> Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredOrder {
    pub(crate) journal: u64,
    pub(crate) client_order_id: u64,
    pub(crate) client_order_text: String,
    pub(crate) venue_order_id: Option<String>,
    pub(crate) strategy: String,
    pub(crate) account: String,
    pub(crate) instrument: String,
    pub(crate) side: String,
    pub(crate) price: String,
    pub(crate) quantity: String,
    pub(crate) filled: String,
    pub(crate) leaves_quantity: String,
    pub(crate) time_in_force: String,
    pub(crate) reduce_only: bool,
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) created_at_ns: u64,
    pub(crate) updated_at_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredFill {
    pub(crate) place: SequencePlace,
    pub(crate) account: String,
    pub(crate) instrument: String,
    pub(crate) trade_id: String,
    pub(crate) client_order_id: Option<u64>,
    pub(crate) venue_order_id: String,
    pub(crate) strategy: Option<String>,
    pub(crate) side: String,
    pub(crate) price: String,
    pub(crate) quantity: String,
    pub(crate) liquidity: String,
    pub(crate) fee: Option<String>,
    pub(crate) fee_asset: String,
    pub(crate) venue_time_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredLedgerEntry {
    pub(crate) journal: u64,
    pub(crate) sequence: u64,
    pub(crate) kind: String,
    pub(crate) asset: String,
    pub(crate) amount: String,
    pub(crate) strategy: Option<String>,
    pub(crate) account: String,
    pub(crate) instrument: String,
    pub(crate) trade_id: String,
    pub(crate) at_ns: u64,
}

/// A record of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SequencePlace {
    pub(crate) journal: u64,
    pub(crate) sequence: u64,
}

/// A ledger entry's place: one record may bring several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerPlace {
    pub(crate) record: SequencePlace,
    pub(crate) kind: String,
    pub(crate) account: String,
    pub(crate) instrument: String,
}

impl Store {
    /// How long a reader waits for the database.
    const READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

    /// At most `most` rows beyond `after` in the given order.
    pub(crate) async fn page<T: Kept + Send>(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<&T::Place>,
        most: usize,
    ) -> Result<Vec<T>, StoreError> {
        let source = T::source();
        let mut statement = source.select();
        filter.narrow(&mut statement, source.time);
        let (compare, direction) = match order {
            Order::NewestFirst => ("<", "DESC"),
            Order::OldestFirst => (">", "ASC"),
        };
        if let Some(after) = after {
            statement.push(&format!(" AND ({}) {compare} (", source.order.join(", ")));
            for (place, cell) in (source.cells)(after).into_iter().enumerate() {
                statement.push(if place == 0 { "" } else { ", " }).bind(cell);
            }
            statement.push(")");
        }
        let ordered: Vec<String> =
            source.order.iter().map(|column| format!("{column} {direction}")).collect();
        statement.push(&format!(" ORDER BY {} LIMIT ", ordered.join(", ")));
        statement.bind(Cell::number(most as u64));
        self.rows(&statement, source.read).await
    }

    /// The newest order with this id, of this journal or an earlier one.
    pub(crate) async fn order(&self, id: u64) -> Result<Option<StoredOrder>, StoreError> {
        let source = StoredOrder::source();
        let mut statement = source.select();
        statement.push(" AND client_order_id = ").bind(Cell::number(id));
        statement.push(" ORDER BY journal DESC LIMIT 1");
        Ok(self.rows(&statement, source.read).await?.pop())
    }

    /// Where a fill of the followed journal stands, once it is stored.
    pub(crate) async fn place_of_fill(
        &self,
        journal: u64,
        account: &str,
        instrument: &str,
        (trade_id, side): (&str, &str),
    ) -> Result<Option<SequencePlace>, StoreError> {
        let source = StoredFill::source();
        let mut statement = source.select();
        statement.push(" AND journal = ").bind(Cell::number(journal));
        statement.push(" AND account = ").bind(Cell::text(account));
        statement.push(" AND instrument = ").bind(Cell::text(instrument));
        statement.push(" AND trade_id = ").bind(Cell::text(trade_id));
        statement.push(" AND side = ").bind(Cell::text(side));
        Ok(self.rows(&statement, source.read).await?.pop().map(|fill| fill.place))
    }

    async fn rows<T>(
        &self,
        statement: &Statement,
        read: fn(&mut Columns<'_>) -> sqlx::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = statement.query().fetch_all(&self.pool);
        let rows = tokio::time::timeout(Self::READ_TIMEOUT, rows);
        let rows = rows.await.map_err(|_| StoreError::TooSlow(Self::READ_TIMEOUT))??;
        let values = rows.iter().map(|row: &AnyRow| read(&mut Columns::of(row)));
        Ok(values.collect::<sqlx::Result<_>>()?)
    }
}

impl Filter {
    fn narrow(&self, statement: &mut Statement, time: &str) {
        let texts = [
            ("strategy", &self.strategy),
            ("instrument", &self.instrument),
            ("state", &self.state),
            ("kind", &self.kind),
        ];
        for (column, wanted) in texts {
            if let Some(wanted) = wanted {
                statement.push(&format!(" AND {column} = ")).bind(Cell::text(wanted.as_str()));
            }
        }
        if let Some(journal) = self.journal {
            statement.push(" AND journal = ").bind(Cell::number(journal));
        }
        if let Some(live) = self.live {
            statement.push(" AND live = ").bind(Cell::flag(live));
        }
        if let Some(from) = self.from_ns {
            statement.push(&format!(" AND {time} >= ")).bind(Cell::number(from));
        }
        if let Some(to) = self.to_ns {
            statement.push(&format!(" AND {time} < ")).bind(Cell::number(to));
        }
    }
}

impl StoredOrder {
    /// It may still trade, as far as its journal tells.
    pub(crate) fn is_live(&self) -> bool {
        OrderState::ALL.iter().any(|state| state.is_live() && state.name() == self.state)
    }

    /// An order of another journal may have been left open there: nobody follows it any more.
    pub(crate) fn disown_unless(&mut self, journal: u64) {
        if self.journal != journal && self.is_live() {
            OrderState::Unknown.name().clone_into(&mut self.state);
        }
    }
}

impl<T: Kept> Source<T> {
    fn select(&self) -> Statement {
        Statement::new(&format!("SELECT {} FROM {} WHERE 1 = 1", self.columns, self.table))
    }
}

impl Kept for StoredOrder {
    /// Id and journal.
    type Place = (u64, u64);

    fn place(&self) -> Self::Place {
        (self.client_order_id, self.journal)
    }

    fn source() -> Source<Self> {
        Source {
            table: "orders",
            columns: "journal, client_order_id, client_order_text, venue_order_id, strategy, \
                      account, instrument, side, price, quantity, filled, leaves_quantity, \
                      time_in_force, reduce_only, state, reason, created_at_ns, updated_at_ns",
            order: &["client_order_id", "journal"],
            time: "created_at_ns",
            read: |columns| {
                Ok(Self {
                    journal: columns.number()?,
                    client_order_id: columns.number()?,
                    client_order_text: columns.text()?,
                    venue_order_id: columns.maybe_text()?,
                    strategy: columns.text()?,
                    account: columns.text()?,
                    instrument: columns.text()?,
                    side: columns.text()?,
                    price: columns.text()?,
                    quantity: columns.text()?,
                    filled: columns.text()?,
                    leaves_quantity: columns.text()?,
                    time_in_force: columns.text()?,
                    reduce_only: columns.number()? != 0,
                    state: columns.text()?,
                    reason: columns.text()?,
                    created_at_ns: columns.number()?,
                    updated_at_ns: columns.number()?,
                })
            },
            cells: |(id, journal)| vec![Cell::number(*id), Cell::number(*journal)],
        }
    }
}

impl Kept for StoredFill {
    type Place = SequencePlace;

    fn place(&self) -> Self::Place {
        self.place
    }

    fn source() -> Source<Self> {
        Source {
            table: "fills",
            columns: "journal, sequence, account, instrument, trade_id, client_order_id, \
                      venue_order_id, strategy, side, price, quantity, liquidity, fee, fee_asset, \
                      venue_time_ns",
            order: &["journal", "sequence"],
            time: "venue_time_ns",
            read: |columns| {
                let (journal, sequence) = (columns.number()?, columns.number()?);
                Ok(Self {
                    place: SequencePlace { journal, sequence },
                    account: columns.text()?,
                    instrument: columns.text()?,
                    trade_id: columns.text()?,
                    client_order_id: columns.maybe_number()?,
                    venue_order_id: columns.text()?,
                    strategy: columns.maybe_text()?,
                    side: columns.text()?,
                    price: columns.text()?,
                    quantity: columns.text()?,
                    liquidity: columns.text()?,
                    fee: columns.maybe_text()?,
                    fee_asset: columns.text()?,
                    venue_time_ns: columns.number()?,
                })
            },
            cells: |place| vec![Cell::number(place.journal), Cell::number(place.sequence)],
        }
    }
}

impl Kept for StoredLedgerEntry {
    type Place = LedgerPlace;

    fn place(&self) -> Self::Place {
        LedgerPlace {
            record: SequencePlace { journal: self.journal, sequence: self.sequence },
            kind: self.kind.clone(),
            account: self.account.clone(),
            instrument: self.instrument.clone(),
        }
    }

    fn source() -> Source<Self> {
        Source {
            table: "ledger",
            columns: "journal, sequence, kind, asset, amount, strategy, account, instrument, \
                      trade_id, at_ns",
            order: &["journal", "sequence", "kind", "account", "instrument"],
            time: "at_ns",
            read: |columns| {
                Ok(Self {
                    journal: columns.number()?,
                    sequence: columns.number()?,
                    kind: columns.text()?,
                    asset: columns.text()?,
                    amount: columns.text()?,
                    strategy: columns.maybe_text()?,
                    account: columns.text()?,
                    instrument: columns.text()?,
                    trade_id: columns.text()?,
                    at_ns: columns.number()?,
                })
            },
            cells: |place| {
                vec![
                    Cell::number(place.record.journal),
                    Cell::number(place.record.sequence),
                    Cell::text(place.kind.as_str()),
                    Cell::text(place.account.as_str()),
                    Cell::text(place.instrument.as_str()),
                ]
            },
        }
    }
}

#[cfg(test)]
pub(crate) fn blank_order() -> StoredOrder {
    let text = String::new;
    StoredOrder {
        journal: 1,
        client_order_id: 1,
        client_order_text: text(),
        venue_order_id: None,
        strategy: text(),
        account: text(),
        instrument: text(),
        side: text(),
        price: text(),
        quantity: text(),
        filled: text(),
        leaves_quantity: text(),
        time_in_force: text(),
        reduce_only: false,
        state: text(),
        reason: text(),
        created_at_ns: 0,
        updated_at_ns: 0,
    }
}

#[cfg(test)]
pub(crate) fn blank_fill() -> StoredFill {
    let text = String::new;
    StoredFill {
        place: SequencePlace { journal: 1, sequence: 1 },
        account: text(),
        instrument: text(),
        trade_id: text(),
        client_order_id: None,
        venue_order_id: text(),
        strategy: None,
        side: text(),
        price: text(),
        quantity: text(),
        liquidity: text(),
        fee: None,
        fee_asset: text(),
        venue_time_ns: 0,
    }
}

#[cfg(test)]
pub(crate) fn blank_ledger_entry() -> StoredLedgerEntry {
    let text = String::new;
    StoredLedgerEntry {
        journal: 1,
        sequence: 1,
        kind: text(),
        asset: text(),
        amount: text(),
        strategy: None,
        account: text(),
        instrument: text(),
        trade_id: text(),
        at_ns: 0,
    }
}
