//! The opening handshake (RFC 6455 section 4). It must not hold a connection: it writes a
//! request and judges an answer. The sixteen key bytes are the caller's randomness.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

/// Why the connection can't become a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Ours: a header with a line break would smuggle a second one in.
    #[error("the {0} can't stand in a request")]
    BadRequest(&'static str),
    #[error("the server's answer isn't HTTP/1.1")]
    NotHttp,
    #[error("the server's answer has a head above {HEAD_BYTES_MAX} bytes")]
    TooLarge,
    /// The body is shown as printable ASCII, its first 200 bytes at most.
    #[error("the server refused the upgrade with status {status}: {body}")]
    Refused { status: u16, retry_after_seconds: Option<u32>, body: String },
    #[error("the server's answer lacks the {0} header that an upgrade needs")]
    Missing(&'static str),
    #[error("the server's Sec-WebSocket-Accept doesn't answer our key")]
    WrongAccept,
    #[error("the server uses an extension or protocol that we didn't ask for")]
    Unasked,
}

/// Appends the upgrade request. `path` holds the query too; `headers` are sent as they are.
pub fn client_handshake_request(
    host: &str,
    path: &str,
    key: [u8; 16],
    headers: &[(&str, &str)],
    out: &mut Vec<u8>,
) -> Result<(), HandshakeError> {
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HandshakeError::BadRequest("host"));
    }
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HandshakeError::BadRequest("path"));
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(HandshakeError::BadRequest("header name"));
        }
        if !value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(HandshakeError::BadRequest("header value"));
        }
    }
    let key = BASE64.encode(key);
    let lines = [
        ("Host", host),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key.as_str()),
        ("Sec-WebSocket-Version", "13"),
    ];
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in lines.iter().chain(headers) {
        for piece in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(piece);
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Judges the answer: how many bytes it took, or `None` when its end hasn't come. What follows
/// those bytes are frames already.
pub fn verify_handshake_response(
    received: &[u8],
    key: &[u8; 16],
) -> Result<Option<usize>, HandshakeError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let within = received.get(..HEAD_BYTES_MAX).unwrap_or(received);
    let head = match response.parse(within) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) if received.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(HandshakeError::TooLarge);
        }
        Err(_) => return Err(HandshakeError::NotHttp),
    };
    let header = |name: &str| {
        response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.trim_ascii())
    };
    let status = response.code.unwrap_or_default();
    if status != 101 {
        let retry_after_seconds = header("Retry-After")
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(|value| value.parse().ok());
        let body = printable(received.get(head..).unwrap_or_default());
        return Err(HandshakeError::Refused { status, retry_after_seconds, body });
    }
    if response.version != Some(1) {
        return Err(HandshakeError::NotHttp);
    }
    if !header("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
        return Err(HandshakeError::Missing("Upgrade"));
    }
    if !header("Connection").is_some_and(|value| has_token(value, b"upgrade")) {
        return Err(HandshakeError::Missing("Connection"));
    }
    match header("Sec-WebSocket-Accept") {
        None => return Err(HandshakeError::Missing("Sec-WebSocket-Accept")),
        Some(value) if value == accept_of(key).as_bytes() => {}
        Some(_) => return Err(HandshakeError::WrongAccept),
    }
    let unasked = ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"];
    if unasked.iter().any(|name| header(name).is_some_and(|value| !value.is_empty())) {
        return Err(HandshakeError::Unasked);
    }
    Ok(Some(head))
}

/// Whether a comma-separated list names the token, in either case.
fn has_token(list: &[u8], token: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

/// The server's proof that it read our key (RFC 6455 section 4.2.2).
fn accept_of(key: &[u8; 16]) -> String {
    let mut hash = Sha1::new();
    hash.update(BASE64.encode(key).as_bytes());
    hash.update(ACCEPT_GUID);
    BASE64.encode(hash.finalize())
}

/// The first bytes of a body for a person to read: what could steer a terminal or break a log
/// line becomes a question mark.
fn printable(body: &[u8]) -> String {
    let shown = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let first = body.iter().take(BODY_CHARS_MAX);
    first.map(|&byte| if shown(byte) { char::from(byte) } else { '?' }).collect()
}

const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 96;
const BODY_CHARS_MAX: usize = 200;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    /// The sample key of RFC 6455 section 1.3.
    const KEY: &[u8; 16] = b"the sample nonce";
    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        \r\n";

    #[track_caller]
    fn check_refused(answer: &str, expected: HandshakeError) {
        assert_eq!(verify_handshake_response(answer.as_bytes(), KEY), Err(expected));
    }

    #[test]
    fn request_is_what_the_rfc_shows() {
        let mut out = Vec::new();
        let headers = [("User-Agent", "enigma/0.1")];
        client_handshake_request("server.example", "/chat?a=b", *KEY, &headers, &mut out).unwrap();
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            "GET /chat?a=b HTTP/1.1\r\nHost: server.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\nUser-Agent: enigma/0.1\r\n\r\n"
        );
    }

    #[test]
    fn line_breaks_can_not_enter_a_request() {
        let request = |host: &str, path: &str, headers: &[(&str, &str)]| {
            let mut out = Vec::new();
            let result = client_handshake_request(host, path, *KEY, headers, &mut out);
            assert!(out.is_empty());
            result.unwrap_err()
        };
        assert_eq!(request("a\r\nX: y", "/", &[]), HandshakeError::BadRequest("host"));
        assert_eq!(request("", "/", &[]), HandshakeError::BadRequest("host"));
        assert_eq!(request("a", "/ HTTP/1.1\r\n", &[]), HandshakeError::BadRequest("path"));
        assert_eq!(request("a", "ws", &[]), HandshakeError::BadRequest("path"));
        assert_eq!(request("a", "/", &[("A: b", "c")]), HandshakeError::BadRequest("header name"));
        assert_eq!(request("a", "/", &[("A", "b\n")]), HandshakeError::BadRequest("header value"));
    }

    #[test]
    fn a_good_answer_is_accepted_only_when_whole() {
        let mut bytes = GOOD.as_bytes().to_vec();
        for cut in 0..bytes.len() {
            assert_eq!(verify_handshake_response(&bytes[..cut], KEY), Ok(None), "cut at {cut}");
        }
        let head = bytes.len();
        bytes.extend(b"\x81\x02hi");
        assert_eq!(verify_handshake_response(&bytes, KEY), Ok(Some(head)));
    }

    #[test]
    fn a_bad_answer_is_refused_by_its_fault() {
        check_refused(&GOOD.replace("WebSocket\r", "h2c\r"), HandshakeError::Missing("Upgrade"));
        check_refused(&GOOD.replace(", Upgrade", ""), HandshakeError::Missing("Connection"));
        check_refused(
            &GOOD.replace("Sec-WebSocket-Accept", "X-Accept"),
            HandshakeError::Missing("Sec-WebSocket-Accept"),
        );
        check_refused(&GOOD.replace("s3pP", "S3pP"), HandshakeError::WrongAccept);
        check_refused(
            &GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
            HandshakeError::Unasked,
        );
        check_refused("SSH-2.0-OpenSSH_9.2\r\n", HandshakeError::NotHttp);
        check_refused(&GOOD.replace("HTTP/1.1", "HTTP/1.0"), HandshakeError::NotHttp);
    }

    #[test]
    fn a_refusal_tells_status_wait_and_a_harmless_body() {
        let answer = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 17\r\n\r\n<b>\x1b[31mno\n</b>";
        check_refused(
            answer,
            HandshakeError::Refused {
                status: 429,
                retry_after_seconds: Some(17),
                body: "<b>?[31mno?</b>".to_owned(),
            },
        );
        let long = format!("HTTP/1.1 502 Bad Gateway\r\n\r\n{}", "x".repeat(5_000));
        check_refused(
            &long,
            HandshakeError::Refused {
                status: 502,
                retry_after_seconds: None,
                body: "x".repeat(BODY_CHARS_MAX),
            },
        );
    }

    #[test]
    fn an_endless_head_is_refused() {
        let mut answer = b"HTTP/1.1 101 x\r\nX-Long: ".to_vec();
        answer.resize(HEAD_BYTES_MAX - 1, b'a');
        assert_eq!(verify_handshake_response(&answer, KEY), Ok(None));
        answer.push(b'a');
        assert_eq!(verify_handshake_response(&answer, KEY), Err(HandshakeError::TooLarge));
        let many = "HTTP/1.1 101 x\r\n".to_owned() + &"A: b\r\n".repeat(200) + "\r\n";
        check_refused(&many, HandshakeError::TooLarge);
    }
}
