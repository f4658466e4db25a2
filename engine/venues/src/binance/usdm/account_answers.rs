//! Decodes what REST answers about an account: balances, positions, fills, open orders, modes. It
//! must not allocate: rows are handed out one by one.
//!
//! Implements `binance.md` section 6, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{
    InstallationPrefix, InstrumentId, Price, SignedQuantity, TradeId, UnixNanos, VenueOrderId,
};

use super::order_answers::{OrderRow, decode_order};
use crate::binance::account_answers::{BalanceRow, FillFields, Listed, TradeRow, decode_orders};
use crate::binance::fields::{
    ReadError, amount, asset_of, fields, millis, need, side_of, truncated_decimal,
};
use crate::binance::symbols::{Listing, SymbolTable};
use crate::wire::json::RawValue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionRow {
    pub instrument: InstrumentId,
    /// `Both` in one-way mode, the only mode that we trade in.
    pub side: PositionSide,
    pub quantity: SignedQuantity,
    /// The average, cut to the price scale; `None` when there is no position.
    pub entry_price: Option<Price>,
    pub venue_time: UnixNanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionSide {
    Both,
    Long,
    Short,
}

/// Reads `GET /fapi/v3/balance`.
pub fn decode_balances(
    body: &[u8],
    mut visit: impl FnMut(BalanceRow),
) -> Result<Listed, ReadError> {
    let mut listed = Listed::default();
    for item in RawValue::of_message(body)?.iter_array()? {
        let [asset, wallet, available, updated] =
            fields(&item?, ["asset", "balance", "availableBalance", "updateTime"])?;
        visit(BalanceRow {
            asset: asset_of(need(asset, "asset")?)?,
            wallet: amount(need(wallet, "balance")?)?,
            available: available.map(amount).transpose()?,
            venue_time: updated.map_or(Ok(UnixNanos(0)), millis)?,
        });
        listed.rows += 1;
    }
    Ok(listed)
}

/// Reads `GET /fapi/v3/positionRisk`, which leaves instruments without position and orders out.
pub fn decode_positions(
    symbols: &SymbolTable,
    body: &[u8],
    mut visit: impl FnMut(PositionRow),
) -> Result<Listed, ReadError> {
    let mut listed = Listed::default();
    for item in RawValue::of_message(body)?.iter_array()? {
        let [symbol, side, quantity, entry, updated] =
            fields(&item?, ["symbol", "positionSide", "positionAmt", "entryPrice", "updateTime"])?;
        listed.rows += 1;
        let Some(listing) = symbols.find(need(symbol, "symbol")?.as_plain()?) else {
            listed.foreign += 1;
            continue;
        };
        let time = updated.map_or(Ok(UnixNanos(0)), millis)?;
        visit(position_row(listing, side, quantity, entry, time)?);
    }
    Ok(listed)
}

/// Reads `GET /fapi/v1/userTrades`, and gives the highest trade id besides.
pub fn decode_trades(
    symbols: &SymbolTable,
    body: &[u8],
    mut visit: impl FnMut(TradeRow),
) -> Result<(Listed, Option<TradeId>), ReadError> {
    let mut listed = Listed::default();
    let mut last = None;
    for item in RawValue::of_message(body)?.iter_array()? {
        let item = item?;
        let [symbol, id, order, side, price, quantity] =
            fields(&item, ["symbol", "id", "orderId", "side", "price", "qty"])?;
        let [fee, fee_asset, maker, time] =
            fields(&item, ["commission", "commissionAsset", "maker", "time"])?;
        listed.rows += 1;
        let trade_id = TradeId(need(id, "id")?.as_u64()?);
        last = last.max(Some(trade_id));
        let Some(listing) = symbols.find(need(symbol, "symbol")?.as_plain()?) else {
            listed.foreign += 1;
            continue;
        };
        let side = side_of(need(side, "side")?.as_plain()?)?;
        let fill = FillFields { side, price, quantity, maker, fee, fee_asset };
        visit(TradeRow {
            instrument: listing.id,
            venue_order_id: VenueOrderId(need(order, "orderId")?.as_u64()?),
            fill: fill.read(listing, trade_id)?,
            venue_time: millis(need(time, "time")?)?,
        });
    }
    Ok((listed, last))
}

/// Reads `GET /fapi/v1/openOrders`.
pub fn decode_open_orders(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    body: &[u8],
    visit: impl FnMut(OrderRow),
) -> Result<Listed, ReadError> {
    decode_orders(body, |item| decode_order(symbols, prefix, item), visit)
}

/// Reads `GET /fapi/v1/positionSide/dual`: true in hedge mode.
pub fn decode_position_mode(body: &[u8]) -> Result<bool, ReadError> {
    let [dual] = fields(&RawValue::of_message(body)?, ["dualSidePosition"])?;
    let dual = need(dual, "dualSidePosition")?;
    match dual.bytes() {
        b"\"true\"" => Ok(true),
        b"\"false\"" => Ok(false),
        _ => Ok(dual.as_bool()?),
    }
}

pub(super) fn position_row(
    listing: &Listing,
    side: Option<RawValue<'_>>,
    quantity: Option<RawValue<'_>>,
    entry: Option<RawValue<'_>>,
    venue_time: UnixNanos,
) -> Result<PositionRow, ReadError> {
    let quantity = need(quantity, "position")?.as_decimal(listing.quantity_scale)?;
    let entry = match entry {
        Some(entry) if quantity != 0 => {
            Some(Price(truncated_decimal(entry, "entry price", listing.price_scale)?))
        }
        Some(_) | None => None,
    };
    let side = match side.map(|side| side.as_plain()).transpose()? {
        None | Some(b"BOTH") => PositionSide::Both,
        Some(b"LONG") => PositionSide::Long,
        Some(b"SHORT") => PositionSide::Short,
        Some(_) => return Err(ReadError::Absurd("positionSide")),
    };
    Ok(PositionRow {
        instrument: listing.id,
        side,
        quantity: SignedQuantity(quantity),
        entry_price: entry,
        venue_time,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::{Amount, Liquidity, Side};

    use super::*;
    use crate::binance::account_answers::{decode_error_code, decode_server_time};
    use crate::binance::usdm::tests::{prefix, symbols};

    #[test]
    fn balances_are_exact() {
        let body = br#"[{"accountAlias":"SgsR","asset":"USDT","balance":"122.12345678",
            "availableBalance":"-0.5","updateTime":1617939110373},{"asset":"BNB","balance":"0"}]"#;
        let mut rows = Vec::new();
        let listed = decode_balances(body, |row| rows.push(row)).unwrap();
        assert_eq!(listed, Listed { rows: 2, foreign: 0 });
        assert_eq!(rows[0].asset.as_str(), "USDT");
        assert_eq!(rows[0].wallet, Amount::parse(b"122.12345678").unwrap());
        assert_eq!(rows[0].available, Some(Amount::parse(b"-0.5").unwrap()));
        assert_eq!(rows[1].available, None);
    }

    #[test]
    fn positions_of_ours_are_read_and_others_counted() {
        let body = br#"[{"symbol":"BTCUSDT","positionSide":"BOTH","positionAmt":"-0.030",
            "entryPrice":"61800.1234567","updateTime":5},
            {"symbol":"DOGEUSDT","positionSide":"BOTH","positionAmt":"30","entryPrice":"0.385"},
            {"symbol":"BTCUSDT","positionSide":"LONG","positionAmt":"0.000","entryPrice":"0.0"}]"#;
        let mut rows = Vec::new();
        let listed = decode_positions(&symbols(), body, |row| rows.push(row)).unwrap();
        assert_eq!(listed, Listed { rows: 3, foreign: 1 });
        assert_eq!(rows[0].quantity, SignedQuantity(-30));
        assert_eq!(rows[0].entry_price, Some(Price(618_001)));
        assert_eq!((rows[1].side, rows[1].entry_price), (PositionSide::Long, None));
    }

    #[test]
    fn trades_carry_the_venues_order_id_and_the_fee() {
        let body = br#"[{"buyer":false,"commission":"-0.07819010","commissionAsset":"USDT",
            "id":698759,"maker":true,"orderId":25851813,"price":"7819.0","qty":"0.002",
            "side":"SELL","symbol":"BTCUSDT","time":1569514978020}]"#;
        let mut rows = Vec::new();
        let (listed, last) = decode_trades(&symbols(), body, |row| rows.push(row)).unwrap();
        assert_eq!((listed.rows, last), (1, Some(TradeId(698_759))));
        assert_eq!(rows[0].venue_order_id, VenueOrderId(25_851_813));
        assert_eq!(rows[0].fill.fee, Some(Amount::parse(b"-0.0781901").unwrap()));
        assert_eq!(rows[0].fill.liquidity, Liquidity::Maker);
        assert_eq!(rows[0].fill.side, Side::Sell);
    }

    #[test]
    fn lists_that_are_no_lists_are_errors() {
        for body in
            [b"{}".as_slice(), b"", b"[{]", b"<html>", b"[{\"symbol\":\"BTCUSDT\"}]", b"[1]"]
        {
            assert!(decode_positions(&symbols(), body, |_| ()).is_err());
            assert!(decode_trades(&symbols(), body, |_| ()).is_err());
            assert!(decode_open_orders(&symbols(), prefix(), body, |_| ()).is_err());
            assert!(decode_balances(body, |_| ()).is_err());
        }
    }

    #[test]
    fn modes_times_and_errors_are_read() {
        assert_eq!(decode_position_mode(b"{\"dualSidePosition\":true}"), Ok(true));
        assert_eq!(decode_position_mode(b"{\"dualSidePosition\": \"false\"}"), Ok(false));
        assert!(decode_position_mode(b"{\"dualSidePosition\":1}").is_err());
        assert_eq!(decode_server_time(b"{\"serverTime\":1499827319559}"), Ok(1_499_827_319_559));
        assert_eq!(decode_error_code(b"{\"code\":-1125,\"msg\":\"x\"}"), Some(-1125));
        assert_eq!(decode_error_code(b"<html>"), None);
    }
}
