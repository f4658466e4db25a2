//! The command line's shape. Nothing here takes a secret.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Enigma: a daemon that executes orders.
#[derive(Debug, Parser)]
#[command(name = "enigma", version, propagate_version = true, after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  enigma                                  run the daemon on its embedded simulator
  enigma strategies start quoter-btc      start the sample strategy
  enigma orders list --open               what may still trade
  enigma kill                             stop all trading now

Exit codes: 0 ok, 1 failure, 2 usage, 3 configuration, 4 no daemon, 5 refused by risk or role.";

#[derive(Clone, Debug, Default, Args)]
pub(super) struct Global {
    /// Settings file [default: $ENIGMA_CONFIG, ./enigma.toml, /etc/enigma/enigma.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where the journal, the lock and the tokens lie
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Write JSON instead of tables
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The daemon's address [default: the one in the data directory]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) url: Option<String>,
    /// A file with the token to use [default: cli.token in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon (what `enigma` alone does too)
    Run(Run),
    /// Run the simulated venues alone; prints one line of JSON when it listens
    Simulator(Simulator),
    /// Check settings, data directory, port and core without starting anything
    Check,
    /// Show settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    #[command(flatten)]
    Ask(Ask),
}

#[derive(Clone, Debug, Default, Args)]
pub(super) struct Run {
    /// Address of the API; loopback only
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
    /// Trade on a simulator that runs already: `-` reads the line of JSON that `enigma simulator`
    /// printed from standard input
    #[arg(long, value_name = "-", value_parser = ["-"])]
    simulator: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Simulator {
    /// Which venue; may be given more than once [default: all]
    #[arg(long = "venue", value_name = "NAME")]
    pub(super) venues: Vec<String>,
    /// Plain sockets (the default)
    #[arg(long, conflicts_with = "tls")]
    pub(super) plain: bool,
    /// TLS under a certificate authority of its own
    #[arg(long)]
    pub(super) tls: bool,
    /// First port; the others follow [default: free ports]
    #[arg(long, value_name = "N")]
    pub(super) port_base: Option<u16>,
    /// Makes market and accounts repeatable
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Replay this recording instead of a synthetic market
    #[arg(long, value_name = "FILE")]
    pub(super) replay: Option<PathBuf>,
    /// Divides the recording's intervals: a number above 0, or max
    #[arg(long, value_name = "N|max", default_value = "1", requires = "replay")]
    pub(super) speed: String,
    /// Faults to inject, as TOML
    #[arg(long, value_name = "FILE")]
    pub(super) faults: Option<PathBuf>,
    /// Multiplies the venue's rate limits
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) limits_multiplier: u32,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every effective value
    Show {
        /// And where it was written
        #[arg(long)]
        origin: bool,
    },
}

/// What is asked of a running daemon.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Ask {
    /// What runs, and how it is
    Status,
    /// Sessions, clocks and budgets of the venues
    Venues,
    /// What can be traded, with the top of the book
    Instruments,
    /// List, create, start, pause, resume, stop strategies
    Strategies {
        #[command(subcommand)]
        command: Option<Strategies>,
    },
    /// List, place, amend and cancel orders
    Orders {
        #[command(subcommand)]
        command: Option<Orders>,
    },
    /// Positions, folded from fills, beside the venue's
    Positions {
        #[command(subcommand)]
        command: Option<List>,
    },
    /// Fills, newest first
    Fills {
        #[command(subcommand)]
        command: Option<ListFills>,
    },
    /// Fees, realised results and funding, newest first
    Ledger {
        #[command(subcommand)]
        command: Option<ListLedger>,
    },
    /// What the venues say the accounts hold
    Balances {
        #[command(subcommand)]
        command: Option<List>,
    },
    /// Limits and checks in force
    Risk,
    /// Stop all trading now and cancel every order of ours
    Kill {
        /// Kept in the journal
        #[arg(long, default_value = "asked for on the command line")]
        reason: String,
    },
    /// Lift the kill switch; nothing trades by itself afterwards
    Rearm,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum List {
    /// List them (the default)
    List,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum ListFills {
    /// List them (the default)
    List(FillFilter),
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum ListLedger {
    /// List them (the default)
    List(LedgerFilter),
}

/// Which part of a long list is wanted.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Stretch {
    /// From this instant on, such as 2026-11-24T17:49:00Z
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<String>,
    /// Before this instant
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<String>,
    /// At most so many [default: 100]
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub(super) limit: Option<usize>,
    /// Page by page to the oldest one
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub(super) struct LedgerFilter {
    #[arg(long, value_name = "ID")]
    pub(super) strategy: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub(super) instrument: Option<String>,
    #[arg(long, value_parser = ["fee", "realised", "funding"])]
    pub(super) kind: Option<String>,
    #[command(flatten)]
    pub(super) stretch: Stretch,
}

#[derive(Clone, Debug, Default, Args)]
pub(super) struct FillFilter {
    #[arg(long, value_name = "ID")]
    pub(super) strategy: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub(super) instrument: Option<String>,
    #[command(flatten)]
    pub(super) stretch: Stretch,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Strategies {
    List,
    Show {
        id: String,
    },
    /// Create one from a JSON file, or from standard input with `-`
    Create {
        file: PathBuf,
    },
    Start {
        id: String,
        /// simulated; live is refused until there is a vault
        #[arg(long, default_value = "simulated")]
        mode: String,
        /// The strategy's id, for live
        #[arg(long)]
        confirm: Option<String>,
    },
    /// Send nothing more and cancel its orders
    Pause {
        id: String,
    },
    Resume {
        id: String,
    },
    Stop {
        id: String,
    },
    Delete {
        id: String,
    },
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Orders {
    List(OrderFilter),
    Show {
        client_order_id: String,
    },
    Place(Place),
    Amend {
        client_order_id: String,
        #[arg(long)]
        price: String,
        /// The new total, what was filled included
        #[arg(long)]
        quantity: String,
    },
    Cancel {
        client_order_id: String,
    },
    /// Cancel every order of ours, or those of one strategy or instrument
    CancelAll {
        #[arg(long, conflicts_with = "instrument")]
        strategy: Option<String>,
        #[arg(long)]
        instrument: Option<String>,
    },
}

#[derive(Clone, Debug, Default, Args)]
pub(super) struct OrderFilter {
    #[arg(long, value_name = "ID")]
    pub(super) strategy: Option<String>,
    #[arg(long, value_name = "NAME")]
    pub(super) instrument: Option<String>,
    #[arg(long)]
    pub(super) state: Option<String>,
    /// Only those that may still trade
    #[arg(long)]
    pub(super) open: bool,
    #[command(flatten)]
    pub(super) stretch: Stretch,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Place {
    /// binance_usdm:BTCUSDT
    pub(super) instrument: String,
    /// buy or sell
    #[arg(value_parser = ["buy", "sell"])]
    pub(super) side: String,
    pub(super) quantity: String,
    /// Absent: a market order, sent as an immediate-or-cancel limit at the price collar
    #[arg(long)]
    pub(super) price: Option<String>,
    #[arg(long, value_parser = ["gtc", "ioc", "fok", "post_only"], default_value = "gtc")]
    pub(super) time_in_force: String,
    #[arg(long)]
    pub(super) reduce_only: bool,
}

impl Arguments {
    pub(super) fn chosen(&self) -> Command {
        self.command.clone().unwrap_or_else(|| Command::Run(Run::default()))
    }
}

impl Run {
    pub(super) fn takes_simulator(&self) -> bool {
        self.simulator.is_some()
    }
}
