//! The kill switch: engaged in one request, lifted in one of its own.

use axum::Json;
use axum::extract::State;
use enigma_engine::command::DeskCommand;
use enigma_engine::handle::Barrier;
use enigma_engine::snapshot::ReadModel;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::receipt::BarrierReceipt;
use crate::app::App;
use crate::problem::Problem;
use crate::request::JsonBody;
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, set))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct KillSwitch {
    engaged: bool,
    /// Empty where it was never engaged.
    reason: String,
    /// When it last changed; absent where it never has.
    since: Option<String>,
    since_ns: Option<u64>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KillSwitchChange)]
pub(crate) struct Wish {
    engaged: bool,
    /// Kept in the journal; at most 200 characters.
    #[serde(default)]
    reason: Option<String>,
    /// Closing positions at the kill is not in this version.
    #[serde(default)]
    flatten: bool,
    /// Where given: `kill` to engage, `rearm` to lift.
    #[serde(default)]
    confirm: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = KillSwitchOutcome)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    kill_switch: KillSwitch,
    /// How the kill was made certain: `acknowledged` by the trading thread, or `sockets_closed`
    /// from outside because it didn't answer. Absent for a re-arm.
    barrier: Option<&'static str>,
    /// Whether the kill stands on disk and so holds after a restart. Absent for a re-arm.
    latched: Option<bool>,
    #[serde(flatten)]
    receipt: BarrierReceipt,
}

impl KillSwitch {
    pub(crate) fn new(model: &ReadModel) -> Self {
        let view = &model.kill;
        let since = (view.since.0 > 0).then_some(view.since);
        Self {
            engaged: view.engaged,
            reason: view.reason.clone(),
            since: since.map(rfc3339),
            since_ns: since.map(|at| at.0),
        }
    }
}

/// Whether trading is killed, why and since when.
#[utoipa::path(get, path = "/v1/kill-switch", tag = "risk",
    responses((status = 200, body = KillSwitch)))]
pub(crate) async fn show(State(app): State<App>) -> Json<KillSwitch> {
    Json(KillSwitch::new(&app.engine.model()))
}

/// Engages the switch: nothing new leaves, every order of ours is cancelled. Or lifts it: nothing
/// trades by itself afterwards.
#[utoipa::path(put, path = "/v1/kill-switch", tag = "risk", request_body = Wish,
    responses((status = 200, body = Outcome), (status = 409, body = Problem)))]
pub(crate) async fn set(
    State(app): State<App>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<Json<Outcome>, Problem> {
    let word = if wish.engaged { "kill" } else { "rearm" };
    if wish.confirm.as_deref().is_some_and(|given| given != word) {
        return Err(Problem::invalid("wrong_confirmation", format!("confirm must be {word:?}")));
    }
    if wish.flatten {
        let detail = "closing positions at a kill is not in this version";
        return Err(Problem::conflict("not_in_this_version", detail));
    }
    let (barrier, latched, receipt) = if wish.engaged {
        let reason = wish.reason.unwrap_or_else(|| "asked for over the API".into());
        let reason: String = reason.chars().take(LONGEST_REASON).collect();
        tracing::warn!(reason, "kill switch engaged");
        let killed = app.kill(reason).await?;
        (Some(barrier_name(killed.barrier)), Some(killed.latched), killed.receipt)
    } else {
        let receipt = app.execute(DeskCommand::Rearm).await?;
        tracing::warn!("kill switch lifted");
        (None, None, receipt)
    };
    app.wait_until(|| app.engine.model().kill.engaged == wish.engaged).await;
    let receipt = BarrierReceipt::settled(&app, &receipt).await;
    let kill_switch = KillSwitch::new(&app.engine.model());
    Ok(Json(Outcome { kill_switch, barrier, latched, receipt }))
}

const LONGEST_REASON: usize = 200;

fn barrier_name(barrier: Barrier) -> &'static str {
    match barrier {
        Barrier::Acknowledged => "acknowledged",
        Barrier::SocketsClosed => "sockets_closed",
    }
}
