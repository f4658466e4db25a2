//! A gateway with a toy venue: real sockets, real connector.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

mod toy_venue;

use std::io::{Read, Write};
use std::net::Shutdown;

use enigma_types::{AccountId, Query, UnixNanos};
use enigma_venues::registry::VenueBudgets;
use enigma_venues::session::{HostRole, ReconnectReason};

use super::*;
use crate::connector::Host;
use crate::gateway::pace::DialBudget;
use crate::loopback::{Identity, Peer, patiently};
use toy_venue::{Link, Rig, VENUE, Venue, cancel, submit, submit_padded};

#[test]
fn a_book_leads_to_an_order_on_the_wire_in_the_same_turn() {
    for identity in [None, Some(Identity::new())] {
        let (mut rig, market, order) = Rig::ready(identity);
        rig.desk.on_book = vec![submit(5), cancel(4)];
        market.say("book 100");
        rig.hear("book 100");
        assert_eq!(rig.next_said(&order), "place 5");
        assert_eq!(rig.next_said(&order), "cancel 4");
        let (on_book, stamps) = rig.desk.books[0];
        let [(first, Some(handed)), (second, Some(_))] = rig.desk.sent[..] else {
            unreachable!("both were written at once: {:?}", rig.desk.sent)
        };
        assert_eq!((first.client_order_id.get(), first.new_risk), (5, true));
        assert_eq!((second.client_order_id.get(), second.new_risk), (4, false));
        let stages = [stamps.received, on_book, handed.at, first.sent_at];
        assert!(stages.is_sorted(), "{stages:?}");
        assert!(second.sent_at > first.sent_at);
        order.say("ack 5");
        rig.hear("Submit acknowledged");
        let counters = &rig.shared.counters;
        assert_eq!((counters.orders_written.get(), counters.cancels_written.get()), (1, 1));
        assert!(counters.messages.get() >= 4 && counters.bytes_in.get() > 0);
    }
}

#[test]
fn states_are_told_as_they_change() {
    let mut rig = Rig::new(None, 0);
    let market = rig.accept("/market");
    market.say("ready");
    rig.hear("market ready");
    market.say_together(&["stale", "trade 7"]);
    rig.hear("trade 7");
    rig.hear("market stale");
    market.say("ready");
    rig.hear("market ready");
}

#[test]
fn of_books_that_come_together_only_the_newest_is_shown() {
    let (mut rig, market, _order) = Rig::ready(None);
    market.say_together(&["book 1", "trade 9", "book 2", "book 3"]);
    rig.hear("book 3");
    market.say("book 4");
    rig.hear("book 4");
    assert_eq!(rig.desk.books.len(), 2);
}

#[test]
fn a_book_that_can_not_be_believed_any_more_is_shown_empty() {
    let (mut rig, market, _order) = Rig::ready(None);
    market.say("book 1");
    rig.hear("book 1");
    market.say("no_book");
    rig.hear("no book");
    market.say("book 2");
    rig.hear("book 2");
    assert!(rig.desk.heard.is_empty(), "no state changed: {:?}", rig.desk.heard);
}

#[test]
fn one_read_in_64_is_measured_stage_by_stage() {
    let (mut rig, market, _order) = Rig::ready(None);
    for number in 1..=200 {
        market.say(&format!("book {number}"));
        rig.hear(&format!("book {number}"));
    }
    let sampled = rig
        .desk
        .books
        .iter()
        .filter_map(|(at, stamps)| stamps.sampled.map(|stages| (stamps.received, stages, *at)));
    let sampled: Vec<_> = sampled.collect();
    assert!((2..=5).contains(&sampled.len()), "{}", sampled.len());
    for (received, stages, on_book) in sampled {
        let order = [received, stages.opened, stages.decoded, on_book];
        assert!(order.is_sorted(), "{order:?}");
    }
}

#[test]
fn the_venues_clock_offset_reaches_every_now() {
    let (mut rig, market, _order) = Rig::ready(None);
    market.say_together(&["clock 1234", "book 1"]);
    rig.hear("book 1");
    assert_eq!(rig.desk.offset, 1_234);
}

#[test]
fn a_request_that_finds_no_session_is_not_sent() {
    let mut rig = Rig::new(None, 1);
    // All before the first turn, which begins to dial.
    rig.execute(&submit(1));
    rig.execute(&cancel(1));
    rig.execute(&VenueRequest::Query(Query::OpenOrders { account: AccountId(0) }));
    rig.execute(&VenueRequest::Query(Query::OpenOrders { account: AccountId(9) }));
    let incomplete = "query complete: false";
    let refused = ["Submit not sent: session_down", "Cancel not sent: session_down"];
    assert_eq!(rig.desk.heard, [refused, [incomplete; 2]].concat());
    assert_eq!(rig.shared.counters.requests_refused.get(), 4);
}

#[test]
fn cancels_and_queries_go_over_a_connection_that_is_not_ready_yet() {
    let mut rig = Rig::new(None, 1);
    let mut links = Vec::new();
    rig.until(|rig| {
        links.extend(rig.venue.links.try_recv());
        links.iter().any(|link: &Link| link.path == "/order").then_some(())
    });
    let order = links.pop().unwrap();
    rig.say_hello(&order);
    rig.hear("order syncing");
    rig.execute(&submit(1));
    rig.hear("Submit not sent: session_down");
    rig.execute(&cancel(2));
    assert_eq!(rig.next_said(&order), "cancel 2");
    rig.execute(&VenueRequest::Query(Query::OpenOrders { account: AccountId(0) }));
    rig.hear("query complete: true");
    let epoch = rig.shared.gate.engage();
    rig.execute(&cancel(3));
    assert_eq!(rig.next_said(&order), "cancel 3", "a kill of {epoch:?} stops no cancel");
    // On its way out a connection takes nothing.
    order.say("abracadabra");
    rig.hear("order down");
    rig.execute(&cancel(4));
    rig.hear("Cancel not sent: session_down");
}

#[test]
fn a_kill_stops_orders_lets_cancels_pass_and_is_acknowledged() {
    let (mut rig, _market, order) = Rig::ready(None);
    let epoch = rig.shared.gate.engage();
    rig.execute(&submit(1));
    rig.hear("Submit not sent: barrier");
    rig.execute(&cancel(2));
    assert_eq!(rig.next_said(&order), "cancel 2");
    assert_eq!(rig.shared.gate.acknowledged(), epoch);
    assert!(rig.shared.gate.release(epoch));
    rig.execute(&submit(3));
    assert_eq!(rig.next_said(&order), "place 3");
    assert_eq!(rig.shared.counters.orders_written.get(), 1);
}

#[test]
fn a_barrier_takes_back_what_waits_and_closes_what_is_half_written() {
    for identity in [None, Some(Identity::new())] {
        let (mut rig, _market, order) = Rig::ready(identity);
        order.say("stop reading");
        let id = fill_order_socket(&mut rig);
        let written = rig.shared.counters.orders_written.get();
        assert!(rig.desk.heard.is_empty(), "none was refused: {:?}", rig.desk.heard);
        let epoch = rig.shared.gate.engage();
        rig.turn();
        assert_eq!(rig.shared.gate.acknowledged(), epoch);
        let count = |text: &str| rig.desk.heard.iter().filter(|heard| *heard == text).count();
        let (purged, unknown) =
            (count("Submit not sent: barrier"), count("Submit unknown: disconnected"));
        assert!(purged >= 2, "{:?}", rig.desk.heard);
        assert_eq!(purged + unknown, id as usize, "each order has one outcome");
        assert_eq!(count("order down"), 1);
        assert_eq!(rig.shared.counters.orders_written.get(), written);
        assert_eq!(rig.shared.counters.reconnects(ReconnectCause::Barrier), 1);
    }
}

/// Fills the socket of a server that doesn't read, then until an order is begun and two more wait
/// behind it; says how many were handed over.
fn fill_order_socket(rig: &mut Rig) -> u64 {
    let mut id = 0;
    patiently(|| {
        let active = rig.gateway.slots[1].active.as_ref().unwrap();
        let transmit = &active.outbox.transmit;
        let begun = active.connection.as_ref().unwrap().has_begun_order(transmit);
        if begun && transmit.frames() >= 3 {
            return Some(());
        }
        id += 1;
        rig.execute(&submit_padded(id, 60_000));
        None
    });
    id
}

#[test]
fn orders_that_wait_when_their_connection_ends_are_not_sent_for_that_reason() {
    let (mut rig, _market, order) = Rig::ready(None);
    order.say("stop reading");
    let id = fill_order_socket(&mut rig);
    order.socket.shutdown(Shutdown::Both).unwrap();
    rig.until(|rig| rig.desk.heard.contains(&"order down".to_owned()).then_some(()));
    let count = |text: &str| rig.desk.heard.iter().filter(|heard| *heard == text).count();
    let taken_back = count("Submit not sent: connection_ended");
    assert!(taken_back >= 2, "{:?}", rig.desk.heard);
    let unknown = count("Submit unknown: disconnected");
    assert_eq!(taken_back + unknown, id as usize, "each order has one outcome");
}

#[test]
fn a_peer_that_neither_answers_nor_resets_is_given_up() {
    for identity in [None, Some(Identity::new())] {
        let venue = Venue::start(identity, "200 OK");
        let mut settings = venue.settings(0);
        settings.liveness =
            Liveness { ping_after: Nanos::from_millis(50), pong_within: Nanos::from_millis(50) };
        let mut rig = Rig::with(venue, settings);
        // Its server is never scheduled again, as if the machine had vanished.
        let market = rig.until(|rig| rig.venue.links.try_recv().ok());
        market.say("stop reading");
        rig.until(|rig| {
            (rig.shared.counters.reconnects(ReconnectCause::Silent) >= 1).then_some(())
        });
        assert!(rig.shared.counters.pings.get() >= 1);
        assert!(rig.desk.heard.contains(&"market down".to_owned()), "{:?}", rig.desk.heard);
        rig.until(|rig| rig.venue.links.try_recv().ok());
    }
}

#[test]
fn a_quiet_peer_that_answers_pings_is_kept() {
    let venue = Venue::start(None, "200 OK");
    let mut settings = venue.settings(0);
    settings.liveness.ping_after = Nanos::from_millis(5);
    let mut rig = Rig::with(venue, settings);
    let market = rig.accept("/market");
    market.say("ready");
    rig.hear("market ready");
    // Each ping but the first proves that the one before was answered.
    rig.until(|rig| (rig.shared.counters.pings.get() >= 5).then_some(()));
    assert!(rig.shared.counters.control_frames.get() >= 4);
    assert_eq!(rig.shared.counters.reconnects_total(), 0);
    assert!(rig.desk.heard.is_empty(), "{:?}", rig.desk.heard);
}

#[test]
fn a_reconnect_refills_no_budget_and_a_ban_survives_it() {
    let (mut rig, _market, order) = Rig::ready(None);
    let now = UnixNanos::from_millis(rig.clock.now(0).wall.as_millis());
    let left = |rig: &Rig, bucket: &str| {
        let rows = rig.shared.counters.rate_limits(VENUE, now);
        rows.iter().find(|row| row.bucket == bucket).map(|row| row.remaining)
    };
    let budget = |rig: &Rig| {
        let session = &rig.gateway.slots[1].active.as_ref().unwrap().session;
        let Some(VenueBudgets::Binance(budget)) = session.budgets.clone() else {
            unreachable!("the gateway gives each session its budgets")
        };
        budget
    };
    for _ in 0..7 {
        budget(&rig).take_order(now.as_millis()).unwrap();
    }
    assert_eq!(left(&rig, "orders_1m"), Some(1_193));
    let first = budget(&rig);
    order.socket.shutdown(Shutdown::Both).unwrap();
    rig.hear("order down");
    let order = rig.accept("/order");
    assert_eq!(left(&rig, "orders_1m"), Some(1_193));
    budget(&rig).take_order(now.as_millis()).unwrap();
    assert_eq!(first.remaining(now.as_millis())[1], ("orders_1m", 1_192));
    assert!(left(&rig, "connections_5m").is_some_and(|dials| dials < 300));
    // Banned, nothing is dialled before the ban's end.
    let dials = rig.shared.counters.dials.get();
    budget(&rig).ban_until(now.as_millis(), now.as_millis() + 600_000);
    order.socket.shutdown(Shutdown::Both).unwrap();
    rig.until(|rig| (rig.shared.counters.dials_deferred.get() >= 1).then_some(()));
    assert_eq!(rig.shared.counters.dials.get(), dials);
    assert_eq!(left(&rig, "request_weight_1m"), Some(0));
}

#[test]
fn a_ban_told_to_one_upgrade_keeps_all_from_dialling() {
    let venue = Venue::start(None, "200 OK");
    let banned = Peer::start(None, |mut stream| {
        let _ = stream.read(&mut [0; 4_096]);
        let _ = stream.write_all(b"HTTP/1.1 418 x\r\nRetry-After: 600\r\n\r\nno");
    });
    let mut settings = venue.settings(1);
    for (role, host) in &mut settings.venues[0].hosts {
        if *role == HostRole::PublicStream {
            *host = Arc::clone(&banned.host);
        }
    }
    let mut rig = Rig::with(venue, settings);
    let mut links = Vec::new();
    rig.until(|rig| {
        links.extend(rig.venue.links.try_recv());
        (links.len() == 2 && rig.shared.counters.dials_failed.get() == 1).then_some(())
    });
    let order = links.iter().find(|link| link.path == "/order").unwrap();
    let dials = rig.shared.counters.dials.get();
    order.socket.shutdown(Shutdown::Both).unwrap();
    rig.hear("order down");
    rig.until(|rig| (rig.shared.counters.dials_deferred.get() >= 1).then_some(()));
    assert_eq!(rig.shared.counters.dials.get(), dials);
    let rows = rig.shared.counters.rate_limits(VENUE, rig.clock.now(0).wall);
    let left = rows.iter().find(|row| row.bucket == "request_weight_1m").map(|row| row.remaining);
    assert_eq!(left, Some(0));
    assert!(rig.gateway.next_deadline() > rig.clock.mono().plus(Nanos::from_secs(500)));
}

#[test]
fn a_lost_connection_makes_orders_unknown_and_is_dialled_again() {
    for identity in [None, Some(Identity::new())] {
        let (mut rig, _market, order) = Rig::ready(identity);
        rig.execute(&submit(1));
        assert_eq!(rig.next_said(&order), "place 1");
        order.socket.shutdown(Shutdown::Both).unwrap();
        rig.hear("Submit unknown: disconnected");
        rig.hear("order down");
        let order = rig.accept("/order");
        rig.hear("order syncing");
        order.say("ready");
        rig.hear("order ready");
        assert_eq!(rig.gateway.slots[1].active.as_ref().unwrap().id.generation, 2);
        assert_eq!(rig.shared.counters.reconnects(ReconnectCause::Connection), 1);
        rig.execute(&submit(2));
        assert_eq!(rig.next_said(&order), "place 2");
    }
}

#[test]
fn order_sockets_can_be_shut_down_by_another_thread() {
    let (mut rig, _market, _order) = Rig::ready(None);
    rig.execute(&submit(1));
    let sockets = rig.shared.order_sockets.clone();
    assert_eq!(std::thread::spawn(move || sockets.shut_down()).join().unwrap(), 1);
    rig.hear("Submit unknown: disconnected");
    rig.hear("order down");
    assert_eq!(rig.shared.order_sockets.shut_down(), 0);
}

#[test]
fn a_rotation_makes_before_it_breaks_and_waits_for_the_last_answer() {
    let (mut rig, _market, old) = Rig::ready(None);
    rig.execute(&submit(1));
    assert_eq!(rig.next_said(&old), "place 1");
    old.say("rotate");
    let new = rig.accept("/order");
    rig.execute(&submit(2));
    assert_eq!(rig.next_said(&old), "place 2", "the old one serves until the new one is ready");
    new.say("ready");
    rig.until(|rig| rig.gateway.slots[1].retiring.is_some().then_some(()));
    rig.execute(&submit(3));
    assert_eq!(rig.next_said(&new), "place 3");
    old.say_together(&["ack 1", "ack 2"]);
    rig.until(|rig| rig.gateway.slots[1].retiring.is_none().then_some(()));
    new.say("ack 3");
    for _ in 0..3 {
        rig.hear("Submit acknowledged");
    }
    assert!(rig.desk.heard.is_empty(), "no state changed: {:?}", rig.desk.heard);
    let rotations = ReconnectCause::Session(ReconnectReason::Rotation);
    assert_eq!(rig.shared.counters.reconnects(rotations), 1);
}

#[test]
fn a_rotated_market_shows_its_books_once_it_serves() {
    let mut rig = Rig::new(None, 0);
    let old = rig.accept("/market");
    old.say("ready");
    rig.hear("market ready");
    old.say("rotate");
    let new = rig.accept("/market");
    new.say("book 50");
    old.say("book 40");
    rig.hear("book 40");
    new.say("ready");
    rig.hear("book 50");
    assert_eq!(rig.desk.books.len(), 2);
}

#[test]
fn when_the_old_connection_dies_first_its_successor_takes_the_place() {
    let mut rig = Rig::new(None, 0);
    let old = rig.accept("/market");
    old.say("ready");
    rig.hear("market ready");
    old.say("rotate");
    let new = rig.accept("/market");
    old.socket.shutdown(Shutdown::Both).unwrap();
    rig.hear("market syncing");
    new.say("ready");
    rig.hear("market ready");
}

#[test]
fn an_account_is_dialled_once_its_call_is_answered() {
    let mut rig = Rig::new(None, 1);
    let mut paths = Vec::new();
    while !paths.contains(&"/account".to_owned()) {
        paths.push(rig.until(|rig| rig.venue.links.try_recv().ok()).path);
    }
    assert_eq!(rig.shared.counters.calls.get(), 1);
}

#[test]
fn a_refused_call_is_tried_again_with_back_off() {
    let venue = Venue::start(None, "502 Bad Gateway");
    let settings = venue.settings(1);
    let mut rig = Rig::with(venue, settings);
    let refused = ReconnectCause::Session(ReconnectReason::Refused);
    rig.until(|rig| (rig.shared.counters.reconnects(refused) >= 2).then_some(()));
    assert!(!rig.desk.heard.contains(&"account ready".to_owned()));
    let calls = rig.shared.counters.calls.get();
    assert!((2..=3).contains(&calls), "{calls} calls within one back-off");
}

#[test]
fn answers_to_a_session_that_is_gone_are_dropped_and_counted() {
    let mut rig = Rig::new(None, 0);
    rig.accept("/market").say("gap_with_call");
    rig.hear("market down");
    rig.until(|rig| (rig.shared.counters.stale_generations.get() == 1).then_some(()));
    let gap = ReconnectCause::Session(ReconnectReason::Gap);
    assert_eq!(rig.shared.counters.reconnects(gap), 1);
    rig.accept("/market");
}

#[test]
fn timers_run_when_they_are_due() {
    let mut rig = Rig::new(None, 0);
    let market = rig.accept("/market");
    market.say("timer 5");
    rig.hear("market alert timer");
    assert!(rig.gateway.next_deadline() > rig.clock.mono());
}

#[test]
fn what_a_session_can_not_read_is_counted_and_a_broken_protocol_reconnects() {
    let mut rig = Rig::new(None, 0);
    let market = rig.accept("/market");
    market.say_together(&["nonsense", "ready"]);
    rig.hear("market ready");
    assert_eq!(rig.shared.counters.session_errors.get(), 1);
    market.say("abracadabra");
    rig.hear("market down");
    let protocol = ReconnectCause::Session(ReconnectReason::Protocol);
    assert_eq!(rig.shared.counters.reconnects(protocol), 1);
    rig.accept("/market");
}

#[test]
fn a_certificate_that_does_not_verify_is_never_traded_with() {
    let venue = Venue::start(Some(Identity::new()), "200 OK");
    let mut settings = venue.settings(0);
    let stranger = Identity::new().trust();
    for (_, host) in &mut settings.venues[0].hosts {
        *host = Arc::new(Host { address: host.address.clone(), trust: stranger.clone() });
    }
    let mut rig = Rig::with(venue, settings);
    rig.until(|rig| (rig.shared.counters.dials_failed.get() == 2).then_some(()));
    assert_eq!(rig.desk.heard, ["market connecting", "market down"].repeat(2));
    assert!(rig.venue.links.try_recv().is_err());
}

#[test]
fn dials_beyond_the_venues_budget_wait() {
    let venue = Venue::start(None, "200 OK");
    let mut settings = venue.settings(0);
    settings.venues[0].budget = DialBudget::new(1, Nanos::from_secs(3_600));
    let mut rig = Rig::with(venue, settings);
    rig.accept("/market").socket.shutdown(Shutdown::Both).unwrap();
    rig.until(|rig| (rig.shared.counters.dials_deferred.get() == 1).then_some(()));
    assert_eq!(rig.shared.counters.dials.get(), 1);
    assert!(rig.gateway.next_deadline() > rig.clock.mono().plus(Nanos::from_secs(3_000)));
}

#[test]
fn a_shut_down_gateway_reports_every_order() {
    let (mut rig, _market, order) = Rig::ready(None);
    rig.execute(&submit(1));
    assert_eq!(rig.next_said(&order), "place 1");
    rig.gateway.shut_down(&mut rig.desk);
    assert!(rig.desk.heard.contains(&"Submit unknown: disconnected".to_owned()));
    assert!(rig.desk.heard.contains(&"order down".to_owned()));
}
