//! Prices as integers in units of their instrument's price scale.

use rust_decimal::Decimal;

use crate::decimal::{DecimalError, DecimalText, Scale, parse_decimal, rescale};

/// A price: a mantissa whose scale is its instrument's `price_scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub i64);

impl Price {
    pub const ZERO: Self = Self(0);

    pub fn parse(text: &[u8], scale: Scale) -> Result<Self, DecimalError> {
        parse_decimal(text, scale).map(Self)
    }

    pub fn from_decimal(value: Decimal, scale: Scale) -> Result<Self, DecimalError> {
        let mantissa = rescale(value, u32::from(scale.digits()))?;
        i64::try_from(mantissa).map(Self).map_err(|_| DecimalError::Overflow)
    }

    pub fn to_decimal(self, scale: Scale) -> Decimal {
        Decimal::new(self.0, u32::from(scale.digits())).normalize()
    }

    pub fn text(self, scale: Scale) -> DecimalText {
        DecimalText::new(self.0, scale)
    }

    /// The nearest multiple of `tick` that is not above this price.
    #[must_use]
    pub const fn floor_to(self, tick: Self) -> Self {
        Self(self.0.div_euclid(tick.0) * tick.0)
    }

    /// The nearest multiple of `tick` that is not below this price.
    #[must_use]
    pub const fn ceil_to(self, tick: Self) -> Self {
        let floor = self.floor_to(tick);
        if floor.0 == self.0 { floor } else { Self(floor.0 + tick.0) }
    }
}
