//! The state of a venue session, as the trading gate, the API and the metrics see it.

use crate::account::AccountId;
use crate::time::Nanos;
use crate::venue::VenueId;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionKind {
    /// Public market data.
    Market,
    /// Order entry and the account's queries.
    Order,
    /// The account's private stream.
    Account,
}

/// How far a session is. Only `Ready` lets orders through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    Down,
    Connecting,
    /// Connected, but not yet subscribed, logged on or in step with the venue's snapshot.
    Syncing,
    Ready,
    /// Connected and silent for longer than the stream may be.
    Stale,
}

/// A session changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionChange {
    pub venue: VenueId,
    pub account: AccountId,
    pub kind: SessionKind,
    pub state: SessionState,
    pub at: Nanos,
}

impl SessionKind {
    pub const ALL: [Self; 3] = [Self::Market, Self::Order, Self::Account];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Order => "order",
            Self::Account => "account",
        }
    }
}

impl SessionState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Connecting => "connecting",
            Self::Syncing => "syncing",
            Self::Ready => "ready",
            Self::Stale => "stale",
        }
    }
}
