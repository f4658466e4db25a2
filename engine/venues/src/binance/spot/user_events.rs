//! Decodes what spot pushes about the account. It must not drop what it can't read: an event that
//! can't be decoded is an error, and the session reconciles.
//!
//! Implements `binance.md` section 4.3 and
//! <https://developers.binance.com/docs/binance-spot-api-docs/user-data-stream> (read 2026-11-24).

use enigma_types::{
    Amount, Asset, Fill, InstallationPrefix, InstrumentId, OrderReference, Price, Quantity,
    TradeId, UnixNanos, VenueOrderId, WorkingOrder, WorkingStatus,
};

use super::account_answers::balance_row;
use super::client_ids::{CancelKind, told_id};
use super::order_answers::{status_of, time_in_force_of};
use super::order_lists::{ListUpdate, decode_list_status};
use crate::binance::account_answers::{BalanceRow, FillFields};
use crate::binance::fields::{
    ReadError, amount, asset_of, fields, millis, need, side_of, unsigned_decimal,
};
use crate::binance::symbols::{Listing, SymbolTable};
use crate::wire::json::RawValue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserEvent {
    Order(OrderUpdate),
    /// Balances that may have changed; the rows are in the scratch.
    Balances,
    /// A deposit, withdrawal or transfer. The balance itself is told by an event of its own.
    Transfer(BalanceChange),
    /// An outside system locked or unlocked a part of the wallet.
    ExternalLock(BalanceChange),
    List(ListUpdate),
    /// Nothing more will come.
    StreamTerminated,
    ServerShutdown,
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
    /// A cancel of ours that ended it.
    pub cancel: Option<CancelKind>,
    pub fill: Option<Fill>,
    pub working: WorkingOrder,
    pub venue_time: UnixNanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceChange {
    pub asset: Asset,
    pub change: Amount,
    pub venue_time: UnixNanos,
}

/// Most balances in one event: all that changed, and an event has one cause.
const ROWS: usize = 512;

/// Reads one event, in the wrapping of its subscription or bare.
pub fn decode_user_event(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    message: &[u8],
    balances: &mut Vec<BalanceRow>,
) -> Result<UserEvent, ReadError> {
    let whole = RawValue::of_message(message)?;
    let [event, kind] = fields(&whole, ["event", "e"])?;
    let (event, kind) = match event {
        None => (whole, kind),
        Some(event) => (event, fields(&event, ["e"])?[0]),
    };
    let Some(kind) = kind else { return Ok(UserEvent::Unknown) };
    match kind.as_plain()? {
        b"executionReport" => decode_execution(symbols, prefix, &event),
        b"outboundAccountPosition" => {
            decode_position(&event, balances)?;
            Ok(UserEvent::Balances)
        }
        b"balanceUpdate" => decode_change(&event).map(UserEvent::Transfer),
        b"externalLockUpdate" => decode_change(&event).map(UserEvent::ExternalLock),
        b"listStatus" => Ok(match decode_list_status(symbols, prefix, &event)? {
            Some(update) => UserEvent::List(update),
            None => UserEvent::Foreign,
        }),
        b"eventStreamTerminated" => Ok(UserEvent::StreamTerminated),
        b"serverShutdown" => Ok(UserEvent::ServerShutdown),
        _ => Ok(UserEvent::Unknown),
    }
}

fn decode_execution(
    symbols: &SymbolTable,
    prefix: InstallationPrefix,
    event: &RawValue<'_>,
) -> Result<UserEvent, ReadError> {
    let [symbol, client, original, id, time] = fields(event, ["s", "c", "C", "i", "T"])?;
    let [execution, status, side, kind, time_in_force, price, quantity, filled] =
        fields(event, ["x", "X", "S", "o", "f", "p", "q", "z"])?;
    let Some(listing) = symbols.find(need(symbol, "s")?.as_plain()?) else {
        return Ok(UserEvent::Foreign);
    };
    let execution = need(execution, "x")?.as_plain()?;
    let status = status_of(need(status, "X")?.as_plain()?);
    let told = told_id(need(client, "c")?, prefix)?;
    // A cancel, ours or another's, is told under its own id with the order's beside it.
    let order = match original.filter(|text| text.bytes() != b"\"\"") {
        Some(original) if matches!(told.order, OrderReference::External(_)) => {
            told_id(original, prefix)?.order
        }
        Some(_) | None => told.order,
    };
    let working = WorkingOrder {
        // What happened matters as much as what it led to: either may be a word of tomorrow.
        status: if is_known(execution) { status } else { WorkingStatus::Unrecognised },
        side: side_of(need(side, "S")?.as_plain()?)?,
        price: Price(unsigned_decimal(price, "p", listing.price_scale)?),
        quantity: Quantity(unsigned_decimal(quantity, "q", listing.quantity_scale)?),
        filled: Quantity(unsigned_decimal(filled, "z", listing.quantity_scale)?),
        time_in_force: time_in_force_of(kind, time_in_force)?,
        reduce_only: false,
    };
    Ok(UserEvent::Order(OrderUpdate {
        instrument: listing.id,
        order,
        venue_order_id: VenueOrderId(need(id, "i")?.as_u64()?),
        cancel: told.cancel,
        fill: decode_fill(event, listing, execution)?,
        working,
        venue_time: millis(need(time, "T")?)?,
    }))
}

fn decode_fill(
    event: &RawValue<'_>,
    listing: &Listing,
    execution: &[u8],
) -> Result<Option<Fill>, ReadError> {
    if execution != b"TRADE" {
        return Ok(None);
    }
    let [trade, side, price, quantity, maker, fee, fee_asset] =
        fields(event, ["t", "S", "L", "l", "m", "n", "N"])?;
    let trade_id = TradeId(need(trade, "t")?.as_u64()?);
    let side = side_of(need(side, "S")?.as_plain()?)?;
    // A commission of nothing is told, and in no asset.
    let fee = Some(need(fee, "n")?);
    FillFields { side, price, quantity, maker, fee, fee_asset }.read(listing, trade_id).map(Some)
}

fn decode_position(event: &RawValue<'_>, balances: &mut Vec<BalanceRow>) -> Result<(), ReadError> {
    let [list, updated] = fields(event, ["B", "u"])?;
    let venue_time = millis(need(updated, "u")?)?;
    balances.clear();
    for item in need(list, "B")?.iter_array()? {
        if balances.len() == ROWS {
            return Err(ReadError::TooMany("balances"));
        }
        balances.push(balance_row(fields(&item?, ["a", "f", "l"])?, venue_time)?);
    }
    Ok(())
}

fn decode_change(event: &RawValue<'_>) -> Result<BalanceChange, ReadError> {
    let [asset, change, time] = fields(event, ["a", "d", "T"])?;
    Ok(BalanceChange {
        asset: asset_of(need(asset, "a")?)?,
        change: amount(need(change, "d")?)?,
        venue_time: millis(need(time, "T")?)?,
    })
}

/// `REPLACED` is an amendment in place; `TRADE_PREVENTION` tells what self-trade prevention did.
fn is_known(execution: &[u8]) -> bool {
    matches!(execution, b"NEW" | b"CANCELED" | b"REPLACED" | b"REJECTED" | b"TRADE" | b"EXPIRED")
        || execution == b"TRADE_PREVENTION"
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop here")]
mod tests {
    use enigma_types::{ClientOrderId, Liquidity, Side, TimeInForce};

    use super::*;
    use crate::binance::spot::tests::{execution_report, id_text, prefix, symbols};

    fn decode(text: &str) -> Result<UserEvent, ReadError> {
        decode_user_event(&symbols(), prefix(), text.as_bytes(), &mut Vec::new())
    }

    fn order_of(text: &str) -> OrderUpdate {
        let event = decode(text).unwrap();
        let UserEvent::Order(update) = event else { panic!("{event:?}") };
        update
    }

    #[track_caller]
    fn check_status(execution: &str, status: &str, expected: WorkingStatus) {
        let text = execution_report(&id_text(7), "", execution, status, "0.001", "0.001");
        assert_eq!(order_of(&text).working.status, expected, "{execution} {status}");
    }

    #[test]
    fn a_trade_is_a_fill_with_its_fee_and_the_state_after_it() {
        let text = execution_report(&id_text(7), "", "TRADE", "PARTIALLY_FILLED", "0.004", "0.005");
        let update = order_of(&text);
        assert_eq!(update.order, OrderReference::Ours(ClientOrderId::new(7).unwrap()));
        let fill = update.fill.unwrap();
        assert_eq!((fill.price, fill.quantity), (Price(6_183_764), Quantity(400)));
        assert_eq!((fill.side, fill.liquidity), (Side::Sell, Liquidity::Maker));
        assert_eq!(fill.fee, Some(Amount::parse(b"0.00001").unwrap()));
        assert_eq!((fill.fee_asset.as_str(), fill.trade_id), ("BNB", TradeId(9)));
        let working = update.working;
        assert_eq!((working.status, working.filled), (WorkingStatus::Open, Quantity(500)));
        assert_eq!(working.time_in_force, TimeInForce::PostOnly);
    }

    #[test]
    fn every_known_pair_has_its_status_and_no_other_has_one() {
        check_status("NEW", "NEW", WorkingStatus::Open);
        check_status("REPLACED", "PARTIALLY_FILLED", WorkingStatus::Open);
        check_status("CANCELED", "CANCELED", WorkingStatus::Canceled);
        check_status("EXPIRED", "EXPIRED", WorkingStatus::Expired);
        check_status("TRADE_PREVENTION", "EXPIRED_IN_MATCH", WorkingStatus::Expired);
        check_status("REJECTED", "REJECTED", WorkingStatus::Rejected);
        check_status("TRADE", "FILLED", WorkingStatus::Filled);
        check_status("TRADE", "HALF_FILLED", WorkingStatus::Unrecognised);
        check_status("TELEPORTED", "NEW", WorkingStatus::Unrecognised);
        check_status("TELEPORTED", "FILLED", WorkingStatus::Unrecognised);
    }

    #[track_caller]
    fn check_cancel(client: &str, original: &str, ours: bool, cancel: Option<CancelKind>) {
        let text = execution_report(client, original, "CANCELED", "CANCELED", "0", "0");
        let update = order_of(&text);
        let expected = OrderReference::Ours(ClientOrderId::new(7).unwrap());
        assert_eq!((update.order == expected, update.cancel), (ours, cancel), "{client}");
    }

    #[test]
    fn a_cancel_is_told_under_its_own_id() {
        let id = id_text(7);
        check_cancel(&format!("{id}c"), &id, true, Some(CancelKind::Plain));
        check_cancel(&format!("{id}r"), &id, true, Some(CancelKind::Replace));
        check_cancel("web_31337", &id, true, None);
        check_cancel("web_31337", "web_1", false, None);
    }

    #[test]
    fn balances_are_free_and_locked_together() {
        let text = r#"{"subscriptionId":0,"event":{"e":"outboundAccountPosition",
            "E":1728972148778,"u":1728972148770,"B":[{"a":"BTC","f":"11818.00000000",
            "l":"182.00000000"},{"a":"USDT","f":"0","l":"0"}]}}"#;
        let mut rows = Vec::new();
        let event = decode_user_event(&symbols(), prefix(), text.as_bytes(), &mut rows);
        assert_eq!(event, Ok(UserEvent::Balances));
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].wallet, Amount::from_units(12_000));
        assert_eq!(rows[0].available, Some(Amount::from_units(11_818)));
        assert_eq!(rows[0].venue_time, UnixNanos::from_millis(1_728_972_148_770));
        assert!(decode(&text.replace("11818", "-1")).is_err());
        assert!(decode(&text.replace("\"u\"", "\"v\"")).is_err());
    }

    #[test]
    fn transfers_locks_and_ends_are_told_apart() {
        let event = |name: &str| {
            format!(
                "{{\"subscriptionId\":0,\"event\":{{\"e\":\"{name}\",\"E\":5,\"a\":\"BTC\",\
                 \"d\":\"-100.5\",\"T\":7}}}}"
            )
        };
        let change = BalanceChange {
            asset: Asset::from("BTC").unwrap(),
            change: Amount::parse(b"-100.5").unwrap(),
            venue_time: UnixNanos::from_millis(7),
        };
        assert_eq!(decode(&event("balanceUpdate")), Ok(UserEvent::Transfer(change)));
        assert_eq!(decode(&event("externalLockUpdate")), Ok(UserEvent::ExternalLock(change)));
        assert_eq!(decode(&event("eventStreamTerminated")), Ok(UserEvent::StreamTerminated));
        assert_eq!(
            decode(r#"{"event":{"e":"serverShutdown","E":1}}"#),
            Ok(UserEvent::ServerShutdown)
        );
        assert_eq!(decode(r#"{"e":"serverShutdown","E":1}"#), Ok(UserEvent::ServerShutdown));
        assert_eq!(
            decode(r#"{"subscriptionId":0,"event":{"e":"TOMORROW"}}"#),
            Ok(UserEvent::Unknown)
        );
        assert_eq!(decode(r#"{"id":1,"status":200,"result":{}}"#), Ok(UserEvent::Unknown));
    }

    #[test]
    fn what_can_not_be_read_is_an_error() {
        let good = execution_report(&id_text(7), "", "TRADE", "FILLED", "0.004", "0.010");
        for (from, to) in [
            ("\"l\":\"0.004\"", "\"l\":\"4e-3\""),
            ("\"l\":\"0.004\"", "\"l\":\"0.0040001\""),
            ("\"l\":\"0.004\"", "\"l\":\"0\""),
            ("\"l\":\"0.004\",", ""),
            ("\"t\":9", "\"t\":-9"),
            ("\"m\":true", "\"m\":\"yes\""),
            ("\"X\":\"FILLED\"", "\"X\":7"),
            ("\"n\":\"0.00001\"", "\"n\":null"),
            ("\"event\":{", "\"event\":[{"),
            ("}}", "}"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            assert!(decode(&text).is_err(), "{text}");
        }
    }
}
