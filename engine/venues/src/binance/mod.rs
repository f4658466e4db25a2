//! Binance. Spot and futures differ in codes, ids, depth rules and limits, and are two venues.

pub mod key_rights;
pub mod spot;
pub mod usdm;
