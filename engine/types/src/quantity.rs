//! Quantities as integers in units of their instrument's quantity scale.

use rust_decimal::Decimal;

use crate::decimal::{DecimalError, DecimalText, Scale, parse_decimal, rescale};
use crate::order::Side;

/// An amount to trade, never negative: a mantissa at its instrument's `quantity_scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(pub i64);

/// A net position: positive when long, negative when short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedQuantity(pub i64);

impl Quantity {
    pub const ZERO: Self = Self(0);

    pub fn parse(text: &[u8], scale: Scale) -> Result<Self, DecimalError> {
        Self::checked(parse_decimal(text, scale)?)
    }

    pub fn from_decimal(value: Decimal, scale: Scale) -> Result<Self, DecimalError> {
        let mantissa = rescale(value, u32::from(scale.digits()))?;
        Self::checked(i64::try_from(mantissa).map_err(|_| DecimalError::Overflow)?)
    }

    pub fn to_decimal(self, scale: Scale) -> Decimal {
        Decimal::new(self.0, u32::from(scale.digits())).normalize()
    }

    pub fn text(self, scale: Scale) -> DecimalText {
        DecimalText::new(self.0, scale)
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left after taking `other` away; zero when more is taken than there is.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        let rest = self.0.saturating_sub(other.0);
        Self(if rest < 0 { 0 } else { rest })
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The change of a position that buying or selling this quantity makes.
    pub const fn signed(self, side: Side) -> SignedQuantity {
        match side {
            Side::Buy => SignedQuantity(self.0),
            Side::Sell => SignedQuantity(-self.0),
        }
    }

    fn checked(mantissa: i64) -> Result<Self, DecimalError> {
        if mantissa < 0 { Err(DecimalError::NotANumber) } else { Ok(Self(mantissa)) }
    }
}

impl SignedQuantity {
    pub const ZERO: Self = Self(0);

    pub fn parse(text: &[u8], scale: Scale) -> Result<Self, DecimalError> {
        parse_decimal(text, scale).map(Self)
    }

    pub fn to_decimal(self, scale: Scale) -> Decimal {
        Decimal::new(self.0, u32::from(scale.digits())).normalize()
    }

    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub const fn magnitude(self) -> Quantity {
        Quantity(self.0.saturating_abs())
    }

    /// The side that would reduce this position, if there is one.
    pub const fn reducing_side(self) -> Option<Side> {
        match self.0 {
            0 => None,
            1.. => Some(Side::Sell),
            _ => Some(Side::Buy),
        }
    }
}
