//! Broken bytes through every decoder and session of Binance futures: nothing panics, and the two
//! ways of reading a market message never read it differently. Recorded payloads are the seeds
//! where `ENIGMA_FIXTURES` has them; a few written here are always used.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test prints and may stop")]

mod btcusdt;
mod mutation;

use std::sync::LazyLock;

use enigma_types::{SessionKind, VenueId};
use enigma_venues::binance::usdm::{
    AccountRows, DepthScratch, decode_balances, decode_exchange_info, decode_market,
    decode_open_orders, decode_order_response, decode_position_mode, decode_positions,
    decode_server_time, decode_snapshot, decode_trades, decode_user_event,
};
use mutation::{Seeds, Subject, cases, changes, check_agreement, check_session, prefix, steps};
use proptest::prelude::*;

/// Payloads of the shapes that matter most, so that the test says something without fixtures.
const WRITTEN: [&str; 7] = [
    r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":512,"s":"BTCUSDT","b":"61800.20",
"B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}"#,
    r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1,"T":2,"s":"BTCUSDT","U":101,
"u":110,"pu":100,"b":[["61800.20","0.014"],["61496.50","0.010"]],"a":[["61800.30","0.000"]]}}"#,
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"T":2,"s":"BTCUSDT","t":5266583935,
"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#,
    r#"{"e":"ORDER_TRADE_UPDATE","E":1,"T":2,"o":{"s":"BTCUSDT","c":"deadbeef000000000007","S":
"SELL","f":"GTC","q":"0.010","p":"9910","x":"TRADE","X":"FILLED","i":8886774,"l":"0.010","z":
"0.010","L":"9910","N":"USDT","n":"0.01","T":2,"t":9,"m":false,"R":false,"ps":"BOTH"}}"#,
    r#"{"id":257,"status":200,"result":{"orderId":7,"symbol":"BTCUSDT","status":"NEW",
"clientOrderId":"deadbeef000000000007","price":"61800.2","origQty":"0.010","executedQty":"0",
"timeInForce":"GTX","side":"SELL","updateTime":5},"rateLimits":[{"rateLimitType":"ORDERS",
"interval":"SECOND","intervalNum":10,"limit":300,"count":1}]}"#,
    r#"{"id":257,"status":418,"error":{"code":-1003,"msg":"no","data":
{"retryAfter":1659146400000}}}"#,
    r#"{"lastUpdateId":105,"E":2,"T":1,"bids":[["61800.20","2.909"]],"asks":[["61800.30","1"]]}"#,
];

static SEEDS: LazyLock<Seeds> = LazyLock::new(|| Seeds::new(&WRITTEN));

static SUBJECT: Subject = Subject {
    venue: VenueId::BinanceUsdm,
    digits: [1, 3],
    order: (618_002, 10),
    account_answer: b"{\"dualSidePosition\":false}",
    more: |_, _| (),
};

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn no_bytes_make_a_decoder_panic(seed: usize, changes in changes()) {
        let bytes = SEEDS.mutated(seed, &changes);
        let (symbols, prefix) = (SUBJECT.symbols(), prefix());
        let mut scratch = DepthScratch::new();
        let listing = symbols.iter().next().unwrap();
        let _ = decode_market(&symbols, &bytes, &mut scratch);
        let _ = decode_snapshot(listing, &bytes, &mut scratch);
        let _ = decode_user_event(&symbols, prefix, &bytes, &mut AccountRows::new());
        let _ = decode_order_response(&bytes);
        let _ = decode_exchange_info(&bytes, &["BTCUSDT".to_owned(), "BLZUSDT".to_owned()]);
        let _ = decode_balances(&bytes, |_| ());
        let _ = decode_positions(&symbols, &bytes, |_| ());
        let _ = decode_trades(&symbols, &bytes, |_| ());
        let _ = decode_open_orders(&symbols, prefix, &bytes, |_| ());
        let _ = decode_position_mode(&bytes);
        let _ = decode_server_time(&bytes);
    }

    #[test]
    fn both_ways_of_reading_a_market_message_agree(seed in 0_usize..3, changes in changes()) {
        let symbols = SUBJECT.symbols();
        check_agreement(&SEEDS.mutated(seed, &changes), |bytes, scratch| {
            decode_market(&symbols, bytes, scratch)
        })?;
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn no_bytes_make_a_session_panic(
        kind in prop::sample::select(SessionKind::ALL.to_vec()),
        steps in steps(),
    ) {
        check_session(&SUBJECT, &SEEDS, kind, steps)?;
    }
}
