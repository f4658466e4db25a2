//! What the fingerprint of a desk covers: all that the journal can give back, and nothing else.

use enigma_types::ClientOrderId;

use super::state::State;
use crate::digest::{Digest, halves};
use crate::orders::{Certainty, InFlight, Lifecycle, Order};

impl State {
    pub(super) fn digest(&self) -> u128 {
        let mut digest = Digest::default();
        for order in self.orders.iter() {
            digest.add(1, &order_numbers(order));
        }
        for closed in self.orders.all_closed() {
            let (id, reason) = (closed.client_order_id.get(), closed.reason as u64);
            let (strategy, filled) = (u64::from(closed.strategy.0), closed.filled.0 as u64);
            digest.add(2, &[id, closed.venue_order_id.0, strategy, filled, reason]);
        }
        for (strategies, place, row) in self.positions.touched() {
            let [cash, cash_high] = halves(row.cash.0);
            let (quantity, opening) = (row.quantity.0 as u64, row.opening.0 as u64);
            let (bought, sold) = (row.bought.0 as u64, row.sold.0 as u64);
            let key = (place as u64) << 1 | u64::from(strategies);
            digest.add(3, &[key, quantity, opening, bought, sold, row.fills, cash, cash_high]);
            for (asset, fee) in &row.fees {
                let [low, high] = halves(fee.0);
                digest.add(4, &[key, low, high]);
                digest.add_text(4, key, asset);
            }
        }
        digest.add(5, &[u64::from(self.ids.block()), u64::from(self.ids.next_sequence())]);
        digest.add(6, &[u64::from(self.kill.engaged), u64::from(self.run)]);
        digest.add_text(6, 1, &self.kill.reason);
        digest.add_text(7, 0, &format!("{:?}", self.limits));
        for slot in self.strategies.iter() {
            let last = slot.last_order.map_or(0, ClientOrderId::get);
            digest.add(8, &[u64::from(slot.id.0), slot.state as u64, slot.mode as u64, last]);
            digest.add_text(8, u64::from(slot.id.0), &slot.name);
            if let Some(machine) = slot.machine.built() {
                machine.fingerprint(slot.id, &mut digest);
            }
        }
        for report in &self.waiting {
            digest.add(9, &[report.venue_order_id.0, u64::from(report.instrument.0)]);
        }
        digest.value()
    }
}

fn order_numbers(order: &Order) -> [u64; 16] {
    let in_flight = match order.in_flight {
        None => 0,
        Some(InFlight::Submit) => 1,
        Some(InFlight::Cancel) => 2,
        Some(InFlight::Replace { .. }) => 3,
    };
    let lifecycle = match order.lifecycle {
        Lifecycle::Sent => 0,
        Lifecycle::Open => 1,
        Lifecycle::Closed(reason) => 2 + reason as u64,
    };
    let fence = match order.certainty {
        Certainty::Known => 0,
        Certainty::Unknown { fence, .. } => fence.0,
    };
    let (other_price, other_quantity) = order.other_leg().unwrap_or_default();
    [
        order.client_order_id.get(),
        order.venue_order_id.0,
        u64::from(order.strategy.0),
        u64::from(order.account.0) << 16 | u64::from(order.instrument.0),
        order.side as u64,
        order.price.0 as u64,
        order.quantity.0 as u64,
        order.filled.0 as u64,
        order.reported.0 as u64,
        in_flight,
        lifecycle,
        fence,
        u64::from(order.cancel_wanted),
        other_price.0 as u64,
        other_quantity.0 as u64,
        order.sent_at.0,
    ]
}
