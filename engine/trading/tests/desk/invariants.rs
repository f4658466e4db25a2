//! What must hold after every step of a simulated run, and what must be true at its end. The
//! numbers are those of the invariants that the project keeps.

use std::collections::{BTreeMap, BTreeSet};

use enigma_trading::command::DeskCommand;
use enigma_trading::orders::Lifecycle;
use enigma_trading::risk::Limit;
use enigma_types::{Amount, ClientOrderId, Quantity, SessionKind, Side, StrategyId, VenueRequest};

use crate::bench::{ACCOUNT, BTC};
use crate::faults::Faults;
use crate::network::{Parcel, SECOND, WINDOW};
use crate::simulation::World;

/// What the limit on the position's value comes to at the middle of 100.0.
const MOST_HELD: i64 = 60;

impl World {
    /// What must hold after every step.
    pub(crate) fn check(&mut self) {
        for order in self.venue.live() {
            let id = order.terms.client_order_id;
            self.check_remembered(id, "is open at the venue");
        }
        for ((at, _), parcel) in &self.parcels {
            let (sent, arrives) = match parcel {
                Parcel::ToVenue(sent) => (sent, *at <= sent.at + WINDOW),
                Parcel::Match(sent) => (sent, true),
                Parcel::Response { .. } | Parcel::Stream { .. } | Parcel::Reconnect(_) => continue,
            };
            if let VenueRequest::Submit(order) = &sent.request
                && arrives
            {
                self.check_remembered(order.client_order_id, "may still reach matching");
            }
        }
        self.check_limits();
        self.check_ranks();
    }

    fn check_remembered(&self, id: ClientOrderId, because: &str) {
        let known = self.desk.orders().find_live(id).is_some_and(|(_, order)| !order.is_closed());
        assert!(known, "I2, I5: order {id} {because} and the desk thinks it is dead");
    }

    /// I15, in the venue's own books, with everything that may still arrive there.
    fn check_limits(&self) {
        for side in [Side::Buy, Side::Sell] {
            let mut most: BTreeMap<ClientOrderId, i64> = self
                .venue
                .live()
                .filter(|order| order.terms.side == side)
                .map(|order| (order.terms.client_order_id, order.leaves()))
                .collect();
            for parcel in self.parcels.values() {
                let (Parcel::ToVenue(sent) | Parcel::Match(sent)) = parcel else { continue };
                match &sent.request {
                    VenueRequest::Submit(order) if order.side == side => {
                        let leaves = most.entry(order.client_order_id).or_default();
                        *leaves = (*leaves).max(order.quantity.0);
                    }
                    VenueRequest::Replace(replace) if replace.side == side => {
                        if let Some(order) = self.venue.orders.get(&replace.client_order_id) {
                            let wanted = replace.quantity.0 - order.filled;
                            if let Some(leaves) = most.get_mut(&replace.client_order_id) {
                                *leaves = (*leaves).max(wanted);
                            }
                        }
                    }
                    VenueRequest::Submit(_)
                    | VenueRequest::Replace(_)
                    | VenueRequest::Cancel(_)
                    | VenueRequest::Query(_) => {}
                }
            }
            let sign = Quantity(1).signed(side).0;
            let worst = self.venue.position * sign + most.values().sum::<i64>();
            assert!(worst <= MOST_HELD, "I15: {worst} could be held on {side:?}");
        }
    }

    fn check_ranks(&mut self) {
        for order in self.desk.orders().iter() {
            let rank = match order.lifecycle {
                Lifecycle::Sent => 0,
                Lifecycle::Open => 1,
                Lifecycle::Closed(_) => 2,
            };
            let (id, is) = (order.client_order_id, (rank, order.filled));
            let was = self.seen.insert(id, is).unwrap_or((0, Quantity::ZERO));
            assert!(was.0 <= is.0 && was.1 <= is.1, "I4: order {id} went from {was:?} to {is:?}");
        }
    }

    /// The faults stop, and everything comes to agree.
    pub(crate) fn settle(&mut self) {
        self.faults = Faults::default();
        if self.random.below(2) == 0 {
            self.disconnect(SessionKind::Order);
            self.disconnect(SessionKind::Account);
        }
        self.pass(240 * SECOND);
        assert!(self.desk.is_reconciled(ACCOUNT), "I25: reconciled");
        assert_eq!(self.desk.counters().orders_unknown, 0, "I25: nothing is Unknown");
        let open: BTreeSet<_> =
            self.venue.live().map(|order| order.terms.client_order_id).collect();
        let ours: BTreeSet<_> =
            self.desk.orders().iter().map(|order| order.client_order_id).collect();
        let orders: Vec<_> = self.desk.orders().iter().collect();
        assert_eq!(ours, open, "I2, I3: the same orders are open here and there: {orders:#?}");
        for order in self.desk.orders().iter() {
            let theirs = self.venue.orders[&order.client_order_id];
            assert_eq!(order.filled.0, theirs.filled);
            assert_eq!((order.price, order.quantity), (theirs.terms.price, theirs.terms.quantity));
        }
        self.check_money();
        self.check_open_value();
        self.killed = true;
        self.command(DeskCommand::Kill { reason: "the end".into() });
        self.pass(120 * SECOND);
        assert_eq!(self.venue.live().count(), 0, "I9, I17: every cancel came through");
        assert!(self.desk.orders().is_empty());
        self.check_money();
        self.check_open_value();
        self.crash();
    }

    /// What open orders may still trade for is what the venue's books say.
    fn check_open_value(&mut self) {
        let unit = Amount::from_units(1).0 / 10_000;
        let open = self.venue.live();
        let open: i128 = open
            .map(|order| i128::from(order.leaves()) * i128::from(order.terms.price.0) * unit)
            .sum();
        let now = self.now().mono;
        let used = self.desk.engine_use(now);
        let used = used.into_iter().find(|used| used.limit == Limit::OpenNotional);
        assert_eq!(used.unwrap().used, open, "C7: the value of open orders");
    }

    fn check_money(&self) {
        let positions = self.desk.positions();
        assert_eq!(positions.held(ACCOUNT, BTC).0, self.venue.position, "I10: the position");
        let strategies = self.desk.strategies().map(|slot| slot.id);
        let traded: i64 =
            strategies.chain([StrategyId::MANUAL]).map(|id| positions.traded(id, BTC).0).sum();
        assert_eq!(traded, self.venue.position, "I10: every fill has its owner");
        let exposure = self.desk.risk().exposure(ACCOUNT, BTC);
        assert_eq!(exposure.position.0, self.venue.position);
        let leaves = |side| -> i64 {
            let orders = self.venue.live().filter(|order| order.terms.side == side);
            orders.map(|order| order.leaves()).sum()
        };
        assert_eq!((exposure.buys.0, exposure.sells.0), (leaves(Side::Buy), leaves(Side::Sell)));
        assert_eq!(exposure.open_orders as usize, self.venue.live().count());
        let counters = self.desk.counters();
        assert_eq!(counters.orders_resurrected, 0, "I5: what ended has ended");
        assert_eq!(counters.overfills, 0);
        assert_eq!(counters.fills_forgotten, 0);
    }
}
