//! From a host's name to a WebSocket that is ready for frames.

use std::io;
use std::time::{Duration, Instant};

use enigma_venues::wire::websocket::{
    HandshakeError, client_handshake_request, verify_handshake_response,
};

use super::Host;
use super::link::{Link, LinkError};
use crate::connection::Connection;
use crate::tls::TlsError;

/// Why a dial failed. Never says the path: it may hold a listen key.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("no address is known for {host}: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("{host} port {port} can't be reached: {source}")]
    Connect { host: String, port: u16, source: io::Error },
    #[error(transparent)]
    Tls(TlsError),
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection failed: {0}")]
    Io(io::Error),
    #[error("the server closed the connection during the upgrade")]
    Ended,
    #[error(transparent)]
    Upgrade(#[from] HandshakeError),
    #[error("the system gives no randomness")]
    Randomness,
}

impl DialError {
    /// The wait that the server asked for, in seconds.
    pub const fn retry_after_seconds(&self) -> Option<u32> {
        match self.refusal() {
            Some((_, retry_after_seconds)) => retry_after_seconds,
            None => None,
        }
    }

    /// The status of a refused upgrade, and the wait that came with it.
    pub const fn refusal(&self) -> Option<(u16, Option<u32>)> {
        match self {
            Self::Upgrade(HandshakeError::Refused { status, retry_after_seconds, .. }) => {
                Some((*status, *retry_after_seconds))
            }
            Self::Upgrade(
                HandshakeError::BadRequest(_)
                | HandshakeError::NotHttp
                | HandshakeError::TooLarge
                | HandshakeError::Missing(_)
                | HandshakeError::WrongAccept
                | HandshakeError::Unasked,
            )
            | Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Tls(_)
            | Self::TimedOut
            | Self::Io(_)
            | Self::Ended
            | Self::Randomness => None,
        }
    }
}

impl From<LinkError> for DialError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Resolve { host, source } => Self::Resolve { host, source },
            LinkError::Connect { host, port, source } => Self::Connect { host, port, source },
            LinkError::Tls(error) => Self::Tls(error),
            LinkError::TimedOut => Self::TimedOut,
            LinkError::Io(error) => Self::Io(error),
            LinkError::Ended => Self::Ended,
        }
    }
}

/// Dials, and upgrades to a WebSocket.
pub(super) fn dial(host: &Host, path: &str, deadline: Instant) -> Result<Connection, DialError> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|_| DialError::Randomness)?;
    let mut request = Vec::new();
    let path = format!("{}{path}", host.address.base_path);
    let headers = [("User-Agent", USER_AGENT)];
    client_handshake_request(&host.header(), &path, key, &headers, &mut request)?;
    let mut link = Link::connect(host, deadline)?;
    link.write_all(&request, deadline)?;
    let mut received = Vec::new();
    loop {
        received.extend_from_slice(link.read(deadline)?);
        match verify_handshake_response(&received, &key) {
            Ok(None) => {}
            Ok(Some(head)) => {
                let leftover = received.get(head..).unwrap_or_default();
                let (stream, security) = link.into_parts();
                return Connection::new(stream, security, leftover).map_err(DialError::Io);
            }
            Err(HandshakeError::Refused { body, .. }) if body.is_empty() => {
                // The refusal stands already. Its first words, in a packet of their own, help a
                // person; they aren't waited for long.
                let soon = deadline.min(Instant::now() + BODY_PATIENCE);
                received.extend_from_slice(link.read(soon).unwrap_or_default());
                verify_handshake_response(&received, &key)?;
                return Err(DialError::Ended);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Host {
    /// The `Host` header: with the port where it isn't the scheme's own.
    pub(super) fn header(&self) -> String {
        let address = &self.address;
        let usual = if address.tls { 443 } else { 80 };
        if address.port == usual {
            address.host.clone()
        } else {
            format!("{}:{}", address.host, address.port)
        }
    }
}

pub(super) const USER_AGENT: &str = concat!("enigma/", env!("CARGO_PKG_VERSION"));
const BODY_PATIENCE: Duration = Duration::from_millis(500);
