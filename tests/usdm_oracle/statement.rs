//! What a message says, in plain words and exact numbers. It knows neither JSON nor the engine.

use super::Exact;

/// One thing that a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    Order(OrderFacts),
    Fill(FillFacts),
    Balance(BalanceFacts),
    Position(PositionFacts),
}

/// Whose order it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours(u64),
    Others(String),
}

/// The whole state of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderFacts {
    pub(crate) symbol: String,
    pub(crate) whose: Whose,
    pub(crate) venue_order_id: u64,
    pub(crate) status: &'static str,
    pub(crate) side: &'static str,
    pub(crate) price: Exact,
    pub(crate) quantity: Exact,
    pub(crate) filled: Exact,
    pub(crate) time_in_force: &'static str,
    pub(crate) reduce_only: bool,
    pub(crate) time_ns: u64,
}

/// One execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FillFacts {
    pub(crate) symbol: String,
    pub(crate) whose: Whose,
    pub(crate) venue_order_id: u64,
    pub(crate) trade_id: u64,
    pub(crate) side: &'static str,
    pub(crate) price: Exact,
    pub(crate) quantity: Exact,
    pub(crate) maker: bool,
    pub(crate) fee: Exact,
    pub(crate) fee_asset: String,
    pub(crate) time_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BalanceFacts {
    pub(crate) asset: String,
    pub(crate) wallet: Exact,
    pub(crate) available: Option<Exact>,
    pub(crate) time_ns: u64,
}

/// A position of one-way mode, or one leg of hedge mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PositionFacts {
    pub(crate) symbol: String,
    pub(crate) leg: &'static str,
    pub(crate) quantity: Exact,
    pub(crate) entry: Option<Exact>,
    pub(crate) time_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TradeFacts {
    pub(crate) symbol: String,
    pub(crate) trade_id: u64,
    pub(crate) price: Exact,
    pub(crate) quantity: Exact,
    pub(crate) aggressor: &'static str,
    pub(crate) time_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TickerFacts {
    pub(crate) symbol: String,
    pub(crate) sequence: u64,
    pub(crate) bid: (Exact, Exact),
    pub(crate) ask: (Exact, Exact),
    pub(crate) time_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DepthFacts {
    pub(crate) symbol: String,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) previous: u64,
    pub(crate) bids: Vec<(Exact, Exact)>,
    pub(crate) asks: Vec<(Exact, Exact)>,
    pub(crate) time_ns: u64,
}
