//! Whole tables of history as a file, oldest row first. Rows go out page by page as the reader
//! takes them: neither a large table nor a slow reader fills the memory or holds up the store.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fills::Fill;
use super::history::{self, Instant};
use super::ledger::LedgerEntry;
use super::orders::Order;
use crate::app::App;
use crate::problem::Problem;
use crate::request::QueryString;
use crate::store::{
    Filter, Kept, Order as Direction, Store, StoreError, StoredFill, StoredLedgerEntry, StoredOrder,
};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wish {
    /// `csv` (RFC 4180) or `json` (one array); json where absent.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    format: Format,
    strategy: Option<String>,
    instrument: Option<String>,
    /// Only orders in this state.
    state: Option<String>,
    /// From this instant on.
    #[param(value_type = Option<String>)]
    from: Option<Instant>,
    /// Before this instant.
    #[param(value_type = Option<String>)]
    to: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Csv,
    #[default]
    Json,
}

/// The history of orders, fills or the ledger as a file. A connection that ends before the last
/// row means that the store failed on the way.
#[utoipa::path(get, path = "/v1/export/{table}", tag = "account",
    params(("table" = String, Path, description = "orders, fills or ledger"), Wish),
    responses((status = 200, description = "the file"), (status = 404, body = Problem),
              (status = 503, body = Problem)))]
pub(crate) async fn export(
    State(app): State<App>,
    Path(table): Path<String>,
    QueryString(wish): QueryString<Wish>,
) -> Result<Response, Problem> {
    let store = app.store.as_ref().ok_or_else(history::no_store)?;
    let place = Arc::clone(&store.exports).try_acquire_owned().map_err(|_| {
        Problem::unavailable("busy", "as many exports run as may: try again when one has ended")
    })?;
    let filter = Filter {
        strategy: wish.strategy.clone(),
        instrument: wish.instrument.clone(),
        state: wish.state.clone(),
        from_ns: wish.from.map(|instant| instant.0),
        to_ns: wish.to.map(|instant| instant.0),
        ..Filter::default()
    };
    if wish.state.is_some() && table != "orders" {
        return Err(Problem::bad_request("bad_query", "only orders have a state"));
    }
    let store = Arc::clone(store);
    match table.as_str() {
        "orders" => Export::<StoredOrder>::begin(store, filter, wish.format, place).await,
        "fills" => Export::<StoredFill>::begin(store, filter, wish.format, place).await,
        "ledger" => Export::<StoredLedgerEntry>::begin(store, filter, wish.format, place).await,
        _ => {
            let detail = format!("there is no export of {table:?}: orders, fills or ledger");
            Err(Problem::not_found("no_such_export", detail))
        }
    }
}

/// A kind of row that can be exported, as the API shows it.
trait Exported: Kept + Send + 'static {
    const NAME: &'static str;
    /// In the order in which the shown shape writes them.
    const COLUMNS: &'static [&'static str];
    type Shown: From<Self> + Serialize;
}

/// A file on its way out.
struct Export<T: Kept> {
    store: Arc<Store>,
    filter: Filter,
    format: Format,
    after: Option<T::Place>,
    /// Read ahead, so that a store that can't be read is told before the file begins.
    rows: Vec<T>,
    part: Part,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    /// Whether a row stands before the next one.
    Rows {
        any: bool,
    },
    End,
}

/// Rows in one piece of a file.
const PIECE: usize = 500;

impl<T: Exported> Export<T> {
    async fn begin(
        store: Arc<Store>,
        filter: Filter,
        format: Format,
        place: OwnedSemaphorePermit,
    ) -> Result<Response, Problem> {
        let mut export = Self {
            store,
            filter,
            format,
            after: None,
            rows: Vec::new(),
            part: Part::Head,
            _place: place,
        };
        export.read().await.map_err(|error| history::unavailable(&error))?;
        let (kind, ending) = match format {
            Format::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
            Format::Json => ("application/json", "json"),
        };
        let file = format!("attachment; filename=\"{}.{ending}\"", T::NAME);
        let headers =
            [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, file)];
        let pieces = stream::try_unfold(export, |mut export| async move {
            Ok::<_, StoreError>(export.piece().await?.map(|piece| (piece, export)))
        });
        Ok((headers, Body::from_stream(pieces)).into_response())
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let after = self.after.as_ref();
        self.rows = self.store.page(&self.filter, Direction::OldestFirst, after, PIECE).await?;
        self.after = self.rows.last().map(Kept::place).or(self.after.take());
        Ok(())
    }

    /// The next piece of the file; `None` behind its end.
    async fn piece(&mut self) -> Result<Option<String>, StoreError> {
        match self.part {
            Part::Head => {
                self.part = Part::Rows { any: false };
                Ok(Some(match self.format {
                    Format::Csv => csv_line(T::COLUMNS.iter().map(|name| (*name).to_owned())),
                    Format::Json => "[".into(),
                }))
            }
            Part::Rows { any } => {
                let rows = std::mem::take(&mut self.rows);
                if rows.is_empty() {
                    self.part = Part::End;
                    return Ok(Some(match self.format {
                        Format::Csv => String::new(),
                        Format::Json => "]\n".into(),
                    }));
                }
                self.part = Part::Rows { any: true };
                let text = self.text(rows, any);
                self.read().await?;
                Ok(Some(text))
            }
            Part::End => Ok(None),
        }
    }

    fn text(&self, rows: Vec<T>, any: bool) -> String {
        let mut text = String::new();
        for (place, row) in rows.into_iter().enumerate() {
            // Shapes of text, numbers and flags always become JSON.
            let value = serde_json::to_value(T::Shown::from(row)).unwrap_or_default();
            match self.format {
                Format::Csv => {
                    let cells = T::COLUMNS.iter().map(|name| cell(value.get(name)));
                    text.push_str(&csv_line(cells));
                }
                Format::Json => {
                    text.push_str(if any || place > 0 { ",\n" } else { "\n" });
                    text.push_str(&value.to_string());
                }
            }
        }
        text
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// One record of RFC 4180: what holds a separator is quoted, and quotes in it are doubled.
fn csv_line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells
        .map(|cell| {
            if cell.contains(['"', ',', '\r', '\n']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell
            }
        })
        .collect();
    format!("{}\r\n", cells.join(","))
}

impl Exported for StoredOrder {
    const NAME: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &[
        "client_order_id",
        "client_order_text",
        "venue_order_id",
        "strategy",
        "account",
        "instrument",
        "side",
        "price",
        "quantity",
        "filled",
        "leaves_quantity",
        "time_in_force",
        "reduce_only",
        "state",
        "reason",
        "created_at",
        "created_at_ns",
        "updated_at",
        "updated_at_ns",
    ];
    type Shown = Order;
}

impl Exported for StoredFill {
    const NAME: &'static str = "fills";
    const COLUMNS: &'static [&'static str] = &[
        "account",
        "instrument",
        "client_order_id",
        "venue_order_id",
        "strategy",
        "trade_id",
        "side",
        "price",
        "quantity",
        "liquidity",
        "fee",
        "fee_asset",
        "venue_time",
        "venue_time_ns",
    ];
    type Shown = Fill;
}

impl Exported for StoredLedgerEntry {
    const NAME: &'static str = "ledger";
    const COLUMNS: &'static [&'static str] = &[
        "kind",
        "asset",
        "amount",
        "strategy",
        "account",
        "instrument",
        "trade_id",
        "at",
        "at_ns",
    ];
    type Shown = LedgerEntry;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cells: &[&str], expected: &str) {
        assert_eq!(csv_line(cells.iter().map(|cell| (*cell).to_owned())), expected);
    }

    #[test]
    fn what_holds_a_separator_is_quoted() {
        check(&["a", "", "-1.5"], "a,,-1.5\r\n");
        check(
            &["a,b", "say \"no\"", "two\nlines"],
            "\"a,b\",\"say \"\"no\"\"\",\"two\nlines\"\r\n",
        );
    }

    #[test]
    fn the_columns_are_those_of_the_shown_shape() {
        fn names<T: Serialize>(shown: T) -> Vec<String> {
            let value = serde_json::to_value(shown).unwrap_or_default();
            value.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
        }
        assert_eq!(names(Order::from(crate::store::blank_order())), StoredOrder::COLUMNS);
        assert_eq!(names(Fill::from(crate::store::blank_fill())), StoredFill::COLUMNS);
        let entry = crate::store::blank_ledger_entry();
        assert_eq!(names(LedgerEntry::from(entry)), StoredLedgerEntry::COLUMNS);
    }
}
