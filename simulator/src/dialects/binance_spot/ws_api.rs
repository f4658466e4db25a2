//! The WebSocket API: one table of methods, and the checks before each
//! (`venues/binance.md` sections 2, 4.1 and 4.3).

use serde_json::{Value, json};

use super::errors::Reject;
use super::session::{ApiSession, Refused};
use super::{Caller, Venue, Weight};
use crate::dialects::binance::auth::Need;
use crate::dialects::binance::envelope::{self, Envelope, failure, success};
use crate::dialects::binance::parameters::Parameters;
use crate::dialects::binance::trouble::Troubled;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

type Call = fn(&mut Venue, &Caller, &Parameters) -> Result<Value, Reject>;

struct Method {
    name: &'static str,
    weight: Weight,
    /// None for public methods.
    need: Option<Need>,
    /// Unfilled orders that a success adds.
    orders: u64,
    is_order: bool,
    call: Call,
}

enum Answer {
    Outcome(Result<Value, Reject>, Option<AccountId>),
    Silent,
    Revoked,
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Revoked => Self::Revoked,
            Refused::Rejected(reject) => Self::Outcome(Err(reject), None),
        }
    }
}

impl Venue {
    /// The reply to one text frame; None where a fault keeps it back.
    pub fn ws_api(
        &mut self,
        now: UnixMillis,
        session: &mut ApiSession,
        text: &str,
    ) -> Option<String> {
        let envelope = match envelope::open(text) {
            Ok(envelope) => envelope,
            Err(refused) => return Some(failure(&refused.0, &refused.1, None)),
        };
        let report = envelope.params.get("returnRateLimits").and_then(Value::as_bool);
        let report = report.unwrap_or(session.return_rate_limits);
        let answer = if self.trouble.in_maintenance(now) {
            Answer::Outcome(Err(Reject::unavailable()), None)
        } else {
            self.ws_answer(now, session, &envelope)
        };
        let (outcome, account) = match answer {
            Answer::Silent => return None,
            Answer::Revoked => {
                session.forget();
                self.user_streams.on_logout(now, session.connection);
                // The venue does not say which request met the revoked key.
                return Some(failure(&Value::Null, &Reject::key(), None));
            }
            Answer::Outcome(outcome, account) => (outcome, account),
        };
        let limits = report.then(|| self.limits.report(now, session.address, account));
        Some(match outcome {
            Ok(result) => success(&envelope.id, result, limits),
            Err(reject) => failure(&envelope.id, &reject, limits),
        })
    }

    fn ws_answer(
        &mut self,
        now: UnixMillis,
        session: &mut ApiSession,
        envelope: &Envelope,
    ) -> Answer {
        let plain = |outcome| Answer::Outcome(outcome, None);
        let sent = match Parameters::from_json(&envelope.params) {
            Ok(sent) => sent,
            Err(reject) => return plain(Err(reject)),
        };
        let method = METHODS.iter().find(|method| method.name == envelope.method);
        let weight = method.map_or(SESSION_WEIGHT, |method| method.weight.of(&sent));
        if let Err(reject) = self.limits.weights.charge(now, session.address, weight) {
            return plain(Err(reject));
        }
        let Some(method) = method else {
            return self.session_method(now, session, envelope, &sent);
        };
        let account = match method.need {
            None => None,
            Some(need) => match self.ws_admit(now, session, need, &sent) {
                Ok(account) => Some(account),
                Err(refused) => return refused.into(),
            },
        };
        let counted = account.filter(|_| method.orders > 0 || method.is_order);
        if let Some(account) = account
            && let Err(reject) = self.limits.check_orders(now, account, method.orders)
        {
            return Answer::Outcome(Err(reject), counted);
        }
        let caller = Caller { now, account, key: None };
        let outcome = match self.trouble.take(method.is_order) {
            Troubled::No => self.call(method.call, &caller, &sent, method.orders),
            Troubled::Error { reject, applied } => {
                if applied {
                    // What came of it is what the client must find out.
                    let _ = self.call(method.call, &caller, &sent, method.orders);
                }
                Err(reject)
            }
            Troubled::Silent { applied } => {
                if applied {
                    let _ = self.call(method.call, &caller, &sent, method.orders);
                }
                return Answer::Silent;
            }
        };
        if outcome.is_ok() && method.weight == Weight::OfFailure {
            self.limits.weights.give_back(now, session.address, weight);
        }
        Answer::Outcome(outcome, counted)
    }

    /// The methods that concern the connection itself.
    fn session_method(
        &mut self,
        now: UnixMillis,
        session: &mut ApiSession,
        envelope: &Envelope,
        sent: &Parameters,
    ) -> Answer {
        let plain = |outcome| Answer::Outcome(outcome, None);
        let id = session.connection;
        let subscribed = |outcome: Result<u32, Reject>| {
            plain(outcome.map(|number| json!({"subscriptionId": number})))
        };
        match envelope.method.as_str() {
            "session.logon" => plain(self.logon(now, session, sent)),
            "session.status" => plain(Ok(self.session_status(now, session))),
            "session.logout" => plain(Ok(self.logout(now, session))),
            "session.subscriptions" => plain(Ok(self.user_streams.listing(id))),
            "userDataStream.subscribe" => match self.session_account(session) {
                Ok(account) => subscribed(self.user_streams.subscribe(id, account, true)),
                Err(refused) => refused.into(),
            },
            "userDataStream.subscribe.signature" => {
                let payload = sent.sorted_payload();
                let name = sent.get("apiKey");
                let signed = self.keys.signed(now, name, sent, payload.as_bytes(), Need::Read);
                match signed {
                    Ok(account) => subscribed(self.user_streams.subscribe(id, account, false)),
                    Err(reject) => plain(Err(reject)),
                }
            }
            "userDataStream.unsubscribe" => {
                let number = match sent.integer("subscriptionId") {
                    Ok(number) => number,
                    Err(reject) => return plain(Err(reject)),
                };
                plain(self.user_streams.unsubscribe(now, id, number).map(|()| json!({})))
            }
            other => {
                let text = format!("Method '{other}' is not supported.");
                plain(Err(Reject::bad(-1020, text)))
            }
        }
    }
}

const SESSION_WEIGHT: u64 = 2;
const READ: Option<Need> = Some(Need::Read);
const TRADE: Option<Need> = Some(Need::Trade);

const fn read(name: &'static str, weight: u64, need: Option<Need>, call: Call) -> Method {
    Method { name, weight: Weight::Fixed(weight), need, orders: 0, is_order: false, call }
}

const fn weighed(name: &'static str, weight: Weight, need: Option<Need>, call: Call) -> Method {
    Method { name, weight, need, orders: 0, is_order: false, call }
}

const fn order(name: &'static str, weight: Weight, orders: u64, call: Call) -> Method {
    Method { name, weight, need: TRADE, orders, is_order: true, call }
}

const METHODS: &[Method] = &[
    read("ping", 1, None, |_, _, _| Ok(json!({}))),
    read("time", 1, None, |_, c, _| Ok(json!({"serverTime": c.now.0}))),
    read("exchangeInfo", 20, None, |v, c, p| v.exchange_info(c.now, p)),
    weighed("depth", Weight::Depth, None, |v, _, p| v.depth(p)),
    read("ticker.book", 2, None, |v, _, p| v.book_ticker(p)),
    read("ticker.price", 2, None, |v, _, p| v.price_ticker(p)),
    read("avgPrice", 2, None, |v, c, p| v.average_price(c.now, p)),
    order("order.place", Weight::OfFailure, 1, |v, c, p| v.place(c.now, c.account()?, p)),
    order("order.test", Weight::Fixed(1), 0, |v, c, p| v.test_place(c.account()?, p)),
    order("order.cancel", Weight::OfFailure, 0, |v, c, p| v.cancel(c.now, c.account()?, p)),
    order("order.cancelReplace", Weight::OfFailure, 0, |v, c, p| {
        v.cancel_replace(c.now, c.account()?, p)
    }),
    order("order.amend.keepPriority", Weight::Fixed(4), 0, |v, c, p| {
        v.amend(c.now, c.account()?, p)
    }),
    order("openOrders.cancelAll", Weight::OfFailure, 0, |v, c, p| {
        v.cancel_all(c.now, c.account()?, p)
    }),
    order("orderList.place.oco", Weight::OfFailure, 2, |v, c, p| {
        v.place_oco(c.now, c.account()?, p)
    }),
    order("orderList.place.oto", Weight::OfFailure, 2, |v, c, p| {
        v.place_oto(c.now, c.account()?, p)
    }),
    order("orderList.place.otoco", Weight::OfFailure, 3, |v, c, p| {
        v.place_otoco(c.now, c.account()?, p)
    }),
    order("orderList.cancel", Weight::OfFailure, 0, |v, c, p| {
        v.cancel_list(c.now, c.account()?, p)
    }),
    read("order.status", 4, READ, |v, c, p| v.query(c.account()?, p)),
    read("order.amendments", 4, READ, |v, c, p| v.amendments(c.account()?, p)),
    weighed("openOrders.status", Weight::OpenOrders, READ, |v, c, p| {
        v.open_orders(c.account()?, p)
    }),
    read("allOrders", 20, READ, |v, c, p| v.all_orders(c.account()?, p)),
    read("orderList.status", 4, READ, |v, c, p| v.query_list(c.account()?, p)),
    read("openOrderLists.status", 6, READ, |v, c, _| Ok(v.open_lists(c.account()?))),
    read("allOrderLists", 20, READ, |v, c, p| v.all_lists(c.account()?, p)),
    read("account.status", 20, READ, |v, c, p| v.account(c.account()?, p)),
    read("account.commission", 20, READ, |v, c, p| v.commissions(c.account()?, p)),
    read("account.rateLimits.orders", 40, READ, |v, c, _| {
        Ok(v.limits.order_report(c.now, c.account()?))
    }),
    weighed("myTrades", Weight::Trades, READ, |v, c, p| v.my_trades(c.account()?, p)),
];
