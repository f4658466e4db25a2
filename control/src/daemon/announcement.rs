//! What a person reads at the start: the address, the single-use token, and the one command that
//! makes something trade.

use std::io::{self, Write};

use enigma_config::{Loaded, MarketSource};

use super::simulation::Simulation;
use crate::access::Token;

/// Writes to standard error, past the log, because the token may stand in no log.
pub(super) fn announce(loaded: &Loaded, url: &str, sign_in: &Token, simulation: &Simulation) {
    let settings = &loaded.settings;
    let directory = settings.daemon.data_dir.display();
    let exchange = match (simulation, &settings.simulator.market) {
        (Simulation::Embedded { .. }, MarketSource::Synthetic) => {
            "embedded simulator, synthetic market".into()
        }
        (Simulation::Embedded { .. }, MarketSource::Replay { path, .. }) => {
            format!("embedded simulator, replay of {}", path.display())
        }
        (Simulation::External(_), _) => "external simulator".to_owned(),
        (Simulation::None, _) => "public data only: no keys".to_owned(),
    };
    let file = loaded.file.as_ref().map_or_else(
        || "built in (`enigma config show --origin` lists them)".to_owned(),
        |path| path.display().to_string(),
    );
    let mut text = format!(
        "Enigma {}\n  address   {url}\n  exchange  {exchange}\n  settings  {file}\n  \
         data      {directory}\n  sign-in   {}  (once, within 15 minutes)\n",
        env!("CARGO_PKG_VERSION"),
        sign_in.reveal(),
    );
    if let Some(spec) = settings.strategies.first() {
        let id = &spec.id;
        text.push_str(&format!(
            "Nothing trades yet. Start {id} from another terminal:\n  \
             curl -X POST -H \"Authorization: Bearer $(cat {directory}/cli.token)\" \
             {url}/v1/strategies/{id}/start\n  \
             or: enigma --data-dir {directory} strategies start {id}\n",
        ));
    }
    text.push_str("Ctrl-C cancels all orders and ends.\n\n");
    // Without a standard error there is nobody to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
