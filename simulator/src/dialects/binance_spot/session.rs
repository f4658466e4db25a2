//! What spot remembers of one order-entry connection, and whose requests it takes there
//! (`venues/binance.md` section 2).

use std::net::IpAddr;

use serde_json::{Value, json};

use super::Venue;
use super::errors::Reject;
use super::user_streams::ConnectionId;
use crate::dialects::binance::auth::{Need, Verifier};
use crate::dialects::binance::parameters::Parameters;
use crate::dialects::binance::roles::Rights;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

#[derive(Clone, Debug)]
struct Logon {
    key: String,
    since: UnixMillis,
    /// As they were then: a key whose rights have changed is invalid for the session.
    rights: Rights,
}

#[derive(Clone, Debug)]
pub struct ApiSession {
    pub connected_since: UnixMillis,
    pub address: IpAddr,
    pub return_rate_limits: bool,
    pub connection: ConnectionId,
    logon: Option<Logon>,
}

/// Why a request was not taken.
#[derive(Debug)]
pub enum Refused {
    /// The session's key has become invalid, which ends the session's logon.
    Revoked,
    Rejected(Reject),
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self::Rejected(reject)
    }
}

impl ApiSession {
    pub fn new(
        now: UnixMillis,
        address: IpAddr,
        return_rate_limits: bool,
        connection: ConnectionId,
    ) -> Self {
        Self { connected_since: now, address, return_rate_limits, connection, logon: None }
    }

    pub fn forget(&mut self) {
        self.logon = None;
    }
}

impl Venue {
    /// A key and signature in the request win over the session's key.
    pub fn ws_admit(
        &self,
        now: UnixMillis,
        session: &ApiSession,
        need: Need,
        sent: &Parameters,
    ) -> Result<AccountId, Refused> {
        let explicit = sent.get("apiKey");
        match &session.logon {
            Some(logon) if explicit.is_none() && sent.get("signature").is_none() => {
                let key = self.session_key(logon)?;
                self.keys.check_time(now, sent)?;
                Ok(self.keys.allowed(now, key, need)?)
            }
            logon => {
                let in_session = logon.as_ref().map(|logon| logon.key.as_str());
                let name = explicit.or(in_session).ok_or_else(|| Reject::missing("apiKey"))?;
                let payload = sent.sorted_payload();
                Ok(self.keys.signed(now, Some(name), sent, payload.as_bytes(), need)?)
            }
        }
    }

    fn session_key(
        &self,
        logon: &Logon,
    ) -> Result<&crate::dialects::binance::auth::ApiKey, Refused> {
        let key = self.keys.active(Some(&logon.key)).map_err(|_| Refused::Revoked)?;
        if key.rights == logon.rights { Ok(key) } else { Err(Refused::Revoked) }
    }

    /// The account that the session is logged on to, for requests without parameters.
    pub fn session_account(&self, session: &ApiSession) -> Result<AccountId, Refused> {
        let Some(logon) = &session.logon else {
            let text = "WebSocket session is not authenticated.";
            return Err(Refused::Rejected(Reject::new(401, -1002, text)));
        };
        Ok(self.session_key(logon)?.account)
    }

    pub fn logon(
        &self,
        now: UnixMillis,
        session: &mut ApiSession,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let name = sent.mandatory("apiKey")?;
        let key = self.keys.active(Some(name))?;
        if matches!(key.verifier, Verifier::Hmac(_)) {
            return Err(Reject::bad(-4056, "HMAC_SHA256 API key is not supported."));
        }
        let payload = sent.sorted_payload();
        self.keys.signed(now, Some(name), sent, payload.as_bytes(), Need::Read)?;
        session.logon = Some(Logon { key: name.to_owned(), since: now, rights: key.rights });
        Ok(self.session_status(now, session))
    }

    pub fn logout(&mut self, now: UnixMillis, session: &mut ApiSession) -> Value {
        session.forget();
        self.user_streams.on_logout(now, session.connection);
        self.session_status(now, session)
    }

    pub fn session_status(&self, now: UnixMillis, session: &ApiSession) -> Value {
        let logon = session.logon.as_ref();
        json!({
            "apiKey": logon.map(|logon| logon.key.as_str()),
            "authorizedSince": logon.map(|logon| logon.since.0),
            "connectedSince": session.connected_since.0,
            "returnRateLimits": session.return_rate_limits,
            "serverTime": now.0,
            "userDataStream": self.user_streams.is_listening(session.connection),
        })
    }
}
