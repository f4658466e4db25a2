//! Accounts, assets, and what a venue says an account holds.

use arrayvec::ArrayString;

use crate::decimal::Amount;
use crate::instrument::InstrumentId;
use crate::price::Price;
use crate::quantity::SignedQuantity;
use crate::time::{Nanos, UnixNanos};

/// An account of ours at a venue: its place in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u16);

/// The venue's name of an asset, such as `USDT`.
pub type Asset = ArrayString<16>;

/// What the venue says about one asset of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceReport {
    pub account: AccountId,
    pub asset: Asset,
    pub wallet: Amount,
    /// What can be used for new orders; absent in messages that don't say it.
    pub available: Option<Amount>,
    pub venue_time: UnixNanos,
}

/// What the venue says about one position of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositionReport {
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub quantity: SignedQuantity,
    pub entry_price: Option<Price>,
    pub venue_time: UnixNanos,
    /// When the query that this answers was sent; absent for a pushed message.
    pub asked_at: Option<Nanos>,
}
