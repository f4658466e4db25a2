//! Waiting frames onto the socket: gate, one record, one write, stamp.
//!
//! At most one record stands between a frame and the socket, and nothing new is sealed before it
//! is gone.

use std::io::{self, Write};

use enigma_types::{ClientOrderId, Nanos};
use enigma_venues::wire::websocket::{FrameClass, Transmit};
use mio::net::TcpStream;

use super::{Connection, ConnectionError, KillGate, Sealed, Security};
use crate::clock::Clock;
use crate::gateway::counters::GatewayCounters;
use crate::tls::{RECORD_BYTES_MAX, TlsSession};

/// The first byte of an order or cancel is on the socket: it may have reached the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub client_order_id: ClientOrderId,
    /// Whether it places or changes an order; otherwise it cancels.
    pub new_risk: bool,
    /// Just before the write.
    pub sent_at: Nanos,
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing waits.
    All,
    /// The socket takes no more; the rest waits as plain frames.
    Blocked,
    /// An order is first in line and the gate is closed: it is to be purged.
    Gated,
}

impl Connection {
    /// Whether bytes of a record wait, or an order is begun, that a kill can't take back.
    pub fn has_begun_order(&self, transmit: &Transmit) -> bool {
        let sealed = self.sealed.map(|sealed| sealed.class);
        sealed.or(transmit.front_begun()).is_some_and(is_order)
    }

    /// Writes waiting frames in their order until nothing waits or the socket takes no more.
    #[inline]
    pub fn flush(
        &mut self,
        transmit: &mut Transmit,
        gate: &KillGate,
        clock: &mut Clock,
        counters: &GatewayCounters,
        mut on_sent: impl FnMut(Sent),
    ) -> Result<Flushed, ConnectionError> {
        loop {
            if !self.writable {
                return Ok(Flushed::Blocked);
            }
            if gate.is_engaged() && self.has_begun_order(transmit) {
                return Err(ConnectionError::Barrier);
            }
            if self.has_outgoing() {
                if !self.write_record(clock, counters, &mut on_sent)? {
                    return Ok(Flushed::Blocked);
                }
                continue;
            }
            let Some((class, frame)) = transmit.front() else { return Ok(Flushed::All) };
            let first = transmit.front_begun().is_none();
            if is_order(class) && gate.is_engaged() {
                return Ok(Flushed::Gated);
            }
            match &mut self.security {
                Security::Tls(session) => {
                    let record = frame.get(..RECORD_BYTES_MAX).unwrap_or(frame);
                    session.seal(record)?;
                    counters.records_sealed.add(1);
                    let bytes = record.len();
                    transmit.advance(bytes, |_| ());
                    self.sealed = Some(Sealed { class, begun: false, first });
                }
                Security::Plain => {
                    let before_write = clock.mono();
                    let Some(bytes) = write(&mut self.stream, frame)? else {
                        self.writable = false;
                        return Ok(Flushed::Blocked);
                    };
                    transmit.advance(bytes, |_| ());
                    counters.bytes_out.add(bytes as u64);
                    if first {
                        count_sent(class, before_write, counters, &mut on_sent);
                    }
                }
            }
        }
    }

    #[inline]
    fn has_outgoing(&self) -> bool {
        match &self.security {
            Security::Plain => false,
            Security::Tls(session) => !session.outgoing().is_empty(),
        }
    }

    /// Writes what is left of the record; `false` when the socket takes no more.
    #[inline]
    fn write_record(
        &mut self,
        clock: &mut Clock,
        counters: &GatewayCounters,
        on_sent: &mut impl FnMut(Sent),
    ) -> Result<bool, ConnectionError> {
        let Security::Tls(session) = &mut self.security else { return Ok(true) };
        let before_write = clock.mono();
        let Some(bytes) = write(&mut self.stream, session.outgoing())? else {
            self.writable = false;
            return Ok(false);
        };
        session.sent(bytes);
        counters.bytes_out.add(bytes as u64);
        let gone = session.outgoing().is_empty();
        if let Some(sealed) = &mut self.sealed {
            if sealed.first && !sealed.begun {
                count_sent(sealed.class, before_write, counters, on_sent);
            }
            sealed.begun = true;
        }
        if gone {
            self.sealed = None;
        }
        Ok(true)
    }
}

/// How many bytes the socket took, or `None` when it takes none now.
#[inline]
fn write(stream: &mut TcpStream, bytes: &[u8]) -> Result<Option<usize>, ConnectionError> {
    loop {
        return match stream.write(bytes) {
            Ok(0) => Err(ConnectionError::Write(io::ErrorKind::WriteZero.into())),
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(ConnectionError::Write(error)),
        };
    }
}

#[inline]
fn count_sent(
    class: FrameClass,
    sent_at: Nanos,
    counters: &GatewayCounters,
    on_sent: &mut impl FnMut(Sent),
) {
    match class {
        FrameClass::Order { client_order_id } => {
            counters.orders_written.add(1);
            on_sent(Sent { client_order_id, new_risk: true, sent_at });
        }
        FrameClass::Cancel { client_order_id } => {
            counters.cancels_written.add(1);
            on_sent(Sent { client_order_id, new_risk: false, sent_at });
        }
        FrameClass::Session => {}
    }
}

const fn is_order(class: FrameClass) -> bool {
    match class {
        FrameClass::Order { .. } => true,
        FrameClass::Cancel { .. } | FrameClass::Session => false,
    }
}
