//! The keys in memory: what each request was, and what became of it. Bounded by number, by the
//! bytes of its answers and by age; time is an argument.

use std::collections::{BTreeMap, VecDeque};

use enigma_types::UnixNanos;

use super::answer::Answer;
use super::log::Line;
use crate::problem::Problem;

/// Which of our orders a request can have made: those with ids after one and up to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// When the request came, with room for a venue's clock that is behind ours.
    pub(crate) since: UnixNanos,
    pub(crate) after: u64,
    /// Absent while the process that took the request runs.
    pub(crate) until: Option<u64>,
}

/// A request at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) fingerprint: [u8; 32],
    pub(super) at: UnixNanos,
    /// The newest order id of ours before it.
    pub(super) after: u64,
    /// The newest order id that its process can have made, once that has ended.
    pub(super) until: Option<u64>,
}

impl Begun {
    fn span(&self) -> Span {
        let since = UnixNanos(self.at.0.saturating_sub(CLOCK_ROOM_NS));
        Span { since, after: self.after, until: self.until }
    }
}

#[derive(Debug, Default)]
pub(super) struct Table {
    entries: BTreeMap<String, Entry>,
    /// Keys that nobody works on, oldest first.
    settled: VecDeque<String>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    begun: Begun,
    state: State,
}

#[derive(Debug)]
enum State {
    InWork,
    /// It may have taken effect. The answer, if there is one, says just that.
    Unclear {
        earlier: bool,
        answer: Option<Box<Answer>>,
    },
    Answered(Box<Answer>),
}

/// What a key is found as.
#[derive(Debug)]
pub(super) enum Found {
    New,
    Answered(Answer),
    /// `earlier`: by a process that has ended, so that nothing of it is still on its way.
    Unclear {
        span: Span,
        earlier: bool,
        answer: Option<Box<Answer>>,
    },
}

impl Table {
    pub(super) const CAPACITY: usize = 4_096;
    pub(super) const ANSWER_BYTES: usize = 16 << 20;
    pub(super) const KEPT_SECONDS: u64 = 24 * 60 * 60;

    /// Takes a line of the log in, in order.
    pub(super) fn learn(&mut self, line: Line) {
        match line {
            Line::Begin { key, fingerprint, at_ns, after, until } => {
                // What no digest stands in was written by nobody we know: nothing matches it.
                let fingerprint = hex::decode_to_array(&fingerprint).unwrap_or_default();
                let begun = Begun { fingerprint, at: UnixNanos(at_ns), after, until };
                self.drop_answer(&key);
                self.entries.insert(key, Entry { begun, state: State::InWork });
            }
            Line::End { key, answer } => match answer.answer() {
                Some(answer) => self.answer(&key, answer),
                None => self.leave_unclear(&key),
            },
            Line::Free { key } => self.free(&key),
        }
    }

    /// After the last line: what has no answer belongs to a process that has ended.
    pub(super) fn take_over(&mut self, now: UnixNanos, last_order: u64) {
        for entry in self.entries.values_mut() {
            let answer = match &mut entry.state {
                State::InWork => None,
                State::Unclear { answer, .. } => answer.take(),
                State::Answered(_) => continue,
            };
            entry.state = State::Unclear { earlier: true, answer };
            entry.begun.until.get_or_insert(last_order);
        }
        let mut keys: Vec<(UnixNanos, String)> =
            self.entries.iter().map(|(key, entry)| (entry.begun.at, key.clone())).collect();
        keys.sort();
        self.settled = keys.into_iter().map(|(_, key)| key).collect();
        self.make_room(now);
    }

    pub(super) fn begin(&mut self, key: &str, begun: Begun) -> Result<Found, Problem> {
        self.make_room(begun.at);
        let Some(entry) = self.entries.get_mut(key) else {
            let entry = Entry { begun, state: State::InWork };
            self.entries.insert(key.to_owned(), entry);
            return Ok(Found::New);
        };
        if entry.begun.fingerprint != begun.fingerprint {
            let detail = "this Idempotency-Key came before with another request";
            return Err(Problem::invalid("idempotency_key_reused", detail));
        }
        let span = entry.begun.span();
        match &mut entry.state {
            State::InWork => Err(Problem::conflict(
                "idempotency_key_in_flight",
                "the first request with this Idempotency-Key is still in work",
            )),
            State::Answered(answer) => Ok(Found::Answered(answer.as_ref().clone())),
            State::Unclear { earlier, answer } => {
                let (earlier, answer) = (*earlier, answer.clone());
                let found = Found::Unclear { span, earlier, answer };
                self.drop_answer(key);
                self.work_on(key);
                Ok(found)
            }
        }
    }

    /// What was found unclear is so still.
    pub(super) fn put_back(&mut self, key: &str, earlier: bool, answer: Option<Box<Answer>>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.bytes += answer.as_ref().map_or(0, |answer| answer.bytes());
        entry.state = State::Unclear { earlier, answer };
        self.settled.push_back(key.to_owned());
    }

    /// The request is done now, as if it came for the first time.
    pub(super) fn begin_anew(&mut self, key: &str, begun: Begun) {
        self.drop_answer(key);
        self.entries.insert(key.to_owned(), Entry { begun, state: State::InWork });
    }

    pub(super) fn answer(&mut self, key: &str, answer: Answer) {
        self.drop_answer(key);
        let Some(entry) = self.entries.get_mut(key) else { return };
        self.bytes += answer.bytes();
        let answer = Box::new(answer);
        entry.state = if answer.is_unclear() {
            State::Unclear { earlier: false, answer: Some(answer) }
        } else {
            State::Answered(answer)
        };
        self.settled.push_back(key.to_owned());
    }

    /// Whoever worked on the key has gone without an answer.
    pub(super) fn leave_unclear(&mut self, key: &str) {
        if let Some(entry) = self.entries.get_mut(key)
            && matches!(entry.state, State::InWork)
        {
            entry.state = State::Unclear { earlier: false, answer: None };
            self.settled.push_back(key.to_owned());
        }
    }

    pub(super) fn free(&mut self, key: &str) {
        self.drop_answer(key);
        self.entries.remove(key);
    }

    /// The table as a log that holds nothing else.
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::with_capacity(self.entries.len() * 2);
        for (key, entry) in &self.entries {
            lines.push(Line::begin(key, &entry.begun));
            match &entry.state {
                State::Answered(answer) | State::Unclear { answer: Some(answer), .. } => {
                    lines.push(Line::end(key, answer));
                }
                State::Unclear { answer: None, .. } | State::InWork => {}
            }
        }
        lines
    }

    /// The answers that are kept.
    pub(super) fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.entries.values().filter_map(|entry| match &entry.state {
            State::Answered(answer) => Some(answer.as_ref()),
            State::InWork | State::Unclear { .. } => None,
        })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Forgets the oldest keys beyond the bounds, answered ones first: a repetition of what nobody
    /// knows the end of could do it twice. A key in work is nobody's oldest.
    fn make_room(&mut self, now: UnixNanos) {
        loop {
            let too_many = self.settled.len() >= Self::CAPACITY || self.bytes > Self::ANSWER_BYTES;
            let answered = self.settled.iter().find(|key| self.is_answered(key));
            let old = answered.filter(|key| {
                self.entries.get(*key).is_none_or(|entry| {
                    now.0.saturating_sub(entry.begun.at.0) / 1_000_000_000 > Self::KEPT_SECONDS
                })
            });
            let leaving = match (too_many, answered) {
                (true, None) => self.settled.front(),
                (true, Some(_)) => answered,
                (false, _) => old,
            };
            let Some(key) = leaving.cloned() else { return };
            self.free(&key);
        }
    }

    fn is_answered(&self, key: &str) -> bool {
        self.entries.get(key).is_none_or(|entry| matches!(entry.state, State::Answered(_)))
    }

    fn work_on(&mut self, key: &str) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.state = State::InWork;
        }
    }

    /// Takes a key's answer and its place among the settled ones back.
    fn drop_answer(&mut self, key: &str) {
        let Some(entry) = self.entries.get(key) else { return };
        match &entry.state {
            State::Answered(answer) | State::Unclear { answer: Some(answer), .. } => {
                self.bytes = self.bytes.saturating_sub(answer.bytes());
            }
            State::Unclear { answer: None, .. } | State::InWork => {}
        }
        self.settled.retain(|settled| settled != key);
    }
}

const CLOCK_ROOM_NS: u64 = 10_000_000_000;
