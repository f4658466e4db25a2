//! Where recorded material lies, and an instrument table for the symbols in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use enigma_types::{
    Amount, Asset, InstallationPrefix, Instrument, InstrumentId, InstrumentTable, Price, Quantity,
    Scale, Symbol, VenueId,
};

/// The digits of price and quantity of each symbol that is ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols(pub(crate) BTreeMap<String, (u8, u8)>);

impl Symbols {
    pub(crate) fn one(symbol: &str, price_digits: u8, quantity_digits: u8) -> Self {
        Self([(symbol.to_owned(), (price_digits, quantity_digits))].into())
    }

    pub(crate) fn digits(&self, symbol: &str) -> Option<(u8, u8)> {
        self.0.get(symbol).copied()
    }
}

/// A folder of recorded material: from the environment, else beside the repository.
pub(crate) fn folder(variable: &str, default: &str) -> PathBuf {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared").join(default);
    std::env::var_os(variable).map_or_else(beside, PathBuf::from)
}

/// Whether a test without its material fails.
pub(crate) fn required() -> bool {
    std::env::var_os("ENIGMA_REQUIRE_DATA").is_some_and(|value| value == "1")
}

pub(crate) fn prefix() -> InstallationPrefix {
    InstallationPrefix::from_number(0xdead_beef)
}

/// A table with the given symbols, in their order.
pub(crate) fn table_of(symbols: &Symbols) -> Arc<InstrumentTable> {
    let mut table = InstrumentTable::default();
    for (symbol, (price_digits, quantity_digits)) in &symbols.0 {
        let asset = |text| Asset::from(text).unwrap();
        let instrument = Instrument {
            id: InstrumentId(0),
            venue: VenueId::BinanceUsdm,
            symbol: Symbol::from(symbol).unwrap(),
            base: asset("BTC"),
            quote: asset("USDT"),
            settle: asset("USDT"),
            price_scale: Scale::new(*price_digits).unwrap(),
            quantity_scale: Scale::new(*quantity_digits).unwrap(),
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
        };
        table.add(instrument).unwrap();
    }
    Arc::new(table)
}
