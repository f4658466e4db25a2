//! Servers on the loopback interface for tests: certificates of their own, and peers that are a
//! thread and a script each.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use enigma_venues::session::ConnectionId;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::connection::Connection;
use crate::connector::{Connector, DialError, Host, Outcome};
use crate::settings::{HostAddress, Trust};
use crate::tls::TlsTrust;

/// A certificate for `localhost` that vouches for itself.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) pem: String,
    pub(crate) config: Arc<ServerConfig>,
}

/// A server that treats each connection as its script says.
pub(crate) struct Peer {
    pub(crate) host: Arc<Host>,
    port: u16,
    thread: Option<JoinHandle<()>>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self { pem: made.cert.pem(), config: Arc::new(config) }
    }

    pub(crate) fn trust(&self) -> TlsTrust {
        TlsTrust::new(&Trust::Pem(self.pem.clone())).unwrap()
    }
}

/// A server's end of a connection.
pub(crate) enum ServerStream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl ServerStream {
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for ServerStream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(room),
            Self::Tls(stream) => stream.read(room),
        }
    }
}

impl Write for ServerStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Peer {
    /// Runs the script for each connection, one after another, until dropped. With an identity
    /// it speaks TLS.
    pub(crate) fn start(
        identity: Option<Identity>,
        mut script: impl FnMut(ServerStream) + Send + 'static,
    ) -> Self {
        let tls = identity.is_some();
        let trust = identity.clone().unwrap_or_else(Identity::new).trust();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let mut first = [0];
                match stream.peek(&mut first) {
                    Ok(1) if first == STOP => break,
                    Ok(_) | Err(_) => script(match &identity {
                        Some(identity) => {
                            let config = Arc::clone(&identity.config);
                            let tls = ServerConnection::new(config).unwrap();
                            ServerStream::Tls(Box::new(StreamOwned::new(tls, stream)))
                        }
                        None => ServerStream::Plain(stream),
                    }),
                }
            }
        });
        let address =
            HostAddress { host: "localhost".to_owned(), port, tls, base_path: String::new() };
        Self { host: Arc::new(Host { address, trust }), port, thread: Some(thread) }
    }

    /// A server of WebSockets.
    pub(crate) fn websocket(
        identity: Option<Identity>,
        mut script: impl FnMut(tungstenite::WebSocket<ServerStream>) + Send + 'static,
    ) -> Self {
        Self::start(identity, move |stream| {
            if let Ok(socket) = tungstenite::accept(stream) {
                script(socket);
            }
        })
    }

    pub(crate) fn dial(&self) -> Result<Connection, DialError> {
        dial(&self.host, "/ws", Duration::from_secs(20))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(&STOP);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Dials through a connector and waits for it.
pub(crate) fn dial(
    host: &Arc<Host>,
    path: &str,
    timeout: Duration,
) -> Result<Connection, DialError> {
    let connector = Connector::start().unwrap();
    let mut port = connector.port();
    let id = ConnectionId { slot: 3, generation: 7 };
    port.dial(id, host, path.to_owned(), timeout).unwrap();
    patiently(|| match port.next_outcome()? {
        Outcome::Dialed { id: of, result } => {
            assert_eq!(of, id);
            Some(result.map(|connection| *connection))
        }
        other @ Outcome::Answered { .. } => panic!("{other:?}"),
    })
}

/// Tries until there is something, for as long as a loaded machine may need.
#[track_caller]
pub(crate) fn patiently<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing came for a minute");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// No TLS and no HTTP begins with it.
const STOP: [u8; 1] = [0];
