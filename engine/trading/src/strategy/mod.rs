//! Strategies as state machines: a view of one instrument in, decisions out.

use arrayvec::ArrayVec;
use enigma_types::{
    BookTop, ClientOrderId, ExecutionReport, Instrument, Now, OrderIntent, Price, Quantity, Side,
    SignedQuantity, Trade,
};

/// What a strategy may look at. Everything is of its own instrument and its own orders.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub now: Now,
    pub instrument: &'a Instrument,
    pub book: &'a BookTop,
    /// The strategy's own net position.
    pub position: SignedQuantity,
    /// Its orders that are not closed, oldest first.
    pub orders: &'a [OwnOrder],
}

/// One of the strategy's orders that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOrder {
    pub client_order_id: ClientOrderId,
    pub side: Side,
    pub price: Price,
    pub leaves_quantity: Quantity,
    /// A submit, cancel or replace is unanswered, or the state is Unknown: leave it alone.
    pub busy: bool,
}

/// What a strategy wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Place(OrderIntent),
    Cancel(ClientOrderId),
    /// New price and new total of leaves.
    Replace {
        client_order_id: ClientOrderId,
        price: Price,
        quantity: Quantity,
    },
}

/// The decisions of one call: eight at the most, more are refused by `try_push`.
pub type Decisions = ArrayVec<Decision, 8>;

/// A trading rule. It is asked only while it runs, and never waits or allocates.
pub trait Strategy {
    fn on_book(&mut self, view: &View<'_>, decisions: &mut Decisions);

    fn on_trade(&mut self, _view: &View<'_>, _trade: &Trade, _decisions: &mut Decisions) {}

    /// One of its orders changed.
    fn on_report(
        &mut self,
        _view: &View<'_>,
        _report: &ExecutionReport,
        _decisions: &mut Decisions,
    ) {
    }
}
