//! Broken bytes through every decoder and session of Binance spot: nothing panics, and the two
//! ways of reading a market message never read it differently. Recorded payloads are the seeds
//! where `ENIGMA_FIXTURES` has them; a few written here are always used.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test prints and may stop")]

mod btcusdt;
mod mutation;

use std::sync::LazyLock;

use enigma_types::{OrderRequest, Quantity, ReplaceRequest, SessionKind, VenueId, VenueOrderId};
use enigma_venues::binance::key_rights::decode_key_rights;
use enigma_venues::binance::spot::order_lists::decode_list;
use enigma_venues::binance::spot::{
    decode_account, decode_amended, decode_cancel_replace, decode_exchange_info, decode_market,
    decode_open_orders, decode_response, decode_snapshot, decode_trades, decode_user_event,
};
use enigma_venues::binance::usdm::DepthScratch;
use enigma_venues::session::Input;
use enigma_venues::wire::json::RawValue;
use mutation::{
    Driver, Seeds, Subject, cases, changes, check_agreement, check_session, prefix, steps,
};
use proptest::prelude::*;

/// Payloads of the shapes that matter most, so that the test says something without fixtures.
const WRITTEN: [&str; 9] = [
    r#"{"stream":"btcusdt@bookTicker","data":{"u":512,"s":"BTCUSDT","b":"61800.20000000",
"B":"2.50700000","a":"61800.30000000","A":"2.51000000"}}"#,
    r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,
"u":110,"b":[["61800.20","0.014"],["61496.50","0.010"]],"a":[["61800.30","0.000"]]}}"#,
    r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":5266583935,
"p":"61800.30","q":"0.006","T":2,"m":false,"M":true}}"#,
    r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1,"s":"BTCUSDT","c":
"deadbeef000000000007","S":"SELL","o":"LIMIT","f":"GTC","q":"0.01","p":"61800.20","C":"","x":
"TRADE","X":"FILLED","r":"NONE","i":8886774,"l":"0.01","z":"0.01","L":"61800.20","n":"0.01","N":
"BNB","T":2,"t":9,"w":true,"m":false,"M":false,"O":2}}"#,
    r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition","E":2,"u":1,"B":[{"a":"BTC",
"f":"1.5","l":"0.5"}]}}"#,
    r#"{"id":257,"status":200,"result":{"symbol":"BTCUSDT","orderId":7,"orderListId":-1,
"clientOrderId":"deadbeef000000000001","transactTime":5,"price":"61800.2","origQty":"0.01000",
"executedQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL"},
"rateLimits":[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,
"count":1}]}"#,
    r#"{"id":514,"status":409,"error":{"code":-2021,"msg":"Order cancel-replace partially failed.",
"data":{"cancelResult":"SUCCESS","newOrderResult":"FAILURE","cancelResponse":{"symbol":"BTCUSDT",
"origClientOrderId":"deadbeef000000000001","orderId":7,"clientOrderId":"deadbeef000000000001r",
"transactTime":6,"price":"61800.2","origQty":"0.01000","executedQty":"0","status":"CANCELED",
"timeInForce":"GTC","type":"LIMIT_MAKER","side":"SELL"},"newOrderResponse":{"code":-2010,"msg":
"Order would immediately match and take."}}}}"#,
    r#"{"id":257,"status":418,"error":{"code":-1003,"msg":"no","data":
{"retryAfter":1659146400000}}}"#,
    r#"{"lastUpdateId":105,"bids":[["61800.20","2.909"]],"asks":[["61800.30","1"]]}"#,
];

static SEEDS: LazyLock<Seeds> = LazyLock::new(|| Seeds::new(&WRITTEN));

static SUBJECT: Subject = Subject {
    venue: VenueId::BinanceSpot,
    digits: [2, 5],
    order: (6_180_020, 1_000),
    account_answer: b"[]",
    more: replace,
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
        let _ = decode_user_event(&symbols, prefix, &bytes, &mut Vec::new());
        let _ = decode_response(&bytes);
        let _ = decode_exchange_info(&bytes, &["BTCUSDT".to_owned(), "BNBBTC".to_owned()]);
        let _ = decode_account(&bytes, |_| ());
        let _ = decode_trades(&symbols, &bytes, |_| ());
        let _ = decode_open_orders(&symbols, prefix, &bytes, |_| ());
        let _ = decode_key_rights(&bytes);
        if let Ok(object) = RawValue::of_message(&bytes) {
            let _ = decode_cancel_replace(object);
            let _ = decode_amended(&symbols, prefix, object);
            let _ = decode_list(&symbols, prefix, object);
        }
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

/// Every second order is amended, and the others are placed anew.
fn replace(driver: &mut Driver, order: &OrderRequest) {
    let lower = order.client_order_id.get().is_multiple_of(2);
    driver.input(Input::Replace(&ReplaceRequest {
        client_order_id: order.client_order_id,
        account: order.account,
        instrument: order.instrument,
        venue_order_id: VenueOrderId(7),
        side: order.side,
        price: order.price,
        quantity: Quantity(if lower { 500 } else { 2_000 }),
    }));
}
