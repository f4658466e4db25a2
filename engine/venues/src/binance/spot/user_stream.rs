//! Spot's account session: a connection of its own to order entry, on which the account's events
//! are subscribed to. It must not skip an event that it can't read: there is no replay, so the
//! session is replaced and the account reconciled.
//!
//! Implements `binance.md` section 4.3, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/binance-spot-api-docs/user-data-stream>.

use enigma_types::{
    AccountId, BalanceReport, ExecutionReport, InstallationPrefix, Nanos, Now, Outcome, Report,
    ReportSource, SessionState,
};

use super::budget::LIMITS;
use super::client_ids::CancelKind;
use super::order_answers::{AnswerBody, ErrorBody, decode_response};
use super::order_frames::{write_signed_subscribe, write_subscribe};
use super::reject_codes::{CLOCK_SKEW, SUBSCRIPTION_ACTIVE, is_authentication};
use super::user_events::{OrderUpdate, UserEvent, decode_user_event};
use super::{ORDER_ENTRY_PATH, VENUE};
use crate::binance::account_answers::BalanceRow;
use crate::binance::alerts::AlertGate;
use crate::binance::auth::ComposeError;
use crate::binance::auth::binance;
use crate::binance::budget::RequestBudget;
use crate::binance::fields::ReadError;
use crate::binance::frames::write_logon;
use crate::binance::rotation::{ROTATION_REMINDER, rotation_at};
use crate::binance::symbols::SymbolTable;
use crate::registry::SessionPlan;
use crate::session::{
    AlertKind, Dial, HostRole, Input, Outbox, ReconnectReason, Session, VenueError,
};
use crate::signer::{BinanceSecret, Signer};
use crate::wire::websocket::{FrameClass, Payload};

/// What an account session has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCounters {
    pub order_updates: u64,
    /// Cancels that were the first half of a replace, which end nothing.
    pub replaced: u64,
    pub balance_updates: u64,
    pub transfers: u64,
    pub lists: u64,
    /// Of instruments that aren't ours.
    pub foreign: u64,
    pub unknown: u64,
    pub unreadable: u64,
}

#[derive(Debug)]
pub struct AccountSession {
    symbols: SymbolTable,
    account: AccountId,
    prefix: InstallationPrefix,
    recv_window_ms: u32,
    request_timeout: Nanos,
    seed: u64,
    balances: Vec<BalanceRow>,
    stage: Stage,
    /// The request that waits for its answer, and until when.
    asked: Option<(u64, Nanos)>,
    next_id: u64,
    /// When a log-on or subscription that came at a wrong time is tried again.
    retry_at: Nanos,
    retries: u32,
    budget: RequestBudget,
    state: SessionState,
    rotate_at: Nanos,
    alerts: AlertGate,
    counters: AccountCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Down,
    Dialling,
    LoggingOn,
    Subscribing,
    Open,
}

impl AccountSession {
    const RETRY: Nanos = Nanos::from_secs(1);
    /// By then the order session has measured the venue's clock, or can't.
    const RETRIES: u32 = 5;

    pub fn new(plan: &SessionPlan) -> Self {
        Self {
            symbols: SymbolTable::new(VENUE, plan.instruments.clone()),
            account: plan.account,
            prefix: plan.prefix,
            recv_window_ms: plan.recv_window_ms,
            request_timeout: plan.request_timeout,
            seed: plan.seed,
            balances: Vec::with_capacity(64),
            stage: Stage::Down,
            asked: None,
            next_id: 1,
            retry_at: Nanos::MAX,
            retries: 0,
            budget: RequestBudget::of(plan, &LIMITS),
            state: SessionState::Down,
            rotate_at: Nanos::MAX,
            alerts: AlertGate::default(),
            counters: AccountCounters::default(),
        }
    }

    pub fn counters(&self) -> &AccountCounters {
        &self.counters
    }

    fn on_start(&mut self, signer: &Signer, outbox: &mut Outbox) -> Result<(), VenueError> {
        binance(signer)?;
        outbox.dial = Some(Dial { host: HostRole::OrderEntry, path: ORDER_ENTRY_PATH.into() });
        self.stage = Stage::Dialling;
        self.set_state(SessionState::Connecting, outbox);
        Ok(())
    }

    fn on_connected(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        self.rotate_at = rotation_at(now.mono, self.seed);
        self.set_state(SessionState::Syncing, outbox);
        self.stage = match binance(signer)?.secret {
            BinanceSecret::Ed25519(_) => Stage::LoggingOn,
            BinanceSecret::Hmac(_) => Stage::Subscribing,
        };
        self.ask(now, signer, outbox)
    }

    /// Sends what this stage waits for.
    fn ask(&mut self, now: Now, signer: &Signer, outbox: &mut Outbox) -> Result<(), VenueError> {
        let signer = binance(signer)?;
        let (id, window) = (self.next_id, self.recv_window_ms);
        let write = |payload: &mut Payload<'_>| -> Result<(), ComposeError> {
            match (self.stage, &signer.secret) {
                (Stage::LoggingOn, _) => write_logon(payload, id, now, signer),
                (_, BinanceSecret::Ed25519(_)) => write_subscribe(payload, id),
                (_, BinanceSecret::Hmac(_)) => {
                    write_signed_subscribe(payload, id, now, window, signer)
                }
            }
        };
        if outbox.transmit.text(FrameClass::Session, write).is_ok() {
            self.next_id += 1;
            self.asked = Some((id, now.mono.plus(self.request_timeout)));
            self.retry_at = Nanos::MAX;
        } else {
            self.retry_at = now.mono.plus(Self::RETRY);
        }
        Ok(())
    }

    fn on_frame(
        &mut self,
        now: Now,
        frame: &[u8],
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match self.read(now, frame, signer, outbox) {
            Ok(()) => Ok(()),
            Err(Failure::Read(error)) => {
                self.counters.unreadable += 1;
                let kind = AlertKind::UnreadableMessage;
                self.alerts.raise(now.mono, outbox, kind, "an event of the account");
                outbox.reconnect = Some(ReconnectReason::Protocol);
                self.take_down(outbox);
                Err(error.into())
            }
            Err(Failure::Session(error)) => Err(error),
        }
    }

    fn read(
        &mut self,
        now: Now,
        frame: &[u8],
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        if self.asked.is_some()
            && let Ok(answer) = decode_response(frame)
        {
            let waiting = |(id, _): &mut (u64, Nanos)| answer.id == Some(*id);
            match answer.body {
                AnswerBody::Event(_) => {}
                AnswerBody::Result(_) if self.asked.take_if(waiting).is_some() => {
                    return self.on_agreed(now, signer, outbox).map_err(Failure::Session);
                }
                AnswerBody::Error(error) => {
                    self.asked = None;
                    self.on_refused(now, answer.status, error, signer, outbox);
                    return Ok(());
                }
                AnswerBody::Result(_) => return Ok(()),
            }
        }
        let event = decode_user_event(&self.symbols, self.prefix, frame, &mut self.balances)?;
        self.on_event(now, event, frame, outbox)?;
        Ok(())
    }

    fn on_event(
        &mut self,
        now: Now,
        event: UserEvent,
        frame: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), ReadError> {
        match event {
            UserEvent::Order(update) => {
                self.counters.order_updates += 1;
                self.report_order(now, &update, outbox);
            }
            UserEvent::Balances => {
                self.counters.balance_updates += 1;
                self.report_balances(outbox);
            }
            // The balance itself comes with an event of its own.
            UserEvent::Transfer(_) | UserEvent::ExternalLock(_) => self.counters.transfers += 1,
            // The orders of a list are told one by one.
            UserEvent::List(_) => self.counters.lists += 1,
            UserEvent::Foreign => self.counters.foreign += 1,
            UserEvent::StreamTerminated => {
                outbox.reconnect = Some(ReconnectReason::StreamExpired);
                self.take_down(outbox);
            }
            UserEvent::ServerShutdown => outbox.reconnect = Some(ReconnectReason::Rotation),
            UserEvent::Unknown => self.on_unknown(now, frame, outbox)?,
        }
        Ok(())
    }

    /// An event of tomorrow, or an error that the venue sends by itself: the key is gone.
    fn on_unknown(&mut self, now: Now, frame: &[u8], outbox: &mut Outbox) -> Result<(), ReadError> {
        self.counters.unknown += 1;
        if let Ok(answer) = decode_response(frame)
            && let AnswerBody::Error(error) = answer.body
            && (answer.status == 401 || is_authentication(error.code))
        {
            self.lose_authentication(now, outbox);
            return Ok(());
        }
        let kind = AlertKind::UnknownMessage;
        self.alerts.raise(now.mono, outbox, kind, "among the account's events");
        Ok(())
    }

    /// The log-on or the subscription stands.
    fn on_agreed(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match self.stage {
            Stage::LoggingOn => {
                self.stage = Stage::Subscribing;
                return self.ask(now, signer, outbox);
            }
            Stage::Subscribing => {
                self.stage = Stage::Open;
                self.retries = 0;
                self.set_state(SessionState::Ready, outbox);
            }
            Stage::Down | Stage::Dialling | Stage::Open => {}
        }
        Ok(())
    }

    fn on_refused(
        &mut self,
        now: Now,
        status: u16,
        error: ErrorBody<'_>,
        signer: &Signer,
        outbox: &mut Outbox,
    ) {
        if error.code == SUBSCRIPTION_ACTIVE && self.stage == Stage::Subscribing {
            // What was asked for is there. There is nothing more to ask for, so nothing can fail.
            let _ = self.on_agreed(now, signer, outbox);
            return;
        }
        if error.code == CLOCK_SKEW && self.retries < Self::RETRIES {
            self.retries += 1;
            self.retry_at = now.mono.plus(Self::RETRY);
            return;
        }
        if status == 401 || is_authentication(error.code) {
            self.lose_authentication(now, outbox);
            return;
        }
        let venue_ms = now.venue_time().as_millis();
        self.budget.obey(venue_ms, status, error.code, error.retry_after_ms());
        let (kind, what) = match status {
            418 | 429 => (AlertKind::RateLimited, "the account's events were throttled"),
            _ => (AlertKind::VenueError, "the account's events were refused"),
        };
        self.alerts.raise(now.mono, outbox, kind, what);
        outbox.reconnect = Some(ReconnectReason::Refused);
        self.take_down(outbox);
    }

    fn lose_authentication(&mut self, now: Now, outbox: &mut Outbox) {
        let kind = AlertKind::Authentication;
        self.alerts.raise(now.mono, outbox, kind, "the venue refused the account's key");
        outbox.reconnect = Some(ReconnectReason::Refused);
        self.take_down(outbox);
    }

    /// The fill first, so that the order's new state finds it counted. The cancel in a replace ends
    /// nothing: the order session tells what became of both halves.
    fn report_order(&mut self, now: Now, update: &OrderUpdate, outbox: &mut Outbox) {
        let report = |outcome| {
            Report::Execution(ExecutionReport {
                account: self.account,
                instrument: update.instrument,
                order: update.order,
                venue_order_id: update.venue_order_id,
                outcome,
                venue_time: update.venue_time,
                received_at: now.mono,
            })
        };
        if let Some(fill) = update.fill {
            outbox.report(report(Outcome::Fill(fill)));
        }
        if update.cancel == Some(CancelKind::Replace) {
            self.counters.replaced += 1;
        } else {
            outbox.report(report(Outcome::Working(update.working, ReportSource::Stream)));
        }
    }

    fn report_balances(&self, outbox: &mut Outbox) {
        for row in &self.balances {
            outbox.report(Report::Balance(BalanceReport {
                account: self.account,
                asset: row.asset,
                wallet: row.wallet,
                available: row.available,
                venue_time: row.venue_time,
            }));
        }
    }

    fn on_timer(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        if now.mono >= self.rotate_at {
            outbox.reconnect = Some(ReconnectReason::Rotation);
            self.rotate_at = now.mono.plus(ROTATION_REMINDER);
        }
        if self.asked.is_some_and(|(_, until)| now.mono >= until) {
            let kind = AlertKind::VenueError;
            self.alerts.raise(now.mono, outbox, kind, "no answer about the account's events");
            outbox.reconnect = Some(ReconnectReason::Refused);
            self.take_down(outbox);
        }
        if now.mono >= self.retry_at {
            self.ask(now, signer, outbox)?;
        }
        Ok(())
    }

    fn take_down(&mut self, outbox: &mut Outbox) {
        self.stage = Stage::Down;
        self.asked = None;
        self.retry_at = Nanos::MAX;
        self.rotate_at = Nanos::MAX;
        self.set_state(SessionState::Down, outbox);
    }

    fn set_state(&mut self, state: SessionState, outbox: &mut Outbox) {
        if self.state != state {
            self.state = state;
            outbox.state = Some(state);
        }
    }
}

impl Session for AccountSession {
    fn handle(
        &mut self,
        now: Now,
        input: Input<'_>,
        signer: &mut Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match input {
            Input::Frame(frame) => return self.on_frame(now, frame, signer, outbox),
            Input::Start => return self.on_start(signer, outbox),
            Input::Connected => return self.on_connected(now, signer, outbox),
            Input::Timer => return self.on_timer(now, signer, outbox),
            // This session makes no calls.
            Input::Response { .. } => {}
            Input::Disconnected => self.take_down(outbox),
            Input::Submit(_)
            | Input::Cancel(_)
            | Input::Replace(_)
            | Input::Query(_)
            | Input::Purged { .. } => {
                return Err(VenueError::Misuse("a request to an account session"));
            }
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Nanos> {
        let answer = self.asked.map_or(Nanos::MAX, |(_, until)| until);
        let deadline = self.retry_at.min(self.rotate_at).min(answer);
        (deadline != Nanos::MAX).then_some(deadline)
    }

    fn account(&self) -> AccountId {
        self.account
    }
}

/// Why a frame wasn't dealt with: it can't be read, or this side did something wrong.
enum Failure {
    Read(ReadError),
    Session(VenueError),
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests;
