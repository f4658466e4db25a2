//! One folder for each venue's language.

pub mod binance;
pub mod binance_spot;
pub mod binance_usdm;
