//! One of the two databases, as a test sees it: what a daemon is told of it, how its rows are read,
//! and how it is put out of action.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use tokio::runtime::Runtime;

use super::cluster::Cluster;

/// Where one test keeps its files.
pub(crate) struct Place {
    _folder: tempfile::TempDir,
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
}

pub(crate) struct Database {
    cluster: Option<Cluster>,
    runtime: Runtime,
}

/// What keeps a database from being written; cleared by the database.
pub(crate) enum Outage {
    /// Somebody's transaction holds the file's lock.
    Locked(AnyConnection),
    /// The server is gone.
    Down,
}

const CONFIG: &str = r#"
[simulator]
embedded = false

[[venues]]
name = "binance_usdm"
symbols = ["BTCUSDT"]
"#;

/// Tables with the columns that tell a row apart; how far a journal was taken over isn't history.
const TABLES: [(&str, &str, &str); 5] = [
    (
        "orders",
        "client_order_id, client_order_text, venue_order_id, strategy, account, instrument, side, \
         price, quantity, filled, leaves_quantity, time_in_force, reduce_only, state, live, \
         reason, created_at_ns, updated_at_ns",
        "journal, client_order_id",
    ),
    (
        "fills",
        "sequence, account, instrument, trade_id, client_order_id, venue_order_id, strategy, \
         side, price, quantity, liquidity, fee, fee_asset, venue_time_ns, recorded_at_ns",
        "journal, sequence",
    ),
    (
        "ledger",
        "sequence, kind, asset, amount, strategy, account, instrument, trade_id, at_ns",
        "journal, sequence, kind, account, instrument",
    ),
    ("strategies", "id, number, spec, state, mode, removed_at_ns", "journal, id"),
    ("settings", "name, value, set_at_ns", "journal, name"),
];

impl Place {
    pub(crate) fn new(database: &Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let config = folder.path().join("enigma.toml");
        let store = match &database.cluster {
            None => String::new(),
            Some(cluster) => format!("[store]\nurl = \"{}\"\n", cluster.url()),
        };
        fs::write(&config, format!("{CONFIG}\n{store}")).unwrap();
        Self { _folder: folder, data, config }
    }
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::of(None)
    }

    pub(crate) fn postgres() -> Option<Self> {
        Some(Self::of(Some(Cluster::start()?)))
    }

    fn of(cluster: Option<Cluster>) -> Self {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { cluster, runtime }
    }

    /// Every row of every table as text, in the order of the keys.
    pub(crate) fn rows(&self, place: &Place) -> BTreeMap<&'static str, Vec<String>> {
        self.runtime.block_on(async {
            let mut connection = self.connect(place).await;
            let mut tables = BTreeMap::new();
            for (table, columns, order) in TABLES {
                let columns: Vec<String> =
                    columns.split(", ").map(|name| format!("CAST({name} AS TEXT)")).collect();
                let text = format!("SELECT {} FROM {table} ORDER BY {order}", columns.join(", "));
                let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&mut connection).await;
                let rows = rows.unwrap();
                let rows = rows.iter().map(|row| {
                    let cells = (0..columns.len()).map(|at| row.get::<Option<String>, _>(at));
                    format!("{:?}", cells.collect::<Vec<_>>())
                });
                tables.insert(table, rows.collect());
            }
            connection.close().await.unwrap();
            tables
        })
    }

    /// The store is lost: its file, or everything in its schema.
    pub(crate) fn lose(&self, place: &Place) {
        if self.cluster.is_none() {
            for ending in ["", "-wal", "-shm"] {
                // The last connection that was closed took the other two away.
                let _ = fs::remove_file(place.data.join(format!("enigma.sqlite{ending}")));
            }
            return;
        }
        self.runtime.block_on(async {
            let mut connection = self.connect(place).await;
            for text in ["DROP SCHEMA public CASCADE", "CREATE SCHEMA public"] {
                sqlx::query(text).execute(&mut connection).await.unwrap();
            }
        });
    }

    pub(crate) fn obstruct(&mut self, place: &Place) -> Outage {
        if let Some(cluster) = &mut self.cluster {
            cluster.kill();
            return Outage::Down;
        }
        self.runtime.block_on(async {
            let mut connection = self.connect(place).await;
            sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
            Outage::Locked(connection)
        })
    }

    pub(crate) fn clear(&mut self, outage: Outage) {
        match (outage, &mut self.cluster) {
            (Outage::Locked(mut connection), _) => self.runtime.block_on(async {
                sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }),
            (Outage::Down, Some(cluster)) => cluster.resume(),
            (Outage::Down, None) => {}
        }
    }

    async fn connect(&self, place: &Place) -> AnyConnection {
        let url = match &self.cluster {
            None => format!("sqlite:{}?mode=rw", place.data.join("enigma.sqlite").display()),
            Some(cluster) => cluster.url(),
        };
        let options: AnyConnectOptions = url.parse().unwrap();
        AnyConnection::connect_with(&options).await.unwrap()
    }
}
