//! Streams that fall silent, one instrument's or all, and books that drop out alone.

use super::*;

/// A session with two instruments in step; the second is `ETHUSDT`.
fn two() -> MarketHarness {
    let mut instruments = InstrumentTable::default();
    for symbol in ["BTCUSDT", "ETHUSDT"] {
        let first = table().get(BTC).unwrap().clone();
        instruments.add(Instrument { symbol: Symbol::from(symbol).unwrap(), ..first }).unwrap();
    }
    let plan = SessionPlan { instruments: Arc::new(instruments), ..plan(SessionKind::Market) };
    let mut harness = Harness::new(MarketSession::new(&plan), Signer::None);
    harness.ok(Input::Start);
    harness.ok(Input::Connected);
    harness
}

const ETH: InstrumentId = InstrumentId(1);
const ETH_DEPTH: &str = "/fapi/v1/depth?symbol=ETHUSDT&limit=1000";

fn of_eth(text: String) -> String {
    text.replace("BTCUSDT", "ETHUSDT").replace("btcusdt", "ethusdt")
}

fn both_in_step() -> MarketHarness {
    let mut harness = two();
    harness.frame(&depth(101, 110, 100)).unwrap();
    harness.answer(Method::Get, DEPTH, &snapshot(105));
    assert_eq!(harness.state, SessionState::Syncing, "every book is waited for");
    harness.frame(&of_eth(depth(101, 110, 100))).unwrap();
    harness.answer(Method::Get, ETH_DEPTH, &snapshot(105));
    assert_eq!(harness.state, SessionState::Ready);
    while harness.outbox.books.pop().is_some() {}
    harness
}

#[test]
fn a_book_that_is_given_up_is_told_to_be_empty() {
    let mut harness = two();
    harness.frame(&depth(101, 110, 100)).unwrap();
    harness.answer(Method::Get, DEPTH, &snapshot(105));
    let (mut last, mut told) = (110, Vec::new());
    harness.frame(&of_eth(depth(101, 110, 100))).unwrap();
    for round in 1..=8 {
        assert_eq!(harness.state, SessionState::Syncing, "every book is waited for");
        let call = harness.take_call(Method::Get, ETH_DEPTH).call;
        harness.ok(Input::Response { call, answer: Answer::Lost });
        for _ in 0..40 {
            harness.wait(1_000);
            harness.frame(&depth(last + 1, last + 10, last)).unwrap();
            harness.frame(&ticker(last + 10)).unwrap();
            harness.frame(&of_eth(depth(last + 1, last + 10, last))).unwrap();
            last += 10;
            let changed = std::iter::from_fn(|| harness.outbox.books.pop());
            told.extend(changed.filter(|&instrument| instrument == ETH).map(|_| round));
        }
    }
    // Whoever was shown a book by the connection before would keep it.
    assert_eq!(told, [8], "with the ninth snapshot that is asked for");
    assert_eq!((harness.state, harness.session.book(ETH)), (SessionState::Ready, None));
}

/// Lets seconds pass in each of which the first instrument's depth speaks; returns its last id.
fn only_btc_speaks(harness: &mut MarketHarness, seconds: u64, mut last: u64) -> u64 {
    for _ in 0..seconds {
        harness.wait(1_000);
        harness.frame(&depth(last + 1, last + 10, last)).unwrap();
        harness.frame(&ticker(last + 10)).unwrap();
        last += 10;
    }
    last
}

#[test]
fn a_silent_instrument_hides_its_own_book_alone() {
    let mut harness = both_in_step();
    let last = only_btc_speaks(&mut harness, 7, 110);
    assert_eq!(harness.session.book(ETH), None);
    assert!(harness.session.book(BTC).is_some());
    assert_eq!((harness.state, harness.reconnect()), (SessionState::Ready, None));
    let told: Vec<_> = std::iter::from_fn(|| harness.outbox.books.pop()).collect();
    assert_eq!(told, [BTC, ETH], "that it is hidden is told");
    assert_eq!(harness.alerts(), [AlertKind::StreamSilent]);
    // What follows on what was there before shows that nothing was missed.
    harness.frame(&of_eth(depth(111, 120, 110))).unwrap();
    assert_eq!(harness.outbox.books.pop(), Some(ETH));
    assert!(harness.session.book(ETH).is_some());
    only_btc_speaks(&mut harness, 3, last);
    assert_eq!((harness.state, harness.reconnect()), (SessionState::Ready, None));
}

#[test]
fn a_silent_instruments_streams_are_asked_for_again_ever_later() {
    let mut harness = both_in_step();
    let mut last = only_btc_speaks(&mut harness, 6, 110);
    let streams = "\"params\":[\"ethusdt@bookTicker\",\"ethusdt@depth@100ms\",\"ethusdt@trade\"]";
    let mut times = Vec::new();
    for second in 0..80 {
        let sent = harness.sent();
        for (at, (class, text)) in sent.iter().enumerate() {
            assert_eq!(*class, FrameClass::Session);
            let method = if at == 0 { "UNSUBSCRIBE" } else { "SUBSCRIBE" };
            assert!(text.contains(&format!("{{\"method\":\"{method}\",{streams}")), "{text}");
        }
        if !sent.is_empty() {
            assert_eq!(sent.len(), 2, "{sent:?}");
            times.push(second);
        }
        last = only_btc_speaks(&mut harness, 1, last);
    }
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits, [5, 10, 20, 40], "{times:?}");
    // Unanswered as they are, the others trade on.
    assert_eq!((harness.state, harness.reconnect()), (SessionState::Ready, None));
}

#[test]
fn a_refused_renewal_is_no_matter_of_the_others() {
    for refusal in [
        "{\"error\":{\"code\":2,\"msg\":\"Invalid request: invalid stream\"},\"id\":1}",
        "{\"code\":2,\"msg\":\"Invalid request\"}",
    ] {
        let mut harness = both_in_step();
        only_btc_speaks(&mut harness, 7, 110);
        assert_eq!(harness.sent().len(), 2);
        harness.frame(refusal).unwrap();
        assert_eq!((harness.state, harness.reconnect()), (SessionState::Ready, None), "{refusal}");
    }
}

#[test]
fn a_gap_in_one_book_leaves_the_others_open() {
    let mut harness = both_in_step();
    harness.frame(&of_eth(depth(201, 210, 200))).unwrap();
    assert_eq!(harness.session.book(ETH), None);
    assert_eq!((harness.state, harness.outbox.books.pop()), (SessionState::Ready, Some(ETH)));
    assert!(harness.session.book(BTC).is_some());
    harness.frame(&of_eth(depth(211, 220, 210))).unwrap();
    harness.answer(Method::Get, ETH_DEPTH, &snapshot(215));
    assert!(harness.session.book(ETH).is_some());
}

#[test]
fn an_instrument_that_never_speaks_keeps_nobody_waiting() {
    let mut harness = two();
    harness.frame(&depth(101, 110, 100)).unwrap();
    harness.answer(Method::Get, DEPTH, &snapshot(105));
    let last = only_btc_speaks(&mut harness, 4, 110);
    assert_eq!(harness.state, SessionState::Syncing);
    only_btc_speaks(&mut harness, 3, last);
    assert_eq!((harness.state, harness.reconnect()), (SessionState::Ready, None));
    assert_eq!(harness.session.book(ETH), None);
}

#[test]
fn best_prices_that_do_not_follow_the_depth_are_a_silent_stream() {
    let mut harness = both_in_step();
    let mut last = 110;
    for _ in 0..7 {
        harness.wait(1_000);
        // The touch moves with each event and no best prices say so.
        for text in [depth(last + 1, last + 10, last), of_eth(depth(last + 1, last + 10, last))] {
            harness.frame(&text).unwrap();
        }
        harness.frame(&of_eth(ticker(last + 10))).unwrap();
        last += 10;
    }
    assert_eq!(harness.session.book(BTC), None);
    assert!(harness.session.book(ETH).is_some());
    assert_eq!((harness.state, harness.reconnect()), (SessionState::Ready, None));
    harness.frame(&ticker(last + 1)).unwrap();
    assert!(harness.session.book(BTC).is_some());
}

#[test]
fn best_prices_may_be_quiet_while_the_touch_stays() {
    let mut harness = ready();
    let mut last = 110;
    for _ in 0..20 {
        harness.wait(1_000);
        let deep = depth(last + 1, last + 10, last).replace("61800.20", "61700.00");
        harness.frame(&deep).unwrap();
        last += 10;
    }
    assert_eq!((harness.state, harness.reconnect()), (SessionState::Ready, None));
    assert_eq!(bid(&harness), Some(110));
}
