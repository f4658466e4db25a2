//! Orders of ours as they are shown, one or a page of them.

use axum::Json;
use axum::extract::{Path, State};
use enigma_engine::snapshot::{OrderState, OrderView, ReadModel};
use enigma_types::{ClientOrderId, Quantity, UnixNanos};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fills::page_size;
use super::history::{self, Instant};
use super::order_pages::{OrderPage, OrderPlace};
use super::{Page, order_acts};
use crate::app::App;
use crate::naming::{Naming, strategy_name};
use crate::problem::Problem;
use crate::request::{QueryString, order_in_path};
use crate::store::{Filter as Wanted, StoredOrder};
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
    side: String,
    price: String,
    quantity: String,
    filled: String,
    /// What may still trade.
    leaves_quantity: String,
    time_in_force: String,
    reduce_only: bool,
    /// `pending_new`, `open`, `partially_filled`, `pending_cancel`, `pending_replace`, `filled`,
    /// `canceled`, `rejected`, `expired` or `unknown`.
    state: String,
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
    /// Placed from this instant on.
    #[param(value_type = Option<String>)]
    from: Option<Instant>,
    /// Placed before this instant.
    #[param(value_type = Option<String>)]
    to: Option<Instant>,
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
            side: view.side.name().into(),
            price: view.price.to_decimal(instrument.price_scale).to_string(),
            quantity: quantity(view.quantity),
            filled: quantity(view.filled),
            leaves_quantity: quantity(leaves),
            time_in_force: view.time_in_force.name().into(),
            reduce_only: view.reduce_only,
            state: view.state.name().into(),
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

    /// One that the read model has dropped since is in the store.
    async fn from_history(app: &App, id: ClientOrderId) -> Result<Self, Problem> {
        let absent = || Problem::not_found("no_such_order", format!("there is no order {id}"));
        let store = app.store.as_ref().ok_or_else(absent)?;
        let row = store.order(id.get()).await.map_err(|error| history::unavailable(&error))?;
        let mut row = row.ok_or_else(absent)?;
        row.disown_unless(store.status.journal());
        Ok(row.into())
    }
}

impl From<StoredOrder> for Order {
    fn from(stored: StoredOrder) -> Self {
        let is_live =
            OrderState::ALL.iter().any(|state| state.is_live() && state.name() == stored.state);
        Self {
            is_live,
            client_order_id: stored.client_order_id.to_string(),
            client_order_text: Some(stored.client_order_text),
            venue_order_id: stored.venue_order_id,
            strategy: stored.strategy,
            account: stored.account,
            instrument: stored.instrument,
            side: stored.side,
            price: stored.price,
            quantity: stored.quantity,
            filled: stored.filled,
            leaves_quantity: stored.leaves_quantity,
            time_in_force: stored.time_in_force,
            reduce_only: stored.reduce_only,
            state: stored.state,
            reason: stored.reason,
            created_at: rfc3339(UnixNanos(stored.created_at_ns)),
            created_at_ns: stored.created_at_ns,
            updated_at: rfc3339(UnixNanos(stored.updated_at_ns)),
            updated_at_ns: stored.updated_at_ns,
        }
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

    /// Orders that may still trade are all in the read model.
    pub(super) fn is_of_live_orders(&self) -> bool {
        let names_live = |name: &str| {
            OrderState::ALL.iter().any(|state| state.is_live() && state.name() == name)
        };
        self.open == Some(true) || self.state.as_deref().is_some_and(names_live)
    }

    pub(super) fn of_store(&self) -> Wanted {
        Wanted {
            strategy: self.strategy.clone(),
            instrument: self.instrument.clone(),
            state: self.state.clone(),
            live: self.open,
            from_ns: self.from.map(|instant| instant.0),
            to_ns: self.to.map(|instant| instant.0),
            ..Wanted::default()
        }
    }

    pub(super) fn wants(&self, view: &OrderView, model: &ReadModel, naming: &Naming) -> bool {
        self.from.is_none_or(|from| view.created_at.0 >= from.0)
            && self.to.is_none_or(|to| view.created_at.0 < to.0)
            && self.open.is_none_or(|open| open == view.state.is_live())
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

/// Orders, newest first: those that may still trade, and all that ever did.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", params(Filter),
    responses((status = 200, body = Page<Order>), (status = 400, body = Problem)))]
pub(crate) async fn list(
    State(app): State<App>,
    QueryString(filter): QueryString<Filter>,
) -> Result<Json<Page<Order>>, Problem> {
    filter.check()?;
    let limit = page_size(filter.limit)?;
    let after = match filter.cursor.as_deref() {
        None => None,
        Some(cursor) => Some(place_of(cursor).ok_or_else(history::foreign_cursor)?),
    };
    let page = OrderPage::read(&app, &filter, after, limit).await?;
    let next_cursor = page.next.map(cursor_of);
    Ok(Json(Page { items: page.items, next_cursor, incomplete: page.incomplete }))
}

const LIST: &str = "orders";

fn cursor_of((id, journal): OrderPlace) -> String {
    history::cursor_of(&[LIST.into(), id.to_string(), journal.to_string()])
}

fn place_of(cursor: &str) -> Option<OrderPlace> {
    let [id, journal] = history::parts_of(cursor, LIST)?.try_into().ok()?;
    Some((id.parse().ok()?, journal.parse().ok()?))
}

/// One order.
#[utoipa::path(get, path = "/v1/orders/{client_order_id}", tag = "orders",
    params(("client_order_id" = String, Path)),
    responses((status = 200, body = Order), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Order>, Problem> {
    let id = order_in_path(&id)?;
    if app.engine.model().orders.contains_key(&id) {
        return Ok(Json(Order::by_id(&app, id)?));
    }
    Ok(Json(Order::from_history(&app, id).await?))
}
