//! The binary form of what sessions report: enums whose cases carry data, a code before each.
//! It must not give a used code to another case.

use enigma_types::{OrderReference, Outcome, Query, Report, ReportSource};

use super::codec::{Field, Reader, Writer};
use super::{RecordError, RecordTooLarge};

impl Field for OrderReference {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        match self {
            Self::Ours(id) => {
                out.put(&1_u8)?;
                out.put(id)
            }
            Self::External(text) => {
                out.put(&2_u8)?;
                out.put(text)
            }
        }
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        match u8::take(from)? {
            1 => from.take().map(Self::Ours),
            2 => from.take().map(Self::External),
            _ => Err(RecordError::Invalid("order reference")),
        }
    }
}

impl Field for ReportSource {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        match self {
            Self::Stream => out.put(&1_u8),
            Self::Response(kind) => {
                out.put(&2_u8)?;
                out.put(kind)
            }
            Self::Query { asked_at } => {
                out.put(&3_u8)?;
                out.put(asked_at)
            }
        }
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        match u8::take(from)? {
            1 => Ok(Self::Stream),
            2 => from.take().map(Self::Response),
            3 => Ok(Self::Query { asked_at: from.take()? }),
            _ => Err(RecordError::Invalid("report source")),
        }
    }
}

impl Field for Outcome {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        match self {
            Self::Acknowledged(kind) => put_pair(out, 1, kind, &()),
            Self::Working(order, source) => put_pair(out, 2, order, source),
            Self::Fill(fill) => put_pair(out, 3, fill, &()),
            Self::Rejected(kind, reason) => put_pair(out, 4, kind, reason),
            Self::NotSent(kind, cause) => put_pair(out, 5, kind, cause),
            Self::Unknown(kind, cause) => put_pair(out, 6, kind, cause),
            Self::NotFound { asked_at } => put_pair(out, 7, asked_at, &()),
        }
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(match u8::take(from)? {
            1 => Self::Acknowledged(from.take()?),
            2 => Self::Working(from.take()?, from.take()?),
            3 => Self::Fill(from.take()?),
            4 => Self::Rejected(from.take()?, from.take()?),
            5 => Self::NotSent(from.take()?, from.take()?),
            6 => Self::Unknown(from.take()?, from.take()?),
            7 => Self::NotFound { asked_at: from.take()? },
            _ => return Err(RecordError::Invalid("outcome")),
        })
    }
}

impl Field for Query {
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        match self {
            Self::Order { account, instrument, client_order_id } => {
                put_pair(out, 1, account, instrument)?;
                out.put(client_order_id)
            }
            Self::OpenOrders { account } => put_pair(out, 2, account, &()),
            Self::Fills { account, instrument, from_trade, since } => {
                put_pair(out, 3, account, instrument)?;
                out.put(from_trade)?;
                out.put(since)
            }
            Self::Account { account } => put_pair(out, 4, account, &()),
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        let code = u8::take(from)?;
        let account = from.take()?;
        Ok(match code {
            1 => {
                let (instrument, client_order_id) = (from.take()?, from.take()?);
                Self::Order { account, instrument, client_order_id }
            }
            2 => Self::OpenOrders { account },
            3 => {
                let (instrument, from_trade, since) = (from.take()?, from.take()?, from.take()?);
                Self::Fills { account, instrument, from_trade, since }
            }
            4 => Self::Account { account },
            _ => return Err(RecordError::Invalid("query")),
        })
    }
}

impl Field for Report {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        match self {
            Self::Execution(report) => put_pair(out, 1, report, &()),
            Self::Balance(report) => put_pair(out, 2, report, &()),
            Self::Position(report) => put_pair(out, 3, report, &()),
            Self::Query(report) => put_pair(out, 4, report, &()),
        }
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        match u8::take(from)? {
            1 => from.take().map(Self::Execution),
            2 => from.take().map(Self::Balance),
            3 => from.take().map(Self::Position),
            4 => from.take().map(Self::Query),
            _ => Err(RecordError::Invalid("report")),
        }
    }
}

impl Field for () {
    fn put(&self, _out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        Ok(())
    }

    fn take(_from: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(())
    }
}

#[inline]
fn put_pair(
    out: &mut Writer<'_>,
    code: u8,
    first: &impl Field,
    second: &impl Field,
) -> Result<(), RecordTooLarge> {
    out.put(&code)?;
    out.put(first)?;
    out.put(second)
}
