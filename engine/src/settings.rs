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
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            ring_bytes: 32 << 20,
            ring_dir: None,
            segment_bytes: 64 << 20,
            sync_interval: Duration::from_millis(100),
        }
    }
}
