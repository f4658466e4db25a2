//! Instruments: what can be traded, and the rules that a venue sets for it.

use arrayvec::ArrayString;

use crate::account::Asset;
use crate::decimal::{Amount, Scale};
use crate::price::Price;
use crate::quantity::{Quantity, SignedQuantity};
use crate::venue::VenueId;

/// An instrument's place in the table of this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstrumentId(pub u16);

/// The venue's string for an instrument, such as `BTCUSDT`.
pub type Symbol = ArrayString<24>;

/// An instrument with its trading rules. Prices and quantities are mantissas at its two scales.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    pub id: InstrumentId,
    pub venue: VenueId,
    pub symbol: Symbol,
    pub base: Asset,
    pub quote: Asset,
    /// The asset that profits and fees are paid in.
    pub settle: Asset,
    pub price_scale: Scale,
    pub quantity_scale: Scale,
    pub tick: Price,
    pub min_price: Price,
    pub max_price: Price,
    pub step: Quantity,
    pub min_quantity: Quantity,
    pub max_quantity: Quantity,
    pub min_notional: Amount,
    /// The venue's own price band around its mark price, in units of 10⁻⁸ of it.
    pub band_up_e8: Option<i64>,
    pub band_down_e8: Option<i64>,
    pub max_open_orders: Option<u32>,
    /// Orders are accepted at present.
    pub trading: bool,
}

/// The instruments of this run, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstrumentTable {
    rows: Vec<Instrument>,
}

/// Why an instrument's rules can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    #[error("{symbol}: price and quantity digits together exceed {max}", max = Amount::DIGITS)]
    TooPrecise { symbol: Symbol },
    #[error("{symbol}: {field} must be above zero")]
    NotPositive { symbol: Symbol, field: &'static str },
    #[error("{venue} has no instrument {symbol}")]
    Unknown { venue: VenueId, symbol: String },
    #[error("{symbol} is listed twice")]
    Twice { symbol: Symbol },
    #[error("more instruments than {0}")]
    TooMany(usize),
}

impl Instrument {
    /// Price times quantity, exactly, in the quote asset.
    pub fn notional(&self, price: Price, quantity: Quantity) -> Amount {
        self.value(price, SignedQuantity(quantity.0))
    }

    /// Price times a signed quantity, exactly.
    pub fn value(&self, price: Price, quantity: SignedQuantity) -> Amount {
        let digits = self.price_scale.digits() + self.quantity_scale.digits();
        let unit = 10_i128.pow(u32::from(Amount::DIGITS.saturating_sub(digits)));
        Amount(i128::from(price.0) * i128::from(quantity.0) * unit)
    }

    /// The name the outside uses: `binance_usdm:BTCUSDT`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.venue, self.symbol)
    }
}

impl InstrumentTable {
    /// How many instruments one engine carries.
    pub const CAPACITY: usize = 512;

    /// Gives the instrument the next id and checks what exact arithmetic relies on.
    pub fn add(&mut self, mut instrument: Instrument) -> Result<InstrumentId, InstrumentError> {
        let symbol = instrument.symbol;
        if self.rows.len() >= Self::CAPACITY {
            return Err(InstrumentError::TooMany(Self::CAPACITY));
        }
        if self.find(instrument.venue, &symbol).is_some() {
            return Err(InstrumentError::Twice { symbol });
        }
        let digits = instrument.price_scale.digits() + instrument.quantity_scale.digits();
        if digits > Amount::DIGITS {
            return Err(InstrumentError::TooPrecise { symbol });
        }
        for (field, value) in [("tick", instrument.tick.0), ("step", instrument.step.0)] {
            if value <= 0 {
                return Err(InstrumentError::NotPositive { symbol, field });
            }
        }
        let id = InstrumentId(u16::try_from(self.rows.len()).unwrap_or(u16::MAX));
        instrument.id = id;
        self.rows.push(instrument);
        Ok(id)
    }

    pub fn get(&self, id: InstrumentId) -> Option<&Instrument> {
        self.rows.get(usize::from(id.0))
    }

    pub fn find(&self, venue: VenueId, symbol: &str) -> Option<&Instrument> {
        self.rows.iter().find(|row| row.venue == venue && row.symbol.as_str() == symbol)
    }

    /// Finds `binance_usdm:BTCUSDT`.
    pub fn by_name(&self, name: &str) -> Option<&Instrument> {
        let (venue, symbol) = name.split_once(':')?;
        self.find(venue.parse().ok()?, symbol)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Instrument> {
        self.rows.iter()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
