//! The pinned thread allocates nothing while it trades: not for a tick, an order, a fill or a
//! cancel. With TLS, rustls allocates for each record it seals or opens, and nothing else does.
//!
//! Counted after warm-up. Reconnects, resyncs and commands are outside: they may allocate.

#![expect(unsafe_code, reason = "a counting allocator is one")]
#![expect(clippy::expect_used, reason = "a test may stop here")]
#![expect(clippy::print_stdout, reason = "the counts are part of the result")]

mod in_process;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use enigma_engine::command::{CancelScope, DeskCommand};
use enigma_engine::settings::Waiting;
use enigma_simulator::{MarketSettings, SimulatorConfig, Transport};

use in_process::{InProcess, Wanted};

struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory
// that is allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    if WATCHED.with(Cell::get) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

fn watch() {
    WATCHED.with(|watched| watched.set(true));
}

/// What happened on the pinned thread between two moments.
#[derive(Clone, Copy, Debug)]
struct Counts {
    allocations: u64,
    ticks: u64,
    orders: u64,
    cancels: u64,
    fills: u64,
    records: u64,
    reconnects: u64,
}

#[test]
fn the_pinned_thread_allocates_nothing_on_plain_sockets_and_only_rustls_does_with_tls() {
    let plain = measure(Transport::Plain);
    println!("plain: {plain:?}");
    assert_eq!(plain.allocations, 0, "{plain:?}");

    let tls = measure(Transport::Tls);
    println!("tls: {tls:?}");
    assert!(tls.records > 100_000, "{tls:?}");
    assert!(tls.allocations <= tls.records, "{tls:?}");
}

/// Trades over at least 100,000 ticks and says what was counted meanwhile.
fn measure(transport: Transport) -> Counts {
    let config = SimulatorConfig {
        transport,
        seed: Some(7),
        limits_multiplier: 10_000,
        market: MarketSettings::Synthetic { actions_per_second: 5_000 },
        ..SimulatorConfig::default()
    };
    let wanted = Wanted {
        waiting: Waiting::Block,
        core: None,
        key_type: "ed25519",
        on_pinned_thread: watch,
    };
    let both = InProcess::start(config, wanted);
    let quoter = both.run_strategy(
        r#"{"id":"quoter","kind":"quoter","instruments":["binance_usdm:BTCUSDT"],
            "parameters":{"quantity":"0.01","max_position":"0.05","half_spread_ticks":1,
                          "skew_ticks":3,"requote_ticks":1}}"#,
    );
    both.run_strategy(
        r#"{"id":"taker","kind":"taker","instruments":["binance_usdm:BTCUSDT"],
            "parameters":{"quantity":"0.01","max_position":"0.1","imbalance_percent":99}}"#,
    );
    both.until("a warm engine", |engine| {
        engine.model().fills.len() > 200 && engine.metrics().trading.ticks.get() > 20_000
    });

    let before = counts(&both);
    let enough = before.ticks + 100_000;
    while both.engine.metrics().trading.ticks.get() < enough {
        let scope = CancelScope::Strategy(quoter);
        both.execute(DeskCommand::CancelAll { scope }).expect("cancels are never refused");
        let next = both.engine.metrics().trading.ticks.get() + 1_000;
        both.until("more ticks", |engine| engine.metrics().trading.ticks.get() >= next);
    }
    let after = counts(&both);
    both.stop();

    let seen = Counts {
        allocations: after.allocations - before.allocations,
        ticks: after.ticks - before.ticks,
        orders: after.orders - before.orders,
        cancels: after.cancels - before.cancels,
        fills: after.fills - before.fills,
        records: after.records - before.records,
        reconnects: after.reconnects - before.reconnects,
    };
    assert!(seen.ticks >= 100_000, "{seen:?}");
    assert!(seen.orders > 500 && seen.fills > 100 && seen.cancels > 50, "{seen:?}");
    assert_eq!(seen.reconnects, 0, "a reconnect may allocate: measure again; {seen:?}");
    seen
}

fn counts(both: &InProcess) -> Counts {
    let metrics = both.engine.metrics();
    let gateway = both.engine.gateway_counters();
    Counts {
        allocations: ALLOCATIONS.load(Ordering::Relaxed),
        ticks: metrics.trading.ticks.get(),
        orders: gateway.orders_written.get(),
        cancels: gateway.cancels_written.get(),
        fills: metrics.trading.fills.get(),
        records: gateway.records_opened.get() + gateway.records_sealed.get(),
        reconnects: gateway.reconnects_total(),
    }
}
