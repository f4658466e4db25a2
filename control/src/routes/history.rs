//! What the routes that show history have in common: cursors, time ranges, and the word for a
//! store that can't be asked.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;
use crate::store::StoreError;

/// An instant of a query: RFC 3339, or nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant(pub(crate) u64);

impl Instant {
    fn parse(text: &str) -> Option<Self> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self);
        }
        // A `+` of an offset that wasn't encoded arrives as a space.
        let instant: Timestamp = text.replace(' ', "+").parse().ok()?;
        u64::try_from(instant.as_nanosecond()).ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(
                "an instant is written as 2026-11-24T17:49:00Z or in nanoseconds since 1970",
            )
        })
    }
}

/// A cursor as it is given out: opaque, and told apart from those of other lists by its first
/// part.
pub(crate) fn cursor_of(parts: &[String]) -> String {
    hex::encode(parts.join("\n"))
}

/// The parts of a cursor of this list. Those behind the first may hold anything that we wrote.
pub(crate) fn parts_of(cursor: &str, list: &str) -> Option<Vec<String>> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let mut parts = text.split('\n').map(str::to_owned);
    (parts.next()? == list).then(|| parts.collect())
}

pub(crate) fn foreign_cursor() -> Problem {
    Problem::bad_request("bad_query", "cursor is none of ours")
}

/// What a page says when it shows only what the daemon holds in memory.
pub(crate) fn incomplete(error: &StoreError) -> String {
    format!("older history can't be read for now: {error}")
}

/// Where nothing can be shown without the store.
pub(crate) fn unavailable(error: &StoreError) -> Problem {
    tracing::warn!(%error, "history was asked for and can't be read");
    Problem::unavailable("store_unavailable", incomplete(error))
}

pub(crate) fn no_store() -> Problem {
    let detail = "this daemon keeps no history";
    Problem::new(StatusCode::NOT_FOUND, "no_store", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(Instant::parse(text).map(|instant| instant.0), expected, "{text}");
    }

    #[test]
    fn instants_are_read_in_both_spellings() {
        check("1723082400123456789", Some(1_723_082_400_123_456_789));
        check("2024-08-08T02:00:00.123456789Z", Some(1_723_082_400_123_456_789));
        check("2024-08-08T04:00:00+02:00", Some(1_723_082_400_000_000_000));
        check("2024-08-08T04:00:00 02:00", Some(1_723_082_400_000_000_000));
        check("1969-01-01T00:00:00Z", None);
        check("yesterday", None);
    }

    #[test]
    fn a_cursor_is_of_one_list() {
        let cursor = cursor_of(&["orders".into(), "7".into(), "1".into()]);
        assert_eq!(parts_of(&cursor, "orders"), Some(vec!["7".into(), "1".into()]));
        assert_eq!(parts_of(&cursor, "fills"), None);
        for broken in ["", "7", "zz", &cursor[1..]] {
            assert_eq!(parts_of(broken, "orders"), None, "{broken}");
        }
    }
}
