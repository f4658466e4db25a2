//! A gateway with a toy venue: real sockets, real connector, and sessions whose protocol is a word
//! a message.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use arrayvec::ArrayString;
use enigma_types::{
    AccountId, BookTop, CancelRequest, InstrumentId, Level, OrderRequest, Price, Quantity, Query,
    SessionChange, SessionState, Side, TimeInForce, Trade, UnixNanos, UnknownCause, VenueId,
    VenueOrderId,
};
use enigma_venues::session::{
    Alert, AlertKind, Answer, CallId, CallRequest, Dial, HostRole, Method, Outbox, ReconnectReason,
    VenueError,
};
use enigma_venues::signer::Signer;
use enigma_venues::wire::websocket::{FrameClass, TransmitFull};

use super::*;
use crate::connection::Sent;
use crate::connector::Host;
use crate::gateway::pace::DialBudget;
use crate::loopback::{Identity, Peer, patiently};

use enigma_types::SessionKind;

const VENUE: VenueId = VenueId::BinanceUsdm;

/// A session that does what a word tells it.
#[derive(Debug)]
struct Toy {
    plan: SlotPlan,
    book: BookTop,
    in_flight: Vec<OrderRequest>,
    deadline: Option<Nanos>,
}

#[derive(Debug, Default)]
struct Toys {
    opened: usize,
}

impl OpenSession for Toys {
    type Session = Toy;

    fn open(&mut self, plan: SlotPlan, _seed: u64) -> Toy {
        self.opened += 1;
        let book = BookTop::empty(InstrumentId(0));
        Toy { plan, book, in_flight: Vec::new(), deadline: None }
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
            target: "/listenKey".to_owned(),
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
            Input::Replace(_) | Input::Query(_) => {}
            Input::Purged { client_order_id } => {
                let order = self.settle(client_order_id.get()).unwrap();
                let key = Self::key(&order);
                outbox.not_sent(RequestKind::Submit, &key, NotSentCause::Barrier, now);
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
struct Link {
    path: String,
    said: Receiver<String>,
    say: Sender<Vec<String>>,
    socket: std::net::TcpStream,
}

impl Link {
    fn say(&self, text: &str) {
        self.say_together(&[text]);
    }

    /// Several messages in one write.
    fn say_together(&self, texts: &[&str]) {
        self.say.send(texts.iter().map(|text| (*text).to_owned()).collect()).unwrap();
    }
}

/// The toy venue: each WebSocket is served by a thread and handed to the test.
struct Venue {
    streams: Peer,
    rest: Peer,
    links: Receiver<Link>,
}

impl Venue {
    fn start(identity: Option<Identity>, listen_key_status: &'static str) -> Self {
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

    fn settings(&self, accounts: usize) -> GatewaySettings {
        let mut hosts = vec![(HostRole::Rest, Arc::clone(&self.rest.host))];
        for role in [HostRole::PublicStream, HostRole::OrderEntry, HostRole::PrivateStream] {
            hosts.push((role, Arc::clone(&self.streams.host)));
        }
        let venues = vec![VenueHosts { venue: VENUE, hosts, budget: DialBudget::default() }];
        let access = |_| AccountAccess { venue: VENUE, signer: Signer::None };
        let accounts = (0..accounts).map(access).collect();
        GatewaySettings { venues, accounts, dial_timeout: Duration::from_secs(20), seed: 1 }
    }
}

fn serve(
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
struct Desk {
    heard: Vec<String>,
    on_book: Vec<VenueRequest>,
    requests: std::collections::VecDeque<VenueRequest>,
    sent: Vec<(Sent, Option<Handed>)>,
    books: Vec<(Nanos, Stamps)>,
    offset: i64,
}

impl GatewayEvents for Desk {
    fn on_book(&mut self, now: Now, book: &BookTop, stamps: &Stamps) {
        self.heard.push(format!("book {}", book.best_bid().unwrap().price.0));
        assert!(book.received_at <= stamps.received);
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

struct Rig {
    gateway: Gateway<Toys>,
    desk: Desk,
    clock: Clock,
    shared: GatewayShared,
    venue: Venue,
    _connector: Connector,
}

impl Rig {
    fn new(identity: Option<Identity>, accounts: usize) -> Self {
        let venue = Venue::start(identity, "200 OK");
        let settings = venue.settings(accounts);
        Self::with(venue, settings)
    }

    fn with(venue: Venue, settings: GatewaySettings) -> Self {
        let connector = Connector::start().unwrap();
        let shared = GatewayShared::default();
        let clock = Clock::new();
        let toys = Toys::default();
        let gateway =
            Gateway::new(settings, toys, &connector, shared.clone(), clock.clone()).unwrap();
        let desk = Desk::default();
        Self { gateway, desk, clock, shared, venue, _connector: connector }
    }

    fn turn(&mut self) {
        self.gateway.poll(Some(Duration::from_millis(1))).unwrap();
        let now = self.clock.now(0);
        self.gateway.turn(now, &mut self.desk);
    }

    #[track_caller]
    fn until<T>(&mut self, mut attempt: impl FnMut(&mut Self) -> Option<T>) -> T {
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
    fn hear(&mut self, expected: &str) {
        self.until(|rig| {
            let place = rig.desk.heard.iter().position(|heard| heard == expected)?;
            rig.desk.heard.drain(..=place);
            Some(())
        });
    }

    #[track_caller]
    fn accept(&mut self, path: &str) -> Link {
        let link = self.until(|rig| rig.venue.links.try_recv().ok());
        assert_eq!(link.path, path);
        self.say_hello(&link);
        link
    }

    #[track_caller]
    fn say_hello(&mut self, link: &Link) {
        assert_eq!(self.next_said(link), "hello");
    }

    #[track_caller]
    fn next_said(&mut self, link: &Link) -> String {
        self.until(|_| link.said.try_recv().ok())
    }

    /// Market and order session ready; the account's is left dialling.
    fn ready(identity: Option<Identity>) -> (Self, Link, Link) {
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

    fn execute(&mut self, request: &VenueRequest) {
        self.gateway.execute(request, &mut self.desk);
    }
}

fn submit(id: u64) -> VenueRequest {
    submit_padded(id, 0)
}

/// An order whose frame has so many bytes more.
fn submit_padded(id: u64, pad: i64) -> VenueRequest {
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

fn cancel(id: u64) -> VenueRequest {
    VenueRequest::Cancel(CancelRequest {
        client_order_id: ClientOrderId::new(id).unwrap(),
        account: AccountId(0),
        instrument: InstrumentId(0),
        venue_order_id: VenueOrderId(0),
    })
}

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
    rig.execute(&submit(1));
    rig.hear("Submit not sent: session_down");
    rig.execute(&cancel(1));
    rig.hear("Cancel not sent: session_down");
    rig.execute(&VenueRequest::Query(Query::OpenOrders { account: AccountId(0) }));
    rig.hear("query complete: false");
    rig.execute(&VenueRequest::Query(Query::OpenOrders { account: AccountId(9) }));
    rig.hear("query complete: false");
    assert_eq!(rig.shared.counters.requests_refused.get(), 4);
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
        let mut id = 0;
        // Fill the socket, then until an order is begun and two more wait behind it.
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
