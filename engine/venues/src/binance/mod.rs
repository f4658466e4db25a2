//! Binance. Spot and futures differ in codes, ids, depth rules and limits, and are two venues.

pub mod usdm;
