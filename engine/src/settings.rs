//! What an engine is started with: checked values only, secrets as prepared signers.

use std::path::PathBuf;
use std::time::Duration;

use enigma_types::{RiskLimits, VenueId};
use enigma_venues::session::HostRole;
use enigma_venues::signer::Signer;

/// Everything an engine needs to start.
#[derive(Debug)]
pub struct EngineSettings {
    pub data_dir: PathBuf,
    pub waiting: Waiting,
    /// The core that the pinned thread takes; `None` leaves the choice to the kernel.
    pub core: Option<usize>,
    pub venues: Vec<VenueSettings>,
    pub accounts: Vec<AccountSettings>,
    pub limits: RiskLimits,
    pub journal: JournalSettings,
    /// Called once on each pinned thread before its first turn: tests watch the thread with it.
    pub on_pinned_thread: fn(),
}

/// How a pinned thread waits for bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// Never sleeps; burns its core.
    Spin,
    /// Sleeps in `mio::Poll` until bytes, a command or a deadline come.
    #[default]
    Block,
}

#[derive(Clone, Debug)]
pub struct VenueSettings {
    pub venue: VenueId,
    pub hosts: Vec<(HostRole, HostAddress)>,
    pub trust: Trust,
    /// Symbols to trade and subscribe to.
    pub symbols: Vec<String>,
    /// Of the venue's documented rate limits; more where a simulator grants more.
    pub rate_limit_percent: u32,
}

/// One host of a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddress {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// A path before the session's own, such as `/ws-fapi/v1`; empty for none.
    pub base_path: String,
}

/// Why a text is no address of a venue's host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address: http, https, ws or wss, a host, and maybe a port and a path")]
pub struct AddressError(pub String);

impl HostAddress {
    /// Reads `wss://host:port`; the port may be absent and is then the scheme's own. A path is
    /// left out: which paths a host serves is the venue session's knowledge.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError(url.into());
        let (scheme, rest) = url.split_once("://").ok_or_else(refuse)?;
        let tls = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(refuse()),
        };
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        let default_port = if tls { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| refuse())?),
            None => (authority, default_port),
        };
        if host.is_empty() || host.contains('@') {
            return Err(refuse());
        }
        Ok(Self { host: host.into(), port, tls, base_path: String::new() })
    }
}

/// Which certificate authorities a venue's hosts are checked against.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The operating system's.
    System,
    /// Only the authorities in this PEM text: the simulator's own.
    Pem(String),
}

#[derive(Debug)]
pub struct AccountSettings {
    pub name: String,
    pub venue: VenueId,
    pub environment: Environment,
    pub signer: Signer,
}

/// Fixes hosts, signing domain and chain together. Only `Simulator` takes hosts of one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Mainnet,
    Testnet,
    Demo,
    Simulator,
}

#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Size of the ring in memory-backed storage.
    pub ring_bytes: usize,
    /// Where the ring lies; `None` is `/dev/shm`, or the data directory where that is missing.
    pub ring_dir: Option<PathBuf>,
    pub segment_bytes: u64,
    /// How long written records may wait for their sync to disk: the window that a power failure
    /// could lose.
    pub sync_interval: Duration,
    /// Where the kill switch is latched beside the journal; `None` is the data directory.
    pub kill_dir: Option<PathBuf>,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            ring_bytes: 32 << 20,
            ring_dir: None,
            segment_bytes: 64 << 20,
            sync_interval: Duration::from_millis(100),
            kill_dir: None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_maybe_more() {
        let given = |url: &str| {
            let address = HostAddress::parse(url).unwrap();
            (address.host, address.port, address.tls)
        };
        assert_eq!(given("ws://127.0.0.1:7001"), ("127.0.0.1".into(), 7001, false));
        let secure = given("wss://example.org/ws-fapi/v1/");
        assert_eq!(secure, ("example.org".into(), 443, true));
        for bad in ["", "example.org", "ftp://a", "https://", "http://user@host", "http://a:b"] {
            assert!(HostAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
