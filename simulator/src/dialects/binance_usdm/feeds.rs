//! Market events in the venue's shapes, and the update ids that tie stream and snapshot
//! together (`venues/binance.md` section 3).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::funding::{Funding, RATE_DECIMALS};
use crate::dialects::binance::streams::Hub;
use crate::exchange::number::{Price, Quantity, padded};
use crate::exchange::order::{Side, UnixMillis};
use crate::exchange::{Market, Print};

/// Update ids are shared by the venue's symbols and jump; ours jump by this.
const UPDATE_STEP: u64 = 3;
const FIRST_UPDATE: u64 = 5_000_000_000_000;
/// The speeds of the depth stream in milliseconds, with the suffix of each.
const SPEEDS: [(u64, &str); 4] = [(0, "@0ms"), (100, "@100ms"), (250, ""), (500, "@500ms")];
const AGGREGATION_MS: u64 = 100;

/// Changed levels of one speed since its last event.
#[derive(Clone, Debug, Default)]
struct Pending {
    first_id: u64,
    last_id: u64,
    previous_id: u64,
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
    /// Names of the diff-depth stream, one for each of `SPEEDS`.
    depth_names: Vec<String>,
    /// Names of the partial-depth streams with their count of levels and their speed.
    partial_names: Vec<(String, usize, u64)>,
    pending: Vec<Pending>,
    touch: Option<((Price, Quantity), (Price, Quantity))>,
    aggregate: Option<Aggregate>,
    next_aggregate: u64,
    marked_at: UnixMillis,
    /// Depth events that a fault swallows.
    pub skip_depth: u32,
    /// Market messages that a fault sends twice.
    pub duplicate: u32,
}

impl Feed {
    pub fn new(symbol: &str) -> Self {
        let stream = symbol.to_lowercase();
        let depth_names =
            SPEEDS.iter().map(|(_, suffix)| format!("{stream}@depth{suffix}")).collect();
        let partials = [5, 10, 20].into_iter().flat_map(|levels| {
            let name = |(ms, suffix): &(u64, &str)| {
                (format!("{stream}@depth{levels}{suffix}"), levels, *ms)
            };
            SPEEDS.iter().map(name).collect::<Vec<_>>()
        });
        let start = Pending { previous_id: FIRST_UPDATE, ..Pending::default() };
        Self {
            partial_names: partials.collect(),
            depth_names,
            update_id: FIRST_UPDATE,
            pending: vec![start; SPEEDS.len()],
            touch: None,
            aggregate: None,
            next_aggregate: 1_000_001,
            marked_at: UnixMillis::default(),
            skip_depth: 0,
            duplicate: 0,
            stream,
        }
    }

    /// Levels of a live book changed: numbers them and sends what is sent at once.
    pub fn on_levels(
        &mut self,
        now: UnixMillis,
        market: &Market,
        changed: &BTreeMap<(Side, Price), Quantity>,
        hub: &mut Hub,
    ) {
        for (level, quantity) in changed {
            self.update_id = self.update_id.saturating_add(UPDATE_STEP);
            for pending in &mut self.pending {
                if pending.levels.is_empty() {
                    pending.first_id = self.update_id;
                }
                pending.last_id = self.update_id;
                pending.levels.insert(*level, *quantity);
            }
        }
        self.send_touch(now, market, hub);
        self.flush_depth(now, market, hub);
    }

    /// Sends the depth events whose interval has passed.
    pub fn flush_depth(&mut self, now: UnixMillis, market: &Market, hub: &mut Hub) {
        for (index, (interval, _)) in SPEEDS.into_iter().enumerate() {
            let pending = &mut self.pending[index];
            if pending.levels.is_empty() || now.since(pending.sent_at) < interval {
                continue;
            }
            let previous = pending.last_id;
            let done = std::mem::take(pending);
            *pending = Pending { previous_id: previous, sent_at: now, ..Pending::default() };
            self.send_depth(now, market, hub, index, &done);
        }
    }

    fn send_depth(
        &mut self,
        now: UnixMillis,
        market: &Market,
        hub: &mut Hub,
        index: usize,
        event: &Pending,
    ) {
        let ids = (event.first_id, event.last_id, event.previous_id);
        if hub.has(&self.depth_names[index]) {
            let of = |side: Side| {
                let changed = event.levels.iter().filter(move |((s, _), _)| *s == side);
                changed.map(|((_, price), quantity)| (*price, *quantity)).collect::<Vec<_>>()
            };
            let text = depth_text(now, market, ids, &of(Side::Buy), &of(Side::Sell));
            let names = [self.depth_names[index].clone()];
            self.publish_depth(&names, &Utf8Bytes::from(text), hub);
        }
        let (speed, _) = SPEEDS[index];
        self.send_partial(now, market, ids, Some(speed), hub);
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

    /// Partial depth: the whole top of the book. `speed` None sends every speed's stream.
    fn send_partial(
        &self,
        now: UnixMillis,
        market: &Market,
        ids: (u64, u64, u64),
        speed: Option<u64>,
        hub: &mut Hub,
    ) {
        for (name, levels, its_speed) in &self.partial_names {
            if !hub.has(name) || speed.is_some_and(|speed| speed != *its_speed) {
                continue;
            }
            let top = |side| market.public_levels(side).take(*levels).collect::<Vec<_>>();
            let text = depth_text(now, market, ids, &top(Side::Buy), &top(Side::Sell));
            hub.publish(std::slice::from_ref(name), &Utf8Bytes::from(text));
        }
    }

    fn send_touch(&mut self, now: UnixMillis, market: &Market, hub: &mut Hub) {
        let (Some(bid), Some(ask)) = (market.book.best(Side::Buy), market.book.best(Side::Sell))
        else {
            return;
        };
        if self.touch == Some((bid, ask)) {
            return;
        }
        self.touch = Some((bid, ask));
        let names = self.touch_names();
        if names.iter().any(|name| hub.has(name)) {
            let i = &market.instrument;
            let (p, q) = (i.price_decimals, i.quantity_decimals);
            let text = format!(
                r#"{{"e":"bookTicker","u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}","T":{now},"E":{now}}}"#,
                self.update_id,
                i.symbol,
                padded(bid.0.0, p),
                padded(bid.1.0, q),
                padded(ask.0.0, p),
                padded(ask.1.0, q),
                now = now.0,
            );
            self.publish(&names, &Utf8Bytes::from(text), hub);
        }
    }

    fn touch_names(&self) -> [String; 2] {
        [format!("{}@bookTicker", self.stream), "!bookTicker".to_owned()]
    }

    /// A public trade of the live book.
    pub fn on_print(&mut self, now: UnixMillis, market: &Market, print: &Print, hub: &mut Hub) {
        let name = format!("{}@trade", self.stream);
        if hub.has(&name) {
            let i = &market.instrument;
            let text = format!(
                r#"{{"e":"trade","E":{now},"T":{now},"s":"{}","t":{},"p":"{}","q":"{}","X":"MARKET","m":{}}}"#,
                i.symbol,
                print.trade.0,
                padded(print.price.0, i.price_decimals),
                padded(print.quantity.0, i.quantity_decimals),
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
        let i = &market.instrument;
        let quantity = padded(held.print.quantity.0, i.quantity_decimals);
        let text = format!(
            r#"{{"e":"aggTrade","E":{},"a":{id},"s":"{}","p":"{}","q":"{quantity}","nq":"{quantity}","f":{},"l":{},"T":{},"m":{}}}"#,
            now.0,
            i.symbol,
            padded(held.print.price.0, i.price_decimals),
            held.first,
            held.last,
            held.print.at.0,
            held.print.buyer_is_maker,
        );
        self.publish(&[name], &Utf8Bytes::from(text), hub);
    }

    pub fn on_timer(&mut self, now: UnixMillis, market: &Market, funding: &Funding, hub: &mut Hub) {
        self.flush_depth(now, market, hub);
        if self.aggregate.is_some_and(|held| now.since(held.since) >= AGGREGATION_MS) {
            self.flush_aggregate(now, market, hub);
        }
        let second = now.0 / 1000;
        if self.marked_at.0 != second {
            self.marked_at = UnixMillis(second);
            self.send_mark(now, market, funding, hub);
        }
    }

    fn send_mark(&mut self, now: UnixMillis, market: &Market, funding: &Funding, hub: &mut Hub) {
        let second = now.0 / 1000;
        let mut names = vec![format!("{}@markPrice@1s", self.stream)];
        if second.is_multiple_of(3) {
            names.push(format!("{}@markPrice", self.stream));
        }
        if !names.iter().any(|name| hub.has(name)) {
            return;
        }
        let rate = padded(funding.rate(), RATE_DECIMALS);
        let mark = padded(market.mark().0, 8);
        let text = format!(
            r#"{{"e":"markPriceUpdate","E":{},"s":"{}","p":"{mark}","ap":"{mark}","i":"{mark}","P":"{mark}","r":"{rate}","T":{}}}"#,
            now.0, market.instrument.symbol, funding.next_at.0,
        );
        self.publish(&names, &Utf8Bytes::from(text), hub);
    }

    /// A recorded depth event, under whatever speed the client chose.
    pub fn replay_depth(
        &mut self,
        now: UnixMillis,
        market: &Market,
        message: &Utf8Bytes,
        ids: (u64, u64, u64),
        hub: &mut Hub,
    ) {
        let names = self.depth_names.clone();
        self.publish_depth(&names, message, hub);
        self.send_partial(now, market, ids, None, hub);
    }

    pub fn replay_touch(&mut self, message: &Utf8Bytes, hub: &mut Hub) {
        let names = self.touch_names();
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
    ids: (u64, u64, u64),
    bids: &[(Price, Quantity)],
    asks: &[(Price, Quantity)],
) -> String {
    let (first, last, previous) = ids;
    let mut text = format!(
        r#"{{"e":"depthUpdate","E":{now},"T":{now},"s":"{}","U":{first},"u":{last},"pu":{previous},"b":"#,
        market.instrument.symbol,
        now = now.0,
    );
    write_levels(&mut text, market, bids);
    text.push_str(r#","a":"#);
    write_levels(&mut text, market, asks);
    text.push('}');
    text
}

pub fn write_levels(text: &mut String, market: &Market, levels: &[(Price, Quantity)]) {
    let i = &market.instrument;
    text.push('[');
    for (index, (price, quantity)) in levels.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (price, quantity) =
            (padded(price.0, i.price_decimals), padded(quantity.0, i.quantity_decimals));
        // Writing to a String cannot fail.
        let _ = write!(text, r#"{comma}["{price}","{quantity}"]"#);
    }
    text.push(']');
}
