//! What the control plane sees: views folded from the journal's records off the pinned thread.
//!
//! The pinned thread never waits for a reader: it writes records, the projector folds them here.

use std::collections::{BTreeMap, VecDeque};

use enigma_trading::orders::OrderStatus;
use enigma_types::{
    AccountId, Amount, Asset, BalanceReport, ClientOrderId, Fill, InstallationPrefix, InstrumentId,
    Mode, NotSentCause, PositionReport, Price, Quantity, RiskLimits, SessionChange, SessionKind,
    SessionState, Side, SignedQuantity, StrategyId, StrategyResult, StrategySpec, StrategyState,
    TimeInForce, UnixNanos, VenueId, VenueOrderId,
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
    /// How orders ended, counted since the journal's first record.
    pub closed_orders: BTreeMap<(StrategyId, AccountId, OrderState), u64>,
    /// The greatest id of a closed order that was dropped for want of room. An order up to this
    /// id that isn't in `orders` may have been there: its absence proves nothing.
    pub newest_dropped: Option<ClientOrderId>,
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
    /// Why it never left, where that is known: the venue has heard nothing of it.
    pub not_sent: Option<NotSentCause>,
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
    pub fees: Fees,
    /// Cash flow of the strategy's fills: sells minus buys, fees apart.
    pub cash: Amount,
    /// What it made of its task since its start, where it has one that ends.
    pub result: Option<StrategyResult>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PositionView {
    pub quantity: SignedQuantity,
    /// What the venue last said, and when.
    pub venue: Option<PositionReport>,
    pub fills: u64,
    pub bought: Quantity,
    pub sold: Quantity,
    pub fees: Fees,
}

/// Fees paid, by the asset they were paid in. A rebate is below zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fees(pub Vec<(Asset, Amount)>);

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
    Risk {
        strategy: StrategyId,
        check: u8,
    },
    Limits,
    Kill,
    Alert {
        text: String,
        /// Absent for what the engine found out by itself.
        raised: Option<VenueAlerts>,
    },
}

/// Alerts of one kind that a venue's sessions have raised since the last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenueAlerts {
    pub venue: VenueId,
    pub kind: &'static str,
    pub count: u64,
}

impl EventKind {
    pub(crate) fn alert(text: impl Into<String>) -> Self {
        Self::Alert { text: text.into(), raised: None }
    }
}

impl ReadModel {
    /// Closed orders beyond this are dropped, oldest first.
    pub const CLOSED_ORDERS: usize = 100_000;
    pub const FILLS: usize = 100_000;
    pub const EXTERNAL_ORDERS: usize = 1_024;

    pub(crate) fn apply_session(&mut self, at: UnixNanos, change: &SessionChange) {
        let key = (change.venue, change.account, change.kind);
        let fresh = SessionView { state: SessionState::Down, since: at, reconnects: 0 };
        let view = self.sessions.entry(key).or_insert(fresh);
        view.reconnects += u64::from(is_connected(view.state) && !is_connected(change.state));
        view.state = change.state;
        view.since = at;
        if change.kind != SessionKind::Market && change.state != SessionState::Ready {
            self.reconciled.insert(change.account, false);
        }
        self.events.push(at, EventKind::Session(change.venue, change.account, change.kind));
    }

    /// Keeps what an earlier message said of the free balance where this one says nothing.
    pub(crate) fn apply_balance(&mut self, at: UnixNanos, report: &BalanceReport) {
        let key = (report.account, report.asset);
        let held = self.balances.entry(key).or_insert(*report);
        if report.venue_time < held.venue_time {
            return;
        }
        *held = BalanceReport { available: report.available.or(held.available), ..*report };
        self.events.push(at, EventKind::Balance(report.account, report.asset));
    }

    pub(crate) fn apply_venue_position(&mut self, at: UnixNanos, report: &PositionReport) {
        let view = self.positions.entry((report.account, report.instrument)).or_default();
        if view.venue.is_some_and(|held| report.venue_time < held.venue_time) {
            return;
        }
        view.venue = Some(*report);
        self.events.push(at, EventKind::Position(report.account, report.instrument));
    }

    pub(crate) fn apply_external_order(&mut self, order: ExternalOrderView) {
        let same = |row: &&mut ExternalOrderView| {
            row.account == order.account
                && row.instrument == order.instrument
                && row.venue_order_id == order.venue_order_id
        };
        if let Some(row) = self.external_orders.iter_mut().rev().find(same) {
            *row = order;
            return;
        }
        if self.external_orders.len() == Self::EXTERNAL_ORDERS {
            self.external_orders.pop_front();
        }
        self.external_orders.push_back(order);
    }

    pub(crate) fn push_fill(&mut self, at: UnixNanos, fill: FillView) {
        if self.fills.len() == Self::FILLS {
            self.fills.pop_front();
        }
        self.fills.push_back(fill);
        self.events.push(at, EventKind::Fill(fill));
    }
}

impl Fees {
    /// What was paid in one asset.
    pub fn of(&self, asset: &Asset) -> Amount {
        let row = self.0.iter().find(|(name, _)| name == asset);
        row.map_or(Amount::ZERO, |(_, amount)| *amount)
    }
}

impl EventLog {
    pub const CAPACITY: usize = 8_192;

    /// Adds an event. Sequences begin at 1 and are the same after every replay of a journal.
    pub(crate) fn push(&mut self, at: UnixNanos, kind: EventKind) {
        if self.events.len() == Self::CAPACITY {
            self.events.pop_front();
        }
        let sequence = self.next.max(1);
        self.next = sequence + 1;
        self.events.push_back(Event { sequence, at, kind });
    }

    /// Events after `after`, at most `most`; the flag says that older ones are gone already.
    pub fn since(&self, after: u64, most: usize) -> (Vec<Event>, bool) {
        let first = self.events.front().map_or(self.next, |event| event.sequence);
        let gap = after.saturating_add(1) < first;
        let newer = self.events.iter().filter(|event| event.sequence > after);
        (newer.take(most).cloned().collect(), gap)
    }
}

impl From<OrderStatus> for OrderState {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::PendingNew => Self::PendingNew,
            OrderStatus::Open => Self::Open,
            OrderStatus::PartiallyFilled => Self::PartiallyFilled,
            OrderStatus::PendingCancel => Self::PendingCancel,
            OrderStatus::PendingReplace => Self::PendingReplace,
            OrderStatus::Filled => Self::Filled,
            OrderStatus::Canceled => Self::Canceled,
            OrderStatus::Rejected => Self::Rejected,
            OrderStatus::Expired => Self::Expired,
            OrderStatus::Unknown => Self::Unknown,
        }
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

const fn is_connected(state: SessionState) -> bool {
    match state {
        SessionState::Down | SessionState::Connecting => false,
        SessionState::Syncing | SessionState::Ready | SessionState::Stale => true,
    }
}
