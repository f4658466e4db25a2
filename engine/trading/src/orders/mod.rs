//! Orders of ours: what is known of each, what may still be true of it, and the names people use.
//!
//! The state of an order changes only in `state.rs`, by what a venue says or by a request of ours.
//! Nothing here decides what to ask or to send.

pub mod reconcile;
mod state;
pub mod store;
pub mod table;
pub mod trades;

use enigma_types::{
    AccountId, CancelRequest, ClientOrderId, InstrumentId, Nanos, OrderRequest, Price, Quantity,
    ReplaceRequest, Side, StrategyId, TimeInForce, UnixNanos, VenueOrderId,
};

pub use state::{Change, IllegalTransition};

/// How far an order has come. It only moves forward: sent, open, closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Handed to a session; the venue has said nothing of the order itself yet.
    Sent,
    /// The venue has shown it open, or filled in part.
    Open,
    Closed(CloseReason),
}

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    Filled,
    Canceled,
    Expired,
    Rejected,
    /// No byte of it left.
    NotSent,
    /// The venue didn't know it when asked after its fence: the request was lost on the way.
    NeverReached,
    /// The venue had shown it, and later no longer knew it.
    Vanished,
}

/// A request that waits for the venue's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InFlight {
    Submit,
    Cancel,
    Replace { price: Price, quantity: Quantity },
}

/// Whether our picture of the order can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Certainty {
    Known,
    /// Ends by an event of the venue, or by "no such order" said to a query that was sent at the
    /// fence or later. No timer ends it.
    Unknown {
        since: Nanos,
        fence: Nanos,
    },
}

/// The names of states that people know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderStatus {
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

/// One order of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub client_order_id: ClientOrderId,
    pub venue_order_id: VenueOrderId,
    pub strategy: StrategyId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub time_in_force: TimeInForce,
    pub price: Price,
    /// The total, what has been filled included.
    pub quantity: Quantity,
    pub reduce_only: bool,
    pub lifecycle: Lifecycle,
    /// The sum of its unique fills.
    pub filled: Quantity,
    /// The most that the venue has ever said was filled; above `filled` while fills are missing.
    pub reported: Quantity,
    pub in_flight: Option<InFlight>,
    pub certainty: Certainty,
    /// A cancel was asked for; it stays wanted until the order is proved closed.
    pub cancel_wanted: bool,
    /// When its last submit or replace was handed over.
    pub sent_at: Nanos,
    /// When its last cancel was handed over.
    pub cancel_sent_at: Nanos,
    /// Price and total of a replace that a later cancel overtook and nobody has answered.
    overtaken: Option<(Price, Quantity)>,
    /// The venue's time of the statement that price and total were taken from.
    stated_at: UnixNanos,
    /// How long after its sending a request may still reach the venue's matching.
    fence_after: Nanos,
}

impl Order {
    /// The order of a submit that stands in the journal. `fence_after` is how long a request of
    /// ours may take to reach matching: the venue's window, its grace and the clocks' skew.
    pub fn submitted(
        strategy: StrategyId,
        request: &OrderRequest,
        at: Nanos,
        fence_after: Nanos,
    ) -> Self {
        Self {
            client_order_id: request.client_order_id,
            venue_order_id: VenueOrderId::default(),
            strategy,
            account: request.account,
            instrument: request.instrument,
            side: request.side,
            time_in_force: request.time_in_force,
            price: request.price,
            quantity: request.quantity,
            reduce_only: request.reduce_only,
            lifecycle: Lifecycle::Sent,
            filled: Quantity::ZERO,
            reported: Quantity::ZERO,
            in_flight: Some(InFlight::Submit),
            certainty: Certainty::Known,
            cancel_wanted: false,
            sent_at: at,
            cancel_sent_at: Nanos::ZERO,
            overtaken: None,
            stated_at: UnixNanos(0),
            fence_after,
        }
    }

    pub const fn is_closed(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Closed(_))
    }

    pub const fn is_unknown(&self) -> bool {
        matches!(self.certainty, Certainty::Unknown { .. })
    }

    /// The venue has said that more was filled than we have seen fills for.
    pub const fn fills_outstanding(&self) -> bool {
        self.reported.0 > self.filled.0
    }

    /// A request is unanswered or the state is unsure: a strategy must leave it alone.
    pub const fn is_busy(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Sent)
            || self.in_flight.is_some()
            || self.overtaken.is_some()
            || self.cancel_wanted
            || self.is_unknown()
    }

    /// The most that may still trade of it beyond the fills we have seen: the larger leg of an
    /// unanswered replace, and of a closed order the fills that haven't come in yet.
    pub fn exposure(&self) -> Quantity {
        let most = match self.lifecycle {
            Lifecycle::Closed(_) => self.reported,
            Lifecycle::Sent | Lifecycle::Open => self.most(),
        };
        Quantity((most.0 - self.filled.0).max(0))
    }

    /// The most that what may still trade of it may be worth, in price times quantity.
    pub fn open_value(&self) -> i128 {
        value(self.highest_price(), self.exposure())
    }

    /// The same with a replace to these terms in flight.
    pub fn open_value_with(&self, price: Price, quantity: Quantity) -> i128 {
        let leaves = self.exposure().max(quantity.less(self.filled));
        value(self.highest_price().max(price), leaves)
    }

    pub const fn leaves(&self) -> Quantity {
        match self.lifecycle {
            Lifecycle::Closed(_) => Quantity::ZERO,
            Lifecycle::Sent | Lifecycle::Open => {
                let left = self.quantity.0 - self.filled.0;
                Quantity(if left > 0 { left } else { 0 })
            }
        }
    }

    pub const fn status(&self) -> OrderStatus {
        match self.lifecycle {
            Lifecycle::Closed(CloseReason::Filled) => OrderStatus::Filled,
            Lifecycle::Closed(CloseReason::Canceled | CloseReason::Vanished) => {
                OrderStatus::Canceled
            }
            Lifecycle::Closed(CloseReason::Expired) => OrderStatus::Expired,
            Lifecycle::Closed(
                CloseReason::Rejected | CloseReason::NotSent | CloseReason::NeverReached,
            ) => OrderStatus::Rejected,
            Lifecycle::Sent | Lifecycle::Open if self.is_unknown() => OrderStatus::Unknown,
            Lifecycle::Sent | Lifecycle::Open if self.cancel_wanted => OrderStatus::PendingCancel,
            Lifecycle::Sent => OrderStatus::PendingNew,
            Lifecycle::Open => match self.in_flight {
                Some(InFlight::Cancel) => OrderStatus::PendingCancel,
                Some(InFlight::Replace { .. }) => OrderStatus::PendingReplace,
                Some(InFlight::Submit) | None if self.filled.0 > 0 => OrderStatus::PartiallyFilled,
                Some(InFlight::Submit) | None => OrderStatus::Open,
            },
        }
    }

    pub const fn cancel_request(&self) -> CancelRequest {
        CancelRequest {
            client_order_id: self.client_order_id,
            account: self.account,
            instrument: self.instrument,
            venue_order_id: self.venue_order_id,
        }
    }

    pub const fn replace_request(&self, price: Price, quantity: Quantity) -> ReplaceRequest {
        ReplaceRequest {
            client_order_id: self.client_order_id,
            account: self.account,
            instrument: self.instrument,
            venue_order_id: self.venue_order_id,
            side: self.side,
            price,
            quantity,
        }
    }

    /// Price and total that an unanswered replace may have given it.
    pub const fn other_leg(&self) -> Option<(Price, Quantity)> {
        match self.in_flight {
            Some(InFlight::Replace { price, quantity }) => Some((price, quantity)),
            Some(InFlight::Submit | InFlight::Cancel) | None => self.overtaken,
        }
    }

    fn highest_price(&self) -> Price {
        self.other_leg().map_or(self.price, |(other, _)| self.price.max(other))
    }

    /// The largest total that may be true.
    fn most(&self) -> Quantity {
        self.other_leg().map_or(self.quantity, |(_, other)| self.quantity.max(other))
    }
}

impl CloseReason {
    pub const ALL: [Self; 7] = [
        Self::Filled,
        Self::Canceled,
        Self::Expired,
        Self::Rejected,
        Self::NotSent,
        Self::NeverReached,
        Self::Vanished,
    ];

    /// Whether a venue that shows the order open under an id of its own disproves this end. Where
    /// a replace is a cancel and a new order, the end of the first half under the id `was` is told
    /// as the order's, and the second half is open under a later id.
    pub fn is_disproved(self, was: VenueOrderId, shown: VenueOrderId) -> bool {
        match self {
            Self::Rejected | Self::NotSent | Self::NeverReached | Self::Vanished => true,
            Self::Canceled => was != VenueOrderId::default() && shown > was,
            Self::Filled | Self::Expired => false,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::NotSent => "not_sent",
            Self::NeverReached => "never_reached",
            Self::Vanished => "vanished",
        }
    }
}

impl OrderStatus {
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
}

fn value(price: Price, quantity: Quantity) -> i128 {
    i128::from(price.0) * i128::from(quantity.0)
}
