//! The tables of parameters against the struct, the validation and the schema drawn from them.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use serde_json::{Value, json};

use super::*;

fn schema(kind: StrategyKind) -> Value {
    serde_json::to_value(kind.schema()).unwrap()
}

/// The least that each kind accepts.
fn least(kind: StrategyKind) -> Parameters {
    let given = match kind {
        StrategyKind::Quoter => {
            json!({"quantity": "1", "max_position": "5", "half_spread_ticks": 3})
        }
        StrategyKind::Taker => json!({"quantity": "1", "max_position": "5"}),
        StrategyKind::Twap => {
            json!({"side": "buy", "quantity": "1", "limit_price": "5", "duration_seconds": 60})
        }
        StrategyKind::Grid => {
            json!({"quantity": "1", "lower_price": "5", "upper_price": "6.5", "levels": 4})
        }
    };
    serde_json::from_value(given).unwrap()
}

fn spec(kind: StrategyKind, parameters: Parameters) -> StrategySpec {
    StrategySpec {
        id: "test".try_into().unwrap(),
        kind,
        instruments: vec!["binance_usdm:BTCUSDT".to_owned()],
        parameters,
        limits: StrategyLimits::default(),
    }
}

#[track_caller]
fn check(kind: StrategyKind, change: Value, expected: Result<(), SpecError>) {
    let mut whole = serde_json::to_value(least(kind)).unwrap();
    for (name, value) in change.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let parameters = serde_json::from_value(whole).unwrap();
    assert_eq!(spec(kind, parameters).check(), expected, "{kind} with {change}");
}

#[test]
fn every_parameter_belongs_to_a_kind_and_every_row_is_a_parameter() {
    for name in Parameters::NAMES {
        let owned = StrategyKind::ALL.iter().any(|kind| kind.parameter(name).is_some());
        assert!(owned, "no kind takes {name}");
    }
    for kind in StrategyKind::ALL {
        for row in kind.parameters() {
            assert!(Parameters::NAMES.contains(&row.name), "{kind}: {}", row.name);
            let rows = kind.parameters().iter().filter(|other| other.name == row.name);
            assert_eq!(rows.count(), 1, "{kind}: {} stands there twice", row.name);
        }
    }
}

#[test]
fn the_schema_shows_every_row_with_its_bounds_and_nothing_else() {
    for kind in StrategyKind::ALL {
        let schema = schema(kind);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["title"], kind.name());
        assert_eq!(schema["additionalProperties"], false);
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), kind.parameters().len());
        for row in kind.parameters() {
            let property = &properties[row.name];
            assert_eq!(property["title"], row.title);
            assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')));
            assert_eq!(property.get("x-unit").is_some(), row.unit.is_some(), "{}", row.name);
            let required = schema["required"].as_array().unwrap().contains(&json!(row.name));
            assert_eq!(required, row.presence == Presence::Required, "{}", row.name);
            let default = matches!(row.presence, Presence::Default(_));
            assert_eq!(property.get("default").is_some(), default, "{}", row.name);
            if let Values::Whole { minimum, maximum } = row.values {
                assert_eq!(property["minimum"], minimum);
                assert_eq!(property["maximum"], maximum);
            }
        }
    }
}

#[test]
fn what_is_least_and_what_defaults_make_of_it_is_valid() {
    for kind in StrategyKind::ALL {
        let least = least(kind);
        spec(kind, least.clone()).check().unwrap();
        let whole = least.or_defaults(kind);
        spec(kind, whole.clone()).check().unwrap();
        for (name, property) in schema(kind)["properties"].as_object().unwrap() {
            if let Some(default) = property.get("default") {
                let written = serde_json::to_value(&whole).unwrap();
                assert_eq!(&written[name], default, "{kind}: {name}");
            }
        }
        assert_eq!(whole.or_defaults(kind), whole);
    }
}

#[test]
fn given_values_keep_their_place_before_defaults() {
    let mut given = least(StrategyKind::Twap);
    given.through_ticks = Some(9);
    given.interval_seconds = Some(5);
    let whole = given.or_defaults(StrategyKind::Twap);
    assert_eq!(whole.through_ticks, Some(9));
    assert_eq!((whole.slices, whole.interval_seconds), (None, Some(5)));
    assert_eq!(least(StrategyKind::Twap).or_defaults(StrategyKind::Twap).slices, Some(10));
}

#[test]
fn every_bound_of_the_schema_is_accepted_and_the_next_value_refused() {
    for kind in StrategyKind::ALL {
        for (name, property) in schema(kind)["properties"].as_object().unwrap() {
            let parameter = kind.parameter(name).unwrap().name;
            // A slice is never longer than the whole.
            let with = |value: Value| {
                let mut change = json!({});
                if kind == StrategyKind::Twap {
                    change["duration_seconds"] = json!(604_800);
                }
                change[name] = value;
                change
            };
            if let (Some(low), Some(high)) =
                (property["minimum"].as_u64(), property["maximum"].as_u64())
            {
                let refused = SpecError::OutOfBounds {
                    parameter,
                    low: low.try_into().unwrap(),
                    high: high.try_into().unwrap(),
                };
                check(kind, with(json!(low)), Ok(()));
                check(kind, with(json!(high)), Ok(()));
                check(kind, with(json!(high + 1)), Err(refused.clone()));
                if let Some(below) = low.checked_sub(1) {
                    check(kind, with(json!(below)), Err(refused));
                }
            }
            if property.get("x-exclusive-minimum").is_some() {
                check(kind, with(json!("0")), Err(SpecError::NotPositive { parameter }));
                check(kind, with(json!("-1")), Err(SpecError::NotPositive { parameter }));
            }
            if property.get("x-minimum").is_some() {
                check(kind, with(json!("0")), Ok(()));
                check(kind, with(json!("-0.1")), Err(SpecError::Negative { parameter }));
            }
            for choice in property["enum"].as_array().into_iter().flatten() {
                check(kind, with(choice.clone()), Ok(()));
            }
            if property.get("enum").is_some() {
                let other = serde_json::from_value::<Parameters>(json!({name: "other"}));
                assert!(other.is_err(), "{kind}: {name}");
            }
        }
    }
}

#[test]
fn what_is_required_is_missed_and_what_is_foreign_refused() {
    for kind in StrategyKind::ALL {
        for name in Parameters::NAMES {
            let mut written = serde_json::to_value(least(kind)).unwrap();
            match kind.parameter(name) {
                Some(row) if row.presence == Presence::Required => {
                    written.as_object_mut().unwrap().remove(*name);
                    let parameters = serde_json::from_value(written).unwrap();
                    let missing = SpecError::Missing { kind, parameter: row.name };
                    assert_eq!(spec(kind, parameters).check(), Err(missing));
                }
                Some(_) => {}
                None => {
                    let owner =
                        StrategyKind::ALL.into_iter().find(|kind| kind.parameter(name).is_some());
                    let lent = least(owner.unwrap()).or_defaults(owner.unwrap());
                    let Some(value) = lent.value(name) else { continue };
                    let mut parameters = least(kind);
                    assert!(parameters.set(name, value));
                    let foreign = SpecError::Foreign { kind, parameter: name };
                    assert_eq!(spec(kind, parameters).check(), Err(foreign));
                }
            }
        }
    }
}

#[test]
fn parameters_that_contradict_each_other_are_refused() {
    let twap = StrategyKind::Twap;
    let together = SpecError::Together { first: "slices", second: "interval_seconds" };
    check(twap, json!({"slices": 5, "interval_seconds": 5}), Err(together));
    assert_eq!(schema(twap)["not"], json!({"required": ["slices", "interval_seconds"]}));
    let too_many = |parameter| SpecError::OutOfBounds { parameter, low: 1, high: 60 };
    check(twap, json!({"slices": 61}), Err(too_many("slices")));
    check(twap, json!({"interval_seconds": 61}), Err(too_many("interval_seconds")));
    check(twap, json!({"interval_seconds": 60}), Ok(()));
    let not_below = SpecError::NotBelow { low: "lower_price", high: "upper_price" };
    check(StrategyKind::Grid, json!({"lower_price": "6.5"}), Err(not_below.clone()));
    check(StrategyKind::Grid, json!({"lower_price": "7"}), Err(not_below));
}

#[test]
fn a_value_of_another_type_is_not_set() {
    let mut parameters = Parameters::default();
    assert!(!parameters.set("every_tick", ParameterValue::Whole(1)));
    assert!(!parameters.set("side", ParameterValue::Choice("sideways")));
    assert!(!parameters.set("no_such", ParameterValue::Whole(1)));
    assert_eq!(parameters, Parameters::default());
}
