//! The `enigma` command: what its arguments mean, and what its exit codes say. Data goes to
//! standard output, messages to standard error.

mod arguments;
mod check;
mod client;
mod output;
mod requests;
mod settings;
mod simulator;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use enigma_config::ConfigError;

use self::arguments::{Arguments, Command, ConfigCommand};
use self::client::{Client, ClientError};
use self::output::Output;
use crate::daemon::{self, DaemonError};

/// Why a command failed. The exit code follows from the kind.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Daemon(Box<dyn std::error::Error + Send + Sync>),
    #[error("no daemon: {0}")]
    NoDaemon(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
}

/// Runs the command line of this process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<(), CliError> {
    let arguments = Arguments::try_parse_from(arguments)?;
    let output = Output { json: arguments.global.json };
    match arguments.chosen() {
        Command::Run(options) => {
            let loaded = settings::load(&arguments.global, Some(&options))?;
            settings::start_log(loaded.settings.daemon.log_format, "info");
            daemon::run(&loaded, options.takes_simulator()).map_err(CliError::from)
        }
        Command::Simulator(options) => simulator::run(&options),
        Command::Check => check::run(&arguments.global, output),
        Command::Config { command: ConfigCommand::Show { origin } } => {
            settings::show(&arguments.global, origin, output)
        }
        Command::Ask(ask) => {
            let client = Client::connect(&arguments.global)?;
            requests::run(&client, ask, output)
        }
    }
}

impl CliError {
    /// 0 ok, 1 failure, 2 usage, 3 configuration, 4 no daemon, 5 refused by risk or role.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            // Help and version come as errors from the parser, and are none.
            Self::Usage(error) if !error.use_stderr() => ExitCode::SUCCESS,
            Self::Usage(_) => ExitCode::from(2),
            Self::Config(_) => ExitCode::from(3),
            Self::NoDaemon(_) => ExitCode::from(4),
            Self::Refused(_) => ExitCode::from(5),
            Self::Daemon(_) | Self::Failed(_) => ExitCode::FAILURE,
        }
    }

    /// What standard error gets to see.
    pub fn report(&self) {
        use std::io::Write;
        if let Self::Usage(error) = self {
            // The parser knows colours, and which stream its text belongs to.
            let _ = error.print();
            return;
        }
        // Without a standard error there is nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "enigma: {self}");
    }
}

impl From<DaemonError> for CliError {
    fn from(error: DaemonError) -> Self {
        Self::Daemon(Box::new(error))
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Unreachable(reason) => Self::NoDaemon(reason),
            ClientError::Problem { refused: true, .. } => Self::Refused(text),
            ClientError::Problem { .. } | ClientError::Unreadable(_) => Self::Failed(text),
        }
    }
}

#[cfg(test)]
mod tests;
