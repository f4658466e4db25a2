//! What the engine made of a message, as statements.

use std::sync::Arc;

use enigma_types::{
    BalanceReport, ExecutionReport, Fill, InstrumentId, InstrumentTable, Liquidity, OrderReference,
    Outcome, PositionReport, Price, Quantity, Report, Side, TimeInForce, Trade, WorkingOrder,
    WorkingStatus,
};

use super::{
    BalanceFacts, Exact, FillFacts, OrderFacts, PositionFacts, Statement, TradeFacts, Whose, one_at,
};

/// Says in plain words what is told about the instruments of a table.
#[derive(Clone, Debug)]
pub(crate) struct Teller(pub(crate) Arc<InstrumentTable>);

impl Teller {
    /// The statements in the reports; what says nothing of that kind is left out.
    pub(crate) fn statements(&self, reports: &[Report]) -> Vec<Statement> {
        reports.iter().filter_map(|report| self.statement(report)).collect()
    }

    fn statement(&self, report: &Report) -> Option<Statement> {
        match report {
            Report::Execution(report) => match &report.outcome {
                Outcome::Working(working, _) => Some(Statement::Order(self.order(report, working))),
                Outcome::Fill(fill) => Some(Statement::Fill(self.fill(report, fill))),
                Outcome::Acknowledged(_)
                | Outcome::Rejected(..)
                | Outcome::NotSent(..)
                | Outcome::Unknown(..)
                | Outcome::NotFound { .. } => None,
            },
            Report::Balance(report) => Some(Statement::Balance(balance(report))),
            Report::Position(report) => Some(Statement::Position(self.position(report))),
            Report::Query(_) => None,
        }
    }

    pub(crate) fn order(&self, report: &ExecutionReport, working: &WorkingOrder) -> OrderFacts {
        OrderFacts {
            symbol: self.symbol(report.instrument),
            whose: whose(&report.order),
            venue_order_id: report.venue_order_id.0,
            status: match working.status {
                WorkingStatus::Open => "open",
                WorkingStatus::Filled => "filled",
                WorkingStatus::Canceled => "canceled",
                WorkingStatus::Expired => "expired",
                WorkingStatus::Rejected => "rejected",
                WorkingStatus::Unrecognised => "unrecognised",
            },
            side: side(working.side),
            price: self.price(report.instrument, working.price),
            quantity: self.quantity(report.instrument, working.quantity),
            filled: self.quantity(report.instrument, working.filled),
            time_in_force: match working.time_in_force {
                TimeInForce::Gtc => "gtc",
                TimeInForce::Ioc => "ioc",
                TimeInForce::Fok => "fok",
                TimeInForce::PostOnly => "post_only",
            },
            reduce_only: working.reduce_only,
            time_ns: report.venue_time.0,
        }
    }

    pub(crate) fn fill(&self, report: &ExecutionReport, fill: &Fill) -> FillFacts {
        FillFacts {
            symbol: self.symbol(report.instrument),
            whose: whose(&report.order),
            venue_order_id: report.venue_order_id.0,
            trade_id: fill.trade_id.0,
            side: side(fill.side),
            price: self.price(report.instrument, fill.price),
            quantity: self.quantity(report.instrument, fill.quantity),
            maker: fill.liquidity == Liquidity::Maker,
            fee: fill.fee.unwrap().0,
            fee_asset: fill.fee_asset.to_string(),
            time_ns: report.venue_time.0,
        }
    }

    /// Sessions report positions of one-way mode only.
    pub(crate) fn position(&self, report: &PositionReport) -> PositionFacts {
        PositionFacts {
            symbol: self.symbol(report.instrument),
            leg: "both",
            quantity: self.quantity(report.instrument, Quantity(report.quantity.0)),
            entry: report.entry_price.map(|price| self.price(report.instrument, price)),
            time_ns: report.venue_time.0,
        }
    }

    pub(crate) fn trade(&self, trade: &Trade) -> TradeFacts {
        TradeFacts {
            symbol: self.symbol(trade.instrument),
            trade_id: trade.trade_id,
            price: self.price(trade.instrument, trade.price),
            quantity: self.quantity(trade.instrument, trade.quantity),
            aggressor: side(trade.aggressor),
            time_ns: trade.venue_time.0,
        }
    }

    pub(crate) fn symbol(&self, id: InstrumentId) -> String {
        self.0.get(id).unwrap().symbol.to_string()
    }

    pub(crate) fn price(&self, id: InstrumentId, price: Price) -> Exact {
        Exact::from(price.0) * one_at(self.0.get(id).unwrap().price_scale.digits())
    }

    pub(crate) fn quantity(&self, id: InstrumentId, quantity: Quantity) -> Exact {
        Exact::from(quantity.0) * one_at(self.0.get(id).unwrap().quantity_scale.digits())
    }
}

fn balance(report: &BalanceReport) -> BalanceFacts {
    BalanceFacts {
        asset: report.asset.to_string(),
        wallet: report.wallet.0,
        available: report.available.map(|amount| amount.0),
        time_ns: report.venue_time.0,
    }
}

fn whose(reference: &OrderReference) -> Whose {
    match reference {
        OrderReference::Ours(id) => Whose::Ours(id.get()),
        OrderReference::External(text) => Whose::Others(text.to_string()),
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}
