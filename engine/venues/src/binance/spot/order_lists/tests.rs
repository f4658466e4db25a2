//! Order lists written and read.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::{Nanos, WorkingStatus};

use super::*;
use crate::binance::spot::tests::{id_text, prefix, symbols};
use crate::signer::Signer;
use crate::wire::websocket::{FrameClass, Transmit};

fn id(id: u64) -> ClientOrderId {
    ClientOrderId::new(id).unwrap()
}

fn head(signer: Option<&BinanceSigner>) -> ListHead<'_> {
    let now = Now {
        mono: Nanos::ZERO,
        wall: UnixNanos::from_millis(1_711_062_760_647),
        venue_offset_ns: 0,
    };
    ListHead {
        id: 7,
        now,
        symbol: "BTCUSDT",
        price_scale: Scale::new(2).unwrap(),
        quantity_scale: Scale::new(5).unwrap(),
        prefix: prefix(),
        recv_window_ms: 5_000,
        signer,
    }
}

fn written(
    write: impl FnOnce(&mut Payload<'_>) -> Result<(), ComposeError>,
) -> Result<String, ComposeError> {
    let mut text = String::new();
    let mut transmit = Transmit::with_capacity(4_096, 4, 1);
    transmit.text(FrameClass::Session, |payload| {
        write(payload)?;
        text = String::from_utf8(payload.as_slice().to_vec()).unwrap();
        Ok::<(), ComposeError>(())
    })?;
    Ok(text)
}

fn oco() -> Oco {
    let above = LegKind::StopLossLimit { stop: Price(6_300_000), price: Price(6_300_500) };
    let below = LegKind::Limit { price: Price(6_000_000), time_in_force: TimeInForce::PostOnly };
    Oco {
        list: id(1),
        side: Side::Buy,
        quantity: Quantity(1_000),
        above: Leg { client_order_id: id(2), kind: above },
        below: Leg { client_order_id: id(3), kind: below },
    }
}

#[test]
fn an_oco_is_written_leg_by_leg() {
    let text = written(|payload| write_oco(payload, &head(None), &oco())).unwrap();
    assert_eq!(
        text,
        format!(
            "{{\"id\":7,\"method\":\"orderList.place.oco\",\"params\":{{\
             \"aboveClientOrderId\":\"{}\",\"abovePrice\":\"63005.00\",\
             \"aboveStopPrice\":\"63000.00\",\"aboveTimeInForce\":\"GTC\",\
             \"aboveType\":\"STOP_LOSS_LIMIT\",\"belowClientOrderId\":\"{}\",\
             \"belowPrice\":\"60000.00\",\"belowType\":\"LIMIT_MAKER\",\
             \"listClientOrderId\":\"{}\",\"newOrderRespType\":\"RESULT\",\
             \"quantity\":\"0.01000\",\"recvWindow\":5000,\"side\":\"BUY\",\
             \"symbol\":\"BTCUSDT\",\"timestamp\":1711062760647}}}}",
            id_text(2),
            id_text(3),
            id_text(1)
        )
    );
}

/// `apiKey` stands behind the names that begin with "above", where the signature wants it.
#[test]
fn what_is_signed_is_sorted_with_the_key_in_its_place() {
    let Signer::Binance(signer) = crate::binance::spot::tests::hmac() else { panic!("a key") };
    let text = written(|payload| write_oco(payload, &head(Some(&signer)), &oco())).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let params = value["params"].as_object().unwrap();
    let mut pairs: Vec<String> = params
        .iter()
        .filter(|(name, _)| *name != "signature")
        .map(|(name, value)| {
            format!("{name}={}", value.as_str().map_or(value.to_string(), str::to_owned))
        })
        .collect();
    pairs.sort_unstable();
    let mut expected = [0; 64];
    let key = enigma_signing::HmacSha256Key::new(b"secret").unwrap();
    key.sign_hex_into(pairs.join("&").as_bytes(), &mut expected);
    assert_eq!(params["signature"].as_str().unwrap().as_bytes(), expected);
    assert!(pairs[0].starts_with("above") && pairs.iter().any(|pair| pair == "apiKey=key"));
}

#[test]
fn an_oto_waits_with_its_second_order_and_a_list_is_canceled_whole() {
    let working = LegKind::Limit { price: Price(6_000_000), time_in_force: TimeInForce::Gtc };
    let sided = |side, client, kind| SidedLeg {
        side,
        quantity: Quantity(1_000),
        leg: Leg { client_order_id: id(client), kind },
    };
    let oto = Oto {
        list: id(1),
        working: sided(Side::Buy, 2, working),
        pending: sided(Side::Sell, 3, LegKind::StopLoss { stop: Price(5_900_000) }),
    };
    let text = written(|payload| write_oto(payload, &head(None), &oto)).unwrap();
    for part in [
        "\"pendingQuantity\":\"0.01000\",\"pendingSide\":\"SELL\",\"pendingStopPrice\":\"59000.00\"",
        "\"pendingType\":\"STOP_LOSS\",\"recvWindow\":5000",
        "\"workingSide\":\"BUY\",\"workingTimeInForce\":\"GTC\",\"workingType\":\"LIMIT\"}}",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = written(|payload| write_list_cancel(payload, &head(None), id(1))).unwrap();
    assert!(text.contains("\"orderList.cancel\",\"params\":{\"listClientOrderId\""), "{text}");
}

const LIST: &str = r#"{"orderListId":2,"contingencyType":"OCO","listStatusType":"EXEC_STARTED",
    "listOrderStatus":"EXECUTING","listClientOrderId":"cKPMnDCbcLQILtDYM4f4fX",
    "transactionTime":1711062760648,"symbol":"BTCUSDT","orders":[
    {"symbol":"BTCUSDT","orderId":2,"clientOrderId":"OURS"},
    {"symbol":"BTCUSDT","orderId":3,"clientOrderId":"Z2IMlR79XNY5LU0tOxrWyW"}],"orderReports":[
    {"symbol":"BTCUSDT","orderId":2,"orderListId":2,"clientOrderId":"OURS",
    "transactTime":1711062760648,"price":"1.50","origQty":"1.000000","executedQty":"0.000000",
    "status":"PENDING_NEW","timeInForce":"GTC","type":"STOP_LOSS_LIMIT","side":"BUY"}]}"#;

fn decode(text: &str) -> Result<Option<ListRow>, ReadError> {
    decode_list(&symbols(), prefix(), RawValue::of_message(text.as_bytes()).unwrap())
}

#[test]
fn a_list_names_its_orders_and_tells_their_states() {
    let text = LIST.replace("OURS", &id_text(9));
    let row = decode(&text).unwrap().unwrap();
    assert_eq!((row.update.list_id, row.update.contingency), (2, Contingency::Oco));
    assert_eq!(row.update.state, ListState::Executing);
    assert_eq!(row.orders[0], (VenueOrderId(2), OrderReference::Ours(id(9))));
    assert!(matches!(row.orders[1].1, OrderReference::External(_)));
    assert_eq!(row.reports[0].working.unwrap().status, WorkingStatus::Open);
    assert_eq!(decode(&text.replace("BTCUSDT", "DOGEUSDT")), Ok(None));
}

#[test]
fn what_is_no_list_is_an_error() {
    for (from, to) in [
        ("\"orders\":[", "\"orders\":7,\"x\":["),
        ("\"orderListId\":2,\"contingencyType\"", "\"contingencyType\""),
        ("1711062760648,\"symbol\"", "\"soon\",\"symbol\""),
        ("\"orderId\":3", "\"orderId\":\"x\""),
        ("\"price\":\"1.50\"", "\"price\":\"1.5e0\""),
    ] {
        let text = LIST.replacen(from, to, 1);
        assert_ne!(text, LIST, "{from}");
        assert!(decode(&text).is_err(), "{to}");
    }
    let order = "{\"symbol\":\"BTCUSDT\",\"orderId\":2,\"clientOrderId\":\"OURS\"},";
    assert!(LIST.contains(order));
    assert_eq!(
        decode(&LIST.replacen(order, &order.repeat(5), 1)),
        Err(ReadError::TooMany("orders of a list"))
    );
}
