//! Names of accounts, instruments and strategies for what the engine knows by number.

use std::sync::Arc;

use enigma_engine::settings::Environment;
use enigma_engine::snapshot::ReadModel;
use enigma_types::{AccountId, Instrument, InstrumentId, InstrumentTable, StrategyId, VenueId};

#[derive(Clone, Debug)]
pub(crate) struct Naming {
    table: Arc<InstrumentTable>,
    accounts: Vec<(AccountId, String, VenueId, Environment)>,
}

impl Naming {
    pub(crate) fn new(
        table: Arc<InstrumentTable>,
        accounts: Vec<(AccountId, String, VenueId, Environment)>,
    ) -> Self {
        Self { table, accounts }
    }

    pub(crate) fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.table.get(id)
    }

    pub(crate) fn instrument_name(&self, id: InstrumentId) -> String {
        self.table.get(id).map_or_else(|| format!("instrument {}", id.0), Instrument::name)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Instrument> {
        self.table.by_name(name)
    }

    pub(crate) fn account(&self, id: AccountId) -> String {
        let row = self.accounts.iter().find(|(account, ..)| *account == id);
        row.map_or_else(|| format!("account {}", id.0), |(_, name, ..)| name.clone())
    }

    /// The account that trades a venue.
    pub(crate) fn account_at(&self, venue: VenueId, name: Option<&str>) -> Option<AccountId> {
        let mut rows = self.accounts.iter().filter(|(_, _, at, _)| *at == venue);
        rows.find(|(_, own, ..)| name.is_none_or(|name| name == own)).map(|(id, ..)| *id)
    }
}

/// The operator's name of a strategy, of one that is gone too.
pub(crate) fn strategy_name(model: &ReadModel, id: StrategyId) -> String {
    if id == StrategyId::MANUAL {
        return "manual".into();
    }
    let view = model.strategies.get(&id);
    view.map_or_else(|| format!("removed-{}", id.0), |view| view.spec.id.to_string())
}

pub(crate) const fn environment_name(environment: Environment) -> &'static str {
    match environment {
        Environment::Mainnet => "mainnet",
        Environment::Testnet => "testnet",
        Environment::Demo => "demo",
        Environment::Simulator => "simulator",
    }
}
