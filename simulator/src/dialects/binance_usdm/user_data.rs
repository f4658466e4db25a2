//! Listen keys and user events (`venues/binance.md` section 4.5).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::exchange::account::{AccountId, FundingPayment, Position};
use crate::exchange::instrument::Instrument;
use crate::exchange::number::{MONEY_DECIMALS, Money, Price, Quantity, padded};
use crate::exchange::order::{
    ExpiryReason, Fill, Order, OrderKind, PositionSide, Side, UnixMillis,
};
use crate::exchange::{Change, FillEvent};

use super::orders::{
    kind_text, leg_text, prevention_text, side_text, status_text, time_in_force_text,
};

const VALID_MS: u64 = 3_600_000;

#[derive(Debug)]
struct ListenKey {
    key: String,
    expires: UnixMillis,
}

/// One listen key for each account, as the venue gives.
#[derive(Debug, Default)]
pub struct ListenKeys {
    keys: BTreeMap<AccountId, ListenKey>,
}

impl ListenKeys {
    /// The account's key, made by `make` where it has none; its validity starts anew.
    pub fn open(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        make: impl FnOnce() -> String,
    ) -> String {
        let expires = now.plus(VALID_MS);
        let held = self.keys.entry(account).or_insert_with(|| ListenKey { key: make(), expires });
        held.expires = expires;
        held.key.clone()
    }

    /// `key` None means the account's own.
    pub fn extend(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        key: Option<&str>,
    ) -> Option<String> {
        let held = self.keys.get_mut(&account)?;
        if key.is_some_and(|key| key != held.key) {
            return None;
        }
        held.expires = now.plus(VALID_MS);
        Some(held.key.clone())
    }

    pub fn close(&mut self, account: AccountId) -> Option<String> {
        self.keys.remove(&account).map(|held| held.key)
    }

    pub fn owner(&self, key: &str) -> Option<AccountId> {
        self.keys.iter().find(|(_, held)| held.key == key).map(|(account, _)| *account)
    }

    pub fn expire(&mut self, now: UnixMillis) -> Vec<(AccountId, String)> {
        let due = self.keys.iter().filter(|(_, held)| held.expires <= now);
        let due: Vec<_> = due.map(|(account, held)| (*account, held.key.clone())).collect();
        for (account, _) in &due {
            self.keys.remove(account);
        }
        due
    }

    pub fn expire_all(&mut self) -> Vec<(AccountId, String)> {
        std::mem::take(&mut self.keys).into_iter().map(|(id, held)| (id, held.key)).collect()
    }
}

pub fn listen_key_expired(now: UnixMillis, key: &str) -> String {
    json!({"e": "listenKeyExpired", "E": now.0, "listenKey": key}).to_string()
}

/// `x`, the execution type.
fn execution(change: Change) -> &'static str {
    match change {
        Change::Accepted | Change::Triggered => "NEW",
        Change::Amended => "AMENDMENT",
        Change::Canceled => "CANCELED",
        Change::Expired => "EXPIRED",
    }
}

/// `er`, why an order expired.
fn expiry_code(reason: ExpiryReason) -> &'static str {
    match reason {
        ExpiryReason::None
        | ExpiryReason::OtherWorks
        | ExpiryReason::FirstEnded
        | ExpiryReason::Refused => "0",
        ExpiryReason::SelfTrade => "1",
        ExpiryReason::ImmediateRemainder | ExpiryReason::KillRemainder => "2",
        ExpiryReason::ReduceOnly => "4",
        ExpiryReason::GoodTillDate => "6",
        ExpiryReason::MarketRemainder => "9",
    }
}

pub fn order_changed(
    at: UnixMillis,
    instrument: &Instrument,
    order: &Order,
    change: Change,
) -> String {
    order_trade_update(at, instrument, order, execution(change), None)
}

pub fn order_filled(instrument: &Instrument, event: &FillEvent) -> String {
    order_trade_update(event.fill.at, instrument, &event.order, "TRADE", Some(&event.fill))
}

fn order_trade_update(
    at: UnixMillis,
    instrument: &Instrument,
    order: &Order,
    execution: &str,
    fill: Option<&Fill>,
) -> String {
    let asked = &order.asked;
    let fee = fill.map_or("0".to_owned(), |fill| padded(fill.fee.0, MONEY_DECIMALS));
    let mut inner = json!({
        "s": instrument.symbol,
        "c": asked.client_id,
        "S": side_text(asked.side),
        "o": kind_text(asked.kind),
        "f": time_in_force_text(asked.time_in_force),
        "q": order.quantity.to_string(),
        "p": order.price.unwrap_or_default().to_string(),
        "ap": Price(order.average_price().0.round_dp(5)).to_string(),
        "sp": "0",
        "x": execution,
        "X": status_text(order.status),
        "i": order.id.0,
        "l": fill.map_or(Quantity::ZERO, |fill| fill.quantity).to_string(),
        "z": order.filled.to_string(),
        "L": fill.map_or(Price::ZERO, |fill| fill.price).to_string(),
        "N": instrument.quote,
        "n": fee,
        "T": at.0,
        "t": fill.map_or(0, |fill| fill.trade.0),
        "b": working_value(order, Side::Buy),
        "a": working_value(order, Side::Sell),
        "m": fill.is_some_and(|fill| fill.maker),
        "R": asked.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": kind_text(asked.kind),
        "ps": leg_text(asked.position_side),
        "cp": false,
        "pP": false,
        "si": 0,
        "ss": 0,
        "rp": fill.map_or("0".to_owned(), |fill| fill.realized.to_string()),
        "V": prevention_text(asked.self_trade),
        "pm": asked.price_match,
        "gtd": asked.good_till.map_or(0, |till| till.0),
        "er": expiry_code(order.expiry),
    });
    if let (Some(id), Value::Object(members)) = (&order.modify_id, &mut inner) {
        members.insert("M".to_owned(), json!(id));
    }
    json!({"e": "ORDER_TRADE_UPDATE", "E": at.0, "T": at.0, "o": inner}).to_string()
}

/// `b` and `a`: the value that still works on a side, "0" for what doesn't rest.
fn working_value(order: &Order, side: Side) -> String {
    let works =
        order.asked.side == side && order.asked.kind == OrderKind::Limit && order.status.is_open();
    match order.price.filter(|_| works) {
        Some(price) => price.value(order.leaves()).to_string(),
        None => "0".to_owned(),
    }
}

/// What an account update says of one leg of a position.
#[derive(Clone, Copy, Debug)]
pub struct LegState<'a> {
    pub instrument: &'a Instrument,
    pub side: PositionSide,
    pub position: &'a Position,
    pub mark: Price,
    pub taker_rate: Decimal,
    /// The margin set aside for it; None on cross margin.
    pub isolated: Option<Money>,
}

impl LegState<'_> {
    fn object(&self) -> Value {
        let position = self.position;
        json!({
            "s": self.instrument.symbol,
            "pa": position.amount.to_string(),
            "ep": entry_text(position),
            "bep": break_even_text(position, self.taker_rate),
            "cr": position.realized.to_string(),
            "up": padded(position.unrealized(self.mark).0, MONEY_DECIMALS),
            "mt": if self.isolated.is_some() { "isolated" } else { "cross" },
            "iw": self.isolated.map_or("0".to_owned(), |held| padded(held.0, MONEY_DECIMALS)),
            "ps": leg_text(self.side),
        })
    }
}

fn wallet_update(at: UnixMillis, reason: &str, balance: Value, legs: &[Value]) -> String {
    json!({
        "e": "ACCOUNT_UPDATE", "E": at.0, "T": at.0,
        "a": {"m": reason, "B": [balance], "P": legs},
    })
    .to_string()
}

pub fn account_update(event: &FillEvent, leg: &LegState<'_>) -> String {
    let wallet = padded(event.wallet.0, MONEY_DECIMALS);
    let balance = json!({"a": leg.instrument.quote, "wb": wallet, "cw": wallet, "bc": "0"});
    wallet_update(event.fill.at, "ORDER", balance, &[leg.object()])
}

/// Funding: the wallet alone on cross margin, the leg beside it on isolated margin.
pub fn funding_update(payment: &FundingPayment, wallet: Money, leg: &LegState<'_>) -> String {
    let wallet = padded(wallet.0, MONEY_DECIMALS);
    let change = padded(payment.amount.0, MONEY_DECIMALS);
    let balance = json!({"a": leg.instrument.quote, "wb": wallet, "cw": wallet, "bc": change});
    let legs: Vec<Value> = leg.isolated.is_some().then(|| leg.object()).into_iter().collect();
    wallet_update(payment.at, "FUNDING_FEE", balance, &legs)
}

pub fn leverage_update(now: UnixMillis, symbol: &str, leverage: u64) -> String {
    json!({"e": "ACCOUNT_CONFIG_UPDATE", "E": now.0, "T": now.0,
        "ac": {"s": symbol, "l": leverage}})
    .to_string()
}

pub fn trade_lite(instrument: &Instrument, event: &FillEvent) -> String {
    let (order, fill) = (&event.order, &event.fill);
    json!({
        "e": "TRADE_LITE", "E": fill.at.0, "T": fill.at.0,
        "s": instrument.symbol,
        "q": order.quantity.to_string(),
        "p": order.price.unwrap_or_default().to_string(),
        "m": fill.maker,
        "c": order.asked.client_id,
        "S": side_text(fill.side),
        "L": fill.price.to_string(),
        "l": fill.quantity.to_string(),
        "t": fill.trade.0,
        "i": order.id.0,
    })
    .to_string()
}

pub fn entry_text(position: &Position) -> String {
    if position.amount.is_zero() {
        return "0.0".to_owned();
    }
    Price(position.entry_price().0.round_dp(MONEY_DECIMALS)).to_string()
}

/// The entry moved by the fee of closing.
pub fn break_even_text(position: &Position, taker_rate: Decimal) -> String {
    if position.amount.is_zero() {
        return "0.0".to_owned();
    }
    let entry = position.entry_price().0;
    let fee = entry * taker_rate;
    let moved = if position.amount.0.is_sign_positive() { entry + fee } else { entry - fee };
    Price(moved.round_dp(MONEY_DECIMALS)).to_string()
}
