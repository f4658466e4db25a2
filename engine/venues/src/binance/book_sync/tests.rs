//! A book's way into step, and out of it.

use enigma_types::{Price, Quantity, Scale, Sequence, UnixNanos};

use super::*;
use crate::binance::symbols::Listing;

const LISTING: Listing = Listing {
    id: InstrumentId(3),
    place: 0,
    price_scale: Scale::ZERO,
    quantity_scale: Scale::ZERO,
};

fn level(price: i64, quantity: i64) -> Level {
    Level { price: Price(price), quantity: Quantity(quantity) }
}

fn event(first: u64, last: u64, previous: u64) -> DepthUpdate {
    DepthUpdate { listing: LISTING, first, last, previous, venue_time: UnixNanos(last) }
}

/// Each event sets the bid at 100 to its last id, so that a test sees what was applied.
fn feed(sync: &mut BookSync, first: u64, last: u64, previous: u64) -> DepthOutcome {
    let scratch = DepthScratch { bids: vec![level(100, last as i64)], asks: Vec::new() };
    sync.on_depth(Nanos(last), &event(first, last, previous), &scratch)
}

fn snapshot(sync: &mut BookSync, last_update: u64) -> DepthOutcome {
    sync.snapshot_asked();
    let head = SnapshotHead { last_update, venue_time: UnixNanos(1) };
    sync.apply_snapshot(Nanos(1), &head, &[level(100, 1), level(99, 1)], &[level(101, 1)])
}

fn bid_quantity(sync: &BookSync) -> Option<i64> {
    sync.top()?.best_bid().map(|level| level.quantity.0)
}

fn changed() -> DepthOutcome {
    DepthOutcome::Changed(Applied::default())
}

/// Kept events, then the snapshot, then what the outcome and the state are.
#[track_caller]
fn check(kept: &[(u64, u64, u64)], snapshot_id: u64, outcome: DepthOutcome, state: SyncState) {
    let mut sync = BookSync::new(InstrumentId(3));
    for &(first, last, previous) in kept {
        assert_eq!(feed(&mut sync, first, last, previous), DepthOutcome::Nothing);
    }
    assert!(sync.top().is_none());
    assert_eq!(snapshot(&mut sync, snapshot_id), outcome);
    assert_eq!(sync.state(), state);
    assert_eq!(sync.top().is_some(), state == SyncState::InStep);
}

#[test]
fn the_first_event_must_reach_over_the_snapshot() {
    use SyncState::{Bridging, InStep, Waiting};
    let kept = [(101, 110, 100), (111, 120, 110), (125, 130, 120)];
    check(&kept, 115, changed(), InStep);
    check(&kept, 110, changed(), InStep);
    check(&kept, 120, changed(), InStep);
    // Between two events, where ids jump: nothing is missing either.
    check(&kept, 122, changed(), InStep);
    check(&kept, 130, changed(), InStep);
    // Younger than all that is kept: the next event decides.
    check(&kept, 131, DepthOutcome::Nothing, Bridging);
    // Older than all that is kept: useless.
    check(&kept, 99, DepthOutcome::Gap, Waiting);
    check(&kept, 100, changed(), InStep);
}

#[test]
fn the_snapshot_is_wanted_only_after_the_first_event() {
    let mut sync = BookSync::new(InstrumentId(3));
    assert_eq!(sync.wants_snapshot_at(), None);
    feed(&mut sync, 101, 110, 100);
    assert_eq!(sync.wants_snapshot_at(), Some(Nanos(110)));
    sync.snapshot_asked();
    assert_eq!(sync.wants_snapshot_at(), None);
}

#[test]
fn an_event_after_the_snapshot_brings_the_book_into_step() {
    let mut sync = BookSync::new(InstrumentId(3));
    feed(&mut sync, 101, 110, 100);
    assert_eq!(snapshot(&mut sync, 115), DepthOutcome::Nothing);
    assert_eq!(feed(&mut sync, 111, 114, 110), DepthOutcome::Nothing);
    assert_eq!(feed(&mut sync, 115, 118, 114), changed());
    assert_eq!(bid_quantity(&sync), Some(118));
    assert_eq!(sync.top().map(|top| top.sequence), Some(Sequence(118)));
}

#[test]
fn previous_must_equal_the_last_id_however_the_ids_jump() {
    let mut sync = BookSync::new(InstrumentId(3));
    feed(&mut sync, 101, 110, 100);
    snapshot(&mut sync, 105);
    assert_eq!(feed(&mut sync, 500, 600, 110), changed());
    // U follows directly, but pu doesn't name the event before: lost.
    assert_eq!(feed(&mut sync, 601, 610, 605), DepthOutcome::Gap);
    assert_eq!(sync.top(), None);
    assert_eq!(sync.book().depth(), (0, 0));
    // Events are gathered anew and a snapshot wanted.
    assert_eq!(feed(&mut sync, 611, 620, 610), DepthOutcome::Nothing);
    assert_eq!(sync.state(), SyncState::WantsSnapshot);
    assert_eq!(snapshot(&mut sync, 615), changed());
    assert_eq!(bid_quantity(&sync), Some(620));
}

#[test]
fn an_event_delivered_twice_changes_nothing() {
    let mut sync = BookSync::new(InstrumentId(3));
    feed(&mut sync, 101, 110, 100);
    snapshot(&mut sync, 105);
    assert_eq!(feed(&mut sync, 111, 120, 110), changed());
    assert_eq!(feed(&mut sync, 111, 120, 110), DepthOutcome::Nothing);
    assert_eq!(feed(&mut sync, 121, 130, 120), changed());
}

/// What doesn't name the event before is a gap, wherever its own id lies.
#[track_caller]
fn check_gap(first: u64, last: u64, previous: u64) {
    let mut sync = BookSync::new(InstrumentId(3));
    feed(&mut sync, 101, 110, 100);
    snapshot(&mut sync, 105);
    assert_eq!(feed(&mut sync, 111, 120, 110), changed());
    assert_eq!(feed(&mut sync, first, last, previous), DepthOutcome::Gap);
    assert_eq!(sync.top(), None);
    feed(&mut sync, 131, 140, 130);
    assert_eq!(snapshot(&mut sync, 135), changed());
}

#[test]
fn an_event_that_does_not_name_the_one_before_is_a_gap_ahead_and_behind() {
    check_gap(131, 140, 130);
    check_gap(101, 110, 100);
    check_gap(1, 2, 0);
    check_gap(111, 120, 109);
    // Names it, and leads nowhere.
    check_gap(121, 120, 120);
    check_gap(50, 60, 120);
}

#[test]
fn a_broken_id_far_ahead_does_not_freeze_the_book() {
    let mut sync = BookSync::new(InstrumentId(3));
    feed(&mut sync, 101, 110, 100);
    snapshot(&mut sync, 105);
    assert_eq!(feed(&mut sync, 111, 9_000_000_120, 110), changed());
    assert_eq!(feed(&mut sync, 121, 130, 120), DepthOutcome::Gap);
    feed(&mut sync, 131, 140, 130);
    assert_eq!(snapshot(&mut sync, 135), changed());
    assert_eq!(bid_quantity(&sync), Some(140));
}

#[test]
fn a_hole_in_what_is_kept_starts_it_anew() {
    let mut sync = BookSync::new(InstrumentId(3));
    feed(&mut sync, 101, 110, 100);
    feed(&mut sync, 121, 130, 120);
    assert_eq!(snapshot(&mut sync, 105), DepthOutcome::Gap);
}

#[test]
fn useless_snapshots_are_asked_for_again_ever_later() {
    let mut sync = BookSync::new(InstrumentId(3));
    let mut last = Nanos::ZERO;
    for _ in 0..4 {
        feed(&mut sync, 101, 110, 100);
        sync.snapshot_asked();
        sync.snapshot_failed(Nanos(1_000));
        let at = sync.wants_snapshot_at();
        assert!(at > Some(last), "{at:?}");
        last = at.unwrap_or_default();
    }
    assert_eq!(last, Nanos(1_000).plus(Nanos::from_millis(2_000)));
    assert_eq!(sync.attempts(), 4);
}

#[test]
fn a_crossed_book_is_dropped() {
    let mut sync = BookSync::new(InstrumentId(3));
    feed(&mut sync, 101, 110, 100);
    snapshot(&mut sync, 105);
    let scratch = DepthScratch { bids: vec![level(101, 5)], asks: Vec::new() };
    let outcome = sync.on_depth(Nanos(5), &event(111, 120, 110), &scratch);
    assert_eq!(outcome, DepthOutcome::Crossed);
    assert_eq!(sync.top(), None);
}

#[test]
fn too_many_kept_events_are_bounded() {
    let mut sync = BookSync::new(InstrumentId(3));
    for at in 0..5_000 {
        feed(&mut sync, at * 10 + 1, at * 10 + 10, at * 10);
    }
    assert!(sync.backlog.events.len() <= Backlog::EVENTS);
    assert_eq!(snapshot(&mut sync, 49_995), changed());
}

#[test]
fn best_prices_show_only_in_step() {
    let mut sync = BookSync::new(InstrumentId(3));
    let ticker = |sequence, quantity| BookTicker {
        instrument: InstrumentId(3),
        sequence: Sequence(sequence),
        bid: Price(100),
        bid_quantity: Quantity(quantity),
        ask: Price(101),
        ask_quantity: Quantity(1),
        venue_time: UnixNanos(1),
    };
    assert!(!sync.on_ticker(Nanos(1), &ticker(500, 7)));
    feed(&mut sync, 101, 110, 100);
    snapshot(&mut sync, 105);
    assert!(sync.on_ticker(Nanos(1), &ticker(112, 7)));
    assert_eq!(bid_quantity(&sync), Some(7));
    assert!(!sync.on_ticker(Nanos(1), &ticker(111, 8)));
}
