//! `Idempotency-Key`: the same request with the same key is done once and answered alike, across
//! restarts and across a `kill -9` in the middle.
//!
//! What is to be done is on disk before it is handed over, and its answer before it is given. Keys
//! are kept for 24 hours, the newest 4,096 of them and 16 MiB of answers at the most: the oldest
//! answered go first. A key whose outcome nobody knows doesn't age, and goes only where there is
//! no answered one left to go. A refusal that changed nothing frees its key. This file must not
//! decide what became of a request whose answer is unknown: each route looks that up in the
//! engine's read model.

mod answer;
mod log;
mod table;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use self::answer::Answer;
use self::log::{Line, Log};
use self::table::{Begun, Found, Table};
use crate::problem::Problem;
use crate::timestamp::wall_now;

pub(crate) use self::table::Span;

/// The keys of this daemon.
#[derive(Debug, Default)]
pub(crate) struct Idempotency {
    table: Mutex<Table>,
    /// Absent where nothing is to outlive the process.
    log: Option<Mutex<Log>>,
}

/// A request as far as its repetition is concerned.
#[derive(Debug)]
pub(crate) struct Keyed<'a, B> {
    pub(crate) headers: &'a HeaderMap,
    /// The verb and its object: the same key for another is refused.
    pub(crate) scope: &'a str,
    pub(crate) body: &'a B,
    pub(crate) effect: Effect,
    /// The newest order id of ours before this request.
    pub(crate) after: u64,
}

/// What a disk that can't be written does to a request with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It may trade: it is refused, for a repetition could do it twice.
    Trades,
    /// It only ends trading, and twice is no harm: it is done all the same.
    Calms,
}

/// What a route finds out about a request that came before and has no answer.
#[derive(Debug)]
pub(crate) enum Traced {
    /// It took effect, or ended otherwise: this is its answer.
    Known(Response),
    /// Nothing of it is there.
    Absent,
    /// That can't be said now.
    InDoubt(Problem),
}

impl<'a, B> Keyed<'a, B> {
    /// A request that may trade, or let something trade.
    pub(crate) fn trades(headers: &'a HeaderMap, scope: &'a str, body: &'a B) -> Self {
        Self { headers, scope, body, effect: Effect::Trades, after: 0 }
    }

    /// A request that only ends trading.
    pub(crate) fn calms(headers: &'a HeaderMap, scope: &'a str, body: &'a B) -> Self {
        Self { headers, scope, body, effect: Effect::Calms, after: 0 }
    }
}

impl Idempotency {
    /// Keys that outlive the process in a file. `last_order` is the newest id that an order of an
    /// earlier process can have.
    pub(crate) fn open(path: &Path, last_order: u64) -> io::Result<Self> {
        let mut table = Table::default();
        let mut log = Log::open(path, |line| table.learn(line))?;
        table.take_over(wall_now(), last_order);
        log.rewrite(&table.lines())?;
        Ok(Self { table: Mutex::new(table), log: Some(Mutex::new(log)) })
    }

    /// Runs `work`, or gives the answer that it gave before; `trace` says what became of it where
    /// no answer is known. A request in work goes on to its end though its sender hangs up:
    /// otherwise a second try would do it twice.
    pub(crate) async fn once<B, F, R, T>(
        self: &Arc<Self>,
        request: Keyed<'_, B>,
        trace: T,
        work: F,
    ) -> Response
    where
        B: Serialize,
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse + 'static,
        T: FnOnce(Span) -> Traced + Send + 'static,
    {
        let key = match key_of(request.headers) {
            Ok(Some(key)) => key,
            Ok(None) => return work.await.into_response(),
            Err(problem) => return problem.into_response(),
        };
        let begun = Begun {
            fingerprint: fingerprint(request.scope, request.body),
            at: wall_now(),
            after: request.after,
            until: None,
        };
        let found = match self.lock().begin(key, begun) {
            Ok(Found::Answered(answer)) => return answer.replay(),
            Ok(found) => found,
            Err(problem) => return problem.into_response(),
        };
        let claim = Claim { keys: Arc::clone(self), key: Some(key.to_owned()), begun };
        let effect = request.effect;
        let task = tokio::spawn(async move { claim.see_through(found, effect, trace, work).await });
        match task.await {
            Ok(response) => response,
            Err(_) => Problem::internal("the request's task failed").into_response(),
        }
    }

    /// As if the process had ended and another had taken its keys over.
    #[cfg(test)]
    pub(crate) fn end_of_process(&self) {
        self.lock().take_over(wall_now(), u64::MAX);
    }

    /// Where the things are that the kept answers made.
    pub(crate) fn locations(&self) -> Vec<String> {
        let table = self.lock();
        table.answers().filter_map(Answer::location).map(str::to_owned).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends lines, on disk when this returns. The table has them already, so that a log that
    /// is written anew from it loses none.
    async fn record(self: &Arc<Self>, line: Line) -> io::Result<()> {
        if self.log.is_none() {
            return Ok(());
        }
        let keys = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || {
            let Some(log) = &keys.log else { return Ok(()) };
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.is_long() {
                let lines = keys.lock().lines();
                log.rewrite(&lines)?;
            }
            log.append(&line)
        });
        written.await.unwrap_or_else(|_| Err(io::Error::other("the write's task failed")))
    }
}

/// A key in work. Dropped without an answer, its request may or may not have taken effect.
struct Claim {
    keys: Arc<Idempotency>,
    key: Option<String>,
    begun: Begun,
}

impl Claim {
    async fn see_through<F, R, T>(
        mut self,
        found: Found,
        effect: Effect,
        trace: T,
        work: F,
    ) -> Response
    where
        F: Future<Output = R>,
        R: IntoResponse,
        T: FnOnce(Span) -> Traced,
    {
        if let Found::Unclear { span, earlier, answer } = found {
            match trace(span) {
                Traced::Known(response) => {
                    let answer = Answer::take(response).await;
                    return self.finish(answer).await.replay();
                }
                Traced::InDoubt(problem) => {
                    self.put_back(earlier, answer);
                    return problem.into_response();
                }
                // The command may still be on its way: in this process nothing that trades is done
                // again.
                Traced::Absent if !earlier && effect == Effect::Trades => {
                    self.put_back(earlier, answer.clone());
                    let unclear = || Answer::of(&Problem::unclear());
                    return answer.map_or_else(unclear, |answer| *answer).replay();
                }
                Traced::Absent => {}
            }
        }
        if let Err(error) = self.write_begin().await {
            match effect {
                Effect::Trades => {
                    self.release();
                    tracing::error!(%error, "an Idempotency-Key can't be written to disk");
                    let detail = "the key can't be written to disk: nothing was done";
                    return Problem::unavailable("key_not_kept", detail).into_response();
                }
                Effect::Calms => {
                    tracing::error!(%error, "an Idempotency-Key isn't kept over a restart");
                }
            }
        }
        let answer = Answer::take(work.await.into_response()).await;
        self.finish(answer).await.into_response()
    }

    async fn write_begin(&self) -> io::Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        self.keys.lock().begin_anew(key, self.begun);
        self.keys.record(Line::begin(key, &self.begun)).await
    }

    /// Keeps what has taken effect or may have: a refusal that changed nothing may be tried again.
    async fn finish(&mut self, answer: Answer) -> Answer {
        let Some(key) = self.key.take() else { return answer };
        let frees = !answer.took_effect() && !answer.is_unclear();
        let line = if frees {
            Line::Free { key: key.clone() }
        } else {
            self.keys.lock().answer(&key, answer.clone());
            Line::end(&key, &answer)
        };
        if let Err(error) = self.keys.record(line).await {
            // The key itself is on disk, and the journal knows what became of the request.
            tracing::error!(%error, "an answer to an Idempotency-Key can't be written to disk");
        }
        if frees {
            // Only now: a second try's lines must not stand before the one that frees the first.
            self.keys.lock().free(&key);
        }
        answer
    }

    fn put_back(&mut self, earlier: bool, answer: Option<Box<Answer>>) {
        if let Some(key) = self.key.take() {
            self.keys.lock().put_back(&key, earlier, answer);
        }
    }

    fn release(&mut self) {
        if let Some(key) = self.key.take() {
            self.keys.lock().free(&key);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.keys.lock().leave_unclear(&key);
        }
    }
}

/// The request's key, if it has one. A key that can't be read is no absent key: without it a
/// repetition would be done twice.
fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (value, another) = (values.next(), values.next());
    let Some(value) = value else { return Ok(None) };
    match value.to_str() {
        Ok(key) if another.is_none() && (1..=LONGEST_KEY).contains(&key.len()) => Ok(Some(key)),
        Ok(_) | Err(_) => {
            let detail = format!(
                "an Idempotency-Key is given once and has 1 to {LONGEST_KEY} ASCII characters"
            );
            Err(Problem::bad_request("bad_idempotency_key", detail))
        }
    }
}

const LONGEST_KEY: usize = 128;

fn fingerprint<B: Serialize>(scope: &str, body: &B) -> [u8; 32] {
    // A body that was just read from JSON can be written as JSON.
    let body = serde_json::to_vec(body).unwrap_or_default();
    Sha256::new().chain_update(scope).chain_update([0]).chain_update(body).finalize().into()
}
