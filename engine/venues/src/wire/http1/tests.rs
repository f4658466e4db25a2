//! Requests and answers of HTTP, whole, in pieces and broken.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use proptest::prelude::*;

use super::*;
use crate::session::Method;

const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\
    X-MBX-USED-WEIGHT-1M: 7\r\n\r\n{\"a\":\"b c\"}";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    4\r\nWiki\r\n6;name=value\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nX-Sum: 1\r\n\r\n";

#[track_caller]
fn check_error(answer: &str, expected: HttpError) {
    let mut parser = ResponseParser::new(1_000);
    let first = parser.receive(answer.as_bytes());
    let error = first.and_then(|_| parser.end_of_stream()).unwrap_err();
    assert_eq!(error, expected);
    assert_eq!(parser.receive(SIZED.as_bytes()), Err(expected), "an error stays");
}

#[track_caller]
fn check_body(answer: &str, body: &str) {
    for step in [1, 2, 7, answer.len()] {
        let mut parser = ResponseParser::new(1_000);
        let mut found = None;
        for piece in answer.as_bytes().chunks(step) {
            assert_eq!(found, None, "whole only with its last byte");
            found = parser.receive(piece).unwrap();
        }
        let response = match found {
            Some(response) => response,
            None => parser.end_of_stream().unwrap().unwrap(),
        };
        assert_eq!(std::str::from_utf8(&response.body).unwrap(), body);
    }
}

#[test]
fn requests_are_written_whole() {
    let mut out = Vec::new();
    let mut request = Request {
        method: Method::Get,
        host: "127.0.0.1:8080",
        target: "/fapi/v1/time?a=1",
        headers: &[("X-MBX-APIKEY", "key")],
        body: b"",
    };
    request.encode(&mut out).unwrap();
    request.method = Method::Post;
    request.encode(&mut out).unwrap();
    request.body = b"symbol=BTCUSDT";
    request.encode(&mut out).unwrap();
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        "GET /fapi/v1/time?a=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n\
         X-MBX-APIKEY: key\r\n\r\n\
         POST /fapi/v1/time?a=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n\
         X-MBX-APIKEY: key\r\nContent-Length: 0\r\n\r\n\
         POST /fapi/v1/time?a=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: keep-alive\r\n\
         X-MBX-APIKEY: key\r\nContent-Length: 14\r\n\r\nsymbol=BTCUSDT"
    );
}

#[test]
fn requests_that_would_be_two_are_refused() {
    let refused = |target: &str, header: (&str, &str)| {
        let headers = [header];
        let method = Method::Get;
        let request = Request { method, host: "h", target, headers: &headers, body: b"" };
        let mut out = Vec::new();
        let error = request.encode(&mut out).unwrap_err();
        assert!(out.is_empty());
        error.0
    };
    assert_eq!(refused("/a\r\nX: y", ("A", "b")), "target");
    assert_eq!(refused("/a b", ("A", "b")), "target");
    assert_eq!(refused("/", ("A", "b\r\nC: d")), "header value");
    assert_eq!(refused("/", ("A\r\nC", "d")), "header name");
    let framing = "header that says where the request ends";
    assert_eq!(refused("/", ("content-LENGTH", "5")), framing);
}

#[test]
fn debug_hides_headers_query_and_body() {
    let request = Request {
        method: Method::Get,
        host: "h",
        target: "/path?signature=secret",
        headers: &[("X-MBX-APIKEY", "secret")],
        body: b"secret",
    };
    let text = format!("{request:?}");
    assert!(text.contains("/path") && !text.contains("secret"), "{text}");
}

#[test]
fn bodies_of_every_framing_are_read_in_any_pieces() {
    check_body(SIZED, "{\"a\":\"b c\"}");
    check_body(CHUNKED, "Wikipedia in \r\n\r\nchunks.");
    check_body("HTTP/1.1 502 Bad Gateway\r\nServer: x\r\n\r\n<html>no</html>", "<html>no</html>");
    check_body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "");
    check_body("HTTP/1.1 204 No Content\r\n\r\n", "");
    check_body("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x");
}

#[test]
fn headers_are_found_in_either_case() {
    let mut parser = ResponseParser::new(100);
    let answer = "HTTP/1.1 429 Too Many\r\nretry-AFTER:  13 \r\nContent-Length: 0\r\n\r\n";
    let response = parser.receive(answer.as_bytes()).unwrap().unwrap();
    assert_eq!((response.status, response.retry_after_seconds()), (429, Some(13)));
    assert_eq!(response.header("Content-length"), Some("0"));
    assert_eq!(response.header("absent"), None);
    let response = parser.receive(SIZED.as_bytes()).unwrap().unwrap();
    assert_eq!(response.header("x-mbx-used-weight-1m"), Some("7"));
    assert_eq!(response.retry_after_seconds(), None);
}

#[test]
fn what_follows_an_answer_belongs_to_the_next() {
    let mut parser = ResponseParser::new(1_000);
    let both = format!("{CHUNKED}{SIZED}HTTP/1.1 2");
    assert!(parser.receive(both.as_bytes()).unwrap().is_some());
    let second = parser.receive(b"").unwrap().unwrap();
    assert_eq!(second.body, b"{\"a\":\"b c\"}");
    assert_eq!(parser.receive(b""), Ok(None));
    assert_eq!(parser.unread_bytes(), 10);
    assert_eq!(parser.end_of_stream(), Err(HttpError::CutShort));
}

#[test]
fn connections_are_kept_only_when_both_sides_may() {
    let keep = |head: &str| {
        let answer = format!("{head}\r\nContent-Length: 0\r\n\r\n");
        let mut parser = ResponseParser::new(100);
        parser.receive(answer.as_bytes()).unwrap().unwrap().keep_alive
    };
    assert!(keep("HTTP/1.1 200 OK"));
    assert!(!keep("HTTP/1.1 200 OK\r\nConnection: foo, Close"));
    assert!(!keep("HTTP/1.0 200 OK"));
    assert!(keep("HTTP/1.0 200 OK\r\nConnection: keep-alive"));
    assert_eq!(ResponseParser::new(100).end_of_stream(), Ok(None));
}

#[test]
fn broken_answers_are_refused_by_their_fault() {
    check_error("SSH-2.0-OpenSSH\r\n", HttpError::NotHttp);
    check_error("HTTP/1.1 101 Switching\r\n\r\n", HttpError::Upgraded);
    check_error(&SIZED.replace("11", "+11"), HttpError::BadLength);
    check_error(&SIZED.replace("11", ""), HttpError::BadLength);
    check_error(&SIZED.replace("X-MBX", "Content-Length: 12\r\nX-MBX"), HttpError::BadLength);
    check_error(&SIZED.replace("11", "12"), HttpError::CutShort);
    check_error(&SIZED.replace("11", "1001"), HttpError::BodyTooLarge { most: 1_000 });
    check_error(&SIZED.replace("11", "99999999999999999999"), HttpError::BadLength);
    check_error(&CHUNKED.replace("chunked", "gzip, chunked"), HttpError::UnknownCoding);
    let both = CHUNKED.replace("Transfer", "Content-Length: 5\r\nTransfer");
    check_error(&both, HttpError::BadLength);
    check_error(&CHUNKED.replace("4\r\nWiki", "3\r\nWiki"), HttpError::BadChunk);
    check_error(&CHUNKED.replace("4\r\nWiki", "-4\r\nWiki"), HttpError::BadChunk);
    check_error(&CHUNKED.replace("4\r\nWiki", "4\nWiki"), HttpError::BadChunk);
    check_error(
        &CHUNKED.replace("4\r\nWiki", "3e9\r\nWiki"),
        HttpError::BodyTooLarge { most: 1_000 },
    );
    check_error(&CHUNKED.replace("0\r\n", ""), HttpError::BadChunk);
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(HEAD_BYTES_MAX));
    check_error(&long, HttpError::HeadTooLarge);
    let until_end = format!("HTTP/1.1 200 OK\r\n\r\n{}", "y".repeat(1_001));
    check_error(&until_end, HttpError::BodyTooLarge { most: 1_000 });
}

proptest! {
    #[test]
    fn any_pieces_of_mutated_bytes_give_the_same_answer(
        which in 0_usize..2,
        mutations in prop::collection::vec((0_usize..200, any::<u8>()), 0..4),
        cuts in prop::collection::vec(1_usize..60, 0..8),
    ) {
        let mut bytes = [SIZED, CHUNKED][which].as_bytes().to_vec();
        for (at, byte) in mutations {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let mut whole = ResponseParser::new(60);
        let expected = whole.receive(&bytes);
        let mut pieces = ResponseParser::new(60);
        let mut rest = bytes.as_slice();
        let mut found = Ok(None);
        let mut cuts = cuts.into_iter();
        while found == Ok(None) && !rest.is_empty() {
            let cut = cuts.next().unwrap_or(rest.len()).min(rest.len());
            found = pieces.receive(&rest[..cut]);
            rest = &rest[cut..];
        }
        prop_assert_eq!(found, expected);
    }
}
