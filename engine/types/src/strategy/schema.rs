//! The parameters of a kind as a JSON Schema, drawn from the kind's table when it is serialised.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::kinds::{ParameterSpec, Presence, StrategyKind, Values};
use super::parameters::ParameterValue;

/// A JSON Schema of `StrategySpec::parameters` for one kind. Dialect:
/// https://json-schema.org/draft/2020-12/schema (read 2026-11-24). The keyword `x-unit` says what a
/// number counts: base, price, ticks, percent, seconds or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterSchema(StrategyKind);

struct Properties(StrategyKind);
struct Property(&'static ParameterSpec);
struct Required(StrategyKind);
struct NotBoth([&'static str; 2]);

impl StrategyKind {
    /// What the API serves for a form: serialises to a JSON Schema object.
    pub const fn schema(self) -> ParameterSchema {
        ParameterSchema(self)
    }
}

impl Serialize for ParameterSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("$schema", "https://json-schema.org/draft/2020-12/schema")?;
        map.serialize_entry("title", kind.name())?;
        map.serialize_entry("description", kind.description())?;
        map.serialize_entry("type", "object")?;
        map.serialize_entry("additionalProperties", &false)?;
        map.serialize_entry("properties", &Properties(kind))?;
        map.serialize_entry("required", &Required(kind))?;
        if let Some(pair) = kind.exclusive() {
            map.serialize_entry("not", &NotBoth(pair))?;
        }
        map.end()
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.parameters().iter().map(|row| (row.name, Property(row))))
    }
}

impl Serialize for Property {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("title", row.title)?;
        map.serialize_entry("description", row.description)?;
        match row.values {
            Values::AboveZero => {
                map.serialize_entry("type", "string")?;
                map.serialize_entry("pattern", DECIMAL_ABOVE_ZERO)?;
                map.serialize_entry("x-exclusive-minimum", "0")?;
            }
            Values::FromZero => {
                map.serialize_entry("type", "string")?;
                map.serialize_entry("pattern", DECIMAL_FROM_ZERO)?;
                map.serialize_entry("x-minimum", "0")?;
            }
            Values::Whole { minimum, maximum } => {
                map.serialize_entry("type", "integer")?;
                map.serialize_entry("minimum", &minimum)?;
                map.serialize_entry("maximum", &maximum)?;
            }
            Values::Flag => map.serialize_entry("type", "boolean")?,
            Values::Choice(names) => {
                map.serialize_entry("type", "string")?;
                map.serialize_entry("enum", names)?;
            }
        }
        if let Presence::Default(value) = row.presence {
            match value {
                ParameterValue::Decimal(value) => map.serialize_entry("default", &value)?,
                ParameterValue::Whole(value) => map.serialize_entry("default", &value)?,
                ParameterValue::Flag(value) => map.serialize_entry("default", &value)?,
                ParameterValue::Choice(name) => map.serialize_entry("default", name)?,
            }
        }
        if let Some(unit) = row.unit {
            map.serialize_entry("x-unit", unit.name())?;
        }
        map.end()
    }
}

impl Serialize for Required {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let required = self.0.parameters().iter().filter(|row| row.presence == Presence::Required);
        serializer.collect_seq(required.map(|row| row.name))
    }
}

impl Serialize for NotBoth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("required", self.0)])
    }
}

/// Plain digits, with something else than zeros among them.
const DECIMAL_ABOVE_ZERO: &str = r"^(?=.*[1-9])[0-9]+(\.[0-9]+)?$";
const DECIMAL_FROM_ZERO: &str = r"^[0-9]+(\.[0-9]+)?$";
