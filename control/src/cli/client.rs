//! A client of the daemon's API for one command: finds address and token, asks, reads problems.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use super::CliError;
use super::arguments::Global;
use super::settings;
use crate::daemon::{CLI_TOKEN, CLI_URL};

pub(super) struct Client {
    agent: Agent,
    url: String,
    token: Zeroizing<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("{0}")]
    Unreachable(String),
    /// The daemon said no. `refused`: by risk or role, or because an order didn't leave.
    #[error("{detail} ({code})")]
    Problem { code: String, detail: String, refused: bool },
    #[error("the daemon's answer can't be read: {0}")]
    Unreadable(String),
}

impl Client {
    /// By `--url` and `--token-file`, else by what the daemon left in its data directory.
    pub(super) fn connect(global: &Global) -> Result<Self, CliError> {
        let directory = match (&global.url, &global.token_file) {
            (Some(_), Some(_)) => PathBuf::new(),
            _ => settings::load(global, None)?.settings.daemon.data_dir,
        };
        let token_file = global.token_file.clone().unwrap_or_else(|| directory.join(CLI_TOKEN));
        let url = match &global.url {
            Some(url) => url.clone(),
            None => read(&directory.join(CLI_URL))?.to_string(),
        };
        let token = read(&token_file)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .build();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { agent: config.new_agent(), url, token })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.ask(Method::GET, path, None)
    }

    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ClientError> {
        let unsound = |error: ureq::http::Error| ClientError::Unreadable(error.to_string());
        let trades = matches!(method, Method::POST | Method::PATCH | Method::DELETE);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token.as_str()));
        if trades {
            // A retry below the surface must not become a second order.
            let key = format!("cli-{:016x}", getrandom::u64().unwrap_or_default());
            request = request.header("idempotency-key", key);
        }
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                self.agent.run(request.body(body.to_string()).map_err(unsound)?)
            }
            None => self.agent.run(request.body(()).map_err(unsound)?),
        };
        let mut answer = answer.map_err(|error| {
            ClientError::Unreachable(format!("{} doesn't answer: {error}", self.url))
        })?;
        let status = answer.status();
        let body = read_json(answer.body_mut())?;
        if status.is_success() {
            return Ok(body);
        }
        Err(problem(status.as_u16(), &body))
    }
}

/// Longer than any handler takes.
const TIMEOUT: Duration = Duration::from_secs(30);
const LARGEST_ANSWER_BYTES: u64 = 16 << 20;

fn read(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let text = fs::read_to_string(path).map_err(|error| {
        CliError::NoDaemon(format!(
            "{}: {error}; is one running on this data directory?",
            path.display()
        ))
    })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// An empty body is null: answers without content have one.
fn read_json(body: &mut Body) -> Result<Value, ClientError> {
    let unreadable = |error: String| ClientError::Unreadable(error);
    let text = body
        .with_config()
        .limit(LARGEST_ANSWER_BYTES)
        .read_to_string()
        .map_err(|error| unreadable(error.to_string()))?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))
}

fn problem(status: u16, body: &Value) -> ClientError {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = text("code").unwrap_or_else(|| format!("status {status}"));
    let detail = text("detail").unwrap_or_else(|| "the daemon refused".into());
    let by_risk = ["risk_rejected", "killed", "no_vault", "not_sent", "rate_limited"];
    let by_risk = by_risk.contains(&code.as_str());
    ClientError::Problem { refused: by_risk || matches!(status, 401 | 403), code, detail }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, code: &str, expected: bool) {
        let problem = problem(status, &json!({ "code": code, "detail": "d" }));
        assert!(
            matches!(problem, ClientError::Problem { refused, .. } if refused == expected),
            "{code}"
        );
    }

    #[test]
    fn refusals_by_risk_and_role_are_told_from_other_failures() {
        check(422, "risk_rejected", true);
        check(409, "killed", true);
        check(409, "no_vault", true);
        check(401, "unauthenticated", true);
        check(403, "scrape_only", true);
        check(503, "not_sent", true);
        check(429, "rate_limited", true);
        check(429, "too_many_requests", false);
        check(404, "no_such_order", false);
        check(503, "not_ready", false);
    }
}
