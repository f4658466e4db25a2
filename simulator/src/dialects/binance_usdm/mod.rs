//! Binance USDⓈ-M futures as a venue: one state machine behind every socket, composed from
//! `venues/binance.md` alone.
//!
//! Sans-IO but for the queues of its subscribers: the time is an argument, sockets are the
//! server's.

pub mod accounts;
pub mod algo;
pub mod algo_form;
pub mod errors;
pub mod feeds;
pub mod filters;
pub mod funding;
pub mod instruments;
pub mod limits;
pub mod modes;
pub mod order_form;
pub mod orders;
pub mod rest;
pub mod stream_names;
pub mod user_data;
pub mod ws_api;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::algo::AlgoOrders;
use self::errors::Reject;
use self::feeds::Feed;
use self::funding::Funding;
use self::limits::Limits;
use self::user_data::{LegState, ListenKeys};
use super::binance::auth::Keys;
use super::binance::parameters::Parameters;
use super::binance::streams::{self, Control, Hub, PrivateFeed, Route, SubscriberId};
use super::binance::trouble::{Trouble, UserEvent};
use crate::exchange::account::AccountId;
use crate::exchange::displayed::{DepthChange, Touch};
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{Price, Quantity};
use crate::exchange::order::{PositionSide, TradeId, UnixMillis};
use crate::exchange::{Event, Exchange, Print};
use crate::faults::{FaultKind, Socket};
use crate::random::Random;

/// Who called and when.
#[derive(Clone, Debug)]
pub struct Caller {
    pub now: UnixMillis,
    pub account: Option<AccountId>,
    /// The version prefix of a WebSocket method.
    pub version: Option<String>,
}

impl Caller {
    fn account(&self) -> Result<AccountId, Reject> {
        self.account.ok_or_else(Reject::key)
    }
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
    algo: AlgoOrders,
    pub funding: Funding,
    pub trouble: Trouble,
    started: UnixMillis,
}

impl Venue {
    pub fn new(
        now: UnixMillis,
        exchange: Exchange,
        keys: Keys,
        limits_multiplier: u32,
        funding_every_ms: u64,
        random: Random,
    ) -> Self {
        let feeds =
            exchange.markets().map(|(_, market)| Feed::new(&market.instrument.symbol)).collect();
        Self {
            exchange,
            keys,
            hub: Hub::new(stream_names::classify),
            limits: Limits::new(limits_multiplier),
            listen_keys: ListenKeys::default(),
            feeds,
            random,
            countdowns: BTreeMap::new(),
            algo: AlgoOrders::default(),
            funding: Funding::new(now, funding_every_ms),
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
        self.drain_events(now);
        // A triggered order is an operation of its own, and may trigger others.
        while self.fire_algo(now) {
            self.drain_events(now);
        }
    }

    fn drain_events(&mut self, now: UnixMillis) {
        for event in self.exchange.take_events() {
            self.tell(now, event);
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

    fn tell(&mut self, now: UnixMillis, event: Event) {
        match event {
            Event::Order { order, change, at } => {
                let market = self.exchange.market(order.asked.instrument);
                let text = user_data::order_changed(at, &market.instrument, &order, change);
                self.publish_user(order.asked.account, "ORDER_TRADE_UPDATE", text);
                self.finish_algo(now, &order);
            }
            Event::Filled(event) => {
                let account = event.order.asked.account;
                let (instrument, side) = (event.fill.instrument, event.fill.position_side);
                let leg = self.leg_state(account, instrument, side, &event.position);
                let lite = user_data::trade_lite(leg.instrument, &event);
                let wallet = user_data::account_update(&event, &leg);
                let update = user_data::order_filled(leg.instrument, &event);
                self.publish_user(account, "TRADE_LITE", lite);
                self.publish_user(account, "ACCOUNT_UPDATE", wallet);
                self.publish_user(account, "ORDER_TRADE_UPDATE", update);
                self.finish_algo(now, &event.order);
            }
            Event::Printed(print) => {
                let market = self.exchange.market(print.instrument);
                if let Some(feed) = self.feeds.get_mut(print.instrument.0) {
                    feed.on_print(now, market, &print, &mut self.hub);
                }
            }
            Event::Funded { account, payment } => {
                let held = self.exchange.account(account);
                let (wallet, side) = (held.wallet, payment.position_side);
                let position = held.leg(payment.instrument, side);
                let leg = self.leg_state(account, payment.instrument, side, &position);
                let text = user_data::funding_update(&payment, wallet, &leg);
                self.publish_user(account, "ACCOUNT_UPDATE", text);
            }
            // A market on margin has no balances by asset and no lists.
            Event::Balances { .. } | Event::Deposited { .. } | Event::List { .. } => {}
        }
    }

    fn leg_state<'a>(
        &'a self,
        account: AccountId,
        id: InstrumentId,
        side: PositionSide,
        position: &'a crate::exchange::account::Position,
    ) -> LegState<'a> {
        let market = self.exchange.market(id);
        LegState {
            instrument: &market.instrument,
            side,
            position,
            mark: market.mark(),
            taker_rate: self.exchange.fees().taker,
            isolated: self.isolated_margin(account, id, side),
        }
    }

    fn publish_user(&mut self, account: AccountId, kind: &'static str, text: String) {
        for event in self.trouble.pass(UserEvent { account, kind, text }) {
            self.hub.publish_private(event.account, event.kind, &event.text);
        }
    }

    /// Timers: dead-man switches, dated orders, funding, listen keys, slower streams.
    pub fn on_timer(&mut self, now: UnixMillis) {
        let due: Vec<_> =
            self.countdowns.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
        for (account, instrument) in due {
            self.countdowns.remove(&(account, instrument));
            self.exchange.cancel_all(now, account, instrument);
        }
        self.exchange.expire_dated(now);
        self.drain(now);
        self.pay_due_funding(now);
        for (account, key) in self.listen_keys.expire(now) {
            self.end_listen_key(now, account, &key);
        }
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            let market = self.exchange.market(InstrumentId(index));
            feed.on_timer(now, market, &self.funding, &mut self.hub);
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
        self.drain(now);
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
        self.limits.weights.charge(now, address, weight)
    }

    /// Plays the market's part of a fault; what concerns sockets alone is the server's.
    pub fn apply_fault(&mut self, now: UnixMillis, fault: &FaultKind) {
        self.trouble.apply(now, fault);
        match fault {
            FaultKind::Duplicate { count, socket: Socket::Public } => {
                self.feeds.iter_mut().for_each(|feed| feed.duplicate = *count);
            }
            FaultKind::Duplicate { count, socket: _ } => self.trouble.duplicate(*count),
            FaultKind::Gap { count } => {
                self.feeds.iter_mut().for_each(|feed| feed.skip_depth = *count);
            }
            FaultKind::RevokeKey { api_key: Some(key) } => {
                self.keys.revoke(key);
            }
            FaultKind::RevokeKey { api_key: None } => self.keys.revoke_all(),
            FaultKind::ChangeRole { api_key, role } => {
                self.keys.change_rights(api_key, role.rights(now));
            }
            FaultKind::ListenKeyExpired {} => {
                for (account, key) in self.listen_keys.expire_all() {
                    self.end_listen_key(now, account, &key);
                }
            }
            FaultKind::ServerShutdown {} => {
                let notice = json!({"e": "serverShutdown", "E": now.0}).to_string();
                self.hub.announce("!serverShutdown", &notice);
            }
            FaultKind::Error { .. }
            | FaultKind::NoReply { .. }
            | FaultKind::Html502 { .. }
            | FaultKind::Reorder {}
            | FaultKind::Maintenance { .. }
            | FaultKind::Delay { .. }
            | FaultKind::Drop { .. }
            | FaultKind::Reset { .. }
            | FaultKind::HalfOpen { .. }
            | FaultKind::Stall { .. }
            | FaultKind::ClockSkew { .. } => {}
        }
    }
}
