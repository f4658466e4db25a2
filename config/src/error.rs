//! What can be wrong with settings, said so that the line can be found and mended.

use std::fmt;
use std::path::PathBuf;

/// Why no settings could be made. The operator mends the file or variable and starts again.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: can't be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{place}: {}{problem}", key_prefix(key))]
    Invalid { place: Place, key: String, problem: Box<Problem> },
    #[error(
        "no data directory: give --data-dir, or set ENIGMA_DATA_DIR, STATE_DIRECTORY, \
         XDG_STATE_HOME or HOME"
    )]
    NoDataDirectory,
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    BuiltIn,
    /// Line and column count from 1.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    Variable(String),
    Flag(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{0}")]
    Syntax(String),
    #[error("no such key{}", hint(nearest))]
    UnknownKey { nearest: Option<String> },
    #[error(
        "no such key: no setting takes a secret. Keys will be loaded into the vault, which isn't \
         built yet"
    )]
    Secret,
    #[error("`{given}` is not one of {allowed}{}", hint(nearest))]
    UnknownValue { given: String, allowed: String, nearest: Option<String> },
    #[error("{0}")]
    WrongType(String),
    #[error("{0}")]
    Refused(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Variable(name) => write!(f, "${name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

fn key_prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

fn hint(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}
