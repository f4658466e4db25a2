//! What the tests of the sessions share: keys, and a session in a harness without sockets.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_signing::{Ed25519Key, HmacSha256Key};
use enigma_types::{InstallationPrefix, Nanos, Now, Report, SessionState, UnixNanos};

use crate::session::{
    AlertKind, Answer, CallRequest, Input, Method, Outbox, ReconnectReason, Session, VenueError,
};
use crate::signer::{BinanceSecret, BinanceSigner, Signer};
use crate::wire::websocket::{FrameClass, Transmit};

/// A session, what it signs with, and what it wanted done.
pub(in crate::binance) struct Harness<S> {
    pub(in crate::binance) session: S,
    pub(in crate::binance) signer: Signer,
    pub(in crate::binance) outbox: Outbox,
    pub(in crate::binance) now: Now,
    pub(in crate::binance) state: SessionState,
}

impl<S: Session> Harness<S> {
    pub(in crate::binance) fn new(session: S, signer: Signer) -> Self {
        let outbox = Outbox::new(Transmit::with_capacity(1 << 16, 512, 1));
        let wall = UnixNanos::from_millis(1_700_000_000_000);
        let now = Now { mono: Nanos::from_secs(1_000), wall, venue_offset_ns: 0 };
        Self { session, signer, outbox, now, state: SessionState::Down }
    }

    pub(in crate::binance) fn handle(&mut self, input: Input<'_>) -> Result<(), VenueError> {
        let result = self.session.handle(self.now, input, &mut self.signer, &mut self.outbox);
        self.state = self.outbox.state.take().unwrap_or(self.state);
        result
    }

    pub(in crate::binance) fn ok(&mut self, input: Input<'_>) {
        self.handle(input).unwrap();
    }

    pub(in crate::binance) fn frame(&mut self, text: &str) -> Result<(), VenueError> {
        self.handle(Input::Frame(&mut text.as_bytes().to_vec()))
    }

    /// Lets time pass, with a timer whenever the session asks for one.
    pub(in crate::binance) fn wait(&mut self, millis: u64) {
        let end = self.now.mono.plus(Nanos::from_millis(millis));
        while let Some(at) = self.session.next_deadline().filter(|&at| at <= end) {
            let step = at.since(self.now.mono);
            self.advance(step);
            self.ok(Input::Timer);
        }
        let step = end.since(self.now.mono);
        self.advance(step);
    }

    pub(in crate::binance) fn advance(&mut self, step: Nanos) {
        self.now.mono = self.now.mono.plus(step);
        self.now.wall.0 += step.0;
    }

    /// Takes the one call that waits, checks it, and answers it.
    #[track_caller]
    pub(in crate::binance) fn answer(&mut self, method: Method, target: &str, body: &str) {
        let call = self.take_call(method, target);
        self.ok(Input::Response { call: call.call, answer: http(200, body) });
    }

    #[track_caller]
    pub(in crate::binance) fn take_call(&mut self, method: Method, target: &str) -> CallRequest {
        let starts = |call: &CallRequest| call.target.starts_with(target) && call.method == method;
        let found = self.outbox.calls.iter().position(starts);
        let at = found.unwrap_or_else(|| panic!("no {target} in {:?}", self.outbox.calls));
        self.outbox.calls.remove(at)
    }

    /// The frames that wait, unmasked, and takes them away.
    pub(in crate::binance) fn sent(&mut self) -> Vec<(FrameClass, String)> {
        let mut frames = Vec::new();
        while let Some((class, bytes)) = self.outbox.transmit.front() {
            frames.push((class, unmasked(bytes)));
            self.outbox.transmit.consume_front();
        }
        frames
    }

    /// The text of the one frame that waits.
    #[track_caller]
    pub(in crate::binance) fn sent_one(&mut self) -> String {
        let mut frames = self.sent();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0).1
    }

    pub(in crate::binance) fn reports(&mut self) -> Vec<Report> {
        self.outbox.drain_reports().collect()
    }

    pub(in crate::binance) fn alerts(&mut self) -> Vec<AlertKind> {
        self.outbox.alerts.drain(..).map(|alert| alert.kind).collect()
    }

    pub(in crate::binance) fn reconnect(&mut self) -> Option<ReconnectReason> {
        self.outbox.reconnect.take()
    }
}

pub(in crate::binance) fn http(status: u16, body: &str) -> Answer<'_> {
    Answer::Http { status, retry_after_seconds: None, body: body.as_bytes() }
}

pub(in crate::binance) fn hmac() -> Signer {
    let secret = BinanceSecret::Hmac(HmacSha256Key::new(b"secret").unwrap());
    Signer::Binance(BinanceSigner { api_key: "key".into(), secret })
}

pub(in crate::binance) fn ed25519() -> Signer {
    let secret = BinanceSecret::Ed25519(Ed25519Key::from_seed(&[7; 32]).unwrap());
    Signer::Binance(BinanceSigner { api_key: "key".into(), secret })
}

/// The payload of a client's frame (RFC 6455 section 5.2).
fn unmasked(frame: &[u8]) -> String {
    let head = if frame[1] & 0x7F == 126 { 4 } else { 2 };
    let (mask, payload) = frame[head..].split_at(4);
    let bytes = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    String::from_utf8(bytes.collect()).unwrap()
}

pub(in crate::binance) fn prefix() -> InstallationPrefix {
    InstallationPrefix::from_number(0xdead_beef)
}

#[test]
fn rotations_are_spread_over_an_hour_before_the_venues_end() {
    let hours = |seed| super::rotation::rotation_at(Nanos::ZERO, seed).0 / 3_600_000_000;
    let all: Vec<u64> = (0..200).map(hours).collect();
    assert!(all.iter().all(|at| (22_500..23_500).contains(at)), "{all:?}");
    assert!(all.iter().max() > all.iter().min());
}
