//! Market events in spot's shapes, and the update ids that tie stream and snapshot together:
//! every change has the next number (`venues/binance.md` section 3).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::dialects::binance::streams::Hub;
use crate::exchange::number::{Price, Quantity, padded};
use crate::exchange::order::{Side, UnixMillis};
use crate::exchange::{Market, Print};

const FIRST_UPDATE: u64 = 50_000_000_000;
const DECIMALS: u32 = 8;
/// The speeds of the depth streams in milliseconds, with the suffixes of each.
const SPEEDS: [(u64, &[&str]); 2] = [(100, &["@100ms"]), (1_000, &["", "@1000ms"])];
const AGGREGATION_MS: u64 = 100;

/// Changed levels of one speed since its last event.
#[derive(Clone, Debug, Default)]
struct Pending {
    first_id: u64,
    levels: BTreeMap<(Side, Price), Quantity>,
    sent_at: UnixMillis,
}

#[derive(Clone, Copy, Debug)]
struct Aggregate {
    print: Print,
    first: u64,
    last: u64,
    since: UnixMillis,
}

#[derive(Clone, Debug)]
pub struct Feed {
    stream: String,
    pub update_id: u64,
    pending: Vec<Pending>,
    touch: Option<((Price, Quantity), (Price, Quantity))>,
    aggregate: Option<Aggregate>,
    next_aggregate: u64,
    /// Depth events that a fault swallows.
    pub skip_depth: u32,
    /// Market messages that a fault sends twice.
    pub duplicate: u32,
}

impl Feed {
    pub fn new(symbol: &str) -> Self {
        Self {
            stream: symbol.to_lowercase(),
            update_id: FIRST_UPDATE,
            pending: vec![Pending::default(); SPEEDS.len()],
            touch: None,
            aggregate: None,
            next_aggregate: 3_000_001,
            skip_depth: 0,
            duplicate: 0,
        }
    }

    /// Levels of a live book changed: numbers them and sends what is due.
    pub fn on_levels(
        &mut self,
        now: UnixMillis,
        market: &Market,
        changed: &BTreeMap<(Side, Price), Quantity>,
        hub: &mut Hub,
    ) {
        for (level, quantity) in changed {
            self.update_id = self.update_id.saturating_add(1);
            for pending in &mut self.pending {
                if pending.levels.is_empty() {
                    pending.first_id = self.update_id;
                }
                pending.levels.insert(*level, *quantity);
            }
        }
        self.send_touch(market, hub);
        self.flush_depth(now, market, hub);
    }

    fn flush_depth(&mut self, now: UnixMillis, market: &Market, hub: &mut Hub) {
        for (index, (interval, suffixes)) in SPEEDS.into_iter().enumerate() {
            let pending = &mut self.pending[index];
            if pending.levels.is_empty() || now.since(pending.sent_at) < interval {
                continue;
            }
            let done = std::mem::take(pending);
            pending.sent_at = now;
            let names: Vec<String> =
                suffixes.iter().map(|suffix| format!("{}@depth{suffix}", self.stream)).collect();
            if names.iter().any(|name| hub.has(name)) {
                let of = |side: Side| {
                    let changed = done.levels.iter().filter(move |((s, _), _)| *s == side);
                    changed.map(|((_, price), quantity)| (*price, *quantity)).collect::<Vec<_>>()
                };
                let ids = (done.first_id, self.update_id);
                let text = depth_text(now, market, ids, &of(Side::Buy), &of(Side::Sell));
                self.publish_depth(&names, &Utf8Bytes::from(text), hub);
            }
            self.send_partial(market, self.update_id, suffixes, hub);
        }
    }

    /// Publishes one depth event, unless a fault swallows it.
    fn publish_depth(&mut self, names: &[String], message: &Utf8Bytes, hub: &mut Hub) {
        if self.skip_depth > 0 {
            self.skip_depth -= 1;
            return;
        }
        self.publish(names, message, hub);
    }

    fn publish(&mut self, names: &[String], message: &Utf8Bytes, hub: &mut Hub) {
        hub.publish(names, message);
        if self.duplicate > 0 {
            self.duplicate -= 1;
            hub.publish(names, message);
        }
    }

    /// Partial depth: the top of the book, without its symbol.
    fn send_partial(&self, market: &Market, id: u64, suffixes: &[&str], hub: &mut Hub) {
        for levels in [5, 10, 20] {
            let names: Vec<String> = suffixes
                .iter()
                .map(|suffix| format!("{}@depth{levels}{suffix}", self.stream))
                .collect();
            if !names.iter().any(|name| hub.has(name)) {
                continue;
            }
            let top = |side| market.public_levels(side).take(levels).collect::<Vec<_>>();
            let mut text = format!(r#"{{"lastUpdateId":{id},"bids":"#);
            write_levels(&mut text, &top(Side::Buy));
            text.push_str(r#","asks":"#);
            write_levels(&mut text, &top(Side::Sell));
            text.push('}');
            hub.publish(&names, &Utf8Bytes::from(text));
        }
    }

    fn send_touch(&mut self, market: &Market, hub: &mut Hub) {
        let (Some(bid), Some(ask)) = (market.book.best(Side::Buy), market.book.best(Side::Sell))
        else {
            return;
        };
        if self.touch == Some((bid, ask)) {
            return;
        }
        self.touch = Some((bid, ask));
        let name = format!("{}@bookTicker", self.stream);
        if hub.has(&name) {
            let text = format!(
                r#"{{"u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}}"#,
                self.update_id,
                market.instrument.symbol,
                padded(bid.0.0, DECIMALS),
                padded(bid.1.0, DECIMALS),
                padded(ask.0.0, DECIMALS),
                padded(ask.1.0, DECIMALS),
            );
            self.publish(&[name], &Utf8Bytes::from(text), hub);
        }
    }

    /// A public trade of the live book.
    pub fn on_print(&mut self, now: UnixMillis, market: &Market, print: &Print, hub: &mut Hub) {
        let name = format!("{}@trade", self.stream);
        if hub.has(&name) {
            let text = format!(
                r#"{{"e":"trade","E":{now},"s":"{}","t":{},"p":"{}","q":"{}","T":{now},"m":{},"M":true}}"#,
                market.instrument.symbol,
                print.trade.0,
                padded(print.price.0, DECIMALS),
                padded(print.quantity.0, DECIMALS),
                print.buyer_is_maker,
                now = now.0,
            );
            self.publish(&[name], &Utf8Bytes::from(text), hub);
        }
        self.aggregate(now, market, print, hub);
    }

    /// Joins prints of one price and aggressor within 100 ms.
    pub fn aggregate(&mut self, now: UnixMillis, market: &Market, print: &Print, hub: &mut Hub) {
        if let Some(held) = &mut self.aggregate
            && held.print.price == print.price
            && held.print.buyer_is_maker == print.buyer_is_maker
        {
            held.print.quantity = held.print.quantity.plus(print.quantity);
            held.last = print.trade.0;
            return;
        }
        self.flush_aggregate(now, market, hub);
        let (first, last) = (print.trade.0, print.trade.0);
        self.aggregate = Some(Aggregate { print: *print, first, last, since: now });
    }

    fn flush_aggregate(&mut self, now: UnixMillis, market: &Market, hub: &mut Hub) {
        let Some(held) = self.aggregate.take() else { return };
        let id = self.next_aggregate;
        self.next_aggregate = id.saturating_add(1);
        let name = format!("{}@aggTrade", self.stream);
        if !hub.has(&name) {
            return;
        }
        let text = format!(
            r#"{{"e":"aggTrade","E":{},"s":"{}","a":{id},"p":"{}","q":"{}","f":{},"l":{},"T":{},"m":{},"M":true}}"#,
            now.0,
            market.instrument.symbol,
            padded(held.print.price.0, DECIMALS),
            padded(held.print.quantity.0, DECIMALS),
            held.first,
            held.last,
            held.print.at.0,
            held.print.buyer_is_maker,
        );
        self.publish(&[name], &Utf8Bytes::from(text), hub);
    }

    pub fn on_timer(&mut self, now: UnixMillis, market: &Market, hub: &mut Hub) {
        self.flush_depth(now, market, hub);
        if self.aggregate.is_some_and(|held| now.since(held.since) >= AGGREGATION_MS) {
            self.flush_aggregate(now, market, hub);
        }
    }

    /// A recorded depth event, under whatever speed the client chose.
    pub fn replay_depth(&mut self, market: &Market, message: &Utf8Bytes, id: u64, hub: &mut Hub) {
        for (_, suffixes) in SPEEDS {
            let names: Vec<String> =
                suffixes.iter().map(|suffix| format!("{}@depth{suffix}", self.stream)).collect();
            if names.iter().any(|name| hub.has(name)) {
                self.publish_depth(&names, message, hub);
            }
            self.send_partial(market, id, suffixes, hub);
        }
    }

    pub fn replay_touch(&mut self, message: &Utf8Bytes, hub: &mut Hub) {
        let names = [format!("{}@bookTicker", self.stream)];
        self.publish(&names, message, hub);
    }

    pub fn replay_trade(&mut self, message: &Utf8Bytes, hub: &mut Hub) {
        let names = [format!("{}@trade", self.stream)];
        self.publish(&names, message, hub);
    }
}

fn depth_text(
    now: UnixMillis,
    market: &Market,
    (first, last): (u64, u64),
    bids: &[(Price, Quantity)],
    asks: &[(Price, Quantity)],
) -> String {
    let mut text = format!(
        r#"{{"e":"depthUpdate","E":{},"s":"{}","U":{first},"u":{last},"b":"#,
        now.0, market.instrument.symbol,
    );
    write_levels(&mut text, bids);
    text.push_str(r#","a":"#);
    write_levels(&mut text, asks);
    text.push('}');
    text
}

pub fn write_levels(text: &mut String, levels: &[(Price, Quantity)]) {
    text.push('[');
    for (index, (price, quantity)) in levels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (price, quantity) = (padded(price.0, DECIMALS), padded(quantity.0, DECIMALS));
        // Writing to a String cannot fail.
        let _ = write!(text, r#"{comma}["{price}","{quantity}"]"#);
    }
    text.push(']');
}
