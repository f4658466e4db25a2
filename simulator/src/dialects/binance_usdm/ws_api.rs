//! Order entry over WebSocket: the envelope, the session and its methods
//! (`venues/binance.md` sections 2, 4.1, 4.4).

use std::net::IpAddr;

use serde_json::{Value, json};

use super::accounts::PositionShape;
use super::errors::Reject;
use super::{Caller, Venue};
use crate::dialects::binance::auth::{Need, Verifier};
use crate::dialects::binance::envelope::{self, Envelope, failure, success};
use crate::dialects::binance::parameters::Parameters;
use crate::dialects::binance::roles::Rights;
use crate::dialects::binance::trouble::Troubled;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

/// What the venue remembers of one connection.
#[derive(Clone, Debug)]
pub struct ApiSession {
    pub connected_since: UnixMillis,
    pub address: IpAddr,
    pub return_rate_limits: bool,
    authorized: Option<(String, UnixMillis, Rights)>,
}

impl ApiSession {
    pub fn new(now: UnixMillis, address: IpAddr, return_rate_limits: bool) -> Self {
        Self { connected_since: now, address, return_rate_limits, authorized: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Open,
    Key,
    Signed(Need),
}

type Call = fn(&mut Venue, &Caller, &Parameters) -> Result<Value, Reject>;

struct Method {
    /// Without a version prefix.
    name: &'static str,
    weight: u64,
    access: Access,
    /// Counts one order in both windows.
    counts_order: bool,
    is_order: bool,
    call: Call,
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
        let weighed = self.limits.weights.charge(now, session.address, weight(&envelope));
        let (outcome, account) = match weighed {
            Err(reject) => (Err(reject), None),
            Ok(()) if self.trouble.in_maintenance(now) => (Err(Reject::unavailable()), None),
            Ok(()) => match self.ws_outcome(now, session, &envelope) {
                WsAnswer::Silent => return None,
                WsAnswer::Revoked => {
                    session.authorized = None;
                    // The venue does not say which request met the revoked key.
                    return Some(failure(&Value::Null, &Reject::key(), None));
                }
                WsAnswer::Outcome(outcome, account) => (outcome, account),
            },
        };
        let limits = report.then(|| self.limits.report(now, session.address, account));
        Some(match outcome {
            Ok(result) => success(&envelope.id, result, limits),
            Err(reject) => failure(&envelope.id, &reject, limits),
        })
    }

    fn ws_outcome(
        &mut self,
        now: UnixMillis,
        session: &mut ApiSession,
        envelope: &Envelope,
    ) -> WsAnswer {
        let plain = |outcome| WsAnswer::Outcome(outcome, None);
        let sent = match Parameters::from_json(&envelope.params) {
            Ok(sent) => sent,
            Err(reject) => return plain(Err(reject)),
        };
        match envelope.method.as_str() {
            "session.logon" => return plain(self.logon(now, session, &sent)),
            "session.status" => return plain(Ok(status(now, session))),
            "session.logout" => {
                session.authorized = None;
                return plain(Ok(status(now, session)));
            }
            _ => {}
        }
        let Some(method) = METHODS.iter().find(|method| method.name == envelope.method) else {
            let text = format!("Path /ws-fapi/v1, Method {} is invalid", envelope.method);
            return plain(Err(Reject::bad(-5000, text)));
        };
        let account = match self.ws_admit(now, session, method.access, &sent) {
            Ok(account) => account,
            Err(Refused::Revoked) => return WsAnswer::Revoked,
            Err(Refused::Rejected(reject)) => return plain(Err(reject)),
        };
        let counted = account.filter(|_| method.counts_order);
        if let Some(account) = counted
            && let Err(reject) = self.limits.charge_orders(now, account, 1, 1)
        {
            return WsAnswer::Outcome(Err(reject), counted);
        }
        let version = envelope.version.clone();
        let caller = Caller { now, account, version };
        match self.trouble.take(method.is_order) {
            Troubled::No => WsAnswer::Outcome((method.call)(self, &caller, &sent), counted),
            Troubled::Error { reject, applied } => {
                if applied {
                    // What came of it is what the client must find out.
                    let _ = (method.call)(self, &caller, &sent);
                }
                WsAnswer::Outcome(Err(reject), counted)
            }
            Troubled::Silent { applied } => {
                if applied {
                    let _ = (method.call)(self, &caller, &sent);
                }
                WsAnswer::Silent
            }
        }
    }

    /// A key and signature in the request win over the session's key.
    fn ws_admit(
        &self,
        now: UnixMillis,
        session: &ApiSession,
        access: Access,
        sent: &Parameters,
    ) -> Result<Option<AccountId>, Refused> {
        let explicit = sent.get("apiKey");
        let in_session = session.authorized.as_ref().map(|(key, ..)| key.as_str());
        let need = match access {
            Access::Open => return Ok(None),
            Access::Key => Need::Read,
            Access::Signed(need) => need,
        };
        if explicit.is_none() && sent.get("signature").is_none() && in_session.is_some() {
            let key = self.keys.active(in_session).map_err(|_| Refused::Revoked)?;
            if session.authorized.as_ref().is_some_and(|(.., rights)| *rights != key.rights) {
                return Err(Refused::Revoked);
            }
            if access != Access::Key {
                self.keys.check_time(now, sent)?;
            }
            return Ok(Some(self.keys.allowed(now, key, need)?));
        }
        if access == Access::Key {
            let name = explicit.ok_or_else(|| Reject::missing("apiKey"))?;
            return Ok(Some(self.keys.allowed(now, self.keys.active(Some(name))?, need)?));
        }
        let name = explicit.or(in_session).ok_or_else(|| Reject::missing("apiKey"))?;
        let payload = sent.sorted_payload();
        Ok(Some(self.keys.signed(now, Some(name), sent, payload.as_bytes(), need)?))
    }

    fn logon(
        &self,
        now: UnixMillis,
        session: &mut ApiSession,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let name = sent.mandatory("apiKey")?;
        let key = self.keys.active(Some(name))?;
        if matches!(key.verifier, Verifier::Hmac(_)) {
            let text = "HMAC_SHA256 API key is not supported.";
            return Err(Reject::bad(-4056, text));
        }
        let payload = sent.sorted_payload();
        self.keys.signed(now, Some(name), sent, payload.as_bytes(), Need::Read)?;
        session.authorized = Some((name.to_owned(), now, key.rights));
        Ok(status(now, session))
    }
}

enum WsAnswer {
    Outcome(Result<Value, Reject>, Option<AccountId>),
    Silent,
    Revoked,
}

enum Refused {
    Revoked,
    Rejected(Reject),
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self::Rejected(reject)
    }
}

fn weight(envelope: &Envelope) -> u64 {
    let known = METHODS.iter().find(|method| method.name == envelope.method);
    known.map_or(SESSION_WEIGHT, |method| method.weight)
}

fn status(now: UnixMillis, session: &ApiSession) -> Value {
    let (key, since) = match &session.authorized {
        Some((key, since, _)) => (json!(key), json!(since.0)),
        None => (Value::Null, Value::Null),
    };
    json!({
        "apiKey": key,
        "authorizedSince": since,
        "connectedSince": session.connected_since.0,
        "returnRateLimits": session.return_rate_limits,
        "serverTime": now.0,
    })
}

const READ: Access = Access::Signed(Need::Read);
const SESSION_WEIGHT: u64 = 2;

const fn read(name: &'static str, weight: u64, access: Access, call: Call) -> Method {
    Method { name, weight, access, counts_order: false, is_order: false, call }
}

const fn order(name: &'static str, weight: u64, counts_order: bool, call: Call) -> Method {
    let access = Access::Signed(Need::Trade);
    Method { name, weight, access, counts_order, is_order: true, call }
}

const METHODS: &[Method] = &[
    order("order.place", 0, true, |v, c, p| v.place(c.now, c.account()?, p)),
    order("order.modify", 0, true, |v, c, p| v.modify(c.now, c.account()?, p)),
    order("order.cancel", 1, false, |v, c, p| v.cancel(c.now, c.account()?, p)),
    order("algoOrder.place", 0, true, |v, c, p| v.place_algo(c.now, c.account()?, p)),
    order("algoOrder.cancel", 1, false, |v, c, p| v.cancel_algo(c.now, c.account()?, p)),
    read("order.status", 1, READ, |v, c, p| v.query(c.account()?, p)),
    read("account.balance", 5, READ, |v, c, _| Ok(v.balances(c.account()?))),
    read("account.status", 5, READ, |v, c, _| Ok(v.account_v2(c.account()?))),
    read("account.position", 5, READ, |v, c, p| {
        let shape = match c.version.as_deref() {
            Some("v2") => PositionShape::V3,
            Some(_) | None => PositionShape::V2,
        };
        v.position_risk(c.account()?, p, shape)
    }),
    read("userDataStream.start", 5, Access::Key, |v, c, _| {
        Ok(v.open_listen_key(c.now, c.account()?))
    }),
    read("userDataStream.ping", 1, Access::Key, |v, c, p| {
        v.extend_listen_key(c.now, c.account()?, p)
    }),
    read("userDataStream.stop", 1, Access::Key, |v, c, _| v.close_listen_key(c.account()?)),
    read("depth", 5, Access::Open, |v, c, p| v.depth(c.now, p)),
    read("ticker.book", 2, Access::Open, |v, c, p| v.book_ticker(c.now, p)),
    read("ticker.price", 1, Access::Open, |v, c, p| v.price_ticker(c.now, p)),
];
