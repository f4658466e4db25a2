//! Fills, newest first.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use enigma_engine::snapshot::{FillView, ReadModel};
use enigma_types::Liquidity;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{LARGEST_PAGE, Page, USUAL_PAGE};
use crate::app::App;
use crate::naming::{Naming, strategy_name};
use crate::problem::Problem;
use crate::request::QueryString;
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
    side: &'static str,
    price: String,
    quantity: String,
    /// `maker` or `taker`.
    liquidity: &'static str,
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
            side: fill.side.name(),
            price: fill.price.to_decimal(instrument.price_scale).to_string(),
            quantity: fill.quantity.to_decimal(instrument.quantity_scale).to_string(),
            liquidity: match fill.liquidity {
                Liquidity::Maker => "maker",
                Liquidity::Taker => "taker",
            },
            fee: fill.fee.map(|fee| fee.to_string()),
            fee_asset: fill.fee_asset.to_string(),
            venue_time: rfc3339(view.venue_time),
            venue_time_ns: view.venue_time.0,
        })
    }

    fn is_wanted(&self, filter: &Filter) -> bool {
        let strategy = self.strategy.as_deref();
        filter.strategy.as_deref().is_none_or(|name| strategy == Some(name))
            && filter.instrument.as_deref().is_none_or(|name| self.instrument == name)
    }
}

/// Fills of every account, newest first; the newest 100,000 are kept.
#[utoipa::path(get, path = "/v1/fills", tag = "account", params(Filter),
    responses((status = 200, body = Page<Fill>), (status = 410, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    QueryString(filter): QueryString<Filter>,
) -> Result<Json<Page<Fill>>, Problem> {
    let naming = app.naming()?;
    let limit = page_size(filter.limit)?;
    let model = app.engine.model();
    let skip = match &filter.cursor {
        None => 0,
        Some(cursor) => place_after(&model, cursor)?,
    };
    let mut items = Vec::new();
    let mut next_cursor = None;
    let mut last = None;
    for view in model.fills.iter().rev().skip(skip) {
        let Some(fill) = Fill::new(view, &model, &naming) else { continue };
        if !fill.is_wanted(&filter) {
            continue;
        }
        if items.len() == limit {
            next_cursor = last.map(cursor_of);
            break;
        }
        items.push(fill);
        last = Some(view);
    }
    Ok(Json(Page { items, next_cursor }))
}

/// The asked page size within its bounds.
pub(crate) fn page_size(asked: Option<usize>) -> Result<usize, Problem> {
    let size = asked.unwrap_or(USUAL_PAGE);
    if (1..=LARGEST_PAGE).contains(&size) {
        return Ok(size);
    }
    Err(Problem::bad_request("bad_query", format!("limit must lie between 1 and {LARGEST_PAGE}")))
}

fn cursor_of(view: &FillView) -> String {
    format!("{}.{}.{}", view.account.0, view.instrument.0, view.fill.trade_id.0)
}

fn place_after(model: &ReadModel, cursor: &str) -> Result<usize, Problem> {
    if cursor.split('.').filter_map(|part| part.parse::<u64>().ok()).count() != 3 {
        return Err(Problem::bad_request("bad_query", "cursor is none of ours"));
    }
    let place = model.fills.iter().rev().position(|view| cursor_of(view) == cursor);
    place.map(|place| place + 1).ok_or_else(|| {
        Problem::new(StatusCode::GONE, "cursor_gone", "the page before is no longer kept")
    })
}
