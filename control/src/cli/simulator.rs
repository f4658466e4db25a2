//! `enigma simulator`: the simulated venues as a process of their own.

use std::io::{self, Write};

use enigma_config::LogFormat;
use enigma_simulator::{
    MarketSettings, Simulator as Venues, SimulatorConfig, Transport, VenueName, faults,
};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use super::arguments::Simulator;
use super::settings::start_log;

/// Prints one line of JSON when it listens, and nothing else on standard output, until a signal.
pub(super) fn run(options: &Simulator) -> Result<(), CliError> {
    start_log(LogFormat::Text, "warn");
    let config = config(options)?;
    let failed = |error: io::Error| CliError::Failed(error.to_string());
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let handle =
            Venues::start(config).await.map_err(|error| CliError::Failed(error.to_string()))?;
        let line = serde_json::to_string(handle.endpoints())
            .map_err(|error| CliError::Failed(error.to_string()))?;
        {
            let mut output = io::stdout().lock();
            writeln!(output, "{line}").and_then(|()| output.flush()).map_err(failed)?;
        }
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        handle.shutdown().await;
        Ok(())
    })
}

fn config(options: &Simulator) -> Result<SimulatorConfig, CliError> {
    let usage = |text: String| {
        CliError::Usage(clap::Error::raw(clap::error::ErrorKind::ValueValidation, text + "\n"))
    };
    let defaults = SimulatorConfig::default();
    let venues: Result<Vec<VenueName>, String> =
        options.venues.iter().map(|name| name.parse()).collect();
    let venues = venues.map_err(usage)?;
    let market = match &options.replay {
        None => defaults.market.clone(),
        Some(path) => MarketSettings::Replay {
            path: path.clone(),
            speed: options.speed.parse().map_err(usage)?,
            hold_until_subscribed: true,
        },
    };
    let faults = match &options.faults {
        None => Vec::new(),
        Some(path) => {
            faults::read_file(path).map_err(|error| CliError::Failed(error.to_string()))?
        }
    };
    Ok(SimulatorConfig {
        venues: if venues.is_empty() { defaults.venues.clone() } else { venues },
        transport: if options.tls { Transport::Tls } else { Transport::Plain },
        port_base: options.port_base,
        seed: options.seed,
        market,
        faults,
        limits_multiplier: options.limits_multiplier.max(1),
        ..defaults
    })
}
