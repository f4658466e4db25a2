//! The projector: folds the journal's records into the read model, off the pinned thread.
//!
//! Orders, positions and unique fills are folded by the very types the desk uses, so that there is
//! no second opinion of what a record means. It reads the ring behind the producer and asks nobody
//! anything; when it falls far behind, the ring fills and the trading gate closes.

mod alerts;
mod executions;
mod holdings;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use enigma_trading::desk::DeskSettings;
use enigma_trading::orders::Order;
use enigma_trading::orders::trades::TradeLog;
use enigma_trading::positions::Positions;
use enigma_trading::record::Record;
use enigma_types::{
    AccountId, Amount, ClientOrderId, ExecutionReport, InstallationPrefix, Instrument,
    InstrumentId, InstrumentTable, Mode, Nanos, OrderRequest, Price, Quantity, Report, Scale,
    SessionState, StrategyId, StrategySpec, StrategyState, UnixNanos, VenueId, VenueOrderId,
};

use crate::journal::Entry;
use crate::snapshot::{EventKind, Fees, KillView, OrderState, OrderView, ReadModel, StrategyView};

pub use thread::ProjectorThread;

use holdings::Pair;

/// The state that the read model is drawn from.
#[derive(Debug)]
pub struct Projector {
    /// How long a request may take to reach matching: the desk's setting.
    fence_after: Nanos,
    /// By account id.
    venues: Vec<VenueId>,
    orders: HashMap<ClientOrderId, Order>,
    /// Those that may still trade, and closed ones whose fills are missing.
    live: BTreeSet<ClientOrderId>,
    /// The closed ones, oldest first.
    closed: VecDeque<ClientOrderId>,
    /// The venues' ids of orders to ours.
    venue_ids: HashMap<(AccountId, InstrumentId, VenueOrderId), ClientOrderId>,
    /// Fills named only by an order id of the venue that is nobody's yet, oldest first.
    waiting: VecDeque<ExecutionReport>,
    trades: TradeLog,
    positions: Positions,
    pairs: BTreeMap<(AccountId, InstrumentId), Pair>,
    instruments: BTreeMap<InstrumentId, Instrument>,
}

/// What the desk's settings say that a fold depends on.
#[derive(Clone, Debug)]
pub struct FoldSettings {
    pub fence: Nanos,
    /// The accounts' venues, by account id.
    pub venues: Vec<VenueId>,
    /// How many trade ids are remembered.
    pub trades: usize,
    pub max_strategies: usize,
}

impl From<&DeskSettings> for FoldSettings {
    fn from(desk: &DeskSettings) -> Self {
        Self {
            fence: desk.fence,
            venues: desk.accounts.iter().map(|(_, venue)| *venue).collect(),
            trades: desk.trades,
            max_strategies: desk.max_strategies,
        }
    }
}

/// When a record was written, on both clocks.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    wall: UnixNanos,
    mono: Nanos,
}

impl Projector {
    pub fn new(settings: &FoldSettings) -> Self {
        let (accounts, instruments) = (settings.venues.len(), InstrumentTable::CAPACITY);
        Self {
            fence_after: settings.fence,
            venues: settings.venues.clone(),
            orders: HashMap::new(),
            live: BTreeSet::new(),
            closed: VecDeque::new(),
            venue_ids: HashMap::new(),
            waiting: VecDeque::new(),
            trades: TradeLog::new(settings.trades, accounts, instruments),
            positions: Positions::new(accounts, settings.max_strategies + 1, instruments),
            pairs: BTreeMap::new(),
            instruments: BTreeMap::new(),
        }
    }

    /// Folds one record in.
    pub fn apply(&mut self, model: &mut ReadModel, entry: &Entry<'_>) {
        let at = Stamp { wall: entry.wall, mono: entry.mono };
        match entry.record {
            Record::Opened { run, prefix } => self.take_over(model, at, run, prefix),
            Record::Instrument { id, price_scale, quantity_scale, name } => {
                self.learn_instrument(id, price_scale, quantity_scale, name);
            }
            Record::BaseAsset { instrument, asset } => self.positions.learn_base(instrument, asset),
            // Which ids are leased is the desk's own business.
            Record::Lease { .. } => {}
            Record::Strategy { id, json } => describe_strategy(model, at, id, json),
            Record::StrategyState { id, state, mode, reason } => {
                move_strategy(model, at, id, (state, mode), reason);
            }
            Record::StrategyRemoved { id } => self.remove_strategy(model, at, id),
            Record::Submit { strategy, order } => self.submit(model, at, strategy, &order),
            Record::Cancel(request) => {
                self.change(model, at, request.client_order_id, |order| {
                    order.apply_cancel_request(at.mono);
                });
            }
            Record::Replace(request) => {
                self.change(model, at, request.client_order_id, |order| {
                    order.apply_replace_request(&request, at.mono);
                });
            }
            Record::Report(Report::Execution(report)) => self.execution(model, at, &report),
            Record::Report(Report::Balance(report)) => model.apply_balance(at.wall, &report),
            Record::Report(Report::Position(report)) => {
                self.venue_position(model, at, &report);
            }
            Record::Report(Report::Query(report)) => self.query_ended(model, at, &report),
            Record::RiskRejection { intent, check, .. } => {
                *model.risk_rejections.entry(check).or_default() += 1;
                let strategy = intent.strategy;
                model.events.push(at.wall, EventKind::Risk { strategy, check });
            }
            Record::Limits { json } => set_limits(model, at, json),
            Record::KillSwitch { engaged, reason } => {
                model.kill = KillView { engaged, reason: reason.into(), since: at.wall };
                model.events.push(at.wall, EventKind::Kill);
            }
            Record::Session(change) => model.apply_session(at.wall, &change),
            Record::Reconciled { account, differences } => {
                model.reconciled.insert(account, true);
                if differences > 0 {
                    let text = format!("reconciliation found {differences} differences");
                    model.events.push(at.wall, EventKind::alert(text));
                }
            }
            Record::Difference { text, .. } => {
                model.events.push(at.wall, EventKind::alert(text));
            }
            Record::StrategyResult { id, result } => {
                if let Some(view) = model.strategies.get_mut(&id) {
                    view.result = Some(result);
                    model.events.push(at.wall, EventKind::Strategy(id));
                }
            }
        }
    }

    /// The order behind a view, as the desk would have it.
    pub fn order(&self, id: ClientOrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// Everything that was connected to the process before is gone.
    fn take_over(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        run: u32,
        prefix: InstallationPrefix,
    ) {
        model.run = run;
        model.prefix = Some(prefix);
        for session in model.sessions.values_mut() {
            session.state = SessionState::Down;
            session.since = at.wall;
        }
        for reconciled in model.reconciled.values_mut() {
            *reconciled = false;
        }
        self.pairs.clear();
        for id in self.live.iter().copied().collect::<Vec<_>>() {
            if let Some(order) = self.orders.get_mut(&id) {
                let was_closed = order.is_closed();
                order.apply_reopened(at.mono);
                self.settle(model, at, id, was_closed, None);
            }
        }
    }

    fn learn_instrument(
        &mut self,
        id: InstrumentId,
        price_scale: Scale,
        quantity_scale: Scale,
        name: &str,
    ) {
        let Some((venue, symbol)) = name.split_once(':') else { return };
        let (Ok(venue), Ok(symbol)) = (venue.parse(), symbol.parse()) else { return };
        // Of an instrument only its scales are used here: its trading rules aren't journalled.
        let instrument = Instrument {
            id,
            venue,
            symbol,
            base: Default::default(),
            quote: Default::default(),
            settle: Default::default(),
            price_scale,
            quantity_scale,
            tick: Price::ZERO,
            min_price: Price::ZERO,
            max_price: Price::ZERO,
            step: Quantity::ZERO,
            min_quantity: Quantity::ZERO,
            max_quantity: Quantity::ZERO,
            min_notional: Amount::ZERO,
            band_up_e8: None,
            band_down_e8: None,
            max_open_orders: None,
            trading: false,
        };
        self.instruments.insert(id, instrument);
    }

    /// What a strategy leaves behind, and the right to late fills, is the operator's.
    fn remove_strategy(&mut self, model: &mut ReadModel, at: Stamp, id: StrategyId) {
        self.positions.bequeath(id, StrategyId::MANUAL);
        for order in self.orders.values_mut().filter(|order| order.strategy == id) {
            if !self.live.contains(&order.client_order_id) {
                order.strategy = StrategyId::MANUAL;
            }
        }
        model.strategies.remove(&id);
        model.events.push(at.wall, EventKind::Strategy(id));
    }

    fn submit(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        strategy: StrategyId,
        request: &OrderRequest,
    ) {
        let id = request.client_order_id;
        let order = Order::submitted(strategy, request, at.mono, self.fence_after);
        self.orders.insert(id, order);
        self.live.insert(id);
        if let Some(view) = model.strategies.get_mut(&strategy) {
            view.last_order = Some(id);
            view.orders_sent += 1;
        }
        self.show(model, at, id, None);
    }

    fn change(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        id: ClientOrderId,
        change: impl FnOnce(&mut Order),
    ) {
        if !self.live.contains(&id) {
            return;
        }
        let Some(order) = self.orders.get_mut(&id) else { return };
        let was_closed = order.is_closed();
        change(order);
        self.settle(model, at, id, was_closed, None);
    }

    /// Remembers the venue's id of an order, once the venue has given one.
    fn name(&mut self, id: ClientOrderId) {
        let Some(order) = self.orders.get(&id) else { return };
        if order.venue_order_id != VenueOrderId::default() {
            let key = (order.account, order.instrument, order.venue_order_id);
            self.venue_ids.insert(key, id);
        }
    }

    /// Draws an order's view anew.
    fn show(
        &mut self,
        model: &mut ReadModel,
        at: Stamp,
        id: ClientOrderId,
        reason: Option<String>,
    ) {
        let Some(order) = self.orders.get(&id) else { return };
        let view = model.orders.entry(id).or_insert_with(|| blank_view(order, at.wall));
        view.venue_order_id = order.venue_order_id;
        view.price = order.price;
        view.quantity = order.quantity;
        view.filled = order.filled;
        view.state = OrderState::from(order.status());
        view.updated_at = at.wall;
        if let Some(reason) = reason {
            view.reason = reason;
        }
        model.events.push(at.wall, EventKind::Order(id));
    }

    /// An order has closed: it is counted, and the oldest closed one makes room for it.
    fn retire(&mut self, model: &mut ReadModel, id: ClientOrderId) {
        let Some(order) = self.orders.get(&id) else { return };
        let state = OrderState::from(order.status());
        *model.closed_orders.entry((order.strategy, order.account, state)).or_default() += 1;
        self.closed.push_back(id);
        if self.closed.len() > ReadModel::CLOSED_ORDERS
            && let Some(oldest) = self.closed.pop_front()
        {
            self.live.remove(&oldest);
            model.orders.remove(&oldest);
            model.newest_dropped = model.newest_dropped.max(Some(oldest));
            if let Some(order) = self.orders.remove(&oldest) {
                let key = (order.account, order.instrument, order.venue_order_id);
                self.venue_ids.remove(&key);
            }
        }
    }
}

fn describe_strategy(model: &mut ReadModel, at: Stamp, id: StrategyId, json: &str) {
    let spec: StrategySpec = match serde_json::from_str(json) {
        Ok(spec) => spec,
        Err(error) => {
            let text = format!("strategy {} can't be shown: {error}", id.0);
            model.events.push(at.wall, EventKind::alert(text));
            return;
        }
    };
    if let Some(view) = model.strategies.get_mut(&id) {
        view.spec = spec;
    } else {
        model.strategies.insert(id, new_strategy(id, spec));
    }
    model.events.push(at.wall, EventKind::Strategy(id));
}

fn new_strategy(id: StrategyId, spec: StrategySpec) -> StrategyView {
    StrategyView {
        id,
        spec,
        state: StrategyState::default(),
        mode: Mode::default(),
        reason: String::new(),
        position: Default::default(),
        last_order: None,
        orders_sent: 0,
        fills: 0,
        fees: Fees::default(),
        cash: Amount::ZERO,
        result: None,
    }
}

fn move_strategy(
    model: &mut ReadModel,
    at: Stamp,
    id: StrategyId,
    (state, mode): (StrategyState, Mode),
    reason: &str,
) {
    if let Some(view) = model.strategies.get_mut(&id) {
        view.state = state;
        view.mode = mode;
        view.reason = reason.into();
        model.events.push(at.wall, EventKind::Strategy(id));
    }
}

fn set_limits(model: &mut ReadModel, at: Stamp, json: &str) {
    match serde_json::from_str(json) {
        Ok(limits) => model.limits = limits,
        Err(error) => {
            let text = format!("the limits can't be shown: {error}");
            model.events.push(at.wall, EventKind::alert(text));
        }
    }
    model.limits_version += 1;
    model.events.push(at.wall, EventKind::Limits);
}

fn blank_view(order: &Order, at: UnixNanos) -> OrderView {
    OrderView {
        client_order_id: order.client_order_id,
        venue_order_id: order.venue_order_id,
        strategy: order.strategy,
        account: order.account,
        instrument: order.instrument,
        side: order.side,
        price: order.price,
        quantity: order.quantity,
        filled: order.filled,
        time_in_force: order.time_in_force,
        reduce_only: order.reduce_only,
        state: OrderState::PendingNew,
        reason: String::new(),
        not_sent: None,
        created_at: at,
        updated_at: at,
    }
}
