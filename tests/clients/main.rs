//! Independent client libraries against the simulator: each in a virtual environment of its own
//! under `target/clients`, locked to the versions beside its script, no file of it edited.
//!
//! What the libraries and the venue's documents disagree on, as found on 2026-11-24:
//!
//! - binance-sdk-derivatives-trading-usds-futures 18.1.0: its model of the WebSocket `depth`
//!   reply has no bids and asks; it has no `session.logon`, so that every request is signed.
//! - binance-sdk-spot 13.3.0: a refused request raises `BadRequestError`, no `ClientError`.
//! - ccxt 4.5.90: futures' own error codes are told apart by the venue's host name alone;
//!   conditional futures orders are refused locally unless exchangeInfo's orderTypes name them;
//!   positions need `leverageBracket`, which no other client asks for.

#![expect(clippy::expect_used, reason = "a test may stop here")]
#![expect(clippy::print_stdout, reason = "what a client did is shown")]

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use enigma_simulator::{Simulator, SimulatorConfig};

/// A script that hangs is ended then; it needs a few seconds.
const WITHIN: Duration = Duration::from_secs(180);

#[test]
fn binances_own_sdk_trades_on_spot() {
    check("binance", "spot_sdk");
}

#[test]
fn binances_own_sdk_trades_on_futures() {
    check("binance", "usdm_sdk");
}

#[test]
fn ccxt_trades_on_both_of_binances_markets() {
    check("binance", "ccxt_both");
}

/// Runs one script against a simulator of its own, with its first line on standard input.
#[track_caller]
fn check(venue: &str, name: &str) {
    let folder = root().join("tests/clients").join(venue);
    let Some(python) = environment(&folder, name) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime");
    let config = SimulatorConfig { seed: Some(5), ..SimulatorConfig::default() };
    let simulator = runtime.block_on(Simulator::start(config)).expect("a simulator");
    let line = serde_json::to_string(simulator.endpoints()).expect("JSON");
    let mut child = Command::new(python)
        .arg(folder.join(format!("{name}.py")))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the script starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    writeln!(stdin, "{line}").expect("the line is read");
    drop(stdin);
    let deadline = Instant::now() + WITHIN;
    while child.try_wait().expect("a status").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it is ours to end");
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let output = child.wait_with_output().expect("its output");
    runtime.block_on(simulator.shutdown());
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{name}: {}", told(&output));
}

/// The interpreter of the script's own environment, made where it is not there yet; None where
/// it can't be made and nobody requires it.
fn environment(folder: &Path, name: &str) -> Option<PathBuf> {
    let lock = folder.join(format!("{name}.txt"));
    let versions = std::fs::read_to_string(&lock).expect("the versions beside the script");
    let mut hasher = DefaultHasher::new();
    versions.hash(&mut hasher);
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |target| root().join(target));
    let made = target.join("clients").join(format!("{name}-{:016x}", hasher.finish()));
    let (python, complete) = (made.join("bin/python"), made.join("complete"));
    if complete.exists() {
        return Some(python);
    }
    // What an earlier run left half made is made again.
    let _ = std::fs::remove_dir_all(&made);
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let steps = [
        Command::new("python3").args(["-m", "venv"]).arg(&made).output(),
        Command::new(&python).args(quiet).arg("--requirement").arg(&lock).output(),
    ];
    for step in steps {
        let trouble = match step {
            Ok(output) if output.status.success() => continue,
            Ok(output) => told(&output),
            Err(error) => error.to_string(),
        };
        let required = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!required, "no environment for {name}: {trouble}");
        println!("skipped: no environment for {name}: {trouble}");
        return None;
    }
    std::fs::write(complete, "").expect("the environment is marked");
    Some(python)
}

fn told(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n{out}\n{err}", output.status)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
