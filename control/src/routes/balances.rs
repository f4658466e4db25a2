//! What the venues say the accounts hold.

use axum::Json;
use axum::extract::State;
use enigma_types::BalanceReport;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Page;
use crate::app::App;
use crate::naming::Naming;
use crate::problem::Problem;
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Balance {
    account: String,
    asset: String,
    wallet: String,
    available: Option<String>,
    /// Absent where the venue didn't say when.
    venue_time: Option<String>,
    venue_time_ns: Option<u64>,
}

impl Balance {
    pub(crate) fn new(report: &BalanceReport, naming: &Naming) -> Self {
        let told = Some(report.venue_time).filter(|time| time.0 > 0);
        Self {
            account: naming.account(report.account),
            asset: report.asset.to_string(),
            wallet: report.wallet.to_string(),
            available: report.available.map(|amount| amount.to_string()),
            venue_time: told.map(rfc3339),
            venue_time_ns: told.map(|time| time.0),
        }
    }
}

/// Balances as the venues last stated them.
#[utoipa::path(get, path = "/v1/balances", tag = "account",
    responses((status = 200, body = Page<Balance>), (status = 503, body = Problem)))]
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Page<Balance>>, Problem> {
    let naming = app.naming()?;
    let model = app.engine.model();
    let items = model.balances.values().map(|report| Balance::new(report, &naming)).collect();
    Ok(Json(Page::whole(items)))
}
