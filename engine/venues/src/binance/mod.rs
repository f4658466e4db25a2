//! Binance. Spot and futures differ in codes, ids, depth rules and limits, and are two venues; what
//! stands here beside them knows no rule of either.

mod account_answers;
mod alerts;
mod answers;
pub mod auth;
mod book;
mod book_sync;
pub mod budget;
mod clock_offset;
mod fields;
mod frames;
mod in_flight;
mod instruments;
pub mod key_rights;
pub mod market;
mod market_messages;
mod queries;
mod rotation;
pub mod spot;
mod subscriptions;
pub mod symbols;
pub mod usdm;
mod venue_clock;
mod verdict;

pub use fields::ReadError;
pub use instruments::ExchangeInfoError;
pub use subscriptions::DepthStream;

#[cfg(test)]
mod tests;
