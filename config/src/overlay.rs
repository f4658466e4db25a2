//! Environment variables of the form `ENIGMA__SECTION__KEY` laid over the file's settings.

use toml::{Table, Value};

use crate::error::Problem;
use crate::nearest::nearest;
use crate::raw::RawSettings;

/// One variable, split into the path it means: `ENIGMA__VENUES__0__SYMBOLS` is
/// `venues[0].symbols`.
#[derive(Debug)]
pub(crate) struct Override {
    pub(crate) variable: String,
    pub(crate) path: String,
    parts: Vec<String>,
    text: String,
}

impl Override {
    /// `None` when the variable isn't one of ours.
    pub(crate) fn parse(variable: &str, text: &str) -> Option<Self> {
        let rest = variable.strip_prefix(PREFIX)?;
        let parts: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
        let path = parts.iter().fold(String::new(), |path, part| match part.parse::<usize>() {
            Ok(place) => format!("{path}[{place}]"),
            Err(_) if path.is_empty() => part.clone(),
            Err(_) => format!("{path}.{part}"),
        });
        Some(Self { variable: variable.into(), path, parts, text: text.into() })
    }

    /// The settings with this variable's value in place of what stood there.
    pub(crate) fn apply(&self, settings: &RawSettings) -> Result<RawSettings, Problem> {
        let table = Table::try_from(settings).map_err(|error| wrong(&error.to_string()))?;
        let mut refusal = None;
        for value in readings(&self.text) {
            let mut root = Value::Table(table.clone());
            match slot(&mut root, &self.parts) {
                Some(slot) => *slot = value,
                None => return Err(unknown_section(&self.parts)),
            }
            match root.try_into::<RawSettings>() {
                Ok(settings) => return Ok(settings),
                Err(error) => refusal = refusal.or(Some(problem_of(error.message()))),
            }
        }
        Err(refusal.unwrap_or_else(|| wrong("no value")))
    }
}

/// What a deserialiser's message means to the operator.
pub(crate) fn problem_of(message: &str) -> Problem {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (given, allowed) = match names.split_first() {
        Some((given, allowed)) => (*given, allowed),
        None => ("", names.as_slice()),
    };
    let near = nearest(given, allowed.iter().copied()).map(str::to_owned);
    if message.starts_with("unknown field") {
        if is_secret(given) { Problem::Secret } else { Problem::UnknownKey { nearest: near } }
    } else if message.starts_with("unknown variant") {
        let allowed = allowed.join(", ");
        Problem::UnknownValue { given: given.into(), allowed, nearest: near }
    } else {
        wrong(message)
    }
}

/// The name that an "unknown field" message speaks of.
pub(crate) fn unknown_field(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

const PREFIX: &str = "ENIGMA__";

/// A variable's text is a TOML value where it reads as one, and a plain string where that is what
/// the key wants.
fn readings(text: &str) -> Vec<Value> {
    let parsed = format!("value = {text}").parse::<Table>();
    let typed = parsed.ok().and_then(|mut table| table.remove("value"));
    typed.into_iter().chain([Value::String(text.into())]).collect()
}

fn slot<'a>(value: &'a mut Value, parts: &[String]) -> Option<&'a mut Value> {
    let Some((first, rest)) = parts.split_first() else { return Some(value) };
    match value {
        Value::Table(table) => {
            let absent =
                if rest.is_empty() { Value::Boolean(false) } else { Value::Table(Table::new()) };
            slot(table.entry(first.clone()).or_insert(absent), rest)
        }
        Value::Array(array) => slot(array.get_mut(first.parse::<usize>().ok()?)?, rest),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => None,
    }
}

fn unknown_section(parts: &[String]) -> Problem {
    let given = parts.first().map(String::as_str).unwrap_or_default();
    let known = nearest(given, RawSettings::SECTIONS).map(str::to_owned);
    Problem::UnknownKey { nearest: known }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = ["secret", "passphrase", "password", "private", "token", "credential", "mnemonic"];
    words.iter().any(|word| name.contains(word))
        || name == "key"
        || name.ends_with("_key")
        || name == "keys"
        || name == "apikey"
}

fn wrong(message: &str) -> Problem {
    Problem::WrongType(message.trim().replace('\n', " "))
}
