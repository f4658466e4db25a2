//! Where the desk writes what must survive it, and where it marks the stages of a tick.

use enigma_types::Now;

use crate::record::Record;

/// The journal, as the desk sees it. A record is durable against the death of the process when
/// `append` returns; the desk hands no request over before.
pub trait Journal {
    fn append(&mut self, now: Now, record: &Record<'_>) -> Result<(), JournalFull>;

    /// Whether new orders may still be recorded. Room for cancels and reports is kept back, so
    /// this turns false long before `append` fails.
    fn accepts_orders(&self) -> bool;
}

/// The ring has no room: the trading gate closes until the writer has caught up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal ring is full")]
pub struct JournalFull;

/// The stages of a tick that happen inside the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The strategy has decided.
    Strategy,
    /// The checks have passed or refused.
    Risk,
    /// The record stands in the ring.
    Journal,
}

/// Marks the end of a stage. The engine's probe reads a clock when it samples; others do nothing.
pub trait Probe {
    fn mark(&mut self, stage: Stage);
}

/// A probe that measures nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    #[inline]
    fn mark(&mut self, _stage: Stage) {}
}
