//! The contract of every venue session: bytes and requests in, bytes, requests and reports out.
//!
//! A session is the state machine of ONE connection. The gateway opens a new one for each dial, so
//! that bytes of an older connection can never reach it, and for a rotation runs the new one beside
//! the old until the new one is ready. Time, randomness, buffers and signers are arguments; a
//! session touches no socket, file, thread or clock.

use core::fmt;

use arrayvec::{ArrayString, ArrayVec};
use enigma_types::{
    AccountId, BookTop, CancelRequest, ClientOrderId, InstrumentId, Nanos, NotSentCause, Now,
    OrderRequest, Query, ReplaceRequest, Report, RequestKind, SessionState, Trade,
};

use crate::signer::Signer;
use crate::wire::websocket::Transmit;

/// Which connection bytes belong to: a place in the gateway and how often it was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub slot: u16,
    pub generation: u32,
}

/// What happened to a session.
#[derive(Debug)]
pub enum Input<'a> {
    /// The gateway has made room for the session; it asks for its dial or what comes before it.
    Start,
    /// The WebSocket upgrade succeeded.
    Connected,
    /// One whole text message. The buffer may be changed while it is decoded.
    Frame(&'a mut [u8]),
    /// The answer to a `CallRequest` of this session.
    Response {
        call: CallId,
        answer: Answer<'a>,
    },
    Submit(&'a OrderRequest),
    Cancel(&'a CancelRequest),
    Replace(&'a ReplaceRequest),
    Query(&'a Query),
    /// This request was taken back before a byte of it had left: by the kill or pause barrier, or
    /// because its connection has ended.
    Purged {
        client_order_id: ClientOrderId,
        cause: NotSentCause,
    },
    /// `next_deadline` has passed.
    Timer,
    /// The connection is gone. Requests in flight are reported Unknown.
    Disconnected,
}

/// A session's name for one of its HTTP calls, unique within the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub u32);

/// How an HTTP call ended.
#[derive(Debug)]
pub enum Answer<'a> {
    Http {
        status: u16,
        retry_after_seconds: Option<u32>,
        body: &'a [u8],
    },
    /// Certainly not sent: name look-up, connect or TLS failed.
    NotSent,
    /// Sent in whole or in part, and no readable answer came.
    Lost,
}

/// Path and query of a call, held in place: calls are composed on the pinned thread, which doesn't
/// allocate. The longest signed one has about 500 bytes.
pub type CallTarget = ArrayString<640>;

/// An API key's public name, held in place.
pub type KeyName = ArrayString<128>;

/// An HTTP call that the connector makes for a session. Its `Debug` shows neither query nor key.
pub struct CallRequest {
    pub call: CallId,
    pub method: Method,
    /// Path and query, signed already where the venue wants it.
    pub target: CallTarget,
    /// A header that carries the API key's name, if the call has one: name and value.
    pub header: Option<(&'static str, KeyName)>,
    pub timeout: Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// Where a session wants its WebSocket: one of the venue's hosts, and the path on it. Its `Debug`
/// doesn't show the path: it may hold a listen key.
#[derive(Clone, PartialEq, Eq)]
pub struct Dial {
    pub host: HostRole,
    pub path: String,
}

/// A venue's hosts by what they serve; settings give each one's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostRole {
    Rest,
    PublicStream,
    MarketStream,
    PrivateStream,
    OrderEntry,
}

/// Why a session wants its connection replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReconnectReason {
    /// Nothing came for longer than the stream may be silent.
    Stale,
    /// The venue announced its end, or its life time is nearly over: make before break.
    Rotation,
    /// A sequence gap that a new snapshot on this connection can't mend.
    Gap,
    /// A message that breaks the protocol.
    Protocol,
    /// Log-on or subscription refused or unanswered.
    Refused,
    /// The listen key is gone.
    StreamExpired,
    /// Reports overflowed the outbox: only a new session and reconciliation can tell the truth.
    Overflow,
}

/// What a session wants done, in the caller's buffers. The caller empties it after each `handle`.
#[derive(Debug)]
pub struct Outbox {
    /// Outgoing WebSocket frames, plain; the connection owns their order and their fate.
    pub transmit: Transmit,
    pub calls: ArrayVec<CallRequest, 8>,
    pub dial: Option<Dial>,
    pub reconnect: Option<ReconnectReason>,
    /// The session's state after this input, if it changed.
    pub state: Option<SessionState>,
    /// Instruments whose top of book changed.
    pub books: InstrumentSet,
    pub trades: ArrayVec<Trade, 64>,
    pub alerts: ArrayVec<Alert, 8>,
    reports: Vec<Report>,
    overflowed: bool,
}

/// Something an operator or a counter should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    pub detail: ArrayString<96>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertKind {
    UnknownMessage,
    UnreadableMessage,
    SequenceGap,
    CrossedBook,
    /// The hand decoder gave way to the order-independent one.
    DecodeFallback,
    Authentication,
    RateLimited,
    VenueError,
    BookTruncated,
    /// A stream of an instrument says nothing, while others do.
    StreamSilent,
    ClockOffset {
        offset_ns: i64,
        uncertainty_ns: u64,
    },
}

/// A set of instruments as a bitmap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentSet {
    words: [u64; 8],
}

/// What went wrong inside a session, and whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VenueError {
    #[error("the venue sent what can't be read: {0}")]
    Unreadable(#[from] crate::wire::json::DecodeError),
    #[error("the venue's message makes no sense: {0}")]
    Nonsense(&'static str),
    #[error("the venue broke its protocol: {0}")]
    Protocol(&'static str),
    #[error("a call that the gateway should not have made: {0}")]
    Misuse(&'static str),
}

/// What the caller does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Count it and go on.
    Continue,
    /// Replace the connection and reconcile.
    Reconnect,
}

/// One venue session, whatever the venue.
pub trait Session {
    fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        signer: &mut Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError>;

    /// When `Input::Timer` is due, on the monotonic clock.
    fn next_deadline(&self) -> Option<Nanos>;

    /// The top of an instrument's book; `None` unless it is in step with the venue.
    fn book(&self, _instrument: InstrumentId) -> Option<&BookTop> {
        None
    }

    /// Requests handed over and not yet answered.
    fn in_flight(&self) -> usize {
        0
    }

    /// The account whose requests and reports this session carries.
    fn account(&self) -> AccountId {
        AccountId(0)
    }
}

impl Outbox {
    /// Most reports that one input may cause: a page of a venue's order or fill history.
    pub const REPORTS: usize = 2_048;

    pub fn new(transmit: Transmit) -> Self {
        Self {
            transmit,
            calls: ArrayVec::new(),
            dial: None,
            reconnect: None,
            state: None,
            books: InstrumentSet::default(),
            trades: ArrayVec::new(),
            alerts: ArrayVec::new(),
            reports: Vec::with_capacity(Self::REPORTS),
            overflowed: false,
        }
    }

    /// Adds a report. When there is no room the session must be replaced: nothing is dropped
    /// silently, `reconnect` is set to `Overflow` and reconciliation tells what was missed.
    pub fn report(&mut self, report: Report) {
        if self.reports.len() == Self::REPORTS {
            self.overflowed = true;
            self.reconnect = Some(ReconnectReason::Overflow);
        } else {
            self.reports.push(report);
        }
    }

    /// Reports that a request never left.
    pub fn not_sent(&mut self, request: RequestKind, of: &OrderKey, cause: NotSentCause, now: Now) {
        let outcome = enigma_types::Outcome::NotSent(request, cause);
        self.report(of.report(outcome, now));
    }

    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// Takes the reports out, keeping the buffer.
    pub fn drain_reports(&mut self) -> impl Iterator<Item = Report> + '_ {
        self.reports.drain(..)
    }

    /// Adds a call; `false` when the outbox holds as many as it can.
    #[must_use]
    pub fn call(&mut self, request: CallRequest) -> bool {
        self.calls.try_push(request).is_ok()
    }

    pub fn alert(&mut self, kind: AlertKind, detail: &str) {
        let mut text = ArrayString::new();
        for character in detail.chars() {
            if text.try_push(character).is_err() {
                break;
            }
        }
        // When eight alerts wait already, the ninth says nothing new to a person.
        let _ = self.alerts.try_push(Alert { kind, detail: text });
    }
}

/// Which of our orders a report speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderKey {
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub client_order_id: ClientOrderId,
}

impl OrderKey {
    pub fn report(&self, outcome: enigma_types::Outcome, now: Now) -> Report {
        Report::Execution(enigma_types::ExecutionReport {
            account: self.account,
            instrument: self.instrument,
            order: enigma_types::OrderReference::Ours(self.client_order_id),
            venue_order_id: enigma_types::VenueOrderId::default(),
            outcome,
            venue_time: now.venue_time(),
            received_at: now.mono,
        })
    }
}

impl InstrumentSet {
    pub fn insert(&mut self, instrument: InstrumentId) {
        if let Some(word) = self.words.get_mut(usize::from(instrument.0 >> 6)) {
            *word |= 1 << (instrument.0 & 63);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// Takes the lowest instrument out of the set.
    pub fn pop(&mut self) -> Option<InstrumentId> {
        for (place, word) in self.words.iter_mut().enumerate() {
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                return Some(InstrumentId((place as u16) << 6 | bit as u16));
            }
        }
        None
    }
}

impl fmt::Debug for CallRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{:?}: {} {path}", self.call, self.method.name())
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("host", &self.host).finish_non_exhaustive()
    }
}

impl VenueError {
    pub const fn recovery(&self) -> Recovery {
        match self {
            Self::Unreadable(_) | Self::Nonsense(_) | Self::Misuse(_) => Recovery::Continue,
            Self::Protocol(_) => Recovery::Reconnect,
        }
    }
}

impl AlertKind {
    /// Each kind once; a clock offset with no value.
    pub const ALL: [Self; 11] = [
        Self::UnknownMessage,
        Self::UnreadableMessage,
        Self::SequenceGap,
        Self::CrossedBook,
        Self::DecodeFallback,
        Self::Authentication,
        Self::RateLimited,
        Self::VenueError,
        Self::BookTruncated,
        Self::StreamSilent,
        Self::ClockOffset { offset_ns: 0, uncertainty_ns: 0 },
    ];

    /// The kind's place in `ALL`, whatever it carries.
    pub const fn place(self) -> usize {
        match self {
            Self::UnknownMessage => 0,
            Self::UnreadableMessage => 1,
            Self::SequenceGap => 2,
            Self::CrossedBook => 3,
            Self::DecodeFallback => 4,
            Self::Authentication => 5,
            Self::RateLimited => 6,
            Self::VenueError => 7,
            Self::BookTruncated => 8,
            Self::StreamSilent => 9,
            Self::ClockOffset { .. } => 10,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownMessage => "unknown_message",
            Self::UnreadableMessage => "unreadable_message",
            Self::SequenceGap => "sequence_gap",
            Self::CrossedBook => "crossed_book",
            Self::DecodeFallback => "decode_fallback",
            Self::Authentication => "authentication",
            Self::RateLimited => "rate_limited",
            Self::VenueError => "venue_error",
            Self::BookTruncated => "book_truncated",
            Self::StreamSilent => "stream_silent",
            Self::ClockOffset { .. } => "clock_offset",
        }
    }
}

impl ReconnectReason {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Rotation => "rotation",
            Self::Gap => "gap",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::StreamExpired => "stream_expired",
            Self::Overflow => "overflow",
        }
    }
}

impl Method {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}
