//! From a venue's id to its sessions and its instrument list: the one place that names every
//! venue. It must not do what a venue's own folder can do.

use std::sync::Arc;

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, BookTop, InstallationPrefix, Instrument, InstrumentId, InstrumentTable, Nanos, Now,
    SessionKind, VenueId,
};

pub use crate::binance::DepthStream;
use crate::binance::budget::RequestBudget;
use crate::binance::usdm::instruments::{decode_exchange_info, exchange_info_call};
use crate::binance::usdm::market::MarketSession;
use crate::binance::usdm::orders::OrderSession;
use crate::binance::usdm::user_stream::AccountSession;
use crate::binance::{ExchangeInfoError, spot, usdm};
use crate::session::{CallId, CallRequest, Input, Outbox, Session, VenueError};
use crate::signer::Signer;

/// What a session is opened with.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    pub kind: SessionKind,
    pub account: AccountId,
    pub instruments: Arc<InstrumentTable>,
    pub prefix: InstallationPrefix,
    /// Spreads rotations in time, so that sessions don't reconnect together.
    pub seed: u64,
    /// How long after its timestamp the venue may take a request: the order fence rests on it.
    pub recv_window_ms: u32,
    /// Of the venue's documented limits; more where a venue or a simulator grants more.
    pub rate_limit_percent: u32,
    /// What the venue still grants the account. A session without any counts for itself alone.
    pub budgets: Option<VenueBudgets>,
    pub depth_stream: DepthStream,
    /// How long an instrument's streams may be silent.
    pub stale_after: Nanos,
    pub request_timeout: Nanos,
}

/// A session of some venue.
#[derive(Debug)]
pub enum VenueSession {
    BinanceSpotMarket(Box<spot::market::MarketSession>),
    BinanceSpotOrder(Box<spot::orders::OrderSession>),
    BinanceSpotAccount(Box<spot::user_stream::AccountSession>),
    BinanceUsdmMarket(Box<MarketSession>),
    BinanceUsdmOrder(Box<OrderSession>),
    BinanceUsdmAccount(Box<AccountSession>),
}

/// What a venue still grants an account, kept across its connections: the venue goes on counting
/// when one is replaced. Clones count together.
#[derive(Clone, Debug)]
pub enum VenueBudgets {
    Binance(RequestBudget),
}

/// What the buckets of a venue have left, by their names.
pub type BucketsLeft = ArrayVec<(&'static str, u32), 8>;

/// Why a venue's instrument list can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentsError {
    #[error("{venue}: {source}")]
    Binance { venue: VenueId, source: ExchangeInfoError },
}

impl SessionPlan {
    /// A plan with the defaults of everything that is a matter of taste.
    pub fn new(
        kind: SessionKind,
        account: AccountId,
        instruments: Arc<InstrumentTable>,
        prefix: InstallationPrefix,
        seed: u64,
    ) -> Self {
        Self {
            kind,
            account,
            instruments,
            prefix,
            seed,
            recv_window_ms: 5_000,
            rate_limit_percent: 100,
            budgets: None,
            depth_stream: DepthStream::default(),
            stale_after: Nanos::from_secs(5),
            request_timeout: Nanos::from_secs(10),
        }
    }
}

impl VenueBudgets {
    /// Untouched budgets of `percent` of the venue's documented limits.
    pub fn new(venue: VenueId, percent: u32) -> Self {
        let limits = match venue {
            VenueId::BinanceSpot => &spot::budget::LIMITS,
            VenueId::BinanceUsdm => &usdm::budget::LIMITS,
        };
        Self::Binance(RequestBudget::new(limits, percent))
    }

    /// Those of another account that reaches the venue from the same address.
    #[must_use]
    pub fn of_another_account(&self, percent: u32) -> Self {
        match self {
            Self::Binance(budget) => Self::Binance(budget.of_another_account(percent)),
        }
    }

    /// What is left at the venue's time. Any thread may ask; the sessions' own thread takes.
    pub fn remaining(&self, venue_ms: u64) -> BucketsLeft {
        match self {
            Self::Binance(budget) => budget.remaining(venue_ms).into_iter().collect(),
        }
    }

    /// Obeys a refusal for our limits that no session got: of a connection's upgrade.
    pub fn obey(&self, venue_ms: u64, status: u16, retry_after_seconds: Option<u32>) {
        let retry_at_ms = retry_after_seconds.map(|s| venue_ms + u64::from(s) * 1_000);
        let _bans_all = match self {
            Self::Binance(budget) => budget.obey(venue_ms, status, 0, retry_at_ms),
        };
    }

    /// Until when our address may ask for nothing, in milliseconds of the venue's time; zero when
    /// it may.
    pub fn banned_until_ms(&self) -> u64 {
        match self {
            Self::Binance(budget) => budget.banned_until_ms(),
        }
    }
}

/// Opens a session for one dial. It asks for the dial itself, once it gets `Input::Start`.
pub fn open_session(venue: VenueId, plan: &SessionPlan) -> VenueSession {
    match (venue, plan.kind) {
        (VenueId::BinanceSpot, SessionKind::Market) => {
            VenueSession::BinanceSpotMarket(Box::new(spot::market::MarketSession::new(plan)))
        }
        (VenueId::BinanceSpot, SessionKind::Order) => {
            VenueSession::BinanceSpotOrder(Box::new(spot::orders::OrderSession::new(plan)))
        }
        (VenueId::BinanceSpot, SessionKind::Account) => {
            VenueSession::BinanceSpotAccount(Box::new(spot::user_stream::AccountSession::new(plan)))
        }
        (VenueId::BinanceUsdm, SessionKind::Market) => {
            VenueSession::BinanceUsdmMarket(Box::new(MarketSession::new(plan)))
        }
        (VenueId::BinanceUsdm, SessionKind::Order) => {
            VenueSession::BinanceUsdmOrder(Box::new(OrderSession::new(plan)))
        }
        (VenueId::BinanceUsdm, SessionKind::Account) => {
            VenueSession::BinanceUsdmAccount(Box::new(AccountSession::new(plan)))
        }
    }
}

/// The call that fetches a venue's instruments, before any session is opened.
pub fn instruments_call(venue: VenueId) -> CallRequest {
    match venue {
        VenueId::BinanceSpot => spot::instruments::exchange_info_call(CallId(0)),
        VenueId::BinanceUsdm => exchange_info_call(CallId(0)),
    }
}

/// Reads the answer to `instruments_call`: the wanted instruments, in the order they are wanted.
/// Their ids are given when they are added to the table.
pub fn decode_instruments(
    venue: VenueId,
    body: &[u8],
    wanted: &[String],
) -> Result<Vec<Instrument>, InstrumentsError> {
    let decoded = match venue {
        VenueId::BinanceSpot => spot::decode_exchange_info(body, wanted),
        VenueId::BinanceUsdm => decode_exchange_info(body, wanted),
    };
    decoded.map_err(|source| InstrumentsError::Binance { venue, source })
}

impl Session for VenueSession {
    #[inline]
    fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        signer: &mut Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match self {
            Self::BinanceSpotMarket(session) => session.handle(now, input, signer, outbox),
            Self::BinanceUsdmMarket(session) => session.handle(now, input, signer, outbox),
            Self::BinanceSpotOrder(session) => session.handle(now, input, signer, outbox),
            Self::BinanceUsdmOrder(session) => session.handle(now, input, signer, outbox),
            Self::BinanceSpotAccount(session) => session.handle(now, input, signer, outbox),
            Self::BinanceUsdmAccount(session) => session.handle(now, input, signer, outbox),
        }
    }

    #[inline]
    fn next_deadline(&self) -> Option<Nanos> {
        match self {
            Self::BinanceSpotMarket(session) => session.next_deadline(),
            Self::BinanceUsdmMarket(session) => session.next_deadline(),
            Self::BinanceSpotOrder(session) => session.next_deadline(),
            Self::BinanceUsdmOrder(session) => session.next_deadline(),
            Self::BinanceSpotAccount(session) => session.next_deadline(),
            Self::BinanceUsdmAccount(session) => session.next_deadline(),
        }
    }

    #[inline]
    fn book(&self, instrument: InstrumentId) -> Option<&BookTop> {
        match self {
            Self::BinanceSpotMarket(session) => session.book(instrument),
            Self::BinanceUsdmMarket(session) => session.book(instrument),
            Self::BinanceSpotOrder(_)
            | Self::BinanceSpotAccount(_)
            | Self::BinanceUsdmOrder(_)
            | Self::BinanceUsdmAccount(_) => None,
        }
    }

    #[inline]
    fn in_flight(&self) -> usize {
        match self {
            Self::BinanceSpotMarket(session) => session.in_flight(),
            Self::BinanceUsdmMarket(session) => session.in_flight(),
            Self::BinanceSpotOrder(session) => session.in_flight(),
            Self::BinanceUsdmOrder(session) => session.in_flight(),
            Self::BinanceSpotAccount(session) => session.in_flight(),
            Self::BinanceUsdmAccount(session) => session.in_flight(),
        }
    }

    fn account(&self) -> AccountId {
        match self {
            Self::BinanceSpotMarket(session) => session.account(),
            Self::BinanceUsdmMarket(session) => session.account(),
            Self::BinanceSpotOrder(session) => session.account(),
            Self::BinanceUsdmOrder(session) => session.account(),
            Self::BinanceSpotAccount(session) => session.account(),
            Self::BinanceUsdmAccount(session) => session.account(),
        }
    }
}
