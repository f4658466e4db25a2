//! Keys over repetitions, restarts and torn files.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::StatusCode;

use super::*;

/// Keys in a file, and how often something was done.
struct Bench {
    folder: tempfile::TempDir,
    keys: Arc<Idempotency>,
    done: Arc<AtomicU32>,
    effect: Effect,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Arc::new(Idempotency::open(&folder.path().join("keys"), 0).unwrap());
        Self { folder, keys, done: Arc::default(), effect: Effect::Trades }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Another process takes the file over; orders up to 50 were made before it.
    fn restart(&mut self) {
        self.keys = Arc::new(Idempotency::open(&self.file(), 50).unwrap());
    }

    async fn send(&self, key: &str, body: &str, status: StatusCode) -> Response {
        self.send_traced(key, body, status, |_| Traced::Absent).await
    }

    async fn send_traced(
        &self,
        key: &str,
        body: &str,
        status: StatusCode,
        trace: impl FnOnce(Span) -> Traced + Send + 'static,
    ) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", key.parse().unwrap());
        let done = Arc::clone(&self.done);
        let work = async move {
            let number = done.fetch_add(1, Ordering::Relaxed);
            (status, [("location", "/here")], number.to_string())
        };
        let request = Keyed {
            headers: &headers,
            scope: "POST /v1/orders",
            body: &body,
            effect: self.effect,
            after: 7,
        };
        self.keys.once(request, trace, work).await
    }

    fn done(&self) -> u32 {
        self.done.load(Ordering::Relaxed)
    }

    /// A process that is killed after the key was written down and before there was an answer.
    async fn die_in_the_middle(&mut self, key: &str) {
        self.send(key, "a", StatusCode::CREATED).await;
        let text = fs::read_to_string(self.file()).unwrap();
        let begun: Vec<&str> =
            text.lines().filter(|line| !line.contains(r#""line":"end""#)).collect();
        fs::write(self.file(), begun.join("\n")).unwrap();
        self.restart();
    }
}

async fn text(response: Response) -> String {
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_repeated_request_is_done_once_and_another_body_is_refused() {
    let mut bench = Bench::new();
    let first = bench.send("k", "a", StatusCode::CREATED).await;
    for restarts in 0..3 {
        let again = bench.send("k", "a", StatusCode::CREATED).await;
        assert_eq!(first.status(), again.status(), "{restarts}");
        assert_eq!(again.headers()["location"], "/here");
        assert!(again.headers().contains_key("idempotency-replayed"));
        assert_eq!(text(again).await, "0");
        let other = bench.send("k", "b", StatusCode::CREATED).await;
        assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
        bench.restart();
    }
    assert_eq!(bench.done(), 1);
    bench.send("k2", "a", StatusCode::CREATED).await;
    assert_eq!(bench.done(), 2);
}

#[tokio::test]
async fn a_refusal_may_be_tried_again_and_an_unclear_end_may_not() {
    let mut bench = Bench::new();
    bench.send("k", "a", StatusCode::SERVICE_UNAVAILABLE).await;
    bench.restart();
    bench.send("k", "a", StatusCode::GATEWAY_TIMEOUT).await;
    let last = bench.send("k", "a", StatusCode::CREATED).await;
    assert_eq!(last.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(bench.done(), 2);
    let late = bench
        .send_traced("k", "a", StatusCode::CREATED, |_| Traced::Known("late".into_response()))
        .await;
    assert_eq!(text(late).await, "late");
    bench.restart();
    assert_eq!(text(bench.send("k", "a", StatusCode::CREATED).await).await, "late");
    assert_eq!(bench.done(), 2);
}

#[tokio::test]
async fn after_a_kill_the_route_says_what_became_of_it() {
    let mut bench = Bench::new();
    bench.die_in_the_middle("known").await;
    let span = Arc::new(Mutex::new(Span::default()));
    let seen = Arc::clone(&span);
    let known = move |span| {
        *seen.lock().unwrap() = span;
        Traced::Known((StatusCode::CREATED, "order 20").into_response())
    };
    let found = bench.send_traced("known", "a", StatusCode::CREATED, known).await;
    let span = *span.lock().unwrap();
    assert_eq!((span.after, span.until), (7, Some(50)));
    assert!(span.since < wall_now() && span.since.0 > 0);
    assert_eq!(text(found).await, "order 20");
    assert_eq!(bench.done(), 1);

    bench.die_in_the_middle("doubt").await;
    let doubt = |_| Traced::InDoubt(Problem::not_ready());
    for _ in 0..2 {
        let answer = bench.send_traced("doubt", "a", StatusCode::CREATED, doubt).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(bench.done(), 2);
    let absent = bench.send("doubt", "a", StatusCode::CREATED).await;
    assert_eq!((absent.status(), bench.done()), (StatusCode::CREATED, 3));
}

#[tokio::test]
async fn a_sender_that_hangs_up_does_not_stop_the_work() {
    let bench = Bench::new();
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", "k".parse().unwrap());
    let (begun, begins) = tokio::sync::oneshot::channel();
    let (go, goes) = tokio::sync::oneshot::channel::<()>();
    let keys = Arc::clone(&bench.keys);
    let sender = tokio::spawn(async move {
        let request = Keyed {
            headers: &headers,
            scope: "POST /v1/orders",
            body: &"a",
            effect: Effect::Trades,
            after: 0,
        };
        let work = async move {
            begun.send(()).unwrap();
            goes.await.unwrap();
            (StatusCode::CREATED, "done")
        };
        keys.once(request, |_| Traced::Absent, work).await
    });
    begins.await.unwrap();
    let second = bench.send("k", "a", StatusCode::CREATED).await;
    assert_eq!(second.status(), StatusCode::CONFLICT, "the first is still in work");
    sender.abort();
    go.send(()).unwrap();
    loop {
        let answer = bench.send("k", "a", StatusCode::CREATED).await;
        if answer.status() == StatusCode::CREATED {
            assert_eq!(text(answer).await, "done");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.done(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freed_key_is_free_only_once_the_file_says_so() {
    let bench = Bench::new();
    let keys = Arc::clone(&bench.keys);
    let (go, goes) = tokio::sync::oneshot::channel::<()>();
    let (working, works) = tokio::sync::oneshot::channel();
    let refused = tokio::spawn(async move {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", "k".parse().unwrap());
        let work = async move {
            working.send(()).unwrap();
            goes.await.unwrap();
            StatusCode::SERVICE_UNAVAILABLE
        };
        let request = Keyed::trades(&headers, "POST /v1/orders", &"a");
        keys.once(request, |_| Traced::Absent, work).await
    });
    works.await.unwrap();
    let again = || {
        let fingerprint = fingerprint("POST /v1/orders", &"a");
        let begun = Begun { fingerprint, at: wall_now(), after: 0, until: None };
        bench.keys.lock().begin("k", begun).map(|_| ())
    };
    {
        // Another request's line is being written.
        let _writing = bench.keys.log.as_ref().unwrap().lock().unwrap();
        go.send(()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!(again().unwrap_err().status(), StatusCode::CONFLICT);
    }
    assert_eq!(refused.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(again().is_ok());
}

#[tokio::test]
async fn what_only_ends_trading_is_done_again_after_an_unclear_end() {
    let mut bench = Bench::new();
    bench.effect = Effect::Calms;
    bench.send("k", "a", StatusCode::GATEWAY_TIMEOUT).await;
    let again = bench.send("k", "a", StatusCode::OK).await;
    assert_eq!((again.status(), bench.done()), (StatusCode::OK, 2));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_no_absent_key() {
    let bench = Bench::new();
    let raw = "ключ".as_bytes();
    let long = [b'k'; 129];
    let rows: [&[&[u8]]; 4] = [&[raw], &[b"k", b"k"], &[b""], &[&long]];
    for keys in rows {
        let mut headers = HeaderMap::new();
        for key in keys {
            let value = axum::http::HeaderValue::from_bytes(key).unwrap();
            headers.append("idempotency-key", value);
        }
        let done = Arc::clone(&bench.done);
        let work = async move {
            done.fetch_add(1, Ordering::Relaxed);
            StatusCode::CREATED
        };
        let request = Keyed::trades(&headers, "s", &"a");
        let answer = bench.keys.once(request, |_| Traced::Absent, work).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{keys:?}");
    }
    assert_eq!(bench.done(), 0);
}

#[tokio::test]
async fn a_key_of_unknown_end_outlives_answered_ones_and_the_day() {
    let keys = Arc::new(Idempotency::default());
    let bench = Bench { keys, ..Bench::new() };
    bench.send("unclear", "a", StatusCode::GATEWAY_TIMEOUT).await;
    for number in 0..Table::CAPACITY + 10 {
        bench.send(&number.to_string(), "a", StatusCode::OK).await;
    }
    assert_eq!(bench.keys.lock().len(), Table::CAPACITY);
    let next_week = enigma_types::UnixNanos(wall_now().0 + 7 * 86_400 * 1_000_000_000);
    bench.keys.lock().take_over(next_week, 0);
    assert_eq!(bench.keys.lock().len(), 1);
    let done = bench.done();
    bench
        .send_traced("unclear", "a", StatusCode::OK, |_| Traced::InDoubt(Problem::not_ready()))
        .await;
    assert_eq!(bench.done(), done);
}

#[tokio::test]
async fn what_a_crash_tore_is_left_out_and_the_rest_is_kept() {
    let mut bench = Bench::new();
    bench.send("first", "a", StatusCode::CREATED).await;
    let whole = fs::read(bench.file()).unwrap();
    bench.send("second", "a", StatusCode::CREATED).await;
    let all = fs::read(bench.file()).unwrap();
    for cut in whole.len()..all.len() {
        fs::write(bench.file(), &all[..cut]).unwrap();
        bench.restart();
        let done = bench.done();
        assert_eq!(bench.send("first", "a", StatusCode::CREATED).await.status(), 201);
        assert_eq!(bench.done(), done, "cut at {cut}");
    }
    let mut flipped = all.clone();
    flipped[20] ^= 1;
    fs::write(bench.file(), &flipped).unwrap();
    bench.restart();
    let done = bench.done();
    bench.send("second", "a", StatusCode::CREATED).await;
    assert_eq!(bench.done(), done, "one bad line takes no other with it");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_stops_what_trades_and_not_what_calms() {
    let mut bench = Bench::new();
    let read_only = fs::File::open(bench.file()).unwrap();
    bench.keys.log.as_ref().unwrap().lock().unwrap().replace_file(read_only);
    let refused = bench.send("k", "a", StatusCode::CREATED).await;
    assert_eq!((refused.status(), bench.done()), (StatusCode::SERVICE_UNAVAILABLE, 0));
    bench.effect = Effect::Calms;
    let calmed = bench.send("k", "a", StatusCode::OK).await;
    assert_eq!((calmed.status(), bench.done()), (StatusCode::OK, 1));
}

#[tokio::test]
async fn the_table_stays_bounded_and_forgets_the_oldest_and_the_old() {
    let keys = Arc::new(Idempotency::default());
    let bench = Bench { keys, ..Bench::new() };
    for number in 0..Table::CAPACITY + 10 {
        bench.send(&number.to_string(), "a", StatusCode::OK).await;
    }
    assert_eq!(bench.keys.lock().len(), Table::CAPACITY);
    let done = bench.done();
    bench.send(&(Table::CAPACITY + 9).to_string(), "a", StatusCode::OK).await;
    assert_eq!(bench.done(), done);
    bench.send("0", "a", StatusCode::OK).await;
    assert_eq!(bench.done(), done + 1, "the oldest is forgotten");
    let tomorrow = enigma_types::UnixNanos(wall_now().0 + 2 * 86_400 * 1_000_000_000);
    bench.keys.lock().take_over(tomorrow, 0);
    assert_eq!(bench.keys.lock().len(), 0);
}

#[tokio::test]
async fn large_answers_are_forgotten_by_their_bytes() {
    let bench = Bench::new();
    let body = "x".repeat(200 << 10);
    for number in 0..200 {
        let (mut headers, text) = (HeaderMap::new(), body.clone());
        headers.insert("idempotency-key", number.to_string().parse().unwrap());
        let request =
            Keyed { headers: &headers, scope: "s", body: &"", effect: Effect::Trades, after: 0 };
        bench.keys.once(request, |_| Traced::Absent, async move { text }).await;
    }
    let most = Table::ANSWER_BYTES / body.len() + 2;
    assert!(bench.keys.lock().len() <= most, "{}", bench.keys.lock().len());
}
