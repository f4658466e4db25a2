//! The TLS session against rustls' own server, in memory.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::ServerConnection;

use super::*;
use crate::loopback::Identity;

struct Pair {
    client: RustlsSession,
    server: ServerConnection,
}

impl Pair {
    fn new(identity: &Identity) -> Self {
        Self {
            client: RustlsSession::new(&identity.trust(), "localhost").unwrap(),
            server: ServerConnection::new(Arc::clone(&identity.config)).unwrap(),
        }
    }

    fn connected() -> Self {
        let mut pair = Self::new(&Identity::new());
        while pair.client.is_handshaking() || pair.server.is_handshaking() {
            pair.exchange().unwrap();
        }
        // The tickets that the server sends after the handshake.
        pair.exchange().unwrap();
        pair
    }

    fn exchange(&mut self) -> Result<(), TlsError> {
        let mut room = vec![0; RECORD_BYTES_MAX];
        let opened = self.client.open(&mut room)?;
        assert_eq!(opened, Opened::Dry);
        self.deliver();
        let bytes = self.fetch();
        self.feed(&bytes);
        self.client.open(&mut room).map(|opened| assert_eq!(opened, Opened::Dry))
    }

    fn deliver(&mut self) {
        let mut outgoing = self.client.outgoing();
        let bytes = outgoing.len();
        while !outgoing.is_empty() {
            self.server.read_tls(&mut outgoing).unwrap();
            let _ = self.server.process_new_packets();
        }
        self.client.sent(bytes);
    }

    fn fetch(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.client.spare()[..bytes.len()].copy_from_slice(bytes);
        self.client.filled(bytes.len());
    }

    fn say(&mut self, text: &[u8]) -> Vec<u8> {
        self.server.writer().write_all(text).unwrap();
        self.fetch()
    }

    fn hear(&mut self) -> Vec<u8> {
        let mut heard = vec![0; RECORD_BYTES_MAX];
        let bytes = self.server.reader().read(&mut heard).unwrap();
        heard.truncate(bytes);
        heard
    }

    #[track_caller]
    fn check_opens(&mut self, expected: &[u8]) {
        let mut room = vec![0; RECORD_BYTES_MAX];
        let opened = self.client.open(&mut room).unwrap();
        assert_eq!(opened, Opened::Bytes(expected.len()));
        assert_eq!(&room[..expected.len()], expected);
    }

    #[track_caller]
    fn check_dry(&mut self) {
        let mut room = vec![0; RECORD_BYTES_MAX];
        assert_eq!(self.client.open(&mut room).unwrap(), Opened::Dry);
    }
}

#[test]
fn what_is_sealed_is_read_and_what_is_read_was_sealed() {
    let mut pair = Pair::connected();
    pair.client.seal(b"order").unwrap();
    pair.deliver();
    assert_eq!(pair.hear(), b"order");
    let bytes = pair.say(b"filled");
    pair.feed(&bytes);
    pair.check_opens(b"filled");
    pair.check_dry();
}

#[test]
fn aes_128_is_agreed_on() {
    let pair = Pair::connected();
    let suite = pair.server.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
}

#[test]
fn records_that_come_together_are_opened_one_by_one_with_seals_between() {
    let mut pair = Pair::connected();
    let mut bytes = pair.say(b"one");
    bytes.extend(pair.say(b"two"));
    bytes.extend(pair.say(b"three"));
    pair.feed(&bytes);
    for text in [&b"one"[..], b"two", b"three"] {
        pair.check_opens(text);
        pair.client.seal(text).unwrap();
        pair.deliver();
        assert_eq!(pair.hear(), text);
    }
    pair.check_dry();
}

#[test]
fn a_record_may_come_in_any_pieces() {
    let mut pair = Pair::connected();
    let bytes = pair.say(b"a tick in pieces");
    for (at, byte) in bytes.iter().enumerate() {
        pair.check_dry();
        pair.client.seal(&[at as u8]).unwrap();
        pair.feed(&[*byte]);
    }
    pair.check_opens(b"a tick in pieces");
    pair.deliver();
    assert_eq!(pair.hear(), (0..bytes.len() as u8).collect::<Vec<u8>>());
}

#[test]
fn the_largest_record_fits_both_ways() {
    let mut pair = Pair::connected();
    let text: Vec<u8> = (0..RECORD_BYTES_MAX).map(|at| at as u8).collect();
    for _ in 0..20 {
        pair.client.seal(&text).unwrap();
        pair.deliver();
        assert_eq!(pair.hear(), text);
        let bytes = pair.say(&text);
        pair.feed(&bytes);
        pair.check_opens(&text);
    }
}

#[test]
fn new_keys_of_the_server_are_followed() {
    let mut pair = Pair::connected();
    pair.server.refresh_traffic_keys().unwrap();
    let mut bytes = pair.fetch();
    bytes.extend(pair.say(b"under new keys"));
    pair.feed(&bytes);
    pair.check_opens(b"under new keys");
    pair.client.seal(b"understood").unwrap();
    pair.deliver();
    assert_eq!(pair.hear(), b"understood");
}

#[test]
fn a_server_that_says_it_is_done_is_heard() {
    let mut pair = Pair::connected();
    let mut bytes = pair.say(b"last words");
    pair.server.send_close_notify();
    bytes.extend(pair.fetch());
    pair.feed(&bytes);
    pair.check_opens(b"last words");
    let mut room = vec![0; RECORD_BYTES_MAX];
    assert_eq!(pair.client.open(&mut room), Ok(Opened::Closed));
    assert_eq!(pair.client.open(&mut room), Ok(Opened::Closed));
}

#[test]
fn a_certificate_of_somebody_else_is_refused() {
    let mut pair = Pair::new(&Identity::new());
    pair.client = RustlsSession::new(&Identity::new().trust(), "localhost").unwrap();
    let error = loop {
        if let Err(error) = pair.exchange() {
            break error;
        }
    };
    assert!(matches!(error, TlsError::Certificate(_)), "{error}");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let identity = Identity::new();
    let mut pair = Pair::new(&identity);
    pair.client = RustlsSession::new(&identity.trust(), "example.com").unwrap();
    let error = loop {
        if let Err(error) = pair.exchange() {
            break error;
        }
    };
    assert!(matches!(error, TlsError::Certificate(_)), "{error}");
}

#[test]
fn a_changed_byte_ends_the_connection() {
    let mut pair = Pair::connected();
    let mut bytes = pair.say(b"a fill");
    *bytes.last_mut().unwrap() ^= 1;
    pair.feed(&bytes);
    let mut room = vec![0; RECORD_BYTES_MAX];
    let error = pair.client.open(&mut room).unwrap_err();
    assert_eq!(error, TlsError::Protocol(rustls::Error::DecryptError));
}

#[test]
fn roots_that_are_none_are_refused() {
    let refused = |pem: &str| TlsTrust::new(&Trust::Pem(pem.to_owned())).unwrap_err();
    assert!(matches!(refused(""), TlsError::BadRoots(_)));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(refused(broken), TlsError::BadRoots(_)));
}
