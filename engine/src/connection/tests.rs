//! A connection against tungstenite as the server, over real sockets, plain and with TLS.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]

use std::io::Write;
use std::sync::mpsc;

use enigma_types::ClientOrderId;
use enigma_venues::wire::websocket::TransmitFull;
use tungstenite::Message as Theirs;

use super::*;
use crate::gateway::counters::GatewayCounters;
use crate::loopback::{Identity, Peer, ServerStream, patiently};

type Socket = tungstenite::WebSocket<ServerStream>;

/// A client with everything a gateway would lend it.
struct Client {
    connection: Connection,
    transmit: Transmit,
    clock: Clock,
    gate: KillGate,
    counters: GatewayCounters,
    sent: Vec<u64>,
}

impl Client {
    fn dial(peer: &Peer) -> Self {
        Self {
            connection: peer.dial().unwrap(),
            transmit: Transmit::with_capacity(8 << 20, 256, 1),
            clock: Clock::new(),
            gate: KillGate::new(),
            counters: GatewayCounters::default(),
            sent: Vec::new(),
        }
    }

    fn queue(&mut self, class: FrameClass, text: &str) {
        let written: Result<(), TransmitFull> = self.transmit.text(class, |payload| {
            payload.push_str(text);
            Ok(())
        });
        written.unwrap();
    }

    fn flush(&mut self) -> Result<Flushed, ConnectionError> {
        // Without a poll each attempt may find room.
        self.connection.set_writable();
        let Self { connection, transmit, clock, gate, counters, sent } = self;
        connection.flush(transmit, gate, clock, counters, |news| {
            sent.push(news.client_order_id.get());
        })
    }

    fn flush_all(&mut self) {
        patiently(|| (self.flush().unwrap() == Flushed::All).then_some(()));
    }

    /// Everything that is there now.
    fn poll(&mut self) -> Result<Vec<String>, ConnectionError> {
        let mut texts = Vec::new();
        self.connection.set_readable();
        while self.connection.receive(&mut self.clock, true)? != Progress::Idle {
            loop {
                match self.connection.next_message(&mut self.transmit)? {
                    Received::Text(text) => {
                        texts.push(String::from_utf8(text.to_vec()).unwrap());
                    }
                    Received::Control => {}
                    Received::Nothing => break,
                }
            }
        }
        Ok(texts)
    }

    #[track_caller]
    fn check_receives(&mut self, expected: &[&str]) {
        let mut texts = Vec::new();
        patiently(|| {
            texts.extend(self.poll().unwrap());
            self.flush().unwrap();
            (texts.len() >= expected.len()).then_some(())
        });
        assert_eq!(texts, expected);
        assert!(self.connection.received_at() > Nanos::ZERO);
        assert!(self.connection.opened_at() >= self.connection.received_at());
    }

    fn end(&mut self) -> ConnectionError {
        patiently(|| self.poll().err())
    }
}

/// Runs the test over a plain socket and over TLS.
fn both_ways(test: impl Fn(Option<Identity>)) {
    test(None);
    test(Some(Identity::new()));
}

fn order(id: u64) -> FrameClass {
    FrameClass::Order { client_order_id: ClientOrderId::new(id).unwrap() }
}

fn cancel(id: u64) -> FrameClass {
    FrameClass::Cancel { client_order_id: ClientOrderId::new(id).unwrap() }
}

fn next_text(socket: &mut Socket) -> Option<String> {
    loop {
        match socket.read().ok()? {
            Theirs::Text(text) => return Some(text.as_str().to_owned()),
            Theirs::Ping(_) | Theirs::Pong(_) => {}
            Theirs::Binary(_) | Theirs::Close(_) | Theirs::Frame(_) => return None,
        }
    }
}

#[test]
fn texts_go_and_come_back() {
    both_ways(|identity| {
        let peer = Peer::websocket(identity, |mut socket| {
            while let Some(text) = next_text(&mut socket) {
                socket.send(Theirs::text(format!("echo {text}"))).unwrap();
            }
        });
        let mut client = Client::dial(&peer);
        client.queue(FrameClass::Session, "hello");
        client.queue(order(5), "order");
        client.queue(cancel(5), "cancel");
        client.flush_all();
        client.check_receives(&["echo hello", "echo order", "echo cancel"]);
        assert_eq!(client.sent, [5, 5]);
        let counters = &client.counters;
        assert_eq!((counters.orders_written.get(), counters.cancels_written.get()), (1, 1));
        assert!(counters.bytes_out.get() > 16);
    });
}

#[test]
fn messages_may_come_together_in_pieces_and_in_fragments() {
    both_ways(|identity| {
        let peer = Peer::websocket(identity, |mut socket| {
            let stream = socket.get_mut();
            // Three texts in one write, the second of them in two fragments with a ping between.
            let together = b"\x81\x03one\x01\x02tw\x89\x01p\x80\x01o\x81\x05three";
            stream.write_all(together).unwrap();
            for byte in b"\x81\x04four" {
                stream.write_all(&[*byte]).unwrap();
                stream.flush().unwrap();
            }
            let large = "x".repeat(100_000);
            socket.send(Theirs::text(large)).unwrap();
            while socket.read().is_ok() {}
        });
        let mut client = Client::dial(&peer);
        client.check_receives(&["one", "two", "three", "four", &"x".repeat(100_000)]);
    });
}

#[test]
fn a_ping_is_answered_with_its_own_payload() {
    both_ways(|identity| {
        let (said, heard) = mpsc::channel();
        let peer = Peer::websocket(identity, move |mut socket| {
            socket.send(Theirs::Ping("1732450000000".into())).unwrap();
            if let Ok(Theirs::Pong(payload)) = socket.read() {
                said.send(payload.to_vec()).unwrap();
            }
        });
        let mut client = Client::dial(&peer);
        let payload = patiently(|| {
            let _ = client.poll();
            let _ = client.flush();
            heard.try_recv().ok()
        });
        assert_eq!(payload, b"1732450000000");
    });
}

#[test]
fn a_connection_cut_in_the_middle_of_a_message_has_ended() {
    both_ways(|identity| {
        let peer = Peer::websocket(identity, |mut socket| {
            socket.get_mut().write_all(b"\x81\x7Ehalf a mess").unwrap();
        });
        let mut client = Client::dial(&peer);
        let end = client.end();
        assert!(matches!(end, ConnectionError::Ended | ConnectionError::Read(_)), "{end:?}");
    });
}

#[test]
fn good_bye_is_told_with_its_code_and_answered() {
    let (said, heard) = mpsc::channel();
    let peer = Peer::websocket(None, move |mut socket| {
        socket.send(Theirs::text("last")).unwrap();
        socket.close(None).unwrap();
        let answered = loop {
            match socket.read() {
                Ok(_) => {}
                Err(error) => break matches!(error, tungstenite::Error::ConnectionClosed),
            }
        };
        said.send(answered).unwrap();
    });
    let mut client = Client::dial(&peer);
    let end = client.end();
    assert!(matches!(end, ConnectionError::Closed { code: None }), "{end:?}");
    client.flush_all();
    assert!(heard.recv().unwrap(), "our close reached the server");
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    let check = |bytes: &'static [u8], kind: ErrorKind, code: Option<u16>| {
        let peer = Peer::websocket(None, move |mut socket| {
            let _ = socket.get_mut().write_all(bytes);
            while socket.read().is_ok() {}
        });
        let error = Client::dial(&peer).end();
        assert_eq!((error.kind(), error.close_code()), (kind, code), "{error}");
    };
    check(b"\x81\x83abcdxyz", ErrorKind::WebSocket, Some(1002));
    check(b"\xC1\x00", ErrorKind::WebSocket, Some(1002));
    check(b"\x81\x02\xFF\xFE", ErrorKind::WebSocket, Some(1007));
    check(b"\x81\x7F\x00\x00\x00\x01\x00\x00\x00\x00", ErrorKind::WebSocket, Some(1009));
    check(b"\x82\x01b", ErrorKind::WebSocket, Some(1003));
}

#[test]
fn behind_a_full_socket_orders_wait_as_plain_frames_and_can_be_taken_back() {
    both_ways(|identity| {
        let (go, wait) = mpsc::channel::<()>();
        let (said, heard) = mpsc::channel();
        let peer = Peer::websocket(identity, move |mut socket| {
            wait.recv().unwrap();
            while let Some(text) = next_text(&mut socket) {
                if text.len() < 100 {
                    said.send(text).unwrap();
                }
            }
        });
        let mut client = Client::dial(&peer);
        let filler = "f".repeat(60_000);
        let mut blocked = 0;
        // A socket that is full once may still grow its buffer: full is what stays full.
        while blocked < 20 {
            if client.transmit.is_empty() {
                client.queue(FrameClass::Session, &filler);
            }
            match client.flush().unwrap() {
                Flushed::Blocked => {
                    blocked += 1;
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                Flushed::All => blocked = 0,
                Flushed::Gated => panic!("the gate is open"),
            }
        }
        client.queue(order(1), "order one");
        client.queue(cancel(9), "cancel nine");
        client.queue(order(2), "order two");
        let before = client.transmit.frames();
        assert_eq!(client.flush().unwrap(), Flushed::Blocked);
        assert_eq!(client.transmit.frames(), before, "nothing is sealed ahead");
        assert!(!client.connection.has_begun_order(&client.transmit));
        client.gate.engage();
        assert_eq!(client.transmit.purge_orders(|_| ()), 2);
        go.send(()).unwrap();
        client.flush_all();
        assert_eq!(heard.recv().unwrap(), "cancel nine");
        assert_eq!(client.sent, [9], "no byte of an order left");
    });
}

#[test]
fn a_closed_gate_stops_orders_and_lets_cancels_pass_once_they_are_purged() {
    both_ways(|identity| {
        let (said, heard) = mpsc::channel();
        let peer = Peer::websocket(identity, move |mut socket| {
            while let Some(text) = next_text(&mut socket) {
                said.send(text).unwrap();
            }
        });
        let mut client = Client::dial(&peer);
        let epoch = client.gate.engage();
        client.queue(FrameClass::Session, "subscribe");
        client.queue(order(1), "order");
        client.queue(cancel(2), "cancel");
        assert_eq!(client.flush().unwrap(), Flushed::Gated);
        assert_eq!(client.transmit.frames(), 2);
        assert_eq!(client.transmit.purge_orders(|id| assert_eq!(id.get(), 1)), 1);
        client.flush_all();
        assert!(client.gate.release(epoch));
        client.queue(order(3), "later order");
        client.flush_all();
        let texts: Vec<String> = heard.iter().take(3).collect();
        assert_eq!(texts, ["subscribe", "cancel", "later order"]);
    });
}

#[test]
fn an_order_half_written_at_a_kill_closes_its_connection() {
    both_ways(|identity| {
        let (go, wait) = mpsc::channel::<()>();
        let peer = Peer::websocket(identity, move |_socket| {
            let _ = wait.recv();
        });
        let mut client = Client::dial(&peer);
        let mut id = 0;
        let large = "o".repeat(60_000);
        patiently(|| {
            id += 1;
            if client.transmit.frames() < 3 {
                client.queue(order(id), &large);
            }
            client.flush().unwrap();
            client.connection.has_begun_order(&client.transmit).then_some(())
        });
        client.gate.engage();
        let written = client.counters.bytes_out.get();
        let error = client.flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Barrier);
        assert_eq!(client.counters.bytes_out.get(), written, "not one more byte");
        drop(go);
    });
}

#[test]
fn another_thread_can_shut_the_socket_down() {
    let peer = Peer::websocket(None, |mut socket| while socket.read().is_ok() {});
    let mut client = Client::dial(&peer);
    assert!(client.poll().unwrap().is_empty());
    let handle = client.connection.shutdown_handle().unwrap();
    std::thread::spawn(move || handle.shutdown(std::net::Shutdown::Both).unwrap()).join().unwrap();
    assert!(matches!(client.end(), ConnectionError::Ended | ConnectionError::Read(_)));
    client.queue(order(1), "too late");
    assert_eq!(client.flush().unwrap_err().kind(), ErrorKind::Write);
}
