//! Exact numbers of the exchange. No floats, and no arithmetic between unlike quantities.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

/// Decimals that a wallet keeps.
pub const MONEY_DECIMALS: u32 = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Price(pub Decimal);

/// An amount of contracts; a position's amount is signed, an order's is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Quantity(pub Decimal);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Money(pub Decimal);

impl Price {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The exact value of `quantity` at this price; its sign is the quantity's.
    pub fn value(self, quantity: Quantity) -> Money {
        Money(self.0 * quantity.0)
    }
}

impl Quantity {
    pub const ZERO: Self = Self(Decimal::ZERO);

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The difference, never below zero.
    pub fn minus(self, other: Self) -> Self {
        Self((self.0 - other.0).max(Decimal::ZERO))
    }

    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }
}

impl Money {
    pub const ZERO: Self = Self(Decimal::ZERO);

    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    pub fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    pub fn negated(self) -> Self {
        Self(-self.0)
    }

    /// What a wallet books: eight decimals, halves away from zero.
    pub fn booked(self) -> Self {
        Self(self.0.round_dp_with_strategy(MONEY_DECIMALS, RoundingStrategy::MidpointAwayFromZero))
    }

    pub fn rate(self, rate: Decimal) -> Self {
        Self(self.0 * rate)
    }

    /// The average price that `self` paid for `quantity`; zero for none.
    pub fn per(self, quantity: Quantity) -> Price {
        if quantity.is_zero() { Price::ZERO } else { Price((self.0 / quantity.0).abs()) }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.normalize())
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.normalize())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.normalize())
    }
}

/// `value` printed with exactly `decimals` decimals, zeros included.
pub fn padded(value: Decimal, decimals: u32) -> String {
    let mut value = value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
    value.rescale(decimals);
    if value.is_zero() {
        // A rounded small negative would print "-0.00".
        value.set_sign_positive(true);
    }
    value.to_string()
}
