//! Decodes what spot's REST answers about an account: balances, fills, open orders. It must not
//! allocate: rows are handed out one by one.
//!
//! Implements `binance.md` section 6, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints>.

use enigma_types::{Amount, InstallationPrefix, Side, TradeId, UnixNanos, VenueOrderId};

use super::order_answers::{OrderRow, decode_order};
use crate::binance::account_answers::{BalanceRow, FillFields, Listed, TradeRow, decode_orders};
use crate::binance::fields::{ReadError, amount, asset_of, fields, millis, need};
use crate::binance::symbols::SymbolTable;
use crate::wire::json::RawValue;

/// Reads the balances of `GET /api/v3/account`, and gives the time of the account's last change,
/// which stands for all of them.
pub fn decode_account(
    body: &[u8],
    mut visit: impl FnMut(BalanceRow),
) -> Result<(Listed, UnixNanos), ReadError> {
    let [balances, updated] = fields(&RawValue::of_message(body)?, ["balances", "updateTime"])?;
    let venue_time = updated.map_or(Ok(UnixNanos(0)), millis)?;
    let mut listed = Listed::default();
    for item in need(balances, "balances")?.iter_array()? {
        let [asset, free, locked] = fields(&item?, ["asset", "free", "locked"])?;
        visit(balance_row([asset, free, locked], venue_time)?);
        listed.rows += 1;
    }
    Ok((listed, venue_time))
}

/// Reads `GET /api/v3/myTrades`, and gives the highest trade id besides.
pub fn decode_trades(
    symbols: &SymbolTable,
    body: &[u8],
    mut visit: impl FnMut(TradeRow),
) -> Result<(Listed, Option<TradeId>), ReadError> {
    let mut listed = Listed::default();
    let mut last = None;
    for item in RawValue::of_message(body)?.iter_array()? {
        let item = item?;
        let [symbol, id, order, buyer, maker, time] =
            fields(&item, ["symbol", "id", "orderId", "isBuyer", "isMaker", "time"])?;
        let [price, quantity, fee, fee_asset] =
            fields(&item, ["price", "qty", "commission", "commissionAsset"])?;
        listed.rows += 1;
        let trade_id = TradeId(need(id, "id")?.as_u64()?);
        last = last.max(Some(trade_id));
        let Some(listing) = symbols.find(need(symbol, "symbol")?.as_plain()?) else {
            listed.foreign += 1;
            continue;
        };
        let fill = FillFields {
            side: if need(buyer, "isBuyer")?.as_bool()? { Side::Buy } else { Side::Sell },
            price,
            quantity,
            maker,
            fee: Some(need(fee, "commission")?),
            fee_asset: Some(need(fee_asset, "commissionAsset")?),
        };
        visit(TradeRow {
            instrument: listing.id,
            venue_order_id: VenueOrderId(need(order, "orderId")?.as_u64()?),
            fill: fill.read(listing, trade_id)?,
            venue_time: millis(need(time, "time")?)?,
        });
    }
    Ok((listed, last))
}

/// Reads `GET /api/v3/openOrders`.
pub fn decode_open_orders(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    body: &[u8],
    visit: impl FnMut(OrderRow),
) -> Result<Listed, ReadError> {
    let decode = |item: RawValue<'_>| match decode_order(symbols, prefix, item)? {
        Some(row) if row.working.is_none() => Err(ReadError::Missing("status")),
        row => Ok(row),
    };
    decode_orders(body, decode, visit)
}

/// What an account has of an asset: free, and locked in open orders. Both together are its wallet.
pub(super) fn balance_row(
    [asset, free, locked]: [Option<RawValue<'_>>; 3],
    venue_time: UnixNanos,
) -> Result<BalanceRow, ReadError> {
    let free = amount(need(free, "free")?)?;
    let locked = amount(need(locked, "locked")?)?;
    if free.is_negative() || locked.is_negative() {
        return Err(ReadError::Absurd("balance"));
    }
    let wallet = free.0.checked_add(locked.0).map(Amount);
    Ok(BalanceRow {
        asset: asset_of(need(asset, "asset")?)?,
        wallet: wallet.ok_or(ReadError::Absurd("balance"))?,
        available: Some(free),
        venue_time,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::{Liquidity, Price, Quantity};

    use super::*;
    use crate::binance::spot::tests::{prefix, symbols};

    #[test]
    fn a_wallet_is_what_is_free_and_what_is_locked() {
        let body = br#"{"makerCommission":15,"canTrade":true,"canWithdraw":true,
            "updateTime":1660801833000,"accountType":"SPOT","balances":[
            {"asset":"BTC","free":"1.3447112","locked":"0.08600000"},
            {"asset":"USDT","free":"1021.21000000","locked":"0.00000000"}],"uid":5}"#;
        let mut rows = Vec::new();
        let (listed, time) = decode_account(body, |row| rows.push(row)).unwrap();
        assert_eq!(listed, Listed { rows: 2, foreign: 0 });
        assert_eq!(time, UnixNanos::from_millis(1_660_801_833_000));
        assert_eq!(rows[0].wallet, Amount::parse(b"1.4307112").unwrap());
        assert_eq!(rows[0].available, Some(Amount::parse(b"1.3447112").unwrap()));
        assert_eq!(rows[1].asset.as_str(), "USDT");
        assert_eq!(rows[1].venue_time, time);
    }

    #[test]
    fn fills_carry_a_fee_in_whatever_asset_it_was_taken() {
        let body = br#"[{"symbol":"BTCUSDT","id":28457,"orderId":100234,"orderListId":-1,
            "price":"61837.64000000","qty":"0.01200000","quoteQty":"742.05168","commission":
            "0.00089100","commissionAsset":"BNB","time":1499865549590,"isBuyer":true,
            "isMaker":false,"isBestMatch":true},{"symbol":"DOGEUSDT","id":30000}]"#;
        let mut rows = Vec::new();
        let (listed, last) = decode_trades(&symbols(), body, |row| rows.push(row)).unwrap();
        assert_eq!((listed.rows, listed.foreign, last), (2, 1, Some(TradeId(30_000))));
        let fill = rows[0].fill;
        assert_eq!(rows[0].venue_order_id, VenueOrderId(100_234));
        assert_eq!((fill.price, fill.quantity), (Price(6_183_764), Quantity(1_200)));
        assert_eq!((fill.side, fill.liquidity), (Side::Buy, Liquidity::Taker));
        assert_eq!(fill.fee, Some(Amount::parse(b"0.000891").unwrap()));
        assert_eq!(fill.fee_asset.as_str(), "BNB");
    }

    #[track_caller]
    fn check_broken(body: &str) {
        let bytes = body.as_bytes();
        assert!(decode_trades(&symbols(), bytes, |_| ()).is_err(), "{body}");
        assert!(decode_open_orders(&symbols(), prefix(), bytes, |_| ()).is_err(), "{body}");
        assert!(decode_account(bytes, |_| ()).is_err(), "{body}");
    }

    #[test]
    fn what_is_no_list_or_no_account_is_an_error() {
        for body in ["", "{}", "[{]", "<html>", "[1]", "{\"balances\":{}}"] {
            check_broken(body);
        }
        check_broken("[{\"symbol\":\"BTCUSDT\"}]");
        check_broken("{\"balances\":[{\"asset\":\"BTC\",\"free\":\"-1\",\"locked\":\"0\"}]}");
        check_broken("{\"balances\":[{\"asset\":\"BTC\",\"free\":\"1e5\",\"locked\":\"0\"}]}");
    }
}
