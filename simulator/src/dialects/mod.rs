//! One folder for each venue's language.

pub mod binance_usdm;
