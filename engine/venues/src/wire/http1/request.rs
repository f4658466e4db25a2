//! A request as bytes. It must not let one request become two.

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

const FRAMING_HEADERS: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];
