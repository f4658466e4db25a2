//! TLS as bytes in and bytes out, a record at a time, behind one trait.
//!
//! It must not touch a socket, and must not be handed a frame before the socket takes bytes: what
//! is sealed can't be taken back by a kill. The first implementation is rustls' unbuffered
//! client, which allocates once for each record opened and once for each sealed, and leaves the
//! buffers to us.

use std::fmt;
use std::sync::Arc;

use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CertificateError, CipherSuite, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::settings::Trust;

/// The longest plaintext of a record (RFC 8446 section 5.1).
pub const RECORD_BYTES_MAX: usize = 16 * 1024;

/// One end of a TLS connection over the caller's socket.
pub trait TlsSession: fmt::Debug {
    /// Where to read ciphertext into.
    fn spare(&mut self) -> &mut [u8];

    /// Says how many bytes were read into `spare`.
    fn filled(&mut self, bytes: usize);

    /// Opens the next record into `plaintext`, which holds at least `RECORD_BYTES_MAX`. During
    /// the handshake it also writes our part of it to `outgoing`.
    fn open(&mut self, plaintext: &mut [u8]) -> Result<Opened, TlsError>;

    /// Seals at most `RECORD_BYTES_MAX` bytes as one record behind what is outgoing.
    fn seal(&mut self, plaintext: &[u8]) -> Result<(), TlsError>;

    /// Ciphertext that the socket shall take.
    fn outgoing(&self) -> &[u8];

    /// Says how many bytes of `outgoing` the socket took.
    fn sent(&mut self, bytes: usize);

    /// The handshake isn't finished.
    fn is_handshaking(&self) -> bool;
}

/// What `TlsSession::open` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// This many bytes of plaintext; there may be another record.
    Bytes(usize),
    /// No whole record is there.
    Dry,
    /// The peer has said that it is done.
    Closed,
}

/// What went wrong between us and the peer, or in our settings.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TlsError {
    #[error("the operating system has no certificate authorities: {0}")]
    NoSystemRoots(String),
    #[error("the certificate authorities in the settings can't be read: {0}")]
    BadRoots(String),
    #[error("`{0}` is no name that a certificate could be for")]
    BadName(String),
    /// The peer isn't who the settings say it is: dialling again won't help.
    #[error("the certificate doesn't verify: {0}")]
    Certificate(CertificateError),
    #[error("TLS failed: {0}")]
    Protocol(rustls::Error),
    #[error("TLS has more to send than its buffer holds")]
    OutgoingFull,
    #[error("the record keys are used up")]
    KeysExhausted,
}

/// What a venue's hosts are checked against, prepared once.
#[derive(Clone)]
pub struct TlsTrust(Arc<ClientConfig>);

/// A client connection of rustls.
pub struct RustlsSession {
    connection: UnbufferedClientConnection,
    incoming: Ciphertext,
    outgoing: Ciphertext,
    handshaking: bool,
    /// The front of `incoming` is part of a handshake message whose end hasn't come. rustls
    /// keeps offsets into it, so that it must see these bytes at every call.
    message_split: bool,
    closed: bool,
}

/// What one call of rustls led to.
enum Step {
    Bytes(usize),
    /// Something was written or noted: ask again.
    Again,
    Blocked,
    Established,
    Closed,
}

struct Ciphertext {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl TlsTrust {
    pub fn new(trust: &Trust) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        match trust {
            Trust::System => {
                let found = rustls_native_certs::load_native_certs();
                // One unreadable authority among many doesn't stop a machine from trading.
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let errors: Vec<String> =
                        found.errors.iter().map(ToString::to_string).collect();
                    return Err(TlsError::NoSystemRoots(errors.join("; ")));
                }
            }
            Trust::Pem(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate =
                        certificate.map_err(|error| TlsError::BadRoots(error.to_string()))?;
                    roots
                        .add(certificate)
                        .map_err(|error| TlsError::BadRoots(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(TlsError::BadRoots("there are none".to_owned()));
                }
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Protocol)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for TlsTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTrust").finish_non_exhaustive()
    }
}

impl RustlsSession {
    /// Begins a handshake with the host: `open` and `outgoing` carry it on.
    pub fn new(trust: &TlsTrust, host: &str) -> Result<Self, TlsError> {
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| TlsError::BadName(host.into()))?;
        let connection = UnbufferedClientConnection::new(Arc::clone(&trust.0), name)
            .map_err(TlsError::Protocol)?;
        Ok(Self {
            connection,
            incoming: Ciphertext::with_capacity(INCOMING_BYTES),
            outgoing: Ciphertext::with_capacity(OUTGOING_BYTES),
            handshaking: true,
            message_split: false,
            closed: false,
        })
    }

    /// One call of rustls on the ciphertext received, and what it asks for done.
    fn step(&mut self, plaintext: &mut [u8]) -> Result<Step, TlsError> {
        let UnbufferedStatus { mut discard, state } =
            self.connection.process_tls_records(self.incoming.unread_mut());
        let step = match state.map_err(TlsError::from_rustls)? {
            ConnectionState::ReadTraffic(mut traffic) => {
                let mut bytes = 0;
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(TlsError::from_rustls)?;
                    discard += record.discard;
                    let to = bytes + record.payload.len();
                    let room = plaintext.get_mut(bytes..to);
                    let room =
                        room.ok_or(TlsError::Protocol(rustls::Error::PeerSentOversizedRecord))?;
                    room.copy_from_slice(record.payload);
                    bytes = to;
                }
                Step::Bytes(bytes)
            }
            ConnectionState::EncodeTlsData(mut data) => {
                let written = data.encode(self.outgoing.spare()).map_err(|error| match error {
                    EncodeError::InsufficientSize(_) | EncodeError::AlreadyEncoded => {
                        TlsError::OutgoingFull
                    }
                })?;
                self.outgoing.filled(written);
                Step::Again
            }
            // What was encoded waits in `outgoing`, which is sent in order: as good as sent.
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Step::Again
            }
            ConnectionState::BlockedHandshake => Step::Blocked,
            ConnectionState::WriteTraffic(_) => Step::Established,
            ConnectionState::PeerClosed | ConnectionState::Closed => Step::Closed,
            // No early data is asked for, and rustls promises no other state.
            ConnectionState::ReadEarlyData(_) | _ => {
                return Err(TlsError::Protocol(rustls::Error::HandshakeNotComplete));
            }
        };
        self.incoming.consume(discard);
        Ok(step)
    }
}

impl TlsSession for RustlsSession {
    fn spare(&mut self) -> &mut [u8] {
        self.incoming.spare()
    }

    fn filled(&mut self, bytes: usize) {
        self.incoming.filled(bytes);
    }

    #[inline]
    fn open(&mut self, plaintext: &mut [u8]) -> Result<Opened, TlsError> {
        loop {
            if self.closed {
                return Ok(Opened::Closed);
            }
            match self.step(plaintext)? {
                Step::Bytes(0) | Step::Again => {}
                Step::Bytes(bytes) => {
                    self.message_split = false;
                    return Ok(Opened::Bytes(bytes));
                }
                Step::Blocked => return Ok(Opened::Dry),
                Step::Established => {
                    self.handshaking = false;
                    // A whole record that rustls left lying can only be part of a message.
                    self.message_split = self.incoming.begins_with_whole_record();
                    return Ok(Opened::Dry);
                }
                Step::Closed => self.closed = true,
            }
        }
    }

    #[inline]
    fn seal(&mut self, plaintext: &[u8]) -> Result<(), TlsError> {
        debug_assert!(plaintext.len() <= RECORD_BYTES_MAX, "one record at a time");
        loop {
            // rustls is shown no unopened record here, or it would open that first.
            let seen = if self.message_split { self.incoming.unread_mut() } else { &mut [] };
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(seen);
            match state.map_err(TlsError::from_rustls)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let written = traffic.encrypt(plaintext, self.outgoing.spare());
                    let written = written.map_err(|error| match error {
                        EncryptError::InsufficientSize(_) => TlsError::OutgoingFull,
                        EncryptError::EncryptExhausted => TlsError::KeysExhausted,
                    })?;
                    self.outgoing.filled(written);
                    self.incoming.consume(discard);
                    return Ok(());
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let written =
                        data.encode(self.outgoing.spare()).map_err(|_| TlsError::OutgoingFull)?;
                    self.outgoing.filled(written);
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed | ConnectionState::Closed => self.closed = true,
                ConnectionState::ReadTraffic(_)
                | ConnectionState::ReadEarlyData(_)
                | ConnectionState::BlockedHandshake
                | _ => return Err(TlsError::Protocol(rustls::Error::HandshakeNotComplete)),
            }
            self.incoming.consume(discard);
        }
    }

    fn outgoing(&self) -> &[u8] {
        self.outgoing.unread()
    }

    fn sent(&mut self, bytes: usize) {
        self.outgoing.consume(bytes);
    }

    fn is_handshaking(&self) -> bool {
        self.handshaking
    }
}

impl fmt::Debug for RustlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RustlsSession")
            .field("handshaking", &self.handshaking)
            .field("incoming_bytes", &self.incoming.unread().len())
            .field("outgoing_bytes", &self.outgoing.unread().len())
            .finish_non_exhaustive()
    }
}

impl TlsError {
    fn from_rustls(error: rustls::Error) -> Self {
        if let rustls::Error::InvalidCertificate(reason) = error {
            return Self::Certificate(reason);
        }
        Self::Protocol(error)
    }
}

impl Ciphertext {
    fn with_capacity(bytes: usize) -> Self {
        Self { buffer: vec![0; bytes].into_boxed_slice(), start: 0, end: 0 }
    }

    fn spare(&mut self) -> &mut [u8] {
        // Moved together only when a record might not fit any more: rare, and a few kilobytes.
        if self.start > 0 && self.buffer.len() - self.end < RECORD_WIRE_BYTES_MAX {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    fn filled(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.buffer.len() - self.end, "no more than spare offered");
        self.end = self.buffer.len().min(self.end + bytes);
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn unread_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.start..self.end).unwrap_or_default()
    }

    fn consume(&mut self, bytes: usize) {
        self.start = self.end.min(self.start + bytes);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    fn begins_with_whole_record(&self) -> bool {
        match *self.unread() {
            [_, _, _, high, low, ref rest @ ..] => {
                rest.len() >= usize::from(u16::from_be_bytes([high, low]))
            }
            _ => false,
        }
    }
}

/// AES-128-GCM first: 185 ns less than ChaCha20 for a record each way where the processor has
/// AES, and TLS 1.2 suites in the same order behind.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        SUITES.iter().position(|&known| known == suite.suite()).unwrap_or(SUITES.len())
    });
    provider
}

const SUITES: [CipherSuite; 5] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];
/// A record with its header and the most that its protection may add (RFC 8446 section 5.2).
const RECORD_WIRE_BYTES_MAX: usize = RECORD_BYTES_MAX + 256 + 5;
/// What one read may bring: several records of a burst.
const INCOMING_BYTES: usize = 4 * RECORD_WIRE_BYTES_MAX;
/// One record, and small change such as a key update.
const OUTGOING_BYTES: usize = RECORD_WIRE_BYTES_MAX + 4_096;

#[cfg(test)]
mod tests;
