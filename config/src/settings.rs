//! Checked settings: what is here can be run. Made from the raw file's shape, never changed after.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use enigma_types::{
    Parameters, RiskLimits, StrategyKind, StrategyLimits, StrategyName, StrategySpec, VenueId,
};
use rust_decimal::Decimal;

use crate::error::Problem;
use crate::nearest::nearest;
use crate::raw::{
    Environment, Layout, LogFormat, Market, RawSettings, RawSimulator, RawVenue, Transport, Waiting,
};
use crate::store::{StorePassword, StoreSettings};

/// Everything a daemon is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub daemon: DaemonSettings,
    pub engine: EngineSettings,
    pub limits: RiskLimits,
    pub journal: JournalSettings,
    pub store: StoreSettings,
    /// Start the simulator in this process; otherwise the venues' hosts are elsewhere.
    pub embedded: bool,
    pub simulator: SimulatorSettings,
    pub venues: Vec<VenueSettings>,
    /// Created at start where the journal doesn't know them; none of them trades by itself.
    pub strategies: Vec<StrategySpec>,
}

#[derive(Clone, Debug)]
pub struct DaemonSettings {
    /// A loopback address: everything else needs TLS and users.
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    pub waiting: Waiting,
    pub core: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct JournalSettings {
    pub ring_bytes: usize,
    pub ring_dir: Option<PathBuf>,
    pub segment_bytes: u64,
    pub sync_interval: Duration,
}

#[derive(Clone, Debug)]
pub struct SimulatorSettings {
    pub seed: Option<u64>,
    pub market: MarketSource,
    pub transport: Transport,
    /// Of the venue's documented rate limits.
    pub limits_multiplier: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketSource {
    Synthetic,
    Replay { path: PathBuf, speed: Speed },
}

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// The recording's intervals are divided by this.
    Times(Decimal),
    Max,
}

#[derive(Clone, Debug)]
pub struct VenueSettings {
    pub venue: VenueId,
    pub environment: Environment,
    pub symbols: Vec<String>,
    /// By role; empty where a simulator brings them.
    pub hosts: Vec<(String, Host)>,
    pub ca: Option<PathBuf>,
}

/// One host of a venue, from a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// The URL's path without a trailing slash; empty for none.
    pub path: String,
}

/// A value that can't be run, by the key it stands at.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) problem: Problem,
}

impl Settings {
    pub(crate) fn check(
        raw: &RawSettings,
        external_simulator: bool,
        store_password: Option<StorePassword>,
    ) -> Result<Self, Fault> {
        if raw.engine.layout == Layout::Split {
            return Err(refused("engine.layout", "`split` is not in this version"));
        }
        let embedded = raw.simulator.embedded && !external_simulator;
        let raw_venues = raw.venues.as_deref().unwrap_or_default();
        let venues = check_venues(raw_venues, embedded, external_simulator)?;
        let simulator = check_simulator(&raw.simulator)?;
        Ok(Self {
            daemon: check_daemon(raw)?,
            engine: EngineSettings { waiting: raw.engine.waiting, core: raw.engine.core },
            limits: check_limits(&raw.limits)?,
            journal: check_journal(raw)?,
            store: StoreSettings::check(&raw.store, store_password)?,
            embedded,
            simulator,
            strategies: check_strategies(raw, &venues)?,
            venues,
        })
    }
}

impl RawSettings {
    /// The venues that hold where the file names none.
    pub(crate) fn fill_venues(&mut self) {
        self.venues.get_or_insert_with(|| vec![RawVenue::sample()]);
    }

    /// The strategies that hold where the file names none: a sample for each venue that has the
    /// sample's instrument.
    pub(crate) fn fill_strategies(&mut self) {
        let venues = self.venues.as_deref().unwrap_or_default();
        let has = |venue: &&RawVenue| venue.symbols.iter().any(|symbol| symbol == SAMPLE_SYMBOL);
        let samples = || venues.iter().filter(has).map(|venue| sample_strategy(&venue.name));
        if self.strategies.is_none() {
            self.strategies = Some(samples().collect());
        }
    }
}

impl Host {
    /// Reads `wss://host:port/path`; `None` when the text is no such URL. Credentials in a URL
    /// are no host.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (tls, usual_port) = match scheme {
            "http" | "ws" => (false, 80),
            "https" | "wss" => (true, 443),
            _ => return None,
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (authority, usual_port),
        };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        if host.is_empty() || !host.bytes().all(legal) || path.contains(['?', '#', ' ']) {
            return None;
        }
        Some(Self { host: host.into(), port, tls, path: path.trim_end_matches('/').into() })
    }
}

impl Speed {
    pub fn parse(text: &str) -> Option<Self> {
        if text == "max" {
            return Some(Self::Max);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return None;
        }
        let times: Decimal = text.parse().ok()?;
        (times > Decimal::ZERO && times <= Decimal::new(10_000, 0)).then_some(Self::Times(times))
    }
}

const SAMPLE_SYMBOL: &str = "BTCUSDT";
const HOST_ROLES: [&str; 5] = ["rest", "ws_public", "ws_market", "ws_private", "ws_api"];

fn sample_strategy(venue: &str) -> StrategySpec {
    let parameters = Parameters {
        quantity: Some(Decimal::new(10, 3)),
        max_position: Some(Decimal::new(50, 3)),
        half_spread_ticks: Some(5),
        skew_ticks: Some(5),
        requote_ticks: Some(2),
        ..Parameters::default()
    };
    StrategySpec {
        id: StrategyName::from("quoter-btc").unwrap_or_default(),
        kind: StrategyKind::Quoter,
        instruments: vec![format!("{venue}:{SAMPLE_SYMBOL}")],
        parameters,
        limits: StrategyLimits::default(),
    }
}

fn check_daemon(raw: &RawSettings) -> Result<DaemonSettings, Fault> {
    let key = "daemon.listen";
    let text = &raw.daemon.listen;
    let listen: SocketAddr = text.parse().map_err(|_| {
        refused(key, &format!("`{text}` is no address and port, such as 127.0.0.1:7420"))
    })?;
    if !listen.ip().is_loopback() {
        let why =
            format!("{} is not a loopback address: that needs TLS and users: not yet", listen.ip());
        return Err(refused(key, &why));
    }
    let data_dir = raw.daemon.data_dir.clone().unwrap_or_default();
    if data_dir.as_os_str().is_empty() {
        return Err(refused("daemon.data_dir", "empty"));
    }
    Ok(DaemonSettings { listen, data_dir, log_format: raw.daemon.log_format })
}

fn check_limits(limits: &RiskLimits) -> Result<RiskLimits, Fault> {
    match limits.not_positive() {
        Some(name) => Err(refused(&format!("limits.{name}"), "must be above zero")),
        None => Ok(limits.clone()),
    }
}

fn check_journal(raw: &RawSettings) -> Result<JournalSettings, Fault> {
    let journal = &raw.journal;
    let ring_bytes = u64::try_from(journal.ring_bytes).unwrap_or(u64::MAX);
    let rows = [
        ("ring_bytes", ring_bytes, 1 << 20, 4 << 30),
        ("segment_bytes", journal.segment_bytes, 1 << 20, 4 << 30),
        ("sync_interval_ms", journal.sync_interval_ms, 1, 60_000),
    ];
    for (name, value, low, high) in rows {
        if !(low..=high).contains(&value) {
            let why = format!("must lie between {low} and {high}");
            return Err(refused(&format!("journal.{name}"), &why));
        }
    }
    Ok(JournalSettings {
        ring_bytes: journal.ring_bytes,
        ring_dir: journal.ring_dir.clone(),
        segment_bytes: journal.segment_bytes,
        sync_interval: Duration::from_millis(journal.sync_interval_ms),
    })
}

fn check_simulator(raw: &RawSimulator) -> Result<SimulatorSettings, Fault> {
    let Some(speed) = Speed::parse(&raw.speed) else {
        let why = format!("`{}` is no speed: a number above 0, or `max`", raw.speed);
        return Err(refused("simulator.speed", &why));
    };
    let market = match (raw.market, &raw.replay_file) {
        (Market::Synthetic, None) => MarketSource::Synthetic,
        (Market::Replay, Some(path)) => MarketSource::Replay { path: path.clone(), speed },
        (Market::Synthetic, Some(_)) => {
            let why = "needs `market = \"replay\"`: a synthetic market reads no file";
            return Err(refused("simulator.replay_file", why));
        }
        (Market::Replay, None) => {
            return Err(refused("simulator.market", "a replay needs `replay_file`"));
        }
    };
    let limits_multiplier = raw.limits_multiplier;
    if !(1..=1_000).contains(&limits_multiplier) {
        return Err(refused("simulator.limits_multiplier", "must lie between 1 and 1000"));
    }
    Ok(SimulatorSettings { seed: raw.seed, market, transport: raw.transport, limits_multiplier })
}

fn check_venues(
    raw: &[RawVenue],
    embedded: bool,
    external_simulator: bool,
) -> Result<Vec<VenueSettings>, Fault> {
    let mut seen = BTreeSet::new();
    let mut venues = Vec::new();
    for (place, venue) in raw.iter().enumerate() {
        let key = |name: &str| format!("venues[{place}].{name}");
        let id = check_venue_name(&venue.name, &key("name"))?;
        if !seen.insert(id) {
            return Err(refused(&key("name"), &format!("{id} is there already")));
        }
        check_environment(venue.environment, &key("environment"))?;
        check_symbols(&venue.symbols, &key("symbols"))?;
        let brought = embedded || external_simulator;
        if brought && !venue.hosts.is_empty() {
            let why =
                "the simulator brings its own hosts; set simulator.embedded = false for others";
            return Err(refused(&key("hosts"), why));
        }
        let hosts = check_hosts(venue, &key("hosts"))?;
        if !brought && hosts.is_empty() {
            let why = format!("without the embedded simulator {id} needs hosts");
            return Err(refused("simulator.embedded", &why));
        }
        venues.push(VenueSettings {
            venue: id,
            environment: venue.environment,
            symbols: venue.symbols.clone(),
            hosts,
            ca: venue.ca.clone(),
        });
    }
    if venues.is_empty() {
        return Err(refused("venues", "at least one venue is needed"));
    }
    Ok(venues)
}

fn check_venue_name(name: &str, key: &str) -> Result<VenueId, Fault> {
    name.parse().map_err(|_| {
        let names = VenueId::ALL.map(VenueId::name);
        let problem = Problem::UnknownValue {
            given: name.into(),
            allowed: names.join(", "),
            nearest: nearest(name, names).map(str::to_owned),
        };
        Fault { key: key.into(), problem }
    })
}

fn check_environment(environment: Environment, key: &str) -> Result<(), Fault> {
    match environment {
        Environment::Simulator => Ok(()),
        Environment::Mainnet | Environment::Testnet | Environment::Demo => {
            let why = format!("`{}` needs keys, and there is no vault yet", environment.name());
            Err(refused(key, &why))
        }
    }
}

fn check_symbols(symbols: &[String], key: &str) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for symbol in symbols {
        let legal = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        if symbol.is_empty() || symbol.len() > 24 || !symbol.bytes().all(legal) {
            return Err(refused(key, &format!("`{symbol}` is no symbol, such as BTCUSDT")));
        }
        if !seen.insert(symbol) {
            return Err(refused(key, &format!("{symbol} is there twice")));
        }
    }
    if symbols.is_empty() {
        return Err(refused(key, "at least one symbol is needed"));
    }
    Ok(())
}

fn check_hosts(venue: &RawVenue, key: &str) -> Result<Vec<(String, Host)>, Fault> {
    let mut hosts = Vec::new();
    for (role, url) in &venue.hosts {
        let key = format!("{key}.{role}");
        if !HOST_ROLES.contains(&role.as_str()) {
            let nearest = nearest(role, HOST_ROLES).map(str::to_owned);
            return Err(Fault { key, problem: Problem::UnknownKey { nearest } });
        }
        let host = Host::parse(url)
            .ok_or_else(|| refused(&key, "no URL such as wss://127.0.0.1:9000/ws-fapi/v1"))?;
        hosts.push((role.clone(), host));
    }
    if !hosts.is_empty()
        && let Some(missing) = HOST_ROLES.iter().find(|role| !venue.hosts.contains_key(**role))
    {
        return Err(refused(key, &format!("`{missing}` is missing")));
    }
    Ok(hosts)
}

fn check_strategies(
    raw: &RawSettings,
    venues: &[VenueSettings],
) -> Result<Vec<StrategySpec>, Fault> {
    let names: Vec<String> = venues
        .iter()
        .flat_map(|venue| venue.symbols.iter().map(|symbol| format!("{}:{symbol}", venue.venue)))
        .collect();
    let specs = raw.strategies.as_deref().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (place, spec) in specs.iter().enumerate() {
        let key = |name: &str| format!("strategies[{place}]{name}");
        spec.check().map_err(|error| refused(&key(""), &error.to_string()))?;
        if !seen.insert(spec.id) {
            return Err(refused(&key(".id"), &format!("{} is there already", spec.id)));
        }
        for instrument in &spec.instruments {
            if !names.contains(instrument) {
                let problem = Problem::UnknownValue {
                    given: instrument.clone(),
                    allowed: names.join(", "),
                    nearest: nearest(instrument, names.iter().map(String::as_str))
                        .map(str::to_owned),
                };
                return Err(Fault { key: key(".instruments"), problem });
            }
        }
    }
    Ok(specs.to_vec())
}

pub(crate) fn refused(key: &str, why: &str) -> Fault {
    Fault { key: key.into(), problem: Problem::Refused(why.into()) }
}
