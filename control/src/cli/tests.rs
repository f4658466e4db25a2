//! The command line as a person types it.

use clap::{CommandFactory, Parser};

use super::arguments::{Arguments, Ask, Command, Orders, Strategies};
use super::*;

#[track_caller]
fn parse(line: &str) -> Arguments {
    let words = line.split_whitespace();
    Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn nothing_at_all_runs_the_daemon() {
    assert!(matches!(parse("enigma").chosen(), Command::Run(_)));
    let run = parse("enigma run --listen 127.0.0.1:0 --data-dir /d --simulator -");
    assert_eq!(run.global.data_dir.as_deref(), Some(std::path::Path::new("/d")));
    assert!(matches!(run.chosen(), Command::Run(options) if options.takes_simulator()));
}

#[test]
fn every_documented_command_is_understood() {
    let lines = [
        "enigma simulator --venue binance --tls --port-base 9000 --seed 7 --faults f.toml",
        "enigma simulator --replay r.gz --speed max",
        "enigma check",
        "enigma config show --origin",
        "enigma status --json",
        "enigma strategies list",
        "enigma strategies create spec.json",
        "enigma strategies start quoter-btc --mode simulated",
        "enigma strategies pause quoter-btc",
        "enigma strategies resume quoter-btc",
        "enigma strategies stop quoter-btc",
        "enigma strategies delete quoter-btc",
        "enigma orders list --open --limit 5",
        "enigma orders place binance_usdm:BTCUSDT buy 0.010 --price 60000",
        "enigma orders amend 12 --price 1 --quantity 2",
        "enigma orders cancel 12",
        "enigma orders cancel-all --strategy quoter-btc",
        "enigma orders",
        "enigma strategies",
        "enigma positions",
        "enigma positions list",
        "enigma fills list --strategy a",
        "enigma balances --url http://127.0.0.1:1 --token-file t",
        "enigma risk",
        "enigma kill --reason drill",
        "enigma rearm",
    ];
    for line in lines {
        parse(line);
    }
}

#[test]
fn what_is_meant_is_what_is_read() {
    let start = parse("enigma strategies start q --mode live --confirm q").chosen();
    assert!(matches!(
        start,
        Command::Ask(Ask::Strategies {
            command: Some(Strategies::Start { id, mode, confirm: Some(_) })
        })
            if id == "q" && mode == "live"
    ));
    let place = parse("enigma orders place x:Y sell 1 --time-in-force post_only --price 2");
    assert!(matches!(
        place.chosen(),
        Command::Ask(Ask::Orders { command: Some(Orders::Place(place)) })
            if place.side == "sell" && place.time_in_force == "post_only"
    ));
}

#[test]
fn usage_errors_and_missing_daemons_have_their_exit_codes() {
    let code = |line: &str| {
        let words = line.split_whitespace().map(OsString::from);
        format!("{:?}", run(words).err().map(|error| error.exit_code()))
    };
    let expected = |number: u8| format!("{:?}", Some(ExitCode::from(number)));
    for line in ["enigma nonsense", "enigma run --simulator x", "enigma simulator --speed 1"] {
        let two = code(line);
        // `--speed` alone has a default and so is only a usage error when it is written out.
        assert_eq!(two, expected(2), "{line}");
    }
    assert_eq!(code("enigma --help"), expected(0));
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let empty = folder.path().display();
    assert_eq!(code(&format!("enigma status --data-dir {empty}")), expected(4));
    assert_eq!(code(&format!("enigma check --config {empty}/absent.toml")), expected(3));
}
