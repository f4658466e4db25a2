//! Conditional orders of USDⓈ-M futures: they wait outside the book under ids of their own and
//! become an order when their price is reached (`venues/binance.md` section 4.4).
//!
//! No margin is asked before that; a refusal then rejects the conditional order.

use std::collections::{BTreeMap, VecDeque};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Venue;
use super::algo_form::AlgoKind;
use super::errors::{Reject, refused};
use super::order_form::{client_id, read_limit, read_times};
use super::orders::{leg_text, prevention_text, side_text, time_in_force_text};
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::number::{Price, padded};
use crate::exchange::order::{NewOrder, Order, OrderId, Side, Trigger, UnixMillis};

/// Open conditional orders of one account.
const OPEN_MAX: usize = 200;
const HISTORY_MAX: usize = 10_000;
const FIRST_ID: u64 = 3_000_000_000_001;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgoStatus {
    New,
    Canceled,
    Triggering,
    Triggered,
    Finished,
    Rejected,
}

impl AlgoStatus {
    fn text(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Canceled => "CANCELED",
            Self::Triggering => "TRIGGERING",
            Self::Triggered => "TRIGGERED",
            Self::Finished => "FINISHED",
            Self::Rejected => "REJECTED",
        }
    }
}

/// What makes a conditional order an order.
#[derive(Clone, Copy, Debug)]
pub enum Condition {
    Reaches(Trigger),
    /// Turns back from the best price since its activation by this share.
    Trails {
        activate: Option<Price>,
        rate: Decimal,
        extreme: Option<Price>,
    },
}

#[derive(Clone, Debug)]
pub struct AlgoOrder {
    pub id: u64,
    pub kind: AlgoKind,
    pub condition: Condition,
    /// Compared with the mark price, not with the last one.
    pub by_mark: bool,
    pub close_position: bool,
    pub price_protect: bool,
    /// The order that it becomes; its client id is the conditional order's.
    pub order: NewOrder,
    pub status: AlgoStatus,
    pub became: Option<OrderId>,
    pub reason: String,
    pub created: UnixMillis,
    pub updated: UnixMillis,
    pub triggered: UnixMillis,
}

#[derive(Debug)]
pub struct AlgoOrders {
    next: u64,
    open: BTreeMap<u64, AlgoOrder>,
    /// Those that became an order which is open still.
    by_order: BTreeMap<OrderId, u64>,
    closed: VecDeque<AlgoOrder>,
}

impl Default for AlgoOrders {
    fn default() -> Self {
        Self {
            next: FIRST_ID,
            open: BTreeMap::new(),
            by_order: BTreeMap::new(),
            closed: VecDeque::new(),
        }
    }
}

impl AlgoOrders {
    fn all(&self) -> impl Iterator<Item = &AlgoOrder> {
        self.closed.iter().chain(self.open.values())
    }

    fn close(&mut self, order: AlgoOrder) {
        self.open.remove(&order.id);
        self.closed.push_back(order);
        if self.closed.len() > HISTORY_MAX {
            self.closed.pop_front();
        }
    }
}

impl Venue {
    pub fn place_algo(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let mut order = self.read_algo(now, account, sent)?;
        let mine = self.algo.open.values().filter(|one| one.order.account == account);
        if mine.clone().count() >= OPEN_MAX {
            return Err(Reject::bad(-4045, "Reach max stop order limit."));
        }
        let name = &order.order.client_id;
        if mine.clone().any(|one| one.order.client_id == *name) {
            return Err(Reject::bad(-4116, "ClientOrderId is duplicated."));
        }
        let price = self.working_price(&order);
        if let Condition::Reaches(trigger) = order.condition
            && trigger.fires(order.order.side, price)
        {
            return Err(Reject::bad(-2021, "Order would immediately trigger."));
        }
        order.id = self.algo.next;
        self.algo.next = self.algo.next.saturating_add(1);
        self.algo.open.insert(order.id, order.clone());
        self.tell_algo(now, &order);
        Ok(self.algo_json(&order))
    }

    pub fn cancel_algo(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let named = self.named_algo(account, sent)?;
        let waiting = named.filter(|one| one.status == AlgoStatus::New);
        let order = waiting.cloned().ok_or_else(Reject::unknown_order)?;
        let (id, name) = (order.id, order.order.client_id.clone());
        self.end_algo(now, order, AlgoStatus::Canceled, "");
        Ok(json!({"algoId": id, "clientAlgoId": name, "code": "200", "msg": "success"}))
    }

    pub fn cancel_all_algo(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let mine = |one: &&AlgoOrder| {
            one.order.account == account
                && one.order.instrument == instrument
                && one.status == AlgoStatus::New
        };
        let due: Vec<AlgoOrder> = self.algo.open.values().filter(mine).cloned().collect();
        for order in due {
            self.end_algo(now, order, AlgoStatus::Canceled, "");
        }
        Ok(json!({"code": 200, "msg": "The operation of cancel all open order is done."}))
    }

    pub fn query_algo(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let named = self.named_algo(account, sent)?;
        Ok(self.algo_json(named.ok_or_else(Reject::no_such_order)?))
    }

    pub fn open_algo(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let wanted = self.algo.open.values().filter(|one| {
            one.order.account == account
                && one.status == AlgoStatus::New
                && only.is_none_or(|only| only == one.order.instrument)
        });
        Ok(wanted.map(|one| self.algo_json(one)).collect())
    }

    pub fn all_algo(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let instrument = self.read_symbol(sent)?;
        let from = sent.integer("algoId")?.unwrap_or_default();
        let (start, end) = read_times(sent)?;
        let limit = read_limit(sent, 500, 1000)?;
        let mut found: Vec<&AlgoOrder> = self
            .algo
            .all()
            .filter(|one| {
                one.order.account == account
                    && one.order.instrument == instrument
                    && one.id >= from
                    && (start..=end).contains(&one.created.0)
            })
            .collect();
        found.sort_by_key(|one| one.id);
        let skip = if from == 0 { found.len().saturating_sub(limit) } else { 0 };
        Ok(found.into_iter().skip(skip).take(limit).map(|one| self.algo_json(one)).collect())
    }

    fn named_algo(
        &self,
        account: AccountId,
        sent: &Parameters,
    ) -> Result<Option<&AlgoOrder>, Reject> {
        let (id, name) = (sent.integer("algoId")?, client_id(sent, "clientAlgoId")?);
        if id.is_none() && name.is_none() {
            return Err(Reject::missing("algoId"));
        }
        let mut mine = self.algo.all().filter(|one| one.order.account == account);
        Ok(match id {
            Some(id) => mine.find(|one| one.id == id),
            None => mine.filter(|one| name == Some(one.order.client_id.as_str())).last(),
        })
    }

    /// The price that the order's condition is compared with.
    fn working_price(&self, order: &AlgoOrder) -> Price {
        let market = self.exchange.market(order.order.instrument);
        let last = market.last_price.filter(|_| !order.by_mark);
        last.unwrap_or_else(|| market.mark())
    }

    /// Turns one conditional order whose price is reached into an order; false where none is.
    pub(super) fn fire_algo(&mut self, now: UnixMillis) -> bool {
        if self.algo.open.is_empty() {
            return false;
        }
        let prices: BTreeMap<u64, Price> = self
            .algo
            .open
            .values()
            .filter(|one| one.status == AlgoStatus::New)
            .map(|one| (one.id, self.working_price(one)))
            .collect();
        let due = prices.into_iter().find_map(|(id, price)| {
            let order = self.algo.open.get_mut(&id)?;
            follow(order, price).then(|| order.clone())
        });
        let Some(order) = due else { return false };
        self.become_order(now, order);
        true
    }

    fn become_order(&mut self, now: UnixMillis, mut order: AlgoOrder) {
        order.status = AlgoStatus::Triggering;
        (order.updated, order.triggered) = (now, now);
        self.algo.open.insert(order.id, order.clone());
        self.tell_algo(now, &order);
        let mut asked = order.order.clone();
        if order.close_position {
            let held = self.exchange.account(asked.account);
            let leg = held.leg(asked.instrument, asked.position_side);
            asked.quantity = leg.closable(asked.side);
            asked.reduce_only = true;
        }
        if asked.quantity.is_zero() {
            self.end_algo(now, order, AlgoStatus::Rejected, "ReduceOnly Order is rejected.");
            return;
        }
        match self.exchange.place(now, asked) {
            Ok(placed) => {
                order.status = AlgoStatus::Triggered;
                order.became = Some(placed.id);
                self.algo.open.insert(order.id, order.clone());
                self.tell_algo(now, &order);
                if placed.status.is_open() {
                    self.algo.by_order.insert(placed.id, order.id);
                } else {
                    self.end_algo(now, order, AlgoStatus::Finished, "");
                }
            }
            Err(refusal) => {
                let text = refused(refusal).message;
                self.end_algo(now, order, AlgoStatus::Rejected, &text);
            }
        }
    }

    /// The order that a conditional one became has changed; with its end both are over.
    pub(super) fn finish_algo(&mut self, now: UnixMillis, order: &Order) {
        if order.status.is_open() {
            return;
        }
        let Some(id) = self.algo.by_order.remove(&order.id) else { return };
        if let Some(order) = self.algo.open.get(&id).cloned() {
            self.end_algo(now, order, AlgoStatus::Finished, "");
        }
    }

    fn end_algo(&mut self, now: UnixMillis, mut order: AlgoOrder, status: AlgoStatus, why: &str) {
        order.status = status;
        order.updated = now;
        order.reason = why.to_owned();
        self.tell_algo(now, &order);
        self.algo.close(order);
    }

    fn tell_algo(&mut self, now: UnixMillis, order: &AlgoOrder) {
        let became = order
            .became
            .and_then(|id| self.exchange.account(order.order.account).orders.get(&id).cloned());
        let market = self.exchange.market(order.order.instrument);
        let asked = &order.order;
        let filled = became.as_ref().map(|order| (order.average_price(), order.filled));
        let (average, quantity) = filled.unwrap_or_default();
        let text = json!({"e": "ALGO_UPDATE", "T": now.0, "E": now.0, "o": {
            "caid": asked.client_id,
            "aid": order.id,
            "at": "CONDITIONAL",
            "o": order.kind.text(),
            "s": market.instrument.symbol,
            "S": side_text(asked.side),
            "ps": leg_text(asked.position_side),
            "f": time_in_force_text(asked.time_in_force),
            "q": asked.quantity.to_string(),
            "X": order.status.text(),
            "ai": order.became.map_or(String::new(), |id| id.0.to_string()),
            "ap": padded(average.0, 5),
            "aq": padded(quantity.0, 5),
            "act": if order.became.is_some() { order.kind.becomes() } else { "0" },
            "tp": order.trigger_price().to_string(),
            "p": asked.price.unwrap_or_default().to_string(),
            "V": prevention_text(asked.self_trade),
            "wt": order.working_type(),
            "pm": asked.price_match,
            "cp": order.close_position,
            "pP": order.price_protect,
            "R": asked.reduce_only,
            "tt": order.triggered.0,
            "gtd": asked.good_till.map_or(0, |till| till.0),
            "rm": order.reason,
        }})
        .to_string();
        self.publish_user(asked.account, "ALGO_UPDATE", text);
    }

    fn algo_json(&self, order: &AlgoOrder) -> Value {
        let asked = &order.order;
        let i = &self.exchange.market(asked.instrument).instrument;
        let price = |value: Price| padded(value.0, i.price_decimals);
        let (activate, rate) = match order.condition {
            Condition::Reaches(_) => (String::new(), String::new()),
            Condition::Trails { activate, rate, .. } => {
                (activate.map_or(String::new(), price), rate.to_string())
            }
        };
        json!({
            "algoId": order.id,
            "clientAlgoId": asked.client_id,
            "algoType": "CONDITIONAL",
            "orderType": order.kind.text(),
            "symbol": i.symbol,
            "side": side_text(asked.side),
            "positionSide": leg_text(asked.position_side),
            "timeInForce": time_in_force_text(asked.time_in_force),
            "quantity": padded(asked.quantity.0, i.quantity_decimals),
            "algoStatus": order.status.text(),
            "actualOrderId": order.became.map_or(String::new(), |id| id.0.to_string()),
            "triggerPrice": price(order.trigger_price()),
            "price": price(asked.price.unwrap_or_default()),
            "icebergQuantity": Value::Null,
            "selfTradePreventionMode": prevention_text(asked.self_trade),
            "workingType": order.working_type(),
            "priceMatch": asked.price_match,
            "closePosition": order.close_position,
            "priceProtect": order.price_protect,
            "reduceOnly": asked.reduce_only,
            "activatePrice": activate,
            "callbackRate": rate,
            "createTime": order.created.0,
            "updateTime": order.updated.0,
            "triggerTime": order.triggered.0,
            "goodTillDate": asked.good_till.map_or(0, |till| till.0),
        })
    }
}

impl AlgoOrder {
    fn trigger_price(&self) -> Price {
        match self.condition {
            Condition::Reaches(trigger) => trigger.price,
            Condition::Trails { .. } => Price::ZERO,
        }
    }

    fn working_type(&self) -> &'static str {
        if self.by_mark { "MARK_PRICE" } else { "CONTRACT_PRICE" }
    }
}

/// Whether the order fires at this price; a trailing one remembers the best so far.
fn follow(order: &mut AlgoOrder, price: Price) -> bool {
    let side = order.order.side;
    match &mut order.condition {
        Condition::Reaches(trigger) => trigger.fires(side, price),
        Condition::Trails { activate, rate, extreme } => {
            let active = extreme.is_some()
                || activate.is_none_or(|activate| match side {
                    Side::Sell => price >= activate,
                    Side::Buy => price <= activate,
                });
            if !active {
                return false;
            }
            let share = *rate / Decimal::ONE_HUNDRED;
            let best = extreme.unwrap_or(price);
            let (best, fires) = match side {
                Side::Sell => {
                    let best = best.max(price);
                    (best, price.0 <= best.0 * (Decimal::ONE - share))
                }
                Side::Buy => {
                    let best = best.min(price);
                    (best, price.0 >= best.0 * (Decimal::ONE + share))
                }
            };
            *extreme = Some(best);
            fires
        }
    }
}
