//! Requests on their way out: what may be sent, what it is written as, and why it didn't leave.

use enigma_types::{
    AccountId, CancelRequest, ClientOrderId, InstrumentId, NotSentCause, Now, OrderRequest, Query,
    ReplaceRequest, RequestKind, SessionState,
};

use super::{Link, OrderSession, query_end};
use crate::binance::auth::ComposeError;
use crate::binance::auth::binance;
use crate::binance::frames::FrameHead;
use crate::binance::in_flight::Asked;
use crate::binance::queries::QueryStep;
use crate::binance::symbols::Listing;
use crate::binance::usdm::order_frames;
use crate::limits::Wait;
use crate::session::{AlertKind, OrderKey, Outbox, VenueError};
use crate::signer::{BinanceSecret, BinanceSigner, Signer};
use crate::wire::websocket::{FrameClass, Payload};

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
        self.send_request(now, kind, key, class, signer, outbox, |payload, head| {
            order_frames::write_place(payload, head, order)
        })
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
        self.send_request(now, kind, key, class, signer, outbox, |payload, head| {
            order_frames::write_cancel(payload, head, cancel)
        })
    }

    pub(super) fn on_replace(
        &mut self,
        now: Now,
        replace: &ReplaceRequest,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let key = key_of(replace.account, replace.instrument, replace.client_order_id);
        let class = FrameClass::Order { client_order_id: replace.client_order_id };
        let kind = RequestKind::Replace;
        if self.state != SessionState::Ready {
            outbox.not_sent(kind, &key, NotSentCause::SessionDown, now);
            return Ok(());
        }
        self.send_request(now, kind, key, class, signer, outbox, |payload, head| {
            order_frames::write_modify(payload, head, replace)
        })
    }

    /// Puts a request into the buffer and the table, or reports why it didn't leave.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "one caller for each kind of request")]
    fn send_request(
        &mut self,
        now: Now,
        kind: RequestKind,
        key: OrderKey,
        class: FrameClass,
        signer: &Signer,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Payload<'_>, &FrameHead<'_>) -> Result<(), ComposeError>,
    ) -> Result<(), VenueError> {
        let signer = request_signer(signer)?;
        let Some(&listing) = self.symbols.by_id(key.instrument) else {
            outbox.not_sent(kind, &key, NotSentCause::Encoding, now);
            return Err(VenueError::Misuse("an instrument that isn't ours"));
        };
        let Some(id) = self.in_flight.reserve() else {
            outbox.not_sent(kind, &key, NotSentCause::Full, now);
            return Ok(());
        };
        if self.take_budget(now, kind).is_err() {
            self.counters.held_back += 1;
            self.alerts.raise(now.mono, outbox, AlertKind::RateLimited, "held back by our count");
            outbox.not_sent(kind, &key, NotSentCause::RateLimit, now);
            return Ok(());
        }
        let head = FrameHead {
            frames: self.frames,
            id,
            now,
            symbols: &self.symbols,
            listing: &listing,
            signer,
        };
        match outbox.transmit.text(class, |payload| write(payload, &head)) {
            Ok(()) => self.keep(id, Asked::Request { kind, key }, now),
            Err(ComposeError::Full(_)) => outbox.not_sent(kind, &key, NotSentCause::Full, now),
            Err(ComposeError::TooLong | ComposeError::NeedsEscape) => {
                outbox.not_sent(kind, &key, NotSentCause::Encoding, now);
            }
        }
        Ok(())
    }

    fn take_budget(&mut self, now: Now, kind: RequestKind) -> Result<(), Wait> {
        let venue_ms = now.venue_time().as_millis();
        match kind {
            RequestKind::Submit | RequestKind::Replace => self.budget.take_order(venue_ms),
            RequestKind::Cancel => self.budget.take_cancel(venue_ms),
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
                let allowed = self.budget.take_query(venue_ms, 1).is_ok();
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

    /// A request was taken back: no byte of it left.
    pub(super) fn on_purged(
        &mut self,
        now: Now,
        order: ClientOrderId,
        cause: NotSentCause,
        outbox: &mut Outbox,
    ) {
        match self.in_flight.take_purged(order).map(|entry| entry.asked) {
            Some(Asked::Request { kind, key }) => {
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
