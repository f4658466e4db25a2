//! What a gateway tells whoever trades, as it happens and without a queue between.

use enigma_types::{BookTop, Nanos, Now, Report, SessionChange, Trade, VenueRequest};
use enigma_venues::session::Alert;

use super::plan::SlotPlan;
use crate::connection::Sent;

/// The trading side of a gateway. Each call is made while a session is borrowed, so that what
/// it decides is collected and fetched by `next_request`, in the same turn and in order.
pub trait GatewayEvents {
    /// The top of a book changed. `now` is read at this moment.
    fn on_book(&mut self, now: Now, book: &BookTop, stamps: &Stamps);

    fn on_trade(&mut self, now: Now, trade: &Trade);

    fn on_report(&mut self, now: Now, report: &Report);

    fn on_session(&mut self, now: Now, change: SessionChange);

    fn on_alert(&mut self, now: Now, source: SlotPlan, alert: &Alert);

    /// The first byte of an order or cancel is being written. `handed` is absent when it had to
    /// wait for the socket.
    fn on_sent(&mut self, _sent: Sent, _handed: Option<Handed>) {}

    /// The next request that the calls above led to.
    fn next_request(&mut self) -> Option<VenueRequest>;
}

/// When the bytes that made a book passed each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// Right after the read that brought them.
    pub received: Nanos,
    /// Only on one read in 64.
    pub sampled: Option<StageStamps>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageStamps {
    /// TLS records opened.
    pub opened: Nanos,
    /// The session has decoded the message and updated its book.
    pub decoded: Nanos,
}

/// When a request passed the gateway's own stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The gateway took the request.
    pub at: Nanos,
    /// It stood in the buffer, encoded and signed. Only when the tick was sampled.
    pub encoded: Option<Nanos>,
}
