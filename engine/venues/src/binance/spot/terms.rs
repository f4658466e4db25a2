//! The terms of our resting orders, as this connection was told them: what a replace is composed
//! from, because it names neither the old terms nor the time in force. It must not be taken for
//! the truth about an order: the venue checks what it is sent.

use enigma_types::{
    ClientOrderId, Nanos, Price, Quantity, TimeInForce, WorkingOrder, WorkingStatus,
};

/// What a resting order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    pub(super) time_in_force: TimeInForce,
    /// When its last cancel-replace left.
    pub(super) replaced_at: Option<Nanos>,
}

/// Terms by order, in sets of eight: bounded, allocated once. Where a set is full the oldest goes,
/// and a replace of it is refused until the open orders are told again.
#[derive(Debug)]
pub(super) struct TermsTable {
    sets: Box<[[Option<Row>; WAYS]; SETS]>,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    order: ClientOrderId,
    terms: Terms,
    told: u64,
}

impl TermsTable {
    pub(super) fn new() -> Self {
        Self { sets: Box::new([[None; WAYS]; SETS]), clock: 0 }
    }

    pub(super) fn get(&self, order: ClientOrderId) -> Option<Terms> {
        let rows = self.sets.get(set_of(order))?;
        rows.iter().flatten().find(|row| row.order == order).map(|row| row.terms)
    }

    /// Keeps the terms of an order that may rest.
    pub(super) fn keep(&mut self, order: ClientOrderId, terms: Terms) {
        self.clock += 1;
        let told = self.clock;
        let Some(rows) = self.sets.get_mut(set_of(order)) else { return };
        let same = rows.iter().position(|row| row.is_some_and(|row| row.order == order));
        let free = same.or_else(|| rows.iter().position(Option::is_none));
        let oldest = || (0..WAYS).min_by_key(|&way| rows.get(way)?.map(|row| row.told));
        if let Some(slot) = free.or_else(oldest).and_then(|way| rows.get_mut(way)) {
            *slot = Some(Row { order, terms, told });
        }
    }

    pub(super) fn forget(&mut self, order: ClientOrderId) {
        for slot in self.sets.get_mut(set_of(order)).into_iter().flatten() {
            slot.take_if(|row| row.order == order);
        }
    }

    /// Takes in what the venue says of an order.
    pub(super) fn told(&mut self, order: ClientOrderId, working: &WorkingOrder) {
        match working.status {
            WorkingStatus::Open => {
                let replaced_at = self.get(order).and_then(|terms| terms.replaced_at);
                self.keep(
                    order,
                    Terms {
                        price: working.price,
                        quantity: working.quantity,
                        time_in_force: working.time_in_force,
                        replaced_at,
                    },
                );
            }
            WorkingStatus::Unrecognised => {}
            WorkingStatus::Filled
            | WorkingStatus::Canceled
            | WorkingStatus::Expired
            | WorkingStatus::Rejected => self.forget(order),
        }
    }

    /// The last cancel-replace was answered: what is said of the order means the order itself.
    pub(super) fn settled(&mut self, order: ClientOrderId) {
        if let Some(terms) = self.get(order) {
            self.keep(order, Terms { replaced_at: None, ..terms });
        }
    }

    /// A cancel-replace has left: until it is settled, "canceled" may be only its first half.
    pub(super) fn replaced(&mut self, order: ClientOrderId, at: Nanos) {
        if let Some(terms) = self.get(order) {
            self.keep(order, Terms { replaced_at: Some(at), ..terms });
        }
    }
}

fn set_of(order: ClientOrderId) -> usize {
    (order.get() % SETS as u64) as usize
}

const WAYS: usize = 8;
const SETS: usize = 128;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use super::*;

    fn id(id: u64) -> ClientOrderId {
        ClientOrderId::new(id).unwrap()
    }

    fn terms(price: i64) -> Terms {
        Terms {
            price: Price(price),
            quantity: Quantity(5),
            time_in_force: TimeInForce::Gtc,
            replaced_at: None,
        }
    }

    #[test]
    fn a_thousand_orders_are_kept_and_then_the_oldest_goes() {
        let mut table = TermsTable::new();
        for order in 1..=1_024 {
            table.keep(id(order), terms(order as i64));
        }
        assert!((1..=1_024).all(|order| table.get(id(order)) == Some(terms(order as i64))));
        // Told again it is the newest of its set, and the next oldest makes room.
        table.keep(id(1), terms(9));
        table.keep(id(1_025), terms(1_025));
        assert_eq!(table.get(id(1)), Some(terms(9)));
        assert_eq!(table.get(id(129)), None);
        assert_eq!(table.get(id(1_025)), Some(terms(1_025)));
        table.forget(id(1));
        assert_eq!(table.get(id(1)), None);
    }
}
