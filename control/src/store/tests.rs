//! The store on both databases: rows in once, pages out whole, and what happens when the database
//! is locked, full, gone, or another one than before.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may stop here and say why")]

#[path = "../../../tests/store/cluster.rs"]
#[expect(dead_code, reason = "the daemon's tests kill the server too")]
mod cluster;

use std::collections::BTreeSet;

use enigma_engine::history::Mark;
use enigma_types::{InstallationPrefix, UnixNanos};

use self::cluster::Cluster;
use super::place::Place;
use super::statement::{Cell, Statement};
use super::*;

/// An empty database of one kind.
struct Bench {
    store: Store,
    folder: tempfile::TempDir,
    cluster: Option<Cluster>,
}

impl Bench {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreSettings::Sqlite, folder.path()).unwrap();
        store.migrate().await.unwrap();
        Self { store, folder, cluster: None }
    }

    async fn postgres() -> Option<Self> {
        let Some(cluster) = Cluster::start() else {
            println!("skipped: no PostgreSQL");
            return None;
        };
        let settings = StoreSettings::Postgres { url: cluster.url(), password: None };
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&settings, folder.path()).unwrap();
        store.migrate().await.unwrap();
        Some(Self { store, folder, cluster: Some(cluster) })
    }

    /// Other connections to the same database.
    fn reopen(&self) -> Store {
        let settings = match &self.cluster {
            None => StoreSettings::Sqlite,
            Some(cluster) => StoreSettings::Postgres { url: cluster.url(), password: None },
        };
        Store::open(&settings, self.folder.path()).unwrap()
    }

    async fn place(&self) -> Place {
        Place::find(&self.store.pool, prefix()).await.unwrap()
    }

    async fn order(&self, journal: u64, id: u64, state: &str) {
        let order = StoredOrder {
            journal,
            client_order_id: id,
            strategy: if id.is_multiple_of(2) { "even".into() } else { "odd".into() },
            state: state.into(),
            created_at_ns: id * 10,
            ..blank_order()
        };
        let rows = rows::Rows::of_orders(&[order]);
        for statement in rows.statements() {
            statement.query().execute(&self.store.pool).await.unwrap();
        }
    }

    async fn ids(&self, filter: &Filter, order: Order) -> Vec<u64> {
        let page: Vec<StoredOrder> = self.store.page(filter, order, None, 1_000).await.unwrap();
        page.into_iter().map(|order| order.client_order_id).collect()
    }
}

fn prefix() -> InstallationPrefix {
    InstallationPrefix::from_number(7)
}

fn mark(sequence: u64) -> Mark {
    Mark { sequence, wall: UnixNanos(sequence * 3), segment: 1 }
}

/// Runs a test on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            use super::*;
            $(#[tokio::test] async fn $name() { super::$name(Bench::sqlite().await).await; })+
        }
        mod on_postgres {
            use super::*;
            $(#[tokio::test] async fn $name() {
                if let Some(bench) = Bench::postgres().await {
                    super::$name(bench).await;
                }
            })+
        }
    };
}

on_both![
    a_batch_is_written_once_whoever_tries_again,
    history_of_a_journal_that_was_lost_stays_beside_the_new_one,
    pages_over_changing_rows_lose_and_double_nothing,
    filters_narrow_what_is_read,
    tables_are_made_once_and_newer_ones_are_left_alone,
    both_sides_of_a_trade_with_oneself_are_kept,
    older_tables_are_brought_up_to_date_with_their_rows,
];

async fn a_batch_is_written_once_whoever_tries_again(bench: Bench) {
    let place = bench.place().await;
    assert_eq!((place.journal, place.filled_to), (1, 0));
    let order = StoredOrder { client_order_id: 5, ..blank_order() };
    let rows = rows::Rows::of_orders(&[order]);
    assert!(bench.store.write(&place, &rows, mark(10)).await.unwrap());
    assert!(!bench.store.write(&place, &rows, mark(10)).await.unwrap(), "the place has moved");
    let found = bench.place().await;
    assert_eq!((found.filled_to, found.wall_ns), (10, 30));
    assert_eq!(bench.ids(&Filter::default(), Order::NewestFirst).await, [5]);

    let other = bench.reopen();
    let other_place = Place::find(&other.pool, prefix()).await.unwrap();
    assert!(other.write(&other_place, &rows::Rows::default(), mark(20)).await.unwrap());
    assert!(!bench.store.write(&found, &rows, mark(15)).await.unwrap(), "somebody else fills");
}

async fn history_of_a_journal_that_was_lost_stays_beside_the_new_one(bench: Bench) {
    let old = bench.place().await;
    let order = |id| StoredOrder { client_order_id: id, state: "filled".into(), ..blank_order() };
    let rows = rows::Rows::of_orders(&[order(1), order(2), order(3)]);
    assert!(bench.store.write(&old, &rows, mark(30)).await.unwrap());
    old.set_aside(&bench.store.pool).await.unwrap();
    let new = bench.place().await;
    assert_eq!((new.journal, new.filled_to, new.has_aside), (2, 0, true));
    let again = StoredOrder { journal: 2, ..order(2) };
    let rows = rows::Rows::of_orders(&[again, StoredOrder { journal: 2, ..order(9) }]);
    assert!(bench.store.write(&new, &rows, mark(8)).await.unwrap());
    let page: Vec<StoredOrder> =
        bench.store.page(&Filter::default(), Order::OldestFirst, None, 9).await.unwrap();
    let places: Vec<_> = page.iter().map(|row| (row.client_order_id, row.journal)).collect();
    assert_eq!(places, [(1, 1), (2, 2), (3, 1), (9, 2)]);
    assert_eq!(bench.store.order(2).await.unwrap().unwrap().journal, 2);
    assert_eq!(bench.store.order(4).await.unwrap(), None);
}

async fn pages_over_changing_rows_lose_and_double_nothing(bench: Bench) {
    let journal = bench.place().await.journal;
    for id in 1..=40 {
        bench.order(journal, id * 10, "open").await;
    }
    for direction in [Order::NewestFirst, Order::OldestFirst] {
        let mut seen = Vec::new();
        let mut after = None;
        let mut turn = 0;
        loop {
            let page: Vec<StoredOrder> =
                bench.store.page(&Filter::default(), direction, after.as_ref(), 7).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.place());
            seen.extend(page.iter().map(|order| order.client_order_id));
            turn += 1;
            // Meanwhile orders come and orders change.
            if turn <= 5 {
                bench.order(journal, 10_000 * turn + 1, "open").await;
                bench.order(journal, 10 * turn, "filled").await;
            }
            assert!(turn < 60, "it never ends");
        }
        let unique: BTreeSet<u64> = seen.iter().copied().collect();
        assert_eq!(unique.len(), seen.len(), "an order was shown twice: {seen:?}");
        for id in 1..=40 {
            assert!(unique.contains(&(id * 10)), "{id} was lost: {seen:?}");
        }
    }
}

async fn filters_narrow_what_is_read(bench: Bench) {
    let journal = bench.place().await.journal;
    for id in 1..=6 {
        bench.order(journal, id, if id < 4 { "filled" } else { "open" }).await;
    }
    let check = async |filter: Filter, expected: &[u64]| {
        assert_eq!(bench.ids(&filter, Order::OldestFirst).await, expected, "{filter:?}");
    };
    let all = Filter::default;
    check(all(), &[1, 2, 3, 4, 5, 6]).await;
    check(Filter { strategy: Some("even".into()), ..all() }, &[2, 4, 6]).await;
    check(Filter { state: Some("filled".into()), ..all() }, &[1, 2, 3]).await;
    check(Filter { live: Some(true), ..all() }, &[4, 5, 6]).await;
    check(Filter { from_ns: Some(20), to_ns: Some(50), ..all() }, &[2, 3, 4]).await;
    check(Filter { instrument: Some("' OR 1 = 1 --".into()), ..all() }, &[]).await;
    check(Filter { journal: Some(9), ..all() }, &[]).await;
}

async fn run(store: &Store, text: &str) {
    Statement::new(text).query().execute(&store.pool).await.unwrap();
}

/// What the store of a first version wrote of one fill and its fee.
fn fill_of(journal: u64, sequence: u64, side: &str) -> String {
    format!(
        "INSERT INTO fills (journal, sequence, account, instrument, trade_id, venue_order_id, side, \
         price, quantity, liquidity, fee, fee_asset, venue_time_ns, recorded_at_ns) VALUES \
         ({journal}, {sequence}, 'a', 'i', '77', '{sequence}', '{side}', '1.5', '2', 'taker', \
         '0.01', 'USDT', 5, 6)"
    )
}

async fn both_sides_of_a_trade_with_oneself_are_kept(bench: Bench) {
    let journal = bench.place().await.journal;
    run(&bench.store, &fill_of(journal, 4, "buy")).await;
    run(&bench.store, &fill_of(journal, 5, "sell")).await;
    let again = Statement::new(&fill_of(journal, 6, "sell"));
    assert!(again.query().execute(&bench.store.pool).await.is_err(), "one side is kept once");
    for (side, sequence) in [("buy", 4), ("sell", 5)] {
        let place = bench.store.place_of_fill(journal, "a", "i", ("77", side)).await.unwrap();
        assert_eq!(place, Some(SequencePlace { journal, sequence }), "{side}");
    }
}

async fn older_tables_are_brought_up_to_date_with_their_rows(bench: Bench) {
    for table in ["orders", "fills", "ledger", "strategies", "settings", "journals"] {
        run(&bench.store, &format!("DROP TABLE {table}")).await;
    }
    run(&bench.store, "DELETE FROM _sqlx_migrations").await;
    migrator(&MIGRATIONS[..1]).run(&bench.store.pool).await.unwrap();
    let journal = bench.place().await.journal;
    run(&bench.store, &fill_of(journal, 4, "sell")).await;
    for (sequence, trade, kind) in
        [(4, "77", "fee"), (4, "77", "realised"), (9, "record-9", "realised")]
    {
        let text = format!(
            "INSERT INTO ledger (journal, sequence, kind, asset, amount, account, instrument, \
             trade_id, at_ns) VALUES ({journal}, {sequence}, '{kind}', 'USDT', '-0.01', 'a', 'i', \
             '{trade}', 5)"
        );
        run(&bench.store, &text).await;
    }
    bench.reopen().migrate().await.unwrap();
    let fills: Vec<StoredFill> =
        bench.store.page(&Filter::default(), Order::OldestFirst, None, 9).await.unwrap();
    assert_eq!(fills.len(), 1);
    assert_eq!((fills[0].price.as_str(), fills[0].side.as_str()), ("1.5", "sell"));
    let ledger: Vec<StoredLedgerEntry> =
        bench.store.page(&Filter::default(), Order::OldestFirst, None, 9).await.unwrap();
    assert_eq!(ledger.len(), 3);
    for (trade, side, rows) in [("77", "sell", 2), ("record-9", "", 1)] {
        let mut found = Statement::new("SELECT sequence FROM ledger WHERE side = ");
        found.bind(Cell::text(side)).push(" AND trade_id = ").bind(Cell::text(trade));
        let found = found.query().fetch_all(&bench.store.pool).await.unwrap();
        assert_eq!(found.len(), rows, "{trade}");
    }
}

async fn tables_are_made_once_and_newer_ones_are_left_alone(bench: Bench) {
    bench.order(bench.place().await.journal, 3, "open").await;
    bench.reopen().migrate().await.unwrap();
    assert_eq!(bench.ids(&Filter::default(), Order::NewestFirst).await, [3]);
    let mut newer = Statement::new(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 99, description, success, checksum, execution_time FROM _sqlx_migrations \
         WHERE version = ",
    );
    newer.bind(Cell::number(1));
    newer.query().execute(&bench.store.pool).await.unwrap();
    let error = bench.reopen().migrate().await.unwrap_err();
    assert!(matches!(error, StoreError::Migration(_)), "{error}");
    assert!(error.recovery().contains("version of the program"));
}

#[tokio::test]
async fn a_full_disk_fails_the_batch_whole_and_room_lets_it_through() {
    let bench = Bench::sqlite().await;
    let place = bench.place().await;
    let few = |pages: &str| format!("PRAGMA max_page_count = {pages}");
    let store = bench.reopen();
    // One connection, so that the bound holds for all that is written.
    let mut only = store.pool.acquire().await.unwrap();
    let bound = sqlx::AssertSqlSafe(few("30"));
    sqlx::query(bound).execute(&mut *only).await.unwrap();
    let others: Vec<_> = {
        let mut held = Vec::new();
        for _ in 1..Store::CONNECTIONS {
            held.push(store.pool.acquire().await.unwrap());
        }
        held
    };
    drop(only);
    let order = |id| StoredOrder { client_order_id: id, reason: "x".repeat(900), ..blank_order() };
    let orders: Vec<StoredOrder> = (1..=200).map(order).collect();
    let rows = rows::Rows::of_orders(&orders);
    let error = store.write(&place, &rows, mark(200)).await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(bench.place().await.filled_to, 0);
    assert_eq!(bench.ids(&Filter::default(), Order::NewestFirst).await.len(), 0);
    drop(others);
    assert!(bench.store.write(&place, &rows, mark(200)).await.unwrap());
    assert_eq!(bench.ids(&Filter::default(), Order::NewestFirst).await.len(), 200);
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone_and_a_replaced_one_is_noticed() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::sqlite().await;
    bench.place().await;
    let path = bench.folder.path().join(Store::FILE);
    for ending in ["", "-wal", "-shm"] {
        let path = format!("{}{ending}", path.display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
    bench.store.check_file().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(bench.store.check_file(), Err(StoreError::FileGone(_))));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(bench.store.check_file(), Err(StoreError::FileGone(_))));
}

#[tokio::test]
async fn a_folder_with_any_name_takes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a b?c#d%20é");
    std::fs::create_dir(&odd).unwrap();
    let store = Store::open(&StoreSettings::Sqlite, &odd).unwrap();
    store.migrate().await.unwrap();
    assert!(odd.join(Store::FILE).exists());
    assert!(std::fs::metadata(odd.join(Store::FILE)).unwrap().len() > 0);
}

#[test]
fn a_store_shows_no_address() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let url = "postgres://enigma@localhost/hunter2".to_owned();
    let settings = StoreSettings::Postgres { url, password: None };
    let store = Store::open(&settings, Path::new("/nowhere")).unwrap();
    assert!(!format!("{store:?}").contains("hunter2"));
}
