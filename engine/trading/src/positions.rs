//! Positions: nothing but the sum of unique fills on top of what an account held when it was
//! first seen, less the fees that were taken in what is held. It must not take a venue's word for
//! a quantity after that.

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
    /// By instrument: the asset that is held, where fees in it come off the position.
    bases: Box<[Option<Asset>]>,
    instruments: usize,
}

impl Position {
    /// The sum of all fees in one asset.
    pub fn fee(&self, asset: &Asset) -> Amount {
        let row = self.fees.iter().find(|(name, _)| name == asset);
        row.map_or(Amount::ZERO, |(_, amount)| *amount)
    }

    /// Moves the books and says by how much the quantity moved.
    fn apply(
        &mut self,
        instrument: &Instrument,
        base: Option<&Asset>,
        fill: &Fill,
    ) -> SignedQuantity {
        // Of a part of a unit that a fee takes the rest can't be sold, so the sum is rounded up.
        let scale = instrument.quantity_scale;
        let kept_back = |row: &Self| base.map_or(0, |base| row.fee(base).mantissa_up(scale));
        let before = kept_back(self);
        self.sum_up(instrument, fill);
        let fee = kept_back(self).saturating_sub(before);
        let change = fill.quantity.signed(fill.side).plus(SignedQuantity(fee.saturating_neg()));
        self.quantity = self.quantity.plus(change);
        change
    }

    fn sum_up(&mut self, instrument: &Instrument, fill: &Fill) {
        match fill.side {
            enigma_types::Side::Buy => self.bought = self.bought.plus(fill.quantity),
            enigma_types::Side::Sell => self.sold = self.sold.plus(fill.quantity),
        }
        self.cash -= instrument.value(fill.price, fill.quantity.signed(fill.side));
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
            bases: vec![None; instruments].into(),
            instruments,
        }
    }

    /// From here on a fee in this asset comes off what is held of the instrument.
    pub fn learn_base(&mut self, instrument: InstrumentId, asset: Asset) {
        if let Some(base) = self.bases.get_mut(usize::from(instrument.0)) {
            *base = Some(asset);
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
        let base = self.bases.get(usize::from(instrument.id.0)).and_then(Option::as_ref);
        let Some(row) = self.by_account.get_mut(place) else { return };
        let change = row.apply(instrument, base, fill);
        if contained {
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
        let base = self.bases.get(usize::from(instrument.id.0)).and_then(Option::as_ref);
        if let Some(row) = self.by_strategy.get_mut(place) {
            row.apply(instrument, base, fill);
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::{Liquidity, Price, Side, TradeId};

    use super::*;
    use crate::strategy::scene;

    const ACCOUNT: AccountId = AccountId(0);
    const STRATEGY: StrategyId = StrategyId(1);

    /// A thousandth is a unit.
    fn bought(fees: &[&str], side: Side, asset: &str, base: Option<&str>) -> Positions {
        let instrument = Instrument { id: InstrumentId(0), ..scene::instrument() };
        assert_eq!(instrument.quantity_scale.digits(), 3);
        let mut positions = Positions::new(1, 2, 1);
        if let Some(base) = base {
            positions.learn_base(instrument.id, base.parse().unwrap());
        }
        for (trade, fee) in (1..).zip(fees) {
            let fill = Fill {
                trade_id: TradeId(trade),
                side,
                price: Price(999),
                quantity: Quantity(1_000),
                liquidity: Liquidity::Taker,
                fee: Some(Amount::parse(fee.as_bytes()).unwrap()),
                fee_asset: asset.parse().unwrap(),
            };
            positions.apply_account_fill(ACCOUNT, &instrument, &fill, UnixNanos(trade));
            positions.apply_strategy_fill(STRATEGY, &instrument, &fill);
        }
        positions
    }

    #[track_caller]
    fn check(positions: &Positions, quantity: i64) {
        let row = positions.account(ACCOUNT, InstrumentId(0)).unwrap();
        assert_eq!(row.quantity.0, quantity);
        assert_eq!(Some(row), positions.strategy(STRATEGY, InstrumentId(0)));
    }

    #[test]
    fn a_fee_in_the_base_asset_comes_off_the_position() {
        let one = bought(&["0.001"], Side::Buy, "BTC", Some("BTC"));
        check(&one, 999);
        let row = one.account(ACCOUNT, InstrumentId(0)).unwrap();
        assert_eq!((row.bought.0, row.fills), (1_000, 1), "what was traded is told whole");
        // Whatever was taken of a unit, its rest can't be sold; the sum is what counts.
        check(&bought(&["0.0004"], Side::Buy, "BTC", Some("BTC")), 999);
        check(&bought(&["0.0004", "0.0004"], Side::Buy, "BTC", Some("BTC")), 1_999);
        check(&bought(&["0.0004", "0.0007"], Side::Buy, "BTC", Some("BTC")), 1_998);
        check(&bought(&["-0.0019"], Side::Buy, "BTC", Some("BTC")), 1_001);
        check(&bought(&["0.001"], Side::Sell, "BTC", Some("BTC")), -1_001);
    }

    #[test]
    fn a_fee_in_another_asset_or_of_a_venue_that_tells_positions_does_not() {
        check(&bought(&["0.001"], Side::Buy, "BNB", Some("BTC")), 1_000);
        check(&bought(&["0.001"], Side::Buy, "BTC", None), 1_000);
    }

    #[test]
    fn an_opening_that_contains_a_fill_contains_its_fee() {
        let mut positions = bought(&["0.001"], Side::Buy, "BTC", Some("BTC"));
        let (instrument, later) = (scene::instrument(), UnixNanos(9));
        positions.adopt(ACCOUNT, InstrumentId(0), SignedQuantity(7_000), later);
        let fill = Fill {
            trade_id: TradeId(2),
            side: Side::Buy,
            price: Price(999),
            quantity: Quantity(1_000),
            liquidity: Liquidity::Taker,
            fee: Some(Amount::parse(b"0.002").unwrap()),
            fee_asset: "BTC".parse().unwrap(),
        };
        let instrument = Instrument { id: InstrumentId(0), ..instrument };
        positions.apply_account_fill(ACCOUNT, &instrument, &fill, later);
        let row = positions.account(ACCOUNT, InstrumentId(0)).unwrap();
        assert_eq!((row.quantity.0, row.opening.0), (7_000, 7_000 - 999 - 998));
    }
}
