//! How much of each limit is used, for people who watch. It decides nothing.

use arrayvec::ArrayVec;
use enigma_types::{AccountId, BookTop, InstrumentId, Nanos, Side, StrategyId};

use super::checks::Reference;
use super::rejection::RiskCheck;
use super::throttle::Window;
use super::{Quantity, RiskBook};

/// A limit whose use can be told apart from a single order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The instrument and account that come nearest to it.
    PositionNotional,
    /// A strategy's own, in the base asset.
    Position,
    OpenOrders,
    OpenNotional,
    MessagesPerSecond,
    MessagesPer10Seconds,
    MessagesPerMinute,
}

/// A limit and what is used of it, both in its own unit: a count, a quantity's mantissa, or units
/// of `Amount`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    pub limit: Limit,
    pub used: i128,
    pub most: i128,
}

impl Limit {
    pub const ALL: [Self; 7] = [
        Self::PositionNotional,
        Self::Position,
        Self::OpenOrders,
        Self::OpenNotional,
        Self::MessagesPerSecond,
        Self::MessagesPer10Seconds,
        Self::MessagesPerMinute,
    ];

    /// The name of its setting.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PositionNotional => "max_position_notional",
            Self::Position => "max_position",
            Self::OpenOrders => "max_open_orders",
            Self::OpenNotional => "max_open_notional",
            Self::MessagesPerSecond => "max_messages_per_second",
            Self::MessagesPer10Seconds => "max_messages_per_10_seconds",
            Self::MessagesPerMinute => "max_messages_per_minute",
        }
    }

    /// The check that it belongs to.
    pub const fn check(self) -> RiskCheck {
        match self {
            Self::PositionNotional | Self::Position => RiskCheck::WorstCasePosition,
            Self::OpenOrders | Self::OpenNotional => RiskCheck::OpenOrders,
            Self::MessagesPerSecond | Self::MessagesPer10Seconds | Self::MessagesPerMinute => {
                RiskCheck::MessageThrottle
            }
        }
    }

    const fn of_window(window: Window) -> Self {
        match window {
            Window::Second => Self::MessagesPerSecond,
            Window::TenSeconds => Self::MessagesPer10Seconds,
            Window::Minute => Self::MessagesPerMinute,
        }
    }
}

impl LimitUse {
    /// The used part in millionths; above a million when it is exceeded.
    pub fn parts_per_million(&self) -> i64 {
        let parts = self.used.saturating_mul(1_000_000) / self.most.max(1);
        i64::try_from(parts).unwrap_or(i64::MAX)
    }
}

impl RiskBook {
    /// The engine's limits. `books` are those of the instruments, by their ids; where one is
    /// unsound its instrument's value isn't known and isn't counted.
    pub fn engine_use(&mut self, now: Nanos, books: &[BookTop]) -> [LimitUse; 6] {
        let [second, ten_seconds, minute] = self.window_use(now);
        let used = |limit, used, most| LimitUse { limit, used, most };
        [
            self.position_use(books),
            used(
                Limit::OpenOrders,
                i128::from(self.open_orders),
                i128::from(self.engine.max_open_orders),
            ),
            used(Limit::OpenNotional, self.open_value.0, self.engine.max_open_notional.0),
            second,
            ten_seconds,
            minute,
        ]
    }

    /// The limits that a strategy has of its own; none for the person at the API.
    pub fn strategy_use(&mut self, strategy: StrategyId, now: Nanos) -> ArrayVec<LimitUse, 4> {
        let mut rows = ArrayVec::new();
        let place = usize::from(strategy.0);
        let Some(own) = self.row(strategy) else { return rows };
        let mut add = |limit, used, most: Option<i128>| {
            if let Some(most) = most {
                rows.push(LimitUse { limit, used, most });
            }
        };
        let instrument = own.instrument.unwrap_or_default();
        let held = self.strategy_exposure(strategy, instrument);
        let worst = [Side::Buy, Side::Sell].map(|side| held.worst(side, Quantity::ZERO));
        let worst = i128::from(worst.into_iter().max().unwrap_or_default());
        add(Limit::Position, worst, own.max_position.map(|most| i128::from(most.0)));
        let open = self.open_by_strategy.get(place).copied().unwrap_or_default();
        add(Limit::OpenOrders, i128::from(open), own.max_open_orders.map(i128::from));
        let value = self.open_value_by_strategy.get(place).copied().unwrap_or_default();
        add(Limit::OpenNotional, value.0, own.max_open_notional.map(|most| most.0));
        let throttle = self.strategy_messages.get_mut(place);
        let messages = throttle.map_or(0, |throttle| throttle.orders.count(now));
        let most = own.max_messages_per_second.map(i128::from);
        add(Limit::MessagesPerSecond, i128::from(messages), most);
        rows
    }

    fn window_use(&mut self, now: Nanos) -> [LimitUse; Window::ALL.len()] {
        let messages = self.engine_messages.orders.count(now);
        Window::ALL.map(|window| {
            let place = window as usize;
            let used = messages.get(place).copied().unwrap_or_default();
            let most = self.engine.max_messages.get(place).copied().unwrap_or_default();
            let (used, most) = (i128::from(used), i128::from(most));
            LimitUse { limit: Limit::of_window(window), used, most }
        })
    }

    /// The account and instrument whose worst case comes nearest to the limit.
    fn position_use(&self, books: &[BookTop]) -> LimitUse {
        let mut nearest = LimitUse { limit: Limit::PositionNotional, used: 0, most: 0 };
        for (column, row) in (0_u16..).zip(&self.instruments) {
            let most = row.max_position_notional.saturating_mul(row.unit);
            nearest.most = nearest.most.max(most);
            let book = books.get(usize::from(column));
            let Some(reference) = book.and_then(Reference::of) else { continue };
            for account in 0..self.by_account.rows() {
                let held = self.exposure(AccountId(account), InstrumentId(column));
                for side in [Side::Buy, Side::Sell] {
                    let value = reference.value(held.worst(side, Quantity::ZERO));
                    nearest.used = nearest.used.max(value.saturating_mul(row.unit));
                }
            }
        }
        nearest
    }
}
