//! What the control plane sees: views folded from the journal's records off the pinned thread.
//!
//! The pinned thread never waits for a reader: it writes records, the projector folds them here.

use std::collections::{BTreeMap, VecDeque};

use enigma_types::{
    AccountId, Amount, Asset, BalanceReport, ClientOrderId, Fill, InstallationPrefix, InstrumentId,
    Mode, PositionReport, Price, Quantity, RiskLimits, SessionKind, SessionState, Side,
    SignedQuantity, StrategyId, StrategySpec, StrategyState, TimeInForce, UnixNanos, VenueId,
    VenueOrderId,
};

/// The whole read model. Bounded: see each field.
#[derive(Debug, Default)]
pub struct ReadModel {
    pub orders: BTreeMap<ClientOrderId, OrderView>,
    /// Orders that are not ours, by the venue's id: the newest 1,024.
    pub external_orders: VecDeque<ExternalOrderView>,
    /// The newest 100,000 fills, oldest first.
    pub fills: VecDeque<FillView>,
    pub strategies: BTreeMap<StrategyId, StrategyView>,
    /// Net position by account and instrument, folded from unique fills.
    pub positions: BTreeMap<(AccountId, InstrumentId), PositionView>,
    pub balances: BTreeMap<(AccountId, Asset), BalanceReport>,
    pub sessions: BTreeMap<(VenueId, AccountId, SessionKind), SessionView>,
    pub kill: KillView,
    pub limits: RiskLimits,
    /// Counts every change of limits; the entity tag of `/v1/risk`.
    pub limits_version: u64,
    pub reconciled: BTreeMap<AccountId, bool>,
    pub risk_rejections: BTreeMap<u8, u64>,
    pub prefix: Option<InstallationPrefix>,
    pub run: u32,
    pub events: EventLog,
}

/// An order of ours. `state` is the name people know, derived from its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    pub client_order_id: ClientOrderId,
    pub venue_order_id: VenueOrderId,
    pub strategy: StrategyId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    pub filled: Quantity,
    pub time_in_force: TimeInForce,
    pub reduce_only: bool,
    pub state: OrderState,
    /// Why it was rejected, or how it ended: the venue's words or ours.
    pub reason: String,
    pub created_at: UnixNanos,
    pub updated_at: UnixNanos,
}

/// The names of order states that the API shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderState {
    PendingNew,
    Open,
    PartiallyFilled,
    PendingCancel,
    PendingReplace,
    Filled,
    Canceled,
    Rejected,
    Expired,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalOrderView {
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub venue_order_id: VenueOrderId,
    pub text: String,
    pub side: Option<Side>,
    pub price: Price,
    pub quantity: Quantity,
    pub filled: Quantity,
    pub open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillView {
    pub account: AccountId,
    pub instrument: InstrumentId,
    /// `None` for a fill of somebody else's order on our account.
    pub client_order_id: Option<ClientOrderId>,
    pub venue_order_id: VenueOrderId,
    pub strategy: Option<StrategyId>,
    pub fill: Fill,
    pub venue_time: UnixNanos,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategyView {
    pub id: StrategyId,
    pub spec: StrategySpec,
    pub state: StrategyState,
    pub mode: Mode,
    pub reason: String,
    pub position: SignedQuantity,
    pub last_order: Option<ClientOrderId>,
    pub orders_sent: u64,
    pub fills: u64,
    pub fees: Amount,
    /// Cash flow of the strategy's fills: sells minus buys, fees apart.
    pub cash: Amount,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PositionView {
    pub quantity: SignedQuantity,
    /// What the venue last said, and when.
    pub venue: Option<PositionReport>,
    pub fills: u64,
    pub bought: Quantity,
    pub sold: Quantity,
    pub fees: Amount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView {
    pub state: SessionState,
    pub since: UnixNanos,
    pub reconnects: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KillView {
    pub engaged: bool,
    pub reason: String,
    pub since: UnixNanos,
}

/// The newest events, for readers that come back: 8,192 are kept.
#[derive(Debug, Default)]
pub struct EventLog {
    pub next: u64,
    pub events: VecDeque<Event>,
}

/// Something changed. Readers look the new state up in the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub sequence: u64,
    pub at: UnixNanos,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    Strategy(StrategyId),
    Order(ClientOrderId),
    Fill(FillView),
    Position(AccountId, InstrumentId),
    Balance(AccountId, Asset),
    Session(VenueId, AccountId, SessionKind),
    Risk { strategy: StrategyId, check: u8 },
    Limits,
    Kill,
    Alert { text: String },
}

impl EventLog {
    pub const CAPACITY: usize = 8_192;

    /// Events after `after`, at most `most`; the flag says that older ones are gone already.
    pub fn since(&self, after: u64, most: usize) -> (Vec<Event>, bool) {
        let first = self.events.front().map_or(self.next, |event| event.sequence);
        let gap = after.saturating_add(1) < first;
        let newer = self.events.iter().filter(|event| event.sequence > after);
        (newer.take(most).cloned().collect(), gap)
    }
}

impl OrderState {
    pub const ALL: [Self; 10] = [
        Self::PendingNew,
        Self::Open,
        Self::PartiallyFilled,
        Self::PendingCancel,
        Self::PendingReplace,
        Self::Filled,
        Self::Canceled,
        Self::Rejected,
        Self::Expired,
        Self::Unknown,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingNew => "pending_new",
            Self::Open => "open",
            Self::PartiallyFilled => "partially_filled",
            Self::PendingCancel => "pending_cancel",
            Self::PendingReplace => "pending_replace",
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }

    /// The order may still trade.
    pub const fn is_live(self) -> bool {
        match self {
            Self::PendingNew
            | Self::Open
            | Self::PartiallyFilled
            | Self::PendingCancel
            | Self::PendingReplace
            | Self::Unknown => true,
            Self::Filled | Self::Canceled | Self::Rejected | Self::Expired => false,
        }
    }
}
