//! A blocking connection to one host, plain or TLS, with a deadline on every step.
//!
//! Used until a WebSocket is handed over, and for HTTP. It must not outlive its deadline, except
//! in the system's own name look-up, which knows none.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::connection::Security;
use crate::settings::HostAddress;
use crate::tls::{Opened, RECORD_BYTES_MAX, RustlsSession, TlsError, TlsSession};

use super::Host;

/// A connected, and where asked encrypted, link.
pub(super) struct Link {
    stream: TcpStream,
    security: Security,
    room: Vec<u8>,
}

/// Why there is no link any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("no address is known for {host}: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("{host} port {port} can't be reached: {source}")]
    Connect { host: String, port: u16, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection failed: {0}")]
    Io(io::Error),
    #[error("the server closed the connection")]
    Ended,
}

/// Links that answered a call and may carry another.
#[derive(Default)]
pub(super) struct IdleLinks {
    links: Mutex<Vec<Idle>>,
}

struct Idle {
    address: HostAddress,
    link: Link,
    since: Instant,
}

impl Link {
    /// Looks the name up, connects to the first address that answers and shakes hands.
    pub(super) fn connect(host: &Host, deadline: Instant) -> Result<Self, LinkError> {
        let HostAddress { host: name, port, tls, .. } = &host.address;
        let stream = connect(name, *port, deadline)?;
        stream.set_nodelay(true).map_err(LinkError::Io)?;
        let security = if *tls {
            Security::Tls(Box::new(RustlsSession::new(&host.trust, name)?))
        } else {
            Security::Plain
        };
        let mut link = Self { stream, security, room: vec![0; RECORD_BYTES_MAX] };
        link.shake_hands(deadline)?;
        Ok(link)
    }

    pub(super) fn into_parts(self) -> (TcpStream, Security) {
        (self.stream, self.security)
    }

    pub(super) fn write_all(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), LinkError> {
        match &mut self.security {
            Security::Plain => write_all(&mut self.stream, bytes, deadline),
            Security::Tls(session) => {
                for record in bytes.chunks(RECORD_BYTES_MAX) {
                    session.seal(record)?;
                    send_outgoing(&mut self.stream, session.as_mut(), deadline)?;
                }
                Ok(())
            }
        }
    }

    /// Reads what comes next; never empty.
    pub(super) fn read(&mut self, deadline: Instant) -> Result<&[u8], LinkError> {
        let bytes = match &mut self.security {
            Security::Plain => read(&mut self.stream, &mut self.room, deadline)?,
            Security::Tls(session) => loop {
                match session.open(&mut self.room)? {
                    Opened::Bytes(bytes) => break bytes,
                    Opened::Closed => return Err(LinkError::Ended),
                    Opened::Dry => {
                        send_outgoing(&mut self.stream, session.as_mut(), deadline)?;
                        let bytes = read(&mut self.stream, session.spare(), deadline)?;
                        session.filled(bytes);
                    }
                }
            },
        };
        Ok(self.room.get(..bytes).unwrap_or_default())
    }

    fn shake_hands(&mut self, deadline: Instant) -> Result<(), LinkError> {
        let Security::Tls(session) = &mut self.security else { return Ok(()) };
        loop {
            let opened = session.open(&mut self.room);
            // Our alert, if there is one, tells the server's operator why we go.
            send_outgoing(&mut self.stream, session.as_mut(), deadline)?;
            match opened? {
                Opened::Dry if session.is_handshaking() => {}
                Opened::Dry => return Ok(()),
                Opened::Closed => return Err(LinkError::Ended),
                // A server that speaks before it was asked is none of ours.
                Opened::Bytes(_) => {
                    let early = rustls::Error::General("data before a request".to_owned());
                    return Err(TlsError::Protocol(early).into());
                }
            }
            let bytes = read(&mut self.stream, session.spare(), deadline)?;
            session.filled(bytes);
        }
    }

    /// Nothing has come and nobody has hung up since the last answer.
    fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let quiet = self.stream.set_nonblocking(true).is_ok()
            && matches!(self.stream.peek(&mut byte),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        quiet && self.stream.set_nonblocking(false).is_ok()
    }
}

impl IdleLinks {
    pub(super) fn take(&self, address: &HostAddress) -> Option<Link> {
        let mut links = self.links.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        links.retain(|idle| idle.since.elapsed() < IDLE_MAX);
        let place = links.iter().rposition(|idle| idle.address == *address)?;
        let idle = links.remove(place);
        drop(links);
        idle.link.is_quiet().then_some(idle.link)
    }

    pub(super) fn keep(&self, address: &HostAddress, link: Link) {
        let mut links = self.links.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if links.len() == IDLE_LINKS_MAX {
            links.remove(0);
        }
        links.push(Idle { address: address.clone(), link, since: Instant::now() });
    }
}

fn connect(name: &str, port: u16, deadline: Instant) -> Result<TcpStream, LinkError> {
    let unresolved = |source| LinkError::Resolve { host: name.to_owned(), source };
    let addresses = (name, port).to_socket_addrs().map_err(unresolved)?;
    let mut last = None;
    for address in addresses {
        // One address that swallows packets must not eat the time of the next.
        let timeout = remaining(deadline)?.min(CONNECT_TIMEOUT);
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(source) => Err(LinkError::Connect { host: name.to_owned(), port, source }),
        None => Err(unresolved(io::ErrorKind::NotFound.into())),
    }
}

fn send_outgoing(
    stream: &mut TcpStream,
    session: &mut RustlsSession,
    deadline: Instant,
) -> Result<(), LinkError> {
    let bytes = session.outgoing().len();
    if bytes > 0 {
        write_all(stream, session.outgoing(), deadline)?;
        session.sent(bytes);
    }
    Ok(())
}

fn write_all(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> Result<(), LinkError> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(remaining(deadline)?)).map_err(LinkError::Io)?;
        match stream.write(bytes) {
            Ok(0) => return Err(LinkError::Ended),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

fn read(stream: &mut TcpStream, room: &mut [u8], deadline: Instant) -> Result<usize, LinkError> {
    loop {
        stream.set_read_timeout(Some(remaining(deadline)?)).map_err(LinkError::Io)?;
        match stream.read(room) {
            Ok(0) => return Err(LinkError::Ended),
            Ok(bytes) => return Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

fn failed(error: io::Error) -> LinkError {
    let timed_out = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind());
    if timed_out { LinkError::TimedOut } else { LinkError::Io(error) }
}

fn remaining(deadline: Instant) -> Result<Duration, LinkError> {
    let left = deadline.saturating_duration_since(Instant::now());
    // A timeout of zero would mean none.
    if left.is_zero() { Err(LinkError::TimedOut) } else { Ok(left) }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Venues drop idle links after a minute or so; a younger one is likely to be there still.
const IDLE_MAX: Duration = Duration::from_secs(20);
const IDLE_LINKS_MAX: usize = 8;
