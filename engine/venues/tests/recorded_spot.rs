//! The recorded BTCUSDT spot stream through the market session, whole: every message read by
//! the hand decoder, the book never lost and never crossed. `ENIGMA_DATA` says where it lies.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test prints and may stop")]

mod btcusdt;
mod recording;

use enigma_venues::binance::spot::market::Spot;
use recording::{Recording, check_whole};

#[test]
fn the_recorded_stream_is_decoded_whole_and_the_book_stays_in_step() {
    check_whole::<Spot>(&Recording {
        file: "binance-spot-btcusdt-20240808.gz",
        // What the exchange information of spot comes to.
        digits: [4, 8],
        begins_s: 1_723_161_253,
        book_tickers: 28_040,
        depth_updates: 3_451,
        trades: 9_757,
        published_above: 25_000,
    });
}
