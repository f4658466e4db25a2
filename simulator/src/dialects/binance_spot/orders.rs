//! Placing, cancelling, amending and querying orders (`venues/binance.md` section 4.2).

use serde_json::{Value, json};

use super::Venue;
use super::errors::{Reject, amend_refused, refused};
use super::filters;
use super::form::{Response, Type, client_id, read_limit, read_response, read_times};
use super::order_json;
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::Quantity;
use crate::exchange::order::{Fill, NewOrder, Order, OrderId, OrderStatus, UnixMillis};

/// The parameters that name an existing order.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    pub id: &'static str,
    pub client_id: &'static str,
}

pub const BY_ORDER: Naming = Naming { id: "orderId", client_id: "origClientOrderId" };

impl Venue {
    pub fn place(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let asked = self.read_order(account, sent, "newClientOrderId")?;
        let response = read_response(sent, Type::of(&asked))?;
        filters::check(self.exchange.market(asked.instrument), &asked)?;
        self.enter(now, asked, response)
    }

    /// Places an order that has passed the filters.
    pub fn enter(
        &mut self,
        now: UnixMillis,
        asked: NewOrder,
        response: Response,
    ) -> Result<Value, Reject> {
        let account = asked.account;
        let placed = self.exchange.place(now, asked);
        self.drain(now);
        let order = placed.map_err(refused)?;
        let fills = self.fills_of(account, order.id);
        let instrument = &self.exchange.market(order.asked.instrument).instrument;
        Ok(order_json::placed(instrument, &order, response, &fills))
    }

    pub fn test_place(&mut self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let asked = self.read_order(account, sent, "newClientOrderId")?;
        filters::check(self.exchange.market(asked.instrument), &asked)?;
        if !sent.boolean("computeCommissionRates")? {
            return Ok(json!({}));
        }
        Ok(self.commission(account, asked.instrument, "ForOrder"))
    }

    /// The fills of an order, oldest first.
    pub fn fills_of(&self, account: AccountId, id: OrderId) -> Vec<Fill> {
        let fills = &self.exchange.account(account).fills;
        fills.iter().filter(|fill| fill.order == id).cloned().collect()
    }

    pub fn cancel(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let request = self.request_id(sent, "newClientOrderId")?;
        self.cancel_named(now, account, sent, BY_ORDER, request)
    }

    /// Cancels the order that the parameters name; with it goes the list that it is in.
    pub fn cancel_named(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
        naming: Naming,
        request: String,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let restriction = read_restriction(sent)?;
        let named = self.named(account, instrument, sent, naming)?;
        let order = named.filter(|order| order.status.is_open()).cloned();
        let order = order.ok_or_else(Reject::unknown_order)?;
        if restriction.is_some_and(|wanted| wanted != order.status) {
            let text = "Order was not canceled due to cancel restrictions.";
            return Err(Reject::bad(-2011, text));
        }
        if let Some(list) = order.list {
            return self.cancel_list_now(now, list, request);
        }
        let canceled = self.exchange.cancel_as(now, account, order.id, Some(request));
        self.drain(now);
        let canceled = canceled.map_err(|_| Reject::unknown_order())?;
        let instrument = &self.exchange.market(instrument).instrument;
        Ok(order_json::canceled(instrument, now, &canceled))
    }

    /// Cancels what the account has open on a symbol, lists included.
    pub fn cancel_all(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let on_it = |order: &&Order| order.asked.instrument == id;
        let open = self.exchange.account(account).open_orders().filter(on_it);
        let open: Vec<OrderId> = open.map(|order| order.id).collect();
        if open.is_empty() {
            return Err(Reject::unknown_order());
        }
        let request = self.random.text(22);
        let mut reports = Vec::new();
        for order in open {
            let still = self.exchange.account(account).orders.get(&order);
            let Some(order) = still.filter(|order| order.status.is_open()).cloned() else {
                continue;
            };
            let report = match order.list {
                Some(list) => self.cancel_list_now(now, list, request.clone())?,
                None => {
                    let request = Some(request.clone());
                    let canceled = self.exchange.cancel_as(now, account, order.id, request);
                    let canceled = canceled.map_err(|_| Reject::unknown_order())?;
                    let instrument = &self.exchange.market(id).instrument;
                    order_json::canceled(instrument, now, &canceled)
                }
            };
            reports.push(report);
        }
        self.drain(now);
        Ok(Value::Array(reports))
    }

    pub fn amend(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let quantity = Quantity(sent.mandatory_decimal("newQty")?);
        let name = self.request_id(sent, "newClientOrderId")?;
        let named = self.named(account, id, sent, BY_ORDER)?;
        let order = named.filter(|order| order.status.is_open()).cloned();
        let order =
            order.ok_or_else(|| amend_refused(crate::exchange::order::Refusal::UnknownOrder))?;
        if quantity == order.quantity {
            let text = "The requested action would change no state; rejecting.";
            return Err(Reject::bad(-2038, text));
        }
        let market = self.exchange.market(id);
        let price = order.price.unwrap_or_else(|| market.mark());
        filters::check_amended(market, price, quantity)?;
        let amended = self.exchange.amend(now, account, order.id, quantity, name);
        self.drain(now);
        let amended = amended.map_err(amend_refused)?;
        let instrument = &self.exchange.market(id).instrument;
        let mut reply = json!({
            "transactTime": now.0,
            "executionId": amended.amendments.last().map_or(0, |last| last.execution),
            "amendedOrder": order_json::amended(instrument, &amended),
        });
        let list = amended.list.and_then(|list| self.exchange.list(list));
        if let (Some(list), Value::Object(members)) = (list, &mut reply) {
            members.insert("listStatus".into(), self.list_status(list));
        }
        Ok(reply)
    }

    pub fn amendments(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        sent.mandatory_integer("orderId")?;
        let named = self.named(account, id, sent, BY_ORDER)?;
        let order = named.ok_or_else(Reject::no_such_order)?;
        let symbol = &self.exchange.market(id).instrument.symbol;
        let each = order.amendments.iter().map(|one| {
            json!({
                "symbol": symbol,
                "orderId": order.id.0,
                "executionId": one.execution,
                "origClientOrderId": one.former_client_id,
                "newClientOrderId": one.client_id,
                "origQty": order_json::amount(one.former_quantity),
                "newQty": order_json::amount(one.quantity),
                "time": one.at.0,
            })
        });
        Ok(each.collect())
    }

    pub fn query(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let named = self.named(account, id, sent, BY_ORDER)?;
        Ok(self.queried(named.ok_or_else(Reject::no_such_order)?))
    }

    pub fn open_orders(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let held = self.exchange.account(account).open_orders();
        let wanted = held.filter(|order| only.is_none_or(|id| id == order.asked.instrument));
        Ok(wanted.map(|order| self.queried(order)).collect())
    }

    pub fn all_orders(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let id = self.read_symbol(sent)?;
        let from = sent.integer("orderId")?;
        let (start, end) = read_times(sent)?;
        let limit = read_limit(sent, 500, 1000)?;
        let orders = self.exchange.account(account).orders.values();
        let within = |order: &&Order| {
            order.asked.instrument == id
                && from.is_none_or(|from| order.id.0 >= from)
                && (start..=end).contains(&order.created.0)
        };
        let found: Vec<&Order> = orders.filter(within).collect();
        // Without a starting point the newest are wanted, oldest of them first.
        let from_start = from.is_some() || sent.get("startTime").is_some();
        let skip = if from_start { 0 } else { found.len().saturating_sub(limit) };
        Ok(found.into_iter().skip(skip).take(limit).map(|order| self.queried(order)).collect())
    }

    pub fn queried(&self, order: &Order) -> Value {
        order_json::queried(&self.exchange.market(order.asked.instrument).instrument, order)
    }

    /// The order that the parameters name. Where both ids are sent they must agree.
    pub fn named(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        sent: &Parameters,
        naming: Naming,
    ) -> Result<Option<&Order>, Reject> {
        let held = self.exchange.account(account);
        let (id, name) = (sent.integer(naming.id)?, client_id(sent, naming.client_id)?);
        let found = match (id, name) {
            (Some(id), _) => held.orders.get(&OrderId(id)),
            (None, Some(name)) => held.by_client_id(name),
            (None, None) => return Err(Reject::one_of(naming.client_id, naming.id)),
        };
        let found = found.filter(|order| order.asked.instrument == instrument);
        if let (Some(_), Some(name), Some(order)) = (id, name, found)
            && order.asked.client_id != name
        {
            return Err(Reject::ids_differ());
        }
        Ok(found)
    }
}

/// The one status in which the order may be cancelled; None for any.
fn read_restriction(sent: &Parameters) -> Result<Option<OrderStatus>, Reject> {
    match sent.get("cancelRestrictions") {
        None => Ok(None),
        Some("ONLY_NEW") => Ok(Some(OrderStatus::New)),
        Some("ONLY_PARTIALLY_FILLED") => Ok(Some(OrderStatus::PartiallyFilled)),
        Some(_) => Err(Reject::bad(-1145, "Invalid cancelRestrictions")),
    }
}
