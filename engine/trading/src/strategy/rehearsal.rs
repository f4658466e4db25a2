//! A seeded market for the tests of strategies with a task: a venue that answers late, fills that
//! are told after they happened, pauses and restarts. It knows the truth that the strategy only
//! learns of.

#![expect(clippy::unwrap_used, reason = "a test may stop here")]
#![expect(clippy::print_stdout, reason = "a failed test says its seed")]

use enigma_types::{
    AccountId, Amount, Asset, BookTop, ClientOrderId, ExecutionReport, Fill, Instrument, Liquidity,
    Nanos, Now, OrderIntent, OrderReference, Outcome, Price, Quantity, RejectClass, RejectReason,
    ReportSource, RequestKind, Side, SignedQuantity, StrategyId, StrategySpec, TimeInForce, Trade,
    TradeId, UnixNanos, VenueOrderId, WorkingOrder, WorkingStatus,
};

use super::{
    Decision, Decisions, FinishReason, OwnOrder, Pending, Strategy, StrategyMachine, View, build,
    scene,
};

#[derive(Debug)]
pub(super) struct Rehearsal {
    pub(super) spec: StrategySpec,
    pub(super) machine: StrategyMachine,
    pub(super) instrument: Instrument,
    pub(super) book: BookTop,
    pub(super) now: Now,
    pub(super) finished: Option<FinishReason>,
    /// Open or on their way, oldest first.
    pub(super) orders: Vec<Toy>,
    /// Every fill that there was, in order.
    pub(super) fills: Vec<Fill>,
    /// What was told of them, and when.
    pub(super) told: Vec<(UnixNanos, Fill)>,
    /// Every order that was asked for, with the busy orders of that moment.
    pub(super) placed: Vec<(OrderIntent, usize)>,
    started_at: UnixNanos,
    random: u64,
    ids: u64,
    paused: bool,
    /// How many orders of ten a check refuses.
    pub(super) refused_of_ten: u64,
    /// Checked after every event.
    check: fn(&Rehearsal),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Toy {
    pub(super) id: ClientOrderId,
    pub(super) intent: OrderIntent,
    pub(super) leaves: Quantity,
    state: ToyState,
    /// It is to be cancelled once the venue has it.
    doomed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ToyState {
    Sent,
    Open,
    Cancelling,
}

impl Rehearsal {
    pub(super) fn new(spec: StrategySpec, seed: u64, check: fn(&Self)) -> Self {
        // Shown when the test fails: how it can be seen again.
        println!("seed {seed}");
        let instrument = scene::instrument();
        let wall = UnixNanos::from_millis(1_000_000);
        let mut machine = build(&spec, StrategyId(1), AccountId(0), &instrument).unwrap();
        machine.on_start(wall);
        Self {
            spec,
            machine,
            instrument,
            book: scene::touch(9_999, 50, 10_001, 50),
            now: Now { mono: Nanos::from_secs(5), wall, venue_offset_ns: 0 },
            finished: None,
            orders: Vec::new(),
            fills: Vec::new(),
            told: Vec::new(),
            placed: Vec::new(),
            started_at: wall,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            ids: 0,
            paused: false,
            refused_of_ten: 0,
            check,
        }
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        match self.below(100) {
            0..30 => {
                let millis = self.below(300);
                self.pass_ms(millis);
                self.move_market();
            }
            30..45 => self.trade(),
            45..70 => self.reach_venue(),
            70..85 => self.fill_resting(),
            85..95 => self.tell_fill(),
            95..97 => self.pause_or_resume(),
            97 => self.restart(),
            _ => {
                let millis = self.below(4_000);
                self.pass_ms(millis);
                self.book_event();
            }
        }
        (self.check)(self);
    }

    /// Everything on its way arrives, and every fill is told.
    pub(super) fn quiesce(&mut self) {
        self.paused = false;
        for _ in 0..200 {
            self.pass_ms(250);
            while self.orders.iter().any(|order| order.state != ToyState::Open) {
                self.reach_venue();
            }
            while self.told.len() < self.fills.len() {
                self.tell_fill();
            }
            self.book_event();
            (self.check)(self);
        }
    }

    pub(super) fn show(&mut self, bid: i64, ask: i64) {
        self.book = scene::touch(bid, 50, ask, 50);
        self.book_event();
    }

    pub(super) fn book_event(&mut self) {
        self.consult(|machine, view, decisions| machine.on_book(view, decisions));
    }

    pub(super) fn trade_of(&mut self, quantity: i64) {
        let trade = Trade {
            instrument: self.instrument.id,
            trade_id: 1,
            price: self.book.mid().unwrap(),
            quantity: Quantity(quantity),
            aggressor: Side::Buy,
            venue_time: self.now.wall,
        };
        self.consult(|machine, view, decisions| machine.on_trade(view, &trade, decisions));
    }

    pub(super) fn pass_ms(&mut self, millis: u64) {
        let span = Nanos::from_millis(millis);
        self.now.mono = self.now.mono.plus(span);
        self.now.wall = UnixNanos(self.now.wall.0 + span.0);
    }

    /// The oldest order on its way reaches the venue, which answers.
    pub(super) fn reach_venue(&mut self) {
        let place = self.orders.iter().position(|order| order.state != ToyState::Open);
        let Some(place) = place else { return };
        let order = self.orders[place];
        let price = order.intent.price;
        let (bid, ask) = self.touch();
        let crosses = match order.intent.side {
            Side::Buy => price >= ask,
            Side::Sell => price <= bid,
        };
        match (order.state, order.intent.time_in_force) {
            (ToyState::Cancelling, _) => self.end(place, WorkingStatus::Canceled),
            (_, TimeInForce::PostOnly) if crosses => {
                self.orders.remove(place);
                let reason = RejectReason::new(RejectClass::WouldCross, -1, b"would cross");
                self.report(order.id, Outcome::Rejected(RequestKind::Submit, reason));
            }
            (_, TimeInForce::Ioc) => {
                if crosses {
                    let available = self.below(60) as i64;
                    let touch = if order.intent.side == Side::Buy { ask } else { bid };
                    self.fill(place, touch, available);
                }
                if let Some(place) = self.place_of(order.id) {
                    self.end(place, WorkingStatus::Expired);
                }
            }
            (_, TimeInForce::PostOnly | TimeInForce::Gtc | TimeInForce::Fok) => {
                let doomed = order.doomed;
                self.orders[place].state =
                    if doomed { ToyState::Cancelling } else { ToyState::Open };
                let outcome = self.working(place, WorkingStatus::Open);
                self.report(order.id, outcome);
            }
        }
    }

    /// The venue fills so much of the oldest order, tells it, and ends what is left of it.
    pub(super) fn answer(&mut self, quantity: i64) {
        let order = self.orders[0];
        self.fill(0, order.intent.price, quantity);
        while self.told.len() < self.fills.len() {
            self.tell_fill();
        }
        if let Some(place) = self.place_of(order.id) {
            self.end(place, WorkingStatus::Expired);
        }
    }

    /// What was asked for since the last call, in words.
    pub(super) fn asked(&mut self) -> Vec<String> {
        let placed = std::mem::take(&mut self.placed);
        placed.into_iter().map(|(intent, _)| scene::words(Decision::Place(intent))).collect()
    }

    /// The oldest fill that wasn't told is.
    pub(super) fn tell_fill(&mut self) {
        let Some(fill) = self.fills.get(self.told.len()).copied() else { return };
        self.told.push((self.now.wall, fill));
        self.machine.on_fill(self.now.wall, &fill);
        let id = ClientOrderId::new(1).unwrap();
        self.report(id, Outcome::Fill(fill));
    }

    /// The process dies: what only the machine knew is gone, and its orders are cancelled.
    pub(super) fn restart(&mut self) {
        let before = self.summed_up(&self.machine);
        let spec = self.spec.clone();
        self.machine = build(&spec, StrategyId(1), AccountId(0), &self.instrument).unwrap();
        self.machine.on_start(self.started_at);
        for (at, fill) in &self.told {
            self.machine.on_fill(*at, fill);
        }
        assert_eq!(self.summed_up(&self.machine), before, "the journal gives it all back");
        self.now.mono = Nanos::from_secs(self.below(1_000));
        self.cancel_all();
    }

    pub(super) fn pause_or_resume(&mut self) {
        self.paused = !self.paused;
        if self.paused {
            self.cancel_all();
        }
    }

    /// What was filled of a side, told or not.
    pub(super) fn traded(&self, side: Side) -> i64 {
        self.fills.iter().filter(|fill| fill.side == side).map(|fill| fill.quantity.0).sum()
    }

    /// What may still be filled of a side.
    pub(super) fn leaves(&self, side: Side) -> i64 {
        let own = self.orders.iter().filter(|order| order.intent.side == side);
        own.map(|order| order.leaves.0).sum()
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// A resting order takes part of a fill.
    pub(super) fn fill(&mut self, place: usize, price: Price, quantity: i64) {
        let order = &mut self.orders[place];
        let quantity = Quantity(quantity.min(order.leaves.0));
        if quantity.is_zero() {
            return;
        }
        order.leaves = order.leaves.less(quantity);
        let order = *order;
        self.fills.push(Fill {
            trade_id: TradeId(self.fills.len() as u64 + 1),
            side: order.intent.side,
            price,
            quantity,
            liquidity: Liquidity::Maker,
            fee: Some(Amount::ZERO),
            fee_asset: Asset::from("USDT").unwrap(),
        });
        if order.leaves.is_zero() {
            self.end(place, WorkingStatus::Filled);
        }
    }

    fn consult(&mut self, ask: impl FnOnce(&mut StrategyMachine, &View<'_>, &mut Decisions)) {
        if self.paused || self.finished.is_some() {
            return;
        }
        let own: Vec<OwnOrder> = self.orders.iter().map(Toy::own).collect();
        let untold = |side| {
            let told: i64 = self
                .told
                .iter()
                .filter(|(_, fill)| fill.side == side)
                .map(|(_, fill)| fill.quantity.0)
                .sum();
            Quantity(self.leaves(side) + self.traded(side) - told)
        };
        let view = View {
            now: self.now,
            instrument: &self.instrument,
            book: &self.book,
            position: SignedQuantity::ZERO,
            pending: Pending { buys: untold(Side::Buy), sells: untold(Side::Sell) },
            orders: &own,
        };
        let mut decisions = Decisions::new();
        ask(&mut self.machine, &view, &mut decisions);
        for decision in decisions {
            self.take(decision);
        }
    }

    fn take(&mut self, decision: Decision) {
        match decision {
            Decision::Place(intent) => {
                let busy = self.orders.iter().filter(|order| order.own().busy).count();
                self.placed.push((intent, busy));
                if self.below(10) >= self.refused_of_ten {
                    self.ids += 1;
                    let id = ClientOrderId::new(self.ids).unwrap();
                    let (leaves, state) = (intent.quantity, ToyState::Sent);
                    self.orders.push(Toy { id, intent, leaves, state, doomed: false });
                }
            }
            Decision::Cancel(id) => {
                let order = self.orders.iter_mut().find(|order| order.id == id).unwrap();
                assert_eq!(order.state, ToyState::Open, "a busy order is left alone");
                order.state = ToyState::Cancelling;
            }
            Decision::Replace { .. } => panic!("these strategies replace nothing"),
            Decision::Finish(reason) => {
                self.finished = Some(reason);
                self.cancel_all();
            }
        }
    }

    fn report(&mut self, id: ClientOrderId, outcome: Outcome) {
        let report = ExecutionReport {
            account: AccountId(0),
            instrument: self.instrument.id,
            order: OrderReference::Ours(id),
            venue_order_id: VenueOrderId(id.get()),
            outcome,
            venue_time: self.now.wall,
            received_at: self.now.mono,
        };
        self.consult(|machine, view, decisions| machine.on_report(view, &report, decisions));
    }

    fn working(&self, place: usize, status: WorkingStatus) -> Outcome {
        let order = &self.orders[place];
        let working = WorkingOrder {
            status,
            side: order.intent.side,
            price: order.intent.price,
            quantity: order.intent.quantity,
            filled: order.intent.quantity.less(order.leaves),
            time_in_force: order.intent.time_in_force,
            reduce_only: false,
        };
        Outcome::Working(working, ReportSource::Stream)
    }

    fn end(&mut self, place: usize, status: WorkingStatus) {
        let outcome = self.working(place, status);
        let order = self.orders.remove(place);
        self.report(order.id, outcome);
    }

    fn cancel_all(&mut self) {
        for order in &mut self.orders {
            order.doomed = true;
            if order.state == ToyState::Open {
                order.state = ToyState::Cancelling;
            }
        }
    }

    fn place_of(&self, id: ClientOrderId) -> Option<usize> {
        self.orders.iter().position(|order| order.id == id)
    }

    fn touch(&self) -> (Price, Price) {
        (self.book.best_bid().unwrap().price, self.book.best_ask().unwrap().price)
    }

    fn summed_up(&self, machine: &StrategyMachine) -> u128 {
        let mut digest = crate::digest::Digest::default();
        machine.fingerprint(StrategyId(1), &mut digest);
        digest.value()
    }

    fn trade(&mut self) {
        let quantity = 1 + self.below(40) as i64;
        self.trade_of(quantity);
    }

    /// Moves the middle and fills whatever the market has come past.
    fn move_market(&mut self) {
        let by = self.below(61) as i64 - 30;
        let spread = 2 + 2 * self.below(4) as i64;
        let middle = (self.book.mid().unwrap().0 + by).clamp(9_500, 10_500);
        let (bid, ask) = (middle - spread / 2, middle + spread / 2);
        self.book = scene::touch(bid, 50, ask, 50);
        let passed = |order: &Toy| {
            order.state != ToyState::Sent
                && match order.intent.side {
                    Side::Buy => order.intent.price.0 >= ask,
                    Side::Sell => order.intent.price.0 <= bid,
                }
        };
        // Mostly the book is seen before the fills are.
        if self.below(3) > 0 {
            self.book_event();
        }
        while let Some(place) = self.orders.iter().position(passed) {
            let price = self.orders[place].intent.price;
            self.fill(place, price, i64::MAX);
        }
        self.book_event();
    }

    fn fill_resting(&mut self) {
        let resting = self.orders.iter().position(|order| order.state != ToyState::Sent);
        if let Some(place) = resting {
            let price = self.orders[place].intent.price;
            let (bid, ask) = self.touch();
            let near = match self.orders[place].intent.side {
                Side::Buy => price >= bid,
                Side::Sell => price <= ask,
            };
            let quantity = 1 + self.below(15) as i64;
            if near {
                self.fill(place, price, quantity);
            }
        }
    }
}

impl Toy {
    fn own(&self) -> OwnOrder {
        OwnOrder {
            client_order_id: self.id,
            side: self.intent.side,
            price: self.intent.price,
            leaves_quantity: self.leaves,
            busy: self.state != ToyState::Open,
        }
    }
}
