//! Frames that wait: their order, their room, and what a purge takes back.
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

use enigma_types::Scale;

use super::*;

fn order(id: u64) -> FrameClass {
    FrameClass::Order { client_order_id: ClientOrderId::new(id).unwrap() }
}

fn cancel(id: u64) -> FrameClass {
    FrameClass::Cancel { client_order_id: ClientOrderId::new(id).unwrap() }
}

fn add(transmit: &mut Transmit, class: FrameClass, text: &str) -> Result<(), TransmitFull> {
    transmit.text(class, |payload| {
        payload.push_str(text);
        Ok(())
    })
}

/// Undoes the mask of one short frame.
fn payload_of(frame: &[u8]) -> Vec<u8> {
    let mask: [u8; 4] = frame[2..6].try_into().unwrap();
    assert_eq!(usize::from(frame[1] & 0x7F), frame.len() - 6);
    let mut payload = frame[6..].to_vec();
    apply_mask(&mut payload, mask);
    payload
}

fn waiting_texts(transmit: &mut Transmit) -> Vec<(FrameClass, String)> {
    let mut seen = Vec::new();
    while let Some((class, frame)) = transmit.front() {
        seen.push((class, String::from_utf8(payload_of(frame)).unwrap()));
        transmit.consume_front();
    }
    seen
}

#[track_caller]
fn check_decimal(mantissa: i64, scale: u8, expected: &str) {
    let mut room = [0; 32];
    let mut payload = Payload { room: &mut room, length: 0, overflowed: false };
    payload.push_decimal(mantissa, Scale::new(scale).unwrap());
    assert_eq!(std::str::from_utf8(payload.as_slice()).unwrap(), expected);
}

#[test]
fn decimals_keep_every_digit_of_their_scale() {
    check_decimal(0, 0, "0");
    check_decimal(0, 3, "0.000");
    check_decimal(150, 2, "1.50");
    check_decimal(15, 2, "0.15");
    check_decimal(5, 2, "0.05");
    check_decimal(-5, 2, "-0.05");
    check_decimal(-12_345, 4, "-1.2345");
    check_decimal(12_345, 0, "12345");
    check_decimal(1, 12, "0.000000000001");
    check_decimal(i64::MAX, 12, "9223372.036854775807");
    check_decimal(i64::MIN, 0, "-9223372036854775808");
}

#[test]
fn payload_writes_numbers_and_escaped_strings() {
    let mut room = [0; 128];
    let mut payload = Payload { room: &mut room, length: 0, overflowed: false };
    payload.push_u64(u64::MAX);
    payload.push_byte(b' ');
    payload.push_i64(-7);
    payload.push_json_string("a\"b\\c\n\u{1f}ä");
    let expected = "18446744073709551615 -7\"a\\\"b\\\\c\\u000a\\u001fä\"";
    assert_eq!(std::str::from_utf8(payload.as_slice()).unwrap(), expected);
}

#[test]
fn frames_wait_in_order_without_gaps() {
    let mut transmit = Transmit::with_capacity(512, 8, 1);
    add(&mut transmit, order(1), "place one").unwrap();
    add(&mut transmit, cancel(2), "cancel two").unwrap();
    transmit.pong(b"are you there").unwrap();
    let total: usize = transmit.waiting().map(|(_, bytes)| bytes).sum();
    assert_eq!(transmit.pending().len(), total);
    assert_eq!(
        waiting_texts(&mut transmit),
        [
            (order(1), "place one".to_owned()),
            (cancel(2), "cancel two".to_owned()),
            (FrameClass::Session, "are you there".to_owned()),
        ]
    );
    assert!(transmit.is_empty() && transmit.pending().is_empty());
    assert_eq!(transmit.consume_front(), None);
}

#[test]
fn a_full_buffer_keeps_nothing_of_the_new_frame() {
    let mut transmit = Transmit::with_capacity(64, 8, 1);
    add(&mut transmit, order(1), &"a".repeat(40)).unwrap();
    let before = transmit.pending().to_vec();
    let refused = add(&mut transmit, order(2), &"b".repeat(40));
    assert_eq!(refused, Err(TransmitFull { frames: 1, bytes: 46 }));
    assert_eq!(transmit.pending(), before);
    let mut few = Transmit::with_capacity(640, 1, 1);
    add(&mut few, order(1), "a").unwrap();
    assert_eq!(add(&mut few, order(2), "b"), Err(TransmitFull { frames: 1, bytes: 7 }));
    assert_eq!(few.frames(), 1);
}

#[test]
fn a_payload_that_overflowed_stays_refused() {
    let mut transmit = Transmit::with_capacity(32, 8, 1);
    let refused: Result<(), TransmitFull> = transmit.text(FrameClass::Session, |payload| {
        payload.push_str(&"x".repeat(40));
        payload.push_str("short");
        assert_eq!(payload.as_slice(), b"");
        Ok(())
    });
    assert!(refused.is_err());
    assert!(transmit.is_empty());
}

#[test]
fn an_error_of_the_writer_leaves_nothing_behind() {
    #[derive(Debug, PartialEq)]
    enum EncodeError {
        Full(TransmitFull),
        Unknown,
    }
    impl From<TransmitFull> for EncodeError {
        fn from(full: TransmitFull) -> Self {
            Self::Full(full)
        }
    }
    let mut transmit = Transmit::with_capacity(64, 8, 1);
    let refused = transmit.text(FrameClass::Session, |payload| {
        payload.push_str("half");
        Err(EncodeError::Unknown)
    });
    assert_eq!(refused, Err(EncodeError::Unknown));
    assert!(transmit.pending().is_empty());
}

#[test]
fn space_of_sent_frames_is_used_again() {
    let mut transmit = Transmit::with_capacity(100, 4, 1);
    for round in 0..200_u64 {
        add(&mut transmit, order(round + 1), "0123456789012345678901234").unwrap();
        if round > 0 {
            let (class, frame) = transmit.front().unwrap();
            assert_eq!(class, order(round));
            assert_eq!(payload_of(frame), b"0123456789012345678901234");
            transmit.consume_front();
        }
    }
}

#[test]
fn purge_takes_back_orders_and_keeps_the_rest() {
    let mut transmit = Transmit::with_capacity(512, 8, 1);
    add(&mut transmit, order(1), "one").unwrap();
    add(&mut transmit, cancel(2), "two").unwrap();
    add(&mut transmit, order(3), "three").unwrap();
    add(&mut transmit, FrameClass::Session, "four").unwrap();
    let mut purged = Vec::new();
    assert_eq!(transmit.purge_orders(|id| purged.push(id.get())), 2);
    assert_eq!(purged, [1, 3]);
    assert_eq!(
        waiting_texts(&mut transmit),
        [(cancel(2), "two".to_owned()), (FrameClass::Session, "four".to_owned())]
    );
    assert_eq!(transmit.purge_orders(|_| ()), 0);
}

#[test]
fn an_order_already_begun_is_not_purged() {
    let mut transmit = Transmit::with_capacity(512, 8, 1);
    add(&mut transmit, FrameClass::Session, "zero").unwrap();
    add(&mut transmit, order(1), "one").unwrap();
    add(&mut transmit, order(2), "two").unwrap();
    let mut gone = Vec::new();
    transmit.advance(10 + 4, |class| gone.push(class));
    assert_eq!(gone, [FrameClass::Session]);
    assert_eq!(transmit.front_begun(), Some(order(1)));
    let rest = transmit.front().unwrap().1.to_vec();
    assert_eq!(transmit.purge_orders(|id| assert_eq!(id.get(), 2)), 1);
    assert_eq!(transmit.pending(), rest);
    transmit.advance(rest.len(), |class| gone.push(class));
    assert_eq!(gone, [FrameClass::Session, order(1)]);
    assert_eq!((transmit.front_begun(), transmit.is_empty()), (None, true));
}

#[test]
fn control_frames_are_cut_to_what_they_may_carry() {
    let mut transmit = Transmit::with_capacity(512, 8, 1);
    transmit.ping(&[b'p'; 200]).unwrap();
    transmit.close(1001, &"ä".repeat(100)).unwrap();
    let texts: Vec<Vec<u8>> = std::iter::from_fn(|| {
        let payload = transmit.front().map(|(_, frame)| payload_of(frame));
        transmit.consume_front();
        payload
    })
    .collect();
    assert_eq!(texts[0], [b'p'; 125]);
    assert_eq!(texts[1], [&1001_u16.to_be_bytes(), "ä".repeat(61).as_bytes()].concat());
}
