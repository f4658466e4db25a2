//! What a risk check is called and what its refusal says.
//!
//! A refusal is an outcome, not an error: it is journalled, counted and shown. Nothing here
//! decides anything.

use enigma_types::{Amount, Instrument};

/// The pre-trade checks, each with its number in the list of the regulations' checks (C1 to C23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RiskCheck {
    /// C1: the quantity of one order.
    MaxOrderQuantity,
    /// C2: the value of one order.
    MaxOrderNotional,
    /// C3: how far the limit price lies from the reference.
    PriceCollar,
    /// C4: the book is sound and fresh enough to be a reference.
    ReferenceValidity,
    /// C5: the position if everything that may be open fills.
    WorstCasePosition,
    /// C7: orders that may be open, and their value.
    OpenOrders,
    /// C8: messages in any second, ten seconds and minute.
    MessageThrottle,
    /// C15: an order flagged reducing that could increase, or one that isn't flagged where only
    /// reducing is let through.
    ReduceOnly,
    /// C16: the venue's own rules for the instrument.
    SpecConformity,
    /// C17: our clock against the venue's, and how old what an order answers to is.
    Timeliness,
    /// C18: sessions, reconciliation, journal, and whether limits are known at all.
    Gate,
    /// C20: the latch that a person lifts.
    KillSwitch,
}

/// Why the gate is closed, as the desk sees it. The order is that of the codes: append only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Gate {
    #[default]
    Open,
    OrderSessionDown,
    AccountSessionDown,
    MarketNotReady,
    Unreconciled,
    JournalFull,
    /// No limits are known for this strategy, account or instrument.
    UnknownScope,
}

/// What a refusal's two numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Mantissa at the instrument's price scale.
    Price,
    /// Mantissa at the instrument's quantity scale.
    Quantity,
    /// Millionths of the quote asset, the limit rounded down and the value up.
    MicroQuote,
    Nanoseconds,
    Count,
    /// A code of `Gate`, or 0 and 1.
    State,
}

/// A refused intent: which check, its limit, and the value that broke it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskRejection {
    pub check: RiskCheck,
    pub limit: i64,
    pub value: i64,
    pub unit: Unit,
}

impl RiskCheck {
    pub const ALL: [Self; 12] = [
        Self::MaxOrderQuantity,
        Self::MaxOrderNotional,
        Self::PriceCollar,
        Self::ReferenceValidity,
        Self::WorstCasePosition,
        Self::OpenOrders,
        Self::MessageThrottle,
        Self::ReduceOnly,
        Self::SpecConformity,
        Self::Timeliness,
        Self::Gate,
        Self::KillSwitch,
    ];

    /// The C number: below 32, so that counters can be an array.
    pub const fn code(self) -> u8 {
        match self {
            Self::MaxOrderQuantity => 1,
            Self::MaxOrderNotional => 2,
            Self::PriceCollar => 3,
            Self::ReferenceValidity => 4,
            Self::WorstCasePosition => 5,
            Self::OpenOrders => 7,
            Self::MessageThrottle => 8,
            Self::ReduceOnly => 15,
            Self::SpecConformity => 16,
            Self::Timeliness => 17,
            Self::Gate => 18,
            Self::KillSwitch => 20,
        }
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.code() == code)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxOrderQuantity => "max_order_quantity",
            Self::MaxOrderNotional => "max_order_notional",
            Self::PriceCollar => "price_collar",
            Self::ReferenceValidity => "reference_validity",
            Self::WorstCasePosition => "worst_case_position",
            Self::OpenOrders => "open_orders",
            Self::MessageThrottle => "message_throttle",
            Self::ReduceOnly => "reduce_only",
            Self::SpecConformity => "spec_conformity",
            Self::Timeliness => "timeliness",
            Self::Gate => "gate",
            Self::KillSwitch => "kill_switch",
        }
    }

    pub const fn description(self) -> &'static str {
        match self {
            Self::MaxOrderQuantity => "the order is larger than the strategy may send",
            Self::MaxOrderNotional => "the order is worth more than one order may be",
            Self::PriceCollar => "the price lies outside the collar around the reference",
            Self::ReferenceValidity => "the book is no valid reference: unsound or too old",
            Self::WorstCasePosition => "the position could exceed its limit if everything fills",
            Self::OpenOrders => "too many orders, or orders worth too much, may be open already",
            Self::MessageThrottle => {
                "too many messages within a second, ten seconds or a minute, or the venue had no room"
            }
            Self::ReduceOnly => "only what surely reduces the position is let through",
            Self::SpecConformity => "the order breaks a rule of the instrument",
            Self::Timeliness => {
                "our clock stands too far from the venue's or isn't compared yet, or what the order \
                 answers to is too old"
            }
            Self::Gate => "trading is closed: session, reconciliation, journal or limits",
            Self::KillSwitch => "the kill switch is engaged",
        }
    }
}

impl Gate {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OrderSessionDown => "order_session_down",
            Self::AccountSessionDown => "account_session_down",
            Self::MarketNotReady => "market_not_ready",
            Self::Unreconciled => "unreconciled",
            Self::JournalFull => "journal_full",
            Self::UnknownScope => "unknown_scope",
        }
    }

    fn from_code(code: i64) -> Option<Self> {
        [
            Self::Open,
            Self::OrderSessionDown,
            Self::AccountSessionDown,
            Self::MarketNotReady,
            Self::Unreconciled,
            Self::JournalFull,
            Self::UnknownScope,
        ]
        .into_iter()
        .find(|gate| gate.code() == code)
    }
}

impl RiskRejection {
    /// The refusal in words, for a person. Allocates: not for the fast path.
    pub fn describe(&self, instrument: &Instrument) -> String {
        let says = self.check.description();
        let number = |value: i64| match self.unit {
            Unit::Price => format!("price {}", instrument_price(instrument, value)),
            Unit::Quantity => {
                let quantity = enigma_types::SignedQuantity(value);
                format!("quantity {}", quantity.to_decimal(instrument.quantity_scale))
            }
            Unit::MicroQuote => {
                let amount = Amount(i128::from(value) * MICRO);
                format!("{amount} {}", instrument.quote)
            }
            Unit::Nanoseconds if value == i64::MAX => "unknown".to_owned(),
            Unit::Nanoseconds => format!("{} ms", value / 1_000_000),
            Unit::Count => value.to_string(),
            Unit::State => match (self.check, Gate::from_code(value)) {
                (RiskCheck::Gate, Some(gate)) => gate.name().to_owned(),
                _ => value.to_string(),
            },
        };
        match self.unit {
            Unit::State => format!("{says} ({})", number(self.value)),
            Unit::Price | Unit::Quantity | Unit::MicroQuote | Unit::Nanoseconds | Unit::Count => {
                format!("{says} ({}, limit {})", number(self.value), number(self.limit))
            }
        }
    }
}

fn instrument_price(instrument: &Instrument, mantissa: i64) -> enigma_types::DecimalText {
    enigma_types::Price(mantissa).text(instrument.price_scale)
}

/// Units of `Amount` in a millionth of the asset.
pub(super) const MICRO: i128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_code_and_a_name_of_its_own() {
        for (at, check) in RiskCheck::ALL.into_iter().enumerate() {
            assert_eq!(RiskCheck::from_code(check.code()), Some(check));
            assert!(check.code() < 32, "{check:?}");
            assert!(!check.description().is_empty());
            for other in RiskCheck::ALL.into_iter().skip(at + 1) {
                assert_ne!(check.code(), other.code());
                assert_ne!(check.name(), other.name());
            }
        }
        assert_eq!(RiskCheck::from_code(6), None);
    }
}
