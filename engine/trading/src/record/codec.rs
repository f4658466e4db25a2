//! How the parts of a record are written and read: little-endian numbers, one code for each case
//! of an enum, a length before each text. It must not give a used code to another case.

use arrayvec::ArrayString;
use enigma_types::{
    AccountId, Amount, BalanceReport, CancelRequest, ClientOrderId, ExecutionReport, Fill,
    InstallationPrefix, InstrumentId, Liquidity, Mode, Nanos, NotSentCause, OrderIntent,
    OrderRequest, OrderType, PositionReport, Price, Quantity, QueryReport, RejectClass,
    RejectReason, ReplaceRequest, RequestKind, Scale, SessionChange, SessionKind, SessionState,
    Side, SignedQuantity, StrategyId, StrategyResult, StrategyState, TimeInForce, TradeId,
    UnixNanos, UnknownCause, VenueId, VenueOrderId, WorkingOrder, WorkingStatus,
};

use super::{RecordError, RecordTooLarge};

/// Fills a borrowed buffer from its start.
pub(super) struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
}

/// Takes fields from the start of borrowed bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

/// Something with one binary form.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge>;
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError>;
}

impl<'a> Writer<'a> {
    pub(super) fn new(buffer: &'a mut [u8], most: usize) -> Self {
        let length = buffer.len().min(most);
        let (buffer, _) = buffer.split_at_mut(length);
        Self { buffer, at: 0 }
    }

    pub(super) fn put(&mut self, field: &impl Field) -> Result<(), RecordTooLarge> {
        field.put(self)
    }

    pub(super) fn put_text(&mut self, text: &str) -> Result<(), RecordTooLarge> {
        let length = u16::try_from(text.len()).map_err(|_| RecordTooLarge)?;
        self.put(&length)?;
        self.put_bytes(text.as_bytes())
    }

    pub(super) const fn written(&self) -> usize {
        self.at
    }

    #[inline]
    fn put_bytes(&mut self, bytes: &[u8]) -> Result<(), RecordTooLarge> {
        let end = self.at + bytes.len();
        self.buffer.get_mut(self.at..end).ok_or(RecordTooLarge)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn take<T: Field>(&mut self) -> Result<T, RecordError> {
        T::take(self)
    }

    pub(super) fn take_text(&mut self) -> Result<&'a str, RecordError> {
        let length = usize::from(u16::take(self)?);
        core::str::from_utf8(self.split(length, "text")?).map_err(|_| RecordError::Invalid("text"))
    }

    pub(super) const fn rest(&self) -> usize {
        self.bytes.len()
    }

    fn split(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], RecordError> {
        let Some((head, rest)) = self.bytes.split_at_checked(length) else {
            return Err(RecordError::Truncated(what));
        };
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        let bytes = self.split(N, what)?;
        bytes.try_into().map_err(|_| RecordError::Truncated(what))
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Field for $number {
            #[inline]
            fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
                out.put_bytes(&self.to_le_bytes())
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
                Ok(Self::from_le_bytes(from.array(stringify!($number))?))
            }
        }
    )+};
}

macro_rules! wrapped_numbers {
    ($($wrapper:ident),+) => {$(
        impl Field for $wrapper {
            #[inline]
            fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
                out.put(&self.0)
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
                from.take().map(Self)
            }
        }
    )+};
}

/// Enums without data: each case has its code, and other codes are errors.
macro_rules! coded {
    ($($name:ident { $($case:ident = $code:literal),+ $(,)? })+) => {$(
        impl Field for $name {
            #[inline]
            fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
                let code: u8 = match self { $(Self::$case => $code),+ };
                out.put(&code)
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
                match u8::take(from)? {
                    $($code => Ok(Self::$case),)+
                    _ => Err(RecordError::Invalid(stringify!($name))),
                }
            }
        }
    )+};
}

/// Structs whose fields follow each other.
macro_rules! rows {
    ($($name:ident { $($field:ident),+ $(,)? })+) => {$(
        impl Field for $name {
            #[inline]
            fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
                $(out.put(&self.$field)?;)+
                Ok(())
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
                Ok(Self { $($field: from.take()?),+ })
            }
        }
    )+};
}

numbers!(u8, u16, u32, u64, i32, i64, i128);

wrapped_numbers!(
    AccountId,
    Amount,
    InstrumentId,
    Nanos,
    Price,
    Quantity,
    SignedQuantity,
    StrategyId,
    TradeId,
    UnixNanos,
    VenueOrderId
);

coded! {
    VenueId { BinanceUsdm = 1, BinanceSpot = 2 }
    Side { Buy = 1, Sell = 2 }
    OrderType { Limit = 1, Market = 2 }
    TimeInForce { Gtc = 1, Ioc = 2, Fok = 3, PostOnly = 4 }
    Liquidity { Maker = 1, Taker = 2 }
    Mode { Simulated = 1, Live = 2 }
    RequestKind { Submit = 1, Cancel = 2, Replace = 3 }
    SessionKind { Market = 1, Order = 2, Account = 3 }
    SessionState { Down = 1, Connecting = 2, Syncing = 3, Ready = 4, Stale = 5 }
    StrategyState {
        Loaded = 1,
        Warming = 2,
        Running = 3,
        Paused = 4,
        Stopping = 5,
        Stopped = 6,
        Faulted = 7,
    }
    WorkingStatus {
        Open = 1,
        Filled = 2,
        Canceled = 3,
        Expired = 4,
        Rejected = 5,
        Unrecognised = 6,
    }
    RejectClass {
        WouldCross = 1,
        NotFillable = 2,
        InsufficientMargin = 3,
        Filter = 4,
        RateLimit = 5,
        Authentication = 6,
        ClockSkew = 7,
        DuplicateId = 8,
        NoSuchOrder = 9,
        ReduceOnly = 10,
        AccountMode = 11,
        VenueUnavailable = 12,
        Other = 13,
    }
    NotSentCause {
        Barrier = 1,
        SessionDown = 2,
        Full = 3,
        RateLimit = 4,
        Encoding = 5,
        ConnectionEnded = 6,
        Overdue = 7,
    }
    UnknownCause { Timeout = 1, Disconnected = 2, VenueUnsure = 3, Unreadable = 4 }
}

rows! {
    OrderRequest {
        client_order_id,
        account,
        instrument,
        side,
        time_in_force,
        price,
        quantity,
        reduce_only,
    }
    CancelRequest { client_order_id, account, instrument, venue_order_id }
    ReplaceRequest {
        client_order_id,
        account,
        instrument,
        venue_order_id,
        side,
        price,
        quantity,
    }
    OrderIntent {
        strategy,
        account,
        instrument,
        side,
        order_type,
        time_in_force,
        price,
        quantity,
        reduce_only,
    }
    BalanceReport { account, asset, wallet, available, venue_time }
    PositionReport { account, instrument, quantity, entry_price, venue_time, asked_at }
    ExecutionReport {
        account,
        instrument,
        order,
        venue_order_id,
        outcome,
        venue_time,
        received_at,
    }
    WorkingOrder { status, side, price, quantity, filled, time_in_force, reduce_only }
    Fill { trade_id, side, price, quantity, liquidity, fee, fee_asset }
    RejectReason { class, code, message }
    QueryReport { query, asked_at, complete }
    SessionChange { venue, account, kind, state, at }
    StrategyResult { executed, remaining, average_price }
}

impl Field for bool {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        out.put(&u8::from(*self))
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Invalid("bool")),
        }
    }
}

impl<T: Field> Field for Option<T> {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        out.put(&self.is_some())?;
        self.as_ref().map_or(Ok(()), |value| out.put(value))
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        if bool::take(from)? { from.take().map(Some) } else { Ok(None) }
    }
}

impl<const N: usize> Field for ArrayString<N> {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        out.put_text(self)
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        Self::from(from.take_text()?).map_err(|_| RecordError::Invalid("text of this length"))
    }
}

impl Field for Scale {
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        out.put(&self.digits())
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        Self::new(from.take()?).map_err(|_| RecordError::Invalid("scale"))
    }
}

impl Field for ClientOrderId {
    #[inline]
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        out.put(&self.get())
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        Self::new(from.take()?).ok_or(RecordError::Invalid("client order id"))
    }
}

impl Field for InstallationPrefix {
    fn put(&self, out: &mut Writer<'_>) -> Result<(), RecordTooLarge> {
        out.put_bytes(self.as_str().as_bytes())
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, RecordError> {
        let text: [u8; Self::LENGTH] = from.array("prefix")?;
        Self::parse(&text).ok_or(RecordError::Invalid("prefix"))
    }
}
