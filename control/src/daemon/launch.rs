//! From checked settings and a simulation to what the engine is started with.

use std::fs;

use enigma_config::{Environment as Configured, Settings, VenueSettings as Venue};
use enigma_engine::HostRole;
use enigma_engine::settings::{
    AccountSettings, EngineSettings, Environment, HostAddress, JournalSettings, Trust,
    VenueSettings, Waiting,
};

use super::DaemonError;
use super::data_directory::DataDirectory;
use super::simulation::Simulation;

pub(super) fn engine_settings(
    settings: &Settings,
    directory: &DataDirectory,
    simulation: &Simulation,
) -> Result<EngineSettings, DaemonError> {
    let mut journal = JournalSettings {
        ring_bytes: settings.journal.ring_bytes,
        ring_dir: settings.journal.ring_dir.clone(),
        segment_bytes: settings.journal.segment_bytes,
        sync_interval: settings.journal.sync_interval,
        // An operator's kill holds on the next embedded simulator too.
        kill_dir: Some(directory.path().to_path_buf()),
    };
    let data_dir = match simulation {
        Simulation::Embedded { .. } => {
            let run = directory.embedded_run()?;
            // The exchange doesn't outlive the process, so the ring needn't either. Nothing is
            // recovered from this journal: it need not be large.
            journal.ring_dir = Some(run.clone());
            journal.ring_bytes = journal.ring_bytes.min(EMBEDDED_RING_BYTES);
            journal.segment_bytes = journal.segment_bytes.min(EMBEDDED_SEGMENT_BYTES);
            run
        }
        Simulation::External(_) | Simulation::None => directory.path().to_path_buf(),
    };
    let venues: Result<Vec<_>, _> =
        settings.venues.iter().map(|venue| venue_settings(settings, venue, simulation)).collect();
    let accounts: Result<Vec<_>, _> =
        settings.venues.iter().map(|venue| account_settings(venue, simulation)).collect();
    Ok(EngineSettings {
        data_dir,
        waiting: match settings.engine.waiting {
            enigma_config::Waiting::Spin => Waiting::Spin,
            enigma_config::Waiting::Block => Waiting::Block,
        },
        core: settings.engine.core,
        venues: venues?,
        accounts: accounts?,
        limits: settings.limits.clone(),
        journal,
        on_pinned_thread: || {},
    })
}

/// Roles with the settings' names for them, and the path that sessions add by themselves.
const ROLES: [(HostRole, &str, &str); 5] = [
    (HostRole::Rest, "rest", ""),
    (HostRole::PublicStream, "ws_public", "/public"),
    (HostRole::MarketStream, "ws_market", "/market"),
    (HostRole::PrivateStream, "ws_private", "/private"),
    (HostRole::OrderEntry, "ws_api", "/ws-fapi/v1"),
];

fn venue_settings(
    settings: &Settings,
    venue: &Venue,
    simulation: &Simulation,
) -> Result<VenueSettings, DaemonError> {
    let (hosts, ca) = match simulation.endpoints() {
        Some((endpoints, ca)) => {
            let urls = [
                &endpoints.rest,
                &endpoints.ws_public,
                &endpoints.ws_market,
                &endpoints.ws_private,
                &endpoints.ws_api,
            ];
            let hosts: Vec<_> = ROLES
                .into_iter()
                .zip(urls)
                .filter_map(|((role, _, own_path), url)| {
                    Some((role, address(enigma_config::Host::parse(url)?, own_path)))
                })
                .collect();
            (hosts, ca)
        }
        None => {
            let named = |name: &str| venue.hosts.iter().find(|(role, _)| role == name);
            let hosts: Vec<_> = ROLES
                .into_iter()
                .filter_map(|(role, name, own_path)| {
                    named(name).map(|(_, host)| (role, address(host.clone(), own_path)))
                })
                .collect();
            (hosts, venue.ca.as_ref())
        }
    };
    let trust = match ca {
        None => Trust::System,
        Some(path) => Trust::Pem(fs::read_to_string(path).map_err(|source| {
            DaemonError::DataDirectory { path: path.display().to_string(), source }
        })?),
    };
    Ok(VenueSettings {
        venue: venue.venue,
        hosts,
        trust,
        symbols: venue.symbols.clone(),
        rate_limit_percent: settings.simulator.limits_multiplier.saturating_mul(100),
    })
}

fn account_settings(
    venue: &Venue,
    simulation: &Simulation,
) -> Result<AccountSettings, DaemonError> {
    Ok(AccountSettings {
        name: ACCOUNT.into(),
        venue: venue.venue,
        environment: match venue.environment {
            Configured::Mainnet => Environment::Mainnet,
            Configured::Testnet => Environment::Testnet,
            Configured::Demo => Environment::Demo,
            Configured::Simulator => Environment::Simulator,
        },
        signer: simulation.signer()?,
    })
}

/// Some seconds of the fastest strategy's records.
const EMBEDDED_RING_BYTES: usize = 8 << 20;
const EMBEDDED_SEGMENT_BYTES: u64 = 8 << 20;

/// The one account of this version: the simulator's test account.
const ACCOUNT: &str = "simulator";

fn address(host: enigma_config::Host, own_path: &str) -> HostAddress {
    let path = host.path.strip_suffix(own_path).unwrap_or(&host.path);
    HostAddress { host: host.host, port: host.port, tls: host.tls, base_path: path.to_owned() }
}
