//! What the process brings: environment variables and where it stands. Reads nothing itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{ConfigError, Place};
use crate::store::StorePassword;

/// The environment, as an argument.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub variables: BTreeMap<String, String>,
    pub working_dir: PathBuf,
}

impl Surroundings {
    fn path(&self, variable: &str) -> Option<PathBuf> {
        self.variables.get(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The file to read: the first of flag, variable, working directory and `/etc` that is there.
    /// A file named by flag or variable is read even if it is missing, and then complained about.
    pub(crate) fn config_file(&self, flag: Option<&Path>) -> Option<PathBuf> {
        if let Some(named) = flag.map(Path::to_path_buf).or_else(|| self.path("ENIGMA_CONFIG")) {
            return Some(named);
        }
        let usual = [self.working_dir.join("enigma.toml"), "/etc/enigma/enigma.toml".into()];
        usual.into_iter().find(|path| path.is_file())
    }

    /// The database's password, which no key of a file takes.
    pub(crate) fn store_password(&self) -> Option<StorePassword> {
        let text = self.variables.get(StorePassword::VARIABLE).filter(|text| !text.is_empty());
        text.map(|text| StorePassword::new(text.clone()))
    }

    /// The data directory that holds where neither flag nor file names one.
    pub(crate) fn data_dir(&self) -> Result<(PathBuf, Place), ConfigError> {
        let candidates = [
            ("ENIGMA_DATA_DIR", ""),
            ("STATE_DIRECTORY", ""),
            ("XDG_STATE_HOME", "enigma"),
            ("HOME", ".local/state/enigma"),
        ];
        for (variable, below) in candidates {
            if let Some(path) = self.path(variable) {
                let path = if below.is_empty() { path } else { path.join(below) };
                return Ok((path, Place::Variable(variable.into())));
            }
        }
        Err(ConfigError::NoDataDirectory)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: &str) {
        let variables =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let surroundings = Surroundings { variables, working_dir: PathBuf::new() };
        assert_eq!(surroundings.data_dir().unwrap().0, PathBuf::from(expected));
    }

    #[test]
    fn the_data_directory_follows_its_order() {
        let home = ("HOME", "/home/u");
        let xdg = ("XDG_STATE_HOME", "/x");
        let state = ("STATE_DIRECTORY", "/var/lib/enigma");
        let ours = ("ENIGMA_DATA_DIR", "/d");
        check(&[home], "/home/u/.local/state/enigma");
        check(&[home, xdg], "/x/enigma");
        check(&[home, xdg, state], "/var/lib/enigma");
        check(&[home, xdg, state, ours], "/d");
        check(&[home, ("XDG_STATE_HOME", "")], "/home/u/.local/state/enigma");
        assert!(Surroundings::default().data_dir().is_err());
    }
}
