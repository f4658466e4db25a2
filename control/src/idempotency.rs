//! `Idempotency-Key`: the same request with the same key is done once and answered alike.
//!
//! Kept in memory, so a restart forgets the keys: what trades is protected across restarts by the
//! journal's order ids, not by this. Bounded: when full, the oldest answer is forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::problem::Problem;
use crate::request::header;

#[derive(Debug, Default)]
pub(crate) struct Idempotency {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<String, Entry>,
    /// Keys of finished requests, oldest first.
    finished: VecDeque<String>,
}

#[derive(Clone, Debug)]
struct Entry {
    fingerprint: [u8; 32],
    answer: Option<Answer>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Idempotency {
    const CAPACITY: usize = 4_096;
    const LONGEST_KEY: usize = 128;
    const LARGEST_ANSWER_BYTES: usize = 256 << 10;

    /// Runs `work`, or gives the answer that it gave before. A request in work goes on to its end
    /// though its sender hangs up: otherwise a second try would do it twice.
    pub(crate) async fn once<B, F, R>(
        self: &Arc<Self>,
        headers: &HeaderMap,
        scope: &str,
        body: &B,
        work: F,
    ) -> Response
    where
        B: Serialize,
        F: Future<Output = R> + Send + 'static,
        R: IntoResponse + 'static,
    {
        let Some(key) = header(headers, "idempotency-key") else {
            return work.await.into_response();
        };
        match self.begin(key, fingerprint(scope, body)) {
            Ok(Some(answer)) => return answer.replay(),
            Ok(None) => {}
            Err(problem) => return problem.into_response(),
        }
        let (table, key) = (Arc::clone(self), key.to_owned());
        let task = tokio::spawn(async move {
            let mut reservation = Reservation { table: &table, key: Some(key) };
            let answer = Answer::take(work.await.into_response()).await;
            reservation.finish(&answer);
            answer
        });
        match task.await {
            Ok(answer) => answer.into_response(),
            Err(_) => Problem::internal("the request's task failed").into_response(),
        }
    }

    fn begin(&self, key: &str, fingerprint: [u8; 32]) -> Result<Option<Answer>, Problem> {
        if key.is_empty() || key.len() > Self::LONGEST_KEY {
            let detail = format!("an Idempotency-Key has 1 to {} characters", Self::LONGEST_KEY);
            return Err(Problem::bad_request("bad_idempotency_key", detail));
        }
        let mut table = self.lock();
        match table.entries.get(key) {
            Some(entry) if entry.fingerprint != fingerprint => Err(Problem::invalid(
                "idempotency_key_reused",
                "this Idempotency-Key came before with another request",
            )),
            Some(Entry { answer: Some(answer), .. }) => Ok(Some(answer.clone())),
            Some(_) => Err(Problem::conflict(
                "idempotency_key_in_flight",
                "the first request with this Idempotency-Key is still in work",
            )),
            None => {
                table.entries.insert(key.to_owned(), Entry { fingerprint, answer: None });
                Ok(None)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key in work; dropped without an answer, the key is free again.
struct Reservation<'a> {
    table: &'a Idempotency,
    key: Option<String>,
}

impl Reservation<'_> {
    /// Keeps what has taken effect or may have: a refusal that changed nothing may be tried again.
    fn finish(&mut self, answer: &Answer) {
        let took_effect =
            answer.status.is_success() || answer.status == StatusCode::GATEWAY_TIMEOUT;
        if !took_effect {
            return;
        }
        let Some(key) = self.key.take() else { return };
        let mut table = self.table.lock();
        if let Some(entry) = table.entries.get_mut(&key) {
            entry.answer = Some(answer.clone());
        }
        table.finished.push_back(key);
        while table.finished.len() > Idempotency::CAPACITY {
            if let Some(oldest) = table.finished.pop_front() {
                table.entries.remove(&oldest);
            }
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.table.lock().entries.remove(&key);
        }
    }
}

impl Answer {
    async fn take(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, Idempotency::LARGEST_ANSWER_BYTES).await;
        Self { status: parts.status, headers: parts.headers, body: body.unwrap_or_default() }
    }

    fn replay(self) -> Response {
        let mut response = self.into_response();
        let told = axum::http::HeaderValue::from_static("true");
        response.headers_mut().insert("idempotency-replayed", told);
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn fingerprint<B: Serialize>(scope: &str, body: &B) -> [u8; 32] {
    // A body that was just read from JSON can be written as JSON.
    let body = serde_json::to_vec(body).unwrap_or_default();
    Sha256::new().chain_update(scope).chain_update([0]).chain_update(body).finalize().into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn send(
        table: &Arc<Idempotency>,
        key: &str,
        body: &str,
        status: StatusCode,
        done: &Arc<AtomicU32>,
    ) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", key.parse().unwrap());
        let done = Arc::clone(done);
        let work = async move {
            let number = done.fetch_add(1, Ordering::Relaxed);
            (status, number.to_string())
        };
        table.once(&headers, "POST /v1/orders", &body, work).await
    }

    #[tokio::test]
    async fn a_repeated_request_is_done_once_and_another_body_is_refused() {
        let (table, done) = (Arc::new(Idempotency::default()), Arc::new(AtomicU32::new(0)));
        let first = send(&table, "k", "a", StatusCode::CREATED, &done).await;
        let again = send(&table, "k", "a", StatusCode::CREATED, &done).await;
        assert_eq!(first.status(), again.status());
        assert!(again.headers().contains_key("idempotency-replayed"));
        assert_eq!(done.load(Ordering::Relaxed), 1);
        let other = send(&table, "k", "b", StatusCode::CREATED, &done).await;
        assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
        send(&table, "k2", "a", StatusCode::CREATED, &done).await;
        assert_eq!(done.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_refusal_may_be_tried_again_and_an_unclear_end_may_not() {
        let (table, done) = (Arc::new(Idempotency::default()), Arc::new(AtomicU32::new(0)));
        send(&table, "k", "a", StatusCode::SERVICE_UNAVAILABLE, &done).await;
        send(&table, "k", "a", StatusCode::GATEWAY_TIMEOUT, &done).await;
        let last = send(&table, "k", "a", StatusCode::CREATED, &done).await;
        assert_eq!(last.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(done.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn the_table_stays_bounded() {
        let (table, done) = (Arc::new(Idempotency::default()), Arc::new(AtomicU32::new(0)));
        for number in 0..Idempotency::CAPACITY + 10 {
            send(&table, &number.to_string(), "a", StatusCode::OK, &done).await;
        }
        assert_eq!(table.lock().entries.len(), Idempotency::CAPACITY);
    }
}
