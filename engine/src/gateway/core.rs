//! What all places of a gateway share: clock, connector, signers, hosts, gate and counters.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use enigma_types::{ClientOrderId, Nanos, Now, SessionKind, VenueId};
use enigma_venues::session::HostRole;
use enigma_venues::signer::Signer;

use super::events::Handed;
use super::pace::Random;
use super::plan::{GatewayShared, SlotPlan, VenueHosts};
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
    pub(crate) registry: mio::Registry,
    pub(crate) random: Random,
    pub(crate) dial_timeout: Duration,
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
            registry,
            random: Random::new(seed),
            dial_timeout: Duration::from_secs(15),
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

    /// Takes one dial from the venue's budget, or says when there will be one.
    pub(crate) fn take_dial(&mut self, venue: VenueId, now: Nanos) -> Result<(), Nanos> {
        match self.venues.iter_mut().find(|hosts| hosts.venue == venue) {
            Some(hosts) => hosts.budget.try_take(now),
            None => Ok(()),
        }
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

/// One read in so many is measured stage by stage.
const SAMPLE: u32 = 64;
