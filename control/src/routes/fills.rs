//! Fills, newest first.

use axum::Json;
use axum::extract::State;
use enigma_engine::snapshot::{FillView, ReadModel};
use enigma_types::{Liquidity, UnixNanos};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fill_pages::{FillPage, FillPlace};
use super::history::{self, Instant};
use super::{LARGEST_PAGE, Page, USUAL_PAGE};
use crate::app::App;
use crate::naming::{Naming, strategy_name};
use crate::problem::Problem;
use crate::request::QueryString;
use crate::store::{Filter as Wanted, StoredFill};
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Fill {
    account: String,
    instrument: String,
    /// Absent for a fill of an order that isn't ours.
    client_order_id: Option<String>,
    venue_order_id: String,
    strategy: Option<String>,
    trade_id: String,
    side: String,
    price: String,
    quantity: String,
    /// `maker` or `taker`.
    liquidity: String,
    /// Negative for a rebate; absent until the venue has said it.
    fee: Option<String>,
    fee_asset: String,
    venue_time: String,
    venue_time_ns: u64,
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
    /// Executed from this instant on, by the venue's clock.
    #[param(value_type = Option<String>)]
    from: Option<Instant>,
    /// Executed before this instant.
    #[param(value_type = Option<String>)]
    to: Option<Instant>,
}

impl Fill {
    /// `None` for an instrument that this run doesn't carry.
    pub(crate) fn new(view: &FillView, model: &ReadModel, naming: &Naming) -> Option<Self> {
        let instrument = naming.instrument(view.instrument)?;
        let fill = &view.fill;
        Some(Self {
            account: naming.account(view.account),
            instrument: instrument.name(),
            client_order_id: view.client_order_id.map(|id| id.to_string()),
            venue_order_id: view.venue_order_id.0.to_string(),
            strategy: view.strategy.map(|id| strategy_name(model, id)),
            trade_id: fill.trade_id.0.to_string(),
            side: fill.side.name().into(),
            price: fill.price.to_decimal(instrument.price_scale).to_string(),
            quantity: fill.quantity.to_decimal(instrument.quantity_scale).to_string(),
            liquidity: match fill.liquidity {
                Liquidity::Maker => "maker".into(),
                Liquidity::Taker => "taker".into(),
            },
            fee: fill.fee.map(|fee| fee.to_string()),
            fee_asset: fill.fee_asset.to_string(),
            venue_time: rfc3339(view.venue_time),
            venue_time_ns: view.venue_time.0,
        })
    }
}

impl From<StoredFill> for Fill {
    fn from(stored: StoredFill) -> Self {
        Self {
            account: stored.account,
            instrument: stored.instrument,
            client_order_id: stored.client_order_id.map(|id| id.to_string()),
            venue_order_id: stored.venue_order_id,
            strategy: stored.strategy,
            trade_id: stored.trade_id,
            side: stored.side,
            price: stored.price,
            quantity: stored.quantity,
            liquidity: stored.liquidity,
            fee: stored.fee,
            fee_asset: stored.fee_asset,
            venue_time: rfc3339(UnixNanos(stored.venue_time_ns)),
            venue_time_ns: stored.venue_time_ns,
        }
    }
}

impl Filter {
    pub(super) fn of_store(&self) -> Wanted {
        Wanted {
            strategy: self.strategy.clone(),
            instrument: self.instrument.clone(),
            from_ns: self.from.map(|instant| instant.0),
            to_ns: self.to.map(|instant| instant.0),
            ..Wanted::default()
        }
    }

    pub(super) fn wants(&self, fill: &Fill) -> bool {
        let strategy = fill.strategy.as_deref();
        self.strategy.as_deref().is_none_or(|name| strategy == Some(name))
            && self.instrument.as_deref().is_none_or(|name| fill.instrument == name)
            && self.from.is_none_or(|from| fill.venue_time_ns >= from.0)
            && self.to.is_none_or(|to| fill.venue_time_ns < to.0)
    }
}

/// Fills of every account, newest first.
#[utoipa::path(get, path = "/v1/fills", tag = "account", params(Filter),
    responses((status = 200, body = Page<Fill>), (status = 410, body = Problem),
              (status = 503, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    QueryString(filter): QueryString<Filter>,
) -> Result<Json<Page<Fill>>, Problem> {
    let limit = page_size(filter.limit)?;
    let after = match filter.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(FillPlace::of_cursor(cursor).ok_or_else(history::foreign_cursor)?),
    };
    let page = FillPage::read(&app, &filter, after, limit).await?;
    let next_cursor = page.next.map(|place| place.cursor());
    Ok(Json(Page { items: page.items, next_cursor, incomplete: page.incomplete }))
}

/// The asked page size within its bounds.
pub(crate) fn page_size(asked: Option<usize>) -> Result<usize, Problem> {
    let size = asked.unwrap_or(USUAL_PAGE);
    if (1..=LARGEST_PAGE).contains(&size) {
        return Ok(size);
    }
    Err(Problem::bad_request("bad_query", format!("limit must lie between 1 and {LARGEST_PAGE}")))
}
