//! Order lists: one cancels the other (OCO), one triggers the other (OTO). Encodes and decodes
//! them; no session sends one yet, because the engine's order is one order and knows no list. A
//! list of somebody else's is read and counted. It must not allocate.
//!
//! Implements <https://developers.binance.com/docs/binance-spot-api-docs/websocket-api> (order
//! lists, read 2026-11-24).

use arrayvec::ArrayVec;
use enigma_types::{
    ClientOrderId, DecimalText, InstallationPrefix, InstrumentId, Now, OrderReference, Price,
    Quantity, Scale, Side, TimeInForce, UnixNanos, VenueOrderId,
};

use super::client_ids::told_id;
use super::order_answers::{OrderRow, decode_order};
use crate::binance::auth::{ComposeError, Param, write_request};
use crate::binance::fields::{ReadError, fields, millis, need};
use crate::binance::frames::{side_text, timestamp};
use crate::binance::symbols::SymbolTable;
use crate::signer::BinanceSigner;
use crate::wire::json::RawValue;
use crate::wire::websocket::Payload;

/// Who asks when, under which id, about which instrument.
#[derive(Clone, Copy, Debug)]
pub struct ListHead<'a> {
    pub id: u64,
    pub now: Now,
    pub symbol: &'a str,
    pub price_scale: Scale,
    pub quantity_scale: Scale,
    pub prefix: InstallationPrefix,
    pub recv_window_ms: u32,
    /// Signs the request; `None` on a session that has logged on.
    pub signer: Option<&'a BinanceSigner>,
}

/// What a leg of a list asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegKind {
    Limit { price: Price, time_in_force: TimeInForce },
    StopLoss { stop: Price },
    StopLossLimit { stop: Price, price: Price },
    TakeProfit { stop: Price },
    TakeProfitLimit { stop: Price, price: Price },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    pub client_order_id: ClientOrderId,
    pub kind: LegKind,
}

/// Two orders of one side and quantity, one above and one below the market: what happens to either
/// ends the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oco {
    pub list: ClientOrderId,
    pub side: Side,
    pub quantity: Quantity,
    pub above: Leg,
    pub below: Leg,
}

/// An order that is placed, and one that waits until it is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oto {
    pub list: ClientOrderId,
    pub working: SidedLeg,
    pub pending: SidedLeg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SidedLeg {
    pub side: Side,
    pub quantity: Quantity,
    pub leg: Leg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contingency {
    Oco,
    Oto,
    Unrecognised,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListState {
    Executing,
    AllDone,
    Rejected,
    Unrecognised,
}

/// News of a list, which come beside those of its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListUpdate {
    pub instrument: InstrumentId,
    pub list_id: u64,
    pub list: OrderReference,
    pub contingency: Contingency,
    pub state: ListState,
    pub venue_time: UnixNanos,
}

/// An answer about a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    pub update: ListUpdate,
    pub orders: ArrayVec<(VenueOrderId, OrderReference), LEGS>,
    /// The whole state of each, where the answer tells it.
    pub reports: ArrayVec<OrderRow, LEGS>,
}

/// Writes `orderList.place.oco`.
pub fn write_oco(
    payload: &mut Payload<'_>,
    head: &ListHead<'_>,
    oco: &Oco,
) -> Result<(), ComposeError> {
    let [above, below] = [oco.above, oco.below].map(|leg| LegText::new(head, &leg));
    let quantity = oco.quantity.text(head.quantity_scale);
    let list = oco.list.text(head.prefix);
    let mut params = Params::new();
    above.add(&ABOVE, &mut params);
    below.add(&BELOW, &mut params);
    params.extend([
        Param::text("listClientOrderId", &list),
        Param::text("newOrderRespType", b"RESULT"),
        Param::text("quantity", quantity.as_bytes()),
        Param::integer("recvWindow", u64::from(head.recv_window_ms)),
        Param::text("side", side_text(oco.side)),
        Param::text("symbol", head.symbol.as_bytes()),
        timestamp(head.now),
    ]);
    write_request(payload, head.id, "orderList.place.oco", &params, head.signer)
}

/// Writes `orderList.place.oto`.
pub fn write_oto(
    payload: &mut Payload<'_>,
    head: &ListHead<'_>,
    oto: &Oto,
) -> Result<(), ComposeError> {
    let [working, pending] = [oto.working, oto.pending].map(|sided| {
        let quantity = sided.quantity.text(head.quantity_scale);
        (LegText::new(head, &sided.leg), quantity, side_text(sided.side))
    });
    let list = oto.list.text(head.prefix);
    let mut params = Params::new();
    params.extend([
        Param::text("listClientOrderId", &list),
        Param::text("newOrderRespType", b"RESULT"),
    ]);
    pending.0.add(&PENDING, &mut params);
    params.extend([
        Param::text("pendingQuantity", pending.1.as_bytes()),
        Param::text("pendingSide", pending.2),
        Param::integer("recvWindow", u64::from(head.recv_window_ms)),
        Param::text("symbol", head.symbol.as_bytes()),
        timestamp(head.now),
    ]);
    working.0.add(&WORKING, &mut params);
    params.extend([
        Param::text("workingQuantity", working.1.as_bytes()),
        Param::text("workingSide", working.2),
    ]);
    params.sort_unstable_by_key(|param| param.name);
    write_request(payload, head.id, "orderList.place.oto", &params, head.signer)
}

/// Writes `orderList.cancel`, which ends every order of the list.
pub fn write_list_cancel(
    payload: &mut Payload<'_>,
    head: &ListHead<'_>,
    list: ClientOrderId,
) -> Result<(), ComposeError> {
    let list = list.text(head.prefix);
    let params = [
        Param::text("listClientOrderId", &list),
        Param::integer("recvWindow", u64::from(head.recv_window_ms)),
        Param::text("symbol", head.symbol.as_bytes()),
        timestamp(head.now),
    ];
    write_request(payload, head.id, "orderList.cancel", &params, head.signer)
}

/// Reads a list as an answer tells it; `None` for an instrument that isn't ours.
pub fn decode_list(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    object: RawValue<'_>,
) -> Result<Option<ListRow>, ReadError> {
    let names = ["orderListId", "contingencyType", "listOrderStatus", "listClientOrderId"];
    let head = fields(&object, names)?;
    let [time, orders, reports] = fields(&object, ["transactionTime", "orders", "orderReports"])?;
    // The list's own symbol may be anything: what counts is what its orders trade.
    let mut row = None;
    for item in need(orders, "orders")?.iter_array()? {
        let [symbol, id, client] = fields(&item?, ["symbol", "orderId", "clientOrderId"])?;
        let Some(listing) = symbols.find(need(symbol, "symbol")?.as_plain()?) else {
            return Ok(None);
        };
        let list = match row.take() {
            Some(row) => row,
            None => ListRow {
                update: list_update(listing.id, head, time, prefix)?,
                orders: ArrayVec::new(),
                reports: ArrayVec::new(),
            },
        };
        let list = row.insert(list);
        let order = told_id(need(client, "clientOrderId")?, prefix)?.order;
        let id = VenueOrderId(need(id, "orderId")?.as_u64()?);
        list.orders.try_push((id, order)).map_err(|_| ReadError::TooMany("orders of a list"))?;
    }
    let Some(mut row) = row else { return Err(ReadError::Missing("orders")) };
    for item in reports.map(|list| list.iter_array()).transpose()?.into_iter().flatten() {
        if let Some(report) = decode_order(symbols, prefix, item?)? {
            let added = row.reports.try_push(report);
            added.map_err(|_| ReadError::TooMany("orders of a list"))?;
        }
    }
    Ok(Some(row))
}

/// Reads a `listStatus` event; `None` for an instrument that isn't ours.
pub(super) fn decode_list_status(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    event: &RawValue<'_>,
) -> Result<Option<ListUpdate>, ReadError> {
    let [symbol, time] = fields(event, ["s", "T"])?;
    let head = fields(event, ["g", "c", "L", "C"])?;
    match symbols.find(need(symbol, "s")?.as_plain()?) {
        None => Ok(None),
        Some(listing) => list_update(listing.id, head, time, prefix).map(Some),
    }
}

fn list_update(
    instrument: InstrumentId,
    [id, contingency, state, client]: [Option<RawValue<'_>>; 4],
    time: Option<RawValue<'_>>,
    prefix: InstallationPrefix,
) -> Result<ListUpdate, ReadError> {
    Ok(ListUpdate {
        instrument,
        list_id: need(id, "orderListId")?.as_u64()?,
        list: told_id(need(client, "listClientOrderId")?, prefix)?.order,
        contingency: match need(contingency, "contingencyType")?.as_plain()? {
            b"OCO" => Contingency::Oco,
            b"OTO" => Contingency::Oto,
            _ => Contingency::Unrecognised,
        },
        state: match need(state, "listOrderStatus")?.as_plain()? {
            b"EXECUTING" => ListState::Executing,
            b"ALL_DONE" => ListState::AllDone,
            b"REJECT" => ListState::Rejected,
            _ => ListState::Unrecognised,
        },
        venue_time: millis(need(time, "transactionTime")?)?,
    })
}

/// The names of one leg's parameters.
struct LegNames {
    client_id: &'static str,
    price: &'static str,
    stop: &'static str,
    time_in_force: &'static str,
    kind: &'static str,
}

/// A leg's values, as they are sent.
struct LegText {
    client_id: [u8; ClientOrderId::TEXT_LENGTH],
    kind: &'static [u8],
    price: Option<DecimalText>,
    stop: Option<DecimalText>,
    time_in_force: Option<&'static [u8]>,
}

impl LegText {
    fn new(head: &ListHead<'_>, leg: &Leg) -> Self {
        let (kind, price, stop, time_in_force): (&'static [u8], _, _, Option<&'static [u8]>) =
            match leg.kind {
                LegKind::Limit { price, time_in_force } => match time_in_force {
                    TimeInForce::PostOnly => (b"LIMIT_MAKER", Some(price), None, None),
                    TimeInForce::Gtc => (b"LIMIT", Some(price), None, Some(b"GTC")),
                    TimeInForce::Ioc => (b"LIMIT", Some(price), None, Some(b"IOC")),
                    TimeInForce::Fok => (b"LIMIT", Some(price), None, Some(b"FOK")),
                },
                LegKind::StopLoss { stop } => (b"STOP_LOSS", None, Some(stop), None),
                LegKind::TakeProfit { stop } => (b"TAKE_PROFIT", None, Some(stop), None),
                LegKind::StopLossLimit { stop, price } => {
                    (b"STOP_LOSS_LIMIT", Some(price), Some(stop), Some(b"GTC"))
                }
                LegKind::TakeProfitLimit { stop, price } => {
                    (b"TAKE_PROFIT_LIMIT", Some(price), Some(stop), Some(b"GTC"))
                }
            };
        Self {
            client_id: leg.client_order_id.text(head.prefix),
            kind,
            price: price.map(|price| price.text(head.price_scale)),
            stop: stop.map(|stop| stop.text(head.price_scale)),
            time_in_force,
        }
    }

    fn add<'a>(&'a self, names: &LegNames, params: &mut Params<'a>) {
        params.push(Param::text(names.client_id, &self.client_id));
        params.extend(self.price.iter().map(|text| Param::text(names.price, text.as_bytes())));
        params.extend(self.stop.iter().map(|text| Param::text(names.stop, text.as_bytes())));
        params.extend(self.time_in_force.map(|text| Param::text(names.time_in_force, text)));
        params.push(Param::text(names.kind, self.kind));
    }
}

const ABOVE: LegNames = LegNames {
    client_id: "aboveClientOrderId",
    price: "abovePrice",
    stop: "aboveStopPrice",
    time_in_force: "aboveTimeInForce",
    kind: "aboveType",
};
const BELOW: LegNames = LegNames {
    client_id: "belowClientOrderId",
    price: "belowPrice",
    stop: "belowStopPrice",
    time_in_force: "belowTimeInForce",
    kind: "belowType",
};
const WORKING: LegNames = LegNames {
    client_id: "workingClientOrderId",
    price: "workingPrice",
    stop: "workingStopPrice",
    time_in_force: "workingTimeInForce",
    kind: "workingType",
};
const PENDING: LegNames = LegNames {
    client_id: "pendingClientOrderId",
    price: "pendingPrice",
    stop: "pendingStopPrice",
    time_in_force: "pendingTimeInForce",
    kind: "pendingType",
};

/// One that works, and at the most three that wait for it.
const LEGS: usize = 4;

type Params<'a> = ArrayVec<Param<'a>, 24>;

#[cfg(test)]
mod tests;
