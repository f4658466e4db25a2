//! Bringing an account in line with its venue: at the start, after each lost session, and every
//! while besides. It asks and compares; it never makes up an order, a fill or a position.

use enigma_types::{AccountId, InstrumentId, Nanos, Now, Query, VenueRequest};

use super::{Actions, Desk};
use crate::journal::{Journal, Probe};
use crate::orders::reconcile::Phase;
use crate::record::Record;

impl<J: Journal, P: Probe> Desk<J, P> {
    pub(super) fn keep_account(&mut self, now: Now, account: AccountId, actions: &mut Actions) {
        let Some(desk) = self.accounts.get_mut(usize::from(account.0)) else { return };
        if !desk.is_ready() {
            return;
        }
        let reconciliation = &mut desk.reconciliation;
        if reconciliation.phase() == Phase::Idle {
            if reconciliation.due() > now.mono {
                let due = reconciliation.due();
                self.wake_at(due);
                return;
            }
            reconciliation.begin();
        }
        if let Some(asked) = reconciliation.asked() {
            let silent_until = asked.plus(self.query_timeout);
            if silent_until <= now.mono {
                self.fail_reconciliation(now, account);
            } else {
                self.wake_at(silent_until);
            }
            return;
        }
        if reconciliation.phase() == Phase::Orders {
            if self.has_doubted_orders(account) {
                return;
            }
            self.next_instrument(account, None);
        }
        self.ask_phase(now, account, actions);
    }

    fn ask_phase(&mut self, now: Now, account: AccountId, actions: &mut Actions) {
        let Some(desk) = self.accounts.get(usize::from(account.0)) else { return };
        let handed_over = match desk.reconciliation.phase() {
            Phase::Idle | Phase::Orders => return,
            Phase::Fills(instrument) => self.ask_for_fills(account, instrument, actions),
            Phase::OpenOrders => {
                self.state.counters.queries_sent += 1;
                actions.push(VenueRequest::Query(Query::OpenOrders { account }))
            }
            Phase::Account => {
                self.state.counters.queries_sent += 1;
                actions.push(VenueRequest::Query(Query::Account { account }))
            }
        };
        if handed_over && let Some(desk) = self.accounts.get_mut(usize::from(account.0)) {
            desk.reconciliation.mark_asked(now.mono);
            self.wake_at(now.mono.plus(self.query_timeout));
        } else {
            self.wake_at(now.mono);
        }
    }

    /// Orders that the open orders left out are asked about: being left out proves nothing.
    pub(super) fn doubt_unseen(&mut self, now: Now, account: AccountId, asked_at: Nanos) {
        let Some(desk) = self.accounts.get_mut(usize::from(account.0)) else { return };
        let round = desk.reconciliation.round();
        desk.reconciliation.enter(Phase::Orders);
        for position in 0..self.state.orders.len() {
            let Some(slot) = self.state.orders.slot_at(position) else { continue };
            let Some(order) = self.state.orders.get(slot) else { continue };
            let unseen = self.upkeep.get(slot.index()).is_some_and(|row| row.seen != round);
            if order.account == account && !order.is_closed() && order.sent_at < asked_at && unseen
            {
                self.ask_about(now, slot);
            }
        }
    }

    pub(super) fn on_fills_phase(
        &mut self,
        now: Now,
        account: AccountId,
        instrument: InstrumentId,
        complete: bool,
        had_news: bool,
    ) {
        if !complete {
            self.fail_reconciliation(now, account);
        } else if had_news {
            // The next page, until one tells nothing new.
            if let Some(desk) = self.accounts.get_mut(usize::from(account.0)) {
                desk.reconciliation.ask_again();
            }
        } else {
            self.next_instrument(account, Some(instrument));
        }
    }

    fn next_instrument(&mut self, account: AccountId, after: Option<InstrumentId>) {
        let next = self
            .state
            .instruments_of(account)
            .map(|row| row.id)
            .find(|id| after.is_none_or(|after| *id > after));
        if let Some(desk) = self.accounts.get_mut(usize::from(account.0)) {
            desk.reconciliation.enter(next.map_or(Phase::Account, Phase::Fills));
        }
    }

    /// Compares what is held with what the venue says, where nothing of ours can be moving.
    pub(super) fn compare_positions(&mut self, now: Now, account: AccountId, asked_at: Nanos) {
        let mut differences = 0;
        let mut unsettled = false;
        for column in 0..self.state.instruments.len() {
            let instrument = InstrumentId(column as u16);
            if !self.state.trades_on(account, instrument) {
                continue;
            }
            if !self.state.positions.is_adopted(account, instrument) {
                unsettled = true;
                continue;
            }
            let row = self.state.instruments.get(instrument);
            let tells_positions = row.is_none_or(|row| row.venue.tells_positions());
            if !tells_positions || !self.state.is_quiet(account, instrument, asked_at) {
                continue;
            }
            let held = self.state.positions.held(account, instrument);
            let venue = self.state.pair(account, instrument).map(|pair| pair.venue_position);
            let venue = venue.unwrap_or_default();
            let place = self.state.pair_place(account, instrument);
            let Some(watch) = self.fills.get_mut(place) else { continue };
            if held == venue {
                watch.mismatches = 0;
                self.state.risk.set_reduce_only(account, instrument, false);
                continue;
            }
            // The answer may come from the venue's past: the second in a row counts.
            watch.mismatches = watch.mismatches.saturating_add(1);
            unsettled = true;
            if watch.mismatches < 2 {
                continue;
            }
            differences += 1;
            if watch.mismatches == 2 {
                self.state.risk.set_reduce_only(account, instrument, true);
                let (ours, theirs) = (held.0, venue.0);
                self.alarm(
                    now,
                    account,
                    format_args!("position of {column}: {ours} by fills, {theirs} at the venue"),
                );
            }
        }
        self.conclude(now, account, differences, unsettled);
    }

    fn conclude(&mut self, now: Now, account: AccountId, differences: u32, unsettled: bool) {
        let Some(desk) = self.accounts.get_mut(usize::from(account.0)) else { return };
        // What differs for good is reduce-only by now; the rest of the account may go on.
        if unsettled && differences == 0 {
            desk.reconciliation.retry(now.mono);
            return;
        }
        if unsettled {
            desk.reconciliation.finish_unsettled(now.mono);
        } else {
            desk.reconciliation.finish(now.mono, self.reconcile_every);
        }
        self.state.counters.reconciliations += 1;
        self.record(now, &Record::Reconciled { account, differences });
        self.state.apply_reconciled(now, account);
    }

    pub(super) fn fail_reconciliation(&mut self, now: Now, account: AccountId) {
        self.state.counters.reconciliations_failed += 1;
        if let Some(desk) = self.accounts.get_mut(usize::from(account.0)) {
            desk.reconciliation.retry(now.mono);
            let due = desk.reconciliation.due();
            self.wake_at(due);
        }
    }

    fn has_doubted_orders(&self, account: AccountId) -> bool {
        (0..self.state.orders.len())
            .filter_map(|position| self.state.orders.slot_at(position))
            .filter(|slot| self.upkeep.get(slot.index()).is_some_and(|upkeep| upkeep.doubted))
            .filter_map(|slot| self.state.orders.get(slot))
            .any(|order| order.account == account && !order.is_closed())
    }
}
