//! Binance USDⓈ-M futures as a venue: one state machine behind every socket, composed from
//! `venues/binance.md` alone.
//!
//! Sans-IO but for the queues of its subscribers: the time is an argument, sockets are the
//! server's.

pub mod accounts;
pub mod auth;
pub mod errors;
pub mod feeds;
pub mod filters;
pub mod instruments;
pub mod limits;
pub mod order_form;
pub mod orders;
pub mod parameters;
pub mod rest;
pub mod streams;
pub mod user_data;
pub mod ws_api;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::auth::Keys;
use self::errors::Reject;
use self::feeds::Feed;
use self::limits::Limits;
use self::parameters::Parameters;
use self::streams::{Control, Hub, PrivateFeed, Route, SubscriberId};
use self::user_data::ListenKeys;
use crate::exchange::account::AccountId;
use crate::exchange::displayed::{DepthChange, Touch};
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{TradeId, UnixMillis};
use crate::exchange::{Event, Exchange, Print};
use crate::faults::{FaultKind, Socket};
use crate::random::Random;

/// Who called and when.
#[derive(Clone, Debug)]
pub struct Caller {
    pub now: UnixMillis,
    pub account: Option<AccountId>,
    pub key: Option<String>,
    /// The version prefix of a WebSocket method.
    pub version: Option<String>,
}

impl Caller {
    fn account(&self) -> Result<AccountId, Reject> {
        self.account.ok_or_else(Reject::key)
    }
}

/// What a fault does to an order request.
#[derive(Debug)]
enum Troubled {
    No,
    Error { reject: Reject, applied: bool },
    Silent { applied: bool },
}

/// Programmed faults that the venue itself plays.
#[derive(Debug, Default)]
struct Trouble {
    error: Option<(Reject, bool)>,
    errors_left: u32,
    silent_applied: bool,
    silent_left: u32,
    html_502_left: u32,
    duplicate_left: u32,
    reorder: Reorder,
    maintenance_until: UnixMillis,
}

#[derive(Debug, Default)]
enum Reorder {
    #[default]
    Off,
    Armed,
    Holding(AccountId, &'static str, String),
}

#[derive(Debug)]
pub struct Venue {
    pub exchange: Exchange,
    pub keys: Keys,
    pub hub: Hub,
    limits: Limits,
    listen_keys: ListenKeys,
    feeds: Vec<Feed>,
    random: Random,
    countdowns: BTreeMap<(AccountId, InstrumentId), UnixMillis>,
    trouble: Trouble,
    started: UnixMillis,
}

impl Venue {
    pub fn new(
        now: UnixMillis,
        exchange: Exchange,
        keys: Keys,
        limits_multiplier: u32,
        random: Random,
    ) -> Self {
        let feeds =
            exchange.markets().map(|(_, market)| Feed::new(&market.instrument.symbol)).collect();
        Self {
            exchange,
            keys,
            hub: Hub::default(),
            limits: Limits::new(limits_multiplier),
            listen_keys: ListenKeys::default(),
            feeds,
            random,
            countdowns: BTreeMap::new(),
            trouble: Trouble::default(),
            started: now,
        }
    }

    fn update_id(&self, id: InstrumentId) -> u64 {
        self.feeds.get(id.0).map_or(0, |feed| feed.update_id)
    }

    /// Sends what the exchange did since the last call. Called after every operation, so that
    /// snapshots and streams never disagree.
    pub fn drain(&mut self, now: UnixMillis) {
        for event in self.exchange.take_events() {
            match event {
                Event::Order { order, change, at } => {
                    let market = self.exchange.market(order.asked.instrument);
                    let text = user_data::order_changed(at, &market.instrument, &order, change);
                    self.publish_user(order.asked.account, "ORDER_TRADE_UPDATE", text);
                }
                Event::Filled(event) => {
                    let market = self.exchange.market(event.fill.instrument);
                    let (instrument, account) = (&market.instrument, event.order.asked.account);
                    let lite = user_data::trade_lite(instrument, &event);
                    let taker = self.exchange.fees().taker;
                    let wallet =
                        user_data::account_update(instrument, &event, market.mark(), taker);
                    let update = user_data::order_filled(instrument, &event);
                    self.publish_user(account, "TRADE_LITE", lite);
                    self.publish_user(account, "ACCOUNT_UPDATE", wallet);
                    self.publish_user(account, "ORDER_TRADE_UPDATE", update);
                }
                Event::Printed(print) => {
                    let market = self.exchange.market(print.instrument);
                    if let Some(feed) = self.feeds.get_mut(print.instrument.0) {
                        feed.on_print(now, market, &print, &mut self.hub);
                    }
                }
            }
        }
        for index in 0..self.feeds.len() {
            let id = InstrumentId(index);
            let changed = self.exchange.take_changed(id);
            let market = self.exchange.market(id);
            if !changed.is_empty() && market.displayed.is_none() {
                self.feeds[index].on_levels(now, market, &changed, &mut self.hub);
            }
        }
    }

    fn publish_user(&mut self, account: AccountId, kind: &'static str, text: String) {
        match std::mem::take(&mut self.trouble.reorder) {
            Reorder::Off => self.send_user(account, kind, &text),
            Reorder::Armed => self.trouble.reorder = Reorder::Holding(account, kind, text),
            Reorder::Holding(held_account, held_kind, held) => {
                self.send_user(account, kind, &text);
                self.send_user(held_account, held_kind, &held);
            }
        }
    }

    fn send_user(&mut self, account: AccountId, kind: &str, text: &str) {
        self.hub.publish_private(account, kind, text);
        if self.trouble.duplicate_left > 0 {
            self.trouble.duplicate_left -= 1;
            self.hub.publish_private(account, kind, text);
        }
    }

    /// Timers: dead-man switches, dated orders, listen keys, slower streams.
    pub fn on_timer(&mut self, now: UnixMillis) {
        let due: Vec<_> =
            self.countdowns.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for (account, instrument) in due {
            self.countdowns.remove(&(account, instrument));
            self.exchange.cancel_all(now, account, instrument);
        }
        self.exchange.expire_dated(now);
        self.drain(now);
        for (account, key) in self.listen_keys.expire(now) {
            self.end_listen_key(now, account, &key);
        }
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            let market = self.exchange.market(InstrumentId(index));
            feed.on_timer(now, market, &mut self.hub);
        }
    }

    fn countdown(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let after = sent.mandatory_integer("countdownTime")?;
        if after == 0 {
            self.countdowns.remove(&(account, instrument));
        } else {
            self.countdowns.insert((account, instrument), now.plus(after));
        }
        let symbol = &self.exchange.market(instrument).instrument.symbol;
        Ok(json!({"symbol": symbol, "countdownTime": after.to_string()}))
    }

    fn open_listen_key(&mut self, now: UnixMillis, account: AccountId) -> Value {
        let random = &mut self.random;
        let key = self.listen_keys.open(now, account, || random.text(64));
        json!({"listenKey": key})
    }

    fn extend_listen_key(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let key = self.listen_keys.extend(now, account, sent.get("listenKey"));
        key.map(|key| json!({"listenKey": key})).ok_or_else(Reject::listen_key)
    }

    fn close_listen_key(&mut self, account: AccountId) -> Result<Value, Reject> {
        let key = self.listen_keys.close(account).ok_or_else(Reject::listen_key)?;
        self.hub.silence(&key);
        Ok(json!({}))
    }

    fn end_listen_key(&mut self, now: UnixMillis, account: AccountId, key: &str) {
        let text = user_data::listen_key_expired(now, key);
        self.hub.publish_private(account, "listenKeyExpired", &text);
        self.hub.silence(key);
    }

    /// Attaches a private connection to a listen key; an unknown key is silent.
    pub fn listen(&mut self, id: SubscriberId, key: &str, events: Option<Vec<String>>) {
        if let Some(account) = self.listen_keys.owner(key) {
            let feed = PrivateFeed { listen_key: key.to_owned(), account, events };
            self.hub.listen(id, feed);
        }
    }

    /// The reply to one text frame on a stream connection.
    pub fn stream_control(&mut self, id: SubscriberId, text: &str) -> String {
        let (request, control) = match streams::read_control(text) {
            Ok(read) => read,
            Err(reply) => return reply,
        };
        let result = match control {
            Control::Subscribe(names) => {
                for name in names {
                    let is_key = !name.contains('@') && !name.starts_with('!');
                    if is_key && self.hub.route(id) == Some(Route::Private) {
                        self.listen(id, &name, None);
                    } else if !self.hub.subscribe(id, &name) {
                        return streams::invalid_stream(&request);
                    }
                }
                Value::Null
            }
            Control::Unsubscribe(names) => {
                names.iter().for_each(|name| self.hub.unsubscribe(id, name));
                Value::Null
            }
            Control::List => json!(self.hub.listing(id)),
            Control::SetCombined(combined) => {
                self.hub.set_combined(id, combined);
                Value::Null
            }
            Control::GetCombined => json!(self.hub.is_combined(id)),
        };
        json!({"result": result, "id": request}).to_string()
    }

    pub fn replay_depth(
        &mut self,
        now: UnixMillis,
        id: InstrumentId,
        change: &DepthChange,
        message: &Utf8Bytes,
    ) {
        self.exchange.apply_depth(id, change);
        let market = self.exchange.market(id);
        let ids = (change.first_id, change.last_id, change.previous_id);
        if let Some(feed) = self.feeds.get_mut(id.0) {
            feed.replay_depth(now, market, message, ids, &mut self.hub);
        }
    }

    pub fn replay_touch(&mut self, id: InstrumentId, touch: Touch, message: &Utf8Bytes) {
        self.exchange.apply_touch(id, touch);
        if let Some(feed) = self.feeds.get_mut(id.0) {
            feed.replay_touch(message, &mut self.hub);
        }
    }

    /// A recorded trade: our resting orders meet it first, then the public hears of it.
    pub fn replay_trade(
        &mut self,
        now: UnixMillis,
        id: InstrumentId,
        (trade, price, quantity, buyer_is_maker): (TradeId, Price, Quantity, bool),
        message: &Utf8Bytes,
    ) {
        self.exchange.apply_print(now, id, price, quantity, buyer_is_maker);
        self.drain(now);
        let market = self.exchange.market(id);
        let print = Print { instrument: id, trade, price, quantity, buyer_is_maker, at: now };
        if let Some(feed) = self.feeds.get_mut(id.0) {
            feed.replay_trade(message, &mut self.hub);
            feed.aggregate(now, market, &print, &mut self.hub);
        }
    }

    /// Opening an order session costs weight like a request.
    pub fn charge_handshake(
        &mut self,
        now: UnixMillis,
        address: IpAddr,
        weight: u64,
    ) -> Result<(), Reject> {
        self.limits.charge_weight(now, address, weight)
    }

    pub fn in_maintenance(&self, now: UnixMillis) -> bool {
        self.trouble.maintenance_until > now
    }

    fn take_html_502(&mut self) -> bool {
        let due = self.trouble.html_502_left > 0;
        self.trouble.html_502_left = self.trouble.html_502_left.saturating_sub(1);
        due
    }

    fn take_trouble(&mut self, is_order: bool) -> Troubled {
        let trouble = &mut self.trouble;
        if !is_order {
            return Troubled::No;
        }
        if trouble.silent_left > 0 {
            trouble.silent_left -= 1;
            return Troubled::Silent { applied: trouble.silent_applied };
        }
        match &trouble.error {
            Some((reject, applied)) if trouble.errors_left > 0 => {
                trouble.errors_left -= 1;
                Troubled::Error { reject: reject.clone(), applied: *applied }
            }
            Some(_) | None => Troubled::No,
        }
    }

    /// Plays the venue's part of a fault; what concerns sockets alone is the server's.
    pub fn apply_fault(&mut self, now: UnixMillis, fault: &FaultKind) {
        match fault {
            FaultKind::Error { count, code, status, message, applied } => {
                let text = message.clone().unwrap_or_else(|| default_text(*code).to_owned());
                self.trouble.error = Some((Reject::new(*status, *code, text), *applied));
                self.trouble.errors_left = *count;
            }
            FaultKind::NoReply { count, applied } => {
                self.trouble.silent_left = *count;
                self.trouble.silent_applied = *applied;
            }
            FaultKind::Html502 { count } => self.trouble.html_502_left = *count,
            FaultKind::Duplicate { count, socket } => match socket {
                Socket::Public => self.feeds.iter_mut().for_each(|feed| feed.duplicate = *count),
                Socket::All | Socket::Rest | Socket::Private | Socket::Orders => {
                    self.trouble.duplicate_left = *count;
                }
            },
            FaultKind::Reorder {} => self.trouble.reorder = Reorder::Armed,
            FaultKind::Gap { count } => {
                self.feeds.iter_mut().for_each(|feed| feed.skip_depth = *count);
            }
            FaultKind::RevokeKey { api_key: Some(key) } => {
                self.keys.revoke(key);
            }
            FaultKind::RevokeKey { api_key: None } => self.keys.revoke_all(),
            FaultKind::ListenKeyExpired {} => {
                for (account, key) in self.listen_keys.expire_all() {
                    self.end_listen_key(now, account, &key);
                }
            }
            FaultKind::Maintenance { for_ms } => {
                self.trouble.maintenance_until = now.plus(*for_ms);
            }
            FaultKind::Delay { .. }
            | FaultKind::Drop { .. }
            | FaultKind::Reset { .. }
            | FaultKind::HalfOpen { .. }
            | FaultKind::Stall { .. }
            | FaultKind::ClockSkew { .. } => {}
        }
    }
}

/// The venue's text for codes whose text decides (`venues/binance.md` section 10).
fn default_text(code: i32) -> &'static str {
    match code {
        -1000 => "Unknown error, please check your request or try again later.",
        -1001 => "Internal error; unable to process your request. Please try again.",
        -1006 => {
            "An unexpected response was received from the message bus. Execution status \
                  unknown."
        }
        -1007 => {
            "Timeout waiting for response from backend server. Send status unknown; \
                  execution status unknown."
        }
        -1008 => {
            "Server is currently overloaded with other requests. Please try again in a few \
                  minutes."
        }
        -1015 => "Too many new orders.",
        -1016 => "This service is no longer available.",
        -2019 => "Margin is insufficient.",
        _ => "An error was programmed.",
    }
}
