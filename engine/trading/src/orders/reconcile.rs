//! The steps by which an account is brought in line with its venue, and when the next are due.
//!
//! It only says what comes next; asking and comparing are the desk's.

use enigma_types::{InstrumentId, Nanos};

/// What is being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    OpenOrders,
    /// Each order of ours that the open orders left out is asked about by its id.
    Orders,
    /// Instrument by instrument.
    Fills(InstrumentId),
    Account,
}

/// One account's reconciliation.
#[derive(Clone, Copy, Debug)]
pub struct Reconciliation {
    phase: Phase,
    /// When the question of this phase was handed over; `None` when it is still to be.
    asked: Option<Nanos>,
    reconciled: bool,
    due: Nanos,
    tries: u8,
    /// Counts the rounds, so that an order can tell whether this round has shown it.
    round: u32,
}

impl Reconciliation {
    /// Due at once, and nothing is reconciled before it is done.
    pub const fn new() -> Self {
        Self {
            phase: Phase::Idle,
            asked: None,
            reconciled: false,
            due: Nanos::ZERO,
            tries: 0,
            round: 0,
        }
    }

    pub const fn phase(&self) -> Phase {
        self.phase
    }

    pub const fn is_reconciled(&self) -> bool {
        self.reconciled
    }

    pub const fn due(&self) -> Nanos {
        self.due
    }

    pub const fn asked(&self) -> Option<Nanos> {
        self.asked
    }

    pub const fn round(&self) -> u32 {
        self.round
    }

    pub fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
        self.enter(Phase::OpenOrders);
    }

    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.asked = None;
    }

    pub fn mark_asked(&mut self, now: Nanos) {
        self.asked = Some(now);
    }

    /// The same question once more: the answer had more than one page.
    pub fn ask_again(&mut self) {
        self.asked = None;
    }

    /// A session was lost: what is known may be old. Begins anew as soon as it can.
    pub fn reset(&mut self, now: Nanos) {
        self.enter(Phase::Idle);
        self.reconciled = false;
        self.due = now;
        self.tries = 0;
    }

    /// An operator wants it now.
    pub fn hurry(&mut self, now: Nanos) {
        if self.phase == Phase::Idle {
            self.due = now;
        }
    }

    /// A question failed, or the answers don't settle it yet: everything again, later each time.
    pub fn retry(&mut self, now: Nanos) {
        self.enter(Phase::Idle);
        self.due = now.plus(back_off(self.tries));
        self.tries = self.tries.saturating_add(1);
    }

    /// The account may trade, but something on it must be asked about again soon.
    pub fn finish_unsettled(&mut self, now: Nanos) {
        self.reconciled = true;
        self.retry(now);
    }

    pub fn finish(&mut self, now: Nanos, every: Nanos) {
        self.enter(Phase::Idle);
        self.reconciled = true;
        self.due = now.plus(every);
        self.tries = 0;
    }
}

impl Default for Reconciliation {
    fn default() -> Self {
        Self::new()
    }
}

/// 1, 2, 4, 8, 16, then 30 seconds.
pub fn back_off(tries: u8) -> Nanos {
    Nanos::from_secs((1_u64 << tries.min(5)).min(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_later_each_time_and_success_starts_over() {
        let mut account = Reconciliation::new();
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            account.begin();
            account.retry(Nanos::ZERO);
            assert_eq!(account.due(), Nanos::from_secs(seconds));
            assert!(!account.is_reconciled());
        }
        account.finish(Nanos::ZERO, Nanos::from_secs(60));
        assert!(account.is_reconciled());
        account.retry(Nanos::ZERO);
        assert_eq!(account.due(), Nanos::from_secs(1));
        assert!(account.is_reconciled(), "a failed audit takes nothing back");
        account.reset(Nanos(7));
        assert!(!account.is_reconciled());
        assert_eq!((account.due(), account.phase()), (Nanos(7), Phase::Idle));
    }
}
