//! The API's listening socket. A daemon that was just killed may hold the address for a moment
//! longer; another process that listens there holds it for good.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::DaemonError;

/// Binds the address, and waits some seconds for one that nobody listens on.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, DaemonError> {
    let refused = |source| DaemonError::Listen { address, source };
    let listener = match bind_patiently(address, PATIENCE) {
        Ok(listener) => listener,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return Err(DaemonError::PortInUse(address));
        }
        Err(error) => return Err(refused(error)),
    };
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

/// Whether somebody answers at an address: then no patience will free it.
pub(crate) fn is_answered(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, ANSWER).is_ok()
}

fn bind_patiently(address: SocketAddr, patience: Duration) -> io::Result<TcpListener> {
    let deadline = Instant::now() + patience;
    let mut answers = 0;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                answers = if is_answered(address) { answers + 1 } else { 0 };
                // A process that is dying may still be answered for, by the kernel, once or twice.
                if answers >= ANSWERS || Instant::now() >= deadline {
                    return Err(error);
                }
            }
            result => return result,
        }
        sleep(PAUSE);
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
const ANSWER: Duration = Duration::from_millis(200);
const ANSWERS: u32 = 5;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_nobody_answers_at_is_waited_for() {
        // Bound and not listening: held, as by a process that was just killed.
        let holder = tokio::net::TcpSocket::new_v4().unwrap();
        holder.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = holder.local_addr().unwrap();
        assert_eq!(TcpListener::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let waiting = std::thread::spawn(move || bind_patiently(address, Duration::from_secs(60)));
        drop(holder);
        assert_eq!(waiting.join().unwrap().unwrap().local_addr().unwrap(), address);
    }

    #[test]
    fn an_address_that_another_process_answers_at_is_in_use() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert!(matches!(error, DaemonError::PortInUse(named) if named == address), "{error}");
        assert!(error.to_string().contains("in use"), "{error}");
    }
}
