//! Orders by hand through a whole engine: what their sender is told when they can't be sent.

#![expect(clippy::expect_used, reason = "a test may stop here")]

mod in_process;

use enigma_engine::command::{DeskCommand, ManualOrder, Receipt};
use enigma_engine::settings::Waiting;
use enigma_engine::{CommandError, Phase};
use enigma_simulator::{MarketSettings, SimulatorConfig, Transport};
use enigma_types::{
    AccountId, InstrumentId, NotSentCause, OrderType, Price, Quantity, Side, TimeInForce,
};

use in_process::{InProcess, Wanted};

const BTC: InstrumentId = InstrumentId(0);

/// A buy far enough below the market to rest.
fn place(both: &InProcess) -> Result<Receipt, CommandError> {
    let bid = both.engine.book(BTC).and_then(|book| book.best_bid()).expect("a book");
    let instruments = both.engine.instruments().expect("instruments");
    let tick = instruments.get(BTC).expect("an instrument").tick;
    let price = Price(bid.price.0 - bid.price.0 / 100).floor_to(tick);
    both.execute(DeskCommand::Place(ManualOrder {
        account: AccountId(0),
        instrument: BTC,
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::PostOnly,
        price,
        quantity: Quantity(10),
        reduce_only: false,
    }))
}

#[test]
fn an_order_that_the_session_has_no_room_for_is_answered_as_not_sent() {
    let config = SimulatorConfig {
        transport: Transport::Plain,
        seed: Some(3),
        market: MarketSettings::Synthetic { actions_per_second: 50 },
        ..SimulatorConfig::default()
    };
    let wanted = Wanted {
        waiting: Waiting::Block,
        core: None,
        key_type: "ed25519",
        on_pinned_thread: || {},
    };
    // A tenth of the venue's limits: thirty orders in ten seconds.
    let both = InProcess::start_with(config, wanted, |settings| {
        for venue in &mut settings.venues {
            venue.rate_limit_percent = 10;
        }
    });
    both.until("the engine runs", |engine| engine.phase() == Phase::Running);
    both.until("a book", |engine| engine.instruments().is_some() && engine.book(BTC).is_some());
    both.until("orders may go", |_| place(&both).is_ok());

    // Two windows' worth, because one may end in the middle of this.
    let receipts: Vec<Receipt> =
        (0..70).map(|_| place(&both).expect("within every limit of the engine")).collect();
    let not_sent: Vec<_> = receipts.iter().filter(|receipt| receipt.not_sent.is_some()).collect();
    assert!((10..=60).contains(&not_sent.len()), "{} of 70", not_sent.len());
    for receipt in &not_sent {
        assert_eq!(receipt.not_sent, Some(NotSentCause::RateLimit));
        assert!(receipt.placed.is_some(), "it has an id, which is never used again");
    }
    both.stop();
}
