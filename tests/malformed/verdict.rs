//! Whether what a session made of a text is what the text says, and the count of it all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::broken_json::loosely;
use crate::usdm_oracle::Statement;

/// How many messages were fed, and what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) messages: usize,
    /// Read to a known event.
    pub(crate) decoded: usize,
    /// Read although they are no JSON: the broken part is one that the decoders step over.
    pub(crate) decoded_no_json: usize,
    /// Refused although JSON's readers take them: escapes, and more depth than any venue sends.
    pub(crate) stricter: usize,
    pub(crate) statements: usize,
}

impl Tally {
    #[track_caller]
    pub(crate) fn finish(&self, what: &str, least: usize) {
        let share = self.decoded * 100 / self.messages.max(1);
        println!("{what}: {share} % decoded to a known event, {self:?}");
        assert!(self.messages >= least, "{what}: {} messages", self.messages);
        assert!(share >= 30, "{what}: {share} % of the messages could be read");
        assert!(share <= 95, "{what}: {share} %: hardly anything was broken");
    }
}

/// Runs what must not panic, and says with which text it did.
pub(crate) fn survive<T>(text: &[u8], run: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => value,
        Err(_) => panic!("a panic at {}", shown(text)),
    }
}

/// A text's value, and whether it is JSON. What is none is read loosely, if it was accepted: else
/// nobody claims that it means anything.
pub(crate) fn value_of(text: &[u8], accepted: bool) -> (Option<Value>, bool) {
    match serde_json::from_slice(text) {
        Ok(value) => (Some(value), true),
        Err(_) => (accepted.then(|| loosely(text)), false),
    }
}

/// Holds what was told to what the text says. `said` is `None` where nothing may be told.
///
/// The decoders step over what they don't need, so that they may read a text that is no JSON; and
/// they refuse what they can't compare byte by byte. Both are counted and must stay rare.
pub(crate) fn compare(
    text: &[u8],
    is_json: bool,
    said: Option<&[Statement]>,
    told: Option<&[Statement]>,
    tally: &mut Tally,
) -> Result<(), String> {
    tally.decoded += usize::from(told.is_some());
    tally.statements += told.map_or(0, <[Statement]>::len);
    match (said, told) {
        (Some(said), Some(told)) if said == told => {
            tally.decoded_no_json += usize::from(!is_json);
            Ok(())
        }
        (None, None) => Ok(()),
        // Half a message has no meaning to insist on.
        (Some(_), None) if !is_json => Ok(()),
        (Some(_), None) if may_be_refused(text) => {
            tally.stricter += 1;
            Ok(())
        }
        (said, told) => Err(format!("{said:?}\nbut told {told:?}\nof {}", shown(text))),
    }
}

/// Escapes, which a decoder that compares bytes can't read, and more than 64 levels.
pub(crate) fn may_be_refused(text: &[u8]) -> bool {
    let (mut depth, mut deepest, mut quoted) = (0_usize, 0, false);
    for byte in text {
        match byte {
            b'\\' => return true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest > 64
}

/// The text for a person: not all of it when it is long.
pub(crate) fn shown(text: &[u8]) -> String {
    let kept = text.get(..text.len().min(3_000)).unwrap_or_default();
    format!("{} bytes: {}", text.len(), kept.escape_ascii())
}
