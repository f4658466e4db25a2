//! Settings as an operator meets them: what is read, what is refused, and where it says so.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use enigma_config::{CommandLine, ConfigError, Loaded, Place, Speed, Surroundings, Waiting, load};

fn load_text(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("enigma.toml"), text).unwrap();
    load(&around(folder.path(), variables), &CommandLine::default())
}

fn around(folder: &Path, variables: &[(&str, &str)]) -> Surroundings {
    let mut all = BTreeMap::from([("HOME".to_owned(), "/home/u".to_owned())]);
    all.extend(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    Surroundings { variables: all, working_dir: folder.into() }
}

/// The error of a file, without the folder it lay in.
#[track_caller]
fn check(text: &str, expected: &str) {
    let error = load_text(text, &[]).unwrap_err().to_string();
    let from_name = error.find("enigma.toml").map_or(error.as_str(), |at| &error[at..]);
    assert_eq!(from_name, expected);
}

#[test]
fn a_mistyped_name_is_refused_with_line_key_and_the_nearest_valid_name() {
    check(
        "[engine]\nwaitng = \"spin\"\n",
        "enigma.toml:2:1: engine.waitng: no such key; did you mean `waiting`?",
    );
    check("\n[limit]\n", "enigma.toml:2:2: limit: no such key; did you mean `limits`?");
    check(
        "[limits]\nmax_open_orders = 5\n  max_order_notionl = \"1\"\n",
        "enigma.toml:3:3: limits.max_order_notionl: no such key; did you mean \
         `max_order_notional`?",
    );
    check("[engine]\nzebra = 1\n", "enigma.toml:2:1: engine.zebra: no such key");
    check(
        "[engine]\nwaiting = \"spinn\"\n",
        "enigma.toml:2:11: engine.waiting: `spinn` is not one of spin, block; did you mean \
         `spin`?",
    );
    check(
        "[[venues]]\nname = \"binance_usdn\"\nsymbols = [\"BTCUSDT\"]\n",
        "enigma.toml:2:1: venues[0].name: `binance_usdn` is not one of binance_spot, \
         binance_usdm; did you mean `binance_usdm`?",
    );
    check(
        "[[strategies]]\nid = \"a\"\nkind = \"quoter\"\ninstruments = [\"binance_usdm:BTCUSD\"]\n\
         [strategies.parameters]\nquantity = \"1\"\nmax_position = \"1\"\nhalf_spread_ticks = 1\n",
        "enigma.toml:4:1: strategies[0].instruments: `binance_usdm:BTCUSD` is not one of \
         binance_usdm:BTCUSDT, binance_usdm:ETHUSDT; did you mean `binance_usdm:BTCUSDT`?",
    );
    check(
        "[[strategies]]\nid = \"a\"\nkind = \"quoter\"\ninstruments = []\n\
         [strategies.parameters]\nquantitty = \"1\"\n",
        "enigma.toml:6:1: strategies[0].parameters.quantitty: no such key; did you mean \
         `quantity`?",
    );
}

#[test]
fn no_key_takes_a_secret_and_the_refusal_says_so() {
    let why = "no such key: no setting takes a secret. Keys will be loaded into the vault, which \
               isn't built yet";
    for key in ["api_key", "secret", "api_secret", "passphrase", "private_key", "key"] {
        check(
            &format!("[[venues]]\n{key} = \"x\"\nname = \"binance_usdm\"\nsymbols = [\"A\"]\n"),
            &format!("enigma.toml:2:1: venues[0].{key}: {why}"),
        );
    }
    let error = load_text("", &[("ENIGMA__DAEMON__SECRET", "abc")]).unwrap_err().to_string();
    assert_eq!(error, format!("$ENIGMA__DAEMON__SECRET: daemon.secret: {why}"));
}

#[test]
fn what_is_not_in_this_version_is_refused_by_name() {
    check(
        "[engine]\nlayout = \"split\"\n",
        "enigma.toml:2:1: engine.layout: `split` is not in this version",
    );
    for environment in ["mainnet", "testnet", "demo"] {
        check(
            &format!(
                "[[venues]]\nname = \"binance_usdm\"\nsymbols = [\"A\"]\n\
                 environment = \"{environment}\"\n"
            ),
            &format!(
                "enigma.toml:4:1: venues[0].environment: `{environment}` needs keys, and there \
                 is no vault yet"
            ),
        );
    }
    check(
        "[daemon]\nlisten = \"0.0.0.0:7420\"\n",
        "enigma.toml:2:1: daemon.listen: 0.0.0.0 is not a loopback address: that needs TLS and \
         users: not yet",
    );
}

#[test]
fn a_value_that_cannot_be_run_is_refused() {
    check("[engine\n", "enigma.toml:1:8: unclosed table, expected `]`");
    check(
        "[journal]\nring_bytes = 12\n",
        "enigma.toml:2:1: journal.ring_bytes: must lie between 1048576 and 4294967296",
    );
    check(
        "[limits]\nmax_open_orders = 0\n",
        "enigma.toml:2:1: limits.max_open_orders: must be above zero",
    );
    check(
        "[limits]\nmax_signal_age_ms = 0\n",
        "enigma.toml:2:1: limits.max_signal_age_ms: must be above zero",
    );
    check(
        "[limits]\nmax_open_orders = \"many\"\n",
        "enigma.toml:2:19: limits.max_open_orders: invalid type: string \"many\", expected u32",
    );
    check(
        "[simulator]\nmarket = \"replay\"\n",
        "enigma.toml:2:1: simulator.market: a replay needs `replay_file`",
    );
    check(
        "[simulator]\nspeed = \"fast\"\n",
        "enigma.toml:2:1: simulator.speed: `fast` is no speed: a number above 0, or `max`",
    );
    check(
        "[simulator]\nembedded = false\n",
        "enigma.toml:2:1: simulator.embedded: without the embedded simulator binance_usdm needs hosts",
    );
    check(
        "[[strategies]]\nid = \"a\"\nkind = \"taker\"\ninstruments = [\"binance_usdm:BTCUSDT\"]\n",
        "enigma.toml:1:1: strategies[0]: taker needs `quantity`",
    );
    check(
        "[daemon]\nlisten = \"here\"\n",
        "enigma.toml:2:1: daemon.listen: `here` is no address and port, such as 127.0.0.1:7420",
    );
}

#[test]
fn a_variable_overrides_the_file_and_is_named_when_it_is_wrong() {
    let text = "[engine]\nwaiting = \"block\"\n";
    let variables = [
        ("ENIGMA__ENGINE__WAITING", "spin"),
        ("ENIGMA__SIMULATOR__SPEED", "10"),
        ("ENIGMA__LIMITS__MAX_ORDER_NOTIONAL", "5000"),
        ("ENIGMA__VENUES__0__SYMBOLS", "[\"BTCUSDT\"]"),
    ];
    let loaded = load_text(text, &variables).unwrap();
    assert_eq!(loaded.settings.engine.waiting, Waiting::Spin);
    assert_eq!(loaded.settings.limits.max_order_notional.to_string(), "5000");
    assert_eq!(loaded.settings.venues[0].symbols, ["BTCUSDT"]);
    let row = loaded.rows.iter().find(|row| row.key == "engine.waiting").unwrap();
    assert_eq!(row.origin, Place::Variable("ENIGMA__ENGINE__WAITING".into()));

    let error = load_text(text, &[("ENIGMA__ENGINE__WAITNG", "spin")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "$ENIGMA__ENGINE__WAITNG: engine.waitng: no such key; did you mean `waiting`?"
    );
    let error = load_text(text, &[("ENIGMA__ENGINE__LAYOUT", "split")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "$ENIGMA__ENGINE__LAYOUT: engine.layout: `split` is not in this version"
    );
}

#[test]
fn every_value_says_where_it_came_from() {
    let loaded = load_text("[engine]\ncore = 1\n", &[]).unwrap();
    let origin = |key: &str| {
        let row = loaded.rows.iter().find(|row| row.key == key).unwrap();
        (row.value.clone(), row.origin.to_string())
    };
    let (core, place) = origin("engine.core");
    assert_eq!(core.as_deref(), Some("1"));
    assert!(place.ends_with("enigma.toml:2:1"), "{place}");
    assert_eq!(origin("engine.waiting"), (Some("\"block\"".into()), "built-in".into()));
    assert_eq!(
        origin("daemon.data_dir"),
        (Some("\"/home/u/.local/state/enigma\"".into()), "$HOME".into())
    );
    assert_eq!(origin("simulator.seed"), (None, "built-in".into()));
    assert_eq!(origin("strategies[0].id"), (Some("\"quoter-btc\"".into()), "built-in".into()));
}

#[test]
fn flags_stand_above_variables_and_variables_above_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("enigma.toml"), "[daemon]\ndata_dir = \"/file\"\n").unwrap();
    let dir = |variables: &[(&str, &str)], flag: Option<&str>| {
        let flags = CommandLine { data_dir: flag.map(PathBuf::from), ..CommandLine::default() };
        load(&around(folder.path(), variables), &flags).unwrap().settings.daemon.data_dir
    };
    let xdg = ("XDG_STATE_HOME", "/xdg");
    let ours = ("ENIGMA_DATA_DIR", "/ours");
    assert_eq!(dir(&[xdg], None), Path::new("/file"));
    assert_eq!(dir(&[xdg, ours], None), Path::new("/ours"));
    assert_eq!(dir(&[xdg, ours], Some("/flag")), Path::new("/flag"));
}

#[test]
fn the_file_is_the_named_one_or_the_first_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let none = load(&around(folder.path(), &[]), &CommandLine::default()).unwrap();
    assert_eq!(none.file, None);
    let other = folder.path().join("other.toml");
    fs::write(&other, "[engine]\ncore = 3\n").unwrap();
    let variable = [("ENIGMA_CONFIG", other.to_str().unwrap())];
    let named = load(&around(folder.path(), &variable), &CommandLine::default()).unwrap();
    assert_eq!(named.settings.engine.core, Some(3));
    let flags = CommandLine { config: Some("absent.toml".into()), ..CommandLine::default() };
    let error = load(&around(folder.path(), &variable), &flags).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

#[test]
fn the_example_documents_every_key_and_equals_the_defaults() {
    let text = include_str!("../examples/enigma.toml");
    let example = load_text(text, &[]).unwrap();
    let built_in = load_text("", &[]).unwrap();
    let values = |loaded: &Loaded| -> Vec<_> {
        loaded.rows.iter().map(|row| (row.key.clone(), row.value.clone())).collect()
    };
    assert_eq!(values(&example), values(&built_in));
    for row in &example.rows {
        let name = row.key.rsplit('.').next().unwrap();
        let explained = row.value.is_none() && text.contains(&format!("# {name} = "));
        let written = matches!(row.origin, Place::File { .. });
        assert!(written || explained || row.key == "daemon.data_dir", "{} is absent", row.key);
    }
}

#[test]
fn speeds_are_positive_numbers_or_max() {
    assert_eq!(Speed::parse("max"), Some(Speed::Max));
    assert!(matches!(Speed::parse("0.5"), Some(Speed::Times(_))));
    for text in ["0", "-1", "NaN", "1e3", "", "100000"] {
        assert_eq!(Speed::parse(text), None, "{text}");
    }
}
