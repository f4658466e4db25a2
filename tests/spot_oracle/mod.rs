//! A second opinion on spot's payloads: what an order, a fill or an instrument says, read with
//! `serde_json` and exact decimals. It must not use a decoder of the engine.

use std::sync::Arc;

use enigma_types::{AccountId, Fill, Instrument, InstrumentTable, Liquidity, SessionKind, VenueId};
use enigma_venues::registry::SessionPlan;
use serde_json::Value;

use crate::Bench;
use crate::usdm_oracle::{Exact, exact, prefix};

/// What an order object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) symbol: String,
    pub(crate) id: String,
    pub(crate) venue_order_id: u64,
    /// Status, side, time in force; price, quantity, filled.
    pub(crate) state: Option<([String; 3], [Exact; 3])>,
    pub(crate) time_ms: u64,
}

/// What a fill says: id, side, price, quantity, fee, its asset, and whether it rested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FillSaid {
    id: u64,
    is_buy: bool,
    numbers: [Exact; 3],
    fee_asset: String,
    is_maker: bool,
}

/// Reads an order by its keys: symbol, venue's id, client's id, status, price, quantity, filled,
/// side, type, time in force, time.
pub(crate) fn order_facts(object: &Value, keys: [&str; 11]) -> Facts {
    let [symbol, venue_id, id, status, price, quantity, filled, side, kind, in_force, time] =
        keys.map(|key| &object[key]);
    let state = status.as_str().map(|status| {
        let status = match status {
            "NEW" | "PENDING_NEW" | "PARTIALLY_FILLED" => "open",
            "FILLED" => "filled",
            "CANCELED" => "canceled",
            "EXPIRED" | "EXPIRED_IN_MATCH" => "expired",
            "REJECTED" => "rejected",
            _ => "unrecognised",
        };
        let in_force = match (kind.as_str(), in_force.as_str()) {
            (Some("LIMIT_MAKER"), _) => "post_only",
            (_, Some("IOC")) => "ioc",
            (_, Some("FOK")) => "fok",
            _ => "gtc",
        };
        let side = text(side).to_lowercase();
        ([status.into(), side, in_force.into()], [price, quantity, filled].map(number))
    });
    // A canceled order goes by its cancel's id; its own stands beside it.
    let original = ["origClientOrderId", "C"].map(|key| object[key].as_str());
    let own = original.into_iter().flatten().find(|id| !id.is_empty());
    Facts {
        symbol: text(symbol),
        id: own.map_or_else(|| text(id), str::to_owned),
        venue_order_id: venue_id.as_u64().unwrap(),
        state,
        time_ms: time.as_u64().or(object["transactTime"].as_u64()).unwrap_or(0),
    }
}

/// Reads a fill by its keys: id, price, quantity, fee, its asset, whether it rested.
pub(crate) fn said_fill(object: &Value, keys: [&str; 6], is_buy: bool) -> FillSaid {
    let [id, price, quantity, fee, asset, maker] = keys.map(|key| &object[key]);
    FillSaid {
        id: id.as_u64().unwrap(),
        is_buy,
        numbers: [price, quantity, fee].map(number),
        fee_asset: asset.as_str().unwrap_or_default().to_owned(),
        is_maker: maker == true,
    }
}

/// A fill as it was decoded, with what one unit of price and of quantity is.
pub(crate) fn fill_facts(fill: &Fill, (price, quantity): (Exact, Exact)) -> FillSaid {
    FillSaid {
        id: fill.trade_id.0,
        is_buy: fill.side.name() == "buy",
        numbers: [
            Exact::from(fill.price.0) * price,
            Exact::from(fill.quantity.0) * quantity,
            fill.fee.map_or(0, |fee| fee.0),
        ],
        fee_asset: fill.fee_asset.to_string(),
        is_maker: fill.liquidity == Liquidity::Maker,
    }
}

/// Tick, least price, step, least and greatest quantity, least value; `None` without the filters
/// that trading needs.
pub(crate) fn instrument_facts(item: &Value) -> Option<[Exact; 6]> {
    let filters = item["filters"].as_array()?;
    let rule = |kind: &[&str], field: &str| -> Option<Exact> {
        let is_kind = |filter: &&Value| kind.iter().any(|kind| filter["filterType"] == *kind);
        exact(filters.iter().find(is_kind)?.get(field)?.as_str()?)
    };
    let (price, lot) = (["PRICE_FILTER"], ["LOT_SIZE"]);
    let notional = rule(&["NOTIONAL", "MIN_NOTIONAL"], "minNotional");
    Some([
        rule(&price, "tickSize")?,
        rule(&price, "minPrice")?,
        rule(&lot, "stepSize")?,
        rule(&lot, "minQty")?,
        rule(&lot, "maxQty")?,
        notional.unwrap_or(0),
    ])
}

/// A plan over the bench's symbols as instruments of spot.
pub(crate) fn spot_plan(bench: &Bench, kind: SessionKind) -> SessionPlan {
    let mut table = InstrumentTable::default();
    for row in bench.table.iter() {
        table.add(Instrument { venue: VenueId::BinanceSpot, ..row.clone() }).unwrap();
    }
    SessionPlan::new(kind, AccountId(0), Arc::new(table), prefix(), 1)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn number(value: &Value) -> Exact {
    exact(&text(value)).unwrap_or_else(|| panic!("{value} is no decimal"))
}
