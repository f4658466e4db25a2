//! Reads text that is nearly JSON, field by field: what is broken becomes a value of no use, and
//! what stands around it keeps its meaning. A decoder that skips what it doesn't need accepts such
//! text, and must still have read the rest right.

use serde_json::{Map, Value};

/// The text's value. A part that is no JSON is an object with the key `BROKEN` alone.
pub(crate) fn loosely(text: &[u8]) -> Value {
    let text = text.trim_ascii();
    if let Ok(value) = serde_json::from_slice(text) {
        return value;
    }
    let parts = match text.first() {
        Some(b'{') => fields(text).map(Value::Object),
        Some(b'[') => items(text).map(Value::Array),
        Some(b'-' | b'0'..=b'9') => digits(text),
        Some(b'"') => string(text),
        Some(_) | None => None,
    };
    parts.unwrap_or_else(broken)
}

fn broken() -> Value {
    Value::Object([(BROKEN.to_owned(), Value::Null)].into_iter().collect())
}

const BROKEN: &str = "\u{0}broken";

/// A number that JSON doesn't write so, `007`, is taken for its digits.
fn digits(text: &[u8]) -> Option<Value> {
    let plain = text.iter().all(|byte| matches!(byte, b'-' | b'.' | b'0'..=b'9'));
    let text = std::str::from_utf8(text).ok().filter(|_| plain)?;
    Some(Value::String(text.to_owned()))
}

/// A text whose bytes are no UTF-8 keeps those that are.
fn string(text: &[u8]) -> Option<Value> {
    let inside = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let plain = inside.iter().all(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\'));
    plain.then(|| Value::String(String::from_utf8_lossy(inside).into_owned()))
}

fn fields(text: &[u8]) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    for part in parts(text)? {
        let end = value_end(part)?;
        let key = part.get(1..end - 1).filter(|_| part.first() == Some(&b'"'))?;
        let value = part.get(end..)?.trim_ascii_start().strip_prefix(b":")?;
        map.insert(String::from_utf8_lossy(key).into_owned(), loosely(value));
    }
    Some(map)
}

fn items(text: &[u8]) -> Option<Vec<Value>> {
    let mut items = Vec::new();
    for part in parts(text)? {
        // What follows an item before the comma breaks the list, and not the item.
        let end = value_end(part).unwrap_or(part.len());
        let (item, rest) = part.split_at_checked(end)?;
        items.push(loosely(item));
        if !rest.is_empty() {
            items.push(broken());
        }
    }
    Some(items)
}

/// What stands between the commas of the outermost brackets.
fn parts(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut inside = text.get(1..text.len().checked_sub(1)?)?;
    let mut parts = Vec::new();
    if inside.trim_ascii().is_empty() {
        return Some(parts);
    }
    loop {
        inside = inside.trim_ascii_start();
        let mut end = 0;
        while inside.get(end).is_some_and(|byte| *byte != b',') {
            end += value_end(inside.get(end..)?).unwrap_or(1);
        }
        parts.push(inside.get(..end)?.trim_ascii());
        match inside.get(end + 1..) {
            Some(rest) => inside = rest,
            None => return Some(parts),
        }
    }
}

/// Where the bracket or quote that opens the text closes; `None` when neither opens it.
fn value_end(text: &[u8]) -> Option<usize> {
    if !matches!(text.first(), Some(b'"' | b'{' | b'[')) {
        return None;
    }
    let mut depth = 0_usize;
    let mut quoted = false;
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 && !quoted {
            return Some(at.min(text.len()));
        }
    }
    None
}

#[test]
fn what_is_broken_leaves_the_rest_readable() {
    let value = loosely(b" {\"a\":\"1\",\"b\":{\"c\":[1,,2],\"d\":7},\"e\":fa lse,\"f\":007}");
    assert_eq!(value["a"], "1");
    assert_eq!(value["b"]["d"], 7);
    assert_eq!(value["b"]["c"][2], 2);
    assert!(value["e"].is_object() && value["b"]["c"][1].is_object());
    assert_eq!(value["f"], "007");
    assert!(loosely(b"<html>").is_object());
    assert_eq!(loosely(b"[1,\"x\xff\"]")[0], 1);
}
