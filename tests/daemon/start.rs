//! Starts: what is wrong is said in plain words, and what is only busy for a moment is waited for.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::place::Place;
use crate::processes::{DaemonProcess, SimulatorProcess, run_to_end};

#[test]
fn a_wrong_start_is_answered_in_plain_words() {
    let place = Place::new();
    let data = place.data.to_str().unwrap();
    let wrong = place.folder.path().join("wrong.toml");
    fs::write(&wrong, "[engine]\nwaitng = \"spin\"\n").unwrap();
    let (code, _, errors) = run_to_end(&["run", "--config", wrong.to_str().unwrap()]);
    assert_eq!(code, 3, "{errors}");
    for part in ["wrong.toml", "waitng", "waiting", "2"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, errors) = run_to_end(&["run", "--listen", &address, "--data-dir", data]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains(&address) && errors.contains("in use"), "{errors}");

    let (code, _, errors) = run_to_end(&["run", "--data-dir", "/proc/enigma"]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("/proc/enigma"), "{errors}");

    let simulator = SimulatorProcess::start(&[]);
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    let (code, _, errors) = run_to_end(&["run", "--listen", "127.0.0.1:0", "--data-dir", data]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("in use by process"), "{errors}");

    let (code, _, errors) = run_to_end(&["check", "--data-dir", data]);
    assert_eq!(code, 1, "{errors}");
    let process = format!("in use by process {}", daemon.process());
    assert!(errors.contains(&process) && errors.contains(daemon.url()), "{errors}");
    drop(daemon);
    let any_port = place.folder.path().join("any_port.toml");
    fs::write(&any_port, "[daemon]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let config = any_port.to_str().unwrap();
    let (code, _, errors) = run_to_end(&["check", "--data-dir", data, "--config", config]);
    assert_eq!(code, 0, "nobody runs there any more: {errors}");

    let (code, _, errors) = run_to_end(&["status", "--data-dir", "/nowhere/at/all"]);
    assert_eq!(code, 4, "{errors}");
}

#[test]
fn the_address_of_a_daemon_that_was_just_killed_is_free_for_the_next() {
    let simulator = SimulatorProcess::start(&[]);
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    drop(free);
    for _ in 0..3 {
        let daemon = DaemonProcess::start_at(&listen, &simulator.line, &place.data, &place.config);
        daemon.get("/v1/status");
        daemon.kill();
    }
    let daemon = DaemonProcess::start_at(&listen, &simulator.line, &place.data, &place.config);
    assert!(daemon.terminate().success());
}

#[test]
fn an_orderly_end_leaves_no_ring_and_an_embedded_run_leaves_little() {
    let simulator = SimulatorProcess::start(&[]);
    let place = Place::new();
    let daemon = DaemonProcess::start(&simulator, &place.data, &place.config);
    daemon.wait_until_ready();
    let ring = daemon.get("/v1/status")["journal"]["ring_path"].as_str().unwrap().to_owned();
    assert!(Path::new(&ring).exists());
    assert!(daemon.terminate().success());
    assert!(!Path::new(&ring).exists(), "{ring}");

    fs::write(&place.config, "").unwrap();
    let mut ring = String::new();
    for _ in 0..2 {
        let daemon = DaemonProcess::start_embedded(&place.data, &place.config);
        daemon.wait_until_ready();
        ring = daemon.get("/v1/status")["journal"]["ring_path"].as_str().unwrap().to_owned();
        assert!(Path::new(&ring).starts_with(&place.data));
        assert!(daemon.terminate().success());
    }
    assert!(!Path::new(&ring).exists(), "{ring}");
    let runs = fs::read_dir(place.data.join("embedded")).unwrap().count();
    assert_eq!(runs, 1, "an orderly end keeps the newest run alone");
    let bytes = bytes_below(&place.data.join("embedded"));
    assert!(bytes < 4 << 20, "{bytes} bytes");
}

#[test]
fn a_kill_on_an_embedded_simulator_holds_on_the_next_one() {
    let place = Place::new();
    fs::write(&place.config, "").unwrap();
    let daemon = DaemonProcess::start_embedded(&place.data, &place.config);
    let engaged = daemon.ask("PUT", "/v1/kill-switch", Some(&json!({"engaged": true})));
    assert_eq!((engaged.0, &engaged.1["latched"]), (200, &json!(true)), "{}", engaged.1);
    daemon.kill();
    let daemon = DaemonProcess::start_embedded(&place.data, &place.config);
    assert_eq!(daemon.get("/v1/kill-switch")["engaged"], true);
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let sizes = entries.map(|entry| {
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() { bytes_below(&entry.path()) } else { metadata.len() }
    });
    sizes.sum()
}
