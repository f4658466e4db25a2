//! The account session: the private stream that pushes what happens to orders, positions and
//! balances, and the listen key that keeps it alive. It must not skip an event that it can't read:
//! there is no replay, so the session is replaced and the account reconciled.
//!
//! Implements `binance.md` section 4.5, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{
    AccountId, BalanceReport, ExecutionReport, InstallationPrefix, Nanos, Now, Outcome,
    PositionReport, Report, ReportSource, SessionState, SignedQuantity, VenueId,
};

use super::account_answers::PositionSide;
use super::budget::LIMITS;
use super::reject_codes::{LISTEN_KEY_GONE, is_authentication};
use super::user_events::{AccountRows, OrderUpdate, UserEvent, decode_user_event};
use crate::binance::account_answers::decode_error_code;
use crate::binance::alerts::AlertGate;
use crate::binance::auth::{binance, composed};
use crate::binance::budget::RequestBudget;
use crate::binance::fields::{ReadError, fields, need};
use crate::binance::rotation::{ROTATION_REMINDER, rotation_at};
use crate::binance::symbols::SymbolTable;
use crate::registry::SessionPlan;
use crate::session::{
    AlertKind, Answer, CallId, CallRequest, Dial, HostRole, Input, Method, Outbox, ReconnectReason,
    Session, VenueError,
};
use crate::signer::Signer;
use crate::wire::json::RawValue;

/// What an account session has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCounters {
    pub order_updates: u64,
    pub account_updates: u64,
    /// Ignored: the order update that follows has the fee too.
    pub trade_lites: u64,
    pub ignored: u64,
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
    seed: u64,
    rows: AccountRows,
    stage: Stage,
    /// The call that is on its way.
    call: Option<(CallId, Purpose)>,
    next_call: u32,
    /// When the next call is due.
    call_at: Nanos,
    /// When the listen key dies unless it is kept alive before.
    key_expires_at: Nanos,
    failures: u32,
    budget: RequestBudget,
    state: SessionState,
    rotate_at: Nanos,
    alerts: AlertGate,
    counters: AccountCounters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A listen key is wanted.
    WantsKey,
    Dialling,
    Open,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Create,
    KeepAlive,
}

impl AccountSession {
    const KEEP_ALIVE: Nanos = Nanos::from_secs(30 * 60);
    const KEY_LIFE: Nanos = Nanos::from_secs(58 * 60);
    const KEEP_ALIVE_RETRY: Nanos = Nanos::from_secs(60);
    const CALL_TIMEOUT: Nanos = Nanos::from_secs(10);
    const CALL_WEIGHT: u32 = 1;

    pub fn new(plan: &SessionPlan) -> Self {
        Self {
            symbols: SymbolTable::new(VenueId::BinanceUsdm, plan.instruments.clone()),
            account: plan.account,
            prefix: plan.prefix,
            seed: plan.seed,
            rows: AccountRows::new(),
            stage: Stage::Down,
            call: None,
            next_call: 0,
            call_at: Nanos::MAX,
            key_expires_at: Nanos::MAX,
            failures: 0,
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

    fn on_start(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        self.stage = Stage::WantsKey;
        self.set_state(SessionState::Connecting, outbox);
        self.send_call(now, signer, outbox)
    }

    fn on_connected(&mut self, now: Now, outbox: &mut Outbox) {
        self.stage = Stage::Open;
        self.rotate_at = rotation_at(now.mono, self.seed);
        // There is no acknowledgement: the stream speaks when something happens.
        self.set_state(SessionState::Ready, outbox);
    }

    /// Creates or keeps alive the listen key, whichever is needed.
    fn send_call(
        &mut self,
        now: Now,
        signer: &Signer,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let signer = binance(signer)?;
        let (purpose, method) = match self.stage {
            Stage::WantsKey => (Purpose::Create, Method::Post),
            Stage::Dialling | Stage::Open => (Purpose::KeepAlive, Method::Put),
            Stage::Down => return Ok(()),
        };
        let venue_ms = now.venue_time().as_millis();
        if let Err(wait) = self.budget.take_query(venue_ms, Self::CALL_WEIGHT) {
            let wait_ms = wait.retry_at_ms().unwrap_or(venue_ms + 60_000).saturating_sub(venue_ms);
            self.call_at = now.mono.plus(Nanos::from_millis(wait_ms));
            return Ok(());
        }
        let call = CallId(self.next_call);
        self.next_call = self.next_call.wrapping_add(1);
        let request = CallRequest {
            call,
            method,
            target: composed(format_args!("/fapi/v1/listenKey")),
            header: Some(("X-MBX-APIKEY", signer.key_name())),
            timeout: Self::CALL_TIMEOUT,
        };
        if outbox.call(request) {
            self.call = Some((call, purpose));
            self.call_at = Nanos::MAX;
        } else {
            self.retry_call(now, purpose);
        }
        Ok(())
    }

    fn retry_call(&mut self, now: Now, purpose: Purpose) {
        let delay = match purpose {
            Purpose::Create => {
                Nanos::from_secs(1 << self.failures.min(5)).min(Nanos::from_secs(30))
            }
            Purpose::KeepAlive => Self::KEEP_ALIVE_RETRY,
        };
        self.failures = self.failures.saturating_add(1);
        self.call_at = now.mono.plus(delay);
    }

    fn on_response(
        &mut self,
        now: Now,
        call: CallId,
        answer: &Answer<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        let Some((_, purpose)) = self.call.take_if(|(waiting, _)| *waiting == call) else {
            return Ok(());
        };
        match answer {
            Answer::Http { status: 200, body, .. } => self.on_key(now, purpose, body, outbox),
            Answer::Http { status, retry_after_seconds, body } => {
                let code = decode_error_code(body).unwrap_or_default();
                self.on_refused_key(now, purpose, *status, code, outbox);
                let venue_ms = now.venue_time().as_millis();
                let retry_at_ms = retry_after_seconds.map(|s| venue_ms + u64::from(s) * 1_000);
                self.budget.obey(venue_ms, *status, code, retry_at_ms);
                if let Some(seconds) = retry_after_seconds {
                    let at = now.mono.plus(Nanos::from_secs(u64::from(*seconds)));
                    self.call_at = self.call_at.max(at);
                }
                Ok(())
            }
            Answer::NotSent | Answer::Lost => {
                self.retry_call(now, purpose);
                Ok(())
            }
        }
    }

    fn on_key(
        &mut self,
        now: Now,
        purpose: Purpose,
        body: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), VenueError> {
        match purpose {
            Purpose::KeepAlive => {}
            Purpose::Create => {
                let mut buffer = [0; 256];
                let key = listen_key(body, &mut buffer).inspect_err(|_| {
                    self.counters.unreadable += 1;
                    self.retry_call(now, purpose);
                })?;
                let path = format!("/private/ws/{key}");
                outbox.dial = Some(Dial { host: HostRole::PrivateStream, path });
                self.stage = Stage::Dialling;
            }
        }
        self.failures = 0;
        self.call_at = now.mono.plus(Self::KEEP_ALIVE);
        self.key_expires_at = now.mono.plus(Self::KEY_LIFE);
        Ok(())
    }

    fn on_refused_key(
        &mut self,
        now: Now,
        purpose: Purpose,
        status: u16,
        code: i32,
        outbox: &mut Outbox,
    ) {
        if code == LISTEN_KEY_GONE && purpose == Purpose::KeepAlive {
            self.lose_stream(outbox);
            return;
        }
        let (kind, what) = match status {
            401 => (AlertKind::Authentication, "the listen key was refused"),
            418 | 429 => (AlertKind::RateLimited, "the listen key call was throttled"),
            _ if is_authentication(code) => {
                (AlertKind::Authentication, "the listen key was refused")
            }
            _ => (AlertKind::VenueError, "the listen key call failed"),
        };
        self.alerts.raise(now.mono, outbox, kind, what);
        self.retry_call(now, purpose);
    }

    fn lose_stream(&mut self, outbox: &mut Outbox) {
        outbox.reconnect = Some(ReconnectReason::StreamExpired);
        self.take_down(outbox);
    }

    fn take_down(&mut self, outbox: &mut Outbox) {
        self.stage = Stage::Down;
        self.call = None;
        self.call_at = Nanos::MAX;
        self.key_expires_at = Nanos::MAX;
        self.rotate_at = Nanos::MAX;
        self.set_state(SessionState::Down, outbox);
    }

    fn on_frame(&mut self, now: Now, frame: &[u8], outbox: &mut Outbox) -> Result<(), VenueError> {
        let event = decode_user_event(&self.symbols, self.prefix, frame, &mut self.rows);
        let event = event.inspect_err(|_| {
            self.counters.unreadable += 1;
            let kind = AlertKind::UnreadableMessage;
            self.alerts.raise(now.mono, outbox, kind, "an event of the private stream");
            outbox.reconnect = Some(ReconnectReason::Protocol);
            self.take_down(outbox);
        })?;
        match event {
            UserEvent::Order(update) => {
                self.counters.order_updates += 1;
                self.report_order(now, &update, outbox);
            }
            UserEvent::Account => {
                self.counters.account_updates += 1;
                self.report_account(now, outbox);
            }
            UserEvent::TradeLite => self.counters.trade_lites += 1,
            UserEvent::Ignored => self.counters.ignored += 1,
            UserEvent::Foreign => self.counters.foreign += 1,
            UserEvent::ListenKeyExpired => self.lose_stream(outbox),
            UserEvent::ServerShutdown => outbox.reconnect = Some(ReconnectReason::Rotation),
            UserEvent::MarginCall => {
                self.counters.ignored += 1;
                self.alerts.raise(now.mono, outbox, AlertKind::VenueError, "a margin call");
            }
            UserEvent::Unknown => {
                self.counters.unknown += 1;
                let kind = AlertKind::UnknownMessage;
                self.alerts.raise(now.mono, outbox, kind, "on the private stream");
            }
        }
        Ok(())
    }

    /// The fill first, so that the order's new state finds it counted.
    fn report_order(&self, now: Now, update: &OrderUpdate, outbox: &mut Outbox) {
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
        outbox.report(report(Outcome::Working(update.working, ReportSource::Stream)));
    }

    fn report_account(&mut self, now: Now, outbox: &mut Outbox) {
        for row in &self.rows.balances {
            outbox.report(Report::Balance(BalanceReport {
                account: self.account,
                asset: row.asset,
                wallet: row.wallet,
                available: row.available,
                venue_time: row.venue_time,
            }));
        }
        let mut hedged = false;
        for row in &self.rows.positions {
            match row.side {
                PositionSide::Both => outbox.report(Report::Position(PositionReport {
                    account: self.account,
                    instrument: row.instrument,
                    quantity: row.quantity,
                    entry_price: row.entry_price,
                    venue_time: row.venue_time,
                    asked_at: None,
                })),
                PositionSide::Long | PositionSide::Short => {
                    hedged |= row.quantity != SignedQuantity::ZERO;
                }
            }
        }
        if hedged {
            let detail = "a hedge-mode position, which this program doesn't trade";
            self.alerts.raise(now.mono, outbox, AlertKind::VenueError, detail);
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
        if now.mono >= self.key_expires_at {
            self.lose_stream(outbox);
        }
        if now.mono >= self.call_at {
            self.send_call(now, signer, outbox)?;
        }
        Ok(())
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
            Input::Frame(frame) => return self.on_frame(now, frame, outbox),
            Input::Start => return self.on_start(now, signer, outbox),
            Input::Timer => return self.on_timer(now, signer, outbox),
            Input::Response { call, answer } => {
                return self.on_response(now, call, &answer, outbox);
            }
            Input::Connected => self.on_connected(now, outbox),
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
        let deadline = self.call_at.min(self.key_expires_at).min(self.rotate_at);
        (deadline != Nanos::MAX).then_some(deadline)
    }

    fn account(&self) -> AccountId {
        self.account
    }
}

/// The key becomes part of a path: letters and digits only.
fn listen_key<'b>(body: &[u8], buffer: &'b mut [u8; 256]) -> Result<&'b str, ReadError> {
    let [key] = fields(&RawValue::of_message(body)?, ["listenKey"])?;
    let key = need(key, "listenKey")?.as_plain()?;
    let legal = key.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let room = buffer.get_mut(..key.len()).filter(|room| legal && !room.is_empty());
    let room = room.ok_or(ReadError::Absurd("listenKey"))?;
    room.copy_from_slice(key);
    core::str::from_utf8(room).map_err(|_| ReadError::Absurd("listenKey"))
}

#[cfg(test)]
mod tests;
