//! Orders of ours as they are shown, one or a page of them.

use axum::Json;
use axum::extract::{Path, State};
use enigma_engine::snapshot::{OrderState, OrderView, ReadModel};
use enigma_types::{ClientOrderId, Quantity};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fills::page_size;
use super::{Page, order_acts};
use crate::app::App;
use crate::naming::{Naming, strategy_name};
use crate::problem::Problem;
use crate::request::{QueryString, client_order_id, order_in_path};
use crate::timestamp::rfc3339;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, order_acts::place, order_acts::cancel_all))
        .routes(routes!(show, order_acts::amend, order_acts::cancel))
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Order {
    client_order_id: String,
    /// What the venue sees of it: this installation's prefix and the id in hex.
    client_order_text: Option<String>,
    /// Absent until the venue has named one.
    venue_order_id: Option<String>,
    /// `manual` for an order placed by hand.
    strategy: String,
    account: String,
    instrument: String,
    side: &'static str,
    price: String,
    quantity: String,
    filled: String,
    /// What may still trade.
    leaves_quantity: String,
    time_in_force: &'static str,
    reduce_only: bool,
    /// `pending_new`, `open`, `partially_filled`, `pending_cancel`, `pending_replace`, `filled`,
    /// `canceled`, `rejected`, `expired` or `unknown`.
    state: &'static str,
    reason: String,
    created_at: String,
    created_at_ns: u64,
    updated_at: String,
    updated_at_ns: u64,
    #[serde(skip)]
    is_live: bool,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// 1 to 1000; 100 where absent.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only this strategy's; `manual` for orders placed by hand.
    strategy: Option<String>,
    instrument: Option<String>,
    /// Only orders in this state.
    state: Option<String>,
    /// `true`: only orders that may still trade; `false`: only closed ones.
    open: Option<bool>,
}

impl Order {
    /// `None` for an instrument that this run doesn't carry.
    pub(crate) fn new(view: &OrderView, model: &ReadModel, naming: &Naming) -> Option<Self> {
        let instrument = naming.instrument(view.instrument)?;
        let quantity = |value: Quantity| value.to_decimal(instrument.quantity_scale).to_string();
        let leaves =
            if view.state.is_live() { view.quantity.less(view.filled) } else { Quantity::ZERO };
        let text = model.prefix.map(|prefix| view.client_order_id.text(prefix));
        let venue_order_id = view.venue_order_id.0;
        Some(Self {
            client_order_id: view.client_order_id.to_string(),
            client_order_text: text.map(|text| String::from_utf8_lossy(&text).into_owned()),
            venue_order_id: (venue_order_id > 0).then(|| venue_order_id.to_string()),
            strategy: strategy_name(model, view.strategy),
            account: naming.account(view.account),
            instrument: instrument.name(),
            side: view.side.name(),
            price: view.price.to_decimal(instrument.price_scale).to_string(),
            quantity: quantity(view.quantity),
            filled: quantity(view.filled),
            leaves_quantity: quantity(leaves),
            time_in_force: view.time_in_force.name(),
            reduce_only: view.reduce_only,
            state: view.state.name(),
            reason: view.reason.clone(),
            created_at: rfc3339(view.created_at),
            created_at_ns: view.created_at.0,
            updated_at: rfc3339(view.updated_at),
            updated_at_ns: view.updated_at.0,
            is_live: view.state.is_live(),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.client_order_id
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_live
    }

    pub(crate) fn by_id(app: &App, id: ClientOrderId) -> Result<Self, Problem> {
        let naming = app.naming()?;
        let model = app.engine.model();
        let view = model.orders.get(&id);
        view.and_then(|view| Self::new(view, &model, &naming))
            .ok_or_else(|| Problem::not_found("no_such_order", format!("there is no order {id}")))
    }
}

impl Filter {
    fn check(&self) -> Result<(), Problem> {
        let known = |name: &str| OrderState::ALL.iter().any(|state| state.name() == name);
        match &self.state {
            Some(state) if !known(state) => {
                let names = OrderState::ALL.map(OrderState::name).join(", ");
                Err(Problem::bad_request("bad_query", format!("state is one of {names}")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn wants(&self, view: &OrderView, model: &ReadModel, naming: &Naming) -> bool {
        self.open.is_none_or(|open| open == view.state.is_live())
            && self.state.as_deref().is_none_or(|name| name == view.state.name())
            && self
                .strategy
                .as_deref()
                .is_none_or(|name| strategy_name(model, view.strategy) == name)
            && self
                .instrument
                .as_deref()
                .is_none_or(|name| naming.instrument_name(view.instrument) == name)
    }
}

/// Orders, newest first. Closed ones are kept for a long while, not for ever.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", params(Filter),
    responses((status = 200, body = Page<Order>), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    QueryString(filter): QueryString<Filter>,
) -> Result<Json<Page<Order>>, Problem> {
    let naming = app.naming()?;
    filter.check()?;
    let limit = page_size(filter.limit)?;
    let before = match filter.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(
            client_order_id(cursor)
                .ok_or_else(|| Problem::bad_request("bad_query", "cursor is none of ours"))?,
        ),
    };
    let model = app.engine.model();
    let mut wanted = model
        .orders
        .values()
        .rev()
        .filter(|view| before.is_none_or(|before| view.client_order_id < before))
        .filter(|view| filter.wants(view, &model, &naming))
        .filter_map(|view| Order::new(view, &model, &naming));
    let items: Vec<Order> = wanted.by_ref().take(limit).collect();
    let more = wanted.next().is_some();
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|order| order.client_order_id.clone());
    drop(wanted);
    Ok(Json(Page { items, next_cursor }))
}

/// One order.
#[utoipa::path(get, path = "/v1/orders/{client_order_id}", tag = "orders",
    params(("client_order_id" = String, Path)),
    responses((status = 200, body = Order), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Order>, Problem> {
    Ok(Json(Order::by_id(&app, order_in_path(&id)?)?))
}
