//! The last resort of a kill: whoever holds this can end the order connections from outside, when
//! the gateway's thread doesn't come to it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enigma_venues::session::ConnectionId;

/// Second handles on the sockets that carry orders. Locked by the gateway only when one of them
/// comes or goes.
#[derive(Clone, Debug, Default)]
pub struct OrderSockets {
    sockets: Arc<Mutex<Vec<(ConnectionId, TcpStream)>>>,
}

impl OrderSockets {
    /// Ends every order connection at once and says how many. What was in flight becomes Unknown.
    pub fn shut_down(&self) -> usize {
        let sockets = self.lock();
        for (id, socket) in sockets.iter() {
            match socket.shutdown(Shutdown::Both) {
                Ok(()) => {}
                // Ended already, which is what was wanted.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                Err(error) => tracing::error!(slot = id.slot, %error, "an order socket stays"),
            }
        }
        sockets.len()
    }

    pub(crate) fn insert(&self, id: ConnectionId, socket: TcpStream) {
        self.lock().push((id, socket));
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        self.lock().retain(|(known, _)| *known != id);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(ConnectionId, TcpStream)>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
