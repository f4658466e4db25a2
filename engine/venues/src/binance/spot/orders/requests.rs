//! Requests on their way out: what may be sent, what it is written as, and why it didn't leave.

use enigma_types::{
    AccountId, CancelRequest, ClientOrderId, InstrumentId, NotSentCause, Now, OrderRequest, Query,
    ReplaceRequest, RequestKind, SessionState, TimeInForce,
};

use super::{Link, OrderSession, query_end};
use crate::binance::auth::ComposeError;
use crate::binance::auth::binance;
use crate::binance::frames::FrameHead;
use crate::binance::in_flight::Asked;
use crate::binance::queries::QueryStep;
use crate::binance::spot::order_frames;
use crate::binance::spot::queries::ORDER_STATUS_WEIGHT;
use crate::binance::spot::terms::Terms;
use crate::binance::symbols::Listing;
use crate::limits::Wait;
use crate::session::{AlertKind, OrderKey, Outbox, VenueError};
use crate::signer::{BinanceSecret, BinanceSigner, Signer};
use crate::wire::websocket::{FrameClass, Payload};

/// What a request costs at the venue.
#[derive(Clone, Copy, Debug)]
enum Cost {
    Order,
    Cancel,
    Amendment,
}

/// How the terms of a resting order are changed.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Only the quantity goes down: the order keeps its place in the queue.
    Amend,
    CancelReplace(TimeInForce),
}

impl OrderSession {
    #[inline]
    pub(super) fn on_submit(
        &mut self,
        now: Now,
        order: &OrderRequest,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let key = key_of(order.account, order.instrument, order.client_order_id);
        let class = FrameClass::Order { client_order_id: order.client_order_id };
        let kind = RequestKind::Submit;
        if self.state != SessionState::Ready {
            outbox.not_sent(kind, &key, NotSentCause::SessionDown, now);
            return Ok(());
        }
        if order.reduce_only {
            // Spot has no such order, and without the words it would be another one.
            outbox.not_sent(kind, &key, NotSentCause::Encoding, now);
            return Err(VenueError::Misuse("a reduce-only order on spot"));
        }
        let asked = Asked::Request { kind, key };
        let sent =
            self.send_request(now, asked, Cost::Order, class, signer, outbox, |payload, head| {
                order_frames::write_place(payload, head, order)
            })?;
        if sent && matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::PostOnly) {
            let terms = Terms {
                price: order.price,
                quantity: order.quantity,
                time_in_force: order.time_in_force,
                replaced_at: None,
            };
            self.terms.keep(order.client_order_id, terms);
        }
        Ok(())
    }

    /// A cancel takes risk away: it goes as soon as the connection carries requests at all.
    #[inline]
    pub(super) fn on_cancel(
        &mut self,
        now: Now,
        cancel: &CancelRequest,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let key = key_of(cancel.account, cancel.instrument, cancel.client_order_id);
        let class = FrameClass::Cancel { client_order_id: cancel.client_order_id };
        let kind = RequestKind::Cancel;
        if self.link != Link::Open {
            outbox.not_sent(kind, &key, NotSentCause::SessionDown, now);
            return Ok(());
        }
        let asked = Asked::Request { kind, key };
        self.send_request(now, asked, Cost::Cancel, class, signer, outbox, |payload, head| {
            order_frames::write_cancel(payload, head, cancel)
        })
        .map(|_sent| ())
    }

    pub(super) fn on_replace(
        &mut self,
        now: Now,
        replace: &ReplaceRequest,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let order = replace.client_order_id;
        let key = key_of(replace.account, replace.instrument, order);
        let class = FrameClass::Order { client_order_id: order };
        let kind = RequestKind::Replace;
        if self.state != SessionState::Ready {
            outbox.not_sent(kind, &key, NotSentCause::SessionDown, now);
            return Ok(());
        }
        let Some(terms) = self.terms.get(order) else {
            // Without its time in force a new order might take where the old one only rested.
            self.terms_at = self.terms_at.min(now.mono);
            let detail = "a replace of an order whose terms this connection wasn't told";
            self.alerts.raise(now.mono, outbox, AlertKind::VenueError, detail);
            outbox.not_sent(kind, &key, NotSentCause::Encoding, now);
            return Ok(());
        };
        let lowered = replace.price == terms.price && replace.quantity < terms.quantity;
        let change = match lowered {
            true => Change::Amend,
            false => Change::CancelReplace(terms.time_in_force),
        };
        let cost = match change {
            Change::Amend => Cost::Amendment,
            Change::CancelReplace(_) => Cost::Order,
        };
        let asked = Asked::Request { kind, key };
        let sent = self.send_request(
            now,
            asked,
            cost,
            class,
            signer,
            outbox,
            |payload, head| match change {
                Change::Amend => order_frames::write_amend(payload, head, order, replace.quantity),
                Change::CancelReplace(in_force) => {
                    order_frames::write_cancel_replace(payload, head, replace, in_force)
                }
            },
        )?;
        if sent && matches!(change, Change::CancelReplace(_)) {
            self.terms.replaced(order, now.mono);
        }
        Ok(())
    }

    /// Puts a request into the buffer and the table, or reports why it didn't leave.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "one caller for each kind of request")]
    fn send_request(
        &mut self,
        now: Now,
        asked: Asked,
        cost: Cost,
        class: FrameClass,
        signer: &Signer,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Payload<'_>, &FrameHead<'_>) -> Result<(), ComposeError>,
    ) -> Result<bool, VenueError> {
        let Asked::Request { kind, key } = asked else { return Ok(false) };
        let signer = request_signer(signer)?;
        let Some(&listing) = self.symbols.by_id(key.instrument) else {
            outbox.not_sent(kind, &key, NotSentCause::Encoding, now);
            return Err(VenueError::Misuse("an instrument that isn't ours"));
        };
        let Some(id) = self.in_flight.reserve() else {
            outbox.not_sent(kind, &key, NotSentCause::Full, now);
            return Ok(false);
        };
        if self.take_budget(now, cost).is_err() {
            self.counters.held_back += 1;
            self.alerts.raise(now.mono, outbox, AlertKind::RateLimited, "held back by our count");
            outbox.not_sent(kind, &key, NotSentCause::RateLimit, now);
            return Ok(false);
        }
        let head = FrameHead {
            frames: self.frames,
            id,
            now,
            symbols: &self.symbols,
            listing: &listing,
            signer,
        };
        let cause = match outbox.transmit.text(class, |payload| write(payload, &head)) {
            Ok(()) => {
                self.keep(id, asked, now);
                return Ok(true);
            }
            Err(ComposeError::Full(_)) => NotSentCause::Full,
            Err(ComposeError::TooLong | ComposeError::NeedsEscape) => NotSentCause::Encoding,
        };
        outbox.not_sent(kind, &key, cause, now);
        Ok(false)
    }

    fn take_budget(&mut self, now: Now, cost: Cost) -> Result<(), Wait> {
        let venue_ms = now.venue_time().as_millis();
        match cost {
            Cost::Order => self.budget.take_order(venue_ms),
            Cost::Cancel => self.budget.take_cancel(venue_ms),
            Cost::Amendment => self.budget.take_query(venue_ms, AMENDMENT_WEIGHT),
        }
    }

    #[inline]
    fn keep(&mut self, id: u64, asked: Asked, now: Now) {
        self.counters.requests += 1;
        self.in_flight.insert(id, asked, now.mono);
        self.expire_at = self.expire_at.min(now.mono.plus(self.request_timeout));
    }

    /// Sends a request that trades nothing; `false` when there was no room for it.
    pub(super) fn send_own(
        &mut self,
        now: Now,
        asked: Asked,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Payload<'_>, u64) -> Result<(), ComposeError>,
    ) -> bool {
        let Some(id) = self.in_flight.reserve() else { return false };
        let sent = outbox.transmit.text(FrameClass::Session, |payload| write(payload, id));
        if sent.is_ok() {
            self.keep(id, asked, now);
        }
        sent.is_ok()
    }

    pub(super) fn on_query(
        &mut self,
        now: Now,
        query: &Query,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let signer = binance(signer)?;
        if let Some(step) = QueryStep::first(*query, now) {
            self.ask_query(now, step, signer, outbox);
            return Ok(());
        }
        let Query::Order { account, instrument, client_order_id } = *query else {
            return Err(VenueError::Misuse("a query that goes nowhere"));
        };
        let key = key_of(account, instrument, client_order_id);
        let listing: Option<Listing> = self.symbols.by_id(instrument).copied();
        let venue_ms = now.venue_time().as_millis();
        let sent = match listing {
            Some(listing) if self.link == Link::Open => {
                let allowed = self.budget.take_query(venue_ms, ORDER_STATUS_WEIGHT).is_ok();
                allowed && self.send_status(now, *query, key, &listing, signer, outbox)
            }
            Some(_) | None => false,
        };
        if !sent {
            outbox.report(query_end(*query, now.mono, false));
        }
        Ok(())
    }

    fn send_status(
        &mut self,
        now: Now,
        query: Query,
        key: OrderKey,
        listing: &Listing,
        signer: &BinanceSigner,
        outbox: &mut Outbox,
    ) -> bool {
        let signer = per_request(signer);
        let Some(id) = self.in_flight.reserve() else { return false };
        let head =
            FrameHead { frames: self.frames, id, now, symbols: &self.symbols, listing, signer };
        let sent = outbox
            .transmit
            .text(FrameClass::Session, |payload| head.write_status(payload, key.client_order_id));
        if sent.is_ok() {
            self.keep(id, Asked::Status { query, key }, now);
        }
        sent.is_ok()
    }

    /// The barrier took a request back: no byte of it left.
    pub(super) fn on_purged(
        &mut self,
        now: Now,
        order: ClientOrderId,
        cause: NotSentCause,
        outbox: &mut Outbox,
    ) {
        match self.in_flight.take_purged(order).map(|entry| entry.asked) {
            Some(Asked::Request { kind, key }) => {
                match kind {
                    RequestKind::Submit => self.terms.forget(order),
                    RequestKind::Replace => self.terms.settled(order),
                    RequestKind::Cancel => {}
                }
                outbox.not_sent(kind, &key, cause, now);
            }
            Some(Asked::Status { .. } | Asked::Logon | Asked::Pulse) | None => {}
        }
    }
}

const fn key_of(
    account: AccountId,
    instrument: InstrumentId,
    client_order_id: ClientOrderId,
) -> OrderKey {
    OrderKey { account, instrument, client_order_id }
}

/// Who signs a request: the key that signs each, or nobody on a session that has logged on.
#[inline]
fn request_signer(signer: &Signer) -> Result<Option<&BinanceSigner>, VenueError> {
    binance(signer).map(per_request)
}

#[inline]
fn per_request(signer: &BinanceSigner) -> Option<&BinanceSigner> {
    match signer.secret {
        BinanceSecret::Hmac(_) => Some(signer),
        BinanceSecret::Ed25519(_) => None,
    }
}

/// An amendment takes risk away, but nobody waits for it as for a cancel.
const AMENDMENT_WEIGHT: u32 = 4;
