//! Positions: nothing but the sum of unique fills on top of what an account held when it was
//! first seen. It must not take a venue's word for a quantity after that.

use arrayvec::ArrayVec;
use enigma_types::{
    AccountId, Amount, Asset, Fill, Instrument, InstrumentId, Quantity, SignedQuantity, StrategyId,
    UnixNanos,
};

/// One account's or one strategy's dealings in one instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub quantity: SignedQuantity,
    /// What was held before the first fill we know of; a strategy starts with nothing.
    pub opening: SignedQuantity,
    pub bought: Quantity,
    pub sold: Quantity,
    /// Sells minus buys, fees apart, in the quote asset.
    pub cash: Amount,
    pub fills: u64,
    /// Fills whose fee the venue didn't say.
    pub fees_unsaid: u64,
    pub fees: ArrayVec<(Asset, Amount), 4>,
    /// Fees in assets beyond the fourth, in whatever unit: only to show that they are missing.
    pub fees_elsewhere: u64,
}

/// What an account's opening position rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Adoption {
    /// The venue's time of the statement: fills up to it are part of the opening.
    venue_time: UnixNanos,
}

/// All positions, preallocated for every account, strategy and instrument of the run.
#[derive(Debug)]
pub struct Positions {
    by_account: Box<[Position]>,
    by_strategy: Box<[Position]>,
    adopted: Box<[Option<Adoption>]>,
    instruments: usize,
}

impl Position {
    /// The sum of all fees in one asset.
    pub fn fee(&self, asset: &Asset) -> Amount {
        let row = self.fees.iter().find(|(name, _)| name == asset);
        row.map_or(Amount::ZERO, |(_, amount)| *amount)
    }

    fn apply(&mut self, instrument: &Instrument, fill: &Fill) {
        let change = fill.quantity.signed(fill.side);
        self.quantity = self.quantity.plus(change);
        match fill.side {
            enigma_types::Side::Buy => self.bought = self.bought.plus(fill.quantity),
            enigma_types::Side::Sell => self.sold = self.sold.plus(fill.quantity),
        }
        self.cash -= instrument.value(fill.price, change);
        self.fills += 1;
        let Some(fee) = fill.fee else {
            self.fees_unsaid += 1;
            return;
        };
        if let Some((_, sum)) = self.fees.iter_mut().find(|(asset, _)| *asset == fill.fee_asset) {
            *sum += fee;
        } else if self.fees.try_push((fill.fee_asset, fee)).is_err() {
            self.fees_elsewhere += 1;
        }
    }
}

impl Positions {
    pub fn new(accounts: usize, strategies: usize, instruments: usize) -> Self {
        Self {
            by_account: vec![Position::default(); accounts * instruments].into(),
            by_strategy: vec![Position::default(); strategies * instruments].into(),
            adopted: vec![None; accounts * instruments].into(),
            instruments,
        }
    }

    pub fn account(&self, account: AccountId, instrument: InstrumentId) -> Option<&Position> {
        self.by_account.get(self.place(account.0, instrument))
    }

    pub fn strategy(&self, strategy: StrategyId, instrument: InstrumentId) -> Option<&Position> {
        self.by_strategy.get(self.place(strategy.0, instrument))
    }

    /// The account's net quantity; zero where nothing is known.
    pub fn held(&self, account: AccountId, instrument: InstrumentId) -> SignedQuantity {
        self.account(account, instrument).map_or(SignedQuantity::ZERO, |row| row.quantity)
    }

    pub fn traded(&self, strategy: StrategyId, instrument: InstrumentId) -> SignedQuantity {
        self.strategy(strategy, instrument).map_or(SignedQuantity::ZERO, |row| row.quantity)
    }

    /// A unique fill on an account. One that the opening contains already moves only the books.
    pub fn apply_account_fill(
        &mut self,
        account: AccountId,
        instrument: &Instrument,
        fill: &Fill,
        venue_time: UnixNanos,
    ) {
        let place = self.place(account.0, instrument.id);
        let contained = self.adopted.get(place).copied().flatten();
        let contained = contained.is_some_and(|adoption| venue_time <= adoption.venue_time);
        let Some(row) = self.by_account.get_mut(place) else { return };
        row.apply(instrument, fill);
        if contained {
            let change = fill.quantity.signed(fill.side);
            row.quantity = row.quantity.plus(SignedQuantity(-change.0));
            row.opening = row.opening.plus(SignedQuantity(-change.0));
        }
    }

    /// The same fill, on the strategy whose order it was.
    pub fn apply_strategy_fill(
        &mut self,
        strategy: StrategyId,
        instrument: &Instrument,
        fill: &Fill,
    ) {
        let place = self.place(strategy.0, instrument.id);
        if let Some(row) = self.by_strategy.get_mut(place) {
            row.apply(instrument, fill);
        }
    }

    pub fn is_adopted(&self, account: AccountId, instrument: InstrumentId) -> bool {
        self.adopted.get(self.place(account.0, instrument)).is_some_and(Option::is_some)
    }

    /// Takes the venue's first statement as what was held before the fills known so far.
    pub fn adopt(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        venue: SignedQuantity,
        venue_time: UnixNanos,
    ) {
        let place = self.place(account.0, instrument);
        if let Some(row) = self.by_account.get_mut(place) {
            let missing = SignedQuantity(venue.0.saturating_sub(row.quantity.0));
            row.opening = row.opening.plus(missing);
            row.quantity = venue;
        }
        if let Some(adoption) = self.adopted.get_mut(place) {
            *adoption = Some(Adoption { venue_time });
        }
    }

    /// What a removed strategy leaves behind belongs to the operator from now on.
    pub fn bequeath(&mut self, strategy: StrategyId, heir: StrategyId) {
        for column in 0..self.instruments {
            let from = usize::from(strategy.0) * self.instruments + column;
            let to = usize::from(heir.0) * self.instruments + column;
            let left = self.by_strategy.get_mut(from).map(core::mem::take);
            if let (Some(left), Some(row)) = (left, self.by_strategy.get_mut(to)) {
                row.absorb(&left);
            }
        }
    }

    /// Every position that was ever touched: by account, then by strategy.
    pub fn touched(&self) -> impl Iterator<Item = (bool, usize, &Position)> {
        let accounts = self.by_account.iter().enumerate().map(|(at, row)| (false, at, row));
        let strategies = self.by_strategy.iter().enumerate().map(|(at, row)| (true, at, row));
        accounts.chain(strategies).filter(|(_, _, row)| **row != Position::default())
    }

    fn place(&self, row: u16, instrument: InstrumentId) -> usize {
        if usize::from(instrument.0) < self.instruments {
            usize::from(row) * self.instruments + usize::from(instrument.0)
        } else {
            usize::MAX
        }
    }
}

impl Position {
    fn absorb(&mut self, other: &Self) {
        self.quantity = self.quantity.plus(other.quantity);
        self.bought = self.bought.plus(other.bought);
        self.sold = self.sold.plus(other.sold);
        self.cash += other.cash;
        self.fills += other.fills;
        self.fees_unsaid += other.fees_unsaid;
        self.fees_elsewhere += other.fees_elsewhere;
        for &(asset, amount) in &other.fees {
            if let Some((_, sum)) = self.fees.iter_mut().find(|(name, _)| *name == asset) {
                *sum += amount;
            } else if self.fees.try_push((asset, amount)).is_err() {
                self.fees_elsewhere += 1;
            }
        }
    }
}
