//! The network between a desk and its venue: requests, answers and the stream on their way, with
//! what goes wrong there.

use enigma_types::{
    ClientOrderId, Nanos, NotSentCause, Outcome, Query, QueryReport, RejectClass, Report,
    RequestKind, SessionKind, SessionState, UnknownCause, VenueRequest,
};

use crate::simulation::World;
use crate::toy_venue::Told;

/// How long a request may be on its way, and how long matching may take after that.
pub(crate) const WINDOW: u64 = 5 * SECOND;
const GRACE: u64 = 10 * SECOND;
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MILLI: u64 = 1_000_000;

/// A request on its way, and the session whose answer it would be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) request: VenueRequest,
    pub(crate) at: u64,
    asked_at: Nanos,
    generation: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Parcel {
    ToVenue(Sent),
    Match(Sent),
    /// By the order session of this generation, in answer to a request.
    Response {
        generation: u32,
        reports: Vec<Report>,
        request: VenueRequest,
    },
    Stream {
        generation: u32,
        report: Report,
    },
    Reconnect(SessionKind),
}

impl World {
    pub(crate) fn post(&mut self, at: u64, parcel: Parcel) {
        self.posted += 1;
        self.parcels.insert((at, self.posted), parcel);
    }

    fn latency(&mut self) -> u64 {
        if self.random.in_thousand(self.faults.slow) {
            self.random.below(8_000) * MILLI
        } else {
            self.random.below(50) * MILLI
        }
    }

    /// The session itself reports on a request that will get no answer.
    pub(crate) fn give_back(&mut self, request: &VenueRequest, outcome: Outcome) {
        let report = match request {
            VenueRequest::Query(query) => {
                let asked_at = self.now().mono;
                Report::Query(QueryReport { query: *query, asked_at, complete: false })
            }
            VenueRequest::Submit(_) | VenueRequest::Cancel(_) | VenueRequest::Replace(_) => {
                self.venue.said(id_of(request), outcome)
            }
        };
        self.deliver(report);
    }

    pub(crate) fn hand_over(&mut self, request: &VenueRequest) {
        match request {
            VenueRequest::Submit(order) => {
                assert!(!self.killed, "I17: an order leaves after the kill");
                assert!(self.submitted.insert(order.client_order_id), "I1: sent twice");
            }
            VenueRequest::Replace(_) => assert!(!self.killed, "I17: a replace after the kill"),
            VenueRequest::Cancel(_) | VenueRequest::Query(_) => {}
        }
        if self.random.in_thousand(self.faults.not_sent) {
            let cause = match self.random.below(2) {
                0 => NotSentCause::Full,
                _ => NotSentCause::RateLimit,
            };
            let outcome = Outcome::NotSent(kind_of(request), cause);
            let report = match request {
                VenueRequest::Query(query) => {
                    let asked_at = self.now().mono;
                    Report::Query(QueryReport { query: *query, asked_at, complete: false })
                }
                VenueRequest::Submit(_) | VenueRequest::Cancel(_) | VenueRequest::Replace(_) => {
                    self.venue.said(id_of(request), outcome)
                }
            };
            let (generation, request) = (self.order_generation, *request);
            let reports = vec![report];
            self.post(self.time, Parcel::Response { generation, reports, request });
            return;
        }
        self.in_flight.push(*request);
        if !self.random.in_thousand(self.faults.drop_request) {
            let sent = Sent {
                request: *request,
                at: self.time,
                asked_at: self.now().mono,
                generation: self.order_generation,
            };
            let at = self.time + self.latency();
            self.post(at, Parcel::ToVenue(sent));
        }
    }

    pub(crate) fn arrive(&mut self, parcel: Parcel) {
        match parcel {
            Parcel::ToVenue(sent) => self.reach(sent),
            Parcel::Match(sent) => self.enter_matching(sent),
            Parcel::Response { generation, reports, request } => {
                for report in reports {
                    if generation == self.order_generation {
                        self.deliver(report);
                    }
                }
                if generation == self.order_generation {
                    self.in_flight.retain(|waiting| *waiting != request);
                }
            }
            Parcel::Stream { generation, report } => {
                if generation == self.stream_generation {
                    self.deliver(report);
                }
            }
            Parcel::Reconnect(kind) => {
                self.stream_up |= kind == SessionKind::Account;
                self.session(kind, SessionState::Ready);
            }
        }
    }

    /// A request reaches the venue: in its window it goes on to matching, now or a little later.
    fn reach(&mut self, sent: Sent) {
        self.venue.tick(self.now().wall);
        let request = &sent.request;
        if let VenueRequest::Query(query) = request {
            let reports = self.venue.answer(query, sent.asked_at);
            self.respond(&sent, reports);
        } else if self.time > sent.at + WINDOW {
            let class = RejectClass::ClockSkew;
            let told = self.venue.refuse(id_of(request), kind_of(request), class);
            self.tell(&sent, told);
        } else if self.random.in_thousand(self.faults.slow) {
            let at = self.time + self.random.below(GRACE);
            self.post(at, Parcel::Match(sent));
        } else {
            self.enter_matching(sent);
        }
    }

    fn enter_matching(&mut self, sent: Sent) {
        self.venue.tick(self.now().wall);
        let request = &sent.request;
        let told = if self.random.in_thousand(self.faults.refuse) {
            let class = RejectClass::InsufficientMargin;
            self.venue.refuse(id_of(request), kind_of(request), class)
        } else {
            match request {
                VenueRequest::Submit(order) => {
                    let available = self.random.below(2 * order.quantity.0 as u64) as i64;
                    self.venue.submit(order, available)
                }
                VenueRequest::Cancel(cancel) => self.venue.cancel(cancel.client_order_id),
                VenueRequest::Replace(replace) => self.venue.replace(replace),
                VenueRequest::Query(_) => Told::default(),
            }
        };
        self.tell(&sent, told);
        self.check();
    }

    fn tell(&mut self, sent: &Sent, told: Told) {
        self.stream(told.stream);
        let reports = if self.random.in_thousand(self.faults.unsure_answer) {
            let outcome = Outcome::Unknown(kind_of(&sent.request), UnknownCause::VenueUnsure);
            vec![self.venue.said(id_of(&sent.request), outcome)]
        } else {
            told.response
        };
        self.respond(sent, reports);
    }

    /// An answer goes to the session that asked, or nowhere.
    fn respond(&mut self, sent: &Sent, reports: Vec<Report>) {
        if self.random.in_thousand(self.faults.drop_answer) {
            return;
        }
        let (generation, request) = (sent.generation, sent.request);
        let at = self.time + self.latency();
        self.post(at, Parcel::Response { generation, reports, request });
    }

    /// The stream keeps its order, but may lose a message or repeat one.
    pub(crate) fn stream(&mut self, reports: Vec<Report>) {
        if !self.stream_up {
            return;
        }
        for report in reports {
            let times = match () {
                () if self.random.in_thousand(self.faults.drop_stream) => 0,
                () if self.random.in_thousand(self.faults.twice_stream) => 2,
                () => 1,
            };
            for _ in 0..times {
                self.last_stream = self.last_stream.max(self.time + self.latency());
                let (generation, at) = (self.stream_generation, self.last_stream);
                self.post(at, Parcel::Stream { generation, report });
            }
        }
    }
}

pub(crate) fn kind_of(request: &VenueRequest) -> RequestKind {
    match request {
        VenueRequest::Submit(_) | VenueRequest::Query(_) => RequestKind::Submit,
        VenueRequest::Cancel(_) => RequestKind::Cancel,
        VenueRequest::Replace(_) => RequestKind::Replace,
    }
}

fn id_of(request: &VenueRequest) -> ClientOrderId {
    match request {
        VenueRequest::Submit(request) => request.client_order_id,
        VenueRequest::Cancel(request) => request.client_order_id,
        VenueRequest::Replace(request) => request.client_order_id,
        VenueRequest::Query(Query::Order { client_order_id, .. }) => *client_order_id,
        VenueRequest::Query(_) => ClientOrderId::new(1).unwrap(),
    }
}

pub(crate) const fn lost() -> UnknownCause {
    UnknownCause::Disconnected
}
