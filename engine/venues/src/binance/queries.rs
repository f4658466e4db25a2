//! An account's queries over REST: in which calls each is asked, and what their answers mean in
//! reports. It must not send: it composes targets and reads bodies. Paths, weights and fields are
//! the product's.
//!
//! Implements `binance.md` section 6, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints>.

use enigma_types::{
    AccountId, Asset, BalanceReport, ExecutionReport, InstallationPrefix, Nanos, Now,
    OrderReference, Outcome, Query, QueryReport, Report, ReportSource, TradeId,
};

use super::account_answers::{BalanceRow, Listed, TradeRow};
use super::answers::OrderRow;
use super::auth::{composed, signed_target};
use super::fields::ReadError;
use super::symbols::SymbolTable;
use crate::session::{CallTarget, Outbox};
use crate::signer::BinanceSigner;

/// What the products' queries differ in.
pub(super) trait AccountQueries {
    /// How much time the venue answers at once when asked for fills.
    const PAGE_MS: u64;
    /// Path and weight.
    const OPEN_ORDERS: (&'static str, u32);
    const TRADES_PATH: &'static str;
    /// Where there are positions they are asked for after the balances.
    const POSITIONS_PATH: Option<&'static str>;
    /// What each call but that for open orders weighs.
    const WEIGHT: u32;

    fn balances_target(stamp: &str, signer: &BinanceSigner) -> CallTarget;

    fn balances(answered: &Answered<'_>, body: &[u8], outbox: &mut Outbox)
    -> Result<(), ReadError>;

    fn positions(
        answered: &Answered<'_>,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Next, ReadError>;

    fn decode_open_orders(
        symbols: &SymbolTable,
        prefix: InstallationPrefix,
        body: &[u8],
        visit: impl FnMut(OrderRow),
    ) -> Result<Listed, ReadError>;

    fn decode_trades(
        symbols: &SymbolTable,
        body: &[u8],
        visit: impl FnMut(TradeRow),
    ) -> Result<(Listed, Option<TradeId>), ReadError>;
}

/// One call of a query. A query may take several, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueryStep {
    query: Query,
    /// When the query's first call was composed.
    asked_at: Nanos,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    OpenOrders,
    Balances,
    Positions,
    Trades { from: Cursor, page: u16 },
}

/// Where a page of fills begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    Trade(TradeId),
    /// Milliseconds since 1970; the venue then answers a time of `PAGE_MS`.
    Time(u64),
}

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Ask(QueryStep),
    Done,
    /// More pages than a query may take, or a position that can't be in one-way mode.
    Incomplete,
}

/// Whose reports they are, and when the answer's call was composed and received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered<'a> {
    pub(super) symbols: &'a SymbolTable,
    pub(super) account: AccountId,
    pub(super) prefix: InstallationPrefix,
    /// What our instruments are traded in, where that matters.
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

    pub(super) const fn weight<P: AccountQueries>(&self) -> u32 {
        match self.stage {
            Stage::OpenOrders => P::OPEN_ORDERS.1,
            Stage::Balances | Stage::Positions | Stage::Trades { .. } => P::WEIGHT,
        }
    }

    pub(super) const fn tells_open_orders(&self) -> bool {
        matches!(self.stage, Stage::OpenOrders)
    }

    pub(super) fn target<P: AccountQueries>(
        &self,
        symbols: &SymbolTable,
        now: Now,
        recv_window_ms: u32,
        signer: &BinanceSigner,
    ) -> CallTarget {
        let stamp = stamp(now, recv_window_ms);
        match self.stage {
            Stage::OpenOrders => signed_target(P::OPEN_ORDERS.0, &stamp, signer),
            Stage::Balances => P::balances_target(&stamp, signer),
            Stage::Positions => {
                signed_target(P::POSITIONS_PATH.unwrap_or_default(), &stamp, signer)
            }
            Stage::Trades { from, .. } => {
                let symbol = self.symbol(symbols);
                let from = match from {
                    Cursor::Trade(trade) => composed(format_args!("fromId={}", trade.0)),
                    Cursor::Time(millis) => {
                        let end = millis + P::PAGE_MS - 1;
                        composed(format_args!("startTime={millis}&endTime={end}"))
                    }
                };
                let query =
                    composed(format_args!("symbol={symbol}&{from}&limit={TRADES_A_PAGE}&{stamp}"));
                signed_target(P::TRADES_PATH, &query, signer)
            }
        }
    }

    /// Turns an answer into reports and says what comes next.
    pub(super) fn absorb<P: AccountQueries>(
        &self,
        answered: &Answered<'_>,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Next, ReadError> {
        match self.stage {
            Stage::OpenOrders => answered.open_orders::<P>(body, outbox).map(|_| Next::Done),
            Stage::Balances => {
                P::balances(answered, body, outbox)?;
                let positions = Self { stage: Stage::Positions, ..*self };
                Ok(P::POSITIONS_PATH.map_or(Next::Done, |_| Next::Ask(positions)))
            }
            Stage::Positions => P::positions(answered, body, outbox),
            Stage::Trades { from, page } => {
                let (listed, last) = answered.trades::<P>(body, outbox)?;
                Ok(self.next_page::<P>(answered.now, from, page, &listed, last))
            }
        }
    }

    pub(super) fn report(&self, complete: bool) -> Report {
        let (query, asked_at) = (self.query, self.asked_at);
        Report::Query(QueryReport { query, asked_at, complete })
    }

    pub(super) fn next_page<P: AccountQueries>(
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
            (_, Cursor::Time(millis)) if millis + P::PAGE_MS <= now.venue_time().as_millis() => {
                Cursor::Time(millis + P::PAGE_MS)
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
    fn open_orders<P: AccountQueries>(
        &self,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Listed, ReadError> {
        let source = ReportSource::Query { asked_at: self.composed_at };
        P::decode_open_orders(self.symbols, self.prefix, body, |row: OrderRow| {
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

    pub(super) fn balance_report(&self, row: &BalanceRow) -> Report {
        Report::Balance(BalanceReport {
            account: self.account,
            asset: row.asset,
            wallet: row.wallet,
            available: row.available,
            venue_time: row.venue_time,
        })
    }

    /// The venue doesn't tell our own id with a fill: the order is found by the venue's id.
    fn trades<P: AccountQueries>(
        &self,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(Listed, Option<TradeId>), ReadError> {
        P::decode_trades(self.symbols, body, |row| {
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

/// When a signed call was composed, and for how long it may be executed.
pub(super) fn stamp(now: Now, recv_window_ms: u32) -> CallTarget {
    let timestamp = now.venue_time().as_millis();
    composed(format_args!("recvWindow={recv_window_ms}&timestamp={timestamp}"))
}

const TRADES_A_PAGE: usize = 1_000;
/// A hundred thousand fills since the last one that we know, or as many pages of time.
pub(super) const PAGES: u16 = 100;
/// How far back an account without a known fill is asked for; futures keep three months of fills.
const HISTORY_MS: u64 = 89 * 86_400_000;
