//! HTTP/1.1 as a client over one kept-open connection: requests as bytes, answers from bytes.
//!
//! Implements <https://www.rfc-editor.org/rfc/rfc9112> as far as the venues' REST interfaces need
//! (read 2026-11-24): one request at a time, no upgrade, no HEAD. Used by the connector, which
//! isn't on the fast path, so it may allocate. It must not hold a connection, retry or log.

use std::fmt;

mod request;

pub use request::{BadRequest, Request};

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

const LINE_END: &[u8; 2] = b"\r\n";
const LINE_BYTES_MAX: usize = 1_024;
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 96;

#[cfg(test)]
mod tests;
