//! The requests of a session that wait for their answer: a bounded table that allocates once.
//!
//! It must not decide what an answer means, and it must not forget a request that nobody has
//! reported: what is overdue has been reported Unknown before its place may be taken again.

use enigma_types::{ClientOrderId, Nanos, Query, RequestKind};

use crate::session::OrderKey;

/// What was asked under a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::binance) enum Asked {
    Request {
        kind: RequestKind,
        key: OrderKey,
    },
    Status {
        query: Query,
        key: OrderKey,
    },
    Logon,
    /// Whether anybody is there; the answer's content matters little.
    Pulse,
}

/// One request that went into the connection's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::binance) struct InFlight {
    pub(in crate::binance) id: u64,
    pub(in crate::binance) asked: Asked,
    pub(in crate::binance) sent_at: Nanos,
    /// Reported Unknown already; kept because a late answer is still news.
    pub(in crate::binance) overdue: bool,
}

/// Requests by id. The id's low byte is the place in the table.
#[derive(Debug)]
pub(in crate::binance) struct InFlightTable {
    places: Box<[Option<InFlight>; Self::CAPACITY]>,
    next_serial: u64,
    /// Where the search for a free place goes on.
    cursor: usize,
    waiting: usize,
}

impl InFlightTable {
    pub(in crate::binance) const CAPACITY: usize = 256;

    pub(in crate::binance) fn new() -> Self {
        Self { places: Box::new([None; Self::CAPACITY]), next_serial: 1, cursor: 0, waiting: 0 }
    }

    /// How many wait for an answer and aren't overdue.
    pub(in crate::binance) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(in crate::binance) fn is_full(&self) -> bool {
        self.waiting == Self::CAPACITY
    }

    /// The id that the next `insert` uses, and its place: free, or taken by what is overdue.
    pub(in crate::binance) fn reserve(&mut self) -> Option<u64> {
        if self.is_full() {
            return None;
        }
        for step in 0..Self::CAPACITY {
            let place = (self.cursor + step) % Self::CAPACITY;
            let taken = self.places.get(place).copied().flatten();
            if taken.is_none_or(|entry| entry.overdue) {
                self.cursor = place;
                return Some(self.next_serial << 8 | place as u64);
            }
        }
        None
    }

    /// Keeps what was sent under an id that `reserve` gave.
    pub(in crate::binance) fn insert(&mut self, id: u64, asked: Asked, sent_at: Nanos) {
        debug_assert_eq!(id >> 8, self.next_serial, "ids are used in the order they are reserved");
        if let Some(place) = self.places.get_mut((id & 0xFF) as usize) {
            *place = Some(InFlight { id, asked, sent_at, overdue: false });
            self.waiting += 1;
            self.next_serial += 1;
            self.cursor = (self.cursor + 1) % Self::CAPACITY;
        }
    }

    /// Takes the request that an answer names.
    pub(in crate::binance) fn take(&mut self, id: u64) -> Option<InFlight> {
        let place = self.places.get_mut((id & 0xFF) as usize)?;
        let entry = place.filter(|entry| entry.id == id)?;
        *place = None;
        self.waiting -= usize::from(!entry.overdue);
        Some(entry)
    }

    /// Takes the newest submit or replace of an order: the one that the barrier took back.
    pub(in crate::binance) fn take_purged(&mut self, order: ClientOrderId) -> Option<InFlight> {
        let is_risk = |entry: &&InFlight| match entry.asked {
            Asked::Request { kind: RequestKind::Submit | RequestKind::Replace, key } => {
                key.client_order_id == order && !entry.overdue
            }
            Asked::Request { kind: RequestKind::Cancel, .. }
            | Asked::Status { .. }
            | Asked::Logon
            | Asked::Pulse => false,
        };
        let id = self.places.iter().flatten().filter(is_risk).map(|entry| entry.id).max()?;
        self.take(id)
    }

    /// Whether another request of the kind went out for the order after the one of this id.
    pub(in crate::binance) fn has_newer(
        &self,
        id: u64,
        of_kind: RequestKind,
        order: ClientOrderId,
    ) -> bool {
        self.places.iter().flatten().any(|entry| match entry.asked {
            Asked::Request { kind, key } => {
                kind == of_kind && key.client_order_id == order && entry.id >> 8 > id >> 8
            }
            Asked::Status { .. } | Asked::Logon | Asked::Pulse => false,
        })
    }

    /// Marks what was sent before `before` as overdue and hands out each once.
    pub(in crate::binance) fn expire(&mut self, before: Nanos, mut overdue: impl FnMut(&InFlight)) {
        for entry in self.places.iter_mut().flatten() {
            if !entry.overdue && entry.sent_at <= before {
                entry.overdue = true;
                self.waiting -= 1;
                overdue(entry);
            }
        }
    }

    /// Hands out everything that still waits, and forgets all.
    pub(in crate::binance) fn drain(&mut self, mut lost: impl FnMut(&InFlight)) {
        for place in self.places.iter_mut() {
            if let Some(entry) = place.take().filter(|entry| !entry.overdue) {
                lost(&entry);
            }
        }
        self.waiting = 0;
    }

    /// When the oldest waiting request was sent.
    pub(in crate::binance) fn oldest(&self) -> Option<Nanos> {
        if self.waiting == 0 {
            return None;
        }
        let waiting = self.places.iter().flatten().filter(|entry| !entry.overdue);
        waiting.map(|entry| entry.sent_at).min()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::{AccountId, InstrumentId};

    use super::*;

    fn request(kind: RequestKind, order: u64) -> Asked {
        let client_order_id = ClientOrderId::new(order).unwrap();
        let key = OrderKey { account: AccountId(0), instrument: InstrumentId(0), client_order_id };
        Asked::Request { kind, key }
    }

    fn add(table: &mut InFlightTable, asked: Asked, at: u64) -> u64 {
        let id = table.reserve().unwrap();
        table.insert(id, asked, Nanos(at));
        id
    }

    #[test]
    fn a_full_table_refuses_until_something_is_answered_or_overdue() {
        let mut table = InFlightTable::new();
        let ids: Vec<u64> = (0..InFlightTable::CAPACITY as u64)
            .map(|at| add(&mut table, request(RequestKind::Submit, at + 1), at))
            .collect();
        assert_eq!(table.reserve(), None);
        assert!(table.take(ids[9]).is_some());
        assert_eq!(table.take(ids[9]), None);
        let id = add(&mut table, Asked::Pulse, 900);
        assert!(!ids.contains(&id));
        assert_eq!(table.reserve(), None);
        let mut overdue = 0;
        table.expire(Nanos(99), |_| overdue += 1);
        assert_eq!((overdue, table.waiting()), (99, 157));
        // A late answer is still recognised while its place isn't needed.
        assert!(table.take(ids[3]).unwrap().overdue);
        assert!(table.reserve().is_some());
    }

    #[test]
    fn ids_never_repeat() {
        let mut table = InFlightTable::new();
        let mut last = 0;
        for at in 0..2_000 {
            let id = add(&mut table, Asked::Pulse, at);
            assert!(id > last || id >> 8 > last >> 8);
            last = id;
            assert!(table.take(id).is_some());
        }
    }

    #[test]
    fn the_barrier_takes_the_newest_request_that_adds_risk() {
        let mut table = InFlightTable::new();
        let submit = add(&mut table, request(RequestKind::Submit, 5), 1);
        add(&mut table, request(RequestKind::Cancel, 5), 2);
        let replace = add(&mut table, request(RequestKind::Replace, 5), 3);
        let five = ClientOrderId::new(5).unwrap();
        assert_eq!(table.take_purged(five).unwrap().id, replace);
        assert_eq!(table.take_purged(five).unwrap().id, submit);
        assert_eq!(table.take_purged(five), None);
        assert_eq!(table.waiting(), 1);
    }

    #[test]
    fn each_request_is_handed_out_once_as_lost() {
        let mut table = InFlightTable::new();
        add(&mut table, request(RequestKind::Submit, 1), 1);
        add(&mut table, request(RequestKind::Submit, 2), 50);
        let mut lost = Vec::new();
        table.expire(Nanos(10), |entry| lost.push(entry.sent_at.0));
        table.drain(|entry| lost.push(entry.sent_at.0));
        table.drain(|entry| lost.push(entry.sent_at.0));
        assert_eq!(lost, [1, 50]);
        assert_eq!(table.oldest(), None);
    }
}
