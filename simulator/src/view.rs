//! The omniscient view that tests compare a client with. No venue offers this.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Value, json};

use crate::dialects::{binance_spot, binance_usdm};
use crate::exchange::Exchange;
use crate::exchange::account::{Account, AccountId};
use crate::exchange::order::{
    ExpiryReason, OrderKind, OrderStatus, PositionSide, Side, TimeInForce, UnixMillis,
};
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
    pub fee_asset: String,
    pub realized: Decimal,
    pub maker: bool,
    pub at: UnixMillis,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PositionView {
    pub symbol: String,
    pub side: PositionSide,
    pub amount: Decimal,
    pub entry_price: Decimal,
    pub realized: Decimal,
    pub fees: Decimal,
    /// What funding has paid in, negative for paid out.
    pub funding: Decimal,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountView {
    /// By asset, what orders hold included.
    pub balances: BTreeMap<String, Decimal>,
    /// What orders hold where they are paid in full.
    pub locked: BTreeMap<String, Decimal>,
    pub deposit: Decimal,
    pub positions: Vec<PositionView>,
    pub orders: Vec<OrderView>,
    pub fills: Vec<FillView>,
}

/// The futures account. None for a key the venue has never seen; a revoked key still shows it.
pub fn account(venue: &binance_usdm::Venue, api_key: &str) -> Option<AccountView> {
    let mut seen = look(&venue.exchange, venue.keys.account(api_key)?);
    let wallet = venue.exchange.account(venue.keys.account(api_key)?).wallet.0;
    seen.balances = BTreeMap::from([("USDT".to_owned(), wallet)]);
    Some(seen)
}

/// The spot account of the same keys.
pub fn spot_account(venue: &binance_spot::Venue, api_key: &str) -> Option<AccountView> {
    let id = venue.keys.account(api_key)?;
    let mut seen = look(&venue.exchange, id);
    for (asset, balance) in &venue.exchange.account(id).balances {
        seen.balances.insert(asset.clone(), balance.total().0);
        seen.locked.insert(asset.clone(), balance.locked.0);
    }
    Some(seen)
}

fn look(exchange: &Exchange, id: AccountId) -> AccountView {
    let held = exchange.account(id);
    let symbol = |id| exchange.market(id).instrument.symbol.clone();
    let positions = held.positions.iter().map(|((id, side), position)| PositionView {
        symbol: symbol(*id),
        side: *side,
        amount: position.amount.0,
        entry_price: position.entry_price().0,
        realized: position.realized.0,
        fees: position.fees.0,
        funding: position.funding.0,
    });
    AccountView {
        balances: BTreeMap::new(),
        locked: BTreeMap::new(),
        deposit: held.deposit.0,
        positions: positions.collect(),
        orders: orders(exchange, held),
        fills: fills(exchange, held),
    }
}

fn orders(exchange: &Exchange, held: &Account) -> Vec<OrderView> {
    let symbol = |id| exchange.market(id).instrument.symbol.clone();
    let one = |order: &crate::exchange::order::Order| OrderView {
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
    };
    held.orders.values().map(one).collect()
}

fn fills(exchange: &Exchange, held: &Account) -> Vec<FillView> {
    let symbol = |id| exchange.market(id).instrument.symbol.clone();
    let one = |fill: &crate::exchange::order::Fill| FillView {
        trade_id: fill.trade.0,
        order_id: fill.order.0,
        client_order_id: fill.client_id.clone(),
        symbol: symbol(fill.instrument),
        side: fill.side,
        price: fill.price.0,
        quantity: fill.quantity.0,
        fee: fill.fee.0,
        fee_asset: fill.fee_asset.clone(),
        realized: fill.realized.0,
        maker: fill.maker,
        at: fill.at,
    };
    held.fills.iter().map(one).collect()
}

pub fn status(host: &Host) -> Value {
    let (spot, usdm) = {
        let (spot, usdm) = (host.spot(), host.usdm());
        let of = |hub: &crate::dialects::binance::streams::Hub| (hub.published, hub.dropped_slow);
        (of(&spot.hub), of(&usdm.hub))
    };
    json!({
        "replay_finished": host.replay_finished.load(Ordering::Acquire),
        "connections": host.connections.count(),
        "published": spot.0.saturating_add(usdm.0),
        "dropped_slow": spot.1.saturating_add(usdm.1),
        "server_time": host.now().0,
    })
}
