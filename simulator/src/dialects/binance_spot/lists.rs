//! Order lists: one cancels the other, one triggers the other, one triggers a pair
//! (`venues/binance.md` section 4.2;
//! <https://github.com/binance/binance-spot-api-docs/blob/master/web-socket-api.md>, read
//! 2026-11-24).

use serde_json::{Value, json};

use super::Venue;
use super::errors::{Reject, refused};
use super::filters;
use super::form::{Response, Type, client_id, read_limit, read_response};
use super::order_json;
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::lists::{Contingency, ListId, ListPlan, OrderList, is_stop};
use crate::exchange::order::{NewOrder, Order, OrderStatus, Side, UnixMillis};

const SHARED: [(&str, &str); 2] =
    [("symbol", "symbol"), ("selfTradePreventionMode", "selfTradePreventionMode")];

impl Venue {
    pub fn place_oco(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let shared = [&SHARED[..], &[("side", "side"), ("quantity", "quantity")]].concat();
        let pair = self.read_pair(account, sent, ("above", "below"), &shared)?;
        self.place_plan(now, sent, None, pair)
    }

    pub fn place_oto(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let first = self.read_first(account, sent)?;
        let pending = self.read_leg(account, sent, "pending", &SHARED)?;
        self.place_plan(now, sent, Some(first), vec![pending])
    }

    pub fn place_otoco(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let first = self.read_first(account, sent)?;
        let own = [("pendingSide", "side"), ("pendingQuantity", "quantity")];
        let shared = [&SHARED[..], &own].concat();
        let pair = self.read_pair(account, sent, ("pendingAbove", "pendingBelow"), &shared)?;
        self.place_plan(now, sent, Some(first), pair)
    }

    fn read_leg(
        &mut self,
        account: AccountId,
        sent: &Parameters,
        prefix: &str,
        shared: &[(&str, &str)],
    ) -> Result<NewOrder, Reject> {
        let leg = sent.under(prefix, shared);
        let asked = self.read_order(account, &leg, "clientOrderId")?;
        if asked.budget.is_some() {
            return Err(Reject::not_required("quoteOrderQty"));
        }
        filters::check(self.exchange.market(asked.instrument), &asked)?;
        Ok(asked)
    }

    /// The order that the others wait for must rest.
    fn read_first(&mut self, account: AccountId, sent: &Parameters) -> Result<NewOrder, Reject> {
        let first = self.read_leg(account, sent, "working", &SHARED)?;
        match Type::of(&first) {
            Type::Limit | Type::LimitMaker => Ok(first),
            Type::Market
            | Type::StopLoss
            | Type::StopLossLimit
            | Type::TakeProfit
            | Type::TakeProfitLimit => Err(Reject::bad(-1116, "Invalid orderType.")),
        }
    }

    /// A pair above and below the market, the stop first.
    fn read_pair(
        &mut self,
        account: AccountId,
        sent: &Parameters,
        (above, below): (&str, &str),
        shared: &[(&str, &str)],
    ) -> Result<Vec<NewOrder>, Reject> {
        let above = self.read_leg(account, sent, above, shared)?;
        let below = self.read_leg(account, sent, below, shared)?;
        check_pair(&above, &below)?;
        Ok(if is_stop(&above) { vec![above, below] } else { vec![below, above] })
    }

    fn place_plan(
        &mut self,
        now: UnixMillis,
        sent: &Parameters,
        first: Option<NewOrder>,
        rest: Vec<NewOrder>,
    ) -> Result<Value, Reject> {
        let lead = first.as_ref().or(rest.first()).map(Type::of).unwrap_or(Type::Limit);
        let response = match sent.get("newOrderRespType") {
            None => Response::Result,
            Some(_) => read_response(sent, lead)?,
        };
        let client_id = self.request_id(sent, "listClientOrderId")?;
        let placed = self.exchange.place_list(now, ListPlan { client_id, first, rest });
        let list = placed.map_err(refused);
        self.drain(now);
        let list = list?;
        let reports = self.reports(&list, |venue, order| {
            let fills = venue.fills_of(list.account, order.id);
            let instrument = &venue.exchange.market(list.instrument).instrument;
            // Even where the first was filled at once the others are told as they were taken.
            let waited = list.first.is_some_and(|first| first != order.id);
            if waited {
                let asked = order.asked.clone();
                let mut taken = Order::new(now, order.id, asked);
                (taken.list, taken.status, taken.working) =
                    (order.list, OrderStatus::PendingNew, None);
                return order_json::placed(instrument, &taken, response, &[]);
            }
            order_json::placed(instrument, order, response, &fills)
        });
        Ok(self.list_reply(&list, now, Some(reports)))
    }

    pub fn cancel_list(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let request = self.request_id(sent, "newClientOrderId")?;
        let named = self.named_list(account, sent, "listClientOrderId")?;
        let open = named.filter(|list| list.open && list.instrument == instrument);
        let id = open.ok_or_else(Reject::unknown_order)?.id;
        self.cancel_list_now(now, id, request)
    }

    pub fn cancel_list_now(
        &mut self,
        now: UnixMillis,
        id: ListId,
        request: String,
    ) -> Result<Value, Reject> {
        let canceled = self.exchange.cancel_list(now, id, Some(request));
        self.drain(now);
        let list = canceled.map_err(|_| Reject::unknown_order())?;
        let reports = self.reports(&list, |venue, order| {
            let instrument = &venue.exchange.market(list.instrument).instrument;
            order_json::canceled(instrument, now, order)
        });
        Ok(self.list_reply(&list, now, Some(reports)))
    }

    pub fn query_list(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let named = self.named_list(account, sent, "origClientOrderId")?;
        let list = named.ok_or_else(|| Reject::bad(-2018, "Order list does not exist."))?;
        Ok(self.list_reply(list, list.updated, None))
    }

    pub fn open_lists(&self, account: AccountId) -> Value {
        let open = self.exchange.lists_of(account).filter(|list| list.open);
        open.map(|list| self.list_reply(list, list.updated, None)).collect()
    }

    pub fn all_lists(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let from = sent.integer("fromId")?.unwrap_or_default();
        let limit = read_limit(sent, 500, 1000)?;
        let mine: Vec<&OrderList> =
            self.exchange.lists_of(account).filter(|list| list.id.0 >= from).collect();
        let skip = if from == 0 { mine.len().saturating_sub(limit) } else { 0 };
        let page = mine.into_iter().skip(skip).take(limit);
        Ok(page.map(|list| self.list_reply(list, list.updated, None)).collect())
    }

    fn named_list(
        &self,
        account: AccountId,
        sent: &Parameters,
        name: &str,
    ) -> Result<Option<&OrderList>, Reject> {
        let (id, client) = (sent.integer("orderListId")?, client_id(sent, name)?);
        let mut mine = self.exchange.lists_of(account);
        match (id, client) {
            (Some(id), client) => Ok(mine
                .find(|list| list.id.0 == id)
                .filter(|list| client.is_none_or(|client| client == list.client_id))),
            (None, Some(client)) => Ok(mine.filter(|list| list.client_id == client).last()),
            (None, None) => Err(Reject::one_of(name, "orderListId")),
        }
    }

    fn reports(&self, list: &OrderList, report: impl Fn(&Self, &Order) -> Value) -> Value {
        let held = self.exchange.account(list.account);
        let orders = list.orders().filter_map(|id| held.orders.get(&id));
        orders.map(|order| report(self, order)).collect()
    }

    fn list_reply(&self, list: &OrderList, at: UnixMillis, reports: Option<Value>) -> Value {
        let symbol = &self.exchange.market(list.instrument).instrument.symbol;
        let (kind, state) = states(list.open);
        let mut reply = json!({
            "orderListId": list.id.0,
            "contingencyType": contingency_text(list),
            "listStatusType": kind,
            "listOrderStatus": state,
            "listClientOrderId": list.client_id,
            "transactionTime": at.0,
            "symbol": symbol,
            "orders": self.names(list),
        });
        if let (Some(reports), Value::Object(members)) = (reports, &mut reply) {
            members.insert("orderReports".into(), reports);
        }
        reply
    }

    /// What the reply to an amendment says of the order's list.
    pub fn list_status(&self, list: &OrderList) -> Value {
        json!({
            "orderListId": list.id.0,
            "contingencyType": contingency_text(list),
            "listOrderStatus": states(list.open).1,
            "listClientOrderId": list.client_id,
            "symbol": self.exchange.market(list.instrument).instrument.symbol,
            "orders": self.names(list),
        })
    }

    fn names(&self, list: &OrderList) -> Value {
        let symbol = &self.exchange.market(list.instrument).instrument.symbol;
        let held = self.exchange.account(list.account);
        let named = list.orders().filter_map(|id| held.orders.get(&id)).map(|order| {
            json!({"symbol": symbol, "orderId": order.id.0,
                "clientOrderId": order.asked.client_id})
        });
        named.collect()
    }
}

/// `listStatusType` and `listOrderStatus`.
pub fn states(open: bool) -> (&'static str, &'static str) {
    if open { ("EXEC_STARTED", "EXECUTING") } else { ("ALL_DONE", "ALL_DONE") }
}

/// A list that triggers a pair is called by what it does first.
pub fn contingency_text(list: &OrderList) -> &'static str {
    match list.contingency {
        Contingency::Oco => "OCO",
        Contingency::Oto => "OTO",
    }
}

/// Which types may stand on which side of the market.
fn check_pair(above: &NewOrder, below: &NewOrder) -> Result<(), Reject> {
    let supported = |order: &NewOrder| match Type::of(order) {
        Type::Limit | Type::Market => false,
        Type::LimitMaker
        | Type::StopLoss
        | Type::StopLossLimit
        | Type::TakeProfit
        | Type::TakeProfitLimit => true,
    };
    if !supported(above) || !supported(below) {
        return Err(Reject::bad(-1158, "Order type not supported in OCO."));
    }
    if above.trigger.is_none() && below.trigger.is_none() {
        return Err(Reject::bad(-1168, "At least one OCO order must be contingent."));
    }
    let limit = |order: &NewOrder| order.trigger.is_none();
    let (code, text) = match above.side {
        Side::Buy if limit(above) => (-1165, "A limit order in a buy OCO must be below."),
        Side::Sell if limit(below) => (-1166, "A limit order in a sell OCO must be above."),
        Side::Buy if is_stop(below) => (-1196, "A stop loss order in a buy OCO must be above."),
        Side::Sell if is_stop(above) => (-1197, "A stop loss order in a sell OCO must be below."),
        Side::Buy if !is_stop(above) => (-1198, "A take profit order in a buy OCO must be below."),
        Side::Sell if !is_stop(below) => {
            (-1199, "A take profit order in a sell OCO must be above.")
        }
        Side::Buy | Side::Sell => return Ok(()),
    };
    Err(Reject::bad(code, text))
}
