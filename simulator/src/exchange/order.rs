//! An order, its states and what happened to it. Holds no matching.

use serde::Serialize;

use super::account::AccountId;
use super::instrument::InstrumentId;
use super::number::{Money, Price, Quantity};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OrderId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TradeId(pub u64);

/// Milliseconds since the Unix epoch, as the venue's clock shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    pub fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    Buy,
    Sell,
}

impl Side {
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `quantity` with this side's sign.
    pub fn signed(self, quantity: Quantity) -> Quantity {
        match self {
            Self::Buy => quantity,
            Self::Sell => Quantity(-quantity.0),
        }
    }

    /// Whether an order of this side with this limit trades at `price`.
    pub fn reaches(self, limit: Option<Price>, price: Price) -> bool {
        match (self, limit) {
            (_, None) => true,
            (Self::Buy, Some(limit)) => price <= limit,
            (Self::Sell, Some(limit)) => price >= limit,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OrderKind {
    Limit,
    Market,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TimeInForce {
    Gtc,
    Ioc,
    Fok,
    /// Post-only: rests or is refused.
    Gtx,
    Gtd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SelfTradePrevention {
    None,
    ExpireTaker,
    ExpireMaker,
    ExpireBoth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    New,
    PartiallyFilled,
    Filled,
    Canceled,
    Expired,
    ExpiredInMatch,
}

impl OrderStatus {
    pub fn is_open(self) -> bool {
        match self {
            Self::New | Self::PartiallyFilled => true,
            Self::Filled | Self::Canceled | Self::Expired | Self::ExpiredInMatch => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryReason {
    None,
    SelfTrade,
    ImmediateRemainder,
    ReduceOnly,
    GoodTillDate,
    MarketRemainder,
}

#[derive(Clone, Debug)]
pub struct NewOrder {
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub client_id: String,
    pub side: Side,
    pub kind: OrderKind,
    pub time_in_force: TimeInForce,
    /// None for a market order.
    pub price: Option<Price>,
    pub quantity: Quantity,
    pub reduce_only: bool,
    pub self_trade: SelfTradePrevention,
    pub good_till: Option<UnixMillis>,
    /// The venue's word for a price taken from the book, echoed.
    pub price_match: &'static str,
}

#[derive(Clone, Debug)]
pub struct Order {
    pub id: OrderId,
    pub asked: NewOrder,
    pub quantity: Quantity,
    pub price: Option<Price>,
    pub filled: Quantity,
    pub filled_value: Money,
    pub status: OrderStatus,
    pub expiry: ExpiryReason,
    pub modifications: u32,
    pub modify_id: Option<String>,
    pub created: UnixMillis,
    pub updated: UnixMillis,
}

impl Order {
    pub fn leaves(&self) -> Quantity {
        self.quantity.minus(self.filled)
    }

    pub fn average_price(&self) -> Price {
        self.filled_value.per(self.filled)
    }
}

#[derive(Clone, Debug)]
pub struct Fill {
    pub trade: TradeId,
    pub order: OrderId,
    pub client_id: String,
    pub instrument: InstrumentId,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    pub fee: Money,
    pub realized: Money,
    pub maker: bool,
    pub at: UnixMillis,
}

/// Why the exchange did not do what was asked; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("an open order has this client id")]
    DuplicateClientId,
    #[error("too many open orders")]
    TooManyOpenOrders,
    #[error("reduce-only would not reduce")]
    ReduceOnly,
    #[error("post-only would take")]
    WouldTake,
    #[error("fill-or-kill cannot be filled")]
    CannotFill,
    #[error("margin is insufficient")]
    Margin,
    #[error("unknown order")]
    UnknownOrder,
    #[error("the order is not a limit order")]
    NotLimit,
    #[error("nothing to modify")]
    NothingToModify,
    #[error("modified too often")]
    TooManyModifications,
    #[error("the side differs from the order's")]
    SideDiffers,
}
