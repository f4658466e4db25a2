//! The account's queries over REST: what each is called, what it costs, and what its answer means
//! in reports. It must not send: it composes targets and reads bodies.
//!
//! Implements `binance.md` section 6, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{
    AccountId, BalanceReport, ExecutionReport, InstallationPrefix, Nanos, Now, OrderReference,
    Outcome, PositionReport, Query, QueryReport, Report, ReportSource, SignedQuantity, TradeId,
};

use super::account_answers::{
    PositionSide, decode_balances, decode_open_orders, decode_positions, decode_trades,
};
use super::order_answers::OrderRow;
use crate::binance::account_answers::Listed;
use crate::binance::auth::{composed, signed_target};
use crate::binance::fields::ReadError;
use crate::binance::symbols::SymbolTable;
use crate::session::{CallTarget, Outbox};
use crate::signer::BinanceSigner;

/// One call of a query. A query may take several, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueryStep {
    pub(super) query: Query,
    /// When the query's first call was composed.
    pub(super) asked_at: Nanos,
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
    /// Milliseconds since 1970; the venue then answers a week.
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
            Stage::OpenOrders => 40,
            Stage::Balances | Stage::Positions | Stage::Trades { .. } => 5,
        }
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
            Stage::OpenOrders => signed_target("/fapi/v1/openOrders", &stamp, signer),
            Stage::Balances => signed_target("/fapi/v3/balance", &stamp, signer),
            Stage::Positions => signed_target("/fapi/v3/positionRisk", &stamp, signer),
            Stage::Trades { from, .. } => {
                let symbol = self.symbol(symbols);
                let from = match from {
                    Cursor::Trade(trade) => composed(format_args!("fromId={}", trade.0)),
                    Cursor::Time(millis) => {
                        let end = millis + WEEK_MS - 1;
                        composed(format_args!("startTime={millis}&endTime={end}"))
                    }
                };
                let query =
                    composed(format_args!("symbol={symbol}&{from}&limit={TRADES_A_PAGE}&{stamp}"));
                signed_target("/fapi/v1/userTrades", &query, signer)
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
            Stage::Balances => {
                answered.balances(body, outbox)?;
                Ok(Next::Ask(Self { stage: Stage::Positions, ..*self }))
            }
            Stage::Positions => answered.positions(body, outbox),
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
            (_, Cursor::Time(millis)) if millis + WEEK_MS <= now.venue_time().as_millis() => {
                Cursor::Time(millis + WEEK_MS)
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
    /// An order's state in answer to a query.
    pub(super) fn order_report(&self, row: &OrderRow) -> Option<Report> {
        let source = ReportSource::Query { asked_at: self.composed_at };
        Some(Report::Execution(ExecutionReport {
            account: self.account,
            instrument: row.instrument,
            order: row.order,
            venue_order_id: row.venue_order_id,
            outcome: Outcome::Working(row.working?, source),
            venue_time: row.venue_time,
            received_at: self.now.mono,
        }))
    }

    fn open_orders(&self, body: &[u8], outbox: &mut Outbox) -> Result<Listed, ReadError> {
        decode_open_orders(self.symbols, self.prefix, body, |row| {
            if let Some(report) = self.order_report(&row) {
                outbox.report(report);
            }
        })
    }

    fn balances(&self, body: &[u8], outbox: &mut Outbox) -> Result<Listed, ReadError> {
        decode_balances(body, |row| {
            outbox.report(Report::Balance(BalanceReport {
                account: self.account,
                asset: row.asset,
                wallet: row.wallet,
                available: row.available,
                venue_time: row.venue_time,
            }));
        })
    }

    /// The venue leaves flat instruments out: for each of ours that isn't there a position of zero
    /// is reported, because that is what the answer says.
    fn positions(&self, body: &[u8], outbox: &mut Outbox) -> Result<Next, ReadError> {
        let mut seen = [0_u64; 8];
        let mut hedged = false;
        decode_positions(self.symbols, body, |row| match row.side {
            PositionSide::Both => {
                let place = self.symbols.by_id(row.instrument).map_or(0, |listing| listing.place);
                if let Some(word) = seen.get_mut(usize::from(place >> 6)) {
                    *word |= 1 << (place & 63);
                }
                outbox.report(Report::Position(PositionReport {
                    account: self.account,
                    instrument: row.instrument,
                    quantity: row.quantity,
                    entry_price: row.entry_price,
                    venue_time: row.venue_time,
                    asked_at: Some(self.composed_at),
                }));
            }
            PositionSide::Long | PositionSide::Short => {
                hedged |= row.quantity != SignedQuantity::ZERO;
            }
        })?;
        for listing in self.symbols.iter() {
            let word = seen.get(usize::from(listing.place >> 6)).copied().unwrap_or(0);
            if word & 1 << (listing.place & 63) == 0 {
                outbox.report(Report::Position(PositionReport {
                    account: self.account,
                    instrument: listing.id,
                    quantity: SignedQuantity::ZERO,
                    entry_price: None,
                    venue_time: self.now.venue_time(),
                    asked_at: Some(self.composed_at),
                }));
            }
        }
        Ok(if hedged { Next::Incomplete } else { Next::Done })
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

/// The target of the position-mode query.
pub(super) fn position_mode_target(
    now: Now,
    recv_window_ms: u32,
    signer: &BinanceSigner,
) -> CallTarget {
    signed_target("/fapi/v1/positionSide/dual", &stamp(now, recv_window_ms), signer)
}

fn stamp(now: Now, recv_window_ms: u32) -> CallTarget {
    let timestamp = now.venue_time().as_millis();
    composed(format_args!("recvWindow={recv_window_ms}&timestamp={timestamp}"))
}

const TRADES_A_PAGE: usize = 1_000;
/// A hundred thousand fills since the last one that we know.
const PAGES: u16 = 100;
const WEEK_MS: u64 = 7 * 86_400_000;
/// The venue keeps three months of fills.
const HISTORY_MS: u64 = 89 * 86_400_000;

#[cfg(test)]
mod tests {
    use enigma_types::{InstrumentId, UnixNanos};

    use super::*;

    fn now(day: u64) -> Now {
        Now { mono: Nanos(7), wall: UnixNanos::from_millis(day * 86_400_000), venue_offset_ns: 0 }
    }

    fn fills(from_trade: Option<TradeId>, since_day: u64) -> QueryStep {
        let since = UnixNanos::from_millis(since_day * 86_400_000);
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
        check_pages(fills(None, 999), 3, 2_000, None);
    }

    #[test]
    fn a_long_time_is_asked_for_week_by_week_and_no_longer_than_the_venue_remembers() {
        let week = 7 * 86_400_000;
        check_pages(fills(None, 980), 3, 9, Some(Cursor::Time(980 * 86_400_000 + week)));
        let Stage::Trades { from, .. } = fills(None, 1).stage else { panic!("trades") };
        assert_eq!(from, Cursor::Time((1_000 - 89) * 86_400_000));
    }

    #[test]
    fn pages_are_bounded() {
        let mut step = fills(Some(TradeId(5)), 0);
        step.stage = Stage::Trades { from: Cursor::Trade(TradeId(5)), page: PAGES - 1 };
        let listed = Listed { rows: 1_000, foreign: 0 };
        let next = step.next_page(
            now(1_000),
            Cursor::Trade(TradeId(5)),
            PAGES - 1,
            &listed,
            Some(TradeId(9)),
        );
        assert_eq!(next, Next::Incomplete);
    }
}
