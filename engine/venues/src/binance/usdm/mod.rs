//! Binance USDⓈ-margined futures: the market, order and account sessions.
//!
//! Implements <https://developers.binance.com/docs/derivatives/usds-margined-futures> as
//! `binance.md` has it (read 2026-11-24). Spot is another venue with other codes, ids and depth
//! rules: nothing here may be used for it.

mod account_answers;
mod alerts;
pub mod auth;
mod book;
mod book_sync;
mod budget;
mod clock_offset;
mod fields;
mod in_flight;
pub mod instruments;
pub mod market;
mod market_messages;
mod order_answers;
mod order_frames;
pub mod orders;
mod queries;
pub mod reject_codes;
mod subscriptions;
pub mod symbols;
mod user_events;
pub mod user_stream;
mod venue_clock;

use enigma_types::Nanos;

pub use account_answers::{
    BalanceRow, Listed, PositionRow, PositionSide, TradeRow, decode_balances, decode_open_orders,
    decode_position_mode, decode_positions, decode_server_time, decode_trades,
};
pub use fields::ReadError;
pub use instruments::{ExchangeInfoError, decode_exchange_info};
pub use market_messages::{
    Decoded, DepthScratch, DepthUpdate, MarketMessage, SnapshotHead, decode_market, decode_snapshot,
};
pub use order_answers::{AnswerBody, OrderAnswer, OrderRow, decode_order, decode_order_response};
pub use user_events::{AccountRows, OrderUpdate, UserEvent, decode_user_event};

/// How often the venue sends depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DepthStream {
    /// With each change. Not documented for futures, and recorded in 2024.
    Fastest,
    #[default]
    Every100Ms,
}

impl DepthStream {
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Fastest => "@depth@0ms",
            Self::Every100Ms => "@depth@100ms",
        }
    }
}

/// When a connection made now is to be replaced: an hour before the venue ends it, give or take
/// half an hour by the seed, so that not all go at once.
fn rotation_at(connected: Nanos, seed: u64) -> Nanos {
    const EARLIEST_S: u64 = 22 * 3_600 + 1_800;
    connected.plus(Nanos::from_secs(EARLIEST_S + spread(seed) % 3_600))
}

/// The venue closes at 24 hours: a rotation that wasn't done is asked for again.
const ROTATION_REMINDER: Nanos = Nanos::from_secs(300);

/// SplitMix64's mixing of one number.
fn spread(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use std::sync::Arc;

    use enigma_types::{
        Amount, Asset, ClientOrderId, InstallationPrefix, Instrument, InstrumentId,
        InstrumentTable, Price, Quantity, Scale, Symbol, VenueId,
    };

    use super::symbols::SymbolTable;

    pub(super) fn prefix() -> InstallationPrefix {
        InstallationPrefix::from_number(0xdead_beef)
    }

    /// `BTCUSDT` with one digit of price and three of quantity.
    pub(super) fn table() -> Arc<InstrumentTable> {
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

    pub(super) fn symbols() -> SymbolTable {
        SymbolTable::new(VenueId::BinanceUsdm, table())
    }

    /// A sell of 0.010 at 9910 by our order `id`, as the private stream tells it.
    pub(super) fn order_update(
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
    fn rotations_are_spread_over_an_hour_before_the_venues_end() {
        let hours = |seed| super::rotation_at(enigma_types::Nanos::ZERO, seed).0 / 3_600_000_000;
        let all: Vec<u64> = (0..200).map(hours).collect();
        assert!(all.iter().all(|at| (22_500..23_500).contains(at)), "{all:?}");
        assert!(all.iter().max() > all.iter().min());
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
}
