//! What an operator can ask of the desk, and what the desk answers. A closed list.

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, ClientOrderId, InstrumentId, Mode, NotSentCause, OrderType, Price, Quantity,
    RiskLimits, Side, StrategyName, StrategySpec, StrategyState, TimeInForce,
};

/// One act of an operator. Texts are prepared by the caller, so that the desk allocates nothing
/// but what a new strategy needs.
#[derive(Debug)]
pub enum DeskCommand {
    /// Creates a strategy in state loaded. `json` is the spec as the journal keeps it.
    Create {
        spec: Box<StrategySpec>,
        json: Box<str>,
    },
    /// Replaces parameters and limits; the strategy must not be running.
    Update {
        spec: Box<StrategySpec>,
        json: Box<str>,
    },
    /// Only a strategy without open orders that is loaded, stopped or faulted.
    Delete {
        strategy: StrategyName,
    },
    Start {
        strategy: StrategyName,
        mode: Mode,
    },
    /// No new order from this step on; open orders are cancelled.
    Pause {
        strategy: StrategyName,
    },
    Resume {
        strategy: StrategyName,
    },
    /// Like pause; stopped once the venue has confirmed every cancel.
    Stop {
        strategy: StrategyName,
    },
    /// Pauses every running strategy.
    PauseAll,
    StopAll,
    /// Places an order by hand.
    Place(ManualOrder),
    Cancel {
        client_order_id: ClientOrderId,
    },
    CancelAll {
        scope: CancelScope,
    },
    Replace {
        client_order_id: ClientOrderId,
        price: Price,
        quantity: Quantity,
    },
    /// Latches the kill switch and cancels every order of ours.
    Kill {
        reason: Box<str>,
    },
    /// Lifts the kill switch. Strategies stay as they are: nothing trades by itself afterwards.
    Rearm,
    SetLimits {
        limits: Box<RiskLimits>,
        json: Box<str>,
    },
    /// Asks the venue for orders, fills, balances and positions now.
    Reconcile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManualOrder {
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    pub price: Price,
    pub quantity: Quantity,
    pub reduce_only: bool,
}

/// Which of our own orders a cancel-all means. Never a foreign order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelScope {
    All,
    Strategy(StrategyName),
    Instrument(InstrumentId),
}

/// What a command did, by the time it is acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The last order that was handed to a venue session before this command took effect, by the
    /// strategy named or by any.
    pub last_order_sent: Option<ClientOrderId>,
    /// Orders whose cancel was asked of the venue by this command.
    pub cancels: ArrayVec<ClientOrderId, 256>,
    /// More cancels were asked for than the list holds.
    pub cancels_truncated: bool,
    /// The order that `Place` sent.
    pub placed: Option<ClientOrderId>,
    /// The order, or the change, that was asked for didn't leave, and why. It was approved and
    /// journalled, so it is no refusal; the venue knows nothing of it.
    pub not_sent: Option<NotSentCause>,
    /// The named strategy's state after the command.
    pub state: Option<StrategyState>,
}

impl DeskCommand {
    /// Whether an order could come of it, at once or later. An engine that is stopping refuses
    /// these.
    pub const fn may_trade(&self) -> bool {
        match self {
            Self::Create { .. }
            | Self::Start { .. }
            | Self::Resume { .. }
            | Self::Place(_)
            | Self::Replace { .. }
            | Self::Rearm => true,
            Self::Update { .. }
            | Self::Delete { .. }
            | Self::Pause { .. }
            | Self::Stop { .. }
            | Self::PauseAll
            | Self::StopAll
            | Self::Cancel { .. }
            | Self::CancelAll { .. }
            | Self::Kill { .. }
            | Self::SetLimits { .. }
            | Self::Reconcile => false,
        }
    }
}

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no strategy {0}")]
    NoSuchStrategy(StrategyName),
    #[error("there is a strategy {0} already")]
    StrategyExists(StrategyName),
    #[error("there is no room for another strategy: {0} at the most")]
    TooManyStrategies(usize),
    #[error("{strategy} is {state}: it can't {command}", state = state.name())]
    WrongState { strategy: StrategyName, state: StrategyState, command: &'static str },
    #[error("{0} still has orders that may be open")]
    OrdersOpen(StrategyName),
    #[error("no vault yet: live trading needs a key whose rights were verified")]
    NoVault,
    #[error(transparent)]
    Spec(#[from] enigma_types::SpecError),
    #[error("there is no order {0}")]
    NoSuchOrder(ClientOrderId),
    #[error("order {0} is closed")]
    OrderClosed(ClientOrderId),
    #[error("order {0} has a request in flight")]
    RequestInFlight(ClientOrderId),
    #[error("refused by risk check {check}: {detail}")]
    Risk { check: &'static str, detail: String },
    #[error("the kill switch is engaged")]
    Killed,
    #[error("the journal has no room")]
    JournalFull,
    #[error("the engine is stopping")]
    Draining,
    #[error("there is no account for {0}")]
    NoAccount(enigma_types::VenueId),
    #[error("a description of {bytes} bytes is too long: {most} at the most")]
    TooLong { bytes: usize, most: usize },
    #[error("limit {0} must be above zero")]
    BadLimit(&'static str),
}
