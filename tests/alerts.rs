//! The rules for Prometheus, judged by its own tool.

#![expect(clippy::panic, reason = "a test may stop here")]
#![expect(clippy::print_stdout, reason = "a skip is said")]

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

#[test]
fn every_rule_is_sound() {
    promtool(&["check", "rules", "enigma.yml"]);
}

#[test]
fn alerts_are_raised_by_what_should_raise_them_and_by_nothing_less() {
    promtool(&["test", "rules", "enigma_test.yml"]);
}

/// Runs the tool among the rules; where it isn't installed that is a failure with `CI=true`.
#[track_caller]
fn promtool(arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/alerts");
    let output = match Command::new("promtool").args(arguments).current_dir(folder).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "promtool is needed");
            println!("skipped: no promtool");
            return;
        }
        Err(error) => panic!("promtool: {error}"),
    };
    let told = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{complained}");
}
