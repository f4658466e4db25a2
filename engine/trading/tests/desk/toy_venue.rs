//! A venue that knows everything, answers questions truly, and matches what still reaches it in
//! time. What the network makes of its messages is the simulation's.

use std::collections::BTreeMap;

use enigma_types::{
    ClientOrderId, ExecutionReport, Nanos, OrderReference, OrderRequest, Outcome, Quantity, Query,
    QueryReport, RejectClass, ReplaceRequest, Report, ReportSource, RequestKind, Side, TimeInForce,
    UnixNanos, WorkingOrder, WorkingStatus,
};

use crate::bench::{ACCOUNT, BTC, external, fill, rejected, venue_id};

#[derive(Clone, Copy, Debug)]
pub(crate) struct ToyOrder {
    pub(crate) terms: OrderRequest,
    pub(crate) filled: i64,
    pub(crate) status: WorkingStatus,
    updated: UnixNanos,
}

#[derive(Clone, Copy, Debug)]
struct ToyTrade {
    id: u64,
    order: ClientOrderId,
    side: Side,
    quantity: i64,
    at: UnixNanos,
}

/// What the venue wants told: by the private stream, and in answer to the request.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) stream: Vec<Report>,
    pub(crate) response: Vec<Report>,
}

#[derive(Debug, Default)]
pub(crate) struct ToyVenue {
    pub(crate) orders: BTreeMap<ClientOrderId, ToyOrder>,
    trades: Vec<ToyTrade>,
    pub(crate) position: i64,
    clock: UnixNanos,
}

impl ToyOrder {
    pub(crate) fn is_live(&self) -> bool {
        self.status == WorkingStatus::Open
    }

    pub(crate) fn leaves(&self) -> i64 {
        self.terms.quantity.0 - self.filled
    }
}

impl ToyVenue {
    /// The venue's clock goes on with the world's and never stands still.
    pub(crate) fn tick(&mut self, wall: UnixNanos) {
        self.clock = UnixNanos(wall.0.max(self.clock.0 + 1));
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &ToyOrder> {
        self.orders.values().filter(|order| order.is_live())
    }

    /// Accepts an order; an immediate one takes `available` and expires.
    pub(crate) fn submit(&mut self, request: &OrderRequest, available: i64) -> Told {
        let id = request.client_order_id;
        if self.orders.contains_key(&id) {
            return self.refuse(id, RequestKind::Submit, RejectClass::DuplicateId);
        }
        let order = ToyOrder {
            terms: *request,
            filled: 0,
            status: WorkingStatus::Open,
            updated: self.clock,
        };
        self.orders.insert(id, order);
        let mut told = Told::default();
        told.stream.push(self.state(id, ReportSource::Stream));
        match request.time_in_force {
            TimeInForce::Ioc => {
                if available > 0 {
                    told.stream.extend(self.fill(id, available));
                }
                if self.orders.get(&id).is_some_and(ToyOrder::is_live) {
                    told.stream.push(self.end(id, WorkingStatus::Expired));
                }
            }
            TimeInForce::Gtc | TimeInForce::Fok | TimeInForce::PostOnly => {}
        }
        told.response.push(self.said(id, Outcome::Acknowledged(RequestKind::Submit)));
        told.response.push(self.state(id, ReportSource::Response(RequestKind::Submit)));
        told
    }

    pub(crate) fn cancel(&mut self, id: ClientOrderId) -> Told {
        if !self.orders.get(&id).is_some_and(ToyOrder::is_live) {
            return self.refuse(id, RequestKind::Cancel, RejectClass::NoSuchOrder);
        }
        let stream = vec![self.end(id, WorkingStatus::Canceled)];
        let response = vec![self.state(id, ReportSource::Response(RequestKind::Cancel))];
        Told { stream, response }
    }

    pub(crate) fn replace(&mut self, request: &ReplaceRequest) -> Told {
        let id = request.client_order_id;
        let clock = self.clock;
        let order = self.orders.get_mut(&id).filter(|order| order.is_live());
        let Some(order) = order else {
            return self.refuse(id, RequestKind::Replace, RejectClass::NoSuchOrder);
        };
        order.terms.price = request.price;
        order.terms.quantity = request.quantity;
        order.updated = clock;
        // As Binance does when the new total is filled already.
        let over = order.leaves() <= 0;
        let stream = if over {
            vec![self.end(id, WorkingStatus::Canceled)]
        } else {
            vec![self.state(id, ReportSource::Stream)]
        };
        let response = vec![self.state(id, ReportSource::Response(RequestKind::Replace))];
        Told { stream, response }
    }

    /// Fills up to `quantity` of a live order.
    pub(crate) fn fill(&mut self, id: ClientOrderId, quantity: i64) -> Vec<Report> {
        let clock = self.clock;
        let Some(order) = self.orders.get_mut(&id).filter(|order| order.is_live()) else {
            return Vec::new();
        };
        let quantity = quantity.min(order.leaves());
        let side = order.terms.side;
        order.filled += quantity;
        order.updated = clock;
        if order.leaves() == 0 {
            order.status = WorkingStatus::Filled;
        }
        self.position += Quantity(quantity).signed(side).0;
        let trade =
            ToyTrade { id: 1 + self.trades.len() as u64, order: id, side, quantity, at: clock };
        self.trades.push(trade);
        vec![self.said(id, fill(trade.id, side, quantity)), self.state(id, ReportSource::Stream)]
    }

    /// The truth of this instant, closed by the end of the answer.
    pub(crate) fn answer(&self, query: &Query, asked_at: Nanos) -> Vec<Report> {
        let source = ReportSource::Query { asked_at };
        let mut told: Vec<Report> = match query {
            Query::Order { client_order_id: id, .. } => {
                if self.orders.contains_key(id) {
                    vec![self.state(*id, source)]
                } else {
                    vec![self.said(*id, Outcome::NotFound { asked_at })]
                }
            }
            Query::OpenOrders { .. } => {
                self.live().map(|order| self.state(order.terms.client_order_id, source)).collect()
            }
            Query::Fills { from_trade, since, .. } => self
                .trades
                .iter()
                .filter(|trade| match from_trade {
                    Some(from) => trade.id >= from.0,
                    None => trade.at >= *since,
                })
                .take(5)
                .map(|trade| self.past_trade(trade))
                .collect(),
            Query::Account { .. } => self.position_report(asked_at).into_iter().collect(),
        };
        told.push(Report::Query(QueryReport { query: *query, asked_at, complete: true }));
        told
    }

    pub(crate) fn refuse(&self, id: ClientOrderId, kind: RequestKind, class: RejectClass) -> Told {
        Told { stream: Vec::new(), response: vec![self.said(id, rejected(kind, class))] }
    }

    pub(crate) fn said(&self, id: ClientOrderId, outcome: Outcome) -> Report {
        Report::Execution(ExecutionReport {
            account: ACCOUNT,
            instrument: BTC,
            order: OrderReference::Ours(id),
            venue_order_id: if self.orders.contains_key(&id) {
                venue_id(id)
            } else {
                Default::default()
            },
            outcome,
            venue_time: self.orders.get(&id).map_or(self.clock, |order| order.updated),
            received_at: Nanos::ZERO,
        })
    }

    fn end(&mut self, id: ClientOrderId, status: WorkingStatus) -> Report {
        if let Some(order) = self.orders.get_mut(&id) {
            order.status = status;
            order.updated = self.clock;
        }
        self.state(id, ReportSource::Stream)
    }

    fn state(&self, id: ClientOrderId, source: ReportSource) -> Report {
        let order = self.orders.get(&id).copied().unwrap();
        let working = WorkingOrder {
            status: order.status,
            side: order.terms.side,
            price: order.terms.price,
            quantity: order.terms.quantity,
            filled: Quantity(order.filled),
            time_in_force: order.terms.time_in_force,
            reduce_only: order.terms.reduce_only,
        };
        self.said(id, Outcome::Working(working, source))
    }

    /// Named by the venue's order id only, as trade histories are.
    fn past_trade(&self, trade: &ToyTrade) -> Report {
        Report::Execution(ExecutionReport {
            account: ACCOUNT,
            instrument: BTC,
            order: external(""),
            venue_order_id: venue_id(trade.order),
            outcome: fill(trade.id, trade.side, trade.quantity),
            venue_time: trade.at,
            received_at: Nanos::ZERO,
        })
    }

    /// A flat position is left out.
    fn position_report(&self, asked_at: Nanos) -> Option<Report> {
        let last = self.trades.last().map_or(UnixNanos(0), |trade| trade.at);
        let report = Report::Position(enigma_types::PositionReport {
            account: ACCOUNT,
            instrument: BTC,
            quantity: enigma_types::SignedQuantity(self.position),
            entry_price: None,
            venue_time: last,
            asked_at: Some(asked_at),
        });
        (self.position != 0).then_some(report)
    }
}
