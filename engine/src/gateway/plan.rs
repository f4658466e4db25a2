//! What a gateway is told at its start: places to fill, hosts to reach, signers to sign with.

use std::sync::Arc;
use std::time::Duration;

use enigma_types::{AccountId, Nanos, SessionKind, VenueId};
use enigma_venues::registry::{SessionPlan, VenueBudgets, VenueSession, open_session};
use enigma_venues::session::{HostRole, Session};
use enigma_venues::signer::Signer;

use super::counters::GatewayCounters;
use super::order_sockets::OrderSockets;
use super::pace::DialBudget;
use crate::connection::KillGate;
use crate::connector::Host;
use crate::settings::VenueSettings;
use crate::tls::{TlsError, TlsTrust};

/// What a place in the gateway is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotPlan {
    pub venue: VenueId,
    pub kind: SessionKind,
    /// The first account for public data, which belongs to none.
    pub account: AccountId,
}

/// Everything a gateway needs, checked.
#[derive(Debug)]
pub struct GatewaySettings {
    pub venues: Vec<VenueHosts>,
    /// By `AccountId`.
    pub accounts: Vec<AccountAccess>,
    pub dial_timeout: Duration,
    pub liveness: Liveness,
    /// For rotation times, jitter and frame masks.
    pub seed: u64,
}

/// When a connection on which nothing comes is asked whether anybody is there. A peer that has
/// vanished without a word leaves a socket that looks healthy for as long as nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// After so much silence a ping is sent.
    pub ping_after: Nanos,
    /// When nothing at all came for so long after the ping, the connection is replaced.
    pub pong_within: Nanos,
}

/// One venue's hosts, how often they may be dialled, and what may be asked of them.
#[derive(Debug)]
pub struct VenueHosts {
    pub venue: VenueId,
    pub hosts: Vec<(HostRole, Arc<Host>)>,
    pub budget: DialBudget,
    /// Of the venue's documented rate limits; more where a simulator grants more.
    pub rate_limit_percent: u32,
}

/// One account: where it is, and what signs for it.
#[derive(Debug)]
pub struct AccountAccess {
    pub venue: VenueId,
    pub signer: Signer,
}

/// What a gateway shares with the threads around it.
#[derive(Clone, Debug, Default)]
pub struct GatewayShared {
    pub gate: KillGate,
    pub order_sockets: OrderSockets,
    pub counters: Arc<GatewayCounters>,
}

/// Makes a session for each dial.
pub trait OpenSession {
    type Session: Session;

    /// The budgets are the gateway's, and outlive the session.
    fn open(&mut self, plan: SlotPlan, seed: u64, budgets: Option<&VenueBudgets>) -> Self::Session;
}

/// Opens the sessions of the venues Enigma knows.
#[derive(Debug)]
pub struct VenueSessions {
    /// Its kind, account, seed and budgets are replaced for each session.
    pub template: SessionPlan,
}

impl GatewaySettings {
    /// Prepares what the venues' hosts are checked against.
    pub fn new(
        venues: &[VenueSettings],
        accounts: Vec<AccountAccess>,
        seed: u64,
    ) -> Result<Self, TlsError> {
        let venues = venues.iter().map(VenueHosts::new).collect::<Result<_, _>>()?;
        let liveness = Liveness::default();
        Ok(Self { venues, accounts, dial_timeout: DIAL_TIMEOUT, liveness, seed })
    }

    /// One place for each venue's public data, then two for each account.
    pub(crate) fn slots(&self) -> Vec<SlotPlan> {
        let mut slots = Vec::new();
        for venue in &self.venues {
            let (venue, kind, account) = (venue.venue, SessionKind::Market, AccountId(0));
            slots.push(SlotPlan { venue, kind, account });
        }
        for (account, access) in (0_u16..).zip(&self.accounts) {
            for kind in [SessionKind::Order, SessionKind::Account] {
                let (venue, account) = (access.venue, AccountId(account));
                slots.push(SlotPlan { venue, kind, account });
            }
        }
        slots
    }
}

impl VenueHosts {
    pub fn new(settings: &VenueSettings) -> Result<Self, TlsError> {
        let trust = TlsTrust::new(&settings.trust)?;
        let hosts = settings.hosts.iter().map(|(role, address)| {
            (*role, Arc::new(Host { address: address.clone(), trust: trust.clone() }))
        });
        Ok(Self {
            venue: settings.venue,
            hosts: hosts.collect(),
            budget: DialBudget::default(),
            rate_limit_percent: settings.rate_limit_percent,
        })
    }

    #[must_use]
    pub fn host(&self, role: HostRole) -> Option<&Arc<Host>> {
        self.hosts.iter().find(|(known, _)| *known == role).map(|(_, host)| host)
    }
}

impl Default for Liveness {
    /// User-data streams are quiet for hours, so that a pong is the only proof of life; venues
    /// ping every few minutes, and only we would suffer from waiting for that. Binance allows ten
    /// messages a second, pings included (`binance.md` section 8): one in ten seconds is nothing.
    fn default() -> Self {
        Self { ping_after: Nanos::from_secs(10), pong_within: Nanos::from_secs(10) }
    }
}

impl OpenSession for VenueSessions {
    type Session = VenueSession;

    fn open(&mut self, plan: SlotPlan, seed: u64, budgets: Option<&VenueBudgets>) -> VenueSession {
        let mut session = self.template.clone();
        session.kind = plan.kind;
        session.account = plan.account;
        session.seed = seed;
        session.budgets = budgets.cloned();
        open_session(plan.venue, &session)
    }
}

const DIAL_TIMEOUT: Duration = Duration::from_secs(15);
