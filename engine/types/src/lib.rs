//! The field's nouns, shared by every crate of Enigma.
//!
//! Plain data and exact arithmetic only: nothing here touches a socket, a file, a thread, a
//! clock, the environment or randomness, and no amount of money is ever a float.

pub mod account;
pub mod book;
pub mod decimal;
pub mod execution;
pub mod instrument;
pub mod limits;
pub mod market;
pub mod order;
pub mod price;
pub mod quantity;
pub mod session;
pub mod strategy;
pub mod time;
pub mod venue;

pub use account::{AccountId, Asset, BalanceReport, PositionReport};
pub use book::{BookTop, Level};
pub use decimal::{Amount, DecimalError, DecimalText, Scale, parse_decimal};
pub use execution::{
    ExecutionReport, Fill, Liquidity, NotSentCause, OrderReference, Outcome, Query, QueryReport,
    RejectClass, RejectReason, Report, ReportSource, RequestKind, TradeId, UnknownCause,
    VenueRequest, WorkingOrder, WorkingStatus,
};
pub use instrument::{Instrument, InstrumentError, InstrumentId, InstrumentTable, Symbol};
pub use limits::{RiskLimits, StrategyLimits};
pub use market::{BookTicker, FundingRate, MarkPrice, Sequence, Trade};
pub use order::{
    CancelRequest, ClientOrderId, InstallationPrefix, OrderIntent, OrderRequest, OrderType,
    ReplaceRequest, Side, TimeInForce, VenueOrderId,
};
pub use price::Price;
pub use quantity::{Quantity, SignedQuantity};
pub use session::{SessionChange, SessionKind, SessionState};
pub use strategy::{
    CatchUp, Mode, OutsideRange, ParameterSchema, ParameterSpec, ParameterValue, Parameters,
    SliceStyle, Spacing, SpecError, StrategyId, StrategyKind, StrategyName, StrategyResult,
    StrategySpec, StrategyState,
};
pub use time::{Nanos, Now, UnixNanos};
pub use venue::VenueId;
