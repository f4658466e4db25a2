//! The journal as history: what changed from record to record, for a store that follows it.
//!
//! Folds the synced segments with the projector's own rules, beside the live read model and far
//! behind the pinned thread. It writes nothing and waits for nobody; what isn't taken from it
//! stays in the segments.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use enigma_trading::desk::DeskSettings;
use enigma_trading::record::Record;
use enigma_types::{
    AccountId, ClientOrderId, InstallationPrefix, InstrumentId, StrategyId, StrategySpec, TradeId,
    UnixNanos, VenueOrderId,
};

use crate::journal::{Entry, JournalError, SegmentFollower};
use crate::projector::{FoldSettings, Projector};
use crate::settings::EngineSettings;
use crate::snapshot::{EventKind, FillView, OrderView, ReadModel, StrategyView};

/// Where an engine's journal lies and what its fold depends on. Taken before the engine starts.
#[derive(Clone, Debug)]
pub struct HistorySource {
    data_dir: PathBuf,
    fold: FoldSettings,
}

/// A journal being folded from its first record on.
#[derive(Debug)]
pub struct History {
    segments: SegmentFollower,
    projector: Projector,
    model: ReadModel,
    names: Names,
    /// Fills whose order was unknown when they came: as many as the projector lets wait.
    unowned: VecDeque<Execution>,
    last: Option<Mark>,
}

/// The operator's names of strategies, of removed ones too: their orders keep them.
#[derive(Debug, Default)]
struct Names(BTreeMap<StrategyId, String>);

/// One record of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub sequence: u64,
    pub wall: UnixNanos,
    /// The first sequence of its segment.
    pub segment: u64,
}

/// What a run of records changed. The state behind an id is that after the last of them.
#[derive(Debug, Default)]
pub struct Changes {
    pub records: usize,
    /// The last record of the run.
    pub last: Option<Mark>,
    /// With the names that their strategies had.
    pub orders: BTreeMap<ClientOrderId, String>,
    /// In their order, a fill again when its order becomes known later.
    pub executions: Vec<Execution>,
    pub strategies: BTreeSet<StrategyId>,
    /// As they were before they went, and when that was.
    pub removed: Vec<(StrategyView, UnixNanos)>,
    /// Everything in the order in which a strategy's books move.
    pub moves: Vec<Move>,
    pub limits: Option<UnixNanos>,
    pub kill_switch: Option<UnixNanos>,
}

/// What moves the books of strategies.
#[derive(Clone, Debug)]
pub enum Move {
    /// A fill whose order is known.
    Filled(Execution),
    /// What the strategy held is the operator's now.
    Bequeathed { strategy: StrategyId, sequence: u64, at: UnixNanos },
}

/// A unique fill and the record that told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    pub sequence: u64,
    pub recorded_at: UnixNanos,
    pub fill: FillView,
    /// The name that its strategy had.
    pub strategy: Option<String>,
}

impl HistorySource {
    pub fn new(settings: &EngineSettings) -> Self {
        let accounts = settings.accounts.iter().zip(0_u16..);
        let accounts = accounts.map(|(row, at)| (AccountId(at), row.venue)).collect();
        // Whose journal it is makes no difference to the fold.
        let nobody = InstallationPrefix::from_number(0);
        let desk = DeskSettings::new(nobody, accounts, settings.limits.clone());
        Self { data_dir: settings.data_dir.clone(), fold: FoldSettings::from(&desk) }
    }

    /// From the oldest record that is kept. Reads nothing yet.
    pub fn open(&self) -> History {
        History {
            segments: SegmentFollower::new(&self.data_dir),
            projector: Projector::new(&self.fold),
            model: ReadModel::default(),
            names: Names::default(),
            unowned: VecDeque::new(),
            last: None,
        }
    }

    /// Whose journal it is, once an engine was started on its directory.
    pub fn installation(&self) -> Result<InstallationPrefix, JournalError> {
        let path = self.data_dir.join("installation");
        let text = fs::read(&path).map_err(JournalError::io(&path))?;
        InstallationPrefix::parse(text.trim_ascii()).ok_or(JournalError::Installation { path })
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

impl History {
    /// Folds at most `most` records, none beyond `durable`: the writer's synced sequence. After an
    /// error the fold can't be used any more.
    pub fn read(&mut self, durable: u64, most: usize) -> Result<Changes, JournalError> {
        let mut changes = Changes::default();
        let Self { segments, projector, model, names, unowned, last } = self;
        let mut mark = *last;
        changes.records = segments.read(durable, most, |entry| {
            let seen = model.events.next.max(1);
            names.learn(&entry.record);
            changes.note_removal(model, &entry);
            projector.apply(model, &entry);
            Noted { changes: &mut changes, model, unowned, names }.note(&entry, seen);
            mark = Some(Mark { sequence: entry.sequence, wall: entry.wall, segment: 0 });
        })?;
        if let Some(mark) = &mut mark {
            mark.segment = segments.segment().unwrap_or_default();
        }
        *last = mark;
        changes.last = mark;
        Ok(changes)
    }

    pub fn model(&self) -> &ReadModel {
        &self.model
    }

    pub fn order(&self, id: ClientOrderId) -> Option<&OrderView> {
        self.model.orders.get(&id)
    }

    pub fn strategy(&self, id: StrategyId) -> Option<&StrategyView> {
        self.model.strategies.get(&id)
    }
}

impl Changes {
    /// Before the fold forgets the strategy.
    fn note_removal(&mut self, model: &ReadModel, entry: &Entry<'_>) {
        let Record::StrategyRemoved { id } = entry.record else { return };
        if let Some(view) = model.strategies.get(&id) {
            self.removed.push((view.clone(), entry.wall));
        }
        let (sequence, at) = (entry.sequence, entry.wall);
        self.moves.push(Move::Bequeathed { strategy: id, sequence, at });
    }
}

/// The changes as one record adds to them.
struct Noted<'a> {
    changes: &'a mut Changes,
    model: &'a ReadModel,
    unowned: &'a mut VecDeque<Execution>,
    names: &'a Names,
}

impl Noted<'_> {
    fn note(&mut self, entry: &Entry<'_>, seen: u64) {
        let model = self.model;
        let new = model.events.events.iter().rev().take_while(|event| event.sequence >= seen);
        let new: Vec<&EventKind> = new.map(|event| &event.kind).collect();
        for kind in new.into_iter().rev() {
            match kind {
                EventKind::Order(id) => self.order(*id),
                EventKind::Fill(fill) => self.execute(entry, *fill),
                EventKind::Strategy(id) => {
                    self.changes.strategies.insert(*id);
                }
                EventKind::Limits => self.changes.limits = Some(entry.wall),
                EventKind::Kill => self.changes.kill_switch = Some(entry.wall),
                EventKind::Position(..)
                | EventKind::Balance(..)
                | EventKind::Session(..)
                | EventKind::Risk { .. }
                | EventKind::Alert { .. } => {}
            }
        }
    }

    /// An order has moved: fills that had no owner may turn out to be its own.
    fn order(&mut self, id: ClientOrderId) {
        let Some(order) = self.model.orders.get(&id) else { return };
        let name = || self.names.of(order.strategy);
        self.changes.orders.entry(id).or_insert_with(name);
        if self.unowned.is_empty() {
            return;
        }
        let key = (order.account, order.instrument, order.venue_order_id);
        let (model, names) = (self.model, self.names);
        let changes = &mut *self.changes;
        self.unowned.retain(|waiting| {
            let fill = &waiting.fill;
            if (fill.account, fill.instrument, fill.venue_order_id) != key {
                return true;
            }
            let shown = model.fills.iter().rev().find(|view| identity(view) == identity(fill));
            let Some(owned) = shown.filter(|view| view.client_order_id.is_some()) else {
                return true;
            };
            let strategy = owned.strategy.map(|id| names.of(id));
            let execution = Execution { fill: *owned, strategy, ..waiting.clone() };
            changes.executions.push(execution.clone());
            changes.moves.push(Move::Filled(execution));
            false
        });
    }

    fn execute(&mut self, entry: &Entry<'_>, fill: FillView) {
        let (sequence, recorded_at) = (entry.sequence, entry.wall);
        let strategy = fill.strategy.map(|id| self.names.of(id));
        let execution = Execution { sequence, recorded_at, fill, strategy };
        self.changes.executions.push(execution.clone());
        if fill.client_order_id.is_some() {
            self.changes.moves.push(Move::Filled(execution));
            return;
        }
        if self.unowned.len() >= UNOWNED {
            self.unowned.pop_front();
        }
        self.unowned.push_back(execution);
    }
}

impl Names {
    fn learn(&mut self, record: &Record<'_>) {
        if let Record::Strategy { id, json } = record
            && let Ok(spec) = serde_json::from_str::<StrategySpec>(json)
        {
            self.0.insert(*id, spec.id.to_string());
        }
    }

    fn of(&self, id: StrategyId) -> String {
        let known = self.0.get(&id).cloned();
        known.unwrap_or_else(|| match id {
            StrategyId::MANUAL => "manual".into(),
            StrategyId(number) => format!("removed-{number}"),
        })
    }
}

fn identity(view: &FillView) -> (AccountId, InstrumentId, VenueOrderId, TradeId) {
    (view.account, view.instrument, view.venue_order_id, view.fill.trade_id)
}

/// As many fills may wait for their order as in the projector.
const UNOWNED: usize = 1_024;

#[cfg(test)]
mod tests;
