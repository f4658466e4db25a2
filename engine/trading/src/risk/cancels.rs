//! C8 for cancels: only the throttle ever holds one back.

use enigma_types::{Now, StrategyId};

use super::{RiskBook, RiskRejection, checks, throttle};

impl RiskBook {
    /// Decides whether a cancel may go now, and counts it when it may. Only the throttle holds a
    /// cancel back, never a limit, the gate or the kill switch. Cancels that an operator, a kill
    /// or a pause asks for go as `StrategyId::MANUAL`, so that no strategy can use up their room.
    pub fn check_cancel_throttle(
        &mut self,
        now: Now,
        strategy: StrategyId,
    ) -> Result<(), RiskRejection> {
        self.cancel_room(now, strategy)?;
        self.engine_messages.cancels.record(now.mono);
        if let Some(throttle) = self.strategy_messages.get_mut(usize::from(strategy.0)) {
            throttle.cancels.record(now.mono);
        }
        Ok(())
    }

    /// The same, and nothing is counted.
    pub fn cancel_room(&mut self, now: Now, strategy: StrategyId) -> Result<(), RiskRejection> {
        let at = now.mono;
        let own_limit = self.row(strategy).and_then(|row| row.max_messages_per_second);
        let own = self.strategy_messages.get_mut(usize::from(strategy.0));
        let own = own_limit
            .zip(own)
            .and_then(|(limit, throttle)| checks::throttle(throttle.cancels.count(at), limit));
        let [a_second, ..] = self.engine.max_messages;
        let cancels = self.engine_messages.cancels.count(at);
        own.or_else(|| checks::throttle(cancels, throttle::share(a_second, strategy)))
            .map_or(Ok(()), Err)
    }
}
