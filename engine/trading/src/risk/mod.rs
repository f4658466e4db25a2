//! Pre-trade risk: every order and every change of one passes here before it is journalled.
//!
//! `RiskBook` holds what the checks need and decides with integers only. It allocates at
//! creation and never again, knows no clock, and sends, cancels and journals nothing itself.
//!
//! What the desk owes it: `order_opened` and `reserve` when an order is journalled, `on_fill` for
//! each unique fill, `release` for what was reserved and has filled or can be proved never to,
//! `revalue` when what an order may trade for changes, `order_closed` at the end. Reservations end
//! only on such proof.

mod approval;
mod cancels;
mod checks;
mod exposure;
mod limits;
mod rejection;
mod throttle;
mod usage;

use enigma_types::{
    AccountId, Amount, Instrument, InstrumentId, InstrumentTable, Nanos, Now, OrderIntent,
    OrderType, Price, Quantity, RiskLimits, Side, SignedQuantity, StrategyId, StrategyLimits,
    TimeInForce, VenueId,
};

pub use approval::{Approved, CheckContext, ReplaceIntent};
pub use exposure::Exposure;
pub use limits::LimitError;
pub use rejection::{Gate, RiskCheck, RiskRejection, Unit};
pub use usage::{Limit, LimitUse};

use checks::{Facts, Reference, Wish};
use exposure::Grid;
use limits::{EngineLimits, InstrumentLimits, StrategyRow};
use throttle::{EngineThrottle, StrategyThrottle};

/// The state that the checks need, preallocated for all ids of the run.
#[derive(Debug)]
pub struct RiskBook {
    engine: EngineLimits,
    instruments: Box<[InstrumentLimits]>,
    /// By strategy id; an absent row is a strategy that may send nothing.
    strategies: Box<[Option<StrategyRow>]>,
    by_account: Grid<Exposure>,
    by_strategy: Grid<Exposure>,
    /// (account, instrument) pairs where only reducing orders pass.
    restricted: Grid<bool>,
    open_orders: u32,
    open_by_strategy: Box<[u32]>,
    /// What open orders may still trade for, at their limit prices.
    open_value: Amount,
    open_value_by_strategy: Box<[Amount]>,
    engine_messages: EngineThrottle,
    strategy_messages: Box<[StrategyThrottle]>,
    clocks: [Option<ClockEstimate>; VenueId::ALL.len()],
    killed: bool,
}

/// How far a venue's clock stands from ours, and how sure that is.
#[derive(Clone, Copy, Debug)]
struct ClockEstimate {
    offset_ns: i64,
    uncertainty_ns: u64,
}

impl RiskBook {
    /// Room for `accounts` accounts and `max_strategies` strategies beside the person at the API.
    pub fn new(
        limits: &RiskLimits,
        instruments: &InstrumentTable,
        accounts: usize,
        max_strategies: usize,
    ) -> Result<Self, LimitError> {
        let columns = instruments.len();
        let rows = max_strategies + 1;
        let mut strategies = vec![None; rows].into_boxed_slice();
        if let Some(manual) = strategies.get_mut(usize::from(StrategyId::MANUAL.0)) {
            *manual = Some(StrategyRow::default());
        }
        let mut book = Self {
            engine: EngineLimits::new(limits)?,
            instruments: vec![InstrumentLimits::default(); columns].into(),
            strategies,
            by_account: Grid::new(accounts, columns),
            by_strategy: Grid::new(rows, columns),
            restricted: Grid::new(accounts, columns),
            open_orders: 0,
            open_by_strategy: vec![0; rows].into(),
            open_value: Amount::ZERO,
            open_value_by_strategy: vec![Amount::ZERO; rows].into(),
            engine_messages: EngineThrottle::new(),
            strategy_messages: vec![StrategyThrottle::new(); rows].into(),
            clocks: [None; VenueId::ALL.len()],
            killed: false,
        };
        InstrumentLimits::fill(&mut book.instruments, limits, instruments);
        Ok(book)
    }

    /// Puts the engine's limits in force, for the table of instruments given at creation.
    pub fn set_limits(
        &mut self,
        limits: &RiskLimits,
        instruments: &InstrumentTable,
    ) -> Result<(), LimitError> {
        self.engine = EngineLimits::new(limits)?;
        InstrumentLimits::fill(&mut self.instruments, limits, instruments);
        Ok(())
    }

    /// Lets a strategy trade its instrument within these limits; new limits replace the old ones
    /// and leave its exposure as it is.
    pub fn set_strategy_limits(
        &mut self,
        strategy: StrategyId,
        limits: &StrategyLimits,
        instrument: &Instrument,
    ) -> Result<(), LimitError> {
        let room = self.strategies.len().saturating_sub(1);
        let row = self.strategies.get_mut(usize::from(strategy.0));
        let Some(row) = row.filter(|_| strategy != StrategyId::MANUAL) else {
            return Err(LimitError::TooManyStrategies { id: strategy, room });
        };
        let limits = StrategyRow::new(limits, instrument)?;
        let fresh = row.replace(limits).is_none();
        if fresh {
            self.forget(strategy);
        }
        Ok(())
    }

    /// Takes a strategy's permission away and forgets its exposure; the account's stays.
    pub fn remove_strategy(&mut self, strategy: StrategyId) {
        if strategy == StrategyId::MANUAL {
            return;
        }
        if let Some(row) = self.strategies.get_mut(usize::from(strategy.0)) {
            *row = None;
            self.forget(strategy);
        }
    }

    /// Counts an order that may be open from now on.
    pub fn order_opened(
        &mut self,
        strategy: StrategyId,
        account: AccountId,
        instrument: InstrumentId,
    ) {
        self.open_orders = self.open_orders.saturating_add(1);
        if let Some(count) = self.open_by_strategy.get_mut(usize::from(strategy.0)) {
            *count = count.saturating_add(1);
        }
        self.update(strategy, account, instrument, |row| {
            row.open_orders = row.open_orders.saturating_add(1);
        });
    }

    /// An order is closed for certain.
    pub fn order_closed(
        &mut self,
        strategy: StrategyId,
        account: AccountId,
        instrument: InstrumentId,
    ) {
        self.open_orders = self.open_orders.saturating_sub(1);
        if let Some(count) = self.open_by_strategy.get_mut(usize::from(strategy.0)) {
            *count = count.saturating_sub(1);
        }
        self.update(strategy, account, instrument, |row| {
            row.open_orders = row.open_orders.saturating_sub(1);
        });
    }

    /// This quantity may fill from now on: a submit's whole, or a replace's growth.
    pub fn reserve(
        &mut self,
        strategy: StrategyId,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        quantity: Quantity,
    ) {
        self.update(strategy, account, instrument, |row| row.reserve(side, quantity));
    }

    /// This much of what was reserved has filled, or never will.
    pub fn release(
        &mut self,
        strategy: StrategyId,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        quantity: Quantity,
    ) {
        self.update(strategy, account, instrument, |row| row.release(side, quantity));
    }

    /// What an order may still trade for has changed, in price times quantity.
    pub fn revalue(&mut self, strategy: StrategyId, instrument: InstrumentId, was: i128, is: i128) {
        let unit = self.instruments.get(usize::from(instrument.0)).map_or(0, |row| row.unit);
        let change = is.saturating_sub(was).saturating_mul(unit);
        let own = self.open_value_by_strategy.get_mut(usize::from(strategy.0));
        for value in own.into_iter().chain([&mut self.open_value]) {
            let changed = value.0.saturating_add(change);
            debug_assert!(changed >= 0, "only what was reserved is given back");
            *value = Amount(changed.max(0));
        }
    }

    /// A fill, on the side that the venue says. What was reserved for it is released apart.
    pub fn on_fill(
        &mut self,
        strategy: StrategyId,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        quantity: Quantity,
    ) {
        self.update(strategy, account, instrument, |row| row.fill(side, quantity));
    }

    /// Adopts what an account holds. A strategy's own position is only what it traded.
    pub fn set_position(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        position: SignedQuantity,
    ) {
        if let Some(row) = self.by_account.get_mut(account.0, instrument.0) {
            row.position = position;
        }
    }

    /// What a strategy has traded comes to, fees that were taken in it included.
    pub fn set_strategy_position(
        &mut self,
        strategy: StrategyId,
        instrument: InstrumentId,
        position: SignedQuantity,
    ) {
        if let Some(row) = self.by_strategy.get_mut(strategy.0, instrument.0) {
            row.position = position;
        }
    }

    /// While set, only orders that surely reduce the account's position pass on the instrument.
    pub fn set_reduce_only(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        restricted: bool,
    ) {
        if let Some(cell) = self.restricted.get_mut(account.0, instrument.0) {
            *cell = restricted;
        }
    }

    /// The venue's clock minus ours, and how far that may be wrong.
    pub fn set_clock(&mut self, venue: VenueId, offset_ns: i64, uncertainty_ns: u64) {
        if let Some(clock) = self.clocks.get_mut(venue as usize) {
            *clock = Some(ClockEstimate { offset_ns, uncertainty_ns });
        }
    }

    /// An order of the strategy, handed over at `sent_at`, was turned away because a rate limit
    /// left no room. Its new orders wait; a person is told instead.
    pub fn on_turned_away(&mut self, strategy: StrategyId, sent_at: Nanos, now: Nanos) {
        let throttle = self.strategy_messages.get_mut(usize::from(strategy.0));
        if let Some(throttle) = throttle.filter(|_| strategy != StrategyId::MANUAL) {
            throttle.back_off.turned_away(sent_at, now);
        }
    }

    /// A venue accepted an order of the strategy that was handed over at `sent_at`.
    pub fn on_accepted(&mut self, strategy: StrategyId, sent_at: Nanos) {
        if let Some(throttle) = self.strategy_messages.get_mut(usize::from(strategy.0)) {
            throttle.back_off.accepted(sent_at);
        }
    }

    /// C17: an order approved at `approved_at` has waited too long to be handed over.
    pub fn is_overdue(&self, now: Nanos, approved_at: Nanos) -> bool {
        now.since(approved_at) > self.engine.max_order_age
    }

    /// Latches: nothing passes until `rearm`.
    pub fn engage_kill(&mut self) {
        self.killed = true;
    }

    pub fn rearm(&mut self) {
        self.killed = false;
    }

    pub const fn open_orders(&self) -> u32 {
        self.open_orders
    }

    /// The worst case of an account on an instrument; empty where nothing is known.
    pub fn exposure(&self, account: AccountId, instrument: InstrumentId) -> Exposure {
        self.by_account.get(account.0, instrument.0).copied().unwrap_or_default()
    }

    /// The worst case of a strategy on an instrument; empty where nothing is known.
    pub fn strategy_exposure(&self, strategy: StrategyId, instrument: InstrumentId) -> Exposure {
        self.by_strategy.get(strategy.0, instrument.0).copied().unwrap_or_default()
    }

    /// Decides on a new order. A market order comes back as an immediate-or-cancel limit at the
    /// collar. An approval counts as a message; a refusal changes nothing.
    pub fn check(
        &mut self,
        now: Now,
        intent: &OrderIntent,
        context: &CheckContext<'_>,
    ) -> Result<Approved<OrderIntent>, RiskRejection> {
        let reference = Reference::of(context.book);
        let mut order = *intent;
        let market = match intent.order_type {
            OrderType::Limit => false,
            OrderType::Market => {
                order.order_type = OrderType::Limit;
                order.time_in_force = TimeInForce::Ioc;
                let own = self.row(intent.strategy).unwrap_or_default();
                order.price = reference.map_or(Price::ZERO, |reference| {
                    let (engine, instrument) = (&self.engine, context.instrument);
                    reference.collar(engine, &own, instrument, intent.side).marketable
                });
                true
            }
        };
        let wish = Wish {
            strategy: order.strategy,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            price: order.price,
            quantity: order.quantity,
            growth: order.quantity,
            value_growth: i128::from(order.price.0) * i128::from(order.quantity.0),
            reduce_only: order.reduce_only,
            market,
            opens: true,
        };
        self.decide(now, &wish, reference, context)?;
        Ok(Approved::by_checks(order))
    }

    /// Decides on a change of an order. The desk then reserves the intent's `growth`, and
    /// releases it, or what the order shrank by, once the outcome is known.
    pub fn check_replace(
        &mut self,
        now: Now,
        intent: &ReplaceIntent,
        context: &CheckContext<'_>,
    ) -> Result<Approved<ReplaceIntent>, RiskRejection> {
        let wish = Wish {
            strategy: intent.strategy,
            account: intent.account,
            instrument: intent.instrument,
            side: intent.side,
            price: intent.price,
            quantity: intent.quantity,
            growth: intent.growth(),
            value_growth: intent.value_growth,
            reduce_only: intent.reduce_only,
            market: false,
            opens: false,
        };
        self.decide(now, &wish, Reference::of(context.book), context)?;
        Ok(Approved::by_checks(*intent))
    }

    fn decide(
        &mut self,
        now: Now,
        wish: &Wish,
        reference: Option<Reference>,
        context: &CheckContext<'_>,
    ) -> Result<(), RiskRejection> {
        let facts = self.facts(now.mono, wish, reference, context);
        let facts = facts.ok_or(RiskRejection {
            check: RiskCheck::Gate,
            limit: Gate::Open.code(),
            value: Gate::UnknownScope.code(),
            unit: Unit::State,
        })?;
        checks::run(&facts)?;
        self.engine_messages.orders.record(now.mono);
        if let Some(throttle) = self.strategy_messages.get_mut(usize::from(wish.strategy.0)) {
            throttle.orders.record(now.mono);
        }
        Ok(())
    }

    /// `None` when no limits are known for what the wish names: nothing unknown ever passes.
    fn facts<'a>(
        &mut self,
        now: Nanos,
        wish: &'a Wish,
        reference: Option<Reference>,
        context: &CheckContext<'a>,
    ) -> Option<Facts<'a>> {
        let Wish { strategy, account, instrument, .. } = *wish;
        let place = usize::from(strategy.0);
        let own = self.row(strategy)?;
        let throttle = self.strategy_messages.get_mut(place)?;
        let ours = own.instrument.is_none_or(|only| only == instrument);
        if !ours || context.instrument.id != instrument || context.book.instrument != instrument {
            return None;
        }
        let clock = self.clocks.get(context.instrument.venue as usize).copied().flatten();
        Some(Facts {
            wish,
            instrument: context.instrument,
            reference,
            book_age: now.since(context.book.received_at),
            signal_age: context.signal_at.map(|at| now.since(at)),
            gate: context.gate,
            killed: self.killed,
            clock_skew_ns: clock
                .map(|clock| clock.offset_ns.unsigned_abs().saturating_add(clock.uncertainty_ns)),
            engine: self.engine,
            limits: *self.instruments.get(usize::from(instrument.0))?,
            own,
            account: *self.by_account.get(account.0, instrument.0)?,
            strategy: *self.by_strategy.get(strategy.0, instrument.0)?,
            restricted: *self.restricted.get(account.0, instrument.0)?,
            open_orders: self.open_orders,
            strategy_open_orders: *self.open_by_strategy.get(place)?,
            open_value: self.open_value,
            strategy_open_value: *self.open_value_by_strategy.get(place)?,
            messages: self.engine_messages.orders.count(now),
            strategy_messages: throttle.orders.count(now),
            back_off: throttle.back_off.left(now),
        })
    }

    fn row(&self, strategy: StrategyId) -> Option<StrategyRow> {
        self.strategies.get(usize::from(strategy.0)).copied().flatten()
    }

    fn update(
        &mut self,
        strategy: StrategyId,
        account: AccountId,
        instrument: InstrumentId,
        mut change: impl FnMut(&mut Exposure),
    ) {
        let of_account = self.by_account.get_mut(account.0, instrument.0);
        debug_assert!(of_account.is_some(), "an order's account and instrument are of this run");
        if let Some(row) = of_account {
            change(row);
        }
        if let Some(row) = self.by_strategy.get_mut(strategy.0, instrument.0) {
            change(row);
        }
    }

    fn forget(&mut self, strategy: StrategyId) {
        self.by_strategy.clear_row(strategy.0);
        let place = usize::from(strategy.0);
        if let Some(count) = self.open_by_strategy.get_mut(place) {
            *count = 0;
        }
        if let Some(value) = self.open_value_by_strategy.get_mut(place) {
            *value = Amount::ZERO;
        }
        if let Some(throttle) = self.strategy_messages.get_mut(place) {
            throttle.clear();
        }
    }
}

#[cfg(test)]
mod tests;
