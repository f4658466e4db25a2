//! Rows of the tables as the filler writes them, from the views that the journal folds to.

use std::collections::BTreeMap;

use enigma_engine::history::{Changes, Execution, History, Move};
use enigma_engine::snapshot::OrderView;
use enigma_types::{InstallationPrefix, Instrument, InstrumentId, Liquidity, Quantity};

use super::StoreError;
use super::results::{Realised, Results};
use super::statement::{Cell, Statement, Table};
use crate::naming::Naming;

/// Everything that a run of records leaves in the store.
#[derive(Debug, Default)]
pub(super) struct Rows {
    orders: Vec<Vec<Cell>>,
    fills: BTreeMap<u64, Vec<Cell>>,
    ledger: BTreeMap<(u64, &'static str, InstrumentId, u16), Vec<Cell>>,
    strategies: BTreeMap<String, Vec<Cell>>,
    settings: Vec<Vec<Cell>>,
}

/// What the rows are made with.
#[derive(Debug)]
pub(super) struct Scribe<'a> {
    pub(super) journal: u64,
    pub(super) prefix: InstallationPrefix,
    pub(super) naming: &'a Naming,
    pub(super) history: &'a History,
}

impl Rows {
    pub(super) fn is_empty(&self) -> bool {
        self.orders.is_empty()
            && self.fills.is_empty()
            && self.ledger.is_empty()
            && self.strategies.is_empty()
            && self.settings.is_empty()
    }

    pub(super) fn statements(&self) -> Vec<Statement> {
        let fills: Vec<_> = self.fills.values().cloned().collect();
        let ledger: Vec<_> = self.ledger.values().cloned().collect();
        let strategies: Vec<_> = self.strategies.values().cloned().collect();
        let mut statements = ORDERS.upserts(&self.orders);
        statements.extend(FILLS.upserts(&fills));
        statements.extend(LEDGER.upserts(&ledger));
        statements.extend(STRATEGIES.upserts(&strategies));
        statements.extend(SETTINGS.upserts(&self.settings));
        statements
    }
}

impl Scribe<'_> {
    /// Moves the strategies' books on, and writes the rows down.
    pub(super) fn write(
        &self,
        changes: &Changes,
        results: &mut Results,
    ) -> Result<Rows, StoreError> {
        let mut rows = Rows::default();
        for (id, strategy) in &changes.orders {
            // One that the read model's bound has dropped since was closed long ago, and stored.
            if let Some(view) = self.history.order(*id) {
                rows.orders.push(self.order(view, strategy)?);
            }
        }
        for execution in &changes.executions {
            rows.fills.insert(execution.sequence, self.fill(execution)?);
            if let Some(fee) = self.fee(execution)? {
                let fill = &execution.fill;
                let key = (execution.sequence, FEE, fill.instrument, fill.account.0);
                rows.ledger.insert(key, fee);
            }
        }
        for step in &changes.moves {
            for realised in results.apply(step, |id| self.naming.instrument(id)) {
                let (sequence, row) = self.realised(step, &realised)?;
                let key = (sequence, REALISED, realised.instrument, realised.account.0);
                rows.ledger.insert(key, row);
            }
        }
        self.strategies(changes, &mut rows);
        self.settings(changes, &mut rows);
        Ok(rows)
    }

    fn order(&self, view: &OrderView, strategy: &str) -> Result<Vec<Cell>, StoreError> {
        let instrument = self.instrument(view.instrument)?;
        let quantity = |value: Quantity| value.to_decimal(instrument.quantity_scale).to_string();
        let live = view.state.is_live();
        let leaves = if live { view.quantity.less(view.filled) } else { Quantity::ZERO };
        let text = view.client_order_id.text(self.prefix);
        let venue_order_id = view.venue_order_id.0;
        Ok(vec![
            Cell::number(self.journal),
            Cell::number(view.client_order_id.get()),
            Cell::text(String::from_utf8_lossy(&text)),
            Cell::maybe((venue_order_id > 0).then(|| venue_order_id.to_string())),
            Cell::text(strategy),
            Cell::text(self.naming.account(view.account)),
            Cell::text(instrument.name()),
            Cell::text(view.side.name()),
            Cell::text(view.price.to_decimal(instrument.price_scale).to_string()),
            Cell::text(quantity(view.quantity)),
            Cell::text(quantity(view.filled)),
            Cell::text(quantity(leaves)),
            Cell::text(view.time_in_force.name()),
            Cell::flag(view.reduce_only),
            Cell::text(view.state.name()),
            Cell::flag(live),
            Cell::text(view.reason.as_str()),
            Cell::number(view.created_at.0),
            Cell::number(view.updated_at.0),
        ])
    }

    fn fill(&self, execution: &Execution) -> Result<Vec<Cell>, StoreError> {
        let view = &execution.fill;
        let fill = &view.fill;
        let instrument = self.instrument(view.instrument)?;
        Ok(vec![
            Cell::number(self.journal),
            Cell::number(execution.sequence),
            Cell::text(self.naming.account(view.account)),
            Cell::text(instrument.name()),
            Cell::text(fill.trade_id.0.to_string()),
            view.client_order_id.map_or(Cell::Number(None), |id| Cell::number(id.get())),
            Cell::text(view.venue_order_id.0.to_string()),
            Cell::maybe(execution.strategy.clone()),
            Cell::text(fill.side.name()),
            Cell::text(fill.price.to_decimal(instrument.price_scale).to_string()),
            Cell::text(fill.quantity.to_decimal(instrument.quantity_scale).to_string()),
            Cell::text(match fill.liquidity {
                Liquidity::Maker => "maker",
                Liquidity::Taker => "taker",
            }),
            Cell::maybe(fill.fee.map(|fee| fee.to_string())),
            Cell::text(fill.fee_asset.as_str()),
            Cell::number(view.venue_time.0),
            Cell::number(execution.recorded_at.0),
        ])
    }

    fn fee(&self, execution: &Execution) -> Result<Option<Vec<Cell>>, StoreError> {
        let view = &execution.fill;
        let Some(fee) = view.fill.fee.filter(|fee| fee.0 != 0) else { return Ok(None) };
        let instrument = self.instrument(view.instrument)?;
        Ok(Some(vec![
            Cell::number(self.journal),
            Cell::number(execution.sequence),
            Cell::text(FEE),
            Cell::text(view.fill.fee_asset.as_str()),
            Cell::text((-fee).to_string()),
            Cell::maybe(execution.strategy.clone()),
            Cell::text(self.naming.account(view.account)),
            Cell::text(instrument.name()),
            Cell::text(view.fill.trade_id.0.to_string()),
            Cell::text(view.fill.side.name()),
            Cell::number(view.venue_time.0),
        ]))
    }

    /// A result is dated as the fill that realised it.
    fn realised(&self, step: &Move, realised: &Realised) -> Result<(u64, Vec<Cell>), StoreError> {
        let instrument = self.instrument(realised.instrument)?;
        let (sequence, at, trade, side, strategy) = match step {
            Move::Filled(execution) => {
                let (view, strategy) = (&execution.fill, execution.strategy.clone());
                let trade = view.fill.trade_id.0.to_string();
                (execution.sequence, view.venue_time, trade, view.fill.side.name(), strategy)
            }
            // Told apart from trade ids, which are numbers.
            Move::Bequeathed { sequence, at, .. } => {
                (*sequence, *at, format!("record-{sequence}"), "", Some("manual".into()))
            }
        };
        let row = vec![
            Cell::number(self.journal),
            Cell::number(sequence),
            Cell::text(REALISED),
            Cell::text(instrument.quote.as_str()),
            Cell::text(realised.amount.to_string()),
            Cell::maybe(strategy),
            Cell::text(self.naming.account(realised.account)),
            Cell::text(instrument.name()),
            Cell::text(trade),
            Cell::text(side),
            Cell::number(at.0),
        ];
        Ok((sequence, row))
    }

    fn strategies(&self, changes: &Changes, rows: &mut Rows) {
        let removed = changes.removed.iter().map(|(view, at)| (view, Some(*at)));
        let there = changes.strategies.iter().filter_map(|id| self.history.strategy(*id));
        for (view, gone) in removed.chain(there.map(|view| (view, None))) {
            // A specification that was journalled as JSON can be written as JSON.
            let spec = serde_json::to_string(&view.spec).unwrap_or_default();
            let row = vec![
                Cell::number(self.journal),
                Cell::text(view.spec.id.as_str()),
                Cell::number(u64::from(view.id.0)),
                Cell::text(spec),
                Cell::text(view.state.name()),
                Cell::text(view.mode.name()),
                Cell::text(view.reason.as_str()),
                gone.map_or(Cell::Number(None), |at| Cell::number(at.0)),
            ];
            // A name may be given again: then the one that is there now stands in the row.
            rows.strategies.insert(view.spec.id.to_string(), row);
        }
    }

    fn settings(&self, changes: &Changes, rows: &mut Rows) {
        let model = self.history.model();
        let kill = &model.kill;
        let limits = changes.limits.map(|at| ("limits", serde_json::to_value(&model.limits), at));
        let kill = changes.kill_switch.map(|at| {
            let value = serde_json::json!({ "engaged": kill.engaged, "reason": kill.reason });
            ("kill_switch", Ok(value), at)
        });
        for (name, value, at) in limits.into_iter().chain(kill) {
            rows.settings.push(vec![
                Cell::number(self.journal),
                Cell::text(name),
                Cell::text(value.unwrap_or_default().to_string()),
                Cell::number(at.0),
            ]);
        }
    }

    fn instrument(&self, id: InstrumentId) -> Result<&Instrument, StoreError> {
        self.naming.instrument(id).ok_or(StoreError::UnknownInstrument(id))
    }
}

#[cfg(test)]
impl Rows {
    pub(super) fn of_orders(orders: &[super::StoredOrder]) -> Self {
        let row = |order: &super::StoredOrder| {
            vec![
                Cell::number(order.journal),
                Cell::number(order.client_order_id),
                Cell::text(order.client_order_text.as_str()),
                Cell::maybe(order.venue_order_id.clone()),
                Cell::text(order.strategy.as_str()),
                Cell::text(order.account.as_str()),
                Cell::text(order.instrument.as_str()),
                Cell::text(order.side.as_str()),
                Cell::text(order.price.as_str()),
                Cell::text(order.quantity.as_str()),
                Cell::text(order.filled.as_str()),
                Cell::text(order.leaves_quantity.as_str()),
                Cell::text(order.time_in_force.as_str()),
                Cell::flag(order.reduce_only),
                Cell::text(order.state.as_str()),
                Cell::flag(order.state == "open"),
                Cell::text(order.reason.as_str()),
                Cell::number(order.created_at_ns),
                Cell::number(order.updated_at_ns),
            ]
        };
        Self { orders: orders.iter().map(row).collect(), ..Self::default() }
    }
}

const FEE: &str = "fee";
const REALISED: &str = "realised";

const ORDERS: Table = Table {
    name: "orders",
    columns: &[
        "journal",
        "client_order_id",
        "client_order_text",
        "venue_order_id",
        "strategy",
        "account",
        "instrument",
        "side",
        "price",
        "quantity",
        "filled",
        "leaves_quantity",
        "time_in_force",
        "reduce_only",
        "state",
        "live",
        "reason",
        "created_at_ns",
        "updated_at_ns",
    ],
    key: &["journal", "client_order_id"],
    changing: &[
        "venue_order_id",
        "price",
        "quantity",
        "filled",
        "leaves_quantity",
        "state",
        "live",
        "reason",
        "updated_at_ns",
    ],
};

const FILLS: Table = Table {
    name: "fills",
    columns: &[
        "journal",
        "sequence",
        "account",
        "instrument",
        "trade_id",
        "client_order_id",
        "venue_order_id",
        "strategy",
        "side",
        "price",
        "quantity",
        "liquidity",
        "fee",
        "fee_asset",
        "venue_time_ns",
        "recorded_at_ns",
    ],
    key: &["journal", "account", "instrument", "trade_id", "side"],
    changing: &["client_order_id", "strategy"],
};

const LEDGER: Table = Table {
    name: "ledger",
    columns: &[
        "journal",
        "sequence",
        "kind",
        "asset",
        "amount",
        "strategy",
        "account",
        "instrument",
        "trade_id",
        "side",
        "at_ns",
    ],
    key: &["journal", "kind", "account", "instrument", "trade_id", "side"],
    changing: &["strategy"],
};

const STRATEGIES: Table = Table {
    name: "strategies",
    columns: &["journal", "id", "number", "spec", "state", "mode", "reason", "removed_at_ns"],
    key: &["journal", "id"],
    changing: &["number", "spec", "state", "mode", "reason", "removed_at_ns"],
};

const SETTINGS: Table = Table {
    name: "settings",
    columns: &["journal", "name", "value", "set_at_ns"],
    key: &["journal", "name"],
    changing: &["value", "set_at_ns"],
};
