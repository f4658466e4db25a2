//! The two programs as an operator runs them: `enigma simulator` and `enigma run`, in processes of
//! their own, spoken to over HTTP.

#![expect(clippy::expect_used, reason = "a test may stop here")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A simulator process. Killed when dropped.
pub(crate) struct SimulatorProcess {
    child: Child,
    /// Its line: endpoints and test accounts.
    pub(crate) line: String,
    pub(crate) rest: String,
    pub(crate) api_key: String,
}

/// A daemon process. Killed when dropped.
pub(crate) struct DaemonProcess {
    child: Child,
    _stdin: ChildStdin,
    url: String,
    token: String,
    agent: ureq::Agent,
}

impl SimulatorProcess {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = enigma()
            .args(["simulator", "--venue", "binance"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("its line");
        let parsed: Value = serde_json::from_str(&line).expect("JSON");
        let rest = parsed["binance_usdm"]["rest"].as_str().expect("an address").to_owned();
        let accounts = parsed["accounts"].as_array().expect("accounts");
        let trading = accounts
            .iter()
            .find(|account| account["role"] == "trade" && account["key_type"] == "ed25519")
            .expect("a trading account");
        let api_key = trading["api_key"].as_str().expect("a key").to_owned();
        Self { child, line, rest, api_key }
    }

    /// The exchange's own books of our account. Plain transport only.
    pub(crate) fn account(&self) -> Value {
        self.page(&format!("account?api_key={}", self.api_key))
    }

    pub(crate) fn status(&self) -> Value {
        self.page("status")
    }

    pub(crate) fn inject(&self, fault: &Value) {
        let url = format!("{}/simulator/faults", self.rest);
        ureq::post(&url).send(fault.to_string()).expect("the fault is taken");
    }

    fn page(&self, path: &str) -> Value {
        let url = format!("{}/simulator/{path}", self.rest);
        let mut answer = ureq::get(&url).call().expect("the simulator answers");
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        serde_json::from_str(&text.expect("a text")).expect("JSON")
    }
}

impl Drop for SimulatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl DaemonProcess {
    /// Starts a daemon on a simulator that runs already, and waits until its API answers.
    pub(crate) fn start(simulator: &SimulatorProcess, data_dir: &Path, config: &Path) -> Self {
        Self::start_at("127.0.0.1:0", &simulator.line, data_dir, config)
    }

    /// With an address of its own, on a simulator of which nothing is known but its line.
    pub(crate) fn start_at(listen: &str, line: &str, data_dir: &Path, config: &Path) -> Self {
        let (mut child, mut stdin) =
            spawn(&["--simulator", "-", "--listen", listen], data_dir, config);
        // A daemon that ends at its start is told of below.
        let _ = stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush());
        if let Ok(Some(status)) = child.try_wait() {
            panic!("the daemon ended at its start: {status}");
        }
        Self::reach(child, stdin, data_dir)
    }

    pub(crate) fn start_embedded(data_dir: &Path, config: &Path) -> Self {
        let (child, stdin) = spawn(&["--listen", "127.0.0.1:0"], data_dir, config);
        Self::reach(child, stdin, data_dir)
    }

    fn reach(child: Child, stdin: ChildStdin, data_dir: &Path) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        let mut daemon = Self {
            child,
            _stdin: stdin,
            url: String::new(),
            token: String::new(),
            agent: config.into(),
        };
        let token = data_dir.join("cli.token");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            assert!(Instant::now() < deadline, "the daemon doesn't come up");
            if let Some(status) = daemon.child.try_wait().expect("a status") {
                panic!("the daemon ended at its start: {status}");
            }
            let url = std::fs::read_to_string(data_dir.join("cli.url")).unwrap_or_default();
            let text = std::fs::read_to_string(&token).unwrap_or_default();
            // After `kill -9` the files of the run before lie there until the new ones come.
            if !url.is_empty() && !text.is_empty() {
                daemon.url = url.trim().to_owned();
                daemon.token = text;
                let who = daemon.agent.get(format!("{}/v1/me", daemon.url));
                let who = who.header("Authorization", format!("Bearer {}", daemon.token)).call();
                if who.is_ok_and(|answer| answer.status() == 200) {
                    return daemon;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    /// Every item of a list, page by page.
    pub(crate) fn items(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=1000{cursor}"));
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Asks and says what came back: status and body.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_ask(method, path, body, None).expect("the daemon answers")
    }

    /// With an `Idempotency-Key`; an error when the daemon is gone before it answers.
    pub(crate) fn try_ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<(u16, Value), ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut answer = self.agent.run(request.body(text).expect("a request"))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask("POST", path, Some(body));
        assert!((200..300).contains(&status), "POST {path}: {status} {answer}");
        answer
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !holds(self) {
            assert!(Instant::now() < deadline, "never: {what}; {}", self.get("/v1/status"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn wait_until_ready(&self) {
        self.until("ready", |daemon| daemon.ask("GET", "/readyz", None).0 == 200);
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks it to end as systemd would, and waits.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(told.success());
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon doesn't end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for DaemonProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end: exit code, standard output, standard error.
pub(crate) fn run_to_end(arguments: &[&str]) -> (i32, String, String) {
    let mut child = enigma()
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(30);
    let status = loop {
        if let Some(status) = child.try_wait().expect("a status") {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("`enigma {}` doesn't end", arguments.join(" "));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let (mut output, mut errors) = (String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut output).expect("text");
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    (status.code().unwrap_or(-1), output, errors)
}

/// Starts a daemon that keeps all its files beside its data directory.
fn spawn(arguments: &[&str], data_dir: &Path, config: &Path) -> (Child, ChildStdin) {
    let ring_dir = data_dir.with_file_name("ring");
    let mut child = enigma()
        .arg("run")
        .args(arguments)
        .arg("--config")
        .arg(config)
        .arg("--data-dir")
        .arg(data_dir)
        .env("RUST_LOG", "warn")
        .env("ENIGMA__JOURNAL__RING_DIR", ring_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the daemon starts");
    let stdin = child.stdin.take().expect("a pipe");
    (child, stdin)
}

fn enigma() -> Command {
    Command::new(env!("CARGO_BIN_EXE_enigma"))
}
