//! Programmable faults: what they are, how a file says them.
//!
//! A file is TOML, one `[[fault]]` for each: `at` (seconds after the start), `venue`, `kind` and
//! the kind's own members. An unknown member refuses the file.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dialects::binance::Product;
use crate::dialects::binance::roles::Role;

/// The connections a fault meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Socket {
    #[default]
    All,
    Rest,
    /// Market streams.
    Public,
    /// User data.
    Private,
    /// Order entry.
    Orders,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Everything written to the sockets waits `ms`, for `for_ms` (for ever when absent).
    Delay {
        ms: u64,
        #[serde(default)]
        for_ms: Option<u64>,
        #[serde(default)]
        socket: Socket,
    },
    /// Closes the sockets in good order, without a WebSocket close.
    Drop {
        #[serde(default)]
        socket: Socket,
    },
    /// Resets the sockets, at once or in the middle of the next thing written.
    Reset {
        #[serde(default)]
        socket: Socket,
        #[serde(default)]
        mid_frame: bool,
    },
    /// The far end is gone and nothing says so: what is written is lost, nothing is read.
    HalfOpen {
        #[serde(default)]
        socket: Socket,
    },
    /// Neither reads nor writes for `for_ms` (for ever when absent), then goes on.
    Stall {
        #[serde(default)]
        for_ms: Option<u64>,
        #[serde(default)]
        socket: Socket,
    },
    /// The next `count` order requests are answered so, after being done when `applied`.
    #[serde(alias = "error_code")]
    Error {
        #[serde(default = "one")]
        count: u32,
        code: i32,
        #[serde(default = "bad_request")]
        status: u16,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        applied: bool,
    },
    /// The next `count` order requests get no answer, after being done when `applied`.
    NoReply {
        #[serde(default = "one")]
        count: u32,
        #[serde(default)]
        applied: bool,
    },
    /// The next `count` user events (market messages for `socket = "public"`) come twice.
    Duplicate {
        #[serde(default = "one")]
        count: u32,
        #[serde(default)]
        socket: Socket,
    },
    /// The next two user events come in the wrong order.
    Reorder {},
    /// The next `count` HTTP requests get a proxy's HTML page.
    #[serde(rename = "html_502")]
    Html502 {
        #[serde(default = "one")]
        count: u32,
    },
    /// The next `count` depth events of each instrument are not sent.
    Gap {
        #[serde(default = "one")]
        count: u32,
    },
    /// Revokes one key, or all.
    RevokeKey {
        #[serde(default)]
        api_key: Option<String>,
    },
    /// Gives a key another role's rights, as its owner may while it is in use.
    ChangeRole {
        api_key: String,
        role: Role,
    },
    ListenKeyExpired {},
    /// The venue announces that it will close this connection.
    ServerShutdown {},
    /// Closes everything and refuses service for `for_ms`.
    Maintenance {
        for_ms: u64,
    },
    /// The venue's clock runs this far ahead (negative: behind) of the machine's.
    ClockSkew {
        ms: i64,
    },
}

/// A fault and when it strikes after the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: Duration,
    /// The market it strikes; None means both.
    pub product: Option<Product>,
    pub kind: FaultKind,
}

#[derive(Debug, thiserror::Error)]
pub enum FaultFileError {
    #[error("cannot read the fault file {path}: {source}")]
    Unreadable { path: String, source: std::io::Error },
    #[error("the fault file is not TOML: {0}")]
    Syntax(Box<toml::de::Error>),
    #[error("fault {number}: {reason}")]
    Fault { number: usize, reason: String },
}

/// Reads a fault file.
pub fn read_file(path: &Path) -> Result<Vec<Fault>, FaultFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FaultFileError::Unreadable {
        path: path.display().to_string(),
        source,
    })?;
    read_toml(&text)
}

pub fn read_toml(text: &str) -> Result<Vec<Fault>, FaultFileError> {
    let mut table: toml::Table =
        toml::from_str(text).map_err(|error| FaultFileError::Syntax(Box::new(error)))?;
    let refuse = |number: usize, reason: String| FaultFileError::Fault { number, reason };
    let list = match table.remove("fault") {
        Some(toml::Value::Array(list)) => list,
        Some(_) => return Err(refuse(0, "`fault` must be a list of tables".to_owned())),
        None => Vec::new(),
    };
    if let Some(name) = table.keys().next() {
        return Err(refuse(0, format!("unknown name `{name}`, expected [[fault]]")));
    }
    let one = |(index, value): (usize, toml::Value)| {
        read_fault(value).map_err(|reason| refuse(index.saturating_add(1), reason))
    };
    list.into_iter().enumerate().map(one).collect()
}

fn read_fault(value: toml::Value) -> Result<Fault, String> {
    let toml::Value::Table(mut members) = value else { return Err("not a table".to_owned()) };
    let at = match members.remove("at") {
        None => Duration::ZERO,
        Some(value) => seconds(&value).ok_or("`at` must be seconds, not negative")?,
    };
    let product = match members.remove("venue") {
        None => None,
        Some(toml::Value::String(venue)) => read_venue(&venue)?,
        Some(other) => return Err(format!("`venue` must be a name, not {other}")),
    };
    let kind = toml::Value::Table(members).try_into::<FaultKind>();
    Ok(Fault { at, product, kind: kind.map_err(|error| error.message().to_owned())? })
}

/// The fault of a request to a running simulator: the kind's members, and `venue` where it
/// strikes one market alone.
pub fn read_json(text: &str) -> Result<(Option<Product>, FaultKind), String> {
    let mut members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let product = match members.remove("venue") {
        None => None,
        Some(serde_json::Value::String(venue)) => read_venue(&venue)?,
        Some(other) => return Err(format!("`venue` must be a name, not {other}")),
    };
    let kind = serde_json::from_value(serde_json::Value::Object(members));
    Ok((product, kind.map_err(|error| error.to_string())?))
}

fn read_venue(name: &str) -> Result<Option<Product>, String> {
    match name {
        "binance" => Ok(None),
        "binance_spot" => Ok(Some(Product::Spot)),
        "binance_usdm" => Ok(Some(Product::Usdm)),
        other => Err(format!(
            "unknown venue {other:?}, expected \"binance\", \"binance_spot\" or \"binance_usdm\""
        )),
    }
}

fn seconds(value: &toml::Value) -> Option<Duration> {
    match value {
        toml::Value::Integer(whole) => u64::try_from(*whole).ok().map(Duration::from_secs),
        toml::Value::Float(decimal) => Duration::try_from_secs_f64(*decimal).ok(),
        toml::Value::String(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => None,
    }
}

fn one() -> u32 {
    1
}

fn bad_request() -> u16 {
    400
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[test]
    fn a_file_lists_faults_with_their_times() {
        let text = r#"
            [[fault]]
            at = 1.5
            venue = "binance"
            kind = "error"
            code = -1007
            status = 503
            applied = true
            count = 2

            [[fault]]
            at = 3
            kind = "reset"
            socket = "public"
            mid_frame = true
        "#;
        let faults = read_toml(text).unwrap();
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].at, Duration::from_millis(1500));
        let expected = FaultKind::Reset { socket: Socket::Public, mid_frame: true };
        assert_eq!(faults[1].kind, expected);
    }

    #[track_caller]
    fn check_refused(text: &str, part: &str) {
        let error = read_toml(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn a_wrong_file_is_refused_with_what_is_wrong() {
        check_refused("[[fault]]\nkind = \"gap\"\ncuont = 2\n", "cuont");
        check_refused("[[fault]]\nkind = \"nothing\"\n", "nothing");
        check_refused("[[fault]]\nkind = \"gap\"\nat = -1\n", "at");
        check_refused("[[fault]]\nkind = \"gap\"\nvenue = \"nasdaq\"\n", "nasdaq");
        check_refused("[[faults]]\nkind = \"gap\"\n", "faults");
        check_refused("kind =", "TOML");
    }
}
