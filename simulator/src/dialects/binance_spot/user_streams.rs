//! Who listens to which account on the order-entry connections (`venues/binance.md` section 4.3).
//!
//! A connection that falls behind its queue is dropped, as a market subscriber is.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::errors::Reject;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;

const ACTIVE_MAX: usize = 1_000;
const LIFETIME_MAX: u32 = 65_535;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

#[derive(Clone, Copy, Debug)]
struct Subscription {
    id: u32,
    account: AccountId,
    /// It ends with the session's logon.
    by_session: bool,
}

#[derive(Debug)]
struct Listener {
    outbox: mpsc::Sender<Utf8Bytes>,
    next: u32,
    active: Vec<Subscription>,
}

#[derive(Debug, Default)]
pub struct UserStreams {
    next: u64,
    listeners: HashMap<ConnectionId, Listener>,
}

impl UserStreams {
    pub fn join(&mut self, outbox: mpsc::Sender<Utf8Bytes>) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next = self.next.saturating_add(1);
        self.listeners.insert(id, Listener { outbox, next: 0, active: Vec::new() });
        id
    }

    pub fn leave(&mut self, id: ConnectionId) {
        self.listeners.remove(&id);
    }

    pub fn is_listening(&self, id: ConnectionId) -> bool {
        self.listeners.get(&id).is_some_and(|one| !one.active.is_empty())
    }

    /// The number of the new subscription.
    pub fn subscribe(
        &mut self,
        id: ConnectionId,
        account: AccountId,
        by_session: bool,
    ) -> Result<u32, Reject> {
        let one = self.listeners.get_mut(&id).ok_or_else(Reject::unavailable)?;
        if one.active.iter().any(|held| held.account == account) {
            return Err(Reject::bad(-2035, "User Data Stream subscription already active."));
        }
        if one.active.len() >= ACTIVE_MAX || one.next >= LIFETIME_MAX {
            let text = "Maximum subscription ID reached for this connection.";
            return Err(Reject::bad(-2042, text));
        }
        let number = one.next;
        one.next = one.next.saturating_add(1);
        one.active.push(Subscription { id: number, account, by_session });
        Ok(number)
    }

    /// Ends one subscription, or all; each is told of its end.
    pub fn unsubscribe(
        &mut self,
        now: UnixMillis,
        id: ConnectionId,
        number: Option<u64>,
    ) -> Result<(), Reject> {
        let wanted = |held: &Subscription| number.is_none_or(|n| n == u64::from(held.id));
        let ended = self.end(now, id, wanted);
        if ended == 0 && number.is_some() {
            return Err(Reject::bad(-2036, "User Data Stream subscription not active."));
        }
        Ok(())
    }

    /// The session has logged out: what it subscribed as itself ends.
    pub fn on_logout(&mut self, now: UnixMillis, id: ConnectionId) {
        self.end(now, id, |held| held.by_session);
    }

    fn end(
        &mut self,
        now: UnixMillis,
        id: ConnectionId,
        which: impl Fn(&Subscription) -> bool,
    ) -> usize {
        let Some(one) = self.listeners.get_mut(&id) else { return 0 };
        let (ended, kept) = one.active.iter().partition(|held| which(held));
        one.active = kept;
        let ended: Vec<Subscription> = ended;
        for held in &ended {
            let event = json!({"e": "eventStreamTerminated", "E": now.0}).to_string();
            // A full queue ends the connection, which says the same.
            let _ = one.outbox.try_send(wrap(held.id, &event));
        }
        ended.len()
    }

    pub fn listing(&self, id: ConnectionId) -> Value {
        let active = self.listeners.get(&id).map_or(&[][..], |one| &one.active);
        active.iter().map(|held| json!({"subscriptionId": held.id})).collect()
    }

    pub fn publish(&mut self, account: AccountId, event: &str) {
        self.listeners.retain(|_, one| {
            let mut heard = one.active.iter().filter(|held| held.account == account);
            heard.all(|held| one.outbox.try_send(wrap(held.id, event)).is_ok())
        });
    }

    /// Sends to every connection: a notice of the venue itself, of no subscription.
    pub fn announce(&mut self, event: &str) {
        let text = Utf8Bytes::from(format!(r#"{{"event":{event}}}"#));
        self.listeners.retain(|_, one| one.outbox.try_send(text.clone()).is_ok());
    }
}

fn wrap(number: u32, event: &str) -> Utf8Bytes {
    Utf8Bytes::from(format!(r#"{{"subscriptionId":{number},"event":{event}}}"#))
}
