//! The ledger: what changed the accounts' equity, newest first, from the store.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use super::fills::page_size;
use super::history::{self, Instant};
use crate::app::App;
use crate::problem::Problem;
use crate::request::QueryString;
use crate::store::{Filter as Wanted, Kept, LedgerPlace, Order, SequencePlace, StoredLedgerEntry};
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LedgerEntry {
    /// `fee`, `realised` or `funding`.
    kind: String,
    asset: String,
    /// Below zero for what was paid.
    amount: String,
    /// Absent where no strategy's order is behind it.
    strategy: Option<String>,
    account: String,
    instrument: String,
    /// The trade it came of; `record-` and a number where it came of none.
    trade_id: String,
    at: String,
    at_ns: u64,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// 1 to 1000; 100 where absent.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only this strategy's.
    strategy: Option<String>,
    /// Only this instrument's.
    instrument: Option<String>,
    /// `fee`, `realised` or `funding`.
    kind: Option<String>,
    /// From this instant on.
    #[param(value_type = Option<String>)]
    from: Option<Instant>,
    /// Before this instant.
    #[param(value_type = Option<String>)]
    to: Option<Instant>,
}

impl From<StoredLedgerEntry> for LedgerEntry {
    fn from(stored: StoredLedgerEntry) -> Self {
        Self {
            kind: stored.kind,
            asset: stored.asset,
            amount: stored.amount,
            strategy: stored.strategy,
            account: stored.account,
            instrument: stored.instrument,
            trade_id: stored.trade_id,
            at: rfc3339(enigma_types::UnixNanos(stored.at_ns)),
            at_ns: stored.at_ns,
        }
    }
}

impl Filter {
    fn check(&self) -> Result<Wanted, Problem> {
        if self.kind.as_ref().is_some_and(|kind| !KINDS.contains(&kind.as_str())) {
            let detail = format!("kind is one of {}", KINDS.join(", "));
            return Err(Problem::bad_request("bad_query", detail));
        }
        Ok(Wanted {
            strategy: self.strategy.clone(),
            instrument: self.instrument.clone(),
            kind: self.kind.clone(),
            from_ns: self.from.map(|instant| instant.0),
            to_ns: self.to.map(|instant| instant.0),
            ..Wanted::default()
        })
    }
}

/// Fees, realised results and funding, newest first. Entries appear a moment after their fills.
#[utoipa::path(get, path = "/v1/ledger", tag = "account", params(Filter),
    responses((status = 200, body = Page<LedgerEntry>), (status = 503, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    QueryString(filter): QueryString<Filter>,
) -> Result<Json<Page<LedgerEntry>>, Problem> {
    let wanted = filter.check()?;
    let limit = page_size(filter.limit)?;
    let store = app.store.as_ref().ok_or_else(history::no_store)?;
    let after = match filter.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(place_of(cursor).ok_or_else(history::foreign_cursor)?),
    };
    let mut rows: Vec<StoredLedgerEntry> = store
        .page(&wanted, Order::NewestFirst, after.as_ref(), limit + 1)
        .await
        .map_err(|error| history::unavailable(&error))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|row| cursor_of(&row.place()));
    let items = rows.into_iter().map(LedgerEntry::from).collect();
    Ok(Json(Page { items, next_cursor, incomplete: None }))
}

const KINDS: [&str; 3] = ["fee", "realised", "funding"];
const LIST: &str = "ledger";

fn cursor_of(place: &LedgerPlace) -> String {
    history::cursor_of(&[
        LIST.into(),
        place.record.journal.to_string(),
        place.record.sequence.to_string(),
        place.kind.clone(),
        place.account.clone(),
        place.instrument.clone(),
    ])
}

fn place_of(cursor: &str) -> Option<LedgerPlace> {
    let parts = history::parts_of(cursor, LIST)?;
    let [journal, sequence, kind, account, instrument] = parts.try_into().ok()?;
    let record = SequencePlace { journal: journal.parse().ok()?, sequence: sequence.parse().ok()? };
    Some(LedgerPlace { record, kind, account, instrument })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_cursor() {
        let record = SequencePlace { journal: 2, sequence: 9 };
        let text = |text: &str| text.to_owned();
        let (kind, account, instrument) = (text("fee"), text("main"), text("a:B"));
        let place = LedgerPlace { record, kind, account, instrument };
        assert_eq!(place_of(&cursor_of(&place)), Some(place));
        assert_eq!(place_of("00"), None);
    }
}
