//! The desk: all control flow of trading, from commands, reports, books and timers to requests.
//!
//! It is a pure state machine. Whatever the journal can give back changes only through records,
//! which are appended before they take effect; what isn't journalled (questions, retries, session
//! states) is found out anew after a restart. It touches no clock, socket, file or thread, and
//! allocates only for commands.

mod actions;
mod commands;
mod counters;
mod fingerprint;
mod reaction;
mod reconcile;
mod registry;
mod reports;
mod send;
mod state;
mod strategies;
mod tenure;
mod upkeep;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;

use arrayvec::{ArrayString, ArrayVec};
use enigma_types::{
    AccountId, BookTop, ClientOrderId, InstallationPrefix, InstrumentTable, Nanos, NotSentCause,
    Now, Report, RiskLimits, SessionChange, SessionKind, SessionState, StrategyId, StrategyName,
    Trade, VenueId,
};

use crate::journal::{Journal, Probe};
use crate::orders::reconcile::Reconciliation;
use crate::orders::store::OrderStore;
use crate::positions::Positions;
use crate::record::Record;
use crate::risk::{Gate, LimitError, LimitUse, RiskBook};

pub use actions::Actions;
pub use counters::DeskCounters;
pub use registry::StrategySlot;
pub use state::{Kill, ReplayError};

use registry::{Event, Registry};
use state::State;
use upkeep::{FillsWatch, Upkeep};

/// What a desk is made with.
#[derive(Clone, Debug)]
pub struct DeskSettings {
    pub prefix: InstallationPrefix,
    /// In the order of their ids, which are their places.
    pub accounts: Vec<(AccountId, VenueId)>,
    /// In force until the journal says otherwise.
    pub limits: RiskLimits,
    /// How long after it was handed over a request may still reach the venue's matching: the
    /// venue's window, its processing grace and the clocks' skew.
    pub fence: Nanos,
    /// A request unanswered for so long makes its order Unknown, whatever the session says.
    pub request_timeout: Nanos,
    /// A question unanswered for so long is asked again.
    pub query_timeout: Nanos,
    pub reconcile_every: Nanos,
    /// Strategies at one time, at most 64.
    pub max_strategies: usize,
    pub live_orders: usize,
    /// Closed orders that are remembered.
    pub closed_orders: usize,
    /// Trade ids that are remembered.
    pub trades: usize,
}

/// The trading core of one engine.
#[derive(Debug)]
pub struct Desk<J, P> {
    state: State,
    journal: J,
    probe: P,
    request_timeout: Nanos,
    query_timeout: Nanos,
    reconcile_every: Nanos,
    /// The last book of each instrument.
    books: Box<[BookTop]>,
    /// By place of the venue.
    markets: [SessionState; VenueId::ALL.len()],
    accounts: Box<[AccountDesk]>,
    upkeep: Box<[Upkeep]>,
    /// By account and instrument.
    fills: Box<[FillsWatch]>,
    /// No journal record may have been lost; while one may, the gate is closed.
    journal_broken: bool,
    /// A kill switch record that the journal had no room for yet.
    kill_unrecorded: bool,
    /// The order of the command at hand, until its sender is told.
    by_hand: Option<ByHand>,
    wake: Nanos,
}

/// An order that a person placed or changed.
#[derive(Clone, Copy, Debug)]
struct ByHand {
    client_order_id: ClientOrderId,
    not_sent: Option<NotSentCause>,
}

/// One account's sessions and reconciliation.
#[derive(Clone, Copy, Debug)]
struct AccountDesk {
    order: SessionState,
    account: SessionState,
    reconciliation: Reconciliation,
}

impl DeskSettings {
    pub fn new(
        prefix: InstallationPrefix,
        accounts: Vec<(AccountId, VenueId)>,
        limits: RiskLimits,
    ) -> Self {
        Self {
            prefix,
            accounts,
            limits,
            fence: Nanos::from_secs(16),
            request_timeout: Nanos::from_secs(15),
            query_timeout: Nanos::from_secs(20),
            reconcile_every: Nanos::from_secs(60),
            max_strategies: 64,
            live_orders: 4_096,
            closed_orders: 65_536,
            trades: 65_536,
        }
    }
}

impl<J: Journal, P: Probe> Desk<J, P> {
    /// A desk that knows nothing yet: replay the journal, then `open`.
    pub fn new(
        settings: DeskSettings,
        instruments: Arc<InstrumentTable>,
        journal: J,
        probe: P,
    ) -> Result<Self, LimitError> {
        let in_order = settings.accounts.iter().enumerate();
        let in_order =
            in_order.fold(true, |so_far, (place, (id, _))| so_far && usize::from(id.0) == place);
        assert!(in_order, "accounts come in the order of their ids");
        assert!(settings.max_strategies <= 64, "an instrument carries 64 strategies at the most");
        let accounts = settings.accounts.len();
        let books = instruments.iter().map(|row| BookTop::empty(row.id)).collect();
        Ok(Self {
            books,
            markets: [SessionState::Down; VenueId::ALL.len()],
            accounts: vec![AccountDesk::new(); accounts].into(),
            upkeep: vec![Upkeep::NONE; settings.live_orders.max(1)].into(),
            fills: vec![FillsWatch::default(); accounts * instruments.len()].into(),
            state: State::new(&settings, instruments)?,
            journal,
            probe,
            request_timeout: settings.request_timeout,
            query_timeout: settings.query_timeout,
            reconcile_every: settings.reconcile_every,
            journal_broken: false,
            kill_unrecorded: false,
            by_hand: None,
            wake: Nanos::ZERO,
        })
    }

    /// Takes in one record of the journal, oldest first, at the time it was written.
    pub fn replay(&mut self, at: Now, record: &Record<'_>) -> Result<(), ReplayError> {
        self.state.apply(at, record)
    }

    /// Takes the journal over: from here on records are written. What the process before left in
    /// flight is Unknown, its strategies stand paused, and their orders are to be cancelled.
    pub fn open(&mut self, now: Now, run: u32) {
        let prefix = self.state.prefix;
        self.record(now, &Record::Opened { run, prefix });
        let opened = self.state.apply_opened(now, run, prefix);
        debug_assert!(opened.is_ok(), "the prefix is the one this desk was made with");
        let instruments = Arc::clone(&self.state.instruments);
        for row in instruments.iter() {
            let (price_scale, quantity_scale) = (row.price_scale, row.quantity_scale);
            let name = row.name();
            let record =
                Record::Instrument { id: row.id, price_scale, quantity_scale, name: &name };
            self.record(now, &record);
            if !row.venue.tells_positions() {
                self.record(now, &Record::BaseAsset { instrument: row.id, asset: row.base });
                self.state.positions.learn_base(row.id, row.base);
            }
        }
        if !self.state.limits_recorded
            && let Ok(json) = serde_json::to_string(&self.state.limits)
        {
            self.record(now, &Record::Limits { json: &json });
            self.state.limits_recorded = true;
        }
        self.lease(now);
        for account in &mut self.accounts {
            *account = AccountDesk::new();
        }
        self.upkeep.fill(Upkeep::NONE);
        self.pause_after_restart(now);
        for position in 0..self.state.orders.len() {
            if let Some(slot) = self.state.orders.slot_at(position) {
                // No strategy runs now, whoever wanted the cancel.
                if self.state.orders.get(slot).is_some_and(|order| order.cancel_wanted) {
                    self.mark_cancel_by_hand(slot);
                }
                self.reschedule(now, slot);
            }
        }
        self.wake = now.mono;
    }

    /// The newest book of an instrument. The fast path begins here.
    #[inline]
    pub fn on_book(&mut self, now: Now, book: &BookTop, actions: &mut Actions) {
        let instrument = book.instrument;
        let Some(place) = self.books.get_mut(usize::from(instrument.0)) else { return };
        place.clone_from(book);
        self.tell_strategies(now, instrument, Event::Book, actions);
    }

    pub fn on_trade(&mut self, now: Now, trade: &Trade, actions: &mut Actions) {
        self.tell_strategies(now, trade.instrument, Event::Trade(trade), actions);
    }

    /// News from a venue's session. None is ever ignored because the journal is full.
    pub fn handle_report(&mut self, now: Now, report: &Report, actions: &mut Actions) {
        self.take_report(now, report, actions);
        if let Report::Execution(execution) = report
            && let Some(strategy) = self.owner_of(execution)
        {
            self.tell_result(now, strategy);
            self.consult(now, strategy, Event::Report(execution), actions);
        }
        if self.wake <= now.mono {
            self.keep_up(now, actions);
        }
    }

    pub fn on_session(&mut self, now: Now, change: SessionChange, actions: &mut Actions) {
        self.record(now, &Record::Session(change));
        if let SessionKind::Market = change.kind {
            if let Some(state) = self.markets.get_mut(change.venue as usize) {
                *state = change.state;
            }
            return;
        }
        let Some(account) = self.accounts.get_mut(usize::from(change.account.0)) else { return };
        let was_ready = account.is_ready();
        match change.kind {
            SessionKind::Order => account.order = change.state,
            SessionKind::Account | SessionKind::Market => account.account = change.state,
        }
        if was_ready && !account.is_ready() {
            account.reconciliation.reset(now.mono);
        }
        if change.kind == SessionKind::Order {
            self.forget_questions(now, change.account);
        }
        self.keep_up(now, actions);
    }

    /// How far a venue's clock stands from ours, and how far that may be wrong.
    pub fn on_clock_offset(&mut self, venue: VenueId, offset_ns: i64, uncertainty_ns: u64) {
        self.state.risk.set_clock(venue, offset_ns, uncertainty_ns);
    }

    /// Does what is due: timeouts, cancels and questions to be asked again, reconciliation.
    pub fn handle_timer(&mut self, now: Now, actions: &mut Actions) {
        self.keep_up(now, actions);
    }

    /// When `handle_timer` is wanted.
    pub fn next_deadline(&self) -> Option<Nanos> {
        (self.wake < Nanos::MAX).then_some(self.wake)
    }

    /// A fingerprint of all that the journal can give back.
    pub fn digest(&self) -> u128 {
        self.state.digest()
    }

    pub fn journal_mut(&mut self) -> &mut J {
        &mut self.journal
    }

    pub fn probe_mut(&mut self) -> &mut P {
        &mut self.probe
    }

    pub fn counters(&self) -> &DeskCounters {
        &self.state.counters
    }

    pub fn orders(&self) -> &OrderStore {
        &self.state.orders
    }

    pub fn positions(&self) -> &Positions {
        &self.state.positions
    }

    pub fn risk(&self) -> &RiskBook {
        &self.state.risk
    }

    /// How much of the engine's limits is used.
    pub fn engine_use(&mut self, now: Nanos) -> [LimitUse; 6] {
        self.state.risk.engine_use(now, &self.books)
    }

    /// How much of a strategy's own limits is used.
    pub fn strategy_use(&mut self, id: StrategyId, now: Nanos) -> ArrayVec<LimitUse, 4> {
        self.state.risk.strategy_use(id, now)
    }

    pub fn limits(&self) -> &RiskLimits {
        &self.state.limits
    }

    pub fn kill(&self) -> &Kill {
        &self.state.kill
    }

    pub fn strategies(&self) -> impl Iterator<Item = &StrategySlot> {
        self.state.strategies.iter()
    }

    pub fn strategy(&self, name: &StrategyName) -> Option<&StrategySlot> {
        self.state.strategies.find(name)
    }

    pub fn is_reconciled(&self, account: AccountId) -> bool {
        let account = self.accounts.get(usize::from(account.0));
        account.is_some_and(|account| account.reconciliation.is_reconciled())
    }

    /// Whether new orders may go, and if not, why.
    pub fn gate(&self, account: AccountId, venue: VenueId) -> Gate {
        let Some(desk) = self.accounts.get(usize::from(account.0)) else {
            return Gate::UnknownScope;
        };
        if self.journal_broken || !self.journal.accepts_orders() {
            Gate::JournalFull
        } else if desk.order != SessionState::Ready {
            Gate::OrderSessionDown
        } else if desk.account != SessionState::Ready {
            Gate::AccountSessionDown
        } else if !desk.reconciliation.is_reconciled() {
            Gate::Unreconciled
        } else if self.markets.get(venue as usize) != Some(&SessionState::Ready) {
            Gate::MarketNotReady
        } else {
            Gate::Open
        }
    }

    /// Appends a record. When that fails the gate closes; what has happened is still applied,
    /// because a venue's truth doesn't wait for our disk.
    fn record(&mut self, now: Now, record: &Record<'_>) -> bool {
        let appended = self.journal.append(now, record).is_ok();
        if appended {
            self.journal_broken &= !self.journal.accepts_orders();
        } else {
            self.journal_broken = true;
            self.state.counters.journal_failures += 1;
        }
        appended
    }

    /// Writes for the operator that something differs from what it should be.
    fn alarm(&mut self, now: Now, account: AccountId, what: core::fmt::Arguments<'_>) {
        let mut text = ArrayString::<192>::new();
        // What doesn't fit is cut off; the counters and the records before it say the rest.
        let _ = text.write_fmt(what);
        self.state.counters.differences += 1;
        self.record(now, &Record::Difference { account, text: &text });
    }

    fn wake_at(&mut self, at: Nanos) {
        self.wake = self.wake.min(at);
    }

    /// Whether cancels and questions can go. They risk nothing, so they need a connection and not
    /// all that an order needs: a session that isn't logged on yet gives them back.
    fn carries_cancels(&self, account: AccountId) -> bool {
        let account = self.accounts.get(usize::from(account.0));
        account.is_some_and(|account| match account.order {
            SessionState::Syncing | SessionState::Ready | SessionState::Stale => true,
            SessionState::Down | SessionState::Connecting => false,
        })
    }
}

impl AccountDesk {
    const fn new() -> Self {
        Self {
            order: SessionState::Down,
            account: SessionState::Down,
            reconciliation: Reconciliation::new(),
        }
    }

    const fn is_ready(&self) -> bool {
        matches!(self.order, SessionState::Ready) && matches!(self.account, SessionState::Ready)
    }
}
