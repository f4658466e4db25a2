//! What can be traded, and the rules an order must keep. Knows no venue's codes.

use rust_decimal::Decimal;

use super::number::{Money, Price, Quantity};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstrumentId(pub usize);

#[derive(Clone, Debug)]
pub struct Instrument {
    pub symbol: String,
    pub base: String,
    pub quote: String,
    pub price_decimals: u32,
    pub quantity_decimals: u32,
    pub tick: Price,
    pub price_min: Price,
    pub price_max: Price,
    pub step: Quantity,
    pub quantity_min: Quantity,
    pub quantity_max: Quantity,
    pub market_quantity_max: Quantity,
    pub notional_min: Money,
    /// How far above and below the mark a price may stand.
    pub multiplier_up: Decimal,
    pub multiplier_down: Decimal,
    pub open_orders_max: usize,
    /// Where a synthetic market starts.
    pub reference: Price,
    /// Typical size of a displayed level in steps, for a synthetic market.
    pub typical_steps: u64,
}

impl Instrument {
    /// Filters as exchangeInfo showed them for BTCUSDT in 2026 (notional 100, tick 0.10).
    pub fn btcusdt() -> Self {
        Self {
            symbol: "BTCUSDT".into(),
            base: "BTC".into(),
            quote: "USDT".into(),
            price_decimals: 2,
            quantity_decimals: 3,
            tick: Price(Decimal::new(10, 2)),
            price_min: Price(Decimal::new(26110, 2)),
            price_max: Price(Decimal::new(80_966_700, 2)),
            step: Quantity(Decimal::new(1, 3)),
            quantity_min: Quantity(Decimal::new(1, 3)),
            quantity_max: Quantity(Decimal::new(1_000_000, 3)),
            market_quantity_max: Quantity(Decimal::new(120_000, 3)),
            notional_min: Money(Decimal::new(100, 0)),
            multiplier_up: Decimal::new(10_500, 4),
            multiplier_down: Decimal::new(9_500, 4),
            open_orders_max: 200,
            reference: Price(Decimal::new(6_180_000, 2)),
            typical_steps: 400,
        }
    }

    /// Filters as exchangeInfo showed them for ETHUSDT in 2026 (notional 20, tick 0.01).
    pub fn ethusdt() -> Self {
        Self {
            symbol: "ETHUSDT".into(),
            base: "ETH".into(),
            quote: "USDT".into(),
            price_decimals: 2,
            quantity_decimals: 3,
            tick: Price(Decimal::new(1, 2)),
            price_min: Price(Decimal::new(3_986, 2)),
            price_max: Price(Decimal::new(30_617_700, 2)),
            step: Quantity(Decimal::new(1, 3)),
            quantity_min: Quantity(Decimal::new(1, 3)),
            quantity_max: Quantity(Decimal::new(10_000_000, 3)),
            market_quantity_max: Quantity(Decimal::new(2_000_000, 3)),
            notional_min: Money(Decimal::new(20, 0)),
            multiplier_up: Decimal::new(10_500, 4),
            multiplier_down: Decimal::new(9_500, 4),
            open_orders_max: 200,
            reference: Price(Decimal::new(268_000, 2)),
            typical_steps: 6_000,
        }
    }

    /// Spot BTCUSDT as exchangeInfo showed it in 2026 (tick 0.01, step 0.00001, notional 5). Spot
    /// prints every number with eight decimals.
    pub fn spot_btcusdt() -> Self {
        Self {
            tick: Price(Decimal::new(1, 2)),
            price_min: Price(Decimal::new(1, 2)),
            price_max: Price(Decimal::new(1_000_000, 0)),
            step: Quantity(Decimal::new(1, 5)),
            quantity_min: Quantity(Decimal::new(1, 5)),
            quantity_max: Quantity(Decimal::new(9_000, 0)),
            market_quantity_max: Quantity(Decimal::new(120, 0)),
            reference: Price(Decimal::new(6_178_000, 2)),
            typical_steps: 30_000,
            ..Self::spot("BTC")
        }
    }

    pub fn spot_ethusdt() -> Self {
        Self {
            tick: Price(Decimal::new(1, 2)),
            price_min: Price(Decimal::new(1, 2)),
            price_max: Price(Decimal::new(1_000_000, 0)),
            step: Quantity(Decimal::new(1, 4)),
            quantity_min: Quantity(Decimal::new(1, 4)),
            quantity_max: Quantity(Decimal::new(9_000, 0)),
            market_quantity_max: Quantity(Decimal::new(2_000, 0)),
            reference: Price(Decimal::new(267_900, 2)),
            typical_steps: 50_000,
            ..Self::spot("ETH")
        }
    }

    pub fn spot_bnbusdt() -> Self {
        Self {
            tick: Price(Decimal::new(1, 2)),
            price_min: Price(Decimal::new(1, 2)),
            price_max: Price(Decimal::new(100_000, 0)),
            step: Quantity(Decimal::new(1, 3)),
            quantity_min: Quantity(Decimal::new(1, 3)),
            quantity_max: Quantity(Decimal::new(900_000, 0)),
            market_quantity_max: Quantity(Decimal::new(4_000, 0)),
            reference: Price(Decimal::new(51_200, 2)),
            typical_steps: 20_000,
            ..Self::spot("BNB")
        }
    }

    fn spot(base: &str) -> Self {
        Self {
            symbol: format!("{base}USDT"),
            base: base.into(),
            quote: "USDT".into(),
            price_decimals: 8,
            quantity_decimals: 8,
            notional_min: Money(Decimal::new(5, 0)),
            multiplier_up: Decimal::new(5, 0),
            multiplier_down: Decimal::new(2, 1),
            open_orders_max: 200,
            ..Self::btcusdt()
        }
    }
}
