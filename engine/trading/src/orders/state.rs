//! The one table of order transitions: what each statement of a venue, and each request of ours,
//! makes of an order. It must not skip the proof that ends Unknown (design.md section 6), and
//! never moves an order's rank or its filled quantity backwards.

use enigma_types::{
    ClientOrderId, ExecutionReport, Fill, Nanos, Outcome, RejectClass, ReplaceRequest,
    ReportSource, RequestKind, StrategyId, VenueOrderId, WorkingOrder, WorkingStatus,
};

use super::{Certainty, CloseReason, InFlight, Lifecycle, Order};

/// What a statement changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// It closed now, and so.
    pub closed: Option<CloseReason>,
    /// A fill came after the order was closed and beyond what the venue had said was filled.
    pub late_fill: bool,
    /// More was filled than was ever ordered.
    pub overfilled: bool,
    /// It was filled on the other side than it was ordered on.
    pub wrong_side: bool,
    /// Its end was that of a replace's first half: it is open again.
    pub reopened: bool,
}

/// A statement that can't be true of an order in this state. The order was left as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {state} can't be told {outcome}")]
pub struct IllegalTransition {
    pub state: &'static str,
    pub outcome: &'static str,
}

impl Order {
    /// Applies what a venue's session said of this order. Fills must be unique already.
    pub fn apply(&mut self, report: &ExecutionReport) -> Result<Change, IllegalTransition> {
        let at = report.received_at;
        let change = match &report.outcome {
            // The venue has the request, which says nothing of the order (F8).
            Outcome::Acknowledged(_) => Change::default(),
            Outcome::Working(working, source) => self.apply_working(working, *source, report)?,
            Outcome::Fill(fill) => self.apply_fill(fill),
            Outcome::Rejected(RequestKind::Submit, reason) => {
                self.reject_submit(reason.class, at)?
            }
            Outcome::Rejected(RequestKind::Cancel, reason) => self.reject_cancel(reason.class, at),
            Outcome::Rejected(RequestKind::Replace, reason) => {
                self.reject_replace(reason.class, at)
            }
            Outcome::NotSent(RequestKind::Submit, _) => self.submit_not_sent()?,
            Outcome::NotSent(RequestKind::Cancel, _) => self.return_cancel(),
            Outcome::NotSent(RequestKind::Replace, _) => self.drop_replace(),
            Outcome::Unknown(kind, _) => self.doubt(*kind, at),
            Outcome::NotFound { asked_at } => self.apply_not_found(*asked_at, at),
        };
        if report.venue_order_id != VenueOrderId::default() {
            self.venue_order_id = report.venue_order_id;
        }
        Ok(change)
    }

    /// An order of ours that the venue shows and we had no record of. It is the operator's.
    pub fn adopted(
        id: ClientOrderId,
        working: &WorkingOrder,
        report: &ExecutionReport,
        fence_after: Nanos,
    ) -> Self {
        let request = enigma_types::OrderRequest {
            client_order_id: id,
            account: report.account,
            instrument: report.instrument,
            side: working.side,
            time_in_force: working.time_in_force,
            price: working.price,
            quantity: working.quantity,
            reduce_only: working.reduce_only,
        };
        let mut order =
            Self::submitted(StrategyId::MANUAL, &request, report.received_at, fence_after);
        order.lifecycle = Lifecycle::Open;
        order.in_flight = None;
        order.venue_order_id = report.venue_order_id;
        order.reported = working.filled;
        order.stated_at = report.venue_time;
        order
    }

    /// A cancel stands in the journal.
    pub fn apply_cancel_request(&mut self, at: Nanos) {
        self.cancel_wanted = true;
        if !self.is_closed() {
            self.overtaken = self.other_leg();
            self.in_flight = Some(InFlight::Cancel);
            self.cancel_sent_at = at;
        }
    }

    /// A replace stands in the journal.
    pub fn apply_replace_request(&mut self, request: &ReplaceRequest, at: Nanos) {
        if !self.is_closed() {
            let (price, quantity) = (request.price, request.quantity);
            self.in_flight = Some(InFlight::Replace { price, quantity });
            self.sent_at = at;
        }
    }

    /// Another process took over: whatever was in flight will never be answered, and instants of
    /// the old process's clock mean nothing to the new one.
    pub fn apply_reopened(&mut self, at: Nanos) {
        if self.is_closed() {
            return;
        }
        self.sent_at = at;
        self.cancel_sent_at = at;
        let settled = self.lifecycle == Lifecycle::Open && self.in_flight.is_none();
        if !settled || self.overtaken.is_some() || self.is_unknown() {
            self.certainty = Certainty::Unknown { since: at, fence: at.plus(self.fence_after) };
        }
    }

    fn apply_working(
        &mut self,
        working: &WorkingOrder,
        source: ReportSource,
        report: &ExecutionReport,
    ) -> Result<Change, IllegalTransition> {
        let ending = match working.status {
            WorkingStatus::Open | WorkingStatus::Unrecognised => None,
            WorkingStatus::Filled => Some(CloseReason::Filled),
            WorkingStatus::Canceled => Some(CloseReason::Canceled),
            WorkingStatus::Expired => Some(CloseReason::Expired),
            WorkingStatus::Rejected => Some(CloseReason::Rejected),
        };
        if let Lifecycle::Closed(reason) = self.lifecycle {
            let contradicted = working.status == WorkingStatus::Open
                && reason.is_disproved(self.venue_order_id, report.venue_order_id);
            if contradicted && reason == CloseReason::Canceled {
                return Ok(self.reopen(working, report));
            }
            if contradicted {
                return Err(self.illegal(&report.outcome));
            }
            // Late news of a closed order: only its cumulative fill can still rise (F11, F12).
            self.reported = self.reported.max(working.filled);
            return Ok(Change::default());
        }
        self.reported = self.reported.max(working.filled);
        if working.status == WorkingStatus::Unrecognised {
            self.doubt_at(report.received_at);
            return Ok(Change::default());
        }
        self.settle_replace(working, source, report);
        if report.venue_time >= self.stated_at {
            self.stated_at = report.venue_time;
            self.price = working.price;
            // A replace below what is filled by then cancels the order; no less was ordered.
            self.quantity = working.quantity.max(working.filled);
        }
        Ok(match ending {
            Some(reason) => self.close(reason),
            None => self.confirm_open(source),
        })
    }

    /// The second half of a replace is open: the order goes on under another id of the venue.
    fn reopen(&mut self, working: &WorkingOrder, report: &ExecutionReport) -> Change {
        self.lifecycle = Lifecycle::Open;
        self.reported = self.reported.max(working.filled);
        self.price = working.price;
        self.quantity = working.quantity.max(self.reported);
        self.stated_at = report.venue_time;
        Change { reopened: true, ..Change::default() }
    }

    fn confirm_open(&mut self, source: ReportSource) -> Change {
        self.lifecycle = Lifecycle::Open;
        let mut change = Change::default();
        match (self.in_flight, source) {
            (Some(InFlight::Submit), _) => self.in_flight = None,
            // Open when asked after the cancel was handed over: it must be asked for again.
            (Some(InFlight::Cancel), ReportSource::Query { asked_at })
                if asked_at >= self.cancel_sent_at =>
            {
                change = self.return_cancel();
            }
            (Some(InFlight::Cancel | InFlight::Replace { .. }) | None, _) => {}
        }
        if self.in_flight.is_none() && self.overtaken.is_none() {
            self.certainty = Certainty::Known;
        }
        change
    }

    /// Ends an unanswered replace when this statement shows or disproves it.
    fn settle_replace(
        &mut self,
        working: &WorkingOrder,
        source: ReportSource,
        report: &ExecutionReport,
    ) {
        let Some(other) = self.other_leg() else { return };
        let current = report.venue_time >= self.stated_at;
        let shown = current && other == (working.price, working.quantity);
        let settled = match source {
            // An answer to a replace may be a late one to the replace before this.
            ReportSource::Response(_) | ReportSource::Stream => shown,
            // Asked after the fence, so that the replace can no longer arrive.
            ReportSource::Query { asked_at } => {
                shown || asked_at >= self.sent_at.plus(self.fence_after)
            }
        };
        if settled {
            self.drop_replace();
        }
    }

    fn apply_fill(&mut self, fill: &Fill) -> Change {
        let closed = self.is_closed();
        self.filled = self.filled.plus(fill.quantity);
        let mut change = Change {
            late_fill: closed && self.filled > self.reported,
            overfilled: self.filled > self.most(),
            wrong_side: fill.side != self.side,
            ..Change::default()
        };
        self.reported = self.reported.max(self.filled);
        if closed {
            return change;
        }
        if self.lifecycle == Lifecycle::Sent {
            self.lifecycle = Lifecycle::Open;
            if self.in_flight == Some(InFlight::Submit) {
                self.in_flight = None;
            }
            if self.in_flight.is_none() {
                self.certainty = Certainty::Known;
            }
        }
        if self.filled >= self.most() {
            change.closed = self.close(CloseReason::Filled).closed;
        }
        change
    }

    fn reject_submit(
        &mut self,
        class: RejectClass,
        at: Nanos,
    ) -> Result<Change, IllegalTransition> {
        // "This id is in use" means that the order exists (F1).
        let doubtful = matches!(class, RejectClass::DuplicateId | RejectClass::NoSuchOrder);
        match self.lifecycle {
            Lifecycle::Sent if doubtful => {
                self.doubt_at(at);
                Ok(Change::default())
            }
            Lifecycle::Sent => Ok(self.close(CloseReason::Rejected)),
            Lifecycle::Open if doubtful => Ok(Change::default()),
            Lifecycle::Open => {
                Err(IllegalTransition { state: self.state_name(), outcome: "rejected(submit)" })
            }
            Lifecycle::Closed(_) => Ok(Change::default()),
        }
    }

    fn reject_cancel(&mut self, class: RejectClass, at: Nanos) -> Change {
        if self.is_closed() {
            return Change::default();
        }
        let change = self.return_cancel();
        // The order may have been filled meanwhile, or not have arrived yet (F13).
        if class == RejectClass::NoSuchOrder {
            self.doubt_at(at);
        }
        change
    }

    fn reject_replace(&mut self, class: RejectClass, at: Nanos) -> Change {
        if self.is_closed() {
            return Change::default();
        }
        let change = self.drop_replace();
        if matches!(class, RejectClass::NoSuchOrder | RejectClass::DuplicateId) {
            self.doubt_at(at);
        }
        change
    }

    fn submit_not_sent(&mut self) -> Result<Change, IllegalTransition> {
        match self.lifecycle {
            Lifecycle::Sent => Ok(self.close(CloseReason::NotSent)),
            Lifecycle::Open => {
                Err(IllegalTransition { state: self.state_name(), outcome: "not_sent(submit)" })
            }
            Lifecycle::Closed(_) => Ok(Change::default()),
        }
    }

    /// The cancel in flight, if there is one, is over without effect.
    fn return_cancel(&mut self) -> Change {
        if self.in_flight != Some(InFlight::Cancel) {
            return Change::default();
        }
        self.in_flight =
            self.overtaken.take().map(|(price, quantity)| InFlight::Replace { price, quantity });
        Change::default()
    }

    /// The replace in flight, if there is one, is over; the order's own terms stand.
    fn drop_replace(&mut self) -> Change {
        self.overtaken = None;
        if matches!(self.in_flight, Some(InFlight::Replace { .. })) {
            self.in_flight = None;
        }
        Change::default()
    }

    fn doubt(&mut self, kind: RequestKind, at: Nanos) -> Change {
        let open = match kind {
            RequestKind::Submit => self.lifecycle == Lifecycle::Sent,
            RequestKind::Cancel => !self.is_closed() && self.in_flight == Some(InFlight::Cancel),
            RequestKind::Replace => !self.is_closed() && self.other_leg().is_some(),
        };
        if open {
            self.doubt_at(at);
        }
        Change::default()
    }

    /// Nobody knows. What was known to be open must be missed for a whole fence from now on,
    /// because a venue's answers may come from its past.
    fn doubt_at(&mut self, at: Nanos) {
        let from = match self.lifecycle {
            Lifecycle::Sent => self.sent_at,
            Lifecycle::Open | Lifecycle::Closed(_) => at.max(self.sent_at),
        };
        let fence = from.plus(self.fence_after);
        self.certainty = match self.certainty {
            Certainty::Known => Certainty::Unknown { since: at, fence },
            Certainty::Unknown { since, fence: earlier } => {
                Certainty::Unknown { since, fence: earlier.max(fence) }
            }
        };
    }

    fn apply_not_found(&mut self, asked_at: Nanos, at: Nanos) -> Change {
        let fence = match (self.lifecycle, self.certainty) {
            (Lifecycle::Closed(_), _) => return Change::default(),
            (_, Certainty::Unknown { fence, .. }) => fence,
            (Lifecycle::Sent, Certainty::Known) => self.sent_at.plus(self.fence_after),
            (Lifecycle::Open, Certainty::Known) => {
                self.doubt_at(at);
                return Change::default();
            }
        };
        if asked_at < fence {
            if !self.is_unknown() {
                self.doubt_at(at);
            }
            return Change::default();
        }
        match self.lifecycle {
            Lifecycle::Sent => self.close(CloseReason::NeverReached),
            Lifecycle::Open | Lifecycle::Closed(_) => self.close(CloseReason::Vanished),
        }
    }

    fn close(&mut self, reason: CloseReason) -> Change {
        self.lifecycle = Lifecycle::Closed(reason);
        self.certainty = Certainty::Known;
        self.in_flight = None;
        self.overtaken = None;
        Change { closed: Some(reason), ..Change::default() }
    }

    fn illegal(&self, outcome: &Outcome) -> IllegalTransition {
        IllegalTransition { state: self.state_name(), outcome: outcome_name(outcome) }
    }

    fn state_name(&self) -> &'static str {
        match (self.lifecycle, self.certainty) {
            (Lifecycle::Closed(reason), _) => reason.name(),
            (Lifecycle::Sent, Certainty::Known) => "sent",
            (Lifecycle::Sent, Certainty::Unknown { .. }) => "sent, unknown",
            (Lifecycle::Open, Certainty::Known) => "open",
            (Lifecycle::Open, Certainty::Unknown { .. }) => "open, unknown",
        }
    }
}

const fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Acknowledged(_) => "acknowledged",
        Outcome::Working(working, _) => match working.status {
            WorkingStatus::Open => "working: open",
            WorkingStatus::Filled => "working: filled",
            WorkingStatus::Canceled => "working: canceled",
            WorkingStatus::Expired => "working: expired",
            WorkingStatus::Rejected => "working: rejected",
            WorkingStatus::Unrecognised => "working: unrecognised",
        },
        Outcome::Fill(_) => "fill",
        Outcome::Rejected(..) => "rejected",
        Outcome::NotSent(..) => "not_sent",
        Outcome::Unknown(..) => "unknown",
        Outcome::NotFound { .. } => "not_found",
    }
}
