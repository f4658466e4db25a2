//! A page of orders from two sides: the live read model, and the store behind it. The newer state
//! of an order wins, the live one where both are alike; none is shown twice or left out.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use enigma_engine::snapshot::ReadModel;
use enigma_types::ClientOrderId;

use super::history;
use super::orders::{Filter, Order};
use crate::app::App;
use crate::naming::Naming;
use crate::problem::Problem;
use crate::store::{Kept, Order as Direction, Store, StoreError, StoredOrder};

/// Where a page begins: orders before this id and journal, in that order.
pub(super) type OrderPlace = (u64, u64);

/// One page, newest order first.
#[derive(Debug, Default)]
pub(super) struct OrderPage {
    pub(super) items: Vec<Order>,
    pub(super) next: Option<OrderPlace>,
    /// Why only what the daemon holds in memory is shown.
    pub(super) incomplete: Option<String>,
}

/// Stored rows that come next, as far as they were read.
#[derive(Debug)]
struct Stored {
    store: Arc<Store>,
    rows: VecDeque<StoredOrder>,
    after: Option<OrderPlace>,
    exhausted: bool,
}

impl OrderPage {
    pub(super) async fn read(
        app: &App,
        filter: &Filter,
        after: Option<OrderPlace>,
        limit: usize,
    ) -> Result<Self, Problem> {
        let naming = app.naming()?;
        let store = app.store.as_ref().filter(|_| !filter.is_of_live_orders());
        let mut incomplete = None;
        let mut stored = store.map(|store| Stored::new(Arc::clone(store), after));
        // One more than wanted tells whether there is another page.
        while let Some(side) = &mut stored
            && !side.exhausted
            && side.rows.len() <= limit
        {
            match side.read(filter, limit + 1 - side.rows.len()).await {
                Ok(()) => side.drop_outdated(&app.engine.model()),
                Err(error) => {
                    tracing::warn!(%error, "a page of orders is shown without history");
                    incomplete = Some(history::incomplete(&error));
                    stored = None;
                }
            }
        }
        let journal = app.store.as_ref().map_or(0, |store| store.status.journal());
        let model = app.engine.model();
        let mut rows = VecDeque::new();
        if let Some(mut side) = stored {
            side.drop_outdated(&model);
            for row in &mut side.rows {
                row.disown_unless(journal);
            }
            rows = side.rows;
        }
        let live = live(&model, &naming, filter, (after, journal), limit + 1);
        let page = merge(live, rows, journal, limit);
        Ok(Self { incomplete, ..page })
    }
}

impl Stored {
    fn new(store: Arc<Store>, after: Option<OrderPlace>) -> Self {
        Self { store, rows: VecDeque::new(), after, exhausted: false }
    }

    async fn read(&mut self, filter: &Filter, most: usize) -> Result<(), StoreError> {
        // Without it nobody could tell which rows are of the journal that is followed.
        self.store.journal()?;
        let wanted = filter.of_store();
        let after = self.after.as_ref();
        let rows: Vec<StoredOrder> =
            self.store.page(&wanted, Direction::NewestFirst, after, most).await?;
        self.exhausted = rows.len() < most;
        self.after = rows.last().map(Kept::place).or(self.after);
        self.rows.extend(rows);
        Ok(())
    }

    /// Drops rows whose order has moved on since: the live side knows whether it is still wanted.
    fn drop_outdated(&mut self, model: &ReadModel) {
        let journal = self.store.status.journal();
        self.rows.retain(|row| {
            let id = ClientOrderId::new(row.client_order_id).filter(|_| row.journal == journal);
            let view = id.and_then(|id| model.orders.get(&id));
            view.is_none_or(|view| view.updated_at.0 <= row.updated_at_ns)
        });
    }
}

/// The live side of a page, newest first.
fn live(
    model: &ReadModel,
    naming: &Naming,
    filter: &Filter,
    (after, journal): (Option<OrderPlace>, u64),
    most: usize,
) -> VecDeque<(u64, Order)> {
    let wanted = model.orders.values().rev().filter(|view| {
        let place = (view.client_order_id.get(), journal);
        after.is_none_or(|after| place < after) && filter.wants(view, model, naming)
    });
    wanted
        .filter_map(|view| Some((view.client_order_id.get(), Order::new(view, model, naming)?)))
        .take(most)
        .collect()
}

/// Both sides in one order. What both have is shown as the store has it, which is not older and
/// knows the names of strategies that are gone.
fn merge(
    mut live: VecDeque<(u64, Order)>,
    mut stored: VecDeque<StoredOrder>,
    journal: u64,
    limit: usize,
) -> OrderPage {
    let mut page = OrderPage::default();
    let mut last = None;
    loop {
        let newest = match (live.front(), stored.front()) {
            (None, None) => return page,
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (Some((id, _)), Some(row)) => (*id, journal).cmp(&row.place()),
        };
        if page.items.len() == limit {
            page.next = last;
            return page;
        }
        if newest != Ordering::Less
            && let Some((id, order)) = live.pop_front()
            && newest == Ordering::Greater
        {
            last = Some((id, journal));
            page.items.push(order);
        }
        if newest != Ordering::Greater
            && let Some(row) = stored.pop_front()
        {
            last = Some(row.place());
            page.items.push(row.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::blank_order;

    const JOURNAL: u64 = 2;

    fn stored((id, journal): OrderPlace) -> StoredOrder {
        StoredOrder { client_order_id: id, journal, ..blank_order() }
    }

    #[track_caller]
    fn check(
        live: &[u64],
        kept: &[OrderPlace],
        limit: usize,
        ids: &[&str],
        next: Option<OrderPlace>,
    ) {
        let live = live.iter().map(|id| (*id, Order::from(stored((*id, JOURNAL))))).collect();
        let kept = kept.iter().map(|place| stored(*place)).collect();
        let page = merge(live, kept, JOURNAL, limit);
        let shown: Vec<&str> = page.items.iter().map(Order::id).collect();
        assert_eq!((shown.as_slice(), page.next), (ids, next));
    }

    #[test]
    fn both_sides_are_shown_in_one_order_and_nothing_twice() {
        check(&[], &[], 3, &[], None);
        check(&[9, 7], &[(8, 2), (7, 2), (3, 1)], 9, &["9", "8", "7", "3"], None);
        check(&[9, 7], &[(9, 2), (8, 2), (7, 2)], 2, &["9", "8"], Some((8, 2)));
        check(&[9, 8], &[], 2, &["9", "8"], None);
        check(&[9, 8, 7], &[], 2, &["9", "8"], Some((8, 2)));
        check(&[], &[(5, 2), (5, 1), (4, 1)], 2, &["5", "5"], Some((5, 1)));
        check(&[5], &[(5, 3), (5, 1)], 9, &["5", "5", "5"], None);
    }
}
