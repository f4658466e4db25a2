//! What the products' REST answers about an account have in common: rows, fills, errors, the time.
//! It must not know which path was asked.

use enigma_types::{
    Amount, Asset, Fill, InstrumentId, Liquidity, Price, Quantity, Side, TradeId, UnixNanos,
    VenueOrderId,
};

use super::fields::{ReadError, amount, asset_of, fields, need, unsigned_decimal};
use super::symbols::Listing;
use crate::wire::json::RawValue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceRow {
    pub asset: Asset,
    pub wallet: Amount,
    pub available: Option<Amount>,
    pub venue_time: UnixNanos,
}

/// One execution of ours. The venue doesn't tell our own id with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeRow {
    pub instrument: InstrumentId,
    pub venue_order_id: VenueOrderId,
    pub fill: Fill,
    pub venue_time: UnixNanos,
}

/// What a list held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    pub rows: usize,
    /// Rows of instruments that aren't ours, which were left out.
    pub foreign: usize,
}

/// Reads a list of order objects, each by `decode`, which tells nothing of an instrument that isn't
/// ours.
pub(in crate::binance) fn decode_orders<R>(
    body: &[u8],
    decode: impl Fn(RawValue<'_>) -> Result<Option<R>, ReadError>,
    mut visit: impl FnMut(R),
) -> Result<Listed, ReadError> {
    let mut listed = Listed::default();
    for item in RawValue::of_message(body)?.iter_array()? {
        listed.rows += 1;
        match decode(item?)? {
            Some(row) => visit(row),
            None => listed.foreign += 1,
        }
    }
    Ok(listed)
}

/// Reads the answer to a question for the time, in milliseconds.
pub fn decode_server_time(body: &[u8]) -> Result<u64, ReadError> {
    let [time] = fields(&RawValue::of_message(body)?, ["serverTime"])?;
    Ok(need(time, "serverTime")?.as_u64()?)
}

/// Reads an error body, which REST sends without an envelope: its code.
pub(in crate::binance) fn decode_error_code(body: &[u8]) -> Option<i32> {
    let [code] = fields(&RawValue::of_message(body).ok()?, ["code"]).ok()?;
    i32::try_from(code?.as_i64().ok()?).ok()
}

/// The fields of an execution, under whichever names they came.
pub(in crate::binance) struct FillFields<'a> {
    pub(in crate::binance) side: Side,
    pub(in crate::binance) price: Option<RawValue<'a>>,
    pub(in crate::binance) quantity: Option<RawValue<'a>>,
    pub(in crate::binance) maker: Option<RawValue<'a>>,
    pub(in crate::binance) fee: Option<RawValue<'a>>,
    pub(in crate::binance) fee_asset: Option<RawValue<'a>>,
}

impl FillFields<'_> {
    /// A commission that isn't there means that none was taken.
    pub(in crate::binance) fn read(
        &self,
        listing: &Listing,
        trade_id: TradeId,
    ) -> Result<Fill, ReadError> {
        let maker = need(self.maker, "maker")?.as_bool()?;
        let price = unsigned_decimal(self.price, "price of a fill", listing.price_scale)?;
        let quantity =
            unsigned_decimal(self.quantity, "quantity of a fill", listing.quantity_scale)?;
        if price == 0 || quantity == 0 {
            return Err(ReadError::Absurd("fill"));
        }
        Ok(Fill {
            trade_id,
            side: self.side,
            price: Price(price),
            quantity: Quantity(quantity),
            liquidity: if maker { Liquidity::Maker } else { Liquidity::Taker },
            fee: Some(self.fee.map_or(Ok(Amount::ZERO), amount)?),
            fee_asset: self.fee_asset.map_or(Ok(Asset::new()), asset_of)?,
        })
    }
}
