//! HTTP/1.1 as a client over one kept-open connection: requests as bytes, answers from bytes.
//!
//! Implements <https://www.rfc-editor.org/rfc/rfc9112> as far as the venues' REST interfaces need
//! (read 2026-11-24): one request at a time, no upgrade, no HEAD. Used by the connector, which
//! isn't on the fast path, so it may allocate. It must not hold a connection, retry or log.

use std::fmt;

use crate::session::Method;

/// A request to one host. Header values and the query may hold keys and signatures, so neither
/// is shown by `Debug`.
pub struct Request<'a> {
    pub method: Method,
    pub host: &'a str,
    /// Path and query, percent-encoded already.
    pub target: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// Ours: the request would be another one than it seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} can't stand in a request")]
pub struct BadRequest(pub &'static str);

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

/// How the server's answer can't be read. Every one of them ends the connection, and a request
/// that was sent is then of unknown outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("the answer isn't HTTP/1.1")]
    NotHttp,
    #[error("the answer's head is above {HEAD_BYTES_MAX} bytes")]
    HeadTooLarge,
    #[error("the answer's body is above {most} bytes")]
    BodyTooLarge { most: usize },
    #[error("the answer's length is no number or stands there twice")]
    BadLength,
    #[error("the answer has a transfer coding other than chunked")]
    UnknownCoding,
    #[error("a broken chunk")]
    BadChunk,
    #[error("the connection ended inside an answer")]
    CutShort,
    #[error("the server switched protocols, which wasn't asked for")]
    Upgraded,
}

/// Reads answers from bytes that come in any pieces. What follows an answer is kept for the next.
pub struct ResponseParser {
    received: Vec<u8>,
    body_bytes_max: usize,
    reading: Reading,
    failed: Option<HttpError>,
}

enum Reading {
    Head,
    Sized { response: Response, length: usize },
    Chunked { response: Response, chunk: Chunk },
    UntilEnd { response: Response },
}

#[derive(Clone, Copy)]
enum Chunk {
    Size,
    Data { left: usize },
    DataEnd,
    Trailer { bytes: usize },
}

enum Framing {
    None,
    Sized(usize),
    Chunked,
    UntilEnd,
}

impl Request<'_> {
    /// Appends the request, or nothing if a line break would turn it into two.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), BadRequest> {
        self.check()?;
        for piece in [self.method.name(), " ", self.target, " HTTP/1.1\r\nHost: ", self.host] {
            out.extend_from_slice(piece.as_bytes());
        }
        out.extend_from_slice(b"\r\nConnection: keep-alive\r\n");
        for (name, value) in self.headers {
            for piece in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(piece.as_bytes());
            }
        }
        match (self.method, self.body) {
            (Method::Get | Method::Delete, []) => {}
            (Method::Get | Method::Delete | Method::Post | Method::Put, body) => {
                out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.body);
        Ok(())
    }

    fn check(&self) -> Result<(), BadRequest> {
        let graphic = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if self.host.is_empty() || !graphic(self.host) {
            return Err(BadRequest("host"));
        }
        if !self.target.starts_with('/') || !graphic(self.target) {
            return Err(BadRequest("target"));
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        for (name, value) in self.headers {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(BadRequest("header name"));
            }
            if FRAMING_HEADERS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
                return Err(BadRequest("header that says where the request ends"));
            }
            if !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
                return Err(BadRequest("header value"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.host)
            .field("path", &path)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Response {
    /// The first header of that name, without the spaces around it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
            .map(str::trim)
    }

    /// The wait that the server asks for. Its other form, a date, isn't read: it needs a clock.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.header("retry-after")?.parse().ok()
    }
}

impl ResponseParser {
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        Self { received: Vec::new(), body_bytes_max, reading: Reading::Head, failed: None }
    }

    /// Takes bytes in and gives back an answer if that made one whole. Call it with no bytes for
    /// the answers behind the first.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<Response>, HttpError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.received.extend_from_slice(bytes);
        let answer = self.read();
        self.remember(answer)
    }

    /// The server has closed its side: an answer whose length nobody told is whole now.
    pub fn end_of_stream(&mut self) -> Result<Option<Response>, HttpError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let answer = match std::mem::replace(&mut self.reading, Reading::Head) {
            Reading::UntilEnd { response } => Ok(Some(response)),
            Reading::Head if self.received.is_empty() => Ok(None),
            Reading::Head | Reading::Sized { .. } | Reading::Chunked { .. } => {
                Err(HttpError::CutShort)
            }
        };
        self.remember(answer)
    }

    /// Bytes that have come and belong to no finished answer.
    #[must_use]
    pub fn unread_bytes(&self) -> usize {
        self.received.len()
    }

    fn remember(
        &mut self,
        answer: Result<Option<Response>, HttpError>,
    ) -> Result<Option<Response>, HttpError> {
        if let Err(error) = answer {
            self.failed = Some(error);
            self.received = Vec::new();
        }
        answer
    }

    fn read(&mut self) -> Result<Option<Response>, HttpError> {
        loop {
            match std::mem::replace(&mut self.reading, Reading::Head) {
                Reading::Head => match self.read_head()? {
                    None => return Ok(None),
                    // An interim answer (RFC 9110 section 15.2): the real one follows.
                    Some((response, _)) if (100..200).contains(&response.status) => {
                        if response.status == 101 {
                            return Err(HttpError::Upgraded);
                        }
                    }
                    Some((response, Framing::None)) => return Ok(Some(response)),
                    Some((response, Framing::Sized(length))) => {
                        self.reading = Reading::Sized { response, length };
                    }
                    Some((response, Framing::Chunked)) => {
                        self.reading = Reading::Chunked { response, chunk: Chunk::Size };
                    }
                    Some((mut response, Framing::UntilEnd)) => {
                        response.keep_alive = false;
                        self.reading = Reading::UntilEnd { response };
                    }
                },
                Reading::Sized { mut response, length } => {
                    if self.received.len() < length {
                        self.reading = Reading::Sized { response, length };
                        return Ok(None);
                    }
                    response.body = self.take(length);
                    return Ok(Some(response));
                }
                Reading::Chunked { mut response, mut chunk } => {
                    if self.read_chunks(&mut response, &mut chunk)? {
                        return Ok(Some(response));
                    }
                    self.reading = Reading::Chunked { response, chunk };
                    return Ok(None);
                }
                Reading::UntilEnd { mut response } => {
                    if response.body.len() + self.received.len() > self.body_bytes_max {
                        return Err(HttpError::BodyTooLarge { most: self.body_bytes_max });
                    }
                    response.body.append(&mut self.received);
                    self.reading = Reading::UntilEnd { response };
                    return Ok(None);
                }
            }
        }
    }

    fn read_head(&mut self) -> Result<Option<(Response, Framing)>, HttpError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let within = self.received.get(..HEAD_BYTES_MAX).unwrap_or(&self.received);
        let head = match parsed.parse(within) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if self.received.len() < HEAD_BYTES_MAX => {
                return Ok(None);
            }
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(HttpError::HeadTooLarge);
            }
            Err(_) => return Err(HttpError::NotHttp),
        };
        let mut response = Response {
            status: parsed.code.unwrap_or_default(),
            headers: parsed
                .headers
                .iter()
                .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
                .collect(),
            body: Vec::new(),
            keep_alive: true,
        };
        response.keep_alive = keeps_alive(&response, parsed.version == Some(1));
        let framing = self.framing(&response)?;
        self.take(head);
        Ok(Some((response, framing)))
    }

    /// Where the body ends (RFC 9112 section 6.3). An answer that tells it twice and differently
    /// isn't guessed at: what one reader takes for a body another takes for the next answer.
    fn framing(&self, response: &Response) -> Result<Framing, HttpError> {
        let of = |name: &'static str| {
            response.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
        };
        if matches!(response.status, 100..=199 | 204 | 304) {
            return Ok(Framing::None);
        }
        let mut length = None;
        for value in of("content-length") {
            let value = parse_length(value.trim_ascii(), 10).ok_or(HttpError::BadLength)?;
            if length.is_some_and(|before| before != value) {
                return Err(HttpError::BadLength);
            }
            length = Some(value);
        }
        let mut codings = of("transfer-encoding").peekable();
        if codings.peek().is_some() {
            if length.is_some() {
                return Err(HttpError::BadLength);
            }
            let first = codings.next().map(|value| value.trim_ascii());
            let chunked = first.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
            return if chunked && codings.next().is_none() {
                Ok(Framing::Chunked)
            } else {
                Err(HttpError::UnknownCoding)
            };
        }
        match length {
            Some(length) if length > self.body_bytes_max => {
                Err(HttpError::BodyTooLarge { most: self.body_bytes_max })
            }
            Some(length) => Ok(Framing::Sized(length)),
            None => Ok(Framing::UntilEnd),
        }
    }

    /// Moves what has come of the chunks into the body; `true` when the last one is there.
    fn read_chunks(
        &mut self,
        response: &mut Response,
        chunk: &mut Chunk,
    ) -> Result<bool, HttpError> {
        let mut at = 0;
        let done = loop {
            let rest = self.received.get(at..).unwrap_or_default();
            match *chunk {
                Chunk::Size => {
                    let Some(line) = line_of(rest)? else { break false };
                    at += line.len() + LINE_END.len();
                    let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
                    let size = parse_length(size.trim_ascii(), 16).ok_or(HttpError::BadChunk)?;
                    if size > self.body_bytes_max - response.body.len() {
                        return Err(HttpError::BodyTooLarge { most: self.body_bytes_max });
                    }
                    *chunk = match size {
                        0 => Chunk::Trailer { bytes: 0 },
                        left => Chunk::Data { left },
                    };
                }
                Chunk::Data { left } => {
                    let piece = rest.get(..left).unwrap_or(rest);
                    response.body.extend_from_slice(piece);
                    at += piece.len();
                    if piece.len() < left {
                        *chunk = Chunk::Data { left: left - piece.len() };
                        break false;
                    }
                    *chunk = Chunk::DataEnd;
                }
                Chunk::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += LINE_END.len();
                        *chunk = Chunk::Size;
                    }
                    [] | [b'\r'] => break false,
                    _ => return Err(HttpError::BadChunk),
                },
                Chunk::Trailer { bytes } => {
                    let Some(line) = line_of(rest)? else { break false };
                    at += line.len() + LINE_END.len();
                    if line.is_empty() {
                        break true;
                    }
                    let bytes = bytes + line.len();
                    if bytes > HEAD_BYTES_MAX {
                        return Err(HttpError::HeadTooLarge);
                    }
                    *chunk = Chunk::Trailer { bytes };
                }
            }
        };
        self.take(at);
        if done {
            *chunk = Chunk::Size;
        }
        Ok(done)
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.received.split_off(bytes.min(self.received.len()));
        std::mem::replace(&mut self.received, rest)
    }
}

impl fmt::Debug for ResponseParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseParser")
            .field("unread_bytes", &self.received.len())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

fn keeps_alive(response: &Response, is_1_1: bool) -> bool {
    let says = |token: &str| {
        response
            .headers
            .iter()
            .filter(|(name, _)| name == "connection")
            .flat_map(|(_, value)| value.split(|&byte| byte == b','))
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    };
    if is_1_1 { !says("close") } else { says("keep-alive") }
}

/// The bytes before the next line end; chunk sizes and trailers are short.
fn line_of(bytes: &[u8]) -> Result<Option<&[u8]>, HttpError> {
    match memchr::memchr(b'\n', bytes) {
        Some(end) if end > LINE_BYTES_MAX => Err(HttpError::BadChunk),
        Some(end) => match bytes.get(..end).and_then(|line| line.strip_suffix(b"\r")) {
            Some(line) => Ok(Some(line)),
            None => Err(HttpError::BadChunk),
        },
        None if bytes.len() > LINE_BYTES_MAX => Err(HttpError::BadChunk),
        None => Ok(None),
    }
}

/// Digits alone: no sign, no space, no underscore, which the standard library would take.
fn parse_length(digits: &[u8], radix: u32) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |value, &byte| {
        let digit = char::from(byte).to_digit(radix)?;
        value.checked_mul(radix as usize)?.checked_add(digit as usize)
    })
}

const FRAMING_HEADERS: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];
const LINE_END: &[u8; 2] = b"\r\n";
const LINE_BYTES_MAX: usize = 1_024;
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 96;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        check_body(
            "HTTP/1.1 502 Bad Gateway\r\nServer: x\r\n\r\n<html>no</html>",
            "<html>no</html>",
        );
        check_body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "");
        check_body("HTTP/1.1 204 No Content\r\n\r\n", "");
        check_body(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            "x",
        );
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
}
