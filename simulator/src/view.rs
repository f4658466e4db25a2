//! The omniscient view that tests compare a client with. No venue offers this.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

use crate::dialects::binance_usdm::Venue;
use crate::exchange::order::{ExpiryReason, OrderKind, OrderStatus, Side, TimeInForce, UnixMillis};
use crate::host::Host;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrderView {
    pub order_id: u64,
    pub client_order_id: String,
    pub symbol: String,
    pub side: Side,
    pub kind: OrderKind,
    pub time_in_force: TimeInForce,
    pub price: Option<Decimal>,
    pub quantity: Decimal,
    pub filled: Decimal,
    pub status: OrderStatus,
    pub expiry: ExpiryReason,
    pub reduce_only: bool,
    pub created: UnixMillis,
    pub updated: UnixMillis,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FillView {
    pub trade_id: u64,
    pub order_id: u64,
    pub client_order_id: String,
    pub symbol: String,
    pub side: Side,
    pub price: Decimal,
    pub quantity: Decimal,
    pub fee: Decimal,
    pub realized: Decimal,
    pub maker: bool,
    pub at: UnixMillis,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PositionView {
    pub symbol: String,
    pub amount: Decimal,
    pub entry_price: Decimal,
    pub realized: Decimal,
    pub fees: Decimal,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountView {
    /// By asset.
    pub balances: BTreeMap<String, Decimal>,
    pub deposit: Decimal,
    pub positions: Vec<PositionView>,
    pub orders: Vec<OrderView>,
    pub fills: Vec<FillView>,
}

/// None for a key the venue has never seen; a revoked key still shows its account.
pub fn account(venue: &Venue, api_key: &str) -> Option<AccountView> {
    let exchange = &venue.exchange;
    let held = exchange.account(venue.keys.account(api_key)?);
    let symbol = |id| exchange.market(id).instrument.symbol.clone();
    let positions = held.positions.iter().map(|(id, position)| PositionView {
        symbol: symbol(*id),
        amount: position.amount.0,
        entry_price: position.entry_price().0,
        realized: position.realized.0,
        fees: position.fees.0,
    });
    let orders = held.orders.values().map(|order| OrderView {
        order_id: order.id.0,
        client_order_id: order.asked.client_id.clone(),
        symbol: symbol(order.asked.instrument),
        side: order.asked.side,
        kind: order.asked.kind,
        time_in_force: order.asked.time_in_force,
        price: order.price.map(|price| price.0),
        quantity: order.quantity.0,
        filled: order.filled.0,
        status: order.status,
        expiry: order.expiry,
        reduce_only: order.asked.reduce_only,
        created: order.created,
        updated: order.updated,
    });
    let fills = held.fills.iter().map(|fill| FillView {
        trade_id: fill.trade.0,
        order_id: fill.order.0,
        client_order_id: fill.client_id.clone(),
        symbol: symbol(fill.instrument),
        side: fill.side,
        price: fill.price.0,
        quantity: fill.quantity.0,
        fee: fill.fee.0,
        realized: fill.realized.0,
        maker: fill.maker,
        at: fill.at,
    });
    Some(AccountView {
        balances: BTreeMap::from([("USDT".to_owned(), held.wallet.0)]),
        deposit: held.deposit.0,
        positions: positions.collect(),
        orders: orders.collect(),
        fills: fills.collect(),
    })
}

pub fn status(host: &Host) -> Value {
    let venue = host.venue();
    json!({
        "replay_finished": host.replay_finished.load(Ordering::Acquire),
        "connections": host.connections.count(),
        "published": venue.hub.published,
        "dropped_slow": venue.hub.dropped_slow,
        "server_time": host.now().0,
    })
}
