//! Net positions, folded from unique fills, beside what the venue says.

use axum::Json;
use axum::extract::State;
use enigma_engine::snapshot::PositionView;
use enigma_types::{AccountId, InstrumentId};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use super::fees::{self, Fee};
use crate::app::App;
use crate::naming::Naming;
use crate::problem::Problem;
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Position {
    account: String,
    instrument: String,
    /// Positive when long; folded from fills.
    quantity: String,
    bought: String,
    sold: String,
    fills: u64,
    /// By the asset they were paid in.
    fees: Vec<Fee>,
    /// What the venue last said.
    venue: Option<VenuePosition>,
    /// Whether both agree; absent while the venue has said nothing.
    agrees: Option<bool>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct VenuePosition {
    quantity: String,
    entry_price: Option<String>,
    venue_time: String,
    venue_time_ns: u64,
}

impl Position {
    /// `None` for an instrument that this run doesn't carry.
    pub(crate) fn new(
        key: (AccountId, InstrumentId),
        view: &PositionView,
        naming: &Naming,
    ) -> Option<Self> {
        let instrument = naming.instrument(key.1)?;
        let scale = instrument.quantity_scale;
        let venue = view.venue.map(|report| VenuePosition {
            quantity: report.quantity.to_decimal(scale).to_string(),
            entry_price: report
                .entry_price
                .map(|price| price.to_decimal(instrument.price_scale).to_string()),
            venue_time: rfc3339(report.venue_time),
            venue_time_ns: report.venue_time.0,
        });
        Some(Self {
            account: naming.account(key.0),
            instrument: instrument.name(),
            quantity: view.quantity.to_decimal(scale).to_string(),
            bought: view.bought.to_decimal(scale).to_string(),
            sold: view.sold.to_decimal(scale).to_string(),
            fills: view.fills,
            fees: fees::by_asset(&view.fees),
            venue,
            agrees: view.venue.map(|report| report.quantity == view.quantity),
        })
    }
}

/// Positions of every account.
#[utoipa::path(get, path = "/v1/positions", tag = "account",
    responses((status = 200, body = Page<Position>), (status = 503, body = Problem)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Page<Position>>, Problem> {
    let naming = app.naming()?;
    let model = app.engine.model();
    let rows = model.positions.iter();
    let items = rows.filter_map(|(key, view)| Position::new(*key, view, &naming)).collect();
    Ok(Json(Page::whole(items)))
}
