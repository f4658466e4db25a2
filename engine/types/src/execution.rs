//! What trading asks of a venue, and what a venue's session reports back.

use arrayvec::ArrayString;

use crate::account::{AccountId, Asset, BalanceReport, PositionReport};
use crate::decimal::Amount;
use crate::instrument::InstrumentId;
use crate::order::{
    CancelRequest, ClientOrderId, OrderRequest, ReplaceRequest, Side, TimeInForce, VenueOrderId,
};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::time::{Nanos, UnixNanos};

/// A request from the trading core to a venue session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueRequest {
    Submit(OrderRequest),
    Cancel(CancelRequest),
    Replace(ReplaceRequest),
    Query(Query),
}

/// A question to a venue. Its answers are reports, closed by one `QueryReport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// One order of ours by its client id; the way out of Unknown.
    Order { account: AccountId, instrument: InstrumentId, client_order_id: ClientOrderId },
    /// Everything open on the account.
    OpenOrders { account: AccountId },
    /// Our fills of one instrument with trade ids from `from_trade` on, oldest first. With no
    /// trade id known: those since `since`.
    Fills {
        account: AccountId,
        instrument: InstrumentId,
        from_trade: Option<TradeId>,
        since: UnixNanos,
    },
    /// Balances and positions.
    Account { account: AccountId },
}

/// Anything a session reports to the trading core. Reports are never dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Execution(ExecutionReport),
    Balance(BalanceReport),
    Position(PositionReport),
    Query(QueryReport),
}

/// News of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionReport {
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub order: OrderReference,
    pub venue_order_id: VenueOrderId,
    pub outcome: Outcome,
    pub venue_time: UnixNanos,
    pub received_at: Nanos,
}

/// Whose order a report speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderReference {
    /// Carries our prefix.
    Ours(ClientOrderId),
    /// Placed by a person, another program, or the venue itself (liquidation, settlement).
    External(ArrayString<40>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The venue has the request. Says nothing about the order being open.
    Acknowledged(RequestKind),
    /// The venue's statement of the order's whole state.
    Working(WorkingOrder, ReportSource),
    /// One execution.
    Fill(Fill),
    /// The venue definitely refused the request; a refused submit leaves no order behind.
    Rejected(RequestKind, RejectReason),
    /// The request never left: no byte of it reached the venue.
    NotSent(RequestKind, NotSentCause),
    /// The request may or may not have been executed.
    Unknown(RequestKind, UnknownCause),
    /// The venue knows no such order, said in answer to a query sent at this instant.
    NotFound { asked_at: Nanos },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    Submit,
    Cancel,
    Replace,
}

/// The whole state of an order as the venue states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingOrder {
    pub status: WorkingStatus,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    /// Cumulative.
    pub filled: Quantity,
    pub time_in_force: TimeInForce,
    pub reduce_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkingStatus {
    /// On the book, filled in part or not at all.
    Open,
    Filled,
    Canceled,
    /// Ended by the venue: an IOC's rest, a post-only that would cross, self-trade prevention.
    Expired,
    Rejected,
    /// A status this program doesn't know: the order must be asked about.
    Unrecognised,
}

/// Where a statement about an order comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportSource {
    /// Pushed by the private stream.
    Stream,
    /// The answer to a submit, cancel or replace.
    Response(RequestKind),
    /// The answer to a query sent at this instant.
    Query { asked_at: Nanos },
}

/// The venue's id of one trade, unique within an instrument. An account that trades with itself
/// has two executions under one, a buy and a sell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradeId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liquidity {
    Maker,
    Taker,
}

/// One execution of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    pub trade_id: TradeId,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    pub liquidity: Liquidity,
    /// What was paid; negative for a rebate. `None` when this message doesn't say it.
    pub fee: Option<Amount>,
    pub fee_asset: Asset,
}

/// A venue's refusal: its own code and words, and what they mean to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectReason {
    pub class: RejectClass,
    pub code: i32,
    pub message: ArrayString<96>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RejectClass {
    /// A post-only order would have taken liquidity.
    WouldCross,
    /// Fill-or-kill couldn't be filled whole.
    NotFillable,
    InsufficientMargin,
    /// A filter: tick, step, notional, price band.
    Filter,
    RateLimit,
    /// The key or its rights; stops trading on the account.
    Authentication,
    /// Outside the receive window: the order never reached matching.
    ClockSkew,
    /// The venue says that this client id is in use: the order exists and must be asked about.
    DuplicateId,
    /// A cancel or replace of an order the venue doesn't have open: it must be asked about.
    NoSuchOrder,
    ReduceOnly,
    /// Position or margin mode isn't what the request assumed.
    AccountMode,
    /// The venue is overloaded, in maintenance or has halted the instrument.
    VenueUnavailable,
    Other,
}

/// Why a request didn't leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotSentCause {
    /// The kill or pause barrier took it back.
    Barrier,
    /// No session is ready.
    SessionDown,
    /// Its connection ended before a byte of it had left.
    ConnectionEnded,
    /// The outgoing buffer or the table of requests in flight is full.
    Full,
    /// The venue's rate limit, counted locally, leaves no room.
    RateLimit,
    /// Signing or encoding failed.
    Encoding,
    /// It had waited too long for its hand-over.
    Overdue,
}

/// Why nobody knows whether a request was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnknownCause {
    Timeout,
    /// The connection ended after bytes of the request had left.
    Disconnected,
    /// The venue answered that it doesn't know either (5xx, -1006, -1007, HTML).
    VenueUnsure,
    /// The answer couldn't be read.
    Unreadable,
}

/// The end of a query's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryReport {
    pub query: Query,
    pub asked_at: Nanos,
    /// All answers were delivered. When false the query must be asked again.
    pub complete: bool,
}

impl VenueRequest {
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Submit(request) => request.account,
            Self::Cancel(request) => request.account,
            Self::Replace(request) => request.account,
            Self::Query(query) => query.account(),
        }
    }
}

impl Query {
    pub const fn account(&self) -> AccountId {
        match self {
            Self::Order { account, .. }
            | Self::OpenOrders { account }
            | Self::Fills { account, .. }
            | Self::Account { account } => *account,
        }
    }
}

impl RejectReason {
    /// Keeps what fits of the venue's words, as printable ASCII.
    pub fn new(class: RejectClass, code: i32, message: &[u8]) -> Self {
        let mut text = ArrayString::new();
        for &byte in message {
            let shown = if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' };
            if text.try_push(shown).is_err() {
                break;
            }
        }
        Self { class, code, message: text }
    }
}

impl RejectClass {
    pub const fn name(self) -> &'static str {
        match self {
            Self::WouldCross => "would_cross",
            Self::NotFillable => "not_fillable",
            Self::InsufficientMargin => "insufficient_margin",
            Self::Filter => "filter",
            Self::RateLimit => "rate_limit",
            Self::Authentication => "authentication",
            Self::ClockSkew => "clock_skew",
            Self::DuplicateId => "duplicate_id",
            Self::NoSuchOrder => "no_such_order",
            Self::ReduceOnly => "reduce_only",
            Self::AccountMode => "account_mode",
            Self::VenueUnavailable => "venue_unavailable",
            Self::Other => "other",
        }
    }
}

impl NotSentCause {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Barrier => "barrier",
            Self::SessionDown => "session_down",
            Self::ConnectionEnded => "connection_ended",
            Self::Full => "full",
            Self::RateLimit => "rate_limit",
            Self::Encoding => "encoding",
            Self::Overdue => "overdue",
        }
    }
}

impl UnknownCause {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
            Self::VenueUnsure => "venue_unsure",
            Self::Unreadable => "unreadable",
        }
    }
}
