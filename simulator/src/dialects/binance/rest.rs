//! A REST request and its reply as the server hands them over.

use std::net::IpAddr;

use serde_json::Value;

use super::reject::Reject;

#[derive(Clone, Copy, Debug)]
pub struct RestRequest<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub body: &'a str,
    pub api_key: Option<&'a str>,
    pub address: IpAddr,
}

#[derive(Clone, Debug)]
pub struct RestReply {
    pub status: u16,
    pub body: String,
    pub html: bool,
    pub headers: Vec<(&'static str, String)>,
}

impl RestReply {
    pub fn of(outcome: Result<Value, Reject>, mut headers: Vec<(&'static str, String)>) -> Self {
        match outcome {
            Ok(value) => Self { status: 200, body: value.to_string(), html: false, headers },
            Err(reject) => {
                if let Some(seconds) = reject.retry_after {
                    headers.push(("Retry-After", seconds.to_string()));
                }
                let body = reject.rest_body().to_string();
                Self { status: reject.status, body, html: false, headers }
            }
        }
    }

    /// A proxy's page in place of the venue's answer.
    pub fn bad_gateway() -> Self {
        let body = BAD_GATEWAY.to_owned();
        Self { status: 502, body, html: true, headers: Vec::new() }
    }
}

const BAD_GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
