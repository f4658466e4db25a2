//! The exchange that the daemon trades on: embedded, or a simulator that runs already and whose
//! one line of JSON comes in on standard input. Test accounts' keys are passed in memory only.

use std::io::{self, BufRead, Read};
use std::net::IpAddr;
use std::path::PathBuf;

use enigma_config::{Host, MarketSource, Settings, SimulatorSettings, Speed};
use enigma_engine::signer::{BinanceSecret, BinanceSigner, Ed25519Key, HmacSha256Key, Signer};
use enigma_simulator::{
    MarketSettings, ReplaySpeed, Simulator, SimulatorConfig, SimulatorError, SimulatorHandle,
    TestAccount, UsdmEndpoints,
};
use serde::Deserialize;
use tokio::runtime::Runtime;
use zeroize::Zeroize;

use super::{DaemonError, placement};

/// Where the venues' hosts are.
#[derive(Debug)]
pub(super) enum Simulation {
    Embedded {
        runtime: Runtime,
        handle: SimulatorHandle,
    },
    External(External),
    /// The settings name the hosts; there are no keys, and so nothing but public data.
    None,
}

/// A simulator in another process.
#[derive(Debug)]
pub(super) struct External {
    endpoints: UsdmEndpoints,
    ca: Option<PathBuf>,
    account: Account,
}

/// One test account, its key ready to sign.
pub(super) struct Account {
    api_key: String,
    key_type: String,
    secret: String,
}

/// Why standard input named no simulator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExternalError {
    #[error("standard input can't be read: {0}")]
    Read(io::Error),
    #[error("standard input holds no line of `enigma simulator`: {0}")]
    Shape(String),
    #[error("{0} is no loopback host: test accounts are for a simulator on this machine")]
    NotLoopback(String),
    #[error("the simulator names no account with role \"trade\"")]
    NoAccount,
}

impl Simulation {
    pub(super) fn begin(settings: &Settings, external: bool) -> Result<Self, DaemonError> {
        if external {
            let line = read_line(io::stdin().lock())?;
            return Ok(Self::External(External::parse(line)?));
        }
        if !settings.embedded {
            return Ok(Self::None);
        }
        let runtime =
            placement::runtime("enigma-simulator", WORKERS).map_err(DaemonError::Runtime)?;
        let handle = runtime.block_on(Simulator::start(config(&settings.simulator)?))?;
        Ok(Self::Embedded { runtime, handle })
    }

    pub(super) fn name(&self) -> Option<&'static str> {
        match self {
            Self::Embedded { .. } => Some("embedded"),
            Self::External(_) => Some("external"),
            Self::None => None,
        }
    }

    /// The hosts, and the file of the authority that vouches for them.
    pub(super) fn endpoints(&self) -> Option<(&UsdmEndpoints, Option<&PathBuf>)> {
        match self {
            Self::Embedded { handle, .. } => {
                let endpoints = handle.endpoints();
                Some((&endpoints.binance_usdm, endpoints.ca.as_ref()))
            }
            Self::External(external) => Some((&external.endpoints, external.ca.as_ref())),
            Self::None => None,
        }
    }

    /// What signs for the account that trades.
    pub(super) fn signer(&self) -> Result<Signer, DaemonError> {
        match self {
            Self::Embedded { handle, .. } => {
                // With Ed25519 the session logs on once, and orders carry no signature.
                let account = handle.account("trade", "ed25519");
                account.map(Account::of).ok_or(ExternalError::NoAccount)?.signer()
            }
            Self::External(external) => external.account.signer(),
            Self::None => Ok(Signer::None),
        }
    }

    pub(super) fn end(self) {
        if let Self::Embedded { runtime, handle } = self {
            runtime.block_on(handle.shutdown());
            runtime.shutdown_background();
        }
    }
}

impl External {
    fn parse(mut line: String) -> Result<Self, ExternalError> {
        let parsed: Result<Line, _> = serde_json::from_str(&line);
        line.zeroize();
        // The parser's own words may quote the line, which holds keys: only the place is told.
        let parsed = parsed.map_err(|error| {
            ExternalError::Shape(format!("JSON expected at column {}", error.column()))
        })?;
        let Usdm { rest, ws_public, ws_market, ws_private, ws_api } = parsed.binance_usdm;
        let endpoints = UsdmEndpoints { rest, ws_public, ws_market, ws_private, ws_api };
        let urls = [
            &endpoints.rest,
            &endpoints.ws_public,
            &endpoints.ws_market,
            &endpoints.ws_private,
            &endpoints.ws_api,
        ];
        for url in urls {
            let host = Host::parse(url).ok_or_else(|| ExternalError::Shape("no URL".into()))?;
            let loopback = host.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
            if !loopback && host.host != "localhost" {
                return Err(ExternalError::NotLoopback(host.host));
            }
        }
        let trading = parsed.accounts.into_iter().filter(|account| account.role == "trade");
        let mut trading: Vec<LineAccount> =
            trading.filter(|account| account.venue == "binance_usdm").collect();
        trading.sort_by_key(|account| account.key_type != "ed25519");
        let account = trading.into_iter().next().ok_or(ExternalError::NoAccount)?;
        Ok(Self { endpoints, ca: parsed.ca, account: account.into() })
    }
}

impl Account {
    fn of(account: &TestAccount) -> Self {
        let secret = account.private_key.as_ref().or(account.secret.as_ref());
        Self {
            api_key: account.api_key.clone(),
            key_type: account.key_type.to_owned(),
            secret: secret.cloned().unwrap_or_default(),
        }
    }

    fn signer(&self) -> Result<Signer, DaemonError> {
        let unusable = |error: enigma_engine::signer::KeyError| DaemonError::Key(error.to_string());
        let secret = if self.key_type == "ed25519" {
            BinanceSecret::Ed25519(Ed25519Key::from_pkcs8_pem(&self.secret).map_err(unusable)?)
        } else {
            BinanceSecret::Hmac(HmacSha256Key::new(self.secret.as_bytes()).map_err(unusable)?)
        };
        Ok(Signer::Binance(BinanceSigner { api_key: self.api_key.clone(), secret }))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Account(redacted)")
    }
}

/// The embedded simulator's or the command's settings in its own terms.
pub(crate) fn config(settings: &SimulatorSettings) -> Result<SimulatorConfig, SimulatorError> {
    let defaults = SimulatorConfig::default();
    let market = match &settings.market {
        MarketSource::Synthetic => defaults.market.clone(),
        MarketSource::Replay { path, speed } => MarketSettings::Replay {
            path: path.clone(),
            speed: replay_speed(*speed),
            hold_until_subscribed: true,
        },
    };
    Ok(SimulatorConfig {
        transport: match settings.transport {
            enigma_config::Transport::Plain => enigma_simulator::Transport::Plain,
            enigma_config::Transport::Tls => enigma_simulator::Transport::Tls,
        },
        seed: settings.seed,
        market,
        limits_multiplier: settings.limits_multiplier,
        ..defaults
    })
}

const WORKERS: usize = 2;
/// The line holds addresses and some twenty keys.
const LONGEST_LINE_BYTES: u64 = 256 << 10;

fn replay_speed(speed: Speed) -> ReplaySpeed {
    match speed {
        Speed::Max => ReplaySpeed::Max,
        Speed::Times(times) => times.to_string().parse().unwrap_or(ReplaySpeed::Percent(100)),
    }
}

fn read_line(input: impl Read) -> Result<String, ExternalError> {
    let mut line = String::new();
    let mut bounded = io::BufReader::new(input.take(LONGEST_LINE_BYTES));
    bounded.read_line(&mut line).map_err(ExternalError::Read)?;
    Ok(line)
}

#[derive(Deserialize)]
struct Line {
    binance_usdm: Usdm,
    ca: Option<PathBuf>,
    accounts: Vec<LineAccount>,
}

#[derive(Deserialize)]
struct Usdm {
    rest: String,
    ws_public: String,
    ws_market: String,
    ws_private: String,
    ws_api: String,
}

#[derive(Deserialize)]
struct LineAccount {
    venue: String,
    role: String,
    #[serde(default)]
    key_type: String,
    api_key: String,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    private_key: Option<String>,
}

impl From<LineAccount> for Account {
    fn from(account: LineAccount) -> Self {
        let secret = account.private_key.or(account.secret).unwrap_or_default();
        Self { api_key: account.api_key, key_type: account.key_type, secret }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn line(host: &str) -> String {
        format!(
            r#"{{"binance_usdm":{{"rest":"http://{host}:1","ws_public":"ws://{host}:2/public",
            "ws_market":"ws://{host}:2/market","ws_private":"ws://{host}:2/private",
            "ws_api":"ws://{host}:3/ws-fapi/v1"}},"ca":null,"accounts":[
            {{"venue":"binance_usdm","role":"trade","key_type":"hmac","api_key":"k",
            "secret":"s3cr3t"}}]}}"#
        )
    }

    #[test]
    fn an_external_simulator_is_taken_from_its_line_and_only_on_loopback() {
        let external = External::parse(line("127.0.0.1")).unwrap();
        assert_eq!(external.endpoints.rest, "http://127.0.0.1:1");
        assert!(external.account.signer().is_ok());
        assert!(!format!("{external:?}").contains("s3cr3t"));
        let refused = External::parse(line("10.0.0.1")).unwrap_err();
        assert!(matches!(refused, ExternalError::NotLoopback(_)), "{refused}");
    }

    #[test]
    fn a_broken_line_is_refused_without_quoting_it() {
        let broken = line("127.0.0.1").replace("\"role\"", "\"rle\"");
        let refused = External::parse(broken).unwrap_err().to_string();
        assert!(!refused.contains("s3cr3t"), "{refused}");
        let empty = line("127.0.0.1").replace("trade", "read_only");
        assert!(matches!(External::parse(empty), Err(ExternalError::NoAccount)));
    }
}
