//! What spot's account is asked over REST: paths, weights, and what balances mean in reports. Spot
//! has no positions.
//!
//! Implements `binance.md` section 6, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints>.

use enigma_types::{Amount, Asset, InstallationPrefix, InstrumentTable, Now, TradeId};

use super::VENUE;
use super::account_answers::{decode_account, decode_open_orders, decode_trades};
use super::market::Spot;
use crate::binance::account_answers::{BalanceRow, Listed, TradeRow};
use crate::binance::answers::OrderRow;
use crate::binance::auth::{composed, signed_target};
use crate::binance::fields::ReadError;
use crate::binance::queries::{AccountQueries, Answered, Next, stamp};
use crate::binance::symbols::SymbolTable;
use crate::session::{CallTarget, Outbox};
use crate::signer::BinanceSigner;

impl AccountQueries for Spot {
    const PAGE_MS: u64 = DAY_MS;
    const OPEN_ORDERS: (&'static str, u32) = ("/api/v3/openOrders", OPEN_ORDERS_WEIGHT);
    const TRADES_PATH: &'static str = "/api/v3/myTrades";
    const POSITIONS_PATH: Option<&'static str> = None;
    const WEIGHT: u32 = 20;

    fn balances_target(stamp: &str, signer: &BinanceSigner) -> CallTarget {
        let query = composed(format_args!("omitZeroBalances=true&{stamp}"));
        signed_target("/api/v3/account", &query, signer)
    }

    /// The venue leaves out what the account has nothing of, which is hundreds of assets: of those
    /// that we trade in, a balance of zero is reported, because that is what the answer says.
    fn balances(
        answered: &Answered<'_>,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), ReadError> {
        let mut seen = [0_u64; ASSETS.div_ceil(64)];
        let (_, time) = decode_account(body, |row| {
            let place = answered.assets.iter().position(|asset| *asset == row.asset);
            if let Some(word) = place.and_then(|place| seen.get_mut(place >> 6)) {
                *word |= 1 << (place.unwrap_or_default() & 63);
            }
            if place.is_some() || row.wallet != Amount::ZERO {
                outbox.report(answered.balance_report(&row));
            }
        })?;
        for (place, asset) in answered.assets.iter().enumerate() {
            if seen.get(place >> 6).is_some_and(|word| word & 1 << (place & 63) == 0) {
                outbox.report(answered.balance_report(&BalanceRow {
                    asset: *asset,
                    wallet: Amount::ZERO,
                    available: Some(Amount::ZERO),
                    venue_time: time,
                }));
            }
        }
        Ok(())
    }

    fn positions(
        _answered: &Answered<'_>,
        _body: &[u8],
        _outbox: &mut Outbox,
    ) -> Result<Next, ReadError> {
        Ok(Next::Done)
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
    signed_target(Spot::OPEN_ORDERS.0, &stamp(now, recv_window_ms), signer)
}

pub(super) const OPEN_ORDERS_WEIGHT: u32 = 80;
pub(super) const ORDER_STATUS_WEIGHT: u32 = 4;
/// Two for each instrument that an engine carries.
const ASSETS: usize = 2 * InstrumentTable::CAPACITY;
const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use enigma_types::{AccountId, InstrumentId, Nanos, Query, UnixNanos};

    use super::*;
    use crate::binance::account_answers::Listed;
    use crate::binance::queries::{Cursor, PAGES, QueryStep, Stage};

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
        let next = step.next_page::<Spot>(now(1_000), from, page, &listed, Some(TradeId(last)));
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
        let next = step.next_page::<Spot>(now(1_000), from, PAGES - 1, &listed, Some(TradeId(9)));
        assert_eq!(next, Next::Incomplete);
    }
}
