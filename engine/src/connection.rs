//! One WebSocket connection over a non-blocking socket: bytes to messages, waiting frames to
//! writes.
//!
//! What waits to be sent waits as plain frames in the session's `Transmit`; a frame is sealed
//! only when the socket takes bytes, so that a kill can still take it back. It must not dial, and
//! must not know what a message means.

mod flush;
mod kill_gate;

use std::fmt;
use std::io::{self, Read};

use enigma_types::Nanos;
use enigma_venues::wire::websocket::{
    FrameClass, FrameReader, Message, Transmit, TransmitFull, WebSocketError,
};
use mio::net::TcpStream;

use crate::clock::Clock;
use crate::tls::{Opened, RECORD_BYTES_MAX, RustlsSession, TlsError, TlsSession};

pub use flush::{Flushed, Sent};
pub use kill_gate::{Epoch, KillGate};

/// A connection that has finished TLS and the WebSocket upgrade.
pub struct Connection {
    stream: TcpStream,
    security: Security,
    reader: FrameReader,
    received_at: Nanos,
    opened_at: Nanos,
    /// The last read filled less than it could, so that nothing is there until the next event.
    drained: bool,
    /// Records were received that the reader had no room for.
    unopened: bool,
    /// The class of the record that the socket took in part or not at all.
    sealed: Option<Sealed>,
    writable: bool,
    /// TLS records opened since they were last asked for.
    records_opened: u64,
}

/// How the bytes on the socket are protected.
pub enum Security {
    /// Not at all: only the embedded simulator is spoken to like this.
    Plain,
    Tls(Box<RustlsSession>),
}

/// A record that has been sealed and isn't on the socket whole.
#[derive(Clone, Copy, Debug)]
struct Sealed {
    class: FrameClass,
    /// The socket has taken a byte of it.
    begun: bool,
    /// It carries the first byte of its frame.
    first: bool,
}

/// What `receive` achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be messages.
    Bytes(usize),
    /// Nothing more is there before the next event of the socket.
    Idle,
}

/// A message of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A text; the buffer may be changed while it is decoded.
    Text(&'a mut [u8]),
    /// A ping, answered already, or a pong.
    Control,
    /// No whole message is there.
    Nothing,
}

/// Why a connection ended. Each of them ends it: its requests in flight become Unknown.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("reading failed: {0}")]
    Read(io::Error),
    #[error("writing failed: {0}")]
    Write(io::Error),
    /// Without a WebSocket close, maybe in the middle of a message.
    #[error("the server closed the connection")]
    Ended,
    #[error("the server said good-bye with code {}", code.unwrap_or(1005))]
    Closed { code: Option<u16> },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
    #[error("the server sent a binary message, and no venue of ours has any")]
    Binary,
    /// The peer pings without reading what we answer.
    #[error("no room for a control frame: {0}")]
    Full(#[from] TransmitFull),
    #[error("an order was written in part when the gate closed")]
    Barrier,
}

/// The error's name for a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    Read,
    Write,
    Ended,
    Closed,
    Tls,
    WebSocket,
    Full,
    Barrier,
}

impl Connection {
    /// Largest message that is accepted: a depth snapshot over the socket is about 100 kB.
    pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

    /// Takes over a socket whose upgrade is done. `leftover` came behind the server's answer.
    pub fn new(
        stream: std::net::TcpStream,
        security: Security,
        leftover: &[u8],
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut reader = FrameReader::with_capacity(Self::MESSAGE_BYTES_MAX);
        let room = reader.spare().get_mut(..leftover.len());
        let room = room.ok_or_else(|| io::Error::other("too much came behind the upgrade"))?;
        room.copy_from_slice(leftover);
        reader.filled(leftover.len());
        Ok(Self {
            stream: TcpStream::from_std(stream),
            security,
            reader,
            received_at: Nanos::ZERO,
            opened_at: Nanos::ZERO,
            drained: false,
            // Bytes may wait already, in the reader or in the session.
            unopened: true,
            records_opened: 0,
            sealed: None,
            writable: true,
        })
    }

    /// The socket, to be registered with a poll.
    pub fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// A second handle on the socket, for shutting it down from elsewhere.
    pub fn shutdown_handle(&self) -> io::Result<std::net::TcpStream> {
        use std::os::fd::AsFd;
        Ok(std::net::TcpStream::from(self.stream.as_fd().try_clone_to_owned()?))
    }

    /// When the bytes of the last message were read.
    #[inline]
    pub fn received_at(&self) -> Nanos {
        self.received_at
    }

    /// When they had been opened. Measured only when `receive` was told to sample.
    #[inline]
    pub fn opened_at(&self) -> Nanos {
        self.opened_at
    }

    /// The poll says that there is something to read, or that the peer has gone.
    pub fn set_readable(&mut self) {
        self.drained = false;
    }

    /// The poll says that the socket takes bytes again.
    pub fn set_writable(&mut self) {
        self.writable = true;
    }

    /// Whether `receive` may find something without waiting for the poll.
    #[inline]
    pub fn may_read(&self) -> bool {
        !self.drained || self.unopened
    }

    /// Reads once, and opens what that brought. To be called when `next_message` says `Nothing`.
    #[inline]
    pub fn receive(
        &mut self,
        clock: &mut Clock,
        sample: bool,
    ) -> Result<Progress, ConnectionError> {
        if self.unopened {
            self.unopened = false;
            self.received_at = clock.mono();
            let bytes = self.open_records()?;
            if sample {
                self.opened_at = clock.mono();
            }
            return Ok(Progress::Bytes(bytes));
        }
        if self.drained {
            return Ok(Progress::Idle);
        }
        let room = match &mut self.security {
            Security::Plain => self.reader.spare(),
            Security::Tls(session) => session.spare(),
        };
        let asked = room.len();
        let bytes = match self.stream.read(room) {
            Ok(0) if asked > 0 => return Err(ConnectionError::Ended),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.drained = true;
                return Ok(Progress::Idle);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Progress::Bytes(0));
            }
            Err(error) => return Err(ConnectionError::Read(error)),
        };
        self.received_at = clock.mono();
        // A stream socket that gave less than was asked for is empty (epoll(7), "Questions").
        self.drained = bytes < asked;
        match &mut self.security {
            Security::Plain => self.reader.filled(bytes),
            Security::Tls(session) => {
                session.filled(bytes);
                self.open_records()?;
            }
        }
        if sample {
            self.opened_at = clock.mono();
        }
        Ok(Progress::Bytes(bytes))
    }

    /// How many TLS records were opened since this was last called.
    #[inline]
    pub fn take_records_opened(&mut self) -> u64 {
        std::mem::take(&mut self.records_opened)
    }

    /// The next message. Pings are answered through `transmit`.
    #[inline]
    pub fn next_message(
        &mut self,
        transmit: &mut Transmit,
    ) -> Result<Received<'_>, ConnectionError> {
        match self.reader.next()? {
            Some(Message::Text(text)) => Ok(Received::Text(text)),
            None => Ok(Received::Nothing),
            Some(Message::Ping(payload)) => {
                transmit.pong(payload)?;
                Ok(Received::Control)
            }
            Some(Message::Pong(_)) => Ok(Received::Control),
            Some(Message::Binary(_)) => Err(ConnectionError::Binary),
            Some(Message::Close { code, .. }) => {
                // The answer that RFC 6455 section 5.5.1 wants; if it can't leave, so be it.
                let _ = transmit.close(1000, "");
                Err(ConnectionError::Closed { code })
            }
        }
    }

    /// Opens records while the reader has room for a whole one.
    fn open_records(&mut self) -> Result<usize, ConnectionError> {
        let Security::Tls(session) = &mut self.security else { return Ok(0) };
        let mut total = 0;
        loop {
            let room = self.reader.spare();
            if room.len() < RECORD_BYTES_MAX {
                self.unopened = true;
                return Ok(total);
            }
            match session.open(room)? {
                Opened::Bytes(bytes) => {
                    self.records_opened += 1;
                    self.reader.filled(bytes);
                    total += bytes;
                }
                Opened::Dry => return Ok(total),
                // What came before is still to be read: the end shows at the next call.
                Opened::Closed if total > 0 => {
                    self.unopened = true;
                    return Ok(total);
                }
                Opened::Closed => return Err(ConnectionError::Ended),
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("stream", &self.stream)
            .field("reader", &self.reader)
            .field("sealed", &self.sealed)
            .field("writable", &self.writable)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}

impl ConnectionError {
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(_) => ErrorKind::Read,
            Self::Write(_) => ErrorKind::Write,
            Self::Ended => ErrorKind::Ended,
            Self::Closed { .. } => ErrorKind::Closed,
            Self::Tls(_) => ErrorKind::Tls,
            Self::WebSocket(_) | Self::Binary => ErrorKind::WebSocket,
            Self::Full(_) => ErrorKind::Full,
            Self::Barrier => ErrorKind::Barrier,
        }
    }

    /// The code to say good-bye with, where there is something to say.
    pub const fn close_code(&self) -> Option<u16> {
        match self {
            Self::WebSocket(error) => Some(error.close_code()),
            Self::Binary => Some(1003),
            Self::Read(_)
            | Self::Write(_)
            | Self::Ended
            | Self::Closed { .. }
            | Self::Tls(_)
            | Self::Full(_)
            | Self::Barrier => None,
        }
    }
}

impl ErrorKind {
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::Ended,
        Self::Closed,
        Self::Tls,
        Self::WebSocket,
        Self::Full,
        Self::Barrier,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ended => "ended",
            Self::Closed => "closed",
            Self::Tls => "tls",
            Self::WebSocket => "websocket",
            Self::Full => "full",
            Self::Barrier => "barrier",
        }
    }
}

#[cfg(test)]
mod tests;
