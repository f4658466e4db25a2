//! A session driven without sockets: what it is given, and all that it wanted done.

use enigma_signing::HmacSha256Key;
use enigma_types::{ClientOrderId, Nanos, Now, Report, SessionState, Trade, UnixNanos};
use enigma_venues::binance::usdm::orders::OrderSession;
use enigma_venues::registry::SessionPlan;
use enigma_venues::session::{
    Alert, Answer, CallRequest, Dial, Input, Outbox, ReconnectReason, Session, VenueError,
};
use enigma_venues::signer::{BinanceSecret, BinanceSigner, Signer};
use enigma_venues::wire::websocket::Transmit;

use super::material::prefix;

/// A session with its signer, its outbox and its time.
pub(crate) struct Driven<S> {
    pub(crate) session: S,
    pub(crate) now: Now,
    pub(crate) state: SessionState,
    signer: Signer,
    outbox: Outbox,
}

/// What one input led to.
#[derive(Debug)]
pub(crate) struct Effects {
    pub(crate) result: Result<(), VenueError>,
    pub(crate) reports: Vec<Report>,
    pub(crate) trades: Vec<Trade>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) calls: Vec<CallRequest>,
    pub(crate) dial: Option<Dial>,
    pub(crate) reconnect: Option<ReconnectReason>,
    /// Whether a book changed.
    pub(crate) books: bool,
}

impl<S: Session> Driven<S> {
    pub(crate) fn new(session: S) -> Self {
        let secret = BinanceSecret::Hmac(HmacSha256Key::new(b"secret").unwrap());
        let wall = UnixNanos::from_millis(1_700_000_000_000);
        Self {
            session,
            now: Now { mono: Nanos::from_secs(1_000), wall, venue_offset_ns: 0 },
            state: SessionState::Down,
            signer: Signer::Binance(BinanceSigner { api_key: "key".into(), secret }),
            outbox: Outbox::new(Transmit::with_capacity(1 << 14, 64, 1)),
        }
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) -> Effects {
        let outbox = &mut self.outbox;
        let result = self.session.handle(self.now, input, &mut self.signer, outbox);
        self.state = outbox.state.take().unwrap_or(self.state);
        Effects {
            result,
            reports: outbox.drain_reports().collect(),
            trades: outbox.trades.drain(..).collect(),
            alerts: outbox.alerts.drain(..).collect(),
            calls: outbox.calls.drain(..).collect(),
            dial: outbox.dial.take(),
            reconnect: outbox.reconnect.take(),
            books: outbox.books.pop().is_some(),
        }
    }

    pub(crate) fn frame(&mut self, text: &[u8]) -> Effects {
        self.handle(Input::Frame(&mut text.to_vec()))
    }

    /// Answers a call with a body.
    pub(crate) fn answer(&mut self, call: &CallRequest, status: u16, body: &[u8]) -> Effects {
        let answer = Answer::Http { status, retry_after_seconds: None, body };
        self.handle(Input::Response { call: call.call, answer })
    }

    pub(crate) fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}

/// An order session that is open, has the venue's time and is in one-way mode.
pub(crate) fn ready_order_session(plan: &SessionPlan) -> Driven<OrderSession> {
    let mut driven = Driven::new(OrderSession::new(plan));
    let started = driven.handle(Input::Start);
    driven.answer(&started.calls[0], 200, b"{\"serverTime\":1700000000000}");
    driven.handle(Input::Connected);
    let asked = driven.handle(Input::Timer);
    driven.answer(&asked.calls[0], 200, b"{\"dualSidePosition\":false}");
    assert_eq!(driven.state, SessionState::Ready);
    driven
}

/// The payload of the one frame that waits (RFC 6455 section 5.2), which is taken away.
pub(crate) fn sent_text<S: Session>(driven: &mut Driven<S>) -> String {
    let transmit = &mut driven.outbox().transmit;
    let (_, frame) = transmit.front().unwrap();
    let head = if frame[1] & 0x7F == 126 { 4 } else { 2 };
    let (mask, payload) = frame[head..].split_at(4);
    let bytes = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let text = String::from_utf8(bytes.collect()).unwrap();
    transmit.consume_front();
    text
}

/// Our id as the venue sees it.
pub(crate) fn client_text(id: u64) -> String {
    String::from_utf8(ClientOrderId::new(id).unwrap().text(prefix()).to_vec()).unwrap()
}
