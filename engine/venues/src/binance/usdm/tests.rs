//! What the tests of futures' sessions share: an instrument, and the venue's messages about it.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;

use enigma_types::{
    AccountId, Amount, Asset, ClientOrderId, Instrument, InstrumentId, InstrumentTable, Price,
    Quantity, Scale, SessionKind, Symbol, VenueId,
};

use crate::binance::symbols::SymbolTable;
use crate::registry::SessionPlan;

pub(in crate::binance) use crate::binance::tests::{Harness, ed25519, hmac, http, prefix};

pub(in crate::binance) fn plan(kind: SessionKind) -> SessionPlan {
    SessionPlan::new(kind, AccountId(0), table(), prefix(), 1)
}

/// `BTCUSDT` with one digit of price and three of quantity.
pub(in crate::binance) fn table() -> Arc<InstrumentTable> {
    let mut table = InstrumentTable::default();
    let instrument = Instrument {
        id: InstrumentId(0),
        venue: VenueId::BinanceUsdm,
        symbol: Symbol::from("BTCUSDT").unwrap(),
        base: Asset::from("BTC").unwrap(),
        quote: Asset::from("USDT").unwrap(),
        settle: Asset::from("USDT").unwrap(),
        price_scale: Scale::new(1).unwrap(),
        quantity_scale: Scale::new(3).unwrap(),
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
    Arc::new(table)
}

pub(in crate::binance) fn symbols() -> SymbolTable {
    SymbolTable::new(VenueId::BinanceUsdm, table())
}

/// A sell of 0.010 at 9910 by our order `id`, as the private stream tells it.
pub(in crate::binance) fn order_update(
    id: u64,
    execution: &str,
    status: &str,
    last: &str,
    filled: &str,
) -> String {
    let id = ClientOrderId::new(id).unwrap().text(prefix());
    let id = std::str::from_utf8(&id).unwrap();
    format!(
        "{{\"e\":\"ORDER_TRADE_UPDATE\",\"E\":1568879465651,\"T\":1568879465650,\"o\":{{\
         \"s\":\"BTCUSDT\",\"c\":\"{id}\",\"S\":\"SELL\",\"o\":\"LIMIT\",\"f\":\"GTX\",\
         \"q\":\"0.010\",\"p\":\"9910\",\"ap\":\"0\",\"sp\":\"0\",\"x\":\"{execution}\",\
         \"X\":\"{status}\",\"i\":8886774,\"l\":\"{last}\",\"z\":\"{filled}\",\"L\":\"9910\",\
         \"N\":\"USDT\",\"n\":\"0.01\",\"T\":1568879465650,\"t\":9,\"m\":true,\"R\":false,\
         \"ps\":\"BOTH\",\"er\":\"0\"}}}}"
    )
}

#[test]
fn symbols_are_found_whatever_stands_around_them() {
    let mut table = InstrumentTable::default();
    let btc = self::table().get(InstrumentId(0)).unwrap().clone();
    for symbol in ["ETHUSDT", "BTCUSDT", "BTCUSDC", "1000SHIBUSDT"] {
        let instrument = Instrument { symbol: Symbol::from(symbol).unwrap(), ..btc.clone() };
        table.add(instrument).unwrap();
    }
    let symbols = SymbolTable::new(VenueId::BinanceUsdm, Arc::new(table));
    for (id, symbol) in [(0, "ETHUSDT"), (1, "BTCUSDT"), (2, "BTCUSDC"), (3, "1000SHIBUSDT")] {
        let listing = symbols.find(symbol.as_bytes()).unwrap();
        assert_eq!(listing.id, InstrumentId(id));
        assert_eq!(symbols.by_id(InstrumentId(id)), Some(listing));
        assert_eq!(symbols.symbol(listing), symbol);
    }
    assert_eq!(symbols.find(b"BTCUSD"), None);
    assert_eq!(symbols.find(b""), None);
    assert_eq!(symbols.by_id(InstrumentId(4)), None);
}
