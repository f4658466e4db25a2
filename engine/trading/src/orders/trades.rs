//! The executions that have been counted, so that none moves a position twice.
//!
//! A trade of an account with itself has two executions under one trade id, one on each side: an
//! execution is known by its account, instrument, trade id and side.
//!
//! Bounded: the newest are held one by one, and of what was pushed out only the highest trade id
//! of each account and instrument. One at or below that mark which isn't held counts as seen: a
//! fill that old is left to the comparison with the venue's position.

use enigma_types::{AccountId, InstrumentId, Side, TradeId};

use super::table::IdTable;

/// Whether an execution is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    New,
    Seen,
    /// Older than everything that is remembered.
    Forgotten,
}

/// The remembered trade ids of all accounts and instruments.
#[derive(Debug)]
pub struct TradeLog {
    seen: IdTable,
    /// Ring of the remembered keys, oldest at `next` once it is full.
    ring: Box<[u128]>,
    next: usize,
    /// By account and instrument: the highest id that was pushed out.
    marks: Box<[TradeId]>,
    instruments: usize,
}

impl TradeLog {
    pub fn new(capacity: usize, accounts: usize, instruments: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            seen: IdTable::new(capacity),
            ring: vec![0; capacity].into(),
            next: 0,
            marks: vec![TradeId(0); accounts * instruments].into(),
            instruments,
        }
    }

    /// Notes an execution. Only `New` may move a position.
    pub fn note(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        trade: TradeId,
        side: Side,
    ) -> Sighting {
        let key = key(account, instrument, trade, side);
        if self.seen.contains(key) {
            return Sighting::Seen;
        }
        let mark = self.mark(account, instrument);
        if mark.is_some_and(|mark| *mark >= trade && *mark > TradeId(0)) {
            return Sighting::Forgotten;
        }
        self.push_out();
        let fits = self.seen.insert(key, 1);
        debug_assert!(fits, "the oldest id has just left");
        if let Some(place) = self.ring.get_mut(self.next) {
            *place = key;
        }
        self.next = (self.next + 1) % self.ring.len();
        Sighting::New
    }

    fn push_out(&mut self) {
        let oldest = self.ring.get(self.next).copied().unwrap_or_default();
        if oldest == 0 {
            return;
        }
        self.seen.remove(oldest);
        let (account, instrument) = (AccountId((oldest >> 80) as u16), (oldest >> 64) as u16);
        let trade = TradeId(oldest as u64);
        if let Some(mark) = self.mark(account, InstrumentId(instrument)) {
            *mark = (*mark).max(trade);
        }
    }

    fn mark(&mut self, account: AccountId, instrument: InstrumentId) -> Option<&mut TradeId> {
        let row = usize::from(account.0) * self.instruments;
        self.marks.get_mut(row + usize::from(instrument.0))
    }
}

fn key(account: AccountId, instrument: InstrumentId, trade: TradeId, side: Side) -> u128 {
    let side = match side {
        Side::Buy => 0,
        Side::Sell => 1 << 96,
    };
    let pair = u128::from(account.0) << 80 | u128::from(instrument.0) << 64;
    1 << 127 | side | pair | u128::from(trade.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(0);
    const INSTRUMENT: InstrumentId = InstrumentId(1);

    #[test]
    fn a_trade_is_new_once_for_each_account_and_instrument() {
        let mut log = TradeLog::new(8, 2, 2);
        let mut note = |account, instrument, trade| {
            log.note(AccountId(account), InstrumentId(instrument), TradeId(trade), Side::Buy)
        };
        assert_eq!(note(0, 1, 7), Sighting::New);
        assert_eq!(note(0, 1, 7), Sighting::Seen);
        assert_eq!(note(1, 1, 7), Sighting::New);
        assert_eq!(note(0, 0, 7), Sighting::New);
        assert_eq!(note(0, 1, 3), Sighting::New);
    }

    #[test]
    fn a_trade_with_oneself_is_new_on_either_side() {
        let mut log = TradeLog::new(4, 1, 2);
        let mut note = |side| log.note(ACCOUNT, INSTRUMENT, TradeId(7), side);
        assert_eq!([note(Side::Buy), note(Side::Sell)], [Sighting::New; 2]);
        assert_eq!([note(Side::Buy), note(Side::Sell)], [Sighting::Seen; 2]);
    }

    #[test]
    fn what_was_pushed_out_never_counts_again() {
        let mut log = TradeLog::new(4, 1, 2);
        let note =
            |log: &mut TradeLog, trade| log.note(ACCOUNT, INSTRUMENT, TradeId(trade), Side::Sell);
        for trade in 1..=20 {
            assert_eq!(note(&mut log, trade), Sighting::New);
        }
        for trade in 1..=16 {
            assert_eq!(note(&mut log, trade), Sighting::Forgotten);
        }
        for trade in 17..=20 {
            assert_eq!(note(&mut log, trade), Sighting::Seen);
        }
    }
}
