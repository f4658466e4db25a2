//! The recorded BTCUSDT perpetual stream through the market session, whole: every message read by
//! the hand decoder, the book never lost and never crossed. `ENIGMA_DATA` says where it lies.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test prints and may stop")]

mod btcusdt;
mod recording;

use enigma_venues::binance::usdm::market::Usdm;
use recording::{Recording, check_whole};

#[test]
fn the_recorded_stream_is_decoded_whole_and_the_book_stays_in_step() {
    check_whole::<Usdm>(&Recording {
        file: "binance-usdm-btcusdt-20240808.gz",
        digits: [1, 3],
        begins_s: 1_723_161_255,
        book_tickers: 66_089,
        depth_updates: 6_551,
        trades: 21_313,
        published_above: 60_000,
    });
}
