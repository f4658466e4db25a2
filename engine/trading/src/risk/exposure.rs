//! What a position could become: what is held, and what may still fill on either side.
//!
//! One row for each (account, instrument) and each (strategy, instrument), laid out at creation.

use enigma_types::{Quantity, Side, SignedQuantity};

/// The worst case of one scope. Sent, Unknown and Open orders all count in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    pub position: SignedQuantity,
    /// What may still be bought by orders that may be open.
    pub buys: Quantity,
    /// What may still be sold by orders that may be open.
    pub sells: Quantity,
    pub open_orders: u32,
}

/// One value for each pair of two ids, in one allocation.
#[derive(Clone, Debug)]
pub(super) struct Grid<T> {
    cells: Box<[T]>,
    columns: usize,
}

impl Exposure {
    /// The position if everything on this side filled, and `more`, and nothing of the other.
    pub const fn extreme(&self, side: Side, more: Quantity) -> i64 {
        match side {
            Side::Buy => self.position.0.saturating_add(self.buys.0).saturating_add(more.0),
            Side::Sell => self.position.0.saturating_sub(self.sells.0).saturating_sub(more.0),
        }
    }

    /// How far the side's extreme lies on that side of zero; zero when it lies on the other.
    pub const fn worst(&self, side: Side, more: Quantity) -> i64 {
        let extreme = self.extreme(side, more);
        let adverse = match side {
            Side::Buy => extreme,
            Side::Sell => extreme.saturating_neg(),
        };
        if adverse < 0 { 0 } else { adverse }
    }

    /// Whether `more` on this side, with all that may fill there, can only shrink the position:
    /// it never passes through zero.
    pub const fn surely_reduces(&self, side: Side, more: Quantity) -> bool {
        let held = match side {
            Side::Buy => self.position.0 < 0,
            Side::Sell => self.position.0 > 0,
        };
        held && self.worst(side, more) == 0
    }

    pub(super) fn reserve(&mut self, side: Side, quantity: Quantity) {
        let leaves = self.leaves_mut(side);
        *leaves = leaves.plus(quantity);
    }

    pub(super) fn release(&mut self, side: Side, quantity: Quantity) {
        let leaves = self.leaves_mut(side);
        debug_assert!(leaves.0 >= quantity.0, "only what was reserved is released");
        *leaves = leaves.less(quantity);
    }

    pub(super) fn fill(&mut self, side: Side, quantity: Quantity) {
        self.position = self.position.plus(quantity.signed(side));
    }

    fn leaves_mut(&mut self, side: Side) -> &mut Quantity {
        match side {
            Side::Buy => &mut self.buys,
            Side::Sell => &mut self.sells,
        }
    }
}

impl<T: Clone + Default> Grid<T> {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { cells: vec![T::default(); rows * columns].into(), columns }
    }

    pub(super) fn get(&self, row: u16, column: u16) -> Option<&T> {
        self.cells.get(self.place(row, column)?)
    }

    pub(super) fn get_mut(&mut self, row: u16, column: u16) -> Option<&mut T> {
        let place = self.place(row, column)?;
        self.cells.get_mut(place)
    }

    pub(super) fn rows(&self) -> u16 {
        let rows = self.cells.len().checked_div(self.columns).unwrap_or_default();
        u16::try_from(rows).unwrap_or(u16::MAX)
    }

    pub(super) fn clear_row(&mut self, row: u16) {
        let start = usize::from(row) * self.columns;
        if let Some(cells) = self.cells.get_mut(start..start + self.columns) {
            cells.fill(T::default());
        }
    }

    fn place(&self, row: u16, column: u16) -> Option<usize> {
        let column = usize::from(column);
        (column < self.columns).then_some(usize::from(row) * self.columns + column)
    }
}
