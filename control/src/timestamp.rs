//! Instants as the API writes them: RFC 3339 in UTC, beside the nanoseconds themselves.

use enigma_types::UnixNanos;
use jiff::Timestamp;

/// `2026-11-24T17:49:00.123456789Z`; what no calendar holds becomes the epoch.
pub(crate) fn rfc3339(at: UnixNanos) -> String {
    Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default().to_string()
}

/// The wall clock. For display and ages only.
pub(crate) fn wall_now() -> UnixNanos {
    UnixNanos(u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_in_utc_to_the_nanosecond() {
        assert_eq!(rfc3339(UnixNanos(1_723_082_400_123_456_789)), "2024-08-08T02:00:00.123456789Z");
        assert_eq!(rfc3339(UnixNanos(0)), "1970-01-01T00:00:00Z");
    }
}
