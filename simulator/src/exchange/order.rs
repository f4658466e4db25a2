//! An order, its states and what happened to it. Holds no matching.

use serde::Serialize;

use super::account::AccountId;
use super::instrument::InstrumentId;
use super::lists::ListId;
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

/// Which leg of a position an order moves; `Both` where positions net.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PositionSide {
    #[default]
    Both,
    Long,
    Short,
}

impl PositionSide {
    /// Whether an order of `side` closes this leg; a net position is closed by either.
    pub fn closed_by(self, side: Side) -> bool {
        matches!((self, side), (Self::Long, Side::Sell) | (Self::Short, Side::Buy))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    StopLoss,
    TakeProfit,
}

/// The last price from which on an order works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub kind: TriggerKind,
    pub price: Price,
}

impl Trigger {
    /// A stop loss follows the price in the order's direction, a take profit waits against it.
    pub fn fires(&self, side: Side, last: Price) -> bool {
        match (self.kind, side) {
            (TriggerKind::StopLoss, Side::Buy) | (TriggerKind::TakeProfit, Side::Sell) => {
                last >= self.price
            }
            (TriggerKind::StopLoss, Side::Sell) | (TriggerKind::TakeProfit, Side::Buy) => {
                last <= self.price
            }
        }
    }
}

/// What a client hangs on an order for itself; echoed, never read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub strategy_id: Option<u64>,
    pub strategy_type: Option<u64>,
    pub iceberg: Option<Quantity>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SelfTradePrevention {
    None,
    ExpireTaker,
    ExpireMaker,
    ExpireBoth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderStatus {
    /// Waits for the order that it depends on; not in the market yet.
    PendingNew,
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
            Self::PendingNew | Self::New | Self::PartiallyFilled => true,
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
    KillRemainder,
    /// The other order of a one-cancels-the-other pair began to work.
    OtherWorks,
    /// The order that this one waited for ended without being filled.
    FirstEnded,
    /// It could not be placed when its turn came.
    Refused,
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
    pub position_side: PositionSide,
    pub trigger: Option<Trigger>,
    /// What a market order may spend or shall receive, in place of its quantity.
    pub budget: Option<Money>,
    pub labels: Labels,
}

/// A change of quantity that kept the order's place.
#[derive(Clone, Debug)]
pub struct Amendment {
    pub execution: u64,
    pub former_client_id: String,
    pub client_id: String,
    pub former_quantity: Quantity,
    pub quantity: Quantity,
    pub at: UnixMillis,
}

/// What a self-trade would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prevented {
    pub id: u64,
    pub counter: OrderId,
    pub price: Price,
    pub quantity: Quantity,
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
    /// Since when it is in the market; None while it waits for its trigger or its turn.
    pub working: Option<UnixMillis>,
    pub list: Option<ListId>,
    /// What it holds of the account's asset where orders are paid in full.
    pub locked: Money,
    /// The client id of the request that cancelled it.
    pub canceled_by: Option<String>,
    pub amendments: Vec<Amendment>,
    pub prevented: Option<Prevented>,
}

impl Order {
    pub fn new(now: UnixMillis, id: OrderId, asked: NewOrder) -> Self {
        Self {
            id,
            quantity: asked.quantity,
            price: asked.price,
            filled: Quantity::ZERO,
            filled_value: Money::ZERO,
            status: OrderStatus::New,
            expiry: ExpiryReason::None,
            modifications: 0,
            modify_id: None,
            created: now,
            updated: now,
            working: asked.trigger.is_none().then_some(now),
            list: None,
            locked: Money::ZERO,
            canceled_by: None,
            amendments: Vec::new(),
            prevented: None,
            asked,
        }
    }

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
    pub fee_asset: String,
    pub realized: Money,
    pub position_side: PositionSide,
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
    #[error("the balance is insufficient")]
    Balance,
    #[error("the trigger would fire at once")]
    WouldTrigger,
    #[error("the prices of the pair stand on the wrong sides of the market")]
    PairPrices,
    #[error("there is nothing to trade with")]
    NoLiquidity,
    #[error("the new quantity is not below the present one")]
    NotReduced,
    #[error("amended too often")]
    TooManyAmendments,
    #[error("too many open lists")]
    TooManyLists,
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
