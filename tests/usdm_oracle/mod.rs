//! A second opinion on USDⓈ-M payloads: what a message says, read with `serde_json` and exact
//! decimals, and what the engine made of it, both as the same plain statements. It must not use a
//! decoder of the engine.

mod driven;
mod exact;
mod material;
mod read;
mod statement;
mod told;
mod values;

pub(crate) use driven::{Driven, client_text, ready_order_session, sent_text};
pub(crate) use exact::{Exact, exact, one_at, truncated};
pub(crate) use material::{Symbols, folder, prefix, required, table_of};
pub(crate) use read::{MarketReading, Reader, UserReading};
pub(crate) use statement::{
    BalanceFacts, DepthFacts, FillFacts, OrderFacts, PositionFacts, Statement, TickerFacts,
    TradeFacts, Whose,
};
pub(crate) use told::Teller;
pub(crate) use values::Refusal;
