//! Where history is kept. The URL names a database and never its password: that comes from the
//! environment alone and is shown nowhere.

use std::fmt;

use zeroize::Zeroizing;

use crate::raw::RawStore;
use crate::settings::{Fault, refused};

/// The store of orders, fills and the ledger.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// `enigma.sqlite` in the data directory.
    Sqlite,
    Postgres {
        /// Without a password.
        url: String,
        password: Option<StorePassword>,
    },
}

/// The password of the database's user.
#[derive(Clone)]
pub struct StorePassword(Zeroizing<String>);

impl StoreSettings {
    pub(crate) fn check(raw: &RawStore, password: Option<StorePassword>) -> Result<Self, Fault> {
        let Some(url) = &raw.url else { return Ok(Self::Sqlite) };
        match fault(url) {
            None => Ok(Self::Postgres { url: url.clone(), password }),
            Some(why) => Err(refused("store.url", &why)),
        }
    }
}

impl StorePassword {
    /// The variable that it is read from.
    pub(crate) const VARIABLE: &str = "ENIGMA_STORE_PASSWORD";

    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For the connection, and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StorePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorePassword(..)")
    }
}

/// What else may stand behind the `?`. A closed list, so that no spelling of a password is on it.
const OPTIONS: [&str; 7] =
    ["host", "port", "dbname", "user", "sslmode", "sslrootcert", "application_name"];

/// Why a URL is none of ours. Never quotes it: it may hold what it should not.
fn fault(url: &str) -> Option<String> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let Some(rest) = rest else {
        return Some("no URL such as postgres://enigma@localhost/enigma".into());
    };
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let secret = format!("takes no password: set {} instead", StorePassword::VARIABLE);
    if user.contains(':') || place.matches('@').count() > 1 {
        return Some(secret);
    }
    let mut local = is_local(authority.rsplit('@').next().unwrap_or_default());
    let mut verified = false;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if name.contains("pass") {
            return Some(secret);
        }
        if !OPTIONS.contains(&name) {
            return Some(format!("the options are {}", OPTIONS.join(", ")));
        }
        match name {
            "host" => local = is_local(value),
            "sslmode" => verified = value == "verify-full",
            _ => {}
        }
    }
    if url.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        return Some("a URL holds no white space".into());
    }
    (!local && !verified).then(|| {
        "a database on another host needs sslmode=verify-full: orders would cross the network \
         in plain text, or to a stranger"
            .into()
    })
}

/// This host by name or address, or a socket in the file system.
fn is_local(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let name = bracketed.unwrap_or_else(|| host.split(':').next().unwrap_or_default());
    let address = name.parse::<std::net::IpAddr>();
    name.is_empty()
        || name == "localhost"
        || name.starts_with('/')
        || name.to_ascii_lowercase().starts_with("%2f")
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<&str>) {
        let raw = RawStore { url: Some(url.into()) };
        let why = StoreSettings::check(&raw, None).err().map(|fault| fault.problem.to_string());
        match expected {
            None => assert_eq!(why, None, "{url}"),
            Some(part) => {
                let why = why.unwrap();
                assert!(why.contains(part), "{url}: {why}");
                assert!(!why.contains("hunter2"), "{why}");
            }
        }
    }

    #[test]
    fn a_url_names_a_database_and_no_password() {
        check("postgres://enigma@localhost/enigma", None);
        check("postgresql://enigma@127.0.0.1:5433/enigma?application_name=a", None);
        check("postgres://enigma@[::1]/enigma", None);
        check("postgres:///enigma?host=/run/postgresql&user=enigma", None);
        check("postgres://enigma@%2Frun%2Fpostgresql/enigma", None);
        check("postgres://enigma@db.example/enigma?sslmode=verify-full", None);
        check("postgres://enigma:hunter2@localhost/enigma", Some("ENIGMA_STORE_PASSWORD"));
        check("postgres://enigma@localhost/enigma?password=hunter2", Some("ENIGMA_STORE_"));
        check("postgres://localhost/enigma?%70assword=hunter2", Some("the options are"));
        check("postgres://a@hunter2@localhost/enigma", Some("ENIGMA_STORE_PASSWORD"));
        check("mysql://enigma@localhost/enigma", Some("no URL such as"));
        check("postgres://enigma@db.example/enigma", Some("verify-full"));
        check("postgres://enigma@db.example/enigma?sslmode=require", Some("verify-full"));
        check("postgres://localhost/enigma?host=db.example", Some("verify-full"));
    }

    #[test]
    fn the_password_is_for_the_connection_alone() {
        let raw = RawStore { url: Some("postgres://enigma@localhost/enigma".into()) };
        let password = Some(StorePassword::new("hunter2".into()));
        let settings = StoreSettings::check(&raw, password).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let StoreSettings::Postgres { password: Some(password), .. } = settings else {
            return assert!(matches!(settings, StoreSettings::Postgres { .. }));
        };
        assert_eq!(password.reveal(), "hunter2");
    }
}
