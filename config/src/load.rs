//! From flags, variables and a file to checked settings, each value with where it came from.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use crate::error::{ConfigError, Place, Problem};
use crate::overlay::{Override, problem_of, unknown_field};
use crate::positions::Positions;
use crate::raw::RawSettings;
use crate::settings::{Fault, Settings};
use crate::surroundings::Surroundings;

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub struct CommandLine {
    pub config: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    pub listen: Option<String>,
    /// Endpoints and test accounts come from a simulator that runs already.
    pub external_simulator: bool,
}

/// Checked settings and how they came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// Every effective value, by key.
    pub rows: Vec<Row>,
    /// The file that was read; none means the built-in settings.
    pub file: Option<PathBuf>,
}

/// One effective value as `config show` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: String,
    /// As TOML; `None` for a key that has no value.
    pub value: Option<String>,
    pub origin: Place,
}

/// Reads, overlays and checks the settings of this start.
pub fn load(around: &Surroundings, flags: &CommandLine) -> Result<Loaded, ConfigError> {
    let mut sources = Sources::default();
    let mut raw = RawSettings::default();
    let file = around.config_file(flags.config.as_deref());
    if let Some(path) = &file {
        let text = read_bounded(path)?;
        raw = parse(path, &text)?;
        sources.file = Some((path.clone(), Positions::new(&text)));
    }
    raw.fill_venues();
    for (variable, text) in &around.variables {
        let Some(change) = Override::parse(variable, text) else { continue };
        let place = Place::Variable(change.variable.clone());
        raw = change.apply(&raw).map_err(|problem| ConfigError::Invalid {
            place: place.clone(),
            key: change.path.clone(),
            problem: Box::new(problem),
        })?;
        sources.overrides.insert(change.path.clone(), place);
    }
    raw.fill_strategies();
    if let Some(listen) = &flags.listen {
        raw.daemon.listen.clone_from(listen);
        sources.overrides.insert("daemon.listen".into(), Place::Flag("--listen"));
    }
    settle_data_dir(&mut raw, &mut sources, around, flags)?;
    let settings = Settings::check(&raw, flags.external_simulator, around.store_password())
        .map_err(|fault| sources.locate(fault))?;
    let rows = rows(&raw, &sources)?;
    Ok(Loaded { settings, rows, file })
}

/// Where values came from.
#[derive(Debug, Default)]
struct Sources {
    file: Option<(PathBuf, Positions)>,
    overrides: BTreeMap<String, Place>,
}

impl Sources {
    fn origin(&self, key: &str) -> Place {
        let overridden = self.overrides.iter().find(|(path, _)| covers(path, key));
        if let Some((_, place)) = overridden {
            return place.clone();
        }
        let Some((path, positions)) = &self.file else { return Place::BuiltIn };
        match positions.of_key(key) {
            Some((line, column)) => Place::File { path: path.clone(), line, column },
            None => Place::BuiltIn,
        }
    }

    fn locate(&self, fault: Fault) -> ConfigError {
        let mut place = self.origin(&fault.key);
        if let (Place::BuiltIn, Some((path, positions))) = (&place, &self.file)
            && let Some((line, column)) = positions.near(&fault.key)
        {
            place = Place::File { path: path.clone(), line, column };
        }
        ConfigError::Invalid { place, key: fault.key, problem: Box::new(fault.problem) }
    }
}

/// Settings files are small: what is larger is not one.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

fn read_bounded(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.into(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST_FILE_BYTES {
        let text = format!("{size} bytes are too many for settings");
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, text)));
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn parse(path: &Path, text: &str) -> Result<RawSettings, ConfigError> {
    let positions = Positions::new(text);
    let invalid = |offset: usize, key: String, problem| {
        let (line, column) = positions.line_and_column(offset);
        let place = Place::File { path: path.into(), line, column };
        ConfigError::Invalid { place, key, problem: Box::new(problem) }
    };
    if let Err(error) = DeTable::parse(text) {
        let offset = error.span().map_or(0, |span| span.start);
        let problem = Problem::Syntax(error.message().trim().replace('\n', ", "));
        return Err(invalid(offset, positions.path_at(offset), problem));
    }
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let mut key = positions.path_at(offset);
        if let Some(name) = unknown_field(error.message())
            && !key.ends_with(name)
        {
            key = if key.is_empty() { name.into() } else { format!("{key}.{name}") };
        }
        invalid(offset, key, problem_of(error.message()))
    })
}

/// Flag, then `ENIGMA_DATA_DIR`, then the file, then the places that the system offers.
fn settle_data_dir(
    raw: &mut RawSettings,
    sources: &mut Sources,
    around: &Surroundings,
    flags: &CommandLine,
) -> Result<(), ConfigError> {
    let by_variable = || match around.data_dir() {
        Ok((path, place)) if place == Place::Variable("ENIGMA_DATA_DIR".into()) => {
            Some((path, place))
        }
        Ok(_) | Err(_) => None,
    };
    let by_flag = flags.data_dir.clone().map(|path| (path, Place::Flag("--data-dir")));
    let named = by_flag.or_else(by_variable);
    let (path, place) = match (named, &raw.daemon.data_dir) {
        (Some(named), _) => named,
        (None, Some(_)) => return Ok(()),
        (None, None) => around.data_dir()?,
    };
    raw.daemon.data_dir = Some(path);
    sources.overrides.insert("daemon.data_dir".into(), place);
    Ok(())
}

fn rows(raw: &RawSettings, sources: &Sources) -> Result<Vec<Row>, ConfigError> {
    let table = Table::try_from(raw).map_err(|error| ConfigError::Invalid {
        place: Place::BuiltIn,
        key: String::new(),
        problem: Box::new(Problem::WrongType(error.to_string())),
    })?;
    let mut rows = Vec::new();
    flatten("", &Value::Table(table), sources, &mut rows);
    for key in RawSettings::UNSET {
        if !rows.iter().any(|row| row.key == key) {
            rows.push(Row { key: key.into(), value: None, origin: sources.origin(key) });
        }
    }
    rows.sort_by_key(|row| RawSettings::SECTIONS.iter().position(|name| covers(name, &row.key)));
    Ok(rows)
}

fn flatten(path: &str, value: &Value, sources: &Sources, rows: &mut Vec<Row>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, sources, rows);
            }
        }
        Value::Array(array) if array.iter().any(Value::is_table) => {
            for (place, element) in array.iter().enumerate() {
                flatten(&format!("{path}[{place}]"), element, sources, rows);
            }
        }
        Value::Array(_)
        | Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => rows.push(Row {
            key: path.into(),
            value: Some(value.to_string()),
            origin: sources.origin(path),
        }),
    }
}

/// Whether a path is the key itself or something around it.
fn covers(path: &str, key: &str) -> bool {
    key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
