//! Decodes what the private stream pushes. It must not drop what it can't read: an event that can't
//! be decoded is an error, and the session reconciles.
//!
//! Implements `binance.md` section 4.5, compiled from the venue's documents on 2026-11-24:
//! <https://developers.binance.com/docs/derivatives/usds-margined-futures>.

use enigma_types::{
    Fill, InstallationPrefix, InstrumentId, OrderReference, Price, Quantity, TimeInForce, TradeId,
    UnixNanos, VenueOrderId, WorkingOrder, WorkingStatus,
};

use super::account_answers::{PositionRow, position_row};
use super::order_answers::{status_of, time_in_force_of};
use crate::binance::account_answers::{BalanceRow, FillFields};
use crate::binance::fields::{
    ReadError, amount, asset_of, fields, millis, need, reference_of, side_of, unsigned_decimal,
};
use crate::binance::symbols::{Listing, SymbolTable};
use crate::wire::json::RawValue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserEvent {
    Order(OrderUpdate),
    /// Changed balances and positions; the rows are in the scratch.
    Account,
    /// A fill without its fee, sent ahead of the order update that has all.
    TradeLite,
    /// The listen key is gone: nothing more will come.
    ListenKeyExpired,
    MarginCall,
    ServerShutdown,
    /// An event that is documented and says nothing we keep.
    Ignored,
    /// Of an instrument that isn't ours.
    Foreign,
    Unknown,
}

/// News of one order: the execution, if this is one, and the order's whole state after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderUpdate {
    pub instrument: InstrumentId,
    pub order: OrderReference,
    pub venue_order_id: VenueOrderId,
    pub fill: Option<Fill>,
    pub working: WorkingOrder,
    pub venue_time: UnixNanos,
}

/// The rows of the account event that was decoded last.
#[derive(Debug, Default)]
pub struct AccountRows {
    pub balances: Vec<BalanceRow>,
    pub positions: Vec<PositionRow>,
}

impl AccountRows {
    /// Most rows of a kind in one event: all that changed, and an event has one cause.
    const ROWS: usize = 512;

    pub fn new() -> Self {
        Self { balances: Vec::with_capacity(64), positions: Vec::with_capacity(64) }
    }
}

/// Reads one event, wrapped in its stream's name or not.
pub fn decode_user_event(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    message: &[u8],
    rows: &mut AccountRows,
) -> Result<UserEvent, ReadError> {
    let whole = RawValue::of_message(message)?;
    let [data, event, order, account, time] = fields(&whole, ["data", "e", "o", "a", "T"])?;
    let (event, order, account, time) = match data {
        None => (event, order, account, time),
        Some(data) => {
            let [event, order, account, time] = fields(&data, ["e", "o", "a", "T"])?;
            (event, order, account, time)
        }
    };
    let Some(event) = event else { return Ok(UserEvent::Unknown) };
    match event.as_plain()? {
        b"ORDER_TRADE_UPDATE" => decode_order_update(symbols, prefix, need(order, "o")?),
        b"ACCOUNT_UPDATE" => {
            let time = millis(need(time, "T")?)?;
            decode_account_update(symbols, need(account, "a")?, time, rows)?;
            Ok(UserEvent::Account)
        }
        b"TRADE_LITE" => Ok(UserEvent::TradeLite),
        b"listenKeyExpired" => Ok(UserEvent::ListenKeyExpired),
        b"MARGIN_CALL" => Ok(UserEvent::MarginCall),
        b"serverShutdown" => Ok(UserEvent::ServerShutdown),
        b"ACCOUNT_CONFIG_UPDATE"
        | b"ALGO_UPDATE"
        | b"STRATEGY_UPDATE"
        | b"GRID_UPDATE"
        | b"CONDITIONAL_ORDER_TRIGGER_REJECT" => Ok(UserEvent::Ignored),
        _ => Ok(UserEvent::Unknown),
    }
}

fn decode_order_update(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    order: RawValue<'_>,
) -> Result<UserEvent, ReadError> {
    let [symbol, client, id, time, side, time_in_force, reduce_only] =
        fields(&order, ["s", "c", "i", "T", "S", "f", "R"])?;
    let [execution, status, price, quantity, filled] = fields(&order, ["x", "X", "p", "q", "z"])?;
    let Some(listing) = symbols.find(need(symbol, "s")?.as_plain()?) else {
        return Ok(UserEvent::Foreign);
    };
    let execution = need(execution, "x")?.as_plain()?;
    let quantity = unsigned_decimal(quantity, "q", listing.quantity_scale)?;
    let filled = unsigned_decimal(filled, "z", listing.quantity_scale)?;
    let status = status_of(need(status, "X")?.as_plain()?, filled, quantity);
    let working = WorkingOrder {
        // What happened matters as much as what it led to: either may be a word of tomorrow.
        status: if is_known(execution) { status } else { WorkingStatus::Unrecognised },
        side: side_of(need(side, "S")?.as_plain()?)?,
        price: Price(unsigned_decimal(price, "p", listing.price_scale)?),
        quantity: Quantity(quantity),
        filled: Quantity(filled),
        time_in_force: time_in_force.map_or(Ok(TimeInForce::Gtc), time_in_force_of)?,
        reduce_only: reduce_only.map_or(Ok(false), |value| value.as_bool())?,
    };
    Ok(UserEvent::Order(OrderUpdate {
        instrument: listing.id,
        order: reference_of(need(client, "c")?, prefix)?,
        venue_order_id: VenueOrderId(need(id, "i")?.as_u64()?),
        fill: decode_fill(&order, listing, execution)?,
        working,
        venue_time: millis(need(time, "T")?)?,
    }))
}

/// The execution of a trade, or of a liquidation that has traded.
fn decode_fill(
    order: &RawValue<'_>,
    listing: &Listing,
    execution: &[u8],
) -> Result<Option<Fill>, ReadError> {
    if !matches!(execution, b"TRADE" | b"CALCULATED") {
        return Ok(None);
    }
    let [trade, side, price, quantity, maker, fee, fee_asset] =
        fields(order, ["t", "S", "L", "l", "m", "n", "N"])?;
    if unsigned_decimal(quantity, "l", listing.quantity_scale)? == 0 {
        return Ok(None);
    }
    let trade_id = TradeId(need(trade, "t")?.as_u64()?);
    let side = side_of(need(side, "S")?.as_plain()?)?;
    FillFields { side, price, quantity, maker, fee, fee_asset }.read(listing, trade_id).map(Some)
}

fn decode_account_update(
    symbols: &SymbolTable,
    account: RawValue<'_>,
    time: UnixNanos,
    rows: &mut AccountRows,
) -> Result<(), ReadError> {
    let [balances, positions] = fields(&account, ["B", "P"])?;
    rows.balances.clear();
    rows.positions.clear();
    for item in balances.map(|list| list.iter_array()).transpose()?.into_iter().flatten() {
        let [asset, wallet] = fields(&item?, ["a", "wb"])?;
        if rows.balances.len() == AccountRows::ROWS {
            return Err(ReadError::TooMany("balances"));
        }
        rows.balances.push(BalanceRow {
            asset: asset_of(need(asset, "a")?)?,
            wallet: amount(need(wallet, "wb")?)?,
            available: None,
            venue_time: time,
        });
    }
    for item in positions.map(|list| list.iter_array()).transpose()?.into_iter().flatten() {
        let [symbol, side, quantity, entry] = fields(&item?, ["s", "ps", "pa", "ep"])?;
        let Some(listing) = symbols.find(need(symbol, "s")?.as_plain()?) else { continue };
        if rows.positions.len() == AccountRows::ROWS {
            return Err(ReadError::TooMany("positions"));
        }
        rows.positions.push(position_row(listing, side, quantity, entry, time)?);
    }
    Ok(())
}

fn is_known(execution: &[u8]) -> bool {
    matches!(execution, b"NEW" | b"CANCELED" | b"CALCULATED" | b"EXPIRED" | b"TRADE" | b"AMENDMENT")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::{Amount, ClientOrderId, Liquidity, Side, SignedQuantity};

    use super::*;
    use crate::binance::usdm::account_answers::PositionSide;
    use crate::binance::usdm::tests::{order_update, prefix, symbols};

    fn decode(text: &str) -> Result<UserEvent, ReadError> {
        decode_user_event(&symbols(), prefix(), text.as_bytes(), &mut AccountRows::new())
    }

    fn order_of(text: &str) -> OrderUpdate {
        let event = decode(text).unwrap();
        let UserEvent::Order(update) = event else { panic!("{event:?}") };
        update
    }

    #[track_caller]
    fn check_status(execution: &str, status: &str, expected: WorkingStatus) {
        let update = order_of(&order_update(7, execution, status, "0", "0"));
        assert_eq!(update.working.status, expected, "{execution} {status}");
    }

    #[test]
    fn a_trade_is_a_fill_and_the_state_after_it() {
        let update = order_of(&order_update(7, "TRADE", "PARTIALLY_FILLED", "0.004", "0.005"));
        assert_eq!(update.order, OrderReference::Ours(ClientOrderId::new(7).unwrap()));
        let fill = update.fill.unwrap();
        assert_eq!((fill.price, fill.quantity), (Price(99_100), Quantity(4)));
        assert_eq!((fill.side, fill.liquidity), (Side::Sell, Liquidity::Maker));
        assert_eq!(fill.fee, Some(Amount::parse(b"0.01").unwrap()));
        assert_eq!(fill.fee_asset.as_str(), "USDT");
        assert_eq!(update.working.status, WorkingStatus::Open);
        assert_eq!(update.working.filled, Quantity(5));
    }

    #[test]
    fn every_known_pair_has_its_status_and_no_other_has_one() {
        check_status("NEW", "NEW", WorkingStatus::Open);
        check_status("AMENDMENT", "PARTIALLY_FILLED", WorkingStatus::Open);
        check_status("CANCELED", "CANCELED", WorkingStatus::Canceled);
        check_status("EXPIRED", "EXPIRED", WorkingStatus::Expired);
        check_status("EXPIRED", "EXPIRED_IN_MATCH", WorkingStatus::Expired);
        check_status("TRADE", "FILLED", WorkingStatus::Filled);
        check_status("TRADE", "HALF_FILLED", WorkingStatus::Unrecognised);
        check_status("TELEPORTED", "NEW", WorkingStatus::Unrecognised);
        check_status("TELEPORTED", "FILLED", WorkingStatus::Unrecognised);
    }

    #[test]
    fn forced_orders_are_external_and_fill() {
        let text = order_update(7, "CALCULATED", "NEW_ADL", "0.005", "0.010");
        let ours = String::from_utf8(ClientOrderId::new(7).unwrap().text(prefix()).into()).unwrap();
        let update = order_of(&text.replace(&ours, "adl_autoclose_12345"));
        assert!(
            matches!(update.order, OrderReference::External(id) if &id == "adl_autoclose_12345")
        );
        assert_eq!(update.fill.unwrap().quantity, Quantity(5));
        assert_eq!(update.working.status, WorkingStatus::Filled);
        let text = order_update(7, "CALCULATED", "NEW", "0", "0");
        assert_eq!(order_of(&text).fill, None);
    }

    #[test]
    fn a_commission_that_is_not_there_is_none_taken() {
        let text = order_update(7, "TRADE", "FILLED", "0.004", "0.010");
        let text = text.replace("\"N\":\"USDT\",\"n\":\"0.01\",", "");
        assert_eq!(order_of(&text).fill.unwrap().fee, Some(Amount::ZERO));
    }

    #[test]
    fn account_events_give_balances_and_positions() {
        let text = r#"{"stream":"k","data":{"e":"ACCOUNT_UPDATE","E":2,"T":1564745798939,"a":{"m":
            "ORDER","B":[{"a":"USDT","wb":"122624.12345678","cw":"100.1","bc":"50"}],"P":[
            {"s":"BTCUSDT","pa":"-10","ep":"6563.66500","ps":"BOTH"},
            {"s":"XUSDT","pa":"1","ep":"1","ps":"BOTH"}]}}}"#;
        let mut rows = AccountRows::new();
        let event = decode_user_event(&symbols(), prefix(), text.as_bytes(), &mut rows);
        assert_eq!(event, Ok(UserEvent::Account));
        assert_eq!(rows.balances[0].wallet, Amount::parse(b"122624.12345678").unwrap());
        assert_eq!(rows.positions.len(), 1);
        let position = rows.positions[0];
        assert_eq!(position.quantity, SignedQuantity(-10_000));
        assert_eq!(
            (position.side, position.entry_price),
            (PositionSide::Both, Some(Price(65_636)))
        );
        assert_eq!(position.venue_time, UnixNanos::from_millis(1_564_745_798_939));
    }

    #[test]
    fn other_events_are_named() {
        assert_eq!(decode(r#"{"e":"TRADE_LITE","s":"BTCUSDT"}"#), Ok(UserEvent::TradeLite));
        let expired = r#"{"e":"listenKeyExpired","E":1,"listenKey":"x"}"#;
        assert_eq!(decode(expired), Ok(UserEvent::ListenKeyExpired));
        assert_eq!(decode(r#"{"e":"ALGO_UPDATE","o":{}}"#), Ok(UserEvent::Ignored));
        assert_eq!(decode(r#"{"e":"TOMORROW"}"#), Ok(UserEvent::Unknown));
        assert_eq!(decode(r#"{"result":null,"id":1}"#), Ok(UserEvent::Unknown));
        let other = order_update(7, "NEW", "NEW", "0", "0").replace("BTCUSDT", "DOGEUSDT");
        assert_eq!(decode(&other), Ok(UserEvent::Foreign));
    }

    #[test]
    fn what_can_not_be_read_is_an_error() {
        let good = order_update(7, "TRADE", "FILLED", "0.004", "0.010");
        for (from, to) in [
            ("\"l\":\"0.004\"", "\"l\":\"4e-3\""),
            ("\"l\":\"0.004\"", "\"l\":\"0.0041\""),
            ("\"l\":\"0.004\",", ""),
            ("\"t\":9", "\"t\":-9"),
            ("\"m\":true", "\"m\":\"yes\""),
            ("\"X\":\"FILLED\"", "\"X\":7"),
            ("\"o\":{", "\"o\":[{"),
            ("}}", "}"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            assert!(decode(&text).is_err(), "{text}");
        }
    }
}
