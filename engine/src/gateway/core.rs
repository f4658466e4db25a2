//! What all places of a gateway share: clock, connector, signers, hosts, gate and counters.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use enigma_types::{AccountId, ClientOrderId, Nanos, Now, SessionKind, VenueId};
use enigma_venues::registry::VenueBudgets;
use enigma_venues::session::HostRole;
use enigma_venues::signer::Signer;

use super::counters::AccountBudgets;
use super::events::Handed;
use super::pace::Random;
use super::plan::{AccountAccess, GatewayShared, Liveness, SlotPlan, VenueHosts};
use crate::clock::Clock;
use crate::connector::{ConnectorPort, Host};

pub(crate) struct Core {
    pub(crate) clock: Clock,
    pub(crate) port: ConnectorPort,
    pub(crate) shared: GatewayShared,
    pub(crate) venues: Vec<VenueHosts>,
    /// By account.
    pub(crate) signers: Vec<Signer>,
    pub(crate) nobody: Signer,
    /// What the venues still grant, by account: no reconnect refills it.
    budgets: Vec<AccountBudgets>,
    pub(crate) registry: mio::Registry,
    pub(crate) random: Random,
    pub(crate) dial_timeout: Duration,
    pub(crate) liveness: Liveness,
    /// When the dials that are left are shown next.
    show_levels_at: Nanos,
    /// The request being executed.
    pub(crate) handed: Option<(ClientOrderId, Handed)>,
    /// The stages of what is happening now are measured.
    pub(crate) sampled: bool,
    pub(crate) reads: u32,
    offsets: [i64; VenueId::ALL.len()],
}

impl Core {
    pub(crate) fn new(
        clock: Clock,
        port: ConnectorPort,
        shared: GatewayShared,
        registry: mio::Registry,
        seed: u64,
    ) -> Self {
        Self {
            clock,
            port,
            shared,
            venues: Vec::new(),
            signers: Vec::new(),
            nobody: Signer::None,
            budgets: Vec::new(),
            registry,
            random: Random::new(seed),
            dial_timeout: Duration::from_secs(15),
            liveness: Liveness::default(),
            show_levels_at: Nanos::ZERO,
            handed: None,
            sampled: false,
            reads: 0,
            offsets: [0; VenueId::ALL.len()],
        }
    }

    /// The present, with the venue's clock as last estimated.
    #[inline]
    pub(crate) fn now(&mut self, venue: VenueId) -> Now {
        self.clock.now(self.offset(venue))
    }

    /// An instant just passed.
    #[inline]
    pub(crate) fn at(&self, venue: VenueId, mono: Nanos) -> Now {
        self.clock.at(mono, self.offset(venue))
    }

    #[inline]
    pub(crate) fn offset(&self, venue: VenueId) -> i64 {
        self.offsets.get(venue as usize).copied().unwrap_or_default()
    }

    pub(crate) fn set_offset(&mut self, venue: VenueId, offset_ns: i64) {
        if let Some(known) = self.offsets.get_mut(venue as usize) {
            *known = offset_ns;
        }
    }

    /// Whether the stages of the next read are measured.
    #[inline]
    pub(crate) fn sample(&mut self) -> bool {
        self.reads = self.reads.wrapping_add(1);
        self.reads.is_multiple_of(SAMPLE)
    }

    #[inline]
    pub(crate) fn signer(&mut self, plan: SlotPlan) -> &mut Signer {
        match plan.kind {
            SessionKind::Market => &mut self.nobody,
            SessionKind::Order | SessionKind::Account => {
                self.signers.get_mut(usize::from(plan.account.0)).unwrap_or(&mut self.nobody)
            }
        }
    }

    pub(crate) fn host(&self, venue: VenueId, role: HostRole) -> Option<Arc<Host>> {
        let hosts = self.venues.iter().find(|hosts| hosts.venue == venue)?;
        hosts.host(role).cloned()
    }

    /// Makes room for the venues and the accounts, and budgets for both.
    pub(crate) fn furnish(&mut self, venues: Vec<VenueHosts>, accounts: Vec<AccountAccess>) {
        for hosts in &venues {
            let percent = hosts.rate_limit_percent;
            let of_venue = VenueBudgets::new(hosts.venue, percent);
            let (venue, before) = (hosts.venue, self.budgets.len());
            for (account, access) in (0..).zip(&accounts) {
                if access.venue == venue {
                    let account = AccountId(account);
                    let budgets = of_venue.of_another_account(percent);
                    self.budgets.push(AccountBudgets { venue, account, budgets });
                }
            }
            // Public data costs weight too, and belongs to no account.
            if self.budgets.len() == before {
                let account = AccountId(0);
                self.budgets.push(AccountBudgets { venue, account, budgets: of_venue });
            }
        }
        self.shared.counters.show_budgets(self.budgets.clone());
        self.venues = venues;
        self.signers = accounts.into_iter().map(|access| access.signer).collect();
    }

    /// The budgets of a place's account, or where it belongs to none, of its venue.
    pub(crate) fn budgets(&self, plan: SlotPlan) -> Option<&VenueBudgets> {
        let of_venue = || self.budgets.iter().filter(|row| row.venue == plan.venue);
        let own = of_venue().find(|row| row.account == plan.account);
        own.or_else(|| of_venue().next()).map(|row| &row.budgets)
    }

    /// Takes one dial from the venue's budget, or says when there will be one: not before a ban
    /// of our address ends, for to ask while banned makes it longer.
    pub(crate) fn take_dial(&mut self, plan: SlotPlan, now: Nanos) -> Result<(), Nanos> {
        let venue_ms = self.at(plan.venue, now).venue_time().as_millis();
        let banned_until_ms = self.budgets(plan).map_or(0, VenueBudgets::banned_until_ms);
        if banned_until_ms > venue_ms {
            let left = Nanos::from_millis(banned_until_ms - venue_ms);
            return Err(now.plus(left.min(BAN_LOOKED_AT_AGAIN)));
        }
        match self.venues.iter_mut().find(|hosts| hosts.venue == plan.venue) {
            Some(hosts) => {
                self.show_levels_at = Nanos::ZERO;
                hosts.budget.try_take(now)
            }
            None => Ok(()),
        }
    }

    /// Shows how many dials each venue has left and how full the queues are, about once a second.
    #[inline]
    pub(crate) fn show_levels(&mut self, now: Nanos, frames_waiting: impl FnOnce() -> usize) {
        if now < self.show_levels_at {
            return;
        }
        self.show_levels_at = now.plus(SHOW_LEVELS_EVERY);
        for hosts in &mut self.venues {
            self.shared.counters.note_dials_left(hosts.venue, hosts.budget.left(now));
        }
        let counters = &self.shared.counters;
        let level = |count| i64::try_from(count).unwrap_or(i64::MAX);
        counters.connector_jobs.depth.set(level(self.port.outstanding()));
        counters.connector_jobs.overflows.set(self.port.refused());
        counters.frames_waiting.set(level(frames_waiting()));
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("port", &self.port)
            .field("venues", &self.venues)
            .finish_non_exhaustive()
    }
}

/// A longer ban than this is looked at again, for a misread header must not end trading.
const BAN_LOOKED_AT_AGAIN: Nanos = Nanos::from_secs(3_600);
const SHOW_LEVELS_EVERY: Nanos = Nanos::from_secs(1);
/// One read in so many is measured stage by stage.
const SAMPLE: u32 = 64;
