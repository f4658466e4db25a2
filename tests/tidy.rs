//! The fences of the architecture, and the rules of style that a reader relies on, as assertions
//! over the manifests and sources of this repository.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop here")]

#[path = "../benches/result/figures.rs"]
mod figures;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which of our crates each crate may import. What isn't listed is forbidden.
const ARROWS: [(&str, &[&str]); 10] = [
    (".", &["control"]),
    ("control", &["engine", "config", "types", "simulator"]),
    ("config", &["types"]),
    ("engine", &["config", "venues", "trading", "types"]),
    ("engine/venues", &["types", "signing"]),
    ("engine/trading", &["types"]),
    ("engine/types", &[]),
    ("engine/signing", &[]),
    ("engine/loom", &[]),
    ("simulator", &["types", "signing"]),
];

/// The only files that may say `unsafe`, each for the reason its own blocks give.
const UNSAFE_FILES: [&str; 4] = [
    "engine/src/pin.rs",
    "engine/src/queue.rs",
    "engine/src/journal/ring.rs",
    "tests/allocation.rs",
];

const PURE_CRATES: [&str; 4] =
    ["engine/types", "engine/signing", "engine/venues", "engine/trading"];

#[test]
fn crates_import_only_along_the_arrows() {
    let names: BTreeSet<&str> =
        ["types", "signing", "venues", "trading", "engine", "config", "control", "simulator"]
            .into();
    for (folder, allowed) in ARROWS {
        for dependency in dependencies(folder) {
            let Some(ours) = dependency.strip_prefix("enigma-") else { continue };
            assert!(names.contains(ours), "{folder} names an unknown crate {dependency}");
            assert!(allowed.contains(&ours), "{folder} may not import {dependency}");
        }
    }
}

#[test]
fn every_member_of_the_workspace_has_its_arrows() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    let listed: BTreeSet<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(folder, _)| *folder).collect();
    assert_eq!(listed, known);
}

#[test]
fn pure_crates_touch_no_runtime_socket_file_clock_or_randomness() {
    let forbidden_crates =
        ["tokio", "mio", "libc", "getrandom", "rand", "quanta", "socket2", "memmap2", "rustls"];
    let forbidden_words = [
        "std::net",
        "std::fs",
        "std::io::",
        "std::thread",
        "std::env",
        "std::time",
        "SystemTime",
        "Instant::now",
    ];
    for folder in PURE_CRATES {
        for dependency in dependencies(folder) {
            assert!(!forbidden_crates.contains(&dependency.as_str()), "{folder}: {dependency}");
        }
        for (path, text) in sources(&format!("{folder}/src")) {
            for (number, line) in code_lines(&text) {
                for word in forbidden_words {
                    assert!(!line.contains(word), "{path}:{number} says {word}");
                }
            }
        }
        assert!(Path::new(&root().join(folder).join("clippy.toml")).exists(), "{folder}");
    }
}

#[test]
fn unsafe_stands_only_in_named_files() {
    for (path, text) in all_sources() {
        let says = code_lines(&text).any(|(_, line)| {
            ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| line.contains(word))
        });
        let named = UNSAFE_FILES.contains(&path.as_str()) || path == "tests/tidy.rs";
        assert!(!says || named, "{path} says unsafe");
    }
}

#[test]
fn every_unsafe_block_gives_its_reason() {
    for path in UNSAFE_FILES {
        let file = root().join(path);
        if !file.exists() {
            panic!("{path} is named for unsafe and doesn't exist");
        }
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//")
                || !(code.contains("unsafe {") || code.contains("unsafe impl"))
            {
                continue;
            }
            let above = &lines[at.saturating_sub(8)..at];
            let explained = above.iter().any(|line| line.contains("SAFETY:"));
            assert!(explained, "{path}:{} has no SAFETY comment", at + 1);
        }
    }
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let empty = ["utils", "util", "common", "helpers", "misc", "manager", "base"];
    for (path, text) in all_sources() {
        for (number, line) in code_lines(&text) {
            let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            let name = line.strip_prefix("mod ").map(|rest| rest.trim_end_matches([';', ' ', '{']));
            assert!(!name.is_some_and(|name| empty.contains(&name)), "{path}:{number}");
        }
    }
}

#[test]
fn files_open_with_what_they_are_and_stay_readable() {
    for (path, text) in all_sources() {
        assert!(text.starts_with("//!"), "{path} doesn't open with //!");
        let own = text.split("#[cfg(test)]\n").next().unwrap_or_default();
        let length = own.lines().count();
        let bound = if path.starts_with("tests/") || path.contains("/tests/") { 700 } else { 500 };
        assert!(length <= bound, "{path} has {length} lines without tests");
        for (at, line) in text.lines().enumerate() {
            let width = line.chars().count();
            let literal = line.contains('"');
            assert!(width <= 100 || literal, "{path}:{} is {width} columns wide", at + 1);
        }
    }
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    for (path, text) in all_sources() {
        for (number, line) in code_lines(&text) {
            if path == "tests/tidy.rs" {
                continue;
            }
            assert!(!line.contains("#[allow("), "{path}:{number} allows a lint");
            let todo = ["todo!(", "unimplemented!("].iter().any(|word| line.contains(word));
            assert!(!todo, "{path}:{number} isn't finished");
        }
    }
}

#[test]
fn money_is_never_a_float() {
    let folders = ["engine/types/src", "engine/venues/src", "engine/trading/src"];
    for folder in folders {
        for (path, text) in sources(folder) {
            for (number, line) in code_lines(&text) {
                let float = line.contains("f64") || line.contains("f32");
                assert!(!float, "{path}:{number} names a float");
            }
        }
    }
}

#[test]
fn one_tls_provider_and_no_second_copy_of_it() {
    let lock: toml::Table = read("Cargo.lock").parse().unwrap();
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap().to_owned();
        *versions.entry(name).or_default() += 1;
    }
    // `ring` stands in the lock file as an option of rustls-webpki that nobody asks for; deny.toml
    // bans it from the graph.
    for absent in ["openssl", "openssl-sys", "native-tls"] {
        assert!(!versions.contains_key(absent), "{absent} is in the lock file");
    }
    for single in ["rustls", "aws-lc-rs", "tungstenite", "tokio-tungstenite", "hmac"] {
        assert_eq!(versions.get(single), Some(&1), "{single}");
    }
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let readme = read("README.md");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    for (link, _) in links.filter(|(link, _)| !link.starts_with('#')) {
        assert!(root().join(link).exists(), "README.md names {link}");
    }
}

#[test]
fn the_figures_in_the_readme_are_those_of_the_result_files() {
    let readme = read("README.md");
    for entry in fs::read_dir(root().join("benches/result")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bench = path.file_stem().unwrap().to_str().unwrap();
        let result = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let inserted = figures::inserted(&readme, bench, &result);
        assert_eq!(inserted.as_deref(), Some(readme.as_str()), "figures of {bench}");
    }
}

fn dependencies(folder: &str) -> Vec<String> {
    let manifest: toml::Table = read(&format!("{folder}/Cargo.toml")).parse().unwrap();
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn all_sources() -> Vec<(String, String)> {
    ["engine", "control", "config", "simulator", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .collect()
}

/// Every Rust file below a folder, by its path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Numbered lines that aren't comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.starts_with("//"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
