//! The connector against servers on the loopback interface that behave badly in every way.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use enigma_types::Nanos;
use enigma_venues::session::{CallTarget, KeyName, Method};
use enigma_venues::wire::websocket::HandshakeError;

use super::*;
use crate::loopback::{Identity, Peer, ServerStream, dial};
use crate::tls::TlsError;

fn request(method: Method, timeout_ms: u64) -> CallRequest {
    CallRequest {
        call: CallId(1),
        method,
        target: CallTarget::from("/fapi/v1/order?symbol=BTCUSDT&signature=5ec2e7").unwrap(),
        header: Some(("X-MBX-APIKEY", KeyName::from("a key").unwrap())),
        timeout: Nanos::from_millis(timeout_ms),
    }
}

/// Reads one request's head; `None` when the client has hung up.
fn read_head(stream: &mut ServerStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) | Err(_) => return None,
        }
    }
    Some(String::from_utf8(head).unwrap())
}

fn say(stream: &mut ServerStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

/// A server that answers each connection's requests with `answer`, then hangs up.
fn answering(identity: Option<Identity>, answer: &'static str) -> Peer {
    Peer::start(identity, move |mut stream| {
        if read_head(&mut stream).is_some() {
            say(&mut stream, answer);
        }
    })
}

fn http(status: u16, body: &str) -> OwnedAnswer {
    OwnedAnswer::Http { status, retry_after_seconds: None, body: body.as_bytes().to_vec() }
}

/// A host whose port nobody listens on.
fn nobody() -> Arc<Host> {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address =
        HostAddress { host: "127.0.0.1".to_owned(), port, tls: false, base_path: String::new() };
    Arc::new(Host { address, trust: Identity::new().trust() })
}

#[track_caller]
fn check_upgrade_refused(answer: &'static str, expected: &HandshakeError) {
    let error = answering(None, answer).dial().unwrap_err();
    assert!(matches!(&error, DialError::Upgrade(error) if error == expected), "{error:?}");
}

#[test]
fn a_refused_upgrade_tells_status_wait_and_first_words() {
    let page = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>bad gateway";
    let error = answering(None, page).dial().unwrap_err();
    assert!(error.to_string().contains("502") && error.to_string().contains("<html>"), "{error}");
    assert_eq!(error.retry_after_seconds(), None);
    let busy = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\n\r\n";
    assert_eq!(answering(None, busy).dial().unwrap_err().retry_after_seconds(), Some(17));
    check_upgrade_refused("SSH-2.0-OpenSSH_9.2\r\n", &HandshakeError::NotHttp);
    let wrong = "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: AAAA\r\n\r\n";
    check_upgrade_refused(wrong, &HandshakeError::WrongAccept);
}

#[test]
fn base_path_and_port_stand_in_the_upgrade() {
    let (said, heard) = std::sync::mpsc::channel();
    let peer = Peer::start(None, move |mut stream| {
        said.send(read_head(&mut stream).unwrap()).unwrap();
    });
    let mut address = peer.host.address.clone();
    address.base_path = "/public".to_owned();
    let host = Arc::new(Host { address, trust: peer.host.trust.clone() });
    let error = dial(&host, "/stream?streams=a", Duration::from_secs(20)).unwrap_err();
    assert!(matches!(error, DialError::Ended), "{error:?}");
    let head = heard.recv().unwrap();
    assert!(head.starts_with("GET /public/stream?streams=a HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nHost: localhost:{}\r\n", host.address.port)), "{head}");
}

#[test]
fn a_certificate_that_does_not_verify_ends_the_dial() {
    let peer = Peer::websocket(Some(Identity::new()), |_socket| ());
    let host = Host { address: peer.host.address.clone(), trust: Identity::new().trust() };
    let error = dial(&Arc::new(host), "/ws", Duration::from_secs(20)).unwrap_err();
    assert!(matches!(error, DialError::Tls(TlsError::Certificate(_))), "{error:?}");
}

#[test]
fn plain_text_where_tls_is_expected_ends_the_dial() {
    let peer = answering(None, "HTTP/1.1 400 Bad Request\r\n\r\n");
    let mut address = peer.host.address.clone();
    address.tls = true;
    let host = Arc::new(Host { address, trust: peer.host.trust.clone() });
    let error = dial(&host, "/ws", Duration::from_millis(500)).unwrap_err();
    assert!(
        matches!(error, DialError::Tls(_) | DialError::TimedOut | DialError::Ended),
        "{error:?}"
    );
}

#[test]
fn a_server_that_hangs_is_given_up_at_the_deadline() {
    for identity in [None, Some(Identity::new())] {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let peer = Peer::start(identity, move |_stream| {
            let _ = wait.recv();
        });
        let error = dial(&peer.host, "/ws", Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, DialError::TimedOut), "{error:?}");
        drop(go);
    }
}

#[test]
fn a_port_without_a_server_and_a_name_without_an_address_say_so() {
    let error = dial(&nobody(), "/ws?listenKey=5ec2e7", Duration::from_secs(20)).unwrap_err();
    assert!(matches!(error, DialError::Connect { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("5ec2e7"), "no path in errors");
    let mut address = nobody().address.clone();
    // A label above 63 letters is no name, which is known without asking anybody.
    address.host = "a".repeat(64);
    let host = Arc::new(Host { address, trust: Identity::new().trust() });
    let error = dial(&host, "/ws", Duration::from_secs(20)).unwrap_err();
    assert!(matches!(error, DialError::Resolve { .. }), "{error:?}");
}

#[test]
fn a_call_is_answered_over_a_link_that_stays() {
    for identity in [None, Some(Identity::new())] {
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let peer = Peer::start(identity, move |mut stream| {
            counted.fetch_add(1, Ordering::Relaxed);
            while let Some(head) = read_head(&mut stream) {
                assert!(head.contains("\r\nX-MBX-APIKEY: a key\r\n"), "{head}");
                assert!(head.starts_with("GET /fapi/v1/order?symbol=BTCUSDT&signature="));
                say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
            }
        });
        let connector = Connector::start().unwrap();
        for _ in 0..3 {
            let answer = connector.call(&peer.host, request(Method::Get, 20_000));
            assert_eq!(answer, http(200, "{}"));
        }
        drop(connector);
        assert_eq!(connections.load(Ordering::Relaxed), 1);
        // The link is closed with the last thread, so that the peer's script ends.
    }
}

#[test]
fn errors_of_the_venue_are_answers() {
    let connector = Connector::start().unwrap();
    let call = |answer| {
        let peer = answering(None, answer);
        connector.call(&peer.host, request(Method::Post, 20_000))
    };
    let html = "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n<html>";
    assert_eq!(call(html), http(502, "<html>"));
    let banned = "HTTP/1.1 418 x\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        call(banned),
        OwnedAnswer::Http { status: 418, retry_after_seconds: Some(60), body: Vec::new() }
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n";
    assert_eq!(call(chunked), http(200, "[]"));
}

#[test]
fn not_sent_is_said_only_when_no_byte_was_written() {
    let connector = Connector::start().unwrap();
    let post = || request(Method::Post, 20_000);
    assert_eq!(connector.call(&nobody(), post()), OwnedAnswer::NotSent);
    let peer = answering(Some(Identity::new()), "");
    let host = Host { address: peer.host.address.clone(), trust: Identity::new().trust() };
    assert_eq!(connector.call(&Arc::new(host), post()), OwnedAnswer::NotSent);
    let mut smuggling = post();
    smuggling.target = CallTarget::from("/a HTTP/1.1\r\nX: y").unwrap();
    assert_eq!(connector.call(&nobody(), smuggling), OwnedAnswer::NotSent);
}

#[test]
fn what_was_written_and_not_answered_is_lost() {
    let connector = Connector::start().unwrap();
    let call = |answer, timeout_ms| {
        let peer = answering(None, answer);
        connector.call(&peer.host, request(Method::Post, timeout_ms))
    };
    assert_eq!(call("", 20_000), OwnedAnswer::Lost);
    assert_eq!(
        call("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"ord", 20_000),
        OwnedAnswer::Lost
    );
    assert_eq!(
        call("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n", 20_000),
        OwnedAnswer::Lost
    );
    assert_eq!(call("no HTTP at all\r\n\r\n", 20_000), OwnedAnswer::Lost);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hanging = Peer::start(None, move |mut stream| {
        read_head(&mut stream);
        let _ = wait.recv();
    });
    let answer = connector.call(&hanging.host, request(Method::Post, 200));
    assert_eq!(answer, OwnedAnswer::Lost);
    drop(go);
}

#[test]
fn a_question_is_asked_again_when_the_kept_link_died_and_an_order_is_not() {
    // The first connection answers once, then takes the next request and hangs up on it.
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let peer = Peer::start(None, move |mut stream| {
        while read_head(&mut stream).is_some() {
            if counted.fetch_add(1, Ordering::Relaxed) % 3 == 1 {
                return;
            }
            say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        }
    });
    let connector = Connector::start().unwrap();
    let call = |method| connector.call(&peer.host, request(method, 20_000));
    assert_eq!(call(Method::Get), http(200, "{}"));
    assert_eq!(call(Method::Get), http(200, "{}"), "asked again on a fresh link");
    assert_eq!(seen.load(Ordering::Relaxed), 3);
    assert_eq!(call(Method::Post), http(200, "{}"));
    assert_eq!(call(Method::Post), OwnedAnswer::Lost, "an order is never sent twice");
    assert_eq!(seen.load(Ordering::Relaxed), 5);
    drop(connector);
}

#[test]
fn a_port_takes_only_as_many_jobs_as_it_can_answer() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let peer = Peer::start(None, move |_stream| {
        let _ = wait.recv();
    });
    let connector = Connector::start().unwrap();
    let mut port = connector.port();
    let id = ConnectionId { slot: 0, generation: 1 };
    for _ in 0..Connector::OUTSTANDING {
        port.call(id, &peer.host, request(Method::Get, 100)).unwrap();
    }
    assert_eq!(port.call(id, &peer.host, request(Method::Get, 100)), Err(ConnectorBusy));
    assert_eq!((port.outstanding(), port.refused()), (Connector::OUTSTANDING, 1));
    let mut answered = 0;
    crate::loopback::patiently(|| {
        while port.next_outcome().is_some() {
            answered += 1;
        }
        (answered == Connector::OUTSTANDING).then_some(())
    });
    assert!(port.call(id, &peer.host, request(Method::Get, 100)).is_ok());
    drop(go);
}
