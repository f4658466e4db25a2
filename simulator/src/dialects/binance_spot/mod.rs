//! Binance spot as a venue: one state machine behind every socket, composed from
//! `venues/binance.md` and the documents it names alone.
//!
//! Sans-IO but for the queues of its subscribers: the time is an argument, sockets are the
//! server's. No code is shared with the client side.

pub mod accounts;
pub mod errors;
pub mod feeds;
pub mod filters;
pub mod form;
pub mod instruments;
pub mod limits;
pub mod lists;
pub mod order_json;
pub mod orders;
pub mod replace;
pub mod reports;
pub mod rest;
pub mod session;
pub mod stream_names;
pub mod user_streams;
pub mod ws_api;

use std::net::IpAddr;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::errors::Reject;
use self::feeds::Feed;
use self::limits::Limits;
use self::user_streams::UserStreams;
use super::binance::auth::Keys;
use super::binance::parameters::Parameters;
use super::binance::streams::{self, Control, Hub, SubscriberId};
use super::binance::trouble::{Trouble, UserEvent};
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
    /// The key of a REST request.
    pub key: Option<String>,
}

impl Caller {
    fn account(&self) -> Result<AccountId, Reject> {
        self.account.ok_or_else(Reject::key)
    }
}

/// What a request weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Fixed(u64),
    /// One where it fails; a success is free.
    OfFailure,
    Depth,
    OpenOrders,
    Trades,
}

impl Weight {
    fn of(self, sent: &Parameters) -> u64 {
        match self {
            Self::Fixed(weight) => weight,
            Self::OfFailure => 1,
            Self::Depth => match sent.integer("limit").ok().flatten().unwrap_or(100) {
                0..=100 => 5,
                101..=500 => 25,
                501..=1000 => 50,
                1001.. => 250,
            },
            Self::OpenOrders if sent.get("symbol").is_some() => 6,
            Self::OpenOrders => 80,
            Self::Trades if sent.get("orderId").is_some() => 5,
            Self::Trades => 20,
        }
    }
}

#[derive(Debug)]
pub struct Venue {
    pub exchange: Exchange,
    pub keys: Keys,
    pub hub: Hub,
    pub user_streams: UserStreams,
    pub trouble: Trouble,
    limits: Limits,
    feeds: Vec<Feed>,
    random: Random,
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
            hub: Hub::new(stream_names::classify),
            user_streams: UserStreams::default(),
            trouble: Trouble::default(),
            limits: Limits::new(limits_multiplier),
            feeds,
            random,
            started: now,
        }
    }

    fn update_id(&self, id: InstrumentId) -> u64 {
        self.feeds.get(id.0).map_or(0, |feed| feed.update_id)
    }

    /// Does an admitted request; what it placed counts once it has succeeded.
    fn call(
        &mut self,
        call: fn(&mut Self, &Caller, &Parameters) -> Result<Value, Reject>,
        caller: &Caller,
        sent: &Parameters,
        orders: u64,
    ) -> Result<Value, Reject> {
        // Counted first, so that a fill at once is given back from it.
        let account = caller.account.filter(|_| orders > 0);
        if let Some(account) = account {
            self.limits.add_orders(caller.now, account, orders);
        }
        let outcome = call(self, caller, sent);
        if let (Some(account), Err(_)) = (account, &outcome) {
            self.limits.take_back(caller.now, account, orders);
        }
        outcome
    }

    /// Sends what the exchange did since the last call. Called after every operation, so that
    /// snapshots and streams never disagree.
    pub fn drain(&mut self, now: UnixMillis) {
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
                let number = self.exchange.take_execution();
                let market = self.exchange.market(order.asked.instrument);
                let text = reports::order_changed(at, &market.instrument, &order, change, number);
                self.publish_user(order.asked.account, "executionReport", text);
            }
            Event::Filled(event) => {
                let account = event.order.asked.account;
                if event.order.filled == event.fill.quantity {
                    self.limits.on_first_fill(now, account, event.fill.maker);
                }
                let number = self.exchange.take_execution();
                let market = self.exchange.market(event.fill.instrument);
                let text = reports::order_filled(&market.instrument, &event, number);
                self.publish_user(account, "executionReport", text);
            }
            Event::Balances { account, balances, at } => {
                let text = reports::balances(at, &balances);
                self.publish_user(account, "outboundAccountPosition", text);
            }
            Event::Deposited { account, asset, amount, at } => {
                let text = reports::deposited(at, &asset, amount);
                self.publish_user(account, "balanceUpdate", text);
            }
            Event::List { list, change, names, at } => {
                let market = self.exchange.market(list.instrument);
                let text = reports::list_changed(at, &market.instrument, &list, change, &names);
                self.publish_user(list.account, "listStatus", text);
            }
            Event::Printed(print) => {
                let market = self.exchange.market(print.instrument);
                if let Some(feed) = self.feeds.get_mut(print.instrument.0) {
                    feed.on_print(now, market, &print, &mut self.hub);
                }
            }
            // Spot has no funding.
            Event::Funded { .. } => {}
        }
    }

    fn publish_user(&mut self, account: AccountId, kind: &'static str, text: String) {
        for event in self.trouble.pass(UserEvent { account, kind, text }) {
            self.user_streams.publish(event.account, &event.text);
        }
    }

    /// Timers: slower streams.
    pub fn on_timer(&mut self, now: UnixMillis) {
        self.drain(now);
        for (index, feed) in self.feeds.iter_mut().enumerate() {
            let market = self.exchange.market(InstrumentId(index));
            feed.on_timer(now, market, &mut self.hub);
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
                if !names.iter().all(|name| self.hub.subscribe(id, name)) {
                    return streams::invalid_stream(&request);
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
        if let Some(feed) = self.feeds.get_mut(id.0) {
            feed.replay_depth(market, message, change.last_id, &mut self.hub);
        }
    }

    pub fn replay_touch(
        &mut self,
        now: UnixMillis,
        id: InstrumentId,
        touch: Touch,
        message: &Utf8Bytes,
    ) {
        self.exchange.apply_touch(id, touch);
        self.drain(now);
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
            FaultKind::ServerShutdown {} => {
                let notice = json!({"e": "serverShutdown", "E": now.0}).to_string();
                self.hub.announce("!serverShutdown", &notice);
                self.user_streams.announce(&notice);
            }
            // Spot has no listen keys.
            FaultKind::ListenKeyExpired {}
            | FaultKind::Error { .. }
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
