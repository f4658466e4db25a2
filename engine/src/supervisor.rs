//! The life of an engine: journal first, then the venues' instruments, then the pinned thread.
//!
//! Everything that may wait (a disk, a venue that doesn't answer) waits here, on a thread of its
//! own, before the pinned thread exists.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use crossbeam::channel;
use crossbeam::queue::ArrayQueue;
use enigma_trading::command::DeskCommand;
use enigma_trading::desk::{Desk, DeskSettings};
use enigma_trading::record::Record;
use enigma_types::{
    AccountId, InstallationPrefix, InstrumentId, InstrumentTable, Now, SessionKind, UnixNanos,
    VenueId,
};
use enigma_venues::registry::{self, SessionPlan};
use enigma_venues::session::HostRole;

use crate::clock::Clock;
use crate::connection::KillGate;
use crate::connector::{Connector, Host, OwnedAnswer};
use crate::counters::EngineMetrics;
use crate::gateway_thread::{
    AccountAccess, Gateway, GatewaySettings, GatewayShared, VenueSessions,
};
use crate::handle::{EngineHandle, Envelope, Facts, KillLatch, Phase, Shared};
use crate::journal::{self, DataDirectory, JournalError, OpenJournal, RingProducer};
use crate::projector::{FoldSettings, Projector, ProjectorThread};
use crate::settings::{AccountSettings, EngineSettings, VenueSettings};
use crate::snapshot::ReadModel;
use crate::tls::{TlsError, TlsTrust};
use crate::trading_thread::{DisplayedBooks, FusedThread, StageProbe};

/// Starts engines.
#[derive(Debug)]
pub struct Engine;

/// Why an engine can't start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{venue}: {source}")]
    Trust { venue: VenueId, source: TlsError },
    #[error("{venue} has no address for {role:?}")]
    NoAddress { venue: VenueId, role: HostRole },
    #[error("a thread can't be started: {0}")]
    Thread(#[from] std::io::Error),
    #[error("an engine needs a venue and an account")]
    NothingToDo,
}

/// What the journal told before there was a desk.
#[derive(Debug, Default)]
struct Recovered {
    run: u32,
    /// Names of instruments by the numbers that earlier records use.
    instruments: BTreeMap<InstrumentId, String>,
}

/// What the engine's own thread is started with.
struct Bootstrap {
    settings: EngineSettings,
    shared: Arc<Shared>,
    connector: Connector,
    trust: Vec<(VenueId, TlsTrust)>,
    recovered: Recovered,
    prefix: InstallationPrefix,
    /// Taken by the desk.
    producer: Option<RingProducer>,
    clock: Clock,
    /// Dropped last: it keeps a second daemon out.
    directory: DataDirectory,
}

impl Engine {
    /// Opens the data directory, recovers the journal and starts the threads. Returns before any
    /// venue was spoken to; the handle's phase tells how far the engine is.
    pub fn start(settings: EngineSettings) -> Result<EngineHandle, EngineError> {
        if settings.venues.is_empty() || settings.accounts.is_empty() {
            return Err(EngineError::NothingToDo);
        }
        let trust = trusted(&settings.venues)?;
        let mut clock = Clock::new();
        let directory = DataDirectory::open(&settings.data_dir)?;
        let mut model = ReadModel { limits: settings.limits.clone(), ..ReadModel::default() };
        let desk = desk_settings(&settings, directory.prefix());
        let mut projector = Projector::new(&FoldSettings::from(&desk));
        let mut recovered = Recovered::default();
        let journal = OpenJournal::open(&directory, &settings.journal, |entry| {
            recovered.learn(&entry.record);
            projector.apply(&mut model, &entry);
        })?;
        if journal.recovery.truncated_bytes > 0 {
            let bytes = journal.recovery.truncated_bytes;
            tracing::warn!(bytes, "cut a torn record off the journal's end");
        }
        let latch_dir = settings.journal.kill_dir.as_deref().unwrap_or(directory.path());
        let latch = KillLatch::new(latch_dir);
        if !model.kill.engaged
            && let Some(kill) = latch.read()
        {
            tracing::warn!(reason = kill.reason, "the kill switch was engaged before this start");
            model.kill = kill;
        }
        let gate = KillGate::new();
        if model.kill.engaged {
            gate.engage();
        }
        let metrics = Arc::new(EngineMetrics::default());
        metrics.attach_journal(Arc::clone(&journal.health), Arc::clone(&journal.ring));
        let model = Arc::new(RwLock::new(model));
        let facts = facts(&settings, &journal, &mut clock);
        let shared = Arc::new(Shared {
            commands: ArrayQueue::new(COMMANDS),
            waker: OnceLock::new(),
            gateway: GatewayShared { gate, ..GatewayShared::default() },
            latch,
            model: Arc::clone(&model),
            metrics,
            instruments: OnceLock::new(),
            phase: Mutex::new(Phase::LoadingInstruments { last_error: None }),
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            threads: Mutex::new(Vec::new()),
            facts,
            books: DisplayedBooks::new(),
        });
        let alerts = Arc::clone(&shared.gateway.counters);
        let projection = ProjectorThread::start(projector, journal.projection, model, alerts)?;
        let bootstrap = Bootstrap {
            settings,
            shared: Arc::clone(&shared),
            connector: Connector::start()?,
            trust,
            recovered,
            prefix: directory.prefix(),
            producer: Some(journal.producer),
            clock,
            directory,
        };
        let (writer, ring) = (journal.writer, journal.ring);
        let thread = thread::Builder::new().name("enigma-fused".into()).spawn(move || {
            let directory = bootstrap.run();
            writer.finish();
            projection.finish();
            journal::retire(&ring);
            drop(directory);
        })?;
        shared.keep_thread(thread);
        Ok(EngineHandle { shared })
    }
}

impl Bootstrap {
    /// Runs the engine to its end and gives the data directory's lock back.
    fn run(mut self) -> DataDirectory {
        let shared = Arc::clone(&self.shared);
        let Some(instruments) = self.load_instruments() else { return self.directory };
        let instruments = Arc::new(instruments);
        let desk = match self.desk(&instruments) {
            Ok(desk) => desk,
            Err(reason) => {
                tracing::error!(reason, "the engine can't start");
                shared.set_phase(Phase::Failed(reason));
                return self.directory;
            }
        };
        if shared.gateway.gate.is_engaged() && !desk.kill().engaged {
            latch_first(&shared);
        }
        // Readers find the instruments before they find the phase that says so.
        let _ = shared.instruments.set(Arc::clone(&instruments));
        let Bootstrap { settings, connector, prefix, clock, directory, .. } = self;
        let on_pinned_thread = settings.on_pinned_thread;
        let gateway = gateway(settings, instruments, prefix, &connector, &shared, clock.clone());
        match gateway {
            Ok(gateway) => {
                on_pinned_thread();
                FusedThread::new(desk, gateway, clock, Arc::clone(&shared)).run();
            }
            Err(error) => {
                tracing::error!(%error, "the engine can't start");
                shared.set_phase(Phase::Failed(error.to_string()));
            }
        }
        directory
    }

    /// Asks the venues for their instruments until they have answered; `None` when told to stop.
    fn load_instruments(&mut self) -> Option<InstrumentTable> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.try_instruments() {
                Ok(table) => return Some(table),
                Err(reason) => {
                    tracing::warn!(reason, "the venues' instruments can't be loaded yet");
                    let last_error = Some(reason);
                    self.shared.set_phase(Phase::LoadingInstruments { last_error });
                }
            }
            let steps = pause.as_millis() / STEP.as_millis();
            for _ in 0..steps {
                if self.shared.stopping.load(Ordering::Acquire) {
                    return None;
                }
                thread::sleep(STEP);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The table: first what the journal knows, by its numbers, then what the settings add.
    fn try_instruments(&self) -> Result<InstrumentTable, String> {
        let mut table = InstrumentTable::default();
        let recorded: Vec<&String> = self.recovered.instruments.values().collect();
        let mut found = BTreeMap::new();
        for venue in &self.settings.venues {
            let mut wanted: Vec<String> = recorded
                .iter()
                .filter_map(|name| name.strip_prefix(venue.venue.name())?.strip_prefix(':'))
                .map(str::to_owned)
                .collect();
            wanted.extend(venue.symbols.iter().cloned());
            wanted.sort();
            wanted.dedup();
            let host = host(venue, HostRole::Rest, &self.trust).map_err(|e| e.to_string())?;
            let call = registry::instruments_call(venue.venue);
            let body = match self.connector.call(&host, call) {
                OwnedAnswer::Http { status: 200, body, .. } => body,
                OwnedAnswer::Http { status, .. } => {
                    return Err(format!("{} answered {status}", venue.venue));
                }
                OwnedAnswer::NotSent => return Err(format!("{} can't be reached", venue.venue)),
                OwnedAnswer::Lost => return Err(format!("{} didn't answer", venue.venue)),
            };
            let rows = registry::decode_instruments(venue.venue, &body, &wanted)
                .map_err(|error| error.to_string())?;
            found.extend(rows.into_iter().map(|row| (row.name(), row)));
        }
        for name in recorded {
            let row = found.remove(name).ok_or_else(|| format!("{name} isn't traded any more"))?;
            table.add(row).map_err(|error| error.to_string())?;
        }
        for venue in &self.settings.venues {
            for symbol in &venue.symbols {
                if let Some(row) = found.remove(&format!("{}:{symbol}", venue.venue)) {
                    table.add(row).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(table)
    }

    /// The desk as the journal left it.
    fn desk(
        &mut self,
        instruments: &Arc<InstrumentTable>,
    ) -> Result<Desk<RingProducer, StageProbe>, String> {
        let settings = desk_settings(&self.settings, self.prefix);
        let probe = StageProbe::new(self.clock.clone(), Arc::clone(&self.shared.metrics));
        let producer = self.producer.take().ok_or("the journal was taken already")?;
        let mut desk = Desk::new(settings, Arc::clone(instruments), producer, probe)
            .map_err(|error| error.to_string())?;
        let mut fault = None;
        journal::replay(&self.settings.data_dir, |entry| {
            let at = Now { mono: entry.mono, wall: entry.wall, venue_offset_ns: 0 };
            if fault.is_none()
                && let Err(error) = desk.replay(at, &entry.record)
            {
                fault = Some(format!("record {}: {error}", entry.sequence));
            }
        })
        .map_err(|error| error.to_string())?;
        match fault {
            Some(fault) => Err(fault),
            None => {
                desk.open(self.clock.now(0), self.recovered.run + 1);
                Ok(desk)
            }
        }
    }
}

impl Recovered {
    fn learn(&mut self, record: &Record<'_>) {
        if let Record::Opened { run, .. } = record {
            self.run = *run;
        } else if let Record::Instrument { id, name, .. } = record {
            self.instruments.insert(*id, (*name).to_owned());
        }
    }
}

/// The kill came before there was a desk: to latch and record it will be the desk's first act.
fn latch_first(shared: &Shared) {
    let reason = shared.model.read().unwrap_or_else(PoisonError::into_inner).kill.reason.clone();
    let (reply, _) = channel::bounded(1);
    let command = DeskCommand::Kill { reason: reason.into() };
    // Nobody could queue a command so far. Without this one the desk would latch the closed gate
    // all the same, and not know why.
    let _ = shared.commands.push(Envelope { command, reply });
}

fn desk_settings(settings: &EngineSettings, prefix: InstallationPrefix) -> DeskSettings {
    let accounts = settings.accounts.iter().enumerate();
    let accounts = accounts.map(|(at, row)| (account_id(at), row.venue)).collect();
    DeskSettings::new(prefix, accounts, settings.limits.clone())
}

fn facts(settings: &EngineSettings, journal: &OpenJournal, clock: &mut Clock) -> Facts {
    let accounts = settings
        .accounts
        .iter()
        .enumerate()
        .map(|(at, row)| (account_id(at), row.name.clone(), row.venue, row.environment));
    Facts {
        started_at: UnixNanos(clock.now(0).wall.0),
        waiting: settings.waiting,
        core: settings.core,
        clock_source: clock.source(),
        ring_path: PathBuf::from(journal.ring.path()),
        accounts: accounts.collect(),
        recovered_records: journal.recovery.records,
    }
}

fn gateway(
    settings: EngineSettings,
    instruments: Arc<InstrumentTable>,
    prefix: InstallationPrefix,
    connector: &Connector,
    shared: &Shared,
    clock: Clock,
) -> Result<Gateway<VenueSessions>, String> {
    let seed = clock.raw() ^ u64::from(std::process::id()) << 32;
    let percent = settings.venues.iter().map(|venue| venue.rate_limit_percent).min();
    let access = |row: AccountSettings| AccountAccess { venue: row.venue, signer: row.signer };
    let accounts = settings.accounts.into_iter().map(access).collect();
    let plans = GatewaySettings::new(&settings.venues, accounts, seed);
    let plans = plans.map_err(|error| error.to_string())?;
    // Kind, account and seed are filled in for each session that is opened.
    let mut template =
        SessionPlan::new(SessionKind::Market, AccountId(0), instruments, prefix, seed);
    template.rate_limit_percent = percent.unwrap_or(100);
    let sessions = VenueSessions { template };
    Gateway::new(plans, sessions, connector, shared.gateway.clone(), clock)
        .map_err(|error| error.to_string())
}

fn trusted(venues: &[VenueSettings]) -> Result<Vec<(VenueId, TlsTrust)>, EngineError> {
    let trusts = venues.iter().map(|venue| match TlsTrust::new(&venue.trust) {
        Ok(trust) => Ok((venue.venue, trust)),
        Err(source) => Err(EngineError::Trust { venue: venue.venue, source }),
    });
    trusts.collect()
}

fn host(
    venue: &VenueSettings,
    role: HostRole,
    trust: &[(VenueId, TlsTrust)],
) -> Result<Arc<Host>, EngineError> {
    let missing = || EngineError::NoAddress { venue: venue.venue, role };
    let (_, address) = venue.hosts.iter().find(|(known, _)| *known == role).ok_or_else(missing)?;
    let (_, trust) = trust.iter().find(|(known, _)| *known == venue.venue).ok_or_else(missing)?;
    Ok(Arc::new(Host { address: address.clone(), trust: trust.clone() }))
}

fn account_id(place: usize) -> AccountId {
    AccountId(u16::try_from(place).unwrap_or(u16::MAX))
}

const COMMANDS: usize = 64;
const STEP: Duration = Duration::from_millis(25);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
