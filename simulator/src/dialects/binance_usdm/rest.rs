//! The REST surface: one table of endpoints, and the checks before each.

use serde_json::{Value, json};

use super::accounts::PositionShape;
use super::errors::Reject;
use super::{Caller, Venue};
use crate::dialects::binance::auth::{Need, rest_payload};
use crate::dialects::binance::parameters::Parameters;
use crate::dialects::binance::rest::{RestReply, RestRequest};
use crate::dialects::binance::trouble::Troubled;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Open,
    /// The key alone, unsigned.
    Key,
    Signed(Need),
}

#[derive(Clone, Copy, Debug)]
enum Weight {
    Fixed(u64),
    Depth,
    OpenOrders,
}

type Call = fn(&mut Venue, &Caller, &Parameters) -> Result<Value, Reject>;

struct Endpoint {
    method: &'static str,
    path: &'static str,
    weight: Weight,
    access: Access,
    /// Orders counted in the 10 s and in the 1 min window.
    orders: (u64, u64),
    /// Whether it is one of the order requests that a fault may answer in our place.
    is_order: bool,
    call: Call,
}

impl Venue {
    /// None where a fault keeps the reply back.
    pub fn rest(&mut self, now: UnixMillis, request: &RestRequest<'_>) -> Option<RestReply> {
        if self.trouble.take_html_502() {
            return Some(RestReply::bad_gateway());
        }
        let (outcome, account) = match self.rest_outcome(now, request) {
            Answer::Silent => return None,
            Answer::Outcome(outcome, account) => (outcome, account),
        };
        let mut headers = vec![(
            "X-MBX-USED-WEIGHT-1M",
            self.limits.weights.used(now, request.address).to_string(),
        )];
        if let Some(account) = account {
            let (ten_seconds, minute) = self.limits.order_counts(now, account);
            headers.push(("X-MBX-ORDER-COUNT-10S", ten_seconds.to_string()));
            headers.push(("X-MBX-ORDER-COUNT-1M", minute.to_string()));
        }
        Some(RestReply::of(outcome, headers))
    }

    fn rest_outcome(&mut self, now: UnixMillis, request: &RestRequest<'_>) -> Answer {
        let refuse = |reject| Answer::Outcome(Err(reject), None);
        if self.trouble.in_maintenance(now) {
            return refuse(Reject::unavailable());
        }
        let same = |e: &&Endpoint| e.method == request.method && e.path == request.path;
        let Some(endpoint) = ENDPOINTS.iter().find(same) else {
            let text = format!("Path {}, Method {} is invalid", request.path, request.method);
            return refuse(Reject::new(404, -5000, text));
        };
        let sent = match Parameters::from_query_and_body(request.query, request.body) {
            Ok(sent) => sent,
            Err(reject) => return refuse(reject),
        };
        let weight = weigh(endpoint.weight, &sent);
        if let Err(reject) = self.limits.weights.charge(now, request.address, weight) {
            return refuse(reject);
        }
        let account = match self.admit(now, request, endpoint.access, &sent) {
            Ok(account) => account,
            Err(reject) => return refuse(reject),
        };
        let (ten_seconds, minute) = endpoint.orders;
        if let Some(account) = account.filter(|_| minute > 0)
            && let Err(reject) = self.limits.charge_orders(now, account, ten_seconds, minute)
        {
            return Answer::Outcome(Err(reject), Some(account));
        }
        let caller = Caller { now, account, version: None };
        let counted = account.filter(|_| minute > 0);
        match self.trouble.take(endpoint.is_order) {
            Troubled::No => Answer::Outcome((endpoint.call)(self, &caller, &sent), counted),
            Troubled::Error { reject, applied } => {
                if applied {
                    // What came of it is what the client must find out.
                    let _ = (endpoint.call)(self, &caller, &sent);
                }
                Answer::Outcome(Err(reject), counted)
            }
            Troubled::Silent { applied } => {
                if applied {
                    let _ = (endpoint.call)(self, &caller, &sent);
                }
                Answer::Silent
            }
        }
    }

    fn admit(
        &self,
        now: UnixMillis,
        request: &RestRequest<'_>,
        access: Access,
        sent: &Parameters,
    ) -> Result<Option<AccountId>, Reject> {
        match access {
            Access::Open => Ok(None),
            Access::Key => {
                let key = self.keys.active(request.api_key)?;
                self.keys.allowed(now, key, Need::Read).map(Some)
            }
            Access::Signed(need) => {
                let payload = rest_payload(request.query, request.body);
                self.keys.signed(now, request.api_key, sent, &payload, need).map(Some)
            }
        }
    }
}

enum Answer {
    /// The reply, and the account whose order counts it shows.
    Outcome(Result<Value, Reject>, Option<AccountId>),
    Silent,
}

fn weigh(weight: Weight, sent: &Parameters) -> u64 {
    match weight {
        Weight::Fixed(weight) => weight,
        Weight::Depth => match sent.integer("limit").ok().flatten().unwrap_or(500) {
            0..=50 => 2,
            51..=100 => 5,
            101..=500 => 10,
            501.. => 20,
        },
        Weight::OpenOrders if sent.get("symbol").is_some() => 1,
        Weight::OpenOrders => 40,
    }
}

const READ: Access = Access::Signed(Need::Read);
const TRADE: Access = Access::Signed(Need::Trade);
const NO_ORDERS: (u64, u64) = (0, 0);

const fn read(path: &'static str, weight: u64, access: Access, call: Call) -> Endpoint {
    let (method, orders, is_order) = ("GET", NO_ORDERS, false);
    Endpoint { method, path, weight: Weight::Fixed(weight), access, orders, is_order, call }
}

const fn order(
    method: &'static str,
    path: &'static str,
    weight: u64,
    orders: (u64, u64),
    call: Call,
) -> Endpoint {
    let (weight, access, is_order) = (Weight::Fixed(weight), TRADE, true);
    Endpoint { method, path, weight, access, orders, is_order, call }
}

const fn set(
    method: &'static str,
    path: &'static str,
    weight: u64,
    access: Access,
    call: Call,
) -> Endpoint {
    let (weight, orders, is_order) = (Weight::Fixed(weight), NO_ORDERS, false);
    Endpoint { method, path, weight, access, orders, is_order, call }
}

const ENDPOINTS: &[Endpoint] = &[
    read("/fapi/v1/ping", 1, Access::Open, |_, _, _| Ok(json!({}))),
    read("/fapi/v1/time", 1, Access::Open, |_, c, _| Ok(json!({"serverTime": c.now.0}))),
    read("/fapi/v1/exchangeInfo", 1, Access::Open, |v, c, _| Ok(v.exchange_info(c.now))),
    Endpoint {
        method: "GET",
        path: "/fapi/v1/depth",
        weight: Weight::Depth,
        access: Access::Open,
        orders: NO_ORDERS,
        is_order: false,
        call: |v, c, p| v.depth(c.now, p),
    },
    read("/fapi/v1/ticker/bookTicker", 2, Access::Open, |v, c, p| v.book_ticker(c.now, p)),
    read("/fapi/v1/ticker/price", 1, Access::Open, |v, c, p| v.price_ticker(c.now, p)),
    read("/fapi/v2/ticker/price", 1, Access::Open, |v, c, p| v.price_ticker(c.now, p)),
    read("/fapi/v1/premiumIndex", 1, Access::Open, |v, c, p| v.premium_index(c.now, p)),
    read("/fapi/v1/fundingRate", 1, Access::Open, |v, _, p| v.funding_rates(p)),
    order("POST", "/fapi/v1/order", 0, (1, 1), |v, c, p| v.place(c.now, c.account()?, p)),
    order("POST", "/fapi/v1/order/test", 0, NO_ORDERS, |v, c, p| {
        v.test_place(c.now, c.account()?, p)
    }),
    order("PUT", "/fapi/v1/order", 0, (1, 1), |v, c, p| v.modify(c.now, c.account()?, p)),
    order("DELETE", "/fapi/v1/order", 1, NO_ORDERS, |v, c, p| v.cancel(c.now, c.account()?, p)),
    order("DELETE", "/fapi/v1/allOpenOrders", 1, NO_ORDERS, |v, c, p| {
        v.cancel_all(c.now, c.account()?, p)
    }),
    order("POST", "/fapi/v1/batchOrders", 5, (5, 1), |v, c, p| {
        v.place_batch(c.now, c.account()?, p)
    }),
    order("PUT", "/fapi/v1/batchOrders", 5, (5, 1), |v, c, p| {
        v.modify_batch(c.now, c.account()?, p)
    }),
    order("DELETE", "/fapi/v1/batchOrders", 1, NO_ORDERS, |v, c, p| {
        v.cancel_batch(c.now, c.account()?, p)
    }),
    read("/fapi/v1/order", 1, READ, |v, c, p| v.query(c.account()?, p)),
    read("/fapi/v1/openOrder", 1, READ, |v, c, p| v.query_open(c.account()?, p)),
    Endpoint {
        method: "GET",
        path: "/fapi/v1/openOrders",
        weight: Weight::OpenOrders,
        access: READ,
        orders: NO_ORDERS,
        is_order: false,
        call: |v, c, p| v.open_orders(c.account()?, p),
    },
    order("POST", "/fapi/v1/algoOrder", 0, (1, 1), |v, c, p| v.place_algo(c.now, c.account()?, p)),
    order("DELETE", "/fapi/v1/algoOrder", 1, NO_ORDERS, |v, c, p| {
        v.cancel_algo(c.now, c.account()?, p)
    }),
    order("DELETE", "/fapi/v1/algoOpenOrders", 1, NO_ORDERS, |v, c, p| {
        v.cancel_all_algo(c.now, c.account()?, p)
    }),
    read("/fapi/v1/algoOrder", 1, READ, |v, c, p| v.query_algo(c.account()?, p)),
    read("/fapi/v1/openAlgoOrders", 1, READ, |v, c, p| v.open_algo(c.account()?, p)),
    read("/fapi/v1/allAlgoOrders", 5, READ, |v, c, p| v.all_algo(c.account()?, p)),
    read("/fapi/v1/allOrders", 5, READ, |v, c, p| v.all_orders(c.account()?, p)),
    read("/fapi/v1/userTrades", 5, READ, |v, c, p| v.user_trades(c.account()?, p)),
    read("/fapi/v2/account", 5, READ, |v, c, _| Ok(v.account_v2(c.account()?))),
    read("/fapi/v3/account", 5, READ, |v, c, _| Ok(v.account_v3(c.account()?))),
    read("/fapi/v2/balance", 5, READ, |v, c, _| Ok(v.balances(c.account()?))),
    read("/fapi/v3/balance", 5, READ, |v, c, _| Ok(v.balances(c.account()?))),
    read("/fapi/v2/positionRisk", 5, READ, |v, c, p| {
        v.position_risk(c.account()?, p, PositionShape::V2)
    }),
    read("/fapi/v3/positionRisk", 5, READ, |v, c, p| {
        v.position_risk(c.account()?, p, PositionShape::V3)
    }),
    read("/fapi/v1/accountConfig", 5, READ, |v, c, _| Ok(v.account_config(c.account()?))),
    read("/fapi/v1/commissionRate", 20, READ, |v, _, p| v.commission_rate(p)),
    read("/fapi/v1/rateLimit/order", 1, READ, |v, _, _| Ok(v.order_limits())),
    read("/fapi/v1/symbolConfig", 5, READ, |v, c, p| v.symbol_config(c.account()?, p)),
    read("/fapi/v1/leverageBracket", 1, READ, |v, _, p| v.leverage_brackets(p)),
    read("/fapi/v1/multiAssetsMargin", 30, READ, |_, _, _| Ok(json!({"multiAssetsMargin": false}))),
    read("/fapi/v1/positionSide/dual", 30, READ, |v, c, _| Ok(v.position_mode(c.account()?))),
    read("/fapi/v1/income", 30, READ, |v, c, p| v.income(c.account()?, p)),
    set("POST", "/fapi/v1/positionSide/dual", 1, TRADE, |v, c, p| {
        v.set_position_mode(c.account()?, p)
    }),
    set("POST", "/fapi/v1/leverage", 1, TRADE, |v, c, p| v.set_leverage(c.now, c.account()?, p)),
    set("POST", "/fapi/v1/marginType", 1, TRADE, |v, c, p| v.set_margin_type(c.account()?, p)),
    set("POST", "/fapi/v1/countdownCancelAll", 10, TRADE, |v, c, p| {
        v.countdown(c.now, c.account()?, p)
    }),
    set("POST", "/fapi/v1/listenKey", 1, Access::Key, |v, c, _| {
        Ok(v.open_listen_key(c.now, c.account()?))
    }),
    set("PUT", "/fapi/v1/listenKey", 1, Access::Key, |v, c, p| {
        v.extend_listen_key(c.now, c.account()?, p)
    }),
    set("DELETE", "/fapi/v1/listenKey", 1, Access::Key, |v, c, _| v.close_listen_key(c.account()?)),
];
