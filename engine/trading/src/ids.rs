//! Client order ids: taken from blocks that are leased in the journal before their first use.
//!
//! A block's number is above every block leased before and not below the seconds since 2026, so
//! that ids stay unique even when the data directory was lost. Nothing here writes the lease.

use enigma_types::{ClientOrderId, UnixNanos};

/// Ids of the leased block that are still free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdLease {
    block: u32,
    next: u32,
    leased: bool,
}

impl IdLease {
    /// The block to lease next.
    pub fn next_block(&self, wall: UnixNanos) -> u32 {
        let seconds = wall.as_secs().saturating_sub(EPOCH_SECONDS);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        self.block.saturating_add(1).max(seconds).min(LAST_BLOCK)
    }

    /// A block was leased; what was left of the one before is never used.
    pub fn apply_lease(&mut self, block: u32) {
        // The last block can be leased once only; after it there are no ids.
        if !self.leased || block > self.block {
            *self = Self { block, next: 0, leased: true };
        }
    }

    /// The next free id, not taken yet; `None` when the block is used up or none is leased.
    pub fn peek(&self) -> Option<ClientOrderId> {
        if !self.leased {
            return None;
        }
        ClientOrderId::from_parts(self.block, self.next)
    }

    /// An id was used, in this run or, during a replay, in an earlier one.
    pub fn apply_used(&mut self, id: ClientOrderId) {
        let sequence = (id.get() & ((1 << ClientOrderId::SEQUENCE_BITS) - 1)) as u32;
        if id.block() == self.block {
            self.next = self.next.max(sequence + 1);
        }
    }

    pub const fn block(&self) -> u32 {
        self.block
    }

    pub const fn next_sequence(&self) -> u32 {
        self.next
    }
}

/// 2026-01-01 00:00:00 UTC.
const EPOCH_SECONDS: u64 = 1_767_225_600;
const LAST_BLOCK: u32 = (1 << ClientOrderId::BLOCK_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_of_2026(seconds: u64) -> UnixNanos {
        UnixNanos::from_millis((EPOCH_SECONDS + seconds) * 1_000)
    }

    fn take(lease: &mut IdLease) -> Option<u64> {
        let id = lease.peek()?;
        lease.apply_used(id);
        Some(id.get())
    }

    #[test]
    fn no_id_is_given_without_a_lease_or_beyond_it() {
        let mut lease = IdLease::default();
        assert_eq!(take(&mut lease), None);
        lease.apply_lease(3);
        let first = 3 << ClientOrderId::SEQUENCE_BITS;
        for sequence in 0..1 << ClientOrderId::SEQUENCE_BITS {
            assert_eq!(take(&mut lease), Some(first + sequence));
        }
        assert_eq!(take(&mut lease), None);
    }

    #[test]
    fn blocks_follow_the_clock_and_never_go_back() {
        let mut lease = IdLease::default();
        assert_eq!(lease.next_block(UnixNanos(0)), 1);
        assert_eq!(lease.next_block(seconds_of_2026(500)), 500);
        lease.apply_lease(500);
        assert_eq!(lease.next_block(seconds_of_2026(400)), 501);
        assert_eq!(lease.next_block(seconds_of_2026(900)), 900);
    }

    #[test]
    fn a_lost_data_directory_never_repeats_an_id() {
        let mut before = IdLease::default();
        before.apply_lease(before.next_block(seconds_of_2026(1_000)));
        let used: Vec<_> = (0..50).map(|_| take(&mut before)).collect();
        let mut after = IdLease::default();
        after.apply_lease(after.next_block(seconds_of_2026(1_001)));
        for _ in 0..50 {
            assert!(!used.contains(&take(&mut after)));
        }
    }

    #[test]
    fn an_earlier_block_in_the_journal_changes_nothing() {
        let mut lease = IdLease::default();
        lease.apply_lease(9);
        take(&mut lease);
        lease.apply_lease(9);
        lease.apply_lease(4);
        assert_eq!((lease.block(), lease.next_sequence()), (9, 1));
    }

    #[test]
    fn after_the_last_block_there_are_no_ids() {
        let mut lease = IdLease::default();
        lease.apply_lease(LAST_BLOCK);
        while take(&mut lease).is_some() {}
        lease.apply_lease(lease.next_block(UnixNanos(u64::MAX)));
        assert_eq!(take(&mut lease), None);
    }
}
