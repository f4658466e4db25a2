//! Programmed faults that a market itself plays: on order requests, user events and pages.

use super::reject::Reject;
use crate::exchange::account::AccountId;
use crate::exchange::order::UnixMillis;
use crate::faults::FaultKind;

/// What a fault does to an order request.
#[derive(Debug)]
pub enum Troubled {
    No,
    Error { reject: Reject, applied: bool },
    Silent { applied: bool },
}

#[derive(Debug, Default)]
pub struct Trouble {
    error: Option<(Reject, bool)>,
    errors_left: u32,
    silent_applied: bool,
    silent_left: u32,
    html_502_left: u32,
    duplicate_left: u32,
    reorder: Reorder,
    maintenance_until: UnixMillis,
}

#[derive(Debug, Default)]
enum Reorder {
    #[default]
    Off,
    Armed,
    Holding(UserEvent),
}

/// One message to the owner of an account.
#[derive(Clone, Debug)]
pub struct UserEvent {
    pub account: AccountId,
    pub kind: &'static str,
    pub text: String,
}

impl Trouble {
    pub fn in_maintenance(&self, now: UnixMillis) -> bool {
        self.maintenance_until > now
    }

    pub fn take_html_502(&mut self) -> bool {
        let due = self.html_502_left > 0;
        self.html_502_left = self.html_502_left.saturating_sub(1);
        due
    }

    pub fn take(&mut self, is_order: bool) -> Troubled {
        if !is_order {
            return Troubled::No;
        }
        if self.silent_left > 0 {
            self.silent_left -= 1;
            return Troubled::Silent { applied: self.silent_applied };
        }
        match &self.error {
            Some((reject, applied)) if self.errors_left > 0 => {
                self.errors_left -= 1;
                Troubled::Error { reject: reject.clone(), applied: *applied }
            }
            Some(_) | None => Troubled::No,
        }
    }

    /// The events to send now in place of `event`: none, one, or several.
    pub fn pass(&mut self, event: UserEvent) -> Vec<UserEvent> {
        let ordered = match std::mem::take(&mut self.reorder) {
            Reorder::Off => vec![event],
            Reorder::Armed => {
                self.reorder = Reorder::Holding(event);
                Vec::new()
            }
            Reorder::Holding(held) => vec![event, held],
        };
        let mut sent = Vec::with_capacity(ordered.len());
        for event in ordered {
            if self.duplicate_left > 0 {
                self.duplicate_left -= 1;
                sent.push(event.clone());
            }
            sent.push(event);
        }
        sent
    }

    /// Doubles the next user events.
    pub fn duplicate(&mut self, count: u32) {
        self.duplicate_left = count;
    }

    /// Takes the part of a fault that is played here; what else there is belongs to the market
    /// or to its sockets.
    pub fn apply(&mut self, now: UnixMillis, fault: &FaultKind) {
        match fault {
            FaultKind::Error { count, code, status, message, applied } => {
                let text = message.clone().unwrap_or_else(|| default_text(*code).to_owned());
                self.error = Some((Reject::new(*status, *code, text), *applied));
                self.errors_left = *count;
            }
            FaultKind::NoReply { count, applied } => {
                self.silent_left = *count;
                self.silent_applied = *applied;
            }
            FaultKind::Html502 { count } => self.html_502_left = *count,
            FaultKind::Reorder {} => self.reorder = Reorder::Armed,
            FaultKind::Maintenance { for_ms } => self.maintenance_until = now.plus(*for_ms),
            FaultKind::Duplicate { .. }
            | FaultKind::Gap { .. }
            | FaultKind::RevokeKey { .. }
            | FaultKind::ChangeRole { .. }
            | FaultKind::ListenKeyExpired {}
            | FaultKind::ServerShutdown {}
            | FaultKind::Delay { .. }
            | FaultKind::Drop { .. }
            | FaultKind::Reset { .. }
            | FaultKind::HalfOpen { .. }
            | FaultKind::Stall { .. }
            | FaultKind::ClockSkew { .. } => {}
        }
    }
}

/// The venue's text for codes whose text decides (`venues/binance.md` section 10).
fn default_text(code: i32) -> &'static str {
    match code {
        -1000 => "Unknown error, please check your request or try again later.",
        -1001 => "Internal error; unable to process your request. Please try again.",
        -1006 => {
            "An unexpected response was received from the message bus. Execution status \
                  unknown."
        }
        -1007 => {
            "Timeout waiting for response from backend server. Send status unknown; \
                  execution status unknown."
        }
        -1008 => {
            "Server is currently overloaded with other requests. Please try again in a few \
                  minutes."
        }
        -1015 => "Too many new orders.",
        -1016 => "This service is no longer available.",
        -2019 => "Margin is insufficient.",
        _ => "An error was programmed.",
    }
}
