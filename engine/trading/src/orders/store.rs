//! Every order of ours that may still trade, and what is kept of those that no longer can.
//!
//! Allocates at creation and never again. When all places for live orders are taken no order is
//! opened; of closed orders the newest are kept, so that late fills and late news find them.

use enigma_types::{
    AccountId, ClientOrderId, InstrumentId, Price, Quantity, Side, StrategyId, VenueOrderId,
};

use super::table::IdTable;
use super::{CloseReason, Lifecycle, Order};

/// A live order's place. It is another's once the order is closed and settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u32);

/// What is kept of an order after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedOrder {
    pub client_order_id: ClientOrderId,
    pub venue_order_id: VenueOrderId,
    pub strategy: StrategyId,
    pub account: AccountId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub price: Price,
    pub quantity: Quantity,
    pub filled: Quantity,
    pub reason: CloseReason,
}

/// Where an id leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Live(Slot),
    Closed(usize),
}

/// All places for live orders are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for another live order")]
pub struct StoreFull;

#[derive(Debug)]
pub struct OrderStore {
    places: Box<[Option<Order>]>,
    free: Vec<Slot>,
    /// The taken places, in no order that means anything.
    live: Vec<Slot>,
    /// Where each taken place stands in `live`.
    rank: Box<[u32]>,
    closed: Box<[Option<ClosedOrder>]>,
    next_closed: usize,
    /// Client ids to places, with `CLOSED` set for those in the ring of closed orders.
    ids: IdTable,
    /// The venue's ids to ours.
    venue_ids: IdTable,
}

impl OrderStore {
    pub fn new(live_orders: usize, closed_orders: usize) -> Self {
        let count = u32::try_from(live_orders.max(1)).unwrap_or(u32::MAX);
        let closed_orders = closed_orders.max(1);
        let ids = count as usize + closed_orders;
        Self {
            places: vec![None; count as usize].into(),
            free: (0..count).rev().map(Slot).collect(),
            live: Vec::with_capacity(count as usize),
            rank: vec![0; count as usize].into(),
            closed: vec![None; closed_orders].into(),
            next_closed: 0,
            ids: IdTable::new(ids),
            venue_ids: IdTable::new(ids),
        }
    }

    pub fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Takes an order in. Its id must be new.
    pub fn open(&mut self, order: Order) -> Result<Slot, StoreFull> {
        let slot = self.free.pop().ok_or(StoreFull)?;
        let Some(place) = self.places.get_mut(slot.0 as usize) else { return Err(StoreFull) };
        *place = Some(order);
        if let Some(rank) = self.rank.get_mut(slot.0 as usize) {
            *rank = self.live.len() as u32;
        }
        self.live.push(slot);
        let fits = self.ids.insert(id_key(order.client_order_id), u64::from(slot.0));
        debug_assert!(fits, "the table has a place for each order");
        self.name(&order);
        Ok(slot)
    }

    #[inline]
    pub fn get(&self, slot: Slot) -> Option<&Order> {
        self.places.get(slot.0 as usize).and_then(Option::as_ref)
    }

    #[inline]
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Order> {
        self.places.get_mut(slot.0 as usize).and_then(Option::as_mut)
    }

    pub fn find(&self, id: ClientOrderId) -> Option<Found> {
        self.ids.get(id_key(id)).map(|value| {
            if value & CLOSED == 0 {
                Found::Live(Slot(value as u32))
            } else {
                Found::Closed((value & !CLOSED) as usize)
            }
        })
    }

    pub fn find_live(&self, id: ClientOrderId) -> Option<(Slot, &Order)> {
        match self.find(id)? {
            Found::Live(slot) => self.get(slot).map(|order| (slot, order)),
            Found::Closed(_) => None,
        }
    }

    /// Our id of an order that a venue names by its own.
    pub fn client_id(
        &self,
        account: AccountId,
        instrument: InstrumentId,
        id: VenueOrderId,
    ) -> Option<ClientOrderId> {
        self.venue_ids.get(venue_key(account, instrument, id)).and_then(ClientOrderId::new)
    }

    /// Remembers the venue's id of an order, once the venue has given one.
    pub fn name(&mut self, order: &Order) {
        if order.venue_order_id != VenueOrderId::default() {
            let key = venue_key(order.account, order.instrument, order.venue_order_id);
            // Without room a fill named only by the venue's id waits in the unattributed list.
            let _ = self.venue_ids.insert(key, order.client_order_id.get());
        }
    }

    /// Moves a closed order out of its place and among the closed ones.
    pub fn retire(&mut self, slot: Slot) {
        let Some(order) = self.places.get_mut(slot.0 as usize).and_then(Option::take) else {
            return;
        };
        self.leave_live(slot);
        let reason = match order.lifecycle {
            Lifecycle::Closed(reason) => reason,
            Lifecycle::Sent | Lifecycle::Open => {
                debug_assert!(false, "only a closed order is retired");
                CloseReason::Vanished
            }
        };
        let at = self.next_closed;
        let tombstone = ClosedOrder {
            client_order_id: order.client_order_id,
            venue_order_id: order.venue_order_id,
            strategy: order.strategy,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            price: order.price,
            quantity: order.quantity,
            filled: order.filled,
            reason,
        };
        if let Some(oldest) = self.closed.get_mut(at).and_then(|place| place.replace(tombstone)) {
            debug_assert!(oldest.client_order_id != order.client_order_id, "ids are unique");
            self.ids.remove(id_key(oldest.client_order_id));
            let (account, instrument) = (oldest.account, oldest.instrument);
            self.venue_ids.remove(venue_key(account, instrument, oldest.venue_order_id));
        }
        self.next_closed = (at + 1) % self.closed.len();
        let fits = self.ids.insert(id_key(order.client_order_id), at as u64 | CLOSED);
        debug_assert!(fits, "the order had a place under this id");
    }

    pub fn closed(&self, place: usize) -> Option<&ClosedOrder> {
        self.closed.get(place).and_then(Option::as_ref)
    }

    pub fn closed_mut(&mut self, place: usize) -> Option<&mut ClosedOrder> {
        self.closed.get_mut(place).and_then(Option::as_mut)
    }

    /// Lets go of a closed order whose id has just been given to a live one.
    pub fn forget_closed(&mut self, place: usize) {
        if let Some(entry) = self.closed.get_mut(place) {
            *entry = None;
        }
    }

    pub fn all_closed_mut(&mut self) -> impl Iterator<Item = &mut ClosedOrder> {
        self.closed.iter_mut().filter_map(Option::as_mut)
    }

    pub fn all_closed(&self) -> impl Iterator<Item = &ClosedOrder> {
        self.closed.iter().filter_map(Option::as_ref)
    }

    /// The orders in live places: those that may trade, and closed ones whose fills are missing.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.live.iter().filter_map(|&slot| self.get(slot))
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The live place at a position from 0 to `len`. Retiring that place puts the last one there,
    /// so a walk that retires goes from the end to the start.
    pub fn slot_at(&self, position: usize) -> Option<Slot> {
        self.live.get(position).copied()
    }

    pub const fn capacity(&self) -> usize {
        self.places.len()
    }

    fn leave_live(&mut self, slot: Slot) {
        let rank = self.rank.get(slot.0 as usize).copied().unwrap_or_default();
        self.live.swap_remove(rank as usize);
        if let Some(&moved) = self.live.get(rank as usize)
            && let Some(place) = self.rank.get_mut(moved.0 as usize)
        {
            *place = rank;
        }
        self.free.push(slot);
    }
}

impl Slot {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

const CLOSED: u64 = 1 << 63;

fn id_key(id: ClientOrderId) -> u128 {
    u128::from(id.get())
}

fn venue_key(account: AccountId, instrument: InstrumentId, id: VenueOrderId) -> u128 {
    1 << 127 | u128::from(account.0) << 80 | u128::from(instrument.0) << 64 | u128::from(id.0)
}
