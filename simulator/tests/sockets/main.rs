//! The simulator through its sockets, as clients see it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop here")]

mod client;
mod recording;
mod spot;
mod spot_book;
mod spot_recording;
mod usdm_account;
mod venue;
