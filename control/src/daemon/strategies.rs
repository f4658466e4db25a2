//! Creates the settings' strategies once the engine runs. What the journal knows already stays as
//! the journal has it, and nothing is started.

use std::time::Duration;

use enigma_engine::Phase;
use enigma_engine::command::DeskCommand;
use enigma_types::StrategySpec;

use crate::app::App;
use crate::routes::strategies::spec_json;

pub(super) async fn create(app: App, specs: Vec<StrategySpec>) {
    if !wait_for_engine(&app).await {
        return;
    }
    for spec in specs {
        let id = spec.id;
        let known = {
            let model = app.engine.model();
            model.strategies.values().find(|view| view.spec.id == id).map(|view| view.spec.clone())
        };
        match known {
            Some(known) if known == spec => continue,
            Some(_) => {
                tracing::warn!(strategy = %id, "differs from the settings: kept as it was changed");
                continue;
            }
            None => {}
        }
        let Ok(json) = spec_json(&spec) else { continue };
        match app.execute(DeskCommand::Create { spec: Box::new(spec), json }).await {
            Ok(_) => tracing::info!(strategy = %id, "strategy created; it waits to be started"),
            Err(problem) => {
                tracing::error!(strategy = %id, ?problem, "the strategy can't be created");
            }
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// False when the engine will never run.
async fn wait_for_engine(app: &App) -> bool {
    let mut told = None;
    loop {
        match app.engine.status().phase {
            Phase::Running => return true,
            Phase::Draining | Phase::Stopped => return false,
            Phase::Failed(reason) => {
                tracing::error!(reason, "the engine failed: nothing can trade");
                return false;
            }
            Phase::LoadingInstruments { last_error } => {
                if last_error.is_some() && last_error != told {
                    tracing::warn!(reason = last_error, "instruments aren't loaded yet");
                    told = last_error;
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
