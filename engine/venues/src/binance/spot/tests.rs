//! What the tests of spot's sessions share: an instrument, and the venue's messages about it.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::sync::Arc;

use enigma_types::{
    AccountId, Amount, Asset, ClientOrderId, Instrument, InstrumentId, InstrumentTable, Price,
    Quantity, Scale, SessionKind, Symbol,
};

use super::VENUE;
use crate::binance::symbols::SymbolTable;
use crate::registry::SessionPlan;

pub(super) use crate::binance::tests::{Harness, ed25519, hmac, http, prefix};

pub(super) fn plan(kind: SessionKind) -> SessionPlan {
    SessionPlan::new(kind, AccountId(0), table(), prefix(), 1)
}

pub(super) fn symbols() -> SymbolTable {
    SymbolTable::new(VENUE, table())
}

/// `BTCUSDT` with two digits of price and five of quantity.
pub(super) fn table() -> Arc<InstrumentTable> {
    let mut table = InstrumentTable::default();
    let instrument = Instrument {
        id: InstrumentId(0),
        venue: VENUE,
        symbol: Symbol::from("BTCUSDT").unwrap(),
        base: Asset::from("BTC").unwrap(),
        quote: Asset::from("USDT").unwrap(),
        settle: Asset::from("USDT").unwrap(),
        price_scale: Scale::new(2).unwrap(),
        quantity_scale: Scale::new(5).unwrap(),
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

pub(super) fn id_text(id: u64) -> String {
    String::from_utf8(ClientOrderId::new(id).unwrap().text(prefix()).to_vec()).unwrap()
}

/// A post-only sell of 0.010 at 61837.64, as the account's events tell it.
pub(super) fn execution_report(
    client: &str,
    original: &str,
    execution: &str,
    status: &str,
    last: &str,
    filled: &str,
) -> String {
    format!(
        "{{\"subscriptionId\":0,\"event\":{{\"e\":\"executionReport\",\"E\":1499405658658,\
         \"s\":\"BTCUSDT\",\"c\":\"{client}\",\"S\":\"SELL\",\"o\":\"LIMIT_MAKER\",\"f\":\"GTC\",\
         \"q\":\"0.010\",\"p\":\"61837.64000000\",\"P\":\"0.00000000\",\"F\":\"0.00000000\",\
         \"g\":-1,\"C\":\"{original}\",\"x\":\"{execution}\",\"X\":\"{status}\",\"r\":\"NONE\",\
         \"i\":4293153,\"l\":\"{last}\",\"z\":\"{filled}\",\"L\":\"61837.64000000\",\
         \"n\":\"0.00001\",\"N\":\"BNB\",\"T\":1499405658657,\"t\":9,\"I\":8641984,\"w\":true,\
         \"m\":true,\"M\":false,\"O\":1499405658657,\"Z\":\"0\",\"Y\":\"0\",\"Q\":\"0\",\
         \"W\":1499405658657,\"V\":\"NONE\"}}}}"
    )
}
