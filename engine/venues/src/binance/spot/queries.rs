//! Spot's account queries over REST: what each is called, what it costs, and what its answer means
//! in reports. It must not send: it composes targets and reads bodies. Spot has no positions.
//!
//! Implements `binance.md` section 6, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints>.

use enigma_types::{
    AccountId, Amount, Asset, BalanceReport, ExecutionReport, InstallationPrefix, InstrumentTable,
    Nanos, Now, OrderReference, Outcome, Query, QueryReport, Report, ReportSource, TradeId,
};

use super::VENUE;
use super::account_answers::{decode_account, decode_open_orders, decode_trades};
use super::order_answers::OrderRow;
use crate::binance::account_answers::{BalanceRow, Listed};
use crate::binance::auth::{composed, signed_target};
use crate::binance::fields::ReadError;
use crate::binance::symbols::SymbolTable;
use crate::session::{CallTarget, Outbox};
use crate::signer::BinanceSigner;

/// One call of a query. A query may take several, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueryStep {
    query: Query,
    /// When the query's first call was composed.
    asked_at: Nanos,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    OpenOrders,
    Balances,
    Trades { from: Cursor, page: u16 },
}

/// Where a page of fills begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Trade(TradeId),
    /// Milliseconds since 1970; the venue then answers a day.
    Time(u64),
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Ask(QueryStep),
    Done,
    /// More pages than a query may take.
    Incomplete,
}

/// Whose reports they are, and when the answer's call was composed and received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered<'a> {
    pub(super) symbols: &'a SymbolTable,
    pub(super) account: AccountId,
    pub(super) prefix: InstallationPrefix,
    /// What our instruments are traded in.
    pub(super) assets: &'a [Asset],
    pub(super) composed_at: Nanos,
    pub(super) now: Now,
}

impl QueryStep {
    /// The first call of a query; `None` for the one that goes over the order connection.
    pub(super) fn first(query: Query, now: Now) -> Option<Self> {
        let stage = match query {
            Query::Order { .. } => return None,
            Query::OpenOrders { .. } => Stage::OpenOrders,
            Query::Account { .. } => Stage::Balances,
            Query::Fills { from_trade, since, .. } => {
                let oldest = now.venue_time().as_millis().saturating_sub(HISTORY_MS);
                let from = match from_trade {
                    Some(trade) => Cursor::Trade(trade),
                    None => Cursor::Time(since.as_millis().max(oldest)),
                };
                Stage::Trades { from, page: 0 }
            }
        };
        Some(Self { query, asked_at: now.mono, stage })
    }

    pub(super) const fn weight(&self) -> u32 {
        match self.stage {
            Stage::OpenOrders => OPEN_ORDERS_WEIGHT,
            Stage::Balances | Stage::Trades { .. } => 20,
        }
    }

    pub(super) const fn tells_open_orders(&self) -> bool {
        matches!(self.stage, Stage::OpenOrders)
    }

    pub(super) fn target(
        &self,
        symbols: &SymbolTable,
        now: Now,
        recv_window_ms: u32,
        signer: &BinanceSigner,
    ) -> CallTarget {
        let stamp = stamp(now, recv_window_ms);
        match self.stage {
            Stage::OpenOrders => open_orders(now, recv_window_ms, signer),
            Stage::Balances => {
                let query = composed(format_args!("omitZeroBalances=true&{stamp}"));
                signed_target("/api/v3/account", &query, signer)
            }
            Stage::Trades { from, .. } => {
                let symbol = self.symbol(symbols);
                let from = match from {
                    Cursor::Trade(trade) => composed(format_args!("fromId={}", trade.0)),
                    Cursor::Time(millis) => {
                        let end = millis + DAY_MS - 1;
                        composed(format_args!("startTime={millis}&endTime={end}"))
                    }
                };
                let query =
                    composed(format_args!("symbol={symbol}&{from}&limit={TRADES_A_PAGE}&{stamp}"));
                signed_target("/api/v3/myTrades", &query, signer)
            }
        }
    }

    /// Turns an answer into reports and says what comes next.
    pub(super) fn absorb(
        &self,
        answered: &Answered<'_>,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Next, ReadError> {
        match self.stage {
            Stage::OpenOrders => answered.open_orders(body, outbox).map(|_| Next::Done),
            Stage::Balances => answered.balances(body, outbox).map(|_| Next::Done),
            Stage::Trades { from, page } => {
                let (listed, last) = answered.trades(body, outbox)?;
                Ok(self.next_page(answered.now, from, page, &listed, last))
            }
        }
    }

    pub(super) fn report(&self, complete: bool) -> Report {
        let (query, asked_at) = (self.query, self.asked_at);
        Report::Query(QueryReport { query, asked_at, complete })
    }

    fn next_page(
        &self,
        now: Now,
        from: Cursor,
        page: u16,
        listed: &Listed,
        last: Option<TradeId>,
    ) -> Next {
        let next = match (last, from) {
            (Some(last), _) if listed.rows >= TRADES_A_PAGE => {
                Cursor::Trade(TradeId(last.0.saturating_add(1)))
            }
            (_, Cursor::Time(millis)) if millis + DAY_MS <= now.venue_time().as_millis() => {
                Cursor::Time(millis + DAY_MS)
            }
            _ => return Next::Done,
        };
        if page + 1 >= PAGES {
            return Next::Incomplete;
        }
        Next::Ask(Self { stage: Stage::Trades { from: next, page: page + 1 }, ..*self })
    }

    fn symbol<'a>(&self, symbols: &'a SymbolTable) -> &'a str {
        let instrument = match self.query {
            Query::Order { instrument, .. } | Query::Fills { instrument, .. } => instrument,
            Query::OpenOrders { .. } | Query::Account { .. } => return "",
        };
        symbols.by_id(instrument).map_or("", |listing| symbols.symbol(listing))
    }
}

impl Answered<'_> {
    fn open_orders(&self, body: &[u8], outbox: &mut Outbox) -> Result<Listed, ReadError> {
        let source = ReportSource::Query { asked_at: self.composed_at };
        decode_open_orders(self.symbols, self.prefix, body, |row: OrderRow| {
            let Some(working) = row.working else { return };
            outbox.report(Report::Execution(ExecutionReport {
                account: self.account,
                instrument: row.instrument,
                order: row.order,
                venue_order_id: row.venue_order_id,
                outcome: Outcome::Working(working, source),
                venue_time: row.venue_time,
                received_at: self.now.mono,
            }));
        })
    }

    /// The venue leaves out what the account has nothing of, which is hundreds of assets: of those
    /// that we trade in, a balance of zero is reported, because that is what the answer says.
    fn balances(&self, body: &[u8], outbox: &mut Outbox) -> Result<(), ReadError> {
        let mut seen = [0_u64; ASSETS.div_ceil(64)];
        let (_, time) = decode_account(body, |row| {
            let place = self.assets.iter().position(|asset| *asset == row.asset);
            if let Some(word) = place.and_then(|place| seen.get_mut(place >> 6)) {
                *word |= 1 << (place.unwrap_or_default() & 63);
            }
            if place.is_some() || row.wallet != Amount::ZERO {
                outbox.report(self.balance_report(&row));
            }
        })?;
        for (place, asset) in self.assets.iter().enumerate() {
            if seen.get(place >> 6).is_some_and(|word| word & 1 << (place & 63) == 0) {
                outbox.report(self.balance_report(&BalanceRow {
                    asset: *asset,
                    wallet: Amount::ZERO,
                    available: Some(Amount::ZERO),
                    venue_time: time,
                }));
            }
        }
        Ok(())
    }

    fn balance_report(&self, row: &BalanceRow) -> Report {
        Report::Balance(BalanceReport {
            account: self.account,
            asset: row.asset,
            wallet: row.wallet,
            available: row.available,
            venue_time: row.venue_time,
        })
    }

    /// The venue doesn't tell our own id with a fill: the order is found by the venue's id.
    fn trades(
        &self,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(Listed, Option<TradeId>), ReadError> {
        decode_trades(self.symbols, body, |row| {
            outbox.report(Report::Execution(ExecutionReport {
                account: self.account,
                instrument: row.instrument,
                order: OrderReference::External(arrayvec::ArrayString::new()),
                venue_order_id: row.venue_order_id,
                outcome: Outcome::Fill(row.fill),
                venue_time: row.venue_time,
                received_at: self.now.mono,
            }));
        })
    }
}

/// The assets that the instruments are traded in, each once.
pub(super) fn assets_of(instruments: &InstrumentTable) -> Vec<Asset> {
    let mut assets = Vec::new();
    for row in instruments.iter().filter(|row| row.venue == VENUE) {
        for asset in [row.base, row.quote] {
            if !assets.contains(&asset) && assets.len() < ASSETS {
                assets.push(asset);
            }
        }
    }
    assets
}

/// Every open order of the account.
pub(super) fn open_orders(now: Now, recv_window_ms: u32, signer: &BinanceSigner) -> CallTarget {
    signed_target("/api/v3/openOrders", &stamp(now, recv_window_ms), signer)
}

fn stamp(now: Now, recv_window_ms: u32) -> CallTarget {
    let timestamp = now.venue_time().as_millis();
    composed(format_args!("recvWindow={recv_window_ms}&timestamp={timestamp}"))
}

pub(super) const OPEN_ORDERS_WEIGHT: u32 = 80;
pub(super) const ORDER_STATUS_WEIGHT: u32 = 4;
/// Two for each instrument that an engine carries.
const ASSETS: usize = 2 * InstrumentTable::CAPACITY;
const TRADES_A_PAGE: usize = 1_000;
/// A hundred thousand fills since the last one that we know, or as many days.
const PAGES: u16 = 100;
/// The venue answers no longer time at once.
const DAY_MS: u64 = 86_400_000;
/// How far back an account without a known fill is asked for.
const HISTORY_MS: u64 = 89 * DAY_MS;

#[cfg(test)]
mod tests {
    use enigma_types::{InstrumentId, UnixNanos};

    use super::*;

    fn now(day: u64) -> Now {
        Now { mono: Nanos(7), wall: UnixNanos::from_millis(day * DAY_MS), venue_offset_ns: 0 }
    }

    fn fills(from_trade: Option<TradeId>, since_day: u64) -> QueryStep {
        let since = UnixNanos::from_millis(since_day * DAY_MS);
        let (account, instrument) = (AccountId(0), InstrumentId(0));
        let query = Query::Fills { account, instrument, from_trade, since };
        QueryStep::first(query, now(1_000)).unwrap_or_else(|| panic!("fills go over REST"))
    }

    #[track_caller]
    fn check_pages(step: QueryStep, rows: usize, last: u64, expected: Option<Cursor>) {
        let Stage::Trades { from, page } = step.stage else { panic!("a query for trades") };
        let listed = Listed { rows, foreign: 0 };
        let next = step.next_page(now(1_000), from, page, &listed, Some(TradeId(last)));
        let cursor = match next {
            Next::Ask(QueryStep { stage: Stage::Trades { from, .. }, .. }) => Some(from),
            Next::Ask(_) | Next::Done | Next::Incomplete => None,
        };
        assert_eq!(cursor, expected);
    }

    #[test]
    fn a_full_page_asks_for_what_follows_it() {
        check_pages(fills(Some(TradeId(5)), 0), 1_000, 2_000, Some(Cursor::Trade(TradeId(2_001))));
        check_pages(fills(Some(TradeId(5)), 0), 999, 2_000, None);
    }

    #[test]
    fn a_long_time_is_asked_for_day_by_day() {
        check_pages(fills(None, 990), 3, 9, Some(Cursor::Time(991 * DAY_MS)));
        check_pages(fills(None, 1_000), 3, 9, None);
        let Stage::Trades { from, .. } = fills(None, 1).stage else { panic!("trades") };
        assert_eq!(from, Cursor::Time((1_000 - 89) * DAY_MS));
    }

    #[test]
    fn pages_are_bounded() {
        let mut step = fills(Some(TradeId(5)), 0);
        let from = Cursor::Trade(TradeId(5));
        step.stage = Stage::Trades { from, page: PAGES - 1 };
        let listed = Listed { rows: 1_000, foreign: 0 };
        let next = step.next_page(now(1_000), from, PAGES - 1, &listed, Some(TradeId(9)));
        assert_eq!(next, Next::Incomplete);
    }
}
