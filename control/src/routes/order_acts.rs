//! What a person does with orders: placed and amended by hand, cancelled.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use enigma_engine::command::{CancelScope, DeskCommand, ManualOrder};
use enigma_engine::snapshot::{OrderView, ReadModel};
use enigma_types::{
    ClientOrderId, Instrument, OrderType, Price, Quantity, Side, StrategyName, TimeInForce,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::orders::Order;
use super::receipt::BarrierReceipt;
use crate::app::App;
use crate::idempotency::{Keyed, Span, Traced};
use crate::manual_orders::ORDERS;
use crate::naming::Naming;
use crate::problem::Problem;
use crate::request::{JsonBody, QueryString, order_in_path};

#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// `binance_usdm:BTCUSDT`
    instrument: String,
    /// `buy` or `sell`
    #[schema(value_type = String)]
    side: Side,
    /// `limit` or `market`; limit where absent. A market order is sent as an
    /// immediate-or-cancel limit at the price collar.
    #[serde(default = "limit", rename = "type")]
    #[schema(value_type = Option<String>)]
    order_type: OrderType,
    /// `gtc`, `ioc`, `fok` or `post_only`; gtc where absent.
    #[serde(default = "gtc")]
    #[schema(value_type = Option<String>)]
    time_in_force: TimeInForce,
    /// For a limit order.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    price: Option<Decimal>,
    #[schema(value_type = String)]
    quantity: Decimal,
    #[serde(default)]
    reduce_only: bool,
    /// The account's name, where the venue has more than one.
    #[serde(default)]
    account: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amend {
    #[schema(value_type = String)]
    price: Decimal,
    /// The new total, what has been filled included.
    #[schema(value_type = String)]
    quantity: Decimal,
}

#[derive(Clone, Debug, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Scope {
    strategy: Option<String>,
    instrument: Option<String>,
}

impl Place {
    fn to_order(&self, naming: &Naming) -> Result<ManualOrder, Problem> {
        let instrument = naming.by_name(&self.instrument).ok_or_else(|| {
            let detail = format!("there is no instrument {}", self.instrument);
            Problem::invalid("no_such_instrument", detail)
        })?;
        let account = naming
            .account_at(instrument.venue, self.account.as_deref())
            .ok_or_else(|| Problem::invalid("no_such_account", "no such account at this venue"))?;
        if (self.order_type, self.time_in_force) == (OrderType::Market, TimeInForce::PostOnly) {
            let detail = "a market order takes what is there: it can't be post_only";
            return Err(Problem::invalid("invalid_order", detail));
        }
        let price = match (self.order_type, self.price) {
            (OrderType::Limit, Some(price)) => price_of(price, instrument)?,
            (OrderType::Market, None) => Price::ZERO,
            (OrderType::Limit, None) => {
                return Err(Problem::invalid("invalid_order", "a limit order needs a price"));
            }
            (OrderType::Market, Some(_)) => {
                return Err(Problem::invalid("invalid_order", "a market order takes no price"));
            }
        };
        Ok(ManualOrder {
            account,
            instrument: instrument.id,
            side: self.side,
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            price,
            quantity: quantity_of(self.quantity, instrument)?,
            reduce_only: self.reduce_only,
        })
    }
}

impl Scope {
    fn to_scope(&self, app: &App) -> Result<CancelScope, Problem> {
        match (&self.strategy, &self.instrument) {
            (None, None) => Ok(CancelScope::All),
            (Some(name), None) => {
                StrategyName::from(name).map(CancelScope::Strategy).map_err(|_| {
                    Problem::not_found("no_such_strategy", format!("there is no strategy {name}"))
                })
            }
            (None, Some(name)) => {
                let table = app.table()?;
                let instrument = table.by_name(name).ok_or_else(|| {
                    let detail = format!("there is no instrument {name}");
                    Problem::not_found("no_such_instrument", detail)
                })?;
                Ok(CancelScope::Instrument(instrument.id))
            }
            (Some(_), Some(_)) => {
                let detail = "a strategy or an instrument, not both";
                Err(Problem::bad_request("bad_query", detail))
            }
        }
    }
}

/// Places an order by hand. It passes the same checks as a strategy's.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", request_body = Place,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = Order), (status = 409, body = Problem),
              (status = 422, body = Problem),
              (status = 429, body = Problem, description = "not sent: the venue's rate limit"),
              (status = 503, body = Problem, description = "not sent, or not ready")))]
pub(crate) async fn place(
    State(app): State<App>,
    headers: HeaderMap,
    JsonBody(wish): JsonBody<Place>,
) -> Result<Response, Problem> {
    let turn = app.manual_orders.turn().await?;
    let after = app.manual_orders.newest(&app.engine.model());
    let request = Keyed { after, ..Keyed::trades(&headers, "POST /v1/orders", &wish) };
    let keys = app.idempotency.clone();
    let trace = {
        let (app, wish) = (app.clone(), wish.clone());
        move |span| trace_order(&app, &wish, span)
    };
    let wish = wish.clone();
    let work = async move { place_order(&app, &wish, turn).await };
    Ok(keys.once(request, trace, work).await)
}

/// Cancels every order of ours, or those of a strategy or instrument. Never anybody else's.
#[utoipa::path(delete, path = "/v1/orders", tag = "orders",
    params(Scope, ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = BarrierReceipt), (status = 404, body = Problem)))]
pub(crate) async fn cancel_all(
    State(app): State<App>,
    headers: HeaderMap,
    QueryString(wish): QueryString<Scope>,
) -> Result<Response, Problem> {
    let scope = wish.to_scope(&app)?;
    let keys = app.idempotency.clone();
    let work = async move {
        let receipt = app.execute(DeskCommand::CancelAll { scope }).await?;
        Ok::<_, Problem>(Json(BarrierReceipt::settled(&app, &receipt).await))
    };
    // Whatever is open is cancelled once more: twice is no harm.
    Ok(keys
        .once(Keyed::calms(&headers, "DELETE /v1/orders", &wish), |_| Traced::Absent, work)
        .await)
}

/// Changes price or total quantity of an open order. The answer shows the request in flight.
#[utoipa::path(patch, path = "/v1/orders/{client_order_id}", tag = "orders",
    params(("client_order_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Amend,
    responses((status = 202, body = Order), (status = 404, body = Problem),
              (status = 409, body = Problem), (status = 422, body = Problem),
              (status = 429, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn amend(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(wish): JsonBody<Amend>,
) -> Result<Response, Problem> {
    let id = order_in_path(&id)?;
    let scope = format!("PATCH /v1/orders/{id}");
    let request = Keyed::trades(&headers, &scope, &wish);
    let keys = app.idempotency.clone();
    let trace = {
        let (app, wish) = (app.clone(), wish.clone());
        move |_| trace_amendment(&app, id, &wish)
    };
    let wish = wish.clone();
    let work = async move { amend_order(&app, id, &wish).await };
    Ok(keys.once(request, trace, work).await)
}

/// Cancels one order, and waits two seconds for the venue to confirm.
#[utoipa::path(delete, path = "/v1/orders/{client_order_id}", tag = "orders",
    params(("client_order_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = Order, description = "the venue has closed it"),
              (status = 202, body = Order, description = "asked, and not confirmed yet"),
              (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = order_in_path(&id)?;
    let scope = format!("DELETE /v1/orders/{id}");
    let keys = app.idempotency.clone();
    let trace = {
        let app = app.clone();
        move |_| trace_cancel(&app, id)
    };
    let work = async move {
        app.execute(DeskCommand::Cancel { client_order_id: id }).await?;
        let confirmed = app.settle(&[id]).await.iter().all(|outcome| outcome.confirmed);
        let status = if confirmed { StatusCode::OK } else { StatusCode::ACCEPTED };
        Ok::<_, Problem>((status, Json(Order::by_id(&app, id)?)))
    };
    Ok(keys.once(Keyed::calms(&headers, &scope, &()), trace, work).await)
}

async fn place_order(
    app: &App,
    wish: &Place,
    turn: OwnedMutexGuard<()>,
) -> Result<Response, Problem> {
    let order = wish.to_order(&app.naming()?)?;
    let receipt = app.execute(DeskCommand::Place(order)).await?;
    let id = receipt.placed.ok_or_else(|| Problem::internal("the desk named no order"))?;
    app.manual_orders.note(id);
    drop(turn);
    if let Some(cause) = receipt.not_sent {
        return Err(Problem::not_sent(&format!("order {id}"), cause));
    }
    app.wait_until(|| app.engine.model().orders.contains_key(&id)).await;
    tracing::info!(order = %id, "order placed by hand");
    // No refusal from here on: that would free the key, and a repetition would place another.
    Ok(created(Order::by_id(app, id).map_err(|_| Problem::placed_unseen(id))?))
}

fn created(order: Order) -> Response {
    let location = [(header::LOCATION, format!("{ORDERS}{}", order.id()))];
    (StatusCode::CREATED, location, Json(order)).into_response()
}

/// What became of an order whose request was never answered. The journal has it before it can
/// leave: where neither the journal nor, after a power failure, the venue knows of one, there is
/// none.
fn trace_order(app: &App, wish: &Place, span: Span) -> Traced {
    let naming = match app.naming() {
        Ok(naming) => naming,
        Err(problem) => return Traced::InDoubt(problem),
    };
    let order = match wish.to_order(&naming) {
        Ok(order) => order,
        Err(problem) => return Traced::InDoubt(problem),
    };
    let model = app.engine.model();
    if let Some(view) = app.manual_orders.made_by(&model, &order, span) {
        return known_order(view, &model, &naming);
    }
    if span.until.is_none() {
        return Traced::Absent;
    }
    if !model.reconciled.get(&order.account).copied().unwrap_or(false) {
        let detail = "this key's order isn't known: the venue is being asked for its orders";
        return Traced::InDoubt(Problem::unavailable("not_ready", detail));
    }
    let forgotten = model.newest_dropped.is_some_and(|dropped| dropped.get() > span.after);
    if forgotten || has_unowned_fill(&model, &order, span) {
        let detail = "what became of this key's order isn't known here any more: look at the \
                      venue, then place it with a new key if it is wanted still";
        return Traced::InDoubt(Problem::conflict("idempotency_key_unclear", detail));
    }
    Traced::Absent
}

/// After a power failure the journal's last tenth of a second may be gone with an order that the
/// venue has filled since: its fills then belong to nobody.
fn has_unowned_fill(model: &ReadModel, order: &ManualOrder, span: Span) -> bool {
    model.fills.iter().any(|view| {
        view.client_order_id.is_none()
            && (view.account, view.instrument) == (order.account, order.instrument)
            && view.fill.side == order.side
            && view.venue_time >= span.since
    })
}

fn known_order(view: &OrderView, model: &ReadModel, naming: &Naming) -> Traced {
    let id = view.client_order_id;
    if let Some(cause) = view.not_sent {
        let problem = Problem::not_sent(&format!("order {id}"), cause);
        return Traced::Known(problem.into_response());
    }
    match Order::new(view, model, naming) {
        Some(order) => Traced::Known(created(order)),
        None => Traced::InDoubt(Problem::placed_unseen(id)),
    }
}

async fn amend_order(app: &App, id: ClientOrderId, wish: &Amend) -> Result<Response, Problem> {
    let table = app.table()?;
    let known = app.engine.model().orders.get(&id).map(|view| (view.instrument, view.updated_at));
    let (instrument, updated_at) = known
        .and_then(|(instrument, updated_at)| table.get(instrument).zip(Some(updated_at)))
        .ok_or_else(|| Problem::not_found("no_such_order", format!("there is no order {id}")))?;
    let price = price_of(wish.price, instrument)?;
    let quantity = quantity_of(wish.quantity, instrument)?;
    let command = DeskCommand::Replace { client_order_id: id, price, quantity };
    let receipt = app.execute(command).await?;
    if let Some(cause) = receipt.not_sent {
        return Err(Problem::not_sent(&format!("the change of order {id}"), cause));
    }
    app.wait_until(|| {
        app.engine.model().orders.get(&id).is_none_or(|view| view.updated_at != updated_at)
    })
    .await;
    Ok((StatusCode::ACCEPTED, Json(Order::by_id(app, id)?)).into_response())
}

/// An amendment names what the order is to be, so that it is there or can be asked for again.
fn trace_amendment(app: &App, id: ClientOrderId, wish: &Amend) -> Traced {
    let Ok(naming) = app.naming() else { return Traced::InDoubt(Problem::not_ready()) };
    let model = app.engine.model();
    let view = model.orders.get(&id);
    let shown = view.and_then(|view| naming.instrument(view.instrument).zip(Some(view)));
    let Some((instrument, view)) = shown else { return Traced::Absent };
    let wanted = (price_of(wish.price, instrument), quantity_of(wish.quantity, instrument));
    match (wanted, Order::new(view, &model, &naming)) {
        ((Ok(price), Ok(quantity)), Some(order))
            if (price, quantity) == (view.price, view.quantity) =>
        {
            Traced::Known((StatusCode::ACCEPTED, Json(order)).into_response())
        }
        _ => Traced::Absent,
    }
}

fn trace_cancel(app: &App, id: ClientOrderId) -> Traced {
    match Order::by_id(app, id) {
        Ok(order) if !order.is_open() => Traced::Known(Json(order).into_response()),
        Ok(_) | Err(_) => Traced::Absent,
    }
}

fn price_of(price: Decimal, instrument: &Instrument) -> Result<Price, Problem> {
    Price::from_decimal(price, instrument.price_scale)
        .map_err(|error| Problem::invalid("invalid_order", format!("price: {error}")))
}

fn quantity_of(quantity: Decimal, instrument: &Instrument) -> Result<Quantity, Problem> {
    Quantity::from_decimal(quantity, instrument.quantity_scale)
        .map_err(|error| Problem::invalid("invalid_order", format!("quantity: {error}")))
}

fn limit() -> OrderType {
    OrderType::Limit
}

fn gtc() -> TimeInForce {
    TimeInForce::Gtc
}
