//! The journal's records: everything that the state of the desk is made of, in order.
//!
//! Replaying the records through the desk gives the same state. The binary form is little-endian,
//! versioned by the record's kind byte, and written without allocation.

use enigma_types::{
    CancelRequest, InstallationPrefix, Mode, OrderIntent, OrderRequest, ReplaceRequest, Report,
    SessionChange, StrategyId, StrategyState,
};

/// One record. Texts are borrowed from the command or from the journal's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A process took the journal over. Everything in flight before it is Unknown after it.
    Opened {
        run: u32,
        prefix: InstallationPrefix,
    },
    /// A block of client order ids was leased before any id of it was used.
    Lease {
        block: u32,
    },
    /// A strategy was created or its description changed: `StrategySpec` as JSON.
    Strategy {
        id: StrategyId,
        json: &'a str,
    },
    StrategyState {
        id: StrategyId,
        state: StrategyState,
        mode: Mode,
        reason: &'a str,
    },
    StrategyRemoved {
        id: StrategyId,
    },
    /// An approved order, before it is handed to its session.
    Submit {
        strategy: StrategyId,
        order: OrderRequest,
    },
    Cancel(CancelRequest),
    Replace(ReplaceRequest),
    /// What a venue said, as the desk was about to apply it.
    Report(Report),
    /// A check refused an intent. Consumes no id.
    RiskRejection {
        intent: OrderIntent,
        check: u8,
        limit: i64,
        value: i64,
    },
    /// The engine's limits: `RiskLimits` as JSON.
    Limits {
        json: &'a str,
    },
    KillSwitch {
        engaged: bool,
        reason: &'a str,
    },
    Session(SessionChange),
    /// Reconciliation of an account came to its end; until then nothing new is sent on it.
    Reconciled {
        account: enigma_types::AccountId,
        differences: u32,
    },
    /// Orders, fills or a position differed from the venue's and were settled or raised.
    Difference {
        account: enigma_types::AccountId,
        text: &'a str,
    },
}
