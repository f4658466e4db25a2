//! All state that the journal can give back: it changes only by records, in the same way whether
//! they are written now or read back after a restart.
//!
//! Nothing here sends, asks or journals anything.

use std::sync::Arc;

use enigma_types::{
    AccountId, CancelRequest, ClientOrderId, ExecutionReport, InstallationPrefix, Instrument,
    InstrumentId, InstrumentTable, Nanos, Now, OrderRequest, Quantity, ReplaceRequest, RiskLimits,
    Scale, SignedQuantity, StrategyId, TradeId, UnixNanos, VenueId,
};

use super::counters::DeskCounters;
use super::{DeskSettings, Registry};
use crate::ids::IdLease;
use crate::orders::store::{OrderStore, Slot, StoreFull};
use crate::orders::trades::TradeLog;
use crate::orders::{Lifecycle, Order};
use crate::positions::Positions;
use crate::record::Record;
use crate::risk::{LimitError, RiskBook};

/// Why a journal can't be replayed into this desk. The engine must not start on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("the journal is of installation {found:?}, not of {ours:?}")]
    ForeignPrefix { found: InstallationPrefix, ours: InstallationPrefix },
    #[error(
        "the journal's instrument {id} is {recorded} with {price_digits} and {quantity_digits} \
         digits; the table of this run says otherwise", id = .id.0
    )]
    InstrumentMoved { id: InstrumentId, recorded: String, price_digits: u8, quantity_digits: u8 },
    #[error("a {what} of the journal can't be read: {detail}")]
    Json { what: &'static str, detail: String },
    #[error(transparent)]
    Spec(#[from] enigma_types::SpecError),
    #[error(transparent)]
    Limits(#[from] LimitError),
    #[error("there is no account for {0}")]
    NoAccount(VenueId),
    #[error("there is no room for another strategy: {0} at the most")]
    NoRoomForStrategy(usize),
    #[error(transparent)]
    NoRoomForOrder(#[from] StoreFull),
    #[error("the journal speaks of strategy {id}, which it never created", id = .0.0)]
    NoSuchStrategy(StrategyId),
}

/// The kill switch as it was last set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kill {
    pub engaged: bool,
    pub reason: String,
}

/// What is known of one account's dealings in one instrument beside the position.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair {
    /// When the last fill was received, on this run's clock.
    pub(super) last_fill: Nanos,
    /// Every trade up to this one has been asked for and told.
    pub(super) settled: Option<TradeId>,
    /// The highest trade id of the answer that is coming in.
    pub(super) answered: TradeId,
    /// That answer held a trade that was news.
    pub(super) answer_had_news: bool,
    /// The venue's position in the answer that is coming in.
    pub(super) stated: Option<(SignedQuantity, UnixNanos)>,
    /// The venue's position in the last whole answer; an instrument that it leaves out is flat.
    pub(super) venue_position: SignedQuantity,
}

/// What an order was before a change, to tell risk what the change freed or took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    exposure: Quantity,
    value: i128,
    closed: bool,
    unknown: bool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) prefix: InstallationPrefix,
    pub(super) fence: Nanos,
    pub(super) instruments: Arc<InstrumentTable>,
    /// By account id.
    pub(super) venues: Box<[VenueId]>,
    pub(super) orders: OrderStore,
    pub(super) trades: TradeLog,
    pub(super) positions: Positions,
    pub(super) ids: IdLease,
    pub(super) risk: RiskBook,
    pub(super) strategies: Registry,
    pub(super) kill: Kill,
    pub(super) limits: RiskLimits,
    /// The journal holds limits.
    pub(super) limits_recorded: bool,
    pub(super) run: u32,
    /// The last order that was journalled, by anyone.
    pub(super) last_order: Option<ClientOrderId>,
    pairs: Box<[Pair]>,
    /// By account: fills before this instant are known.
    pub(super) fills_since: Box<[UnixNanos]>,
    /// Fills named only by an order id of the venue that is nobody's yet, oldest first.
    pub(super) waiting: Vec<ExecutionReport>,
    pub(super) counters: DeskCounters,
    /// When the journal took the report in that is being applied.
    pub(super) reported_at: UnixNanos,
}

impl State {
    pub(super) fn new(
        settings: &DeskSettings,
        instruments: Arc<InstrumentTable>,
    ) -> Result<Self, LimitError> {
        let (accounts, columns) = (settings.accounts.len(), instruments.len());
        let risk =
            RiskBook::new(&settings.limits, &instruments, accounts, settings.max_strategies)?;
        let venues = settings.accounts.iter().map(|(_, venue)| *venue).collect();
        Ok(Self {
            prefix: settings.prefix,
            fence: settings.fence,
            venues,
            orders: OrderStore::new(settings.live_orders, settings.closed_orders),
            trades: TradeLog::new(settings.trades, accounts, columns),
            positions: Positions::new(accounts, settings.max_strategies + 1, columns),
            ids: IdLease::default(),
            risk,
            strategies: Registry::new(settings.max_strategies, columns),
            kill: Kill::default(),
            limits: settings.limits.clone(),
            limits_recorded: false,
            run: 0,
            last_order: None,
            pairs: vec![Pair::default(); accounts * columns].into(),
            fills_since: vec![UnixNanos(0); accounts].into(),
            waiting: Vec::with_capacity(Self::WAITING),
            counters: DeskCounters::default(),
            reported_at: UnixNanos(0),
            instruments,
        })
    }

    /// How many fills may wait for their order's id to become known.
    pub(super) const WAITING: usize = 1_024;

    pub(super) fn apply(&mut self, at: Now, record: &Record<'_>) -> Result<(), ReplayError> {
        match record {
            Record::Opened { run, prefix } => self.apply_opened(at, *run, *prefix)?,
            Record::Instrument { id, price_scale, quantity_scale, name } => {
                self.check_instrument(*id, *price_scale, *quantity_scale, name)?;
            }
            Record::BaseAsset { instrument, asset } => {
                self.positions.learn_base(*instrument, *asset);
            }
            Record::Lease { block } => self.ids.apply_lease(*block),
            Record::Strategy { id, json } => {
                let spec =
                    serde_json::from_str(json).map_err(|error| unreadable("strategy", &error))?;
                self.apply_strategy(*id, Box::new(spec))?;
            }
            Record::StrategyState { id, state, mode, .. } => {
                self.apply_strategy_state(at.wall, *id, *state, *mode)?;
            }
            Record::StrategyRemoved { id } => self.apply_strategy_removed(*id),
            Record::Submit { strategy, order } => {
                self.apply_submit(at.mono, *strategy, order)?;
            }
            Record::Cancel(request) => self.apply_cancel(at.mono, request),
            Record::Replace(request) => self.apply_replace(at.mono, request),
            Record::Report(report) => {
                self.apply_report(at.wall, report);
            }
            Record::Limits { json } => {
                let limits: RiskLimits =
                    serde_json::from_str(json).map_err(|error| unreadable("limits", &error))?;
                self.apply_limits(limits)?;
            }
            Record::KillSwitch { engaged, reason } => self.apply_kill(*engaged, reason),
            Record::Reconciled { account, .. } => self.apply_reconciled(at, *account),
            Record::StrategyResult { id, result } => {
                if let Some(slot) = self.strategies.get_mut(*id) {
                    slot.told = Some(*result);
                }
            }
            Record::RiskRejection { .. } | Record::Session(_) | Record::Difference { .. } => {}
        }
        Ok(())
    }

    pub(super) fn apply_opened(
        &mut self,
        at: Now,
        run: u32,
        prefix: InstallationPrefix,
    ) -> Result<(), ReplayError> {
        if prefix != self.prefix {
            return Err(ReplayError::ForeignPrefix { found: prefix, ours: self.prefix });
        }
        if self.run == 0 {
            let since = before(at.wall, OVERLAP);
            self.fills_since.fill(since);
        }
        self.run = run;
        for pair in &mut self.pairs {
            let settled = pair.settled;
            *pair = Pair { settled, ..Pair::default() };
        }
        for position in 0..self.orders.len() {
            let Some(slot) = self.orders.slot_at(position) else { continue };
            let Some(before) = self.before(slot) else { continue };
            if let Some(order) = self.orders.get_mut(slot) {
                order.apply_reopened(at.mono);
            }
            self.settle(slot, before);
        }
        Ok(())
    }

    pub(super) fn apply_submit(
        &mut self,
        at: Nanos,
        strategy: StrategyId,
        request: &OrderRequest,
    ) -> Result<Slot, StoreFull> {
        let order = Order::submitted(strategy, request, at, self.fence);
        self.ids.apply_used(request.client_order_id);
        self.last_order = Some(request.client_order_id);
        let slot = self.take_in(order)?;
        if let Some(owner) = self.strategies.get_mut(strategy) {
            owner.last_order = Some(request.client_order_id);
        }
        self.counters.orders_sent += 1;
        Ok(slot)
    }

    /// Gives a new order its place, its share of risk and its line in its strategy's picture.
    pub(super) fn take_in(&mut self, order: Order) -> Result<Slot, StoreFull> {
        let slot = self.orders.open(order)?;
        let (strategy, account, instrument) = (order.strategy, order.account, order.instrument);
        self.risk.order_opened(strategy, account, instrument);
        self.risk.reserve(strategy, account, instrument, order.side, order.exposure());
        self.risk.revalue(strategy, instrument, 0, order.open_value());
        self.strategies.refresh(&order);
        Ok(slot)
    }

    pub(super) fn apply_cancel(&mut self, at: Nanos, request: &CancelRequest) {
        self.change_order(request.client_order_id, |order| order.apply_cancel_request(at));
    }

    pub(super) fn apply_replace(&mut self, at: Nanos, request: &ReplaceRequest) {
        self.change_order(request.client_order_id, |order| {
            order.apply_replace_request(request, at);
        });
    }

    fn change_order(&mut self, id: ClientOrderId, change: impl FnOnce(&mut Order)) {
        let Some((slot, _)) = self.orders.find_live(id) else { return };
        let Some(before) = self.before(slot) else { return };
        if let Some(order) = self.orders.get_mut(slot) {
            change(order);
        }
        self.settle(slot, before);
    }

    pub(super) fn before(&self, slot: Slot) -> Option<Before> {
        self.orders.get(slot).map(|order| Before {
            exposure: order.exposure(),
            value: order.open_value(),
            closed: order.is_closed(),
            unknown: order.is_unknown(),
        })
    }

    /// Passes an order's change on to risk, to its strategy's picture and to the counts, and lets
    /// go of its place when nothing more is expected of it.
    pub(super) fn settle(&mut self, slot: Slot, before: Before) -> Option<Order> {
        let order = *self.orders.get(slot)?;
        let (strategy, account, instrument) = (order.strategy, order.account, order.instrument);
        let (was, is) = (before.exposure, order.exposure());
        if is > was {
            self.risk.reserve(strategy, account, instrument, order.side, is.less(was));
        } else if is < was {
            self.risk.release(strategy, account, instrument, order.side, was.less(is));
        }
        self.risk.revalue(strategy, instrument, before.value, order.open_value());
        match order.lifecycle {
            Lifecycle::Closed(reason) if !before.closed => {
                self.risk.order_closed(strategy, account, instrument);
                self.counters.closed(reason);
            }
            Lifecycle::Sent | Lifecycle::Open if before.closed => {
                self.risk.order_opened(strategy, account, instrument);
                self.counters.orders_resurrected += 1;
            }
            Lifecycle::Closed(_) | Lifecycle::Sent | Lifecycle::Open => {}
        }
        match (before.unknown, order.is_unknown()) {
            (false, true) => {
                self.counters.orders_unknown += 1;
                self.counters.orders_unknown_total += 1;
            }
            (true, false) => {
                self.counters.orders_unknown = self.counters.orders_unknown.saturating_sub(1);
            }
            (true, true) | (false, false) => {}
        }
        self.orders.name(&order);
        self.strategies.refresh(&order);
        if order.is_closed() && !order.fills_outstanding() {
            self.orders.retire(slot);
        }
        Some(order)
    }

    pub(super) fn apply_limits(&mut self, limits: RiskLimits) -> Result<(), LimitError> {
        self.risk.set_limits(&limits, &self.instruments)?;
        self.limits = limits;
        self.limits_recorded = true;
        Ok(())
    }

    pub(super) fn apply_kill(&mut self, engaged: bool, reason: &str) {
        self.kill = Kill { engaged, reason: reason.to_owned() };
        if engaged {
            self.risk.engage_kill();
        } else {
            self.risk.rearm();
        }
    }

    pub(super) fn apply_reconciled(&mut self, at: Now, account: AccountId) {
        if let Some(since) = self.fills_since.get_mut(usize::from(account.0)) {
            *since = before(at.wall, OVERLAP);
        }
    }

    pub(super) fn show_risk_position(&mut self, account: AccountId, instrument: InstrumentId) {
        let held = self.positions.held(account, instrument);
        self.risk.set_position(account, instrument, held);
    }

    pub(super) fn pair(&self, account: AccountId, instrument: InstrumentId) -> Option<&Pair> {
        self.pairs.get(self.pair_place(account, instrument))
    }

    pub(super) fn pair_mut(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
    ) -> Option<&mut Pair> {
        let place = self.pair_place(account, instrument);
        self.pairs.get_mut(place)
    }

    pub(super) fn pair_place(&self, account: AccountId, instrument: InstrumentId) -> usize {
        if usize::from(instrument.0) < self.instruments.len() {
            usize::from(account.0) * self.instruments.len() + usize::from(instrument.0)
        } else {
            usize::MAX
        }
    }

    /// The instruments that an account trades, by their places in the table.
    pub(super) fn instruments_of(&self, account: AccountId) -> impl Iterator<Item = &Instrument> {
        let venue = self.venues.get(usize::from(account.0)).copied();
        self.instruments.iter().filter(move |row| Some(row.venue) == venue)
    }

    /// Nothing of ours has moved on the pair since before `asked_at`, or may be moving now.
    pub(super) fn is_quiet(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        asked_at: Nanos,
    ) -> bool {
        let still = self.pair(account, instrument).is_some_and(|pair| pair.last_fill < asked_at);
        still
            && self
                .orders
                .iter()
                .filter(|order| order.account == account && order.instrument == instrument)
                .all(|order| !order.is_busy() && !order.fills_outstanding())
    }

    fn check_instrument(
        &self,
        id: InstrumentId,
        price_scale: Scale,
        quantity_scale: Scale,
        name: &str,
    ) -> Result<(), ReplayError> {
        let same = self.instruments.get(id).is_some_and(|row| {
            row.price_scale == price_scale
                && row.quantity_scale == quantity_scale
                && row.name() == name
        });
        if same {
            return Ok(());
        }
        Err(ReplayError::InstrumentMoved {
            id,
            recorded: name.to_owned(),
            price_digits: price_scale.digits(),
            quantity_digits: quantity_scale.digits(),
        })
    }
}

fn before(wall: UnixNanos, span: Nanos) -> UnixNanos {
    UnixNanos(wall.0.saturating_sub(span.0))
}

fn unreadable(what: &'static str, error: &serde_json::Error) -> ReplayError {
    ReplayError::Json { what, detail: error.to_string() }
}

/// Fills are asked for from so long before the last instant up to which they are known.
const OVERLAP: Nanos = Nanos::from_secs(60);
