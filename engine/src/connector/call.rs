//! One HTTP call over a link that is kept alive.
//!
//! Whether the request may have reached the venue is the one thing that must be told truthfully:
//! `NotSent` only when no byte of it was written.

use enigma_venues::session::Method;
use enigma_venues::wire::http1::{Request, Response, ResponseParser};

use super::dial::USER_AGENT;
use super::link::{IdleLinks, Link, LinkError};
use super::{Call, Host, OwnedAnswer};

/// How one attempt failed.
enum Failure {
    /// Not a byte was written.
    NotSent,
    /// Written, and the link ended before a byte of an answer came.
    Unanswered,
    Lost,
}

pub(super) fn call(host: &Host, call: &Call, links: &IdleLinks) -> OwnedAnswer {
    let mut request = Vec::new();
    if encode(host, call, &mut request).is_err() {
        return OwnedAnswer::NotSent;
    }
    if let Some(link) = links.take(&host.address) {
        match attempt(host, link, &request, call, links) {
            Ok(answer) => return answer,
            // The server had hung up on an idle link: asking once more changes nothing there.
            Err(Failure::Unanswered) if call.request.method == Method::Get => {}
            Err(Failure::NotSent) => {}
            Err(Failure::Unanswered | Failure::Lost) => return OwnedAnswer::Lost,
        }
    }
    let link = match Link::connect(host, call.deadline) {
        Ok(link) => link,
        Err(error) => {
            tracing::warn!(host = host.address.host, %error, "a call wasn't sent");
            return OwnedAnswer::NotSent;
        }
    };
    match attempt(host, link, &request, call, links) {
        Ok(answer) => answer,
        Err(Failure::NotSent) => OwnedAnswer::NotSent,
        Err(Failure::Unanswered | Failure::Lost) => OwnedAnswer::Lost,
    }
}

fn encode(host: &Host, call: &Call, out: &mut Vec<u8>) -> Result<(), ()> {
    let header = host.header();
    let target = format!("{}{}", host.address.base_path, call.request.target);
    let key = call.request.header.as_ref().map(|(name, value)| (*name, value.as_str()));
    let headers: Vec<(&str, &str)> = [("User-Agent", USER_AGENT), ("Accept", "application/json")]
        .into_iter()
        .chain(key)
        .collect();
    let request = Request {
        method: call.request.method,
        host: &header,
        target: &target,
        headers: &headers,
        body: &[],
    };
    // The error names a part of the request, which the session composed: nothing to add.
    request.encode(out).map_err(|_| ())
}

fn attempt(
    host: &Host,
    mut link: Link,
    request: &[u8],
    call: &Call,
    links: &IdleLinks,
) -> Result<OwnedAnswer, Failure> {
    if call.deadline <= std::time::Instant::now() {
        return Err(Failure::NotSent);
    }
    // From here on bytes may have left, however the write ends.
    link.write_all(request, call.deadline).map_err(|error| unanswered(&error))?;
    let mut parser = ResponseParser::new(BODY_BYTES_MAX);
    let mut any = false;
    let response = loop {
        match link.read(call.deadline) {
            Ok(bytes) => {
                any = true;
                match parser.receive(bytes) {
                    Ok(Some(response)) => break response,
                    Ok(None) => {}
                    Err(_) => return Err(Failure::Lost),
                }
            }
            Err(LinkError::Ended) if any => match parser.end_of_stream() {
                Ok(Some(response)) => break response,
                Ok(None) | Err(_) => return Err(Failure::Lost),
            },
            Err(error) if !any => return Err(unanswered(&error)),
            Err(_) => return Err(Failure::Lost),
        }
    };
    if response.keep_alive && parser.unread_bytes() == 0 {
        links.keep(&host.address, link);
    }
    Ok(answer(response))
}

fn answer(response: Response) -> OwnedAnswer {
    OwnedAnswer::Http {
        status: response.status,
        retry_after_seconds: response.retry_after_seconds(),
        body: response.body,
    }
}

fn unanswered(error: &LinkError) -> Failure {
    match error {
        LinkError::Ended | LinkError::Io(_) => Failure::Unanswered,
        LinkError::Resolve { .. }
        | LinkError::Connect { .. }
        | LinkError::Tls(_)
        | LinkError::TimedOut => Failure::Lost,
    }
}

/// exchangeInfo is the largest answer there is: about 1.5 MB.
const BODY_BYTES_MAX: usize = 8 << 20;
