//! What a trade does to an account: order, position or balances, fee, event.

use super::account::AccountId;
use super::instrument::InstrumentId;
use super::matching::Execution;
use super::number::Money;
use super::order::{ExpiryReason, Fill, Order, OrderStatus, UnixMillis};
use super::{Event, Exchange, FillEvent, Settlement, admission};

impl Exchange {
    /// Books one account's side of a trade.
    pub(super) fn settle(&mut self, now: UnixMillis, execution: Execution) {
        let account = execution.account;
        let Some(order) = self.fill_order(now, execution) else { return };
        match self.settlement {
            Settlement::Margin => self.settle_margin(now, execution, order),
            Settlement::Cash => {
                self.take_over_funds(&order);
                self.settle_cash(now, execution, order.clone());
                self.on_first_fill(now, &order);
                if order.status == OrderStatus::Filled {
                    self.on_end(now, account, order.id);
                }
            }
        }
    }

    fn fill_order(&mut self, now: UnixMillis, execution: Execution) -> Option<Order> {
        let Execution { account, order: id, price, quantity, .. } = execution;
        let order = self.account_mut(account).orders.get_mut(&id)?;
        order.filled = order.filled.plus(quantity);
        order.filled_value = order.filled_value.plus(price.value(quantity));
        let done = order.leaves().is_zero();
        order.status = if done { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        order.updated = now;
        Some(order.clone())
    }

    fn settle_margin(&mut self, now: UnixMillis, execution: Execution, order: Order) {
        let Execution { account, trade, price, quantity, maker, .. } = execution;
        let (instrument, side) = (order.asked.instrument, order.asked.side);
        let position_side = order.asked.position_side;
        let rate = if maker { self.fees.maker } else { self.fees.taker };
        let fee = price.value(quantity).rate(rate).booked();
        let fee_asset = self.market(instrument).instrument.quote.clone();
        let held = self.account_mut(account);
        let position = held.positions.entry((instrument, position_side)).or_default();
        let realized = position.apply(side, price, quantity);
        position.fees = position.fees.plus(fee);
        let position = *position;
        let wallet_change = realized.minus(fee);
        held.wallet = held.wallet.plus(wallet_change);
        let wallet = held.wallet;
        let fill = Fill {
            trade,
            order: order.id,
            client_id: order.asked.client_id.clone(),
            instrument,
            side,
            price,
            quantity,
            fee,
            fee_asset,
            realized,
            position_side,
            maker,
            at: now,
        };
        held.record(fill.clone());
        if order.status == OrderStatus::Filled {
            held.close(order.id);
        }
        let event = FillEvent { order, fill, wallet, wallet_change, position };
        self.events.push(Event::Filled(Box::new(event)));
    }

    /// Ends resting reduce-only orders that have nothing left to reduce.
    pub(super) fn sweep_reduce_only(
        &mut self,
        now: UnixMillis,
        account: AccountId,
        instrument: InstrumentId,
    ) {
        let on_it = |order: &&Order| order.asked.instrument == instrument;
        let open = self.account(account).open_orders().filter(on_it);
        let idle = |order: &&Order| admission::is_idle(self, order);
        let ended: Vec<Order> = open.filter(idle).cloned().collect();
        for order in ended {
            self.unrest(&order);
            let reason = ExpiryReason::ReduceOnly;
            self.finish(now, account, order.id, OrderStatus::Expired, reason);
        }
    }

    /// Pays funding on every position of the instrument: longs pay shorts at a positive rate.
    pub fn settle_funding(
        &mut self,
        now: UnixMillis,
        instrument: InstrumentId,
        rate: rust_decimal::Decimal,
    ) {
        let mark = self.market(instrument).mark();
        for index in 0..self.accounts.len() {
            let account = AccountId(index);
            let held = self.account(account);
            let legs = held
                .positions
                .iter()
                .filter(|((id, _), p)| *id == instrument && !p.amount.is_zero());
            let due: Vec<_> = legs.map(|((_, side), p)| (*side, p.amount)).collect();
            for (position_side, amount) in due {
                let paid = mark.value(amount).rate(rate).booked();
                let id = self.take_execution();
                let amount = Money::ZERO.minus(paid);
                let payment = super::account::FundingPayment {
                    id,
                    instrument,
                    position_side,
                    amount,
                    at: now,
                };
                self.account_mut(account).pay_funding(payment);
                self.events.push(Event::Funded { account, payment });
            }
        }
    }
}
