//! Funding: the rate, its payments and what the account's income shows
//! (`venues/binance.md` sections 3 and 4.5).

use std::collections::VecDeque;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Venue;
use super::accounts::money;
use super::errors::Reject;
use super::order_form::{read_limit, read_times};
use crate::dialects::binance::parameters::Parameters;
use crate::exchange::account::AccountId;
use crate::exchange::instrument::InstrumentId;
use crate::exchange::number::{Money, Price, padded};
use crate::exchange::order::UnixMillis;

/// Settlements remembered, all instruments together.
const HISTORY_MAX: usize = 10_000;
pub const RATE_DECIMALS: u32 = 8;
/// 0.01 % each interval, where the venue's formula rests in a calm market.
const RATE: Decimal = Decimal::from_parts(1, 0, 0, false, 4);

#[derive(Clone, Copy, Debug)]
struct Settlement {
    instrument: InstrumentId,
    rate: Decimal,
    mark: Price,
    at: UnixMillis,
}

#[derive(Debug)]
pub struct Funding {
    every_ms: u64,
    pub next_at: UnixMillis,
    past: VecDeque<Settlement>,
}

impl Funding {
    pub fn new(now: UnixMillis, every_ms: u64) -> Self {
        let every_ms = every_ms.max(1);
        Self { every_ms, next_at: next_after(now, every_ms), past: VecDeque::new() }
    }

    pub fn rate(&self) -> Decimal {
        RATE
    }

    /// The rate paid last, or the one to come before the first payment.
    pub fn last_rate(&self, instrument: InstrumentId) -> Decimal {
        let of_it = self.past.iter().rev().find(|one| one.instrument == instrument);
        of_it.map_or(RATE, |one| one.rate)
    }
}

fn next_after(now: UnixMillis, every_ms: u64) -> UnixMillis {
    UnixMillis((now.0 / every_ms).saturating_add(1).saturating_mul(every_ms))
}

impl Venue {
    /// Pays funding where an interval has ended.
    pub fn pay_due_funding(&mut self, now: UnixMillis) {
        if now < self.funding.next_at {
            return;
        }
        self.funding.next_at = next_after(now, self.funding.every_ms);
        self.pay_funding(now, None, self.funding.rate());
    }

    /// Pays funding now: on one instrument, or on all.
    pub fn pay_funding(&mut self, now: UnixMillis, only: Option<InstrumentId>, rate: Decimal) {
        let ids: Vec<InstrumentId> = self.exchange.markets().map(|(id, _)| id).collect();
        for instrument in ids.into_iter().filter(|id| only.is_none_or(|only| only == *id)) {
            let mark = self.exchange.market(instrument).mark();
            self.exchange.settle_funding(now, instrument, rate);
            self.funding.past.push_back(Settlement { instrument, rate, mark, at: now });
            if self.funding.past.len() > HISTORY_MAX {
                self.funding.past.pop_front();
            }
        }
        self.drain(now);
    }

    pub fn funding_rates(&self, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let limit = read_limit(sent, 100, 1000)?;
        let (start, end) = read_times(sent)?;
        let wanted = |one: &&Settlement| {
            only.is_none_or(|id| id == one.instrument) && (start..=end).contains(&one.at.0)
        };
        let found: Vec<&Settlement> = self.funding.past.iter().filter(wanted).collect();
        let skip = match sent.get("startTime") {
            Some(_) => 0,
            None => found.len().saturating_sub(limit),
        };
        let page = found.into_iter().skip(skip).take(limit);
        Ok(page
            .map(|one| {
                json!({
                    "symbol": self.exchange.market(one.instrument).instrument.symbol,
                    "fundingRate": padded(one.rate, RATE_DECIMALS),
                    "fundingTime": one.at.0,
                    "markPrice": padded(one.mark.0, 8),
                })
            })
            .collect())
    }

    /// What came into the wallet and left it, oldest first.
    pub fn income(&self, account: AccountId, sent: &Parameters) -> Result<Value, Reject> {
        let only = sent.get("symbol").map(|_| self.read_symbol(sent)).transpose()?;
        let kind = sent.get("incomeType");
        let limit = read_limit(sent, 100, 1000)?;
        let page = sent.integer("page")?.unwrap_or(1).saturating_sub(1);
        let (start, end) = read_times(sent)?;
        let mut entries = self.entries(account);
        entries.retain(|entry| {
            only.is_none_or(|id| entry.instrument == Some(id))
                && kind.is_none_or(|kind| kind == entry.kind)
                && (start..=end).contains(&entry.at.0)
        });
        entries.sort_by_key(|entry| entry.at);
        let from_start = sent.get("startTime").is_some() || sent.get("page").is_some();
        let skip = if from_start {
            limit.saturating_mul(usize::try_from(page).unwrap_or(usize::MAX))
        } else {
            entries.len().saturating_sub(limit)
        };
        let shown = entries.iter().skip(skip).take(limit);
        Ok(shown.map(|entry| self.entry_json(entry)).collect())
    }

    fn entries(&self, account: AccountId) -> Vec<Entry> {
        let held = self.exchange.account(account);
        let mut entries = Vec::new();
        for fill in &held.fills {
            let trade = fill.trade.0;
            let mut add = |kind, amount: Money| {
                entries.push(Entry {
                    instrument: Some(fill.instrument),
                    kind,
                    amount,
                    info: trade.to_string(),
                    id: trade,
                    trade: trade.to_string(),
                    at: fill.at,
                });
            };
            if !fill.realized.0.is_zero() {
                add("REALIZED_PNL", fill.realized);
            }
            add("COMMISSION", fill.fee.negated());
        }
        entries.extend(held.funding.iter().map(|payment| Entry {
            instrument: Some(payment.instrument),
            kind: "FUNDING_FEE",
            amount: payment.amount,
            info: "FUNDING_FEE".to_owned(),
            id: payment.id,
            trade: String::new(),
            at: payment.at,
        }));
        entries.push(Entry {
            instrument: None,
            kind: "TRANSFER",
            amount: held.deposit,
            info: "TRANSFER".to_owned(),
            id: 1,
            trade: String::new(),
            at: self.started,
        });
        entries
    }

    fn entry_json(&self, entry: &Entry) -> Value {
        let market = entry.instrument.map(|id| self.exchange.market(id));
        json!({
            "symbol": market.map_or("", |market| market.instrument.symbol.as_str()),
            "incomeType": entry.kind,
            "income": money(entry.amount),
            "asset": "USDT",
            "time": entry.at.0,
            "info": entry.info,
            "tranId": entry.id,
            "tradeId": entry.trade,
        })
    }
}

/// One line of the income.
struct Entry {
    instrument: Option<InstrumentId>,
    kind: &'static str,
    amount: Money,
    info: String,
    id: u64,
    trade: String,
    at: UnixMillis,
}
