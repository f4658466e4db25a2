//! Where the market's events come from: made up from a seed, or read from a recording.

pub mod replay;
pub mod synthetic;
