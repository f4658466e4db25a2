//! The journal's records: everything that the state of the desk is made of, in order.
//!
//! Replaying the records through the desk gives the same state. The binary form is little-endian,
//! versioned by the record's kind byte, and written without allocation. It must not change the
//! meaning of a kind byte once written: journals outlive programs.

mod codec;
mod report;

use enigma_types::{
    Asset, CancelRequest, InstallationPrefix, InstrumentId, Mode, OrderIntent, OrderRequest,
    ReplaceRequest, Report, Scale, SessionChange, StrategyId, StrategyResult, StrategyState,
};

use codec::{Field, Reader, Writer};

/// One record. Texts are borrowed from the command or from the journal's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A process took the journal over. Everything in flight before it is Unknown after it.
    Opened {
        run: u32,
        prefix: InstallationPrefix,
    },
    /// What an instrument's number and its mantissas mean in the records that follow. A table of
    /// another run that disagrees can't read them.
    Instrument {
        id: InstrumentId,
        price_scale: Scale,
        quantity_scale: Scale,
        name: &'a str,
    },
    /// What an instrument's orders trade, where the venue tells no positions: from here on a fee
    /// that is taken in it comes off what is held.
    BaseAsset {
        instrument: InstrumentId,
        asset: Asset,
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
    /// What a strategy has made of a task that ends: written whenever it changes.
    StrategyResult {
        id: StrategyId,
        result: StrategyResult,
    },
}

/// A record is longer than `Record::MAX_BYTES` or than the buffer it should go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record doesn't fit")]
pub struct RecordTooLarge;

/// Why bytes are no record. A journal with such bytes is damaged or of a newer program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("there is no record kind {0}")]
    UnknownKind(u8),
    #[error("the record ends inside its {0}")]
    Truncated(&'static str),
    #[error("the record holds no valid {0}")]
    Invalid(&'static str),
    #[error("{0} bytes follow the record")]
    Trailing(usize),
}

impl<'a> Record<'a> {
    /// No encoded record is longer.
    pub const MAX_BYTES: usize = 4_096;
    /// The longest text of a record, so that what surrounds it always fits.
    pub const MAX_TEXT: usize = Self::MAX_BYTES - 256;

    /// Writes the record to the start of `buffer` and says how many bytes it took.
    pub fn encode(&self, buffer: &mut [u8]) -> Result<usize, RecordTooLarge> {
        let mut out = Writer::new(buffer, Self::MAX_BYTES);
        out.put(&self.kind())?;
        match self {
            Self::Opened { run, prefix } => {
                out.put(run)?;
                out.put(prefix)?;
            }
            Self::Instrument { id, price_scale, quantity_scale, name } => {
                out.put(id)?;
                out.put(price_scale)?;
                out.put(quantity_scale)?;
                out.put_text(name)?;
            }
            Self::BaseAsset { instrument, asset } => {
                out.put(instrument)?;
                out.put(asset)?;
            }
            Self::Lease { block } => out.put(block)?,
            Self::Strategy { id, json } => {
                out.put(id)?;
                out.put_text(json)?;
            }
            Self::StrategyState { id, state, mode, reason } => {
                out.put(id)?;
                out.put(state)?;
                out.put(mode)?;
                out.put_text(reason)?;
            }
            Self::StrategyRemoved { id } => out.put(id)?,
            Self::Submit { strategy, order } => {
                out.put(strategy)?;
                out.put(order)?;
            }
            Self::Cancel(request) => out.put(request)?,
            Self::Replace(request) => out.put(request)?,
            Self::Report(report) => out.put(report)?,
            Self::RiskRejection { intent, check, limit, value } => {
                out.put(intent)?;
                out.put(check)?;
                out.put(limit)?;
                out.put(value)?;
            }
            Self::Limits { json } => out.put_text(json)?,
            Self::KillSwitch { engaged, reason } => {
                out.put(engaged)?;
                out.put_text(reason)?;
            }
            Self::Session(change) => out.put(change)?,
            Self::Reconciled { account, differences } => {
                out.put(account)?;
                out.put(differences)?;
            }
            Self::Difference { account, text } => {
                out.put(account)?;
                out.put_text(text)?;
            }
            Self::StrategyResult { id, result } => {
                out.put(id)?;
                out.put(result)?;
            }
        }
        Ok(out.written())
    }

    /// Reads the one record that `bytes` hold.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut from = Reader::new(bytes);
        let kind = u8::take(&mut from)?;
        let record = match kind {
            1 => Self::Opened { run: from.take()?, prefix: from.take()? },
            2 => Self::Instrument {
                id: from.take()?,
                price_scale: from.take()?,
                quantity_scale: from.take()?,
                name: from.take_text()?,
            },
            3 => Self::Lease { block: from.take()? },
            4 => Self::Strategy { id: from.take()?, json: from.take_text()? },
            5 => Self::StrategyState {
                id: from.take()?,
                state: from.take()?,
                mode: from.take()?,
                reason: from.take_text()?,
            },
            6 => Self::StrategyRemoved { id: from.take()? },
            7 => Self::Submit { strategy: from.take()?, order: from.take()? },
            8 => Self::Cancel(from.take()?),
            9 => Self::Replace(from.take()?),
            10 => Self::Report(from.take()?),
            11 => Self::RiskRejection {
                intent: from.take()?,
                check: from.take()?,
                limit: from.take()?,
                value: from.take()?,
            },
            12 => Self::Limits { json: from.take_text()? },
            13 => Self::KillSwitch { engaged: from.take()?, reason: from.take_text()? },
            14 => Self::Session(from.take()?),
            15 => Self::Reconciled { account: from.take()?, differences: from.take()? },
            16 => Self::Difference { account: from.take()?, text: from.take_text()? },
            17 => Self::StrategyResult { id: from.take()?, result: from.take()? },
            18 => Self::BaseAsset { instrument: from.take()?, asset: from.take()? },
            unknown => return Err(RecordError::UnknownKind(unknown)),
        };
        match from.rest() {
            0 => Ok(record),
            left => Err(RecordError::Trailing(left)),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Opened { .. } => 1,
            Self::Instrument { .. } => 2,
            Self::Lease { .. } => 3,
            Self::Strategy { .. } => 4,
            Self::StrategyState { .. } => 5,
            Self::StrategyRemoved { .. } => 6,
            Self::Submit { .. } => 7,
            Self::Cancel(_) => 8,
            Self::Replace(_) => 9,
            Self::Report(_) => 10,
            Self::RiskRejection { .. } => 11,
            Self::Limits { .. } => 12,
            Self::KillSwitch { .. } => 13,
            Self::Session(_) => 14,
            Self::Reconciled { .. } => 15,
            Self::Difference { .. } => 16,
            Self::StrategyResult { .. } => 17,
            Self::BaseAsset { .. } => 18,
        }
    }
}
