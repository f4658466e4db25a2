//! The file's shape, exactly as an operator writes it, with every default. Nothing is checked here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use enigma_types::{RiskLimits, StrategySpec};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawSettings {
    pub(crate) daemon: RawDaemon,
    pub(crate) engine: RawEngine,
    pub(crate) limits: RiskLimits,
    pub(crate) journal: RawJournal,
    pub(crate) store: RawStore,
    pub(crate) simulator: RawSimulator,
    /// Absent: Binance USDⓈ-M with two instruments on the embedded simulator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) venues: Option<Vec<RawVenue>>,
    /// Absent: the sample strategy, as long as its instrument is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strategies: Option<Vec<StrategySpec>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawDaemon {
    pub(crate) listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawEngine {
    pub(crate) layout: Layout,
    pub(crate) waiting: Waiting,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) core: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawJournal {
    pub(crate) ring_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ring_dir: Option<PathBuf>,
    pub(crate) segment_bytes: u64,
    pub(crate) sync_interval_ms: u64,
}

/// Where history is kept; SQLite in the data directory where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawStore {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawSimulator {
    pub(crate) embedded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    pub(crate) market: Market,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replay_file: Option<PathBuf>,
    pub(crate) speed: String,
    pub(crate) transport: Transport,
    pub(crate) limits_multiplier: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawVenue {
    pub(crate) name: String,
    #[serde(default = "simulator")]
    pub(crate) environment: Environment,
    pub(crate) symbols: Vec<String>,
    /// URLs by role (`rest`, `ws_public`, `ws_market`, `ws_private`, `ws_api`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) hosts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layout {
    #[default]
    Fused,
    Split,
}

/// How the pinned thread waits for bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    Spin,
    #[default]
    Block,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Market {
    #[default]
    Synthetic,
    Replay,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    Plain,
    Tls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    Mainnet,
    Testnet,
    Demo,
    Simulator,
}

impl RawSettings {
    /// The sections and their keys, for the nearest name to an unknown one.
    pub(crate) const SECTIONS: [&str; 8] =
        ["daemon", "engine", "limits", "journal", "store", "simulator", "venues", "strategies"];

    /// Keys that have no value until somebody gives one.
    pub(crate) const UNSET: [&str; 6] = [
        "daemon.data_dir",
        "engine.core",
        "journal.ring_dir",
        "store.url",
        "simulator.seed",
        "simulator.replay_file",
    ];
}

impl RawVenue {
    pub(crate) fn sample() -> Self {
        Self {
            name: "binance_usdm".into(),
            environment: Environment::Simulator,
            symbols: vec!["BTCUSDT".into(), "ETHUSDT".into()],
            hosts: BTreeMap::new(),
            ca: None,
        }
    }
}

impl Environment {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Demo => "demo",
            Self::Simulator => "simulator",
        }
    }
}

impl Default for RawDaemon {
    fn default() -> Self {
        Self { listen: "127.0.0.1:7420".into(), data_dir: None, log_format: LogFormat::Text }
    }
}

impl Default for RawEngine {
    fn default() -> Self {
        Self { layout: Layout::Fused, waiting: Waiting::Block, core: None }
    }
}

impl Default for RawJournal {
    fn default() -> Self {
        Self {
            ring_bytes: 32 << 20,
            ring_dir: None,
            segment_bytes: 64 << 20,
            sync_interval_ms: 100,
        }
    }
}

impl Default for RawSimulator {
    fn default() -> Self {
        Self {
            embedded: true,
            seed: None,
            market: Market::Synthetic,
            replay_file: None,
            speed: "1".into(),
            transport: Transport::Plain,
            limits_multiplier: 1,
        }
    }
}

fn simulator() -> Environment {
    Environment::Simulator
}
