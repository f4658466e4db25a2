//! What the account of futures is asked over REST: paths, weights, and what balances and positions
//! mean in reports.
//!
//! Implements `binance.md` section 6, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{InstallationPrefix, Now, PositionReport, Report, SignedQuantity, TradeId};

use super::account_answers::{
    PositionSide, decode_balances, decode_open_orders, decode_positions, decode_trades,
};
use super::market::Usdm;
use crate::binance::account_answers::{Listed, TradeRow};
use crate::binance::answers::OrderRow;
use crate::binance::auth::signed_target;
use crate::binance::fields::ReadError;
use crate::binance::queries::{AccountQueries, Answered, Next, stamp};
use crate::binance::symbols::SymbolTable;
use crate::session::{CallTarget, Outbox};
use crate::signer::BinanceSigner;

impl AccountQueries for Usdm {
    const PAGE_MS: u64 = 7 * 86_400_000;
    const OPEN_ORDERS: (&'static str, u32) = ("/fapi/v1/openOrders", 40);
    const TRADES_PATH: &'static str = "/fapi/v1/userTrades";
    const POSITIONS_PATH: Option<&'static str> = Some("/fapi/v3/positionRisk");
    const WEIGHT: u32 = 5;

    fn balances_target(stamp: &str, signer: &BinanceSigner) -> CallTarget {
        signed_target("/fapi/v3/balance", stamp, signer)
    }

    fn balances(
        answered: &Answered<'_>,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), ReadError> {
        decode_balances(body, |row| outbox.report(answered.balance_report(&row))).map(|_| ())
    }

    /// The venue leaves flat instruments out: for each of ours that isn't there a position of zero
    /// is reported, because that is what the answer says.
    fn positions(
        answered: &Answered<'_>,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Next, ReadError> {
        let mut seen = [0_u64; 8];
        let mut hedged = false;
        decode_positions(answered.symbols, body, |row| match row.side {
            PositionSide::Both => {
                let place =
                    answered.symbols.by_id(row.instrument).map_or(0, |listing| listing.place);
                if let Some(word) = seen.get_mut(usize::from(place >> 6)) {
                    *word |= 1 << (place & 63);
                }
                outbox.report(Report::Position(PositionReport {
                    account: answered.account,
                    instrument: row.instrument,
                    quantity: row.quantity,
                    entry_price: row.entry_price,
                    venue_time: row.venue_time,
                    asked_at: Some(answered.composed_at),
                }));
            }
            PositionSide::Long | PositionSide::Short => {
                hedged |= row.quantity != SignedQuantity::ZERO;
            }
        })?;
        for listing in answered.symbols.iter() {
            let word = seen.get(usize::from(listing.place >> 6)).copied().unwrap_or(0);
            if word & 1 << (listing.place & 63) == 0 {
                outbox.report(Report::Position(PositionReport {
                    account: answered.account,
                    instrument: listing.id,
                    quantity: SignedQuantity::ZERO,
                    entry_price: None,
                    venue_time: answered.now.venue_time(),
                    asked_at: Some(answered.composed_at),
                }));
            }
        }
        Ok(if hedged { Next::Incomplete } else { Next::Done })
    }

    fn decode_open_orders(
        symbols: &SymbolTable,
        prefix: InstallationPrefix,
        body: &[u8],
        visit: impl FnMut(OrderRow),
    ) -> Result<Listed, ReadError> {
        decode_open_orders(symbols, prefix, body, visit)
    }

    fn decode_trades(
        symbols: &SymbolTable,
        body: &[u8],
        visit: impl FnMut(TradeRow),
    ) -> Result<(Listed, Option<TradeId>), ReadError> {
        decode_trades(symbols, body, visit)
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

#[cfg(test)]
mod tests {
    use enigma_types::{AccountId, InstrumentId, Nanos, Query, UnixNanos};

    use super::*;
    use crate::binance::account_answers::Listed;
    use crate::binance::queries::{Cursor, PAGES, QueryStep, Stage};

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
        let next = step.next_page::<Usdm>(now(1_000), from, page, &listed, Some(TradeId(last)));
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
        let next = step.next_page::<Usdm>(
            now(1_000),
            Cursor::Trade(TradeId(5)),
            PAGES - 1,
            &listed,
            Some(TradeId(9)),
        );
        assert_eq!(next, Next::Incomplete);
    }
}
