//! The one instrument of these tests, `BTCUSDT`, with the scales of whichever venue lists it.

use std::sync::Arc;

use enigma_types::{
    Amount, Asset, Instrument, InstrumentId, InstrumentTable, Price, Quantity, Scale, Symbol,
    VenueId,
};

/// A table of the one instrument, with so many digits of price and of quantity.
pub(crate) fn table(
    venue: VenueId,
    [price_digits, quantity_digits]: [u8; 2],
) -> Arc<InstrumentTable> {
    let mut table = InstrumentTable::default();
    table
        .add(Instrument {
            id: InstrumentId(0),
            venue,
            symbol: Symbol::from("BTCUSDT").unwrap(),
            base: Asset::from("BTC").unwrap(),
            quote: Asset::from("USDT").unwrap(),
            settle: Asset::from("USDT").unwrap(),
            price_scale: Scale::new(price_digits).unwrap(),
            quantity_scale: Scale::new(quantity_digits).unwrap(),
            tick: Price(1),
            min_price: Price(1),
            max_price: Price(i64::MAX),
            step: Quantity(1),
            min_quantity: Quantity(1),
            max_quantity: Quantity(i64::MAX),
            min_notional: Amount::ZERO,
            band_up_e8: None,
            band_down_e8: None,
            max_open_orders: None,
            trading: true,
        })
        .unwrap();
    Arc::new(table)
}
