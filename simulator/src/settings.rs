//! What a simulator is started with.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::faults::Fault;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueName {
    /// Spot and USDⓈ-M futures, which share accounts and keys.
    Binance,
}

impl FromStr for VenueName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "binance" => Ok(Self::Binance),
            other => Err(format!("no simulator for venue {other:?}, there is: binance")),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    #[default]
    Plain,
    Tls,
}

/// How fast a recording plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaySpeed {
    /// Hundredths: 100 is as recorded, 1000 ten times faster.
    Percent(u64),
    /// As fast as the slowest subscriber reads.
    Max,
}

impl FromStr for ReplaySpeed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let refuse = || format!("speed {text:?} is neither \"max\" nor a number from 0.01 up");
        let factor: Decimal = text.parse().map_err(|_| refuse())?;
        let percent = factor.checked_mul(Decimal::ONE_HUNDRED).ok_or_else(refuse)?;
        match u64::try_from(percent.trunc()) {
            Ok(percent) if percent > 0 => Ok(Self::Percent(percent)),
            Ok(_) | Err(_) => Err(refuse()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarketSettings {
    Synthetic {
        /// Participants' actions in a second, each instrument.
        actions_per_second: u32,
    },
    /// The market that the recording is of plays it; the other one is made up, and slow.
    Replay {
        path: PathBuf,
        speed: ReplaySpeed,
        /// Holds the first line until someone has subscribed to a market stream.
        hold_until_subscribed: bool,
    },
}

/// The venue's rules for connections, read in `venues/binance.md` section 8 on 2026-11-24.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionRules {
    pub ping_every: Duration,
    pub pong_within: Duration,
    pub lifetime: Duration,
    pub stream_messages_per_second: u32,
}

impl ConnectionRules {
    /// Spot's: pings are more frequent and control messages fewer.
    pub fn spot() -> Self {
        Self {
            ping_every: Duration::from_secs(20),
            pong_within: Duration::from_secs(60),
            lifetime: Duration::from_secs(86_400),
            stream_messages_per_second: 5,
        }
    }
}

impl Default for ConnectionRules {
    /// USDⓈ-M futures'.
    fn default() -> Self {
        Self {
            ping_every: Duration::from_secs(180),
            pong_within: Duration::from_secs(600),
            lifetime: Duration::from_secs(86_400),
            stream_messages_per_second: 10,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatorConfig {
    pub venues: Vec<VenueName>,
    pub transport: Transport,
    pub listen: IpAddr,
    /// Six ports from here on: REST, streams and order entry of futures, then of spot. None
    /// takes free ones.
    pub port_base: Option<u16>,
    /// None draws one.
    pub seed: Option<u64>,
    pub market: MarketSettings,
    pub faults: Vec<Fault>,
    /// Multiplies weight and order limits.
    pub limits_multiplier: u32,
    /// Of futures.
    pub rules: ConnectionRules,
    pub spot_rules: ConnectionRules,
    /// Time between two payments of funding.
    pub funding_every: Duration,
    /// Where the CA's PEM goes; None takes a file in the temporary directory.
    pub ca_path: Option<PathBuf>,
    /// USDT in each account at the start, on either market; spot has other assets beside it.
    pub deposit: Decimal,
    /// Records when ticks are written and order frames arrive.
    pub measure: bool,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            venues: vec![VenueName::Binance],
            transport: Transport::Plain,
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_base: None,
            seed: None,
            market: MarketSettings::Synthetic { actions_per_second: 200 },
            faults: Vec::new(),
            limits_multiplier: 1,
            rules: ConnectionRules::default(),
            spot_rules: ConnectionRules::spot(),
            funding_every: Duration::from_secs(8 * 3_600),
            ca_path: None,
            deposit: Decimal::from(1_000_000),
            measure: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_any_positive_number_or_max() {
        assert_eq!("10".parse(), Ok(ReplaySpeed::Percent(1000)));
        assert_eq!("0.5".parse(), Ok(ReplaySpeed::Percent(50)));
        assert_eq!("max".parse(), Ok(ReplaySpeed::Max));
        for bad in ["0", "-1", "fast", "", "1e3000"] {
            assert!(bad.parse::<ReplaySpeed>().is_err(), "{bad}");
        }
    }
}
