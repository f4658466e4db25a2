//! The toy venue of the gateway's tests: sessions whose protocol is a word a message, a server for
//! each of their connections, and a desk that writes down what it hears.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::io::{Read, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use arrayvec::ArrayString;
use enigma_types::{
    AccountId, BookTop, CancelRequest, InstrumentId, Level, OrderRequest, Price, Quantity,
    SessionChange, SessionState, Side, TimeInForce, Trade, UnixNanos, UnknownCause, VenueId,
    VenueOrderId,
};
use enigma_venues::registry::VenueBudgets;
use enigma_venues::session::{
    Alert, AlertKind, Answer, CallId, CallRequest, CallTarget, Dial, HostRole, Method, Outbox,
    ReconnectReason, VenueError,
};
use enigma_venues::signer::Signer;
use enigma_venues::wire::websocket::{FrameClass, TransmitFull};

use super::super::*;
use crate::connection::Sent;
use crate::gateway::pace::DialBudget;
use crate::loopback::{Identity, Peer};

use enigma_types::SessionKind;

pub(super) const VENUE: VenueId = VenueId::BinanceUsdm;

/// A session that does what a word tells it.
#[derive(Debug)]
pub(super) struct Toy {
    pub(super) plan: SlotPlan,
    pub(super) book: BookTop,
    pub(super) in_flight: Vec<OrderRequest>,
    pub(super) deadline: Option<Nanos>,
    pub(super) budgets: Option<VenueBudgets>,
}

#[derive(Debug, Default)]
pub(super) struct Toys {
    pub(super) opened: usize,
}

impl OpenSession for Toys {
    type Session = Toy;

    fn open(&mut self, plan: SlotPlan, _seed: u64, budgets: Option<&VenueBudgets>) -> Toy {
        self.opened += 1;
        let book = BookTop::empty(InstrumentId(0));
        let budgets = budgets.cloned();
        Toy { plan, book, in_flight: Vec::new(), deadline: None, budgets }
    }
}

impl Toy {
    fn send(outbox: &mut Outbox, class: FrameClass, text: &str) -> bool {
        let written: Result<(), TransmitFull> = outbox.transmit.text(class, |payload| {
            payload.push_str(text);
            Ok(())
        });
        written.is_ok()
    }

    fn call(outbox: &mut Outbox) {
        let request = CallRequest {
            call: CallId(7),
            method: Method::Post,
            target: CallTarget::from("/listenKey").unwrap(),
            header: None,
            timeout: Nanos::from_secs(20),
        };
        assert!(outbox.call(request));
    }

    fn dial(&self, outbox: &mut Outbox) {
        let (host, path) = match self.plan.kind {
            SessionKind::Market => (HostRole::PublicStream, "/market"),
            SessionKind::Order => (HostRole::OrderEntry, "/order"),
            SessionKind::Account => (HostRole::PrivateStream, "/account"),
        };
        outbox.dial = Some(Dial { host, path: path.to_owned() });
    }

    fn key(order: &OrderRequest) -> OrderKey {
        let OrderRequest { account, instrument, client_order_id, .. } = *order;
        OrderKey { account, instrument, client_order_id }
    }

    fn settle(&mut self, id: u64) -> Option<OrderRequest> {
        let place = self.in_flight.iter().position(|order| order.client_order_id.get() == id)?;
        Some(self.in_flight.remove(place))
    }

    fn frame(&mut self, now: Now, text: &str, outbox: &mut Outbox) -> Result<(), VenueError> {
        let (word, number) = text.split_once(' ').unwrap_or((text, "0"));
        let number: u64 = number.parse().unwrap();
        match word {
            "ready" => outbox.state = Some(SessionState::Ready),
            "stale" => outbox.state = Some(SessionState::Stale),
            "book" => {
                let quantity = Quantity(1);
                let level = |price| Level { price: Price(price), quantity };
                self.book.set_bids([level(number as i64)]);
                self.book.set_asks([level(number as i64 + 1)]);
                self.book.received_at = now.mono;
                outbox.books.insert(InstrumentId(0));
            }
            "no_book" => {
                self.book.clear();
                outbox.books.insert(InstrumentId(0));
            }
            "trade" => outbox.trades.push(Trade {
                instrument: InstrumentId(0),
                trade_id: number,
                price: Price(1),
                quantity: Quantity(1),
                aggressor: Side::Buy,
                venue_time: UnixNanos(0),
            }),
            "ack" => {
                let order = self.settle(number).unwrap();
                let outcome = Outcome::Acknowledged(RequestKind::Submit);
                outbox.report(Self::key(&order).report(outcome, now));
            }
            "rotate" => outbox.reconnect = Some(ReconnectReason::Rotation),
            "gap" => outbox.reconnect = Some(ReconnectReason::Gap),
            "gap_with_call" => {
                Self::call(outbox);
                outbox.reconnect = Some(ReconnectReason::Gap);
            }
            "timer" => self.deadline = Some(now.mono.plus(Nanos::from_millis(number))),
            "clock" => {
                let offset_ns = number as i64;
                outbox.alert(AlertKind::ClockOffset { offset_ns, uncertainty_ns: 1 }, "");
            }
            "nonsense" => return Err(VenueError::Nonsense("a word")),
            _ => return Err(VenueError::Protocol("no such word")),
        }
        Ok(())
    }
}

impl Session for Toy {
    fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        _signer: &mut Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match input {
            Input::Start if self.plan.kind == SessionKind::Account => Self::call(outbox),
            Input::Start => self.dial(outbox),
            Input::Response { answer: Answer::Http { status: 200, .. }, .. } => self.dial(outbox),
            Input::Response { .. } => outbox.reconnect = Some(ReconnectReason::Refused),
            Input::Connected => {
                outbox.state = Some(SessionState::Syncing);
                Self::send(outbox, FrameClass::Session, "hello");
            }
            Input::Frame(text) => {
                return self.frame(now, core::str::from_utf8(text).unwrap(), outbox);
            }
            Input::Submit(order) => {
                let client_order_id = order.client_order_id;
                let pad = " ".repeat(order.quantity.0 as usize);
                let text = format!("place {}{pad}", client_order_id.get());
                if Self::send(outbox, FrameClass::Order { client_order_id }, &text) {
                    self.in_flight.push(*order);
                } else {
                    let key = Self::key(order);
                    outbox.not_sent(RequestKind::Submit, &key, NotSentCause::Full, now);
                }
            }
            Input::Cancel(of) => {
                let client_order_id = of.client_order_id;
                let text = format!("cancel {}", client_order_id.get());
                Self::send(outbox, FrameClass::Cancel { client_order_id }, &text);
            }
            Input::Replace(_) => {}
            Input::Query(query) => {
                let (query, asked_at) = (*query, now.mono);
                outbox.report(Report::Query(QueryReport { query, asked_at, complete: true }));
            }
            Input::Purged { client_order_id, cause } => {
                let order = self.settle(client_order_id.get()).unwrap();
                let key = Self::key(&order);
                outbox.not_sent(RequestKind::Submit, &key, cause, now);
            }
            Input::Timer => {
                self.deadline = None;
                outbox.alert(AlertKind::VenueError, "timer");
            }
            Input::Disconnected => {
                for order in self.in_flight.drain(..) {
                    let outcome = Outcome::Unknown(RequestKind::Submit, UnknownCause::Disconnected);
                    outbox.report(Self::key(&order).report(outcome, now));
                }
            }
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        self.deadline
    }

    fn book(&self, _instrument: InstrumentId) -> Option<&BookTop> {
        self.book.is_sound().then_some(&self.book)
    }

    fn in_flight(&self) -> usize {
        self.in_flight.len()
    }
}

/// The server's end of one connection of the toy venue.
pub(super) struct Link {
    pub(super) path: String,
    pub(super) said: Receiver<String>,
    pub(super) say: Sender<Vec<String>>,
    pub(super) socket: std::net::TcpStream,
}

impl Link {
    pub(super) fn say(&self, text: &str) {
        self.say_together(&[text]);
    }

    /// Several messages in one write.
    pub(super) fn say_together(&self, texts: &[&str]) {
        self.say.send(texts.iter().map(|text| (*text).to_owned()).collect()).unwrap();
    }
}

/// The toy venue: each WebSocket is served by a thread and handed to the test.
pub(super) struct Venue {
    pub(super) streams: Peer,
    pub(super) rest: Peer,
    pub(super) links: Receiver<Link>,
}

impl Venue {
    pub(super) fn start(identity: Option<Identity>, listen_key_status: &'static str) -> Self {
        let (accepted, links) = mpsc::channel();
        let streams = Peer::start(identity.clone(), move |stream| {
            let path = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
            let seen = Arc::clone(&path);
            #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
            let note = move |request: &tungstenite::handshake::server::Request, response| {
                *seen.lock().unwrap() = request.uri().path().to_owned();
                Ok(response)
            };
            let Ok(socket) = tungstenite::accept_hdr(stream, note) else { return };
            let (said, hear) = mpsc::channel();
            let (say, to_say) = mpsc::channel();
            let tcp = socket.get_ref().tcp().try_clone().unwrap();
            let path = path.lock().unwrap().clone();
            let _ = accepted.send(Link { path, said: hear, say, socket: tcp });
            std::thread::spawn(move || serve(socket, &said, &to_say));
        });
        let rest = Peer::start(None, move |mut stream| {
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head);
            let answer = format!("HTTP/1.1 {listen_key_status}\r\nContent-Length: 2\r\n\r\n{{}}");
            let _ = stream.write_all(answer.as_bytes());
        });
        Self { streams, rest, links }
    }

    pub(super) fn settings(&self, accounts: usize) -> GatewaySettings {
        let mut hosts = vec![(HostRole::Rest, Arc::clone(&self.rest.host))];
        for role in [HostRole::PublicStream, HostRole::OrderEntry, HostRole::PrivateStream] {
            hosts.push((role, Arc::clone(&self.streams.host)));
        }
        let venues = vec![VenueHosts {
            venue: VENUE,
            hosts,
            budget: DialBudget::default(),
            rate_limit_percent: 100,
        }];
        let access = |_| AccountAccess { venue: VENUE, signer: Signer::None };
        let accounts = (0..accounts).map(access).collect();
        // No machine is so slow that a peer of these tests is silent by mistake.
        let patience = Nanos::from_secs(600);
        let liveness = Liveness { ping_after: patience, pong_within: patience };
        let dial_timeout = Duration::from_secs(20);
        GatewaySettings { venues, accounts, dial_timeout, liveness, seed: 1 }
    }
}

pub(super) fn serve(
    mut socket: tungstenite::WebSocket<crate::loopback::ServerStream>,
    said: &Sender<String>,
    to_say: &Receiver<Vec<String>>,
) {
    let patience = Some(Duration::from_millis(1));
    socket.get_ref().tcp().set_read_timeout(patience).unwrap();
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Text(text)) => {
                let _ = said.send(text.as_str().trim_end().to_owned());
            }
            Ok(_) => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
        while let Ok(texts) = to_say.try_recv() {
            for text in texts {
                if text == "stop reading" {
                    // The client's socket fills up; the connection stays.
                    while to_say.recv().is_ok() {}
                    return;
                }
                socket.write(tungstenite::Message::text(text)).unwrap();
            }
            if socket.flush().is_err() {
                return;
            }
        }
    }
}

/// The trading side: writes down what it hears, and on a book sends what it was told to.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) heard: Vec<String>,
    pub(super) on_book: Vec<VenueRequest>,
    pub(super) requests: std::collections::VecDeque<VenueRequest>,
    pub(super) sent: Vec<(Sent, Option<Handed>)>,
    pub(super) books: Vec<(Nanos, Stamps)>,
    pub(super) offset: i64,
}

impl GatewayEvents for Desk {
    fn on_book(&mut self, now: Now, book: &BookTop, stamps: &Stamps) {
        self.heard.push(match book.best_bid() {
            Some(bid) => {
                assert!(book.received_at <= stamps.received);
                format!("book {}", bid.price.0)
            }
            None => "no book".to_owned(),
        });
        self.books.push((now.mono, *stamps));
        self.offset = now.venue_offset_ns;
        self.requests.extend(self.on_book.drain(..));
    }

    fn on_trade(&mut self, _now: Now, trade: &Trade) {
        self.heard.push(format!("trade {}", trade.trade_id));
    }

    fn on_report(&mut self, _now: Now, report: &Report) {
        self.heard.push(match report {
            Report::Execution(news) => match news.outcome {
                Outcome::NotSent(kind, cause) => format!("{kind:?} not sent: {}", cause.name()),
                Outcome::Unknown(kind, cause) => format!("{kind:?} unknown: {}", cause.name()),
                Outcome::Acknowledged(kind) => format!("{kind:?} acknowledged"),
                Outcome::Working(..)
                | Outcome::Fill(_)
                | Outcome::Rejected(..)
                | Outcome::NotFound { .. } => format!("{report:?}"),
            },
            Report::Query(answer) => format!("query complete: {}", answer.complete),
            Report::Balance(_) | Report::Position(_) => format!("{report:?}"),
        });
    }

    fn on_session(&mut self, _now: Now, change: SessionChange) {
        self.heard.push(format!("{} {}", change.kind.name(), change.state.name()));
    }

    fn on_alert(&mut self, _now: Now, source: SlotPlan, alert: &Alert) {
        let text: ArrayString<96> = alert.detail;
        self.heard.push(format!("{} alert {text}", source.kind.name()));
    }

    fn on_sent(&mut self, sent: Sent, handed: Option<Handed>) {
        self.sent.push((sent, handed));
    }

    fn next_request(&mut self) -> Option<VenueRequest> {
        self.requests.pop_front()
    }
}

pub(super) struct Rig {
    pub(super) gateway: Gateway<Toys>,
    pub(super) desk: Desk,
    pub(super) clock: Clock,
    pub(super) shared: GatewayShared,
    pub(super) venue: Venue,
    pub(super) _connector: Connector,
}

impl Rig {
    pub(super) fn new(identity: Option<Identity>, accounts: usize) -> Self {
        let venue = Venue::start(identity, "200 OK");
        let settings = venue.settings(accounts);
        Self::with(venue, settings)
    }

    pub(super) fn with(venue: Venue, settings: GatewaySettings) -> Self {
        let connector = Connector::start().unwrap();
        let shared = GatewayShared::default();
        let clock = Clock::new();
        let toys = Toys::default();
        let gateway =
            Gateway::new(settings, toys, &connector, shared.clone(), clock.clone()).unwrap();
        let desk = Desk::default();
        Self { gateway, desk, clock, shared, venue, _connector: connector }
    }

    pub(super) fn turn(&mut self) {
        self.gateway.poll(Some(Duration::from_millis(1))).unwrap();
        let now = self.clock.now(0);
        self.gateway.turn(now, &mut self.desk);
    }

    #[track_caller]
    pub(super) fn until<T>(&mut self, mut attempt: impl FnMut(&mut Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            self.turn();
            if let Some(found) = attempt(self) {
                return found;
            }
            let heard = &self.desk.heard;
            assert!(begun.elapsed() < Duration::from_secs(60), "only this came: {heard:#?}");
        }
    }

    #[track_caller]
    pub(super) fn hear(&mut self, expected: &str) {
        self.until(|rig| {
            let place = rig.desk.heard.iter().position(|heard| heard == expected)?;
            rig.desk.heard.drain(..=place);
            Some(())
        });
    }

    #[track_caller]
    pub(super) fn accept(&mut self, path: &str) -> Link {
        let link = self.until(|rig| rig.venue.links.try_recv().ok());
        assert_eq!(link.path, path);
        self.say_hello(&link);
        link
    }

    #[track_caller]
    pub(super) fn say_hello(&mut self, link: &Link) {
        assert_eq!(self.next_said(link), "hello");
    }

    #[track_caller]
    pub(super) fn next_said(&mut self, link: &Link) -> String {
        self.until(|_| link.said.try_recv().ok())
    }

    /// Market and order session ready; the account's is left dialling.
    pub(super) fn ready(identity: Option<Identity>) -> (Self, Link, Link) {
        let mut rig = Self::new(identity, 1);
        let mut links = Vec::new();
        while links.len() < 3 {
            let link = rig.until(|rig| rig.venue.links.try_recv().ok());
            rig.say_hello(&link);
            link.say("ready");
            links.push(link);
        }
        rig.until(|rig| {
            let ready = |slot: &Slot<Toy>| slot.active.as_ref().is_some_and(Live::is_ready);
            rig.gateway.slots.iter().all(ready).then_some(())
        });
        rig.desk.heard.clear();
        let mut take = |path: &str| {
            let place = links.iter().position(|link| link.path == path).unwrap();
            links.remove(place)
        };
        let (market, order) = (take("/market"), take("/order"));
        std::mem::forget(take("/account"));
        (rig, market, order)
    }

    pub(super) fn execute(&mut self, request: &VenueRequest) {
        self.gateway.execute(request, &mut self.desk);
    }
}

pub(super) fn submit(id: u64) -> VenueRequest {
    submit_padded(id, 0)
}

/// An order whose frame has so many bytes more.
pub(super) fn submit_padded(id: u64, pad: i64) -> VenueRequest {
    VenueRequest::Submit(OrderRequest {
        client_order_id: ClientOrderId::new(id).unwrap(),
        account: AccountId(0),
        instrument: InstrumentId(0),
        side: Side::Buy,
        time_in_force: TimeInForce::Ioc,
        price: Price(1),
        quantity: Quantity(pad),
        reduce_only: false,
    })
}

pub(super) fn cancel(id: u64) -> VenueRequest {
    VenueRequest::Cancel(CancelRequest {
        client_order_id: ClientOrderId::new(id).unwrap(),
        account: AccountId(0),
        instrument: InstrumentId(0),
        venue_order_id: VenueOrderId(0),
    })
}
