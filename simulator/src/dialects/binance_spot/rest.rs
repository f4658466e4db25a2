//! The REST surface: one table of endpoints, and the checks before each.

use serde_json::{Value, json};

use super::errors::Reject;
use super::{Caller, Venue, Weight};
use crate::dialects::binance::auth::{Need, rest_payload};
use crate::dialects::binance::parameters::Parameters;
use crate::dialects::binance::rest::{RestReply, RestRequest};
use crate::dialects::binance::trouble::Troubled;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

type Call = fn(&mut Venue, &Caller, &Parameters) -> Result<Value, Reject>;

struct Endpoint {
    method: &'static str,
    path: &'static str,
    weight: Weight,
    /// None for public endpoints.
    need: Option<Need>,
    /// Unfilled orders that a success adds.
    orders: u64,
    is_order: bool,
    call: Call,
}

enum Answer {
    /// The reply, and the account whose order counts it shows.
    Outcome(Result<Value, Reject>, Option<AccountId>),
    Silent,
}

impl Venue {
    /// None where a fault keeps the reply back.
    pub fn rest(&mut self, now: UnixMillis, request: &RestRequest<'_>) -> Option<RestReply> {
        if self.trouble.take_html_502() {
            return Some(RestReply::bad_gateway());
        }
        let (outcome, account) = match self.rest_answer(now, request) {
            Answer::Silent => return None,
            Answer::Outcome(outcome, account) => (outcome, account),
        };
        let used = self.limits.weights.used(now, request.address).to_string();
        let mut headers = vec![("X-MBX-USED-WEIGHT", used.clone()), ("X-MBX-USED-WEIGHT-1M", used)];
        if let Some(account) = account {
            let (ten_seconds, day) = self.limits.unfilled(now, account);
            headers.push(("X-MBX-ORDER-COUNT-10S", ten_seconds.to_string()));
            headers.push(("X-MBX-ORDER-COUNT-1D", day.to_string()));
        }
        Some(RestReply::of(outcome, headers))
    }

    fn rest_answer(&mut self, now: UnixMillis, request: &RestRequest<'_>) -> Answer {
        let refuse = |reject| Answer::Outcome(Err(reject), None);
        if self.trouble.in_maintenance(now) {
            return refuse(Reject::unavailable());
        }
        let same = |e: &&Endpoint| e.method == request.method && e.path == request.path;
        let Some(endpoint) = ENDPOINTS.iter().find(same) else {
            return refuse(Reject::new(404, -1020, "This operation is not supported."));
        };
        let sent = match Parameters::from_query_and_body(request.query, request.body) {
            Ok(sent) => sent,
            Err(reject) => return refuse(reject),
        };
        let weight = endpoint.weight.of(&sent);
        if let Err(reject) = self.limits.weights.charge(now, request.address, weight) {
            return refuse(reject);
        }
        let account = match endpoint.need {
            None => None,
            Some(need) => {
                let payload = rest_payload(request.query, request.body);
                match self.keys.signed(now, request.api_key, &sent, &payload, need) {
                    Ok(account) => Some(account),
                    Err(reject) => return refuse(reject),
                }
            }
        };
        let counted = account.filter(|_| endpoint.orders > 0 || endpoint.is_order);
        if let Some(account) = account
            && let Err(reject) = self.limits.check_orders(now, account, endpoint.orders)
        {
            return Answer::Outcome(Err(reject), counted);
        }
        let caller = Caller { now, account, key: request.api_key.map(str::to_owned) };
        let outcome = match self.trouble.take(endpoint.is_order) {
            Troubled::No => self.call(endpoint.call, &caller, &sent, endpoint.orders),
            Troubled::Error { reject, applied } => {
                if applied {
                    // What came of it is what the client must find out.
                    let _ = self.call(endpoint.call, &caller, &sent, endpoint.orders);
                }
                Err(reject)
            }
            Troubled::Silent { applied } => {
                if applied {
                    let _ = self.call(endpoint.call, &caller, &sent, endpoint.orders);
                }
                return Answer::Silent;
            }
        };
        if outcome.is_ok() && endpoint.weight == Weight::OfFailure {
            self.limits.weights.give_back(now, request.address, weight);
        }
        Answer::Outcome(outcome, counted)
    }
}

const READ: Option<Need> = Some(Need::Read);
const TRADE: Option<Need> = Some(Need::Trade);

const fn read(path: &'static str, weight: u64, need: Option<Need>, call: Call) -> Endpoint {
    weighed(path, Weight::Fixed(weight), need, call)
}

const fn weighed(path: &'static str, weight: Weight, need: Option<Need>, call: Call) -> Endpoint {
    Endpoint { method: "GET", path, weight, need, orders: 0, is_order: false, call }
}

const fn order(
    method: &'static str,
    path: &'static str,
    weight: Weight,
    orders: u64,
    call: Call,
) -> Endpoint {
    Endpoint { method, path, weight, need: TRADE, orders, is_order: true, call }
}

const ENDPOINTS: &[Endpoint] = &[
    read("/api/v3/ping", 1, None, |_, _, _| Ok(json!({}))),
    read("/api/v3/time", 1, None, |_, c, _| Ok(json!({"serverTime": c.now.0}))),
    read("/api/v3/exchangeInfo", 20, None, |v, c, p| v.exchange_info(c.now, p)),
    weighed("/api/v3/depth", Weight::Depth, None, |v, _, p| v.depth(p)),
    read("/api/v3/ticker/bookTicker", 2, None, |v, _, p| v.book_ticker(p)),
    read("/api/v3/ticker/price", 2, None, |v, _, p| v.price_ticker(p)),
    read("/api/v3/avgPrice", 2, None, |v, c, p| v.average_price(c.now, p)),
    order("POST", "/api/v3/order", Weight::OfFailure, 1, |v, c, p| v.place(c.now, c.account()?, p)),
    order("POST", "/api/v3/order/test", Weight::Fixed(1), 0, |v, c, p| {
        v.test_place(c.account()?, p)
    }),
    order("DELETE", "/api/v3/order", Weight::OfFailure, 0, |v, c, p| {
        v.cancel(c.now, c.account()?, p)
    }),
    order("DELETE", "/api/v3/openOrders", Weight::OfFailure, 0, |v, c, p| {
        v.cancel_all(c.now, c.account()?, p)
    }),
    order("POST", "/api/v3/order/cancelReplace", Weight::OfFailure, 0, |v, c, p| {
        v.cancel_replace(c.now, c.account()?, p)
    }),
    order("PUT", "/api/v3/order/amend/keepPriority", Weight::Fixed(4), 0, |v, c, p| {
        v.amend(c.now, c.account()?, p)
    }),
    order("POST", "/api/v3/orderList/oco", Weight::OfFailure, 2, |v, c, p| {
        v.place_oco(c.now, c.account()?, p)
    }),
    order("POST", "/api/v3/orderList/oto", Weight::OfFailure, 2, |v, c, p| {
        v.place_oto(c.now, c.account()?, p)
    }),
    order("POST", "/api/v3/orderList/otoco", Weight::OfFailure, 3, |v, c, p| {
        v.place_otoco(c.now, c.account()?, p)
    }),
    order("DELETE", "/api/v3/orderList", Weight::OfFailure, 0, |v, c, p| {
        v.cancel_list(c.now, c.account()?, p)
    }),
    read("/api/v3/order", 4, READ, |v, c, p| v.query(c.account()?, p)),
    read("/api/v3/order/amendments", 4, READ, |v, c, p| v.amendments(c.account()?, p)),
    weighed("/api/v3/openOrders", Weight::OpenOrders, READ, |v, c, p| {
        v.open_orders(c.account()?, p)
    }),
    read("/api/v3/allOrders", 20, READ, |v, c, p| v.all_orders(c.account()?, p)),
    read("/api/v3/orderList", 4, READ, |v, c, p| v.query_list(c.account()?, p)),
    read("/api/v3/openOrderList", 6, READ, |v, c, _| Ok(v.open_lists(c.account()?))),
    read("/api/v3/allOrderList", 20, READ, |v, c, p| v.all_lists(c.account()?, p)),
    read("/api/v3/account", 20, READ, |v, c, p| v.account(c.account()?, p)),
    read("/api/v3/account/commission", 20, READ, |v, c, p| v.commissions(c.account()?, p)),
    read("/api/v3/rateLimit/order", 40, READ, |v, c, _| {
        Ok(v.limits.order_report(c.now, c.account()?))
    }),
    weighed("/api/v3/myTrades", Weight::Trades, READ, |v, c, p| v.my_trades(c.account()?, p)),
    // Asked on spot's host for every key, whichever market it is for.
    read("/sapi/v1/account/apiRestrictions", 1, READ, |v, c, _| {
        Ok(v.keys.active(c.key.as_deref())?.rights.restrictions(v.started))
    }),
    read("/sapi/v1/bnbBurn", 1, READ, |v, c, _| Ok(v.fee_setting(c.account()?))),
    Endpoint {
        method: "POST",
        path: "/sapi/v1/bnbBurn",
        weight: Weight::Fixed(1),
        need: READ,
        orders: 0,
        is_order: false,
        call: |v, c, p| v.set_fee_setting(c.account()?, p),
    },
];
