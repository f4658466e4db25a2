//! Our JSON reading against other people's: `serde_json` for shapes and values, `rust_decimal` and
//! `enigma_types` for numbers. Both accept: both must see the same. proptest prints the seed.

use enigma_types::{Scale, parse_decimal};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value;

use super::{DecodeError, RawValue, Scanner, for_each_field};

/// Reads a value with our accessors and compares each that succeeds.
fn agrees(ours: RawValue<'_>, theirs: &Value) -> Result<(), TestCaseError> {
    let mut buffer = [0; 512];
    match theirs {
        Value::Null => prop_assert!(ours.is_null()),
        Value::Bool(expected) => prop_assert_eq!(ours.as_bool(), Ok(*expected)),
        Value::Number(number) => {
            let text = number.to_string();
            prop_assert_eq!(ours.bytes(), text.as_bytes());
            if let Ok(found) = ours.as_u64() {
                prop_assert_eq!(Some(found), number.as_u64());
            }
            if let Ok(found) = ours.as_i64() {
                prop_assert_eq!(Some(found), number.as_i64());
            }
        }
        Value::String(expected) => {
            prop_assert_eq!(ours.as_str(&mut buffer), Ok(expected.as_str()));
        }
        Value::Array(expected) => {
            let items = ours.iter_array().and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let items = items.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(items.len(), expected.len());
            for (ours, theirs) in items.into_iter().zip(expected) {
                agrees(ours, theirs)?;
            }
        }
        Value::Object(expected) => {
            let mut fields = Vec::new();
            let walked = ours.for_each_field(|key, value| {
                fields.push((key, value));
                Ok::<(), DecodeError>(())
            });
            prop_assert_eq!(walked, Ok(()));
            for (key, theirs) in expected {
                let ours = fields.iter().rev().find(|(found, _)| *found == key.as_bytes());
                let ours = ours.ok_or_else(|| TestCaseError::fail(format!("no field {key}")))?;
                agrees(ours.1, theirs)?;
            }
        }
    }
    Ok(())
}

/// Everything that reads is called on bytes that may be anything: none may panic.
fn exercise(bytes: &[u8]) {
    let scale = Scale::new(8).unwrap_or_default();
    let mut buffer = [0; 16];
    for from in 0..bytes.len().min(40) {
        let mut scanner = Scanner::new(&bytes[from..]);
        let _ = scanner.skip_value();
        let _ = Scanner::new(&bytes[from..]).string();
        let _ = Scanner::new(&bytes[from..]).decimal(scale);
        let _ = Scanner::new(&bytes[from..]).number_decimal(scale);
        let _ = Scanner::new(&bytes[from..]).unsigned();
        let _ = Scanner::new(&bytes[from..]).signed();
        let _ = Scanner::new(&bytes[from..]).boolean();
        let _ = Scanner::new(&bytes[from..]).expect_literal(b"{\"e\":\"x\",");
    }
    let visited = for_each_field(bytes, |_, value| {
        let _ = value.as_decimal(scale);
        let _ = value.as_u64();
        let _ = value.as_i64();
        let _ = value.as_bool();
        let _ = value.as_str(&mut buffer);
        if let Ok(items) = value.iter_array() {
            for _ in items {}
        }
        let _ = value.for_each_field(|_, _| Ok::<(), DecodeError>(()));
        Ok::<(), DecodeError>(())
    });
    let _ = visited;
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,20}".prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[\u{0}-\u{7f}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            objects(inner),
        ]
    })
}

fn objects(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec(("[a-zA-Z0-9_ ]{0,6}", inner), 0..6)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

fn texts() -> impl Strategy<Value = String> {
    (objects(values()), any::<bool>())
        .prop_map(|(value, pretty)| if pretty { format!("{value:#}") } else { value.to_string() })
}

proptest! {
    #[test]
    fn objects_read_as_serde_json_reads_them(text in texts()) {
        let theirs: Value = serde_json::from_str(&text)?;
        let ours = RawValue::of_message(text.as_bytes());
        let ours = ours.map_err(|error| TestCaseError::fail(error.to_string()))?;
        agrees(ours, &theirs)?;
    }

    #[test]
    fn mutated_bytes_never_panic_nor_read_differently(
        text in texts(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = text.into_bytes();
        for (index, byte) in mutations {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        exercise(&bytes);
        let theirs: Result<serde_json::Map<String, Value>, _> = serde_json::from_slice(&bytes);
        let mut fields = Vec::new();
        let ours = for_each_field(&bytes, |key, value| {
            fields.push((key, value));
            Ok::<(), DecodeError>(())
        });
        if let (Ok(()), Ok(theirs)) = (ours, theirs) {
            for (key, theirs) in &theirs {
                let ours = fields.iter().rev().find(|(found, _)| *found == key.as_bytes());
                let ours = ours.ok_or_else(|| TestCaseError::fail(format!("no field {key}")))?.1;
                let mut buffer = [0; 512];
                match (ours.as_str(&mut buffer), theirs) {
                    (Ok(found), Value::String(expected)) => prop_assert_eq!(found, expected),
                    (Ok(found), other) => prop_assert!(false, "{} is {}", found, other),
                    (Err(_), _) => {}
                }
                if let (Ok(found), Value::Number(expected)) = (ours.as_i64(), theirs) {
                    prop_assert_eq!(Some(found), expected.as_i64());
                }
                if let (Ok(found), Value::Bool(_)) = (ours.as_bool(), theirs) {
                    prop_assert_eq!(Value::Bool(found), theirs.clone());
                }
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        exercise(&bytes);
    }

    #[test]
    fn json_like_bytes_never_panic(text in "[\\[\\]{}\",:\\\\a0-9u.eE+-]{0,60}") {
        exercise(text.as_bytes());
    }

    #[test]
    fn decimals_are_those_of_rust_decimal(
        mantissa in any::<i64>(),
        digits in 0_u8..=12,
        scale in 0_u8..=12,
    ) {
        let text = Decimal::from_i128_with_scale(i128::from(mantissa), u32::from(digits));
        let quoted = format!("\"{text}\"");
        let scale = Scale::new(scale).unwrap_or_default();
        let ours = Scanner::new(quoted.as_bytes()).decimal(scale).ok();
        let unit = Decimal::from(scale.unit());
        let theirs = text.checked_mul(unit).filter(|scaled| scaled.fract().is_zero());
        let theirs = theirs.and_then(|scaled| i64::try_from(scaled.trunc()).ok());
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn decimals_are_those_of_the_types_crate(
        text in prop_oneof![
            "-?[0-9]{0,22}(\\.[0-9]{0,22})?",
            "-?[0-9]{1,8}\\.[0-9]{1,4}0{0,20}",
            "[-+.0-9eExN ]{0,10}",
        ],
        scale in 0_u8..=12,
    ) {
        let scale = Scale::new(scale).unwrap_or_default();
        let quoted = format!("\"{text}\"");
        let mut scanner = Scanner::new(quoted.as_bytes());
        let ours = scanner.decimal(scale).ok();
        prop_assert_eq!(ours, parse_decimal(text.as_bytes(), scale).ok());
    }
}
