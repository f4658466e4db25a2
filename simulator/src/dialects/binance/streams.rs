//! Who listens to which stream, and the SUBSCRIBE dialogue (`venues/binance.md` sections 1, 3).
//! Which names there are is each market's own.
//!
//! A message is encoded once and shared. A subscriber that falls behind its queue is dropped:
//! it never holds the market back.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::exchange::account::AccountId;

/// Messages that may wait for a subscriber.
pub const QUEUE_MAX: usize = 32_768;
const STREAMS_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriberId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Public,
    Market,
    Private,
    /// Legacy URLs without a route: what isn't public is acknowledged and never sent.
    Unrouted,
}

/// Where a stream is sent; spot has public ones alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Public,
    Market,
}

/// A market's own reading of stream names: None for a malformed one. A well-formed name of an
/// unknown symbol is fine, and silent.
pub type Classify = fn(&str) -> Option<Class>;

#[derive(Clone, Debug)]
pub struct PrivateFeed {
    pub listen_key: String,
    pub account: AccountId,
    /// Event types wanted; None means all.
    pub events: Option<Vec<String>>,
}

#[derive(Debug)]
struct Subscriber {
    route: Route,
    combined: bool,
    streams: Vec<String>,
    private: Vec<PrivateFeed>,
    outbox: mpsc::Sender<Utf8Bytes>,
}

#[derive(Debug)]
pub struct Hub {
    classify: Classify,
    next: u64,
    subscribers: HashMap<SubscriberId, Subscriber>,
    by_stream: HashMap<String, Vec<SubscriberId>>,
    /// Market streams subscribed so far, which is what a held replay waits for.
    pub market_subscriptions: u64,
    pub published: u64,
    pub dropped_slow: u64,
}

impl Hub {
    pub fn new(classify: Classify) -> Self {
        Self {
            classify,
            next: 0,
            subscribers: HashMap::new(),
            by_stream: HashMap::new(),
            market_subscriptions: 0,
            published: 0,
            dropped_slow: 0,
        }
    }

    pub fn join(
        &mut self,
        route: Route,
        combined: bool,
        outbox: mpsc::Sender<Utf8Bytes>,
    ) -> SubscriberId {
        let id = SubscriberId(self.next);
        self.next = self.next.saturating_add(1);
        let (streams, private) = (Vec::new(), Vec::new());
        self.subscribers.insert(id, Subscriber { route, combined, streams, private, outbox });
        id
    }

    pub fn leave(&mut self, id: SubscriberId) {
        if let Some(gone) = self.subscribers.remove(&id) {
            for stream in &gone.streams {
                self.unlist(stream, id);
            }
        }
    }

    pub fn has(&self, stream: &str) -> bool {
        self.by_stream.contains_key(stream)
    }

    /// The fullest queue of a market subscriber, in messages.
    pub fn longest_queue(&self) -> usize {
        let depth = |one: &Subscriber| one.outbox.max_capacity() - one.outbox.capacity();
        self.subscribers
            .values()
            .filter(|one| !one.streams.is_empty())
            .map(depth)
            .max()
            .unwrap_or(0)
    }

    /// Sends one message to each subscriber of any of `names`, wrapped where it asked for it.
    pub fn publish(&mut self, names: &[String], message: &Utf8Bytes) {
        let mut slow = Vec::new();
        for name in names {
            let Some(listeners) = self.by_stream.get(name) else { continue };
            let mut wrapped: Option<Utf8Bytes> = None;
            for id in listeners {
                let Some(one) = self.subscribers.get(id) else { continue };
                let text = if one.combined {
                    let wrap = || Utf8Bytes::from(wrap(name, message));
                    wrapped.get_or_insert_with(wrap).clone()
                } else {
                    message.clone()
                };
                self.published = self.published.saturating_add(1);
                if one.outbox.try_send(text).is_err() {
                    slow.push(*id);
                }
            }
        }
        self.drop_slow(&slow);
    }

    /// Sends a user event to every connection that holds the account's listen key.
    pub fn publish_private(&mut self, account: AccountId, kind: &str, message: &str) {
        let raw = Utf8Bytes::from(message);
        let mut slow = Vec::new();
        for (id, one) in &self.subscribers {
            for feed in one.private.iter().filter(|feed| feed.account == account) {
                if feed.events.as_ref().is_some_and(|kinds| !kinds.iter().any(|k| k == kind)) {
                    continue;
                }
                let text = if one.combined {
                    Utf8Bytes::from(wrap(&feed.listen_key, message))
                } else {
                    raw.clone()
                };
                if one.outbox.try_send(text).is_err() {
                    slow.push(*id);
                }
            }
        }
        self.drop_slow(&slow);
    }

    pub fn listen(&mut self, id: SubscriberId, feed: PrivateFeed) {
        if let Some(one) = self.subscribers.get_mut(&id) {
            one.private.retain(|held| held.listen_key != feed.listen_key);
            one.private.push(feed);
        }
    }

    /// After a listen key has gone its connections stay open and silent.
    pub fn silence(&mut self, listen_key: &str) {
        for one in self.subscribers.values_mut() {
            one.private.retain(|feed| feed.listen_key != listen_key);
        }
    }

    pub fn route(&self, id: SubscriberId) -> Option<Route> {
        self.subscribers.get(&id).map(|one| one.route)
    }

    /// Adds a stream; false where its name is malformed or the connection has too many.
    pub fn subscribe(&mut self, id: SubscriberId, stream: &str) -> bool {
        let Some(class) = (self.classify)(stream) else { return false };
        let Some(one) = self.subscribers.get_mut(&id) else { return false };
        if one.streams.iter().any(|held| held == stream) {
            return true;
        }
        if one.streams.len() >= STREAMS_MAX {
            return false;
        }
        one.streams.push(stream.to_owned());
        let heard = matches!(
            (one.route, class),
            (Route::Public | Route::Unrouted, Class::Public) | (Route::Market, Class::Market)
        );
        if heard {
            self.by_stream.entry(stream.to_owned()).or_default().push(id);
            self.market_subscriptions = self.market_subscriptions.saturating_add(1);
        }
        true
    }

    /// Sends to every connection, whatever it subscribed: a notice of the venue itself.
    pub fn announce(&mut self, stream: &str, message: &str) {
        let mut slow = Vec::new();
        for (id, one) in &self.subscribers {
            let text = if one.combined { wrap(stream, message) } else { message.to_owned() };
            if one.outbox.try_send(Utf8Bytes::from(text)).is_err() {
                slow.push(*id);
            }
        }
        self.drop_slow(&slow);
    }

    pub fn unsubscribe(&mut self, id: SubscriberId, stream: &str) {
        if let Some(one) = self.subscribers.get_mut(&id) {
            one.streams.retain(|held| held != stream);
            one.private.retain(|feed| feed.listen_key != stream);
        }
        self.unlist(stream, id);
    }

    pub fn listing(&self, id: SubscriberId) -> Vec<String> {
        self.subscribers.get(&id).map_or_else(Vec::new, |one| {
            let keys = one.private.iter().map(|feed| feed.listen_key.clone());
            one.streams.iter().cloned().chain(keys).collect()
        })
    }

    pub fn set_combined(&mut self, id: SubscriberId, combined: bool) {
        if let Some(one) = self.subscribers.get_mut(&id) {
            one.combined = combined;
        }
    }

    pub fn is_combined(&self, id: SubscriberId) -> bool {
        self.subscribers.get(&id).is_some_and(|one| one.combined)
    }

    fn unlist(&mut self, stream: &str, id: SubscriberId) {
        if let Some(listeners) = self.by_stream.get_mut(stream) {
            listeners.retain(|held| *held != id);
            if listeners.is_empty() {
                self.by_stream.remove(stream);
            }
        }
    }

    fn drop_slow(&mut self, slow: &[SubscriberId]) {
        for id in slow {
            tracing::debug!(subscriber = id.0, "a subscriber fell behind and is disconnected");
            self.dropped_slow = self.dropped_slow.saturating_add(1);
            self.leave(*id);
        }
    }
}

fn wrap(stream: &str, message: &str) -> String {
    format!(r#"{{"stream":"{stream}","data":{message}}}"#)
}

/// What a control message asks for.
#[derive(Debug, PartialEq)]
pub enum Control {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    List,
    SetCombined(bool),
    GetCombined,
}

/// Reads a control message; the error is the reply, in the nested form seen on the wire.
pub fn read_control(text: &str) -> Result<(Value, Control), String> {
    let fault = |id: Value, code: i32, msg: &str| {
        json!({"error": {"code": code, "msg": msg}, "id": id}).to_string()
    };
    let Ok(Value::Object(message)) = serde_json::from_str::<Value>(text) else {
        return Err(fault(Value::Null, 3, "Invalid JSON: expected an object"));
    };
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    if !(id.is_null() || id.is_u64() || id.is_i64() || id.is_string()) {
        let text = "Invalid request: request ID must be an unsigned integer";
        return Err(fault(Value::Null, 2, text));
    }
    let Some(method) = message.get("method").and_then(Value::as_str) else {
        return Err(fault(id, 2, "Invalid request: missing field `method`"));
    };
    let params = message.get("params").and_then(Value::as_array);
    let names = || -> Option<Vec<String>> {
        params?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let property = |index: usize| params.and_then(|params| params.get(index));
    let is_combined = property(0).and_then(Value::as_str) == Some("combined");
    match method {
        "SUBSCRIBE" | "UNSUBSCRIBE" => match names() {
            Some(names) if method == "SUBSCRIBE" => Ok((id, Control::Subscribe(names))),
            Some(names) => Ok((id, Control::Unsubscribe(names))),
            None => Err(fault(id, 2, "Invalid request: params must be an array of strings")),
        },
        "LIST_SUBSCRIPTIONS" => Ok((id, Control::List)),
        "SET_PROPERTY" | "GET_PROPERTY" if !is_combined => Err(fault(id, 0, "Unknown property")),
        "GET_PROPERTY" => Ok((id, Control::GetCombined)),
        "SET_PROPERTY" => match property(1).and_then(Value::as_bool) {
            Some(combined) => Ok((id, Control::SetCombined(combined))),
            None => Err(fault(id, 1, "Invalid value type: expected Boolean")),
        },
        _ => Err(fault(id, 2, "Invalid request: unknown variant of method")),
    }
}

pub fn invalid_stream(id: &Value) -> String {
    json!({"error": {"code": 2, "msg": "Invalid request: invalid stream"}, "id": id}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_kind(stream: &str) -> Option<Class> {
        let market = stream.ends_with("@aggTrade");
        Some(if market { Class::Market } else { Class::Public })
    }

    #[test]
    fn a_slow_subscriber_is_dropped_and_the_others_go_on() {
        let mut hub = Hub::new(by_kind);
        let (slow, mut slow_queue) = mpsc::channel(1);
        let (quick, mut quick_queue) = mpsc::channel(8);
        for outbox in [slow, quick] {
            let id = hub.join(Route::Public, false, outbox);
            assert!(hub.subscribe(id, "btcusdt@trade"));
        }
        let names = ["btcusdt@trade".to_owned()];
        for _ in 0..3 {
            hub.publish(&names, &Utf8Bytes::from("{}"));
        }
        assert_eq!(hub.dropped_slow, 1);
        assert!(slow_queue.try_recv().is_ok());
        assert_eq!(slow_queue.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        assert_eq!(std::iter::from_fn(|| quick_queue.try_recv().ok()).count(), 3);
    }

    #[test]
    fn an_unrouted_connection_acknowledges_market_streams_and_stays_silent() {
        let mut hub = Hub::new(by_kind);
        let (outbox, mut queue) = mpsc::channel(8);
        let id = hub.join(Route::Unrouted, false, outbox);
        assert!(hub.subscribe(id, "btcusdt@aggTrade"));
        assert_eq!(hub.listing(id), ["btcusdt@aggTrade"]);
        hub.publish(&["btcusdt@aggTrade".to_owned()], &Utf8Bytes::from("{}"));
        assert_eq!(queue.try_recv(), Err(mpsc::error::TryRecvError::Empty));
    }
}
