//! What a key may do, and the roles of the test accounts (`venues/binance.md` section 7).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Product;
use crate::exchange::order::UnixMillis;

/// How long the trading permission of an expiring key still lasts.
const EXPIRES_IN_MS: u64 = 3 * 86_400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    pub spot: bool,
    pub futures: bool,
    pub withdraw: bool,
    pub transfer: bool,
    pub ip_restricted: bool,
    /// When the permission to trade lapses.
    pub trade_until: Option<UnixMillis>,
}

/// The ways a key can be made, the good one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Trade,
    ReadOnly,
    Withdraw,
    NoIpBinding,
    Expiring,
    /// Its permission to trade has lapsed. Given to a key in flight, to no account at the start.
    Expired,
}

impl Role {
    pub const AT_START: [Self; 5] =
        [Self::Trade, Self::ReadOnly, Self::Withdraw, Self::NoIpBinding, Self::Expiring];

    pub fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::ReadOnly => "read_only",
            Self::Withdraw => "withdraw",
            Self::NoIpBinding => "no_ip_binding",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
        }
    }

    pub fn rights(self, now: UnixMillis) -> Rights {
        let trader = Rights {
            spot: true,
            futures: true,
            withdraw: false,
            transfer: false,
            ip_restricted: true,
            trade_until: None,
        };
        match self {
            Self::Trade => trader,
            Self::ReadOnly => Rights { spot: false, futures: false, ..trader },
            Self::Withdraw => Rights { withdraw: true, transfer: true, ..trader },
            Self::NoIpBinding => Rights { ip_restricted: false, ..trader },
            Self::Expiring => Rights { trade_until: Some(now.plus(EXPIRES_IN_MS)), ..trader },
            Self::Expired => Rights { trade_until: Some(now), ..trader },
        }
    }
}

impl Rights {
    pub fn may_trade(&self, product: Product, now: UnixMillis) -> bool {
        let permitted = match product {
            Product::Spot => self.spot,
            Product::Usdm => self.futures,
        };
        permitted && self.trade_until.is_none_or(|until| now < until)
    }

    /// `apiRestrictions`.
    pub fn restrictions(&self, created: UnixMillis) -> Value {
        let mut told = json!({
            "ipRestrict": self.ip_restricted,
            "createTime": created.0,
            "enableReading": true,
            "enableWithdrawals": self.withdraw,
            "enableInternalTransfer": self.transfer,
            "enableMargin": false,
            "enableFutures": self.futures,
            "permitsUniversalTransfer": self.transfer,
            "enableVanillaOptions": false,
            "enableFixApiTrade": false,
            "enableFixReadOnly": true,
            "enableSpotAndMarginTrading": self.spot,
            "enablePortfolioMarginTrading": false,
        });
        if let (Some(until), Value::Object(members)) = (self.trade_until, &mut told) {
            members.insert("tradingAuthorityExpirationTime".to_owned(), json!(until.0));
        }
        told
    }
}
