//! Lets the first alert of a kind through and then one in a while, so that a fault that comes with
//! every message doesn't drown the log. The counters count each.

use core::mem::{Discriminant, discriminant};

use arrayvec::ArrayVec;
use enigma_types::Nanos;

use crate::session::{AlertKind, Outbox};

#[derive(Debug, Default)]
pub(in crate::binance) struct AlertGate {
    last: ArrayVec<(Discriminant<AlertKind>, Nanos), 16>,
}

impl AlertGate {
    const INTERVAL: Nanos = Nanos::from_secs(10);

    pub(in crate::binance) fn raise(
        &mut self,
        now: Nanos,
        outbox: &mut Outbox,
        kind: AlertKind,
        detail: &str,
    ) {
        let key = discriminant(&kind);
        match self.last.iter_mut().find(|(known, _)| *known == key) {
            Some((_, at)) if now.since(*at) < Self::INTERVAL => return,
            Some((_, at)) => *at = now,
            // There are fewer kinds than places.
            None => drop(self.last.try_push((key, now))),
        }
        outbox.alert(kind, detail);
    }
}
