//! Orders from a strategy's wish to what a venue is asked: intent, request, cancel, replace.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::instrument::InstrumentId;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::strategy::StrategyId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Buy,
    Sell,
}

/// How an order's price is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    Limit,
    /// Sent as an immediate-or-cancel limit at the price collar, so that it can't run away.
    Market,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    Gtc,
    Ioc,
    Fok,
    /// Rests or is refused: never takes liquidity.
    PostOnly,
}

/// Our id of an order: 0 < id < 2⁴⁸, a 30-bit block leased in the journal and an 18-bit sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientOrderId(u64);

/// The venue's id of an order. Zero means that the venue hasn't named one yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueOrderId(pub u64);

/// Eight lowercase hex digits that tell this installation's orders from everybody else's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstallationPrefix([u8; Self::LENGTH]);

/// What a strategy or a person wants; nothing has been checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderIntent {
    pub strategy: StrategyId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    /// The limit; ignored for a market order.
    pub price: Price,
    pub quantity: Quantity,
    pub reduce_only: bool,
}

/// An approved and journalled order on its way to the venue. Always carries a limit price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    pub client_order_id: ClientOrderId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub time_in_force: TimeInForce,
    pub price: Price,
    pub quantity: Quantity,
    pub reduce_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelRequest {
    pub client_order_id: ClientOrderId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub venue_order_id: VenueOrderId,
}

/// Changes price or total quantity of an open order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaceRequest {
    pub client_order_id: ClientOrderId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub venue_order_id: VenueOrderId,
    pub side: Side,
    pub price: Price,
    /// The new total, what has been filled included.
    pub quantity: Quantity,
}

impl Side {
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }
}

impl TimeInForce {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gtc => "gtc",
            Self::Ioc => "ioc",
            Self::Fok => "fok",
            Self::PostOnly => "post_only",
        }
    }
}

impl ClientOrderId {
    pub const SEQUENCE_BITS: u32 = 18;
    pub const BLOCK_BITS: u32 = 30;
    pub const LIMIT: u64 = 1 << (Self::SEQUENCE_BITS + Self::BLOCK_BITS);
    /// Length of the text that a venue sees: the installation's prefix and twelve hex digits.
    pub const TEXT_LENGTH: usize = InstallationPrefix::LENGTH + 12;

    pub const fn new(id: u64) -> Option<Self> {
        if id == 0 || id >= Self::LIMIT { None } else { Some(Self(id)) }
    }

    /// The id with the given place in a leased block; the first place of block 0 is no id.
    pub const fn from_parts(block: u32, sequence: u32) -> Option<Self> {
        if block >= 1 << Self::BLOCK_BITS || sequence >= 1 << Self::SEQUENCE_BITS {
            return None;
        }
        Self::new(((block as u64) << Self::SEQUENCE_BITS) | sequence as u64)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn block(self) -> u32 {
        (self.0 >> Self::SEQUENCE_BITS) as u32
    }

    pub fn text(self, prefix: InstallationPrefix) -> [u8; Self::TEXT_LENGTH] {
        let mut text = [0; Self::TEXT_LENGTH];
        let (head, digits) = text.split_at_mut(InstallationPrefix::LENGTH);
        head.copy_from_slice(&prefix.0);
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            *digit = HEX[(rest & 15) as usize];
            rest >>= 4;
        }
        text
    }

    /// Reads back what `text` wrote; `None` when the text is of another installation or person.
    pub fn parse_text(text: &[u8], prefix: InstallationPrefix) -> Option<Self> {
        let digits = text.strip_prefix(&prefix.0)?;
        if digits.len() != Self::TEXT_LENGTH - InstallationPrefix::LENGTH {
            return None;
        }
        let mut id = 0;
        for &byte in digits {
            let value = HEX.iter().position(|&digit| digit == byte)?;
            id = id << 4 | value as u64;
        }
        Self::new(id)
    }
}

impl InstallationPrefix {
    pub const LENGTH: usize = 8;

    pub fn from_number(number: u32) -> Self {
        let mut text = [0; Self::LENGTH];
        for (place, digit) in text.iter_mut().rev().enumerate() {
            *digit = HEX[(number >> (4 * place) & 15) as usize];
        }
        Self(text)
    }

    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: [u8; Self::LENGTH] = text.try_into().ok()?;
        text.iter().all(|byte| HEX.contains(byte)).then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for InstallationPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const HEX: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_only_with_its_own_prefix() {
        let ours = InstallationPrefix::from_number(0xdead_beef);
        let other = InstallationPrefix::from_number(1);
        let id = ClientOrderId::from_parts(28_000_000, 77).expect("a valid id");
        let text = id.text(ours);
        assert_eq!(&text[..8], b"deadbeef");
        assert_eq!(ClientOrderId::parse_text(&text, ours), Some(id));
        assert_eq!(ClientOrderId::parse_text(&text, other), None);
        assert_eq!(ClientOrderId::parse_text(b"deadbeef0000", ours), None);
        assert_eq!(ClientOrderId::parse_text(b"deadbeef00000000000G", ours), None);
        assert_eq!(ClientOrderId::parse_text(b"deadbeef000000000000", ours), None);
        assert_eq!(id.block(), 28_000_000);
    }

    #[test]
    fn ids_stay_below_two_to_the_forty_eight() {
        assert_eq!(ClientOrderId::new(0), None);
        assert_eq!(ClientOrderId::new(1 << 48), None);
        assert_eq!(ClientOrderId::from_parts(1 << 30, 0), None);
        assert_eq!(ClientOrderId::from_parts(0, 1 << 18), None);
    }
}
